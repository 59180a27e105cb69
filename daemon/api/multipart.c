/* The writers of multipart.h. */
#include "api/multipart.h"
#include "api/url.h"
#include "base/backoff.h"

void multipart_boundary(char boundary[MULTIPART_BOUNDARY_SIZE])
{
	/* 128 random bits: no file holds them but by knowing them. */
	snprintf(boundary, MULTIPART_BOUNDARY_SIZE, "cf-%08x%08x%08x%08x", backoff_random(), backoff_random(),
		 backoff_random(), backoff_random());
}

int multipart_append_head(struct buf *b, const char *boundary, const char *path)
{
	int r = buf_printf(b, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename*=", boundary);

	if (r == 0)
		r = url_append_ext_value(b, path);
	return r < 0 ? r : buf_append_str(b, "\r\nContent-Type: application/octet-stream\r\n\r\n");
}

int multipart_append_tail(struct buf *b)
{
	return buf_append_str(b, "\r\n");
}

int multipart_append_end(struct buf *b, const char *boundary)
{
	return buf_printf(b, "--%s--\r\n", boundary);
}
