/*
 * A client's socket with its read buffer: see conn.h.
 */
#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* A client that takes nothing at all for this long is given up (the original gives up below 240 B/s after 5
 * s). */
#define WRITE_GRACE_MS 10000
/* One sendfile call; small enough that a shutdown is noticed between two. */
#define SENDFILE_BYTES (4 * 1024 * 1024)

int conn_init(struct conn *c, int fd)
{
	*c = (struct conn){.fd = fd};
	c->in = malloc(CONN_BUFFER_BYTES);
	return c->in ? 0 : -ENOMEM;
}

void conn_done(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->in);
	*c = (struct conn){.fd = -1};
}

static int wait_for(int fd, short events, int64_t wait_ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int n = poll(&p, 1, wait_ms < 0 ? 0 : wait_ms > 3600000 ? 3600000 : (int)wait_ms);
		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -EPIPE;
	}
}

int conn_fill(struct conn *c, int64_t wait_ms)
{
	if (c->broken)
		return -EPIPE;
	if (c->start == c->end)
		c->start = c->end = 0;
	if (c->end == CONN_BUFFER_BYTES) {
		if (c->start == 0)
			return -ENOBUFS;
		memmove(c->in, c->in + c->start, c->end - c->start);
		c->end -= c->start;
		c->start = 0;
	}
	for (;;) {
		ssize_t n = recv(c->fd, c->in + c->end, CONN_BUFFER_BYTES - c->end, MSG_DONTWAIT);
		if (n > 0) {
			c->end += (size_t)n;
			c->bytes_read += n;
			return 1;
		}
		if (n == 0)
			return 0;
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			int r = wait_for(c->fd, POLLIN, wait_ms);
			if (r < 0)
				return r;
		} else if (errno != EINTR) {
			c->broken = true;
			return -EPIPE;
		}
	}
}

struct span conn_pending(const struct conn *c)
{
	return (struct span){c->in + c->start, c->end - c->start};
}

void conn_consume(struct conn *c, size_t n)
{
	c->start += n;
}

int conn_writev(struct conn *c, struct iovec *iov, int n)
{
	while (n > 0) {
		if (c->broken)
			return -EPIPE;
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)n};
		ssize_t sent = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0) {
			if (errno == EINTR)
				continue;
			if ((errno == EAGAIN || errno == EWOULDBLOCK) &&
			    wait_for(c->fd, POLLOUT, WRITE_GRACE_MS) == 0)
				continue;
			c->broken = true;
			return -EPIPE;
		}
		while (n > 0 && (size_t)sent >= iov->iov_len) {
			sent -= (ssize_t)iov->iov_len;
			iov++, n--;
		}
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + sent;
			iov->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

int conn_write(struct conn *c, const void *p, size_t n)
{
	struct iovec iov = {.iov_base = (void *)p, .iov_len = n};

	return conn_writev(c, &iov, 1);
}

int conn_sendfile(struct conn *c, int file_fd, int64_t *offset, int64_t len)
{
	while (len > 0) {
		if (c->broken)
			return -EPIPE;
		if (wait_for(c->fd, POLLOUT, WRITE_GRACE_MS) < 0) {
			c->broken = true;
			return -EPIPE;
		}
		off_t at = *offset;
		ssize_t sent =
			sendfile(c->fd, file_fd, &at, (size_t)(len < SENDFILE_BYTES ? len : SENDFILE_BYTES));
		if (sent < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (sent <= 0) { /* 0: the file is shorter than promised; only a cut tells the client */
			c->broken = true;
			return -EPIPE;
		}
		*offset = at;
		len -= sent;
	}
	return 0;
}

void conn_reset(struct conn *c)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	if (c->fd >= 0) {
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		/* With l_linger 0 a close sends RST; the descriptor is replaced, not freed, so that its
		 * number is not another connection's while this one is still in the server's list. */
		int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (dead >= 0) {
			dup3(dead, c->fd, O_CLOEXEC);
			close(dead);
		}
	}
	c->broken = true;
}

bool conn_client_is_gone(const struct conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN | POLLRDHUP};

	if (c->broken)
		return true;
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP | POLLRDHUP | POLLNVAL));
}
