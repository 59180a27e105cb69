/*
 * The target of a request: its path decoded once and its dot segments resolved, and its query, both exactly
 * as the original's web server does it, traps included.
 */
#pragma once

#include "tests/devserver/util.h"

/* Splits target at the first `?`; path is decoded into ret_path (starts with `/`). False: refuse with 400
 * (%00). */
bool target_split(struct span target, struct buf *ret_path, struct span *ret_query);
/* Percent-decodes UTF-8: `%2F` stays (if keep_slash) and so does what is not well-formed; `+` is a space if
 * plus. */
void target_decode(struct buf *b, struct span s, bool keep_slash, bool plus);
void target_resolve_dots(struct buf *path);

/* The value of a query parameter (name without case), decoded into b; values of a repeated one are joined by
 * commas, as the original binds them. False: absent. */
bool query_get(struct span query, const char *name, struct buf *b);
/* The first value only: how the original reads `filename` and `token`. */
bool query_get_first(struct span query, const char *name, struct buf *b);
/* Typed parameters; an empty value counts as absent. False: malformed, answer 400 with an empty body. */
bool query_int32(struct span query, const char *name, int32_t fallback, int32_t *ret);
bool query_bool(struct span query, const char *name, bool fallback, bool *ret);
/* Percent-encodes everything but unreserved characters and, if wanted, slashes. */
void target_encode(struct buf *b, struct span s, bool keep_slashes);
