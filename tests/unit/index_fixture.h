/* What the tests of the index share: an index in a directory of its own, and rows to put into it. */
#pragma once
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/worker.h"
#include "store/index.h"
#include "store/index_db.h"
#include "store/index_stamp.h"
#include "tests/unit/store_dir.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static struct loop *loop;
static struct worker_pool *pool;
static struct index *ix;
static char *path;

#define PAIRS 2
static const char *const ids[PAIRS] = {"00000000000000000000000000000001",
				       "00000000000000000000000000000002"};

static inline bool open_index(void)
{
	bool fresh;

	ck_assert_int_eq(index_open(path, loop, pool, &ix, &fresh), 0);
	return fresh;
}

static inline void setup(void)
{
	store_dir_setup();
	path = store_path("index.db");
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(worker_pool_new(loop, 2, &pool), 0);
	ck_assert(open_index());
}

static inline void teardown(void)
{
	ix = index_close(ix);
	worker_pool_free(pool);
	loop_free(loop);
	free(path);
	store_dir_teardown();
}

static inline void reopen(void)
{
	ix = index_close(ix);
	ck_assert(!open_index());
}

/* Until nothing is left to do behind the calls. */
static inline void settle(void)
{
	while (loop_timer_armed(&ix->sweep.timer) || ix->checkpoint)
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
}

static inline int64_t new_pair(const char *id)
{
	struct index_pair pair = {0};

	snprintf(pair.id, sizeof(pair.id), "%s", id);
	ck_assert_int_eq(index_pair_put(ix, &pair, false), 0);
	ck_assert_int_gt(pair.key, 0);
	return pair.key;
}

static inline int64_t count(const char *sql)
{
	sqlite3_stmt *stmt;

	ck_assert_int_eq(sqlite3_prepare_v2(ix->db, sql, -1, &stmt, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

static inline struct digest digest_for(uint32_t n)
{
	struct digest d;

	for (size_t i = 0; i < DIGEST_SIZE; i++)
		d.b[i] = (uint8_t)(n >> (8 * (i % 4)));
	return d;
}

static inline struct index_row simple_row(const char *p, int64_t size)
{
	return (struct index_row){
		.path = p, .synced = true, .size = size, .updated_at = "2026-11-24T08:58:56.1234567"};
}

static inline void put_many(int64_t pair, int n)
{
	char p[32];

	ck_assert_int_eq(index_begin(ix), 0);
	for (int i = 0; i < n; i++) {
		snprintf(p, sizeof(p), "d/%06d", i);
		struct index_row row = simple_row(p, 1);
		ck_assert_int_eq(index_put(ix, pair, &row), 0);
	}
	ck_assert_int_eq(index_commit(ix), 0);
}
