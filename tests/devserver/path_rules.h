/*
 * What the server does to the path of an upload. Look-ups take paths as they come.
 */
#pragma once

#include "util.h"

/* Backslashes to slashes, no slash at the ends or doubled. False: "Invalid file path". */
bool path_normalise(struct span raw, struct buf *ret_path);
/* True if a header can carry it: what is not 0x20-0x7e or a tab makes the answer a 500. */
bool path_fits_header(struct span path);
