/* One path on its own: large files streamed through SHA-256, and remote versions rescued into the Trash
 * before they are overwritten or deleted. Both look at the disk, hash where the plan needs it, and look the
 * path up directly before they act. Each has slots of its own, so neither waits behind the other: what a
 * stream finds to be rescued goes to a rescue, and what was rescued goes back to be looked at and sent or
 * deleted. Of a stream the last block is held back until its hash is noted. */
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/job.h"
#include <errno.h>
#include <sys/stat.h>

/* One turn of a worker. The worker waits for the loop between turns, so a turn is long; within it the bytes
 * are hashed step by step while they are in the core's cache. */
#define BLOCK_BYTES    (4 << 20)
#define HASH_STEP      (256 << 10)
#define PROGRESS_BYTES (4 << 20) /* a watcher hears of a stream this often at most */

struct single {
	struct pair *pair;
	struct item *item; /* NULL once it was given its next state */
	struct item *one[1];
	struct worker_job work;
	int work_error, read_error; /* read_error: of a block of the stream */
	volatile bool stop_work;
	struct lookup *lookup;
	struct remote_call *call;
	bool canceled, working, fetching;
	bool rescues; /* else it streams */
	/* rescue */
	struct trash_file *trash;
	struct digest_stream *digest;
	int64_t fetched, reserved; /* reserved: of the day's budget */
	int trash_error;           /* why what came could not be written */
	char *trashed;
	/* stream */
	int fd;
	int64_t size, read_bytes, fed;
	void *block;
	size_t block_len;
	bool block_last, moved, racy, noted, sent_all_blocks;
	struct index_sig sig; /* of the open file: the worker never touches the item while a request runs, it
				 may be gone */
	struct digest streamed;
	int64_t began_ms, reported, opened_ns;
	LIST_ENTRY(single) link;
};

static struct single *of_work(struct worker_job *work)
{
	return (struct single *)((char *)work - offsetof(struct single, work));
}

static void submit(struct single *s, void (*run)(struct worker_job *), void (*done)(struct worker_job *))
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
static void end(struct single *s)
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

static void end_lane(struct single *s, enum item_lane lane)
{
	item_lane(s->item, lane);
	end(s);
}

static void end_ready(struct single *s)
{
	item_ready(s->item);
	end(s);
}

static void end_done(struct single *s)
{
	item_done(s->item);
	end(s);
}

static void end_retry(struct single *s, int64_t after_s)
{
	item_retry(s->item, backoff_next_ms(&s->item->backoff, backoff_random(), after_s));
	end(s);
}

/* Cancelled, or the pair may not work any more: true when the single ended here. */
static bool gone(struct single *s)
{
	if (!s->canceled && pair_can_work(s->pair))
		return false;
	end_ready(s);
	return true;
}

static void index_failed(struct single *s, int error)
{
	pair_index_failed(s->pair, error);
	end_ready(s);
}

/* --- disk, look-up, verdict --- */

static void look_up(struct single *s);
static void act(struct single *s);

static void hash_run(struct worker_job *work)
{
	struct single *s = of_work(work);
	struct item *it = s->item;
	_cleanup_close_ int root = -1;

	s->work_error = root_open_checked(s->pair, &root);
	if (s->work_error >= 0)
		it->read_error = local_hash(root, it->local, &s->pair->rules, &s->stop_work, &it->l.digest,
					    &it->sig, &it->racy);
}

/* Reading failed: the file moved, went away or may not be read. What cannot be read is listed and left to the
 * next change or scan; tried again at once it would be read for ever. */
static void look_again(struct item *it, int error)
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

static void unreadable(struct single *s, int error)
{
	struct item *it = s->item;
	struct pair *p = s->pair;

	look_again(it, error);
	pair_arm_timers(p);
	end_done(s);
}

static void hashed(struct worker_job *work)
{
	struct single *s = of_work(work);
	struct item *it = s->item;

	s->working = false;
	if (s->work_error < 0) {
		root_check(s->pair);
		end_ready(s);
	} else if (gone(s)) {
		return;
	} else if (it->read_error < 0) {
		unreadable(s, it->read_error);
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
		end_ready(s);
		return;
	}
	server_online(s->pair->server);
	if (!gone(s))
		act(s);
}

static void look_up(struct single *s)
{
	if (lookup_start(s->pair, s->one, 1, looked_up, s, &s->lookup) < 0)
		end_retry(s, 0);
}

static void inspect_run(struct worker_job *work)
{
	struct single *s = of_work(work);
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
	struct single *s = of_work(work);
	struct item *it = s->item;
	int r;

	s->working = false;
	if (s->work_error < 0) {
		root_check(s->pair);
		end_ready(s);
		return;
	}
	if (gone(s))
		return;
	r = judge_load_row(it);
	if (r < 0) {
		index_failed(s, r);
		return;
	}
	take_local(it);
	if (it->l.presence == PLAN_FILE && !it->l.has_digest && it->row.synced && it->l.size == it->row.size)
		submit(s, hash_run, hashed);
	else
		look_up(s);
}

/* --- rescue --- */

/* Nothing is overwritten or deleted until the rescue is possible, or its user does without it. */
static void hold_too_large(struct single *s)
{
	struct item *it = s->item;
	int r = judge_hold(it, INDEX_HOLD_TOO_LARGE, false, &it->r.version, it->r.version.size);

	if (r < 0)
		index_failed(s, r);
	else
		end_done(s);
}

/* Short of memory or descriptors is a moment's trouble. Whatever else the Trash says (full, over quota,
 * read-only, not ours) stays until somebody does something about it. */
static void trash_failed(struct single *s, int error)
{
	report_set_error(s->pair, "cannot keep %s in the Trash: %s", s->item->path, err_text(error));
	if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
		end_retry(s, 0);
	else
		hold_too_large(s);
}

static int rescue_data(void *arg, const void *data, size_t len)
{
	struct single *s = arg;

	s->trash_error = trash_write(s->trash, data, len);
	if (s->trash_error < 0)
		return s->trash_error;
	s->fetched += (int64_t)len;
	return digest_stream_update(s->digest, data, len);
}

static void commit_run(struct worker_job *work)
{
	struct single *s = of_work(work);

	s->work_error = trash_commit(s->trash, &s->trashed);
}

static enum item_lane lane_of(const struct item *it)
{
	return it->l.size > it->pair->batch_file_bytes ? LANE_LARGE : LANE_SMALL;
}

static void rescued(struct single *s, const char *result, const char *message)
{
	struct item *it = s->item;
	struct pair *p = s->pair;

	it->rescued = true;
	it->rescued_version = it->r.version;
	report_history(p, "rescue", it->path, it->r.version.size,
		       it->r.version.has_digest ? &it->r.version.digest : NULL, result, message);
	/* The rescue took time: the present version is looked up before anything is done about it. */
	if (it->plan.verdict == PLAN_RESCUE_DELETE) {
		item_delete(it);
		end(s);
	} else {
		end_lane(s, lane_of(it));
	}
}

static void committed(struct worker_job *work)
{
	struct single *s = of_work(work);
	struct pair *p = s->pair;
	int r;

	s->working = false;
	if (s->work_error < 0) {
		trash_failed(s, s->work_error);
		return;
	}
	s->trash = trash_abort(s->trash);
	p->ip.rescue_used += s->fetched;
	p->rescue_reserved -= s->reserved;
	s->reserved = 0;
	r = index_pair_put(p->engine->p.index, &p->ip, false);
	if (r < 0)
		index_failed(s, r);
	else
		rescued(s, "done", s->trashed);
}

static void rescue_fetched(void *arg, const struct remote_error *error)
{
	struct single *s = arg;
	struct item *it = s->item;
	struct digest got;

	s->call = NULL;
	s->fetching = false;
	if (error->code == ERR_NOT_FOUND) { /* listed without content: nothing to rescue */
		s->trash = trash_abort(s->trash);
		rescued(s, "failed", "the server has no content for this version");
		return;
	}
	if (error->code && s->trash_error < 0) {
		trash_failed(s, s->trash_error);
		return;
	}
	if (error->code) {
		if (error->code != ERR_CANCELED)
			pair_remote_failed(s->pair, error, false);
		if (error->code == ERR_CANCELED || error->code == ERR_OFFLINE)
			end_ready(s);
		else
			end_retry(s, error->retry_after_s);
		return;
	}
	if (digest_stream_final(s->digest, &got) < 0 || s->fetched != it->r.version.size ||
	    (it->r.version.has_digest && !digest_equal(&got, &it->r.version.digest))) {
		log_write(LOG_LEVEL_WARNING, LOG_FIELDS(LOG_PAIR(s->pair->spec->name), LOG_PATH(it->path)),
			  "the version to be rescued came with other bytes than listed; trying again");
		end_retry(s, 0);
		return;
	}
	submit(s, commit_run, committed);
}

static void begin_run(struct worker_job *work)
{
	struct single *s = of_work(work);
	_cleanup_free_ char *original = fs_join(s->pair->spec->local_path, s->item->local);

	s->work_error =
		original ? trash_begin(s->pair->engine->trash, original, s->reserved, &s->trash) : -ENOMEM;
}

static void begun(struct worker_job *work)
{
	struct single *s = of_work(work);
	struct pair *p = s->pair;

	s->working = false;
	if (s->work_error < 0) {
		trash_failed(s, s->work_error);
		return;
	}
	if (gone(s))
		return;
	_cleanup_free_ char *full = pair_full_path(p, s->item->path);

	s->digest = digest_stream_new();

	int r = full && s->digest ? p->remote->ops->fetch(p->remote, p->spec->bucket, full, rescue_data,
							  rescue_fetched, s, &s->call)
				  : -ENOMEM;

	if (r < 0) {
		report_set_error(p, "cannot rescue %s: %s", s->item->path, err_text(r));
		end_retry(s, 0);
		return;
	}
	s->fetching = true;
}

static void rescue(struct single *s)
{
	struct pair *p = s->pair;

	if (s->item->r.version.size > pair_rescue_room(p)) {
		report_set_error(p,
				 "%s is held: with it more than rescue_bytes would go into the Trash today",
				 s->item->path);
		hold_too_large(s);
		return;
	}
	s->reserved = s->item->r.version.size;
	p->rescue_reserved += s->reserved;
	submit(s, begin_run, begun);
}

/* --- stream --- */

static void read_block(struct single *s);

static void open_run(struct worker_job *work)
{
	struct single *s = of_work(work);
	_cleanup_close_ int root = -1;

	s->work_error = root_open_checked(s->pair, &root);
	if (s->work_error < 0)
		return;
	s->opened_ns = clock_wall_ns();
	s->fd = local_open(root, s->item->local, &s->pair->rules, &s->item->sig);
	s->item->read_error = MIN(s->fd, 0);
}

static int read_and_hash(struct single *s, char *block, size_t want)
{
	for (size_t done = 0; done < want;) {
		size_t step = MIN(want - done, (size_t)HASH_STEP);
		ssize_t n = fs_pread_full(s->fd, block + done, step, s->read_bytes);

		if (n < 0)
			return (int)n;
		if ((size_t)n != step) /* the file shrank: what was announced cannot be sent */
			return -ESTALE;

		int r = digest_stream_update(s->digest, block + done, step);

		if (r < 0)
			return r;
		done += step;
		s->read_bytes += n;
	}
	return 0;
}

static void block_run(struct worker_job *work)
{
	struct single *s = of_work(work);
	size_t want = (size_t)MIN((int64_t)BLOCK_BYTES, s->size - s->read_bytes);

	s->block = malloc(want ? want : 1);
	s->block_len = want;
	if (!s->block) {
		s->work_error = -ENOMEM;
		return;
	}
	s->work_error = read_and_hash(s, s->block, want);
	s->block_last = s->read_bytes == s->size;
	if (s->work_error < 0 || !s->block_last)
		return;

	struct index_sig after;

	s->work_error = digest_stream_final(s->digest, &s->streamed);
	if (s->work_error >= 0)
		s->work_error = local_sig_of(s->fd, &after);
	if (s->work_error < 0)
		return;
	s->moved = !local_sig_equal(&after, &s->sig);
	s->racy = s->moved || local_sig_racy(&s->sig, s->opened_ns);
}

static void block_read(struct worker_job *work)
{
	struct single *s = of_work(work);
	struct pair *p = s->pair;
	int r = s->read_error = s->work_error;

	s->working = false;
	if (!s->call) { /* the request ended meanwhile and left the single to us */
		end(s);
		return;
	}
	if (r >= 0 && s->block_last) {
		s->item->l.has_digest = true;
		s->item->l.digest = s->streamed;
		s->item->l.size = s->size;
		s->item->racy = s->racy;
		r = judge_note(s->item, INDEX_NOTE_HASH, &s->item->l.digest);
		s->noted = r >= 0;
		if (r < 0)
			pair_index_failed(p, r);
	}
	if (r >= 0) {
		bool last = s->block_last;

		s->fed += (int64_t)s->block_len;
		s->sent_all_blocks = last;
		r = p->remote->ops->feed(s->call, STEAL(s->block), s->block_len, last);
		if (r >= 0 && !last)
			read_block(s);
	}
	if (s->fed - s->reported >= PROGRESS_BYTES || s->sent_all_blocks) {
		report_bytes(p, s->fed - s->reported);
		s->reported = s->fed;
		report_file(p, s->item->path, "upload", false, (int64_t)p->remote->ops->sent(s->call),
			    s->size, NULL);
	}
	if (r < 0) {
		s->work_error = r;
		p->remote->ops->cancel(s->call);
	}
}

static void read_block(struct single *s)
{
	if (s->working || !s->call || s->sent_all_blocks || s->work_error < 0)
		return;
	if (s->fed > (int64_t)s->pair->remote->ops->sent(s->call) + RUN_AHEAD_BYTES)
		return; /* on_room comes */
	submit(s, block_run, block_read);
}

static void stream_room(void *arg)
{
	read_block(arg);
}

static void recorded(struct single *s, const struct remote_file *file)
{
	struct item *it = s->item;
	struct pair *p = s->pair;
	int64_t now = clock_monotonic_ms();

	if (!file->version.has_digest || !digest_equal(&file->version.digest, &it->l.digest)) {
		item_wrong_hash(it, &file->version);
		return;
	}
	judge_written(it, &file->version, "upload");
	server_large_done(p->server, s->size, now - s->began_ms);
	settle_uploaded(p->settle, it->path, now, now - s->began_ms);
	if (s->moved && settle_moved(p->settle, it->path, now) < 0)
		p->settle_overflow = true;
	item_done(it);
	pair_arm_timers(p);
}

static void stream_done(void *arg, const struct remote_error *error, const struct remote_file *files,
			size_t n, size_t parts_sent)
{
	struct single *s = arg;
	struct pair *p = s->pair;
	struct item *it = s->item;

	s->call = NULL;
	if (!error->code && n == 1 && s->sent_all_blocks) {
		server_online(p->server);
		recorded(s, &files[0]);
	} else if (!error->code) {
		doubt_begin(it, false); /* an answer that fits nothing we sent */
	} else if (error->code == ERR_DOUBT || (error->code == ERR_CANCELED && parts_sent)) {
		pair_remote_failed(p, error, true);
		doubt_begin(it, false);
	} else if (error->code == ERR_CANCELED && s->read_error < 0) {
		look_again(it, s->read_error);
		item_done(it);
		pair_arm_timers(p);
	} else {
		/* Cut before its last byte, or refused: not stored, but a refusal after the last byte is
		 * looked up. */
		report_file(p, it->path, "upload", true, s->fed, s->size, error->message);
		if (refuses_content(error))
			item_count_refusal(it, error);
		if ((error->code == ERR_SERVER || error->code == ERR_REJECTED) && s->noted) {
			doubt_begin(it, true);
		} else if (refuses_content(error)) {
			item_refused(it);
		} else if (judge_unnote(it) < 0) {
			pair_index_failed(p, -EIO);
			item_ready(it);
		} else if (error->code == ERR_TOO_LARGE) {
			report_set_error(p, "%s is larger than the server takes (413)", it->path);
			if (judge_skip(it, "too_large", "larger than the server takes (413)", true,
				       clock_wall_ms() + REFUSED_MS) < 0)
				pair_index_failed(p, -EIO);
			item_done(it);
		} else if (error->code == ERR_CANCELED || error->code == ERR_AUTH) {
			item_ready(it);
		} else if (error->code == ERR_OFFLINE || error->code == ERR_NOT_FOUND) {
			item_again(it);
		} else {
			item_retry(it, backoff_next_ms(&it->backoff, backoff_random(), error->retry_after_s));
		}
		if (error->code != ERR_CANCELED)
			pair_remote_failed(p, error, true);
	}
	s->item = NULL; /* another owner may free it while the worker still reads a block */
	if (!s->working)
		end(s);
}

static const struct remote_upload_callbacks stream_callbacks = {.on_room = stream_room,
								.on_done = stream_done};

static void opened(struct worker_job *work)
{
	struct single *s = of_work(work);
	struct pair *p = s->pair;
	struct item *it = s->item;

	s->working = false;
	if (s->work_error < 0) {
		root_check(p);
		end_ready(s);
		return;
	}
	if (gone(s))
		return;
	if (it->read_error < 0) {
		unreadable(s, it->read_error);
		return;
	}
	it->l.has_digest = false; /* until it was streamed */
	s->sig = it->sig;
	s->size = it->sig.size;
	if (server_sends(p->server, NULL, s->size, NULL)) {
		it->found.sig = s->sig; /* what next_large goes by */
		end_ready(s);
		return;
	}
	_cleanup_free_ char *full = pair_full_path(p, it->path);

	s->digest = digest_stream_new();
	s->began_ms = clock_monotonic_ms();

	int r = full && s->digest ? p->remote->ops->put(p->remote, p->spec->bucket, full, s->size,
							&stream_callbacks, s, &s->call)
				  : -ENOMEM;

	if (r < 0) {
		report_set_error(p, "cannot send %s: %s", it->path, err_text(r));
		end_retry(s, 0);
		return;
	}
	report_file(p, it->path, "upload", false, 0, s->size, NULL);
	s->working = true;
	s->work.run = block_run;
	s->work.done = block_read;
	worker_submit(p->engine->p.pool, WORKER_NORMAL, &s->work);
}

/* --- the verdict --- */

static void act(struct single *s)
{
	struct item *it = s->item;
	int error, r = judge(it);

	if (r < 0) {
		index_failed(s, r);
		return;
	}
	if (judge_settle(it, &error)) {
		if (error < 0)
			end_ready(s);
		else
			end_done(s);
		return;
	}
	bool uploads = it->plan.verdict == PLAN_UPLOAD || it->plan.verdict == PLAN_RESCUE_UPLOAD;
	bool deletes = it->plan.verdict == PLAN_DELETE_REMOTE || it->plan.verdict == PLAN_RESCUE_DELETE;
	bool to_rescue = !judge_rescued(it) &&
			 (it->plan.verdict == PLAN_RESCUE_UPLOAD || it->plan.verdict == PLAN_RESCUE_DELETE);

	if (it->plan.verdict == PLAN_HASH) {
		submit(s, hash_run, hashed);
	} else if (to_rescue && !s->rescues) {
		end_lane(s, LANE_RESCUE);
	} else if (to_rescue && uploads && judge_quarrel(it)) {
		end_done(s);
	} else if (to_rescue) {
		rescue(s);
	} else if (deletes) {
		item_delete(it);
		end(s);
	} else if (uploads && s->rescues) {
		end_lane(s, lane_of(it));
	} else if (uploads) {
		submit(s, open_run, opened);
	} else {
		end_retry(s, 0);
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
	submit(s, inspect_run, inspected);
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
