/* The local half of a scan: a tree in encoded order. Private to scan.c. Between steps it holds no descriptor;
 * what it has read of the directories on its path stays in memory. */
#pragma once
#include "base/buf.h"
#include "sync/local.h"
#include "sync/watch.h"
#include <stdatomic.h>

enum scan_walk_kind {
	WALK_FILE,
	WALK_OTHER, /* something else by this name that is neither a file nor absent; told as a skip */
	WALK_HOLE,  /* path is "a/": nothing is known of what is below it */
	WALK_END,
};

struct scan_walk_entry {
	enum scan_walk_kind kind;
	const char *path; /* encoded; borrowed until scan_walk_advance */
	struct index_sig sig;
	bool linked;
};

/* path: encoded, of a file or directory. */
typedef int (*scan_walk_skip_cb)(void *arg, const char *path, const char *reason, int error);

struct scan_walk_level;
struct scan_walk {
	const struct local_rules *rules;
	struct watch_root *watch;
	scan_walk_skip_cb skip; /* < 0 ends the walk with that code */
	void *arg;
	const atomic_bool *cancel;
	char *prefix;

	int root_fd; /* -1 between steps */
	struct scan_walk_level *levels;
	size_t depth, room;
	struct buf path, local; /* of the directory on top, "" or ending in '/' */
	char *buffer;
	struct scan_walk_entry entry;
	bool has_entry, started;

	bool incomplete;
	int64_t files, directories;
};

int scan_walk_init(struct scan_walk *w, const char *prefix, const struct local_rules *rules,
		   struct watch_root *watch, const atomic_bool *cancel, scan_walk_skip_cb skip, void *arg);
void scan_walk_done(struct scan_walk *w);
/* root_fd is taken. */
void scan_walk_resume(struct scan_walk *w, int root_fd);
void scan_walk_suspend(struct scan_walk *w);
/* The present entry. -ECANCELED, -ENOMEM, or what skip said end the walk. */
int scan_walk_peek(struct scan_walk *w, const struct scan_walk_entry **ret_entry);
void scan_walk_advance(struct scan_walk *w);
