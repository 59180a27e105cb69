/* Pair files: any path round-trips byte for byte, what is malformed is left out and named, nothing that
 * cannot be read again is written. */
#include "store/pairfile.h"
#include "tests/unit/store_dir.h"
#include "tests/unit/tap.h"
#include <errno.h>

static struct pair_spec **specs;
static size_t n;
static char *warnings;

static void setup(void)
{
	store_dir_setup();
	specs = NULL;
	n = 0;
	warnings = NULL;
}

static void drop(void)
{
	for (size_t i = 0; i < n; i++)
		pair_spec_free(specs[i]);
	free(specs);
	free(warnings);
	specs = NULL;
	n = 0;
	warnings = NULL;
}

static void teardown(void)
{
	drop();
	store_dir_teardown();
}

static void load(void)
{
	drop();
	ck_assert_int_eq(pairfile_load_all(store_dir, &specs, &n, &warnings), 0);
}

static struct pair_spec *sample(const char *name)
{
	struct pair_spec *spec = pair_spec_new();

	ck_assert_ptr_nonnull(spec);
	spec->name = strdup(name);
	spec->bucket = strdup("abc123XYZ0");
	spec->local_path = strdup("/srv/data");
	return spec;
}

START_TEST(fresh_specs)
{
	struct pair_spec *a = pair_spec_new(), *b = pair_spec_new();

	ck_assert_uint_eq(strlen(a->id), 32);
	ck_assert_str_ne(a->id, b->id);
	ck_assert_int_eq(a->mode, PAIR_MIRROR);
	ck_assert_int_eq(a->foreign, PAIR_FOREIGN_HOLD);
	ck_assert_int_eq(a->conflicts, PAIR_KEEP_BOTH);
	ck_assert(!a->secrets && !a->paused);
	ck_assert_str_eq(a->remote_prefix, "");
	ck_assert_int_eq(a->settle_ms, PAIR_DEFAULT);
	ck_assert_int_eq(a->rescue_bytes, PAIR_DEFAULT);
	ck_assert_int_gt(a->created_at_ms, 0);
	pair_spec_free(a);
	pair_spec_free(b);
	ck_assert_ptr_null(pair_spec_free(NULL));
}
END_TEST

START_TEST(no_directory)
{
	load();
	ck_assert_uint_eq(n, 0);
	ck_assert_ptr_null(warnings);
	ck_assert_int_eq(pairfile_remove(store_dir, "x"), -ENOENT);
}
END_TEST

static void assert_same(const struct pair_spec *a, const struct pair_spec *b)
{
	ck_assert_str_eq(a->name, b->name);
	ck_assert_str_eq(a->id, b->id);
	ck_assert_pstr_eq(a->profile, b->profile);
	ck_assert_str_eq(a->bucket, b->bucket);
	ck_assert_str_eq(a->remote_prefix, b->remote_prefix);
	ck_assert_str_eq(a->local_path, b->local_path);
	ck_assert_int_eq(a->mode, b->mode);
	ck_assert_int_eq(a->foreign, b->foreign);
	ck_assert_int_eq(a->conflicts, b->conflicts);
	ck_assert_int_eq(a->secrets, b->secrets);
	ck_assert_int_eq(a->paused, b->paused);
	ck_assert_int_eq(a->paused_until_ms, b->paused_until_ms);
	ck_assert_int_eq(a->created_at_ms, b->created_at_ms);
	ck_assert_int_eq(a->settle_ms, b->settle_ms);
	ck_assert_int_eq(a->rescan_seconds, b->rescan_seconds);
	ck_assert_int_eq(a->max_deletes, b->max_deletes);
	ck_assert_int_eq(a->max_delete_percent, b->max_delete_percent);
	ck_assert_int_eq(a->rescue_bytes, b->rescue_bytes);
}

START_TEST(everything_round_trips)
{
	struct pair_spec *spec = sample("all.of-it_1");
	struct stat st;

	spec->profile = strdup("work");
	free(spec->remote_prefix);
	spec->remote_prefix = strdup("a/b c'\\/${HOME}/");
	spec->mode = PAIR_BACKUP;
	spec->foreign = PAIR_FOREIGN_REMOVE;
	spec->conflicts = PAIR_KEEP_REMOTE;
	spec->secrets = spec->paused = true;
	spec->paused_until_ms = 1795000000123;
	spec->settle_ms = 0;
	spec->rescan_seconds = 60;
	spec->max_deletes = 5;
	spec->max_delete_percent = 100;
	spec->rescue_bytes = 1048576;
	ck_assert_int_eq(pairfile_save(store_dir, spec), 0);
	_cleanup_free_ char *path = store_path("pairs/all.of-it_1.conf");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	load();
	ck_assert_uint_eq(n, 1);
	ck_assert_ptr_null(warnings);
	assert_same(spec, specs[0]);
	struct pair_spec *copy = pair_spec_copy(spec);
	assert_same(spec, copy);
	pair_spec_free(copy);
	pair_spec_free(spec);
	ck_assert_int_eq(pairfile_remove(store_dir, "all.of-it_1"), 0);
	load();
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* Any byte but NUL, with the ones that matter often. */
static void random_path(char *path, size_t len)
{
	static const char often[] = "'\\\"\n\r\t #;=${}/*";
	size_t i = 0;

	path[i++] = '/';
	while (i < len) {
		char c = random() % 2 ? often[(size_t)random() % strlen(often)] : (char)(1 + random() % 255);
		/* No empty component, no "." and "..": those are refused, see below. */
		if (c == '/' && (path[i - 1] == '/' || path[i - 1] == '.' || i == len - 1))
			c = 'x';
		path[i++] = c;
	}
	if (path[len - 1] == '.')
		path[len - 1] = 'y';
	path[len] = '\0';
}

START_TEST(any_path_round_trips)
{
	char path[400];

	srandom(7);
	for (int i = 0; i < 700; i++) {
		struct pair_spec *spec = sample("random");
		random_path(path, i < 256 ? 2 : 2 + (size_t)random() % (sizeof(path) - 3));
		if (i < 256)
			path[1] = i == 0 || i == '/' || i == '.' ? 'x' : (char)i; /* each byte alone */
		free(spec->local_path);
		spec->local_path = strdup(path);
		ck_assert_msg(pairfile_save(store_dir, spec) == 0, "%d", i);
		load();
		ck_assert_msg(n == 1, "%d: %s", i, warnings);
		ck_assert_str_eq(specs[0]->local_path, path);
		pair_spec_free(spec);
	}
}
END_TEST

#define ID   "id = 0123456789abcdef0123456789abcdef\n"
#define GOOD ID "bucket = b\nlocal_path = '/srv'\n"

static void refused(const char *text, const char *words)
{
	store_write("pairs/bad.conf", text, 0600);
	load();
	ck_assert_msg(n == 0, "not refused: %s", text);
	ck_assert_ptr_nonnull(warnings);
	ck_assert_ptr_nonnull(strstr(warnings, "pairs/bad.conf"));
	ck_assert_msg(strstr(warnings, words), "%s: \"%s\" has no \"%s\"", text, warnings, words);
}

START_TEST(malformed_ones_are_named)
{
	refused("", "there is no id");
	refused(ID, "there is no bucket");
	refused(ID "bucket = b\n", "there is no local_path");
	refused("bucket = b\nlocal_path = '/srv'\n", "there is no id");
	refused(GOOD "colour = red\n", ":4: colour: unknown key");
	refused(GOOD "mode = push\n", ":4: mode: 'push' is not allowed: mirror or backup");
	refused(GOOD "mode = pull\n", "pull is not in this version");
	refused(GOOD "mode = two_way\n", "two_way is not in this version");
	refused(GOOD "foreign = keep\n", "hold or remove");
	refused(GOOD "conflicts = x\n", "keep_both, keep_local or keep_remote");
	refused(GOOD "secrets = maybe\n", "false or true");
	refused(GOOD "paused_until = tomorrow\n", "a time such as");
	refused(GOOD "settle_ms = x\n", "a whole number from 0");
	refused(GOOD "max_delete_percent = 101\n", "from 0 to 100");
	refused(GOOD "settle_open_ms = 1\n", "unknown key");
	refused(GOOD "profile = '../x'\n", "the name of a profile");
	refused(GOOD "remote_prefix = '/a/'\n", "with a '/' at its end");
	refused(GOOD "remote_prefix = 'a'\n", "with a '/' at its end");
	refused(GOOD "remote_prefix = 'a/../'\n", "with a '/' at its end");
	refused(GOOD "remote_prefix = '/'\n", "with a '/' at its end");
	refused(ID "bucket = 'a/b'\nlocal_path = '/srv'\n", "letters and digits");
	refused(ID "bucket = ''\nlocal_path = '/srv'\n", "letters and digits");
	refused(ID "bucket = b\nlocal_path = srv\n", "absolute path");
	refused(ID "bucket = b\nlocal_path = '/srv/'\n", "absolute path");
	refused(ID "bucket = b\nlocal_path = '/srv//a'\n", "absolute path");
	refused(ID "bucket = b\nlocal_path = '/srv/../a'\n", "absolute path");
	refused("id = 0123\nbucket = b\nlocal_path = '/srv'\n", "32 digits");
	refused(GOOD GOOD, ":4: id: set twice");
	refused(GOOD "profile = 'x\n", ":4: a string or comment that begins here has no end");
	static const char *const later[] = {"include", "exclude", "upload_limit", "download_limit",
					    "upload_token"};
	for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
		_cleanup_free_ char *text = NULL;
		ck_assert_int_gt(asprintf(&text, GOOD "%s = 'x'\n", later[i]), 0);
		refused(text, "not in this version");
		ck_assert_ptr_nonnull(strstr(warnings, later[i]));
	}
}
END_TEST

START_TEST(suspicious_ones_are_named)
{
	_cleanup_free_ char *link = store_path("pairs/link.conf"), *fifo = store_path("pairs/pipe.conf");

	store_write("pairs/b.conf", GOOD, 0640);
	store_write("pairs/a.conf", "id = 'ffffffffffffffffffffffffffffffff' bucket = c local_path = '/a'",
		    0600);
	store_write("pairs/copy.conf", GOOD, 0600);
	store_write("pairs/wide.conf", GOOD, 0620);
	store_write("pairs/white space.conf", GOOD, 0600);
	store_write("pairs/.hidden.conf", "x", 0600);
	store_write("pairs/notes.txt", "x", 0600);
	store_write("elsewhere", GOOD, 0600);
	ck_assert_int_eq(symlink("../elsewhere", link), 0);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	load();
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(specs[0]->name, "a");
	ck_assert_str_eq(specs[1]->name, "b");
	ck_assert_ptr_nonnull(strstr(warnings, "pairs/copy.conf: it has the id of the pair b"));
	ck_assert_ptr_nonnull(strstr(warnings, "chmod 0600 '"));
	ck_assert_ptr_nonnull(strstr(warnings, "white space.conf: the name is not allowed"));
	ck_assert_ptr_nonnull(strstr(warnings, "link.conf: a symbolic link"));
	ck_assert_ptr_nonnull(strstr(warnings, "pipe.conf: not a regular file"));
	ck_assert_ptr_null(strstr(warnings, "hidden"));
	ck_assert_ptr_null(strstr(warnings, "notes"));
}
END_TEST

START_TEST(save_refuses)
{
	struct pair_spec *spec = sample("ok");

	free(spec->name);
	spec->name = strdup("../evil");
	ck_assert_int_eq(pairfile_save(store_dir, spec), -EINVAL);
	free(spec->name);
	spec->name = strdup("ok");
	free(spec->local_path);
	spec->local_path = strdup("relative");
	ck_assert_int_eq(pairfile_save(store_dir, spec), -EINVAL);
	free(spec->local_path);
	spec->local_path = strdup("/");
	ck_assert_int_eq(pairfile_save(store_dir, spec), 0);
	spec->settle_ms = -7;
	ck_assert_int_eq(pairfile_save(store_dir, spec), -EINVAL);
	load();
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(specs[0]->local_path, "/");
	ck_assert_int_eq(specs[0]->settle_ms, PAIR_DEFAULT); /* the file before is still there */
	ck_assert_int_eq(pairfile_remove(store_dir, "../evil"), -EINVAL);
	pair_spec_free(spec);
}
END_TEST

START_TEST(names)
{
	char name[80];

	ck_assert(pair_name_valid("a") && pair_name_valid("9.x_-Z"));
	ck_assert(!pair_name_valid("") && !pair_name_valid(".a") && !pair_name_valid("-a") &&
		  !pair_name_valid("a/b") && !pair_name_valid("a b") && !pair_name_valid("\xc3\xa4"));
	memset(name, 'n', sizeof(name));
	name[64] = '\0';
	ck_assert(pair_name_valid(name));
	name[64] = 'n';
	name[65] = '\0';
	ck_assert(!pair_name_valid(name));
	enum pair_mode mode;
	for (int i = PAIR_MIRROR; i <= PAIR_TWO_WAY; i++) {
		ck_assert_int_eq(pair_mode_parse(pair_mode_name((enum pair_mode)i), &mode), 0);
		ck_assert_int_eq(mode, i);
	}
	ck_assert_int_eq(pair_mode_parse("Mirror", &mode), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pairfile");
	TCase *tc = tcase_create("pairfile");

	tcase_set_timeout(tc, 180);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, fresh_specs);
	tcase_add_test(tc, no_directory);
	tcase_add_test(tc, everything_round_trips);
	tcase_add_test(tc, any_path_round_trips);
	tcase_add_test(tc, malformed_ones_are_named);
	tcase_add_test(tc, suspicious_ones_are_named);
	tcase_add_test(tc, save_refuses);
	tcase_add_test(tc, names);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
