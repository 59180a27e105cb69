/* Secrets, and the questions about them. A credential comes from a prompt without echo or from a file, never
 * from argv, and is gone from our memory as soon as the daemon has it. */
#pragma once
#include "cfctl/ctl.h"

/* No credential of the server comes near this; a longer file is another file. */
#define SECRET_MAX_BYTES 4096

struct secret {
	int fd; /* a memfd holding it, to be passed to the daemon; -1: none */
};
#define _cleanup_secret_ __attribute__((cleanup(secret_done)))

/* From the first line of file ("-": stdin). */
int secret_from_file(struct ctl *ctl, const char *file, struct secret *ret_secret);
/* From the terminal. what: "API key or token for https://…". */
int secret_from_prompt(struct ctl *ctl, const char *what, struct secret *ret_secret);
/* The same as secret_from_file, as a member of a call's parameters: where the interface takes text only. It
 * is to be wiped out of them when the call is done. */
int secret_to_params(struct ctl *ctl, const char *file, struct params *params, const char *key);
void secret_wipe_params(struct params *params, const char *key);
void secret_done(struct secret *secret); /* overwrites it */
