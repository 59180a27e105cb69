/* The transfers that run for clients: who has how many, what they are at, and that no two write to one path
 * at a time. The server loses one of two appends, and refuses the content of one of two uploads for ever. */
#pragma once
#include "api/transfer.h"
#include "ipc/methods.h"

/* Of one user; what is over is Busy. */
#define IPC_MAX_TRANSFERS 8
/* A client is told of progress so often at most. */
#define IPC_PROGRESS_MS 100

/* One that begins. Everything is taken. */
struct transfer_order {
	struct ipc *ipc;
	struct ipc_call *call;
	struct api *api;
	const char *kind; /* static: "upload", "append", "patch", "download", "zip" */
	char *profile, *bucket, *path, *token, *if_sha256;
	struct transfer_spec spec; /* its texts are those above */
	struct endpoint *endpoint;
};
void transfer_order_done(struct transfer_order *o);
/* Ends the call now (Busy) or when it is over. */
void transfers_begin(struct transfer_order *o);
/* The daemon ends: nothing of the struct ipc is touched any more. */
void transfers_forget(struct ipc *ipc);

void list_transfers(struct ipc_call *call, struct json_object *parameters, void *context);
void cancel_transfer(struct ipc_call *call, struct json_object *parameters, void *context);
