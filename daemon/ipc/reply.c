/* Building replies, and the one place where what went wrong below becomes an error of the interfaces. */
#include "ipc/methods.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/util.h"
#include "sync/names.h"
#include <errno.h>
#include <string.h>

struct reply reply_new(void)
{
	struct reply r = {.object = json_object_new_object()};

	r.failed = !r.object;
	return r;
}

void reply_add(struct reply *r, const char *key, struct json_object *value)
{
	if (fields_add(r->object, key, value) < 0)
		r->failed = true;
}

void reply_string(struct reply *r, const char *key, const char *value)
{
	if (!value)
		return;
	if (utf8_valid(value, strlen(value))) {
		reply_add(r, key, json_object_new_string(value));
		return;
	}
	/* Names of files that found their way into a message: JSON cannot carry their bytes. */
	_cleanup_free_ char *quoted = log_quote(value, strlen(value));

	reply_add(r, key, quoted ? json_object_new_string(quoted) : NULL);
}

void reply_int(struct reply *r, const char *key, int64_t value)
{
	reply_add(r, key, json_object_new_int64(value));
}

void reply_bool(struct reply *r, const char *key, bool value)
{
	reply_add(r, key, json_object_new_boolean(value));
}

void reply_time(struct reply *r, const char *key, int64_t wall_ms)
{
	char text[CLOCK_RFC3339_MAX];

	if (wall_ms == 0)
		return;
	clock_format_rfc3339(wall_ms, text);
	reply_string(r, key, text);
}

void reply_fields(struct reply *r, const struct field *fields, size_t n, const void *from)
{
	if (!r->failed && fields_write(r->object, fields, n, from) < 0)
		r->failed = true;
}

struct json_object *reply_take(struct reply *r)
{
	struct json_object *object = STEAL(r->object);

	if (!r->failed)
		return object;
	json_object_put(object);
	return NULL;
}

void reply_send(struct ipc_call *call, struct reply *r)
{
	struct json_object *object = reply_take(r);

	if (object)
		ipc_call_reply(call, object);
	else
		ipc_call_no_memory(call);
}

int reply_continue(struct ipc_call *call, struct reply *r)
{
	struct json_object *object = reply_take(r);

	return object ? ipc_call_reply_continues(call, object) : -ENOMEM;
}

void reply_error(struct ipc_call *call, const char *error, struct reply *r)
{
	struct json_object *object = reply_take(r);

	if (object)
		ipc_call_error(call, error, object);
	else
		ipc_call_no_memory(call);
}

void reply_nothing(struct ipc_call *call)
{
	ipc_call_reply(call, NULL);
}

bool reply_append(struct json_object *list, struct json_object *item)
{
	if (item && json_object_array_add(list, item) == 0)
		return true;
	json_object_put(item);
	return false;
}

void error_named(struct ipc_call *call, const char *error, const char *key, const char *value)
{
	struct reply r = reply_new();

	reply_string(&r, key, value ? value : "");
	reply_error(call, error, &r);
}

static void add_errno(struct reply *r, int errnum, const char *message)
{
	const char *name = strerrorname_np(errnum);

	reply_int(r, "errno", errnum);
	reply_string(r, "name", name ? name : "");
	reply_string(r, "message", message ? message : strerror(errnum));
}

void error_local(struct ipc_call *call, int errnum, const char *path, const char *message)
{
	struct reply r = reply_new();

	add_errno(&r, errnum, message);
	reply_string(&r, "path", path);
	reply_error(call, REMOTE "LocalError", &r);
}

/* The name an answer of the server has in the interface; NULL: there was no answer. */
static const char *status_name(int code, int status)
{
	if (status == 0)
		return NULL;
	switch (code) {
	case ERR_AUTH: return "AccessDenied";
	case ERR_NOT_FOUND: return "NotFound";
	case ERR_TOO_LARGE: return "TooLarge";
	case ERR_RANGE: return "RangeNotSatisfiable";
	default: return status == 400 ? "BadRequest" : "RemoteError";
	}
}

/* org.carbonfiles.sync knows fewer names than org.carbonfiles.remote. */
static void error_status(struct ipc_call *call, const char *interface, const char *name, int status,
			 const char *message, const char *hint, int64_t retry_after_s)
{
	struct reply r = reply_new();
	char error[96];
	bool few = strcmp(interface, SYNC) == 0;

	if (few && strcmp(name, "AccessDenied") != 0 && strcmp(name, "NotFound") != 0)
		name = "RemoteError";
	reply_int(&r, "status_code", status);
	reply_string(&r, "message", message);
	reply_string(&r, "hint", hint);
	if (retry_after_s > 0)
		reply_int(&r, "retry_after", retry_after_s);
	snprintf(error, sizeof(error), "%s%s", interface, name);
	reply_error(call, error, &r);
}

static void error_unreachable(struct ipc_call *call, const char *interface, const char *reason,
			      const char *message, const char *url)
{
	struct reply r = reply_new();
	char error[96];

	reply_string(&r, "reason", reason);
	reply_string(&r, "message", message);
	reply_string(&r, "url", url);
	snprintf(error, sizeof(error), "%sUnreachable", interface);
	reply_error(call, error, &r);
}

void error_api(struct ipc_call *call, const char *interface, const struct api_error *error)
{
	const char *name = status_name(error->code, error->status);
	const char *message = error->message ? error->message : err_text(error->code);

	if (error->code == -ENOMEM)
		ipc_call_no_memory(call);
	else if (name)
		error_status(call, interface, name, error->status, message, error->hint,
			     error->retry_after_s);
	else
		error_unreachable(call, interface, error->reason ? error->reason : "protocol", message,
				  error->url ? error->url : "");
}

void error_profile(struct ipc_call *call, const char *interface, int r, const char *profile)
{
	char error[96];

	if (r == -ENOMEM) {
		ipc_call_no_memory(call);
		return;
	}
	snprintf(error, sizeof(error), "%s%s", interface, r == -EACCES ? "NotLoggedIn" : "NoSuchProfile");
	error_named(call, error, "profile", profile);
}

static void error_remote(struct ipc_call *call, const struct engine_error *e)
{
	const struct remote_error *remote = e->remote;
	const char *name = status_name(remote->code, remote->status);

	if (name)
		error_status(call, SYNC, name, remote->status, remote->message, NULL, remote->retry_after_s);
	else
		error_unreachable(call, SYNC, remote->code == ERR_PROTOCOL ? "protocol" : "offline",
				  remote->message, e->subject ? e->subject : "");
}

static void error_path(struct ipc_call *call, const struct engine_error *e)
{
	_cleanup_free_ char *path = path_to_text(e->subject ? e->subject : "");
	struct reply r = reply_new();

	reply_string(&r, "path", path ? path : "");
	add_errno(&r, e->code < 0 && e->code > ERR_OFFLINE ? -e->code : EIO,
		  e->message ? e->message : err_text(e->code));
	reply_error(call, SYNC "PathUnusable", &r);
}

/* The paths are directories, or BUCKET/PREFIX, which has no slash in front and stands as it is. */
static void error_overlap(struct ipc_call *call, const struct engine_error *e)
{
	_cleanup_free_ char *path = path_to_text(e->subject ? e->subject : "");
	_cleanup_free_ char *other_path = path_to_text(e->other_path ? e->other_path : "");
	struct reply r = reply_new();

	reply_string(&r, "path", path ? path : "");
	reply_string(&r, "other", e->other ? e->other : "");
	reply_string(&r, "other_path", other_path ? other_path : "");
	reply_error(call, SYNC "Overlap", &r);
}

void error_engine(struct ipc_call *call, const struct engine_error *e)
{
	struct reply r;

	switch (e->kind) {
	case ENGINE_OK: reply_nothing(call); break;
	case ENGINE_NO_SUCH_PAIR: error_named(call, SYNC "NoSuchPair", "name", e->subject); break;
	case ENGINE_PAIR_EXISTS: error_named(call, SYNC "PairExists", "name", e->subject); break;
	case ENGINE_NOTHING_HELD: error_named(call, SYNC "NothingHeld", "name", e->subject); break;
	case ENGINE_NO_SUCH_PROFILE: error_named(call, SYNC "NoSuchProfile", "profile", e->subject); break;
	case ENGINE_NOT_LOGGED_IN: error_named(call, SYNC "NotLoggedIn", "profile", e->subject); break;
	case ENGINE_INVALID: ipc_call_invalid(call, e->subject ? e->subject : ""); break;
	case ENGINE_REMOTE: error_remote(call, e); break;
	case ENGINE_OVERLAP: error_overlap(call, e); break;
	case ENGINE_BUSY:
		r = reply_new();
		reply_string(&r, "what", e->subject ? e->subject : "");
		reply_int(&r, "limit", e->code);
		reply_error(call, SYNC "Busy", &r);
		break;
	case ENGINE_PATH_UNUSABLE:
	case ENGINE_LOCAL: error_path(call, e); break;
	}
}

static char *with_slash(char *relative)
{
	char *path = NULL;

	if (relative && asprintf(&path, "/%s", relative) < 0)
		path = NULL;
	free(relative);
	return path;
}

char *path_to_text(const char *path)
{
	return path[0] == '/' && path[1] ? with_slash(names_encode(path + 1)) : strdup(path);
}

char *path_from_text(const char *text)
{
	char *decoded = NULL;

	/* What encoding cannot have made is taken as it stands; whoever opens it says what is wrong with it.
	 */
	if (text[0] != '/' || names_decode(text + 1, &decoded) < 0)
		return strdup(text);
	return with_slash(decoded);
}
