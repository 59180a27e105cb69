/*
 * Health, statistics, short URLs.
 */
#include "api.h"
#include "auth.h"
#include "buckets.h"
#include "http/reply.h"
#include "http/target.h"
#include "json_out.h"

/* The original keeps its statistics this long unless a bucket or a file changes. */
#define STATS_AGE_MS (5 * 60 * 1000)

int api_health(struct server *s, struct request *r)
{
	_cleanup_buf_ struct buf json = {0};

	json_open(&json, '{');
	json_add_text(&json, "status", SPAN("healthy"));
	json_add_int(&json, "uptime_seconds", (monotonic_ms() - s->started_ms) / 1000);
	json_add_text(&json, "db", SPAN("ok"));
	json_close(&json, '}');
	return reply_json(r, 200, &json);
}

static void add_numbers(struct buf *json, sqlite3_stmt *st, int first_column, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		json_add_int(json, names[i], sqlite3_column_int64(st, first_column + i));
}

static void make_stats(struct store *s, struct buf *json)
{
	static const char *const totals[] = {"total_buckets", "total_files", "total_size", "total_keys"};
	static const char *const owners[] = {"bucket_count", "file_count", "total_size"};
	sqlite3_stmt *st = store_prepare_text(
		s, "SELECT (SELECT count(*) FROM buckets WHERE expires_at IS NULL OR expires_at > ?1),"
		   " count(*), coalesce(sum(size), 0), (SELECT count(*) FROM keys) FROM files");

	json_open(json, '{');
	if (st) {
		store_bind_int(st, 1, ticks_now());
		if (sqlite3_step(st) == SQLITE_ROW)
			add_numbers(json, st, 0, totals, 4);
		sqlite3_finalize(st);
	}
	json_add_int(json, "total_downloads", 0);
	json_key(json, "storage_by_owner");
	json_open(json, '[');
	st = store_prepare_text(
		s, "SELECT owner, count(*), sum(file_count), sum(total_size) AS size FROM buckets"
		   " WHERE expires_at IS NULL OR expires_at > ?1 GROUP BY owner ORDER BY size DESC, owner");
	if (st)
		store_bind_int(st, 1, ticks_now());
	while (st && sqlite3_step(st) == SQLITE_ROW) {
		json_comma(json);
		json_open(json, '{');
		json_add_text(json, "owner", store_column(st, 0));
		add_numbers(json, st, 1, owners, 3);
		json_close(json, '}');
	}
	sqlite3_finalize(st);
	json_close(json, ']');
	json_close(json, '}');
}

int api_stats(struct server *s, struct request *r)
{
	_cleanup_buf_ struct buf json = {0};

	if (auth_require_admin(s, r))
		return 0;
	store_lock(s->store);
	if (monotonic_ms() >= s->store->stats_until_ms) {
		s->store->stats.n = 0;
		make_stats(s->store, &s->store->stats);
		s->store->stats_until_ms = monotonic_ms() + STATS_AGE_MS;
	}
	buf_addspan(&json, buf_span(&s->store->stats));
	store_unlock(s->store);
	return reply_json(r, 200, &json);
}

/* Where a short URL leads; remembered for ten minutes, whatever happens to the file. */
static bool resolve_short(struct store *s, struct span code, struct buf *location)
{
	struct ttl_entry *cached = ttl_cache_get(&s->shorts, code);
	_cleanup_bucket_ struct bucket b = {0};
	_cleanup_buf_ struct buf path = {0}, id = {0};

	if (cached) {
		buf_addspan(location, buf_span(&cached->value));
		return true;
	}
	sqlite3_stmt *st = store_prepare(s, ST_SHORT_GET);
	store_bind(st, 1, code);
	bool found = sqlite3_step(st) == SQLITE_ROW;
	if (found) {
		buf_addspan(&id, store_column(st, 0));
		buf_addspan(&path, store_column(st, 1));
	}
	sqlite3_reset(st);
	if (!found || !bucket_load_live(s, buf_span(&id), &b))
		return false;
	buf_addf(location, "/api/buckets/%s/files/", id.p);
	target_encode(location, buf_span(&path), true);
	buf_adds(location, "/content");
	cached = ttl_cache_put(&s->shorts, code);
	if (cached)
		buf_addspan(&cached->value, buf_span(location));
	return true;
}

int api_short_get(struct server *s, struct request *r)
{
	_cleanup_buf_ struct buf location = {0};

	store_lock(s->store);
	bool found = resolve_short(s->store, r->params[0], &location);
	store_unlock(s->store);
	if (!found)
		return reply_empty(r, 404);
	reply_header(r, "Location", buf_span(&location));
	return reply_empty(r, 302);
}

static int delete_short(struct store *s, struct span code, const struct caller *caller)
{
	_cleanup_bucket_ struct bucket b = {0};
	_cleanup_buf_ struct buf id = {0};
	sqlite3_stmt *st = store_prepare(s, ST_SHORT_GET);

	store_bind(st, 1, code);
	bool found = sqlite3_step(st) == SQLITE_ROW;
	if (found)
		buf_addspan(&id, store_column(st, 0));
	sqlite3_reset(st);
	if (!found || !bucket_load(s, buf_span(&id), &b) || !caller_owns(caller, buf_span(&b.owner)))
		return 404;
	st = store_prepare(s, ST_SHORT_DELETE);
	store_bind(st, 1, code);
	if (store_begin(s) < 0 || store_run(s, st) < 0 || store_commit(s) < 0)
		return 500;
	ttl_cache_drop(&s->shorts, code);
	return 204;
}

int api_short_delete(struct server *s, struct request *r)
{
	_cleanup_caller_ struct caller caller = {0};

	if (auth_require_any(s, r, &caller))
		return 0;
	store_lock(s->store);
	int status = delete_short(s->store, r->params[0], &caller);
	store_unlock(s->store);
	return status == 204 ? reply_no_content(r) : reply_empty(r, status);
}
