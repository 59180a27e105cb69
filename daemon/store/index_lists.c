/* What the index keeps beside the rows, each a table of paths: writes remembered as ours, holds, skipped
 * paths. */
#include "base/err.h"
#include "store/index_db.h"
#include <errno.h>
#include <string.h>

/* Remembered writes removed in one call: a few milliseconds. */
#define EXPIRE_ROWS 1000

/* Begins a write to a pair: its state, and a statement with the space bound as ?1 and the path as ?2. */
static sqlite3_stmt *take_for(struct index *index, int64_t pair, const char *path, enum index_sql which,
			      struct index_pair_state **ret_state, int *ret_error)
{
	*ret_error = pair > 0 ? index_state(index, pair, ret_state) : -EINVAL;
	if (*ret_error < 0)
		return NULL;
	sqlite3_stmt *stmt = index_take(index, which, ret_error);
	if (!stmt)
		return NULL;
	(void)sqlite3_bind_int64(stmt, 1, (*ret_state)->view.space);
	index_bind_path(stmt, 2, path);
	return stmt;
}

/* ---- writes of ours ---- */

static void bind_kind(sqlite3_stmt *stmt, enum index_note kind, const struct digest *digest)
{
	(void)sqlite3_bind_int(stmt, 3, kind);
	if (kind == INDEX_NOTE_HASH)
		index_bind_digest(stmt, 4, digest);
	else
		(void)sqlite3_bind_zeroblob(stmt, 4, 0);
}

static int remember_in_tx(struct index *index, int64_t pair, const char *path, enum index_note kind,
			  const struct digest *digest, int64_t now_ms)
{
	struct index_pair_state *state;
	int r;
	sqlite3_stmt *stmt = take_for(index, pair, path, SQL_REMEMBER, &state, &r);

	if (!stmt)
		return r;
	bind_kind(stmt, kind, digest);
	(void)sqlite3_bind_int64(stmt, 5, now_ms);
	return index_run(index, SQL_REMEMBER, stmt);
}

int index_remember(struct index *index, int64_t pair, const char *path, enum index_note kind,
		   const struct digest *digest, int64_t now_ms)
{
	if (!index_path_valid(path) || kind == INDEX_NOTE_NONE || (kind == INDEX_NOTE_HASH && !digest))
		return -EINVAL;
	int r = index_begin(index);
	return r < 0 ? r : index_end(index, remember_in_tx(index, pair, path, kind, digest, now_ms));
}

bool index_remembers(struct index *index, int64_t pair, const char *path, enum index_note kind,
		     const struct digest *digest, int64_t now_ms)
{
	struct index_pair_state *state;
	int r;

	if (kind == INDEX_NOTE_NONE || (kind == INDEX_NOTE_HASH && !digest))
		return false;
	sqlite3_stmt *stmt = take_for(index, pair, path, SQL_REMEMBERS, &state, &r);
	if (!stmt)
		return false;
	bind_kind(stmt, kind, digest);
	(void)sqlite3_bind_int64(stmt, 5, now_ms - INDEX_REMEMBER_MS);
	int rc = sqlite3_step(stmt);
	(void)index_failed(index, rc);
	index_give(index, SQL_REMEMBERS, stmt);
	return rc == SQLITE_ROW;
}

static int forget_in_tx(struct index *index, int64_t pair, const char *path)
{
	struct index_pair_state *state;
	int r;
	sqlite3_stmt *stmt = take_for(index, pair, path, SQL_FORGET, &state, &r);

	return stmt ? index_run(index, SQL_FORGET, stmt) : r;
}

int index_forget(struct index *index, int64_t pair, const char *path)
{
	int r = index_begin(index);

	return r < 0 ? r : index_end(index, forget_in_tx(index, pair, path));
}

static int expire_in_tx(struct index *index, int64_t now_ms)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, SQL_EXPIRE, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, now_ms - INDEX_REMEMBER_MS);
	(void)sqlite3_bind_int(stmt, 2, EXPIRE_ROWS);
	r = index_run(index, SQL_EXPIRE, stmt);
	return r < 0 ? r : sqlite3_changes(index->db) == EXPIRE_ROWS;
}

int index_remember_expire(struct index *index, int64_t now_ms)
{
	int r = index_begin(index);

	return r < 0 ? r : index_end(index, expire_in_tx(index, now_ms));
}

/* ---- holds ---- */

/* Columns in the order of HOLD_COLUMNS. */
static void hold_read(sqlite3_stmt *stmt, const char *path, struct index_hold *hold)
{
	*hold = (struct index_hold){.path = path};
	hold->side_local = sqlite3_column_int(stmt, 1);
	hold->reason = (enum index_hold_reason)sqlite3_column_int(stmt, 2);
	hold->size = sqlite3_column_int64(stmt, 3);
	hold->has_digest = index_column_digest(stmt, 4, &hold->digest);
	index_column_stamp(stmt, 5, hold->updated_at);
	hold->confirmed = sqlite3_column_int(stmt, 6);
}

int index_hold_get(struct index *index, int64_t pair, const char *path, struct index_hold *ret_hold)
{
	struct index_pair_state *state;
	int r = index_state(index, pair, &state);

	/* Asked for each path that is dealt with, and hardly ever is there one: every hold is counted in one
	 * of these (hold_count). */
	if (r == 0 && state->tally[TALLY_HELD_FOREIGN] == 0 && state->tally[TALLY_HELD_BLOCKING] == 0)
		return -ENOENT;
	sqlite3_stmt *stmt = r == 0 ? take_for(index, pair, path, SQL_HOLD_GET, &state, &r) : NULL;

	if (!stmt)
		return r;
	int rc = sqlite3_step(stmt);
	r = rc == SQLITE_DONE ? -ENOENT : index_failed(index, rc);
	if (r == 0)
		hold_read(stmt, path, ret_hold);
	index_give(index, SQL_HOLD_GET, stmt);
	return r;
}

static void hold_count(struct index_pair_state *state, const struct index_hold *hold, int delta)
{
	bool foreign = hold->reason == INDEX_HOLD_FOREIGN;

	if (!hold->confirmed)
		index_count(state, foreign ? TALLY_HELD_FOREIGN : TALLY_HELD_DELETES, delta);
	if (!foreign || hold->confirmed)
		index_count(state, TALLY_HELD_BLOCKING, delta);
}

/* Takes the hold of the path, if there is one, out of the counters. */
static int hold_uncount(struct index *index, int64_t pair, const char *path)
{
	struct index_pair_state *state;
	struct index_hold old;
	int r = index_hold_get(index, pair, path, &old);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = index_state(index, pair, &state);
	if (r == 0)
		hold_count(state, &old, -1);
	return r;
}

static int hold_put_in_tx(struct index *index, int64_t pair, const struct index_hold *hold)
{
	struct index_pair_state *state;
	int r = hold_uncount(index, pair, hold->path);
	sqlite3_stmt *stmt = r == 0 ? take_for(index, pair, hold->path, SQL_HOLD_PUT, &state, &r) : NULL;

	if (!stmt)
		return r;
	(void)sqlite3_bind_int(stmt, 3, hold->side_local);
	(void)sqlite3_bind_int(stmt, 4, hold->reason);
	(void)sqlite3_bind_int64(stmt, 5, hold->size);
	index_bind_digest(stmt, 6, hold->has_digest ? &hold->digest : NULL);
	index_bind_stamp(stmt, 7, hold->updated_at);
	(void)sqlite3_bind_int(stmt, 8, hold->confirmed);
	r = index_run(index, SQL_HOLD_PUT, stmt);
	if (r == 0)
		hold_count(state, hold, 1);
	return r;
}

int index_hold_put(struct index *index, int64_t pair, const struct index_hold *hold)
{
	if (!index_path_valid(hold->path))
		return -EINVAL;
	int r = index_begin(index);
	return r < 0 ? r : index_end(index, hold_put_in_tx(index, pair, hold));
}

static int hold_drop_in_tx(struct index *index, int64_t pair, const char *path)
{
	struct index_pair_state *state;
	int r = hold_uncount(index, pair, path);
	sqlite3_stmt *stmt = r == 0 ? take_for(index, pair, path, SQL_HOLD_DELETE, &state, &r) : NULL;

	return stmt ? index_run(index, SQL_HOLD_DELETE, stmt) : r;
}

int index_hold_drop(struct index *index, int64_t pair, const char *path)
{
	int r = index_begin(index);

	return r < 0 ? r : index_end(index, hold_drop_in_tx(index, pair, path));
}

/* Hands out what the statement finds and gives it back. */
static int hold_each(struct index *index, enum index_sql which, sqlite3_stmt *stmt, index_hold_cb cb,
		     void *arg)
{
	struct index_text path = {0};
	int r = 0, rc = SQLITE_DONE, n = 0;

	while (r >= 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct index_hold hold;
		const char *text = index_text_set(&path, stmt, 0);
		if (text)
			hold_read(stmt, text, &hold);
		n++;
		r = text ? cb(arg, &hold) : -ENOMEM;
	}
	if (r >= 0)
		r = index_failed(index, rc);
	index_give(index, which, stmt);
	index_text_done(&path);
	return r < 0 ? r : n;
}

int index_hold_range(struct index *index, int64_t pair, const char *after, int max, index_hold_cb cb,
		     void *arg)
{
	struct index_pair_state *state;
	int r;
	sqlite3_stmt *stmt = take_for(index, pair, after ? after : "", SQL_HOLD_RANGE, &state, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int(stmt, 3, max);
	return hold_each(index, SQL_HOLD_RANGE, stmt, cb, arg);
}

int index_hold_fitting(struct index *index, int64_t pair, enum index_hold_reason reason, int64_t max_size,
		       int max, index_hold_cb cb, void *arg)
{
	struct index_pair_state *state;
	int r;
	sqlite3_stmt *stmt = take_for(index, pair, "", SQL_HOLD_FITTING, &state, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int(stmt, 3, reason);
	(void)sqlite3_bind_int64(stmt, 4, max_size);
	(void)sqlite3_bind_int(stmt, 5, max);
	return hold_each(index, SQL_HOLD_FITTING, stmt, cb, arg);
}

int index_hold_counts(struct index *index, int64_t pair, int64_t *ret_deletes, int64_t *ret_foreign,
		      int64_t *ret_blocking)
{
	struct index_pair_state *state;
	int r = index_state(index, pair, &state);

	if (r < 0)
		return r;
	*ret_deletes = state->tally[TALLY_HELD_DELETES];
	*ret_foreign = state->tally[TALLY_HELD_FOREIGN];
	*ret_blocking = state->tally[TALLY_HELD_BLOCKING];
	return 0;
}

/* ---- skipped paths ---- */

/* What the path's record counts for now. */
static int skip_weigh(struct index *index, int64_t pair, const char *path, int *ret_skips, int *ret_errors)
{
	struct index_pair_state *state;
	int r;
	sqlite3_stmt *stmt = take_for(index, pair, path, SQL_SKIP_GET, &state, &r);

	if (!stmt)
		return r;
	int rc = sqlite3_step(stmt);
	r = index_failed(index, rc);
	*ret_skips = rc == SQLITE_ROW;
	*ret_errors = rc == SQLITE_ROW && sqlite3_column_int(stmt, 3);
	index_give(index, SQL_SKIP_GET, stmt);
	return r;
}

static int skip_put_in_tx(struct index *index, int64_t pair, const struct index_skip *skip)
{
	struct index_pair_state *state;
	int skips, errors;
	int r = skip_weigh(index, pair, skip->path, &skips, &errors);
	sqlite3_stmt *stmt = r == 0 ? take_for(index, pair, skip->path, SQL_SKIP_PUT, &state, &r) : NULL;

	if (!stmt)
		return r;
	index_bind_text(stmt, 3, skip->reason);
	index_bind_text(stmt, 4, skip->message ? skip->message : "");
	(void)sqlite3_bind_int(stmt, 5, skip->error);
	(void)sqlite3_bind_int64(stmt, 6, skip->scan);
	(void)sqlite3_bind_int64(stmt, 7, skip->retry_ms);
	r = index_run(index, SQL_SKIP_PUT, stmt);
	if (r < 0)
		return r;
	index_count(state, TALLY_SKIPPED, 1 - skips);
	index_count(state, TALLY_ERRORS, skip->error - errors);
	return 0;
}

int index_skip_put(struct index *index, int64_t pair, const struct index_skip *skip)
{
	if (!index_path_valid(skip->path) || !skip->reason ||
	    (skip->message && strnlen(skip->message, INDEX_TEXT_MAX + 1) > INDEX_TEXT_MAX))
		return -EINVAL;
	int r = index_begin(index);
	return r < 0 ? r : index_end(index, skip_put_in_tx(index, pair, skip));
}

int index_skip_get(struct index *index, int64_t pair, const char *path, char reason[32],
		   int64_t *ret_retry_ms)
{
	struct index_pair_state *state;
	int r = index_state(index, pair, &state);

	if (r == 0 && state->tally[TALLY_SKIPPED] == 0)
		return -ENOENT; /* as for holds */
	sqlite3_stmt *stmt = r == 0 ? take_for(index, pair, path, SQL_SKIP_GET, &state, &r) : NULL;

	if (!stmt)
		return r;
	int rc = sqlite3_step(stmt);
	r = rc == SQLITE_DONE ? -ENOENT : index_failed(index, rc);
	if (r == 0) {
		index_column_text(stmt, 1, reason, 32);
		*ret_retry_ms = sqlite3_column_int64(stmt, 5);
	}
	index_give(index, SQL_SKIP_GET, stmt);
	return r;
}

static int skip_drop_in_tx(struct index *index, int64_t pair, const char *path)
{
	struct index_pair_state *state;
	int skips, errors;
	int r = skip_weigh(index, pair, path, &skips, &errors);
	sqlite3_stmt *stmt = r == 0 ? take_for(index, pair, path, SQL_SKIP_DELETE, &state, &r) : NULL;

	if (!stmt)
		return r;
	r = index_run(index, SQL_SKIP_DELETE, stmt);
	if (r < 0)
		return r;
	index_count(state, TALLY_SKIPPED, -skips);
	index_count(state, TALLY_ERRORS, -errors);
	return 0;
}

int index_skip_drop(struct index *index, int64_t pair, const char *path)
{
	int r = index_begin(index);

	return r < 0 ? r : index_end(index, skip_drop_in_tx(index, pair, path));
}

static int skip_older_in_tx(struct index *index, int64_t pair, const struct index_bounds *bounds,
			    int64_t scan)
{
	enum index_sql which = bounds->to ? SQL_SKIP_OLDER_TO : SQL_SKIP_OLDER;
	struct index_pair_state *state;
	int r;
	sqlite3_stmt *stmt = take_for(index, pair, bounds->from, which, &state, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 3, scan);
	if (bounds->to)
		index_bind_path(stmt, 4, bounds->to);
	r = index_run(index, which, stmt);
	if (r == 0)
		index_count(state, TALLY_SKIPPED, -sqlite3_changes(index->db));
	return r;
}

int index_skip_drop_older(struct index *index, int64_t pair, const char *prefix, int64_t scan)
{
	struct index_bounds bounds;
	int r = index_bounds_of(prefix, NULL, &bounds);

	if (r < 0)
		return r;
	r = index_begin(index);
	if (r == 0)
		r = index_end(index, skip_older_in_tx(index, pair, &bounds, scan));
	free(bounds.to);
	return r;
}

/* Hands out what a bound statement finds. Number of records, or what stopped it. */
static int skips_walk(struct index *index, enum index_sql which, sqlite3_stmt *stmt, index_skip_cb cb,
		      void *arg)
{
	struct index_text path = {0};
	int r = 0, rc = SQLITE_DONE, n = 0;

	while (r >= 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct index_skip skip = {
			.path = index_text_set(&path, stmt, 0),
			.reason = (const char *)sqlite3_column_text(stmt, 1),
			.message = (const char *)sqlite3_column_text(stmt, 2),
			.error = sqlite3_column_int(stmt, 3),
			.scan = sqlite3_column_int64(stmt, 4),
			.retry_ms = sqlite3_column_int64(stmt, 5),
		};
		n++;
		r = skip.path && skip.reason && skip.message ? cb(arg, &skip) : -ENOMEM;
	}
	if (r >= 0)
		r = index_failed(index, rc);
	index_give(index, which, stmt);
	index_text_done(&path);
	return r < 0 ? r : n;
}

int index_skip_range(struct index *index, int64_t pair, const char *after, int max, index_skip_cb cb,
		     void *arg)
{
	struct index_pair_state *state;
	int r;
	sqlite3_stmt *stmt = take_for(index, pair, after ? after : "", SQL_SKIP_RANGE, &state, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int(stmt, 3, max);
	return skips_walk(index, SQL_SKIP_RANGE, stmt, cb, arg);
}

/* The first time after now_ms at which something is due; 0: nothing is. */
static int skip_next(struct index *index, int64_t pair, int64_t now_ms, int64_t *ret_next_ms)
{
	struct index_pair_state *state;
	int r;
	sqlite3_stmt *stmt = take_for(index, pair, "", SQL_SKIP_NEXT, &state, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 2, now_ms);
	int rc = sqlite3_step(stmt);
	r = index_failed(index, rc);
	if (r == 0)
		*ret_next_ms = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	index_give(index, SQL_SKIP_NEXT, stmt);
	return r;
}

int index_skip_due(struct index *index, int64_t pair, int64_t now_ms, int max, index_skip_cb cb, void *arg,
		   int64_t *ret_next_ms)
{
	struct index_pair_state *state;
	int64_t next_ms = 0;
	int r = skip_next(index, pair, now_ms, &next_ms);
	sqlite3_stmt *stmt = r == 0 ? take_for(index, pair, "", SQL_SKIP_DUE, &state, &r) : NULL;

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 2, now_ms);
	(void)sqlite3_bind_int(stmt, 3, max);
	r = skips_walk(index, SQL_SKIP_DUE, stmt, cb, arg);
	if (r >= 0)
		*ret_next_ms = r == max && max > 0 ? now_ms : next_ms;
	return r;
}

int index_skip_counts(struct index *index, int64_t pair, int64_t *ret_skipped, int64_t *ret_errors)
{
	struct index_pair_state *state;
	int r = index_state(index, pair, &state);

	if (r < 0)
		return r;
	*ret_skipped = state->tally[TALLY_SKIPPED];
	*ret_errors = state->tally[TALLY_ERRORS];
	return 0;
}
