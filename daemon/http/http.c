/* The curl multi on the loop, and who gets a connection: each class has its own number of a host's.
 * Everything that calls curl or a caller runs from one place, the round of work, which the loop starts
 * outside of all callbacks; so nothing here is entered twice. When no request is under way there is no timer
 * and no watched socket. */
#include "http/internal.h"
#include "base/err.h"
#include "base/log.h"
#include <errno.h>
#include <string.h>

/* libcurl before 8.11 can forget to set its timer: asked every two seconds while something runs. */
#define HTTP_TICK_MS 2000
/* Kept idle connections; more hosts than that in turn are not our use. */
#define HTTP_IDLE_CONNECTIONS 16
/* Only a backstop behind our own queues: two more than they allow, for a connection that is being closed. */
#define HTTP_HOST_BACKSTOP (HTTP_HOST_CONNECTIONS + 2)

static void drive(struct http *h, curl_socket_t fd, int events);

/* The round of work */

void http_want(struct http_request *r)
{
	struct http *h = r->http;

	if (r->in_todo)
		return;
	r->in_todo = true;
	r->next_todo = NULL;
	*h->todo_end = r;
	h->todo_end = &r->next_todo;
	if (!h->working)
		event_active(h->work, EV_TIMEOUT, 0);
}

static struct http_request *take_todo(struct http *h)
{
	struct http_request *r = h->todo;

	if (r) {
		h->todo = r->next_todo;
		if (!h->todo)
			h->todo_end = &h->todo;
		r->in_todo = false;
	}
	return r;
}

/* Hosts */

static int host_get(struct http *h, const char *key, struct http_host **ret_host)
{
	for (struct http_host *i = h->hosts; i; i = i->next)
		if (strcmp(i->key, key) == 0) {
			*ret_host = i;
			return 0;
		}
	struct http_host *host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	host->key = strdup(key);
	if (!host->key) {
		free(host);
		return -ENOMEM;
	}
	for (int c = 0; c < HTTP_CLASSES; c++)
		host->waiting_end[c] = &host->waiting[c];
	host->http = h;
	host->next = h->hosts;
	h->hosts = host;
	*ret_host = host;
	return 0;
}

static void host_put(struct http *h, struct http_host *host)
{
	if (--host->requests > 0)
		return;
	for (struct http_host **i = &h->hosts; *i; i = &(*i)->next)
		if (*i == host) {
			*i = host->next;
			break;
		}
	free(host->key);
	free(host);
}

static int host_key(const char *url, char **ret_key)
{
	_cleanup_buf_ struct buf b = {0};
	char *scheme = NULL, *name = NULL, *port = NULL;
	CURLU *u = curl_url();
	int r = u ? 0 : -ENOMEM;

	if (r == 0 && (curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK ||
		       curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		       curl_url_get(u, CURLUPART_HOST, &name, 0) != CURLUE_OK ||
		       curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK))
		r = -EINVAL;
	if (r == 0)
		r = buf_printf(&b, "%s://%s:%s", scheme, name, port);
	if (r == 0) {
		*ret_key = buf_steal(&b);
		r = *ret_key ? 0 : -ENOMEM;
	}
	curl_free(scheme);
	curl_free(name);
	curl_free(port);
	curl_url_cleanup(u);
	return r;
}

/* The next one of a host that may run now. */
static struct http_request *host_next(struct http_host *host)
{
	static const unsigned most[HTTP_CLASSES] = {[HTTP_INTERACTIVE] = HTTP_HOST_CONNECTIONS,
						    [HTTP_TRANSFER] = HTTP_HOST_TRANSFER,
						    [HTTP_BULK] = HTTP_HOST_BULK};
	unsigned running = 0;
	int class;

	for (class = 0; class < HTTP_CLASSES; class ++)
		running += host->running[class];
	if (running >= HTTP_HOST_CONNECTIONS)
		return NULL;
	for (class = 0; class < HTTP_CLASSES; class ++)
		if (host->waiting[class] && host->running[class] < most[class])
			break;
	if (class == HTTP_CLASSES)
		return NULL;
	struct http_request *r = host->waiting[class];
	host->waiting[class] = r->next_waiting;
	if (!host->waiting[class])
		host->waiting_end[class] = &host->waiting[class];
	return r;
}

static void stop_waiting(struct http_request *r)
{
	struct http_host *host = r->host;
	struct http_request **i = &host->waiting[r->class];

	while (*i != r)
		i = &(*i)->next_waiting;
	*i = r->next_waiting;
	if (!*i)
		host->waiting_end[r->class] = i;
}

/* States */

static void on_tick(void *arg)
{
	struct http *h = arg;

	if (h->running == 0)
		return;
	drive(h, CURL_SOCKET_TIMEOUT, 0);
	if (h->running > 0 && loop_timer_set(h->loop, &h->tick, HTTP_TICK_MS, on_tick, h) < 0)
		log_error("Cannot set the HTTP timer: out of memory");
}

static void leave_multi(struct http_request *r)
{
	struct http *h = r->http;

	curl_multi_remove_handle(h->multi, r->easy);
	r->host->running[r->class]--;
	if (--h->running == 0)
		loop_timer_stop(&h->tick);
}

static void set_ended(struct http_request *r)
{
	r->state = HTTP_ENDED;
	http_want(r);
}

/* false: it has ended already. */
static bool start(struct http_request *r)
{
	struct http *h = r->http;

	CURLMcode code = curl_multi_add_handle(h->multi, r->easy);
	if (code != CURLM_OK) {
		snprintf(r->message, sizeof(r->message), "%s", curl_multi_strerror(code));
		request_end_locally(r, -ENOMEM);
		set_ended(r);
		return false;
	}
	r->state = HTTP_RUNNING;
	r->host->running[r->class]++;
	if (h->running++ == 0)
		/* Insurance only: without memory for it transfers still run on curl's own timer. */
		(void)loop_timer_set(h->loop, &h->tick, HTTP_TICK_MS, on_tick, h);
	return true;
}

static bool pump_host(struct http_host *host)
{
	struct http_request *r;
	bool started = false;

	while (!host->http->freeing && (r = host_next(host)))
		started |= start(r);
	return started;
}

static void report(struct http_request *r)
{
	struct http *h = r->http;
	struct http_host *host = r->host;

	if (r->want_cancel) {
		r->result.error = ERR_CANCELED;
		r->result.reason = NULL;
	}
	r->callbacks.on_done(r->arg, &r->result);
	*r->prev = r->next;
	if (r->next)
		r->next->prev = r->prev;
	/* on_done may have asked for something more of it. */
	if (r->in_todo) {
		struct http_request **i = &h->todo;
		while (*i != r)
			i = &(*i)->next_todo;
		*i = r->next_todo;
		if (!*i)
			h->todo_end = i;
	}
	request_free(r);
	h->active--;
	host_put(h, host);
}

/* Both directions in one call: what is not named goes on. */
static void resume(struct http_request *r)
{
	if (r->want_resume && r->paused)
		request_watch_speed(r, true);
	r->paused = r->paused && !r->want_resume;
	r->held = r->held && !r->want_receive;
	r->want_resume = r->want_receive = false;
	int pause = (r->paused ? CURLPAUSE_SEND : 0) | (r->held ? CURLPAUSE_RECV : 0);
	CURLcode code = curl_easy_pause(r->easy, pause);
	if (code != CURLE_OK)
		log_debug("http * cannot resume: %s", curl_easy_strerror(code));
}

/* Does what the request wants. true: curl has to be kicked. */
static bool serve(struct http_request *r)
{
	bool kick = false;

	if (r->want_cancel && r->state != HTTP_ENDED) {
		if (r->state == HTTP_RUNNING)
			leave_multi(r);
		else
			stop_waiting(r);
		request_end_locally(r, ERR_CANCELED);
		r->state = HTTP_ENDED;
		kick = pump_host(r->host);
	}
	if (r->state == HTTP_ENDED) {
		report(r);
		return kick;
	}
	if (r->state == HTTP_WAITING)
		kick = pump_host(r->host);
	if (r->state == HTTP_RUNNING && ((r->want_resume && r->paused) || (r->want_receive && r->held))) {
		resume(r);
		kick = true;
	}
	if (r->want_room && r->state == HTTP_RUNNING) {
		r->want_room = false;
		r->callbacks.on_room(r->arg);
	}
	return kick;
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval next_turn = {0, 0};
	struct http *h = arg;
	struct http_request *r;
	bool kick = false;

	h->working = true;
	while ((r = take_todo(h)))
		kick |= serve(r);
	if (kick)
		drive(h, CURL_SOCKET_TIMEOUT, 0);
	h->working = false;
	/* What this round brought about waits for the next turn of the loop: an upload that is always fed at
	 * once would keep everything else from running. */
	if (h->todo)
		evtimer_add(h->work, &next_turn);
}

/* curl on the loop */

static void restart(struct http_request *r)
{
	leave_multi(r);
	start(r);
}

static void collect_ended(struct http *h)
{
	CURLMsg *message;
	int left;
	bool restarted = false;

	while ((message = curl_multi_info_read(h->multi, &left))) {
		CURL *easy = message->easy_handle;
		CURLcode code = message->data.result;
		struct http_request *r = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &r);
		if (request_end(r, code)) {
			if (!r->want_cancel) {
				restart(r);
				restarted = true;
				continue;
			}
			request_end_locally(r, ERR_CANCELED);
		}
		leave_multi(r);
		set_ended(r);
		/* Its connection is free for the next. */
		restarted |= pump_host(r->host);
	}
	if (restarted)
		drive(h, CURL_SOCKET_TIMEOUT, 0);
}

static void on_curl_timer(void *arg)
{
	drive(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *h = arg;

	if (timeout_ms < 0)
		loop_timer_stop(&h->curl_timer);
	else if (loop_timer_set(h->loop, &h->curl_timer, timeout_ms, on_curl_timer, h) < 0)
		return -1;
	return 0;
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	drive(arg, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static int on_watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http *h = arg;
	struct event *event = socket_arg;
	short events = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) |
			       (what & CURL_POLL_OUT ? EV_WRITE : 0));

	if (what == CURL_POLL_REMOVE) {
		if (event)
			event_free(event);
		curl_multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (!event) {
		event = event_new(loop_base(h->loop), fd, events, on_socket, h);
		if (!event)
			return -1;
		curl_multi_assign(h->multi, fd, event);
	} else {
		event_del(event);
		event_assign(event, loop_base(h->loop), fd, events, on_socket, h);
	}
	return event_add(event, NULL);
}

static CURLM *new_multi(struct http *h)
{
	CURLM *m = curl_multi_init();
	bool ok = m;

	ok = ok && curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_watch_socket) == CURLM_OK;
	ok = ok && curl_multi_setopt(m, CURLMOPT_SOCKETDATA, h) == CURLM_OK;
	ok = ok && curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_set_timer) == CURLM_OK;
	ok = ok && curl_multi_setopt(m, CURLMOPT_TIMERDATA, h) == CURLM_OK;
	ok = ok && curl_multi_setopt(m, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK;
	ok = ok && curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)HTTP_IDLE_CONNECTIONS) == CURLM_OK;
	ok = ok && curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, (long)HTTP_HOST_BACKSTOP) == CURLM_OK;
	if (!ok && m) {
		curl_multi_cleanup(m);
		m = NULL;
	}
	return m;
}

/* After an error of the multi itself nothing in it can be trusted: everything that runs ends as cut off, the
 * rest goes on with a new one. */
static void rebuild(struct http *h, CURLMcode code)
{
	CURLM *fresh = new_multi(h);

	log_error("libcurl failed: %s; all transfers are cut off", curl_multi_strerror(code));
	for (struct http_request *r = h->requests; r; r = r->next) {
		if (r->state != HTTP_RUNNING)
			continue;
		r->repeated = true; /* no second try inside a broken multi */
		request_end(r, CURLE_RECV_ERROR);
		leave_multi(r);
		set_ended(r);
	}
	if (!fresh)
		return; /* out of memory: the old one may still do */
	curl_multi_cleanup(h->multi);
	h->multi = fresh;
	for (struct http_host *host = h->hosts; host; host = host->next)
		pump_host(host);
}

static void drive(struct http *h, curl_socket_t fd, int events)
{
	int running;
	CURLMcode code = curl_multi_socket_action(h->multi, fd, events, &running);

	if (code == CURLM_OK)
		collect_ended(h);
	else if (code != CURLM_BAD_SOCKET) /* it was closed meanwhile */
		rebuild(h, code);
}

/* The interface */

static int copy_option(char **to, const char *from)
{
	char *copy = from ? strdup(from) : NULL;

	if (from && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

int http_configure(struct http *h, const struct http_options *options)
{
	int r = copy_option(&h->ca_file, options->ca_file);

	if (r == 0)
		r = copy_option(&h->proxy, options->proxy);
	if (r == 0)
		r = copy_option(&h->user_agent, options->user_agent);
	h->low_speed_s = options->low_speed_s;
	return r;
}

int http_new(struct loop *loop, const struct http_options *options, struct http **ret_http)
{
	static bool global;

	if (!global && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	global = true;
	struct http *h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->todo_end = &h->todo;
	h->work = evtimer_new(loop_base(loop), on_work, h);
	h->multi = new_multi(h);
	int r = h->work && h->multi ? http_configure(h, options) : -ENOMEM;
	if (r < 0) {
		http_free(h);
		return r;
	}
	*ret_http = h;
	return 0;
}

struct http *http_free(struct http *h)
{
	struct http_request *r;

	if (!h)
		return NULL;
	h->freeing = true;
	for (r = h->requests; r; r = r->next)
		http_cancel(r);
	while ((r = take_todo(h)))
		serve(r);
	if (h->multi)
		curl_multi_cleanup(h->multi);
	loop_timer_done(&h->curl_timer);
	loop_timer_done(&h->tick);
	if (h->work)
		event_free(h->work);
	free(h->ca_file);
	free(h->proxy);
	free(h->user_agent);
	free(h);
	return NULL;
}

int http_start(struct http *h, const struct http_spec *spec, const struct http_callbacks *callbacks,
	       void *arg, struct http_request **ret_request)
{
	_cleanup_free_ char *key = NULL;
	struct http_request *r;

	if (h->freeing)
		return -ECANCELED;
	int e = host_key(spec->url, &key);
	if (e == 0)
		e = request_new(h, spec, callbacks, arg, &r);
	if (e < 0)
		return e;
	e = host_get(h, key, &r->host);
	if (e < 0) {
		request_free(r);
		return e;
	}
	r->host->requests++;
	*r->host->waiting_end[r->class] = r;
	r->host->waiting_end[r->class] = &r->next_waiting;
	r->next = h->requests;
	if (r->next)
		r->next->prev = &r->next;
	r->prev = &h->requests;
	h->requests = r;
	h->active++;
	http_want(r);
	if (ret_request)
		*ret_request = r;
	return 0;
}

void http_cancel(struct http_request *r)
{
	if (!r)
		return;
	r->want_cancel = true;
	http_want(r);
}

void http_hold(struct http_request *r, bool hold)
{
	r->hold = hold;
	r->want_receive = !hold && r->held;
	if (r->want_receive)
		http_want(r);
}

static int body_grew(struct http_request *r, int e)
{
	if (e < 0)
		return e;
	r->body.room_told = false;
	if (r->paused) {
		r->want_resume = true;
		http_want(r);
	}
	return 0;
}

int http_body_take(struct http_request *r, void *data, size_t len)
{
	if (r->state == HTTP_ENDED || r->body.ended) {
		free(data);
		return 0;
	}
	return body_grew(r, body_take(&r->body, data, len));
}

int http_body_copy(struct http_request *r, const void *data, size_t len)
{
	if (r->state == HTTP_ENDED || r->body.ended || len == 0)
		return 0;
	return body_grew(r, body_copy(&r->body, data, len));
}

void http_body_end(struct http_request *r)
{
	r->body.ended = true;
	if (r->paused) {
		r->want_resume = true;
		http_want(r);
	}
}

uint64_t http_body_sent(const struct http_request *r)
{
	return r->body.delivered;
}

size_t http_body_queued(const struct http_request *r)
{
	return r->body.queued;
}

unsigned http_active(const struct http *h)
{
	return h->active;
}
