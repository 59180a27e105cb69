/* What the files of the library share. A client owns connections, a connection owns the calls sent on it,
 * oldest first; what came in waits as deliveries until somebody lets callbacks run. */
#pragma once
#include "libcfipc/cfipc.h"
#include "libcfipc/varlink/frame.h"
#include "libcfipc/varlink/message.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CLIENT_MAX_REQUEST (1024 * 1024)     /* the daemon cuts off what is longer */
#define CLIENT_MAX_REPLY   (4 * 1024 * 1024) /* and never sends more */
#define CLIENT_BACKLOG     (1024 * 1024) /* undelivered bytes of a stream, then it is not read for a while */

/* Shared by a client and its ops, so that an op can be cancelled from any thread, whenever. */
struct wake {
	atomic_uint refs;
	atomic_bool cancelled; /* some op has its cancel flag set */
	int fd;                /* eventfd: makes the client's descriptor ready */
	pthread_mutex_t lock;  /* of the two below */
	cfipc_wakeup_cb wakeup;
	void *userdata;
};

struct delivery {
	struct delivery *next;
	cfipc_op *op; /* a reference */
	char *json;
	size_t len;
	cfipc_error *error;
	unsigned flags; /* CFIPC_CONTINUES, CFIPC_LOCAL */
	struct frame_fds fds;
};

enum op_state {
	OP_FRESH,    /* not sent: descriptors can be pushed */
	OP_SENT,     /* on a connection */
	OP_FINISHED, /* its final delivery is queued */
	OP_DONE,     /* and was delivered */
};

struct cfipc_op {
	atomic_uint refs;
	atomic_bool cancel;
	struct wake *wake;
	cfipc_client *client;            /* NULL once done or the client is gone; owner thread only */
	cfipc_op *next_live, *prev_live; /* of the client */
	cfipc_op *next;                  /* fresh list of the client, or sent list of the connection */
	struct conn *conn;
	enum op_state state;
	unsigned flags;
	char *text; /* the request until it was sent */
	size_t text_len;
	int fds[CFIPC_FDS_MAX];
	unsigned n_fds;
	int64_t timeout, deadline; /* usec; negative: none */
	cfipc_reply_cb callback;   /* of a raw call */
	struct typed *typed;       /* of a typed one (method.h); NULL */
	void *userdata;
	bool in_callback;
	size_t backlog; /* bytes of undelivered replies */
	cfipc_error *error;
	struct frame_fds got;  /* of the last reply delivered */
	struct delivery final; /* room for it, so that it cannot fail */
};

/* What an epoll event points to. */
enum source_kind { SOURCE_WAKE, SOURCE_TIMER, SOURCE_CONN, SOURCE_START };
struct source {
	enum source_kind kind;
	void *owner;
};

enum conn_state {
	CONN_OPEN,
	CONN_RETRY,    /* the daemon's queue was full: again at retry_at */
	CONN_STARTING, /* waits for `systemctl --user start` */
};

struct conn {
	struct conn *next;
	cfipc_client *client;
	struct source source;
	enum conn_state state;
	int fd;
	unsigned events; /* as epoll knows them */
	bool shared;     /* for plain calls */
	bool draining;   /* its one-way call was sent: only the end is waited for */
	int64_t retry_at, give_up_at;
	struct frame_in in;
	struct frame_out out;
	cfipc_op *first, *last; /* wait for replies; references */
	cfipc_op *oneway;       /* wait until they are sent; references */
};

struct cfipc_client {
	unsigned refs;
	pid_t pid;
	char *address;
	struct sockaddr_un socket_address;
	socklen_t socket_address_len;
	int64_t timeout;
	bool autostart;
	int epoll_fd, timer_fd;
	int64_t armed; /* the timer's deadline; negative: none */
	struct source wake_source, timer_source;
	struct wake *wake;
	struct conn *conns;
	struct conn *shared;
	cfipc_op *live; /* all that are not done; each is held by the fresh list or a connection or a delivery
			 */
	cfipc_op *fresh_first, *fresh_last;
	struct delivery *first, *last;
	unsigned depth; /* callbacks on the stack */
	bool dying;     /* the last reference is gone: no new calls */
	bool started;   /* autostart was tried */
	int start_fd;   /* pidfd of systemctl */
	struct source start_source;
};

int64_t client_now_usec(void);
int64_t client_deadline(int64_t usec); /* negative in, negative out */
int client_check(const cfipc_client *client);
/* Sends and receives without waiting; queues deliveries. 1 when anything happened, 0, or -errno. */
int client_io(cfipc_client *client);
/* Waits on the client's descriptor until `deadline` (negative: for ever): 1 ready, 0 time is over. */
int client_poll(cfipc_client *client, int64_t deadline);
/* Runs callbacks: of all deliveries that are queued now, or only those of one op. How many. */
unsigned client_deliver(cfipc_client *client, cfipc_op *only);
/* Takes json, error and fds. -ENOMEM only for one that continues. */
int client_queue(cfipc_client *client, cfipc_op *op, char *json, size_t len, cfipc_error *error,
		 unsigned flags, struct frame_fds *fds);
void client_wake(struct wake *wake);
struct wake *wake_unref(struct wake *wake);
void client_arm(cfipc_client *client, int64_t deadline);

void conn_send_fresh(cfipc_client *client);
void conn_on_event(struct conn *conn, unsigned events);
void conn_retry_due(cfipc_client *client, int64_t now);
void conn_start_done(cfipc_client *client);
void conn_update(struct conn *conn); /* what epoll should report */
struct conn *conn_close(struct conn *conn);
void conn_drop_op(cfipc_op *op); /* cancelled or timed out */

/* Ends the op: queues its final delivery, unless it is queued already. json, error and fds (may be NULL) are
 * taken. */
void op_finish(cfipc_op *op, char *json, size_t len, cfipc_error *error, struct frame_fds *fds);
void op_restart_timeout(cfipc_op *op);
/* As cfipc_call_async, with parameters that are known to be good (borrowed) and a method that has a name. */
int op_start(cfipc_client *client, cfipc_op **ret_op, const char *method, struct json_object *parameters,
	     unsigned flags, cfipc_reply_cb callback, void *userdata);
void op_forget(cfipc_op *op); /* no callback of it runs any more */
/* The end of a waiting function: r, and *ret_error (may be NULL) to go with it. Takes the op, which is NULL
 * when it did not begin, and ends it if it runs. */
int op_explain(cfipc_op *op, int r, const char *name, cfipc_error **ret_error);
void op_done(cfipc_op *op, struct delivery *final); /* its final delivery is being made */

/* Never NULL: when memory is out, an error that says so. */
cfipc_error *error_local(enum cfipc_error_code code, int errnum, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
cfipc_error *error_hint(cfipc_error *error, const char *hint);
cfipc_error *error_reply(const char *name, struct json_object *parameters);
int error_result(const cfipc_error *error); /* the negative number that a function returns for it */

/* "unix:..." or a path; `ret_text` as cfipc_client_get_address gives it. */
int address_parse(const char *address, struct sockaddr_un *ret_address, socklen_t *ret_len, char **ret_text);
char *address_user(void);

/* systemctl --user start carbonfilesd.socket: a pidfd, -errno. */
int start_socket_unit(void);
void start_abandon(int pidfd); /* nobody waits for it any more; the descriptor stays the caller's */

void library_log(enum cfipc_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
