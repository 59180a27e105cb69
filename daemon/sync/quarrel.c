/* A map from paths to counters, and a list of them in the order in which their ten minutes began. */
#include "sync/quarrel.h"
#include "base/strmap.h"
#include "base/util.h"
#include <string.h>
#include <sys/queue.h>

struct repair {
	char *path;
	unsigned count;
	int64_t first_ms;
	TAILQ_ENTRY(repair) link;
};

struct quarrels {
	struct strmap *by_path;
	TAILQ_HEAD(, repair) by_time; /* the oldest first */
};

struct quarrels *quarrels_new(void)
{
	struct quarrels *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	TAILQ_INIT(&q->by_time);
	q->by_path = strmap_new();
	return q->by_path ? q : quarrels_free(q);
}

static void forget(struct quarrels *q, struct repair *x)
{
	TAILQ_REMOVE(&q->by_time, x, link);
	strmap_remove(q->by_path, x->path);
	free(x->path);
	free(x);
}

struct quarrels *quarrels_free(struct quarrels *q)
{
	if (!q)
		return NULL;
	while (!TAILQ_EMPTY(&q->by_time))
		forget(q, TAILQ_FIRST(&q->by_time));
	strmap_free(q->by_path);
	free(q);
	return NULL;
}

size_t quarrels_known(const struct quarrels *q)
{
	return strmap_count(q->by_path);
}

static bool is_over(const struct repair *x, int64_t now_ms)
{
	return now_ms - x->first_ms > QUARREL_MS;
}

void quarrels_forget(struct quarrels *q, int64_t now_ms, size_t max)
{
	struct repair *x;

	while (max-- > 0 && (x = TAILQ_FIRST(&q->by_time)) && is_over(x, now_ms))
		forget(q, x);
}

static struct repair *remember(struct quarrels *q, const char *path, int64_t now_ms)
{
	struct repair *x = calloc(1, sizeof *x);

	if (x)
		x->path = strdup(path);
	if (!x || !x->path || strmap_put(q->by_path, x->path, x) < 0) {
		if (x)
			free(x->path);
		free(x);
		return NULL;
	}
	x->first_ms = now_ms;
	TAILQ_INSERT_TAIL(&q->by_time, x, link);
	return x;
}

bool quarrels_count(struct quarrels *q, const char *path, int64_t now_ms)
{
	struct repair *x;

	quarrels_forget(q, now_ms, 2); /* more than comes, so that a burst is forgotten while others follow */
	x = strmap_get(q->by_path, path);
	if (x && is_over(x, now_ms)) {
		forget(q, x);
		x = NULL;
	}
	if (!x) {
		if (quarrels_known(q) >= QUARREL_PATHS)
			forget(q, TAILQ_FIRST(&q->by_time));
		x = remember(q, path, now_ms);
	}
	return x && ++x->count > QUARREL_REPAIRS;
}
