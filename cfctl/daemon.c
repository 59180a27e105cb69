/* daemon version, reload, metrics, log-level, config. */
#include "cfctl/cmd.h"
#include "cfctl/out.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ["a","b"] -> "a, b"; yours to free. */
static char *joined(struct json_object *object, const char *key)
{
	char *text = strdup("");

	for (size_t i = 0; text && i < get_count(object, key); i++) {
		const char *item = json_object_get_string(get_item(object, key, i));
		char *longer;

		if (asprintf(&longer, "%s%s%s", text, i ? ", " : "", item ? item : "") < 0)
			longer = NULL;
		free(text);
		text = longer;
	}
	return text;
}

static void show_version(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	_cleanup_free_ char *features = joined(reply, "features");

	out_field(ctl, STYLE_NONE, "carbonfilesd", "%s", get_text(reply, "version"));
	if (has(reply, "build"))
		out_field(ctl, STYLE_NONE, "Build", "%s", get_text(reply, "build"));
	out_field(ctl, STYLE_NONE, "Features", "%s", features ? features : "?");
}

static int daemon_version(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = ctl_call(ctl, "ask the daemon", DAEMON "GetVersion", NULL, &reply);

	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_version, NULL);
}

static void show_reload(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	_cleanup_free_ char *changed = joined(reply, "changed"), *restart = joined(reply, "restart_needed");

	if (ctl->quiet)
		return;
	if (get_count(reply, "changed") == 0)
		out_line(ctl, STYLE_NONE, "Nothing has changed.");
	else
		out_line(ctl, STYLE_NONE, "Changed: %s.", changed ? changed : "?");
	if (get_count(reply, "restart_needed") > 0)
		out_line(ctl, STYLE_WARN, "Only after a restart: %s.", restart ? restart : "?");
}

static int daemon_reload(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = ctl_call(ctl, "reload the configuration", DAEMON "Reload", NULL, &reply);

	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_reload, NULL);
}

/* OpenMetrics: lines of ours, passed on one by one so that nothing else gets through. */
static void show_metrics(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	out_page(ctl);
	out_lines(ctl, get_text(reply, "text"));
}

static int daemon_metrics(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0};
	int code = ctl_call(ctl, "read the metrics", DAEMON "GetMetrics", NULL, &reply);

	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_metrics, NULL);
}

static void show_level(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	out_line(ctl, STYLE_NONE, "%s", get_text(reply, "level"));
}

static int daemon_log_level(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	const char *level = args_word(args, 0);
	int64_t seconds = -1;
	int code = args_duration(ctl, args, "for", &seconds);

	params_init(&params);
	if (code != EXIT_OK)
		return code;
	if (!level) {
		if (seconds >= 0)
			return ctl_usage(ctl, NULL, "--for needs a LEVEL");
		code = ctl_call(ctl, "read the log level", DAEMON "GetLogLevel", NULL, &reply);
		return code != EXIT_OK ? code : out_reply(ctl, &reply, show_level, NULL);
	}
	params_string(&params, "level", level);
	if (seconds >= 0)
		params_int(&params, "seconds", seconds);
	code = ctl_call(ctl, "set the log level", DAEMON "SetLogLevel", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "The daemon logs at level %s%s%s.", level, seconds >= 0 ? " for " : "",
		 seconds >= 0 ? args_value(args, "for") : "");
	return out_reply(ctl, &reply, NULL, NULL);
}

static void show_settings(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	static const struct column columns[] = {{"KEY"}, {"VALUE"}, {"NOTE"}, {"FROM"}};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));

	out_page(ctl);
	for (size_t i = 0; i < get_count(reply, "settings"); i++) {
		struct json_object *s = get_item(reply, "settings", i);

		table_cell(table, STYLE_BOLD, "%s", get_text(s, "key"));
		table_cell(table, STYLE_NONE, "%s", get_text(s, "value"));
		table_cell(table, STYLE_DIM, "%s",
			   !get_bool(s, "writable") ? "read only"
			   : get_bool(s, "restart") ? "needs a restart"
						    : "");
		table_cell(table, STYLE_DIM, "%s", get_text(s, "source"));
	}
	(void)table_print(ctl, table);
}

static int config_get(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	if (args->n_words > 0)
		params_strings(&params, "keys", args->words, args->n_words);
	code = ctl_call(ctl, "read the settings", DAEMON "GetConfig", &params, &reply);
	return code != EXIT_OK ? code : out_reply(ctl, &reply, show_settings, NULL);
}

static void show_set(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	_cleanup_free_ char *restart = joined(reply, "restart_needed");

	if (!ctl->quiet && get_count(reply, "restart_needed") > 0)
		out_line(ctl, STYLE_WARN, "Only after a restart: %s.", restart ? restart : "?");
}

static int config_set(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params, values;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_init(&values);
	for (size_t i = 0; i < args->n_words; i++) {
		const char *equals = strchr(args->words[i], '=');
		_cleanup_free_ char *key =
			equals ? strndup(args->words[i], (size_t)(equals - args->words[i])) : NULL;

		if (!equals)
			return ctl_usage(ctl, "Read and set in two calls.", "%s is read, the others are set",
					 args->words[i]);
		if (!key)
			return ctl_no_memory(ctl);
		params_string(&values, key, equals + 1);
	}
	params_move(&params, "values", &values);
	params_true(&params, "persist", args_has(args, "persist"));
	code = ctl_call(ctl, "change the settings", DAEMON "SetConfig", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, args_has(args, "persist") ? "Set, in the configuration file too."
						: "Set until the next restart.");
	return out_reply(ctl, &reply, show_set, NULL);
}

static int daemon_config(struct ctl *ctl, const struct args *args)
{
	for (size_t i = 0; i < args->n_words; i++)
		if (strchr(args->words[i], '='))
			return config_set(ctl, args);
	if (args_has(args, "persist"))
		return ctl_usage(ctl, NULL, "--persist needs a KEY=VALUE");
	return config_get(ctl, args);
}

static const struct option log_level_options[] = {
	{"for", 0, "TIME", "then back to the configured level: 90, 90s, 15m, 2h"},
	{NULL},
};
static const struct option config_options[] = {
	{"persist", 0, NULL, "write it to carbonfilesd.conf, too"},
	{NULL},
};

const struct command daemon_commands[] = {
	{"daemon", "version", NULL, "what runs and what it can", NULL, NULL, daemon_version},
	{"daemon", "reload", NULL, "reads carbonfilesd.conf, profiles and pairs again", "As SIGHUP does.",
	 NULL, daemon_reload},
	{"daemon", "metrics", NULL, "counters and gauges as OpenMetrics text", NULL, NULL, daemon_metrics},
	{"daemon", "log-level", "[LEVEL]", "shows or sets how much is logged",
	 "LEVEL is error, warning, info or debug.", log_level_options, daemon_log_level},
	{"daemon", "config", "[KEY[=VALUE]]...", "shows or changes the settings",
	 "Without a KEY all of them; carbonfilesd.conf(5) says what they mean. KEY=VALUE changes one, until "
	 "the next restart "
	 "unless --persist is given.",
	 config_options, daemon_config},
	{NULL},
};
