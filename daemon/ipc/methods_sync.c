/* org.carbonfiles.sync: pairs and what they do; each method asks the engine. Streams are in sync_streams.c,
 * the translation of specs and statuses in sync_json.c. */
#include "ipc/sync.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

/* What a callback of the engine needs; the engine calls back exactly once. */
struct sync_op {
	struct ipc_call *call;
	struct ipc *ipc;
	struct engine_wait *wait;
	int64_t limit;
};

static struct sync_op *op_new(struct ipc *ipc, struct ipc_call *call)
{
	struct sync_op *op = calloc(1, sizeof(*op));

	if (!op) {
		ipc_call_no_memory(call);
		return NULL;
	}
	op->ipc = ipc;
	op->call = call;
	return op;
}

static void on_pair(void *arg, const struct engine_error *error, const struct pair_spec *pair,
		    const char *const *warnings)
{
	_cleanup_free_ struct sync_op *op = arg;

	if (error->kind != ENGINE_OK) {
		error_engine(op->call, error);
		return;
	}
	struct reply r = reply_new();
	struct json_object *list = json_object_new_array();

	for (; list && warnings && *warnings; warnings++)
		if (!reply_append(list, json_object_new_string(*warnings)))
			r.failed = true;
	reply_add(&r, "pair", pair_object(pair));
	reply_add(&r, "warnings", list);
	reply_send(op->call, &r);
}

static void on_done(void *arg, const struct engine_error *error)
{
	_cleanup_free_ struct sync_op *op = arg;

	error_engine(op->call, error);
}

static void add(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct json_object *object = NULL;
	const char *bad = NULL;
	bool create = false, paused = false;

	json_get_object(parameters, "spec", &object);
	if (json_object_object_get(parameters, "upload_token")) {
		ipc_call_invalid(call, "upload_token"); /* with the issue that brings it */
		return;
	}
	struct pair_spec *spec = NULL;
	int r = spec_from_json(object, &spec, &bad);

	if (r < 0) {
		if (r == -ENOMEM)
			ipc_call_no_memory(call);
		else
			ipc_call_invalid(call, bad);
		return;
	}
	json_get_bool(parameters, "create_bucket", &create);
	json_get_bool(parameters, "paused", &paused);
	spec->paused = paused;
	struct sync_op *op = op_new(ipc, call);

	if (op)
		engine_add(ipc->context.engine, spec, create, on_pair, op);
	else
		pair_spec_free(spec);
}

static void update(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct json_object *object = NULL;
	struct pair_changes changes;
	_cleanup_free_ char *local_path = NULL;
	const char *bad = NULL, *name = NULL;

	json_get_string(parameters, "name", &name);
	json_get_object(parameters, "changes", &object);
	if (json_object_object_get(parameters, "upload_token")) {
		ipc_call_invalid(call, "upload_token");
		return;
	}
	int r = changes_from_json(object, &changes, &local_path, &bad);

	if (r == -ENOMEM)
		ipc_call_no_memory(call);
	else if (r < 0)
		ipc_call_invalid(call, bad);
	if (r < 0)
		return;
	json_get_bool(parameters, "adopt_root", &changes.adopt_root);
	struct sync_op *op = op_new(ipc, call);

	if (op)
		engine_update(ipc->context.engine, name, &changes, on_pair, op);
}

static void remove_pair(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct sync_op *op = op_new(ipc, call);
	const char *name = NULL;

	json_get_string(parameters, "name", &name);
	if (op)
		engine_remove(ipc->context.engine, name, on_done, op);
}

static void list(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *profile = NULL;
	struct json_object *pairs = json_object_new_array();
	struct reply r = reply_new();

	json_get_string(parameters, "profile", &profile);
	for (size_t i = 0; pairs && i < engine_count(ipc->context.engine); i++) {
		const struct pair_spec *spec = engine_spec_at(ipc->context.engine, i);

		if ((!profile || (spec->profile && strcmp(spec->profile, profile) == 0)) &&
		    !reply_append(pairs, pair_object(spec)))
			r.failed = true;
	}
	reply_add(&r, "pairs", pairs);
	reply_send(call, &r);
}

static void get(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *name = NULL;

	json_get_string(parameters, "name", &name);
	const struct pair_spec *spec = engine_spec(ipc->context.engine, name);

	if (!spec) {
		error_named(call, SYNC "NoSuchPair", "name", name);
		return;
	}
	struct reply r = reply_new();

	reply_add(&r, "pair", pair_object(spec));
	reply_send(call, &r);
}

static void get_status(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *name = NULL;
	struct json_object *statuses;
	struct engine_status status;
	struct reply r;

	json_get_string(parameters, "name", &name);
	if (name && engine_status_of(ipc->context.engine, name, &status) < 0) {
		error_named(call, SYNC "NoSuchPair", "name", name);
		return;
	}
	r = reply_new();
	statuses = json_object_new_array();
	for (size_t i = 0; !name && statuses && i < engine_count(ipc->context.engine); i++) {
		if (engine_status_of(ipc->context.engine, engine_spec_at(ipc->context.engine, i)->name,
				     &status) < 0)
			continue;
		if (!reply_append(statuses, status_object(&status)))
			r.failed = true;
	}
	if (name && statuses && !reply_append(statuses, status_object(&status)))
		r.failed = true;
	reply_add(&r, "statuses", statuses);
	reply_send(call, &r);
}

static void pause_pair(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *name = NULL;
	int64_t seconds = 0;

	json_get_string(parameters, "name", &name);
	if (json_get_int64(parameters, "seconds", &seconds) > 0 &&
	    (seconds < 1 || seconds > PAUSE_SECONDS_MAX)) {
		ipc_call_invalid(call, "seconds");
		return;
	}
	sync_simple(call, engine_pause(ipc->context.engine, name, seconds), name);
}

static void resume_pair(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *name = NULL;

	json_get_string(parameters, "name", &name);
	sync_simple(call, engine_resume(ipc->context.engine, name), name);
}

static void on_waited(void *arg, const struct engine_error *error, const struct engine_status *statuses,
		      size_t n)
{
	_cleanup_free_ struct sync_op *op = arg;

	if (error->kind != ENGINE_OK) {
		error_engine(op->call, error);
		return;
	}
	struct json_object *items = json_object_new_array();
	struct reply r = reply_new();

	for (size_t i = 0; items && i < n; i++)
		if (!reply_append(items, status_object(&statuses[i])))
			r.failed = true;
	reply_add(&r, "statuses", items);
	reply_send(op->call, &r);
}

static void on_wait_gone(void *arg)
{
	struct sync_op *op = arg;

	engine_wait_cancel(op->wait);
	reply_nothing(op->call);
	free(op);
}

static void wait_for(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *name = NULL;
	int64_t seconds = -1;

	json_get_string(parameters, "name", &name);
	if (json_get_int64(parameters, "timeout_seconds", &seconds) > 0 && seconds < 0) {
		ipc_call_invalid(call, "timeout_seconds");
		return;
	}
	struct sync_op *op = op_new(ipc, call);

	if (!op)
		return;
	int r = engine_wait(ipc->context.engine, name, seconds, on_waited, op, &op->wait);

	if (r < 0) {
		free(op);
		sync_simple(call, r, name);
		return;
	}
	ipc_call_on_gone(call, on_wait_gone, op);
}

static void on_confirmed(void *arg, const struct engine_error *error, int64_t n)
{
	_cleanup_free_ struct sync_op *op = arg;

	if (error->kind != ENGINE_OK) {
		error_engine(op->call, error);
		return;
	}
	struct reply r = reply_new();

	reply_int(&r, "deletes", n);
	reply_send(op->call, &r);
}

static void confirm_deletes(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *name = NULL, *choice = NULL;
	struct json_object *paths = NULL;
	_cleanup_free_ const char **list_of = NULL;
	size_t n = 0;

	json_get_string(parameters, "name", &name);
	json_get_string(parameters, "choice", &choice);
	if (json_get_array(parameters, "paths", &paths) > 0) {
		n = json_object_array_length(paths);
		list_of = calloc(n + 1, sizeof(*list_of));
		if (!list_of) {
			ipc_call_no_memory(call);
			return;
		}
		for (size_t i = 0; i < n; i++)
			list_of[i] = json_object_get_string(json_object_array_get_idx(paths, i));
	}
	struct sync_op *op = op_new(ipc, call);

	if (op)
		engine_confirm(ipc->context.engine, name, strcmp(choice, "apply") == 0, list_of, n,
			       on_confirmed, op);
}

static void get_path_states(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct json_object *paths = NULL, *states = json_object_new_array();
	struct reply r = reply_new();

	json_get_array(parameters, "paths", &paths);
	for (size_t i = 0; states && i < json_object_array_length(paths); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(paths, i)), *pair = NULL;
		_cleanup_free_ char *path = path_from_text(text);
		struct reply item = reply_new();

		if (!path)
			item.failed = true;
		reply_string(&item, "path", text);
		reply_string(&item, "state",
			     path ? engine_path_state(ipc->context.engine, path, &pair) : "none");
		reply_string(&item, "pair", pair);
		if (!reply_append(states, reply_take(&item)))
			r.failed = true;
	}
	reply_add(&r, "states", states);
	reply_send(call, &r);
}

static void test_ignore(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct json_object *paths = NULL, *states;
	const char *name = NULL;
	struct reply r;

	json_get_string(parameters, "name", &name);
	json_get_array(parameters, "paths", &paths);
	if (!engine_spec(ipc->context.engine, name)) {
		error_named(call, SYNC "NoSuchPair", "name", name);
		return;
	}
	r = reply_new();
	states = json_object_new_array();
	for (size_t i = 0; states && i < json_object_array_length(paths); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(paths, i)), *rule = NULL;
		_cleanup_free_ char *path = path_from_text(text);
		struct reply item = reply_new();
		bool ignored = false;

		if (!path || engine_test_ignore(ipc->context.engine, name, path, &ignored, &rule) < 0)
			item.failed = true;
		reply_string(&item, "path", text);
		reply_bool(&item, "ignored", ignored);
		reply_string(&item, "rule", rule);
		reply_string(&item, "source", rule ? "built-in" : NULL);
		if (!reply_append(states, reply_take(&item)))
			r.failed = true;
	}
	reply_add(&r, "states", states);
	reply_send(call, &r);
}

/* Mirror and backup have no conflicts: the local version wins. */
static void list_conflicts(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *name = NULL;

	json_get_string(parameters, "name", &name);
	if (name && !engine_spec(ipc->context.engine, name)) {
		error_named(call, SYNC "NoSuchPair", "name", name);
		return;
	}
	struct reply r = reply_new();

	reply_add(&r, "conflicts", json_object_new_array());
	reply_send(call, &r);
}

static void resolve_conflict(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *id = NULL;

	json_get_string(parameters, "id", &id);
	error_named(call, SYNC "NoSuchConflict", "id", id);
}

const struct ipc_method ipc_sync_methods[] = {
	{"Add", add, IPC_ADMIN | IPC_SENSITIVE},
	{"Update", update, IPC_ADMIN | IPC_SENSITIVE},
	{"Remove", remove_pair, IPC_ADMIN},
	{"List", list, IPC_ADMIN},
	{"Get", get, IPC_ADMIN},
	{"GetStatus", get_status, IPC_ADMIN},
	{"Pause", pause_pair, IPC_ADMIN},
	{"Resume", resume_pair, IPC_ADMIN},
	{"Rescan", sync_rescan, IPC_ADMIN | IPC_MORE},
	{"Wait", wait_for, IPC_ADMIN},
	{"Plan", sync_plan, IPC_ADMIN | IPC_MORE},
	{"ConfirmDeletes", confirm_deletes, IPC_ADMIN},
	{"Watch", sync_watch, IPC_ADMIN | IPC_MORE_ONLY | IPC_SUBSCRIPTION},
	{"GetPathStates", get_path_states, IPC_ADMIN},
	{"TestIgnore", test_ignore, IPC_ADMIN},
	{"ListHeld", sync_list_held, IPC_ADMIN | IPC_MORE},
	{"ListSkipped", sync_list_skipped, IPC_ADMIN | IPC_MORE},
	{"ListHistory", sync_list_history, IPC_ADMIN | IPC_MORE},
	{"ListConflicts", list_conflicts, IPC_ADMIN},
	{"ResolveConflict", resolve_conflict, IPC_ADMIN},
};
const size_t ipc_sync_methods_count = ARRAY_SIZE(ipc_sync_methods);
