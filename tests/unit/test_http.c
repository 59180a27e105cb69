/* daemon/http against a scripted server: what an answer or its absence means, at every point where a
 * connection can end; bodies, cancelling, connections per host, silence when idle. */
#include "tests/unit/http_fixture.h"

START_TEST(answer_arrives_byte_by_byte)
{
	static const struct step script[] = {{STEP_HEAD}, {STEP_DRIP, OK_HELLO}, {STEP_LOOP}};

	serve(script);
	struct exchange x = get();
	ck_assert_int_eq(x.error, 0);
	ck_assert_int_eq(x.status, 200);
	ck_assert_int_eq(x.on_headers_status, 200);
	ck_assert_str_eq(x.header_x, "a b");
	ck_assert_str_eq(x.body, "hello");
}
END_TEST

START_TEST(answer_split_everywhere)
{
	size_t len = strlen(OK_HELLO);

	for (size_t cut = 1; cut < len; cut++) {
		char first[128], second[128];
		snprintf(first, sizeof(first), "%.*s", (int)cut, OK_HELLO);
		snprintf(second, sizeof(second), "%s", &OK_HELLO[cut]);
		const struct step script[] = {
			{STEP_HEAD}, {STEP_SEND, first}, {STEP_SEND, second}, {STEP_LOOP}};
		serve(script);
		struct exchange x = get();
		ck_assert_int_eq(x.error, 0);
		ck_assert_str_eq(x.body, "hello");
		scripted_stop(&server);
	}
	server.on_accept = NULL;
}
END_TEST

/* An answer that ends too early, at every byte: never success, and a read is never in doubt. */
START_TEST(answer_cut_everywhere)
{
	size_t len = strlen(OK_HELLO), head = len - 5;

	for (size_t cut = 0; cut < len; cut++)
		for (int reset = 0; reset < 2; reset++) {
			char first[128];
			snprintf(first, sizeof(first), "%.*s", (int)cut, OK_HELLO);
			const struct step script[] = {
				{STEP_HEAD}, {STEP_SEND, first}, {reset ? STEP_RESET : STEP_END}};
			serve(script);
			struct exchange x = get();
			ck_assert(x.error == ERR_OFFLINE || x.error == ERR_PROTOCOL);
			ck_assert_int_eq(x.status, cut >= head ? 200 : 0);
			struct exchange y = {0};
			begin(&y, "DELETE");
			run();
			ck_assert_int_eq(y.error, ERR_DOUBT);
			ck_assert(y.sent_all);
			scripted_stop(&server);
		}
	server.on_accept = NULL;
}
END_TEST

START_TEST(interim_answers_and_chunks)
{
	static const struct step script[] = {
		{STEP_HEAD},
		{STEP_SEND, "HTTP/1.1 103 Early Hints\r\nX-Test: no\r\n\r\n"},
		{STEP_DRIP, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nX-Test: yes\r\nTransfer-Encoding: "
			    "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n"},
		{STEP_LOOP}};

	serve(script);
	struct exchange x = {0};
	begin_with(&x, "GET", &streaming);
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert_int_eq(x.status, 503);
	ck_assert_int_eq(x.on_headers_status, 503);
	ck_assert_str_eq(x.header_x, "yes");
	ck_assert_int_eq(x.retry_after_s, 7);
	/* The words of a refusal are for the caller, not for the file being written. */
	ck_assert_uint_eq(x.data_len, 0);
	ck_assert_str_eq(x.body, "abcde");
}
END_TEST

START_TEST(answers_that_are_not_http)
{
	static const struct step garbage[] = {{STEP_HEAD}, {STEP_SEND, "SSH-2.0-x\r\n\r\nSSH"}, {STEP_END}};

	serve(garbage);
	struct exchange x = get();
	ck_assert_int_eq(x.error, ERR_PROTOCOL);
	ck_assert_str_eq(x.reason, "protocol");
}
END_TEST

START_TEST(huge_answers_hit_the_limit)
{
	static const struct step script[] = {
		{STEP_HEAD}, {STEP_SEND, "HTTP/1.1 200 OK\r\n\r\n"}, {STEP_ZEROS, NULL, 1 << 20}, {STEP_END}};
	struct exchange x = {.spec.max_response = 100000}, y = {0};

	serve(script);
	begin(&x, "GET");
	run();
	ck_assert_int_eq(x.error, ERR_LIMIT);
	ck_assert_int_eq(x.status, 200);
	/* A stream has no limit. */
	begin_with(&y, "GET", &streaming);
	run();
	ck_assert_int_eq(y.error, 0);
	ck_assert_uint_eq(y.data_len, 1 << 20);
}
END_TEST

START_TEST(nobody_listens)
{
	static const struct step script[] = {{STEP_HALT}};

	serve(script);
	scripted_stop(&server);
	struct exchange x = {0},
			y = {.spec = {.has_body = true, .body_size = 3}, .feed_left = 3, .feed_step = 3};
	begin(&x, "DELETE");
	begin(&y, "PUT");
	run();
	ck_assert_int_eq(x.error, ERR_OFFLINE);
	ck_assert_str_eq(x.reason, "connect");
	ck_assert(x.message[0]);
	ck_assert(!x.sent_all);
	ck_assert_int_eq(y.error, ERR_OFFLINE);
	ck_assert(!y.sent_all);
	server.on_accept = NULL;
}
END_TEST

START_TEST(unknown_host)
{
	struct exchange x = {0};

	snprintf(server.url, sizeof(server.url), "http://no-such-host.invalid");
	begin(&x, "GET");
	run();
	ck_assert_int_eq(x.error, ERR_OFFLINE);
	ck_assert_str_eq(x.reason, "dns");
}
END_TEST

START_TEST(a_server_that_speaks_no_tls)
{
	static const struct step script[] = {{STEP_SEND, "nonsense nonsense nonsense"}, {STEP_HALT}};
	struct exchange x = {0};

	serve(script);
	memmove(server.url + 5, server.url + 4, strlen(server.url + 4) + 1);
	server.url[4] = 's';
	begin(&x, "GET");
	run();
	ck_assert_int_eq(x.error, ERR_OFFLINE);
	ck_assert_str_eq(x.reason, "tls");
}
END_TEST

START_TEST(slow_answers_time_out)
{
	static const struct step script[] = {{STEP_HEAD}, {STEP_HALT}};
	struct exchange x = {.spec.total_timeout_ms = 100}, y = {.spec.total_timeout_ms = 100};

	serve(script);
	begin(&x, "GET");
	begin(&y, "POST");
	run();
	ck_assert_int_eq(x.error, ERR_OFFLINE);
	ck_assert_str_eq(x.reason, "timeout");
	ck_assert_int_eq(y.error, ERR_DOUBT);
	ck_assert_str_eq(y.reason, "timeout");
	ck_assert_ptr_nonnull(strstr(server.heads.data, "\r\nContent-Length: 0\r\n"));
}
END_TEST

START_TEST(silence_times_out)
{
	static const struct step script[] = {{STEP_HEAD}, {STEP_SEND, "HTTP/1.1 200 OK\r\n"}, {STEP_HALT}};
	const struct http_options options = {.low_speed_s = 1};

	serve(script);
	ck_assert_int_eq(http_configure(http, &options), 0);
	struct exchange x = get();
	ck_assert_int_eq(x.error, ERR_OFFLINE);
	ck_assert_str_eq(x.reason, "timeout");
}
END_TEST

/* Bodies */

START_TEST(body_is_pulled_and_sent)
{
	static const struct step script[] = {
		{STEP_HEAD}, {STEP_BODY, NULL, 3000000}, {STEP_SEND, STORED}, {STEP_LOOP}};
	struct exchange x = {.spec = {.has_body = true, .body_size = 3000000, .class = HTTP_BULK},
			     .feed_left = 3000000,
			     .feed_step = 70001};

	serve(script);
	static const struct step with_continue[] = {{STEP_HEAD},
						    {STEP_SEND, "HTTP/1.1 100 Continue\r\n\r\n"},
						    {STEP_BODY, NULL, 3000000},
						    {STEP_SEND, STORED},
						    {STEP_LOOP}};
	server.scripts[0] = with_continue;
	begin(&x, "PUT");
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert_int_eq(x.status, 201);
	ck_assert(x.sent_all);
	ck_assert_uint_eq(x.sent_bytes, 3000000);
	ck_assert_uint_eq(server.body.len, 3000000);
	ck_assert_ptr_nonnull(strstr(server.heads.data, "Content-Length: 3000000\r\n"));
	ck_assert_ptr_nonnull(strstr(server.heads.data, "Expect: 100-continue\r\n"));
}
END_TEST

START_TEST(small_bodies_do_not_wait)
{
	static const struct step script[] = {
		{STEP_HEAD}, {STEP_BODY, NULL, 5}, {STEP_SEND, STORED}, {STEP_LOOP}};
	struct exchange x = {.spec = {.has_body = true, .body_size = 5}};

	serve(script);
	begin(&x, "PUT");
	ck_assert_int_eq(http_body_copy(x.request, "hel", 3), 0);
	ck_assert_int_eq(http_body_copy(x.request, "lo and more than announced", 26), 0);
	http_body_end(x.request);
	ck_assert_uint_eq(http_body_queued(x.request), 29);
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert_int_eq(x.rooms, 0);
	ck_assert_uint_eq(server.body.len, 5);
	ck_assert_int_eq(memcmp(server.body.data, "hello", 5), 0);
	ck_assert_ptr_null(strstr(server.heads.data, "Expect"));
	ck_assert_ptr_nonnull(strstr(server.heads.data, "PUT /x?token=cfu_secret HTTP/1.1\r\n"));
}
END_TEST

START_TEST(chunked_bodies)
{
	static const struct step script[] = {{STEP_HEAD}, {STEP_CHUNKED}, {STEP_SEND, STORED}, {STEP_LOOP}};
	struct exchange x = {.spec = {.has_body = true, .body_size = -1}, .feed_left = 40, .feed_step = 7};
	struct exchange empty = {.spec = {.has_body = true, .body_size = -1}};

	serve(script);
	begin(&x, "POST");
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert(x.sent_all);
	ck_assert_uint_eq(x.sent_bytes, 40);
	ck_assert_int_eq(x.rooms, 6);
	ck_assert_ptr_nonnull(strstr(server.heads.data, "Transfer-Encoding: chunked\r\n"));
	ck_assert_ptr_null(strstr(server.heads.data, "Content-Length"));
	begin(&empty, "POST");
	http_body_end(empty.request);
	run();
	ck_assert_int_eq(empty.error, 0);
	ck_assert(empty.sent_all);
}
END_TEST

START_TEST(empty_body)
{
	static const struct step script[] = {{STEP_HEAD}, {STEP_SEND, STORED}, {STEP_LOOP}};
	struct exchange x = {.spec = {.has_body = true}}, lost = {.spec = {.has_body = true}};

	serve(script);
	begin(&x, "PUT");
	http_body_end(x.request);
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert(x.sent_all);
	ck_assert_ptr_nonnull(strstr(server.heads.data, "Content-Length: 0\r\n"));
	scripted_stop(&server);
	static const struct step loses[] = {{STEP_HEAD}, {STEP_RESET}};
	serve(loses);
	begin(&lost, "PUT");
	http_body_end(lost.request);
	run();
	ck_assert_int_eq(lost.error, ERR_DOUBT);
}
END_TEST

START_TEST(body_shorter_than_announced)
{
	static const struct step script[] = {{STEP_HEAD}, {STEP_BODY, NULL, 10}, {STEP_SEND, STORED}};
	struct exchange x = {.spec = {.has_body = true, .body_size = 10}, .feed_left = 4, .feed_step = 4};

	serve(script);
	begin(&x, "PUT");
	run();
	ck_assert_int_eq(x.error, ERR_CANCELED);
	ck_assert(!x.sent_all);
	ck_assert(x.message[0]);
}
END_TEST

START_TEST(refusal_before_the_body)
{
	static const struct step script[] = {
		{STEP_HEAD},
		{STEP_SEND, "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmine"},
		{STEP_END}};
	struct exchange x = {.spec = {.has_body = true, .body_size = 5 << 20, .class = HTTP_BULK},
			     .feed_left = 5 << 20,
			     .feed_step = 1 << 20};

	serve(script);
	begin(&x, "PUT");
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert_int_eq(x.status, 403);
	ck_assert_str_eq(x.body, "mine");
	ck_assert(!x.sent_all);
	ck_assert_uint_eq(x.sent_bytes, 0);
}
END_TEST

START_TEST(refusal_during_the_body)
{
	static const struct step script[] = {{STEP_HEAD},
					     {STEP_SEND, "HTTP/1.1 100 Continue\r\n\r\n"},
					     {STEP_BODY, NULL, 100000},
					     {STEP_SEND, "HTTP/1.1 413 Too Large\r\nContent-Length: "
							 "0\r\nConnection: close\r\n\r\n"},
					     {STEP_RESET}};
	struct exchange x = {.spec = {.has_body = true, .body_size = 64 << 20, .class = HTTP_BULK},
			     .feed_left = 64 << 20,
			     .feed_step = 1 << 20};

	serve(script);
	begin(&x, "PUT");
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert_int_eq(x.status, 413);
	ck_assert(!x.sent_all);
}
END_TEST

START_TEST(cut_within_the_body)
{
	static const struct step script[] = {{STEP_HEAD},
					     {STEP_SEND, "HTTP/1.1 100 Continue\r\n\r\n"},
					     {STEP_BODY, NULL, 100000},
					     {STEP_RESET}};
	struct exchange x = {.spec = {.has_body = true, .body_size = 64 << 20, .class = HTTP_BULK},
			     .feed_left = 64 << 20,
			     .feed_step = 1 << 20};

	serve(script);
	begin(&x, "PUT");
	run();
	ck_assert_int_eq(x.error, ERR_OFFLINE);
	ck_assert_int_eq(x.status, 0);
	ck_assert(!x.sent_all);
	ck_assert_uint_ge(x.sent_bytes, 100000);
}
END_TEST

START_TEST(cut_before_the_last_byte)
{
	static const struct step script[] = {{STEP_HEAD}, {STEP_BODY, NULL, 9}, {STEP_RESET}};
	struct exchange x = {.spec = {.has_body = true, .body_size = 10}};

	/* The last byte is held back, as the sync engine does until it has noted the hash. */
	serve(script);
	begin(&x, "PUT");
	ck_assert_int_eq(http_body_copy(x.request, "123456789", 9), 0);
	run();
	ck_assert_int_eq(x.error, ERR_OFFLINE);
	ck_assert(!x.sent_all);
	ck_assert_uint_eq(x.sent_bytes, 9);
}
END_TEST

START_TEST(cut_after_the_last_byte)
{
	for (int reset = 0; reset < 2; reset++)
		for (int chunked = 0; chunked < 2; chunked++) {
			const struct step script[] = {{STEP_HEAD},
						      {chunked ? STEP_CHUNKED : STEP_BODY, NULL, 10},
						      {reset ? STEP_RESET : STEP_END}};
			struct exchange x = {.spec = {.has_body = true, .body_size = chunked ? -1 : 10}};
			serve(script);
			begin(&x, "PUT");
			ck_assert_int_eq(http_body_copy(x.request, "1234567890", 10), 0);
			http_body_end(x.request);
			run();
			ck_assert_int_eq(x.error, ERR_DOUBT);
			ck_assert(x.sent_all);
			ck_assert_uint_eq(server.requests, 1);
			scripted_stop(&server);
		}
	server.on_accept = NULL;
}
END_TEST

/* Kept-alive connections that die */

static const struct step one_then_dies[] = {{STEP_HEAD}, {STEP_SEND, OK_HELLO}, {STEP_HEAD}, {STEP_RESET}};
static const struct step one_then_closes[] = {{STEP_HEAD}, {STEP_SEND, OK_HELLO}, {STEP_HEAD}, {STEP_END}};

START_TEST(reads_are_repeated_on_a_fresh_connection)
{
	for (int reset = 0; reset < 2; reset++)
		for (int dead = 1; dead <= 2; dead++) {
			serve(reset ? one_then_dies : one_then_closes);
			server.scripts[dead] = works;
			for (int i = 1; i < dead; i++)
				server.scripts[i] = reset ? one_then_dies : one_then_closes;
			struct exchange x[2] = {0};
			for (int i = 0; i < dead; i++)
				begin(&x[i], "GET");
			run();
			ck_assert_uint_eq(server.accepted, (unsigned)dead);
			struct exchange y = get();
			ck_assert_int_eq(y.error, 0);
			ck_assert_str_eq(y.body, "hello");
			scripted_stop(&server);
		}
	server.on_accept = NULL;
}
END_TEST

START_TEST(deletes_are_never_repeated)
{
	for (int reset = 0; reset < 2; reset++) {
		serve(reset ? one_then_dies : one_then_closes);
		server.scripts[1] = works;
		struct exchange x = get(), y = {0};
		begin(&y, "DELETE");
		run();
		ck_assert_int_eq(x.error, 0);
		ck_assert_int_eq(y.error, ERR_DOUBT);
		ck_assert(y.sent_all);
		ck_assert_uint_eq(server.requests, 2); /* the second one never sent again */
		scripted_stop(&server);
	}
	server.on_accept = NULL;
}
END_TEST

START_TEST(bodies_are_never_repeated)
{
	static const struct step dies_in_body[] = {
		{STEP_HEAD}, {STEP_SEND, OK_HELLO}, {STEP_HEAD}, {STEP_BODY, NULL, 4}, {STEP_RESET}};

	for (int whole = 0; whole < 2; whole++)
		for (int chunked = 0; chunked < 2; chunked++) {
			serve(dies_in_body);
			server.scripts[1] = works;
			struct exchange x = get();
			struct exchange y = {.spec = {.has_body = true, .body_size = chunked ? -1 : 10}};
			begin(&y, "PUT");
			ck_assert_int_eq(http_body_copy(y.request, "1234567890", whole ? 10 : 4), 0);
			if (whole)
				http_body_end(y.request);
			run();
			ck_assert_int_eq(x.error, 0);
			ck_assert_int_eq(y.error, whole ? ERR_DOUBT : ERR_OFFLINE);
			ck_assert_int_eq(y.sent_all, whole);
			ck_assert_uint_eq(server.requests, 2);
			scripted_stop(&server);
		}
	server.on_accept = NULL;
}
END_TEST

START_TEST(a_connection_that_dies_while_the_body_is_awaited)
{
	struct exchange x, y = {.spec = {.has_body = true, .body_size = 10}};

	/* The server closes on the head alone. curl looks again only when there is something to send, and
	 * then the bytes count as sent: in doubt is safe. */
	serve(one_then_closes);
	server.scripts[1] = works;
	x = get();
	ck_assert_int_eq(x.error, 0);
	begin(&y, "PUT");
	turn_until_quiet(2);
	ck_assert_int_eq(y.rooms, 1);
	ck_assert_int_eq(http_body_copy(y.request, "1234567890", 10), 0);
	http_body_end(y.request);
	run();
	ck_assert(y.error == ERR_OFFLINE || y.error == ERR_DOUBT);
	ck_assert_int_eq(y.status, 0);
	ck_assert_uint_eq(server.requests, 2);
}
END_TEST

/* Cancelling */

START_TEST(cancel_at_every_stage)
{
	static const struct step slow[] = {
		{STEP_HEAD}, {STEP_SEND, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"}, {STEP_HALT}};
	struct exchange at_once = {0}, headers = {.cancel_in_headers = true}, data = {.cancel_in_data = true},
			done = {.cancel_in_done = true}, code = {.headers_return = -EDQUOT},
			data_code = {.data_return = -ENOSPC},
			room = {.cancel_in_room = true, .spec = {.has_body = true, .body_size = 10}};

	serve(slow);
	server.scripts[6] = NULL;
	http_cancel(NULL);
	begin(&at_once, "GET");
	http_cancel(at_once.request);
	http_cancel(at_once.request);
	begin(&headers, "GET");
	begin_with(&data, "GET", &streaming);
	begin(&room, "PUT");
	begin(&code, "GET");
	begin_with(&data_code, "GET", &streaming);
	run();
	ck_assert_int_eq(at_once.error, ERR_CANCELED);
	ck_assert_int_eq(headers.error, ERR_CANCELED);
	ck_assert_int_eq(data.error, ERR_CANCELED);
	ck_assert_uint_eq(data.data_len, 3);
	ck_assert_int_eq(room.error, ERR_CANCELED);
	ck_assert_int_eq(code.error, -EDQUOT);
	ck_assert_int_eq(data_code.error, -ENOSPC);
	scripted_stop(&server);
	serve(works);
	begin(&done, "GET");
	run();
	ck_assert_int_eq(done.error, 0);
}
END_TEST

START_TEST(free_cancels_everything)
{
	static const struct step halts[] = {{STEP_HEAD}, {STEP_HALT}};
	struct exchange x[20] = {0};
	const struct http_options options = {0};

	serve(halts);
	for (size_t i = 0; i < ARRAY_SIZE(x); i++)
		begin(&x[i], "GET");
	for (int i = 0; i < 20; i++)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	ck_assert_uint_eq(http_active(http), 20);
	http_free(http);
	for (size_t i = 0; i < ARRAY_SIZE(x); i++)
		ck_assert_int_eq(x[i].error, ERR_CANCELED);
	ck_assert_int_eq(http_new(loop, &options, &http), 0);
}
END_TEST

/* Connections */

START_TEST(rates_are_kept)
{
	static const struct step script[] = {
		{STEP_HEAD}, {STEP_BODY, NULL, 400000}, {STEP_SEND, STORED}, {STEP_LOOP}};
	struct exchange x = {
		.spec = {.has_body = true, .body_size = 400000, .class = HTTP_BULK, .max_send_rate = 1000000},
		.feed_left = 400000,
		.feed_step = 400000};
	int64_t start = clock_monotonic_ms();

	serve(script);
	begin(&x, "PUT");
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert_int_ge(clock_monotonic_ms() - start, 150); /* 400 ms but for the buffers */
}
END_TEST

/* What must not get out */

START_TEST(bad_input_is_refused)
{
	static const char *const urls[] = {
		"", "http://", "nonsense:///", "http://a/\r\nX: y", "http://a b/", "file://"};
	static const char *const headers[] = {"X: a\r\nY: b", NULL};
	struct http_spec spec = {.method = "GET"};
	struct http_request *request = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		spec.url = urls[i];
		ck_assert_msg(http_start(http, &spec, &plain, NULL, &request) == -EINVAL, "%s", urls[i]);
	}
	spec.url = "http://127.0.0.1:1/";
	spec.headers = headers;
	ck_assert_int_eq(http_start(http, &spec, &plain, NULL, &request), -EINVAL);
	spec.headers = NULL;
	spec.method = "GET /x HTTP/1.1\r\n";
	ck_assert_int_eq(http_start(http, &spec, &plain, NULL, &request), -EINVAL);
	struct secret *bearer;
	ck_assert_int_eq(secret_new("a\nb", 3, &bearer), 0);
	spec.method = "GET";
	spec.bearer = bearer;
	ck_assert_int_eq(http_start(http, &spec, &plain, NULL, &request), -EINVAL);
	secret_free(bearer);
	ck_assert_ptr_null(request);
}
END_TEST

START_TEST(secrets_stay_out_of_the_log)
{
	char out[65536];
	int fds[2];
	struct secret *bearer;
	struct exchange x = {0};

	serve(works);
	ck_assert_int_eq(secret_new("hush-hush", 9, &bearer), 0);
	ck_assert_int_eq(pipe(fds), 0);
	int saved = dup(2);
	dup2(fds[1], 2);
	log_set_level(LOG_LEVEL_DEBUG);
	x.spec.bearer = bearer;
	begin(&x, "GET");
	run();
	log_set_level(LOG_LEVEL_INFO);
	dup2(saved, 2);
	close(fds[1]);
	ssize_t n = read(fds[0], out, sizeof(out) - 1);
	ck_assert_int_gt(n, 0);
	out[n] = '\0';
	ck_assert_ptr_nonnull(strstr(server.heads.data, "Authorization: Bearer hush-hush\r\n"));
	ck_assert_ptr_nonnull(strstr(out, "> GET /x?token=*** HTTP/1.1"));
	ck_assert_ptr_nonnull(strstr(out, "< HTTP/1.1 200 OK"));
	ck_assert_ptr_null(strstr(out, "hush"));
	ck_assert_ptr_null(strstr(out, "cfu_secret"));
	ck_assert_ptr_null(strstr(out, "hello"));
	secret_free(bearer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http");
	TCase *tc = tcase_create("http");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, answer_arrives_byte_by_byte);
	tcase_add_test(tc, answer_split_everywhere);
	tcase_add_test(tc, answer_cut_everywhere);
	tcase_add_test(tc, interim_answers_and_chunks);
	tcase_add_test(tc, answers_that_are_not_http);
	tcase_add_test(tc, huge_answers_hit_the_limit);
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, unknown_host);
	tcase_add_test(tc, a_server_that_speaks_no_tls);
	tcase_add_test(tc, slow_answers_time_out);
	tcase_add_test(tc, silence_times_out);
	tcase_add_test(tc, body_is_pulled_and_sent);
	tcase_add_test(tc, small_bodies_do_not_wait);
	tcase_add_test(tc, chunked_bodies);
	tcase_add_test(tc, empty_body);
	tcase_add_test(tc, body_shorter_than_announced);
	tcase_add_test(tc, refusal_before_the_body);
	tcase_add_test(tc, refusal_during_the_body);
	tcase_add_test(tc, cut_within_the_body);
	tcase_add_test(tc, cut_before_the_last_byte);
	tcase_add_test(tc, cut_after_the_last_byte);
	tcase_add_test(tc, reads_are_repeated_on_a_fresh_connection);
	tcase_add_test(tc, deletes_are_never_repeated);
	tcase_add_test(tc, bodies_are_never_repeated);
	tcase_add_test(tc, a_connection_that_dies_while_the_body_is_awaited);
	tcase_add_test(tc, cancel_at_every_stage);
	tcase_add_test(tc, free_cancels_everything);
	tcase_add_test(tc, rates_are_kept);
	tcase_add_test(tc, bad_input_is_refused);
	tcase_add_test(tc, secrets_stay_out_of_the_log);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
