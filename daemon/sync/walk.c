/* Scans of a pair: what is wanted, pages of the listing, steps in a worker, and what becomes of what they
 * find. Also the hints of inotify, which either dirty one path or want a scan. Not here: the walk itself
 * (scan.c), what is done about a path (judge.c, job.c). */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sync/names.h"
#include "sync/pair.h"
#include <errno.h>

#define OVERFLOW_RATIO 10 /* a tree that overflows all the time is not walked all the time */
#define POLLED_SUBTREES                                                                                      \
	100 /* more directories than this are no list of scans, each compared with all: the tree is walked   \
	     */
#define RETRY_MAX_MS                                                                                         \
	60000 /* a scan that fails is not begun again at once, but what it would find waits for it */

struct walk {
	struct pair *pair;
	struct scan *scan;
	struct scan_want want;
	struct worker_job work;
	struct scan_result result;
	struct remote_file *page_files; /* paths are our copies, cut to the pair's own */
	struct scan_page page;
	bool have_page, working, fetching, canceled;
	char *full_prefix; /* stored prefix: the pair's and the subtree's */
	char *after;
	struct remote_call *call;
	int64_t began_ms;
	bool incomplete;
	struct scan_item vanished[VANISHED_MAX]; /* not acted on before the listing is whole */
	size_t n_vanished;
};

static void step(struct walk *w);

/* --- what is wanted --- */

static void want_free(struct scan_want *w)
{
	free(w->prefix);
	free(w);
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

void walk_want(struct pair *p, const char *prefix, bool walk, bool listing, bool check_all)
{
	struct scan_want *w, *next;

	/* One that covers it is waiting already; or it covers those. */
	TAILQ_FOREACH(w, &p->wants, link)
		if (starts_with(prefix, w->prefix) && w->walk >= walk && w->listing >= listing &&
		    w->check_all >= check_all)
			return;
	TAILQ_FOREACH_SAFE(w, &p->wants, link, next) {
		if (!starts_with(w->prefix, prefix))
			continue;
		walk |= w->walk;
		listing |= w->listing;
		check_all |= w->check_all;
		TAILQ_REMOVE(&p->wants, w, link);
		want_free(w);
	}
	w = calloc(1, sizeof *w);
	if (!w || !(w->prefix = strdup(prefix))) {
		free(w);
		p->overflowed = true; /* the whole tree later */
		return;
	}
	w->walk = walk;
	w->listing = listing;
	w->check_all = check_all;
	TAILQ_INSERT_TAIL(&p->wants, w, link);
	pair_pump_later(p);
}

bool walk_pending(const struct pair *p)
{
	return p->walk || !TAILQ_EMPTY(&p->wants);
}

/* --- the end of one --- */

static void drop_page(struct walk *w)
{
	for (size_t i = 0; i < w->page.n; i++)
		free((char *)w->page_files[i].path);
	free(w->page_files);
	w->page_files = NULL;
	w->page = (struct scan_page){0};
	w->have_page = false;
}

static void walk_free(struct walk *w)
{
	drop_page(w);
	for (size_t i = 0; i < w->n_vanished; i++)
		free(w->vanished[i].path);
	scan_result_done(&w->result);
	scan_free(w->scan);
	free(w->want.prefix);
	free(w->full_prefix);
	free(w->after);
	free(w);
}

static void end(struct walk *w)
{
	struct pair *p = w->pair;

	p->walk = NULL;
	walk_free(w);
	engine_rest_later(p->engine);
	if (TAILQ_EMPTY(&p->wants) && !p->removed)
		engine_rescans_over(&p->rescan_waiters, &(const struct engine_error){0});
	wait_scan_ended(p);
	report_changed(p);
	pair_check_first_sync(p);
	pair_pump_later(p);
}

static void end_again(struct walk *w)
{
	/* It is wanted still. */
	walk_want(w->pair, w->want.prefix, w->want.walk, w->want.listing, w->want.check_all);
	end(w);
}

/* Begun again in a while. */
static void delay(struct pair *p)
{
	int64_t ms = backoff_next_ms(&p->walk_backoff, backoff_random(), 0);

	p->walk_not_before_ms = clock_monotonic_ms() + MIN(ms, (int64_t)RETRY_MAX_MS);
}

static void fail(struct walk *w)
{
	delay(w->pair);
	end_again(w);
}

static void take_item(struct walk *w, const struct scan_item *found);

static void complete(struct walk *w)
{
	struct pair *p = w->pair;
	bool whole = !w->want.prefix[0];
	int64_t now = clock_monotonic_ms();
	int r = 0;

	for (size_t i = 0; i < w->n_vanished; i++)
		take_item(w, &w->vanished[i]);
	if (w->want.walk)
		r = index_skip_drop_older(p->engine->p.index, p->ip.key, w->want.prefix, p->scan_count);
	p->counts_stale = true;
	backoff_reset(&p->walk_backoff);
	if (whole && w->want.walk) {
		p->walk_took_ms = now - w->began_ms;
		p->walk_ended_ms = now;
	}
	if (whole && w->want.walk && w->want.listing) {
		p->ip.last_full_check_ms = clock_wall_ms();
		if (r >= 0)
			r = index_pair_put(p->engine->p.index, &p->ip, false);
		p->accept_empty = false;
		p->first_sync_scanned = true;
		p->first_sync_seq = p->seq + 1;
		holds_review(p);
		pair_arm_timers(p);
	}
	if (r < 0)
		pair_index_failed(p, r);
	end(w);
}

/* --- what was found --- */

static void take_item(struct walk *w, const struct scan_item *found)
{
	struct pair *p = w->pair;
	struct item *it = item_find(p, found->path);
	bool gone = found->local == PLAN_ABSENT && found->has_row;

	if (it) {
		if (it->state == ITEM_BUSY || it->state == ITEM_DOUBT)
			it->again_remote = true; /* set aside until that is settled */
		else
			it->check_remote = true;
		return;
	}
	if (gone && p->n_deletes >= DELETE_MAX) {
		p->deletes_overflow = true;
		return;
	}
	it = item_get(p, found->path);
	if (!it) { /* a name no disk can hold is listed by the scan; else out of memory: the next scan finds
		      it */
		return;
	}
	it->check_remote = found->remote_known || gone;
	it->gone_settled = gone;
	it->verify = w->want.check_all;
	it->found.sig = found->sig; /* a size to go by until it is looked at */
	it->scanned_file = found->local == PLAN_FILE;
	/* Deletions settle longer, those found by a scan too; and what is unsettled is set aside. */
	if (gone || settle_has(p->settle, found->path))
		item_retry(it, p->engine->p.settings->delete_settle_ms);
	else
		item_ready(it);
}

/* A known file is gone from the server, and we did not delete it. One is put back; many say that the bucket
 * is not what it was. So none is acted on before the listing is whole, and their number known. A file that is
 * gone here as well loses nothing. */
bool walk_vanished(const struct pair *p, const struct scan_item *found)
{
	return found->has_row && found->remote_known && !found->remote_present &&
	       found->local != PLAN_ABSENT && !p->accept_empty &&
	       !index_remembers(p->engine->p.index, p->ip.key, found->path, INDEX_NOTE_DELETED, NULL,
				clock_wall_ms());
}

/* False: there are so many that nothing may be done. */
static bool take_items(struct walk *w)
{
	for (size_t i = 0; i < w->result.n_items; i++) {
		struct scan_item *found = &w->result.items[i];

		/* One that is active has been decided upon. */
		if (item_find(w->pair, found->path) || !walk_vanished(w->pair, found)) {
			take_item(w, found);
			continue;
		}
		w->vanished[w->n_vanished] = *found;
		found->path = NULL; /* it is the walk's now */
		if (++w->n_vanished == ARRAY_SIZE(w->vanished))
			return false;
	}
	return true;
}

/* Nothing is put back, and nothing else done, until its user says so. */
static void remote_gone(struct walk *w)
{
	struct pair *p = w->pair;

	report_totals(p);
	p->emptied = true;
	pair_trouble(p, TROUBLE_REMOTE_GONE,
		     "%zu or more of %lld files are gone from the bucket, and not by us; "
		     "`cfctl sync resume %s` sends them again",
		     w->n_vanished, (long long)p->ip.files, p->spec->name);
	end(w);
}

/* What a reason means for its user, where there is no errno to say it. */
static const char *skip_message(const struct scan_skip *s)
{
	static const struct {
		const char *reason, *message;
	} table[] = {
		{"symlink", "a symbolic link is not a file the server could hold"},
		{"fifo", "a FIFO has no content to carry"},
		{"socket", "a socket has no content to carry"},
		{"device", "a device has no content to carry"},
		{"secret",
		 "left out because anyone who knows the bucket can read it; secrets = true carries it"},
		{"name_too_long", "its encoded path does not fit a request line of the server"},
		{"other_filesystem", "a mount below the root is not entered; make it a pair of its own"},
		{"own_state", "the daemon's own directory"},
		{"empty_directory", "the server holds files only"},
		{"bad_name", "no file on this disk can have this name"},
	};

	if (s->error)
		return strerror(-s->error);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].reason, s->reason) == 0)
			return table[i].message;
	return NULL;
}

static int take_skip(struct walk *w, const struct scan_skip *s)
{
	struct pair *p = w->pair;
	char reason[32];
	int64_t retry_ms;
	struct index_skip skip = {
		.path = s->path, .reason = s->reason, .message = skip_message(s), .scan = p->scan_count};

	if (strcmp(s->reason, "ignored") == 0)
		return 0;
	if (index_skip_get(p->engine->p.index, p->ip.key, s->path, reason, &retry_ms) == 0 && retry_ms > 0)
		return 0; /* parked for a reason of its own */
	p->counts_stale = true;
	return index_skip_put(p->engine->p.index, p->ip.key, &skip);
}

static void stepped(struct worker_job *work)
{
	struct walk *w = (struct walk *)((char *)work - offsetof(struct walk, work));
	struct pair *p = w->pair;
	struct scan_result *r = &w->result;
	int error = r->error;

	w->working = false;
	if (w->canceled || !pair_can_work(p)) {
		if (!p->removed)
			walk_want(p, w->want.prefix, w->want.walk, w->want.listing, w->want.check_all);
		end(w);
		return;
	}
	if (error >= 0 && r->n_skips) {
		error = index_begin(p->engine->p.index);
		for (size_t i = 0; error >= 0 && i < r->n_skips; i++)
			error = take_skip(w, &r->skips[i]);
		int c = index_commit(p->engine->p.index);

		if (error >= 0)
			error = c;
		if (error < 0) {
			pair_index_failed(p, error);
			end_again(w);
			return;
		}
	}
	if (error >= 0 && !take_items(w)) {
		remote_gone(w);
		return;
	}
	w->incomplete |= r->incomplete;
	if (error < 0) {
		if (error == -ENOENT || error == -ENOTDIR || error == -ESTALE || error == -EACCES) {
			root_check(p);
		} else {
			report_set_error(p, "the scan failed: %s", err_text(error));
			log_write(LOG_LEVEL_WARNING, LOG_FIELDS(LOG_PAIR(p->spec->name)),
				  "the scan failed: %s", err_text(error));
		}
		fail(w);
		return;
	}
	if (r->done) {
		complete(w);
		return;
	}
	if (r->want_page)
		drop_page(w);
	step(w);
	pair_pump(p);
}

static void step_run(struct worker_job *work)
{
	struct walk *w = (struct walk *)((char *)work - offsetof(struct walk, work));

	scan_step(w->scan, w->have_page ? &w->page : NULL, SCAN_STEP_ITEMS, &w->result);
}

/* --- pages --- */

static void on_page(void *arg, const struct remote_error *error, const struct remote_file *files, size_t n,
		    bool more)
{
	struct walk *w = arg;
	struct pair *p = w->pair;
	size_t cut = strlen(p->spec->remote_prefix);
	bool final = !more, short_page = false;

	w->call = NULL;
	w->fetching = false;
	if (error->code || w->canceled || !pair_can_work(p)) {
		if (error->code && error->code != ERR_CANCELED)
			pair_remote_failed(p, error, false);
		if (p->removed)
			end(w);
		else if (error->code && error->code != ERR_CANCELED)
			fail(w);
		else
			end_again(w);
		return;
	}
	server_online(p->server);
	w->page_files = calloc(n ? n : 1, sizeof *w->page_files);
	for (size_t i = 0; i < n && w->page_files; i++) {
		if (!starts_with(files[i].path, w->full_prefix)) {
			final = true; /* beyond the subtree */
			break;
		}
		w->page_files[w->page.n] = files[i];
		w->page_files[w->page.n].path = strdup(files[i].path + cut);
		if (!w->page_files[w->page.n].path) {
			short_page = true;
			break;
		}
		w->page.n++;
	}
	char *after = n ? strdup(files[n - 1].path) : NULL;

	/* A page cut short would make what is behind the cut look absent. */
	if (!w->page_files || short_page || (n && !after)) {
		free(after);
		p->overflowed = true;
		report_set_error(p, "the scan failed: %s", err_text(-ENOMEM));
		fail(w);
		return;
	}
	if (after) {
		free(w->after);
		w->after = after;
	}
	w->page.files = w->page_files;
	w->page.final = final;
	w->have_page = true;
	step(w);
}

static void fetch_page(struct walk *w)
{
	struct pair *p = w->pair;

	w->page.requested_ns = clock_wall_ns();
	w->fetching = true;
	if (p->remote->ops->list(p->remote, p->spec->bucket, w->after, LIST_PAGE, on_page, w, &w->call) < 0) {
		w->fetching = false;
		report_set_error(p, "the listing failed: %s", err_text(-ENOMEM));
		fail(w);
	}
}

/* Goes on if the queue has room: a scan of any tree takes constant memory. */
static void step(struct walk *w)
{
	struct pair *p = w->pair;

	if (w->working || w->fetching || items_active(p) - p->n_deletes > QUEUE_HIGH)
		return;
	if (w->want.listing && !w->have_page) {
		if (!p->server->offline)
			fetch_page(w);
		return;
	}
	scan_result_done(&w->result);
	w->working = true;
	w->work.run = step_run;
	w->work.done = stepped;
	worker_submit(p->engine->p.pool, WORKER_NORMAL, &w->work);
}

/* --- beginning one --- */

/* What is under way below it may have been read before the directory went, and have no row yet: the walk
 * would miss it. */
static void look_again_after(struct walk *w)
{
	struct pair *p = w->pair;
	size_t cursor = 0, len = strlen(w->want.prefix);
	struct item *it;

	while ((it = strmap_next(p->items, &cursor)))
		if ((it->state == ITEM_BUSY || it->state == ITEM_DOUBT) &&
		    strncmp(it->path, w->want.prefix, len) == 0)
			it->again_remote = true;
}

static int begin(struct pair *p, struct scan_want *want)
{
	struct walk *w = calloc(1, sizeof *w);
	int r = -ENOMEM;

	if (!w)
		return r;
	w->pair = p;
	w->want = *want;
	w->want.prefix = strdup(want->prefix);
	w->full_prefix = w->want.prefix ? pair_full_path(p, w->want.prefix) : NULL;
	w->after = w->full_prefix ? strdup(w->full_prefix) : NULL;
	w->began_ms = clock_monotonic_ms();
	if (w->after) {
		struct scan_params params = {
			.root_path = p->spec->local_path,
			.pair = p->ip.key,
			.index_path = p->engine->p.index_path,
			.prefix = w->want.prefix,
			.remote_prefix = p->spec->remote_prefix,
			.rules = p->rules,
			.watch = p->watch,
			.walk = w->want.walk,
			.listing = w->want.listing,
			.check_all = w->want.check_all,
		};

		r = scan_new(&params, p->root_ino, &w->scan);
	}
	if (r < 0) {
		walk_free(w);
		return r;
	}
	p->scan_count++;
	p->walk = w;
	if (w->want.walk) {
		look_again_after(w);
		if (!w->want.prefix[0])
			wait_walk_begins(p);
	}
	report_changed(p);
	step(w);
	return 0;
}

static bool overflow_due(struct pair *p)
{
	return p->overflowed && clock_monotonic_ms() >= p->walk_ended_ms + p->walk_took_ms * OVERFLOW_RATIO;
}

void walk_pump(struct pair *p)
{
	struct scan_want *want;
	int r;

	if (p->walk) {
		if (items_active(p) - p->n_deletes < QUEUE_LOW)
			step(p->walk);
		return;
	}
	if (overflow_due(p)) {
		p->overflowed = false;
		walk_want(p, "", true, false, false);
	}
	want = TAILQ_FIRST(&p->wants);
	if (!want || !pair_can_work(p) || (want->listing && p->server->offline) ||
	    clock_monotonic_ms() < p->walk_not_before_ms)
		return;
	TAILQ_REMOVE(&p->wants, want, link);
	r = begin(p, want);
	if (r >= 0) {
		want_free(want);
		return;
	}
	report_set_error(p, "the scan could not begin: %s", err_text(r));
	TAILQ_INSERT_HEAD(&p->wants, want, link);
	delay(p);
	pair_pump_later(p);
}

void walk_cancel(struct pair *p)
{
	struct walk *w = p->walk;

	if (!w)
		return;
	w->canceled = true;
	scan_cancel(w->scan);
	if (w->call) {
		p->remote->ops->cancel(w->call);
	} else if (!w->working) {
		/* It waits for room in the queue: nobody else ends it. */
		if (!p->removed)
			end_again(w);
		else
			end(w);
	}
}

/* --- hints --- */

static void want_subtree(struct pair *p, const char *local)
{
	_cleanup_free_ char *encoded = local[0] ? names_encode(local) : strdup("");
	_cleanup_free_ char *prefix = NULL;

	if (encoded && encoded[0]) {
		size_t len = strlen(encoded);

		prefix = malloc(len + 2);
		if (prefix) {
			memcpy(prefix, encoded, len);
			memcpy(prefix + len, "/", 2);
		}
	}
	if (!encoded || (encoded[0] && !prefix))
		p->overflowed = true;
	else
		walk_want(p, prefix ? prefix : "", true, false, false);
}

static int want_polled(void *arg, const char *path)
{
	want_subtree(arg, path);
	return 0;
}

void walk_want_polled(struct pair *p)
{
	int64_t watched, polled;

	if (!p->watch)
		return;
	watch_counts(p->watch, &watched, &polled);
	if (polled > POLLED_SUBTREES)
		walk_want(p, "", true, false, false);
	else
		watch_polled_each(p->watch, want_polled, p);
}

void renamed_free(struct renamed *x)
{
	if (!x)
		return;
	free(x->old_path);
	free(x->new_path);
	free(x);
}

static void remember_rename(struct pair *p, const char *old_local, const char *new_local)
{
	struct renamed *x = calloc(1, sizeof *x), *old;

	if (!x)
		return; /* then it is a creation and a deletion */
	x->old_path = names_encode(old_local);
	x->new_path = names_encode(new_local);
	x->at_ns = clock_wall_ns();
	if (!x->old_path || !x->new_path) {
		renamed_free(x);
		return;
	}
	old = strmap_remove(p->renames, x->old_path);
	renamed_free(old);
	if (strmap_count(p->renames) >= DELETE_MAX || strmap_put(p->renames, x->old_path, x) < 0)
		renamed_free(x);
}

void walk_on_hint(void *arg, enum watch_hint hint, const char *path, const char *new_path, bool is_dir)
{
	struct pair *p = arg;

	switch (hint) {
	case WATCH_CLOSED: pair_hint(p, path, SETTLE_CLOSED); break;
	case WATCH_OPEN: pair_hint(p, path, SETTLE_OPEN); break;
	case WATCH_GONE:
		if (is_dir)
			want_subtree(p, path);
		pair_hint(p, path, SETTLE_GONE);
		break;
	case WATCH_RENAMED:
		if (is_dir) {
			want_subtree(p, new_path);
			want_subtree(p, path);
		} else {
			remember_rename(p, path, new_path);
			pair_hint(p, new_path, SETTLE_CLOSED);
			pair_hint(p, path, SETTLE_GONE);
		}
		break;
	case WATCH_DIR_NEW:
		pair_hint(p, path, SETTLE_GONE); /* a file of that name is no more */
		want_subtree(p, path);
		break;
	case WATCH_RESCAN: want_subtree(p, path); break;
	case WATCH_OVERFLOW:
		log_write(LOG_LEVEL_INFO, LOG_FIELDS(LOG_PAIR(p->spec->name)),
			  "more changes than the kernel could queue; walking the tree");
		p->overflowed = true;
		break;
	case WATCH_ROOT_LOST: root_check(p); break;
	}
	pair_arm_timers(p);
	pair_pump_later(p);
}
