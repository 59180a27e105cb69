/* The encoders of url.h, and what may be put into them. */
#include "api/url.h"
#include "base/utf8.h"
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
