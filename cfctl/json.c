/* The parameters of calls, and reading replies, on json-c. A reply comes from the user's own daemon, through
 * the library that has checked it; a field that is missing or of another type reads as empty. */
#include "cfctl/ctl.h"
#include "cfctl/path.h"
#include <stdlib.h>

void params_init(struct params *p)
{
	*p = (struct params){.object = json_object_new_object()};
	p->failed = !p->object;
}

void params_done(struct params *p)
{
	json_object_put(p->object);
	*p = (struct params){0};
}

void params_object(struct params *p, const char *key, struct json_object *value)
{
	if (p->failed || !value || json_object_object_add(p->object, key, value) < 0) {
		json_object_put(value);
		p->failed = true;
	}
}

void params_string(struct params *p, const char *key, const char *value)
{
	if (!value)
		return;
	p->not_utf8 |= !path_is_utf8(value);
	params_object(p, key, json_object_new_string(value));
}

void params_int(struct params *p, const char *key, int64_t value)
{
	params_object(p, key, json_object_new_int64(value));
}

void params_true(struct params *p, const char *key, bool value)
{
	if (value)
		params_object(p, key, json_object_new_boolean(1));
}

void params_move(struct params *p, const char *key, struct params *inner)
{
	p->not_utf8 |= inner->not_utf8;
	if (inner->failed)
		p->failed = true;
	else
		params_object(p, key, json_object_get(inner->object));
}

void params_strings(struct params *p, const char *key, const char *const *values, size_t n)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && i < n; i++) {
		struct json_object *value = json_object_new_string(values[i]);

		p->not_utf8 |= !path_is_utf8(values[i]);
		if (!value || json_object_array_add(array, value) < 0) {
			json_object_put(value);
			p->failed = true;
		}
	}
	params_object(p, key, array);
}

void reply_done(struct reply *reply)
{
	json_object_put(reply->object);
	free(reply->text);
	*reply = (struct reply){0};
}

static struct json_object *member(struct json_object *object, const char *key, enum json_type type)
{
	struct json_object *value;

	if (!object || !json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *get_string(struct json_object *object, const char *key)
{
	return json_object_get_string(member(object, key, json_type_string));
}

const char *get_text(struct json_object *object, const char *key)
{
	const char *text = get_string(object, key);

	return text ? text : "";
}

int64_t get_int(struct json_object *object, const char *key)
{
	return json_object_get_int64(member(object, key, json_type_int));
}

bool get_bool(struct json_object *object, const char *key)
{
	return json_object_get_boolean(member(object, key, json_type_boolean));
}

bool has(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) && value;
}

struct json_object *get_object(struct json_object *object, const char *key)
{
	return member(object, key, json_type_object);
}

size_t get_count(struct json_object *object, const char *key)
{
	struct json_object *array = member(object, key, json_type_array);

	return array ? json_object_array_length(array) : 0;
}

struct json_object *get_item(struct json_object *object, const char *key, size_t i)
{
	struct json_object *array = member(object, key, json_type_array);

	return array ? json_object_array_get_idx(array, i) : NULL;
}
