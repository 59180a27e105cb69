/* Secrets in pages of their own: head and bytes in one private mapping that core dumps leave out and a forked
 * child sees as zeros. */
#include "base/secret.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

struct secret {
	size_t mapped;
	size_t len;
	char bytes[];
};

int secret_new(const char *bytes, size_t len, struct secret **ret_secret)
{
	if (len > SIZE_MAX / 2)
		return -ENOMEM;
	size_t mapped = sizeof(struct secret) + len + 1;
	struct secret *s = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return -ENOMEM;

	/* Both are advice: a kernel that lacks one still runs us, with a secret as safe as any memory. */
	(void)madvise(s, mapped, MADV_DONTDUMP);
	(void)madvise(s, mapped, MADV_WIPEONFORK);
	s->mapped = mapped;
	s->len = len;
	memcpy(s->bytes, bytes, len);
	*ret_secret = s;
	return 0;
}

struct secret *secret_free(struct secret *s)
{
	if (s) {
		size_t mapped = s->mapped;
		secret_wipe(s, mapped);
		munmap(s, mapped);
	}
	return NULL;
}

const char *secret_str(const struct secret *s)
{
	return s->bytes;
}

size_t secret_len(const struct secret *s)
{
	return s->len;
}

void secret_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}
