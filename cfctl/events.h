/* What happens to one bucket, live. */
#pragma once
#include "cfctl/cmd.h"

int bucket_watch(struct ctl *ctl, const struct args *args);
