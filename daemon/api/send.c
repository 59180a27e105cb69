/* To the server: Upload, AppendFile, PatchFile. What was read is fed to one request, its last block only when
 * it is certain that the file held still; an answer that did not come is replaced by a look-up, and nothing
 * is sent a second time but what the server cannot have. */
#include "api/transfer_parts.h"
#include "api/url.h"
#include "base/err.h"
#include <errno.h>
#include <string.h>

/* Read ahead of what the kernel took: blocks in the thread and in the request's queue. */
#define AHEAD_BYTES (2 << 20)
/* Of a pipe so much is read before the request begins. What is smaller has a known size then, and a
 * source that begins slowly is not cut off by the server, which wants 240 bytes a second from the start. */
#define FIRST_BYTES (1 << 20)
/* A whole file whose request was cut off, or that the server failed to store, is sent so many times in all:
 * two first uploads of one content at once make one of them fail for no other reason. */
#define SEND_TRIES 3
/* So long the end of a pipe is not believed, but looked whether who passed it goes as well. */
#define END_WAIT_MS 50
/* A write whose answer was lost is looked for so often, while the server may still be working on it. */
static const int64_t look_after_ms[] = {0, 250, 500, 1000, 2000};

static void ask(struct transfer *t);
static void begin(struct transfer *t);

static void drop_waiting(struct transfer *t)
{
	struct block *b;

	while ((b = t->waiting)) {
		t->waiting = b->next;
		free(b->data);
		free(b);
	}
	t->waiting_end = &t->waiting;
	t->waiting_bytes = 0;
}

void send_done(struct transfer *t)
{
	drop_waiting(t);
	free(STEAL(t->end_data));
}

/* --- the request --- */

static size_t queued(const struct transfer *t)
{
	return t->upload ? upload_queued(t->upload) : t->request ? http_body_queued(t->request) : 0;
}

static int feed(struct transfer *t, void *data, size_t len, bool last)
{
	if (t->kind == TRANSFER_UPLOAD)
		return upload_feed(t->upload, data, len, last);
	int r = http_body_take(t->request, data, len);
	if (r == 0 && last)
		http_body_end(t->request);
	return r;
}

static void on_room(void *arg)
{
	ask(arg);
}

static void on_uploaded(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
			size_t parts_sent);
static void on_patched(void *arg, const struct http_result *result);

static int start_patch(struct transfer *t, int64_t size)
{
	static const struct http_callbacks callbacks = {.on_room = on_room, .on_done = on_patched};
	_cleanup_buf_ struct buf url = {0};
	char range[80];
	const char *const headers[] = {"Content-Type: application/octet-stream",
				       t->kind == TRANSFER_APPEND ? "X-Append: true" : range, NULL};
	const char *token = t->token ? t->token : api_upload_token(t->api);
	/* The server looks at the start alone. */
	int64_t last = size > 0 ? t->offset + size - 1 : t->offset;
	int r = upload_file_url(&url, t->api, t->bucket, t->path, "/content");

	snprintf(range, sizeof(range), "Content-Range: bytes %lld-%lld/*", (long long)t->offset,
		 (long long)last);
	if (r == 0 && token) {
		r = buf_append_str(&url, "?token=");
		if (r == 0)
			r = url_append_query(&url, token);
		if (r == 0)
			r = buf_terminate(&url);
	}
	const struct http_spec spec = {
		.method = "PATCH",
		.url = url.data,
		.bearer = t->token ? NULL : api_bearer(t->api),
		.headers = headers,
		.has_body = true,
		.body_size = size,
		.class = HTTP_TRANSFER,
		/* On a kept one that died meanwhile it would be in doubt for nothing. */
		.fresh = true,
	};
	if (r == 0)
		r = http_start(t->api->http, &spec, &callbacks, t, &t->request);
	if (url.data && token)
		secret_wipe(url.data, url.cap);
	return r;
}

static int start_request(struct transfer *t)
{
	static const struct upload_callbacks callbacks = {.on_room = on_room, .on_done = on_uploaded};
	int64_t size = t->read_all ? t->waiting_bytes : flow_size(t->flow);
	const struct upload_spec spec = {.bucket = t->bucket,
					 .path = t->path,
					 .size = size,
					 .token = t->token,
					 .class = HTTP_TRANSFER};

	t->started = true;
	t->total = size;
	t->phase = "sending";
	return t->kind == TRANSFER_UPLOAD ? upload_start(t->api, &spec, &callbacks, t, &t->upload)
					  : start_patch(t, size);
}

/* What waits goes out. False: it has ended. */
static bool pump(struct transfer *t)
{
	struct block *b;
	int r = 0;

	if (!t->started) {
		if (!t->read_all && t->waiting_bytes < FIRST_BYTES && !flow_can_rewind(t->flow))
			return true;
		r = start_request(t);
		if (r < 0) {
			transfer_end_code(t, r);
			return false;
		}
	}
	while (r == 0 && (t->upload || t->request) && (b = t->waiting)) {
		t->waiting = b->next;
		if (!t->waiting)
			t->waiting_end = &t->waiting;
		t->waiting_bytes -= (int64_t)b->len;
		t->fed += (int64_t)b->len;
		r = feed(t, b->data, b->len, b->last);
		free(b);
	}
	if (r < 0) { /* out of memory: the body stays short, and nothing is stored */
		transfer_local(t, r);
		return false;
	}
	return true;
}

/* --- reading --- */

static void ask(struct transfer *t)
{
	int64_t ahead = t->waiting_bytes + (int64_t)queued(t) + (int64_t)t->asked * FLOW_BLOCK_BYTES;

	while (!t->read_all && !t->local_error && !t->canceled && ahead < AHEAD_BYTES) {
		int r = flow_read(t->flow);

		if (r < 0) {
			transfer_local(t, r);
			return;
		}
		t->asked++;
		ahead += FLOW_BLOCK_BYTES;
	}
}

static int keep_block(struct transfer *t, void *data, size_t len, bool last)
{
	struct block *b = malloc(sizeof(*b));

	if (!b) {
		free(data);
		return -ENOMEM;
	}
	*b = (struct block){.data = data, .len = len, .last = last};
	*t->waiting_end = b;
	t->waiting_end = &b->next;
	t->waiting_bytes += (int64_t)len;
	return 0;
}

static void take(struct transfer *t, int error, void *data, size_t len, bool last)
{
	int r = error < 0 ? error : keep_block(t, data, len, last);

	if (r < 0) {
		transfer_local(t, r);
		return;
	}
	if (last) {
		t->read_all = true;
		t->digest = *flow_digest(t->flow);
	}
	/* The request may be over while its answer is still being looked into. */
	if (t->started && !t->upload && !t->request)
		return;
	if (pump(t))
		ask(t);
}

static void believe(void *arg)
{
	struct transfer *t = arg;

	if (t->may_end(t->arg))
		take(t, 0, STEAL(t->end_data), t->end_len, true);
	else
		transfer_cancel(t);
}

static void on_read(void *arg, int error, void *data, size_t len, bool last)
{
	struct transfer *t = arg;

	t->asked--;
	if (t->rewinding || t->read_all || t->local_error) { /* of a request that has ended */
		free(data);
		return;
	}
	/* A pipe ends as well when its writer is killed, and whoever passed it with it, a moment later. */
	if (error == 0 && last && t->may_end && flow_size(t->flow) < 0) {
		t->end_data = data;
		t->end_len = len;
		transfer_wait(t, END_WAIT_MS, believe);
		return;
	}
	take(t, error, data, len, last);
}

static void on_opened(void *arg, int error)
{
	struct transfer *t = arg;

	if (error < 0) {
		transfer_local(t, error);
		return;
	}
	t->total = flow_size(t->flow);
	begin(t);
}

/* --- sending it again --- */

static void on_rewound(void *arg, int error)
{
	struct transfer *t = arg;

	t->rewinding = false;
	t->asked = 0;
	if (error < 0) {
		transfer_local(t, error);
		return;
	}
	t->started = t->read_all = false;
	t->fed = 0;
	t->phase = "reading";
	ask(t);
}

static void again(void *arg)
{
	struct transfer *t = arg;
	int r = flow_rewind(t->flow);

	if (r < 0)
		transfer_local(t, r);
}

/* False: not this one, or not any more. */
static bool retry(struct transfer *t, int64_t retry_after_s)
{
	if (t->kind != TRANSFER_UPLOAD || !flow_can_rewind(t->flow) || ++t->tries >= SEND_TRIES)
		return false;
	drop_waiting(t);
	t->rewinding = true;
	t->phase = "waiting";
	transfer_wait(t, backoff_next_ms(&t->backoff, backoff_random(), retry_after_s), again);
	return true;
}

/* --- the answer --- */

static bool whole_is_ours(const struct transfer *t)
{
	if (t->kind == TRANSFER_UPLOAD)
		return true;
	/* What of the old bytes stays is not known here, unless nothing does. */
	return t->kind == TRANSFER_APPEND ? t->before.file.size == 0
					  : t->offset == 0 && t->fed >= t->before.file.size;
}

/* The server names the file it has now. */
static void stored(struct transfer *t, const struct api_file *file)
{
	struct digest theirs;

	t->done = t->fed;
	if (!whole_is_ours(t)) {
		transfer_end_file(t, file);
		return;
	}
	if (!file->sha256 || digest_from_hex(file->sha256, &theirs) < 0)
		transfer_end_code(t, ERR_PROTOCOL);
	else if (!digest_equal(&theirs, &t->digest))
		transfer_end_mismatch(t, &t->digest, &theirs);
	else
		transfer_end_file(t, file);
}

/* Does the file show what was sent? Of a part only its effect can be seen. */
static bool shows(const struct transfer *t, const struct api_file *file)
{
	const struct api_file *before = &t->before.file;
	struct digest theirs;

	if (whole_is_ours(t))
		return file->sha256 && digest_from_hex(file->sha256, &theirs) == 0 &&
		       digest_equal(&theirs, &t->digest);
	if (strcmp(file->version, before->version) == 0)
		return false;
	return file->size ==
	       (t->kind == TRANSFER_APPEND ? before->size + t->fed : MAX(before->size, t->offset + t->fed));
}

static void look(void *arg);

static void give_up(struct transfer *t)
{
	if (t->failure.code == ERR_DOUBT) {
		t->failure.message =
			"The connection was lost before the answer, and the file does not show what "
			"was sent: look at it before this is sent again";
		if (t->failure.status < 300)
			t->failure.status = 0;
		if (t->failure.status == 0 && !t->failure.reason)
			t->failure.reason = "protocol";
	}
	transfer_end_error(t, &t->failure);
}

static void on_looked(struct transfer *t, const struct api_error *error, const struct api_file *file)
{
	bool answered = t->failure.code != ERR_DOUBT;

	if (file && shows(t, file)) {
		t->done = t->fed;
		transfer_end_file(t, file);
	} else if (!answered && t->looks < ARRAY_SIZE(look_after_ms)) {
		transfer_wait(t, look_after_ms[t->looks], look);
	} else if (!answered || !retry(t, t->failure.retry_after_s)) {
		give_up(t);
	}
}

static void look(void *arg)
{
	struct transfer *t = arg;

	t->looks++;
	t->phase = "checking";
	transfer_find(t, on_looked);
}

/* What the server says, or does not say, beyond the life of the answer. */
static void look_for_it(struct transfer *t, const struct api_error *error)
{
	answer_texts_done(&t->failure_texts);
	t->failure = *error;
	t->failure.message = NULL;
	t->failure.hint = NULL;
	if (error->message && buf_append_str(&t->failure_texts.message, error->message) == 0 &&
	    buf_terminate(&t->failure_texts.message) == 0)
		t->failure.message = t->failure_texts.message.data;
	if (error->hint && buf_append_str(&t->failure_texts.hint, error->hint) == 0 &&
	    buf_terminate(&t->failure_texts.hint) == 0)
		t->failure.hint = t->failure_texts.hint.data;
	if (!t->failure.message)
		t->failure.message = err_text(error->code);
	t->looks = 0;
	look(t);
}

/* The server says that a token is not good, not what helps. It is not the profile's credential: nobody can
 * log in against that. */
static void explain_token(const struct transfer *t, struct api_error *error)
{
	if (error->code != ERR_AUTH || error->hint || (!t->token && !api_upload_token(t->api)))
		return;
	error->forbidden = true;
	error->hint =
		"An upload token is good for one bucket, until it expires or its uploads are used up: ask "
		"the bucket's owner for another token";
}

static void failed(struct transfer *t, const struct api_error *cause)
{
	struct api_error explained = *cause, *error = &explained;

	explain_token(t, error);
	/* What was not read to its end was not sent to its end, and a part of it is stored by nobody. */
	if (!t->read_all || (error->code != ERR_DOUBT && error->code != ERR_SERVER)) {
		if ((error->code == ERR_OFFLINE && t->fed > 0) || error->code == ERR_SERVER)
			if (retry(t, error->retry_after_s))
				return;
		transfer_end_error(t, error);
		return;
	}
	look_for_it(t, error);
}

static void on_uploaded(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
			size_t parts_sent)
{
	struct transfer *t = arg;

	t->upload = NULL;
	if (transfer_over(t))
		return;
	if (error->code)
		failed(t, error);
	else if (n == 1 && t->read_all)
		stored(t, &files[0]);
	else
		transfer_end_code(t, ERR_PROTOCOL);
}

static void on_patched(void *arg, const struct http_result *result)
{
	struct transfer *t = arg;
	_cleanup_json_ struct json_object *object = NULL;
	struct answer_files files = {0};
	struct api_error error;

	t->request = NULL;
	answer_texts_done(&t->texts);
	answer_error(result, true, &t->texts, &error);
	error.url = t->api->url;
	if (transfer_over(t))
		return;
	int r = error.code == 0 && t->read_all && result->body
			? json_parse(result->body, result->body_len, &object, NULL)
			: ERR_PROTOCOL;

	if (r == 0)
		r = answer_file(object, t->api->url, &files);
	if (r == 0 && strcmp(files.files[0].path, t->path) == 0) {
		stored(t, &files.files[0]);
	} else if (error.code) {
		failed(t, &error);
	} else {
		/* Done, but not said to what. */
		error.code = ERR_DOUBT;
		error.message = err_text(ERR_DOUBT);
		look_for_it(t, &error);
	}
	answer_files_done(&files);
}

/* --- the beginning --- */

static void on_before(struct transfer *t, const struct api_error *error, const struct api_file *file)
{
	if (!file) {
		transfer_end_error(t, error);
		return;
	}
	int r = kept_file_set(&t->before, file);

	if (r < 0) {
		transfer_end_code(t, r);
		return;
	}
	t->phase = "reading";
	ask(t);
}

/* A part of a file changes one that is there; how it was is needed to see what became of it. */
static void begin(struct transfer *t)
{
	t->phase = "reading";
	if (t->kind == TRANSFER_UPLOAD)
		ask(t);
	else
		transfer_find(t, on_before);
}

const struct flow_callbacks send_flow = {
	.on_opened = on_opened, .on_read = on_read, .on_rewound = on_rewound};
