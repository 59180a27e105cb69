/* The text of a multipart body, written by hand: only filename* without filename carries every name
 * faithfully, and no library writes that. Pure. */
#pragma once
#include "base/buf.h"

#define MULTIPART_BOUNDARY_SIZE 40

void multipart_boundary(char boundary[MULTIPART_BOUNDARY_SIZE]); /* random */
/* What stands before and behind a part's bytes, and at the end of all. */
int multipart_append_head(struct buf *b, const char *boundary, const char *path);
int multipart_append_tail(struct buf *b);
int multipart_append_end(struct buf *b, const char *boundary);
