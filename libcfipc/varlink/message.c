/* Parsing and writing of Varlink messages: see message.h. */
#include "libcfipc/varlink/message.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(const char **ret_why, const char *why)
{
	if (ret_why)
		*ret_why = why;
	return -EBADMSG;
}

static int parse_object(const char *text, size_t len, struct json_object **ret_root, const char **ret_why)
{
	struct json_object *root = NULL;
	int r = json_parse(text, len, &root, ret_why);

	if (r < 0)
		return r;
	if (!json_object_is_type(root, json_type_object)) {
		json_object_put(root);
		return refuse(ret_why, "not a JSON object");
	}
	*ret_root = root;
	return 0;
}

static int parse_flag(struct json_object *value, bool *flag, const char **ret_why)
{
	if (!json_object_is_type(value, json_type_boolean))
		return refuse(ret_why, "a flag that is not true or false");
	*flag = json_object_get_boolean(value);
	return 0;
}

static int parse_parameters(struct json_object *value, struct json_object **parameters, const char **ret_why)
{
	if (value && !json_object_is_type(value, json_type_object))
		return refuse(ret_why, "parameters that are not an object");
	*parameters = value;
	return 0;
}

static int call_member(struct varlink_call *call, const char *key, struct json_object *value,
		       const char **ret_why)
{
	if (strcmp(key, "method") == 0) {
		if (!json_object_is_type(value, json_type_string))
			return refuse(ret_why, "a method that is not a string");
		call->method = json_object_get_string(value);
		return 0;
	}
	if (strcmp(key, "parameters") == 0)
		return parse_parameters(value, &call->parameters, ret_why);
	if (strcmp(key, "oneway") == 0)
		return parse_flag(value, &call->oneway, ret_why);
	if (strcmp(key, "more") == 0)
		return parse_flag(value, &call->more, ret_why);
	if (strcmp(key, "upgrade") == 0)
		return parse_flag(value, &call->upgrade, ret_why);
	/* Vendors put objects of their own beside these, under names with a dot. */
	return strchr(key, '.') ? 0 : refuse(ret_why, "an unknown key");
}

int varlink_call_parse(const char *text, size_t len, struct varlink_call *ret_call, const char **ret_why)
{
	struct varlink_call call = {0};
	int r = parse_object(text, len, &call.root, ret_why);

	if (r < 0)
		return r;
	json_object_object_foreach(call.root, key, value)
	{
		r = call_member(&call, key, value, ret_why);
		if (r < 0)
			break;
	}
	if (r >= 0 && !call.method)
		r = refuse(ret_why, "no method");
	if (r >= 0 && call.oneway + call.more + call.upgrade > 1)
		r = refuse(ret_why, "two flags that exclude each other");
	if (r < 0) {
		json_object_put(call.root);
		return r;
	}
	*ret_call = call;
	return 0;
}

void varlink_call_done(struct varlink_call *call)
{
	json_object_put(call->root);
	*call = (struct varlink_call){0};
}

static int reply_member(struct varlink_reply *reply, const char *key, struct json_object *value,
			const char **ret_why)
{
	if (strcmp(key, "parameters") == 0)
		return parse_parameters(value, &reply->parameters, ret_why);
	if (strcmp(key, "continues") == 0)
		return parse_flag(value, &reply->continues, ret_why);
	if (strcmp(key, "error") == 0) {
		if (value && !json_object_is_type(value, json_type_string))
			return refuse(ret_why, "an error that is not a string");
		reply->error = value ? json_object_get_string(value) : NULL;
	}
	return 0; /* services may add keys: whoever asks ignores what it does not know */
}

int varlink_reply_parse(const char *text, size_t len, struct varlink_reply *ret_reply, const char **ret_why)
{
	struct varlink_reply reply = {0};
	int r = parse_object(text, len, &reply.root, ret_why);

	if (r < 0)
		return r;
	json_object_object_foreach(reply.root, key, value)
	{
		r = reply_member(&reply, key, value, ret_why);
		if (r < 0)
			break;
	}
	if (r >= 0 && reply.error && reply.continues)
		r = refuse(ret_why, "an error that continues");
	if (r < 0) {
		json_object_put(reply.root);
		return r;
	}
	*ret_reply = reply;
	return 0;
}

void varlink_reply_done(struct varlink_reply *reply)
{
	json_object_put(reply->root);
	*reply = (struct varlink_reply){0};
}

/* Messages are put together from three texts, so that the parameters are written once and copied once. The
 * names that go into head and tail are checked to need no escaping. */
static char *assemble(const char *head, size_t head_len, struct json_object *parameters, const char *tail,
		      size_t *ret_len)
{
	size_t tail_len = strlen(tail), body_len = 0;
	char *body = NULL;

	if (parameters && json_object_object_length(parameters) > 0) {
		body = json_write(parameters, &body_len);
		if (!body)
			return NULL;
	}
	static const char key[] = "\"parameters\":";
	size_t len = head_len + (body ? sizeof(key) - 1 + body_len + (head_len > 1) : 0) + tail_len;
	char *text = malloc(len + 2), *p = text;

	if (text) {
		p = mempcpy(p, head, head_len);
		if (body && head_len > 1)
			*p++ = ',';
		if (body) {
			p = mempcpy(p, key, sizeof(key) - 1);
			p = mempcpy(p, body, body_len);
		}
	}
	if (body)
		explicit_bzero(body, body_len); /* it may hold a credential */
	free(body);
	if (!text)
		return NULL;
	/* The tail begins with a comma unless it is the closing brace alone. */
	if (tail[0] == ',' && p == text + 1)
		tail++, tail_len--;
	p = mempcpy(p, tail, tail_len);
	*p = 0;
	*ret_len = (size_t)(p - text);
	return text;
}

#define NAME_MAX_BYTES 255 /* longer than any interface and member of ours or of the tests */

static char *format_named(const char *key, const char *name, struct json_object *parameters, const char *tail,
			  size_t *ret_len)
{
	char head[NAME_MAX_BYTES + 32];
	int n = snprintf(head, sizeof(head), "{\"%s\":\"%s\"", key, name);

	if (n < 0 || (size_t)n >= sizeof(head))
		return NULL;
	return assemble(head, (size_t)n, parameters, tail, ret_len);
}

char *varlink_call_format(const char *method, struct json_object *parameters, bool oneway, bool more,
			  size_t *ret_len)
{
	return format_named("method", method, parameters,
			    oneway ? ",\"oneway\":true}"
			    : more ? ",\"more\":true}"
				   : "}",
			    ret_len);
}

char *varlink_reply_format(struct json_object *parameters, const char *error, bool continues, size_t *ret_len)
{
	if (error)
		return format_named("error", error, parameters, "}", ret_len);
	return assemble("{", 1, parameters, continues ? ",\"continues\":true}" : "}", ret_len);
}

bool varlink_method_valid(const char *method)
{
	const char *dot = strrchr(method, '.');

	if (!dot || dot == method || strlen(method) > NAME_MAX_BYTES || !isupper((unsigned char)dot[1]))
		return false;
	for (const char *p = dot + 1; *p; p++)
		if (!isalnum((unsigned char)*p))
			return false;
	if (!isalpha((unsigned char)method[0]) || !memchr(method, '.', (size_t)(dot - method)))
		return false;
	for (const char *p = method; p < dot; p++)
		if (!isalnum((unsigned char)*p) && ((*p != '.' && *p != '-') || p[1] == '.' || p + 1 == dot))
			return false;
	return true;
}

void varlink_wipe(struct json_object *object)
{
	switch (json_object_get_type(object)) {
	case json_type_string:
		/* json-c lends its own memory; nobody reads the string after this. */
		explicit_bzero((char *)(uintptr_t)json_object_get_string(object),
			       (size_t)json_object_get_string_len(object));
		break;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(object); i++)
			varlink_wipe(json_object_array_get_idx(object, i));
		break;
	case json_type_object: {
		json_object_object_foreach(object, key, value)
		{
			(void)key;
			varlink_wipe(value);
		}
		break;
	}
	default: break;
	}
}
