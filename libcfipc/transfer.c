/* Bytes up and down: which descriptor the daemon gets, and what is done with it when the daemon is done. */
#include "libcfipc/method.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_TRIES   100 /* names that are taken by chance: never more than one */
#define PART_LETTERS 6
#define PART_NAME_MAX                                                                                        \
	200 /* bytes of the target's name in it: with dot, letters and suffix below NAME_MAX                 \
	     */

enum sink {
	SINK_NONE, /* up, or into a descriptor of the caller */
	SINK_PATH,
	SINK_MEMORY,
};

struct transfer {
	cfipc_progress_cb progress;
	void *userdata;
	enum sink sink;
	int fd;    /* the .part file, the memfd */
	pid_t pid; /* whose .part file it is: not that of a child after fork */
	int directory;
	char *path;       /* as the caller has it */
	const char *name; /* its last part */
	char part[PART_NAME_MAX + 32];
	bool overwrite;
	size_t max_size;
};

GET_OBJECT(downloaded, file, cfipc_file)
GET_INT(downloaded, bytes)
GET_FLAG(downloaded, unchanged)
GET_STRING(transfer, id)
GET_STRING(transfer, kind)
GET_STRING(transfer, profile)
GET_STRING(transfer, bucket)
GET_STRING(transfer, path)
GET_STRING(transfer, started_at)
GET_INT(transfer, peer_pid)
GET_OBJECT(transfer, progress, cfipc_progress)
GET_STRING(progress, transfer)
GET_STRING(progress, phase)
GET_INT(progress, bytes_done)
GET_INT(progress, bytes_total)

/* None of the fields is a parameter of every method, so the functions below take what is theirs. */
static const cfipc_transfer_options transfer_options_defaults = {
	.size = sizeof(transfer_options_defaults), .data_size = -1, .offset = -1, .length = -1};
static const struct options_type transfer_options_type = {&transfer_options_defaults,
							  sizeof(transfer_options_defaults), NULL, 0};

void cfipc_transfer_options_init(cfipc_transfer_options *options, size_t size)
{
	options_init(&transfer_options_type, options, size);
}

/* ---- Its life ---- */

static void remove_part(struct transfer *t)
{
	if (t->part[0] && t->pid == getpid())
		unlinkat(t->directory, t->part, 0);
	t->part[0] = 0;
}

struct transfer *transfer_free(struct transfer *t)
{
	if (!t)
		return NULL;
	remove_part(t);
	if (t->fd >= 0)
		close(t->fd);
	if (t->directory >= 0)
		close(t->directory);
	free(t->path);
	free(t);
	return NULL;
}

static struct transfer *transfer_new(const cfipc_transfer_options *all, enum sink sink)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct transfer){.progress = all->progress,
			       .userdata = all->progress_userdata,
			       .sink = sink,
			       .fd = -1,
			       .pid = getpid(),
			       .directory = -1,
			       .overwrite = all->overwrite};
	return t;
}

int transfer_progress(cfipc_op *op, struct transfer *t, struct json_object *reply)
{
	const void *progress = object_part(reply, "progress");
	int64_t done = object_int(progress, "bytes_done"), total = object_int(progress, "bytes_total");
	int percent = total < 0 || done < 0         ? -1
		      : total == 0 || done >= total ? 100
						    : (int)(done * 100.0 / total);

	if (!t->progress || !progress)
		return 0;
	return t->progress(op, done, total, percent, t->userdata) ? -1 : 0;
}

/* ---- To a path ---- */

static int open_directory(struct transfer *t)
{
	const char *slash = strrchr(t->path, '/');
	char *directory = slash ? strndup(t->path, (size_t)(slash - t->path) + 1) : strdup(".");

	if (!directory)
		return -ENOMEM;
	t->name = slash ? slash + 1 : t->path;
	t->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->directory < 0 && errno == EACCES) /* may be written to, and not listed */
		t->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = t->directory < 0 ? -errno : 0;

	free(directory);
	return r < 0 ? r : t->name[0] ? 0 : -EISDIR;
}

static int open_part(struct transfer *t)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345"; /* 32 */

	for (int i = 0; i < PART_TRIES; i++) {
		unsigned char random[PART_LETTERS];
		char part[PART_LETTERS + 1] = "";

		if (getrandom(random, sizeof(random), 0) != sizeof(random))
			return -EIO;
		for (size_t k = 0; k < PART_LETTERS; k++)
			part[k] = letters[random[k] % 32];
		snprintf(t->part, sizeof(t->part), ".%.*s.%s.part", PART_NAME_MAX, t->name, part);
		t->fd = openat(t->directory, t->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			       0666);
		if (t->fd >= 0)
			return 0;
		t->part[0] = 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* Looks for what would stop it at the end, before anything is downloaded. */
static int open_target(struct transfer *t, const char *path)
{
	struct stat st;

	t->path = strdup(path);
	int r = t->path ? open_directory(t) : -ENOMEM;

	if (r < 0)
		return r;
	if (fstatat(t->directory, t->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			return -EISDIR;
		if (!t->overwrite)
			return -EEXIST;
	}
	return open_part(t);
}

static int rename_part(struct transfer *t)
{
	if (t->overwrite)
		return renameat(t->directory, t->part, t->directory, t->name) < 0 ? -errno : 0;
	if (renameat2(t->directory, t->part, t->directory, t->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* A filesystem that cannot do it in one step: the .part file goes when the transfer is freed. */
	return linkat(t->directory, t->part, t->directory, t->name, 0) < 0 ? -errno : 1;
}

static cfipc_error *finish_path(struct transfer *t, struct json_object *reply)
{
	int64_t bytes = object_int(reply, "bytes");
	struct stat st, old;
	int r = 0;

	if (object_flag(reply, "unchanged") == 1) {
		remove_part(t);
		return NULL;
	}
	if (fstat(t->fd, &st) < 0)
		r = -errno;
	else if (bytes != st.st_size)
		return error_local(CFIPC_ERROR_LOCAL, EIO, "%s: %lld bytes arrived, the daemon wrote %lld",
				   t->path, (long long)st.st_size, (long long)bytes);
	/* A replaced file hands its permissions on: what only its owner could read stays so. */
	if (r >= 0 && fstatat(t->directory, t->name, &old, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(old.st_mode) && fchmod(t->fd, old.st_mode & 0777) < 0)
		r = -errno;
	if (r >= 0 && fsync(t->fd) < 0)
		r = -errno;
	if (r >= 0)
		r = rename_part(t);
	if (r < 0)
		return error_local(CFIPC_ERROR_LOCAL, -r, "%s: %s", t->path, strerror(-r));
	if (r == 0)
		t->part[0] = 0;
	/* A descriptor of O_PATH cannot; then the name reaches the disk when the system likes. */
	if (fsync(t->directory) < 0 && errno != EBADF && errno != EINVAL)
		return error_local(CFIPC_ERROR_LOCAL, errno, "%s: %s", t->path, strerror(errno));
	return NULL;
}

/* ---- To memory ---- */

struct region {
	void *data;
	size_t size;
};

static void region_free(struct json_object *reply, void *userdata)
{
	struct region *region = userdata;

	munmap(region->data, region->size);
	free(region);
}

/* Sealed at its full size, which costs nothing until it is written to: the daemon can write no more. */
static int open_memory(struct transfer *t)
{
	off_t size = t->max_size > INT64_MAX ? INT64_MAX : (off_t)t->max_size;

	t->fd = memfd_create("cfipc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->fd < 0 || ftruncate(t->fd, size) < 0 ||
	    fcntl(t->fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

static cfipc_error *too_large(const struct transfer *t)
{
	return error_local(CFIPC_ERROR_LOCAL, EFBIG, "the file is larger than %zu bytes", t->max_size);
}

static cfipc_error *finish_memory(struct transfer *t, struct json_object *reply)
{
	int64_t bytes = object_int(reply, "bytes");

	if (bytes <= 0) /* empty, or unchanged */
		return NULL;
	if ((uint64_t)bytes > t->max_size)
		return too_large(t);
	struct region *region = calloc(1, sizeof(*region));

	if (!region)
		return error_local(CFIPC_ERROR_SYSTEM, ENOMEM, "out of memory");
	region->size = (size_t)bytes;
	region->data = mmap(NULL, region->size, PROT_READ, MAP_PRIVATE, t->fd, 0);
	if (region->data == MAP_FAILED) {
		free(region);
		return error_local(CFIPC_ERROR_SYSTEM, errno, "%s", strerror(errno));
	}
	json_object_set_userdata(reply, region, region_free);
	return NULL;
}

const void *cfipc_downloaded_data(const cfipc_downloaded *downloaded, size_t *ret_size)
{
	const struct region *region =
		downloaded ? json_object_get_userdata((struct json_object *)(uintptr_t)downloaded) : NULL;

	if (ret_size)
		*ret_size = region ? region->size : 0;
	return region ? region->data : NULL;
}

cfipc_error *transfer_finish(struct transfer *t, struct json_object *reply)
{
	switch (t->sink) {
	case SINK_NONE: break;
	case SINK_PATH: return finish_path(t, reply);
	case SINK_MEMORY: return finish_memory(t, reply);
	}
	return NULL;
}

cfipc_error *transfer_fail(struct transfer *t, cfipc_error *error)
{
	remove_part(t);
	/* What a write past the seal says. */
	if (t->sink == SINK_MEMORY && cfipc_error_code(error) == CFIPC_ERROR_LOCAL &&
	    cfipc_error_errno(error) == EPERM)
		return too_large(t);
	return NULL;
}

/* ---- Up ---- */

/* Not to be opened by name: a pipe would be waited for, a device would do who knows what. */
static int open_source(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	int r = fstat(fd, &st) < 0    ? -errno
		: S_ISREG(st.st_mode) ? 0
		: S_ISDIR(st.st_mode) ? -EISDIR
				      : -EINVAL;

	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static const struct method upload_row = {REMOTE "Upload", "file", CFIPC_MORE};
static const struct method append_row = {REMOTE "AppendFile", "file", CFIPC_MORE};
static const struct method patch_row = {REMOTE "PatchFile", "file", CFIPC_MORE};

/* Where a file on the server is. */
struct place {
	const char *profile, *bucket, *path;
};

static int send_up(cfipc_client *client, cfipc_op **ret_op, const struct method *method, struct place to,
		   int64_t offset, struct passed passed, const cfipc_transfer_options *options,
		   cfipc_result_cb callback, void *userdata)
{
	cfipc_transfer_options all;
	int r = options_read(&transfer_options_type, options, &all);
	struct transfer *t = r < 0 ? NULL : transfer_new(&all, SINK_NONE);

	if (!t) {
		if (passed.ours && passed.fd >= 0)
			close(passed.fd);
		return r < 0 ? r : -ENOMEM;
	}
	return method_start_fd(client, ret_op, method,
			       ARGUMENTS(WORD(profile, to.profile), WORD(bucket, to.bucket),
					 WORD(path, to.path), COUNTED(fd, 0), COUNTED(offset, offset),
					 COUNTED(size, method == &upload_row ? all.data_size : -1),
					 WORD(upload_token, all.upload_token)),
			       passed, t, callback, userdata);
}

/* The six functions of a verb. `more` are its own parameters, `offset` their value. */
#define UP(verb, more, more_names, offset)                                                                   \
	int cfipc_##verb##_fd_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,            \
				    const char *bucket, const char *path, UNPACK more int fd,                \
				    const cfipc_transfer_options *options, cfipc_result_cb callback,         \
				    void *userdata)                                                          \
	{                                                                                                    \
		return send_up(client, ret_op, &verb##_row, (struct place){profile, bucket, path}, offset,   \
			       (struct passed){fd, false, "the descriptor"}, options, callback, userdata);   \
	}                                                                                                    \
	WAITING(cfipc_##verb##_fd, cfipc_file,                                                               \
		(const char *profile, const char *bucket, const char *path, UNPACK more int fd,              \
		 const cfipc_transfer_options *options, ),                                                   \
		(profile, bucket, path, UNPACK more_names fd, options, ))                                    \
	int cfipc_##verb##_path_async(                                                                       \
		cfipc_client *client, cfipc_op **ret_op, const char *profile, const char *bucket,            \
		const char *path, UNPACK more const char *local_path, const cfipc_transfer_options *options, \
		cfipc_result_cb callback, void *userdata)                                                    \
	{                                                                                                    \
		return send_up(client, ret_op, &verb##_row, (struct place){profile, bucket, path}, offset,   \
			       (struct passed){open_source(local_path), true, local_path}, options,          \
			       callback, userdata);                                                          \
	}                                                                                                    \
	WAITING(cfipc_##verb##_path, cfipc_file,                                                             \
		(const char *profile, const char *bucket, const char *path,                                  \
		 UNPACK more const char *local_path, const cfipc_transfer_options *options, ),               \
		(profile, bucket, path, UNPACK more_names local_path, options, ))                            \
	int cfipc_##verb##_data_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,          \
				      const char *bucket, const char *path, UNPACK more const void *data,    \
				      size_t data_size, const cfipc_transfer_options *options,               \
				      cfipc_result_cb callback, void *userdata)                              \
	{                                                                                                    \
		return send_up(client, ret_op, &verb##_row, (struct place){profile, bucket, path}, offset,   \
			       (struct passed){memory_fd(data, data_size), true, "memory"}, options,         \
			       callback, userdata);                                                          \
	}                                                                                                    \
	WAITING(cfipc_##verb##_data, cfipc_file,                                                             \
		(const char *profile, const char *bucket, const char *path, UNPACK more const void *data,    \
		 size_t data_size, const cfipc_transfer_options *options, ),                                 \
		(profile, bucket, path, UNPACK more_names data, data_size, options, ))

UP(upload, (), (), -1)
UP(append, (), (), -1)
UP(patch, (int64_t offset, ), (offset, ), offset)

/* ---- Down ---- */

static const struct method download_row = {REMOTE "Download", NULL, CFIPC_MORE};
static const struct method zip_row = {REMOTE "DownloadZip", NULL, CFIPC_MORE};

/* from.path NULL: a zip of the bucket. */
static int get_down(cfipc_client *client, cfipc_op **ret_op, struct place from, enum sink sink,
		    const char *local_path, size_t max_size, int fd, const cfipc_transfer_options *options,
		    cfipc_result_cb callback, void *userdata)
{
	cfipc_transfer_options all;
	int r = options_read(&transfer_options_type, options, &all);

	if (r < 0)
		return r;
	struct transfer *t = transfer_new(&all, sink);
	struct passed passed = {fd, false, "the descriptor"};
	const struct method *method = from.path ? &download_row : &zip_row;

	if (!t)
		return -ENOMEM;
	t->max_size = max_size;
	if (sink != SINK_NONE) {
		r = sink == SINK_PATH ? open_target(t, local_path) : open_memory(t);
		/* The daemon's is a copy: ours is needed at the end. */
		if (r >= 0 && (r = fcntl(t->fd, F_DUPFD_CLOEXEC, 0)) < 0)
			r = -errno;
		passed = (struct passed){r, true, local_path ? local_path : "memory"};
	}
	return method_start_fd(client, ret_op, method,
			       ARGUMENTS(WORD(profile, from.profile), WORD(bucket, from.bucket),
					 WORD(path, from.path), COUNTED(fd, 0),
					 COUNTED(offset, from.path ? all.offset : -1),
					 COUNTED(length, from.path ? all.length : -1),
					 WORD(if_sha256, from.path ? all.if_sha256 : NULL)),
			       passed, t, callback, userdata);
}

int cfipc_download_fd_async(cfipc_client *client, cfipc_op **ret_op, const char *profile, const char *bucket,
			    const char *path, int fd, const cfipc_transfer_options *options,
			    cfipc_result_cb callback, void *userdata)
{
	return get_down(client, ret_op, (struct place){profile, bucket, path ? path : ""}, SINK_NONE, NULL, 0,
			fd, options, callback, userdata);
}
WAITING(cfipc_download_fd, cfipc_downloaded,
	(const char *profile, const char *bucket, const char *path, int fd,
	 const cfipc_transfer_options *options, ),
	(profile, bucket, path, fd, options, ))

int cfipc_download_path_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
			      const char *bucket, const char *path, const char *local_path,
			      const cfipc_transfer_options *options, cfipc_result_cb callback, void *userdata)
{
	return get_down(client, ret_op, (struct place){profile, bucket, path ? path : ""}, SINK_PATH,
			local_path, 0, -1, options, callback, userdata);
}
WAITING(cfipc_download_path, cfipc_downloaded,
	(const char *profile, const char *bucket, const char *path, const char *local_path,
	 const cfipc_transfer_options *options, ),
	(profile, bucket, path, local_path, options, ))

int cfipc_download_data_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
			      const char *bucket, const char *path, size_t max_size,
			      const cfipc_transfer_options *options, cfipc_result_cb callback, void *userdata)
{
	return get_down(client, ret_op, (struct place){profile, bucket, path ? path : ""}, SINK_MEMORY, NULL,
			max_size, -1, options, callback, userdata);
}
WAITING(cfipc_download_data, cfipc_downloaded,
	(const char *profile, const char *bucket, const char *path, size_t max_size,
	 const cfipc_transfer_options *options, ),
	(profile, bucket, path, max_size, options, ))

int cfipc_bucket_zip_fd_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
			      const char *bucket, int fd, const cfipc_transfer_options *options,
			      cfipc_result_cb callback, void *userdata)
{
	return get_down(client, ret_op, (struct place){profile, bucket, NULL}, SINK_NONE, NULL, 0, fd,
			options, callback, userdata);
}
WAITING(cfipc_bucket_zip_fd, cfipc_downloaded,
	(const char *profile, const char *bucket, int fd, const cfipc_transfer_options *options, ),
	(profile, bucket, fd, options, ))

int cfipc_bucket_zip_path_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				const char *bucket, const char *local_path,
				const cfipc_transfer_options *options, cfipc_result_cb callback,
				void *userdata)
{
	return get_down(client, ret_op, (struct place){profile, bucket, NULL}, SINK_PATH, local_path, 0, -1,
			options, callback, userdata);
}
WAITING(cfipc_bucket_zip_path, cfipc_downloaded,
	(const char *profile, const char *bucket, const char *local_path,
	 const cfipc_transfer_options *options, ),
	(profile, bucket, local_path, options, ))

METHOD(cfipc_transfer_list, cfipc_list, (REMOTE "ListTransfers"), (), NOTHING)
METHOD_VOID(cfipc_transfer_cancel, (REMOTE "CancelTransfer"), (const char *transfer, ), STRING(transfer))
