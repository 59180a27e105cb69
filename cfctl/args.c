/* Command lines: from argv to a command, its words and its options; what is wrong with them is said here. */
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CANDIDATES 64 /* for suggestions; more than any noun has verbs or any command has options */

static const struct option *option_find(const struct option *options, const char *name, size_t length)
{
	for (const struct option *o = options; o && o->name; o++) {
		if (length == 1 ? o->letter == *name
				: strlen(o->name) == length && strncmp(o->name, name, length) == 0)
			return o;
	}
	return NULL;
}

static size_t option_names(const struct option *options, const char **names, size_t n, size_t max)
{
	for (const struct option *o = options; o && o->name && n < max; o++)
		names[n++] = o->name;
	return n;
}

/* "sync add" */
static const char *command_name(const struct command *c, char *buffer, size_t size)
{
	(void)snprintf(buffer, size, c->verb ? "%s %s" : "%s", c->noun, c->verb);
	return buffer;
}

static int unknown_option(struct ctl *ctl, const struct args *args, const char *word)
{
	const char *names[MAX_CANDIDATES], *near;
	char hint[128], name[64];
	size_t n = option_names(global_options, names, 0, COUNT(names));

	if (!args->command)
		return ctl_usage(ctl, "Before the command stand only global options: see `cfctl --help`.",
				 "unknown option %s", word);
	n = option_names(args->command->options, names, n, COUNT(names));
	near = suggest(word + strspn(word, "-"), names, n);
	command_name(args->command, name, sizeof(name));
	if (near)
		(void)snprintf(hint, sizeof(hint), "Did you mean --%s?", near);
	else
		(void)snprintf(hint, sizeof(hint), "`cfctl %s --help` lists its options.", name);
	return ctl_usage(ctl, hint, "%s has no option %s", name, word);
}

static int unknown_noun(struct ctl *ctl, const char *word)
{
	const char *nouns[MAX_CANDIDATES], *near;
	char hint[128] = "`cfctl --help` lists the commands.";
	const struct command *c;
	size_t n = 0;

	for (size_t i = 0; (c = command_at(i)); i++) {
		char name[64];

		/* The verb alone: `cfctl add`. */
		if (c->verb && strcmp(c->verb, word) == 0) {
			(void)snprintf(hint, sizeof(hint), "Did you mean `cfctl %s`?",
				       command_name(c, name, sizeof(name)));
			return ctl_usage(ctl, hint, "there is no command %s", word);
		}
		if ((n == 0 || strcmp(nouns[n - 1], c->noun) != 0) && n < COUNT(nouns))
			nouns[n++] = c->noun;
	}
	near = suggest(word, nouns, n);
	if (near)
		(void)snprintf(hint, sizeof(hint), "Did you mean `cfctl %s`?", near);
	return ctl_usage(ctl, hint, "there is no command %s", word);
}

static int unknown_verb(struct ctl *ctl, const char *noun, const char *word)
{
	const char *verbs[MAX_CANDIDATES], *near;
	const struct command *c;
	char hint[128];
	size_t n = 0;

	for (size_t i = 0; (c = command_at(i)); i++)
		if (strcmp(c->noun, noun) == 0 && n < COUNT(verbs))
			verbs[n++] = c->verb;
	near = suggest(word, verbs, n);
	if (near)
		(void)snprintf(hint, sizeof(hint), "Did you mean `cfctl %s %s`?", noun, near);
	else
		(void)snprintf(hint, sizeof(hint), "`cfctl %s --help` lists what it can do.", noun);
	return ctl_usage(ctl, hint, "there is no command %s %s", noun, word);
}

/* argv[*i] is an option: with its value, which may be the next word whatever that begins with. */
static int parse_option(struct ctl *ctl, struct args *args, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *name, *equals, *value = NULL, *second = NULL;
	bool is_long = word[1] == '-';
	const struct option *option;
	size_t length;

	name = word + (is_long ? 2 : 1);
	equals = is_long ? strchr(name, '=') : NULL;
	length = equals ? (size_t)(equals - name) : strlen(name);
	if (is_long == (length == 1)) /* "--q", "-quiet" */
		return unknown_option(ctl, args, word);
	option = option_find(global_options, name, length);
	if (!option && args->command)
		option = option_find(args->command->options, name, length);
	if (!option)
		return unknown_option(ctl, args, word);
	if (option->arg) {
		value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
		if (value && strchr(option->arg, ' '))
			value = (second = *i + 1 < argc ? argv[++*i] : NULL) ? value : NULL;
		if (!value)
			return ctl_usage(ctl, NULL, "--%s needs a value: --%s %s", option->name, option->name,
					 option->arg);
	} else if (equals) {
		return ctl_usage(ctl, NULL, "--%s takes no value", option->name);
	}
	for (size_t g = 0; option->arg && !option->repeat && g < args->n_given; g++)
		if (args->given[g].option == option)
			return ctl_usage(ctl, NULL, "--%s is given twice", option->name);
	args->given[args->n_given++] = (struct given){option, value, second};
	if (strcmp(option->name, "help") == 0)
		args->help = true;
	else if (strcmp(option->name, "version") == 0)
		args->version = true;
	return EXIT_OK;
}

static int parse_word(struct ctl *ctl, struct args *args, const char *word)
{
	if (!args->noun && strcmp(word, "help") == 0) {
		args->help = true; /* `cfctl help sync add` */
		return EXIT_OK;
	}
	if (!args->noun) {
		if (!command_noun_exists(word))
			return unknown_noun(ctl, word);
		args->noun = word;
		args->command = command_find(word, NULL);
		return EXIT_OK;
	}
	if (!args->command) {
		args->command = command_find(args->noun, word);
		return args->command ? EXIT_OK : unknown_verb(ctl, args->noun, word);
	}
	args->words[args->n_words++] = word;
	return EXIT_OK;
}

static int check_arity(struct ctl *ctl, const struct args *args)
{
	char name[64], usage[192];
	size_t min, max;

	command_arity(args->command, &min, &max);
	if (args->n_words >= min && args->n_words <= max)
		return EXIT_OK;
	command_name(args->command, name, sizeof(name));
	(void)snprintf(usage, sizeof(usage), "Usage: cfctl %s%s%s", name, args->command->args ? " " : "",
		       args->command->args ? args->command->args : "");
	if (args->n_words > max)
		return ctl_usage(ctl, usage, "%s: %s is one word too many", name, args->words[max]);
	return ctl_usage(ctl, usage, "%s: something is missing", name);
}

int args_parse(struct ctl *ctl, int argc, char **argv, struct args *args)
{
	bool only_words = false;
	int code = EXIT_OK;

	*args = (struct args){
		.words = calloc((size_t)argc + 1, sizeof(*args->words)),
		.given = calloc((size_t)argc + 1, sizeof(*args->given)),
	};
	if (!args->words || !args->given)
		return ctl_no_memory(ctl);
	/* An error in front of --json is said as JSON, too. */
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		ctl->json |= strcmp(argv[i], "--json") == 0;
	for (int i = 1; i < argc && code == EXIT_OK; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0)
			only_words = true;
		else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0')
			code = args->help ? EXIT_OK : parse_option(ctl, args, argc, argv, &i);
		else
			code = parse_word(ctl, args, argv[i]);
	}
	if (code != EXIT_OK || args->help || args->version)
		return code;
	ctl->json = args_has(args, "json");
	ctl->quiet = args_has(args, "quiet");
	ctl->no_color = args_has(args, "no-color");
	ctl->socket = args_value(args, "socket");
	ctl->profile = args_value(args, "profile");
	return args->command ? check_arity(ctl, args) : EXIT_OK;
}

void args_done(struct args *args)
{
	free(args->words);
	free(args->given);
	*args = (struct args){0};
}

const char *args_word(const struct args *args, size_t i)
{
	return i < args->n_words ? args->words[i] : NULL;
}

static const struct given *args_given(const struct args *args, const char *option)
{
	for (size_t i = 0; i < args->n_given; i++)
		if (strcmp(args->given[i].option->name, option) == 0)
			return &args->given[i];
	return NULL;
}

bool args_has(const struct args *args, const char *option)
{
	return args_given(args, option) != NULL;
}

const char *args_value(const struct args *args, const char *option)
{
	const struct given *given = args_given(args, option);

	return given ? given->value : NULL;
}

size_t args_values(const struct args *args, const char *option, const char **values, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < args->n_given; i++) {
		if (strcmp(args->given[i].option->name, option) != 0)
			continue;
		if (found < n)
			values[found] = args->given[i].value;
		found++;
	}
	return found;
}

int args_int(struct ctl *ctl, const struct args *args, const char *option, int64_t min, int64_t max,
	     int64_t *ret_n)
{
	const char *text = args_value(args, option);
	long long n;
	char *end;

	if (!text)
		return EXIT_OK;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (*text == '\0' || *end != '\0' || errno == ERANGE || n < min || n > max) {
		if (max == INT64_MAX)
			return ctl_usage(ctl, NULL, "--%s is a whole number from %" PRId64 ", not %s", option,
					 min, text);
		return ctl_usage(ctl, NULL, "--%s is a whole number from %" PRId64 " to %" PRId64 ", not %s",
				 option, min, max, text);
	}
	*ret_n = n;
	return EXIT_OK;
}

int args_choice(struct ctl *ctl, const struct args *args, const char *option, const char *allowed,
		char *buffer, size_t size, const char **ret_value)
{
	const char *text = args_value(args, option);

	*ret_value = NULL;
	if (!text)
		return EXIT_OK;
	(void)snprintf(buffer, size, "%s", text);
	for (char *c = buffer; *c; c++)
		if (*c == '-')
			*c = '_';
	for (const char *word = allowed; *word; word += strspn(word, " ")) {
		size_t length = strcspn(word, " ");

		if (strlen(buffer) == length && strncmp(word, buffer, length) == 0) {
			*ret_value = buffer;
			return EXIT_OK;
		}
		word += length;
	}
	return ctl_usage(ctl, NULL, "--%s is one of: %s; not %s", option, allowed, text);
}

int args_duration(struct ctl *ctl, const struct args *args, const char *option, int64_t *ret_seconds)
{
	const char *text = args_value(args, option);

	if (!text || human_parse_duration(text, ret_seconds) == 0)
		return EXIT_OK;
	return ctl_usage(ctl, "A number with s, m, h, d or w behind it; without one it means seconds.",
			 "--%s %s is no length of time", option, text);
}
