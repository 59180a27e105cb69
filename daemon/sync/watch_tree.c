/* The tree of watched directories: nodes with parent pointers, a table from watch descriptors to nodes and
 * one from (parent, name) to nodes. */
#include "sync/watch_tree.h"
#include <errno.h>
#include <string.h>

#define FIRST_ROOM 64

void watch_tree_done(struct watch_tree *t)
{
	free(t->by_wd);
	free(t->by_name);
	*t = (struct watch_tree){0};
}

/* Watch descriptors: linear probing; they are handed out in order, so a multiplication spreads them. */

static size_t wd_slot(size_t room, int wd)
{
	return ((uint32_t)wd * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (room - 1);
}

static void wd_insert(struct watch_node **slots, size_t room, struct watch_node *node)
{
	size_t i = wd_slot(room, node->wd);

	while (slots[i])
		i = (i + 1) & (room - 1);
	slots[i] = node;
}

static int wd_reserve(struct watch_tree *t)
{
	if (t->wd_used < t->wd_room / 4 * 3)
		return 0;
	size_t room = t->wd_room ? t->wd_room * 2 : FIRST_ROOM;
	struct watch_node **slots = calloc(room, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->wd_room; i++)
		if (t->by_wd[i])
			wd_insert(slots, room, t->by_wd[i]);
	free(t->by_wd);
	t->by_wd = slots;
	t->wd_room = room;
	return 0;
}

struct watch_node *watch_tree_by_wd(const struct watch_tree *t, int wd)
{
	if (t->wd_room == 0)
		return NULL;
	size_t i = wd_slot(t->wd_room, wd);
	while (t->by_wd[i] && t->by_wd[i]->wd != wd)
		i = (i + 1) & (t->wd_room - 1);
	return t->by_wd[i];
}

/* Closes the gap: what was pushed behind it by a collision moves forward. */
static void wd_remove(struct watch_tree *t, const struct watch_node *node)
{
	size_t mask = t->wd_room - 1, gap = wd_slot(t->wd_room, node->wd);

	while (t->by_wd[gap] != node)
		gap = (gap + 1) & mask;
	for (size_t i = (gap + 1) & mask; t->by_wd[i]; i = (i + 1) & mask) {
		size_t home = wd_slot(t->wd_room, t->by_wd[i]->wd);
		if (((i - home) & mask) >= ((i - gap) & mask)) {
			t->by_wd[gap] = t->by_wd[i];
			gap = i;
		}
	}
	t->by_wd[gap] = NULL;
	t->wd_used--;
}

/* Names */

static uint32_t name_hash(const struct watch_node *parent, const char *name, size_t len)
{
	uint32_t h = UINT32_C(2166136261) ^ (uint32_t)((uintptr_t)parent >> 4);

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * UINT32_C(16777619);
	return h;
}

/* A table that cannot grow only gets slower; the first one must exist. */
static int name_reserve(struct watch_tree *t)
{
	if (t->name_used < t->name_room)
		return 0;
	size_t room = t->name_room ? t->name_room * 2 : FIRST_ROOM;
	struct watch_node **buckets = calloc(room, sizeof(struct watch_node *));
	if (!buckets)
		return t->name_room ? 0 : -ENOMEM;
	for (size_t i = 0; i < t->name_room; i++)
		for (struct watch_node *n = t->by_name[i], *next; n; n = next) {
			next = n->same_bucket;
			n->same_bucket = buckets[n->hash & (room - 1)];
			buckets[n->hash & (room - 1)] = n;
		}
	free(t->by_name);
	t->by_name = buckets;
	t->name_room = room;
	return 0;
}

static struct watch_node *child_of(const struct watch_tree *t, const struct watch_node *parent,
				   const char *name, size_t len)
{
	if (t->name_room == 0)
		return NULL;
	uint32_t hash = name_hash(parent, name, len);
	struct watch_node *n = t->by_name[hash & (t->name_room - 1)];
	while (n &&
	       (n->hash != hash || n->parent != parent || strncmp(n->name, name, len) != 0 || n->name[len]))
		n = n->same_bucket;
	return n;
}

struct watch_node *watch_tree_child(const struct watch_tree *t, const struct watch_node *parent,
				    const char *name)
{
	return child_of(t, parent, name, strlen(name));
}

/* Nodes */

static void link_below(struct watch_tree *t, struct watch_node *node, struct watch_node *parent)
{
	node->parent = parent;
	node->prev = NULL;
	node->next = parent->children;
	if (node->next)
		node->next->prev = node;
	parent->children = node;

	node->hash = name_hash(parent, node->name, strlen(node->name));
	struct watch_node **bucket = &t->by_name[node->hash & (t->name_room - 1)];
	node->same_bucket = *bucket;
	*bucket = node;
	t->name_used++;
}

static void unlink_node(struct watch_tree *t, struct watch_node *node)
{
	if (node->prev)
		node->prev->next = node->next;
	else
		node->parent->children = node->next;
	if (node->next)
		node->next->prev = node->prev;

	struct watch_node **at = &t->by_name[node->hash & (t->name_room - 1)];
	while (*at != node)
		at = &(*at)->same_bucket;
	*at = node->same_bucket;
	t->name_used--;
}

struct watch_node *watch_tree_new_top(struct watch_top *top)
{
	struct watch_node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->top = top;
	node->is_top = true;
	node->wd = WATCH_NO_WD;
	return node;
}

static struct watch_node *add_child(struct watch_tree *t, struct watch_node *parent, const char *name,
				    size_t len)
{
	struct watch_node *node = calloc(1, sizeof(*node));

	if (!node || name_reserve(t) < 0 || !(node->name = strndup(name, len))) {
		free(node);
		return NULL;
	}
	node->wd = WATCH_NO_WD;
	link_below(t, node, parent);
	return node;
}

struct watch_top *watch_tree_top(const struct watch_node *node)
{
	while (!node->is_top)
		node = node->parent;
	return node->top;
}

struct watch_node *watch_tree_free(struct watch_tree *t, struct watch_node *node)
{
	if (!node)
		return NULL;
	watch_tree_clear_wd(t, node);
	watch_tree_set_polled(node, false);
	if (!node->is_top)
		unlink_node(t, node);
	free(node->name);
	free(node);
	return NULL;
}

/* What hangs directly below a top without a root is somebody's to free. */
static bool is_held(const struct watch_node *node)
{
	return node->is_top || (node->parent->is_top && !node->parent->top->root);
}

void watch_tree_prune(struct watch_tree *t, struct watch_node *node)
{
	while (!is_held(node) && !node->children && node->wd == WATCH_NO_WD && !node->polled) {
		struct watch_node *parent = node->parent;
		watch_tree_free(t, node);
		node = parent;
	}
}

void watch_tree_free_all(struct watch_tree *t, struct watch_node *top)
{
	struct watch_node *node = top;

	while (node) {
		while (node->children)
			node = node->children;
		struct watch_node *parent = node->is_top ? NULL : node->parent;
		watch_tree_free(t, node);
		node = parent;
	}
}

static struct watch_node *walk_down(const struct watch_tree *t, struct watch_tree *make,
				    struct watch_node *node, const char *path)
{
	while (node && *path) {
		size_t len = strcspn(path, "/");
		struct watch_node *child = child_of(t, node, path, len);
		if (!child && make)
			child = add_child(make, node, path, len);
		if (!child && make)
			watch_tree_prune(make, node);
		node = child;
		path += len;
		path += *path == '/';
	}
	return node;
}

struct watch_node *watch_tree_find(const struct watch_tree *t, struct watch_node *from, const char *path)
{
	return walk_down(t, NULL, from, path);
}

struct watch_node *watch_tree_make(struct watch_tree *t, struct watch_node *from, const char *path)
{
	return walk_down(t, t, from, path);
}

int watch_tree_set_wd(struct watch_tree *t, struct watch_node *node, int wd)
{
	int r = wd_reserve(t);

	if (r < 0)
		return r;
	watch_tree_clear_wd(t, node);
	node->wd = wd;
	wd_insert(t->by_wd, t->wd_room, node);
	t->wd_used++;
	watch_tree_top(node)->watched++;
	return 0;
}

void watch_tree_clear_wd(struct watch_tree *t, struct watch_node *node)
{
	if (node->wd == WATCH_NO_WD)
		return;
	wd_remove(t, node);
	node->wd = WATCH_NO_WD;
	watch_tree_top(node)->watched--;
}

void watch_tree_set_polled(struct watch_node *node, bool polled)
{
	if (node->polled != polled)
		watch_tree_top(node)->polled += polled ? 1 : -1;
	node->polled = polled;
}

static bool is_below(const struct watch_node *node, const struct watch_node *ancestor)
{
	while (node != ancestor && !node->is_top)
		node = node->parent;
	return node == ancestor;
}

static void move_counts(struct watch_node *subtree, struct watch_top *from, struct watch_top *to)
{
	if (from == to)
		return;
	for (struct watch_node *n = subtree; n; n = watch_tree_next(subtree, n)) {
		from->watched -= n->wd != WATCH_NO_WD;
		to->watched += n->wd != WATCH_NO_WD;
		from->polled -= n->polled;
		to->polled += n->polled;
	}
}

int watch_tree_move(struct watch_tree *t, struct watch_node *node, struct watch_node *new_parent,
		    const char *name)
{
	/* What is below itself can only come from a tree that missed something. */
	if (is_below(new_parent, node))
		return -ELOOP;
	if (name) {
		char *copy = strdup(name);
		if (!copy)
			return -ENOMEM;
		unlink_node(t, node);
		free(node->name);
		node->name = copy;
	} else {
		unlink_node(t, node);
	}
	struct watch_top *from = watch_tree_top(node);
	link_below(t, node, new_parent);
	move_counts(node, from, watch_tree_top(new_parent));
	return 0;
}

struct watch_node *watch_tree_next(struct watch_node *from, struct watch_node *node)
{
	if (node->children)
		return node->children;
	while (node != from && !node->next)
		node = node->parent;
	return node == from ? NULL : node->next;
}

int watch_tree_path(const struct watch_node *node, const char *name, struct buf *ret_path)
{
	size_t len = name ? strlen(name) : 0, at;

	for (const struct watch_node *n = node; !n->is_top; n = n->parent)
		len += strlen(n->name) + (len > 0);
	ret_path->len = 0;
	int r = buf_reserve(ret_path, len + 1);
	if (r < 0)
		return r;

	/* Backwards, from the last component to the first. */
	at = len;
	ret_path->data[at] = '\0';
	ret_path->len = len;
	const char *part = name;
	for (const struct watch_node *n = node;; n = n->parent) {
		if (part) {
			size_t part_len = strlen(part);
			at -= part_len;
			memcpy(ret_path->data + at, part, part_len);
			if (at > 0)
				ret_path->data[--at] = '/';
		}
		if (n->is_top)
			break;
		part = n->name;
	}
	return 0;
}
