/*
 * PATCH of a file's content: a rewrite of the whole, as in the original: no precondition, no lock, no event.
 */
#include "api.h"
#include "api_content.h"
#include "auth.h"
#include "buckets.h"
#include "counters.h"
#include "faults.h"
#include "http/reply.h"
#include "json_out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define COPY_BYTES (256 * 1024)

/* Where the patch goes. 0; 1: answered. */
static int read_position(struct request *r, int64_t size, int64_t *ret_start)
{
	struct span range = request_header(r, "Content-Range");

	if (span_eq_ci(request_header(r, "X-Append"), SPAN("true"))) {
		*ret_start = size;
		return 0;
	}
	if (range.n < 6 || memcmp(range.p, "bytes ", 6) != 0) {
		reply_errors(r, 400, "Content-Range header required for non-append PATCH");
		return 1;
	}
	struct span rest = {range.p + 6, range.n - 6};
	const char *dash = memchr(rest.p, '-', rest.n);
	if (!dash || !parse_int64((struct span){rest.p, (size_t)(dash - rest.p)}, ret_start)) {
		reply_errors(r, 400, "Invalid Content-Range");
		return 1;
	}
	if (*ret_start > size) {
		reply_errors(r, 416, "Range not satisfiable");
		return 1;
	}
	return 0;
}

/* Adds the bytes [from, to) of the old content. */
static int add_old(struct stage *st, const struct content_file *old, int64_t from, int64_t to)
{
	_cleanup_free_ char *piece = malloc(COPY_BYTES);

	if (!piece)
		return -ENOMEM;
	while (from < to) {
		size_t want = to - from < COPY_BYTES ? (size_t)(to - from) : COPY_BYTES;
		ssize_t n = pread(old->fd, piece, want, old->base + from);
		if (n <= 0)
			return -EIO;
		int r = stage_add(st, (struct span){piece, (size_t)n});
		if (r < 0)
			return r;
		from += n;
	}
	return 0;
}

static int rewrite(struct request *r, struct stage *st, const struct content_file *old, int64_t start)
{
	struct span piece;
	int64_t added = 0;
	int n = stage_begin(st);

	if (n == 0)
		n = add_old(st, old, 0, start);
	while (n == 0 && (n = request_read_body(r, &piece)) > 0) {
		added += (int64_t)piece.n;
		n = stage_add(st, piece);
	}
	if (n == 0)
		n = add_old(st, old, start + added, old->size);
	return n < 0 ? n : stage_finish(st);
}

static int reply_row(struct server *s, struct request *r, struct span path)
{
	_cleanup_file_ struct file_row f = {0};
	_cleanup_buf_ struct buf json = {0};

	store_lock(s->store);
	bool found = file_load(s->store, r->params[0], path, &f);
	store_unlock(s->store);
	if (!found) /* deleted meanwhile */
		return reply_empty(r, 200);
	file_add_json(&json, &f.view);
	return reply_json(r, 200, &json);
}

static int patch(struct server *s, struct request *r, struct span path, const struct file_view *old,
		 int64_t start)
{
	__attribute__((cleanup(stage_done))) struct stage stage;
	struct file_commit c = {.bucket_id = r->params[0], .path = path, .stage = &stage, .is_patch = true};
	_cleanup_content_ struct content_file bytes = {.fd = -1};

	stage_init(&stage, &s->store->contents);
	int n = file_open_content(s->store, old->sha256, &bytes);
	if (n < 0)
		return n; /* the content is gone: the original fails too */
	n = rewrite(r, &stage, &bytes, start);
	if (n == 0)
		n = fault_before_commit(r);
	if (n < 0)
		return n;
	n = file_commit_run(s->store, r, &c);
	counters_written(r, c.bucket_id, path, stage.sha);
	store_lock(s->store);
	int committed = store_commit(s->store);
	store_unlock(s->store);
	if (n < 0 || committed < 0)
		return n < 0 ? n : committed;
	return reply_row(s, r, path);
}

int api_file_patch(struct server *s, struct request *r)
{
	_cleanup_caller_ struct caller caller = {0};
	_cleanup_file_ struct file_row f = {0};
	struct span path = r->params[1];
	int64_t start;

	if (path.n == 0)
		return reply_empty(r, 400);
	if (!file_cut_suffix(&path, SPAN("/content")))
		return reply_empty(r, 404);
	enum found found = file_find(s, r->params[0], path, &f);
	if (found == FOUND_NO_BUCKET)
		return file_reply_not_found(r, found);
	if (auth_for_upload(s, r, r->params[0], &caller))
		return 0;
	if (found == FOUND_NO_FILE)
		return reply_error(r, 404, SPAN("File not found"), "Use upload endpoints to create files.");
	if (read_position(r, f.view.size, &start))
		return 0;
	if (!f.view.sha256.p)
		return reply_empty(r, 404);
	return patch(s, r, path, &f.view, start);
}
