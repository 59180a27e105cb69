/*
 * The body of a request, pulled piece by piece out of the connection's buffer without copying: lengths,
 * chunks, the size limit, the slowest rate allowed, 100-continue. See request.h.
 */
#include "request.h"

#include "tests/devserver/faults.h"

#include <errno.h>
#include <string.h>

/* The original cuts bodies that come slower than this on average, once the grace is over. */
#define RATE_BYTES_PER_S 240
#define RATE_GRACE_MS    5000
/* How often a waiting reader looks at the rate. */
#define RATE_LOOK_MS 500
/* What an answered request still sends is read and thrown away for this long, then the connection is closed.
 */
#define DRAIN_MS 5000
/* A chunk's size line; longer ones are extensions nobody needs. */
#define CHUNK_LINE_BYTES 256

bool request_has_body(const struct request *r)
{
	return r->body_kind != BODY_NONE;
}

static int begin_body(struct request *r)
{
	r->body_begun = true;
	r->body_started_ms = monotonic_ms();
	if (r->body_limit && r->body_kind == BODY_LENGTH && r->body_length > r->body_limit)
		return -EFBIG;
	if (r->expects_continue && conn_pending(r->conn).n == 0)
		return conn_write(r->conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	return 0;
}

static bool too_slow(const struct request *r)
{
	int64_t elapsed_ms = monotonic_ms() - r->body_started_ms;

	return elapsed_ms > RATE_GRACE_MS && r->body_received * 1000 < elapsed_ms * RATE_BYTES_PER_S;
}

/* Waits for bytes, no longer than the slowest rate allows; a body that trickles is too slow as well as one
 * that stops. */
static int fill_in_time(struct request *r)
{
	while (!too_slow(r)) {
		int n = conn_fill(r->conn, RATE_LOOK_MS);
		if (n > 0)
			return 0;
		if (n != -ETIMEDOUT)
			return -EPIPE; /* an end of the stream in the middle of a body is a lost client as
					  well */
	}
	return -ETIMEDOUT;
}

/* Takes a line off the buffer (without CR LF). */
static int read_chunk_line(struct request *r, struct span *ret_line)
{
	for (;;) {
		struct span s = conn_pending(r->conn);
		const char *nl = memchr(s.p, '\n', s.n);
		if (nl) {
			size_t n = (size_t)(nl - s.p);
			if (n == 0 || nl[-1] != '\r')
				return -EBADMSG;
			*ret_line = (struct span){s.p, n - 1};
			conn_consume(r->conn, n + 1);
			return 0;
		}
		if (s.n > CHUNK_LINE_BYTES)
			return -EBADMSG;
		int n = fill_in_time(r);
		if (n < 0)
			return n;
	}
}

static int parse_chunk_size(struct span line, int64_t *ret_size)
{
	int64_t size = 0;
	size_t i = 0;

	for (; i < line.n && hex_digit(line.p[i]) >= 0; i++) {
		if (size > INT64_MAX >> 5)
			return -EBADMSG;
		size = size * 16 + hex_digit(line.p[i]);
	}
	if (i == 0 || (i < line.n && line.p[i] != ';'))
		return -EBADMSG;
	*ret_size = size;
	return 0;
}

/* Opens the next chunk; at the last one reads the trailers and ends the body. */
static int next_chunk(struct request *r)
{
	struct span line;
	int n;

	if (r->chunk_open) { /* the line end behind a chunk's data */
		n = read_chunk_line(r, &line);
		if (n < 0 || line.n != 0)
			return n < 0 ? n : -EBADMSG;
		r->chunk_open = false;
	}
	n = read_chunk_line(r, &line);
	if (n < 0)
		return n;
	n = parse_chunk_size(line, &r->body_left);
	if (n < 0)
		return n;
	r->chunk_open = true;
	if (r->body_left > 0)
		return 0;
	do {
		n = read_chunk_line(r, &line);
	} while (n == 0 && line.n > 0);
	r->body_ended = true;
	return n;
}

int request_read_body(struct request *r, struct span *ret_piece)
{
	int n;

	if (r->body_kind == BODY_NONE || r->body_ended)
		return 0;
	if (!r->body_begun) {
		n = begin_body(r);
		if (n < 0)
			return n;
	}
	if (r->body_kind == BODY_CHUNKED && r->body_left == 0) {
		n = next_chunk(r);
		if (n < 0)
			return n;
		if (r->body_ended)
			return 0;
	}
	if (conn_pending(r->conn).n == 0) {
		n = fill_in_time(r);
		if (n < 0)
			return n;
	}
	struct span piece = conn_pending(r->conn);
	if ((int64_t)piece.n > r->body_left)
		piece.n = (size_t)r->body_left;
	n = fault_in_body(r, &piece.n);
	if (n < 0)
		return n;
	conn_consume(r->conn, piece.n);
	r->body_left -= (int64_t)piece.n;
	r->body_received += (int64_t)piece.n;
	if (r->body_kind == BODY_LENGTH && r->body_left == 0)
		r->body_ended = true;
	if (r->body_limit && r->body_received > r->body_limit)
		return -EFBIG;
	*ret_piece = piece;
	return 1;
}

int request_read_all(struct request *r, struct buf *b, size_t max)
{
	struct span piece;
	int n;

	while ((n = request_read_body(r, &piece)) > 0) {
		if (b->n + piece.n > max)
			return -EFBIG;
		buf_addspan(b, piece);
	}
	return n < 0 ? n : b->failed ? -ENOMEM : 0;
}

bool request_drain(struct request *r)
{
	int64_t deadline_ms = monotonic_ms() + DRAIN_MS;
	struct span piece;

	if (r->body_kind == BODY_NONE || r->body_ended)
		return true;
	r->expects_continue = false; /* it has its answer */
	r->body_limit = 0;
	r->fault = NULL;
	while (monotonic_ms() < deadline_ms) {
		/* Only what comes in time: request_read_body would wait by the rate, not by this deadline. */
		if (conn_pending(r->conn).n == 0) {
			int n = conn_fill(r->conn, deadline_ms - monotonic_ms());
			if (n <= 0)
				return false;
		}
		int n = request_read_body(r, &piece);
		if (n <= 0)
			return n == 0;
		if (r->body_ended)
			return true;
	}
	return false;
}
