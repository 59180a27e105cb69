/* What a pair would do: `sync diff` and `sync add --dry-run`. */
#pragma once
#include "cfctl/out.h"

/* Of the pair name, or of spec with the bucket that the user's word means. */
int sync_plan(struct ctl *ctl, const char *name, struct params *spec, const char *bucket);
/* The warnings of an Add or Update reply, on stderr. */
void sync_warnings(struct ctl *ctl, struct json_object *reply);
