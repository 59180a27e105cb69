/* How many files travel in the next multipart request: a climb by measured files per second, aimed at a
 * request time. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define BATCH_FIRST     100  /* files in a server's first batch */
#define BATCH_MAX_FILES 2000 /* a failed request repeats this much at most */
#define BATCH_MAX_BYTES (64LL << 20)
#define BATCH_TARGET_MS 2000 /* longer requests make a failure expensive and progress jerky */

struct batch_size {
	size_t files; /* the next one may take this many */
	double best_rate;
	int direction;
};

void batch_size_init(struct batch_size *b);
/* A request of n files ended well after took_ms (look-up included). */
void batch_size_ended(struct batch_size *b, size_t n, int64_t took_ms);
void batch_size_too_large(struct batch_size *b); /* 413: halve */
