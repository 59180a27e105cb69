/* What all objects have in common, and lists. */
#include "libcfipc/object.h"
#include <string.h>

/* A look changes nothing but json-c's own notes. */
static struct json_object *tree_of(const void *object)
{
	return (struct json_object *)(uintptr_t)object;
}

static struct json_object *member_of(const void *object, const char *member)
{
	struct json_object *tree = tree_of(object), *value = NULL;

	if (!json_object_is_type(tree, json_type_object))
		return NULL;
	json_object_object_get_ex(tree, member, &value);
	return value;
}

static const char *text_of(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

const char *object_string(const void *object, const char *member)
{
	return text_of(member_of(object, member));
}

int64_t object_int(const void *object, const char *member)
{
	struct json_object *value = member_of(object, member);

	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
}

int object_flag(const void *object, const char *member)
{
	struct json_object *value = member_of(object, member);

	return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value) : -1;
}

void *object_part(const void *object, const char *member)
{
	struct json_object *value = member_of(object, member);

	return json_object_is_type(value, json_type_object) || json_object_is_type(value, json_type_array)
		       ? value
		       : NULL;
}

void *cfipc_ref(void *object)
{
	return json_object_get(object);
}

void *cfipc_unref(void *object)
{
	json_object_put(object);
	return NULL;
}

const char *cfipc_json(const void *object)
{
	return object ? json_object_to_json_string_ext(
				tree_of(object), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
		      : NULL;
}

const char *cfipc_text_get(const cfipc_text *text)
{
	return text_of(tree_of(text));
}

int64_t cfipc_number_get(const cfipc_number *number)
{
	return json_object_is_type(tree_of(number), json_type_int) ? json_object_get_int64(tree_of(number))
								   : -1;
}

/* A list is an array, or a reply around one. */
static struct json_object *array_of(const cfipc_list *list)
{
	struct json_object *tree = tree_of(list);

	if (json_object_is_type(tree, json_type_array))
		return tree;
	if (json_object_is_type(tree, json_type_object)) {
		json_object_object_foreach(tree, key, value)
		{
			(void)key;
			if (json_object_is_type(value, json_type_array))
				return value;
		}
	}
	return NULL;
}

size_t cfipc_list_count(const cfipc_list *list)
{
	struct json_object *array = array_of(list);

	return array ? json_object_array_length(array) : 0;
}

void *cfipc_list_at(const cfipc_list *list, size_t i)
{
	return i < cfipc_list_count(list) ? json_object_array_get_idx(array_of(list), i) : NULL;
}

void *cfipc_list_next(const cfipc_list *list, size_t *position)
{
	void *item = cfipc_list_at(list, *position);

	*position += item != NULL;
	return item;
}

const char *cfipc_list_string(const cfipc_list *list, size_t i)
{
	return text_of(cfipc_list_at(list, i));
}

int64_t cfipc_list_total(const cfipc_list *list)
{
	int64_t total = object_int(member_of(list, "page"), "total");

	return total >= 0 ? total : (int64_t)cfipc_list_count(list);
}

int64_t cfipc_list_limit(const cfipc_list *list)
{
	return object_int(member_of(list, "page"), "limit");
}

int64_t cfipc_list_offset(const cfipc_list *list)
{
	return object_int(member_of(list, "page"), "offset");
}
