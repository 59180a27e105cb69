/* The index as a file (opened, made, moved aside) and the records of the pairs. */
#include "store/index.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "store/index_db.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Broken files that are kept for a person to look at; another one replaces the last. */
#define BROKEN_KEPT 3

/* ---- the file ---- */

static int query_int(sqlite3 *db, const char *sql, int64_t *ret_value)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret_value = sqlite3_column_int64(stmt, 0);
	int r = index_error(db, rc);
	sqlite3_finalize(stmt);
	return r;
}

static int use_wal(sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	int r = index_error(db, rc);
	if (r == 0 &&
	    (rc != SQLITE_ROW || sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0))
		r = -EOPNOTSUPP; /* a file system without shared memory */
	sqlite3_finalize(stmt);
	return r;
}

static int create_schema(sqlite3 *db)
{
	char head[96];

	snprintf(head, sizeof(head), "BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d;",
		 INDEX_APPLICATION_ID, INDEX_SCHEMA_VERSION);
	int rc = sqlite3_exec(db, head, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, index_schema, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	int r = index_error(db, rc);
	if (r < 0)
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int check_or_create(sqlite3 *db, bool *ret_fresh)
{
	int64_t application = 0, version = 0, tables = 0;
	int r = query_int(db, "PRAGMA application_id", &application);

	if (r == 0)
		r = query_int(db, "PRAGMA user_version", &version);
	if (r == 0)
		r = query_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0)
		return r;
	if (application == INDEX_APPLICATION_ID && version == INDEX_SCHEMA_VERSION)
		return 0;
	/* Another version of ours, or somebody's database: neither is touched. */
	if (application != 0 || version != 0 || tables != 0)
		return ERR_CORRUPT;
	r = create_schema(db);
	if (r == 0)
		*ret_fresh = true;
	return r;
}

static int prepare_all(struct index *index)
{
	for (int i = 0; i < SQL_MAX; i++) {
		int rc = sqlite3_prepare_v3(index->db, index_sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &index->stmts[i], NULL);
		/* A table or column is missing: not the file that its version number says. */
		if (rc == SQLITE_ERROR)
			return ERR_CORRUPT;
		if (rc != SQLITE_OK)
			return index_error(index->db, rc);
	}
	return 0;
}

/* SQLite would make the file wider than 0600, and would wait for ever at a FIFO. */
static int prepare_file(const char *path)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);

	if (fd < 0)
		return errno == EISDIR || errno == ENXIO || errno == ELOOP ? ERR_CORRUPT : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : ERR_CORRUPT;
}

static void close_db(struct index *index)
{
	for (int i = 0; i < SQL_MAX; i++) {
		sqlite3_finalize(index->stmts[i]);
		index->stmts[i] = NULL;
	}
	sqlite3_close(index->db);
	index->db = NULL;
}

static int open_once(struct index *index, bool *ret_fresh)
{
	int r = prepare_file(index->path);

	if (r == 0)
		r = index_connect(index->path, &index->db);
	if (r == 0)
		r = use_wal(index->db);
	if (r == 0)
		r = check_or_create(index->db, ret_fresh);
	if (r == 0)
		r = prepare_all(index);
	if (r < 0) {
		close_db(index);
		return r;
	}
	sqlite3_wal_hook(index->db, index_wal_hook, index);
	return 0;
}

static int rename_with(const char *path, const char *to, const char *suffix)
{
	_cleanup_free_ char *a = NULL, *b = NULL;

	if (asprintf(&a, "%s%s", path, suffix) < 0) {
		a = NULL;
		return -ENOMEM;
	}
	if (asprintf(&b, "%s%s", to, suffix) < 0) {
		b = NULL;
		return -ENOMEM;
	}
	return rename(a, b) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The file, with the WAL that belongs to it. */
static int move_aside(const char *path)
{
	_cleanup_free_ char *to = NULL;

	for (int n = 1; n <= BROKEN_KEPT; n++) {
		free(to);
		if (asprintf(&to, "%s.broken-%d", path, n) < 0) {
			to = NULL;
			return -ENOMEM;
		}
		if (access(to, F_OK) < 0)
			break;
	}
	int r = rename_with(path, to, "-wal");
	if (r == 0)
		r = rename_with(path, to, "-shm");
	if (r == 0)
		r = rename_with(path, to, "");
	if (r == 0)
		log_warning("%s is damaged or not an index of this version: it is now %s, and a new one is "
			    "made. Every "
			    "pair compares all its files with the server by hash; what this first sync would "
			    "delete "
			    "is held until confirmed.",
			    path, to);
	return r;
}

static int open_or_replace(struct index *index, bool *ret_fresh)
{
	_cleanup_free_ char *mark = NULL;

	if (asprintf(&mark, "%s" INDEX_CORRUPT_SUFFIX, index->path) < 0) {
		mark = NULL;
		return -ENOMEM;
	}
	int r = access(mark, F_OK) == 0 ? ERR_CORRUPT : open_once(index, ret_fresh);
	if (r != ERR_CORRUPT)
		return r;
	r = move_aside(index->path);
	if (r < 0)
		return r;
	if (unlink(mark) < 0 && errno != ENOENT)
		return -errno;
	return open_once(index, ret_fresh);
}

int index_open(const char *path, struct loop *loop, struct worker_pool *pool, struct index **ret_index,
	       bool *ret_fresh)
{
	bool fresh = false;
	struct index *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	index->loop = loop;
	index->pool = pool;
	index->path = strdup(path);
	int r = index->path ? open_or_replace(index, &fresh) : -ENOMEM;
	if (r == 0)
		r = index_sweep_start(index);
	if (r < 0) {
		index_close(index);
		return r;
	}
	*ret_index = index;
	*ret_fresh = fresh;
	return 0;
}

struct index *index_close(struct index *index)
{
	if (!index)
		return NULL;
	index_checkpoint_detach(index);
	index_sweep_done(index);
	close_db(index); /* an open transaction is taken back */
	free(index->states);
	free(index->path);
	free(index);
	return NULL;
}

/* ---- pairs ---- */

int index_pair_get(struct index *index, const char *id, struct index_pair *ret_pair)
{
	struct index_pair pair = {0};
	struct index_pair_state *state;
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, SQL_PAIR_GET, &r);

	if (!stmt)
		return r;
	index_bind_text(stmt, 1, id);
	int rc = sqlite3_step(stmt);
	r = rc == SQLITE_DONE ? -ENOENT : index_failed(index, rc);
	if (r == 0) {
		snprintf(pair.id, sizeof(pair.id), "%s", id);
		pair.key = sqlite3_column_int64(stmt, 0);
		index_column_text(stmt, 1, pair.identity, sizeof(pair.identity));
		index_column_text(stmt, 2, pair.generation, sizeof(pair.generation));
		index_column_text(stmt, 3, pair.generation_next, sizeof(pair.generation_next));
		pair.first_sync = sqlite3_column_int(stmt, 4);
		index_column_text(stmt, 5, pair.bucket_created_at, sizeof(pair.bucket_created_at));
		pair.last_sync_ms = sqlite3_column_int64(stmt, 6);
		pair.last_full_check_ms = sqlite3_column_int64(stmt, 7);
		pair.rescue_day = sqlite3_column_int64(stmt, 8);
		pair.rescue_used = sqlite3_column_int64(stmt, 9);
	}
	index_give(index, SQL_PAIR_GET, stmt);
	if (r == 0)
		r = index_state(index, pair.key, &state);
	if (r < 0)
		return r;
	pair.files = state->tally[TALLY_FILES];
	pair.bytes = state->tally[TALLY_BYTES];
	*ret_pair = pair;
	return 0;
}

static int run_with(struct index *index, enum index_sql which, int64_t one, int64_t two)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, which, &r);

	if (!stmt)
		return r;
	(void)sqlite3_bind_int64(stmt, 1, one);
	if (sqlite3_bind_parameter_count(stmt) > 1)
		(void)sqlite3_bind_int64(stmt, 2, two);
	return index_run(index, which, stmt);
}

static int new_space(struct index *index, int64_t *ret_space)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, SQL_SPACE_NEW, &r);

	if (stmt)
		r = index_run(index, SQL_SPACE_NEW, stmt);
	if (r == 0)
		*ret_space = sqlite3_last_insert_rowid(index->db);
	return r;
}

/* The last parameter is the new pair's space, or the key of the one that is there. */
static int pair_write(struct index *index, const struct index_pair *pair, enum index_sql which, int64_t last)
{
	int r = 0;
	sqlite3_stmt *stmt = index_take(index, which, &r);

	if (!stmt)
		return r;
	index_bind_text(stmt, 1, pair->id);
	index_bind_text(stmt, 2, pair->identity);
	index_bind_text(stmt, 3, pair->generation);
	index_bind_text(stmt, 4, pair->generation_next);
	(void)sqlite3_bind_int(stmt, 5, pair->first_sync);
	index_bind_text(stmt, 6, pair->bucket_created_at);
	(void)sqlite3_bind_int64(stmt, 7, pair->last_sync_ms);
	(void)sqlite3_bind_int64(stmt, 8, pair->last_full_check_ms);
	(void)sqlite3_bind_int64(stmt, 9, pair->rescue_day);
	(void)sqlite3_bind_int64(stmt, 10, pair->rescue_used);
	(void)sqlite3_bind_int64(stmt, 11, last);
	return index_run(index, which, stmt);
}

static int pair_put_in_tx(struct index *index, const struct index_pair *pair, int64_t *ret_key)
{
	int64_t space = 0;
	int r;

	*ret_key = pair->key;
	if (pair->key != 0) {
		r = pair_write(index, pair, SQL_PAIR_UPDATE, pair->key);
		return r == 0 && sqlite3_changes(index->db) == 0 ? -ENOENT : r;
	}
	r = new_space(index, &space);
	if (r == 0)
		r = pair_write(index, pair, SQL_PAIR_INSERT, space);
	if (r == 0)
		*ret_key = sqlite3_last_insert_rowid(index->db);
	return r;
}

int index_pair_put(struct index *index, struct index_pair *pair, bool durable)
{
	int64_t key;
	int r = index_begin(index);

	if (r < 0)
		return r;
	index->tx_durable |= durable;
	r = index_end(index, pair_put_in_tx(index, pair, &key));
	if (r == 0)
		pair->key = key;
	return r;
}

static int remove_in_tx(struct index *index, int64_t key)
{
	struct index_pair_state *state;
	int r = index_state(index, key, &state);

	if (r == 0)
		r = run_with(index, SQL_SPACE_DROP, state->view.space, 0);
	if (r == 0)
		r = run_with(index, SQL_PAIR_DELETE, key, 0);
	if (r == 0)
		r = run_with(index, SQL_TALLY_DELETE, key, 0);
	if (r == 0)
		*state = index->states[--index->states_n];
	return r;
}

int index_pair_remove(struct index *index, int64_t key)
{
	if (key <= 0)
		return -EINVAL;
	int r = index_begin(index);
	if (r == 0)
		r = index_end(index, remove_in_tx(index, key));
	return r < 0 ? r : index_sweep_start(index);
}

static int drop_rows_in_tx(struct index *index, int64_t key)
{
	struct index_pair_state *state;
	int64_t space = 0;
	int r = index_state(index, key, &state);

	if (r == 0)
		r = new_space(index, &space);
	if (r == 0)
		r = run_with(index, SQL_SPACE_DROP, state->view.space, 0);
	if (r == 0)
		r = run_with(index, SQL_PAIR_MOVE, key, space);
	if (r == 0)
		r = run_with(index, SQL_TALLY_DELETE, key, 0);
	if (r == 0)
		*state = (struct index_pair_state){.key = key, .view = {.space = space}};
	return r;
}

int index_pair_drop_rows(struct index *index, int64_t key)
{
	if (key <= 0)
		return -EINVAL;
	int r = index_begin(index);
	if (r == 0)
		r = index_end(index, drop_rows_in_tx(index, key));
	return r < 0 ? r : index_sweep_start(index);
}

static int flag_all_in_tx(struct index *index, int64_t key, unsigned set, unsigned clear)
{
	struct index_pair_state *state;
	int r = index_state(index, key, &state);

	if (r == 0)
		r = index_sweep_flags_now(index, state);
	sqlite3_stmt *stmt = r == 0 ? index_take(index, SQL_PAIR_EPOCH, &r) : NULL;
	if (!stmt)
		return r;
	unsigned epoch = state->view.epoch ^ INDEX_FLAG_EPOCH;
	(void)sqlite3_bind_int64(stmt, 1, key);
	(void)sqlite3_bind_int64(stmt, 2, epoch);
	(void)sqlite3_bind_int64(stmt, 3, set);
	(void)sqlite3_bind_int64(stmt, 4, clear);
	r = index_run(index, SQL_PAIR_EPOCH, stmt);
	if (r == 0) {
		state->view.epoch = epoch;
		state->view.old_set = set;
		state->view.old_clear = clear;
	}
	return r;
}

int index_pair_flag_all(struct index *index, int64_t key, unsigned set, unsigned clear)
{
	/* The other flags have counters and an index that hang on them row by row. */
	if (key <= 0 || ((set | clear) & ~(unsigned)INDEX_FROM_BEFORE))
		return -EINVAL;
	if (set == 0 && clear == 0)
		return 0;
	int r = index_begin(index);
	if (r == 0)
		r = index_end(index, flag_all_in_tx(index, key, set, clear));
	return r < 0 ? r : index_sweep_start(index);
}
