/*
 * The server as a whole: what was asked on the command line, the store, the caches, the list of connections.
 * One thread per connection; the store has its own lock.
 */
#pragma once

#include "util.h"

#include <pthread.h>

struct conn;
struct store;

struct server {
	/* Options. */
	const char *admin_key;
	int64_t max_upload_bytes; /* 0: no limit */
	bool control;

	struct store *store;
	int64_t started_ms;

	/* Connections. */
	pthread_mutex_t lock;
	pthread_cond_t all_gone;
	struct conn *conns;
	size_t n_conns;
	_Atomic bool stopping;
};

int server_listen(const char *address, int *ret_fd, struct buf *ret_url);
/* Accepts until stop_fd becomes readable, then lets the connections end. */
int server_run(struct server *s, int listen_fd, int stop_fd);
/* Serves one connection until it ends (serve.c). */
void serve_connection(struct server *s, struct conn *c);
