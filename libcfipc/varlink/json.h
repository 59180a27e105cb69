/* The one way a JSON document from outside becomes a tree: bounded before it is parsed, strict while it is.
 * Used for IPC messages (library and daemon), answers of the server and hub records. Not here: what a
 * document must contain. */
#pragma once
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* json-c spends 270 bytes on each "{}": 1 MiB of "{}," would become 270 MiB. Counted in one pass before
 * parsing. */
#define JSON_MAX_DEPTH      32
#define JSON_MAX_CONTAINERS 16384
#define JSON_MAX_VALUES     131072

/* One document, nothing but white space around it. 0; -EBADMSG: not strict JSON, not UTF-8, a clamped
 * integer, NaN, or a NUL in a string or key; -E2BIG: over one of the limits; -ENOMEM. *ret_why (optional) is
 * a static text. */
int json_parse(const char *text, size_t len, struct json_object **ret_object, const char **ret_why);

/* As text without white space; free it. NULL: out of memory. */
char *json_write(struct json_object *object, size_t *ret_len); /* ret_len may be NULL */

/* Members by name: borrowed values; 0 absent or null, 1 there, -EBADMSG another type. */
int json_get_string(struct json_object *object, const char *key, const char **ret_value);
int json_get_int64(struct json_object *object, const char *key, int64_t *ret_value); /* integers only */
int json_get_bool(struct json_object *object, const char *key, bool *ret_value);
int json_get_array(struct json_object *object, const char *key, struct json_object **ret_array);
int json_get_object(struct json_object *object, const char *key, struct json_object **ret_object);

static inline void json_putp(struct json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ __attribute__((cleanup(json_putp)))
