/* Starting the daemon's socket unit, for clients that asked for it. */
#include "libcfipc/internal.h"
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int start_socket_unit(void)
{
	static const char *const argv[] = {"systemctl", "--user", "start", "carbonfilesd.socket", NULL};
	int pidfd = -1;
	/* exit_signal stays 0: the program that uses this library gets no SIGCHLD and its wait() does not see
	 * the child. Between clone and exec the child does nothing that would not be safe in a signal
	 * handler. */
	struct clone_args args = {.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = (uintptr_t)&pidfd};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	library_log(CFIPC_LOG_INFO, "starting carbonfilesd.socket");
	return pidfd;
}
