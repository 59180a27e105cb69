/* The server itself and its buckets: GetHealth, GetStats, and all that is named after a bucket but
 * DownloadZip. */
#include "ipc/remote.h"
#include "base/util.h"
#include <errno.h>
#include <stddef.h>

#define PREVIEW_FILES 100 /* of GetBucket */

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
	op_reply(op, &r);
}

void get_health(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new(context, call, parameters);
	int r = op ? api_health(op->api, on_health, op, &op->running) : 0;

	if (r < 0)
		op_failed(op, r, "profile");
}

#define OWNER(field) offsetof(struct api_owner_stats, field)
static const struct field owner_fields[] = {
	{"owner", FIELD_TEXT, OWNER(owner)},
	{"bucket_count", FIELD_INT64, OWNER(bucket_count)},
	{"file_count", FIELD_INT64, OWNER(file_count)},
	{"total_size", FIELD_INT64, OWNER(total_size)},
};

#define STATS(field) offsetof(struct api_stats, field)
static const struct field stats_fields[] = {
	{"total_buckets", FIELD_INT64, STATS(total_buckets)},
	{"total_files", FIELD_INT64, STATS(total_files)},
	{"total_size", FIELD_INT64, STATS(total_size)},
	{"total_keys", FIELD_INT64, STATS(total_keys)},
	{"total_downloads", FIELD_INT64, STATS(total_downloads)},
};

static void on_stats(void *arg, const struct api_error *error, const struct api_stats *stats)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct json_object *owners = json_object_new_array();
	struct reply r = reply_new();

	for (size_t i = 0; owners && i < stats->n_owners; i++) {
		struct reply owner = reply_new();

		reply_fields(&owner, owner_fields, ARRAY_SIZE(owner_fields), &stats->owners[i]);
		if (!reply_append(owners, reply_take(&owner)))
			r.failed = true;
	}
	reply_fields(&r, stats_fields, ARRAY_SIZE(stats_fields), stats);
	reply_add(&r, "storage_by_owner", list_cut(owners));
	op_reply(op, &r);
}

void get_stats(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new(context, call, parameters);
	int r = op ? api_stats(op->api, on_stats, op, &op->running) : 0;

	if (r < 0)
		op_failed(op, r, "profile");
}

/* The bucket is the whole reply. */
static void on_bucket_only(void *arg, const struct api_error *error, const struct api_bucket *bucket)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_add(&r, "bucket", bucket_object(bucket));
	op_reply(op, &r);
}

void create_bucket(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *name = NULL, *description = NULL, *expires_in = NULL;
	struct remote_op *op = op_new(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "name", &name);
	json_get_string(parameters, "description", &description);
	json_get_string(parameters, "expires_in", &expires_in);
	int r = api_bucket_create(op->api, name, description, expires_in, on_bucket_only, op, &op->running);

	if (r < 0)
		op_failed(op, r, "name");
}

static void on_preview(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
		       bool more)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_add(&r, "bucket", STEAL(op->object));
	reply_add(&r, "files", files_array(files, n));
	reply_bool(&r, "has_more_files", more);
	op_reply(op, &r);
}

static void on_bucket_then_files(void *arg, const struct api_error *error, const struct api_bucket *bucket)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	op->object = bucket_object(bucket);
	int r = !op->object ? -ENOMEM
			    : api_file_scan(op->api, op->bucket, NULL, PREVIEW_FILES, HTTP_INTERACTIVE,
					    on_preview, op, &op->running);
	if (r < 0)
		op_failed(op, r, "bucket");
}

void get_bucket(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_bucket(context, call, parameters);
	bool files = false;

	if (!op)
		return;
	json_get_bool(parameters, "include_files", &files);
	int r = api_bucket_get(op->api, op->bucket, files ? on_bucket_then_files : on_bucket_only, op,
			       &op->running);

	if (r < 0)
		op_failed(op, r, "bucket");
}

static void on_buckets(void *arg, const struct api_error *error, const struct api_bucket *buckets, size_t n,
		       const struct api_page_info *page)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	op->pages.total = page->total;
	op->pages.offset = page->offset;
	op->pages.limit = page->limit;
	pages_take(op, buckets_array(buckets, n), page->offset + (int64_t)n >= page->total);
}

static int next_buckets(struct remote_op *op)
{
	struct api_page page = pages_wanted(op);

	return api_bucket_list(op->api, &page, op->include_expired, on_buckets, op, &op->running);
}

void list_buckets(struct ipc_call *call, struct json_object *parameters, void *context)
{
	static const char *const sorts[] = {"name",       "expires_at", "last_used_at",
					    "total_size", "created_at", NULL};
	struct remote_op *op = op_new(context, call, parameters);

	if (!op || !pages_read(op, parameters, sorts))
		return;
	json_get_bool(parameters, "include_expired", &op->include_expired);
	op->pages.key = "buckets";
	op->pages.next = next_buckets;
	pages_start(op);
}

void update_bucket(struct ipc_call *call, struct json_object *parameters, void *context)
{
	const char *name = NULL, *description = NULL, *expires_in = NULL;
	struct remote_op *op = op_new_bucket(context, call, parameters);

	if (!op)
		return;
	json_get_string(parameters, "name", &name);
	json_get_string(parameters, "description", &description);
	json_get_string(parameters, "expires_in", &expires_in);
	int r = api_bucket_update(op->api, op->bucket, name, description, expires_in, on_bucket_only, op,
				  &op->running);

	if (r < 0)
		op_failed(op, r, "bucket");
}

void delete_bucket(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_bucket(context, call, parameters);
	int r = op ? api_bucket_delete(op->api, op->bucket, op_on_done, op, &op->running) : 0;

	if (r < 0)
		op_failed(op, r, "bucket");
}

static void on_summary(void *arg, const struct api_error *error, const char *text, bool cut)
{
	struct remote_op *op = arg;
	_cleanup_free_ char *noted = NULL;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	/* A person reads it: that it goes on is said where it stops. */
	if (cut && asprintf(&noted, "%s  ... and more: ListFiles has all of them\n", text) < 0)
		noted = NULL;
	if (cut && !noted)
		r.failed = true;
	reply_string(&r, "summary", cut ? noted : text);
	op_reply(op, &r);
}

void get_bucket_summary(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_bucket(context, call, parameters);
	int r = op ? api_bucket_summary(op->api, op->bucket, on_summary, op, &op->running) : 0;

	if (r < 0)
		op_failed(op, r, "bucket");
}
