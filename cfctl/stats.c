/* stats: what the server holds, and for whom. */
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/out.h"

static void show_stats(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	static const struct column columns[] = {{"OWNER", COLUMN_FLEX},
						{"BUCKETS", COLUMN_RIGHT},
						{"FILES", COLUMN_RIGHT},
						{"SIZE", COLUMN_RIGHT}};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));

	out_field(ctl, STYLE_NONE, "Buckets", "%s", human_count(get_int(reply, "total_buckets")).text);
	out_field(ctl, STYLE_NONE, "Files", "%s, %s", human_count(get_int(reply, "total_files")).text,
		  human_size(get_int(reply, "total_size")).text);
	out_field(ctl, STYLE_NONE, "Keys", "%s", human_count(get_int(reply, "total_keys")).text);
	out_field(ctl, STYLE_NONE, "Downloads", "%s", human_count(get_int(reply, "total_downloads")).text);
	if (get_count(reply, "storage_by_owner") == 0)
		return;
	(void)fputc('\n', ctl->to);
	for (size_t i = 0; i < get_count(reply, "storage_by_owner"); i++) {
		struct json_object *owner = get_item(reply, "storage_by_owner", i);

		table_cell(table, STYLE_NONE, "%s", get_text(owner, "owner"));
		table_cell(table, STYLE_NONE, "%s", human_count(get_int(owner, "bucket_count")).text);
		table_cell(table, STYLE_NONE, "%s", human_count(get_int(owner, "file_count")).text);
		table_cell(table, STYLE_NONE, "%s", human_size(get_int(owner, "total_size")).text);
	}
	(void)table_print(ctl, table);
}

static int stats(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	code = ctl_call(ctl, "read the statistics", REMOTE "GetStats", &params, &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_stats, NULL);
}

const struct command stats_commands[] = {
	{"stats", NULL, NULL, "what the server holds, and for whom",
	 "For administrators. The server counts anew every five minutes at the latest.", NULL, stats},
	{NULL},
};
