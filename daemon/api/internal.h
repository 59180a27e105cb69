/* What the files of this room share: the server and its credential, and how a call goes out. */
#pragma once
#include "api/answer.h"
#include "api/api.h"

struct api {
	unsigned refs;
	struct http *http;
	char *url;
	enum api_auth auth;
	struct secret *secret;
};

struct api_call {
	struct api *api;
	struct http_request *request;
	struct answer_texts texts;
	int64_t start_ms;
	bool write;
	const char *date; /* the answer's header, NULL if it has none; during on_answer */
	/* error is filled, code 0 on a 2xx. Ends with call_free, or with another call_send. */
	void (*on_answer)(struct api_call *call, struct api_error *error, const struct http_result *result);
	void (*cb)(void); /* the caller's, of the type that on_answer knows */
	void *arg;

	/* Of a scan: */
	char *bucket, *after;
	char *want; /* of a look-up: the path */
	int limit;
	enum http_class class;
};

/* The secret goes into the Authorization header, NULL if it does not. */
const struct secret *api_bearer(const struct api *api);
/* The token of a URL's query, NULL if there is none. */
const char *api_upload_token(const struct api *api);

int call_new(struct api *api, void (*cb)(void), void *arg, struct api_call **ret_call);
struct api_call *call_free(struct api_call *call);
/* Starts an exchange of the call: path begins with a slash and is encoded; json NULL: no body. */
int call_send(struct api_call *call, const char *method, enum http_class class, const char *path,
	      const char *json);
/* The next page of call->bucket behind call->after, call->limit of it. */
int call_send_scan(struct api_call *call);
/* The answer's JSON; on failure error says so and *ret_object is NULL. */
void call_read_json(struct api_call *call, const struct http_result *result, struct api_error *error,
		    struct json_object **ret_object);
/* A 2xx that is not what the contract says. */
void call_bad_answer(struct api_error *error, int code);
