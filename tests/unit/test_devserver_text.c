/*
 * The development server's small parsers and writers: paths, targets, queries, JSON, ranges, expiry, times,
 * numbers.
 */
#include "tests/devserver/expiry.h"
#include "tests/devserver/http/target.h"
#include "tests/devserver/json_out.h"
#include "tests/devserver/mime.h"
#include "tests/devserver/path_rules.h"
#include "tests/devserver/range.h"
#include "tests/unit/tap.h"

#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void check_buf(struct buf *b, const char *want)
{
	if (!span_eq(buf_span(b), span_of(want)))
		ck_abort_msg("got \"%s\", wanted \"%s\"", b->p ? b->p : "", want);
	buf_done(b);
}

static const struct {
	const char *raw, *path; /* NULL: refused */
} paths[] = {
	{"a", "a"},
	{"a/b", "a/b"},
	{"a\\b", "a/b"},
	{"/a//b/", "a/b"},
	{"\\\\a\\", "a"},
	{"a..b", "a..b"},
	{"...", "..."},
	{" a ", " a "},
	{"a\nb", "a\nb"},
	{"A/a", "A/a"},
	{"", NULL},
	{"/", NULL},
	{"//\\", NULL},
	{".", NULL},
	{"a/..", NULL},
	{"../a", NULL},
	{"a/./b", NULL},
	{"a/ /b", NULL},
	{"\t", NULL},
	{"a/\xc2\xa0", NULL},
	{"\xe3\x80\x80/a", NULL},
	{"\xe2\x80\x8b", "\xe2\x80\x8b"},
	{"\xff", "\xff"},
};

START_TEST(normalised_paths)
{
	struct buf b = {0};
	bool good = path_normalise(span_of(paths[_i].raw), &b);

	ck_assert_int_eq(good, paths[_i].path != NULL);
	if (good)
		check_buf(&b, paths[_i].path);
	buf_done(&b);
}
END_TEST

/* Normalising is a projection, and its results are never refused. */
START_TEST(normalising_twice_changes_nothing)
{
	static const char letters[] = "a./\\ b";
	char raw[6];

	for (size_t n = 0; n < 6 * 6 * 6 * 6 * 6; n++) {
		size_t rest = n;
		struct buf once = {0}, twice = {0};
		for (size_t i = 0; i < 5; i++, rest /= 6)
			raw[i] = letters[rest % 6];
		if (path_normalise((struct span){raw, 5}, &once)) {
			ck_assert(path_normalise(buf_span(&once), &twice));
			ck_assert(span_eq(buf_span(&once), buf_span(&twice)));
			ck_assert(!memmem(once.p, once.n, "//", 2) && !memchr(once.p, '\\', once.n));
		}
		buf_done(&once);
		buf_done(&twice);
	}
}
END_TEST

START_TEST(what_a_header_carries)
{
	ck_assert(path_fits_header(SPAN("a b\t~")));
	ck_assert(!path_fits_header(SPAN("a\n")) && !path_fits_header(SPAN("\x7f")) &&
		  !path_fits_header(SPAN("\xc3\xbc")));
	ck_assert(!path_fits_header((struct span){"a\0", 2}));
}
END_TEST

static const struct {
	const char *target, *path, *query; /* path NULL: 400 */
} targets[] = {
	{"/a/b?x=1&y", "/a/b", "x=1&y"},
	{"/a%2Fb%2fc", "/a%2Fb%2fc", ""},
	{"/a%252Fb", "/a%2Fb", ""},
	{"/%C3%BC/%c3%bc", "/\xc3\xbc/\xc3\xbc", ""},
	{"/%FF%C3", "/%FF%C3", ""},
	{"/%C3%28", "/%C3(", ""},
	{"/%ED%A0%80", "/%ED%A0%80", ""},
	{"/%C0%AF", "/%C0%AF", ""},
	{"/a+b%2B", "/a+b+", ""},
	{"/a%ZZ%", "/a%ZZ%", ""},
	{"/a/./b/../c", "/a/c", ""},
	{"/a/%2E%2E/b", "/b", ""},
	{"/a/b/..", "/a/", ""},
	{"/a/b/.", "/a/b/", ""},
	{"/../../a", "/a", ""},
	{"/..", "/", ""},
	{"/a/%252E%252E/b", "/a/%2E%2E/b", ""},
	{"/a//b/", "/a//b/", ""},
	{"/a%00", NULL, ""},
	{"/a?b?c#d", "/a", "b?c#d"},
};

START_TEST(decoded_targets)
{
	struct buf path = {0};
	struct span query;
	bool good = target_split(span_of(targets[_i].target), &path, &query);

	ck_assert_int_eq(good, targets[_i].path != NULL);
	if (good) {
		ck_assert(span_eq(query, span_of(targets[_i].query)));
		check_buf(&path, targets[_i].path);
	}
	buf_done(&path);
}
END_TEST

static const struct {
	const char *query, *name, *value; /* NULL: absent */
} queries[] = {
	{"filename=a", "filename", "a"},
	{"FileName=a&x=y", "filename", "a"},
	{"x=y&filename=a&filename=b", "filename", "a,b"},
	{"filename=a+b%2Bc%2Fd", "filename", "a b+c/d"},
	{"filename=%FF%C3%BC", "filename", "%FF\xc3\xbc"},
	{"filename", "filename", ""},
	{"filename=", "filename", ""},
	{"file=a", "filename", NULL},
	{"", "filename", NULL},
	{"a=b=c", "a", "b=c"},
	{"file%6eame=a", "filename", "a"},
};

START_TEST(query_parameters)
{
	struct buf b = {0};
	bool found = query_get(span_of(queries[_i].query), queries[_i].name, &b);

	ck_assert_int_eq(found, queries[_i].value != NULL);
	if (found)
		check_buf(&b, queries[_i].value);
	buf_done(&b);
}
END_TEST

START_TEST(first_of_repeated_parameters)
{
	struct buf b = {0};

	ck_assert(query_get_first(SPAN("a=1&b=2&A=3"), "a", &b));
	check_buf(&b, "1");
	ck_assert(!query_get_first(SPAN("a=1"), "b", &b));
	buf_done(&b);
}
END_TEST

START_TEST(typed_query_parameters)
{
	int32_t n = 0;
	bool yes = false;

	ck_assert(query_int32(SPAN("limit=12"), "limit", 50, &n) && n == 12);
	ck_assert(query_int32(SPAN("limit=-1"), "limit", 50, &n) && n == -1);
	ck_assert(query_int32(SPAN("limit=%205+"), "limit", 50, &n) && n == 5);
	ck_assert(query_int32(SPAN("limit="), "limit", 50, &n) && n == 50);
	ck_assert(query_int32(SPAN("x=1"), "limit", 50, &n) && n == 50);
	ck_assert(!query_int32(SPAN("limit=1x"), "limit", 50, &n));
	ck_assert(!query_int32(SPAN("limit=2147483648"), "limit", 50, &n));
	ck_assert(query_bool(SPAN("b=TRUE"), "b", false, &yes) && yes);
	ck_assert(query_bool(SPAN("b=false"), "b", true, &yes) && !yes);
	ck_assert(query_bool(SPAN(""), "b", true, &yes) && yes);
	ck_assert(!query_bool(SPAN("b=1"), "b", false, &yes));
}
END_TEST

static const struct {
	const char *text, *relaxed, *strict;
} strings[] = {
	{"plain", "\"plain\"", "\"plain\""},
	{"\"\\/", "\"\\\"\\\\/\"", "\"\\u0022\\\\/\""},
	{"<>&'+`", "\"<>&'+`\"", "\"\\u003C\\u003E\\u0026\\u0027\\u002B\\u0060\""},
	{"\b\t\n\f\r\x01\x7f", "\"\\b\\t\\n\\f\\r\\u0001\\u007F\"", "\"\\b\\t\\n\\f\\r\\u0001\\u007F\""},
	{"\xc3\xbc\xe2\x82\xac", "\"\xc3\xbc\xe2\x82\xac\"", "\"\\u00FC\\u20AC\""},
	{"\xf0\x9f\x8e\x89", "\"\\uD83C\\uDF89\"", "\"\\uD83C\\uDF89\""},
	{"\xff", "\"\xef\xbf\xbd\"", "\"\\uFFFD\""},
	{"\xe2\x80\xa8", "\"\\u2028\"", "\"\\u2028\""},
};

START_TEST(json_strings)
{
	struct buf b = {0};

	json_string(&b, span_of(strings[_i].text), JSON_RELAXED);
	check_buf(&b, strings[_i].relaxed);
	json_string(&b, span_of(strings[_i].text), JSON_STRICT);
	check_buf(&b, strings[_i].strict);
}
END_TEST

START_TEST(json_members)
{
	struct buf b = {0};

	json_open(&b, '{');
	json_add_int(&b, "a", INT64_MIN);
	json_add_text(&b, "b", (struct span){"x\0y", 3});
	json_add_bool(&b, "c", true);
	json_add_time(&b, "d", 17000000001234500, true);
	json_key(&b, "e");
	json_open(&b, '[');
	json_comma(&b);
	json_open(&b, '{');
	json_close(&b, '}');
	json_comma(&b);
	json_string(&b, SPAN("{"), JSON_RELAXED);
	json_comma(&b);
	json_open(&b, '[');
	json_close(&b, ']');
	json_close(&b, ']');
	json_close(&b, '}');
	check_buf(&b, "{\"a\":-9223372036854775808,\"b\":\"x\\u0000y\",\"c\":true,\"d\":\"2023-11-14T22:13:"
		      "20.12345Z\","
		      "\"e\":[{},\"{\",[]]}");
}
END_TEST

static const struct {
	const char *header;
	enum range range;
	int64_t first, last;
} ranges[] = {
	/* of ten bytes */
	{"bytes=0-3", RANGE_PART, 0, 3},
	{"bytes=3-", RANGE_PART, 3, 9},
	{"bytes=-3", RANGE_PART, 7, 9},
	{"bytes=-100", RANGE_PART, 0, 9},
	{"bytes=5-100", RANGE_PART, 5, 9},
	{"items=0-1", RANGE_PART, 0, 1},
	{"bytes = 0-1", RANGE_PART, 0, 1},
	{"BYTES=9-9", RANGE_PART, 9, 9},
	{"bytes= 1 - 2 ", RANGE_PART, 1, 2},
	{"bytes=10-", RANGE_BAD, 0, 0},
	{"bytes=-0", RANGE_BAD, 0, 0},
	{"bytes=4-2", RANGE_NONE, 0, 0},
	{"bytes=0-1,3-4", RANGE_NONE, 0, 0},
	{"bytes=a-b", RANGE_NONE, 0, 0},
	{"bytes=", RANGE_NONE, 0, 0},
	{"bytes=-", RANGE_NONE, 0, 0},
	{"bytes", RANGE_NONE, 0, 0},
	{"bytes=1", RANGE_NONE, 0, 0},
	{"bytes=99999999999999999999-", RANGE_NONE, 0, 0},
	{"bytes=+1-2", RANGE_NONE, 0, 0},
};

START_TEST(range_headers)
{
	int64_t first = 0, last = 0;

	ck_assert_int_eq(range_parse(span_of(ranges[_i].header), 10, &first, &last), ranges[_i].range);
	ck_assert_int_eq(first, ranges[_i].first);
	ck_assert_int_eq(last, ranges[_i].last);
}
END_TEST

START_TEST(ranges_of_nothing)
{
	int64_t first, last;

	ck_assert_int_eq(range_parse(SPAN("bytes=0-"), 0, &first, &last), RANGE_BAD);
	ck_assert_int_eq(range_parse(SPAN("bytes=-1"), 0, &first, &last), RANGE_BAD);
	ck_assert_int_eq(range_parse((struct span){NULL, 0}, 10, &first, &last), RANGE_NONE);
}
END_TEST

/* Whatever the header, a part lies within the content. */
START_TEST(parts_lie_within)
{
	static const char letters[] = "019-= ,a";
	char text[12] = "bytes=";

	for (size_t n = 0; n < 8 * 8 * 8 * 8 * 8; n++) {
		size_t rest = n;
		int64_t first = -1, last = -1;
		for (size_t i = 6; i < 11; i++, rest /= 8)
			text[i] = letters[rest % 8];
		if (range_parse((struct span){text, 11}, 10, &first, &last) == RANGE_PART)
			ck_assert(first >= 0 && first <= last && last < 10);
	}
}
END_TEST

#define NOW (INT64_C(1700000000) * TICKS_PER_S)

static const struct {
	const char *text;
	enum expiry_kind kind;
	int64_t seconds; /* since 1970 */
	bool with_zone;
} expiries[] = {
	{"never", EXPIRY_NEVER, 0, false},
	{"90s", EXPIRY_AT, 1700000090, true},
	{"1m", EXPIRY_AT, 1700000060, true},
	{"2h", EXPIRY_AT, 1700007200, true},
	{"1w", EXPIRY_AT, 1700604800, true},
	{"1893456000", EXPIRY_AT, 1893456000, true},
	{" -1 ", EXPIRY_AT, -1, true},
	{"2030-01-01T00:00:00Z", EXPIRY_AT, 1893456000, true},
	{"2030-01-01T00:00:00", EXPIRY_AT, 1893456000, false},
	{"2030-01-01T02:00+02:00", EXPIRY_AT, 1893456000, true},
	{"2000-02-29T00:00:00.5Z", EXPIRY_AT, 951782400, true},
	{"Never", EXPIRY_BAD, 0, false},
	{"0d", EXPIRY_BAD, 0, false},
	{"-1d", EXPIRY_BAD, 0, false},
	{"1.5h", EXPIRY_BAD, 0, false},
	{"1D", EXPIRY_BAD, 0, false},
	{"", EXPIRY_BAD, 0, false},
	{"d", EXPIRY_BAD, 0, false},
	{"2030-01-01", EXPIRY_BAD, 0, false},
	{"T", EXPIRY_BAD, 0, false},
	{"2030-13-01T00:00:00Z", EXPIRY_BAD, 0, false},
	{"2030-01-01T00:00:00ZZ", EXPIRY_BAD, 0, false},
	{"999999999d", EXPIRY_BAD, 0, false},
	{"10000000000000", EXPIRY_BAD, 0, false},
	{"99999999999999999999", EXPIRY_BAD, 0, false},
	{"99999999999999999999d", EXPIRY_OVERFLOW, 0, false},
};

START_TEST(expiry_texts)
{
	struct buf error = {0};
	struct expiry e = expiry_parse(span_of(expiries[_i].text), NOW, &error);

	ck_assert_int_eq(e.kind, expiries[_i].kind);
	ck_assert_int_eq(error.n > 0, e.kind == EXPIRY_BAD);
	if (e.kind == EXPIRY_AT) {
		ck_assert_int_eq(e.at / TICKS_PER_S, expiries[_i].seconds);
		ck_assert_int_eq(e.with_zone, expiries[_i].with_zone);
	}
	buf_done(&error);
}
END_TEST

START_TEST(http_dates_come_back)
{
	static const int64_t seconds[] = {0, 951782400, 1700000000, 4070908800};
	int64_t ticks;

	for (size_t i = 0; i < N(seconds); i++) {
		struct buf b = {0};
		time_format_http(&b, seconds[i] * TICKS_PER_S);
		ck_assert(time_parse_http(buf_span(&b), &ticks));
		ck_assert_int_eq(ticks, seconds[i] * TICKS_PER_S);
		buf_done(&b);
	}
	ck_assert(!time_parse_http(SPAN("yesterday"), &ticks));
	ck_assert(!time_parse_http(SPAN("Thu, 01 Jan 2099 00:00:00 GMT "), &ticks));
}
END_TEST

START_TEST(times_lose_trailing_zeros)
{
	struct buf b = {0};

	time_format(&b, NOW, false);
	check_buf(&b, "2023-11-14T22:13:20");
	time_format(&b, NOW + 1, true);
	check_buf(&b, "2023-11-14T22:13:20.0000001Z");
	time_format(&b, NOW + 5000000, false);
	check_buf(&b, "2023-11-14T22:13:20.5");
}
END_TEST

START_TEST(numbers)
{
	int64_t n = 0;

	ck_assert(parse_int64(SPAN("9223372036854775807"), &n) && n == INT64_MAX);
	ck_assert(parse_int64(SPAN("-9223372036854775808"), &n) && n == INT64_MIN);
	ck_assert(!parse_int64(SPAN("9223372036854775808"), &n));
	ck_assert(!parse_int64(SPAN("-9223372036854775809"), &n));
	ck_assert(!parse_int64(SPAN(""), &n) && !parse_int64(SPAN("-"), &n) && !parse_int64(SPAN("1 2"), &n));
}
END_TEST

START_TEST(mime_types)
{
	ck_assert_str_eq(mime_of_path(SPAN("a/B.PNG")), "image/png");
	ck_assert_str_eq(mime_of_path(SPAN(".txt")), "text/plain");
	ck_assert_str_eq(mime_of_path(SPAN("a.txt/b")), "application/octet-stream");
	ck_assert_str_eq(mime_of_path(SPAN("x.")), "application/octet-stream");
	ck_assert_str_eq(mime_of_path(SPAN("x.tar.gz")), "application/gzip");
	ck_assert(mime_has_charset(SPAN("text/plain")) && mime_has_charset(SPAN("image/svg+xml")));
	ck_assert(!mime_has_charset(SPAN("image/png")));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devserver text");
	TCase *c = tcase_create("text");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, normalised_paths, 0, N(paths));
	tcase_add_test(c, normalising_twice_changes_nothing);
	tcase_add_test(c, what_a_header_carries);
	tcase_add_loop_test(c, decoded_targets, 0, N(targets));
	tcase_add_loop_test(c, query_parameters, 0, N(queries));
	tcase_add_test(c, first_of_repeated_parameters);
	tcase_add_test(c, typed_query_parameters);
	tcase_add_loop_test(c, json_strings, 0, N(strings));
	tcase_add_test(c, json_members);
	tcase_add_loop_test(c, range_headers, 0, N(ranges));
	tcase_add_test(c, ranges_of_nothing);
	tcase_add_test(c, parts_lie_within);
	tcase_add_loop_test(c, expiry_texts, 0, N(expiries));
	tcase_add_test(c, http_dates_come_back);
	tcase_add_test(c, times_lose_trailing_zeros);
	tcase_add_test(c, numbers);
	tcase_add_test(c, mime_types);
	suite_add_tcase(suite, c);
	return tap_run(suite);
}
