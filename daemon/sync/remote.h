/* The server as the sync engine sees it: one bucket's files and the few things it does with them. A struct of
 * operations that api/remote.c fills in the daemon and a fake fills in unit tests. All operations are
 * asynchronous on the loop; callbacks come exactly once, never from inside the call; what they are given is
 * borrowed. Paths are whole stored paths (prefix included). */
#pragma once
#include "base/digest.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REMOTE_STAMP_MAX 40

/* A version is (hash, updated_at): both must be equal for "unchanged". */
struct remote_version {
	int64_t size;
	bool has_digest; /* legacy rows have none: then only updated_at tells versions apart */
	struct digest digest;
	char updated_at[REMOTE_STAMP_MAX]; /* as text, without zone */
};

struct remote_file {
	const char *path;
	struct remote_version version;
};

struct remote_error {
	int code;            /* 0 success; see base/err.h */
	int status;          /* 0: no answer */
	const char *message; /* never NULL when code is set */
	const char *hint;    /* the server's hint, NULL if none */
	const char *reason;  /* without an answer: dns, connect, tls, timeout, protocol, offline; else NULL */
	const char *url;     /* the server's base URL */
	int64_t retry_after_s;
};

struct remote_bucket {
	const char *id, *name, *created_at, *expires_at; /* expires_at NULL: never */
	int64_t file_count;
};

struct remote;      /* a server with a credential */
struct remote_call; /* something running; the handle is dead once its callback came */

typedef void (*remote_list_cb)(void *arg, const struct remote_error *error, const struct remote_file *files,
			       size_t n, bool more);
typedef void (*remote_bucket_cb)(void *arg, const struct remote_error *error,
				 const struct remote_bucket *bucket);
typedef void (*remote_done_cb)(void *arg, const struct remote_error *error);

/* An upload in progress, single or batch, is fed by the caller. */
struct remote_upload_callbacks {
	void (*on_room)(void *arg); /* feed more: less than 1 MiB is queued */
	/* Optional. The request has ended and the server says that it stored what it got, but its list of
	 * that is not read yet (of thousands of files it takes a while). True: it is read, and on_done
	 * called, when the caller asks for it with collect(), which it must; until then the call lives and
	 * cannot be cancelled any more. False: at once. */
	bool (*on_answered)(void *arg);
	/* files: what the server says it stored, path by path what was sent (empty on error). sent_all: the
	 * last byte was handed to the kernel, so without an answer the write is in doubt (error.code is
	 * ERR_DOUBT then, else ERR_OFFLINE). parts_sent: parts of a batch whose last byte was handed over. */
	void (*on_done)(void *arg, const struct remote_error *error, const struct remote_file *files,
			size_t n, size_t parts_sent);
};

struct remote_ops {
	/* Up to limit (1-1000) files with path > after in path order; after NULL or "": from the start. more:
	 * others follow. */
	int (*list)(struct remote *r, const char *bucket, const char *after, int limit, remote_list_cb cb,
		    void *arg, struct remote_call **ret_call);
	int (*bucket)(struct remote *r, const char *bucket, remote_bucket_cb cb, void *arg,
		      struct remote_call **ret_call);
	/* expires never */
	int (*create_bucket)(struct remote *r, const char *name, remote_bucket_cb cb, void *arg,
			     struct remote_call **ret_call);
	/* One file as a raw body of exactly size bytes. PUT, or a one-part multipart where PUT cannot carry
	 * the name; the caller need not know. */
	int (*put)(struct remote *r, const char *bucket, const char *path, int64_t size,
		   const struct remote_upload_callbacks *cb, void *arg, struct remote_call **ret_call);
	/* Many files in one chunked multipart request, parts in the order given by part(). */
	int (*batch)(struct remote *r, const char *bucket, const struct remote_upload_callbacks *cb,
		     void *arg, struct remote_call **ret_call);
	/* data (malloc) is taken, also on failure. For put: the next bytes. For batch: one whole part. last
	 * ends the body. */
	int (*feed)(struct remote_call *call, void *data, size_t len, bool last);
	int (*part)(struct remote_call *call, const char *path, void *data, size_t len);
	int (*finish)(struct remote_call *call);    /* ends a batch's body */
	void (*collect)(struct remote_call *call);  /* after on_answered: calls on_done now */
	uint64_t (*sent)(struct remote_call *call); /* bytes of the body handed to the kernel so far */
	/* error.code ERR_NOT_FOUND: 404, which may also mean "not the owner". */
	int (*remove)(struct remote *r, const char *bucket, const char *path, remote_done_cb cb, void *arg,
		      struct remote_call **ret_call);
	/* The bytes of a file; on_data < 0 ends it with that code. */
	int (*fetch)(struct remote *r, const char *bucket, const char *path,
		     int (*on_data)(void *arg, const void *data, size_t len), remote_done_cb cb, void *arg,
		     struct remote_call **ret_call);
	void (*cancel)(struct remote_call *call); /* the callback still comes, with ERR_CANCELED; NULL-safe */
};

/* The head of every implementation. */
struct remote {
	const struct remote_ops *ops;
	const char *server_key; /* the same text for the same server whatever the credential: base URL */
};
