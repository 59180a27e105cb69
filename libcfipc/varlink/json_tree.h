/* Between json.c and json_tree.c: what json_parse has let through becomes a tree. */
#pragma once
#include "libcfipc/varlink/json.h"

/* No double needs more digits; a longer literal is not from a program that means well. */
#define JSON_NUMBER_MAX 128

/* text: a document that is known to be one, within the limits of json.h, without white space around it;
 * longest: bytes of its longest string as written. 0 or -ENOMEM. */
int json_tree_build(const char *text, size_t len, size_t longest, struct json_object **ret_object);
