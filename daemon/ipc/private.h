/* What server.c, conn.c and call.c share; nobody else includes it. */
#pragma once
#include "base/loop.h"
#include "ipc/server.h"
#include "libcfipc/varlink/frame.h"
#include "libcfipc/varlink/idl.h"
#include "libcfipc/varlink/message.h"

struct ipc_interface {
	struct ipc_interface *next;
	struct idl_interface *idl;
	const struct ipc_method *methods;
	size_t n_methods;
	void *context;
};

struct ipc_uid {
	struct ipc_uid *next;
	uid_t uid;
	unsigned connections, streams;
};

struct ipc_listener {
	struct ipc_listener *next;
	struct ipc_server *server;
	int fd;
	struct event *event;
	char *path; /* to remove; NULL: not ours */
	int lock_fd;
};

struct ipc_server {
	struct loop *loop;
	struct ipc_server_options options;
	char *version, *admin_group;
	struct ipc_listener *listeners;
	struct ipc_interface *interfaces;
	struct ipc_conn *conns;
	struct ipc_uid *uids;
	unsigned n_conns, n_streams;
	int reserve_fd; /* given up to accept and refuse when descriptors run out */
	struct loop_timer accept_timer;
	int64_t complained_ms; /* when a peer's fault was last logged */
	unsigned complaints;   /* not logged since */
};

struct ipc_conn {
	struct ipc_conn *next, *prev;
	struct ipc_server *server;
	int fd;
	struct event *event;
	struct ipc_peer peer;
	struct ipc_uid *uid;
	struct frame_in in;
	struct frame_out out;
	struct ipc_call *call;   /* the running one */
	struct loop_timer timer; /* a message was begun */
	struct loop_timer turn;  /* it had its turn; others come first */
	bool readable;           /* the socket may have bytes */
	bool ended;              /* the peer sends no more */
	bool gone;               /* the peer reads no more either */
	bool closing;            /* freed by the next event */
	bool running;            /* conn_run is on the stack: replies are flushed by it */
	bool starved;            /* a stream waits for on_drain */
};

struct ipc_call {
	struct ipc_server *server;
	struct ipc_conn *conn; /* NULL: the peer has gone */
	struct ipc_peer peer;
	struct ipc_uid *uid; /* of a subscription that is counted */
	const struct ipc_interface *interface;
	const struct idl_method *method;
	unsigned flags;
	bool more, oneway;
	struct json_object *root;
	struct frame_fds fds;
	void (*on_gone)(void *arg);
	void *gone_arg;
	void (*on_drain)(void *arg);
	void *drain_arg;
};

int conn_new(struct ipc_server *server, int fd, const struct ipc_peer *peer, struct ipc_uid *uid);
struct ipc_conn *conn_free(struct ipc_conn *conn);
bool conn_left(int fd); /* the peer has closed its end, not only one direction of it */
/* Queues a message; the connection is closed when that cannot be. 0 or -EPIPE. */
int conn_send(struct ipc_conn *conn, const char *text, size_t len);
/* The call that ran has ended. */
void conn_next(struct ipc_conn *conn);
/* Closed and freed from the loop, not now. why NULL: nothing to complain about. */
void conn_close(struct ipc_conn *conn, const char *why);

/* Takes root and fds. */
void call_start(struct ipc_conn *conn, struct varlink_call *message, struct frame_fds *fds);
void call_detach(struct ipc_call *call); /* the peer has gone */

struct ipc_uid *uid_get(struct ipc_server *server, uid_t uid); /* NULL: out of memory */
void uid_put(struct ipc_server *server, struct ipc_uid *uid);
struct ipc_interface *server_interface(struct ipc_server *server, const char *name, size_t len);
int service_add(struct ipc_server *server);
/* Logs a peer's fault, at most once a minute. */
void server_complain(struct ipc_server *server, const struct ipc_peer *peer, const char *why);
void server_resume_accept(struct ipc_server *server);
