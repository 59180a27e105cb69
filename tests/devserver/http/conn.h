/*
 * One client connection: a socket with a read buffer, blocking reads and writes with deadlines, and the ways
 * to break it (reset, close). Knows nothing of HTTP.
 */
#pragma once

#include "tests/devserver/util.h"

#include <sys/uio.h>

/* Large enough for a request head (40 KiB) and for bodies at the speed of the disk. */
#define CONN_BUFFER_BYTES (256 * 1024)

struct conn {
	int fd;
	char *in;                   /* CONN_BUFFER_BYTES */
	size_t start, end;          /* what of it is unread */
	bool broken;                /* nothing more can be read or written */
	_Atomic bool idle;          /* between two requests: may be closed at shutdown */
	int64_t bytes_read;         /* from the socket, ever */
	struct conn *next, **prevp; /* the server's list */
};

int conn_init(struct conn *c, int fd);
void conn_done(struct conn *c); /* closes the socket */

/* Reads more behind what is there, waiting at most wait_ms. 1: something came, 0: the client ended its side,
 * -ETIMEDOUT, -EPIPE (reset), -ENOBUFS (the buffer is full of unread bytes). */
int conn_fill(struct conn *c, int64_t wait_ms);
/* The unread bytes, moved to the front of the buffer if they do not start there and room is needed. */
struct span conn_pending(const struct conn *c);
void conn_consume(struct conn *c, size_t n);

/* Writes all of it. -EPIPE: the client is gone or reads slower than WRITE_GRACE allows. */
int conn_writev(struct conn *c, struct iovec *iov, int n);
int conn_write(struct conn *c, const void *p, size_t n);
/* Sends up to len bytes of a file from *offset. */
int conn_sendfile(struct conn *c, int file_fd, int64_t *offset, int64_t len);

void conn_reset(struct conn *c);                /* RST: the client sees "connection reset" at once */
bool conn_client_is_gone(const struct conn *c); /* looks without reading */
