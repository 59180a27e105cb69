/* Two figures that need no server, in one process with their peers: a scan of an unchanged tree, its
 * comparison with the index included, against `find -size`; and the time until every directory of a tree is
 * watched against the bare system calls. Contestants take turns, the minima are printed as `name ours peer`.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "sync/scan.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ROUNDS    5
#define ROW_BATCH 10000

extern char **environ;
static char base[64], tree[80], index_path[80];
static struct loop *loop;
static struct scan_params params;
static uint64_t root_ino;

static void fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-error));
	exit(EXIT_FAILURE);
}

static void check(const char *what, int r)
{
	if (r < 0)
		fail(what, r);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Files in directories of per_dir, a hundred of these below one; a row for each file. */
static void make_tree(int root, struct index *store, int64_t pair, int files, int per_dir)
{
	char path[64];

	check("index_begin", index_begin(store));
	for (int i = 0; i < files; i++) {
		int d = i / per_dir;
		if (i % per_dir == 0) {
			if (d % 100 == 0) {
				snprintf(path, sizeof(path), "top%05d", d / 100);
				check(path, mkdirat(root, path, 0755) < 0 ? -errno : 0);
			}
			snprintf(path, sizeof(path), "top%05d/dir%02d", d / 100, d % 100);
			check(path, mkdirat(root, path, 0755) < 0 ? -errno : 0);
		}
		snprintf(path, sizeof(path), "top%05d/dir%02d/file%07d.txt", d / 100, d % 100, i);
		int fd = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0)
			fail(path, -errno);
		struct index_row row = {
			.path = path, .synced = true, .updated_at = "2026-11-24T08:58:56.123456"};
		check(path, local_sig_of(fd, &row.sig));
		close_fd(fd);
		check("index_put", index_put(store, pair, &row));
		if (i % ROW_BATCH == ROW_BATCH - 1) {
			check("index_commit", index_commit(store));
			check("index_begin", index_begin(store));
		}
	}
	check("index_commit", index_commit(store));
}

static double run_scan(int64_t expected)
{
	struct scan *scan;
	struct scan_result r;
	int64_t equal = 0;
	double start = now_s();

	check("scan_new", scan_new(&params, root_ino, &scan));
	do {
		scan_step(scan, NULL, 1000, &r);
		check("scan_step", r.error);
		equal += r.equal;
		if (r.n_items + r.n_skips > 0)
			fail("an unchanged tree differs", -EINVAL);
	} while (!r.done);
	if (equal != expected)
		fail("files are missing", -EINVAL);
	scan_free(scan);
	return now_s() - start;
}

static double run_find(void)
{
	char *argv[] = {(char[]){"find"}, tree, (char[]){"-size"}, (char[]){"+1G"}, NULL};
	double start = now_s();
	pid_t pid;
	int status;

	check("find", -posix_spawnp(&pid, "find", NULL, NULL, argv, environ));
	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail("find", -ECHILD);
	return now_s() - start;
}

/* The least that has to be done: open, watch, read, for every directory. */
static void watch_bare(int fd, int inotify)
{
	char link[40];
	DIR *dir = fdopendir(fd);

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (!dir || inotify_add_watch(inotify, link, IN_CREATE | IN_ONLYDIR) < 0)
		fail("watch", -errno);
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			watch_bare(openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), inotify);
	closedir(dir);
}

static double run_bare_watch(void)
{
	int inotify = inotify_init1(IN_CLOEXEC);
	double start = now_s();

	watch_bare(open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC), inotify);
	double took = now_s() - start;
	close_fd(inotify);
	return took;
}

static void no_hint(void *arg, enum watch_hint hint, const char *path, const char *new_path, bool is_dir)
{
}

static double run_watched_scan(int64_t files, int64_t directories)
{
	struct watch *watch;
	int64_t watched, polled;
	double start = now_s();

	check("watch_new", watch_new(loop, &watch));
	check("watch_root_new", watch_root_new(watch, no_hint, NULL, &params.watch));
	run_scan(files);
	double took = now_s() - start;
	watch_counts(params.watch, &watched, &polled);
	if (watched != directories)
		fail("not all is watched", -ENOSPC);
	watch_free(watch);
	params.watch = NULL;
	return took;
}

int main(int argc, char **argv)
{
	int files = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100000;
	int per_dir = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 50;
	bool with_watches = argc > 3 && strcmp(argv[3], "watch") == 0;
	struct worker_pool *pool;
	struct index *store;
	struct index_pair pair = {.id = "bench"};
	bool fresh;
	struct stat st;

	if (files < 1 || per_dir < 1) {
		fprintf(stderr, "usage: walks [FILES [FILES-A-DIRECTORY [watch]]]\n");
		return EXIT_FAILURE;
	}
	snprintf(base, sizeof(base), "%s/cf-walks.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(base))
		fail(base, -errno);
	snprintf(tree, sizeof(tree), "%s/tree", base);
	snprintf(index_path, sizeof(index_path), "%s/index.db", base);
	check(tree, mkdir(tree, 0755));
	int root = local_root_open(tree);
	check(tree, fstat(root, &st));
	root_ino = st.st_ino;
	check("loop_new", loop_new(&loop));
	check("worker_pool_new", worker_pool_new(loop, 1, &pool));
	check("index_open", index_open(index_path, loop, pool, &store, &fresh));
	check("index_pair_put", index_pair_put(store, &pair, false));
	make_tree(root, store, pair.key, files, per_dir);
	index_close(store);
	params = (struct scan_params){.root_path = tree,
				      .pair = pair.key,
				      .index_path = index_path,
				      .prefix = "",
				      .rules = {.root_dev = st.st_dev},
				      .walk = true};

	double ours = 1e9, peer = 1e9;
	int64_t directories =
		1 + (files + per_dir - 1) / per_dir + (files + 100 * per_dir - 1) / (100 * per_dir);
	for (int i = 0; i <= ROUNDS; i++) { /* the first warms up */
		double a = with_watches ? run_watched_scan(files, directories) : run_scan(files);
		double b = with_watches ? run_bare_watch() : run_find();
		if (i > 0) {
			ours = MIN(ours, a);
			peer = MIN(peer, b);
		}
	}
	printf("%s %.4f %.4f\n", with_watches ? "watch" : "rescan", ours, peer);

	worker_pool_free(pool);
	loop_free(loop);
	close_fd(root);
	char *rm[] = {(char[]){"rm"}, (char[]){"-rf"}, base, NULL};
	pid_t pid;
	check("rm", -posix_spawnp(&pid, "rm", NULL, NULL, rm, environ));
	waitpid(pid, NULL, 0);
	return EXIT_SUCCESS;
}
