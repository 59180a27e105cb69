/*
 * The development server's multipart parser: every way to cut a body in two, one byte at a time, and its
 * limits. Also Content-Disposition, which says what the parts are called.
 */
#include "tests/devserver/disposition.h"
#include "tests/devserver/multipart.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What a parse did, as text: "<" disposition ">" data "$" for every part. */
struct trace {
	struct buf text;
	int fail_at_part; /* 0: never */
	int parts;
};

static int on_begin(void *arg, struct span disposition)
{
	struct trace *t = arg;

	buf_addc(&t->text, '<');
	buf_addspan(&t->text, disposition);
	buf_addc(&t->text, '>');
	return ++t->parts == t->fail_at_part ? -ECANCELED : 0;
}

static int on_data(void *arg, struct span bytes)
{
	struct trace *t = arg;

	ck_assert(bytes.n > 0);
	buf_addspan(&t->text, bytes);
	return 0;
}

static int on_end(void *arg)
{
	struct trace *t = arg;

	buf_addc(&t->text, '$');
	return 0;
}

static const struct multipart_ops ops = {on_begin, on_data, on_end};

/* Feeds the pieces that `cuts` makes of the body; the result of the parse. */
static int parse(struct span body, const char *boundary, const size_t *cuts, size_t n_cuts, struct trace *t)
{
	struct multipart m;
	size_t at = 0;
	int r = multipart_init(&m, span_of(boundary), &ops, t);

	for (size_t i = 0; r == 0 && i <= n_cuts; i++) {
		size_t end = i < n_cuts ? cuts[i] : body.n;
		/* A copy of exactly that size, so that a sanitizer sees every byte read beyond it. */
		char *piece = malloc(end - at + 1);
		ck_assert(piece != NULL);
		memcpy(piece, body.p + at, end - at);
		r = multipart_feed(&m, (struct span){piece, end - at});
		free(piece);
		at = end;
	}
	if (r == 0)
		r = multipart_finish(&m);
	multipart_done(&m);
	return r;
}

static void check_once(struct span body, const size_t *cuts, size_t n_cuts, int want, const char *want_text)
{
	struct trace t = {0};

	int r = parse(body, "bnd", cuts, n_cuts, &t);
	ck_assert_int_eq(r, want);
	if (want_text)
		ck_assert(span_eq(buf_span(&t.text), span_of(want_text)));
	buf_done(&t.text);
}

/* The same result whole, cut at every place, cut at every pair of places (short bodies), and byte by byte. */
static void check_all_cuts(struct span body, int want, const char *want_text)
{
	size_t every[4096];

	ck_assert(body.n < 4096);
	check_once(body, NULL, 0, want, want_text);
	for (size_t i = 0; i <= body.n; i++)
		check_once(body, (size_t[]){i}, 1, want, want_text);
	for (size_t i = 0; i <= body.n && body.n < 200; i++)
		for (size_t j = i; j <= body.n; j++)
			check_once(body, (size_t[]){i, j}, 2, want, want_text);
	for (size_t i = 0; i < body.n; i++)
		every[i] = i;
	check_once(body, every, body.n, want, want_text);
}

static const struct {
	const char *body;
	int result;
	const char *trace; /* NULL: does not matter */
} cases[] = {
	{"--bnd\r\nContent-Disposition: a\r\n\r\none\r\n--bnd--\r\n", 0, "<a>one$"},
	{"--bnd\r\nContent-Disposition: a\r\n\r\none\r\n--bnd--", 0, "<a>one$"},
	{"--bnd\r\ncontent-disposition:a \r\nX: y\r\n\r\n1\r\n--bnd\r\n\r\n2\r\n--bnd--\r\n", 0, "<a>1$<>2$"},
	{"--bnd\r\nContent-Disposition: a\r\n\r\n\r\n--bnd--\r\n", 0, "<a>$"},
	{"", 0, ""},
	{"--bnd--\r\n", 0, ""},
	{"--bnd--", 0, ""},
	{"preamble\r\n--bnd\r\nX: y\r\n\r\nz\r\n--bnd--\r\nepilogue\r\n--bnd\r\n", 0, "<>z$"},
	/* Almost the delimiter. */
	{"--bnd\r\nX: y\r\n\r\n\r\r\n\r\n-\r\n--\r\n--bn\r\n--b\r\n--bnd--", 0,
	 "<>\r\r\n\r\n-\r\n--\r\n--bn\r\n--b$"},
	{"--bnd\r\nX: y\r\n\r\n--bnd\r\n--bnd--", 0, "<>--bnd$"}, /* no line end before it: data */
	{"-----bnd\r\nX: y\r\n\r\nz\r\n--bnd--", 0, "<>z$"},      /* dashes overlap in the preamble */
	{"--b--bnd\r\nX: y\r\n\r\nz\r\n--bnd--", 0, "<>z$"},
	{"--bnd  \r\nX: y\r\n\r\nz\r\n--bnd --\r\n", 0, "<>z$"},
	/* Broken ones. */
	{"--bnd\r\nX: y\r\n\r\nz\r\n", -EPROTO, NULL},
	{"--bnd\r\nX: y\r\n\r\nz\r\n--bnd\r\n", -EPROTO, NULL},
	{"--other\r\nX: y\r\n\r\nz\r\n--other--\r\n", -EPROTO, ""},
	{"--bnd\nX: y\n\nz\n--bnd--\n", -EPROTO, ""},
	{"--bnd\r\nno colon\r\n\r\nz\r\n--bnd--\r\n", -EPROTO, ""},
};

START_TEST(splits)
{
	check_all_cuts(span_of(cases[_i].body), cases[_i].result, cases[_i].trace);
}
END_TEST

static void repeat(struct buf *b, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_adds(b, text);
}

START_TEST(sixteen_headers_pass_and_seventeen_do_not)
{
	for (size_t n = 16; n <= 17; n++) {
		struct buf b = {0};
		buf_adds(&b, "--bnd\r\n");
		repeat(&b, "X: y\r\n", n);
		buf_adds(&b, "\r\nz\r\n--bnd--\r\n");
		check_once(buf_span(&b), NULL, 0, n == 16 ? 0 : -EPROTO, NULL);
		buf_done(&b);
	}
}
END_TEST

START_TEST(long_headers_and_preambles_are_refused)
{
	struct buf b = {0};

	buf_adds(&b, "--bnd\r\nX: ");
	repeat(&b, "y", MULTIPART_HEADERS_BYTES);
	buf_adds(&b, "\r\n\r\nz\r\n--bnd--\r\n");
	check_once(buf_span(&b), NULL, 0, -EPROTO, "");
	b.n = 0;
	repeat(&b, "p", MULTIPART_PREAMBLE_BYTES + 100);
	buf_adds(&b, "\r\n--bnd--\r\n");
	check_once(buf_span(&b), NULL, 0, -EPROTO, "");
	buf_done(&b);
}
END_TEST

START_TEST(a_callback_ends_the_parse)
{
	struct trace t = {.fail_at_part = 2};
	struct span body = SPAN("--bnd\r\nX: y\r\n\r\n1\r\n--bnd\r\nX: y\r\n\r\n2\r\n--bnd--\r\n");

	ck_assert_int_eq(parse(body, "bnd", NULL, 0, &t), -ECANCELED);
	ck_assert(span_eq(buf_span(&t.text), SPAN("<>1$<>")));
	buf_done(&t.text);
}
END_TEST

START_TEST(large_data_is_handed_through)
{
	struct buf b = {0}, want = {0};

	buf_adds(&want, "<>");
	for (int i = 0; i < 3000; i++)
		buf_addf(&want, "%d\r\n-%d\r", i, i);
	buf_adds(&b, "--bnd\r\nX: y\r\n\r\n");
	buf_add(&b, want.p + 2, want.n - 2);
	buf_adds(&b, "\r\n--bnd--\r\n");
	buf_addc(&want, '$');
	for (size_t step = 1; step < 5000; step = step * 3 + 1) {
		size_t cuts[64 * 1024], n = 0;
		for (size_t at = step; at < b.n && n < 64 * 1024; at += step)
			cuts[n++] = at;
		check_once(buf_span(&b), cuts, n, 0, want.p);
	}
	buf_done(&b);
	buf_done(&want);
}
END_TEST

static const struct {
	const char *type, *boundary; /* NULL: none */
} types[] = {
	{"multipart/form-data; boundary=bnd", "bnd"},
	{"multipart/form-data;boundary=\"b d;\"; x=y", "b d;"},
	{"multipart/form-data; charset=x; BOUNDARY=bnd ; y", "bnd"},
	{"multipart/form-data", NULL},
	{"multipart/form-data; boundary=", NULL},
	{"multipart/form-data; boundary=\"open", NULL},
};

START_TEST(boundaries)
{
	struct buf b = {0};

	ck_assert_int_eq(multipart_boundary(span_of(types[_i].type), &b), types[_i].boundary != NULL);
	if (types[_i].boundary)
		ck_assert(span_eq(buf_span(&b), span_of(types[_i].boundary)));
	buf_done(&b);
}
END_TEST

static const struct {
	const char *value;
	bool readable;
	const char *name, *filename; /* NULL: absent */
} dispositions[] = {
	{"form-data; name=\"file\"; filename=\"a b.txt\"", true, "file", "a b.txt"},
	{"form-data; name=file; filename=a.txt", true, "file", "a.txt"},
	{"form-data; name=\"file\"; filename=\"a\\\"b\"", true, "file", "a\\\"b"},
	{"form-data; filename=\"p\"; filename*=UTF-8''s", true, NULL, "p"},
	{"form-data; name=\"x\"; filename*=UTF-8''%C3%BC%20%22%0A", true, "x", "\xc3\xbc \"\n"},
	{"form-data; name=\"x\"; filename*=utf-8'en'a%FFb", true, "x",
	 "a\xef\xbf\xbd"
	 "b"},
	{"form-data; name=\"x\"; filename*=iso-8859-1''%FC", true, "x", "\xc3\xbc"},
	{"form-data; name=\"x\"; filename*=koi8-r''a", true, "x", NULL},
	{"form-data; name=\"x\"; filename*=nonsense", true, "x", NULL},
	{"form-data; name=\"x\"; filename=\"=?utf-8?B?w7wudHh0?=\"", true, "x", "\xc3\xbc.txt"},
	{"form-data; name=\"x\"; filename=\"=?utf-8?B?!!!?=\"", true, "x", "=?utf-8?B?!!!?="},
	{"form-data; name=\"\"; filename=\"\"", true, "", ""},
	{"form-data", true, NULL, NULL},
	{"form-data; name=\"open", false, NULL, NULL},
	{"; name=x", false, NULL, NULL},
	{"form-data name=x", false, NULL, NULL},
};

static void check_part(bool has, const struct buf *got, const char *want)
{
	ck_assert_int_eq(has, want != NULL);
	if (want)
		ck_assert(span_eq(buf_span(got), span_of(want)));
}

START_TEST(content_dispositions)
{
	struct disposition d;

	ck_assert_int_eq(disposition_parse(span_of(dispositions[_i].value), &d), dispositions[_i].readable);
	if (dispositions[_i].readable) {
		check_part(d.has_name, &d.name, dispositions[_i].name);
		check_part(d.has_filename, &d.filename, dispositions[_i].filename);
	}
	disposition_done(&d);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devserver multipart");
	TCase *c = tcase_create("multipart");

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, splits, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(c, sixteen_headers_pass_and_seventeen_do_not);
	tcase_add_test(c, long_headers_and_preambles_are_refused);
	tcase_add_test(c, a_callback_ends_the_parse);
	tcase_add_test(c, large_data_is_handed_through);
	tcase_add_loop_test(c, boundaries, 0, sizeof(types) / sizeof(types[0]));
	tcase_add_loop_test(c, content_dispositions, 0, sizeof(dispositions) / sizeof(dispositions[0]));
	suite_add_tcase(suite, c);
	return tap_run(suite);
}
