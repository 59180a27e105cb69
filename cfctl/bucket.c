/* bucket list, create, info, update, delete, summary. */
#include "cfctl/ask.h"
#include "cfctl/bucket.h"
#include "cfctl/cmd.h"
#include "cfctl/download.h"
#include "cfctl/events.h"
#include "cfctl/human.h"
#include "cfctl/listing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void show_updated(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	if (!ctl->quiet)
		show_bucket(ctl, get_object(reply, "bucket"));
}

static int bucket_update(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params = {0};
	_cleanup_reply_ struct reply reply = {0};
	struct call call = {.what = "change the bucket", .method = REMOTE "UpdateBucket", .params = &params};
	int code;

	if (!args_has(args, "name") && !args_has(args, "description") && !args_has(args, "expires"))
		return ctl_usage(ctl, "At least one of --name, --description and --expires.",
				 "bucket update: what shall be changed?");
	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "name", args_value(args, "name"));
	params_string(&params, "description", args_value(args, "description"));
	params_string(&params, "expires_in", args_value(args, "expires"));
	code = bucket_run(ctl, &call, &params, args_word(args, 0), &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_updated, NULL);
}

/* Shows in the question what would be lost. */
static int ask_delete(struct ctl *ctl, const char *id)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_free_ char *question = NULL;
	struct json_object *bucket;
	int64_t files;
	int code;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "bucket", id);
	code = ctl_call(ctl, "look at the bucket", REMOTE "GetBucket", &params, &reply);
	if (code != EXIT_OK)
		return code;
	bucket = get_object(reply.object, "bucket");
	files = get_int(bucket, "file_count");
	if (asprintf(&question, "Delete the bucket %s (%s) with %s %s, %s, for good?",
		     get_text(bucket, "name"), id, human_count(files).text, files == 1 ? "file" : "files",
		     human_size(get_int(bucket, "total_size")).text) < 0) {
		question = NULL;
		return ctl_no_memory(ctl);
	}
	return ctl_confirm(ctl, question);
}

static int bucket_delete(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_free_ char *id = NULL;
	bool yes = args_has(args, "yes");
	int code = ctl_may_ask(ctl, yes, "bucket delete");

	params_init(&params);
	if (code == EXIT_OK)
		code = bucket_find(ctl, args_word(args, 0), &id);
	if (code == EXIT_OK && !yes)
		code = ask_delete(ctl, id);
	if (code != EXIT_OK)
		return code;
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "bucket", id);
	code = ctl_call(ctl, "delete the bucket", REMOTE "DeleteBucket", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Deleted bucket %s.", args_word(args, 0));
	return out_reply(ctl, &reply, NULL, NULL);
}

/* Lines of the server, passed on one by one so that nothing else gets through. */
static void show_summary(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	out_page(ctl);
	out_lines(ctl, get_text(reply, "summary"));
}

static int bucket_summary(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	struct call call = {
		.what = "summarise the bucket", .method = REMOTE "GetBucketSummary", .params = &params};
	int code;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	code = bucket_run(ctl, &call, &params, args_word(args, 0), &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_summary, NULL);
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
static const struct option update_options[] = {
	{"name", 0, "NAME", "another name"},
	{"description", 0, "TEXT", "another description"},
	{"expires", 0, "WHEN", "never, a time from now (15m, 6h, 7d, 2w) or a date"},
	{NULL},
};
static const struct option delete_options[] = {
	{"yes", 0, NULL, "do not ask"},
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
	{"bucket", "update", "BUCKET", "changes its name, description or end",
	 "What is not named stays as it is. A bucket that has expired and is still there comes back to life.",
	 update_options, bucket_update},
	{"bucket", "delete", "BUCKET", "deletes a bucket with all its files",
	 "Shows what would be lost and asks; without a terminal it wants --yes.", delete_options,
	 bucket_delete},
	{"bucket", "summary", "BUCKET", "what is in it, as the server words it", NULL, NULL, bucket_summary},
	{"bucket", "download", "BUCKET", "all its files as one zip",
	 "The server makes it on the way: it has no size and no hash before it is there.",
	 bucket_download_options, bucket_download},
	{"bucket", "watch", "BUCKET", "what happens to it and its files, live, until interrupted",
	 "As `cfctl events --bucket BUCKET`.", NULL, bucket_watch},
	{NULL},
};
