/* The database under the index: connections, kept statements, the transaction, what errors mean, and the
 * in-memory state of pairs (where their rows are, and their counters). What is stored is in the other
 * index_*.c. */
#include "store/index_db.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Pages of a connection are kept in memory up to this; the kernel has the rest. */
#define CACHE_KIB 1024
/* Nobody else writes. Only a person with a shell in the file can make us wait, and not for long. */
#define BUSY_MS 50
/* The WAL grows while a checkpoint runs beside a first sync; when it starts again from its beginning, the
 * file is cut back to this. */
#define WAL_KEEP_BYTES (16 << 20)

int index_error(sqlite3 *db, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return 0;
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_FULL: return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return ERR_CORRUPT;
	case SQLITE_READONLY: return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return -EBUSY;
	case SQLITE_PERM:
	case SQLITE_AUTH: return -EACCES;
	case SQLITE_TOOBIG: return -EFBIG;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN: {
		if (rc == SQLITE_IOERR_NOMEM)
			return -ENOMEM;
		int e = db ? sqlite3_system_errno(db) : 0;
		/* Disk full, quota and a file system turned read-only are told apart; the rest is EIO,
		 * whatever system call noticed it. */
		if (e == ENOSPC || e == EDQUOT || e == EFBIG)
			return -ENOSPC;
		if (e == EROFS || e == EACCES || e == EPERM || e == EMFILE || e == ENFILE || e == ENOENT)
			return -e;
		return -EIO;
	}
	case SQLITE_CONSTRAINT: return -EEXIST;
	default: return -EINVAL; /* MISUSE, RANGE, ERROR: a mistake of ours */
	}
}

void index_mark_corrupt(sqlite3 *db)
{
	_cleanup_free_ char *mark = NULL;
	const char *path = sqlite3_db_filename(db, "main");

	if (!path || asprintf(&mark, "%s" INDEX_CORRUPT_SUFFIX, path) < 0)
		mark = NULL;
	_cleanup_close_ int fd = mark ? open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	if (fd >= 0)
		log_error("%s is damaged: %s. The next start moves it aside, makes it anew and compares "
			  "everything by "
			  "hash; no file is lost.",
			  path, sqlite3_errmsg(db));
}

int index_failed(struct index *index, int rc)
{
	int r = index_error(index->db, rc);

	if (r == ERR_CORRUPT)
		index_mark_corrupt(index->db);
	/* After a failed write SQLite may have rolled back by itself; going on would store half of a
	 * transaction. */
	if (r < 0 && index->depth > 0 && index->tx_error == 0)
		index->tx_error = r;
	return r;
}

static const char connection_pragmas[] = "PRAGMA synchronous = NORMAL;"
					 "PRAGMA mmap_size = 0;"
					 "PRAGMA temp_store = MEMORY;"
					 /* Debian's default writes zeros over what is deleted. */
					 "PRAGMA secure_delete = OFF;"
					 "PRAGMA trusted_schema = OFF;"
					 "PRAGMA wal_autocheckpoint = 0;";

int index_connect(const char *path, sqlite3 **ret_db)
{
	sqlite3 *db = NULL;
	char limits[96];
	/* A count nobody asks for costs a lock each allocation. Only the first call says anything. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);

	int rc = sqlite3_open_v2(
		path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);

	snprintf(limits, sizeof(limits), "PRAGMA cache_size = -%d; PRAGMA journal_size_limit = %d;",
		 CACHE_KIB, WAL_KEEP_BYTES);
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(db, 1);
		sqlite3_busy_timeout(db, BUSY_MS);
		rc = sqlite3_exec(db, limits, NULL, NULL, NULL);
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, connection_pragmas, NULL, NULL, NULL);
	/* A file that cannot be opened for writing is opened for reading without a word. */
	if (rc == SQLITE_OK && sqlite3_db_readonly(db, "main") == 1)
		rc = SQLITE_READONLY;
	if (rc != SQLITE_OK) {
		int r = db ? index_error(db, rc) : -ENOMEM;
		sqlite3_close(db);
		return r;
	}
	*ret_db = db;
	return 0;
}

sqlite3_stmt *index_take(struct index *index, enum index_sql which, int *ret_error)
{
	sqlite3_stmt *stmt = index->stmts[which];

	if (!sqlite3_stmt_busy(stmt))
		return stmt;
	stmt = NULL;
	int rc = sqlite3_prepare_v2(index->db, index_sql_texts[which], -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		*ret_error = index_failed(index, rc);
	return stmt;
}

void index_give(struct index *index, enum index_sql which, sqlite3_stmt *stmt)
{
	if (stmt == index->stmts[which]) {
		sqlite3_reset(stmt);
		sqlite3_clear_bindings(stmt); /* what was bound belongs to the caller */
	} else {
		sqlite3_finalize(stmt);
	}
}

int index_run(struct index *index, enum index_sql which, sqlite3_stmt *stmt)
{
	int r = index_failed(index, sqlite3_step(stmt));

	index_give(index, which, stmt);
	return r;
}

static int run_plain(struct index *index, enum index_sql which)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, which, &r);

	return stmt ? index_run(index, which, stmt) : r;
}

void index_bind_path(sqlite3_stmt *stmt, int column, const char *path)
{
	(void)sqlite3_bind_blob(stmt, column, path, (int)strlen(path), SQLITE_STATIC);
}

void index_bind_text(sqlite3_stmt *stmt, int column, const char *text)
{
	(void)sqlite3_bind_text(stmt, column, text, -1, SQLITE_STATIC);
}

void index_bind_digest(sqlite3_stmt *stmt, int column, const struct digest *digest)
{
	(void)sqlite3_bind_blob(stmt, column, digest ? digest->b : NULL, DIGEST_SIZE, SQLITE_STATIC);
}

bool index_column_digest(sqlite3_stmt *stmt, int column, struct digest *ret_digest)
{
	const void *bytes = sqlite3_column_blob(stmt, column);

	if (!bytes || sqlite3_column_bytes(stmt, column) != DIGEST_SIZE)
		return false;
	memcpy(ret_digest->b, bytes, DIGEST_SIZE);
	return true;
}

void index_column_text(sqlite3_stmt *stmt, int column, char *buf, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	snprintf(buf, size, "%s", text ? text : "");
}

const char *index_text_set(struct index_text *text, sqlite3_stmt *stmt, int column)
{
	const void *bytes = sqlite3_column_blob(stmt, column);
	size_t len = (size_t)sqlite3_column_bytes(stmt, column);

	if (len + 1 > text->cap) {
		size_t cap = MAX(len + 1, (size_t)256);
		char *data = realloc(text->data, cap);
		if (!data)
			return NULL;
		text->data = data;
		text->cap = cap;
	}
	if (len > 0)
		memcpy(text->data, bytes, len);
	text->data[len] = '\0';
	return text->data;
}

void index_text_done(struct index_text *text)
{
	free(text->data);
	*text = (struct index_text){0};
}

bool index_path_valid(const char *path)
{
	return path && *path != '\0' && strnlen(path, INDEX_TEXT_MAX + 1) <= INDEX_TEXT_MAX;
}

/* The first path beyond every one that begins with prefix: its last byte plus one. NULL: there is no such
 * path. */
static int bound_after(const char *prefix, char **ret_to)
{
	size_t len = strlen(prefix);

	while (len > 0 && (unsigned char)prefix[len - 1] == 0xff)
		len--;
	if (len == 0) {
		*ret_to = NULL;
		return 0;
	}
	char *to = strndup(prefix, len);
	if (!to)
		return -ENOMEM;
	to[len - 1] = (char)((unsigned char)to[len - 1] + 1);
	*ret_to = to;
	return 0;
}

int index_bounds_of(const char *prefix, const char *after, struct index_bounds *ret_bounds)
{
	bool from_after = after && strcmp(after, prefix) >= 0;
	char *to = NULL;
	int r = bound_after(prefix, &to);

	if (r < 0)
		return r;
	*ret_bounds = (struct index_bounds){
		.from = from_after ? after : prefix, .from_included = !from_after, .to = to};
	return 0;
}

/* ---- transaction ---- */

int index_begin(struct index *index)
{
	if (index->depth == 0) {
		index->tx_error = 0;
		index->tx_durable = false;
		int r = run_plain(index, SQL_BEGIN);
		if (r < 0)
			return r;
	} else if (index->tx_error < 0) {
		/* Rolled back already, perhaps by SQLite itself: what is written now would be stored alone.
		 */
		return index->tx_error;
	}
	index->depth++;
	return 0;
}

static void take_back(struct index *index)
{
	/* SQLite may have done it. */
	if (!sqlite3_get_autocommit(index->db))
		(void)run_plain(index, SQL_ROLLBACK);
	index_state_forget(index);
}

/* Makes the last commit survive a power cut: the WAL reaches the disk. */
static int sync_wal(struct index *index)
{
	sqlite3_file *wal = NULL;
	int rc = sqlite3_file_control(index->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);

	if (rc != SQLITE_OK || !wal || !wal->pMethods)
		return -EIO;
	return index_error(NULL, wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL));
}

int index_commit(struct index *index)
{
	if (index->depth == 0)
		return -EINVAL;
	if (index->depth > 1) {
		index->depth--;
		return index->tx_error;
	}
	int r = index->tx_error;
	if (r == 0)
		r = index_tally_flush(index);
	if (r == 0)
		r = run_plain(index, SQL_COMMIT);
	index->depth = 0;
	if (r < 0) {
		take_back(index);
		return r;
	}
	if (index->tx_durable)
		r = sync_wal(index);
	index_checkpoint_if_due(index);
	return r;
}

void index_rollback(struct index *index)
{
	if (index->depth == 0)
		return;
	if (index->tx_error == 0)
		index->tx_error = ERR_CANCELED;
	if (--index->depth == 0)
		take_back(index);
}

int index_end(struct index *index, int r)
{
	if (r < 0) {
		index_rollback(index);
		return r;
	}
	int commit = index_commit(index);
	return commit < 0 ? commit : r;
}

/* ---- pairs in memory ---- */

int index_view_read(sqlite3 *db, sqlite3_stmt *stmt, int64_t key, struct index_view *ret_view)
{
	(void)sqlite3_bind_int64(stmt, 1, key);
	int rc = sqlite3_step(stmt);
	int r = rc == SQLITE_DONE ? -ENOENT : index_error(db, rc);
	if (rc == SQLITE_ROW)
		*ret_view = (struct index_view){
			.space = sqlite3_column_int64(stmt, 0),
			.epoch = (unsigned)sqlite3_column_int(stmt, 1),
			.old_set = (unsigned)sqlite3_column_int(stmt, 2),
			.old_clear = (unsigned)sqlite3_column_int(stmt, 3),
		};
	sqlite3_reset(stmt);
	return r;
}

static int read_tally(struct index *index, struct index_pair_state *state)
{
	int r = 0, rc;
	sqlite3_stmt *stmt = index_take(index, SQL_TALLY_GET, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, state->key);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t what = sqlite3_column_int64(stmt, 0);
		if (what >= 0 && what < TALLY_MAX)
			state->tally[what] = sqlite3_column_int64(stmt, 1);
	}
	r = index_failed(index, rc);
	index_give(index, SQL_TALLY_GET, stmt);
	return r;
}

int index_state(struct index *index, int64_t key, struct index_pair_state **ret_state)
{
	for (size_t i = 0; i < index->states_n; i++) {
		if (index->states[i].key == key) {
			*ret_state = &index->states[i];
			return 0;
		}
	}
	struct index_pair_state state = {.key = key};
	int r = key == 0 ? 0 : index_view_read(index->db, index->stmts[SQL_PAIR_STATE], key, &state.view);
	if (r == 0)
		r = read_tally(index, &state);
	if (r < 0)
		return r;
	struct index_pair_state *more = reallocarray(index->states, index->states_n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	index->states = more;
	more[index->states_n] = state;
	*ret_state = &more[index->states_n++];
	return 0;
}

void index_state_forget(struct index *index)
{
	index->states_n = 0;
}

void index_count(struct index_pair_state *state, enum index_tally which, int64_t delta)
{
	/* Wraps, and comes back when the same is taken away: sizes that lie cannot make it undefined. */
	state->tally[which] = (int64_t)((uint64_t)state->tally[which] + (uint64_t)delta);
	if (delta != 0)
		state->dirty |= 1U << which;
}

static int write_tally(struct index *index, const struct index_pair_state *state, int what)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, SQL_TALLY_PUT, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, state->key);
	(void)sqlite3_bind_int(stmt, 2, what);
	(void)sqlite3_bind_int64(stmt, 3, state->tally[what]);
	return index_run(index, SQL_TALLY_PUT, stmt);
}

int index_tally_flush(struct index *index)
{
	for (size_t i = 0; i < index->states_n; i++) {
		struct index_pair_state *state = &index->states[i];
		for (int what = 0; what < TALLY_MAX; what++) {
			int r = state->dirty & 1U << what ? write_tally(index, state, what) : 0;
			if (r < 0)
				return r;
		}
		state->dirty = 0;
	}
	return 0;
}
