/*
 * Decoding of targets: see target.h.
 */
#include "target.h"

#include <string.h>

/* The byte that %XX at s[i] stands for, -1 if there is no escape. */
static int escaped_byte(struct span s, size_t i)
{
	if (i + 2 >= s.n || s.p[i] != '%')
		return -1;
	int high = hex_digit(s.p[i + 1]), low = hex_digit(s.p[i + 2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Decodes the escapes at s[i] that make one character; the number of input bytes used, 0: leave the `%`
 * alone. */
static size_t decode_character(struct buf *b, struct span s, size_t i, bool keep_slash)
{
	char bytes[4];
	size_t n = 0;

	for (; n < sizeof(bytes); n++) {
		int byte = escaped_byte(s, i + 3 * n);
		if (byte < 0)
			break;
		bytes[n] = (char)byte;
	}
	size_t len = utf8_sequence(bytes, n);
	if (len == 0 || (keep_slash && bytes[0] == '/'))
		return 0;
	buf_add(b, bytes, len);
	return 3 * len;
}

void target_decode(struct buf *b, struct span s, bool keep_slash, bool plus)
{
	for (size_t i = 0; i < s.n;) {
		size_t used = s.p[i] == '%' ? decode_character(b, s, i, keep_slash) : 0;
		if (used == 0) {
			buf_addc(b, plus && s.p[i] == '+' ? ' ' : s.p[i]);
			used = 1;
		}
		i += used;
	}
}

void target_resolve_dots(struct buf *path)
{
	size_t out = 0;

	for (size_t i = 0; i < path->n;) {
		/* i is at a slash: what follows up to the next one is a segment. */
		size_t end = i + 1;
		while (end < path->n && path->p[end] != '/')
			end++;
		struct span segment = {path->p + i + 1, end - i - 1};
		bool last = end == path->n;
		if (span_eq(segment, SPAN("."))) {
			if (last)
				path->p[out++] = '/';
		} else if (span_eq(segment, SPAN(".."))) {
			while (out > 0 && path->p[out - 1] != '/')
				out--;
			if (out > 0)
				out--;
			if (last)
				path->p[out++] = '/';
		} else {
			memmove(path->p + out, path->p + i, end - i);
			out += end - i;
		}
		i = end;
	}
	path->n = out;
	path->p[out] = 0;
}

bool target_split(struct span target, struct buf *ret_path, struct span *ret_query)
{
	const char *mark = memchr(target.p, '?', target.n);
	struct span path = {target.p, mark ? (size_t)(mark - target.p) : target.n};

	*ret_query = mark ? (struct span){mark + 1, target.n - path.n - 1} : (struct span){"", 0};
	target_decode(ret_path, path, true, false);
	if (ret_path->failed || ret_path->n == 0 || memchr(ret_path->p, 0, ret_path->n))
		return false;
	if (ret_path->p[0] == '/')
		target_resolve_dots(ret_path);
	return true;
}

static bool next_pair(struct span *query, struct span *ret_name, struct span *ret_value)
{
	if (query->n == 0)
		return false;
	const char *amp = memchr(query->p, '&', query->n);
	struct span pair = {query->p, amp ? (size_t)(amp - query->p) : query->n};
	size_t step = amp ? pair.n + 1 : pair.n;
	query->p += step;
	query->n -= step;
	const char *equals = memchr(pair.p, '=', pair.n);
	ret_name->p = pair.p;
	ret_name->n = equals ? (size_t)(equals - pair.p) : pair.n;
	*ret_value = equals ? (struct span){equals + 1, pair.n - ret_name->n - 1} : (struct span){"", 0};
	return true;
}

static bool get_values(struct span query, const char *name, bool all, struct buf *b)
{
	struct span raw_name, raw_value;
	bool found = false;

	while (next_pair(&query, &raw_name, &raw_value)) {
		_cleanup_buf_ struct buf decoded = {0};
		target_decode(&decoded, raw_name, false, true);
		if (!span_eq_ci(buf_span(&decoded), span_of(name)))
			continue;
		if (found)
			buf_addc(b, ',');
		buf_reserve(b, raw_value.n);
		target_decode(b, raw_value, false, true);
		found = true;
		if (!all)
			break;
	}
	return found;
}

bool query_get(struct span query, const char *name, struct buf *b)
{
	return get_values(query, name, true, b);
}

bool query_get_first(struct span query, const char *name, struct buf *b)
{
	return get_values(query, name, false, b);
}

bool query_int32(struct span query, const char *name, int32_t fallback, int32_t *ret)
{
	_cleanup_buf_ struct buf value = {0};

	if (!query_get(query, name, &value) || value.n == 0) {
		*ret = fallback;
		return true;
	}
	return parse_int32(buf_span(&value), ret);
}

bool query_bool(struct span query, const char *name, bool fallback, bool *ret)
{
	_cleanup_buf_ struct buf value = {0};

	if (!query_get(query, name, &value) || value.n == 0) {
		*ret = fallback;
		return true;
	}
	struct span text = span_trim(buf_span(&value));
	*ret = span_eq_ci(text, SPAN("true"));
	return *ret || span_eq_ci(text, SPAN("false"));
}

void target_encode(struct buf *b, struct span s, bool keep_slashes)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (c && strchr("-._~", c)) || (keep_slashes && c == '/'))
			buf_addc(b, c);
		else
			buf_addf(b, "%%%02X", (unsigned char)c);
	}
}
