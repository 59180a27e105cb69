/* Small files, many to a request: look at the disk, look the paths up, read and hash them run by run, note
 * what is about to be sent, send it, record what the server says it stored. Not here: large files and rescues
 * (single.c), deletions (deletes.c). */
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
	for (size_t i = 0; i < j->n; i++)
		local_inspect(root, j->items[i]->local, &p->rules, &j->items[i]->found);
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
	for (; i < j->n_send && bytes < RUN_BYTES; i++) {
		struct item *it = j->send[i];

		it->read_error = local_read(root, it->local, &p->rules, (size_t)p->batch_file_bytes,
					    &it->data, &it->len, &it->sig, &it->racy);
		if (it->read_error == 0) {
			it->read_error = digest_of(it->data, it->len, &it->l.digest);
			it->l.has_digest = it->read_error == 0;
			it->l.size = (int64_t)it->len;
			bytes += it->len;
		}
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

static void job_end(struct job *j)
{
	struct pair *p = j->pair;

	job_release(j);
	p->small = NULL;
	p->server->small_busy = false;
	job_free(j);
	pair_check_first_sync(p);
	wait_check(p);
	report_changed(p);
	server_pump(p->server);
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
		leave(j, it);
		item_single(it);
		return true;
	case PLAN_LOOK_UP:
		leave(j, it);
		item_retry(it, BACKOFF_FIRST_MS);
		return true;
	default: return false;
	}
}

static void next_run(struct job *j);

/* 503 and its like say something of the server, not of what was sent. */
static bool content_may_be_refused(const struct remote_error *error)
{
	return (error->code == ERR_SERVER && error->status == 500) || error->code == ERR_REJECTED;
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
		if (answered && content_may_be_refused(error)) {
			it->suspect = true; /* doubt.c acquits all but the first that is missing */
			it->refused += j->n_sent == 1;
		}
		doubt_begin(it, answered);
	}
	j->n_sent = 0;
	if (error->code == ERR_TOO_LARGE)
		batch_size_too_large(&p->server->batch);
	pair_remote_failed(p, error, true);
}

/* One part and the server's word about it. */
static void record_part(struct job *j, struct item *it, const struct remote_file *file)
{
	leave(j, it);

	char *full = pair_full_path(j->pair, it->path);
	bool ours = full && file && strcmp(full, file->path) == 0;

	free(full);
	if (!ours) {
		log_write(LOG_LEVEL_WARNING, LOG_FIELDS(LOG_PAIR(j->pair->spec->name), LOG_PATH(it->path)),
			  "the server answered an upload with another path");
		doubt_begin(it, false);
		return;
	}
	if (!file->version.has_digest || !digest_equal(&file->version.digest, &it->l.digest)) {
		item_wrong_hash(it, &file->version);
		return;
	}
	judge_written(it, &file->version, "upload");
	settle_uploaded(j->pair->settle, it->path, clock_monotonic_ms(), clock_monotonic_ms() - j->began_ms);
	item_done(it);
}

static void on_sent(void *arg, const struct remote_error *error, const struct remote_file *files, size_t n,
		    size_t parts_sent)
{
	struct job *j = arg;
	struct pair *p = j->pair;
	int64_t took = clock_monotonic_ms() - j->began_ms;

	j->call = NULL;
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
	} else {
		if (index_begin(p->engine->p.index) < 0)
			pair_index_failed(p, -EIO);
		for (size_t i = 0; i < j->n_sent; i++)
			record_part(j, j->sent[i], i < n ? &files[i] : NULL);
		int r = index_commit(p->engine->p.index);

		if (r < 0)
			pair_index_failed(p, r);
		server_online(p->server);
		batch_size_ended(&p->server->batch, j->n_sent, took);
		report_bytes(p, (int64_t)j->fed_bytes);
	}
	j->n_sent = 0;
	if (!j->reading)
		job_end(j);
}

static void on_room(void *arg)
{
	next_run(arg);
}

static const struct remote_upload_callbacks upload_callbacks = {.on_room = on_room, .on_done = on_sent};

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

/* A run was read: judge again with the hashes, note what must travel in one transaction, hand it over. */
static void run_read(struct worker_job *work)
{
	struct job *j = (struct job *)((char *)work - offsetof(struct job, work));
	struct pair *p = j->pair;
	struct index *index = p->engine->p.index;
	size_t first = j->run_from, must = 0;
	int r;

	j->reading = false;
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
		if (it->plan.verdict == PLAN_UPLOAD) {
			if (it->single) { /* large by now, or routed there while it waited */
				leave(j, it);
				item_single(it);
				continue;
			}
			if (judge_quarrel(it)) {
				finish_item(j, it);
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
	size_t noted = first + must;

	for (size_t i = first; r >= 0 && i < noted; i++) {
		if (!j->call) {
			r = begin_request(j, j->n_send == 1 ? j->send[i] : NULL);
			if (r < 0)
				break;
		}
		r = send_one(j, j->send[i]);
	}
	if (r < 0) {
		pair_index_failed(p, r);
		j->canceled = true;
		if (j->call)
			p->remote->ops->cancel(j->call);
		else
			job_end(j);
		return;
	}
	j->run_from = j->run_to;
	next_run(j);
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
		return it->l.has_digest && it->row.note == INDEX_NOTE_NONE;
	if (it->l.presence == PLAN_ABSENT)
		return !it->has_row || (it->row.flags & INDEX_GONE_HERE);
	return true; /* special, unreadable, uncovered: listed, whatever the server has */
}

static void inspected(struct worker_job *work)
{
	struct job *j = (struct job *)((char *)work - offsetof(struct job, work));
	struct pair *p = j->pair;
	size_t kept = 0;
	int r = 0;

	if (j->canceled || !pair_can_work(p) || !job_root_ok(j)) {
		job_end(j);
		return;
	}
	r = index_begin(p->engine->p.index);
	for (size_t i = 0; r >= 0 && i < j->n; i++) {
		struct item *it = j->items[i];

		r = judge_load_row(it);
		if (r < 0)
			break;
		job_take_local(it);
		it->r = (struct plan_remote){.presence = PLAN_UNKNOWN};
		if (!names_fits_url(p->spec->remote_prefix, it->path)) {
			r = judge_skip(it, "name_too_long",
				       "its encoded path does not fit a request of the server", false, 0);
			finish_item(j, it);
		} else if (it->l.presence == PLAN_ABSENT && it->row.synced && !it->gone_settled &&
			   !it->confirmed) {
			/* Gone since it was found: it may be back in a moment (an atomic save). */
			if (settle_hint(p->settle, it->path, SETTLE_GONE, clock_monotonic_ms()) < 0)
				p->settle_overflow = true;
			finish_item(j, it);
		} else if (it->check_remote && !it->retry_parked && it->l.presence == PLAN_FILE &&
			   judge_parked(it)) {
			finish_item(j, it); /* a scan found it different once more; it has its time */
		} else if (it->l.presence == PLAN_FILE && !it->l.has_digest &&
			   it->l.size > p->batch_file_bytes) {
			j->items[i] = NULL;
			item_single(it);
		} else if (nothing_to_ask(it)) {
			r = judge(it);
			if (r < 0)
				break;
			if (it->plan.verdict == PLAN_LOOK_UP || it->plan.verdict == PLAN_DROP_ROW)
				it->plan = (struct plan_decision){.verdict = PLAN_NOTHING};
			if (!dispose(j, it))
				finish_item(j, it);
		}
	}
	int c = index_commit(p->engine->p.index);

	pair_arm_timers(p);
	for (size_t i = 0; i < j->n; i++)
		if (j->items[i])
			j->items[kept++] = j->items[i];
	j->n = kept;
	job_number(j);
	if (r < 0 || c < 0) {
		pair_index_failed(p, r < 0 ? r : c);
		job_end(j);
		return;
	}
	r = j->n ? lookup_start(p, j->items, j->n, looked_up, j, &j->lookup) : 0;
	if (r < 0)
		log_error("cannot look up: %s", err_text(r));
	if (!j->lookup)
		job_end(j);
}

bool job_start(struct pair *p)
{
	struct server *s = p->server;
	size_t max = s->batch.files;
	struct item *it, *next;

	if (p->small || s->small_busy || TAILQ_EMPTY(&p->ready))
		return false;

	struct job *j = job_new(p, MIN(max, p->n_ready));

	if (!j)
		return false;
	TAILQ_FOREACH_SAFE(it, &p->ready, link, next) {
		if (j->n == max)
			break;
		if (it->suspect && j->n > 0)
			continue; /* sent alone */
		item_busy(it);
		j->items[j->n++] = it;
		if (it->suspect)
			break;
	}
	items_sort(j->items, j->n);
	job_number(j);
	j->began_ms = clock_monotonic_ms();
	p->small = j;
	s->small_busy = true;
	j->work.run = job_inspect_run;
	j->work.done = inspected;
	worker_submit(p->engine->p.pool, j->n == 1 ? WORKER_URGENT : WORKER_NORMAL, &j->work);
	return true;
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
