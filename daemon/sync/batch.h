/* How many files travel in the next multipart request: a climb by measured files per second, aimed at a
 * request time. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_FIRST     100  /* files in a server's first batch */
#define BATCH_MAX_FILES 2000 /* a failed request repeats this much at most */
#define BATCH_MAX_BYTES (64LL << 20)
#define BATCH_TARGET_MS 2000 /* longer requests make a failure expensive and progress jerky */

#define BATCH_RISING 1.1 /* below this a gain in files per second is noise */
/* Of requests that short the scheduler's noise is larger than any gain, and longer ones cost nobody anything:
 * only a loss that no noise explains ends their growth. */
#define BATCH_SHORT_MS   100
#define BATCH_SHORT_LOSS 0.5
/* How fast it grows. A short request can be four times as long and still be short; each step less is a moment
 * less in which the server waits for the next batch to be read. */
#define BATCH_STEP       2
#define BATCH_STEP_SHORT 4
/* Growing on beyond the target needs a doubling to gain a third: then the fixed cost of a request was more
 * than half of it. The other way round, halving may lose a quarter at most. */
#define BATCH_WORTH_LATE 1.33
#define BATCH_WORTH_LESS 0.75
#define BATCH_PARTIAL_MIN                                                                                    \
	50 /* fewer files than this in a late partial batch: the files were not the cause                    \
	    */
#define BATCH_PROBE_AFTER                                                                                    \
	16 /* requests at one size before another is tried: the bucket grows, links change */

struct batch_size {
	size_t files;      /* the next one may take this many */
	double best_rate;  /* files per second at the size before; 0: not measured yet */
	int direction;     /* 1 growing, -1 shrinking, 0 settled */
	size_t last_files; /* the size that best_rate belongs to */
	size_t step;       /* times as many next, while it grows */
	size_t ceiling;    /* halved by 413 */
	unsigned settled;  /* requests since the size settled */
};

void batch_size_init(struct batch_size *b);
/* The size after the request that is on its way now, if that goes well. */
size_t batch_size_after(const struct batch_size *b);
/* A request of n files ended well after took_ms (look-up included). One that was far from full says nothing
 * about the size, unless it took too long all the same (cut at BATCH_MAX_BYTES on a slow line). */
void batch_size_ended(struct batch_size *b, size_t n, int64_t took_ms);
void batch_size_too_large(struct batch_size *b); /* 413: halve */
