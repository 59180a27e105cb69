/* One upload request, fed by its caller: a PUT of one file, one part of a multipart request where PUT cannot
 * carry the name, or many files in a multipart request. What is particular: which form it takes, which of its
 * parts may have arrived, and that whatever is not certain is in doubt. */
#pragma once
#include "api/answer.h"
#include "api/api.h"
#include "sync/remote.h"

struct upload;
struct upload_callbacks {
	void (*on_room)(void *arg); /* feed more: less than HTTP_BODY_LOW is queued; optional */
	/* Optional; see struct remote_upload_callbacks. */
	bool (*on_answered)(void *arg);
	/* files: what the server stored, path by path what was sent; none on error. parts_sent: those whose
	 * last byte was handed over. The upload is gone afterwards. */
	void (*on_done)(void *arg, const struct api_error *error, const struct api_file *files, size_t n,
			size_t parts_sent);
	/* In place of on_done where the versions are all that is wanted: much cheaper for many files. */
	void (*on_stored)(void *arg, const struct api_error *error, const struct remote_file *files, size_t n,
			  size_t parts_sent);
};

struct upload_spec {
	const char *bucket;
	const char *path;  /* NULL: many files */
	int64_t size;      /* of the one; -1: unknown */
	const char *token; /* an upload token instead of the credential; NULL: the credential */
	enum http_class class;
};

/* -EINVAL, -ENAMETOOLONG, -ENOMEM. */
int upload_start(struct api *api, const struct upload_spec *spec, const struct upload_callbacks *callbacks,
		 void *arg, struct upload **ret_upload);
/* data (malloc) is taken, also on failure. feed: the next bytes of one file; part: a whole one of many. */
int upload_feed(struct upload *u, void *data, size_t len, bool last);
int upload_part(struct upload *u, const char *path, void *data, size_t len);
int upload_finish(struct upload *u); /* of many */
void upload_collect(struct upload *u);
uint64_t upload_sent(const struct upload *u);
size_t upload_queued(const struct upload *u);
void upload_cancel(struct upload *u); /* on_done follows; without its end the body is not stored */

/* "URL/api/buckets/BUCKET/files/PATH" and suffix, terminated. -EINVAL, -ENAMETOOLONG. */
int upload_file_url(struct buf *b, const struct api *api, const char *bucket, const char *path,
		    const char *suffix);
