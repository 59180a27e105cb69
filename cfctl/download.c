/* file download, file cat, bucket download: bytes from a bucket to here. */
#include "cfctl/download.h"
#include "cfctl/bucket.h"
#include "cfctl/fetch.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include "cfctl/path.h"
#include "cfctl/place.h"
#include "cfctl/pump.h"
#include "cfctl/tree.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- One job ---- */

struct single {
	struct job *job;
};

static int next_single(struct ctl *ctl, void *userdata, struct job **ret_job)
{
	struct single *single = userdata;

	*ret_job = single->job;
	single->job = NULL;
	return EXIT_OK;
}

static int run_single(struct ctl *ctl, const struct args *args, struct job *job, bool stream)
{
	struct single single = {job};
	struct pool pool = {
		.next = next_single,
		.userdata = &single,
		.asked = args_has(args, "progress"),
		.stream = stream,
		.files = 1,
		.bytes = job->size,
	};
	int code = pool_run(ctl, &pool);

	job_free(single.job); /* the pool did not come to it */
	return code;
}

/* ---- To stdout, or into what is no file ---- */

static int on_streamed(struct ctl *ctl, struct job *job, const struct reply *reply, const cfipc_error *error)
{
	if (reply)
		return EXIT_OK;
	/* The reader has gone: its own end says more. */
	if (cfipc_error_code(error) == CFIPC_ERROR_LOCAL && cfipc_error_errno(error) == EPIPE)
		return EXIT_LOCAL;
	return pool_fail(ctl, job, error);
}

/* job is taken. */
static int stream(struct ctl *ctl, const struct args *args, struct job *job, int to)
{
	struct pump pump = {0};
	int code = pump_to(ctl, to, &pump, &job->fd), pumped;

	if (code != EXIT_OK) {
		job_free(job);
		return code;
	}
	params_int(&job->params, "fd", 0);
	job->on_end = on_streamed;
	code = run_single(ctl, args, job, true);
	if (code == EXIT_INTERRUPTED)
		pump_kill(&pump);
	pumped = pump_wait(ctl, &pump);
	return code != EXIT_OK ? code : pumped;
}

/* ---- Where a single file goes ---- */

struct target {
	int fd;        /* a descriptor to stream to; -1: there is none */
	int directory; /* what the file comes to lie in */
	char *shown, *name;
};

static void target_done(struct target *target)
{
	if (target->fd >= 0 && target->fd != STDOUT_FILENO)
		(void)close(target->fd);
	if (target->directory >= 0)
		(void)close(target->directory);
	free(target->shown);
	free(target->name);
}

/* shown -> directory and name. */
static int open_directory(struct ctl *ctl, struct target *target)
{
	char *slash = strrchr(target->shown, '/');
	_cleanup_free_ char *directory =
		slash ? strndup(target->shown, slash == target->shown ? 1 : (size_t)(slash - target->shown))
		      : NULL;

	target->name = strdup(slash ? slash + 1 : target->shown);
	if (!target->name || (slash && !directory))
		return ctl_no_memory(ctl);
	if (!*target->name || strcmp(target->name, ".") == 0 || strcmp(target->name, "..") == 0)
		return ctl_usage(ctl, "Say where to with -o FILE.", "%s is no name for a file",
				 target->shown);
	target->directory = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return target->directory < 0 ? fetch_error(ctl, target->shown, errno) : EXIT_OK;
}

/* output: -o, or NULL; name: what the file is called of its own. */
static int target_init(struct ctl *ctl, const char *output, const char *name, struct target *target)
{
	struct stat st;
	bool exists = output && stat(output, &st) == 0;

	*target = (struct target){.fd = -1, .directory = -1};
	if (output && strcmp(output, "-") == 0) {
		target->fd = STDOUT_FILENO;
		return EXIT_OK;
	}
	if (exists && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		target->fd = open(output, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return target->fd < 0 ? fetch_error(ctl, output, errno) : EXIT_OK;
	}
	if (exists && S_ISDIR(st.st_mode)) {
		size_t length = strlen(output);

		if (asprintf(&target->shown, "%s%s%s", output,
			     length > 0 && output[length - 1] == '/' ? "" : "/", name) < 0)
			target->shown = NULL;
	} else if (exists) {
		/* Through symbolic links to the file that is meant. */
		target->shown = realpath(output, NULL);
		if (target->shown && lstat(output, &st) == 0 && !S_ISLNK(st.st_mode)) {
			free(target->shown);
			target->shown = strdup(output);
		}
	} else {
		target->shown = strdup(output ? output : name);
	}
	return target->shown ? open_directory(ctl, target) : ctl_no_memory(ctl);
}

/* ---- file download ---- */

/* "a/b~xFF.txt" -> "b\xFF.txt" */
static char *own_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return path_decode(slash ? slash + 1 : path);
}

static int download_file(struct ctl *ctl, const struct args *args, struct fetch *fetch, const char *path)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_free_ char *name = own_name(path);
	struct target target = {.fd = -1, .directory = -1};
	struct json_object *file;
	struct job *job = NULL;
	int code;

	params_init(&params);
	if (!name)
		return ctl_no_memory(ctl);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "bucket", fetch->bucket);
	params_string(&params, "path", path);
	code = ctl_call(ctl, "download the file", REMOTE "GetFile", &params, &reply);
	if (code == EXIT_OK)
		code = target_init(ctl, args_value(args, "output"), name, &target);
	file = get_object(reply.object, "file");
	if (code == EXIT_OK && target.fd >= 0) {
		job = job_new("download", REMOTE "Download", strdup(path));
		if (job) {
			job->size = get_int(file, "size");
			params_string(&job->params, "profile", ctl->profile);
			params_string(&job->params, "bucket", fetch->bucket);
			params_string(&job->params, "path", path);
		}
		code = job ? stream(ctl, args, job, target.fd) : ctl_no_memory(ctl);
	} else if (code == EXIT_OK) {
		struct fetch_file what = {path,
					  get_string(file, "sha256"),
					  get_int(file, "size"),
					  target.directory,
					  target.name,
					  target.shown};

		fetch->one = true;
		code = fetch_job(ctl, fetch, &what, &job);
		if (code == EXIT_OK)
			code = run_single(ctl, args, job, false);
	}
	target_done(&target);
	return code;
}

static int file_download(struct ctl *ctl, const struct args *args)
{
	struct fetch fetch = {.force = args_has(args, "force")};
	_cleanup_free_ char *bucket = NULL;
	int code = bucket_find(ctl, args_word(args, 0), &bucket);

	if (code != EXIT_OK)
		return code;
	fetch.bucket = bucket;
	if (args_has(args, "recursive"))
		code = tree_download(ctl, args, &fetch, args_word(args, 1));
	else
		code = download_file(ctl, args, &fetch, args_word(args, 1));
	fetch_done(&fetch);
	return code;
}

/* ---- file cat ---- */

/* "A-B", both included, or "A-". */
static int parse_range(struct ctl *ctl, const char *text, struct params *params)
{
	char *end = NULL;
	long long from, to = -1;
	bool good = *text >= '0' && *text <= '9';

	errno = 0;
	from = strtoll(text, &end, 10);
	good = good && *end == '-';
	if (good && end[1] != '\0') {
		good = end[1] >= '0' && end[1] <= '9';
		to = strtoll(end + 1, &end, 10);
		good = good && *end == '\0' && to >= from;
	}
	if (!good || errno == ERANGE)
		return ctl_usage(
			ctl, "A-B from byte A to byte B, both included and counted from 0, or A- to the end.",
			"--range %s is no range of bytes", text);
	params_int(params, "offset", from);
	if (to >= 0 && to - from < INT64_MAX)
		params_int(params, "length", to - from + 1);
	return EXIT_OK;
}

static int file_cat(struct ctl *ctl, const struct args *args)
{
	const char *path = args_word(args, 1), *range = args_value(args, "range");
	struct job *job = job_new("read", REMOTE "Download", strdup(path));
	_cleanup_free_ char *bucket = NULL;
	int code = !job ? ctl_no_memory(ctl) : range ? parse_range(ctl, range, &job->params) : EXIT_OK;

	if (code == EXIT_OK)
		code = bucket_find(ctl, args_word(args, 0), &bucket);
	if (code != EXIT_OK) {
		job_free(job);
		return code;
	}
	params_string(&job->params, "profile", ctl->profile);
	params_string(&job->params, "bucket", bucket);
	params_string(&job->params, "path", path);
	return stream(ctl, args, job, STDOUT_FILENO);
}

/* ---- bucket download ---- */

struct zip {
	struct target target;
	struct place *place;
};

static void show_zip(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	if (!ctl->quiet)
		out_line(ctl, STYLE_NONE, "%s: %s", (const char *)userdata,
			 human_size(get_int(reply, "bytes")).text);
}

static int on_zip_end(struct ctl *ctl, struct job *job, const struct reply *reply, const cfipc_error *error)
{
	struct zip *zip = job->data;
	struct stat st;
	int r;

	if (!reply)
		return pool_fail(ctl, job, error);
	if (fstat(zip->place->fd, &st) < 0 ||
	    (has(reply->object, "bytes") && st.st_size != get_int(reply->object, "bytes")))
		return fetch_error(ctl, zip->target.shown, EIO);
	r = place_commit(zip->place);
	if (r < 0)
		return fetch_error(ctl, zip->target.shown, -r);
	return out_reply(ctl, reply, show_zip, zip->target.shown);
}

/* job is taken. */
static int zip_to_file(struct ctl *ctl, const struct args *args, struct zip *zip, struct job *job)
{
	bool force = args_has(args, "force");
	struct stat st;
	int r = 0;

	if (!force && fstatat(zip->target.directory, zip->target.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		r = -EEXIST;
	if (r == 0)
		r = place_new(zip->target.directory, zip->target.name, NULL, -1, force, &zip->place);
	if (r == 0) {
		job->fd = fcntl(zip->place->fd, F_DUPFD_CLOEXEC, 0);
		r = job->fd < 0 ? -errno : 0;
	}
	if (r < 0) {
		job_free(job);
		return fetch_error(ctl, zip->target.shown, -r);
	}
	params_int(&job->params, "fd", 0);
	job->data = zip;
	job->on_end = on_zip_end;
	return run_single(ctl, args, job, false);
}

int bucket_download(struct ctl *ctl, const struct args *args)
{
	const char *word = args_word(args, 0);
	_cleanup_free_ char *bucket = NULL, *name = NULL;
	struct zip zip = {.target = {.fd = -1, .directory = -1}};
	struct job *job = NULL;
	int code = bucket_find(ctl, word, &bucket);

	/* A name may be none for a file. */
	if (code == EXIT_OK &&
	    asprintf(&name, "%s.zip", strchr(word, '/') || *word == '.' ? bucket : word) < 0) {
		name = NULL;
		code = ctl_no_memory(ctl);
	}
	if (code == EXIT_OK)
		code = target_init(ctl, args_value(args, "output"), name, &zip.target);
	if (code == EXIT_OK) {
		job = job_new("download", REMOTE "DownloadZip", strdup(word));
		code = job ? EXIT_OK : ctl_no_memory(ctl);
	}
	if (code == EXIT_OK) {
		params_string(&job->params, "profile", ctl->profile);
		params_string(&job->params, "bucket", bucket);
		code = zip.target.fd >= 0 ? stream(ctl, args, job, zip.target.fd)
					  : zip_to_file(ctl, args, &zip, job);
	}
	place_free(zip.place);
	target_done(&zip.target);
	return code;
}

static const struct option download_options[] = {
	{"output", 'o', "FILE", "where to (-: stdout; a directory: into it)"},
	{"recursive", 'r', NULL, "all files below PATH; / is the whole bucket"},
	{"force", 0, NULL, "replace what is there"},
	POOL_OPTIONS,
	{NULL},
};
static const struct option cat_options[] = {
	{"range", 0, "A-B", "only the bytes from A to B, both included; A- to the end"},
	POOL_OPTIONS,
	{NULL},
};
const struct option bucket_download_options[] = {
	{"output", 'o', "FILE", "where to (-: stdout; a directory: into it); without it BUCKET.zip"},
	{"force", 0, NULL, "replace what is there"},
	POOL_OPTIONS,
	{NULL},
};

const struct command download_commands[] = {
	{"file", "download", "BUCKET PATH", "downloads files",
	 "A file is written beside its place, checked against its hash and put there whole; what exists "
	 "stays "
	 "unless --force is given. After an end of the daemon or the network the same command goes on where "
	 "it was. "
	 "-r brings what is below PATH into a directory of its name, or into -o DIR, several files at once; "
	 "what is "
	 "there with the right contents is not fetched again.",
	 download_options, file_download},
	{"file", "cat", "BUCKET PATH", "writes a file to stdout", NULL, cat_options, file_cat},
	{NULL},
};
