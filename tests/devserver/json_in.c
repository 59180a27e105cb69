/*
 * Binding of JSON request bodies: see json_in.h.
 */
#include "json_in.h"

#include <errno.h>
#include <string.h>

/* No JSON body of this API is longer than a few names. */
#define BODY_MAX (1024 * 1024)

/* application/json or anything/…+json; parameters do not matter. */
static bool is_json_type(struct span type)
{
	const char *semicolon = type.p ? memchr(type.p, ';', type.n) : NULL;

	if (semicolon)
		type.n = (size_t)(semicolon - type.p);
	type = span_trim(type);
	return span_eq_ci(type, SPAN("application/json")) ||
	       (type.n > 5 && span_eq_ci((struct span){type.p + type.n - 5, 5}, SPAN("+json")));
}

/* json-c lets two things pass even when it is strict; true if the text has one of them outside its strings.
 */
static bool has_lax_syntax(struct span s)
{
	bool in_string = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '\'' || c == '/'))
			return true;
	}
	return false;
}

static json_object *parse(struct span s)
{
	if (s.n > INT32_MAX || has_lax_syntax(s))
		return NULL;
	json_tokener *tokener = json_tokener_new();
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
	if (!request_has_body(r))
		return required ? 400 : 0;
	if (!is_json_type(request_header(r, "Content-Type")))
		return 415;
	int n = request_read_all(r, &body, BODY_MAX);
	if (n < 0)
		return n;
	struct span text = buf_span(&body);
	while (text.n && strchr(" \t\r\n", text.p[text.n - 1]))
		text.n--;
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
	const char *text = json_object_get_string(value);
	return parse_int32(span_of(text), ret) ? MEMBER_GIVEN : MEMBER_BAD;
}
