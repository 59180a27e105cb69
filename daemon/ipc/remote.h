/* What the handlers of org.carbonfiles.remote share: a call that waits for the server, its bucket and path
 * checked before anything goes out, lists that are answered page by page, and the objects of the interface.
 * The table of the methods is in methods_remote.c. */
#pragma once
#include "ipc/methods.h"
#include "ipc/profiles.h"

/* The paging of a list. The next page is asked for while the last one is small in the client's queue. */
struct remote_op;
struct pages {
	const char *key; /* of the items in the reply */
	/* Asks the server for the page behind op->pages.offset; it ends in pages_take. -errno: not begun. */
	int (*next)(struct remote_op *op);
	int64_t limit, offset, total; /* limit -1: the server's default */
	char *sort;
	int descending;              /* -1: not told */
	struct json_object *waiting; /* items that were over the size of a reply */
	bool last;                   /* the server has no more */
};

/* A call that waits for the server. */
struct remote_op {
	struct ipc *ipc;
	struct ipc_call *call;
	struct api *api;
	char *profile;
	struct api_call *running;
	bool more;
	char *bucket, *path; /* of the parameters */
	struct pages pages;
	char *after;                /* of a scan: the last path */
	bool include_expired;       /* ListBuckets */
	bool stranger;              /* what the answer says of the credential says nothing of the profile */
	struct listing *listing;    /* ListTree and ListDirectory */
	struct json_object *object; /* what an earlier answer of the server gave */
};

/* Begins a call on the profile of the parameters; NULL: the call was ended. When the client goes away the
 * running exchange is cancelled, and op_answered says so. */
struct remote_op *op_new(struct ipc *ipc, struct ipc_call *call, struct json_object *parameters);
/* The same with the bucket, and with bucket and path, of the parameters. */
struct remote_op *op_new_bucket(struct ipc *ipc, struct ipc_call *call, struct json_object *parameters);
struct remote_op *op_new_file(struct ipc *ipc, struct ipc_call *call, struct json_object *parameters);
void op_free(struct remote_op *op); /* the call was ended */

/* A call of the api was not begun: ends the call, on -EINVAL with this parameter. */
void op_failed(struct remote_op *op, int r, const char *parameter);
/* True: an answer to go on with; else the call was ended and op is gone. */
bool op_answered(struct remote_op *op, const struct api_error *error);
/* Ends the call: with what was built, or without parameters. */
void op_reply(struct remote_op *op, struct reply *r);

/* Reads page of the parameters; sorts: what the list can be sorted by, NULL-terminated. False: the call was
 * ended. */
bool pages_read(struct remote_op *op, struct json_object *parameters, const char *const *sorts);
/* Begins: the first page is asked for, then the others. key and next are set. */
void pages_start(struct remote_op *op);
/* A page came: its items (an array, taken; NULL: out of memory). last: there are no more. */
void pages_take(struct remote_op *op, struct json_object *items, bool last);
/* As the server takes it. */
struct api_page pages_wanted(const struct remote_op *op);
/* For calls of the api that answer with nothing: so does the method. */
void op_on_done(void *arg, const struct api_error *error);
/* A list in a reply that cannot be cut into several: what is over the size of one is left out. Taken and
 * given back; NULL stays NULL. */
struct json_object *list_cut(struct json_object *list);
size_t json_size(struct json_object *object); /* as it will stand in the message */

/* The objects of the interface; NULL: out of memory. */
struct json_object *bucket_object(const struct api_bucket *bucket);
struct json_object *buckets_array(const struct api_bucket *buckets, size_t n);
struct json_object *file_object(const struct api_file *file);
struct json_object *files_array(const struct api_file *files, size_t n);

/* remote_buckets.c */
void get_health(struct ipc_call *call, struct json_object *parameters, void *context);
void get_stats(struct ipc_call *call, struct json_object *parameters, void *context);
void create_bucket(struct ipc_call *call, struct json_object *parameters, void *context);
void list_buckets(struct ipc_call *call, struct json_object *parameters, void *context);
void get_bucket(struct ipc_call *call, struct json_object *parameters, void *context);
void update_bucket(struct ipc_call *call, struct json_object *parameters, void *context);
void delete_bucket(struct ipc_call *call, struct json_object *parameters, void *context);
void get_bucket_summary(struct ipc_call *call, struct json_object *parameters, void *context);
/* remote_files.c */
void list_files(struct ipc_call *call, struct json_object *parameters, void *context);
void get_file(struct ipc_call *call, struct json_object *parameters, void *context);
void get_file_url(struct ipc_call *call, struct json_object *parameters, void *context);
void verify_file(struct ipc_call *call, struct json_object *parameters, void *context);
void delete_file(struct ipc_call *call, struct json_object *parameters, void *context);
/* remote_tree.c */
void list_tree(struct ipc_call *call, struct json_object *parameters, void *context);
void list_directory(struct ipc_call *call, struct json_object *parameters, void *context);
/* remote_access.c */
void create_upload_token(struct ipc_call *call, struct json_object *parameters, void *context);
void create_api_key(struct ipc_call *call, struct json_object *parameters, void *context);
void list_api_keys(struct ipc_call *call, struct json_object *parameters, void *context);
void get_api_key_usage(struct ipc_call *call, struct json_object *parameters, void *context);
void delete_api_key(struct ipc_call *call, struct json_object *parameters, void *context);
void create_dashboard_token(struct ipc_call *call, struct json_object *parameters, void *context);
void get_dashboard_token(struct ipc_call *call, struct json_object *parameters, void *context);
void resolve_short_url(struct ipc_call *call, struct json_object *parameters, void *context);
void delete_short_url(struct ipc_call *call, struct json_object *parameters, void *context);
/* Of ListTree and ListDirectory: what was collected. */
void listing_free(struct listing *listing);
/* remote_transfers.c */
void upload_file(struct ipc_call *call, struct json_object *parameters, void *context);
void download_file(struct ipc_call *call, struct json_object *parameters, void *context);
void append_file(struct ipc_call *call, struct json_object *parameters, void *context);
void patch_file(struct ipc_call *call, struct json_object *parameters, void *context);
void download_zip(struct ipc_call *call, struct json_object *parameters, void *context);
