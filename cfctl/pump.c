/* Bytes between a descriptor of ours and a pipe, by a child process. */
#include "cfctl/pump.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_BYTES  (1024 * 1024) /* fewer turns; what the kernel grants an ordinary user */
#define BLOCK_BYTES (64 * 1024)

/* Where the kernel can move pages it does; where it cannot (a terminal, O_APPEND) they are copied. */
static int carry(int from, int to)
{
	static char block[BLOCK_BYTES];
	bool splices = true;

	for (;;) {
		ssize_t n = splices ? splice(from, NULL, to, NULL, PIPE_BYTES, SPLICE_F_MOVE)
				    : read(from, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && splices && errno == EINVAL) {
			splices = false;
			continue;
		}
		if (n < 0)
			return errno;
		if (n == 0)
			return 0;
		for (ssize_t done = 0, m; !splices && done < n; done += m) {
			m = write(to, block + done, (size_t)(n - done));
			if (m < 0 && errno == EINTR)
				m = 0;
			else if (m < 0)
				return errno;
		}
	}
}

static int start(struct ctl *ctl, int ours, bool reads, struct pump *ret_pump, int *ret_fd)
{
	int fds[2];
	pid_t pid;

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
