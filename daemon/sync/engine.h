/* The engine: all pairs, and what the rest of the daemon may ask of them. The only header of this room that
 * ipc and daemon.c need. Everything runs on the loop; callbacks come exactly once (streams: until stopped),
 * never from inside the call. What callbacks are given is borrowed. */
#pragma once
#include "base/loop.h"
#include "base/worker.h"
#include "store/index.h"
#include "store/pairfile.h"
#include "store/settings.h"
#include "sync/remote.h"

struct engine;

struct engine_params {
	struct loop *loop;
	struct worker_pool *pool;
	struct index *index;
	const char *index_path; /* workers open their own readers */
	bool index_fresh;       /* the index is new: first sync for all */
	const char *config_dir; /* pairs/ lives here */
	const char *const
		*own_dirs; /* the daemon's own directories, NULL-terminated: left out of every tree */
	const struct settings *settings; /* borrowed, read at use; engine_settings_changed after a reload */
	/* The server of a profile; NULL profile: the active one. *ret_remote is borrowed and stays valid
	 * until engine_profile_changed. -ENOENT: no such profile; -EACCES: it has no credential. ret_name:
	 * the profile's name (borrowed). */
	int (*remote_of)(void *arg, const char *profile, struct remote **ret_remote, const char **ret_name);
	void *remote_arg;
};

/* Loads pairs and starts them. Pair files that cannot be read are left alone and logged; *ret_warnings (free
 * it) repeats them. */
int engine_new(const struct engine_params *params, struct engine **ret_engine);
/* Stops taking new work; finishes or gives up transfers within the time; done is called when everything is
 * quiet. */
void engine_stop(struct engine *e, int64_t within_ms, void (*done)(void *arg), void *arg);
struct engine *engine_free(struct engine *e);
void engine_settings_changed(struct engine *e);
/* The credential or URL of a profile changed, or it is gone: everything that runs through the old remote is
 * cancelled before this returns. */
void engine_profile_changed(struct engine *e, const char *profile);
/* Does anything still run through it? It must stay valid until not. */
bool engine_uses_remote(struct engine *e, const struct remote *remote);
bool engine_uses_profile(struct engine *e, const char *profile,
			 const char **ret_pair); /* ret_pair: the first such pair's name */
int engine_profile_renamed(struct engine *e, const char *old_name,
			   const char *new_name); /* pair files follow */

/* What an operation ended with. kind says which error of org.carbonfiles.sync it is. */
enum engine_error_kind {
	ENGINE_OK,
	ENGINE_NO_SUCH_PAIR, /* subject: name */
	ENGINE_PAIR_EXISTS,  /* subject: name */
	ENGINE_NOTHING_HELD, /* subject: name */
	ENGINE_OVERLAP, /* subject: path or BUCKET/PREFIX, other: the pair in its way, other_path: its own */
	ENGINE_PATH_UNUSABLE,   /* subject: path, code: -errno, message */
	ENGINE_NO_SUCH_PROFILE, /* subject: profile */
	ENGINE_NOT_LOGGED_IN,   /* subject: profile */
	ENGINE_INVALID,         /* subject: parameter */
	ENGINE_REMOTE,          /* remote: what the server (or its silence) said */
	ENGINE_BUSY,            /* subject: what, code: limit */
	ENGINE_LOCAL,           /* subject: path or NULL, code: -errno, message */
};
struct engine_error {
	enum engine_error_kind kind;
	int code;
	const char *subject, *other, *other_path, *message;
	const struct remote_error *remote;
};

typedef void (*engine_done_cb)(void *arg, const struct engine_error *error);

/* spec is taken. warnings: NULL-terminated list ("readable by anyone who knows its id", "expires on …"). */
typedef void (*engine_pair_cb)(void *arg, const struct engine_error *error, const struct pair_spec *pair,
			       const char *const *warnings);
void engine_add(struct engine *e, struct pair_spec *spec, bool create_bucket, engine_pair_cb cb, void *arg);

/* A field that is NULL or PAIR_KEEP stays as it is; "" or PAIR_DEFAULT goes back to the default. */
#define PAIR_KEEP (-2)
struct pair_changes {
	const char *name, *profile, *bucket, *remote_prefix, *local_path;
	int mode, foreign, secrets; /* PAIR_KEEP or the value */
	int64_t settle_ms, rescan_seconds, max_deletes, max_delete_percent, rescue_bytes;
	bool adopt_root;
};
void engine_update(struct engine *e, const char *name, const struct pair_changes *changes, engine_pair_cb cb,
		   void *arg);
void engine_remove(struct engine *e, const char *name, engine_done_cb cb, void *arg);

/* By name order. */
size_t engine_count(struct engine *e);
const struct pair_spec *engine_spec_at(struct engine *e, size_t i);
const struct pair_spec *engine_spec(struct engine *e, const char *name); /* NULL: none of that name */

struct engine_status {
	const char *name;
	const char *state; /* paused, login_required, remote_gone, root_missing, error, offline, starting,
			      scanning, held, syncing, degraded, idle */
	bool in_sync;
	int64_t files_total, files_pending, files_skipped, bytes_total, bytes_pending, bytes_per_second;
	int64_t deletes_held, foreign_held, conflicts, errors;
	int64_t watched_directories, polled_directories;
	int64_t last_sync_ms, last_full_check_ms; /* wall clock; 0: never */
	const char *bucket_expires_at;            /* NULL: never, or not known yet */
	const char *last_error;                   /* NULL: none */
	int64_t paused_until_ms;                  /* 0: not paused, or until resumed */
};
int engine_status_of(struct engine *e, const char *name,
		     struct engine_status *ret_status); /* -ENOENT; cheap: within 10 ms whatever runs */

/* name NULL: every pair. -ENOENT. */
int engine_pause(struct engine *e, const char *name, int64_t seconds /* 0: until resumed */);
int engine_resume(struct engine *e, const char *name);
/* Queues a rescan; path NULL or "": all. done (optional) is called when it is over. */
int engine_rescan(struct engine *e, const char *name, const char *path, bool verify_hashes,
		  engine_done_cb done, void *arg);

/* A barrier. cb gets every pair's status (in_sync says how it ended); timeout_seconds < 0: none. The handle
 * can be given up. */
struct engine_wait;
typedef void (*engine_wait_cb)(void *arg, const struct engine_error *error,
			       const struct engine_status *statuses, size_t n);
int engine_wait(struct engine *e, const char *name, int64_t timeout_seconds, engine_wait_cb cb, void *arg,
		struct engine_wait **ret_wait);
void engine_wait_cancel(struct engine_wait *w); /* no callback afterwards */

/* Dry run. action NULL: the end, with totals. on_action < 0 stops it. */
struct engine_action {
	const char *action; /* upload, append, download, delete_local, delete_remote, conflict, skip, hold */
	const char *path;
	int64_t size; /* -1: none */
	const char *reason;
};
struct engine_totals {
	int64_t uploads, downloads, deletes, conflicts, bytes;
};
struct engine_plan;
typedef int (*engine_plan_cb)(void *arg, const struct engine_error *error, const struct engine_action *action,
			      const struct engine_totals *totals);
/* Either name of a pair, or a spec that is not added yet (borrowed). */
int engine_plan_start(struct engine *e, const char *name, const struct pair_spec *spec, engine_plan_cb cb,
		      void *arg, struct engine_plan **ret_plan);
void engine_plan_cancel(struct engine_plan *p);

/* Held deletions and overwrites. apply: carry out; else restore. paths NULL: all. cb's code in error is
 * unused; n in *ret_n of the callback. */
typedef void (*engine_confirm_cb)(void *arg, const struct engine_error *error, int64_t n);
void engine_confirm(struct engine *e, const char *name, bool apply, const char *const *paths, size_t n_paths,
		    engine_confirm_cb cb, void *arg);
/* Pages of what is stored; name must exist. */
int engine_held(struct engine *e, const char *name, const char *after, int max, index_hold_cb cb, void *arg);
int engine_skipped(struct engine *e, const char *name, const char *after, int max, index_skip_cb cb,
		   void *arg);
int engine_history(struct engine *e, const char *name /* NULL: all */, const char *path, int64_t before_id,
		   int max, index_event_cb cb, void *arg);
const char *engine_hold_reason_name(
	enum index_hold_reason reason); /* "mass" "first_sync" "foreign" "too_large" "renamed" */

/* For a file manager: state of an absolute local path ("synced" "pending" "ignored" "skipped" "held" "error"
 * "none"); *ret_pair NULL outside all pairs. */
const char *engine_path_state(struct engine *e, const char *absolute_path, const char **ret_pair);
/* -ENOENT no such pair. *ret_rule NULL: not ignored. path: relative to the root or absolute. */
int engine_test_ignore(struct engine *e, const char *name, const char *path, bool *ret_ignored,
		       const char **ret_rule);

/* Changes as they happen. status events are merged to at most ten a second per pair; file events are sent as
 * they come. */
struct engine_file_progress {
	const char *pair, *path, *action;
	bool done;
	int64_t bytes_done, bytes_total; /* -1 unknown */
	const char *failure;             /* NULL: none */
};
struct engine_watch_callbacks {
	void (*on_status)(void *arg, const struct engine_status *status);
	void (*on_file)(void *arg, const struct engine_file_progress *file); /* NULL: not wanted */
	void (*on_removed)(void *arg, const char *pair);
};
struct engine_watch;
int engine_watch_new(struct engine *e, const struct engine_watch_callbacks *callbacks, void *arg,
		     struct engine_watch **ret_watch);
struct engine_watch *engine_watch_free(struct engine_watch *w);

unsigned engine_transfers(struct engine *e); /* uploads and downloads running */
/* A profile's server as seen by the pairs: "ready", "offline", "login_required", or NULL when no pair used it
 * yet. */
const char *engine_profile_state(struct engine *e, const char *profile, const char **ret_last_error);
/* Both sides may have changed without a word, after a resume from suspend: everything is looked at again, and
 * servers that were away are asked at once. */
void engine_check_all(struct engine *e);
