/* The event loop: a thin owner of libevent's base plus what every part needs from it (deferred calls,
 * one-shot timers that are cheap to re-arm, signals). One loop per process, one thread; only loop_post may be
 * called from another thread. */
#pragma once
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;
typedef void (*loop_fn)(void *arg);

int loop_new(struct loop **ret_loop);
struct loop *loop_free(struct loop *loop);
struct event_base *loop_base(struct loop *loop);
int loop_run(struct loop *loop); /* until loop_stop; 0 or -errno */
void loop_stop(struct loop *loop);

/* Calls fn(arg) from the loop after the present callback has returned, in the order asked for. -ENOMEM. */
int loop_defer(struct loop *loop, loop_fn fn, void *arg);
/* Forgets every deferred (not yet run) call with this arg: destructors call it. */
void loop_undefer(struct loop *loop, void *arg);
/* The same from any thread (eventfd); allocation-free: the caller owns the node, which is free again when fn
 * runs. */
struct loop_post {
	loop_fn fn;
	void *arg;
	struct loop_post *next;
};
void loop_post(struct loop *loop, struct loop_post *post);
/* Runs what was posted so far, now: for destructors, when the loop may not come round any more. */
void loop_drain_posts(struct loop *loop);

/* One-shot timer embedded in its owner; zero-initialised is "never armed". Setting an armed one moves it. */
struct loop_timer {
	struct event *event;
	loop_fn fn;
	void *arg;
};
int loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_ms, loop_fn fn, void *arg);
void loop_timer_stop(struct loop_timer *timer); /* keeps the memory */
void loop_timer_done(struct loop_timer *timer); /* frees it; NULL-safe, may be called twice */
bool loop_timer_armed(const struct loop_timer *timer);

/* Monotonic ms at which the loop last came round: the watchdog's sign of life. */
int64_t loop_heartbeat_ms(struct loop *loop);
