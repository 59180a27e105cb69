/*
 * The two JSON encoders and a writer without a tree: see json_out.h.
 */
#include "json_out.h"

#include <string.h>

static void add_escaped_unit(struct buf *b, uint32_t unit)
{
	buf_addf(b, "\\u%04X", (unsigned)unit);
}

static void add_escaped(struct buf *b, uint32_t c)
{
	if (c < 0x10000) {
		add_escaped_unit(b, c);
		return;
	}
	c -= 0x10000;
	add_escaped_unit(b, 0xd800 + (c >> 10));
	add_escaped_unit(b, 0xdc00 + (c & 0x3ff));
}

static bool stays_as_it_is(uint32_t c, enum json_encoder encoder)
{
	if (c < 0x20 || c == 0x7f)
		return false;
	if (encoder == JSON_STRICT)
		return c < 0x7f && !strchr("\"&'+<>`\\", (int)c);
	/* Control and private characters, blanks other than the space and what is beyond the BMP are escaped
	 * even here. */
	return !(c >= 0x80 && c <= 0x9f) && !(c > 0x20 && utf8_is_space(c)) &&
	       !(c >= 0xe000 && c <= 0xf8ff) && c != 0xfeff && c < 0xfffe;
}

static bool add_short_escape(struct buf *b, uint32_t c, enum json_encoder encoder)
{
	static const char names[] = "\b\t\n\f\r\\";
	static const char letters[] = "btnfr\\";
	const char *at = c && c < 0x80 ? strchr(names, (int)c) : NULL;

	if (at) {
		buf_addc(b, '\\');
		buf_addc(b, letters[at - names]);
		return true;
	}
	if (c == '"' && encoder == JSON_RELAXED) {
		buf_adds(b, "\\\"");
		return true;
	}
	return false;
}

void json_string(struct buf *b, struct span s, enum json_encoder encoder)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_sequence(s.p + i, s.n - i);
		uint32_t c = len ? utf8_decode(s.p + i, len) : 0xfffd;
		if (len == 0)
			len = 1;
		if (c != '"' && c != '\\' && c != 0xfffd && stays_as_it_is(c, encoder))
			buf_add(b, s.p + i, len);
		else if (c == 0xfffd && encoder == JSON_RELAXED)
			buf_adds(b, "\xef\xbf\xbd");
		else if (!add_short_escape(b, c, encoder))
			add_escaped(b, c);
		i += len;
	}
	buf_addc(b, '"');
}

void json_open(struct buf *b, char bracket)
{
	buf_addc(b, bracket);
}

void json_close(struct buf *b, char bracket)
{
	buf_addc(b, bracket);
}

void json_comma(struct buf *b)
{
	if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[')
		buf_addc(b, ',');
}

void json_key(struct buf *b, const char *key)
{
	json_comma(b);
	buf_addc(b, '"');
	buf_adds(b, key);
	buf_add(b, "\":", 2);
}

void json_add_text(struct buf *b, const char *key, struct span value)
{
	json_key(b, key);
	json_string(b, value, JSON_RELAXED);
}

void json_add_int(struct buf *b, const char *key, int64_t value)
{
	char digits[24], *p = digits + sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		*--p = '-';
	json_key(b, key);
	buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

void json_add_bool(struct buf *b, const char *key, bool value)
{
	json_key(b, key);
	buf_adds(b, value ? "true" : "false");
}

void json_add_time(struct buf *b, const char *key, int64_t ticks, bool with_zone)
{
	json_key(b, key);
	buf_addc(b, '"');
	time_format(b, ticks, with_zone);
	buf_addc(b, '"');
}
