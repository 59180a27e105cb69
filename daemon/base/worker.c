/* The worker pool: threads on two queues under one lock; what is done comes back by loop_post. */
#include "base/worker.h"
#include "base/clock.h"
#include "base/util.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>

struct queue {
	struct worker_job *first, **end;
};

struct worker_pool {
	struct loop *loop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue queues[2]; /* by worker_class */
	unsigned threads, normal_max, normal_running;
	bool stopping;
	int64_t *start_ms; /* of the job of each thread, INT64_MAX: none */
	pthread_t *ids;
	unsigned started;
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_push(struct queue *q, struct worker_job *job)
{
	job->next = NULL;
	*q->end = job;
	q->end = &job->next;
}

static struct worker_job *queue_pop(struct queue *q)
{
	struct worker_job *job = q->first;

	if (job) {
		q->first = job->next;
		if (!q->first)
			q->end = &q->first;
	}
	return job;
}

static void on_job_done(void *arg)
{
	struct worker_job *job = arg;

	job->done(job);
}

static void post_done(struct worker_pool *pool, struct worker_job *job)
{
	job->post = (struct loop_post){.fn = on_job_done, .arg = job};
	loop_post(pool->loop, &job->post);
}

/* Urgent first. Normal jobs leave one thread free, so that an urgent one never waits for a long walk. */
static struct worker_job *next_job(struct worker_pool *pool, bool *ret_normal)
{
	struct worker_job *job = queue_pop(&pool->queues[WORKER_URGENT]);

	*ret_normal = !job;
	if (!job && pool->normal_running < pool->normal_max)
		job = queue_pop(&pool->queues[WORKER_NORMAL]);
	return job;
}

static void work(struct worker_pool *pool, unsigned index)
{
	pthread_mutex_lock(&pool->lock);
	while (!pool->stopping) {
		bool normal;
		struct worker_job *job = next_job(pool, &normal);
		if (!job) {
			pthread_cond_wait(&pool->wake, &pool->lock);
			continue;
		}
		pool->start_ms[index] = clock_monotonic_ms();
		pool->normal_running += normal;
		pthread_mutex_unlock(&pool->lock);

		job->run(job);

		pthread_mutex_lock(&pool->lock);
		pool->start_ms[index] = INT64_MAX;
		pool->normal_running -= normal;
		/* Under the lock, so that worker_pool_free finds every done it waits for in the inbox. */
		post_done(pool, job);
	}
	pthread_mutex_unlock(&pool->lock);
}

struct thread_start {
	struct worker_pool *pool;
	unsigned index;
};

static void *thread_main(void *arg)
{
	struct thread_start start = *(struct thread_start *)arg;

	free(arg);
	pthread_setname_np(pthread_self(), "worker");
	work(start.pool, start.index);
	return NULL;
}

static int start_thread(struct worker_pool *pool)
{
	struct thread_start *start = malloc(sizeof(*start));

	if (!start)
		return -ENOMEM;
	*start = (struct thread_start){pool, pool->started};
	int r = pthread_create(&pool->ids[pool->started], NULL, thread_main, start);
	if (r != 0) {
		free(start);
		return -r;
	}
	pool->started++;
	return 0;
}

static int start_threads(struct worker_pool *pool)
{
	sigset_t all, before;
	int r = 0;

	/* Signals belong to the loop's thread; a broken pipe is EPIPE for a worker, not the end of us. The
	 * faults stay: blocked, they could not be told from a hang. */
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (r == 0 && pool->started < pool->threads)
		r = start_thread(pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int worker_pool_new(struct loop *loop, unsigned threads, struct worker_pool **ret_pool)
{
	if (threads == 0)
		return -EINVAL;
	struct worker_pool *pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->loop = loop;
	pool->threads = threads;
	pool->normal_max = threads > 1 ? threads - 1 : 1;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	queue_init(&pool->queues[WORKER_NORMAL]);
	queue_init(&pool->queues[WORKER_URGENT]);
	pool->ids = calloc(threads, sizeof(*pool->ids));
	pool->start_ms = calloc(threads, sizeof(*pool->start_ms));
	int r = pool->ids && pool->start_ms ? 0 : -ENOMEM;
	if (r == 0) {
		for (unsigned i = 0; i < threads; i++)
			pool->start_ms[i] = INT64_MAX;
		r = start_threads(pool);
	}
	if (r < 0) {
		worker_pool_free(pool);
		return r;
	}
	*ret_pool = pool;
	return 0;
}

struct worker_pool *worker_pool_free(struct worker_pool *pool)
{
	if (!pool)
		return NULL;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->started; i++)
		pthread_join(pool->ids[i], NULL);

	/* Alone from here on. First what ran, in the order it ended; then what never will. A done may submit
	 * again: those come round too. */
	struct worker_job *job;
	bool normal;
	do {
		loop_drain_posts(pool->loop);
		job = next_job(pool, &normal);
		if (job)
			job->done(job);
	} while (job);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool->ids);
	free(pool->start_ms);
	free(pool);
	return NULL;
}

void worker_submit(struct worker_pool *pool, enum worker_class class, struct worker_job *job)
{
	pthread_mutex_lock(&pool->lock);
	queue_push(&pool->queues[class], job);
	/* Waiting threads are all alike: whether a normal job may start hangs on the pool, not on the thread.
	 */
	pthread_cond_signal(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
}

int64_t worker_oldest_start_ms(struct worker_pool *pool)
{
	int64_t oldest = INT64_MAX;

	pthread_mutex_lock(&pool->lock);
	for (unsigned i = 0; i < pool->threads; i++)
		oldest = MIN(oldest, pool->start_ms[i]);
	pthread_mutex_unlock(&pool->lock);
	return oldest;
}
