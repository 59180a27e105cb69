/* ListHeld, ListSkipped and ListHistory: what the index holds, a thousand to a reply. With 'more' until the
 * end, pausing while the client is behind; without as much as fits in one reply. */
#include "ipc/sync.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

#define PAGE_ITEMS    1000
#define HISTORY_ITEMS 1000 /* without a limit and without 'more' */

struct lister {
	struct ipc_call *call;
	struct ipc *ipc;
	const char *key; /* of the list in the reply */
	int (*fill)(struct lister *l, int max);
	/* Where it stands. */
	const char *name;  /* of the only pair, in the parameters; NULL: all, one after another */
	char *pair;        /* whose items are read: a pair may be removed while the client is slow */
	char *after;       /* the last path of it */
	const char *path;  /* history of one path */
	int64_t before_id; /* history */
	int64_t left;      /* history: how many may follow; negative: all */
	struct json_object *items;
	size_t bytes;
	int n; /* in this page */
	bool failed, full;
};

static void lister_free(struct lister *l)
{
	json_object_put(l->items);
	free(l->pair);
	free(l->after);
	free(l);
}

static int add_item(struct lister *l, struct reply *item, const char *after)
{
	struct json_object *object = reply_take(item);
	size_t len = 0;

	if (object)
		json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &len);
	if (l->n > 0 && l->bytes + len > IPC_PAGE_BYTES) {
		json_object_put(object);
		l->full = true;
		return -ENOBUFS; /* it comes again with the next page */
	}
	char *copy = after ? strdup(after) : NULL;

	if (!reply_append(l->items, object) || (after && !copy)) {
		free(copy);
		l->failed = true;
		return -ENOMEM;
	}
	if (after) {
		free(l->after);
		l->after = copy;
	}
	l->bytes += len;
	l->n++;
	return 0;
}

static int on_hold(void *arg, const struct index_hold *hold)
{
	struct lister *l = arg;
	struct reply r = reply_new();

	reply_string(&r, "pair", l->pair);
	reply_string(&r, "path", hold->path);
	reply_string(&r, "side", hold->side_local ? "local" : "remote");
	reply_int(&r, "size", hold->size);
	reply_string(&r, "reason", engine_hold_reason_name(hold->reason));
	return add_item(l, &r, hold->path);
}

static int on_skip(void *arg, const struct index_skip *skip)
{
	struct lister *l = arg;
	struct reply r = reply_new();

	reply_string(&r, "path", skip->path);
	reply_string(&r, "reason", skip->reason);
	reply_string(&r, "message", skip->message ? skip->message : "");
	return add_item(l, &r, skip->path);
}

static int on_event(void *arg, const struct index_event *event)
{
	struct lister *l = arg;
	struct reply r = reply_new();
	char hex[DIGEST_HEX_SIZE];

	reply_time(&r, "at", event->at_ms);
	reply_string(&r, "pair", event->pair);
	reply_string(&r, "action", event->action);
	reply_string(&r, "path", event->path);
	if (event->size >= 0)
		reply_int(&r, "size", event->size);
	if (event->has_digest) {
		digest_to_hex(&event->digest, hex);
		reply_string(&r, "sha256", hex);
	}
	reply_string(&r, "result", event->result);
	reply_string(&r, "message", event->message);
	int result = add_item(l, &r, NULL);

	if (result >= 0)
		l->before_id = event->id;
	return result;
}

static int fill_held(struct lister *l, int max)
{
	return engine_held(l->ipc->context.engine, l->pair, l->after, max, on_hold, l);
}

static int fill_skipped(struct lister *l, int max)
{
	return engine_skipped(l->ipc->context.engine, l->pair, l->after, max, on_skip, l);
}

static int fill_history(struct lister *l, int max)
{
	return engine_history(l->ipc->context.engine, l->name, l->path, l->before_id, max, on_event, l);
}

/* The first pair by name behind the present one. */
static bool next_pair(struct lister *l)
{
	struct engine *engine = l->ipc->context.engine;

	free(l->after);
	l->after = NULL;
	for (size_t i = 0; !l->name && i < engine_count(engine); i++) {
		const char *name = engine_spec_at(engine, i)->name;

		if (l->pair && strcmp(name, l->pair) <= 0)
			continue;
		char *copy = strdup(name);

		if (!copy) {
			l->failed = true;
			return false;
		}
		free(l->pair);
		l->pair = copy;
		return true;
	}
	return false;
}

/* Fills l->items. True: there may be more. */
static bool read_page(struct lister *l)
{
	bool by_pair = l->fill != fill_history;

	l->items = json_object_new_array();
	l->n = 0;
	l->bytes = 0;
	l->full = l->failed = false;
	if (!l->items)
		l->failed = true;
	while (!l->failed && !l->full && l->n < PAGE_ITEMS) {
		int before = l->n, max = PAGE_ITEMS - l->n;

		if (l->left >= 0 && l->left < max)
			max = (int)l->left;
		if (max == 0)
			return false;
		int r = l->fill(l, max);

		if (r < 0 && r != -ENOBUFS && r != -ENOENT)
			l->failed = true; /* the index cannot be read */
		if (l->left >= 0)
			l->left -= l->n - before;
		if (l->n - before == max || l->full || l->failed)
			continue;
		if (!by_pair || !next_pair(l))
			return false;
	}
	return true;
}

static void send_pages(void *arg)
{
	struct lister *l = arg;
	bool more = ipc_call_more(l->call);

	for (;;) {
		bool follows = read_page(l);
		struct reply r = reply_new();

		reply_add(&r, l->key, STEAL(l->items));
		if (l->failed)
			r.failed = true;
		if (!more || !follows || r.failed) {
			reply_send(l->call, &r);
			lister_free(l);
			return;
		}
		int sent = reply_continue(l->call, &r);

		if (sent < 0) {
			reply_nothing(l->call);
			lister_free(l);
			return;
		}
		if (sent == 0)
			return; /* on_drain goes on */
	}
}

static void on_gone(void *arg)
{
	struct lister *l = arg;

	reply_nothing(l->call);
	lister_free(l);
}

static void start(struct ipc_call *call, struct json_object *parameters, struct ipc *ipc, const char *key,
		  int (*fill)(struct lister *l, int max), int64_t left)
{
	const char *name = NULL;

	json_get_string(parameters, "name", &name);
	if (name && !engine_spec(ipc->context.engine, name)) {
		error_named(call, SYNC "NoSuchPair", "name", name);
		return;
	}
	struct lister *l = calloc(1, sizeof(*l));

	if (!l) {
		ipc_call_no_memory(call);
		return;
	}
	*l = (struct lister){.call = call, .ipc = ipc, .key = key, .fill = fill, .name = name, .left = left};
	json_get_string(parameters, "path", &l->path);
	if (name)
		l->pair = strdup(name);
	if (name && !l->pair) {
		lister_free(l);
		ipc_call_no_memory(call);
		return;
	}
	if (!name && fill != fill_history && !next_pair(l)) {
		struct reply r = reply_new();

		reply_add(&r, key, json_object_new_array());
		reply_send(call, &r);
		lister_free(l);
		return;
	}
	ipc_call_on_gone(call, on_gone, l);
	ipc_call_on_drain(call, send_pages, l);
	send_pages(l);
}

void sync_list_held(struct ipc_call *call, struct json_object *parameters, void *context)
{
	start(call, parameters, context, "held", fill_held, -1);
}

void sync_list_skipped(struct ipc_call *call, struct json_object *parameters, void *context)
{
	start(call, parameters, context, "skipped", fill_skipped, -1);
}

void sync_list_history(struct ipc_call *call, struct json_object *parameters, void *context)
{
	int64_t limit = ipc_call_more(call) ? -1 : HISTORY_ITEMS;

	if (json_get_int64(parameters, "limit", &limit) > 0 && limit < 1) {
		ipc_call_invalid(call, "limit");
		return;
	}
	start(call, parameters, context, "entries", fill_history, limit);
}
