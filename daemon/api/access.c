/* Who may do what, and where: upload tokens, API keys, dashboard tokens, short URLs. */
#include "api/internal.h"
#include "api/url.h"
#include "base/err.h"
#include "base/utf8.h"
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* "cf4_" and eight characters today. A whole key is longer, and its secret must not get into a URL. */
#define PREFIX_MAX 32

/* POST of a body whose only exchange this is; body NULL: out of memory. */
static int post(struct api *api, struct buf *path, struct json_object *body, void (*cb)(void), void *arg,
		answer_handler on_answer, struct api_call **ret_call, struct api_call **ret_started)
{
	_cleanup_free_ char *json = body ? json_write(body, NULL) : NULL;
	int r = json ? buf_terminate(path) : -ENOMEM;
	struct api_call *call = NULL;

	if (r == 0)
		r = call_new(api, cb, arg, &call);
	if (r < 0)
		return r;
	call->on_answer = on_answer;
	*ret_started = call;
	return call_begin(call, "POST", path->data, json, ret_call);
}

/* Upload tokens */

struct answer_upload_token {
	struct api_upload_token token;
	char expires_at[ANSWER_TIME_MAX];
};
#define UPLOAD_TOKEN(field) offsetof(struct answer_upload_token, token.field)
static const struct answer_field upload_token_fields[] = {
	{"token", ANSWER_ID, true, UPLOAD_TOKEN(token), 0},
	{"bucket_id", ANSWER_ID, true, UPLOAD_TOKEN(bucket), 0},
	{"expires_at", ANSWER_TIME, true, UPLOAD_TOKEN(expires_at),
	 offsetof(struct answer_upload_token, expires_at)},
	{"max_uploads", ANSWER_COUNT, false, UPLOAD_TOKEN(max_uploads), 0},
	{"uploads_used", ANSWER_COUNT, true, UPLOAD_TOKEN(uploads_used), 0},
};

static void on_upload_token(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct answer_upload_token a = {0};

	call_read_json(call, result, error, &object);
	int r = object ? answer_read(object, upload_token_fields, ARRAY_SIZE(upload_token_fields), &a) : 0;
	if (r < 0)
		call_bad_answer(error, r);
	((api_upload_token_cb)call->cb)(call->arg, error, error->code ? NULL : &a.token);
	call_free(call);
}

int api_upload_token_create(struct api *api, const char *bucket, const char *expires_in, int64_t max_uploads,
			    api_upload_token_cb cb, void *arg, struct api_call **ret_call)
{
	_cleanup_json_ struct json_object *body = json_object_new_object();
	_cleanup_buf_ struct buf path = {0}, witness = {0};
	struct api_call *call;
	int r = url_id_valid(bucket) ? buf_printf(&path, "/api/buckets/%s/tokens", bucket) : -EINVAL;

	if (r == 0)
		r = buf_printf(&witness, "/api/buckets/%s", bucket);
	if (r == 0)
		r = buf_terminate(&witness);
	if (r == 0)
		r = body ? body_add(body, "expires_in", expires_in) : -ENOMEM;
	if (r == 0 && max_uploads >= 0 &&
	    json_object_object_add(body, "max_uploads", json_object_new_int64(max_uploads)) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = post(api, &path, body, (void (*)(void))cb, arg, on_upload_token, ret_call, &call);
	if (r < 0)
		return r;
	call->has_expiry = expires_in;
	call->witness_method = "GET";
	call->witness = buf_steal(&witness);
	return 0;
}

/* API keys */

struct answer_new_key {
	struct api_new_key key;
	char created_at[ANSWER_TIME_MAX];
};
#define NEW_KEY(field) offsetof(struct answer_new_key, key.field)
static const struct answer_field new_key_fields[] = {
	{"key", ANSWER_ID, true, NEW_KEY(key), 0},
	{"prefix", ANSWER_ID, true, NEW_KEY(prefix), 0},
	{"name", ANSWER_STRING, true, NEW_KEY(name), 0},
	{"created_at", ANSWER_TIME, true, NEW_KEY(created_at), offsetof(struct answer_new_key, created_at)},
};

static void on_new_key(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct answer_new_key a = {0};

	call_read_json(call, result, error, &object);
	int r = object ? answer_read(object, new_key_fields, ARRAY_SIZE(new_key_fields), &a) : 0;
	if (r < 0)
		call_bad_answer(error, r);
	((api_new_key_cb)call->cb)(call->arg, error, error->code ? NULL : &a.key);
	call_free(call);
}

int api_key_create(struct api *api, const char *name, api_new_key_cb cb, void *arg,
		   struct api_call **ret_call)
{
	_cleanup_json_ struct json_object *body = json_object_new_object();
	_cleanup_buf_ struct buf path = {0};
	struct api_call *call;
	int r = body ? body_add(body, "name", name) : -ENOMEM;

	if (r == 0)
		r = buf_append_str(&path, "/api/keys");
	return r < 0 ? r : post(api, &path, body, (void (*)(void))cb, arg, on_new_key, ret_call, &call);
}

struct answer_key {
	struct api_key key;
	char created_at[ANSWER_TIME_MAX], last_used_at[ANSWER_TIME_MAX];
};
#define KEY(field)      offsetof(struct answer_key, key.field)
#define KEY_TIME(field) KEY(field), offsetof(struct answer_key, field)
static const struct answer_field key_fields[] = {
	{"prefix", ANSWER_ID, true, KEY(prefix), 0},
	{"name", ANSWER_STRING, true, KEY(name), 0},
	{"created_at", ANSWER_TIME, true, KEY_TIME(created_at)},
	{"last_used_at", ANSWER_TIME, false, KEY_TIME(last_used_at)},
	{"bucket_count", ANSWER_COUNT, true, KEY(bucket_count), 0},
	{"file_count", ANSWER_COUNT, true, KEY(file_count), 0},
	{"total_size", ANSWER_COUNT, true, KEY(total_size), 0},
};

static int read_keys(struct json_object *object, struct answer_key **ret_read, struct api_key **ret_keys,
		     size_t *ret_n, struct api_page_info *page)
{
	struct json_object *array = NULL;
	size_t n = 0;
	int r = answer_page_info(object, page);

	if (r == 0)
		r = answer_items(object, "items", &array, &n);
	if (r < 0)
		return r;
	_cleanup_free_ struct answer_key *read = calloc(n + 1, sizeof(*read));
	_cleanup_free_ struct api_key *keys = calloc(n + 1, sizeof(*keys));
	if (!read || !keys)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		r = answer_read(json_object_array_get_idx(array, i), key_fields, ARRAY_SIZE(key_fields),
				&read[i]);
		if (r < 0)
			return r;
		keys[i] = read[i].key;
	}
	*ret_read = STEAL(read);
	*ret_keys = STEAL(keys);
	*ret_n = n;
	return 0;
}

static void on_keys(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	_cleanup_free_ struct answer_key *read = NULL;
	_cleanup_free_ struct api_key *keys = NULL;
	struct api_page_info page = {0};
	size_t n = 0;

	call_read_json(call, result, error, &object);
	int r = object ? read_keys(object, &read, &keys, &n, &page) : 0;
	if (r < 0)
		call_bad_answer(error, r);
	((api_keys_cb)call->cb)(call->arg, error, keys, n, &page);
	call_free(call);
}

int api_key_list(struct api *api, const struct api_page *page, api_keys_cb cb, void *arg,
		 struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	const char *separator;
	int r = buf_append_str(&path, "/api/keys");

	if (r == 0)
		r = page_append(&path, page, &separator);
	return r < 0 ? r : call_simple(api, "GET", &path, (void (*)(void))cb, arg, on_keys, ret_call);
}

static int key_path(struct buf *path, const char *prefix, const char *suffix)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)prefix[i]) && prefix[i] != '_')
			return -EINVAL;
	return len < 1 || len > PREFIX_MAX ? -EINVAL : buf_printf(path, "/api/keys/%s%s", prefix, suffix);
}

static void on_usage(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	_cleanup_free_ struct answer_bucket *read = NULL;
	_cleanup_free_ struct api_bucket *buckets = NULL;
	static const struct answer_field downloads = {"total_downloads", ANSWER_COUNT, true,
						      offsetof(struct api_key_usage, total_downloads), 0};
	struct answer_key key = {0};
	struct api_key_usage usage = {0};

	call_read_json(call, result, error, &object);
	int r = object ? answer_read(object, key_fields, ARRAY_SIZE(key_fields), &key) : 0;
	if (r == 0 && object)
		r = answer_read(object, &downloads, 1, &usage);
	if (r == 0 && object)
		r = answer_buckets(object, "buckets", &read, &usage.n_buckets);
	if (r == 0 && object) {
		buckets = calloc(usage.n_buckets + 1, sizeof(*buckets));
		r = buckets ? 0 : -ENOMEM;
	}
	for (size_t i = 0; buckets && i < usage.n_buckets; i++)
		buckets[i] = read[i].bucket;
	usage.key = key.key;
	usage.buckets = buckets;
	if (r < 0)
		call_bad_answer(error, r);
	((api_key_usage_cb)call->cb)(call->arg, error, error->code ? NULL : &usage);
	call_free(call);
}

int api_key_usage(struct api *api, const char *prefix, api_key_usage_cb cb, void *arg,
		  struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = key_path(&path, prefix, "/usage");

	return r < 0 ? r : call_simple(api, "GET", &path, (void (*)(void))cb, arg, on_usage, ret_call);
}

int api_key_delete(struct api *api, const char *prefix, api_done_cb cb, void *arg, struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = key_path(&path, prefix, "");

	return r < 0 ? r : call_simple(api, "DELETE", &path, (void (*)(void))cb, arg, call_on_done, ret_call);
}

/* Dashboard tokens */

struct answer_dashboard_token {
	struct api_dashboard_token token;
	char expires_at[ANSWER_TIME_MAX];
};
#define DASHBOARD(field) offsetof(struct answer_dashboard_token, token.field)
static const struct answer_field made_fields[] = {
	{"token", ANSWER_ID, true, DASHBOARD(token), 0},
	{"expires_at", ANSWER_TIME, true, DASHBOARD(expires_at),
	 offsetof(struct answer_dashboard_token, expires_at)},
};
static const struct answer_field asked_fields[] = {
	{"scope", ANSWER_ID, true, DASHBOARD(scope), 0},
	{"expires_at", ANSWER_TIME, true, DASHBOARD(expires_at),
	 offsetof(struct answer_dashboard_token, expires_at)},
};
_Static_assert(ARRAY_SIZE(made_fields) == ARRAY_SIZE(asked_fields), "read by one function");

static void read_dashboard(struct api_call *call, struct api_error *error, const struct http_result *result,
			   const struct answer_field *fields)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct answer_dashboard_token a = {0};

	call_read_json(call, result, error, &object);
	int r = object ? answer_read(object, fields, ARRAY_SIZE(made_fields), &a) : 0;
	if (r < 0)
		call_bad_answer(error, r);
	((api_dashboard_token_cb)call->cb)(call->arg, error, error->code ? NULL : &a.token);
	call_free(call);
}

static void on_dashboard_made(struct api_call *call, struct api_error *error,
			      const struct http_result *result)
{
	read_dashboard(call, error, result, made_fields);
}

/* 401, the only one there is: keys get it too, and are as good as ever. */
static void on_dashboard_asked(struct api_call *call, struct api_error *error,
			       const struct http_result *result)
{
	if (error->code == ERR_AUTH && call->api->auth != API_AUTH_DASHBOARD_TOKEN) {
		error->forbidden = true;
		error->hint = "Only a dashboard token can be asked about, and the profile's credential is "
			      "none: give the token with the call";
	} else if (error->code == ERR_AUTH && !error->hint)
		error->hint = "It has run out (24 hours are the most), is of another server, or is no "
			      "dashboard token";
	read_dashboard(call, error, result, asked_fields);
}

int api_dashboard_token_create(struct api *api, const char *expires_in, api_dashboard_token_cb cb, void *arg,
			       struct api_call **ret_call)
{
	_cleanup_json_ struct json_object *body = json_object_new_object();
	_cleanup_buf_ struct buf path = {0};
	struct api_call *call;
	int r = body ? body_add(body, "expires_in", expires_in) : -ENOMEM;

	if (r == 0)
		r = buf_append_str(&path, "/api/tokens/dashboard");
	if (r == 0)
		r = post(api, &path, body, (void (*)(void))cb, arg, on_dashboard_made, ret_call, &call);
	if (r == 0)
		call->has_expiry = expires_in;
	return r;
}

int api_dashboard_token_get(struct api *api, api_dashboard_token_cb cb, void *arg, struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = buf_append_str(&path, "/api/tokens/dashboard/me");

	return r < 0 ? r
		     : call_simple(api, "GET", &path, (void (*)(void))cb, arg, on_dashboard_asked, ret_call);
}

/* Short URLs */

static int short_path(struct buf *path, const char *prefix, const char *code)
{
	int r = url_id_valid(code) ? buf_printf(path, "%s%s", prefix, code) : -EINVAL;

	return r < 0 ? r : buf_terminate(path);
}

/* Who else would say so: the server's 404 has no words. */
static void no_such_code(struct api_error *error)
{
	if (error->code == ERR_NOT_FOUND)
		error->message = "There is no short URL with this code";
}

static void on_resolved(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_free_ char *bucket = NULL, *path = NULL, *url = NULL;
	struct api_place place = {0};

	no_such_code(error);
	if (result->error == 0 && result->status >= 301 && result->status <= 308 && call->location) {
		int r = url_parse_content(call->location, &bucket, &path);

		if (r == 0)
			r = api_file_url(call->api, bucket, path, &url);
		*error = (struct api_error){.status = result->status, .url = call->api->url};
		if (r < 0)
			call_bad_answer(error, r == -ENOMEM ? r : ERR_PROTOCOL);
	} else if (error->code == 0) {
		call_bad_answer(error, ERR_PROTOCOL); /* anything but a redirect is not of this server */
	}
	place = (struct api_place){.bucket = bucket, .path = path, .url = url};
	((api_place_cb)call->cb)(call->arg, error, error->code ? NULL : &place);
	call_free(call);
}

int api_short_resolve(struct api *api, const char *code, api_place_cb cb, void *arg,
		      struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0};
	int r = short_path(&path, "/s/", code);

	return r < 0 ? r : call_simple(api, "GET", &path, (void (*)(void))cb, arg, on_resolved, ret_call);
}

static void on_short_deleted(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	no_such_code(error);
	call_on_done(call, error, result);
}

int api_short_delete(struct api *api, const char *code, api_done_cb cb, void *arg, struct api_call **ret_call)
{
	_cleanup_buf_ struct buf path = {0}, witness = {0};
	struct api_call *call;
	int r = short_path(&path, "/api/short/", code);

	if (r == 0)
		r = short_path(&witness, "/s/", code);
	if (r == 0)
		r = call_new(api, (void (*)(void))cb, arg, &call);
	if (r < 0)
		return r;
	call->on_answer = on_short_deleted;
	call->witness_method = "GET";
	call->witness = buf_steal(&witness);
	return call_begin(call, "DELETE", path.data, NULL, ret_call);
}
