/* The marker of a root, on a disk and on a memory filesystem: kernels differ in whether the latter carries
 * user attributes, so both outcomes are tested wherever they are met. */
#include "base/util.h"
#include "sync/marker.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define NAME "user.carbonfiles.pair"

static const char *const places[] = {"/tmp", "/dev/shm", "/var/tmp"};
static char dir[64];
static int fd;

static void begin(int place)
{
	snprintf(dir, sizeof(dir), "%s/cf-marker-XXXXXX", places[place]);
	if (access(places[place], W_OK) < 0)
		snprintf(dir, sizeof(dir), "cf-marker-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
}

static void end(void)
{
	close(fd);
	rmdir(dir);
}

static bool carries_attributes(void)
{
	if (fsetxattr(fd, "user.carbonfiles.test", "x", 1, 0) < 0)
		return false;
	fremovexattr(fd, "user.carbonfiles.test");
	return true;
}

START_TEST(test_round)
{
	struct marker m;
	struct stat st;

	begin(_i);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(marker_read(fd, &m), 0);
	ck_assert(!m.present);
	ck_assert_uint_eq(m.ino, st.st_ino);
	if (!carries_attributes()) {
		ck_assert_int_eq(marker_write(fd, "abc", "def"), -EOPNOTSUPP);
		ck_assert_int_eq(marker_remove(fd, "abc"), 0);
		ck_assert_int_eq(marker_read(fd, &m), 0);
		ck_assert(!m.present);
		end();
		return;
	}
	ck_assert(m.supported);

	uint64_t fsid = m.fsid;
	char id[33], generation[33];

	ck_assert_int_eq(marker_new_id(id), 0);
	ck_assert_int_eq(marker_new_id(generation), 0);
	ck_assert_uint_eq(strlen(id), 32);
	ck_assert_uint_eq(strspn(id, "0123456789abcdef"), 32);
	ck_assert_str_ne(id, generation);
	ck_assert_int_eq(marker_write(fd, id, generation), 0);
	ck_assert_int_eq(marker_read(fd, &m), 0);
	ck_assert(m.supported && m.present);
	ck_assert_str_eq(m.id, id);
	ck_assert_str_eq(m.generation, generation);
	ck_assert_uint_eq(m.fsid, fsid);

	/* another generation writes over it; another pair takes nothing away */
	ck_assert_int_eq(marker_write(fd, id, "2"), 0);
	ck_assert_int_eq(marker_remove(fd, generation), 0);
	ck_assert_int_eq(marker_read(fd, &m), 0);
	ck_assert(m.present);
	ck_assert_str_eq(m.generation, "2");
	ck_assert_int_eq(marker_remove(fd, id), 0);
	ck_assert_int_eq(marker_remove(fd, id), 0);
	ck_assert_int_eq(marker_read(fd, &m), 0);
	ck_assert(!m.present);
	end();
}
END_TEST

START_TEST(test_no_right_to_write)
{
	struct marker m;

	begin(_i);
	bool carries = carries_attributes();

	ck_assert_int_eq(fchmod(fd, 0500), 0);
	pid_t child = fork();
	if (child == 0) {
		/* As an ordinary user, to whom modes mean something. */
		if (geteuid() == 0 &&
		    (fchown(fd, 65533, 65533) < 0 || setgid(65533) < 0 || setuid(65533) < 0))
			_exit(1);
		_exit(marker_read(fd, &m) == 0 && !m.present && !m.supported &&
				      marker_write(fd, "abc", "def") == (carries ? -EACCES : -EOPNOTSUPP)
			      ? 0
			      : 2);
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	end();
}
END_TEST

START_TEST(test_not_ours_in_form)
{
	static const struct {
		const char *value;
		size_t len;
	} bad[] = {
		{"", 0},
		{"abc", 3},
		{"abc ", 4},
		{" def", 4},
		{"abc def ", 8},
		{"abc def ghi", 11},
		{"abc\0def", 7},
		{"abc def\0", 8},
		{"abc-1 def", 9},
		{"abc \xff", 5},
		{"0123456789012345678901234567890123456789 1", 42},
		{"1 0123456789012345678901234567890123456789", 42},
		{"012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		 "0",
		 91},
	};

	begin(_i);
	for (size_t i = 0; carries_attributes() && i < ARRAY_SIZE(bad); i++) {
		struct marker m;
		struct stat st;

		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_int_eq(fsetxattr(fd, NAME, bad[i].value, bad[i].len, 0), 0);
		ck_assert_int_eq(marker_read(fd, &m), -EBADMSG);
		ck_assert(m.supported && !m.present);
		ck_assert_uint_eq(m.ino, st.st_ino);
		ck_assert_int_eq(marker_remove(fd, "abc"), 0); /* not ours: left alone */
		ck_assert_int_ge(fgetxattr(fd, NAME, NULL, 0), 0);
		ck_assert_int_eq(marker_write(fd, "abc", "def"), 0); /* adopt writes over anything */
		ck_assert_int_eq(marker_read(fd, &m), 0);
		ck_assert_int_eq(marker_remove(fd, "abc"), 0);
	}
	end();
}
END_TEST

START_TEST(test_bad_arguments)
{
	struct marker m = {.ino = 7};

	begin(0);
	ck_assert_int_eq(marker_write(fd, "", "1"), -EINVAL);
	ck_assert_int_eq(marker_write(fd, "1", ""), -EINVAL);
	ck_assert_int_eq(marker_write(fd, "a b", "1"), -EINVAL);
	ck_assert_int_eq(marker_write(fd, "a", "1\n"), -EINVAL);
	ck_assert_int_eq(marker_write(fd, "0123456789012345678901234567890123456789", "1"), -EINVAL);
	ck_assert_int_eq(marker_read(fd, &m), 0);
	ck_assert(!m.present);
	end();
	m.ino = 7;
	ck_assert_int_eq(marker_read(-1, &m), -EBADF);
	ck_assert_uint_eq(m.ino, 7);
	ck_assert_int_eq(marker_remove(-1, "a"), -EBADF);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("marker");
	TCase *tc = tcase_create("marker");

	tcase_add_loop_test(tc, test_round, 0, ARRAY_SIZE(places));
	tcase_add_loop_test(tc, test_no_right_to_write, 0, ARRAY_SIZE(places));
	tcase_add_loop_test(tc, test_not_ours_in_form, 0, ARRAY_SIZE(places));
	tcase_add_test(tc, test_bad_arguments);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
