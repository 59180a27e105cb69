/* The registry of transfers.h, and what a client is told of its own. */
#include "ipc/transfers.h"
#include "ipc/remote.h"
#include "base/clock.h"
#include "base/err.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct ipc_transfer {
	struct ipc_transfer *next;
	struct transfer_order o;
	char id[24];
	struct ipc_peer peer;
	bool more;
	int64_t started_ms;
	struct transfer *running; /* NULL: waits for another write to its path */
	struct loop_timer timer;
	struct transfer_progress told;
};

void transfer_order_done(struct transfer_order *o)
{
	endpoint_free(o->endpoint);
	api_unref(o->api);
	if (o->token)
		secret_wipe(o->token, strlen(o->token));
	free(o->token);
	free(o->profile);
	free(o->bucket);
	free(o->path);
	free(o->if_sha256);
	*o = (struct transfer_order){0};
}

static void transfer_free(struct ipc_transfer *t)
{
	loop_timer_done(&t->timer);
	transfer_order_done(&t->o);
	free(t);
}

static bool writes(const struct ipc_transfer *t)
{
	return t->o.spec.kind <= TRANSFER_PATCH;
}

static bool same_path(const struct ipc_transfer *a, const struct ipc_transfer *b)
{
	return strcmp(a->o.bucket, b->o.bucket) == 0 && strcmp(a->o.path, b->o.path) == 0 &&
	       strcmp(api_url(a->o.api), api_url(b->o.api)) == 0;
}

static void on_done(void *arg, const struct transfer_result *result);

/* What is its own: with --system there are others. */
static bool may_see(const struct ipc *ipc, const struct ipc_call *call, const struct ipc_transfer *t)
{
	return !ipc_server_is_system(ipc->server) || ipc_call_peer(call)->uid == t->peer.uid;
}

/* --- progress --- */

static struct transfer_progress progress_of(const struct ipc_transfer *t)
{
	struct transfer_progress p = {"waiting", 0, -1};

	if (t->running)
		transfer_get_progress(t->running, &p);
	return p;
}

static struct json_object *progress_object(const struct ipc_transfer *t, const struct transfer_progress *p)
{
	struct reply r = reply_new();

	reply_string(&r, "transfer", t->id);
	reply_string(&r, "phase", p->phase);
	reply_int(&r, "bytes_done", p->done);
	if (p->total >= 0)
		reply_int(&r, "bytes_total", p->total);
	return reply_take(&r);
}

static void tell(void *arg)
{
	struct ipc_transfer *t = arg;
	struct transfer_progress p = progress_of(t);
	bool news = !t->told.phase || strcmp(p.phase, t->told.phase) != 0 || p.done != t->told.done ||
		    p.total != t->told.total;

	/* Who does not read hears less of it; the transfer goes on. */
	if (news && ipc_call_has_room(t->o.call)) {
		struct reply r = reply_new();

		reply_add(&r, "progress", progress_object(t, &p));
		t->told = p;
		/* One that cannot be sent is no loss: the next one says more. */
		(void)reply_continue(t->o.call, &r);
	}
	/* Without the timer there is no progress, and all else. */
	(void)loop_timer_set(t->o.ipc->context.loop, &t->timer, IPC_PROGRESS_MS, tell, t);
}

/* --- begin and end --- */

/* Another one that writes there, begun before it. */
static struct ipc_transfer *in_the_way(const struct ipc_transfer *t)
{
	struct ipc_transfer *found = NULL;

	for (struct ipc_transfer *i = t->o.ipc->transfers; i; i = i->next)
		if (i == t)
			found = NULL; /* the list is newest first: those behind are older */
		else if (writes(t) && writes(i) && same_path(t, i))
			found = i;
	return found;
}

static void unlink_transfer(struct ipc_transfer *t)
{
	if (!t->o.ipc)
		return;
	for (struct ipc_transfer **i = &t->o.ipc->transfers; *i; i = &(*i)->next)
		if (*i == t) {
			*i = t->next;
			break;
		}
}

static void end(struct ipc_transfer *t)
{
	unlink_transfer(t);
	transfer_free(t);
}

static bool may_end(void *arg)
{
	const struct ipc_transfer *t = arg;

	return t->o.ipc && !ipc_call_left(t->o.call);
}

static int start(struct ipc_transfer *t)
{
	t->o.spec.may_end = may_end;
	return transfer_start(t->o.ipc->context.loop, t->o.api, &t->o.spec, STEAL(t->o.endpoint), on_done, t,
			      &t->running);
}

static void end_unstarted(struct ipc_transfer *t, int r)
{
	struct reply reply = reply_new();

	if (r == -EBUSY) {
		reply_string(&reply, "what", "transfers that hang on a descriptor");
		reply_int(&reply, "limit", IPC_MAX_TRANSFERS);
		reply_error(t->o.call, REMOTE "Busy", &reply);
	} else {
		json_object_put(reply.object);
		if (r == -ENOMEM)
			ipc_call_no_memory(t->o.call);
		else
			error_local(t->o.call, -r, NULL, NULL);
	}
	end(t);
}

/* The oldest that waited for a path which nobody writes to now. */
static void start_next(struct ipc *ipc)
{
	for (;;) {
		struct ipc_transfer *next = NULL;

		for (struct ipc_transfer *i = ipc->transfers; i; i = i->next)
			if (!i->running && !in_the_way(i))
				next = i;
		if (!next)
			return;
		int r = start(next);

		if (r < 0)
			end_unstarted(next, r);
	}
}

static void reply_local(struct ipc_transfer *t, const struct transfer_result *result)
{
	_cleanup_free_ char *path = result->local_path ? path_to_text(result->local_path) : NULL;

	error_local(t->o.call, -result->local_error, path, result->local_why);
}

static void reply_done(struct ipc_transfer *t, const struct transfer_result *result)
{
	struct reply r = reply_new();

	if (result->file)
		reply_add(&r, "file", file_object(result->file));
	if (!writes(t) && !result->unchanged)
		reply_int(&r, "bytes", result->bytes);
	if (t->o.spec.kind == TRANSFER_DOWNLOAD)
		reply_bool(&r, "unchanged", result->unchanged);
	reply_send(t->o.call, &r);
}

static void reply_mismatch(struct ipc_transfer *t, const struct transfer_result *result)
{
	struct reply r = reply_new();

	reply_string(&r, "expected", result->expected);
	reply_string(&r, "actual", result->actual);
	reply_error(t->o.call, REMOTE "HashMismatch", &r);
}

static void on_done(void *arg, const struct transfer_result *result)
{
	struct ipc_transfer *t = arg;
	struct ipc *ipc = t->o.ipc;

	if (!ipc || ipc_call_gone(t->o.call)) {
		reply_nothing(t->o.call);
	} else {
		/* What a token is refused says nothing of the profile's credential. */
		if (!result->local_error && !t->o.token && result->error.code != ERR_CANCELED)
			profile_learned(ipc, t->o.profile, &result->error, NULL);
		if (result->local_error)
			reply_local(t, result);
		else if (result->error.code == 0)
			reply_done(t, result);
		else if (result->error.code == ERR_HASH)
			reply_mismatch(t, result);
		else if (result->error.code == ERR_CANCELED)
			error_local(t->o.call, ECANCELED, NULL, "The transfer was cancelled");
		else
			error_api(t->o.call, REMOTE, &result->error);
	}
	end(t);
	if (ipc)
		start_next(ipc);
}

/* Ends it, with whatever its call is told. */
static void cancel(struct ipc_transfer *t)
{
	const struct transfer_result canceled = {.error.code = ERR_CANCELED};

	if (t->running)
		transfer_cancel(t->running);
	else
		on_done(t, &canceled);
}

static void on_gone(void *arg)
{
	cancel(arg);
}

static unsigned count(const struct ipc *ipc, uid_t uid)
{
	unsigned n = 0;

	for (const struct ipc_transfer *t = ipc->transfers; t; t = t->next)
		n += t->peer.uid == uid;
	return n;
}

static void busy(struct ipc_call *call)
{
	struct reply r = reply_new();

	reply_string(&r, "what", "transfers");
	reply_int(&r, "limit", IPC_MAX_TRANSFERS);
	reply_error(call, REMOTE "Busy", &r);
}

void transfers_begin(struct transfer_order *o)
{
	struct ipc *ipc = o->ipc;
	const struct ipc_peer *peer = ipc_call_peer(o->call);

	if (count(ipc, peer->uid) >= IPC_MAX_TRANSFERS) {
		busy(o->call);
		transfer_order_done(o);
		return;
	}
	struct ipc_transfer *t = calloc(1, sizeof(*t));

	if (!t) {
		ipc_call_no_memory(o->call);
		transfer_order_done(o);
		return;
	}
	t->o = *o;
	t->peer = *peer;
	t->more = ipc_call_more(o->call);
	t->started_ms = clock_wall_ms();
	snprintf(t->id, sizeof(t->id), "%" PRIu64, ++ipc->last_transfer);
	t->next = ipc->transfers;
	ipc->transfers = t;
	ipc_call_on_gone(t->o.call, on_gone, t);
	int r = in_the_way(t) ? 0 : start(t);

	if (r < 0)
		end_unstarted(t, r);
	else if (t->more)
		tell(t);
}

void transfers_forget(struct ipc *ipc)
{
	for (struct ipc_transfer *t = ipc->transfers; t; t = t->next)
		t->o.ipc = NULL;
	ipc->transfers = NULL;
}

/* --- methods --- */

static struct json_object *transfer_object(const struct ipc_transfer *t)
{
	struct reply r = reply_new();
	struct transfer_progress p = progress_of(t);

	reply_string(&r, "id", t->id);
	reply_string(&r, "kind", t->o.kind);
	reply_string(&r, "profile", t->o.profile);
	reply_string(&r, "bucket", t->o.bucket);
	reply_string(&r, "path", t->o.path);
	reply_time(&r, "started_at", t->started_ms);
	if (t->peer.pid > 0)
		reply_int(&r, "peer_pid", t->peer.pid);
	reply_add(&r, "progress", progress_object(t, &p));
	return reply_take(&r);
}

void list_transfers(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct json_object *list = json_object_new_array();
	struct reply r = reply_new();

	for (struct ipc_transfer *t = ipc->transfers; list && t; t = t->next)
		if (may_see(ipc, call, t) && !reply_append(list, transfer_object(t)))
			r.failed = true;
	reply_add(&r, "transfers", list);
	reply_send(call, &r);
}

void cancel_transfer(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	const char *id = NULL;

	json_get_string(parameters, "transfer", &id);
	for (struct ipc_transfer *t = ipc->transfers; t; t = t->next)
		if (strcmp(t->id, id) == 0 && may_see(ipc, call, t)) {
			cancel(t);
			reply_nothing(call);
			return;
		}
	error_named(call, REMOTE "NoSuchTransfer", "transfer", id);
}
