/* Every SQL text of the index: the schema and the statements. Paths are BLOBs, so that their order is that of
 * bytes. Tables of paths are WITHOUT ROWID in (space, path) order: a walk in path order reads and writes
 * pages in order. */
#include "store/index_db.h"

/* file: digest NULL = not synced. sig_size and sig_ctime are differences to size and mtime, stamps are packed
 * (index_stamp.h): most of them take 0 to 4 bytes that way, and a row about 110. */
const char index_schema[] =
	"CREATE TABLE pair(key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, space INTEGER NOT "
	"NULL,"
	" identity TEXT NOT NULL, generation TEXT NOT NULL, generation_next TEXT NOT NULL, first_sync "
	"INTEGER NOT NULL,"
	" bucket_created_at TEXT NOT NULL, last_sync_ms INTEGER NOT NULL, last_full_check_ms INTEGER NOT "
	"NULL,"
	" rescue_day INTEGER NOT NULL, rescue_used INTEGER NOT NULL,"
	" epoch INTEGER NOT NULL DEFAULT 0, old_set INTEGER NOT NULL DEFAULT 0, old_clear INTEGER NOT NULL "
	"DEFAULT 0);"
	"CREATE TABLE space(space INTEGER PRIMARY KEY AUTOINCREMENT, dropped INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE tally(key INTEGER NOT NULL, what INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY "
	"KEY(key, what))"
	" WITHOUT ROWID;"
	"CREATE TABLE file(space INTEGER NOT NULL, path BLOB NOT NULL, digest BLOB, size INTEGER, stamp,"
	" sig_size INTEGER, sig_mtime INTEGER, sig_ctime INTEGER, sig_ino INTEGER, flags INTEGER NOT NULL,"
	" note INTEGER NOT NULL, note_digest BLOB, note_ms INTEGER, written INTEGER NOT NULL,"
	" PRIMARY KEY(space, path)) WITHOUT ROWID;"
	"CREATE INDEX file_noted ON file(space, path) WHERE note <> 0;"
	"CREATE INDEX file_linked ON file(space, sig_ino) WHERE flags & 4;"
	"CREATE TABLE remembered(space INTEGER NOT NULL, path BLOB NOT NULL, kind INTEGER NOT NULL, digest "
	"BLOB NOT NULL,"
	" at_ms INTEGER NOT NULL, PRIMARY KEY(space, path, kind, digest)) WITHOUT ROWID;"
	"CREATE INDEX remembered_at ON remembered(at_ms);"
	"CREATE TABLE hold(space INTEGER NOT NULL, path BLOB NOT NULL, side_local INTEGER NOT NULL,"
	" reason INTEGER NOT NULL, size INTEGER NOT NULL, digest BLOB, stamp, confirmed INTEGER NOT NULL,"
	" PRIMARY KEY(space, path)) WITHOUT ROWID;"
	"CREATE TABLE skip(space INTEGER NOT NULL, path BLOB NOT NULL, reason TEXT NOT NULL, message TEXT "
	"NOT NULL,"
	" error INTEGER NOT NULL, scan INTEGER NOT NULL, retry_ms INTEGER NOT NULL, PRIMARY KEY(space, path))"
	" WITHOUT ROWID;"
	"CREATE INDEX skip_retry ON skip(space, retry_ms) WHERE retry_ms <> 0;"
	"CREATE TABLE event(id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, pair INTEGER NOT "
	"NULL,"
	" name TEXT NOT NULL, action TEXT NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, digest BLOB,"
	" result TEXT NOT NULL, message TEXT);"
	"CREATE INDEX event_pair ON event(pair);"
	"CREATE INDEX event_path ON event(path);";

#define ROW_COLUMNS                                                                                          \
	"path, digest, size, stamp, sig_size, sig_mtime, sig_ctime, sig_ino, flags, note, note_digest, "     \
	"note_ms, "                                                                                          \
	"written"
#define HOLD_COLUMNS  "path, side_local, reason, size, digest, stamp, confirmed"
#define SKIP_COLUMNS  "path, reason, message, error, scan, retry_ms"
#define EVENT_COLUMNS "id, at_ms, name, action, path, size, digest, result, message"

const char *const index_sql_texts[SQL_MAX] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",

	[SQL_PAIR_GET] = "SELECT key, identity, generation, generation_next, first_sync, bucket_created_at,"
			 " last_sync_ms, last_full_check_ms, rescue_day, rescue_used FROM pair WHERE id = ?1",
	[SQL_PAIR_STATE] = "SELECT space, epoch, old_set, old_clear FROM pair WHERE key = ?1",
	[SQL_PAIR_INSERT] = "INSERT INTO pair(id, space, identity, generation, generation_next, first_sync,"
			    " bucket_created_at, last_sync_ms, last_full_check_ms, rescue_day, rescue_used)"
			    " VALUES(?1, ?11, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[SQL_PAIR_UPDATE] =
		"UPDATE pair SET id = ?1, identity = ?2, generation = ?3, generation_next = ?4,"
		" first_sync = ?5, bucket_created_at = ?6, last_sync_ms = ?7, last_full_check_ms = ?8,"
		" rescue_day = ?9, rescue_used = ?10 WHERE key = ?11",
	[SQL_PAIR_DELETE] = "DELETE FROM pair WHERE key = ?1",
	[SQL_PAIR_MOVE] = "UPDATE pair SET space = ?2, epoch = 0, old_set = 0, old_clear = 0 WHERE key = ?1",
	[SQL_PAIR_EPOCH] = "UPDATE pair SET epoch = ?2, old_set = ?3, old_clear = ?4 WHERE key = ?1",

	[SQL_SPACE_NEW] = "INSERT INTO space DEFAULT VALUES",
	[SQL_SPACE_DROP] = "UPDATE space SET dropped = 1 WHERE space = ?1",
	[SQL_SPACE_DROPPED] = "SELECT space FROM space WHERE dropped LIMIT 1",
	[SQL_SPACE_DELETE] = "DELETE FROM space WHERE space = ?1",

	[SQL_TALLY_GET] = "SELECT what, n FROM tally WHERE key = ?1",
	[SQL_TALLY_PUT] = "REPLACE INTO tally(key, what, n) VALUES(?1, ?2, ?3)",
	[SQL_TALLY_DELETE] = "DELETE FROM tally WHERE key = ?1",

	[SQL_ROW_GET] = "SELECT " ROW_COLUMNS " FROM file WHERE space = ?1 AND path = ?2",
	[SQL_ROW_WEIGHT] = "SELECT digest IS NOT NULL, size, flags FROM file WHERE space = ?1 AND path = ?2",
	[SQL_ROW_PUT] = "REPLACE INTO file(space, " ROW_COLUMNS
			") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
	[SQL_ROW_DELETE] = "DELETE FROM file WHERE space = ?1 AND path = ?2",
	/* ?3: the first path itself belongs to the range. */
	[SQL_ROW_RANGE] =
		"SELECT " ROW_COLUMNS " FROM file WHERE space = ?1 AND path >= ?2 AND (?3 OR path <> ?2)"
		" ORDER BY path LIMIT ?4",
	[SQL_ROW_RANGE_TO] = "SELECT " ROW_COLUMNS
			     " FROM file WHERE space = ?1 AND path >= ?2 AND (?3 OR path <> ?2) AND path < ?5"
			     " ORDER BY path LIMIT ?4",
	/* Left alone SQLite takes the primary key, and reads a million rows to find three. */
	[SQL_ROW_NOTED] =
		"SELECT " ROW_COLUMNS
		" FROM file INDEXED BY file_noted WHERE space = ?1 AND note <> 0 ORDER BY path LIMIT ?2",
	[SQL_ROW_LINKED] = "SELECT " ROW_COLUMNS
			   " FROM file INDEXED BY file_linked WHERE space = ?1 AND sig_ino = ?2 AND flags & 4"
			   " ORDER BY path LIMIT ?3",

	/* The last of the next ?3 paths. */
	[SQL_SWEEP_BOUND] = "SELECT max(path) FROM"
			    " (SELECT path FROM file WHERE space = ?1 AND path > ?2 ORDER BY path LIMIT ?3)",
	/* Rows of (?2, ?3] that were written before the change. */
	[SQL_SWEEP_FLAGS] = "UPDATE file SET flags = (((flags & ~128) & ~?6) | ?5) | ?4"
			    " WHERE space = ?1 AND path > ?2 AND path <= ?3 AND (flags & 128) <> ?4",
	[SQL_SWEEP_STALE] = "SELECT key FROM pair WHERE old_set <> 0 OR old_clear <> 0 LIMIT 1",
	[SQL_EMPTY_ROWS] = "DELETE FROM file WHERE space = ?1 AND path IN"
			   " (SELECT path FROM file WHERE space = ?1 LIMIT ?2)",
	[SQL_EMPTY_REMEMBERED] = "DELETE FROM remembered WHERE space = ?1 AND path IN"
				 " (SELECT path FROM remembered WHERE space = ?1 LIMIT ?2)",
	[SQL_EMPTY_HOLDS] = "DELETE FROM hold WHERE space = ?1 AND path IN"
			    " (SELECT path FROM hold WHERE space = ?1 LIMIT ?2)",
	[SQL_EMPTY_SKIPS] = "DELETE FROM skip WHERE space = ?1 AND path IN"
			    " (SELECT path FROM skip WHERE space = ?1 LIMIT ?2)",

	[SQL_REMEMBER] =
		"REPLACE INTO remembered(space, path, kind, digest, at_ms) VALUES(?1, ?2, ?3, ?4, ?5)",
	[SQL_REMEMBERS] =
		"SELECT 1 FROM remembered WHERE space = ?1 AND path = ?2 AND kind = ?3 AND digest = ?4"
		" AND at_ms > ?5",
	[SQL_FORGET] = "DELETE FROM remembered WHERE space = ?1 AND path = ?2",
	[SQL_EXPIRE] = "DELETE FROM remembered WHERE (space, path, kind, digest) IN"
		       " (SELECT space, path, kind, digest FROM remembered WHERE at_ms <= ?1 LIMIT ?2)",

	[SQL_HOLD_PUT] = "REPLACE INTO hold(space, " HOLD_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_HOLD_GET] = "SELECT " HOLD_COLUMNS " FROM hold WHERE space = ?1 AND path = ?2",
	[SQL_HOLD_DELETE] = "DELETE FROM hold WHERE space = ?1 AND path = ?2",
	[SQL_HOLD_RANGE] =
		"SELECT " HOLD_COLUMNS " FROM hold WHERE space = ?1 AND path > ?2 ORDER BY path LIMIT ?3",
	[SQL_HOLD_FITTING] =
		"SELECT " HOLD_COLUMNS " FROM hold WHERE space = ?1 AND path > ?2 AND reason = ?3"
		" AND size <= ?4 AND confirmed = 0 ORDER BY path LIMIT ?5",

	[SQL_SKIP_PUT] = "REPLACE INTO skip(space, " SKIP_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_SKIP_GET] = "SELECT " SKIP_COLUMNS " FROM skip WHERE space = ?1 AND path = ?2",
	[SQL_SKIP_DELETE] = "DELETE FROM skip WHERE space = ?1 AND path = ?2",
	[SQL_SKIP_OLDER] = "DELETE FROM skip WHERE space = ?1 AND path >= ?2 AND scan < ?3 AND NOT error",
	[SQL_SKIP_OLDER_TO] = "DELETE FROM skip WHERE space = ?1 AND path >= ?2 AND scan < ?3 AND NOT error"
			      " AND path < ?4",
	[SQL_SKIP_RANGE] =
		"SELECT " SKIP_COLUMNS " FROM skip WHERE space = ?1 AND path > ?2 ORDER BY path LIMIT ?3",
	[SQL_SKIP_DUE] =
		"SELECT " SKIP_COLUMNS " FROM skip WHERE space = ?1 AND retry_ms <> 0 AND retry_ms <= ?2"
		" ORDER BY retry_ms, path LIMIT ?3",
	[SQL_SKIP_NEXT] = "SELECT retry_ms FROM skip WHERE space = ?1 AND retry_ms <> 0 AND retry_ms > ?2"
			  " ORDER BY retry_ms LIMIT 1",

	[SQL_EVENT_ADD] = "INSERT INTO event(at_ms, name, action, path, size, digest, result, message, pair)"
			  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[SQL_EVENT_ALL] = "SELECT " EVENT_COLUMNS " FROM event WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
	[SQL_EVENT_PAIR] =
		"SELECT " EVENT_COLUMNS " FROM event WHERE pair = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2",
	[SQL_EVENT_PATH] =
		"SELECT " EVENT_COLUMNS " FROM event WHERE path = ?4 AND id < ?1 AND (?3 = 0 OR pair = ?3)"
		" ORDER BY id DESC LIMIT ?2",
	[SQL_EVENT_OLDEST] = "SELECT " EVENT_COLUMNS " FROM event ORDER BY id LIMIT ?1",
	[SQL_EVENT_DELETE] = "DELETE FROM event WHERE id <= ?1",
};
