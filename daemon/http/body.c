/* The queue of body.h. */
#include "http/body.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

struct http_chunk {
	struct http_chunk *next;
	char *data;
	size_t len;
};

void body_init(struct http_body *b)
{
	*b = (struct http_body){0};
	b->end = &b->first;
}

static void drop_first(struct http_body *b)
{
	struct http_chunk *c = b->first;

	b->first = c->next;
	if (!b->first)
		b->end = &b->first;
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
	*c = (struct http_chunk){.data = data, .len = len};
	*b->end = c;
	b->end = &c->next;
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
