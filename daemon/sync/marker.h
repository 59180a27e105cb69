/* The identity of a root: the extended attribute user.carbonfiles.pair = "ID GENERATION", or where none can
 * be written the filesystem id and inode. Reads and writes it; what a mismatch means is the pair's business.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define MARKER_ID_MAX 40
struct marker {
	bool supported; /* the filesystem carries user.* attributes */
	bool present;
	char id[MARKER_ID_MAX];
	char generation[MARKER_ID_MAX];
	uint64_t fsid, ino; /* always filled */
};
int marker_read(int root_fd, struct marker *ret_marker); /* -EBADMSG: an attribute that is not ours in form */
int marker_write(int root_fd, const char *id, const char *generation);
int marker_remove(int root_fd, const char *id); /* only if it is this id's */
int marker_new_id(char id[33]);                 /* 32 random hex digits */
