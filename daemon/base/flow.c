/* The threads of flow.h. What loop and thread share is one structure under one lock, owned by whoever lets go
 * of it last; so a thread that hangs in the kernel can be left behind. */
#include "base/flow.h"
#include "base/util.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

/* It calls read, write, poll and SHA-256. */
#define STACK_BYTES (128 << 10)

enum job_kind { JOB_OPEN, JOB_READ, JOB_WRITE, JOB_REWIND, JOB_HASH, JOB_COMMIT };

struct job {
	struct job *next;
	enum job_kind kind;
	int error;
	bool last, beyond; /* beyond: the last was read before */
	size_t len;
	char *data;
};

struct queue {
	struct job *first, **end;
};

struct flow {
	struct loop *loop;
	struct flow_callbacks callbacks;
	void *arg;
	size_t queued;
	struct job *filling; /* small writes are gathered while the thread has others to do */
	unsigned writing;
	bool *freed; /* set by flow_free while callbacks are being called */

	/* The thread's own while a job runs, the loop's while none is asked for: */
	struct endpoint *endpoint;
	struct digest_stream *digest;
	struct digest result;
	int error;
	bool ended;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue todo, done;
	unsigned refs; /* the loop, the thread, and a post on its way */
	bool gone, posted;
	struct loop_post post;
};

static atomic_uint threads;

unsigned flow_threads(void)
{
	return atomic_load(&threads);
}

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_push(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->end = job;
	q->end = &job->next;
}

static struct job *queue_pop(struct queue *q)
{
	struct job *job = q->first;

	if (job) {
		q->first = job->next;
		if (!q->first)
			q->end = &q->first;
	}
	return job;
}

static void job_free(struct job *job)
{
	free(job->data);
	free(job);
}

static void queue_clear(struct queue *q)
{
	struct job *job;

	while ((job = queue_pop(q)))
		job_free(job);
}

/* Under the lock, which is given up. */
static void unref_unlock(struct flow *f)
{
	bool last = --f->refs == 0;

	pthread_mutex_unlock(&f->lock);
	if (!last)
		return;
	queue_clear(&f->todo);
	queue_clear(&f->done);
	if (f->filling)
		job_free(f->filling);
	endpoint_free(f->endpoint);
	digest_stream_free(f->digest);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* In the thread */

static int read_block(struct flow *f, struct job *job)
{
	ssize_t n;

	if (f->ended) {
		job->beyond = true;
		return 0;
	}
	n = endpoint_read(f->endpoint, job->data, job->len, &job->last);
	if (n < 0)
		return (int)n;
	job->len = (size_t)n;
	f->ended = job->last;
	int r = digest_stream_update(f->digest, job->data, job->len);
	return r == 0 && job->last ? digest_stream_final(f->digest, &f->result) : r;
}

static int write_block(struct flow *f, struct job *job)
{
	int r = endpoint_write(f->endpoint, job->data, job->len);

	return r < 0 ? r : digest_stream_update(f->digest, job->data, job->len);
}

static int rewind_all(struct flow *f)
{
	f->ended = false;
	int r = endpoint_rewind(f->endpoint);
	return r < 0 ? r : digest_stream_reset(f->digest);
}

static int run(struct flow *f, struct job *job)
{
	switch (job->kind) {
	case JOB_OPEN: return endpoint_open(f->endpoint);
	case JOB_READ: return read_block(f, job);
	case JOB_WRITE: return write_block(f, job);
	case JOB_REWIND: return rewind_all(f);
	case JOB_HASH: return digest_stream_peek(f->digest, &f->result);
	case JOB_COMMIT: return endpoint_commit(f->endpoint);
	}
	return -EINVAL;
}

static void on_post(void *arg);

static void work(struct flow *f)
{
	struct job *job;

	pthread_mutex_lock(&f->lock);
	while (!f->gone) {
		job = queue_pop(&f->todo);
		if (!job) {
			pthread_cond_wait(&f->wake, &f->lock);
			continue;
		}
		pthread_mutex_unlock(&f->lock);

		if (f->error == 0 || job->kind == JOB_REWIND)
			f->error = run(f, job);
		job->error = f->error;

		pthread_mutex_lock(&f->lock);
		queue_push(&f->done, job);
		if (!f->posted && !f->gone) {
			f->posted = true;
			f->refs++;
			f->post = (struct loop_post){.fn = on_post, .arg = f};
			loop_post(f->loop, &f->post);
		}
	}
	pthread_mutex_unlock(&f->lock);
	endpoint_free(STEAL(f->endpoint)); /* here and not on the loop: closing may hang, too */
	pthread_mutex_lock(&f->lock);
	unref_unlock(f);
	atomic_fetch_sub(&threads, 1);
}

static void *thread_main(void *arg)
{
	pthread_setname_np(pthread_self(), "flow");
	work(arg);
	return NULL;
}

/* On the loop */

/* A slow pipe fills blocks with a few bytes each: what is not used is given back. */
static void *fitting(char *data, size_t len)
{
	char *less = len <= FLOW_BLOCK_BYTES / 2 ? realloc(data, len ? len : 1) : NULL;

	return less ? less : data;
}

static void push(struct flow *f, struct job *job)
{
	pthread_mutex_lock(&f->lock);
	queue_push(&f->todo, job);
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

static void push_filled(struct flow *f)
{
	if (!f->filling)
		return;
	f->writing++;
	push(f, STEAL(f->filling));
}

static void tell(struct flow *f, struct job *job)
{
	const struct flow_callbacks *cb = &f->callbacks;

	switch (job->kind) {
	case JOB_OPEN: cb->on_opened(f->arg, job->error); break;
	case JOB_READ:
		f->queued -= FLOW_BLOCK_BYTES;
		if (job->error < 0)
			cb->on_read(f->arg, job->error, NULL, 0, false);
		else if (!job->beyond)
			cb->on_read(f->arg, 0, fitting(STEAL(job->data), job->len), job->len, job->last);
		break;
	case JOB_WRITE:
		f->queued -= job->len;
		if (--f->writing == 0)
			push_filled(f);
		cb->on_written(f->arg, job->error, job->len);
		break;
	case JOB_REWIND: cb->on_rewound(f->arg, job->error); break;
	case JOB_HASH: cb->on_hashed(f->arg, job->error); break;
	case JOB_COMMIT: cb->on_committed(f->arg, job->error); break;
	}
}

static void on_post(void *arg)
{
	struct flow *f = arg;
	struct queue done;
	struct job *job;
	bool freed = false;

	pthread_mutex_lock(&f->lock);
	done = f->done;
	if (!done.first)
		queue_init(&done);
	queue_init(&f->done);
	f->posted = false;
	freed = f->gone;
	pthread_mutex_unlock(&f->lock);

	if (!freed)
		f->freed = &freed;
	while ((job = queue_pop(&done))) {
		if (!freed)
			tell(f, job);
		job_free(job);
	}
	f->freed = NULL;
	pthread_mutex_lock(&f->lock);
	unref_unlock(f);
}

/* Detached: nobody waits for a thread that may never come back. Signals belong to the loop's. */
static int start_thread(struct flow *f)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t id;

	if (atomic_fetch_add(&threads, 1) >= FLOW_MAX_THREADS) {
		atomic_fetch_sub(&threads, 1);
		return -EBUSY;
	}
	int r = pthread_attr_init(&attr);

	if (r == 0) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attr, STACK_BYTES);
		sigfillset(&all);
		sigdelset(&all, SIGSEGV);
		sigdelset(&all, SIGBUS);
		sigdelset(&all, SIGFPE);
		sigdelset(&all, SIGILL);
		sigdelset(&all, SIGABRT);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		r = pthread_create(&id, &attr, thread_main, f);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		pthread_attr_destroy(&attr);
	}
	if (r != 0)
		atomic_fetch_sub(&threads, 1);
	return -r;
}

int flow_new(struct loop *loop, struct endpoint *endpoint, const struct flow_callbacks *callbacks, void *arg,
	     struct flow **ret_flow)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f) {
		endpoint_free(endpoint);
		return -ENOMEM;
	}
	f->loop = loop;
	f->callbacks = *callbacks;
	f->arg = arg;
	f->endpoint = endpoint;
	queue_init(&f->todo);
	queue_init(&f->done);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->wake, NULL);
	f->refs = 2;
	f->digest = digest_stream_new();
	int r = f->digest ? start_thread(f) : -ENOMEM;

	if (r < 0) {
		pthread_mutex_lock(&f->lock);
		f->refs = 1;
		unref_unlock(f);
		return r;
	}
	*ret_flow = f;
	return 0;
}

struct flow *flow_free(struct flow *f)
{
	if (!f)
		return NULL;
	if (f->freed)
		*f->freed = true;
	pthread_mutex_lock(&f->lock);
	f->gone = true;
	endpoint_cancel(f->endpoint);
	pthread_cond_signal(&f->wake);
	unref_unlock(f);
	return NULL;
}

static struct job *job_new(enum job_kind kind, size_t room)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->kind = kind;
	/* Here and not in the thread: memory that moves from one arena to another is kept by both. */
	job->data = room ? malloc(room) : NULL;
	if (room && !job->data) {
		free(job);
		return NULL;
	}
	return job;
}

static int submit(struct flow *f, enum job_kind kind)
{
	struct job *job = job_new(kind, 0);

	if (!job)
		return -ENOMEM;
	push_filled(f);
	push(f, job);
	return 0;
}

int flow_open(struct flow *f)
{
	return submit(f, JOB_OPEN);
}

int flow_read(struct flow *f)
{
	struct job *job = job_new(JOB_READ, FLOW_BLOCK_BYTES);

	if (!job)
		return -ENOMEM;
	job->len = FLOW_BLOCK_BYTES;
	f->queued += FLOW_BLOCK_BYTES;
	push(f, job);
	return 0;
}

/* A network gives its bytes in small pieces: each by itself would cost more than it carries. */
int flow_write(struct flow *f, const void *data, size_t len)
{
	while (len > 0) {
		if (!f->filling && !(f->filling = job_new(JOB_WRITE, FLOW_BLOCK_BYTES)))
			return -ENOMEM;
		struct job *job = f->filling;
		size_t n = MIN(len, FLOW_BLOCK_BYTES - job->len);

		memcpy(job->data + job->len, data, n);
		job->len += n;
		f->queued += n;
		data = (const char *)data + n;
		len -= n;
		if (job->len == FLOW_BLOCK_BYTES)
			push_filled(f);
	}
	if (f->writing == 0)
		push_filled(f);
	return 0;
}

int flow_rewind(struct flow *f)
{
	return submit(f, JOB_REWIND);
}

int flow_hash(struct flow *f)
{
	return submit(f, JOB_HASH);
}

int flow_commit(struct flow *f)
{
	return submit(f, JOB_COMMIT);
}

size_t flow_queued(const struct flow *f)
{
	return f->queued;
}

int64_t flow_size(const struct flow *f)
{
	return f->endpoint->size;
}

bool flow_can_rewind(const struct flow *f)
{
	return endpoint_can_rewind(f->endpoint);
}

const char *flow_why(const struct flow *f)
{
	return f->endpoint->why;
}

const struct digest *flow_digest(const struct flow *f)
{
	return &f->result;
}

const char *flow_path(const struct flow *f)
{
	return f->endpoint->path;
}
