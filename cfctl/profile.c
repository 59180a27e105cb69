/* profile list, show, use, rename, remove. */
#include "cfctl/profile.h"
#include "cfctl/cmd.h"
#include <string.h>

enum style profile_style(const char *state)
{
	if (strcmp(state, "ready") == 0)
		return STYLE_GOOD;
	if (strcmp(state, "login_required") == 0)
		return STYLE_BAD;
	return STYLE_WARN;
}

void profile_rows(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	static const struct column columns[] = {
		{""},
		{"PROFILE"},
		{"URL", COLUMN_FLEX},
		{"CREDENTIAL", COLUMN_SPARE},
		{"ROLE", COLUMN_SPARE},
		{"STATE"},
		{"PROBLEM", COLUMN_FLEX},
	};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));

	for (size_t i = 0; i < get_count(reply, "profiles"); i++) {
		struct json_object *p = get_item(reply, "profiles", i);

		table_cell(table, STYLE_GOOD, "%s", get_bool(p, "active") ? "*" : "");
		table_cell(table, STYLE_BOLD, "%s", get_text(p, "name"));
		table_cell(table, STYLE_NONE, "%s", get_text(p, "url"));
		table_cell(table, STYLE_NONE, "%s", get_text(p, "auth"));
		table_cell(table, STYLE_NONE, "%s", get_text(p, "role"));
		table_cell(table, profile_style(get_text(p, "state")), "%s", get_text(p, "state"));
		table_cell(table, STYLE_WARN, "%s", get_text(p, "last_error"));
	}
	(void)table_print(ctl, table);
}

static int profile_list(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = ctl_call(ctl, "list profiles", REMOTE "ListProfiles", NULL, &reply);

	if (code != EXIT_OK)
		return code;
	if (!ctl->json && get_count(reply.object, "profiles") == 0)
		out_footer(ctl, "No profile yet: `cfctl login URL` makes one.");
	return out_reply(ctl, &reply, profile_rows, NULL);
}

static void show_profile(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct json_object *p = get_object(reply, "profile");
	const char *prefix = get_string(p, "key_prefix"), *state = get_text(p, "state");

	out_field(ctl, STYLE_BOLD, "Profile", "%s%s", get_text(p, "name"),
		  get_bool(p, "active") ? " (active)" : "");
	out_field(ctl, STYLE_NONE, "URL", "%s", get_text(p, "url"));
	out_field(ctl, STYLE_NONE, "Credential", "%s%s%s", get_text(p, "auth"), prefix ? " " : "",
		  prefix ? prefix : "");
	out_field(ctl, STYLE_NONE, "Role", "%s", get_text(p, "role"));
	out_field(ctl, profile_style(state), "State", "%s", state);
	if (has(p, "hub"))
		out_field(ctl, STYLE_NONE, "Events", "%s", get_text(p, "hub"));
	if (has(p, "last_error"))
		out_field(ctl, STYLE_WARN, "Problem", "%s", get_text(p, "last_error"));
}

static int profile_show(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "name", args_word(args, 0) ? args_word(args, 0) : ctl->profile);
	code = ctl_call(ctl, "show the profile", REMOTE "GetProfile", &params, &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_profile, NULL);
}

static int profile_use(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "name", args_word(args, 0));
	params_true(&params, "active", true);
	code = ctl_call(ctl, "use the profile", REMOTE "SetProfile", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "%s is the active profile.", args_word(args, 0));
	return out_reply(ctl, &reply, NULL, NULL);
}

static int profile_rename(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "name", args_word(args, 0));
	params_string(&params, "new_name", args_word(args, 1));
	code = ctl_call(ctl, "rename the profile", REMOTE "SetProfile", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Profile %s is now named %s.", args_word(args, 0), args_word(args, 1));
	return out_reply(ctl, &reply, NULL, NULL);
}

static int profile_remove(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "name", args_word(args, 0));
	code = ctl_call(ctl, "remove the profile", REMOTE "RemoveProfile", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Removed profile %s.", args_word(args, 0));
	return out_reply(ctl, &reply, NULL, NULL);
}

const struct command profile_commands[] = {
	{"profile", "list", NULL, "the servers that are known here", "* marks the active one.", NULL,
	 profile_list},
	{"profile", "show", "[NAME]", "one of them, or the active one", NULL, NULL, profile_show},
	{"profile", "use", "NAME", "makes it the active one, which commands without --profile use", NULL,
	 NULL, profile_use},
	{"profile", "rename", "NAME NEW", "gives it another name", NULL, NULL, profile_rename},
	{"profile", "remove", "NAME", "forgets a profile and its credential", "Refused while a pair uses it.",
	 NULL, profile_remove},
	{NULL},
};
