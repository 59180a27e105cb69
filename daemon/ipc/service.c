/* org.varlink.service: what the service is, and the texts of its interfaces. */
#include "ipc/private.h"
#include "base/util.h"
#include "libcfipc/varlink/fields.h"
#include "libcfipc/varlink/interfaces.h"
#include <errno.h>
#include <string.h>

#define VENDOR  "CarbonFiles"
#define PRODUCT "carbonfilesd"
#define URL     "man:carbonfilesd(8)"

static int info(const struct ipc_server *server, struct json_object *p)
{
	_cleanup_json_ struct json_object *names = json_object_new_array();

	if (!names || fields_add(p, "vendor", json_object_new_string(VENDOR)) < 0 ||
	    fields_add(p, "product", json_object_new_string(PRODUCT)) < 0 ||
	    fields_add(p, "version", json_object_new_string(server->version)) < 0 ||
	    fields_add(p, "url", json_object_new_string(URL)) < 0)
		return -ENOMEM;
	for (const struct ipc_interface *i = server->interfaces; i; i = i->next) {
		struct json_object *name = json_object_new_string(idl_name(i->idl));

		if (!name || json_object_array_add(names, name) < 0) {
			json_object_put(name);
			return -ENOMEM;
		}
	}
	return fields_add(p, "interfaces", STEAL(names));
}

static void get_info(struct ipc_call *call, struct json_object *parameters, void *context)
{
	_cleanup_json_ struct json_object *p = json_object_new_object();

	if (!p || info(context, p) < 0)
		ipc_call_no_memory(call);
	else
		ipc_call_reply(call, STEAL(p));
}

static void get_interface_description(struct ipc_call *call, struct json_object *parameters, void *context)
{
	_cleanup_json_ struct json_object *p = json_object_new_object();
	const char *name = NULL;

	json_get_string(parameters, "interface", &name);
	const struct ipc_interface *interface = server_interface(context, name, strlen(name));
	const char *key = interface ? "description" : "interface";

	if (!p || fields_add(p, key, json_object_new_string(interface ? idl_text(interface->idl) : name)) < 0)
		ipc_call_no_memory(call);
	else if (interface)
		ipc_call_reply(call, STEAL(p));
	else
		ipc_call_error(call, "org.varlink.service.InterfaceNotFound", STEAL(p));
}

static const struct ipc_method methods[] = {
	{"GetInfo", get_info, 0},
	{"GetInterfaceDescription", get_interface_description, 0},
};

int service_add(struct ipc_server *server)
{
	return ipc_server_add(server, varlink_text_service, methods, ARRAY_SIZE(methods), server);
}
