/* Private to this room: reading and changing files of `key = value` lines. libconfuse decodes the values;
 * what a file may look like is stricter here and checked first (known keys, once each, every string ended),
 * with the line and the key in each error. Loop's thread only: libconfuse keeps its scanner in globals. */
#pragma once
#include <stddef.h>

struct conf_error {
	int line;     /* 0: the file as a whole */
	char *key;    /* NULL: none */
	char *reason; /* NULL: out of memory */
};
void conf_error_done(struct conf_error *error);
/* Sets the reason; returns code. */
int conf_refuse(struct conf_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One key of a file, in the order of the file. To refuse it: conf_refuse; line and key are filled in. */
typedef int (*conf_cb)(void *arg, const char *key, const char *value, struct conf_error *error);

/* Files of ours are small; anything beyond is not one. */
#define CONF_FILE_MAX (1024 * 1024)

/* keys ends with NULL. -EINVAL: malformed. text is NUL-terminated. manual: named in the error for an unknown
 * key. */
int conf_read(const char *text, size_t len, const char *const *keys, const char *manual, conf_cb cb,
	      void *arg, struct conf_error *error);
/* The same for files with a secret in them, without libconfuse, which leaves copies of values in freed
 * memory. Values are decoded inside text, which the caller wipes; in double quotes only \\ and \" are escapes
 * and nothing is expanded. */
int conf_read_private(char *text, size_t len, const char *const *keys, const char *manual, conf_cb cb,
		      void *arg, struct conf_error *error);
/* The text with key = value in it: in the place of what it says there, behind a line that has the key
 * commented out, or at the end; value NULL takes the line out. Everything else stays as it is. Free
 * *ret_text. */
int conf_edit(const char *text, size_t len, const char *key, const char *value, char **ret_text,
	      size_t *ret_len);

/* 'value', with what must be escaped escaped: any bytes come back as they were. Free it; NULL: out of memory.
 */
char *conf_quote(const char *value);
/* The same behind what out holds; it does not move out if that has room for twice the value and two bytes. */
struct buf;
int conf_quote_to(struct buf *out, const char *value);
