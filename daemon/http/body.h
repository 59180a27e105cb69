/* The bytes of a request body between the caller and curl: a queue of buffers, never copied until curl takes
 * them. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_chunk;
struct http_body {
	struct http_chunk *first, **end;
	size_t offset; /* consumed of the first */
	size_t queued; /* bytes not yet delivered */
	uint64_t delivered;
	bool ended;         /* the caller has said that no more follows */
	bool room_told;     /* the caller was asked for more and has not answered yet */
	bool end_delivered; /* and the reader has been told */
};

void body_init(struct http_body *b);
void body_done(struct http_body *b);                        /* drops what is queued; the counters stay */
int body_take(struct http_body *b, void *data, size_t len); /* owns data, also on failure; -ENOMEM */
/* Up to len bytes; 0: nothing there now, or at the end. */
size_t body_read(struct http_body *b, char *out, size_t len);
