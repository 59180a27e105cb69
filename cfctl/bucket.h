/* Buckets by the word a user has for them. */
#pragma once
#include "cfctl/ctl.h"

/* As ctl_run, with member "bucket" of holder (call->params or an object inside them) set to the id that word
 * is, or to the id of the one bucket of that name. */
int bucket_run(struct ctl *ctl, const struct call *call, struct params *holder, const char *word,
	       struct reply *ret_reply);
/* The id of that bucket, for commands that make more than one call. *ret_id is yours to free. An exit code.
 */
int bucket_find(struct ctl *ctl, const char *word, char **ret_id);
