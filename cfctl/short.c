/* short resolve, delete: the short URLs that every file has. */
#include "cfctl/ask.h"
#include "cfctl/cmd.h"
#include "cfctl/out.h"
#include <stdio.h>
#include <string.h>

/* "https://files.example.org/s/Ab12Cd" -> "Ab12Cd". */
static const char *code_of(const char *word)
{
	const char *slash = strrchr(word, '/');

	return slash && slash[1] ? slash + 1 : word;
}

static void show_resolved(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	if (ctl->quiet) {
		out_line(ctl, STYLE_NONE, "%s", get_text(reply, "url"));
		return;
	}
	out_field(ctl, STYLE_NONE, "Bucket", "%s", get_text(reply, "bucket"));
	out_field(ctl, STYLE_NONE, "Path", "%s", get_text(reply, "path"));
	out_field(ctl, STYLE_NONE, "URL", "%s", get_text(reply, "url"));
}

static int short_call(struct ctl *ctl, const char *what, const char *method, const char *word,
		      struct reply *ret_reply)
{
	_cleanup_params_ struct params params;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "code", code_of(word));
	return ctl_call(ctl, what, method, &params, ret_reply);
}

static int short_resolve(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = short_call(ctl, "resolve the short URL", REMOTE "ResolveShortUrl", args_word(args, 0),
			      &reply);

	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_resolved, NULL);
}

/* Shows in the question what it leads to. */
static int ask_delete(struct ctl *ctl, const char *word)
{
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_free_ char *question = NULL;
	int code = short_call(ctl, "resolve the short URL", REMOTE "ResolveShortUrl", word, &reply);

	if (code != EXIT_OK)
		return code;
	if (asprintf(&question, "Delete the short URL %s of %s in bucket %s for good?", code_of(word),
		     get_text(reply.object, "path"), get_text(reply.object, "bucket")) < 0) {
		question = NULL;
		return ctl_no_memory(ctl);
	}
	return ctl_confirm(ctl, question);
}

static int short_delete(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	bool yes = args_has(args, "yes");
	int code = ctl_may_ask(ctl, yes, "short delete");

	if (code == EXIT_OK && !yes)
		code = ask_delete(ctl, args_word(args, 0));
	if (code == EXIT_OK)
		code = short_call(ctl, "delete the short URL", REMOTE "DeleteShortUrl", args_word(args, 0),
				  &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Deleted the short URL %s; the file stays.", code_of(args_word(args, 0)));
	return out_reply(ctl, &reply, NULL, NULL);
}

static const struct option delete_options[] = {
	{"yes", 0, NULL, "do not ask"},
	{NULL},
};

const struct command short_commands[] = {
	{"short", "resolve", "CODE", "which file a short URL leads to",
	 "CODE is the code, or the whole short URL. It is looked up, not followed; with --quiet the URL of "
	 "the file "
	 "alone.",
	 NULL, short_resolve},
	{"short", "delete", "CODE", "takes a short URL away; the file stays",
	 "Shows the file and asks; without a terminal it wants --yes.", delete_options, short_delete},
	{NULL},
};
