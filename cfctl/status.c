/* status, health: the daemon, its profiles and pairs at a glance; the server. */
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/pairs.h"
#include "cfctl/profile.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static void show_daemon(struct ctl *ctl, struct json_object *s)
{
	int64_t started;

	out_field(ctl, STYLE_NONE, "Daemon", "%s, pid %lld, up %s", get_text(s, "state"),
		  (long long)get_int(s, "pid"),
		  human_parse_time(get_text(s, "started_at"), &started) == 0
			  ? human_duration((int64_t)time(NULL) - started).text
			  : "?");
}

/* {"daemon":…,"profiles":…,"statuses":…}: the three replies as they are, in one object. */
static int print_joined(struct ctl *ctl, struct json_object *daemon, struct json_object *profiles,
			struct json_object *statuses)
{
	_cleanup_params_ struct params joined;
	struct json_object *value;
	const char *text;

	params_init(&joined);
	params_object(&joined, "daemon", json_object_get(daemon));
	if (json_object_object_get_ex(profiles, "profiles", &value))
		params_object(&joined, "profiles", json_object_get(value));
	if (json_object_object_get_ex(statuses, "statuses", &value))
		params_object(&joined, "statuses", json_object_get(value));
	text = joined.failed
		       ? NULL
		       : json_object_to_json_string_ext(
				 joined.object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text)
		return ctl_no_memory(ctl);
	out_json_line(ctl, text);
	return EXIT_OK;
}

static int status(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply daemon = {0}, profiles = {0}, statuses = {0}, pairs = {0};
	int code = ctl_call(ctl, "ask the daemon", DAEMON "GetStatus", NULL, &daemon);

	if (code == EXIT_OK)
		code = ctl_call(ctl, "list profiles", REMOTE "ListProfiles", NULL, &profiles);
	if (code == EXIT_OK)
		code = pairs_status(ctl, NULL, &statuses);
	if (code == EXIT_OK && !ctl->json)
		code = pairs_list(ctl, &pairs);
	if (code != EXIT_OK)
		return code;
	if (ctl->json) {
		code = print_joined(ctl, daemon.object, profiles.object, statuses.object);
		return code != EXIT_OK ? code : pairs_exit_code(statuses.object);
	}
	show_daemon(ctl, daemon.object);
	(void)fputc('\n', ctl->to);
	if (get_count(profiles.object, "profiles") == 0)
		out_line(ctl, STYLE_DIM, "No profile yet: `cfctl login URL` makes one.");
	else
		profile_rows(ctl, profiles.object, NULL);
	(void)fputc('\n', ctl->to);
	if (get_count(statuses.object, "statuses") == 0)
		out_line(ctl, STYLE_DIM, "No pair yet: `cfctl sync add DIR BUCKET` makes one.");
	else
		pairs_show(ctl, statuses.object, pairs.object);
	return pairs_exit_code(statuses.object);
}

static void show_health(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	bool good = strcmp(get_text(reply, "status"), "healthy") == 0;

	out_field(ctl, good ? STYLE_GOOD : STYLE_BAD, "Server", "%s", get_text(reply, "status"));
	out_field(ctl, STYLE_NONE, "Database", "%s", get_text(reply, "db"));
	out_field(ctl, STYLE_NONE, "Up", "%s", human_duration(get_int(reply, "uptime_seconds")).text);
	if (has(reply, "latency_ms"))
		out_field(ctl, STYLE_NONE, "Answered in", "%lld ms", (long long)get_int(reply, "latency_ms"));
}

static int health(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	code = ctl_call(ctl, "ask the server", REMOTE "GetHealth", &params, &reply);
	if (code == EXIT_OK)
		code = out_reply(ctl, &reply, show_health, NULL);
	if (code == EXIT_OK && strcmp(get_text(reply.object, "status"), "healthy") != 0)
		code = EXIT_FAILED;
	return code;
}

const struct command status_commands[] = {
	{"status", NULL, NULL, "the daemon, its profiles and pairs at a glance",
	 "Exit status 7 when a pair is not in sync, 0 when all are or there is none. With --json the replies "
	 "of "
	 "daemon.GetStatus, ListProfiles and sync.GetStatus in one object: daemon, profiles, statuses.",
	 NULL, status},
	{NULL},
};
const struct command health_commands[] = {
	{"health", NULL, NULL, "whether the server is well", "Exit status 1 when it says that it is not.",
	 NULL, health},
	{NULL},
};
