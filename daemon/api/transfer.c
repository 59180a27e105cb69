/* Beginning and end of a transfer, and its look-ups. What happens between is in send.c and receive.c. */
#include "api/transfer_parts.h"
#include "base/err.h"
#include <errno.h>
#include <string.h>

/* --- kept files --- */

static size_t room_for(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *keep(char **at, const char *text)
{
	size_t room = room_for(text);
	char *to = text ? memcpy(*at, text, room) : NULL;

	*at += room;
	return to;
}

void kept_file_done(struct kept_file *kept)
{
	free(kept->texts);
	*kept = (struct kept_file){0};
}

int kept_file_set(struct kept_file *kept, const struct api_file *f)
{
	size_t room = room_for(f->path) + room_for(f->name) + room_for(f->mime_type) +
		      room_for(f->short_code) + room_for(f->short_url) + room_for(f->sha256) +
		      room_for(f->created_at) + room_for(f->updated_at) + room_for(f->version);
	char *texts = malloc(room + 1), *at = texts;

	if (!texts)
		return -ENOMEM;
	struct api_file copy = *f;

	copy.path = keep(&at, f->path);
	copy.name = keep(&at, f->name);
	copy.mime_type = keep(&at, f->mime_type);
	copy.short_code = keep(&at, f->short_code);
	copy.short_url = keep(&at, f->short_url);
	copy.sha256 = keep(&at, f->sha256);
	copy.created_at = keep(&at, f->created_at);
	copy.updated_at = keep(&at, f->updated_at);
	copy.version = keep(&at, f->version);
	kept_file_done(kept);
	*kept = (struct kept_file){copy, texts};
	return 0;
}

/* --- the end --- */

static void transfer_free(struct transfer *t)
{
	send_done(t);
	loop_timer_done(&t->timer);
	flow_free(t->flow);
	kept_file_done(&t->before);
	answer_texts_done(&t->texts);
	answer_texts_done(&t->failure_texts);
	if (t->token)
		secret_wipe(t->token, strlen(t->token));
	free(t->token);
	free(t->bucket);
	free(t->path);
	free(t->etag);
	api_unref(t->api);
	free(t);
}

static void end(struct transfer *t, struct transfer_result *result)
{
	result->error.url = t->api->url;
	t->cb(t->arg, result);
	transfer_free(t);
}

void transfer_end_file(struct transfer *t, const struct api_file *file)
{
	struct transfer_result result = {.file = file, .bytes = t->done};

	end(t, &result);
}

void transfer_end_unchanged(struct transfer *t, const struct api_file *file)
{
	struct transfer_result result = {.file = file, .unchanged = true};

	end(t, &result);
}

void transfer_end_error(struct transfer *t, const struct api_error *error)
{
	struct transfer_result result = {.error = *error};

	end(t, &result);
}

void transfer_end_code(struct transfer *t, int code)
{
	transfer_end_error(t, &(const struct api_error){.code = code, .message = err_text(code)});
}

void transfer_end_mismatch(struct transfer *t, const struct digest *expected, const struct digest *actual)
{
	struct transfer_result result = {.error = {.code = ERR_HASH, .message = err_text(ERR_HASH)}};

	digest_to_hex(expected, result.expected);
	digest_to_hex(actual, result.actual);
	end(t, &result);
}

static void end_local(struct transfer *t)
{
	struct transfer_result result = {
		.local_error = t->local_error, .local_why = t->local_why, .local_path = flow_path(t->flow)};

	end(t, &result);
}

bool transfer_over(struct transfer *t)
{
	if (t->canceled)
		transfer_end_code(t, ERR_CANCELED);
	else if (t->local_error)
		end_local(t);
	else
		return false;
	return true;
}

/* Whatever runs is told; its callback ends the transfer. */
static bool stop_running(struct transfer *t)
{
	api_call_cancel(t->find);
	upload_cancel(t->upload);
	http_cancel(t->request);
	return t->find || t->upload || t->request;
}

void transfer_local(struct transfer *t, int error)
{
	if (!t->local_error) {
		t->local_error = error;
		t->local_why = flow_why(t->flow);
	}
	if (!stop_running(t))
		end_local(t);
}

void transfer_cancel(struct transfer *t)
{
	if (!t || t->committing)
		return;
	t->canceled = true;
	if (!stop_running(t))
		transfer_end_code(t, ERR_CANCELED);
}

/* --- on the way --- */

static void on_find(void *arg, const struct api_error *error, const struct api_file *file)
{
	struct transfer *t = arg;

	t->find = NULL;
	if (!transfer_over(t))
		t->on_found(t, error, file);
}

void transfer_find(struct transfer *t, void (*on_found)(struct transfer *t, const struct api_error *error,
							const struct api_file *file))
{
	t->on_found = on_found;
	int r = api_file_find(t->api, t->bucket, t->path, HTTP_INTERACTIVE, on_find, t, &t->find);
	if (r < 0)
		transfer_end_code(t, r);
}

void transfer_wait(struct transfer *t, int64_t ms, void (*then)(void *t))
{
	int r = loop_timer_set(t->loop, &t->timer, ms, then, t);

	if (r < 0)
		transfer_end_code(t, r);
}

void transfer_get_progress(const struct transfer *t, struct transfer_progress *ret_progress)
{
	int64_t done = t->done;
	const char *phase = t->phase;

	if (t->started && t->kind <= TRANSFER_PATCH && !t->canceled) {
		int64_t queued = (int64_t)(t->upload    ? upload_queued(t->upload)
					   : t->request ? http_body_queued(t->request)
							: 0);
		/* What is queued is not sent; the frame of a part is nobody's. */
		done = MAX(t->fed - queued, 0);
		if (t->read_all && queued == 0 && !t->waiting && (t->upload || t->request))
			phase = "storing";
	}
	*ret_progress = (struct transfer_progress){phase, done, t->total};
}

int transfer_start(struct loop *loop, struct api *api, const struct transfer_spec *spec,
		   struct endpoint *endpoint, transfer_cb cb, void *arg, struct transfer **ret_transfer)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t) {
		endpoint_free(endpoint);
		return -ENOMEM;
	}
	*t = (struct transfer){
		.loop = loop,
		.api = api_ref(api),
		.kind = spec->kind,
		.offset = spec->offset,
		.length = spec->length,
		.cb = cb,
		.may_end = spec->may_end,
		.arg = arg,
		.phase = "opening",
		.total = -1,
	};
	t->waiting_end = &t->waiting;
	t->bucket = strdup(spec->bucket);
	t->path = spec->path ? strdup(spec->path) : NULL;
	t->token = spec->token ? strdup(spec->token) : NULL;
	int r = t->bucket && (t->path || !spec->path) && (t->token || !spec->token) ? 0 : -ENOMEM;
	if (r == 0 && spec->if_sha256) {
		r = digest_from_hex(spec->if_sha256, &t->want);
		t->has_want = true;
	}
	if (r < 0)
		endpoint_free(endpoint);
	else
		r = flow_new(loop, endpoint, spec->kind <= TRANSFER_PATCH ? &send_flow : &receive_flow, t,
			     &t->flow);
	if (r == 0)
		r = flow_open(t->flow);
	if (r < 0) {
		transfer_free(t);
		return r;
	}
	*ret_transfer = t;
	return 0;
}
