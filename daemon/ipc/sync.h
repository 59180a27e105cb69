/* The parts of org.carbonfiles.sync: translation (sync_json.c), streams (sync_streams.c), lists
 * (sync_lists.c). */
#pragma once
#include "ipc/methods.h"

#define PAUSE_SECONDS_MAX (10LL * 365 * 24 * 3600) /* longer is until resumed */

struct json_object *pair_object(const struct pair_spec *spec); /* NULL: out of memory */
struct json_object *status_object(const struct engine_status *status);
/* -EINVAL and the field that is wrong, or belongs to what this version does not do yet; -ENOMEM. */
int spec_from_json(struct json_object *object, struct pair_spec **ret_spec, const char **ret_bad);
/* The strings of *ret_changes live as long as object and *ret_local_path (to be freed). */
int changes_from_json(struct json_object *object, struct pair_changes *ret_changes, char **ret_local_path,
		      const char **ret_bad);

/* Ends the call: nothing, NoSuchPair for -ENOENT, out of memory. */
void sync_simple(struct ipc_call *call, int r, const char *name);

void sync_rescan(struct ipc_call *call, struct json_object *parameters, void *context);
void sync_plan(struct ipc_call *call, struct json_object *parameters, void *context);
void sync_watch(struct ipc_call *call, struct json_object *parameters, void *context);
void sync_list_held(struct ipc_call *call, struct json_object *parameters, void *context);
void sync_list_skipped(struct ipc_call *call, struct json_object *parameters, void *context);
void sync_list_history(struct ipc_call *call, struct json_object *parameters, void *context);
