/* bucket list, create, info; and finding the bucket that a user's word means. */
#include "cfctl/bucket.h"
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/listing.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_ID_LENGTH 10 /* of [A-Za-z0-9], as the server makes them */
#define SEARCH_PAGE      1000

/* ---- Which bucket ---- */

static bool looks_like_id(const char *word)
{
	size_t n = 0;

	while (isalnum((unsigned char)word[n]))
		n++;
	return n == BUCKET_ID_LENGTH && word[n] == '\0';
}

struct search {
	const char *name;
	char *ids; /* of the buckets with that name, separated by ", " */
	size_t found;
};

static int on_search(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct search *search = userdata;

	for (size_t i = 0; i < get_count(reply->object, "buckets"); i++) {
		struct json_object *bucket = get_item(reply->object, "buckets", i);
		char *ids;

		if (strcmp(get_text(bucket, "name"), search->name) != 0)
			continue;
		if (asprintf(&ids, "%s%s%s", search->ids ? search->ids : "", search->ids ? ", " : "",
			     get_text(bucket, "id")) < 0)
			return ctl_no_memory(ctl);
		free(search->ids);
		search->ids = ids;
		search->found++;
	}
	return EXIT_OK;
}

/* *ret_id is yours to free. */
static int find_by_name(struct ctl *ctl, const char *name, char **ret_id)
{
	_cleanup_params_ struct params params, page;
	struct search search = {.name = name};
	struct call call = {
		.what = "look the bucket up by its name",
		.method = REMOTE "ListBuckets",
		.params = &params,
		.flags = CFIPC_MORE,
		.on_reply = on_search,
		.userdata = &search,
	};
	int code;

	params_init(&params);
	params_init(&page);
	params_string(&params, "profile", ctl->profile);
	params_int(&page, "limit", SEARCH_PAGE);
	params_move(&params, "page", &page);
	code = ctl_run(ctl, &call, NULL);
	if (code == EXIT_OK && search.found == 1) {
		*ret_id = search.ids;
		return EXIT_OK;
	}
	if (code == EXIT_OK && search.found > 1)
		code = ctl_error(ctl, EXIT_USAGE, "AmbiguousBucket", "Use the id.",
				 "%zu buckets are named %s: %s", search.found, name, search.ids);
	else if (code == EXIT_OK)
		code = ctl_error(ctl, EXIT_NOT_FOUND, "NoSuchBucket",
				 "`cfctl bucket list` shows them, `cfctl bucket create NAME` makes one.",
				 "no bucket has the id or the name %s", name);
	free(search.ids);
	return code;
}

int bucket_run(struct ctl *ctl, const struct call *call, struct params *holder, const char *word,
	       struct reply *ret_reply)
{
	_cleanup_free_ char *id = NULL;
	cfipc_error *error = NULL;
	int code = EXIT_NOT_FOUND;

	/* The form of an id is also one a name may have: the server knows. */
	if (looks_like_id(word)) {
		params_string(holder, "bucket", word);
		code = ctl_try(ctl, call, ret_reply, &error);
		if (!error)
			return code;
		cfipc_error_free(error);
	}
	code = find_by_name(ctl, word, &id);
	if (code != EXIT_OK)
		return code;
	params_string(holder, "bucket", id);
	return ctl_run(ctl, call, ret_reply);
}

/* ---- Commands ---- */

static void list_row(struct table *table, struct json_object *bucket)
{
	table_cell(table, STYLE_NONE, "%s", get_text(bucket, "id"));
	table_cell(table, STYLE_NONE, "%s", human_count(get_int(bucket, "file_count")).text);
	table_cell(table, STYLE_NONE, "%s", human_size(get_int(bucket, "total_size")).text);
	table_cell(table, STYLE_NONE, "%s", human_age(get_string(bucket, "expires_at")).text);
	table_cell(table, STYLE_NONE, "%s", human_age(get_string(bucket, "last_used_at")).text);
	table_cell(table, STYLE_NONE, "%s", get_text(bucket, "owner"));
	table_cell(table, STYLE_NONE, "%s", get_text(bucket, "name"));
}

static int bucket_list(struct ctl *ctl, const struct args *args)
{
	static const struct column columns[] = {
		{"ID"},      {"FILES", COLUMN_RIGHT}, {"SIZE", COLUMN_RIGHT},
		{"EXPIRES"}, {"LAST USED"},           {"OWNER", COLUMN_FLEX},
		{"NAME"},
	};
	static const struct listing listing = {"buckets", "buckets", NULL, columns, COUNT(columns), list_row};
	_cleanup_params_ struct params params;
	struct call call = {.what = "list buckets", .method = REMOTE "ListBuckets", .params = &params};

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_true(&params, "include_expired", args_has(args, "include-expired"));
	return listing_run(ctl, args, &listing, &call, NULL);
}

static void show_bucket(struct ctl *ctl, struct json_object *bucket)
{
	const char *expires = get_string(bucket, "expires_at");

	out_field(ctl, STYLE_NONE, "Bucket", "%s", get_text(bucket, "id"));
	out_field(ctl, STYLE_NONE, "Name", "%s", get_text(bucket, "name"));
	if (has(bucket, "description"))
		out_field(ctl, STYLE_NONE, "Description", "%s", get_text(bucket, "description"));
	out_field(ctl, STYLE_NONE, "Owner", "%s", get_text(bucket, "owner"));
	out_field(ctl, STYLE_NONE, "Files", "%s, %s", human_count(get_int(bucket, "file_count")).text,
		  human_size(get_int(bucket, "total_size")).text);
	if (has(bucket, "unique_content_count"))
		out_field(ctl, STYLE_NONE, "Contents", "%s different, %s",
			  human_count(get_int(bucket, "unique_content_count")).text,
			  human_size(get_int(bucket, "unique_content_size")).text);
	out_field(ctl, STYLE_NONE, "Created", "%s", human_date(get_string(bucket, "created_at")).text);
	out_field(ctl, STYLE_NONE, "Last used", "%s", human_age(get_string(bucket, "last_used_at")).text);
	if (expires)
		out_field(ctl, STYLE_WARN, human_is_past(expires) ? "Expired" : "Expires", "%s (%s)",
			  human_date(expires).text, human_age(expires).text);
	else
		out_field(ctl, STYLE_NONE, "Expires", "never");
}

static void show_created(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct json_object *bucket = get_object(reply, "bucket");

	if (ctl->quiet)
		out_line(ctl, STYLE_NONE, "%s", get_text(bucket, "id"));
	else
		show_bucket(ctl, bucket);
}

static int bucket_create(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "name", args_word(args, 0));
	params_string(&params, "description", args_value(args, "description"));
	params_string(&params, "expires_in", args_value(args, "expires"));
	code = ctl_call(ctl, "create the bucket", REMOTE "CreateBucket", &params, &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_created, NULL);
}

static void show_info(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	static const struct column columns[] = {{"SIZE", COLUMN_RIGHT}, {"UPDATED"}, {"PATH"}};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));
	size_t n = get_count(reply, "files");

	show_bucket(ctl, get_object(reply, "bucket"));
	if (n == 0)
		return;
	(void)fputc('\n', ctl->to);
	for (size_t i = 0; i < n; i++) {
		struct json_object *file = get_item(reply, "files", i);

		table_cell(table, STYLE_NONE, "%s", human_size(get_int(file, "size")).text);
		table_cell(table, STYLE_NONE, "%s", human_date(get_string(file, "updated_at")).text);
		table_cell(table, STYLE_NONE, "%s", get_text(file, "path"));
	}
	(void)table_print(ctl, table);
	if (get_bool(reply, "has_more_files"))
		out_footer(ctl, "There are more; `cfctl file list` shows them all.");
}

static int bucket_info(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	struct call call = {.what = "show the bucket", .method = REMOTE "GetBucket", .params = &params};
	int code;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_true(&params, "include_files", args_has(args, "files"));
	code = bucket_run(ctl, &call, &params, args_word(args, 0), &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_info, NULL);
}

static const struct option list_options[] = {
	LISTING_OPTIONS,
	{"include-expired", 0, NULL, "also those that have expired"},
	{NULL},
};
static const struct option create_options[] = {
	{"description", 0, "TEXT", "what it is for"},
	{"expires", 0, "WHEN",
	 "never, a time from now (15m, 6h, 7d, 2w) or a date; without it the server decides (7 days)"},
	{NULL},
};
static const struct option info_options[] = {
	{"files", 0, NULL, "also the first 100 files"},
	{NULL},
};

const struct command bucket_commands[] = {
	{"bucket", "list", NULL, "the buckets of the profile",
	 "An administrator sees every bucket of the server. --sort takes name, created_at, expires_at, "
	 "last_used_at or "
	 "total_size.",
	 list_options, bucket_list},
	{"bucket", "create", "NAME", "makes a bucket", "Prints what was made; with --quiet its id alone.",
	 create_options, bucket_create},
	{"bucket", "info", "BUCKET", "one bucket", "BUCKET is an id, or a name that only one bucket has.",
	 info_options, bucket_info},
	{NULL},
};
