/* The server and its credential, how a call goes out and comes back, and what is asked of the server itself:
 * health, and whether a credential is good. Each call is a request, a reader for its answer, and the caller's
 * callback with one or the other outcome. Buckets, files and access have files of their own. */
#include "api/api.h"
#include "api/internal.h"
#include "api/url.h"
#include "base/clock.h"
#include "base/err.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* Leaves room for ids and a long path in the server's request line of 8 KB. */
#define API_URL_MAX 512

/* URLs */

static bool is_host_char(unsigned char c)
{
	return isalnum(c) || c == '.' || c == '-' || c == '_';
}

/* host[:port] in front of the path; moves *p behind it. */
static int read_host(struct buf *b, const char **p, bool tls)
{
	const char *start = *p, *end = start;
	int r = 0;

	if (*end == '[') {
		end += 1 + strspn(end + 1, "0123456789abcdefABCDEF:.");
		if (*end++ != ']' || end - start < 4)
			return -EINVAL;
	} else {
		while (is_host_char((unsigned char)*end))
			end++;
		if (end == start || *start == '.' || *start == '-')
			return -EINVAL;
	}
	for (; r == 0 && start < end; start++)
		r = buf_append(b, &(char){(char)tolower((unsigned char)*start)}, 1);
	if (r == 0 && *end == ':') {
		long port = 0;
		size_t digits = strspn(++end, "0123456789");
		if (digits < 1 || digits > 5)
			return -EINVAL;
		for (size_t i = 0; i < digits; i++)
			port = port * 10 + (*end++ - '0');
		if (port < 1 || port > 65535)
			return -EINVAL;
		if (port != (tls ? 443 : 80))
			r = buf_printf(b, ":%ld", port);
	}
	*p = end;
	return r;
}

/* The base path of a server behind a proxy: plain segments, trailing slashes cut. */
static int read_base(struct buf *b, const char *p)
{
	while (*p) {
		if (*p++ != '/')
			return -EINVAL;
		size_t len = strcspn(p, "/");
		if (len == 0) {
			if (p[strspn(p, "/")] != '\0')
				return -EINVAL;
			return 0;
		}
		if ((len == 1 && *p == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return -EINVAL;
		for (size_t i = 0; i < len; i++)
			if (!is_host_char((unsigned char)p[i]) && p[i] != '~' && p[i] != '+' && p[i] != '@')
				return -EINVAL;
		int r = buf_append_str(b, "/");
		if (r == 0)
			r = buf_append(b, p, len);
		if (r < 0)
			return r;
		p += len;
	}
	return 0;
}

int api_url_check(const char *url, char **ret_normalised)
{
	_cleanup_buf_ struct buf b = {0};
	bool tls = strncasecmp(url, "https://", 8) == 0;

	if ((!tls && strncasecmp(url, "http://", 7) != 0) || strlen(url) > API_URL_MAX)
		return -EINVAL;
	const char *p = url + (tls ? 8 : 7);
	int r = buf_append_str(&b, tls ? "https://" : "http://");
	if (r == 0)
		r = read_host(&b, &p, tls);
	if (r == 0)
		r = read_base(&b, p);
	if (r < 0)
		return r;
	char *normalised = buf_steal(&b);
	if (!normalised)
		return -ENOMEM;
	*ret_normalised = normalised;
	return 0;
}

/* The server */

int api_new(struct http *http, const char *url, enum api_auth auth, struct secret *secret,
	    struct api **ret_api)
{
	char *normalised = NULL;
	int r = api_url_check(url, &normalised);
	struct api *api = r == 0 ? calloc(1, sizeof(*api)) : NULL;

	if (!api) {
		free(normalised);
		secret_free(secret);
		return r < 0 ? r : -ENOMEM;
	}
	*api = (struct api){
		.refs = 1,
		.http = http,
		.url = normalised,
		.auth = secret ? auth : API_AUTH_NONE,
		.secret = secret,
	};
	*ret_api = api;
	return 0;
}

struct api *api_ref(struct api *api)
{
	api->refs++;
	return api;
}

struct api *api_unref(struct api *api)
{
	if (api && --api->refs == 0) {
		free(api->url);
		secret_free(api->secret);
		free(api);
	}
	return NULL;
}

const char *api_url(const struct api *api)
{
	return api->url;
}

const struct secret *api_bearer(const struct api *api)
{
	return api->auth == API_AUTH_NONE || api->auth == API_AUTH_UPLOAD_TOKEN ? NULL : api->secret;
}

const char *api_upload_token(const struct api *api)
{
	return api->auth == API_AUTH_UPLOAD_TOKEN ? secret_str(api->secret) : NULL;
}

/* Calls */

int call_new(struct api *api, void (*cb)(void), void *arg, struct api_call **ret_call)
{
	struct api_call *call = calloc(1, sizeof(*call));

	if (!call)
		return -ENOMEM;
	call->api = api_ref(api);
	call->cb = cb;
	call->arg = arg;
	*ret_call = call;
	return 0;
}

struct api_call *call_free(struct api_call *call)
{
	if (call) {
		api_unref(call->api);
		answer_texts_done(&call->texts);
		free(call->bucket);
		free(call->after);
		free(call->want);
		free(call->witness);
		buf_done(&call->collected);
		answer_texts_done(&call->unclear_texts);
		free(call);
	}
	return NULL;
}

static void on_done(void *arg, const struct http_result *result)
{
	struct api_call *call = arg;
	struct http_result cut = *result;
	struct api_error error;

	/* Cut by ourselves: what was wanted of it has come. */
	if (call->collect_max && result->error == ERR_LIMIT && call->collected.len >= call->collect_max)
		cut.error = 0;
	call->date = http_header(call->request, "Date");
	call->location = http_header(call->request, "Location");
	call->request = NULL;
	answer_texts_done(&call->texts);
	answer_error(&cut, call->write, &call->texts, &error);
	error.url = call->api->url;
	if (call->explaining)
		call_explained(call, result, &error);
	else if (call_explain(call, &error))
		return;
	if (error.code && !call->no_explain)
		call_hint(call, &error);
	call->on_answer(call, &error, &cut);
}

static int on_data(void *arg, const void *data, size_t len)
{
	struct api_call *call = arg;
	size_t room = call->collect_max - call->collected.len;
	int r = buf_append(&call->collected, data, len < room ? len : room);

	return r < 0 ? r : len < room ? 0 : ERR_LIMIT;
}

int call_send(struct api_call *call, const char *method, enum http_class class, const char *path,
	      const char *json)
{
	static const char *const json_headers[] = {"Content-Type: application/json", NULL};
	static const struct http_callbacks plain = {.on_done = on_done},
					   collecting = {.on_done = on_done, .on_data = on_data};
	_cleanup_buf_ struct buf url = {0};

	call->write = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
	call->start_ms = clock_monotonic_ms();
	int r = buf_append_str(&url, call->api->url);
	if (r == 0)
		r = buf_append_str(&url, path);
	if (r == 0)
		r = buf_terminate(&url);
	if (r < 0)
		return r;
	const struct http_spec spec = {
		.method = method,
		.url = url.data,
		.bearer = api_bearer(call->api),
		.headers = json ? json_headers : NULL,
		.has_body = json,
		.body_size = json ? (int64_t)strlen(json) : 0,
		.class = class,
		.total_timeout_ms = call->silence_s ? 0 : HTTP_REST_TIMEOUT_MS,
		.silence_s = call->silence_s,
	};
	r = http_start(call->api->http, &spec, call->collect_max ? &collecting : &plain, call,
		       &call->request);
	if (r == 0 && json) {
		/* Without memory the body stays short, and the exchange ends as cancelled. */
		(void)http_body_copy(call->request, json, strlen(json));
		http_body_end(call->request);
	}
	return r;
}

void api_call_cancel(struct api_call *call)
{
	if (call)
		http_cancel(call->request);
}

void call_bad_answer(struct api_error *error, int code)
{
	error->code = code;
	error->message = err_text(code);
	error->hint = NULL;
}

void call_read_json(struct api_call *call, const struct http_result *result, struct api_error *error,
		    struct json_object **ret_object)
{
	*ret_object = NULL;
	if (error->code)
		return;
	int r = json_parse(result->body ? result->body : "", result->body_len, ret_object, NULL);
	/* The document `null` is no tree at all, and would be taken for "nothing to read". */
	if (r == 0 && !json_object_is_type(*ret_object, json_type_object)) {
		json_object_put(*ret_object);
		*ret_object = NULL;
		r = ERR_PROTOCOL;
	}
	if (r < 0)
		call_bad_answer(error, r == -ENOMEM ? r : ERR_PROTOCOL);
}

int call_begin(struct api_call *call, const char *method, const char *path, const char *json,
	       struct api_call **ret_call)
{
	int r = call_send(call, method, HTTP_INTERACTIVE, path, json);

	if (r < 0)
		call_free(call);
	else if (ret_call)
		*ret_call = call;
	return r;
}

int call_simple(struct api *api, const char *method, struct buf *path, void (*cb)(void), void *arg,
		answer_handler on_answer, struct api_call **ret_call)
{
	struct api_call *call = NULL;
	int r = buf_terminate(path);

	if (r == 0)
		r = call_new(api, cb, arg, &call);
	if (r < 0)
		return r;
	call->on_answer = on_answer;
	return call_begin(call, method, path->data, NULL, ret_call);
}

void call_on_done(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	(void)result;
	((api_done_cb)call->cb)(call->arg, error);
	call_free(call);
}

/* What requests are made of */

int page_append(struct buf *b, const struct api_page *page, const char **separator)
{
	int r = 0;

	*separator = "?";
	if (page && page->limit >= 0) {
		r = buf_printf(b, "%slimit=%lld", *separator, (long long)page->limit);
		*separator = "&";
	}
	if (r == 0 && page && page->offset >= 0) {
		r = buf_printf(b, "%soffset=%lld", *separator, (long long)page->offset);
		*separator = "&";
	}
	if (r == 0 && page && page->sort) {
		r = buf_printf(b, "%ssort=", *separator);
		if (r == 0)
			r = url_append_query(b, page->sort);
		*separator = "&";
	}
	if (r == 0 && page && page->descending >= 0) {
		r = buf_printf(b, "%sorder=%s", *separator, page->descending ? "desc" : "asc");
		*separator = "&";
	}
	return r;
}

int body_add(struct json_object *body, const char *key, const char *value)
{
	struct json_object *s = value ? json_object_new_string(value) : NULL;

	if (!value)
		return 0;
	if (!s || json_object_object_add(body, key, s) < 0) {
		json_object_put(s);
		return -ENOMEM;
	}
	return 0;
}

/* Health */

/* It was written about when half of the exchange was over, and in the middle of its second on average. */
static void read_clock(const struct api_call *call, struct api_health *health)
{
	if (!call->date || clock_parse_http_date(call->date, &health->clock_ms) < 0)
		return;
	health->has_clock = true;
	health->clock_ahead_ms = health->clock_ms + 500 - (clock_wall_ms() - health->latency_ms / 2);
}

static void on_health(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct api_health health = {.latency_ms = clock_monotonic_ms() - call->start_ms};
	struct api_error reading = *error;

	read_clock(call, &health);

	/* 503 with the same body is how it says that it is not well. */
	if (error->status == 503 && result->error == 0)
		reading.code = 0;
	call_read_json(call, result, &reading, &object);
	if (object && (json_get_string(object, "status", &health.status) <= 0 ||
		       json_get_string(object, "db", &health.db) <= 0 ||
		       json_get_int64(object, "uptime_seconds", &health.uptime_seconds) <= 0)) {
		call_bad_answer(&reading, ERR_PROTOCOL);
		health.status = health.db = NULL;
	}
	if (error->code == 0)
		*error = reading;
	((api_health_cb)call->cb)(call->arg, error, &health);
	call_free(call);
}

int api_health(struct api *api, api_health_cb cb, void *arg, struct api_call **ret_call)
{
	struct api_call *call;
	int r = call_new(api, (void (*)(void))cb, arg, &call);

	if (r < 0)
		return r;
	call->on_answer = on_health;
	return call_begin(call, "GET", "/healthz", NULL, ret_call);
}

/* Probe */

static void end_probe(struct api_call *call, const struct api_error *error, const char *role)
{
	((api_probe_cb)call->cb)(call->arg, error, role);
	call_free(call);
}

/* The list of keys is for admins only. */
static void on_probe_keys(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	const char *role = error->code == ERR_AUTH ? "owner" : error->code == 0 ? "admin" : "unknown";

	if (error->code == ERR_AUTH)
		*error = (struct api_error){.status = 200, .url = call->api->url};
	end_probe(call, error, role);
}

static void on_probe_buckets(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	struct api_page_info page;

	call_read_json(call, result, error, &object);
	if (object && answer_page_info(object, &page) < 0)
		call_bad_answer(error, ERR_PROTOCOL);
	if (error->code) {
		/* 403 is all that a bad key gets: with it one is anonymous. */
		end_probe(call, error, error->code == ERR_AUTH ? "anonymous" : "unknown");
		return;
	}
	call->on_answer = on_probe_keys;
	int r = call_send(call, "GET", HTTP_INTERACTIVE, "/api/keys?limit=0", NULL);
	if (r < 0) {
		call_bad_answer(error, r);
		end_probe(call, error, "unknown");
	}
}

static void on_probe_dashboard(struct api_call *call, struct api_error *error,
			       const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	const char *scope = NULL;

	call_read_json(call, result, error, &object);
	if (object && json_get_string(object, "scope", &scope) <= 0)
		call_bad_answer(error, ERR_PROTOCOL);
	end_probe(call, error,
		  error->code == 0          ? "admin"
		  : error->code == ERR_AUTH ? "anonymous"
					    : "unknown");
}

/* Without anything to ask about: is it a CarbonFiles server? */
static void on_probe_health(struct api_call *call, struct api_error *error, const struct http_result *result)
{
	_cleanup_json_ struct json_object *object = NULL;
	const char *status = NULL;

	call_read_json(call, result, error, &object);
	if (object && json_get_string(object, "status", &status) <= 0)
		call_bad_answer(error, ERR_PROTOCOL);
	end_probe(call, error,
		  error->code                        ? "unknown"
		  : call->api->auth == API_AUTH_NONE ? "anonymous"
						     : "upload");
}

int api_probe(struct api *api, api_probe_cb cb, void *arg, struct api_call **ret_call)
{
	struct api_call *call;
	int r = call_new(api, (void (*)(void))cb, arg, &call);

	if (r < 0)
		return r;
	call->no_explain = true;
	switch (api->auth) {
	case API_AUTH_DASHBOARD_TOKEN:
		call->on_answer = on_probe_dashboard;
		return call_begin(call, "GET", "/api/tokens/dashboard/me", NULL, ret_call);
	case API_AUTH_API_KEY:
	case API_AUTH_ADMIN_KEY:
		call->on_answer = on_probe_buckets;
		return call_begin(call, "GET", "/api/buckets?limit=1", NULL, ret_call);
	default:
		call->on_answer = on_probe_health;
		return call_begin(call, "GET", "/healthz", NULL, ret_call);
	}
}
