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

typedef void (*api_health_cb)(void *arg, const struct api_error *error, const struct api_health *health);
typedef void (*api_bucket_cb)(void *arg, const struct api_error *error, const struct api_bucket *bucket);
typedef void (*api_buckets_cb)(void *arg, const struct api_error *error, const struct api_bucket *buckets,
			       size_t n, const struct api_page_info *page);
typedef void (*api_files_cb)(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
			     const struct api_page_info *page);
typedef void (*api_done_cb)(void *arg, const struct api_error *error);

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
