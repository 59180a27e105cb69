/* Local paths on their way to the daemon: absolute, and encoded so that any bytes fit into JSON. */
#pragma once
#include "cfctl/ctl.h"

bool path_is_utf8(const char *text);
/* Bytes that are not UTF-8 as ~xHH, and a "~" that would read as the beginning of such a thing as ~x7E. Yours
 * to free; NULL when out of memory. */
char *path_encode(const char *path);
/* The bytes that path_encode made this of; itself when it is nothing that path_encode makes. Yours to free;
 * NULL when out of memory. */
char *path_decode(const char *path);
/* Absolute and encoded: symbolic links, "." and ".." in it resolved, in its last component only if
 * resolve_last. What cannot be resolved is only made absolute: the daemon says what is wrong with it. NULL:
 * out of memory. */
char *path_absolute(const char *path, bool resolve_last);
/* A path of a pair as the daemon names it: relative to the pair's directory. An absolute word must lie below
 * that directory. *ret_path is yours to free. An exit code. */
int path_of_pair(struct ctl *ctl, const char *pair, const char *word, char **ret_path);
