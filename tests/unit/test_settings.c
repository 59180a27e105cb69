/* carbonfilesd.conf: every key's default and limits, what is refused and with which words, and changing a
 * file without touching the rest of it. */
#include "base/fs.h"
#include "base/util.h"
#include "store/conf.h"
#include "store/settings.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], file[96];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/store-settings-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/carbonfilesd.conf", dir);
}

static void teardown(void)
{
	unlink(file);
	rmdir(dir);
}

static void write_file(const char *text)
{
	ck_assert_int_eq(fs_write_file_atomic(file, text, strlen(text), 0600), 0);
}

static void assert_file(const char *expected)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	ck_assert_int_eq(fs_read_file(file, 100000, &text, &len), 0);
	ck_assert_str_eq(text, expected);
}

/* Loads text that must be refused: settings stay as they were, the error names file, line and key, and its
 * reason has the words. */
static void refused(const char *text, int line, const char *key, const char *words)
{
	struct settings s;
	struct settings_error error = {0};

	write_file(text);
	ck_assert_int_eq(settings_init(&s), 0);
	s.settle_ms = 77;
	int r = settings_load(file, &s, &error);
	ck_assert_msg(r < 0, "not refused: %s", text);
	ck_assert_int_eq(s.settle_ms, 77);
	ck_assert_str_eq(error.file, file);
	ck_assert_msg(error.line == line, "%s: line %d, not %d", text, error.line, line);
	if (key)
		ck_assert_str_eq(error.key, key);
	ck_assert_msg(strstr(error.reason, words), "%s: \"%s\" has no \"%s\"", text, error.reason, words);
	settings_error_done(&error);
	settings_done(&s);
}

static void taken(const char *text, struct settings *s)
{
	struct settings_error error = {0};

	write_file(text);
	ck_assert_int_eq(settings_init(s), 0);
	int r = settings_load(file, s, &error);
	ck_assert_msg(r == 0, "%s: %s", text, error.reason);
	settings_error_done(&error);
}

START_TEST(defaults)
{
	struct settings s;
	struct settings_error error = {0};

	ck_assert_int_eq(settings_init(&s), 0);
	s.settle_ms = 77;
	ck_assert_int_eq(settings_load(file, &s, &error), 0); /* no file */
	ck_assert_int_eq(s.settle_ms, 50);
	ck_assert_int_eq(s.settle_open_ms, 1000);
	ck_assert_int_eq(s.settle_cap_ms, 5000);
	ck_assert_int_eq(s.delete_settle_ms, 1000);
	ck_assert_int_eq(s.doubt_seconds, 60);
	ck_assert_int_eq(s.rescan_seconds, 3600);
	ck_assert_int_eq(s.poll_seconds, 60);
	ck_assert_int_eq(s.batch_file_bytes, 1048576);
	ck_assert_int_eq(s.max_deletes, 100);
	ck_assert_int_eq(s.max_delete_percent, 25);
	ck_assert_int_eq(s.rescue_bytes, 1073741824);
	ck_assert_int_eq(s.history_days, 90);
	ck_assert_int_eq(s.history_bytes, 67108864);
	ck_assert_int_eq(s.expire_warn_days, 3);
	ck_assert_int_eq(s.log_level, LOG_LEVEL_INFO);
	ck_assert_ptr_null(s.ca_file);
	ck_assert_ptr_null(s.proxy);
	ck_assert_ptr_null(s.listen);
	settings_done(&s);
}
END_TEST

START_TEST(all_taken)
{
	struct settings s, copy;

	taken("# a comment\n"
	      "settle_ms = 0\n"
	      "rescue_bytes = 2G  // another\n"
	      "batch_file_bytes = 64k\n"
	      "/* and\n   one more */ ca_file = '/etc/ssl/a b;#\\'.pem'\n"
	      "proxy = http://proxy.example:3128\r\n"
	      "log_level = \"debug\"\n"
	      "listen = /run/user/1/x",
	      &s);
	ck_assert_int_eq(settings_copy(&s, &copy), 0);
	settings_done(&s);
	ck_assert_int_eq(copy.settle_ms, 0);
	ck_assert_int_eq(copy.rescue_bytes, 2147483648);
	ck_assert_int_eq(copy.batch_file_bytes, 65536);
	ck_assert_str_eq(copy.ca_file, "/etc/ssl/a b;#'.pem");
	ck_assert_str_eq(copy.proxy, "http://proxy.example:3128");
	ck_assert_str_eq(copy.listen, "/run/user/1/x");
	ck_assert_int_eq(copy.log_level, LOG_LEVEL_DEBUG);
	settings_done(&copy);
}
END_TEST

START_TEST(no_regular_file)
{
	struct settings s;
	struct settings_error error = {0};

	(void)unlink(file);
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	ck_assert_int_eq(settings_init(&s), 0);
	ck_assert_int_lt(settings_load(file, &s, &error), 0);
	ck_assert_str_eq(error.reason, "not a regular file");
	settings_error_done(&error);
	settings_done(&s);
	ck_assert_int_eq(unlink(file), 0);
}
END_TEST

START_TEST(all_refused)
{
	refused("settle_ms = 5\nsetle_ms = 5\n", 2, "setle_ms", "unknown key");
	refused("settle_ms = 5\n\nsettle_ms = 6\n", 3, "settle_ms", "set twice, in line 1");
	refused("\nsettle_ms = fast\n", 2, "settle_ms", "a whole number from 0 to 600000");
	refused("# a\n// b\n/* c\nd */ settle_ms = 5 # e\n\nmax_deletes = many\n", 6, "max_deletes",
		"whole number");
	refused("settle_ms = 5ms\n", 1, "settle_ms", "whole number");
	refused("settle_ms = ' 5'\n", 1, "settle_ms", "whole number");
	refused("settle_ms = ''\n", 1, "settle_ms", "whole number");
	refused("settle_ms = -1\n", 1, "settle_ms", "whole number");
	refused("settle_ms = 600001\n", 1, "settle_ms", "whole number");
	refused("settle_ms = 99999999999999999999\n", 1, "settle_ms", "whole number");
	refused("rescue_bytes = 9999999999T\n", 1, "rescue_bytes", "from 0 to");
	refused("rescue_bytes = 1KB\n", 1, "rescue_bytes", "K, M, G or T");
	refused("max_delete_percent = 101\n", 1, "max_delete_percent", "from 0 to 100");
	refused("log_level = loud\n", 1, "log_level", "error, warning, info or debug");
	refused("ca_file = etc/ca.pem\n", 1, "ca_file", "absolute path");
	refused("listen = "
		"'/"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
		"123456789012345678'\n",
		1, "listen", "107 are allowed");
	refused("proxy = \"http://a\\nb\"\n", 1, "proxy", "control character");
	refused("upload_limit = '512K'\n", 1, "upload_limit", "not in this version");
	refused("settle_ms = 1\ndownload_limit = off\n", 2, "download_limit", "not in this version");
	refused("settle_cap_ms = 500\n", 0, NULL, "settle_cap_ms (500)");
	/* Not our syntax at all. Each is followed by a file that must be read as if nothing had been. */
	refused("[Daemon]\nsettle_ms = 1\n", 1, NULL, "'='");
	refused("settle_ms 5\n", 1, NULL, "'='");
	refused("settle_ms = \n", 2, NULL, "ends in the middle");
	refused("settle_ms = {1}\n", 1, NULL, "'{'");
	refused("settle_ms += 1\n", 1, NULL, "'='");
	refused("a = 1\nproxy = 'http\nsettle_ms = 2\n", 1, "a", "unknown key");
	refused("\nproxy = 'http\nsettle_ms = 2\n", 2, NULL, "has no end");
	refused("proxy = \"http\n", 1, NULL, "has no end");
	refused("/* settle_ms = 1\n", 1, NULL, "has no end");
	refused("proxy = 'a\\", 1, NULL, "has no end");
	refused("\"settle_ms\" = 1\n", 1, NULL, "not expected");

	struct settings s;
	taken("settle_ms = 9\n", &s);
	ck_assert_int_eq(s.settle_ms, 9);
	settings_done(&s);
}
END_TEST

START_TEST(not_a_text_file)
{
	struct settings s;
	struct settings_error error = {0};
	static const char nul[] = "settle_ms = 1\n\0proxy = x\n";

	ck_assert_int_eq(settings_init(&s), 0);
	ck_assert_int_eq(fs_write_file_atomic(file, nul, sizeof(nul) - 1, 0600), 0);
	ck_assert_int_eq(settings_load(file, &s, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.reason, "NUL"));
	unlink(file);
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	ck_assert_int_lt(settings_load(file, &s, &error), 0); /* and does not wait for a writer */
	ck_assert_ptr_nonnull(error.reason);
	settings_error_done(&error);
	settings_done(&s);
}
END_TEST

/* What settings_get says of any value, settings_set takes; limits hold at both ends. */
START_TEST(every_key_round_trips)
{
	struct settings s, t;
	struct settings_error error = {0};

	ck_assert_int_eq(settings_init(&s), 0);
	ck_assert_int_eq(settings_init(&t), 0);
	for (size_t i = 0; i < settings_keys_count; i++) {
		const struct settings_key *key = &settings_keys[i];
		ck_assert_ptr_eq(settings_find(key->name), key);
		ck_assert_int_gt(strlen(key->doc), 5);
		if (key->type == SETTINGS_STRING || key->type == SETTINGS_PATH) {
			ck_assert_int_eq(settings_set(&s, key->name, "/some/Value", &error), 0);
		} else {
			ck_assert_int_le(key->min, key->value);
			ck_assert_int_le(key->value, key->max);
		}
		int64_t numbers[] = {key->min, key->max, key->value};
		for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
			if (key->type == SETTINGS_INT || key->type == SETTINGS_BYTES ||
			    key->type == SETTINGS_LEVEL)
				*(int64_t *)((char *)&s + key->offset) = numbers[k];
			_cleanup_free_ char *text = settings_get(&s, key->name), *again = NULL;
			ck_assert_msg(settings_set(&t, key->name, text, &error) == 0, "%s = %s: %s",
				      key->name, text, error.reason);
			again = settings_get(&t, key->name);
			ck_assert_str_eq(text, again);
		}
		if (key->type == SETTINGS_INT || key->type == SETTINGS_BYTES) {
			char text[32];
			snprintf(text, sizeof(text), "%lld", (long long)key->max + 1);
			ck_assert_int_eq(settings_set(&t, key->name, text, &error), -EINVAL);
			snprintf(text, sizeof(text), "%lld", (long long)key->min - 1);
			ck_assert_int_eq(settings_set(&t, key->name, text, &error), -EINVAL);
			ck_assert_str_eq(error.key, key->name);
		}
	}
	ck_assert_int_eq(settings_set(&t, "proxy", "", &error), 0);
	ck_assert_ptr_null(t.proxy);
	ck_assert_int_eq(settings_set(&t, "nonsense", "1", &error), -ENOENT);
	ck_assert_ptr_null(settings_get(&t, "nonsense"));
	settings_error_done(&error);
	settings_done(&s);
	settings_done(&t);
}
END_TEST

START_TEST(bytes)
{
	int64_t n;

	ck_assert_int_eq(settings_parse_bytes("0", &n), 0);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(settings_parse_bytes("512K", &n), 0);
	ck_assert_int_eq(n, 524288);
	ck_assert_int_eq(settings_parse_bytes("3m", &n), 0);
	ck_assert_int_eq(n, 3145728);
	ck_assert_int_eq(settings_parse_bytes("1T", &n), 0);
	ck_assert_int_eq(n, 1099511627776);
	static const char *const bad[] = {"", "K", "1 K", "1KB", "0x10", "+1", " 1", "1.5K", "1K ", "ten"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(settings_parse_bytes(bad[i], &n) == -EINVAL, "%s", bad[i]);
	ck_assert_int_eq(settings_parse_bytes("9223372036854775808", &n), -ERANGE);
	ck_assert_int_eq(settings_parse_bytes("9223372036854775807K", &n), -ERANGE);
}
END_TEST

static const char commented[] = "# My settings.\n"
				"settle_ms = 50 # short; see \"=\"\n"
				"\n"
				"# proxy = none\n"
				"log_level = 'info'   // here\n"
				"max_deletes = 7 max_delete_percent = 8\n";

START_TEST(persist_keeps_the_rest)
{
	write_file(commented);
	ck_assert_int_eq(chmod(file, 0640), 0);
	ck_assert_int_eq(settings_persist(file, "settle_ms", "75"), 0);
	ck_assert_int_eq(settings_persist(file, "log_level", "debug"), 0);
	ck_assert_int_eq(settings_persist(file, "proxy", "http://it's:1"), 0);
	ck_assert_int_eq(settings_persist(file, "max_deletes", NULL), 0);
	ck_assert_int_eq(settings_persist(file, "doubt_seconds", "9"), 0);
	assert_file("# My settings.\n"
		    "settle_ms = 75 # short; see \"=\"\n"
		    "\n"
		    "# proxy = none\n"
		    "proxy = 'http://it\\'s:1'\n"
		    "log_level = debug   // here\n"
		    " max_delete_percent = 8\n"
		    "doubt_seconds = 9\n");
	struct stat st;
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0640);
	ck_assert_int_eq(settings_persist(file, "doubt_seconds", NULL), 0);
	ck_assert_int_eq(settings_persist(file, "doubt_seconds", NULL), 0);
	ck_assert_int_eq(settings_persist(file, "proxy", NULL), 0);
	assert_file("# My settings.\n"
		    "settle_ms = 75 # short; see \"=\"\n"
		    "\n"
		    "# proxy = none\n"
		    "log_level = debug   // here\n"
		    " max_delete_percent = 8\n");
}
END_TEST

START_TEST(persist_refuses)
{
	ck_assert_int_eq(settings_persist(file, "nonsense", "1"), -ENOENT);
	ck_assert_int_eq(settings_persist(file, "settle_ms", "x"), -EINVAL);
	ck_assert_int_eq(access(file, F_OK), -1);
	write_file("settle_ms = 'open\n");
	ck_assert_int_eq(settings_persist(file, "poll_seconds", "9"), -EINVAL);
	assert_file("settle_ms = 'open\n");
	write_file("settle_ms = 60");
	ck_assert_int_eq(settings_persist(file, "settle_cap_ms", "100"), -EINVAL); /* below settle_open_ms */
	ck_assert_int_eq(settings_persist(file, "poll_seconds", "9"), 0);
	assert_file("settle_ms = 60\npoll_seconds = 9\n");
}
END_TEST

START_TEST(persist_makes_and_follows)
{
	char target[128];
	struct stat st;

	ck_assert_int_eq(settings_persist(file, "poll_seconds", "9"), 0);
	assert_file("poll_seconds = 9\n");
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	snprintf(target, sizeof(target), "%s/real", dir);
	ck_assert_int_eq(rename(file, target), 0);
	ck_assert_int_eq(symlink("real", file), 0);
	ck_assert_int_eq(settings_persist(file, "poll_seconds", "10"), 0);
	ck_assert_int_eq(lstat(file, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	assert_file("poll_seconds = 10\n");
	unlink(target);
}
END_TEST

static int nothing(void *arg, const char *key, const char *value, struct conf_error *error)
{
	return 0;
}

/* Any text whatever: no crash, and an edit of a good one is good again. */
START_TEST(random_texts)
{
	static const char *const parts[] = {
		"settle_ms", " ",  "=", "5", "'", "\"", "\\", "\n", "#", "//",
		"/*",        "*/", "{", "}", "(", "$",  "${", ",",  "x", "settle_ms = 5\n",
		"\xff",      "\r"};
	static const char *const keys[] = {"settle_ms", "x", NULL};

	srandom(1);
	for (int n = 0; n < 3000; n++) {
		char text[256] = "";
		size_t len = 0;
		for (int k = (int)(random() % 12); k >= 0; k--)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
						parts[(size_t)random() % ARRAY_SIZE(parts)]);
		struct conf_error error = {0};
		int r = conf_read(text, len, keys, "x", nothing, NULL, &error);
		ck_assert(r == 0 || error.reason);
		conf_error_done(&error);
		if (r < 0)
			continue;
		_cleanup_free_ char *with = NULL, *without = NULL;
		size_t with_len, without_len;
		ck_assert_int_eq(conf_edit(text, len, "settle_ms", "7", &with, &with_len), 0);
		r = conf_read(with, with_len, keys, "x", nothing, NULL, &error);
		ck_assert_msg(r == 0, "%s -> %s: %s", text, with, error.reason);
		ck_assert_int_eq(conf_edit(with, with_len, "settle_ms", NULL, &without, &without_len), 0);
		ck_assert_int_eq(conf_read(without, without_len, keys, "x", nothing, NULL, &error), 0);
		conf_error_done(&error);
	}
}
END_TEST

/* From the source tree: `make check` says where it is. */
static char *source_file(const char *name)
{
	const char *srcdir = getenv("srcdir");
	_cleanup_free_ char *source = fs_join(srcdir ? srcdir : ".", name);
	char *text;
	size_t len;

	ck_assert_msg(source && fs_read_file(source, CONF_FILE_MAX, &text, &len) == 0,
		      "%s: run from the source tree, or set srcdir", name);
	return text;
}

/* The example has every key, commented out, at its default: with the marks taken away it is a file that says
 * nothing new. */
START_TEST(example_file)
{
	_cleanup_free_ char *text = source_file("conf/carbonfilesd.conf");
	struct settings s, plain;

	for (size_t i = 0; i < settings_keys_count; i++) {
		_cleanup_free_ char *line = NULL;
		ck_assert_int_gt(asprintf(&line, "\n#%s = ", settings_keys[i].name), 0);
		char *at = strstr(text, line);
		ck_assert_msg(at, "%s is not in conf/carbonfilesd.conf", settings_keys[i].name);
		at[1] = ' ';
	}
	taken(text, &s);
	ck_assert_int_eq(settings_init(&plain), 0);
	for (size_t i = 0; i < settings_keys_count; i++) {
		_cleanup_free_ char *a = settings_get(&s, settings_keys[i].name);
		_cleanup_free_ char *b = settings_get(&plain, settings_keys[i].name);
		ck_assert_str_eq(a, b);
	}
	settings_done(&s);
	settings_done(&plain);
}
END_TEST

/* The manual has an entry for every key, with its default, its range, and whether a pair may set it. */
START_TEST(manual_page)
{
	_cleanup_free_ char *text = source_file("doc/carbonfilesd.conf.5");
	struct settings plain;

	ck_assert_int_eq(settings_init(&plain), 0);
	for (size_t i = 0; i < settings_keys_count; i++) {
		const struct settings_key *key = &settings_keys[i];
		_cleanup_free_ char *head = NULL, *says = NULL, *value = settings_get(&plain, key->name);
		ck_assert_int_gt(asprintf(&head, ".TP\n.B %s\n", key->name), 0);
		const char *entry = strstr(text, head), *type = entry ? strstr(entry, "\nType: ") : NULL;
		ck_assert_msg(type, "%s is not in carbonfilesd.conf(5)", key->name);
		_cleanup_free_ char *line = strndup(type + 1, strcspn(type + 1, "\n"));
		ck_assert_int_gt(asprintf(&says, "Per pair: %s. Restart needed: %s.",
					  key->per_pair ? "yes" : "no", key->restart ? "yes" : "no"),
				 0);
		ck_assert_msg(strstr(line, says), "%s: %s", key->name, line);
		free(says);
		ck_assert_int_gt(asprintf(&says, "Default: %s", *value ? value : "\\(aq\\(aq"), 0);
		ck_assert_msg(strstr(line, says), "%s: %s has no \"%s\"", key->name, line, says);
		if (key->type == SETTINGS_INT) {
			free(says);
			ck_assert_int_gt(asprintf(&says, "Allowed: %lld to %lld.", (long long)key->min,
						  (long long)key->max),
					 0);
			ck_assert_msg(strstr(line, says), "%s: %s has no \"%s\"", key->name, line, says);
		}
	}
	settings_done(&plain);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("settings");
	TCase *tc = tcase_create("settings");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, all_taken);
	tcase_add_test(tc, all_refused);
	tcase_add_test(tc, no_regular_file);
	tcase_add_test(tc, not_a_text_file);
	tcase_add_test(tc, every_key_round_trips);
	tcase_add_test(tc, bytes);
	tcase_add_test(tc, persist_keeps_the_rest);
	tcase_add_test(tc, persist_refuses);
	tcase_add_test(tc, persist_makes_and_follows);
	tcase_add_test(tc, random_texts);
	tcase_add_test(tc, example_file);
	tcase_add_test(tc, manual_page);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
