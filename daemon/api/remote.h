/* sync/remote.h implemented on a struct api. */
#pragma once
#include "api/api.h"
#include "sync/remote.h"

/* Keeps a reference to api. */
int api_remote_new(struct api *api, struct remote **ret_remote);
struct remote *api_remote_free(
	struct remote *remote); /* running calls are cancelled; their callbacks come before the memory goes */
