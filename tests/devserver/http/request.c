/*
 * Parsing of request heads: see request.h. The body is in body.c.
 */
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The original closes a connection silently when nothing comes for this long, and says 408 when a head takes
 * longer. */
#define IDLE_MS 130000
#define HEAD_MS 30000

static bool is_token_char(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char(s.p[i]))
			return false;
	return s.n > 0;
}

/* The length of the head at the front of s up to its empty line, 0 if it is not complete, or the negative
 * status. */
static int head_length(struct span s)
{
	const char *line_end = memchr(s.p, '\n', s.n < REQUEST_LINE_BYTES ? s.n : REQUEST_LINE_BYTES);

	if (!line_end)
		return s.n >= REQUEST_LINE_BYTES ? -414 : 0;
	size_t headers = (size_t)(line_end + 1 - s.p);
	/* The empty line does not count. */
	size_t max = headers + REQUEST_HEADERS_BYTES + 2, end = s.n < max ? s.n : max;
	for (size_t at = headers; at < end;) {
		const char *nl = memchr(s.p + at, '\n', end - at);
		if (!nl)
			break;
		size_t len = (size_t)(nl + 1 - (s.p + at));
		at += len;
		if (len == 2 && nl[-1] == '\r')
			return (int)at;
	}
	return end == max ? -431 : 0;
}

/* Reads until the head is whole. Lone line ends before a request line are skipped, as old clients send them.
 */
static int fill_head(struct conn *c)
{
	int64_t deadline_ms = monotonic_ms() + IDLE_MS;
	bool begun = false;

	for (;;) {
		struct span s = conn_pending(c);
		while (s.n >= 2 && s.p[0] == '\r' && s.p[1] == '\n') {
			conn_consume(c, 2);
			s = conn_pending(c);
		}
		if (s.n > 0) {
			if (!begun)
				deadline_ms = monotonic_ms() + HEAD_MS;
			begun = true;
			int len = head_length(s);
			if (len != 0)
				return len;
		}
		c->idle = !begun;
		int n = conn_fill(c, deadline_ms - monotonic_ms());
		c->idle = false;
		if (n == -ETIMEDOUT)
			return begun ? -408 : 0;
		if (n == 0 && begun)
			return -400;
		if (n <= 0)
			return 0;
	}
}

static int parse_request_line(struct request *r, struct span line)
{
	const char *space = memchr(line.p, ' ', line.n);

	if (!space)
		return 400;
	r->method = (struct span){line.p, (size_t)(space - line.p)};
	struct span rest = {space + 1, line.n - r->method.n - 1};
	space = memchr(rest.p, ' ', rest.n);
	if (!space || !is_token(r->method))
		return 400;
	r->target = (struct span){rest.p, (size_t)(space - rest.p)};
	struct span version = {space + 1, rest.n - r->target.n - 1};
	if (span_eq(version, SPAN("HTTP/1.1")))
		r->http10 = false;
	else if (span_eq(version, SPAN("HTTP/1.0")))
		r->http10 = true;
	else
		return version.n == 8 && memcmp(version.p, "HTTP/", 5) == 0 ? 505 : 400;
	for (size_t i = 0; i < r->target.n; i++)
		if ((unsigned char)r->target.p[i] >= 0x80 || (unsigned char)r->target.p[i] < 0x20)
			return 400;
	r->is_head = span_eq(r->method, SPAN("HEAD"));
	return r->target.n ? 0 : 400;
}

static int parse_header_line(struct request *r, struct span line)
{
	const char *colon = memchr(line.p, ':', line.n);

	if (!colon)
		return 400;
	struct header h = {.name = {line.p, (size_t)(colon - line.p)}};
	h.value = span_trim((struct span){colon + 1, line.n - h.name.n - 1});
	if (!is_token(h.name) || memchr(h.value.p, '\r', h.value.n) || memchr(h.value.p, 0, h.value.n) ||
	    !utf8_is_valid(h.value))
		return 400;
	if (r->n_headers == REQUEST_HEADERS_MAX)
		return 431;
	r->headers[r->n_headers++] = h;
	return 0;
}

struct span request_header(const struct request *r, const char *name)
{
	struct span wanted = span_of(name);

	for (size_t i = 0; i < r->n_headers; i++)
		if (span_eq_ci(r->headers[i].name, wanted))
			return r->headers[i].value;
	return (struct span){NULL, 0};
}

size_t request_header_count(const struct request *r, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_headers; i++)
		n += span_eq_ci(r->headers[i].name, span_of(name));
	return n;
}

static bool has_list_item(struct span list, const char *item)
{
	while (list.n) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;
		if (span_eq_ci(span_trim((struct span){list.p, n}), span_of(item)))
			return true;
		size_t step = comma ? n + 1 : n;
		list.p += step;
		list.n -= step;
	}
	return false;
}

/* A name or an address, and perhaps a port. */
static bool is_host(struct span s)
{
	if (s.n == 0)
		return true;
	const char *colon = memrchr(s.p, ':', s.n), *bracket = memrchr(s.p, ']', s.n);
	if (s.p[0] == '[' && !bracket)
		return false;
	if (colon && (!bracket || colon > bracket)) {
		for (const char *p = colon + 1; p < s.p + s.n; p++)
			if (*p < '0' || *p > '9')
				return false;
		s.n = (size_t)(colon - s.p);
	}
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || strchr("\"#%/<>?@\\^`{|}", s.p[i]))
			return false;
	return true;
}

/* Which host the request is for must be said once, and an absolute target must say the same. */
static int check_host(struct request *r)
{
	struct span host = request_header(r, "Host");
	size_t n = request_header_count(r, "Host");

	if (n > 1 || (n == 0 && !r->http10) || !is_host(host))
		return 400;
	if (r->target.p[0] == '/' || span_eq(r->target, SPAN("*")))
		return 0;
	if (r->target.n < 7 || !span_eq_ci((struct span){r->target.p, 7}, SPAN("http://")))
		return 400;
	struct span rest = {r->target.p + 7, r->target.n - 7};
	const char *slash = memchr(rest.p, '/', rest.n);
	size_t authority = slash ? (size_t)(slash - rest.p) : rest.n;
	if (!span_eq_ci((struct span){rest.p, authority}, host))
		return 400;
	r->target = slash ? (struct span){slash, rest.n - authority} : SPAN("/");
	return 0;
}

static int check_framing(struct request *r)
{
	struct span coding = request_header(r, "Transfer-Encoding"),
		    length = request_header(r, "Content-Length");
	struct span connection = request_header(r, "Connection");

	if (request_header_count(r, "Content-Length") > 1)
		return 400;
	if (coding.p) {
		if (!span_eq_ci(coding, SPAN("chunked")) || r->http10)
			return 400;
		r->body_kind = BODY_CHUNKED;
		r->must_close = length.p != NULL; /* who believed the length is out of step now */
	} else if (length.p) {
		if (length.n == 0 || length.p[0] == '-' || length.p[0] == '+' ||
		    !parse_int64(length, &r->body_length))
			return 400;
		r->body_kind = r->body_length ? BODY_LENGTH : BODY_NONE;
		r->body_left = r->body_length;
	} else if (r->http10 && (span_eq(r->method, SPAN("PUT")) || span_eq(r->method, SPAN("POST")))) {
		return 400; /* HTTP/1.0 has no other way to say that there is no body */
	}
	r->expects_continue = !r->http10 && span_eq_ci(request_header(r, "Expect"), SPAN("100-continue"));
	r->keep_alive =
		r->http10 ? has_list_item(connection, "keep-alive") : !has_list_item(connection, "close");
	return 0;
}

static int parse_head(struct request *r, size_t len)
{
	bool first = true;

	for (const char *p = r->head, *end = r->head + len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		struct span line = {p, (size_t)(nl - p)};
		p = nl + 1;
		if (line.n == 0 || line.p[line.n - 1] != '\r')
			return 400; /* a bare line feed */
		line.n--;
		if (line.n == 0)
			break;
		int status = first ? parse_request_line(r, line) : parse_header_line(r, line);
		if (status)
			return status;
		first = false;
	}
	int status = check_host(r);
	return status ? status : check_framing(r);
}

int request_read_head(struct request *r, struct conn *c)
{
	*r = (struct request){.conn = c};
	int len = fill_head(c);
	if (len <= 0)
		return -len;
	r->began_us = monotonic_us();
	r->head = malloc((size_t)len);
	if (!r->head)
		return 0;
	memcpy(r->head, conn_pending(c).p, (size_t)len);
	conn_consume(c, (size_t)len);
	int status = parse_head(r, (size_t)len);
	return status ? status : 1;
}

void request_done(struct request *r)
{
	free(r->head);
	r->head = NULL;
	buf_done(&r->path);
	buf_done(&r->out_headers);
}
