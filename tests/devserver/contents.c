/*
 * Contents on disk: see contents.h. Nothing is synced: the page cache outlives a killed process, and that is
 * all this server promises.
 */
#include "contents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to here a content is kept in memory until it is placed with one open and one write. */
#define SMALL_BYTES (64 * 1024)
#define READ_BYTES  (256 * 1024)

/* Fetched once: an implicit fetch for each small file costs more than its hash. */
static EVP_MD *sha256_md;

static void fetch_sha256(void)
{
	sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *sha256(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch_sha256);
	return sha256_md;
}

static int open_directory(int at, const char *name)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void clean_tmp(int tmp_fd)
{
	int fd = openat(tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return;
	for (struct dirent *d; (d = readdir(dir));)
		if (d->d_name[0] != '.')
			unlinkat(tmp_fd, d->d_name, 0);
	closedir(dir);
}

int contents_open(struct contents *c, int data_fd)
{
	char name[4];

	c->content_fd = open_directory(data_fd, "content");
	c->tmp_fd = open_directory(data_fd, "tmp");
	if (c->content_fd < 0 || c->tmp_fd < 0)
		return c->content_fd < 0 ? c->content_fd : c->tmp_fd;
	for (int i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		if (mkdirat(c->content_fd, name, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	clean_tmp(c->tmp_fd);
	return 0;
}

void contents_close(struct contents *c)
{
	if (c->content_fd >= 0)
		close(c->content_fd);
	if (c->tmp_fd >= 0)
		close(c->tmp_fd);
	c->content_fd = c->tmp_fd = -1;
}

static void content_name(const char *sha, char name[SHA_HEX_LEN + 2])
{
	snprintf(name, SHA_HEX_LEN + 2, "%.2s/%s", sha, sha + 2);
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t written = write(fd, p, n);
		if (written < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += written;
		n -= (size_t)written;
	}
	return 0;
}

void stage_init(struct stage *st, struct contents *c)
{
	*st = (struct stage){.contents = c, .fd = -1};
}

static void drop_tmp(struct stage *st)
{
	if (st->fd < 0)
		return;
	close(st->fd);
	st->fd = -1;
	if (st->tmp_name[0])
		unlinkat(st->contents->tmp_fd, st->tmp_name, 0);
	st->tmp_name[0] = 0;
}

int stage_begin(struct stage *st)
{
	drop_tmp(st);
	st->small.n = 0;
	st->size = 0;
	if (!st->hash)
		st->hash = EVP_MD_CTX_new();
	if (!st->hash || !EVP_DigestInit_ex2(st->hash, sha256(), NULL))
		return -ENOMEM;
	return 0;
}

static int go_to_disk(struct stage *st)
{
	char name[sizeof(st->tmp_name)];

	random_text(name, 24, ALPHABET_ALNUM);
	memcpy(name + 24, ".tmp", 5);
	int fd = openat(st->contents->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	st->fd = fd;
	memcpy(st->tmp_name, name, sizeof(name));
	return write_all(fd, st->small.p, st->small.n);
}

int stage_add(struct stage *st, struct span bytes)
{
	EVP_DigestUpdate(st->hash, bytes.p, bytes.n);
	st->size += (int64_t)bytes.n;
	if (st->fd < 0 && st->size <= SMALL_BYTES) {
		buf_addspan(&st->small, bytes);
		return st->small.failed ? -ENOMEM : 0;
	}
	if (st->fd < 0) {
		int r = go_to_disk(st);
		if (r < 0)
			return r;
	}
	return write_all(st->fd, bytes.p, bytes.n);
}

int stage_finish(struct stage *st)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (!EVP_DigestFinal_ex(st->hash, digest, NULL))
		return -ENOMEM;
	hex_encode(st->sha, digest, SHA_HEX_LEN / 2);
	return 0;
}

void stage_done(struct stage *st)
{
	drop_tmp(st);
	buf_done(&st->small);
	EVP_MD_CTX_free(st->hash);
	st->hash = NULL;
}

int contents_place(struct contents *c, struct stage *st)
{
	char name[SHA_HEX_LEN + 2];

	content_name(st->sha, name);
	if (st->fd >= 0) {
		/* Not a plain rename: a content that is there must stay and be noticed. */
		if (linkat(c->tmp_fd, st->tmp_name, c->content_fd, name, 0) < 0)
			return -errno;
		return 0;
	}
	int fd = openat(c->content_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, st->small.p, st->small.n);
	close(fd);
	if (r < 0)
		unlinkat(c->content_fd, name, 0);
	return r;
}

int contents_read(struct contents *c, const char *sha, int64_t *ret_size)
{
	char name[SHA_HEX_LEN + 2];
	struct stat st;

	content_name(sha, name);
	int fd = openat(c->content_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return -EIO;
	}
	*ret_size = st.st_size;
	return fd;
}

int contents_remove(struct contents *c, const char *sha)
{
	char name[SHA_HEX_LEN + 2];

	content_name(sha, name);
	return unlinkat(c->content_fd, name, 0) < 0 ? -errno : 0;
}

int contents_verify(struct contents *c, const char *sha, char ret_sha[SHA_HEX_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	int64_t size;
	int fd = contents_read(c, sha, &size);

	if (fd < 0)
		return fd;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	_cleanup_free_ char *piece = malloc(READ_BYTES);
	ssize_t n = -1;
	if (hash && piece && EVP_DigestInit_ex2(hash, sha256(), NULL))
		while ((n = read(fd, piece, READ_BYTES)) > 0)
			EVP_DigestUpdate(hash, piece, (size_t)n);
	if (n == 0 && EVP_DigestFinal_ex(hash, digest, NULL))
		hex_encode(ret_sha, digest, SHA_HEX_LEN / 2);
	else
		n = -1;
	EVP_MD_CTX_free(hash);
	close(fd);
	return n < 0 ? -EIO : 0;
}

static int each_in(int dir_fd, const char *prefix, int (*fn)(void *arg, const char *sha), void *arg)
{
	int fd = openat(dir_fd, prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char sha[SHA_HEX_LEN + 1];

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -EIO;
	}
	for (struct dirent *d; r == 0 && (d = readdir(dir));) {
		if (strlen(d->d_name) != SHA_HEX_LEN - 2)
			continue;
		snprintf(sha, sizeof(sha), "%s%s", prefix, d->d_name);
		r = fn(arg, sha);
	}
	closedir(dir);
	return r;
}

int contents_each(struct contents *c, int (*fn)(void *arg, const char *sha), void *arg)
{
	char prefix[3];
	int r = 0;

	for (int i = 0; r == 0 && i < 256; i++) {
		hex_encode(prefix, (unsigned char[]){(unsigned char)i}, 1);
		r = each_in(c->content_fd, prefix, fn, arg);
	}
	return r;
}

void sha256_hex(struct span bytes, char ret[SHA_HEX_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (!EVP_Digest(bytes.p, bytes.n, digest, NULL, sha256(), NULL))
		abort(); /* only for want of memory, and a wrong hash would be believed */
	hex_encode(ret, digest, SHA_HEX_LEN / 2);
}
