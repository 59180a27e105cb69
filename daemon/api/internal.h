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
	const char *date, *location; /* headers of the answer, NULL if it has none; during on_answer */
	/* error is filled, code 0 on a 2xx. Ends with call_free, or with another call_send. */
	void (*on_answer)(struct api_call *call, struct api_error *error, const struct http_result *result);
	void (*cb)(void); /* the caller's, of the type that on_answer knows */
	void *arg;

	size_t collect_max; /* 0: no; else an answer is cut there, and that is no error */
	struct buf collected;
	int silence_s;   /* the server may be quiet so long; 0: as long as any call */
	bool has_expiry; /* a date went along: a refusal says what is allowed */
	bool no_explain; /* the caller itself asks about the credential */
	/* What tells a 404 that means "not yours" from one that means what it says; NULL: nothing does. */
	const char *witness_method;
	char *witness;
	/* While it is asked: the answer that needs explaining. */
	bool explaining;
	struct api_error unclear;
	struct answer_texts unclear_texts;

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
/* Begins a call whose only exchange is this one. Takes call. */
int call_begin(struct api_call *call, const char *method, const char *path, const char *json,
	       struct api_call **ret_call);
typedef void (*answer_handler)(struct api_call *call, struct api_error *error,
			       const struct http_result *result);
/* The common case: a path that may be being built, no body. */
int call_simple(struct api *api, const char *method, struct buf *path, void (*cb)(void), void *arg,
		answer_handler on_answer, struct api_call **ret_call);
/* For calls that answer with nothing: cb is an api_done_cb. */
void call_on_done(struct api_call *call, struct api_error *error, const struct http_result *result);
/* ?limit=&offset=&sort=&order=; *separator is what comes next. */
int page_append(struct buf *b, const struct api_page *page, const char **separator);
/* "/api/buckets/BUCKET/files/PATH" and the suffix, terminated; both are checked. */
int file_path_append(struct buf *b, const char *bucket, const char *path, const char *suffix);
/* A member of a body; value NULL: none. -ENOMEM. */
int body_add(struct json_object *body, const char *key, const char *value);

/* explain.c. True: the server is asked what its answer meant, and the call goes on with that. */
bool call_explain(struct api_call *call, const struct api_error *error);
/* What was asked has been answered: error becomes what was meant by the first answer. */
void call_explained(struct api_call *call, const struct http_result *result, struct api_error *error);
/* What a person can do about an error that needs no asking. */
void call_hint(struct api_call *call, struct api_error *error);
