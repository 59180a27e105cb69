/* Field tables: how a C struct and a JSON object correspond, written once for both directions. A row names
 * the JSON member, its type and its place in the struct. Strings are borrowed from the tree when read. */
#pragma once
#include "libcfipc/varlink/json.h"

enum field_type {
	FIELD_STRING,   /* const char *; NULL: absent */
	FIELD_TEXT,     /* const char *; NULL: "" */
	FIELD_INT64,    /* int64_t */
	FIELD_COUNT,    /* int64_t; negative: absent */
	FIELD_BOOL,     /* bool */
	FIELD_TRISTATE, /* int; negative: absent, else a bool */
	FIELD_CHOSEN,   /* int64_t; INT64_MIN: absent */
	FIELD_STRINGS,  /* const char *const *, NULL at the end; NULL: absent. Only written */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
};

/* Adds the members to the object; -ENOMEM. */
int fields_write(struct json_object *object, const struct field *fields, size_t n, const void *from);
/* Absent members leave the struct as it is; -EBADMSG for another type. */
int fields_read(struct json_object *object, const struct field *fields, size_t n, void *to);

/* Adds one member; the value is taken, also on failure; NULL counts as out of memory. -ENOMEM. */
int fields_add(struct json_object *object, const char *name, struct json_object *value);
