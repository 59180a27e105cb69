/* The log: to the journal with structured fields when stderr is the journal, else plain lines on stderr.
 * Strings from outside are quoted and their control characters escaped here, so no caller needs to. Never
 * pass a secret or a body. Thread-safe. */
#pragma once
#include "base/util.h"
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* A structured field of a line: NAME is a journal field ("PAIR", "BUCKET", "CF_PATH", "PROFILE", "URL",
 * "ERRNO"). A NULL value is left out. On stderr the fields follow the text as name=value. */
struct log_field {
	const char *name;
	const char *value;
};
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {NULL, NULL}})
#define LOG_PAIR(v)                                                                                          \
	{                                                                                                    \
		"PAIR", (v)                                                                                  \
	}
#define LOG_BUCKET(v)                                                                                        \
	{                                                                                                    \
		"BUCKET", (v)                                                                                \
	}
#define LOG_PATH(v)                                                                                          \
	{                                                                                                    \
		"CF_PATH", (v)                                                                               \
	}
#define LOG_PROFILE(v)                                                                                       \
	{                                                                                                    \
		"PROFILE", (v)                                                                               \
	}

void log_init(void); /* looks at $JOURNAL_STREAM */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
const char *log_level_name(enum log_level level);                 /* "error" "warning" "info" "debug" */
int log_level_parse(const char *name, enum log_level *ret_level); /* -EINVAL */

/* fields may be NULL; ends with {NULL, NULL}. */
void log_write(enum log_level level, const struct log_field *fields, const char *format, ...) _printf_(3, 4);

#define log_error(...) log_write(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
/* One message for each line of text, which may be NULL. */
void log_warning_lines(const char *text);
#define log_warning(...) log_write(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_debug(...)                                                                                       \
	do {                                                                                                 \
		if (log_get_level() >= LOG_LEVEL_DEBUG)                                                      \
			log_write(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__);                                       \
	} while (0)

/* A printable copy of outside bytes: control characters, quotes, backslash and bytes that are not UTF-8 as
 * \xHH. Free it. NULL when out of memory. */
char *log_quote(const char *bytes, size_t len);
