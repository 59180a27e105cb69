/* libcfipc, a chapter of cfipc.h: objects, what the typed functions give.
 *
 * An object is read through getters and never changes. What a function gives you by its ret_ pointer is
 * yours: cfipc_unref it. What a callback, a getter or a list gives you is borrowed, from the callback until
 * it returns, else for the life of the object you asked; cfipc_ref makes it yours. A part may outlive its
 * whole.
 *
 * Strings are UTF-8, NULL where the daemon said nothing (an optional field), also of a NULL object. Integers
 * are -1 where nothing was said; sizes are in bytes. Flags are 1, 0, or -1 where nothing was said. Times
 * (*_at) are RFC 3339 strings in UTC. Text may come from outside: escape control characters before a terminal
 * sees it. Sets of words marked "may grow" get members that an older program does not know.
 *
 * In C++ what is a void * here needs a static_cast to its type.
 */
#ifndef CFIPC_H
#error "include cfipc.h"
#endif

/* ---- All objects ---- */

/* Takes and gives any object. NULL is allowed. */
CFIPC_EXPORT void *cfipc_ref(void *object);
CFIPC_EXPORT void *cfipc_unref(void *object);

/* Exactly what the daemon sent for it, fields that this library has no getter for included; lives as long as
 * the object. NULL for NULL or when out of memory. */
CFIPC_EXPORT const char *cfipc_json(const void *object);

/* A word or a text, where a method gives nothing else. */
typedef struct cfipc_text cfipc_text;
CFIPC_EXPORT const char *cfipc_text_get(const cfipc_text *text);

/* A count, where a method gives nothing else. */
typedef struct cfipc_number cfipc_number;
CFIPC_EXPORT int64_t cfipc_number_get(const cfipc_number *number);

/* ---- Lists ----
 *
 *	size_t position = 0;
 *	cfipc_bucket *bucket;
 *
 *	while ((bucket = cfipc_list_next(list, &position)))
 *		puts(cfipc_bucket_name(bucket));
 */
typedef struct cfipc_list cfipc_list;

/* Items here, 0 for NULL. */
CFIPC_EXPORT size_t cfipc_list_count(const cfipc_list *list);
/* The item number i from 0, of the type that the giver of the list names; NULL past the end. */
CFIPC_EXPORT void *cfipc_list_at(const cfipc_list *list, size_t i);
/* The item at *position, which is moved on; NULL at the end. */
CFIPC_EXPORT void *cfipc_list_next(const cfipc_list *list, size_t *position);
/* Of a list of strings; NULL past the end. */
CFIPC_EXPORT const char *cfipc_list_string(const cfipc_list *list, size_t i);
/* Of a page: items in all as the server said, the size of the page and where it begins; a list made of every
 * page says what its last page did, a list that has no pages how many it has, -1 and -1. */
CFIPC_EXPORT int64_t cfipc_list_total(const cfipc_list *list);
CFIPC_EXPORT int64_t cfipc_list_limit(const cfipc_list *list);
CFIPC_EXPORT int64_t cfipc_list_offset(const cfipc_list *list);

/* ---- The server ---- */
typedef struct cfipc_profile cfipc_profile;
typedef struct cfipc_health_info cfipc_health_info;
typedef struct cfipc_server_stats cfipc_server_stats;
typedef struct cfipc_owner_stats cfipc_owner_stats;
typedef struct cfipc_bucket cfipc_bucket;
typedef struct cfipc_bucket_view cfipc_bucket_view;
typedef struct cfipc_file cfipc_file;
typedef struct cfipc_directory cfipc_directory;
typedef struct cfipc_tree cfipc_tree;
typedef struct cfipc_folder cfipc_folder;
typedef struct cfipc_file_link cfipc_file_link;
typedef struct cfipc_verification cfipc_verification;
typedef struct cfipc_downloaded cfipc_downloaded;
typedef struct cfipc_transfer cfipc_transfer;
typedef struct cfipc_progress cfipc_progress;
typedef struct cfipc_upload_token cfipc_upload_token;
typedef struct cfipc_new_api_key cfipc_new_api_key;
typedef struct cfipc_api_key cfipc_api_key;
typedef struct cfipc_key_usage cfipc_key_usage;
typedef struct cfipc_dashboard_token cfipc_dashboard_token;
typedef struct cfipc_short_target cfipc_short_target;
typedef struct cfipc_event cfipc_event;
typedef struct cfipc_bucket_changes cfipc_bucket_changes;

/* A stored server and credential. auth: none, api_key, admin_key, dashboard_token, upload_token. role:
 * admin, owner, upload, anonymous, unknown. state: ready, offline, login_required, unverified. hub: off,
 * connecting, websocket, sse, long_polling, waiting. Each may grow. */
CFIPC_EXPORT const char *cfipc_profile_name(const cfipc_profile *profile);
CFIPC_EXPORT const char *cfipc_profile_url(const cfipc_profile *profile);
CFIPC_EXPORT const char *cfipc_profile_auth(const cfipc_profile *profile);
CFIPC_EXPORT const char *cfipc_profile_key_prefix(const cfipc_profile *profile);
CFIPC_EXPORT const char *cfipc_profile_role(const cfipc_profile *profile);
CFIPC_EXPORT int cfipc_profile_active(const cfipc_profile *profile);
CFIPC_EXPORT const char *cfipc_profile_state(const cfipc_profile *profile);
CFIPC_EXPORT const char *cfipc_profile_hub(const cfipc_profile *profile);
CFIPC_EXPORT const char *cfipc_profile_last_error(const cfipc_profile *profile);

/* status and db: "healthy" where all is well, in the server's words. latency_ms: of the question, as the
 * daemon measured it. */
CFIPC_EXPORT const char *cfipc_health_info_status(const cfipc_health_info *health_info);
CFIPC_EXPORT int64_t cfipc_health_info_uptime_seconds(const cfipc_health_info *health_info);
CFIPC_EXPORT const char *cfipc_health_info_db(const cfipc_health_info *health_info);
CFIPC_EXPORT int64_t cfipc_health_info_latency_ms(const cfipc_health_info *health_info);

/* Sums over the whole server. */
CFIPC_EXPORT int64_t cfipc_server_stats_total_buckets(const cfipc_server_stats *server_stats);
CFIPC_EXPORT int64_t cfipc_server_stats_total_files(const cfipc_server_stats *server_stats);
CFIPC_EXPORT int64_t cfipc_server_stats_total_size(const cfipc_server_stats *server_stats);
CFIPC_EXPORT int64_t cfipc_server_stats_total_keys(const cfipc_server_stats *server_stats);
CFIPC_EXPORT int64_t cfipc_server_stats_total_downloads(const cfipc_server_stats *server_stats);
CFIPC_EXPORT cfipc_list *
cfipc_server_stats_storage_by_owner(const cfipc_server_stats *server_stats); /* of cfipc_owner_stats */

/* What one owner stores. */
CFIPC_EXPORT const char *cfipc_owner_stats_owner(const cfipc_owner_stats *owner_stats);
CFIPC_EXPORT int64_t cfipc_owner_stats_bucket_count(const cfipc_owner_stats *owner_stats);
CFIPC_EXPORT int64_t cfipc_owner_stats_file_count(const cfipc_owner_stats *owner_stats);
CFIPC_EXPORT int64_t cfipc_owner_stats_total_size(const cfipc_owner_stats *owner_stats);

/* unique_content_*: only in answers that count them, else -1. */
CFIPC_EXPORT const char *cfipc_bucket_id(const cfipc_bucket *bucket);
CFIPC_EXPORT const char *cfipc_bucket_name(const cfipc_bucket *bucket);
CFIPC_EXPORT const char *cfipc_bucket_owner(const cfipc_bucket *bucket);
CFIPC_EXPORT const char *cfipc_bucket_description(const cfipc_bucket *bucket);
CFIPC_EXPORT const char *cfipc_bucket_created_at(const cfipc_bucket *bucket);
CFIPC_EXPORT const char *cfipc_bucket_expires_at(const cfipc_bucket *bucket);
CFIPC_EXPORT const char *cfipc_bucket_last_used_at(const cfipc_bucket *bucket);
CFIPC_EXPORT int64_t cfipc_bucket_file_count(const cfipc_bucket *bucket);
CFIPC_EXPORT int64_t cfipc_bucket_total_size(const cfipc_bucket *bucket);
CFIPC_EXPORT int64_t cfipc_bucket_unique_content_count(const cfipc_bucket *bucket);
CFIPC_EXPORT int64_t cfipc_bucket_unique_content_size(const cfipc_bucket *bucket);

/* A bucket with its first files (at most 100, by path). */
CFIPC_EXPORT cfipc_bucket *cfipc_bucket_view_bucket(const cfipc_bucket_view *bucket_view);
CFIPC_EXPORT cfipc_list *cfipc_bucket_view_files(const cfipc_bucket_view *bucket_view); /* of cfipc_file */
CFIPC_EXPORT int cfipc_bucket_view_has_more_files(const cfipc_bucket_view *bucket_view);

/* path: in the bucket, "/" between its parts; name: its last part. short_url is absolute. */
CFIPC_EXPORT const char *cfipc_file_path(const cfipc_file *file);
CFIPC_EXPORT const char *cfipc_file_name(const cfipc_file *file);
CFIPC_EXPORT int64_t cfipc_file_size(const cfipc_file *file);
CFIPC_EXPORT const char *cfipc_file_mime_type(const cfipc_file *file);
CFIPC_EXPORT const char *cfipc_file_short_code(const cfipc_file *file);
CFIPC_EXPORT const char *cfipc_file_short_url(const cfipc_file *file);
CFIPC_EXPORT const char *cfipc_file_sha256(const cfipc_file *file);
CFIPC_EXPORT int cfipc_file_deduplicated(const cfipc_file *file);
CFIPC_EXPORT const char *cfipc_file_created_at(const cfipc_file *file);
CFIPC_EXPORT const char *cfipc_file_updated_at(const cfipc_file *file);

/* A directory of a tree listing, with sums over all that is below it. */
CFIPC_EXPORT const char *cfipc_directory_path(const cfipc_directory *directory);
CFIPC_EXPORT int64_t cfipc_directory_file_count(const cfipc_directory *directory);
CFIPC_EXPORT int64_t cfipc_directory_total_size(const cfipc_directory *directory);

/* One level of a bucket. cursor: of the next page, for cfipc_tree_options. */
CFIPC_EXPORT const char *cfipc_tree_prefix(const cfipc_tree *tree);
CFIPC_EXPORT const char *cfipc_tree_delimiter(const cfipc_tree *tree);
CFIPC_EXPORT cfipc_list *cfipc_tree_directories(const cfipc_tree *tree); /* of cfipc_directory */
CFIPC_EXPORT cfipc_list *cfipc_tree_files(const cfipc_tree *tree);       /* of cfipc_file */
CFIPC_EXPORT int64_t cfipc_tree_total_directories(const cfipc_tree *tree);
CFIPC_EXPORT int64_t cfipc_tree_total_files(const cfipc_tree *tree);
CFIPC_EXPORT const char *cfipc_tree_cursor(const cfipc_tree *tree);

/* A directory of a bucket. folders: paths, as strings. */
CFIPC_EXPORT cfipc_list *cfipc_folder_folders(const cfipc_folder *folder); /* of strings */
CFIPC_EXPORT cfipc_list *cfipc_folder_files(const cfipc_folder *folder);   /* of cfipc_file */
CFIPC_EXPORT int64_t cfipc_folder_total_folders(const cfipc_folder *folder);
CFIPC_EXPORT int64_t cfipc_folder_total_files(const cfipc_folder *folder);
CFIPC_EXPORT int64_t cfipc_folder_limit(const cfipc_folder *folder);
CFIPC_EXPORT int64_t cfipc_folder_offset(const cfipc_folder *folder);

/* Where anyone can read a file: by path, and by short code if it has one. */
CFIPC_EXPORT const char *cfipc_file_link_url(const cfipc_file_link *file_link);
CFIPC_EXPORT const char *cfipc_file_link_short_url(const cfipc_file_link *file_link);

/* stored_hash: what the server noted; computed_hash: of the bytes it has now; valid: they are equal. */
CFIPC_EXPORT const char *cfipc_verification_path(const cfipc_verification *verification);
CFIPC_EXPORT const char *cfipc_verification_stored_hash(const cfipc_verification *verification);
CFIPC_EXPORT const char *cfipc_verification_computed_hash(const cfipc_verification *verification);
CFIPC_EXPORT int cfipc_verification_valid(const cfipc_verification *verification);

/* What a download brought. file: NULL for a zip. bytes: written. unchanged: if_sha256 still matches,
 * nothing was written. */
CFIPC_EXPORT cfipc_file *cfipc_downloaded_file(const cfipc_downloaded *downloaded);
CFIPC_EXPORT int64_t cfipc_downloaded_bytes(const cfipc_downloaded *downloaded);
CFIPC_EXPORT int cfipc_downloaded_unchanged(const cfipc_downloaded *downloaded);
/* Of a download to memory: the bytes, *ret_size of them; they live as long as the object. NULL for others,
 * and for an empty file. */
CFIPC_EXPORT const void *cfipc_downloaded_data(const cfipc_downloaded *downloaded, size_t *ret_size);

/* A bulk call that runs in the daemon, of this or another program of the user. kind: upload, download,
 * append, patch, zip (may grow). */
CFIPC_EXPORT const char *cfipc_transfer_id(const cfipc_transfer *transfer);
CFIPC_EXPORT const char *cfipc_transfer_kind(const cfipc_transfer *transfer);
CFIPC_EXPORT const char *cfipc_transfer_profile(const cfipc_transfer *transfer);
CFIPC_EXPORT const char *cfipc_transfer_bucket(const cfipc_transfer *transfer);
CFIPC_EXPORT const char *cfipc_transfer_path(const cfipc_transfer *transfer);
CFIPC_EXPORT const char *cfipc_transfer_started_at(const cfipc_transfer *transfer);
CFIPC_EXPORT int64_t cfipc_transfer_peer_pid(const cfipc_transfer *transfer);
CFIPC_EXPORT cfipc_progress *cfipc_transfer_progress(const cfipc_transfer *transfer);

/* phase: what is being done, in a word. bytes_total: -1 while it is not known. */
CFIPC_EXPORT const char *cfipc_progress_transfer(const cfipc_progress *progress);
CFIPC_EXPORT const char *cfipc_progress_phase(const cfipc_progress *progress);
CFIPC_EXPORT int64_t cfipc_progress_bytes_done(const cfipc_progress *progress);
CFIPC_EXPORT int64_t cfipc_progress_bytes_total(const cfipc_progress *progress);

/* token is a secret. max_uploads: -1 without a limit. */
CFIPC_EXPORT const char *cfipc_upload_token_token(const cfipc_upload_token *upload_token);
CFIPC_EXPORT const char *cfipc_upload_token_bucket(const cfipc_upload_token *upload_token);
CFIPC_EXPORT const char *cfipc_upload_token_expires_at(const cfipc_upload_token *upload_token);
CFIPC_EXPORT int64_t cfipc_upload_token_max_uploads(const cfipc_upload_token *upload_token);
CFIPC_EXPORT int64_t cfipc_upload_token_uploads_used(const cfipc_upload_token *upload_token);

/* key is a secret that the server tells this once. */
CFIPC_EXPORT const char *cfipc_new_api_key_key(const cfipc_new_api_key *new_api_key);
CFIPC_EXPORT const char *cfipc_new_api_key_prefix(const cfipc_new_api_key *new_api_key);
CFIPC_EXPORT const char *cfipc_new_api_key_name(const cfipc_new_api_key *new_api_key);
CFIPC_EXPORT const char *cfipc_new_api_key_created_at(const cfipc_new_api_key *new_api_key);

/* A key is named by its prefix. */
CFIPC_EXPORT const char *cfipc_api_key_prefix(const cfipc_api_key *api_key);
CFIPC_EXPORT const char *cfipc_api_key_name(const cfipc_api_key *api_key);
CFIPC_EXPORT const char *cfipc_api_key_created_at(const cfipc_api_key *api_key);
CFIPC_EXPORT const char *cfipc_api_key_last_used_at(const cfipc_api_key *api_key);
CFIPC_EXPORT int64_t cfipc_api_key_bucket_count(const cfipc_api_key *api_key);
CFIPC_EXPORT int64_t cfipc_api_key_file_count(const cfipc_api_key *api_key);
CFIPC_EXPORT int64_t cfipc_api_key_total_size(const cfipc_api_key *api_key);

/* What was done with a key, and the buckets it owns. */
CFIPC_EXPORT cfipc_api_key *cfipc_key_usage_key(const cfipc_key_usage *key_usage);
CFIPC_EXPORT int64_t cfipc_key_usage_total_downloads(const cfipc_key_usage *key_usage);
CFIPC_EXPORT cfipc_list *cfipc_key_usage_buckets(const cfipc_key_usage *key_usage); /* of cfipc_bucket */

/* token (a secret): only of a created one; scope: only of one asked about. */
CFIPC_EXPORT const char *cfipc_dashboard_token_token(const cfipc_dashboard_token *dashboard_token);
CFIPC_EXPORT const char *cfipc_dashboard_token_scope(const cfipc_dashboard_token *dashboard_token);
CFIPC_EXPORT const char *cfipc_dashboard_token_expires_at(const cfipc_dashboard_token *dashboard_token);

/* What a short URL leads to. */
CFIPC_EXPORT const char *cfipc_short_target_bucket(const cfipc_short_target *short_target);
CFIPC_EXPORT const char *cfipc_short_target_path(const cfipc_short_target *short_target);
CFIPC_EXPORT const char *cfipc_short_target_url(const cfipc_short_target *short_target);

/* Something happened on the server. kind: ready, file_created, file_updated, file_deleted, bucket_created,
 * bucket_updated, bucket_deleted, disconnected, reconnected, lost; ignore kinds you do not know. seq: its
 * number. file: of file_created and file_updated; bucket_info: of bucket_created; changes: of
 * bucket_updated; lost: how many events were dropped, list again. */
CFIPC_EXPORT int64_t cfipc_event_seq(const cfipc_event *event);
CFIPC_EXPORT const char *cfipc_event_kind(const cfipc_event *event);
CFIPC_EXPORT const char *cfipc_event_at(const cfipc_event *event);
CFIPC_EXPORT const char *cfipc_event_profile(const cfipc_event *event);
CFIPC_EXPORT const char *cfipc_event_bucket(const cfipc_event *event);
CFIPC_EXPORT const char *cfipc_event_path(const cfipc_event *event);
CFIPC_EXPORT cfipc_file *cfipc_event_file(const cfipc_event *event);
CFIPC_EXPORT cfipc_bucket *cfipc_event_bucket_info(const cfipc_event *event);
CFIPC_EXPORT cfipc_bucket_changes *cfipc_event_changes(const cfipc_event *event);
CFIPC_EXPORT int64_t cfipc_event_lost(const cfipc_event *event);

/* NULL: unchanged or unset, the server does not say which. */
CFIPC_EXPORT const char *cfipc_bucket_changes_name(const cfipc_bucket_changes *bucket_changes);
CFIPC_EXPORT const char *cfipc_bucket_changes_description(const cfipc_bucket_changes *bucket_changes);
CFIPC_EXPORT const char *cfipc_bucket_changes_expires_at(const cfipc_bucket_changes *bucket_changes);

/* ---- Synchronisation ---- */
typedef struct cfipc_pair cfipc_pair;
typedef struct cfipc_spec cfipc_spec;
typedef struct cfipc_changed_pair cfipc_changed_pair;
typedef struct cfipc_pair_status cfipc_pair_status;
typedef struct cfipc_plan cfipc_plan;
typedef struct cfipc_action cfipc_action;
typedef struct cfipc_conflict cfipc_conflict;
typedef struct cfipc_side cfipc_side;
typedef struct cfipc_skipped cfipc_skipped;
typedef struct cfipc_held cfipc_held;
typedef struct cfipc_history_entry cfipc_history_entry;
typedef struct cfipc_path_state cfipc_path_state;
typedef struct cfipc_ignore_state cfipc_ignore_state;
typedef struct cfipc_sync_event cfipc_sync_event;
typedef struct cfipc_file_progress cfipc_file_progress;

/* A watched directory and the bucket it is kept in. */
CFIPC_EXPORT const char *cfipc_pair_name(const cfipc_pair *pair);
CFIPC_EXPORT cfipc_spec *cfipc_pair_spec(const cfipc_pair *pair);
CFIPC_EXPORT int cfipc_pair_paused(const cfipc_pair *pair);
CFIPC_EXPORT const char *cfipc_pair_created_at(const cfipc_pair *pair);

/* How a pair works; the fields are those of cfipc_sync_spec. */
CFIPC_EXPORT const char *cfipc_spec_name(const cfipc_spec *spec);
CFIPC_EXPORT const char *cfipc_spec_profile(const cfipc_spec *spec);
CFIPC_EXPORT const char *cfipc_spec_bucket(const cfipc_spec *spec);
CFIPC_EXPORT const char *cfipc_spec_remote_prefix(const cfipc_spec *spec);
CFIPC_EXPORT const char *cfipc_spec_local_path(const cfipc_spec *spec);
CFIPC_EXPORT const char *cfipc_spec_mode(const cfipc_spec *spec);
CFIPC_EXPORT const char *cfipc_spec_conflicts(const cfipc_spec *spec);
CFIPC_EXPORT cfipc_list *cfipc_spec_include(const cfipc_spec *spec); /* of strings */
CFIPC_EXPORT cfipc_list *cfipc_spec_exclude(const cfipc_spec *spec); /* of strings */
CFIPC_EXPORT int64_t cfipc_spec_max_deletes(const cfipc_spec *spec);
CFIPC_EXPORT int64_t cfipc_spec_max_delete_percent(const cfipc_spec *spec);
CFIPC_EXPORT const char *cfipc_spec_upload_limit(const cfipc_spec *spec);
CFIPC_EXPORT const char *cfipc_spec_download_limit(const cfipc_spec *spec);
CFIPC_EXPORT int64_t cfipc_spec_rescan_seconds(const cfipc_spec *spec);
CFIPC_EXPORT const char *cfipc_spec_foreign(const cfipc_spec *spec);
CFIPC_EXPORT int64_t cfipc_spec_settle_ms(const cfipc_spec *spec);
CFIPC_EXPORT int64_t cfipc_spec_rescue_bytes(const cfipc_spec *spec);
CFIPC_EXPORT int cfipc_spec_secrets(const cfipc_spec *spec);

/* What cfipc_sync_add and cfipc_sync_update did. warnings: lines for a person. */
CFIPC_EXPORT cfipc_pair *cfipc_changed_pair_pair(const cfipc_changed_pair *changed_pair);
CFIPC_EXPORT cfipc_list *cfipc_changed_pair_warnings(const cfipc_changed_pair *changed_pair); /* of strings */

/* state: the first that applies of paused, login_required, remote_gone, root_missing, error, offline,
 * starting, scanning, held, syncing, degraded, idle (may grow). in_sync: every change seen so far is on
 * the other side. */
CFIPC_EXPORT const char *cfipc_pair_status_name(const cfipc_pair_status *pair_status);
CFIPC_EXPORT const char *cfipc_pair_status_state(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int cfipc_pair_status_in_sync(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_files_total(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_files_pending(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_files_skipped(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_bytes_total(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_bytes_pending(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_bytes_per_second(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_deletes_held(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_foreign_held(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_conflicts(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_errors(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_watched_directories(const cfipc_pair_status *pair_status);
CFIPC_EXPORT int64_t cfipc_pair_status_polled_directories(const cfipc_pair_status *pair_status);
CFIPC_EXPORT const char *cfipc_pair_status_last_sync_at(const cfipc_pair_status *pair_status);
CFIPC_EXPORT const char *cfipc_pair_status_last_full_check_at(const cfipc_pair_status *pair_status);
CFIPC_EXPORT const char *cfipc_pair_status_bucket_expires_at(const cfipc_pair_status *pair_status);
CFIPC_EXPORT const char *cfipc_pair_status_last_error(const cfipc_pair_status *pair_status);
CFIPC_EXPORT const char *cfipc_pair_status_paused_until(const cfipc_pair_status *pair_status);

/* A dry run. The counts are in the final result; action: in the others of cfipc_sync_plan_async; actions:
 * all of them, in the result of cfipc_sync_plan. */
CFIPC_EXPORT cfipc_action *cfipc_plan_action(const cfipc_plan *plan);
CFIPC_EXPORT cfipc_list *cfipc_plan_actions(const cfipc_plan *plan); /* of cfipc_action */
CFIPC_EXPORT int64_t cfipc_plan_uploads(const cfipc_plan *plan);
CFIPC_EXPORT int64_t cfipc_plan_downloads(const cfipc_plan *plan);
CFIPC_EXPORT int64_t cfipc_plan_deletes(const cfipc_plan *plan);
CFIPC_EXPORT int64_t cfipc_plan_conflicts(const cfipc_plan *plan);
CFIPC_EXPORT int64_t cfipc_plan_bytes(const cfipc_plan *plan);

/* action: upload, append, download, delete_local, delete_remote, conflict, skip (may grow). */
CFIPC_EXPORT const char *cfipc_action_action(const cfipc_action *action);
CFIPC_EXPORT const char *cfipc_action_path(const cfipc_action *action);
CFIPC_EXPORT int64_t cfipc_action_size(const cfipc_action *action);
CFIPC_EXPORT const char *cfipc_action_reason(const cfipc_action *action);

/* Both sides changed. kept_as: the name the other version got. */
CFIPC_EXPORT const char *cfipc_conflict_id(const cfipc_conflict *conflict);
CFIPC_EXPORT const char *cfipc_conflict_pair(const cfipc_conflict *conflict);
CFIPC_EXPORT const char *cfipc_conflict_path(const cfipc_conflict *conflict);
CFIPC_EXPORT const char *cfipc_conflict_kind(const cfipc_conflict *conflict);
CFIPC_EXPORT const char *cfipc_conflict_detected_at(const cfipc_conflict *conflict);
CFIPC_EXPORT cfipc_side *cfipc_conflict_local(const cfipc_conflict *conflict);
CFIPC_EXPORT cfipc_side *cfipc_conflict_remote(const cfipc_conflict *conflict);
CFIPC_EXPORT const char *cfipc_conflict_kept_as(const cfipc_conflict *conflict);

/* One version of a file in a conflict. */
CFIPC_EXPORT int64_t cfipc_side_size(const cfipc_side *side);
CFIPC_EXPORT const char *cfipc_side_modified_at(const cfipc_side *side);
CFIPC_EXPORT const char *cfipc_side_sha256(const cfipc_side *side);

/* A path that cannot be carried. */
CFIPC_EXPORT const char *cfipc_skipped_path(const cfipc_skipped *skipped);
CFIPC_EXPORT const char *cfipc_skipped_reason(const cfipc_skipped *skipped);
CFIPC_EXPORT const char *cfipc_skipped_message(const cfipc_skipped *skipped);

/* A deletion or overwrite that waits for cfipc_sync_confirm. side: local or remote, where content would be
 * lost. reason: mass, first_sync, foreign, too_large, renamed (may grow). */
CFIPC_EXPORT const char *cfipc_held_pair(const cfipc_held *held);
CFIPC_EXPORT const char *cfipc_held_path(const cfipc_held *held);
CFIPC_EXPORT const char *cfipc_held_side(const cfipc_held *held);
CFIPC_EXPORT int64_t cfipc_held_size(const cfipc_held *held);
CFIPC_EXPORT const char *cfipc_held_reason(const cfipc_held *held);

/* Something a pair did. */
CFIPC_EXPORT const char *cfipc_history_entry_at(const cfipc_history_entry *history_entry);
CFIPC_EXPORT const char *cfipc_history_entry_pair(const cfipc_history_entry *history_entry);
CFIPC_EXPORT const char *cfipc_history_entry_action(const cfipc_history_entry *history_entry);
CFIPC_EXPORT const char *cfipc_history_entry_path(const cfipc_history_entry *history_entry);
CFIPC_EXPORT int64_t cfipc_history_entry_size(const cfipc_history_entry *history_entry);
CFIPC_EXPORT const char *cfipc_history_entry_sha256(const cfipc_history_entry *history_entry);
CFIPC_EXPORT const char *cfipc_history_entry_result(const cfipc_history_entry *history_entry);
CFIPC_EXPORT const char *cfipc_history_entry_message(const cfipc_history_entry *history_entry);

/* state: synced, pending, ignored, skipped, held, conflict, error, none (may grow). */
CFIPC_EXPORT const char *cfipc_path_state_path(const cfipc_path_state *path_state);
CFIPC_EXPORT const char *cfipc_path_state_state(const cfipc_path_state *path_state);
CFIPC_EXPORT const char *cfipc_path_state_pair(const cfipc_path_state *path_state);

/* rule, source and line: what decided it. */
CFIPC_EXPORT const char *cfipc_ignore_state_path(const cfipc_ignore_state *ignore_state);
CFIPC_EXPORT int cfipc_ignore_state_ignored(const cfipc_ignore_state *ignore_state);
CFIPC_EXPORT const char *cfipc_ignore_state_rule(const cfipc_ignore_state *ignore_state);
CFIPC_EXPORT const char *cfipc_ignore_state_source(const cfipc_ignore_state *ignore_state);
CFIPC_EXPORT int64_t cfipc_ignore_state_line(const cfipc_ignore_state *ignore_state);

/* One of: status (a pair has a new one), file (progress of a file), removed (the name of a pair that is no
 * more), lost (how many replies were dropped). */
CFIPC_EXPORT cfipc_pair_status *cfipc_sync_event_status(const cfipc_sync_event *sync_event);
CFIPC_EXPORT cfipc_file_progress *cfipc_sync_event_file(const cfipc_sync_event *sync_event);
CFIPC_EXPORT const char *cfipc_sync_event_removed(const cfipc_sync_event *sync_event);
CFIPC_EXPORT int64_t cfipc_sync_event_lost(const cfipc_sync_event *sync_event);

/* failure: why it failed, NULL when it did not. */
CFIPC_EXPORT const char *cfipc_file_progress_pair(const cfipc_file_progress *file_progress);
CFIPC_EXPORT const char *cfipc_file_progress_path(const cfipc_file_progress *file_progress);
CFIPC_EXPORT const char *cfipc_file_progress_action(const cfipc_file_progress *file_progress);
CFIPC_EXPORT int cfipc_file_progress_done(const cfipc_file_progress *file_progress);
CFIPC_EXPORT int64_t cfipc_file_progress_bytes_done(const cfipc_file_progress *file_progress);
CFIPC_EXPORT int64_t cfipc_file_progress_bytes_total(const cfipc_file_progress *file_progress);
CFIPC_EXPORT const char *cfipc_file_progress_failure(const cfipc_file_progress *file_progress);

/* ---- The daemon ---- */
typedef struct cfipc_daemon_info cfipc_daemon_info;
typedef struct cfipc_daemon_state cfipc_daemon_state;
typedef struct cfipc_reloaded cfipc_reloaded;
typedef struct cfipc_setting cfipc_setting;
typedef struct cfipc_finding cfipc_finding;
typedef struct cfipc_daemon_event cfipc_daemon_event;

/* features: what a program may test for before it uses a new field: fd, path, sync, events (may grow). */
CFIPC_EXPORT const char *cfipc_daemon_info_version(const cfipc_daemon_info *daemon_info);
CFIPC_EXPORT const char *cfipc_daemon_info_build(const cfipc_daemon_info *daemon_info);
CFIPC_EXPORT cfipc_list *cfipc_daemon_info_features(const cfipc_daemon_info *daemon_info); /* of strings */

/* mode: user or system. max_message: bytes of the longest request. */
CFIPC_EXPORT const char *cfipc_daemon_state_mode(const cfipc_daemon_state *daemon_state);
CFIPC_EXPORT int64_t cfipc_daemon_state_uid(const cfipc_daemon_state *daemon_state);
CFIPC_EXPORT int64_t cfipc_daemon_state_pid(const cfipc_daemon_state *daemon_state);
CFIPC_EXPORT const char *cfipc_daemon_state_started_at(const cfipc_daemon_state *daemon_state);
CFIPC_EXPORT const char *cfipc_daemon_state_state(const cfipc_daemon_state *daemon_state);
CFIPC_EXPORT int64_t cfipc_daemon_state_connections(const cfipc_daemon_state *daemon_state);
CFIPC_EXPORT int64_t cfipc_daemon_state_transfers(const cfipc_daemon_state *daemon_state);
CFIPC_EXPORT int64_t cfipc_daemon_state_subscribers(const cfipc_daemon_state *daemon_state);
CFIPC_EXPORT int64_t cfipc_daemon_state_max_message(const cfipc_daemon_state *daemon_state);
CFIPC_EXPORT int64_t cfipc_daemon_state_max_connections(const cfipc_daemon_state *daemon_state);

/* Keys of settings: which changed (NULL from cfipc_config_set), and which take effect at the next start. */
CFIPC_EXPORT cfipc_list *cfipc_reloaded_changed(const cfipc_reloaded *reloaded);        /* of strings */
CFIPC_EXPORT cfipc_list *cfipc_reloaded_restart_needed(const cfipc_reloaded *reloaded); /* of strings */

/* source: where the value comes from. restart: a change takes effect at the next start. */
CFIPC_EXPORT const char *cfipc_setting_key(const cfipc_setting *setting);
CFIPC_EXPORT const char *cfipc_setting_value(const cfipc_setting *setting);
CFIPC_EXPORT const char *cfipc_setting_source(const cfipc_setting *setting);
CFIPC_EXPORT int cfipc_setting_writable(const cfipc_setting *setting);
CFIPC_EXPORT int cfipc_setting_restart(const cfipc_setting *setting);

/* severity: note, warning, problem. advice: what to do. */
CFIPC_EXPORT const char *cfipc_finding_check(const cfipc_finding *finding);
CFIPC_EXPORT const char *cfipc_finding_severity(const cfipc_finding *finding);
CFIPC_EXPORT const char *cfipc_finding_subject(const cfipc_finding *finding);
CFIPC_EXPORT const char *cfipc_finding_message(const cfipc_finding *finding);
CFIPC_EXPORT const char *cfipc_finding_advice(const cfipc_finding *finding);

/* kind: state, profile, config, login_required (may grow). */
CFIPC_EXPORT const char *cfipc_daemon_event_kind(const cfipc_daemon_event *daemon_event);
CFIPC_EXPORT const char *cfipc_daemon_event_state(const cfipc_daemon_event *daemon_event);
CFIPC_EXPORT const char *cfipc_daemon_event_profile(const cfipc_daemon_event *daemon_event);
CFIPC_EXPORT const char *cfipc_daemon_event_message(const cfipc_daemon_event *daemon_event);
