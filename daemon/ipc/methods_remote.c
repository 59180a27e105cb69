/* org.carbonfiles.remote: the table of its methods, and how a call of it begins, waits for the server and
 * ends. The handlers are in remote_buckets.c, remote_files.c and remote_access.c; profiles in profiles.c and
 * login.c. */
#include "ipc/remote.h"
#include "ipc/transfers.h"
#include "api/url.h"
#include "base/err.h"
#include "base/util.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

void op_free(struct remote_op *op)
{
	json_object_put(op->object);
	json_object_put(op->pages.waiting);
	listing_free(op->listing);
	free(op->pages.sort);
	api_unref(op->api);
	free(op->profile);
	free(op->bucket);
	free(op->path);
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

struct remote_op *op_new(struct ipc *ipc, struct ipc_call *call, struct json_object *parameters)
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

struct remote_op *op_new_bucket(struct ipc *ipc, struct ipc_call *call, struct json_object *parameters)
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

struct remote_op *op_new_file(struct ipc *ipc, struct ipc_call *call, struct json_object *parameters)
{
	const char *path = NULL;

	json_get_string(parameters, "path", &path);
	/* Before anything goes out: the server would resolve "..", and a DELETE of it deletes the bucket. */
	if (url_path_check(path) < 0) {
		ipc_call_invalid(call, "path");
		return NULL;
	}
	struct remote_op *op = op_new_bucket(ipc, call, parameters);

	if (!op)
		return NULL;
	op->path = strdup(path);
	if (op->path)
		return op;
	op_failed(op, -ENOMEM, NULL);
	return NULL;
}

void op_failed(struct remote_op *op, int r, const char *parameter)
{
	if (r == -EINVAL || r == -ENAMETOOLONG)
		ipc_call_invalid(op->call, parameter);
	else
		ipc_call_no_memory(op->call);
	op_free(op);
}

bool op_answered(struct remote_op *op, const struct api_error *error)
{
	op->running = NULL;
	if (ipc_call_gone(op->call)) {
		reply_nothing(op->call);
		op_free(op);
		return false;
	}
	if (!op->stranger)
		profile_learned(op->ipc, op->profile, error, NULL);
	if (error->code == 0)
		return true;
	error_api(op->call, REMOTE, error);
	op_free(op);
	return false;
}

void op_reply(struct remote_op *op, struct reply *r)
{
	reply_send(op->call, r);
	op_free(op);
}

void op_on_done(void *arg, const struct api_error *error)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	reply_nothing(op->call);
	op_free(op);
}

/* Objects of the interface */

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

struct json_object *bucket_object(const struct api_bucket *bucket)
{
	struct reply r = reply_new();

	reply_fields(&r, bucket_fields, ARRAY_SIZE(bucket_fields), bucket);
	return reply_take(&r);
}

struct json_object *file_object(const struct api_file *file)
{
	struct reply r = reply_new();

	reply_fields(&r, file_fields, ARRAY_SIZE(file_fields), file);
	return reply_take(&r);
}

struct json_object *buckets_array(const struct api_bucket *buckets, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < n; i++)
		if (!reply_append(list, bucket_object(&buckets[i]))) {
			json_object_put(list);
			return NULL;
		}
	return list;
}

struct json_object *files_array(const struct api_file *files, size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < n; i++)
		if (!reply_append(list, file_object(&files[i]))) {
			json_object_put(list);
			return NULL;
		}
	return list;
}

const struct ipc_method ipc_remote_methods[] = {
	{"ListProfiles", list_profiles, IPC_ADMIN},
	{"GetProfile", get_profile, IPC_ADMIN},
	{"SetProfile", set_profile, IPC_ADMIN},
	{"RemoveProfile", remove_profile, IPC_ADMIN},
	{"Login", login, IPC_ADMIN | IPC_SENSITIVE | IPC_FD},
	{"Logout", logout, IPC_ADMIN},
	{"GetHealth", get_health, IPC_ADMIN},
	{"GetStats", get_stats, IPC_ADMIN},

	{"CreateBucket", create_bucket, IPC_ADMIN},
	{"ListBuckets", list_buckets, IPC_ADMIN | IPC_MORE},
	{"GetBucket", get_bucket, IPC_ADMIN},
	{"UpdateBucket", update_bucket, IPC_ADMIN},
	{"DeleteBucket", delete_bucket, IPC_ADMIN},
	{"GetBucketSummary", get_bucket_summary, IPC_ADMIN},

	{"ListFiles", list_files, IPC_ADMIN | IPC_MORE},
	{"ListTree", list_tree, IPC_ADMIN | IPC_MORE},
	{"ListDirectory", list_directory, IPC_ADMIN | IPC_MORE},
	{"GetFile", get_file, IPC_ADMIN},
	{"GetFileUrl", get_file_url, IPC_ADMIN},
	{"VerifyFile", verify_file, IPC_ADMIN},
	{"DeleteFile", delete_file, IPC_ADMIN},

	{"CreateUploadToken", create_upload_token, IPC_ADMIN | IPC_SENSITIVE},
	{"CreateApiKey", create_api_key, IPC_ADMIN | IPC_SENSITIVE},
	{"ListApiKeys", list_api_keys, IPC_ADMIN | IPC_MORE},
	{"GetApiKeyUsage", get_api_key_usage, IPC_ADMIN},
	{"DeleteApiKey", delete_api_key, IPC_ADMIN},
	{"CreateDashboardToken", create_dashboard_token, IPC_ADMIN | IPC_SENSITIVE},
	{"GetDashboardToken", get_dashboard_token, IPC_ADMIN | IPC_SENSITIVE},
	{"ResolveShortUrl", resolve_short_url, IPC_ADMIN},
	{"DeleteShortUrl", delete_short_url, IPC_ADMIN},

	{"Upload", upload_file, IPC_ADMIN | IPC_MORE | IPC_FD | IPC_SENSITIVE},
	{"Download", download_file, IPC_ADMIN | IPC_MORE | IPC_FD},
	{"AppendFile", append_file, IPC_ADMIN | IPC_MORE | IPC_FD | IPC_SENSITIVE},
	{"PatchFile", patch_file, IPC_ADMIN | IPC_MORE | IPC_FD | IPC_SENSITIVE},
	{"DownloadZip", download_zip, IPC_ADMIN | IPC_MORE | IPC_FD},
	{"ListTransfers", list_transfers, IPC_ADMIN},
	{"CancelTransfer", cancel_transfer, IPC_ADMIN},
};
const size_t ipc_remote_methods_count = ARRAY_SIZE(ipc_remote_methods);
