/* The statuses of pairs as text. */
#include "cfctl/pairs.h"
#include "cfctl/human.h"
#include <stdio.h>
#include <string.h>

enum style pair_style(const char *state)
{
	static const struct {
		const char *state;
		enum style style;
	} styles[] = {
		{"idle", STYLE_GOOD},        {"syncing", STYLE_BUSY},       {"scanning", STYLE_BUSY},
		{"starting", STYLE_BUSY},    {"error", STYLE_BAD},          {"remote_gone", STYLE_BAD},
		{"root_missing", STYLE_BAD}, {"login_required", STYLE_BAD},
	};

	for (size_t i = 0; i < COUNT(styles); i++)
		if (strcmp(styles[i].state, state) == 0)
			return styles[i].style;
	return STYLE_WARN; /* paused, offline, held, degraded, and what later daemons add */
}

void pair_pending_cell(struct table *table, struct json_object *status)
{
	int64_t files = get_int(status, "files_pending"), bytes = get_int(status, "bytes_pending");

	if (files == 0)
		table_cell(table, STYLE_NONE, "%s", "");
	else if (bytes == 0)
		table_cell(table, STYLE_NONE, "%s", human_count(files).text);
	else
		table_cell(table, STYLE_NONE, "%s (%s)", human_count(files).text, human_size(bytes).text);
}

static const char *directory_of(struct json_object *pairs, const char *name)
{
	for (size_t i = 0; i < get_count(pairs, "pairs"); i++) {
		struct json_object *pair = get_item(pairs, "pairs", i);

		if (strcmp(get_text(pair, "name"), name) == 0)
			return get_text(get_object(pair, "spec"), "local_path");
	}
	return "";
}

void pair_remarks(struct ctl *ctl, struct json_object *s)
{
	const char *name = get_text(s, "name"), *state = get_text(s, "state");
	const char *expires = get_string(s, "bucket_expires_at");
	int64_t held = get_int(s, "deletes_held"), foreign = get_int(s, "foreign_held");
	int64_t skipped = get_int(s, "files_skipped"), errors = get_int(s, "errors");
	int64_t polled = get_int(s, "polled_directories");

	if (has(s, "last_error"))
		out_line(ctl, pair_style(state), "%s: %s", name, get_text(s, "last_error"));
	if (has(s, "paused_until"))
		out_line(ctl, STYLE_WARN, "%s: paused until %s", name,
			 human_date(get_string(s, "paused_until")).text);
	if (held > 0)
		out_line(ctl, STYLE_WARN, "%s: %s held %s for a word: cfctl sync held %s", name,
			 human_count(held).text, held == 1 ? "deletion waits" : "deletions wait", name);
	if (foreign > 0)
		out_line(ctl, STYLE_WARN, "%s: %s %s there by someone else: cfctl sync held %s", name,
			 human_count(foreign).text, foreign == 1 ? "file was put" : "files were put", name);
	if (get_int(s, "conflicts") > 0)
		out_line(ctl, STYLE_WARN, "%s: %s in conflict", name,
			 human_count(get_int(s, "conflicts")).text);
	if (skipped > 0)
		out_line(ctl, STYLE_DIM, "%s: %s skipped: cfctl sync skipped %s", name,
			 human_count(skipped).text, name);
	if (errors > 0)
		out_line(ctl, STYLE_WARN, "%s: %s failed: cfctl sync skipped %s, cfctl sync history %s", name,
			 human_count(errors).text, name, name);
	if (polled > 0 && !strstr(get_text(s, "last_error"), "max_user_watches"))
		out_line(ctl, STYLE_WARN,
			 "%s: the watch limit is reached, %s of %s directories are polled: "
			 "sysctl fs.inotify.max_user_watches=524288",
			 name, human_count(polled).text,
			 human_count(polled + get_int(s, "watched_directories")).text);
	/* Once it is near, or past, last_error says so, with the same date. */
	if (expires && strcmp(state, "remote_gone") != 0 && !strstr(get_text(s, "last_error"), expires))
		out_line(ctl, STYLE_WARN, "%s: the bucket %s %s (%s)", name,
			 human_is_past(expires) ? "expired" : "expires", human_age(expires).text,
			 human_date(expires).text);
}

void pairs_show(struct ctl *ctl, struct json_object *statuses, struct json_object *pairs)
{
	static const struct column columns[] = {
		{"PAIR"},
		{"STATE"},
		{"FILES", COLUMN_RIGHT},
		{"SIZE", COLUMN_RIGHT | COLUMN_SPARE},
		{"PENDING", COLUMN_RIGHT},
		{"RATE", COLUMN_RIGHT | COLUMN_SPARE},
		{"LAST SYNC", COLUMN_SPARE},
		{"DIRECTORY", COLUMN_PATH | COLUMN_SPARE},
	};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));
	size_t n = get_count(statuses, "statuses");

	for (size_t i = 0; i < n; i++) {
		struct json_object *s = get_item(statuses, "statuses", i);
		const char *state = get_text(s, "state");
		int64_t rate = get_int(s, "bytes_per_second"), pending = get_int(s, "files_pending");

		table_cell(table, STYLE_BOLD, "%s", get_text(s, "name"));
		table_cell(table, pair_style(state), "%s", state);
		table_cell(table, STYLE_NONE, "%s", human_count(get_int(s, "files_total")).text);
		table_cell(table, STYLE_NONE, "%s", human_size(get_int(s, "bytes_total")).text);
		pair_pending_cell(table, s);
		table_cell(table, STYLE_NONE, "%s", rate > 0 && pending > 0 ? human_rate(rate).text : "");
		table_cell(table, STYLE_NONE, "%s", human_age(get_string(s, "last_sync_at")).text);
		table_cell(table, STYLE_NONE, "%s", directory_of(pairs, get_text(s, "name")));
	}
	(void)table_print(ctl, table);
	for (size_t i = 0; i < n; i++)
		pair_remarks(ctl, get_item(statuses, "statuses", i));
}

int pairs_exit_code(struct json_object *statuses)
{
	for (size_t i = 0; i < get_count(statuses, "statuses"); i++)
		if (!get_bool(get_item(statuses, "statuses", i), "in_sync"))
			return EXIT_NOT_IN_SYNC;
	return EXIT_OK;
}

int pairs_list(struct ctl *ctl, struct reply *ret_reply)
{
	_cleanup_params_ struct params params;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	return ctl_call(ctl, "list the pairs", SYNC "List", &params, ret_reply);
}

int pairs_status(struct ctl *ctl, const char *name, struct reply *ret_reply)
{
	_cleanup_params_ struct params params;

	params_init(&params);
	params_string(&params, "name", name);
	return ctl_call(ctl, "ask for the status", SYNC "GetStatus", &params, ret_reply);
}
