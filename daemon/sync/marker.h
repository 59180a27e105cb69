/* The identity of a root: the extended attribute user.carbonfiles.pair = "ID GENERATION", or where none can
 * be written the filesystem id and inode. Reads and writes it; what a mismatch means is the pair's business.
 * Blocking: called from workers. root_fd: a readable descriptor of the directory, not O_PATH. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define MARKER_ID_MAX 40
struct marker {
	bool supported; /* one is there, or could be written as far as can be seen without trying */
	bool present;
	char id[MARKER_ID_MAX];
	char generation[MARKER_ID_MAX];
	uint64_t fsid, ino; /* always filled */
};

/* -EBADMSG: an attribute that is not ours in form; it is then filled as if there were none (supported, not
 * present), for a caller who is to write over it. */
int marker_read(int root_fd, struct marker *ret_marker);
/* Over whatever is there, and on the disk when it returns. id and generation: 1 to 39 letters and digits,
 * else -EINVAL. -EOPNOTSUPP, -EROFS, -EACCES, -EPERM, -ENOSPC, -EDQUOT: none can be written here. */
int marker_write(int root_fd, const char *id, const char *generation);
/* Only if it is this id's; 0 also when there is none, or another's. */
int marker_remove(int root_fd, const char *id);
int marker_new_id(char id[33]); /* 32 random hex digits */
