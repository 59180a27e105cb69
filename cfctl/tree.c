/* file download -r: what is below a path on the server, brought into a directory here. A name from the server
 * is only a name: nothing in it leads out of that directory, and no symbolic link in there is followed. */
#include "cfctl/tree.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include "cfctl/path.h"
#include "cfctl/place.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST_PAGE 1000
#define ENOUGH    (-1) /* ends the listing: nothing behind it is meant */

struct entry {
	char *path;
	int64_t size;
	char sha256[65]; /* "": not known */
	const char *odd; /* why it cannot lie here */
};

struct tree {
	struct fetch *fetch;
	const char *prefix; /* without a slash at its end; "" the whole bucket */
	struct entry *entries;
	size_t n, allocated, at;
	const char *shown; /* the directory as the user calls it */
	int root;
	/* The directory of the last file: the next one is probably in it. */
	char *open_path;
	int open_fd;
};

static void tree_done(struct tree *tree)
{
	for (size_t i = 0; i < tree->n; i++)
		free(tree->entries[i].path);
	free(tree->entries);
	free(tree->open_path);
	if (tree->open_fd >= 0)
		(void)close(tree->open_fd);
	if (tree->root >= 0)
		(void)close(tree->root);
}

/* ---- The listing ---- */

static int keep(struct ctl *ctl, struct tree *tree, struct json_object *file)
{
	struct entry *entry;

	if (tree->n == tree->allocated) {
		size_t more = tree->allocated ? 2 * tree->allocated : 256;
		struct entry *entries = reallocarray(tree->entries, more, sizeof(*entries));

		if (!entries)
			return ctl_no_memory(ctl);
		tree->entries = entries;
		tree->allocated = more;
	}
	entry = &tree->entries[tree->n];
	*entry = (struct entry){.path = strdup(get_text(file, "path")), .size = get_int(file, "size")};
	if (!entry->path)
		return ctl_no_memory(ctl);
	(void)snprintf(entry->sha256, sizeof(entry->sha256), "%s", get_text(file, "sha256"));
	tree->n++;
	return EXIT_OK;
}

/* What comes before everything below the prefix, is meant, or comes after it, by the bytes of the names. */
static int place_of(const struct tree *tree, const char *path)
{
	size_t length = strlen(tree->prefix);
	int order = strncmp(path, tree->prefix, length);

	if (length == 0 || (order == 0 && (path[length] == '\0' || path[length] == '/')))
		return 0;
	return order > 0 || (order == 0 && (unsigned char)path[length] > '/') ? 1 : -1;
}

static int on_files(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct tree *tree = userdata;

	for (size_t i = 0; i < get_count(reply->object, "files"); i++) {
		struct json_object *file = get_item(reply->object, "files", i);
		int place = place_of(tree, get_text(file, "path"));
		int code = place == 0 ? keep(ctl, tree, file) : EXIT_OK;

		if (place > 0)
			return ENOUGH;
		if (code != EXIT_OK)
			return code;
	}
	return EXIT_OK;
}

static int list(struct ctl *ctl, struct tree *tree)
{
	_cleanup_params_ struct params params, page;
	struct call call = {
		.what = "list the files",
		.method = REMOTE "ListFiles",
		.params = &params,
		.flags = CFIPC_MORE,
		.on_reply = on_files,
		.userdata = tree,
	};
	int code;

	params_init(&params);
	params_init(&page);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "bucket", tree->fetch->bucket);
	params_int(&page, "limit", LIST_PAGE);
	params_move(&params, "page", &page);
	code = ctl_run(ctl, &call, NULL);
	if (code == ENOUGH)
		code = EXIT_OK;
	if (code == EXIT_OK && tree->n == 0)
		return ctl_error(ctl, EXIT_NOT_FOUND, "NoFiles",
				 "`cfctl file ls BUCKET` shows what is there.",
				 *tree->prefix ? "no file lies at or below %s" : "the bucket is empty%s",
				 tree->prefix);
	return code;
}

/* ---- What cannot lie here ---- */

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

/* Whether one of the others is a file where this one needs a directory. */
static bool has_file_above(const struct tree *tree, const char *path)
{
	_cleanup_free_ char *above = strdup(path);
	char *slash;

	while (above && (slash = strrchr(above, '/'))) {
		struct entry key = {.path = above};

		*slash = '\0';
		if (bsearch(&key, tree->entries, tree->n, sizeof(key), compare_entries))
			return true;
	}
	return false;
}

static const char *odd_component(const char *path)
{
	for (const char *at = path;; at++) {
		size_t length = strcspn(at, "/");

		if (length == 0)
			return "a part of its path is empty";
		if ((length == 1 && at[0] == '.') || (length == 2 && at[0] == '.' && at[1] == '.'))
			return "its path would lead elsewhere";
		at += length;
		if (*at == '\0')
			return NULL;
	}
}

static void judge(struct tree *tree)
{
	qsort(tree->entries, tree->n, sizeof(*tree->entries), compare_entries);
	for (size_t i = 0; i < tree->n; i++) {
		struct entry *entry = &tree->entries[i];

		if (!entry->odd)
			entry->odd = odd_component(entry->path);
		if (!entry->odd && has_file_above(tree, entry->path))
			entry->odd = "a file has the name of its directory";
	}
}

/* ---- Jobs ---- */

/* The name below the prefix, each part as the bytes it had; NULL when out of memory. */
static char *local_name(const struct tree *tree, const struct entry *entry)
{
	size_t length = strlen(tree->prefix);
	const char *below = entry->path;
	const char *slash;

	if (length > 0 && entry->path[length] == '/')
		below += length + 1;
	else if (length > 0 && (slash = strrchr(below, '/')))
		below = slash + 1; /* the prefix itself is a file */
	return path_decode(below);
}

/* The directory that name lies in, open. Its descriptor stays the tree's. */
static int open_directory(struct tree *tree, const char *name)
{
	const char *slash = strrchr(name, '/');
	size_t length = slash ? (size_t)(slash - name) : 0;
	char *path;
	int fd;

	if (tree->open_fd >= 0 && strlen(tree->open_path) == length &&
	    strncmp(tree->open_path, name, length) == 0)
		return tree->open_fd;
	path = strndup(name, length);
	if (!path)
		return -ENOMEM;
	fd = place_directory(tree->root, name);
	if (fd < 0) {
		free(path);
		return fd;
	}
	if (tree->open_fd >= 0)
		(void)close(tree->open_fd);
	free(tree->open_path);
	tree->open_path = path;
	tree->open_fd = fd;
	return fd;
}

static int entry_job(struct ctl *ctl, struct tree *tree, const struct entry *entry, struct job **ret_job)
{
	_cleanup_free_ char *name = local_name(tree, entry), *shown = NULL;
	size_t length = strlen(tree->shown);
	int fd, code;

	if (!name || asprintf(&shown, "%s%s%s", tree->shown,
			      length > 0 && tree->shown[length - 1] == '/' ? "" : "/", name) < 0) {
		shown = NULL;
		return ctl_no_memory(ctl);
	}
	if (entry->odd || odd_component(name)) {
		ctl->subject = entry->path;
		code = ctl_error(ctl, EXIT_LOCAL, "Clash", NULL, "%s cannot lie here: %s", entry->path,
				 entry->odd ? entry->odd : odd_component(name));
		ctl->subject = NULL;
		return code;
	}
	fd = open_directory(tree, name);
	if (fd < 0)
		return fetch_error(ctl, shown, fd == -EEXIST ? ENOTDIR : -fd);
	return fetch_job(ctl, tree->fetch,
			 &(struct fetch_file){entry->path, *entry->sha256 ? entry->sha256 : NULL, entry->size,
					      fd, strrchr(name, '/') ? strrchr(name, '/') + 1 : name, shown},
			 ret_job);
}

static int next_job(struct ctl *ctl, void *userdata, struct job **ret_job)
{
	struct tree *tree = userdata;

	if (tree->at == tree->n)
		return EXIT_OK;
	tree->at++;
	return entry_job(ctl, tree, &tree->entries[tree->at - 1], ret_job);
}

/* ---- The command ---- */

static int run(struct ctl *ctl, const struct args *args, struct tree *tree)
{
	struct pool pool = {
		.next = next_job,
		.userdata = tree,
		.asked = args_has(args, "progress"),
		.files = (int64_t)tree->n,
	};
	char summary[96], there[80] = "";
	int code;

	for (size_t i = 0; i < tree->n; i++)
		pool.bytes += tree->entries[i].size;
	code = pool_run(ctl, &pool);
	if (code == EXIT_INTERRUPTED)
		return code;
	pool_summary(&pool, summary, sizeof(summary));
	if (tree->fetch->unchanged > 0)
		(void)snprintf(there, sizeof(there), "; %s were there already",
			       human_count(tree->fetch->unchanged).text);
	pool.done -= tree->fetch->unchanged;
	out_done(ctl, "%s %s downloaded, %s%s.", human_count(pool.done).text,
		 pool.done == 1 ? "file" : "files", summary, there);
	if (pool.failed > 0 && !ctl->json)
		ctl_note(ctl, STYLE_WARN, "", "%s could not be downloaded.", human_count(pool.failed).text);
	return code;
}

/* PATH without the slashes around it. */
static char *trimmed(const char *path)
{
	size_t length;

	path += strspn(path, "/");
	length = strlen(path);
	while (length > 0 && path[length - 1] == '/')
		length--;
	return strndup(path, length);
}

int tree_download(struct ctl *ctl, const struct args *args, struct fetch *fetch, const char *path)
{
	_cleanup_free_ char *prefix = trimmed(path), *own = NULL;
	const char *output = args_value(args, "output");
	struct tree tree = {.fetch = fetch, .prefix = prefix, .root = -1, .open_fd = -1};
	int code;

	if (!prefix)
		return ctl_no_memory(ctl);
	if (output && strcmp(output, "-") == 0)
		return ctl_usage(ctl, NULL, "-r needs a directory to write into, not stdout");
	if (!*prefix && !output)
		return ctl_usage(ctl, "Say where to with -o DIR (-o . is here).",
				 "the whole bucket has no name of a directory");
	own = path_decode(strrchr(prefix, '/') ? strrchr(prefix, '/') + 1 : prefix);
	if (!own)
		return ctl_no_memory(ctl);
	if (!output && odd_component(own))
		return ctl_usage(ctl, "Say where to with -o DIR.", "%s is no name of a directory", own);
	code = list(ctl, &tree);
	if (code == EXIT_OK) {
		judge(&tree);
		tree.shown = output ? output : own;
		/* Only the file itself: into the directory, as without -r. */
		if (!output && tree.n == 1 && strcmp(tree.entries[0].path, prefix) == 0)
			tree.shown = ".";
		if (mkdir(tree.shown, 0777) < 0 && errno != EEXIST)
			code = fetch_error(ctl, tree.shown, errno);
	}
	if (code == EXIT_OK) {
		tree.root = open(tree.shown, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		code = tree.root < 0 ? fetch_error(ctl, tree.shown, errno) : run(ctl, args, &tree);
	}
	tree_done(&tree);
	return code;
}
