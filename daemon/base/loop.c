/* The loop: libevent's base, the deferred queue, the inbox for other threads and one-shot timers. */
#include "base/loop.h"
#include "base/clock.h"
#include "base/util.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

struct deferred {
	loop_fn fn; /* NULL: forgotten */
	void *arg;
};

struct loop {
	struct event_base *base;

	/* Deferred calls in [first, last) of a growable array; first == last resets both. */
	struct deferred *deferred;
	size_t first, last, room;
	struct event *run_deferred;
	bool running_deferred;

	/* The inbox. */
	int post_fd;
	struct event *on_post;
	pthread_mutex_t lock;
	struct loop_post *posts; /* oldest first */
	struct loop_post **posts_end;

	_Atomic int64_t heartbeat_ms;
};

#define DEFERRED_FIRST_ROOM 64

static void beat(struct loop *loop)
{
	atomic_store_explicit(&loop->heartbeat_ms, clock_monotonic_ms(), memory_order_relaxed);
}

static void on_run_deferred(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	size_t end = loop->last; /* what these calls defer in turn waits until I/O had its turn */

	beat(loop);
	loop->running_deferred = true;
	while (loop->first < end) {
		struct deferred d = loop->deferred[loop->first++];
		if (d.fn)
			d.fn(d.arg);
	}
	loop->running_deferred = false;
	if (loop->first == loop->last) {
		loop->first = loop->last = 0;
	} else {
		const struct timeval now = {0, 0};
		evtimer_add(loop->run_deferred, &now);
	}
}

int loop_defer(struct loop *loop, loop_fn fn, void *arg)
{
	if (loop->last == loop->room) {
		size_t room = loop->room ? loop->room * 2 : DEFERRED_FIRST_ROOM;
		struct deferred *d = realloc(loop->deferred, room * sizeof(*d));
		if (!d)
			return -ENOMEM;
		loop->deferred = d;
		loop->room = room;
	}
	loop->deferred[loop->last++] = (struct deferred){fn, arg};
	if (!loop->running_deferred && loop->last - loop->first == 1)
		event_active(loop->run_deferred, EV_TIMEOUT, 0);
	return 0;
}

void loop_undefer(struct loop *loop, void *arg)
{
	for (size_t i = loop->first; i < loop->last; i++)
		if (loop->deferred[i].arg == arg)
			loop->deferred[i].fn = NULL;
}

void loop_post(struct loop *loop, struct loop_post *post)
{
	post->next = NULL;
	pthread_mutex_lock(&loop->lock);
	bool wake = !loop->posts;
	*loop->posts_end = post;
	loop->posts_end = &post->next;
	pthread_mutex_unlock(&loop->lock);
	/* Fails only with the counter at its end, and then the loop is awake already. */
	if (wake)
		(void)eventfd_write(loop->post_fd, 1);
}

void loop_drain_posts(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	struct loop_post *posts = loop->posts;
	loop->posts = NULL;
	loop->posts_end = &loop->posts;
	pthread_mutex_unlock(&loop->lock);

	while (posts) {
		struct loop_post *post = posts;
		posts = post->next;
		post->fn(post->arg);
	}
}

static void on_post(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	eventfd_t count;

	beat(loop);
	(void)eventfd_read(loop->post_fd, &count); /* only rearms; what to do is in the list */
	loop_drain_posts(loop);
}

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();

	if (!config)
		return NULL;
	/* libevent's default clock ticks every 4 ms, which the settle time of 50 ms would feel. */
	struct event_base *base = NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	pthread_mutex_init(&loop->lock, NULL);
	loop->posts_end = &loop->posts;
	beat(loop);
	loop->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->post_fd < 0) {
		int r = -errno;
		loop_free(loop);
		return r;
	}
	loop->base = new_base();
	if (loop->base) {
		loop->on_post = event_new(loop->base, loop->post_fd, EV_READ | EV_PERSIST, on_post, loop);
		loop->run_deferred = evtimer_new(loop->base, on_run_deferred, loop);
	}
	if (!loop->on_post || !loop->run_deferred || event_add(loop->on_post, NULL) < 0) {
		loop_free(loop);
		return -ENOMEM;
	}
	*ret_loop = loop;
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	if (loop->on_post)
		event_free(loop->on_post);
	if (loop->run_deferred)
		event_free(loop->run_deferred);
	if (loop->base)
		event_base_free(loop->base);
	close_fd(loop->post_fd);
	pthread_mutex_destroy(&loop->lock);
	free(loop->deferred);
	free(loop);
	return NULL;
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

int loop_run(struct loop *loop)
{
	return event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -EIO : 0;
}

void loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

int64_t loop_heartbeat_ms(struct loop *loop)
{
	return atomic_load_explicit(&loop->heartbeat_ms, memory_order_relaxed);
}

/* Timers */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *timer = arg;

	/* May free its own timer, so nothing is touched after it. */
	timer->fn(timer->arg);
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms, loop_fn fn, void *arg)
{
	if (delay_ms < 0)
		delay_ms = 0;
	if (!timer->event) {
		timer->event = evtimer_new(loop->base, on_timer, timer);
		if (!timer->event)
			return -ENOMEM;
	}
	timer->fn = fn;
	timer->arg = arg;
	const struct timeval delay = {(time_t)(delay_ms / 1000), (suseconds_t)(delay_ms % 1000 * 1000)};
	return evtimer_add(timer->event, &delay) < 0 ? -ENOMEM : 0;
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (timer->event)
		evtimer_del(timer->event);
}

void loop_timer_done(struct loop_timer *timer)
{
	if (timer && timer->event) {
		event_free(timer->event);
		timer->event = NULL;
	}
}

bool loop_timer_armed(const struct loop_timer *timer)
{
	return timer->event && evtimer_pending(timer->event, NULL);
}
