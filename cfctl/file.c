/* file list, ls, tree, info, verify, delete, url: what is in a bucket. Not here: its bytes (upload.c,
 * download.c). */
#include "cfctl/ask.h"
#include "cfctl/bucket.h"
#include "cfctl/human.h"
#include "cfctl/listing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_HASH     12 /* hexadecimal digits: enough to tell files of a bucket apart by eye */
#define TREE_LIMIT_MAX 1000

/* ---- list, ls ---- */

static void file_cells(struct table *table, struct json_object *file, const char *name)
{
	table_cell(table, STYLE_NONE, "%s", human_size(get_int(file, "size")).text);
	table_cell(table, STYLE_NONE, "%s", human_date(get_string(file, "updated_at")).text);
	table_cell(table, STYLE_DIM, "%.*s", SHORT_HASH, get_text(file, "sha256"));
	table_cell(table, STYLE_NONE, "%s", get_text(file, name));
}

static void list_row(struct table *table, struct json_object *file)
{
	file_cells(table, file, "path");
}

static int file_list(struct ctl *ctl, const struct args *args)
{
	static const struct column columns[] = {
		{"SIZE", COLUMN_RIGHT}, {"UPDATED"}, {"SHA-256", COLUMN_SPARE}, {"PATH"}};
	static const struct listing listing = {"files", "files", "path", columns, COUNT(columns), list_row};
	_cleanup_params_ struct params params;
	struct call call = {.what = "list the files", .method = REMOTE "ListFiles", .params = &params};

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	return listing_run(ctl, args, &listing, &call, args_word(args, 0));
}

static void ls_row(struct table *table, struct json_object *file)
{
	file_cells(table, file, "name");
}

static void ls_folders(struct table *table, struct json_object *reply)
{
	for (size_t i = 0; i < get_count(reply, "folders"); i++) {
		const char *name = json_object_get_string(get_item(reply, "folders", i));

		table_cell(table, STYLE_NONE, "%s", "");
		table_cell(table, STYLE_NONE, "%s", "");
		table_cell(table, STYLE_NONE, "%s", "");
		table_cell(table, STYLE_BOLD, "%s/", name ? name : "");
	}
}

static int file_ls(struct ctl *ctl, const struct args *args)
{
	static const struct column columns[] = {
		{"SIZE", COLUMN_RIGHT}, {"UPDATED"}, {"SHA-256", COLUMN_SPARE}, {"NAME"}};
	static const struct listing listing = {"files",        "files", NULL,          columns,
					       COUNT(columns), ls_row,  "total_files", ls_folders};
	_cleanup_params_ struct params params;
	struct call call = {
		.what = "list the directory", .method = REMOTE "ListDirectory", .params = &params};

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "path", args_word(args, 1));
	return listing_run(ctl, args, &listing, &call, args_word(args, 0));
}

/* ---- tree ---- */

struct tree {
	struct table *table;
	size_t n;
	char *cursor; /* where the next page begins */
	int code;
};

static void show_tree(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct tree *tree = userdata;
	const char *cursor = get_string(reply, "cursor");

	out_page(ctl);
	for (size_t i = 0; i < get_count(reply, "directories"); i++, tree->n++) {
		struct json_object *directory = get_item(reply, "directories", i);
		int64_t files = get_int(directory, "file_count");

		table_cell(tree->table, STYLE_NONE, "%s", human_size(get_int(directory, "total_size")).text);
		table_cell(tree->table, STYLE_DIM, "%s %s", human_count(files).text,
			   files == 1 ? "file" : "files");
		table_cell(tree->table, STYLE_BOLD, "%s", get_text(directory, "path"));
	}
	for (size_t i = 0; i < get_count(reply, "files"); i++, tree->n++) {
		struct json_object *file = get_item(reply, "files", i);

		table_cell(tree->table, STYLE_NONE, "%s", human_size(get_int(file, "size")).text);
		table_cell(tree->table, STYLE_NONE, "%s", human_date(get_string(file, "updated_at")).text);
		table_cell(tree->table, STYLE_NONE, "%s", get_text(file, "path"));
	}
	free(tree->cursor);
	tree->cursor = cursor ? strdup(cursor) : NULL;
	tree->code = cursor && !tree->cursor ? ctl_no_memory(ctl) : table_print(ctl, tree->table);
}

static int on_tree(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct tree *tree = userdata;
	int code = out_reply(ctl, reply, show_tree, tree);

	return code != EXIT_OK ? code : tree->code;
}

/* PATH is a directory: what begins with it and the delimiter. */
static int tree_params(struct ctl *ctl, const struct args *args, struct params *params)
{
	const char *path = args_word(args, 1), *prefix = args_value(args, "prefix"),
		   *delimiter = args_value(args, "delimiter");
	_cleanup_free_ char *below = NULL;
	int64_t limit = args_has(args, "all") ? TREE_LIMIT_MAX : -1;
	int code = args_int(ctl, args, "limit", 1, TREE_LIMIT_MAX, &limit);

	if (code != EXIT_OK)
		return code;
	if (path && prefix)
		return ctl_usage(ctl, NULL,
				 "PATH and --prefix say the same thing in two ways: give one of them");
	if (path && *path &&
	    asprintf(&below, "%s%s", path,
		     path[strlen(path) - 1] == '/' ? ""
		     : delimiter                   ? delimiter
						   : "/") < 0) {
		below = NULL;
		return ctl_no_memory(ctl);
	}
	params_string(params, "profile", ctl->profile);
	params_string(params, "prefix", prefix ? prefix : below);
	params_string(params, "delimiter", delimiter);
	params_string(params, "cursor", args_value(args, "cursor"));
	if (limit >= 0)
		params_int(params, "limit", limit);
	return EXIT_OK;
}

static int file_tree(struct ctl *ctl, const struct args *args)
{
	static const struct column columns[] = {{"SIZE", COLUMN_RIGHT}, {"UPDATED"}, {"PATH"}};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));
	_cleanup_params_ struct params params;
	struct tree tree = {.table = table};
	struct call call = {
		.what = "list the tree",
		.method = REMOTE "ListTree",
		.params = &params,
		.flags = args_has(args, "all") ? CFIPC_MORE : 0,
		.on_reply = on_tree,
		.userdata = &tree,
	};
	int code;

	params_init(&params);
	if (!table)
		return ctl_no_memory(ctl);
	code = tree_params(ctl, args, &params);
	if (code == EXIT_OK)
		code = bucket_run(ctl, &call, &params, args_word(args, 0), NULL);
	if (code == EXIT_OK && !ctl->json && tree.n == 0 && !tree.cursor)
		out_footer(ctl, "No files.");
	if (code == EXIT_OK && !ctl->json && tree.cursor)
		out_footer(ctl, "There are more: --cursor '%s' goes on from here, --all lists them all.",
			   tree.cursor);
	free(tree.cursor);
	return code;
}

/* ---- One file ---- */

static void show_file(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct json_object *file = get_object(reply, "file");

	out_field(ctl, STYLE_NONE, "Path", "%s", get_text(file, "path"));
	out_field(ctl, STYLE_NONE, "Size", "%s (%s bytes)", human_size(get_int(file, "size")).text,
		  human_count(get_int(file, "size")).text);
	out_field(ctl, STYLE_NONE, "Type", "%s", get_text(file, "mime_type"));
	if (has(file, "sha256"))
		out_field(ctl, STYLE_NONE, "SHA-256", "%s", get_text(file, "sha256"));
	out_field(ctl, STYLE_NONE, "Created", "%s", human_date(get_string(file, "created_at")).text);
	out_field(ctl, STYLE_NONE, "Updated", "%s (%s)", human_date(get_string(file, "updated_at")).text,
		  human_age(get_string(file, "updated_at")).text);
	if (has(file, "short_url"))
		out_field(ctl, STYLE_NONE, "Short URL", "%s", get_text(file, "short_url"));
}

static void show_verified(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	if (get_bool(reply, "valid")) {
		if (!ctl->quiet)
			out_line(ctl, STYLE_GOOD, "%s is what was stored: SHA-256 %s.",
				 get_text(reply, "path"), get_text(reply, "stored_hash"));
		return;
	}
	out_line(ctl, STYLE_BAD, "%s is damaged on the server.", get_text(reply, "path"));
	out_field(ctl, STYLE_NONE, "Stored as", "%s", get_text(reply, "stored_hash"));
	out_field(ctl, STYLE_NONE, "Is now", "%s",
		  *get_text(reply, "computed_hash") ? get_text(reply, "computed_hash") : "missing");
}

static void show_url(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	if (ctl->quiet) {
		out_line(ctl, STYLE_NONE, "%s", get_text(reply, "url"));
		return;
	}
	out_field(ctl, STYLE_NONE, "URL", "%s", get_text(reply, "url"));
	if (has(reply, "short_url"))
		out_field(ctl, STYLE_NONE, "Short URL", "%s", get_text(reply, "short_url"));
}

/* The calls that take a bucket and a path and nothing else. */
static int about_file(struct ctl *ctl, const struct args *args, const char *what, const char *method,
		      struct reply *ret_reply)
{
	_cleanup_params_ struct params params;
	struct call call = {.what = what, .method = method, .params = &params};

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "path", args_word(args, 1));
	return bucket_run(ctl, &call, &params, args_word(args, 0), ret_reply);
}

static int file_info(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = about_file(ctl, args, "show the file", REMOTE "GetFile", &reply);

	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_file, NULL);
}

static int file_verify(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = about_file(ctl, args, "verify the file", REMOTE "VerifyFile", &reply);

	if (code == EXIT_OK)
		code = out_reply(ctl, &reply, show_verified, NULL);
	return code == EXIT_OK && !get_bool(reply.object, "valid") ? EXIT_FAILED : code;
}

static int file_url(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = about_file(ctl, args, "look the URL up", REMOTE "GetFileUrl", &reply);

	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_url, NULL);
}

static int file_delete(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_free_ char *question = NULL;
	bool yes = args_has(args, "yes");
	int code = ctl_may_ask(ctl, yes, "file delete");

	if (code == EXIT_OK && !yes) {
		if (asprintf(&question, "Delete %s from the bucket %s for good?", args_word(args, 1),
			     args_word(args, 0)) < 0) {
			question = NULL;
			return ctl_no_memory(ctl);
		}
		code = ctl_confirm(ctl, question);
	}
	if (code == EXIT_OK)
		code = about_file(ctl, args, "delete the file", REMOTE "DeleteFile", &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Deleted %s.", args_word(args, 1));
	return out_reply(ctl, &reply, NULL, NULL);
}

static const struct option list_options[] = {LISTING_OPTIONS, {NULL}};
static const struct option tree_options[] = {
	{"prefix", 0, "PREFIX", "only paths that begin so"},
	{"delimiter", 0, "TEXT", "what ends the name of a directory; without it /"},
	{"cursor", 0, "CURSOR", "go on behind the page that said so"},
	{"limit", 0, "N", "files of a page, 1 to 1000"},
	{"all", 0, NULL, "every page, to the end"},
	{NULL},
};
static const struct option delete_options[] = {
	{"yes", 0, NULL, "do not ask"},
	{NULL},
};

const struct command file_commands[] = {
	{"file", "list", "BUCKET", "the files of a bucket",
	 "BUCKET is an id, or a name that only one bucket has. Sorted by path unless --sort says otherwise: "
	 "path, name, size, mime_type, created_at or updated_at. Sorted by path, --all shows no file twice "
	 "and "
	 "misses none, whatever changes meanwhile.",
	 list_options, file_list},
	{"file", "ls", "BUCKET [PATH]", "one directory of it",
	 "The directories and the files directly in PATH, or at the top. --sort takes what `file list` "
	 "takes.",
	 list_options, file_ls},
	{"file", "tree", "BUCKET [PATH]", "the files and directories below a prefix, page by page",
	 "As S3 lists: what has the delimiter behind the prefix counts as one directory. PATH is a "
	 "directory. The "
	 "numbers of a directory are those of the page it stands on.",
	 tree_options, file_tree},
	{"file", "info", "BUCKET PATH", "one file", NULL, NULL, file_info},
	{"file", "verify", "BUCKET PATH", "has the server read a file again and compare its hash",
	 "Exit status 1 when it is damaged.", NULL, file_verify},
	{"file", "delete", "BUCKET PATH", "deletes a file on the server",
	 "Asks; without a terminal it wants --yes.", delete_options, file_delete},
	{"file", "url", "BUCKET PATH", "where anyone can read it", "With --quiet the URL by path alone.",
	 NULL, file_url},
	{NULL},
};
