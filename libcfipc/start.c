/* Starting the daemon's socket unit, for clients that asked for it. */
#include "libcfipc/internal.h"
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void start_abandon(int pidfd)
{
	siginfo_t info;

	/* Killed, it is gone in a moment; left alone, it would stay a zombie that nobody can wait for.
	 * systemd goes on with the job all the same. */
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL);
}

/* Runs in a copy of a program that may have threads: nothing but system calls from here on. It stays the
 * parent of systemctl and waits for it, holding nothing of the program's open. */
static _Noreturn void wait_for_systemctl(void)
{
	static const char *const argv[] = {"systemctl", "--user", "start", "carbonfilesd.socket", NULL};
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	struct clone_args args = {.exit_signal = SIGCHLD};
	siginfo_t info = {0};
	sigset_t none;

	sigemptyset(&none);
	sigaction(SIGCHLD, &by_default, NULL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	syscall(SYS_close_range, 0, ~0U, 0);
	if (pid < 0)
		_exit(127);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	_exit(info.si_code == CLD_EXITED ? info.si_status : 128);
}

int start_socket_unit(void)
{
	int pidfd = -1;
	/* exit_signal stays 0: the program that uses this library gets no SIGCHLD and its wait() does not see
	 * the child. exec would set it to SIGCHLD, so it is a grandchild that becomes systemctl. */
	struct clone_args args = {.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = (uintptr_t)&pidfd};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return -errno;
	if (pid == 0)
		wait_for_systemctl();
	library_log(CFIPC_LOG_INFO, "starting carbonfilesd.socket");
	return pidfd;
}
