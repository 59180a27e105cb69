/*
 * Conditional requests as the original's framework evaluates them, once its own first look (api_content.c)
 * has let them pass.
 */
#pragma once

#include "http/request.h"

/* 0: send the content; 304 or 412. `etag` has its quotes, `modified` is in whole seconds. */
int condition_status(const struct request *r, struct span etag, int64_t modified);
/* Whether a Range counts: no If-Range, one that holds, or one that cannot be read. */
bool condition_if_range(const struct request *r, struct span etag, int64_t modified);
