/* A rescue: the remote version of a path is fetched into the Trash, within the day's budget, before anything
 * overwrites or deletes it. Not here: when one is needed (plan.c), the Trash itself (trash.c). */
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/single.h"
#include <errno.h>

/* Nothing is overwritten or deleted until the rescue is possible, or its user does without it. */
static void hold_too_large(struct single *s)
{
	struct item *it = s->item;
	int r = judge_hold(it, INDEX_HOLD_TOO_LARGE, false, &it->r.version, it->r.version.size);

	if (r < 0)
		single_index_failed(s, r);
	else
		single_end_done(s);
}

/* Short of memory or descriptors is a moment's trouble. Whatever else the Trash says (full, over quota,
 * read-only, not ours) stays until somebody does something about it. */
static void trash_failed(struct single *s, int error)
{
	report_set_error(s->pair, "cannot keep %s in the Trash: %s", s->item->path, err_text(error));
	if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
		single_end_retry(s, 0);
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
	struct single *s = single_of(work);

	s->work_error = trash_commit(s->trash, &s->trashed);
}

static void rescued(struct single *s, const char *result, const char *message)
{
	struct item *it = s->item;
	struct pair *p = s->pair;

	it->refused = 0; /* what is sent next is another matter */
	it->rescued = true;
	it->rescued_version = it->r.version;
	report_history(p, "rescue", it->path, it->r.version.size,
		       it->r.version.has_digest ? &it->r.version.digest : NULL, result, message);
	/* The rescue took time: the present version is looked up before anything is done about it. */
	if (it->plan.verdict == PLAN_RESCUE_DELETE) {
		item_delete(it);
		single_end(s);
	} else {
		single_end_lane(s, single_lane_of(it));
	}
}

static void committed(struct worker_job *work)
{
	struct single *s = single_of(work);
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
		single_index_failed(s, r);
	else
		rescued(s, "done", s->trashed);
}

/* What cannot be fetched is neither overwritten nor deleted, and holds nothing else up for long. */
static void fetch_failed(struct single *s, int status, const char *message)
{
	struct item *it = s->item;
	struct pair *p = s->pair;

	if (!item_count_refusal(it, status)) {
		item_retry(it, item_refusal_pause_ms(p));
		single_end(s);
		return;
	}
	report_set_error(p, "%s: %s", it->path, message);
	report_history(p, "rescue", it->path, it->r.version.size,
		       it->r.version.has_digest ? &it->r.version.digest : NULL, "failed", message);

	int r = judge_skip(it, "refused", message, true, clock_wall_ms() + PARK_MS);

	if (r < 0)
		single_index_failed(s, r);
	else
		single_end_done(s);
}

/* The look-up directly before it was answered: whatever fails again and again now, be it with 503 or by a
 * connection that breaks, fails for this version. */
static void not_fetched(struct single *s, const struct remote_error *error)
{
	struct item *it = s->item;
	bool broken = error->code == ERR_OFFLINE;
	char message[80] = "the connection breaks when its version is fetched from the server";

	switch (error->code) {
	case ERR_CANCELED: single_end_ready(s); return;
	case ERR_OFFLINE:
	case ERR_SERVER:
	case ERR_DOUBT:
	case ERR_REJECTED:
	case ERR_PROTOCOL: break;
	default:
		pair_remote_failed(s->pair, error, false);
		single_end_retry(s, error->retry_after_s);
		return;
	}
	if (broken || error->status == 503 || error->status == 429)
		pair_remote_failed(s->pair, error, false);
	if (broken && it->backoff.failures == 0) {
		item_again(it);
		single_end(s);
		return;
	}
	if (!broken)
		snprintf(message, sizeof message, "the server answers %d when its version is fetched",
			 error->status);
	fetch_failed(s, error->status, message);
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
		not_fetched(s, error);
		return;
	}
	if (digest_stream_final(s->digest, &got) < 0 || s->fetched != it->r.version.size ||
	    (it->r.version.has_digest && !digest_equal(&got, &it->r.version.digest))) {
		log_write(LOG_LEVEL_WARNING, LOG_FIELDS(LOG_PAIR(s->pair->spec->name), LOG_PATH(it->path)),
			  "the version to be rescued came with other bytes than listed; trying again");
		fetch_failed(s, 0, "its version on the server comes with other bytes than listed");
		return;
	}
	single_submit(s, commit_run, committed);
}

static void begin_run(struct worker_job *work)
{
	struct single *s = single_of(work);
	_cleanup_free_ char *original = fs_join(s->pair->spec->local_path, s->item->local);

	s->work_error =
		original ? trash_begin(s->pair->engine->trash, original, s->reserved, &s->trash) : -ENOMEM;
}

static void begun(struct worker_job *work)
{
	struct single *s = single_of(work);
	struct pair *p = s->pair;

	s->working = false;
	if (s->work_error < 0) {
		trash_failed(s, s->work_error);
		return;
	}
	if (single_gone(s))
		return;
	_cleanup_free_ char *full = pair_full_path(p, s->item->path);

	s->digest = digest_stream_new();

	int r = full && s->digest ? p->remote->ops->fetch(p->remote, p->spec->bucket, full, rescue_data,
							  rescue_fetched, s, &s->call)
				  : -ENOMEM;

	if (r < 0) {
		report_set_error(p, "cannot rescue %s: %s", s->item->path, err_text(r));
		single_end_retry(s, 0);
		return;
	}
	s->fetching = true;
}

void single_rescue(struct single *s)
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
	single_submit(s, begin_run, begun);
}
