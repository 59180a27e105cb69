/* login, logout: a server's address and credential, given to the daemon to keep. */
#include "cfctl/ask.h"
#include "cfctl/cmd.h"
#include "cfctl/out.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PROFILE "default"

/* Whether a credential sent there can be read on the way. */
static bool is_exposed(const char *url)
{
	static const char *const safe[] = {"localhost", "127.", "[::1]"};

	if (strncasecmp(url, "http://", 7) != 0)
		return false;
	for (size_t i = 0; i < COUNT(safe); i++)
		if (strncasecmp(url + 7, safe[i], strlen(safe[i])) == 0)
			return false;
	return true;
}

static int get_secret(struct ctl *ctl, const struct args *args, const char *url, struct secret *secret)
{
	_cleanup_free_ char *question = NULL;
	const char *file = args_value(args, "token-file");

	if (args_has(args, "anonymous")) {
		if (file || args_has(args, "auth"))
			return ctl_usage(
				ctl, NULL,
				"--anonymous has no credential: it excludes --token-file and --auth");
		return EXIT_OK;
	}
	if (is_exposed(url))
		ctl_note(ctl, STYLE_WARN,
			 "warning: ", "%s is not encrypted: anyone on the way can read the credential", url);
	if (file)
		return secret_from_file(ctl, file, secret);
	if (asprintf(&question, "Key or token for %s", url) < 0) {
		question = NULL;
		return ctl_no_memory(ctl);
	}
	return secret_from_prompt(ctl, question, secret);
}

static void show_login(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct json_object *profile = get_object(reply, "profile");
	const char *state = get_text(profile, "state");

	if (ctl->quiet)
		return;
	if (strcmp(state, "unverified") == 0)
		out_line(ctl, STYLE_WARN, "Stored for profile %s, without asking %s whether it is right.",
			 get_text(profile, "name"), get_text(profile, "url"));
	else
		out_line(ctl, STYLE_NONE, "Logged in to %s: profile %s, role %s.", get_text(profile, "url"),
			 get_text(profile, "name"), get_text(profile, "role"));
	if (!get_bool(profile, "active"))
		out_line(ctl, STYLE_DIM, "`cfctl profile use %s` makes it the active one.",
			 get_text(profile, "name"));
}

static int login(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_secret_ struct secret secret = {.fd = -1};
	struct call call = {.what = "log in", .method = REMOTE "Login", .params = &params};
	const char *url = args_word(args, 0), *name = args_value(args, "name"), *auth;
	char buffer[32];
	int code;

	params_init(&params);
	if (name && ctl->profile && strcmp(name, ctl->profile) != 0)
		return ctl_usage(ctl, NULL, "--name %s and --profile %s name two profiles", name,
				 ctl->profile);
	code = args_choice(ctl, args, "auth", "api_key admin_key dashboard_token upload_token", buffer,
			   sizeof(buffer), &auth);
	if (code == EXIT_OK)
		code = get_secret(ctl, args, url, &secret);
	if (code != EXIT_OK)
		return code;
	params_string(&params, "profile", name ? name : ctl->profile ? ctl->profile : DEFAULT_PROFILE);
	params_string(&params, "url", url);
	params_string(&params, "auth", auth);
	params_true(&params, "active", args_has(args, "use"));
	if (args_has(args, "no-verify"))
		params_object(&params, "verify", json_object_new_boolean(0));
	if (secret.fd >= 0) {
		params_int(&params, "secret_fd", 0);
		call.fd = secret.fd;
		call.with_fd = true;
	}
	code = ctl_run(ctl, &call, &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_login, NULL);
}

static int logout(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	const char *name = args_word(args, 0) ? args_word(args, 0) : ctl->profile;
	int code;

	params_init(&params);
	params_string(&params, "profile", name);
	code = ctl_call(ctl, "log out", REMOTE "Logout", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Forgot the credential of %s%s.", name ? "profile " : "the active profile",
		 name ? name : "");
	return out_reply(ctl, &reply, NULL, NULL);
}

static const struct option login_options[] = {
	{"name", 0, "NAME", "the profile's name; without it --profile, or else `default`"},
	{"token-file", 0, "FILE",
	 "the credential is the first line of FILE (-: stdin) instead of being asked for"},
	{"auth", 0, "KIND",
	 "api_key, admin_key, dashboard_token or upload_token; without it its form says which"},
	{"use", 0, NULL, "make it the active profile"},
	{"no-verify", 0, NULL, "store the credential without asking the server about it"},
	{"anonymous", 0, NULL, "no credential: what the server shows to anyone"},
	{NULL},
};

const struct command login_commands[] = {
	{"login", NULL, "URL", "stores a server and the credential for it",
	 "The credential is asked for without echo, or comes from --token-file; never from the command line, "
	 "where other "
	 "users could read it. The server is asked first: a credential that it refuses is not stored. (An "
	 "upload token "
	 "cannot be asked about.) The first profile is the active one. An existing profile gets the new "
	 "credential, and "
	 "pairs that waited for it go on.",
	 login_options, login},
	{"logout", NULL, "[NAME]", "forgets the credential of a profile",
	 "The profile stays, with its pairs; they wait until `cfctl login` brings a credential.", NULL,
	 logout},
	{NULL},
};
