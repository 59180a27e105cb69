/* The protocol: framing at every split point, descriptors given to the right message, the rules for calls and
 * replies, interface texts, field tables. */
#include "libcfipc/varlink/fields.h"
#include "libcfipc/varlink/frame.h"
#include "libcfipc/varlink/idl.h"
#include "libcfipc/varlink/interfaces.h"
#include "libcfipc/varlink/message.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void feed(struct frame_in *in, const char *data, size_t len)
{
	while (len > 0) {
		char *place;
		size_t room;

		ck_assert_int_eq(frame_in_space(in, &place, &room), 0);
		size_t n = len < room ? len : room;

		memcpy(place, data, n);
		frame_in_commit(in, n, NULL, 0, false);
		data += n;
		len -= n;
	}
}

static void expect(struct frame_in *in, const char *text)
{
	char *got;
	size_t len;

	ck_assert_int_eq(frame_in_next(in, &got, &len, NULL), 1);
	ck_assert_str_eq(got, text);
	ck_assert_uint_eq(len, strlen(text));
}

START_TEST(frame_every_split)
{
	static const char stream[] = "a\0{\"b\":1}\0\0longer than the others\0";
	static const char *const messages[] = {"a", "{\"b\":1}", "", "longer than the others"};
	size_t total = sizeof(stream) - 1;

	for (size_t first = 0; first <= total; first++)
		for (size_t second = first; second <= total; second++) {
			struct frame_in in;
			size_t cuts[] = {0, first, second, total};
			unsigned n = 0;
			char *text;
			size_t len;

			frame_in_init(&in, 64);
			for (int i = 0; i < 3; i++) {
				feed(&in, stream + cuts[i], cuts[i + 1] - cuts[i]);
				while (frame_in_next(&in, &text, &len, NULL) > 0) {
					ck_assert_uint_lt(n, 4);
					ck_assert_str_eq(text, messages[n]);
					n++;
				}
			}
			ck_assert_uint_eq(n, 4);
			ck_assert(!frame_in_partial(&in));
			frame_in_done(&in);
		}
}
END_TEST

START_TEST(frame_byte_by_byte)
{
	struct frame_in in;
	char *text;
	size_t len;

	frame_in_init(&in, 8);
	for (int round = 0; round < 10000; round++) {
		for (const char *p = "12345678"; *p; p++) {
			feed(&in, p, 1);
			ck_assert_int_eq(frame_in_next(&in, &text, &len, NULL), 0);
			ck_assert(frame_in_partial(&in));
		}
		feed(&in, "", 1);
		expect(&in, "12345678");
	}
	frame_in_done(&in);
}
END_TEST

START_TEST(frame_limit)
{
	struct frame_in in;
	char *text;
	size_t len;

	/* The maximum passes, one more byte does not, with and without its NUL. */
	frame_in_init(&in, 5);
	feed(&in, "12345", 6);
	expect(&in, "12345");
	feed(&in, "123456", 6);
	ck_assert_int_eq(frame_in_next(&in, &text, &len, NULL), -EMSGSIZE);
	frame_in_done(&in);
	frame_in_init(&in, 5);
	feed(&in, "123456", 7);
	ck_assert_int_eq(frame_in_next(&in, &text, &len, NULL), -EMSGSIZE);
	frame_in_done(&in);
	/* A reader that never looks is stopped as well. */
	frame_in_init(&in, 5);
	feed(&in, "1234567", 7);
	ck_assert_int_eq(frame_in_space(&in, &text, &len), -EMSGSIZE);
	frame_in_done(&in);
}
END_TEST

START_TEST(frame_gives_memory_back)
{
	struct frame_in in;
	char *text;
	size_t len, room;
	size_t size = 900000;
	char *big = malloc(size + 1);

	memset(big, 'x', size);
	big[size] = 0;
	frame_in_init(&in, 1 << 20);
	feed(&in, big, size + 1);
	ck_assert_int_eq(frame_in_next(&in, &text, &len, NULL), 1);
	ck_assert_uint_eq(len, size);
	ck_assert_int_eq(frame_in_space(&in, &text, &room), 0);
	ck_assert_uint_le(in.cap, 65536);
	frame_in_done(&in);
	free(big);
}
END_TEST

static int pipe_end(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	close(fds[1]);
	return fds[0];
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* "A" and a following "B + descriptor" may come in one read: the descriptor is B's. */
START_TEST(frame_fd_goes_to_the_last_byte)
{
	int pair[2], fd = pipe_end();
	struct frame_in in;
	struct frame_out out;
	struct frame_fds fds;
	char *text;
	size_t len;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	frame_out_init(&out);
	ck_assert_int_eq(frame_out_add(&out, "A", 1, NULL, 0), 0);
	ck_assert_int_eq(frame_out_add(&out, "B", 1, &fd, 1), 0);
	ck_assert_int_eq(frame_out_add(&out, "C", 1, NULL, 0), 0);
	ck_assert_int_eq(frame_send(&out, pair[0]), 1);
	ck_assert_uint_eq(out.queued, 0);
	ck_assert(!is_open(fd));

	frame_in_init(&in, 100);
	while (in.len - in.start < 6)
		ck_assert_int_gt(frame_recv(&in, pair[1]), 0);
	ck_assert_int_eq(frame_recv(&in, pair[1]), -EAGAIN);
	ck_assert_int_eq(frame_in_next(&in, &text, &len, &fds), 1);
	ck_assert_str_eq(text, "A");
	ck_assert_uint_eq(fds.n, 0);
	ck_assert_int_eq(frame_in_next(&in, &text, &len, &fds), 1);
	ck_assert_str_eq(text, "B");
	ck_assert_uint_eq(fds.n, 1);
	int got = frame_fds_take(&fds, 0);

	ck_assert(is_open(got));
	ck_assert_int_ne(fcntl(got, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(frame_fds_take(&fds, 0), -ENOENT);
	ck_assert_int_eq(frame_fds_take(&fds, 1), -ENOENT);
	close(got);
	frame_fds_close(&fds);
	ck_assert_int_eq(frame_in_next(&in, &text, &len, &fds), 1);
	ck_assert_str_eq(text, "C");
	ck_assert_uint_eq(fds.n, 0);
	close(pair[0]);
	ck_assert_int_eq(frame_recv(&in, pair[1]), 0);
	close(pair[1]);
	frame_in_done(&in);
}
END_TEST

/* A message that comes in two reads, its descriptor with the first: still its own. */
START_TEST(frame_fd_with_the_first_byte)
{
	struct frame_in in;
	struct frame_fds fds;
	char *text, *place;
	size_t len, room;
	int fd = pipe_end();

	frame_in_init(&in, 100);
	feed(&in, "A", 2);
	expect(&in, "A");
	ck_assert_int_eq(frame_in_space(&in, &place, &room), 0);
	place[0] = 'B';
	frame_in_commit(&in, 1, &fd, 1, false);
	ck_assert_int_eq(frame_in_next(&in, &text, &len, &fds), 0);
	feed(&in, "B\0C", 4);
	ck_assert_int_eq(frame_in_next(&in, &text, &len, &fds), 1);
	ck_assert_str_eq(text, "BB");
	ck_assert_uint_eq(fds.n, 1);
	frame_fds_close(&fds);
	ck_assert(!is_open(fd));
	frame_in_done(&in);
}
END_TEST

START_TEST(frame_fd_flood)
{
	struct frame_in in;
	struct frame_fds fds;
	char *text, *place;
	size_t len, room;
	int first = -1, last = -1;

	frame_in_init(&in, 1000);
	for (int i = 0; i < 20; i++) {
		int fd = pipe_end();

		first = i == 0 ? fd : first;
		last = fd;
		ck_assert_int_eq(frame_in_space(&in, &place, &room), 0);
		place[0] = 'x';
		frame_in_commit(&in, 1, &fd, 1, false);
	}
	ck_assert(is_open(first));
	ck_assert(!is_open(last));
	feed(&in, "", 1);
	ck_assert_int_eq(frame_in_next(&in, &text, &len, &fds), 1);
	ck_assert_uint_eq(fds.n, FRAME_FDS_MAX);
	ck_assert(fds.lost);
	frame_fds_close(&fds);
	ck_assert(!is_open(first));
	/* Unclaimed ones go with the buffer. */
	int fd = pipe_end();

	ck_assert_int_eq(frame_in_space(&in, &place, &room), 0);
	place[0] = 'x';
	frame_in_commit(&in, 1, &fd, 1, false);
	frame_in_done(&in);
	ck_assert(!is_open(fd));
}
END_TEST

START_TEST(frame_out_in_small_sends)
{
	int pair[2], size = 4608;
	struct frame_out out;
	struct frame_in in;
	size_t sent = 0, len;
	char *text;
	char message[1000];
	unsigned n = 0;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	frame_out_init(&out);
	frame_in_init(&in, 2000);
	memset(message, 'm', sizeof(message));
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(frame_out_add(&out, message, sizeof(message), NULL, 0), 0);
	ck_assert_uint_eq(out.queued, 500 * 1001);
	while (frame_send(&out, pair[0]) == 0) {
		sent++;
		while (frame_recv(&in, pair[1]) > 0)
			while (frame_in_next(&in, &text, &len, NULL) > 0)
				n++;
	}
	while (frame_recv(&in, pair[1]) > 0)
		while (frame_in_next(&in, &text, &len, NULL) > 0)
			n++;
	ck_assert_uint_eq(n, 500);
	ck_assert_uint_gt(sent, 10);
	close(pair[1]);
	ck_assert_int_eq(frame_out_add(&out, "x", 1, NULL, 0), 0);
	ck_assert_int_eq(frame_send(&out, pair[0]), -EPIPE);
	frame_out_done(&out);
	frame_in_done(&in);
	close(pair[0]);
}
END_TEST

static int parse_call(const char *text)
{
	struct varlink_call call;
	const char *why = NULL;
	int r = varlink_call_parse(text, strlen(text), &call, &why);

	if (r >= 0)
		varlink_call_done(&call);
	else
		ck_assert_ptr_nonnull(why);
	return r;
}

START_TEST(call_rules)
{
	static const char *const good[] = {
		"{\"method\":\"a.B\"}",
		" { \"method\" : \"a.B\" , \"parameters\" : { } } \n",
		"{\"method\":\"a.B\",\"parameters\":null}",
		"{\"method\":\"a.B\",\"more\":true}",
		"{\"method\":\"a.B\",\"more\":false,\"oneway\":true,\"upgrade\":false}",
		"{\"method\":\"a.B\",\"com.example.trace\":{\"id\":1}}",
	};
	static const char *const wrong[] = {
		"",
		"null",
		"[]",
		"\"a.B\"",
		"{}",
		"{\"method\":null}",
		"{\"method\":1}",
		"{\"method\":\"a.B\",\"more\":1}",
		"{\"method\":\"a.B\",\"more\":null}",
		"{\"method\":\"a.B\",\"more\":\"true\"}",
		"{\"method\":\"a.B\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"a.B\",\"upgrade\":true,\"oneway\":true}",
		"{\"method\":\"a.B\",\"unknown\":1}",
		"{\"method\":\"a.B\",\"parameters\":[]}",
		"{\"method\":\"a.B\",\"parameters\":\"x\"}",
		"{\"method\":\"a.B\"} {}",
		"{\"method\":\"a.B\",}",
		"{\"method\":\"a.B\"",
		"{'method':'a.B'}",
		"{\"method\":\"a.B\",\"parameters\":{\"a\":NaN}}",
		"{\"method\":\"a.B\",\"parameters\":{\"a\":18446744073709551616}}",
		"{\"method\":\"a.B\",\"parameters\":{\"a\":\"\\ud800\"}}",
		"{\"method\":\"a.B\",\"parameters\":{\"a\":\"\\u0000\"}}",
		"{\"method\":\"a.B\",\"parameters\":{\"a\":\"\xc0\x80\"}}",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(parse_call(good[i]) == 0, "%s", good[i]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(parse_call(wrong[i]) == -EBADMSG, "%s", wrong[i]);
}
END_TEST

START_TEST(reply_rules)
{
	struct varlink_reply reply;
	const char *text = "{\"error\":\"a.B\",\"parameters\":{\"x\":1},\"future\":2}";

	ck_assert_int_eq(varlink_reply_parse(text, strlen(text), &reply, NULL), 0);
	ck_assert_str_eq(reply.error, "a.B");
	ck_assert(!reply.continues);
	varlink_reply_done(&reply);
	text = "{}";
	ck_assert_int_eq(varlink_reply_parse(text, strlen(text), &reply, NULL), 0);
	ck_assert_ptr_null(reply.parameters);
	varlink_reply_done(&reply);
	text = "{\"error\":\"a.B\",\"continues\":true}";
	ck_assert_int_eq(varlink_reply_parse(text, strlen(text), &reply, NULL), -EBADMSG);
	text = "{\"continues\":1}";
	ck_assert_int_eq(varlink_reply_parse(text, strlen(text), &reply, NULL), -EBADMSG);
	text = "[]";
	ck_assert_int_eq(varlink_reply_parse(text, strlen(text), &reply, NULL), -EBADMSG);
}
END_TEST

static void check_text(char *text, size_t len, const char *want)
{
	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, want);
	ck_assert_uint_eq(len, strlen(want));
	free(text);
}

START_TEST(formats)
{
	struct json_object *empty = json_object_new_object(),
			   *p = json_tokener_parse("{\"a\": [1, \"x/y\"]}");
	size_t len;
	char *text = varlink_call_format("a.B", NULL, false, false, &len);

	check_text(text, len, "{\"method\":\"a.B\"}");
	text = varlink_call_format("a.B", p, false, true, &len);
	check_text(text, len, "{\"method\":\"a.B\",\"parameters\":{\"a\":[1,\"x/y\"]},\"more\":true}");
	text = varlink_call_format("a.B", empty, true, false, &len);
	check_text(text, len, "{\"method\":\"a.B\",\"oneway\":true}");
	text = varlink_reply_format(NULL, NULL, false, &len);
	check_text(text, len, "{}");
	text = varlink_reply_format(empty, NULL, true, &len);
	check_text(text, len, "{\"continues\":true}");
	text = varlink_reply_format(p, NULL, true, &len);
	check_text(text, len, "{\"parameters\":{\"a\":[1,\"x/y\"]},\"continues\":true}");
	text = varlink_reply_format(p, NULL, false, &len);
	check_text(text, len, "{\"parameters\":{\"a\":[1,\"x/y\"]}}");
	text = varlink_reply_format(NULL, "a.E", false, &len);
	check_text(text, len, "{\"error\":\"a.E\"}");
	text = varlink_reply_format(p, "a.E", false, &len);
	check_text(text, len, "{\"error\":\"a.E\",\"parameters\":{\"a\":[1,\"x/y\"]}}");
	json_object_put(empty);
	json_object_put(p);
}
END_TEST

START_TEST(method_names)
{
	ck_assert(varlink_method_valid("org.carbonfiles.sync.Add"));
	ck_assert(varlink_method_valid("a.b2-c.Method9"));
	ck_assert(!varlink_method_valid("Add"));
	ck_assert(!varlink_method_valid("sync.Add"));
	ck_assert(!varlink_method_valid("a.b.add"));
	ck_assert(!varlink_method_valid("a..b.Add"));
	ck_assert(!varlink_method_valid(".a.b.Add"));
	ck_assert(!varlink_method_valid("a.b.A\"dd"));
	ck_assert(!varlink_method_valid("a.b\".Add"));
	ck_assert(!varlink_method_valid("a.b.Add "));
	ck_assert(!varlink_method_valid(""));
}
END_TEST

START_TEST(wipe)
{
	struct json_object *p =
		json_tokener_parse("{\"secret\":\"hunter2\",\"in\":[{\"deep\":\"hunter3\"}]}");
	struct json_object *secret, *in;

	json_object_object_get_ex(p, "secret", &secret);
	json_object_object_get_ex(p, "in", &in);
	varlink_wipe(p);
	ck_assert_int_eq(json_object_get_string(secret)[0], 0);
	json_object_object_get_ex(json_object_array_get_idx(in, 0), "deep", &secret);
	ck_assert_int_eq(json_object_get_string(secret)[0], 0);
	json_object_put(p);
}
END_TEST

static const char *const interfaces[] = {varlink_text_service, varlink_text_daemon, varlink_text_sync,
					 varlink_text_remote};

START_TEST(idl_own_interfaces)
{
	struct idl_interface *idl;
	unsigned line = 0;

	ck_assert_msg(idl_parse(interfaces[_i], &idl, &line) == 0, "interface %d, line %u", _i, line);
	ck_assert_str_eq(idl_text(idl), interfaces[_i]);
	ck_assert_uint_gt(idl_method_count(idl), 1);
	idl_free(idl);
}
END_TEST

START_TEST(idl_refuses)
{
	static const char *const wrong[] = {
		"",
		"interface a",
		"interfacea.b method m() -> ()",
		"interface a.b method m() -> ()",
		"interface a.b method M() -> (",
		"interface a.b method M() ()",
		"interface a.b method M(a: Unknown) -> ()",
		"interface a.b method M(a: int, a: int) -> ()",
		"interface a.b method M(a: ??int) -> ()",
		"interface a.b method M(a_: int) -> ()",
		"interface a.b method M(a__b: int) -> ()",
		"interface a.b method M(_a: int) -> ()",
		"interface a.b method M(a: int b: int) -> ()",
		"interface a.b method M(a, b) -> ()",
		"interface a.b type T int",
		"interface a.b error E (a, b)",
		"interface a.b garbage",
		"interface a.b type T (a: ((((((((((((((((((((a: int))))))))))))))))))))",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct idl_interface *idl;

		ck_assert_msg(idl_parse(wrong[i], &idl, NULL) == -EBADMSG, "%s", wrong[i]);
	}
}
END_TEST

static void check_input(const struct idl_method *method, const char *json, const char *field)
{
	char bad[IDL_FIELD_MAX] = "";
	struct json_object *p = json ? json_tokener_parse(json) : NULL;
	int r = idl_check_input(method, p, bad);

	ck_assert_msg(r == (field ? -EINVAL : 0), "%s: %d %s", json, r, bad);
	if (field)
		ck_assert_str_eq(bad, field);
	json_object_put(p);
}

START_TEST(idl_checks)
{
	static const char text[] = "# comment\ninterface a.b\n"
				   "type Kind (one, two)\n"
				   "type Node (name: string, next: ?Node, kind: ?Kind)\n"
				   "method M(i: int, f: ?float, b: ?bool, o: ?object, n: ?Node,\n"
				   "  l: ?[]int, m: ?[string]string, k: ?(x, y)) -> (a: int) # trailing\n"
				   "method None() -> ()\n"
				   "error E (path: ?string)\n";
	struct idl_interface *idl;
	char bad[IDL_FIELD_MAX];

	ck_assert_int_eq(idl_parse(text, &idl, NULL), 0);
	const struct idl_method *m = idl_method_find(idl, "M"), *none = idl_method_find(idl, "None");

	check_input(none, NULL, NULL);
	check_input(none, "{}", NULL);
	check_input(none, "{\"x\":1}", "x");
	check_input(m, NULL, "i");
	check_input(m, "{}", "i");
	check_input(m, "{\"i\":null}", "i");
	check_input(m, "{\"i\":1}", NULL);
	check_input(m, "{\"i\":9223372036854775807}", NULL);
	check_input(m, "{\"i\":9223372036854775808}", "i");
	check_input(m, "{\"i\":1.0}", "i");
	check_input(m, "{\"i\":\"1\"}", "i");
	check_input(
		m,
		"{\"i\":1,\"f\":1,\"b\":true,\"o\":{\"any\":[]},\"l\":[1,2],\"m\":{\"a\":\"b\"},\"k\":\"y\"}",
		NULL);
	check_input(m, "{\"i\":1,\"f\":null,\"b\":null,\"n\":null}", NULL);
	check_input(m, "{\"i\":1,\"b\":1}", "b");
	check_input(m, "{\"i\":1,\"o\":[]}", "o");
	check_input(m, "{\"i\":1,\"l\":[1,\"2\"]}", "l");
	check_input(m, "{\"i\":1,\"l\":[null]}", "l");
	check_input(m, "{\"i\":1,\"l\":{}}", "l");
	check_input(m, "{\"i\":1,\"m\":{\"a\":1}}", "m");
	check_input(m, "{\"i\":1,\"k\":\"z\"}", "k");
	check_input(m, "{\"i\":1,\"z\":null}", "z");
	check_input(m, "{\"i\":1,\"n\":{\"name\":\"a\",\"next\":{\"name\":\"b\",\"kind\":\"two\"}}}", NULL);
	check_input(m, "{\"i\":1,\"n\":{\"name\":\"a\",\"next\":{\"name\":\"b\",\"kind\":\"three\"}}}",
		    "kind");
	check_input(m, "{\"i\":1,\"n\":{\"name\":\"a\",\"next\":{}}}", "name");
	check_input(m, "{\"i\":1,\"n\":{\"name\":\"a\",\"other\":1}}", "other");
	struct json_object *p = json_tokener_parse("{\"a\":1}");

	ck_assert_int_eq(idl_check_output(m, p, bad), 0);
	ck_assert_int_eq(idl_check_error(idl, "E", NULL, bad), 0);
	ck_assert_int_eq(idl_check_error(idl, "E", p, bad), -EINVAL);
	ck_assert_int_eq(idl_check_error(idl, "F", NULL, bad), -ENOENT);
	json_object_put(p);
	idl_free(idl);
}
END_TEST

struct sample {
	const char *text;
	int64_t number, count;
	bool flag;
	int three;
};
static const struct field sample_fields[] = {
	{"text", FIELD_STRING, offsetof(struct sample, text)},
	{"number", FIELD_INT64, offsetof(struct sample, number)},
	{"count", FIELD_COUNT, offsetof(struct sample, count)},
	{"flag", FIELD_BOOL, offsetof(struct sample, flag)},
	{"three", FIELD_TRISTATE, offsetof(struct sample, three)},
};

START_TEST(field_tables)
{
	struct sample full = {"x", -5, 7, true, 0}, bare = {NULL, 0, -1, false, -1}, back = bare;
	struct json_object *p = json_object_new_object();

	ck_assert_int_eq(fields_write(p, sample_fields, 5, &full), 0);
	ck_assert_str_eq(json_object_to_json_string_ext(p, JSON_C_TO_STRING_PLAIN),
			 "{\"text\":\"x\",\"number\":-5,\"count\":7,\"flag\":true,\"three\":false}");
	ck_assert_int_eq(fields_read(p, sample_fields, 5, &back), 0);
	ck_assert_str_eq(back.text, "x");
	ck_assert_int_eq(back.number, -5);
	ck_assert_int_eq(back.count, 7);
	ck_assert(back.flag);
	ck_assert_int_eq(back.three, 0);
	json_object_put(p);
	p = json_object_new_object();
	ck_assert_int_eq(fields_write(p, sample_fields, 5, &bare), 0);
	ck_assert_str_eq(json_object_to_json_string_ext(p, JSON_C_TO_STRING_PLAIN),
			 "{\"number\":0,\"flag\":false}");
	json_object_put(p);
	p = json_tokener_parse("{\"text\":1}");
	ck_assert_int_eq(fields_read(p, sample_fields, 5, &back), -EBADMSG);
	json_object_put(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("varlink");
	TCase *frames = tcase_create("frame"), *rest = tcase_create("message");

	tcase_add_test(frames, frame_every_split);
	tcase_add_test(frames, frame_byte_by_byte);
	tcase_add_test(frames, frame_limit);
	tcase_add_test(frames, frame_gives_memory_back);
	tcase_add_test(frames, frame_fd_goes_to_the_last_byte);
	tcase_add_test(frames, frame_fd_with_the_first_byte);
	tcase_add_test(frames, frame_fd_flood);
	tcase_add_test(frames, frame_out_in_small_sends);
	tcase_set_timeout(frames, 60);
	suite_add_tcase(suite, frames);
	tcase_add_test(rest, call_rules);
	tcase_add_test(rest, reply_rules);
	tcase_add_test(rest, formats);
	tcase_add_test(rest, method_names);
	tcase_add_test(rest, wipe);
	tcase_add_loop_test(rest, idl_own_interfaces, 0, 4);
	tcase_add_test(rest, idl_refuses);
	tcase_add_test(rest, idl_checks);
	tcase_add_test(rest, field_tables);
	suite_add_tcase(suite, rest);
	return tap_run(suite);
}
