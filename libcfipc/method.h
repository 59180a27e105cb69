/* The engine under the typed functions. A method is a row of what its interface says of it, an argument knows
 * its JSON name, and METHOD makes both forms of a function from them. */
#pragma once
#include "libcfipc/internal.h"
#include "libcfipc/object.h"
#include "libcfipc/varlink/fields.h"

#define DAEMON "org.carbonfiles.daemon."
#define SYNC   "org.carbonfiles.sync."
#define REMOTE "org.carbonfiles.remote."

struct method {
	const char *name;
	const char *member;     /* of the reply, that is the result; NULL: all of it */
	unsigned flags;         /* of the call */
	const char *one, *many; /* member `one` of the replies of a stream is gathered in an array `many` */
};

/* How a public option struct becomes JSON. */
struct options_type {
	const void *defaults;
	size_t size;
	const struct field *fields;
	size_t n_fields;
};
void options_init(const struct options_type *type, void *options, size_t size);
/* A struct of the size that the library knows. options NULL: defaults. -EINVAL. */
int options_read(const struct options_type *type, const void *options, void *ret_options);

#define OPTIONS_TYPE(name, ...)                                                                              \
	static const struct field name##_fields[] = {__VA_ARGS__};                                           \
	static const struct options_type name##_type = {&name##_defaults, sizeof(name##_defaults),           \
							name##_fields,                                       \
							sizeof(name##_fields) / sizeof(name##_fields[0])};   \
	void cfipc_##name##_init(cfipc_##name *options, size_t size)                                         \
	{                                                                                                    \
		options_init(&name##_type, options, size);                                                   \
	}

enum argument_kind {
	ARGUMENTS_END,
	ARGUMENT_STRING, /* NULL: absent */
	ARGUMENT_INT,
	ARGUMENT_COUNT,   /* negative: absent */
	ARGUMENT_FLAG,    /* negative: absent */
	ARGUMENT_STRINGS, /* NULL: absent */
	ARGUMENT_PAIRS,   /* key, value, ..., NULL: an object */
	ARGUMENT_OPTIONS, /* the fields of a struct, beside the others */
	ARGUMENT_OBJECT,  /* the same as one member; absent when none is given */
	ARGUMENT_NEEDED,  /* the same, there even when empty */
	ARGUMENT_FILES,   /* number of cfipc_file_ref; 0: absent */
	ARGUMENT_ALL,     /* CFIPC_ALL here makes the call a stream */
	ARGUMENT_STREAM,  /* not zero here does */
};
struct argument {
	enum argument_kind kind;
	const char *name;
	int64_t number;
	const void *pointer; /* string, strings, options */
	const struct options_type *type;
};
#define STRING(field)                                                                                        \
	{                                                                                                    \
		ARGUMENT_STRING, #field, .pointer = (field)                                                  \
	}
#define INT(field)                                                                                           \
	{                                                                                                    \
		ARGUMENT_INT, #field, (field)                                                                \
	}
#define COUNT(field)                                                                                         \
	{                                                                                                    \
		ARGUMENT_COUNT, #field, (field)                                                              \
	}
#define FLAG(field)                                                                                          \
	{                                                                                                    \
		ARGUMENT_FLAG, #field, (field)                                                               \
	}
#define STRINGS(field)                                                                                       \
	{                                                                                                    \
		ARGUMENT_STRINGS, #field, .pointer = (field)                                                 \
	}
#define PAIRS(field)                                                                                         \
	{                                                                                                    \
		ARGUMENT_PAIRS, #field, .pointer = (field)                                                   \
	}
#define WORD(field, text)                                                                                    \
	{                                                                                                    \
		ARGUMENT_STRING, #field, .pointer = (text)                                                   \
	}
#define OPTIONS(options, options_type)                                                                       \
	{                                                                                                    \
		ARGUMENT_OPTIONS, "options", 0, (options), &options_type                                     \
	}
#define OBJECT(field, options, options_type)                                                                 \
	{                                                                                                    \
		ARGUMENT_OBJECT, #field, 0, (options), &options_type                                         \
	}
#define NEEDED(field, options, options_type)                                                                 \
	{                                                                                                    \
		ARGUMENT_NEEDED, #field, 0, (options), &options_type                                         \
	}
#define ALL(limit)                                                                                           \
	{                                                                                                    \
		ARGUMENT_ALL, "limit", (limit)                                                               \
	}
#define COUNTED(field, value)                                                                                \
	{                                                                                                    \
		ARGUMENT_COUNT, #field, (value)                                                              \
	}
#define FLAG_OF(field, value)                                                                                \
	{                                                                                                    \
		ARGUMENT_FLAG, #field, (value)                                                               \
	}
#define PAGE(options) {ARGUMENT_OBJECT, "page", 0, (options), page_type}, ALL(list_limit(options))
#define NOTHING                                                                                              \
	{                                                                                                    \
		ARGUMENTS_END                                                                                \
	}
#define STREAM_IF(condition)                                                                                 \
	{                                                                                                    \
		ARGUMENT_STREAM, "more", (condition)                                                         \
	}
#define ARGUMENTS(...)                                                                                       \
	(const struct argument[])                                                                            \
	{                                                                                                    \
		__VA_ARGS__,                                                                                 \
		{                                                                                            \
			ARGUMENTS_END                                                                        \
		}                                                                                            \
	}

/* What an op has beside its call. */
struct typed {
	const struct method *method;
	cfipc_result_cb callback;
	struct json_object *result; /* of the reply that is being delivered */
	bool failed;                /* memory was out for a reply: its end says so */
	struct transfer *transfer;  /* NULL: none */
};

/* The reply in `d` becomes a result, or an error where that fails. */
void typed_judge(cfipc_op *op, struct delivery *d);
int typed_deliver(cfipc_op *op, const struct delivery *d);
struct typed *typed_free(struct typed *typed);

int method_start(cfipc_client *client, cfipc_op **ret_op, const struct method *method,
		 const struct argument *arguments, cfipc_result_cb callback, void *userdata);

/* The same with a descriptor, whose index 0 is among the arguments. If there is none, or what begins the call
 * finds another fault here, the callback tells. */
struct passed {
	int fd;           /* of ours, -errno: why there is none */
	bool ours;        /* taken; else copied */
	const char *name; /* for messages; borrowed */
};
int method_start_fd(cfipc_client *client, cfipc_op **ret_op, const struct method *method,
		    const struct argument *arguments, struct passed passed, struct transfer *transfer,
		    cfipc_result_cb callback, void *userdata);
/* A memfd with these bytes, at its start. -errno. */
int memory_fd(const void *data, size_t size);

/* Of cfipc_list_options, which several nouns use (file.c). */
extern const struct options_type *const page_type;
int64_t list_limit(const cfipc_list_options *options);
int list_include_expired(const cfipc_list_options *options);

/* What the waiting form keeps until the call is over. */
struct kept {
	struct json_object *result, *gathered;
	bool failed;
};
int method_keep(cfipc_op *op, void *result, const cfipc_error *error, unsigned flags, void *userdata);
/* Waits for the op, if there is one and r (the answer of what began it) is no failure. Takes the op. */
int method_wait(cfipc_op *op, int r, const char *name, struct kept *kept, void **ret_result,
		cfipc_error **ret_error);
int method_call(cfipc_client *client, const struct method *method, const struct argument *arguments,
		void **ret_result, cfipc_error **ret_error);

/* What only transfers have (transfer.c). finish: the daemon is done, is all as it must be here? fail: the
 * error to give instead of the daemon's, or NULL. */
int transfer_progress(cfipc_op *op, struct transfer *transfer, struct json_object *reply);
cfipc_error *transfer_finish(struct transfer *transfer, struct json_object *reply);
cfipc_error *transfer_fail(struct transfer *transfer, cfipc_error *error);
struct transfer *transfer_free(struct transfer *transfer);

#define UNPACK(...) __VA_ARGS__
#define ASYNC_ONLY(function, row, parameters, ...)                                                           \
	static const struct method function##_row = {UNPACK row};                                            \
	int function(cfipc_client *client, cfipc_op **ret_op, UNPACK parameters cfipc_result_cb callback,    \
		     void *userdata)                                                                         \
	{                                                                                                    \
		return method_start(client, ret_op, &function##_row, ARGUMENTS(__VA_ARGS__), callback,       \
				    userdata);                                                               \
	}
/* parameters: in parentheses, each with a comma behind it. */
#define METHOD(function, type, row, parameters, ...)                                                         \
	ASYNC_ONLY(function##_async, row, parameters, __VA_ARGS__)                                           \
	int function(cfipc_client *client, UNPACK parameters type **ret_result, cfipc_error **ret_error)     \
	{                                                                                                    \
		void *result = NULL;                                                                         \
		int r = method_call(client, &function##_async_row, ARGUMENTS(__VA_ARGS__),                   \
				    ret_result ? &result : NULL, ret_error);                                 \
                                                                                                             \
		if (ret_result)                                                                              \
			*ret_result = result;                                                                \
		return r;                                                                                    \
	}
/* The same without a result. */
#define METHOD_VOID(function, row, parameters, ...)                                                          \
	ASYNC_ONLY(function##_async, row, parameters, __VA_ARGS__)                                           \
	int function(cfipc_client *client, UNPACK parameters cfipc_error **ret_error)                        \
	{                                                                                                    \
		return method_call(client, &function##_async_row, ARGUMENTS(__VA_ARGS__), NULL, ret_error);  \
	}
/* The waiting form of a function whose _async form is written by hand. */
#define WAITING(function, type, parameters, names)                                                           \
	int function(cfipc_client *client, UNPACK parameters type **ret_result, cfipc_error **ret_error)     \
	{                                                                                                    \
		struct kept kept = {0};                                                                      \
		cfipc_op *op = NULL;                                                                         \
		void *result = NULL;                                                                         \
		int r = function##_async(client, &op, UNPACK names method_keep, &kept);                      \
                                                                                                             \
		r = method_wait(op, r, #function, &kept, ret_result ? &result : NULL, ret_error);            \
		if (ret_result)                                                                              \
			*ret_result = result;                                                                \
		return r;                                                                                    \
	}
