/*
 * Listening, accepting, a thread for each connection, and the orderly end: see server.h.
 */
#include "server.h"

#include "fault_orders.h"
#include "http/conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_BACKLOG 512
/* Handlers keep their big things on the heap. */
#define THREAD_STACK_BYTES (256 * 1024)
/* At the end, requests being served get this long before their connections are cut. */
#define STOP_GRACE_MS 3000

struct job {
	struct server *server;
	struct conn conn;
};

static int bind_first(const struct addrinfo *list, int *ret_fd)
{
	int error = -EADDRNOTAVAIL;

	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0) {
			*ret_fd = fd;
			return 0;
		}
		error = -errno;
		close(fd);
	}
	return error;
}

static int describe(int fd, struct buf *url)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char host[64], port[16];

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	if (getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -EINVAL;
	buf_addf(url, address.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host, port);
	return url->failed ? -ENOMEM : 0;
}

/* address is HOST:PORT, [V6]:PORT or :PORT. */
int server_listen(const char *address, int *ret_fd, struct buf *ret_url)
{
	const char *colon = strrchr(address, ':');
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list;

	if (!colon)
		return -EINVAL;
	struct span host = {address, (size_t)(colon - address)};
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = (struct span){host.p + 1, host.n - 2};
	_cleanup_free_ char *name = span_dup(host);
	if (!name)
		return -ENOMEM;
	if (getaddrinfo(host.n ? name : NULL, colon + 1, &hints, &list) != 0)
		return -EINVAL;
	int fd = -1, r = bind_first(list, &fd);
	freeaddrinfo(list);
	if (r == 0)
		r = describe(fd, ret_url);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static void enlist(struct server *s, struct conn *c)
{
	pthread_mutex_lock(&s->lock);
	c->next = s->conns;
	c->prevp = &s->conns;
	if (s->conns)
		s->conns->prevp = &c->next;
	s->conns = c;
	s->n_conns++;
	pthread_mutex_unlock(&s->lock);
}

static void delist(struct server *s, struct conn *c)
{
	pthread_mutex_lock(&s->lock);
	*c->prevp = c->next;
	if (c->next)
		c->next->prevp = c->prevp;
	conn_done(c);
	s->n_conns--;
	pthread_cond_broadcast(&s->all_gone);
	pthread_mutex_unlock(&s->lock);
}

static void *run_job(void *arg)
{
	struct job *job = arg;

	serve_connection(job->server, &job->conn);
	delist(job->server, &job->conn);
	free(job);
	return NULL;
}

static void start_job(struct server *s, int fd)
{
	struct job *job = calloc(1, sizeof(*job));
	pthread_attr_t attr;
	pthread_t thread;
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!job || conn_init(&job->conn, fd) < 0) {
		free(job);
		close(fd);
		return;
	}
	job->server = s;
	enlist(s, &job->conn);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int r = pthread_create(&thread, &attr, run_job, job);
	pthread_attr_destroy(&attr);
	if (r != 0) {
		fprintf(stderr, "carbonfiles-devserver: no thread for a connection: %s\n", strerror(r));
		delist(s, &job->conn);
		free(job);
	}
}

/* Wakes the threads that wait for a request (all of them if `all`) by ending their sockets. */
static void cut_connections(struct server *s, bool all)
{
	for (struct conn *c = s->conns; c; c = c->next)
		if (all || c->idle)
			shutdown(c->fd, all ? SHUT_RDWR : SHUT_RD);
}

static bool wait_all_gone(struct server *s, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	while (s->n_conns)
		if (pthread_cond_timedwait(&s->all_gone, &s->lock, &until) != 0)
			break;
	return s->n_conns == 0;
}

int server_run(struct server *s, int listen_fd, int stop_fd)
{
	struct pollfd p[2] = {{.fd = listen_fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};

	for (;;) {
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (p[1].revents)
			break;
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			start_job(s, fd);
		else if (errno == EMFILE || errno == ENFILE)
			sleep_us(10000); /* until another connection ends */
	}
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	fault_orders_stop();
	cut_connections(s, false);
	if (!wait_all_gone(s, STOP_GRACE_MS)) {
		cut_connections(s, true);
		wait_all_gone(s, STOP_GRACE_MS);
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
}
