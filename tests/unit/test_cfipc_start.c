/* libcfipc and a daemon that is not there yet, or not any more: autostart through the socket unit (a
 * systemctl of this test's own, which is this program under another name, listens and hands the socket over
 * as systemd does), and connecting again. */
#include "libcfipc/cfipc.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND 1000000
#define T      "org.example.test."
#define ECHO   "{\"text\":\"x\"}"

static char directory[64], path[108];
static int server_stdin = -1; /* a server ends when its standard input does */

/* ---- The other end ---- */

static const char *server_program(void)
{
	static char program[512];

	snprintf(program, sizeof(program), "%s/tests/unit/ipc-testserver",
		 getenv("top_builddir") ? getenv("top_builddir") : ".");
	return program;
}

static int listen_at(const char *at, int backlog)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", at);
	unlink(at);
	return fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, backlog) == 0 ? fd
													: -1;
}

/* As systemd: the daemon is started by the first connection, which waits in the socket's queue. */
static void hand_over(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	char pid[32];
	int null = open("/dev/null", O_WRONLY);

	if (setsid() < 0 || poll(&p, 1, 20000) != 1 || null < 0)
		_exit(1);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "varlink", 1);
	dup2(null, 1);
	if (listener != 3)
		dup2(listener, 3);
	execl(server_program(), "ipc-testserver", getenv("TEST_SOCKET"), (char *)NULL);
	_exit(127);
}

static int fake_systemctl(int argc, char **argv)
{
	FILE *log = fopen(getenv("TEST_LOG"), "a");
	const char *how = getenv("TEST_SYSTEMCTL");
	sigset_t mask;
	char byte;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int i = 1; log && i < argc; i++)
		fprintf(log, "%s ", argv[i]);
	if (!log || fprintf(log, "%s\n", sigismember(&mask, SIGUSR1) ? "blocked" : "") < 0 ||
	    fclose(log) != 0)
		return 3;
	if (strcmp(how, "hang") == 0)
		return read(0, &byte, 1) < 0; /* until the test is over */
	if (strcmp(how, "start") != 0)
		return strcmp(how, "fail") == 0;
	int listener = listen_at(getenv("TEST_SOCKET"), 16);
	pid_t child = listener < 0 ? -1 : fork();

	if (child == 0)
		hand_over(listener);
	return child < 0;
}

/* ---- Fixture ---- */

static void set_up(void)
{
	char text[256], self[512];
	int in[2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ck_assert_int_gt(n, 0);
	self[n] = 0;
	snprintf(directory, sizeof(directory), "/tmp/cfipc-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/carbonfilesd", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/carbonfilesd/org.carbonfiles", directory);
	snprintf(text, sizeof(text), "%s/systemctl", directory);
	ck_assert_int_eq(symlink(self, text), 0);
	snprintf(text, sizeof(text), "%s/log", directory);
	setenv("TEST_LOG", text, 1);
	setenv("TEST_SOCKET", path, 1);
	setenv("TEST_SYSTEMCTL", "start", 1);
	setenv("PATH", directory, 1);
	setenv("XDG_RUNTIME_DIR", directory, 1);
	unsetenv("CARBONFILESD_SOCKET");
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	dup2(in[0], 0);
	close(in[0]);
	server_stdin = in[1];
}

static void remove_below(const char *name)
{
	char text[256];

	snprintf(text, sizeof(text), "%s/%s", directory, name);
	remove(text);
}

static void tear_down(void)
{
	close(server_stdin);
	remove_below("carbonfilesd/org.carbonfiles.lock");
	remove_below("carbonfilesd/org.carbonfiles");
	remove_below("carbonfilesd");
	remove_below("systemctl");
	remove_below("log");
	remove_below("other");
	rmdir(directory);
}

/* What systemctl was called with, a line each time. */
static const char *calls(void)
{
	static char text[1024];
	FILE *log = fopen(getenv("TEST_LOG"), "r");
	size_t n = log ? fread(text, 1, sizeof(text) - 1, log) : 0;

	if (log)
		fclose(log);
	text[n] = 0;
	return text;
}

#define ONE_CALL "--user start carbonfilesd.socket \n"

static cfipc_client *new_client(const char *address, bool autostart)
{
	cfipc_client *client = NULL;
	cfipc_options options;

	cfipc_options_init(&options, sizeof(options));
	options.address = address;
	options.autostart = autostart;
	ck_assert_int_eq(cfipc_client_new(&client, &options), 0);
	return client;
}

static void ck_not_running(cfipc_client *c, int wanted)
{
	cfipc_error *error = NULL;

	ck_assert_int_eq(cfipc_call(c, T "Echo", ECHO, NULL, &error), wanted);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_NOT_RUNNING);
	ck_assert_int_eq(cfipc_exit_code(wanted, error), 3);
	ck_assert_ptr_nonnull(cfipc_error_hint(error));
	cfipc_error_free(error);
}

static int count(cfipc_op *op, const char *json, const cfipc_error *error, unsigned flags, void *userdata)
{
	*(int *)userdata += error ? -1000 : 1;
	return 0;
}

/* The server's end is over when nothing answers at its socket any more. */
static void end_server(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	close(server_stdin);
	server_stdin = -1;
	for (int i = 0; i < 2000; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0), r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));

		close(fd);
		if (r < 0)
			return;
		poll(NULL, 0, 5);
	}
	ck_abort_msg("the server does not end");
}

static int n_children;

static void on_child(int sig)
{
	n_children++;
}

/* ---- Autostart ---- */

START_TEST(autostart)
{
	sigset_t usr1;
	int seen[4] = {0};
	cfipc_op *ops[4];

	/* The program's own children and signals are none of the library's business. */
	signal(SIGCHLD, on_child);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	cfipc_client *c = new_client(NULL, true);

	ck_assert_str_eq(cfipc_client_get_address(c) + strlen("unix:"), path);
	ck_assert_str_eq(calls(), "");
	/* All that are made meanwhile wait for the one start. */
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(cfipc_call_async(c, &ops[i], i == 3 ? T "Stream" : T "Echo",
						  i == 3 ? "{\"count\":3,\"bytes\":1}" : ECHO,
						  i == 3   ? CFIPC_MORE
						  : i == 2 ? CFIPC_DEDICATED
							   : 0,
						  count, &seen[i]),
				 0);
	for (int i = 3; i >= 0; i--) {
		ck_assert_int_eq(cfipc_op_wait(ops[i], 20 * SECOND), 0);
		ck_assert_int_eq(seen[i], i == 3 ? 3 : 1);
		cfipc_op_unref(ops[i]);
	}
	ck_assert_str_eq(calls(), ONE_CALL);
	ck_assert_int_eq(cfipc_client_is_connected(c), 1);
	ck_assert_int_eq(n_children, 0);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1); /* nor is a zombie left */
	ck_assert_int_eq(errno, ECHILD);
	/* Once per client: what ends then has its reasons. */
	end_server();
	ck_not_running(c, -ECONNREFUSED);
	ck_assert_str_eq(calls(), ONE_CALL);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(autostart_over_a_dead_socket)
{
	close(listen_at(path, 1));
	cfipc_client *c = new_client(NULL, true);

	ck_assert_int_eq(cfipc_call(c, T "Echo", ECHO, NULL, NULL), 0);
	ck_assert_str_eq(calls(), ONE_CALL);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(autostart_is_asked_for)
{
	char other[128];
	cfipc_client *c = new_client(NULL, false);

	ck_not_running(c, -ENOENT);
	cfipc_client_set_autostart(c, 1);
	cfipc_client_set_autostart(c, 0);
	ck_not_running(c, -ENOENT);
	cfipc_client_unref(c);
	/* Nobody starts what may listen somewhere else. */
	snprintf(other, sizeof(other), "%s/other", directory);
	c = new_client(other, true);
	ck_not_running(c, -ENOENT);
	cfipc_client_unref(c);
	setenv("CARBONFILESD_SOCKET", other, 1);
	c = new_client(NULL, true);
	ck_not_running(c, -ENOENT);
	cfipc_client_unref(c);
	ck_assert_str_eq(calls(), "");
	/* Switched on later, and the user's own address written out. */
	c = new_client(path, false);
	cfipc_client_set_autostart(c, 1);
	ck_assert_int_eq(cfipc_call(c, T "Echo", ECHO, NULL, NULL), 0);
	ck_assert_str_eq(calls(), ONE_CALL);
	cfipc_client_unref(c);
}
END_TEST

START_TEST(autostart_that_does_not_help)
{
	static const char *const how[] = {"fail", "nothing"};

	for (int i = 0; i < 2; i++) {
		remove_below("log");
		setenv("TEST_SYSTEMCTL", how[i], 1);
		cfipc_client *c = new_client(NULL, true);

		ck_not_running(c, -ENOENT);
		ck_not_running(c, -ENOENT);
		ck_assert_str_eq(calls(), ONE_CALL);
		cfipc_client_unref(c);
	}
	setenv("PATH", "/nonexistent", 1); /* no systemd here */
	remove_below("log");
	cfipc_client *c = new_client(NULL, true);

	ck_not_running(c, -ENOENT);
	ck_assert_str_eq(calls(), "");
	cfipc_client_unref(c);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
}
END_TEST

START_TEST(autostart_that_hangs)
{
	int seen[2] = {0};
	cfipc_op *late, *cancelled;

	setenv("TEST_SYSTEMCTL", "hang", 1);
	cfipc_client *c = new_client(NULL, true);

	ck_assert_int_eq(cfipc_call_async(c, &late, T "Echo", ECHO, 0, count, &seen[0]), 0);
	ck_assert_int_eq(cfipc_op_set_timeout(late, SECOND / 50), 0);
	ck_assert_int_eq(cfipc_call_async(c, &cancelled, T "Echo", ECHO, CFIPC_DEDICATED, count, &seen[1]),
			 0);
	ck_assert_int_eq(cfipc_op_wait(late, 20 * SECOND), -ETIMEDOUT);
	ck_assert_int_eq(cfipc_op_is_done(late), 1);
	cfipc_op_cancel(cancelled);
	ck_assert_int_eq(cfipc_op_wait(cancelled, 20 * SECOND), -ECANCELED);
	cfipc_op_unref(late);
	cfipc_op_unref(cancelled);
	ck_assert_int_eq(cfipc_call_async(c, NULL, T "Echo", ECHO, 0, count, &seen[1]), 0);
	ck_assert_int_ge(cfipc_client_process(c), 0);
	pid_t child = fork();

	if (child == 0) { /* a copy of the client in a child is let go without consequences */
		cfipc_client_unref(c);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), 0); /* systemctl is still there */
	cfipc_client_unref(c);
	ck_assert_int_eq(seen[1], -2000);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1); /* and is not left behind */
}
END_TEST

/* ---- Connecting again ---- */

static pid_t start_server(void)
{
	int out[2];
	char ready;

	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pid_t server = fork();

	if (server == 0) {
		dup2(out[1], 1);
		execl(server_program(), "ipc-testserver", path, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	ck_assert_msg(read(out[0], &ready, 1) == 1, "%s does not start", server_program());
	close(out[0]);
	return server;
}

static void kill_server(pid_t server)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

START_TEST(connects_again)
{
	pid_t server = start_server();
	cfipc_client *c = new_client(NULL, false);
	char *json = NULL;

	for (int i = 0; i < 3; i++) {
		int ended = 0;
		cfipc_op *op;

		ck_assert_int_eq(cfipc_call(c, T "Echo", ECHO, NULL, NULL), 0);
		ck_assert_int_eq(cfipc_client_is_connected(c), 1);
		/* A call that is under way when the daemon goes has an end; it is never made a second time.
		 */
		ck_assert_int_eq(cfipc_call_async(c, &op, T "Hang", NULL, 0, count, &ended), 0);
		ck_assert_int_eq(cfipc_client_flush(c), 0);
		kill_server(server);
		ck_assert_int_eq(cfipc_client_wait(c, 20 * SECOND), 1);
		while (cfipc_client_process(c) > 0)
			;
		ck_assert_int_eq(cfipc_client_is_connected(c), 0);
		ck_assert_int_eq(ended, -1000);
		ck_assert_int_eq(cfipc_op_wait(op, 0), -ECONNRESET);
		cfipc_op_unref(op);
		/* While it is away every call says so; the first after it is back goes through. */
		ck_not_running(c, -ECONNREFUSED);
		server = start_server();
		ck_assert_int_eq(cfipc_call(c, T "Count", NULL, &json, NULL), 0);
		ck_assert_msg(strstr(json, "\"running\":0") && strstr(json, "\"oneway\":0"), "%s", json);
		free(json);
		/* Nor does it matter that nobody has looked at the descriptor since it went. */
		kill_server(server);
		server = start_server();
	}
	cfipc_client_unref(c);
	kill_server(server);
}
END_TEST

/* The queue of a listener that is busy: the kernel refuses, the library asks again. */
START_TEST(waits_for_room_in_the_queue)
{
	char request[256];
	int listener = listen_at(path, 0), fillers[16], n = 0, seen = 0;
	cfipc_client *c = new_client(NULL, false);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	cfipc_op *op;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	do {
		ck_assert_int_lt(n, 16);
		fillers[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	} while (connect(fillers[n++], (struct sockaddr *)&sa, sizeof(sa)) == 0);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(cfipc_call_async(c, &op, T "Echo", ECHO, 0, count, &seen), 0);
	ck_assert_int_eq(cfipc_op_wait(op, SECOND / 20), -ETIMEDOUT);
	ck_assert_int_eq(cfipc_op_is_done(op), 0);
	for (int i = 0; i < n - 1; i++)
		close(accept(listener, NULL, NULL));
	/* It is in the queue now, and answered. */
	ck_assert_int_eq(cfipc_op_wait(op, SECOND / 5), -ETIMEDOUT);
	int peer = accept(listener, NULL, NULL);

	ck_assert_int_gt(read(peer, request, sizeof(request)), 0);
	ck_assert_int_eq(write(peer, "{}", 3), 3);
	ck_assert_int_eq(cfipc_op_wait(op, 20 * SECOND), 0);
	ck_assert_int_eq(seen, 1);
	for (int i = 0; i < n; i++)
		close(fillers[i]);
	close(peer);
	close(listener);
	cfipc_op_unref(op);
	cfipc_client_unref(c);
}
END_TEST

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	if (strcmp(name ? name + 1 : argv[0], "systemctl") == 0)
		return fake_systemctl(argc, argv);
	Suite *suite = suite_create("cfipc_start");
	TCase *tcase = tcase_create("start");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, autostart);
	tcase_add_test(tcase, autostart_over_a_dead_socket);
	tcase_add_test(tcase, autostart_is_asked_for);
	tcase_add_test(tcase, autostart_that_does_not_help);
	tcase_add_test(tcase, autostart_that_hangs);
	tcase_add_test(tcase, connects_again);
	tcase_add_test(tcase, waits_for_room_in_the_queue);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
