/* A connection to the daemon: made when the first call needs it, filled with requests, read for replies.
 * Those on the shared connection answer in order, so each belongs to the oldest call; a call that was given
 * up keeps its place until its reply has come. */
#include "libcfipc/internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RETRY_USEC   10000   /* the daemon's queue of connections is full: it is busy for milliseconds */
#define GIVE_UP_USEC 5000000 /* then it does not accept at all */

static void op_append(struct conn *conn, cfipc_op *op)
{
	op->next = NULL;
	if (conn->last)
		conn->last->next = op;
	else
		conn->first = op;
	conn->last = op;
}

static cfipc_op *op_pop(struct conn *conn)
{
	cfipc_op *op = conn->first;

	conn->first = op->next;
	if (!conn->first)
		conn->last = NULL;
	op->next = NULL;
	op->conn = NULL;
	return op;
}

struct conn *conn_close(struct conn *conn)
{
	struct conn **place = &conn->client->conns;

	while (*place != conn)
		place = &(*place)->next;
	*place = conn->next;
	if (conn->client->shared == conn)
		conn->client->shared = NULL;
	while (conn->first)
		cfipc_op_unref(op_pop(conn));
	while (conn->oneway) {
		cfipc_op *op = conn->oneway;

		conn->oneway = op->next;
		op->conn = NULL;
		cfipc_op_unref(op);
	}
	if (conn->fd >= 0)
		close(conn->fd);
	frame_in_done(&conn->in);
	frame_out_done(&conn->out);
	free(conn);
	return NULL;
}

static cfipc_error *connection_error(const struct conn *conn, enum cfipc_error_code code, int errnum)
{
	const char *path = conn->client->address + strlen("unix:");

	if (code == CFIPC_ERROR_NOT_RUNNING)
		return error_hint(
			error_local(code, errnum, "carbonfilesd is not reachable at %s: %s", path,
				    strerror(errnum)),
			"start it with: systemctl --user start carbonfilesd.socket (or run carbonfilesd)");
	if (code == CFIPC_ERROR_SYSTEM)
		return error_local(code, errnum, "%s", strerror(errnum));
	if (code == CFIPC_ERROR_PROTOCOL)
		return error_local(code, errnum, "what listens at %s does not speak Varlink", path);
	return error_local(code, errnum, "carbonfilesd closed the connection: %s", strerror(errnum));
}

/* Ends every call on it that is not over, and the connection. */
static void conn_fail(struct conn *conn, enum cfipc_error_code code, int errnum)
{
	for (cfipc_op *op = conn->first; op; op = op->next)
		op_finish(op, NULL, 0, connection_error(conn, code, errnum), NULL);
	for (cfipc_op *op = conn->oneway; op; op = op->next)
		op_finish(op, NULL, 0, connection_error(conn, code, errnum), NULL);
	conn_close(conn);
}

void conn_update(struct conn *conn)
{
	unsigned events = 0;

	if (conn->state != CONN_OPEN)
		return;
	/* A stream that nobody takes up is not read: the kernel's buffer then holds the daemon up. */
	if (!conn->first || conn->first->backlog < CLIENT_BACKLOG)
		events |= EPOLLIN;
	if (conn->out.first)
		events |= EPOLLOUT;
	if (events == conn->events)
		return;
	struct epoll_event event = {.events = events, .data.ptr = &conn->source};

	epoll_ctl(conn->client->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
	conn->events = events;
}

/* One-way calls are over when the kernel has them. */
static void end_oneway(struct conn *conn)
{
	while (conn->oneway) {
		cfipc_op *op = conn->oneway;
		char *json = strdup("{}");

		conn->oneway = op->next;
		op->next = NULL;
		op->conn = NULL;
		op_finish(op, json, 2, json ? NULL : error_local(CFIPC_ERROR_SYSTEM, ENOMEM, "out of memory"),
			  NULL);
		cfipc_op_unref(op);
		if (conn->shared)
			continue;
		/* Closing at once would cancel it: the daemon closes when it is done. */
		shutdown(conn->fd, SHUT_WR);
		conn->draining = true;
	}
}

static void conn_flush(struct conn *conn)
{
	if (conn->state != CONN_OPEN || (!conn->out.first && !conn->oneway))
		return;
	int r = frame_send(&conn->out, conn->fd);

	if (r < 0) {
		conn_fail(conn, CFIPC_ERROR_DISCONNECTED, -r);
		return;
	}
	if (r > 0)
		end_oneway(conn);
	conn_update(conn);
}

static int try_connect(struct conn *conn)
{
	cfipc_client *client = conn->client;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conn->source};

	if (connect(fd, (const struct sockaddr *)&client->socket_address, client->socket_address_len) < 0 ||
	    epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	conn->fd = fd;
	conn->events = event.events;
	conn->state = CONN_OPEN;
	library_log(CFIPC_LOG_DEBUG, "connected to %s", client->address);
	return 0;
}

/* Starts the unit when that is wanted and may help. */
static int start_daemon(struct conn *conn)
{
	cfipc_client *client = conn->client;
	char *user = address_user();
	bool ours = user && strcmp(user, client->address) == 0;

	free(user);
	if (!client->autostart || !ours || (client->started && client->start_fd < 0))
		return -ENOENT;
	if (client->start_fd < 0) {
		client->started = true;
		int fd = start_socket_unit();

		if (fd < 0)
			return fd;
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &client->start_source};

		if (epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
			int r = -errno;

			close(fd);
			return r;
		}
		client->start_fd = fd;
	}
	conn->state = CONN_STARTING;
	return 0;
}

/* 0 when it is open or will be, else what went wrong. */
static int conn_connect(struct conn *conn)
{
	int r = try_connect(conn);

	if (r == -EAGAIN) {
		int64_t now = client_now_usec();

		if (conn->state != CONN_RETRY)
			conn->give_up_at = now + GIVE_UP_USEC;
		else if (now >= conn->give_up_at)
			return -EAGAIN;
		conn->state = CONN_RETRY;
		conn->retry_at = now + RETRY_USEC;
		client_arm(conn->client, conn->retry_at);
		return 0;
	}
	if ((r == -ENOENT || r == -ECONNREFUSED) && start_daemon(conn) >= 0)
		return 0;
	return r;
}

void conn_retry_due(cfipc_client *client, int64_t now)
{
	struct conn *next;

	for (struct conn *conn = client->conns; conn; conn = next) {
		next = conn->next;
		if (conn->state != CONN_RETRY)
			continue;
		if (conn->retry_at > now) {
			client_arm(client, conn->retry_at);
			continue;
		}
		int r = conn_connect(conn);

		if (r < 0)
			conn_fail(conn, CFIPC_ERROR_NOT_RUNNING, -r);
		else
			conn_flush(conn);
	}
}

void conn_start_done(cfipc_client *client)
{
	siginfo_t info = {0};
	struct conn *next;

	waitid(P_PIDFD, (id_t)client->start_fd, &info, WEXITED | __WALL);
	close(client->start_fd);
	client->start_fd = -1;
	library_log(CFIPC_LOG_INFO, "systemctl ended with %d", info.si_status);
	for (struct conn *conn = client->conns; conn; conn = next) {
		next = conn->next;
		if (conn->state != CONN_STARTING)
			continue;
		int r = conn_connect(conn);

		if (r < 0)
			conn_fail(conn, CFIPC_ERROR_NOT_RUNNING, -r);
		else
			conn_flush(conn);
	}
}

static struct conn *conn_new(cfipc_client *client, bool shared)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->client = client;
	conn->source = (struct source){SOURCE_CONN, conn};
	conn->fd = -1;
	conn->shared = shared;
	frame_in_init(&conn->in, CLIENT_MAX_REPLY);
	frame_out_init(&conn->out);
	conn->next = client->conns;
	client->conns = conn;
	if (shared)
		client->shared = conn;
	return conn;
}

/* Takes the reference of the caller. */
static void send_op(cfipc_client *client, cfipc_op *op)
{
	bool own = op->n_fds > 0 || (op->flags & (CFIPC_MORE | CFIPC_DEDICATED));
	struct conn *conn = own ? NULL : client->shared;
	int r = conn ? 0 : -ENOMEM;

	if (!conn) {
		conn = conn_new(client, !own);
		r = conn ? conn_connect(conn) : -ENOMEM;
	}
	if (conn && r < 0) {
		op_finish(op, NULL, 0, connection_error(conn, CFIPC_ERROR_NOT_RUNNING, -r), NULL);
		conn_close(conn);
	} else if (!conn || frame_out_add(&conn->out, op->text, op->text_len, op->fds, op->n_fds) < 0) {
		op_finish(op, NULL, 0, error_local(CFIPC_ERROR_SYSTEM, ENOMEM, "out of memory"), NULL);
		if (conn && own)
			conn_close(conn);
	} else {
		op->n_fds = 0;
		op->state = OP_SENT;
		op->conn = conn;
		if (op->flags & CFIPC_ONEWAY) {
			op->next = conn->oneway;
			conn->oneway = op;
		} else
			op_append(conn, op);
		op = NULL;
	}
	cfipc_op_unref(op);
}

void conn_send_fresh(cfipc_client *client)
{
	struct conn *next;

	if (!client->fresh_first)
		return;
	while (client->fresh_first) {
		cfipc_op *op = client->fresh_first;

		client->fresh_first = op->next;
		if (!client->fresh_first)
			client->fresh_last = NULL;
		op->next = NULL;
		if (op->state == OP_FRESH)
			send_op(client, op);
		else
			cfipc_op_unref(op);
	}
	for (struct conn *conn = client->conns; conn; conn = next) {
		next = conn->next;
		conn_flush(conn);
	}
}

void conn_drop_op(cfipc_op *op)
{
	struct conn *conn = op->conn;

	/* On a connection of its own closing tells the daemon; on the shared one others wait behind it. */
	if (!conn || conn->shared)
		return;
	conn_close(conn);
}

static char *parameters_text(struct json_object *parameters, size_t *ret_len)
{
	*ret_len = strlen("{}");
	return parameters ? json_write(parameters, ret_len) : strdup("{}");
}

/* One reply for the oldest call. False when the connection is no more. */
static bool on_reply(struct conn *conn, const struct varlink_reply *reply, struct frame_fds *fds)
{
	cfipc_op *op = conn->first;
	size_t len;

	if (!op || (reply->continues && !(op->flags & CFIPC_MORE))) {
		frame_fds_close(fds);
		conn_fail(conn, CFIPC_ERROR_PROTOCOL, EBADMSG);
		return false;
	}
	if (!reply->continues)
		op_pop(conn);
	if (op->state >= OP_FINISHED) {
		frame_fds_close(fds);
	} else if (reply->error) {
		op_finish(op, NULL, 0, error_reply(reply->error, reply->parameters), fds);
	} else {
		char *json = parameters_text(reply->parameters, &len);

		op_restart_timeout(op);
		if (!json || !reply->continues)
			op_finish(op, json, len,
				  json ? NULL : error_local(CFIPC_ERROR_SYSTEM, ENOMEM, "out of memory"),
				  fds);
		else if (client_queue(conn->client, op, json, len, NULL, CFIPC_CONTINUES, fds) < 0)
			op_finish(op, NULL, 0, error_local(CFIPC_ERROR_SYSTEM, ENOMEM, "out of memory"),
				  NULL);
	}
	if (reply->continues)
		return true;
	cfipc_op_unref(op);
	if (conn->shared)
		return true;
	conn_close(conn);
	return false;
}

static void on_readable(struct conn *conn)
{
	ssize_t n = frame_recv(&conn->in, conn->fd);
	struct frame_fds fds;
	char *text;
	size_t len;
	int r;

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		if (conn->draining)
			conn_close(conn);
		else
			conn_fail(conn,
				  n == -EMSGSIZE ? CFIPC_ERROR_PROTOCOL
				  : n == -ENOMEM ? CFIPC_ERROR_SYSTEM
						 : CFIPC_ERROR_DISCONNECTED,
				  n == 0 ? ECONNRESET : (int)-n);
		return;
	}
	while ((r = frame_in_next(&conn->in, &text, &len, &fds)) > 0) {
		struct varlink_reply reply;

		r = varlink_reply_parse(text, len, &reply, NULL);
		if (r < 0) {
			frame_fds_close(&fds);
			if (r == -ENOMEM)
				conn_fail(conn, CFIPC_ERROR_SYSTEM, ENOMEM);
			else
				conn_fail(conn, CFIPC_ERROR_PROTOCOL, EBADMSG);
			return;
		}
		bool open = on_reply(conn, &reply, &fds);

		varlink_reply_done(&reply);
		if (!open)
			return;
	}
	if (r < 0)
		conn_fail(conn, CFIPC_ERROR_PROTOCOL, EBADMSG);
	else
		conn_update(conn);
}

void conn_on_event(struct conn *conn, unsigned events)
{
	/* What the daemon said before it went away counts. */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_readable(conn);
	else if (events & EPOLLOUT)
		conn_flush(conn);
}
