/* org.carbonfiles.daemon.Diagnose: what is wrong on this machine or with the servers, and what to do about
 * it. */
#pragma once
#include "ipc/server.h"

void diagnose(struct ipc_call *call, struct json_object *parameters, void *context);
