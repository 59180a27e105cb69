/* A file that comes into being beside its place and is put into it whole. */
#include "cfctl/place.h"
#include "cfctl/ctl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES   200 /* of the name in that of the temporary file: with the rest at most 255 */
#define HASH_DIGITS  16  /* of the hash in it: enough to tell the versions of one file apart */
#define OPEN_TRIES   8   /* another process may finish with the same file at the same moment */
#define TEMP_MODE    0600
#define TEMP_PATTERN ".%.*s.%.*s.cfpart"

static char *temp_name(const char *name, const char *sha256)
{
	char random[HASH_DIGITS + 1];
	uint64_t bits;
	char *temp;

	if (!sha256) {
		if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
			return NULL;
		(void)snprintf(random, sizeof(random), "%016llx", (unsigned long long)bits);
		sha256 = random;
	}
	return asprintf(&temp, TEMP_PATTERN, NAME_BYTES, name, HASH_DIGITS, sha256) < 0 ? NULL : temp;
}

/* Open and locked, and still what the name stands for. The lock is of this descriptor alone: the daemon may
 * hold the one it is given a moment longer than we live. */
static int open_temp(int directory, const char *temp)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		struct stat ours, there;
		int fd = openat(directory, temp, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
				TEMP_MODE),
		    r;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			r = errno == EWOULDBLOCK ? -EBUSY : -errno;
		else if (fstat(fd, &ours) < 0)
			r = -errno;
		else if (!S_ISREG(ours.st_mode) || ours.st_nlink > 1 || ours.st_uid != geteuid())
			r = -EEXIST;
		else if (fstatat(directory, temp, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
			 there.st_dev == ours.st_dev && there.st_ino == ours.st_ino)
			r = 0;
		else
			r = -EAGAIN;
		if (r == 0)
			return fd;
		(void)close(fd);
		if (r != -EAGAIN)
			return r;
	}
	return -EBUSY;
}

int place_new(int directory, const char *name, const char *sha256, int64_t size, bool force,
	      struct place **ret_place)
{
	struct place *place = calloc(1, sizeof(*place));
	int r = -ENOMEM;

	if (!place)
		return r;
	place->fd = place->lock = place->directory = -1;
	place->force = force;
	place->name = strdup(name);
	place->temp = temp_name(name, sha256);
	if (place->name && place->temp) {
		place->directory = fcntl(directory, F_DUPFD_CLOEXEC, 0);
		r = place->lock = place->directory < 0 ? -errno : open_temp(place->directory, place->temp);
	}
	if (r < 0) {
		place->settled = true; /* what is there is not ours */
		place_free(place);
		return r;
	}
	place->fd = openat(place->directory, place->temp, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	place->have = lseek(place->fd, 0, SEEK_END);
	/* The last byte is fetched again of a file that is whole: so it is the server's word that ends it. */
	if (place->have >= size && size > 0)
		place->have = place->have == size ? size - 1 : 0;
	if (!sha256 || size <= 0)
		place->have = 0;
	r = ftruncate(place->fd, place->have) < 0 || lseek(place->fd, place->have, SEEK_SET) < 0 ? -errno : 0;
	if (r < 0) {
		place_free(place);
		return r;
	}
	*ret_place = place;
	return 0;
}

int place_restart(struct place *place)
{
	place->have = 0;
	return ftruncate(place->fd, 0) < 0 || lseek(place->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

int place_commit(struct place *place)
{
	int at = place->directory, r;
	mode_t mask = umask(0);

	(void)umask(mask);
	if (fchmod(place->fd, 0666 & ~mask) < 0 && errno != EPERM) /* a file system without modes */
		return -errno;
	/* Before the name: after a power cut it must not stand for less than all. */
	if (fsync(place->fd) < 0 && errno != EINVAL && errno != EROFS)
		return -errno;
	if (place->force)
		r = renameat(at, place->temp, at, place->name) < 0 ? -errno : 0;
	else
		r = renameat2(at, place->temp, at, place->name, RENAME_NOREPLACE) < 0 ? -errno : 0;
	/* A file system that cannot promise it. */
	if (r == -EINVAL && !place->force)
		r = linkat(at, place->temp, at, place->name, 0) < 0       ? -errno
		    : unlinkat(at, place->temp, 0) < 0 && errno != ENOENT ? -errno
									  : 0;
	place->settled = r == 0;
	return r;
}

void place_keep(struct place *place)
{
	place->settled = true;
}

struct place *place_free(struct place *place)
{
	if (!place)
		return NULL;
	if (!place->settled)
		(void)unlinkat(place->directory, place->temp, 0);
	if (place->fd >= 0)
		(void)close(place->fd);
	if (place->lock >= 0)
		(void)close(place->lock);
	if (place->directory >= 0)
		(void)close(place->directory);
	free(place->name);
	free(place->temp);
	free(place);
	return NULL;
}

int place_directory(int root, const char *path)
{
	int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
	const char *slash;

	for (; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		_cleanup_free_ char *name = strndup(path, (size_t)(slash - path));
		int next, r;

		if (!name) {
			(void)close(fd);
			return -ENOMEM;
		}
		if (mkdirat(fd, name, 0777) < 0 && errno != EEXIST)
			next = -1;
		else
			next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = next < 0 ? errno : 0;
		(void)close(fd);
		if (next < 0)
			return -(r == ELOOP ? ENOTDIR : r);
		fd = next;
	}
	return fd < 0 ? -errno : fd;
}
