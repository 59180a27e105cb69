/* Calls of the daemon, from beginning to end, and the interrupts that end them early. Not here: parameters
 * and replies (json.c), how an error is said (fail.c). */
#include "cfctl/ctl.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define USEC_PER_MSEC 1000

/* Set by the handlers; the descriptor wakes a poll that had not begun yet when the signal came. */
static volatile sig_atomic_t interrupted, resized;
static int signal_fd = -1;

static void wake(void)
{
	uint64_t one = 1;
	int saved = errno;
	ssize_t n = write(signal_fd, &one, sizeof(one));

	(void)n; /* a full counter wakes as well */
	errno = saved;
}

static void on_interrupt(int number)
{
	interrupted = 1;
	wake();
}

static void on_resize(int number)
{
	resized = 1;
	wake();
}

bool ctl_interrupted(void)
{
	return interrupted;
}

bool ctl_resized(void)
{
	bool was = resized;

	resized = 0;
	return was;
}

void ctl_init(struct ctl *ctl)
{
	/* A second interrupt ends the program at once, whatever it is doing. */
	struct sigaction once = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
	struct sigaction resize = {.sa_handler = on_resize, .sa_flags = SA_RESTART};

	term_init(&ctl->out, STDOUT_FILENO, ctl->no_color);
	term_init(&ctl->err, STDERR_FILENO, ctl->no_color);
	ctl->in_tty = isatty(STDIN_FILENO) == 1;
	signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signal_fd < 0)
		return; /* signals keep their default: the program just ends */
	(void)sigaction(SIGINT, &once, NULL);
	(void)sigaction(SIGTERM, &once, NULL);
	if (ctl->out.tty)
		(void)sigaction(SIGWINCH, &resize, NULL);
}

int ctl_done(struct ctl *ctl, int code)
{
	ctl->client = cfipc_client_unref(ctl->client);
	if ((fflush(stdout) != 0 || ferror(stdout)) && code != EXIT_INTERRUPTED && ctl->pager == 0)
		code = ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot write the output: %s",
				 strerror(errno));
	if (ctl->pager > 0) {
		/* Its input ends when ours is closed; it goes on until its reader has seen enough. */
		(void)fclose(stdout);
		while (waitpid(ctl->pager, NULL, 0) < 0 && errno == EINTR)
			continue;
		ctl->pager = 0;
	}
	if (signal_fd >= 0)
		(void)close(signal_fd);
	signal_fd = -1;
	return code;
}

int64_t ctl_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int ctl_wait_fd(int fd, int timeout_ms)
{
	int64_t end = ctl_now_ms() + timeout_ms;

	for (;;) {
		struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
		int64_t left = end - ctl_now_ms();
		int n;

		if (interrupted)
			return -EINTR;
		n = poll(fds, COUNT(fds), timeout_ms < 0 ? -1 : left > 0 ? (int)left : 0);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[1].revents) {
			uint64_t count;

			if (read(signal_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
				return -errno;
			if (resized)
				return 0; /* a reason to draw */
			continue;
		}
		if (n > 0)
			return 1;
		if (n == 0)
			return 0;
	}
}

int ctl_client(struct ctl *ctl, cfipc_client **ret_client)
{
	cfipc_options options;
	int r;

	if (ctl->client) {
		*ret_client = ctl->client;
		return EXIT_OK;
	}
	cfipc_options_init(&options, sizeof(options));
	options.address = ctl->socket;
	r = cfipc_client_new(&ctl->client, &options);
	if (r == -ENOMEM)
		return ctl_no_memory(ctl);
	if (r < 0 && ctl->socket)
		return ctl_usage(ctl, "An address is unix:PATH or a path of at most 107 bytes.",
				 "cannot use --socket %s: %s", ctl->socket, cfipc_strerror(r));
	if (r < 0)
		return ctl_error(ctl, EXIT_NO_DAEMON, "NotRunning",
				 "Say where the daemon listens with --socket or $CARBONFILESD_SOCKET.",
				 "no usable address of the daemon: %s", cfipc_strerror(r));
	*ret_client = ctl->client;
	return EXIT_OK;
}

struct running {
	struct ctl *ctl;
	const struct call *call;
	struct reply reply; /* the last one */
	int code;           /* what a handler ended the stream with */
	bool failed;        /* a reply could not be kept */
};

static int on_reply(cfipc_op *op, const char *json, const cfipc_error *error, unsigned flags, void *userdata)
{
	struct running *run = userdata;
	struct reply reply = {0};

	if (error || run->code != EXIT_OK || run->failed)
		return -1;
	reply.object = json_tokener_parse(json);
	reply.text = strdup(json);
	if (!reply.object || !reply.text || !json_object_is_type(reply.object, json_type_object)) {
		reply_done(&reply);
		run->failed = true;
		return -1;
	}
	if (run->call->on_reply)
		run->code = run->call->on_reply(run->ctl, &reply, run->call->userdata);
	reply_done(&run->reply);
	run->reply = reply;
	return run->code == EXIT_OK ? 0 : -1;
}

/* Until the op is done, a handler has enough, or the user does. */
static int op_finish(struct running *run, cfipc_op *op)
{
	const struct call *call = run->call;
	cfipc_client *client = run->ctl->client;
	int64_t next_tick = ctl_now_ms() + call->tick_ms;

	while (!cfipc_op_is_done(op)) {
		int r = cfipc_client_process(client), wait_ms = -1;

		if (r < 0)
			return r;
		if (call->on_tick && ctl_now_ms() >= next_tick) {
			run->code = call->on_tick(run->ctl, call->userdata);
			next_tick = ctl_now_ms() + call->tick_ms;
		}
		if (run->code != EXIT_OK) {
			cfipc_op_cancel(op);
			continue;
		}
		if (r > 0)
			continue;
		if (call->on_tick) {
			int64_t left = next_tick - ctl_now_ms();

			wait_ms = left > 0 ? (int)left : 0;
		}
		r = ctl_wait_fd(cfipc_client_get_fd(client), wait_ms);
		if (r == 0 && resized)
			next_tick = 0;
		if (r == -EINTR)
			run->code = EXIT_INTERRUPTED;
		else if (r < 0)
			return r;
	}
	return 0;
}

int ctl_try(struct ctl *ctl, const struct call *call, struct reply *ret_reply, cfipc_error **ret_error)
{
	struct running run = {.ctl = ctl, .call = call};
	const char *in_json = NULL;
	const cfipc_error *error;
	cfipc_op *op = NULL;
	cfipc_client *client;
	int r, code = ctl_client(ctl, &client);

	*ret_error = NULL;
	if (code != EXIT_OK)
		return code;
	if (call->params) {
		in_json = json_object_to_json_string_ext(call->params->object, JSON_C_TO_STRING_PLAIN);
		if (call->params->failed || !in_json)
			return ctl_no_memory(ctl);
		if (call->params->not_utf8)
			return ctl_usage(ctl, "Only local paths may hold other bytes.",
					 "cannot %s: a word of the command line is not UTF-8", call->what);
	}
	r = cfipc_call_async(client, &op, call->method, in_json, call->flags, on_reply, &run);
	if (r >= 0 && call->with_fd)
		r = cfipc_op_push_dup_fd(op, call->fd);
	if (r >= 0 && call->timeout_ms > 0)
		r = cfipc_op_set_timeout(op, call->timeout_ms * USEC_PER_MSEC);
	if (r >= 0)
		r = op_finish(&run, op);
	if (r < 0) {
		code = call->silent ? cfipc_exit_code(r, NULL) : ctl_fail(ctl, call->what, r, NULL);
		goto out;
	}
	error = cfipc_op_get_error(op);
	if (run.code != EXIT_OK) {
		code = run.code;
	} else if (run.failed) {
		code = ctl_error(ctl, EXIT_FAILED, "Protocol", NULL,
				 "cannot %s: the daemon's reply cannot be read", call->what);
	} else if (error && cfipc_error_code(error) == CFIPC_ERROR_NOT_FOUND) {
		*ret_error = cfipc_error_copy(error);
		code = *ret_error ? EXIT_NOT_FOUND : ctl_no_memory(ctl);
	} else if (error) {
		code = call->silent ? cfipc_exit_code(-EREMOTEIO, error)
				    : ctl_fail(ctl, call->what, -EREMOTEIO, error);
	} else if (ret_reply) {
		*ret_reply = run.reply;
		run.reply = (struct reply){0};
	}
out:
	reply_done(&run.reply);
	/* The op may outlive this frame in the client after a failure: it must not find `run` again. */
	if (op && !cfipc_op_is_done(op))
		ctl->client = cfipc_client_unref(ctl->client);
	cfipc_op_unref(op);
	return code;
}

int ctl_run(struct ctl *ctl, const struct call *call, struct reply *ret_reply)
{
	cfipc_error *error;
	int code = ctl_try(ctl, call, ret_reply, &error);

	if (error)
		code = ctl_fail(ctl, call->what, -EREMOTEIO, error);
	cfipc_error_free(error);
	return code;
}

int ctl_call(struct ctl *ctl, const char *what, const char *method, struct params *params,
	     struct reply *ret_reply)
{
	struct call call = {.what = what, .method = method, .params = params};

	return ctl_run(ctl, &call, ret_reply);
}
