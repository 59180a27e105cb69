/* Error codes of the daemon. Lives here: our own codes beside negative errno, and the one table that says
 * what each means (how far it reaches, whether trying again can help, words for a person). Not here: HTTP
 * statuses and the server's words, which travel in struct api_error (api/error.h). */
#pragma once
#include <stdbool.h>

/* Own codes begin at -1000, far from any errno. */
enum err_code {
	ERR_OFFLINE = -1000, /* no answer, and nothing can have been stored: not connected, or cut before the
				last byte */
	ERR_DOUBT = -1001,   /* a write whose reply was lost after its last byte, or 502/504: it may have been
				carried out */
	ERR_AUTH = -1002,    /* 401 or 403 */
	ERR_NOT_FOUND = -1003, /* 404 */
	ERR_TOO_LARGE = -1004, /* 413 */
	ERR_RANGE = -1005,     /* 416 */
	ERR_REJECTED = -1006,  /* 400 and every other 4xx: the same request fails again */
	ERR_SERVER = -1007,    /* 500, 503 and every other 5xx but 502 and 504 */
	ERR_PROTOCOL =
		-1008, /* an answer that is not what the contract says: bad JSON, missing field, lying path */
	ERR_HASH = -1009,     /* the bytes do not have the hash that was announced */
	ERR_CANCELED = -1010, /* we gave it up ourselves */
	ERR_LIMIT = -1011,    /* a named limit of ours was reached */
	ERR_CORRUPT = -1012,  /* something of ours on disk cannot be read as what it should be */
};

enum err_scope {
	ERR_SCOPE_ITEM,   /* this path or call only */
	ERR_SCOPE_PAIR,   /* every path of the pair */
	ERR_SCOPE_SERVER, /* everything that talks to this server */
	ERR_SCOPE_LOCAL,  /* this machine: disk full, out of memory */
};

struct err_info {
	int code;
	const char *name; /* as in the enum, for logs */
	enum err_scope scope;
	bool retry;       /* the same thing may succeed later by itself */
	const char *text; /* for a person */
};

/* Never NULL; errno values get scope, retry and strerror text too. Static storage. */
const struct err_info *err_info(int code);
const char *err_text(int code);
