/* Profiles: what is taken, what is refused and with which words, where a credential comes from, and that
 * changes of the set are changes of the files. */
#include "store/profile.h"
#include "tests/unit/store_dir.h"
#include "tests/unit/tap.h"
#include <errno.h>

static struct profiles *set;
static char *warnings;

#define KEY "cf4_0123456789abcdef"

static void setup(void)
{
	store_dir_setup();
	unsetenv("CREDENTIALS_DIRECTORY");
	set = NULL;
	warnings = NULL;
}

static void load(void)
{
	profiles_free(set);
	set = NULL;
	free(warnings);
	warnings = NULL;
	ck_assert_int_eq(profiles_load(store_dir, &set, &warnings), 0);
}

static void teardown(void)
{
	profiles_free(set);
	free(warnings);
	store_dir_teardown();
}

static struct profile *sample(const char *name, const char *secret)
{
	struct profile *p = profile_new(name);

	p->url = strdup("https://files.example");
	if (secret) {
		p->auth = profile_auth_detect(secret);
		ck_assert_int_eq(secret_new(secret, strlen(secret), &p->secret), 0);
	}
	return p;
}

static void put(const char *name, const char *secret)
{
	ck_assert_int_eq(profiles_put(set, sample(name, secret)), 0);
}

START_TEST(kinds_of_credentials)
{
	enum profile_auth auth;

	ck_assert_int_eq(profile_auth_detect("cf4_x"), PROFILE_API_KEY);
	ck_assert_int_eq(profile_auth_detect("cfu_x"), PROFILE_UPLOAD_TOKEN);
	ck_assert_int_eq(profile_auth_detect("eyJh.eyJz.c-_n"), PROFILE_DASHBOARD_TOKEN);
	ck_assert_int_eq(profile_auth_detect("a.b"), PROFILE_ADMIN_KEY);
	ck_assert_int_eq(profile_auth_detect("a.b.c.d"), PROFILE_ADMIN_KEY);
	ck_assert_int_eq(profile_auth_detect("a..c"), PROFILE_ADMIN_KEY);
	ck_assert_int_eq(profile_auth_detect("a.b.c!"), PROFILE_ADMIN_KEY);
	ck_assert_int_eq(profile_auth_detect(""), PROFILE_ADMIN_KEY);
	for (int i = PROFILE_NONE; i <= PROFILE_UPLOAD_TOKEN; i++) {
		ck_assert_int_eq(profile_auth_parse(profile_auth_name((enum profile_auth)i), &auth), 0);
		ck_assert_int_eq(auth, i);
	}
	ck_assert_int_eq(profile_auth_parse("key", &auth), -EINVAL);
}
END_TEST

START_TEST(nothing_there)
{
	load();
	ck_assert_uint_eq(profiles_count(set), 0);
	ck_assert_ptr_null(warnings);
	ck_assert_ptr_null(profiles_find(set, NULL));
	ck_assert_ptr_null(profiles_active(set));
	ck_assert_ptr_null(profiles_at(set, 0));
	ck_assert_int_eq(profiles_set_active(set, "x"), -ENOENT);
	ck_assert_int_eq(profiles_set_active(set, NULL), 0);
	ck_assert_int_eq(profiles_remove(set, "x"), -ENOENT);
	ck_assert_int_eq(profiles_rename(set, "x", "y"), -ENOENT);
}
END_TEST

START_TEST(put_and_load)
{
	struct stat st;

	load();
	put("work", KEY);
	put("home", "adm'in\\key\"$");
	put("anyone", NULL);
	ck_assert_uint_eq(profiles_count(set), 3);
	for (int again = 0; again < 2; again++) {
		ck_assert_str_eq(profiles_at(set, 0)->name, "anyone");
		ck_assert_str_eq(profiles_at(set, 1)->name, "home");
		ck_assert_str_eq(profiles_at(set, 2)->name, "work");
		struct profile *p = profiles_find(set, "work");
		ck_assert_str_eq(p->url, "https://files.example");
		ck_assert_int_eq(p->auth, PROFILE_API_KEY);
		ck_assert_str_eq(secret_str(p->secret), KEY);
		ck_assert_str_eq(p->key_prefix, "cf4_01234567");
		ck_assert(!p->secret_from_directory);
		p = profiles_find(set, "home");
		ck_assert_int_eq(p->auth, PROFILE_ADMIN_KEY);
		ck_assert_str_eq(secret_str(p->secret), "adm'in\\key\"$");
		ck_assert_ptr_null(p->key_prefix);
		p = profiles_find(set, "anyone");
		ck_assert_int_eq(p->auth, PROFILE_NONE);
		ck_assert_ptr_null(p->secret);
		load();
		ck_assert_ptr_null(warnings);
	}
	_cleanup_free_ char *path = store_path("profiles/work.conf");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	/* Replaced, and changed in place. */
	put("work", "cfu_other");
	ck_assert_uint_eq(profiles_count(set), 3);
	struct profile *p = profiles_find(set, "work");
	free(p->url);
	p->url = strdup("http://localhost:1");
	ck_assert_int_eq(profiles_put(set, p), 0);
	load();
	ck_assert_str_eq(profiles_find(set, "work")->url, "http://localhost:1");
	ck_assert_str_eq(secret_str(profiles_find(set, "work")->secret), "cfu_other");
}
END_TEST

START_TEST(put_refuses)
{
	load();
	struct profile *p = sample("ok", "with\nnewline");
	ck_assert_int_eq(profiles_put(set, p), -EINVAL);
	profile_free(p);
	p = sample("../evil", KEY);
	ck_assert_int_eq(profiles_put(set, p), -EINVAL);
	profile_free(p);
	p = sample("ok", KEY);
	free(p->url);
	p->url = strdup("ftp://x");
	ck_assert_int_eq(profiles_put(set, p), -EINVAL);
	profile_free(p);
	p = sample("ok", KEY);
	p->auth = PROFILE_NONE;
	ck_assert_int_eq(profiles_put(set, p), -EINVAL);
	profile_free(p);
	ck_assert_uint_eq(profiles_count(set), 0);
	_cleanup_free_ char *dir = store_path("profiles");
	ck_assert_int_eq(access(dir, F_OK), -1);
}
END_TEST

START_TEST(active_one)
{
	load();
	put("a", KEY);
	put("b", KEY);
	ck_assert_ptr_null(profiles_active(set));
	ck_assert_int_eq(profiles_set_active(set, "b"), 0);
	load();
	ck_assert_str_eq(profiles_active(set), "b");
	ck_assert_str_eq(profiles_find(set, NULL)->name, "b");
	ck_assert_int_eq(profiles_rename(set, "b", "a"), -EEXIST);
	ck_assert_int_eq(profiles_rename(set, "b", "../c"), -EINVAL);
	ck_assert_int_eq(profiles_rename(set, "b", "0first"), 0);
	ck_assert_str_eq(profiles_active(set), "0first");
	ck_assert_str_eq(profiles_at(set, 0)->name, "0first");
	load();
	ck_assert_uint_eq(profiles_count(set), 2);
	ck_assert_str_eq(profiles_active(set), "0first");
	ck_assert_int_eq(profiles_remove(set, "0first"), 0);
	ck_assert_ptr_null(profiles_active(set));
	load();
	ck_assert_uint_eq(profiles_count(set), 1);
	ck_assert_ptr_null(profiles_active(set));
	ck_assert_int_eq(profiles_set_active(set, "a"), 0);
	ck_assert_int_eq(profiles_set_active(set, NULL), 0);
	load();
	ck_assert_ptr_null(profiles_active(set));
	ck_assert_ptr_null(warnings);
	store_write("profiles/active", "../../etc\n", 0600);
	load();
	ck_assert_ptr_nonnull(strstr(warnings, "active: it is not the name of a profile"));
}
END_TEST

START_TEST(rename_keeps_what_is_not_listed)
{
	load();
	put("a", KEY);
	store_write("profiles/wide.conf", "url = 'https://x'\n", 0644);
	load();
	ck_assert_uint_eq(profiles_count(set), 1);
	ck_assert_int_eq(profiles_rename(set, "a", "wide"), -EEXIST);
	ck_assert_ptr_nonnull(profiles_find(set, "a"));
}
END_TEST

static void refused(const char *text, mode_t mode, const char *words)
{
	store_write("profiles/bad.conf", text, mode);
	store_write("profiles/good.conf", "url = 'https://x'\n", 0600);
	load();
	ck_assert_msg(profiles_count(set) == 1, "not refused: %s", text);
	ck_assert_ptr_nonnull(strstr(warnings, "profiles/bad.conf"));
	ck_assert_msg(strstr(warnings, words), "%s: \"%s\" has no \"%s\"", text, warnings, words);
	ck_assert_ptr_null(strstr(warnings, "hunter2"));
}

START_TEST(malformed_ones)
{
	refused("url = 'https://x'\nsecret = 'hunter2'\n", 0640, "chmod 0600 '");
	refused("url = 'https://x'\n", 0604, "chmod 0600 '");
	refused("secret = 'hunter2'\n", 0600, "there is no url");
	refused("url = 'https://x'\nsecret = 'hunter2", 0600,
		":2: a string or comment that begins here has no end");
	refused("url = 'https://x'\nsecret = 'hunter2 x'\n", 0600, ":2: secret: a blank");
	refused("url = 'https://x'\nsecret = \"hunter2\\x\"\n", 0600, "use single quotes");
	refused("url = 'https://x'\nsecret = ${hunter2}\n", 0600, "use single quotes");
	refused("url = 'https://x'\nsecret = ''\n", 0600, "1 to 4096");
	refused("url = 'https://x'\nauth = api_key\n", 0600, "auth is api_key, and there is no secret");
	refused("url = 'https://x'\nauth = password\nsecret = 'hunter2'\n", 0600, "none, api_key, admin_key");
	refused("url = 'gopher://x'\n", 0600, "https:// or http://");
	refused("url = 'https://x'\nuser = me\n", 0600, ":2: user: unknown key");
	refused("url = 'https://x'\nurl = 'https://y'\n", 0600, "set twice");
	_cleanup_free_ char *path = store_path("profiles/bad.conf");
	unlink(path);
	store_write("elsewhere", "url = 'https://x'\n", 0600);
	ck_assert_int_eq(symlink("../elsewhere", path), 0);
	load();
	ck_assert_uint_eq(profiles_count(set), 1);
	ck_assert_ptr_nonnull(strstr(warnings, "symbolic link"));
}
END_TEST

START_TEST(spellings)
{
	store_write("profiles/a.conf",
		    "# by hand\nurl=https://x auth = admin_key\nsecret = \"a\\\"b\\\\c$x\" // end", 0600);
	load();
	ck_assert_ptr_null(warnings);
	ck_assert_str_eq(secret_str(profiles_find(set, "a")->secret), "a\"b\\c$x");
	ck_assert_str_eq(profiles_find(set, "a")->url, "https://x");
}
END_TEST

START_TEST(unsafe_directory)
{
	_cleanup_free_ char *dir = store_path("profiles");

	store_write("profiles/a.conf", "url = 'https://x'\n", 0600);
	ck_assert_int_eq(chmod(dir, 0777), 0);
	load();
	ck_assert_uint_eq(profiles_count(set), 0);
	ck_assert_ptr_nonnull(strstr(warnings, "chmod 0700"));
}
END_TEST

START_TEST(from_credentials_directory)
{
	_cleanup_free_ char *dir = store_path("credentials");

	store_write("credentials/token", KEY "\n", 0440);
	store_write("credentials/work", "cfu_abc", 0400);
	store_write("credentials/odd", "a b", 0400);
	store_write("profiles/default.conf", "url = 'https://x'\n", 0600);
	store_write("profiles/work.conf", "url = 'https://y'\nsecret = 'older'\n", 0600);
	store_write("profiles/odd.conf", "url = 'https://y'\nsecret = 'older'\n", 0600);
	store_write("profiles/other.conf", "url = 'https://z'\nsecret = 'own'\n", 0600);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	load();
	struct profile *p = profiles_find(set, "default");
	ck_assert_str_eq(secret_str(p->secret), KEY);
	ck_assert_int_eq(p->auth, PROFILE_API_KEY);
	ck_assert(p->secret_from_directory);
	p = profiles_find(set, "work");
	ck_assert_str_eq(secret_str(p->secret), "cfu_abc");
	ck_assert_int_eq(p->auth, PROFILE_UPLOAD_TOKEN);
	ck_assert_int_eq(profiles_rename(set, "work", "x"), -EPERM);
	ck_assert(!profiles_find(set, "other")->secret_from_directory);
	/* A broken one is not replaced by the file's, which is older. */
	ck_assert_ptr_null(profiles_find(set, "odd"));
	ck_assert_ptr_nonnull(strstr(warnings, "credentials/odd: a blank"));
	/* It is never copied into a file of ours. */
	p = profiles_find(set, "default");
	free(p->url);
	p->url = strdup("https://new");
	ck_assert_int_eq(profiles_put(set, p), 0);
	_cleanup_free_ char *text = store_read("profiles/default.conf");
	ck_assert_ptr_nonnull(strstr(text, "https://new"));
	ck_assert_ptr_null(strstr(text, KEY));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("profile");
	TCase *tc = tcase_create("profile");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, kinds_of_credentials);
	tcase_add_test(tc, nothing_there);
	tcase_add_test(tc, put_and_load);
	tcase_add_test(tc, put_refuses);
	tcase_add_test(tc, active_one);
	tcase_add_test(tc, rename_keeps_what_is_not_listed);
	tcase_add_test(tc, malformed_ones);
	tcase_add_test(tc, spellings);
	tcase_add_test(tc, unsafe_directory);
	tcase_add_test(tc, from_credentials_directory);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
