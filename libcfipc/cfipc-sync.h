/* libcfipc, a chapter of cfipc.h: the functions of org.carbonfiles.sync and org.carbonfiles.daemon.
 * cfipc-remote.h says what holds for every one of them.
 *
 * name is that of a pair; where it is optional, NULL means every pair. Lists of paths and names are arrays
 * that end with NULL. Paths in answers are relative to the pair's directory. A wrong name is NO_SUCH_PAIR.
 */
#ifndef CFIPC_H
#error "include cfipc.h"
#endif

/* ---- Pairs ---- */

#define CFIPC_UNSET INT64_MIN /* of the numbers below: not given */

/* Everything that is not given is the daemon's default in cfipc_sync_add, and stays as it is in
 * cfipc_sync_update, where an empty string or list, or the number -1, goes back to the default. */
typedef struct cfipc_sync_spec {
	size_t size;
	const char *name;           /* default: made from local_path; in an update the new name */
	const char *profile;        /* default: the one active now */
	const char *bucket;         /* id, or with create_bucket the name of the one to make; needed to add */
	const char *remote_prefix;  /* below which the pair lives in the bucket */
	const char *local_path;     /* absolute; needed to add */
	const char *mode;           /* mirror, backup, pull, two_way; needed to add */
	const char *conflicts;      /* keep_both, keep_local, keep_remote */
	const char *const *include; /* patterns, NULL at the end */
	const char *const *exclude;
	int64_t max_deletes;        /* more deletions than this at once are held */
	int64_t max_delete_percent; /* 0 to 100, of all files */
	const char *upload_limit;   /* bytes a second: "512K", "off", "08:00-18:00 512K, else off" */
	const char *download_limit;
	int64_t rescan_seconds; /* between full scans */
	const char *foreign;    /* hold, remove: files of others in a mirrored bucket */
	int64_t settle_ms;      /* quiet time before an upload */
	int64_t rescue_bytes;   /* the largest file that is saved to the Trash before it is replaced */
	int secrets;            /* 1: also carry private keys and the like; 0; -1: not given */
} cfipc_sync_spec;
CFIPC_EXPORT void cfipc_sync_spec_init(cfipc_sync_spec *spec, size_t size);

typedef struct cfipc_sync_options {
	size_t size;
	const char
		*upload_token; /* the pair writes with it instead of the profile's credential; backup only */
	int create_bucket;     /* cfipc_sync_add: 1: make it */
	int paused;            /* cfipc_sync_add: 1: do not start yet */
	int adopt_root;        /* cfipc_sync_update: 1: the directory now at local_path becomes the root */
} cfipc_sync_options;
CFIPC_EXPORT void cfipc_sync_options_init(cfipc_sync_options *options, size_t size);

/* Watches a directory. PAIR_EXISTS, OVERLAP, PATH_UNUSABLE (cfipc_error_errno), NO_SUCH_PROFILE,
 * NOT_LOGGED_IN, NOT_FOUND, ACCESS_DENIED, UNREACHABLE. */
CFIPC_EXPORT int cfipc_sync_add(cfipc_client *client, const cfipc_sync_spec *spec,
				const cfipc_sync_options *options, cfipc_changed_pair **ret_changed_pair,
				cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_add_async(cfipc_client *client, cfipc_op **ret_op, const cfipc_sync_spec *spec,
				      const cfipc_sync_options *options, cfipc_result_cb callback,
				      void *userdata);

/* Another bucket, remote_prefix or local_path begins a first sync. Errors as cfipc_sync_add. */
CFIPC_EXPORT int cfipc_sync_update(cfipc_client *client, const char *name, const cfipc_sync_spec *changes,
				   const cfipc_sync_options *options, cfipc_changed_pair **ret_changed_pair,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_update_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					 const cfipc_sync_spec *changes, const cfipc_sync_options *options,
					 cfipc_result_cb callback, void *userdata);

/* Deletes no data on either side. */
CFIPC_EXPORT int cfipc_sync_remove(cfipc_client *client, const char *name, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_remove_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					 cfipc_result_cb callback, void *userdata);

/* Of cfipc_pair; profile NULL: those of every profile. */
CFIPC_EXPORT int cfipc_sync_list(cfipc_client *client, const char *profile, cfipc_list **ret_list,
				 cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_list_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				       cfipc_result_cb callback, void *userdata);

CFIPC_EXPORT int cfipc_sync_get(cfipc_client *client, const char *name, cfipc_pair **ret_pair,
				cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_get_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
				      cfipc_result_cb callback, void *userdata);

/* Of cfipc_pair_status; name: optional. */
CFIPC_EXPORT int cfipc_sync_status(cfipc_client *client, const char *name, cfipc_list **ret_list,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_status_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					 cfipc_result_cb callback, void *userdata);

/* name: optional. seconds: of wall-clock time until it goes on by itself, -1: never. Kept over restarts. */
CFIPC_EXPORT int cfipc_sync_pause(cfipc_client *client, const char *name, int64_t seconds,
				  cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_pause_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					int64_t seconds, cfipc_result_cb callback, void *userdata);

/* name: optional. */
CFIPC_EXPORT int cfipc_sync_resume(cfipc_client *client, const char *name, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_resume_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					 cfipc_result_cb callback, void *userdata);

/* name and path: optional. verify_hashes 1: reads every local file again and compares with the hashes of
 * the server. wait 0: returns once it is queued; 1: once it is done, the _async form gives the status
 * meanwhile too. */
CFIPC_EXPORT int cfipc_sync_rescan(cfipc_client *client, const char *name, const char *path,
				   int verify_hashes, int wait, cfipc_pair_status **ret_pair_status,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_rescan_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					 const char *path, int verify_hashes, int wait,
					 cfipc_result_cb callback, void *userdata);

/* Of cfipc_pair_status; name: optional. Answers once every change made on disk before the call is on the
 * server, or with in_sync 0 when timeout_seconds (-1: none) have passed or a pair cannot get there by
 * itself. */
CFIPC_EXPORT int cfipc_sync_wait(cfipc_client *client, const char *name, int64_t timeout_seconds,
				 cfipc_list **ret_list, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_wait_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
				       int64_t timeout_seconds, cfipc_result_cb callback, void *userdata);

/* A dry run of a pair, or (name NULL) of a spec not added yet. Changes nothing. The _async form gives a
 * cfipc_plan with one action each, then the totals. */
CFIPC_EXPORT int cfipc_sync_plan(cfipc_client *client, const char *name, const cfipc_sync_spec *spec,
				 cfipc_plan **ret_plan, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_plan_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
				       const cfipc_sync_spec *spec, cfipc_result_cb callback, void *userdata);

/* ---- What needs a decision ---- */

/* Of cfipc_held: deletions that wait; name: optional. This and the next two come in pieces of a thousand. */
CFIPC_EXPORT int cfipc_sync_held(cfipc_client *client, const char *name, cfipc_list **ret_list,
				 cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_held_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
				       cfipc_result_cb callback, void *userdata);

/* Of cfipc_skipped; name: optional. */
CFIPC_EXPORT int cfipc_sync_skipped(cfipc_client *client, const char *name, cfipc_list **ret_list,
				    cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_skipped_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					  cfipc_result_cb callback, void *userdata);

/* Of cfipc_history_entry, newest first; name and path: optional. limit: entries, -1: the daemon's default. */
CFIPC_EXPORT int cfipc_sync_history(cfipc_client *client, const char *name, const char *path, int64_t limit,
				    cfipc_list **ret_list, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_history_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					  const char *path, int64_t limit, cfipc_result_cb callback,
					  void *userdata);

/* Carries held deletions out, and says how many; paths NULL: all. NOTHING_HELD. */
CFIPC_EXPORT int cfipc_sync_confirm(cfipc_client *client, const char *name, const char *const *paths,
				    cfipc_number **ret_number, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_confirm_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					  const char *const *paths, cfipc_result_cb callback, void *userdata);

/* Puts the files back from the other side instead. NOTHING_HELD, PATH_UNUSABLE (of the first that failed;
 * the others are restored). */
CFIPC_EXPORT int cfipc_sync_restore(cfipc_client *client, const char *name, const char *const *paths,
				    cfipc_number **ret_number, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_restore_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					  const char *const *paths, cfipc_result_cb callback, void *userdata);

/* Of cfipc_conflict; name: optional. */
CFIPC_EXPORT int cfipc_sync_conflicts(cfipc_client *client, const char *name, cfipc_list **ret_list,
				      cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_conflicts_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					    cfipc_result_cb callback, void *userdata);

/* choice: keep_local, keep_remote, keep_both. NO_SUCH_CONFLICT. */
CFIPC_EXPORT int cfipc_sync_resolve(cfipc_client *client, const char *id, const char *choice,
				    cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_resolve_async(cfipc_client *client, cfipc_op **ret_op, const char *id,
					  const char *choice, cfipc_result_cb callback, void *userdata);

/* Of cfipc_ignore_state: would the pair carry these? */
CFIPC_EXPORT int cfipc_sync_test_ignore(cfipc_client *client, const char *name, const char *const *paths,
					cfipc_list **ret_list, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_test_ignore_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					      const char *const *paths, cfipc_result_cb callback,
					      void *userdata);

/* Of cfipc_path_state, for absolute paths: what a file manager shows at a file. */
CFIPC_EXPORT int cfipc_sync_path_states(cfipc_client *client, const char *const *paths, cfipc_list **ret_list,
					cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_sync_path_states_async(cfipc_client *client, cfipc_op **ret_op,
					      const char *const *paths, cfipc_result_cb callback,
					      void *userdata);

/* A stream of cfipc_sync_event until it is cancelled: the status of every pair first, then what changes.
 * names: the pairs, NULL: all. files 1: the progress of files too. Wait for it with cfipc_op_wait where that
 * is wanted. */
CFIPC_EXPORT int cfipc_sync_watch(cfipc_client *client, cfipc_op **ret_op, const char *const *names,
				  int files, cfipc_result_cb callback, void *userdata);

/* ---- The daemon ---- */

CFIPC_EXPORT int cfipc_daemon_version(cfipc_client *client, cfipc_daemon_info **ret_daemon_info,
				      cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_daemon_version_async(cfipc_client *client, cfipc_op **ret_op, cfipc_result_cb callback,
					    void *userdata);

CFIPC_EXPORT int cfipc_daemon_status(cfipc_client *client, cfipc_daemon_state **ret_daemon_state,
				     cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_daemon_status_async(cfipc_client *client, cfipc_op **ret_op, cfipc_result_cb callback,
					   void *userdata);

/* Reads the configuration again. INVALID_SETTING: it is wrong and the old one stays. */
CFIPC_EXPORT int cfipc_daemon_reload(cfipc_client *client, cfipc_reloaded **ret_reloaded,
				     cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_daemon_reload_async(cfipc_client *client, cfipc_op **ret_op, cfipc_result_cb callback,
					   void *userdata);

/* Of cfipc_setting; keys NULL: all. */
CFIPC_EXPORT int cfipc_config_get(cfipc_client *client, const char *const *keys, cfipc_list **ret_list,
				  cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_config_get_async(cfipc_client *client, cfipc_op **ret_op, const char *const *keys,
					cfipc_result_cb callback, void *userdata);

/* values: key, value, key, value, NULL. persist 1: written to the configuration file too; 0: until the
 * daemon ends; -1: as the daemon does by default. INVALID_SETTING, READ_ONLY_SETTING; then nothing is
 * changed. */
CFIPC_EXPORT int cfipc_config_set(cfipc_client *client, const char *const *values, int persist,
				  cfipc_reloaded **ret_reloaded, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_config_set_async(cfipc_client *client, cfipc_op **ret_op, const char *const *values,
					int persist, cfipc_result_cb callback, void *userdata);

/* error, warning, info or debug. */
CFIPC_EXPORT int cfipc_log_level_get(cfipc_client *client, cfipc_text **ret_text, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_log_level_get_async(cfipc_client *client, cfipc_op **ret_op, cfipc_result_cb callback,
					   void *userdata);

/* seconds: back to the configured level afterwards; -1: never. */
CFIPC_EXPORT int cfipc_log_level_set(cfipc_client *client, const char *level, int64_t seconds,
				     cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_log_level_set_async(cfipc_client *client, cfipc_op **ret_op, const char *level,
					   int64_t seconds, cfipc_result_cb callback, void *userdata);

/* Of cfipc_finding. The _async form gives each as it is found. */
CFIPC_EXPORT int cfipc_daemon_diagnose(cfipc_client *client, cfipc_list **ret_list, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_daemon_diagnose_async(cfipc_client *client, cfipc_op **ret_op,
					     cfipc_result_cb callback, void *userdata);

/* OpenMetrics text. */
CFIPC_EXPORT int cfipc_daemon_metrics(cfipc_client *client, cfipc_text **ret_text, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_daemon_metrics_async(cfipc_client *client, cfipc_op **ret_op, cfipc_result_cb callback,
					    void *userdata);

/* A stream of cfipc_daemon_event until it is cancelled: the state first, then what changes. */
CFIPC_EXPORT int cfipc_daemon_watch(cfipc_client *client, cfipc_op **ret_op, cfipc_result_cb callback,
				    void *userdata);
