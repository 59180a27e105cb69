/* The pure parts of daemon/http: body queue, meaning of curl's codes, redaction. */
#include "tests/unit/tap.h"
#include "base/err.h"
#include "http/internal.h"
#include <errno.h>
#include <string.h>

START_TEST(body_delivers_every_split)
{
	static const char text[] = "0123456789abcdef";

	for (size_t chunk = 1; chunk <= 16; chunk++)
		for (size_t want = 1; want <= 17; want++) {
			struct http_body b;
			char out[32];
			size_t got = 0, n;
			body_init(&b);
			for (size_t at = 0; at < 16; at += chunk) {
				size_t len = MIN(chunk, 16 - at);
				char *copy = malloc(len);
				memcpy(copy, text + at, len);
				ck_assert_int_eq(body_take(&b, copy, len), 0);
			}
			ck_assert_int_eq(body_take(&b, malloc(1), 0), 0);
			ck_assert_uint_eq(b.queued, 16);
			while ((n = body_read(&b, out + got, want)) > 0) {
				got += n;
				ck_assert_uint_eq(b.queued, 16 - got);
				ck_assert_uint_eq(b.delivered, got);
			}
			ck_assert_uint_eq(got, 16);
			ck_assert_int_eq(memcmp(out, text, 16), 0);
			ck_assert_int_eq(body_take(&b, malloc(4), 4), 0);
			body_done(&b);
			ck_assert_uint_eq(b.queued, 0);
			ck_assert_uint_eq(b.delivered, 16);
		}
}
END_TEST

/* Copied pieces of every size among taken ones, read in every step, with reads in between. */
START_TEST(body_gathers_what_is_copied)
{
	enum { LEN = 300000 };
	char *text = malloc(LEN), *out = malloc(LEN);

	for (size_t i = 0; i < LEN; i++)
		text[i] = (char)(i * 31 + i / 251);
	for (size_t step = 1; step < 200000; step = step * 7 + 3) {
		struct http_body b;
		size_t at = 0, got = 0, turn = 0;

		body_init(&b);
		ck_assert_int_eq(body_copy(&b, text, 0), 0);
		while (at < LEN) {
			size_t len = MIN(step, LEN - at);

			if (++turn % 5 == 0) {
				char *copy = malloc(len);
				memcpy(copy, text + at, len);
				ck_assert_int_eq(body_take(&b, copy, len), 0);
			} else {
				ck_assert_int_eq(body_copy(&b, text + at, len), 0);
			}
			at += len;
			if (turn % 3 == 0)
				got += body_read(&b, out + got, turn % 2 ? step / 2 : step * 4);
			ck_assert_uint_eq(b.queued, at - got);
		}
		got += body_read(&b, out + got, LEN - got);
		ck_assert_uint_eq(got, LEN);
		ck_assert_uint_eq(b.delivered, LEN);
		ck_assert_int_eq(memcmp(out, text, LEN), 0);
		body_done(&b);
	}
	free(text);
	free(out);
}
END_TEST

START_TEST(outcome_table)
{
	static const struct {
		struct outcome_facts facts;
		int error;
		const char *reason;
	} cases[] = {
		/* code, status, safe, sent_all */
		{{CURLE_OK, 200, false, true}, 0, NULL},
		{{CURLE_OK, 500, false, true}, 0, NULL},
		{{CURLE_COULDNT_RESOLVE_HOST, 0, true, false}, ERR_OFFLINE, "dns"},
		{{CURLE_COULDNT_CONNECT, 0, false, false}, ERR_OFFLINE, "connect"},
		{{CURLE_PEER_FAILED_VERIFICATION, 0, false, false}, ERR_OFFLINE, "tls"},
		{{CURLE_OPERATION_TIMEDOUT, 0, true, true}, ERR_OFFLINE, "timeout"},
		{{CURLE_OPERATION_TIMEDOUT, 0, false, true}, ERR_DOUBT, "timeout"},
		{{CURLE_OPERATION_TIMEDOUT, 0, false, false}, ERR_OFFLINE, "timeout"},
		{{CURLE_SEND_ERROR, 0, false, false}, ERR_OFFLINE, "offline"},
		{{CURLE_SEND_ERROR, 0, false, true}, ERR_DOUBT, "offline"},
		{{CURLE_SEND_ERROR, 403, false, false}, 0, NULL},
		{{CURLE_RECV_ERROR, 413, false, true}, 0, NULL},
		{{CURLE_GOT_NOTHING, 0, true, true}, ERR_OFFLINE, "offline"},
		{{CURLE_GOT_NOTHING, 0, false, true}, ERR_DOUBT, "offline"},
		{{CURLE_PARTIAL_FILE, 200, true, true}, ERR_OFFLINE, "offline"},
		{{CURLE_PARTIAL_FILE, 201, false, true}, ERR_DOUBT, "offline"},
		{{CURLE_UNSUPPORTED_PROTOCOL, 0, true, true}, ERR_PROTOCOL, "protocol"},
		{{CURLE_UNSUPPORTED_PROTOCOL, 0, false, true}, ERR_DOUBT, "protocol"},
		{{CURLE_OUT_OF_MEMORY, 0, true, true}, -ENOMEM, "offline"},
		{{CURLE_OUT_OF_MEMORY, 0, false, true}, ERR_DOUBT, "offline"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *reason = "";
		ck_assert_msg(outcome_judge(&cases[i].facts, &reason) == cases[i].error, "case %zu", i);
		ck_assert_pstr_eq(reason, cases[i].reason);
	}
}
END_TEST

START_TEST(redact_removes_credentials)
{
	static const char *const cases[][2] = {
		{"GET /a?token=cfu_1&x=2 HTTP/1.1", "GET /a?token=***&x=2 HTTP/1.1"},
		{"GET /a?x=2&token=cfu_1 HTTP/1.1", "GET /a?x=2&token=*** HTTP/1.1"},
		{"GET /hub?id=1&access_token=eyJ.x.y", "GET /hub?id=1&access_token=***"},
		{"?token=a&token=b", "?token=***&token=***"},
		{"?TOKEN=a", "?TOKEN=***"},
		{"?token=", "?token=***"},
		{"/a?mytoken=1", "/a?mytoken=1"},
		{"authorization: Bearer x", "authorization: ***"},
		{"Authorization:x", "Authorization: ***"},
		{"Proxy-Authorization: Basic eDp5", "Proxy-Authorization: ***"},
		{"X-Authorization: y", "X-Authorization: y"},
		{"Host: a", "Host: a"},
		{"", ""},
		{"token=a", "token=a"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf b = {0};
		ck_assert_int_eq(redact_append(&b, cases[i][0], strlen(cases[i][0])), 0);
		ck_assert_int_eq(buf_terminate(&b), 0);
		ck_assert_str_eq(b.data, cases[i][1]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_pure");
	TCase *tc = tcase_create("http_pure");

	tcase_set_timeout(tc, 60); /* valgrind and sanitizers on a busy machine */

	tcase_add_test(tc, body_delivers_every_split);
	tcase_add_test(tc, body_gathers_what_is_copied);
	tcase_add_test(tc, outcome_table);
	tcase_add_test(tc, redact_removes_credentials);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
