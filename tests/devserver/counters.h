/*
 * What the server has seen, for tests that assert about it: requests per route, and every write with its
 * begin and end, from which simultaneous ones are found. Does nothing without --control.
 */
#pragma once

#include "http/request.h"

struct counted {
	size_t slot;
	bool ended;
};

void counters_enable(void);
/* Around the handling of a routed request. The end is counted before a plain answer is written, so that who
 * has the answer finds it counted; the second call for a request does nothing. */
void counters_begin(struct request *r, struct counted *ret);
void counters_end(struct request *r);
/* A file was committed (or failed to be). The request's arrival is its begin, now is its end. */
void counters_written(struct request *r, struct span bucket_id, struct span path, const char *sha);
void counters_reset(void);
/* The answer of GET /_dev/requests; with the log of the last requests if wanted. */
void counters_json(struct buf *json, bool with_log);
