/* Calls: made, given descriptors, waited for, cancelled, ended. */
#include "libcfipc/method.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

cfipc_op *cfipc_op_ref(cfipc_op *op)
{
	if (op)
		atomic_fetch_add(&op->refs, 1);
	return op;
}

cfipc_op *cfipc_op_unref(cfipc_op *op)
{
	if (!op || atomic_fetch_sub(&op->refs, 1) != 1)
		return NULL;
	for (unsigned i = 0; i < op->n_fds; i++)
		close(op->fds[i]);
	if (op->text) {
		explicit_bzero(op->text, op->text_len);
		free(op->text);
	}
	frame_fds_close(&op->got);
	cfipc_error_free(op->error);
	typed_free(op->typed);
	wake_unref(op->wake);
	free(op);
	return NULL;
}

static void link_op(cfipc_client *client, cfipc_op *op)
{
	op->next_live = client->live;
	if (op->next_live)
		op->next_live->prev_live = op;
	client->live = op;
	if (client->fresh_last)
		client->fresh_last->next = op;
	else
		client->fresh_first = op;
	client->fresh_last = op;
}

void op_done(cfipc_op *op, struct delivery *final)
{
	cfipc_client *client = op->client;

	memset(final, 0, sizeof(*final));
	op->state = OP_DONE;
	op->client = NULL;
	op->conn = NULL;
	if (op->prev_live)
		op->prev_live->next_live = op->next_live;
	else
		client->live = op->next_live;
	if (op->next_live)
		op->next_live->prev_live = op->prev_live;
	op->next_live = op->prev_live = NULL;
}

void op_finish(cfipc_op *op, char *json, size_t len, cfipc_error *error, struct frame_fds *fds)
{
	if (op->state >= OP_FINISHED) {
		free(json);
		cfipc_error_free(error);
		if (fds)
			frame_fds_close(fds);
		return;
	}
	op->state = OP_FINISHED;
	op->deadline = -1;
	if (op->text) {
		explicit_bzero(op->text, op->text_len);
		free(op->text);
		op->text = NULL;
	}
	client_queue(op->client, op, json, len, error, error && !cfipc_error_name(error) ? CFIPC_LOCAL : 0,
		     fds);
}

void op_restart_timeout(cfipc_op *op)
{
	op->deadline = client_deadline(op->timeout);
	client_arm(op->client, op->deadline);
}

/* The request as one message. */
static int make_text(cfipc_op *op, const char *method, struct json_object *parameters)
{
	op->text = varlink_call_format(method, parameters, op->flags & CFIPC_ONEWAY, op->flags & CFIPC_MORE,
				       &op->text_len);
	return !op->text ? -ENOMEM : op->text_len > CLIENT_MAX_REQUEST ? -E2BIG : 0;
}

int op_start(cfipc_client *client, cfipc_op **ret_op, const char *method, struct json_object *parameters,
	     unsigned flags, cfipc_reply_cb callback, void *userdata)
{
	int r = client_check(client);

	if (r < 0)
		return r;
	if (client->dying)
		return -ECANCELED;
	cfipc_op *op = calloc(1, sizeof(*op));

	if (!op)
		return -ENOMEM;
	atomic_init(&op->refs, ret_op ? 2 : 1);
	op->flags = flags;
	r = make_text(op, method, parameters);
	if (r < 0) {
		atomic_store(&op->refs, 1);
		cfipc_op_unref(op);
		return r;
	}
	op->client = client;
	op->wake = client->wake;
	atomic_fetch_add(&op->wake->refs, 1);
	op->callback = callback;
	op->userdata = userdata;
	op->timeout = client->timeout;
	library_log(CFIPC_LOG_DEBUG, "calling %s", method);
	bool first = !client->fresh_first;

	link_op(client, op);
	op_restart_timeout(op);
	if (first)
		client_wake(client->wake);
	if (ret_op)
		*ret_op = op;
	return 0;
}

int cfipc_call_async(cfipc_client *client, cfipc_op **ret_op, const char *method, const char *in_json,
		     unsigned flags, cfipc_reply_cb callback, void *userdata)
{
	struct json_object *parameters = NULL;

	if (!method || !varlink_method_valid(method) ||
	    (flags & ~(unsigned)(CFIPC_MORE | CFIPC_ONEWAY | CFIPC_DEDICATED)) ||
	    ((flags & CFIPC_MORE) && (flags & CFIPC_ONEWAY)))
		return -EINVAL;
	int r = in_json ? json_parse(in_json, strlen(in_json), &parameters, NULL) : 0;

	if (r < 0)
		return r == -ENOMEM || r == -E2BIG ? r : -EINVAL;
	if (parameters && !json_object_is_type(parameters, json_type_object))
		r = -EINVAL;
	else
		r = op_start(client, ret_op, method, parameters, flags, callback, userdata);
	varlink_wipe(parameters);
	json_object_put(parameters);
	return r;
}

void cfipc_op_cancel(cfipc_op *op)
{
	if (!op)
		return;
	atomic_store(&op->cancel, true);
	atomic_store(&op->wake->cancelled, true);
	client_wake(op->wake);
}

int cfipc_op_push_fd(cfipc_op *op, int fd)
{
	int r = op->client ? client_check(op->client) : -EBUSY;

	if (r < 0)
		return r;
	if (op->state != OP_FRESH)
		return -EBUSY;
	if (fd < 0)
		return -EBADF;
	if (op->n_fds == CFIPC_FDS_MAX)
		return -EMFILE;
	op->fds[op->n_fds] = fd;
	return (int)op->n_fds++;
}

int cfipc_op_push_dup_fd(cfipc_op *op, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	int r = cfipc_op_push_fd(op, copy);

	if (r < 0)
		close(copy);
	return r;
}

int cfipc_op_take_fd(cfipc_op *op, unsigned index)
{
	return frame_fds_take(&op->got, index);
}

int cfipc_op_wait(cfipc_op *op, int64_t usec)
{
	int64_t deadline = client_deadline(usec);
	cfipc_client *client = op->client;
	int r = 0;

	if (op->state == OP_DONE)
		return op->error ? error_result(op->error) : 0;
	if (op->in_callback)
		return -EBUSY;
	r = client_check(client);
	if (r < 0)
		return r;
	cfipc_op_ref(op);
	cfipc_client_ref(client);
	for (;;) {
		r = client_io(client);
		if (r >= 0)
			client_deliver(client, op);
		if (r < 0 || op->state == OP_DONE)
			break;
		/* A callback of this op may have asked for more. */
		if (client->fresh_first || op->backlog > 0)
			continue;
		r = client_poll(client, deadline);
		if (r == 0)
			r = -ETIMEDOUT;
		if (r < 0)
			break;
	}
	if (op->state == OP_DONE)
		r = op->error ? error_result(op->error) : 0;
	/* What came for others is not stranded. */
	if (client->first || client->fresh_first)
		client_wake(client->wake);
	cfipc_client_unref(client);
	cfipc_op_unref(op);
	return r;
}

int cfipc_op_is_done(const cfipc_op *op)
{
	return op->state == OP_DONE;
}

void cfipc_op_set_userdata(cfipc_op *op, void *userdata)
{
	op->userdata = userdata;
}

void *cfipc_op_get_userdata(const cfipc_op *op)
{
	return op->userdata;
}

int cfipc_op_set_timeout(cfipc_op *op, int64_t usec)
{
	if (!op->client)
		return 0;
	int r = client_check(op->client);

	if (r < 0)
		return r;
	op->timeout = usec;
	if (op->state < OP_FINISHED)
		op_restart_timeout(op);
	return 0;
}

const cfipc_error *cfipc_op_get_error(const cfipc_op *op)
{
	return op->state == OP_DONE || op->in_callback ? op->error : NULL;
}

void op_forget(cfipc_op *op)
{
	op->callback = NULL;
	if (op->typed)
		op->typed->callback = NULL;
}

int op_explain(cfipc_op *op, int r, const char *name, cfipc_error **ret_error)
{
	if (ret_error)
		*ret_error = NULL;
	if (r < 0 && op && !cfipc_op_is_done(op)) {
		cfipc_op_cancel(op);
		op_forget(op); /* its userdata goes out of scope */
	}
	if (r < 0 && ret_error) {
		const cfipc_error *error = op && r != -ENOMEM ? cfipc_op_get_error(op) : NULL;

		*ret_error = error ? cfipc_error_copy(error)
				   : error_local(op ? CFIPC_ERROR_SYSTEM : CFIPC_ERROR_USAGE, -r, "%s: %s",
						 name, cfipc_strerror(r));
	}
	cfipc_op_unref(op);
	return r < 0 ? r : 0;
}

static int keep_json(cfipc_op *op, const char *json, const cfipc_error *error, unsigned flags, void *userdata)
{
	char **kept = userdata;

	if (json)
		*kept = strdup(json);
	return 0;
}

int cfipc_call(cfipc_client *client, const char *method, const char *in_json, char **ret_json,
	       cfipc_error **ret_error)
{
	char *json = NULL;
	cfipc_op *op = NULL;
	int r = cfipc_call_async(client, &op, method, in_json, 0, keep_json, &json);

	if (r >= 0)
		r = cfipc_op_wait(op, -1);
	if (r >= 0 && !json)
		r = -ENOMEM;
	r = op_explain(op, r, method, ret_error);
	if (ret_json)
		*ret_json = NULL;
	if (r < 0 || !ret_json)
		free(json);
	else
		*ret_json = json;
	return r;
}
