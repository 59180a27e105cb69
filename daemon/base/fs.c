/* File helpers of fs.h. */
#include "base/fs.h"
#include "base/backoff.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

/* First guess for files whose size stat does not know (proc, sysfs). */
#define READ_FIRST_BYTES 4096
/* openat2 answers EAGAIN while another process renames on the way; it is over at once. */
#define OPEN_TRIES 16
/* A random name of 64 bits that exists already is luck or a left-over; two are neither. */
#define TEMP_TRIES 4

ssize_t fs_read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t fs_pread_full(int fd, void *buf, size_t len, off_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fs_write_full(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fs_read_file(const char *path, size_t max, char **ret_data, size_t *ret_len)
{
	/* Never waits for the writer of a FIFO that somebody put in the place of a file. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if ((uintmax_t)st.st_size > max)
		return -EFBIG;

	/* Files can grow while they are read: the end is where read says so. */
	size_t cap = st.st_size > 0 ? (size_t)st.st_size + 1 : READ_FIRST_BYTES, len = 0;
	_cleanup_free_ char *data = malloc(cap + 1);
	if (!data)
		return -ENOMEM;
	for (;;) {
		ssize_t n = fs_read_full(fd, data + len, cap - len);
		if (n < 0)
			return (int)n;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
		if (len < cap)
			break;
		cap *= 2;
		char *more = realloc(data, cap + 1);
		if (!more)
			return -ENOMEM;
		data = more;
	}
	data[len] = '\0';
	*ret_data = STEAL(data);
	*ret_len = len;
	return 0;
}

static int open_temp(int dir, char name[static 32])
{
	for (int i = 0; i < TEMP_TRIES; i++) {
		snprintf(name, 32, ".tmp-%08x%08x", backoff_random(), backoff_random());
		int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd >= 0 ? fd : -errno;
	}
	return -EEXIST;
}

static int write_temp(int fd, const void *data, size_t len, mode_t mode)
{
	int r = fs_write_full(fd, data, len);

	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int fs_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	if (*name == '\0')
		return -EINVAL;
	_cleanup_free_ char *parent =
		slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	if (!parent)
		return -ENOMEM;
	_cleanup_close_ int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;

	char temp[32];
	_cleanup_close_ int fd = open_temp(dir, temp);
	if (fd < 0)
		return fd;
	int r = write_temp(fd, data, len, mode);
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, temp, 0);
		return r;
	}
	return fsync(dir) < 0 ? -errno : 0;
}

static int make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	int r = -errno;
	/* EROFS or EACCES of a parent that exists already is no failure. */
	if (stat(path, &st) < 0)
		return r;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int fs_mkdir_p(const char *path, mode_t mode)
{
	if (*path == '\0')
		return -EINVAL;
	_cleanup_free_ char *p = strdup(path);
	if (!p)
		return -ENOMEM;
	for (char *c = p + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		int r = make_dir(p, mode);
		if (r < 0)
			return r;
		*c = '/';
	}
	return make_dir(p, mode);
}

int fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	bool creates = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
	const struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = creates ? mode : 0, /* the kernel refuses a mode without a use */
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	long fd = -1;

	for (int i = 0; i < OPEN_TRIES; i++) {
		fd = syscall(SYS_openat2, dirfd, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd >= 0 ? (int)fd : -errno;
}

char *fs_join(const char *a, const char *b)
{
	size_t len = strlen(a);

	while (len > 1 && a[len - 1] == '/')
		len--;
	while (*b == '/')
		b++;
	if (len == 0)
		return strdup(b);
	char *joined = NULL;
	const char *separator = *b && a[len - 1] != '/' ? "/" : "";
	if (asprintf(&joined, "%.*s%s%s", (int)len, a, separator, b) < 0)
		return NULL;
	return joined;
}

static bool no_such_rename(int error)
{
	return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

static bool no_links(int error)
{
	return error == EPERM || error == ENOSYS || error == EOPNOTSUPP;
}

static int move_by_link(int dir, const char *from, const char *to)
{
	if (linkat(dir, from, dir, to, 0) < 0)
		return -errno;
	if (unlinkat(dir, from, 0) == 0)
		return 0;

	int r = -errno;

	(void)unlinkat(dir, to, 0); /* as it was; two names for one file are no loss either */
	return r;
}

int fs_move_new(int dir, const char *from, const char *to)
{
	if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (!no_such_rename(errno))
		return -errno;

	int r = move_by_link(dir, from, to);

	if (r >= 0 || !no_links(-r))
		return r;
	/* Neither of the two: a look directly before is all there is. */
	if (faccessat(dir, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}
