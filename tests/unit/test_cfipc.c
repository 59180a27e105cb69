/* libcfipc against the daemon's service (ipc-testserver): calls, streams, descriptors, cancellation,
 * timeouts, disconnects, loops of others, and that no callback is lost, doubled or run where it must not. */
#include "libcfipc/cfipc.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND 1000000
#define T      "org.example.test."

static char directory[64], path[96], address[128];
static pid_t server;
static int server_stdin;

static void start_server(void)
{
	int in[2], out[2];
	char program[512];

	snprintf(program, sizeof(program), "%s/tests/unit/ipc-testserver",
		 getenv("top_builddir") ? getenv("top_builddir") : ".");
	ck_assert_int_eq(pipe(in), 0);
	ck_assert_int_eq(pipe(out), 0);
	server = fork();
	if (server == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		execl(program, "ipc-testserver", path, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	char ready;

	ck_assert_msg(read(out[0], &ready, 1) == 1, "%s does not start", program);
	close(out[0]);
	server_stdin = in[1];
}

static void stop_server(void)
{
	if (!server)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(server_stdin);
	server = 0;
}

static void set_up(void)
{
	snprintf(directory, sizeof(directory), "/tmp/cfipc-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(address, sizeof(address), "unix:%s;ignored", path);
	start_server();
}

static void tear_down(void)
{
	char lock[128];

	stop_server();
	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	unlink(path);
	rmdir(directory);
}

static cfipc_client *new_client(void)
{
	cfipc_client *client = NULL;
	cfipc_options options;

	cfipc_options_init(&options, sizeof(options));
	options.address = address;
	ck_assert_int_eq(cfipc_client_new(&client, &options), 0);
	return client;
}

/* What the callbacks of one op were given. */
struct seen {
	int replies, finals, local, code, cancel_after;
	char last[256];
};

static int note(cfipc_op *op, const char *json, const cfipc_error *error, unsigned flags, void *userdata)
{
	struct seen *seen = userdata;

	ck_assert_int_eq(seen->finals, 0);
	ck_assert(!json != !error);
	seen->replies++;
	seen->finals += !(flags & CFIPC_CONTINUES);
	seen->local += !!(flags & CFIPC_LOCAL);
	seen->code = cfipc_error_code(error);
	snprintf(seen->last, sizeof(seen->last), "%.200s", json ? json : cfipc_error_message(error));
	return seen->cancel_after && seen->replies >= seen->cancel_after ? -1 : 0;
}

static cfipc_op *start(cfipc_client *client, const char *method, const char *json, unsigned flags,
		       struct seen *seen)
{
	cfipc_op *op = NULL;

	memset(seen, 0, sizeof(*seen));
	ck_assert_int_eq(cfipc_call_async(client, &op, method, json, flags, note, seen), 0);
	ck_assert_int_eq(seen->replies, 0);
	return op;
}

static void run_until(cfipc_client *client, const int *flag)
{
	for (int i = 0; i < 100000 && !*flag; i++)
		if (cfipc_client_process(client) == 0)
			ck_assert_int_eq(cfipc_client_wait(client, 10 * SECOND), 1);
	ck_assert_int_ne(*flag, 0);
}

START_TEST(call_and_errors)
{
	cfipc_client *c = new_client();
	cfipc_error *error = NULL;
	char *json = NULL;

	ck_assert_int_eq(cfipc_client_is_connected(c), 0);
	ck_assert_int_eq(cfipc_call(c, T "Echo", " { \"text\" : \"a b/\\u00e9\" } ", &json, &error), 0);
	ck_assert_str_eq(json, "{\"text\":\"a b/\xc3\xa9\"}");
	ck_assert_ptr_null(error);
	ck_assert_int_eq(cfipc_client_is_connected(c), 1);
	free(json);
	ck_assert_int_eq(cfipc_call(c, T "Later", "{\"ms\":0}", &json, NULL), 0);
	ck_assert_str_eq(json, "{}");
	free(json);

	ck_assert_int_eq(cfipc_call(c, T "Fail", NULL, &json, &error), -EREMOTEIO);
	ck_assert_ptr_null(json);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_UNKNOWN);
	ck_assert_str_eq(cfipc_error_name(error), T "Failed");
	ck_assert_str_eq(cfipc_error_message(error), "it had to fail");
	ck_assert_str_eq(cfipc_error_json(error), "{\"why\":\"because\",\"message\":\"it had to fail\"}");
	ck_assert_ptr_null(cfipc_error_hint(error));
	ck_assert_int_eq(cfipc_exit_code(-EREMOTEIO, error), 1);
	cfipc_error *copy = cfipc_error_copy(error);

	cfipc_error_free(error);
	ck_assert_str_eq(cfipc_error_message(copy), "it had to fail");
	cfipc_error_free(copy);

	ck_assert_int_eq(cfipc_call(c, T "Echo", "{\"txet\":1}", NULL, &error), -EREMOTEIO);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_INVALID_PARAMETER);
	ck_assert_str_eq(cfipc_error_message(error), "invalid parameter: text");
	ck_assert_int_eq(cfipc_exit_code(-EREMOTEIO, error), 2);
	cfipc_error_free(error);
	ck_assert_int_eq(cfipc_call(c, T "Absent", NULL, NULL, &error), -EREMOTEIO);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_METHOD_NOT_IMPLEMENTED);
	cfipc_error_free(error);
	ck_assert_int_eq(cfipc_call(c, T "Stream", "{\"count\":1,\"bytes\":1}", NULL, &error), -EREMOTEIO);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_EXPECTED_MORE);
	cfipc_error_free(error);
	ck_assert_ptr_null(cfipc_client_unref(c));
}
END_TEST

START_TEST(wrong_arguments)
{
	cfipc_client *c = new_client(), *d = NULL;
	cfipc_options options;
	cfipc_error *error = NULL;

	ck_assert_int_eq(cfipc_call(c, "Echo", NULL, NULL, &error), -EINVAL);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_USAGE);
	cfipc_error_free(error);
	ck_assert_int_eq(cfipc_call(c, T "Echo", "[]", NULL, NULL), -EINVAL);
	ck_assert_int_eq(cfipc_call(c, T "Echo", "{\"a\":", NULL, NULL), -EINVAL);
	ck_assert_int_eq(cfipc_call(c, T "Echo\",\"oneway\":true,\"x.", "{}", NULL, NULL), -EINVAL);
	ck_assert_int_eq(cfipc_call_async(c, NULL, T "Echo", NULL, CFIPC_MORE | CFIPC_ONEWAY, NULL, NULL),
			 -EINVAL);
	ck_assert_int_eq(cfipc_call_async(c, NULL, T "Echo", NULL, 1 << 9, NULL, NULL), -EINVAL);
	size_t size = 1100000;
	char *big = malloc(size);

	snprintf(big, size, "{\"text\":\"%01048576d\"}", 0);
	ck_assert_int_eq(cfipc_call(c, T "Echo", big, NULL, NULL), -E2BIG);
	free(big);
	cfipc_options_init(&options, sizeof(options));
	options.address = "tcp:localhost:1";
	ck_assert_int_eq(cfipc_client_new(&d, &options), -EPROTONOSUPPORT);
	options.address = "relative";
	ck_assert_int_eq(cfipc_client_new(&d, &options), -EINVAL);
	char longest[200];

	snprintf(longest, sizeof(longest), "unix:/%0107d", 0);
	options.address = longest;
	ck_assert_int_eq(cfipc_client_new(&d, &options), -ENAMETOOLONG);
	ck_assert_ptr_null(d);
	ck_assert_ptr_null(cfipc_client_unref(NULL));
	ck_assert_ptr_null(cfipc_op_unref(NULL));
	ck_assert_ptr_null(cfipc_error_free(NULL));
	cfipc_op_cancel(NULL);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(no_daemon)
{
	stop_server();
	cfipc_client *c = new_client();
	cfipc_error *error = NULL;

	ck_assert_int_eq(cfipc_call(c, T "Echo", NULL, NULL, &error), -ECONNREFUSED);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_NOT_RUNNING);
	ck_assert_ptr_nonnull(strstr(cfipc_error_message(error), path));
	ck_assert_ptr_nonnull(cfipc_error_hint(error));
	ck_assert_ptr_null(cfipc_error_name(error));
	ck_assert_int_eq(cfipc_exit_code(-ECONNREFUSED, error), 3);
	cfipc_error_free(error);
	unlink(path);
	ck_assert_int_eq(cfipc_call(c, T "Echo", NULL, NULL, &error), -ENOENT);
	ck_assert_int_eq(cfipc_exit_code(-ENOENT, error), 3);
	cfipc_error_free(error);
	start_server();
	ck_assert_int_eq(cfipc_call(c, T "Echo", "{\"text\":\"\"}", NULL, NULL), 0);
	/* A daemon that was restarted meanwhile is found again, and the call is not lost. */
	stop_server();
	start_server();
	ck_assert_int_eq(cfipc_call(c, T "Echo", "{\"text\":\"\"}", NULL, NULL), 0);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(disconnect_ends_every_op_once)
{
	cfipc_client *c = new_client();
	struct seen seen[4];
	cfipc_op *ops[4];

	for (int i = 0; i < 4; i++)
		ops[i] = start(c, T "Hang", NULL, i == 3 ? CFIPC_DEDICATED : 0, &seen[i]);
	ck_assert_int_eq(cfipc_client_flush(c), 0);
	stop_server();
	for (int i = 0; i < 4; i++) {
		run_until(c, &seen[i].finals);
		ck_assert_int_eq(seen[i].code, CFIPC_ERROR_DISCONNECTED);
		ck_assert_int_eq(seen[i].local, 1);
		ck_assert_int_eq(cfipc_op_wait(ops[i], 0), -ECONNRESET);
		ck_assert_int_eq(cfipc_exit_code(-ECONNRESET, cfipc_op_get_error(ops[i])), 3);
		cfipc_op_unref(ops[i]);
	}
	cfipc_client_unref(c);
}
END_TEST

START_TEST(stream)
{
	cfipc_client *c = new_client();
	struct seen seen, other;
	cfipc_op *op = start(c, T "Stream", "{\"count\":500,\"bytes\":10}", CFIPC_MORE, &seen);

	ck_assert_int_eq(cfipc_op_is_done(op), 0);
	ck_assert_int_eq(cfipc_op_wait(op, 10 * SECOND), 0);
	ck_assert_int_eq(cfipc_op_is_done(op), 1);
	ck_assert_int_eq(seen.replies, 500);
	ck_assert_str_eq(seen.last, "{\"n\":500,\"fill\":\"xxxxxxxxxx\"}");
	cfipc_op_unref(op);
	/* A negative return ends it, here and in the daemon, and nothing more is delivered. */
	op = start(c, T "Stream", "{\"count\":1000000000,\"bytes\":10}", CFIPC_MORE, &seen);
	seen.cancel_after = 5;
	ck_assert_int_eq(cfipc_op_wait(op, 10 * SECOND), -ECANCELED);
	ck_assert_int_eq(seen.replies, 6);
	ck_assert_int_eq(seen.code, CFIPC_ERROR_CANCELED);
	cfipc_op_unref(op);
	/* A stream does not hold up a question, and its events wait while a call blocks. */
	op = start(c, T "Stream", "{\"count\":1000,\"bytes\":10}", CFIPC_MORE, &seen);
	ck_assert_int_eq(cfipc_call(c, T "Later", "{\"ms\":50}", NULL, NULL), 0);
	ck_assert_int_eq(seen.replies, 0);
	struct pollfd p = {.fd = cfipc_client_get_fd(c), .events = (short)cfipc_client_get_events(c)};

	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert_int_eq(cfipc_client_get_timeout(c), 0);
	cfipc_op *second = start(c, T "Echo", "{\"text\":\"x\"}", 0, &other);

	ck_assert_int_eq(cfipc_op_wait(second, -1), 0);
	ck_assert_int_eq(seen.replies, 0);
	run_until(c, &seen.finals);
	ck_assert_int_eq(seen.replies, 1000);
	cfipc_op_unref(op);
	cfipc_op_unref(second);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(stream_is_not_hoarded)
{
	cfipc_client *c = new_client();
	struct seen seen;
	cfipc_op *op = start(c, T "Stream", "{\"count\":2000,\"bytes\":100000}", CFIPC_MORE, &seen);

	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(cfipc_call(c, T "Later", "{\"ms\":1}", NULL, NULL), 0);
	char status[4096];
	FILE *f = fopen("/proc/self/statm", "r");
	long pages[2];

	ck_assert_ptr_nonnull(fgets(status, sizeof(status), f));
	fclose(f);
	ck_assert_int_eq(sscanf(status, "%ld %ld", &pages[0], &pages[1]), 2);
	ck_assert_int_lt(pages[1] * 4096, 100 << 20); /* not 200 MB */
	run_until(c, &seen.finals);
	ck_assert_int_eq(seen.replies, 2000);
	cfipc_op_unref(op);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(cancel_and_timeout)
{
	cfipc_client *c = new_client();
	struct seen seen[3];
	cfipc_op *op = start(c, T "Later", "{\"ms\":100}", 0, &seen[0]);
	cfipc_op *after = start(c, T "Echo", "{\"text\":\"after\"}", 0, &seen[1]);

	/* On the shared connection the reply of the cancelled one is awaited and dropped. */
	ck_assert_int_eq(cfipc_client_flush(c), 0);
	cfipc_op_cancel(op);
	cfipc_op_cancel(op);
	ck_assert_int_eq(seen[0].finals, 0);
	ck_assert_int_eq(cfipc_op_wait(op, -1), -ECANCELED);
	ck_assert_int_eq(cfipc_exit_code(-ECANCELED, cfipc_op_get_error(op)), 130);
	ck_assert_int_eq(cfipc_op_wait(after, -1), 0);
	ck_assert_str_eq(seen[1].last, "{\"text\":\"after\"}");
	cfipc_op_unref(op);
	cfipc_op_unref(after);
	/* Before it is sent. */
	op = start(c, T "Echo", "{\"text\":\"x\"}", 0, &seen[0]);
	cfipc_op_cancel(op);
	ck_assert_int_eq(cfipc_op_wait(op, -1), -ECANCELED);
	cfipc_op_cancel(op);
	cfipc_op_unref(op);
	/* Time limits: of the op, of the wait, of the client. */
	op = start(c, T "Later", "{\"ms\":300}", CFIPC_DEDICATED, &seen[0]);
	ck_assert_int_eq(cfipc_op_wait(op, 1000), -ETIMEDOUT);
	ck_assert_int_eq(cfipc_op_is_done(op), 0);
	ck_assert_int_eq(cfipc_op_set_timeout(op, 20000), 0);
	ck_assert_int_eq(cfipc_op_wait(op, -1), -ETIMEDOUT);
	ck_assert_int_eq(cfipc_op_is_done(op), 1);
	ck_assert_int_eq(seen[0].code, CFIPC_ERROR_TIMEOUT);
	cfipc_op_unref(op);
	cfipc_client_set_timeout(c, 20000);
	cfipc_error *error = NULL;

	ck_assert_int_eq(cfipc_call(c, T "Hang", NULL, NULL, &error), -ETIMEDOUT);
	ck_assert_int_eq(cfipc_exit_code(-ETIMEDOUT, error), 7);
	cfipc_error_free(error);
	/* The descriptor tells of a deadline. */
	op = start(c, T "Hang", NULL, CFIPC_DEDICATED, &seen[2]);
	while (cfipc_client_process(c) > 0)
		;
	ck_assert_int_gt(cfipc_client_get_timeout(c), 0);
	struct pollfd p = {.fd = cfipc_client_get_fd(c), .events = POLLIN};

	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	run_until(c, &seen[2].finals);
	ck_assert_int_eq(seen[2].code, CFIPC_ERROR_TIMEOUT);
	ck_assert_int_eq(cfipc_client_get_timeout(c), -1);
	cfipc_op_unref(op);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(unref_ends_ops)
{
	cfipc_client *c = new_client();
	struct seen seen[3];
	cfipc_op *sent = start(c, T "Hang", NULL, 0, &seen[0]);

	ck_assert_int_eq(cfipc_client_flush(c), 0);
	cfipc_op *fresh = start(c, T "Hang", NULL, CFIPC_MORE, &seen[1]);

	memset(&seen[2], 0, sizeof(seen[2]));
	ck_assert_int_eq(cfipc_call_async(c, NULL, T "Echo", NULL, 0, note, &seen[2]), 0);
	cfipc_client_unref(c);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(seen[i].finals, 1);
		ck_assert_int_eq(seen[i].code, CFIPC_ERROR_CANCELED);
	}
	ck_assert_int_eq(cfipc_op_is_done(sent), 1);
	ck_assert_int_eq(cfipc_op_wait(sent, -1), -ECANCELED);
	cfipc_op_cancel(sent);
	ck_assert_int_eq(cfipc_op_push_dup_fd(fresh, 0), -EBUSY);
	cfipc_op_unref(sent);
	cfipc_op_unref(fresh);
}
END_TEST

START_TEST(oneway)
{
	cfipc_client *c = new_client();
	struct seen seen[20];
	char *json;

	for (int i = 0; i < 20; i++)
		cfipc_op_unref(start(c, T "Echo", "{\"text\":\"x\"}",
				     CFIPC_ONEWAY | (i % 2 ? 0 : CFIPC_DEDICATED), &seen[i]));
	ck_assert_int_eq(cfipc_client_flush(c), 0);
	for (int i = 0; i < 20; i++) {
		run_until(c, &seen[i].finals);
		ck_assert_int_eq(seen[i].code, 0);
	}
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(cfipc_call(c, T "Count", NULL, &json, NULL), 0);
		bool all = strstr(json, "\"oneway\":20");

		free(json);
		if (all)
			break;
		ck_assert_int_lt(i, 99);
		ck_assert_int_eq(cfipc_call(c, T "Later", "{\"ms\":10}", NULL, NULL), 0);
	}
	cfipc_client_unref(c);
}
END_TEST

START_TEST(descriptors)
{
	cfipc_client *c = new_client();
	struct seen seen;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "hello", 5), 5);
	cfipc_op *op = start(c, T "ReadFd", "{\"fd\":0}", 0, &seen);

	ck_assert_int_eq(cfipc_op_push_dup_fd(op, fds[0]), 0);
	ck_assert_int_eq(cfipc_op_wait(op, -1), 0);
	ck_assert_str_eq(seen.last, "{\"data\":\"hello\"}");
	ck_assert_int_eq(cfipc_op_push_fd(op, fds[1]), -EBUSY);
	ck_assert_int_eq(cfipc_op_take_fd(op, 0), -ENOENT);
	cfipc_op_unref(op);
	close(fds[1]);
	op = start(c, T "ReadFd", "{\"fd\":0}", 0, &seen);
	for (int i = 0; i < CFIPC_FDS_MAX; i++)
		ck_assert_int_eq(cfipc_op_push_dup_fd(op, fds[0]), i);
	ck_assert_int_eq(cfipc_op_push_dup_fd(op, fds[0]), -EMFILE);
	ck_assert_int_eq(cfipc_op_wait(op, -1), -EREMOTEIO);
	ck_assert_int_eq(seen.code, CFIPC_ERROR_INVALID_PARAMETER);
	cfipc_op_unref(op);
	/* Never sent: closed with the op. */
	op = start(c, T "ReadFd", "{\"fd\":0}", 0, &seen);
	ck_assert_int_eq(cfipc_op_push_fd(op, fds[0]), 0);
	cfipc_op_cancel(op);
	cfipc_op_wait(op, -1);
	cfipc_op_unref(op);
	ck_assert_int_eq(close(fds[0]), -1);
	cfipc_client_unref(c);
}
END_TEST

static int call_inside(cfipc_op *op, const char *json, const cfipc_error *error, unsigned flags,
		       void *userdata)
{
	cfipc_client *c = userdata;
	char *inner = NULL;

	ck_assert_int_eq(cfipc_client_process(c), -EBUSY);
	ck_assert_int_eq(cfipc_op_wait(op, -1), -EBUSY);
	ck_assert_int_eq(cfipc_call(c, T "Echo", "{\"text\":\"inner\"}", &inner, NULL), 0);
	ck_assert_str_eq(inner, "{\"text\":\"inner\"}");
	free(inner);
	return 0;
}

static int unref_inside(cfipc_op *op, const char *json, const cfipc_error *error, unsigned flags,
			void *userdata)
{
	cfipc_client **c = userdata;

	*c = cfipc_client_unref(*c);
	return 0;
}

START_TEST(from_inside_a_callback)
{
	cfipc_client *c = new_client();
	cfipc_op *op = NULL;
	struct seen seen;

	ck_assert_int_eq(
		cfipc_call_async(c, &op, T "Stream", "{\"count\":3,\"bytes\":1}", CFIPC_MORE, call_inside, c),
		0);
	ck_assert_int_eq(cfipc_op_wait(op, -1), 0);
	cfipc_op_unref(op);
	/* The client may be let go by a callback while others wait for theirs. */
	ck_assert_int_eq(cfipc_call_async(c, NULL, T "Echo", "{\"text\":\"x\"}", 0, unref_inside, &c), 0);
	cfipc_client *still = c;

	cfipc_op_unref(start(c, T "Hang", NULL, 0, &seen));
	for (int i = 0; c && i < 1000; i++) {
		still = cfipc_client_ref(c);
		if (cfipc_client_process(still) == 0)
			cfipc_client_wait(still, SECOND);
		cfipc_client_unref(still);
	}
	ck_assert_ptr_null(c);
	ck_assert_int_eq(seen.code, CFIPC_ERROR_CANCELED);
}
END_TEST

static void *cancel_thread(void *arg)
{
	usleep(20000);
	cfipc_op_cancel(arg);
	return NULL;
}

static _Atomic int wakeups;

static void count_wakeup(void *userdata)
{
	wakeups++;
}

START_TEST(cancel_from_a_thread)
{
	cfipc_client *c = new_client();
	struct seen seen;
	cfipc_op *op = start(c, T "Hang", NULL, CFIPC_DEDICATED, &seen);
	pthread_t thread;

	cfipc_client_set_wakeup(c, count_wakeup, NULL);
	pthread_create(&thread, NULL, cancel_thread, op);
	ck_assert_int_eq(cfipc_op_wait(op, 10 * SECOND), -ECANCELED);
	pthread_join(thread, NULL);
	ck_assert_int_eq(wakeups, 1);
	cfipc_client_set_wakeup(c, NULL, NULL);
	cfipc_op_unref(op);
	cfipc_client_unref(c);
}
END_TEST

/* Another loop: the descriptor inside another epoll is all it needs. */
START_TEST(foreign_loop)
{
	cfipc_client *c = new_client();
	struct seen seen[3];
	int loop = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN};

	epoll_ctl(loop, EPOLL_CTL_ADD, cfipc_client_get_fd(c), &event);
	cfipc_op_unref(start(c, T "Echo", "{\"text\":\"x\"}", 0, &seen[0]));
	cfipc_op_unref(start(c, T "Stream", "{\"count\":100,\"bytes\":100}", CFIPC_MORE, &seen[1]));
	cfipc_op *hang = start(c, T "Hang", NULL, 0, &seen[2]);

	cfipc_op_set_timeout(hang, 200000);
	int rounds = 0;

	while (!(seen[0].finals && seen[1].finals && seen[2].finals)) {
		ck_assert_int_eq(epoll_wait(loop, &event, 1, 10000), 1);
		cfipc_client_process(c);
		ck_assert_int_lt(rounds++, 10000);
	}
	ck_assert_int_eq(seen[1].replies, 100);
	ck_assert_int_eq(seen[2].code, CFIPC_ERROR_TIMEOUT);
	/* And when all is done it is quiet. */
	while (cfipc_client_process(c) > 0)
		;
	ck_assert_int_eq(epoll_wait(loop, &event, 1, 50), 0);
	close(loop);
	cfipc_op_unref(hang);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(many_pipelined)
{
	cfipc_client *c = new_client();
	struct seen *seen = calloc(5000, sizeof(*seen));

	for (int i = 0; i < 5000; i++) {
		char json[64];

		snprintf(json, sizeof(json), "{\"text\":\"%d\"}", i);
		cfipc_op_unref(start(c, T "Echo", json, 0, &seen[i]));
	}
	run_until(c, &seen[4999].finals);
	for (int i = 0; i < 5000; i++) {
		char json[64];

		snprintf(json, sizeof(json), "{\"text\":\"%d\"}", i);
		ck_assert_str_eq(seen[i].last, json);
	}
	free(seen);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(after_fork)
{
	cfipc_client *c = new_client();
	struct seen seen;
	cfipc_op *op = start(c, T "Hang", NULL, CFIPC_DEDICATED, &seen);

	ck_assert_int_eq(cfipc_client_flush(c), 0);
	pid_t child = fork();

	if (child == 0) {
		int bad = cfipc_client_process(c) != -ECHILD ||
			  cfipc_call(c, T "Echo", NULL, NULL, NULL) != -ECHILD ||
			  cfipc_client_get_fd(c) != -ECHILD || cfipc_op_wait(op, 0) != -ECHILD;

		cfipc_client_unref(c);
		_exit(bad || seen.replies);
	}
	int status;

	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(cfipc_call(c, T "Count", NULL, NULL, NULL), 0); /* ours still works */
	cfipc_op_unref(op);
	cfipc_client_unref(c);
}
END_TEST

/* A service that answers what it likes. */
static void *liar(void *arg)
{
	static const char *const lies[] = {"nonsense", "[]", "{\"continues\":true}", "{\"error\":1}"};
	int listener = *(int *)arg;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		char request[1024];
		int fd = accept(listener, NULL, NULL);

		if (fd < 0 || read(fd, request, sizeof(request)) <= 0 ||
		    write(fd, lies[i], strlen(lies[i]) + 1) <= 0)
			return NULL;
		while (read(fd, request, sizeof(request)) > 0)
			;
		close(fd);
	}
	return NULL;
}

START_TEST(not_varlink)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_t thread;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/liar", directory);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	pthread_create(&thread, NULL, liar, &listener);
	cfipc_client *c = NULL;
	cfipc_options options;

	cfipc_options_init(&options, sizeof(options));
	options.address = sa.sun_path;
	ck_assert_int_eq(cfipc_client_new(&c, &options), 0);
	for (int i = 0; i < 4; i++) {
		cfipc_error *error = NULL;

		ck_assert_int_eq(cfipc_call(c, T "Echo", NULL, NULL, &error), -EBADMSG);
		ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_PROTOCOL);
		cfipc_error_free(error);
	}
	cfipc_client_unref(c);
	pthread_join(thread, NULL);
	close(listener);
	unlink(sa.sun_path);
}
END_TEST

START_TEST(addresses)
{
	char *found = NULL;

	setenv("CARBONFILESD_SOCKET", "/some/where", 1);
	ck_assert_int_eq(cfipc_default_address(&found), 0);
	ck_assert_str_eq(found, "/some/where");
	free(found);
	cfipc_client *c = NULL;

	ck_assert_int_eq(cfipc_client_new(&c, NULL), 0);
	ck_assert_str_eq(cfipc_client_get_address(c), "unix:/some/where");
	cfipc_client_unref(c);
	unsetenv("CARBONFILESD_SOCKET");
	setenv("XDG_RUNTIME_DIR", directory, 1);
	ck_assert_int_eq(cfipc_default_address(&found), 0);
	ck_assert_ptr_nonnull(strstr(found, "carbonfilesd/org.carbonfiles"));
	free(found);
	/* Options of an older program: what it does not know keeps its default. */
	struct {
		cfipc_options known;
		char behind[16];
	} old;

	memset(&old, 0x55, sizeof(old));
	cfipc_options_init(&old.known, offsetof(cfipc_options, timeout_usec));
	ck_assert_int_eq(((char *)&old.known)[offsetof(cfipc_options, timeout_usec)], 0x55);
	old.known.address = "unix:@abstract";
	ck_assert_int_eq(cfipc_client_new(&c, &old.known), 0);
	ck_assert_str_eq(cfipc_client_get_address(c), "unix:@abstract");
	cfipc_client_unref(c);
	ck_assert_int_eq(cfipc_check_version(CFIPC_API_VERSION), 0);
	ck_assert_int_eq(cfipc_check_version(CFIPC_API_VERSION + 1), -ENOTSUP);
	ck_assert_int_gt(strlen(cfipc_version()), 0);
	ck_assert_int_gt(strlen(cfipc_strerror(-EACCES)), 0);
	ck_assert_str_eq(cfipc_strerror(0), "success");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cfipc");
	TCase *tcase = tcase_create("client");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, call_and_errors);
	tcase_add_test(tcase, wrong_arguments);
	tcase_add_test(tcase, no_daemon);
	tcase_add_test(tcase, disconnect_ends_every_op_once);
	tcase_add_test(tcase, stream);
	tcase_add_test(tcase, stream_is_not_hoarded);
	tcase_add_test(tcase, cancel_and_timeout);
	tcase_add_test(tcase, unref_ends_ops);
	tcase_add_test(tcase, oneway);
	tcase_add_test(tcase, descriptors);
	tcase_add_test(tcase, from_inside_a_callback);
	tcase_add_test(tcase, cancel_from_a_thread);
	tcase_add_test(tcase, foreign_loop);
	tcase_add_test(tcase, many_pipelined);
	tcase_add_test(tcase, after_fork);
	tcase_add_test(tcase, not_varlink);
	tcase_add_test(tcase, addresses);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
