/* One exchange: the options of its easy handle, what curl calls while it runs, and the result at its end. Not
 * here: when it runs (http.c). Nothing in the callbacks of curl calls back into the multi: wishes go on the
 * todo list. */
#include "http/internal.h"
#include "base/err.h"
#include "base/log.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

#define HTTP_BUFFER_BYTES        (256 << 10) /* measured: larger is slower again */
#define HTTP_UPLOAD_BUFFER_BYTES (512 << 10)
#define HTTP_KEEPALIVE_IDLE_S    60
#define HTTP_KEEPALIVE_PROBE_S   30
#define HTTP_MAXAGE_IDLE_S       60 /* nginx closes after 75 s, Kestrel after 130 */
/* A limit is kept by sleeping between buffers: four of them a second are smooth enough. */
#define HTTP_RATE_BUFFERS      4
#define HTTP_RATE_BUFFER_BYTES (16 << 10)
#define HTTP_HEADERS_MAX_BYTES (256 << 10) /* of an answer; the server itself stops at 32 KB */

/* While the caller has no bytes to send it is not the connection that is slow. */
void request_watch_speed(struct http_request *r, bool watch)
{
	int seconds = r->silence_s           ? r->silence_s
		      : r->http->low_speed_s ? r->http->low_speed_s
					     : HTTP_LOW_SPEED_TIME_S;

	curl_easy_setopt(r->easy, CURLOPT_LOW_SPEED_TIME, watch ? (long)seconds : 0L);
}

/* Called by curl */

static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	struct http_body *b = &r->body;
	size_t len = size * n;

	if (r->body_size >= 0)
		len = MIN(len, (uint64_t)r->body_size - b->delivered);
	size_t got = body_read(b, out, len);
	if (b->queued < HTTP_BODY_LOW && !b->ended && !b->room_told && r->callbacks.on_room) {
		b->room_told = r->want_room = true;
		http_want(r);
	}
	if (got > 0)
		return got;
	if (r->body_size >= 0 ? b->delivered == (uint64_t)r->body_size : b->ended) {
		b->end_delivered = true;
		return 0;
	}
	if (b->ended) {
		snprintf(r->message, sizeof(r->message), "The body ended before its announced size");
		r->local_error = ERR_CANCELED;
		return CURL_READFUNC_ABORT;
	}
	r->paused = true;
	request_watch_speed(r, false);
	return CURL_READFUNC_PAUSE;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct http_request *r = arg;

	/* What was delivered is gone: only a body that has not begun can be begun again. */
	return offset == 0 && origin == SEEK_SET && r->body.delivered == 0 ? CURL_SEEKFUNC_OK
									   : CURL_SEEKFUNC_FAIL;
}

/* Directly before the request goes out on a connection; comes again when curl wants to repeat it because a
 * kept-alive connection was dead. curl would do so with a DELETE whose answer was lost, too. */
static int on_begin(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	struct http_request *r = arg;
	bool untouched = r->has_body && r->body_size != 0 && r->body.delivered == 0 && !r->body.end_delivered;

	if (r->started && (r->answered || (!r->safe && !untouched)))
		return CURL_PREREQFUNC_ABORT;
	r->started = true;
	return CURL_PREREQFUNC_OK;
}

static size_t fail_here(struct http_request *r, int error)
{
	r->local_error = error;
	return 0; /* not what curl offered: it ends the transfer */
}

static size_t on_write(char *data, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	size_t len = size * n;

	if (r->callbacks.on_data && r->status >= 200 && r->status < 300) {
		if (r->hold) {
			r->held = true;
			return CURL_WRITEFUNC_PAUSE;
		}
		int e = r->callbacks.on_data(r->arg, data, len);
		return e < 0 ? fail_here(r, e) : len;
	}
	if ((int64_t)(r->answer.len + len) > r->max_response)
		return fail_here(r, ERR_LIMIT);
	return buf_append(&r->answer, data, len) < 0 ? fail_here(r, -ENOMEM) : len;
}

static int status_of(const char *line, size_t len)
{
	const char *blank = memchr(line, ' ', len);
	int status = 0;

	if (!blank || line + len - blank < 4)
		return 0;
	for (int i = 1; i <= 3; i++) {
		if (blank[i] < '0' || blank[i] > '9')
			return 0;
		status = status * 10 + (blank[i] - '0');
	}
	return status;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	size_t len = size * n, text_len = len;

	while (text_len > 0 && (line[text_len - 1] == '\r' || line[text_len - 1] == '\n'))
		text_len--;
	if (!r->in_headers) {
		if (text_len < 5 || strncasecmp(line, "HTTP/", 5) != 0)
			return len; /* a trailer */
		r->in_headers = true;
		r->answered = false;
		r->header_lines.len = 0;
		r->status = status_of(line, text_len);
		return len;
	}
	if (text_len > 0) {
		if (r->header_lines.len + text_len > HTTP_HEADERS_MAX_BYTES)
			return fail_here(r, ERR_LIMIT);
		return buf_append(&r->header_lines, line, text_len) < 0 ||
				       buf_append(&r->header_lines, "", 1) < 0
			       ? fail_here(r, -ENOMEM)
			       : len;
	}
	r->in_headers = false;
	if (r->status < 200) { /* 100 Continue and its like announce another */
		r->status = 0;
		return len;
	}
	r->answered = true;
	if (r->callbacks.on_headers) {
		int e = r->callbacks.on_headers(r->arg, r, r->status);
		if (e < 0)
			return fail_here(r, e);
	}
	return len;
}

static void log_line(const char *line, size_t len, char direction)
{
	_cleanup_buf_ struct buf b = {0};

	if (redact_append(&b, line, len) == 0 && buf_terminate(&b) == 0)
		log_debug("http %c %s", direction, b.data);
}

static int on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
	char direction = type == CURLINFO_HEADER_IN ? '<' : type == CURLINFO_HEADER_OUT ? '>' : '*';

	if (type != CURLINFO_TEXT && type != CURLINFO_HEADER_IN && type != CURLINFO_HEADER_OUT)
		return 0;
	/* A request's head comes in one piece. */
	while (size > 0) {
		char *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size, text = len;
		while (text > 0 && data[text - 1] == '\r')
			text--;
		if (text > 0)
			log_line(data, text, direction);
		len += end != NULL;
		data += len;
		size -= len;
	}
	return 0;
}

/* Setting up */

static bool is_token_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			return false;
	return true;
}

static int add_header(struct http_request *r, const char *line)
{
	/* A line end from outside would begin a header of its own. */
	if (!is_token_text(line))
		return -EINVAL;
	struct curl_slist *list = curl_slist_append(r->headers, line);
	if (!list)
		return -ENOMEM;
	r->headers = list;
	return 0;
}

static int add_bearer(struct http_request *r, const struct secret *bearer)
{
	_cleanup_buf_ struct buf b = {0};
	int e = buf_printf(&b, "Authorization: Bearer %s", secret_str(bearer));

	if (e == 0)
		e = buf_terminate(&b);
	if (e == 0)
		e = add_header(r, b.data);
	if (b.data)
		secret_wipe(b.data, b.cap);
	return e;
}

static int add_headers(struct http_request *r, const struct http_spec *spec)
{
	int e = 0;

	for (const char *const *h = spec->headers; e == 0 && h && *h; h++)
		e = add_header(r, *h);
	if (e == 0 && spec->bearer)
		e = add_bearer(r, spec->bearer);
	if (e == 0 && (!spec->has_body || (spec->body_size >= 0 && spec->body_size < HTTP_EXPECT_BYTES) ||
		       spec->body_size < 0))
		e = add_header(r, "Expect:");
	/* Without it the server refuses with 411. */
	if (e == 0 && !spec->has_body && !r->safe && strcmp(spec->method, "DELETE") != 0)
		e = add_header(r, "Content-Length: 0");
	return e;
}

static long buffer_for_rate(long buffer, uint64_t rate)
{
	if (rate == 0)
		return buffer;
	uint64_t wanted = rate / HTTP_RATE_BUFFERS;
	return wanted < HTTP_RATE_BUFFER_BYTES ? HTTP_RATE_BUFFER_BYTES : (long)MIN(wanted, (uint64_t)buffer);
}

#define SET(option, value) ok = ok && curl_easy_setopt(r->easy, option, value) == CURLE_OK

static bool set_connection(struct http_request *r, const struct http_spec *spec)
{
	const struct http *h = r->http;
	bool ok = true;

	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, (long)HTTP_KEEPALIVE_IDLE_S);
	SET(CURLOPT_TCP_KEEPINTVL, (long)HTTP_KEEPALIVE_PROBE_S);
	SET(CURLOPT_MAXAGE_CONN, (long)HTTP_MAXAGE_IDLE_S);
	/* Giving up during a look-up of a name must not wait for it: the loop would freeze. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	if (spec->total_timeout_ms > 0)
		SET(CURLOPT_TIMEOUT_MS, (long)spec->total_timeout_ms);
	if (h->ca_file)
		SET(CURLOPT_CAINFO, h->ca_file);
	if (h->proxy)
		SET(CURLOPT_PROXY, h->proxy);
	if (h->user_agent)
		SET(CURLOPT_USERAGENT, h->user_agent);
	if (spec->fresh)
		SET(CURLOPT_FRESH_CONNECT, 1L);
	if (spec->class != HTTP_INTERACTIVE) {
		SET(CURLOPT_BUFFERSIZE, buffer_for_rate(HTTP_BUFFER_BYTES, spec->max_recv_rate));
		SET(CURLOPT_UPLOAD_BUFFERSIZE,
		    buffer_for_rate(HTTP_UPLOAD_BUFFER_BYTES, spec->max_send_rate));
	}
	if (spec->max_send_rate)
		SET(CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)spec->max_send_rate);
	if (spec->max_recv_rate)
		SET(CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)spec->max_recv_rate);
	return ok;
}

static bool set_callbacks(struct http_request *r)
{
	bool ok = true;

	SET(CURLOPT_PRIVATE, r);
	SET(CURLOPT_ERRORBUFFER, r->message);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, r);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, r);
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, r);
	SET(CURLOPT_SEEKFUNCTION, on_seek);
	SET(CURLOPT_SEEKDATA, r);
	SET(CURLOPT_PREREQFUNCTION, on_begin);
	SET(CURLOPT_PREREQDATA, r);
	if (log_get_level() >= LOG_LEVEL_DEBUG) {
		SET(CURLOPT_VERBOSE, 1L);
		SET(CURLOPT_DEBUGFUNCTION, on_debug);
	}
	return ok;
}

static bool set_request(struct http_request *r, const struct http_spec *spec)
{
	bool ok = true;

	SET(CURLOPT_URL, spec->url);
	SET(CURLOPT_HTTPHEADER, r->headers);
	if (strcmp(spec->method, "HEAD") == 0) {
		SET(CURLOPT_NOBODY, 1L);
		return ok;
	}
	if (spec->has_body) {
		/* curl's PUT machinery under the caller's method; without a size it sends chunks. */
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)spec->body_size);
	} else {
		SET(CURLOPT_HTTPGET, 1L);
	}
	SET(CURLOPT_CUSTOMREQUEST, spec->method);
	return ok;
}

static bool spec_valid(const struct http_spec *spec)
{
	static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(spec->method, methods[i]) == 0)
			return is_token_text(spec->url) && !strchr(spec->url, ' ') && spec->body_size >= -1;
	return false;
}

int request_new(struct http *http, const struct http_spec *spec, const struct http_callbacks *callbacks,
		void *arg, struct http_request **ret_request)
{
	if (!spec_valid(spec))
		return -EINVAL;
	struct http_request *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->http = http;
	r->callbacks = *callbacks;
	r->arg = arg;
	r->class = spec->class;
	r->silence_s = spec->silence_s;
	r->has_body = spec->has_body;
	r->body_size = spec->has_body ? spec->body_size : 0;
	r->max_response = spec->max_response > 0 ? spec->max_response : HTTP_RESPONSE_MAX;
	r->safe = strcmp(spec->method, "GET") == 0 || strcmp(spec->method, "HEAD") == 0;
	body_init(&r->body);
	r->easy = curl_easy_init();
	int e = r->easy ? add_headers(r, spec) : -ENOMEM;
	if (e == 0)
		request_watch_speed(r, true);
	if (e == 0 && !(set_connection(r, spec) && set_callbacks(r) && set_request(r, spec)))
		e = -ENOMEM;
	if (e < 0) {
		request_free(r);
		return e;
	}
	*ret_request = r;
	return 0;
}

struct http_request *request_free(struct http_request *r)
{
	if (!r)
		return NULL;
	if (r->easy)
		curl_easy_cleanup(r->easy);
	for (struct curl_slist *h = r->headers; h; h = h->next)
		secret_wipe(h->data, strlen(h->data));
	curl_slist_free_all(r->headers);
	body_done(&r->body);
	buf_done(&r->header_lines);
	buf_done(&r->answer);
	free(r);
	return NULL;
}

/* The end */

static bool sent_all(struct http_request *r)
{
	const struct http_body *b = &r->body;
	long head_bytes = 0;

	curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &head_bytes);
	if (!r->has_body || r->body_size == 0)
		return head_bytes > 0;
	if (r->body_size > 0)
		return b->delivered == (uint64_t)r->body_size;
	return b->end_delivered || (b->ended && b->queued == 0 && b->delivered > 0);
}

static void fill_result(struct http_request *r)
{
	struct http_result *result = &r->result;
	_cleanup_buf_ struct buf message = {0};
	curl_off_t retry_after = 0;

	result->status = r->answered ? r->status : 0;
	result->sent_all = sent_all(r);
	result->sent_bytes = r->body.delivered;
	curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &retry_after);
	result->retry_after_s = r->answered ? retry_after : 0;
	if (!r->callbacks.on_data || r->status < 200 || r->status >= 300) {
		result->body = buf_terminate(&r->answer) == 0 ? r->answer.data : "";
		result->body_len = r->answer.data ? r->answer.len : 0;
	}
	/* curl's words may quote the URL. */
	if (redact_append(&message, r->message, strlen(r->message)) == 0 && buf_terminate(&message) == 0)
		snprintf(r->message, sizeof(r->message), "%s", message.data);
	else
		r->message[0] = '\0';
	result->message = r->message;
	body_done(&r->body);
}

/* A kept-alive connection that died before the first byte of the answer says nothing about the server. */
static bool should_repeat(struct http_request *r, CURLcode code)
{
	long connects = 0, head_bytes = 0;

	if (!r->safe || r->has_body || r->repeated || r->local_error || r->answered)
		return false;
	if (code != CURLE_GOT_NOTHING && code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR)
		return false;
	curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &connects);
	curl_easy_getinfo(r->easy, CURLINFO_HEADER_SIZE, &head_bytes);
	return connects == 0 && head_bytes == 0 && !r->in_headers &&
	       curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
}

bool request_end(struct http_request *r, CURLcode code)
{
	if (should_repeat(r, code)) {
		r->repeated = true;
		r->started = false;
		r->message[0] = '\0';
		return true;
	}
	/* curl takes a head that was cut off for a whole one. */
	if (code == CURLE_OK && !r->answered)
		code = CURLE_RECV_ERROR;
	if (code != CURLE_OK && r->message[0] == '\0')
		snprintf(r->message, sizeof(r->message), "%s", curl_easy_strerror(code));
	fill_result(r);
	struct outcome_facts facts = {
		.curl_code = code,
		.status = r->result.status,
		.safe = r->safe,
		.sent_all = r->result.sent_all,
	};
	r->result.error = outcome_judge(&facts, &r->result.reason);
	if (r->local_error) {
		r->result.error = r->local_error;
		r->result.reason = NULL;
	}
	return false;
}

void request_end_locally(struct http_request *r, int error)
{
	fill_result(r);
	r->result.error = error;
	r->result.reason = NULL;
}

const char *http_header(const struct http_request *r, const char *name)
{
	size_t len = strlen(name);
	const char *p = r->header_lines.data, *end = p ? p + r->header_lines.len : NULL;

	for (; p < end; p += strlen(p) + 1)
		if (strncasecmp(p, name, len) == 0 && p[len] == ':') {
			p += len + 1;
			return p + strspn(p, " \t");
		}
	return NULL;
}
