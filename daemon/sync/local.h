/* The local side: looking at one path below a root without ever leaving it or blocking on what is not a
 * regular file; reading files with a check that they held still. Called from workers. The descriptor of the
 * root is passed in and is held by the caller only while work is being done. Not here: walking (scan.h), what
 * to do about it (plan.h). */
#pragma once
#include "base/digest.h"
#include "store/index.h"
#include "sync/ignore.h"
#include "sync/plan.h"
#include <sys/stat.h>

struct local_rules {
	struct ignore_rules ignore;
	uint64_t root_dev;               /* st_dev of the root: other filesystems are not entered */
	uint64_t own_dev[4], own_ino[4]; /* the daemon's own directories (state, config, runtime, Trash): left
					    out as own_state */
	int own_count;
};

struct local_state {
	enum plan_presence presence;
	struct index_sig sig;    /* PLAN_FILE only */
	bool linked;             /* st_nlink > 1 */
	bool is_dir;             /* absent because a directory is there */
	const char *skip_reason; /* static; for SPECIAL, UNREADABLE, UNCOVERED: "symlink", "fifo", "socket",
				    "device", "unreadable", "secret", "ignored", "other_filesystem",
				    "own_state" */
	int error;               /* UNREADABLE: the errno (negative) */
};

/* Opens the root by its absolute path (O_PATH-less directory descriptor). -errno. */
int local_root_open(const char *path);
/* Is there nothing in the directory at fd, not even what the rules leave out? 1, 0 or -errno. */
int local_root_empty(int fd);
/* For many paths one after another: the directory of the last one stays open, so that neighbours in path
 * order find the way at once. For a turn of a worker, not longer: a directory that is moved meanwhile is
 * still reached by its old name. */
struct local_way {
	int root_fd; /* the caller's, and so are the rules; both outlive the way */
	const struct local_rules
		*rules; /* for reading too: other filesystems and own directories are left out */
	char *dir;      /* where dir_fd (-1: nowhere) is */
	int dir_fd;
};
void local_way_init(struct local_way *way, int root_fd, const struct local_rules *rules);
void local_way_done(struct local_way *way);

/* One path, by its names and its stat; nothing is opened but the directories on the way. A file that may not
 * be read, or is a secret by its content, shows only when it is opened (-EACCES, -EKEYREJECTED below). A path
 * that the rules leave out is UNCOVERED even where nothing is on disk. */
void local_way_inspect(struct local_way *way, const char *path, struct local_state *ret_state);
void local_inspect(int root_fd, const char *path, const struct local_rules *rules,
		   struct local_state *ret_state);
/* The same for a name in an open directory that the rules cover; the name's own rules are not asked. */
void local_inspect_at(int dir_fd, const char *name, struct local_state *ret_state);
/* Is this directory on the root's filesystem and none of the daemon's own? NULL, or the reason to leave it
 * out. */
const char *local_skip_directory(const struct local_rules *rules, const struct stat *st);
/* A rule's verdict as a skip reason: "ignored", "secret"; NULL for covered. */
const char *local_verdict_reason(enum ignore_verdict verdict);

bool local_sig_equal(const struct index_sig *a, const struct index_sig *b);
/* Its times are so close to now that it may change again without showing it. now: clock_wall_ns before the
 * first byte was read. */
bool local_sig_racy(const struct index_sig *sig, int64_t now_ns);

/* Whoever looks at content passes the rules: a secret by its first line (IGNORE_SECRET_FILE_MAX) gives
 * -EKEYREJECTED from all three, before a byte is handed out, unless the rules carry secrets. rules NULL: not
 * checked (the bytes go nowhere). Other codes: -ENOENT, -ENOTDIR, -ELOOP (a link), -EINVAL (another kind of
 * file), -EISDIR: no longer what local_inspect saw; -EXDEV: a mount; -EACCES, -EPERM, -EIO, …: unreadable.
 */

/* Opens for reading: openat2 beneath, O_NOFOLLOW | O_NONBLOCK, regular files only. Gives the signature of
 * what was opened. */
int local_open(int root_fd, const char *local_path, const struct local_rules *rules,
	       struct index_sig *ret_sig);
/* The signature of what is open at fd: unchanged since local_open means that the bytes read in between are
 * one version. */
int local_sig_of(int fd, struct index_sig *ret_sig);
/* Whole file up to max bytes (-EFBIG), with the signature before and after: -ESTALE when it moved in between.
 * *ret_data is malloc'ed. What local_way_inspect would have said comes with it; only the rules for the name
 * are not asked. */
int local_way_read(struct local_way *way, const char *path, size_t max, void **ret_data, size_t *ret_len,
		   struct local_state *ret_state, bool *ret_racy);
/* Streams through SHA-256. -ESTALE when the signature moved. cancel (optional) is looked at between blocks:
 * -ECANCELED. */
int local_hash(int root_fd, const char *local_path, const struct local_rules *rules,
	       const volatile bool *cancel, struct digest *ret_digest, struct index_sig *ret_sig,
	       bool *ret_racy);
/* First line of a small file looks like a private key. A file that cannot be read is taken for one. */
bool local_is_secret(int fd, int64_t size);
