/*
 * API keys: making, listing, deleting, usage. Buckets are counted for the key that made them, by its prefix.
 */
#include "api.h"
#include "auth.h"
#include "buckets.h"
#include "http/reply.h"
#include "http/target.h"
#include "json_in.h"
#include "json_out.h"

#define PREFIX_DIGITS 8
#define SECRET_DIGITS 32
#define PAGE_LIMIT    50

#define KEY_COLUMNS                                                                                          \
	"k.prefix, k.name, k.created_at, k.last_used_at, count(b.id), coalesce(sum(b.file_count), 0),"       \
	" coalesce(sum(b.total_size), 0)"
#define KEY_TABLES "keys k LEFT JOIN buckets b ON b.owner_prefix = k.prefix"

static int insert_key(struct store *s, struct span prefix, struct span secret, struct span name, int64_t now)
{
	char sha[SHA_HEX_LEN + 1];

	sha256_hex(secret, sha);
	sqlite3_stmt *st = store_prepare(s, ST_KEY_INSERT);
	store_bind(st, 1, prefix);
	store_bind(st, 2, span_of(sha));
	store_bind(st, 3, name);
	store_bind_int(st, 4, now);
	store_bind_int(st, 5, s->next_seq++);
	int r = store_begin(s);
	if (r == 0)
		r = store_run(s, st);
	return r < 0 ? r : store_commit(s);
}

int api_key_create(struct server *s, struct request *r)
{
	_cleanup_json_ json_object *body = NULL;
	_cleanup_buf_ struct buf json = {0}, prefix = {0};
	char digits[SECRET_DIGITS + 1];
	struct span name;
	int64_t now = ticks_now();

	int n = json_body(r, true, &body);
	if (n)
		return n < 0 ? n : reply_empty(r, n);
	enum member given = json_text_member(body, "name", &name);
	if (given == MEMBER_ABSENT || given == MEMBER_BAD)
		return reply_empty(r, 400);
	if (auth_require_admin(s, r))
		return 0;
	if (given == MEMBER_NULL || utf8_is_blank(name))
		return reply_errors(r, 400, "Name is required");

	random_text(digits, PREFIX_DIGITS, ALPHABET_HEX);
	buf_addf(&prefix, "cf4_%s", digits);
	random_text(digits, SECRET_DIGITS, ALPHABET_HEX);
	store_lock(s->store);
	n = insert_key(s->store, buf_span(&prefix), span_of(digits), name, now);
	store_unlock(s->store);
	if (n < 0)
		return n;
	json_open(&json, '{');
	json_key(&json, "key");
	buf_addf(&json, "\"%s_%s\"", prefix.p, digits);
	json_add_text(&json, "prefix", buf_span(&prefix));
	json_add_text(&json, "name", name);
	json_add_time(&json, "created_at", now, true);
	json_close(&json, '}');
	reply_headerf(r, "Location", "/api/keys/%s", prefix.p);
	return reply_json(r, 201, &json);
}

static void add_key_members(struct buf *json, sqlite3_stmt *st)
{
	json_add_text(json, "prefix", store_column(st, 0));
	json_add_text(json, "name", store_column(st, 1));
	json_add_time(json, "created_at", sqlite3_column_int64(st, 2), false);
	if (sqlite3_column_type(st, 3) != SQLITE_NULL)
		json_add_time(json, "last_used_at", sqlite3_column_int64(st, 3), false);
	json_add_int(json, "bucket_count", sqlite3_column_int64(st, 4));
	json_add_int(json, "file_count", sqlite3_column_int64(st, 5));
	json_add_int(json, "total_size", sqlite3_column_int64(st, 6));
}

static const char *sort_column(struct span wanted)
{
	if (span_eq_ci(wanted, SPAN("name")))
		return "k.name";
	if (span_eq_ci(wanted, SPAN("last_used_at")))
		return "k.last_used_at";
	if (span_eq_ci(wanted, SPAN("total_size")))
		return "7";
	return "k.created_at";
}

static void list_keys(struct store *s, struct request *r, int32_t limit, int32_t offset, struct buf *json)
{
	_cleanup_buf_ struct buf sort = {0}, order = {0}, text = {0};

	query_get(r->query, "sort", &sort);
	query_get(r->query, "order", &order);
	buf_addf(&text,
		 "SELECT " KEY_COLUMNS " FROM " KEY_TABLES
		 " GROUP BY k.prefix ORDER BY %s %s, k.seq LIMIT ?1 OFFSET ?2",
		 sort_column(buf_span(&sort)), span_eq_ci(buf_span(&order), SPAN("asc")) ? "ASC" : "DESC");
	sqlite3_stmt *st = text.failed ? NULL : store_prepare_text(s, text.p);
	json_key(json, "items");
	json_open(json, '[');
	if (st) {
		store_bind_int(st, 1, limit);
		store_bind_int(st, 2, offset);
	}
	while (st && sqlite3_step(st) == SQLITE_ROW) {
		json_comma(json);
		json_open(json, '{');
		add_key_members(json, st);
		json_close(json, '}');
	}
	sqlite3_finalize(st);
	json_close(json, ']');
	st = store_prepare_text(s, "SELECT count(*) FROM keys");
	if (st && sqlite3_step(st) == SQLITE_ROW)
		json_add_int(json, "total", sqlite3_column_int64(st, 0));
	sqlite3_finalize(st);
}

int api_key_list(struct server *s, struct request *r)
{
	_cleanup_buf_ struct buf json = {0};
	int32_t limit, offset;

	if (!query_int32(r->query, "limit", PAGE_LIMIT, &limit) ||
	    !query_int32(r->query, "offset", 0, &offset))
		return reply_empty(r, 400);
	if (auth_require_admin(s, r))
		return 0;
	json_open(&json, '{');
	store_lock(s->store);
	list_keys(s->store, r, limit, offset, &json);
	store_unlock(s->store);
	json_add_int(&json, "limit", limit);
	json_add_int(&json, "offset", offset);
	json_close(&json, '}');
	return reply_json(r, 200, &json);
}

int api_key_delete(struct server *s, struct request *r)
{
	if (auth_require_admin(s, r))
		return 0;
	store_lock(s->store);
	sqlite3_stmt *st = store_prepare(s->store, ST_KEY_DELETE);
	store_bind(st, 1, r->params[0]);
	int n = store_begin(s->store);
	if (n == 0)
		n = store_run(s->store, st);
	bool deleted = n == 0 && sqlite3_changes(s->store->db) > 0;
	if (n == 0)
		n = store_commit(s->store);
	store_unlock(s->store);
	if (n < 0)
		return n;
	return deleted ? reply_no_content(r) : reply_errors(r, 404, "API key not found");
}

static void add_buckets(struct store *s, struct span prefix, struct buf *json)
{
	sqlite3_stmt *st =
		store_prepare_text(s, "SELECT " BUCKET_COLUMNS " FROM buckets WHERE owner_prefix = ?1");

	json_key(json, "buckets");
	json_open(json, '[');
	if (st)
		store_bind(st, 1, prefix);
	while (st && sqlite3_step(st) == SQLITE_ROW) {
		_cleanup_bucket_ struct bucket b;
		bucket_from_row(&b, st);
		json_comma(json);
		bucket_add_json(json, &b);
	}
	sqlite3_finalize(st);
	json_close(json, ']');
}

static bool usage(struct store *s, struct span prefix, struct buf *json)
{
	sqlite3_stmt *st = store_prepare_text(s, "SELECT " KEY_COLUMNS " FROM " KEY_TABLES
						 " WHERE k.prefix = ?1 GROUP BY k.prefix");
	if (!st)
		return false;
	store_bind(st, 1, prefix);
	bool found = sqlite3_step(st) == SQLITE_ROW;
	if (found) {
		json_open(json, '{');
		add_key_members(json, st);
		json_add_int(json, "total_downloads", 0);
		add_buckets(s, prefix, json);
		json_close(json, '}');
	}
	sqlite3_finalize(st);
	return found;
}

int api_key_usage(struct server *s, struct request *r)
{
	_cleanup_buf_ struct buf json = {0};

	if (auth_require_admin(s, r))
		return 0;
	store_lock(s->store);
	bool found = usage(s->store, r->params[0], &json);
	store_unlock(s->store);
	return found ? reply_json(r, 200, &json) : reply_errors(r, 404, "API key not found");
}
