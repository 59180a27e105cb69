/* One connection: bytes in, calls started one at a time, bytes out. Its event is edge-triggered and
 * registered once: after a half-close the kernel would report "peer closed" without end, and twenty thousand
 * calls a second leave no time for changing it. So this file remembers what it was told and reads or writes
 * until EAGAIN. */
#include "ipc/private.h"
#include "base/log.h"
#include "base/util.h"
#include <errno.h>
#include <poll.h>
#include <string.h>

/* Calls started before other connections get their turn. */
#define CONN_TURN 64

static void on_request_timeout(void *arg)
{
	conn_close(arg, "a message was begun and not completed in time");
}

void conn_close(struct ipc_conn *conn, const char *why)
{
	if (conn->closing)
		return;
	conn->closing = true;
	if (why)
		server_complain(conn->server, &conn->peer, why);
	event_active(conn->event, EV_READ, 0);
}

static void flush(struct ipc_conn *conn)
{
	if (conn->closing || !conn->out.first)
		return;
	int r = frame_send(&conn->out, conn->fd);

	if (r < 0) {
		conn->gone = true;
		conn_close(conn, NULL);
		return;
	}
	if (conn->out.queued > IPC_OUTPUT_LOW_BYTES)
		return;
	/* Who paused goes on from the loop, not from inside its own reply. */
	if (conn->starved)
		event_active(conn->event, EV_WRITE, 0);
}

static void drain(struct ipc_conn *conn)
{
	if (!conn->starved || conn->closing || conn->out.queued > IPC_OUTPUT_LOW_BYTES)
		return;
	conn->starved = false;
	if (conn->call && conn->call->on_drain)
		conn->call->on_drain(conn->call->drain_arg);
}

int conn_send(struct ipc_conn *conn, const char *text, size_t len)
{
	if (conn->closing)
		return -EPIPE;
	if (len > conn->server->options.limits.reply_bytes) {
		log_error("a reply of %zu bytes is over the limit", len);
		conn_close(conn, "a reply over the limit");
		return -EPIPE;
	}
	if (conn->out.queued + len > conn->server->options.limits.output_bytes) {
		conn_close(conn, "does not read its replies");
		return -EPIPE;
	}
	if (frame_out_add(&conn->out, text, len, NULL, 0) < 0) {
		conn_close(conn, "out of memory");
		return -EPIPE;
	}
	if (!conn->running)
		flush(conn);
	return conn->closing ? -EPIPE : 0;
}

void conn_next(struct ipc_conn *conn)
{
	conn->call = NULL;
	conn->starved = false;
	if (!conn->running)
		event_active(conn->event, EV_READ, 0);
}

static void start_call(struct ipc_conn *conn, const char *text, size_t len, struct frame_fds *fds)
{
	struct varlink_call message;
	const char *why = "malformed message";
	int r = varlink_call_parse(text, len, &message, &why);

	if (r < 0) {
		frame_fds_close(fds);
		conn_close(conn, r == -ENOMEM ? "out of memory" : why);
		return;
	}
	call_start(conn, &message, fds);
}

/* Bytes from the kernel: true when there is something new to look at. */
static bool receive(struct ipc_conn *conn)
{
	if (!conn->readable || conn->ended)
		return false;
	ssize_t n = frame_recv(&conn->in, conn->fd);

	if (n > 0)
		return true;
	conn->readable = false;
	if (n == 0)
		conn->ended = true;
	else if (n != -EAGAIN)
		conn_close(conn, n == -EMSGSIZE ? "a message over the limit" : NULL);
	return false;
}

/* The clock of a half-sent message runs only while we would read the rest. */
static void watch_partial(struct ipc_conn *conn)
{
	if (conn->closing || conn->call || !frame_in_partial(&conn->in)) {
		loop_timer_stop(&conn->timer);
		return;
	}
	if (loop_timer_armed(&conn->timer))
		return;
	if (loop_timer_set(conn->server->loop, &conn->timer, conn->server->options.limits.request_timeout_ms,
			   on_request_timeout, conn) < 0)
		conn_close(conn, "out of memory");
}

/* Goes on after the other connections had their turn: an active event would come before them. */
static void on_turn(void *arg)
{
	struct ipc_conn *conn = arg;

	event_active(conn->event, EV_READ, 0);
}

static void yield(struct ipc_conn *conn)
{
	if (loop_timer_set(conn->server->loop, &conn->turn, 0, on_turn, conn) < 0)
		conn_close(conn, "out of memory");
}

static void conn_run(struct ipc_conn *conn)
{
	unsigned started = 0;
	bool full = false;

	conn->running = true;
	while (!conn->closing && !conn->call && started < CONN_TURN) {
		full = conn->out.queued >= IPC_OUTPUT_HIGH_BYTES;
		if (full)
			break; /* a client that asks and does not read */
		struct frame_fds fds;
		char *text;
		size_t len;
		int r = frame_in_next(&conn->in, &text, &len, &fds);

		if (r < 0)
			conn_close(conn, "a message over the limit");
		else if (r > 0) {
			loop_timer_stop(&conn->timer);
			started++;
			start_call(conn, text, len, &fds);
		} else if (!receive(conn))
			break;
	}
	conn->running = false;
	flush(conn);
	if (conn->gone && (conn->call || conn->out.first))
		conn_close(conn, NULL);
	if (conn->closing)
		return;
	if (started == CONN_TURN || (full && conn->out.queued < IPC_OUTPUT_HIGH_BYTES))
		yield(conn);
	else if (conn->ended && !conn->call && !conn->out.first)
		conn_close(conn, frame_in_partial(&conn->in) ? "closed within a message" : NULL);
	watch_partial(conn);
}

/* A peer that only ended its sending side (printf | socat) still waits for its replies. */
bool conn_left(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_conn *conn = arg;

	if (what & EV_READ)
		conn->readable = true;
	if ((what & EV_CLOSED) && conn_left(fd))
		conn->gone = true;
	if (!conn->closing && (what & EV_WRITE)) {
		flush(conn);
		drain(conn);
	}
	if (!conn->closing)
		conn_run(conn);
	if (conn->closing)
		conn_free(conn);
}

int conn_new(struct ipc_server *server, int fd, const struct ipc_peer *peer, struct ipc_uid *uid)
{
	struct ipc_conn *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		uid_put(server, uid);
		close_fd(fd);
		return -ENOMEM;
	}
	conn->server = server;
	conn->fd = fd;
	conn->peer = *peer;
	frame_in_init(&conn->in, server->options.limits.request_bytes);
	frame_out_init(&conn->out);
	conn->next = server->conns;
	if (conn->next)
		conn->next->prev = conn;
	server->conns = conn;
	server->n_conns++;
	conn->uid = uid;
	uid->connections++;
	conn->event = event_new(loop_base(server->loop), fd,
				EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_event, conn);
	if (!conn->event || event_add(conn->event, NULL) < 0) {
		conn_free(conn);
		return -ENOMEM;
	}
	return 0;
}

struct ipc_conn *conn_free(struct ipc_conn *conn)
{
	if (!conn)
		return NULL;
	struct ipc_server *server = conn->server;
	struct ipc_call *call = conn->call;

	/* What was answered before the fault that ends it. */
	if (!conn->gone)
		frame_send(&conn->out, conn->fd);
	if (conn->event)
		event_free(conn->event);
	loop_timer_done(&conn->timer);
	loop_timer_done(&conn->turn);
	frame_in_done(&conn->in);
	frame_out_done(&conn->out);
	close_fd(conn->fd);
	if (conn->next)
		conn->next->prev = conn->prev;
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		server->conns = conn->next;
	server->n_conns--;
	if (conn->uid) {
		conn->uid->connections--;
		uid_put(server, conn->uid);
	}
	free(conn);
	server_resume_accept(server);
	if (call)
		call_detach(call);
	return NULL;
}
