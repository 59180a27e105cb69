/* sync list, show, diff, history, skipped, state, ignored: what is known about pairs and paths. */
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include "cfctl/pairs.h"
#include "cfctl/path.h"
#include "cfctl/sync_plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- list, show ---- */

static void show_list(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	static const struct column columns[] = {
		{"PAIR"}, {"MODE"}, {"PROFILE"}, {"BUCKET"}, {"PREFIX"}, {""}, {"DIRECTORY"},
	};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));

	out_page(ctl);
	for (size_t i = 0; i < get_count(reply, "pairs"); i++) {
		struct json_object *pair = get_item(reply, "pairs", i), *spec = get_object(pair, "spec");

		table_cell(table, STYLE_BOLD, "%s", get_text(pair, "name"));
		table_cell(table, STYLE_NONE, "%s", get_text(spec, "mode"));
		table_cell(table, STYLE_NONE, "%s", get_text(spec, "profile"));
		table_cell(table, STYLE_NONE, "%s", get_text(spec, "bucket"));
		table_cell(table, STYLE_NONE, "%s", get_text(spec, "remote_prefix"));
		table_cell(table, STYLE_WARN, "%s", get_bool(pair, "paused") ? "paused" : "");
		table_cell(table, STYLE_NONE, "%s", get_text(spec, "local_path"));
	}
	(void)table_print(ctl, table);
}

static int sync_list(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = pairs_list(ctl, &reply);

	if (code != EXIT_OK)
		return code;
	if (!ctl->json && get_count(reply.object, "pairs") == 0 && ctl->profile)
		out_footer(ctl, "No pair uses the profile %s.", ctl->profile);
	else if (!ctl->json && get_count(reply.object, "pairs") == 0)
		out_footer(ctl, "No pair yet: `cfctl sync add DIR BUCKET` makes one.");
	return out_reply(ctl, &reply, show_list, NULL);
}

/* Every field of the spec, under the name that `sync set` takes. */
static void show_pair(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct json_object *pair = get_object(reply, "pair"), *spec = get_object(pair, "spec");

	out_field(ctl, STYLE_BOLD, "pair", "%s%s", get_text(pair, "name"),
		  get_bool(pair, "paused") ? " (paused)" : "");
	out_field(ctl, STYLE_NONE, "since", "%s", human_date(get_string(pair, "created_at")).text);
	if (!spec)
		return;
	json_object_object_foreach(spec, key, value)
	{
		if (!value || strcmp(key, "name") == 0)
			continue;
		if (!json_object_is_type(value, json_type_array)) {
			out_field(ctl, STYLE_NONE, key, "%s", json_object_get_string(value));
			continue;
		}
		for (size_t i = 0; i < get_count(spec, key); i++)
			out_field(ctl, STYLE_NONE, i == 0 ? key : "", "%s",
				  json_object_get_string(get_item(spec, key, i)));
	}
}

static int sync_show(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "name", args_word(args, 0));
	code = ctl_call(ctl, "show the pair", SYNC "Get", &params, &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_pair, NULL);
}

static int sync_diff(struct ctl *ctl, const struct args *args)
{
	return sync_plan(ctl, args_word(args, 0), NULL, NULL);
}

/* ---- Streams of rows: history, skipped ---- */

struct rows {
	const char *array;
	struct table *table;
	void (*row)(struct table *table, struct json_object *item);
	size_t n;
	int code;
};

static void show_rows(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct rows *rows = userdata;

	for (size_t i = 0; i < get_count(reply, rows->array); i++) {
		out_page(ctl);
		rows->row(rows->table, get_item(reply, rows->array, i));
		rows->n++;
	}
	rows->code = table_print(ctl, rows->table);
}

static int on_rows(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct rows *rows = userdata;
	int code = out_reply(ctl, reply, show_rows, rows);

	return code != EXIT_OK ? code : rows->code;
}

static int run_rows(struct ctl *ctl, struct call *call, struct rows *rows, const char *nothing)
{
	int code;

	if (!rows->table)
		return ctl_no_memory(ctl);
	call->flags = CFIPC_MORE;
	call->on_reply = on_rows;
	call->userdata = rows;
	code = ctl_run(ctl, call, NULL);
	if (code == EXIT_OK && !ctl->json && rows->n == 0)
		out_footer(ctl, "%s", nothing);
	return code;
}

static void history_row(struct table *table, struct json_object *entry)
{
	const char *result = get_text(entry, "result");

	table_cell(table, STYLE_DIM, "%s", human_date(get_string(entry, "at")).text);
	table_cell(table, STYLE_NONE, "%s", get_text(entry, "pair"));
	table_cell(table, STYLE_NONE, "%s", get_text(entry, "action"));
	table_cell(table, strcmp(result, "done") == 0 ? STYLE_GOOD : STYLE_WARN, "%s", result);
	table_cell(table, STYLE_NONE, "%s",
		   has(entry, "size") ? human_size(get_int(entry, "size")).text : "");
	table_cell(table, STYLE_NONE, "%s", get_text(entry, "path"));
	table_cell(table, STYLE_DIM, "%s", get_text(entry, "message"));
}

static int sync_history(struct ctl *ctl, const struct args *args)
{
	static const struct column columns[] = {
		{"WHEN"},
		{"PAIR"},
		{"ACTION"},
		{"RESULT"},
		{"SIZE", COLUMN_RIGHT},
		{"PATH", COLUMN_PATH},
		{"WHY", COLUMN_FLEX},
	};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));
	_cleanup_params_ struct params params;
	_cleanup_free_ char *path = NULL;
	struct rows rows = {.array = "entries", .table = table, .row = history_row};
	struct call call = {.what = "read the history", .method = SYNC "ListHistory", .params = &params};
	int64_t limit = -1;
	int code = args_int(ctl, args, "limit", 1, INT64_MAX, &limit);

	params_init(&params);
	if (code == EXIT_OK && args_word(args, 1))
		code = path_of_pair(ctl, args_word(args, 0), args_word(args, 1), &path);
	if (code != EXIT_OK)
		return code;
	params_string(&params, "name", args_word(args, 0));
	params_string(&params, "path", path);
	if (limit > 0)
		params_int(&params, "limit", limit);
	return run_rows(ctl, &call, &rows, "Nothing has happened yet.");
}

static void skipped_row(struct table *table, struct json_object *item)
{
	table_cell(table, STYLE_WARN, "%s", get_text(item, "reason"));
	table_cell(table, STYLE_NONE, "%s", get_text(item, "path"));
	table_cell(table, STYLE_DIM, "%s", get_text(item, "message"));
}

static int sync_skipped(struct ctl *ctl, const struct args *args)
{
	static const struct column columns[] = {{"REASON"}, {"PATH", COLUMN_PATH}, {"WHY", COLUMN_FLEX}};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));
	_cleanup_params_ struct params params;
	struct rows rows = {.array = "skipped", .table = table, .row = skipped_row};
	struct call call = {.what = "list what is skipped", .method = SYNC "ListSkipped", .params = &params};

	params_init(&params);
	params_string(&params, "name", args_word(args, 0));
	return run_rows(ctl, &call, &rows, "Nothing is skipped.");
}

/* ---- Single paths: state, ignored ---- */

static enum style state_style(const char *state)
{
	if (strcmp(state, "synced") == 0)
		return STYLE_GOOD;
	if (strcmp(state, "pending") == 0)
		return STYLE_BUSY;
	if (strcmp(state, "error") == 0 || strcmp(state, "conflict") == 0)
		return STYLE_BAD;
	return strcmp(state, "none") == 0 || strcmp(state, "ignored") == 0 ? STYLE_DIM : STYLE_WARN;
}

static void show_states(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	static const struct column columns[] = {{"STATE"}, {"PAIR"}, {"PATH"}};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));

	for (size_t i = 0; i < get_count(reply, "states"); i++) {
		struct json_object *s = get_item(reply, "states", i);

		table_cell(table, state_style(get_text(s, "state")), "%s", get_text(s, "state"));
		table_cell(table, STYLE_NONE, "%s", get_text(s, "pair"));
		table_cell(table, STYLE_NONE, "%s", get_text(s, "path"));
	}
	(void)table_print(ctl, table);
}

static int sync_state(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_free_ char **paths = calloc(args->n_words, sizeof(*paths));
	int code = paths ? EXIT_OK : ctl_no_memory(ctl);

	params_init(&params);
	for (size_t i = 0; code == EXIT_OK && i < args->n_words; i++) {
		paths[i] = path_absolute(args->words[i], false);
		if (!paths[i])
			code = ctl_no_memory(ctl);
	}
	if (code == EXIT_OK) {
		params_strings(&params, "paths", (const char *const *)paths, args->n_words);
		code = ctl_call(ctl, "ask for the states", SYNC "GetPathStates", &params, &reply);
	}
	for (size_t i = 0; paths && i < args->n_words; i++)
		free(paths[i]);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_states, NULL);
}

static void show_ignored(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	for (size_t i = 0; i < get_count(reply, "states"); i++) {
		struct json_object *s = get_item(reply, "states", i);
		bool ignored = get_bool(s, "ignored");
		const char *source = get_text(s, "source");

		if (!has(s, "rule"))
			out_line(ctl, STYLE_NONE, "%s: %s", get_text(s, "path"),
				 ignored ? "ignored" : "carried");
		else if (has(s, "line"))
			out_line(ctl, STYLE_NONE, "%s: %s by %s:%lld: %s", get_text(s, "path"),
				 ignored ? "ignored" : "carried", source, (long long)get_int(s, "line"),
				 get_text(s, "rule"));
		else
			out_line(ctl, STYLE_NONE, "%s: %s by %s: %s", get_text(s, "path"),
				 ignored ? "ignored" : "carried", *source ? source : "built-in rule",
				 get_text(s, "rule"));
	}
}

static int sync_ignored(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	size_t n = args->n_words - 1;
	_cleanup_free_ char **paths = calloc(n, sizeof(*paths));
	int code = paths ? EXIT_OK : ctl_no_memory(ctl);

	params_init(&params);
	params_string(&params, "name", args_word(args, 0));
	for (size_t i = 0; code == EXIT_OK && i < n; i++)
		code = path_of_pair(ctl, args_word(args, 0), args_word(args, i + 1), &paths[i]);
	if (code == EXIT_OK) {
		params_strings(&params, "paths", (const char *const *)paths, n);
		code = ctl_call(ctl, "try the rules", SYNC "TestIgnore", &params, &reply);
	}
	for (size_t i = 0; paths && i < n; i++)
		free(paths[i]);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_ignored, NULL);
}

static const struct option history_options[] = {
	{"limit", 0, "N", "the newest N entries only"},
	{NULL},
};

const struct command sync_list_commands[] = {
	{"sync", "list", NULL, "the pairs: which directory is kept where",
	 "With --profile only those of that profile.", NULL, sync_list},
	{"sync", "show", "NAME", "one pair with all its settings", NULL, NULL, sync_show},
	{NULL},
};
const struct command sync_path_commands[] = {
	{"sync", "diff", "NAME", "what the pair would do now, without doing it", NULL, NULL, sync_diff},
	{"sync", "state", "PATH...", "what becomes of local files: synced, pending, ignored, ...",
	 "What a file manager would show as emblems. `none` is outside every pair.", NULL, sync_state},
	{"sync", "skipped", "[NAME]", "paths that cannot be carried, and why", NULL, NULL, sync_skipped},
	{"sync", "ignored", "NAME PATH...", "whether a path is ignored, and by which rule",
	 "PATH is relative to the pair's directory, or absolute. It need not exist.", NULL, sync_ignored},
	{"sync", "history", "[NAME] [PATH]", "what was done, the newest first", NULL, history_options,
	 sync_history},
	{NULL},
};
