/* Names: how a local path is written on the server and back. Pure. Every name Linux allows can be carried: a
 * byte that the server would change or cannot hold becomes ~xHH (two upper-case hex digits): '\', bytes that
 * are not UTF-8, the bytes of the first character of a component made of white space only (Unicode's), and
 * the '~' of a local name that contains "~x" and two hex digits of either case, so that decoding is exact.
 * Encoding is by component, so whole encoded paths sort as the server's listing does. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Free the result. NULL: out of memory. name: one component, not empty, "." or ".." */
char *names_encode_component(const char *name, size_t len);
/* A relative path with single slashes. */
char *names_encode(const char *local_path);
/* Only what names_encode can have made, or a plain remote name a disk can hold: 0; -EINVAL: empty, "." or
 * ".." component, NUL, leading or trailing slash, or an escape that encoding would never make (it is then
 * decoded nowhere: the name stands as it is); -ENAMETOOLONG: a component over 255 or a path over 4095 bytes.
 */
int names_decode(const char *remote_path, char **ret_local_path);
/* Does the encoded path fit a request line of the server (URL_PATH_MAX of encoded bytes, whole stored path
 * with the pair's prefix)? */
bool names_fits_url(const char *prefix, const char *remote_path);
/* Can PUT carry it (all bytes 0x20-0x7E)? */
bool names_plain(const char *remote_path);
