/* The parts of daemon/base that touch the system: files, loop, workers, log, watchdog. */
#include "tests/unit/tap.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "base/worker.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char dir[64];

static void make_tmp(void)
{
	snprintf(dir, sizeof(dir), "/tmp/cf-test-base-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_tmp(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_gt(pid, 0);
	waitpid(pid, NULL, 0);
}

static char *in_tmp(const char *name)
{
	char *path = fs_join(dir, name);

	ck_assert_ptr_nonnull(path);
	return path;
}

START_TEST(fs_join_has_one_slash)
{
	static const char *const cases[][3] = {
		{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a//", "//b", "a/b"}, {"/", "b", "/b"},
		{"/", "", "/"},    {"", "b", "b"},     {"a", "", "a"},        {"//", "b", "/b"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *p = fs_join(cases[i][0], cases[i][1]);
		ck_assert_str_eq(p, cases[i][2]);
	}
}
END_TEST

START_TEST(fs_atomic_write_replaces)
{
	_cleanup_free_ char *path = in_tmp("file"), *data = NULL, *again = NULL;
	size_t len = 0;
	struct stat st;

	ck_assert_int_eq(fs_write_file_atomic(path, "one", 3, 0600), 0);
	ck_assert_int_eq(fs_write_file_atomic(path, "second", 6, 0640), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(fs_read_file(path, 6, &data, &len), 0);
	ck_assert_uint_eq(len, 6);
	ck_assert_str_eq(data, "second");
	ck_assert_int_eq(fs_read_file(path, 5, &again, &len), -EFBIG);
	ck_assert_ptr_null(again);
	ck_assert_int_eq(fs_read_file(dir, 100, &again, &len), -EISDIR);
	ck_assert_int_eq(fs_read_file("/nonexistent", 100, &again, &len), -ENOENT);
	/* A file whose size stat does not know. */
	ck_assert_int_eq(fs_read_file("/proc/self/status", 1 << 20, &again, &len), 0);
	ck_assert_uint_gt(len, 100);
	ck_assert_uint_eq(strlen(again), len);

	_cleanup_free_ char *missing = in_tmp("no/file");
	ck_assert_int_eq(fs_write_file_atomic(missing, "x", 1, 0600), -ENOENT);
	_cleanup_free_ char *taken = in_tmp("taken/inside");
	ck_assert_int_eq(fs_mkdir_p(taken, 0700), 0);
	ck_assert_int_eq(fs_mkdir_p(taken, 0700), 0);
	_cleanup_free_ char *over_dir = in_tmp("taken");
	ck_assert_int_lt(fs_write_file_atomic(over_dir, "x", 1, 0600), 0);
	_cleanup_free_ char *through_file = in_tmp("file/below");
	ck_assert_int_eq(fs_mkdir_p(through_file, 0700), -ENOTDIR);
	/* No left-overs. */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(taken), 0);
	ck_assert_int_eq(rmdir(over_dir), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
}
END_TEST

START_TEST(fs_open_stays_beneath)
{
	_cleanup_free_ char *inside = in_tmp("root/a"), *link = in_tmp("root/link"), *up = in_tmp("root/up");
	_cleanup_free_ char *root = in_tmp("root");

	ck_assert_int_eq(fs_mkdir_p(inside, 0700), 0);
	ck_assert_int_eq(symlink("a", link), 0);
	ck_assert_int_eq(symlink("..", up), 0);
	_cleanup_close_ int dirfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dirfd, 0);
	int fd = fs_open_beneath(dirfd, "a/new", O_RDWR | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(fd);
	fd = fs_open_beneath(dirfd, "", O_RDONLY | O_DIRECTORY, 0);
	ck_assert_int_ge(fd, 0);
	close(fd);
	fd = fs_open_beneath(dirfd, ".", O_RDONLY | O_DIRECTORY, 0700);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(fs_open_beneath(dirfd, "link/new", O_RDONLY, 0), -ELOOP);
	ck_assert_int_eq(fs_open_beneath(dirfd, "link", O_RDONLY, 0), -ELOOP);
	ck_assert_int_eq(fs_open_beneath(dirfd, "up", O_RDONLY, 0), -ELOOP);
	ck_assert_int_eq(fs_open_beneath(dirfd, "..", O_RDONLY, 0), -EXDEV);
	ck_assert_int_eq(fs_open_beneath(dirfd, "a/../../x", O_RDONLY, 0), -EXDEV);
	ck_assert_int_eq(fs_open_beneath(dirfd, "/etc/passwd", O_RDONLY, 0), -EXDEV);
	ck_assert_int_eq(fs_open_beneath(dirfd, "none", O_RDONLY, 0), -ENOENT);
}
END_TEST

/* Loop */

struct script {
	struct loop *loop;
	char order[64];
	int again;
};

static void note(struct script *s, char c)
{
	size_t n = strlen(s->order);

	ck_assert_uint_lt(n + 1, sizeof(s->order));
	s->order[n] = c;
	s->order[n + 1] = '\0';
}

static void note_a(void *arg)
{
	note(arg, 'a');
}

static void note_b_and_defer_more(void *arg)
{
	struct script *s = arg;

	note(s, 'b');
	if (s->again-- > 0)
		ck_assert_int_eq(loop_defer(s->loop, note_b_and_defer_more, s), 0);
	else
		loop_stop(s->loop);
}

START_TEST(loop_defers_in_order)
{
	struct script s = {.again = 3}, other = {0};

	ck_assert_int_eq(loop_new(&s.loop), 0);
	loop_defer(s.loop, note_a, &s);
	loop_defer(s.loop, note_a, &other);
	loop_defer(s.loop, note_b_and_defer_more, &s);
	loop_defer(s.loop, note_a, &s);
	loop_undefer(s.loop, &other);
	ck_assert_str_eq(s.order, "");
	ck_assert_int_eq(loop_run(s.loop), 0);
	ck_assert_str_eq(s.order, "ababbb");
	ck_assert_str_eq(other.order, "");
	loop_free(s.loop);
	loop_free(NULL);
}
END_TEST

static struct loop_timer *freed_by_itself;

static void free_own_timer(void *arg)
{
	struct script *s = arg;

	note(s, 't');
	loop_timer_done(freed_by_itself);
	free(freed_by_itself);
	loop_stop(s->loop);
}

START_TEST(loop_timers)
{
	struct script s = {0};
	struct loop_timer early = {0}, stopped = {0};

	freed_by_itself = calloc(1, sizeof(*freed_by_itself));
	ck_assert_int_eq(loop_new(&s.loop), 0);
	ck_assert(!loop_timer_armed(&early));
	int64_t start = clock_monotonic_ms();
	loop_timer_set(s.loop, freed_by_itself, 20, free_own_timer, &s);
	loop_timer_set(s.loop, &early, 100000, note_a, &s);
	loop_timer_set(s.loop, &early, -1, note_a, &s);
	loop_timer_set(s.loop, &stopped, 0, note_a, &s);
	ck_assert(loop_timer_armed(&stopped));
	loop_timer_stop(&stopped);
	ck_assert(!loop_timer_armed(&stopped));
	ck_assert_int_eq(loop_run(s.loop), 0);
	ck_assert_str_eq(s.order, "at");
	ck_assert_int_ge(clock_monotonic_ms() - start, 19);
	loop_timer_done(&early);
	loop_timer_done(&early);
	loop_timer_done(&stopped);
	loop_timer_done(NULL);
	loop_free(s.loop);
}
END_TEST

#define POSTS 2000

static struct loop *post_loop;
static int posts_seen[2];

struct numbered_post {
	struct loop_post post;
	int thread, number;
};

static void on_numbered(void *arg)
{
	struct numbered_post *p = arg;

	ck_assert_int_eq(posts_seen[p->thread]++, p->number);
	if (posts_seen[0] == POSTS && posts_seen[1] == POSTS)
		loop_stop(post_loop);
}

static void *post_many(void *arg)
{
	struct numbered_post *posts = arg;

	for (int i = 0; i < POSTS; i++)
		loop_post(post_loop, &posts[i].post);
	return NULL;
}

START_TEST(loop_posts_from_threads)
{
	static struct numbered_post posts[2][POSTS];
	pthread_t threads[2];

	ck_assert_int_eq(loop_new(&post_loop), 0);
	for (int t = 0; t < 2; t++)
		for (int i = 0; i < POSTS; i++)
			posts[t][i] = (struct numbered_post){{.fn = on_numbered, .arg = &posts[t][i]}, t, i};
	for (int t = 0; t < 2; t++)
		ck_assert_int_eq(pthread_create(&threads[t], NULL, post_many, posts[t]), 0);
	ck_assert_int_eq(loop_run(post_loop), 0);
	for (int t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
	loop_free(post_loop);
}
END_TEST

/* Workers */

struct test_job {
	struct worker_job job;
	struct loop *loop;
	sem_t *gate, *entered;
	char name, *order;
	int ran, done;
	bool stop;
};

static void run_test_job(struct worker_job *job)
{
	struct test_job *t = (struct test_job *)job;
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	t->ran += sigismember(&set, SIGPIPE) && sigismember(&set, SIGTERM);
	if (t->entered)
		sem_post(t->entered);
	if (t->gate)
		sem_wait(t->gate);
	if (t->order) {
		size_t n = strlen(t->order);
		t->order[n] = t->name;
	}
}

static void done_test_job(struct worker_job *job)
{
	struct test_job *t = (struct test_job *)job;

	t->done++;
	if (t->stop)
		loop_stop(t->loop);
}

#define TEST_JOB(l, ...)                                                                                     \
	{                                                                                                    \
		.job = {.run = run_test_job, .done = done_test_job}, .loop = (l), __VA_ARGS__                \
	}

START_TEST(worker_takes_urgent_first)
{
	struct loop *loop;
	struct worker_pool *pool;
	sem_t gate, entered;
	char order[8] = "";

	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(worker_pool_new(loop, 1, &pool), 0);
	ck_assert_int_eq(worker_oldest_start_ms(pool), INT64_MAX);
	struct test_job first = TEST_JOB(loop, .gate = &gate, .entered = &entered);
	struct test_job normal = TEST_JOB(loop, .name = 'n', .order = order, .stop = true);
	struct test_job urgent = TEST_JOB(loop, .name = 'u', .order = order);
	worker_submit(pool, WORKER_NORMAL, &first.job);
	sem_wait(&entered);
	ck_assert_int_le(worker_oldest_start_ms(pool), clock_monotonic_ms());
	worker_submit(pool, WORKER_NORMAL, &normal.job);
	worker_submit(pool, WORKER_URGENT, &urgent.job);
	sem_post(&gate);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_str_eq(order, "un");
	ck_assert_int_eq(first.ran, 1);
	ck_assert_int_eq(first.done, 1);
	ck_assert_int_eq(urgent.done, 1);
	worker_pool_free(pool);
	loop_free(loop);
}
END_TEST

START_TEST(worker_keeps_a_thread_for_urgent_jobs)
{
	struct loop *loop;
	struct worker_pool *pool;
	sem_t gate, entered;

	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(worker_pool_new(loop, 2, &pool), 0);
	struct test_job hanging = TEST_JOB(loop, .gate = &gate, .entered = &entered);
	struct test_job queued = TEST_JOB(loop);
	struct test_job urgent = TEST_JOB(loop, .stop = true);
	worker_submit(pool, WORKER_NORMAL, &hanging.job);
	worker_submit(pool, WORKER_NORMAL, &queued.job);
	sem_wait(&entered);
	worker_submit(pool, WORKER_URGENT, &urgent.job);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(queued.ran, 0);
	sem_post(&gate);
	/* Running ones end, queued ones are told without having run (unless a thread got there first). */
	ck_assert_ptr_null(worker_pool_free(pool));
	ck_assert_int_eq(hanging.done, 1);
	ck_assert_int_eq(queued.done, 1);
	worker_pool_free(NULL);
	loop_free(loop);
}
END_TEST

/* Log: what a child wrote on its stderr. */
static void log_output(void (*writer)(void), char *out, size_t size)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	int saved = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	writer();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	ssize_t n = fs_read_full(fds[0], out, size - 1);
	close(fds[0]);
	ck_assert_int_ge(n, 0);
	out[n] = '\0';
}

static void write_hostile(void)
{
	log_init();
	log_debug("not shown");
	errno = EXDEV;
	log_error("name %s", "a\n\x1b[31m\xff\xc2\x85\"q\"");
	ck_assert_int_eq(errno, EXDEV);
	log_write(LOG_LEVEL_WARNING,
		  LOG_FIELDS(LOG_PAIR("docs"), LOG_PATH("a \"b\"\n\\c"), LOG_BUCKET(NULL), LOG_PROFILE("é")),
		  "Held");
}

START_TEST(log_escapes_outside_strings)
{
	char out[4096];

	unsetenv("JOURNAL_STREAM");
	unsetenv("SYSTEMD_EXEC_PID");
	log_output(write_hostile, out, sizeof(out));
	ck_assert_str_eq(out,
			 "error: name a\\x0A\\x1B[31m\\xFF\\xC2\\x85\"q\"\n"
			 "warning: Held pair=\"docs\" path=\"a \\x22b\\x22\\x0A\\x5Cc\" profile=\"é\"\n");
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("SYSTEMD_EXEC_PID", pid, 1);
	log_output(write_hostile, out, sizeof(out));
	ck_assert_int_eq(strncmp(out, "<3>name a", 9), 0);
	ck_assert_ptr_nonnull(strstr(out, "\n<4>Held pair="));
	_cleanup_free_ char *quoted = log_quote("a\"\\\0b", 5);
	ck_assert_str_eq(quoted, "a\\x22\\x5C\\x00b");
	_cleanup_free_ char *empty = log_quote("", 0);
	ck_assert_str_eq(empty, "");
}
END_TEST

START_TEST(log_levels)
{
	enum log_level level;

	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		ck_assert_int_eq(log_level_parse(log_level_name((enum log_level)i), &level), 0);
		ck_assert_int_eq((int)level, i);
	}
	ck_assert_int_eq(log_level_parse("loud", &level), -EINVAL);
}
END_TEST

/* The watchdog as systemd would see it. */
static int notify_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	return fd;
}

static void expect_datagram(int fd, const char *expected)
{
	char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, expected);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

START_TEST(notify_feeds_the_watchdog)
{
	_cleanup_free_ char *path = in_tmp("notify");
	_cleanup_close_ int fd = notify_socket(path);
	struct notify_watchdog *w;
	struct loop_timer end = {0};
	struct loop *loop;

	ck_assert_int_eq(loop_new(&loop), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	int events = event_base_get_num_events(loop_base(loop), EVENT_BASE_COUNT_ADDED);
	ck_assert_int_eq(notify_watchdog_new(loop, NULL, &w), 0);
	ck_assert_int_eq(event_base_get_num_events(loop_base(loop), EVENT_BASE_COUNT_ADDED), events);
	notify_watchdog_free(w);

	notify_ready();
	expect_datagram(fd, "READY=1");
	notify_status("line\nREADY=%d", 0);
	expect_datagram(fd, "STATUS=line READY=0");
	notify_stopping();
	expect_datagram(fd, "STOPPING=1");

	setenv("WATCHDOG_USEC", "30000", 1);
	ck_assert_int_eq(notify_watchdog_new(loop, NULL, &w), 0);
	loop_timer_set(loop, &end, 100, stop_loop, loop);
	ck_assert_int_eq(loop_run(loop), 0);
	for (int i = 0; i < 3; i++)
		expect_datagram(fd, "WATCHDOG=1");
	ck_assert_ptr_null(notify_watchdog_free(w));
	notify_watchdog_free(NULL);
	loop_timer_done(&end);
	loop_free(loop);
	unsetenv("WATCHDOG_USEC");
	unsetenv("NOTIFY_SOCKET");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base_os");
	TCase *tc = tcase_create("base_os");

	tcase_set_timeout(tc, 60); /* valgrind and sanitizers on a busy machine */

	tcase_add_checked_fixture(tc, make_tmp, remove_tmp);
	tcase_add_test(tc, fs_join_has_one_slash);
	tcase_add_test(tc, fs_atomic_write_replaces);
	tcase_add_test(tc, fs_open_stays_beneath);
	tcase_add_test(tc, loop_defers_in_order);
	tcase_add_test(tc, loop_timers);
	tcase_add_test(tc, loop_posts_from_threads);
	tcase_add_test(tc, worker_takes_urgent_first);
	tcase_add_test(tc, worker_keeps_a_thread_for_urgent_jobs);
	tcase_add_test(tc, log_escapes_outside_strings);
	tcase_add_test(tc, log_levels);
	tcase_add_test(tc, notify_feeds_the_watchdog);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
