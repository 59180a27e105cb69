/* org.carbonfiles.daemon, but for Diagnose (diagnose.c). */
#include "ipc/diagnose.h"
#include "ipc/methods.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct ipc_watcher {
	struct ipc_watcher *next;
	struct ipc *ipc;
	struct ipc_call *call;
	bool missed; /* the client was too slow for something: the state is sent once it has caught up */
};

static void get_version(struct ipc_call *call, struct json_object *parameters, void *context)
{
	static const char *const features[] = {"fd", "sync"};
	const struct ipc *ipc = context;
	struct reply r = reply_new();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < ARRAY_SIZE(features); i++)
		if (!reply_append(list, json_object_new_string(features[i])))
			r.failed = true;
	reply_string(&r, "version", ipc->context.version);
	reply_string(&r, "build", ipc->context.build);
	reply_add(&r, "features", list);
	reply_send(call, &r);
}

static void get_status(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const struct ipc_limits *limits = ipc_server_limits(ipc->server);
	struct reply r = reply_new();

	reply_string(&r, "mode", ipc_server_is_system(ipc->server) ? "system" : "user");
	reply_int(&r, "uid", geteuid());
	reply_int(&r, "pid", getpid());
	reply_time(&r, "started_at", ipc->context.started_at_ms);
	reply_string(&r, "state", ipc->context.state(ipc->context.daemon));
	reply_int(&r, "connections", ipc_server_connections(ipc->server));
	reply_int(&r, "transfers", engine_transfers(ipc->context.engine));
	reply_int(&r, "subscribers", ipc_server_subscriptions(ipc->server));
	reply_int(&r, "max_message", (int64_t)limits->request_bytes);
	reply_int(&r, "max_connections", limits->connections);
	reply_send(call, &r);
}

static void invalid_setting(struct ipc_call *call, const struct settings_error *error, const char *key,
			    const char *reason)
{
	struct reply r = reply_new();

	reply_string(&r, "key", error && error->key ? error->key : key ? key : "");
	reply_string(&r, "reason", error && error->reason ? error->reason : reason);
	reply_string(&r, "file", error ? error->file : NULL);
	if (error && error->line > 0)
		reply_int(&r, "line", error->line);
	reply_error(call, DAEMON "InvalidSetting", &r);
}

static const struct settings_key *find_key(const char *name)
{
	for (size_t i = 0; i < settings_keys_count; i++)
		if (strcmp(settings_keys[i].name, name) == 0)
			return &settings_keys[i];
	return NULL;
}

/* Equal values, and 0 for out of memory too: whoever compares only reports. */
static bool same_value(const struct settings *a, const struct settings *b, const char *key)
{
	_cleanup_free_ char *left = settings_get(a, key), *right = settings_get(b, key);

	return !left || !right ? left == right : strcmp(left, right) == 0;
}

/* Names of the keys whose values differ into changed, and those of them that need a restart. */
static void list_changes(struct reply *r, const struct settings *before, const struct settings *after,
			 const char *changed_name)
{
	struct json_object *changed = json_object_new_array(), *restart = json_object_new_array();

	for (size_t i = 0; changed && restart && i < settings_keys_count; i++) {
		const struct settings_key *key = &settings_keys[i];

		if (same_value(before, after, key->name))
			continue;
		if (!reply_append(changed, json_object_new_string(key->name)) ||
		    (key->restart && !reply_append(restart, json_object_new_string(key->name))))
			r->failed = true;
	}
	if (changed_name)
		reply_add(r, changed_name, changed);
	else
		json_object_put(changed);
	reply_add(r, "restart_needed", restart);
}

static void reload(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	_cleanup_(settings_done) struct settings before = {0};
	_cleanup_(settings_error_done) struct settings_error error = {0};
	int result = settings_copy(ipc->context.settings, &before);

	if (result < 0) {
		ipc_call_no_memory(call);
		return;
	}
	result = ipc->context.reload(ipc->context.daemon, &error);
	if (result < 0) {
		invalid_setting(call, &error, NULL, strerror(-result));
		return;
	}
	struct reply r = reply_new();

	list_changes(&r, &before, ipc->context.settings, "changed");
	reply_send(call, &r);
}

/* Where the value in force comes from. */
static const char *source_of(const struct ipc *ipc, const struct settings *file,
			     const struct settings *defaults, const char *key)
{
	if (!same_value(ipc->context.settings, file, key))
		return "runtime";
	return same_value(file, defaults, key) ? "default" : "file";
}

static struct json_object *setting_object(const struct ipc *ipc, const struct settings_key *key,
					  const struct settings *file, const struct settings *defaults)
{
	_cleanup_free_ char *value = settings_get(ipc->context.settings, key->name);
	struct reply r = reply_new();

	reply_string(&r, "key", key->name);
	reply_string(&r, "value", value ? value : "");
	reply_string(&r, "source", source_of(ipc, file, defaults, key->name));
	reply_bool(&r, "writable", true);
	reply_bool(&r, "restart", key->restart);
	return reply_take(&r);
}

static void get_config(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	_cleanup_(settings_done) struct settings defaults = {0}, file = {0};
	_cleanup_(settings_error_done) struct settings_error ignored = {0};
	struct json_object *keys = NULL, *list;
	struct reply r = reply_new();

	json_get_array(parameters, "keys", &keys);
	for (size_t i = 0; keys && i < json_object_array_length(keys); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(keys, i));

		if (!find_key(name)) {
			json_object_put(reply_take(&r));
			invalid_setting(call, NULL, name, "there is no such setting");
			return;
		}
	}
	if (settings_init(&defaults) < 0 || settings_init(&file) < 0)
		r.failed = true;
	else /* a file that is refused at the moment leaves the defaults to compare with */
		(void)settings_load(ipc->context.settings_path, &file, &ignored);
	list = json_object_new_array();
	for (size_t i = 0;
	     !r.failed && list && i < (keys ? json_object_array_length(keys) : settings_keys_count); i++) {
		const struct settings_key *key =
			keys ? find_key(json_object_get_string(json_object_array_get_idx(keys, i)))
			     : &settings_keys[i];

		if (!reply_append(list, setting_object(ipc, key, &file, &defaults)))
			r.failed = true;
	}
	reply_add(&r, "settings", list);
	reply_send(call, &r);
}

/* All values on a copy first: one that is refused changes nothing. False: the call was ended. */
static bool try_settings(struct ipc_call *call, struct json_object *values, bool persist,
			 struct settings *copy)
{
	json_object_object_foreach(values, name, value)
	{
		_cleanup_(settings_error_done) struct settings_error error = {0};
		const struct settings_key *key = find_key(name);

		if (!key) {
			invalid_setting(call, NULL, name, "there is no such setting");
			return false;
		}
		if (key->restart && !persist) {
			/* It cannot take effect now and would be forgotten by then. */
			error_named(call, DAEMON "ReadOnlySetting", "key", name);
			return false;
		}
		int r = settings_set(copy, name, json_object_get_string(value), &error);

		if (r < 0) {
			invalid_setting(call, &error, name, strerror(-r));
			return false;
		}
	}
	return true;
}

static bool persist_settings(struct ipc *ipc, struct ipc_call *call, struct json_object *values)
{
	json_object_object_foreach(values, name, value)
	{
		int r = settings_persist(ipc->context.settings_path, name, json_object_get_string(value));

		if (r < 0) {
			struct settings_error error = {.file = (char *)(uintptr_t)ipc->context.settings_path};

			invalid_setting(call, &error, name, strerror(-r));
			return false;
		}
	}
	return true;
}

static void set_config(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	_cleanup_(settings_done) struct settings copy = {0};
	struct json_object *values = NULL;
	struct reply r = reply_new();
	bool persist = false;

	json_get_object(parameters, "values", &values);
	json_get_bool(parameters, "persist", &persist);
	if (r.failed || settings_copy(ipc->context.settings, &copy) < 0)
		ipc_call_no_memory(call);
	else if (try_settings(call, values, persist, &copy) &&
		 (!persist || persist_settings(ipc, call, values))) {
		struct settings before = *ipc->context.settings;

		*ipc->context.settings = copy;
		copy = before; /* freed */
		ipc->context.settings_changed(ipc->context.daemon);
		list_changes(&r, &copy, ipc->context.settings, NULL);
		reply_send(call, &r);
		return;
	}
	json_object_put(reply_take(&r));
}

static void get_log_level(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct reply r = reply_new();

	reply_string(&r, "level", log_level_name(log_get_level()));
	reply_send(call, &r);
}

static void on_log_timer(void *arg)
{
	struct ipc *ipc = arg;

	log_set_level((enum log_level)ipc->context.settings->log_level);
	log_info("the log level is %s again", log_level_name(log_get_level()));
}

#define LOG_SECONDS_MAX (365 * 24 * 3600) /* longer is for ever: SetConfig says that better */

static void set_log_level(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	enum log_level level = LOG_LEVEL_INFO;
	const char *name = NULL;
	int64_t seconds = 0;
	bool timed = json_get_int64(parameters, "seconds", &seconds) > 0;

	json_get_string(parameters, "level", &name);
	if (log_level_parse(name, &level) < 0) {
		ipc_call_invalid(call, "level");
		return;
	}
	if (timed && (seconds < 1 || seconds > LOG_SECONDS_MAX)) {
		ipc_call_invalid(call, "seconds");
		return;
	}
	loop_timer_stop(&ipc->log_timer);
	if (timed &&
	    loop_timer_set(ipc->context.loop, &ipc->log_timer, seconds * 1000, on_log_timer, ipc) < 0) {
		ipc_call_no_memory(call);
		return;
	}
	log_set_level(level);
	reply_nothing(call);
}

struct gauge {
	const char *name, *help;
	int64_t (*value)(const struct engine_status *status);
};

#define GAUGE(field)                                                                                         \
	static int64_t gauge_##field(const struct engine_status *status)                                     \
	{                                                                                                    \
		return status->field;                                                                        \
	}
GAUGE(in_sync)
GAUGE(files_total)
GAUGE(files_pending)
GAUGE(files_skipped)
GAUGE(bytes_total)
GAUGE(bytes_pending)
GAUGE(bytes_per_second)
GAUGE(deletes_held)
GAUGE(foreign_held)
GAUGE(conflicts)
GAUGE(errors)
GAUGE(watched_directories)
GAUGE(polled_directories)

static int64_t gauge_last_sync(const struct engine_status *status)
{
	return status->last_sync_ms / 1000;
}

static const struct gauge gauges[] = {
	{"in_sync", "1 when every change seen so far is on the other side", gauge_in_sync},
	{"files", "Files that are in sync", gauge_files_total},
	{"files_pending", "Files that wait to be carried", gauge_files_pending},
	{"files_skipped", "Paths that cannot be carried", gauge_files_skipped},
	{"bytes", "Bytes that are in sync", gauge_bytes_total},
	{"bytes_pending", "Bytes that wait to be carried", gauge_bytes_pending},
	{"bytes_per_second", "Present rate", gauge_bytes_per_second},
	{"deletes_held", "Deletions that wait for a word", gauge_deletes_held},
	{"foreign_held", "Files of others that wait for a word", gauge_foreign_held},
	{"conflicts", "Conflicts that are not resolved", gauge_conflicts},
	{"errors", "Paths with an error", gauge_errors},
	{"watched_directories", "Directories with a watch", gauge_watched_directories},
	{"polled_directories", "Directories read on a timer for want of watches", gauge_polled_directories},
	{"last_sync_timestamp_seconds", "When the pair was last in sync, 0 never", gauge_last_sync},
};

static void print_metric(FILE *f, const char *name, const char *help, int64_t value)
{
	fprintf(f, "# TYPE carbonfilesd_%s gauge\n# HELP carbonfilesd_%s %s.\ncarbonfilesd_%s %" PRId64 "\n",
		name, name, help, name, value);
}

static void print_pairs(FILE *f, struct engine *engine)
{
	for (size_t g = 0; g < ARRAY_SIZE(gauges); g++) {
		fprintf(f, "# TYPE carbonfilesd_pair_%s gauge\n# HELP carbonfilesd_pair_%s %s.\n",
			gauges[g].name, gauges[g].name, gauges[g].help);
		for (size_t i = 0; i < engine_count(engine); i++) {
			const char *name = engine_spec_at(engine, i)->name;
			struct engine_status status;

			/* Names are letters, digits and ._- only: nothing to escape. */
			if (engine_status_of(engine, name, &status) >= 0)
				fprintf(f, "carbonfilesd_pair_%s{pair=\"%s\"} %" PRId64 "\n", gauges[g].name,
					name, gauges[g].value(&status));
		}
	}
}

static void get_metrics(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f) {
		ipc_call_no_memory(call);
		return;
	}
	fprintf(f, "# TYPE carbonfilesd_build info\n# HELP carbonfilesd_build What is running.\n");
	fprintf(f, "carbonfilesd_build_info{version=\"%s\"} 1\n", ipc->context.version);
	print_metric(f, "start_timestamp_seconds", "When the daemon started",
		     ipc->context.started_at_ms / 1000);
	print_metric(f, "connections", "Clients on the socket", ipc_server_connections(ipc->server));
	print_metric(f, "subscriptions", "Streams of events to clients",
		     ipc_server_subscriptions(ipc->server));
	print_metric(f, "transfers", "Transfers that run", engine_transfers(ipc->context.engine));
	print_metric(f, "pairs", "Pairs", (int64_t)engine_count(ipc->context.engine));
	print_pairs(f, ipc->context.engine);
	fprintf(f, "# EOF\n");
	if (fclose(f) != 0) {
		ipc_call_no_memory(call);
		return;
	}
	struct reply r = reply_new();

	reply_string(&r, "text", text);
	reply_send(call, &r);
}

static void watcher_free(struct ipc_watcher *watcher)
{
	struct ipc_watcher **place = &watcher->ipc->watchers;

	while (*place != watcher)
		place = &(*place)->next;
	*place = watcher->next;
	free(watcher);
}

static void on_watcher_gone(void *arg)
{
	struct ipc_watcher *watcher = arg;
	struct ipc_call *call = watcher->call;

	watcher_free(watcher);
	reply_nothing(call);
}

static void tell_state(struct ipc_watcher *watcher)
{
	const struct ipc_context *context = &watcher->ipc->context;
	struct reply r = reply_new();

	reply_string(&r, "kind", "state");
	reply_string(&r, "state", context->state(context->daemon));
	/* A peer that has gone shows in on_gone. */
	(void)reply_continue(watcher->call, &r);
}

static void on_watcher_drain(void *arg)
{
	struct ipc_watcher *watcher = arg;

	if (!watcher->missed)
		return;
	watcher->missed = false;
	tell_state(watcher);
}

static void watch(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct ipc_watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher) {
		ipc_call_no_memory(call);
		return;
	}
	watcher->ipc = ipc;
	watcher->call = call;
	watcher->next = ipc->watchers;
	ipc->watchers = watcher;
	ipc_call_on_gone(call, on_watcher_gone, watcher);
	ipc_call_on_drain(call, on_watcher_drain, watcher);
	tell_state(watcher);
}

void ipc_watchers_free(struct ipc *ipc)
{
	while (ipc->watchers)
		on_watcher_gone(ipc->watchers);
}

void ipc_tell(struct ipc *ipc, const char *kind, const char *profile, const char *message)
{
	if (!ipc)
		return;
	const struct ipc_context *context = &ipc->context;

	for (struct ipc_watcher *watcher = ipc->watchers; watcher; watcher = watcher->next) {
		if (!ipc_call_has_room(watcher->call)) {
			watcher->missed = true;
			continue;
		}
		struct reply r = reply_new();

		reply_string(&r, "kind", kind);
		if (strcmp(kind, "state") == 0)
			reply_string(&r, "state", context->state(context->daemon));
		reply_string(&r, "profile", profile);
		reply_string(&r, "message", message);
		(void)reply_continue(watcher->call, &r);
	}
}

const struct ipc_method ipc_daemon_methods[] = {
	{"GetVersion", get_version, 0},
	{"GetStatus", get_status, 0},
	{"Reload", reload, IPC_ADMIN},
	{"GetConfig", get_config, 0},
	{"SetConfig", set_config, IPC_ADMIN},
	{"GetLogLevel", get_log_level, 0},
	{"SetLogLevel", set_log_level, IPC_ADMIN},
	{"Diagnose", diagnose, IPC_MORE | IPC_ADMIN},
	{"GetMetrics", get_metrics, IPC_ADMIN},
	{"Watch", watch, IPC_MORE_ONLY | IPC_SUBSCRIPTION},
};
const size_t ipc_daemon_methods_count = ARRAY_SIZE(ipc_daemon_methods);
