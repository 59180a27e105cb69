/*
 * Buckets in the store: rows, JSON, expiry, the stale cache of details. The store's lock is held by the
 * caller.
 */
#pragma once

#include "store.h"

#define BUCKET_COLUMNS                                                                                       \
	"id, name, owner, description, created_at, expires_at, last_used_at, file_count, total_size"
#define BUCKET_ID_LEN 10

struct bucket {
	struct buf id, name, owner, description;
	bool has_description;
	int64_t created_at, expires_at, last_used_at; /* TIME_NONE if absent */
	bool created_now, expires_with_zone;          /* computed by this request: written with a zone */
	int64_t file_count, total_size;
};

#define TIME_NONE INT64_MIN

void bucket_done(struct bucket *b);
#define _cleanup_bucket_ _cleanup_(bucket_done)

/* False: there is no such bucket. */
bool bucket_load(struct store *s, struct span id, struct bucket *ret);
/* Also false if it is expired. */
bool bucket_load_live(struct store *s, struct span id, struct bucket *ret);
bool bucket_is_live(struct store *s, struct span id);
/* As uploads look: a cached detail is believed for ten minutes, and this look fills the cache. */
bool bucket_is_live_cached(struct store *s, struct span id);
void bucket_from_row(struct bucket *b, sqlite3_stmt *st); /* of BUCKET_COLUMNS */
bool bucket_expired(const struct bucket *b);

/* The members of a bucket, into an object that is open. */
void bucket_add_members(struct buf *json, const struct bucket *b);
void bucket_add_json(struct buf *json, const struct bucket *b);

int bucket_insert(struct store *s, const struct bucket *b, struct span owner_prefix);
int bucket_update(struct store *s, const struct bucket *b);
int bucket_delete(struct store *s, struct span id);
int bucket_touch(struct store *s, struct span id);
/* After any change of its files: the cached detail and the statistics go. */
void bucket_changed(struct store *s, struct span id);
/* The answer of GET: from the cache, or made and put there. False: not found. */
bool bucket_detail_json(struct store *s, struct span id, bool with_files, struct buf *json);
