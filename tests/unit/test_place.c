/* Putting a file in its place: what lay there, whenever it is written to, is in the Trash or beside it. The
 * system's renames are ours here, so that something can happen between any two of them, and so that file
 * systems can be played that know neither exchange nor links. */
#include "base/fs.h"
#include "base/util.h"
#include "sync/place.h"
#include "tests/unit/tap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char top[64];
static struct trash *t;
static int dir = -1;
static char *kept;

/* --- the system as the test wants it --- */

static bool no_exchange, no_noreplace, no_links;
static void (*before_exchange)(void), (*after_aside)(void);

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	bool ours = from_dir == dir;

	if (ours && (flags & RENAME_EXCHANGE) && before_exchange) {
		before_exchange();
		before_exchange = NULL;
	}
	if (ours &&
	    (((flags & RENAME_EXCHANGE) && no_exchange) || ((flags & RENAME_NOREPLACE) && no_noreplace))) {
		errno = EINVAL;
		return -1;
	}
	int r = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);

	if (ours && r == 0 && after_aside && strstr(to, "(conflict ")) {
		after_aside();
		after_aside = NULL;
	}
	return r;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	if (no_links) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

/* --- helpers --- */

static void setup(void)
{
	_cleanup_free_ char *trash = NULL, *root = NULL;

	snprintf(top, sizeof(top), "/tmp/cf-place-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	trash = fs_join(top, "Trash");
	root = fs_join(top, "root");
	ck_assert_int_eq(trash_new(trash, &t), 0);
	ck_assert_int_eq(mkdir(root, 0700), 0);
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir, 0);
	no_exchange = no_noreplace = no_links = false;
	before_exchange = after_aside = NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static void teardown(void)
{
	t = trash_free(t);
	close_fd(dir);
	dir = -1;
	free(kept);
	kept = NULL;
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const char *text, int flags)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_write_full(fd, text, strlen(text)), 0);
}

static void says(const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char data[256] = "";

	ck_assert_msg(fd >= 0, "%s is not there", name);
	ck_assert_int_ge(fs_read_full(fd, data, sizeof(data) - 1), 0);
	ck_assert_str_eq(data, text);
}

/* How many names there are in the directory. */
static int names(void)
{
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	int n = 0;

	fd = -1;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.' || strcmp(e->d_name, ".temp") == 0;
	closedir(d);
	return n;
}

static bool in_trash(const char *text)
{
	_cleanup_free_ char *path = fs_join(top, "Trash/files");
	DIR *d = opendir(path);
	bool found = false;

	for (struct dirent *e; d && (e = readdir(d));) {
		_cleanup_free_ char *file = fs_join(path, e->d_name), *data = NULL;
		size_t len;

		if (e->d_name[0] != '.' && fs_read_file(file, 1024, &data, &len) == 0)
			found |= strcmp(data, text) == 0;
	}
	if (d)
		closedir(d);
	return found;
}

static int place(const char *name)
{
	_cleanup_free_ char *original = NULL;

	ck_assert_int_ge(asprintf(&original, "%s/root/%s", top, name), 0);
	const struct place p = {.dir = dir, .temp = ".temp", .name = name, .original = original, .trash = t};

	free(kept);
	kept = NULL;
	write_file(".temp", "restored", 0);
	return place_file(&p, &kept);
}

/* --- tests --- */

START_TEST(test_nothing_there)
{
	ck_assert_int_eq(place("a"), 0);
	says("a", "restored");
	ck_assert_ptr_null(kept);
	ck_assert_int_eq(names(), 1);
}
END_TEST

START_TEST(test_replaced)
{
	write_file("a", "local", 0);
	ck_assert_int_eq(place("a"), 0);
	says("a", "restored");
	ck_assert_ptr_null(kept);
	ck_assert(in_trash("local"));
	ck_assert_int_eq(names(), 1);
}
END_TEST

static void edit(void)
{
	write_file("a", "edited", O_TRUNC);
}

static void save(void)
{
	write_file("tmp", "saved", 0);
	ck_assert_int_eq(renameat(dir, "tmp", dir, "a"), 0);
}

static void same_size(void)
{
	write_file("a", "LOCAL", O_TRUNC);
}

static void append(void)
{
	write_file("a", " and more", O_APPEND);
}

static void vanish(void)
{
	ck_assert_int_eq(unlinkat(dir, "a", 0), 0);
}

static void become_directory(void)
{
	vanish();
	ck_assert_int_eq(mkdirat(dir, "a", 0700), 0);
}

START_TEST(test_edited_between_copy_and_exchange)
{
	static const struct {
		void (*what)(void);
		const char *text;
	} cases[] = {{edit, "edited"}, {save, "saved"}, {same_size, "LOCAL"}, {append, "local and more"}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		write_file("a", "local", O_TRUNC);
		before_exchange = cases[i].what;
		ck_assert_int_eq(place("a"), 0);
		says("a", "restored");
		ck_assert_ptr_nonnull(kept);
		ck_assert(strncmp(kept, "a (conflict ", 12) == 0);
		says(kept, cases[i].text);
		ck_assert(in_trash("local"));
		ck_assert_int_eq(unlinkat(dir, kept, 0), 0);
	}
}
END_TEST

START_TEST(test_still_open_for_writing)
{
	write_file("a", "local", 0);
	_cleanup_close_ int writer = openat(dir, "a", O_WRONLY | O_APPEND | O_CLOEXEC);
	ck_assert_int_ge(writer, 0);
	ck_assert_int_eq(place("a"), 0);
	says("a", "restored");
	ck_assert_ptr_nonnull(kept);
	ck_assert_int_eq(fs_write_full(writer, ", later", 7), 0);
	says(kept, "local, later");
}
END_TEST

START_TEST(test_open_for_reading_is_no_matter)
{
	write_file("a", "local", 0);
	_cleanup_close_ int reader = openat(dir, "a", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(place("a"), 0);
	ck_assert_ptr_null(kept);
	ck_assert_int_eq(names(), 1);
}
END_TEST

START_TEST(test_gone_meanwhile)
{
	write_file("a", "local", 0);
	before_exchange = vanish;
	ck_assert_int_eq(place("a"), 0);
	says("a", "restored");
	ck_assert_ptr_null(kept);
	ck_assert_int_eq(names(), 1);
}
END_TEST

START_TEST(test_no_regular_file)
{
	ck_assert_int_eq(mkdirat(dir, "a", 0700), 0);
	ck_assert_int_eq(place("a"), -EISDIR);
	says(".temp", "restored");
	ck_assert_int_eq(unlinkat(dir, "a", AT_REMOVEDIR), 0);
	ck_assert_int_eq(symlinkat("nowhere", dir, "a"), 0);
	ck_assert_int_eq(place("a"), -ELOOP);
	ck_assert_int_eq(unlinkat(dir, "a", 0), 0);
	ck_assert_int_eq(mkfifoat(dir, "a", 0600), 0);
	ck_assert_int_eq(place("a"), -EINVAL);
	ck_assert_int_eq(unlinkat(dir, "a", 0), 0);

	/* … and one that becomes a directory at the last moment is kept. */
	write_file("a", "local", 0);
	before_exchange = become_directory;
	ck_assert_int_eq(place("a"), 0);
	says("a", "restored");
	ck_assert_ptr_nonnull(kept);
	struct stat st;
	ck_assert_int_eq(fstatat(dir, kept, &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert(S_ISDIR(st.st_mode));
}
END_TEST

START_TEST(test_without_exchange)
{
	for (int i = 0; i < 8; i++) {
		no_exchange = true;
		no_noreplace = i & 1;
		no_links = i & 2;
		ck_assert_int_eq(place("a"), 0);
		says("a", "restored");
		ck_assert_int_eq(names(), 1);

		write_file("a", "local", O_TRUNC);
		before_exchange = i & 4 ? save : edit;
		ck_assert_int_eq(place("a"), 0);
		says("a", "restored");
		ck_assert_ptr_nonnull(kept);
		says(kept, i & 4 ? "saved" : "edited");
		ck_assert_int_eq(unlinkat(dir, kept, 0), 0);

		write_file("a", "alone", O_TRUNC);
		ck_assert_int_eq(place("a"), 0);
		says("a", "restored");
		ck_assert_ptr_null(kept);
		ck_assert(in_trash("alone"));
		ck_assert_int_eq(names(), 1);
		vanish();
	}
}
END_TEST

START_TEST(test_without_exchange_the_place_is_taken)
{
	no_exchange = true;
	write_file("a", "local", 0);
	after_aside = save;
	ck_assert_int_eq(place("a"), -EEXIST);
	says("a", "saved");
	says(".temp", "restored");
	ck_assert_ptr_nonnull(kept);
	says(kept, "local");
}
END_TEST

START_TEST(test_names_that_are_kept)
{
	char longest[NAME_MAX + 1], umlauts[NAME_MAX + 1] = "";
	const char *cases[] = {"notes.txt", ".hidden", "no extension", longest, umlauts};

	memset(longest, 'x', NAME_MAX);
	memcpy(longest + NAME_MAX - 4, ".txt", 5);
	for (int i = 0; i < NAME_MAX / 2; i++)
		memcpy(umlauts + 2 * i, "ä", sizeof("ä"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		write_file(cases[i], "local", 0);
		_cleanup_close_ int writer = openat(dir, cases[i], O_WRONLY | O_CLOEXEC);
		ck_assert_int_eq(place(cases[i]), 0);
		says(cases[i], "restored");
		ck_assert_ptr_nonnull(kept);
		ck_assert_int_le(strlen(kept), NAME_MAX);
		says(kept, "local");
		const char *dot = strrchr(cases[i], '.');
		if (dot && dot != cases[i])
			ck_assert_str_eq(kept + strlen(kept) - 4, ".txt");
		ck_assert_int_ne((unsigned char)strstr(kept, " (conflict")[-1] & 0xC0, 0xC0);

		/* twice within a second: two names */
		write_file(cases[i], "local", O_TRUNC);
		_cleanup_close_ int again = openat(dir, cases[i], O_WRONLY | O_CLOEXEC);
		ck_assert_int_eq(place(cases[i]), 0);
		ck_assert_ptr_nonnull(kept);
	}
}
END_TEST

START_TEST(test_no_room_in_the_trash)
{
	_cleanup_free_ char *files = fs_join(top, "Trash/files");

	/* A file where the Trash needs a directory. */
	ck_assert_int_eq(rmdir(files) < 0 && errno != ENOENT, 0);
	_cleanup_close_ int fd = open(files, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	write_file("a", "local", 0);
	ck_assert_int_lt(place("a"), 0);
	says("a", "local");
	says(".temp", "restored");
	ck_assert_int_eq(names(), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("place");
	TCase *c = tcase_create("place");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, test_nothing_there);
	tcase_add_test(c, test_replaced);
	tcase_add_test(c, test_edited_between_copy_and_exchange);
	tcase_add_test(c, test_still_open_for_writing);
	tcase_add_test(c, test_open_for_reading_is_no_matter);
	tcase_add_test(c, test_gone_meanwhile);
	tcase_add_test(c, test_no_regular_file);
	tcase_add_test(c, test_without_exchange);
	tcase_add_test(c, test_without_exchange_the_place_is_taken);
	tcase_add_test(c, test_names_that_are_kept);
	tcase_add_test(c, test_no_room_in_the_trash);
	suite_add_tcase(suite, c);
	return tap_run(suite);
}
