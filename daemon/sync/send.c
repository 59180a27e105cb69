/* A small job on the lane: its files are read and hashed run by run, what is about to be sent is noted, it is
 * sent, and what the server says it stored is recorded. Which files, and the look-up before, are job.c's. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sync/job.h"
#include <errno.h>

/* --- reading, in a worker --- */

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
			job_read_item(&way, j->send[i]);
		bytes += j->send[i]->len;
	}
	j->run_to = i;
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

		job_leave(j, it);
		/* A part that was not wholly handed over cannot have been stored; every other one may have
		 * been. A refusal of the whole request (auth, size) leaves the finished parts stored as well:
		 * only a look-up tells. */
		if (i >= parts_sent && error->code == ERR_OFFLINE) {
			if (judge_unnote(it) < 0)
				pair_index_failed(p, -EIO);
			item_again(it);
			continue;
		}
		/* Who may not write is turned away before anything is stored. After a login it goes up at
		 * once. */
		if (error->code == ERR_AUTH && !j->batch) {
			if (judge_unnote(it) < 0)
				pair_index_failed(p, -EIO);
			item_ready(it);
			continue;
		}
		if (error->code == ERR_TOO_LARGE && j->n_sent == 1) {
			park_too_large(it);
			continue;
		}
		if (answered && refuses_content(error)) {
			it->suspect = true; /* doubt.c acquits all but the first that is missing */
			if (j->n_sent == 1)
				item_count_refusal(it, error->status);
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
		job_leave(j, it);
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

		job_leave(j, it);
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
void job_record_soon(struct pair *p)
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
		job_record_soon(j->pair);
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
	job_leave_lane(j); /* its pump comes first */
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
			job_leave(j, j->sent[i]);
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
			job_leave(j, j->sent[i]);
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
	job_send(arg);
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
		job_leave(j, it);
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
		job_leave(j, it);
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

	if (error >= 0 && job_dispose(j, it))
		return false;
	job_leave(j, it);
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
		job_leave(j, it);
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
		job_send(j);
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
			if (judge_quarrel(it)) {
				job_finish_item(j, it);
				continue;
			}
			if (server_sends(p->server, j, it->l.size, &it->l.digest)) {
				job_leave(j, it);
				it->awaits_equal = true;
				item_ready(it);
				continue;
			}
			r = judge_note(it, INDEX_NOTE_HASH, &it->l.digest);
			j->send[first + must++] = it;
		} else if (!job_dispose(j, it)) {
			job_leave(j, it);
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
	job_record_soon(p);
	job_send(j);
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

void job_send(struct job *j)
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

bool job_sends(const struct job *j, int64_t size, const struct digest *digest)
{
	for (size_t i = 0; i < j->n_sent; i++)
		if (server_may_equal(size, digest, j->sent[i]->l.size, &j->sent[i]->l.digest))
			return true;
	return false;
}
