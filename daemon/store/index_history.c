/* History: what was done, newest first, limited by age and by size. */
#include "base/err.h"
#include "store/index_db.h"
#include <errno.h>
#include <string.h>

/* What a record costs on disk beside its path and message: its other columns, and two index entries. */
#define EVENT_FIXED_BYTES 140

/* The path stands in the record and in the index over paths. The same record weighs the same when it goes. */
static int64_t event_weight(size_t path_len, size_t message_len)
{
	return EVENT_FIXED_BYTES + 2 * (int64_t)path_len + (int64_t)message_len;
}

static int add_in_tx(struct index *index, int64_t pair, const struct index_event *event)
{
	struct index_pair_state *totals;
	int r = index_state(index, 0, &totals);
	sqlite3_stmt *stmt = r == 0 ? index_take(index, SQL_EVENT_ADD, &r) : NULL;

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, event->at_ms);
	index_bind_text(stmt, 2, event->pair);
	index_bind_text(stmt, 3, event->action);
	index_bind_path(stmt, 4, event->path);
	(void)sqlite3_bind_int64(stmt, 5, event->size);
	index_bind_digest(stmt, 6, event->has_digest ? &event->digest : NULL);
	index_bind_text(stmt, 7, event->result);
	index_bind_text(stmt, 8, event->message);
	(void)sqlite3_bind_int64(stmt, 9, pair);
	r = index_run(index, SQL_EVENT_ADD, stmt);
	if (r == 0)
		index_count(totals, TALLY_HISTORY_BYTES,
			    event_weight(strlen(event->path), event->message ? strlen(event->message) : 0));
	return r;
}

int index_history_add(struct index *index, int64_t pair, const struct index_event *event)
{
	/* An event of the pair as a whole has the path "". */
	if (!event->pair || !event->action || !event->result || !event->path ||
	    strnlen(event->path, INDEX_TEXT_MAX + 1) > INDEX_TEXT_MAX ||
	    (event->message && strnlen(event->message, INDEX_TEXT_MAX + 1) > INDEX_TEXT_MAX))
		return -EINVAL;
	int r = index_begin(index);
	return r < 0 ? r : index_end(index, add_in_tx(index, pair, event));
}

/* Columns in the order of EVENT_COLUMNS. Texts live until the next step. */
static void event_read(sqlite3_stmt *stmt, const char *path, struct index_event *event)
{
	*event = (struct index_event){
		.id = sqlite3_column_int64(stmt, 0),
		.at_ms = sqlite3_column_int64(stmt, 1),
		.pair = (const char *)sqlite3_column_text(stmt, 2),
		.action = (const char *)sqlite3_column_text(stmt, 3),
		.path = path,
		.size = sqlite3_column_int64(stmt, 5),
		.result = (const char *)sqlite3_column_text(stmt, 7),
		.message = (const char *)sqlite3_column_text(stmt, 8),
	};
	event->has_digest = index_column_digest(stmt, 6, &event->digest);
}

int index_history(struct index *index, int64_t pair, const char *path, int64_t before_id, int max,
		  index_event_cb cb, void *arg)
{
	enum index_sql which = path ? SQL_EVENT_PATH : pair ? SQL_EVENT_PAIR : SQL_EVENT_ALL;
	struct index_text text = {0};
	int r = 0, rc = SQLITE_DONE, n = 0;
	sqlite3_stmt *stmt = index_take(index, which, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, before_id > 0 ? before_id : INT64_MAX);
	(void)sqlite3_bind_int(stmt, 2, max);
	if (which != SQL_EVENT_ALL)
		(void)sqlite3_bind_int64(stmt, 3, pair);
	if (which == SQL_EVENT_PATH)
		index_bind_path(stmt, 4, path);
	while (r >= 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct index_event event;
		const char *p = index_text_set(&text, stmt, 4);
		if (p)
			event_read(stmt, p, &event);
		n++;
		r = p && event.pair && event.action && event.result ? cb(arg, &event) : -ENOMEM;
	}
	if (r >= 0)
		r = index_failed(index, rc);
	index_give(index, which, stmt);
	index_text_done(&text);
	return r < 0 ? r : n;
}

/* How far from the oldest on records must go, and what that frees. */
static int find_old(struct index *index, int64_t older_than_ms, int64_t excess, int max_rows,
		    int64_t *ret_last_id, int64_t *ret_bytes, int *ret_rows)
{
	int r = 0, rc;
	sqlite3_stmt *stmt = index_take(index, SQL_EVENT_OLDEST, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int(stmt, 1, max_rows);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (sqlite3_column_int64(stmt, 1) >= older_than_ms && *ret_bytes >= excess)
			break;
		*ret_last_id = sqlite3_column_int64(stmt, 0);
		*ret_bytes += event_weight((size_t)sqlite3_column_bytes(stmt, 4),
					   (size_t)sqlite3_column_bytes(stmt, 8));
		(*ret_rows)++;
	}
	r = index_failed(index, rc);
	index_give(index, SQL_EVENT_OLDEST, stmt);
	return r;
}

static int prune_in_tx(struct index *index, int64_t older_than_ms, int64_t max_bytes, int max_rows)
{
	struct index_pair_state *totals;
	int64_t last_id = 0, bytes = 0;
	int rows = 0, r = index_state(index, 0, &totals);

	if (r == 0)
		r = find_old(index, older_than_ms, totals->tally[TALLY_HISTORY_BYTES] - max_bytes, max_rows,
			     &last_id, &bytes, &rows);
	if (r < 0 || rows == 0)
		return r;
	sqlite3_stmt *stmt = index_take(index, SQL_EVENT_DELETE, &r);
	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, last_id);
	r = index_run(index, SQL_EVENT_DELETE, stmt);
	if (r < 0)
		return r;
	index_count(totals, TALLY_HISTORY_BYTES, -bytes);
	return rows == max_rows;
}

int index_history_prune(struct index *index, int64_t older_than_ms, int64_t max_bytes, int max_rows)
{
	if (max_rows <= 0)
		return -EINVAL;
	int r = index_begin(index);
	return r < 0 ? r : index_end(index, prune_in_tx(index, older_than_ms, max_bytes, max_rows));
}
