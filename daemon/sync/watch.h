/* inotify: turns kernel events into hints about paths of a root. One instance for the daemon. Directories
 * only; a watch is added before the directory is read, on /proc/self/fd/N of the descriptor that openat2
 * gave, never by path. Hints say "look here", never what happened for sure. Callbacks come from the loop;
 * watch_dir may be called from workers. */
#pragma once
#include "base/loop.h"
#include <stdbool.h>
#include <stdint.h>

enum watch_hint {
	WATCH_CLOSED,   /* file closed after writing, moved in, or its attributes changed */
	WATCH_OPEN,     /* file created (link, O_TMPFILE) or modified without a close yet */
	WATCH_GONE,     /* file or directory deleted or moved away (for a directory: everything below it) */
	WATCH_RENAMED,  /* path -> new_path inside the same root; is_dir tells which kind. A directory takes
			   its  watches along, but new_path must be scanned all the same: it may hold more than
			   was  watched */
	WATCH_DIR_NEW,  /* a directory appeared (made, moved in, became readable): scan it */
	WATCH_RESCAN,   /* a watch was lost or the order of things is unclear: scan this subtree, nothing else
			   ("" = all) */
	WATCH_OVERFLOW, /* the kernel's queue overflowed: walk the whole tree (once per root) */
	WATCH_ROOT_LOST, /* the root itself was moved, deleted or unmounted: its watches are gone, nothing
			    more comes until watch_dir("") */
};

/* path: local, relative, raw bytes, borrowed. "" is the root itself. The callback may open, close and change
 * roots, but neither drain nor free the watch. */
typedef void (*watch_cb)(void *arg, enum watch_hint hint, const char *path, const char *new_path,
			 bool is_dir);

struct watch;
struct watch_root;

#define WATCH_RENAME_MS                                                                                      \
	200 /* how long a MOVED_FROM waits for its other half; it comes at once or not at all */

int watch_new(struct loop *loop, struct watch **ret_watch); /* -EMFILE: max_user_instances */
struct watch *watch_free(struct watch *w);
int watch_root_new(struct watch *w, watch_cb cb, void *arg, struct watch_root **ret_root);
struct watch_root *
watch_root_free(struct watch_root *root); /* removes all its watches; no callback afterwards */

/* Watches the directory open at fd, which is `path` of the root. Thread-safe; one scan of a root at a time,
 * so that what was opened long ago is not taken for what has the name now. 0, or 1 when the watch limit is
 * reached: the directory is counted as polled and remembered (watch_polled_each; nobody tells when it is
 * deleted: watch_forget_dir). -EBUSY: it is another root. -ESTALE: the root is lost. -errno otherwise.
 * Calling it again for a directory already watched costs little and corrects its path. */
int watch_dir(struct watch_root *root, int fd, const char *path);
void watch_forget_dir(struct watch_root *root, const char *path); /* and everything below */
void watch_counts(const struct watch_root *root, int64_t *ret_watched, int64_t *ret_polled);
/* Reads what the kernel has queued right now and delivers the hints: the barrier of `sync wait`. */
void watch_drain(struct watch *w);
typedef int (*watch_polled_cb)(void *arg, const char *path);
int watch_polled_each(struct watch_root *root, watch_polled_cb cb, void *arg); /* cb < 0 stops */
