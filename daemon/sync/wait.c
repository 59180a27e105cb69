/* Barriers: a wait is over when everything that was known to be different when it was asked for has been
 * dealt with, or when that cannot be reached by itself. Of a file that keeps changing, whatever of it was
 * looked at after the call counts. */
#include "base/clock.h"
#include "sync/pair.h"
#include <errno.h>

/* A path that is still awaited. */
struct awaited {
	bool linked; /* for another name of its inode: what its own upload finds is later than the call */
	char path[];
};

struct wait_pair {
	struct pair *pair;
	struct strmap *paths; /* struct awaited */
	bool scan;            /* a scan ran or was queued: what it finds belongs to the barrier too */
	bool overflow;        /* … or is to come: a walk of the whole tree that begins after the call */
	bool over, reached;   /* reached: what was different at the call is on the server */
	bool renewed;         /* the pair is being started anew; the barrier goes over to the new one */
	uint64_t seq;         /* items older than this were looked at before the call */
};

struct engine_wait {
	struct engine *engine;
	struct wait_pair *pairs;
	size_t n;
	struct loop_timer timer;
	engine_wait_cb cb;
	void *arg;
	bool ending;
	LIST_ENTRY(engine_wait) link;
};

static void clear_paths(struct wait_pair *w)
{
	size_t cursor = 0;
	struct awaited *a;

	if (!w->paths)
		return;
	while ((a = strmap_next(w->paths, &cursor)))
		free(a);
	w->paths = strmap_free(w->paths);
}

static void wait_free(struct engine_wait *w)
{
	LIST_REMOVE(w, link);
	loop_undefer(w->engine->p.loop, w);
	loop_timer_done(&w->timer);
	for (size_t i = 0; i < w->n; i++)
		clear_paths(&w->pairs[i]);
	free(w->pairs);
	free(w);
}

static void finish(void *arg)
{
	struct engine_wait *w = arg;
	struct engine_status *statuses = calloc(w->n ? w->n : 1, sizeof *statuses);
	size_t n = 0;

	for (size_t i = 0; i < w->n && statuses; i++)
		if (w->pairs[i].pair) {
			report_status(w->pairs[i].pair, &statuses[n]);
			statuses[n++].in_sync |=
				w->pairs[i].reached; /* later changes are not the caller's question */
		}

	engine_wait_cb cb = w->cb;
	void *cb_arg = w->arg;
	const struct engine_error memory = {
		.kind = ENGINE_LOCAL, .code = -ENOMEM, .message = "out of memory"};

	wait_free(w);
	cb(cb_arg, statuses ? &(const struct engine_error){0} : &memory, statuses, n);
	free(statuses);
}

static void end_soon(struct engine_wait *w)
{
	if (w->ending)
		return;
	w->ending = true;
	loop_timer_stop(&w->timer);
	if (loop_defer(w->engine->p.loop, finish, w) < 0)
		loop_timer_set(w->engine->p.loop, &w->timer, 0, finish, w);
}

static bool blocked(struct pair *p)
{
	if (p->spec->paused || p->trouble || p->server->down)
		return true;
	report_counts(p);
	return p->blocking_held > 0 || p->quarrels > 0;
}

/* It cannot get there by itself: a hold waits for a word, but what is under way is waited for. */
static bool stuck(struct pair *p)
{
	if (p->spec->paused || p->trouble || p->server->down)
		return true;
	return !walk_pending(p) && !items_active(p) && !settle_count(p->settle) && blocked(p);
}

static bool add_path(struct wait_pair *w, const char *path, bool linked)
{
	size_t size = strlen(path) + 1;
	struct awaited *a;

	if (strmap_get(w->paths, path))
		return true;
	a = malloc(sizeof *a + size);
	if (!a)
		return false;
	a->linked = linked;
	memcpy(a->path, path, size);
	if (strmap_put(w->paths, a->path, a) >= 0)
		return true;
	free(a);
	return false;
}

static void add_active(struct wait_pair *w)
{
	size_t cursor = 0;
	struct item *it;

	while ((it = strmap_next(w->pair->items, &cursor)))
		add_path(w, it->path, false);
}

static int add_settling(void *arg, const char *path)
{
	return add_path(arg, path, false) ? 0 : -ENOMEM;
}

static void check_one(struct wait_pair *w)
{
	if (w->over || !w->pair)
		return;
	w->reached = !w->scan && strmap_count(w->paths) == 0 && !blocked(w->pair);
	w->over = w->reached || stuck(w->pair);
}

static void check(struct engine_wait *w)
{
	bool over = true;

	for (size_t i = 0; i < w->n; i++) {
		check_one(&w->pairs[i]);
		over = over && (w->pairs[i].over || (!w->pairs[i].pair && !w->pairs[i].renewed));
	}
	if (over)
		end_soon(w);
}

void wait_check(struct pair *p)
{
	struct engine_wait *w, *next;

	LIST_FOREACH_SAFE(w, &p->engine->waits, link, next)
		check(w);
}

void wait_item_done(struct pair *p, const char *path, uint64_t seq, bool again)
{
	struct engine_wait *w;

	/* Put off, not dealt with: gone, and it may be back in a moment, or it moved while it was read. */
	if (!again && settle_has(p->settle, path))
		return;
	LIST_FOREACH(w, &p->engine->waits, link)
		for (size_t i = 0; i < w->n; i++)
			/* Changed again while it was at work since before the call: its next round counts,
			 * later ones need not. */
			if (w->pairs[i].pair == p && w->pairs[i].paths && (!again || seq > w->pairs[i].seq)) {
				struct awaited *a = strmap_remove(w->pairs[i].paths, path);

				free(a);
			}
	wait_check(p);
}

void wait_linked(struct pair *p, const char *path, const char *other)
{
	struct engine_wait *w;

	LIST_FOREACH(w, &p->engine->waits, link)
		for (size_t i = 0; i < w->n; i++) {
			struct wait_pair *x = &w->pairs[i];
			struct awaited *a = x->pair == p && x->paths ? strmap_get(x->paths, path) : NULL;

			if (!a || a->linked)
				continue;
			if (!other || !add_path(x, other, true))
				x->scan = x->overflow = true;
		}
}

void wait_walk_begins(struct pair *p)
{
	struct engine_wait *w;

	LIST_FOREACH(w, &p->engine->waits, link)
		for (size_t i = 0; i < w->n; i++)
			if (w->pairs[i].pair == p)
				w->pairs[i].overflow = false;
}

void wait_scan_ended(struct pair *p)
{
	struct engine_wait *w;

	LIST_FOREACH(w, &p->engine->waits, link)
		for (size_t i = 0; i < w->n; i++)
			if (w->pairs[i].pair == p && w->pairs[i].scan && !w->pairs[i].overflow &&
			    !p->deletes_overflow && !walk_pending(p)) {
				w->pairs[i].scan = false;
				add_active(&w->pairs[i]);
				/* Deletions that it found settle before they become items. */
				settle_each(p->settle, add_settling, &w->pairs[i]);
			}
	wait_check(p);
}

static void timed_out(void *arg)
{
	end_soon(arg);
}

int engine_wait(struct engine *e, const char *name, int64_t timeout_seconds, engine_wait_cb cb, void *arg,
		struct engine_wait **ret_wait)
{
	struct engine_wait *w;

	if (name && !engine_spec(e, name))
		return -ENOENT;
	watch_drain(e->watch);
	w = calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	w->engine = e;
	w->cb = cb;
	w->arg = arg;
	w->pairs = calloc(e->n_pairs ? e->n_pairs : 1, sizeof *w->pairs);
	LIST_INSERT_HEAD(&e->waits, w, link);
	for (size_t i = 0; i < e->n_pairs && w->pairs; i++) {
		struct pair *p = e->pairs[i];
		struct wait_pair *x = &w->pairs[w->n];

		if (!engine_lists(p) || (name && strcmp(p->spec->name, name) != 0))
			continue;
		w->n++;
		x->pair = p;
		x->paths = strmap_new();
		x->seq = p->seq;
		if (!x->paths) {
			wait_free(w);
			return -ENOMEM;
		}
		x->overflow = p->overflowed || p->settle_overflow || p->deletes_overflow;
		walk_want_polled(p);
		if (p->overflowed)
			walk_pump(p);
		x->scan = walk_pending(p) || x->overflow || !p->started;
		add_active(x);
		settle_each(p->settle, add_settling, x);
	}
	if (!w->pairs) {
		wait_free(w);
		return -ENOMEM;
	}
	if (timeout_seconds >= 0)
		loop_timer_set(e->p.loop, &w->timer, timeout_seconds * 1000, timed_out, w);
	check(w);
	*ret_wait = w;
	return 0;
}

void engine_wait_cancel(struct engine_wait *w)
{
	if (w)
		wait_free(w);
}

void waits_drop_pair(struct pair *p, bool renewed)
{
	struct engine_wait *w, *next;

	LIST_FOREACH_SAFE(w, &p->engine->waits, link, next) {
		for (size_t i = 0; i < w->n; i++)
			if (w->pairs[i].pair == p) {
				clear_paths(&w->pairs[i]);
				w->pairs[i].pair = NULL;
				w->pairs[i].renewed = renewed;
			}
		check(w);
	}
}

void waits_renew_pair(struct engine *e, struct pair *fresh)
{
	struct engine_wait *w, *next;

	LIST_FOREACH_SAFE(w, &e->waits, link, next) {
		for (size_t i = 0; i < w->n; i++) {
			struct wait_pair *x = &w->pairs[i];

			if (!x->renewed)
				continue;
			x->renewed = false;
			x->paths = fresh ? strmap_new() : NULL;
			x->pair = x->paths ? fresh : NULL;
			x->scan = true; /* what was different is found by the scan it starts with */
			x->seq = 0;
		}
		check(w);
	}
}
