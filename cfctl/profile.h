/* Profiles as text, for `profile list` and `status`. */
#pragma once
#include "cfctl/out.h"

enum style profile_style(const char *state);
/* The table of a ListProfiles reply: a text_renderer. */
void profile_rows(struct ctl *ctl, struct json_object *reply, void *userdata);
