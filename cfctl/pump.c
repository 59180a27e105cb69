/* Bytes between a descriptor of ours and a pipe, by a child process. */
#include "cfctl/pump.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_BYTES  (1024 * 1024) /* fewer turns; what the kernel grants an ordinary user */
#define BLOCK_BYTES (64 * 1024)

/* Of the child that writes: what is in the pipe is all there will be, even if somebody still holds its other
 * end. */
static volatile sig_atomic_t draining;
static int drain_fd = -1;

static void on_drain(int number)
{
	int saved = errno;

	draining = 1;
	/* A read that begins after this does not wait; one that waits is interrupted. */
	if (drain_fd >= 0)
		(void)fcntl(drain_fd, F_SETFL, O_NONBLOCK);
	errno = saved;
}

/* After EAGAIN: whether there is something left to be written, once that is possible. */
static bool is_left(int from, int to)
{
	struct pollfd fd = {.fd = to, .events = POLLOUT};
	int n = 0;

	return ioctl(from, FIONREAD, &n) == 0 && n > 0 && (poll(&fd, 1, -1) > 0 || errno == EINTR);
}

static int write_all(int fd, const char *block, size_t n)
{
	while (n > 0) {
		ssize_t m = write(fd, block, n);

		if (m < 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};

			(void)poll(&wait, 1, -1);
		} else if (m < 0 && errno != EINTR) {
			return errno;
		}
		if (m > 0) {
			block += m;
			n -= (size_t)m;
		}
	}
	return 0;
}

/* Where the kernel can move pages it does; where it cannot (a terminal, O_APPEND) they are copied. Into a
 * file they are copied always: a splice that ends puts the file's place back to where it was when it began,
 * and what was written there meanwhile (the error, with 2>&1) would be written over. */
static int carry(int from, int to)
{
	static char block[BLOCK_BYTES];
	struct stat st;
	bool splices = fstat(to, &st) < 0 || !S_ISREG(st.st_mode);

	for (;;) {
		ssize_t n = splices ? splice(from, NULL, to, NULL, PIPE_BYTES, SPLICE_F_MOVE)
				    : read(from, block, sizeof(block));
		int error;

		if (n == 0 || (n < 0 && errno == EAGAIN && draining && !is_left(from, to)))
			return 0;
		if (n < 0 && splices && errno == EINVAL) {
			splices = false;
		} else if (n < 0 && errno == EAGAIN) {
			/* Somebody else made one of them so. */
			struct pollfd in = {.fd = from, .events = POLLIN},
				      out = {.fd = to, .events = POLLOUT};

			if (draining || poll(&in, 1, -1) >= 0)
				(void)poll(&out, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			return errno;
		} else if (n > 0 && !splices && (error = write_all(to, block, (size_t)n)) != 0) {
			return error;
		}
	}
}

static int start(struct ctl *ctl, int ours, bool reads, struct pump *ret_pump, int *ret_fd)
{
	struct sigaction drain = {.sa_handler = on_drain};
	int fds[2];
	pid_t pid;

	(void)sigaction(SIGUSR1, &drain, NULL);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot make a pipe: %s",
				 strerror(errno));
	(void)fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES);
	(void)fflush(stdout);
	pid = fork();
	if (pid < 0) {
		int saved = errno;

		(void)close(fds[0]);
		(void)close(fds[1]);
		return ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot start a process: %s",
				 strerror(saved));
	}
	if (pid == 0) {
		int theirs = fds[reads ? 1 : 0];

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGINT, SIG_IGN); /* the parent cancels, and then this ends, too */
		(void)signal(SIGTERM, SIG_DFL);
		(void)close(fds[reads ? 0 : 1]);
		drain_fd = reads ? -1 : theirs;
		if (draining)
			on_drain(SIGUSR1);
		_exit(reads ? carry(ours, theirs) : carry(theirs, ours));
	}
	(void)close(fds[reads ? 1 : 0]);
	ret_pump->pid = pid;
	*ret_fd = fds[reads ? 0 : 1];
	return EXIT_OK;
}

int pump_from(struct ctl *ctl, int from, struct pump *ret_pump, int *ret_fd)
{
	return start(ctl, from, true, ret_pump, ret_fd);
}

int pump_to(struct ctl *ctl, int to, struct pump *ret_pump, int *ret_fd)
{
	return start(ctl, to, false, ret_pump, ret_fd);
}

int pump_wait(struct ctl *ctl, struct pump *pump)
{
	int status = 0;

	if (pump->pid == 0)
		return EXIT_OK;
	(void)kill(pump->pid, SIGUSR1);
	while (waitpid(pump->pid, &status, 0) < 0) {
		if (errno != EINTR)
			break;
		if (ctl_interrupted()) {
			pump_kill(pump);
			return EXIT_INTERRUPTED;
		}
	}
	pump->pid = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) {
		(void)signal(SIGPIPE, SIG_DFL);
		(void)raise(SIGPIPE);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return EXIT_OK;
	return ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot write the output: %s",
			 WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "its process was killed");
}

void pump_kill(struct pump *pump)
{
	if (pump->pid == 0)
		return;
	(void)kill(pump->pid, SIGKILL);
	while (waitpid(pump->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	pump->pid = 0;
}
