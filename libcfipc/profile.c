/* Profiles: stored servers and credentials; and the server itself. */
#include "libcfipc/method.h"
#include <errno.h>
#include <string.h>

GET_STRING(profile, name)
GET_STRING(profile, url)
GET_STRING(profile, auth)
GET_STRING(profile, key_prefix)
GET_STRING(profile, role)
GET_FLAG(profile, active)
GET_STRING(profile, state)
GET_STRING(profile, hub)
GET_STRING(profile, last_error)
GET_STRING(health_info, status)
GET_INT(health_info, uptime_seconds)
GET_STRING(health_info, db)
GET_INT(health_info, latency_ms)
GET_INT(server_stats, total_buckets)
GET_INT(server_stats, total_files)
GET_INT(server_stats, total_size)
GET_INT(server_stats, total_keys)
GET_INT(server_stats, total_downloads)
GET_OBJECT(server_stats, storage_by_owner, cfipc_list)
GET_STRING(owner_stats, owner)
GET_INT(owner_stats, bucket_count)
GET_INT(owner_stats, file_count)
GET_INT(owner_stats, total_size)

METHOD(cfipc_profiles_list, cfipc_list, (REMOTE "ListProfiles"), (), NOTHING)
METHOD(cfipc_profile_get, cfipc_profile, (REMOTE "GetProfile", "profile"), (const char *name, ), STRING(name))

static const cfipc_profile_options profile_options_defaults = {.size = sizeof(profile_options_defaults),
							       .active = -1};
OPTIONS_TYPE(profile_options, {"new_name", FIELD_STRING, offsetof(cfipc_profile_options, new_name)},
	     {"url", FIELD_STRING, offsetof(cfipc_profile_options, url)},
	     {"active", FIELD_TRISTATE, offsetof(cfipc_profile_options, active)})
METHOD(cfipc_profile_set, cfipc_profile, (REMOTE "SetProfile", "profile"),
       (const char *name, const cfipc_profile_options *options, ), STRING(name),
       OPTIONS(options, profile_options_type))
METHOD_VOID(cfipc_profile_remove, (REMOTE "RemoveProfile"), (const char *name, ), STRING(name))
METHOD_VOID(cfipc_logout, (REMOTE "Logout"), (const char *profile, ), STRING(profile))
METHOD(cfipc_health, cfipc_health_info, (REMOTE "GetHealth"), (const char *profile, ), STRING(profile))
METHOD(cfipc_stats, cfipc_server_stats, (REMOTE "GetStats"), (const char *profile, ), STRING(profile))

/* secret and secret_fd travel as a descriptor and are not in this table. */
static const cfipc_login_options login_options_defaults = {
	.size = sizeof(login_options_defaults), .secret_fd = -1, .verify = -1, .active = -1};
OPTIONS_TYPE(login_options, {"url", FIELD_STRING, offsetof(cfipc_login_options, url)},
	     {"auth", FIELD_STRING, offsetof(cfipc_login_options, auth)},
	     {"verify", FIELD_TRISTATE, offsetof(cfipc_login_options, verify)},
	     {"active", FIELD_TRISTATE, offsetof(cfipc_login_options, active)})
static const struct method login_row = {REMOTE "Login", "profile", CFIPC_DEDICATED};

int cfipc_login_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
		      const cfipc_login_options *options, cfipc_result_cb callback, void *userdata)
{
	cfipc_login_options all;
	int r = options_read(&login_options_type, options, &all);

	if (r < 0)
		return r;
	if (all.secret && all.secret_fd >= 0)
		return -EINVAL;
	if (!all.secret && all.secret_fd < 0)
		return method_start(client, ret_op, &login_row,
				    ARGUMENTS(STRING(profile), OPTIONS(options, login_options_type)),
				    callback, userdata);
	struct passed passed = {all.secret_fd, false, "the secret"};

	if (all.secret)
		passed = (struct passed){memory_fd(all.secret, strlen(all.secret)), true, "the secret"};
	return method_start_fd(
		client, ret_op, &login_row,
		ARGUMENTS(STRING(profile), OPTIONS(options, login_options_type), COUNTED(secret_fd, 0)),
		passed, NULL, callback, userdata);
}
WAITING(cfipc_login, cfipc_profile, (const char *profile, const cfipc_login_options *options, ),
	(profile, options, ))
