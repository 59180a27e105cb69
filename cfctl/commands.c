/* The table of all commands, and what can be asked about it. */
#include "cfctl/cmd.h"
#include <string.h>

static const struct command *const tables[] = {
	login_commands,     profile_commands,   status_commands,     health_commands,      stats_commands,
	sync_add_commands,  sync_list_commands, sync_wait_commands,  sync_change_commands, sync_held_commands,
	sync_path_commands, bucket_commands,    file_commands,       upload_commands,      download_commands,
	transfer_commands,  key_commands,       token_commands,      short_commands,       events_commands,
	daemon_commands,    doctor_commands,    completion_commands,
};

const struct option global_options[] = {
	{"socket", 0, "ADDRESS", "where the daemon listens: unix:PATH or a path"},
	{"profile", 0, "NAME", "the server profile to use instead of the active one"},
	{"json", 0, NULL, "for programs: the daemon's reply, one JSON object a line"},
	{"quiet", 'q', NULL, "nothing but what was asked for, and errors"},
	{"no-color", 0, NULL, "no colour on a terminal (as NO_COLOR does)"},
	{"help", 'h', NULL, "help for the command"},
	{"version", 0, NULL, "the versions of cfctl and of the library"},
	{NULL},
};

const struct command *command_at(size_t i)
{
	for (size_t t = 0; t < COUNT(tables); t++)
		for (const struct command *c = tables[t]; c->noun; c++)
			if (i-- == 0)
				return c;
	return NULL;
}

const struct command *command_find(const char *noun, const char *verb)
{
	const struct command *c;

	for (size_t i = 0; (c = command_at(i)); i++)
		if (strcmp(c->noun, noun) == 0 && (verb ? c->verb && strcmp(c->verb, verb) == 0 : !c->verb))
			return c;
	return NULL;
}

bool command_noun_exists(const char *noun)
{
	const struct command *c;

	for (size_t i = 0; (c = command_at(i)); i++)
		if (strcmp(c->noun, noun) == 0)
			return true;
	return false;
}

void command_arity(const struct command *command, size_t *ret_min, size_t *ret_max)
{
	const char *word = command->args;

	*ret_min = *ret_max = 0;
	while (word && *word) {
		size_t length = strcspn(word, " ");

		if (*word != '[')
			++*ret_min;
		if (length > 3 && strncmp(word + length - 3, "...", 3) == 0)
			*ret_max = SIZE_MAX;
		else if (*ret_max != SIZE_MAX)
			++*ret_max;
		word += length;
		word += strspn(word, " ");
	}
}
