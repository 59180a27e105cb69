/* The handlers of Upload, Download, AppendFile, PatchFile and DownloadZip: what each takes, and which data of
 * the caller's it may be. The rest is the registry's. */
#include "ipc/remote.h"
#include "ipc/transfers.h"
#include "base/err.h"
#include <errno.h>
#include <string.h>

static bool copy_string(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

/* The order of an op, which it replaces. */
static void take_op(struct transfer_order *o, struct remote_op *op, const char *kind)
{
	*o = (struct transfer_order){
		.ipc = op->ipc,
		.call = op->call,
		.api = STEAL(op->api),
		.kind = kind,
		.profile = STEAL(op->profile),
		.bucket = STEAL(op->bucket),
		.path = STEAL(op->path),
		.spec = {.offset = -1, .length = -1},
	};
	op_free(op);
}

static void refuse(struct transfer_order *o, int r, const char *parameter)
{
	if (r == -EINVAL)
		ipc_call_invalid(o->call, parameter);
	else if (r == -ENOMEM)
		ipc_call_no_memory(o->call);
	else
		error_local(o->call, -r, NULL, NULL);
	transfer_order_done(o);
}

/* A path is opened as the daemon's user: only for that user, and never by the system's daemon, which others
 * could let open what is not theirs. */
static bool may_pass_path(const struct transfer_order *o)
{
	return !ipc_server_is_system(o->ipc->server) && ipc_call_peer(o->call)->uid == geteuid();
}

static int take_path(struct transfer_order *o, const char *text, bool write, bool overwrite)
{
	if (!may_pass_path(o) || text[0] != '/')
		return -EINVAL;
	char *path = path_from_text(text);

	return path ? endpoint_new_path(path, write, overwrite, &o->endpoint) : -ENOMEM;
}

static int take_data(struct transfer_order *o, const char *text)
{
	char *copy = strdup(text);

	return copy ? endpoint_new_memory(copy, strlen(copy), &o->endpoint) : -ENOMEM;
}

/* Exactly one of fd, local_path and, where the method has it, data. False: the call was ended. */
static bool take_local(struct transfer_order *o, struct json_object *parameters, bool write)
{
	const char *path = NULL, *data = NULL;
	bool overwrite = false;
	int fd, r;

	json_get_string(parameters, "local_path", &path);
	json_get_string(parameters, "data", &data);
	json_get_bool(parameters, "overwrite", &overwrite);
	if (path && data) {
		refuse(o, -EINVAL, "data");
		return false;
	}
	int has_fd = ipc_call_take_fd(o->call, parameters, "fd", &fd);

	if (has_fd < 0) {
		transfer_order_done(o);
		return false;
	}
	if (has_fd && (path || data)) {
		close_fd(fd);
		refuse(o, -EINVAL, path ? "local_path" : "data");
		return false;
	}
	if (has_fd)
		r = endpoint_new_fd(fd, write, &o->endpoint);
	else if (path)
		r = take_path(o, path, write, overwrite);
	else
		r = data ? take_data(o, data) : -EINVAL;
	if (r < 0)
		refuse(o, r, path ? "local_path" : "fd");
	return r >= 0;
}

/* What names the server's side. */
static void fill(struct transfer_order *o, enum transfer_kind kind)
{
	o->spec.kind = kind;
	o->spec.bucket = o->bucket;
	o->spec.path = o->path;
	o->spec.token = o->token;
	o->spec.if_sha256 = o->if_sha256;
}

/* It travels in a URL, as the server made it: letters, digits and underscores. */
static bool is_token(const char *token)
{
	return token[0] &&
	       token[strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")] ==
		       '\0';
}

/* The methods that send: begins one, its token read. False: the call was ended. */
static bool begin_send(struct transfer_order *o, struct ipc_call *call, struct json_object *parameters,
		       void *context, const char *kind)
{
	const char *token = NULL;
	struct remote_op *op = op_new_file(context, call, parameters);

	if (!op)
		return false;
	take_op(o, op, kind);
	json_get_string(parameters, "upload_token", &token);
	if (token && !is_token(token)) {
		refuse(o, -EINVAL, "upload_token");
		return false;
	}
	if (!copy_string(&o->token, token)) {
		refuse(o, -ENOMEM, NULL);
		return false;
	}
	return take_local(o, parameters, false);
}

void upload_file(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct transfer_order o;
	int64_t size = -1;

	if (json_get_int64(parameters, "size", &size) > 0 && size < 0) {
		ipc_call_invalid(call, "size");
		return;
	}
	if (!begin_send(&o, call, parameters, context, "upload"))
		return;
	if (size >= 0)
		o.endpoint->size = size;
	fill(&o, TRANSFER_UPLOAD);
	transfers_begin(&o);
}

void append_file(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct transfer_order o;

	if (!begin_send(&o, call, parameters, context, "append"))
		return;
	fill(&o, TRANSFER_APPEND);
	transfers_begin(&o);
}

void patch_file(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct transfer_order o;
	int64_t offset = 0;

	if (json_get_int64(parameters, "offset", &offset) <= 0 || offset < 0) {
		ipc_call_invalid(call, "offset");
		return;
	}
	if (!begin_send(&o, call, parameters, context, "patch"))
		return;
	o.spec.offset = offset;
	fill(&o, TRANSFER_PATCH);
	transfers_begin(&o);
}

void download_file(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct transfer_order o;
	const char *if_sha256 = NULL;
	int64_t offset = -1, length = -1;
	struct digest digest;

	if (json_get_int64(parameters, "offset", &offset) > 0 && offset < 0) {
		ipc_call_invalid(call, "offset");
		return;
	}
	if (json_get_int64(parameters, "length", &length) > 0 && length < 1) {
		ipc_call_invalid(call, "length");
		return;
	}
	json_get_string(parameters, "if_sha256", &if_sha256);
	if (if_sha256 && digest_from_hex(if_sha256, &digest) < 0) {
		ipc_call_invalid(call, "if_sha256");
		return;
	}
	struct remote_op *op = op_new_file(context, call, parameters);

	if (!op)
		return;
	take_op(&o, op, "download");
	if (!take_local(&o, parameters, true))
		return;
	if (!copy_string(&o.if_sha256, if_sha256)) {
		refuse(&o, -ENOMEM, NULL);
		return;
	}
	o.spec.offset = offset;
	o.spec.length = length;
	fill(&o, TRANSFER_DOWNLOAD);
	transfers_begin(&o);
}

void download_zip(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct transfer_order o;
	struct remote_op *op = op_new_bucket(context, call, parameters);

	if (!op)
		return;
	take_op(&o, op, "zip");
	if (!take_local(&o, parameters, true))
		return;
	fill(&o, TRANSFER_ZIP);
	transfers_begin(&o);
}
