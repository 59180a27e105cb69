/*
 * Binding of JSON request bodies: see json_in.h.
 */
#include "json_in.h"

#include <errno.h>
#include <string.h>

/* No JSON body of this API is longer than a few names. */
#define BODY_MAX (1024 * 1024)
/* What the original reads, and one level for json-c, which counts the innermost value too. */
#define DEPTH_MAX 65

/* application/json or application/…+json; of the parameters only the charset matters. */
static bool is_json_type(struct span type)
{
	const char *semicolon = type.p ? memchr(type.p, ';', type.n) : NULL;

	if (semicolon)
		type.n = (size_t)(semicolon - type.p);
	type = span_trim(type);
	return span_eq_ci(type, SPAN("application/json")) ||
	       (type.n > 17 && span_eq_ci((struct span){type.p, 12}, SPAN("application/")) &&
		span_eq_ci((struct span){type.p + type.n - 5, 5}, SPAN("+json")));
}

/* \uD800 to \uDFFF at s[i] (behind the backslash): 'h' or 'l' for the halves of a pair, 0 for anything else.
 */
static char surrogate_at(struct span s, size_t i)
{
	if (i + 4 >= s.n || s.p[i] != 'u' || (s.p[i + 1] != 'd' && s.p[i + 1] != 'D'))
		return 0;
	int second = hex_digit(s.p[i + 2]);
	return second < 8 ? 0 : second < 12 ? 'h' : 'l';
}

/* json-c lets some things pass even when it is strict: single quotes, comments, words that are no JSON, a
 * point without digits, control characters and half surrogates in strings (the original minds those only in
 * members that it reads). True if the text has one of them.
 */
static bool has_lax_syntax(struct span s)
{
	bool in_string = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (in_string && c == '\\') {
			char half = surrogate_at(s, ++i);
			if (half == 'l' || (half == 'h' && (i + 6 >= s.n || s.p[i + 5] != '\\' ||
							    surrogate_at(s, i + 6) != 'l')))
				return true;
			i += half ? 10 : 0;
		} else if (c == '"') {
			in_string = !in_string;
		} else if (in_string) {
			if ((unsigned char)c < 0x20)
				return true;
		} else if (!c || strchr("'/NI", c)) {
			return true;
		} else if (c == '.' && (i + 1 == s.n || s.p[i + 1] < '0' || s.p[i + 1] > '9')) {
			return true;
		}
	}
	return false;
}

static json_object *parse(struct span s)
{
	if (s.n > INT32_MAX || has_lax_syntax(s))
		return NULL;
	json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json_object *o = json_tokener_parse_ex(tokener, s.p, (int)s.n);
	bool whole = json_tokener_get_error(tokener) == json_tokener_success &&
		     json_tokener_get_parse_end(tokener) == s.n;
	json_tokener_free(tokener);
	if (!whole || !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

int json_body(struct request *r, bool required, json_object **ret)
{
	_cleanup_buf_ struct buf body = {0};

	*ret = NULL;
	struct span type = request_header(r, "Content-Type");
	/* A wrong type is wrong even if nothing comes with it. */
	if (!request_has_body(r) && type.n == 0)
		return required ? 400 : 0;
	if (!is_json_type(type))
		return 415;
	if (!request_has_body(r))
		return required ? 400 : 0;
	int n = request_read_all(r, &body, BODY_MAX);
	if (n < 0)
		return n;
	struct span text = buf_span(&body);
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text = (struct span){text.p + 3, text.n - 3};
	while (text.n && text.p[text.n - 1] && strchr(" \t\r\n", text.p[text.n - 1]))
		text.n--;
	if (!required && span_eq(text, SPAN("null")))
		return 0;
	*ret = parse(text);
	return *ret ? 0 : 400;
}

static bool find(json_object *o, const char *name, json_object **ret)
{
	bool found = false;

	if (!o)
		return false;
	json_object_object_foreach(o, key, value)
	{
		if (span_eq_ci(span_of(key), span_of(name))) {
			*ret = value; /* of a repeated member the last one counts */
			found = true;
		}
	}
	return found;
}

enum member json_text_member(json_object *o, const char *name, struct span *ret)
{
	json_object *value;

	if (!find(o, name, &value))
		return MEMBER_ABSENT;
	if (!value)
		return MEMBER_NULL;
	if (!json_object_is_type(value, json_type_string))
		return MEMBER_BAD;
	*ret = (struct span){json_object_get_string(value), (size_t)json_object_get_string_len(value)};
	return MEMBER_GIVEN;
}

enum member json_int_member(json_object *o, const char *name, int32_t *ret)
{
	json_object *value;

	if (!find(o, name, &value))
		return MEMBER_ABSENT;
	if (!value)
		return MEMBER_NULL;
	if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_string))
		return MEMBER_BAD;
	struct span text = span_of(json_object_get_string(value));
	/* A number in a string must be nothing but the number. */
	if (text.n == 0 || ((text.p[0] < '0' || text.p[0] > '9') && text.p[0] != '-'))
		return MEMBER_BAD;
	return parse_int32(text, ret) ? MEMBER_GIVEN : MEMBER_BAD;
}
