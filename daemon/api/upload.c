/* The upload request of upload.h. Not here: retries, look-ups, and where the bytes come from. */
#include "api/upload.h"
#include "api/internal.h"
#include "api/multipart.h"
#include "api/uploaded.h"
#include "api/url.h"
#include "base/err.h"
#include <errno.h>
#include <string.h>

/* Of a part: up to here a copy is cheaper than a buffer of its own in the queue. */
#define COPY_MAX_BYTES 16384

struct part {
	char *path;
	uint64_t end; /* where in the body its last byte is */
};

struct upload {
	struct api *api;
	struct http_request *request;
	struct upload_callbacks callbacks;
	void *arg;
	struct answer_texts texts;
	bool many;
	char boundary[MULTIPART_BOUNDARY_SIZE]; /* "" for a raw body */
	uint64_t appended;                      /* bytes of the body so far */
	int64_t size, fed;                      /* of the one file; size -1: unknown */
	bool ended;
	struct buf frame; /* of the part that is appended; kept for its memory */
	struct part *parts;
	size_t n_parts, parts_room;
	char *answer; /* waits to be collected */
	size_t answer_len;
};

static struct upload *upload_free(struct upload *u)
{
	if (!u)
		return NULL;
	for (size_t i = 0; i < u->n_parts; i++)
		free(u->parts[i].path);
	buf_done(&u->frame);
	free(u->parts);
	free(u->answer);
	answer_texts_done(&u->texts);
	api_unref(u->api);
	free(u);
	return NULL;
}

/* What goes out */

int upload_file_url(struct buf *b, const struct api *api, const char *bucket, const char *path,
		    const char *suffix)
{
	/* Before anything else: a DELETE of ".." would delete the bucket. */
	int e = url_id_valid(bucket) ? url_path_check(path) : -EINVAL;

	if (e == 0)
		e = buf_printf(b, "%s/api/buckets/%s/files/", api->url, bucket);
	if (e == 0)
		e = url_append_path(b, path);
	if (e == 0)
		e = buf_append_str(b, suffix);
	return e < 0 ? e : buf_terminate(b);
}

static int append(struct upload *u, void *data, size_t len)
{
	int e = http_body_take(u->request, data, len);

	if (e == 0)
		u->appended += len;
	return e;
}

static int append_copy(struct upload *u, const void *data, size_t len)
{
	int e = http_body_copy(u->request, data, len);

	if (e == 0)
		u->appended += len;
	return e;
}

static int append_buf(struct upload *u, struct buf *b)
{
	size_t len = b->len;

	char *data = STEAL(b->data);
	*b = (struct buf){0};
	return append(u, data, len);
}

static int add_part(struct upload *u, const char *path)
{
	if (u->n_parts == u->parts_room) {
		size_t room = u->parts_room ? u->parts_room * 2 : 16;
		struct part *parts = realloc(u->parts, room * sizeof(*parts));
		if (!parts)
			return -ENOMEM;
		u->parts = parts;
		u->parts_room = room;
	}
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	/* Not over before its data is there. */
	u->parts[u->n_parts++] = (struct part){copy, UINT64_MAX};
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
static int upload_url(struct buf *b, const struct upload_spec *spec, const struct api *api, const char *path,
		      const char *token)
{
	int e = buf_printf(b, "%s/api/buckets/%s/upload", api->url, spec->bucket);

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
	struct upload *u = arg;

	if (!u->ended && u->callbacks.on_room)
		u->callbacks.on_room(u->arg);
}

static void on_done(void *arg, const struct http_result *result);

static int start(struct upload *u, const struct upload_spec *spec, bool put, int64_t body_size)
{
	static const struct http_callbacks callbacks = {.on_room = on_room, .on_done = on_done};
	static const char *const raw[] = {"Content-Type: application/octet-stream", NULL};
	char type[MULTIPART_BOUNDARY_SIZE + 64];
	const char *const multipart[] = {type, NULL};
	const char *token = spec->token ? spec->token : api_upload_token(u->api);
	_cleanup_buf_ struct buf url = {0};
	int e = upload_url(&url, spec, u->api, put ? spec->path : NULL, token);

	if (e < 0)
		return e;
	snprintf(type, sizeof(type), "Content-Type: multipart/form-data; boundary=%s", u->boundary);
	const struct http_spec request = {
		.method = put ? "PUT" : "POST",
		.url = url.data,
		/* A credential beside a token would win, and the token go unused. */
		.bearer = spec->token ? NULL : api_bearer(u->api),
		.headers = put ? raw : multipart,
		.has_body = true,
		.body_size = body_size,
		.class = spec->class,
	};
	e = http_start(u->api->http, &request, &callbacks, u, &u->request);
	if (url.data && token)
		secret_wipe(url.data, url.cap);
	return e;
}

/* A name that PUT cannot carry: one part, its frame around the caller's bytes, of exact length if theirs is
 * known. */
static int start_framed(struct upload *u, const struct upload_spec *spec)
{
	_cleanup_buf_ struct buf head = {0}, frame_end = {0};

	multipart_boundary(u->boundary);
	int e = multipart_append_head(&head, u->boundary, spec->path);
	if (e == 0)
		e = multipart_append_tail(&frame_end);
	if (e == 0)
		e = multipart_append_end(&frame_end, u->boundary);
	if (e == 0)
		e = start(u, spec, false,
			  spec->size < 0 ? -1 : (int64_t)head.len + spec->size + (int64_t)frame_end.len);
	if (e < 0)
		return e;
	if (spec->size >= 0)
		u->parts[0].end = head.len + (uint64_t)spec->size;
	/* Without memory for it the body stays short: the exchange ends as cancelled, nothing is stored. */
	if (append_buf(u, &head) < 0)
		http_cancel(u->request);
	return 0;
}

static int start_one(struct upload *u, const struct upload_spec *spec)
{
	int e = url_path_check(spec->path);

	if (e == 0)
		e = add_part(u, spec->path);
	if (e < 0)
		return e;
	if (!fits_put(spec->path))
		return start_framed(u, spec);
	if (spec->size >= 0)
		u->parts[0].end = (uint64_t)spec->size;
	return start(u, spec, true, spec->size);
}

int upload_start(struct api *api, const struct upload_spec *spec, const struct upload_callbacks *callbacks,
		 void *arg, struct upload **ret_upload)
{
	if (!url_id_valid(spec->bucket) || spec->size < -1)
		return -EINVAL;
	struct upload *u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->api = api_ref(api);
	u->callbacks = *callbacks;
	u->arg = arg;
	u->many = !spec->path;
	u->size = spec->size;
	int e;
	if (u->many) {
		multipart_boundary(u->boundary);
		e = start(u, spec, false, -1);
	} else {
		e = start_one(u, spec);
	}
	if (e < 0)
		upload_free(u);
	else
		*ret_upload = u;
	return e;
}

static int end_body(struct upload *u)
{
	_cleanup_buf_ struct buf end = {0};
	int e = 0;

	if (!u->many && u->size < 0)
		u->parts[0].end = u->appended;
	if (u->boundary[0]) {
		if (!u->many)
			e = multipart_append_tail(&end);
		if (e == 0)
			e = multipart_append_end(&end, u->boundary);
		if (e == 0)
			e = append_buf(u, &end);
	}
	/* Without its end the body is not stored. */
	if (e < 0)
		http_cancel(u->request);
	else
		http_body_end(u->request);
	u->ended = true;
	return e;
}

int upload_feed(struct upload *u, void *data, size_t len, bool last)
{
	if (u->many || u->ended || (u->size >= 0 && (int64_t)len > u->size - u->fed) ||
	    (u->size >= 0 && last && (int64_t)len != u->size - u->fed)) {
		free(data);
		return -EINVAL;
	}
	u->fed += (int64_t)len;
	int e = append(u, data, len);
	return e == 0 && last ? end_body(u) : e;
}

int upload_part(struct upload *u, const char *path, void *data, size_t len)
{
	struct buf *frame = &u->frame;
	int e = u->many && !u->ended ? url_path_check(path) : -EINVAL;

	frame->len = 0;
	if (e == 0)
		e = multipart_append_head(frame, u->boundary, path);
	size_t head_len = frame->len;
	if (e == 0)
		e = multipart_append_tail(frame);
	if (e == 0)
		e = add_part(u, path);
	if (e < 0) {
		free(data);
		return e;
	}
	/* From here on half a part may be queued: the request is worth nothing any more on failure. */
	e = append_copy(u, frame->data, head_len);
	if (e == 0 && len > COPY_MAX_BYTES) {
		e = append(u, data, len);
	} else {
		if (e == 0)
			e = append_copy(u, data, len);
		free(data);
	}
	if (e == 0) {
		u->parts[u->n_parts - 1].end = u->appended;
		e = append_copy(u, frame->data + head_len, frame->len - head_len);
	}
	if (e < 0)
		http_cancel(u->request);
	return e;
}

int upload_finish(struct upload *u)
{
	return u->many && !u->ended ? end_body(u) : -EINVAL;
}

uint64_t upload_sent(const struct upload *u)
{
	return u->request ? http_body_sent(u->request) : 0;
}

size_t upload_queued(const struct upload *u)
{
	return u->request ? http_body_queued(u->request) : 0;
}

void upload_cancel(struct upload *u)
{
	if (u)
		http_cancel(u->request);
}

/* What comes back */

static size_t parts_sent(const struct upload *u, uint64_t sent_bytes)
{
	size_t n = 0;

	while (n < u->n_parts && u->parts[n].end <= sent_bytes)
		n++;
	return n;
}

/* 201 and the list of what was stored, in the order sent, or it is not known what was. */
static int read_uploaded(const struct upload *u, const struct http_result *result,
			 struct json_object **ret_object, struct answer_files *ret_files)
{
	int e = result->status == 201 && result->body ? 0 : ERR_PROTOCOL;

	if (e == 0)
		e = json_parse(result->body, result->body_len, ret_object, NULL);
	if (e == 0)
		e = answer_files(*ret_object, "uploaded", u->api->url, ret_files);
	if (e == 0 && ret_files->n != u->n_parts)
		e = ERR_PROTOCOL;
	for (size_t i = 0; e == 0 && i < u->n_parts; i++)
		if (strcmp(ret_files->files[i].path, u->parts[i].path) != 0)
			e = ERR_PROTOCOL;
	return e;
}

/* The same without a tree, for callers that want versions only. NULL: it is not known. */
static struct remote_file *read_versions(const struct upload *u, const struct http_result *result)
{
	_cleanup_free_ struct remote_file *files =
		result->status == 201 && result->body ? calloc(u->n_parts + 1, sizeof(*files)) : NULL;

	for (size_t i = 0; files && i < u->n_parts; i++)
		files[i].path = u->parts[i].path;
	if (!files || uploaded_read(result->body, result->body_len, files, u->n_parts) < 0)
		return NULL;
	return STEAL(files);
}

static void end_upload(struct upload *u, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	_cleanup_free_ struct remote_file *versions = NULL;
	struct answer_files read = {0};
	struct api_error error;
	size_t sent = parts_sent(u, result->sent_bytes);

	answer_error(result, true, &u->texts, &error);
	error.url = u->api->url;
	/* A part is stored when its boundary is seen, before the end of the body. A raw body has no such
	 * mark: without its last byte it is nothing. */
	if (error.code == ERR_OFFLINE && u->boundary[0] && u->n_parts > 0 && sent == u->n_parts &&
	    (!u->many || u->ended)) {
		error.code = ERR_DOUBT;
		error.message = err_text(ERR_DOUBT);
	}
	if (error.code == 0 && u->callbacks.on_stored)
		versions = read_versions(u, result);
	if (error.code == 0 &&
	    (u->callbacks.on_stored ? !versions : read_uploaded(u, result, &object, &read) < 0)) {
		error.code = ERR_DOUBT;
		error.message = "The server's answer to an upload cannot be understood: it is not known what "
				"it stored";
	}
	u->ended = true;
	if (u->callbacks.on_stored)
		u->callbacks.on_stored(u->arg, &error, error.code ? NULL : versions,
				       error.code ? 0 : u->n_parts, sent);
	else
		u->callbacks.on_done(u->arg, &error, error.code ? NULL : read.files, error.code ? 0 : read.n,
				     sent);
	answer_files_done(&read);
	upload_free(u);
}

/* Without memory the answer is read at once. */
static bool keep_answer(struct upload *u, const struct http_result *result)
{
	if (!u->callbacks.on_answered || result->error || result->status != 201 || !result->body)
		return false;
	u->answer = malloc(result->body_len + 1);
	if (!u->answer)
		return false;
	memcpy(u->answer, result->body, result->body_len + 1); /* it is terminated */
	u->answer_len = result->body_len;
	return u->callbacks.on_answered(u->arg);
}

static void on_done(void *arg, const struct http_result *result)
{
	struct upload *u = arg;

	u->request = NULL;
	if (!keep_answer(u, result))
		end_upload(u, result);
}

void upload_collect(struct upload *u)
{
	const struct http_result result = {
		.status = 201,
		.body = u->answer,
		.body_len = u->answer_len,
		.sent_all = true,
		.sent_bytes = u->appended,
	};

	end_upload(u, &result);
}
