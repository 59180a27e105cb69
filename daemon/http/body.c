/* The queue of body.h. */
#include "http/body.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

/* What is copied is gathered in pieces of this size: a thousand files of a kilobyte must not be three
 * thousand allocations. */
#define GATHER_BYTES 65536

struct http_chunk {
	struct http_chunk *next;
	char *data;
	size_t len, room; /* room: of a gathered one, which may still grow */
};

void body_init(struct http_body *b)
{
	*b = (struct http_body){0};
}

static void drop_first(struct http_body *b)
{
	struct http_chunk *c = b->first;

	b->first = c->next;
	b->offset = 0;
	free(c->data);
	free(c);
}

void body_done(struct http_body *b)
{
	while (b->first)
		drop_first(b);
	b->queued = 0;
}

int body_take(struct http_body *b, void *data, size_t len)
{
	if (len == 0) {
		free(data);
		return 0;
	}
	struct http_chunk *c = malloc(sizeof(*c));
	if (!c) {
		free(data);
		return -ENOMEM;
	}
	*c = (struct http_chunk){.data = data, .len = len, .room = len};
	if (b->first)
		b->last->next = c;
	else
		b->first = c;
	b->last = c;
	b->queued += len;
	return 0;
}

/* The last chunk if it has room for len more bytes, or a new one. NULL: out of memory. */
static struct http_chunk *gathering(struct http_body *b, size_t len)
{
	struct http_chunk *last = b->last;

	if (b->first && last->room - last->len >= len)
		return last;
	size_t room = len > GATHER_BYTES ? len : GATHER_BYTES;
	char *data = malloc(room);
	if (!data || body_take(b, data, room) < 0)
		return NULL;
	b->queued -= room;
	*b->last = (struct http_chunk){.data = data, .room = room};
	return b->last;
}

int body_copy(struct http_body *b, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	struct http_chunk *c = gathering(b, len);
	if (!c)
		return -ENOMEM;
	memcpy(c->data + c->len, data, len);
	c->len += len;
	b->queued += len;
	return 0;
}

size_t body_read(struct http_body *b, char *out, size_t len)
{
	size_t done = 0;

	while (done < len && b->first) {
		struct http_chunk *c = b->first;
		size_t n = MIN(len - done, c->len - b->offset);
		memcpy(out + done, c->data + b->offset, n);
		done += n;
		b->offset += n;
		if (b->offset == c->len)
			drop_first(b);
	}
	b->queued -= done;
	b->delivered += done;
	return done;
}
