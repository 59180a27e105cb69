/* How often was one path put back lately? Five times within ten minutes is a quarrel with another writer.
 * Pure; one per pair. What is older is forgotten, in bounded steps, and memory has a limit. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUARREL_REPAIRS 5 /* put back so often within QUARREL_MS: another writer disagrees */
#define QUARREL_MS      600000
#define QUARREL_PATHS                                                                                        \
	100000 /* remembered at most; the oldest is forgotten, and may be put back five times more */

struct quarrels;
struct quarrels *quarrels_new(void); /* NULL: out of memory */
struct quarrels *quarrels_free(struct quarrels *q);
/* The path is put back now. True: that is one time too many. Out of memory only the counting suffers. */
bool quarrels_count(struct quarrels *q, const char *path, int64_t now_ms);
/* Forgets up to max paths whose time is over. */
void quarrels_forget(struct quarrels *q, int64_t now_ms, size_t max);
size_t quarrels_known(const struct quarrels *q);
