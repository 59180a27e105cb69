/* file upload, append, patch: bytes from here into a bucket. Files are opened here, with the rights of
 * whoever runs this, and go to the daemon as descriptors. */
#include "cfctl/ask.h"
#include "cfctl/bucket.h"
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include "cfctl/path.h"
#include "cfctl/pool.h"
#include "cfctl/pump.h"
#include "cfctl/walk.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct source {
	const char *word; /* as the user wrote it */
	char *remote;     /* where it goes; of a directory, what its files go below ("": the top) */
	bool is_stdin, is_directory;
};

struct upload {
	const char *verb, *method;
	char *bucket;
	struct params common; /* what every call has */
	struct source *sources;
	size_t n_sources, at;
	struct walk *walk; /* of sources[at - 1] */
	bool one;          /* a single file: said by its name */
	int64_t skipped;
	struct pump pump;
};

static void upload_done(struct upload *up)
{
	walk_free(up->walk);
	for (size_t i = 0; i < up->n_sources; i++)
		free(up->sources[i].remote);
	free(up->sources);
	free(up->bucket);
	secret_wipe_params(&up->common, "upload_token");
	params_done(&up->common);
	pump_kill(&up->pump);
}

/* ---- Where things go ---- */

/* The last component of a local path, or of what it leads to when it is ".", ".." or "/"; encoded. NULL and
 * errno: ENOENT when it has none. */
static char *own_name(const char *word)
{
	_cleanup_free_ char *copy = strdup(word), *real = NULL;
	char *slash;

	if (!copy)
		return NULL;
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	slash = strrchr(copy, '/');
	slash = slash ? slash + 1 : copy;
	if (strcmp(slash, ".") == 0 || strcmp(slash, "..") == 0) {
		real = realpath(copy, NULL);
		if (!real)
			return NULL;
		slash = strrchr(real, '/') + 1;
	}
	errno = ENOENT;
	return *slash ? path_encode(slash) : NULL;
}

/* --as PATH is the name of the source; PATH/ a directory that it goes into under its own. */
static int place_source(struct ctl *ctl, struct source *source, const char *as, bool several)
{
	bool into = !as || (*as && as[strlen(as) - 1] == '/');
	_cleanup_free_ char *name = NULL;

	if (source->is_stdin && into)
		return ctl_usage(ctl, "Say how it shall be called: --as PATH.",
				 "what comes from stdin has no name");
	if (several && !into)
		return ctl_usage(ctl, "End it with a slash to put all of them into that directory.",
				 "--as %s is one name for several sources", as);
	if (as && !*as && !source->is_directory)
		return ctl_usage(ctl, NULL, "--as is empty: a file needs a name");
	if (as)
		as += strspn(as, "/");
	if (into) {
		name = own_name(source->word);
		if (!name)
			return errno == ENOENT && access(source->word, F_OK) == 0
				       ? ctl_usage(ctl, "Say how it shall be called: --as PATH.",
						   "%s has no name", source->word)
				       : ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot open %s: %s",
						   source->word, strerror(errno));
	}
	if (asprintf(&source->remote, "%s%s", as ? as : "", name ? name : "") < 0) {
		source->remote = NULL;
		return ctl_no_memory(ctl);
	}
	return EXIT_OK;
}

/* Two that would become one: the second would be written over the first, or at the same time. */
static int check_names(struct ctl *ctl, const struct upload *up)
{
	for (size_t i = 0; i < up->n_sources; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(up->sources[i].remote, up->sources[j].remote) == 0)
				return ctl_usage(ctl, "Upload them in two runs, one with --as.",
						 "%s and %s would both become %s", up->sources[j].word,
						 up->sources[i].word, up->sources[i].remote);
	return EXIT_OK;
}

static int make_sources(struct ctl *ctl, const struct args *args, struct upload *up)
{
	const char *as = args_value(args, "as");
	size_t n = args->n_words - 1;
	int code = EXIT_OK;

	up->sources = calloc(n, sizeof(*up->sources));
	if (!up->sources)
		return ctl_no_memory(ctl);
	for (; up->n_sources < n && code == EXIT_OK; up->n_sources++) {
		struct source *source = &up->sources[up->n_sources];
		struct stat st;

		source->word = args_word(args, 1 + up->n_sources);
		source->is_stdin = strcmp(source->word, "-") == 0;
		source->is_directory =
			!source->is_stdin && stat(source->word, &st) == 0 && S_ISDIR(st.st_mode);
		if (source->is_directory && !args_has(args, "recursive"))
			return ctl_usage(ctl, "With -r the files in it are uploaded.", "%s is a directory",
					 source->word);
		code = place_source(ctl, source, as, n > 1);
	}
	up->one = n == 1 && !up->sources[0].is_directory;
	return code == EXIT_OK ? check_names(ctl, up) : code;
}

/* ---- Jobs ---- */

static void show_stored(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct json_object *file = get_object(reply, "file");

	if (!ctl->quiet)
		out_line(ctl, STYLE_NONE, "%s: %s", get_text(file, "path"),
			 human_size(get_int(file, "size")).text);
}

static int on_end(struct ctl *ctl, struct job *job, const struct reply *reply, const cfipc_error *error)
{
	struct upload *up = job->data;

	if (!reply)
		return pool_fail(ctl, job, error);
	return out_reply(ctl, reply, up->one ? show_stored : NULL, NULL);
}

/* Takes name and remote, also when they are NULL, and fd. */
static int make_job(struct ctl *ctl, struct upload *up, char *name, char *remote, int fd, int64_t size,
		    struct job **ret_job)
{
	_cleanup_free_ char *path = remote;
	struct job *job = job_new(up->verb, up->method, name);

	if (!job || !path) {
		job_free(job);
		(void)close(fd);
		return ctl_no_memory(ctl);
	}
	json_object_object_foreach(up->common.object, key, value)
		params_object(&job->params, key, json_object_get(value));
	job->params.not_utf8 = up->common.not_utf8;
	params_string(&job->params, "path", path);
	params_int(&job->params, "fd", 0);
	job->fd = fd;
	job->size = size;
	job->on_end = on_end;
	job->data = up;
	*ret_job = job;
	return EXIT_OK;
}

static int local_error(struct ctl *ctl, const char *verb, const char *name, int error)
{
	int code;

	ctl->subject = name;
	code = ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot %s %s: %s", verb, name,
			 strerror(error));
	ctl->subject = NULL;
	return code;
}

/* What the daemon takes as it is: a file, a pipe, a socket. All else goes through a pipe. size: -1 where it
 * ends when it ends. */
static int passable(struct ctl *ctl, struct upload *up, const char *name, int fd, int *ret_fd,
		    int64_t *ret_size)
{
	struct stat st;
	off_t at;
	int code, flags = -1;

	if (fstat(fd, &st) < 0 || (flags = fcntl(fd, F_GETFL)) < 0 || (flags & O_ACCMODE) == O_WRONLY) {
		code = flags >= 0 ? EBADF : errno;
		(void)close(fd);
		return local_error(ctl, up->verb, name, code);
	}
	*ret_size = -1;
	*ret_fd = fd;
	if (S_ISREG(st.st_mode)) {
		at = lseek(fd, 0, SEEK_CUR);
		if (st.st_size > 0 && at >= 0)
			*ret_size = st.st_size > at ? st.st_size - at : 0;
		return EXIT_OK;
	}
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		return EXIT_OK;
	if (S_ISDIR(st.st_mode)) {
		(void)close(fd);
		return local_error(ctl, up->verb, name, EISDIR);
	}
	code = pump_from(ctl, fd, &up->pump, ret_fd);
	(void)close(fd);
	return code;
}

static int file_job(struct ctl *ctl, struct upload *up, const struct source *source, struct job **ret_job)
{
	const char *name = source->is_stdin ? "stdin" : source->word;
	int fd = source->is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
				  : open(source->word, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int64_t size;
	int code;

	if (fd < 0)
		return ctl_interrupted() ? EXIT_INTERRUPTED : local_error(ctl, up->verb, name, errno);
	code = passable(ctl, up, name, fd, &fd, &size);
	if (code != EXIT_OK)
		return code;
	return make_job(ctl, up, strdup(name), strdup(source->remote), fd, size, ret_job);
}

/* "photos/" + "a/b.jpg" */
static char *local_name(const char *word, const char *name)
{
	size_t length = strlen(word);
	char *path;

	return asprintf(&path, "%s%s%s", word,
			*name == '\0' || (length > 0 && word[length - 1] == '/') ? "" : "/", name) < 0
		       ? NULL
		       : path;
}

static char *remote_name(const char *root, const char *name)
{
	_cleanup_free_ char *encoded = path_encode(name);
	size_t length = strlen(root);
	char *path;

	return !encoded || asprintf(&path, "%s%s%s", root, length == 0 || root[length - 1] == '/' ? "" : "/",
				    encoded) < 0
		       ? NULL
		       : path;
}

/* The next file below the directory at hand; no job and EXIT_OK at its end. */
static int tree_job(struct ctl *ctl, struct upload *up, struct job **ret_job)
{
	const struct source *source = &up->sources[up->at - 1];
	struct walk_item item;
	enum walk_what what;

	while (!ctl_interrupted() && (what = walk_next(up->walk, &item)) != WALK_END) {
		_cleanup_free_ char *name = local_name(source->word, item.name);
		int fd;

		if (!name)
			return ctl_no_memory(ctl);
		if (what == WALK_SKIPPED) {
			up->skipped++;
			ctl_skipped(ctl, name, item.why);
			continue;
		}
		fd = what == WALK_FILE ? walk_open_file(up->walk) : -item.error;
		if (fd < 0)
			return local_error(ctl, up->verb, name, -fd);
		return make_job(ctl, up, strdup(name), remote_name(source->remote, item.name), fd, item.size,
				ret_job);
	}
	up->walk = walk_free(up->walk);
	return EXIT_OK;
}

static int next_job(struct ctl *ctl, void *userdata, struct job **ret_job)
{
	struct upload *up = userdata;

	for (;;) {
		if (up->walk) {
			int code = tree_job(ctl, up, ret_job);

			if (code != EXIT_OK || *ret_job)
				return code;
		}
		if (ctl_interrupted() || up->at == up->n_sources)
			return EXIT_OK;
		up->at++;
		if (!up->sources[up->at - 1].is_directory)
			return file_job(ctl, up, &up->sources[up->at - 1], ret_job);
		up->walk = walk_new(up->sources[up->at - 1].word);
		if (!up->walk)
			return local_error(ctl, up->verb, up->sources[up->at - 1].word, errno);
	}
}

/* How much there is to do, for the progress; a file that cannot be looked at is found again later. */
static void count(const struct upload *up, struct pool *pool)
{
	pool->files = pool->bytes = 0;
	for (size_t i = 0; i < up->n_sources && !ctl_interrupted(); i++) {
		struct walk *walk = up->sources[i].is_directory ? walk_new(up->sources[i].word) : NULL;
		struct walk_item item;
		enum walk_what what;
		struct stat st;

		if (!up->sources[i].is_directory) {
			pool->files++;
			if (up->sources[i].is_stdin || stat(up->sources[i].word, &st) < 0 ||
			    !S_ISREG(st.st_mode))
				pool->bytes = -1;
			else if (pool->bytes >= 0)
				pool->bytes += st.st_size;
		}
		while (walk && !ctl_interrupted() && (what = walk_next(walk, &item)) != WALK_END) {
			pool->files += what == WALK_FILE;
			if (what == WALK_FILE && pool->bytes >= 0)
				pool->bytes += item.size;
		}
		walk_free(walk);
	}
}

/* ---- Commands ---- */

static int begin(struct ctl *ctl, const struct args *args, struct upload *up)
{
	const char *token = args_value(args, "upload-token-file");
	bool stdin_twice = token && strcmp(token, "-") == 0;
	int code;

	params_init(&up->common);
	for (size_t i = 1; i < args->n_words; i++) {
		if (strcmp(args_word(args, i), "-") != 0)
			continue;
		if (stdin_twice)
			return ctl_usage(ctl, NULL, "stdin can be read only once");
		stdin_twice = true;
	}
	if (token) {
		code = secret_to_params(ctl, token, &up->common, "upload_token");
		if (code != EXIT_OK)
			return code;
	}
	code = bucket_find(ctl, args_word(args, 0), &up->bucket);
	if (code != EXIT_OK)
		return code;
	params_string(&up->common, "profile", ctl->profile);
	params_string(&up->common, "bucket", up->bucket);
	return EXIT_OK;
}

static int run(struct ctl *ctl, const struct args *args, struct upload *up)
{
	struct pool pool = {
		.next = next_job,
		.userdata = up,
		.asked = args_has(args, "progress"),
		.files = -1,
		.bytes = -1,
	};
	char summary[96];
	int code;

	if (ctl->err.cursor || pool.asked)
		count(up, &pool);
	code = pool_run(ctl, &pool);
	if (code == EXIT_INTERRUPTED || up->one)
		return code;
	pool_summary(&pool, summary, sizeof(summary));
	out_done(ctl, "%s %s uploaded, %s%s.", human_count(pool.done).text, pool.done == 1 ? "file" : "files",
		 summary, up->skipped > 0 ? ", some things skipped" : "");
	if (pool.failed > 0 && !ctl->json)
		ctl_note(ctl, STYLE_WARN, "", "%s could not be uploaded.", human_count(pool.failed).text);
	return code;
}

static int file_upload(struct ctl *ctl, const struct args *args)
{
	struct upload up = {.verb = "upload", .method = REMOTE "Upload"};
	int code = make_sources(ctl, args, &up);

	if (code == EXIT_OK)
		code = begin(ctl, args, &up);
	if (code == EXIT_OK)
		code = run(ctl, args, &up);
	upload_done(&up);
	return code;
}

/* append, patch: BUCKET PATH SOURCE. */
static int change(struct ctl *ctl, const struct args *args, const char *verb, const char *method,
		  int64_t offset)
{
	struct upload up = {.verb = verb, .method = method, .one = true};
	struct stat st;
	int code;

	up.sources = calloc(1, sizeof(*up.sources));
	up.n_sources = up.sources != NULL;
	if (up.n_sources == 1) {
		up.sources->word = args_word(args, 2);
		up.sources->is_stdin = strcmp(args_word(args, 2), "-") == 0;
		up.sources->remote = strdup(args_word(args, 1));
	}
	code = up.n_sources == 0 || !up.sources->remote ? ctl_no_memory(ctl) : begin(ctl, args, &up);
	if (code == EXIT_OK && !up.sources->is_stdin && stat(up.sources->word, &st) == 0 &&
	    S_ISDIR(st.st_mode))
		code = local_error(ctl, verb, up.sources->word, EISDIR);
	if (code == EXIT_OK && offset >= 0)
		params_int(&up.common, "offset", offset);
	if (code == EXIT_OK)
		code = run(ctl, args, &up);
	upload_done(&up);
	return code;
}

static int file_append(struct ctl *ctl, const struct args *args)
{
	return change(ctl, args, "append", REMOTE "AppendFile", -1);
}

static int file_patch(struct ctl *ctl, const struct args *args)
{
	int64_t offset = -1;
	int code = args_int(ctl, args, "offset", 0, INT64_MAX, &offset);

	if (code == EXIT_OK && offset < 0)
		code = ctl_usage(ctl, "file append writes at its end.",
				 "file patch needs --offset N: where to write");
	return code != EXIT_OK ? code : change(ctl, args, "patch", REMOTE "PatchFile", offset);
}

#define TOKEN_OPTION                                                                                         \
	{                                                                                                    \
		"upload-token-file", 0, "FILE",                                                              \
			"write with the upload token in FILE (-: stdin) instead of the profile's credential" \
	}

static const struct option upload_options[] = {
	{"recursive", 'r', NULL, "the files in directories, too"},
	{"as", 0, "PATH", "the name on the server; PATH/ is a directory to put things into"},
	TOKEN_OPTION,
	POOL_OPTIONS,
	{NULL},
};
static const struct option append_options[] = {TOKEN_OPTION, POOL_OPTIONS, {NULL}};
static const struct option patch_options[] = {
	{"offset", 0, "N", "where to write: 0 is the first byte"},
	TOKEN_OPTION,
	POOL_OPTIONS,
	{NULL},
};

const struct command upload_commands[] = {
	{"file", "upload", "BUCKET SOURCE...", "uploads files",
	 "A file gets its own name, a directory (-r) keeps its own above its files; --as replaces it. SOURCE "
	 "- is "
	 "stdin. Several files go at once. Symbolic links in directories, special files and empty "
	 "directories are "
	 "named and skipped; what cannot be read or stored is reported, the rest goes on.",
	 upload_options, file_upload},
	{"file", "append", "BUCKET PATH SOURCE", "writes at the end of a file",
	 "SOURCE is a file, or - for stdin.", append_options, file_append},
	{"file", "patch", "BUCKET PATH SOURCE", "writes over a part of a file",
	 "SOURCE is a file, or - for stdin. What is behind it stays; it may go past the end, but not begin "
	 "there.",
	 patch_options, file_patch},
	{NULL},
};
