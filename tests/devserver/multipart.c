/*
 * The multipart parser: see multipart.h. A delimiter begins with the only CR it holds, so a failed match
 * never has to look back further than that CR.
 */
#include "multipart.h"

#include <errno.h>
#include <string.h>

/* What may stand behind a boundary on its line. */
#define BOUNDARY_LINE_BYTES 100

enum {
	STATE_PREAMBLE,
	STATE_BOUNDARY_LINE,
	STATE_HEADERS,
	STATE_BODY,
	STATE_EPILOGUE,
};

bool multipart_boundary(struct span type, struct buf *ret)
{
	const char *semicolon;

	while ((semicolon = memchr(type.p, ';', type.n))) {
		type.n -= (size_t)(semicolon + 1 - type.p);
		type.p = semicolon + 1;
		struct span parameter = span_trim(type);
		const char *equals = memchr(parameter.p, '=', parameter.n);
		size_t name_len = equals ? (size_t)(equals - parameter.p) : 0;
		if (!span_eq_ci(span_trim((struct span){parameter.p, name_len}), SPAN("boundary")))
			continue;
		struct span value = span_trim((struct span){equals + 1, parameter.n - name_len - 1});
		if (value.n && value.p[0] == '"') {
			const char *quote = memchr(value.p + 1, '"', value.n - 1);
			if (!quote)
				return false;
			value = (struct span){value.p + 1, (size_t)(quote - value.p - 1)};
		} else {
			const char *end = memchr(value.p, ';', value.n);
			if (end)
				value.n = (size_t)(end - value.p);
			value = span_trim(value);
		}
		buf_addspan(ret, value);
		return value.n > 0;
	}
	return false;
}

int multipart_init(struct multipart *m, struct span boundary, const struct multipart_ops *ops, void *arg)
{
	*m = (struct multipart){.ops = ops, .arg = arg};
	if (boundary.n >= MULTIPART_BOUNDARY_BYTES)
		return -EPROTO;
	buf_adds(&m->delimiter, "\r\n--");
	buf_addspan(&m->delimiter, boundary);
	m->matched = 2; /* the first boundary needs no line end before it */
	return m->delimiter.failed ? -ENOMEM : 0;
}

void multipart_done(struct multipart *m)
{
	buf_done(&m->delimiter);
	buf_done(&m->line);
}

static void start_line(struct multipart *m, int state)
{
	m->state = state;
	m->line.n = m->line_start = m->n_headers = 0;
}

/* The longest proper prefix of "--boundary" that its first n bytes end with: dashes may overlap. */
static size_t fall_back(const struct multipart *m, size_t n)
{
	const char *d = m->delimiter.p + 2;

	for (size_t k = n - 1; k > 0; k--)
		if (memcmp(d, d + n - k, k) == 0)
			return k;
	return 0;
}

static int feed_preamble(struct multipart *m, struct span *piece)
{
	while (piece->n) {
		char c = piece->p[0];
		size_t n = m->matched - 2;
		while (n > 0 && c != m->delimiter.p[n + 2])
			n = fall_back(m, n);
		if (c == m->delimiter.p[n + 2])
			n++;
		m->matched = n + 2;
		piece->p++, piece->n--;
		if (m->matched == m->delimiter.n) {
			start_line(m, STATE_BOUNDARY_LINE);
			return 0;
		}
		if (++m->preamble > MULTIPART_PREAMBLE_BYTES + m->delimiter.n)
			return -EPROTO;
	}
	return 0;
}

/* Moves bytes up to and with the next LF into m->line. 1: a line with CR LF is complete. */
static int take_line(struct multipart *m, struct span *piece, size_t max)
{
	while (piece->n) {
		const char *lf = memchr(piece->p, '\n', piece->n);
		size_t n = lf ? (size_t)(lf + 1 - piece->p) : piece->n;
		if (m->line.n + n > max)
			return -EPROTO;
		buf_add(&m->line, piece->p, n);
		if (m->line.failed)
			return -ENOMEM;
		piece->p += n;
		piece->n -= n;
		if (lf && m->line.n - m->line_start >= 2 && m->line.p[m->line.n - 2] == '\r')
			return 1;
	}
	return 0;
}

static bool is_last_boundary(const struct multipart *m)
{
	struct span rest = buf_span(&m->line);

	while (rest.n && (rest.p[rest.n - 1] == '\n' || rest.p[rest.n - 1] == '\r'))
		rest.n--;
	return span_eq(span_trim(rest), SPAN("--"));
}

static int feed_boundary_line(struct multipart *m, struct span *piece)
{
	int r = take_line(m, piece, BOUNDARY_LINE_BYTES);

	if (r <= 0)
		return r;
	start_line(m, is_last_boundary(m) ? STATE_EPILOGUE : STATE_HEADERS);
	return 0;
}

/* Two of them are one value to the original, which it cannot read then. */
static struct span find_disposition(const struct multipart *m)
{
	struct span found = {NULL, 0};

	for (size_t at = 0; at < m->line.n;) {
		const char *lf = memmem(m->line.p + at, m->line.n - at, "\r\n", 2);
		struct span line = {m->line.p + at, (size_t)(lf - (m->line.p + at))};
		const char *colon = memchr(line.p, ':', line.n);
		if (colon && span_eq_ci((struct span){line.p, (size_t)(colon - line.p)},
					SPAN("Content-Disposition"))) {
			if (found.p)
				return (struct span){NULL, 0};
			found = span_trim((struct span){colon + 1, line.n - (size_t)(colon + 1 - line.p)});
		}
		at += line.n + 2;
	}
	return found;
}

static int feed_headers(struct multipart *m, struct span *piece)
{
	int r = take_line(m, piece, MULTIPART_HEADERS_BYTES);

	if (r <= 0)
		return r;
	size_t n = m->line.n - m->line_start;
	if (n > 2) {
		const char *colon = memchr(m->line.p + m->line_start, ':', n);
		if (!colon || colon == m->line.p + m->line_start || ++m->n_headers > MULTIPART_HEADERS_MAX)
			return -EPROTO;
		m->line_start = m->line.n;
		return 0;
	}
	m->line.n = m->line_start; /* without the empty line */
	m->state = STATE_BODY;
	m->matched = 0;
	return m->ops->begin(m->arg, find_disposition(m));
}

static int feed_body(struct multipart *m, struct span *piece)
{
	int r = 0;

	while (r == 0 && piece->n) {
		if (m->matched == 0) {
			const char *cr = memchr(piece->p, '\r', piece->n);
			struct span data = {piece->p, cr ? (size_t)(cr - piece->p) : piece->n};
			if (data.n)
				r = m->ops->data(m->arg, data);
			piece->p += data.n;
			piece->n -= data.n;
			if (cr) {
				m->matched = 1;
				piece->p++, piece->n--;
			}
		} else if (piece->p[0] == m->delimiter.p[m->matched]) {
			piece->p++, piece->n--;
			if (++m->matched == m->delimiter.n) {
				start_line(m, STATE_BOUNDARY_LINE);
				return m->ops->end(m->arg);
			}
		} else {
			r = m->ops->data(m->arg, (struct span){m->delimiter.p, m->matched});
			m->matched = 0;
		}
	}
	return r;
}

int multipart_feed(struct multipart *m, struct span piece)
{
	int r = 0;

	m->any |= piece.n > 0;
	while (r == 0 && piece.n) {
		switch (m->state) {
		case STATE_PREAMBLE: r = feed_preamble(m, &piece); break;
		case STATE_BOUNDARY_LINE: r = feed_boundary_line(m, &piece); break;
		case STATE_HEADERS: r = feed_headers(m, &piece); break;
		case STATE_BODY: r = feed_body(m, &piece); break;
		case STATE_EPILOGUE: return 0;
		}
	}
	return r;
}

int multipart_finish(struct multipart *m)
{
	bool whole = !m->any || m->state == STATE_EPILOGUE ||
		     (m->state == STATE_BOUNDARY_LINE && is_last_boundary(m));

	return whole ? 0 : -EPROTO;
}
