/* systemd's notify protocol and watchdog; everything is a no-op outside systemd. */
#pragma once
#include "base/loop.h"
#include "base/worker.h"

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Feeds the watchdog at a third of its interval, only while the loop comes round and no worker job is older
 * than the interval allows. No timer at all when no watchdog is asked for. */
struct notify_watchdog;
int notify_watchdog_new(struct loop *loop, struct worker_pool *pool, struct notify_watchdog **ret_watchdog);
struct notify_watchdog *notify_watchdog_free(struct notify_watchdog *w);
