/* One local path at a time: what it is, and its bytes with proof that they held still. Everything is reached
 * from the root's descriptor with openat2 beneath it, so that a directory swapped for a symlink leads
 * nowhere. Not here: walking whole trees (scan.c), what follows from the answer (plan.c). */
#include "sync/local.h"
#include "base/clock.h"
#include "base/fs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Large enough that the system calls cost nothing beside SHA-256, small enough for a core's second-level
 * cache. */
#define BLOCK_BYTES (256 * 1024)

static struct local_state absent(void)
{
	return (struct local_state){.presence = PLAN_ABSENT};
}

static struct local_state left_out(enum plan_presence presence, const char *reason)
{
	return (struct local_state){.presence = presence, .skip_reason = reason};
}

/* What a failed look says about the path. A name too long for the disk cannot be on it. */
static struct local_state failed(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
	case -ENAMETOOLONG: return absent();
	case -EXDEV: return left_out(PLAN_UNCOVERED, "other_filesystem");
	default:
		return (struct local_state){
			.presence = PLAN_UNREADABLE, .skip_reason = "unreadable", .error = error};
	}
}

int local_root_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int local_root_empty(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	const struct dirent *entry;
	int empty = 1;

	if (!dir) {
		int error = -errno;

		close_fd(own);
		return error;
	}
	while (errno = 0, empty && (entry = readdir(dir)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (errno)
		empty = -errno;
	closedir(dir);
	return empty;
}

const char *local_verdict_reason(enum ignore_verdict verdict)
{
	switch (verdict) {
	case IGNORE_COVERED: return NULL;
	case IGNORE_IGNORED: return "ignored";
	case IGNORE_SECRET: return "secret";
	}
	return NULL;
}

const char *local_skip_directory(const struct local_rules *rules, const struct stat *st)
{
	/* openat2 refuses mounts; subvolumes differ in st_dev alone. */
	if (st->st_dev != rules->root_dev)
		return "other_filesystem";
	for (int i = 0; i < rules->own_count; i++)
		if (st->st_ino == rules->own_ino[i] && st->st_dev == rules->own_dev[i])
			return "own_state";
	return NULL;
}

static int64_t nanoseconds(const struct statx_timestamp *t)
{
	return t->tv_sec * 1000000000 + t->tv_nsec;
}

void local_inspect_at(int dir_fd, const char *name, struct local_state *ret_state)
{
	struct statx st;

	if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &st) < 0) {
		*ret_state = failed(-errno);
		return;
	}
	switch (st.stx_mode & S_IFMT) {
	case S_IFREG:
		/* A single file can be a mount too. Its st_dev is no help: on overlayfs files may have one of
		 * their own. */
		if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) {
			*ret_state = left_out(PLAN_UNCOVERED, "other_filesystem");
			return;
		}
		*ret_state = (struct local_state){
			.presence = PLAN_FILE,
			.sig = {.size = (int64_t)st.stx_size,
				.mtime_ns = nanoseconds(&st.stx_mtime),
				.ctime_ns = nanoseconds(&st.stx_ctime),
				.ino = st.stx_ino},
			.linked = st.stx_nlink > 1,
		};
		return;
	case S_IFDIR:
		*ret_state = absent();
		ret_state->is_dir = true;
		return;
	case S_IFLNK: *ret_state = left_out(PLAN_SPECIAL, "symlink"); return;
	case S_IFIFO: *ret_state = left_out(PLAN_SPECIAL, "fifo"); return;
	case S_IFSOCK: *ret_state = left_out(PLAN_SPECIAL, "socket"); return;
	default: *ret_state = left_out(PLAN_SPECIAL, "device"); return;
	}
}

/* Opens `path` as a directory below fd and checks that it is one the pair covers. */
static int enter(int fd, const char *path, const struct local_rules *rules, struct local_state *ret_state)
{
	struct stat st;
	_cleanup_close_ int dir = fs_open_beneath(fd, path, O_PATH | O_DIRECTORY, 0);
	int r = dir < 0 ? dir : fstat(dir, &st) < 0 ? -errno : 0;
	if (r < 0) {
		*ret_state = failed(r);
		return r;
	}
	const char *reason = local_skip_directory(rules, &st);
	if (reason) {
		*ret_state = left_out(PLAN_UNCOVERED, reason);
		return -EXDEV;
	}
	return STEAL_FD(dir);
}

/* Opens a directory below the root; on failure *ret_state is the answer for what is in it. path is written
 * to. */
static int open_dir(int root_fd, char *path, const struct local_rules *rules, struct local_state *ret_state)
{
	/* At once where no directory of the daemon's own can be on the way, else step by step. */
	if (rules->own_count == 0)
		return enter(root_fd, path, rules, ret_state);

	_cleanup_close_ int dir = -1;
	for (char *name = path; name;) {
		char *slash = strchr(name, '/');
		if (slash)
			*slash = '\0';
		int next = enter(dir < 0 ? root_fd : dir, name, rules, ret_state);
		if (next < 0)
			return next;
		close_fd(dir);
		dir = next;
		name = slash ? slash + 1 : NULL;
	}
	return STEAL_FD(dir);
}

void local_way_init(struct local_way *way, int root_fd, const struct local_rules *rules)
{
	*way = (struct local_way){.root_fd = root_fd, .rules = rules, .dir_fd = -1};
}

void local_way_done(struct local_way *way)
{
	close_fd(way->dir_fd);
	way->dir_fd = -1;
	free(STEAL(way->dir));
}

/* Goes to the directory that holds the last component of path; that component, and the descriptor (not the
 * caller's). On failure *ret_state is the answer for the path. */
static int go_to_parent(struct local_way *way, const char *path, const char **ret_name,
			struct local_state *ret_state)
{
	const char *slash = strrchr(path, '/');

	if (!slash) {
		*ret_name = path;
		return way->root_fd;
	}
	*ret_name = slash + 1;

	size_t len = (size_t)(slash - path);
	if (way->dir_fd >= 0 && strncmp(way->dir, path, len) == 0 && way->dir[len] == '\0')
		return way->dir_fd;
	local_way_done(way);

	_cleanup_free_ char *dir = strndup(path, len), *steps = strndup(path, len);
	if (!dir || !steps) {
		*ret_state = failed(-ENOMEM);
		return -ENOMEM;
	}
	int fd = open_dir(way->root_fd, steps, way->rules, ret_state);
	if (fd < 0)
		return fd;
	way->dir = STEAL(dir);
	way->dir_fd = fd;
	return fd;
}

void local_way_inspect(struct local_way *way, const char *path, struct local_state *ret_state)
{
	const char *name, *reason = local_verdict_reason(ignore_path(&way->rules->ignore, path, false, NULL));
	if (reason) {
		*ret_state = left_out(PLAN_UNCOVERED, reason);
		return;
	}
	int fd = go_to_parent(way, path, &name, ret_state);
	if (fd >= 0)
		local_inspect_at(fd, name, ret_state);
}

void local_inspect(int root_fd, const char *path, const struct local_rules *rules,
		   struct local_state *ret_state)
{
	_cleanup_(local_way_done) struct local_way way;

	local_way_init(&way, root_fd, rules);
	local_way_inspect(&way, path, ret_state);
}

bool local_sig_equal(const struct index_sig *a, const struct index_sig *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns &&
	       a->ino == b->ino;
}

bool local_sig_racy(const struct index_sig *sig, int64_t now_ns)
{
	int64_t since = now_ns - CLOCK_FILE_GRANULARITY_NS;

	/* Every write moves ctime, so an old ctime settles it; one in the future says nothing. A future mtime
	 * alone is somebody's touch(1) and would make the file racy for years. */
	return sig->ctime_ns >= since || (sig->mtime_ns >= since && sig->mtime_ns <= now_ns);
}

static int file_of(int fd, struct local_state *ret_state)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	*ret_state = (struct local_state){
		.presence = PLAN_FILE,
		.sig = {.size = st.st_size,
			.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
			.ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
			.ino = st.st_ino},
		.linked = st.st_nlink > 1,
	};
	return 0;
}

int local_sig_of(int fd, struct index_sig *ret_sig)
{
	struct local_state state;
	int r = file_of(fd, &state);

	if (r < 0)
		return r;
	*ret_sig = state.sig;
	return 0;
}

/* -ESTALE when it is no longer what it was at `before`. */
static int held_still(int fd, const struct index_sig *before)
{
	struct index_sig after;
	int r = local_sig_of(fd, &after);

	return r < 0 ? r : local_sig_equal(before, &after) ? 0 : -ESTALE;
}

static bool may_be_secret(const struct local_rules *rules, int64_t size)
{
	return rules && !rules->ignore.secrets && size <= IGNORE_SECRET_FILE_MAX;
}

bool local_is_secret(int fd, int64_t size)
{
	char head[IGNORE_SECRET_FILE_MAX];

	if (size > IGNORE_SECRET_FILE_MAX)
		return false;
	ssize_t n = fs_pread_full(fd, head, sizeof(head), 0);
	return n < 0 || ignore_content_is_secret(head, (size_t)n);
}

static int open_regular(int root_fd, const char *local_path, struct local_state *ret_state)
{
	/* O_NONBLOCK: between the look and the open the name may have become a FIFO. */
	_cleanup_close_ int fd = fs_open_beneath(root_fd, local_path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return fd;
	int r = file_of(fd, ret_state);
	return r < 0 ? r : STEAL_FD(fd);
}

int local_open(int root_fd, const char *local_path, const struct local_rules *rules,
	       struct index_sig *ret_sig)
{
	struct local_state state;
	_cleanup_close_ int fd = open_regular(root_fd, local_path, &state);
	if (fd < 0)
		return fd;
	if (may_be_secret(rules, state.sig.size) && local_is_secret(fd, state.sig.size))
		return -EKEYREJECTED;
	*ret_sig = state.sig;
	return STEAL_FD(fd);
}

/* size + 1 bytes at most: one more than there should be shows a file that grew. A short read that ends where
 * it should is the end; no second call is needed to hear so. */
static ssize_t read_to_end(int fd, char *data, size_t size)
{
	for (size_t done = 0;;) {
		ssize_t n = read(fd, data + done, size + 1 - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
		if (n == 0 || done >= size)
			return (ssize_t)done;
	}
}

int local_way_read(struct local_way *way, const char *path, size_t max, void **ret_data, size_t *ret_len,
		   struct local_state *ret_state, bool *ret_racy)
{
	struct local_state state;
	const char *name;
	int dir = go_to_parent(way, path, &name, &state);
	if (dir < 0)
		return dir;
	_cleanup_close_ int fd = open_regular(dir, name, &state);
	if (fd < 0)
		return fd;
	if ((uint64_t)state.sig.size > max)
		return -EFBIG;
	int64_t now_ns = clock_wall_ns();
	_cleanup_free_ char *data = malloc((size_t)state.sig.size + 1);
	if (!data)
		return -ENOMEM;
	ssize_t n = read_to_end(fd, data, (size_t)state.sig.size);
	if (n < 0)
		return (int)n;
	int r = n == state.sig.size ? held_still(fd, &state.sig) : -ESTALE;
	if (r < 0)
		return r;
	if (may_be_secret(way->rules, n) && ignore_content_is_secret(data, (size_t)n))
		return -EKEYREJECTED;
	*ret_data = STEAL(data);
	*ret_len = (size_t)n;
	*ret_state = state;
	*ret_racy = local_sig_racy(&state.sig, now_ns);
	return 0;
}

/* Everything from the file's present offset; *ret_total is what came. */
static int hash_blocks(int fd, const struct local_rules *rules, int64_t size, const volatile bool *cancel,
		       struct digest_stream *stream, int64_t *ret_total)
{
	size_t room = (size_t)MIN(size + 1, BLOCK_BYTES);
	_cleanup_free_ char *block = malloc(room);
	int64_t total = 0;

	if (!block)
		return -ENOMEM;
	/* Stops behind the expected end too: a log that grows while it is read would never end. */
	while (total <= size) {
		if (cancel && *cancel)
			return -ECANCELED;
		ssize_t n = fs_read_full(fd, block, room);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		/* A file that small came whole in the first block. */
		if (total == 0 && may_be_secret(rules, size) && ignore_content_is_secret(block, (size_t)n))
			return -EKEYREJECTED;
		int r = digest_stream_update(stream, block, (size_t)n);
		if (r < 0)
			return r;
		total += n;
	}
	*ret_total = total;
	return 0;
}

static void digest_stream_freep(struct digest_stream **s)
{
	digest_stream_free(*s);
}

int local_hash(int root_fd, const char *local_path, const struct local_rules *rules,
	       const volatile bool *cancel, struct digest *ret_digest, struct index_sig *ret_sig,
	       bool *ret_racy)
{
	struct local_state state;
	_cleanup_close_ int fd = open_regular(root_fd, local_path, &state);
	if (fd < 0)
		return fd;
	const struct index_sig sig = state.sig;
	int64_t now_ns = clock_wall_ns(), total = 0;
	_cleanup_(digest_stream_freep) struct digest_stream *stream = digest_stream_new();
	if (!stream)
		return -ENOMEM;
	/* Advice only: read-ahead is doubled where the filesystem listens. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	int r = hash_blocks(fd, rules, sig.size, cancel, stream, &total);
	if (r == 0)
		r = total == sig.size ? held_still(fd, &sig) : -ESTALE;
	struct digest digest;
	if (r == 0)
		r = digest_stream_final(stream, &digest);
	if (r < 0)
		return r;
	*ret_digest = digest;
	*ret_sig = sig;
	*ret_racy = local_sig_racy(&sig, now_ns);
	return 0;
}
