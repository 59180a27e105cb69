/* What the index does behind the calls: checkpoints of the WAL in a worker, and sweeps on the loop, in slices
 * short enough for it: emptying spaces that were dropped, and writing flags that index_pair_flag_all changed
 * for a whole pair at once. Both are taken up again after a stop at any point. */
#include "store/index_db.h"
#include "base/err.h"
#include "base/log.h"
#include <errno.h>
#include <string.h>

/* 4 MiB of WAL: as large as SQLite's own habit; a checkpoint of it takes some 20 ms of a worker. */
#define CHECKPOINT_PAGES 1000
/* Rows a slice touches: about 3 ms. */
#define SWEEP_ROWS 1000
/* Between slices the loop has time for others. */
#define SWEEP_PAUSE_MS 5
/* After a failure (disk full): no hurry, what is swept is not seen by anyone. */
#define SWEEP_RETRY_MS 60000

struct index_checkpoint {
	struct worker_job job;
	struct index *index; /* NULL: closed meanwhile */
	char *path;
	int error;
};

static void run_checkpoint(struct worker_job *job)
{
	struct index_checkpoint *c = (struct index_checkpoint *)job;
	sqlite3 *db = NULL;
	int r = index_connect(c->path, &db);

	/* PASSIVE waits for nobody and nobody waits for it; what it cannot move yet the next one moves. */
	if (r == 0)
		r = index_error(db,
				sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
	if (r == ERR_CORRUPT)
		index_mark_corrupt(db);
	c->error = r == -EBUSY ? 0 : r;
	sqlite3_close(db);
}

static void on_checkpoint_done(struct worker_job *job)
{
	struct index_checkpoint *c = (struct index_checkpoint *)job;

	if (c->error < 0)
		log_warning("the write-ahead log of %s cannot be taken into it: %s", c->path,
			    err_text(c->error));
	if (c->index)
		c->index->checkpoint = NULL;
	free(c->path);
	free(c);
}

int index_wal_hook(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct index *index = arg;

	index->wal_pages = pages;
	return SQLITE_OK;
}

void index_checkpoint_if_due(struct index *index)
{
	/* It began again from the front: everything before has been taken in. */
	if (index->wal_pages < index->wal_checked_pages)
		index->wal_checked_pages = 0;
	if (index->checkpoint || index->wal_pages - index->wal_checked_pages < CHECKPOINT_PAGES)
		return;
	struct index_checkpoint *c = calloc(1, sizeof(*c));
	char *path = c ? strdup(index->path) : NULL;
	if (!path) {
		free(c); /* the next commit asks again */
		return;
	}
	*c = (struct index_checkpoint){
		.job = {.run = run_checkpoint, .done = on_checkpoint_done},
		.index = index,
		.path = path,
	};
	index->wal_checked_pages = index->wal_pages;
	index->checkpoint = c;
	worker_submit(index->pool, WORKER_NORMAL, &c->job);
}

void index_checkpoint_detach(struct index *index)
{
	if (index->checkpoint)
		index->checkpoint->index = NULL;
	index->checkpoint = NULL;
}

/* ---- flags of all rows of a pair ---- */

/* Where the next slice ends. 0: no row is left. */
static int flags_bound(struct index *index, int64_t space, const char *after, struct index_text *bound)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, SQL_SWEEP_BOUND, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, space);
	index_bind_path(stmt, 2, after);
	(void)sqlite3_bind_int(stmt, 3, SWEEP_ROWS);
	int rc = sqlite3_step(stmt);
	r = index_failed(index, rc);
	if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		r = index_text_set(bound, stmt, 0) ? 1 : -ENOMEM;
	index_give(index, SQL_SWEEP_BOUND, stmt);
	return r;
}

static int flags_write(struct index *index, const struct index_view *view, const char *after, const char *to)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, SQL_SWEEP_FLAGS, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, view->space);
	index_bind_path(stmt, 2, after);
	index_bind_path(stmt, 3, to);
	(void)sqlite3_bind_int64(stmt, 4, view->epoch);
	(void)sqlite3_bind_int64(stmt, 5, view->old_set);
	(void)sqlite3_bind_int64(stmt, 6, view->old_clear);
	return index_run(index, SQL_SWEEP_FLAGS, stmt);
}

static int flags_finish(struct index *index, struct index_pair_state *state)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, SQL_PAIR_EPOCH, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, state->key);
	(void)sqlite3_bind_int64(stmt, 2, state->view.epoch);
	(void)sqlite3_bind_int64(stmt, 3, 0);
	(void)sqlite3_bind_int64(stmt, 4, 0);
	r = index_run(index, SQL_PAIR_EPOCH, stmt);
	if (r == 0)
		state->view.old_set = state->view.old_clear = 0;
	return r;
}

/* One slice. 1: there may be more; 0: all rows are written. */
static int flags_step(struct index *index, struct index_pair_state *state)
{
	struct index_sweep *sweep = &index->sweep;
	struct index_text bound = {0};
	const char *after = sweep->cursor_space == state->view.space ? sweep->cursor.data : "";
	int r = flags_bound(index, state->view.space, after, &bound);

	if (r > 0) {
		r = flags_write(index, &state->view, after, bound.data);
		r = r < 0 ? r : 1;
	} else if (r == 0) {
		r = flags_finish(index, state);
	}
	if (r > 0) {
		index_text_done(&sweep->cursor);
		sweep->cursor = bound;
		sweep->cursor_space = state->view.space;
	} else {
		index_text_done(&bound);
		sweep->cursor_space = 0;
	}
	return r;
}

int index_sweep_flags_now(struct index *index, struct index_pair_state *state)
{
	int r = 1;

	while (r > 0 && (state->view.old_set || state->view.old_clear))
		r = flags_step(index, state);
	return r < 0 ? r : 0;
}

/* ---- what is left to do ---- */

/* The single number a statement finds; 0: none. */
static int find_one(struct index *index, enum index_sql which, int64_t *ret_found)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, which, &r);

	if (!stmt)
		return r;
	int rc = sqlite3_step(stmt);
	r = index_failed(index, rc);
	if (r == 0)
		*ret_found = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	index_give(index, which, stmt);
	return r;
}

static int empty_step(struct index *index, int64_t space)
{
	static const enum index_sql tables[] = {SQL_EMPTY_ROWS, SQL_EMPTY_REMEMBERED, SQL_EMPTY_HOLDS,
						SQL_EMPTY_SKIPS};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		sqlite3_stmt *stmt = index_take(index, tables[i], &r);
		if (!stmt)
			return r;
		(void)sqlite3_bind_int64(stmt, 1, space);
		(void)sqlite3_bind_int(stmt, 2, SWEEP_ROWS);
		r = index_run(index, tables[i], stmt);
		if (r < 0)
			return r;
		if (sqlite3_changes(index->db) > 0)
			return 1;
	}
	sqlite3_stmt *stmt = index_take(index, SQL_SPACE_DELETE, &r);
	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, space);
	r = index_run(index, SQL_SPACE_DELETE, stmt);
	return r < 0 ? r : 1;
}

/* One slice of whatever is left. 0: nothing is. */
static int sweep_step(struct index *index)
{
	struct index_pair_state *state;
	int64_t key = 0, space = 0;
	int r = find_one(index, SQL_SWEEP_STALE, &key);

	if (r == 0 && key != 0) {
		r = index_state(index, key, &state);
		if (r == 0)
			r = flags_step(index, state);
		return r < 0 ? r : 1;
	}
	if (r == 0)
		r = find_one(index, SQL_SPACE_DROPPED, &space);
	return r < 0 || space == 0 ? r : empty_step(index, space);
}

static void on_sweep(void *arg)
{
	struct index *index = arg;
	int64_t next_ms = SWEEP_PAUSE_MS;

	/* Somebody's transaction is open over turns of the loop: our slice must not become part of it. */
	if (index->depth == 0) {
		int r = index_begin(index);
		if (r == 0)
			r = index_end(index, sweep_step(index));
		if (r == 0 || r == ERR_CORRUPT)
			return;
		if (r < 0) {
			log_warning("old rows of %s cannot be removed: %s", index->path, err_text(r));
			next_ms = SWEEP_RETRY_MS;
		}
	}
	if (loop_timer_set(index->loop, &index->sweep.timer, next_ms, on_sweep, index) < 0)
		log_warning("out of memory: old rows of %s are removed after the next start", index->path);
}

int index_sweep_start(struct index *index)
{
	index->sweep.cursor_space = 0;
	return loop_timer_set(index->loop, &index->sweep.timer, SWEEP_PAUSE_MS, on_sweep, index);
}

void index_sweep_done(struct index *index)
{
	loop_timer_done(&index->sweep.timer);
	index_text_done(&index->sweep.cursor);
}
