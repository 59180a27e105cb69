/* What is left out by default, and what only looks like it. */
#include "base/util.h"
#include "sync/ignore.h"
#include "tests/unit/tap.h"
#include <string.h>

static const struct ignore_rules plain, carrying = {.secrets = true};

START_TEST(test_names)
{
	static const struct {
		const char *name;
		bool is_dir;
		enum ignore_verdict verdict;
		const char *rule;
	} cases[] = {
		{"a.txt", false, IGNORE_COVERED, NULL},
		{"a.txt~", false, IGNORE_IGNORED, "*~"},
		{"~", false, IGNORE_IGNORED, "*~"},
		{"~a", false, IGNORE_COVERED, NULL},
		{".a.txt.swp", false, IGNORE_IGNORED, ".*.sw?"},
		{".a.swx", false, IGNORE_IGNORED, ".*.sw?"},
		{".swp", false, IGNORE_COVERED, NULL},
		{"a.swp", false, IGNORE_COVERED, NULL},
		{".a.swift", false, IGNORE_COVERED, NULL},
		{".#a", false, IGNORE_IGNORED, ".#*"},
		{"#a#", false, IGNORE_COVERED, NULL},
		{".~lock.a.odt#", false, IGNORE_IGNORED, ".~lock.*#"},
		{".goutputstream-X1", false, IGNORE_IGNORED, ".goutputstream-*"},
		{"film.mkv.part", false, IGNORE_IGNORED, "*.part"},
		{"x.crdownload", false, IGNORE_IGNORED, "*.crdownload"},
		{"party", false, IGNORE_COVERED, NULL},
		{"*.party", false, IGNORE_COVERED, NULL},
		{".carbonfilesd-x7", false, IGNORE_IGNORED, ".carbonfilesd-*"},
		{".carbonfilesignore", false, IGNORE_COVERED, NULL},
		{".ssh", true, IGNORE_SECRET, ".ssh/"},
		{".ssh", false, IGNORE_COVERED, NULL},
		{".gnupg", true, IGNORE_SECRET, ".gnupg/"},
		{".sshx", true, IGNORE_COVERED, NULL},
		{".env", false, IGNORE_SECRET, ".env"},
		{".env.example", false, IGNORE_COVERED, NULL},
		{".netrc", false, IGNORE_SECRET, ".netrc"},
		{".pgpass", false, IGNORE_SECRET, ".pgpass"},
		{"id_rsa", false, IGNORE_SECRET, "id_rsa"},
		{"id_ecdsa", false, IGNORE_SECRET, "id_ecdsa"},
		{"id_ed25519", false, IGNORE_SECRET, "id_ed25519"},
		{"id_rsa.pub", false, IGNORE_COVERED, NULL},
		{"\xff\xfe~", false, IGNORE_IGNORED, "*~"},
		{"\xff\\x", false, IGNORE_COVERED, NULL},
		{".\xff.sw\xfe", false, IGNORE_IGNORED, ".*.sw?"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *rule = NULL;

		ck_assert_msg(ignore_component(&plain, cases[i].name, cases[i].is_dir, &rule) ==
				      cases[i].verdict,
			      "%s", cases[i].name);
		ck_assert_pstr_eq(rule, cases[i].rule);
		ck_assert_int_eq(ignore_component(&plain, cases[i].name, cases[i].is_dir, NULL),
				 cases[i].verdict);
		ck_assert_int_eq(ignore_component(&carrying, cases[i].name, cases[i].is_dir, NULL),
				 cases[i].verdict == IGNORE_SECRET ? IGNORE_COVERED : cases[i].verdict);
	}
}
END_TEST

START_TEST(test_paths)
{
	const char *rule = NULL;
	char deep[600];

	ck_assert_int_eq(ignore_path(&plain, "a/b/c", false, &rule), IGNORE_COVERED);
	ck_assert_int_eq(ignore_path(&plain, "", true, &rule), IGNORE_COVERED);
	ck_assert_ptr_null(rule);
	ck_assert_int_eq(ignore_path(&plain, "home/.ssh/config", false, &rule), IGNORE_SECRET);
	ck_assert_str_eq(rule, ".ssh/");
	ck_assert_int_eq(ignore_path(&plain, "home/.ssh", true, NULL), IGNORE_SECRET);
	ck_assert_int_eq(ignore_path(&plain, "home/.ssh", false, NULL), IGNORE_COVERED);
	ck_assert_int_eq(ignore_path(&plain, "x~/y", false, &rule), IGNORE_IGNORED);
	ck_assert_int_eq(ignore_path(&plain, "y/x~", false, NULL), IGNORE_IGNORED);
	memset(deep, 'a', sizeof(deep));
	memcpy(deep + 400, "/b~", 4);
	ck_assert_int_eq(ignore_path(&plain, deep, false, NULL), IGNORE_IGNORED);
}
END_TEST

START_TEST(test_contents)
{
	static const struct {
		const char *head;
		bool secret;
	} cases[] = {
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk", true},
		{"-----BEGIN RSA PRIVATE KEY-----", true},
		{"-----BEGIN PRIVATE KEY-----\r\n", true},
		{"x\n-----BEGIN PRIVATE KEY-----\n", false},
		{"-----BEGIN PUBLIC KEY-----\n", false},
		{"PRIVATE KEY----", false},
		{"", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_int_eq(ignore_content_is_secret(cases[i].head, strlen(cases[i].head)),
				 cases[i].secret);
	ck_assert(!ignore_content_is_secret("-----BEGIN PRIVATE KEY-----", 26));
	ck_assert(ignore_content_is_secret("\0-----BEGIN PRIVATE KEY-----", 28));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ignore");
	TCase *tc = tcase_create("ignore");

	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_paths);
	tcase_add_test(tc, test_contents);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
