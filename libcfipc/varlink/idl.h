/* Interface texts: parsed, and asked whether parameters fit. What a method takes and gives is written once,
 * in its *.varlink file: the daemon checks requests against the parsed text, tests check replies against it.
 */
#pragma once
#include "libcfipc/varlink/json.h"

struct idl_interface;
struct idl_method;

/* The text is copied. -EBADMSG: *ret_line is where (optional); -ENOMEM. */
int idl_parse(const char *text, struct idl_interface **ret_interface, unsigned *ret_line);
struct idl_interface *idl_free(struct idl_interface *interface);
const char *idl_name(const struct idl_interface *interface);
const char *idl_text(const struct idl_interface *interface);

size_t idl_method_count(const struct idl_interface *interface);
const struct idl_method *idl_method_at(const struct idl_interface *interface, size_t i);
const struct idl_method *idl_method_find(const struct idl_interface *interface, const char *name);
const char *idl_method_name(const struct idl_method *method);

#define IDL_FIELD_MAX 128
/* 0, or -EINVAL and the name of the first field that is undeclared, missing or of a wrong type (of a nested
 * one its own name). NULL is the same as an empty object, a null field the same as an absent one. */
int idl_check_input(const struct idl_method *method, struct json_object *parameters,
		    char field[IDL_FIELD_MAX]);
int idl_check_output(const struct idl_method *method, struct json_object *parameters,
		     char field[IDL_FIELD_MAX]);
/* error: the name without the interface; -ENOENT when it is not declared. */
int idl_check_error(const struct idl_interface *interface, const char *error, struct json_object *parameters,
		    char field[IDL_FIELD_MAX]);
