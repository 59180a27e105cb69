/* Looking one path up: a keyset scan that begins just below it. The listing is never cached and takes every
 * path; metadata and HEAD may be minutes old, and the URL of "d/content" means something else. */
#include "api/internal.h"
#include "api/url.h"
#include "base/err.h"
#include "base/utf8.h"
#include <errno.h>
#include <string.h>

static void end(struct api_call *call, const struct api_error *error, const struct api_file *file)
{
	((api_file_cb)call->cb)(call->arg, error, file);
	call_free(call);
}

/* Something lay between the cursor and the path: go on behind it. */
static int go_on(struct api_call *call, const char *last)
{
	char *after = strdup(last);

	if (!after)
		return -ENOMEM;
	free(call->after);
	call->after = after;
	return call_send_scan(call);
}

static void on_page(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct answer_files files = {0};
	const struct api_file *found = NULL;
	const char *cursor = NULL, *last = NULL;

	call_read_json(call, result, error, &object);
	int r = object ? answer_scan_page(object, call->api->url, call->after, &files, &cursor) : 0;
	if (r == 0 && files.n > (size_t)call->limit)
		r = ERR_PROTOCOL;
	if (r == 0 && error->code == 0) {
		last = files.n ? files.files[files.n - 1].path : cursor;
		if (files.n && strcmp(last, call->want) == 0)
			found = &files.files[files.n - 1];
		else if (cursor && strcmp(last, call->want) < 0) {
			r = go_on(call, last);
			if (r == 0) {
				answer_files_done(&files);
				return;
			}
		}
	}
	if (r < 0)
		call_bad_answer(error, r);
	else if (error->code == 0 && !found)
		*error = (struct api_error){.code = ERR_NOT_FOUND,
					    .status = 404,
					    .message = "File not found",
					    .url = call->api->url};
	end(call, error, error->code ? NULL : found);
	answer_files_done(&files);
}

int api_file_find(struct api *api, const char *bucket, const char *path, enum http_class class,
		  api_file_cb cb, void *arg, struct api_call **ret_call)
{
	struct api_call *call;
	int r = url_id_valid(bucket) ? url_path_check(path) : -EINVAL;

	if (r == 0)
		r = call_new(api, (void (*)(void))cb, arg, &call);
	if (r < 0)
		return r;
	call->on_answer = on_page;
	call->limit = 1;
	call->class = class;
	call->bucket = strdup(bucket);
	call->want = strdup(path);
	call->after = utf8_just_below(path);
	r = call->bucket && call->want && call->after ? 0 : -ENOMEM;
	if (r == 0 && !*call->after) { /* a scan from the start has no cursor */
		free(call->after);
		call->after = NULL;
	}
	if (r == 0)
		r = call_send_scan(call);
	if (r < 0)
		call_free(call);
	else if (ret_call)
		*ret_call = call;
	return r;
}
