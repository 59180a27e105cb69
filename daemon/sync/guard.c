/* The mass-deletion guard. Lives here: how many deletions went in the last minute, whether those that wait
 * may follow, and which of them are only the old half of a move. Not here: the holds themselves (the index
 * keeps them) and the deletions of a first sync, which are held path by path.
 *
 * Excuses are kept in a ring in the order of their time, which is the order of their end. Each is linked to
 * the next older one in the same bucket of two hash tables (content, path); a link that leads behind the
 * ring's tail is the end of its chain, so nothing ever needs unlinking. */
#include "sync/guard.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

#define WINDOW_SECONDS (GUARD_WINDOW_MS / 1000)
#define SLOTS          (WINDOW_SECONDS + 1) /* whole seconds that a sliding minute touches */
#define RING_MIN       64
#define SPENT          INT64_MIN

struct excuse {
	uint64_t content, path; /* hashes; that two of so few agree by accident is one in a billion */
	int64_t until_ms;       /* or SPENT */
	uint32_t content_step, path_step; /* how far back the older one of the same bucket is; 0: none */
};

struct guard {
	struct {
		int64_t second;
		int64_t sent, held;
	} slots[SLOTS];

	struct excuse *ring;            /* serial % cap is the place */
	uint64_t *by_content, *by_path; /* the newest serial of each of cap buckets; 0: none */
	uint64_t cap;
	uint64_t tail, head; /* serials of the oldest and behind the newest; they begin at 1 */
};

struct guard *guard_new(void)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	for (size_t i = 0; i < SLOTS; i++)
		g->slots[i].second = -1;
	g->tail = g->head = 1;
	return g;
}

static void drop_ring(struct guard *g)
{
	free(g->ring);
	free(g->by_content);
	free(g->by_path);
	g->ring = NULL;
	g->by_content = g->by_path = NULL;
	g->cap = 0;
}

static int copy_ring(const struct guard *g, struct guard *to)
{
	to->ring = malloc(g->cap * sizeof(*g->ring));
	to->by_content = malloc(g->cap * sizeof(*g->by_content));
	to->by_path = malloc(g->cap * sizeof(*g->by_path));
	if (!to->ring || !to->by_content || !to->by_path)
		return -ENOMEM;
	memcpy(to->ring, g->ring, g->cap * sizeof(*g->ring));
	memcpy(to->by_content, g->by_content, g->cap * sizeof(*g->by_content));
	memcpy(to->by_path, g->by_path, g->cap * sizeof(*g->by_path));
	return 0;
}

struct guard *guard_copy(const struct guard *g)
{
	struct guard *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *g;
	copy->ring = NULL;
	copy->by_content = copy->by_path = NULL;
	return g->cap && copy_ring(g, copy) < 0 ? guard_free(copy) : copy;
}

struct guard *guard_free(struct guard *g)
{
	if (g)
		drop_ring(g);
	free(g);
	return NULL;
}

/* Of the present second. */
static size_t slot_of(struct guard *g, int64_t now_ms)
{
	int64_t second = now_ms / 1000;
	size_t i = (size_t)(second % SLOTS);

	if (g->slots[i].second != second) {
		g->slots[i].second = second;
		g->slots[i].sent = g->slots[i].held = 0;
	}
	return i;
}

void guard_sent(struct guard *g, int64_t now_ms)
{
	g->slots[slot_of(g, now_ms)].sent++;
}

void guard_held(struct guard *g, int64_t now_ms)
{
	g->slots[slot_of(g, now_ms)].held++;
}

static bool in_window(const struct guard *g, size_t slot, int64_t now_ms)
{
	return g->slots[slot].second >= 0 && g->slots[slot].second >= now_ms / 1000 - WINDOW_SECONDS;
}

int64_t guard_sent_in_window(const struct guard *g, int64_t now_ms)
{
	int64_t n = 0;

	for (size_t i = 0; i < SLOTS; i++)
		if (in_window(g, i, now_ms))
			n += g->slots[i].sent;
	return n;
}

static int64_t held_in_window(const struct guard *g, int64_t now_ms)
{
	int64_t n = 0;

	for (size_t i = 0; i < SLOTS; i++)
		if (in_window(g, i, now_ms))
			n += g->slots[i].held;
	return n;
}

bool guard_must_hold(const struct guard *g, int64_t now_ms, int64_t known, int64_t pending,
		     int64_t max_deletes, int64_t max_delete_percent)
{
	if (pending <= 0)
		return false;

	int64_t sent = guard_sent_in_window(g, now_ms);
	int64_t gone = pending + sent + held_in_window(g, now_ms);
	int64_t before = known + sent; /* what is held is known still */

	if (gone > max_deletes)
		return true;
	if (before < GUARD_SMALL_ROOT)
		return false;
	/* "Emptied" counts on its own: the limits may have been set to let everything through. */
	return pending >= known || (double)gone * 100 > (double)max_delete_percent * (double)before;
}

static uint64_t content_hash(const struct digest *digest)
{
	uint64_t h;

	memcpy(&h, digest->b, sizeof(h));
	return h;
}

/* FNV-1a: short keys, no adversary to defend against (a collision only voids an excuse). */
static uint64_t path_hash(const char *path)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 0x100000001b3;
	return h;
}

static struct excuse *at(const struct guard *g, uint64_t serial)
{
	return &g->ring[serial % g->cap];
}

/* The older one of the same bucket, or 0. */
static uint64_t older(const struct guard *g, uint64_t serial, uint32_t step)
{
	return step && serial - step >= g->tail ? serial - step : 0;
}

static uint64_t newest(const struct guard *g, const uint64_t *table, uint64_t hash)
{
	uint64_t serial = g->cap ? table[hash % g->cap] : 0;

	return serial >= g->tail ? serial : 0;
}

static void link_newest(struct guard *g, uint64_t *table, uint64_t hash, uint64_t serial, uint32_t *ret_step)
{
	uint64_t before = newest(g, table, hash);

	*ret_step = before ? (uint32_t)(serial - before) : 0;
	table[hash % g->cap] = serial;
}

static void push(struct guard *g, uint64_t content, uint64_t path, int64_t until_ms)
{
	uint64_t serial = g->head++;
	struct excuse *e = at(g, serial);

	e->content = content;
	e->path = path;
	e->until_ms = until_ms;
	link_newest(g, g->by_content, content, serial, &e->content_step);
	link_newest(g, g->by_path, path, serial, &e->path_step);
}

static void expire(struct guard *g, int64_t now_ms)
{
	while (g->tail < g->head && at(g, g->tail)->until_ms <= now_ms)
		g->tail++;
	if (g->tail == g->head)
		drop_ring(g);
}

/* Twice the room, the same excuses without the spent ones. When memory is short the oldest must go instead.
 */
static void grow(struct guard *g)
{
	struct guard larger = {.cap = MIN(MAX(g->cap * 2, (uint64_t)RING_MIN), (uint64_t)GUARD_MAX_MOVES),
			       .tail = 1,
			       .head = 1};

	larger.ring = calloc(larger.cap, sizeof(*larger.ring));
	larger.by_content = calloc(larger.cap, sizeof(*larger.by_content));
	larger.by_path = calloc(larger.cap, sizeof(*larger.by_path));
	if (!larger.ring || !larger.by_content || !larger.by_path) {
		drop_ring(&larger);
		return;
	}
	for (uint64_t i = g->tail; i < g->head; i++) {
		const struct excuse *e = at(g, i);

		if (e->until_ms != SPENT)
			push(&larger, e->content, e->path, e->until_ms);
	}
	drop_ring(g);
	g->ring = larger.ring;
	g->by_content = larger.by_content;
	g->by_path = larger.by_path;
	g->cap = larger.cap;
	g->tail = larger.tail;
	g->head = larger.head;
}

void guard_appeared(struct guard *g, const char *path, const struct digest *digest, int64_t now_ms)
{
	expire(g, now_ms);
	if (g->head - g->tail == g->cap && g->cap < GUARD_MAX_MOVES)
		grow(g);
	if (!g->cap)
		return;
	if (g->head - g->tail == g->cap)
		g->tail++;
	guard_vanished(g, path); /* one path excuses one deletion, however often it is reported */
	push(g, content_hash(digest), path_hash(path), now_ms + GUARD_MOVE_MS);
}

void guard_vanished(struct guard *g, const char *path)
{
	uint64_t hash = path_hash(path);

	for (uint64_t i = newest(g, g->by_path, hash); i; i = older(g, i, at(g, i)->path_step)) {
		if (at(g, i)->path != hash)
			continue;
		at(g, i)->until_ms = SPENT;
		return; /* the older ones of the path were spent when this one came */
	}
}

/* Takes a spent excuse out of its content's chain: else each of many equal contents would walk over it again.
 */
static void skip_spent(struct guard *g, uint64_t newer, uint64_t spent)
{
	uint64_t next = older(g, spent, at(g, spent)->content_step);

	if (newer)
		at(g, newer)->content_step = next ? (uint32_t)(newer - next) : 0;
	else
		g->by_content[at(g, spent)->content % g->cap] = next;
}

bool guard_excuse(struct guard *g, const struct digest *digest, int64_t now_ms)
{
	uint64_t hash = content_hash(digest), newer = 0;

	expire(g, now_ms);
	for (uint64_t i = newest(g, g->by_content, hash); i; i = older(g, i, at(g, i)->content_step)) {
		struct excuse *e = at(g, i);

		if (e->until_ms == SPENT) {
			skip_spent(g, newer, i);
			continue;
		}
		if (e->content == hash) {
			e->until_ms = SPENT;
			return true;
		}
		newer = i;
	}
	return false;
}
