/* Messages out of a byte stream and into one: split at NUL bytes, held to a size, each with the descriptors
 * that travelled with it. frame_recv and frame_send are the only system calls and never wait. Not here: what
 * a message says (message.h), when to read or write, what to do about an error. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors held for one stream until their message is complete; the rest are closed. */
#define FRAME_FDS_MAX 16
/* The kernel passes no more with one sendmsg; room for all of them, so that none is truncated unseen. */
#define FRAME_FDS_KERNEL 253

struct frame_fds {
	int fd[FRAME_FDS_MAX];
	unsigned n;
	bool lost; /* some that were sent are not here: too many, or the process is out of descriptors */
};
void frame_fds_init(struct frame_fds *fds);
int frame_fds_take(struct frame_fds *fds, unsigned index); /* the caller's from now on; -ENOENT */
void frame_fds_close(struct frame_fds *fds);               /* closes what was not taken; empty afterwards */

struct frame_in {
	size_t max; /* bytes of a message, its NUL not counted */
	char *data;
	size_t start; /* first byte of the message that is being collected */
	size_t len;   /* end of what was received */
	size_t cap;
	size_t scanned;  /* there is no NUL in [start, scanned) */
	uint64_t offset; /* in the stream, of data[0] */
	struct {
		int fd;
		uint64_t offset; /* of the last byte received with it */
	} held[FRAME_FDS_MAX];
	unsigned n_held;
	bool lost;
	uint64_t lost_offset;
};

void frame_in_init(struct frame_in *in, size_t max);
void frame_in_done(struct frame_in *in); /* wipes the bytes, closes the descriptors */

/* Room for at least one more byte: fill it, then commit what was filled. -ENOMEM; -EMSGSIZE when a message is
 * over the maximum. Messages returned before are gone. */
int frame_in_space(struct frame_in *in, char **ret_data, size_t *ret_len);
/* fds (taken, n of them) came in the same read as these len > 0 bytes. lost: others did, and were dropped. */
void frame_in_commit(struct frame_in *in, size_t len, const int *fds, unsigned n_fds, bool lost);
/* 1 and a message, terminated, borrowed until the next call on `in`; 0: more bytes are needed; -EMSGSIZE. The
 * descriptors of the message go to *ret_fds, or are closed when it is NULL. */
int frame_in_next(struct frame_in *in, char **ret_text, size_t *ret_len, struct frame_fds *ret_fds);
/* A message was begun and is not complete. */
bool frame_in_partial(const struct frame_in *in);

/* One recvmsg: bytes received, 0 at the end of the stream, -EAGAIN, another -errno, or as frame_in_space. */
ssize_t frame_recv(struct frame_in *in, int fd);

struct frame_chunk;
struct frame_out {
	struct frame_chunk *first, *last;
	size_t queued; /* bytes not yet handed to the kernel */
};

void frame_out_init(struct frame_out *out);
void frame_out_done(struct frame_out *out); /* wipes, closes */
/* Queues the message and its NUL. A message with descriptors goes out in a sendmsg of its own; they are taken
 * on success. -ENOMEM. */
int frame_out_add(struct frame_out *out, const char *text, size_t len, const int *fds, unsigned n_fds);
/* Sends until the queue is empty (1) or the socket is full (0); -EPIPE, -ECONNRESET or another -errno. */
int frame_send(struct frame_out *out, int fd);
