/* Profiles from and to profiles/NAME.conf. The credential is never in a buffer that is given back unwiped. */
#include "store/profile.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "store/confdir.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Nobody else reads a credential. */
#define FORBIDDEN_MODE 077
/* Whoever may write the directory can replace what is in it. */
#define FORBIDDEN_DIR_MODE 022
#define ACTIVE_FILE        "active"
/* Dashboard tokens are the longest, some 300 bytes. */
#define SECRET_MAX 4096
#define URL_MAX    2048
/* "cf4_" and eight characters name an API key without giving it away. */
#define KEY_PREFIX_LEN 12
#define FILE_HEAD                                                                                            \
	"# A profile of carbonfilesd, see carbonfilesd.conf(5). Keep its mode 0600: the credential is in "   \
	"it.\n"

struct profiles {
	char *dir; /* …/profiles */
	struct profile **list;
	size_t n;
	char *active;
};

static const char *const auth_names[] = {"none", "api_key", "admin_key", "dashboard_token", "upload_token"};

const char *profile_auth_name(enum profile_auth auth)
{
	return auth_names[auth];
}

int profile_auth_parse(const char *name, enum profile_auth *ret_auth)
{
	for (size_t i = 0; i < ARRAY_SIZE(auth_names); i++) {
		if (strcmp(name, auth_names[i]) == 0) {
			*ret_auth = (enum profile_auth)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Three parts of base64url, none empty, separated by dots. */
static bool is_jwt(const char *secret)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=";

	for (int part = 0; part < 3; part++) {
		size_t len = strspn(secret, alphabet);
		if (len == 0 || secret[len] != (part < 2 ? '.' : '\0'))
			return false;
		secret += len + 1;
	}
	return true;
}

enum profile_auth profile_auth_detect(const char *secret)
{
	if (strncmp(secret, "cf4_", 4) == 0)
		return PROFILE_API_KEY;
	if (strncmp(secret, "cfu_", 4) == 0)
		return PROFILE_UPLOAD_TOKEN;
	return is_jwt(secret) ? PROFILE_DASHBOARD_TOKEN : PROFILE_ADMIN_KEY;
}

bool profile_name_valid(const char *name)
{
	return confdir_name_valid(name);
}

struct profile *profile_new(const char *name)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->name = strdup(name);
	return p->name ? p : profile_free(p);
}

struct profile *profile_free(struct profile *p)
{
	if (!p)
		return NULL;
	free(p->name);
	free(p->url);
	secret_free(p->secret);
	free(p->key_prefix);
	free(p);
	return NULL;
}

/* ---- one file ---- */

static int set_url(struct profile *p, const char *value, struct conf_error *error)
{
	bool plain = strlen(value) <= URL_MAX;

	for (const char *c = value; *c; c++)
		plain = plain && (unsigned char)*c > 0x20 && *c != 0x7f;
	if (!plain || (strncmp(value, "https://", 8) != 0 && strncmp(value, "http://", 7) != 0))
		return conf_refuse(error, -EINVAL,
				   "not allowed: the server's address, beginning with https:// or http://");
	p->url = strdup(value);
	return p->url ? 0 : -ENOMEM;
}

static int set_auth(struct profile *p, const char *value, struct conf_error *error)
{
	if (profile_auth_parse(value, &p->auth) < 0)
		return conf_refuse(
			error, -EINVAL,
			"'%s' is not allowed: none, api_key, admin_key, dashboard_token or upload_token",
			value);
	return 0;
}

/* The words never repeat the value. */
static int set_secret(struct profile *p, const char *value, size_t len, struct conf_error *error)
{
	if (len == 0 || len > SECRET_MAX)
		return conf_refuse(error, -EINVAL, "it has %zu bytes: 1 to %d are allowed", len, SECRET_MAX);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] <= 0x20 || (unsigned char)value[i] >= 0x7f)
			return conf_refuse(error, -EINVAL,
					   "a blank, a control character or a byte beyond ASCII is in it: "
					   "no HTTP header can carry that");
	struct secret *secret;
	int r = secret_new(value, len, &secret);
	if (r < 0)
		return r;
	secret_free(p->secret);
	p->secret = secret;
	return 0;
}

static int set_key(void *arg, const char *key, const char *value, struct conf_error *error)
{
	struct profile *p = arg;

	if (strcmp(key, "url") == 0)
		return set_url(p, value, error);
	if (strcmp(key, "auth") == 0)
		return set_auth(p, value, error);
	return set_secret(p, value, strlen(value), error);
}

static int set_prefix(struct profile *p)
{
	bool has = p->auth == PROFILE_API_KEY && p->secret && secret_len(p->secret) > KEY_PREFIX_LEN;

	free(p->key_prefix);
	p->key_prefix = has ? strndup(secret_str(p->secret), KEY_PREFIX_LEN) : NULL;
	return has && !p->key_prefix ? -ENOMEM : 0;
}

static int parse_file(const char *path, struct profile *p, struct conf_error *error)
{
	static const char *const keys[] = {"url", "auth", "secret", NULL};
	char *text;
	size_t len;
	int r = confdir_read(path, FORBIDDEN_MODE, &text, &len, error);

	if (r < 0)
		return r;
	r = conf_read_private(text, len, keys, "carbonfilesd.conf(5)", set_key, p, error);
	secret_wipe(text, len);
	free(text);
	if (r == 0 && !p->url)
		r = conf_refuse(error, -EINVAL, "there is no url in it");
	return r;
}

/* systemd made the directory and says who reads it: no mode is asked for. A line end behind the credential is
 * not part of it. */
static int read_credential(struct profile *p, char **warnings)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	struct conf_error error = {0};
	char *text;
	size_t len;

	if (!dir || *dir != '/')
		return 0;
	_cleanup_free_ char *path = fs_join(dir, strcmp(p->name, "default") == 0 ? "token" : p->name);
	if (!path)
		return -ENOMEM;
	int r = confdir_read(path, 0, &text, &len, &error);
	if (r == 0) {
		size_t used = len;
		while (used > 0 && strchr("\r\n \t", text[used - 1]))
			used--;
		r = set_secret(p, text, used, &error);
		secret_wipe(text, len);
		free(text);
	}
	p->secret_from_directory = r == 0;
	if (r < 0 && r != -ENOENT)
		confdir_warn(warnings, path, &error, r);
	conf_error_done(&error);
	return r == -ENOENT ? 0 : r;
}

/* Which kind the credential is, if the file does not say. */
static int settle_auth(struct profile *p, struct conf_error *error)
{
	if (p->secret && p->auth == PROFILE_NONE)
		p->auth = profile_auth_detect(secret_str(p->secret));
	if (!p->secret && p->auth != PROFILE_NONE)
		return conf_refuse(error, -EINVAL, "auth is %s, and there is no secret",
				   profile_auth_name(p->auth));
	return set_prefix(p);
}

static int load_one(struct profiles *set, const char *name, char **warnings)
{
	_cleanup_free_ char *path = confdir_path(set->dir, name);
	struct profile *p = path ? profile_new(name) : NULL;
	struct conf_error error = {0};

	if (!p)
		return -ENOMEM;
	int r = parse_file(path, p, &error);
	/* A credential that cannot be read is said, and is not replaced by an older one in the file. */
	if (r == 0)
		r = read_credential(p, warnings);
	bool said = r < 0 && !error.reason && p->url;
	if (r == 0)
		r = settle_auth(p, &error);
	if (r == 0) {
		set->list[set->n++] = STEAL(p);
	} else if (r != -ENOMEM && !said) {
		confdir_warn(warnings, path, &error, r);
	}
	profile_free(p);
	conf_error_done(&error);
	return r == -ENOMEM ? r : 0;
}

/* ---- the set ---- */

static int check_dir(const char *dir, char **warnings)
{
	struct conf_error error = {0};
	struct stat st;
	int r = 0;

	if (stat(dir, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((st.st_uid != geteuid() && st.st_uid != 0) || st.st_mode & FORBIDDEN_DIR_MODE)
		r = conf_refuse(&error, -EPERM,
				"others can replace what is in it: chown %u '%s' && chmod 0700 '%s'",
				(unsigned)geteuid(), dir, dir);
	if (r < 0)
		confdir_warn(warnings, dir, &error, r);
	conf_error_done(&error);
	return r;
}

static int load_active(struct profiles *set, char **warnings)
{
	_cleanup_free_ char *path = fs_join(set->dir, ACTIVE_FILE), *text = NULL;
	struct conf_error error = {0};
	size_t len;

	if (!path)
		return -ENOMEM;
	int r = confdir_read(path, FORBIDDEN_DIR_MODE, &text, &len, &error);
	if (r == 0) {
		text[strcspn(text, "\r\n")] = '\0';
		if (confdir_name_valid(text))
			set->active = STEAL(text);
		else
			r = conf_refuse(&error, -EINVAL, "it is not the name of a profile");
	}
	if (r < 0 && r != -ENOENT && r != -ENOMEM)
		confdir_warn(warnings, path, &error, r);
	conf_error_done(&error);
	return r == -ENOMEM ? r : 0;
}

static int load_all(struct profiles *set, char **warnings)
{
	char **names = NULL;
	size_t n = 0;
	int r = check_dir(set->dir, warnings);

	/* Nothing in such a directory is believed; the daemon runs without profiles and says why. */
	if (r == -EPERM)
		return 0;
	if (r == 0)
		r = confdir_list(set->dir, &names, &n, warnings);
	if (r < 0)
		return r;
	set->list = calloc(n + 1, sizeof(*set->list));
	if (!set->list)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = load_one(set, names[i], warnings);
	confdir_names_free(names, n);
	return r == 0 ? load_active(set, warnings) : r;
}

static int load(const char *dir, struct profiles **ret_profiles, char **ret_warnings)
{
	_cleanup_free_ char *warnings = NULL;
	struct profiles *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->dir = strdup(dir);
	int r = set->dir ? load_all(set, &warnings) : -ENOMEM;
	if (r < 0) {
		profiles_free(set);
		return r;
	}
	*ret_profiles = set;
	if (ret_warnings)
		*ret_warnings = STEAL(warnings);
	return 0;
}

int profiles_load(const char *config_dir, struct profiles **ret_profiles, char **ret_warnings)
{
	_cleanup_free_ char *dir = fs_join(config_dir, "profiles");

	return dir ? load(dir, ret_profiles, ret_warnings) : -ENOMEM;
}

static bool same_profile(const struct profile *a, const struct profile *b)
{
	if (!a || !b || strcmp(a->url, b->url) != 0 || a->auth != b->auth || !a->secret != !b->secret)
		return false;
	return !a->secret || strcmp(secret_str(a->secret), secret_str(b->secret)) == 0;
}

int profiles_reload(struct profiles *set, char **ret_warnings, void (*changed)(void *arg, const char *name),
		    void *arg)
{
	struct profiles *other = NULL;
	int r = load(set->dir, &other, ret_warnings);

	if (r < 0)
		return r;

	struct profiles old = *set;

	*set = *other;
	*other = old;
	for (size_t i = 0; i < old.n; i++)
		if (!same_profile(old.list[i], profiles_find(set, old.list[i]->name)))
			changed(arg, old.list[i]->name);
	for (size_t i = 0; i < set->n; i++)
		if (!profiles_find(other, set->list[i]->name))
			changed(arg, set->list[i]->name);
	profiles_free(other);
	return 0;
}

struct profiles *profiles_free(struct profiles *set)
{
	if (!set)
		return NULL;
	for (size_t i = 0; i < set->n; i++)
		profile_free(set->list[i]);
	free(set->list);
	free(set->dir);
	free(set->active);
	free(set);
	return NULL;
}

size_t profiles_count(const struct profiles *set)
{
	return set->n;
}

struct profile *profiles_at(const struct profiles *set, size_t i)
{
	return i < set->n ? set->list[i] : NULL;
}

struct profile *profiles_find(const struct profiles *set, const char *name)
{
	if (!name)
		name = set->active;
	for (size_t i = 0; name && i < set->n; i++)
		if (strcmp(set->list[i]->name, name) == 0)
			return set->list[i];
	return NULL;
}

const char *profiles_active(const struct profiles *set)
{
	struct profile *p = profiles_find(set, NULL);

	return p ? p->name : NULL;
}

/* ---- changes ---- */

static int write_profile(struct buf *out, const struct profile *p)
{
	/* Room for all of it at once: a buffer that moves leaves what was in it behind. */
	size_t secret = p->secret && !p->secret_from_directory ? secret_len(p->secret) : 0;
	int r = buf_reserve(out, sizeof(FILE_HEAD) + 2 * (strlen(p->url) + secret) + 128);

	if (r == 0)
		r = buf_append_str(out, FILE_HEAD "url = ");
	if (r == 0)
		r = conf_quote_to(out, p->url);
	if (r == 0)
		r = buf_append_str(out, "\nauth = ");
	if (r == 0)
		r = buf_append_str(out, auth_names[p->auth]);
	if (r == 0 && secret > 0)
		r = buf_append_str(out, "\nsecret = ");
	if (r == 0 && secret > 0)
		r = conf_quote_to(out, secret_str(p->secret));
	return r == 0 ? buf_append_str(out, "\n") : r;
}

static int save(const struct profiles *set, const struct profile *p)
{
	_cleanup_free_ char *path = confdir_path(set->dir, p->name);
	struct buf out = {0};

	if (!path)
		return -ENOMEM;
	int r = write_profile(&out, p);
	if (r == 0)
		r = fs_mkdir_p(set->dir, 0700);
	if (r == 0)
		r = fs_write_file_atomic(path, out.data, out.len, 0600);
	if (out.data)
		secret_wipe(out.data, out.cap);
	buf_done(&out);
	return r;
}

/* What load would refuse is not written. */
static int check(const struct profile *p)
{
	struct conf_error error = {0};
	struct profile probe = {0};
	int r = p->url ? set_url(&probe, p->url, &error) : -EINVAL;

	if (r == 0 && p->secret)
		r = set_secret(&probe, secret_str(p->secret), secret_len(p->secret), &error);
	if (r == 0 && !p->secret != (p->auth == PROFILE_NONE))
		r = -EINVAL;
	free(probe.url);
	secret_free(probe.secret);
	conf_error_done(&error);
	return profile_name_valid(p->name) ? r : -EINVAL;
}

/* Where name is, or belongs. */
static size_t place_of(const struct profiles *set, const char *name, bool *ret_there)
{
	size_t i = 0;

	while (i < set->n && strcmp(set->list[i]->name, name) < 0)
		i++;
	*ret_there = i < set->n && strcmp(set->list[i]->name, name) == 0;
	return i;
}

static void insert_at(struct profiles *set, size_t i, struct profile *p)
{
	memmove(&set->list[i + 1], &set->list[i], (set->n - i) * sizeof(*set->list));
	set->list[i] = p;
	set->n++;
}

static struct profile *take_out(struct profiles *set, size_t i)
{
	struct profile *p = set->list[i];

	set->n--;
	memmove(&set->list[i], &set->list[i + 1], (set->n - i) * sizeof(*set->list));
	return p;
}

int profiles_put(struct profiles *set, struct profile *p)
{
	bool there;
	size_t i = place_of(set, p->name, &there);
	int r = check(p);

	if (r == 0)
		r = set_prefix(p);
	if (r < 0)
		return r;
	struct profile **more = reallocarray(set->list, set->n + 2, sizeof(struct profile *));
	if (!more)
		return -ENOMEM;
	set->list = more;
	r = save(set, p);
	if (r < 0)
		return r;
	if (there && set->list[i] == p)
		return 0; /* changed in place */
	if (there)
		profile_free(take_out(set, i));
	insert_at(set, i, p);
	return 0;
}

static int write_active(struct profiles *set, const char *name)
{
	_cleanup_free_ char *path = fs_join(set->dir, ACTIVE_FILE), *line = NULL;

	if (!path || (name && asprintf(&line, "%s\n", name) < 0)) {
		line = NULL;
		return -ENOMEM;
	}
	if (name)
		return fs_write_file_atomic(path, line, strlen(line), 0600);
	int r = confdir_unlink(set->dir, path);
	return r == -ENOENT ? 0 : r;
}

int profiles_set_active(struct profiles *set, const char *name)
{
	if (name && !profiles_find(set, name))
		return -ENOENT;
	_cleanup_free_ char *copy = name ? strdup(name) : NULL;
	if (name && !copy)
		return -ENOMEM;
	int r = write_active(set, name);
	if (r < 0)
		return r;
	free(set->active);
	set->active = STEAL(copy);
	return 0;
}

static int rename_file(const struct profiles *set, const char *name, const char *new_name)
{
	_cleanup_free_ char *from = confdir_path(set->dir, name), *to = confdir_path(set->dir, new_name);

	if (!from || !to)
		return -ENOMEM;
	/* A refused file of that name is not in the set, and not to be lost. */
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0)
		return -errno;
	return confdir_sync(set->dir);
}

int profiles_rename(struct profiles *set, const char *name, const char *new_name)
{
	bool there, taken;
	size_t i = place_of(set, name, &there);

	(void)place_of(set, new_name, &taken);
	if (!there)
		return -ENOENT;
	if (!profile_name_valid(new_name))
		return -EINVAL;
	if (taken)
		return -EEXIST;
	/* Its credential has the profile's name, in a directory that is not ours. */
	if (set->list[i]->secret_from_directory)
		return -EPERM;
	bool active = set->active && strcmp(set->active, name) == 0;
	_cleanup_free_ char *copy = strdup(new_name);
	if (!copy)
		return -ENOMEM;
	int r = rename_file(set, name, new_name);
	if (r < 0)
		return r;
	struct profile *p = take_out(set, i);
	free(p->name);
	p->name = STEAL(copy);
	insert_at(set, place_of(set, new_name, &taken), p);
	return active ? profiles_set_active(set, new_name) : 0;
}

int profiles_remove(struct profiles *set, const char *name)
{
	bool there;
	size_t i = place_of(set, name, &there);
	_cleanup_free_ char *path = confdir_path(set->dir, name);

	if (!there)
		return -ENOENT;
	if (!path)
		return -ENOMEM;
	bool active = set->active && strcmp(set->active, name) == 0;
	int r = confdir_unlink(set->dir, path);
	if (r < 0 && r != -ENOENT)
		return r;
	profile_free(take_out(set, i));
	return active ? profiles_set_active(set, NULL) : 0;
}
