/* The framing of Varlink: see frame.h. Buffers grow with what they carry and are wiped before they are given
 * back, since any message may hold a credential. */
#include "libcfipc/varlink/frame.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_FIRST_BYTES 4096  /* most requests fit */
#define FRAME_KEEP_BYTES  65536 /* an idle connection does not keep more than this */
#define FRAME_CHUNK_BYTES 65536 /* small messages share chunks up to this size: one sendmsg for many */

void frame_fds_init(struct frame_fds *fds)
{
	fds->n = 0;
	fds->lost = false;
}

int frame_fds_take(struct frame_fds *fds, unsigned index)
{
	if (index >= fds->n || fds->fd[index] < 0)
		return -ENOENT;
	int fd = fds->fd[index];

	fds->fd[index] = -1;
	return fd;
}

void frame_fds_close(struct frame_fds *fds)
{
	for (unsigned i = 0; i < fds->n; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	frame_fds_init(fds);
}

void frame_in_init(struct frame_in *in, size_t max)
{
	memset(in, 0, sizeof(*in));
	in->max = max;
}

void frame_in_done(struct frame_in *in)
{
	if (in->data) {
		explicit_bzero(in->data, in->cap);
		free(in->data);
	}
	for (unsigned i = 0; i < in->n_held; i++)
		close(in->held[i].fd);
	frame_in_init(in, in->max);
}

/* Moves to a buffer of another size; realloc would leave an unwiped copy behind. */
static int resize(struct frame_in *in, size_t cap)
{
	char *data = malloc(cap);

	if (!data)
		return -ENOMEM;
	if (in->data) {
		memcpy(data, in->data, in->len);
		explicit_bzero(in->data, in->cap);
		free(in->data);
	}
	in->data = data;
	in->cap = cap;
	return 0;
}

/* Gives back the room of messages that were handed out. */
static void compact(struct frame_in *in)
{
	if (in->start == 0)
		return;
	size_t rest = in->len - in->start;

	in->offset += in->start;
	memmove(in->data, in->data + in->start, rest);
	explicit_bzero(in->data + rest, in->len - rest);
	in->scanned -= in->start;
	in->len = rest;
	in->start = 0;
	if (rest == 0 && in->cap > FRAME_KEEP_BYTES) {
		free(in->data);
		in->data = NULL;
		in->cap = 0;
	}
}

int frame_in_space(struct frame_in *in, char **ret_data, size_t *ret_len)
{
	compact(in);
	if (in->len == in->cap) {
		/* One byte over the maximum is the NUL, another tells that it is not there. */
		size_t limit = in->max + 2, cap = in->cap ? in->cap * 2 : FRAME_FIRST_BYTES;

		if (cap > limit)
			cap = limit;
		if (cap <= in->len)
			return -EMSGSIZE;
		int r = resize(in, cap);

		if (r < 0)
			return r;
	}
	*ret_data = in->data + in->len;
	*ret_len = in->cap - in->len;
	return 0;
}

void frame_in_commit(struct frame_in *in, size_t len, const int *fds, unsigned n_fds, bool lost)
{
	in->len += len;
	/* The kernel may join "A" and a following "B + descriptor" into one read, but nothing behind B: so
	 * the descriptor belongs to the message that holds the last byte, not to the first one that is
	 * complete. */
	uint64_t last = in->offset + in->len - 1;

	for (unsigned i = 0; i < n_fds; i++) {
		if (in->n_held == FRAME_FDS_MAX) {
			close(fds[i]);
			lost = true;
			continue;
		}
		in->held[in->n_held].fd = fds[i];
		in->held[in->n_held].offset = last;
		in->n_held++;
	}
	if (lost) {
		in->lost = true;
		in->lost_offset = last;
	}
}

/* Hands over the descriptors whose last byte lies before the stream offset `end`. */
static void give_fds(struct frame_in *in, uint64_t end, struct frame_fds *fds)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < in->n_held; i++) {
		if (in->held[i].offset >= end)
			in->held[kept++] = in->held[i];
		else if (fds)
			fds->fd[fds->n++] = in->held[i].fd;
		else
			close(in->held[i].fd);
	}
	in->n_held = kept;
	if (in->lost && in->lost_offset < end) {
		in->lost = false;
		if (fds)
			fds->lost = true;
	}
}

int frame_in_next(struct frame_in *in, char **ret_text, size_t *ret_len, struct frame_fds *ret_fds)
{
	if (ret_fds)
		frame_fds_init(ret_fds);
	if (in->scanned == in->len)
		return 0;
	char *nul = memchr(in->data + in->scanned, 0, in->len - in->scanned);
	size_t end = nul ? (size_t)(nul - in->data) : in->len;

	if (end - in->start > in->max)
		return -EMSGSIZE;
	in->scanned = end;
	if (!nul)
		return 0;
	*ret_text = in->data + in->start;
	*ret_len = end - in->start;
	in->start = in->scanned = end + 1;
	give_fds(in, in->offset + in->start, ret_fds);
	return 1;
}

bool frame_in_partial(const struct frame_in *in)
{
	return in->len > in->start;
}

ssize_t frame_recv(struct frame_in *in, int fd)
{
	char *data;
	size_t room;
	int r = frame_in_space(in, &data, &room);

	if (r < 0)
		return r;
	union {
		struct cmsghdr header; /* for its alignment */
		char space[CMSG_SPACE(sizeof(int) * FRAME_FDS_KERNEL)];
	} control;
	struct iovec vec = {.iov_base = data, .iov_len = room};
	struct msghdr message = {
		.msg_iov = &vec,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	int fds[FRAME_FDS_KERNEL];
	unsigned n_fds = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		memcpy(fds + n_fds, CMSG_DATA(c), count * sizeof(int));
		n_fds += count;
	}
	if (n > 0)
		frame_in_commit(in, (size_t)n, fds, n_fds, message.msg_flags & MSG_CTRUNC);
	else
		for (unsigned i = 0; i < n_fds; i++)
			close(fds[i]);
	return n;
}

struct frame_chunk {
	struct frame_chunk *next;
	size_t sent, len, cap;
	int fds[FRAME_FDS_MAX];
	unsigned n_fds;
	bool closed; /* begins with descriptors: nothing may be joined to it */
	char data[];
};

void frame_out_init(struct frame_out *out)
{
	memset(out, 0, sizeof(*out));
}

static void chunk_free(struct frame_chunk *chunk)
{
	for (unsigned i = 0; i < chunk->n_fds; i++)
		close(chunk->fds[i]);
	explicit_bzero(chunk->data, chunk->len);
	free(chunk);
}

void frame_out_done(struct frame_out *out)
{
	while (out->first) {
		struct frame_chunk *chunk = out->first;

		out->first = chunk->next;
		chunk_free(chunk);
	}
	frame_out_init(out);
}

int frame_out_add(struct frame_out *out, const char *text, size_t len, const int *fds, unsigned n_fds)
{
	struct frame_chunk *chunk = out->last;

	if (n_fds > FRAME_FDS_MAX)
		return -E2BIG;
	if (!chunk || chunk->closed || n_fds || chunk->cap - chunk->len < len + 1) {
		size_t cap = len + 1;

		/* The first message has its exact room; where more than one waits, there will be others. */
		if (chunk && !n_fds && cap < FRAME_CHUNK_BYTES)
			cap = FRAME_CHUNK_BYTES;
		chunk = malloc(sizeof(*chunk) + cap);
		if (!chunk)
			return -ENOMEM;
		*chunk = (struct frame_chunk){.cap = cap, .n_fds = n_fds, .closed = n_fds > 0};
		if (n_fds)
			memcpy(chunk->fds, fds, n_fds * sizeof(int));
		if (out->last)
			out->last->next = chunk;
		else
			out->first = chunk;
		out->last = chunk;
	}
	memcpy(chunk->data + chunk->len, text, len);
	chunk->data[chunk->len + len] = 0;
	chunk->len += len + 1;
	out->queued += len + 1;
	return 0;
}

static ssize_t send_chunk(struct frame_chunk *chunk, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * FRAME_FDS_MAX)];
	} control;
	struct iovec vec = {.iov_base = chunk->data + chunk->sent, .iov_len = chunk->len - chunk->sent};
	struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

	if (chunk->n_fds) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * chunk->n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * chunk->n_fds);
		memcpy(CMSG_DATA(c), chunk->fds, sizeof(int) * chunk->n_fds);
	}
	ssize_t n;

	do
		n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int frame_send(struct frame_out *out, int fd)
{
	while (out->first) {
		struct frame_chunk *chunk = out->first;
		ssize_t n = send_chunk(chunk, fd);

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		for (unsigned i = 0; i < chunk->n_fds; i++)
			close(chunk->fds[i]);
		chunk->n_fds = 0;
		chunk->sent += (size_t)n;
		out->queued -= (size_t)n;
		if (chunk->sent < chunk->len)
			continue;
		out->first = chunk->next;
		if (!out->first)
			out->last = NULL;
		chunk_free(chunk);
	}
	return 1;
}
