/* ListProfiles, GetProfile, SetProfile, RemoveProfile, Logout. */
#include "ipc/profiles.h"
#include "base/err.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

/* What a credential can do by its kind alone; an API key's role is told by the server. */
static const char *default_role(enum profile_auth auth)
{
	switch (auth) {
	case PROFILE_NONE: return "anonymous";
	case PROFILE_ADMIN_KEY:
	case PROFILE_DASHBOARD_TOKEN: return "admin";
	case PROFILE_UPLOAD_TOKEN: return "upload";
	case PROFILE_API_KEY: return "owner";
	}
	return "unknown";
}

static struct ipc_known *find_known(struct ipc *ipc, const char *profile)
{
	for (struct ipc_known *known = ipc->known; known; known = known->next)
		if (strcmp(known->profile, profile) == 0)
			return known;
	return NULL;
}

static void known_free(struct ipc_known *known)
{
	free(known->profile);
	free(known->role);
	free(known->last_error);
	free(known);
}

void profile_forget(struct ipc *ipc, const char *profile)
{
	for (struct ipc_known **place = &ipc->known; *place; place = &(*place)->next) {
		struct ipc_known *known = *place;

		if (strcmp(known->profile, profile) != 0)
			continue;
		*place = known->next;
		known_free(known);
		return;
	}
}

void ipc_known_free(struct ipc *ipc)
{
	while (ipc->known) {
		struct ipc_known *known = ipc->known;

		ipc->known = known->next;
		known_free(known);
	}
}

static struct ipc_known *make_known(struct ipc *ipc, const char *profile)
{
	struct ipc_known *known = find_known(ipc, profile);

	if (known)
		return known;
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	known->profile = strdup(profile);
	if (!known->profile) {
		free(known);
		return NULL;
	}
	known->next = ipc->known;
	ipc->known = known;
	return known;
}

static void replace(char **text, const char *value)
{
	free(*text);
	*text = value ? strdup(value) : NULL; /* only shown: without memory it is not */
}

void profile_learned(struct ipc *ipc, const char *profile, const struct api_error *error, const char *role)
{
	bool answered =
		error->code == 0 || (error->status != 0 && (error->code != ERR_AUTH || error->forbidden));

	if (!answered && error->code != ERR_AUTH && error->code != ERR_OFFLINE && error->code != ERR_DOUBT)
		return;
	struct ipc_known *known = make_known(ipc, profile);

	if (!known)
		return;
	known->state = answered ? "ready" : error->code == ERR_AUTH ? "login_required" : "offline";
	replace(&known->last_error, answered ? NULL : error->message);
	if (role)
		replace(&known->role, role);
}

struct json_object *profile_object(struct ipc *ipc, const struct profile *p)
{
	const struct ipc_known *known = find_known(ipc, p->name);
	const char *active = profiles_active(ipc->context.profiles), *last_error = NULL;
	const char *state = engine_profile_state(ipc->context.engine, p->name, &last_error);
	struct reply r = reply_new();

	if (!state && known) {
		state = known->state;
		last_error = known->last_error;
	}
	reply_string(&r, "name", p->name);
	reply_string(&r, "url", p->url ? p->url : "");
	reply_string(&r, "auth", profile_auth_name(p->auth));
	reply_string(&r, "key_prefix", p->key_prefix);
	reply_string(&r, "role", known && known->role ? known->role : default_role(p->auth));
	reply_bool(&r, "active", active && strcmp(active, p->name) == 0);
	reply_string(&r, "state", state ? state : "unverified");
	reply_string(&r, "hub", "off");
	reply_string(&r, "last_error", last_error);
	return reply_take(&r);
}

static void reply_profile(struct ipc_call *call, struct ipc *ipc, const char *name)
{
	struct reply r = reply_new();

	reply_add(&r, "profile", profile_object(ipc, profiles_find(ipc->context.profiles, name)));
	reply_send(call, &r);
}

void list_profiles(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct json_object *list = json_object_new_array();
	struct reply r = reply_new();

	for (size_t i = 0; list && i < profiles_count(ipc->context.profiles); i++)
		if (!reply_append(list, profile_object(ipc, profiles_at(ipc->context.profiles, i))))
			r.failed = true;
	reply_add(&r, "profiles", list);
	reply_send(call, &r);
}

/* The profile that the parameter names, null the active one; NULL: the call was ended. */
static struct profile *named_profile(struct ipc_call *call, struct ipc *ipc, struct json_object *parameters,
				     const char *key)
{
	const char *name = NULL;

	json_get_string(parameters, key, &name);
	struct profile *p = profiles_find(ipc->context.profiles, name);

	if (!p)
		error_named(call, REMOTE "NoSuchProfile", "profile", name);
	return p;
}

void get_profile(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct profile *p = named_profile(call, context, parameters, "name");

	if (p)
		reply_profile(call, context, p->name);
}

struct secret *secret_copy(const struct secret *secret)
{
	struct secret *copy = NULL;

	return secret_new(secret_str(secret), secret_len(secret), &copy) < 0 ? NULL : copy;
}

int profile_store(struct ipc *ipc, struct profile *p, int active)
{
	_cleanup_free_ char *name = strdup(p->name);
	int r = name ? profiles_put(ipc->context.profiles, p) : -ENOMEM;

	if (r < 0) {
		profile_free(p);
		return r;
	}
	if (active > 0 || (active < 0 && !profiles_active(ipc->context.profiles)))
		r = profiles_set_active(ipc->context.profiles, name);
	ipc->context.profile_changed(ipc->context.daemon, name);
	return r;
}

/* A copy with another URL; the credential goes along. NULL: out of memory. */
static struct profile *with_url(const struct profile *p, const char *url)
{
	struct profile *copy = profile_new(p->name);

	if (!copy)
		return NULL;
	copy->url = strdup(url);
	copy->auth = p->auth;
	copy->key_prefix = p->key_prefix ? strdup(p->key_prefix) : NULL;
	copy->secret_from_directory = p->secret_from_directory;
	copy->secret = p->secret ? secret_copy(p->secret) : NULL;
	if (copy->url && (copy->key_prefix || !p->key_prefix) && (copy->secret || !p->secret))
		return copy;
	profile_free(copy);
	return NULL;
}

static void error_store(struct ipc_call *call, struct ipc *ipc, int r)
{
	if (r == -ENOMEM)
		ipc_call_no_memory(call);
	else
		error_local(call, r < 0 && r > ERR_OFFLINE ? -r : EIO, ipc->context.dirs->config, NULL);
}

static int rename_profile(struct ipc *ipc, const char *name, const char *new_name)
{
	int r = profiles_rename(ipc->context.profiles, name, new_name);

	if (r < 0)
		return r;
	profile_forget(ipc, name);
	r = engine_profile_renamed(ipc->context.engine, name, new_name);
	ipc->context.profile_changed(ipc->context.daemon, name);
	ipc->context.profile_changed(ipc->context.daemon, new_name);
	return r;
}

/* Everything is checked before anything is changed. */
void set_profile(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct profile *p = named_profile(call, ipc, parameters, "name");
	_cleanup_free_ char *url = NULL;
	const char *name = NULL, *new_name = NULL, *new_url = NULL;
	bool active = false;
	int r = 0;

	if (!p)
		return;
	json_get_string(parameters, "name", &name);
	json_get_string(parameters, "new_name", &new_name);
	json_get_string(parameters, "url", &new_url);
	if (new_name && strcmp(new_name, name) == 0)
		new_name = NULL;
	if (new_name && (!profile_name_valid(new_name) || profiles_find(ipc->context.profiles, new_name))) {
		ipc_call_invalid(call, "new_name");
		return;
	}
	if (new_url && api_url_check(new_url, &url) < 0) {
		ipc_call_invalid(call, "url");
		return;
	}
	if (url) {
		struct profile *copy = with_url(p, url);

		profile_forget(ipc, name);
		r = copy ? profile_store(ipc, copy, 0) : -ENOMEM;
	}
	if (r >= 0 && new_name) {
		r = rename_profile(ipc, name, new_name);
		name = new_name;
	}
	if (r >= 0 && json_get_bool(parameters, "active", &active) > 0) {
		const char *now = profiles_active(ipc->context.profiles);

		if (active)
			r = profiles_set_active(ipc->context.profiles, name);
		else if (now && strcmp(now, name) == 0)
			r = profiles_set_active(ipc->context.profiles, NULL);
		ipc_tell(ipc, "profile", name, NULL);
	}
	if (r < 0)
		error_store(call, ipc, r);
	else
		reply_profile(call, ipc, name);
}

void remove_profile(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct profile *p = named_profile(call, ipc, parameters, "name");
	const char *pair = NULL, *name = NULL;

	if (!p)
		return;
	if (engine_uses_profile(ipc->context.engine, p->name, &pair)) {
		struct reply r = reply_new();

		reply_string(&r, "what", pair);
		reply_int(&r, "limit", 0);
		reply_error(call, REMOTE "Busy", &r);
		return;
	}
	json_get_string(parameters, "name", &name);
	int r = profiles_remove(ipc->context.profiles, name);

	if (r < 0) {
		error_store(call, ipc, r);
		return;
	}
	profile_forget(ipc, name);
	ipc->context.profile_changed(ipc->context.daemon, name);
	reply_nothing(call);
}

void logout(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct ipc *ipc = context;
	struct profile *p = named_profile(call, ipc, parameters, "profile");

	if (!p)
		return;
	if (p->secret_from_directory) {
		error_local(call, EROFS, NULL,
			    "the credential comes from the credentials directory of the service: remove it "
			    "there");
		return;
	}
	struct profile *bare = profile_new(p->name);

	if (bare)
		bare->url = strdup(p->url ? p->url : "");
	int r = bare && bare->url ? 0 : -ENOMEM;

	if (r < 0)
		profile_free(bare);
	else {
		profile_forget(ipc, p->name);
		r = profile_store(ipc, bare, 0);
	}
	if (r < 0)
		error_store(call, ipc, r);
	else
		reply_nothing(call);
}
