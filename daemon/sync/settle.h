/* Settling: which dirty paths have been quiet long enough. Pure: time comes in, ready paths come out. One set
 * per pair. */
#pragma once
#include "base/util.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settle_params {
	int64_t closed_ms; /* after a close or a rename */
	int64_t open_ms;   /* after a create or modify without a close */
	int64_t cap_ms;    /* a file written without pause is taken at the cap, and again later */
	int64_t delete_ms; /* deletions settle longer: a path that exists again by then was never deleted */
};

#define SETTLE_QUIET_MS                                                                                      \
	10000 /* a path uploaded again within this (or twice its settle time) settles twice as long as the   \
		 last time */
#define SETTLE_MAX_MS        5000 /* … up to this */
#define SETTLE_UPLOAD_RATIO  10 /* … or this many times as long as its last upload took, if that is more … */
#define SETTLE_UPLOAD_MAX_MS 600000 /* … at most this */
#define SETTLE_MAX_REMEMBERED                                                                                \
	10000 /* paths the doubling rule remembers; the oldest are forgotten and settle as if new */
#define SETTLE_MAX_PATHS 100000 /* more dirty paths than this are an overflow: the tree is walked instead */

enum settle_kind { SETTLE_CLOSED, SETTLE_OPEN, SETTLE_GONE };

struct settle;
struct settle *settle_new(const struct settle_params *params); /* NULL: out of memory */
struct settle *settle_free(struct settle *s);
void settle_set_params(struct settle *s, const struct settle_params *params);
/* Something happened to the path. The last hint decides how long it must be quiet from now on, and whether it
 * is a deletion; the cap counts from the first hint that was none. -ENOSPC: SETTLE_MAX_PATHS reached.
 * -ENOMEM. */
_warn_unused_ int settle_hint(struct settle *s, const char *path, enum settle_kind kind, int64_t now_ms);
bool settle_has(const struct settle *s, const char *path); /* still waiting */
void settle_drop(struct settle *s,
		 const char *path); /* waits no longer; what the doubling rule knows stays */
/* When the next path becomes ready; INT64_MAX: none waits. */
int64_t settle_next_ms(const struct settle *s);
/* Takes up to max ready paths out, earliest first, at the same time in path order; gone: the last hint was a
 * deletion. cb < 0 stops (that path is taken all the same); it may call everything here but settle_free.
 * Returns the number taken. */
typedef int (*settle_cb)(void *arg, const char *path, bool gone);
size_t settle_take(struct settle *s, int64_t now_ms, size_t max, settle_cb cb, void *arg);
/* An upload of the path ended: the memory for the doubling rule. Forgotten after as much quiet. Hints that
 * came while it ran settle longer too. */
void settle_uploaded(struct settle *s, const char *path, int64_t now_ms, int64_t took_ms);
/* The file moved while it was read: settle again, longer. -ENOSPC and -ENOMEM as settle_hint. */
_warn_unused_ int settle_moved(struct settle *s, const char *path, int64_t now_ms);
size_t settle_count(const struct settle *s);
size_t settle_count_gone(const struct settle *s); /* of them those that are deletions by now; looks at each */
/* Every waiting path, in no order; nothing may be changed meanwhile. cb < 0 stops and is returned. */
typedef int (*settle_each_cb)(void *arg, const char *path);
int settle_each(const struct settle *s, settle_each_cb cb, void *arg);
/* The settle time a closed path would get now; for tests and for `Plan`. */
int64_t settle_time_ms(const struct settle *s, const char *path, int64_t now_ms);
