/*
 * The metadata: one SQLite database behind one lock, prepared statements, transactions shared by whoever
 * writes at the same time and committed before anybody is answered. Rows are handed out as views into a
 * statement.
 *
 * Every function that takes the store expects its lock to be held, unless it says otherwise.
 */
#pragma once

#include "contents.h"
#include "ttl_cache.h"

#include <pthread.h>
#include <sqlite3.h>

enum statement {
	ST_BEGIN,
	ST_COMMIT,
	ST_BUCKET_INSERT,
	ST_BUCKET_GET,
	ST_BUCKET_UPDATE,
	ST_BUCKET_DELETE,
	ST_BUCKET_COUNT_FILE,
	ST_BUCKET_TOUCH,
	ST_BUCKET_UNIQUE,
	ST_BUCKET_EXPIRED,
	ST_FILE_GET,
	ST_FILE_INSERT,
	ST_FILE_UPDATE,
	ST_FILE_DELETE,
	ST_FILES_DELETE,
	ST_FILES_BY_PATH,
	ST_CONTENT_GET,
	ST_CONTENT_INSERT,
	ST_CONTENT_REF,
	ST_CONTENT_LOSE,
	ST_CONTENT_DEAD,
	ST_CONTENT_DELETE,
	ST_POISON_INSERT,
	ST_POISON_GET,
	ST_SHORT_INSERT,
	ST_SHORT_GET,
	ST_SHORT_DELETE,
	ST_SHORTS_DELETE,
	ST_KEY_INSERT,
	ST_KEY_GET,
	ST_KEY_TOUCH,
	ST_KEY_DELETE,
	ST_TOKEN_INSERT,
	ST_TOKEN_GET,
	ST_TOKEN_CHARGE,
	ST_TOKENS_DELETE,
	N_STATEMENTS
};

struct store {
	pthread_mutex_t lock;
	sqlite3 *db;
	sqlite3_stmt *statements[N_STATEMENTS];
	struct contents contents;
	int data_fd;
	bool locked;                 /* the directory is ours */
	struct file_commit *placing; /* first uploads between the look and their rows */
	int64_t next_seq; /* order of insertion of files, buckets and keys: breaks ties as the original's row
			     numbers do */
	int in_transaction; /* statements since the last commit */

	/* Stale on purpose, as in the original. */
	struct ttl_cache details, shorts, keys, tokens;
	struct buf stats;
	int64_t stats_until_ms;

	pthread_t cleaner;
	pthread_cond_t cleaner_wake;
	bool cleaner_runs, cleaner_stop;
};

int store_open(struct store **ret, const char *dir);
struct store *store_close(struct store *s); /* returns NULL */
void store_lock(struct store *s);
void store_unlock(struct store *s);

/* A prepared statement, reset, its parameters cleared. */
sqlite3_stmt *store_prepare(struct store *s, enum statement id);
/* A statement made for one use (ORDER BY of the caller's choice); NULL on failure. Finalise it. */
sqlite3_stmt *store_prepare_text(struct store *s, const char *sql);
void store_bind(sqlite3_stmt *st, int at, struct span text);
void store_bind_int(sqlite3_stmt *st, int at, int64_t value);
struct span store_column(sqlite3_stmt *st, int column);
/* Runs a statement that returns nothing. 0, -EEXIST (a constraint), -EIO. */
int store_run(struct store *s, sqlite3_stmt *st);

/* Everything that writes calls this first; store_commit ends the transaction that all open writers share. */
int store_begin(struct store *s);
int store_commit(struct store *s);
