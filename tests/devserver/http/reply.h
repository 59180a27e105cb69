/*
 * Answers. A handler sends exactly one: empty, an error, JSON, text, or a body that it streams. Headers
 * beyond those of the body go into the request first (reply_header).
 */
#pragma once

#include "request.h"

void reply_header(struct request *r, const char *name, struct span value);
void reply_headerf(struct request *r, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* All return 0 or -EPIPE. */
int reply_empty(struct request *r, int status);
int reply_no_content(struct request *r); /* 204 */
int reply_not_modified(struct request *r);
int reply_error(struct request *r, int status, struct span error, const char *hint);
#define reply_errors(r, status, text) reply_error(r, status, span_of(text), NULL)
int reply_json(struct request *r, int status, struct buf *body);
int reply_text(struct request *r, int status, const char *content_type, struct buf *body);

/* A streamed body: length >= 0 is announced; -1 goes out chunked. */
int reply_begin(struct request *r, int status, const char *content_type, int64_t length);
int reply_chunk(struct request *r, const void *p, size_t n);
int reply_file(struct request *r, int file_fd, int64_t offset, int64_t length);
int reply_end(struct request *r);
