/* Private to the index: the database under it. The schema, the statements, what an error of SQLite means
 * here, the transaction, the counters that live in it, and the work done behind it. */
#pragma once
#include "base/util.h"
#include "store/index.h"
#include <sqlite3.h>

/* Statements that are kept prepared on the loop's connection; the texts are in index_sql.c. */
enum index_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_PAIR_GET,
	SQL_PAIR_STATE,
	SQL_PAIR_INSERT,
	SQL_PAIR_UPDATE,
	SQL_PAIR_DELETE,
	SQL_PAIR_MOVE,
	SQL_PAIR_EPOCH,
	SQL_SPACE_NEW,
	SQL_SPACE_DROP,
	SQL_SPACE_DROPPED,
	SQL_SPACE_DELETE,
	SQL_TALLY_GET,
	SQL_TALLY_PUT,
	SQL_TALLY_DELETE,
	SQL_ROW_GET,
	SQL_ROW_WEIGHT,
	SQL_ROW_PUT,
	SQL_ROW_DELETE,
	SQL_ROW_RANGE,
	SQL_ROW_RANGE_TO,
	SQL_ROW_NOTED,
	SQL_ROW_LINKED,
	SQL_SWEEP_BOUND,
	SQL_SWEEP_FLAGS,
	SQL_SWEEP_STALE,
	SQL_EMPTY_ROWS,
	SQL_EMPTY_REMEMBERED,
	SQL_EMPTY_HOLDS,
	SQL_EMPTY_SKIPS,
	SQL_REMEMBER,
	SQL_REMEMBERS,
	SQL_FORGET,
	SQL_EXPIRE,
	SQL_HOLD_PUT,
	SQL_HOLD_GET,
	SQL_HOLD_DELETE,
	SQL_HOLD_RANGE,
	SQL_HOLD_FITTING,
	SQL_SKIP_PUT,
	SQL_SKIP_GET,
	SQL_SKIP_DELETE,
	SQL_SKIP_OLDER,
	SQL_SKIP_OLDER_TO,
	SQL_SKIP_RANGE,
	SQL_SKIP_DUE,
	SQL_SKIP_NEXT,
	SQL_EVENT_ADD,
	SQL_EVENT_ALL,
	SQL_EVENT_PAIR,
	SQL_EVENT_PATH,
	SQL_EVENT_OLDEST,
	SQL_EVENT_DELETE,
	SQL_MAX
};
extern const char *const index_sql_texts[SQL_MAX];
/* One batch of CREATE statements for an empty file. */
extern const char index_schema[];

/* "CFix": tells our file from any other SQLite database. */
#define INDEX_APPLICATION_ID 0x43466978
/* Another number is another layout: such a file is moved aside like a broken one. */
#define INDEX_SCHEMA_VERSION 1

/* Counters kept inside the transaction of what they count, so that no scan is ever needed to know them. */
enum index_tally {
	TALLY_FILES,
	TALLY_BYTES,
	TALLY_HELD_DELETES,
	TALLY_HELD_FOREIGN,
	TALLY_HELD_BLOCKING,
	TALLY_SKIPPED,
	TALLY_ERRORS,
	TALLY_HISTORY_BYTES, /* of pair 0 */
	TALLY_MAX
};

/* In the stored flags: which epoch wrote the row. A row of the other epoch still has the pair's pending
 * change of flags before it (index_pair_flag_all), which readers apply as they read. */
#define INDEX_FLAG_EPOCH 128

/* How a pair's rows are found and read. */
struct index_view {
	int64_t space;  /* rows belong to a space; a pair that forgets everything moves to a new one */
	unsigned epoch; /* 0 or INDEX_FLAG_EPOCH */
	unsigned old_set, old_clear;
};

struct index_pair_state {
	int64_t key;
	struct index_view view;
	int64_t tally[TALLY_MAX];
	unsigned dirty; /* bit per tally */
};

/* Paths come out of SQLite without a NUL; they are put into one buffer for the length of a call. */
struct index_text {
	char *data;
	size_t cap;
};

/* Work behind a change that is too large for one turn of the loop. */
struct index_checkpoint;
struct index_sweep {
	struct loop_timer timer;
	struct index_text cursor; /* last path whose flags were done */
	int64_t cursor_space;     /* of that path; 0: begin at the start */
};

struct index {
	sqlite3 *db;
	char *path;
	struct loop *loop;
	struct worker_pool *pool;
	sqlite3_stmt *stmts[SQL_MAX];
	unsigned depth; /* of index_begin */
	int tx_error;   /* this transaction cannot be committed any more */
	bool tx_durable;
	struct index_pair_state *states;
	size_t states_n;
	struct index_sweep sweep;
	struct index_checkpoint *checkpoint; /* NULL: none runs */
	int wal_pages;                       /* after the last commit */
	int wal_checked_pages;               /* when the last checkpoint began */
};

/* 0 for SQLITE_OK, ROW and DONE. db (optional) tells the system's errno of an I/O error. */
int index_error(sqlite3 *db, int rc);
/* The same, and remembers what must not be forgotten: a transaction that is lost, a file that is corrupt. */
int index_failed(struct index *index, int rc);
/* Leaves a mark beside the file: the next start moves it aside. What was damaged once is not trusted again.
 */
#define INDEX_CORRUPT_SUFFIX "-corrupt"
void index_mark_corrupt(sqlite3 *db);
/* Opens one more connection to the file (workers). */
int index_connect(const char *path, sqlite3 **ret_db);

/* A statement ready to bind: the kept one, or a copy while that one is being stepped (a callback that asks
 * the index itself). NULL: *ret_error says why. */
sqlite3_stmt *index_take(struct index *index, enum index_sql which, int *ret_error);
void index_give(struct index *index, enum index_sql which, sqlite3_stmt *stmt);
/* Steps a statement that returns nothing and gives it back. */
int index_run(struct index *index, enum index_sql which, sqlite3_stmt *stmt);

/* Names of bind values: all return an SQLite code, which is SQLITE_OK for every index we use; memory is the
 * only thing that can fail and shows in the step that follows. */
void index_bind_path(sqlite3_stmt *stmt, int column, const char *path);
void index_bind_text(sqlite3_stmt *stmt, int column, const char *text);              /* NULL: NULL */
void index_bind_digest(sqlite3_stmt *stmt, int column, const struct digest *digest); /* NULL: NULL */
void index_bind_stamp(sqlite3_stmt *stmt, int column, const char *stamp);
/* false: NULL or not 32 bytes. */
bool index_column_digest(sqlite3_stmt *stmt, int column, struct digest *ret_digest);
void index_column_stamp(sqlite3_stmt *stmt, int column, char stamp[INDEX_STAMP_MAX]);
void index_column_text(sqlite3_stmt *stmt, int column, char *buf, size_t size);

const char *index_text_set(struct index_text *text, sqlite3_stmt *stmt, int column); /* NULL: out of memory */
void index_text_done(struct index_text *text);
/* The longest path or message that is stored: beyond any that a request line can carry. */
#define INDEX_TEXT_MAX 16384
bool index_path_valid(const char *path);

/* The state of a pair; pair 0 is the history's. -ENOENT. Borrowed until the next call. */
int index_state(struct index *index, int64_t key, struct index_pair_state **ret_state);
void index_state_forget(struct index *index); /* after a rollback: what is in memory is read again */
void index_count(struct index_pair_state *state, enum index_tally which, int64_t delta);
int index_tally_flush(struct index *index);
/* Where a pair's rows are, as any connection finds it out: state is a prepared SQL_PAIR_STATE. */
int index_view_read(sqlite3 *db, sqlite3_stmt *stmt, int64_t key, struct index_view *ret_view);

/* Ends a write begun with index_begin: commits it if r is not negative, else takes it back. Returns r, or
 * what the commit said. */
int index_end(struct index *index, int r);

/* Called after each commit: starts a checkpoint in a worker when the WAL has grown. */
void index_checkpoint_if_due(struct index *index);
void index_checkpoint_detach(struct index *index);
int index_wal_hook(void *arg, sqlite3 *db, const char *name, int pages);

/* Dropped spaces are emptied and pending flags written in slices, from a timer; also takes up what a stop
 * left. */
int index_sweep_start(struct index *index);
/* All pending flags of a pair, now, inside the open transaction. */
int index_sweep_flags_now(struct index *index, struct index_pair_state *state);
void index_sweep_done(struct index *index);

/* The range of paths below a prefix and after a path, as bound to the RANGE statements. */
struct index_bounds {
	const char *from;
	bool from_included;
	char *to; /* NULL: open end; free it */
};
int index_bounds_of(const char *prefix, const char *after, struct index_bounds *ret_bounds);
