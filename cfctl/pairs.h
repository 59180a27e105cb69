/* The statuses of pairs as text, for every command that shows some. */
#pragma once
#include "cfctl/out.h"

enum style pair_style(const char *state);
/* A table of them, and below it what somebody should know or do. statuses: an object with that array;
 * pairs: a List reply for the directories, or NULL. */
void pairs_show(struct ctl *ctl, struct json_object *statuses, struct json_object *pairs);
/* The remarks below the table alone, for one pair. */
void pair_remarks(struct ctl *ctl, struct json_object *status);
/* EXIT_OK when every one is in sync, else EXIT_NOT_IN_SYNC. */
int pairs_exit_code(struct json_object *statuses);
/* The List reply, of --profile only when it is given. */
int pairs_list(struct ctl *ctl, struct reply *ret_reply);
/* GetStatus of one pair, or of all (NULL). */
int pairs_status(struct ctl *ctl, const char *name, struct reply *ret_reply);
/* "12 (1.5 MiB)" or "" when nothing is pending. */
void pair_pending_cell(struct table *table, struct json_object *status);
