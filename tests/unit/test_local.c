/* local.c on real files: what a path is, and content that held still or was refused. */
#include "base/clock.h"
#include "base/fs.h"
#include "sync/local.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char base[64];
static int root;
static struct local_rules rules;

static void put(const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_write_full(fd, text, strlen(text)), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void setup(void)
{
	struct stat st;

	snprintf(base, sizeof(base), "/tmp/test_local.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	root = local_root_open(base);
	ck_assert_int_ge(root, 0);
	ck_assert_int_eq(fstat(root, &st), 0);
	rules = (struct local_rules){.root_dev = st.st_dev};
}

static void teardown(void)
{
	close_fd(root);
	nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct local_state look(const char *path)
{
	struct local_state state;

	memset(&state, 0xAA, sizeof(state));
	local_inspect(root, path, &rules, &state);
	return state;
}

static int read_one(const char *path, size_t max, void **ret_data, size_t *ret_len, struct index_sig *ret_sig,
		    bool *ret_racy)
{
	struct local_way way;
	struct local_state state, looked;
	local_way_init(&way, root, &rules);
	int r = local_way_read(&way, path, max, ret_data, ret_len, &state, ret_racy);
	if (r == 0) {
		local_way_inspect(&way, path, &looked);
		ck_assert_mem_eq(&state, &looked, sizeof(state));
		*ret_sig = state.sig;
	}
	local_way_done(&way);
	return r;
}

static void expect(const char *path, enum plan_presence presence, const char *reason)
{
	/* The same answer whether the way is taken at once or step by step. */
	for (int own = 0; own < 2; own++) {
		rules.own_count = own;
		struct local_state s = look(path);
		ck_assert_msg(s.presence == presence, "%s: %d", path, s.presence);
		if (reason)
			ck_assert_str_eq(s.skip_reason, reason);
		else
			ck_assert_ptr_null(s.skip_reason);
	}
	rules.own_count = 0;
}

START_TEST(presence)
{
	ck_assert_int_eq(mkdirat(root, "d", 0755), 0);
	ck_assert_int_eq(mkdirat(root, "d/e", 0755), 0);
	put("d/e/f", "text");
	ck_assert_int_eq(symlinkat("d", root, "link"), 0);
	ck_assert_int_eq(symlinkat("nowhere", root, "d/dangling"), 0);
	ck_assert_int_eq(mkfifoat(root, "fifo", 0600), 0);

	expect("d/e/f", PLAN_FILE, NULL);
	struct local_state s = look("d/e/f");
	ck_assert_int_eq(s.sig.size, 4);
	ck_assert(!s.linked);
	struct stat st;
	ck_assert_int_eq(fstatat(root, "d/e/f", &st, 0), 0);
	ck_assert_uint_eq(s.sig.ino, st.st_ino);
	ck_assert_int_eq(s.sig.mtime_ns, st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
	ck_assert_int_eq(s.sig.ctime_ns, st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec);
	ck_assert_int_eq(linkat(root, "d/e/f", root, "twin", 0), 0);
	ck_assert(look("twin").linked);

	expect("none", PLAN_ABSENT, NULL);
	expect("d/none/x", PLAN_ABSENT, NULL);
	expect("d/e", PLAN_ABSENT, NULL);
	ck_assert(look("d/e").is_dir);
	expect("d/e/f/below", PLAN_ABSENT, NULL); /* below a file */
	expect("link/e/f", PLAN_ABSENT, NULL);    /* below a symlink */
	expect("link", PLAN_SPECIAL, "symlink");
	expect("d/dangling", PLAN_SPECIAL, "symlink");
	expect("fifo", PLAN_SPECIAL, "fifo");
	char longer[300];
	memset(longer, 'n', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	expect(longer, PLAN_ABSENT, NULL);

	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", base);
	ck_assert_int_eq(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	expect("sock", PLAN_SPECIAL, "socket");
	close_fd(sock);
	if (mknodat(root, "null", S_IFCHR | 0600, 0x103) == 0)
		expect("null", PLAN_SPECIAL, "device");
}
END_TEST

START_TEST(rules_decide_first)
{
	ck_assert_int_eq(mkdirat(root, ".ssh", 0700), 0);
	put(".ssh/config", "x");
	put("a~", "x");
	expect(".ssh/config", PLAN_UNCOVERED, "secret");
	expect("a~", PLAN_UNCOVERED, "ignored");
	expect("d/none~", PLAN_UNCOVERED, "ignored"); /* whether it is there or not */
	rules.ignore.secrets = true;
	expect(".ssh/config", PLAN_FILE, NULL);
}
END_TEST

START_TEST(own_state)
{
	struct stat st;

	ck_assert_int_eq(mkdirat(root, "state", 0755), 0);
	ck_assert_int_eq(mkdirat(root, "state/deep", 0755), 0);
	put("state/deep/f", "x");
	ck_assert_int_eq(fstatat(root, "state", &st, 0), 0);
	rules.own_dev[0] = st.st_dev;
	rules.own_ino[0] = st.st_ino;
	rules.own_count = 1;
	struct local_state s = look("state/deep/f");
	ck_assert_int_eq(s.presence, PLAN_UNCOVERED);
	ck_assert_str_eq(s.skip_reason, "own_state");
}
END_TEST

START_TEST(unreadable)
{
	ck_assert_int_eq(mkdirat(root, "closed", 0755), 0);
	ck_assert_int_eq(mkdirat(root, "closed/d", 0755), 0);
	put("closed/d/f", "x");
	put("secretive", "x");
	ck_assert_int_eq(fchmodat(root, "secretive", 0, 0), 0);
	ck_assert_int_eq(fchmodat(root, "closed", 0, 0), 0);
	ck_assert_int_eq(chmod(base, 0755), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	struct index_sig sig;
	expect("closed/d/f", PLAN_UNREADABLE, "unreadable");
	expect("closed/none", PLAN_UNREADABLE, "unreadable");
	ck_assert_int_eq(look("closed/d/f").error, -EACCES);
	expect("secretive", PLAN_FILE, NULL); /* shows when it is opened */
	ck_assert_int_eq(local_open(root, "secretive", &rules, &sig), -EACCES);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(fchmodat(root, "closed", 0700, 0), 0);
}
END_TEST

START_TEST(mounts)
{
	char dir[96], file[96], source[96];

	ck_assert_int_eq(mkdirat(root, "m", 0755), 0);
	ck_assert_int_eq(mkdirat(root, "b", 0755), 0);
	put("b/f", "x");
	put("single", "x");
	snprintf(dir, sizeof(dir), "%s/m", base);
	snprintf(source, sizeof(source), "%s/b", base);
	snprintf(file, sizeof(file), "%s/single", base);
	/* A bind mount: the same st_dev, another tree all the same. */
	if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount(source, dir, NULL, MS_BIND, NULL) == 0) {
		struct index_sig sig;
		close_fd(root); /* it shows the mounts of the namespace it was opened in */
		root = local_root_open(base);
		expect("m/f", PLAN_UNCOVERED, "other_filesystem");
		ck_assert_int_eq(local_open(root, "m/f", &rules, &sig), -EXDEV);
		ck_assert_int_eq(umount(dir), 0);
		expect("m/f", PLAN_ABSENT, NULL);
		snprintf(source, sizeof(source), "%s/b/f", base);
		ck_assert_int_eq(mount(source, file, NULL, MS_BIND, NULL), 0);
		expect("single", PLAN_UNCOVERED, "other_filesystem");
		ck_assert_int_eq(umount(file), 0);
	}
}
END_TEST

START_TEST(reading)
{
	struct index_sig sig, again;
	struct digest digest, expected;
	void *data;
	size_t len;
	bool racy;

	put("f", "hello");
	ck_assert_int_eq(read_one("f", 5, &data, &len, &sig, &racy), 0);
	ck_assert_uint_eq(len, 5);
	ck_assert_mem_eq(data, "hello", 5);
	ck_assert(racy); /* written a moment ago */
	free(data);
	ck_assert_int_eq(read_one("f", 4, &data, &len, &sig, &racy), -EFBIG);
	ck_assert_int_eq(local_hash(root, "f", &rules, NULL, &digest, &again, &racy), 0);
	ck_assert_int_eq(digest_of("hello", 5, &expected), 0);
	ck_assert(digest_equal(&digest, &expected));
	ck_assert(local_sig_equal(&sig, &again));
	volatile bool cancel = true;
	ck_assert_int_eq(local_hash(root, "f", &rules, &cancel, &digest, &again, &racy), -ECANCELED);
	put("empty", "");
	ck_assert_int_eq(read_one("empty", 0, &data, &len, &sig, &racy), 0);
	ck_assert_uint_eq(len, 0);
	free(data);
	ck_assert_int_eq(local_hash(root, "empty", NULL, NULL, &digest, &sig, &racy), 0);
	ck_assert_int_eq(digest_of("", 0, &expected), 0);
	ck_assert(digest_equal(&digest, &expected));

	/* More than one block. */
	_cleanup_free_ char *big = malloc(700001);
	for (int i = 0; i < 700000; i++)
		big[i] = (char)('a' + i % 23);
	big[700000] = '\0';
	put("big", big);
	ck_assert_int_eq(local_hash(root, "big", &rules, NULL, &digest, &sig, &racy), 0);
	ck_assert_int_eq(digest_of(big, 700000, &expected), 0);
	ck_assert(digest_equal(&digest, &expected));

	ck_assert_int_eq(mkdirat(root, "d", 0755), 0);
	ck_assert_int_eq(mkfifoat(root, "fifo", 0600), 0); /* would block for ever */
	ck_assert_int_eq(symlinkat("f", root, "link"), 0);
	ck_assert_int_eq(symlinkat("/", root, "out"), 0);
	ck_assert_int_eq(local_open(root, "d", NULL, &sig), -EISDIR);
	ck_assert_int_eq(local_open(root, "fifo", NULL, &sig), -EINVAL);
	ck_assert_int_eq(local_open(root, "link", NULL, &sig), -ELOOP);
	ck_assert_int_eq(local_open(root, "out/etc/passwd", NULL, &sig), -ELOOP);
	ck_assert_int_eq(local_open(root, "../x", NULL, &sig), -EXDEV);
	ck_assert_int_eq(local_open(root, "none", NULL, &sig), -ENOENT);
}
END_TEST

/* Neighbours share the open directory; each still gets its own answer, and a directory that came or went
 * between two paths is noticed. */
START_TEST(one_way_for_many)
{
	static const char *const paths[] = {"a",    "d/a",    "d/b",    "d/e/a", "d/f",
					    "dd/a", "gone/a", "gone/b", "z"};
	_cleanup_(local_way_done) struct local_way way;

	ck_assert_int_eq(mkdirat(root, "d", 0755), 0);
	ck_assert_int_eq(mkdirat(root, "d/e", 0755), 0);
	ck_assert_int_eq(mkdirat(root, "dd", 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (strncmp(paths[i], "gone", 4) != 0)
			put(paths[i], paths[i]);
	local_way_init(&way, root, &rules);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct local_state together, alone = look(paths[i]);
		struct local_state read;
		void *data = NULL;
		size_t len;
		bool racy_file;

		local_way_inspect(&way, paths[i], &together);
		ck_assert_int_eq(together.presence, alone.presence);
		ck_assert(local_sig_equal(&together.sig, &alone.sig));
		int r = local_way_read(&way, paths[i], 100, &data, &len, &read, &racy_file);
		if (alone.presence == PLAN_ABSENT) {
			ck_assert_int_eq(r, -ENOENT);
			continue;
		}
		ck_assert_int_eq(r, 0);
		ck_assert_uint_eq(len, strlen(paths[i]));
		ck_assert_mem_eq(data, paths[i], len);
		free(data);
	}
	struct local_state state;
	local_way_inspect(&way, "gone/a", &state);
	ck_assert_int_eq(state.presence, PLAN_ABSENT);
	ck_assert_int_eq(mkdirat(root, "gone", 0755), 0);
	put("gone/a", "back");
	local_way_inspect(&way, "gone/a", &state);
	ck_assert_int_eq(state.presence, PLAN_FILE);
}
END_TEST

START_TEST(secrets_by_content)
{
	const char *key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n";
	struct index_sig sig;
	struct digest digest;
	void *data;
	size_t len;
	bool racy;

	put("key", key);
	put("second_line", "x\n-----BEGIN PRIVATE KEY-----\n");
	ck_assert_int_eq(local_open(root, "key", &rules, &sig), -EKEYREJECTED);
	ck_assert_int_eq(read_one("key", 1000, &data, &len, &sig, &racy), -EKEYREJECTED);
	ck_assert_int_eq(local_hash(root, "key", &rules, NULL, &digest, &sig, &racy), -EKEYREJECTED);
	ck_assert_int_eq(local_hash(root, "key", NULL, NULL, &digest, &sig, &racy), 0);
	int fd = local_open(root, "second_line", &rules, &sig);
	ck_assert_int_ge(fd, 0);
	ck_assert(!local_is_secret(fd, sig.size));
	close_fd(fd);

	/* The limit itself, and one more. */
	for (int more = 0; more < 2; more++) {
		size_t size = IGNORE_SECRET_FILE_MAX + (size_t)more;
		_cleanup_free_ char *text = malloc(size + 1);
		memset(text, 'x', size);
		memcpy(text, key, strlen(key));
		text[size] = '\0';
		put("large", text);
		int expected = more ? 0 : -EKEYREJECTED;
		ck_assert_int_eq(local_hash(root, "large", &rules, NULL, &digest, &sig, &racy), expected);
		fd = local_open(root, "large", &rules, &sig);
		ck_assert_int_eq(fd < 0 ? fd : 0, expected);
		close_fd(fd);
	}
	rules.ignore.secrets = true;
	ck_assert_int_eq(local_hash(root, "key", &rules, NULL, &digest, &sig, &racy), 0);
}
END_TEST

START_TEST(racy)
{
	const int64_t now = INT64_C(1000000000000), g = CLOCK_FILE_GRANULARITY_NS;
	struct index_sig sig = {.mtime_ns = now - 10 * g, .ctime_ns = now - 10 * g};

	ck_assert(!local_sig_racy(&sig, now));
	sig.ctime_ns = now - g;
	ck_assert(local_sig_racy(&sig, now));
	sig.ctime_ns = now + 100 * g; /* a clock that was set back */
	ck_assert(local_sig_racy(&sig, now));
	sig.ctime_ns = now - 10 * g;
	sig.mtime_ns = now - g + 1;
	ck_assert(local_sig_racy(&sig, now));
	sig.mtime_ns = now + 100 * g; /* touch -d tomorrow: its ctime is what counts */
	ck_assert(!local_sig_racy(&sig, now));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("local");
	TCase *tests = tcase_create("all");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, presence);
	tcase_add_test(tests, rules_decide_first);
	tcase_add_test(tests, own_state);
	tcase_add_test(tests, unreadable);
	tcase_add_test(tests, mounts);
	tcase_add_test(tests, reading);
	tcase_add_test(tests, one_way_for_many);
	tcase_add_test(tests, secrets_by_content);
	tcase_add_test(tests, racy);
	suite_add_tcase(suite, tests);
	return tap_run(suite);
}
