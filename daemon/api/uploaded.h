/* The server's answer to an upload, read straight from its text: one names up to 2,000 files, and a tree of
 * it would cost as much as recording them. Pure. */
#pragma once
#include "sync/remote.h"
#include <stddef.h>

/* files[i].path says what was sent, in this order; fills in the versions. ERR_PROTOCOL: not the list of these
 * files, so that it is not known what was stored; -ENOMEM. */
int uploaded_read(const char *body, size_t len, struct remote_file *files, size_t n);
