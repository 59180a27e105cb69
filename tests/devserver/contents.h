/*
 * The bytes of files on disk: content/AB/CDEF… named by SHA-256, tmp/ for what is being received. No database
 * here.
 */
#pragma once

#include "util.h"

#define SHA_HEX_LEN 64

/* A content's place: its offset in the pack, or one of these. */
#define PLACE_OWN_FILE INT64_C(-1)
#define PLACE_LOST     INT64_C(-2) /* its bytes were taken away */

struct contents {
	int content_fd, tmp_fd; /* directories */
	int pack_fd;
	int64_t pack_end; /* guarded by the store's lock */
};

/* A content opened for reading. */
struct content_file {
	int fd;
	int64_t base, size; /* its first byte is at base */
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

bool stage_is_small(const struct stage *st); /* belongs into the pack */
/* Puts a finished content at its place. */
int contents_place(struct contents *c, struct stage *st, int64_t place);
/* -ENOENT: it is gone. */
int contents_read(struct contents *c, const char *sha, int64_t place, int64_t size, struct content_file *ret);
void content_file_close(struct content_file *f);
#define _cleanup_content_ _cleanup_(content_file_close)
int contents_remove(struct contents *c, const char *sha, int64_t place, int64_t size);
/* Hashes an open content. */
int contents_hash(const struct content_file *f, char ret_sha[SHA_HEX_LEN + 1]);
/* Calls fn for every content that has a file of its own. */
int contents_each_file(struct contents *c, int (*fn)(void *arg, const char *sha), void *arg);

void sha256_hex(struct span bytes, char ret[SHA_HEX_LEN + 1]);
