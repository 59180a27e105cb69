/* completion bash, zsh, fish: the scripts; completion words: what they ask, all that is known about what may
 * come next on a command line. Names come from the daemon, which is given a moment and not asked twice;
 * without it there are just none. */
#include "cfctl/completion.h"
#include "cfctl/bucket.h"
#include "cfctl/cmd.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS    1500 /* more and the person has typed it */
#define ASK_LIMIT 1000
#define WORDS_MAX 64

/* What the words so far mean. */
struct line {
	const char *const *words;
	size_t n; /* without the one that is being typed */
	const char *current;
	const char *noun, *profile, *socket;
	const struct command *command;
	const char *positional[WORDS_MAX];
	size_t n_positional;
	const struct option *option; /* whose value is being typed */
	bool second;                 /* the second one of an option with two */
	const char *first;           /* then the first one */
	bool only_words;             /* behind -- */
};

/* ---- Candidates ---- */

/* One a line: a name that has another in it cannot be completed. */
static void offer(const struct line *line, const char *before, const char *word, const char *after)
{
	_cleanup_free_ char *whole = NULL;

	if (asprintf(&whole, "%s%s%s", before, word, after) < 0) {
		whole = NULL;
		return;
	}
	if (*whole == ':' || strncmp(whole, line->current, strlen(line->current)) != 0)
		return;
	for (const char *c = whole; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return;
	(void)puts(whole);
}

/* "asc|desc", "error warning" */
static void offer_words(const struct line *line, const char *words)
{
	while (*words) {
		size_t length = strcspn(words, "| ");
		_cleanup_free_ char *word = strndup(words, length);

		if (word)
			offer(line, "", word, "");
		words += length;
		words += strspn(words, "| ");
	}
}

/* ---- Names from the daemon ---- */

struct asked {
	const struct line *line;
	const char *array, *key; /* of the reply */
	const char *before, *after;
};

static bool ask(struct ctl *ctl, const char *method, struct params *params, struct reply *ret_reply)
{
	struct call call = {.method = method, .params = params, .silent = true, .timeout_ms = ASK_MS};
	cfipc_error *error;
	int code = ctl_try(ctl, &call, ret_reply, &error);

	cfipc_error_free(error);
	return code == EXIT_OK;
}

static void offer_array(const struct line *line, struct json_object *reply, const char *array,
			const char *key, const char *before, const char *after)
{
	for (size_t i = 0; i < get_count(reply, array); i++) {
		struct json_object *item = get_item(reply, array, i);

		offer(line, before, key ? get_text(item, key) : json_object_get_string(item), after);
	}
}

static void page_params(const struct line *line, struct params *params)
{
	_cleanup_params_ struct params page;

	params_init(&page);
	params_string(params, "profile", line->profile);
	params_int(&page, "limit", ASK_LIMIT);
	params_move(params, "page", &page);
}

static void offer_pairs(struct ctl *ctl, const struct line *line)
{
	_cleanup_reply_ struct reply reply = {0};

	if (ask(ctl, SYNC "List", NULL, &reply))
		offer_array(line, reply.object, "pairs", "name", "", "");
}

static void offer_profiles(struct ctl *ctl, const struct line *line)
{
	_cleanup_reply_ struct reply reply = {0};

	if (ask(ctl, REMOTE "ListProfiles", NULL, &reply))
		offer_array(line, reply.object, "profiles", "name", "", "");
}

/* Names, and ids to whoever begins to type one. */
static void offer_buckets(struct ctl *ctl, const struct line *line)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};

	params_init(&params);
	page_params(line, &params);
	if (!ask(ctl, REMOTE "ListBuckets", &params, &reply))
		return;
	offer_array(line, reply.object, "buckets", "name", "", "");
	if (*line->current)
		offer_array(line, reply.object, "buckets", "id", "", "");
}

static void offer_keys(struct ctl *ctl, const struct line *line)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};

	params_init(&params);
	page_params(line, &params);
	if (ask(ctl, REMOTE "ListApiKeys", &params, &reply))
		offer_array(line, reply.object, "keys", "prefix", "", "");
}

static void offer_transfers(struct ctl *ctl, const struct line *line)
{
	_cleanup_reply_ struct reply reply = {0};

	if (ask(ctl, REMOTE "ListTransfers", NULL, &reply))
		offer_array(line, reply.object, "transfers", "id", "", "");
}

static void offer_settings(struct ctl *ctl, const struct line *line)
{
	_cleanup_reply_ struct reply reply = {0};

	if (ask(ctl, DAEMON "GetConfig", NULL, &reply))
		offer_array(line, reply.object, "settings", "key", "", "");
}

/* The id of the bucket that word is or names; NULL: nobody knows. Yours to free. */
static char *bucket_id(struct ctl *ctl, const struct line *line, const char *word)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	size_t found = 0;
	char *id = NULL;

	params_init(&params);
	page_params(line, &params);
	if (!ask(ctl, REMOTE "ListBuckets", &params, &reply))
		return strdup(word);
	for (size_t i = 0; i < get_count(reply.object, "buckets"); i++) {
		struct json_object *bucket = get_item(reply.object, "buckets", i);

		if (strcmp(get_text(bucket, "id"), word) == 0)
			found = 2; /* an id is an id */
		if (strcmp(get_text(bucket, "name"), word) == 0 && found++ == 0)
			id = strdup(get_text(bucket, "id"));
	}
	if (found == 1)
		return id;
	free(id);
	return strdup(word);
}

/* What is in the directory that is being typed. */
static void offer_remote_paths(struct ctl *ctl, const struct line *line, const char *bucket)
{
	const char *slash = strrchr(line->current, '/');
	_cleanup_free_ char *id = bucket_id(ctl, line, bucket),
			    *before = strndup(line->current, slash ? (size_t)(slash - line->current) + 1 : 0);
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};

	params_init(&params);
	if (!id || !before)
		return;
	page_params(line, &params);
	params_string(&params, "bucket", id);
	params_string(&params, "path", before);
	if (!ask(ctl, REMOTE "ListDirectory", &params, &reply))
		return;
	offer_array(line, reply.object, "folders", NULL, before, "/");
	offer_array(line, reply.object, "files", "name", before, "");
}

/* ---- What a word is ---- */

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

/* name: as the table of commands calls it, without brackets and dots. */
static void offer_named(struct ctl *ctl, const struct line *line, const char *name)
{
	static const char *const local[] = {"FILE", "SOURCE", "ADDRESS"};
	static const struct {
		const char *name, *words;
	} fixed[] = {
		{"LEVEL", "error warning info debug"},
		{"MODE", "mirror backup pull two-way"},
		{"KIND", "api_key admin_key dashboard_token upload_token"},
		{"WHEN", "never 15m 6h 1d 7d 2w"},
	};
	bool syncs = strcmp(line->noun, "sync") == 0;

	for (size_t i = 0; i < COUNT(fixed); i++)
		if (strcmp(fixed[i].name, name) == 0)
			offer_words(line, fixed[i].words);
	if (strcmp(name, "BUCKET") == 0 || strcmp(name, "B") == 0)
		offer_buckets(ctl, line);
	else if (strcmp(name, "DIR") == 0)
		(void)puts(":dirs");
	else if (is_one_of(name, local, COUNT(local)) || (syncs && strcmp(name, "PATH") == 0))
		(void)puts(":files");
	else if (strcmp(name, "PATH") == 0 && line->n_positional > 0)
		offer_remote_paths(ctl, line, line->positional[0]);
	else if (strcmp(name, "NAME") == 0 && syncs)
		offer_pairs(ctl, line);
	else if (strcmp(name, "NAME") == 0 &&
		 (strcmp(line->noun, "profile") == 0 || strcmp(line->noun, "logout") == 0))
		offer_profiles(ctl, line);
	else if (strcmp(name, "PREFIX") == 0 && strcmp(line->noun, "key") == 0)
		offer_keys(ctl, line);
	else if (strcmp(name, "ID") == 0 && strcmp(line->noun, "transfer") == 0)
		offer_transfers(ctl, line);
	else if (strcmp(name, "KEY[=VALUE]") == 0)
		offer_settings(ctl, line);
	else if (strchr(name, '|'))
		offer_words(line, name);
}

/* "[PATH]..." -> "PATH" for the i-th word of a command; the last one stands for all behind it if it repeats.
 */
static char *argument_name(const struct command *command, size_t i)
{
	const char *at = command->args ? command->args : "";
	size_t length = strcspn(at, " ");

	for (; i > 0 && at[length]; i--) {
		at += length + 1;
		length = strcspn(at, " ");
	}
	if (i > 0 && (length < 3 || strncmp(at + length - 3, "...", 3) != 0))
		return NULL;
	if (length > 3 && strncmp(at + length - 3, "...", 3) == 0)
		length -= 3;
	if (length > 1 && at[0] == '[') {
		at++;
		length -= 2;
	}
	return length > 0 ? strndup(at, length) : NULL;
}

static void offer_options(const struct line *line, const struct option *options)
{
	for (const struct option *o = options; o && o->name; o++)
		offer(line, "--", o->name, "");
}

/* Nouns, or the verbs of one. */
static void offer_commands(const struct line *line)
{
	const struct command *c, *before = NULL;

	for (size_t i = 0; (c = command_at(i)); before = c, i++) {
		if (!line->noun && (!before || strcmp(before->noun, c->noun) != 0)) {
			bool again = false;

			for (size_t j = 0; j < i && !again; j++)
				again = strcmp(command_at(j)->noun, c->noun) == 0;
			if (!again)
				offer(line, "", c->noun, "");
		} else if (line->noun && strcmp(c->noun, line->noun) == 0 && c->verb) {
			offer(line, "", c->verb, "");
		}
	}
	if (!line->noun)
		offer(line, "", "help", "");
}

/* ---- The line ---- */

static const struct option *find_option(const struct line *line, const char *word)
{
	const struct option *tables[] = {global_options, line->command ? line->command->options : NULL};

	for (size_t t = 0; t < COUNT(tables); t++)
		for (const struct option *o = tables[t]; o && o->name; o++)
			if ((word[1] == '-' && strcmp(o->name, word + 2) == 0) ||
			    (o->letter && word[1] == o->letter && word[2] == '\0'))
				return o;
	return NULL;
}

static void read_word(struct line *line, const char *word)
{
	if (!line->noun && strcmp(word, "help") == 0)
		return;
	if (!line->noun) {
		line->noun = word;
		line->command = command_find(word, NULL);
	} else if (!line->command) {
		line->command = command_find(line->noun, word);
	} else if (line->n_positional < COUNT(line->positional)) {
		line->positional[line->n_positional++] = word;
	}
}

/* The words behind an option that are its values; *at goes past them. */
static void read_option(struct line *line, size_t *at)
{
	const struct option *option = find_option(line, line->words[*at]);
	size_t values = !option || !option->arg ? 0 : strchr(option->arg, ' ') ? 2 : 1;

	if (values == 0)
		return;
	if (*at + values >= line->n) {
		line->option = option;
		line->second = values == 2 && *at + 1 < line->n;
		line->first = line->second ? line->words[*at + 1] : NULL;
		*at = line->n;
		return;
	}
	if (strcmp(option->name, "profile") == 0)
		line->profile = line->words[*at + 1];
	if (strcmp(option->name, "socket") == 0)
		line->socket = line->words[*at + 1];
	*at += values;
}

static void read_line(struct line *line)
{
	for (size_t i = 0; i < line->n; i++) {
		const char *word = line->words[i];

		if (!line->only_words && strcmp(word, "--") == 0)
			line->only_words = true;
		else if (!line->only_words && word[0] == '-' && word[1] != '\0' && !strchr(word, '='))
			read_option(line, &i);
		else if (line->only_words || word[0] != '-' || word[1] == '\0')
			read_word(line, word);
	}
}

static void offer_value(struct ctl *ctl, struct line *line)
{
	if (line->second) {
		offer_remote_paths(ctl, line, line->first);
	} else if (strcmp(line->option->name, "profile") == 0) {
		offer_profiles(ctl, line);
	} else {
		_cleanup_free_ char *name = strndup(line->option->arg, strcspn(line->option->arg, " "));

		line->noun = line->noun ? line->noun : "";
		/* A new name, or one on the server. */
		if (name && strcmp(name, "NAME") != 0 && strcmp(name, "PATH") != 0)
			offer_named(ctl, line, name);
	}
}

static int completion_words(struct ctl *ctl, const struct args *args)
{
	struct line line = {
		.words = args->words,
		.n = args->n_words > 0 ? args->n_words - 1 : 0,
		.current = args->n_words > 0 ? args->words[args->n_words - 1] : "",
	};

	read_line(&line);
	if (line.socket)
		ctl->socket = line.socket;
	if (line.option) {
		offer_value(ctl, &line);
	} else if (line.current[0] == '-' && !line.only_words) {
		offer_options(&line, global_options);
		offer_options(&line, line.command ? line.command->options : NULL);
	} else if (!line.command) {
		offer_commands(&line);
	} else {
		_cleanup_free_ char *name = argument_name(line.command, line.n_positional);

		if (name)
			offer_named(ctl, &line, name);
	}
	return EXIT_OK;
}

/* ---- The scripts ---- */

static int print_bash(struct ctl *ctl, const struct args *args)
{
	(void)fputs(completion_bash, stdout);
	return EXIT_OK;
}

static int print_zsh(struct ctl *ctl, const struct args *args)
{
	(void)fputs(completion_zsh, stdout);
	return EXIT_OK;
}

static int print_fish(struct ctl *ctl, const struct args *args)
{
	(void)fputs(completion_fish, stdout);
	return EXIT_OK;
}

const struct command completion_commands[] = {
	{"completion", "bash", NULL, "prints the script that completes cfctl's words in bash",
	 "It is installed with cfctl where bash finds it; without that: source <(cfctl completion bash).",
	 NULL, print_bash},
	{"completion", "zsh", NULL, "prints the one for zsh",
	 "Without installation: source <(cfctl completion zsh), after compinit.", NULL, print_zsh},
	{"completion", "fish", NULL, "prints the one for fish",
	 "Without installation: cfctl completion fish | source.", NULL, print_fish},
	{"completion", "words", "[WORD]...", "what the scripts ask: what the last WORD may become",
	 "The words of a command line behind cfctl and --, one candidate a line; :files and :dirs stand for "
	 "those of "
	 "this machine.",
	 NULL, completion_words},
	{NULL},
};
