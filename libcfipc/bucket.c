/* Buckets. */
#include "libcfipc/method.h"

GET_STRING(bucket, id)
GET_STRING(bucket, name)
GET_STRING(bucket, owner)
GET_STRING(bucket, description)
GET_STRING(bucket, created_at)
GET_STRING(bucket, expires_at)
GET_STRING(bucket, last_used_at)
GET_INT(bucket, file_count)
GET_INT(bucket, total_size)
GET_INT(bucket, unique_content_count)
GET_INT(bucket, unique_content_size)
GET_OBJECT(bucket_view, bucket, cfipc_bucket)
GET_OBJECT(bucket_view, files, cfipc_list)
GET_FLAG(bucket_view, has_more_files)

static const cfipc_bucket_options bucket_options_defaults = {.size = sizeof(bucket_options_defaults)};
OPTIONS_TYPE(bucket_options, {"name", FIELD_STRING, offsetof(cfipc_bucket_options, name)},
	     {"description", FIELD_STRING, offsetof(cfipc_bucket_options, description)},
	     {"expires_in", FIELD_STRING, offsetof(cfipc_bucket_options, expires_in)})

METHOD(cfipc_bucket_create, cfipc_bucket, (REMOTE "CreateBucket", "bucket"),
       (const char *profile, const char *name, const cfipc_bucket_options *options, ), STRING(profile),
       OPTIONS(options, bucket_options_type), STRING(name))
METHOD(cfipc_bucket_list, cfipc_list, (REMOTE "ListBuckets"),
       (const char *profile, const cfipc_list_options *options, ), STRING(profile), PAGE(options),
       FLAG_OF(include_expired, list_include_expired(options)))
METHOD(cfipc_bucket_get, cfipc_bucket, (REMOTE "GetBucket", "bucket"),
       (const char *profile, const char *bucket, ), STRING(profile), STRING(bucket))
METHOD(cfipc_bucket_get_with_files, cfipc_bucket_view, (REMOTE "GetBucket"),
       (const char *profile, const char *bucket, ), STRING(profile), STRING(bucket),
       FLAG_OF(include_files, 1))
METHOD(cfipc_bucket_update, cfipc_bucket, (REMOTE "UpdateBucket", "bucket"),
       (const char *profile, const char *bucket, const cfipc_bucket_options *options, ), STRING(profile),
       STRING(bucket), OPTIONS(options, bucket_options_type))
METHOD_VOID(cfipc_bucket_delete, (REMOTE "DeleteBucket"), (const char *profile, const char *bucket, ),
	    STRING(profile), STRING(bucket))
METHOD(cfipc_bucket_summary, cfipc_text, (REMOTE "GetBucketSummary", "summary"),
       (const char *profile, const char *bucket, ), STRING(profile), STRING(bucket))
