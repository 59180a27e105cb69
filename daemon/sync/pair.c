/* A pair's life: started when its root and bucket are known to be the right ones, pumped whenever something
 * may be able to start, stopped by trouble (root, bucket, credential, disk) until that is over. Timers exist
 * only while something waits for them. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sync/job.h"
#include "sync/names.h"
#include <errno.h>
#include <stdarg.h>

#define RENAMES_KEPT       100 /* looked at whenever the pair is pumped; more holds wait for their user's word */
#define QUARRELS_PRUNE_MAX 1000 /* each time the pair is pumped: well below a millisecond */

int64_t pair_setting(const struct pair *p, int64_t own, int64_t global)
{
	return own == PAIR_DEFAULT ? global : own;
}

int64_t pair_rescue_room(struct pair *p)
{
	int64_t today = clock_wall_ms() / DAY_MS;

	if (p->ip.rescue_day != today) {
		p->ip.rescue_day = today;
		p->ip.rescue_used = 0;
	}
	return pair_setting(p, p->spec->rescue_bytes, p->engine->p.settings->rescue_bytes) -
	       p->ip.rescue_used - p->rescue_reserved;
}

char *pair_full_path(const struct pair *p, const char *path)
{
	size_t prefix_len = strlen(p->spec->remote_prefix), len = strlen(path);
	char *full = malloc(prefix_len + len + 1);

	if (full) {
		memcpy(full, p->spec->remote_prefix, prefix_len);
		memcpy(full + prefix_len, path, len + 1);
	}
	return full;
}

void pair_set_settings(struct pair *p)
{
	const struct settings *s = p->engine->p.settings;
	struct settle_params params = {.closed_ms = pair_setting(p, p->spec->settle_ms, s->settle_ms),
				       .open_ms = s->settle_open_ms,
				       .cap_ms = s->settle_cap_ms,
				       .delete_ms = s->delete_settle_ms};

	p->batch_file_bytes = s->batch_file_bytes;
	p->rules.ignore.secrets = p->spec->secrets;
	if (p->settle)
		settle_set_params(p->settle, &params);
	else
		p->settle = settle_new(&params);
}

struct pair *pair_new(struct engine *e, struct pair_spec *spec)
{
	struct pair *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->engine = e;
	p->spec = spec;
	TAILQ_INIT(&p->ready);
	TAILQ_INIT(&p->large);
	TAILQ_INIT(&p->rescues);
	TAILQ_INIT(&p->deletes);
	TAILQ_INIT(&p->doubts);
	TAILQ_INIT(&p->retries);
	TAILQ_INIT(&p->wants);
	p->items = strmap_new();
	p->renames = strmap_new();
	p->repairs = quarrels_new();
	p->guard = guard_new();
	p->counts_stale = true;
	pair_set_settings(p);
	engine_own_dirs(e, &p->rules);
	if (!p->items || !p->renames || !p->repairs || !p->guard || !p->settle) {
		p->spec = NULL; /* still the caller's */
		return pair_free(p);
	}
	return p;
}

static void forget_renames(struct pair *p)
{
	size_t cursor = 0;
	struct renamed *x;

	while (p->renames && (x = strmap_next(p->renames, &cursor)))
		renamed_free(x);
	p->renames = strmap_free(p->renames);
}

struct pair *pair_free(struct pair *p)
{
	struct loop_timer *timers[] = {&p->settle_timer, &p->item_timer,  &p->rescan_timer, &p->root_timer,
				       &p->poll_timer,   &p->pause_timer, &p->report_timer, &p->bucket_timer,
				       &p->expire_timer, &p->disk_timer,  &p->room_timer,   &p->rate_timer,
				       &p->equal_timer};
	struct item_list *lists[] = {&p->ready, &p->large, &p->rescues, &p->deletes, &p->doubts, &p->retries};
	struct scan_want *w;
	struct item *it;

	loop_undefer(p->engine->p.loop, p);
	if (p->server && !p->engine->stopping)
		doubts_bequeath(p);
	for (size_t i = 0; i < ARRAY_SIZE(timers); i++)
		loop_timer_done(timers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		while ((it = TAILQ_FIRST(lists[i])))
			item_forget(it);
	while ((w = TAILQ_FIRST(&p->wants))) {
		TAILQ_REMOVE(&p->wants, w, link);
		free(w->prefix);
		free(w);
	}
	if (p->watch)
		watch_root_free(p->watch);
	if (p->server)
		server_put(p->server);
	p->items = strmap_free(p->items);
	forget_renames(p);
	quarrels_free(p->repairs);
	guard_free(p->guard);
	settle_free(p->settle);
	pair_spec_free(p->spec);
	pair_spec_free(p->successor);
	free(p->bucket_expires);
	free(p->last_error);
	for (size_t i = 0; i < ARRAY_SIZE(p->trouble_words); i++)
		free(p->trouble_words[i]);
	free(p);
	return NULL;
}

/* --- trouble --- */

bool pair_can_work(const struct pair *p)
{
	return p->known && p->started && !p->trouble && !p->spec->paused && !p->removed && !p->stopping &&
	       !p->engine->stopping && p->remote;
}

bool pair_busy(const struct pair *p)
{
	return p->small || p->ahead || p->recording || p->deleting || p->walk || p->root_job ||
	       p->room_look || p->bucket_call || p->doubt_lookup || !LIST_EMPTY(&p->running) ||
	       !LIST_EMPTY(&p->restores) || (p->server && p->server->probe_pair == p);
}

static size_t trouble_index(enum pair_trouble what)
{
	return (size_t)__builtin_ctz(what);
}

const char *pair_last_error(const struct pair *p)
{
	return p->trouble ? p->trouble_words[trouble_index(p->trouble)] : p->last_error;
}

void pair_trouble(struct pair *p, enum pair_trouble what, const char *format, ...)
{
	va_list ap;
	char *text = NULL;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!(p->trouble & what))
		log_write(LOG_LEVEL_WARNING, LOG_FIELDS(LOG_PAIR(p->spec->name), LOG_BUCKET(p->spec->bucket)),
			  "stopped: %s", text ? text : err_text(-ENOMEM));
	p->trouble |= what;
	free(p->trouble_words[trouble_index(what)]);
	p->trouble_words[trouble_index(what)] = text;
	wait_check(p);
	report_changed(p);
}

void pair_trouble_over(struct pair *p, enum pair_trouble what)
{
	if (!(p->trouble & what))
		return;
	p->trouble &= ~(unsigned)what;
	free(STEAL(p->trouble_words[trouble_index(what)]));
	if (!p->trouble)
		free(STEAL(p->last_error));
	log_write(LOG_LEVEL_INFO, LOG_FIELDS(LOG_PAIR(p->spec->name)), "goes on");
	report_changed(p);
	pair_pump_later(p);
}

void pair_stop_work(struct pair *p)
{
	report_rate_stop(p);
	job_cancel(p->small);
	job_cancel_ahead(p);
	job_cancel(p->deleting);
	single_cancel_all(p);
	restores_cancel(p);
	doubt_cancel(p);
	walk_cancel(p);
	if (p->bucket_call)
		p->remote->ops->cancel(p->bucket_call);
	if (p->server && (p->removed || p->engine->stopping))
		server_cancel_probe(p->server, p);
}

static void disk_again(void *arg)
{
	struct pair *p = arg;
	int r = p->known ? index_pair_put(p->engine->p.index, &p->ip, false) : engine_load_index(p);

	if (p->removed)
		return;
	if (r < 0) {
		loop_timer_set(p->engine->p.loop, &p->disk_timer, FULL_DISK_MS, disk_again, p);
		return;
	}
	pair_trouble_over(p, TROUBLE_DISK);
	if (p->server)
		doubts_inherit(p);
	root_check(p); /* and a full scan follows: what could not be recorded meanwhile is found again */
}

void pair_index_failed(struct pair *p, int error)
{
	if (p->trouble & TROUBLE_DISK)
		return;
	pair_trouble(p, TROUBLE_DISK,
		     "the index in the state directory cannot be written: %s; nothing is sent until it can",
		     err_text(error));
	loop_timer_set(p->engine->p.loop, &p->disk_timer, FULL_DISK_MS, disk_again, p);
}

void pair_remote_failed(struct pair *p, const struct remote_error *error, bool write)
{
	switch (error->code) {
	case ERR_OFFLINE:
	case ERR_DOUBT: server_offline(p->server, p, error); break;
	case ERR_AUTH:
		pair_trouble(
			p, TROUBLE_LOGIN,
			"the server refuses the credential of profile %s (%d %s); `cfctl login` replaces it",
			p->spec->profile, error->status, error->message);
		break;
	case ERR_NOT_FOUND: pair_check_bucket(p); break;
	case ERR_SERVER:
		/* A write may have failed for what it carried; anything else, 429 or 503, says the server is
		 * in no state to be asked. */
		if (!write || error->status == 503 || error->status == 429)
			server_offline(p->server, p, error);
		else
			report_set_error(p, "the server failed: %d %s", error->status, error->message);
		break;
	case ERR_CANCELED: break;
	default:
		if (write && error->code == ERR_TOO_LARGE)
			break; /* its sender names the file, or sends fewer together */
		report_set_error(p, "the server answered: %d %s", error->status, error->message);
		if (!write)
			server_offline(p->server, p, error);
	}
}

void item_wrong_hash(struct item *it, const struct remote_version *v)
{
	struct pair *p = it->pair;
	struct index *index = p->engine->p.index;
	int64_t now = clock_wall_ms();
	int r;

	log_write(LOG_LEVEL_WARNING, LOG_FIELDS(LOG_PAIR(p->spec->name), LOG_PATH(it->path)),
		  "the server stored other bytes than were sent; something on the way changes them");
	/* What is there now came from us, to be overwritten without a rescue: what the answer says, or what
	 * was sent if it was the answer that was changed on the way. */
	r = index_remember(index, p->ip.key, it->path, INDEX_NOTE_HASH, &it->l.digest, now);
	if (r >= 0 && v->has_digest)
		r = index_remember(index, p->ip.key, it->path, INDEX_NOTE_HASH, &v->digest, now);
	if (r >= 0)
		r = judge_unnote(it);
	if (r < 0) {
		pair_index_failed(p, r);
		item_retry(it, FULL_DISK_MS);
	} else if (++it->bad_hash < HASH_TRIES) {
		it->check_remote = true; /* also if the file is gone by then */
		item_ready(it);
	} else {
		report_set_error(p, "%s arrives on the server with other bytes than were sent", it->path);
		if (judge_skip(it, "hash", "arrives on the server with other bytes than were sent", true,
			       clock_wall_ms() + PARK_MS) < 0)
			pair_index_failed(p, -EIO);
		item_done(it);
	}
}

/* --- first sync --- */

int pair_begin_first_sync(struct pair *p, const char *why, bool drop_rows)
{
	struct index *index = p->engine->p.index;
	bool before = p->ip.first_sync;
	int r;

	log_write(LOG_LEVEL_INFO, LOG_FIELDS(LOG_PAIR(p->spec->name)), "first sync: %s", why);
	p->ip.first_sync = true;
	p->first_sync_scanned = false;
	r = drop_rows ? index_pair_drop_rows(index, p->ip.key)
		      : index_pair_flag_all(index, p->ip.key, INDEX_FROM_BEFORE, 0);
	if (r >= 0)
		r = index_pair_put(index, &p->ip, true);
	if (r < 0) {
		p->ip.first_sync = before; /* it has not begun: whoever asked asks again */
		pair_index_failed(p, r);
	}
	return r;
}

void pair_check_first_sync(struct pair *p)
{
	int r;

	if (!p->ip.first_sync || !p->first_sync_scanned || walk_pending(p) || p->deletes_overflow ||
	    items_older_than(p, p->first_sync_seq, true))
		return;
	p->ip.first_sync = false;
	r = index_pair_flag_all(p->engine->p.index, p->ip.key, 0, INDEX_FROM_BEFORE);
	if (r >= 0)
		r = index_pair_put(p->engine->p.index, &p->ip, true);
	if (r < 0) {
		p->ip.first_sync = true;
		pair_index_failed(p, r);
		return;
	}
	log_write(LOG_LEVEL_INFO, LOG_FIELDS(LOG_PAIR(p->spec->name)), "first sync is complete");
	report_changed(p);
}

/* --- start --- */

static void rescan_due(void *arg)
{
	struct pair *p = arg;

	if (p->trouble & TROUBLE_REMOTE_GONE)
		pair_check_bucket(p); /* it may be back, or have been given more time */
	walk_want(p, "", true, true, false);
}

static void poll_due(void *arg)
{
	struct pair *p = arg;

	walk_want_polled(p);
	pair_arm_timers(p);
}

void pair_root_ready(struct pair *p)
{
	int r = 0;

	p->take_root = false;
	if (p->watch_stale && p->walk) { /* its worker still uses the old watch */
		root_check_later(p);
		return;
	}
	if (p->watch_stale)
		p->watch = watch_root_free(p->watch);
	p->watch_stale = false;
	if (!p->watch)
		r = watch_root_new(p->engine->watch, walk_on_hint, p, &p->watch);
	if (r < 0) {
		pair_trouble(p, TROUBLE_ERROR, "the directory cannot be watched: %s", err_text(r));
		return;
	}
	p->started = true;
	walk_want(p, "", true, true, false);
	pair_pump_later(p);
}

void pair_start(struct pair *p)
{
	struct engine *e = p->engine;
	const char *name;
	int r = e->p.remote_of(e->p.remote_arg, p->spec->profile, &p->remote, &name);

	if (r < 0) {
		p->remote = NULL;
		pair_trouble(p, r == -EACCES ? TROUBLE_LOGIN : TROUBLE_ERROR,
			     r == -EACCES ? "profile %s has no credential; `cfctl login` stores one"
					  : "there is no profile %s",
			     p->spec->profile);
	} else {
		struct server *old = p->server;

		pair_trouble_over(p, TROUBLE_LOGIN);
		p->server = server_get(e, p->remote->server_key);
		server_put(old);
		if (!p->server) {
			pair_trouble(p, TROUBLE_ERROR, "%s", err_text(-ENOMEM));
			return;
		}
		if (p->known)
			doubts_inherit(p);
		pair_check_bucket(p);
	}
	if (p->spec->paused && p->spec->paused_until_ms)
		pair_arm_pause(p);
	if (!p->started && p->known)
		root_check(p);
	pair_pump_later(p);
}

/* --- the pump --- */

static void settled_one(struct pair *p, const char *path, bool gone)
{
	struct item *it = item_find(p, path);

	if (it && (it->state == ITEM_BUSY || it->state == ITEM_DOUBT)) {
		it->again = true;
		it->again_gone = gone;
		return;
	}
	if (!it)
		it = item_get(p, path);
	if (!it) {
		p->settle_overflow = true;
		return;
	}
	/* Something new is known of it: earlier refusals were about other bytes. */
	it->refused = it->bad_hash = 0;
	it->awaits_equal = false;
	it->gone_settled = gone;
	it->suspect = false;
	it->seq = ++p->seq;
	item_ready(it);
}

static int on_settled(void *arg, const char *path, bool gone)
{
	settled_one(arg, path, gone);
	return 0;
}

/* What settles waits there while this much is active already (the server is away, say): that table has a
 * limit. */
static bool queue_full(const struct pair *p)
{
	return items_active(p) - p->n_deletes > 2 * QUEUE_HIGH;
}

static void settle_due(void *arg)
{
	struct pair *p = arg;

	if (!queue_full(p))
		settle_take(p->settle, clock_monotonic_ms(), QUEUE_HIGH, on_settled, p);
	pair_pump(p);
}

static void items_due(void *arg)
{
	pair_pump(arg);
}

static int retry_skip(void *arg, const struct index_skip *skip)
{
	struct pair *p = arg;
	struct item *it = item_find(p, skip->path) ? NULL : item_get(p, skip->path);
	struct index_skip later = *skip;

	/* Whatever comes of it, it is not due again at once. */
	later.retry_ms = clock_wall_ms() + PARK_MS;
	if (index_skip_put(p->engine->p.index, p->ip.key, &later) < 0)
		return -EIO;
	if (it) {
		it->check_remote = true;
		it->retry_parked = true;
		item_ready(it);
	}
	return 0;
}

static void room_due(void *arg)
{
	struct pair *p = arg;

	holds_look_for_room(p);
	pair_arm_timers(p);
}

static bool still_held(struct pair *p, const struct renamed *x)
{
	struct index_hold hold;

	return x->held && index_hold_get(p->engine->p.index, p->ip.key, x->old_path, &hold) == 0 &&
	       hold.reason == INDEX_HOLD_RENAMED;
}

/* When nothing is active no deletion waits for its new name any more, but those that are held for it. */
static void forget_old_renames(struct pair *p)
{
	struct strmap *kept;
	size_t cursor = 0;
	struct renamed *x;

	if (!strmap_count(p->renames) || items_active(p) || settle_count(p->settle))
		return;
	kept = strmap_new();
	if (!kept)
		return; /* the next time */
	while ((x = strmap_next(p->renames, &cursor)))
		if (strmap_count(kept) == RENAMES_KEPT || !still_held(p, x) ||
		    strmap_put(kept, x->old_path, x) < 0)
			renamed_free(x);
	strmap_free(p->renames);
	p->renames = kept;
}

void pair_arm_timers(struct pair *p)
{
	struct loop *loop = p->engine->p.loop;
	int64_t now = clock_monotonic_ms(), next = settle_next_ms(p->settle), watched, polled = 0;

	if (p->removed || p->engine->stopping)
		return;
	if (next != INT64_MAX && pair_can_work(p) && !queue_full(p))
		loop_timer_set(loop, &p->settle_timer, MAX(next - now, 0), settle_due, p);
	else
		loop_timer_stop(&p->settle_timer);
	if (p->watch)
		watch_counts(p->watch, &watched, &polled);
	if (!polled != !p->degraded) {
		p->degraded = polled > 0;
		if (polled > 0)
			report_set_error(p,
					 "%lld directories could not be watched and are looked at every %lld "
					 "s; raise the limit: "
					 "sysctl fs.inotify.max_user_watches=524288",
					 (long long)polled, (long long)p->engine->p.settings->poll_seconds);
	}
	if (polled && pair_can_work(p)) {
		if (!loop_timer_armed(&p->poll_timer))
			loop_timer_set(loop, &p->poll_timer, p->engine->p.settings->poll_seconds * 1000,
				       poll_due, p);
	} else {
		loop_timer_stop(&p->poll_timer);
	}
	if (p->rescue_waits && pair_can_work(p)) {
		if (!p->room_look && !loop_timer_armed(&p->room_timer))
			loop_timer_set(loop, &p->room_timer, p->engine->p.settings->poll_seconds * 1000,
				       room_due, p);
	} else {
		loop_timer_stop(&p->room_timer);
	}
	if (pair_can_work(p) && !walk_pending(p)) {
		if (!loop_timer_armed(&p->rescan_timer)) {
			int64_t every = pair_setting(p, p->spec->rescan_seconds,
						     p->engine->p.settings->rescan_seconds) *
					1000;

			loop_timer_set(loop, &p->rescan_timer,
				       every + every * (backoff_random() % (RESCAN_JITTER + 1)) / 100,
				       rescan_due, p);
		}
	} else {
		loop_timer_stop(&p->rescan_timer);
	}
}

/* Parked paths and items that wait for a time share one timer. */
static void pump_waiting(struct pair *p)
{
	int64_t now = clock_monotonic_ms(), next = INT64_MAX, skip_next = 0, wall = clock_wall_ms();

	items_retry_due(p, now, &next);
	doubt_pump(p, now, &next);
	if (index_skip_due(p->engine->p.index, p->ip.key, wall, QUEUE_LOW, retry_skip, p, &skip_next) >= 0 &&
	    skip_next > 0)
		next = MIN(next, now + MAX(skip_next - wall, 1));
	if (!p->walk && !TAILQ_EMPTY(&p->wants) && p->walk_not_before_ms > now)
		next = MIN(next, p->walk_not_before_ms);
	if (p->overflowed)
		next = MIN(next, MAX(now + 1, p->walk_ended_ms + p->walk_took_ms * 10));
	if (next != INT64_MAX)
		loop_timer_set(p->engine->p.loop, &p->item_timer, MAX(next - now, 1), items_due, p);
	else
		loop_timer_stop(&p->item_timer);
}

void pair_pump(struct pair *p)
{
	restores_pump(p);
	if (p->removed) {
		engine_reap(p->engine);
		return;
	}
	if (p->engine->stopping) {
		engine_check_stopped(p->engine);
		return;
	}
	if (!pair_can_work(p) || !p->bucket_known) {
		wait_check(p);
		return;
	}
	if (p->settle_overflow && !settle_count(p->settle)) {
		p->settle_overflow = false;
		p->overflowed = true;
	}
	pump_waiting(p);
	p->awaits_equal = false;
	if (!p->server->offline) {
		if (job_start(p) || deletes_start(p))
			p->server->last_served = p;
		while (single_start(p))
			p->server->last_served = p;
	}
	if (p->awaits_equal)
		loop_timer_set(p->engine->p.loop, &p->equal_timer, EQUAL_LOOK_MS, items_due, p);
	walk_pump(p);
	pair_arm_timers(p);
	forget_old_renames(p);
	quarrels_forget(p->repairs, clock_monotonic_ms(), QUARRELS_PRUNE_MAX);
	wait_check(p);
}

static void pump(void *arg)
{
	struct pair *p = arg;

	p->pump_due = false;
	pair_pump(p);
}

void pair_pump_later(struct pair *p)
{
	if (!p->pump_due)
		p->pump_due = loop_defer(p->engine->p.loop, pump, p) >= 0;
}

void pair_hint(struct pair *p, const char *local, enum settle_kind kind)
{
	_cleanup_free_ char *path = NULL;

	if (ignore_path(&p->rules.ignore, local, false, NULL) == IGNORE_IGNORED)
		return;
	path = names_encode(local);
	if (!path || settle_hint(p->settle, path, kind, clock_monotonic_ms()) < 0)
		p->settle_overflow = true;
	report_changed(p);
}

/* --- pause --- */

static void pause_over(void *arg)
{
	struct pair *p = arg;

	if (p->removed)
		return; /* whatever takes its place looks at the time itself */
	if (clock_wall_ms() < p->spec->paused_until_ms)
		pair_arm_pause(p); /* the clock was set back, or the timer was cut */
	else if (engine_pause_over(p) < 0)
		report_set_error(p, "the end of the pause could not be stored");
}

void pair_arm_pause(struct pair *p)
{
	int64_t left = p->spec->paused_until_ms - clock_wall_ms();

	/* Wall-clock time counts: looked at again daily at the latest, so that a clock that jumps is noticed.
	 */
	loop_timer_set(p->engine->p.loop, &p->pause_timer, MAX(MIN(left, DAY_MS), 0), pause_over, p);
}

void pair_resume_from_pause(struct pair *p, bool asked)
{
	loop_timer_stop(&p->pause_timer);
	if (p->emptied && asked) {
		p->emptied = false;
		p->accept_empty = true;
		pair_trouble_over(p, TROUBLE_REMOTE_GONE);
		walk_want(p, "", true, true, false);
	}
	if ((p->trouble & TROUBLE_REMOTE_GONE) || !p->bucket_known)
		pair_check_bucket(p);
	if ((p->trouble & TROUBLE_ROOT) || p->watch_stale)
		root_check(p);
	if (p->server)
		server_wake(p->server);
	pair_pump_later(p);
	report_changed(p);
}
