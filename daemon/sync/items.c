/* Active paths: one item per path from the moment something may have to be done until nothing is. Which list
 * an item is on says what it waits for. Not here: what is done (judge.c, job.c, single.c). */
#include "base/clock.h"
#include "base/log.h"
#include "sync/names.h"
#include "sync/pair.h"
#include <errno.h>

struct item *item_find(struct pair *p, const char *path)
{
	return strmap_get(p->items, path);
}

struct item *item_get(struct pair *p, const char *path)
{
	struct item *it = item_find(p, path);

	if (it)
		return it;
	it = calloc(1, sizeof *it);
	if (!it)
		return NULL;
	it->pair = p;
	it->path = strdup(path);
	it->state = ITEM_BUSY; /* on no list */
	p->n_busy++;
	it->seq = ++p->seq;
	if (!it->path || names_decode(path, &it->local) < 0 || strmap_put(p->items, it->path, it) < 0) {
		p->n_busy--;
		free(it->path);
		free(it->local);
		free(it);
		return NULL;
	}
	return it;
}

static struct item_list *list_of(struct item *it)
{
	struct pair *p = it->pair;

	switch (it->state) {
	case ITEM_READY:
		return it->lane == LANE_SMALL ? &p->ready : it->lane == LANE_LARGE ? &p->large : &p->rescues;
	case ITEM_DELETE: return &p->deletes;
	case ITEM_DOUBT: return &p->doubts;
	case ITEM_RETRY: return &p->retries;
	case ITEM_BUSY: break;
	}
	return NULL;
}

static size_t *count_of(struct item *it)
{
	struct pair *p = it->pair;

	switch (it->state) {
	case ITEM_READY: return &p->n_ready;
	case ITEM_DELETE: return &p->n_deletes;
	case ITEM_BUSY: return &p->n_busy;
	default: return NULL;
	}
}

static void unlink_item(struct item *it)
{
	struct item_list *list = list_of(it);
	size_t *count = count_of(it);

	if (list)
		TAILQ_REMOVE(list, it, link);
	if (count)
		(*count)--;
}

/* The one setter of an item's state. */
static void set_state(struct item *it, enum item_state state)
{
	unlink_item(it);
	it->state = state;

	struct item_list *list = list_of(it);
	size_t *count = count_of(it);

	if (list)
		TAILQ_INSERT_TAIL(list, it, link);
	if (count)
		(*count)++;
}

static void drop_data(struct item *it)
{
	free(it->data);
	it->data = NULL;
	it->len = 0;
}

void item_ready(struct item *it)
{
	drop_data(it);
	set_state(it, ITEM_READY);
}

void item_lane(struct item *it, enum item_lane lane)
{
	set_state(it, ITEM_BUSY); /* on no list while the lane changes: it chooses the list */
	it->lane = lane;
	item_ready(it);
}

void item_busy(struct item *it)
{
	set_state(it, ITEM_BUSY);
}

void item_delete(struct item *it)
{
	drop_data(it);
	set_state(it, ITEM_DELETE);
}

void item_doubt(struct item *it)
{
	drop_data(it);
	set_state(it, ITEM_DOUBT);
}

void item_retry(struct item *it, int64_t delay_ms)
{
	drop_data(it);
	it->next_ms = clock_monotonic_ms() + delay_ms;
	set_state(it, ITEM_RETRY);
}

void item_again(struct item *it)
{
	if (it->backoff.failures > 0) {
		item_retry(it, backoff_next_ms(&it->backoff, backoff_random(), 0));
	} else {
		it->backoff.failures = 1;
		item_ready(it);
	}
}

void item_forget(struct item *it)
{
	struct pair *p = it->pair;

	unlink_item(it);
	strmap_remove(p->items, it->path);
	free(it->data);
	free(it->path);
	free(it->local);
	free(it);
}

void item_done(struct item *it)
{
	struct pair *p = it->pair;
	bool remote = it->again_remote, again = it->again;
	_cleanup_free_ char *path = STEAL(it->path);

	if (again && settle_hint(p->settle, path, it->again_gone ? SETTLE_GONE : SETTLE_CLOSED,
				 clock_monotonic_ms()) < 0)
		p->settle_overflow = true;
	it->path = path; /* the map compares keys */
	/* A difference that was set aside has not been looked at by anybody yet. */
	wait_item_done(p, path, remote ? 0 : it->seq, again || remote);
	unlink_item(it);
	strmap_remove(p->items, path);
	free(it->data);
	free(it->local);
	free(it);
	if (remote) {
		/* The server's side was reported different while we were at it: compared now. */
		struct item *fresh = item_get(p, path);

		if (fresh) {
			fresh->check_remote = true;
			item_ready(fresh);
			pair_pump_later(p); /* a hold ends an item where no job's end would pump */
		}
	}
	if (again)
		pair_arm_timers(p);
	report_changed(p);
}

void items_retry_due(struct pair *p, int64_t now_ms, int64_t *ret_next_ms)
{
	struct item *it, *next;

	TAILQ_FOREACH_SAFE(it, &p->retries, link, next) {
		if (it->next_ms <= now_ms)
			item_ready(it);
		else if (it->next_ms < *ret_next_ms)
			*ret_next_ms = it->next_ms;
	}
}

static int by_path(const void *a, const void *b)
{
	return strcmp((*(struct item *const *)a)->path, (*(struct item *const *)b)->path);
}

void items_sort(struct item **items, size_t n)
{
	qsort(items, n, sizeof *items, by_path);
}

size_t items_active(const struct pair *p)
{
	return strmap_count(p->items);
}

bool items_older_than(const struct pair *p, uint64_t seq, bool deletes_too)
{
	size_t cursor = 0;
	struct item *it;

	while ((it = strmap_next(p->items, &cursor)))
		if (it->seq < seq && (deletes_too || it->state != ITEM_DELETE))
			return true;
	return false;
}
