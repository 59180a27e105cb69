/* Profiles: profiles/NAME.conf (0600) holds url, auth and the credential; a credential in
 * $CREDENTIALS_DIRECTORY/NAME (`token` for the profile `default`) wins. Which one is active is said by
 * profiles/active. Files are read and written here and nowhere else. */
#pragma once
#include "base/secret.h"
#include <stdbool.h>
#include <stddef.h>

enum profile_auth {
	PROFILE_NONE,
	PROFILE_API_KEY,
	PROFILE_ADMIN_KEY,
	PROFILE_DASHBOARD_TOKEN,
	PROFILE_UPLOAD_TOKEN
};
const char *
profile_auth_name(enum profile_auth auth); /* "none" "api_key" "admin_key" "dashboard_token" "upload_token" */
int profile_auth_parse(const char *name, enum profile_auth *ret_auth);
/* cf4_ = api_key, cfu_ = upload_token, three base64url parts = dashboard_token, else admin_key. */
enum profile_auth profile_auth_detect(const char *secret);

struct profile {
	char *name; /* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
	char *url;
	enum profile_auth auth;
	struct secret *secret;      /* NULL: none */
	bool secret_from_directory; /* from $CREDENTIALS_DIRECTORY: cannot be replaced by us */
	char *key_prefix;           /* "cf4_xxxxxxxx" for API keys, else NULL */
};

bool profile_name_valid(const char *name);
struct profile *profile_new(const char *name);
struct profile *profile_free(struct profile *p);

struct profiles; /* all of them, in memory; sorted by name */
/* Refuses files wider than 0600 and malformed ones: such a profile is listed with its error, the others work.
 * *ret_warnings (optional, free it): one line per refused file, with the command that mends it. */
int profiles_load(const char *config_dir, struct profiles **ret_profiles, char **ret_warnings);
/* Reads everything again, in place; changed is called for each profile that appeared, went or differs, once
 * the set is the new one. On failure the set stays as it was. */
int profiles_reload(struct profiles *set, char **ret_warnings, void (*changed)(void *arg, const char *name),
		    void *arg);
struct profiles *profiles_free(struct profiles *set);
size_t profiles_count(const struct profiles *set);
struct profile *profiles_at(const struct profiles *set, size_t i);
struct profile *profiles_find(const struct profiles *set,
			      const char *name); /* NULL name: the active one; NULL if there is none */
const char *profiles_active(const struct profiles *set); /* NULL: none */
/* Writes the file (atomic), then changes the set. p is taken on success; the profile that had its name is
 * freed. -EINVAL: what load would refuse (no url, a credential and auth that do not go together, bytes that
 * no header carries). */
int profiles_put(struct profiles *set, struct profile *p);
int profiles_rename(struct profiles *set, const char *name,
		    const char *new_name); /* -EEXIST, -ENOENT; -EPERM: its credential is in
					      $CREDENTIALS_DIRECTORY under its name */
int profiles_remove(struct profiles *set, const char *name);
int profiles_set_active(struct profiles *set, const char *name); /* NULL: none */
