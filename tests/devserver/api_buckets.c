/*
 * Buckets: create, list, detail, change, delete, summary.
 */
#include "api.h"
#include "auth.h"
#include "buckets.h"
#include "expiry.h"
#include "files.h"
#include "http/reply.h"
#include "http/target.h"
#include "json_in.h"
#include "json_out.h"

#include <errno.h>

#define EXPIRY_DEFAULT (7 * 24 * 3600 * TICKS_PER_S)
#define PAGE_LIMIT     50

/* 0: b's expiry is set; -1: answered. */
static int set_expiry(struct request *r, struct bucket *b, struct span text, int64_t now)
{
	_cleanup_buf_ struct buf error = {0};
	struct expiry e = expiry_parse(text, now, &error);

	switch (e.kind) {
	case EXPIRY_NEVER: b->expires_at = TIME_NONE; return 0;
	case EXPIRY_AT:
		b->expires_at = e.at;
		b->expires_with_zone = e.with_zone;
		return 0;
	case EXPIRY_OVERFLOW: reply_empty(r, 500); return -1;
	case EXPIRY_BAD: break;
	}
	reply_error(r, 400, buf_span(&error), NULL);
	return -1;
}

int api_bucket_create(struct server *s, struct request *r)
{
	_cleanup_json_ json_object *body = NULL;
	_cleanup_caller_ struct caller caller = {0};
	_cleanup_bucket_ struct bucket b = {0};
	_cleanup_buf_ struct buf json = {0};
	struct span name, description, expires;
	char id[BUCKET_ID_LEN + 1];

	int n = json_body(r, true, &body);
	if (n)
		return n < 0 ? n : reply_empty(r, n);
	enum member named = json_text_member(body, "name", &name);
	enum member described = json_text_member(body, "description", &description);
	enum member expiring = json_text_member(body, "expires_in", &expires);
	if (named == MEMBER_ABSENT || named == MEMBER_BAD || described == MEMBER_BAD ||
	    expiring == MEMBER_BAD)
		return reply_empty(r, 400);
	if (auth_require_any(s, r, &caller))
		return 0;
	if (named == MEMBER_NULL || utf8_is_blank(name))
		return reply_errors(r, 400, "Name is required");

	b.created_at = ticks_now();
	b.created_now = b.expires_with_zone = true;
	b.expires_at = b.created_at + EXPIRY_DEFAULT;
	b.last_used_at = TIME_NONE;
	if (expiring == MEMBER_GIVEN && set_expiry(r, &b, expires, b.created_at) < 0)
		return 0;
	random_text(id, BUCKET_ID_LEN, ALPHABET_ALNUM);
	buf_adds(&b.id, id);
	buf_addspan(&b.name, name);
	buf_addspan(&b.owner, buf_span(&caller.name));
	b.has_description = described == MEMBER_GIVEN;
	if (b.has_description)
		buf_addspan(&b.description, description);
	store_lock(s->store);
	n = bucket_insert(s->store, &b, span_of(caller.key_prefix));
	if (n == 0)
		n = store_commit(s->store);
	store_unlock(s->store);
	if (n < 0)
		return n;
	bucket_add_json(&json, &b);
	reply_headerf(r, "Location", "/api/buckets/%s", id);
	return reply_json(r, 201, &json);
}

static const char *sort_column(struct span wanted)
{
	if (span_eq_ci(wanted, SPAN("name")))
		return "name";
	if (span_eq_ci(wanted, SPAN("expires_at")))
		return "expires_at";
	if (span_eq_ci(wanted, SPAN("last_used_at")))
		return "last_used_at";
	if (span_eq_ci(wanted, SPAN("total_size")))
		return "total_size";
	return "created_at";
}

/* ?1 now, ?2 owner (NULL: all), ?3 whether expired ones count */
#define LIST_WHERE                                                                                           \
	" FROM buckets WHERE (?2 IS NULL OR owner = ?2) AND (?3 OR expires_at IS NULL OR expires_at > ?1)"

static sqlite3_stmt *list_statement(struct store *s, const char *sql, const struct caller *caller,
				    bool expired)
{
	sqlite3_stmt *st = store_prepare_text(s, sql);

	if (!st)
		return NULL;
	store_bind_int(st, 1, ticks_now());
	if (caller->kind == CALLER_KEY)
		store_bind(st, 2, buf_span(&caller->name));
	store_bind_int(st, 3, expired && caller->kind == CALLER_ADMIN);
	return st;
}

static void list_buckets(struct store *s, struct request *r, const struct caller *caller, bool expired,
			 int32_t limit, int32_t offset, struct buf *json)
{
	_cleanup_buf_ struct buf sort = {0}, order = {0}, text = {0};

	query_get(r->query, "sort", &sort);
	query_get(r->query, "order", &order);
	buf_addf(&text, "SELECT " BUCKET_COLUMNS LIST_WHERE " ORDER BY %s %s, seq LIMIT ?4 OFFSET ?5",
		 sort_column(buf_span(&sort)), span_eq_ci(buf_span(&order), SPAN("asc")) ? "ASC" : "DESC");
	sqlite3_stmt *st = text.failed ? NULL : list_statement(s, text.p, caller, expired);
	json_key(json, "items");
	json_open(json, '[');
	if (st) {
		store_bind_int(st, 4, limit);
		store_bind_int(st, 5, offset);
	}
	while (st && sqlite3_step(st) == SQLITE_ROW) {
		_cleanup_bucket_ struct bucket b;
		bucket_from_row(&b, st);
		json_comma(json);
		bucket_add_json(json, &b);
	}
	sqlite3_finalize(st);
	json_close(json, ']');
	st = list_statement(s, "SELECT count(*)" LIST_WHERE, caller, expired);
	if (st && sqlite3_step(st) == SQLITE_ROW)
		json_add_int(json, "total", sqlite3_column_int64(st, 0));
	sqlite3_finalize(st);
}

int api_bucket_list(struct server *s, struct request *r)
{
	_cleanup_caller_ struct caller caller = {0};
	_cleanup_buf_ struct buf json = {0};
	int32_t limit, offset;
	bool expired;

	if (!query_int32(r->query, "limit", PAGE_LIMIT, &limit) ||
	    !query_int32(r->query, "offset", 0, &offset) ||
	    !query_bool(r->query, "include_expired", false, &expired))
		return reply_empty(r, 400);
	if (auth_require_any(s, r, &caller))
		return 0;
	json_open(&json, '{');
	store_lock(s->store);
	list_buckets(s->store, r, &caller, expired, limit, offset, &json);
	store_unlock(s->store);
	json_add_int(&json, "limit", limit);
	json_add_int(&json, "offset", offset);
	json_close(&json, '}');
	return reply_json(r, 200, &json);
}

int api_bucket_get(struct server *s, struct request *r)
{
	_cleanup_buf_ struct buf json = {0}, include = {0};

	query_get(r->query, "include", &include);
	store_lock(s->store);
	bool found = bucket_detail_json(s->store, r->params[0], span_eq_ci(buf_span(&include), SPAN("files")),
					&json);
	store_unlock(s->store);
	return found ? reply_json(r, 200, &json) : reply_errors(r, 404, "Bucket not found");
}

/* Loads a bucket that the caller wants to change. An expired one is hidden from strangers only. 0, or -1:
 * answered. */
static int load_own(struct server *s, struct request *r, const struct caller *caller, struct bucket *ret)
{
	store_lock(s->store);
	bool found = bucket_load(s->store, r->params[0], ret);
	store_unlock(s->store);
	bool owns = found && caller_owns(caller, buf_span(&ret->owner));
	if (!found || (!owns && bucket_expired(ret)))
		reply_errors(r, 404, "Bucket not found");
	else if (!owns)
		reply_errors(r, 403, "Access denied");
	else
		return 0;
	return -1;
}

static void replace(struct buf *b, struct span text)
{
	b->n = 0;
	buf_addspan(b, text);
}

int api_bucket_patch(struct server *s, struct request *r)
{
	_cleanup_json_ json_object *body = NULL;
	_cleanup_caller_ struct caller caller = {0};
	_cleanup_bucket_ struct bucket b = {0};
	_cleanup_buf_ struct buf json = {0};
	struct span name, description, expires;

	int n = json_body(r, true, &body);
	if (n)
		return n < 0 ? n : reply_empty(r, n);
	enum member named = json_text_member(body, "name", &name);
	enum member described = json_text_member(body, "description", &description);
	enum member expiring = json_text_member(body, "expires_in", &expires);
	if (named == MEMBER_BAD || described == MEMBER_BAD || expiring == MEMBER_BAD)
		return reply_empty(r, 400);
	if (auth_require_any(s, r, &caller))
		return 0;
	if (named != MEMBER_GIVEN && described != MEMBER_GIVEN && expiring != MEMBER_GIVEN)
		return reply_errors(r, 400, "At least one field is required");
	if (load_own(s, r, &caller, &b) < 0)
		return 0;
	if (expiring == MEMBER_GIVEN && set_expiry(r, &b, expires, ticks_now()) < 0)
		return 0;
	if (named == MEMBER_GIVEN)
		replace(&b.name, name);
	if (described == MEMBER_GIVEN) {
		b.has_description = true;
		replace(&b.description, description);
	}
	store_lock(s->store);
	n = bucket_update(s->store, &b);
	if (n == 0)
		n = store_commit(s->store);
	store_unlock(s->store);
	if (n < 0)
		return n;
	bucket_add_json(&json, &b);
	return reply_json(r, 200, &json);
}

int api_bucket_delete(struct server *s, struct request *r)
{
	_cleanup_caller_ struct caller caller = {0};
	_cleanup_bucket_ struct bucket b = {0};

	if (auth_require_any(s, r, &caller) || load_own(s, r, &caller, &b) < 0)
		return 0;
	store_lock(s->store);
	int n = bucket_delete(s->store, r->params[0]);
	if (n == 0)
		n = store_commit(s->store);
	store_unlock(s->store);
	return n < 0 ? n : reply_no_content(r);
}

static void add_size(struct buf *b, int64_t bytes)
{
	static const char units[3][3] = {"KB", "MB", "GB"};
	double size = (double)bytes / 1024;
	int unit = 0;

	if (bytes < 1024) {
		buf_addf(b, "%lld B", (long long)bytes);
		return;
	}
	for (; size >= 1024 && unit < 2; unit++)
		size /= 1024;
	buf_addf(b, "%.1f %s", size, units[unit]);
}

static void make_summary(struct store *s, const struct bucket *b, struct buf *text)
{
	buf_addf(text, "Bucket: %s\nOwner: %s\nFiles: %lld (", b->name.p, b->owner.p,
		 (long long)b->file_count);
	add_size(text, b->total_size);
	buf_adds(text, ")\nCreated: ");
	time_format_day(text, b->created_at);
	buf_adds(text, "\nExpires: ");
	if (b->expires_at == TIME_NONE)
		buf_adds(text, "never");
	else
		time_format_day(text, b->expires_at);
	buf_adds(text, "\n\nFiles:\n");
	sqlite3_stmt *st = store_prepare(s, ST_FILES_BY_PATH);
	store_bind(st, 1, buf_span(&b->id));
	store_bind_int(st, 2, -1);
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct file_view f = file_view_of(st);
		buf_adds(text, "  ");
		buf_addspan(text, f.path);
		buf_adds(text, " (");
		add_size(text, f.size);
		buf_adds(text, ")\n");
	}
	sqlite3_reset(st);
}

int api_bucket_summary(struct server *s, struct request *r)
{
	_cleanup_bucket_ struct bucket b = {0};
	_cleanup_buf_ struct buf text = {0};

	store_lock(s->store);
	bool found = bucket_load_live(s->store, r->params[0], &b);
	if (found)
		make_summary(s->store, &b, &text);
	store_unlock(s->store);
	return found ? reply_text(r, 200, "text/plain", &text) : reply_errors(r, 404, "Bucket not found");
}
