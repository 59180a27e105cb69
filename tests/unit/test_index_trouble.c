/* The index where something is wrong: broken files, a full disk, readers beside the writer, kill -9. */
#include "tests/unit/index_fixture.h"

static void assert_replaced(void)
{
	_cleanup_free_ char *broken = store_path("index.db.broken-1");

	ck_assert(open_index());
	ck_assert_int_eq(access(broken, F_OK), 0);
	ck_assert_int_eq(new_pair(ids[0]), 1);
	reopen();
}

START_TEST(not_a_database)
{
	ix = index_close(ix);
	store_write("index.db",
		    "this is no database, and longer than a header of one would be: "
		    "0123456789012345678901234567890123456789",
		    0600);
	assert_replaced();
}
END_TEST

START_TEST(somebody_elses_database)
{
	sqlite3 *db;

	ix = index_close(ix);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_replaced();
}
END_TEST

START_TEST(another_layout)
{
	ck_assert_int_eq(sqlite3_exec(ix->db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	ix = index_close(ix);
	assert_replaced();
}
END_TEST

START_TEST(a_table_is_missing)
{
	ck_assert_int_eq(sqlite3_exec(ix->db, "DROP TABLE skip", NULL, NULL, NULL), SQLITE_OK);
	ix = index_close(ix);
	assert_replaced();
}
END_TEST

START_TEST(a_directory_or_a_pipe)
{
	ix = index_close(ix);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert(open_index());
	ix = index_close(ix);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert(open_index());
	_cleanup_free_ char *second = store_path("index.db.broken-2");
	ck_assert_int_eq(access(second, F_OK), 0);
}
END_TEST

static int nothing(void *arg, const struct index_row *row)
{
	return 0;
}

/* Damage in the middle shows when it is met, and the next start does not trust the file any more. */
START_TEST(damage_in_the_middle)
{
	int64_t a = new_pair(ids[0]);
	struct stat st;
	static const char junk[4096];

	put_many(a, 20000);
	ix = index_close(ix);
	ck_assert_int_eq(stat(path, &st), 0);
	int fd = open(path, O_RDWR);
	for (off_t at = 100 * 4096; at < st.st_size; at += 4096)
		ck_assert_int_eq(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
	close(fd);
	ck_assert(!open_index()); /* opening reads no rows */
	ck_assert_int_eq(index_range(ix, a, "", NULL, 100000, nothing, NULL), ERR_CORRUPT);
	ix = index_close(ix);
	assert_replaced();
}
END_TEST

START_TEST(disk_full_in_the_middle)
{
	int64_t a = new_pair(ids[0]);
	struct index_pair before, after;
	char sql[64], p[32];
	int r = 0;

	put_many(a, 100);
	ck_assert_int_eq(index_pair_get(ix, ids[0], &before), 0);
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %d", (int)count("PRAGMA page_count") + 20);
	ck_assert_int_eq(sqlite3_exec(ix->db, sql, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(index_begin(ix), 0);
	for (int i = 0; i < 10000 && r == 0; i++) {
		snprintf(p, sizeof(p), "full/%06d", i);
		struct index_row row = simple_row(p, 1);
		r = index_put(ix, a, &row);
	}
	ck_assert_int_eq(r, -ENOSPC);
	struct index_row row = simple_row("after", 1), got;
	ck_assert_int_eq(index_put(ix, a, &row), -ENOSPC); /* never alone, outside of its transaction */
	ck_assert_int_eq(index_commit(ix), -ENOSPC);
	ck_assert_int_eq(index_get(ix, a, "full/000000", &got), -ENOENT);
	ck_assert_int_eq(index_get(ix, a, "after", &got), -ENOENT);
	ck_assert_int_eq(index_pair_get(ix, ids[0], &after), 0);
	ck_assert_int_eq(after.files, before.files);
	ck_assert_int_eq(count("SELECT count(*) FROM file"), 100);
	ck_assert_int_eq(sqlite3_exec(ix->db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL),
			 SQLITE_OK);
	ck_assert_int_eq(index_put(ix, a, &row), 0); /* there is room again */
}
END_TEST

START_TEST(errors_of_sqlite)
{
	ck_assert_int_eq(index_error(NULL, SQLITE_ROW), 0);
	ck_assert_int_eq(index_error(NULL, SQLITE_FULL), -ENOSPC);
	ck_assert_int_eq(index_error(NULL, SQLITE_IOERR_READ), -EIO);
	ck_assert_int_eq(index_error(NULL, SQLITE_IOERR_NOMEM), -ENOMEM);
	ck_assert_int_eq(index_error(NULL, SQLITE_CORRUPT_VTAB), ERR_CORRUPT);
	ck_assert_int_eq(index_error(NULL, SQLITE_NOTADB), ERR_CORRUPT);
	ck_assert_int_eq(index_error(NULL, SQLITE_READONLY_DBMOVED), -EROFS);
	ck_assert_int_eq(index_error(NULL, SQLITE_BUSY_SNAPSHOT), -EBUSY);
	bool fresh;
	struct index *other;
	ck_assert_int_eq(index_open("/nonexistent/index.db", loop, pool, &other, &fresh), -ENOENT);
}
END_TEST

START_TEST(mode_of_the_files)
{
	static const char *const names[] = {"index.db", "index.db-wal", "index.db-shm"};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *p = store_path(names[i]);
		ck_assert_int_eq(stat(p, &st), 0);
		ck_assert_int_eq(st.st_mode & 0777, 0600);
	}
}
END_TEST

/* The WAL is taken in by a worker, and starts again from its beginning. */
START_TEST(checkpoints)
{
	int64_t a = new_pair(ids[0]);
	_cleanup_free_ char *wal = store_path("index.db-wal");
	struct stat st;

	for (int i = 0; i < 12; i++) {
		put_many(a, 20000);
		settle();
	}
	ck_assert_int_eq(stat(wal, &st), 0);
	ck_assert_int_lt(st.st_size, 24 << 20); /* all of it would be some 35 MB */
	put_many(a, 20000);
	ix = index_close(ix); /* while one runs */
	ck_assert(!open_index());
}
END_TEST

struct reading {
	int64_t pair;
	int walks, failures;
	bool stop;
};

static int sizes_equal(void *arg, const struct index_row *row)
{
	int64_t *size = arg;

	if (*size == 0)
		*size = row->size;
	return *size == row->size ? 0 : -EBADMSG;
}

static void *read_on(void *arg)
{
	struct reading *r = arg;
	struct index_reader *reader = NULL;

	if (index_reader_open(path, &reader) < 0)
		r->failures++;
	while (reader && !__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		int64_t size = 0;
		int n = index_reader_range(reader, r->pair, "", NULL, 1000, sizes_equal, &size);
		if (n != 50)
			r->failures++;
		r->walks++;
	}
	index_reader_close(reader);
	return NULL;
}

/* Each walk of another thread sees one commit, whole. */
START_TEST(readers_see_whole_commits)
{
	struct reading r = {.pair = new_pair(ids[0])};
	pthread_t thread;
	char p[16];

	for (int64_t size = 1; size < 400; size++) {
		ck_assert_int_eq(index_begin(ix), 0);
		for (int i = 0; i < 50; i++) {
			snprintf(p, sizeof(p), "%02d", i);
			struct index_row row = simple_row(p, size);
			ck_assert_int_eq(index_put(ix, r.pair, &row), 0);
		}
		ck_assert_int_eq(index_commit(ix), 0);
		if (size == 1)
			ck_assert_int_eq(pthread_create(&thread, NULL, read_on, &r), 0);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	ck_assert_int_eq(r.failures, 0);
}
END_TEST

/* Transactions of ten rows that all say the same number, for ever. */
static _Noreturn void write_for_ever(int ready)
{
	struct index_pair pair;
	char p[32];

	if (loop_new(&loop) < 0 || worker_pool_new(loop, 1, &pool) < 0)
		_exit(1);
	bool fresh;
	if (index_open(path, loop, pool, &ix, &fresh) < 0 || fresh || index_pair_get(ix, ids[0], &pair) < 0)
		_exit(2);
	for (int64_t n = 1;; n++) {
		int group = (int)(n * 7919 % 1000);
		index_begin(ix);
		for (int i = 0; i < 10; i++) {
			snprintf(p, sizeof(p), "g%03d/%d", group, i);
			struct index_row row = simple_row(p, n);
			if (n % 5 == 0)
				index_drop(ix, pair.key, p);
			else
				index_put(ix, pair.key, &row);
		}
		if (n % 97 == 0)
			index_pair_flag_all(ix, pair.key, n % 2 ? INDEX_FROM_BEFORE : 0,
					    n % 2 ? 0 : INDEX_FROM_BEFORE);
		if (index_commit(ix) < 0)
			_exit(3);
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
		if (n == 5 && write(ready, "x", 1) != 1)
			_exit(4);
	}
}

struct group {
	char name[8];
	int n;
	int64_t size, files, bytes;
};

static int check_group(void *arg, const struct index_row *row)
{
	struct group *g = arg;

	g->files++;
	g->bytes += row->size;
	if (strncmp(g->name, row->path, 4) != 0) {
		ck_assert_msg(g->n == 0 || g->n == 10, "%s has %d", g->name, g->n);
		*g = (struct group){.size = row->size, .files = g->files, .bytes = g->bytes};
		memcpy(g->name, row->path, 4);
	}
	ck_assert_int_eq(row->size, g->size);
	g->n++;
	return 0;
}

START_TEST(kill_at_any_moment)
{
	int64_t a = new_pair(ids[0]);

	srandom((unsigned)getpid());
	for (int round = 0; round < 12; round++) {
		int ready[2], status;
		char byte;
		ix = index_close(ix);
		ck_assert_int_eq(pipe(ready), 0);
		pid_t pid = fork();
		if (pid == 0)
			write_for_ever(ready[1]);
		close(ready[1]);
		ck_assert_int_eq(read(ready[0], &byte, 1), 1);
		close(ready[0]);
		usleep((useconds_t)(random() % 60000)); /* the moment of the kill is the test's input */
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));

		ck_assert(!open_index());
		struct group g = {0};
		struct index_pair pair;
		ck_assert_int_ge(index_range(ix, a, "", NULL, 100000, check_group, &g), 0);
		ck_assert(g.n == 0 || g.n == 10);
		ck_assert_int_eq(index_pair_get(ix, ids[0], &pair), 0);
		ck_assert_int_eq(pair.files, g.files);
		ck_assert_int_eq(pair.bytes, g.bytes);
		ck_assert_int_eq(count("SELECT count(*) FROM file"), g.files);
		settle();
	}
	ck_assert_int_eq(count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
			 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("index_trouble");
	TCase *tc = tcase_create("index_trouble");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, not_a_database);
	tcase_add_test(tc, somebody_elses_database);
	tcase_add_test(tc, another_layout);
	tcase_add_test(tc, a_table_is_missing);
	tcase_add_test(tc, a_directory_or_a_pipe);
	tcase_add_test(tc, damage_in_the_middle);
	tcase_add_test(tc, disk_full_in_the_middle);
	tcase_add_test(tc, errors_of_sqlite);
	tcase_add_test(tc, mode_of_the_files);
	tcase_add_test(tc, checkpoints);
	tcase_add_test(tc, readers_see_whole_commits);
	tcase_add_test(tc, kill_at_any_moment);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
