/*
 * Parsing of Content-Disposition: see disposition.h. `filename` wins over `filename*`; backslashes in quoted
 * strings are not undone; "=?utf-8?B?…?=" is decoded.
 */
#include "disposition.h"

#include <openssl/evp.h>
#include <string.h>

void disposition_done(struct disposition *d)
{
	buf_done(&d->name);
	buf_done(&d->filename);
}

static bool is_token_char(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static struct span take_token(struct span *s)
{
	struct span token = {s->p, 0};

	while (token.n < s->n && is_token_char(s->p[token.n]))
		token.n++;
	s->p += token.n;
	s->n -= token.n;
	return token;
}

static void skip_blanks(struct span *s)
{
	while (s->n && (s->p[0] == ' ' || s->p[0] == '\t'))
		s->p++, s->n--;
}

/* Takes "…" with its quotes; a backslash hides what follows it from being the end. */
static bool take_quoted(struct span *s, struct span *ret)
{
	for (size_t i = 1; i < s->n; i++) {
		if (s->p[i] == '\\') {
			i++;
		} else if (s->p[i] == '"') {
			*ret = (struct span){s->p, i + 1};
			s->p += i + 1;
			s->n -= i + 1;
			return true;
		}
	}
	return false;
}

/* =?utf-8?B?…?= ; false: it is not one. */
static bool decode_word(struct span s, struct buf *ret)
{
	if (s.n < 12 || !span_eq_ci((struct span){s.p, 10}, SPAN("=?utf-8?B?")) ||
	    memcmp(s.p + s.n - 2, "?=", 2) != 0)
		return false;
	struct span text = {s.p + 10, s.n - 12};
	if (text.n % 4 || text.n > INT32_MAX)
		return false;
	_cleanup_free_ unsigned char *bytes = malloc(text.n + 1);
	if (!bytes)
		return false;
	int n = EVP_DecodeBlock(bytes, (const unsigned char *)text.p, (int)text.n);
	for (size_t i = text.n; n > 0 && i > 0 && text.p[i - 1] == '='; i--)
		n--;
	if (n < 0)
		return false;
	utf8_add_repaired(ret, (struct span){(const char *)bytes, (size_t)n});
	return true;
}

static void add_plain(struct buf *ret, struct span value)
{
	if (value.n >= 2 && value.p[0] == '"') {
		value = (struct span){value.p + 1, value.n - 2};
		if (decode_word(value, ret))
			return;
	}
	utf8_add_repaired(ret, value);
}

/* CHARSET'LANGUAGE'PERCENT-ENCODED of RFC 5987. */
static bool add_extended(struct buf *ret, struct span value)
{
	_cleanup_buf_ struct buf bytes = {0};
	const char *first = memchr(value.p, '\'', value.n);
	const char *second = first ? memchr(first + 1, '\'', value.n - (size_t)(first + 1 - value.p)) : NULL;

	if (!second)
		return false;
	struct span charset = {value.p, (size_t)(first - value.p)};
	struct span text = {second + 1, value.n - (size_t)(second + 1 - value.p)};
	bool latin1 = span_eq_ci(charset, SPAN("iso-8859-1"));
	if (memchr(text.p, '\'', text.n) || (!latin1 && !span_eq_ci(charset, SPAN("utf-8"))))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '%' && text.n - i >= 3 && hex_digit(text.p[i + 1]) >= 0 &&
		    hex_digit(text.p[i + 2]) >= 0) {
			buf_addc(&bytes, (char)(hex_digit(text.p[i + 1]) * 16 + hex_digit(text.p[i + 2])));
			i += 2;
		} else {
			buf_addc(&bytes, text.p[i]);
		}
	}
	if (!latin1) {
		utf8_add_repaired(ret, buf_span(&bytes));
		return true;
	}
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];
		if (c >= 0x80)
			buf_addc(ret, (char)(0xc0 | c >> 6));
		buf_addc(ret, (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
	}
	return true;
}

bool disposition_parse(struct span s, struct disposition *ret)
{
	_cleanup_buf_ struct buf extended = {0};
	bool has_extended = false;

	*ret = (struct disposition){0};
	skip_blanks(&s);
	if (take_token(&s).n == 0)
		return false;
	for (skip_blanks(&s); s.n; skip_blanks(&s)) {
		if (s.p[0] != ';')
			return false;
		s.p++, s.n--;
		skip_blanks(&s);
		if (s.n == 0)
			break;
		struct span name = take_token(&s), value = {"", 0};
		skip_blanks(&s);
		if (name.n == 0)
			return false;
		bool valued = s.n && s.p[0] == '=';
		if (valued) {
			s.p++, s.n--;
			skip_blanks(&s);
			if (s.n && s.p[0] == '"') {
				if (!take_quoted(&s, &value))
					return false;
			} else {
				value = take_token(&s);
			}
		}
		if (!valued) /* a bare name says nothing */
			continue;
		if (span_eq_ci(name, SPAN("name")) && !ret->has_name) {
			ret->has_name = true;
			add_plain(&ret->name, value);
		} else if (span_eq_ci(name, SPAN("filename")) && !ret->has_filename) {
			ret->has_filename = true;
			add_plain(&ret->filename, value);
		} else if (span_eq_ci(name, SPAN("filename*")) && !has_extended) {
			has_extended = add_extended(&extended, value);
		}
	}
	if (!ret->has_filename && has_extended) {
		ret->has_filename = true;
		buf_addspan(&ret->filename, buf_span(&extended));
	}
	return !ret->name.failed && !ret->filename.failed && !extended.failed;
}
