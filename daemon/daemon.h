/* The daemon as a whole. */
#pragma once
#include <stdbool.h>

struct daemon_options {
	bool system;        /* the system-wide service */
	const char *config; /* carbonfilesd.conf at another place; NULL: in the configuration directory */
	int log_level;      /* -1: as configured */
};

/* Runs until SIGTERM or SIGINT; an exit status (sysexits: 0, 1, 78 for a configuration that is refused). */
int daemon_run(const struct daemon_options *options);
