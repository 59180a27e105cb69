/* Profiles as org.carbonfiles.remote shows them, and what was last learned about their servers. */
#pragma once
#include "ipc/methods.h"

struct json_object *profile_object(struct ipc *ipc, const struct profile *profile); /* NULL: out of memory */
/* A call through the profile ended so: its state is kept for GetProfile. role NULL: not told. */
void profile_learned(struct ipc *ipc, const char *profile, const struct api_error *error, const char *role);
void profile_forget(struct ipc *ipc, const char *profile);

void list_profiles(struct ipc_call *call, struct json_object *parameters, void *context);
void get_profile(struct ipc_call *call, struct json_object *parameters, void *context);
void set_profile(struct ipc_call *call, struct json_object *parameters, void *context);
void remove_profile(struct ipc_call *call, struct json_object *parameters, void *context);
void logout(struct ipc_call *call, struct json_object *parameters, void *context);
void login(struct ipc_call *call, struct json_object *parameters, void *context);

/* Makes p the profile of its name (taken, also on failure) and tells everybody. active: 1 the active one, 0
 * not, -1 only if there is none. */
int profile_store(struct ipc *ipc, struct profile *p, int active);
struct secret *secret_copy(const struct secret *secret); /* NULL: out of memory */
