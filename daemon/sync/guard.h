/* The mass-deletion guard: may these deletions be sent, or are they held? Pure; one per pair. */
#pragma once
#include "base/digest.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_WINDOW_MS  60000  /* a sliding minute */
#define GUARD_SMALL_ROOT 20     /* percentages and "emptied" mean nothing below this many known files */
#define GUARD_MAX_MOVES  200000 /* contents remembered as newly appeared; 48 bytes each while remembered */
#define GUARD_MOVE_MS                                                                                        \
	600000 /* how long a content that newly appeared can excuse a deletion: a scan of a large tree */

struct guard;
struct guard *guard_new(void);                   /* NULL: out of memory */
struct guard *guard_copy(const struct guard *g); /* for a dry run; NULL: out of memory */
struct guard *guard_free(struct guard *g);

/* known: files the pair knows, those of the pending deletions included, those sent already not. pending:
 * deletions waiting that are not excused. True: hold them all. */
bool guard_must_hold(const struct guard *g, int64_t now_ms, int64_t known, int64_t pending,
		     int64_t max_deletes, int64_t max_delete_percent);
/* One deletion was sent. */
void guard_sent(struct guard *g, int64_t now_ms);
/* One was held as part of a mass deletion: what trickles in after it in the same minute belongs to it. */
void guard_held(struct guard *g, int64_t now_ms);
/* Counted by the second: a deletion counts for a minute, and up to a second longer. */
int64_t guard_sent_in_window(const struct guard *g, int64_t now_ms);

/* A path that had no row appeared, verified on disk, its hash on the server: it excuses one deletion of that
 * content, so that a move is no deletion. Forgotten when memory is short: the deletion counts then. */
void guard_appeared(struct guard *g, const char *path, const struct digest *digest, int64_t now_ms);
/* The path is gone again and excuses nothing any more. Call it for every pending deletion before the first
 * guard_excuse: else copies that appeared together would excuse each other's deletion until all are gone. */
void guard_vanished(struct guard *g, const char *path);
/* Takes one excuse for this content, if there is one. It is spent even if the deletion is not sent after all:
 * the next one counts then, which errs towards holding. */
bool guard_excuse(struct guard *g, const struct digest *digest, int64_t now_ms);
