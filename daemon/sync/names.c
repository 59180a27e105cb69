/* Names: the encoding of local paths on the server. Lives here: the escape rule and its exact inverse. Not
 * here: percent-encoding for URLs (api/url.h), which knows nothing of local names. */
#include "sync/names.h"
#include "base/buf.h"
#include "base/utf8.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

#define ESCAPE_LEN 4 /* ~xHH */

/* Unicode's white space, as the server's runtime knows it: a component of nothing else is refused by it. */
static bool is_white_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
	       c == 0x3000;
}

/* Length of the first character if the component is white space only, else 0. */
static size_t white_space_only(const char *name, size_t len)
{
	size_t first = 0;

	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = utf8_next(name + i, len - i, &c);

		if (n == 0 || !is_white_space(c))
			return 0;
		if (i == 0)
			first = n;
		i += n;
	}
	return first;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* "~x" and two hex digits of either case. */
static bool looks_escaped(const char *s, size_t len)
{
	return len >= ESCAPE_LEN && s[0] == '~' && s[1] == 'x' && hex_value(s[2]) >= 0 &&
	       hex_value(s[3]) >= 0;
}

static int append_escaped(struct buf *b, const char *bytes, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		char escape[ESCAPE_LEN] = {'~', 'x', digits[c >> 4], digits[c & 15]};
		int r = buf_append(b, escape, ESCAPE_LEN);

		if (r < 0)
			return r;
	}
	return 0;
}

/* A component that stands for itself, as nearly all do: printable ASCII without what escapes are made of, not
 * all white space, and none of those that a disk has no place for. */
static bool is_plain(const char *name, size_t len)
{
	if (len == 0 || len > NAME_MAX || name[0] <= ' ' || (name[0] == '.' && len <= 2))
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] < ' ' || name[i] > '}' || name[i] == '\\')
			return false;
	return true;
}

static bool is_plain_path(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (!is_plain(path, len))
			return false;
		path += len;
		if (!*path)
			return true;
		path++;
	}
}

static int append_component(struct buf *b, const char *name, size_t len)
{
	if (is_plain(name, len))
		return buf_append(b, name, len);

	size_t i = white_space_only(name, len);
	int r = append_escaped(b, name, i);

	while (r >= 0 && i < len) {
		uint32_t c;
		size_t n = utf8_next(name + i, len - i, &c);

		if (n == 0 || name[i] == '\\' || looks_escaped(name + i, len - i)) {
			n = 1;
			r = append_escaped(b, name + i, 1);
		} else {
			r = buf_append(b, name + i, n);
		}
		i += n;
	}
	return r;
}

char *names_encode_component(const char *name, size_t len)
{
	_cleanup_buf_ struct buf b = {0};

	return append_component(&b, name, len) < 0 ? NULL : buf_steal(&b);
}

char *names_encode(const char *local_path)
{
	_cleanup_buf_ struct buf b = {0};

	for (;;) {
		size_t len = strcspn(local_path, "/");

		if (append_component(&b, local_path, len) < 0)
			return NULL;
		local_path += len;
		if (!*local_path)
			return buf_steal(&b);
		if (buf_append(&b, "/", 1) < 0)
			return NULL;
		local_path++;
	}
}

/* Appends what the component stands for; -EINVAL unless encoding gives the component back. scratch is only
 * there to be used again from one component to the next. */
static int decode_component(struct buf *b, struct buf *scratch, const char *name, size_t len)
{
	size_t start = b->len;

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len;) {
		bool escape = looks_escaped(name + i, len - i);
		char c = escape ? (char)(hex_value(name[i + 2]) << 4 | hex_value(name[i + 3])) : name[i];
		int r = buf_append(b, &c, 1);

		if (r < 0)
			return r;
		/* Neither survives a disk: '/' would make two components, NUL would end the path. */
		if (escape && (c == '/' || c == '\0'))
			return -EINVAL;
		i += escape ? ESCAPE_LEN : 1;
	}

	const char *local = b->data + start;
	size_t local_len = b->len - start;

	if ((local_len == 1 && local[0] == '.') || (local_len == 2 && local[0] == '.' && local[1] == '.'))
		return -EINVAL;
	scratch->len = 0;
	int r = append_component(scratch, local, local_len);

	if (r < 0)
		return r;
	if (scratch->len != len || memcmp(scratch->data, name, len) != 0)
		return -EINVAL;
	return local_len > NAME_MAX ? -ENAMETOOLONG : 0;
}

int names_decode(const char *remote_path, char **ret_local_path)
{
	_cleanup_buf_ struct buf b = {0}, scratch = {0};

	if (is_plain_path(remote_path) && strlen(remote_path) < PATH_MAX) {
		*ret_local_path = strdup(remote_path);
		return *ret_local_path ? 0 : -ENOMEM;
	}
	for (;;) {
		size_t len = strcspn(remote_path, "/");
		int r = decode_component(&b, &scratch, remote_path, len);

		if (r < 0)
			return r;
		remote_path += len;
		if (!*remote_path)
			break;
		r = buf_append(&b, "/", 1);
		if (r < 0)
			return r;
		remote_path++;
	}
	if (b.len >= PATH_MAX)
		return -ENAMETOOLONG;

	char *path = buf_steal(&b);

	if (!path)
		return -ENOMEM;
	*ret_local_path = path;
	return 0;
}

static size_t url_length(const char *path)
{
	size_t n = 0;

	for (; *path; path++) {
		bool raw = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') ||
			   (*path >= '0' && *path <= '9') || strchr("-._~/", *path);

		n += raw ? 1 : 3;
	}
	return n;
}

bool names_fits_url(const char *prefix, const char *remote_path)
{
	return url_length(prefix) + url_length(remote_path) <= NAMES_URL_MAX;
}

bool names_plain(const char *remote_path)
{
	for (; *remote_path; remote_path++)
		if (*remote_path < 0x20 || *remote_path > 0x7E)
			return false;
	return true;
}
