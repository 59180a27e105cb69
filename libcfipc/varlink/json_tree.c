/* Trees of json-c made from text and written as text, with every allocation looked at. json-c's own parser
 * copies a member's name without looking whether it could, and drops elements and ends of strings that found
 * no memory without a word: half a listing would look like a whole one. Its printer does the same. Not here:
 * whether text is JSON; json.c has made sure of it before. */
#include "libcfipc/varlink/json_tree.h"
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- From text ---- */

/* strtod, whatever the program's locale writes for a point. NULL: out of memory. */
static struct json_object *new_double(const char *digits)
{
	locale_t c = newlocale(LC_ALL_MASK, "C", NULL);

	if (!c)
		return NULL;
	double value = strtod_l(digits, NULL, c);

	freelocale(c);
	return json_object_new_double_s(value, digits); /* written as it was read */
}

static struct json_object *build_number(struct json_walk *w)
{
	char digits[JSON_NUMBER_MAX + 1];

	json_walk_number(w, digits);
	return strpbrk(digits, ".eE") ? new_double(digits) : json_object_new_int64(strtoll(digits, NULL, 10));
}

static int build_value(struct json_walk *w, struct json_object **ret_object);

static int build_array(struct json_walk *w, struct json_object **ret_object)
{
	_cleanup_json_ struct json_object *array = json_object_new_array();

	if (!array)
		return -ENOMEM;
	for (json_walk_enter(w, '['); json_walk_next(w);) {
		struct json_object *value = NULL;
		int r = build_value(w, &value);

		if (r < 0)
			return r;
		if (json_object_array_add(array, value) < 0) {
			json_object_put(value);
			return -ENOMEM;
		}
	}
	*ret_object = array;
	array = NULL;
	return 0;
}

/* "name": value. The name is read again behind its value, which needed the same room. */
static int build_member(struct json_walk *w, struct json_object *object)
{
	struct json_object *value = NULL;
	const char *name = w->p, *end;

	json_walk_name(w);
	int r = build_value(w, &value);

	if (r < 0)
		return r;
	end = w->p;
	w->p = name;
	json_walk_name(w);
	w->p = end;
	if (json_object_object_add(object, w->text, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static int build_object(struct json_walk *w, struct json_object **ret_object)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	int r = object ? 0 : -ENOMEM;

	json_walk_enter(w, '{');
	while (r == 0 && json_walk_next(w))
		r = build_member(w, object);
	if (r < 0)
		return r;
	*ret_object = object;
	object = NULL;
	return 0;
}

/* Calls itself through arrays and objects, as deep as json.c has let through. */
static int build_value(struct json_walk *w, struct json_object **ret_object)
{
	switch (json_walk_peek(w)) {
	case '{': return build_object(w, ret_object);
	case '[': return build_array(w, ret_object);
	case 'n':
		json_walk_skip(w);
		*ret_object = NULL;
		return 0;
	case 't':
		json_walk_skip(w);
		*ret_object = json_object_new_boolean(true);
		break;
	case 'f':
		json_walk_skip(w);
		*ret_object = json_object_new_boolean(false);
		break;
	case '"':
		json_walk_string(w);
		*ret_object = json_object_new_string_len(w->text, (int)w->len);
		break;
	default: *ret_object = build_number(w);
	}
	return *ret_object ? 0 : -ENOMEM;
}

int json_tree_build(struct json_walk *w, struct json_object **ret_object)
{
	struct json_object *object = NULL;
	int r = build_value(w, &object);

	if (r == 0)
		*ret_object = object;
	return r;
}

/* ---- To text ---- */

struct writer {
	char *data;
	size_t len, cap;
	bool failed;
};

static void put(struct writer *w, const char *data, size_t len)
{
	if (w->failed)
		return;
	if (w->cap - w->len < len + 1) {
		size_t cap = w->cap * 2 > w->len + len + 1 ? w->cap * 2 : w->len + len + 64;
		char *larger = malloc(cap);

		if (!larger) {
			w->failed = true;
			return;
		}
		/* Not realloc: what it leaves behind may be a credential. */
		if (w->data) {
			memcpy(larger, w->data, w->len);
			explicit_bzero(w->data, w->len);
			free(w->data);
		}
		w->data = larger;
		w->cap = cap;
	}
	memcpy(w->data + w->len, data, len);
	w->len += len;
	w->data[w->len] = 0;
}

static void put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static void put_string(struct writer *w, const char *text, size_t len)
{
	static const char letters[] = "bfnrt\"\\", meant[] = "\b\f\n\r\t\"\\";
	size_t plain = 0;
	char escape[8];

	put(w, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		const char *letter = c ? strchr(meant, c) : NULL;

		if (c >= ' ' && !letter)
			continue;
		put(w, text + plain, i - plain);
		plain = i + 1;
		if (letter)
			snprintf(escape, sizeof(escape), "\\%c", letters[letter - meant]);
		else
			snprintf(escape, sizeof(escape), "\\u%04x", c);
		put_text(w, escape);
	}
	put(w, text + plain, len - plain);
	put(w, "\"", 1);
}

static void put_double(struct writer *w, struct json_object *object)
{
	const char *read = json_object_get_userdata(object);
	char digits[64];

	if (read) {
		put_text(w, read);
		return;
	}
	snprintf(digits, sizeof(digits), "%.17g", json_object_get_double(object));
	char *comma = strchr(digits, ','); /* as the program's locale has it */

	if (comma)
		*comma = '.';
	put_text(w, digits);
	if (!strpbrk(digits, ".e"))
		put_text(w, ".0");
}

static void put_value(struct writer *w, struct json_object *value)
{
	char digits[32];

	switch (json_object_get_type(value)) {
	case json_type_null: put_text(w, "null"); break;
	case json_type_boolean: put_text(w, json_object_get_boolean(value) ? "true" : "false"); break;
	case json_type_int:
		snprintf(digits, sizeof(digits), "%" PRId64, json_object_get_int64(value));
		put_text(w, digits);
		break;
	case json_type_double: put_double(w, value); break;
	case json_type_string:
		put_string(w, json_object_get_string(value), (size_t)json_object_get_string_len(value));
		break;
	case json_type_array:
		put(w, "[", 1);
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			put(w, ",", i > 0);
			put_value(w, json_object_array_get_idx(value, i));
		}
		put(w, "]", 1);
		break;
	case json_type_object: {
		bool first = true;

		put(w, "{", 1);
		json_object_object_foreach(value, name, member)
		{
			put(w, ",", !first);
			first = false;
			put_string(w, name, strlen(name));
			put(w, ":", 1);
			put_value(w, member);
		}
		put(w, "}", 1);
		break;
	}
	}
}

char *json_write(struct json_object *object, size_t *ret_len)
{
	struct writer w = {0};

	put_value(&w, object);
	if (w.failed) {
		if (w.data)
			explicit_bzero(w.data, w.len);
		free(w.data);
		return NULL;
	}
	if (ret_len)
		*ret_len = w.len;
	return w.data;
}
