/* The growable buffer of buf.h: doubling growth, one ceiling, front consumption by moving what is left. */
#include "base/buf.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* Nothing of ours comes near it; a length that does is a mistake or an attack. */
#define BUF_MAX_BYTES ((size_t)1 << 30)
/* Most texts (URLs, small answers) fit without growing. */
#define BUF_FIRST_BYTES 256

int buf_reserve(struct buf *b, size_t more)
{
	if (more > BUF_MAX_BYTES || b->len > BUF_MAX_BYTES - more)
		return -ENOMEM;
	size_t need = b->len + more;
	if (need <= b->cap)
		return 0;

	size_t cap = MAX(b->cap * 2, (size_t)BUF_FIRST_BYTES);
	if (cap < need)
		cap = need;
	char *data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	int r = buf_reserve(b, len);
	if (r < 0)
		return r;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int buf_append_str(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);

	/* One byte more for the NUL that vsnprintf insists on. */
	int r = n < 0 ? -EINVAL : buf_reserve(b, (size_t)n + 1);
	if (r == 0) {
		vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
		b->len += (size_t)n;
	}
	va_end(again);
	return r;
}

int buf_terminate(struct buf *b)
{
	int r = buf_reserve(b, 1);
	if (r < 0)
		return r;
	b->data[b->len] = '\0';
	return 0;
}

void buf_consume(struct buf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	b->len -= len;
	memmove(b->data, b->data + len, b->len);
}

char *buf_steal(struct buf *b)
{
	if (!b->data || buf_terminate(b) < 0)
		return NULL;
	char *data = b->data;
	*b = (struct buf){0};
	return data;
}

void buf_done(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = (struct buf){0};
}
