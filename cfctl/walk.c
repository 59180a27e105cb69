/* The files below a directory, one by one. */
#include "cfctl/walk.h"
#include "cfctl/ctl.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 256 /* each level keeps a descriptor open */

struct level {
	int fd;
	char **names; /* sorted */
	size_t n, at;
	size_t path_length; /* of the path up to this directory, its slash included */
};

struct walk {
	struct level levels[DEPTH_MAX];
	size_t depth;
	char *path; /* of the item at hand, relative to the root */
	size_t allocated;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void level_done(struct level *level)
{
	for (size_t i = 0; i < level->n; i++)
		free(level->names[i]);
	free(level->names);
	(void)close(level->fd);
}

/* Takes fd on success. 0 or -errno. */
static int level_init(struct level *level, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), r = 0;
	DIR *directory = copy >= 0 ? fdopendir(copy) : NULL;
	size_t allocated = 0;
	struct dirent *entry;

	if (!directory) {
		r = -errno;
		if (copy >= 0)
			(void)close(copy);
		return r;
	}
	*level = (struct level){.fd = fd};
	while (r == 0 && (errno = 0, entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (level->n == allocated) {
			size_t more = allocated ? 2 * allocated : 32;
			char **names = reallocarray(level->names, more, sizeof(*names));

			if (!names) {
				r = -ENOMEM;
				break;
			}
			level->names = names;
			allocated = more;
		}
		level->names[level->n] = strdup(entry->d_name);
		if (level->names[level->n])
			level->n++;
		else
			r = -ENOMEM;
	}
	if (r == 0 && errno != 0)
		r = -errno;
	(void)closedir(directory);
	if (r < 0) {
		level->fd = -1; /* still the caller's */
		for (size_t i = 0; i < level->n; i++)
			free(level->names[i]);
		free(level->names);
		return r;
	}
	if (level->n > 0)
		qsort(level->names, level->n, sizeof(*level->names), by_name);
	return 0;
}

struct walk *walk_new(const char *root)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	int fd = walk ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int r = fd < 0 ? -errno : level_init(&walk->levels[0], fd);

	if (r < 0) {
		if (fd >= 0)
			(void)close(fd);
		free(walk);
		errno = -r;
		return NULL;
	}
	walk->depth = 1;
	return walk;
}

struct walk *walk_free(struct walk *walk)
{
	if (!walk)
		return NULL;
	while (walk->depth > 0)
		level_done(&walk->levels[--walk->depth]);
	free(walk->path);
	free(walk);
	return NULL;
}

/* path = what leads to the directory at hand + name. */
static int path_set(struct walk *walk, const char *name, size_t *ret_length)
{
	size_t before = walk->levels[walk->depth - 1].path_length, length = before + strlen(name);

	if (length + 2 > walk->allocated) {
		size_t more = 2 * length + 64;
		char *path = realloc(walk->path, more);

		if (!path)
			return -ENOMEM;
		walk->path = path;
		walk->allocated = more;
	}
	memcpy(walk->path + before, name, strlen(name) + 1);
	*ret_length = length;
	return 0;
}

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK: return "a symbolic link";
	case S_IFIFO: return "a pipe";
	case S_IFSOCK: return "a socket";
	case S_IFBLK:
	case S_IFCHR: return "a device";
	default: return "no regular file";
	}
}

static int enter(struct walk *walk, const char *name, size_t length)
{
	int fd, r;

	if (walk->depth == DEPTH_MAX)
		return -ELOOP;
	fd = openat(walk->levels[walk->depth - 1].fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = level_init(&walk->levels[walk->depth], fd);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	walk->path[length] = '/';
	walk->path[length + 1] = '\0';
	walk->levels[walk->depth].path_length = length + 1;
	return 0;
}

enum walk_what walk_next(struct walk *walk, struct walk_item *ret_item)
{
	while (walk->depth > 0) {
		struct level *level = &walk->levels[walk->depth - 1];
		struct walk_item item = {0};
		const char *name;
		struct stat st;
		size_t length;
		int r;

		if (level->at == level->n) {
			level_done(level);
			walk->depth--;
			continue;
		}
		name = level->names[level->at++];
		r = path_set(walk, name, &length);
		if (r == 0 && fstatat(level->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
		item.name = walk->path ? walk->path : name;
		if (r == 0 && S_ISDIR(st.st_mode)) {
			r = enter(walk, name, length);
			if (r == 0 && walk->levels[walk->depth].n > 0) {
				walk->depth++;
				continue;
			}
			if (r == 0) {
				level_done(&walk->levels[walk->depth]);
				walk->path[length] = '\0';
				item.why = "an empty directory";
			}
		} else if (r == 0 && S_ISREG(st.st_mode)) {
			item.size = st.st_size;
			*ret_item = item;
			return WALK_FILE;
		} else if (r == 0) {
			item.why = kind_of(st.st_mode);
		}
		item.error = -r;
		*ret_item = item;
		return r < 0 ? WALK_FAILED : WALK_SKIPPED;
	}
	return WALK_END;
}

int walk_open_file(struct walk *walk)
{
	struct level *level = &walk->levels[walk->depth - 1];
	struct stat st;
	/* What has become a pipe meanwhile must not hold us up. */
	int fd = openat(level->fd, level->names[level->at - 1],
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;

	if (r == 0 && fcntl(fd, F_SETFL, 0) < 0) /* the reader wants it to block */
		r = -errno;
	if (r == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return r;
}
