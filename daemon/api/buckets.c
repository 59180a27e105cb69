/* Buckets, and what the server says about all of them. */
#include "api/internal.h"
#include "api/url.h"
#include "base/err.h"
#include "base/utf8.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

static void on_bucket(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct answer_bucket b;

	call_read_json(call, result, error, &object);
	int r = object ? answer_bucket(object, &b) : 0;
	if (r < 0)
		call_bad_answer(error, r);
	((api_bucket_cb)call->cb)(call->arg, error, error->code ? NULL : &b.bucket);
	call_free(call);
}

/* Sends the three of them that are there. */
static int send_bucket(struct api *api, const char *method, struct buf *path, const char *name,
		       const char *description, const char *expires_in, api_bucket_cb cb, void *arg,
		       struct api_call **ret_call)
{
	_cleanup_json_ struct json_object *body = json_object_new_object();
	struct api_call *call;

	if (!body || body_add(body, "name", name) < 0 || body_add(body, "description", description) < 0 ||
	    body_add(body, "expires_in", expires_in) < 0)
		return -ENOMEM;
	_cleanup_free_ char *json = json_write(body, NULL);
	int r = json ? buf_terminate(path) : -ENOMEM;
	if (r == 0)
		r = call_new(api, (void (*)(void))cb, arg, &call);
	if (r < 0)
		return r;
	call->on_answer = on_bucket;
	call->has_expiry = expires_in;
	return call_begin(call, method, path->data, json, ret_call);
}

static int bucket_path(struct buf *path, const char *bucket, const char *suffix)
{
	return url_id_valid(bucket) ? buf_printf(path, "/api/buckets/%s%s", bucket, suffix) : -EINVAL;
}

int api_bucket_create(struct api *api, const char *name, const char *description, const char *expires_in,
		      api_bucket_cb cb, void *arg, struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = buf_append_str(&path, "/api/buckets");

	return r < 0 ? r : send_bucket(api, "POST", &path, name, description, expires_in, cb, arg, ret_call);
}

int api_bucket_update(struct api *api, const char *bucket, const char *name, const char *description,
		      const char *expires_in, api_bucket_cb cb, void *arg, struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = bucket_path(&path, bucket, "");

	return r < 0 ? r : send_bucket(api, "PATCH", &path, name, description, expires_in, cb, arg, ret_call);
}

int api_bucket_get(struct api *api, const char *bucket, api_bucket_cb cb, void *arg,
		   struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = bucket_path(&path, bucket, "");

	return r < 0 ? r : call_simple(api, "GET", &path, (void (*)(void))cb, arg, on_bucket, ret_call);
}

int api_bucket_delete(struct api *api, const char *bucket, api_done_cb cb, void *arg,
		      struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = bucket_path(&path, bucket, "");

	return r < 0 ? r : call_simple(api, "DELETE", &path, (void (*)(void))cb, arg, call_on_done, ret_call);
}

/* Summary */

/* Ends the text behind its last whole line. */
static void cut_line(struct buf *text)
{
	while (text->len > 0 && text->data[text->len - 1] != '\n')
		text->len--;
}

static void on_summary(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	struct buf *text = &call->collected;
	bool cut = text->len >= call->collect_max;

	(void)result;
	if (error->code == 0) {
		if (cut)
			cut_line(text);
		int r = utf8_valid(text->data ? text->data : "", text->len) ? buf_terminate(text)
									    : ERR_PROTOCOL;
		if (r == 0 && strlen(text->data) != text->len)
			r = ERR_PROTOCOL;
		if (r < 0)
			call_bad_answer(error, r);
	}
	((api_summary_cb)call->cb)(call->arg, error, error->code ? NULL : text->data, cut);
	call_free(call);
}

int api_bucket_summary(struct api *api, const char *bucket, api_summary_cb cb, void *arg,
		       struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	struct api_call *call;
	int r = bucket_path(&path, bucket, "/summary");

	if (r == 0)
		r = buf_terminate(&path);
	if (r == 0)
		r = call_new(api, (void (*)(void))cb, arg, &call);
	if (r < 0)
		return r;
	call->on_answer = on_summary;
	call->collect_max = API_SUMMARY_MAX;
	return call_begin(call, "GET", path.data, NULL, ret_call);
}

/* Statistics */

#define STATS(field) offsetof(struct api_stats, field)
static const struct answer_field stats_fields[] = {
	{"total_buckets", ANSWER_COUNT, true, STATS(total_buckets), 0},
	{"total_files", ANSWER_COUNT, true, STATS(total_files), 0},
	{"total_size", ANSWER_COUNT, true, STATS(total_size), 0},
	{"total_keys", ANSWER_COUNT, true, STATS(total_keys), 0},
	{"total_downloads", ANSWER_COUNT, true, STATS(total_downloads), 0},
};

#define OWNER(field) offsetof(struct api_owner_stats, field)
static const struct answer_field owner_fields[] = {
	{"owner", ANSWER_STRING, true, OWNER(owner), 0},
	{"bucket_count", ANSWER_COUNT, true, OWNER(bucket_count), 0},
	{"file_count", ANSWER_COUNT, true, OWNER(file_count), 0},
	{"total_size", ANSWER_COUNT, true, OWNER(total_size), 0},
};

static int read_stats(struct json_object *object, struct api_stats *stats,
		      struct api_owner_stats **ret_owners)
{
	struct json_object *array = NULL;
	int r = answer_read(object, stats_fields, ARRAY_SIZE(stats_fields), stats);

	if (r == 0)
		r = answer_items(object, "storage_by_owner", &array, &stats->n_owners);
	if (r < 0)
		return r;
	struct api_owner_stats *owners = calloc(stats->n_owners + 1, sizeof(*owners));
	if (!owners)
		return -ENOMEM;
	*ret_owners = owners;
	stats->owners = owners;
	for (size_t i = 0; r == 0 && i < stats->n_owners; i++)
		r = answer_read(json_object_array_get_idx(array, i), owner_fields, ARRAY_SIZE(owner_fields),
				&owners[i]);
	return r;
}

static void on_stats(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	_cleanup_free_ struct api_owner_stats *owners = NULL;
	struct api_stats stats = {0};

	call_read_json(call, result, error, &object);
	int r = object ? read_stats(object, &stats, &owners) : 0;
	if (r < 0)
		call_bad_answer(error, r);
	((api_stats_cb)call->cb)(call->arg, error, error->code ? NULL : &stats);
	call_free(call);
}

int api_stats(struct api *api, api_stats_cb cb, void *arg, struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = buf_append_str(&path, "/api/stats");

	return r < 0 ? r : call_simple(api, "GET", &path, (void (*)(void))cb, arg, on_stats, ret_call);
}

/* The list */

static void on_buckets(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	_cleanup_free_ struct answer_bucket *read = NULL;
	_cleanup_free_ struct api_bucket *buckets = NULL;
	struct api_page_info page = {0};
	size_t n = 0;

	call_read_json(call, result, error, &object);
	int r = object ? answer_page_info(object, &page) : 0;
	if (r == 0 && object)
		r = answer_buckets(object, "items", &read, &n);
	if (r == 0 && object) {
		buckets = calloc(n + 1, sizeof(*buckets));
		r = buckets ? 0 : -ENOMEM;
	}
	if (r < 0) {
		call_bad_answer(error, r);
		n = 0;
	}
	for (size_t i = 0; i < n; i++)
		buckets[i] = read[i].bucket;
	((api_buckets_cb)call->cb)(call->arg, error, buckets, n, &page);
	call_free(call);
}

int api_bucket_list(struct api *api, const struct api_page *page, bool include_expired, api_buckets_cb cb,
		    void *arg, struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	const char *separator;
	int r = buf_append_str(&path, "/api/buckets");

	if (r == 0)
		r = page_append(&path, page, &separator);
	if (r == 0 && include_expired)
		r = buf_printf(&path, "%sinclude_expired=true", separator);
	if (r < 0)
		return r;
	return call_simple(api, "GET", &path, (void (*)(void))cb, arg, on_buckets, ret_call);
}
