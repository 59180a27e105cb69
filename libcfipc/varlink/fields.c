/* Struct to JSON and back by table: see fields.h. */
#include "libcfipc/varlink/fields.h"
#include <errno.h>

int fields_add(struct json_object *object, const char *name, struct json_object *value)
{
	if (value && object && json_object_object_add(object, name, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static struct json_object *array_of(const char *const *strings)
{
	struct json_object *array = json_object_new_array();

	for (; array && *strings; strings++) {
		struct json_object *string = json_object_new_string(*strings);

		if (!string || json_object_array_add(array, string) < 0) {
			json_object_put(string);
			json_object_put(array);
			return NULL;
		}
	}
	return array;
}

/* 1 and a value, 0 when the member is to be absent. */
static int value_of(const struct field *field, const void *place, struct json_object **ret_value)
{
	switch (field->type) {
	case FIELD_STRING: {
		const char *text = *(const char *const *)place;

		if (!text)
			return 0;
		*ret_value = json_object_new_string(text);
		return 1;
	}
	case FIELD_TEXT: {
		const char *text = *(const char *const *)place;

		*ret_value = json_object_new_string(text ? text : "");
		return 1;
	}
	case FIELD_INT64: *ret_value = json_object_new_int64(*(const int64_t *)place); return 1;
	case FIELD_COUNT:
		if (*(const int64_t *)place < 0)
			return 0;
		*ret_value = json_object_new_int64(*(const int64_t *)place);
		return 1;
	case FIELD_BOOL: *ret_value = json_object_new_boolean(*(const bool *)place); return 1;
	case FIELD_TRISTATE:
		if (*(const int *)place < 0)
			return 0;
		*ret_value = json_object_new_boolean(*(const int *)place);
		return 1;
	case FIELD_CHOSEN:
		if (*(const int64_t *)place == INT64_MIN)
			return 0;
		*ret_value = json_object_new_int64(*(const int64_t *)place);
		return 1;
	case FIELD_STRINGS:
		if (!*(const char *const *const *)place)
			return 0;
		*ret_value = array_of(*(const char *const *const *)place);
		return 1;
	}
	return 0;
}

int fields_write(struct json_object *object, const struct field *fields, size_t n, const void *from)
{
	for (size_t i = 0; i < n; i++) {
		struct json_object *value = NULL;

		if (!value_of(&fields[i], (const char *)from + fields[i].offset, &value))
			continue;
		int r = fields_add(object, fields[i].name, value);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_one(struct json_object *object, const struct field *field, void *place)
{
	bool flag;
	int r;

	switch (field->type) {
	case FIELD_STRING:
	case FIELD_TEXT: return json_get_string(object, field->name, place);
	case FIELD_INT64:
	case FIELD_CHOSEN:
	case FIELD_COUNT: return json_get_int64(object, field->name, place);
	case FIELD_BOOL: return json_get_bool(object, field->name, place);
	case FIELD_TRISTATE:
		r = json_get_bool(object, field->name, &flag);
		if (r > 0)
			*(int *)place = flag;
		return r;
	case FIELD_STRINGS: return -EINVAL;
	}
	return 0;
}

int fields_read(struct json_object *object, const struct field *fields, size_t n, void *to)
{
	for (size_t i = 0; i < n; i++) {
		int r = read_one(object, &fields[i], (char *)to + fields[i].offset);

		if (r < 0)
			return r;
	}
	return 0;
}
