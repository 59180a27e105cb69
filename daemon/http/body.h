/* The bytes of a request body between the caller and curl: a queue of buffers, those that are taken never
 * copied until curl wants them, those that are copied gathered. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_chunk;
struct http_body {
	struct http_chunk *first, *last; /* last: of a queue that is not empty */
	size_t offset;                   /* consumed of the first */
	size_t queued;                   /* bytes not yet delivered */
	uint64_t delivered;
	bool ended;         /* the caller has said that no more follows */
	bool room_told;     /* the caller was asked for more and has not answered yet */
	bool end_delivered; /* and the reader has been told */
};

void body_init(struct http_body *b);
void body_done(struct http_body *b);                        /* drops what is queued; the counters stay */
int body_take(struct http_body *b, void *data, size_t len); /* owns data, also on failure; -ENOMEM */
int body_copy(struct http_body *b, const void *data, size_t len); /* -ENOMEM: nothing was queued */
/* Up to len bytes; 0: nothing there now, or at the end. */
size_t body_read(struct http_body *b, char *out, size_t len);
