/* What a command is: one static descriptor, in the file of its noun. The parser, the help and the error
 * messages all read it; nothing about a command's usage is written down a second time. */
#pragma once
#include "cfctl/ctl.h"

struct option {
	const char *name; /* without the dashes */
	char letter;      /* 0: none */
	const char *arg;  /* what its value is called, NULL: a switch; "B PATH": it takes two */
	const char *doc;
	bool repeat; /* may be given more than once */
};

struct args;

struct command {
	const char *noun;
	const char *verb; /* NULL: the noun is the command */
	const char *args; /* "DIR BUCKET", "[NAME]", "PATH..."; also says how many there may be */
	const char *summary;
	const char *detail;                                   /* for its --help; NULL: nothing more to say */
	const struct option *options;                         /* ends with a row without a name; NULL: none */
	int (*run)(struct ctl *ctl, const struct args *args); /* an exit code */
};

struct given {
	const struct option *option;
	const char *value, *second;
};

/* A command line, understood. Borrows from argv. */
struct args {
	const struct command *command;
	const char *noun; /* also when no command came of it */
	const char **words;
	size_t n_words;
	struct given *given;
	size_t n_given;
	bool help, version;
};

/* EXIT_OK, or a usage error already said. Global options go to ctl. */
int args_parse(struct ctl *ctl, int argc, char **argv, struct args *args);
void args_done(struct args *args);

const char *args_word(const struct args *args, size_t i); /* NULL: not given */
bool args_has(const struct args *args, const char *option);
const char *args_value(const struct args *args, const char *option); /* NULL: not given */
/* Values of an option that repeats: as many as fit into n, and how many there are. */
size_t args_values(const struct args *args, const char *option, const char **values, size_t n);
/* A number from min to max; *ret_n stays as it is when the option was not given. EXIT_OK or EXIT_USAGE. */
int args_int(struct ctl *ctl, const struct args *args, const char *option, int64_t min, int64_t max,
	     int64_t *ret_n);
/* One of the words of allowed ("asc desc"); '-' counts as '_'. *ret_value (a word of ours, static) stays NULL
 * when the option was not given. */
int args_choice(struct ctl *ctl, const struct args *args, const char *option, const char *allowed,
		char *buffer, size_t size, const char **ret_value);
/* "2h" -> seconds. */
int args_duration(struct ctl *ctl, const struct args *args, const char *option, int64_t *ret_seconds);

/* ---- The table (commands.c) ---- */

extern const struct command login_commands[], profile_commands[], status_commands[], health_commands[],
	sync_add_commands[], sync_list_commands[], sync_change_commands[], sync_wait_commands[],
	sync_held_commands[], sync_path_commands[], bucket_commands[], file_commands[], upload_commands[],
	download_commands[], key_commands[], token_commands[], short_commands[], transfer_commands[],
	events_commands[], stats_commands[], daemon_commands[], doctor_commands[], completion_commands[];
extern const struct option global_options[];

/* The i-th command of all, in the order of the help; NULL behind the last. */
const struct command *command_at(size_t i);
const struct command *command_find(const char *noun, const char *verb);
bool command_noun_exists(const char *noun);
void command_arity(const struct command *command, size_t *ret_min,
		   size_t *ret_max); /* SIZE_MAX: any number */

/* ---- Help (help.c) ---- */

void help_all(struct ctl *ctl);
void help_noun(struct ctl *ctl, const char *noun);
void help_command(struct ctl *ctl, const struct command *command);
/* The word nearest to a mistyped one, or NULL when none is near. */
const char *suggest(const char *word, const char *const *candidates, size_t n);
