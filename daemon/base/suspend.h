/* Tells when the machine is back from suspend. What a sleeping machine has missed cannot be learned from
 * timers (they stood still) or from the kernel's events (nothing happened here), and what others did on the
 * server it was not told.
 *
 * Two things together, without a timer of our own and without a bus: the kernel wakes whoever has a timer
 * that is cancelled when the wall clock is set (timerfd, TFD_TIMER_CANCEL_ON_SET), and a resume sets it; and
 * time slept is the lead of the boottime clock over the monotonic one. The first also comes when somebody
 * corrects the clock, so it wakes the loop and the second decides. Where the kernel cannot tell how long it
 * slept (no real-time clock at all), nobody is told; the hourly scan remains. */
#pragma once
#include "base/loop.h"
#include <stdbool.h>

/* The two clocks are read one after the other: less than this is no sleep. */
#define SUSPEND_MIN_MS 1000

struct suspend;
/* fn is called from the loop after each resume. Idle costs nothing: a descriptor, and no wake-up. */
int suspend_new(struct loop *loop, loop_fn fn, void *arg, struct suspend **ret_suspend);
struct suspend *suspend_free(struct suspend *s);
