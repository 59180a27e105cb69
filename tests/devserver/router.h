/*
 * The table of the API: which method and path is answered by which handler, and under which name faults and
 * counters know it.
 */
#pragma once

#include "http/request.h"

struct server;

struct route {
	const char *name;    /* for faults and counters; several rows may share one */
	const char *methods; /* "GET HEAD" */
	const char *pattern; /* literal segments (any case), `{}` one segment, a last `**` the rest */
	int (*handle)(struct server *s, struct request *r);
};

/* Sets r->route and r->params. 0, or the status to answer: 404, or 405 with the Allow header set. */
int router_find(struct request *r);
const struct route *router_by_name(const char *name);
