/* The end of a transfer on this machine: a descriptor that somebody passed, a file by its path, or memory.
 * Opened, checked, read or written in order, and at last put into its place. A passed descriptor is hostile:
 * it may block for ever, end early, or be what it should not be; its flags are never changed (they are the
 * sender's too) and it is never mapped. So everything here but new and free may block: flow.c calls it in a
 * thread of its own. */
#pragma once
#include "base/util.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum endpoint_kind { ENDPOINT_FD, ENDPOINT_PATH, ENDPOINT_MEMORY };

struct endpoint {
	enum endpoint_kind kind;
	bool writes;
	bool overwrite; /* a path that is written: what is there may be replaced */
	int fd;
	char *path; /* absolute */
	char *memory;
	int64_t size;    /* what will be read; -1: to its end, wherever that is. Said by the caller of a pipe,
			  * known of the others once opened */
	const char *why; /* of the last failure, for people; NULL: its errno says it */

	/* private */
	int cancel_fd; /* becomes readable when nobody waits any more */
	mode_t type;
	struct stat found;
	int64_t start, done; /* where a regular file is read from, and how far */
	int dir;             /* of a path that is written */
	char *name;
	char temp[40]; /* "": none */
	mode_t mode;
};

/* fd, path and memory are taken, also on failure. -ENOMEM, -EMFILE. */
int endpoint_new_fd(int fd, bool writes, struct endpoint **ret_endpoint);
int endpoint_new_path(char *path, bool writes, bool overwrite, struct endpoint **ret_endpoint);
int endpoint_new_memory(char *memory, size_t len, struct endpoint **ret_endpoint);
/* A temporary file that was not put into its place goes. */
struct endpoint *endpoint_free(struct endpoint *e);
/* From any thread: who waits in it comes back with -ECANCELED, as far as the kernel lets it. */
void endpoint_cancel(struct endpoint *e);

/* All -errno. A descriptor of the wrong kind or not open for this: -EISDIR, -EBADF, -EINVAL,
 * -ESOCKTNOSUPPORT. */
int endpoint_open(struct endpoint *e);
/* Up to len bytes: as many as there are at once, and never none but at the end. *ret_last: nothing follows,
 * and a regular file still is what it was when it was opened (-ESTALE: it changed while it was read). */
ssize_t endpoint_read(struct endpoint *e, void *data, size_t len, bool *ret_last);
int endpoint_write(struct endpoint *e, const void *data, size_t len);
/* Back to the start, as if nothing had been read or written. -ESPIPE: what went by is gone, but for those
 * that can, as is known once they are open. */
int endpoint_rewind(struct endpoint *e);
bool endpoint_can_rewind(const struct endpoint *e);
/* Of a path: what was written is on the disk and at its name. -EEXIST: something else is. */
int endpoint_commit(struct endpoint *e);
