/* Settling. Lives here: when a dirty path has been quiet long enough, with a hash table to find a path, a
 * heap to find the next deadline and a list that bounds what the doubling rule remembers. Not here: where
 * hints come from, and looking at the disk. */
#include "sync/settle.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>
#include <sys/queue.h>

#define NOT_WAITING SIZE_MAX
#define NEVER       INT64_MIN
#define BUCKETS_MIN 64

struct node {
	struct node *next; /* of the bucket */
	uint64_t hash;

	/* waiting */
	size_t heap_index;     /* or NOT_WAITING */
	enum settle_kind kind; /* of the last hint */
	int64_t first_ms;      /* the first hint that was no deletion, or NEVER */
	int64_t last_ms;
	int64_t floor_ms; /* what the doubling rule asks for, 0: nothing */
	int64_t ready_ms;

	/* remembered for the doubling rule */
	TAILQ_ENTRY(node) link;
	bool remembered;
	int64_t used_ms;     /* how long it settled the last time */
	int64_t touched_ms;  /* last taken or uploaded */
	int64_t uploaded_ms; /* or NEVER */
	int64_t took_ms;

	bool busy; /* its path is in a callback's hands */
	char path[];
};

struct settle {
	struct settle_params params;
	struct node **buckets;
	size_t n_buckets, n_nodes; /* n_buckets is a power of two */
	struct node **heap;        /* room for every node: a known path can always wait */
	size_t n_waiting, cap_heap;
	TAILQ_HEAD(, node) remembered; /* last touched last */
	size_t n_remembered;
};

struct settle *settle_new(const struct settle_params *params)
{
	struct settle *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->params = *params;
	TAILQ_INIT(&s->remembered);
	s->n_buckets = BUCKETS_MIN;
	s->buckets = calloc(s->n_buckets, sizeof(struct node *));
	return s->buckets ? s : settle_free(s);
}

struct settle *settle_free(struct settle *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; s->buckets && i < s->n_buckets; i++)
		while (s->buckets[i]) {
			struct node *n = s->buckets[i];

			s->buckets[i] = n->next;
			free(n);
		}
	free(s->buckets);
	free(s->heap);
	free(s);
	return NULL;
}

void settle_set_params(struct settle *s, const struct settle_params *params)
{
	s->params = *params;
}

/* FNV-1a: a user who made names that collide would slow down nobody else. */
static uint64_t path_hash(const char *path)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 0x100000001b3;
	return h;
}

static struct node *find(const struct settle *s, const char *path)
{
	uint64_t hash = path_hash(path);
	struct node *n = s->buckets[hash & (s->n_buckets - 1)];

	while (n && (n->hash != hash || strcmp(n->path, path) != 0))
		n = n->next;
	return n;
}

/* Without memory for more buckets the chains only get longer. */
static void grow_buckets(struct settle *s)
{
	size_t n_buckets = s->n_buckets * 2;
	struct node **buckets = calloc(n_buckets, sizeof(struct node *));

	if (!buckets)
		return;
	for (size_t i = 0; i < s->n_buckets; i++)
		while (s->buckets[i]) {
			struct node *n = s->buckets[i];
			struct node **bucket = &buckets[n->hash & (n_buckets - 1)];

			s->buckets[i] = n->next;
			n->next = *bucket;
			*bucket = n;
		}
	free(s->buckets);
	s->buckets = buckets;
	s->n_buckets = n_buckets;
}

static struct node *find_or_add(struct settle *s, const char *path)
{
	struct node *n = find(s, path);

	if (n)
		return n;
	if (s->n_nodes == s->cap_heap) {
		size_t cap = MAX(s->cap_heap * 2, (size_t)BUCKETS_MIN);
		struct node **heap = reallocarray(s->heap, cap, sizeof(struct node *));

		if (!heap)
			return NULL;
		s->heap = heap;
		s->cap_heap = cap;
	}
	if (s->n_nodes >= s->n_buckets)
		grow_buckets(s);

	size_t len = strlen(path) + 1;

	n = calloc(1, sizeof(*n) + len);
	if (!n)
		return NULL;
	memcpy(n->path, path, len);
	n->hash = path_hash(path);
	n->heap_index = NOT_WAITING;
	n->first_ms = n->uploaded_ms = NEVER;
	struct node **bucket = &s->buckets[n->hash & (s->n_buckets - 1)];
	n->next = *bucket;
	*bucket = n;
	s->n_nodes++;
	return n;
}

/* Frees the node unless somebody still needs it. */
static void release(struct settle *s, struct node *n)
{
	if (n->heap_index != NOT_WAITING || n->remembered || n->busy)
		return;

	struct node **at = &s->buckets[n->hash & (s->n_buckets - 1)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	s->n_nodes--;
	free(n);
}

static bool earlier(const struct node *a, const struct node *b)
{
	return a->ready_ms != b->ready_ms ? a->ready_ms < b->ready_ms : strcmp(a->path, b->path) < 0;
}

static void heap_set(struct settle *s, size_t i, struct node *n)
{
	s->heap[i] = n;
	n->heap_index = i;
}

/* Puts the node where it belongs, from place i of the heap up or down. */
static void heap_place(struct settle *s, size_t i, struct node *n)
{
	for (; i > 0 && earlier(n, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap_set(s, i, s->heap[(i - 1) / 2]);
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < s->n_waiting && earlier(s->heap[child + 1], s->heap[child]))
			child++;
		if (child >= s->n_waiting || !earlier(s->heap[child], n))
			break;
		heap_set(s, i, s->heap[child]);
		i = child;
	}
	heap_set(s, i, n);
}

static void heap_remove(struct settle *s, struct node *n)
{
	size_t i = n->heap_index;
	struct node *last = s->heap[--s->n_waiting];

	n->heap_index = NOT_WAITING;
	if (last != n)
		heap_place(s, i, last);
}

static int64_t quiet_ms(const struct node *n)
{
	return MAX((int64_t)SETTLE_QUIET_MS, 2 * n->used_ms);
}

/* Twice the last settle time if the path was uploaded a short while ago, else 0. */
static int64_t doubled_ms(const struct node *n, int64_t now_ms)
{
	if (!n->remembered || n->uploaded_ms == NEVER || now_ms - n->uploaded_ms > quiet_ms(n))
		return 0;

	int64_t longest = MAX((int64_t)SETTLE_MAX_MS, SETTLE_UPLOAD_RATIO * n->took_ms);

	return MIN(2 * n->used_ms, MIN(longest, (int64_t)SETTLE_UPLOAD_MAX_MS));
}

static int64_t node_settle_ms(const struct settle *s, const struct node *n)
{
	return MAX(n->kind == SETTLE_OPEN ? s->params.open_ms : s->params.closed_ms, n->floor_ms);
}

static void set_ready(struct settle *s, struct node *n)
{
	if (n->kind == SETTLE_GONE) {
		n->ready_ms = n->last_ms + s->params.delete_ms;
	} else {
		int64_t settle_ms = node_settle_ms(s, n);

		n->ready_ms = MIN(n->last_ms + settle_ms, n->first_ms + MAX(s->params.cap_ms, settle_ms));
	}
	heap_place(s, n->heap_index == NOT_WAITING ? s->n_waiting++ : n->heap_index, n);
}

static void hint(struct settle *s, struct node *n, enum settle_kind kind, int64_t now_ms)
{
	if (n->heap_index == NOT_WAITING) {
		n->first_ms = NEVER;
		n->floor_ms = doubled_ms(n, now_ms);
	}
	if (n->first_ms == NEVER && kind != SETTLE_GONE)
		n->first_ms = now_ms;
	n->last_ms = now_ms;
	n->kind = kind;
	set_ready(s, n);
}

int settle_hint(struct settle *s, const char *path, enum settle_kind kind, int64_t now_ms)
{
	if (s->n_waiting >= SETTLE_MAX_PATHS && !settle_has(s, path))
		return -ENOSPC;

	struct node *n = find_or_add(s, path);

	if (!n)
		return -ENOMEM;
	hint(s, n, kind, now_ms);
	return 0;
}

bool settle_has(const struct settle *s, const char *path)
{
	const struct node *n = find(s, path);

	return n && n->heap_index != NOT_WAITING;
}

void settle_drop(struct settle *s, const char *path)
{
	struct node *n = find(s, path);

	if (!n || n->heap_index == NOT_WAITING)
		return;
	heap_remove(s, n);
	release(s, n);
}

int64_t settle_next_ms(const struct settle *s)
{
	return s->n_waiting ? s->heap[0]->ready_ms : INT64_MAX;
}

static void forget(struct settle *s, struct node *n)
{
	TAILQ_REMOVE(&s->remembered, n, link);
	s->n_remembered--;
	n->remembered = false;
	release(s, n);
}

/* Quiet since its last upload. One that was taken after it is being uploaded, however long that lasts. */
static bool is_stale(const struct node *n, int64_t now_ms)
{
	return n->touched_ms == n->uploaded_ms && now_ms - n->uploaded_ms > quiet_ms(n);
}

/* Memory that should be gone counts as gone, whether or not anybody came to clear it away. */
static void remember(struct settle *s, struct node *n, int64_t now_ms)
{
	if (!n->remembered || is_stale(n, now_ms)) {
		n->used_ms = s->params.closed_ms;
		n->uploaded_ms = NEVER;
		n->took_ms = 0;
	}
	if (n->remembered)
		TAILQ_REMOVE(&s->remembered, n, link);
	else
		s->n_remembered++;
	n->remembered = true;
	n->touched_ms = now_ms;
	TAILQ_INSERT_TAIL(&s->remembered, n, link);

	struct node *oldest;

	while ((oldest = TAILQ_FIRST(&s->remembered)) != n &&
	       (s->n_remembered > SETTLE_MAX_REMEMBERED || is_stale(oldest, now_ms)))
		forget(s, oldest);
}

size_t settle_take(struct settle *s, int64_t now_ms, size_t max, settle_cb cb, void *arg)
{
	size_t taken = 0;

	while (taken < max && s->n_waiting && s->heap[0]->ready_ms <= now_ms) {
		struct node *n = s->heap[0];
		bool gone = n->kind == SETTLE_GONE;

		heap_remove(s, n);
		taken++;
		n->busy = true;
		if (!gone) {
			remember(s, n, now_ms);
			n->used_ms = node_settle_ms(s, n);
		}
		int r = cb(arg, n->path, gone);

		n->busy = false;
		release(s, n);
		if (r < 0)
			break;
	}
	return taken;
}

/* What is waiting already came before the new memory: it is made to settle longer as well. */
static void settle_longer(struct settle *s, struct node *n, int64_t now_ms)
{
	if (n->heap_index == NOT_WAITING)
		return;
	n->floor_ms = MAX(n->floor_ms, doubled_ms(n, now_ms));
	set_ready(s, n);
}

static struct node *memory_of(struct settle *s, const char *path, int64_t now_ms)
{
	struct node *n = find_or_add(s, path);

	if (!n)
		return NULL;
	remember(s, n, now_ms);
	n->uploaded_ms = now_ms;
	return n;
}

void settle_uploaded(struct settle *s, const char *path, int64_t now_ms, int64_t took_ms)
{
	struct node *n = memory_of(s, path, now_ms);

	if (!n)
		return; /* out of memory: it settles as if new */
	n->took_ms = MAX(took_ms, (int64_t)0);
	settle_longer(s, n, now_ms);
}

int settle_moved(struct settle *s, const char *path, int64_t now_ms)
{
	if (s->n_waiting >= SETTLE_MAX_PATHS && !settle_has(s, path))
		return -ENOSPC;

	struct node *n = memory_of(s, path, now_ms);

	if (!n)
		return -ENOMEM;
	settle_longer(s, n, now_ms);
	hint(s, n, n->heap_index == NOT_WAITING ? SETTLE_CLOSED : n->kind, now_ms);
	return 0;
}

size_t settle_count(const struct settle *s)
{
	return s->n_waiting;
}

size_t settle_count_gone(const struct settle *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_waiting; i++)
		n += s->heap[i]->kind == SETTLE_GONE;
	return n;
}

int settle_each(const struct settle *s, settle_each_cb cb, void *arg)
{
	for (size_t i = 0; i < s->n_waiting; i++) {
		int r = cb(arg, s->heap[i]->path);

		if (r < 0)
			return r;
	}
	return 0;
}

int64_t settle_time_ms(const struct settle *s, const char *path, int64_t now_ms)
{
	const struct node *n = find(s, path);

	if (!n)
		return s->params.closed_ms;
	return MAX(s->params.closed_ms, n->heap_index != NOT_WAITING ? n->floor_ms : doubled_ms(n, now_ms));
}
