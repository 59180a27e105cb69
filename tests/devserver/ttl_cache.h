/*
 * A small cache with an age limit, as the original keeps several: what is stale there must be stale here.
 * Guarded by the store's lock. A slot holds one entry; another key of the same slot pushes it out.
 */
#pragma once

#include "util.h"

#define TTL_CACHE_SLOTS 1024

struct ttl_entry {
	struct buf key, value;
	int64_t number; /* free for the user */
	bool flag;      /* free for the user */
	int64_t until_ms;
};

struct ttl_cache {
	int64_t age_ms;
	struct ttl_entry slots[TTL_CACHE_SLOTS];
};

/* NULL: not there or too old. The entry may be changed in place. */
struct ttl_entry *ttl_cache_get(struct ttl_cache *c, struct span key);
/* An empty entry for key, in place of what was there. NULL: out of memory (then nothing is cached). */
struct ttl_entry *ttl_cache_put(struct ttl_cache *c, struct span key);
void ttl_cache_drop(struct ttl_cache *c, struct span key);
void ttl_cache_clear(struct ttl_cache *c);
