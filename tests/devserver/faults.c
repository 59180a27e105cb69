/*
 * Carrying faults out: see faults.h. How they are ordered and matched is in fault_orders.c.
 */
#include "faults.h"

#include "fault_orders.h"
#include "http/reply.h"
#include "store.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Waiting is done in steps, so that the end of the server or of the client is noticed. */
#define STEP_US 10000

void fault_plan_done(struct fault_plan *p)
{
	buf_done(&p->headers);
	buf_done(&p->body);
}

static void wait_us(int64_t us)
{
	while (us > 0 && !fault_orders_stopped()) {
		int64_t step = us < STEP_US ? us : STEP_US;
		sleep_us(step);
		us -= step;
	}
}

/* Until the faults are cleared, the client goes or the server ends; the connection is of no use then. */
static int stall(struct request *r)
{
	while (!fault_orders_stopped() && r->fault->generation == fault_orders_generation() &&
	       !conn_client_is_gone(r->conn))
		sleep_us(STEP_US);
	conn_reset(r->conn);
	return -EPIPE;
}

static int64_t files_in_bucket(struct server *s, struct span id)
{
	int64_t n = 0;

	store_lock(s->store);
	sqlite3_stmt *st = store_prepare(s->store, ST_BUCKET_GET);
	store_bind(st, 1, id);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 7);
	sqlite3_reset(st);
	store_unlock(s->store);
	return n;
}

static int send_status(struct request *r, struct fault_plan *p)
{
	struct span piece;
	int n = 0;

	if (p->status_after_body)
		while ((n = request_read_body(r, &piece)) > 0)
			;
	if (n < 0)
		return n;
	buf_addspan(&r->out_headers, buf_span(&p->headers));
	return reply_text(r, p->status, p->body.n ? "application/json; charset=utf-8" : NULL, &p->body);
}

int fault_before_handler(struct server *s, struct request *r)
{
	struct fault_plan *p = r->fault;

	if (p->reset_before) {
		conn_reset(r->conn);
		return -EPIPE;
	}
	if (p->stall)
		return stall(r);
	wait_us(p->delay_us);
	if (p->us_per_file)
		wait_us(p->us_per_file * files_in_bucket(s, r->params[0]));
	return p->status ? send_status(r, p) : 0;
}

int fault_in_body(struct request *r, size_t *piece_len)
{
	if (!r->fault || r->fault->reset_within < 0)
		return 0;
	int64_t left = r->fault->reset_within - r->body_received;
	if (left <= 0) {
		conn_reset(r->conn);
		return -EPIPE;
	}
	if ((int64_t)*piece_len > left)
		*piece_len = (size_t)left;
	return 0;
}

bool fault_wants_late_commit(const struct request *r)
{
	return r->fault && (r->fault->reset_after_body || r->fault->late_commit_us >= 0);
}

int fault_before_commit(struct request *r)
{
	if (!fault_wants_late_commit(r))
		return 0;
	conn_reset(r->conn);
	if (r->fault->reset_after_body)
		return -EPIPE;
	wait_us(r->fault->late_commit_us);
	return 0;
}

bool fault_has_window(const struct request *r)
{
	return r->fault && r->fault->window_us > 0;
}

void fault_in_window(struct request *r)
{
	if (r->fault)
		wait_us(r->fault->window_us);
}

static char other_hex_digit(char c)
{
	return c == '0' ? '1' : '0';
}

/* Every hash that follows `mark` becomes another one. */
static void falsify(struct buf *b, const char *mark)
{
	size_t len = strlen(mark);

	for (char *p = b->p; p && (p = memmem(p, b->n - (size_t)(p - b->p), mark, len)); p += len)
		if ((size_t)(p - b->p) + len < b->n)
			p[len] = other_hex_digit(p[len]);
}

void fault_change_json(struct request *r, struct buf *body)
{
	if (r->fault->wrong_hash)
		falsify(body, "\"sha256\":\"");
	if (r->fault->corrupt && body->n)
		body->p[(uint64_t)r->fault->corrupt_at % body->n] ^= 1;
}

void fault_change_headers(struct request *r)
{
	if (r->fault->wrong_hash)
		falsify(&r->out_headers, "ETag: \"");
}

static int drip(struct request *r, const char *p, size_t n)
{
	while (n) {
		size_t step = (int64_t)n < r->fault->drip_bytes ? n : (size_t)r->fault->drip_bytes;
		int error = conn_write(r->conn, p, step);
		if (error < 0)
			return error;
		p += step;
		n -= step;
		wait_us(r->fault->drip_us);
	}
	return 0;
}

int fault_send_reply(struct request *r, struct iovec *iov, int n)
{
	if (r->fault->reset_after_commit) {
		conn_reset(r->conn);
		return -EPIPE;
	}
	if (r->fault->stall_reply)
		return stall(r);
	if (r->fault->drip_bytes == 0)
		return conn_writev(r->conn, iov, n);
	for (int i = 0; i < n; i++) {
		int error = drip(r, iov[i].iov_base, iov[i].iov_len);
		if (error < 0)
			return error;
	}
	return 0;
}

int fault_send_file(struct request *r, int file_fd, int64_t offset, int64_t length)
{
	char piece[4096];
	int64_t wrong_at = r->fault->corrupt && length
				   ? offset + (int64_t)((uint64_t)r->fault->corrupt_at % (uint64_t)length)
				   : -1;

	while (length > 0) {
		size_t want = length < (int64_t)sizeof(piece) ? (size_t)length : sizeof(piece);
		ssize_t n = pread(file_fd, piece, want, offset);
		if (n <= 0)
			return -EPIPE;
		if (wrong_at >= offset && wrong_at < offset + n)
			piece[wrong_at - offset] ^= 1;
		int error = r->fault->drip_bytes ? drip(r, piece, (size_t)n)
						 : conn_write(r->conn, piece, (size_t)n);
		if (error < 0)
			return error;
		offset += n;
		length -= n;
	}
	return 0;
}
