/* SHA-256 over OpenSSL's EVP: the algorithm is fetched once, contexts are reset instead of made anew (an
 * implicit fetch costs more than hashing a small file). */
#include "base/digest.h"
#include "base/util.h"
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>

struct digest_stream {
	EVP_MD_CTX *context;
	EVP_MD_CTX *scratch; /* for digest_stream_peek, made on its first call */
};

static EVP_MD *sha256;

static void fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *algorithm(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch_sha256);
	return sha256;
}

struct digest_stream *digest_stream_new(void)
{
	struct digest_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->context = EVP_MD_CTX_new();
	if (!s->context || digest_stream_reset(s) < 0)
		return digest_stream_free(s);
	return s;
}

struct digest_stream *digest_stream_free(struct digest_stream *s)
{
	if (s) {
		EVP_MD_CTX_free(s->context);
		EVP_MD_CTX_free(s->scratch);
		free(s);
	}
	return NULL;
}

int digest_stream_reset(struct digest_stream *s)
{
	const EVP_MD *md = algorithm();

	return md && EVP_DigestInit_ex2(s->context, md, NULL) == 1 ? 0 : -ENOMEM;
}

int digest_stream_update(struct digest_stream *s, const void *data, size_t len)
{
	return EVP_DigestUpdate(s->context, data, len) == 1 ? 0 : -EIO;
}

static int finish(EVP_MD_CTX *context, struct digest *ret_digest)
{
	struct digest d;
	unsigned len = 0;

	if (EVP_DigestFinal_ex(context, d.b, &len) != 1 || len != DIGEST_SIZE)
		return -EIO;
	*ret_digest = d;
	return 0;
}

int digest_stream_final(struct digest_stream *s, struct digest *ret_digest)
{
	return finish(s->context, ret_digest);
}

int digest_stream_peek(struct digest_stream *s, struct digest *ret_digest)
{
	if (!s->scratch)
		s->scratch = EVP_MD_CTX_new();
	if (!s->scratch || EVP_MD_CTX_copy_ex(s->scratch, s->context) != 1)
		return -ENOMEM;
	return finish(s->scratch, ret_digest);
}

int digest_of(const void *data, size_t len, struct digest *ret_digest)
{
	const EVP_MD *md = algorithm();
	struct digest d;

	if (!md || EVP_Digest(data, len, d.b, NULL, md, NULL) != 1)
		return -ENOMEM;
	*ret_digest = d;
	return 0;
}

void digest_to_hex(const struct digest *d, char hex[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		hex[2 * i] = digits[d->b[i] >> 4];
		hex[2 * i + 1] = digits[d->b[i] & 15];
	}
	hex[2 * DIGEST_SIZE] = '\0';
}

/* The value and one, 0 for what is no digit. A table: the digits of a hash are random, and every branch on
 * them would be guessed wrong half of the time. */
static const uint8_t hex_values[256] = {
	['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

int digest_from_hex(const char *hex, struct digest *ret_digest)
{
	struct digest d;

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		uint8_t high = hex_values[(unsigned char)hex[2 * i]];
		uint8_t low = high ? hex_values[(unsigned char)hex[2 * i + 1]] : 0; /* not behind the end */
		if (!low)
			return -EINVAL;
		d.b[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	if (hex[2 * DIGEST_SIZE] != '\0')
		return -EINVAL;
	*ret_digest = d;
	return 0;
}
