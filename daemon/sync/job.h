/* Private to the sync room: a set of paths that goes through the steps together. Small files: job.c chooses
 * and looks, send.c sends. Deletions (deletes.c) are such a set too. */
#pragma once
#include "sync/pair.h"

#define PREPARE_BYTES (2 << 20) /* read before the look-up: all of a batch of tiny files */
#define AHEAD_MS      5000      /* what was read longer ago is looked at again instead of being sent */
#define RUN_FILES     250 /* a run of tiny files has no more: the first goes out while the others are noted */
#define COLLECT_MS    1   /* so that the socket takes what it was just given first */
#define RECORD_STEP   200 /* rows a turn of the loop: a few milliseconds */

struct job {
	struct pair *pair;
	struct item **items; /* sorted by path */
	size_t n;
	struct worker_job work;
	int root_error; /* work_check_root said so */
	struct lookup *lookup;
	struct remote_call *call;
	bool canceled;
	bool preparing; /* a worker looks at it */
	int64_t prepared_ms;
	/* sending */
	struct item **send; /* items whose bytes may have to travel, in path order */
	size_t n_send;
	size_t run_from, run_to; /* the run being read */
	struct item **sent;      /* parts handed over, in order */
	size_t n_sent;
	uint64_t fed_bytes; /* of the parts */
	bool reading, ended, batch;
	int64_t began_ms, ended_ms; /* of the look-up; of the answer */
	struct loop_timer collect_timer;
	size_t n_recorded; /* of sent */
	/* deletions */
	size_t deleting;
};

struct job *job_new(struct pair *p, size_t max);
void job_free(struct job *j);
void job_number(struct job *j); /* tells the items their slots */
/* Everybody still in the job becomes ready again: nothing was begun for them. */
void job_release(struct job *j);
/* In a worker: is the root ours? Then looks at every path below it. */
void job_inspect_run(struct worker_job *work);
/* After job_inspect_run, on the loop: false when the root is not there (the job was released). */
bool job_root_ok(struct job *j);

/* job.c, for send.c: */
void job_leave(struct job *j, struct item *it); /* it has left the job; its next state is the caller's */
void job_finish_item(struct job *j, struct item *it);
/* The verdict on an item whose bytes need not travel now. False: they must. */
bool job_dispose(struct job *j, struct item *it);
void job_read_item(struct local_way *way, struct item *it); /* in a worker */
void job_leave_lane(struct job *j);                         /* another may have it */
void job_end(struct job *j);                                /* frees it */

/* send.c: */
void job_send(struct job *j); /* the next run, or the end of the body */
/* What was answered is read and recorded while the next request travels, not before it: said when that has
 * begun, or has failed. */
void job_record_soon(struct pair *p);
