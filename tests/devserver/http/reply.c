/*
 * Writing answers: see reply.h.
 */
#include "reply.h"

#include "tests/devserver/counters.h"
#include "tests/devserver/faults.h"
#include "tests/devserver/json_out.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *reason_of(int status)
{
	switch (status) {
	case 200: return "OK";
	case 201: return "Created";
	case 204: return "No Content";
	case 206: return "Partial Content";
	case 302: return "Found";
	case 304: return "Not Modified";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 412: return "Precondition Failed";
	case 413: return "Payload Too Large";
	case 414: return "URI Too Long";
	case 415: return "Unsupported Media Type";
	case 416: return "Range Not Satisfiable";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	case 505: return "HTTP Version Not Supported";
	case 507: return "Insufficient Storage";
	default: return "Unknown";
	}
}

void reply_header(struct request *r, const char *name, struct span value)
{
	buf_adds(&r->out_headers, name);
	buf_add(&r->out_headers, ": ", 2);
	buf_addspan(&r->out_headers, value);
	buf_add(&r->out_headers, "\r\n", 2);
}

void reply_headerf(struct request *r, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= 0)
		reply_header(r, name,
			     (struct span){text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1});
}

/* The Date header is made once a second for all threads. */
static void add_date(struct buf *b)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static time_t made_for;
	static char text[40];
	time_t now = time(NULL);

	pthread_mutex_lock(&lock);
	if (now != made_for) {
		_cleanup_buf_ struct buf made = {0};
		time_format_http(&made, now * TICKS_PER_S);
		if (!made.failed && made.n < sizeof(text)) {
			memcpy(text, made.p, made.n + 1);
			made_for = now;
		}
	}
	buf_adds(b, "Date: ");
	buf_adds(b, text);
	pthread_mutex_unlock(&lock);
	buf_add(b, "\r\n", 2);
}

enum framing {
	FRAMING_NONE, /* 204, 304 and most answers to HEAD */
	FRAMING_LENGTH,
	FRAMING_CHUNKED,
};

static void add_cors(const struct request *r, struct buf *b)
{
	buf_adds(b, "Access-Control-Allow-Origin: *\r\n");
	if (!r->is_preflight)
		buf_adds(b, "Access-Control-Expose-Headers: Content-Range,Accept-Ranges,Content-Length,ETag,"
			    "Last-Modified\r\n");
}

static void build_head(struct request *r, struct buf *b, int status, const char *content_type,
		       enum framing framing, int64_t length)
{
	if (r->must_close || (r->http10 && framing == FRAMING_CHUNKED))
		r->keep_alive = false;
	buf_addf(b, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
	if (content_type) {
		buf_adds(b, "Content-Type: ");
		buf_adds(b, content_type);
		buf_add(b, "\r\n", 2);
	}
	add_date(b);
	buf_adds(b, "Server: Kestrel\r\n");
	if (!r->keep_alive)
		buf_adds(b, "Connection: close\r\n");
	else if (r->http10)
		buf_adds(b, "Connection: keep-alive\r\n");
	if (framing == FRAMING_LENGTH)
		buf_addf(b, "Content-Length: %lld\r\n", (long long)length);
	else if (framing == FRAMING_CHUNKED && !r->http10)
		buf_adds(b, "Transfer-Encoding: chunked\r\n");
	if (request_header(r, "Origin").p)
		add_cors(r, b);
	buf_addspan(b, buf_span(&r->out_headers));
	buf_add(b, "\r\n", 2);
}

static int out_of_memory(struct request *r)
{
	r->conn->broken = true; /* an answer cut short must not look whole */
	return -ENOMEM;
}

/* Head and body in one write. */
static int send_whole(struct request *r, int status, const char *content_type, enum framing framing,
		      struct span body)
{
	_cleanup_buf_ struct buf head = {0};
	char size_line[24];
	struct iovec iov[4];
	int n = 0;

	r->status = status;
	if (r->fault)
		fault_change_headers(r);
	build_head(r, &head, status, content_type, framing, (int64_t)body.n);
	if (head.failed)
		return out_of_memory(r);
	if (r->is_head)
		body.n = 0;
	iov[n++] = (struct iovec){head.p, head.n};
	if (framing == FRAMING_CHUNKED && !r->http10) {
		int len = snprintf(size_line, sizeof(size_line), "%zx\r\n", body.n);
		iov[n++] = (struct iovec){size_line, (size_t)len};
		iov[n++] = (struct iovec){(void *)body.p, body.n};
		iov[n++] = (struct iovec){(void *)"\r\n0\r\n\r\n", 7};
	} else if (body.n) {
		iov[n++] = (struct iovec){(void *)body.p, body.n};
	}
	if (r->fault)
		return fault_send_reply(r, iov, n);
	counters_end(r);
	return conn_writev(r->conn, iov, n);
}

int reply_empty(struct request *r, int status)
{
	/* An answer to HEAD says nothing of a length, unless it is of an exception or of a refused head. */
	bool silent = r->is_head && status != 500 && !(status == 400 && r->must_close);

	return send_whole(r, status, NULL, silent ? FRAMING_NONE : FRAMING_LENGTH, SPAN(""));
}

int reply_no_content(struct request *r)
{
	return send_whole(r, 204, NULL, FRAMING_NONE, SPAN(""));
}

int reply_not_modified(struct request *r)
{
	return send_whole(r, 304, NULL, FRAMING_NONE, SPAN(""));
}

int reply_json(struct request *r, int status, struct buf *body)
{
	if (body->failed)
		return out_of_memory(r);
	if (r->fault)
		fault_change_json(r, body);
	return send_whole(r, status, "application/json; charset=utf-8",
			  r->is_head ? FRAMING_NONE : FRAMING_CHUNKED, buf_span(body));
}

int reply_error(struct request *r, int status, struct span error, const char *hint)
{
	_cleanup_buf_ struct buf b = {0};

	json_open(&b, '{');
	json_key(&b, "error");
	json_string(&b, error, JSON_STRICT);
	if (hint) {
		json_key(&b, "hint");
		json_string(&b, span_of(hint), JSON_STRICT);
	}
	json_close(&b, '}');
	return reply_json(r, status, &b);
}

int reply_text(struct request *r, int status, const char *content_type, struct buf *body)
{
	if (body->failed)
		return out_of_memory(r);
	return send_whole(r, status, content_type, FRAMING_LENGTH, buf_span(body));
}

int reply_begin(struct request *r, int status, const char *content_type, int64_t length)
{
	_cleanup_buf_ struct buf head = {0};
	enum framing framing = length >= 0 ? FRAMING_LENGTH : r->is_head ? FRAMING_NONE : FRAMING_CHUNKED;

	r->status = status;
	if (r->fault)
		fault_change_headers(r);
	build_head(r, &head, status, content_type, framing, length);
	if (head.failed)
		return out_of_memory(r);
	struct iovec iov = {head.p, head.n};
	return r->fault ? fault_send_reply(r, &iov, 1) : conn_writev(r->conn, &iov, 1);
}

int reply_chunk(struct request *r, const void *p, size_t n)
{
	char size_line[24];
	struct iovec iov[3] = {{.iov_len = 0}, {(void *)p, n}, {(void *)"\r\n", 2}};

	if (n == 0 || r->is_head)
		return 0;
	if (r->http10)
		return conn_write(r->conn, p, n);
	iov[0] = (struct iovec){size_line, (size_t)snprintf(size_line, sizeof(size_line), "%zx\r\n", n)};
	return conn_writev(r->conn, iov, 3);
}

int reply_file(struct request *r, int file_fd, int64_t offset, int64_t length)
{
	if (r->is_head)
		return 0;
	if (r->fault)
		return fault_send_file(r, file_fd, offset, length);
	return conn_sendfile(r->conn, file_fd, &offset, length);
}

int reply_end(struct request *r)
{
	if (r->is_head || r->http10)
		return 0;
	return conn_write(r->conn, "0\r\n\r\n", 5);
}
