/* A hash map from strings to pointers, for tables of active paths. Keys are borrowed: they live in what they
 * map to. */
#pragma once
#include <stddef.h>

struct strmap;
struct strmap *strmap_new(void);              /* NULL: out of memory */
struct strmap *strmap_free(struct strmap *m); /* the values are the caller's */
void *strmap_get(const struct strmap *m, const char *key);
int strmap_put(struct strmap *m, const char *key, void *value); /* -EEXIST, -ENOMEM */
void *strmap_remove(struct strmap *m, const char *key);         /* the value, NULL if there was none */
size_t strmap_count(const struct strmap *m);
/* Walks in no order: start with 0, ends with NULL. Nothing may be added or removed meanwhile. */
void *strmap_next(const struct strmap *m, size_t *cursor);
