/* sync add: a directory and the bucket it is kept in. */
#include "cfctl/ask.h"
#include "cfctl/bucket.h"
#include "cfctl/cmd.h"
#include "cfctl/path.h"
#include "cfctl/sync_plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int add_numbers(struct ctl *ctl, const struct args *args, struct params *spec)
{
	static const struct {
		const char *option, *field;
		int64_t max;
	} numbers[] = {
		{"max-deletes", "max_deletes", INT64_MAX},
		{"max-delete-percent", "max_delete_percent", 100},
		{"settle-ms", "settle_ms", INT64_MAX},
	};

	for (size_t i = 0; i < COUNT(numbers); i++) {
		int64_t n = -1;
		int code = args_int(ctl, args, numbers[i].option, 0, numbers[i].max, &n);

		if (code != EXIT_OK)
			return code;
		if (n >= 0)
			params_int(spec, numbers[i].field, n);
	}
	return EXIT_OK;
}

static int add_patterns(struct ctl *ctl, const struct args *args, const char *option, struct params *spec)
{
	_cleanup_free_ const char **patterns = NULL;
	size_t n = args_values(args, option, NULL, 0);

	if (n == 0)
		return EXIT_OK;
	patterns = calloc(n, sizeof(*patterns));
	if (!patterns)
		return ctl_no_memory(ctl);
	(void)args_values(args, option, patterns, n);
	params_strings(spec, option, patterns, n);
	return EXIT_OK;
}

/* Everything of the Spec but the bucket. */
static int make_spec(struct ctl *ctl, const struct args *args, struct params *spec)
{
	_cleanup_free_ char *directory = path_absolute(args_word(args, 0), true);
	const char *mode, *foreign;
	char mode_buffer[16], foreign_buffer[16];
	int code = args_choice(ctl, args, "mode", "mirror backup pull two_way", mode_buffer,
			       sizeof(mode_buffer), &mode);

	if (code == EXIT_OK)
		code = args_choice(ctl, args, "foreign", "hold remove", foreign_buffer,
				   sizeof(foreign_buffer), &foreign);
	if (code == EXIT_OK)
		code = add_numbers(ctl, args, spec);
	if (code == EXIT_OK)
		code = add_patterns(ctl, args, "exclude", spec);
	if (code == EXIT_OK)
		code = add_patterns(ctl, args, "include", spec);
	if (code != EXIT_OK)
		return code;
	if (!directory)
		return ctl_no_memory(ctl);
	params_string(spec, "local_path", directory);
	params_string(spec, "mode", mode ? mode : "mirror");
	params_string(spec, "name", args_value(args, "name"));
	params_string(spec, "profile", ctl->profile);
	params_string(spec, "remote_prefix", args_value(args, "prefix"));
	params_string(spec, "foreign", foreign);
	params_true(spec, "secrets", args_has(args, "secrets"));
	return EXIT_OK;
}

void sync_warnings(struct ctl *ctl, struct json_object *reply)
{
	for (size_t i = 0; i < get_count(reply, "warnings"); i++) {
		const char *warning = json_object_get_string(get_item(reply, "warnings", i));

		ctl_note(ctl, STYLE_WARN, "warning: ", "%s", warning ? warning : "");
	}
}

static void show_added(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct json_object *pair = get_object(reply, "pair"), *spec = get_object(pair, "spec");
	const char *name = get_text(pair, "name");

	if (ctl->quiet) {
		out_line(ctl, STYLE_NONE, "%s", name);
		return;
	}
	out_line(ctl, STYLE_NONE, "Pair %s: %s of %s in bucket %s%s%s.", name, get_text(spec, "mode"),
		 get_text(spec, "local_path"), get_text(spec, "bucket"),
		 has(spec, "remote_prefix") ? " below " : "", get_text(spec, "remote_prefix"));
	sync_warnings(ctl, reply);
	if (get_bool(pair, "paused"))
		out_line(ctl, STYLE_DIM, "It is paused; `cfctl sync resume %s` starts it.", name);
	else
		out_line(ctl, STYLE_DIM, "`cfctl sync status %s --watch` shows it at work.", name);
}

static int sync_add(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params, spec;
	_cleanup_reply_ struct reply reply = {0};
	struct call call = {.what = "add the pair", .method = SYNC "Add", .params = &params};
	const char *bucket = args_word(args, 1), *token_file = args_value(args, "upload-token-file");
	bool create = args_has(args, "create");
	int code;

	params_init(&params);
	params_init(&spec);
	code = make_spec(ctl, args, &spec);
	if (code != EXIT_OK)
		return code;
	if (args_has(args, "dry-run")) {
		if (create)
			return ctl_usage(ctl, NULL,
					 "--dry-run with --create has nothing to show: into a new bucket "
					 "every file goes up");
		return sync_plan(ctl, NULL, &spec, bucket);
	}
	if (create)
		params_string(&spec, "bucket", bucket);
	params_move(&params, "spec", &spec);
	params_true(&params, "create_bucket", create);
	params_true(&params, "paused", args_has(args, "paused"));
	if (token_file)
		code = secret_to_params(ctl, token_file, &params, "upload_token");
	if (code != EXIT_OK)
		return code;
	code = create ? ctl_run(ctl, &call, &reply) : bucket_run(ctl, &call, &spec, bucket, &reply);
	secret_wipe_params(&params, "upload_token");
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_added, NULL);
}

static const struct option add_options[] = {
	{"mode", 0, "MODE", "mirror (the default), backup, pull or two-way"},
	{"prefix", 0, "PREFIX", "keep it below this path of the bucket"},
	{"name", 0, "NAME", "the pair's name; without it the directory's"},
	{"create", 0, NULL, "BUCKET is the name of a new bucket that never expires"},
	{"exclude", 0, "PATTERN", "leave these out, as in .gitignore", true},
	{"include", 0, "PATTERN", "take these all the same", true},
	{"max-deletes", 0, "N", "more deletions than this within a minute are held"},
	{"max-delete-percent", 0, "P", "more deletions than this percentage are held"},
	{"foreign", 0, "hold|remove",
	 "what mirror does with files that only someone else put into the bucket"},
	{"settle-ms", 0, "N", "how long a file must be quiet before it goes up"},
	{"secrets", 0, NULL, "carry private keys and the like, too"},
	{"dry-run", 0, NULL, "show what would be done, do nothing"},
	{"paused", 0, NULL, "add it, but do not start it"},
	{"upload-token-file", 0, "FILE",
	 "write with the upload token in FILE (-: stdin) instead of the profile's credential"},
	{NULL},
};

const struct command sync_add_commands[] = {
	{"sync", "add", "DIR BUCKET", "keeps a directory in a bucket from now on",
	 "BUCKET is an id, a name that only one bucket has, or with --create the name of a new one. mirror: "
	 "the bucket "
	 "becomes what the directory is, deletions included; backup: the same, but nothing is ever deleted "
	 "on the server. "
	 "What a first sync would delete there is held until `cfctl sync confirm`. Anyone who knows a "
	 "bucket's id can "
	 "read it.\n"
	 "Options that this daemon does not know yet are refused by it, with the name of the field.",
	 add_options, sync_add},
	{NULL},
};
