/* transfer list, cancel: the uploads and downloads that run in the daemon for its clients. */
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include <inttypes.h>

static void show_transfers(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	static const struct column columns[] = {
		{"ID"},
		{"KIND"},
		{"DONE", COLUMN_RIGHT},
		{"OF", COLUMN_RIGHT},
		{"STARTED"},
		{"PROFILE", COLUMN_SPARE},
		{"PID", COLUMN_RIGHT | COLUMN_SPARE},
		{"BUCKET"},
		{"PATH", COLUMN_PATH},
	};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));

	for (size_t i = 0; i < get_count(reply, "transfers"); i++) {
		struct json_object *t = get_item(reply, "transfers", i),
				   *progress = get_object(t, "progress");

		table_cell(table, STYLE_BOLD, "%s", get_text(t, "id"));
		table_cell(table, STYLE_BUSY, "%s", get_text(t, "kind"));
		table_cell(table, STYLE_NONE, "%s", human_size(get_int(progress, "bytes_done")).text);
		table_cell(table, STYLE_NONE, "%s",
			   has(progress, "bytes_total") ? human_size(get_int(progress, "bytes_total")).text
							: "?");
		table_cell(table, STYLE_NONE, "%s", human_age(get_string(t, "started_at")).text);
		table_cell(table, STYLE_NONE, "%s", get_text(t, "profile"));
		if (has(t, "peer_pid"))
			table_cell(table, STYLE_NONE, "%" PRId64, get_int(t, "peer_pid"));
		else
			table_cell(table, STYLE_NONE, "%s", "");
		table_cell(table, STYLE_NONE, "%s", get_text(t, "bucket"));
		table_cell(table, STYLE_NONE, "%s", get_text(t, "path"));
	}
	(void)table_print(ctl, table);
}

static int transfer_list(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = ctl_call(ctl, "list the transfers", REMOTE "ListTransfers", NULL, &reply);

	if (code != EXIT_OK)
		return code;
	if (!ctl->json && get_count(reply.object, "transfers") == 0)
		out_footer(ctl, "No transfer is running.");
	return out_reply(ctl, &reply, show_transfers, NULL);
}

static int transfer_cancel(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "transfer", args_word(args, 0));
	code = ctl_call(ctl, "cancel the transfer", REMOTE "CancelTransfer", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Cancelled %s.", args_word(args, 0));
	return out_reply(ctl, &reply, NULL, NULL);
}

const struct command transfer_commands[] = {
	{"transfer", "list", NULL, "the uploads and downloads that are running",
	 "Those that somebody asked for, with cfctl or another program; what pairs carry is shown by `cfctl "
	 "sync "
	 "status --watch`.",
	 NULL, transfer_list},
	{"transfer", "cancel", "ID", "ends one of them", "Whoever waits for it gets an error.", NULL,
	 transfer_cancel},
	{NULL},
};
