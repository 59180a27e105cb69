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
void secret_done(struct secret *secret); /* overwrites it */
