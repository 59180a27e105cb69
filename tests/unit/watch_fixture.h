/* What the tests of watch share: roots on a real tree that remember their hints, and waits with a deadline.
 */
#pragma once
#include "base/clock.h"
#include "base/fs.h"
#include "sync/local.h"
#include "sync/watch.h"
#include "tests/unit/tap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define DEADLINE_MS 20000 /* a loaded machine under a sanitizer */

static struct loop *loop;
static struct watch *watch;
static char base[64];

/* A root as the engine keeps it: hints are remembered, and new directories scanned, later, one by one. */
struct side {
	char path[128];
	int fd;
	struct watch_root *root;
	bool scans; /* act on hints */
	char **hints;
	size_t n;
	char **queue; /* subtrees to scan */
	size_t n_queue;
};

static void remember(char ***list, size_t *n, char *text)
{
	ck_assert_ptr_nonnull(text);
	*list = realloc(*list, (*n + 1) * sizeof(**list));
	ck_assert_ptr_nonnull(*list);
	(*list)[(*n)++] = text;
}

static void on_hint(void *arg, enum watch_hint hint, const char *path, const char *new_path, bool is_dir)
{
	static const char *const names[] = {"CLOSED",  "OPEN",   "GONE",     "RENAMED",
					    "DIR_NEW", "RESCAN", "OVERFLOW", "ROOT_LOST"};
	struct side *s = arg;
	char *text;

	ck_assert_int_ge(asprintf(&text, "%s%s %s%s%s", names[hint], is_dir ? "/" : "", path,
				  new_path ? " " : "", new_path ? new_path : ""),
			 0);
	remember(&s->hints, &s->n, text);
	if (!s->scans)
		return;
	if (hint == WATCH_DIR_NEW || hint == WATCH_RESCAN || hint == WATCH_OVERFLOW)
		remember(&s->queue, &s->n_queue, strdup(path));
	else if (hint == WATCH_RENAMED && is_dir)
		remember(&s->queue, &s->n_queue, strdup(new_path));
}

static bool has(const struct side *s, const char *hint)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->hints[i], hint) == 0)
			return true;
	return false;
}

static size_t count(const struct side *s, const char *prefix)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += strncmp(s->hints[i], prefix, strlen(prefix)) == 0;
	return n;
}

static void forget(char ***list, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free((*list)[i]);
	free(*list);
	*list = NULL;
	*n = 0;
}

static void clear(struct side *s)
{
	forget(&s->hints, &s->n);
}

/* Watches a directory and all below it, each before it is read. */
static void scan(struct side *s, const char *path)
{
	_cleanup_close_ int fd = fs_open_beneath(s->fd, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return;
	int r = watch_dir(s->root, fd, path);
	if (r != 0)
		return;
	DIR *dir = fdopendir(dup(fd));
	ck_assert_ptr_nonnull(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		_cleanup_free_ char *sub = fs_join(path, e->d_name);
		scan(s, sub);
	}
	closedir(dir);
}

static void work_off(struct side *s)
{
	while (s->n_queue) {
		char **queue = STEAL(s->queue);
		size_t n = s->n_queue;
		s->n_queue = 0;
		for (size_t i = 0; i < n; i++)
			scan(s, queue[i]);
		forget(&queue, &n);
	}
}

static void on_deadline(void *arg)
{
	*(bool *)arg = true;
}

static void turn_until(bool (*done)(void *arg), void *arg)
{
	struct loop_timer timer = {0};
	bool late = false;

	ck_assert_int_eq(loop_timer_set(loop, &timer, DEADLINE_MS, on_deadline, &late), 0);
	while (!done(arg) && !late)
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
	ck_assert_msg(!late, "the deadline passed");
	loop_timer_done(&timer);
}

struct awaited {
	struct side *side;
	const char *hint;
};

static bool awaited_came(void *arg)
{
	struct awaited *a = arg;
	return has(a->side, a->hint);
}

static void await(struct side *s, const char *hint)
{
	struct awaited a = {s, hint};

	turn_until(awaited_came, &a);
}

struct awaited_count {
	struct side *side;
	int64_t watched;
};

static bool count_reached(void *arg)
{
	struct awaited_count *a = arg;
	int64_t watched, polled;

	watch_counts(a->side->root, &watched, &polled);
	return watched == a->watched;
}

static void await_watched(struct side *s, int64_t watched)
{
	struct awaited_count a = {s, watched};

	turn_until(count_reached, &a);
}

/* What is in the kernel's queue now; halves of moves included. */
static void drain(void)
{
	watch_drain(watch);
}

static char *at(const struct side *s, const char *path)
{
	static char buf[8][512];
	static unsigned i;
	char *p = buf[i++ % 8];

	snprintf(p, sizeof(buf[0]), "%s/%s", s->path, path);
	return p;
}

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_write_full(fd, text, strlen(text)), 0);
}

static void make_dir(const char *path)
{
	ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void move(const char *from, const char *to)
{
	ck_assert_int_eq(rename(from, to), 0);
}

static void side_start(struct side *s, const char *name)
{
	*s = (struct side){.scans = true};
	snprintf(s->path, sizeof(s->path), "%s/%s", base, name);
	make_dir(s->path);
	s->fd = local_root_open(s->path);
	ck_assert_int_ge(s->fd, 0);
	ck_assert_int_eq(watch_root_new(watch, on_hint, s, &s->root), 0);
	ck_assert_int_eq(watch_dir(s->root, s->fd, ""), 0);
}

static void side_stop(struct side *s)
{
	watch_root_free(s->root);
	close_fd(s->fd);
	clear(s);
	forget(&s->queue, &s->n_queue);
}

static void remove_tree(const char *path)
{
	DIR *dir = opendir(path);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		_cleanup_free_ char *sub = fs_join(path, e->d_name);
		if (e->d_type == DT_DIR)
			remove_tree(sub);
		else
			unlink(sub);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static void setup(void)
{
	/* In memory where there is such a place: thousands of files are made. */
	snprintf(base, sizeof(base), "%s/test_watch.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(watch_new(loop, &watch), 0);
}

static void teardown(void)
{
	watch = watch_free(watch);
	loop = loop_free(loop);
	remove_tree(base);
}
