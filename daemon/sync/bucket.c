/* A pair's bucket as a whole: is it still there, is it the same one, when does it expire. The server counts
 * all its files for the answer, so it is asked seldom. What is in it is the listing's (walk.c). */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sync/pair.h"
#include <string.h>

static void bucket_again(void *arg)
{
	struct pair *p = arg;

	if (p->spec->paused) /* asked when it goes on, and of what is known nothing is forgotten */
		pair_warn_expiry(p);
	else
		pair_check_bucket(p);
}

#define GONE_ADVICE                                                                                          \
	"`cfctl sync set %s bucket=ID` begins again with another, `cfctl sync remove %s` forgets the pair"

static void bucket_gone(struct pair *p)
{
	int64_t at;

	if (p->bucket_expires && clock_parse_rfc3339(p->bucket_expires, &at) >= 0 && at <= clock_wall_ms())
		pair_trouble(p, TROUBLE_REMOTE_GONE,
			     "bucket %s does not exist on %s any more: it expired on %s; " GONE_ADVICE,
			     p->spec->bucket, p->server->key, p->bucket_expires, p->spec->name,
			     p->spec->name);
	else
		pair_trouble(p, TROUBLE_REMOTE_GONE,
			     "bucket %s does not exist on %s any more (deleted or expired); " GONE_ADVICE,
			     p->spec->bucket, p->server->key, p->spec->name, p->spec->name);
}

static void bucket_known(void *arg, const struct remote_error *error, const struct remote_bucket *b)
{
	struct pair *p = arg;
	int r = 0;

	p->bucket_call = NULL;
	if (p->removed || p->engine->stopping) {
		pair_pump_later(p);
		return;
	}
	if (error->code == ERR_NOT_FOUND) {
		bucket_gone(p);
		return;
	}
	if (error->code) {
		if (error->code != ERR_CANCELED)
			pair_remote_failed(p, error, false);
		if (!p->spec->paused)
			loop_timer_set(p->engine->p.loop, &p->bucket_timer,
				       backoff_next_ms(&p->bucket_backoff, backoff_random(), 0), bucket_again,
				       p);
		return;
	}
	server_online(p->server);
	backoff_reset(&p->bucket_backoff);
	if (p->ip.bucket_created_at[0] && strcmp(p->ip.bucket_created_at, b->created_at) != 0) {
		pair_trouble(
			p, TROUBLE_REMOTE_GONE,
			"bucket %s was made anew since; `cfctl sync set %s bucket=%s` begins again with it",
			p->spec->bucket, p->spec->name, p->spec->bucket);
		return;
	}
	free(p->bucket_expires);
	p->bucket_expires = b->expires_at ? strdup(b->expires_at) : NULL;
	if (p->known && !p->ip.bucket_created_at[0]) {
		snprintf(p->ip.bucket_created_at, sizeof p->ip.bucket_created_at, "%s", b->created_at);
		r = index_pair_put(p->engine->p.index, &p->ip, false);
	}
	if (r < 0)
		pair_index_failed(p, r);
	p->bucket_known = true;
	if (!p->emptied)
		pair_trouble_over(p, TROUBLE_REMOTE_GONE);
	pair_warn_expiry(p);
	pair_pump_later(p);
}

void pair_check_bucket(struct pair *p)
{
	if (p->bucket_call || !p->remote || p->removed || p->engine->stopping)
		return;
	p->bucket_known = false;
	if (p->remote->ops->bucket(p->remote, p->spec->bucket, bucket_known, p, &p->bucket_call) < 0)
		loop_timer_set(p->engine->p.loop, &p->bucket_timer, BACKOFF_FIRST_MS, bucket_again, p);
}

void pair_warn_expiry(struct pair *p)
{
	int64_t at, left, warn = p->engine->p.settings->expire_warn_days * DAY_MS;

	if (!p->bucket_expires || clock_parse_rfc3339(p->bucket_expires, &at) < 0)
		return;
	left = at - clock_wall_ms();
	if (left <= 0)
		report_set_error(p, "bucket %s expired on %s; the server deletes all that is in it",
				 p->spec->bucket, p->bucket_expires);
	else if (left <= warn)
		report_set_error(p, "bucket %s expires on %s; all that is in it is deleted then",
				 p->spec->bucket, p->bucket_expires);
	else
		loop_timer_set(p->engine->p.loop, &p->expire_timer, MIN(left - warn, DAY_MS * 20),
			       bucket_again, p);
}
