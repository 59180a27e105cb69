/*
 * multipart/form-data, parsed as it comes in pieces of any size, with the original's limits and its exact
 * idea of line ends. Only the framing: what a part's headers mean is in disposition.h.
 */
#pragma once

#include "util.h"

#define MULTIPART_HEADERS_MAX    16
#define MULTIPART_HEADERS_BYTES  (16 * 1024)
#define MULTIPART_PREAMBLE_BYTES (16 * 1024)
#define MULTIPART_BOUNDARY_BYTES 4088

struct multipart_ops {
	/* disposition: the value of Content-Disposition, p NULL if the part has none. Non-zero results end
	 * the parsing and are handed back. */
	int (*begin)(void *arg, struct span disposition);
	int (*data)(void *arg, struct span bytes);
	int (*end)(void *arg);
};

struct multipart {
	const struct multipart_ops *ops;
	void *arg;
	struct buf delimiter; /* CR LF -- boundary */
	int state;
	size_t matched;  /* bytes of the delimiter that the stream ends with so far */
	size_t preamble; /* bytes before the first boundary */
	bool any;        /* whether there was a single byte */
	struct buf line; /* the rest of a boundary's line, or a part's headers */
	size_t line_start;
	size_t n_headers;
};

/* Takes the boundary out of a Content-Type. False: it has none. */
bool multipart_boundary(struct span content_type, struct buf *ret);

int multipart_init(struct multipart *m, struct span boundary, const struct multipart_ops *ops, void *arg);
void multipart_done(struct multipart *m);
/* 0, -EPROTO (malformed: the original fails with 500), -ENOMEM, or what a callback returned. */
int multipart_feed(struct multipart *m, struct span piece);
int multipart_finish(struct multipart *m);
