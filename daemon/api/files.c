/* The files of a bucket: lists, checks, deletion. One file looked up by its path is in find.c, one level of
 * the tree in level.c. */
#include "api/internal.h"
#include "api/url.h"
#include "base/err.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* The server's own clamp. */
#define API_SCAN_LIMIT_MAX 1000
/* It hashes the whole file before it says a word: hours of a slow disk. */
#define VERIFY_SILENCE_S (4 * 3600)

static void on_files(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct answer_files files = {0};
	struct api_page_info page = {0};

	call_read_json(call, result, error, &object);
	int r = object ? answer_page_info(object, &page) : 0;
	if (r == 0 && object)
		r = answer_files(object, "items", call->api->url, &files);
	if (r < 0)
		call_bad_answer(error, r);
	((api_files_cb)call->cb)(call->arg, error, files.files, files.n, &page);
	answer_files_done(&files);
	call_free(call);
}

int api_file_list(struct api *api, const char *bucket, const struct api_page *page, api_files_cb cb,
		  void *arg, struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	const char *separator;

	if (!url_id_valid(bucket))
		return -EINVAL;
	int r = buf_printf(&path, "/api/buckets/%s/files", bucket);
	if (r == 0)
		r = page_append(&path, page, &separator);
	if (r < 0)
		return r;
	return call_simple(api, "GET", &path, (void (*)(void))cb, arg, on_files, ret_call);
}

/* Stored paths never hold "//": with it as the delimiter the tree listing is a flat scan by path. */
int call_send_scan(struct api_call *call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = buf_printf(&path, "/api/buckets/%s/files?delimiter=%%2F%%2F&limit=%d", call->bucket,
			   call->limit);

	if (r == 0 && call->after) {
		r = buf_append_str(&path, "&cursor=");
		if (r == 0)
			r = url_append_path(&path, call->after); /* slashes may stay: a deep path fits */
	}
	if (r == 0)
		r = buf_terminate(&path);
	return r < 0 ? r : call_send(call, "GET", call->class, path.data, NULL);
}

static void on_scan(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct answer_files files = {0};
	const char *cursor = NULL;

	call_read_json(call, result, error, &object);
	int r = object ? answer_scan_page(object, call->api->url, call->after, &files, &cursor) : 0;
	if (r == 0 && files.n > (size_t)call->limit)
		r = ERR_PROTOCOL;
	if (r == 0 && files.n == 0 && cursor) {
		/* An empty page with a cursor is not the end. */
		char *after = strdup(cursor);
		free(call->after);
		call->after = after;
		r = after ? call_send_scan(call) : -ENOMEM;
		if (r == 0) {
			answer_files_done(&files);
			return;
		}
	}
	if (r < 0) {
		answer_files_done(&files);
		call_bad_answer(error, r);
	}
	((api_scan_cb)call->cb)(call->arg, error, files.files, files.n, error->code == 0 && cursor);
	answer_files_done(&files);
	call_free(call);
}

int api_file_scan(struct api *api, const char *bucket, const char *after, int limit, enum http_class class,
		  api_scan_cb cb, void *arg, struct api_call **ret_call)
{
	struct api_call *call;

	if (!url_id_valid(bucket) || limit < 1 || limit > API_SCAN_LIMIT_MAX)
		return -EINVAL;
	int r = call_new(api, (void (*)(void))cb, arg, &call);
	if (r < 0)
		return r;
	call->on_answer = on_scan;
	call->limit = limit;
	call->class = class;
	call->bucket = strdup(bucket);
	call->after = after && *after ? strdup(after) : NULL;
	r = call->bucket && (call->after || !after || !*after) ? call_send_scan(call) : -ENOMEM;
	if (r < 0)
		call_free(call);
	else if (ret_call)
		*ret_call = call;
	return r;
}

struct totals {
	int64_t folders, files;
};
static const struct answer_field totals_fields[] = {
	{"total_folders", ANSWER_COUNT, true, offsetof(struct totals, folders), 0},
	{"total_files", ANSWER_COUNT, true, offsetof(struct totals, files), 0},
};

static void on_totals(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct totals totals = {0};

	call_read_json(call, result, error, &object);
	int r = object ? answer_read(object, totals_fields, ARRAY_SIZE(totals_fields), &totals) : 0;
	if (r < 0)
		call_bad_answer(error, r);
	((api_totals_cb)call->cb)(call->arg, error, totals.folders, totals.files);
	call_free(call);
}

int api_directory_totals(struct api *api, const char *bucket, const char *path, api_totals_cb cb, void *arg,
			 struct api_call **ret_call)
{
	_cleanup_buf_ struct buf url = {0};
	int r = url_id_valid(bucket) ? buf_printf(&url, "/api/buckets/%s/ls?limit=1", bucket) : -EINVAL;

	if (r == 0 && path)
		r = buf_append_str(&url, "&path=");
	if (r == 0 && path)
		r = url_append_path(&url, path);
	return r < 0 ? r : call_simple(api, "GET", &url, (void (*)(void))cb, arg, on_totals, ret_call);
}

/* One file */

int file_path_append(struct buf *b, const char *bucket, const char *path, const char *suffix)
{
	int r = url_id_valid(bucket) ? url_path_check(path) : -EINVAL;

	if (r == 0)
		r = buf_printf(b, "/api/buckets/%s/files/", bucket);
	if (r == 0)
		r = url_append_path(b, path);
	if (r == 0)
		r = buf_append_str(b, suffix);
	return r < 0 ? r : buf_terminate(b);
}

int api_file_url(const struct api *api, const char *bucket, const char *path, char **ret_url)
{
	_cleanup_buf_ struct buf url = {0};
	int r = buf_append_str(&url, api->url);

	if (r == 0)
		r = file_path_append(&url, bucket, path, "/content");
	if (r < 0)
		return r;
	char *text = buf_steal(&url);
	if (!text)
		return -ENOMEM;
	*ret_url = text;
	return 0;
}

#define VERDICT(field) offsetof(struct api_verdict, field)
static const struct answer_field verdict_fields[] = {
	{"path", ANSWER_STRING, true, VERDICT(path), 0},
	{"stored_hash", ANSWER_STRING, true, VERDICT(stored_hash), 0},
	{"computed_hash", ANSWER_STRING, true, VERDICT(computed_hash), 0},
	{"valid", ANSWER_BOOL, true, VERDICT(valid), 0},
};

static void on_verdict(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct api_verdict verdict = {0};

	call_read_json(call, result, error, &object);
	int r = object ? answer_read(object, verdict_fields, ARRAY_SIZE(verdict_fields), &verdict) : 0;
	if (r < 0)
		call_bad_answer(error, r);
	((api_verdict_cb)call->cb)(call->arg, error, error->code ? NULL : &verdict);
	call_free(call);
}

int api_file_verify(struct api *api, const char *bucket, const char *path, api_verdict_cb cb, void *arg,
		    struct api_call **ret_call)
{
	_cleanup_buf_ struct buf url = {0};
	struct api_call *call;
	int r = file_path_append(&url, bucket, path, "/verify");

	if (r == 0)
		r = call_new(api, (void (*)(void))cb, arg, &call);
	if (r < 0)
		return r;
	call->on_answer = on_verdict;
	call->silence_s = VERIFY_SILENCE_S;
	return call_begin(call, "GET", url.data, NULL, ret_call);
}

int api_file_delete(struct api *api, const char *bucket, const char *path, api_done_cb cb, void *arg,
		    struct api_call **ret_call)
{
	_cleanup_buf_ struct buf url = {0}, witness = {0};
	struct api_call *call;
	int r = file_path_append(&url, bucket, path, "");

	/* The one URL that means this file whatever its name ends in. */
	if (r == 0)
		r = file_path_append(&witness, bucket, path, "/content");
	if (r == 0)
		r = call_new(api, (void (*)(void))cb, arg, &call);
	if (r < 0)
		return r;
	call->on_answer = call_on_done;
	call->witness_method = "HEAD";
	call->witness = buf_steal(&witness);
	return call_begin(call, "DELETE", url.data, NULL, ret_call);
}
