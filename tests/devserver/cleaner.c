/*
 * Clean-up in the background: see cleaner.h.
 */
#include "cleaner.h"

#include "buckets.h"
#include "store.h"

#include <errno.h>
#include <time.h>

#define FIRST_RUN_S 30
#define INTERVAL_S  3600
/* A content goes this long after it was first stored, if nothing refers to it; not after its last use. */
#define CONTENT_GRACE_TICKS (3600 * TICKS_PER_S)

static bool remove_expired_bucket(struct store *s)
{
	_cleanup_buf_ struct buf id = {0};
	sqlite3_stmt *st = store_prepare(s, ST_BUCKET_EXPIRED);

	store_bind_int(st, 1, ticks_now());
	if (sqlite3_step(st) == SQLITE_ROW)
		buf_addspan(&id, store_column(st, 0));
	sqlite3_reset(st);
	return id.n && bucket_delete(s, buf_span(&id)) == 0;
}

static bool remove_dead_content(struct store *s)
{
	_cleanup_buf_ struct buf sha = {0};
	sqlite3_stmt *st = store_prepare(s, ST_CONTENT_DEAD);

	store_bind_int(st, 1, ticks_now() - CONTENT_GRACE_TICKS);
	if (sqlite3_step(st) == SQLITE_ROW)
		buf_addspan(&sha, store_column(st, 0));
	int64_t place = sqlite3_column_int64(st, 1), size = sqlite3_column_int64(st, 2);
	sqlite3_reset(st);
	if (sha.n == 0 || store_begin(s) < 0)
		return false;
	st = store_prepare(s, ST_CONTENT_DELETE);
	store_bind(st, 1, buf_span(&sha));
	if (store_run(s, st) < 0 || store_commit(s) < 0)
		return false;
	/* Only now: a kill in between leaves bytes without a row, never a row without bytes. */
	contents_remove(&s->contents, sha.p, place, size);
	return true;
}

void cleaner_run(struct store *s)
{
	while (remove_expired_bucket(s))
		;
	while (remove_dead_content(s))
		;
	store_commit(s);
}

static void *run(void *arg)
{
	struct store *s = arg;
	struct timespec until;

	store_lock(s);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FIRST_RUN_S;
	while (!s->cleaner_stop) {
		if (pthread_cond_timedwait(&s->cleaner_wake, &s->lock, &until) != ETIMEDOUT)
			continue;
		cleaner_run(s);
		until.tv_sec += INTERVAL_S;
	}
	store_unlock(s);
	return NULL;
}

int cleaner_start(struct store *s)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->cleaner_wake, &attr);
	pthread_condattr_destroy(&attr);
	int r = pthread_create(&s->cleaner, NULL, run, s);
	s->cleaner_runs = r == 0;
	return -r;
}

void cleaner_stop(struct store *s)
{
	if (!s->cleaner_runs)
		return;
	store_lock(s);
	s->cleaner_stop = true;
	pthread_cond_signal(&s->cleaner_wake);
	store_unlock(s);
	pthread_join(s->cleaner, NULL);
	pthread_cond_destroy(&s->cleaner_wake);
	s->cleaner_runs = false;
}
