/* Reading a JSON document piece by piece, without a tree: for trees (json_tree.c), and for answers so long
 * that a tree of them would cost more than all the rest. json_check has made sure that it is a document, so
 * nothing here fails but on a type that is not what was expected. Not here: whether text is JSON (json.c). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No double needs more digits; a longer literal is not from a program that means well. */
#define JSON_NUMBER_MAX 128

struct json_walk {
	const char *p, *end;
	char *text; /* the string read last, unescaped; room for the longest */
	size_t len, longest;
};

/* As json_parse, without the tree. The text is borrowed and must be kept until done. */
int json_walk_begin(struct json_walk *w, const char *text, size_t len, const char **ret_why);
void json_walk_done(struct json_walk *w); /* wipes: it may have been a credential */

/* At a value, white space before it skipped. */
char json_walk_peek(struct json_walk *w); /* its first character */
/* Into an object ('{') or array ('['): false, and nothing is consumed, when the value is none. */
bool json_walk_enter(struct json_walk *w, char bracket);
/* To the next member or element; false: there was none, and the closing bracket is consumed. */
bool json_walk_next(struct json_walk *w);
/* A member's name; its value comes next. Both strings live until the next one is read. */
const char *json_walk_name(struct json_walk *w);
/* NULL, and nothing is consumed, when the value is no string. Its length is w->len. */
const char *json_walk_string(struct json_walk *w);
/* False, and nothing is consumed, when the value is no integer. */
bool json_walk_int64(struct json_walk *w, int64_t *ret_value);
/* The literal of a number, to be called at one. */
void json_walk_number(struct json_walk *w, char digits[JSON_NUMBER_MAX + 1]);
/* Over a value of any kind. */
void json_walk_skip(struct json_walk *w);
