/* HTTP over one curl multi on the loop: requests with streamed bodies both ways, what an answer or its
 * absence means, TLS and proxies, redaction. The only room that knows curl. Not here: URLs of the API, JSON,
 * retries (the callers decide), which upload goes when (sync). HTTP/1.1 only; redirects are not followed (the
 * API never sends one but for short URLs). */
#pragma once
#include "base/buf.h"
#include "base/loop.h"
#include "base/secret.h"
#include <stdbool.h>
#include <stdint.h>

struct http;
struct http_request;

/* Who waits for it. A person waits for an interactive request, which is over at once, and for a transfer,
 * which lasts as long as it is large; nobody waits for bulk. Each has connections of a host that the others
 * cannot take. */
enum http_class { HTTP_INTERACTIVE, HTTP_TRANSFER, HTTP_BULK };
#define HTTP_CLASSES 3

struct http_options {
	const char *ca_file; /* NULL: the system's */
	const char *proxy;   /* NULL: the environment's */
	const char *user_agent;
	int low_speed_s; /* seconds without a byte until a transfer counts as lost; 0: the default, 60 */
};

int http_new(struct loop *loop, const struct http_options *options, struct http **ret_http);
struct http *
http_free(struct http *http); /* cancels what runs: every on_done is called with ERR_CANCELED first */
int http_configure(struct http *http,
		   const struct http_options *options); /* for requests started from now on */

/* How an exchange ended. Borrowed for the time of on_done. */
struct http_result {
	int error;  /* 0: an answer came whole (whatever its status); ERR_OFFLINE, ERR_DOUBT, ERR_PROTOCOL,
		     * ERR_CANCELED,  ERR_LIMIT (answer larger than max_response), -ENOMEM, or what on_data
		     * returned */
	int status; /* 0 when none came. May be set beside an error: an early refusal during the upload counts
		       as an answer */
	const char *reason;  /* for people when there is no answer: "dns", "connect", "tls", "timeout",
				"protocol", "offline" */
	const char *message; /* libcurl's words, secrets redacted; "" if none */
	const char *body;    /* terminated; only when no on_data was given */
	size_t body_len;
	int64_t retry_after_s; /* 0: none */
	bool sent_all;         /* the last byte of the request body was handed to the kernel */
	uint64_t sent_bytes;   /* of the request body */
};

struct http_callbacks {
	/* Status and headers are complete (final answer, not 100). Optional. A negative return ends the
	 * request with it. */
	int (*on_headers)(void *arg, struct http_request *request, int status);
	/* Bytes of the answer of a 2xx; other statuses always go to result.body (up to max_response).
	 * Optional: without it all go there. */
	int (*on_data)(void *arg, const void *data, size_t len);
	/* The connection takes body bytes and fewer than HTTP_BODY_LOW are queued: give more with
	 * http_body_*. Comes first when the server is ready for the body, then once after each time bytes
	 * were given; bytes may also be given before it is called. Optional. */
	void (*on_room)(void *arg);
	/* Exactly once; the request is freed after it returns. Called from the loop, never from inside
	 * http_start or http_cancel. */
	void (*on_done)(void *arg, const struct http_result *result);
};

#define HTTP_BODY_LOW     (1 << 20) /* keep the socket busy while the next run is read and hashed */
#define HTTP_RESPONSE_MAX (8 << 20) /* a listing page of 1,000 long paths stays below it */

struct http_spec {
	const char *method;          /* "GET" "HEAD" "PUT" "POST" "PATCH" "DELETE" */
	const char *url;             /* encoded; copied */
	const struct secret *bearer; /* NULL: none; borrowed until on_done */
	const char *const *headers;  /* "Name: value", NULL-terminated, copied; NULL: none */
	bool has_body;               /* a body follows through http_body_* */
	int64_t body_size;           /* with has_body: its length, -1 unknown (chunked) */
	enum http_class class;
	bool fresh;               /* on a connection of its own: never one that may have died meanwhile */
	int64_t total_timeout_ms; /* 0: none (bulk); the low-speed rule always holds */
	int silence_s;            /* seconds without a byte until it counts as lost; 0: as the options say */
	int64_t max_response;     /* 0: HTTP_RESPONSE_MAX */
	uint64_t max_send_rate;   /* bytes per second, 0 none */
	uint64_t max_recv_rate;
};

#define HTTP_REST_TIMEOUT_MS                                                                                 \
	60000 /* a REST answer that takes longer is lost: the server itself waits at most 30 s for its       \
		 database */

int http_start(struct http *http, const struct http_spec *spec, const struct http_callbacks *callbacks,
	       void *arg, struct http_request **ret_request);
/* on_done follows from the loop with ERR_CANCELED. NULL-safe. */
void http_cancel(struct http_request *request);
/* No on_data until it is let go again (but for what is being delivered right now): the peer waits, and the
 * low-speed rule does. */
void http_hold(struct http_request *request, bool hold);

/* Queues body bytes. _take owns data (malloc) from now on, also on failure; _copy copies. -ENOMEM; after the
 * request ended on the wire the bytes are dropped and 0 is returned (on_done is on its way). */
int http_body_take(struct http_request *request, void *data, size_t len);
int http_body_copy(struct http_request *request, const void *data, size_t len);
void http_body_end(struct http_request *request);            /* no more follows; needed also with body_size */
uint64_t http_body_sent(const struct http_request *request); /* bytes handed to the kernel so far */
size_t http_body_queued(const struct http_request *request);

/* A response header of the request, inside on_headers or on_done; NULL if absent. Name without colon, any
 * case. */
const char *http_header(const struct http_request *request, const char *name);

/* Requests under way: 0 means the room is asleep. */
unsigned http_active(const struct http *http);
