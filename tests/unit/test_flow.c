/* base/flow and base/endpoint: order, hashes, threads that are left behind, ends that are not what they
 * should be. */
#include "tests/unit/tap.h"
#include "base/flow.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

static struct loop *loop;
static struct flow *flow;
static char dir[64];
static int opened, error;
static size_t got_len, written, blocks;
static bool last, rewound, hashed, committed;
static char got[1 << 20];

static void on_opened(void *arg, int e)
{
	opened = e;
	error = e;
	loop_stop(loop);
}

static void on_read(void *arg, int e, void *data, size_t len, bool is_last)
{
	error = e;
	last = is_last;
	ck_assert_uint_le(got_len + len, sizeof(got));
	if (data)
		memcpy(got + got_len, data, len);
	got_len += len;
	blocks++;
	free(data);
	loop_stop(loop);
}

static void on_written(void *arg, int e, size_t len)
{
	error = e;
	written += len;
	loop_stop(loop);
}

static void on_rewound(void *arg, int e)
{
	error = e;
	rewound = true;
	loop_stop(loop);
}

static void on_hashed(void *arg, int e)
{
	error = e;
	hashed = true;
	loop_stop(loop);
}

static void on_committed(void *arg, int e)
{
	error = e;
	committed = true;
	loop_stop(loop);
}

static const struct flow_callbacks callbacks = {on_opened,  on_read,   on_written,
						on_rewound, on_hashed, on_committed};

static void begin(struct endpoint *e)
{
	ck_assert_int_eq(flow_new(loop, e, &callbacks, NULL, &flow), 0);
	ck_assert_int_eq(flow_open(flow), 0);
	opened = 1;
	while (opened == 1)
		loop_run(loop);
}

static void read_all(void)
{
	last = false;
	got_len = 0;
	error = 0;
	while (!last && error == 0) {
		ck_assert_int_eq(flow_read(flow), 0);
		size_t before = blocks;
		while (blocks == before)
			loop_run(loop);
	}
}

static void check_digest(const void *data, size_t len)
{
	struct digest d;

	ck_assert_int_eq(digest_of(data, len, &d), 0);
	ck_assert(digest_equal(&d, flow_digest(flow)));
}

static void setup(void)
{
	ck_assert_int_eq(loop_new(&loop), 0);
	snprintf(dir, sizeof(dir), "/tmp/test-flow-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	flow = NULL;
	blocks = written = got_len = 0;
	rewound = hashed = committed = false;
}

static void stop(void *arg)
{
	loop_stop(loop);
}

/* Threads end by themselves: the kernel is given its turns until they have. */
static void wait_for_threads(unsigned n)
{
	struct loop_timer timer = {0};

	while (flow_threads() > n) {
		ck_assert_int_eq(loop_timer_set(loop, &timer, 1, stop, NULL), 0);
		loop_run(loop);
	}
	loop_timer_done(&timer);
}

static void teardown(void)
{
	flow = flow_free(flow);
	wait_for_threads(0);
	loop_drain_posts(loop);
	loop_free(loop);
	ck_assert_int_eq(rmdir(dir), 0); /* nothing is left in it */
}

static struct endpoint *memory(size_t len)
{
	struct endpoint *e;
	char *data = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 7 + i / 251);
	ck_assert_int_eq(endpoint_new_memory(data, len, &e), 0);
	return e;
}

START_TEST(memory_is_read_twice)
{
	static const size_t sizes[] = {0,     1, FLOW_BLOCK_BYTES - 1, FLOW_BLOCK_BYTES, FLOW_BLOCK_BYTES + 1,
				       700000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin(memory(sizes[i]));
		ck_assert_int_eq(opened, 0);
		ck_assert_int_eq(flow_size(flow), (int64_t)sizes[i]);
		for (int turn = 0; turn < 2; turn++) {
			read_all();
			ck_assert_uint_eq(got_len, sizes[i]);
			check_digest(got, got_len);
			rewound = false;
			ck_assert_int_eq(flow_rewind(flow), 0);
			while (!rewound)
				loop_run(loop);
			ck_assert_int_eq(error, 0);
		}
		flow = flow_free(flow);
	}
}
END_TEST

START_TEST(what_a_pipe_has_comes_at_once)
{
	struct endpoint *e;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(endpoint_new_fd(fds[0], false, &e), 0);
	begin(e);
	ck_assert_int_eq(write(fds[1], "abc", 3), 3);
	ck_assert_int_eq(flow_read(flow), 0);
	while (got_len == 0)
		loop_run(loop);
	ck_assert_uint_eq(got_len, 3);
	ck_assert(!last);
	close_fd(fds[1]);
	ck_assert_int_eq(flow_read(flow), 0);
	while (!last)
		loop_run(loop);
	check_digest("abc", 3);
	ck_assert(!flow_can_rewind(flow));
}
END_TEST

/* A pipe that nobody writes to: who waits in it is called back, and its descriptor goes. */
START_TEST(a_thread_that_waits_is_called_back)
{
	struct endpoint *e;
	int fds[2];
	char byte;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(endpoint_new_fd(fds[1], true, &e), 0);
	begin(e);
	for (int i = 0; i < 8; i++) {
		char block[65536] = {0};
		ck_assert_int_eq(flow_write(flow, block, sizeof(block)), 0);
	}
	flow = flow_free(flow);
	wait_for_threads(0);
	while (read(fds[0], &byte, 1) == 1)
		;
	close_fd(fds[0]); /* its end was reached: the writer is closed */
}
END_TEST

START_TEST(threads_have_a_limit)
{
	struct flow *many[FLOW_MAX_THREADS], *over;

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		ck_assert_int_eq(flow_new(loop, memory(1), &callbacks, NULL, &many[i]), 0);
	ck_assert_int_eq(flow_new(loop, memory(1), &callbacks, NULL, &over), -EBUSY);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		flow_free(many[i]);
	wait_for_threads(0);
	ck_assert_int_eq(flow_new(loop, memory(1), &callbacks, NULL, &flow), 0);
}
END_TEST

START_TEST(small_writes_are_gathered_in_order)
{
	struct endpoint *e;
	char *path, all[100000];
	size_t done = 0;
	int fd;

	ck_assert_int_gt(asprintf(&path, "%s/file", dir), 0);
	ck_assert_int_eq(endpoint_new_path(strdup(path), true, false, &e), 0);
	begin(e);
	ck_assert_int_eq(opened, 0);
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i * 31 + i / 253);
	for (size_t n = 1; done < sizeof(all); n = n % 997 + 1) {
		n = MIN(n, sizeof(all) - done);
		ck_assert_int_eq(flow_write(flow, all + done, n), 0);
		done += n;
	}
	ck_assert_int_eq(flow_hash(flow), 0);
	ck_assert_int_eq(flow_commit(flow), 0);
	while (!committed)
		loop_run(loop);
	ck_assert_int_eq(error, 0);
	ck_assert(hashed);
	ck_assert_uint_eq(written, sizeof(all));
	ck_assert_uint_eq(flow_queued(flow), 0);
	check_digest(all, sizeof(all));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, got, sizeof(got)), sizeof(all));
	ck_assert_int_eq(memcmp(got, all, sizeof(all)), 0);
	close_fd(fd);
	/* Once more: the name is taken. */
	flow = flow_free(flow);
	ck_assert_int_eq(endpoint_new_path(strdup(path), true, false, &e), 0);
	begin(e);
	ck_assert_int_eq(opened, -EEXIST);
	unlink(path);
	free(path);
}
END_TEST

START_TEST(an_error_stays_until_it_is_taken_back)
{
	struct endpoint *e;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	close_fd(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(endpoint_new_fd(fds[1], true, &e), 0);
	begin(e);
	ck_assert_int_eq(flow_write(flow, "x", 1), 0);
	ck_assert_int_eq(flow_hash(flow), 0);
	while (!hashed)
		loop_run(loop);
	ck_assert_int_eq(error, -EPIPE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow");
	TCase *tc = tcase_create("flow");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, memory_is_read_twice);
	tcase_add_test(tc, what_a_pipe_has_comes_at_once);
	tcase_add_test(tc, a_thread_that_waits_is_called_back);
	tcase_add_test(tc, threads_have_a_limit);
	tcase_add_test(tc, small_writes_are_gathered_in_order);
	tcase_add_test(tc, an_error_stays_until_it_is_taken_back);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
