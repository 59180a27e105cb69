/* The home Trash. Lives here: names, info files and the order in which things reach the disk. Not here: what
 * is worth keeping, and the budget for it. Content is written below a directory of our own beside files/ and
 * info/ (same filesystem), each temporary file locked while its daemon lives, so that another daemon of this
 * user clears away only what was left behind. */
#include "sync/trash.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/utf8.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <time.h>

#define TEMP_DIR    "carbonfilesd"
#define INFO_SUFFIX ".trashinfo"
/* Room behind a name for INFO_SUFFIX and for what tells equal names apart (".2" or "." and eight digits). */
#define NAME_TAIL_MAX (sizeof(INFO_SUFFIX) + 9)
/* Equal names are numbered as people expect; many of them (ten thousand index.html) are told apart at random,
 * or finding a free number would take a look at all before it. */
#define NUMBERED_TRIES 9
#define RANDOM_TRIES   16
#define TEMP_TRIES     8 /* a random name that exists, or one that another daemon cleared before we locked it */
#define PASSWD_BUF     4096

struct trash {
	char *dir;
};

struct trash_file {
	const struct trash *trash;
	char *original;
	int files_fd, info_fd, temp_dir_fd;
	int fd;
	char temp[32]; /* "" once it has its real name */
};

static char *home_dir(void)
{
	const char *home = getenv("HOME");
	char buf[PASSWD_BUF];
	struct passwd pw, *found = NULL;

	if (home && home[0] == '/')
		return strdup(home);
	if (getpwuid_r(getuid(), &pw, buf, sizeof(buf), &found) != 0 || !found || found->pw_dir[0] != '/')
		return NULL;
	return strdup(found->pw_dir);
}

static char *default_dir(void)
{
	const char *data = getenv("XDG_DATA_HOME");

	if (data && data[0] == '/')
		return fs_join(data, "Trash");
	_cleanup_free_ char *home = home_dir();
	return home ? fs_join(home, ".local/share/Trash") : NULL;
}

static int open_dir_at(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int make_dir_at(int dir, const char *name)
{
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	return open_dir_at(dir, name);
}

/* A temporary that nobody holds a lock on was left by a daemon that is no more. */
static void clear_temporaries(const char *trash_path)
{
	_cleanup_free_ char *path = fs_join(trash_path, TEMP_DIR);
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_close_ int fd =
			openat(dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		    flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

int trash_new(const char *home_trash, struct trash **ret_trash)
{
	struct trash *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->dir = home_trash ? strdup(home_trash) : default_dir();
	if (!t->dir) {
		trash_free(t);
		return home_trash ? -ENOMEM : -ENOENT;
	}
	/* Early, so that whoever walks a tree that contains the Trash knows which directory to leave out. */
	(void)fs_mkdir_p(t->dir, 0700);
	clear_temporaries(t->dir);
	*ret_trash = t;
	return 0;
}

struct trash *trash_free(struct trash *t)
{
	if (t)
		free(t->dir);
	free(t);
	return NULL;
}

const char *trash_dir(const struct trash *t)
{
	return t->dir;
}

static int free_bytes(int fd, int64_t *ret_bytes)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0)
		return -errno;
	double room = (double)fs.f_bavail * (double)fs.f_frsize - (double)TRASH_MARGIN_BYTES;
	*ret_bytes = room >= (double)INT64_MAX ? INT64_MAX : (int64_t)room;
	return 0;
}

static int check_space(int fd, int64_t size)
{
	int64_t room;
	int r = free_bytes(fd, &room);

	return r < 0 ? r : room < size ? -ENOSPC : 0;
}

/* Names are made here only at the end, after all has been fetched. */
static int check_writable(int dir)
{
	return faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Others write here too: the room is taken now where the filesystem can. */
static int take_room(int fd, int64_t size)
{
	if (size == 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size) == 0)
		return 0;
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? -errno : 0;
}

/* Makes the temporary and locks it. Between the two another daemon may take it for a left-over. */
static int open_temp(struct trash_file *f)
{
	for (int i = 0; i < TEMP_TRIES; i++) {
		char name[sizeof(f->temp)];
		struct stat st;

		snprintf(name, sizeof(name), "%08x%08x", backoff_random(), backoff_random());
		_cleanup_close_ int fd = openat(f->temp_dir_fd, name,
						O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return -errno;
		/* Where there are no locks nobody clears anything away either. */
		if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
			continue;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (st.st_nlink == 0)
			continue;
		memcpy(f->temp, name, sizeof(name));
		f->fd = STEAL_FD(fd);
		return 0;
	}
	return -EEXIST;
}

static int open_all(struct trash_file *f, int64_t size)
{
	int r = fs_mkdir_p(f->trash->dir, 0700);

	if (r < 0)
		return r;
	_cleanup_close_ int dir = open_dir_at(AT_FDCWD, f->trash->dir);
	if (dir < 0)
		return dir;
	r = check_space(dir, size);
	if (r < 0)
		return r;
	if ((f->files_fd = make_dir_at(dir, "files")) < 0)
		return f->files_fd;
	if ((f->info_fd = make_dir_at(dir, "info")) < 0)
		return f->info_fd;
	if ((f->temp_dir_fd = make_dir_at(dir, TEMP_DIR)) < 0)
		return f->temp_dir_fd;
	r = check_writable(f->files_fd);
	if (r == 0)
		r = check_writable(f->info_fd);
	if (r == 0)
		r = open_temp(f);
	return r < 0 ? r : take_room(f->fd, size);
}

int trash_begin(struct trash *t, const char *original, int64_t size, struct trash_file **ret_file)
{
	struct trash_file *f = calloc(1, sizeof(*f));
	int r = -ENOMEM;

	if (!f)
		return r;
	*f = (struct trash_file){.trash = t, .files_fd = -1, .info_fd = -1, .temp_dir_fd = -1, .fd = -1};
	f->original = strdup(original);
	if (f->original)
		r = open_all(f, size);
	if (r < 0) {
		trash_abort(f);
		return r;
	}
	*ret_file = f;
	return 0;
}

int trash_room(struct trash *t, int64_t size, int64_t *ret_room)
{
	struct trash_file *f;
	int64_t room;
	int r = trash_begin(t, "/", size, &f);

	if (r < 0)
		return r;
	r = free_bytes(f->temp_dir_fd, &room);
	trash_abort(f);
	if (r == 0)
		*ret_room = MAX(room, size); /* perhaps taken just now for the question itself */
	return r;
}

int trash_write(struct trash_file *f, const void *data, size_t len)
{
	return fs_write_full(f->fd, data, len);
}

static int append_encoded(struct buf *b, const char *path)
{
	int r = 0;

	for (; *path && r >= 0; path++) {
		unsigned char c = (unsigned char)*path;
		bool raw = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			   strchr("-._~/", c);

		r = raw ? buf_append(b, path, 1) : buf_printf(b, "%%%02X", c);
	}
	return r;
}

/* The text of the info file. */
static int make_info(const char *original, struct buf *b)
{
	time_t now = time(NULL);
	struct tm tm;
	char date[sizeof("YYYY-MM-DDThh:mm:ss") + 8];

	if (!localtime_r(&now, &tm) || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return -EOVERFLOW;
	int r = buf_append_str(b, "[Trash Info]\nPath=");
	if (r >= 0)
		r = append_encoded(b, original);
	if (r >= 0)
		r = buf_printf(b, "\nDeletionDate=%s\n", date);
	return r;
}

/* What the content is called in the Trash at the given try: the last component, cut to what fits. */
static void make_name(const char *original, int attempt, char name[NAME_MAX + 1])
{
	const char *slash = strrchr(original, '/');
	const char *base = slash ? slash + 1 : original;
	size_t len = strlen(base), max = NAME_MAX - NAME_TAIL_MAX;

	if (len > max) {
		/* Not in the middle of a character. */
		for (len = max; len > max - 4 && ((unsigned char)base[len] & 0xC0) == 0x80; len--)
			;
	}
	if (len == 0 || (len <= 2 && strncmp(base, "..", len) == 0)) {
		base = "file";
		len = strlen(base);
	}
	memcpy(name, base, len);
	name[len] = '\0';
	if (attempt > NUMBERED_TRIES)
		snprintf(name + len, NAME_TAIL_MAX, ".%08x", backoff_random());
	else if (attempt > 1)
		snprintf(name + len, NAME_TAIL_MAX, ".%d", attempt);
}

static int write_info(struct trash_file *f, const char *info_name, const struct buf *info)
{
	_cleanup_close_ int fd =
		openat(f->info_fd, info_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int r = fs_write_full(fd, info->data, info->len);

	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(f->info_fd, info_name, 0);
	return r;
}

/* Never over what is there, even if a program put a file in without its info. */
static int move_in(struct trash_file *f, const char *name)
{
	if (renameat2(f->temp_dir_fd, f->temp, f->files_fd, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A filesystem without it: the info file made exclusively is what reserves the name. */
	if (faccessat(f->files_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(f->temp_dir_fd, f->temp, f->files_fd, name) < 0 ? -errno : 0;
}

static int sync_dirs(const struct trash_file *f)
{
	return fsync(f->info_fd) < 0 || fsync(f->files_fd) < 0 ? -errno : 0;
}

/* -EEXIST: the name is taken, in info/ or in files/. */
static int try_name(struct trash_file *f, const char *name, const struct buf *info)
{
	_cleanup_free_ char *info_name = NULL;

	if (asprintf(&info_name, "%s" INFO_SUFFIX, name) < 0) {
		info_name = NULL;
		return -ENOMEM;
	}
	int r = write_info(f, info_name, info);
	if (r < 0)
		return r;
	r = move_in(f, name);
	if (r < 0)
		unlinkat(f->info_fd, info_name, 0);
	return r;
}

int trash_commit(struct trash_file *f, char **ret_path)
{
	_cleanup_buf_ struct buf info = {0};
	_cleanup_free_ char *path = NULL;
	char name[NAME_MAX + 1];

	if (!f->temp[0])
		return -EALREADY;
	int r = make_info(f->original, &info);
	if (r < 0)
		return r;
	if (fsync(f->fd) < 0)
		return -errno;
	r = -EEXIST;
	for (int i = 1; r == -EEXIST && i <= NUMBERED_TRIES + RANDOM_TRIES; i++) {
		make_name(f->original, i, name);
		free(path);
		if (asprintf(&path, "%s/files/%s", f->trash->dir, name) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		r = try_name(f, name, &info);
	}
	if (r < 0)
		return r;
	f->temp[0] = '\0';
	r = sync_dirs(f);
	if (r < 0)
		return r;
	*ret_path = STEAL(path);
	return 0;
}

struct trash_file *trash_abort(struct trash_file *f)
{
	if (!f)
		return NULL;
	if (f->temp[0])
		unlinkat(f->temp_dir_fd, f->temp, 0);
	close_fd(f->fd);
	close_fd(f->temp_dir_fd);
	close_fd(f->info_fd);
	close_fd(f->files_fd);
	free(f->original);
	free(f);
	return NULL;
}
