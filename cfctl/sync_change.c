/* sync rescan, pause, resume, set, adopt, remove: what changes a pair. */
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include "cfctl/path.h"
#include "cfctl/sync_plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rescan, pause, resume, remove ---- */

static int sync_rescan(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_free_ char *path = NULL;
	const char *name = args_word(args, 0);
	int code = EXIT_OK;

	params_init(&params);
	if (args_word(args, 1))
		code = path_of_pair(ctl, name, args_word(args, 1), &path);
	if (code != EXIT_OK)
		return code;
	params_string(&params, "name", name);
	params_string(&params, "path", path);
	params_true(&params, "verify_hashes", args_has(args, "verify"));
	code = ctl_call(ctl, "rescan", SYNC "Rescan", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "A rescan of %s%s%s is queued; `cfctl sync wait %s` waits for it.", path ? path : "",
		 path ? " in " : "", name, name);
	return out_reply(ctl, &reply, NULL, NULL);
}

static int sync_pause(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	const char *name = args_word(args, 0);
	int64_t seconds = -1;
	int code = args_duration(ctl, args, "for", &seconds);

	params_init(&params);
	if (code != EXIT_OK)
		return code;
	params_string(&params, "name", name);
	if (seconds >= 0)
		params_int(&params, "seconds", seconds);
	code = ctl_call(ctl, "pause", SYNC "Pause", &params, &reply);
	if (code != EXIT_OK)
		return code;
	if (seconds >= 0)
		out_done(ctl, "Paused %s for %s.", name ? name : "every pair", human_duration(seconds).text);
	else
		out_done(ctl, "Paused %s until `cfctl sync resume`.", name ? name : "every pair");
	return out_reply(ctl, &reply, NULL, NULL);
}

static int sync_resume(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	const char *name = args_word(args, 0);
	int code;

	params_init(&params);
	params_string(&params, "name", name);
	code = ctl_call(ctl, "resume", SYNC "Resume", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Resumed %s.", name ? name : "every pair");
	return out_reply(ctl, &reply, NULL, NULL);
}

static int sync_remove(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_string(&params, "name", args_word(args, 0));
	code = ctl_call(ctl, "remove the pair", SYNC "Remove", &params, &reply);
	if (code != EXIT_OK)
		return code;
	out_done(ctl, "Removed pair %s. The files stay as they are, here and on the server.",
		 args_word(args, 0));
	return out_reply(ctl, &reply, NULL, NULL);
}

/* ---- set, adopt ---- */

enum value_type { VALUE_STRING, VALUE_PATH, VALUE_NUMBER, VALUE_SIZE, VALUE_BOOL, VALUE_LIST };

static const struct key {
	const char *name;
	enum value_type type;
} keys[] = {
	{"name", VALUE_STRING},
	{"profile", VALUE_STRING},
	{"bucket", VALUE_STRING},
	{"remote_prefix", VALUE_STRING},
	{"local_path", VALUE_PATH},
	{"mode", VALUE_STRING},
	{"conflicts", VALUE_STRING},
	{"include", VALUE_LIST},
	{"exclude", VALUE_LIST},
	{"max_deletes", VALUE_NUMBER},
	{"max_delete_percent", VALUE_NUMBER},
	{"upload_limit", VALUE_STRING},
	{"download_limit", VALUE_STRING},
	{"rescan_seconds", VALUE_NUMBER},
	{"foreign", VALUE_STRING},
	{"settle_ms", VALUE_NUMBER},
	{"rescue_bytes", VALUE_SIZE},
	{"secrets", VALUE_BOOL},
};

static int find_key(struct ctl *ctl, const char *word, size_t length, const struct key **ret_key)
{
	_cleanup_free_ char *name = strndup(word, length);
	const char *names[COUNT(keys)], *near;
	char hint[256] = "";
	size_t n = 0;

	if (!name)
		return ctl_no_memory(ctl);
	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	for (size_t i = 0; i < COUNT(keys); i++) {
		if (strcmp(keys[i].name, name) == 0) {
			*ret_key = &keys[i];
			return EXIT_OK;
		}
		names[n++] = keys[i].name;
	}
	near = suggest(name, names, n);
	if (near)
		(void)snprintf(hint, sizeof(hint), "Did you mean %s?", near);
	else
		(void)snprintf(hint, sizeof(hint), "`cfctl sync set --help` lists the keys.");
	return ctl_usage(ctl, hint, "a pair has no setting %s", name);
}

/* -1 or nothing: back to the default. */
static int set_number(struct ctl *ctl, struct params *changes, const struct key *key, const char *value)
{
	int64_t n = -1;
	int r = 0;

	if (*value != '\0' && strcmp(value, "-1") != 0)
		r = human_parse_size(value, &n);
	if (r == 0 && key->type == VALUE_NUMBER && value[strspn(value, "-0123456789")] != '\0')
		r = -1;
	if (r < 0)
		return ctl_usage(ctl, NULL, "%s is a number%s, or -1 for the default; not %s", key->name,
				 key->type == VALUE_SIZE ? " of bytes (4096, 512K, 1G)" : "", value);
	params_int(changes, key->name, n);
	return EXIT_OK;
}

static int set_bool(struct ctl *ctl, struct params *changes, const struct key *key, const char *value)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < COUNT(words); i++) {
		if (strcasecmp(words[i], value) == 0) {
			params_object(changes, key->name, json_object_new_boolean(i % 2 == 1));
			return EXIT_OK;
		}
	}
	return ctl_usage(ctl, NULL, "%s is yes or no, not %s", key->name, value);
}

/* A list grows with every KEY=VALUE of its key; an empty value is the empty list. */
static int set_list(struct ctl *ctl, struct params *changes, const struct key *key, const char *value)
{
	struct json_object *list, *item;

	if (!json_object_object_get_ex(changes->object, key->name, &list)) {
		list = json_object_new_array();
		params_object(changes, key->name, list);
	}
	if (changes->failed || *value == '\0')
		return EXIT_OK;
	item = json_object_new_string(value);
	changes->not_utf8 |= !path_is_utf8(value);
	if (!item || json_object_array_add(list, item) < 0) {
		json_object_put(item);
		changes->failed = true;
	}
	return EXIT_OK;
}

static int set_one(struct ctl *ctl, struct params *changes, const char *word)
{
	const char *equals = strchr(word, '='), *value;
	_cleanup_free_ char *path = NULL, *text = NULL;
	const struct key *key = NULL;
	int code;

	if (!equals)
		return ctl_usage(ctl, "Say KEY=VALUE; `cfctl sync show NAME` shows what is set.",
				 "%s has no value", word);
	code = find_key(ctl, word, (size_t)(equals - word), &key);
	if (code != EXIT_OK)
		return code;
	value = equals + 1;
	switch (key->type) {
	case VALUE_NUMBER:
	case VALUE_SIZE: return set_number(ctl, changes, key, value);
	case VALUE_BOOL: return set_bool(ctl, changes, key, value);
	case VALUE_LIST: return set_list(ctl, changes, key, value);
	case VALUE_PATH:
		path = path_absolute(value, true);
		if (!path)
			return ctl_no_memory(ctl);
		params_string(changes, key->name, path);
		return EXIT_OK;
	case VALUE_STRING: break;
	}
	/* The words of the interface have no '-': two-way, keep-local. */
	text = strdup(value);
	if (!text)
		return ctl_no_memory(ctl);
	if (strcmp(key->name, "mode") == 0 || strcmp(key->name, "conflicts") == 0)
		for (char *c = text; *c; c++)
			if (*c == '-')
				*c = '_';
	params_string(changes, key->name, text);
	return EXIT_OK;
}

static void show_updated(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	sync_warnings(ctl, reply);
}

static int update(struct ctl *ctl, const char *what, struct params *params, struct reply *ret_reply)
{
	int code = ctl_call(ctl, what, SYNC "Update", params, ret_reply);

	return code != EXIT_OK ? code : out_reply(ctl, ret_reply, show_updated, NULL);
}

static int sync_set(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params, changes;
	_cleanup_reply_ struct reply reply = {0};
	int code = EXIT_OK;

	params_init(&params);
	params_init(&changes);
	for (size_t i = 1; code == EXIT_OK && i < args->n_words; i++)
		code = set_one(ctl, &changes, args->words[i]);
	if (code != EXIT_OK)
		return code;
	params_string(&params, "name", args_word(args, 0));
	params_move(&params, "changes", &changes);
	code = update(ctl, "change the pair", &params, &reply);
	if (code == EXIT_OK)
		out_done(ctl, "Changed pair %s.", get_text(get_object(reply.object, "pair"), "name"));
	return code;
}

static int sync_adopt(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params, changes;
	_cleanup_reply_ struct reply reply = {0};
	int code;

	params_init(&params);
	params_init(&changes);
	params_string(&params, "name", args_word(args, 0));
	params_move(&params, "changes", &changes);
	params_true(&params, "adopt_root", true);
	code = update(ctl, "adopt the directory", &params, &reply);
	if (code == EXIT_OK)
		out_done(ctl,
			 "%s is the directory of pair %s now; a first sync begins, which deletes nothing "
			 "unasked.",
			 get_text(get_object(get_object(reply.object, "pair"), "spec"), "local_path"),
			 args_word(args, 0));
	return code;
}

static const struct option rescan_options[] = {
	{"verify", 0, NULL, "read every local file again and compare with the server's hashes"},
	{NULL},
};
static const struct option pause_options[] = {
	{"for", 0, "TIME", "resume by itself after: 90, 90s, 15m, 2h, 3d"},
	{NULL},
};

const struct command sync_change_commands[] = {
	{"sync", "rescan", "NAME [PATH]", "looks at everything again, or at what is below PATH",
	 "Returns once it is queued. Watched directories need it only after changes that leave no trace "
	 "(mmap, network "
	 "mounts).",
	 rescan_options, sync_rescan},
	{"sync", "pause", "[NAME]", "stops a pair, or all of them", "It stays paused over restarts.",
	 pause_options, sync_pause},
	{"sync", "resume", "[NAME]", "goes on", NULL, NULL, sync_resume},
	{"sync", "set", "NAME KEY=VALUE...", "changes the settings of a pair",
	 "Keys: name, profile, bucket, remote_prefix, local_path, mode, conflicts, include, exclude, "
	 "max_deletes, "
	 "max_delete_percent, upload_limit, download_limit, rescan_seconds, foreign, settle_ms, "
	 "rescue_bytes, secrets. An "
	 "empty value, or -1 for a number, goes back to the default. include and exclude take one pattern "
	 "each time they "
	 "are given. Another bucket, remote_prefix or local_path begins a first sync.",
	 NULL, sync_set},
	{"sync", "adopt", "NAME", "takes the directory that is at the pair's path now as its own",
	 "After a move to a new disk, or a restore. A first sync follows: what it would delete on the server "
	 "is held.",
	 NULL, sync_adopt},
	{"sync", "remove", "NAME", "forgets a pair", "Deletes no file on either side.", NULL, sync_remove},
	{NULL},
};
