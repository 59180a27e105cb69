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

/* Up to here a content is kept in memory until it goes into the pack with one write: making a file costs more
 * than everything else about it. */
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
	c->content_fd = open_directory(data_fd, "content");
	c->tmp_fd = open_directory(data_fd, "tmp");
	if (c->content_fd < 0 || c->tmp_fd < 0)
		return c->content_fd < 0 ? c->content_fd : c->tmp_fd;
	c->pack_fd = openat(data_fd, "pack", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (c->pack_fd < 0)
		return -errno;
	clean_tmp(c->tmp_fd);
	return 0;
}

void contents_close(struct contents *c)
{
	int *fds[] = {&c->content_fd, &c->tmp_fd, &c->pack_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
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

bool stage_is_small(const struct stage *st)
{
	return st->fd < 0;
}

static int write_at(int fd, const char *p, size_t n, int64_t at)
{
	while (n) {
		ssize_t written = pwrite(fd, p, n, at);
		if (written < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += written;
		at += written;
		n -= (size_t)written;
	}
	return 0;
}

int contents_place(struct contents *c, struct stage *st, int64_t place)
{
	char name[SHA_HEX_LEN + 2];

	if (place >= 0)
		return write_at(c->pack_fd, st->small.p, st->small.n, place);
	content_name(st->sha, name);
	int r = renameat(c->tmp_fd, st->tmp_name, c->content_fd, name);
	if (r < 0 && errno == ENOENT) { /* the first of its directory */
		name[2] = 0;
		mkdirat(c->content_fd, name, 0700);
		name[2] = '/';
		r = renameat(c->tmp_fd, st->tmp_name, c->content_fd, name);
	}
	if (r < 0)
		return -errno;
	st->tmp_name[0] = 0;
	return 0;
}

int contents_read(struct contents *c, const char *sha, int64_t place, int64_t size, struct content_file *ret)
{
	char name[SHA_HEX_LEN + 2];

	if (place == PLACE_LOST)
		return -ENOENT;
	content_name(sha, name);
	int fd = place >= 0 ? fcntl(c->pack_fd, F_DUPFD_CLOEXEC, 0)
			    : openat(c->content_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = (struct content_file){.fd = fd, .base = place >= 0 ? place : 0, .size = size};
	return 0;
}

void content_file_close(struct content_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int contents_remove(struct contents *c, const char *sha, int64_t place, int64_t size)
{
	char name[SHA_HEX_LEN + 2];

	if (place == PLACE_LOST)
		return 0;
	if (place >= 0) {
		/* Only the space is wanted back; a file system that cannot do it keeps the bytes. */
		if (size > 0)
			fallocate(c->pack_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, place, size);
		return 0;
	}
	content_name(sha, name);
	return unlinkat(c->content_fd, name, 0) < 0 ? -errno : 0;
}

static int hash_range(EVP_MD_CTX *hash, const struct content_file *f, char *piece)
{
	for (int64_t at = 0; at < f->size;) {
		size_t want = f->size - at < READ_BYTES ? (size_t)(f->size - at) : READ_BYTES;
		ssize_t n = pread(f->fd, piece, want, f->base + at);
		if (n <= 0)
			return -EIO;
		EVP_DigestUpdate(hash, piece, (size_t)n);
		at += n;
	}
	return 0;
}

int contents_hash(const struct content_file *f, char ret_sha[SHA_HEX_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	_cleanup_free_ char *piece = malloc(READ_BYTES);
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	int r = -ENOMEM;

	if (hash && piece && EVP_DigestInit_ex2(hash, sha256(), NULL))
		r = hash_range(hash, f, piece);
	if (r == 0 && !EVP_DigestFinal_ex(hash, digest, NULL))
		r = -ENOMEM;
	EVP_MD_CTX_free(hash);
	if (r == 0)
		hex_encode(ret_sha, digest, SHA_HEX_LEN / 2);
	return r;
}

static int each_in(int dir_fd, const char *prefix, int (*fn)(void *arg, const char *sha), void *arg)
{
	int fd = openat(dir_fd, prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char sha[SHA_HEX_LEN + 1];

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return fd < 0 && errno == ENOENT ? 0 : -EIO;
	}
	for (struct dirent *d; r == 0 && (d = readdir(dir));) {
		if (strlen(d->d_name) != SHA_HEX_LEN - 2)
			continue;
		snprintf(sha, sizeof(sha), "%.2s%.62s", prefix, d->d_name); /* SHA_HEX_LEN */
		r = fn(arg, sha);
	}
	closedir(dir);
	return r;
}

int contents_each_file(struct contents *c, int (*fn)(void *arg, const char *sha), void *arg)
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
