/*
 * Finding out who calls: see auth.h. Dashboard tokens are made and checked in jwt.c.
 */
#include "auth.h"

#include "http/reply.h"
#include "http/target.h"
#include "store.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define KEY_START      "cf4_"
#define KEY_PREFIX_LEN 12 /* cf4_ and eight hex digits */

void caller_done(struct caller *c)
{
	buf_done(&c->name);
	buf_done(&c->upload_token);
}

struct span auth_bearer(const struct request *r)
{
	struct span value = request_header(r, "Authorization");

	if (value.n < 7 || !span_eq_ci((struct span){value.p, 7}, SPAN("Bearer ")))
		return (struct span){NULL, 0};
	return (struct span){value.p + 7, value.n - 7};
}

static bool same_secret(struct span a, struct span b)
{
	return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

/* Looks an API key up; for 30 s after that it is not looked up again, so a deleted one works a little longer.
 */
static bool find_key(struct store *store, struct span key, struct caller *ret)
{
	struct ttl_entry *cached = ttl_cache_get(&store->keys, key);
	char sha[SHA_HEX_LEN + 1];

	if (key.n <= KEY_PREFIX_LEN + 1 || key.p[KEY_PREFIX_LEN] != '_')
		return false;
	memcpy(ret->key_prefix, key.p, KEY_PREFIX_LEN);
	if (cached) {
		buf_addspan(&ret->name, buf_span(&cached->value));
		return true;
	}
	struct span prefix = {key.p, KEY_PREFIX_LEN};
	struct span secret = {key.p + KEY_PREFIX_LEN + 1, key.n - KEY_PREFIX_LEN - 1};
	sha256_hex(secret, sha);
	sqlite3_stmt *st = store_prepare(store, ST_KEY_GET);
	store_bind(st, 1, prefix);
	bool good = sqlite3_step(st) == SQLITE_ROW && same_secret(store_column(st, 1), span_of(sha));
	if (good)
		buf_addspan(&ret->name, store_column(st, 0));
	sqlite3_reset(st);
	if (!good)
		return false;
	st = store_prepare(store, ST_KEY_TOUCH);
	store_bind(st, 1, prefix);
	store_bind_int(st, 2, ticks_now());
	if (store_begin(store) == 0 && store_run(store, st) == 0)
		store_commit(store);
	cached = ttl_cache_put(&store->keys, key);
	if (cached)
		buf_addspan(&cached->value, buf_span(&ret->name));
	return true;
}

void auth_find_caller(struct server *s, struct request *r, struct caller *ret)
{
	struct span token = auth_bearer(r);
	int64_t expires;

	*ret = (struct caller){.kind = CALLER_ANONYMOUS};
	if (!token.p)
		return;
	if (same_secret(token, span_of(s->admin_key))) {
		ret->kind = CALLER_ADMIN;
	} else if (token.n >= 4 && memcmp(token.p, KEY_START, 4) == 0) {
		store_lock(s->store);
		if (find_key(s->store, token, ret))
			ret->kind = CALLER_KEY;
		store_unlock(s->store);
	} else if (jwt_check(s, token, &expires)) {
		ret->kind = CALLER_ADMIN;
	}
	if (ret->kind == CALLER_ADMIN)
		buf_adds(&ret->name, "admin");
}

bool caller_owns(const struct caller *c, struct span owner)
{
	return c->kind == CALLER_ADMIN || (c->kind == CALLER_KEY && span_eq(buf_span(&c->name), owner));
}

int auth_require_any(struct server *s, struct request *r, struct caller *ret)
{
	auth_find_caller(s, r, ret);
	if (ret->kind != CALLER_ANONYMOUS)
		return 0;
	reply_error(r, 403, SPAN("Authentication required"), HINT_KEY);
	return 1;
}

int auth_require_admin(struct server *s, struct request *r)
{
	_cleanup_caller_ struct caller c = {0};

	auth_find_caller(s, r, &c);
	if (c.kind == CALLER_ADMIN)
		return 0;
	reply_error(r, 403, SPAN("Admin access required"), HINT_ADMIN);
	return 1;
}

/* Whether an upload token is good, remembered for two minutes with the bucket it is for (none: a bad token).
 */
static bool token_is_good(struct store *store, struct span token, struct span bucket_id)
{
	struct ttl_entry *cached = ttl_cache_get(&store->tokens, token);

	if (!cached) {
		sqlite3_stmt *st = store_prepare(store, ST_TOKEN_GET);
		store_bind(st, 1, token);
		bool good = sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int64(st, 1) > ticks_now() &&
			    (sqlite3_column_type(st, 2) == SQLITE_NULL ||
			     sqlite3_column_int64(st, 3) < sqlite3_column_int64(st, 2));
		cached = ttl_cache_put(&store->tokens, token);
		if (cached && good)
			buf_addspan(&cached->value, store_column(st, 0));
		sqlite3_reset(st);
	}
	return cached && cached->value.n && span_eq(buf_span(&cached->value), bucket_id);
}

int auth_for_upload(struct server *s, struct request *r, struct span bucket_id, struct caller *ret)
{
	_cleanup_buf_ struct buf token = {0};

	auth_find_caller(s, r, ret);
	if (ret->kind != CALLER_ANONYMOUS)
		return 0;
	if (!query_get_first(r->query, "token", &token) || token.n == 0) {
		reply_error(r, 403, SPAN("Authentication required"), HINT_UPLOAD);
		return 1;
	}
	store_lock(s->store);
	bool good = token_is_good(s->store, buf_span(&token), bucket_id);
	store_unlock(s->store);
	if (!good) {
		reply_errors(r, 403, "Invalid or expired upload token");
		return 1;
	}
	buf_addspan(&ret->upload_token, buf_span(&token));
	return 0;
}

void auth_charge(struct server *s, const struct caller *c, int64_t uploads)
{
	struct span token = buf_span(&c->upload_token);

	if (token.n == 0 || uploads == 0)
		return;
	store_lock(s->store);
	sqlite3_stmt *st = store_prepare(s->store, ST_TOKEN_CHARGE);
	store_bind(st, 1, token);
	store_bind_int(st, 2, uploads);
	if (store_begin(s->store) == 0 && store_run(s->store, st) == 0)
		store_commit(s->store);
	ttl_cache_drop(&s->store->tokens, token);
	store_unlock(s->store);
}
