/* The settings: the table, values from text and back, reading and changing carbonfilesd.conf. */
#include "store/settings.h"
#include "base/fs.h"
#include "store/conf.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

#define KIB 1024LL
#define MIB (1024LL * 1024)
#define GIB (1024LL * 1024 * 1024)
#define TIB (1024LL * 1024 * 1024 * 1024)
/* What bind(2) takes. */
#define SOCKET_PATH_MAX 107
#define TEXT_MAX        4095

#define INT(name, value, min, max, per_pair, doc)                                                            \
	{                                                                                                    \
#name, SETTINGS_INT, offsetof(struct settings, name), value, min, max, per_pair, false, doc  \
	}
#define BYTES(name, value, min, max, per_pair, doc)                                                          \
	{                                                                                                    \
#name, SETTINGS_BYTES, offsetof(struct settings, name), value, min, max, per_pair, false,    \
			doc                                                                                  \
	}

const struct settings_key settings_keys[] = {
	INT(settle_ms, 50, 0, 600000, true,
	    "how long a file must be quiet after a close or a rename before it is sent, ms"),
	INT(settle_open_ms, 1000, 0, 600000, false, "the same after a write without a close, ms"),
	INT(settle_cap_ms, 5000, 100, 3600000, false,
	    "a file that is never quiet is sent after this long all the same, ms"),
	INT(delete_settle_ms, 1000, 0, 600000, false,
	    "how long a path must be gone before its deletion counts, ms"),
	INT(doubt_seconds, 60, 1, 3600, false,
	    "how long a write whose reply was lost is looked for on the server, s"),
	INT(rescan_seconds, 3600, 10, 30 * 86400, true, "between full comparisons of tree and bucket, s"),
	INT(poll_seconds, 60, 1, 86400, false, "between looks at directories that cannot be watched, s"),
	BYTES(batch_file_bytes, MIB, 0, 16 * MIB, false, "files up to this size travel many to a request"),
	INT(max_deletes, 100, 0, 1000000000, true,
	    "more deletions than this within a minute are held until confirmed"),
	INT(max_delete_percent, 25, 0, 100, true, "more than this share of the known files too, %"),
	BYTES(rescue_bytes, GIB, 0, 1024 * TIB, true,
	      "what may be fetched into the Trash in a day before it is replaced"),
	INT(history_days, 90, 0, 36500, false, "how long history is kept, days"),
	BYTES(history_bytes, 64 * MIB, 0, 64 * GIB, false, "and how large it may grow"),
	INT(expire_warn_days, 3, 0, 3650, false, "how long before a bucket expires a warning goes out, days"),
	{"ca_file", SETTINGS_PATH, offsetof(struct settings, ca_file), 0, 0, TEXT_MAX, false, false,
	 "certificates of authorities to trust instead of the system's (PEM)"},
	{"proxy", SETTINGS_STRING, offsetof(struct settings, proxy), 0, 0, TEXT_MAX, false, false,
	 "proxy URL instead of the environment's; none for no proxy at all"},
	{"log_level", SETTINGS_LEVEL, offsetof(struct settings, log_level), LOG_LEVEL_INFO, LOG_LEVEL_ERROR,
	 LOG_LEVEL_DEBUG, false, false, "error, warning, info or debug"},
	{"listen", SETTINGS_PATH, offsetof(struct settings, listen), 0, 0, SOCKET_PATH_MAX, false, true,
	 "path of the socket"},
};
const size_t settings_keys_count = ARRAY_SIZE(settings_keys);

/* Named in the design of later versions. A file that has one asks for something this version does not do:
 * refused, never ignored. */
static const char *const later_keys[] = {"upload_limit", "download_limit"};

static int64_t *number_of(const struct settings *s, const struct settings_key *key)
{
	return (int64_t *)((char *)s + key->offset);
}

static char **text_of(const struct settings *s, const struct settings_key *key)
{
	return (char **)((char *)s + key->offset);
}

static bool is_text(const struct settings_key *key)
{
	return key->type == SETTINGS_STRING || key->type == SETTINGS_PATH;
}

const struct settings_key *settings_find(const char *name)
{
	for (size_t i = 0; i < settings_keys_count; i++)
		if (strcmp(settings_keys[i].name, name) == 0)
			return &settings_keys[i];
	return NULL;
}

void settings_error_done(struct settings_error *error)
{
	free(error->file);
	free(error->key);
	free(error->reason);
	*error = (struct settings_error){0};
}

int settings_init(struct settings *s)
{
	*s = (struct settings){0};
	for (size_t i = 0; i < settings_keys_count; i++)
		if (!is_text(&settings_keys[i]))
			*number_of(s, &settings_keys[i]) = settings_keys[i].value;
	return 0;
}

void settings_done(struct settings *s)
{
	for (size_t i = 0; i < settings_keys_count; i++)
		if (is_text(&settings_keys[i]))
			free(*text_of(s, &settings_keys[i]));
	*s = (struct settings){0};
}

int settings_copy(const struct settings *from, struct settings *to)
{
	struct settings copy = *from;
	bool ok = true;

	for (size_t i = 0; i < settings_keys_count; i++) {
		const struct settings_key *key = &settings_keys[i];
		if (!is_text(key) || !*text_of(from, key))
			continue;
		*text_of(&copy, key) = strdup(*text_of(from, key));
		ok = ok && *text_of(&copy, key);
	}
	if (!ok) {
		settings_done(&copy);
		return -ENOMEM;
	}
	*to = copy;
	return 0;
}

/* ---- values ---- */

/* -EINVAL: not a whole number, *ret_rest untouched. Saturates. */
static int parse_number(const char *text, int64_t *ret_value, const char **ret_rest)
{
	char *rest;

	/* strtoll would take blanks and a plus sign. */
	if (*text != '-' && (*text < '0' || *text > '9'))
		return -EINVAL;
	errno = 0;
	long long value = strtoll(text, &rest, 10);
	if (rest == text)
		return -EINVAL;
	if (errno == ERANGE)
		return -ERANGE;
	*ret_value = value;
	*ret_rest = rest;
	return 0;
}

int settings_parse_bytes(const char *text, int64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const char *rest;
	int64_t value, unit = 1;
	int r = parse_number(text, &value, &rest);

	if (r < 0)
		return r;
	if (*rest != '\0') {
		const char *u = strchr(units, *rest >= 'a' && *rest <= 'z' ? *rest - 'a' + 'A' : *rest);
		if (!u || rest[1] != '\0')
			return -EINVAL;
		unit = KIB << (10 * (u - units));
	}
	return __builtin_mul_overflow(value, unit, ret_bytes) ? -ERANGE : 0;
}

static char *format_bytes(int64_t bytes)
{
	static const char units[] = "KMGT";
	char unit[2] = "";
	char *text = NULL;

	for (size_t i = 0; i < 4 && bytes != 0 && bytes % KIB == 0; i++) {
		bytes /= KIB;
		unit[0] = units[i];
	}
	return asprintf(&text, "%lld%s", (long long)bytes, unit) < 0 ? NULL : text;
}

static int refuse_number(const struct settings_key *key, const char *text, int code, struct conf_error *error)
{
	if (key->type == SETTINGS_BYTES) {
		_cleanup_free_ char *min = format_bytes(key->min), *max = format_bytes(key->max);
		if (!min || !max)
			return -ENOMEM;
		return conf_refuse(
			error, code,
			"'%s' is not allowed: a number of bytes from %s to %s, plain or with K, M, G or T",
			text, min, max);
	}
	return conf_refuse(error, code, "'%s' is not allowed: a whole number from %lld to %lld", text,
			   (long long)key->min, (long long)key->max);
}

int settings_parse_number(const struct settings_key *key, const char *text, int64_t *ret_value,
			  struct conf_error *error)
{
	const char *rest = "";
	int64_t value;
	enum log_level level;
	int r;

	if (key->type == SETTINGS_LEVEL) {
		r = log_level_parse(text, &level);
		if (r < 0)
			return conf_refuse(error, -EINVAL,
					   "'%s' is not allowed: error, warning, info or debug", text);
		*ret_value = level;
		return 0;
	}
	r = key->type == SETTINGS_BYTES ? settings_parse_bytes(text, &value)
					: parse_number(text, &value, &rest);
	if (r < 0 || *rest != '\0' || value < key->min || value > key->max)
		return refuse_number(key, text, -EINVAL, error);
	*ret_value = value;
	return 0;
}

static int set_text(struct settings *s, const struct settings_key *key, const char *text,
		    struct conf_error *error)
{
	char *copy = NULL;

	if (*text != '\0') {
		if (strlen(text) > (size_t)key->max)
			return conf_refuse(error, -EINVAL, "too long: it has %zu bytes, and %lld are allowed",
					   strlen(text), (long long)key->max);
		if (key->type == SETTINGS_PATH && *text != '/')
			return conf_refuse(error, -EINVAL, "'%s' is not allowed: an absolute path", text);
		for (const char *p = text; *p; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				return conf_refuse(error, -EINVAL,
						   "a control character in it is not allowed");
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	free(*text_of(s, key));
	*text_of(s, key) = copy;
	return 0;
}

static int set_key(void *arg, const char *name, const char *value, struct conf_error *error)
{
	struct settings *s = arg;
	const struct settings_key *key = settings_find(name);

	for (size_t i = 0; i < ARRAY_SIZE(later_keys); i++)
		if (strcmp(name, later_keys[i]) == 0)
			return conf_refuse(error, -EINVAL,
					   "bandwidth limits are not in this version: remove the line");
	if (!key)
		return conf_refuse(error, -ENOENT, "unknown key; carbonfilesd.conf(5) names those there are");
	return is_text(key) ? set_text(s, key, value, error)
			    : settings_parse_number(key, value, number_of(s, key), error);
}

/* Moves what conf.c found into the caller's error. */
static int pass_error(struct settings_error *to, const char *file, const char *key, struct conf_error *from,
		      int r)
{
	if (r < 0 && to) {
		settings_error_done(to);
		to->file = file ? strdup(file) : NULL;
		to->line = from->line;
		to->key = from->key ? STEAL(from->key) : key ? strdup(key) : NULL;
		to->reason = from->reason ? STEAL(from->reason) : strdup(strerror(r > -1000 ? -r : EINVAL));
	}
	conf_error_done(from);
	return r;
}

int settings_set(struct settings *s, const char *key, const char *value, struct settings_error *error)
{
	struct conf_error why = {0};

	return pass_error(error, NULL, key, &why, set_key(s, key, value, &why));
}

char *settings_get(const struct settings *s, const char *name)
{
	const struct settings_key *key = settings_find(name);
	char *text = NULL;

	if (!key)
		return NULL;
	if (is_text(key))
		return strdup(*text_of(s, key) ? *text_of(s, key) : "");
	int64_t value = *number_of(s, key);
	if (key->type == SETTINGS_LEVEL)
		return strdup(log_level_name((enum log_level)value));
	if (key->type == SETTINGS_BYTES)
		return format_bytes(value);
	return asprintf(&text, "%lld", (long long)value) < 0 ? NULL : text;
}

/* ---- the file ---- */

static int check_together(const struct settings *s, struct conf_error *error)
{
	/* The cap is what ends waiting: below the waits it would make them never happen. */
	if (s->settle_cap_ms < s->settle_ms || s->settle_cap_ms < s->settle_open_ms)
		return conf_refuse(error, -EINVAL,
				   "settle_cap_ms (%lld) is below settle_ms (%lld) or settle_open_ms (%lld)",
				   (long long)s->settle_cap_ms, (long long)s->settle_ms,
				   (long long)s->settle_open_ms);
	return 0;
}

int settings_check(const struct settings *s, struct settings_error *error)
{
	struct conf_error why = {0};

	return pass_error(error, NULL, "settle_cap_ms", &why, check_together(s, &why));
}

static int parse_text(const char *text, size_t len, struct settings *ret_settings, struct conf_error *error)
{
	const char *keys[ARRAY_SIZE(settings_keys) + ARRAY_SIZE(later_keys) + 1];
	struct settings fresh;
	size_t n = 0;
	int r = settings_init(&fresh);

	for (size_t i = 0; i < settings_keys_count; i++)
		keys[n++] = settings_keys[i].name;
	for (size_t i = 0; i < ARRAY_SIZE(later_keys); i++)
		keys[n++] = later_keys[i];
	keys[n] = NULL;
	if (r == 0)
		r = conf_read(text, len, keys, "carbonfilesd.conf(5)", set_key, &fresh, error);
	if (r == 0)
		r = check_together(&fresh, error);
	if (r < 0) {
		settings_done(&fresh);
		return r;
	}
	*ret_settings = fresh;
	return 0;
}

int settings_load(const char *path, struct settings *s, struct settings_error *error)
{
	_cleanup_free_ char *text = NULL;
	struct settings fresh;
	struct conf_error why = {0};
	size_t len = 0;
	int r = fs_read_file(path, CONF_FILE_MAX, &text, &len);

	if (r == -EFBIG)
		r = conf_refuse(&why, r, "larger than %d bytes: it is not a settings file", CONF_FILE_MAX);
	else if (r == -EINVAL || r == -EISDIR)
		r = conf_refuse(&why, r, "not a regular file");
	if (r == 0 || r == -ENOENT)
		r = parse_text(text ? text : "", len, &fresh, &why);
	if (r < 0)
		return pass_error(error, path, NULL, &why, r);
	conf_error_done(&why);
	settings_done(s);
	*s = fresh;
	return 0;
}

static bool plain_word(const char *value)
{
	return *value && strspn(value, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") ==
				 strlen(value);
}

static int edited(const char *text, size_t len, const char *key, const char *value, char **ret_text,
		  size_t *ret_len)
{
	_cleanup_free_ char *quoted = value && !plain_word(value) ? conf_quote(value) : NULL;

	if (value && !plain_word(value) && !quoted)
		return -ENOMEM;
	return conf_edit(text, len, key, quoted ? quoted : value, ret_text, ret_len);
}

/* A file that is a link stays one: what it points to is replaced. */
static char *real_path(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : strdup(path);
}

int settings_persist(const char *path, const char *key, const char *value)
{
	_cleanup_free_ char *real = real_path(path), *text = NULL, *after = NULL;
	struct conf_error why = {0};
	struct settings result;
	struct stat st;
	size_t len = 0, after_len = 0;

	if (!settings_find(key))
		return -ENOENT;
	int r = real ? fs_read_file(real, CONF_FILE_MAX, &text, &len) : -ENOMEM;
	if (r == 0 || r == -ENOENT)
		r = edited(text ? text : "", len, key, value, &after, &after_len);
	/* Whatever the file looked like: what is written is read again as a whole first. */
	if (r == 0)
		r = parse_text(after, after_len, &result, &why);
	conf_error_done(&why);
	if (r < 0)
		return r;
	settings_done(&result);
	mode_t mode = stat(real, &st) == 0 ? st.st_mode & 0777 : 0600;
	return fs_write_file_atomic(real, after, after_len, mode);
}
