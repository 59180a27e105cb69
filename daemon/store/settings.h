/* carbonfilesd.conf: one table of keys gives name, type, default, range, whether a pair may set it too,
 * whether a restart is needed, and a line of documentation. A file is taken whole or not at all: an unknown
 * key, a wrong type or a value out of range is refused with file, line, key and what is allowed. */
#pragma once
#include "base/log.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings {
	int64_t settle_ms, settle_open_ms, settle_cap_ms;
	int64_t delete_settle_ms;
	int64_t doubt_seconds;
	int64_t rescan_seconds, poll_seconds;
	int64_t batch_file_bytes;
	int64_t max_deletes, max_delete_percent;
	int64_t rescue_bytes;
	int64_t history_days, history_bytes;
	int64_t expire_warn_days;
	char *ca_file;     /* NULL: the system's */
	char *proxy;       /* NULL: the environment's */
	char *listen;      /* NULL: the default socket path */
	int64_t log_level; /* enum log_level */
};

enum settings_type {
	SETTINGS_INT,
	SETTINGS_BYTES /* 64K, 1M, 2G or plain */,
	SETTINGS_STRING,
	SETTINGS_LEVEL,
	SETTINGS_PATH /* a string that is an absolute path */
};

struct settings_key {
	const char *name;
	enum settings_type type;
	size_t offset; /* in struct settings */
	int64_t value; /* default */
	int64_t min, max;
	bool per_pair;
	bool restart; /* takes effect only after a restart */
	const char *doc;
};
extern const struct settings_key settings_keys[];
extern const size_t settings_keys_count;
const struct settings_key *settings_find(const char *name); /* NULL: no such key */

struct settings_error {
	char *file;
	int line;     /* 0: not known */
	char *key;    /* NULL: the file as a whole */
	char *reason; /* what is wrong and what is allowed */
};
void settings_error_done(struct settings_error *error);

int settings_init(struct settings *s); /* defaults; -ENOMEM */
void settings_done(struct settings *s);
int settings_copy(const struct settings *from, struct settings *to);
/* A missing file gives the defaults. Failure leaves *s as it was. */
int settings_load(const char *path, struct settings *s, struct settings_error *error);
/* One key from text. -ENOENT unknown key, -EINVAL bad value; *s is unchanged then. "" takes a string back to
 * its default. What two keys must be together (settle_cap_ms) is settings_check's. */
int settings_set(struct settings *s, const char *key, const char *value, struct settings_error *error);
int settings_check(const struct settings *s, struct settings_error *error); /* settings_load has done it */
/* A number of a key that a pair may set too, from text. */
struct conf_error;
int settings_parse_number(const struct settings_key *key, const char *text, int64_t *ret_value,
			  struct conf_error *error);
/* As settings_set takes it; free it. NULL: no such key, or out of memory. */
char *settings_get(const struct settings *s, const char *key);
/* Writes key = value into the file, keeping everything else of it as it is. value NULL removes the line.
 * -EINVAL: the file is malformed, or would be. */
int settings_persist(const char *path, const char *key, const char *value);
/* "512K" -> bytes; -EINVAL, -ERANGE. */
int settings_parse_bytes(const char *text, int64_t *ret_bytes);
