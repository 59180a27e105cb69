/*
 * The forms that `expires_in` takes.
 */
#pragma once

#include "util.h"

enum expiry_kind {
	EXPIRY_AT,
	EXPIRY_NEVER,
	EXPIRY_BAD,      /* "Invalid expiry format: …", or another 400 text in `error` */
	EXPIRY_OVERFLOW, /* a number no long holds, with a unit: the original fails with 500 */
};

struct expiry {
	enum expiry_kind kind;
	int64_t at;     /* ticks */
	bool with_zone; /* whether an answer of the same request writes `Z` behind it */
};

/* error is filled for EXPIRY_BAD. now is in ticks. */
struct expiry expiry_parse(struct span text, int64_t now, struct buf *error);
