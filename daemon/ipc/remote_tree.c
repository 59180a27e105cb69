/* ListTree and ListDirectory: levels of the tree (api_level) as replies. With 'more' what there is goes out
 * while the rest is read, and a client that reads slowly pauses the reading. */
#include "ipc/remote.h"
#include "api/url.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

#define TREE_LIMIT      100 /* without a limit: as the server has it */
#define DIRECTORY_LIMIT 200
#define MORE_LIMIT      1000 /* with 'more', and the most there is */
/* An order other than by name needs all files of the directory at once: some 25 MB of them. */
#define SORT_MAX 20000

struct listing {
	struct api_level *level;
	char *prefix, *delimiter;                      /* NULL prefix: all of it */
	struct json_object *dirs, *files;              /* that wait to be sent */
	size_t bytes, n_dirs;                          /* of them */
	int64_t limit, total_dirs, total_files, first; /* first: number of the first file that waits */
	int64_t told_dirs, told_files;                 /* -1: the server was not asked how many there are */
	bool sorted, failed, too_many;
	char *cursor; /* NULL: the end */
};

void listing_free(struct listing *l)
{
	if (!l)
		return;
	api_level_free(l->level);
	free(l->prefix);
	free(l->delimiter);
	free(l->cursor);
	json_object_put(l->dirs);
	json_object_put(l->files);
	free(l);
}

static void add(struct listing *l, struct json_object *list, struct json_object *item)
{
	if (item)
		l->bytes += json_size(item);
	if (!list || !reply_append(list, item))
		l->failed = true;
}

/* Empty lists to fill. */
static bool renew(struct listing *l)
{
	json_object_put(l->dirs);
	json_object_put(l->files);
	l->dirs = json_object_new_array();
	l->files = json_object_new_array();
	l->bytes = l->n_dirs = 0;
	return l->dirs && l->files;
}

/* False: the call was ended. */
static bool listing_new(struct remote_op *op, char *prefix, const char *delimiter, const char *cursor,
			enum api_level_kind kind)
{
	struct listing *l = calloc(1, sizeof(*l));
	int r = -ENOMEM;

	op->listing = l;
	if (!l)
		free(prefix);
	else {
		l->prefix = prefix;
		l->told_dirs = l->told_files = -1;
		l->delimiter = strdup(delimiter);
		if (l->delimiter && renew(l))
			r = api_level_new(op->api, op->bucket, prefix, delimiter, cursor, kind, &l->level);
	}
	if (r < 0)
		op_failed(op, r, "delimiter");
	return r >= 0;
}

static void read_level(struct remote_op *op, api_level_entry_cb entry, api_level_cb cb)
{
	struct listing *l = op->listing;
	int r = api_level_next(l->level, l->limit, entry, cb, op, &op->running);

	if (r < 0)
		op_failed(op, r, "cursor");
}

/* The level's page came; false: the call was ended. */
static bool level_answered(struct remote_op *op, const struct api_error *error, const char *cursor)
{
	struct listing *l = op->listing;

	if (!op_answered(op, error))
		return false;
	free(l->cursor);
	l->cursor = cursor ? strdup(cursor) : NULL;
	if (!l->failed && (l->cursor || !cursor))
		return true;
	op_failed(op, -ENOMEM, NULL);
	return false;
}

/* One reply of many, or the last. 1: go on, 0: when the queue has drained, negative: the call was ended. */
static int send_reply(struct remote_op *op, struct reply *r, bool last)
{
	if (last || r->failed) {
		op_reply(op, r);
		return -ECANCELED;
	}
	int sent = reply_continue(op->call, r);

	if (sent < 0) {
		reply_nothing(op->call);
		op_free(op);
	}
	return sent;
}

/* ListTree */

static bool on_tree_entry(void *arg, const struct api_file *file, const struct api_directory *directory)
{
	struct remote_op *op = arg;
	struct listing *l = op->listing;

	if (file)
		add(l, l->files, file_object(file));
	else {
		struct reply r = reply_new();

		reply_string(&r, "path", directory->path);
		reply_int(&r, "file_count", directory->file_count);
		reply_int(&r, "total_size", directory->total_size);
		add(l, l->dirs, reply_take(&r));
		l->n_dirs++;
	}
	return !l->failed && l->bytes < IPC_PAGE_BYTES;
}

static void on_tree_page(void *arg, const struct api_error *error, const char *cursor);

static void tree_go_on(void *arg)
{
	struct remote_op *op = arg;

	if (!op->running)
		read_level(op, on_tree_entry, on_tree_page);
}

static void on_tree_page(void *arg, const struct api_error *error, const char *cursor)
{
	struct remote_op *op = arg;
	struct listing *l = op->listing;

	if (!level_answered(op, error, cursor))
		return;
	struct reply r = reply_new();

	reply_string(&r, "prefix", l->prefix);
	reply_string(&r, "delimiter", l->delimiter);
	reply_int(&r, "total_directories", (int64_t)json_object_array_length(l->dirs));
	reply_int(&r, "total_files", (int64_t)json_object_array_length(l->files));
	reply_string(&r, "cursor", l->cursor);
	reply_add(&r, "directories", STEAL(l->dirs));
	reply_add(&r, "files", STEAL(l->files));
	if (!renew(l))
		r.failed = true;
	if (send_reply(op, &r, !op->more || !l->cursor) > 0)
		tree_go_on(op);
}

void list_tree(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_bucket(context, call, parameters);
	const char *prefix = NULL, *delimiter = "/", *cursor = NULL;
	int64_t limit;

	if (!op)
		return;
	limit = op->more ? MORE_LIMIT : TREE_LIMIT;
	json_get_string(parameters, "prefix", &prefix);
	json_get_string(parameters, "delimiter", &delimiter);
	json_get_string(parameters, "cursor", &cursor);
	if (json_get_int64(parameters, "limit", &limit) > 0 && (limit < 1 || limit > MORE_LIMIT)) {
		op_failed(op, -EINVAL, "limit");
		return;
	}
	char *copy = prefix && *prefix ? strdup(prefix) : NULL;

	if (prefix && *prefix && !copy) {
		op_failed(op, -ENOMEM, NULL);
		return;
	}
	if (!listing_new(op, copy, delimiter, cursor, op->more ? API_LEVEL_WHOLE : API_LEVEL_PAGES))
		return;
	op->listing->limit = limit;
	ipc_call_on_drain(call, tree_go_on, op);
	tree_go_on(op);
}

/* ListDirectory */

/* Is the next file one that was asked for? Without 'more' only one page was. */
static bool wanted(const struct remote_op *op)
{
	const struct listing *l = op->listing;

	return l->sorted ||
	       (l->total_files >= l->first && (op->more || l->total_files < l->first + l->limit));
}

static bool on_directory_entry(void *arg, const struct api_file *file, const struct api_directory *directory)
{
	struct remote_op *op = arg;
	struct listing *l = op->listing;
	bool stream = op->more && !l->sorted;

	if (file) {
		if (l->sorted && l->total_files >= SORT_MAX)
			l->too_many = true;
		else if (wanted(op))
			add(l, l->files, file_object(file));
		l->total_files++;
	} else {
		size_t skip = l->prefix ? strlen(l->prefix) : 0, len = strlen(directory->path) - skip - 1;

		/* Without 'more' there is one reply for them. */
		if (op->more || l->bytes < IPC_PAGE_BYTES / 2)
			add(l, l->dirs, json_object_new_string_len(directory->path + skip, (int)len));
		l->total_dirs++;
	}
	return !l->failed && !l->too_many && (!stream || l->bytes < IPC_PAGE_BYTES);
}

/* Takes up to max items, at most half a reply of them. Taken from the front of the list. */
static struct json_object *take_front(struct json_object *list, size_t max)
{
	struct json_object *front = json_object_new_array();
	size_t n = json_object_array_length(list), i = 0, bytes = 0;

	for (; front && i < n && i < max; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		bytes += json_size(item);
		if (i > 0 && bytes > IPC_PAGE_BYTES / 2)
			break;
		if (!reply_append(front, json_object_get(item))) {
			json_object_put(front);
			return NULL;
		}
	}
	if (front)
		json_object_array_del_idx(list, 0, i);
	return front;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What waits, as one reply or several. True: all of it is sent, and there is more to read. */
static bool send_directory(struct remote_op *op)
{
	struct listing *l = op->listing;

	for (;;) {
		struct json_object *dirs = take_front(l->dirs, SIZE_MAX);
		struct json_object *files = take_front(l->files, (size_t)l->limit);
		int64_t n = files ? (int64_t)json_object_array_length(files) : 0;
		bool left = json_object_array_length(l->dirs) > 0 || json_object_array_length(l->files) > 0;
		struct reply r = reply_new();

		reply_add(&r, "folders", dirs);
		reply_add(&r, "files", files);
		reply_int(&r, "total_folders", larger(l->total_dirs, l->cursor ? l->told_dirs : 0));
		reply_int(&r, "total_files", larger(l->total_files, l->cursor ? l->told_files : 0));
		/* Cut at the size of a reply: limit says how many came. */
		reply_int(&r, "limit", json_object_array_length(l->files) > 0 && n > 0 ? n : l->limit);
		reply_int(&r, "offset", l->first);
		l->first += n;
		int sent = send_reply(op, &r, !op->more || (!left && !l->cursor));

		if (sent < 0)
			return false;
		if (!left)
			l->bytes = 0;
		if (sent == 0)
			return false; /* on_drain goes on */
		if (!left)
			return true;
	}
}

static void on_directory_page(void *arg, const struct api_error *error, const char *cursor);

static void directory_go_on(void *arg)
{
	struct remote_op *op = arg;
	struct listing *l = op->listing;

	if (op->running)
		return;
	if ((json_object_array_length(l->dirs) > 0 || json_object_array_length(l->files) > 0) &&
	    !send_directory(op))
		return;
	read_level(op, on_directory_entry, on_directory_page);
}

static void on_directory_totals(void *arg, const struct api_error *error, int64_t folders, int64_t files)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	op->listing->told_dirs = folders;
	op->listing->told_files = files;
	directory_go_on(op);
}

/* Of RFC 3339 with Z: more digits of a second are later. */
static int compare_times(const char *a, const char *b)
{
	size_t a_len = strcspn(a, "Z"), b_len = strcspn(b, "Z");
	int r = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return r ? r : (a_len > b_len) - (a_len < b_len);
}

static int compare_files(const void *pa, const void *pb, void *arg)
{
	struct json_object *a = *(struct json_object *const *)pa, *b = *(struct json_object *const *)pb;
	const struct pages *p = arg;
	const char *x = "", *y = "", *sort = p->sort ? p->sort : "path";
	int64_t m = 0, n = 0;
	int r = 0;

	if (strcmp(sort, "size") == 0) {
		json_get_int64(a, sort, &m);
		json_get_int64(b, sort, &n);
		r = (m > n) - (m < n);
	} else {
		json_get_string(a, sort, &x);
		json_get_string(b, sort, &y);
		r = strstr(sort, "_at") ? compare_times(x, y) : strcmp(x, y);
	}
	if (r == 0) {
		json_get_string(a, "path", &x);
		json_get_string(b, "path", &y);
		r = strcmp(x, y);
	}
	return p->descending == 1 ? -r : r;
}

/* In order, and without 'more' only what was asked for. False: out of memory. */
static bool sort_files(struct remote_op *op)
{
	struct listing *l = op->listing;
	size_t n = json_object_array_length(l->files);
	struct json_object *out = json_object_new_array();
	_cleanup_free_ struct json_object **order = calloc(n + 1, sizeof(struct json_object *));
	bool done = out && order;

	for (size_t i = 0; done && i < n; i++)
		order[i] = json_object_array_get_idx(l->files, i);
	if (done)
		qsort_r(order, n, sizeof(*order), compare_files, &op->pages);
	for (size_t i = (size_t)l->first; done && i < n && (op->more || i < (size_t)(l->first + l->limit));
	     i++)
		done = reply_append(out, json_object_get(order[i]));
	json_object_put(l->files);
	l->files = out;
	return done;
}

static void on_directory_page(void *arg, const struct api_error *error, const char *cursor)
{
	struct remote_op *op = arg;
	struct listing *l = op->listing;
	int r = 0;

	if (!level_answered(op, error, cursor))
		return;
	bool stream = op->more && !l->sorted;

	if (l->too_many) {
		error_local(op->call, E2BIG, NULL,
			    "the directory has more than 20,000 files: it can be listed by name, ascending, "
			    "or with ListFiles in any order");
		op_free(op);
	} else if (l->cursor && !stream) {
		read_level(op, on_directory_entry, on_directory_page);
	} else if (l->cursor && l->told_files < 0) {
		r = api_directory_totals(op->api, op->bucket, op->path, on_directory_totals, op,
					 &op->running);
		if (r < 0)
			op_failed(op, r, "path");
	} else if (l->sorted && !sort_files(op)) {
		op_failed(op, -ENOMEM, NULL);
	} else if (l->cursor) {
		directory_go_on(op);
	} else {
		send_directory(op);
	}
}

/* path of the parameters; NULL or "": the top. False: the call was ended. */
static bool read_directory(struct remote_op *op, struct json_object *parameters, char **ret_prefix)
{
	const char *path = NULL;

	*ret_prefix = NULL;
	json_get_string(parameters, "path", &path);
	if (!path || !*path)
		return true;
	int r = url_path_check(path);

	if (r == 0 && (!(op->path = strdup(path)) || asprintf(ret_prefix, "%s/", path) < 0)) {
		*ret_prefix = NULL;
		r = -ENOMEM;
	}
	if (r < 0)
		op_failed(op, r, "path");
	return r == 0;
}

void list_directory(struct ipc_call *call, struct json_object *parameters, void *context)
{
	static const char *const sorts[] = {"name",      "path",       "size", "created_at",
					    "mime_type", "updated_at", NULL};
	struct remote_op *op = op_new_bucket(context, call, parameters);
	char *prefix;

	if (!op || !pages_read(op, parameters, sorts) || !read_directory(op, parameters, &prefix) ||
	    !listing_new(op, prefix, "/", NULL, API_LEVEL_NAMES))
		return;
	struct listing *l = op->listing;
	const struct pages *p = &op->pages;
	bool by_name = !p->sort || strcmp(p->sort, "name") == 0 || strcmp(p->sort, "path") == 0;

	l->sorted = !by_name || p->descending == 1;
	l->limit = p->limit > 0 ? p->limit : op->more ? MORE_LIMIT : DIRECTORY_LIMIT;
	l->first = p->offset;
	ipc_call_on_drain(call, directory_go_on, op);
	directory_go_on(op);
}
