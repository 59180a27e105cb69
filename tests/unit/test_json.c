/* libcfipc/varlink/json.c: what is taken, what is refused and why, and every limit from both sides. */
#include "tests/unit/tap.h"
#include "libcfipc/varlink/json.h"
#include "libcfipc/varlink/json_walk.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int try(const char *text, size_t len)
{
	_cleanup_json_ struct json_object *object = NULL;
	const char *why = NULL;

	/* Exactly len bytes of their own, so that a sanitizer sees one read too many. */
	char *copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	int r = json_parse(copy, len, &object, &why);
	free(copy);
	ck_assert(r <= 0);
	ck_assert((r < 0) == (why != NULL));
	if (r < 0)
		ck_assert_ptr_null(object);
	return r;
}

static int try_text(const char *text)
{
	return try(text, strlen(text));
}

START_TEST(takes_strict_json)
{
	static const char *const good[] = {
		"{}",
		"[]",
		" \t\r\n{ } \n",
		"null",
		"true",
		"false",
		"0",
		"-0",
		"12",
		"-12.5e+3",
		"1E5",
		"1e307",
		"\"\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
		"\"\\uD83C\\udf89\"",
		"\"\xf0\x9f\x8e\x89 \xc3\xa9 \x7f\"",
		"9223372036854775807",
		"-9223372036854775808",
		"[1,[2,[3,{\"a\":[{}]}]],\"x\"]",
		"{\"a\":1,\"b\":{\"c\":[]},\"\":null}",
		"{\"a\":1,\"a\":2}",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ck_assert_msg(try_text(good[i]) == 0, "%s was refused", good[i]);
		/* No prefix of an object or array is a document. */
		const char *first = good[i] + strspn(good[i], " \t\r\n");
		size_t len = strlen(first);
		while (len > 0 && strchr(" \n", first[len - 1]))
			len--;
		for (size_t cut = 0; (*first == '{' || *first == '[' || *first == '"') && cut < len; cut++)
			ck_assert_int_eq(try(first, cut), -EBADMSG);
	}
}
END_TEST

/* Whatever strict text says, json-c reads the same in it, and writes it the same. */
static void same_as_json_c(const char *text)
{
	struct json_object *ours = NULL, *theirs = json_tokener_parse(text);
	size_t len = 0;

	ck_assert_int_eq(json_parse(text, strlen(text), &ours, NULL), 0);
	ck_assert_msg(json_object_equal(ours, theirs), "%s", text);
	char *written = json_write(ours, &len);

	ck_assert_str_eq(written, json_object_to_json_string_ext(
					  theirs, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	ck_assert_uint_eq(len, strlen(written));
	free(written);
	json_object_put(ours);
	json_object_put(theirs);
}

START_TEST(reads_and_writes_as_json_c)
{
	char text[4096];

	same_as_json_c("{\"a\" : [ ] , \"b\":[1 , -2,3.50,-0,1e3,0.1,-1.5E-7, 123456789012345678],\"c\":{ "
		       "\"d\":null}}");
	same_as_json_c("[true,false,null,{},[[[\"\"]]],9223372036854775807,-9223372036854775808]");
	same_as_json_c("\"plain \\\" \\\\ \\/ / \\b\\f\\n\\r\\t \\u0001\\u001f\\u007f "
		       "\\u00e9\\u20AC\\uD83C\\uDF89 caf\xc3\xa9\"");
	same_as_json_c("{\"a\\nb\":1,\"caf\xc3\xa9\":2,\"\":3,\"a\":{\"longer than its value\":\"x\"}}");
	same_as_json_c("{\"a\":1,\"b\":2,\"a\":[3]}");
	same_as_json_c(" 12 ");
	same_as_json_c("null");
	/* Each code point's ends, one by one and all in one string. */
	for (unsigned c = 1; c < 0xD800; c = c * 2 + 1) {
		snprintf(text, sizeof(text), "[\"\\u%04x\",\"%4000d\\u%04X\"]", c, 7, c);
		same_as_json_c(text);
	}
	/* A double that the program made itself. */
	struct json_object *made = json_object_new_array();

	json_object_array_add(made, json_object_new_double(1.5));
	json_object_array_add(made, json_object_new_double(-3));
	json_object_array_add(made, json_object_new_double(1e300));
	char *written = json_write(made, NULL);

	ck_assert_str_eq(written, json_object_to_json_string_ext(made, JSON_C_TO_STRING_PLAIN));
	free(written);
	json_object_put(made);
	written = json_write(NULL, NULL);
	ck_assert_str_eq(written, "null");
	free(written);
}
END_TEST

START_TEST(refuses_everything_else)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"}",
		"[1,]",
		"{\"a\":1,}",
		"{a:1}",
		"{'a':1}",
		"'a'",
		"[1 2]",
		"{\"a\" 1}",
		"{\"a\":}",
		"{,}",
		"[,]",
		"NaN",
		"Infinity",
		"-Infinity",
		"nul",
		"truex",
		"nulll",
		"01",
		"-",
		"+1",
		"1.",
		".5",
		"1e",
		"1e+",
		"0x10",
		"1e309",
		"123e307",
		"\"\n\"",
		"\"\x01\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u00g0\"",
		"\"\\u0000\"",
		"{\"a\\u0000b\":1}",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"\"\\ud800\\u0041\"",
		"\"\xff\"",
		"\"\xc0\xaf\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xe2\x82\"",
		"{} {}",
		"{}x",
		"/* c */{}",
		"{}//",
		"[1]]",
		"[}",
		"{]",
		"{\"a\":1]",
		"9223372036854775808",
		"-9223372036854775809",
		"123456789012345678901234567890",
		"\xef\xbb\xbf{}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(try_text(bad[i]) == -EBADMSG, "%s was taken", bad[i]);
	ck_assert_int_eq(try("{}\0", 3), -EBADMSG);
	ck_assert_int_eq(try("\"a\0b\"", 5), -EBADMSG);
	ck_assert_int_eq(try("\"\\\0\"", 4), -EBADMSG);
}
END_TEST

static int try_nested(int depth)
{
	char text[2 * 100 + 1];

	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	return try(text, 2 * (size_t)depth);
}

static int try_repeated(const char *unit, size_t n)
{
	size_t len = strlen(unit);
	char *text = malloc(n * (len + 1) + 2);
	char *p = text;

	*p++ = '[';
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			*p++ = ',';
		memcpy(p, unit, len);
		p += len;
	}
	*p++ = ']';
	int r = try(text, (size_t)(p - text));
	free(text);
	return r;
}

START_TEST(limits_from_both_sides)
{
	char number[200];

	ck_assert_int_eq(try_nested(JSON_MAX_DEPTH), 0);
	ck_assert_int_eq(try_nested(JSON_MAX_DEPTH + 1), -E2BIG);
	ck_assert_int_eq(try_repeated("{}", JSON_MAX_CONTAINERS - 1), 0);
	ck_assert_int_eq(try_repeated("{}", JSON_MAX_CONTAINERS), -E2BIG);
	ck_assert_int_eq(try_repeated("1", JSON_MAX_VALUES - 1), 0);
	ck_assert_int_eq(try_repeated("1", JSON_MAX_VALUES), -E2BIG);
	memset(number, '0', sizeof(number));
	number[1] = '.';
	ck_assert_int_eq(try(number, 128), 0);
	ck_assert_int_eq(try(number, 129), -EBADMSG);
}
END_TEST

START_TEST(getters_know_absent_from_wrong)
{
	static const char text[] =
		"{\"s\":\"\\u0041\\uD83C\\uDF89\",\"i\":-5,\"d\":1.0,\"b\":true,\"n\":null,"
		"\"a\":[1],\"o\":{\"x\":1}}";
	_cleanup_json_ struct json_object *object = NULL;
	struct json_object *member = NULL;
	const char *s = NULL;
	int64_t i = 0;
	bool b = false;

	ck_assert_int_eq(json_parse(text, strlen(text), &object, NULL), 0);
	ck_assert_int_eq(json_get_string(object, "s", &s), 1);
	ck_assert_str_eq(s, "A\xf0\x9f\x8e\x89");
	ck_assert_int_eq(json_get_int64(object, "i", &i), 1);
	ck_assert_int_eq(i, -5);
	ck_assert_int_eq(json_get_bool(object, "b", &b), 1);
	ck_assert(b);
	ck_assert_int_eq(json_get_array(object, "a", &member), 1);
	ck_assert_int_eq(json_get_object(object, "o", &member), 1);
	ck_assert_int_eq(json_get_int64(object, "d", &i), -EBADMSG);
	ck_assert_int_eq(json_get_string(object, "i", &s), -EBADMSG);
	ck_assert_int_eq(json_get_object(object, "a", &member), -EBADMSG);
	ck_assert_int_eq(json_get_string(object, "n", &s), 0);
	ck_assert_int_eq(json_get_string(object, "absent", &s), 0);
	ck_assert_int_eq(i, -5);
	json_get_array(object, "a", &member);
	ck_assert_int_eq(json_get_string(member, "x", &s), -EBADMSG);
	ck_assert_int_eq(json_get_string(NULL, "x", &s), -EBADMSG);
}
END_TEST

START_TEST(walks_without_a_tree)
{
	static const char text[] = " {\"skip\" : {\"a\":[1,{\"]\":\"}\\\"\"},[]],\"b\":{}}, \"list\":[ 7 , "
				   "-8,1.5, \"x\\u00e9\" ,null,true],"
				   "\"empty\":[],\"last\":9223372036854775807 } ";
	struct json_walk w;
	int64_t n = 0;

	ck_assert_int_eq(json_walk_begin(&w, text, strlen(text), NULL), 0);
	ck_assert(!json_walk_enter(&w, '['));
	ck_assert(json_walk_enter(&w, '{'));

	ck_assert(json_walk_next(&w));
	ck_assert_str_eq(json_walk_name(&w), "skip");
	ck_assert_ptr_null(json_walk_string(&w));
	json_walk_skip(&w);

	ck_assert(json_walk_next(&w));
	ck_assert_str_eq(json_walk_name(&w), "list");
	ck_assert(!json_walk_int64(&w, &n));
	ck_assert(json_walk_enter(&w, '['));
	ck_assert(json_walk_next(&w) && json_walk_int64(&w, &n));
	ck_assert_int_eq(n, 7);
	ck_assert(json_walk_next(&w) && json_walk_int64(&w, &n));
	ck_assert_int_eq(n, -8);
	ck_assert(json_walk_next(&w) &&
		  !json_walk_int64(&w, &n)); /* a fraction is no integer, and is still there */
	ck_assert_int_eq(json_walk_peek(&w), '1');
	json_walk_skip(&w);
	ck_assert(json_walk_next(&w));
	ck_assert_str_eq(json_walk_string(&w), "x\xc3\xa9");
	ck_assert_uint_eq(w.len, 3);
	for (int i = 0; i < 2; i++) {
		ck_assert(json_walk_next(&w));
		json_walk_skip(&w);
	}
	ck_assert(!json_walk_next(&w));

	ck_assert(json_walk_next(&w));
	json_walk_name(&w);
	ck_assert(json_walk_enter(&w, '[') && !json_walk_next(&w));
	ck_assert(json_walk_next(&w));
	ck_assert_str_eq(json_walk_name(&w), "last");
	ck_assert(json_walk_int64(&w, &n));
	ck_assert_int_eq(n, INT64_MAX);
	ck_assert(!json_walk_next(&w));
	ck_assert_ptr_eq(w.p, w.end);
	json_walk_done(&w);
	json_walk_done(&w);

	const char *why = NULL;
	ck_assert_int_eq(json_walk_begin(&w, "{\"a\":}", 6, &why), -EBADMSG);
	ck_assert_ptr_nonnull(why);
	json_walk_done(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tc = tcase_create("json");

	tcase_set_timeout(tc, 60); /* valgrind and sanitizers on a busy machine */

	tcase_add_test(tc, takes_strict_json);
	tcase_add_test(tc, reads_and_writes_as_json_c);
	tcase_add_test(tc, refuses_everything_else);
	tcase_add_test(tc, limits_from_both_sides);
	tcase_add_test(tc, getters_know_absent_from_wrong);
	tcase_add_test(tc, walks_without_a_tree);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
