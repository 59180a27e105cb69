/* One file from the server to its place. */
#include "cfctl/fetch.h"
#include "cfctl/hash.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include "cfctl/place.h"
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was fetched before the server or the daemon went away is worth keeping from here on. */
#define KEEP_BYTES (1024 * 1024)

struct file {
	struct fetch *fetch;
	struct place *place;
	int directory;
	char *name, *sha256;
	int64_t size;
	bool same;  /* what is there has the hash that the server told */
	bool again; /* it was begun anew once */
};

struct placed {
	dev_t dev;
	ino_t ino;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino == y->ino ? 0 : x->ino < y->ino ? -1 : 1;
}

void fetch_done(struct fetch *fetch)
{
	tdestroy(fetch->placed, free);
	fetch->placed = NULL;
}

/* A second name that leads to it (a file system without upper and lower case) must not write over it. */
static void remember(struct fetch *fetch, const struct file *file)
{
	struct placed *placed = malloc(sizeof(*placed));
	struct stat st;

	if (!placed || fstatat(file->directory, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		free(placed);
		return;
	}
	*placed = (struct placed){st.st_dev, st.st_ino};
	if (*(struct placed **)tsearch(placed, &fetch->placed, compare_placed) != placed)
		free(placed);
}

static void file_free(void *data)
{
	struct file *file = data;

	place_free(file->place);
	if (file->directory >= 0)
		(void)close(file->directory);
	free(file->name);
	free(file->sha256);
	free(file);
}

int fetch_error(struct ctl *ctl, const char *shown, int error)
{
	int code;

	ctl->subject = shown;
	if (error == EEXIST)
		code = ctl_error(ctl, EXIT_LOCAL, "Exists", "--force replaces it.", "%s exists already",
				 shown);
	else if (error == EBUSY)
		code = ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL,
				 "%s is being downloaded by another process", shown);
	else
		code = ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot write %s: %s", shown,
				 strerror(error));
	ctl->subject = NULL;
	return code;
}

/* ---- The end ---- */

struct shown {
	const char *name;
	bool unchanged;
};

static void show_fetched(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	const struct shown *shown = userdata;

	if (ctl->quiet)
		return;
	if (shown->unchanged)
		out_line(ctl, STYLE_NONE, "%s: was there already", shown->name);
	else
		out_line(ctl, STYLE_NONE, "%s: %s", shown->name,
			 human_size(get_int(get_object(reply, "file"), "size")).text);
}

/* The rest of another file, or of one that is not there any more in this form: from the beginning. */
static int begin_again(struct ctl *ctl, struct job *job, struct file *file)
{
	int r = place_restart(file->place);

	if (r < 0)
		return fetch_error(ctl, job->name, -r);
	json_object_object_del(job->params.object, "offset");
	file->again = true;
	job->base = 0;
	job->size = -1;
	return JOB_AGAIN;
}

static int mismatch(struct ctl *ctl, const struct job *job)
{
	int code;

	ctl->subject = job->name;
	code = ctl_error(ctl, EXIT_FAILED, "HashMismatch",
			 "Try again; `cfctl file verify` has the server look.",
			 "%s: what arrived is not what the server has; it was discarded", job->name);
	ctl->subject = NULL;
	return code;
}

/* A part that was there before is believed only by its hash; of the rest the daemon has made sure. */
static int check(struct ctl *ctl, struct job *job, struct file *file, struct json_object *reply)
{
	struct json_object *stored = get_object(reply, "file");
	const char *now = get_string(stored, "sha256");
	char hash[HASH_TEXT_SIZE];
	struct stat st;
	int r;

	if (file->place->have > 0) {
		if (!now || strcmp(now, file->sha256) != 0)
			return file->again ? mismatch(ctl, job) : begin_again(ctl, job, file);
		r = hash_file(file->place->fd, hash);
		if (r == -EINTR)
			return EXIT_INTERRUPTED;
		if (r < 0)
			return fetch_error(ctl, job->name, -r);
		if (strcmp(hash, now) != 0)
			return mismatch(ctl, job);
	} else if (fstat(file->place->fd, &st) < 0 || (stored && st.st_size != get_int(stored, "size"))) {
		return mismatch(ctl, job);
	}
	return EXIT_OK;
}

static int finish(struct ctl *ctl, struct job *job, struct file *file, const struct reply *reply)
{
	struct shown shown = {job->name, get_bool(reply->object, "unchanged")};
	int code, r;

	if (!shown.unchanged && file->same && !file->fetch->force)
		return fetch_error(ctl, job->name, EEXIST); /* it changed on the server just now */
	if (shown.unchanged) {
		file->fetch->unchanged++;
	} else {
		code = check(ctl, job, file, reply->object);
		if (code != EXIT_OK)
			return code;
		r = place_commit(file->place);
		if (r < 0)
			return fetch_error(ctl, job->name, -r);
	}
	remember(file->fetch, file);
	return out_reply(ctl, reply, file->fetch->one ? show_fetched : NULL, &shown);
}

static bool went_away(const cfipc_error *error)
{
	switch (cfipc_error_code(error)) {
	case CFIPC_ERROR_NOT_RUNNING:
	case CFIPC_ERROR_DISCONNECTED:
	case CFIPC_ERROR_TIMEOUT:
	case CFIPC_ERROR_UNREACHABLE: return true;
	default: return false;
	}
}

static int on_end(struct ctl *ctl, struct job *job, const struct reply *reply, const cfipc_error *error)
{
	struct file *file = job->data;
	struct stat st;
	int code;

	if (reply)
		return finish(ctl, job, file, reply);
	if (cfipc_error_code(error) == CFIPC_ERROR_RANGE_NOT_SATISFIABLE && file->place->have > 0 &&
	    !file->again)
		return begin_again(ctl, job, file);
	code = pool_fail(ctl, job, error);
	if (error && file->sha256 && went_away(error) && fstat(file->place->fd, &st) == 0 &&
	    st.st_size >= KEEP_BYTES) {
		place_keep(file->place);
		if (!ctl->json)
			ctl_note(ctl, STYLE_NONE, "",
				 "%s of it are kept: the same command goes on from there.",
				 human_size(st.st_size).text);
	}
	return code;
}

/* ---- The beginning ---- */

/* What is in its place already. EXIT_OK: it may be fetched, *ret_same: only if the server has another
 * version. */
static int look(struct ctl *ctl, const struct fetch *fetch, const struct fetch_file *file, bool *ret_same)
{
	char hash[HASH_TEXT_SIZE];
	struct placed key;
	struct stat st;
	int fd, r;

	*ret_same = false;
	if (fstatat(file->directory, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? EXIT_OK : fetch_error(ctl, file->shown, errno);
	key = (struct placed){st.st_dev, st.st_ino};
	if (tfind(&key, &fetch->placed, compare_placed)) {
		int code;

		ctl->subject = file->shown;
		code = ctl_error(ctl, EXIT_LOCAL, "Clash", NULL,
				 "%s: here it has the same name as another of these files", file->shown);
		ctl->subject = NULL;
		return code;
	}
	if (S_ISDIR(st.st_mode))
		return fetch_error(ctl, file->shown, EISDIR);
	if (S_ISREG(st.st_mode) && file->sha256 && st.st_size == file->size) {
		fd = openat(file->directory, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		r = fd < 0 ? -errno : hash_file(fd, hash);
		if (fd >= 0)
			(void)close(fd);
		if (r == -EINTR)
			return EXIT_INTERRUPTED;
		*ret_same = r == 0 && strcmp(hash, file->sha256) == 0;
	}
	return *ret_same || fetch->force ? EXIT_OK : fetch_error(ctl, file->shown, EEXIST);
}

static struct file *file_new(struct fetch *fetch, const struct fetch_file *what, bool same)
{
	struct file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->fetch = fetch;
	file->same = same;
	file->size = what->size;
	file->directory = fcntl(what->directory, F_DUPFD_CLOEXEC, 0);
	file->name = strdup(what->name);
	file->sha256 = what->sha256 ? strdup(what->sha256) : NULL;
	if (file->name && (file->sha256 || !what->sha256))
		return file;
	file_free(file);
	return NULL;
}

int fetch_job(struct ctl *ctl, struct fetch *fetch, const struct fetch_file *what, struct job **ret_job)
{
	struct file *file;
	struct job *job;
	bool same;
	int r, code = look(ctl, fetch, what, &same);

	if (code != EXIT_OK)
		return code;
	file = file_new(fetch, what, same);
	job = file ? job_new("download", REMOTE "Download", strdup(what->shown)) : NULL;
	if (!job) {
		if (file)
			file_free(file);
		return ctl_no_memory(ctl);
	}
	job->data = file;
	job->free_data = file_free;
	job->on_end = on_end;
	job->size = what->size;
	r = place_new(what->directory, what->name, what->sha256, what->size, fetch->force, &file->place);
	if (r == 0) {
		job->fd = fcntl(file->place->fd, F_DUPFD_CLOEXEC, 0);
		r = job->fd < 0 ? -errno : same ? place_restart(file->place) : 0;
	}
	if (r < 0) {
		job_free(job);
		return fetch_error(ctl, what->shown, -r);
	}
	params_string(&job->params, "profile", ctl->profile);
	params_string(&job->params, "bucket", fetch->bucket);
	params_string(&job->params, "path", what->path);
	params_int(&job->params, "fd", 0);
	if (same)
		params_string(&job->params, "if_sha256", what->sha256);
	else if (file->place->have > 0)
		params_int(&job->params, "offset", file->place->have);
	job->base = same ? what->size : file->place->have;
	*ret_job = job;
	return EXIT_OK;
}
