/*
 * The Range header, as the original reads it: one range, whatever its unit is called.
 */
#pragma once

#include "util.h"

enum range {
	RANGE_NONE, /* absent, several, backwards, unreadable: the whole content, 200 */
	RANGE_PART, /* 206 */
	RANGE_BAD,  /* 416 */
};

enum range range_parse(struct span header, int64_t size, int64_t *ret_first, int64_t *ret_last);
