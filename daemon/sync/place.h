/* Puts a finished file in its place. What lies there already goes to the Trash, and nothing of it is lost,
 * also when it is written to at that very moment: the two are exchanged, and what was displaced is judged
 * afterwards. Blocking: called from workers. Not here: fetching the file (restore.c). */
#pragma once
#include "sync/trash.h"

struct place {
	int dir;              /* temp and name are in it */
	const char *temp;     /* complete and on the disk */
	const char *name;     /* its place */
	const char *original; /* absolute path of the place, for the Trash */
	struct trash *trash;
};

/* 0: the file is at its name, and temp is the caller's no longer. Otherwise the name is as it was, and temp
 * too: -EISDIR, -ELOOP, -EINVAL: what is there is no regular file; -ENOSPC and others: the Trash cannot take
 * it. *ret_kept (free it; NULL: none): under this name, in the same directory, is what was displaced, because
 * it is not what the Trash has, or somebody still may write to it. The name is never absent, but for the
 * moment between two renames where the file system cannot exchange (NFS, exFAT); then something may also be
 * kept although this fails. */
int place_file(const struct place *p, char **ret_kept);
