/* The whole of a bucket as one zip. */
#pragma once
#include "cfctl/cmd.h"

int bucket_download(struct ctl *ctl, const struct args *args);
extern const struct option bucket_download_options[];
