/* What a pair would do, action by action, and the totals. */
#include "cfctl/sync_plan.h"
#include "cfctl/bucket.h"
#include "cfctl/human.h"
#include <stdio.h>
#include <string.h>

/* Rows are printed in runs: the first sets the widths, and a plan of a million files needs no more memory. */
#define PLAN_RUN 1000

struct plan {
	struct table *table;
	size_t rows;
	int code;
};

static enum style action_style(const char *action)
{
	if (strncmp(action, "delete", 6) == 0)
		return STYLE_BAD;
	if (strcmp(action, "conflict") == 0 || strcmp(action, "skip") == 0)
		return STYLE_WARN;
	return STYLE_GOOD;
}

static void show_totals(struct ctl *ctl, struct plan *plan, struct json_object *reply)
{
	plan->code = table_print(ctl, plan->table);
	if (ctl->quiet)
		return;
	if (get_int(reply, "uploads") + get_int(reply, "downloads") + get_int(reply, "deletes") +
		    get_int(reply, "conflicts") ==
	    0) {
		out_line(ctl, STYLE_NONE, "Nothing to do: both sides are as they should be.");
		return;
	}
	out_line(ctl, STYLE_BOLD, "%s to upload (%s), %s to download, %s to delete, %s in conflict",
		 human_count(get_int(reply, "uploads")).text, human_size(get_int(reply, "bytes")).text,
		 human_count(get_int(reply, "downloads")).text, human_count(get_int(reply, "deletes")).text,
		 human_count(get_int(reply, "conflicts")).text);
}

static void show_action(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct plan *plan = userdata;
	struct json_object *action = get_object(reply, "action");
	const char *name = get_text(action, "action");

	out_page(ctl);
	if (!action) {
		show_totals(ctl, plan, reply);
		return;
	}
	table_cell(plan->table, action_style(name), "%s", name);
	table_cell(plan->table, STYLE_NONE, "%s",
		   has(action, "size") ? human_size(get_int(action, "size")).text : "");
	table_cell(plan->table, STYLE_DIM, "%s", get_text(action, "reason"));
	table_cell(plan->table, STYLE_NONE, "%s", get_text(action, "path"));
	if (++plan->rows < PLAN_RUN)
		return;
	plan->rows = 0;
	plan->code = table_print(ctl, plan->table);
}

static int on_plan(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct plan *plan = userdata;
	int code = out_reply(ctl, reply, show_action, plan);

	return code != EXIT_OK ? code : plan->code;
}

int sync_plan(struct ctl *ctl, const char *name, struct params *spec, const char *bucket)
{
	static const struct column columns[] = {{"ACTION"}, {"SIZE", COLUMN_RIGHT}, {"REASON"}, {"PATH"}};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));
	_cleanup_params_ struct params params;
	struct plan plan = {.table = table};
	struct call call = {
		.what = "make the plan",
		.method = SYNC "Plan",
		.params = &params,
		.flags = CFIPC_MORE,
		.on_reply = on_plan,
		.userdata = &plan,
	};

	params_init(&params);
	params_string(&params, "name", name);
	if (!spec)
		return ctl_run(ctl, &call, NULL);
	params_move(&params, "spec", spec);
	return bucket_run(ctl, &call, spec, bucket, NULL);
}
