/* How an error is said: one line on stderr, what to do about it on the next; with --json one line of JSON. */
#include "cfctl/ctl.h"
#include "cfctl/path.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Errors made here or in the library, as --json names them. */
#define OWN_ERROR "org.carbonfiles.cfctl."

void ctl_make_way(struct ctl *ctl)
{
	if (ctl->make_way)
		ctl->make_way(ctl->make_way_userdata);
}

/* Text from outside may be in it: nothing but its safe form reaches the terminal. */
static void say(struct ctl *ctl, enum style style, const char *label, const char *text)
{
	_cleanup_free_ char *safe = term_safe(text);

	ctl_make_way(ctl);
	(void)fflush(stdout); /* what was said before stands before it */
	(void)fprintf(stderr, "%s%s%s%s\n", term_style(&ctl->err, style), label,
		      term_style_end(&ctl->err, style), safe ? safe : "(out of memory)");
}

static void say_hint(struct ctl *ctl, const char *hint)
{
	if (hint && !ctl->quiet)
		say(ctl, STYLE_DIM, "", hint);
}

static void say_json(struct ctl *ctl, const char *name, struct json_object *parameters)
{
	struct json_object *line = json_object_new_object(), *error = json_object_new_string(name);

	ctl_make_way(ctl);
	(void)fflush(stdout);
	if (line && error && parameters && json_object_object_add(line, "error", error) == 0 &&
	    json_object_object_add(line, "parameters", parameters) == 0) {
		_cleanup_free_ char *subject = ctl->subject ? path_encode(ctl->subject) : NULL;

		if (subject)
			(void)json_object_object_add(line, "subject", json_object_new_string(subject));
		(void)fprintf(stderr, "%s\n",
			      json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN |
									   JSON_C_TO_STRING_NOSLASHESCAPE));
	} else {
		json_object_put(error);
		json_object_put(parameters);
		(void)fprintf(stderr, "{\"error\":\"" OWN_ERROR "OutOfMemory\",\"parameters\":{}}\n");
	}
	json_object_put(line);
}

static int report(struct ctl *ctl, int code, const char *name, const char *hint, const char *text)
{
	_cleanup_free_ char *full_name = NULL;
	struct params parameters;

	if (!ctl->json) {
		say(ctl, STYLE_NONE, "cfctl: ", text);
		say_hint(ctl, hint);
		return code;
	}
	params_init(&parameters);
	params_string(&parameters, "message", text);
	params_string(&parameters, "hint", hint);
	if (asprintf(&full_name, OWN_ERROR "%s", name) < 0)
		full_name = NULL;
	say_json(ctl, full_name ? full_name : OWN_ERROR "OutOfMemory", json_object_get(parameters.object));
	params_done(&parameters);
	return code;
}

int ctl_error(struct ctl *ctl, int code, const char *name, const char *hint, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return ctl_no_memory(ctl);
	}
	return report(ctl, code, name, hint, text);
}

int ctl_usage(struct ctl *ctl, const char *hint, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return ctl_no_memory(ctl);
	}
	return report(ctl, EXIT_USAGE, "Usage", hint, text);
}

int ctl_no_memory(struct ctl *ctl)
{
	return report(ctl, EXIT_FAILED, "OutOfMemory", NULL, "out of memory");
}

static const char *own_name(int code)
{
	switch (code) {
	case CFIPC_ERROR_NOT_RUNNING: return "NotRunning";
	case CFIPC_ERROR_DISCONNECTED: return "Disconnected";
	case CFIPC_ERROR_PROTOCOL: return "Protocol";
	case CFIPC_ERROR_TIMEOUT: return "Timeout";
	case CFIPC_ERROR_CANCELED: return "Canceled";
	case CFIPC_ERROR_USAGE: return "Usage";
	default: return "System";
	}
}

/* What a value that the daemon does not take may be. The words of a later version are refused by name. */
static const struct {
	const char *parameter, *hint;
} values[] = {
	{"url", "An address such as https://files.example.org, without a user, a query or a fragment in it."},
	{"name", "Letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit."},
	{"level", "One of error, warning, info, debug."},
	{"mode", "This version has the modes mirror and backup."},
	{"foreign", "One of hold, remove."},
	{"conflicts", "One of keep_both, keep_local, keep_remote."},
	{"path", "A path such as photos/2026/a.jpg, without an empty, '.' or '..' part."},
	{"bucket", "An id of a bucket: `cfctl bucket list` shows them."},
	{"remote_prefix", "A path in the bucket such as photos/2026, without an empty, '.' or '..' part."},
	{"max_deletes", "0 to 1000000000, or -1 for the default."},
	{"max_delete_percent", "0 to 100, or -1 for the default."},
	{"settle_ms", "0 to 600000, or -1 for the default."},
	{"rescan_seconds", "10 to 2592000, or -1 for the default."},
	{"include", "This version has no include."},
	{"exclude",
	 "This version has no exclude; a .carbonfilesignore file in the directory leaves things out."},
	{"upload_limit", "This version has no bandwidth limits."},
	{"download_limit", "This version has no bandwidth limits."},
	{"upload_token", "This version has no pairs with an upload token."},
};

static const char *value_hint(struct json_object *parameters)
{
	const char *parameter = get_text(parameters, "parameter");

	for (size_t i = 0; i < COUNT(values); i++)
		if (strcmp(values[i].parameter, parameter) == 0)
			return values[i].hint;
	return "The daemon does not take this value, or does not have this yet; the manual, cfctl(1), says "
	       "which.";
}

static const char *unreachable_hint(struct json_object *parameters)
{
	if (strcmp(get_text(parameters, "reason"), "tls") == 0)
		return "If the certificate is of an authority of your own, name that in the setting ca_file: "
		       "`cfctl daemon config ca_file=FILE --persist`.";
	return "Check the address, the network and the setting proxy; `cfctl doctor` looks closer.";
}

/* For errors that come without a hint and have one cure. */
static const char *usual_hint(int code, struct json_object *parameters)
{
	switch (code) {
	case CFIPC_ERROR_NOT_RUNNING:
		return "Start it with `systemctl --user start carbonfilesd.socket`, or run carbonfilesd.";
	case CFIPC_ERROR_DISCONNECTED: return "The daemon's log says why: journalctl --user -u carbonfilesd.";
	case CFIPC_ERROR_METHOD_NOT_FOUND:
	case CFIPC_ERROR_INTERFACE_NOT_FOUND:
	case CFIPC_ERROR_METHOD_NOT_IMPLEMENTED:
		return "The daemon does not have it; `cfctl daemon version` shows its version, `cfctl "
		       "--version` this one.";
	case CFIPC_ERROR_INVALID_PARAMETER: return value_hint(parameters);
	case CFIPC_ERROR_UNREACHABLE: return unreachable_hint(parameters);
	case CFIPC_ERROR_PAIR_EXISTS: return "Choose another with --name; `cfctl sync list` shows the pairs.";
	case CFIPC_ERROR_NO_SUCH_PROFILE:
		return "`cfctl profile list` shows the profiles; `cfctl login URL` makes one.";
	case CFIPC_ERROR_NOT_LOGGED_IN: return "Log in: `cfctl login URL --name PROFILE`.";
	case CFIPC_ERROR_ACCESS_DENIED:
		return "The profile's credential may not do this; `cfctl profile show` says what it is, "
		       "`cfctl login` replaces it.";
	case CFIPC_ERROR_NO_SUCH_PAIR: return "`cfctl sync list` shows the pairs.";
	case CFIPC_ERROR_OVERLAP:
		return "Neither directories nor prefixes of one bucket may contain each other; `cfctl sync "
		       "list` shows the pairs.";
	case CFIPC_ERROR_NOTHING_HELD: return "`cfctl sync held` lists what waits for a word.";
	default: return NULL;
	}
}

static const char *hint_of(const cfipc_error *error)
{
	const char *hint = cfipc_error_hint(error);
	struct json_object *parameters;

	if (hint && *hint)
		return hint;
	parameters = json_tokener_parse(cfipc_error_json(error));
	hint = usual_hint(cfipc_error_code(error), parameters); /* a constant */
	json_object_put(parameters);
	return hint;
}

/* Where none is named and none is stored. */
static bool no_profile_yet(const cfipc_error *error)
{
	struct json_object *parameters;
	bool none;

	if (cfipc_error_code(error) != CFIPC_ERROR_NO_SUCH_PROFILE)
		return false;
	parameters = json_tokener_parse(cfipc_error_json(error));
	none = *get_text(parameters, "profile") == '\0';
	json_object_put(parameters);
	return none;
}

static void fail_text(struct ctl *ctl, const char *what, const cfipc_error *error)
{
	_cleanup_free_ char *text = NULL;
	const char *words = no_profile_yet(error) ? "no server is known yet" : cfipc_error_message(error);
	int status = cfipc_error_status(error), n;

	if (status > 0)
		n = asprintf(&text, "cannot %s (HTTP %d): %s", what, status, words);
	else
		n = asprintf(&text, "cannot %s: %s", what, words);
	if (n < 0)
		text = NULL;
	say(ctl, STYLE_NONE, "cfctl: ", text ? text : words);
	say_hint(ctl, hint_of(error));
}

int ctl_fail(struct ctl *ctl, const char *what, int r, const cfipc_error *error)
{
	int code = cfipc_exit_code(r, error);
	const char *name = cfipc_error_name(error);

	if (code == EXIT_INTERRUPTED)
		return code; /* the user knows */
	if (!error)
		return ctl_error(ctl, code, r == -ENOMEM ? "OutOfMemory" : "System", NULL, "cannot %s: %s",
				 what, cfipc_strerror(r));
	if (!ctl->json) {
		fail_text(ctl, what, error);
		return code;
	}
	if (name) {
		say_json(ctl, name, json_tokener_parse(cfipc_error_json(error)));
		return code;
	}
	return ctl_error(ctl, code, own_name(cfipc_error_code(error)), hint_of(error), "cannot %s: %s", what,
			 cfipc_error_message(error));
}

void ctl_skipped(struct ctl *ctl, const char *subject, const char *why)
{
	const char *outer = ctl->subject;

	if (ctl->quiet)
		return;
	if (!ctl->json) {
		ctl_note(ctl, STYLE_WARN, "skipped: ", "%s: %s", subject, why);
		return;
	}
	ctl->subject = subject;
	(void)report(ctl, EXIT_OK, "Skipped", NULL, why);
	ctl->subject = outer;
}

void ctl_note(struct ctl *ctl, enum style style, const char *label, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	if (ctl->quiet)
		return;
	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	else
		say(ctl, style, label, text);
}
