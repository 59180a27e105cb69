/* From the server: Download, DownloadZip. A file is looked up before, since only the listing tells the
 * present hash; what was cut off goes on behind what is here, if it still is the same version; what does not
 * have the hash is fetched anew where it can be, and is an error where it cannot. */
#include "api/transfer_parts.h"
#include "base/clock.h"
#include "base/err.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Bytes in the queue of the thread: above, the server waits; below, it goes on. */
#define HOLD_BYTES (2 << 20)
#define GO_BYTES   (1 << 20)
/* What was cut off is taken up again so often without a step forward of some size. */
#define RESUME_TRIES 5
#define RESUME_STEP  (1 << 20)
/* The same file, from its start, when it changed under way or came with another hash. */
#define FETCH_TRIES 2

static void request(struct transfer *t);

static bool wants_range(const struct transfer *t)
{
	return t->offset > 0 || t->length >= 0;
}

/* --- the request --- */

static int header_number(const char **p, int64_t *ret_value)
{
	char *end;

	if (**p < '0' || **p > '9')
		return ERR_PROTOCOL;
	errno = 0;
	*ret_value = strtoll(*p, &end, 10);
	*p = end;
	return errno ? ERR_PROTOCOL : 0;
}

/* "bytes FIRST-LAST/TOTAL" */
static int read_content_range(const char *text, int64_t *ret_first, int64_t *ret_last)
{
	if (!text || strncasecmp(text, "bytes ", 6) != 0)
		return ERR_PROTOCOL;
	text += 6;
	int r = header_number(&text, ret_first);

	if (r == 0)
		r = *text++ == '-' ? header_number(&text, ret_last) : ERR_PROTOCOL;
	return r == 0 && *ret_last < *ret_first ? ERR_PROTOCOL : r;
}

/* Is this the version that was begun? */
static int check_version(struct transfer *t, struct http_request *request, int status)
{
	const char *etag = http_header(request, "ETag");

	if (t->got == 0) {
		free(t->etag);
		t->etag = etag ? strdup(etag) : NULL;
		return etag && !t->etag ? -ENOMEM : 0;
	}
	if (status != 206 || !t->etag || !etag || strcmp(etag, t->etag) != 0) {
		t->changed = true;
		return ERR_HASH;
	}
	return 0;
}

static int on_headers(void *arg, struct http_request *request, int status)
{
	struct transfer *t = arg;
	int64_t first, last;

	if (status < 200 || status >= 300)
		return 0; /* a refusal: on_done reads it */
	if (t->kind == TRANSFER_ZIP)
		return status == 200 ? 0 : ERR_PROTOCOL;
	int r = check_version(t, request, status);

	if (r < 0)
		return r;
	if (status == 206) {
		r = read_content_range(http_header(request, "Content-Range"), &first, &last);
		if (r == 0 && first != t->from)
			r = ERR_PROTOCOL;
		if (r == 0)
			t->total = t->got + last - first + 1;
	} else if (status == 200 && !wants_range(t)) {
		const char *length = http_header(request, "Content-Length");

		if (length && header_number(&length, &t->total) < 0)
			t->total = -1;
	} else {
		r = ERR_PROTOCOL;
	}
	return r;
}

static int on_data(void *arg, const void *data, size_t len)
{
	struct transfer *t = arg;
	int r = t->local_error ? ERR_CANCELED : flow_write(t->flow, data, len);

	if (r < 0)
		return r;
	t->got += (int64_t)len;
	if (flow_queued(t->flow) > HOLD_BYTES) {
		t->held = true;
		http_hold(t->request, true);
	}
	return 0;
}

static void on_done(void *arg, const struct http_result *result);

static int start_request(struct transfer *t)
{
	static const struct http_callbacks callbacks = {
		.on_headers = on_headers, .on_data = on_data, .on_done = on_done};
	_cleanup_buf_ struct buf url = {0}, if_range = {0};
	char range[80], last[24] = "";
	const char *headers[3] = {0};
	int n = 0, r;

	if (t->kind == TRANSFER_ZIP) {
		r = buf_printf(&url, "%s/api/buckets/%s/zip", t->api->url, t->bucket);
		if (r == 0)
			r = buf_terminate(&url);
	} else {
		r = upload_file_url(&url, t->api, t->bucket, t->path, "/content");
	}
	t->from = MAX(t->offset, 0) + t->got;
	if (wants_range(t) || t->got > 0) {
		int64_t offset = MAX(t->offset, 0);

		if (t->length >= 0)
			snprintf(last, sizeof(last), "%lld",
				 (long long)(offset + MIN(t->length, INT64_MAX - offset) - 1));
		snprintf(range, sizeof(range), "Range: bytes=%lld-%s", (long long)t->from, last);
		headers[n++] = range;
	}
	if (r == 0 && t->got > 0) {
		r = buf_printf(&if_range, "If-Range: %s", t->etag);
		if (r == 0)
			r = buf_terminate(&if_range);
		headers[n++] = if_range.data;
	}
	const struct http_spec spec = {
		.method = "GET",
		.url = url.data,
		.bearer = api_bearer(t->api),
		.headers = headers,
		.class = HTTP_TRANSFER,
	};
	t->held = false;
	return r == 0 ? http_start(t->api->http, &spec, &callbacks, t, &t->request) : r;
}

static void request(struct transfer *t)
{
	int r = start_request(t);

	t->phase = "receiving";
	if (r < 0)
		transfer_end_code(t, r);
}

/* --- from the start again --- */

static void on_found(struct transfer *t, const struct api_error *error, const struct api_file *file);

static void on_rewound(void *arg, int error)
{
	struct transfer *t = arg;

	t->rewinding = false;
	if (error < 0) {
		transfer_local(t, error);
		return;
	}
	t->got = 0;
	t->changed = false;
	transfer_find(t, on_found);
}

/* False: it has been tried, or what was written cannot be taken back. */
static bool anew(struct transfer *t)
{
	if ((t->got > 0 && !flow_can_rewind(t->flow)) || ++t->tries >= FETCH_TRIES)
		return false;
	int r = flow_rewind(t->flow);

	t->rewinding = true;
	t->phase = "waiting";
	if (r < 0)
		transfer_local(t, r);
	return true;
}

static void end_changed(struct transfer *t)
{
	transfer_end_error(t, &(const struct api_error){
				      .code = ERR_REJECTED,
				      .status = 412,
				      .message = "The file changed on the server while it was fetched: what "
						 "came is the beginning of the old version"});
}

/* --- the end of a request --- */

static void resume(void *arg)
{
	request(arg);
}

static bool may_resume(struct transfer *t, const struct api_error *error)
{
	if (t->kind == TRANSFER_ZIP || t->got == 0 || !t->etag)
		return false;
	if (error->code != ERR_OFFLINE && error->code != ERR_PROTOCOL && error->code != ERR_SERVER)
		return false;
	if (t->got - t->resumed_at >= RESUME_STEP) {
		t->resumes = 0;
		t->resumed_at = t->got;
		t->backoff = (struct backoff){0};
	}
	return t->resumes++ < RESUME_TRIES;
}

static void on_done(void *arg, const struct http_result *result)
{
	struct transfer *t = arg;
	struct api_error error;
	int r;

	t->request = NULL;
	answer_texts_done(&t->texts);
	answer_error(result, false, &t->texts, &error);
	error.url = t->api->url;
	if (transfer_over(t))
		return;
	/* A cut within a success is no answer of the server's. */
	if (error.code && error.status >= 200 && error.status < 300)
		error.status = 0;
	if (error.code && error.status == 0 && !error.reason)
		error.reason = result->reason ? result->reason : "protocol";
	if (t->changed || (error.code == ERR_RANGE && t->got > 0)) {
		if (!anew(t))
			end_changed(t);
	} else if (may_resume(t, &error)) {
		t->phase = "waiting";
		transfer_wait(t, backoff_next_ms(&t->backoff, backoff_random(), error.retry_after_s), resume);
	} else if (error.code) {
		transfer_end_error(t, &error);
	} else {
		/* What is queued is written first. */
		t->phase = "writing";
		r = flow_hash(t->flow);
		if (r < 0)
			transfer_local(t, r);
	}
}

/* --- the hash --- */

static void commit(struct transfer *t)
{
	int r = flow_commit(t->flow);

	t->done = t->got;
	if (r < 0)
		transfer_local(t, r);
	else
		t->committing = true;
}

static bool is_theirs(const struct transfer *t, const struct api_file *file, struct digest *ret_theirs)
{
	return digest_from_hex(file->sha256, ret_theirs) == 0 && digest_equal(ret_theirs, &t->digest);
}

/* Another hash than the listing named before: another version by now, or changed on the way? */
static void on_checked(struct transfer *t, const struct api_error *error, const struct api_file *file)
{
	struct digest theirs = {0};

	if (!file) {
		transfer_end_error(t, error);
	} else if (!file->sha256 || is_theirs(t, file, &theirs)) {
		if (kept_file_set(&t->before, file) < 0)
			transfer_end_code(t, -ENOMEM);
		else
			commit(t);
	} else if (!anew(t)) {
		transfer_end_mismatch(t, &theirs, &t->digest);
	}
}

static void on_hashed(void *arg, int error)
{
	struct transfer *t = arg;
	const struct api_file *file = &t->before.file;
	struct digest theirs;

	if (error < 0) {
		transfer_local(t, error);
		return;
	}
	t->digest = *flow_digest(t->flow);
	/* Of a part nothing is known but its length. */
	bool whole = t->kind != TRANSFER_ZIP && t->offset <= 0 && (!wants_range(t) || t->got >= file->size);

	if (!whole || !file->sha256 || is_theirs(t, file, &theirs)) {
		commit(t);
		return;
	}
	t->phase = "checking";
	transfer_find(t, on_checked);
}

static void on_committed(void *arg, int error)
{
	struct transfer *t = arg;

	t->committing = false;
	if (error < 0)
		transfer_local(t, error);
	else
		transfer_end_file(t, t->kind == TRANSFER_ZIP ? NULL : &t->before.file);
}

static void on_written(void *arg, int error, size_t len)
{
	struct transfer *t = arg;

	if (error < 0) {
		if (!t->local_error)
			transfer_local(t, error);
		return;
	}
	t->done += (int64_t)len;
	if (t->held && t->request && flow_queued(t->flow) < GO_BYTES) {
		t->held = false;
		http_hold(t->request, false);
	}
}

/* --- the beginning --- */

static void on_found(struct transfer *t, const struct api_error *error, const struct api_file *file)
{
	struct digest theirs;

	if (!file) {
		transfer_end_error(t, error);
		return;
	}
	if (t->has_want && file->sha256 && digest_from_hex(file->sha256, &theirs) == 0 &&
	    digest_equal(&theirs, &t->want)) {
		transfer_end_unchanged(t, file);
		return;
	}
	int r = kept_file_set(&t->before, file);

	t->done = 0;
	t->total = wants_range(t) ? -1 : file->size;
	if (r < 0)
		transfer_end_code(t, r);
	else
		request(t);
}

static void on_opened(void *arg, int error)
{
	struct transfer *t = arg;

	if (error < 0)
		transfer_local(t, error);
	else if (t->kind == TRANSFER_ZIP)
		request(t);
	else
		transfer_find(t, on_found);
}

const struct flow_callbacks receive_flow = {.on_opened = on_opened,
					    .on_written = on_written,
					    .on_rewound = on_rewound,
					    .on_hashed = on_hashed,
					    .on_committed = on_committed};
