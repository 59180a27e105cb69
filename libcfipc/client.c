/* The client: making and letting go, the one descriptor, and the two halves of a turn: client_io moves bytes
 * and queues what came, client_deliver runs callbacks. A blocking function is a loop of both that delivers
 * for its own op only; what it queued for others keeps the descriptor ready until process has delivered it.
 */
#include "libcfipc/method.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX    16
#define USEC_PER_SEC  1000000LL
#define NSEC_PER_USEC 1000LL

int64_t client_now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * USEC_PER_SEC + now.tv_nsec / NSEC_PER_USEC;
}

int64_t client_deadline(int64_t usec)
{
	int64_t now = client_now_usec();

	return usec < 0 || usec > INT64_MAX - now ? -1 : now + usec;
}

int client_check(const cfipc_client *client)
{
	return client->pid == getpid() ? 0 : -ECHILD;
}

void cfipc_options_init(cfipc_options *options, size_t size)
{
	cfipc_options all = {.timeout_usec = -1};

	memset(options, 0, size);
	memcpy(options, &all, size < sizeof(all) ? size : sizeof(all));
	options->size = size;
}

static struct wake *wake_new(void)
{
	struct wake *wake = calloc(1, sizeof(*wake));

	if (!wake)
		return NULL;
	wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake->fd < 0) {
		free(wake);
		return NULL;
	}
	atomic_init(&wake->refs, 1);
	pthread_mutex_init(&wake->lock, NULL);
	return wake;
}

struct wake *wake_unref(struct wake *wake)
{
	if (!wake || atomic_fetch_sub(&wake->refs, 1) != 1)
		return NULL;
	close(wake->fd);
	pthread_mutex_destroy(&wake->lock);
	free(wake);
	return NULL;
}

void client_wake(struct wake *wake)
{
	eventfd_write(wake->fd, 1); /* fails only when it is full, and then the descriptor is ready */
	pthread_mutex_lock(&wake->lock);
	if (wake->wakeup)
		wake->wakeup(wake->userdata);
	pthread_mutex_unlock(&wake->lock);
}

int cfipc_client_set_wakeup(cfipc_client *client, cfipc_wakeup_cb wakeup, void *userdata)
{
	pthread_mutex_lock(&client->wake->lock);
	client->wake->wakeup = wakeup;
	client->wake->userdata = userdata;
	pthread_mutex_unlock(&client->wake->lock);
	return client_check(client);
}

static int watch(cfipc_client *client, int fd, struct source *source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	return epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int set_up(cfipc_client *client, const cfipc_options *options)
{
	char *address = NULL;
	int r = options->address ? 0 : cfipc_default_address(&address);

	if (r >= 0)
		r = address_parse(address ? address : options->address, &client->socket_address,
				  &client->socket_address_len, &client->address);
	free(address);
	if (r < 0)
		return r;
	client->timeout = options->timeout_usec;
	client->autostart = options->autostart;
	client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	client->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	client->wake = wake_new();
	if (client->epoll_fd < 0 || client->timer_fd < 0 || !client->wake)
		return errno ? -errno : -ENOMEM;
	client->wake_source = (struct source){SOURCE_WAKE, client};
	client->timer_source = (struct source){SOURCE_TIMER, client};
	client->start_source = (struct source){SOURCE_START, client};
	r = watch(client, client->wake->fd, &client->wake_source);
	return r < 0 ? r : watch(client, client->timer_fd, &client->timer_source);
}

static void client_free(cfipc_client *client)
{
	while (client->conns)
		conn_close(client->conns);
	while (client->fresh_first) {
		cfipc_op *op = client->fresh_first;

		client->fresh_first = op->next;
		cfipc_op_unref(op);
	}
	if (client->epoll_fd >= 0)
		close(client->epoll_fd);
	if (client->timer_fd >= 0)
		close(client->timer_fd);
	if (client->start_fd >= 0) {
		if (client_check(client) >= 0)
			start_abandon(client->start_fd);
		close(client->start_fd);
	}
	if (client->wake)
		cfipc_client_set_wakeup(client, NULL, NULL);
	wake_unref(client->wake);
	free(client->address);
	free(client);
}

int cfipc_client_new(cfipc_client **ret_client, const cfipc_options *options)
{
	cfipc_options all;

	cfipc_options_init(&all, sizeof(all));
	if (options && options->size < sizeof(options->size))
		return -EINVAL;
	if (options)
		memcpy(&all, options, options->size < sizeof(all) ? options->size : sizeof(all));
	cfipc_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->refs = 1;
	client->pid = getpid();
	client->epoll_fd = client->timer_fd = client->start_fd = -1;
	client->armed = -1;
	int r = set_up(client, &all);

	if (r < 0) {
		client_free(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

cfipc_client *cfipc_client_ref(cfipc_client *client)
{
	if (client)
		client->refs++;
	return client;
}

cfipc_client *cfipc_client_unref(cfipc_client *client)
{
	if (!client || --client->refs > 0)
		return NULL;
	client->refs = 1; /* for the callbacks below */
	client->dying = true;
	for (cfipc_op *op = client->live; op; op = op->next_live)
		if (op->state < OP_FINISHED)
			op_finish(op, NULL, 0,
				  error_local(CFIPC_ERROR_CANCELED, ECANCELED, "the client was closed"),
				  NULL);
	/* A child after fork has copies of ops that are answered in its parent: no callback of theirs runs
	 * here. */
	if (client_check(client) < 0)
		for (cfipc_op *op = client->live; op; op = op->next_live)
			op_forget(op);
	while (client->first)
		client_deliver(client, NULL);
	client_free(client);
	return NULL;
}

const char *cfipc_client_get_address(const cfipc_client *client)
{
	return client->address;
}

int cfipc_client_is_connected(const cfipc_client *client)
{
	return client->shared && client->shared->state == CONN_OPEN;
}

int cfipc_client_set_timeout(cfipc_client *client, int64_t usec)
{
	client->timeout = usec;
	return client_check(client);
}

int cfipc_client_set_autostart(cfipc_client *client, int on)
{
	client->autostart = on;
	return client_check(client);
}

int cfipc_client_get_fd(const cfipc_client *client)
{
	int r = client_check(client);

	return r < 0 ? r : client->epoll_fd;
}

int cfipc_client_get_events(const cfipc_client *client)
{
	int r = client_check(client);

	return r < 0 ? r : POLLIN;
}

int64_t cfipc_client_get_timeout(const cfipc_client *client)
{
	int r = client_check(client);

	if (r < 0)
		return r;
	if (client->first || client->fresh_first)
		return 0;
	if (client->armed < 0)
		return -1;
	int64_t left = client->armed - client_now_usec();

	return left > 0 ? left : 0;
}

static void set_timer(cfipc_client *client, int64_t deadline)
{
	struct itimerspec when = {{0}};

	if (deadline >= 0) {
		when.it_value.tv_sec = deadline / USEC_PER_SEC;
		when.it_value.tv_nsec = deadline % USEC_PER_SEC * NSEC_PER_USEC;
		/* All zero would disarm it. */
		when.it_value.tv_nsec += when.it_value.tv_sec == 0 && when.it_value.tv_nsec == 0;
	}
	timerfd_settime(client->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	client->armed = deadline;
}

void client_arm(cfipc_client *client, int64_t deadline)
{
	if (deadline >= 0 && (client->armed < 0 || deadline < client->armed))
		set_timer(client, deadline);
}

static bool end_cancelled(cfipc_client *client)
{
	bool any = false;

	if (!atomic_exchange(&client->wake->cancelled, false))
		return false;
	for (cfipc_op *op = client->live; op; op = op->next_live) {
		if (op->state >= OP_FINISHED || !atomic_load(&op->cancel))
			continue;
		op_finish(op, NULL, 0, error_local(CFIPC_ERROR_CANCELED, ECANCELED, "cancelled"), NULL);
		conn_drop_op(op);
		any = true;
	}
	return any;
}

static bool end_late(cfipc_client *client)
{
	int64_t now, next = -1;
	bool any = false;

	if (client->armed < 0 || (now = client_now_usec()) < client->armed)
		return false;
	for (cfipc_op *op = client->live; op; op = op->next_live) {
		if (op->state >= OP_FINISHED || op->deadline < 0)
			continue;
		if (op->deadline <= now) {
			op_finish(op, NULL, 0,
				  error_local(CFIPC_ERROR_TIMEOUT, ETIMEDOUT, "no reply in time"), NULL);
			conn_drop_op(op);
			any = true;
		} else if (next < 0 || op->deadline < next)
			next = op->deadline;
	}
	set_timer(client, next);
	conn_retry_due(client, now);
	return any;
}

int client_io(cfipc_client *client)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(client->epoll_fd, events, EVENTS_MAX, 0);
	bool any = false;

	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;
		uint64_t count;

		switch (source->kind) {
		case SOURCE_WAKE:
			if (eventfd_read(client->wake->fd, &count) < 0 && errno != EAGAIN)
				return -errno;
			continue;
		case SOURCE_TIMER: continue; /* rearmed below */
		case SOURCE_START: conn_start_done(client); break;
		case SOURCE_CONN: conn_on_event(source->owner, events[i].events); break;
		}
		any = true;
	}
	any |= end_cancelled(client);
	any |= end_late(client);
	any |= client->fresh_first != NULL;
	conn_send_fresh(client);
	return any;
}

int client_poll(cfipc_client *client, int64_t deadline)
{
	struct pollfd p = {.fd = client->epoll_fd, .events = POLLIN};

	for (;;) {
		struct timespec left = {0}, *timeout = NULL;

		if (deadline >= 0) {
			int64_t usec = deadline - client_now_usec();

			usec = usec < 0 ? 0 : usec;
			left.tv_sec = usec / USEC_PER_SEC;
			left.tv_nsec = usec % USEC_PER_SEC * NSEC_PER_USEC;
			timeout = &left;
		}
		int r = ppoll(&p, 1, timeout, NULL);

		if (r >= 0)
			return r;
		if (errno != EINTR)
			return -errno;
	}
}

int client_queue(cfipc_client *client, cfipc_op *op, char *json, size_t len, cfipc_error *error,
		 unsigned flags, struct frame_fds *fds)
{
	struct delivery *d = flags & CFIPC_CONTINUES ? calloc(1, sizeof(*d)) : &op->final;

	if (!d) {
		free(json);
		frame_fds_close(fds);
		return -ENOMEM;
	}
	*d = (struct delivery){
		.op = cfipc_op_ref(op), .json = json, .len = len, .error = error, .flags = flags};
	if (fds)
		d->fds = *fds;
	op->backlog += len;
	if (client->last)
		client->last->next = d;
	else
		client->first = d;
	client->last = d;
	return 0;
}

/* Takes the first delivery (of that op) out of the queue. */
static struct delivery *next_delivery(cfipc_client *client, cfipc_op *only)
{
	struct delivery *before = NULL, *d = client->first;

	while (d && only && d->op != only) {
		before = d;
		d = d->next;
	}
	if (!d)
		return NULL;
	if (before)
		before->next = d->next;
	else
		client->first = d->next;
	if (client->last == d)
		client->last = before;
	d->next = NULL;
	return d;
}

static void deliver(cfipc_client *client, struct delivery *d)
{
	cfipc_op *op = d->op;
	bool final = !(d->flags & CFIPC_CONTINUES);
	int r = 0;

	op->backlog -= d->len;
	if (op->conn)
		conn_update(op->conn);
	/* What a cancelled op still had in store is not delivered. */
	if (final || !atomic_load(&op->cancel)) {
		frame_fds_close(&op->got);
		op->got = d->fds;
		frame_fds_init(&d->fds);
		if (op->typed)
			typed_judge(op, d);
		if (final)
			op->error = d->error;
		op->in_callback = true;
		client->depth++;
		if (op->typed)
			r = typed_deliver(op, d);
		else if (op->callback)
			r = op->callback(op, d->json, d->error, d->flags, op->userdata);
		client->depth--;
		op->in_callback = false;
	}
	if (!final && r < 0)
		cfipc_op_cancel(op);
	frame_fds_close(&d->fds);
	if (d->json)
		explicit_bzero(d->json, d->len);
	free(d->json);
	if (final)
		op_done(op, d);
	else
		free(d);
	cfipc_op_unref(op);
}

unsigned client_deliver(cfipc_client *client, cfipc_op *only)
{
	struct delivery *last = client->last, *d;
	unsigned n = 0;
	bool was_last = !last;

	/* What callbacks bring about waits for the next turn. */
	while (!was_last && (d = next_delivery(client, only))) {
		was_last = d == last;
		deliver(client, d);
		n++;
	}
	return n;
}

int cfipc_client_process(cfipc_client *client)
{
	int r = client_check(client);

	if (r < 0)
		return r;
	if (client->depth > 0)
		return -EBUSY;
	cfipc_client_ref(client);
	r = client_io(client);
	if (r >= 0 && client_deliver(client, NULL) > 0)
		r = 1;
	if (client->first || client->fresh_first)
		eventfd_write(client->wake->fd, 1);
	cfipc_client_unref(client);
	return r;
}

int cfipc_client_wait(cfipc_client *client, int64_t usec)
{
	int r = client_check(client);

	if (r < 0)
		return r;
	if (client->first || client->fresh_first)
		return 1;
	return client_poll(client, client_deadline(usec));
}

static bool unsent(const cfipc_client *client)
{
	if (client->fresh_first)
		return true;
	for (const struct conn *conn = client->conns; conn; conn = conn->next)
		if (conn->out.first)
			return true;
	return false;
}

int cfipc_client_flush(cfipc_client *client)
{
	int64_t deadline = client_deadline(client->timeout);
	int r = client_check(client);

	while (r >= 0) {
		r = client_io(client);
		if (r < 0 || !unsent(client))
			break;
		r = client_poll(client, deadline);
		if (r == 0)
			r = -ETIMEDOUT;
	}
	if (client->first)
		eventfd_write(client->wake->fd, 1);
	return r < 0 ? r : 0;
}
