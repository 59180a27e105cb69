/* The index: what was last proven of every path, in SQLite (WAL, synchronous NORMAL). A cache of facts that
 * can be proven again: losing it costs hashing, never data. One writer (the loop, through struct index);
 * workers read through struct index_reader. Paths are relative to the pair, encoded as on the server
 * (sync/names.h), ordered bytewise. */
#pragma once
#include "base/digest.h"
#include "base/loop.h"
#include "base/worker.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_STAMP_MAX 40

/* How a file looked when its content was proven. All zero: void, the file is dirty. */
struct index_sig {
	int64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
	uint64_t ino;
};

enum index_note {
	INDEX_NOTE_NONE,
	INDEX_NOTE_HASH /* a write of these bytes is under way */,
	INDEX_NOTE_DELETED
};

enum {
	INDEX_GONE_HERE = 1, /* backup: deleted locally, kept on the server */
	INDEX_FROM_BEFORE =
		2, /* either side had it before the present first sync began: its deletion is held there */
	INDEX_LINKED = 4, /* more than one link when last seen */
};

struct index_row {
	const char *path;
	bool synced; /* digest, size and updated_at are a proven version; false: the row only carries a note
		      */
	struct digest digest;
	int64_t size;
	char updated_at[INDEX_STAMP_MAX];
	struct index_sig sig;
	unsigned flags;
	enum index_note note;
	struct digest note_digest;
	int64_t note_ms;    /* wall clock, when the write began */
	int64_t written_ns; /* wall clock, set by index_put; a listing asked for before it does not judge the
			       row */
};

struct index;
struct index_reader;

/* Opens or makes it. A file that is not ours or broken is moved aside (index.db.broken-N) and a new one made:
 * *ret_fresh tells (first sync for all). -EROFS, -ENOSPC, … otherwise. Does not read the rows: a million of
 * them open at once. */
int index_open(const char *path, struct loop *loop, struct worker_pool *pool, struct index **ret_index,
	       bool *ret_fresh);
struct index *index_close(struct index *index);

/* A pair's own record. */
struct index_pair {
	int64_t key; /* small integer used everywhere below */
	char id[33];
	char identity[256];       /* what the rows belong to: server, bucket, prefix, mode, root; another text
				     begins a first sync */
	char generation[33];      /* the marker's; "" none yet */
	char generation_next[33]; /* known too while it is being changed */
	bool first_sync;
	char bucket_created_at[INDEX_STAMP_MAX];
	int64_t last_sync_ms, last_full_check_ms;
	int64_t files, bytes; /* synced rows that are not GONE_HERE; kept by index_put/index_drop */
	int64_t rescue_day, rescue_used; /* wall-clock day number, bytes rescued on it */
};
int index_pair_get(struct index *index, const char *id, struct index_pair *ret_pair); /* -ENOENT */
int index_pair_put(struct index *index, struct index_pair *pair,
		   bool durable); /* inserts (key 0) or updates all but files/bytes; durable: fsync before
				     return (inside index_begin: before the outermost index_commit returns) */
/* And all that belongs to it; its history stays until it is pruned. Gone at once, whatever the size: what is
 * left of it on disk is removed in slices, over restarts too. */
int index_pair_remove(struct index *index, int64_t key);
/* Sets or clears INDEX_FROM_BEFORE (no other flag) in every row that is there now: first sync begins: set;
 * ends: clear. At once, whatever the size: the rows are rewritten in slices behind it. */
int index_pair_flag_all(struct index *index, int64_t key, unsigned set, unsigned clear);
/* First sync of another identity: nothing known is true any more. Rows, remembered writes, holds and skips
 * are gone at once, whatever their number; the record of the pair and its key stay. */
int index_pair_drop_rows(struct index *index, int64_t key);

/* Several changes as one: nested calls count. A failed commit rolls back and says so (-ENOSPC, -EIO). After a
 * failure or an inner rollback every further write of the transaction fails too, and the outermost commit
 * rolls back: nothing is ever stored in part. */
int index_begin(struct index *index);
int index_commit(struct index *index);
void index_rollback(struct index *index);

int index_get(struct index *index, int64_t pair, const char *path,
	      struct index_row *ret_row); /* -ENOENT; row->path = path */
int index_put(struct index *index, int64_t pair, const struct index_row *row);
int index_drop(struct index *index, int64_t pair, const char *path); /* 0 also when there is none */
/* Up to max rows with path > after (NULL: from the start) and below the directory prefix ("" all, "a/" that
 * subtree), through cb; cb < 0 stops. Returns the number of rows given to cb, or what cb stopped with, or an
 * error; so do all calls with a callback below. cb may use the index, changes included; what it is given is
 * borrowed for the call. */
typedef int (*index_row_cb)(void *arg, const struct index_row *row);
int index_range(struct index *index, int64_t pair, const char *prefix, const char *after, int max,
		index_row_cb cb, void *arg);
int index_noted(struct index *index, int64_t pair, int max, index_row_cb cb,
		void *arg); /* rows with a note */
int index_linked(struct index *index, int64_t pair, uint64_t ino, int max, index_row_cb cb,
		 void *arg); /* INDEX_LINKED rows of that inode */

/* Writes of ours that are no longer awaited but may still show: for 24 h their hash (or "deleted") counts as
 * ours. */
#define INDEX_REMEMBER_MS (24LL * 3600 * 1000)
int index_remember(struct index *index, int64_t pair, const char *path, enum index_note kind,
		   const struct digest *digest, int64_t now_ms);
bool index_remembers(struct index *index, int64_t pair, const char *path, enum index_note kind,
		     const struct digest *digest, int64_t now_ms);
int index_forget(struct index *index, int64_t pair, const char *path);
int index_remember_expire(struct index *index, int64_t now_ms); /* a slice; 1: call again, more is left */

/* Holds: durable; one per path, of one version: putting another replaces it. */
enum index_hold_reason {
	INDEX_HOLD_MASS,
	INDEX_HOLD_FIRST_SYNC,
	INDEX_HOLD_FOREIGN,
	INDEX_HOLD_TOO_LARGE,
	INDEX_HOLD_RENAMED
};
struct index_hold {
	const char *path;
	bool side_local; /* where content would be lost */
	enum index_hold_reason reason;
	int64_t size;
	bool has_digest;
	struct digest digest;             /* the version held */
	char updated_at[INDEX_STAMP_MAX]; /* remote version; "" for a local one */
	bool confirmed;                   /* the user said yes; carried out when it can be */
};
int index_hold_put(struct index *index, int64_t pair, const struct index_hold *hold);
int index_hold_get(struct index *index, int64_t pair, const char *path,
		   struct index_hold *ret_hold); /* -ENOENT */
int index_hold_drop(struct index *index, int64_t pair, const char *path);
typedef int (*index_hold_cb)(void *arg, const struct index_hold *hold);
int index_hold_range(struct index *index, int64_t pair, const char *after, int max, index_hold_cb cb,
		     void *arg);
/* Up to max unconfirmed ones of this reason and at most this size, by path. */
int index_hold_fitting(struct index *index, int64_t pair, enum index_hold_reason reason, int64_t max_size,
		       int max, index_hold_cb cb, void *arg);
/* deletes, foreign: those that wait for the user; blocking: all but the foreign ones that wait. O(1). */
int index_hold_counts(struct index *index, int64_t pair, int64_t *ret_deletes, int64_t *ret_foreign,
		      int64_t *ret_blocking);

/* Paths that cannot be carried, with a reason; `scan` numbers the walk that saw them, so that a complete walk
 * can drop the rest. error: counts as an error in status (413, refused by the server, quarrel). retry_ms:
 * wall clock of the next try, 0 none. */
struct index_skip {
	const char *path;
	const char *reason; /* "symlink" "fifo" "socket" "device" "unreadable" "secret" "name_too_long"
			       "other_filesystem" "own_state" "empty_directory" "too_large" "refused"
			       "quarrel" "hash" … */
	const char *message;
	bool error;
	int64_t scan;
	int64_t retry_ms;
};
int index_skip_put(struct index *index, int64_t pair, const struct index_skip *skip);
int index_skip_get(struct index *index, int64_t pair, const char *path, char reason[32],
		   int64_t *ret_retry_ms); /* -ENOENT */
int index_skip_drop(struct index *index, int64_t pair, const char *path);
int index_skip_drop_older(struct index *index, int64_t pair, const char *prefix,
			  int64_t scan); /* only non-error ones */
typedef int (*index_skip_cb)(void *arg, const struct index_skip *skip);
int index_skip_range(struct index *index, int64_t pair, const char *after, int max, index_skip_cb cb,
		     void *arg);
/* Those whose retry_ms has come, the longest due first. *ret_next_ms: when to ask again (now_ms: max were
 * given, more may be due), 0: nothing waits. */
int index_skip_due(struct index *index, int64_t pair, int64_t now_ms, int max, index_skip_cb cb, void *arg,
		   int64_t *ret_next_ms);
/* skipped: all of them, errors included. O(1). */
int index_skip_counts(struct index *index, int64_t pair, int64_t *ret_skipped, int64_t *ret_errors);

/* History, newest first. Pruned by age and by size. */
struct index_event {
	int64_t id;
	int64_t at_ms;
	const char *pair;   /* name */
	const char *action; /* upload, delete_remote, rescue, restore, hold, … */
	const char *path;
	int64_t size; /* -1 none */
	bool has_digest;
	struct digest digest;
	const char *result;  /* "done" "failed" "held" */
	const char *message; /* NULL: none */
};
int index_history_add(struct index *index, int64_t pair, const struct index_event *event);
typedef int (*index_event_cb)(void *arg, const struct index_event *event);
int index_history(struct index *index, int64_t pair /* 0: all */, const char *path, int64_t before_id,
		  int max, index_event_cb cb, void *arg);
/* Drops what is older, and the oldest while the whole is larger than max_bytes; at most max_rows in this
 * call. 1: call again, more may be left. */
int index_history_prune(struct index *index, int64_t older_than_ms, int64_t max_bytes, int max_rows);

/* Another thread's view: each call sees what was committed when it began; no transaction stays open between
 * calls. */
int index_reader_open(const char *path, struct index_reader **ret_reader);
struct index_reader *index_reader_close(struct index_reader *reader);
int index_reader_range(struct index_reader *reader, int64_t pair, const char *prefix, const char *after,
		       int max, index_row_cb cb, void *arg);
int index_reader_get(struct index_reader *reader, int64_t pair, const char *path, struct index_row *ret_row);
