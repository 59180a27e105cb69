/*
 * Request bodies in JSON, bound the way the original does: names in any case, unknown members ignored,
 * numbers also as strings, but no number for a string.
 */
#pragma once

#include "http/request.h"

#include <json-c/json.h>

static inline void json_putp(json_object **o)
{
	if (*o)
		json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)

/* Reads and parses the body. 0: *ret is an object, or NULL if there is no body and it is optional; a positive
 * status to answer with an empty body; negative errno as request_read_body. */
int json_body(struct request *r, bool required, json_object **ret);

enum member {
	MEMBER_ABSENT,
	MEMBER_NULL,
	MEMBER_GIVEN,
	MEMBER_BAD, /* of another type: 400 with an empty body */
};

/* o may be NULL (no body). The span lives as long as o. */
enum member json_text_member(json_object *o, const char *name, struct span *ret);
enum member json_int_member(json_object *o, const char *name, int32_t *ret);
