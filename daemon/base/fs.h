/* Files and descriptors: whole-file reads with a limit, atomic replacement, directories made with the right
 * mode, and opening below a directory without ever leaving it. */
#pragma once
#include "base/util.h"
#include <sys/stat.h>
#include <sys/types.h>

/* Reads or writes all of it, over short transfers and EINTR. fs_read_full returns the bytes read (less only
 * at the end of the file). */
ssize_t fs_read_full(int fd, void *buf, size_t len);
ssize_t fs_pread_full(int fd, void *buf, size_t len, off_t offset);
int fs_write_full(int fd, const void *buf, size_t len);

/* The whole file, NUL-terminated behind *ret_len. -EFBIG beyond max. */
int fs_read_file(const char *path, size_t max, char **ret_data, size_t *ret_len);
/* Temporary name in the same directory, write, fsync, rename, fsync of the directory. */
int fs_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode);
int fs_mkdir_p(const char *path, mode_t mode);

/* openat2 below dirfd with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
 * flags get O_CLOEXEC | O_NOFOLLOW. path "" or "." is dirfd itself. Returns a descriptor or -errno (-ELOOP
 * for a symlink on the way, -EXDEV for an escape or a mount). */
int fs_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

char *fs_join(const char *a,
	      const char *b); /* "a/b" without doubled slashes; free it; NULL when out of memory */
/* Renames within a directory to a name that nothing has. -EEXIST: something is there. */
int fs_move_new(int dir, const char *from, const char *to);
