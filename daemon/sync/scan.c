/* The merge: local names, index rows and the pages of a listing, all in encoded order, compared path by path.
 * Lives here: what differs enough to be emitted. Not here: reading directories (scan_walk.c), reading rows
 * (scan_rows.c), deciding what to do (plan.c). */
#include "sync/scan.h"
#include "base/clock.h"
#include "sync/names.h"
#include "sync/scan_rows.h"
#include "sync/scan_walk.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

/* Paths between two looks at the clock and the cancel flag. */
#define LOOK_PATHS 512

struct scan {
	struct local_rules rules;
	char *root_path, *remote_prefix;
	uint64_t root_ino;
	bool walk, listing, check_all;
	struct scan_walk walker;
	struct scan_rows rows;
	char *prefix;
	size_t prefix_len;
	atomic_bool cancel;

	/* The page being merged. */
	bool page_begun;
	size_t page_at;

	bool finished;
	struct scan_result *result; /* while a step runs */

	pthread_mutex_t lock;
	char *position; /* under the lock */
};

/* The streams at the smallest path that any of them stands at. */
struct heads {
	const char *path;
	const struct scan_walk_entry *local; /* NULL: nothing by this name */
	const struct scan_row *row;
	const struct remote_file *remote;
};

/* Results */

static int grow(void **array, size_t *cap, size_t n, size_t size)
{
	if (n < *cap)
		return 0;
	size_t more = *cap ? *cap * 2 : 64;
	void *p = reallocarray(*array, more, size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*cap = more;
	return 0;
}

static int add_item(struct scan_result *result, const struct scan_item *item, const char *path)
{
	int r = grow((void **)&result->items, &result->cap_items, result->n_items, sizeof(*item));
	char *copy = r == 0 ? strdup(path) : NULL;

	if (!copy)
		return -ENOMEM;
	result->items[result->n_items] = *item;
	result->items[result->n_items++].path = copy;
	return 0;
}

static int add_skip(void *arg, const char *path, const char *reason, int error)
{
	struct scan_result *result = ((struct scan *)arg)->result;
	int r = grow((void **)&result->skips, &result->cap_skips, result->n_skips, sizeof(*result->skips));
	char *copy = r == 0 ? strdup(path) : NULL;

	if (!copy)
		return -ENOMEM;
	result->skips[result->n_skips++] = (struct scan_skip){.path = copy, .reason = reason, .error = error};
	return 0;
}

void scan_result_done(struct scan_result *r)
{
	for (size_t i = 0; i < r->n_items; i++)
		free(r->items[i].path);
	for (size_t i = 0; i < r->n_skips; i++)
		free(r->skips[i].path);
	free(r->items);
	free(r->skips);
	*r = (struct scan_result){0};
}

/* Judging one path */

static bool same_version(const struct remote_version *remote, const struct remote_version *row)
{
	return strcmp(remote->updated_at, row->updated_at) == 0 &&
	       (!remote->has_digest || digest_equal(&remote->digest, &row->digest));
}

/* A page does not judge what was written after it was asked for. */
static bool judged(const struct scan *s, const struct heads *h, const struct scan_page *page)
{
	return s->listing && (!h->row || h->row->written_ns <= page->requested_ns);
}

static bool remote_in_order(const struct heads *h)
{
	if (!h->row || !h->row->synced)
		return !h->remote && !h->row;
	return h->remote && same_version(&h->remote->version, &h->row->version);
}

/* Can the path of a row or a listing be this pair's at all? false: it was told as a skip, or is none of our
 * business. */
static int is_covered(struct scan *s, const struct heads *h, bool *ret_covered)
{
	_cleanup_free_ char *local = NULL;
	int r = names_decode(h->path, &local);

	*ret_covered = false;
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return add_skip(s, h->path, r == -ENAMETOOLONG ? "name_too_long" : "bad_name", 0);
	const char *reason = local_verdict_reason(ignore_path(&s->rules.ignore, local, false, NULL));
	if (!reason)
		*ret_covered = true;
	else if (h->row) /* what is no longer covered is listed */
		return add_skip(s, h->path, reason, 0);
	return 0;
}

static int judge_file(struct scan *s, const struct heads *h, const struct scan_page *page)
{
	bool known = judged(s, h, page);
	bool same = h->row && h->row->synced && !h->row->noted && !h->row->gone_here &&
		    local_sig_equal(&h->local->sig, &h->row->sig) && (!known || remote_in_order(h));

	if (same && !s->check_all) {
		s->result->equal++;
		return 0;
	}
	if (!h->row && !names_fits_url(s->remote_prefix, h->path))
		return add_skip(s, h->path, "name_too_long", 0);
	struct scan_item item = {.local = PLAN_FILE,
				 .sig = h->local->sig,
				 .linked = h->local->linked,
				 .has_row = h->row && h->row->synced,
				 .remote_known = known,
				 .remote_present = known && h->remote};
	if (item.remote_present)
		item.remote = h->remote->version;
	return add_item(s->result, &item, h->path);
}

/* Nothing on disk by that name, or (without a walk) nothing known of it. */
static int judge_absent(struct scan *s, const struct heads *h, const struct scan_page *page)
{
	bool known = judged(s, h, page), covered;

	if (s->walk) {
		/* Kept on the server and gone here since long: only a change there matters. */
		if (h->row && h->row->gone_here && !h->row->noted && (!known || remote_in_order(h)))
			return 0;
		if (!h->row && !known)
			return 0;
	} else if (!known || remote_in_order(h)) {
		return 0;
	}
	int r = is_covered(s, h, &covered);
	if (r < 0 || !covered)
		return r;
	struct scan_item item = {.local = s->walk ? PLAN_ABSENT : PLAN_UNKNOWN,
				 .has_row = h->row && h->row->synced,
				 .remote_known = known,
				 .remote_present = known && h->remote};
	if (item.remote_present)
		item.remote = h->remote->version;
	return add_item(s->result, &item, h->path);
}

/* Streams */

static bool starts_with(const char *path, const char *prefix)
{
	return strncmp(path, prefix, strlen(prefix)) == 0;
}

/* The page's present file below the prefix; NULL: used up. */
static const struct remote_file *page_peek(struct scan *s, const struct scan_page *page)
{
	while (s->page_at < page->n && !starts_with(page->files[s->page_at].path, s->prefix))
		s->page_at++;
	return s->page_at < page->n ? &page->files[s->page_at] : NULL;
}

static int compare_heads(const char *a, const char *b)
{
	return !a ? b != NULL : !b ? -1 : strcmp(a, b);
}

/* Lines the streams up at the smallest path. h->path NULL: all are at their end. */
static int peek(struct scan *s, const struct scan_page *page, struct heads *h)
{
	const char *row_path, *local_path = NULL;
	int r = scan_rows_peek(&s->rows, &h->row, &row_path);

	h->local = NULL;
	if (r == 0 && s->walk)
		r = scan_walk_peek(&s->walker, &h->local);
	if (r < 0)
		return r;
	if (h->local && h->local->kind != WALK_END)
		local_path = h->local->path;
	h->remote = s->listing ? page_peek(s, page) : NULL;
	const char *remote_path = h->remote ? h->remote->path : NULL;

	h->path = local_path;
	if (compare_heads(row_path, h->path) < 0)
		h->path = row_path;
	if (compare_heads(remote_path, h->path) < 0)
		h->path = remote_path;
	if (!local_path || compare_heads(local_path, h->path) != 0)
		h->local = NULL;
	if (!row_path || compare_heads(row_path, h->path) != 0)
		h->row = NULL;
	if (!remote_path || compare_heads(remote_path, h->path) != 0)
		h->remote = NULL;
	return 0;
}

/* Nothing is known below "a/": rows and remote files there are passed over. *ret_more: the subtree may go on
 * in the next page. */
static int pass_hole(struct scan *s, const struct scan_page *page, const char *hole, bool *ret_more)
{
	int r = scan_rows_pass(&s->rows, hole);

	*ret_more = false;
	if (r < 0 || !s->listing)
		return r;
	const struct remote_file *f;
	while ((f = page_peek(s, page)) && starts_with(f->path, hole))
		s->page_at++;
	*ret_more = !f && !page->final;
	return 0;
}

/* One path; *ret_more: a page is needed first. */
static int merge_one(struct scan *s, const struct scan_page *page, const struct heads *h, bool *ret_more)
{
	int r = 0;

	*ret_more = false;
	if (h->local && h->local->kind == WALK_HOLE) {
		r = pass_hole(s, page, h->path, ret_more);
		if (r == 0 && !*ret_more)
			scan_walk_advance(&s->walker);
		return r;
	}
	if (!h->local)
		r = judge_absent(s, h, page);
	else if (h->local->kind == WALK_FILE)
		r = judge_file(s, h, page);
	if (r < 0)
		return r;
	/* Each stream moves only after the path, which is one of theirs, was used. */
	if (h->remote)
		s->page_at++;
	if (h->row)
		scan_rows_advance(&s->rows);
	if (h->local)
		scan_walk_advance(&s->walker);
	return 0;
}

static int note_position(struct scan *s, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&s->lock);
	free(s->position);
	s->position = copy;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static bool is_time(struct scan *s, int64_t n, int64_t until_ms)
{
	return n % LOOK_PATHS == LOOK_PATHS - 1 &&
	       (atomic_load(&s->cancel) || clock_monotonic_ms() >= until_ms);
}

static int merge(struct scan *s, const struct scan_page *page, size_t max_items, struct buf *last)
{
	struct scan_result *result = s->result;
	int64_t until_ms = clock_monotonic_ms() + SCAN_STEP_MS;

	for (int64_t n = 0; result->n_items + result->n_skips < max_items; n++) {
		struct heads h;
		bool more = false;

		if (is_time(s, n, until_ms))
			return atomic_load(&s->cancel) ? -ECANCELED : 0;
		/* Behind the last file of a page that is not the last, nothing is known of the server. */
		if (s->listing && !page->final && !page_peek(s, page)) {
			result->want_page = true;
			return 0;
		}
		int r = peek(s, page, &h);
		if (r < 0)
			return r;
		if (!h.path) {
			result->done = s->finished = true;
			return 0;
		}
		last->len = 0;
		r = buf_append(last, h.path, strlen(h.path) + 1);
		if (r == 0)
			r = merge_one(s, page, &h, &more);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Steps */

static int open_root(struct scan *s)
{
	struct stat st;
	_cleanup_close_ int fd = local_root_open(s->root_path);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != s->rules.root_dev || st.st_ino != s->root_ino)
		return -ESTALE;
	scan_walk_resume(&s->walker, STEAL_FD(fd));
	return 0;
}

static int step(struct scan *s, const struct scan_page *page, size_t max_items)
{
	_cleanup_buf_ struct buf last = {0};
	int r = s->walk ? open_root(s) : 0;

	if (r < 0)
		return r;
	r = merge(s, page, max_items, &last);
	if (r == 0 && last.len > 0)
		r = note_position(s, last.data);
	return r;
}

void scan_step(struct scan *s, const struct scan_page *page, size_t max_items, struct scan_result *ret_result)
{
	*ret_result = (struct scan_result){.done = s->finished};
	if (s->finished)
		return;
	if (s->listing && !page) {
		ret_result->want_page = true;
		return;
	}
	if (!s->page_begun)
		s->page_at = 0;
	s->page_begun = true;

	s->result = ret_result;
	ret_result->error = step(s, page, max_items);
	s->result = NULL;
	if (ret_result->want_page)
		s->page_begun = false;
	if (s->walk) {
		scan_walk_suspend(&s->walker);
		ret_result->files = s->walker.files;
		ret_result->directories = s->walker.directories;
		ret_result->incomplete = s->walker.incomplete;
		s->walker.files = s->walker.directories = 0;
		s->walker.incomplete = false;
	}
}

void scan_cancel(struct scan *s)
{
	atomic_store(&s->cancel, true);
}

char *scan_position(struct scan *s)
{
	pthread_mutex_lock(&s->lock);
	char *copy = strdup(s->position ? s->position : "");
	pthread_mutex_unlock(&s->lock);
	return copy;
}

int scan_new(const struct scan_params *params, uint64_t root_ino, struct scan **ret_scan)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->walker.root_fd = -1;
	s->rules = params->rules;
	s->root_ino = root_ino;
	s->walk = params->walk;
	s->listing = params->listing;
	s->check_all = params->check_all;
	s->prefix = strdup(params->prefix);
	s->root_path = strdup(params->walk ? params->root_path : "");
	s->remote_prefix = strdup(params->remote_prefix ? params->remote_prefix : "");
	int r = s->prefix && s->root_path && s->remote_prefix ? 0 : -ENOMEM;
	if (r == 0)
		r = scan_rows_open(&s->rows, params->index_path, params->pair, params->prefix);
	if (r == 0)
		r = scan_walk_init(&s->walker, params->prefix, &s->rules, params->watch, &s->cancel, add_skip,
				   s);
	if (r < 0) {
		scan_free(s);
		return r;
	}
	*ret_scan = s;
	return 0;
}

struct scan *scan_free(struct scan *s)
{
	if (!s)
		return NULL;
	scan_walk_done(&s->walker);
	scan_rows_close(&s->rows);
	free(s->prefix);
	free(s->root_path);
	free(s->remote_prefix);
	free(s->position);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}
