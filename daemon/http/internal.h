/* What the files of this room share: the structures behind http.h. http.c owns the curl multi and decides who
 * runs; request.c is one exchange; body.c, outcome.c and redact.c are pure. */
#pragma once
#include "http/http.h"
#include "http/body.h"
#include "http/outcome.h"
#include <curl/curl.h>

/* The server takes one write at a time and reads are quick: more connections for bulk only queue there. A
 * transfer is somebody's, and never waits for another of the same user, who may have eight. Two are always
 * left for what is over at once. */
#define HTTP_HOST_BULK        6
#define HTTP_HOST_TRANSFER    8
#define HTTP_HOST_CONNECTIONS (HTTP_HOST_BULK + HTTP_HOST_TRANSFER + 2)

#define HTTP_CONNECT_TIMEOUT_MS                                                                              \
	30000 /* above the resolver's own total: a look-up that curl gives up on is work lost */
#define HTTP_LOW_SPEED_TIME_S 60        /* a server finishing a large upload may be silent that long */
#define HTTP_EXPECT_BYTES     (1 << 20) /* below it waiting for 100 Continue costs more than a refused body */

enum http_state {
	HTTP_WAITING, /* for one of the host's connections */
	HTTP_RUNNING, /* its easy handle is in the multi */
	HTTP_ENDED,   /* only on_done is missing */
};

struct http_host {
	struct http *http;
	char *key; /* scheme://host:port */
	struct http_request *waiting[HTTP_CLASSES],
		**waiting_end[HTTP_CLASSES]; /* by class, linked by next_waiting */
	unsigned running[HTTP_CLASSES];
	unsigned requests; /* of every state */
	struct http_host *next;
};

struct http_request {
	struct http *http;
	struct http_host *host;
	struct http_request *next, **prev; /* in http->requests */
	struct http_request *next_waiting; /* in host->waiting */
	struct http_request *next_todo;    /* in http->todo */
	enum http_state state;
	bool in_todo;
	/* What the next round of work shall do. */
	bool want_cancel, want_resume, want_receive, want_room;

	enum http_class class;
	int silence_s; /* 0: the room's */
	struct http_callbacks callbacks;
	void *arg;

	CURL *easy;
	struct curl_slist *headers;
	char message[CURL_ERROR_SIZE];
	bool safe;     /* GET or HEAD: repeating it changes nothing */
	bool started;  /* a connection was found and the request begun */
	bool repeated; /* once, on a fresh connection */

	bool has_body;
	int64_t body_size; /* -1: chunked */
	struct http_body body;
	bool paused;     /* curl waits for body bytes */
	bool hold, held; /* the caller takes no more; curl waits for that */

	int status;                /* of the final answer */
	bool in_headers, answered; /* answered: its headers are complete */
	struct buf header_lines;   /* "Name: value", each with its NUL */
	struct buf answer;
	int64_t max_response;
	int local_error; /* we ended it ourselves */

	struct http_result result;
};

/* request.c */
int request_new(struct http *http, const struct http_spec *spec, const struct http_callbacks *callbacks,
		void *arg, struct http_request **ret_request);
struct http_request *request_free(struct http_request *r);
/* Fills r->result from what curl said. true: to be started again instead (r->easy is ready for it). */
bool request_end(struct http_request *r, CURLcode code);
void request_end_locally(struct http_request *r, int error);
void request_watch_speed(struct http_request *r, bool watch);

/* http.c */
struct http {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer curl_timer, tick;
	struct event *work; /* runs the todo list */
	struct http_request *todo, **todo_end;
	struct http_request *requests;
	struct http_host *hosts;
	unsigned active, running;
	bool freeing, working;

	char *ca_file, *proxy, *user_agent;
	int low_speed_s;
};
void http_want(struct http_request *r); /* puts it on the todo list */

/* redact.c. Appends one line of curl's talk without credentials: the values of Authorization headers and of
 * token parameters become "***"; control characters stay (the log escapes them). -ENOMEM. */
int redact_append(struct buf *b, const char *line, size_t len);
