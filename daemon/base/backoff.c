/* The retry policy of backoff.h. */
#include "base/backoff.h"
#include "base/clock.h"
#include "base/util.h"
#include <sys/random.h>

/* A server's wish beyond an hour is more likely a mistake than a plan. */
#define BACKOFF_RETRY_AFTER_MAX_S 3600

int64_t backoff_next_ms(struct backoff *b, uint32_t random, int64_t retry_after_s)
{
	int64_t delay_ms = BACKOFF_FIRST_MS;
	for (unsigned i = 0; i < b->failures && delay_ms < BACKOFF_CAP_MS; i++)
		delay_ms *= 2;
	if (delay_ms >= BACKOFF_CAP_MS)
		delay_ms = BACKOFF_CAP_MS;
	else
		b->failures++;

	/* Jitter over the upper half: clients that failed together do not come back together. */
	int64_t half = delay_ms / 2;
	delay_ms = half + (int64_t)(((uint64_t)(delay_ms - half) * random) >> 32);

	if (retry_after_s > 0)
		delay_ms = MAX(delay_ms, MIN(retry_after_s, (int64_t)BACKOFF_RETRY_AFTER_MAX_S) * 1000);
	return delay_ms;
}

void backoff_reset(struct backoff *b)
{
	b->failures = 0;
}

uint32_t backoff_random(void)
{
	uint32_t value;

	/* Only jitter hangs on it: before the kernel's pool is ready the clock's low digits do. */
	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
		value = (uint32_t)clock_wall_ns() * UINT32_C(2654435761);
	return value;
}
