/* Pairs from and to pairs/NAME.conf. */
#include "store/pairfile.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "store/confdir.h"
#include "store/settings.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Whoever may write it may have any directory uploaded to any bucket. There is no secret in it to read. */
#define FORBIDDEN_MODE 022
#define FILE_HEAD                                                                                            \
	"# A pair of carbonfilesd, see carbonfilesd.conf(5). carbonfilesd writes this file anew when the\n"  \
	"# pair changes; comments are not kept.\n"

static const char *const mode_names[] = {"mirror", "backup", "pull", "two_way"};
static const char *const foreign_names[] = {"hold", "remove"};
static const char *const conflicts_names[] = {"keep_both", "keep_local", "keep_remote"};
static const char *const bool_names[] = {"false", "true"};

/* ---- the file's keys ---- */

static int parse_name(const char *value, const char *const *names, size_t n, unsigned *ret_value,
		      struct conf_error *error)
{
	_cleanup_buf_ struct buf all = {0};

	for (unsigned i = 0; i < n; i++) {
		if (strcmp(value, names[i]) == 0) {
			*ret_value = i;
			return 0;
		}
		if (buf_printf(&all, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", names[i]) < 0)
			return -ENOMEM;
	}
	return conf_refuse(error, -EINVAL, "'%s' is not allowed: %.*s", value, (int)all.len, all.data);
}

static int set_string(char **target, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*target);
	*target = copy;
	return 0;
}

static int set_id(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	if (strlen(value) != PAIR_ID_SIZE - 1 || strspn(value, "0123456789abcdef") != PAIR_ID_SIZE - 1)
		return conf_refuse(error, -EINVAL, "'%s' is not allowed: 32 digits 0-9, a-f", value);
	memcpy(spec->id, value, PAIR_ID_SIZE);
	return 0;
}

static int set_profile(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	if (!confdir_name_valid(value))
		return conf_refuse(error, -EINVAL, "'%s' is not allowed: the name of a profile", value);
	return set_string(&spec->profile, value);
}

static int set_bucket(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	for (const char *p = value; *p; p++)
		if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')))
			return conf_refuse(error, -EINVAL,
					   "'%s' is not allowed: a bucket's id, letters and digits", value);
	return *value ? set_string(&spec->bucket, value)
		      : conf_refuse(error, -EINVAL, "it is empty: a bucket's id, letters and digits");
}

/* No component that a server or a disk would resolve. */
static bool components_plain(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
		path += *path == '/';
	}
	return true;
}

static int set_prefix(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	size_t len = strlen(value);

	if (len > 0 && (value[len - 1] != '/' || !components_plain(value)))
		return conf_refuse(error, -EINVAL,
				   "'%s' is not allowed: '' or a directory in the bucket such as 'a/b/', "
				   "with a '/' at its end "
				   "and no '.', '..' or empty part",
				   value);
	return set_string(&spec->remote_prefix, value);
}

static int set_path(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	if (value[0] != '/' || !components_plain(value + 1) || (value[1] && value[strlen(value) - 1] == '/'))
		return conf_refuse(error, -EINVAL,
				   "not allowed: an absolute path without '.', '..', doubled slashes or a "
				   "slash at its end");
	return set_string(&spec->local_path, value);
}

static int set_mode(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	unsigned mode;

	if (pair_mode_parse(value, &spec->mode) == 0 &&
	    (spec->mode == PAIR_PULL || spec->mode == PAIR_TWO_WAY))
		return conf_refuse(error, -EINVAL, "the mode %s is not in this version: mirror or backup",
				   value);
	/* Names only those that work. */
	int r = parse_name(value, mode_names, PAIR_BACKUP + 1, &mode, error);
	if (r == 0)
		spec->mode = (enum pair_mode)mode;
	return r;
}

static int set_foreign(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	unsigned n;
	int r = parse_name(value, foreign_names, ARRAY_SIZE(foreign_names), &n, error);

	if (r == 0)
		spec->foreign = (enum pair_foreign)n;
	return r;
}

static int set_conflicts(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	unsigned n;
	int r = parse_name(value, conflicts_names, ARRAY_SIZE(conflicts_names), &n, error);

	if (r == 0)
		spec->conflicts = (enum pair_conflicts)n;
	return r;
}

static int parse_bool(const char *value, bool *ret_value, struct conf_error *error)
{
	unsigned n;
	int r = parse_name(value, bool_names, ARRAY_SIZE(bool_names), &n, error);

	if (r == 0)
		*ret_value = n == 1;
	return r;
}

static int parse_time(const char *value, int64_t *ret_ms, struct conf_error *error)
{
	if (clock_parse_rfc3339(value, ret_ms) < 0)
		return conf_refuse(error, -EINVAL,
				   "'%s' is not allowed: a time such as 2026-11-24T08:58:56.123Z", value);
	return 0;
}

static int set_secrets(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	return parse_bool(value, &spec->secrets, error);
}

static int set_paused(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	return parse_bool(value, &spec->paused, error);
}

static int set_paused_until(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	return parse_time(value, &spec->paused_until_ms, error);
}

static int set_created_at(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	return parse_time(value, &spec->created_at_ms, error);
}

static int set_later(struct pair_spec *spec, const char *value, struct conf_error *error)
{
	return conf_refuse(error, -EINVAL, "not in this version: remove the line");
}

static const struct pair_key {
	const char *name;
	int (*set)(struct pair_spec *spec, const char *value, struct conf_error *error);
} text_keys[] = {
	{"id", set_id},
	{"profile", set_profile},
	{"bucket", set_bucket},
	{"remote_prefix", set_prefix},
	{"local_path", set_path},
	{"mode", set_mode},
	{"foreign", set_foreign},
	{"conflicts", set_conflicts},
	{"secrets", set_secrets},
	{"paused", set_paused},
	{"paused_until", set_paused_until},
	{"created_at", set_created_at},
	/* A file that asks for what this version does not do is refused, never taken in part. */
	{"include", set_later},
	{"exclude", set_later},
	{"upload_limit", set_later},
	{"download_limit", set_later},
	{"upload_token", set_later},
};

/* Keys of carbonfilesd.conf that a pair may set for itself; type and range are that file's. */
static const struct {
	const char *name;
	size_t offset;
} number_keys[] = {
	{"settle_ms", offsetof(struct pair_spec, settle_ms)},
	{"rescan_seconds", offsetof(struct pair_spec, rescan_seconds)},
	{"max_deletes", offsetof(struct pair_spec, max_deletes)},
	{"max_delete_percent", offsetof(struct pair_spec, max_delete_percent)},
	{"rescue_bytes", offsetof(struct pair_spec, rescue_bytes)},
};

static int64_t *number_of(const struct pair_spec *spec, size_t i)
{
	return (int64_t *)((char *)spec + number_keys[i].offset);
}

static int set_key(void *arg, const char *key, const char *value, struct conf_error *error)
{
	struct pair_spec *spec = arg;

	for (size_t i = 0; i < ARRAY_SIZE(text_keys); i++)
		if (strcmp(text_keys[i].name, key) == 0)
			return text_keys[i].set(spec, value, error);
	for (size_t i = 0; i < ARRAY_SIZE(number_keys); i++)
		if (strcmp(number_keys[i].name, key) == 0)
			return settings_parse_number(settings_find(key), value, number_of(spec, i), error);
	return -ENOENT;
}

/* ---- specs ---- */

const char *pair_mode_name(enum pair_mode mode)
{
	return mode_names[mode];
}

int pair_mode_parse(const char *name, enum pair_mode *ret_mode)
{
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
		if (strcmp(name, mode_names[i]) == 0) {
			*ret_mode = (enum pair_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool pair_name_valid(const char *name)
{
	return confdir_name_valid(name);
}

struct pair_spec *pair_spec_new(void)
{
	struct pair_spec *spec = calloc(1, sizeof(*spec));
	uint8_t random[(PAIR_ID_SIZE - 1) / 2];

	if (!spec)
		return NULL;
	spec->remote_prefix = strdup("");
	/* 16 bytes are never given in part. The id is an identity, not a secret; but a fixed one would be
	 * shared. */
	if (!spec->remote_prefix || getrandom(random, sizeof(random), 0) != sizeof(random))
		return pair_spec_free(spec);
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(spec->id + 2 * i, 3, "%02x", random[i]);
	spec->created_at_ms = clock_wall_ms();
	for (size_t i = 0; i < ARRAY_SIZE(number_keys); i++)
		*number_of(spec, i) = PAIR_DEFAULT;
	return spec;
}

struct pair_spec *pair_spec_free(struct pair_spec *spec)
{
	if (!spec)
		return NULL;
	free(spec->name);
	free(spec->profile);
	free(spec->bucket);
	free(spec->remote_prefix);
	free(spec->local_path);
	free(spec);
	return NULL;
}

static bool dup_into(char **target, const char *text)
{
	*target = text ? strdup(text) : NULL;
	return !text || *target;
}

struct pair_spec *pair_spec_copy(const struct pair_spec *spec)
{
	struct pair_spec *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *spec;
	bool ok = dup_into(&copy->name, spec->name);
	ok = dup_into(&copy->profile, spec->profile) && ok;
	ok = dup_into(&copy->bucket, spec->bucket) && ok;
	ok = dup_into(&copy->remote_prefix, spec->remote_prefix) && ok;
	ok = dup_into(&copy->local_path, spec->local_path) && ok;
	return ok ? copy : pair_spec_free(copy);
}

/* ---- reading ---- */

static int complete(const struct pair_spec *spec, struct conf_error *error)
{
	const char *missing = !spec->id[0]        ? "id"
			      : !spec->bucket     ? "bucket"
			      : !spec->local_path ? "local_path"
						  : NULL;

	return missing ? conf_refuse(error, -EINVAL, "there is no %s in it", missing) : 0;
}

static int parse_text(const char *text, size_t len, const char *name, struct pair_spec **ret_spec,
		      struct conf_error *error)
{
	const char *keys[ARRAY_SIZE(text_keys) + ARRAY_SIZE(number_keys) + 1] = {0};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(text_keys); i++)
		keys[n++] = text_keys[i].name;
	for (size_t i = 0; i < ARRAY_SIZE(number_keys); i++)
		keys[n++] = number_keys[i].name;
	struct pair_spec *spec = pair_spec_new();
	if (!spec)
		return -ENOMEM;
	spec->id[0] = '\0';
	spec->created_at_ms = 0;
	int r = dup_into(&spec->name, name) ? 0 : -ENOMEM;
	if (r == 0)
		r = conf_read(text, len, keys, "carbonfilesd.conf(5)", set_key, spec, error);
	if (r == 0)
		r = complete(spec, error);
	if (r < 0)
		pair_spec_free(spec);
	else
		*ret_spec = spec;
	return r;
}

static int parse_file(const char *path, const char *name, struct pair_spec **ret_spec,
		      struct conf_error *error)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = confdir_read(path, FORBIDDEN_MODE, &text, &len, error);

	return r < 0 ? r : parse_text(text, len, name, ret_spec, error);
}

/* Two pairs of one id would be one pair to the index: the copy of a file is not a second pair. */
static int unique(struct pair_spec *const *specs, size_t n, const struct pair_spec *spec,
		  struct conf_error *error)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(specs[i]->id, spec->id) == 0)
			return conf_refuse(
				error, -EEXIST,
				"it has the id of the pair %s: remove the file, and add the pair with cfctl",
				specs[i]->name);
	return 0;
}

static int load_one(const char *dir, const char *name, struct pair_spec **specs, size_t *n, char **warnings)
{
	_cleanup_free_ char *path = confdir_path(dir, name);
	struct conf_error error = {0};
	struct pair_spec *spec = NULL;

	if (!path)
		return -ENOMEM;
	int r = parse_file(path, name, &spec, &error);
	if (r == 0)
		r = unique(specs, *n, spec, &error);
	if (r == 0) {
		specs[(*n)++] = spec;
	} else {
		pair_spec_free(spec);
		if (r != -ENOMEM)
			confdir_warn(warnings, path, &error, r);
	}
	conf_error_done(&error);
	return r == -ENOMEM ? r : 0;
}

static void specs_free(struct pair_spec **specs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pair_spec_free(specs[i]);
	free(specs);
}

int pairfile_load_all(const char *config_dir, struct pair_spec ***ret_specs, size_t *ret_n,
		      char **ret_warnings)
{
	_cleanup_free_ char *dir = fs_join(config_dir, "pairs"), *warnings = NULL;
	char **names = NULL;
	size_t n_names = 0, n = 0;

	if (!dir)
		return -ENOMEM;
	int r = confdir_list(dir, &names, &n_names, &warnings);
	if (r < 0)
		return r;
	/* One place too many: the list of nothing is not NULL. */
	struct pair_spec **specs = calloc(n_names + 1, sizeof(struct pair_spec *));
	if (!specs)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < n_names; i++)
		r = load_one(dir, names[i], specs, &n, &warnings);
	confdir_names_free(names, n_names);
	if (r < 0) {
		specs_free(specs, n);
		return r;
	}
	*ret_specs = specs;
	*ret_n = n;
	if (ret_warnings)
		*ret_warnings = STEAL(warnings);
	return 0;
}

/* ---- writing ---- */

static int put(struct buf *out, const char *key, const char *value)
{
	int r = buf_printf(out, "%s = ", key);

	if (r == 0)
		r = conf_quote_to(out, value);
	return r == 0 ? buf_append_str(out, "\n") : r;
}

static int put_word(struct buf *out, const char *key, const char *word)
{
	return buf_printf(out, "%s = %s\n", key, word);
}

static int put_time(struct buf *out, const char *key, int64_t ms)
{
	char text[CLOCK_RFC3339_MAX];

	if (ms == 0)
		return 0;
	clock_format_rfc3339(ms, text);
	return put(out, key, text);
}

static int write_pair(struct buf *out, const struct pair_spec *spec)
{
	int r = buf_append_str(out, FILE_HEAD);

	if (r == 0)
		r = put(out, "id", spec->id);
	if (r == 0 && spec->profile)
		r = put(out, "profile", spec->profile);
	if (r == 0)
		r = put(out, "bucket", spec->bucket);
	if (r == 0)
		r = put(out, "remote_prefix", spec->remote_prefix);
	if (r == 0)
		r = put(out, "local_path", spec->local_path);
	if (r == 0)
		r = put_word(out, "mode", mode_names[spec->mode]);
	if (r == 0)
		r = put_word(out, "foreign", foreign_names[spec->foreign]);
	if (r == 0)
		r = put_word(out, "conflicts", conflicts_names[spec->conflicts]);
	if (r == 0)
		r = put_word(out, "secrets", bool_names[spec->secrets]);
	if (r == 0)
		r = put_word(out, "paused", bool_names[spec->paused]);
	if (r == 0)
		r = put_time(out, "paused_until", spec->paused_until_ms);
	if (r == 0)
		r = put_time(out, "created_at", spec->created_at_ms);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(number_keys); i++)
		if (*number_of(spec, i) != PAIR_DEFAULT)
			r = buf_printf(out, "%s = %lld\n", number_keys[i].name,
				       (long long)*number_of(spec, i));
	return r;
}

/* What is written can be read: a pair that the next start leaves out is worse than one that is not added. */
static int check_written(const struct buf *out, const char *name)
{
	struct conf_error error = {0};
	struct pair_spec *spec = NULL;
	int r = parse_text(out->data, out->len, name, &spec, &error);

	pair_spec_free(spec);
	conf_error_done(&error);
	return r;
}

int pairfile_save(const char *config_dir, const struct pair_spec *spec)
{
	_cleanup_free_ char *dir = fs_join(config_dir, "pairs"), *path = NULL;
	_cleanup_buf_ struct buf out = {0};

	if (!pair_name_valid(spec->name) || !spec->bucket || !spec->local_path || !spec->remote_prefix ||
	    !spec->id[0])
		return -EINVAL;
	path = dir ? confdir_path(dir, spec->name) : NULL;
	if (!path)
		return -ENOMEM;
	int r = write_pair(&out, spec);
	if (r == 0)
		r = buf_terminate(&out);
	if (r == 0)
		r = check_written(&out, spec->name);
	if (r == 0)
		r = fs_mkdir_p(dir, 0700);
	return r < 0 ? r : fs_write_file_atomic(path, out.data, out.len, 0600);
}

int pairfile_remove(const char *config_dir, const char *name)
{
	_cleanup_free_ char *dir = fs_join(config_dir, "pairs"), *path = NULL;

	if (!pair_name_valid(name))
		return -EINVAL;
	path = dir ? confdir_path(dir, name) : NULL;
	return path ? confdir_unlink(dir, path) : -ENOMEM;
}
