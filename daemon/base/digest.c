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

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int digest_from_hex(const char *hex, struct digest *ret_digest)
{
	struct digest d;

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		int high = hex_value(hex[2 * i]);
		int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);
		if (low < 0)
			return -EINVAL;
		d.b[i] = (uint8_t)(high << 4 | low);
	}
	if (hex[2 * DIGEST_SIZE] != '\0')
		return -EINVAL;
	*ret_digest = d;
	return 0;
}
