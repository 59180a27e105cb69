/* Private to this room: directories of NAME.conf files (pairs, profiles), read with suspicion: no link is
 * followed, nothing that others may write is believed. */
#pragma once
#include "store/conf.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONFDIR_NAME_MAX 64
/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
bool confdir_name_valid(const char *name);
/* dir/NAME.conf; free it. */
char *confdir_path(const char *dir, const char *name);

/* The names of dir's .conf files, sorted; no directory: none. Names that are not allowed are left out and
 * said in warnings. Free each and the list. */
int confdir_list(const char *dir, char ***ret_names, size_t *ret_n, char **warnings);
void confdir_names_free(char **names, size_t n);

/* The whole file, NUL-terminated, in one allocation of its size (so that a secret in it is in one place).
 * Refused with words: a link, something that is no file, of another owner, with mode bits of forbidden,
 * larger than CONF_FILE_MAX. */
int confdir_read(const char *path, mode_t forbidden, char **ret_text, size_t *ret_len,
		 struct conf_error *error);

/* Adds "PATH:LINE: KEY: REASON" as a line. */
void confdir_warn(char **warnings, const char *path, const struct conf_error *error, int code);

/* Unlinks and makes that durable. -ENOENT. */
int confdir_unlink(const char *dir, const char *path);
int confdir_sync(const char *dir);
