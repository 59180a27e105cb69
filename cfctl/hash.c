/* The SHA-256 of a local file. */
#include "cfctl/hash.h"
#include "cfctl/ctl.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_BYTES (256 * 1024)

static int hash_blocks(int fd, EVP_MD_CTX *digest, unsigned char *block)
{
	for (off_t at = 0;;) {
		ssize_t n = pread(fd, block, BLOCK_BYTES, at);

		if (ctl_interrupted())
			return -EINTR;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if (EVP_DigestUpdate(digest, block, (size_t)n) != 1)
			return -EIO;
		at += n;
	}
}

int hash_file(int fd, char text[HASH_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char sum[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	_cleanup_free_ unsigned char *block = malloc(BLOCK_BYTES);
	unsigned n = 0;
	int r = -ENOMEM;

	if (digest && block && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1)
		r = hash_blocks(fd, digest, block);
	if (r == 0 && (EVP_DigestFinal_ex(digest, sum, &n) != 1 || 2 * n + 1 != HASH_TEXT_SIZE))
		r = -EIO;
	EVP_MD_CTX_free(digest);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++) {
		text[2 * i] = hex[sum[i] >> 4];
		text[2 * i + 1] = hex[sum[i] & 15];
	}
	text[2 * n] = '\0';
	return 0;
}
