/* The reader of json_walk.h. */
#include "libcfipc/varlink/json_walk.h"
#include "libcfipc/varlink/json_tree.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int json_walk_begin(struct json_walk *w, const char *text, size_t len, const char **ret_why)
{
	*w = (struct json_walk){0};

	int r = json_check(text, len, w, ret_why);
	if (r < 0)
		return r;
	w->text = malloc(w->longest + 1);
	if (!w->text) {
		if (ret_why)
			*ret_why = "out of memory";
		return -ENOMEM;
	}
	return 0;
}

void json_walk_done(struct json_walk *w)
{
	if (w->text)
		explicit_bzero(w->text, w->longest + 1);
	free(w->text);
	*w = (struct json_walk){0};
}

static void skip_space(struct json_walk *w)
{
	while (w->p < w->end && (*w->p == ' ' || *w->p == '\n' || *w->p == '\t' || *w->p == '\r'))
		w->p++;
}

static unsigned read_hex4(struct json_walk *w)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)*w->p++;

		unit = unit << 4 | (c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10);
	}
	return unit;
}

static void put_utf8(struct json_walk *w, unsigned c)
{
	char *p = w->text + w->len;

	if (c < 0x80) {
		p[0] = (char)c;
		w->len += 1;
	} else if (c < 0x800) {
		p[0] = (char)(0xC0 | c >> 6);
		p[1] = (char)(0x80 | (c & 0x3F));
		w->len += 2;
	} else if (c < 0x10000) {
		p[0] = (char)(0xE0 | c >> 12);
		p[1] = (char)(0x80 | (c >> 6 & 0x3F));
		p[2] = (char)(0x80 | (c & 0x3F));
		w->len += 3;
	} else {
		p[0] = (char)(0xF0 | c >> 18);
		p[1] = (char)(0x80 | (c >> 12 & 0x3F));
		p[2] = (char)(0x80 | (c >> 6 & 0x3F));
		p[3] = (char)(0x80 | (c & 0x3F));
		w->len += 4;
	}
}

/* Behind the backslash. Six bytes or twelve become four at most: the room suffices. */
static void read_escape(struct json_walk *w)
{
	static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
	char c = *w->p++;
	const char *letter = strchr(letters, c);
	unsigned unit;

	if (c != 'u') {
		w->text[w->len++] = letter ? meant[letter - letters] : c;
		return;
	}
	unit = read_hex4(w);
	if (unit >= 0xD800 && unit <= 0xDBFF) { /* its other half is there */
		w->p += 2;
		unit = 0x10000 + ((unit - 0xD800) << 10) + (read_hex4(w) - 0xDC00);
	}
	put_utf8(w, unit);
}

/* To the next quote or backslash: every string has its end. */
static size_t plain_length(const char *p)
{
	size_t n = 0;

	while (p[n] != '"' && p[n] != '\\')
		n++;
	return n;
}

static void read_string(struct json_walk *w)
{
	w->len = 0;
	for (w->p++; *w->p != '"';) {
		size_t n = plain_length(w->p);

		memcpy(w->text + w->len, w->p, n);
		w->len += n;
		w->p += n;
		if (*w->p == '\\') {
			w->p++;
			read_escape(w);
		}
	}
	w->p++;
	w->text[w->len] = 0;
}

static void skip_string(struct json_walk *w)
{
	for (w->p++; *w->p != '"'; w->p++) {
		w->p += plain_length(w->p);
		if (*w->p == '"')
			break;
		w->p++;
	}
	w->p++;
}

char json_walk_peek(struct json_walk *w)
{
	skip_space(w);
	return *w->p;
}

bool json_walk_enter(struct json_walk *w, char bracket)
{
	if (json_walk_peek(w) != bracket)
		return false;
	w->p++;
	return true;
}

bool json_walk_next(struct json_walk *w)
{
	char c = json_walk_peek(w);

	if (c == ',')
		w->p++;
	else if (c == ']' || c == '}')
		w->p++;
	return c != ']' && c != '}';
}

const char *json_walk_name(struct json_walk *w)
{
	skip_space(w);
	read_string(w);
	skip_space(w);
	w->p++; /* the colon */
	return w->text;
}

const char *json_walk_string(struct json_walk *w)
{
	if (json_walk_peek(w) != '"')
		return NULL;
	read_string(w);
	return w->text;
}

void json_walk_number(struct json_walk *w, char digits[JSON_NUMBER_MAX + 1])
{
	size_t n = 0;

	for (; w->p < w->end && strchr("+-.0123456789eE", *w->p); w->p++)
		digits[n++] = *w->p;
	digits[n] = 0;
}

bool json_walk_int64(struct json_walk *w, int64_t *ret_value)
{
	char c = json_walk_peek(w), digits[JSON_NUMBER_MAX + 1];
	const char *start = w->p;

	if (c != '-' && (c < '0' || c > '9'))
		return false;
	json_walk_number(w, digits);
	if (strpbrk(digits, ".eE")) {
		w->p = start;
		return false;
	}
	*ret_value = strtoll(digits, NULL, 10); /* json_check has seen that it fits */
	return true;
}

void json_walk_skip(struct json_walk *w)
{
	int depth = 0;

	do {
		char c = json_walk_peek(w);

		if (c == '"')
			skip_string(w);
		else
			w->p++;
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		/* Of a literal or number the rest of its letters. */
		if (depth == 0 && c != '"' && c != '}' && c != ']')
			while (w->p < w->end && !strchr(",]} \t\r\n", *w->p))
				w->p++;
	} while (depth > 0);
}
