/* The daemon's Varlink service with methods made for tests: ipc-testserver SOCKET [request_timeout_ms]. It
 * prints "ready" when it listens and ends when its standard input does, saying how many calls were cancelled,
 * how many are left and how many descriptors are open. */
#include "base/loop.h"
#include "base/util.h"
#include "ipc/server.h"
#include "libcfipc/varlink/fields.h"
#include "libcfipc/varlink/interfaces.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

static const char text[] =
	"interface org.example.test\n"
	"type Inner (number: ?int, kind: ?(one, two))\n"
	"method Echo(text: string, inner: ?Inner, list: ?[]string, map: ?[string]int, real: ?float) -> "
	"(text: string)\n"
	"method Stream(count: int, bytes: int) -> (n: int, fill: ?string)\n"
	"method Events(count: int, bytes: int) -> (n: int, lost: int, fill: ?string)\n"
	"method Hang() -> ()\n"
	"method Later(ms: int) -> ()\n"
	"method ReadFd(fd: ?int) -> (data: string)\n"
	"method Fail() -> ()\n"
	"method Lie() -> (number: int)\n"
	"method Big(bytes: int) -> (fill: string)\n"
	"method Only() -> (n: int)\n"
	"method Admin() -> ()\n"
	"method Count() -> (oneway: int, gone: int, connections: int, subscriptions: int, running: int)\n"
	"method Absent() -> ()\n"
	"error Failed (why: string, message: string)\n";

static struct loop *loop;
static struct ipc_server *server;
static int64_t n_echo, n_gone, n_running;

static void gone(void *arg)
{
	n_gone++;
}

static struct json_object *fill(size_t bytes)
{
	char *data = malloc(bytes + 1);

	memset(data, 'x', bytes);
	data[bytes] = 0;
	struct json_object *object = json_object_new_string(data);

	free(data);
	return object;
}

static void echo(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *said = "";
	struct json_object *p = json_object_new_object();

	n_echo++;
	json_get_string(parameters, "text", &said);
	fields_add(p, "text", json_object_new_string(said));
	ipc_call_reply(call, p);
}

/* Replies until the count is reached; a pausing stream waits for room, an event stream drops. */
struct stream {
	struct ipc_call *call;
	int64_t n, count, bytes, lost;
	bool events, gone;
	struct loop_timer timer;
};

static void stream_end(struct stream *s)
{
	loop_timer_done(&s->timer);
	n_running--;
	free(s);
}

static void on_stream_gone(void *arg)
{
	struct stream *s = arg;

	n_gone++;
	ipc_call_reply(s->call, NULL);
	stream_end(s);
}

static struct json_object *stream_item(struct stream *s)
{
	struct json_object *p = json_object_new_object();

	fields_add(p, "n", json_object_new_int64(s->n));
	if (s->events)
		fields_add(p, "lost", json_object_new_int64(s->lost));
	fields_add(p, "fill", fill((size_t)s->bytes));
	return p;
}

static void stream_go(void *arg)
{
	struct stream *s = arg;

	while (s->n + 1 < s->count) {
		s->n++;
		if (s->events && !ipc_call_has_room(s->call)) {
			s->lost++;
			continue;
		}
		int r = ipc_call_reply_continues(s->call, stream_item(s));

		if (r < 0) {
			on_stream_gone(s);
			return;
		}
		if (r == 0 && !s->events)
			return; /* on_drain goes on */
	}
	s->n++;
	ipc_call_reply(s->call, stream_item(s));
	stream_end(s);
}

static void start_stream(struct ipc_call *call, struct json_object *parameters, bool events)
{
	struct stream *s = calloc(1, sizeof(*s));

	s->call = call;
	s->events = events;
	json_get_int64(parameters, "count", &s->count);
	json_get_int64(parameters, "bytes", &s->bytes);
	n_running++;
	ipc_call_on_gone(call, on_stream_gone, s);
	if (!events)
		ipc_call_on_drain(call, stream_go, s);
	loop_timer_set(loop, &s->timer, 0, stream_go, s);
}

static void stream(struct ipc_call *call, struct json_object *parameters, void *context)
{
	start_stream(call, parameters, false);
}

static void events(struct ipc_call *call, struct json_object *parameters, void *context)
{
	start_stream(call, parameters, true);
}

static void on_hang_gone(void *arg)
{
	n_gone++;
	n_running--;
	ipc_call_reply(arg, NULL);
}

static void hang(struct ipc_call *call, struct json_object *parameters, void *context)
{
	n_running++;
	ipc_call_on_gone(call, on_hang_gone, call);
}

struct later {
	struct ipc_call *call;
	struct loop_timer timer;
};

static void on_later(void *arg)
{
	struct later *l = arg;

	ipc_call_reply(l->call, NULL);
	loop_timer_done(&l->timer);
	n_running--;
	free(l);
}

static void later(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct later *l = calloc(1, sizeof(*l));
	int64_t ms = 0;

	l->call = call;
	json_get_int64(parameters, "ms", &ms);
	n_running++;
	ipc_call_on_gone(call, gone, NULL);
	loop_timer_set(loop, &l->timer, ms, on_later, l);
}

static void read_fd(struct ipc_call *call, struct json_object *parameters, void *context)
{
	char data[64];
	int fd = -1, r = ipc_call_take_fd(call, parameters, "fd", &fd);

	if (r < 0)
		return;
	if (r == 0) {
		ipc_call_invalid(call, "fd");
		return;
	}
	ssize_t n = read(fd, data, sizeof(data));
	struct json_object *p = json_object_new_object();

	close(fd);
	fields_add(p, "data", json_object_new_string_len(data, n < 0 ? 0 : (int)n));
	ipc_call_reply(call, p);
}

static void fail(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct json_object *p = json_object_new_object();

	fields_add(p, "why", json_object_new_string("because"));
	fields_add(p, "message", json_object_new_string("it had to fail"));
	ipc_call_error(call, "org.example.test.Failed", p);
}

static void lie(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct json_object *p = json_object_new_object();

	fields_add(p, "number", json_object_new_string("seven"));
	ipc_call_reply(call, p);
}

static void big(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct json_object *p = json_object_new_object();
	int64_t bytes = 0;

	json_get_int64(parameters, "bytes", &bytes);
	fields_add(p, "fill", fill((size_t)bytes));
	ipc_call_reply(call, p);
}

static void count(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct json_object *p = json_object_new_object();

	fields_add(p, "oneway", json_object_new_int64(n_echo));
	fields_add(p, "running", json_object_new_int64(n_running));
	fields_add(p, "gone", json_object_new_int64(n_gone));
	fields_add(p, "connections", json_object_new_int64(ipc_server_connections(server)));
	fields_add(p, "subscriptions", json_object_new_int64(ipc_server_subscriptions(server)));
	ipc_call_reply(call, p);
}

static void get_version(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct json_object *p = json_object_new_object();

	fields_add(p, "version", json_object_new_string("0"));
	fields_add(p, "features", json_object_new_array());
	ipc_call_reply(call, p);
}

static const struct ipc_method methods[] = {
	{"Echo", echo, IPC_SENSITIVE},
	{"Stream", stream, IPC_MORE_ONLY},
	{"Events", events, IPC_MORE_ONLY},
	{"Hang", hang, 0},
	{"Later", later, 0},
	{"ReadFd", read_fd, IPC_FD},
	{"Fail", fail, 0},
	{"Lie", lie, 0},
	{"Big", big, 0},
	{"Only", hang, IPC_MORE_ONLY | IPC_SUBSCRIPTION},
	{"Admin", fail, IPC_ADMIN},
	{"Count", count, 0},
};
static const struct ipc_method daemon_methods[] = {{"GetVersion", get_version, 0}};

/* Two pages with the same bucket. */
static void list_buckets(struct ipc_call *call, struct json_object *parameters, void *context)
{
	static const char page[] =
		"{\"buckets\":[{\"id\":\"B1\",\"name\":\"n\",\"owner\":\"o\",\"created_at\":\"t\","
		"\"file_count\":1,\"total_size\":2}],\"page\":{\"total\":2,\"limit\":1,\"offset\":0}}";
	struct json_object *first = NULL, *second = NULL;

	json_parse(page, sizeof(page) - 1, &first, NULL);
	json_parse(page, sizeof(page) - 1, &second, NULL);
	ipc_call_reply_continues(call, first);
	ipc_call_reply(call, second);
}

static void download(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct json_object *p = json_object_new_object();
	int fd = -1;

	if (ipc_call_take_fd(call, parameters, "fd", &fd) <= 0)
		return;
	fields_add(p, "bytes", json_object_new_int64(write(fd, "hello", 5)));
	close(fd);
	ipc_call_reply(call, p);
}

static const struct ipc_method remote_methods[] = {{"ListBuckets", list_buckets, IPC_MORE},
						   {"Download", download, IPC_MORE | IPC_FD}};

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n - 3;
}

static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
	char byte;

	if (read(0, &byte, 1) <= 0)
		loop_stop(loop);
}

int main(int argc, char **argv)
{
	struct ipc_server_options options = {
		.version = "0", .limits = ipc_limits_default, .check_replies = true};
	char *why = NULL;

	if (argc < 2)
		return 2;
	if (argc > 2)
		options.limits.request_timeout_ms = strtol(argv[2], NULL, 10);
	signal(SIGPIPE, SIG_IGN);
	int r = loop_new(&loop);

	if (r >= 0)
		r = ipc_server_new(loop, &options, &server);
	if (r >= 0)
		r = ipc_server_add(server, text, methods, ARRAY_SIZE(methods), NULL);
	if (r >= 0)
		r = ipc_server_add(server, varlink_text_daemon, daemon_methods, ARRAY_SIZE(daemon_methods),
				   NULL);
	if (r >= 0)
		r = ipc_server_add(server, varlink_text_remote, remote_methods, ARRAY_SIZE(remote_methods),
				   NULL);
	if (r >= 0)
		r = getenv("LISTEN_FDS") ? ipc_server_adopt(server, &why)
					 : ipc_server_listen(server, argv[1], &why);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], why ? why : strerror(-r));
		return 1;
	}
	struct event *event = event_new(loop_base(loop), 0, EV_READ | EV_PERSIST, on_stdin, NULL);

	event_add(event, NULL);
	printf("ready %d\n", open_descriptors());
	fflush(stdout);
	loop_run(loop);
	int fds = open_descriptors();

	event_free(event);
	ipc_server_free(server);
	printf("gone %lld running %lld fds %d\n", (long long)n_gone, (long long)n_running, fds);
	loop_free(loop);
	free(why);
	return 0;
}
