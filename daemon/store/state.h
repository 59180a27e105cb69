/* Where the daemon's files are, and the lock that keeps a second daemon out.
 * systemd's CONFIGURATION_DIRECTORY, STATE_DIRECTORY and RUNTIME_DIRECTORY win over the XDG variables; with
 * --system the defaults are /etc/carbonfilesd, /var/lib/carbonfilesd and /run/carbonfilesd. */
#pragma once
#include <stdbool.h>

struct state_dirs {
	char *config;  /* …/carbonfilesd: carbonfilesd.conf, profiles/, pairs/ */
	char *state;   /* index.db, lock */
	char *runtime; /* the socket */
	char *socket;  /* default socket path */
	int lock_fd;   /* -1 until state_lock */
};

/* Computes the paths, makes the directories (0700) and refuses those that are not ours or wider than they
 * should be. On failure *ret_why (free it) says what, where and what to do. */
int state_dirs_init(struct state_dirs *dirs, bool system, char **ret_why);
/* -EBUSY: another daemon holds it; *ret_why names its pid. */
int state_lock(struct state_dirs *dirs, char **ret_why);
void state_dirs_done(struct state_dirs *dirs);
