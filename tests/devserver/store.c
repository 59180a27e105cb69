/*
 * Opening, the schema, statements and transactions of the metadata: see store.h. The rows themselves are read
 * and written in buckets.c, files.c, keys.c and so on.
 */
#include "store.h"

#include "buckets.h"
#include "cleaner.h"
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A request with very many files commits between them now and then, so that a kill loses little of it. */
#define STATEMENTS_PER_COMMIT 2048

/* How stale the original may be. */
#define DETAIL_AGE_MS (10 * 60 * 1000)
#define SHORT_AGE_MS  (10 * 60 * 1000)
#define KEY_AGE_MS    (30 * 1000)
#define TOKEN_AGE_MS  (2 * 60 * 1000)

static const char schema[] =
	"PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = OFF;"         /* a killed process loses nothing; a power cut may */
	"PRAGMA wal_autocheckpoint = 8000;" /* pages that are written again and again are copied less often */
	"PRAGMA locking_mode = EXCLUSIVE;"
	"PRAGMA case_sensitive_like = OFF;"
	"CREATE TABLE IF NOT EXISTS buckets (id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL,"
	" owner_prefix TEXT, description TEXT, created_at INTEGER NOT NULL, expires_at INTEGER, last_used_at "
	"INTEGER,"
	" file_count INTEGER NOT NULL DEFAULT 0, total_size INTEGER NOT NULL DEFAULT 0, seq INTEGER NOT "
	"NULL);"
	"CREATE TABLE IF NOT EXISTS files (bucket_id TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT "
	"NULL,"
	" mime_type TEXT NOT NULL, short_code TEXT, sha256 TEXT, created_at INTEGER NOT NULL,"
	" updated_at INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (bucket_id, path)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS contents (sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, refs INTEGER "
	"NOT NULL,"
	" first_stored_at INTEGER NOT NULL, place INTEGER NOT NULL) WITHOUT ROWID;"
	/* Contents that the original would have in its store without a row: refused for ever. */
	"CREATE TABLE IF NOT EXISTS poisoned (sha256 TEXT PRIMARY KEY) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS shorts (code TEXT PRIMARY KEY, bucket_id TEXT NOT NULL, path TEXT NOT "
	"NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS keys (prefix TEXT PRIMARY KEY, secret_sha256 TEXT NOT NULL, name TEXT "
	"NOT NULL,"
	" created_at INTEGER NOT NULL, last_used_at INTEGER, seq INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, bucket_id TEXT NOT NULL, expires_at "
	"INTEGER NOT NULL,"
	" max_uploads INTEGER, uploads_used INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;";

static const char *const sql[N_STATEMENTS] = {
	[ST_BEGIN] = "BEGIN",
	[ST_COMMIT] = "COMMIT",
	[ST_BUCKET_INSERT] =
		"INSERT INTO buckets (id, name, owner, owner_prefix, description, created_at, expires_at,"
		" seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[ST_BUCKET_GET] = "SELECT " BUCKET_COLUMNS " FROM buckets WHERE id = ?1",
	[ST_BUCKET_UPDATE] = "UPDATE buckets SET name = ?2, description = ?3, expires_at = ?4 WHERE id = ?1",
	[ST_BUCKET_DELETE] = "DELETE FROM buckets WHERE id = ?1",
	[ST_BUCKET_COUNT_FILE] =
		"UPDATE buckets SET file_count = file_count + ?2, total_size = total_size + ?3,"
		" last_used_at = coalesce(?4, last_used_at) WHERE id = ?1",
	[ST_BUCKET_TOUCH] = "UPDATE buckets SET last_used_at = ?2 WHERE id = ?1",
	[ST_BUCKET_UNIQUE] =
		"SELECT count(*), coalesce(sum(size), 0) FROM"
		" (SELECT DISTINCT sha256, size FROM files WHERE bucket_id = ?1 AND sha256 IS NOT NULL)",
	[ST_BUCKET_EXPIRED] = "SELECT id FROM buckets WHERE expires_at <= ?1 LIMIT 1",
	[ST_FILE_GET] = "SELECT " FILE_COLUMNS " FROM files WHERE bucket_id = ?1 AND path = ?2",
	[ST_FILE_INSERT] =
		"INSERT INTO files (bucket_id, path, size, mime_type, short_code, sha256, created_at,"
		" updated_at, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)",
	[ST_FILE_UPDATE] = "UPDATE files SET size = ?3, mime_type = ?4, sha256 = ?5, updated_at = ?6"
			   " WHERE bucket_id = ?1 AND path = ?2",
	[ST_FILE_DELETE] = "DELETE FROM files WHERE bucket_id = ?1 AND path = ?2",
	[ST_FILES_DELETE] = "DELETE FROM files WHERE bucket_id = ?1",
	[ST_FILES_BY_PATH] = "SELECT " FILE_COLUMNS " FROM files WHERE bucket_id = ?1 ORDER BY path LIMIT ?2",
	[ST_CONTENT_GET] = "SELECT place, size FROM contents WHERE sha256 = ?1",
	[ST_CONTENT_INSERT] = "INSERT INTO contents (sha256, size, refs, first_stored_at, place)"
			      " VALUES (?1, ?2, 1, ?3, ?4)",
	[ST_CONTENT_REF] = "UPDATE contents SET refs = refs + ?2 WHERE sha256 = ?1",
	[ST_CONTENT_LOSE] = "UPDATE contents SET place = -2 WHERE sha256 = ?1",
	[ST_CONTENT_DEAD] =
		"SELECT sha256, place, size FROM contents WHERE refs <= 0 AND first_stored_at < ?1 LIMIT 1",
	[ST_CONTENT_DELETE] = "DELETE FROM contents WHERE sha256 = ?1",
	[ST_POISON_INSERT] = "INSERT OR IGNORE INTO poisoned (sha256) VALUES (?1)",
	[ST_POISON_GET] = "SELECT 1 FROM poisoned WHERE sha256 = ?1",
	[ST_SHORT_INSERT] = "INSERT INTO shorts (code, bucket_id, path) VALUES (?1, ?2, ?3)",
	[ST_SHORT_GET] = "SELECT bucket_id, path FROM shorts WHERE code = ?1",
	[ST_SHORT_DELETE] = "DELETE FROM shorts WHERE code = ?1",
	[ST_SHORTS_DELETE] =
		"DELETE FROM shorts WHERE code IN (SELECT short_code FROM files WHERE bucket_id = ?1)",
	[ST_KEY_INSERT] =
		"INSERT INTO keys (prefix, secret_sha256, name, created_at, seq) VALUES (?1, ?2, ?3, ?4, ?5)",
	[ST_KEY_GET] = "SELECT name, secret_sha256, created_at, last_used_at FROM keys WHERE prefix = ?1",
	[ST_KEY_TOUCH] = "UPDATE keys SET last_used_at = ?2 WHERE prefix = ?1",
	[ST_KEY_DELETE] = "DELETE FROM keys WHERE prefix = ?1",
	[ST_TOKEN_INSERT] =
		"INSERT INTO tokens (token, bucket_id, expires_at, max_uploads) VALUES (?1, ?2, ?3, ?4)",
	[ST_TOKEN_GET] =
		"SELECT bucket_id, expires_at, max_uploads, uploads_used FROM tokens WHERE token = ?1",
	[ST_TOKEN_CHARGE] = "UPDATE tokens SET uploads_used = uploads_used + ?2 WHERE token = ?1",
	[ST_TOKENS_DELETE] = "DELETE FROM tokens WHERE bucket_id = ?1",
};

void store_lock(struct store *s)
{
	pthread_mutex_lock(&s->lock);
}

void store_unlock(struct store *s)
{
	pthread_mutex_unlock(&s->lock);
}

static int complain(struct store *s, const char *what)
{
	fprintf(stderr, "carbonfiles-devserver: %s: %s\n", what,
		s->db ? sqlite3_errmsg(s->db) : "out of memory");
	return -EIO;
}

sqlite3_stmt *store_prepare(struct store *s, enum statement id)
{
	sqlite3_stmt *st = s->statements[id];

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return st;
}

sqlite3_stmt *store_prepare_text(struct store *s, const char *text)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(s->db, text, -1, &st, NULL) != SQLITE_OK)
		complain(s, text);
	return st;
}

/* The text must live until the statement was run. */
void store_bind(sqlite3_stmt *st, int at, struct span text)
{
	if (text.p)
		sqlite3_bind_text(st, at, text.p, (int)text.n, SQLITE_STATIC);
}

void store_bind_int(sqlite3_stmt *st, int at, int64_t value)
{
	sqlite3_bind_int64(st, at, value);
}

struct span store_column(sqlite3_stmt *st, int column)
{
	const char *p = (const char *)sqlite3_column_text(st, column);

	return (struct span){p, p ? (size_t)sqlite3_column_bytes(st, column) : 0};
}

int store_run(struct store *s, sqlite3_stmt *st)
{
	int r = sqlite3_step(st);

	sqlite3_reset(st);
	if (r == SQLITE_DONE || r == SQLITE_ROW)
		return 0;
	return r == SQLITE_CONSTRAINT ? -EEXIST : complain(s, "database");
}

int store_begin(struct store *s)
{
	if (s->in_transaction++ > 0) {
		if (s->in_transaction < STATEMENTS_PER_COMMIT)
			return 0;
		int r = store_commit(s);
		if (r < 0)
			return r;
		s->in_transaction = 1;
	}
	int r = store_run(s, store_prepare(s, ST_BEGIN));
	if (r < 0)
		s->in_transaction = 0;
	return r;
}

int store_commit(struct store *s)
{
	if (s->in_transaction == 0)
		return 0;
	s->in_transaction = 0;
	return store_run(s, store_prepare(s, ST_COMMIT));
}

static int64_t read_number(struct store *s, const char *text)
{
	sqlite3_stmt *st = store_prepare_text(s, text);
	int64_t n = st && sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;

	sqlite3_finalize(st);
	return n;
}

static int read_ends(struct store *s)
{
	s->next_seq = 1 + read_number(s, "SELECT max(coalesce((SELECT max(seq) FROM files), 0),"
					 " coalesce((SELECT max(seq) FROM buckets), 0),"
					 " coalesce((SELECT max(seq) FROM keys), 0))");
	s->contents.pack_end =
		read_number(s, "SELECT coalesce(max(place + size), 0) FROM contents WHERE place >= 0");
	return s->next_seq > 0 && s->contents.pack_end >= 0 ? 0 : -EIO;
}

/* After a kill there may be contents whose rows were never committed. The original would refuse them for
 * ever; here only those are refused that were poisoned by a race, and these go. */
static int remove_if_unknown(void *arg, const char *sha)
{
	struct store *s = arg;
	sqlite3_stmt *known = store_prepare(s, ST_CONTENT_GET);

	store_bind(known, 1, span_of(sha));
	if (sqlite3_step(known) != SQLITE_ROW)
		contents_remove(&s->contents, sha, PLACE_OWN_FILE, 0);
	sqlite3_reset(known);
	return 0;
}

static int sweep_after_kill(struct store *s)
{
	int fd = openat(s->data_fd, "running", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	return errno == EEXIST ? contents_each_file(&s->contents, remove_if_unknown, s) : -errno;
}

static int open_database(struct store *s, const char *dir)
{
	_cleanup_buf_ struct buf name = {0};

	buf_addf(&name, "%s/carbonfiles.db", dir);
	if (name.failed)
		return -ENOMEM;
	if (sqlite3_open_v2(name.p, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK ||
	    sqlite3_exec(s->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return complain(s, name.p);
	for (int i = 0; i < N_STATEMENTS; i++)
		if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i],
				       NULL) != SQLITE_OK)
			return complain(s, sql[i]);
	return read_ends(s);
}

int store_open(struct store **ret, const char *dir)
{
	struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->contents.content_fd = s->contents.tmp_fd = s->contents.pack_fd = -1;
	s->details.age_ms = DETAIL_AGE_MS;
	s->shorts.age_ms = SHORT_AGE_MS;
	s->keys.age_ms = KEY_AGE_MS;
	s->tokens.age_ms = TOKEN_AGE_MS;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		s->data_fd = -1;
	else
		s->data_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = s->data_fd < 0 || flock(s->data_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	s->locked = r == 0;
	if (r == 0)
		r = contents_open(&s->contents, s->data_fd);
	if (r == 0)
		r = open_database(s, dir);
	if (r == 0)
		r = sweep_after_kill(s);
	if (r == 0)
		r = cleaner_start(s);
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct store *store_close(struct store *s)
{
	if (!s)
		return NULL;
	cleaner_stop(s);
	if (s->db)
		store_commit(s);
	for (int i = 0; i < N_STATEMENTS; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	contents_close(&s->contents);
	if (s->locked)
		unlinkat(s->data_fd, "running", 0);
	if (s->data_fd >= 0)
		close(s->data_fd);
	ttl_cache_clear(&s->details);
	ttl_cache_clear(&s->shorts);
	ttl_cache_clear(&s->keys);
	ttl_cache_clear(&s->tokens);
	buf_done(&s->stats);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}
