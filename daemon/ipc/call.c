/* One call: found in the tables, checked against its interface, given to its handler, answered. */
#include "ipc/private.h"
#include "base/log.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

#define SERVICE "org.varlink.service."

static void call_end(struct ipc_call *call)
{
	struct ipc_conn *conn = call->conn;

	if (call->uid) {
		call->uid->streams--;
		call->server->n_streams--;
		uid_put(call->server, call->uid);
	}
	if (call->flags & IPC_SENSITIVE)
		varlink_wipe(call->root);
	json_object_put(call->root);
	frame_fds_close(&call->fds);
	free(call);
	if (conn)
		conn_next(conn);
}

void call_detach(struct ipc_call *call)
{
	call->conn = NULL;
	call->on_drain = NULL;
	/* Counted no longer, whenever its handler gets round to ending it; the server may be gone by then. */
	if (call->uid) {
		call->uid->streams--;
		call->server->n_streams--;
		uid_put(call->server, call->uid);
		call->uid = NULL;
	}
	if (!call->on_gone)
		return;
	void (*on_gone)(void *) = call->on_gone;

	call->on_gone = NULL;
	on_gone(call->gone_arg);
}

/* Tests only: what the interface does not declare must not leave the house. */
static bool declared(struct ipc_call *call, const char *error, struct json_object *parameters)
{
	char field[IDL_FIELD_MAX] = "";
	int r = 0;

	if (!error)
		r = idl_check_output(call->method, parameters, field);
	else if (strncmp(error, SERVICE, strlen(SERVICE)) != 0) {
		const char *name = strrchr(error, '.') + 1;
		struct ipc_interface *interface =
			server_interface(call->server, error, (size_t)(name - 1 - error));

		r = interface ? idl_check_error(interface->idl, name, parameters, field) : -ENOENT;
	}
	if (r < 0)
		log_error("%s answers %s with a field that is not declared so: %s",
			  idl_method_name(call->method), error ? error : "success", field);
	return r >= 0;
}

static int send_reply(struct ipc_call *call, const char *error, struct json_object *parameters,
		      bool continues)
{
	struct ipc_conn *conn = call->conn;
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (!conn || conn->closing)
		return -EPIPE;
	if (call->oneway)
		return 0;
	if (call->method && call->server->options.check_replies && !declared(call, error, parameters)) {
		conn_close(conn, "would get an undeclared reply");
		return -EPIPE;
	}
	text = varlink_reply_format(parameters, error, continues, &len);
	if (!text) {
		conn_close(conn, "out of memory");
		return -EPIPE;
	}
	int r = conn_send(conn, text, len);

	if (call->flags & IPC_SENSITIVE)
		explicit_bzero(text, len);
	return r;
}

void ipc_call_reply(struct ipc_call *call, struct json_object *parameters)
{
	send_reply(call, NULL, parameters, false);
	if (call->flags & IPC_SENSITIVE)
		varlink_wipe(parameters);
	json_object_put(parameters);
	call_end(call);
}

void ipc_call_error(struct ipc_call *call, const char *error, struct json_object *parameters)
{
	send_reply(call, error, parameters, false);
	json_object_put(parameters);
	call_end(call);
}

int ipc_call_reply_continues(struct ipc_call *call, struct json_object *parameters)
{
	int r = -EINVAL;

	if (call->more)
		r = send_reply(call, NULL, parameters, true);
	json_object_put(parameters);
	return r < 0 ? r : ipc_call_has_room(call);
}

bool ipc_call_has_room(const struct ipc_call *call)
{
	if (!call->conn)
		return true; /* nothing is kept for who has gone */
	if (call->conn->out.queued <= IPC_OUTPUT_HIGH_BYTES)
		return true;
	call->conn->starved = true;
	return false;
}

static void error_about(struct ipc_call *call, const char *error, const char *key, const char *value)
{
	_cleanup_json_ struct json_object *parameters = json_object_new_object();
	struct json_object *text = json_object_new_string(value);

	if (!parameters || !text || json_object_object_add(parameters, key, text) < 0) {
		json_object_put(text);
		ipc_call_no_memory(call);
		return;
	}
	ipc_call_error(call, error, STEAL(parameters));
}

void ipc_call_invalid(struct ipc_call *call, const char *parameter)
{
	error_about(call, SERVICE "InvalidParameter", "parameter", parameter);
}

void ipc_call_no_memory(struct ipc_call *call)
{
	if (call->conn)
		conn_close(call->conn, "out of memory");
	call_end(call);
}

bool ipc_call_more(const struct ipc_call *call)
{
	return call->more;
}

bool ipc_call_gone(const struct ipc_call *call)
{
	return !call->conn || call->conn->closing;
}

bool ipc_call_left(const struct ipc_call *call)
{
	return ipc_call_gone(call) || conn_left(call->conn->fd);
}

const struct ipc_peer *ipc_call_peer(const struct ipc_call *call)
{
	return &call->peer;
}

void ipc_call_on_gone(struct ipc_call *call, void (*on_gone)(void *arg), void *arg)
{
	call->on_gone = on_gone;
	call->gone_arg = arg;
}

void ipc_call_on_drain(struct ipc_call *call, void (*on_drain)(void *arg), void *arg)
{
	call->on_drain = on_drain;
	call->drain_arg = arg;
}

/* Descriptors that were sent and did not arrive: a fault of this machine, not of the caller. */
static void lost_fd(struct ipc_call *call)
{
	_cleanup_json_ struct json_object *p = json_object_new_object();

	if (!p || json_object_object_add(p, "errno", json_object_new_int(EMFILE)) < 0 ||
	    json_object_object_add(p, "name", json_object_new_string("EMFILE")) < 0 ||
	    json_object_object_add(
		    p, "message",
		    json_object_new_string("the descriptor did not arrive: too many are open")) < 0) {
		ipc_call_no_memory(call);
		return;
	}
	ipc_call_error(call, "org.carbonfiles.remote.LocalError", STEAL(p));
}

int ipc_call_take_fd(struct ipc_call *call, struct json_object *parameters, const char *parameter,
		     int *ret_fd)
{
	int64_t index;
	int r = json_get_int64(parameters, parameter, &index);

	if (r == 0)
		return 0;
	if (call->fds.lost) {
		lost_fd(call);
		return -EMFILE;
	}
	int fd = r > 0 && index >= 0 && index < FRAME_FDS_MAX ? frame_fds_take(&call->fds, (unsigned)index)
							      : -EINVAL;
	if (fd < 0) {
		ipc_call_invalid(call, parameter);
		return -EINVAL;
	}
	*ret_fd = fd;
	return 1;
}

/* A method takes the one descriptor its interface speaks of, and nobody else takes any. */
static bool fds_fit(const struct ipc_call *call)
{
	return call->fds.lost || call->fds.n == 0 || (call->fds.n == 1 && (call->flags & IPC_FD));
}

static bool count_stream(struct ipc_call *call)
{
	struct ipc_uid *uid = uid_get(call->server, call->peer.uid);

	if (!uid)
		return false;
	if (uid->streams >= call->server->options.limits.streams_per_uid) {
		uid_put(call->server, uid);
		return false;
	}
	uid->streams++;
	call->server->n_streams++;
	call->uid = uid;
	return true;
}

static void busy(struct ipc_call *call)
{
	_cleanup_json_ struct json_object *p = json_object_new_object();

	if (!p || json_object_object_add(p, "what", json_object_new_string("subscriptions")) < 0 ||
	    json_object_object_add(
		    p, "limit", json_object_new_int((int)call->server->options.limits.streams_per_uid)) < 0) {
		ipc_call_no_memory(call);
		return;
	}
	/* The same error in each interface; org.carbonfiles.daemon, which has none, borrows it. */
	bool sync = strcmp(idl_name(call->interface->idl), "org.carbonfiles.sync") == 0;

	ipc_call_error(call, sync ? "org.carbonfiles.sync.Busy" : "org.carbonfiles.remote.Busy", STEAL(p));
}

static const struct ipc_method *table_row(const struct ipc_interface *interface, const char *name)
{
	for (size_t i = 0; i < interface->n_methods; i++)
		if (strcmp(interface->methods[i].name, name) == 0)
			return &interface->methods[i];
	return NULL;
}

static void dispatch(struct ipc_call *call, const struct varlink_call *message)
{
	const char *dot = strrchr(message->method, '.');
	char field[IDL_FIELD_MAX];

	if (!dot || dot == message->method) {
		error_about(call, SERVICE "InterfaceNotFound", "interface", message->method);
		return;
	}
	struct ipc_interface *interface =
		server_interface(call->server, message->method, (size_t)(dot - message->method));

	if (!interface) {
		_cleanup_free_ char *name = strndup(message->method, (size_t)(dot - message->method));

		if (!name)
			ipc_call_no_memory(call);
		else
			error_about(call, SERVICE "InterfaceNotFound", "interface", name);
		return;
	}
	const struct idl_method *method = idl_method_find(interface->idl, dot + 1);
	const struct ipc_method *row = method ? table_row(interface, dot + 1) : NULL;

	if (!row || message->upgrade) {
		error_about(call, method ? SERVICE "MethodNotImplemented" : SERVICE "MethodNotFound",
			    "method", message->method);
		return;
	}
	call->interface = interface;
	call->method = method;
	call->flags = row->flags;
	if ((row->flags & IPC_ADMIN) && !call->peer.admin)
		ipc_call_error(call, SERVICE "PermissionDenied", NULL);
	else if ((row->flags & IPC_MORE_ONLY) && !call->more)
		ipc_call_error(call, SERVICE "ExpectedMore", NULL);
	else if (idl_check_input(method, message->parameters, field) < 0)
		ipc_call_invalid(call, field);
	else if (!fds_fit(call))
		ipc_call_invalid(call, "fd");
	else if ((row->flags & IPC_SUBSCRIPTION) && !count_stream(call))
		busy(call);
	else
		row->handler(call, message->parameters, interface->context);
}

void call_start(struct ipc_conn *conn, struct varlink_call *message, struct frame_fds *fds)
{
	struct ipc_call *call = calloc(1, sizeof(*call));

	if (!call) {
		frame_fds_close(fds);
		varlink_call_done(message);
		conn_close(conn, "out of memory");
		return;
	}
	call->server = conn->server;
	call->conn = conn;
	call->peer = conn->peer;
	call->root = message->root;
	call->fds = *fds;
	call->more = message->more;
	call->oneway = message->oneway;
	conn->call = call;
	dispatch(call, message);
}
