/* Errors: one table says for each name of the interfaces which code it has, which exit status it means and
 * how it is put into words. */
#include "libcfipc/internal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 1024 /* a server's words are shorter; longer ones are cut */

struct cfipc_error {
	int code;
	int errnum;
	int status;
	char *name, *message, *hint, *json;
};

static cfipc_error no_memory = {
	.code = CFIPC_ERROR_SYSTEM,
	.errnum = ENOMEM,
	.message = (char[]){"out of memory"},
	.json = (char[]){"{}"},
};

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_DAEMON = 3,
	EXIT_REFUSED = 4,
	EXIT_NOT_FOUND = 5,
	EXIT_NO_SERVER = 6,
	EXIT_NOT_IN_SYNC = 7,
	EXIT_LOCAL_FILE = 8,
	EXIT_INTERRUPTED = 130,
};

/* words: {field} is replaced by that parameter of the reply; its `message` and `hint` where words are NULL.
 */
static const struct row {
	enum cfipc_error_code code;
	int exit;
	const char *name; /* without the interface; NULL: made here */
	const char *words;
} table[] = {
	{CFIPC_ERROR_SYSTEM, EXIT_FAILED, NULL, NULL},
	{CFIPC_ERROR_NOT_RUNNING, EXIT_NO_DAEMON, NULL, NULL},
	{CFIPC_ERROR_DISCONNECTED, EXIT_NO_DAEMON, NULL, NULL},
	{CFIPC_ERROR_PROTOCOL, EXIT_FAILED, NULL, NULL},
	{CFIPC_ERROR_TIMEOUT, EXIT_NOT_IN_SYNC, NULL, NULL},
	{CFIPC_ERROR_CANCELED, EXIT_INTERRUPTED, NULL, NULL},
	{CFIPC_ERROR_USAGE, EXIT_FAILED, NULL, NULL},
	{CFIPC_ERROR_INTERFACE_NOT_FOUND, EXIT_FAILED, "InterfaceNotFound", "no such interface: {interface}"},
	{CFIPC_ERROR_METHOD_NOT_FOUND, EXIT_FAILED, "MethodNotFound", "no such method: {method}"},
	{CFIPC_ERROR_METHOD_NOT_IMPLEMENTED, EXIT_FAILED, "MethodNotImplemented",
	 "not implemented by this daemon: {method}"},
	{CFIPC_ERROR_INVALID_PARAMETER, EXIT_USAGE, "InvalidParameter", "invalid parameter: {parameter}"},
	{CFIPC_ERROR_PERMISSION_DENIED, EXIT_REFUSED, "PermissionDenied", "the daemon does not allow this"},
	{CFIPC_ERROR_EXPECTED_MORE, EXIT_FAILED, "ExpectedMore", "the method answers with a stream only"},
	{CFIPC_ERROR_REMOTE, EXIT_FAILED, "RemoteError", NULL},
	{CFIPC_ERROR_BAD_REQUEST, EXIT_FAILED, "BadRequest", NULL},
	{CFIPC_ERROR_ACCESS_DENIED, EXIT_REFUSED, "AccessDenied", NULL},
	{CFIPC_ERROR_NOT_FOUND, EXIT_NOT_FOUND, "NotFound", NULL},
	{CFIPC_ERROR_TOO_LARGE, EXIT_FAILED, "TooLarge", NULL},
	{CFIPC_ERROR_RANGE_NOT_SATISFIABLE, EXIT_FAILED, "RangeNotSatisfiable", NULL},
	{CFIPC_ERROR_UNREACHABLE, EXIT_NO_SERVER, "Unreachable", "{url} is not reachable: {message}"},
	{CFIPC_ERROR_NO_SUCH_PROFILE, EXIT_NOT_FOUND, "NoSuchProfile", "no such profile: {profile}"},
	{CFIPC_ERROR_NOT_LOGGED_IN, EXIT_REFUSED, "NotLoggedIn", "profile {profile} has no valid credential"},
	{CFIPC_ERROR_LOCAL, EXIT_LOCAL_FILE, "LocalError", "{path}: {message}"},
	{CFIPC_ERROR_HASH_MISMATCH, EXIT_FAILED, "HashMismatch",
	 "the content has SHA-256 {actual}, {expected} was expected"},
	{CFIPC_ERROR_NO_SUCH_TRANSFER, EXIT_NOT_FOUND, "NoSuchTransfer", "no such transfer: {transfer}"},
	{CFIPC_ERROR_BUSY, EXIT_FAILED, "Busy", "busy: {what}"},
	{CFIPC_ERROR_NO_SUCH_PAIR, EXIT_NOT_FOUND, "NoSuchPair", "no such pair: {name}"},
	{CFIPC_ERROR_PAIR_EXISTS, EXIT_FAILED, "PairExists", "there is a pair with this name: {name}"},
	{CFIPC_ERROR_NO_SUCH_CONFLICT, EXIT_NOT_FOUND, "NoSuchConflict", "no such conflict: {id}"},
	{CFIPC_ERROR_NOTHING_HELD, EXIT_NOT_IN_SYNC, "NothingHeld", "nothing is held in {name}"},
	{CFIPC_ERROR_OVERLAP, EXIT_FAILED, "Overlap", "{path} overlaps with {other_path} of pair {other}"},
	{CFIPC_ERROR_PATH_UNUSABLE, EXIT_LOCAL_FILE, "PathUnusable", "{path}: {message}"},
	{CFIPC_ERROR_INVALID_SETTING, EXIT_FAILED, "InvalidSetting", "{file}: {key}: {reason}"},
	{CFIPC_ERROR_READ_ONLY_SETTING, EXIT_FAILED, "ReadOnlySetting",
	 "this setting cannot be changed: {key}"},
	{CFIPC_ERROR_UNKNOWN, EXIT_FAILED, NULL, NULL},
};

static const struct row *row_of_code(int code)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if ((int)table[i].code == code)
			return &table[i];
	return row_of_code(CFIPC_ERROR_UNKNOWN);
}

static const struct row *row_of_name(const char *name)
{
	static const char *const ours[] = {"org.varlink.service.", "org.carbonfiles.daemon.",
					   "org.carbonfiles.sync.", "org.carbonfiles.remote."};

	for (size_t o = 0; o < sizeof(ours) / sizeof(ours[0]); o++) {
		size_t len = strlen(ours[o]);

		if (strncmp(name, ours[o], len) != 0)
			continue;
		for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
			if (table[i].name && strcmp(table[i].name, name + len) == 0)
				return &table[i];
	}
	return row_of_code(CFIPC_ERROR_UNKNOWN);
}

static const char *text_of(struct json_object *parameters, const char *key)
{
	struct json_object *value = NULL;

	if (!parameters || !json_object_object_get_ex(parameters, key, &value) || !value)
		return NULL;
	return json_object_get_string(value);
}

/* Fills "{field}: words" in. A field that is absent takes the ": " behind it along. */
static char *put_words(const char *words, struct json_object *parameters)
{
	char text[MESSAGE_MAX];
	size_t len = 0;

	while (*words && len + 1 < sizeof(text)) {
		const char *end = *words == '{' ? strchr(words, '}') : NULL;
		char key[32];

		if (!end || (size_t)(end - words) > sizeof(key)) {
			text[len++] = *words++;
			continue;
		}
		snprintf(key, sizeof(key), "%.*s", (int)(end - words - 1), words + 1);
		const char *value = text_of(parameters, key);

		words = end + 1;
		if (!value && strncmp(words, ": ", 2) == 0)
			words += 2;
		if (value)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", value);
		if (len >= sizeof(text))
			len = sizeof(text) - 1;
	}
	text[len] = 0;
	return strdup(text);
}

cfipc_error *error_reply(const char *name, struct json_object *parameters)
{
	const struct row *row = row_of_name(name);
	const char *message = text_of(parameters, "message"), *hint = text_of(parameters, "hint");
	struct json_object *value = NULL;
	cfipc_error *error = calloc(1, sizeof(*error));

	if (!error)
		return &no_memory;
	error->code = (int)row->code;
	error->name = strdup(name);
	error->json = parameters ? json_write(parameters, NULL) : strdup("{}");
	error->message = row->words ? put_words(row->words, parameters) : strdup(message ? message : name);
	if (hint)
		error->hint = strdup(hint);
	if (parameters && json_object_object_get_ex(parameters, "status_code", &value))
		error->status = json_object_get_int(value);
	if (parameters && json_object_object_get_ex(parameters, "errno", &value))
		error->errnum = json_object_get_int(value);
	if (!error->name || !error->json || !error->message || (hint && !error->hint)) {
		cfipc_error_free(error);
		return &no_memory;
	}
	return error;
}

cfipc_error *error_local(enum cfipc_error_code code, int errnum, const char *format, ...)
{
	cfipc_error *error = calloc(1, sizeof(*error));
	va_list args;

	if (!error)
		return &no_memory;
	error->code = (int)code;
	error->errnum = errnum;
	error->json = strdup("{}");
	va_start(args, format);
	if (vasprintf(&error->message, format, args) < 0)
		error->message = NULL;
	va_end(args);
	if (!error->json || !error->message) {
		cfipc_error_free(error);
		return &no_memory;
	}
	return error;
}

cfipc_error *error_hint(cfipc_error *error, const char *hint)
{
	if (error != &no_memory && !error->hint)
		error->hint = strdup(hint); /* without one the error is still right */
	return error;
}

int error_result(const cfipc_error *error)
{
	if (error->name)
		return -EREMOTEIO;
	switch (error->code) {
	case CFIPC_ERROR_DISCONNECTED: return -ECONNRESET;
	case CFIPC_ERROR_PROTOCOL: return -EBADMSG;
	case CFIPC_ERROR_TIMEOUT: return -ETIMEDOUT;
	case CFIPC_ERROR_CANCELED: return -ECANCELED;
	default: return error->errnum > 0 ? -error->errnum : -EINVAL;
	}
}

int cfipc_error_code(const cfipc_error *error)
{
	return error ? error->code : 0;
}

int cfipc_error_errno(const cfipc_error *error)
{
	return error ? error->errnum : 0;
}

const char *cfipc_error_name(const cfipc_error *error)
{
	return error ? error->name : NULL;
}

int cfipc_error_status(const cfipc_error *error)
{
	return error ? error->status : 0;
}

const char *cfipc_error_message(const cfipc_error *error)
{
	return error ? error->message : NULL;
}

const char *cfipc_error_hint(const cfipc_error *error)
{
	return error ? error->hint : NULL;
}

const char *cfipc_error_json(const cfipc_error *error)
{
	return error ? error->json : NULL;
}

cfipc_error *cfipc_error_copy(const cfipc_error *error)
{
	if (!error)
		return NULL;
	cfipc_error *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->code = error->code;
	copy->errnum = error->errnum;
	copy->status = error->status;
	copy->name = error->name ? strdup(error->name) : NULL;
	copy->message = strdup(error->message);
	copy->hint = error->hint ? strdup(error->hint) : NULL;
	copy->json = strdup(error->json);
	if ((error->name && !copy->name) || !copy->message || (error->hint && !copy->hint) || !copy->json)
		return cfipc_error_free(copy);
	return copy;
}

cfipc_error *cfipc_error_free(cfipc_error *error)
{
	if (!error || error == &no_memory)
		return NULL;
	free(error->name);
	free(error->message);
	free(error->hint);
	free(error->json);
	free(error);
	return NULL;
}

int cfipc_exit_code(int r, const cfipc_error *error)
{
	if (error)
		return row_of_code(error->code)->exit;
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
	case -ECONNRESET: return EXIT_NO_DAEMON;
	case -ETIMEDOUT: return EXIT_NOT_IN_SYNC;
	case -ECANCELED: return EXIT_INTERRUPTED;
	default: return r >= 0 ? EXIT_DONE : EXIT_FAILED;
	}
}
