/*
 * Dashboard tokens: JSON web tokens signed with HMAC-SHA256 under a key made of the admin key. Nothing else
 * of JWT is understood. See auth.h.
 */
#include "auth.h"

#include "json_in.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

/* Clocks may differ by this much. */
#define SKEW_S   30
#define MAC_LEN  32
#define HEADER64 "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" /* {"alg":"HS256","typ":"JWT"} */

static void add_base64url(struct buf *b, const unsigned char *p, size_t n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);
		size_t digits = n - i >= 3 ? 4 : n - i + 1;
		for (size_t d = 0; d < digits; d++)
			buf_addc(b, letters[v >> (18 - 6 * d) & 63]);
	}
}

static bool decode_base64url(struct span s, struct buf *ret)
{
	uint32_t v = 0;
	int bits = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		uint32_t digit = c >= 'A' && c <= 'Z'   ? (uint32_t)(c - 'A')
				 : c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a' + 26)
				 : c >= '0' && c <= '9' ? (uint32_t)(c - '0' + 52)
				 : c == '-'             ? 62
				 : c == '_'             ? 63
							: 64;
		if (digit == 64)
			return false;
		v = v << 6 | digit;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_addc(ret, (char)(v >> bits & 0xff));
		}
	}
	return !ret->failed;
}

static void sign(struct server *s, struct span text, unsigned char mac[MAC_LEN])
{
	unsigned char key[EVP_MAX_MD_SIZE];
	unsigned int n = MAC_LEN;

	/* Only for want of memory can these fail, and then no token may be believed. */
	if (!EVP_Digest(s->admin_key, strlen(s->admin_key), key, NULL, EVP_sha256(), NULL) ||
	    !HMAC(EVP_sha256(), key, MAC_LEN, (const unsigned char *)text.p, text.n, mac, &n))
		abort();
}

void jwt_make(struct server *s, struct buf *b, int64_t expires_ticks)
{
	char claims[160];
	unsigned char mac[MAC_LEN];
	long long now = ticks_now() / TICKS_PER_S;

	int n = snprintf(claims, sizeof(claims),
			 "{\"scope\":\"admin\",\"nbf\":%lld,\"exp\":%lld,\"iat\":%lld}", now,
			 (long long)(expires_ticks / TICKS_PER_S), now);
	size_t start = b->n;
	buf_adds(b, HEADER64 ".");
	add_base64url(b, (const unsigned char *)claims, (size_t)n);
	if (b->failed)
		return;
	sign(s, (struct span){b->p + start, b->n - start}, mac);
	buf_addc(b, '.');
	add_base64url(b, mac, sizeof(mac));
}

static bool check_claims(struct span json, int64_t *ret_expires_ticks)
{
	_cleanup_free_ char *text = span_dup(json);
	_cleanup_json_ json_object *o = text ? json_tokener_parse(text) : NULL;
	json_object *scope, *expires, *from;
	int64_t now = ticks_now() / TICKS_PER_S;

	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, "scope", &scope) ||
	    !json_object_object_get_ex(o, "exp", &expires) ||
	    strcmp(json_object_get_string(scope), "admin") != 0)
		return false;
	if (json_object_object_get_ex(o, "nbf", &from) && json_object_get_int64(from) > now + SKEW_S)
		return false;
	*ret_expires_ticks = json_object_get_int64(expires) * TICKS_PER_S;
	return json_object_get_int64(expires) + SKEW_S > now;
}

bool jwt_check(struct server *s, struct span token, int64_t *ret_expires_ticks)
{
	_cleanup_buf_ struct buf claims = {0}, mac = {0};
	unsigned char good[MAC_LEN];
	const char *dot2 = memrchr(token.p, '.', token.n);

	if (!dot2 || token.n < sizeof(HEADER64) || memcmp(token.p, HEADER64 ".", sizeof(HEADER64)) != 0)
		return false;
	struct span text = {token.p, (size_t)(dot2 - token.p)};
	struct span given = {dot2 + 1, token.n - text.n - 1};
	if (text.n <= sizeof(HEADER64) || !decode_base64url(given, &mac) || mac.n != MAC_LEN || given.n != 43)
		return false;
	sign(s, text, good);
	if (CRYPTO_memcmp(good, mac.p, MAC_LEN) != 0)
		return false;
	struct span claims64 = {text.p + sizeof(HEADER64), text.n - sizeof(HEADER64)};
	return decode_base64url(claims64, &claims) && check_claims(buf_span(&claims), ret_expires_ticks);
}
