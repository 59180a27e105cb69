/*
 * carbonfiles-devserver: options, signals, and the order of starting and ending. What it is for is in
 * README.md.
 */
#include "counters.h"
#include "fault_orders.h"
#include "faults.h"
#include "server.h"
#include "store.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:5000"
#define DEFAULT_KEY    "dev-admin-key-change-me"

#define EXIT_USAGE 2

struct options {
	const char *listen, *data, *admin_key;
	int64_t max_upload_bytes;
	bool control;
};

static const char usage_text[] =
	"usage: carbonfiles-devserver [--listen ADDR:PORT] [--data DIR] [--admin-key KEY]\n"
	"                             [--max-upload-size BYTES] [--control]\n"
	"  --listen           where to accept, port 0 chooses one (" DEFAULT_LISTEN ")\n"
	"  --data             keeps everything there; without it, in a private directory removed at the end\n"
	"  --admin-key        the admin key (" DEFAULT_KEY ")\n"
	"  --max-upload-size  the largest request body, 0 for no limit (0)\n"
	"  --control          opens /_dev/ to everybody who can connect: faults and counters for tests\n";

/* 0; an exit status otherwise, with -1 for "say nothing, end well". */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"listen", required_argument, NULL, 'l'},
		{"data", required_argument, NULL, 'd'},
		{"admin-key", required_argument, NULL, 'k'},
		{"control", no_argument, NULL, 'c'},
		{"max-upload-size", required_argument, NULL, 'm'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	*o = (struct options){.listen = DEFAULT_LISTEN, .admin_key = DEFAULT_KEY};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'l': o->listen = optarg; break;
		case 'd': o->data = optarg; break;
		case 'k': o->admin_key = optarg; break;
		case 'c': o->control = true; break;
		case 'm':
			if (!parse_int64(span_of(optarg), &o->max_upload_bytes) || o->max_upload_bytes < 0) {
				fprintf(stderr,
					"carbonfiles-devserver: --max-upload-size wants a number of bytes\n");
				return EXIT_USAGE;
			}
			break;
		case 'h': fputs(usage_text, stdout); return -1;
		default: fputs(usage_text, stderr); return EXIT_USAGE;
		}
	}
	if (optind == argc && utf8_is_blank(span_of(o->admin_key)))
		fprintf(stderr, "carbonfiles-devserver: the admin key must not be blank\n");
	else if (optind == argc)
		return 0;
	else
		fputs(usage_text, stderr);
	return EXIT_USAGE;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return remove(path);
}

static int stop_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int serve(struct server *s, const char *address, const char *data, int stop_fd)
{
	_cleanup_buf_ struct buf url = {0};
	int listen_fd;

	int r = store_open(&s->store, data);
	if (r < 0) {
		fprintf(stderr, "carbonfiles-devserver: cannot use %s: %s\n", data,
			r == -EWOULDBLOCK ? "another server does" : strerror(-r));
		return r;
	}
	r = server_listen(address, &listen_fd, &url);
	if (r < 0) {
		fprintf(stderr, "carbonfiles-devserver: cannot listen on %s: %s\n", address, strerror(-r));
	} else {
		printf("listening on %s\n", url.p);
		fflush(stdout);
		r = server_run(s, listen_fd, stop_fd);
		close(listen_fd);
	}
	/* A connection that would not end still uses the store: then the process just ends, as at a kill. */
	if (s->n_conns == 0)
		s->store = store_close(s->store);
	return r;
}

int main(int argc, char **argv)
{
	struct options o;
	char private_data[] = "/tmp/carbonfiles-devserver-XXXXXX";
	int status = parse_options(argc, argv, &o);

	if (status)
		return status < 0 ? EXIT_SUCCESS : status;
	if (!o.data && !mkdtemp(private_data)) {
		fprintf(stderr, "carbonfiles-devserver: no private directory: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	struct server s = {
		.admin_key = o.admin_key,
		.max_upload_bytes = o.max_upload_bytes,
		.control = o.control,
		.started_ms = monotonic_ms(),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.all_gone = PTHREAD_COND_INITIALIZER,
	};
	if (o.control)
		counters_enable();
	int stop_fd = stop_signals();
	int r = stop_fd < 0 ? -errno : serve(&s, o.listen, o.data ? o.data : private_data, stop_fd);
	if (!o.data)
		nftw(private_data, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	fault_remove_all();
	counters_reset();
	if (stop_fd >= 0)
		close(stop_fd);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
