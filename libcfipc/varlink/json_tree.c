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

struct build {
	const char *p, *end;
	char *text; /* the string read last, unescaped; room for the longest */
	size_t len;
};

static void skip_space(struct build *b)
{
	b->p += strspn(b->p, " \t\r\n");
}

static unsigned read_hex4(struct build *b)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)*b->p++;

		unit = unit << 4 | (c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10);
	}
	return unit;
}

static void put_utf8(struct build *b, unsigned c)
{
	char *p = b->text + b->len;

	if (c < 0x80) {
		p[0] = (char)c;
		b->len += 1;
	} else if (c < 0x800) {
		p[0] = (char)(0xC0 | c >> 6);
		p[1] = (char)(0x80 | (c & 0x3F));
		b->len += 2;
	} else if (c < 0x10000) {
		p[0] = (char)(0xE0 | c >> 12);
		p[1] = (char)(0x80 | (c >> 6 & 0x3F));
		p[2] = (char)(0x80 | (c & 0x3F));
		b->len += 3;
	} else {
		p[0] = (char)(0xF0 | c >> 18);
		p[1] = (char)(0x80 | (c >> 12 & 0x3F));
		p[2] = (char)(0x80 | (c >> 6 & 0x3F));
		p[3] = (char)(0x80 | (c & 0x3F));
		b->len += 4;
	}
}

/* Behind the backslash. Six bytes or twelve become four at most: the room suffices. */
static void read_escape(struct build *b)
{
	static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
	char c = *b->p++;
	const char *letter = strchr(letters, c);
	unsigned unit;

	if (c != 'u') {
		b->text[b->len++] = letter ? meant[letter - letters] : c;
		return;
	}
	unit = read_hex4(b);
	if (unit >= 0xD800 && unit <= 0xDBFF) { /* its other half is there */
		b->p += 2;
		unit = 0x10000 + ((unit - 0xD800) << 10) + (read_hex4(b) - 0xDC00);
	}
	put_utf8(b, unit);
}

static void read_string(struct build *b)
{
	b->len = 0;
	for (b->p++; *b->p != '"';) {
		size_t n = strcspn(b->p, "\"\\");

		memcpy(b->text + b->len, b->p, n);
		b->len += n;
		b->p += n;
		if (*b->p == '\\') {
			b->p++;
			read_escape(b);
		}
	}
	b->p++;
	b->text[b->len] = 0;
}

static void skip_string(struct build *b)
{
	for (b->p++; *b->p != '"'; b->p++)
		b->p += *b->p == '\\';
	b->p++;
}

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

static struct json_object *build_number(struct build *b)
{
	char digits[JSON_NUMBER_MAX + 1];
	size_t n = 0;

	for (; b->p < b->end && strchr("+-.0123456789eE", *b->p); b->p++)
		digits[n++] = *b->p;
	digits[n] = 0;
	return strpbrk(digits, ".eE") ? new_double(digits) : json_object_new_int64(strtoll(digits, NULL, 10));
}

static int build_value(struct build *b, struct json_object **ret_object);

static int build_array(struct build *b, struct json_object **ret_object)
{
	_cleanup_json_ struct json_object *array = json_object_new_array();

	if (!array)
		return -ENOMEM;
	b->p++;
	for (skip_space(b); *b->p != ']'; skip_space(b)) {
		struct json_object *value = NULL;

		if (*b->p == ',') {
			b->p++;
			continue;
		}
		int r = build_value(b, &value);

		if (r < 0)
			return r;
		if (json_object_array_add(array, value) < 0) {
			json_object_put(value);
			return -ENOMEM;
		}
	}
	b->p++;
	*ret_object = array;
	array = NULL;
	return 0;
}

/* "name": value. The name is read again behind its value, which needed the same room. */
static int build_member(struct build *b, struct json_object *object)
{
	struct json_object *value = NULL;
	const char *name = b->p, *end;

	skip_string(b);
	skip_space(b);
	b->p++; /* the colon */
	skip_space(b);
	int r = build_value(b, &value);

	if (r < 0)
		return r;
	end = b->p;
	b->p = name;
	read_string(b);
	b->p = end;
	if (json_object_object_add(object, b->text, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static int build_object(struct build *b, struct json_object **ret_object)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	int r = object ? 0 : -ENOMEM;

	b->p++;
	for (skip_space(b); r == 0 && *b->p != '}'; skip_space(b)) {
		if (*b->p == ',')
			b->p++;
		else
			r = build_member(b, object);
	}
	if (r < 0)
		return r;
	b->p++;
	*ret_object = object;
	object = NULL;
	return 0;
}

/* Calls itself through arrays and objects, as deep as json.c has let through. */
static int build_value(struct build *b, struct json_object **ret_object)
{
	skip_space(b);
	switch (*b->p) {
	case '{': return build_object(b, ret_object);
	case '[': return build_array(b, ret_object);
	case 'n':
		b->p += strlen("null");
		*ret_object = NULL;
		return 0;
	case 't':
		b->p += strlen("true");
		*ret_object = json_object_new_boolean(true);
		break;
	case 'f':
		b->p += strlen("false");
		*ret_object = json_object_new_boolean(false);
		break;
	case '"':
		read_string(b);
		*ret_object = json_object_new_string_len(b->text, (int)b->len);
		break;
	default: *ret_object = build_number(b);
	}
	return *ret_object ? 0 : -ENOMEM;
}

int json_tree_build(const char *text, size_t len, size_t longest, struct json_object **ret_object)
{
	struct build b = {.p = text, .end = text + len, .text = malloc(longest + 1)};
	struct json_object *object = NULL;
	int r = b.text ? build_value(&b, &object) : -ENOMEM;

	if (b.text)
		explicit_bzero(b.text, longest + 1); /* it may have been a credential */
	free(b.text);
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
