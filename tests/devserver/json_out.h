/*
 * JSON as the server writes it: two encoders (success bodies relaxed, error bodies strict), members in the
 * order they are added, null members left out. Writes into a buf; no tree is built.
 */
#pragma once

#include "util.h"

enum json_encoder {
	JSON_RELAXED, /* BMP text stays UTF-8, beyond it \uD83C\uDF89 pairs */
	JSON_STRICT,  /* everything but harmless ASCII is \u00XX */
};

void json_string(struct buf *b, struct span s, enum json_encoder encoder);

/* Objects and arrays: json_open/json_close write the brackets, the others put the comma where one is due. */
void json_open(struct buf *b, char bracket);
void json_close(struct buf *b, char bracket);
void json_comma(struct buf *b); /* before the next element of an array or object */
void json_key(struct buf *b, const char *key);
void json_add_text(struct buf *b, const char *key, struct span value);
void json_add_int(struct buf *b, const char *key, int64_t value);
void json_add_bool(struct buf *b, const char *key, bool value);
void json_add_time(struct buf *b, const char *key, int64_t ticks, bool with_zone);
