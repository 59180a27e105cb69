/* key list, create, usage, delete: API keys of the server, for administrators. */
#include "cfctl/ask.h"
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/listing.h"
#include <stdio.h>

static void list_row(struct table *table, struct json_object *key)
{
	table_cell(table, STYLE_NONE, "%s", get_text(key, "prefix"));
	table_cell(table, STYLE_BOLD, "%s", get_text(key, "name"));
	table_cell(table, STYLE_NONE, "%s", human_count(get_int(key, "bucket_count")).text);
	table_cell(table, STYLE_NONE, "%s", human_count(get_int(key, "file_count")).text);
	table_cell(table, STYLE_NONE, "%s", human_size(get_int(key, "total_size")).text);
	table_cell(table, STYLE_NONE, "%s", human_age(get_string(key, "last_used_at")).text);
	table_cell(table, STYLE_NONE, "%s", human_date(get_string(key, "created_at")).text);
}

static int key_list(struct ctl *ctl, const struct args *args)
{
	static const struct column columns[] = {
		{"PREFIX"},
		{"NAME", COLUMN_FLEX},
		{"BUCKETS", COLUMN_RIGHT},
		{"FILES", COLUMN_RIGHT},
		{"SIZE", COLUMN_RIGHT},
		{"LAST USED"},
		{"CREATED", COLUMN_SPARE},
	};
	static const struct listing listing = {"keys", "keys", NULL, columns, COUNT(columns), list_row};
	_cleanup_params_ struct params params;
	struct call call = {.what = "list the keys", .method = REMOTE "ListApiKeys", .params = &params};

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	return listing_run(ctl, args, &listing, &call, NULL);
}

static void show_created(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	if (ctl->quiet) {
		out_line(ctl, STYLE_NONE, "%s", get_text(reply, "key"));
		return;
	}
	out_field(ctl, STYLE_BOLD, "Key", "%s", get_text(reply, "key"));
	out_field(ctl, STYLE_NONE, "Name", "%s", get_text(reply, "name"));
	out_field(ctl, STYLE_NONE, "Prefix", "%s", get_text(reply, "prefix"));
	ctl_note(ctl, STYLE_NONE, "", "Keep the key: it is not shown again.");
}

static int key_create(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "name", args_word(args, 0));
	code = ctl_call(ctl, "create the key", REMOTE "CreateApiKey", &params, &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_created, NULL);
}

static void show_usage(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	static const struct column columns[] = {
		{"ID"}, {"FILES", COLUMN_RIGHT}, {"SIZE", COLUMN_RIGHT}, {"EXPIRES"}, {"NAME"}};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));
	struct json_object *key = get_object(reply, "key");

	out_field(ctl, STYLE_NONE, "Key", "%s", get_text(key, "prefix"));
	out_field(ctl, STYLE_NONE, "Name", "%s", get_text(key, "name"));
	out_field(ctl, STYLE_NONE, "Created", "%s", human_date(get_string(key, "created_at")).text);
	out_field(ctl, STYLE_NONE, "Last used", "%s", human_age(get_string(key, "last_used_at")).text);
	out_field(ctl, STYLE_NONE, "Buckets", "%s", human_count(get_int(key, "bucket_count")).text);
	out_field(ctl, STYLE_NONE, "Files", "%s, %s", human_count(get_int(key, "file_count")).text,
		  human_size(get_int(key, "total_size")).text);
	out_field(ctl, STYLE_NONE, "Downloads", "%s", human_count(get_int(reply, "total_downloads")).text);
	if (get_count(reply, "buckets") == 0)
		return;
	(void)fputc('\n', ctl->to);
	for (size_t i = 0; i < get_count(reply, "buckets"); i++) {
		struct json_object *bucket = get_item(reply, "buckets", i);

		table_cell(table, STYLE_NONE, "%s", get_text(bucket, "id"));
		table_cell(table, STYLE_NONE, "%s", human_count(get_int(bucket, "file_count")).text);
		table_cell(table, STYLE_NONE, "%s", human_size(get_int(bucket, "total_size")).text);
		table_cell(table, STYLE_NONE, "%s", human_age(get_string(bucket, "expires_at")).text);
		table_cell(table, STYLE_NONE, "%s", get_text(bucket, "name"));
	}
	(void)table_print(ctl, table);
}

static int usage(struct ctl *ctl, const char *prefix, struct reply *ret_reply)
{
	_cleanup_params_ struct params params;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "prefix", prefix);
	return ctl_call(ctl, "look the key up", REMOTE "GetApiKeyUsage", &params, ret_reply);
}

static int key_usage(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = usage(ctl, args_word(args, 0), &reply);

	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_usage, NULL);
}

/* Shows in the question whose key it is. */
static int ask_delete(struct ctl *ctl, const char *prefix)
{
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_free_ char *question = NULL;
	struct json_object *key;
	int code = usage(ctl, prefix, &reply);

	if (code != EXIT_OK)
		return code;
	key = get_object(reply.object, "key");
	if (asprintf(&question, "Delete the key %s (%s, last used: %s) for good?", prefix,
		     get_text(key, "name"), human_age(get_string(key, "last_used_at")).text) < 0) {
		question = NULL;
		return ctl_no_memory(ctl);
	}
	return ctl_confirm(ctl, question);
}

static int key_delete(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	const char *prefix = args_word(args, 0);
	bool yes = args_has(args, "yes");
	int code = ctl_may_ask(ctl, yes, "key delete");

	params_init(&params);
	if (code == EXIT_OK && !yes)
		code = ask_delete(ctl, prefix);
	if (code != EXIT_OK)
		return code;
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "prefix", prefix);
	code = ctl_call(ctl, "delete the key", REMOTE "DeleteApiKey", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Deleted key %s; the server may take it for up to 30 s more.", prefix);
	return out_reply(ctl, &reply, NULL, NULL);
}

static const struct option list_options[] = {LISTING_OPTIONS, {NULL}};
static const struct option delete_options[] = {
	{"yes", 0, NULL, "do not ask"},
	{NULL},
};

const struct command key_commands[] = {
	{"key", "list", NULL, "the API keys of the server",
	 "--sort takes name, created_at, last_used_at or total_size.", list_options, key_list},
	{"key", "create", "NAME", "makes an API key",
	 "The key is shown this once; with --quiet alone. Keys of one name own the same buckets.", NULL,
	 key_create},
	{"key", "usage", "PREFIX", "what one key owns", "PREFIX is what `key list` shows: cf4_ and 8 digits.",
	 NULL, key_usage},
	{"key", "delete", "PREFIX", "takes a key back",
	 "Its buckets stay. Shows whose it is and asks; without a terminal it wants --yes.", delete_options,
	 key_delete},
	{NULL},
};
