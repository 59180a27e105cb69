/* Between json.c, json_walk.c and json_tree.c: what the gate has let through is walked, or becomes a tree. */
#pragma once
#include "libcfipc/varlink/json.h"
#include "libcfipc/varlink/json_walk.h"

/* The gate: as json_parse; sets where the document is and how long its longest string is, as written. */
int json_check(const char *text, size_t len, struct json_walk *ret_walk, const char **ret_why);

/* 0 or -ENOMEM. */
int json_tree_build(struct json_walk *w, struct json_object **ret_object);
