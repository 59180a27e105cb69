/* The worker pool: threads for what blocks (walking, hashing, reading passed descriptors, WAL checkpoints). A
 * job runs in a worker, its done function on the loop. Jobs never touch what the loop owns; they get all they
 * need in their argument. */
#pragma once
#include "base/loop.h"

/* Two cores hash and walk at once; more threads only queue on the disk. One extra takes what may hang on a
 * pipe or a FUSE mount. */
#define WORKER_THREADS 3

struct worker_pool;
struct worker_job {
	void (*run)(struct worker_job *job); /* in a worker */
	void (*done)(struct worker_job
			     *job); /* on the loop, always called exactly once after submit, also at stop */
	/* private */
	struct loop_post post;
	struct worker_job *next;
};

enum worker_class { WORKER_NORMAL, WORKER_URGENT /* small jobs somebody waits for: taken first */ };

int worker_pool_new(struct loop *loop, unsigned threads, struct worker_pool **ret_pool);
/* Waits for running jobs, runs the queued ones' done without their run. */
struct worker_pool *worker_pool_free(struct worker_pool *pool);
/* The job is embedded in its owner, who keeps it alive until done was called. Cannot fail. */
void worker_submit(struct worker_pool *pool, enum worker_class class, struct worker_job *job);
/* Monotonic ms of the oldest running job's start, INT64_MAX when none runs: the watchdog looks at it. */
int64_t worker_oldest_start_ms(struct worker_pool *pool);
