/* A recursive-descent parser for Varlink interface texts and the walk that compares a JSON tree with them. */
#include "libcfipc/varlink/idl.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Types nest as deep as people write them; a bound keeps a hostile text from using up the stack. */
#define IDL_MAX_DEPTH 16

enum idl_kind {
	IDL_BOOL,
	IDL_INT,
	IDL_FLOAT,
	IDL_STRING,
	IDL_OBJECT,
	IDL_STRUCT,
	IDL_ENUM,
	IDL_ARRAY,
	IDL_MAP,
	IDL_MAYBE,
	IDL_NAMED
};

struct idl_field {
	char *name;
	struct idl_type *type; /* NULL in an enum */
};

struct idl_type {
	enum idl_kind kind;
	struct idl_type *element;        /* array, map, maybe; owned */
	char *name;                      /* named */
	const struct idl_type *resolved; /* named; borrowed from the interface */
	struct idl_field *fields;        /* struct, enum */
	size_t n_fields;
};

struct idl_method {
	char *name;
	struct idl_type *in, *out;
};

/* Types and errors: one name, one type. */
struct idl_member {
	char *name;
	struct idl_type *type;
};

struct idl_interface {
	char *name, *text;
	struct idl_method *methods;
	struct idl_member *types, *errors;
	size_t n_methods, n_types, n_errors;
};

static struct idl_type *type_free(struct idl_type *type)
{
	if (!type)
		return NULL;
	type_free(type->element);
	free(type->name);
	for (size_t i = 0; i < type->n_fields; i++) {
		free(type->fields[i].name);
		type_free(type->fields[i].type);
	}
	free(type->fields);
	free(type);
	return NULL;
}

static void members_free(struct idl_member *members, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(members[i].name);
		type_free(members[i].type);
	}
	free(members);
}

struct idl_interface *idl_free(struct idl_interface *interface)
{
	if (!interface)
		return NULL;
	for (size_t i = 0; i < interface->n_methods; i++) {
		free(interface->methods[i].name);
		type_free(interface->methods[i].in);
		type_free(interface->methods[i].out);
	}
	free(interface->methods);
	members_free(interface->types, interface->n_types);
	members_free(interface->errors, interface->n_errors);
	free(interface->name);
	free(interface->text);
	free(interface);
	return NULL;
}

struct parser {
	const char *p;
	unsigned line;
	unsigned depth;
};

static void skip_space(struct parser *in)
{
	for (;; in->p++) {
		if (*in->p == '#')
			while (in->p[0] && in->p[1] && in->p[0] != '\n')
				in->p++;
		if (*in->p == '\n')
			in->line++;
		if (*in->p != ' ' && *in->p != '\t' && *in->p != '\n' && *in->p != '\r' && *in->p != '#')
			return;
	}
}

static bool accept(struct parser *in, const char *token)
{
	skip_space(in);
	size_t len = strlen(token);

	if (strncmp(in->p, token, len) != 0)
		return false;
	in->p += len;
	return true;
}

static int expect(struct parser *in, const char *token)
{
	return accept(in, token) ? 0 : -EBADMSG;
}

/* A run of letters, digits and the characters of `extra`. */
static int word(struct parser *in, const char *extra, char **ret_word)
{
	skip_space(in);
	const char *start = in->p;

	while (isalnum((unsigned char)*in->p) || (*in->p && strchr(extra, *in->p)))
		in->p++;
	if (in->p == start || !isalpha((unsigned char)*start))
		return -EBADMSG;
	char *text = strndup(start, (size_t)(in->p - start));

	if (!text)
		return -ENOMEM;
	*ret_word = text;
	return 0;
}

static int field_name(struct parser *in, char **ret_name)
{
	char *name = NULL;
	int r = word(in, "_", &name);

	if (r < 0)
		return r;
	if (strstr(name, "__") || name[strlen(name) - 1] == '_') {
		free(name);
		return -EBADMSG;
	}
	*ret_name = name;
	return 0;
}

static int member_name(struct parser *in, char **ret_name)
{
	char *name = NULL;
	int r = word(in, "", &name);

	if (r < 0)
		return r;
	if (!isupper((unsigned char)name[0])) {
		free(name);
		return -EBADMSG;
	}
	*ret_name = name;
	return 0;
}

static int parse_type(struct parser *in, struct idl_type **ret_type);

/* "(a: T, b: U)", "(a, b)" or "()" behind the opening parenthesis: a struct, or an enum when the first name
 * is followed by no colon. */
static int parse_fields(struct parser *in, struct idl_type *type)
{
	type->kind = IDL_STRUCT;
	if (accept(in, ")"))
		return 0;
	do {
		struct idl_field *fields = reallocarray(type->fields, type->n_fields + 1, sizeof(*fields));

		if (!fields)
			return -ENOMEM;
		type->fields = fields;
		struct idl_field *field = &fields[type->n_fields];

		*field = (struct idl_field){0};
		int r = field_name(in, &field->name);

		if (r < 0)
			return r;
		type->n_fields++;
		for (size_t i = 0; i + 1 < type->n_fields; i++)
			if (strcmp(type->fields[i].name, field->name) == 0)
				return -EBADMSG;
		bool typed = accept(in, ":");

		if (type->n_fields == 1 && !typed)
			type->kind = IDL_ENUM;
		if (typed != (type->kind == IDL_STRUCT))
			return -EBADMSG;
		if (typed) {
			r = parse_type(in, &field->type);
			if (r < 0)
				return r;
		}
	} while (accept(in, ","));
	return expect(in, ")");
}

static int parse_named(struct parser *in, struct idl_type *type)
{
	static const struct {
		const char *name;
		enum idl_kind kind;
	} builtin[] = {
		{"bool", IDL_BOOL},     {"int", IDL_INT},       {"float", IDL_FLOAT},
		{"string", IDL_STRING}, {"object", IDL_OBJECT},
	};
	int r = word(in, "", &type->name);

	if (r < 0)
		return r;
	type->kind = IDL_NAMED;
	for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++)
		if (strcmp(type->name, builtin[i].name) == 0)
			type->kind = builtin[i].kind;
	return type->kind == IDL_NAMED && !isupper((unsigned char)type->name[0]) ? -EBADMSG : 0;
}

static int parse_type_into(struct parser *in, struct idl_type *type)
{
	if (accept(in, "?")) {
		type->kind = IDL_MAYBE;
		int r = parse_type(in, &type->element);

		return r < 0 ? r : type->element->kind == IDL_MAYBE ? -EBADMSG : 0;
	}
	if (accept(in, "[")) {
		type->kind = accept(in, "string") ? IDL_MAP : IDL_ARRAY;
		int r = expect(in, "]");

		return r < 0 ? r : parse_type(in, &type->element);
	}
	return accept(in, "(") ? parse_fields(in, type) : parse_named(in, type);
}

static int parse_type(struct parser *in, struct idl_type **ret_type)
{
	if (in->depth == IDL_MAX_DEPTH)
		return -EBADMSG;
	struct idl_type *type = calloc(1, sizeof(*type));

	if (!type)
		return -ENOMEM;
	in->depth++;
	int r = parse_type_into(in, type);

	in->depth--;
	if (r < 0) {
		type_free(type);
		return r;
	}
	*ret_type = type;
	return 0;
}

static int parse_struct(struct parser *in, struct idl_type **ret_type)
{
	int r = parse_type(in, ret_type);

	return r < 0 ? r : (*ret_type)->kind == IDL_STRUCT ? 0 : -EBADMSG;
}

static int add_member(struct parser *in, struct idl_member **members, size_t *n, bool only_struct)
{
	struct idl_member *grown = reallocarray(*members, *n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*members = grown;
	struct idl_member *member = &grown[(*n)++];

	*member = (struct idl_member){0};
	int r = member_name(in, &member->name);

	if (r < 0)
		return r;
	r = parse_type(in, &member->type);
	if (r < 0)
		return r;
	bool fits = member->type->kind == IDL_STRUCT || (member->type->kind == IDL_ENUM && !only_struct);

	return fits ? 0 : -EBADMSG;
}

static int add_method(struct parser *in, struct idl_interface *interface)
{
	struct idl_method *grown = reallocarray(interface->methods, interface->n_methods + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	interface->methods = grown;
	struct idl_method *method = &grown[interface->n_methods++];

	*method = (struct idl_method){0};
	int r = member_name(in, &method->name);

	if (r >= 0)
		r = parse_struct(in, &method->in);
	if (r >= 0)
		r = expect(in, "->");
	if (r >= 0)
		r = parse_struct(in, &method->out);
	return r;
}

static int resolve(const struct idl_interface *interface, struct idl_type *type)
{
	if (!type)
		return 0;
	if (type->kind == IDL_NAMED) {
		for (size_t i = 0; i < interface->n_types && !type->resolved; i++)
			if (strcmp(interface->types[i].name, type->name) == 0)
				type->resolved = interface->types[i].type;
		return type->resolved ? 0 : -EBADMSG;
	}
	int r = resolve(interface, type->element);

	for (size_t i = 0; i < type->n_fields && r >= 0; i++)
		r = resolve(interface, type->fields[i].type);
	return r;
}

static int resolve_all(const struct idl_interface *interface)
{
	int r = 0;

	for (size_t i = 0; i < interface->n_types && r >= 0; i++)
		r = resolve(interface, interface->types[i].type);
	for (size_t i = 0; i < interface->n_errors && r >= 0; i++)
		r = resolve(interface, interface->errors[i].type);
	for (size_t i = 0; i < interface->n_methods && r >= 0; i++) {
		r = resolve(interface, interface->methods[i].in);
		if (r >= 0)
			r = resolve(interface, interface->methods[i].out);
	}
	return r;
}

static int parse_interface(struct parser *in, struct idl_interface *interface)
{
	if (!accept(in, "interface"))
		return -EBADMSG;
	int r = word(in, ".-", &interface->name);

	if (r >= 0 && !strchr(interface->name, '.'))
		r = -EBADMSG;
	while (r >= 0) {
		if (accept(in, "type "))
			r = add_member(in, &interface->types, &interface->n_types, false);
		else if (accept(in, "error "))
			r = add_member(in, &interface->errors, &interface->n_errors, true);
		else if (accept(in, "method "))
			r = add_method(in, interface);
		else
			break;
	}
	skip_space(in);
	if (r >= 0 && *in->p)
		r = -EBADMSG;
	return r < 0 ? r : resolve_all(interface);
}

int idl_parse(const char *text, struct idl_interface **ret_interface, unsigned *ret_line)
{
	struct idl_interface *interface = calloc(1, sizeof(*interface));
	struct parser in = {.line = 1};
	int r = -ENOMEM;

	if (!interface)
		return r;
	interface->text = strdup(text);
	if (interface->text) {
		in.p = interface->text;
		r = parse_interface(&in, interface);
	}
	if (r < 0) {
		idl_free(interface);
		if (ret_line)
			*ret_line = in.line;
		return r;
	}
	*ret_interface = interface;
	return 0;
}

const char *idl_name(const struct idl_interface *interface)
{
	return interface->name;
}

const char *idl_text(const struct idl_interface *interface)
{
	return interface->text;
}

size_t idl_method_count(const struct idl_interface *interface)
{
	return interface->n_methods;
}

const struct idl_method *idl_method_at(const struct idl_interface *interface, size_t i)
{
	return &interface->methods[i];
}

const struct idl_method *idl_method_find(const struct idl_interface *interface, const char *name)
{
	for (size_t i = 0; i < interface->n_methods; i++)
		if (strcmp(interface->methods[i].name, name) == 0)
			return &interface->methods[i];
	return NULL;
}

const char *idl_method_name(const struct idl_method *method)
{
	return method->name;
}

static int bad(char *field, const char *name)
{
	snprintf(field, IDL_FIELD_MAX, "%s", name);
	return -EINVAL;
}

static int check_struct(const struct idl_type *type, struct json_object *object, char *field);

static int check_elements(const struct idl_type *type, struct json_object *value, const char *name,
			  char *field);

static bool is_integer(struct json_object *value)
{
	/* json-c keeps what is above INT64_MAX as unsigned and cuts it when asked for a signed one. */
	return json_object_is_type(value, json_type_int) &&
	       !(json_object_get_int64(value) == INT64_MAX && json_object_get_uint64(value) > INT64_MAX);
}

static bool in_enum(const struct idl_type *type, struct json_object *value)
{
	if (!json_object_is_type(value, json_type_string))
		return false;
	for (size_t i = 0; i < type->n_fields; i++)
		if (strcmp(type->fields[i].name, json_object_get_string(value)) == 0)
			return true;
	return false;
}

static int check_value(const struct idl_type *type, struct json_object *value, const char *name, char *field)
{
	bool fits = false;

	switch (type->kind) {
	case IDL_MAYBE: return value ? check_value(type->element, value, name, field) : 0;
	case IDL_NAMED: return check_value(type->resolved, value, name, field);
	case IDL_BOOL: fits = json_object_is_type(value, json_type_boolean); break;
	case IDL_INT: fits = is_integer(value); break;
	case IDL_FLOAT: fits = json_object_is_type(value, json_type_double) || is_integer(value); break;
	case IDL_STRING: fits = json_object_is_type(value, json_type_string); break;
	case IDL_OBJECT: fits = json_object_is_type(value, json_type_object); break;
	case IDL_ENUM: fits = in_enum(type, value); break;
	case IDL_STRUCT:
		if (!json_object_is_type(value, json_type_object))
			break;
		return check_struct(type, value, field);
	case IDL_ARRAY:
	case IDL_MAP: return check_elements(type, value, name, field);
	}
	return fits ? 0 : bad(field, name);
}

static int check_elements(const struct idl_type *type, struct json_object *value, const char *name,
			  char *field)
{
	bool array = type->kind == IDL_ARRAY;

	if (!json_object_is_type(value, array ? json_type_array : json_type_object))
		return bad(field, name);
	if (array) {
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			int r = check_value(type->element, json_object_array_get_idx(value, i), name, field);

			if (r < 0)
				return r;
		}
		return 0;
	}
	json_object_object_foreach(value, key, element)
	{
		(void)key;
		int r = check_value(type->element, element, name, field);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_struct(const struct idl_type *type, struct json_object *object, char *field)
{
	size_t known = 0;

	for (size_t i = 0; i < type->n_fields; i++) {
		struct json_object *value = NULL;

		known += json_object_object_get_ex(object, type->fields[i].name, &value);
		if (!value && type->fields[i].type->kind == IDL_MAYBE)
			continue;
		int r = check_value(type->fields[i].type, value, type->fields[i].name, field);

		if (r < 0)
			return r;
	}
	if (!object || known == (size_t)json_object_object_length(object))
		return 0;
	json_object_object_foreach(object, key, value)
	{
		(void)value;
		size_t i = 0;

		while (i < type->n_fields && strcmp(type->fields[i].name, key) != 0)
			i++;
		if (i == type->n_fields)
			return bad(field, key);
	}
	return 0;
}

int idl_check_input(const struct idl_method *method, struct json_object *parameters,
		    char field[IDL_FIELD_MAX])
{
	return check_struct(method->in, parameters, field);
}

int idl_check_output(const struct idl_method *method, struct json_object *parameters,
		     char field[IDL_FIELD_MAX])
{
	return check_struct(method->out, parameters, field);
}

int idl_check_error(const struct idl_interface *interface, const char *error, struct json_object *parameters,
		    char field[IDL_FIELD_MAX])
{
	for (size_t i = 0; i < interface->n_errors; i++)
		if (strcmp(interface->errors[i].name, error) == 0)
			return check_struct(interface->errors[i].type, parameters, field);
	return -ENOENT;
}
