/* SHA-256, with the CPU's instructions through OpenSSL's EVP. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIGEST_SIZE     32
#define DIGEST_HEX_SIZE 65 /* with NUL */

struct digest {
	uint8_t b[DIGEST_SIZE];
};

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, DIGEST_SIZE) == 0;
}

struct digest_stream;
struct digest_stream *digest_stream_new(void); /* NULL: out of memory */
struct digest_stream *digest_stream_free(struct digest_stream *s);
int digest_stream_reset(struct digest_stream *s);
int digest_stream_update(struct digest_stream *s, const void *data, size_t len);
int digest_stream_final(struct digest_stream *s, struct digest *ret_digest);
/* The digest of what was fed so far; the stream goes on (prefix proof of an append). */
int digest_stream_peek(struct digest_stream *s, struct digest *ret_digest);

int digest_of(const void *data, size_t len, struct digest *ret_digest);
void digest_to_hex(const struct digest *d, char hex[DIGEST_HEX_SIZE]);
int digest_from_hex(const char *hex,
		    struct digest *ret_digest); /* exactly 64 hex digits of either case, else -EINVAL */
