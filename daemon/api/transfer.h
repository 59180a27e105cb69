/* A file on its way to the server or from it, as somebody asked for it: the bytes of an endpoint
 * (base/endpoint.h) through one request or several, and what makes sure that they are the right ones:
 * look-ups before and after, hashes, resumption of what was cut off. Constant memory whatever the size. Not
 * here: who may ask for how many, and what they are told (ipc/transfers.h). */
#pragma once
#include "api/api.h"
#include "base/digest.h"
#include "base/endpoint.h"
#include "base/loop.h"

enum transfer_kind { TRANSFER_UPLOAD, TRANSFER_APPEND, TRANSFER_PATCH, TRANSFER_DOWNLOAD, TRANSFER_ZIP };

/* Everything is copied. */
struct transfer_spec {
	enum transfer_kind kind;
	const char *bucket, *path; /* valid; of a zip there is no path */
	const char *token;     /* upload, append, patch: instead of the credential; NULL: the credential */
	int64_t offset;        /* patch, download; -1: none */
	int64_t length;        /* download; -1: to the end */
	const char *if_sha256; /* download: not if the file still has this hash; NULL: in any case */
	/* Asked, with cb's arg, when what is sent has come to its end. False: whoever sent it has gone, so
	 * that the end of a pipe may be that of its writer; the transfer is cancelled. NULL: never asked. */
	bool (*may_end)(void *arg);
};

/* Borrowed for the time of on_done. */
struct transfer_result {
	struct api_error error; /* code 0: done; ERR_HASH: expected and actual; ERR_CANCELED */
	int local_error;        /* negative errno of this side, and then nothing else counts */
	const char *local_why;  /* for people; NULL: the errno says it */
	const char *local_path; /* NULL: a descriptor */
	char expected[DIGEST_HEX_SIZE], actual[DIGEST_HEX_SIZE];
	const struct api_file *file; /* NULL: of a zip */
	int64_t bytes;               /* of this side */
	bool unchanged;
};
struct transfer_progress {
	const char *phase;   /* static */
	int64_t done, total; /* total -1: unknown */
};

struct transfer;
typedef void (*transfer_cb)(void *arg, const struct transfer_result *result);

/* Takes the endpoint, also on failure. cb comes exactly once, and never from inside this. -ENOMEM; -EBUSY:
 * too many threads. */
int transfer_start(struct loop *loop, struct api *api, const struct transfer_spec *spec,
		   struct endpoint *endpoint, transfer_cb cb, void *arg, struct transfer **ret_transfer);
/* cb follows with ERR_CANCELED, perhaps at once; but what is about to be put into its place is. */
void transfer_cancel(struct transfer *t);
void transfer_get_progress(const struct transfer *t, struct transfer_progress *ret_progress);
