/* A TCP server on the test's own loop that plays a script per connection: deterministic, no threads and no
 * sleeps. Between two steps the loop comes round, so the client has seen what the one before did. */
#pragma once
#include "base/buf.h"
#include "base/loop.h"

enum step_kind {
	STEP_END,     /* close the connection */
	STEP_HEAD,    /* read a request's head; it is kept in server->heads */
	STEP_BODY,    /* read n bytes, kept in server->body */
	STEP_CHUNKED, /* read up to the end of a chunked body, kept raw */
	STEP_SEND,    /* send text */
	STEP_DRIP,    /* send text, one byte each time round */
	STEP_ZEROS,   /* send n bytes of '0' */
	STEP_RESET,   /* RST */
	STEP_HALT,    /* do nothing more, keep the connection open */
	STEP_CALL,    /* call server->hook(server->hook_arg) */
	STEP_LOOP,    /* begin the script again */
};
struct step {
	enum step_kind kind;
	const char *text;
	size_t n;
};

#define SCRIPTS_MAX     16
#define CONNECTIONS_MAX 64

struct scripted_connection;
struct scripted_server {
	struct loop *loop;
	char url[64];                            /* http://127.0.0.1:PORT */
	const struct step *scripts[SCRIPTS_MAX]; /* by connection; the last one is repeated */
	void (*hook)(void *arg);
	void *hook_arg;
	struct buf heads, body;
	unsigned accepted, requests, open, open_max;
	/* private */
	int fd;
	struct event *on_accept;
	struct scripted_connection *connections[CONNECTIONS_MAX];
};

void scripted_start(struct scripted_server *s, struct loop *loop, const struct step *first_script);
void scripted_stop(struct scripted_server *s);
