/* API keys, tokens and short URLs. */
#include "libcfipc/method.h"

GET_STRING(upload_token, token)
GET_STRING(upload_token, bucket)
GET_STRING(upload_token, expires_at)
GET_INT(upload_token, max_uploads)
GET_INT(upload_token, uploads_used)
GET_STRING(new_api_key, key)
GET_STRING(new_api_key, prefix)
GET_STRING(new_api_key, name)
GET_STRING(new_api_key, created_at)
GET_STRING(api_key, prefix)
GET_STRING(api_key, name)
GET_STRING(api_key, created_at)
GET_STRING(api_key, last_used_at)
GET_INT(api_key, bucket_count)
GET_INT(api_key, file_count)
GET_INT(api_key, total_size)
GET_OBJECT(key_usage, key, cfipc_api_key)
GET_INT(key_usage, total_downloads)
GET_OBJECT(key_usage, buckets, cfipc_list)
GET_STRING(dashboard_token, token)
GET_STRING(dashboard_token, scope)
GET_STRING(dashboard_token, expires_at)
GET_STRING(short_target, bucket)
GET_STRING(short_target, path)
GET_STRING(short_target, url)

METHOD(cfipc_upload_token_create, cfipc_upload_token, (REMOTE "CreateUploadToken"),
       (const char *profile, const char *bucket, const char *expires_in, int64_t max_uploads, ),
       STRING(profile), STRING(bucket), STRING(expires_in), COUNT(max_uploads))
METHOD(cfipc_api_key_create, cfipc_new_api_key, (REMOTE "CreateApiKey"),
       (const char *profile, const char *name, ), STRING(profile), STRING(name))
METHOD(cfipc_api_key_list, cfipc_list, (REMOTE "ListApiKeys"),
       (const char *profile, const cfipc_list_options *options, ), STRING(profile), PAGE(options))
METHOD(cfipc_api_key_usage, cfipc_key_usage, (REMOTE "GetApiKeyUsage"),
       (const char *profile, const char *prefix, ), STRING(profile), STRING(prefix))
METHOD_VOID(cfipc_api_key_delete, (REMOTE "DeleteApiKey"), (const char *profile, const char *prefix, ),
	    STRING(profile), STRING(prefix))
METHOD(cfipc_dashboard_token_create, cfipc_dashboard_token, (REMOTE "CreateDashboardToken"),
       (const char *profile, const char *expires_in, ), STRING(profile), STRING(expires_in))
METHOD(cfipc_dashboard_token_get, cfipc_dashboard_token, (REMOTE "GetDashboardToken"),
       (const char *profile, const char *token, ), STRING(profile), STRING(token))
METHOD(cfipc_short_resolve, cfipc_short_target, (REMOTE "ResolveShortUrl"),
       (const char *profile, const char *code, ), STRING(profile), STRING(code))
METHOD_VOID(cfipc_short_delete, (REMOTE "DeleteShortUrl"), (const char *profile, const char *code, ),
	    STRING(profile), STRING(code))
