/* The encoders of url.h, and what may be put into them. */
#include "api/url.h"
#include "base/utf8.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

#define ID_MAX 64

static bool is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

static int append_encoded(struct buf *b, const char *text, const char *raw)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t len = strlen(text);
	int r = buf_reserve(b, len * 3);

	if (r < 0)
		return r;
	char *out = b->data + b->len;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (is_unreserved(c) || strchr(raw, c)) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = digits[c >> 4];
		*out++ = digits[c & 15];
	}
	b->len = (size_t)(out - b->data);
	return 0;
}

int url_append_path(struct buf *b, const char *path)
{
	return append_encoded(b, path, "/");
}

int url_append_query(struct buf *b, const char *value)
{
	return append_encoded(b, value, "");
}

int url_append_ext_value(struct buf *b, const char *value)
{
	int r = buf_append_str(b, "UTF-8''");

	return r < 0 ? r : append_encoded(b, value, "");
}

/* What the server (.NET) takes for white space. */
static bool is_white(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
	       c == 0x3000;
}

/* One component of len bytes; adds its encoded length. */
static int check_component(const char *component, size_t len, size_t *encoded)
{
	bool white = true;

	if (len == 0 || (len == 1 && component[0] == '.') || (len == 2 && memcmp(component, "..", 2) == 0))
		return -EINVAL;
	for (size_t i = 0; i < len;) {
		uint32_t c = 0;
		size_t n = utf8_next(component + i, len - i, &c);
		if (n == 0 || c == '\\')
			return -EINVAL;
		white = white && is_white(c);
		*encoded += n > 1 ? 3 * n : is_unreserved((unsigned char)c) ? 1 : 3;
		i += n;
	}
	return white ? -EINVAL : 0;
}

int url_path_check(const char *path)
{
	size_t encoded = 0;

	for (;;) {
		size_t len = strcspn(path, "/");
		int r = check_component(path, len, &encoded);
		if (r < 0)
			return r;
		if (path[len] == '\0')
			break;
		encoded++;
		path += len + 1;
	}
	return encoded > URL_PATH_MAX ? -ENAMETOOLONG : 0;
}

bool url_id_valid(const char *id)
{
	size_t len = strlen(id);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)id[i];
		if (!is_unreserved(c) || c == '-' || c == '.' || c == '_' || c == '~')
			return false;
	}
	return len >= 1 && len <= ID_MAX;
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* Undone once; -EINVAL for half an escape and what no path can hold. */
static int decode(const char *text, size_t len, char **ret_decoded)
{
	_cleanup_free_ char *out = malloc(len + 1);
	size_t n = 0;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		out[n] = text[i];
		if (text[i] == '%') {
			int high = i + 2 < len ? hex_value(text[i + 1]) : -1;
			int low = high >= 0 ? hex_value(text[i + 2]) : -1;
			if (low < 0 || (high == 0 && low == 0))
				return -EINVAL;
			out[n] = (char)(high << 4 | low);
			i += 2;
		}
		n++;
	}
	out[n] = '\0';
	if (n == 0 || !utf8_valid(out, n))
		return -EINVAL;
	*ret_decoded = STEAL(out);
	return 0;
}

int url_parse_content(const char *url, char **ret_bucket, char **ret_path)
{
	static const char buckets[] = "/api/buckets/", files[] = "/files/", content[] = "/content";
	_cleanup_free_ char *bucket = NULL, *path = NULL;
	const char *id = strstr(url, buckets);

	if (!id)
		return -EINVAL;
	id += strlen(buckets);
	size_t id_len = strcspn(id, "/?#");
	if (strncmp(id + id_len, files, strlen(files)) != 0)
		return -EINVAL;
	const char *start = id + id_len + strlen(files);
	size_t len = strcspn(start, "?#");
	if (len <= strlen(content) || memcmp(start + len - strlen(content), content, strlen(content)) != 0)
		return -EINVAL;
	bucket = strndup(id, id_len);
	if (!bucket)
		return -ENOMEM;
	int r = url_id_valid(bucket) ? decode(start, len - strlen(content), &path) : -EINVAL;
	if (r < 0)
		return r;
	*ret_bucket = STEAL(bucket);
	*ret_path = STEAL(path);
	return 0;
}
