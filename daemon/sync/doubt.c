/* Writes in doubt: the reply was lost after the last byte (or a gateway spoke), so the server may have stored
 * it, or may do so later. Nothing else is sent for such a path until its result is seen, or doubt_seconds
 * have passed and one last look-up has succeeded; then what was sent is remembered as ours for a day. A write
 * that the server answered with an error is looked up once: nothing of it can come later. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sync/pair.h"
#include <errno.h>

#define DOUBT_FIRST_MS 2000 /* looked up at once and 2, 4, 8, 16, 32 s … after it began */

void doubt_begin(struct item *it, bool answered)
{
	struct pair *p = it->pair;
	int64_t now = clock_monotonic_ms();

	it->looked = 0;
	it->answered = answered;
	it->doubt_began_ms = now;
	it->doubt_until_ms = answered ? now : now + p->engine->p.settings->doubt_seconds * 1000;
	it->next_ms = now;
	item_doubt(it);
	pair_pump_later(p);
}

/* 503 and its like say something of the server, not of what was sent. */
bool refuses_content(const struct remote_error *error)
{
	return (error->code == ERR_SERVER && error->status == 500) || error->code == ERR_REJECTED;
}

bool item_count_refusal(struct item *it, int status)
{
	if (!it->refused++)
		it->refused_since_ms = clock_monotonic_ms();
	it->refused_status = status;
	return it->refused >= REFUSED_TRIES;
}

int64_t item_refusal_pause_ms(const struct pair *p)
{
	return p->engine->p.settings->doubt_seconds * 1000 / REFUSED_SPACING;
}

static void park(struct item *it, const char *reason, const char *message, int64_t for_ms)
{
	struct pair *p = it->pair;
	bool deletion = it->row.note == INDEX_NOTE_DELETED;

	report_set_error(p, "%s: %s", it->path, message);
	report_history(p, deletion ? "delete_remote" : "upload", it->path, it->l.size, NULL, "failed",
		       message);

	int r = judge_unnote(it);

	if (r >= 0)
		r = judge_skip(it, reason, message, true, clock_wall_ms() + for_ms);
	if (r < 0) {
		pair_index_failed(p, r);
		item_retry(it, FULL_DISK_MS);
	} else {
		item_done(it);
	}
}

void item_refused(struct item *it)
{
	struct pair *p = it->pair;
	char message[80];
	int r;

	if (it->refused >= REFUSED_TRIES) {
		snprintf(message, sizeof message, "the server answers %d to %s, alone and repeatedly",
			 it->refused_status,
			 it->row.note == INDEX_NOTE_DELETED ? "its deletion" : "this content");
		/* Of a server that refuses whatever it gets (its disk is full) nothing is known of this one.
		 */
		park(it, "refused", message,
		     p->server->accepted_ms > it->refused_since_ms ? REFUSED_MS : PARK_MS);
		return;
	}
	r = judge_unnote(it);
	if (r < 0) {
		pair_index_failed(p, r);
		item_retry(it, FULL_DISK_MS);
	} else {
		item_retry(it, item_refusal_pause_ms(p));
	}
}

/* Its time is over and it is not there. */
static void give_up(struct item *it)
{
	struct pair *p = it->pair;
	int r = 0;

	if (it->row.note == INDEX_NOTE_DELETED && it->refused > 0 && it->refused_status == 404) {
		park(it, "not_owner",
		     "the server answers 404 to its deletion although it is listed: the bucket has another "
		     "owner",
		     PARK_MS);
		return;
	}
	if (it->answered && it->refused > 0) {
		item_refused(it);
		return;
	}
	if (!it->answered) /* ours if it ever shows */
		r = index_remember(p->engine->p.index, p->ip.key, it->path, it->row.note,
				   &it->row.note_digest, clock_wall_ms());
	if (r >= 0)
		r = judge_unnote(it);
	if (r < 0) {
		pair_index_failed(p, r);
		item_retry(it, FULL_DISK_MS);
	} else if (it->answered) {
		item_retry(it, backoff_next_ms(&it->backoff, backoff_random(), 0));
	} else {
		item_ready(it);
	}
}

static void seen(struct item *it)
{
	struct pair *p = it->pair;

	if (it->row.note == INDEX_NOTE_DELETED) {
		judge_deleted(it, "found done");
		item_done(it);
		return;
	}
	judge_written(it, &it->r.version, "upload");
	settle_uploaded(p->settle, it->path, clock_monotonic_ms(), 0);
	/* After a restart nobody knows how the file looked when it was sent: it is looked at again, and who
	 * waits for it (wait.c) goes on waiting. */
	if (!it->l.has_digest) {
		it->again = true;
		it->seq = 0;
	}
	item_done(it);
}

static bool shows(const struct item *it)
{
	if (it->row.note == INDEX_NOTE_DELETED)
		return it->r.presence == PLAN_ABSENT;
	return it->r.presence == PLAN_FILE && it->r.version.has_digest &&
	       digest_equal(&it->r.version.digest, &it->row.note_digest);
}

static void looked_up(void *arg, const struct remote_error *error)
{
	struct pair *p = arg;
	struct item **items = STEAL(p->doubt_items);
	size_t n = p->n_doubt_items;
	int64_t now = clock_monotonic_ms();
	bool suspected = false;

	p->doubt_lookup = NULL;
	p->n_doubt_items = 0;
	if (error->code && error->code != ERR_CANCELED)
		pair_remote_failed(p, error, false);
	for (size_t i = 0; i < n; i++) {
		struct item *it = items[i];

		if (error->code) {
			it->next_ms = now + DOUBT_FIRST_MS;
			item_doubt(it);
		} else if (shows(it)) {
			seen(it);
		} else if (now >= it->doubt_until_ms) {
			/* Of a batch that the server refused, the first missing part in order is the suspect,
			 * the others go on. */
			if (it->suspect && !it->refused) {
				it->suspect = !suspected;
				suspected = true;
			}
			give_up(it);
		} else {
			int64_t next = it->doubt_began_ms + ((int64_t)DOUBT_FIRST_MS << MIN(it->looked, 5U));

			it->looked++;
			it->next_ms = MIN(MAX(next, now + 1), it->doubt_until_ms);
			item_doubt(it);
		}
	}
	free(items);
	if (!error->code)
		server_online(p->server);
	wait_check(p);
	pair_check_first_sync(p);
	server_pump(p->server); /* what waited for a doubt may be another pair's */
	pair_pump(p);
}

/* Its time may be over long before the look-up that ends it: its pair may be paused. */
static bool may_come(const struct item *it, int64_t size, const struct digest *digest)
{
	return !it->answered && it->row.note == INDEX_NOTE_HASH &&
	       clock_monotonic_ms() < it->doubt_until_ms &&
	       server_may_equal(size, digest, it->l.has_digest ? it->l.size : -1, &it->row.note_digest);
}

bool doubts_send(const struct pair *p, int64_t size, const struct digest *digest)
{
	const struct item *it;

	TAILQ_FOREACH(it, &p->doubts, link)
		if (may_come(it, size, digest))
			return true;
	for (size_t i = 0; i < p->n_doubt_items; i++)
		if (may_come(p->doubt_items[i], size, digest))
			return true;
	return false;
}

void doubt_pump(struct pair *p, int64_t now_ms, int64_t *ret_next_ms)
{
	struct item *it, *next;
	size_t n = 0;

	if (p->doubt_lookup)
		return;
	TAILQ_FOREACH(it, &p->doubts, link) {
		if (it->next_ms <= now_ms)
			n++;
		else if (it->next_ms < *ret_next_ms)
			*ret_next_ms = it->next_ms;
	}
	if (!n || !pair_can_work(p) || p->server->offline)
		return;
	p->doubt_items = calloc(n, sizeof *p->doubt_items);
	if (!p->doubt_items) {
		*ret_next_ms = MIN(*ret_next_ms, now_ms + DOUBT_FIRST_MS);
		return;
	}
	p->n_doubt_items = 0;
	TAILQ_FOREACH_SAFE(it, &p->doubts, link, next) {
		if (it->next_ms > now_ms || p->n_doubt_items == n)
			continue;
		item_busy(it);
		p->doubt_items[p->n_doubt_items++] = it;
	}
	items_sort(p->doubt_items, p->n_doubt_items);
	if (lookup_start(p, p->doubt_items, p->n_doubt_items, looked_up, p, &p->doubt_lookup) < 0) {
		const struct remote_error memory = {.code = ERR_CANCELED, .message = "out of memory"};

		looked_up(p, &memory);
	}
}

/* When it began is known, but not how long its body took: the whole time is waited from now. */
static int load_one(void *arg, const struct index_row *row)
{
	struct item *it = item_get(arg, row->path);

	if (!it)
		return -ENOMEM;
	it->row = *row;
	it->has_row = true;
	doubt_begin(it, false);
	return 0;
}

int doubt_load(struct pair *p)
{
	return index_noted(p->engine->p.index, p->ip.key, DELETE_MAX, load_one, p);
}

/* --- what outlives its pair --- */

/* A removed pair takes its notes along, but not what the server may do yet: a pair that is added meanwhile
 * and has such a path waits for it. */
struct bequest {
	char *server, *bucket, *path; /* path: as stored, with the prefix */
	enum index_note note;
	struct digest digest;
	int64_t until_ms; /* monotonic */
	LIST_ENTRY(bequest) link;
};

static void bequest_free(struct bequest *b)
{
	free(b->server);
	free(b->bucket);
	free(b->path);
	free(b);
}

static void bequest_drop(struct bequest *b)
{
	LIST_REMOVE(b, link);
	bequest_free(b);
}

void bequests_drop(struct engine *e, int64_t older_than_ms)
{
	struct bequest *b, *next;

	LIST_FOREACH_SAFE(b, &e->bequests, link, next)
		if (b->until_ms <= older_than_ms)
			bequest_drop(b);
}

void doubts_bequeath(struct pair *p)
{
	struct engine *e = p->engine;
	struct item *it;

	bequests_drop(e, clock_monotonic_ms());
	TAILQ_FOREACH(it, &p->doubts, link) {
		if (it->answered || it->row.note == INDEX_NOTE_NONE)
			continue;

		struct bequest *b = calloc(1, sizeof *b);

		if (b) {
			b->server = strdup(p->server->key);
			b->bucket = strdup(p->spec->bucket);
			b->path = pair_full_path(p, it->path);
		}
		if (!b || !b->server || !b->bucket || !b->path) {
			log_error("a write in doubt is forgotten: %s", err_text(-ENOMEM));
			if (b)
				bequest_free(b);
			return;
		}
		b->note = it->row.note;
		b->digest = it->row.note_digest;
		b->until_ms = it->doubt_until_ms;
		LIST_INSERT_HEAD(&e->bequests, b, link);
	}
}

static int inherit(struct pair *p, const struct bequest *b)
{
	struct item *it = item_get(p, b->path + strlen(p->spec->remote_prefix));
	int r = it ? judge_load_row(it) : -ENOMEM;

	if (r >= 0 && it->row.note == INDEX_NOTE_NONE)
		r = judge_note(it, b->note, &b->digest);
	if (r < 0) {
		if (it)
			item_forget(it);
		return r;
	}
	doubt_begin(it, false);
	it->doubt_until_ms = b->until_ms;
	return 0;
}

void doubts_inherit(struct pair *p)
{
	struct bequest *b, *next;
	int r;

	LIST_FOREACH_SAFE(b, &p->engine->bequests, link, next) {
		if (strcmp(b->server, p->server->key) != 0 || strcmp(b->bucket, p->spec->bucket) != 0 ||
		    strncmp(b->path, p->spec->remote_prefix, strlen(p->spec->remote_prefix)) != 0)
			continue;
		r = inherit(p, b);
		if (r < 0) {
			pair_index_failed(p, r); /* nothing is sent; it is inherited when that is over */
			return;
		}
		bequest_drop(b);
	}
}

void doubt_cancel(struct pair *p)
{
	lookup_cancel(p->doubt_lookup);
}
