/* Who may do what, and where: upload tokens, API keys, dashboard tokens, short URLs. Secrets pass through and
 * are kept nowhere. */
#include "ipc/remote.h"
#include "base/util.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Upload tokens */

static void on_upload_token(void *arg, const struct api_error *error, const struct api_upload_token *token)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_string(&r, "token", token->token);
	reply_string(&r, "bucket", token->bucket);
	reply_string(&r, "expires_at", token->expires_at);
	if (token->max_uploads >= 0)
		reply_int(&r, "max_uploads", token->max_uploads);
	reply_int(&r, "uploads_used", token->uploads_used);
	op_reply(op, &r);
}

void create_upload_token(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *expires_in = NULL;
	int64_t max_uploads = -1;

	/* The server would make a token that is good for nothing, or not understand the number. */
	if (json_get_int64(parameters, "max_uploads", &max_uploads) > 0 &&
	    (max_uploads < 1 || max_uploads > INT32_MAX)) {
		ipc_call_invalid(call, "max_uploads");
		return;
	}
	struct remote_op *op = op_new_bucket(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "expires_in", &expires_in);
	int r = api_upload_token_create(op->api, op->bucket, expires_in, max_uploads, on_upload_token, op,
					&op->running);

	if (r < 0)
		op_failed(op, r, "bucket");
}

/* API keys */

#define KEY(field) offsetof(struct api_key, field)
static const struct field key_fields[] = {
	{"prefix", FIELD_TEXT, KEY(prefix)},
	{"name", FIELD_TEXT, KEY(name)},
	{"created_at", FIELD_TEXT, KEY(created_at)},
	{"last_used_at", FIELD_STRING, KEY(last_used_at)},
	{"bucket_count", FIELD_INT64, KEY(bucket_count)},
	{"file_count", FIELD_INT64, KEY(file_count)},
	{"total_size", FIELD_INT64, KEY(total_size)},
};

static struct json_object *key_object(const struct api_key *key)
{
	struct reply r = reply_new();

	reply_fields(&r, key_fields, ARRAY_SIZE(key_fields), key);
	return reply_take(&r);
}

static void on_new_key(void *arg, const struct api_error *error, const struct api_new_key *key)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_string(&r, "key", key->key);
	reply_string(&r, "prefix", key->prefix);
	reply_string(&r, "name", key->name);
	reply_string(&r, "created_at", key->created_at);
	op_reply(op, &r);
}

void create_api_key(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *name = NULL;
	struct remote_op *op = op_new(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "name", &name);
	int r = api_key_create(op->api, name, on_new_key, op, &op->running);

	if (r < 0)
		op_failed(op, r, "name");
}

static void on_keys(void *arg, const struct api_error *error, const struct api_key *keys, size_t n,
		    const struct api_page_info *page)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < n; i++)
		if (!reply_append(list, key_object(&keys[i]))) {
			json_object_put(list);
			list = NULL;
		}
	op->pages.total = page->total;
	op->pages.offset = page->offset;
	op->pages.limit = page->limit;
	pages_take(op, list, page->offset + (int64_t)n >= page->total);
}

static int next_keys(struct remote_op *op)
{
	struct api_page page = pages_wanted(op);

	return api_key_list(op->api, &page, on_keys, op, &op->running);
}

void list_api_keys(struct ipc_call *call, struct json_object *parameters, void *context)
{
	static const char *const sorts[] = {"name", "last_used_at", "created_at", "total_size", NULL};
	struct remote_op *op = op_new(context, call, parameters);

	if (!op || !pages_read(op, parameters, sorts))
		return;
	op->pages.key = "keys";
	op->pages.next = next_keys;
	pages_start(op);
}

static void on_usage(void *arg, const struct api_error *error, const struct api_key_usage *usage)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_add(&r, "key", key_object(&usage->key));
	reply_int(&r, "total_downloads", usage->total_downloads);
	reply_add(&r, "buckets", list_cut(buckets_array(usage->buckets, usage->n_buckets)));
	op_reply(op, &r);
}

void get_api_key_usage(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *prefix = NULL;
	struct remote_op *op = op_new(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "prefix", &prefix);
	int r = api_key_usage(op->api, prefix, on_usage, op, &op->running);

	if (r < 0)
		op_failed(op, r, "prefix");
}

void delete_api_key(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *prefix = NULL;
	struct remote_op *op = op_new(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "prefix", &prefix);
	int r = api_key_delete(op->api, prefix, op_on_done, op, &op->running);

	if (r < 0)
		op_failed(op, r, "prefix");
}

/* Dashboard tokens */

static void on_dashboard_made(void *arg, const struct api_error *error,
			      const struct api_dashboard_token *token)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_string(&r, "token", token->token);
	reply_string(&r, "expires_at", token->expires_at);
	op_reply(op, &r);
}

void create_dashboard_token(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *expires_in = NULL;
	struct remote_op *op = op_new(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "expires_in", &expires_in);
	int r = api_dashboard_token_create(op->api, expires_in, on_dashboard_made, op, &op->running);

	if (r < 0)
		op_failed(op, r, "expires_in");
}

static void on_dashboard_asked(void *arg, const struct api_error *error,
			       const struct api_dashboard_token *token)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_string(&r, "scope", token->scope);
	reply_string(&r, "expires_at", token->expires_at);
	op_reply(op, &r);
}

/* The op's server, asked with this token. -EINVAL: it cannot be one. */
static int use_token(struct remote_op *op, const char *token)
{
	struct ipc_context *context = &op->ipc->context;
	struct secret *secret = NULL;
	struct api *api = NULL;
	size_t len = strlen(token);

	/* It travels in a header. */
	for (size_t i = 0; i < len; i++)
		if (token[i] <= ' ' || token[i] > '~')
			return -EINVAL;
	int r = len == 0 ? -EINVAL : secret_new(token, len, &secret);

	if (r >= 0)
		r = context->api_make(context->daemon, api_url(op->api), API_AUTH_DASHBOARD_TOKEN, secret,
				      &api);
	if (r < 0)
		return r;
	api_unref(op->api);
	op->api = api;
	op->stranger = true;
	return 0;
}

void get_dashboard_token(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *token = NULL;
	struct remote_op *op = op_new(context, call, parameters);
	int r = 0;

	if (!op)
		return;
	if (json_get_string(parameters, "token", &token) > 0)
		r = use_token(op, token);
	if (r >= 0)
		r = api_dashboard_token_get(op->api, on_dashboard_asked, op, &op->running);
	if (r < 0)
		op_failed(op, r, "token");
}

/* Short URLs */

static void on_place(void *arg, const struct api_error *error, const struct api_place *place)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_string(&r, "bucket", place->bucket);
	reply_string(&r, "path", place->path);
	reply_string(&r, "url", place->url);
	op_reply(op, &r);
}

void resolve_short_url(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *code = NULL;
	struct remote_op *op = op_new(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "code", &code);
	int r = api_short_resolve(op->api, code, on_place, op, &op->running);

	if (r < 0)
		op_failed(op, r, "code");
}

void delete_short_url(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *code = NULL;
	struct remote_op *op = op_new(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "code", &code);
	int r = api_short_delete(op->api, code, op_on_done, op, &op->running);

	if (r < 0)
		op_failed(op, r, "code");
}
