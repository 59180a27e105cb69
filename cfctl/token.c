/* token upload, dashboard, info: credentials that end by themselves. */
#include "cfctl/ask.h"
#include "cfctl/bucket.h"
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include <inttypes.h>

static void show_token(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	const char *expires = get_text(reply, "expires_at");

	if (ctl->quiet) {
		out_line(ctl, STYLE_NONE, "%s", get_text(reply, "token"));
		return;
	}
	out_field(ctl, STYLE_BOLD, "Token", "%s", get_text(reply, "token"));
	if (has(reply, "bucket"))
		out_field(ctl, STYLE_NONE, "Bucket", "%s", get_text(reply, "bucket"));
	out_field(ctl, STYLE_NONE, "Expires", "%s (%s)", human_date(expires).text, human_age(expires).text);
	if (has(reply, "max_uploads"))
		out_field(ctl, STYLE_NONE, "Uploads", "%s", human_count(get_int(reply, "max_uploads")).text);
	else if (has(reply, "uploads_used"))
		out_field(ctl, STYLE_NONE, "Uploads", "any number");
	ctl_note(ctl, STYLE_NONE, "", "Keep the token: it is not shown again.");
}

static int token_upload(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	struct call call = {
		.what = "create the token", .method = REMOTE "CreateUploadToken", .params = &params};
	int64_t max = -1;
	int code = args_int(ctl, args, "max-uploads", 1, INT32_MAX, &max);

	params_init(&params);
	if (code != EXIT_OK)
		return code;
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "expires_in", args_value(args, "expires"));
	if (max >= 0)
		params_int(&params, "max_uploads", max);
	code = bucket_run(ctl, &call, &params, args_word(args, 0), &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_token, NULL);
}

static int token_dashboard(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "expires_in", args_value(args, "expires"));
	code = ctl_call(ctl, "create the token", REMOTE "CreateDashboardToken", &params, &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_token, NULL);
}

static void show_info(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	const char *expires = get_text(reply, "expires_at");

	out_field(ctl, STYLE_NONE, "Scope", "%s", get_text(reply, "scope"));
	out_field(ctl, STYLE_NONE, "Expires", "%s (%s)", human_date(expires).text, human_age(expires).text);
}

static int token_info(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	const char *file = args_value(args, "token-file");
	int code = EXIT_OK;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	if (file)
		code = secret_to_params(ctl, file, &params, "token");
	if (code == EXIT_OK)
		code = ctl_call(ctl, "look at the token", REMOTE "GetDashboardToken", &params, &reply);
	secret_wipe_params(&params, "token");
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_info, NULL);
}

static const struct option upload_options[] = {
	{"expires", 0, "WHEN", "a time from now (15m, 6h, 7d, 2w) or a date; without it a day"},
	{"max-uploads", 0, "N", "good for so many files"},
	{NULL},
};
static const struct option dashboard_options[] = {
	{"expires", 0, "WHEN", "a time from now, at most 24h; without it an hour"},
	{NULL},
};
static const struct option info_options[] = {
	{"token-file", 0, "FILE",
	 "the token is the first line of FILE (-: stdin) instead of the profile's credential"},
	{NULL},
};

const struct command token_commands[] = {
	{"token", "upload", "BUCKET", "makes a token that may upload into a bucket",
	 "For people without a key: `cfctl file upload --upload-token-file` uses one. It is shown this once; "
	 "with "
	 "--quiet alone. The server has no way to take it back.",
	 upload_options, token_upload},
	{"token", "dashboard", NULL, "makes an administrator's token for the dashboard",
	 "For administrators. It is shown this once; with --quiet alone, and cannot be taken back.",
	 dashboard_options, token_dashboard},
	{"token", "info", NULL, "what a dashboard token may do, and how long",
	 "Of --token-file, or of the profile's credential if that is one.", info_options, token_info},
	{NULL},
};
