/* A Varlink service on Unix sockets: who may connect, the limits, and calls handed to methods by table. It
 * knows no method but those of org.varlink.service; ipc.h puts the daemon's interfaces on it. */
#pragma once
#include "base/loop.h"
#include "libcfipc/varlink/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ipc_server;
struct ipc_call;

/* Who is at the other end: who connected, as the kernel says. */
struct ipc_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;  /* for logs only: it may be another process by now */
	bool admin; /* may change the daemon: always in user mode; with --system root and the admin group */
};

/* What a peer can make us hold. */
struct ipc_limits {
	unsigned connections;       /* in all */
	unsigned per_uid;           /* connections of one user */
	unsigned streams_per_uid;   /* subscriptions of one user */
	size_t request_bytes;       /* one message to us */
	size_t reply_bytes;         /* one message from us */
	size_t output_bytes;        /* queued for one connection */
	int64_t request_timeout_ms; /* from the first byte of a message to its last */
};
#define IPC_MAX_CONNECTIONS     256
#define IPC_MAX_PER_UID         64
#define IPC_MAX_STREAMS_PER_UID 16
#define IPC_MAX_REQUEST_BYTES   (1024 * 1024)
#define IPC_MAX_REPLY_BYTES     (4 * 1024 * 1024)
#define IPC_MAX_OUTPUT_BYTES    (8 * 1024 * 1024)
#define IPC_REQUEST_TIMEOUT_MS  30000
#define IPC_OUTPUT_HIGH_BYTES   (1024 * 1024) /* streams pause above it ... */
#define IPC_OUTPUT_LOW_BYTES    (256 * 1024)  /* ... until the queue is below this */
extern const struct ipc_limits ipc_limits_default;

struct ipc_server_options {
	const char *version;     /* for GetInfo */
	bool system;             /* the system-wide service: other users may connect, few may do much */
	const char *admin_group; /* with system: its members are admins; NULL: root only */
	struct ipc_limits limits;
	bool check_replies; /* tests: a reply that its interface does not declare closes the connection */
};

enum ipc_method_flags {
	IPC_MORE = 1 << 0,         /* may answer with many replies */
	IPC_MORE_ONLY = 1 << 1,    /* answers with a stream or not at all */
	IPC_SENSITIVE = 1 << 2,    /* parameters hold a credential: wiped after use */
	IPC_ADMIN = 1 << 3,        /* with --system: for admins only */
	IPC_FD = 1 << 4,           /* takes one descriptor */
	IPC_SUBSCRIPTION = 1 << 5, /* counts against streams_per_uid */
};

/* Parameters fit the interface; they live as long as the call. The handler ends the call, now or later, by
 * exactly one ipc_call_reply or ipc_call_error. */
typedef void (*ipc_handler)(struct ipc_call *call, struct json_object *parameters, void *context);
struct ipc_method {
	const char *name;
	ipc_handler handler;
	unsigned flags;
};

int ipc_server_new(struct loop *loop, const struct ipc_server_options *options,
		   struct ipc_server **ret_server);
/* Closes every connection; running calls are told (on_gone) and live until their handlers end them. */
struct ipc_server *ipc_server_free(struct ipc_server *server);

/* A method that the text has and the table has not answers MethodNotImplemented. -EINVAL: the table has one
 * that the text has not; -EBADMSG: the text is none. The table is borrowed. */
int ipc_server_add(struct ipc_server *server, const char *text, const struct ipc_method *methods, size_t n,
		   void *context);

/* Binds and listens at an absolute path: mode 0600 (0660 with system), a stale socket is replaced under a
 * lock. On failure *ret_why (free it) says what and what to do. */
int ipc_server_listen(struct ipc_server *server, const char *path, char **ret_why);
/* Takes the sockets that systemd passes under the name "varlink", listening or connected: how many. */
int ipc_server_adopt(struct ipc_server *server, char **ret_why);
/* A connected socket (taken, also on failure). -EPERM: a peer that may not connect; -EMFILE: over a limit. */
int ipc_server_connect(struct ipc_server *server, int fd);
/* No new connections; the socket's path is removed. */
void ipc_server_stop(struct ipc_server *server);

bool ipc_server_is_system(const struct ipc_server *server);
unsigned ipc_server_connections(const struct ipc_server *server);
unsigned ipc_server_subscriptions(const struct ipc_server *server);
const struct ipc_limits *ipc_server_limits(const struct ipc_server *server);

/* Parameters are taken, also on failure; NULL: none. All three are harmless after the peer has gone. */
void ipc_call_reply(struct ipc_call *call, struct json_object *parameters);
void ipc_call_error(struct ipc_call *call, const char *error, struct json_object *parameters);
/* 1: go on; 0: sent, but pause until on_drain; -EPIPE: the peer has gone, end the call; -EINVAL: it did not
 * ask for more (nothing was sent). */
int ipc_call_reply_continues(struct ipc_call *call, struct json_object *parameters);

/* Common errors of org.varlink.service. */
void ipc_call_invalid(struct ipc_call *call, const char *parameter);
void ipc_call_no_memory(
	struct ipc_call *call); /* closes the connection: there is nothing left to say it with */

bool ipc_call_more(const struct ipc_call *call); /* the peer wants a stream */
bool ipc_call_gone(const struct ipc_call *call);
/* The same as of now, asked of the kernel: the loop may not have heard yet. */
bool ipc_call_left(const struct ipc_call *call);
const struct ipc_peer *ipc_call_peer(const struct ipc_call *call);
/* There is room for another reply. An event stream that finds none drops the event and counts it. */
bool ipc_call_has_room(const struct ipc_call *call);
/* The peer went away: stop the work. The call must still be ended. Called from the loop, at most once. */
void ipc_call_on_gone(struct ipc_call *call, void (*on_gone)(void *arg), void *arg);
/* The queue is low again after reply_continues returned 0 or has_room was false. */
void ipc_call_on_drain(struct ipc_call *call, void (*on_drain)(void *arg), void *arg);
/* The descriptor that the parameter (an index) names: 1 and the descriptor, the caller's from now on; 0: the
 * parameter is absent; negative: the call was ended with an error. */
int ipc_call_take_fd(struct ipc_call *call, struct json_object *parameters, const char *parameter,
		     int *ret_fd);
