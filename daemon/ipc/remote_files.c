/* Files without their bytes: ListFiles, GetFile, GetFileUrl, VerifyFile, DeleteFile. Directories are in
 * remote_tree.c. */
#include "ipc/remote.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

static void on_files(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
		     const struct api_page_info *page)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	op->pages.total = page->total;
	op->pages.offset = page->offset;
	op->pages.limit = page->limit;
	pages_take(op, files_array(files, n), page->offset + (int64_t)n >= page->total);
}

static int next_files(struct remote_op *op)
{
	struct api_page page = pages_wanted(op);

	return api_file_list(op->api, op->bucket, &page, on_files, op, &op->running);
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
	pages_take(op, files_array(files, n), !more);
}

static int scan_on(struct remote_op *op)
{
	return api_file_scan(op->api, op->bucket, op->after, (int)op->pages.limit, HTTP_INTERACTIVE, on_scan,
			     op, &op->running);
}

/* Asked once before a scan: how many there are, and that the bucket exists. */
static void on_total(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
		     const struct api_page_info *page)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	op->pages.total = page->total;
	op->pages.next = scan_on;
	int r = scan_on(op);

	if (r < 0)
		op_failed(op, r, "bucket");
}

static int ask_total(struct remote_op *op)
{
	const struct api_page one = {.limit = 1, .offset = -1, .descending = -1};

	return api_file_list(op->api, op->bucket, &one, on_total, op, &op->running);
}

void list_files(struct ipc_call *call, struct json_object *parameters, void *context)
{
	static const char *const sorts[] = {"created_at", "name",       "path", "size",
					    "mime_type",  "updated_at", NULL};
	struct remote_op *op = op_new_bucket(context, call, parameters);

	if (!op || !pages_read(op, parameters, sorts))
		return;
	struct pages *p = &op->pages;
	bool scan = op->more && p->offset == 0 && p->descending != 1 &&
		    (!p->sort || strcmp(p->sort, "path") == 0);

	p->key = "files";
	p->next = scan ? ask_total : next_files;
	pages_start(op);
}

static void on_file(void *arg, const struct api_error *error, const struct api_file *file)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_add(&r, "file", file_object(file));
	op_reply(op, &r);
}

void get_file(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_file(context, call, parameters);
	int r = op ? api_file_find(op->api, op->bucket, op->path, HTTP_INTERACTIVE, on_file, op, &op->running)
		   : 0;

	if (r < 0)
		op_failed(op, r, "path");
}

static void on_file_url(void *arg, const struct api_error *error, const struct api_file *file)
{
	struct remote_op *op = arg;
	_cleanup_free_ char *url = NULL;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	if (api_file_url(op->api, op->bucket, op->path, &url) < 0)
		r.failed = true;
	reply_string(&r, "url", url);
	reply_string(&r, "short_url", file->short_url);
	op_reply(op, &r);
}

void get_file_url(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_file(context, call, parameters);
	int r = op ? api_file_find(op->api, op->bucket, op->path, HTTP_INTERACTIVE, on_file_url, op,
				   &op->running)
		   : 0;

	if (r < 0)
		op_failed(op, r, "path");
}

static void on_verdict(void *arg, const struct api_error *error, const struct api_verdict *verdict)
{
	struct remote_op *op = arg;

	if (!op_answered(op, error))
		return;
	struct reply r = reply_new();

	reply_string(&r, "path", verdict->path);
	reply_string(&r, "stored_hash", verdict->stored_hash);
	reply_string(&r, "computed_hash", verdict->computed_hash);
	reply_bool(&r, "valid", verdict->valid);
	op_reply(op, &r);
}

void verify_file(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_file(context, call, parameters);
	int r = op ? api_file_verify(op->api, op->bucket, op->path, on_verdict, op, &op->running) : 0;

	if (r < 0)
		op_failed(op, r, "path");
}

void delete_file(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct remote_op *op = op_new_file(context, call, parameters);
	int r = op ? api_file_delete(op->api, op->bucket, op->path, op_on_done, op, &op->running) : 0;

	if (r < 0)
		op_failed(op, r, "path");
}
