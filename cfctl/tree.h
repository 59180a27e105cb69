/* What is below a path on the server, brought into a directory here. */
#pragma once
#include "cfctl/cmd.h"
#include "cfctl/fetch.h"

int tree_download(struct ctl *ctl, const struct args *args, struct fetch *fetch, const char *path);
