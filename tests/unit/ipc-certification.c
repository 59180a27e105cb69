/* The daemon's Varlink service with org.varlink.certification on it: ipc-certification SOCKET INTERFACE-FILE.
 * Each call must bring back what the answer before it was; a client that passes speaks with this service as
 * it does with the model ones. It prints "ready" when it listens and ends when its standard input does. Never
 * installed. */
#include "base/loop.h"
#include "base/util.h"
#include "ipc/server.h"
#include "libcfipc/varlink/fields.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

#define STEPS       11
#define LAST_STREAM 10 /* Test10 answers ten times */
#define TEXT_MAX    65536

/* What TestNN answers, and the call after it has to send. */
static const char *const answers[STEPS + 1] = {
	[1] = "{\"bool\":true}",
	[2] = "{\"int\":1}",
	[3] = "{\"float\":1.0}",
	[4] = "{\"string\":\"ping\"}",
	[5] = "{\"bool\":false,\"int\":2,\"float\":3.141592653589793,\"string\":\"a lot of string\"}",
	[6] = "{\"struct\":{\"bool\":false,\"int\":2,\"float\":3.141592653589793,\"string\":\"a lot of "
	      "string\"}}",
	[7] = "{\"map\":{\"bar\":\"Bar\",\"foo\":\"Foo\"}}",
	[8] = "{\"set\":{\"one\":{},\"two\":{},\"three\":{}}}",
	[9] = "{\"mytype\":{\"object\":{\"method\":\"org.varlink.certification.Test09\",\"parameters\":"
	      "{\"map\":{\"foo\":\"Foo\",\"bar\":\"Bar\"}}},\"enum\":\"two\",\"struct\":{\"first\":1,"
	      "\"second\":\"2\"},"
	      "\"array\":[\"one\",\"two\",\"three\"],\"dictionary\":{\"foo\":\"Foo\",\"bar\":\"Bar\"},"
	      "\"stringset\":{\"one\":{},\"two\":{},\"three\":{}},\"interface\":{\"foo\":[null,"
	      "{\"Foo\":\"foo\",\"Bar\":\"bar\"},null,{\"one\":\"foo\",\"two\":\"bar\"}],"
	      "\"anon\":{\"foo\":true,\"bar\":false}}}}",
	[10] = "{\"last_more_replies\":[\"Reply number 1\",\"Reply number 2\",\"Reply number 3\",\"Reply "
	       "number 4\","
	       "\"Reply number 5\",\"Reply number 6\",\"Reply number 7\",\"Reply number 8\",\"Reply number "
	       "9\","
	       "\"Reply number 10\"]}",
	[11] = "{}",
};

static struct loop *loop;
static unsigned done; /* steps that were right, in order */
static bool failed;

static struct json_object *tree(const char *text)
{
	struct json_object *object = NULL;

	json_parse(text, strlen(text), &object, NULL);
	return object;
}

static bool same(struct json_object *a, struct json_object *b);

/* Every member of a is in b; one that is null may be absent. */
static bool within(struct json_object *a, struct json_object *b)
{
	json_object_object_foreach(a, key, value)
	{
		struct json_object *other = NULL;

		json_object_object_get_ex(b, key, &other);
		if (!same(value, other))
			return false;
	}
	return true;
}

/* 1 and 1.0 are one number. */
static bool same(struct json_object *a, struct json_object *b)
{
	if (json_object_is_type(a, json_type_object) && json_object_is_type(b, json_type_object))
		return within(a, b) && within(b, a);
	if (json_object_is_type(a, json_type_array) && json_object_is_type(b, json_type_array)) {
		size_t n = json_object_array_length(a);

		if (json_object_array_length(b) != n)
			return false;
		for (size_t i = 0; i < n; i++)
			if (!same(json_object_array_get_idx(a, i), json_object_array_get_idx(b, i)))
				return false;
		return true;
	}
	bool numbers = (json_object_is_type(a, json_type_int) || json_object_is_type(a, json_type_double)) &&
		       (json_object_is_type(b, json_type_int) || json_object_is_type(b, json_type_double));

	return numbers ? !(json_object_get_double(a) < json_object_get_double(b)) &&
				 !(json_object_get_double(a) > json_object_get_double(b))
		       : json_object_equal(a, b);
}

static void stream(struct ipc_call *call)
{
	char text[64];

	for (int i = 1; i <= LAST_STREAM; i++) {
		struct json_object *p = json_object_new_object();

		snprintf(text, sizeof(text), "Reply number %d", i);
		fields_add(p, "string", json_object_new_string(text));
		if (i == LAST_STREAM)
			ipc_call_reply(call, p);
		else
			ipc_call_reply_continues(call, p);
	}
}

static void step(struct ipc_call *call, struct json_object *parameters, unsigned n)
{
	struct json_object *wanted = tree(n > 1 ? answers[n - 1] : "{}");

	fields_add(wanted, "client_id", json_object_new_string("the only one"));
	bool right = n == done + 1 && same(wanted, parameters) && ipc_call_more(call) == (n == 10);

	if (right) {
		json_object_put(wanted);
		done = n;
		if (n == 10)
			stream(call);
		else
			ipc_call_reply(call, tree(answers[n]));
		return;
	}
	struct json_object *p = json_object_new_object();

	failed = true;
	printf("step %u wants %s, got %s\n", n, json_object_to_json_string(wanted),
	       json_object_to_json_string(parameters));
	fields_add(p, "wants", wanted);
	fields_add(p, "got", json_object_get(parameters));
	ipc_call_error(call, "org.varlink.certification.CertificationError", p);
}

static void on_start(struct ipc_call *call, struct json_object *parameters, void *context)
{
	done = 0;
	failed = false;
	ipc_call_reply(call, tree("{\"client_id\":\"the only one\"}"));
}

static void on_end(struct ipc_call *call, struct json_object *parameters, void *context)
{
	bool ok = done == STEPS && !failed;

	printf("%s after %u steps\n", ok ? "certified" : "not certified", done);
	fflush(stdout);
	ipc_call_reply(call, tree(ok ? "{\"all_ok\":true}" : "{\"all_ok\":false}"));
}

#define STEP(n)                                                                                              \
	static void on_test##n(struct ipc_call *call, struct json_object *parameters, void *context)         \
	{                                                                                                    \
		step(call, parameters, n);                                                                   \
	}
STEP(1)
STEP(2)
STEP(3)
STEP(4)
STEP(5)
STEP(6)
STEP(7)
STEP(8)
STEP(9)
STEP(10)
STEP(11)

static const struct ipc_method methods[] = {
	{"Start", on_start, 0},  {"Test01", on_test1, 0},         {"Test02", on_test2, 0},
	{"Test03", on_test3, 0}, {"Test04", on_test4, 0},         {"Test05", on_test5, 0},
	{"Test06", on_test6, 0}, {"Test07", on_test7, 0},         {"Test08", on_test8, 0},
	{"Test09", on_test9, 0}, {"Test10", on_test10, IPC_MORE}, {"Test11", on_test11, 0},
	{"End", on_end, 0},
};

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
	struct ipc_server *server = NULL;
	char text[TEXT_MAX], *why = NULL;
	FILE *file = argc == 3 ? fopen(argv[2], "r") : NULL;

	if (!file)
		return 2;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	signal(SIGPIPE, SIG_IGN);
	int r = loop_new(&loop);

	if (r >= 0)
		r = ipc_server_new(loop, &options, &server);
	if (r >= 0)
		r = ipc_server_add(server, text, methods, ARRAY_SIZE(methods), NULL);
	if (r >= 0)
		r = ipc_server_listen(server, argv[1], &why);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], why ? why : strerror(-r));
		return 1;
	}
	struct event *event = event_new(loop_base(loop), 0, EV_READ | EV_PERSIST, on_stdin, NULL);

	event_add(event, NULL);
	printf("ready\n");
	fflush(stdout);
	loop_run(loop);
	event_free(event);
	ipc_server_free(server);
	loop_free(loop);
	free(why);
	return 0;
}
