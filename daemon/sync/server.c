/* What pairs of one server share: one connection for small writes, a few for streams, the batch size, and
 * whether the server answers at all. A server that is down is probed once per backoff step, not once per
 * file. */
#include "base/err.h"
#include "base/log.h"
#include "sync/pair.h"
#include <errno.h>

#define LARGE_GAIN       1.1 /* another stream is worth it only if all together get so much faster */
#define LARGE_MEASURE_MS 500 /* shorter streams say nothing about throughput */

struct server *server_get(struct engine *e, const char *key)
{
	struct server *s;

	LIST_FOREACH(s, &e->servers, link)
		if (strcmp(s->key, key) == 0) {
			s->refs++;
			return s;
		}
	s = calloc(1, sizeof *s);
	if (!s || !(s->key = strdup(key))) {
		free(s);
		return NULL;
	}
	s->engine = e;
	s->refs = 1;
	s->large_slots = 1;
	batch_size_init(&s->batch);
	LIST_INSERT_HEAD(&e->servers, s, link);
	return s;
}

struct server *server_put(struct server *s)
{
	if (!s || --s->refs)
		return NULL;
	if (s->probe)
		s->probe_pair->remote->ops->cancel(s->probe);
	loop_timer_done(&s->timer);
	LIST_REMOVE(s, link);
	free(s->last_error);
	free(s->key);
	free(s);
	return NULL;
}

static void probe(void *arg);
static void came_back(struct server *s);

static void wait_for_it(struct server *s, int64_t retry_after_s)
{
	loop_timer_set(s->engine->p.loop, &s->timer,
		       backoff_next_ms(&s->backoff, backoff_random(), retry_after_s), probe, s);
}

static void tell_pairs(struct server *s)
{
	for (size_t i = 0; i < s->engine->n_pairs; i++)
		if (s->engine->pairs[i]->server == s) {
			report_changed(s->engine->pairs[i]);
			wait_check(s->engine->pairs[i]);
		}
}

/* Not a lost connection only: it does not answer now. */
static void down(struct server *s, const struct remote_error *error)
{
	free(s->last_error);
	s->last_error = strdup(error->message ? error->message : err_text(error->code));
	if (s->down)
		return;
	s->down = true;
	log_write(LOG_LEVEL_WARNING, LOG_FIELDS({"URL", s->key}),
		  "the server does not answer (%s); trying again", s->last_error ? s->last_error : "");
	tell_pairs(s);
}

static void probed(void *arg, const struct remote_error *error, const struct remote_file *files, size_t n,
		   bool more)
{
	struct server *s = arg;
	struct pair *p = s->probe_pair;

	s->probe = NULL;
	s->probe_pair = NULL;
	pair_pump_later(p); /* it may be waiting for this call to be freed or to stop */
	if (error->code == ERR_CANCELED) {
		wait_for_it(s, 0);
		return;
	}
	if (error->code == ERR_OFFLINE || error->code == ERR_SERVER || error->code == ERR_DOUBT ||
	    error->code == ERR_PROTOCOL) {
		down(s, error);
		wait_for_it(s, error->retry_after_s);
		return;
	}
	came_back(s);
	if (error->code)
		pair_remote_failed(p, error, false); /* it answers, but not what was hoped for */
	server_pump(s);
}

/* Whoever is paused does not ask whether it is back: server_wake does, when a pair goes on. */
static bool may_probe(const struct server *s, const struct pair *p)
{
	return p->server == s && p->remote && !p->removed && !p->spec->paused && !s->engine->stopping;
}

static void probe(void *arg)
{
	struct server *s = arg;
	struct engine *e = s->engine;
	bool wanted = false;

	for (size_t i = 0; i < e->n_pairs && !s->probe; i++) {
		struct pair *p = e->pairs[i];

		if (!may_probe(s, p))
			continue;
		wanted = true;
		s->probe_pair = p;
		if (p->remote->ops->list(p->remote, p->spec->bucket, NULL, 1, probed, s, &s->probe) < 0)
			s->probe_pair = NULL;
	}
	if (!s->probe && s->offline && wanted)
		wait_for_it(s, 0);
}

void server_wake(struct server *s)
{
	if (!s->offline || s->probe)
		return;
	backoff_reset(&s->backoff);
	loop_timer_set(s->engine->p.loop, &s->timer, 0, probe, s);
}

void server_offline(struct server *s, struct pair *p, const struct remote_error *error)
{
	s->offline = true;
	if (s->probe || loop_timer_armed(&s->timer))
		return;
	if (error->retry_after_s > 0 || s->backoff.failures > 0) {
		down(s, error);
		wait_for_it(s, error->retry_after_s);
	} else {
		/* A connection may break for many reasons: asked at once, and only called offline if that
		 * fails too. */
		s->backoff.failures = 1;
		loop_timer_set(s->engine->p.loop, &s->timer, 0, probe, s);
	}
}

/* Without forgetting how often it failed: a probe proves that it answers, not that what failed succeeds now.
 */
static void came_back(struct server *s)
{
	if (!s->offline)
		return;
	s->offline = false;
	loop_timer_stop(&s->timer);
	free(STEAL(s->last_error));
	if (s->down)
		log_write(LOG_LEVEL_INFO, LOG_FIELDS({"URL", s->key}), "the server answers again");
	s->down = false;
	tell_pairs(s);
	server_pump(s);
}

void server_online(struct server *s)
{
	backoff_reset(&s->backoff);
	came_back(s);
}

void server_pump(struct server *s)
{
	struct engine *e = s->engine;
	size_t first = 0;

	/* Whoever comes after the pair served last goes first, so one busy pair never starves another. */
	for (size_t i = 0; i < e->n_pairs; i++)
		if (e->pairs[i] == s->last_served)
			first = i + 1;
	for (size_t i = 0; i < e->n_pairs; i++) {
		struct pair *p = e->pairs[(first + i) % e->n_pairs];

		if (p->server == s)
			pair_pump_later(p);
	}
}

bool server_may_equal(int64_t size, const struct digest *digest, int64_t other_size,
		      const struct digest *other_digest)
{
	if (digest && other_digest)
		return digest_equal(digest, other_digest);
	return size < 0 || other_size < 0 || size == other_size;
}

bool server_sends(const struct server *s, const struct job *but, int64_t size, const struct digest *digest)
{
	for (size_t i = 0; i < s->engine->n_pairs; i++) {
		const struct pair *p = s->engine->pairs[i];

		if (p->server == s && (singles_send(p, size, digest) || doubts_send(p, size, digest) ||
				       (p->small && p->small != but && job_sends(p->small, size, digest))))
			return true;
	}
	return false;
}

void server_forget_pair(struct server *s, struct pair *p)
{
	server_pump(s); /* what its writes held up may go on */
	if (s->last_served == p)
		s->last_served = NULL;
	server_cancel_probe(s, p);
}

void server_cancel_probe(struct server *s, struct pair *p)
{
	if (s->probe_pair == p)
		p->remote->ops->cancel(s->probe);
}

void server_large_done(struct server *s, int64_t bytes, int64_t took_ms)
{
	if (took_ms < LARGE_MEASURE_MS)
		return;
	double rate = (double)bytes * 1000 / (double)took_ms * s->large_busy;

	if (rate > s->large_rate * LARGE_GAIN && s->large_busy == s->large_slots) {
		s->large_rate = rate;
		s->large_slots = MIN(s->large_slots + 1, (unsigned)LARGE_SLOTS_MAX);
	} else if (s->large_busy == s->large_slots && s->large_slots > 1 && rate < s->large_rate) {
		s->large_slots--;
	}
}
