/* Objects are the JSON trees themselves, under other names: a cfipc_bucket is the json-c object that the
 * daemon sent for it, so parts, references and the raw text come for free, and a getter is a look-up. */
#pragma once
#include "libcfipc/internal.h"
#include "libcfipc/varlink/json.h"

/* NULL or the fallback where the member is not there or of another type. */
const char *object_string(const void *object, const char *member);
int64_t object_int(const void *object, const char *member);
int object_flag(const void *object, const char *member);
void *object_part(const void *object, const char *member);

#define GET_STRING(type, field)                                                                              \
	const char *cfipc_##type##_##field(const cfipc_##type *type)                                         \
	{                                                                                                    \
		return object_string(type, #field);                                                          \
	}
#define GET_INT(type, field)                                                                                 \
	int64_t cfipc_##type##_##field(const cfipc_##type *type)                                             \
	{                                                                                                    \
		return object_int(type, #field);                                                             \
	}
#define GET_FLAG(type, field)                                                                                \
	int cfipc_##type##_##field(const cfipc_##type *type)                                                 \
	{                                                                                                    \
		return object_flag(type, #field);                                                            \
	}
#define GET_OBJECT(type, field, part)                                                                        \
	part *cfipc_##type##_##field(const cfipc_##type *type)                                               \
	{                                                                                                    \
		return object_part(type, #field);                                                            \
	}
