/* sync held, confirm, restore: deletions and overwrites that wait for a word. */
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include "cfctl/path.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The daemon takes requests of 1 MiB: paths of half of that leave room for what JSON escapes in them. */
#define REQUEST_PATH_BYTES (512 * 1024)
#define REQUEST_PATH_EXTRA                                                                                   \
	16             /* quotes and comma; and so short ones do not add up to more values than it takes */
#define SAMPLE_PATHS 5 /* shown in the question */

/* What the two answers do to what is held for a reason; side, where it makes a difference. */
static const struct advice {
	const char *reason, *side, *confirm, *restore;
} advices[] = {
	{"mass", "remote", "deletes them on the server too", "fetches them back here"},
	{"mass", "local", "deletes them here too", "sends them to the server again"},
	{"first_sync", "remote", "deletes them on the server too", "fetches them back here"},
	{"first_sync", "local", "deletes them here too", "sends them to the server again"},
	{"foreign", NULL, "deletes them on the server", "fetches them here, as the pair's own"},
	{"too_large", NULL, "goes on without a copy in the Trash", "keeps what is on the other side"},
	{"renamed", NULL, "deletes the old names before the new ones are there", "fetches them back here"},
};

struct held {
	struct table *table; /* NULL: only counted */
	char *pair;          /* of all that was listed; "" when they are of several */
	int64_t by_advice[COUNT(advices)];
	char **only; /* these paths, and what is below them */
	size_t n_only;
	struct json_object *paths; /* of what was counted */
	size_t n, foreign;
	int64_t bytes;
	int code;
};

/* ---- held ---- */

static int count_one(struct held *held, struct json_object *h)
{
	const char *pair = get_text(h, "pair");

	for (size_t i = 0; i < COUNT(advices); i++)
		if (strcmp(advices[i].reason, get_text(h, "reason")) == 0 &&
		    (!advices[i].side || strcmp(advices[i].side, get_text(h, "side")) == 0))
			held->by_advice[i]++;
	held->n++;
	held->bytes += get_int(h, "size");
	if (!held->pair)
		held->pair = strdup(pair);
	else if (strcmp(held->pair, pair) != 0)
		held->pair[0] = '\0';
	return held->pair ? 0 : -ENOMEM;
}

static void show_held(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct held *held = userdata;

	for (size_t i = 0; i < get_count(reply, "held"); i++) {
		struct json_object *h = get_item(reply, "held", i);

		out_page(ctl);
		table_cell(held->table, STYLE_BOLD, "%s", get_text(h, "pair"));
		table_cell(held->table, STYLE_WARN, "%s", get_text(h, "reason"));
		table_cell(held->table, STYLE_NONE, "%s", get_text(h, "side"));
		table_cell(held->table, STYLE_NONE, "%s", human_size(get_int(h, "size")).text);
		table_cell(held->table, STYLE_NONE, "%s", get_text(h, "path"));
		if (count_one(held, h) < 0) {
			held->code = ctl_no_memory(ctl);
			return;
		}
	}
	held->code = table_print(ctl, held->table);
}

static int on_held(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct held *held = userdata;
	int code = out_reply(ctl, reply, show_held, held);

	return code != EXIT_OK ? code : held->code;
}

/* How many, and for each reason what the two answers would do. */
static void show_advice(struct ctl *ctl, const struct held *held)
{
	const char *name = held->pair && held->pair[0] ? held->pair : "NAME";

	if (held->n == 0) {
		out_footer(ctl, "Nothing is held.");
		return;
	}
	out_footer(ctl, "%s (%s) %s for a word.", human_count((int64_t)held->n).text,
		   human_size(held->bytes).text, held->n == 1 ? "waits" : "wait");
	for (size_t i = 0; i < COUNT(advices); i++)
		if (held->by_advice[i] > 0)
			out_footer(ctl, "%s: `cfctl sync confirm %s` %s; `cfctl sync restore %s` %s.",
				   advices[i].reason, name, advices[i].confirm, name, advices[i].restore);
}

static int sync_held(struct ctl *ctl, const struct args *args)
{
	static const struct column columns[] = {
		{"PAIR"}, {"REASON"}, {"SIDE"}, {"SIZE", COLUMN_RIGHT}, {"PATH"}};
	_cleanup_table_ struct table *table = table_new(columns, COUNT(columns));
	_cleanup_params_ struct params params;
	struct held held = {.table = table};
	struct call call = {
		.what = "list what is held",
		.method = SYNC "ListHeld",
		.params = &params,
		.flags = CFIPC_MORE,
		.on_reply = on_held,
		.userdata = &held,
	};
	int code;

	params_init(&params);
	if (!table)
		return ctl_no_memory(ctl);
	params_string(&params, "name", args_word(args, 0));
	code = ctl_run(ctl, &call, NULL);
	if (code == EXIT_OK && !ctl->json)
		show_advice(ctl, &held);
	free(held.pair);
	return code;
}

/* ---- confirm, restore ---- */

static bool is_meant(const struct held *held, const char *path)
{
	for (size_t i = 0; i < held->n_only; i++) {
		size_t length = strlen(held->only[i]);

		if (strncmp(path, held->only[i], length) == 0 &&
		    (path[length] == '\0' || path[length] == '/'))
			return true;
	}
	return held->n_only == 0;
}

static int on_count(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct held *held = userdata;

	for (size_t i = 0; i < get_count(reply->object, "held"); i++) {
		struct json_object *h = get_item(reply->object, "held", i), *path;

		if (!is_meant(held, get_text(h, "path")))
			continue;
		held->n++;
		held->bytes += get_int(h, "size");
		held->foreign += strcmp(get_text(h, "reason"), "foreign") == 0;
		path = json_object_new_string(get_text(h, "path"));
		if (!path || json_object_array_add(held->paths, path) < 0) {
			json_object_put(path);
			return ctl_no_memory(ctl);
		}
	}
	return EXIT_OK;
}

static int count_held(struct ctl *ctl, const char *name, struct held *held)
{
	_cleanup_params_ struct params params;
	struct call call = {
		.what = "list what is held",
		.method = SYNC "ListHeld",
		.params = &params,
		.flags = CFIPC_MORE,
		.on_reply = on_count,
		.userdata = held,
	};

	params_init(&params);
	params_string(&params, "name", name);
	return ctl_run(ctl, &call, NULL);
}

/* Asks about exactly what will be confirmed. */
static int ask(struct ctl *ctl, const char *name, const struct held *held)
{
	_cleanup_free_ char *question = NULL;

	for (size_t i = 0; i < held->n && i < SAMPLE_PATHS; i++)
		ctl_note(ctl, STYLE_NONE, "  ", "%s",
			 json_object_get_string(json_object_array_get_idx(held->paths, i)));
	if (held->n > SAMPLE_PATHS)
		ctl_note(ctl, STYLE_DIM, "", "  and %s more: `cfctl sync held %s`",
			 human_count((int64_t)held->n - SAMPLE_PATHS).text, name);
	if (asprintf(&question, "Carry out %zu held %s (%s)%s?", held->n,
		     held->n == 1 ? "deletion" : "deletions", human_size(held->bytes).text,
		     held->foreign > 0 ? ", files that someone else put there among them" : "") < 0) {
		question = NULL;
		return ctl_no_memory(ctl);
	}
	return ctl_confirm(ctl, question);
}

/* One request: for the paths from *at on, as many as fit, or with paths NULL for all that is held. */
static int decide(struct ctl *ctl, const char *name, const char *choice, struct json_object *paths,
		  size_t *at, int64_t *deletes)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	size_t n = paths ? json_object_array_length(paths) : 0, bytes = 0;
	struct json_object *some = paths ? json_object_new_array() : NULL;
	int code;

	params_init(&params);
	params_string(&params, "name", name);
	params_string(&params, "choice", choice);
	for (; some && *at < n && bytes < REQUEST_PATH_BYTES; ++*at) {
		struct json_object *path = json_object_array_get_idx(paths, *at);

		bytes += (size_t)json_object_get_string_len(path) + REQUEST_PATH_EXTRA;
		if (json_object_array_add(some, json_object_get(path)) < 0) {
			json_object_put(path);
			params.failed = true;
			break;
		}
	}
	if (paths)
		params_object(&params, "paths", some);
	code = ctl_call(ctl, strcmp(choice, "apply") == 0 ? "confirm" : "restore", SYNC "ConfirmDeletes",
			&params, &reply);
	if (code != EXIT_OK)
		return code;
	*deletes += get_int(reply.object, "deletes");
	return out_reply(ctl, &reply, NULL, NULL);
}

/* The PATHs behind NAME, relative to the pair. */
static int name_paths(struct ctl *ctl, const struct args *args, struct held *held)
{
	size_t n = args->n_words - 1;
	int code = EXIT_OK;

	held->paths = json_object_new_array();
	held->only = calloc(n + 1, sizeof(*held->only));
	if (!held->paths || !held->only)
		return ctl_no_memory(ctl);
	for (size_t i = 0; code == EXIT_OK && i < n; i++) {
		code = path_of_pair(ctl, args_word(args, 0), args_word(args, i + 1), &held->only[i]);
		held->n_only += code == EXIT_OK;
	}
	return code;
}

static int decide_all(struct ctl *ctl, const struct args *args, const char *choice, bool asks,
		      struct held *held, int64_t *deletes)
{
	const char *name = args_word(args, 0);
	size_t at = 0;
	int code = name_paths(ctl, args, held);

	if (code != EXIT_OK)
		return code;
	if (!asks && held->n_only == 0)
		return decide(ctl, name, choice, NULL, &at, deletes);
	code = count_held(ctl, name, held);
	if (code == EXIT_OK && held->n == 0)
		code = ctl_error(
			ctl, EXIT_NOT_IN_SYNC, "NothingHeld",
			"`cfctl sync held` lists what waits for a word.",
			held->n_only > 0 ? "nothing of that is held for %s" : "nothing is held for %s", name);
	if (code == EXIT_OK && asks)
		code = ask(ctl, name, held);
	/* Path by path: what becomes held meanwhile was not asked about. */
	while (code == EXIT_OK && at < held->n)
		code = decide(ctl, name, choice, held->paths, &at, deletes);
	return code;
}

static int confirm_or_restore(struct ctl *ctl, const struct args *args, const char *choice, bool asks)
{
	struct held held = {0};
	int64_t deletes = 0;
	int code = decide_all(ctl, args, choice, asks, &held, &deletes);

	for (size_t i = 0; i < held.n_only; i++)
		free(held.only[i]);
	free(held.only);
	json_object_put(held.paths);
	if (code != EXIT_OK)
		return code;
	if (strcmp(choice, "apply") == 0)
		out_done(ctl, "%s confirmed; `cfctl sync wait %s` waits until it is done.",
			 human_count(deletes).text, args_word(args, 0));
	else
		out_done(ctl, "%s will be brought back.", human_count(deletes).text);
	return EXIT_OK;
}

static int sync_confirm(struct ctl *ctl, const struct args *args)
{
	bool yes = args_has(args, "yes");

	/* Before anything is asked of the daemon: this run cannot end well. */
	if (!yes && (!ctl->in_tty || !ctl->err.tty))
		return ctl_usage(ctl, "Look with `cfctl sync held`, then say --yes.",
				 "confirm deletes for good, and there is no terminal to ask at");
	return confirm_or_restore(ctl, args, "apply", !yes);
}

static int sync_restore(struct ctl *ctl, const struct args *args)
{
	return confirm_or_restore(ctl, args, "restore", false);
}

static const struct option confirm_options[] = {
	{"yes", 0, NULL, "do not ask"},
	{NULL},
};

const struct command sync_held_commands[] = {
	{"sync", "held", "[NAME]", "deletions and overwrites that wait for a word",
	 "Held are: mass deletions, what a first sync would delete, files that someone else put into a "
	 "mirrored bucket "
	 "(foreign), what does not fit into the Trash first (too_large), and the old name of a rename whose "
	 "new name is not "
	 "up yet (renamed). side says where content would be lost.",
	 NULL, sync_held},
	{"sync", "confirm", "NAME [PATH]...", "carries held deletions out",
	 "All of the pair, or those of PATH and below it. Asks first; without a terminal it wants --yes.",
	 confirm_options, sync_confirm},
	{"sync", "restore", "NAME [PATH]...",
	 "takes held deletions back: the files return from the other side",
	 "A foreign file is brought here and becomes the pair's own.", NULL, sync_restore},
	{NULL},
};
