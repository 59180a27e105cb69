/* The gate for JSON from outside: one pass over the bytes that checks the grammar of RFC 8259 and every limit
 * of json.h without allocating; json_tree.c then makes the tree and can no longer be surprised. json-c's own
 * parser lets NaN, control characters, single quotes, lone surrogates, encoded NULs and clamped integers
 * through. */
#include "libcfipc/varlink/json_tree.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

/* Below this power of ten every double is finite. */
#define EXPONENT_MAX 308

struct scan {
	const char *start, *p, *end;
	unsigned containers, values;
	size_t longest; /* string, as written */
	const char *why;
};

static int bad(struct scan *s, int code, const char *why)
{
	s->why = why;
	return code;
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static bool is_digit(const struct scan *s)
{
	return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

/* Length of the UTF-8 sequence at p (2 to 4), 0 if it is not one. */
static size_t utf8_length(const unsigned char *p, size_t len)
{
	size_t n = p[0] >= 0xC2 && p[0] <= 0xDF   ? 2
		   : (p[0] & 0xF0) == 0xE0        ? 3
		   : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
						  : 0;

	if (n == 0 || len < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, beyond U+10FFFF: all visible in the second byte. */
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
	    (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return n;
}

/* The four digits after \u. */
static int scan_hex4(struct scan *s, unsigned *ret_unit)
{
	unsigned unit = 0;

	if (s->end - s->p < 4)
		return bad(s, -EBADMSG, "a cut \\u escape");
	for (int i = 0; i < 4; i++) {
		char c = *s->p++;
		unsigned digit;
		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (unsigned)((c | 0x20) - 'a') + 10;
		else
			return bad(s, -EBADMSG, "a bad \\u escape");
		unit = unit << 4 | digit;
	}
	*ret_unit = unit;
	return 0;
}

/* Behind "\u". */
static int scan_unicode_escape(struct scan *s)
{
	unsigned unit, low;
	int r = scan_hex4(s, &unit);

	if (r < 0)
		return r;
	if (unit == 0)
		return bad(s, -EBADMSG, "a NUL in a string");
	if (unit < 0xD800 || unit > 0xDFFF)
		return 0;
	if (unit > 0xDBFF || s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u')
		return bad(s, -EBADMSG, "half of a surrogate pair");
	s->p += 2;
	r = scan_hex4(s, &low);
	if (r < 0)
		return r;
	return low >= 0xDC00 && low <= 0xDFFF ? 0 : bad(s, -EBADMSG, "half of a surrogate pair");
}

static int scan_string(struct scan *s)
{
	const char *start = ++s->p; /* behind the quote */

	while (s->p < s->end) {
		unsigned char c = (unsigned char)*s->p;
		if (c == '"') {
			size_t len = (size_t)(s->p++ - start);

			if (len > s->longest)
				s->longest = len;
			return 0;
		}
		if (c < 0x20)
			return bad(s, -EBADMSG, "a control character in a string");
		if (c >= 0x80) {
			size_t n = utf8_length((const unsigned char *)s->p, (size_t)(s->end - s->p));
			if (n == 0)
				return bad(s, -EBADMSG, "not UTF-8");
			s->p += n;
			continue;
		}
		s->p++;
		if (c != '\\')
			continue;
		if (s->p == s->end)
			break;
		c = (unsigned char)*s->p++;
		if (c == 'u') {
			int r = scan_unicode_escape(s);
			if (r < 0)
				return r;
		} else if (!strchr("\"\\/bfnrt", c) || c == '\0') {
			return bad(s, -EBADMSG, "an unknown escape");
		}
	}
	return bad(s, -EBADMSG, "a string without end");
}

/* Whether the digits of [p, p+len) fit an int64_t of that sign. */
static bool fits_int64(const char *p, size_t len, bool negative)
{
	const char *limit = negative ? "9223372036854775808" : "9223372036854775807";

	return len < 19 || (len == 19 && memcmp(p, limit, 19) <= 0);
}

static int scan_exponent(struct scan *s, size_t digits_before)
{
	bool negative = false;
	unsigned exponent = 0;

	s->p++; /* e */
	if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
		negative = *s->p++ == '-';
	if (!is_digit(s))
		return bad(s, -EBADMSG, "a number without exponent");
	for (; is_digit(s); s->p++)
		if (exponent <= EXPONENT_MAX)
			exponent = exponent * 10 + (unsigned)(*s->p - '0');
	if (!negative && digits_before + exponent > EXPONENT_MAX)
		return bad(s, -EBADMSG, "a number out of range");
	return 0;
}

static int scan_number(struct scan *s)
{
	const char *start = s->p;
	bool integer = true, negative = *s->p == '-';

	s->p += negative;
	const char *digits = s->p;
	if (!is_digit(s))
		return bad(s, -EBADMSG, "not a value");
	while (is_digit(s))
		s->p++;
	size_t n = (size_t)(s->p - digits);
	if (n > 1 && *digits == '0')
		return bad(s, -EBADMSG, "a number with a leading zero");
	if (s->p < s->end && *s->p == '.') {
		integer = false;
		s->p++;
		if (!is_digit(s))
			return bad(s, -EBADMSG, "a number that ends with a point");
		while (is_digit(s))
			s->p++;
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		integer = false;
		int r = scan_exponent(s, n);
		if (r < 0)
			return r;
	}
	if (s->p - start > JSON_NUMBER_MAX || (integer && !fits_int64(digits, n, negative)))
		return bad(s, -EBADMSG, "a number out of range");
	return 0;
}

static int scan_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return bad(s, -EBADMSG, "not a value");
	s->p += len;
	return 0;
}

static int scan_scalar(struct scan *s)
{
	switch (*s->p) {
	case '"': return scan_string(s);
	case 't': return scan_word(s, "true");
	case 'f': return scan_word(s, "false");
	case 'n': return scan_word(s, "null");
	default: return scan_number(s);
	}
}

/* "key": of an object, up to where the value begins. */
static int scan_key(struct scan *s)
{
	skip_space(s);
	if (s->p == s->end || *s->p != '"')
		return bad(s, -EBADMSG, "an object member without name");
	int r = scan_string(s);
	if (r < 0)
		return r;
	skip_space(s);
	if (s->p == s->end || *s->p != ':')
		return bad(s, -EBADMSG, "an object member without value");
	s->p++;
	return 0;
}

/* What stands between a value and the next one: closes containers, or takes a comma and a key. Sets *depth to
 * 0 at the end of the document. kinds: a bit per level, set for objects. */
static int scan_after_value(struct scan *s, uint64_t *kinds, unsigned *depth)
{
	while (*depth > 0) {
		bool object = *kinds >> (*depth - 1) & 1;
		skip_space(s);
		if (s->p == s->end)
			return bad(s, -EBADMSG, "cut off");
		char c = *s->p++;
		if (c == ',')
			return object ? scan_key(s) : 0;
		if (c != (object ? '}' : ']'))
			return bad(s, -EBADMSG, "neither a comma nor an end after a value");
		(*depth)--;
	}
	return 0;
}

/* Behind the bracket that opens a container; 1: it is not empty and its first value (behind the key) is next.
 */
static int scan_open(struct scan *s, bool object)
{
	skip_space(s);
	if (s->p < s->end && *s->p == (object ? '}' : ']')) {
		s->p++;
		return 0;
	}
	int r = object ? scan_key(s) : 0;
	return r < 0 ? r : 1;
}

static int scan_document(struct scan *s)
{
	uint64_t kinds = 0;
	unsigned depth = 0;

	_Static_assert(JSON_MAX_DEPTH < 64, "kinds has a bit per level");
	do {
		int r;
		skip_space(s);
		if (s->p == s->end)
			return bad(s, -EBADMSG, "cut off");
		if (++s->values > JSON_MAX_VALUES)
			return bad(s, -E2BIG, "too many values");
		if (*s->p == '{' || *s->p == '[') {
			bool object = *s->p++ == '{';
			if (++s->containers > JSON_MAX_CONTAINERS)
				return bad(s, -E2BIG, "too many objects and arrays");
			if (depth == JSON_MAX_DEPTH)
				return bad(s, -E2BIG, "nested too deeply");
			r = scan_open(s, object);
			if (r > 0) {
				kinds = (kinds & ~(UINT64_C(1) << depth)) | (uint64_t)object << depth;
				depth++;
				continue;
			}
		} else {
			r = scan_scalar(s);
		}
		if (r == 0)
			r = scan_after_value(s, &kinds, &depth);
		if (r < 0)
			return r;
	} while (depth > 0);
	return 0;
}

int json_check(const char *text, size_t len, struct json_walk *ret_walk, const char **ret_why)
{
	struct scan s = {.start = text, .p = text, .end = text + len};
	int r = 0;

	if (len > INT_MAX)
		r = bad(&s, -E2BIG, "too long");
	if (r == 0) {
		skip_space(&s);
		s.start = s.p;
		r = scan_document(&s);
	}
	const char *end = s.p;
	if (r == 0) {
		skip_space(&s);
		if (s.p < s.end)
			r = bad(&s, -EBADMSG, "something follows the document");
	}
	if (r == 0)
		*ret_walk = (struct json_walk){.p = s.start, .end = end, .longest = s.longest};
	else if (ret_why)
		*ret_why = s.why;
	return r;
}

int json_parse(const char *text, size_t len, struct json_object **ret_object, const char **ret_why)
{
	struct json_walk w;
	int r = json_walk_begin(&w, text, len, ret_why);

	if (r == 0 && json_tree_build(&w, ret_object) < 0) {
		r = -ENOMEM;
		if (ret_why)
			*ret_why = "out of memory";
	}
	json_walk_done(&w);
	return r;
}

/* 1: *ret_member is a value of that type; 0: absent or null. */
static int get(struct json_object *object, const char *key, enum json_type type,
	       struct json_object **ret_member)
{
	struct json_object *member;

	if (!json_object_is_type(object, json_type_object))
		return -EBADMSG;
	if (!json_object_object_get_ex(object, key, &member) || !member)
		return 0;
	if (!json_object_is_type(member, type))
		return -EBADMSG;
	*ret_member = member;
	return 1;
}

int json_get_string(struct json_object *object, const char *key, const char **ret_value)
{
	struct json_object *member;
	int r = get(object, key, json_type_string, &member);

	if (r > 0)
		*ret_value = json_object_get_string(member);
	return r;
}

int json_get_int64(struct json_object *object, const char *key, int64_t *ret_value)
{
	struct json_object *member;
	int r = get(object, key, json_type_int, &member);

	if (r > 0)
		*ret_value = json_object_get_int64(member);
	return r;
}

int json_get_bool(struct json_object *object, const char *key, bool *ret_value)
{
	struct json_object *member;
	int r = get(object, key, json_type_boolean, &member);

	if (r > 0)
		*ret_value = json_object_get_boolean(member);
	return r;
}

int json_get_array(struct json_object *object, const char *key, struct json_object **ret_array)
{
	return get(object, key, json_type_array, ret_array);
}

int json_get_object(struct json_object *object, const char *key, struct json_object **ret_object)
{
	return get(object, key, json_type_object, ret_object);
}
