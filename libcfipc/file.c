/* Files and how they are listed. Their bytes are in transfer.c. */
#include "libcfipc/method.h"

GET_STRING(file, path)
GET_STRING(file, name)
GET_INT(file, size)
GET_STRING(file, mime_type)
GET_STRING(file, short_code)
GET_STRING(file, short_url)
GET_STRING(file, sha256)
GET_FLAG(file, deduplicated)
GET_STRING(file, created_at)
GET_STRING(file, updated_at)
GET_STRING(directory, path)
GET_INT(directory, file_count)
GET_INT(directory, total_size)
GET_STRING(tree, prefix)
GET_STRING(tree, delimiter)
GET_OBJECT(tree, directories, cfipc_list)
GET_OBJECT(tree, files, cfipc_list)
GET_INT(tree, total_directories)
GET_INT(tree, total_files)
GET_STRING(tree, cursor)
GET_OBJECT(folder, folders, cfipc_list)
GET_OBJECT(folder, files, cfipc_list)
GET_INT(folder, total_folders)
GET_INT(folder, total_files)
GET_INT(folder, limit)
GET_INT(folder, offset)
GET_STRING(file_link, url)
GET_STRING(file_link, short_url)
GET_STRING(verification, path)
GET_STRING(verification, stored_hash)
GET_STRING(verification, computed_hash)
GET_FLAG(verification, valid)

static const cfipc_list_options list_options_defaults = {
	.size = sizeof(list_options_defaults), .limit = CFIPC_ALL, .offset = -1, .include_expired = -1};
/* include_expired is no field of a page. */
OPTIONS_TYPE(list_options, {"limit", FIELD_COUNT, offsetof(cfipc_list_options, limit)},
	     {"offset", FIELD_COUNT, offsetof(cfipc_list_options, offset)},
	     {"sort", FIELD_STRING, offsetof(cfipc_list_options, sort)},
	     {"order", FIELD_STRING, offsetof(cfipc_list_options, order)})
const struct options_type *const page_type = &list_options_type;

static const cfipc_tree_options tree_options_defaults = {.size = sizeof(tree_options_defaults),
							 .limit = CFIPC_ALL};
OPTIONS_TYPE(tree_options, {"prefix", FIELD_STRING, offsetof(cfipc_tree_options, prefix)},
	     {"delimiter", FIELD_STRING, offsetof(cfipc_tree_options, delimiter)},
	     {"limit", FIELD_COUNT, offsetof(cfipc_tree_options, limit)},
	     {"cursor", FIELD_STRING, offsetof(cfipc_tree_options, cursor)})

int64_t list_limit(const cfipc_list_options *options)
{
	cfipc_list_options all;

	return options_read(&list_options_type, options, &all) < 0 ? 0 : all.limit;
}

int list_include_expired(const cfipc_list_options *options)
{
	cfipc_list_options all;

	return options_read(&list_options_type, options, &all) < 0 ? -1 : all.include_expired;
}

static int64_t tree_limit(const cfipc_tree_options *options)
{
	cfipc_tree_options all;

	return options_read(&tree_options_type, options, &all) < 0 ? 0 : all.limit;
}

METHOD(cfipc_file_list, cfipc_list, (REMOTE "ListFiles"),
       (const char *profile, const char *bucket, const cfipc_list_options *options, ), STRING(profile),
       STRING(bucket), PAGE(options))
METHOD(cfipc_file_tree, cfipc_tree, (REMOTE "ListTree"),
       (const char *profile, const char *bucket, const cfipc_tree_options *options, ), STRING(profile),
       STRING(bucket), OPTIONS(options, tree_options_type), ALL(tree_limit(options)))
METHOD(cfipc_file_dir, cfipc_folder, (REMOTE "ListDirectory"),
       (const char *profile, const char *bucket, const char *path, const cfipc_list_options *options, ),
       STRING(profile), STRING(bucket), STRING(path), PAGE(options))
METHOD(cfipc_file_get, cfipc_file, (REMOTE "GetFile", "file"),
       (const char *profile, const char *bucket, const char *path, ), STRING(profile), STRING(bucket),
       STRING(path))
METHOD(cfipc_file_url, cfipc_file_link, (REMOTE "GetFileUrl"),
       (const char *profile, const char *bucket, const char *path, ), STRING(profile), STRING(bucket),
       STRING(path))
METHOD(cfipc_file_verify, cfipc_verification, (REMOTE "VerifyFile", NULL, CFIPC_DEDICATED),
       (const char *profile, const char *bucket, const char *path, ), STRING(profile), STRING(bucket),
       STRING(path))
METHOD_VOID(cfipc_file_delete, (REMOTE "DeleteFile"),
	    (const char *profile, const char *bucket, const char *path, ), STRING(profile), STRING(bucket),
	    STRING(path))
