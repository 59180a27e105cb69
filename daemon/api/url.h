/* One encoder per URL position. Pure. */
#pragma once
#include "base/buf.h"
#include <stdbool.h>

/* The server cuts request lines at 8,192 bytes; room is left for method, base path, ids and version. */
#define URL_PATH_MAX 7500

/* Whole stored path, each segment encoded to unreserved characters, slashes raw. */
int url_append_path(struct buf *b, const char *path);
/* A value in a query: everything but unreserved characters encoded, space as %20. */
int url_append_query(struct buf *b, const char *value);
/* ext-value of RFC 5987 for filename*: UTF-8''… */
int url_append_ext_value(struct buf *b, const char *value);
/* No empty, "." or ".." component, no leading or trailing slash, no backslash, no white-space-only component,
 * valid UTF-8, and encoded not longer than URL_PATH_MAX: 0, else -EINVAL (-ENAMETOOLONG). The server would
 * resolve ".." and a DELETE of it deletes the bucket. */
int url_path_check(const char *path);
bool url_id_valid(const char *id); /* bucket ids, codes: letters and digits, 1-64 */
/* Bucket and path out of the URL of a file's bytes, relative or of any host, percent-escapes undone: 0,
 * -EINVAL (nothing of the kind), -ENOMEM. Free both. */
int url_parse_content(const char *url, char **ret_bucket, char **ret_path);
