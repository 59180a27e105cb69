/* A file that comes into being beside its place and is put into it whole: nobody sees half of it, and what
 * was there stays until then. What an earlier run has left of the same contents is gone on with. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct place {
	int fd;       /* of the temporary file, open both ways, at its end */
	int64_t have; /* bytes of an earlier run in it */

	/* private */
	int directory, lock;
	char *name, *temp;
	bool force, settled;
};

/* directory: a descriptor, copied. sha256 NULL: nothing to go on with, now or later. 0 or -errno; -EBUSY:
 * another process is at it. */
int place_new(int directory, const char *name, const char *sha256, int64_t size, bool force,
	      struct place **ret_place);
/* What is in it is not wanted: from the beginning. 0 or -errno. */
int place_restart(struct place *place);
/* Into its place. -EEXIST: something is there, and force was not given. */
int place_commit(struct place *place);
/* Leaves it for a later run. */
void place_keep(struct place *place);
/* Away with it, unless it was committed or kept. */
struct place *place_free(struct place *place);

/* The directory that the components of path but the last lie in, below the directory root: made where it is
 * missing, and never through a symbolic link. A descriptor, or -errno (-ENOTDIR: a file is in the way, or a
 * link). */
int place_directory(int root, const char *path);
