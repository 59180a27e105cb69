/* Private to the sync room: one path on its own. single.c looks and decides, stream.c sends, rescue.c
 * rescues. Each step ends in one of the single_end functions, which give the path its next state. */
#pragma once
#include "sync/pair.h"

struct single {
	struct pair *pair;
	struct item *item; /* NULL once it was given its next state */
	struct item *one[1];
	struct worker_job work;
	int work_error, read_error; /* read_error: of a block of the stream */
	volatile bool stop_work;
	struct lookup *lookup;
	struct remote_call *call;
	bool canceled, working, fetching;
	bool rescues; /* else it streams */
	/* rescue */
	struct trash_file *trash;
	struct digest_stream *digest;
	int64_t fetched, reserved; /* reserved: of the day's budget */
	int trash_error;           /* why what came could not be written */
	char *trashed;
	/* stream */
	int fd;
	int64_t size, read_bytes, fed;
	void *block;
	size_t block_len;
	bool block_last, moved, racy, noted, sent_all_blocks;
	struct index_sig sig; /* of the open file: the worker never touches the item while a request runs, it
				 may be gone */
	struct digest streamed;
	int64_t began_ms, reported, opened_ns;
	LIST_ENTRY(single) link;
};

struct single *single_of(struct worker_job *work);
void single_submit(struct single *s, void (*run)(struct worker_job *), void (*done)(struct worker_job *));

/* The path has been given its next state; the single is over. */
void single_end(struct single *s);
void single_end_lane(struct single *s, enum item_lane lane);
void single_end_ready(struct single *s);
void single_end_done(struct single *s);
void single_end_retry(struct single *s, int64_t after_s); /* after_s: the server's Retry-After, 0 for none */
/* Cancelled, or the pair may not work any more: true when the single ended here. */
bool single_gone(struct single *s);
void single_index_failed(struct single *s, int error);
/* Reading failed with this: when it is looked at again. */
void single_look_again(struct item *it, int error);
void single_unreadable(struct single *s, int error); /* the same, and ends it */

enum item_lane single_lane_of(const struct item *it); /* the lane its bytes would take */

void single_stream(struct single *s);
void single_rescue(struct single *s);
