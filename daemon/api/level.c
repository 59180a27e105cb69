/* One level of a bucket's tree, read off the keyset scan: what is under a prefix, files as they are and
 * everything behind the next delimiter as one directory. */
#include "api/api.h"
#include "api/url.h"
#include "base/err.h"
#include "base/utf8.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

/* Rows to an exchange, the server's own limit. */
#define LEVEL_SCAN_ROWS 1000
/* A bounded page reads this many rows for each file that it may hold, and some, before it says what it has:
 * what is all directories must not be read to its end. */
#define LEVEL_ROWS_PER_FILE 10
#define LEVEL_ROWS_EXTRA    100
/* Above every name that begins with what is in front of it. */
#define LEVEL_HIGHEST "\U0010FFFF\U0010FFFF\U0010FFFF\U0010FFFF"

struct api_level {
	struct api *api;
	enum api_level_kind kind;
	char *bucket, *prefix, *delimiter;
	char *after; /* the last row that was dealt with; NULL: none */
	char *open;  /* the directory that it is in */
	struct api_directory directory;

	/* The page that runs. */
	int64_t left, rows_left;
	bool full;
	api_level_entry_cb entry;
	api_level_cb cb;
	void *arg;
	struct api_call **ret_call;
};

int api_level_new(struct api *api, const char *bucket, const char *prefix, const char *delimiter,
		  const char *after, enum api_level_kind kind, struct api_level **ret_level)
{
	if (!url_id_valid(bucket) || delimiter[0] == '\0')
		return -EINVAL;
	struct api_level *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->api = api_ref(api);
	l->kind = kind;
	l->bucket = strdup(bucket);
	l->prefix = strdup(prefix ? prefix : "");
	l->delimiter = strdup(delimiter);
	if (after && *after)
		l->after = strdup(after);
	else if (prefix && *prefix)
		l->after = utf8_just_below(prefix);
	if (!l->bucket || !l->prefix || !l->delimiter ||
	    (!l->after && ((after && *after) || (prefix && *prefix)))) {
		api_level_free(l);
		return -ENOMEM;
	}
	*ret_level = l;
	return 0;
}

struct api_level *api_level_free(struct api_level *l)
{
	if (l) {
		api_unref(l->api);
		free(l->bucket);
		free(l->prefix);
		free(l->delimiter);
		free(l->after);
		free(l->open);
		free(l);
	}
	return NULL;
}

static int set(char **text, char *value)
{
	if (!value)
		return -ENOMEM;
	free(*text);
	*text = value;
	return 0;
}

static void give(struct api_level *l, const struct api_file *file, const struct api_directory *directory)
{
	if (!l->entry(l->arg, file, directory))
		l->full = true;
}

/* Names are given when they are met, counts when they are complete. */
static void close_directory(struct api_level *l)
{
	if (l->open && l->kind != API_LEVEL_NAMES) {
		l->directory.path = l->open;
		give(l, NULL, &l->directory);
	}
	free(l->open);
	l->open = NULL;
}

static int open_directory(struct api_level *l, const char *path, size_t len)
{
	int r = set(&l->open, strndup(path, len));

	l->directory = (struct api_directory){.path = l->open};
	if (r == 0 && l->kind == API_LEVEL_NAMES)
		give(l, NULL, &l->directory);
	return r;
}

/* One row below the prefix. 1: taken; 0: the page is over and the row belongs to the next. */
static int take_row(struct api_level *l, const struct api_file *file)
{
	const char *rest = file->path + strlen(l->prefix);
	const char *end = strstr(rest, l->delimiter);
	size_t len = end ? (size_t)(end - file->path) + strlen(l->delimiter) : 0;
	bool same = end && l->open && strlen(l->open) == len && memcmp(l->open, file->path, len) == 0;
	int r = 0;

	if (!same) {
		close_directory(l);
		if (l->full || (!end && l->left == 0))
			return 0;
		if (end)
			r = open_directory(l, file->path, len);
	}
	if (r < 0)
		return r;
	if (end) {
		l->directory.file_count++;
		l->directory.total_size += file->size;
	} else {
		l->left--;
		give(l, file, NULL);
	}
	return 1;
}

static void finish(struct api_level *l, const struct api_error *error, bool end)
{
	struct api_error e = *error;

	if (e.code == 0 && (end || l->kind == API_LEVEL_PAGES))
		close_directory(l);
	if (l->ret_call)
		*l->ret_call = NULL;
	l->cb(l->arg, &e, e.code == 0 && !end ? l->after : NULL);
}

static void fail(struct api_level *l, int code)
{
	const struct api_error e = {.code = code, .message = err_text(code), .url = api_url(l->api)};

	finish(l, &e, false);
}

/* Rows until the page is over (0), the level is (ENODATA), or there are no more rows (1). */
static int take_rows(struct api_level *l, const struct api_file *files, size_t n)
{
	const char *last = NULL;
	int r = 1;

	for (size_t i = 0; i < n && r > 0; i++) {
		int order = strncmp(files[i].path, l->prefix, strlen(l->prefix));

		if (order > 0) {
			r = -ENODATA;
			break;
		}
		r = order < 0 ? 1 : take_row(l, &files[i]);
		if (r > 0)
			last = files[i].path;
	}
	if (last && set(&l->after, strdup(last)) < 0)
		return -ENOMEM;
	return r;
}

static int read_on(struct api_level *l);

/* Behind everything in the open directory. One that holds the highest names there are is read row by row. */
static int jump(struct api_level *l)
{
	char *behind;

	if (!l->open || strcmp(l->after, l->open) <= 0)
		return 0;
	if (asprintf(&behind, "%s" LEVEL_HIGHEST, l->open) < 0)
		return -ENOMEM;
	if (strcmp(behind, l->after) <= 0) {
		free(behind);
		return 0;
	}
	return set(&l->after, behind);
}

static void on_rows(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
		    bool more)
{
	struct api_level *l = arg;

	if (error->code) {
		finish(l, error, false);
		return;
	}
	l->rows_left -= (int64_t)n;
	int r = take_rows(l, files, n);
	if (r == 1 && more && l->kind == API_LEVEL_NAMES)
		r = jump(l) < 0 ? -ENOMEM : 1;
	if (r == -ENODATA || (r == 1 && !more))
		finish(l, error, true);
	else if (r == 0 || (r == 1 && l->rows_left <= 0 && l->kind == API_LEVEL_PAGES))
		finish(l, error, false);
	else {
		if (r == 1)
			r = read_on(l);
		if (r < 0)
			fail(l, r);
	}
}

static int read_on(struct api_level *l)
{
	int64_t rows =
		l->kind == API_LEVEL_PAGES && l->rows_left < LEVEL_SCAN_ROWS ? l->rows_left : LEVEL_SCAN_ROWS;

	return api_file_scan(l->api, l->bucket, l->after, (int)rows, HTTP_INTERACTIVE, on_rows, l,
			     l->ret_call);
}

int api_level_next(struct api_level *l, int64_t limit, api_level_entry_cb entry, api_level_cb cb, void *arg,
		   struct api_call **ret_call)
{
	l->left = limit;
	l->rows_left = limit * LEVEL_ROWS_PER_FILE + LEVEL_ROWS_EXTRA;
	l->full = false;
	l->entry = entry;
	l->cb = cb;
	l->arg = arg;
	l->ret_call = ret_call;
	return read_on(l);
}
