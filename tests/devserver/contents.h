/*
 * The bytes of files on disk: content/AB/CDEF… named by SHA-256, tmp/ for what is being received. No database
 * here.
 */
#pragma once

#include "util.h"

#define SHA_HEX_LEN 64

struct contents {
	int content_fd, tmp_fd; /* directories */
};

int contents_open(struct contents *c, int data_fd);
void contents_close(struct contents *c);

/* One content being received: hashed as it comes; small ones stay in memory, larger ones go to tmp/. */
struct stage {
	struct contents *contents;
	void *hash; /* EVP_MD_CTX, kept for the next content */
	struct buf small;
	int fd;
	char tmp_name[40];
	int64_t size;
	char sha[SHA_HEX_LEN + 1];
};

void stage_init(struct stage *st, struct contents *c);
int stage_begin(struct stage *st); /* also after a content is done with: starts the next */
int stage_add(struct stage *st, struct span bytes);
int stage_finish(struct stage *st); /* sha is valid afterwards */
void stage_done(struct stage *st);

/* Moves a finished content into the store. -EEXIST: one of that name is there already (the caller decides).
 */
int contents_place(struct contents *c, struct stage *st);
/* A descriptor for reading, -ENOENT if it is gone. */
int contents_read(struct contents *c, const char *sha, int64_t *ret_size);
int contents_remove(struct contents *c, const char *sha);
/* Hashes a stored content again. */
int contents_verify(struct contents *c, const char *sha, char ret_sha[SHA_HEX_LEN + 1]);
/* Calls fn for every content in the store. */
int contents_each(struct contents *c, int (*fn)(void *arg, const char *sha), void *arg);

void sha256_hex(struct span bytes, char ret[SHA_HEX_LEN + 1]);
