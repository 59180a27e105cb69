/*
 * One file: its metadata, the check of its content, its deletion. GET and HEAD of a path that ends in
 * /content or /verify are cut here; the content itself is served in api_content.c.
 */
#include "api.h"
#include "api_content.h"
#include "auth.h"
#include "buckets.h"
#include "files.h"
#include "http/reply.h"
#include "json_out.h"

#include <errno.h>

bool file_cut_suffix(struct span *path, struct span suffix)
{
	if (path->n < suffix.n || !span_eq_ci((struct span){path->p + path->n - suffix.n, suffix.n}, suffix))
		return false;
	path->n -= suffix.n;
	return true;
}

enum found file_find(struct server *s, struct span bucket_id, struct span path, struct file_row *ret)
{
	enum found found = FOUND_FILE;

	store_lock(s->store);
	if (!bucket_is_live(s->store, bucket_id))
		found = FOUND_NO_BUCKET;
	else if (!file_load(s->store, bucket_id, path, ret))
		found = FOUND_NO_FILE;
	store_unlock(s->store);
	return found;
}

int file_reply_not_found(struct request *r, enum found found)
{
	return reply_errors(r, 404, found == FOUND_NO_BUCKET ? "Bucket not found" : "File not found");
}

static int reply_metadata(struct server *s, struct request *r, struct span path)
{
	_cleanup_file_ struct file_row f = {0};
	_cleanup_buf_ struct buf json = {0};
	enum found found = file_find(s, r->params[0], path, &f);

	if (found != FOUND_FILE)
		return file_reply_not_found(r, found);
	file_add_json(&json, &f.view);
	return reply_json(r, 200, &json);
}

static int reply_verify(struct server *s, struct request *r, struct span path)
{
	_cleanup_file_ struct file_row f = {0};
	_cleanup_buf_ struct buf json = {0};
	_cleanup_content_ struct content_file content = {.fd = -1};
	char computed[SHA_HEX_LEN + 1] = "";
	enum found found = file_find(s, r->params[0], path, &f);

	if (found == FOUND_FILE && !f.view.sha256.p)
		found = FOUND_NO_FILE;
	if (found != FOUND_FILE)
		return file_reply_not_found(r, found);
	int n = file_open_content(s->store, f.view.sha256, &content);
	if (n == 0)
		n = contents_hash(&content, computed);
	if (n < 0 && n != -ENOENT)
		return n;
	json_open(&json, '{');
	json_add_text(&json, "path", path);
	json_add_text(&json, "stored_hash", f.view.sha256);
	json_add_text(&json, "computed_hash", span_of(computed));
	json_add_bool(&json, "valid", span_eq(f.view.sha256, span_of(computed)));
	json_close(&json, '}');
	return reply_json(r, 200, &json);
}

int api_file_get(struct server *s, struct request *r)
{
	struct span path = r->params[1];

	if (path.n == 0)
		return reply_empty(r, 400);
	if (file_cut_suffix(&path, SPAN("/content")))
		return content_reply(s, r, path);
	if (file_cut_suffix(&path, SPAN("/verify")))
		return reply_verify(s, r, path);
	return reply_metadata(s, r, path);
}

int api_file_delete(struct server *s, struct request *r)
{
	_cleanup_caller_ struct caller caller = {0};
	_cleanup_bucket_ struct bucket b = {0};
	_cleanup_file_ struct file_row f = {0};

	if (r->params[1].n == 0)
		return reply_empty(r, 400);
	store_lock(s->store);
	bool found = bucket_load_live(s->store, r->params[0], &b);
	store_unlock(s->store);
	if (!found)
		return reply_errors(r, 404, "Bucket not found");
	if (auth_require_any(s, r, &caller))
		return 0;
	if (!caller_owns(&caller, buf_span(&b.owner)))
		return reply_errors(r, 404, "File not found");
	int n = 0;
	store_lock(s->store);
	found = file_load(s->store, r->params[0], r->params[1], &f);
	if (found)
		n = file_delete(s->store, r->params[0], &f.view);
	if (n == 0)
		n = store_commit(s->store);
	store_unlock(s->store);
	if (n < 0)
		return n;
	return found ? reply_no_content(r) : reply_errors(r, 404, "File not found");
}
