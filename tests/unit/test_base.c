/* The pure parts of daemon/base: buffers, UTF-8, time, backoff, digests, errors, secrets. */
#include "tests/unit/tap.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/utf8.h"
#include <errno.h>
#include <string.h>

START_TEST(buf_grows_and_consumes)
{
	_cleanup_buf_ struct buf b = {0};

	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(buf_printf(&b, "%03d,", i), 0);
	ck_assert_uint_eq(b.len, 4000);
	buf_consume(&b, 8);
	ck_assert_int_eq(memcmp(b.data, "002,", 4), 0);
	buf_consume(&b, 100000);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_int_eq(buf_append_str(&b, "end"), 0);
	char *s = buf_steal(&b);
	ck_assert_str_eq(s, "end");
	free(s);
	ck_assert_ptr_null(b.data);
	ck_assert_ptr_null(buf_steal(&b));
	ck_assert_int_eq(buf_append(&b, NULL, 0), 0);
	ck_assert_int_eq(buf_reserve(&b, SIZE_MAX), -ENOMEM);
	buf_done(NULL);
}
END_TEST

START_TEST(utf8_below)
{
	static const struct {
		const char *text, *below;
	} cases[] = {
		{"a", "`\xF4\x8F\xBF\xBF"},
		{"d/b", "d/a\xF4\x8F\xBF\xBF"},
		{"", ""},
		{"\x01", ""},
		{"x\xC3\xA9", "x\xC3\xA8\xF4\x8F\xBF\xBF"},
		{"\xEE\x80\x80", "\xED\x9F\xBF\xF4\x8F\xBF\xBF"},
		{"\xC2\x80", "\x7F\xF4\x8F\xBF\xBF"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *below = utf8_just_below(cases[i].text);

		ck_assert_str_eq(below, cases[i].below);
		ck_assert(utf8_valid(below, strlen(below)));
		ck_assert(!*cases[i].text || strcmp(below, cases[i].text) < 0);
	}
}
END_TEST

START_TEST(utf8_boundaries)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint32_t code;
	} good[] = {
		{"\x00", 1, 0},
		{"\x7f", 1, 0x7F},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7FF},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xed\x9f\xbf", 3, 0xD7FF},
		{"\xee\x80\x80", 3, 0xE000},
		{"\xef\xbf\xbf", 3, 0xFFFF},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10FFFF},
	};
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x41",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xe1\x80",
		"\xe1\x80\x41",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xf1\x80\x80",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		uint32_t code = 1;
		ck_assert_uint_eq(utf8_next(good[i].bytes, good[i].len, &code), good[i].len);
		ck_assert_uint_eq(code, good[i].code);
		ck_assert(utf8_valid(good[i].bytes, good[i].len));
		for (size_t cut = 1; cut < good[i].len; cut++)
			ck_assert(!utf8_valid(good[i].bytes, cut));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_uint_eq(utf8_next(bad[i], strlen(bad[i]), NULL), 0);
		/* Behind ASCII of every alignment. */
		for (size_t pad = 0; pad < 20; pad++) {
			char text[32];
			memset(text, 'a', pad);
			memcpy(text + pad, bad[i], strlen(bad[i]));
			ck_assert(!utf8_valid(text, pad + strlen(bad[i])));
			ck_assert(utf8_valid(text, pad));
		}
	}
	ck_assert(utf8_valid("", 0));
	ck_assert_uint_eq(utf8_next("", 0, NULL), 0);
}
END_TEST

START_TEST(clock_both_ways)
{
	char text[CLOCK_RFC3339_MAX];
	int64_t ms = 0;

	/* Every ten days and a bit over 250 years: all months, leap years, ends of centuries. */
	for (int64_t t = INT64_C(-2208988800000); t < INT64_C(5680281600000); t += INT64_C(863001237)) {
		clock_format_rfc3339(t, text);
		ck_assert_int_eq(clock_parse_rfc3339(text, &ms), 0);
		ck_assert_int_eq(ms, t);
		time_t s = (time_t)(t / 1000 - (t % 1000 < 0));
		char expected[32];
		struct tm tm;
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));
		ck_assert_int_eq(strncmp(text, expected, strlen(expected)), 0);
	}
	clock_format_rfc3339(INT64_MAX, text);
	ck_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
	clock_format_rfc3339(INT64_MIN, text);
	ck_assert_str_eq(text, "0000-01-01T00:00:00.000Z");
}
END_TEST

START_TEST(clock_reads_what_servers_write)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:00:00", 0},
		{"1970-01-01t00:00:00z", 0},
		{"1970-01-01T00:00:00.1234567", 123},
		{"1970-01-01T00:00:00.5Z", 500},
		{"1970-01-01T00:00:00.123456789Z", 123},
		{"1970-01-01T02:00:00+02:00", 0},
		{"1969-12-31T22:30:00-01:30", 0},
		{"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
	};
	static const char *const bad[] = {
		"",
		"1970",
		"1970-01-01",
		"1970-01-01 00:00:00Z",
		"1970-01-01T00:00:00.Z",
		"1970-01-01T00:00:00.1234567890Z",
		"1970-13-01T00:00:00Z",
		"1970-00-01T00:00:00Z",
		"2023-02-29T00:00:00Z",
		"1970-01-01T24:00:00Z",
		"1970-01-01T00:60:00Z",
		"1970-01-01T00:00:61Z",
		"1970-01-01T00:00:00+2:00",
		"1970-01-01T00:00:00+24:00",
		"1970-01-01T00:00:00Zx",
		"1970-1-01T00:00:00Z",
	};
	int64_t ms;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ck_assert_int_eq(clock_parse_rfc3339(good[i].text, &ms), 0);
		ck_assert_int_eq(ms, good[i].ms);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ms = 42;
		ck_assert_msg(clock_parse_rfc3339(bad[i], &ms) == -EINVAL, "%s was taken", bad[i]);
		ck_assert_int_eq(ms, 42);
	}
}
END_TEST

START_TEST(clock_reads_the_dates_of_http)
{
	static const char *const bad[] = {
		"",
		"Sun",
		"Sun, ",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
		"Su1, 06 Nov 1994 08:49:37 GMT",
	};
	int64_t ms;

	ck_assert_int_eq(clock_parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", &ms), 0);
	ck_assert_int_eq(ms, 784111777000);
	ck_assert_int_eq(clock_parse_http_date("Thu, 29 Feb 2024 23:59:60 GMT", &ms), 0);
	ck_assert_int_eq(ms, 1709251200000);
	ck_assert_int_eq(clock_parse_http_date("Wed, 31 Dec 1969 23:59:59 GMT", &ms), 0);
	ck_assert_int_eq(ms, -1000);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ms = 42;
		ck_assert_msg(clock_parse_http_date(bad[i], &ms) == -EINVAL, "%s was taken", bad[i]);
		ck_assert_int_eq(ms, 42);
	}
}
END_TEST

START_TEST(backoff_doubles_to_the_cap)
{
	struct backoff b = {0};
	int64_t full = BACKOFF_FIRST_MS;

	for (int i = 0; i < 100; i++) {
		struct backoff low = b, high = b;
		ck_assert_int_eq(backoff_next_ms(&low, 0, 0), full / 2);
		int64_t most = backoff_next_ms(&high, UINT32_MAX, 0);
		ck_assert_int_ge(most, full - 1);
		ck_assert_int_le(most, full);
		backoff_next_ms(&b, 0, 0);
		full = full * 2 > BACKOFF_CAP_MS ? BACKOFF_CAP_MS : full * 2;
	}
	ck_assert_int_eq(backoff_next_ms(&b, 0, 1200), 1200 * 1000);
	ck_assert_int_eq(backoff_next_ms(&b, 0, INT64_MAX), 3600 * 1000);
	ck_assert_int_eq(backoff_next_ms(&b, 0, 1), BACKOFF_CAP_MS / 2);
	ck_assert_int_eq(backoff_next_ms(&b, 0, -5), BACKOFF_CAP_MS / 2);
	backoff_reset(&b);
	ck_assert_int_eq(backoff_next_ms(&b, 0, 0), BACKOFF_FIRST_MS / 2);
}
END_TEST

START_TEST(digest_streams_and_peeks)
{
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	struct digest_stream *s = digest_stream_new();
	struct digest d, e;
	char hex[DIGEST_HEX_SIZE];

	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(digest_stream_reset(s), 0);
		ck_assert_int_eq(digest_stream_peek(s, &d), 0);
		digest_to_hex(&d, hex);
		ck_assert_str_eq(hex, empty);
		ck_assert_int_eq(digest_stream_update(s, "a", 1), 0);
		ck_assert_int_eq(digest_stream_peek(s, &d), 0);
		ck_assert_int_eq(digest_of("a", 1, &e), 0);
		ck_assert(digest_equal(&d, &e));
		ck_assert_int_eq(digest_stream_update(s, "bc", 2), 0);
		ck_assert_int_eq(digest_stream_final(s, &d), 0);
		digest_to_hex(&d, hex);
		ck_assert_str_eq(hex, abc);
	}
	ck_assert_ptr_null(digest_stream_free(s));
	ck_assert_ptr_null(digest_stream_free(NULL));
}
END_TEST

START_TEST(digest_hex_is_exact)
{
	struct digest d, e;
	char hex[DIGEST_HEX_SIZE + 1];

	ck_assert_int_eq(digest_of("x", 1, &d), 0);
	digest_to_hex(&d, hex);
	for (size_t cut = 0; cut < 64; cut++) {
		char c = hex[cut];
		hex[cut] = '\0';
		ck_assert_int_eq(digest_from_hex(hex, &e), -EINVAL);
		hex[cut] = 'g';
		ck_assert_int_eq(digest_from_hex(hex, &e), -EINVAL);
		hex[cut] = c >= 'a' ? (char)(c - 32) : c;
	}
	ck_assert_int_eq(digest_from_hex(hex, &e), 0); /* upper case by now */
	ck_assert(digest_equal(&d, &e));
	hex[64] = '0';
	hex[65] = '\0';
	ck_assert_int_eq(digest_from_hex(hex, &e), -EINVAL);
}
END_TEST

START_TEST(err_covers_everything)
{
	for (int code = ERR_OFFLINE; code >= ERR_CORRUPT; code--) {
		ck_assert_int_eq(err_info(code)->code, code);
		ck_assert(*err_text(code));
	}
	ck_assert_int_eq(err_info(-ENOSPC)->scope, ERR_SCOPE_LOCAL);
	ck_assert_str_eq(err_info(-ENOSPC)->name, "ENOSPC");
	ck_assert_str_eq(err_text(-ENOENT), "No such file or directory");
	ck_assert_ptr_nonnull(err_info(0));
	ck_assert_ptr_nonnull(err_info(5));
	ck_assert_ptr_nonnull(err_info(-99999));
	ck_assert_ptr_nonnull(err_info(-159)->text);
	ck_assert(err_info(ERR_DOUBT)->retry);
}
END_TEST

START_TEST(secret_keeps_its_bytes)
{
	struct secret *s = NULL;

	ck_assert_int_eq(secret_new("s3cret", 6, &s), 0);
	ck_assert_str_eq(secret_str(s), "s3cret");
	ck_assert_uint_eq(secret_len(s), 6);
	ck_assert_ptr_null(secret_free(s));
	ck_assert_ptr_null(secret_free(NULL));
	ck_assert_int_eq(secret_new("", 0, &s), 0);
	ck_assert_str_eq(secret_str(s), "");
	secret_free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base");
	TCase *tc = tcase_create("base");

	tcase_set_timeout(tc, 60); /* valgrind and sanitizers on a busy machine */

	tcase_add_test(tc, buf_grows_and_consumes);
	tcase_add_test(tc, utf8_below);
	tcase_add_test(tc, utf8_boundaries);
	tcase_add_test(tc, clock_both_ways);
	tcase_add_test(tc, clock_reads_what_servers_write);
	tcase_add_test(tc, clock_reads_the_dates_of_http);
	tcase_add_test(tc, backoff_doubles_to_the_cap);
	tcase_add_test(tc, digest_streams_and_peeks);
	tcase_add_test(tc, digest_hex_is_exact);
	tcase_add_test(tc, err_covers_everything);
	tcase_add_test(tc, secret_keeps_its_bytes);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
