/*
 * MIME types by extension, and which of them are served with a charset.
 */
#pragma once

#include "util.h"

const char *mime_of_path(struct span path);
bool mime_has_charset(struct span mime);
struct span path_name(struct span path); /* what is behind the last slash */
