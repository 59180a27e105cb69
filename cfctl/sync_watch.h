/* The live view of pairs: `sync status --watch`. */
#pragma once
#include "cfctl/ctl.h"

/* Until interrupted. name NULL: every pair. files: also each file (a terminal's view always shows them). */
int sync_watch(struct ctl *ctl, const char *name, bool files);
