/* carbonfilesd: options, then daemon_run(); nothing else. */
#include "base/log.h"
#include "config.h"
#include "daemon.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE 2

static const char usage[] =
	"Usage: carbonfilesd [OPTION]...\n"
	"Keeps watched directories in CarbonFiles buckets and answers programs on its socket.\n"
	"\n"
	"  -c, --config FILE      read FILE instead of carbonfilesd.conf in the configuration directory\n"
	"  -l, --log-level LEVEL  error, warning, info or debug; wins over the configuration\n"
	"      --system           the system-wide service: /etc, /var/lib and /run instead of home "
	"directories\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n"
	"\n"
	"It stays in the foreground; a service manager or `systemctl --user enable --now "
	"carbonfilesd.socket`\n"
	"starts it. See carbonfilesd(8).\n";

int main(int argc, char **argv)
{
	enum { OPT_SYSTEM = 256 };
	static const struct option long_options[] = {
		{"config", required_argument, NULL, 'c'},  {"log-level", required_argument, NULL, 'l'},
		{"system", no_argument, NULL, OPT_SYSTEM}, {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0},
	};
	struct daemon_options options = {.log_level = -1};
	enum log_level level;

	for (int c; (c = getopt_long(argc, argv, "c:l:hV", long_options, NULL)) != -1;) {
		switch (c) {
		case 'c': options.config = optarg; break;
		case 'l':
			if (log_level_parse(optarg, &level) < 0) {
				fprintf(stderr,
					"carbonfilesd: --log-level takes error, warning, info or debug, not "
					"\"%s\"\n",
					optarg);
				return EXIT_USAGE;
			}
			options.log_level = level;
			break;
		case OPT_SYSTEM: options.system = true; break;
		case 'h': fputs(usage, stdout); return EXIT_SUCCESS;
		case 'V': puts("carbonfilesd " PACKAGE_VERSION); return EXIT_SUCCESS;
		default: fputs("Try `carbonfilesd --help`.\n", stderr); return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "carbonfilesd: takes no arguments, got \"%s\"; try --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	return daemon_run(&options);
}
