/* systemd's notify protocol through libsystemd, and the watchdog that is fed only while we are really alive.
 */
#include "base/notify.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* A status is one line in systemctl's output; longer ones are cut. */
#define STATUS_MAX 512

/* A failure to notify is not ours to cure: systemd sees the silence and acts on it. */
static void notify(const char *state)
{
	int r = sd_notify(0, state);

	if (r < 0)
		log_debug("Cannot notify systemd: %s", strerrordesc_np(-r));
}

void notify_ready(void)
{
	notify("READY=1");
}

void notify_reloading(void)
{
	char state[64];

	/* The time is what Type=notify-reload asks for; older ones ignore it. */
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
		 (long long)clock_monotonic_ms() * 1000);
	notify(state);
}

void notify_stopping(void)
{
	notify("STOPPING=1");
}

void notify_status(const char *format, ...)
{
	char state[STATUS_MAX] = "STATUS=";
	va_list args;

	va_start(args, format);
	vsnprintf(state + 7, sizeof(state) - 7, format, args);
	va_end(args);
	/* A line end would begin another assignment. */
	for (char *c = state; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	notify(state);
}

struct notify_watchdog {
	struct loop *loop;
	struct worker_pool *pool;
	struct loop_timer timer;
	int64_t interval_ms;
	bool starved; /* said once per hang */
};

static void on_feed(void *arg)
{
	struct notify_watchdog *w = arg;
	int64_t oldest = w->pool ? worker_oldest_start_ms(w->pool) : INT64_MAX;

	/* That this runs at all shows that the loop comes round. */
	if (oldest == INT64_MAX || clock_monotonic_ms() - oldest < w->interval_ms) {
		notify("WATCHDOG=1");
		w->starved = false;
	} else if (!w->starved) {
		log_warning("A worker has been busy for %lld s: the watchdog is not fed",
			    (long long)(clock_monotonic_ms() - oldest) / 1000);
		w->starved = true;
	}
	if (loop_timer_set(w->loop, &w->timer, w->interval_ms / 3, on_feed, w) < 0)
		log_error("Cannot re-arm the watchdog timer: out of memory");
}

int notify_watchdog_new(struct loop *loop, struct worker_pool *pool, struct notify_watchdog **ret_watchdog)
{
	uint64_t usec = 0;
	int r = sd_watchdog_enabled(0, &usec);

	if (r < 0)
		return r;
	struct notify_watchdog *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->pool = pool;
	w->interval_ms = (int64_t)(usec / 1000);
	if (r > 0) {
		r = loop_timer_set(loop, &w->timer, w->interval_ms / 3, on_feed, w);
		if (r < 0) {
			notify_watchdog_free(w);
			return r;
		}
	}
	*ret_watchdog = w;
	return 0;
}

struct notify_watchdog *notify_watchdog_free(struct notify_watchdog *w)
{
	if (w) {
		loop_timer_done(&w->timer);
		free(w);
	}
	return NULL;
}
