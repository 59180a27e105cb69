/* The streams of org.carbonfiles.sync: Watch, Rescan and Plan. */
#include "ipc/sync.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

struct stream {
	struct ipc_call *call;
	struct ipc *ipc;
	struct engine_watch *watch;
	struct engine_plan *plan;
	struct pair_spec *spec;    /* Plan: the engine reads it until the end */
	struct json_object *names; /* a reference; NULL: every pair */
	const char *name;          /* Rescan: the pair's, in the call's parameters; NULL: every pair */
	int64_t lost;
	bool ended; /* Rescan: its client has gone before the engine was done */
};

static struct stream *stream_new(struct ipc *ipc, struct ipc_call *call)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s) {
		ipc_call_no_memory(call);
		return NULL;
	}
	s->ipc = ipc;
	s->call = call;
	return s;
}

static void stream_free(struct stream *s)
{
	engine_watch_free(s->watch);
	json_object_put(s->names);
	pair_spec_free(s->spec);
	free(s);
}

static bool wanted(const struct stream *s, const char *pair)
{
	if (!s->names)
		return true;
	for (size_t i = 0; i < json_object_array_length(s->names); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(s->names, i)), pair) == 0)
			return true;
	return false;
}

/* Events are dropped and counted while the client is behind; lost tells it afterwards. */
static void send_event(struct stream *s, const char *key, struct json_object *value)
{
	struct reply r = reply_new();

	if (!ipc_call_has_room(s->call)) {
		s->lost++;
		json_object_put(value);
		json_object_put(reply_take(&r));
		return;
	}
	reply_add(&r, key, value);
	if (s->lost > 0)
		reply_int(&r, "lost", s->lost);
	s->lost = 0;
	(void)reply_continue(s->call, &r);
}

static void on_status(void *arg, const struct engine_status *status)
{
	struct stream *s = arg;

	if (wanted(s, status->name))
		send_event(s, "status", status_object(status));
}

static void on_file(void *arg, const struct engine_file_progress *file)
{
	struct stream *s = arg;

	if (!wanted(s, file->pair))
		return;
	struct reply r = reply_new();

	reply_string(&r, "pair", file->pair);
	reply_string(&r, "path", file->path);
	reply_string(&r, "action", file->action);
	reply_bool(&r, "done", file->done);
	reply_int(&r, "bytes_done", file->bytes_done);
	if (file->bytes_total >= 0)
		reply_int(&r, "bytes_total", file->bytes_total);
	reply_string(&r, "failure", file->failure);
	send_event(s, "file", reply_take(&r));
}

static void on_removed(void *arg, const char *pair)
{
	struct stream *s = arg;

	if (wanted(s, pair))
		send_event(s, "removed", json_object_new_string(pair));
}

static void on_watch_gone(void *arg)
{
	struct stream *s = arg;

	reply_nothing(s->call);
	stream_free(s);
}

static void send_statuses(struct stream *s)
{
	struct engine *engine = s->ipc->context.engine;

	for (size_t i = 0; i < engine_count(engine); i++) {
		struct engine_status status;

		if (engine_status_of(engine, engine_spec_at(engine, i)->name, &status) >= 0)
			on_status(s, &status);
	}
}

/* Who was behind gets every state afresh, with the number of what it missed. */
static void on_watch_drain(void *arg)
{
	struct stream *s = arg;

	if (s->lost > 0)
		send_statuses(s);
}

void sync_watch(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct engine_watch_callbacks callbacks = {.on_status = on_status, .on_removed = on_removed};
	struct json_object *names = NULL;
	bool files = false;

	json_get_array(parameters, "names", &names);
	for (size_t i = 0; names && i < json_object_array_length(names); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));

		if (!engine_spec(ipc->context.engine, name)) {
			error_named(call, SYNC "NoSuchPair", "name", name);
			return;
		}
	}
	struct stream *s = stream_new(ipc, call);

	if (!s)
		return;
	s->names = json_object_get(names);
	if (json_get_bool(parameters, "files", &files) > 0 && files)
		callbacks.on_file = on_file;
	if (engine_watch_new(ipc->context.engine, &callbacks, s, &s->watch) < 0) {
		stream_free(s);
		ipc_call_no_memory(call);
		return;
	}
	ipc_call_on_gone(call, on_watch_gone, s);
	ipc_call_on_drain(call, on_watch_drain, s);
	send_statuses(s);
}

/* The status of the pair that is rescanned, of the first one where all are. */
static struct json_object *rescan_status(struct stream *s)
{
	struct engine *engine = s->ipc->context.engine;
	const char *name = s->name                    ? s->name
			   : engine_count(engine) > 0 ? engine_spec_at(engine, 0)->name
						      : NULL;
	struct engine_status status;

	return name && engine_status_of(engine, name, &status) >= 0 ? status_object(&status) : NULL;
}

static void on_rescanned(void *arg, const struct engine_error *error)
{
	struct stream *s = arg;
	struct ipc_call *call = s->call;

	if (s->ended) {
		stream_free(s);
		return;
	}
	if (error->kind != ENGINE_OK) {
		stream_free(s);
		error_engine(call, error);
		return;
	}
	struct json_object *status = rescan_status(s);

	if (!status) /* the pair was removed meanwhile */
		error_named(call, SYNC "NoSuchPair", "name", s->name);
	else {
		struct reply r = reply_new();

		reply_add(&r, "status", status);
		reply_send(call, &r);
	}
	stream_free(s);
}

static void on_rescan_gone(void *arg)
{
	struct stream *s = arg;

	/* The rescan goes on; the engine says when it is over. */
	s->ended = true;
	s->watch = engine_watch_free(s->watch);
	reply_nothing(s->call);
}

static void on_rescan_status(void *arg, const struct engine_status *status)
{
	struct stream *s = arg;

	if (s->name && strcmp(s->name, status->name) != 0)
		return;
	struct reply r = reply_new();

	if (!ipc_call_has_room(s->call)) {
		json_object_put(reply_take(&r));
		return; /* a later status replaces it */
	}
	reply_add(&r, "status", status_object(status));
	(void)reply_continue(s->call, &r);
}

static void on_nothing_removed(void *arg, const char *pair)
{
	/* on_rescanned answers for a pair that is removed. */
}

static const struct engine_watch_callbacks rescan_callbacks = {.on_status = on_rescan_status,
							       .on_removed = on_nothing_removed};

void sync_rescan(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *path = NULL;
	bool verify = false, more = ipc_call_more(call);
	struct stream *s = stream_new(ipc, call);

	if (!s)
		return;
	json_get_string(parameters, "name", &s->name);
	json_get_string(parameters, "path", &path);
	json_get_bool(parameters, "verify_hashes", &verify);
	struct json_object *status = rescan_status(s);

	if (!status || (path && path[0] && !s->name)) {
		if (status)
			ipc_call_invalid(call, "path");
		else
			error_named(call, SYNC "NoSuchPair", "name", s->name);
		json_object_put(status);
		stream_free(s);
		return;
	}
	int r = more ? engine_watch_new(ipc->context.engine, &rescan_callbacks, s, &s->watch) : 0;

	if (r >= 0)
		r = engine_rescan(ipc->context.engine, s->name, path, verify, more ? on_rescanned : NULL, s);
	if (r < 0) {
		json_object_put(status);
		const char *name = s->name;

		stream_free(s);
		sync_simple(call, r, name);
		return;
	}
	struct reply reply = reply_new();

	reply_add(&reply, "status", status);
	if (more) {
		ipc_call_on_gone(call, on_rescan_gone, s);
		(void)reply_continue(call, &reply);
		return;
	}
	stream_free(s);
	reply_send(call, &reply);
}

static void plan_totals(struct stream *s, const struct engine_totals *totals)
{
	struct reply r = reply_new();

	reply_int(&r, "uploads", totals->uploads);
	reply_int(&r, "downloads", totals->downloads);
	reply_int(&r, "deletes", totals->deletes);
	reply_int(&r, "conflicts", totals->conflicts);
	reply_int(&r, "bytes", totals->bytes);
	reply_send(s->call, &r);
}

static int on_plan(void *arg, const struct engine_error *error, const struct engine_action *action,
		   const struct engine_totals *totals)
{
	struct stream *s = arg;

	if (error && error->kind != ENGINE_OK) {
		error_engine(s->call, error);
		stream_free(s);
		return 0;
	}
	if (!action) {
		plan_totals(s, totals);
		stream_free(s);
		return 0;
	}
	if (!ipc_call_more(s->call) || ipc_call_gone(s->call))
		return 0;
	struct reply r = reply_new(), item = reply_new();

	reply_string(&item, "action", action->action);
	reply_string(&item, "path", action->path);
	if (action->size >= 0)
		reply_int(&item, "size", action->size);
	reply_string(&item, "reason", action->reason);
	reply_add(&r, "action", reply_take(&item));
	(void)reply_continue(s->call, &r);
	return 0;
}

static void on_plan_gone(void *arg)
{
	struct stream *s = arg;

	engine_plan_cancel(s->plan);
	reply_nothing(s->call);
	stream_free(s);
}

void sync_plan(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct json_object *object = NULL;
	struct pair_spec *spec = NULL;
	const char *name = NULL, *bad = "spec";
	int r = 0;

	json_get_string(parameters, "name", &name);
	json_get_object(parameters, "spec", &object);
	if (!name == !object)
		r = -EINVAL;
	else if (object)
		r = spec_from_json(object, &spec, &bad);
	if (r < 0) {
		if (r == -ENOMEM)
			ipc_call_no_memory(call);
		else
			ipc_call_invalid(call, bad);
		return;
	}
	struct stream *s = stream_new(ipc, call);

	if (!s) {
		pair_spec_free(spec);
		return;
	}
	s->spec = spec;
	r = engine_plan_start(ipc->context.engine, name, spec, on_plan, s, &s->plan);
	if (r >= 0) {
		ipc_call_on_gone(call, on_plan_gone, s);
		return;
	}
	stream_free(s);
	sync_simple(call, r, name);
}
