/* The plan: one pure function of (local, remote, row, mode, options). The first line of its table that fits
 * decides. Everything that touches a byte asks it, directly before it acts. Before it is asked, the caller
 * has made a remote version that is a write of ours in doubt or remembered the row's version, and dropped the
 * row where a "deleted" of ours is in doubt or remembered and the remote is absent. */
#pragma once
#include "store/pairfile.h"
#include "sync/remote.h"
#include <stdbool.h>
#include <stdint.h>

enum plan_presence {
	PLAN_ABSENT, /* nothing there; a directory at the path, or a path below a symlink or a file, is absent
			too */
	PLAN_FILE,
	PLAN_SPECIAL,    /* local only: link, FIFO, socket, device */
	PLAN_UNREADABLE, /* local only */
	PLAN_UNCOVERED,  /* local only: ignored, secret, other filesystem, own state */
	PLAN_UNKNOWN,    /* remote only: not looked up */
};

struct plan_local {
	enum plan_presence presence;
	int64_t size;
	bool has_digest; /* false: not hashed yet. The plan answers PLAN_HASH where the answer depends on it
			  */
	struct digest digest;
};

struct plan_remote {
	enum plan_presence presence;
	struct remote_version version;
};

struct plan_row {
	bool present;
	struct remote_version version; /* digest, size, updated_at */
	bool gone_here;                /* backup: known to be gone locally */
	bool from_before;              /* the version was on either side when the present first sync began */
};

struct plan_options {
	enum pair_mode mode;
	bool foreign_remove;
	bool first_sync;
	bool held; /* this very version of the path is held, unconfirmed */
};

enum plan_verdict {
	PLAN_NOTHING, /* in order; unreadable or uncovered: listed */
	PLAN_SKIP,    /* special: listed, row kept */
	PLAN_LOOK_UP, /* remote unknown: look it up, else wait */
	PLAN_HASH,    /* the local digest decides */
	PLAN_DROP_ROW,
	PLAN_WRITE_ROW, /* both sides equal, the row says something else or nothing */
	PLAN_UPLOAD,
	PLAN_RESCUE_UPLOAD, /* the remote version goes to the Trash first */
	PLAN_DELETE_REMOTE,
	PLAN_RESCUE_DELETE, /* foreign = remove */
	PLAN_HOLD_FOREIGN,  /* drop_row tells whether a row goes */
	PLAN_LEAVE,         /* backup: not ours, left alone */
	PLAN_MARK_GONE,     /* backup: leave it there, mark the row "gone here" */
	PLAN_HOLD_LOCAL,    /* pull: a file that only exists here */
	PLAN_DOWNLOAD,
	PLAN_TRASH_DOWNLOAD, /* the local version goes to the Trash first */
	PLAN_TRASH_DROP,     /* the local version goes to the Trash, the row goes */
	PLAN_CONFLICT,
};

struct plan_decision {
	enum plan_verdict verdict;
	bool guard; /* a deletion: the mass guard, and in a first sync the hold of versions from before,
		       decide between doing and holding */
	bool drop_row;
	const char *reason; /* static, for Plan and history: "new", "changed", "put back", "deleted here",
			       "foreign", … */
};

struct plan_decision plan_file(const struct plan_local *local, const struct plan_remote *remote,
			       const struct plan_row *row, const struct plan_options *options);
const char *plan_verdict_name(enum plan_verdict verdict);
/* hash and updated_at both equal. */
bool plan_same_version(const struct remote_version *a, const struct remote_version *b);
