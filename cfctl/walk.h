/* The files below a directory, one by one, in the order of their names; no symbolic link is followed. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct walk;

enum walk_what {
	WALK_END,
	WALK_FILE,    /* a regular file, to be opened with walk_open_file before the next step */
	WALK_SKIPPED, /* what no bucket can hold: why says what it is */
	WALK_FAILED,  /* it could not be looked at: error */
};

struct walk_item {
	const char
		*name; /* relative to the root, as bytes; "" is the root itself. Good until the next step */
	int64_t size;
	const char *why;
	int error; /* positive errno */
};

/* Follows root itself if it is a symbolic link. NULL and errno. */
struct walk *walk_new(const char *root);
enum walk_what walk_next(struct walk *walk, struct walk_item *ret_item);
/* Of the item that is WALK_FILE: a descriptor, or -errno; -EINVAL when it is no regular file any more. */
int walk_open_file(struct walk *walk);
struct walk *walk_free(struct walk *walk);
