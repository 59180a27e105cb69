/* Pairs. */
#include "libcfipc/method.h"

GET_STRING(pair, name)
GET_OBJECT(pair, spec, cfipc_spec)
GET_FLAG(pair, paused)
GET_STRING(pair, created_at)
GET_STRING(spec, name)
GET_STRING(spec, profile)
GET_STRING(spec, bucket)
GET_STRING(spec, remote_prefix)
GET_STRING(spec, local_path)
GET_STRING(spec, mode)
GET_STRING(spec, conflicts)
GET_OBJECT(spec, include, cfipc_list)
GET_OBJECT(spec, exclude, cfipc_list)
GET_INT(spec, max_deletes)
GET_INT(spec, max_delete_percent)
GET_STRING(spec, upload_limit)
GET_STRING(spec, download_limit)
GET_INT(spec, rescan_seconds)
GET_STRING(spec, foreign)
GET_INT(spec, settle_ms)
GET_INT(spec, rescue_bytes)
GET_FLAG(spec, secrets)
GET_OBJECT(changed_pair, pair, cfipc_pair)
GET_OBJECT(changed_pair, warnings, cfipc_list)
GET_STRING(pair_status, name)
GET_STRING(pair_status, state)
GET_FLAG(pair_status, in_sync)
GET_INT(pair_status, files_total)
GET_INT(pair_status, files_pending)
GET_INT(pair_status, files_skipped)
GET_INT(pair_status, bytes_total)
GET_INT(pair_status, bytes_pending)
GET_INT(pair_status, bytes_per_second)
GET_INT(pair_status, deletes_held)
GET_INT(pair_status, foreign_held)
GET_INT(pair_status, conflicts)
GET_INT(pair_status, errors)
GET_INT(pair_status, watched_directories)
GET_INT(pair_status, polled_directories)
GET_STRING(pair_status, last_sync_at)
GET_STRING(pair_status, last_full_check_at)
GET_STRING(pair_status, bucket_expires_at)
GET_STRING(pair_status, last_error)
GET_STRING(pair_status, paused_until)
GET_OBJECT(plan, action, cfipc_action)
GET_OBJECT(plan, actions, cfipc_list)
GET_INT(plan, uploads)
GET_INT(plan, downloads)
GET_INT(plan, deletes)
GET_INT(plan, conflicts)
GET_INT(plan, bytes)
GET_STRING(action, action)
GET_STRING(action, path)
GET_INT(action, size)
GET_STRING(action, reason)
GET_STRING(conflict, id)
GET_STRING(conflict, pair)
GET_STRING(conflict, path)
GET_STRING(conflict, kind)
GET_STRING(conflict, detected_at)
GET_OBJECT(conflict, local, cfipc_side)
GET_OBJECT(conflict, remote, cfipc_side)
GET_STRING(conflict, kept_as)
GET_INT(side, size)
GET_STRING(side, modified_at)
GET_STRING(side, sha256)
GET_STRING(skipped, path)
GET_STRING(skipped, reason)
GET_STRING(skipped, message)
GET_STRING(held, pair)
GET_STRING(held, path)
GET_STRING(held, side)
GET_INT(held, size)
GET_STRING(held, reason)
GET_STRING(history_entry, at)
GET_STRING(history_entry, pair)
GET_STRING(history_entry, action)
GET_STRING(history_entry, path)
GET_INT(history_entry, size)
GET_STRING(history_entry, sha256)
GET_STRING(history_entry, result)
GET_STRING(history_entry, message)
GET_STRING(path_state, path)
GET_STRING(path_state, state)
GET_STRING(path_state, pair)
GET_STRING(ignore_state, path)
GET_FLAG(ignore_state, ignored)
GET_STRING(ignore_state, rule)
GET_STRING(ignore_state, source)
GET_INT(ignore_state, line)
GET_OBJECT(sync_event, status, cfipc_pair_status)
GET_OBJECT(sync_event, file, cfipc_file_progress)
GET_STRING(sync_event, removed)
GET_INT(sync_event, lost)
GET_STRING(file_progress, pair)
GET_STRING(file_progress, path)
GET_STRING(file_progress, action)
GET_FLAG(file_progress, done)
GET_INT(file_progress, bytes_done)
GET_INT(file_progress, bytes_total)
GET_STRING(file_progress, failure)

static const cfipc_sync_spec sync_spec_defaults = {
	.size = sizeof(sync_spec_defaults),
	.max_deletes = CFIPC_UNSET,
	.max_delete_percent = CFIPC_UNSET,
	.rescan_seconds = CFIPC_UNSET,
	.settle_ms = CFIPC_UNSET,
	.rescue_bytes = CFIPC_UNSET,
	.secrets = -1,
};
OPTIONS_TYPE(sync_spec, {"name", FIELD_STRING, offsetof(cfipc_sync_spec, name)},
	     {"profile", FIELD_STRING, offsetof(cfipc_sync_spec, profile)},
	     {"bucket", FIELD_STRING, offsetof(cfipc_sync_spec, bucket)},
	     {"remote_prefix", FIELD_STRING, offsetof(cfipc_sync_spec, remote_prefix)},
	     {"local_path", FIELD_STRING, offsetof(cfipc_sync_spec, local_path)},
	     {"mode", FIELD_STRING, offsetof(cfipc_sync_spec, mode)},
	     {"conflicts", FIELD_STRING, offsetof(cfipc_sync_spec, conflicts)},
	     {"include", FIELD_STRINGS, offsetof(cfipc_sync_spec, include)},
	     {"exclude", FIELD_STRINGS, offsetof(cfipc_sync_spec, exclude)},
	     {"max_deletes", FIELD_CHOSEN, offsetof(cfipc_sync_spec, max_deletes)},
	     {"max_delete_percent", FIELD_CHOSEN, offsetof(cfipc_sync_spec, max_delete_percent)},
	     {"upload_limit", FIELD_STRING, offsetof(cfipc_sync_spec, upload_limit)},
	     {"download_limit", FIELD_STRING, offsetof(cfipc_sync_spec, download_limit)},
	     {"rescan_seconds", FIELD_CHOSEN, offsetof(cfipc_sync_spec, rescan_seconds)},
	     {"foreign", FIELD_STRING, offsetof(cfipc_sync_spec, foreign)},
	     {"settle_ms", FIELD_CHOSEN, offsetof(cfipc_sync_spec, settle_ms)},
	     {"rescue_bytes", FIELD_CHOSEN, offsetof(cfipc_sync_spec, rescue_bytes)},
	     {"secrets", FIELD_TRISTATE, offsetof(cfipc_sync_spec, secrets)})

static const cfipc_sync_options sync_options_defaults = {
	.size = sizeof(sync_options_defaults), .create_bucket = -1, .paused = -1, .adopt_root = -1};
OPTIONS_TYPE(sync_options, {"upload_token", FIELD_STRING, offsetof(cfipc_sync_options, upload_token)},
	     {"create_bucket", FIELD_TRISTATE, offsetof(cfipc_sync_options, create_bucket)},
	     {"paused", FIELD_TRISTATE, offsetof(cfipc_sync_options, paused)},
	     {"adopt_root", FIELD_TRISTATE, offsetof(cfipc_sync_options, adopt_root)})

METHOD(cfipc_sync_add, cfipc_changed_pair, (SYNC "Add"),
       (const cfipc_sync_spec *spec, const cfipc_sync_options *options, ), NEEDED(spec, spec, sync_spec_type),
       OPTIONS(options, sync_options_type))
METHOD(cfipc_sync_update, cfipc_changed_pair, (SYNC "Update"),
       (const char *name, const cfipc_sync_spec *changes, const cfipc_sync_options *options, ), STRING(name),
       NEEDED(changes, changes, sync_spec_type), OPTIONS(options, sync_options_type))
METHOD_VOID(cfipc_sync_remove, (SYNC "Remove"), (const char *name, ), STRING(name))
METHOD(cfipc_sync_list, cfipc_list, (SYNC "List"), (const char *profile, ), STRING(profile))
METHOD(cfipc_sync_get, cfipc_pair, (SYNC "Get", "pair"), (const char *name, ), STRING(name))
METHOD(cfipc_sync_status, cfipc_list, (SYNC "GetStatus"), (const char *name, ), STRING(name))
METHOD_VOID(cfipc_sync_pause, (SYNC "Pause"), (const char *name, int64_t seconds, ), STRING(name),
	    COUNT(seconds))
METHOD_VOID(cfipc_sync_resume, (SYNC "Resume"), (const char *name, ), STRING(name))
METHOD(cfipc_sync_rescan, cfipc_pair_status, (SYNC "Rescan", "status"),
       (const char *name, const char *path, int verify_hashes, int wait, ), STRING(name), STRING(path),
       FLAG(verify_hashes), STREAM_IF(wait))
METHOD(cfipc_sync_wait, cfipc_list, (SYNC "Wait", NULL, CFIPC_DEDICATED),
       (const char *name, int64_t timeout_seconds, ), STRING(name), COUNT(timeout_seconds))
METHOD(cfipc_sync_plan, cfipc_plan, (SYNC "Plan", NULL, CFIPC_MORE, "action", "actions"),
       (const char *name, const cfipc_sync_spec *spec, ), STRING(name), OBJECT(spec, spec, sync_spec_type))

METHOD(cfipc_sync_held, cfipc_list, (SYNC "ListHeld", NULL, CFIPC_MORE), (const char *name, ), STRING(name))
METHOD(cfipc_sync_skipped, cfipc_list, (SYNC "ListSkipped", NULL, CFIPC_MORE), (const char *name, ),
       STRING(name))
METHOD(cfipc_sync_history, cfipc_list, (SYNC "ListHistory", NULL, CFIPC_MORE),
       (const char *name, const char *path, int64_t limit, ), STRING(name), STRING(path), COUNT(limit))
METHOD(cfipc_sync_confirm, cfipc_number, (SYNC "ConfirmDeletes", "deletes", CFIPC_DEDICATED),
       (const char *name, const char *const *paths, ), STRING(name), WORD(choice, "apply"), STRINGS(paths))
METHOD(cfipc_sync_restore, cfipc_number, (SYNC "ConfirmDeletes", "deletes", CFIPC_DEDICATED),
       (const char *name, const char *const *paths, ), STRING(name), WORD(choice, "restore"), STRINGS(paths))
METHOD(cfipc_sync_conflicts, cfipc_list, (SYNC "ListConflicts"), (const char *name, ), STRING(name))
METHOD_VOID(cfipc_sync_resolve, (SYNC "ResolveConflict"), (const char *id, const char *choice, ), STRING(id),
	    STRING(choice))
METHOD(cfipc_sync_test_ignore, cfipc_list, (SYNC "TestIgnore"),
       (const char *name, const char *const *paths, ), STRING(name), STRINGS(paths))
METHOD(cfipc_sync_path_states, cfipc_list, (SYNC "GetPathStates"), (const char *const *paths, ),
       STRINGS(paths))
ASYNC_ONLY(cfipc_sync_watch, (SYNC "Watch", NULL, CFIPC_MORE), (const char *const *names, int files, ),
	   STRINGS(names), FLAG(files))
