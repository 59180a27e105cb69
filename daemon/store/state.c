/* Finding, making and checking the daemon's directories, and the lock of the state directory. Everything in
 * them is written 0600 by those who write it; here it is made sure that nobody else can put something in
 * their place. */
#include "store/state.h"
#include "base/fs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define DIR_NAME    "carbonfilesd"
#define SOCKET_NAME "org.carbonfiles"
#define LOCK_NAME   "lock"

/* What bind(2) takes, without the NUL. */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* Bits that nobody else may have. Reading names in the other two tells little (the files are 0600); whoever
 * may write there can replace them. */
#define FORBIDDEN_WRITE 022
#define FORBIDDEN_ALL   077

static int why(char **ret_why, int error, const char *format, ...) _printf_(3, 4);
static int why(char **ret_why, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(ret_why, format, args) < 0)
		*ret_why = NULL;
	va_end(args);
	return *ret_why ? error : -ENOMEM;
}

/* A variable that must be an absolute path. 0: it is not set. */
static int absolute_env(const char *name, const char **ret_value, char **ret_why)
{
	const char *value = getenv(name);

	if (!value || *value == '\0')
		return 0;
	if (*value != '/')
		return why(ret_why, -EINVAL, "%s=%s is not an absolute path: set it to one, or unset it",
			   name, value);
	*ret_value = value;
	return 1;
}

/* systemd's variable, of which the first directory counts (it may name several, separated by ':'). */
static int from_systemd(const char *name, char **ret_path, char **ret_why)
{
	const char *value = NULL;
	int r = absolute_env(name, &value, ret_why);

	if (r <= 0)
		return r;
	*ret_path = strndup(value, strcspn(value, ":"));
	return *ret_path ? 1 : -ENOMEM;
}

/* $XDG_NAME/carbonfilesd, else $HOME/FALLBACK/carbonfilesd. */
static int from_xdg(const char *name, const char *fallback, char **ret_path, char **ret_why)
{
	const char *base = NULL, *home = NULL;
	int r = absolute_env(name, &base, ret_why), n;

	if (r < 0)
		return r;
	if (r > 0) {
		n = asprintf(ret_path, "%s/" DIR_NAME, base);
	} else {
		r = absolute_env("HOME", &home, ret_why);
		if (r < 0)
			return r;
		if (r == 0)
			return why(ret_why, -ENOENT,
				   "neither %s nor HOME is set: set one of them, or run with --system", name);
		n = asprintf(ret_path, "%s/%s/" DIR_NAME, home, fallback);
	}
	if (n < 0)
		*ret_path = NULL;
	return *ret_path ? 0 : -ENOMEM;
}

/* Opened and then looked at: what was checked is what is there. */
static int check_dir(const char *path, mode_t forbidden, bool root_may_own, char **ret_why)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return why(ret_why, -errno, "%s cannot be opened: %s", path, strerror(errno));
	if (st.st_uid != geteuid() && !(root_may_own && st.st_uid == 0))
		return why(ret_why, -EPERM,
			   "%s belongs to uid %u, not to uid %u that carbonfilesd runs as: remove it, or "
			   "chown it",
			   path, (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & forbidden)
		return why(ret_why, -EPERM, "%s has mode %04o, which lets others in: chmod %04o '%s'", path,
			   (unsigned)st.st_mode & 07777U, 0777U & ~(unsigned)forbidden, path);
	return 0;
}

static int make_dir(const char *path, mode_t mode, mode_t forbidden, bool root_may_own, char **ret_why)
{
	int r = fs_mkdir_p(path, mode);

	if (r < 0)
		return why(ret_why, r, "%s cannot be made: %s", path, strerror(-r));
	return check_dir(path, forbidden, root_may_own, ret_why);
}

static int find_config(struct state_dirs *dirs, bool system, char **ret_why)
{
	int r = from_systemd("CONFIGURATION_DIRECTORY", &dirs->config, ret_why);

	if (r == 0 && system) {
		dirs->config = strdup(CF_SYSCONFDIR "/" DIR_NAME);
		r = dirs->config ? 0 : -ENOMEM;
	} else if (r == 0) {
		r = from_xdg("XDG_CONFIG_HOME", ".config", &dirs->config, ret_why);
	}
	/* systemd leaves a ConfigurationDirectory to root. */
	return r < 0 ? r : make_dir(dirs->config, system ? 0755 : 0700, FORBIDDEN_WRITE, true, ret_why);
}

static int find_state(struct state_dirs *dirs, bool system, char **ret_why)
{
	int r = from_systemd("STATE_DIRECTORY", &dirs->state, ret_why);

	if (r == 0 && system) {
		dirs->state = strdup("/var/lib/" DIR_NAME);
		r = dirs->state ? 0 : -ENOMEM;
	} else if (r == 0) {
		r = from_xdg("XDG_STATE_HOME", ".local/state", &dirs->state, ret_why);
	}
	return r < 0 ? r : make_dir(dirs->state, 0700, FORBIDDEN_WRITE, false, ret_why);
}

/* Never /tmp: anybody could have made the directory there first. */
static int find_user_runtime(struct state_dirs *dirs, char **ret_why)
{
	const char *base = NULL;
	int r = absolute_env("XDG_RUNTIME_DIR", &base, ret_why);

	if (r < 0)
		return r;
	if (r == 0)
		return why(ret_why, -ENOENT,
			   "XDG_RUNTIME_DIR is not set: log in through a session that sets it (loginctl "
			   "enable-linger for "
			   "one without), or set it to a directory of yours with mode 0700");
	r = check_dir(base, FORBIDDEN_ALL, false, ret_why);
	if (r < 0)
		return r;
	dirs->runtime = fs_join(base, DIR_NAME);
	return dirs->runtime ? 0 : -ENOMEM;
}

static int find_runtime(struct state_dirs *dirs, bool system, char **ret_why)
{
	int r = from_systemd("RUNTIME_DIRECTORY", &dirs->runtime, ret_why);

	if (r == 0 && system) {
		dirs->runtime = strdup("/run/" DIR_NAME);
		r = dirs->runtime ? 0 : -ENOMEM;
	} else if (r == 0) {
		r = find_user_runtime(dirs, ret_why);
	}
	/* The users of the system's daemon must reach its socket, whose own mode says who may connect. */
	return r < 0 ? r
		     : make_dir(dirs->runtime, system ? 0755 : 0700, system ? FORBIDDEN_WRITE : FORBIDDEN_ALL,
				false, ret_why);
}

static int find_socket(struct state_dirs *dirs, char **ret_why)
{
	dirs->socket = fs_join(dirs->runtime, SOCKET_NAME);
	if (!dirs->socket)
		return -ENOMEM;
	if (strlen(dirs->socket) > SOCKET_PATH_MAX)
		return why(ret_why, -ENAMETOOLONG,
			   "%s has %zu bytes, and a socket's path may have %zu: set XDG_RUNTIME_DIR to a "
			   "shorter directory",
			   dirs->socket, strlen(dirs->socket), SOCKET_PATH_MAX);
	return 0;
}

int state_dirs_init(struct state_dirs *dirs, bool system, char **ret_why)
{
	struct state_dirs found = {.lock_fd = -1};
	char *reason = NULL;
	int r = find_config(&found, system, &reason);

	if (r == 0)
		r = find_state(&found, system, &reason);
	if (r == 0)
		r = find_runtime(&found, system, &reason);
	if (r == 0)
		r = find_socket(&found, &reason);
	if (r < 0) {
		state_dirs_done(&found);
		*ret_why = reason ? reason : strdup(strerror(-r));
		return r;
	}
	*dirs = found;
	return 0;
}

static int locked_out(int fd, const char *path, char **ret_why)
{
	char text[32];
	ssize_t n = fs_pread_full(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	long pid = strtol(text, NULL, 10);
	if (pid > 0)
		return why(ret_why, -EBUSY, "carbonfilesd runs already, as process %ld (it holds %s)", pid,
			   path);
	/* It has the lock, and has not come to write its number. */
	return why(ret_why, -EBUSY, "carbonfilesd runs already (it holds %s)", path);
}

int state_lock(struct state_dirs *dirs, char **ret_why)
{
	_cleanup_free_ char *path = fs_join(dirs->state, LOCK_NAME);
	if (!path)
		return -ENOMEM;
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return why(ret_why, -errno, "%s cannot be opened: %s", path, strerror(errno));

	/* Of the open file, not of the process: no other descriptor's close gives it up, and it ends with us
	 * however we end. */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return locked_out(fd, path, ret_why);
		return why(ret_why, -errno, "%s cannot be locked: %s", path, strerror(errno));
	}
	char pid[32];
	int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) != len)
		return why(ret_why, -errno, "%s cannot be written: %s", path, strerror(errno));
	dirs->lock_fd = STEAL_FD(fd);
	return 0;
}

void state_dirs_done(struct state_dirs *dirs)
{
	free(dirs->config);
	free(dirs->state);
	free(dirs->runtime);
	free(dirs->socket);
	close_fd(dirs->lock_fd);
	*dirs = (struct state_dirs){.lock_fd = -1};
}
