/* Transfers, several at once. */
#include "cfctl/pool.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_WAIT_MS 250   /* until a transfer that the daemon had no room for is tried again */
#define BUSY_MAX_MS  60000 /* and for so long: others are ahead, and they may be large */
#define WAIT_USEC    10000
#define CANCEL_MS    5000 /* for the daemon to let go of what was cancelled */

struct job *job_new(const char *verb, const char *method, char *name)
{
	struct job *job = name ? calloc(1, sizeof(*job)) : NULL;

	if (!job) {
		free(name);
		return NULL;
	}
	job->verb = verb;
	job->method = method;
	job->name = name;
	job->fd = -1;
	job->size = -1;
	params_init(&job->params);
	return job;
}

struct job *job_free(struct job *job)
{
	if (!job)
		return NULL;
	cfipc_op_unref(job->op);
	reply_done(&job->last);
	params_done(&job->params);
	if (job->free_data)
		job->free_data(job->data);
	if (job->fd >= 0)
		(void)close(job->fd);
	free(job->name);
	free(job);
	return NULL;
}

int pool_fail(struct ctl *ctl, const struct job *job, const cfipc_error *error)
{
	_cleanup_free_ char *what = NULL;
	int code;

	if (!error)
		return EXIT_INTERRUPTED;
	if (asprintf(&what, "%s %s", job->verb, job->name) < 0) {
		what = NULL;
		return ctl_no_memory(ctl);
	}
	ctl->subject = job->name;
	code = ctl_fail(ctl, what, -EREMOTEIO, error);
	ctl->subject = NULL;
	return code;
}

static int on_reply(cfipc_op *op, const char *json, const cfipc_error *error, unsigned flags, void *userdata)
{
	struct job *job = userdata;
	struct reply reply = {0};
	struct json_object *progress;

	if (!(flags & CFIPC_CONTINUES))
		job->ended = true;
	if (error)
		return -1;
	reply.object = json_tokener_parse(json);
	reply.text = strdup(json);
	if (!reply.object || !reply.text || !json_object_is_type(reply.object, json_type_object)) {
		reply_done(&reply);
		job->broken = true;
		return -1;
	}
	progress = get_object(reply.object, "progress");
	if (progress) {
		job->done = job->base + get_int(progress, "bytes_done");
		if (job->size < 0 && has(progress, "bytes_total"))
			job->size = job->base + get_int(progress, "bytes_total");
	}
	if (flags & CFIPC_CONTINUES && job->pool->asked)
		(void)out_reply(job->pool->ctl, &reply, NULL, NULL);
	reply_done(&job->last);
	job->last = reply;
	return 0;
}

static int job_start(struct ctl *ctl, struct job *job)
{
	const char *in_json = json_object_to_json_string_ext(job->params.object, JSON_C_TO_STRING_PLAIN);
	cfipc_client *client;
	int r, code = ctl_client(ctl, &client);

	if (code != EXIT_OK)
		return code;
	if (job->params.failed || !in_json)
		return ctl_no_memory(ctl);
	if (job->params.not_utf8)
		return ctl_usage(ctl, "Only local paths may hold other bytes.",
				 "cannot %s %s: a word of the command line is not UTF-8", job->verb,
				 job->name);
	job->op = cfipc_op_unref(job->op);
	job->ended = job->broken = false;
	job->done = job->base;
	r = cfipc_call_async(client, &job->op, job->method, in_json, CFIPC_MORE, on_reply, job);
	if (r >= 0 && job->fd >= 0) {
		r = cfipc_op_push_dup_fd(job->op, job->fd);
		if (r < 0)
			cfipc_op_cancel(job->op);
	}
	if (r < 0 && !job->op)
		return ctl_fail(ctl, job->verb, r, NULL);
	return EXIT_OK;
}

/* Whether what stopped this one will stop every other. */
static bool is_hopeless(const cfipc_error *error)
{
	switch (cfipc_error_code(error)) {
	case CFIPC_ERROR_NOT_RUNNING:
	case CFIPC_ERROR_DISCONNECTED:
	case CFIPC_ERROR_PROTOCOL:
	case CFIPC_ERROR_METHOD_NOT_FOUND:
	case CFIPC_ERROR_METHOD_NOT_IMPLEMENTED:
	case CFIPC_ERROR_PERMISSION_DENIED:
	case CFIPC_ERROR_ACCESS_DENIED:
	case CFIPC_ERROR_UNREACHABLE:
	case CFIPC_ERROR_NO_SUCH_PROFILE:
	case CFIPC_ERROR_NOT_LOGGED_IN: return true;
	default: return false;
	}
}

static void count_failure(struct pool *pool, int code)
{
	pool->failed++;
	if (pool->code == EXIT_OK || code == EXIT_INTERRUPTED)
		pool->code = code;
	else if (pool->code != code && pool->code != EXIT_INTERRUPTED)
		pool->code = EXIT_FAILED;
}

static void job_finished(struct pool *pool, struct job *job, int code)
{
	struct progress *p = &pool->progress;

	if (code == EXIT_OK) {
		/* A small one is there before it has told how far it is. */
		if (job->size >= 0)
			job->done = job->size;
		pool->done++;
		pool->bytes_moved += job->done - job->base;
	} else {
		count_failure(pool, code);
	}
	p->files_done++;
	p->bytes_done += job->done;
	p->bytes_skipped += job->base;
	for (size_t i = 0; i < pool->n_jobs; i++)
		if (pool->jobs[i] == job)
			pool->jobs[i] = pool->jobs[--pool->n_jobs];
	job_free(job);
}

/* The daemon's word for "eight at once": later there is room. */
static bool wait_for_room(struct job *job, const cfipc_error *error)
{
	int64_t now = ctl_now_ms();

	if (cfipc_error_code(error) != CFIPC_ERROR_BUSY)
		return false;
	if (job->busy_until_ms == 0)
		job->busy_until_ms = now + BUSY_MAX_MS;
	job->not_before_ms = now + BUSY_WAIT_MS;
	return now < job->busy_until_ms;
}

static void job_over(struct pool *pool, struct job *job)
{
	struct ctl *ctl = pool->ctl;
	const cfipc_error *error = job->op ? cfipc_op_get_error(job->op) : NULL;
	bool stopped = ctl_interrupted() || job->broken;
	int code;

	job->ended = false;
	if (error && !stopped && wait_for_room(job, error)) {
		job->op = cfipc_op_unref(job->op);
		return;
	}
	if (error && !stopped && is_hopeless(error)) {
		/* Said once, for the first of them. */
		stopped = pool->hopeless;
		pool->hopeless = true;
	}
	if (error || stopped)
		code = job->on_end(ctl, job, NULL, stopped ? NULL : error);
	else
		code = job->on_end(ctl, job, &job->last, NULL);
	if (job->broken && !ctl_interrupted())
		code = ctl_error(ctl, EXIT_FAILED, "Protocol", NULL,
				 "cannot %s %s: the daemon's reply cannot be read", job->verb, job->name);
	else if (stopped && code == EXIT_INTERRUPTED && !ctl_interrupted())
		code = pool->code;
	if (code != JOB_AGAIN) {
		job_finished(pool, job, code);
		return;
	}
	job->op = cfipc_op_unref(job->op);
	job->not_before_ms = 0;
}

/* Jobs that wait for their turn, and new ones. */
static void fill(struct pool *pool)
{
	int64_t now = ctl_now_ms();

	for (size_t i = 0; i < pool->n_jobs; i++) {
		struct job *job = pool->jobs[i];

		if (!job->op && job->not_before_ms <= now) {
			int code = job_start(pool->ctl, job);

			if (code != EXIT_OK) {
				(void)job->on_end(pool->ctl, job, NULL, NULL);
				job_finished(pool, job, code);
				i--;
			}
		}
	}
	while (pool->n_jobs < POOL_JOBS && !pool->dry && !pool->hopeless && !ctl_interrupted()) {
		struct job *job = NULL;
		int code = pool->next(pool->ctl, pool->userdata, &job);

		if (code != EXIT_OK) {
			count_failure(pool, code);
			pool->progress.files_done++;
			continue;
		}
		if (!job) {
			pool->dry = true;
			return;
		}
		job->pool = pool;
		pool->jobs[pool->n_jobs++] = job;
		code = job_start(pool->ctl, job);
		if (code != EXIT_OK) {
			(void)job->on_end(pool->ctl, job, NULL, NULL);
			job_finished(pool, job, code);
		}
	}
}

static void draw(struct pool *pool)
{
	struct running_file running[POOL_JOBS];

	for (size_t i = 0; i < pool->n_jobs; i++)
		running[i] =
			(struct running_file){pool->jobs[i]->name, pool->jobs[i]->done, pool->jobs[i]->size};
	progress_draw(&pool->progress, running, pool->n_jobs);
}

/* How long nothing has to be done here, in milliseconds; -1: for ever. */
static int idle_ms(const struct pool *pool)
{
	int64_t now = ctl_now_ms(), left;

	(void)progress_is_due(&pool->progress, &left);
	for (size_t i = 0; i < pool->n_jobs; i++) {
		int64_t wait = pool->jobs[i]->not_before_ms - now;

		if (!pool->jobs[i]->op && (left < 0 || wait < left))
			left = wait > 0 ? wait : 0;
	}
	return (int)left;
}

/* One turn: what came in, what ended, what begins, and then a pause. 0, or -errno of the client as a whole.
 */
static int turn(struct pool *pool)
{
	int64_t left;
	int r = cfipc_client_process(pool->ctl->client);

	if (r < 0)
		return r;
	for (size_t i = pool->n_jobs; i-- > 0;)
		if (pool->jobs[i]->ended)
			job_over(pool, pool->jobs[i]);
	if (progress_is_due(&pool->progress, &left))
		draw(pool);
	fill(pool);
	if (r > 0 || pool->n_jobs == 0)
		return 0;
	r = ctl_wait_fd(cfipc_client_get_fd(pool->ctl->client), idle_ms(pool));
	(void)ctl_resized();
	return r;
}

/* All that runs ends now, in the daemon too. */
static void cancel_all(struct pool *pool)
{
	int64_t end = ctl_now_ms() + CANCEL_MS;

	for (size_t i = 0; i < pool->n_jobs; i++)
		if (pool->jobs[i]->op)
			cfipc_op_cancel(pool->jobs[i]->op);
	while (pool->n_jobs > 0) {
		struct job *job = pool->jobs[pool->n_jobs - 1];

		while (job->op && !cfipc_op_is_done(job->op) && ctl_now_ms() < end)
			if (cfipc_client_process(pool->ctl->client) <= 0)
				(void)cfipc_client_wait(pool->ctl->client, WAIT_USEC);
		/* The daemon hangs: without the client no op finds its job again. */
		if (job->op && !cfipc_op_is_done(job->op))
			pool->ctl->client = cfipc_client_unref(pool->ctl->client);
		(void)job->on_end(pool->ctl, job, NULL, NULL);
		job_finished(pool, job, EXIT_INTERRUPTED);
	}
}

int pool_run(struct ctl *ctl, struct pool *pool)
{
	cfipc_client *client;
	int r = 0, code = ctl_client(ctl, &client);

	if (code != EXIT_OK)
		return code;
	pool->ctl = ctl;
	progress_begin(ctl, pool->asked, &pool->progress);
	pool->progress.files = pool->files;
	pool->progress.bytes = pool->bytes;
	pool->progress.live &= pool->asked || !pool->stream;
	pool->asked = pool->asked && ctl->json &&
		      !pool->stream; /* from here on: each reply of a stream is printed */
	fill(pool);
	while (pool->n_jobs > 0 && r >= 0)
		r = turn(pool);
	if (pool->n_jobs > 0)
		cancel_all(pool);
	pool->took_ms = ctl_now_ms() - pool->progress.started_ms;
	progress_end(&pool->progress);
	if (r < 0 && r != -EINTR)
		return ctl_fail(ctl, "go on", r, NULL);
	if (ctl_interrupted())
		return EXIT_INTERRUPTED;
	if (pool->hopeless && !pool->dry && !ctl->json)
		ctl_note(ctl, STYLE_NONE, "", "The rest was not tried.");
	return pool->code;
}

void pool_summary(const struct pool *pool, char *buffer, size_t size)
{
	int64_t rate = pool->took_ms > 0 ? pool->bytes_moved * 1000 / pool->took_ms : 0;

	if (pool->took_ms < 1000 || rate == 0)
		(void)snprintf(buffer, size, "%s", human_size(pool->bytes_moved).text);
	else
		(void)snprintf(buffer, size, "%s in %s (%s)", human_size(pool->bytes_moved).text,
			       human_duration(pool->took_ms / 1000).text, human_rate(rate).text);
}
