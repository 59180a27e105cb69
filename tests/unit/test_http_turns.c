/* daemon/http: who waits for whom. Connections of a host by class, what is kept and asleep, answers that are
 * held and bodies that are late. */
#include "tests/unit/http_fixture.h"

/* The peer waits for longer than its silence would be allowed to last. */
START_TEST(a_held_answer_waits)
{
	static const struct step script[] = {
		{STEP_HEAD},
		{STEP_SEND, "HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n"},
		{STEP_ZEROS, NULL, 8000000},
		{STEP_LOOP}};
	const struct http_options options = {.low_speed_s = 1};
	struct exchange x = {.spec.class = HTTP_TRANSFER, .hold_in_data = true};
	struct loop_timer timer = {0};

	serve(script);
	ck_assert_int_eq(http_configure(http, &options), 0);
	begin_with(&x, "GET", &streaming);
	turn_until_quiet(1);
	size_t before = x.data_len;
	ck_assert_uint_gt(before, 0);
	ck_assert_uint_lt(before, 8000000);
	loop_timer_set(loop, &timer, 2500, stop_loop, NULL);
	loop_run(loop);
	loop_timer_done(&timer);
	ck_assert_uint_eq(x.data_len, before);
	ck_assert_int_eq(x.pending, 1);
	x.hold_in_data = false;
	http_hold(x.request, false);
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert_uint_eq(x.data_len, 8000000);
}
END_TEST

/* Nor is it the connection's fault when the caller has nothing to send. */
START_TEST(a_slow_caller_is_no_slow_peer)
{
	static const struct step script[] = {
		{STEP_HEAD}, {STEP_BODY, NULL, 10}, {STEP_SEND, STORED}, {STEP_LOOP}};
	const struct http_options options = {.low_speed_s = 1};
	struct exchange x = {.spec = {.has_body = true, .body_size = 10, .class = HTTP_TRANSFER}};
	struct loop_timer timer = {0};

	serve(script);
	ck_assert_int_eq(http_configure(http, &options), 0);
	begin(&x, "PUT");
	loop_timer_set(loop, &timer, 3500, stop_loop, NULL);
	loop_run(loop);
	loop_timer_done(&timer);
	ck_assert_int_eq(x.pending, 1);
	ck_assert_int_eq(http_body_copy(x.request, "0123456789", 10), 0);
	http_body_end(x.request);
	run();
	ck_assert_int_eq(x.error, 0);
	ck_assert_int_eq(x.status, 201);
}
END_TEST

START_TEST(interactive_finds_a_connection)
{
	static const struct step halts[] = {{STEP_HEAD}, {STEP_HALT}};
	struct exchange bulk[20], transfers[10], talk[10] = {0};

	serve(halts);
	for (size_t i = 0; i < ARRAY_SIZE(bulk); i++) {
		bulk[i] = (struct exchange){.spec.class = HTTP_BULK};
		begin(&bulk[i], "GET");
	}
	turn_until_quiet(HTTP_HOST_BULK);
	ck_assert_uint_eq(server.requests, HTTP_HOST_BULK);
	for (size_t i = 0; i < ARRAY_SIZE(transfers); i++) {
		transfers[i] = (struct exchange){.spec.class = HTTP_TRANSFER};
		begin(&transfers[i], "GET");
	}
	turn_until_quiet(HTTP_HOST_BULK + HTTP_HOST_TRANSFER);
	ck_assert_uint_eq(server.requests, HTTP_HOST_BULK + HTTP_HOST_TRANSFER);
	for (size_t i = 0; i < ARRAY_SIZE(talk); i++)
		begin(&talk[i], "GET");
	turn_until_quiet(HTTP_HOST_CONNECTIONS);
	ck_assert_uint_eq(server.requests, HTTP_HOST_CONNECTIONS);
	/* One bulk ends: an interactive one is next, then nothing of bulk. */
	http_cancel(bulk[0].request);
	turn_until_quiet(HTTP_HOST_CONNECTIONS + 1);
	ck_assert_uint_eq(server.requests, HTTP_HOST_CONNECTIONS + 1);
	ck_assert_int_eq(bulk[0].error, ERR_CANCELED);
	for (size_t i = 1; i < ARRAY_SIZE(bulk); i++)
		http_cancel(bulk[i].request);
	for (size_t i = 0; i < ARRAY_SIZE(transfers); i++)
		http_cancel(transfers[i].request);
	for (size_t i = 0; i < ARRAY_SIZE(talk); i++)
		http_cancel(talk[i].request);
	run();
	ck_assert_uint_le(server.open_max, HTTP_HOST_CONNECTIONS + 2);
}
END_TEST

START_TEST(connections_are_kept_and_asleep)
{
	serve(works);
	for (int i = 0; i < 50; i++) {
		struct exchange x = get();
		ck_assert_int_eq(x.error, 0);
	}
	ck_assert_uint_eq(server.accepted, 1);
	turn_until_quiet(50);
	/* The server's own: its listener and its one connection. */
	ck_assert_int_eq(event_base_get_num_events(loop_base(loop), EVENT_BASE_COUNT_ADDED), idle_events + 2);
}
END_TEST

START_TEST(hundreds_in_a_row_through_a_few)
{
	static struct exchange x[300];

	serve(works);
	for (size_t i = 0; i < ARRAY_SIZE(x); i++) {
		x[i] = (struct exchange){.spec.class = i % 3 ? HTTP_BULK : HTTP_INTERACTIVE};
		begin(&x[i], "GET");
	}
	run();
	for (size_t i = 0; i < ARRAY_SIZE(x); i++)
		ck_assert_int_eq(x[i].error, 0);
	ck_assert_uint_le(server.accepted, HTTP_HOST_CONNECTIONS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_turns");
	TCase *tc = tcase_create("http_turns");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_held_answer_waits);
	tcase_add_test(tc, a_slow_caller_is_no_slow_peer);
	tcase_add_test(tc, interactive_finds_a_connection);
	tcase_add_test(tc, connections_are_kept_and_asleep);
	tcase_add_test(tc, hundreds_in_a_row_through_a_few);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
