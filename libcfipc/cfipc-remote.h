/* libcfipc, a chapter of cfipc.h: the typed functions, and those of org.carbonfiles.remote but for the bulk
 * ones.
 *
 * TWO FORMS. Every method has a function that waits and one that does not, of the same name with _async
 * behind it. Both are one engine: the first is the second, waited for.
 *
 * The waiting form returns 0 and gives the result by its ret_ pointer, or returns a negative number as
 * cfipc_call does and gives the error. Both pointers may be NULL when not wanted; on failure *ret_RESULT is
 * NULL, on success *ret_error is.
 *
 * The _async form begins a call, as cfipc_call_async does: it returns 0, or -EINVAL, -E2BIG, -ENOMEM, -ECHILD
 * when nothing was begun. ret_op may be NULL. The callback gets the result that the waiting form would give.
 *
 * ARGUMENTS. profile names the stored server and credential to use, NULL: the active one. bucket is a
 * bucket's id, path a path in it with "/" between its parts. Strings are UTF-8, NULL where an optional one is
 * not given; the comment says which are optional. expires_in is a time from now in the server's words, "1h",
 * "7d", "never". The daemon checks arguments: CFIPC_ERROR_INVALID_PARAMETER names the one it refuses.
 *
 * ERRORS beside those of every call (see cfipc.h): any function with a profile may end with NO_SUCH_PROFILE,
 * NOT_LOGGED_IN, UNREACHABLE, ACCESS_DENIED, BAD_REQUEST or REMOTE; one that names a bucket, path, code or
 * prefix with NOT_FOUND. Further ones are named at the function.
 *
 * Calls on one client are answered one after the other, and a server that does not answer holds up those
 * behind it: a program that asks the daemon itself meanwhile uses a second client for that.
 */
#ifndef CFIPC_H
#error "include cfipc.h"
#endif

/* result: what was asked for, NULL with an error; borrowed. Otherwise as cfipc_reply_cb. Where the waiting
 * form gives nothing, result is an object without getters. A call that answers in several pieces (every page
 * of a list, a stream) has a callback for each, all but the last with CFIPC_CONTINUES. */
typedef int (*cfipc_result_cb)(cfipc_op *op, void *result, const cfipc_error *error, unsigned flags,
			       void *userdata);

/* ---- Options ----
 * Option structs grow at their end only. Always start from the init function of the struct with
 * sizeof(options): it sets every field to "not given". A NULL options pointer is the same. */

/* Which part of a list. */
#define CFIPC_ALL (-1) /* every page: the waiting form gives one list of all, the other a list per page */
typedef struct cfipc_list_options {
	size_t size;
	int64_t limit;       /* items, 1 to 1000; CFIPC_ALL (the default); a page may be shorter */
	int64_t offset;      /* items to leave out; -1 (the default): 0 */
	const char *sort;    /* as the server names it, "path", "size", "created_at"; NULL: its own order */
	const char *order;   /* "asc", "desc" */
	int include_expired; /* buckets only: 1, 0, -1 (the default): 0 */
} cfipc_list_options;
CFIPC_EXPORT void cfipc_list_options_init(cfipc_list_options *options, size_t size);

/* ---- Profiles ---- */

/* Of cfipc_profile. Asks no server. */
CFIPC_EXPORT int cfipc_profiles_list(cfipc_client *client, cfipc_list **ret_list, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_profiles_list_async(cfipc_client *client, cfipc_op **ret_op, cfipc_result_cb callback,
					   void *userdata);

/* name NULL: the active one. */
CFIPC_EXPORT int cfipc_profile_get(cfipc_client *client, const char *name, cfipc_profile **ret_profile,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_profile_get_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					 cfipc_result_cb callback, void *userdata);

typedef struct cfipc_profile_options {
	size_t size;
	const char *new_name;
	const char *url;
	int active; /* 1: becomes the active one; 0; -1 (the default): as is */
} cfipc_profile_options;
CFIPC_EXPORT void cfipc_profile_options_init(cfipc_profile_options *options, size_t size);

/* Changes what is given in options and leaves the rest as it is. cfipc_login makes profiles. */
CFIPC_EXPORT int cfipc_profile_set(cfipc_client *client, const char *name,
				   const cfipc_profile_options *options, cfipc_profile **ret_profile,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_profile_set_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					 const cfipc_profile_options *options, cfipc_result_cb callback,
					 void *userdata);

/* Forgets it and its credential. BUSY while a pair uses it. */
CFIPC_EXPORT int cfipc_profile_remove(cfipc_client *client, const char *name, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_profile_remove_async(cfipc_client *client, cfipc_op **ret_op, const char *name,
					    cfipc_result_cb callback, void *userdata);

typedef struct cfipc_login_options {
	size_t size;
	const char *url; /* of the server; NULL: that of the profile */
	const char *
		auth; /* api_key, admin_key, dashboard_token, upload_token; NULL: by the look of the secret */
	const char *secret; /* at most 64 KiB; NULL and no secret_fd: a profile without a credential */
	int secret_fd;      /* read by the daemon to its end, stays yours; -1 (the default) */
	int verify;         /* 0: the server is not asked whether it takes it; 1; -1 (the default): 1 */
	int active; /* as in cfipc_profile_options; by default only the first profile becomes active */
} cfipc_login_options;
CFIPC_EXPORT void cfipc_login_options_init(cfipc_login_options *options, size_t size);

/* Stores a credential, once the server has taken it. The secret travels by a descriptor and is in no log.
 * profile: a name, which is made when it is new. */
CFIPC_EXPORT int cfipc_login(cfipc_client *client, const char *profile, const cfipc_login_options *options,
			     cfipc_profile **ret_profile, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_login_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				   const cfipc_login_options *options, cfipc_result_cb callback,
				   void *userdata);

/* Forgets the credential and keeps the profile. */
CFIPC_EXPORT int cfipc_logout(cfipc_client *client, const char *profile, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_logout_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				    cfipc_result_cb callback, void *userdata);

/* ---- The server ---- */

CFIPC_EXPORT int cfipc_health(cfipc_client *client, const char *profile, cfipc_health_info **ret_health_info,
			      cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_health_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				    cfipc_result_cb callback, void *userdata);

/* Needs an admin credential. */
CFIPC_EXPORT int cfipc_stats(cfipc_client *client, const char *profile, cfipc_server_stats **ret_server_stats,
			     cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_stats_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				   cfipc_result_cb callback, void *userdata);

/* ---- Buckets ---- */

typedef struct cfipc_bucket_options {
	size_t size;
	const char *name; /* cfipc_bucket_update only: the new one */
	const char *description;
	const char *expires_in;
} cfipc_bucket_options;
CFIPC_EXPORT void cfipc_bucket_options_init(cfipc_bucket_options *options, size_t size);

CFIPC_EXPORT int cfipc_bucket_create(cfipc_client *client, const char *profile, const char *name,
				     const cfipc_bucket_options *options, cfipc_bucket **ret_bucket,
				     cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_bucket_create_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					   const char *name, const cfipc_bucket_options *options,
					   cfipc_result_cb callback, void *userdata);

/* Of cfipc_bucket. */
CFIPC_EXPORT int cfipc_bucket_list(cfipc_client *client, const char *profile,
				   const cfipc_list_options *options, cfipc_list **ret_list,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_bucket_list_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					 const cfipc_list_options *options, cfipc_result_cb callback,
					 void *userdata);

CFIPC_EXPORT int cfipc_bucket_get(cfipc_client *client, const char *profile, const char *bucket,
				  cfipc_bucket **ret_bucket, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_bucket_get_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					const char *bucket, cfipc_result_cb callback, void *userdata);

/* The same with the first hundred files by path. */
CFIPC_EXPORT int cfipc_bucket_get_with_files(cfipc_client *client, const char *profile, const char *bucket,
					     cfipc_bucket_view **ret_bucket_view, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_bucket_get_with_files_async(cfipc_client *client, cfipc_op **ret_op,
						   const char *profile, const char *bucket,
						   cfipc_result_cb callback, void *userdata);

/* Changes what is given in options and leaves the rest as it is. */
CFIPC_EXPORT int cfipc_bucket_update(cfipc_client *client, const char *profile, const char *bucket,
				     const cfipc_bucket_options *options, cfipc_bucket **ret_bucket,
				     cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_bucket_update_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					   const char *bucket, const cfipc_bucket_options *options,
					   cfipc_result_cb callback, void *userdata);

/* With every file in it. */
CFIPC_EXPORT int cfipc_bucket_delete(cfipc_client *client, const char *profile, const char *bucket,
				     cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_bucket_delete_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					   const char *bucket, cfipc_result_cb callback, void *userdata);

/* Some lines about the bucket, as the server words them. */
CFIPC_EXPORT int cfipc_bucket_summary(cfipc_client *client, const char *profile, const char *bucket,
				      cfipc_text **ret_text, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_bucket_summary_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					    const char *bucket, cfipc_result_cb callback, void *userdata);

/* ---- Files ---- */

/* Of cfipc_file, the whole bucket. Every page in the order of paths neither misses nor doubles a file
 * while others change the bucket; with another sort it may. */
CFIPC_EXPORT int cfipc_file_list(cfipc_client *client, const char *profile, const char *bucket,
				 const cfipc_list_options *options, cfipc_list **ret_list,
				 cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_file_list_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				       const char *bucket, const cfipc_list_options *options,
				       cfipc_result_cb callback, void *userdata);

typedef struct cfipc_tree_options {
	size_t size;
	const char *prefix;    /* only below this; "" is the top */
	const char *delimiter; /* NULL: "/" */
	int64_t limit;         /* as in cfipc_list_options */
	const char *cursor;    /* where a page before ended */
} cfipc_tree_options;
CFIPC_EXPORT void cfipc_tree_options_init(cfipc_tree_options *options, size_t size);

/* One level: the files there, and the directories with what they hold in sum. */
CFIPC_EXPORT int cfipc_file_tree(cfipc_client *client, const char *profile, const char *bucket,
				 const cfipc_tree_options *options, cfipc_tree **ret_tree,
				 cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_file_tree_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				       const char *bucket, const cfipc_tree_options *options,
				       cfipc_result_cb callback, void *userdata);

/* One directory; path NULL: the top. */
CFIPC_EXPORT int cfipc_file_dir(cfipc_client *client, const char *profile, const char *bucket,
				const char *path, const cfipc_list_options *options,
				cfipc_folder **ret_folder, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_file_dir_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				      const char *bucket, const char *path, const cfipc_list_options *options,
				      cfipc_result_cb callback, void *userdata);

CFIPC_EXPORT int cfipc_file_get(cfipc_client *client, const char *profile, const char *bucket,
				const char *path, cfipc_file **ret_file, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_file_get_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				      const char *bucket, const char *path, cfipc_result_cb callback,
				      void *userdata);

CFIPC_EXPORT int cfipc_file_url(cfipc_client *client, const char *profile, const char *bucket,
				const char *path, cfipc_file_link **ret_file_link, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_file_url_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				      const char *bucket, const char *path, cfipc_result_cb callback,
				      void *userdata);

/* The server reads the whole file and compares. */
CFIPC_EXPORT int cfipc_file_verify(cfipc_client *client, const char *profile, const char *bucket,
				   const char *path, cfipc_verification **ret_verification,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_file_verify_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					 const char *bucket, const char *path, cfipc_result_cb callback,
					 void *userdata);

CFIPC_EXPORT int cfipc_file_delete(cfipc_client *client, const char *profile, const char *bucket,
				   const char *path, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_file_delete_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					 const char *bucket, const char *path, cfipc_result_cb callback,
					 void *userdata);

/* ---- Keys, tokens, short URLs ---- */

/* A token that lets its holder write to the bucket. expires_in: optional; max_uploads: at least 1, or -1
 * for no limit. */
CFIPC_EXPORT int cfipc_upload_token_create(cfipc_client *client, const char *profile, const char *bucket,
					   const char *expires_in, int64_t max_uploads,
					   cfipc_upload_token **ret_upload_token, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_upload_token_create_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
						 const char *bucket, const char *expires_in,
						 int64_t max_uploads, cfipc_result_cb callback,
						 void *userdata);

/* Needs an admin credential, as all of the next do. */
CFIPC_EXPORT int cfipc_api_key_create(cfipc_client *client, const char *profile, const char *name,
				      cfipc_new_api_key **ret_new_api_key, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_api_key_create_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					    const char *name, cfipc_result_cb callback, void *userdata);

/* Of cfipc_api_key. */
CFIPC_EXPORT int cfipc_api_key_list(cfipc_client *client, const char *profile,
				    const cfipc_list_options *options, cfipc_list **ret_list,
				    cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_api_key_list_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					  const cfipc_list_options *options, cfipc_result_cb callback,
					  void *userdata);

CFIPC_EXPORT int cfipc_api_key_usage(cfipc_client *client, const char *profile, const char *prefix,
				     cfipc_key_usage **ret_key_usage, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_api_key_usage_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					   const char *prefix, cfipc_result_cb callback, void *userdata);

CFIPC_EXPORT int cfipc_api_key_delete(cfipc_client *client, const char *profile, const char *prefix,
				      cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_api_key_delete_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					    const char *prefix, cfipc_result_cb callback, void *userdata);

/* expires_in: optional, at most a day. */
CFIPC_EXPORT int cfipc_dashboard_token_create(cfipc_client *client, const char *profile,
					      const char *expires_in,
					      cfipc_dashboard_token **ret_dashboard_token,
					      cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_dashboard_token_create_async(cfipc_client *client, cfipc_op **ret_op,
						    const char *profile, const char *expires_in,
						    cfipc_result_cb callback, void *userdata);

/* What a token is good for; token NULL: the credential of the profile, which must be one. */
CFIPC_EXPORT int cfipc_dashboard_token_get(cfipc_client *client, const char *profile, const char *token,
					   cfipc_dashboard_token **ret_dashboard_token,
					   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_dashboard_token_get_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
						 const char *token, cfipc_result_cb callback, void *userdata);

/* What a short URL leads to; nothing is downloaded. */
CFIPC_EXPORT int cfipc_short_resolve(cfipc_client *client, const char *profile, const char *code,
				     cfipc_short_target **ret_short_target, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_short_resolve_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					   const char *code, cfipc_result_cb callback, void *userdata);

/* The file stays. */
CFIPC_EXPORT int cfipc_short_delete(cfipc_client *client, const char *profile, const char *code,
				    cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_short_delete_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					  const char *code, cfipc_result_cb callback, void *userdata);
