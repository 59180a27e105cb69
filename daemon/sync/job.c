/* Small files, many to a request: which go together, what the disk and the server have of them now, and who
 * has the server's lane. What then travels is send.c's. Not here: large files and rescues (single.c; a small
 * file comes back from its rescue), deletions (deletes.c). */
#include "sync/job.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sync/names.h"
#include <errno.h>
#include <fcntl.h>

struct job *job_new(struct pair *p, size_t max)
{
	struct job *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	j->pair = p;
	j->items = calloc(max, sizeof *j->items);
	j->send = calloc(max, sizeof *j->send);
	j->sent = calloc(max, sizeof *j->sent);
	if (!j->items || !j->send || !j->sent) {
		job_free(j);
		return NULL;
	}
	return j;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	loop_timer_done(&j->collect_timer);
	free(j->items);
	free(j->send);
	free(j->sent);
	free(j);
}

/* The items array is the list of who is still in the job: a slot is NULL once its item left. */
void job_leave(struct job *j, struct item *it)
{
	j->items[it->slot] = NULL;
}

void job_number(struct job *j)
{
	for (size_t i = 0; i < j->n; i++)
		j->items[i]->slot = i;
}

void job_release(struct job *j)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->items[i])
			item_ready(j->items[i]);
	j->n = 0;
}

/* --- what the workers do --- */

void job_inspect_run(struct worker_job *work)
{
	struct job *j = (struct job *)((char *)work - offsetof(struct job, work));
	struct pair *p = j->pair;
	_cleanup_close_ int root = -1;

	j->root_error = root_open_checked(p, &root);
	if (j->root_error < 0)
		return;

	_cleanup_(local_way_done) struct local_way way;

	local_way_init(&way, root, &p->rules);
	for (size_t i = 0; i < j->n; i++)
		local_way_inspect(&way, j->items[i]->local, &j->items[i]->found);
}

void job_read_item(struct local_way *way, struct item *it)
{
	it->was_read = true;
	it->read_error = local_way_read(way, it->local, (size_t)it->pair->batch_file_bytes, &it->data,
					&it->len, &it->found, &it->racy);
	if (it->read_error < 0)
		return;
	it->sig = it->found.sig;
	it->read_error = digest_of(it->data, it->len, &it->l.digest);
	it->l.has_digest = it->read_error == 0;
	it->l.size = (int64_t)it->len;
}

/* What a scan has just seen as a regular file, and nothing is known of, is read without a look before. False:
 * it is something else by now, or not to be sent. */
static bool read_at_once(struct local_way *way, struct item *it)
{
	if (!it->scanned_file || it->row.synced ||
	    ignore_path(&way->rules->ignore, it->local, false, NULL) != IGNORE_COVERED)
		return false;
	it->l = (struct plan_local){.presence = PLAN_FILE};
	job_read_item(way, it);
	it->was_read = it->read_error == 0;
	return it->was_read;
}

/* Looks at every path of a job, and reads the first of those that will probably travel. The rows are known
 * already. */
static void prepare_run(struct worker_job *work)
{
	struct job *j = (struct job *)((char *)work - offsetof(struct job, work));
	struct pair *p = j->pair;
	size_t bytes = 0;
	_cleanup_close_ int root = -1;

	j->root_error = root_open_checked(p, &root);
	if (j->root_error < 0)
		return;

	_cleanup_(local_way_done) struct local_way way;

	local_way_init(&way, root, &p->rules);
	for (size_t i = 0; i < j->n; i++) {
		struct item *it = j->items[i];

		if (bytes < PREPARE_BYTES && read_at_once(&way, it)) {
			bytes += it->len;
			continue;
		}
		local_way_inspect(&way, it->local, &it->found);
		job_take_local(it);
		if (bytes < PREPARE_BYTES && it->l.presence == PLAN_FILE && !it->l.has_digest &&
		    it->l.size <= p->batch_file_bytes) {
			job_read_item(&way, it);
			bytes += it->len;
		}
	}
}

/* --- the loop's side --- */

void job_take_local(struct item *it)
{
	it->l = (struct plan_local){.presence = it->found.presence, .size = it->found.sig.size};
	it->sig = it->found.sig;
	it->racy = false;
	if (it->l.presence == PLAN_FILE && !it->verify && it->row.synced &&
	    !(it->row.flags & INDEX_GONE_HERE) && local_sig_equal(&it->found.sig, &it->row.sig)) {
		it->l.has_digest = true;
		it->l.digest = it->row.digest;
	}
}

bool job_root_ok(struct job *j)
{
	struct pair *p = j->pair;

	if (j->root_error == 0)
		return true;
	job_release(j);
	root_check(p);
	return false;
}

/* Nothing of it is on its way any more: another job may have the lane. */
void job_leave_lane(struct job *j)
{
	struct pair *p = j->pair;

	if (p->small != j)
		return;
	p->small = NULL;
	p->server->small_busy = false;
	server_pump(p->server);
}

void job_end(struct job *j)
{
	struct pair *p = j->pair;

	job_release(j);
	job_leave_lane(j);
	if (p->ahead == j)
		p->ahead = NULL;
	if (p->recording == j)
		p->recording = NULL;
	job_record_soon(p);
	if (j->batch)
		engine_rest_later(p->engine);
	job_free(j);
	pair_check_first_sync(p);
	wait_check(p);
	report_changed(p);
	pair_pump_later(p);
}

void job_finish_item(struct job *j, struct item *it)
{
	job_leave(j, it);
	item_done(it);
}

/* The verdict on an item whose bytes need not travel now. False: they must. */
bool job_dispose(struct job *j, struct item *it)
{
	int error;

	if (judge_settle(it, &error)) {
		if (error < 0)
			return true; /* stays in the job and is released with it */
		job_finish_item(j, it);
		return true;
	}
	switch (it->plan.verdict) {
	case PLAN_DELETE_REMOTE:
	case PLAN_RESCUE_DELETE:
		job_leave(j, it);
		item_delete(it);
		return true;
	case PLAN_RESCUE_UPLOAD:
		if (judge_rescued(it))
			break;
		job_leave(j, it);
		item_lane(it, LANE_RESCUE);
		return true;
	case PLAN_LOOK_UP:
		job_leave(j, it);
		item_retry(it, BACKOFF_FIRST_MS);
		return true;
	default: break;
	}
	/* It is unchanged here, so nothing was read, and what it is came out only now. */
	if (it->l.size > it->pair->batch_file_bytes) {
		job_leave(j, it);
		item_lane(it, LANE_LARGE);
		return true;
	}
	return false;
}

static void looked_up(void *arg, const struct remote_error *error)
{
	struct job *j = arg;
	struct pair *p = j->pair;
	struct index *index = p->engine->p.index;

	j->lookup = NULL;
	if (error->code || j->canceled || !pair_can_work(p)) {
		if (error->code && error->code != ERR_CANCELED)
			pair_remote_failed(p, error, false);
		job_end(j);
		return;
	}
	server_online(p->server);

	int r = index_begin(index);

	for (size_t i = 0; r >= 0 && i < j->n; i++) {
		struct item *it = j->items[i];

		if (!it)
			continue;
		r = judge(it);
		if (r < 0)
			break;
		if (!job_dispose(j, it))
			j->send[j->n_send++] = it;
	}
	int c = index_commit(index);

	if (r < 0 || c < 0) {
		pair_index_failed(p, r < 0 ? r : c);
		job_end(j);
		return;
	}
	job_send(j);
}

/* An unchanged file that nobody said anything about on the server's side needs no request. */
static bool nothing_to_ask(struct item *it)
{
	if (it->check_remote)
		return false;
	if (it->l.presence == PLAN_FILE)
		return it->l.has_digest && !it->was_read && it->row.note == INDEX_NOTE_NONE;
	if (it->l.presence == PLAN_ABSENT)
		return !it->has_row || (it->row.flags & INDEX_GONE_HERE);
	return true; /* special, unreadable, uncovered: listed, whatever the server has */
}

/* The lane is its own: now directly before the write its paths are looked up. */
static void go(struct job *j)
{
	struct pair *p = j->pair;

	if (p->ahead == j)
		p->ahead = NULL;
	p->small = j;
	p->server->small_busy = true;
	j->began_ms = clock_monotonic_ms();

	int r = lookup_start(p, j->items, j->n, looked_up, j, &j->lookup);

	if (r < 0) {
		log_error("cannot look up: %s", err_text(r));
		job_end(j);
	}
}

/* What the inspection of one path says by itself. r < 0: the index failed. */
static int weed(struct job *j, struct item *it)
{
	struct pair *p = j->pair;
	int r = 0;

	it->r = (struct plan_remote){.presence = PLAN_UNKNOWN};
	if (!names_fits_url(p->spec->remote_prefix, it->path)) {
		r = judge_skip(it, "name_too_long", "its encoded path does not fit a request of the server",
			       false, 0);
		job_finish_item(j, it);
	} else if (it->l.presence == PLAN_ABSENT && it->row.synced && !it->gone_settled && !it->confirmed) {
		/* Gone since it was found: it may be back in a moment (an atomic save). */
		if (settle_hint(p->settle, it->path, SETTLE_GONE, clock_monotonic_ms()) < 0)
			p->settle_overflow = true;
		job_finish_item(j, it);
	} else if (it->check_remote && !it->retry_parked && it->l.presence == PLAN_FILE && judge_parked(it)) {
		job_finish_item(j, it); /* a scan found it different once more; it has its time */
	} else if (it->l.presence == PLAN_FILE && !it->l.has_digest && it->l.size > p->batch_file_bytes) {
		job_leave(j, it);
		item_lane(it, LANE_LARGE);
	} else if (nothing_to_ask(it)) {
		r = judge(it);
		if (r < 0)
			return r;
		if (it->plan.verdict == PLAN_LOOK_UP || it->plan.verdict == PLAN_DROP_ROW)
			it->plan = (struct plan_decision){.verdict = PLAN_NOTHING};
		if (!job_dispose(j, it))
			job_finish_item(j, it);
	}
	return r;
}

static void prepared(struct worker_job *work)
{
	struct job *j = (struct job *)((char *)work - offsetof(struct job, work));
	struct pair *p = j->pair;
	size_t kept = 0;
	int r = 0;

	j->preparing = false;
	if (j->canceled || !pair_can_work(p) || !job_root_ok(j)) {
		job_end(j);
		return;
	}
	r = index_begin(p->engine->p.index);
	for (size_t i = 0; r >= 0 && i < j->n; i++)
		r = weed(j, j->items[i]);
	int c = index_commit(p->engine->p.index);

	pair_arm_timers(p);
	for (size_t i = 0; i < j->n; i++)
		if (j->items[i])
			j->items[kept++] = j->items[i];
	j->n = kept;
	job_number(j);
	j->prepared_ms = clock_monotonic_ms();
	if (r < 0 || c < 0)
		pair_index_failed(p, r < 0 ? r : c);
	if (r < 0 || c < 0 || j->n == 0)
		job_end(j);
	else if (p->small == j)
		go(j);
	else
		pair_pump_later(p); /* takes the lane when it is free */
}

static void drop_ahead(struct pair *p)
{
	if (p->ahead && !p->ahead->preparing)
		job_end(p->ahead);
}

static bool must_wait(struct item *it)
{
	it->awaits_equal =
		it->awaits_equal && server_sends(it->pair->server, NULL, it->l.size, &it->l.digest);
	it->pair->awaits_equal |= it->awaits_equal;
	return it->awaits_equal;
}

/* While a request travels the next job is prepared if it would be full, or as full as it will be: a walk may
 * still bring more, single saves come as they like. */
static bool worth_preparing(const struct pair *p)
{
	return p->n_ready >= batch_size_after(&p->server->batch) || (!p->walk && p->n_ready >= RUN_FILES);
}

/* The next small job, taken from what is ready. */
static struct job *take_ready(struct pair *p, bool lane_free)
{
	struct server *s = p->server;
	size_t max = lane_free ? s->batch.files : batch_size_after(&s->batch);
	struct item *it, *next;

	if (TAILQ_EMPTY(&p->ready) || (!lane_free && !worth_preparing(p)))
		return NULL;

	struct job *j = job_new(p, MIN(max, p->n_ready));

	if (!j)
		return NULL;
	TAILQ_FOREACH_SAFE(it, &p->ready, link, next) {
		if (j->n == max)
			break;
		if ((it->suspect && j->n > 0) || must_wait(it))
			continue; /* a suspect is sent alone */
		item_busy(it);
		it->was_read = false;
		j->items[j->n++] = it;
		if (it->suspect)
			break;
	}
	if (!j->n) {
		job_free(j);
		return NULL;
	}
	items_sort(j->items, j->n);
	job_number(j);
	return j;
}

static int load_rows(struct job *j)
{
	struct index *index = j->pair->engine->p.index;
	int r = index_begin(index); /* one lock for all */

	for (size_t i = 0; r >= 0 && i < j->n; i++)
		r = judge_load_row(j->items[i]);

	int c = index_commit(index);

	return r < 0 ? r : c;
}

bool job_start(struct pair *p)
{
	struct server *s = p->server;
	bool lane_free = !p->small && !s->small_busy;
	int r;

	if (p->ahead && !p->ahead->preparing && clock_monotonic_ms() - p->ahead->prepared_ms > AHEAD_MS)
		drop_ahead(p);
	if (p->ahead) {
		if (!lane_free || p->ahead->preparing)
			return false;
		go(p->ahead);
		return true;
	}

	struct job *j = take_ready(p, lane_free);

	if (!j)
		return false;
	r = load_rows(j);
	if (r < 0) {
		pair_index_failed(p, r);
		job_end(j);
		return false;
	}
	if (lane_free) {
		p->small = j;
		s->small_busy = true;
	} else {
		p->ahead = j;
	}
	j->preparing = true;
	j->work.run = prepare_run;
	j->work.done = prepared;
	worker_submit(p->engine->p.pool, j->n == 1 ? WORKER_URGENT : WORKER_NORMAL, &j->work);
	return lane_free;
}

void job_cancel_ahead(struct pair *p)
{
	if (p->ahead)
		p->ahead->canceled = true;
	drop_ahead(p);
}

void job_cancel(struct job *j)
{
	if (!j)
		return;
	j->canceled = true;
	lookup_cancel(j->lookup);
	if (j->call)
		j->pair->remote->ops->cancel(j->call);
}
