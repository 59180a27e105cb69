/*
 * The endpoints below /_dev/, there with --control only: faults, counters, and what tests change behind the
 * API's back.
 */
#pragma once

#include "http/request.h"
#include "server.h"

bool control_is_for(const struct request *r);
int control_handle(struct server *s, struct request *r);
