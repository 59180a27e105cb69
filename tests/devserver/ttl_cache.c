/*
 * A cache with an age limit: see ttl_cache.h.
 */
#include "ttl_cache.h"

static struct ttl_entry *slot_of(struct ttl_cache *c, struct span key)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < key.n; i++)
		hash = (hash ^ (unsigned char)key.p[i]) * UINT64_C(1099511628211);
	return &c->slots[(hash ^ hash >> 32) % TTL_CACHE_SLOTS];
}

static void clear_entry(struct ttl_entry *e)
{
	buf_done(&e->key);
	buf_done(&e->value);
	*e = (struct ttl_entry){0};
}

struct ttl_entry *ttl_cache_get(struct ttl_cache *c, struct span key)
{
	struct ttl_entry *e = slot_of(c, key);

	if (e->until_ms == 0 || !span_eq(buf_span(&e->key), key))
		return NULL;
	if (monotonic_ms() >= e->until_ms) {
		clear_entry(e);
		return NULL;
	}
	return e;
}

struct ttl_entry *ttl_cache_put(struct ttl_cache *c, struct span key)
{
	struct ttl_entry *e = slot_of(c, key);

	clear_entry(e);
	buf_addspan(&e->key, key);
	if (e->key.failed) {
		clear_entry(e);
		return NULL;
	}
	e->until_ms = monotonic_ms() + c->age_ms;
	return e;
}

void ttl_cache_drop(struct ttl_cache *c, struct span key)
{
	struct ttl_entry *e = slot_of(c, key);

	if (span_eq(buf_span(&e->key), key))
		clear_entry(e);
}

void ttl_cache_clear(struct ttl_cache *c)
{
	for (size_t i = 0; i < TTL_CACHE_SLOTS; i++)
		clear_entry(&c->slots[i]);
}
