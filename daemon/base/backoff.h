/* The one retry policy: exponential with jitter from 1 s to 10 min, a server's Retry-After obeyed. Pure: time
 * and randomness come in as arguments. */
#pragma once
#include <stdint.h>

#define BACKOFF_FIRST_MS 1000 /* a blip is over by then */
#define BACKOFF_CAP_MS                                                                                       \
	(10 * 60 * 1000) /* long enough to be no load, short enough that a person need not help */

struct backoff {
	unsigned failures;
};

/* The delay before the next try, and counts the failure. random: any 32 bits (full jitter over the upper
 * half). retry_after_s: the server's wish, 0 if none; the delay is never shorter, and at most one hour longer
 * wishes are cut. */
int64_t backoff_next_ms(struct backoff *b, uint32_t random, int64_t retry_after_s);
void backoff_reset(struct backoff *b);
uint32_t backoff_random(void); /* getrandom */
