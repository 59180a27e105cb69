/*
 * Dashboard tokens and upload tokens.
 */
#include "api.h"
#include "auth.h"
#include "buckets.h"
#include "expiry.h"
#include "http/reply.h"
#include "json_in.h"
#include "json_out.h"

#include <string.h>

#define DASHBOARD_DEFAULT (3600 * TICKS_PER_S)
#define DASHBOARD_MAX     (24 * 3600 * TICKS_PER_S)
#define UPLOAD_DEFAULT    (24 * 3600 * TICKS_PER_S)
#define TOKEN_DIGITS      48

/* Reads the optional member expires_in. 0; a status to answer with an empty body; -1: answered. */
static int read_expiry(struct request *r, json_object *body, int64_t fallback_ticks, struct expiry *ret)
{
	_cleanup_buf_ struct buf error = {0};
	struct span text;
	int64_t now = ticks_now();

	*ret = (struct expiry){.kind = EXPIRY_AT, .at = now + fallback_ticks, .with_zone = true};
	if (json_text_member(body, "expires_in", &text) != MEMBER_GIVEN)
		return 0;
	*ret = expiry_parse(text, now, &error);
	if (ret->kind == EXPIRY_OVERFLOW)
		return 500;
	if (ret->kind != EXPIRY_BAD)
		return 0;
	reply_error(r, 400, buf_span(&error), NULL);
	return -1;
}

int api_dashboard_create(struct server *s, struct request *r)
{
	_cleanup_json_ json_object *body = NULL;
	_cleanup_buf_ struct buf json = {0}, token = {0};
	struct expiry expiry;
	struct span text;

	int n = json_body(r, false, &body);
	if (n)
		return n < 0 ? n : reply_empty(r, n);
	if (json_text_member(body, "expires_in", &text) == MEMBER_BAD)
		return reply_empty(r, 400);
	if (auth_require_admin(s, r))
		return 0;
	n = read_expiry(r, body, DASHBOARD_DEFAULT, &expiry);
	if (n)
		return n < 0 ? 0 : reply_empty(r, n);
	if (expiry.kind == EXPIRY_NEVER)
		return reply_errors(r, 400, "Dashboard tokens cannot use 'never' expiry");
	if (expiry.at > ticks_now() + DASHBOARD_MAX)
		return reply_errors(r, 400, "Dashboard token expiry cannot exceed 24 hours");
	jwt_make(s, &token, expiry.at);
	json_open(&json, '{');
	json_add_text(&json, "token", buf_span(&token));
	json_add_time(&json, "expires_at", expiry.at, true);
	json_close(&json, '}');
	reply_header(r, "Location", SPAN("/api/tokens/dashboard/me"));
	return reply_json(r, 201, &json);
}

int api_dashboard_me(struct server *s, struct request *r)
{
	_cleanup_buf_ struct buf json = {0};
	struct span token = auth_bearer(r);
	int64_t expires;

	if (!token.p)
		return reply_errors(r, 401, "No token provided");
	if (!jwt_check(s, token, &expires))
		return reply_errors(r, 401, "Invalid or expired token");
	json_open(&json, '{');
	json_add_text(&json, "scope", SPAN("admin"));
	json_add_time(&json, "expires_at", expires, true);
	json_close(&json, '}');
	return reply_json(r, 200, &json);
}

static int insert_token(struct store *s, struct span token, struct span bucket_id, int64_t expires,
			enum member limited, int32_t max_uploads)
{
	sqlite3_stmt *st = store_prepare(s, ST_TOKEN_INSERT);

	store_bind(st, 1, token);
	store_bind(st, 2, bucket_id);
	store_bind_int(st, 3, expires);
	if (limited == MEMBER_GIVEN)
		store_bind_int(st, 4, max_uploads);
	int r = store_begin(s);
	if (r == 0)
		r = store_run(s, st);
	return r < 0 ? r : store_commit(s);
}

static bool owns_bucket(struct server *s, const struct caller *caller, struct span id)
{
	_cleanup_bucket_ struct bucket b = {0};

	store_lock(s->store);
	bool owns = bucket_load(s->store, id, &b) && caller_owns(caller, buf_span(&b.owner));
	store_unlock(s->store);
	return owns;
}

int api_token_create(struct server *s, struct request *r)
{
	_cleanup_json_ json_object *body = NULL;
	_cleanup_caller_ struct caller caller = {0};
	_cleanup_buf_ struct buf json = {0};
	char token[4 + TOKEN_DIGITS + 1] = "cfu_";
	struct span id = r->params[0], text;
	struct expiry expiry;
	int32_t max_uploads = 0;

	int n = json_body(r, false, &body);
	if (n)
		return n < 0 ? n : reply_empty(r, n);
	enum member limited = json_int_member(body, "max_uploads", &max_uploads);
	if (limited == MEMBER_BAD || json_text_member(body, "expires_in", &text) == MEMBER_BAD)
		return reply_empty(r, 400);
	if (auth_require_any(s, r, &caller))
		return 0;
	if (!owns_bucket(s, &caller, id))
		return reply_errors(r, 404, "Bucket not found or access denied");
	n = read_expiry(r, body, UPLOAD_DEFAULT, &expiry);
	if (n)
		return n < 0 ? 0 : reply_empty(r, n);
	if (expiry.kind == EXPIRY_NEVER)
		expiry = (struct expiry){
			.kind = EXPIRY_AT, .at = ticks_now() + UPLOAD_DEFAULT, .with_zone = true};

	random_text(token + 4, TOKEN_DIGITS, ALPHABET_HEX);
	store_lock(s->store);
	n = insert_token(s->store, span_of(token), id, expiry.at, limited, max_uploads);
	store_unlock(s->store);
	if (n < 0)
		return n;
	json_open(&json, '{');
	json_add_text(&json, "token", span_of(token));
	json_add_text(&json, "bucket_id", id);
	json_add_time(&json, "expires_at", expiry.at, expiry.with_zone);
	if (limited == MEMBER_GIVEN)
		json_add_int(&json, "max_uploads", max_uploads);
	json_add_int(&json, "uploads_used", 0);
	json_close(&json, '}');
	reply_headerf(r, "Location", "/api/buckets/%.*s/tokens", (int)id.n, id.p);
	return reply_json(r, 201, &json);
}
