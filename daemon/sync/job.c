/* Small files, many to a request: look at the disk, look the paths up, read and hash them run by run, note
 * what is about to be sent, send it, record what the server says it stored. Not here: large files and rescues
 * (single.c; a small file comes back from its rescue), deletions (deletes.c). */
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
static void leave(struct job *j, struct item *it)
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

static void read_item(struct local_way *way, struct item *it)
{
	it->was_read = true;
	it->read_error = local_way_read(way, it->local, (size_t)it->pair->batch_file_bytes, &it->data,
					&it->len, &it->sig, &it->racy);
	if (it->read_error < 0)
		return;
	it->read_error = digest_of(it->data, it->len, &it->l.digest);
	it->l.has_digest = it->read_error == 0;
	it->l.size = (int64_t)it->len;
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

		local_way_inspect(&way, it->local, &it->found);
		job_take_local(it);
		if (bytes < PREPARE_BYTES && it->l.presence == PLAN_FILE && !it->l.has_digest &&
		    it->l.size <= p->batch_file_bytes) {
			read_item(&way, it);
			bytes += it->len;
		}
	}
}

static void read_run(struct worker_job *work)
{
	struct job *j = (struct job *)((char *)work - offsetof(struct job, work));
	struct pair *p = j->pair;
	size_t bytes = 0, i = j->run_from;
	_cleanup_close_ int root = -1;

	/* Once more: a batch takes its time, and another directory may be there by now. */
	j->run_to = i;
	j->root_error = root_open_checked(p, &root);
	if (j->root_error < 0)
		return;

	_cleanup_(local_way_done) struct local_way way;

	local_way_init(&way, root, &p->rules);
	for (; i < j->n_send && bytes < RUN_BYTES && i - j->run_from < RUN_FILES; i++) {
		if (!j->send[i]->was_read)
			read_item(&way, j->send[i]);
		bytes += j->send[i]->len;
	}
	j->run_to = i;
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

static void next_run(struct job *j);
static void record_soon(struct pair *p);

/* Nothing of it is on its way any more: another job may have the lane. */
static void leave_lane(struct job *j)
{
	struct pair *p = j->pair;

	if (p->small != j)
		return;
	p->small = NULL;
	p->server->small_busy = false;
	server_pump(p->server);
}

static void job_end(struct job *j)
{
	struct pair *p = j->pair;

	job_release(j);
	leave_lane(j);
	if (p->ahead == j)
		p->ahead = NULL;
	if (p->recording == j)
		p->recording = NULL;
	record_soon(p);
	if (j->batch)
		pair_rest(p);
	job_free(j);
	pair_check_first_sync(p);
	wait_check(p);
	report_changed(p);
	pair_pump_later(p);
}

static void finish_item(struct job *j, struct item *it)
{
	leave(j, it);
	item_done(it);
}

/* The verdict on an item whose bytes need not travel now. False: they must. */
static bool dispose(struct job *j, struct item *it)
{
	int error;

	if (judge_settle(it, &error)) {
		if (error < 0)
			return true; /* stays in the job and is released with it */
		finish_item(j, it);
		return true;
	}
	switch (it->plan.verdict) {
	case PLAN_DELETE_REMOTE:
	case PLAN_RESCUE_DELETE:
		leave(j, it);
		item_delete(it);
		return true;
	case PLAN_RESCUE_UPLOAD:
		if (judge_rescued(it))
			return false;
		leave(j, it);
		item_lane(it, LANE_RESCUE);
		return true;
	case PLAN_LOOK_UP:
		leave(j, it);
		item_retry(it, BACKOFF_FIRST_MS);
		return true;
	default: return false;
	}
}

static void park_too_large(struct item *it)
{
	struct pair *p = it->pair;
	int r = judge_unnote(it);

	report_set_error(p, "%s is larger than the server takes (413)", it->path);
	if (r >= 0)
		r = judge_skip(it, "too_large", "larger than the server takes (413)", true,
			       clock_wall_ms() + REFUSED_MS);
	if (r < 0)
		pair_index_failed(p, r);
	item_done(it);
}

static void fail_sent(struct job *j, const struct remote_error *error, size_t parts_sent)
{
	struct pair *p = j->pair;
	bool answered = error->status != 0 && error->code != ERR_DOUBT;

	for (size_t i = 0; i < j->n_sent; i++) {
		struct item *it = j->sent[i];

		leave(j, it);
		/* A part that was not wholly handed over cannot have been stored; every other one may have
		 * been. A refusal of the whole request (auth, size) leaves the finished parts stored as well:
		 * only a look-up tells. */
		if (i >= parts_sent && error->code == ERR_OFFLINE) {
			if (judge_unnote(it) < 0)
				pair_index_failed(p, -EIO);
			item_again(it);
			continue;
		}
		if (error->code == ERR_TOO_LARGE && j->n_sent == 1) {
			park_too_large(it);
			continue;
		}
		if (answered && refuses_content(error)) {
			it->suspect = true; /* doubt.c acquits all but the first that is missing */
			if (j->n_sent == 1)
				item_count_refusal(it, error);
		}
		doubt_begin(it, answered);
	}
	j->n_sent = 0;
	if (error->code == ERR_TOO_LARGE)
		batch_size_too_large(&p->server->batch);
	pair_remote_failed(p, error, true);
}

/* --- the answer --- */

/* The server's word about one part. True: it has what we sent. */
static bool take_answer(struct job *j, struct item *it, const struct remote_file *file)
{
	if (!file->version.has_digest || !digest_equal(&file->version.digest, &it->l.digest)) {
		leave(j, it);
		item_wrong_hash(it, &file->version);
		return false;
	}
	it->r = (struct plan_remote){.presence = PLAN_FILE, .version = file->version};
	return true;
}

/* The next few of what the server has stored become rows, in one transaction. True: all have. */
static bool record_some(struct job *j)
{
	struct pair *p = j->pair;
	size_t end = MIN(j->n_recorded + RECORD_STEP, j->n_sent);

	if (index_begin(p->engine->p.index) < 0)
		pair_index_failed(p, -EIO);
	for (; j->n_recorded < end; j->n_recorded++) {
		struct item *it = j->sent[j->n_recorded];

		leave(j, it);
		judge_written(it, &it->r.version, "upload");
		settle_uploaded(p->settle, it->path, j->ended_ms, j->ended_ms - j->began_ms);
		item_done(it);
	}

	int r = index_commit(p->engine->p.index);

	if (r < 0)
		pair_index_failed(p, r);
	return j->n_recorded == j->n_sent;
}

static void record_all(struct job *j)
{
	while (!record_some(j))
		;
	job_end(j);
}

static void record_next(void *arg)
{
	struct job *j = arg;

	if (record_some(j))
		job_end(j);
	else if (loop_defer(j->pair->engine->p.loop, record_next, j) < 0)
		record_all(j);
}

static void collect(void *arg)
{
	struct job *j = arg;

	j->pair->remote->ops->collect(j->call); /* on_sent comes */
}

/* What was answered is read and recorded while the next request travels, not before it. */
static void record_soon(struct pair *p)
{
	struct job *j = p->recording;

	if (j && j->call && loop_timer_set(p->engine->p.loop, &j->collect_timer, COLLECT_MS, collect, j) < 0)
		collect(j);
}

static void record_now(struct pair *p)
{
	struct job *j = p->recording;

	if (j && j->call)
		collect(j);
	if (p->recording) {
		loop_undefer(p->engine->p.loop, j);
		record_all(j);
	}
}

/* The lane's next user has begun, and goes on by itself: on the way or at its end it says record_soon. */
static void record_if_idle(void *arg)
{
	struct job *j = arg;

	if (!j->pair->small)
		record_soon(j->pair);
}

static bool on_answered(void *arg)
{
	struct job *j = arg;
	struct pair *p = j->pair;

	if (j->reading) /* before it had all */
		return false;
	record_now(p);
	j->ended_ms = clock_monotonic_ms();
	batch_size_ended(&p->server->batch, j->n_sent, j->ended_ms - j->began_ms);
	report_bytes(p, (int64_t)j->fed_bytes);
	server_online(p->server);
	p->recording = j;
	leave_lane(j); /* its pump comes first */
	return loop_defer(p->engine->p.loop, record_if_idle, j) >= 0;
}

static void on_sent(void *arg, const struct remote_error *error, const struct remote_file *files, size_t n,
		    size_t parts_sent)
{
	struct job *j = arg;
	struct pair *p = j->pair;
	size_t kept = 0;

	j->call = NULL;
	loop_timer_stop(&j->collect_timer);
	if (j->reading) { /* a run is still being read: its done comes back here through `ended` */
		j->ended = true;
		j->canceled = true;
	}
	if (error->code && error->code != ERR_CANCELED) {
		fail_sent(j, error, parts_sent);
	} else if (error->code) {
		/* Our own cancel: what was wholly handed over is in doubt, the rest was not stored. */
		for (size_t i = 0; i < j->n_sent; i++) {
			leave(j, j->sent[i]);
			if (i < parts_sent)
				doubt_begin(j->sent[i], false);
			else if (judge_unnote(j->sent[i]) >= 0)
				item_ready(j->sent[i]);
			else
				item_retry(j->sent[i], FULL_DISK_MS);
		}
	} else if (p->recording != j || n != j->n_sent) {
		/* Answered before it had all: whatever it says, only a look-up tells. */
		for (size_t i = 0; i < j->n_sent; i++) {
			leave(j, j->sent[i]);
			doubt_begin(j->sent[i], true);
		}
	} else {
		for (size_t i = 0; i < n; i++)
			if (take_answer(j, j->sent[i], &files[i]))
				j->sent[kept++] = j->sent[i];
		j->n_sent = kept;
		if (loop_defer(p->engine->p.loop, record_next, j) < 0)
			record_all(j);
		return;
	}
	j->n_sent = 0;
	if (!j->reading)
		job_end(j);
}

static void on_room(void *arg)
{
	next_run(arg);
}

static const struct remote_upload_callbacks upload_callbacks = {
	.on_room = on_room, .on_answered = on_answered, .on_done = on_sent};

static int begin_request(struct job *j, struct item *only)
{
	struct pair *p = j->pair;
	const struct remote_ops *ops = p->remote->ops;
	int r;

	if (only) {
		_cleanup_free_ char *full = pair_full_path(p, only->path);

		r = full ? ops->put(p->remote, p->spec->bucket, full, (int64_t)only->len, &upload_callbacks,
				    j, &j->call)
			 : -ENOMEM;
	} else {
		r = ops->batch(p->remote, p->spec->bucket, &upload_callbacks, j, &j->call);
		j->batch = r >= 0;
	}
	return r;
}

static int send_one(struct job *j, struct item *it)
{
	struct pair *p = j->pair;
	const struct remote_ops *ops = p->remote->ops;
	void *data = STEAL(it->data);
	size_t len = it->len;
	int r;

	if (j->batch) {
		_cleanup_free_ char *full = pair_full_path(p, it->path);

		if (!full) {
			free(data);
			return -ENOMEM;
		}
		r = ops->part(j->call, full, data, len);
	} else {
		r = ops->feed(j->call, data, len, true);
	}
	if (r >= 0) {
		j->sent[j->n_sent++] = it;
		j->fed_bytes += len;
	}
	return r;
}

/* What reading said about an item: false when it goes no further. */
static bool read_well(struct job *j, struct item *it)
{
	struct pair *p = j->pair;

	switch (it->read_error) {
	case 0: return true;
	case -ESTALE: /* moved while it was read */
	case -EFBIG:
		leave(j, it);
		if (settle_moved(p->settle, it->path, clock_monotonic_ms()) < 0)
			p->settle_overflow = true;
		item_done(it);
		pair_arm_timers(p);
		return false;
	case -EKEYREJECTED: /* a private key: never sent unless asked for */
		it->found.presence = it->l.presence = PLAN_UNCOVERED;
		it->found.skip_reason = "secret";
		break;
	case -ENOENT:
	case -ENOTDIR:
		leave(j, it);
		if (settle_hint(p->settle, it->path, SETTLE_GONE, clock_monotonic_ms()) < 0)
			p->settle_overflow = true;
		item_done(it);
		pair_arm_timers(p);
		return false;
	default: /* became unreadable or special: looked at again */
		it->found.presence = it->l.presence = PLAN_UNREADABLE;
		it->found.skip_reason = "unreadable";
		it->found.error = it->read_error;
	}
	int error = judge(it);

	if (error >= 0 && dispose(j, it))
		return false;
	leave(j, it);
	item_retry(it, BACKOFF_FIRST_MS);
	return false;
}

/* Hands noted parts over. On failure those that were not handed over lose their notes again and are tried
 * later: nothing of them was sent. */
static int hand_over(struct job *j, size_t from, size_t to)
{
	struct pair *p = j->pair;
	int r = 0, k;

	for (; from < to; from++) {
		if (!j->call)
			r = begin_request(j, j->n_send == 1 ? j->send[from] : NULL);
		if (r >= 0)
			r = send_one(j, j->send[from]);
		if (r < 0)
			break;
	}
	if (r >= 0)
		return 0;
	report_set_error(p, "cannot send %s: %s", j->send[from]->path, err_text(r));
	k = index_begin(p->engine->p.index);
	for (; from < to; from++) {
		struct item *it = j->send[from];

		if (k >= 0)
			k = judge_unnote(it);
		leave(j, it);
		item_retry(it, backoff_next_ms(&it->backoff, backoff_random(), 0));
	}
	int c = index_commit(p->engine->p.index);

	if (k < 0 || c < 0)
		pair_index_failed(p, k < 0 ? k : c);
	return r;
}

/* A run was read: judge again with the hashes, note what must travel in one transaction, hand it over. */
static void take_run(struct job *j)
{
	struct pair *p = j->pair;
	struct index *index = p->engine->p.index;
	size_t first = j->run_from, must = 0;
	int r;

	if (!j->canceled && j->root_error == 0 && j->n_sent > 0 && !pair_can_work(p)) {
		/* Stopping or paused: what was sent is ended properly, the rest stays. */
		j->run_from = j->n_send;
		next_run(j);
		return;
	}
	if (j->canceled || j->root_error < 0 || !pair_can_work(p)) {
		if (j->call && !j->ended) {
			j->canceled = true;
			p->remote->ops->cancel(j->call);
			return; /* on_sent ends the job */
		}
		if (j->root_error < 0)
			root_check(p);
		job_end(j);
		return;
	}
	r = index_begin(index);
	for (size_t i = first; r >= 0 && i < j->run_to; i++) {
		struct item *it = j->send[i];

		j->send[i] = NULL;
		if (!read_well(j, it))
			continue;
		r = judge(it);
		if (r < 0)
			break;
		bool rescued = it->plan.verdict == PLAN_RESCUE_UPLOAD && judge_rescued(it);

		if (it->plan.verdict == PLAN_UPLOAD || rescued) {
			if (!rescued && judge_quarrel(it)) { /* else it was counted when it was rescued */
				finish_item(j, it);
				continue;
			}
			if (server_sends(p->server, j, it->l.size, &it->l.digest)) {
				leave(j, it);
				it->awaits_equal = true;
				item_ready(it);
				continue;
			}
			r = judge_note(it, INDEX_NOTE_HASH, &it->l.digest);
			j->send[first + must++] = it;
		} else if (!dispose(j, it)) {
			leave(j, it);
			item_retry(it, BACKOFF_FIRST_MS);
		}
	}
	int c = index_commit(index);

	if (r >= 0)
		r = c;
	if (r < 0)
		pair_index_failed(p, r);
	else
		r = hand_over(j, first, first + must);
	if (r < 0) {
		j->canceled = true;
		if (j->call)
			p->remote->ops->cancel(j->call);
		else
			job_end(j);
		return;
	}
	j->run_from = j->run_to;
	record_soon(p);
	next_run(j);
}

static void run_read(struct worker_job *work)
{
	struct job *j = (struct job *)((char *)work - offsetof(struct job, work));

	j->reading = false;
	take_run(j);
}

/* What was read when the job was prepared needs no worker. */
static bool run_is_read(struct job *j)
{
	size_t bytes = 0, i = j->run_from;

	for (; i < j->n_send && j->send[i]->was_read && bytes < RUN_BYTES && i - j->run_from < RUN_FILES; i++)
		bytes += j->send[i]->len;
	j->run_to = i;
	return i > j->run_from;
}

static void next_run(struct job *j)
{
	struct pair *p = j->pair;

	if (j->reading || j->ended)
		return;
	if (j->run_from >= j->n_send) {
		j->ended = true;
		if (!j->call)
			job_end(j);
		else if (j->batch && p->remote->ops->finish(j->call) < 0)
			p->remote->ops->cancel(j->call);
		return;
	}
	if (j->call && j->fed_bytes > p->remote->ops->sent(j->call) + RUN_AHEAD_BYTES)
		return; /* on_room comes */
	if (run_is_read(j)) {
		take_run(j);
		return;
	}
	j->reading = true;
	j->work.run = read_run;
	j->work.done = run_read;
	worker_submit(p->engine->p.pool, j->n_send == 1 ? WORKER_URGENT : WORKER_NORMAL, &j->work);
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
		if (!dispose(j, it))
			j->send[j->n_send++] = it;
	}
	int c = index_commit(index);

	if (r < 0 || c < 0) {
		pair_index_failed(p, r < 0 ? r : c);
		job_end(j);
		return;
	}
	next_run(j);
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
		finish_item(j, it);
	} else if (it->l.presence == PLAN_ABSENT && it->row.synced && !it->gone_settled && !it->confirmed) {
		/* Gone since it was found: it may be back in a moment (an atomic save). */
		if (settle_hint(p->settle, it->path, SETTLE_GONE, clock_monotonic_ms()) < 0)
			p->settle_overflow = true;
		finish_item(j, it);
	} else if (it->check_remote && !it->retry_parked && it->l.presence == PLAN_FILE && judge_parked(it)) {
		finish_item(j, it); /* a scan found it different once more; it has its time */
	} else if (it->l.presence == PLAN_FILE && !it->l.has_digest && it->l.size > p->batch_file_bytes) {
		leave(j, it);
		item_lane(it, LANE_LARGE);
	} else if (nothing_to_ask(it)) {
		r = judge(it);
		if (r < 0)
			return r;
		if (it->plan.verdict == PLAN_LOOK_UP || it->plan.verdict == PLAN_DROP_ROW)
			it->plan = (struct plan_decision){.verdict = PLAN_NOTHING};
		if (!dispose(j, it))
			finish_item(j, it);
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

bool job_sends(const struct job *j, int64_t size, const struct digest *digest)
{
	for (size_t i = 0; i < j->n_sent; i++)
		if (server_may_equal(size, digest, j->sent[i]->l.size, &j->sent[i]->l.digest))
			return true;
	return false;
}

static bool must_wait(struct item *it)
{
	it->awaits_equal =
		it->awaits_equal && server_sends(it->pair->server, NULL, it->l.size, &it->l.digest);
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
