/* The player of scripted_server.h. */
#include "tests/unit/scripted_server.h"
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

struct scripted_connection {
	struct scripted_server *server;
	int fd;
	struct event *event;
	struct loop_timer next;
	struct buf in;
	const struct step *script, *step;
	size_t done; /* of the present step */
	bool gone;   /* the peer has closed */
};

static void close_connection(struct scripted_connection *c, bool reset)
{
	const struct linger hard = {1, 0};

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (c->server->connections[i] == c)
			c->server->connections[i] = NULL;
	c->server->open--;
	event_free(c->event);
	loop_timer_done(&c->next);
	close(c->fd);
	buf_done(&c->in);
	free(c);
}

/* 1: the step is over, 0: it needs more from the peer or more time (more). */
static int take(struct scripted_connection *c, size_t len, struct buf *to)
{
	ck_assert_int_eq(buf_append(to, c->in.data, len), 0);
	ck_assert_int_eq(buf_terminate(to), 0); /* tests search in it */
	buf_consume(&c->in, len);
	return 1;
}

static int read_step(struct scripted_connection *c)
{
	const struct step *s = c->step;
	const char *end;

	switch (s->kind) {
	case STEP_HEAD:
		end = c->in.len ? memmem(c->in.data, c->in.len, "\r\n\r\n", 4) : NULL;
		if (!end)
			return 0;
		c->server->requests++;
		return take(c, (size_t)(end - c->in.data) + 4, &c->server->heads);
	case STEP_BODY: {
		size_t n = MIN(s->n - c->done, c->in.len);
		take(c, n, &c->server->body);
		c->done += n;
		return c->done == s->n;
	}
	case STEP_CHUNKED:
		end = c->in.len ? memmem(c->in.data, c->in.len, "0\r\n\r\n", 5) : NULL;
		return end ? take(c, (size_t)(end - c->in.data) + 5, &c->server->body) : 0;
	default: return -1;
	}
}

static int send_some(struct scripted_connection *c, const char *text, size_t len)
{
	ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		c->done += (size_t)n;
	return n < 0 && errno != EAGAIN ? -1 : 0;
}

static int send_step(struct scripted_connection *c)
{
	const struct step *s = c->step;
	static char zeros[65536];
	size_t len = s->text ? strlen(s->text) : s->n;

	memset(zeros, '0', sizeof(zeros));
	/* A peer that has gone ends the step: what follows is seen by the next one. */
	if (c->done < len && s->kind == STEP_ZEROS &&
	    send_some(c, zeros, MIN(len - c->done, sizeof(zeros))) < 0)
		return 1;
	if (c->done < len && s->kind != STEP_ZEROS &&
	    send_some(c, s->text + c->done, s->kind == STEP_DRIP ? 1 : len - c->done) < 0)
		return 1;
	return c->done == len;
}

static void play(void *arg);

static void play_on(struct scripted_connection *c)
{
	/* Moving it each time bytes come would keep it from ever running. */
	if (!loop_timer_armed(&c->next))
		ck_assert_int_eq(loop_timer_set(c->server->loop, &c->next, 0, play, c), 0);
}

static void play(void *arg)
{
	struct scripted_connection *c = arg;
	struct scripted_server *server = c->server;
	int r = read_step(c);

	if (r < 0) {
		switch (c->step->kind) {
		case STEP_SEND:
		case STEP_DRIP:
		case STEP_ZEROS:
			r = send_step(c);
			if (r == 0)
				play_on(c);
			break;
		case STEP_RESET: close_connection(c, true); return;
		case STEP_HALT: r = 0; break;
		case STEP_CALL:
			server->hook(server->hook_arg);
			r = 1;
			break;
		case STEP_LOOP:
			c->step = c->script;
			c->done = 0;
			play_on(c);
			return;
		default: close_connection(c, false); return;
		}
	}
	if (r == 0 && c->gone && c->step->kind <= STEP_CHUNKED) {
		close_connection(c, false);
		return;
	}
	if (r > 0) {
		c->step++;
		c->done = 0;
		play_on(c);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct scripted_connection *c = arg;
	char bytes[65536];

	/* Only what the script asks for is read: a halted server lets the client's send buffer fill. */
	if (c->step->kind != STEP_HEAD && c->step->kind != STEP_BODY && c->step->kind != STEP_CHUNKED) {
		event_del(c->event);
		play_on(c);
		return;
	}
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n > 0)
		ck_assert_int_eq(buf_append(&c->in, bytes, (size_t)n), 0);
	else if (n == 0 || errno != EAGAIN)
		c->gone = true;
	if (c->gone)
		event_del(c->event);
	play_on(c);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct scripted_server *s = arg;
	int one = 1, peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	ck_assert_int_ge(peer, 0);
	setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	struct scripted_connection *c = calloc(1, sizeof(*c));
	ck_assert_ptr_nonnull(c);
	size_t script = 0, slot = 0;
	for (unsigned i = 0; i < s->accepted && script + 1 < SCRIPTS_MAX && s->scripts[script + 1]; i++)
		script++;
	while (slot < CONNECTIONS_MAX && s->connections[slot])
		slot++;
	ck_assert_uint_lt(slot, CONNECTIONS_MAX);
	s->connections[slot] = c;
	s->accepted++;
	s->open++;
	s->open_max = MAX(s->open_max, s->open);
	c->server = s;
	c->fd = peer;
	c->script = c->step = s->scripts[script];
	c->event = event_new(loop_base(s->loop), peer, EV_READ | EV_PERSIST, on_readable, c);
	event_add(c->event, NULL);
	play_on(c);
}

void scripted_start(struct scripted_server *s, struct loop *loop, const struct step *first_script)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	const int receive_bytes = 65536;

	*s = (struct scripted_server){.loop = loop, .scripts = {first_script}};
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(s->fd, 0);
	/* Little room, so that a client cannot push megabytes into a server that does not read. */
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(s->fd, 64), 0);
	ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&address, &len), 0);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	s->on_accept = event_new(loop_base(loop), s->fd, EV_READ | EV_PERSIST, on_accept, s);
	event_add(s->on_accept, NULL);
}

void scripted_stop(struct scripted_server *s)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (s->connections[i])
			close_connection(s->connections[i], false);
	event_free(s->on_accept);
	close(s->fd);
	buf_done(&s->heads);
	buf_done(&s->body);
}
