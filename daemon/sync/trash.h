/* The home Trash of the desktop specification: where content goes before it is overwritten or deleted.
 * $XDG_DATA_HOME/Trash/{files,info}, never a .Trash-UID inside a pair. Blocking: called from workers, but for
 * trash_dir. Thread-safe: one struct trash serves all workers, each with its own trash_file. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Left free on the filesystem of the Trash: the last blocks belong to the user's work, not to our copies. */
#define TRASH_MARGIN_BYTES (16LL << 20)

struct trash; /* one per daemon */
/* Makes the directory if it can, and removes temporary files of a daemon that was killed; neither failing is
 * an error here, trash_begin will say so. -ENOENT: no home directory known. -ENOMEM. */
int trash_new(const char *home_trash /* NULL: from the environment */, struct trash **ret_trash);
struct trash *trash_free(struct trash *t);
const char *trash_dir(const struct trash *t);

/* Could content of this size be put in now? 0, and how much room there is; else what trash_begin would say.
 */
int trash_room(struct trash *t, int64_t size, int64_t *ret_room);

/* One piece of content on its way in: written to a temporary name, visible only after trash_commit. */
struct trash_file;
/* original: absolute path it belongs to (written to .trashinfo). size: checked against free space first,
 * -ENOSPC; -EDQUOT, -EROFS, -EACCES, …: nothing can be put in here, which is known before a byte is fetched.
 */
int trash_begin(struct trash *t, const char *original, int64_t size, struct trash_file **ret_file);
int trash_write(struct trash_file *f, const void *data, size_t len);
/* fsync, info file first, then rename: a kill leaves no half content under a real name. What it returns is on
 * the disk. ret_path: where the content is now; free it. Once. */
int trash_commit(struct trash_file *f, char **ret_path);
struct trash_file *trash_abort(struct trash_file *f); /* removes the temporary; also frees after commit */
