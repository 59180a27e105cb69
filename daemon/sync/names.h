/* Names: how a local path is written on the server and back. Pure. Every name Linux allows can be carried: a
 * byte that the server would change or cannot hold becomes ~xHH (two upper-case hex digits): '\', bytes that
 * are not UTF-8, the bytes of the first character of a component made of white space only (Unicode's), and
 * the '~' of a local name that contains "~x" and two hex digits of either case, so that decoding is exact.
 * Encoding is by component, so whole encoded paths sort as the server's listing does. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* The longest encoded path (prefix included) that fits a request line: the server cuts it at 8,192 bytes, the
 * rest is for method, base path, bucket id and version. The same number as URL_PATH_MAX of api/url.h. */
#define NAMES_URL_MAX 7500

/* Free the result. NULL: out of memory. name: one component, not empty, "." or ".." */
char *names_encode_component(const char *name, size_t len);
/* A relative path with single slashes. */
char *names_encode(const char *local_path);
/* The exact inverse: succeeds only if names_encode would turn the result into remote_path again, so that two
 * remote names never stand for one local name. -EINVAL: an empty, "." or ".." component (and so a leading,
 * trailing or doubled slash), an escape that encoding would never make (~x41 for 'A', ~x5c in lower case,
 * ~x2F, ~x00), or a byte that encoding never leaves (a backslash). Such a name cannot be carried and is
 * listed as skipped; a '~' that begins no escape is an ordinary byte. -ENAMETOOLONG: a component over 255 or
 * a path over 4095 bytes on disk. -ENOMEM. */
int names_decode(const char *remote_path, char **ret_local_path);
/* Does prefix + remote_path (the whole stored path), percent-encoded, fit a request line of the server? */
bool names_fits_url(const char *prefix, const char *remote_path);
/* Can PUT carry it (all bytes 0x20-0x7E)? */
bool names_plain(const char *remote_path);
