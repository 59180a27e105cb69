/*
 * One HTTP/1.1 request: its head, parsed and checked as strictly as the original does, and its body, pulled
 * piece by piece by whoever wants it. Errors that the original's web server makes itself are status numbers
 * here.
 */
#pragma once

#include "conn.h"

/* The original's limits: the request line with its line end, all header lines together, their number. */
#define REQUEST_LINE_BYTES    8192
#define REQUEST_HEADERS_BYTES 32768
#define REQUEST_HEADERS_MAX   100

struct header {
	struct span name, value;
};

enum body_kind {
	BODY_NONE,
	BODY_LENGTH,
	BODY_CHUNKED,
};

struct route;
struct fault_plan;
struct counted;

struct request {
	struct conn *conn;
	char *head; /* the copy that all spans below point into */
	struct span method, target;
	struct header headers[REQUEST_HEADERS_MAX];
	size_t n_headers;
	bool http10, keep_alive, is_head, is_preflight;

	enum body_kind body_kind;
	int64_t body_length; /* as announced (BODY_LENGTH) */
	bool expects_continue;

	int64_t began_us; /* when its head was complete */

	/* Progress of the body. */
	int64_t body_left; /* of the whole body, or of the current chunk */
	int64_t body_received, body_limit;
	int64_t body_started_ms;
	bool body_begun, body_ended, chunk_open;

	/* The target, decoded: path with dot segments resolved, and the raw query. */
	struct buf path;
	struct span query;
	const struct route *route;
	struct span params[2];

	/* The answer. */
	struct buf out_headers; /* further header lines, each with CR LF */
	int status;             /* 0 until one was sent */
	bool must_close;
	struct fault_plan *fault; /* NULL: behave */
	struct counted *counted;  /* NULL: not counted */
};

/* Waits for a request and parses its head. 1: there is one; 0: the connection ended or idled out, nothing to
 * say; otherwise the status to refuse it with (400, 408, 414, 431, 505), after which the connection closes.
 */
int request_read_head(struct request *r, struct conn *c);
void request_done(struct request *r);

/* First header of that name (case ignored); p is NULL if there is none. */
struct span request_header(const struct request *r, const char *name);
size_t request_header_count(const struct request *r, const char *name);
bool request_has_body(const struct request *r);

/* The next piece of the body, valid until the next call. 1: a piece, 0: the end, -EPIPE: the client is gone,
 * -EBADMSG: malformed chunks (400), -ETIMEDOUT: too slow (408), -EFBIG: over the limit (413). */
int request_read_body(struct request *r, struct span *ret_piece);
/* Reads a whole body of at most `max` bytes into b. */
int request_read_all(struct request *r, struct buf *b, size_t max);
/* Throws away what is left of the body, for at most DRAIN_MS; false: the connection cannot be used any more.
 */
bool request_drain(struct request *r);
