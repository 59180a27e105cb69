/* org.carbonfiles.remote: buckets and files of a server. Profiles are in profiles.c and login.c. */
#include "ipc/methods.h"
#include "ipc/profiles.h"
#include "api/url.h"
#include "base/err.h"
#include "base/util.h"
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define PAGE_MAX      1000 /* items of one page, the server's own limit */
#define PREVIEW_FILES 100  /* of GetBucket */

/* A call that waits for the server. */
struct remote_op {
	struct ipc *ipc;
	struct ipc_call *call;
	struct api *api;
	char *profile;
	struct api_call *running;
	/* What the methods need between two answers of the server. */
	char *bucket, *sort, *after;
	int descending;
	int64_t limit, offset, total;
	bool include_expired, more, scan;
	struct json_object *object;
	struct json_object *waiting; /* items that were over the size of a reply */
	bool last;                   /* the server has no more pages */
};

static void op_free(struct remote_op *op)
{
	json_object_put(op->object);
	json_object_put(op->waiting);
	api_unref(op->api);
	free(op->profile);
	free(op->bucket);
	free(op->sort);
	free(op->after);
	free(op);
}

static void on_gone(void *arg)
{
	struct remote_op *op = arg;

	if (op->running) {
		api_call_cancel(op->running); /* its callback ends the call */
		return;
	}
	reply_nothing(op->call);
	op_free(op);
}

/* Begins a call on the profile of the parameters; NULL: the call was ended. */
static struct remote_op *op_new(struct ipc *ipc, struct ipc_call *call, struct json_object *parameters)
{
	const char *profile = NULL, *name = NULL;
	struct api *api = NULL;

	json_get_string(parameters, "profile", &profile);
	int r = ipc->context.api_of(ipc->context.daemon, profile, &api, &name);

	if (r < 0) {
		error_profile(call, REMOTE, r, profile ? profile : profiles_active(ipc->context.profiles));
		return NULL;
	}
	struct remote_op *op = calloc(1, sizeof(*op));

	if (op)
		op->profile = strdup(name);
	if (!op || !op->profile) {
		free(op);
		ipc_call_no_memory(call);
		return NULL;
	}
	op->ipc = ipc;
	op->call = call;
	op->api = api_ref(api);
	op->more = ipc_call_more(call);
	ipc_call_on_gone(call, on_gone, op);
	return op;
}

/* A call of the api could not be begun. */
static void op_failed(struct remote_op *op, int r, const char *parameter)
{
	if (r == -EINVAL || r == -ENAMETOOLONG)
		ipc_call_invalid(op->call, parameter);
	else
		ipc_call_no_memory(op->call);
	op_free(op);
}

/* True: an answer to go on with; else the call was ended and op is gone. */
static bool op_answered(struct remote_op *op, const struct api_error *error)
{
	op->running = NULL;
	if (ipc_call_gone(op->call)) {
		reply_nothing(op->call);
		op_free(op);
		return false;
	}
	profile_learned(op->ipc, op->profile, error, NULL);
	if (error->code == 0)
		return true;
	error_api(op->call, REMOTE, error);
	op_free(op);
	return false;
}

#define BUCKET(field) offsetof(struct api_bucket, field)
static const struct field bucket_fields[] = {
	{"id", FIELD_TEXT, BUCKET(id)},
	{"name", FIELD_TEXT, BUCKET(name)},
	{"owner", FIELD_TEXT, BUCKET(owner)},
	{"description", FIELD_STRING, BUCKET(description)},
	{"created_at", FIELD_TEXT, BUCKET(created_at)},
	{"expires_at", FIELD_STRING, BUCKET(expires_at)},
	{"last_used_at", FIELD_STRING, BUCKET(last_used_at)},
	{"file_count", FIELD_INT64, BUCKET(file_count)},
	{"total_size", FIELD_INT64, BUCKET(total_size)},
	{"unique_content_count", FIELD_COUNT, BUCKET(unique_content_count)},
	{"unique_content_size", FIELD_COUNT, BUCKET(unique_content_size)},
};

#define A_FILE(field) offsetof(struct api_file, field)
static const struct field file_fields[] = {
	{"path", FIELD_TEXT, A_FILE(path)},
	{"name", FIELD_TEXT, A_FILE(name)},
	{"size", FIELD_INT64, A_FILE(size)},
	{"mime_type", FIELD_TEXT, A_FILE(mime_type)},
	{"short_code", FIELD_STRING, A_FILE(short_code)},
	{"short_url", FIELD_STRING, A_FILE(short_url)},
	{"sha256", FIELD_STRING, A_FILE(sha256)},
	{"deduplicated", FIELD_TRISTATE, A_FILE(deduplicated)},
	{"created_at", FIELD_TEXT, A_FILE(created_at)},
	{"updated_at", FIELD_TEXT, A_FILE(updated_at)},
};

static struct json_object *bucket_object(const struct api_bucket *bucket)
{
	struct reply r = reply_new();

	reply_fields(&r, bucket_fields, ARRAY_SIZE(bucket_fields), bucket);
	return reply_take(&r);
}

static struct json_object *file_object(const struct api_file *file)
{
	struct reply r = reply_new();

	reply_fields(&r, file_fields, ARRAY_SIZE(file_fields), file);
	return reply_take(&r);
}

static void on_health(void *arg, const struct api_error *error, const struct api_health *health)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_string(&r, "status", health->status);
	reply_int(&r, "uptime_seconds", health->uptime_seconds);
	reply_string(&r, "db", health->db ? health->db : "");
	reply_int(&r, "latency_ms", health->latency_ms);
	reply_send(op->call, &r);
	op_free(op);
}

static void get_health(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new(context, call, parameters);
	int r = op ? api_health(op->api, on_health, op, &op->running) : 0;

	if (r < 0)
		op_failed(op, r, "profile");
}

static void on_created(void *arg, const struct api_error *error, const struct api_bucket *bucket)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_add(&r, "bucket", bucket_object(bucket));
	reply_send(op->call, &r);
	op_free(op);
}

static void create_bucket(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *name = NULL, *description = NULL, *expires_in = NULL;
	struct remote_op *op = op_new(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "name", &name);
	json_get_string(parameters, "description", &description);
	json_get_string(parameters, "expires_in", &expires_in);
	int r = api_bucket_create(op->api, name, description, expires_in, on_created, op, &op->running);

	if (r < 0)
		op_failed(op, r, "name");
}

static void on_preview(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
		       bool more)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct json_object *list = json_object_new_array();
	struct reply r = reply_new();

	for (size_t i = 0; list && i < n; i++)
		if (!reply_append(list, file_object(&files[i])))
			r.failed = true;
	reply_add(&r, "bucket", STEAL(op->object));
	reply_add(&r, "files", list);
	reply_bool(&r, "has_more_files", more);
	reply_send(op->call, &r);
	op_free(op);
}

static void on_bucket(void *arg, const struct api_error *error, const struct api_bucket *bucket)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	op->object = bucket_object(bucket);
	if (!op->object) {
		op_failed(op, -ENOMEM, NULL);
		return;
	}
	if (op->limit > 0) {
		int r = api_file_scan(op->api, op->bucket, NULL, (int)op->limit, HTTP_INTERACTIVE, on_preview,
				      op, &op->running);
		if (r < 0)
			op_failed(op, r, "bucket");
		return;
	}
	struct reply r = reply_new();

	reply_add(&r, "bucket", STEAL(op->object));
	reply_send(op->call, &r);
	op_free(op);
}

/* With the bucket of the parameters; NULL: the call was ended. */
static struct remote_op *op_new_bucket(struct ipc *ipc, struct ipc_call *call, struct json_object *parameters)
{
	const char *bucket = NULL;

	json_get_string(parameters, "bucket", &bucket);
	if (!url_id_valid(bucket)) {
		ipc_call_invalid(call, "bucket");
		return NULL;
	}
	struct remote_op *op = op_new(ipc, call, parameters);

	if (!op)
		return NULL;
	op->bucket = strdup(bucket);
	if (op->bucket)
		return op;
	op_failed(op, -ENOMEM, NULL);
	return NULL;
}

static void get_bucket(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_bucket(context, call, parameters);
	bool files = false;

	if (!op)
		return;
	json_get_bool(parameters, "include_files", &files);
	op->limit = files ? PREVIEW_FILES : 0;
	int r = api_bucket_get(op->api, op->bucket, on_bucket, op, &op->running);

	if (r < 0)
		op_failed(op, r, "bucket");
}

/* The page that was asked for; false: the call was ended. */
static bool read_page(struct remote_op *op, struct json_object *parameters)
{
	struct json_object *page = NULL;
	const char *sort = NULL, *order = NULL;
	int64_t limit, offset;

	op->limit = -1;
	op->descending = -1;
	if (json_get_object(parameters, "page", &page) <= 0)
		return true;
	if (json_get_int64(page, "limit", &limit) > 0) {
		if (limit < 1 || limit > PAGE_MAX) {
			op_failed(op, -EINVAL, "limit");
			return false;
		}
		op->limit = limit;
	}
	if (json_get_int64(page, "offset", &offset) > 0) {
		if (offset < 0) {
			op_failed(op, -EINVAL, "offset");
			return false;
		}
		op->offset = offset;
	}
	if (json_get_string(page, "sort", &sort) > 0 && !(op->sort = strdup(sort))) {
		op_failed(op, -ENOMEM, NULL);
		return false;
	}
	if (json_get_string(page, "order", &order) > 0)
		op->descending = strcmp(order, "desc") == 0;
	return true;
}

static struct api_page page_of(const struct remote_op *op)
{
	return (struct api_page){.limit = op->more && op->limit < 0 ? PAGE_MAX : op->limit,
				 .offset = op->offset > 0 ? op->offset : -1,
				 .sort = op->sort,
				 .descending = op->descending};
}

static void next_page(struct remote_op *op);

/* One reply of items, as many as fit; the rest stays in op->waiting. True while some are left. */
static bool cut_reply(struct remote_op *op, const char *key, struct reply *r, int64_t limit)
{
	struct json_object *list = json_object_new_array(), *rest = json_object_new_array();
	size_t n = json_object_array_length(op->waiting), i = 0, bytes = 0;

	for (; list && i < n; i++) {
		struct json_object *item = json_object_array_get_idx(op->waiting, i);
		size_t len = 0;

		json_object_to_json_string_length(item, JSON_C_TO_STRING_PLAIN, &len);
		if (i > 0 && bytes + len > IPC_PAGE_BYTES)
			break;
		bytes += len;
		if (!reply_append(list, json_object_get(item)))
			r->failed = true;
	}
	for (size_t k = i; rest && k < n; k++)
		if (!reply_append(rest, json_object_get(json_object_array_get_idx(op->waiting, k))))
			r->failed = true;
	if (!rest)
		r->failed = true;
	json_object_put(op->waiting);
	op->waiting = rest;
	reply_add(r, key, list);
	struct reply page = reply_new();

	reply_int(&page, "total", op->total);
	reply_int(&page, "limit", i < n ? (int64_t)i : limit);
	reply_int(&page, "offset", op->offset);
	reply_add(r, "page", reply_take(&page));
	op->offset += (int64_t)i;
	return i < n && !r->failed;
}

/* Sends what waits; then asks for the next page, or ends. A full queue pauses it: on_drain goes on. */
static void send_waiting(void *arg)
{
	struct remote_op *op = arg;
	const char *key = op->bucket ? "files" : "buckets";

	if (op->running || !op->waiting)
		return;
	for (;;) {
		struct reply r = reply_new();
		bool left = cut_reply(op, key, &r, op->limit);

		if (!op->more || r.failed || (!left && op->last)) {
			reply_send(op->call, &r);
			op_free(op);
			return;
		}
		int sent = reply_continue(op->call, &r);

		if (sent < 0) {
			reply_nothing(op->call);
			op_free(op);
			return;
		}
		if (!left) {
			json_object_put(STEAL(op->waiting));
			next_page(op);
			return;
		}
		if (sent == 0)
			return;
	}
}

/* Takes the items of a page (an array, NULL: out of memory). */
static void on_items(struct remote_op *op, struct json_object *items, size_t n, int64_t limit, bool last)
{
	op->waiting = items;
	op->limit = limit;
	op->last = last || n == 0;
	if (!items)
		op_failed(op, -ENOMEM, NULL);
	else if (op->more && !ipc_call_has_room(op->call))
		return; /* on_drain goes on */
	else
		send_waiting(op);
}

static struct json_object *files_array(const struct api_file *files, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < n; i++)
		if (!reply_append(list, file_object(&files[i]))) {
			json_object_put(list);
			return NULL;
		}
	return list;
}

static void on_files(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
		     const struct api_page_info *page)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	op->total = page->total;
	op->offset = page->offset;
	on_items(op, files_array(files, n), n, page->limit, page->offset + (int64_t)n >= page->total);
}

static void on_scan(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
		    bool more)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	char *after = n > 0 ? strdup(files[n - 1].path) : NULL;

	if (n > 0 && !after) {
		op_failed(op, -ENOMEM, NULL);
		return;
	}
	free(op->after);
	op->after = after;
	on_items(op, files_array(files, n), n, op->limit, !more);
}

/* Asked once before a scan: how many there are, and that the bucket exists. */
static void on_total(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
		     const struct api_page_info *page)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	op->total = page->total;
	next_page(op);
}

static void on_buckets(void *arg, const struct api_error *error, const struct api_bucket *buckets, size_t n,
		       const struct api_page_info *page)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < n; i++)
		if (!reply_append(list, bucket_object(&buckets[i]))) {
			json_object_put(list);
			list = NULL;
		}
	op->total = page->total;
	op->offset = page->offset;
	on_items(op, list, n, page->limit, page->offset + (int64_t)n >= page->total);
}

static void next_page(struct remote_op *op)
{
	struct api_page page = page_of(op);
	int r;

	if (!op->bucket)
		r = api_bucket_list(op->api, &page, op->include_expired, on_buckets, op, &op->running);
	else if (op->scan)
		r = api_file_scan(op->api, op->bucket, op->after, (int)op->limit, HTTP_INTERACTIVE, on_scan,
				  op, &op->running);
	else
		r = api_file_list(op->api, op->bucket, &page, on_files, op, &op->running);
	if (r < 0)
		op_failed(op, r, "page");
}

static void list_buckets(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new(context, call, parameters);

	if (!op || !read_page(op, parameters))
		return;
	json_get_bool(parameters, "include_expired", &op->include_expired);
	ipc_call_on_drain(call, send_waiting, op);
	next_page(op);
}

static void list_files(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_bucket(context, call, parameters);

	if (!op || !read_page(op, parameters))
		return;
	ipc_call_on_drain(call, send_waiting, op);
	op->scan = op->more && op->offset == 0 && op->descending != 1 &&
		   (!op->sort || strcmp(op->sort, "path") == 0);
	if (!op->scan) {
		next_page(op);
		return;
	}
	const struct api_page one = {.limit = 1, .offset = -1, .descending = -1};

	if (op->limit < 0)
		op->limit = PAGE_MAX;
	int r = api_file_list(op->api, op->bucket, &one, on_total, op, &op->running);

	if (r < 0)
		op_failed(op, r, "bucket");
}

const struct ipc_method ipc_remote_methods[] = {
	{"ListProfiles", list_profiles, IPC_ADMIN},
	{"GetProfile", get_profile, IPC_ADMIN},
	{"SetProfile", set_profile, IPC_ADMIN},
	{"RemoveProfile", remove_profile, IPC_ADMIN},
	{"Login", login, IPC_ADMIN | IPC_SENSITIVE | IPC_FD},
	{"Logout", logout, IPC_ADMIN},
	{"GetHealth", get_health, IPC_ADMIN},
	{"CreateBucket", create_bucket, IPC_ADMIN},
	{"ListBuckets", list_buckets, IPC_ADMIN | IPC_MORE},
	{"GetBucket", get_bucket, IPC_ADMIN},
	{"ListFiles", list_files, IPC_ADMIN | IPC_MORE},
};
const size_t ipc_remote_methods_count = ARRAY_SIZE(ipc_remote_methods);
