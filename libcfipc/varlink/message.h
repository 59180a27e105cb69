/* Calls and replies of Varlink as JSON texts: parsed by the rules of the protocol, written without white
 * space. Pure. Not here: framing (frame.h), whether parameters fit a method (idl.h). */
#pragma once
#include "libcfipc/varlink/json.h"

struct varlink_call {
	struct json_object *root; /* holds everything below */
	const char *method;
	struct json_object *parameters; /* an object; NULL: none */
	bool oneway, more, upgrade;
};

/* 0; -EBADMSG: not a call, and the connection cannot go on; -E2BIG, -ENOMEM. *ret_why (optional) is a static
 * text. */
int varlink_call_parse(const char *text, size_t len, struct varlink_call *ret_call, const char **ret_why);
void varlink_call_done(struct varlink_call *call);

struct varlink_reply {
	struct json_object *root;
	struct json_object *parameters;
	const char *error; /* NULL: none */
	bool continues;
};

int varlink_reply_parse(const char *text, size_t len, struct varlink_reply *ret_reply, const char **ret_why);
void varlink_reply_done(struct varlink_reply *reply);

/* The whole message without its NUL; free it. parameters may be NULL. NULL when out of memory. */
char *varlink_call_format(const char *method, struct json_object *parameters, bool oneway, bool more,
			  size_t *ret_len);
char *varlink_reply_format(struct json_object *parameters, const char *error, bool continues,
			   size_t *ret_len);

/* "org.carbonfiles.sync.Add": an interface name, a dot, a member name. */
bool varlink_method_valid(const char *method);

/* Overwrites every string in the tree: for parameters that hold a credential. */
void varlink_wipe(struct json_object *object);
