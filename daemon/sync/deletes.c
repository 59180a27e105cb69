/* Deletions on the server: they wait for everything that became active before them (a rename stores its new
 * name first), for scans to end and for the guard; then disk and server are looked at once more, "deleted" is
 * noted, and they are sent one after another. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sync/job.h"
#include <errno.h>

static bool is_excused(struct item *it)
{
	struct pair *p = it->pair;
	struct renamed *renamed = strmap_get(p->renames, it->path);

	if (it->excused)
		return true;
	if (renamed) {
		struct index_row row;

		it->excused =
			index_get(p->engine->p.index, p->ip.key, renamed->new_path, &row) == 0 && row.synced;
	}
	if (!it->excused && it->row.synced)
		it->excused = guard_excuse(p->guard, &it->row.digest, clock_monotonic_ms());
	return it->excused;
}

/* A rename stores its new name first. While that one is written on without pause it settles longer than the
 * deletion of the old one; a version stored since the rename is enough. */
static bool new_name_pending(struct item *it)
{
	struct pair *p = it->pair;
	struct renamed *renamed = strmap_get(p->renames, it->path);
	struct item *other = renamed ? item_find(p, renamed->new_path) : NULL;
	struct index_row row;

	if (!renamed || it->confirmed ||
	    !(settle_has(p->settle, renamed->new_path) || (other && other->state != ITEM_DELETE)))
		return false;
	return index_get(p->engine->p.index, p->ip.key, renamed->new_path, &row) < 0 || !row.synced ||
	       row.written_ns < renamed->at_ns;
}

/* The new name of a rename cannot be carried now: the old one is all the server has of these bytes. A hold
 * that says so is believed when nobody remembers the rename any more, until the bytes show up. */
static bool renamed_is_parked(struct item *it)
{
	struct pair *p = it->pair;
	struct renamed *renamed = strmap_get(p->renames, it->path);
	char reason[32];
	int64_t retry_ms;

	if (!renamed && it->held_renamed)
		return !is_excused(it);
	if (!renamed ||
	    index_skip_get(p->engine->p.index, p->ip.key, renamed->new_path, reason, &retry_ms) < 0)
		return false;
	return retry_ms > 0 || strcmp(reason, "too_large") == 0;
}

static int hold(struct item *it, enum index_hold_reason reason)
{
	struct renamed *renamed = strmap_get(it->pair->renames, it->path);

	if (renamed)
		renamed->held = reason == INDEX_HOLD_RENAMED;

	int r = judge_hold(it, reason, false, &it->r.version, it->r.version.size);

	if (r >= 0)
		item_done(it);
	return r;
}

static bool would_be_mass(struct pair *p, int64_t pending)
{
	const struct settings *s = p->engine->p.settings;

	return guard_must_hold(p->guard, clock_monotonic_ms(), p->ip.files, pending,
			       pair_setting(p, p->spec->max_deletes, s->max_deletes),
			       pair_setting(p, p->spec->max_delete_percent, s->max_delete_percent));
}

/* Deletions on their way here: settling, or settled and to be looked at. */
static int64_t coming(struct pair *p)
{
	int64_t n = (int64_t)settle_count_gone(p->settle);
	size_t cursor = 0;
	struct item *it;

	while ((it = strmap_next(p->items, &cursor)))
		n += it->gone_settled && it->state != ITEM_DELETE;
	return n;
}

/* `rm -r` of a large directory takes its time: the first of its deletions have settled while the last are
 * being made. Together with what settles still they would be held, so that is waited for; or it is no
 * deletion after all (a program that writes its files anew). */
static bool others_come(struct pair *p, int64_t pending)
{
	int64_t now = clock_monotonic_ms();

	if (!would_be_mass(p, pending + coming(p))) {
		p->gather_until_ms = 0;
		return false;
	}
	if (!p->gather_until_ms)
		p->gather_until_ms = now + p->engine->p.settings->delete_settle_ms * DELETE_GATHER;
	return now < p->gather_until_ms;
}

/* Holds what may not be sent; false when the index failed, or nothing may go yet. What remains on the list
 * may go. */
static bool pass_guard(struct pair *p)
{
	int64_t pending = 0;
	struct item *it, *next;
	int r = 0;

	report_totals(p);
	TAILQ_FOREACH(it, &p->deletes, link)
		guard_vanished(p->guard, it->path);
	TAILQ_FOREACH(it, &p->deletes, link)
		pending += !it->confirmed && !it->held && !is_excused(it);

	bool mass = would_be_mass(p, pending);

	if (mass)
		p->gather_until_ms = 0;
	else if (pending > 0 && others_come(p, pending))
		return false;
	int begun = index_begin(p->engine->p.index);

	if (begun < 0) {
		pair_index_failed(p, begun);
		return false;
	}
	TAILQ_FOREACH_SAFE(it, &p->deletes, link, next) {
		if (r < 0)
			break;
		if (it->confirmed)
			continue;
		if (it->held) /* until that is confirmed or undone, however few are left */
			item_done(it);
		else if (p->ip.first_sync && (it->row.flags & INDEX_FROM_BEFORE))
			r = hold(it, INDEX_HOLD_FIRST_SYNC);
		else if (renamed_is_parked(it))
			r = hold(it, INDEX_HOLD_RENAMED);
		else if (mass && !it->excused) {
			guard_held(p->guard, clock_monotonic_ms());
			r = hold(it, INDEX_HOLD_MASS);
		}
	}
	int c = index_commit(p->engine->p.index);

	if (r < 0 || c < 0) {
		pair_index_failed(p, r < 0 ? r : c);
		return false;
	}
	if (mass)
		log_write(
			LOG_LEVEL_WARNING, LOG_FIELDS(LOG_PAIR(p->spec->name)),
			"%lld deletions at once are held; see `cfctl sync held %s`, then confirm or restore",
			(long long)pending, p->spec->name);
	return true;
}

/* Some were sent, or all were held. */
static void fewer(struct pair *p)
{
	if (p->deletes_overflow && !p->n_deletes) {
		p->deletes_overflow = false;
		walk_want(p, "", true, false, false);
	}
	pair_check_first_sync(p);
}

static void end(struct job *j)
{
	struct pair *p = j->pair;

	job_release(j);
	p->deleting = NULL;
	p->server->small_busy = false;
	job_free(j);
	fewer(p);
	wait_check(p);
	report_changed(p);
	server_pump(p->server);
}

static void send_next(struct job *j);

static void deleted(void *arg, const struct remote_error *error)
{
	struct job *j = arg;
	struct pair *p = j->pair;
	struct item *it = j->items[j->deleting];

	j->call = NULL;
	j->items[j->deleting++] = NULL;
	if (!error->code) {
		server_online(p->server);
		judge_deleted(it, it->plan.reason);
		item_done(it);
	} else if (error->code == ERR_NOT_FOUND) {
		item_count_refusal(
			it, error->status); /* gone already, or not ours: the look-up that follows tells */
		doubt_begin(it, true);
	} else if (error->code == ERR_REJECTED) {
		item_count_refusal(it, error->status);
		item_refused(it);
		pair_remote_failed(p, error, true);
	} else if (error->code == ERR_DOUBT || error->code == ERR_SERVER) {
		doubt_begin(it, error->code == ERR_SERVER);
		pair_remote_failed(p, error, true);
	} else {
		if (judge_unnote(it) < 0)
			pair_index_failed(p, -EIO);
		item_delete(it);
		if (error->code != ERR_CANCELED)
			pair_remote_failed(p, error, true);
		j->canceled = true;
	}
	send_next(j);
}

static void send_next(struct job *j)
{
	struct pair *p = j->pair;

	while (j->deleting < j->n && !j->items[j->deleting])
		j->deleting++;
	if (j->deleting == j->n) {
		end(j);
		return;
	}
	if (j->canceled || !pair_can_work(p) || p->server->offline) {
		/* Nothing of the rest was sent: their notes go. */
		for (size_t i = j->deleting; i < j->n; i++)
			if (j->items[i]) {
				if (judge_unnote(j->items[i]) < 0)
					pair_index_failed(p, -EIO);
				item_delete(j->items[i]);
				j->items[i] = NULL;
			}
		end(j);
		return;
	}
	_cleanup_free_ char *full = pair_full_path(p, j->items[j->deleting]->path);

	if (!full || p->remote->ops->remove(p->remote, p->spec->bucket, full, deleted, j, &j->call) < 0) {
		j->canceled = true;
		send_next(j);
	}
}

static void looked_up(void *arg, const struct remote_error *error)
{
	struct job *j = arg;
	struct pair *p = j->pair;
	int r;

	j->lookup = NULL;
	if (error->code || j->canceled || !pair_can_work(p)) {
		if (error->code && error->code != ERR_CANCELED)
			pair_remote_failed(p, error, false);
		end(j);
		return;
	}
	r = index_begin(p->engine->p.index);
	for (size_t i = 0; r >= 0 && i < j->n; i++) {
		struct item *it = j->items[i];
		int settle_error;
		bool was_confirmed = it->confirmed;

		r = judge(it);
		if (r < 0)
			break;
		if (it->plan.verdict == PLAN_DELETE_REMOTE ||
		    (it->plan.verdict == PLAN_RESCUE_DELETE && judge_rescued(it))) {
			if (was_confirmed &&
			    !it->confirmed) { /* another version than the one its user agreed to lose */
				j->items[i] = NULL;
				item_delete(it);
				continue;
			}
			r = judge_note(it, INDEX_NOTE_DELETED, NULL);
			continue;
		}
		j->items[i] = NULL;
		if (judge_settle(it, &settle_error)) {
			if (settle_error < 0)
				item_retry(it, FULL_DISK_MS);
			else
				item_done(it);
		} else if (it->plan.verdict == PLAN_RESCUE_DELETE || it->plan.verdict == PLAN_RESCUE_UPLOAD) {
			item_lane(it, LANE_RESCUE);
		} else {
			item_ready(it); /* it is back, or something else is to be done */
		}
	}
	int c = index_commit(p->engine->p.index);

	if (r < 0 || c < 0) {
		pair_index_failed(p, r < 0 ? r : c);
		end(j);
		return;
	}
	send_next(j);
}

static void inspected(struct worker_job *work)
{
	struct job *j = (struct job *)((char *)work - offsetof(struct job, work));
	struct pair *p = j->pair;
	int r = 0;

	if (j->canceled || !pair_can_work(p) || !job_root_ok(j)) {
		end(j);
		return;
	}
	for (size_t i = 0; r >= 0 && i < j->n; i++) {
		r = judge_load_row(j->items[i]);
		job_take_local(j->items[i]);
		j->items[i]->r = (struct plan_remote){.presence = PLAN_UNKNOWN};
	}
	if (r >= 0)
		r = lookup_start(p, j->items, j->n, looked_up, j, &j->lookup);
	if (r < 0) {
		pair_index_failed(p, r);
		end(j);
	}
}

bool deletes_start(struct pair *p)
{
	struct server *s = p->server;
	struct item *it, *next;

	if (p->deleting || s->small_busy || TAILQ_EMPTY(&p->deletes) || walk_pending(p))
		return false;

	uint64_t oldest = UINT64_MAX;

	TAILQ_FOREACH(it, &p->deletes, link) {
		if (new_name_pending(it))
			return false;
		oldest = MIN(oldest, it->seq);
	}
	if (items_older_than(p, oldest, false) || !pass_guard(p))
		return false;
	if (TAILQ_EMPTY(&p->deletes)) {
		fewer(p);
		return false;
	}

	struct job *j = job_new(p, DELETE_RUN);

	if (!j)
		return false;
	TAILQ_FOREACH_SAFE(it, &p->deletes, link, next) {
		if (j->n == DELETE_RUN)
			break;
		item_busy(it);
		j->items[j->n++] = it;
	}
	items_sort(j->items, j->n);
	job_number(j);
	p->deleting = j;
	s->small_busy = true;
	j->work.run = job_inspect_run;
	j->work.done = inspected;
	worker_submit(p->engine->p.pool, WORKER_NORMAL, &j->work);
	return true;
}
