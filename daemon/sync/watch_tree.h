/* The directories that are watched, as a tree of names: which path a watch descriptor stands for, and moving
 * a whole subtree by changing one pointer. Pure memory, no system calls, no locks: private to watch.c, which
 * holds its mutex around every call. */
#pragma once
#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>

#define WATCH_NO_WD (-1)

/* What hangs below one top: a root, or one of watch.c's own two tops for what belongs to no root. */
struct watch_top {
	struct watch_root *root; /* NULL: belongs to none */
	int64_t watched, polled;
};

/* About 150 bytes a directory, name and tables included. */
struct watch_node {
	union {
		struct watch_node *parent;
		struct watch_top *top; /* is_top */
	};
	struct watch_node *children, *next, *prev;
	struct watch_node *same_bucket;
	char *name; /* NULL: is_top */
	uint32_t hash;
	int wd;      /* WATCH_NO_WD: only a name on the way to others, or polled */
	bool polled; /* would be watched if the limit allowed */
	bool is_top;
};

struct watch_tree {
	struct watch_node **by_wd; /* open addressing, size a power of two */
	size_t wd_room, wd_used;
	struct watch_node **by_name; /* (parent, name), chained */
	size_t name_room, name_used;
};

void watch_tree_done(struct watch_tree *t); /* the tables; nodes are their tops' */

/* A new top without a watch. NULL: out of memory. */
struct watch_node *watch_tree_new_top(struct watch_top *top);
struct watch_top *watch_tree_top(const struct watch_node *node);
/* Frees a node without children; tops too. */
struct watch_node *watch_tree_free(struct watch_tree *t, struct watch_node *node);
/* And its ancestors as long as they are neither watched nor polled nor needed for others. */
void watch_tree_prune(struct watch_tree *t, struct watch_node *node);
/* A top and everything below it; the kernel's side is the caller's. NULL-safe. */
void watch_tree_free_all(struct watch_tree *t, struct watch_node *top);

struct watch_node *watch_tree_by_wd(const struct watch_tree *t, int wd);
struct watch_node *watch_tree_child(const struct watch_tree *t, const struct watch_node *parent,
				    const char *name);
/* The node of a path below a top's node ("" is itself), NULL if there is none. */
struct watch_node *watch_tree_find(const struct watch_tree *t, struct watch_node *from, const char *path);
/* The same, made with all that is missing. NULL: out of memory. */
struct watch_node *watch_tree_make(struct watch_tree *t, struct watch_node *from, const char *path);

/* -ENOMEM. A node that had another descriptor loses it. */
int watch_tree_set_wd(struct watch_tree *t, struct watch_node *node, int wd);
void watch_tree_clear_wd(struct watch_tree *t, struct watch_node *node);
void watch_tree_set_polled(struct watch_node *node, bool polled);

/* Moves a node with everything below it. name NULL: keeps its own, and then it cannot fail but with -ELOOP:
 * new_parent is below node. -ENOMEM. Constant time below the same top. */
int watch_tree_move(struct watch_tree *t, struct watch_node *node, struct watch_node *new_parent,
		    const char *name);

/* The next node of the subtree of `from`, which is first itself; NULL at the end. */
struct watch_node *watch_tree_next(struct watch_node *from, struct watch_node *node);
/* Path of node, and of `name` in it unless NULL. Terminated. -ENOMEM. */
int watch_tree_path(const struct watch_node *node, const char *name, struct buf *ret_path);
