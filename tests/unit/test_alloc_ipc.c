/* Out of memory at every place it can happen, as in test_alloc.c: the daemon's Varlink service, and libcfipc
 * with that service behind it. Whoever asks gets a whole answer, an error that says ENOMEM, or is closed
 * upon. */
#include "tests/unit/alloc_fail.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "ipc/server.h"
#include "libcfipc/cfipc.h"
#include "libcfipc/varlink/fields.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;

/* ---- ipc: the daemon's side ---- */

static const char echo_text[] = "interface org.example.test\n"
				"type Inner (n: int)\n"
				"method Echo(text: string, inner: ?Inner) -> (text: string)\n";

static void echo(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *said = "";
	struct json_object *p = json_object_new_object();

	json_get_string(parameters, "text", &said);
	if (fields_add(p, "text", json_object_new_string(said)) < 0) {
		json_object_put(p);
		ipc_call_no_memory(call);
		return;
	}
	ipc_call_reply(call, p);
}

static const struct ipc_method methods[] = {{"Echo", echo, IPC_SENSITIVE}};

/* Whoever asks gets the whole answer, or is closed upon. */
static int ask(int fd)
{
	static const char request[] =
		"{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"hello\"}}";
	static const char wanted[] = "{\"parameters\":{\"text\":\"hello\"}}";
	char answer[512];
	ssize_t n = -1;

	if (write(fd, request, sizeof(request)) != (ssize_t)sizeof(request))
		return -ENOMEM;
	for (int i = 0; i < 100 && n < 0; i++) {
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
		n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (n < 0 && errno == ECONNRESET)
			n = 0;
	}
	if (n == 0)
		return -ENOMEM;
	return n == (ssize_t)sizeof(wanted) && memcmp(answer, wanted, sizeof(wanted)) == 0 ? 0 : -EBADMSG;
}

static int serve(void)
{
	static const struct ipc_server_options options = {.version = "0",
							  .limits = {.connections = 4,
								     .per_uid = 4,
								     .streams_per_uid = 4,
								     .request_bytes = 10000,
								     .reply_bytes = 10000,
								     .output_bytes = 10000,
								     .request_timeout_ms = 1000}};
	struct ipc_server *server = NULL;
	int pair[2], r = ipc_server_new(loop, &options, &server);

	if (r == 0)
		r = ipc_server_add(server, echo_text, methods, ARRAY_SIZE(methods), NULL);
	if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0) {
		r = ipc_server_connect(server, pair[1]);
		if (r == -EMFILE)
			r = -ENOMEM; /* turned away with "out of memory" */
		if (r == 0)
			r = ask(pair[0]);
		close(pair[0]);
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	}
	ipc_server_free(server);
	return r;
}

START_TEST(ipc)
{
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(loop_new(&loop), 0);
	torture("a server and a call", serve);
	loop_free(loop);
}
END_TEST

/* ---- libcfipc, with the real service behind it ---- */

static char directory[64], address[96];
static pid_t server;

static void start_server(void)
{
	char program[512], ready;
	int in[2], out[2];

	snprintf(directory, sizeof(directory), "/tmp/alloc-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(address, sizeof(address), "%s/socket", directory);
	snprintf(program, sizeof(program), "%s/tests/unit/ipc-testserver",
		 getenv("top_builddir") ? getenv("top_builddir") : ".");
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0); /* its writer stays open until the test is over */
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	server = fork();
	if (server == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(program, "ipc-testserver", address, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	ck_assert_msg(read(out[0], &ready, 1) == 1, "%s does not start", program);
	close(out[0]);
	close(in[0]);
}

static void stop_server(void)
{
	char lock[128];

	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	snprintf(lock, sizeof(lock), "%s.lock", address);
	unlink(lock);
	unlink(address);
	ck_assert_int_eq(rmdir(directory), 0); /* nothing that was begun is left lying about */
}

#define T "org.example.test."

/* What a failed call says of itself; every failure here must come from the lack of memory. */
static int verdict(int r, const cfipc_error *error)
{
	if (error && cfipc_error_errno(error) == ENOMEM)
		return -ENOMEM;
	return r;
}

static int with_client(int (*use)(cfipc_client *client))
{
	cfipc_client *client = NULL;
	cfipc_options options;

	cfipc_options_init(&options, sizeof(options));
	options.address = address;
	options.timeout_usec = 20000000;
	int r = cfipc_client_new(&client, &options);

	if (r == 0)
		r = use(client);
	cfipc_client_unref(client);
	return r;
}

static int plain_call(cfipc_client *client)
{
	cfipc_error *error = NULL;
	char *json = NULL;
	int r = cfipc_call(client, T "Echo", "{\"text\":\"hello\"}", &json, &error);

	r = verdict(r, error);
	if (r == 0 && strcmp(json, "{\"text\":\"hello\"}") != 0)
		r = -EBADMSG;
	if (r < 0 && json)
		r = -EBADMSG;
	free(json);
	cfipc_error_free(error);
	return r;
}

static int failing_call(cfipc_client *client)
{
	cfipc_error *error = NULL, *copy = NULL;
	int r = cfipc_call(client, T "Fail", NULL, NULL, &error);

	r = verdict(r, error);
	if (r == -EREMOTEIO) {
		copy = cfipc_error_copy(error);
		r = !copy ? -ENOMEM
		    : strcmp(cfipc_error_message(copy), "it had to fail") == 0 &&
				    strcmp(cfipc_error_name(copy), T "Failed") == 0
			    ? 0
			    : -EBADMSG;
	}
	cfipc_error_free(error);
	cfipc_error_free(copy);
	return r;
}

struct heard {
	int replies, finals, code;
};

static int hear(cfipc_op *op, const char *json, const cfipc_error *error, unsigned flags, void *userdata)
{
	struct heard *heard = userdata;

	heard->replies++;
	heard->finals += !(flags & CFIPC_CONTINUES);
	if (error)
		heard->code = verdict(-EBADMSG, error);
	return 0;
}

static int stream(cfipc_client *client)
{
	struct heard heard = {0};
	cfipc_op *op = NULL;
	int r = cfipc_call_async(client, &op, T "Stream", "{\"count\":5,\"bytes\":10}", CFIPC_MORE, hear,
				 &heard);

	if (r == 0)
		r = cfipc_op_wait(op, -1);
	if (op && cfipc_op_is_done(op) && (heard.finals != 1 || (r == 0 && heard.replies != 5)))
		r = -EBADMSG;
	else if (heard.code)
		r = heard.code;
	if (op && !cfipc_op_is_done(op))
		cfipc_op_cancel(op);
	cfipc_op_unref(op);
	return r;
}

static int descriptor(cfipc_client *client)
{
	struct heard heard = {0};
	cfipc_op *op = NULL;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0 || write(fds[1], "x", 1) != 1)
		return -EIO;
	close(fds[1]);
	int r = cfipc_call_async(client, &op, T "ReadFd", "{\"fd\":0}", 0, hear, &heard);

	if (r == 0)
		r = cfipc_op_push_dup_fd(op, fds[0]);
	close(fds[0]);
	if (r == 0)
		r = cfipc_op_wait(op, -1);
	cfipc_op_unref(op);
	return heard.code ? heard.code : r;
}

/* The typed functions: what is gathered from pages, and a file that is there whole or not at all. */
static int typed_list(cfipc_client *client)
{
	cfipc_error *error = NULL;
	cfipc_list *list = NULL;
	int r = verdict(cfipc_bucket_list(client, NULL, NULL, &list, &error), error);

	if (r == 0 && (cfipc_list_count(list) != 2 || cfipc_bucket_total_size(cfipc_list_at(list, 1)) != 2))
		r = -EBADMSG;
	if (r < 0 && list)
		r = -EBADMSG;
	cfipc_error_free(error);
	cfipc_unref(list);
	return r;
}

static int typed_download(cfipc_client *client)
{
	cfipc_error *error = NULL;
	char target[128];

	snprintf(target, sizeof(target), "%s/target", directory);
	int r = verdict(cfipc_download_path(client, NULL, "B1", "a", target, NULL, NULL, &error), error);
	bool there = access(target, F_OK) == 0;

	/* Told as a failure when only the telling failed: then it may be there, as after a cut cable. */
	if (r == 0 && !there)
		r = -EBADMSG;
	unlink(target);
	cfipc_error_free(error);
	return r;
}

static int typed_memory(cfipc_client *client)
{
	cfipc_downloaded *down = NULL;
	cfipc_error *error = NULL;
	size_t size = 0;
	int r = verdict(cfipc_download_data(client, NULL, "B1", "a", 10, NULL, &down, &error), error);

	if (r == 0 && (!cfipc_downloaded_data(down, &size) || size != 5))
		r = -EBADMSG;
	cfipc_error_free(error);
	cfipc_unref(down);
	return r;
}

static int events(cfipc_client *client)
{
	cfipc_events *e = NULL;
	int r = cfipc_events_new(client, "p", &e);

	if (r == 0)
		r = cfipc_events_subscribe_file(e, "B1", "a");
	if (r == 0)
		r = cfipc_events_connect(e);
	if (r == 0)
		r = cfipc_events_subscribe_bucket(e, "B1");
	cfipc_events_unref(e);
	return r;
}

static int default_address(cfipc_client *client)
{
	char *found = NULL;
	int r = cfipc_default_address(&found);

	free(found);
	return r;
}

static int do_call(void)
{
	return with_client(plain_call);
}
static int do_failing_call(void)
{
	return with_client(failing_call);
}
static int do_stream(void)
{
	return with_client(stream);
}
static int do_descriptor(void)
{
	return with_client(descriptor);
}
static int do_typed_list(void)
{
	return with_client(typed_list);
}
static int do_typed_download(void)
{
	return with_client(typed_download);
}
static int do_typed_memory(void)
{
	return with_client(typed_memory);
}
static int do_events(void)
{
	return with_client(events);
}
static int do_address(void)
{
	return with_client(default_address);
}

START_TEST(library)
{
	start_server();
	torture("a call", do_call);
	torture("a call that is refused", do_failing_call);
	torture("a stream", do_stream);
	torture("a descriptor", do_descriptor);
	torture("a list of every page", do_typed_list);
	torture("a download to a path", do_typed_download);
	torture("a download to memory", do_typed_memory);
	torture("handlers of events", do_events);
	torture("the default address", do_address);
	stop_server();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("alloc_ipc");
	TCase *tcase = tcase_create("nth");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, ipc);
	tcase_add_test(tcase, library);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
