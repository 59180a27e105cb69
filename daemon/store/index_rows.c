/* Rows of paths: put, get, drop, and walks in path order, for the loop and for workers (struct index_reader).
 */
#include "store/index_db.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/index_stamp.h"
#include <errno.h>
#include <string.h>

/* Workers wait for nobody in WAL mode but a recovery. */
#define READER_BUSY_MS 2000

void index_bind_stamp(sqlite3_stmt *stmt, int column, const char *stamp)
{
	int64_t packed;

	if (stamp_pack(stamp, &packed))
		(void)sqlite3_bind_int64(stmt, column, packed);
	else if (*stamp)
		index_bind_text(stmt, column, stamp);
	else
		(void)sqlite3_bind_null(stmt, column);
}

void index_column_stamp(sqlite3_stmt *stmt, int column, char stamp[INDEX_STAMP_MAX])
{
	if (sqlite3_column_type(stmt, column) == SQLITE_INTEGER)
		stamp_unpack(sqlite3_column_int64(stmt, column), stamp, INDEX_STAMP_MAX);
	else
		index_column_text(stmt, column, stamp, INDEX_STAMP_MAX);
}

/* Wrapping differences: any two times and sizes survive the round trip. */
static int64_t minus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t plus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static unsigned flags_seen(const struct index_view *view, unsigned stored)
{
	unsigned flags = stored & ~(unsigned)INDEX_FLAG_EPOCH;

	return (stored & INDEX_FLAG_EPOCH) == view->epoch ? flags
							  : (flags & ~view->old_clear) | view->old_set;
}

/* Columns in the order of ROW_COLUMNS. */
static void row_read(sqlite3_stmt *stmt, const struct index_view *view, const char *path,
		     struct index_row *row)
{
	*row = (struct index_row){.path = path};
	row->synced = index_column_digest(stmt, 1, &row->digest);
	row->size = sqlite3_column_int64(stmt, 2);
	index_column_stamp(stmt, 3, row->updated_at);
	row->sig.mtime_ns = sqlite3_column_int64(stmt, 5);
	row->sig.ino = (uint64_t)sqlite3_column_int64(stmt, 7);
	/* A void signature is stored as NULLs. */
	if (sqlite3_column_type(stmt, 4) != SQLITE_NULL) {
		row->sig.size = plus(row->size, sqlite3_column_int64(stmt, 4));
		row->sig.ctime_ns = plus(row->sig.mtime_ns, sqlite3_column_int64(stmt, 6));
	}
	row->flags = flags_seen(view, (unsigned)sqlite3_column_int(stmt, 8));
	row->note = (enum index_note)sqlite3_column_int(stmt, 9);
	(void)index_column_digest(stmt, 10, &row->note_digest);
	row->note_ms = sqlite3_column_int64(stmt, 11);
	row->written_ns = sqlite3_column_int64(stmt, 12);
}

static void row_bind(sqlite3_stmt *stmt, const struct index_view *view, const struct index_row *row)
{
	int64_t size = row->synced ? row->size : 0;

	(void)sqlite3_bind_int64(stmt, 1, view->space);
	index_bind_path(stmt, 2, row->path);
	index_bind_digest(stmt, 3, row->synced ? &row->digest : NULL);
	(void)sqlite3_bind_int64(stmt, 4, size);
	index_bind_stamp(stmt, 5, row->synced ? row->updated_at : "");
	const struct index_sig *sig = &row->sig;
	if (sig->size != 0 || sig->mtime_ns != 0 || sig->ctime_ns != 0 || sig->ino != 0) {
		(void)sqlite3_bind_int64(stmt, 6, minus(sig->size, size));
		(void)sqlite3_bind_int64(stmt, 7, sig->mtime_ns);
		(void)sqlite3_bind_int64(stmt, 8, minus(sig->ctime_ns, sig->mtime_ns));
		(void)sqlite3_bind_int64(stmt, 9, (int64_t)sig->ino);
	}
	(void)sqlite3_bind_int64(stmt, 10, (row->flags & ~(unsigned)INDEX_FLAG_EPOCH) | view->epoch);
	(void)sqlite3_bind_int64(stmt, 11, row->note);
	index_bind_digest(stmt, 12, row->note == INDEX_NOTE_HASH ? &row->note_digest : NULL);
	if (row->note != INDEX_NOTE_NONE)
		(void)sqlite3_bind_int64(stmt, 13, row->note_ms);
	(void)sqlite3_bind_int64(stmt, 14, clock_wall_ns());
}

/* What the row that is stored now adds to the counters; 0 and 0 if there is none or it does not count. */
static int weigh(struct index *index, const struct index_view *view, const char *path, int64_t *ret_files,
		 int64_t *ret_bytes)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, SQL_ROW_WEIGHT, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, view->space);
	index_bind_path(stmt, 2, path);
	int rc = sqlite3_step(stmt);
	r = index_failed(index, rc);
	bool counts = rc == SQLITE_ROW && sqlite3_column_int(stmt, 0) &&
		      !(flags_seen(view, (unsigned)sqlite3_column_int(stmt, 2)) & INDEX_GONE_HERE);
	*ret_files = counts;
	*ret_bytes = counts ? sqlite3_column_int64(stmt, 1) : 0;
	index_give(index, SQL_ROW_WEIGHT, stmt);
	return r;
}

static int put_in_tx(struct index *index, int64_t pair, const struct index_row *row)
{
	struct index_pair_state *state;
	int64_t files, bytes;
	int r = index_state(index, pair, &state);

	if (r == 0)
		r = weigh(index, &state->view, row->path, &files, &bytes);
	sqlite3_stmt *stmt = r == 0 ? index_take(index, SQL_ROW_PUT, &r) : NULL;
	if (!stmt)
		return r;
	row_bind(stmt, &state->view, row);
	r = index_run(index, SQL_ROW_PUT, stmt);
	if (r < 0)
		return r;
	bool counts = row->synced && !(row->flags & INDEX_GONE_HERE);
	index_count(state, TALLY_FILES, counts - files);
	index_count(state, TALLY_BYTES, (counts ? row->size : 0) - bytes);
	return 0;
}

int index_put(struct index *index, int64_t pair, const struct index_row *row)
{
	if (pair <= 0 || !index_path_valid(row->path) || (row->synced && row->size < 0) ||
	    (row->flags & ~(unsigned)(INDEX_GONE_HERE | INDEX_FROM_BEFORE | INDEX_LINKED)))
		return -EINVAL;
	int r = index_begin(index);
	return r < 0 ? r : index_end(index, put_in_tx(index, pair, row));
}

static int drop_in_tx(struct index *index, int64_t pair, const char *path)
{
	struct index_pair_state *state;
	int64_t files, bytes;
	int r = index_state(index, pair, &state);

	if (r == 0)
		r = weigh(index, &state->view, path, &files, &bytes);
	sqlite3_stmt *stmt = r == 0 ? index_take(index, SQL_ROW_DELETE, &r) : NULL;
	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, state->view.space);
	index_bind_path(stmt, 2, path);
	r = index_run(index, SQL_ROW_DELETE, stmt);
	if (r < 0)
		return r;
	index_count(state, TALLY_FILES, -files);
	index_count(state, TALLY_BYTES, -bytes);
	return 0;
}

int index_drop(struct index *index, int64_t pair, const char *path)
{
	if (pair <= 0)
		return -EINVAL;
	int r = index_begin(index);
	return r < 0 ? r : index_end(index, drop_in_tx(index, pair, path));
}

static int get_with(sqlite3 *db, sqlite3_stmt *stmt, const struct index_view *view, const char *path,
		    struct index_row *ret_row, int *ret_rc)
{
	(void)sqlite3_bind_int64(stmt, 1, view->space);
	index_bind_path(stmt, 2, path);
	*ret_rc = sqlite3_step(stmt);
	if (*ret_rc == SQLITE_DONE)
		return -ENOENT;
	int r = index_error(db, *ret_rc);
	if (r == 0)
		row_read(stmt, view, path, ret_row);
	return r;
}

int index_get(struct index *index, int64_t pair, const char *path, struct index_row *ret_row)
{
	struct index_pair_state *state;
	int r = index_state(index, pair, &state), rc;
	sqlite3_stmt *stmt = r == 0 ? index_take(index, SQL_ROW_GET, &r) : NULL;

	if (!stmt)
		return r;
	r = get_with(index->db, stmt, &state->view, path, ret_row, &rc);
	if (r < 0 && r != -ENOENT)
		(void)index_failed(index, rc);
	index_give(index, SQL_ROW_GET, stmt);
	return r;
}

/* Hands out the rows of a bound statement. Number of rows, or what stopped it; *ret_rc is SQLite's last word.
 */
static int rows_walk(sqlite3 *db, sqlite3_stmt *stmt, const struct index_view *view, index_row_cb cb,
		     void *arg, int *ret_rc)
{
	struct index_text path = {0};
	int n = 0, r = 0;

	while ((*ret_rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct index_row row;
		const char *text = index_text_set(&path, stmt, 0);
		if (!text) {
			r = -ENOMEM;
			break;
		}
		row_read(stmt, view, text, &row);
		n++;
		r = cb(arg, &row);
		if (r < 0)
			break;
	}
	if (r >= 0)
		r = index_error(db, *ret_rc);
	index_text_done(&path);
	return r < 0 ? r : n;
}

static void bind_bounds(sqlite3_stmt *stmt, int64_t space, const struct index_bounds *bounds, int max)
{
	(void)sqlite3_bind_int64(stmt, 1, space);
	index_bind_path(stmt, 2, bounds->from);
	(void)sqlite3_bind_int(stmt, 3, bounds->from_included);
	(void)sqlite3_bind_int(stmt, 4, max);
	if (bounds->to)
		index_bind_path(stmt, 5, bounds->to);
}

/* The callback may use the index, and even change it: the view is a copy, the walk has a statement of its
 * own. */
static int walk_and_give(struct index *index, enum index_sql which, sqlite3_stmt *stmt,
			 struct index_view view, index_row_cb cb, void *arg)
{
	int rc, r = rows_walk(index->db, stmt, &view, cb, arg, &rc);

	(void)index_failed(index, rc);
	index_give(index, which, stmt);
	return r;
}

int index_range(struct index *index, int64_t pair, const char *prefix, const char *after, int max,
		index_row_cb cb, void *arg)
{
	struct index_pair_state *state;
	struct index_bounds bounds = {0};
	int r = index_state(index, pair, &state);

	if (r == 0)
		r = index_bounds_of(prefix, after, &bounds);
	if (r < 0)
		return r;
	enum index_sql which = bounds.to ? SQL_ROW_RANGE_TO : SQL_ROW_RANGE;
	sqlite3_stmt *stmt = index_take(index, which, &r);
	if (stmt) {
		bind_bounds(stmt, state->view.space, &bounds, max);
		r = walk_and_give(index, which, stmt, state->view, cb, arg);
	}
	free(bounds.to);
	return r;
}

int index_noted(struct index *index, int64_t pair, int max, index_row_cb cb, void *arg)
{
	struct index_pair_state *state;
	int r = index_state(index, pair, &state);
	sqlite3_stmt *stmt = r == 0 ? index_take(index, SQL_ROW_NOTED, &r) : NULL;

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, state->view.space);
	(void)sqlite3_bind_int(stmt, 2, max);
	return walk_and_give(index, SQL_ROW_NOTED, stmt, state->view, cb, arg);
}

int index_linked(struct index *index, int64_t pair, uint64_t ino, int max, index_row_cb cb, void *arg)
{
	struct index_pair_state *state;
	int r = index_state(index, pair, &state);
	sqlite3_stmt *stmt = r == 0 ? index_take(index, SQL_ROW_LINKED, &r) : NULL;

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, state->view.space);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)ino);
	(void)sqlite3_bind_int(stmt, 3, max);
	return walk_and_give(index, SQL_ROW_LINKED, stmt, state->view, cb, arg);
}

/* ---- another thread's view ---- */

enum { READ_BEGIN, READ_END, READ_STATE, READ_GET, READ_RANGE, READ_RANGE_TO, READ_MAX };

struct index_reader {
	sqlite3 *db;
	sqlite3_stmt *stmts[READ_MAX];
};

int index_reader_open(const char *path, struct index_reader **ret_reader)
{
	const char *const texts[READ_MAX] = {
		[READ_BEGIN] = "BEGIN",
		[READ_END] = index_sql_texts[SQL_COMMIT],
		[READ_STATE] = index_sql_texts[SQL_PAIR_STATE],
		[READ_GET] = index_sql_texts[SQL_ROW_GET],
		[READ_RANGE] = index_sql_texts[SQL_ROW_RANGE],
		[READ_RANGE_TO] = index_sql_texts[SQL_ROW_RANGE_TO],
	};
	struct index_reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	int r = index_connect(path, &reader->db);
	if (r == 0) {
		sqlite3_busy_timeout(reader->db, READER_BUSY_MS);
		r = index_error(reader->db,
				sqlite3_exec(reader->db, "PRAGMA query_only = ON", NULL, NULL, NULL));
	}
	for (int i = 0; r == 0 && i < READ_MAX; i++)
		r = index_error(reader->db,
				sqlite3_prepare_v3(reader->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
						   &reader->stmts[i], NULL));
	if (r < 0) {
		index_reader_close(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

struct index_reader *index_reader_close(struct index_reader *reader)
{
	if (!reader)
		return NULL;
	for (int i = 0; i < READ_MAX; i++)
		sqlite3_finalize(reader->stmts[i]);
	sqlite3_close(reader->db);
	free(reader);
	return NULL;
}

static int reader_run(struct index_reader *reader, int which)
{
	int r = index_error(reader->db, sqlite3_step(reader->stmts[which]));

	sqlite3_reset(reader->stmts[which]);
	return r;
}

/* Where the pair's rows are and the rows themselves must be of one moment. */
static int reader_begin(struct index_reader *reader, int64_t pair, struct index_view *ret_view)
{
	int r = reader_run(reader, READ_BEGIN);

	if (r < 0)
		return r;
	r = index_view_read(reader->db, reader->stmts[READ_STATE], pair, ret_view);
	if (r < 0)
		(void)reader_run(reader, READ_END);
	return r;
}

static int reader_end(struct index_reader *reader, int r, int rc)
{
	if (index_error(reader->db, rc) == ERR_CORRUPT)
		index_mark_corrupt(reader->db);
	int end = reader_run(reader, READ_END);

	return r < 0 ? r : end < 0 ? end : r;
}

int index_reader_range(struct index_reader *reader, int64_t pair, const char *prefix, const char *after,
		       int max, index_row_cb cb, void *arg)
{
	struct index_view view;
	struct index_bounds bounds;
	int r = index_bounds_of(prefix, after, &bounds), rc;

	if (r < 0)
		return r;
	r = reader_begin(reader, pair, &view);
	if (r == 0) {
		sqlite3_stmt *stmt = reader->stmts[bounds.to ? READ_RANGE_TO : READ_RANGE];
		bind_bounds(stmt, view.space, &bounds, max);
		r = rows_walk(reader->db, stmt, &view, cb, arg, &rc);
		sqlite3_reset(stmt);
		sqlite3_clear_bindings(stmt);
		r = reader_end(reader, r, rc);
	}
	free(bounds.to);
	return r;
}

int index_reader_get(struct index_reader *reader, int64_t pair, const char *path, struct index_row *ret_row)
{
	struct index_view view;
	int r = reader_begin(reader, pair, &view), rc;

	if (r < 0)
		return r;
	r = get_with(reader->db, reader->stmts[READ_GET], &view, path, ret_row, &rc);
	sqlite3_reset(reader->stmts[READ_GET]);
	sqlite3_clear_bindings(reader->stmts[READ_GET]);
	return reader_end(reader, r, rc);
}
