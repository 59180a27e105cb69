/* file list. */
#include "cfctl/bucket.h"
#include "cfctl/human.h"
#include "cfctl/listing.h"

#define SHORT_HASH 12 /* hexadecimal digits: enough to tell files of a bucket apart by eye */

static void list_row(struct table *table, struct json_object *file)
{
	table_cell(table, STYLE_NONE, "%s", human_size(get_int(file, "size")).text);
	table_cell(table, STYLE_NONE, "%s", human_date(get_string(file, "updated_at")).text);
	table_cell(table, STYLE_DIM, "%.*s", SHORT_HASH, get_text(file, "sha256"));
	table_cell(table, STYLE_NONE, "%s", get_text(file, "path"));
}

static int file_list(struct ctl *ctl, const struct args *args)
{
	static const struct column columns[] = {{"SIZE", COLUMN_RIGHT}, {"UPDATED"}, {"SHA-256"}, {"PATH"}};
	static const struct listing listing = {"files", "files", "path", columns, COUNT(columns), list_row};
	_cleanup_params_ struct params params;
	struct call call = {.what = "list the files", .method = REMOTE "ListFiles", .params = &params};

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	return listing_run(ctl, args, &listing, &call, args_word(args, 0));
}

static const struct option list_options[] = {LISTING_OPTIONS, {NULL}};

const struct command file_commands[] = {
	{"file", "list", "BUCKET", "the files of a bucket",
	 "BUCKET is an id, or a name that only one bucket has. Sorted by path unless --sort says otherwise: "
	 "path, name, "
	 "size, mime_type, created_at or updated_at. Sorted by path, --all shows no file twice and misses "
	 "none, whatever "
	 "changes meanwhile.",
	 list_options, file_list},
	{NULL},
};
