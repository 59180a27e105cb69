/* inotify for the whole daemon: one instance, read on the loop, its watches added by workers. What lives
 * here: turning kernel events into hints, pairing the two halves of a move, keeping the tree of names
 * (watch_tree.c) true to the kernel's idea of it, and giving watches back.
 *
 * The tree may be wrong for a moment: a worker sees the disk as it is, events tell what was. Two facts put it
 * right again. A directory has one descriptor however it is reached, so watch_dir() always knows the node of
 * what it was given and corrects its path; and every event that could have left a wrong name behind ends in a
 * hint to scan that name. */
#include "sync/watch.h"
#include "base/clock.h"
#include "sync/watch_tree.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

/* A quarter of the kernel's queue of 16,384 short events at a time. */
#define READ_BYTES (64 * 1024)
/* How long one visit may keep the loop while the queue does not run dry. */
#define READ_BUDGET_MS 5
/* Watches given back in one go; each costs about 2 us. */
#define PURGE_STEP 1000
/* Two processes that rename at once may queue their events in the other order than their cookies'. */
#define COOKIE_DISORDER 256

/* EXCL_UNLINK: an open file that has no name any more is nobody's business. ATTRIB: chmod makes a file
 * readable, touch changes what was recorded. */
#define DIR_MASK                                                                                             \
	(IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ATTRIB |      \
	 IN_ONLYDIR | IN_EXCL_UNLINK)
/* Of any other directory its parent tells. */
#define ROOT_MASK (DIR_MASK | IN_DELETE_SELF | IN_MOVE_SELF)

/* Something that lost its name and may get another one: the first half of a move, or a directory that another
 * one took the place of, about which the kernel's word is still to come. Gone after WATCH_RENAME_MS. */
struct orphan {
	struct orphan *next, *prev;
	struct watch_root *root; /* NULL once freed */
	struct watch_node *node; /* a watched directory, below watch->limbo; else NULL */
	char *path;              /* NULL: displaced */
	uint32_t cookie;
	bool is_dir;
	int parent_wd; /* displaced: where, under node->name */
	int64_t deadline_ms;
};

struct watch {
	struct loop *loop;
	int fd;
	struct event *on_event;
	struct loop_timer timer; /* armed only while an orphan waits */
	char *events;
	struct buf path; /* the loop's */
	bool freeing;

	pthread_mutex_t lock; /* everything below, and all nodes */
	struct watch_tree tree;
	struct watch_root *roots;
	struct watch_top limbo_top, purge_top; /* of no root: orphans; watches to be given back */
	struct watch_node *limbo, *purge;
	bool limbo_missed; /* an event came for something in limbo, whose path nobody knew */
	struct orphan *first, *last;
	struct loop_post post;
	bool posted;
};

struct watch_root {
	struct watch *watch;
	struct watch_root *next;
	watch_cb cb;
	void *arg;
	struct watch_top top;
	struct watch_node *node;
	bool lost;       /* said so; silent until it is watched again */
	bool overflowed; /* still to be told */
};

static void on_post(void *arg);
static void on_timer(void *arg);

/* Under the lock, from any thread: have the loop see to timer and purge. */
static void kick(struct watch *w)
{
	if (w->posted || w->freeing)
		return;
	w->posted = true;
	loop_post(w->loop, &w->post);
}

static void emit(struct watch_root *root, enum watch_hint hint, const char *path, const char *new_path,
		 bool is_dir)
{
	root->cb(root->arg, hint, path, new_path, is_dir);
}

/* Orphans; all under the lock */

static void orphan_append(struct watch *w, struct orphan *o)
{
	o->deadline_ms = clock_monotonic_ms() + WATCH_RENAME_MS;
	o->prev = w->last;
	o->next = NULL;
	*(w->last ? &w->last->next : &w->first) = o;
	w->last = o;
	kick(w);
}

static void orphan_unlink(struct watch *w, struct orphan *o)
{
	*(o->prev ? &o->prev->next : &w->first) = o->next;
	*(o->next ? &o->next->prev : &w->last) = o->prev;
	if (!w->first)
		w->limbo_missed = false;
}

static struct orphan *orphan_free(struct orphan *o)
{
	if (o)
		free(o->path);
	free(o);
	return NULL;
}

static void purge(struct watch *w, struct watch_node *node)
{
	watch_tree_move(&w->tree, node, w->purge, NULL);
	kick(w);
}

/* The node goes where nobody has a path, until a move or the deadline says more. */
static void displace(struct watch *w, struct watch_root *root, struct watch_node *node)
{
	struct orphan *o =
		node->wd == WATCH_NO_WD || node->parent->wd == WATCH_NO_WD ? NULL : calloc(1, sizeof(*o));

	/* Without a watch of its own or its parent's nothing will be told; without memory it is watched anew
	 * where it turns up. */
	if (!o) {
		purge(w, node);
		return;
	}
	o->root = root;
	o->node = node;
	o->is_dir = true;
	o->parent_wd = node->parent->wd;
	watch_tree_move(&w->tree, node, w->limbo, NULL);
	orphan_append(w, o);
}

/* The watched directory that an event of the past means by `name` in parent: the one displaced there first,
 * as the present one came later. NULL: none. */
static struct watch_node *take_named(struct watch *w, struct watch_node *parent, const char *name)
{
	for (struct orphan *o = w->first; o; o = o->next) {
		if (o->path || !o->node || o->parent_wd != parent->wd || strcmp(o->node->name, name) != 0)
			continue;
		struct watch_node *node = o->node;
		orphan_unlink(w, o);
		orphan_free(o);
		return node;
	}
	return watch_tree_child(&w->tree, parent, name);
}

/* A node is taken out of limbo or purge (or its place in a tree) by other means than its orphan. */
static void forget_orphan_of(struct watch *w, struct watch_node *node)
{
	if (node->is_top || node->parent != w->limbo)
		return;
	for (struct orphan *o = w->first; o; o = o->next) {
		if (o->node != node)
			continue;
		o->node = NULL;
		if (!o->path) {
			orphan_unlink(w, o);
			orphan_free(o);
		}
		return;
	}
}

static struct orphan *find_cookie(struct watch *w, uint32_t cookie)
{
	struct orphan *o = w->last;

	/* The other half is at the end or there is none. */
	while (o && (!o->path || o->cookie != cookie)) {
		if (o->path && (int32_t)(cookie - o->cookie) > COOKIE_DISORDER)
			return NULL;
		o = o->prev;
	}
	return o;
}

/* Watches given back */

/* One step; under the lock. */
static void purge_some(struct watch *w)
{
	struct watch_node *node = w->purge;

	for (int n = 0; w->purge->children && n < PURGE_STEP; n++) {
		while (node->children)
			node = node->children;
		struct watch_node *parent = node->parent;
		if (node->wd != WATCH_NO_WD)
			(void)inotify_rm_watch(w->fd, node->wd); /* fails where the kernel was first */
		watch_tree_free(&w->tree, node);
		node = parent;
	}
}

static void on_post(void *arg)
{
	struct watch *w = arg;

	pthread_mutex_lock(&w->lock);
	w->posted = false;
	purge_some(w);
	if (w->purge->children)
		kick(w);
	int64_t deadline_ms = w->first ? w->first->deadline_ms : -1;
	pthread_mutex_unlock(&w->lock);

	if (deadline_ms >= 0 && !loop_timer_armed(&w->timer) &&
	    loop_timer_set(w->loop, &w->timer, deadline_ms - clock_monotonic_ms(), on_timer, w) < 0)
		on_timer(w); /* no memory for a timer: what waits is given up now */
}

/* Gives up what waited until now_ms; returns when the next one is due, -1 for none. */
static int64_t expire_orphans(struct watch *w, int64_t now_ms)
{
	for (;;) {
		pthread_mutex_lock(&w->lock);
		struct orphan *o = w->first;
		if (!o || o->deadline_ms > now_ms) {
			int64_t next_ms = o ? o->deadline_ms : -1;
			pthread_mutex_unlock(&w->lock);
			return next_ms;
		}
		orphan_unlink(w, o);
		if (o->node)
			purge(w, o->node);
		struct watch_root *root = o->path ? o->root : NULL;
		bool tell = root && !root->lost;
		pthread_mutex_unlock(&w->lock);
		if (tell)
			emit(root, WATCH_GONE, o->path, NULL, o->is_dir);
		orphan_free(o);
	}
}

static void on_timer(void *arg)
{
	struct watch *w = arg;
	int64_t next_ms = expire_orphans(w, clock_monotonic_ms());

	if (next_ms >= 0 &&
	    loop_timer_set(w->loop, &w->timer, next_ms - clock_monotonic_ms(), on_timer, w) < 0)
		expire_orphans(w, INT64_MAX);
}

/* Events. Each handler is called with the lock and gives it back before it calls out. */

static void unlock_and_emit(struct watch *w, struct watch_root *root, enum watch_hint hint, const char *path,
			    const char *new_path, bool is_dir)
{
	pthread_mutex_unlock(&w->lock);
	emit(root, hint, path, new_path, is_dir);
}

/* A callback may close roots; only the pointer is looked at. */
static bool is_alive(struct watch *w, const struct watch_root *root)
{
	pthread_mutex_lock(&w->lock);
	const struct watch_root *r = w->roots;
	while (r && r != root)
		r = r->next;
	pthread_mutex_unlock(&w->lock);
	return r;
}

/* Out of memory on the way: all that can be said is that something was missed. */
static void unlock_and_give_up(struct watch *w, struct watch_root *root)
{
	unlock_and_emit(w, root, WATCH_OVERFLOW, "", NULL, true);
}

static void on_moved_from(struct watch *w, struct watch_root *root, struct watch_node *parent,
			  const struct inotify_event *event)
{
	bool is_dir = event->mask & IN_ISDIR;
	struct orphan *o = calloc(1, sizeof(*o));

	if (!o || !(o->path = strdup(w->path.data))) {
		orphan_free(o);
		struct watch_node *node = is_dir ? take_named(w, parent, event->name) : NULL;
		if (node)
			purge(w, node);
		unlock_and_emit(w, root, WATCH_GONE, w->path.data, NULL, is_dir);
		return;
	}
	o->root = root;
	o->cookie = event->cookie;
	o->is_dir = is_dir;
	o->node = is_dir ? take_named(w, parent, event->name) : NULL;
	if (o->node)
		watch_tree_move(&w->tree, o->node, w->limbo, NULL);
	orphan_append(w, o);
	pthread_mutex_unlock(&w->lock);
}

/* Puts a moved directory's node under its new name. */
static void place(struct watch *w, struct watch_root *root, struct watch_node *node,
		  struct watch_node *parent, const char *name)
{
	struct watch_node *there = watch_tree_child(&w->tree, parent, name);

	/* The other one of an exchange, or an empty directory that was moved over. */
	if (there)
		displace(w, root, there);
	/* What cannot be placed is watched anew by the scan that every such hint asks for. */
	if (watch_tree_move(&w->tree, node, parent, name) < 0)
		purge(w, node);
}

static void on_moved_to(struct watch *w, struct watch_root *root, struct watch_node *parent,
			const struct inotify_event *event)
{
	bool is_dir = event->mask & IN_ISDIR, missed = w->limbo_missed;
	struct orphan *o = find_cookie(w, event->cookie);
	struct watch_root *from = o ? o->root : NULL;

	if (o)
		orphan_unlink(w, o);
	if (o && from == root) {
		if (o->node)
			place(w, root, o->node, parent, event->name);
		unlock_and_emit(w, root, WATCH_RENAMED, o->path, w->path.data, is_dir);
		if (is_dir && missed && is_alive(w, root))
			emit(root, WATCH_RESCAN, w->path.data, NULL, true);
		orphan_free(o);
		return;
	}

	/* From elsewhere. A watched directory of another root keeps its watch if the scan comes before the
	 * purge, and gets a new one otherwise. */
	if (o && o->node)
		purge(w, o->node);
	struct watch_node *there = is_dir ? watch_tree_child(&w->tree, parent, event->name) : NULL;
	if (there)
		displace(w, root, there);
	unlock_and_emit(w, root, is_dir ? WATCH_DIR_NEW : WATCH_CLOSED, w->path.data, NULL, is_dir);
	if (from && is_alive(w, from) && !from->lost)
		emit(from, WATCH_GONE, o->path, NULL, is_dir);
	orphan_free(o);
}

static void on_directory_attributes(struct watch *w, struct watch_root *root, struct watch_node *parent,
				    const char *name)
{
	struct watch_node *child = watch_tree_child(&w->tree, parent, name);

	/* One that is watched could be read before; any other may be readable only now. */
	if (child && child->wd != WATCH_NO_WD)
		pthread_mutex_unlock(&w->lock);
	else
		unlock_and_emit(w, root, WATCH_DIR_NEW, w->path.data, NULL, true);
}

static void on_name_event(struct watch *w, struct watch_root *root, struct watch_node *parent,
			  const struct inotify_event *event)
{
	const char *path = w->path.data;
	bool is_dir = event->mask & IN_ISDIR;

	if (event->mask & IN_MOVED_FROM) {
		on_moved_from(w, root, parent, event);
	} else if (event->mask & IN_MOVED_TO) {
		on_moved_to(w, root, parent, event);
	} else if (event->mask & IN_DELETE) {
		struct watch_node *node = is_dir ? take_named(w, parent, event->name) : NULL;
		if (node)
			purge(w, node);
		unlock_and_emit(w, root, WATCH_GONE, path, NULL, is_dir);
	} else if (event->mask & IN_CREATE) {
		unlock_and_emit(w, root, is_dir ? WATCH_DIR_NEW : WATCH_OPEN, path, NULL, is_dir);
	} else if (is_dir) {
		on_directory_attributes(w, root, parent, event->name);
	} else {
		bool open = event->mask & IN_MODIFY && !(event->mask & IN_CLOSE_WRITE);
		unlock_and_emit(w, root, open ? WATCH_OPEN : WATCH_CLOSED, path, NULL, false);
	}
}

/* All watches of a root. Its own at once, the rest through the purge. */
static void drop_watches(struct watch *w, struct watch_root *root)
{
	while (root->node->children)
		purge(w, root->node->children);
	if (root->node->wd == WATCH_NO_WD)
		return;
	int wd = root->node->wd;
	watch_tree_clear_wd(&w->tree, root->node);
	(void)inotify_rm_watch(w->fd, wd);
}

static void on_root_lost(struct watch *w, struct watch_root *root)
{
	if (root->lost) {
		pthread_mutex_unlock(&w->lock);
		return;
	}
	root->lost = true;
	drop_watches(w, root);
	unlock_and_emit(w, root, WATCH_ROOT_LOST, "", NULL, true);
}

/* The kernel has dropped a watch that nobody gave back. */
static void on_ignored(struct watch *w, struct watch_root *root, struct watch_node *node)
{
	watch_tree_clear_wd(&w->tree, node);
	if (!root) {
		/* It was on its way out. */
		forget_orphan_of(w, node);
		purge(w, node);
		pthread_mutex_unlock(&w->lock);
		return;
	}
	if (node->is_top) {
		on_root_lost(w, root);
		return;
	}
	int r = root->lost ? 0 : watch_tree_path(node, NULL, &w->path);
	watch_tree_prune(&w->tree, node);
	if (root->lost)
		pthread_mutex_unlock(&w->lock);
	else if (r < 0)
		unlock_and_give_up(w, root);
	else
		unlock_and_emit(w, root, WATCH_RESCAN, w->path.data, NULL, true);
}

/* The kernel threw events away; what waited for its other half waits in vain. */
static void on_overflow(struct watch *w)
{
	pthread_mutex_lock(&w->lock);
	for (struct watch_root *r = w->roots; r; r = r->next)
		r->overflowed = !r->lost;
	pthread_mutex_unlock(&w->lock);
	expire_orphans(w, INT64_MAX);
	for (;;) {
		/* From the start each time: the callback may close roots. */
		pthread_mutex_lock(&w->lock);
		struct watch_root *r = w->roots;
		while (r && !r->overflowed)
			r = r->next;
		if (r)
			r->overflowed = false;
		pthread_mutex_unlock(&w->lock);
		if (!r)
			return;
		emit(r, WATCH_OVERFLOW, "", NULL, true);
	}
}

static void on_one(struct watch *w, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		on_overflow(w);
		return;
	}
	pthread_mutex_lock(&w->lock);
	struct watch_node *node = watch_tree_by_wd(&w->tree, event->wd);
	struct watch_root *root = node ? watch_tree_top(node)->root : NULL;
	if (!node) { /* given back, the event was queued before */
		pthread_mutex_unlock(&w->lock);
	} else if (event->mask & IN_IGNORED) {
		on_ignored(w, root, node);
	} else if (!root || root->lost) {
		w->limbo_missed |= w->first != NULL;
		pthread_mutex_unlock(&w->lock);
	} else if (event->mask & IN_UNMOUNT ||
		   (node->is_top && event->mask & (IN_DELETE_SELF | IN_MOVE_SELF))) {
		/* One filesystem holds all that is watched of a root. */
		on_root_lost(w, root);
	} else if (event->len == 0) {
		pthread_mutex_unlock(&w->lock); /* about the directory itself: its parent tells */
	} else if (watch_tree_path(node, event->name, &w->path) < 0) {
		unlock_and_give_up(w, root);
	} else {
		on_name_event(w, root, node, event);
	}
}

/* One buffer; returns the bytes read, 0 when there is nothing. */
static size_t read_some(struct watch *w)
{
	ssize_t n = read(w->fd, w->events, READ_BYTES);

	/* EAGAIN and EINTR; nothing else can happen to an inotify descriptor. */
	if (n <= 0)
		return 0;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(w->events + at);
		at += (ssize_t)(sizeof(*event) + event->len);
		on_one(w, event);
	}
	return (size_t)n;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	int64_t until_ms = clock_monotonic_ms() + READ_BUDGET_MS;

	while (read_some(w) > 0 && clock_monotonic_ms() < until_ms)
		;
}

void watch_drain(struct watch *w)
{
	int queued = 0;

	/* As much as there is now: a tree that is written all the time never runs dry. */
	if (ioctl(w->fd, FIONREAD, &queued) < 0)
		queued = 0;
	while (queued > 0) {
		size_t n = read_some(w);
		if (n == 0)
			break;
		queued -= (int)n;
	}
	expire_orphans(w, INT64_MAX);
}

/* Watching */

/* Takes `known`, a node with the right descriptor, to `path`, wherever it is now. Out of the way first: in a
 * stale tree the path may lead through it. */
static int correct_path(struct watch *w, struct watch_root *root, struct watch_node *known, const char *path)
{
	struct watch_node *old_parent = known->parent;
	forget_orphan_of(w, known);
	purge(w, known); /* and that is where it stays if there is no memory */
	watch_tree_prune(&w->tree, old_parent);

	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_cleanup_free_ char *above = strndup(path, slash ? (size_t)(slash - path) : 0);
	struct watch_node *parent = above ? watch_tree_make(&w->tree, root->node, above) : NULL;
	if (!parent)
		return -ENOMEM;
	struct watch_node *there = watch_tree_child(&w->tree, parent, name);
	if (there)
		displace(w, root, there);
	int r = watch_tree_move(&w->tree, known, parent, name);
	if (r < 0)
		watch_tree_prune(&w->tree, parent);
	else
		watch_tree_set_polled(known, false);
	return r;
}

static int add_new(struct watch *w, struct watch_root *root, const char *path, int wd)
{
	struct watch_node *node = watch_tree_find(&w->tree, root->node, path);

	if (node && node->wd != WATCH_NO_WD && !node->is_top)
		displace(w, root, node); /* another directory by that name */
	node = watch_tree_make(&w->tree, root->node, path);
	int r = node ? watch_tree_set_wd(&w->tree, node, wd) : -ENOMEM;
	if (r < 0) {
		(void)inotify_rm_watch(w->fd, wd);
		if (node)
			watch_tree_prune(&w->tree, node);
		return r;
	}
	watch_tree_set_polled(node, false);
	return 0;
}

/* The root itself; known: the node of its descriptor, if it has one. */
static int add_root(struct watch *w, struct watch_root *root, struct watch_node *known, int wd)
{
	if (known == root->node)
		return 0;
	/* Another directory than before, so nothing below is where it was. */
	if (root->lost || root->node->wd != WATCH_NO_WD)
		drop_watches(w, root);
	root->lost = false;
	if (known) {
		/* Until now below another root, or on its way out of one. */
		watch_tree_clear_wd(&w->tree, known);
		forget_orphan_of(w, known);
		purge(w, known);
	}
	return add_new(w, root, "", wd);
}

static int add_polled(struct watch *w, struct watch_root *root, const char *path)
{
	struct watch_node *node = watch_tree_find(&w->tree, root->node, path);

	if (node && node->wd != WATCH_NO_WD && !node->is_top)
		displace(w, root, node);
	node = watch_tree_make(&w->tree, root->node, path);
	if (!node)
		return -ENOMEM;
	watch_tree_set_polled(node, true);
	return 1;
}

static int watch_dir_locked(struct watch_root *root, int fd, const char *path)
{
	struct watch *w = root->watch;
	char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

	if (root->lost && *path)
		return -ESTALE; /* what is below it now is another tree, or none */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	int wd = inotify_add_watch(w->fd, link, *path ? DIR_MASK : ROOT_MASK);
	if (wd < 0)
		return errno == ENOSPC ? add_polled(w, root, path) : -errno;

	struct watch_node *known = watch_tree_by_wd(&w->tree, wd);
	if (!*path)
		return known && known->is_top && known != root->node ? -EBUSY : add_root(w, root, known, wd);
	if (!known)
		return add_new(w, root, path, wd);
	if (known->is_top)
		return -EBUSY;
	return known == watch_tree_find(&w->tree, root->node, path) ? 0 : correct_path(w, root, known, path);
}

int watch_dir(struct watch_root *root, int fd, const char *path)
{
	/* Added and entered in one go: the loop must never meet a descriptor that the table does not know. */
	pthread_mutex_lock(&root->watch->lock);
	int r = watch_dir_locked(root, fd, path);
	pthread_mutex_unlock(&root->watch->lock);
	return r;
}

void watch_forget_dir(struct watch_root *root, const char *path)
{
	struct watch *w = root->watch;

	pthread_mutex_lock(&w->lock);
	struct watch_node *node = watch_tree_find(&w->tree, root->node, path);
	if (node && node->is_top) {
		drop_watches(w, root);
		watch_tree_set_polled(node, false);
	} else if (node) {
		struct watch_node *parent = node->parent;
		purge(w, node);
		watch_tree_prune(&w->tree, parent);
	}
	pthread_mutex_unlock(&w->lock);
}

void watch_counts(const struct watch_root *root, int64_t *ret_watched, int64_t *ret_polled)
{
	pthread_mutex_lock(&root->watch->lock);
	*ret_watched = root->top.watched;
	*ret_polled = root->top.polled;
	pthread_mutex_unlock(&root->watch->lock);
}

int watch_polled_each(struct watch_root *root, watch_polled_cb cb, void *arg)
{
	struct watch *w = root->watch;
	_cleanup_buf_ struct buf paths = {0}, path = {0};
	int r = 0;

	/* Collected first: the callback may watch and forget. */
	pthread_mutex_lock(&w->lock);
	int64_t left = root->top.polled;
	for (struct watch_node *n = root->node; n && left > 0 && r == 0; n = watch_tree_next(root->node, n)) {
		if (!n->polled)
			continue;
		left--;
		r = watch_tree_path(n, NULL, &path);
		if (r == 0)
			r = buf_append(&paths, path.data, path.len + 1);
	}
	pthread_mutex_unlock(&w->lock);

	for (size_t at = 0; r >= 0 && at < paths.len; at += strlen(paths.data + at) + 1)
		r = cb(arg, paths.data + at);
	return r < 0 ? r : 0;
}

/* Lives */

int watch_root_new(struct watch *w, watch_cb cb, void *arg, struct watch_root **ret_root)
{
	struct watch_root *root = calloc(1, sizeof(*root));

	if (!root)
		return -ENOMEM;
	root->node = watch_tree_new_top(&root->top);
	if (!root->node) {
		free(root);
		return -ENOMEM;
	}
	root->watch = w;
	root->cb = cb;
	root->arg = arg;
	root->top.root = root;
	pthread_mutex_lock(&w->lock);
	root->next = w->roots;
	w->roots = root;
	pthread_mutex_unlock(&w->lock);
	*ret_root = root;
	return 0;
}

struct watch_root *watch_root_free(struct watch_root *root)
{
	if (!root)
		return NULL;
	struct watch *w = root->watch;

	pthread_mutex_lock(&w->lock);
	struct watch_root **at = &w->roots;
	while (*at != root)
		at = &(*at)->next;
	*at = root->next;
	for (struct orphan *o = w->first, *next; o; o = next) {
		next = o->next;
		if (o->root != root)
			continue;
		orphan_unlink(w, o);
		if (o->node)
			purge(w, o->node);
		orphan_free(o);
	}
	drop_watches(w, root);
	watch_tree_free(&w->tree, root->node);
	pthread_mutex_unlock(&w->lock);
	free(root);
	return NULL;
}

int watch_new(struct loop *loop, struct watch **ret_watch)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	w->loop = loop;
	w->post = (struct loop_post){.fn = on_post, .arg = w};
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		int r = -errno;
		watch_free(w);
		return r;
	}
	w->events = malloc(READ_BYTES);
	w->limbo = watch_tree_new_top(&w->limbo_top);
	w->purge = watch_tree_new_top(&w->purge_top);
	w->on_event = event_new(loop_base(loop), w->fd, EV_READ | EV_PERSIST, on_readable, w);
	if (!w->events || !w->limbo || !w->purge || !w->on_event || event_add(w->on_event, NULL) < 0) {
		watch_free(w);
		return -ENOMEM;
	}
	*ret_watch = w;
	return 0;
}

struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	w->freeing = true;
	/* A post that is under way holds a pointer to us. */
	if (w->posted)
		loop_drain_posts(w->loop);
	while (w->roots)
		watch_root_free(w->roots);
	for (struct orphan *o; (o = w->first); orphan_free(o))
		orphan_unlink(w, o);
	if (w->on_event)
		event_free(w->on_event);
	loop_timer_done(&w->timer);
	watch_tree_free_all(&w->tree, w->limbo);
	watch_tree_free_all(&w->tree, w->purge);
	watch_tree_done(&w->tree);
	close_fd(w->fd);
	buf_done(&w->path);
	free(w->events);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}
