/*
 * Content-Disposition of a part: its name and file name, with the original's odd decodings.
 */
#pragma once

#include "util.h"

struct disposition {
	bool has_name, has_filename;
	struct buf name, filename;
};

void disposition_done(struct disposition *d);
/* False: unreadable, the part is skipped. */
bool disposition_parse(struct span value, struct disposition *ret);
