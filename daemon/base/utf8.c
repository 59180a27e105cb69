/* UTF-8 decoding by the table of well-formed byte sequences in the Unicode standard (table 3-7). */
#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

size_t utf8_next(const char *bytes, size_t len, uint32_t *ret_code_point)
{
	const uint8_t *s = (const uint8_t *)bytes;
	uint8_t low = 0x80, high = 0xBF; /* what the second byte may be */
	size_t n;
	uint32_t c;

	if (len == 0)
		return 0;
	if (s[0] < 0x80) {
		if (ret_code_point)
			*ret_code_point = s[0];
		return 1;
	}
	if (s[0] >= 0xC2 && s[0] <= 0xDF) {
		n = 2;
		c = s[0] & 0x1F;
	} else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
		n = 3;
		c = s[0] & 0x0F;
		if (s[0] == 0xE0)
			low = 0xA0; /* overlong below */
		else if (s[0] == 0xED)
			high = 0x9F; /* surrogates above */
	} else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
		n = 4;
		c = s[0] & 0x07;
		if (s[0] == 0xF0)
			low = 0x90; /* overlong below */
		else if (s[0] == 0xF4)
			high = 0x8F; /* beyond U+10FFFF above */
	} else {
		return 0;
	}
	if (len < n || s[1] < low || s[1] > high)
		return 0;
	c = c << 6 | (s[1] & 0x3F);
	for (size_t i = 2; i < n; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3F);
	}
	if (ret_code_point)
		*ret_code_point = c;
	return n;
}

bool utf8_valid(const char *bytes, size_t len)
{
	while (len > 0) {
		/* Runs of ASCII, eight bytes at a time: nearly all that comes by. */
		uint64_t word;
		while (len >= sizeof(word)) {
			memcpy(&word, bytes, sizeof(word));
			if (word & UINT64_C(0x8080808080808080))
				break;
			bytes += sizeof(word);
			len -= sizeof(word);
		}
		if (len == 0)
			break;
		size_t n = utf8_next(bytes, len, NULL);
		if (n == 0)
			return false;
		bytes += n;
		len -= n;
	}
	return true;
}

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3F));
		out[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3F));
	out[2] = (char)(0x80 | (c >> 6 & 0x3F));
	out[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

char *utf8_just_below(const char *text)
{
	size_t len = strlen(text), start = len;

	while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0)
		start--;

	uint32_t c = 0;
	char *out = malloc(len + 9);

	if (!out)
		return NULL;
	memcpy(out, text, start);
	if (utf8_next(text + start, len - start, &c) && c > 1) {
		c = c == 0xE000 ? 0xD7FF : c - 1;
		start += put_utf8(out + start, c);
		start += put_utf8(out + start, 0x10FFFF);
	}
	out[start] = '\0';
	return out;
}
