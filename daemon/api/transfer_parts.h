/* What transfer.c, send.c and receive.c share: the structure of a transfer, and its ends. */
#pragma once
#include "api/internal.h"
#include "api/transfer.h"
#include "api/upload.h"
#include "base/backoff.h"
#include "base/flow.h"

struct block {
	struct block *next;
	void *data;
	size_t len;
	bool last;
};

/* A file as an answer told it, kept beyond the answer. */
struct kept_file {
	struct api_file file;
	char *texts; /* of all of them */
};

struct transfer {
	struct loop *loop;
	struct api *api;
	enum transfer_kind kind;
	char *bucket, *path, *token;
	int64_t offset, length;
	bool has_want;
	struct digest want; /* if_sha256 */
	transfer_cb cb;
	bool (*may_end)(void *arg);
	void *arg;

	struct flow *flow;
	struct api_call *find;
	void (*on_found)(struct transfer *t, const struct api_error *error, const struct api_file *file);
	struct upload *upload;        /* one of */
	struct http_request *request; /* these two, or none */
	struct loop_timer timer;
	struct backoff backoff;
	struct answer_texts texts;
	bool canceled, committing;
	int local_error; /* of the flow: ends it once the request has */
	const char *local_why;
	const char *phase;
	int64_t done, total;
	struct kept_file before; /* the file as it was looked up */
	struct digest digest;    /* of what this side sent or got */

	/* send.c */
	struct block *waiting, **waiting_end;
	int64_t waiting_bytes, fed;
	unsigned asked; /* blocks */
	void *end_data; /* the last block of a pipe, until its end is believed */
	size_t end_len;
	bool started, read_all, rewinding;
	unsigned tries, looks;
	struct api_error failure; /* what the look-ups are about */
	struct answer_texts failure_texts;

	/* receive.c */
	int64_t got, from;
	char *etag;
	unsigned resumes;
	int64_t resumed_at;
	bool held, changed; /* changed: another version than the one begun with */
};

/* In each file: what a flow reports, and how it begins. */
extern const struct flow_callbacks send_flow, receive_flow;
void send_done(struct transfer *t); /* frees what is its own */

/* Look-ups end in on_found. A failure to begin one ends the transfer. */
void transfer_find(struct transfer *t, void (*on_found)(struct transfer *t, const struct api_error *error,
							const struct api_file *file));
void transfer_wait(struct transfer *t, int64_t ms, void (*then)(void *t));

/* The ends. Nothing of it runs any more but the flow. */
void transfer_end_file(struct transfer *t, const struct api_file *file);
void transfer_end_error(struct transfer *t, const struct api_error *error);
void transfer_end_code(struct transfer *t, int code); /* in its own words */
void transfer_end_mismatch(struct transfer *t, const struct digest *expected, const struct digest *actual);
void transfer_end_unchanged(struct transfer *t, const struct api_file *file);
/* The flow failed: now, or when the request has ended. */
void transfer_local(struct transfer *t, int error);
/* True: it was cancelled, or failed on this side, and has ended. */
bool transfer_over(struct transfer *t);

int kept_file_set(struct kept_file *kept, const struct api_file *file); /* -ENOMEM */
void kept_file_done(struct kept_file *kept);
