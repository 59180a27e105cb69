/*
 * Who is calling: the admin key, an API key, a dashboard token, an upload token. A bad token is never an
 * error by itself: its bearer is anonymous.
 */
#pragma once

#include "http/request.h"
#include "server.h"

#define HINT_KEY    "Use an API key or admin key."
#define HINT_UPLOAD "Use an API key, admin key, or upload token."
#define HINT_ADMIN  "Use the admin key or a dashboard token."

enum caller_kind {
	CALLER_ANONYMOUS,
	CALLER_KEY,
	CALLER_ADMIN,
};

struct caller {
	enum caller_kind kind;
	struct buf name; /* of the key, or "admin": what owns buckets */
	char key_prefix[16];
	struct buf upload_token; /* what was used, to be charged */
};

void caller_done(struct caller *c);
#define _cleanup_caller_ _cleanup_(caller_done)

/* These take the store's lock themselves. */
void auth_find_caller(struct server *s, struct request *r, struct caller *ret);
/* For uploads: a header that does not resolve falls back to ?token=. 0: allowed; 1: refused and answered. */
int auth_for_upload(struct server *s, struct request *r, struct span bucket_id, struct caller *ret);
/* 0: the caller may; 1: refused and answered with 403. */
int auth_require_any(struct server *s, struct request *r, struct caller *ret);
int auth_require_admin(struct server *s, struct request *r);
void auth_charge(struct server *s, const struct caller *c, int64_t uploads);

bool caller_owns(const struct caller *c, struct span owner);

/* Dashboard tokens: HS256 with the claims scope, iat, nbf, exp. */
void jwt_make(struct server *s, struct buf *b, int64_t expires_ticks);
bool jwt_check(struct server *s, struct span token, int64_t *ret_expires_ticks);
struct span auth_bearer(const struct request *r); /* p NULL: none */
