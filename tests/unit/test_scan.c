/* scan.c over real trees, a real index and made-up listings, against the answer that looking at every path by
 * itself gives; and each way in which a walk can fail to see something. */
#include "base/clock.h"
#include "base/fs.h"
#include "sync/names.h"
#include "sync/scan.h"
#include "tests/unit/tap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

static char base[64], tree[80], index_path[80];
static int root;
static struct loop *loop;
static struct worker_pool *pool;
static struct index *store;
static struct index_pair pair;
static struct scan_params params;
static uint64_t root_ino;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void setup(void)
{
	struct stat st;
	bool fresh;

	/* In memory where there is such a place: thousands of files are made. */
	snprintf(base, sizeof(base), "%s/test_scan.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(chmod(base, 0755), 0);
	snprintf(tree, sizeof(tree), "%s/tree", base);
	snprintf(index_path, sizeof(index_path), "%s/index.db", base);
	ck_assert_int_eq(mkdir(tree, 0755), 0);
	root = local_root_open(tree);
	ck_assert_int_eq(fstat(root, &st), 0);
	root_ino = st.st_ino;
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(worker_pool_new(loop, 1, &pool), 0);
	ck_assert_int_eq(index_open(index_path, loop, pool, &store, &fresh), 0);
	pair = (struct index_pair){.id = "p"};
	ck_assert_int_eq(index_pair_put(store, &pair, false), 0);
	params = (struct scan_params){.root_path = tree,
				      .pair = pair.key,
				      .index_path = index_path,
				      .prefix = "",
				      .rules = {.root_dev = st.st_dev},
				      .walk = true};
}

static void teardown(void)
{
	index_close(store);
	worker_pool_free(pool);
	loop_free(loop);
	close_fd(root);
	nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path)
{
	_cleanup_close_ int fd = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
}

static void make_dir(const char *path)
{
	ck_assert_int_eq(mkdirat(root, path, 0755), 0);
}

static void version(struct remote_version *v, int which)
{
	memset(v, 0, sizeof(*v));
	v->has_digest = true;
	v->digest.b[0] = (uint8_t)which;
	snprintf(v->updated_at, sizeof(v->updated_at), "2026-11-24T08:58:5%d", which);
}

enum row_kind { ROW_EQUAL, ROW_VOID, ROW_GONE, ROW_NOTED, ROW_NOTE_ONLY, ROW_KINDS };

/* A row of the encoded path with version 1 and the file's signature, if there is a file. */
static void put_row(const char *path, enum row_kind kind)
{
	struct index_row row = {.path = path, .synced = kind != ROW_NOTE_ONLY};
	_cleanup_free_ char *local = NULL;
	struct local_state state = {0};
	struct remote_version v;

	version(&v, 1);
	row.digest = v.digest;
	memcpy(row.updated_at, v.updated_at, sizeof(row.updated_at));
	if (names_decode(path, &local) == 0)
		local_inspect(root, local, &params.rules, &state);
	if (kind != ROW_VOID)
		row.sig = state.sig;
	row.flags = kind == ROW_GONE ? INDEX_GONE_HERE : 0;
	row.note = kind >= ROW_NOTED ? INDEX_NOTE_HASH : INDEX_NOTE_NONE;
	ck_assert_int_eq(index_put(store, pair.key, &row), 0);
}

/* Everything a whole scan found. */
struct found {
	struct scan_result all;
	int steps;
};

static void take(struct found *f, struct scan_result *r)
{
	f->all.items = realloc(f->all.items, (f->all.n_items + r->n_items + 1) * sizeof(*r->items));
	f->all.skips = realloc(f->all.skips, (f->all.n_skips + r->n_skips + 1) * sizeof(*r->skips));
	for (size_t i = 0; i < r->n_items; i++)
		f->all.items[f->all.n_items++] = r->items[i];
	for (size_t i = 0; i < r->n_skips; i++)
		f->all.skips[f->all.n_skips++] = r->skips[i];
	f->all.files += r->files;
	f->all.equal += r->equal;
	f->all.directories += r->directories;
	f->all.incomplete |= r->incomplete;
	f->all.error = r->error;
	free(r->items);
	free(r->skips);
	f->steps++;
}

static void found_done(struct found *f)
{
	scan_result_done(&f->all);
}

/* Runs a scan to its end. files, n: the listing, given in pages of page_size. */
static struct found run(const struct remote_file *files, size_t n, size_t page_size, size_t max_items,
			int64_t requested_ns)
{
	struct found f = {0};
	struct scan *scan;
	struct scan_page page = {.files = files, .requested_ns = requested_ns};
	bool have_page = false;
	size_t given = 0;

	ck_assert_int_eq(scan_new(&params, root_ino, &scan), 0);
	for (;;) {
		struct scan_result r;
		scan_step(scan, have_page ? &page : NULL, max_items, &r);
		bool done = r.done, want = r.want_page;
		ck_assert(!(done && want));
		ck_assert_int_lt(f.steps, 100000);
		take(&f, &r);
		if (done || f.all.error < 0)
			break;
		if (!want)
			continue;
		ck_assert(params.listing);
		ck_assert(!have_page || !page.final);
		page.files = files + given;
		page.n = n - given < page_size ? n - given : page_size;
		given += page.n;
		/* The end is sometimes an empty page. */
		page.final = given == n && (page.n < page_size || page_size % 2);
		have_page = true;
	}
	scan_free(scan);
	return f;
}

static struct found run_local(void)
{
	return run(NULL, 0, 1, 1000, 0);
}

static const struct scan_item *item_of(const struct found *f, const char *path)
{
	for (size_t i = 0; i < f->all.n_items; i++)
		if (strcmp(f->all.items[i].path, path) == 0)
			return &f->all.items[i];
	return NULL;
}

static const char *skip_of(const struct found *f, const char *path)
{
	for (size_t i = 0; i < f->all.n_skips; i++)
		if (strcmp(f->all.skips[i].path, path) == 0)
			return f->all.skips[i].reason;
	return NULL;
}

/* The property */

static char *universe[4096];
static size_t n_universe;

static void collect(const char *path, int dir_fd)
{
	DIR *dir = fdopendir(dir_fd);

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		_cleanup_free_ char *sub = fs_join(path, e->d_name);
		if (e->d_type == DT_DIR)
			collect(sub, openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		else
			universe[n_universe++] = names_encode(sub);
	}
	closedir(dir);
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void random_path(char path[128])
{
	static const char *const names[] = {"a",    "a-b",    "a0", "a b",  "b\\c", "\xff\xfe", " ",
					    "~x41", "\u00e9", "z~", ".env", "b",    "c.part"};
	size_t len = 0;

	for (int depth = 1 + rand() % 3; depth > 0; depth--)
		len += (size_t)snprintf(path + len, 128 - len, "%s%s", len ? "/" : "",
					names[(size_t)rand() % ARRAY_SIZE(names)]);
}

static void random_tree(void)
{
	char path[128];

	for (int i = 0; i < 60; i++) {
		random_path(path);
		for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
			*slash = '\0';
			mkdirat(root, path, 0755);
			*slash = '/';
		}
		switch (rand() % 8) {
		case 0: (void)!symlinkat("a", root, path); break;
		case 1: mkfifoat(root, path, 0600); break;
		case 2: mkdirat(root, path, 0755); break;
		default:
			close_fd(openat(root, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
					0644));
		}
	}
	n_universe = 0;
	collect("", openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	for (int i = 0; i < 30; i++) {
		random_path(path);
		universe[n_universe++] = names_encode(path);
	}
	qsort(universe, n_universe, sizeof(*universe), compare_text);
	size_t n = 0;
	for (size_t i = 0; i < n_universe; i++) {
		if (n && strcmp(universe[n - 1], universe[i]) == 0)
			free(universe[i]);
		else
			universe[n++] = universe[i];
	}
	n_universe = n;
}

struct expectation {
	bool emitted;
	enum plan_presence local;
	bool known;
};

/* What the rules say of one path, seen alone. late: its row is too young for the listing. */
static struct expectation expect(const char *path, const struct remote_file *remote, bool late)
{
	struct index_row row;
	bool has_row = index_get(store, pair.key, path, &row) == 0;
	bool known = params.listing && !(has_row && late);
	struct remote_version v1;
	struct local_state local;
	char *name;

	version(&v1, 1);
	ck_assert_int_eq(names_decode(path, &name), 0);
	local_inspect(root, name, &params.rules, &local);
	free(name);
	bool same_remote = has_row && row.synced
				   ? remote && strcmp(remote->version.updated_at, v1.updated_at) == 0
				   : !has_row && !remote;
	bool quiet_remote = !known || same_remote;
	struct expectation e = {.local = local.presence, .known = known};
	bool uncovered = local.presence != PLAN_FILE && local.presence != PLAN_ABSENT;
	if (!params.walk) {
		uncovered = local.presence == PLAN_UNCOVERED;
		e.local = PLAN_UNKNOWN;
		e.emitted = (has_row || remote) && known && !same_remote && !uncovered;
	} else if (uncovered) {
		e.emitted = false;
	} else if (local.presence == PLAN_FILE) {
		bool same = has_row && row.synced && row.note == INDEX_NOTE_NONE &&
			    !(row.flags & INDEX_GONE_HERE) && local_sig_equal(&row.sig, &local.sig);
		e.emitted = params.check_all || !same || !quiet_remote;
	} else if (has_row) {
		e.emitted = !(row.flags & INDEX_GONE_HERE && row.note == INDEX_NOTE_NONE && quiet_remote);
	} else {
		e.emitted = known && remote;
	}
	return e;
}

static void check_property(const struct remote_file *remotes, size_t n_remotes, const bool *late,
			   int64_t requested_ns)
{
	struct found f =
		run(remotes, n_remotes, 1 + (size_t)rand() % 9, 1 + (size_t)rand() % 12, requested_ns);
	size_t at = 0, r = 0, prefix = strlen(params.prefix);

	ck_assert_int_eq(f.all.error, 0);
	ck_assert(!f.all.incomplete);
	for (size_t i = 0; i < n_universe; i++) {
		const struct remote_file *remote =
			r < n_remotes && strcmp(remotes[r].path, universe[i]) == 0 ? &remotes[r++] : NULL;
		if (strncmp(universe[i], params.prefix, prefix) != 0)
			continue;
		struct expectation e = expect(universe[i], params.listing ? remote : NULL, late[i]);
		const struct scan_item *item = at < f.all.n_items ? &f.all.items[at] : NULL;
		bool emitted = item && strcmp(item->path, universe[i]) == 0;
		ck_assert_msg(emitted == e.emitted, "%s: %d, next is %s", universe[i], emitted,
			      item ? item->path : "none");
		if (!emitted)
			continue;
		at++;
		ck_assert_int_eq(item->local, e.local);
		ck_assert(item->remote_known == e.known);
		ck_assert(item->remote_present == (e.known && remote));
		if (item->remote_present)
			ck_assert_str_eq(item->remote.updated_at, remote->version.updated_at);
	}
	ck_assert_uint_eq(at, f.all.n_items); /* in order, and no others */
	found_done(&f);
}

START_TEST(property)
{
	static struct remote_file remotes[4096];
	static bool late[4096];
	size_t n_remotes = 0;

	srand((unsigned)_i + 1);
	random_tree();
	memset(late, 0, sizeof(late));
	/* Every second row was written after the listing was asked for. */
	int64_t requested_ns = 0;
	for (int pass = 0; pass < 2; pass++) {
		if (pass == 1)
			requested_ns = clock_wall_ns();
		for (size_t i = (size_t)pass; i < n_universe; i += 2) {
			if (rand() % 3 == 0)
				continue;
			late[i] = pass == 1;
			put_row(universe[i], rand() % 2 ? ROW_EQUAL : (enum row_kind)(rand() % ROW_KINDS));
		}
	}
	for (size_t i = 0; i < n_universe; i++) {
		if (rand() % 3 == 0)
			continue;
		remotes[n_remotes].path = universe[i];
		version(&remotes[n_remotes++].version, rand() % 4 ? 1 : 2);
	}
	static const char *const prefixes[] = {"", "", "a/", "b~x5Cc/", "a/a/", "~x20/", "z~/", ".env/"};
	for (int i = 0; i < 24; i++) {
		params.prefix = prefixes[(size_t)rand() % ARRAY_SIZE(prefixes)];
		params.walk = i % 3 != 0;
		params.listing = i % 3 != 1;
		params.check_all = rand() % 8 == 0;
		check_property(remotes, n_remotes, late, requested_ns);
	}
	for (size_t i = 0; i < n_universe; i++)
		free(universe[i]);
}
END_TEST

/* One by one */

START_TEST(skips)
{
	struct stat st;
	char long_name[256];

	put("file");
	ck_assert_int_eq(symlinkat("file", root, "link"), 0);
	ck_assert_int_eq(mkfifoat(root, "fifo", 0600), 0);
	make_dir("empty");
	make_dir("full");
	put("full/id_rsa");
	put("full/x~");
	make_dir(".ssh");
	put(".ssh/config");
	make_dir("own");
	put("own/index.db");
	ck_assert_int_eq(fstatat(root, "own", &st, 0), 0);
	params.rules.own_dev[0] = st.st_dev;
	params.rules.own_ino[0] = st.st_ino;
	params.rules.own_count = 1;
	put_row("own/index.db", ROW_EQUAL);
	put_row("link", ROW_EQUAL);
	put_row("full/x~", ROW_EQUAL);
	put_row(".ssh/config", ROW_EQUAL);
	put_row("link/below", ROW_EQUAL);

	struct found f = run_local();
	ck_assert_int_eq(f.all.error, 0);
	ck_assert(!f.all.incomplete);
	ck_assert_str_eq(skip_of(&f, "link"), "symlink");
	ck_assert_str_eq(skip_of(&f, "fifo"), "fifo");
	ck_assert_str_eq(skip_of(&f, "empty"), "empty_directory");
	ck_assert_ptr_null(skip_of(&f, "full"));
	ck_assert_str_eq(skip_of(&f, "full/id_rsa"), "secret");
	ck_assert_str_eq(skip_of(&f, "full/x~"), "ignored"); /* it has a row */
	ck_assert_str_eq(skip_of(&f, ".ssh"), "secret");
	ck_assert_str_eq(skip_of(&f, ".ssh/config"), "secret");
	ck_assert_str_eq(skip_of(&f, "own"), "own_state");
	/* What is below a symlink is absent, and nothing else is emitted. */
	ck_assert_uint_eq(f.all.n_items, 2);
	ck_assert_int_eq(item_of(&f, "file")->local, PLAN_FILE);
	ck_assert_int_eq(item_of(&f, "link/below")->local, PLAN_ABSENT);
	found_done(&f);

	/* Remote names that no disk or no rule here takes. */
	memset(long_name, 'n', 255);
	long_name[255] = '\0';
	char too_long[300];
	snprintf(too_long, sizeof(too_long), "%sn", long_name);
	struct remote_file files[] = {{.path = "a//b"}, {.path = "ok"}, {.path = "p/x~"}, {.path = too_long}};
	struct remote_file sorted[] = {files[0], files[3], files[1], files[2]};
	params.listing = true;
	f = run(sorted, 4, 10, 1000, clock_wall_ns());
	ck_assert_str_eq(skip_of(&f, "a//b"), "bad_name");
	ck_assert_str_eq(skip_of(&f, too_long), "name_too_long");
	ck_assert_ptr_null(skip_of(&f, "p/x~"));
	ck_assert_ptr_null(item_of(&f, "p/x~"));
	ck_assert(item_of(&f, "ok")->remote_present);
	found_done(&f);
}
END_TEST

/* A directory that may not be read: its rows are passed over, over page and chunk boundaries too. */
START_TEST(unreadable)
{
	struct remote_file *files = calloc(3000, sizeof(*files));

	make_dir("d");
	make_dir("d/closed");
	put("d/closed/0000");
	put("e");
	put_row("d/before", ROW_EQUAL);
	put_row("d/closed", ROW_EQUAL);
	put_row("z", ROW_EQUAL);
	ck_assert_int_eq(index_begin(store), 0);
	for (int i = 0; i < 2500; i++) {
		char *path;
		ck_assert_int_ge(asprintf(&path, "d/closed/%04d", i), 0);
		put_row(path, ROW_EQUAL);
		files[i].path = path;
	}
	ck_assert_int_eq(index_commit(store), 0);
	files[2500].path = "z";
	ck_assert_int_eq(fchmodat(root, "d/closed", 0, 0), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(chmod(index_path, 0666), 0);
		ck_assert_int_eq(chmod(base, 0777), 0);
		_cleanup_free_ char *wal = NULL, *shm = NULL;
		ck_assert_int_ge(asprintf(&wal, "%s-wal", index_path), 0);
		ck_assert_int_ge(asprintf(&shm, "%s-shm", index_path), 0);
		(void)!chmod(wal, 0666);
		(void)!chmod(shm, 0666);
		ck_assert_int_eq(seteuid(65534), 0);
	}
	for (int listing = 0; listing < 2; listing++) {
		params.listing = listing;
		struct found f = run(files, 2501, 700, 2, clock_wall_ns());
		ck_assert_int_eq(f.all.error, 0);
		ck_assert(f.all.incomplete);
		ck_assert_str_eq(skip_of(&f, "d/closed"), "unreadable");
		ck_assert_uint_eq(f.all.n_items, 4);
		ck_assert_int_eq(item_of(&f, "d/before")->local, PLAN_ABSENT);
		ck_assert_int_eq(item_of(&f, "d/closed")->local, PLAN_ABSENT); /* a directory is there */
		ck_assert_int_eq(item_of(&f, "e")->local, PLAN_FILE);
		ck_assert_int_eq(item_of(&f, "z")->local, PLAN_ABSENT);
		found_done(&f);
	}
	/* The same as the subtree asked for. */
	params.listing = false;
	params.prefix = "d/closed/";
	struct found f = run_local();
	ck_assert(f.all.incomplete);
	ck_assert_uint_eq(f.all.n_items, 0);
	found_done(&f);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(fchmodat(root, "d/closed", 0755, 0), 0);
	for (int i = 0; i < 2500; i++)
		free((char *)files[i].path);
	free(files);
}
END_TEST

/* Between two steps the directory that is being walked is replaced. */
START_TEST(replaced_between_steps)
{
	struct scan *scan;
	struct scan_result r;
	struct found f = {0};

	make_dir("d");
	put("d/a");
	put("d/b");
	put("d/c");
	put_row("d/b", ROW_EQUAL);
	put_row("d/c", ROW_EQUAL);
	put("e");
	ck_assert_int_eq(scan_new(&params, root_ino, &scan), 0);
	scan_step(scan, NULL, 1, &r);
	ck_assert_uint_eq(r.n_items, 1);
	ck_assert_str_eq(r.items[0].path, "d/a");
	_cleanup_free_ char *position = scan_position(scan);
	ck_assert_str_eq(position, "d/a");
	scan_result_done(&r);
	ck_assert_int_eq(renameat(root, "d", root, "x"), 0);
	make_dir("d");
	for (bool done = false; !done;) {
		scan_step(scan, NULL, 1, &r);
		done = r.done;
		take(&f, &r);
	}
	ck_assert(f.all.incomplete);
	ck_assert_ptr_null(item_of(&f, "d/b"));
	ck_assert_ptr_null(item_of(&f, "d/c"));
	ck_assert_ptr_nonnull(item_of(&f, "e"));
	found_done(&f);
	scan_free(scan);
}
END_TEST

START_TEST(root_replaced)
{
	char aside[100];
	struct scan *scan;
	struct scan_result r;

	put("a");
	put("b");
	ck_assert_int_eq(scan_new(&params, root_ino, &scan), 0);
	scan_step(scan, NULL, 1, &r);
	ck_assert_uint_eq(r.n_items, 1);
	scan_result_done(&r);
	snprintf(aside, sizeof(aside), "%s/aside", base);
	ck_assert_int_eq(rename(tree, aside), 0);
	scan_step(scan, NULL, 1, &r);
	ck_assert_int_eq(r.error, -ENOENT);
	ck_assert_int_eq(mkdir(tree, 0755), 0);
	scan_step(scan, NULL, 1, &r);
	ck_assert_int_eq(r.error, -ESTALE);
	ck_assert(!r.done);
	ck_assert_uint_eq(r.n_items, 0);
	scan_free(scan);
}
END_TEST

START_TEST(cancelled)
{
	struct scan *scan;
	struct scan_result r;

	put("a");
	ck_assert_int_eq(scan_new(&params, root_ino, &scan), 0);
	scan_cancel(scan);
	scan_step(scan, NULL, 10, &r);
	ck_assert_int_eq(r.error, -ECANCELED);
	scan_result_done(&r);
	scan_free(scan);
}
END_TEST

/* A tree deeper than the descriptors that are kept, come back to from below. */
START_TEST(deep)
{
	char path[1024] = "";
	const int depth = 100;

	for (int i = 0; i < depth; i++) {
		size_t len = strlen(path);
		snprintf(path + len, sizeof(path) - len, "%sm", i ? "/" : "");
		make_dir(path);
		len = strlen(path);
		snprintf(path + len, sizeof(path) - len, "/z");
		put(path); /* behind the way down */
		path[len] = '\0';
	}
	for (int one = 0; one < 2; one++) {
		struct found f = run(NULL, 0, 1, one ? 1 : 1000, 0);
		ck_assert_int_eq(f.all.error, 0);
		ck_assert(!f.all.incomplete);
		ck_assert_uint_eq(f.all.n_items, depth);
		ck_assert_int_eq(f.all.files, depth);
		ck_assert_int_eq(f.all.directories, depth + 1);
		found_done(&f);
	}
}
END_TEST

static void ignore_hint(void *arg, enum watch_hint hint, const char *path, const char *new_path, bool is_dir)
{
}

START_TEST(watches)
{
	struct watch *watch;
	int64_t watched, polled;

	make_dir("d");
	make_dir("d/e");
	make_dir(".ssh");
	make_dir("x.part");
	put("d/e/f");
	ck_assert_int_eq(watch_new(loop, &watch), 0);
	ck_assert_int_eq(watch_root_new(watch, ignore_hint, NULL, &params.watch), 0);
	struct found f = run_local();
	ck_assert_int_eq(f.all.error, 0);
	found_done(&f);
	watch_counts(params.watch, &watched, &polled);
	ck_assert_int_eq(watched, 3); /* what is left out costs no watch */
	params.watch = watch_root_free(params.watch);
	watch_free(watch);
}
END_TEST

/* Nothing differs: nothing is emitted, and twice the tree takes no more memory (SQLite's cache is full by
 * then). */
START_TEST(constant_memory)
{
	size_t used[2];

	for (int half = 0; half < 2; half++) {
		ck_assert_int_eq(index_begin(store), 0);
		for (int d = half * 200; d < half * 200 + 200; d++) {
			char path[32];
			snprintf(path, sizeof(path), "%03d", d);
			make_dir(path);
			for (int i = 0; i < 100; i++) {
				snprintf(path, sizeof(path), "%03d/%03d", d, i);
				put(path);
				put_row(path, ROW_EQUAL);
			}
		}
		ck_assert_int_eq(index_commit(store), 0);
		struct scan *scan;
		struct scan_result r;
		int64_t equal = 0;
		ck_assert_int_eq(scan_new(&params, root_ino, &scan), 0);
		do {
			scan_step(scan, NULL, 1000, &r);
			ck_assert_int_eq(r.error, 0);
			ck_assert_uint_eq(r.n_items + r.n_skips, 0);
			equal += r.equal;
		} while (!r.done);
		used[half] = mallinfo2().uordblks;
		ck_assert_int_eq(equal, 20000 * (half + 1));
		scan_free(scan);
	}
	ck_assert_uint_lt(used[1], used[0] + 512 * 1024);
}
END_TEST

/* The tree changes and another thread cancels while a worker walks: for the thread sanitizer. */
struct walker {
	struct scan *scan;
};

static void *walk_on(void *arg)
{
	struct walker *w = arg;
	struct scan_result r;

	for (bool over = false; !over;) {
		scan_step(w->scan, NULL, 10, &r);
		over = r.done || r.error < 0;
		scan_result_done(&r);
	}
	return NULL;
}

START_TEST(threads)
{
	struct watch *watch;
	char path[128];

	srand(3);
	random_tree();
	ck_assert_int_eq(watch_new(loop, &watch), 0);
	ck_assert_int_eq(watch_root_new(watch, ignore_hint, NULL, &params.watch), 0);
	for (int round = 0; round < 50; round++) {
		struct walker w = {0};
		pthread_t thread;
		ck_assert_int_eq(scan_new(&params, root_ino, &w.scan), 0);
		ck_assert_int_eq(pthread_create(&thread, NULL, walk_on, &w), 0);
		for (int i = 0; i < 20; i++) {
			char other[128];
			random_path(path);
			random_path(other);
			renameat(root, path, root, other);
			free(scan_position(w.scan));
			event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
		}
		if (round % 2)
			scan_cancel(w.scan);
		pthread_join(thread, NULL);
		scan_free(w.scan);
	}
	params.watch = watch_root_free(params.watch);
	watch_free(watch);
	for (size_t i = 0; i < n_universe; i++)
		free(universe[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan");
	TCase *tests = tcase_create("all");

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, property, 0, 40);
	tcase_add_test(tests, skips);
	tcase_add_test(tests, unreadable);
	tcase_add_test(tests, replaced_between_steps);
	tcase_add_test(tests, root_replaced);
	tcase_add_test(tests, cancelled);
	tcase_add_test(tests, deep);
	tcase_add_test(tests, watches);
	tcase_add_test(tests, constant_memory);
	suite_add_tcase(suite, tests);
	TCase *threaded = tcase_create("threads");
	tcase_set_timeout(threaded, 60);
	tcase_add_checked_fixture(threaded, setup, teardown);
	tcase_add_test(threaded, threads);
	suite_add_tcase(suite, threaded);
	return tap_run(suite);
}
