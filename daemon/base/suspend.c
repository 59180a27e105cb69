/* A timer that never expires, but is cancelled at a resume; and the decision whether it was one. */
#include "base/suspend.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

/* Some 290 years: what the kernel can hold. */
#define NEVER_S (INT64_MAX / 1000000000)

struct suspend {
	int fd;
	struct event *event;
	int64_t slept_ms; /* up to now, since boot */
	loop_fn fn;
	void *arg;
};

/* All the time this machine has slept. */
static int64_t slept_ms(void)
{
	return clock_boottime_ms() - clock_monotonic_ms();
}

static int arm(struct suspend *s)
{
	const struct itimerspec never = {.it_value.tv_sec = (time_t)NEVER_S};

	return timerfd_settime(s->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0 ? -errno
												     : 0;
}

static void on_clock(evutil_socket_t fd, short what, void *arg)
{
	struct suspend *s = arg;
	int64_t before = s->slept_ms;
	uint64_t ticks;
	int r;

	do {
		(void)!read(fd, &ticks, sizeof(ticks)); /* fails with ECANCELED: what was waited for */
		r = arm(s);
	} while (r == -ECANCELED); /* once more in between */
	if (r < 0) {
		log_warning("a resume from suspend will not be noticed any more: %s", strerror(-r));
		event_del(s->event); /* it would be readable for ever */
	}
	s->slept_ms = slept_ms();
	if (s->slept_ms - before >= SUSPEND_MIN_MS)
		s->fn(s->arg);
}

int suspend_new(struct loop *loop, loop_fn fn, void *arg, struct suspend **ret_suspend)
{
	struct suspend *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	*s = (struct suspend){.fn = fn, .arg = arg, .slept_ms = slept_ms()};
	s->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->fd < 0)
		r = -errno;
	if (r >= 0)
		r = arm(s);
	if (r >= 0) {
		s->event = event_new(loop_base(loop), s->fd, EV_READ | EV_PERSIST, on_clock, s);
		r = s->event && event_add(s->event, NULL) == 0 ? 0 : -ENOMEM;
	}
	if (r < 0) {
		suspend_free(s);
		return r;
	}
	*ret_suspend = s;
	return 0;
}

struct suspend *suspend_free(struct suspend *s)
{
	if (!s)
		return NULL;
	if (s->event)
		event_free(s->event);
	close_fd(s->fd);
	free(s);
	return NULL;
}
