/* Names: vectors, and both directions of the round trip over random and exhaustive byte strings. */
#include "api/url.h"
#include "base/utf8.h"
#include "base/util.h"
#include "sync/names.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <string.h>

_Static_assert(NAMES_URL_MAX == URL_PATH_MAX, "one limit, written in two rooms that may not know each other");

static uint32_t seed = 1;

static uint32_t next_random(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static const struct {
	const char *local, *remote;
} vectors[] = {
	{"a", "a"},
	{"dir/file.txt", "dir/file.txt"},
	{"a\\b", "a~x5Cb"},
	{"\xff\xfe", "~xFF~xFE"},
	{"caf\xc3\xa9", "caf\xc3\xa9"},
	{"cafe\xcc\x81", "cafe\xcc\x81"},
	{"caf\xc3", "caf~xC3"},
	{"\xc0\xaf", "~xC0~xAF"},         /* overlong '/' */
	{"\xed\xa0\x80", "~xED~xA0~x80"}, /* surrogate */
	{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
	{" ", "~x20"},
	{"  ", "~x20 "},
	{"\n\t", "~x0A\t"},
	{"\xc2\xa0 ", "~xC2~xA0 "},       /* U+00A0 */
	{"\xe3\x80\x80", "~xE3~x80~x80"}, /* U+3000 */
	{"\xe2\x80\x8b", "\xe2\x80\x8b"}, /* U+200B is no white space */
	{" a ", " a "},
	{" \xff", " ~xFF"},
	{"x/ /y", "x/~x20/y"},
	{"~", "~"},
	{"~x", "~x"},
	{"~x4", "~x4"},
	{"~x4g", "~x4g"},
	{"~X41", "~X41"},
	{"~x41", "~x7Ex41"},
	{"~x5c", "~x7Ex5c"},
	{"~x5C", "~x7Ex5C"},
	{"a~xfFb", "a~x7ExfFb"},
	{"~~x41", "~~x7Ex41"},
	{"~x~x41", "~x~x7Ex41"},
	{"~x7Ex41", "~x7Ex7Ex41"},
	{"~x4\xff", "~x4~xFF"},
	{"~x\\", "~x~x5C"},
	{"a\nb\"c'd%2F#?", "a\nb\"c'd%2F#?"},
	{"x/content", "x/content"},
	{"file", "file"},
	{"...", "..."},
	{"a..b", "a..b"},
};

START_TEST(test_vectors)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		_cleanup_free_ char *remote = names_encode(vectors[i].local);
		_cleanup_free_ char *local = NULL;

		ck_assert_str_eq(remote, vectors[i].remote);
		ck_assert_int_eq(names_decode(remote, &local), 0);
		ck_assert_str_eq(local, vectors[i].local);
	}
	_cleanup_free_ char *one = names_encode_component("a\\b/", 3);
	ck_assert_str_eq(one, "a~x5Cb");
}
END_TEST

START_TEST(test_refused)
{
	static const char *const refused[] = {
		"",         "/",       "a/",       "/a",    "a//b", ".",        "..",   "a/..",
		"./a",      "~x2E",    "~x2E~x2E", "~x2E.", "~x41", "~x5c",     "~xff", "~x2F",
		"a~x2Fb",   "~x00",    "a~x00",    "a\\b",  " ",    "\xc2\xa0", "~x7E", "~x7Ey",
		"~xC3~xA9", "caf\xc3", "~x20a",    " /a",   "~x0A",
	};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		char *local = (char *)&local;

		/* "~x0A" is what a name of one newline looks like: the one here that is right. */
		if (strcmp(refused[i], "~x0A") == 0) {
			ck_assert_int_eq(names_decode(refused[i], &local), 0);
			ck_assert_str_eq(local, "\n");
			free(local);
			continue;
		}
		ck_assert_msg(names_decode(refused[i], &local) == -EINVAL, "accepted: %s", refused[i]);
		ck_assert_ptr_eq(local, &local);
	}
}
END_TEST

START_TEST(test_lengths)
{
	char name[5000];
	_cleanup_free_ char *local = NULL;

	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	ck_assert_int_eq(names_decode(name, &local), -ENAMETOOLONG);
	name[255] = '\0';
	ck_assert_int_eq(names_decode(name, &local), 0);
	ck_assert_uint_eq(strlen(local), 255);

	memset(name, 'a', sizeof(name));
	for (size_t i = 100; i < sizeof(name); i += 100)
		name[i] = '/';
	name[4096] = '\0';
	char *untouched = NULL;
	ck_assert_int_eq(names_decode(name, &untouched), -ENAMETOOLONG);
	ck_assert_ptr_null(untouched);
	name[4095] = '\0';
	ck_assert_int_eq(names_decode(name, &untouched), 0);
	free(untouched);

	/* 255 bytes that are not UTF-8 are four times as long on the server, and still one name. */
	memset(name, 0xff, 255);
	name[255] = '\0';
	_cleanup_free_ char *remote = names_encode(name);
	ck_assert_uint_eq(strlen(remote), 4 * 255);
	ck_assert_int_eq(names_decode(remote, &untouched), 0);
	ck_assert_str_eq(untouched, name);
	free(untouched);
}
END_TEST

static void check_local(const char *local)
{
	_cleanup_free_ char *remote = names_encode(local);
	_cleanup_free_ char *back = NULL;

	ck_assert_ptr_nonnull(remote);
	ck_assert(utf8_valid(remote, strlen(remote)));
	ck_assert_ptr_null(strchr(remote, '\\'));
	ck_assert_int_eq(names_decode(remote, &back), 0);
	ck_assert_str_eq(back, local);
}

static void check_remote(const char *remote)
{
	_cleanup_free_ char *local = NULL;

	if (names_decode(remote, &local) < 0)
		return;
	_cleanup_free_ char *back = names_encode(local);
	ck_assert_str_eq(back, remote);
}

static bool legal(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len <= 2 && strncmp(path, "..", len) == 0))
			return false;
		if (!path[len])
			return true;
		path += len + 1;
	}
}

/* The bytes where something can go wrong, in every order. */
START_TEST(test_exhaustive)
{
	static const char bytes[] = "~x57EcC\\ /.\xff\xc2\xa0";
	const size_t n = sizeof(bytes) - 1;

	for (size_t len = 1; len <= 4; len++) {
		size_t total = 1;

		for (size_t i = 0; i < len; i++)
			total *= n;
		for (size_t k = 0; k < total; k++) {
			char s[8];
			size_t rest = k;

			for (size_t i = 0; i < len; i++, rest /= n)
				s[i] = bytes[rest % n];
			s[len] = '\0';
			if (legal(s))
				check_local(s);
			check_remote(s);
		}
	}
}
END_TEST

START_TEST(test_random)
{
	static const char often[] = "~~~xx05CcEe7aA\\/. \n";

	for (int round = 0; round < 300000; round++) {
		char s[40];
		size_t len = 1 + next_random() % 30;

		for (size_t i = 0; i < len; i++)
			s[i] = next_random() % 3 ? often[next_random() % (sizeof(often) - 1)]
						 : (char)(1 + next_random() % 255);
		s[len] = '\0';
		if (legal(s))
			check_local(s);
		check_remote(s);
	}
}
END_TEST

START_TEST(test_url)
{
	char path[8000];

	memset(path, 'a', sizeof(path));
	path[7500] = '\0';
	ck_assert(names_fits_url("", path));
	ck_assert(!names_fits_url("p/", path));
	path[7498] = '\0';
	ck_assert(names_fits_url("p/", path));
	memset(path, ' ', 2500);
	path[2500] = '\0';
	ck_assert(names_fits_url("", path));
	ck_assert(!names_fits_url("/", path));
	memset(path, '/', 7500);
	path[7500] = '\0';
	ck_assert(names_fits_url("", path));

	ck_assert(names_plain(" az~/"));
	ck_assert(!names_plain("a\x7f"));
	ck_assert(!names_plain("a\nb"));
	ck_assert(!names_plain("\xc3\xa9"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("names");
	TCase *tc = tcase_create("names");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_vectors);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_lengths);
	tcase_add_test(tc, test_exhaustive);
	tcase_add_test(tc, test_random);
	tcase_add_test(tc, test_url);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
