/* cfctl: one command line, one command. Not here: what the commands do (a file per noun). */
#include "config.h"
#include "cfctl/cmd.h"
#include "cfctl/out.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int dispatch(struct ctl *ctl, const struct args *args)
{
	if (args->version) {
		(void)printf("cfctl %s\nlibcfipc %s\n", PACKAGE_VERSION, cfipc_version());
		return EXIT_OK;
	}
	if (args->help) {
		out_page(ctl);
		if (args->command)
			help_command(ctl, args->command);
		else if (args->noun)
			help_noun(ctl, args->noun);
		else
			help_all(ctl);
		return EXIT_OK;
	}
	if (!args->noun)
		return ctl_usage(
			ctl, "`cfctl --help` lists the commands; `cfctl status` is a good one to begin with.",
			"what shall be done?");
	if (!args->command) {
		char hint[128];

		(void)snprintf(hint, sizeof(hint), "`cfctl %s --help` lists what it can do.", args->noun);
		return ctl_usage(ctl, hint, "%s needs a command behind it", args->noun);
	}
	return args->command->run(ctl, args);
}

/* What is opened later must not become stdin, stdout or stderr: a file would be printed into the socket of
 * the daemon, or an upload read from it. What was closed fails when it is used, as it would have. */
static bool keep_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* The lowest that is free is this one. */
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.to = stdout};
	struct args args;
	int code;

	if (!keep_standard_descriptors())
		return EXIT_LOCAL;
	term_setup();
	/* Errors in the command line are said before its options are known. */
	term_init(&ctl.out, STDOUT_FILENO, false);
	term_init(&ctl.err, STDERR_FILENO, false);
	if (cfipc_check_version(CFIPC_API_VERSION) < 0)
		return ctl_error(&ctl, EXIT_FAILED, "Library",
				 "Install the libcfipc that belongs to this cfctl.",
				 "libcfipc %s is older than this program", cfipc_version());
	code = args_parse(&ctl, argc, argv, &args);
	if (code == EXIT_OK) {
		ctl_init(&ctl);
		code = ctl_done(&ctl, dispatch(&ctl, &args));
	}
	args_done(&args);
	return code;
}
