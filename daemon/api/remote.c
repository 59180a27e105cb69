/* The server as the sync engine wants it: sync/remote.h on a struct api. Uploads are in
 * upload.c. Not here: retries and schedules. */
#include "api/remote.h"
#include "api/internal.h"
#include "api/upload.h"
#include "api/url.h"
#include "base/err.h"
#include "base/log.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

struct api_remote {
	struct remote head;
	struct api *api;
	struct remote_call *calls;
	bool freed; /* goes with its last call */
};

enum call_kind { CALL_LIST, CALL_BUCKET, CALL_PUT, CALL_BATCH, CALL_REMOVE, CALL_FETCH };

struct remote_call {
	struct api_remote *remote;
	struct remote_call *next, **prev;
	enum call_kind kind;
	struct api_call *api_call;    /* list, bucket */
	struct http_request *request; /* remove, fetch */
	struct upload *upload;        /* put, batch */
	struct answer_texts texts;
	void *arg;
	union {
		remote_list_cb list;
		remote_bucket_cb bucket;
		remote_done_cb done;
		struct remote_upload_callbacks upload;
	} cb;
	int (*on_data)(void *arg, const void *data, size_t len);
};

/* Calls */

static struct api_remote *of(struct remote *r)
{
	return (struct api_remote *)((char *)r - offsetof(struct api_remote, head));
}

static struct remote_call *new_call(struct api_remote *r, enum call_kind kind, void *arg)
{
	struct remote_call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->remote = r;
	c->kind = kind;
	c->arg = arg;
	c->next = r->calls;
	if (c->next)
		c->next->prev = &c->next;
	c->prev = &r->calls;
	r->calls = c;
	return c;
}

static void free_remote(struct api_remote *r)
{
	api_unref(r->api);
	free(r);
}

static void free_call(struct remote_call *c)
{
	struct api_remote *r = c->remote;

	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	answer_texts_done(&c->texts);
	free(c);
	if (r->freed && !r->calls)
		free_remote(r);
}

/* Hands out the call that has begun, or lets go of the one that has not. */
static int begun(struct remote_call *c, int r, struct remote_call **ret_call)
{
	if (r < 0)
		free_call(c);
	else if (ret_call)
		*ret_call = c;
	return r;
}

static struct remote_error error_of(const struct api_error *e)
{
	return (struct remote_error){
		.code = e->code,
		.status = e->status,
		.message = e->message,
		.retry_after_s = e->retry_after_s,
	};
}

static int version_of(const struct api_file *f, struct remote_version *ret_version)
{
	*ret_version = (struct remote_version){.size = f->size, .has_digest = f->sha256};
	if (f->sha256 && digest_from_hex(f->sha256, &ret_version->digest) < 0)
		return ERR_PROTOCOL;
	snprintf(ret_version->updated_at, sizeof(ret_version->updated_at), "%s", f->version);
	return 0;
}

/* NULL: out of memory. */
static struct remote_file *files_of(const struct api_file *files, size_t n)
{
	_Static_assert(REMOTE_STAMP_MAX >= ANSWER_TIME_MAX, "a version is kept whole");
	struct remote_file *out = calloc(n + 1, sizeof(*out));

	for (size_t i = 0; out && i < n; i++) {
		out[i].path = files[i].path;
		/* The reader has checked the hash. */
		(void)version_of(&files[i], &out[i].version);
	}
	return out;
}

/* Reading */

static void on_list(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
		    bool more)
{
	struct remote_call *c = arg;
	_cleanup_free_ struct remote_file *out = files_of(files, n);
	struct remote_error e = error_of(error);

	if (!out) {
		e = (struct remote_error){.code = -ENOMEM, .message = err_text(-ENOMEM)};
		n = 0;
		more = false;
	}
	c->cb.list(c->arg, &e, out, n, more);
	free_call(c);
}

static int op_list(struct remote *r, const char *bucket, const char *after, int limit, remote_list_cb cb,
		   void *arg, struct remote_call **ret_call)
{
	struct remote_call *c = new_call(of(r), CALL_LIST, arg);

	if (!c)
		return -ENOMEM;
	c->cb.list = cb;
	return begun(c,
		     api_file_scan(c->remote->api, bucket, after, limit, HTTP_BULK, on_list, c, &c->api_call),
		     ret_call);
}

static void on_bucket(void *arg, const struct api_error *error, const struct api_bucket *b)
{
	struct remote_call *c = arg;
	struct remote_error e = error_of(error);
	struct remote_bucket out = {0};

	if (b)
		out = (struct remote_bucket){
			.id = b->id,
			.name = b->name,
			.created_at = b->created_at,
			.expires_at = b->expires_at,
			.file_count = b->file_count,
		};
	c->cb.bucket(c->arg, &e, b ? &out : NULL);
	free_call(c);
}

static int op_bucket(struct remote *r, const char *bucket, remote_bucket_cb cb, void *arg,
		     struct remote_call **ret_call)
{
	struct remote_call *c = new_call(of(r), CALL_BUCKET, arg);

	if (!c)
		return -ENOMEM;
	c->cb.bucket = cb;
	return begun(c, api_bucket_get(c->remote->api, bucket, on_bucket, c, &c->api_call), ret_call);
}

static int op_create_bucket(struct remote *r, const char *name, remote_bucket_cb cb, void *arg,
			    struct remote_call **ret_call)
{
	struct remote_call *c = new_call(of(r), CALL_BUCKET, arg);

	if (!c)
		return -ENOMEM;
	c->cb.bucket = cb;
	return begun(c, api_bucket_create(c->remote->api, name, NULL, "never", on_bucket, c, &c->api_call),
		     ret_call);
}

/* Single requests on a file */

static void on_plain_done(void *arg, const struct http_result *result)
{
	struct remote_call *c = arg;
	struct api_error error;

	c->request = NULL;
	answer_error(result, c->kind == CALL_REMOVE, &c->texts, &error);
	struct remote_error e = error_of(&error);
	c->cb.done(c->arg, &e);
	free_call(c);
}

static int op_remove(struct remote *r, const char *bucket, const char *path, remote_done_cb cb, void *arg,
		     struct remote_call **ret_call)
{
	static const struct http_callbacks callbacks = {.on_done = on_plain_done};
	_cleanup_buf_ struct buf url = {0};
	int e = upload_file_url(&url, of(r)->api, bucket, path, "");

	if (e < 0)
		return e;
	struct remote_call *c = new_call(of(r), CALL_REMOVE, arg);
	if (!c)
		return -ENOMEM;
	c->cb.done = cb;
	const struct http_spec spec = {
		.method = "DELETE",
		.url = url.data,
		.bearer = api_bearer(c->remote->api),
		.class = HTTP_BULK,
		.total_timeout_ms = HTTP_REST_TIMEOUT_MS,
	};
	return begun(c, http_start(c->remote->api->http, &spec, &callbacks, c, &c->request), ret_call);
}

static int on_fetch_headers(void *arg, struct http_request *request, int status)
{
	/* Only the whole file is asked for; a part or nothing in its place is not it. */
	return status >= 200 && status < 300 && status != 200 ? ERR_PROTOCOL : 0;
}

static int on_fetch_data(void *arg, const void *data, size_t len)
{
	struct remote_call *c = arg;

	return c->on_data(c->arg, data, len);
}

static int op_fetch(struct remote *r, const char *bucket, const char *path,
		    int (*on_data)(void *arg, const void *data, size_t len), remote_done_cb cb, void *arg,
		    struct remote_call **ret_call)
{
	static const struct http_callbacks callbacks = {
		.on_headers = on_fetch_headers, .on_data = on_fetch_data, .on_done = on_plain_done};
	_cleanup_buf_ struct buf url = {0};
	int e = upload_file_url(&url, of(r)->api, bucket, path, "/content");

	if (e < 0)
		return e;
	struct remote_call *c = new_call(of(r), CALL_FETCH, arg);
	if (!c)
		return -ENOMEM;
	c->cb.done = cb;
	c->on_data = on_data;
	const struct http_spec spec = {
		.method = "GET",
		.url = url.data,
		.bearer = api_bearer(c->remote->api),
		.class = HTTP_BULK,
	};
	return begun(c, http_start(c->remote->api->http, &spec, &callbacks, c, &c->request), ret_call);
}

/* Uploads */

static void on_room(void *arg)
{
	struct remote_call *c = arg;

	if (c->cb.upload.on_room)
		c->cb.upload.on_room(c->arg);
}

static bool on_answered(void *arg)
{
	struct remote_call *c = arg;

	return c->cb.upload.on_answered(c->arg);
}

static void on_stored(void *arg, const struct api_error *error, const struct remote_file *files, size_t n,
		      size_t parts_sent)
{
	struct remote_call *c = arg;
	struct remote_error e = error_of(error);

	c->upload = NULL;
	c->cb.upload.on_done(c->arg, &e, files, n, parts_sent);
	free_call(c);
}

/* path NULL: a batch. */
static int start_upload(struct remote *r, const char *bucket, const char *path, int64_t size,
			const struct remote_upload_callbacks *cb, void *arg, struct remote_call **ret_call)
{
	const struct upload_callbacks callbacks = {
		.on_room = on_room,
		.on_answered = cb->on_answered ? on_answered : NULL,
		.on_stored = on_stored,
	};
	const struct upload_spec spec = {.bucket = bucket, .path = path, .size = size, .class = HTTP_BULK};
	struct remote_call *c = new_call(of(r), path ? CALL_PUT : CALL_BATCH, arg);

	if (!c)
		return -ENOMEM;
	c->cb.upload = *cb;
	return begun(c, upload_start(c->remote->api, &spec, &callbacks, c, &c->upload), ret_call);
}

static int op_put(struct remote *r, const char *bucket, const char *path, int64_t size,
		  const struct remote_upload_callbacks *cb, void *arg, struct remote_call **ret_call)
{
	return size < 0 ? -EINVAL : start_upload(r, bucket, path, size, cb, arg, ret_call);
}

static int op_batch(struct remote *r, const char *bucket, const struct remote_upload_callbacks *cb, void *arg,
		    struct remote_call **ret_call)
{
	return start_upload(r, bucket, NULL, -1, cb, arg, ret_call);
}

static int op_feed(struct remote_call *c, void *data, size_t len, bool last)
{
	return upload_feed(c->upload, data, len, last);
}

static int op_part(struct remote_call *c, const char *path, void *data, size_t len)
{
	return upload_part(c->upload, path, data, len);
}

static int op_finish(struct remote_call *c)
{
	return upload_finish(c->upload);
}

static uint64_t op_sent(struct remote_call *c)
{
	return upload_sent(c->upload);
}

static void op_collect(struct remote_call *c)
{
	upload_collect(c->upload);
}

static void op_cancel(struct remote_call *c)
{
	if (!c)
		return;
	api_call_cancel(c->api_call);
	http_cancel(c->request);
	upload_cancel(c->upload);
}

static const struct remote_ops ops = {
	.list = op_list,
	.bucket = op_bucket,
	.create_bucket = op_create_bucket,
	.put = op_put,
	.batch = op_batch,
	.feed = op_feed,
	.part = op_part,
	.finish = op_finish,
	.collect = op_collect,
	.sent = op_sent,
	.remove = op_remove,
	.fetch = op_fetch,
	.cancel = op_cancel,
};

int api_remote_new(struct api *api, struct remote **ret_remote)
{
	struct api_remote *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->head = (struct remote){.ops = &ops, .server_key = api_url(api)};
	r->api = api_ref(api);
	*ret_remote = &r->head;
	return 0;
}

struct remote *api_remote_free(struct remote *remote)
{
	if (!remote)
		return NULL;
	struct api_remote *r = of(remote);
	r->freed = true;
	for (struct remote_call *c = r->calls; c; c = c->next)
		op_cancel(c);
	if (!r->calls)
		free_remote(r);
	return NULL;
}
