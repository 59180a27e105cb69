/* The Trash: where things land and how they are called, what a kill leaves, and what a full disk does. */
#include "base/fs.h"
#include "base/util.h"
#include "sync/trash.h"
#include "tests/unit/tap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>

static char top[64], home[128];
static struct trash *t;

static void setup(void)
{
	snprintf(top, sizeof(top), "/tmp/cf-trash-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(home, sizeof(home), "%s/data/Trash", top);
	ck_assert_int_eq(trash_new(home, &t), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static void teardown(void)
{
	t = trash_free(t);
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *read_text(const char *path)
{
	char *data = NULL;
	size_t len;

	ck_assert_int_eq(fs_read_file(path, 1 << 20, &data, &len), 0);
	return data;
}

static int entries(const char *sub)
{
	_cleanup_free_ char *path = fs_join(home, sub);
	DIR *dir = opendir(path);
	struct dirent *e;
	int n = 0;

	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

/* Puts content in; returns where it landed. */
static char *put(const char *original, const char *content)
{
	struct trash_file *f;
	char *path = NULL;

	ck_assert_int_eq(trash_begin(t, original, (int64_t)strlen(content), &f), 0);
	ck_assert_int_eq(trash_write(f, content, strlen(content)), 0);
	ck_assert_int_eq(trash_commit(f, &path), 0);
	ck_assert_ptr_null(trash_abort(f));
	return path;
}

static char *info_of(const char *path)
{
	_cleanup_free_ char *info = NULL;

	ck_assert_int_gt(asprintf(&info, "%s/info/%s.trashinfo", home, strrchr(path, '/') + 1), 0);
	return read_text(info);
}

START_TEST(test_one)
{
	time_t before = time(NULL);
	_cleanup_free_ char *path = put("/home/me/My files/a\n%\xff.txt", "hello");
	_cleanup_free_ char *want = fs_join(home, "files/a\n%\xff.txt");
	_cleanup_free_ char *content = read_text(path);
	_cleanup_free_ char *info = info_of(path);
	struct stat st;

	ck_assert_str_eq(path, want);
	ck_assert_str_eq(content, "hello");
	ck_assert_ptr_eq(strstr(info, "[Trash Info]\nPath=/home/me/My%20files/a%0A%25%FF.txt\nDeletionDate="),
			 info);
	struct tm tm = {0};
	char *rest = strptime(strstr(info, "Date=") + 5, "%Y-%m-%dT%H:%M:%S", &tm);
	ck_assert_ptr_nonnull(rest);
	ck_assert_str_eq(rest, "\n");
	tm.tm_isdst = -1;
	ck_assert_int_ge(mktime(&tm), before);
	ck_assert_int_le(mktime(&tm), time(NULL));

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	static const char *const dirs[] = {"", "files", "info"};
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *dir = fs_join(home, dirs[i]);

		ck_assert_int_eq(stat(dir, &st), 0);
		ck_assert_int_eq(st.st_mode & 07777, 0700);
	}
	ck_assert_int_eq(entries("carbonfilesd"), 0);
}
END_TEST

START_TEST(test_collisions)
{
	_cleanup_free_ char *stranger = fs_join(home, "files/a.2");
	char seen[40][PATH_MAX];

	free(put("/x/b", "b"));
	ck_assert_int_eq(fs_write_file_atomic(stranger, "not ours, and without info", 26, 0600), 0);
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		char original[32], text[32];

		snprintf(original, sizeof(original), "/x/%zu/a", i);
		snprintf(text, sizeof(text), "content %zu", i);
		_cleanup_free_ char *path = put(original, text);
		snprintf(seen[i], sizeof(seen[i]), "%s", path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		char text[64];
		_cleanup_free_ char *content = read_text(seen[i]);
		_cleanup_free_ char *info = info_of(seen[i]);

		snprintf(text, sizeof(text), "content %zu", i);
		ck_assert_str_eq(content, text);
		snprintf(text, sizeof(text), "Path=/x/%zu/a\n", i);
		ck_assert_ptr_nonnull(strstr(info, text));
	}
	_cleanup_free_ char *content = read_text(stranger);
	ck_assert_str_eq(content, "not ours, and without info");
	ck_assert_int_eq(entries("files"), 42);
	ck_assert_int_eq(entries("info"), 41); /* none for the stranger's, and none left over from the try */
}
END_TEST

START_TEST(test_names)
{
	char original[600];
	_cleanup_free_ char *odd = put("/", "root"), *dots = put("/x/..", "dots"), *empty = put("", "empty");

	ck_assert_str_eq(strrchr(odd, '/') + 1, "file");
	ck_assert_str_eq(strrchr(dots, '/') + 1, "file.2");
	ck_assert_str_eq(strrchr(empty, '/') + 1, "file.3");
	/* as long as names get, twice, cut between two characters */
	original[0] = '/';
	for (size_t i = 1; i < 255; i += 2)
		memcpy(original + i, "\xc3\xa9", 3);
	for (int i = 0; i < 12; i++) {
		_cleanup_free_ char *path = put(original, "long");
		const char *name = strrchr(path, '/') + 1;

		ck_assert_uint_le(strlen(name), NAME_MAX - strlen(".trashinfo"));
		ck_assert_uint_eq(strspn(name, "\xc3\xa9") % 2, 0);
		ck_assert_uint_gt(strspn(name, "\xc3\xa9"), 200);
	}
	memset(original + 1, 0xbf, 254); /* bytes that are no characters at all */
	original[255] = '\0';
	free(put(original, "noise"));
}
END_TEST

START_TEST(test_abort)
{
	struct trash_file *f;
	char *path = NULL;

	ck_assert_ptr_null(trash_abort(NULL));
	ck_assert_int_eq(trash_begin(t, "/x/a", 3, &f), 0);
	ck_assert_int_eq(entries("carbonfilesd"), 1);
	ck_assert_int_eq(trash_write(f, "ab", 2), 0);
	ck_assert_ptr_null(trash_abort(f));
	ck_assert_int_eq(entries("carbonfilesd") + entries("files") + entries("info"), 0);

	ck_assert_int_eq(trash_begin(t, "/x/a", -1, &f), 0); /* size not known */
	ck_assert_int_eq(trash_commit(f, &path), 0);
	free(STEAL(path));
	ck_assert_int_eq(trash_commit(f, &path), -EALREADY);
	trash_abort(f);
	ck_assert_int_eq(entries("files"), 1);
}
END_TEST

START_TEST(test_no_space)
{
	struct trash_file *f = NULL;
	struct statvfs fs;

	ck_assert_int_eq(statvfs(top, &fs), 0);
	int64_t space = (int64_t)(fs.f_bavail * fs.f_frsize);

	ck_assert_int_eq(trash_begin(t, "/x/a", space, &f), -ENOSPC); /* the margin stays free */
	ck_assert_int_eq(trash_begin(t, "/x/a", INT64_MAX, &f), -ENOSPC);
	ck_assert_ptr_null(f);
	ck_assert_int_eq(entries("carbonfilesd") + entries("files") + entries("info"), 0);
}
END_TEST

START_TEST(test_left_over)
{
	struct trash_file *alive;
	int status;
	pid_t pid = fork();

	if (pid == 0) { /* a daemon that is killed while it writes */
		struct trash_file *f;

		if (trash_begin(t, "/x/killed", 100, &f) < 0 || trash_write(f, "half", 4) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(entries("carbonfilesd"), 1);
	ck_assert_int_eq(entries("files") + entries("info"), 0);

	/* the next daemon clears it away, and not what a living one writes */
	ck_assert_int_eq(trash_begin(t, "/x/alive", 5, &alive), 0);
	struct trash *next;
	ck_assert_int_eq(trash_new(home, &next), 0);
	trash_free(next);
	ck_assert_int_eq(entries("carbonfilesd"), 1);
	char *path;
	ck_assert_int_eq(trash_write(alive, "alive", 5), 0);
	ck_assert_int_eq(trash_commit(alive, &path), 0);
	trash_abort(alive);
	_cleanup_free_ char *content = read_text(path);
	ck_assert_str_eq(content, "alive");
	free(path);
}
END_TEST

/* The Trash was emptied, directories and all, while a file was on its way in. */
START_TEST(test_removed_meanwhile)
{
	struct trash_file *f;
	char *path = NULL;

	ck_assert_int_eq(trash_begin(t, "/x/a", 2, &f), 0);
	nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	ck_assert_int_eq(trash_write(f, "ab", 2), 0);
	ck_assert_int_lt(trash_commit(f, &path), 0); /* said, not swallowed: the caller must not go on */
	ck_assert_ptr_null(path);
	trash_abort(f);
	free(put("/x/a", "again"));
}
END_TEST

START_TEST(test_where)
{
	struct trash *u;

	ck_assert_str_eq(trash_dir(t), home);
	setenv("XDG_DATA_HOME", top, 1);
	ck_assert_int_eq(trash_new(NULL, &u), 0);
	_cleanup_free_ char *a = fs_join(top, "Trash"), *b = fs_join(top, ".local/share/Trash");
	ck_assert_str_eq(trash_dir(u), a);
	trash_free(u);
	setenv("XDG_DATA_HOME", "relative", 1); /* the specification: ignore it */
	setenv("HOME", top, 1);
	ck_assert_int_eq(trash_new(NULL, &u), 0);
	ck_assert_str_eq(trash_dir(u), b);
	trash_free(u);

	/* where it cannot be made, only putting something in fails */
	_cleanup_free_ char *file = fs_join(top, "file"), *below = fs_join(top, "file/Trash");
	ck_assert_int_eq(fs_write_file_atomic(file, "", 0, 0600), 0);
	ck_assert_int_eq(trash_new(below, &u), 0);
	struct trash_file *f = NULL;
	ck_assert_int_eq(trash_begin(u, "/x/a", 1, &f), -ENOTDIR);
	ck_assert_ptr_null(f);
	trash_free(u);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trash");
	TCase *tc = tcase_create("trash");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_one);
	tcase_add_test(tc, test_collisions);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_abort);
	tcase_add_test(tc, test_no_space);
	tcase_add_test(tc, test_left_over);
	tcase_add_test(tc, test_removed_meanwhile);
	tcase_add_test(tc, test_where);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
