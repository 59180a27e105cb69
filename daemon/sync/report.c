/* What a pair says of itself: status, file progress for watchers, history. Status events are merged to ten a
 * second. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sync/pair.h"
#include <stdarg.h>
#include <errno.h>

#define REPORT_MS      100  /* a watcher hears of a pair at most this often */
#define RATE_WINDOW_MS 2000 /* bytes per second are taken over this */

struct engine_watch {
	struct engine *engine;
	struct engine_watch_callbacks cb;
	void *arg;
	LIST_ENTRY(engine_watch) link;
};

int engine_watch_new(struct engine *e, const struct engine_watch_callbacks *callbacks, void *arg,
		     struct engine_watch **ret_watch)
{
	struct engine_watch *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	w->engine = e;
	w->cb = *callbacks;
	w->arg = arg;
	LIST_INSERT_HEAD(&e->watchers, w, link);
	*ret_watch = w;
	return 0;
}

struct engine_watch *engine_watch_free(struct engine_watch *w)
{
	if (w)
		LIST_REMOVE(w, link);
	free(w);
	return NULL;
}

static void report_now(void *arg)
{
	struct pair *p = arg;
	struct engine_watch *w, *next;
	struct engine_status status;

	p->report_due = false;
	if (LIST_EMPTY(&p->engine->watchers) || p->removed)
		return;
	report_status(p, &status);
	LIST_FOREACH_SAFE(w, &p->engine->watchers, link, next)
		w->cb.on_status(w->arg, &status);
}

void report_changed(struct pair *p)
{
	if (p->report_due || p->removed || LIST_EMPTY(&p->engine->watchers))
		return;
	p->report_due = loop_timer_set(p->engine->p.loop, &p->report_timer, REPORT_MS, report_now, p) >= 0;
}

void report_file(struct pair *p, const char *path, const char *action, bool done, int64_t bytes_done,
		 int64_t bytes_total, const char *failure)
{
	struct engine_watch *w, *next;
	struct engine_file_progress f = {.pair = p->spec->name,
					 .path = path,
					 .action = action,
					 .done = done,
					 .bytes_done = bytes_done,
					 .bytes_total = bytes_total,
					 .failure = failure};

	LIST_FOREACH_SAFE(w, &p->engine->watchers, link, next)
		if (w->cb.on_file)
			w->cb.on_file(w->arg, &f);
	report_changed(p);
}

void report_removed(struct engine *e, const char *name)
{
	struct engine_watch *w, *next;

	LIST_FOREACH_SAFE(w, &e->watchers, link, next)
		w->cb.on_removed(w->arg, name);
}

/* Nothing was sent for so long that the rate is zero; a watcher would not hear of it otherwise. */
static void rate_is_over(void *arg)
{
	report_changed(arg);
}

void report_bytes(struct pair *p, int64_t bytes)
{
	int64_t now = clock_monotonic_ms(), passed = now - p->window_start_ms;

	if (passed > RATE_WINDOW_MS) {
		p->rate = passed < 2 * RATE_WINDOW_MS ? p->sent_bytes_window * 1000 / passed : 0;
		p->window_start_ms = now;
		p->sent_bytes_window = 0;
	}
	p->sent_bytes_window += bytes;
	loop_timer_set(p->engine->p.loop, &p->rate_timer, 2 * RATE_WINDOW_MS + 1, rate_is_over, p);
}

void report_rate_stop(struct pair *p)
{
	p->rate = p->sent_bytes_window = 0;
	loop_timer_stop(&p->rate_timer);
}

static int64_t rate_of(const struct pair *p)
{
	if (!pair_can_work(p) || p->server->offline ||
	    clock_monotonic_ms() - p->window_start_ms > 2 * RATE_WINDOW_MS)
		return 0;
	return MAX(p->rate, p->sent_bytes_window * 1000 / RATE_WINDOW_MS);
}

void report_history(struct pair *p, const char *action, const char *path, int64_t size,
		    const struct digest *digest, const char *result, const char *message)
{
	struct index_event event = {.at_ms = clock_wall_ms(),
				    .pair = p->spec->name,
				    .action = action,
				    .path = path,
				    .size = size,
				    .has_digest = digest != NULL,
				    .result = result,
				    .message = message};

	if (digest)
		event.digest = *digest;
	int r = index_history_add(p->engine->p.index, p->ip.key, &event);

	if (r < 0)
		pair_index_failed(p, r);
}

void report_set_error(struct pair *p, const char *format, ...)
{
	va_list ap;
	char *text = NULL;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text && (!p->last_error || strcmp(text, p->last_error) != 0))
		log_write(LOG_LEVEL_WARNING, LOG_FIELDS(LOG_PAIR(p->spec->name)), "%s", text);
	free(p->last_error);
	p->last_error = text;
	report_changed(p);
}

void report_totals(struct pair *p)
{
	struct index_pair now;

	if (p->known && index_pair_get(p->engine->p.index, p->spec->id, &now) >= 0) {
		p->ip.files = now.files;
		p->ip.bytes = now.bytes;
	}
}

/* What is tried again hourly is pending work; contents the server refuses or finds too large are not. */
static int count_quarrel(void *arg, const struct index_skip *skip)
{
	struct pair *p = arg;

	p->quarrels +=
		skip->error && (strcmp(skip->reason, "quarrel") == 0 || strcmp(skip->reason, "hash") == 0 ||
				strcmp(skip->reason, "not_owner") == 0);
	return 0;
}

void report_counts(struct pair *p)
{
	struct index *index = p->engine->p.index;

	report_totals(p);
	if (!p->counts_stale || !p->known)
		return;
	p->counts_stale = false;
	if (index_hold_counts(index, p->ip.key, &p->deletes_held, &p->foreign_held, &p->blocking_held) < 0 ||
	    index_skip_counts(index, p->ip.key, &p->skipped, &p->skip_errors) < 0)
		p->counts_stale = true; /* shown as they were; asked again next time */
	p->quarrels = 0;
	if (p->skip_errors > 0 && index_skip_range(index, p->ip.key, NULL, INT32_MAX, count_quarrel, p) < 0)
		p->counts_stale = true;
}

static const char *state_of(struct pair *p)
{
	int64_t watched = 0, polled = 0;
	bool active = items_active(p) || settle_count(p->settle) > 0;

	if (p->watch)
		watch_counts(p->watch, &watched, &polled);
	if (p->spec->paused)
		return "paused";
	if (p->trouble & TROUBLE_LOGIN)
		return "login_required";
	if (p->trouble & TROUBLE_REMOTE_GONE)
		return "remote_gone";
	if (p->trouble & TROUBLE_ROOT)
		return "root_missing";
	if (p->trouble)
		return "error";
	if (p->server && p->server->down)
		return "offline";
	if (!p->started)
		return "starting";
	if (walk_pending(p))
		return "scanning";
	if (active)
		return p->blocking_held > 0 ? "held" : "syncing";
	if (p->blocking_held > 0)
		return "held";
	return polled > 0 ? "degraded" : "idle";
}

bool report_in_sync(struct pair *p)
{
	report_counts(p);
	return !p->spec->paused && !p->trouble && p->started && !(p->server && p->server->offline) &&
	       !walk_pending(p) && !items_active(p) && !settle_count(p->settle) && !p->overflowed &&
	       !p->settle_overflow && !p->ip.first_sync && p->blocking_held == 0 && p->quarrels == 0;
}

void report_status(struct pair *p, struct engine_status *s)
{
	struct item *it;
	size_t cursor = 0;

	report_counts(p);
	*s = (struct engine_status){
		.name = p->spec->name,
		.in_sync = report_in_sync(p),
		.state = state_of(p),
		.files_total = p->ip.files,
		.bytes_total = p->ip.bytes,
		.files_pending = (int64_t)(items_active(p) + settle_count(p->settle)),
		.files_skipped = p->skipped,
		.deletes_held = p->deletes_held,
		.foreign_held = p->foreign_held,
		.errors = p->skip_errors,
		.last_sync_ms = p->ip.last_sync_ms,
		.last_full_check_ms = p->ip.last_full_check_ms,
		.bucket_expires_at = p->bucket_expires,
		.last_error = !p->trouble && p->server && p->server->down ? p->server->last_error
									  : pair_last_error(p),
		.paused_until_ms = p->spec->paused ? p->spec->paused_until_ms : 0,
	};
	while ((it = strmap_next(p->items, &cursor)))
		if (it->state != ITEM_DELETE)
			s->bytes_pending += it->found.sig.size;
	s->bytes_pending = MAX(s->bytes_pending - singles_bytes_sent(p), 0);
	if (p->watch)
		watch_counts(p->watch, &s->watched_directories, &s->polled_directories);
	s->bytes_per_second = rate_of(p);
}
