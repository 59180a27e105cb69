/* What a call to the server ended with: our code, the server's status, words and hint. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct api_error {
	int code;            /* 0 success; see base/err.h */
	int status;          /* HTTP status, 0 when there was no answer */
	const char *reason;  /* without an answer: dns, connect, tls, timeout, protocol, offline; else NULL */
	const char *message; /* the server's `error`, or ours in words; never NULL when code is set */
	const char *hint;    /* the server's hint, NULL if none */
	const char *url;     /* the server's base URL */
	int64_t retry_after_s; /* 0: none */
	bool forbidden;        /* with ERR_AUTH: the credential is good, but not for this */
};
