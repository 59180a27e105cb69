/* The server as the sync engine wants it: sync/remote.h on a struct api. What is particular here: which form
 * an upload takes, which of its parts may have arrived, and that whatever is not certain is in doubt. Not
 * here: retries and schedules. */
#include "api/remote.h"
#include "api/internal.h"
#include "api/multipart.h"
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

struct part {
	char *path;
	uint64_t end; /* where in the body its last byte is */
};

struct remote_call {
	struct api_remote *remote;
	struct remote_call *next, **prev;
	enum call_kind kind;
	struct api_call *api_call;    /* list, bucket */
	struct http_request *request; /* the others */
	struct answer_texts texts;
	void *arg;
	union {
		remote_list_cb list;
		remote_bucket_cb bucket;
		remote_done_cb done;
		struct remote_upload_callbacks upload;
	} cb;
	int (*on_data)(void *arg, const void *data, size_t len);

	/* Uploads: */
	char boundary[MULTIPART_BOUNDARY_SIZE]; /* "" for a raw body */
	uint64_t appended;                      /* bytes of the body so far */
	int64_t size, fed;                      /* of the file of a put */
	bool ended;
	struct part *parts;
	size_t n_parts, parts_room;
	char *answer; /* waits to be collected */
	size_t answer_len;
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
	for (size_t i = 0; i < c->n_parts; i++)
		free(c->parts[i].path);
	free(c->parts);
	free(c->answer);
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

static int file_url(struct buf *b, struct api_remote *r, const char *bucket, const char *path,
		    const char *suffix)
{
	/* Before anything else: a DELETE of ".." would delete the bucket. */
	int e = url_id_valid(bucket) ? url_path_check(path) : -EINVAL;

	if (e == 0)
		e = buf_printf(b, "%s/api/buckets/%s/files/", r->api->url, bucket);
	if (e == 0)
		e = url_append_path(b, path);
	if (e == 0)
		e = buf_append_str(b, suffix);
	return e < 0 ? e : buf_terminate(b);
}

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
	int e = file_url(&url, of(r), bucket, path, "");

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
	int e = file_url(&url, of(r), bucket, path, "/content");

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

/* Uploads: what goes out */

static int append(struct remote_call *c, void *data, size_t len)
{
	int e = http_body_take(c->request, data, len);

	if (e == 0)
		c->appended += len;
	return e;
}

static int append_buf(struct remote_call *c, struct buf *b)
{
	size_t len = b->len;

	char *data = STEAL(b->data);
	*b = (struct buf){0};
	return append(c, data, len);
}

static int add_part(struct remote_call *c, const char *path)
{
	if (c->n_parts == c->parts_room) {
		size_t room = c->parts_room ? c->parts_room * 2 : 16;
		struct part *parts = realloc(c->parts, room * sizeof(*parts));
		if (!parts)
			return -ENOMEM;
		c->parts = parts;
		c->parts_room = room;
	}
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	/* Not over before its data is there. */
	c->parts[c->n_parts++] = (struct part){copy, UINT64_MAX};
	return 0;
}

/* The server stores a PUT of another name and then fails to write it into its Location header: 500. */
static bool fits_put(const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path < 0x20 || (unsigned char)*path > 0x7E)
			return false;
	return true;
}

/* path NULL: multipart. */
static int upload_url(struct buf *b, struct api *api, const char *bucket, const char *path)
{
	const char *token = api_upload_token(api);
	int e = buf_printf(b, "%s/api/buckets/%s/upload", api->url, bucket);

	if (e == 0 && path) {
		e = buf_append_str(b, "/stream?filename=");
		if (e == 0)
			e = url_append_query(b, path);
	}
	if (e == 0 && token) {
		e = buf_append_str(b, path ? "&token=" : "?token=");
		if (e == 0)
			e = url_append_query(b, token);
	}
	return e < 0 ? e : buf_terminate(b);
}

static void on_room(void *arg)
{
	struct remote_call *c = arg;

	if (!c->ended && c->cb.upload.on_room)
		c->cb.upload.on_room(c->arg);
}

static void on_upload_done(void *arg, const struct http_result *result);

static int start_upload(struct remote_call *c, const char *bucket, const char *put_path, int64_t body_size)
{
	static const struct http_callbacks callbacks = {.on_room = on_room, .on_done = on_upload_done};
	static const char *const raw[] = {"Content-Type: application/octet-stream", NULL};
	char type[MULTIPART_BOUNDARY_SIZE + 64];
	const char *const multipart[] = {type, NULL};
	struct api *api = c->remote->api;
	_cleanup_buf_ struct buf url = {0};
	int e = upload_url(&url, api, bucket, put_path);

	if (e < 0)
		return e;
	snprintf(type, sizeof(type), "Content-Type: multipart/form-data; boundary=%s", c->boundary);
	const struct http_spec spec = {
		.method = put_path ? "PUT" : "POST",
		.url = url.data,
		.bearer = api_bearer(api),
		.headers = put_path ? raw : multipart,
		.has_body = true,
		.body_size = body_size,
		.class = HTTP_BULK,
	};
	e = http_start(api->http, &spec, &callbacks, c, &c->request);
	if (url.data && api_upload_token(api))
		secret_wipe(url.data, url.cap);
	return e;
}

/* A name that PUT cannot carry: one part, its frame around the caller's bytes, of exact length. */
static int start_framed(struct remote_call *c, const char *bucket, const char *path, int64_t size)
{
	_cleanup_buf_ struct buf head = {0}, frame_end = {0};

	multipart_boundary(c->boundary);
	int e = multipart_append_head(&head, c->boundary, path);
	if (e == 0)
		e = multipart_append_tail(&frame_end);
	if (e == 0)
		e = multipart_append_end(&frame_end, c->boundary);
	if (e == 0)
		e = start_upload(c, bucket, NULL, (int64_t)head.len + size + (int64_t)frame_end.len);
	if (e < 0)
		return e;
	c->parts[0].end = head.len + (uint64_t)size;
	/* Without memory for it the body stays short: the exchange ends as cancelled, nothing is stored. */
	if (append_buf(c, &head) < 0)
		http_cancel(c->request);
	return 0;
}

static int op_put(struct remote *r, const char *bucket, const char *path, int64_t size,
		  const struct remote_upload_callbacks *cb, void *arg, struct remote_call **ret_call)
{
	int e = url_id_valid(bucket) && size >= 0 ? url_path_check(path) : -EINVAL;

	if (e < 0)
		return e;
	struct remote_call *c = new_call(of(r), CALL_PUT, arg);
	if (!c)
		return -ENOMEM;
	c->cb.upload = *cb;
	c->size = size;
	e = add_part(c, path);
	if (e == 0 && fits_put(path)) {
		c->parts[0].end = (uint64_t)size;
		e = start_upload(c, bucket, path, size);
	} else if (e == 0) {
		e = start_framed(c, bucket, path, size);
	}
	return begun(c, e, ret_call);
}

static int op_batch(struct remote *r, const char *bucket, const struct remote_upload_callbacks *cb, void *arg,
		    struct remote_call **ret_call)
{
	if (!url_id_valid(bucket))
		return -EINVAL;
	struct remote_call *c = new_call(of(r), CALL_BATCH, arg);
	if (!c)
		return -ENOMEM;
	c->cb.upload = *cb;
	multipart_boundary(c->boundary);
	return begun(c, start_upload(c, bucket, NULL, -1), ret_call);
}

static int end_body(struct remote_call *c)
{
	_cleanup_buf_ struct buf end = {0};
	int e = 0;

	if (c->boundary[0]) {
		if (c->kind == CALL_PUT)
			e = multipart_append_tail(&end);
		if (e == 0)
			e = multipart_append_end(&end, c->boundary);
		if (e == 0)
			e = append_buf(c, &end);
	}
	/* Without its end the body is not stored. */
	if (e < 0)
		http_cancel(c->request);
	else
		http_body_end(c->request);
	c->ended = true;
	return e;
}

static int op_feed(struct remote_call *c, void *data, size_t len, bool last)
{
	if (c->kind != CALL_PUT || c->ended || (int64_t)len > c->size - c->fed ||
	    (last && (int64_t)len != c->size - c->fed)) {
		free(data);
		return -EINVAL;
	}
	c->fed += (int64_t)len;
	int e = append(c, data, len);
	return e == 0 && last ? end_body(c) : e;
}

static int op_part(struct remote_call *c, const char *path, void *data, size_t len)
{
	_cleanup_buf_ struct buf head = {0}, tail = {0};
	int e = c->kind == CALL_BATCH && !c->ended ? url_path_check(path) : -EINVAL;

	if (e == 0)
		e = multipart_append_head(&head, c->boundary, path);
	if (e == 0)
		e = multipart_append_tail(&tail);
	if (e == 0)
		e = add_part(c, path);
	if (e < 0) {
		free(data);
		return e;
	}
	/* From here on half a part may be queued: the request is worth nothing any more on failure. */
	e = append_buf(c, &head);
	if (e == 0)
		e = append(c, data, len);
	else
		free(data);
	if (e == 0) {
		c->parts[c->n_parts - 1].end = c->appended;
		e = append_buf(c, &tail);
	}
	if (e < 0)
		http_cancel(c->request);
	return e;
}

static int op_finish(struct remote_call *c)
{
	return c->kind == CALL_BATCH && !c->ended ? end_body(c) : -EINVAL;
}

static uint64_t op_sent(struct remote_call *c)
{
	return c->request ? http_body_sent(c->request) : 0;
}

/* Uploads: what comes back */

static size_t parts_sent(const struct remote_call *c, uint64_t sent_bytes)
{
	size_t n = 0;

	while (n < c->n_parts && c->parts[n].end <= sent_bytes)
		n++;
	return n;
}

/* 201 and the list of what was stored, in the order sent, or it is not known what was. */
static int read_uploaded(const struct remote_call *c, const struct http_result *result,
			 struct json_object **ret_object, struct answer_files *ret_files)
{
	int e = result->status == 201 && result->body ? 0 : ERR_PROTOCOL;

	if (e == 0)
		e = json_parse(result->body, result->body_len, ret_object, NULL);
	if (e == 0)
		e = answer_files(*ret_object, "uploaded", c->remote->api->url, ret_files);
	if (e == 0 && ret_files->n != c->n_parts)
		e = ERR_PROTOCOL;
	for (size_t i = 0; e == 0 && i < c->n_parts; i++)
		if (strcmp(ret_files->files[i].path, c->parts[i].path) != 0)
			e = ERR_PROTOCOL;
	return e;
}

static void end_upload(struct remote_call *c, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	_cleanup_free_ struct remote_file *files = NULL;
	struct answer_files read = {0};
	struct api_error error;
	size_t sent = parts_sent(c, result->sent_bytes);

	answer_error(result, true, &c->texts, &error);
	struct remote_error e = error_of(&error);
	/* A part is stored when its boundary is seen, before the end of the body. A raw body has no such
	 * mark: without its last byte it is nothing. */
	if (e.code == ERR_OFFLINE && c->boundary[0] && c->n_parts > 0 && sent == c->n_parts &&
	    (c->kind == CALL_PUT || c->ended)) {
		e.code = ERR_DOUBT;
		e.message = err_text(ERR_DOUBT);
	}
	if (e.code == 0) {
		if (read_uploaded(c, result, &object, &read) == 0)
			files = files_of(read.files, read.n);
		if (!files) {
			e.code = ERR_DOUBT;
			e.message = "The server's answer to an upload cannot be understood: it is not known "
				    "what it stored";
			read.n = 0;
		}
	}
	c->ended = true;
	c->cb.upload.on_done(c->arg, &e, files, e.code == 0 ? read.n : 0, sent);
	answer_files_done(&read);
	free_call(c);
}

/* Without memory the answer is read at once. */
static bool keep_answer(struct remote_call *c, const struct http_result *result)
{
	if (!c->cb.upload.on_answered || result->error || result->status != 201 || !result->body)
		return false;
	c->answer = malloc(result->body_len + 1);
	if (!c->answer)
		return false;
	memcpy(c->answer, result->body, result->body_len + 1); /* it is terminated */
	c->answer_len = result->body_len;
	return c->cb.upload.on_answered(c->arg);
}

static void on_upload_done(void *arg, const struct http_result *result)
{
	struct remote_call *c = arg;

	c->request = NULL;
	if (!keep_answer(c, result))
		end_upload(c, result);
}

static void op_collect(struct remote_call *c)
{
	const struct http_result result = {
		.status = 201,
		.body = c->answer,
		.body_len = c->answer_len,
		.sent_all = true,
		.sent_bytes = c->appended,
	};

	end_upload(c, &result);
}

static void op_cancel(struct remote_call *c)
{
	if (!c)
		return;
	api_call_cancel(c->api_call);
	http_cancel(c->request);
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
