/* What the tests of http share: one exchange with a scripted server, and a loop with a deadline. */
#pragma once
#include "tests/unit/tap.h"
#include "tests/unit/scripted_server.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "http/http.h"
#include "http/internal.h"
#include <errno.h>
#include <string.h>

#define DEADLINE_MS 20000

static struct loop *loop;
static struct http *http;
static struct scripted_server server;
static struct loop_timer deadline;
static int idle_events;

struct exchange {
	struct http_request *request;
	struct http_spec spec;
	char url[128];
	int pending; /* on_done not yet called */
	int error, status, on_headers_status, headers_return;
	char reason[16], message[256], body[256];
	size_t body_len, data_len;
	int data_return; /* what on_data answers, 0: go on */
	bool sent_all;
	uint64_t sent_bytes;
	int64_t retry_after_s;
	int rooms;
	size_t feed_left, feed_step; /* given in on_room */
	bool cancel_in_headers, cancel_in_data, cancel_in_room, cancel_in_done;
	bool hold_in_data;
	char header_x[32];
};

#define OK_HELLO "HTTP/1.1 200 OK\r\nX-Test:  a b\r\nContent-Length: 5\r\n\r\nhello"
#define STORED   "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
static const struct step works[] = {{STEP_HEAD}, {STEP_SEND, OK_HELLO}, {STEP_LOOP}};

static unsigned pending;

static int on_headers(void *arg, struct http_request *request, int status)
{
	struct exchange *x = arg;

	x->on_headers_status = status;
	if (http_header(request, "x-test"))
		snprintf(x->header_x, sizeof(x->header_x), "%s", http_header(request, "x-TEST"));
	ck_assert_ptr_null(http_header(request, "x-tes"));
	if (x->cancel_in_headers)
		http_cancel(request);
	return x->headers_return;
}

static int on_data(void *arg, const void *data, size_t len)
{
	struct exchange *x = arg;

	x->data_len += len;
	if (x->hold_in_data)
		http_hold(x->request, true);
	if (x->cancel_in_data)
		http_cancel(x->request);
	return x->data_return;
}

static void on_room(void *arg)
{
	struct exchange *x = arg;

	x->rooms++;
	if (x->cancel_in_room) {
		http_cancel(x->request);
		return;
	}
	if (x->feed_step == 0)
		return;
	size_t n = MIN(x->feed_step, x->feed_left);
	char *data = malloc(n + 1);
	memset(data, 'b', n);
	x->feed_left -= n;
	ck_assert_int_eq(http_body_take(x->request, data, n), 0);
	if (x->feed_left == 0)
		http_body_end(x->request);
}

static void on_done(void *arg, const struct http_result *result)
{
	struct exchange *x = arg;

	ck_assert_int_eq(x->pending--, 1);
	x->error = result->error;
	x->status = result->status;
	snprintf(x->reason, sizeof(x->reason), "%s", result->reason ? result->reason : "");
	snprintf(x->message, sizeof(x->message), "%s", result->message);
	if (result->body) {
		ck_assert_uint_eq(strlen(result->body), result->body_len);
		snprintf(x->body, sizeof(x->body), "%s", result->body);
		x->body_len = result->body_len;
	}
	x->sent_all = result->sent_all;
	x->sent_bytes = result->sent_bytes;
	x->retry_after_s = result->retry_after_s;
	if (x->cancel_in_done)
		http_cancel(x->request);
	if (--pending == 0)
		loop_stop(loop);
}

static const struct http_callbacks plain = {.on_headers = on_headers, .on_done = on_done, .on_room = on_room};
static const struct http_callbacks streaming = {
	.on_headers = on_headers, .on_data = on_data, .on_done = on_done, .on_room = on_room};

static void begin_with(struct exchange *x, const char *method, const struct http_callbacks *callbacks)
{
	snprintf(x->url, sizeof(x->url), "%s/x?token=cfu_secret", server.url);
	x->spec.method = method;
	x->spec.url = x->url;
	x->pending = 1;
	pending++;
	ck_assert_int_eq(http_start(http, &x->spec, callbacks, x, &x->request), 0);
}

static void begin(struct exchange *x, const char *method)
{
	begin_with(x, method, &plain);
}

static void on_deadline(void *arg)
{
	ck_abort_msg("nothing happened for %d ms", DEADLINE_MS);
}

static void run(void)
{
	ck_assert_int_eq(loop_timer_set(loop, &deadline, DEADLINE_MS, on_deadline, NULL), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	loop_timer_stop(&deadline);
	ck_assert_uint_eq(pending, 0);
}

static void stop_loop(void *arg)
{
	loop_stop(loop);
}

/* The server has seen so many requests, and no more come. */
static void turn_until_quiet(unsigned requests)
{
	struct loop_timer settle = {0};

	while (server.requests < requests)
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
	loop_timer_set(loop, &settle, 30, stop_loop, NULL);
	loop_run(loop);
	loop_timer_done(&settle);
}

static struct exchange get(void)
{
	struct exchange x = {0};

	begin(&x, "GET");
	run();
	return x;
}

static void setup(void)
{
	const struct http_options options = {.user_agent = "test/1"};

	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(http_new(loop, &options, &http), 0);
	ck_assert_int_eq(loop_timer_set(loop, &deadline, DEADLINE_MS, on_deadline, NULL), 0);
	loop_timer_stop(&deadline);
	idle_events = event_base_get_num_events(loop_base(loop), EVENT_BASE_COUNT_ADDED);
}

static void serve(const struct step *script)
{
	scripted_start(&server, loop, script);
}

static void teardown(void)
{
	ck_assert_uint_eq(http_active(http), 0);
	if (server.on_accept)
		scripted_stop(&server);
	server.on_accept = NULL;
	/* Asleep: no timer, no socket, though connections may be kept. */
	ck_assert_int_eq(event_base_get_num_events(loop_base(loop), EVENT_BASE_COUNT_ADDED), idle_events);
	http_free(http);
	loop_timer_done(&deadline);
	loop_free(loop);
}
