/* Open addressing with linear probing and backward-shift deletion: no tombstones, so the walk stays short.
 * Grows at 3/4, shrinks when an eighth is used (a first sync's peak is not kept for ever). The hash is
 * seeded: names come from whoever can create files. */
#include "base/strmap.h"
#include "base/backoff.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MIN_SLOTS 16

struct slot {
	const char *key;
	void *value;
	uint64_t hash;
};

struct strmap {
	struct slot *slots;
	size_t n_slots, used; /* n_slots is a power of two */
	uint64_t seed;
};

/* FNV-1a, seeded and mixed at the end; collisions cost time only. */
static uint64_t hash_of(const struct strmap *m, const char *key)
{
	uint64_t h = m->seed ^ 0xcbf29ce484222325ULL;

	for (const unsigned char *p = (const unsigned char *)key; *p; p++)
		h = (h ^ *p) * 0x100000001b3ULL;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ (h >> 29);
}

struct strmap *strmap_new(void)
{
	struct strmap *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->n_slots = MIN_SLOTS;
	m->slots = calloc(m->n_slots, sizeof *m->slots);
	if (!m->slots) {
		free(m);
		return NULL;
	}
	m->seed = ((uint64_t)backoff_random() << 32) | backoff_random();
	return m;
}

struct strmap *strmap_free(struct strmap *m)
{
	if (m)
		free(m->slots);
	free(m);
	return NULL;
}

static struct slot *find(const struct strmap *m, const char *key, uint64_t hash)
{
	for (size_t i = hash & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
		struct slot *s = &m->slots[i];

		if (!s->key || (s->hash == hash && strcmp(s->key, key) == 0))
			return s;
	}
}

void *strmap_get(const struct strmap *m, const char *key)
{
	return find(m, key, hash_of(m, key))->value;
}

static int resize(struct strmap *m, size_t n_slots)
{
	struct slot *old = m->slots;
	size_t n_old = m->n_slots;
	struct slot *slots = calloc(n_slots, sizeof *slots);

	if (!slots)
		return -ENOMEM;
	m->slots = slots;
	m->n_slots = n_slots;
	for (size_t i = 0; i < n_old; i++)
		if (old[i].key)
			*find(m, old[i].key, old[i].hash) = old[i];
	free(old);
	return 0;
}

int strmap_put(struct strmap *m, const char *key, void *value)
{
	if ((m->used + 1) * 4 > m->n_slots * 3) {
		int r = resize(m, m->n_slots * 2);

		if (r < 0)
			return r;
	}
	uint64_t hash = hash_of(m, key);
	struct slot *s = find(m, key, hash);

	if (s->key)
		return -EEXIST;
	*s = (struct slot){.key = key, .value = value, .hash = hash};
	m->used++;
	return 0;
}

void *strmap_remove(struct strmap *m, const char *key)
{
	struct slot *s = find(m, key, hash_of(m, key));
	void *value = s->value;

	if (!s->key)
		return NULL;
	size_t mask = m->n_slots - 1, hole = (size_t)(s - m->slots);

	for (size_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
		size_t home = m->slots[i].hash & mask;

		/* Moves back only what may live in the hole: its home is not between the hole and itself. */
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct slot){0};
	m->used--;
	if (m->n_slots > MIN_SLOTS && m->used * 8 < m->n_slots)
		resize(m, m->n_slots / 2); /* out of memory: it stays as large as it is */
	return value;
}

size_t strmap_count(const struct strmap *m)
{
	return m->used;
}

void *strmap_next(const struct strmap *m, size_t *cursor)
{
	while (*cursor < m->n_slots) {
		struct slot *s = &m->slots[(*cursor)++];

		if (s->key)
			return s->value;
	}
	return NULL;
}
