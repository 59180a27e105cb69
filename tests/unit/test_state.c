/* The daemon's directories: where they are under which environment, what is refused, and the lock. */
#include "base/fs.h"
#include "base/util.h"
#include "store/state.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char base[64];

static char *under(const char *name)
{
	char *path = fs_join(base, name);

	ck_assert_ptr_nonnull(path);
	return path;
}

static void set(const char *variable, const char *name)
{
	_cleanup_free_ char *path = under(name);

	ck_assert_int_eq(setenv(variable, path, 1), 0);
}

static void setup(void)
{
	static const char *const variables[] = {"XDG_CONFIG_HOME", "XDG_STATE_HOME",
						"CONFIGURATION_DIRECTORY", "STATE_DIRECTORY",
						"RUNTIME_DIRECTORY"};

	snprintf(base, sizeof(base), "/tmp/store-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		unsetenv(variables[i]);
	_cleanup_free_ char *run = under("run");
	ck_assert_int_eq(mkdir(run, 0700), 0);
	set("HOME", "home");
	set("XDG_RUNTIME_DIR", "run");
}

static void teardown(void)
{
	char command[96];

	snprintf(command, sizeof(command), "%s", base);
	pid_t pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", command, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static void assert_path(const char *path, const char *name)
{
	_cleanup_free_ char *expected = under(name);

	ck_assert_str_eq(path, expected);
}

static void assert_mode(const char *path, mode_t mode)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, mode);
}

static void refused(int code, const char *words)
{
	struct state_dirs dirs;
	char *why = NULL;
	int r = state_dirs_init(&dirs, false, &why);

	ck_assert_int_eq(r, code);
	ck_assert_ptr_nonnull(why);
	ck_assert_msg(strstr(why, words), "\"%s\" has no \"%s\"", why, words);
	free(why);
}

START_TEST(from_home)
{
	struct state_dirs dirs;
	char *why = NULL;

	ck_assert_int_eq(state_dirs_init(&dirs, false, &why), 0);
	assert_path(dirs.config, "home/.config/carbonfilesd");
	assert_path(dirs.state, "home/.local/state/carbonfilesd");
	assert_path(dirs.runtime, "run/carbonfilesd");
	assert_path(dirs.socket, "run/carbonfilesd/org.carbonfiles");
	ck_assert_int_eq(dirs.lock_fd, -1);
	assert_mode(dirs.config, 0700);
	assert_mode(dirs.state, 0700);
	assert_mode(dirs.runtime, 0700);
	state_dirs_done(&dirs);
	state_dirs_done(&dirs);
	ck_assert_int_eq(state_dirs_init(&dirs, false, &why), 0); /* once more, they exist */
	state_dirs_done(&dirs);
}
END_TEST

START_TEST(from_xdg_and_systemd)
{
	struct state_dirs dirs;
	char *why = NULL;

	unsetenv("HOME"); /* not needed then */
	set("XDG_CONFIG_HOME", "c");
	set("XDG_STATE_HOME", "s");
	ck_assert_int_eq(state_dirs_init(&dirs, false, &why), 0);
	assert_path(dirs.config, "c/carbonfilesd");
	assert_path(dirs.state, "s/carbonfilesd");
	state_dirs_done(&dirs);

	set("CONFIGURATION_DIRECTORY", "sc:/second");
	set("STATE_DIRECTORY", "ss");
	set("RUNTIME_DIRECTORY", "sr");
	unsetenv("XDG_RUNTIME_DIR");
	for (int system = 0; system < 2; system++) {
		ck_assert_int_eq(state_dirs_init(&dirs, system, &why), 0);
		assert_path(dirs.config, "sc");
		assert_path(dirs.state, "ss");
		assert_path(dirs.runtime, "sr");
		assert_path(dirs.socket, "sr/org.carbonfiles");
		state_dirs_done(&dirs);
	}
}
END_TEST

START_TEST(environment_refused)
{
	unsetenv("HOME");
	refused(-ENOENT, "neither XDG_CONFIG_HOME nor HOME");
	setenv("HOME", "", 1);
	refused(-ENOENT, "neither XDG_CONFIG_HOME nor HOME");
	setenv("HOME", "home", 1);
	refused(-EINVAL, "HOME=home is not an absolute path");
	set("HOME", "home");
	setenv("XDG_STATE_HOME", "./state", 1);
	refused(-EINVAL, "XDG_STATE_HOME=./state");
	unsetenv("XDG_STATE_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	refused(-ENOENT, "XDG_RUNTIME_DIR is not set");
	set("XDG_RUNTIME_DIR", "nowhere");
	refused(-ENOENT, "nowhere cannot be opened");
}
END_TEST

START_TEST(modes_refused)
{
	_cleanup_free_ char *run = under("run"), *config = under("home/.config/carbonfilesd"), *state = NULL;

	ck_assert_int_eq(chmod(run, 0755), 0);
	refused(-EPERM, "chmod 0700");
	ck_assert_int_eq(chmod(run, 0700), 0);
	ck_assert_int_eq(chmod(config, 0775), 0);
	refused(-EPERM, "chmod 0755");
	ck_assert_int_eq(chmod(config, 0755), 0); /* made by a person with mkdir: the files in it are 0600 */
	state = under("home/.local/state/carbonfilesd");
	ck_assert_int_eq(chmod(state, 0707), 0);
	refused(-EPERM, "lets others in");
	ck_assert_int_eq(chmod(state, 0700), 0);
	_cleanup_free_ char *sub = under("run/carbonfilesd");
	ck_assert_int_eq(mkdir(sub, 0750), 0);
	ck_assert_int_eq(chmod(sub, 0750), 0);
	refused(-EPERM, "chmod 0700");
	if (geteuid() == 0) {
		ck_assert_int_eq(chmod(sub, 0700), 0);
		ck_assert_int_eq(chown(sub, 12345, 0), 0);
		refused(-EPERM, "belongs to uid 12345");
	}
}
END_TEST

START_TEST(not_a_directory)
{
	_cleanup_free_ char *home = under("home");

	ck_assert_int_eq(fs_write_file_atomic(home, "x", 1, 0600), 0);
	refused(-ENOTDIR, "cannot be made");
}
END_TEST

START_TEST(socket_path_too_long)
{
	char name[120] = "run/";

	memset(name + 4, 'x', 90);
	_cleanup_free_ char *path = under(name);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	set("XDG_RUNTIME_DIR", name);
	refused(-ENAMETOOLONG, "a socket's path may have 107");
}
END_TEST

START_TEST(one_at_a_time)
{
	struct state_dirs dirs, other;
	char *why = NULL, words[64];

	ck_assert_int_eq(state_dirs_init(&dirs, false, &why), 0);
	ck_assert_int_eq(state_dirs_init(&other, false, &why), 0);
	ck_assert_int_eq(state_lock(&dirs, &why), 0);
	ck_assert_int_ge(dirs.lock_fd, 0);
	ck_assert_int_eq(state_lock(&other, &why), -EBUSY);
	snprintf(words, sizeof(words), "as process %ld", (long)getpid());
	ck_assert_ptr_nonnull(strstr(why, words));
	ck_assert_int_eq(other.lock_fd, -1);
	free(why);
	why = NULL;
	state_dirs_done(&other);
	state_dirs_done(&dirs); /* given up */
	ck_assert_int_eq(state_dirs_init(&dirs, false, &why), 0);
	ck_assert_int_eq(state_lock(&dirs, &why), 0);
	state_dirs_done(&dirs);
}
END_TEST

START_TEST(lock_ends_with_its_holder)
{
	struct state_dirs dirs;
	char *why = NULL, byte;
	int ready[2], hold[2];

	ck_assert_int_eq(state_dirs_init(&dirs, false, &why), 0);
	ck_assert_int_eq(pipe(ready), 0);
	ck_assert_int_eq(pipe(hold), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(hold[1]);
		if (state_lock(&dirs, &why) == 0 && write(ready[1], "x", 1) == 1)
			(void)!read(hold[0], &byte, 1); /* until it is killed */
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(state_lock(&dirs, &why), -EBUSY);
	free(why);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(state_lock(&dirs, &why), 0);
	state_dirs_done(&dirs);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *tc = tcase_create("state");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, from_home);
	tcase_add_test(tc, from_xdg_and_systemd);
	tcase_add_test(tc, environment_refused);
	tcase_add_test(tc, modes_refused);
	tcase_add_test(tc, not_a_directory);
	tcase_add_test(tc, socket_path_too_long);
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, lock_ends_with_its_holder);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
