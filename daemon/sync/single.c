/* One path on its own: a large file, or a remote version to be rescued before it is overwritten or deleted.
 * Both look at the disk, hash where the plan needs it, and look the path up directly before they act. Each
 * has slots of its own, so neither waits behind the other: what a stream finds to be rescued goes to a
 * rescue, and what was rescued goes back to be looked at and sent or deleted. How either is done is in
 * stream.c and rescue.c. */
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/job.h"
#include "sync/single.h"
#include <errno.h>
#include <sys/stat.h>

struct single *single_of(struct worker_job *work)
{
	return (struct single *)((char *)work - offsetof(struct single, work));
}

void single_submit(struct single *s, void (*run)(struct worker_job *), void (*done)(struct worker_job *))
{
	s->working = true;
	s->work.run = run;
	s->work.done = done;
	worker_submit(s->pair->engine->p.pool, WORKER_NORMAL, &s->work);
}

static void single_free(struct single *s)
{
	s->trash = trash_abort(s->trash);
	s->digest = digest_stream_free(s->digest);
	close_fd(s->fd);
	free(s->block);
	free(s->trashed);
	free(s);
}

/* The item has been given its next state; the single is over. */
void single_end(struct single *s)
{
	struct pair *p = s->pair;

	LIST_REMOVE(s, link);
	p->rescue_reserved -= s->reserved;
	if (s->rescues)
		p->server->rescues_busy--;
	else
		p->server->large_busy--;
	single_free(s);
	pair_check_first_sync(p);
	wait_check(p);
	report_changed(p);
	server_pump(p->server);
}

void single_end_lane(struct single *s, enum item_lane lane)
{
	item_lane(s->item, lane);
	single_end(s);
}

void single_end_ready(struct single *s)
{
	item_ready(s->item);
	single_end(s);
}

void single_end_done(struct single *s)
{
	item_done(s->item);
	single_end(s);
}

void single_end_retry(struct single *s, int64_t after_s)
{
	item_retry(s->item, backoff_next_ms(&s->item->backoff, backoff_random(), after_s));
	single_end(s);
}

/* Cancelled, or the pair may not work any more: true when the single ended here. */
bool single_gone(struct single *s)
{
	if (!s->canceled && pair_can_work(s->pair))
		return false;
	single_end_ready(s);
	return true;
}

void single_index_failed(struct single *s, int error)
{
	pair_index_failed(s->pair, error);
	single_end_ready(s);
}

/* --- disk, look-up, verdict --- */

static void look_up(struct single *s);
static void act(struct single *s);

static void hash_run(struct worker_job *work)
{
	struct single *s = single_of(work);
	struct item *it = s->item;
	_cleanup_close_ int root = -1;

	s->work_error = root_open_checked(s->pair, &root);
	if (s->work_error >= 0)
		it->read_error = local_hash(root, it->local, &s->pair->rules, &s->stop_work, &it->l.digest,
					    &it->sig, &it->racy);
}

/* Reading failed: the file moved, went away or may not be read. What cannot be read is listed and left to the
 * next change or scan; tried again at once it would be read for ever. */
void single_look_again(struct item *it, int error)
{
	struct pair *p = it->pair;
	int64_t now = clock_monotonic_ms();
	bool secret = error == -EKEYREJECTED;
	int r;

	switch (error) {
	case -ESTALE: r = settle_moved(p->settle, it->path, now); break;
	case -ENOENT:
	case -ENOTDIR: r = settle_hint(p->settle, it->path, SETTLE_GONE, now); break;
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE: r = settle_hint(p->settle, it->path, SETTLE_OPEN, now); break;
	default:
		if (judge_skip(it, secret ? "secret" : "unreadable", secret ? NULL : strerror(-error), false,
			       0) < 0)
			pair_index_failed(p, -EIO);
		return;
	}
	if (r < 0)
		p->settle_overflow = true;
}

void single_unreadable(struct single *s, int error)
{
	struct item *it = s->item;
	struct pair *p = s->pair;

	single_look_again(it, error);
	pair_arm_timers(p);
	single_end_done(s);
}

static void hashed(struct worker_job *work)
{
	struct single *s = single_of(work);
	struct item *it = s->item;

	s->working = false;
	if (s->work_error < 0) {
		root_check(s->pair);
		single_end_ready(s);
	} else if (single_gone(s)) {
		return;
	} else if (it->read_error < 0) {
		single_unreadable(s, it->read_error);
	} else {
		it->l.has_digest = true;
		it->l.size = it->sig.size;
		look_up(s);
	}
}

static void looked_up(void *arg, const struct remote_error *error)
{
	struct single *s = arg;

	s->lookup = NULL;
	if (error->code && error->code != ERR_CANCELED)
		pair_remote_failed(s->pair, error, false);
	if (error->code) {
		single_end_ready(s);
		return;
	}
	server_online(s->pair->server);
	if (!single_gone(s))
		act(s);
}

static void look_up(struct single *s)
{
	if (lookup_start(s->pair, s->one, 1, looked_up, s, &s->lookup) < 0)
		single_end_retry(s, 0);
}

static void inspect_run(struct worker_job *work)
{
	struct single *s = single_of(work);
	_cleanup_close_ int root = -1;

	s->work_error = root_open_checked(s->pair, &root);
	if (s->work_error >= 0)
		local_inspect(root, s->item->local, &s->pair->rules, &s->item->found);
}

/* What was hashed before the path changed lanes need not be hashed again. */
static void take_local(struct item *it)
{
	struct plan_local before = it->l;
	struct index_sig sig = it->sig;
	bool racy = it->racy;

	job_take_local(it);
	if (it->l.presence == PLAN_FILE && !it->l.has_digest && before.has_digest && !racy &&
	    local_sig_equal(&sig, &it->sig)) {
		it->l.has_digest = true;
		it->l.digest = before.digest;
	}
}

static void inspected(struct worker_job *work)
{
	struct single *s = single_of(work);
	struct item *it = s->item;
	int r;

	s->working = false;
	if (s->work_error < 0) {
		root_check(s->pair);
		single_end_ready(s);
		return;
	}
	if (single_gone(s))
		return;
	r = judge_load_row(it);
	if (r < 0) {
		single_index_failed(s, r);
		return;
	}
	take_local(it);
	if (it->l.presence == PLAN_FILE && !it->l.has_digest && it->row.synced && it->l.size == it->row.size)
		single_submit(s, hash_run, hashed);
	else
		look_up(s);
}

/* --- the verdict --- */

enum item_lane single_lane_of(const struct item *it)
{
	return it->l.size > it->pair->batch_file_bytes ? LANE_LARGE : LANE_SMALL;
}

static void act(struct single *s)
{
	struct item *it = s->item;
	int error, r = judge(it);

	if (r < 0) {
		single_index_failed(s, r);
		return;
	}
	if (judge_settle(it, &error)) {
		if (error < 0)
			single_end_ready(s);
		else
			single_end_done(s);
		return;
	}
	bool uploads = it->plan.verdict == PLAN_UPLOAD || it->plan.verdict == PLAN_RESCUE_UPLOAD;
	bool deletes = it->plan.verdict == PLAN_DELETE_REMOTE || it->plan.verdict == PLAN_RESCUE_DELETE;
	bool to_rescue = !judge_rescued(it) &&
			 (it->plan.verdict == PLAN_RESCUE_UPLOAD || it->plan.verdict == PLAN_RESCUE_DELETE);

	if (it->plan.verdict == PLAN_HASH) {
		single_submit(s, hash_run, hashed);
	} else if (to_rescue && !s->rescues) {
		single_end_lane(s, LANE_RESCUE);
	} else if (uploads && (to_rescue || !s->rescues) && judge_quarrel(it)) {
		single_end_done(s);
	} else if (to_rescue) {
		single_rescue(s);
	} else if (deletes) {
		item_delete(it);
		single_end(s);
	} else if (uploads && s->rescues) {
		single_end_lane(s, single_lane_of(it));
	} else if (uploads) {
		single_stream(s);
	} else {
		single_end_retry(s, 0);
	}
}

bool singles_send(const struct pair *p, int64_t size, const struct digest *digest)
{
	const struct single *s;

	LIST_FOREACH(s, &p->running, link)
		if (s->call && !s->fetching &&
		    server_may_equal(size, digest, s->size, s->sent_all_blocks ? &s->streamed : NULL))
			return true;
	return false;
}

static struct item *next_large(struct pair *p)
{
	struct item *it;

	if (p->server->large_busy >= p->server->large_slots)
		return NULL;
	TAILQ_FOREACH(it, &p->large, link) {
		if (!server_sends(p->server, NULL, it->found.sig.size, NULL))
			break;
		p->awaits_equal = true;
	}
	return it;
}

bool single_start(struct pair *p)
{
	struct server *server = p->server;
	struct item *it = server->rescues_busy < RESCUE_SLOTS ? TAILQ_FIRST(&p->rescues) : NULL;
	bool rescues = it != NULL;

	if (!it)
		it = next_large(p);
	if (!it)
		return false;

	struct single *s = calloc(1, sizeof *s);

	if (!s)
		return false;
	s->pair = p;
	s->fd = -1;
	s->item = s->one[0] = it;
	s->rescues = rescues;
	item_busy(it);
	LIST_INSERT_HEAD(&p->running, s, link);
	if (rescues)
		server->rescues_busy++;
	else
		server->large_busy++;
	single_submit(s, inspect_run, inspected);
	return true;
}

static void single_cancel(struct single *s)
{
	s->canceled = true;
	s->stop_work = true;
	lookup_cancel(s->lookup);
	if (s->call)
		s->pair->remote->ops->cancel(s->call);
}

void single_cancel_all(struct pair *p)
{
	struct single *s;

	LIST_FOREACH(s, &p->running, link)
		single_cancel(s);
}

int64_t singles_bytes_sent(struct pair *p)
{
	int64_t sent = 0;
	struct single *s;

	LIST_FOREACH(s, &p->running, link)
		if (s->call && !s->fetching)
			sent += (int64_t)p->remote->ops->sent(s->call);
	return sent;
}

unsigned singles_running(const struct pair *p)
{
	unsigned n = 0;
	struct single *s;

	LIST_FOREACH(s, &p->running, link)
		n++;
	return n;
}
