/*
 * /_dev/: see control.h and README.md.
 */
#include "control.h"

#include "buckets.h"
#include "cleaner.h"
#include "counters.h"
#include "faults.h"
#include "files.h"
#include "http/reply.h"
#include "http/target.h"
#include "json_in.h"
#include "json_out.h"

#include <errno.h>
#include <string.h>

#define PREFIX "/_dev/"

bool control_is_for(const struct request *r)
{
	return r->path.n >= sizeof(PREFIX) - 1 && memcmp(r->path.p, PREFIX, sizeof(PREFIX) - 1) == 0;
}

static int add_fault(struct server *s, struct request *r, struct span rest)
{
	_cleanup_json_ json_object *order = NULL;
	_cleanup_buf_ struct buf json = {0}, error = {0};
	int64_t id;

	int n = json_body(r, true, &order);
	if (n)
		return n < 0 ? n
			     : reply_errors(r, n, "the body must be a JSON object, sent as application/json");
	n = fault_add(order, &id, &error);
	if (n == -EINVAL)
		return reply_error(r, 400, buf_span(&error), NULL);
	if (n < 0)
		return n;
	json_open(&json, '{');
	json_add_int(&json, "id", id);
	json_close(&json, '}');
	return reply_json(r, 201, &json);
}

static int list_faults(struct server *s, struct request *r, struct span rest)
{
	_cleanup_buf_ struct buf json = {0};

	fault_list_json(&json);
	return reply_json(r, 200, &json);
}

static int clear_faults(struct server *s, struct request *r, struct span rest)
{
	fault_remove_all();
	return reply_no_content(r);
}

static int remove_fault(struct server *s, struct request *r, struct span rest)
{
	int64_t id;

	if (!parse_int64(rest, &id) || !fault_remove(id))
		return reply_errors(r, 404, "no such fault");
	return reply_no_content(r);
}

static int show_requests(struct server *s, struct request *r, struct span rest)
{
	_cleanup_buf_ struct buf json = {0}, log = {0};

	counters_json(&json, query_get(r->query, "log", &log));
	return reply_json(r, 200, &json);
}

static int reset_requests(struct server *s, struct request *r, struct span rest)
{
	counters_reset();
	return reply_no_content(r);
}

/* Unlocks, commits, answers. */
static int done(struct server *s, struct request *r, int n)
{
	if (n == 0)
		n = store_commit(s->store);
	store_unlock(s->store);
	return n < 0 ? n : reply_no_content(r);
}

static int expire_bucket(struct server *s, struct request *r, struct span rest)
{
	_cleanup_bucket_ struct bucket b = {0};

	store_lock(s->store);
	if (!bucket_load(s->store, rest, &b)) {
		store_unlock(s->store);
		return reply_errors(r, 404, "no such bucket");
	}
	b.expires_at = ticks_now();
	return done(s, r, bucket_update(s->store, &b));
}

static int drop_bucket(struct server *s, struct request *r, struct span rest)
{
	store_lock(s->store);
	return done(s, r, bucket_delete(s->store, rest));
}

static bool is_sha(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (hex_digit(s.p[i]) < 0)
			return false;
	return s.n == SHA_HEX_LEN;
}

static int drop_content(struct server *s, struct request *r, struct span rest)
{
	_cleanup_content_ struct content_file content = {.fd = -1};
	_cleanup_free_ char *sha = span_dup(rest);

	if (!sha)
		return -ENOMEM;
	if (!is_sha(rest) || file_open_content(s->store, rest, &content) < 0)
		return reply_errors(r, 404, "no such content");
	store_lock(s->store);
	sqlite3_stmt *st = store_prepare(s->store, ST_CONTENT_LOSE);
	store_bind(st, 1, rest);
	int n = store_begin(s->store);
	if (n == 0)
		n = store_run(s->store, st);
	contents_remove(&s->store->contents, sha, PLACE_OWN_FILE, 0); /* if it had a file of its own */
	return done(s, r, n);
}

static int poison_content(struct server *s, struct request *r, struct span rest)
{
	static const enum statement steps[] = {ST_CONTENT_DELETE, ST_POISON_INSERT};

	if (!is_sha(rest))
		return reply_errors(r, 404, "not a SHA-256");
	store_lock(s->store);
	int n = store_begin(s->store);
	for (size_t i = 0; n == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
		sqlite3_stmt *st = store_prepare(s->store, steps[i]);
		store_bind(st, 1, rest);
		n = store_run(s->store, st);
	}
	return done(s, r, n);
}

static int run_cleanup(struct server *s, struct request *r, struct span rest)
{
	store_lock(s->store);
	cleaner_run(s->store);
	return done(s, r, 0);
}

static int clear_caches(struct server *s, struct request *r, struct span rest)
{
	store_lock(s->store);
	ttl_cache_clear(&s->store->details);
	ttl_cache_clear(&s->store->shorts);
	ttl_cache_clear(&s->store->keys);
	ttl_cache_clear(&s->store->tokens);
	s->store->stats_until_ms = 0;
	return done(s, r, 0);
}

static const struct {
	const char *method, *path; /* a path that ends in a slash takes one more segment */
	int (*handle)(struct server *s, struct request *r, struct span rest);
} endpoints[] = {
	{"POST", "faults", add_fault},         {"GET", "faults", list_faults},
	{"DELETE", "faults", clear_faults},    {"DELETE", "faults/", remove_fault},
	{"GET", "requests", show_requests},    {"DELETE", "requests", reset_requests},
	{"POST", "expire/", expire_bucket},    {"DELETE", "buckets/", drop_bucket},
	{"DELETE", "contents/", drop_content}, {"POST", "poison/", poison_content},
	{"POST", "cleanup", run_cleanup},      {"DELETE", "caches", clear_caches},
};

int control_handle(struct server *s, struct request *r)
{
	struct span path = {r->path.p + sizeof(PREFIX) - 1, r->path.n - (sizeof(PREFIX) - 1)};

	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		struct span want = span_of(endpoints[i].path);
		bool open = want.p[want.n - 1] == '/';
		if (!span_eq(r->method, span_of(endpoints[i].method)) || path.n < want.n ||
		    memcmp(path.p, want.p, want.n) != 0 || (open ? path.n == want.n : path.n != want.n))
			continue;
		return endpoints[i].handle(s, r, (struct span){path.p + want.n, path.n - want.n});
	}
	return reply_errors(r, 404, "no such control endpoint: see tests/devserver/README.md");
}
