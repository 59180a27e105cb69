/* The ends of endpoint.h. */
#include "base/endpoint.h"
#include "base/backoff.h"
#include "base/fs.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* A name of 32 random bits that exists already is luck or a left-over; a few are neither. */
#define TEMP_TRIES 4
/* openat2 answers EAGAIN while another process renames on the way; it is over at once. */
#define OPEN_TRIES 16

static int endpoint_new(enum endpoint_kind kind, bool writes, struct endpoint **ret_endpoint)
{
	struct endpoint *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	*e = (struct endpoint){.kind = kind, .writes = writes, .fd = -1, .size = -1, .dir = -1, .mode = 0666};
	e->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->cancel_fd < 0) {
		int r = -errno;
		free(e);
		return r;
	}
	*ret_endpoint = e;
	return 0;
}

int endpoint_new_fd(int fd, bool writes, struct endpoint **ret_endpoint)
{
	int r = endpoint_new(ENDPOINT_FD, writes, ret_endpoint);

	if (r < 0)
		close_fd(fd);
	else
		(*ret_endpoint)->fd = fd;
	return r;
}

int endpoint_new_path(char *path, bool writes, bool overwrite, struct endpoint **ret_endpoint)
{
	int r = endpoint_new(ENDPOINT_PATH, writes, ret_endpoint);

	if (r < 0) {
		free(path);
		return r;
	}
	(*ret_endpoint)->path = path;
	(*ret_endpoint)->overwrite = overwrite;
	return 0;
}

int endpoint_new_memory(char *memory, size_t len, struct endpoint **ret_endpoint)
{
	int r = endpoint_new(ENDPOINT_MEMORY, false, ret_endpoint);

	if (r < 0) {
		free(memory);
		return r;
	}
	(*ret_endpoint)->memory = memory;
	(*ret_endpoint)->size = (int64_t)len;
	return 0;
}

struct endpoint *endpoint_free(struct endpoint *e)
{
	if (!e)
		return NULL;
	if (e->temp[0])
		unlinkat(e->dir, e->temp, 0);
	close_fd(e->fd);
	close_fd(e->dir);
	close_fd(e->cancel_fd);
	free(e->path);
	free(e->name);
	free(e->memory);
	free(e);
	return NULL;
}

void endpoint_cancel(struct endpoint *e)
{
	(void)eventfd_write(e->cancel_fd, 1); /* fails only when it is full, and then it is readable */
}

static int failed(struct endpoint *e, int error, const char *why)
{
	e->why = why;
	return error;
}

/* Opening */

/* Without magic links: /proc/self/fd/3 is not the caller's. */
static int open_path(const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOCTTY),
		.resolve = RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	for (int i = 0; i < OPEN_TRIES; i++) {
		fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd >= 0 ? (int)fd : -errno;
}

static int check_access(struct endpoint *e)
{
	int flags = fcntl(e->fd, F_GETFL);

	if (flags < 0)
		return -errno;
	int access = flags & O_ACCMODE;

	if (flags & O_PATH)
		return failed(e, -EBADF, "the descriptor is only a reference to a path (O_PATH)");
	if (e->writes && access == O_RDONLY)
		return failed(e, -EBADF, "the descriptor is not open for writing");
	if (!e->writes && access == O_WRONLY)
		return failed(e, -EBADF, "the descriptor is not open for reading");
	return 0;
}

static int check_socket(struct endpoint *e)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(e->fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	return type == SOCK_STREAM ? 0 : failed(e, -ESOCKTNOSUPPORT, "the socket is no stream");
}

static int check_type(struct endpoint *e)
{
	if (fstat(e->fd, &e->found) < 0)
		return -errno;
	e->type = e->found.st_mode & S_IFMT;
	switch (e->type) {
	case S_IFREG: return 0;
	case S_IFDIR: return failed(e, -EISDIR, "a directory, where a file is needed");
	case S_IFIFO:
	case S_IFSOCK:
		if (e->kind == ENDPOINT_PATH)
			return failed(e, -EINVAL, "not a regular file");
		return e->type == S_IFSOCK ? check_socket(e) : 0;
	default:
		return failed(e, -EINVAL,
			      e->kind == ENDPOINT_PATH ? "not a regular file"
						       : "not a regular file, a pipe or a socket");
	}
}

static int begin_regular(struct endpoint *e)
{
	if (e->type != S_IFREG)
		return 0;
	off_t at = lseek(e->fd, 0, SEEK_CUR);

	if (at < 0)
		return -errno;
	e->start = at;
	if (e->writes)
		return 0;
	/* Files of /proc and their like are said to be empty. */
	int64_t size = e->found.st_size == 0 ? -1 : MAX(e->found.st_size - at, 0);

	if (e->size >= 0 && size >= 0 && e->size != size)
		return failed(e, -ESTALE, "the file does not have the size that was announced");
	if (size >= 0)
		e->size = size;
	return 0;
}

static int open_to_read(struct endpoint *e)
{
	/* O_NONBLOCK: a FIFO in its place would wait for a writer. */
	int fd = open_path(e->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);

	if (fd < 0)
		return failed(e, fd, fd == -ELOOP ? "a symbolic link, which is not followed" : NULL);
	e->fd = fd;
	return 0;
}

/* What is at the name already: may it be replaced, and what is its mode? */
static int look_at_place(struct endpoint *e)
{
	struct stat st;

	if (fstatat(e->dir, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return failed(e, -EISDIR, "a directory is there");
	if (!e->overwrite)
		return -EEXIST;
	if (S_ISLNK(st.st_mode))
		return failed(e, -ELOOP, "a symbolic link, which is not followed");
	if (!S_ISREG(st.st_mode))
		return failed(e, -EINVAL, "not a regular file");
	e->mode = st.st_mode & 0777;
	return 1;
}

static int open_temp(struct endpoint *e)
{
	for (int i = 0; i < TEMP_TRIES; i++) {
		snprintf(e->temp, sizeof(e->temp), ".carbonfilesd-%08x.part", backoff_random());
		e->fd = openat(e->dir, e->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, e->mode);
		if (e->fd >= 0)
			return 0;
		int r = -errno;
		e->temp[0] = '\0';
		if (r != -EEXIST)
			return r;
	}
	return -EEXIST;
}

/* Beside its place, so that it gets there by a rename. */
static int open_to_write(struct endpoint *e)
{
	const char *slash = strrchr(e->path, '/');
	const char *name = slash + 1;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return failed(e, -EISDIR, "a directory, where a file is needed");
	_cleanup_free_ char *parent = strndup(e->path, slash == e->path ? 1 : (size_t)(slash - e->path));

	e->name = strdup(name);
	if (!parent || !e->name)
		return -ENOMEM;
	e->dir = open_path(parent, O_RDONLY | O_DIRECTORY);
	if (e->dir < 0)
		return e->dir;
	int r = look_at_place(e);

	if (r < 0)
		return r;
	bool replaces = r > 0;

	r = open_temp(e);
	/* A mode that was chosen for the file is kept; a new one gets what the umask leaves. */
	if (r == 0 && replaces && fchmod(e->fd, e->mode) < 0)
		r = -errno;
	return r;
}

int endpoint_open(struct endpoint *e)
{
	int r = 0;

	if (e->kind == ENDPOINT_MEMORY)
		return 0;
	if (e->kind == ENDPOINT_PATH)
		r = e->writes ? open_to_write(e) : open_to_read(e);
	else
		r = check_access(e);
	if (r == 0)
		r = check_type(e);
	return r == 0 ? begin_regular(e) : r;
}

/* Reading */

/* Until it is ready, or nobody waits any more. A timeout of 0 only asks: 0, not now. */
static int wait_ready(struct endpoint *e, short events, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = e->fd, .events = events}, {.fd = e->cancel_fd, .events = POLLIN}};

	for (;;) {
		int n = poll(p, 2, timeout_ms);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (p[1].revents)
			return -ECANCELED;
		return p[0].revents != 0;
	}
}

static ssize_t read_stream(struct endpoint *e, char *data, size_t len, bool *ret_end)
{
	size_t done = 0;

	*ret_end = false;
	while (done < len) {
		int r = wait_ready(e, POLLIN, done > 0 ? 0 : -1);

		if (r < 0)
			return r;
		if (r == 0)
			break; /* what there is may travel */
		ssize_t n = e->type == S_IFSOCK ? recv(e->fd, data + done, len - done, MSG_DONTWAIT)
						: read(e->fd, data + done, len - done);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			*ret_end = true;
			break;
		}
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Size and time of the last change are those it was opened with. */
static int check_unchanged(struct endpoint *e)
{
	struct stat now;

	if (fstat(e->fd, &now) < 0)
		return -errno;
	if (now.st_size == e->found.st_size && now.st_mtim.tv_sec == e->found.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == e->found.st_mtim.tv_nsec)
		return 0;
	return failed(e, -ESTALE, "the file changed while it was read");
}

static ssize_t read_regular(struct endpoint *e, char *data, size_t len, bool *ret_end)
{
	/* By position: the place of the descriptor is the sender's too. */
	ssize_t n = fs_pread_full(e->fd, data, len, e->start + e->done);

	*ret_end = n >= 0 && (size_t)n < len;
	return n;
}

ssize_t endpoint_read(struct endpoint *e, void *data, size_t len, bool *ret_last)
{
	bool end = false;
	ssize_t n;

	*ret_last = false;
	if (e->size >= 0)
		len = (size_t)MIN((int64_t)len, e->size - e->done);
	if (e->kind == ENDPOINT_MEMORY) {
		memcpy(data, e->memory + e->done, len);
		n = (ssize_t)len;
	} else if (len == 0) {
		n = 0;
	} else if (e->type == S_IFREG) {
		n = read_regular(e, data, len, &end);
	} else {
		n = read_stream(e, data, len, &end);
	}
	if (n < 0)
		return n;
	e->done += n;
	if (end && e->size >= 0 && e->done < e->size)
		return failed(e, -ESTALE,
			      e->type == S_IFREG ? "the file shrank while it was read"
						 : "it ended before the size that was announced");
	*ret_last = end || (e->size >= 0 && e->done == e->size);
	if (*ret_last && e->kind != ENDPOINT_MEMORY && e->type == S_IFREG) {
		int r = check_unchanged(e);
		if (r < 0)
			return r;
	}
	return n;
}

/* Writing */

static int write_stream(struct endpoint *e, const char *data, size_t len)
{
	while (len > 0) {
		int r = wait_ready(e, POLLOUT, -1);

		if (r < 0)
			return r;
		/* A pipe that is ready has room for so much: this write does not wait. */
		ssize_t n = e->type == S_IFSOCK ? send(e->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
						: write(e->fd, data, MIN(len, (size_t)PIPE_BUF));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int endpoint_write(struct endpoint *e, const void *data, size_t len)
{
	int r = e->type == S_IFREG ? fs_write_full(e->fd, data, len) : write_stream(e, data, len);

	if (r == 0)
		e->done += (int64_t)len;
	return r;
}

bool endpoint_can_rewind(const struct endpoint *e)
{
	if (e->kind == ENDPOINT_MEMORY)
		return true;
	/* What was written into a descriptor is its owner's. */
	return e->writes ? e->kind == ENDPOINT_PATH : e->type == S_IFREG;
}

int endpoint_rewind(struct endpoint *e)
{
	if (e->done > 0 && !endpoint_can_rewind(e))
		return failed(e, -ESPIPE, NULL);
	if (e->writes && e->done > 0 && (ftruncate(e->fd, 0) < 0 || lseek(e->fd, 0, SEEK_SET) < 0))
		return -errno;
	e->done = 0;
	return 0;
}

int endpoint_commit(struct endpoint *e)
{
	if (!e->temp[0])
		return 0;
	if (fsync(e->fd) < 0)
		return -errno;
	/* Once more: it may be another by now. */
	int r = look_at_place(e);

	if (r < 0)
		return r;
	if (!e->overwrite)
		r = fs_move_new(e->dir, e->temp, e->name);
	else
		r = renameat(e->dir, e->temp, e->dir, e->name) < 0 ? -errno : 0;
	if (r < 0)
		return r;
	e->temp[0] = '\0';
	/* It is complete and in its place; only a power cut could take the name away again. */
	return fsync(e->dir) < 0 && errno != EINVAL ? -errno : 0;
}
