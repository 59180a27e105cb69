/*
 * Routing: see router.h. Literal segments match in any case; a slash at the end is ignored unless the pattern
 * takes the rest of the path.
 */
#include "router.h"

#include "api.h"
#include "http/reply.h"

#include <string.h>

static const struct route routes[] = {
	{"health", "GET", "healthz", api_health},
	{"stats", "GET", "api/stats", api_stats},
	{"keys", "POST", "api/keys", api_key_create},
	{"keys", "GET", "api/keys", api_key_list},
	{"keys", "DELETE", "api/keys/{}", api_key_delete},
	{"keys", "GET", "api/keys/{}/usage", api_key_usage},
	{"dashboard", "POST", "api/tokens/dashboard", api_dashboard_create},
	{"dashboard", "GET", "api/tokens/dashboard/me", api_dashboard_me},
	{"bucket_create", "POST", "api/buckets", api_bucket_create},
	{"bucket_list", "GET", "api/buckets", api_bucket_list},
	{"bucket", "GET", "api/buckets/{}", api_bucket_get},
	{"bucket_patch", "PATCH", "api/buckets/{}", api_bucket_patch},
	{"bucket_delete", "DELETE", "api/buckets/{}", api_bucket_delete},
	{"summary", "GET", "api/buckets/{}/summary", api_bucket_summary},
	{"zip", "GET HEAD", "api/buckets/{}/zip", api_bucket_zip},
	{"tokens", "POST", "api/buckets/{}/tokens", api_token_create},
	{"list", "GET", "api/buckets/{}/files", api_file_list},
	{"ls", "GET", "api/buckets/{}/ls", api_file_ls},
	{"multipart", "POST", "api/buckets/{}/upload", api_upload_multipart},
	{"put", "PUT", "api/buckets/{}/upload/stream", api_upload_stream},
	{"file", "GET HEAD", "api/buckets/{}/files/**", api_file_get},
	{"patch", "PATCH", "api/buckets/{}/files/**", api_file_patch},
	{"delete", "DELETE", "api/buckets/{}/files/**", api_file_delete},
	{"short", "GET", "s/{}", api_short_get},
	{"short", "DELETE", "api/short/{}", api_short_delete},
};

/* "file" and its two suffixes are one row above, but three routes for whoever names them. */
static const struct route content_route = {"content", "GET HEAD", "api/buckets/{}/files/**/content",
					   api_file_get};
static const struct route verify_route = {"verify", "GET HEAD", "api/buckets/{}/files/**/verify",
					  api_file_get};

#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

/* Takes the segment up to the next slash (and that slash) off s. */
static struct span take_segment(struct span *s)
{
	const char *slash = memchr(s->p, '/', s->n);
	struct span segment = {s->p, slash ? (size_t)(slash - s->p) : s->n};
	size_t step = slash ? segment.n + 1 : segment.n;

	s->p += step;
	s->n -= step;
	return segment;
}

static bool pattern_matches(const char *text, struct span path, struct span params[2])
{
	struct span pattern = span_of(text);
	size_t n_params = 0;

	params[0] = params[1] = (struct span){"", 0};
	while (pattern.n) {
		struct span want = take_segment(&pattern);
		if (span_eq(want, SPAN("**"))) {
			params[n_params] = path;
			return true;
		}
		if (path.n == 0)
			return false;
		struct span got = take_segment(&path);
		if (span_eq(want, SPAN("{}"))) {
			if (got.n == 0)
				return false;
			params[n_params++] = got;
		} else if (!span_eq_ci(want, got)) {
			return false;
		}
	}
	return path.n == 0;
}

static bool method_matches(const char *methods, struct span method)
{
	for (const char *p = methods; *p;) {
		size_t n = strcspn(p, " ");
		if (span_eq_ci(method, (struct span){p, n}))
			return true;
		p += n + (p[n] == ' ');
	}
	return false;
}

static void allow_add(struct buf *allow, const char *methods)
{
	for (const char *p = methods; *p;) {
		size_t n = strcspn(p, " ");
		if (!allow->p || !memmem(allow->p, allow->n, p, n)) {
			if (allow->n)
				buf_adds(allow, ", ");
			buf_add(allow, p, n);
		}
		p += n + (p[n] == ' ');
	}
}

static bool ends_with_ci(struct span s, struct span tail)
{
	return s.n > tail.n && span_eq_ci((struct span){s.p + s.n - tail.n, tail.n}, tail);
}

int router_find(struct request *r)
{
	_cleanup_buf_ struct buf allow = {0};
	struct span path = buf_span(&r->path), params[2];

	if (path.n == 0 || path.p[0] != '/')
		return 404;
	path.p++, path.n--;
	for (size_t i = 0; i < N_ROUTES; i++) {
		if (!pattern_matches(routes[i].pattern, path, params))
			continue;
		if (method_matches(routes[i].methods, r->method)) {
			memcpy(r->params, params, sizeof(params));
			r->route = &routes[i];
			if (routes[i].handle == api_file_get && ends_with_ci(params[1], SPAN("/content")))
				r->route = &content_route;
			else if (routes[i].handle == api_file_get && ends_with_ci(params[1], SPAN("/verify")))
				r->route = &verify_route;
			return 0;
		}
		allow_add(&allow, routes[i].methods);
	}
	if (allow.n == 0)
		return 404;
	reply_header(r, "Allow", buf_span(&allow));
	return 405;
}

const struct route *router_by_name(const char *name)
{
	if (strcmp(name, content_route.name) == 0)
		return &content_route;
	if (strcmp(name, verify_route.name) == 0)
		return &verify_route;
	for (size_t i = 0; i < N_ROUTES; i++)
		if (strcmp(routes[i].name, name) == 0)
			return &routes[i];
	return NULL;
}
