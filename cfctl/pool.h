/* Transfers, several at once: each a call with a descriptor, from a source that makes them one by one. What
 * runs is shown (progress.h), an interrupt cancels all of it, and what one of them does not get through does
 * not stop the others, unless it would not get better for them. */
#pragma once
#include "cfctl/progress.h"

/* As many small files at once keep the line full; the daemon takes eight of one user. */
#define POOL_JOBS 4

struct job {
	const char *verb; /* "upload", for the error "cannot upload NAME"; static */
	char *name;       /* what the user calls it */
	const char *method;
	struct params params;
	int fd;       /* goes along as index 0; -1: none. Closed with the job */
	int64_t size; /* for the progress; -1: not known */
	int64_t base; /* of it, what is there already and does not move */

	/* Once it is over: reply, or error, or neither (interrupted). The exit code of the job, or JOB_AGAIN
	 * after the parameters were changed. An error that it does not want to say itself it gives to
	 * pool_fail. */
	int (*on_end)(struct ctl *ctl, struct job *job, const struct reply *reply, const cfipc_error *error);
	void (*free_data)(void *data);
	void *data;

	/* private */
	struct pool *pool;
	cfipc_op *op;
	struct reply last;
	int64_t done, not_before_ms, busy_until_ms;
	int r;
	bool ended, broken;
};
#define JOB_AGAIN (-1)

struct job *job_new(const char *verb, const char *method, char *name /* taken, also when it is NULL */);
struct job *job_free(struct job *job);

struct pool {
	/* The next job; NULL: there is none any more. An exit code other than EXIT_OK is counted as one of a
	 * job that failed, its error already said. */
	int (*next)(struct ctl *ctl, void *userdata, struct job **ret_job);
	void *userdata;
	bool asked;  /* --progress */
	bool stream; /* bytes go to stdout: nothing else does, and progress is shown only if asked for */
	int64_t files, bytes;

	/* What came of it. */
	int64_t done, failed, bytes_moved, took_ms;

	/* private */
	struct ctl *ctl;
	struct progress progress;
	struct job *jobs[POOL_JOBS];
	size_t n_jobs;
	bool dry, hopeless;
	int code;
};

/* To the end. EXIT_OK when every job was; the exit code that all which failed have in common, else
 * EXIT_FAILED; EXIT_INTERRUPTED. */
int pool_run(struct ctl *ctl, struct pool *pool);
/* Says why a job failed: the exit code. */
int pool_fail(struct ctl *ctl, const struct job *job, const cfipc_error *error);
/* "12.3 MiB in 4 s (3.1 MiB/s)" into buffer. */
void pool_summary(const struct pool *pool, char *buffer, size_t size);

/* The options that every transfer has. */
#define POOL_OPTIONS                                                                                         \
	{                                                                                                    \
		"progress", 0, NULL, "show how far it is, also where there is no terminal"                   \
	}
