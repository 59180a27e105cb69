/* A large file streamed through SHA-256 in one request; its last block is held back until its hash is noted.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/single.h"
#include <errno.h>

/* One turn of a worker. The worker waits for the loop between turns, so a turn is long; within it the bytes
 * are hashed step by step while they are in the core's cache. */
#define BLOCK_BYTES    (4 << 20)
#define HASH_STEP      (256 << 10)
#define PROGRESS_BYTES (4 << 20) /* a watcher hears of a stream this often at most */

static void read_block(struct single *s);

static void open_run(struct worker_job *work)
{
	struct single *s = single_of(work);
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
	struct single *s = single_of(work);
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
	struct single *s = single_of(work);
	struct pair *p = s->pair;
	int r = s->read_error = s->work_error;

	s->working = false;
	if (!s->call) { /* the request ended meanwhile and left the single to us */
		single_end(s);
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
	single_submit(s, block_run, block_read);
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
		single_look_again(it, s->read_error);
		item_done(it);
		pair_arm_timers(p);
	} else {
		/* Cut before its last byte, or refused: not stored, but a refusal after the last byte is
		 * looked up. */
		report_file(p, it->path, "upload", true, s->fed, s->size, error->message);
		if (refuses_content(error))
			item_count_refusal(it, error->status);
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
		single_end(s);
}

static const struct remote_upload_callbacks stream_callbacks = {.on_room = stream_room,
								.on_done = stream_done};

static void opened(struct worker_job *work)
{
	struct single *s = single_of(work);
	struct pair *p = s->pair;
	struct item *it = s->item;

	s->working = false;
	if (s->work_error < 0) {
		root_check(p);
		single_end_ready(s);
		return;
	}
	if (single_gone(s))
		return;
	if (it->read_error < 0) {
		single_unreadable(s, it->read_error);
		return;
	}
	it->l.has_digest = false; /* until it was streamed */
	s->sig = it->sig;
	s->size = it->sig.size;
	if (server_sends(p->server, NULL, s->size, NULL)) {
		it->found.sig = s->sig; /* what next_large goes by */
		single_end_ready(s);
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
		single_end_retry(s, 0);
		return;
	}
	report_file(p, it->path, "upload", false, 0, s->size, NULL);
	s->working = true;
	s->work.run = block_run;
	s->work.done = block_read;
	worker_submit(p->engine->p.pool, WORKER_NORMAL, &s->work);
}

void single_stream(struct single *s)
{
	single_submit(s, open_run, opened);
}
