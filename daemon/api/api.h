/* The server's REST calls, typed. One struct api per profile (base URL + credential). Every call is
 * asynchronous and ends in its callback exactly once, from the loop, never from inside the call itself. All
 * pointers given to a callback are borrowed for its duration. Ambiguous answers are made unambiguous here (an
 * empty 404, a 403 that means "not logged in"). Not here: retries, schedules, files on disk; the sync
 * engine's view of the server is sync/remote.h, filled in api/remote.c. */
#pragma once
#include "api/error.h"
#include "base/secret.h"
#include "http/http.h"
#include <stdbool.h>
#include <stdint.h>

struct api;
struct api_call; /* a running call */

enum api_auth {
	API_AUTH_NONE,
	API_AUTH_API_KEY,
	API_AUTH_ADMIN_KEY,
	API_AUTH_DASHBOARD_TOKEN,
	API_AUTH_UPLOAD_TOKEN
};

/* url: "http[s]://host[:port][/base]", checked: -EINVAL. The secret is taken (NULL: anonymous). */
int api_new(struct http *http, const char *url, enum api_auth auth, struct secret *secret,
	    struct api **ret_api);
struct api *api_ref(struct api *api);
struct api *api_unref(struct api *api); /* running calls keep a reference */
const char *api_url(const struct api *api);
int api_url_check(const char *url, char **ret_normalised); /* lower-case scheme and host, no trailing slash,
							      no user info, no query; -EINVAL */

void api_call_cancel(struct api_call *call); /* its callback still comes, with ERR_CANCELED; NULL-safe */

struct api_bucket {
	const char *id, *name, *owner, *description, *created_at, *expires_at,
		*last_used_at; /* NULL: absent. Times: RFC 3339 with Z */
	int64_t file_count, total_size;
	int64_t unique_content_count, unique_content_size; /* -1: not told */
};
struct api_file {
	const char *path, *name, *mime_type, *short_code, *short_url, *sha256, *created_at,
		*updated_at; /* short_url absolute */
	const char *version; /* updated_at as the server spells it, without zone: compared as text */
	int64_t size;
	int deduplicated; /* -1: not told */
};
struct api_page {
	int64_t limit, offset; /* -1: the server's default */
	const char *sort;      /* NULL default */
	int descending;        /* -1 default */
};
struct api_page_info {
	int64_t total, limit, offset;
};

/* What the server says of itself, and what its answer tells beside it. */
struct api_health {
	const char *status, *db; /* NULL with an error */
	int64_t uptime_seconds, latency_ms;
	bool has_clock;
	int64_t clock_ms,
		clock_ahead_ms; /* its Date, which is whole seconds, and how far it is ahead of ours */
};

struct api_owner_stats {
	const char *owner;
	int64_t bucket_count, file_count, total_size;
};
struct api_stats {
	int64_t total_buckets, total_files, total_size, total_keys, total_downloads;
	const struct api_owner_stats *owners;
	size_t n_owners;
};
struct api_verdict {
	const char *path, *stored_hash, *computed_hash; /* computed_hash "": the bytes are gone */
	bool valid;
};
struct api_key {
	const char *prefix, *name, *created_at, *last_used_at; /* last_used_at NULL: never */
	int64_t bucket_count, file_count, total_size;
};
struct api_new_key {
	const char *key, *prefix, *name, *created_at;
};
struct api_key_usage {
	struct api_key key;
	int64_t total_downloads;
	const struct api_bucket *buckets;
	size_t n_buckets;
};
struct api_upload_token {
	const char *token, *bucket, *expires_at;
	int64_t max_uploads; /* -1: no limit */
	int64_t uploads_used;
};
/* A dashboard token made, or what one is good for. */
struct api_dashboard_token {
	const char *token, *scope, *expires_at; /* token NULL: asked about; scope NULL: made */
};
/* A file as anyone can read it. */
struct api_place {
	const char *bucket, *path, *url; /* url absolute, of the bytes */
};

typedef void (*api_health_cb)(void *arg, const struct api_error *error, const struct api_health *health);
typedef void (*api_bucket_cb)(void *arg, const struct api_error *error, const struct api_bucket *bucket);
typedef void (*api_buckets_cb)(void *arg, const struct api_error *error, const struct api_bucket *buckets,
			       size_t n, const struct api_page_info *page);
typedef void (*api_files_cb)(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
			     const struct api_page_info *page);
typedef void (*api_done_cb)(void *arg, const struct api_error *error);
typedef void (*api_stats_cb)(void *arg, const struct api_error *error, const struct api_stats *stats);
typedef void (*api_summary_cb)(void *arg, const struct api_error *error, const char *text, bool cut);
typedef void (*api_verdict_cb)(void *arg, const struct api_error *error, const struct api_verdict *verdict);
typedef void (*api_upload_token_cb)(void *arg, const struct api_error *error,
				    const struct api_upload_token *token);
typedef void (*api_new_key_cb)(void *arg, const struct api_error *error, const struct api_new_key *key);
typedef void (*api_keys_cb)(void *arg, const struct api_error *error, const struct api_key *keys, size_t n,
			    const struct api_page_info *page);
typedef void (*api_key_usage_cb)(void *arg, const struct api_error *error, const struct api_key_usage *usage);
typedef void (*api_dashboard_token_cb)(void *arg, const struct api_error *error,
				       const struct api_dashboard_token *token);
typedef void (*api_place_cb)(void *arg, const struct api_error *error, const struct api_place *place);

/* Each returns 0 and a call, or -errno/-EINVAL and calls back nothing. ret_call may be NULL. */
int api_health(struct api *api, api_health_cb cb, void *arg, struct api_call **ret_call);
/* Is the credential good, and what may it do? role: "admin", "owner", "upload" (an upload token: it cannot be
 * asked about, only that the server is one is checked), "anonymous" (with ERR_AUTH: the credential is
 * refused), "unknown" (with any other error). */
typedef void (*api_probe_cb)(void *arg, const struct api_error *error, const char *role);
int api_probe(struct api *api, api_probe_cb cb, void *arg, struct api_call **ret_call);

int api_bucket_create(struct api *api, const char *name, const char *description, const char *expires_in,
		      api_bucket_cb cb, void *arg, struct api_call **ret_call);
int api_bucket_get(struct api *api, const char *bucket, api_bucket_cb cb, void *arg,
		   struct api_call **ret_call);
int api_bucket_list(struct api *api, const struct api_page *page, bool include_expired, api_buckets_cb cb,
		    void *arg, struct api_call **ret_call);
/* NULL: as it is. */
int api_bucket_update(struct api *api, const char *bucket, const char *name, const char *description,
		      const char *expires_in, api_bucket_cb cb, void *arg, struct api_call **ret_call);
int api_bucket_delete(struct api *api, const char *bucket, api_done_cb cb, void *arg,
		      struct api_call **ret_call);
/* Whole lines, as many as fit in API_SUMMARY_MAX; cut: there were more. */
#define API_SUMMARY_MAX (512 * 1024)
int api_bucket_summary(struct api *api, const char *bucket, api_summary_cb cb, void *arg,
		       struct api_call **ret_call);
int api_stats(struct api *api, api_stats_cb cb, void *arg, struct api_call **ret_call);

/* Flat page by offset. */
int api_file_list(struct api *api, const char *bucket, const struct api_page *page, api_files_cb cb,
		  void *arg, struct api_call **ret_call);
/* Keyset scan: up to limit (1-1000) files with path > after (NULL: from the start), in path order. more:
 * there are further ones. */
typedef void (*api_scan_cb)(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
			    bool more);
int api_file_scan(struct api *api, const char *bucket, const char *after, int limit, enum http_class class,
		  api_scan_cb cb, void *arg, struct api_call **ret_call);
/* One file by its path, from the listing: metadata may be minutes old, and its URL cannot name every path.
 * ERR_NOT_FOUND with 404 when it is not there; file is NULL with an error. -EINVAL, -ENAMETOOLONG: no path.
 */
typedef void (*api_file_cb)(void *arg, const struct api_error *error, const struct api_file *file);
int api_file_find(struct api *api, const char *bucket, const char *path, enum http_class class,
		  api_file_cb cb, void *arg, struct api_call **ret_call);
/* The server reads the whole file: may take as long as that takes. */
int api_file_verify(struct api *api, const char *bucket, const char *path, api_verdict_cb cb, void *arg,
		    struct api_call **ret_call);
int api_file_delete(struct api *api, const char *bucket, const char *path, api_done_cb cb, void *arg,
		    struct api_call **ret_call);
/* Where the bytes of a file are, absolute; free it. -EINVAL, -ENAMETOOLONG, -ENOMEM. */
int api_file_url(const struct api *api, const char *bucket, const char *path, char **ret_url);

/* How many there are directly in a directory (NULL: the top), as the server says: names that differ by case
 * or match "_" and "%" as wildcards are counted too. */
typedef void (*api_totals_cb)(void *arg, const struct api_error *error, int64_t folders, int64_t files);
int api_directory_totals(struct api *api, const char *bucket, const char *path, api_totals_cb cb, void *arg,
			 struct api_call **ret_call);

/* One level of the tree, made of the keyset scan: the server's own tree and directory listings mix in names
 * that differ by case or match "_" and "%" as wildcards, and count only a window. Between two pages it is
 * read on by api_level_next; one at a time. */
struct api_level;
struct api_directory {
	const char *path; /* with the delimiter behind it */
	int64_t file_count, total_size;
};
enum api_level_kind {
	API_LEVEL_PAGES, /* a bounded page: a directory that it ends in comes again, and the counts add up */
	API_LEVEL_WHOLE, /* read to the end: each directory once, with all that is in it */
	API_LEVEL_NAMES, /* read to the end: directories are not counted, and what is in them is jumped over
			  */
};
/* What a page is made of, in the order of the paths; one of the two is NULL. False: no more in this page. */
typedef bool (*api_level_entry_cb)(void *arg, const struct api_file *file,
				   const struct api_directory *directory);
/* The page is over. cursor: where the next begins; NULL: the end. */
typedef void (*api_level_cb)(void *arg, const struct api_error *error, const char *cursor);
/* prefix NULL: none. after NULL: from the start. The api and the bucket are kept. */
int api_level_new(struct api *api, const char *bucket, const char *prefix, const char *delimiter,
		  const char *after, enum api_level_kind kind, struct api_level **ret_level);
/* Up to limit (1-1000) files. ret_call is set to what runs, now and whenever that changes until the callback
 * comes. The level must not be freed before it. */
int api_level_next(struct api_level *level, int64_t limit, api_level_entry_cb entry, api_level_cb cb,
		   void *arg, struct api_call **ret_call);
struct api_level *api_level_free(struct api_level *level);

/* expires_in NULL: the server's default. max_uploads -1: no limit. */
int api_upload_token_create(struct api *api, const char *bucket, const char *expires_in, int64_t max_uploads,
			    api_upload_token_cb cb, void *arg, struct api_call **ret_call);
int api_key_create(struct api *api, const char *name, api_new_key_cb cb, void *arg,
		   struct api_call **ret_call);
int api_key_list(struct api *api, const struct api_page *page, api_keys_cb cb, void *arg,
		 struct api_call **ret_call);
/* prefix: of letters, digits and '_', never a whole key: -EINVAL. */
int api_key_usage(struct api *api, const char *prefix, api_key_usage_cb cb, void *arg,
		  struct api_call **ret_call);
int api_key_delete(struct api *api, const char *prefix, api_done_cb cb, void *arg,
		   struct api_call **ret_call);
int api_dashboard_token_create(struct api *api, const char *expires_in, api_dashboard_token_cb cb, void *arg,
			       struct api_call **ret_call);
/* About the credential of the api itself. */
int api_dashboard_token_get(struct api *api, api_dashboard_token_cb cb, void *arg,
			    struct api_call **ret_call);
/* Without following it; the host that the server names does not count. */
int api_short_resolve(struct api *api, const char *code, api_place_cb cb, void *arg,
		      struct api_call **ret_call);
int api_short_delete(struct api *api, const char *code, api_done_cb cb, void *arg,
		     struct api_call **ret_call);
