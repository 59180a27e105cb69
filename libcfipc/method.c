/* Typed calls: arguments become parameters, a reply becomes a result, and the waiting form is the other one,
 * waited for. */
#include "libcfipc/method.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void options_init(const struct options_type *type, void *options, size_t size)
{
	memset(options, 0, size);
	memcpy(options, type->defaults, size < type->size ? size : type->size);
	memcpy(options, &size, size < sizeof(size) ? 0 : sizeof(size));
}

int options_read(const struct options_type *type, const void *options, void *ret_options)
{
	size_t size = type->size;

	if (options)
		memcpy(&size, options, sizeof(size));
	if (size < sizeof(size))
		return -EINVAL;
	memcpy(ret_options, type->defaults, type->size);
	if (options)
		memcpy(ret_options, options, size < type->size ? size : type->size);
	return 0;
}

static int write_options(struct json_object *object, const struct argument *argument)
{
	void *options = malloc(argument->type->size);
	int r = options ? options_read(argument->type, argument->pointer, options) : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < argument->type->n_fields; i++) {
		const struct field *field = &argument->type->fields[i];

		if (field->type == FIELD_COUNT && *(const int64_t *)((char *)options + field->offset) < -1)
			r = -EINVAL;
	}
	if (r >= 0)
		r = fields_write(object, argument->type->fields, argument->type->n_fields, options);
	free(options);
	return r;
}

static int write_object(struct json_object *in, const struct argument *argument)
{
	struct json_object *object = json_object_new_object();
	int r = object ? write_options(object, argument) : -ENOMEM;

	if (r < 0 || (argument->kind == ARGUMENT_OBJECT && json_object_object_length(object) == 0)) {
		json_object_put(object);
		return r;
	}
	return fields_add(in, argument->name, object);
}

static int write_pairs(struct json_object *in, const struct argument *argument)
{
	struct json_object *object = json_object_new_object();
	const char *const *pair = argument->pointer;

	for (; object && pair && pair[0]; pair += 2) {
		if (!pair[1]) {
			json_object_put(object);
			return -EINVAL;
		}
		if (fields_add(object, pair[0], json_object_new_string(pair[1])) < 0) {
			json_object_put(object);
			return -ENOMEM;
		}
	}
	return fields_add(in, argument->name, object);
}

static int write_files(struct json_object *in, const struct argument *argument)
{
	static const struct field fields[] = {{"bucket", FIELD_STRING, offsetof(cfipc_file_ref, bucket)},
					      {"path", FIELD_STRING, offsetof(cfipc_file_ref, path)}};
	const cfipc_file_ref *files = argument->pointer;
	struct json_object *array = json_object_new_array();
	int r = array ? 0 : -ENOMEM;

	for (int64_t i = 0; r >= 0 && i < argument->number; i++) {
		struct json_object *file = json_object_new_object();

		r = file ? fields_write(file, fields, 2, &files[i]) : -ENOMEM;
		if (r >= 0 && json_object_array_add(array, file) < 0)
			r = -ENOMEM;
		if (r < 0)
			json_object_put(file);
	}
	if (r >= 0 && argument->number > 0)
		return fields_add(in, argument->name, array);
	json_object_put(array);
	return r;
}

static int write_argument(struct json_object *in, const struct argument *argument, unsigned *flags)
{
	switch (argument->kind) {
	case ARGUMENTS_END: return 0;
	case ARGUMENT_STRING: {
		const struct field field = {argument->name, FIELD_STRING, 0};

		return fields_write(in, &field, 1, &argument->pointer);
	}
	case ARGUMENT_INT: {
		const struct field field = {argument->name, FIELD_INT64, 0};

		return fields_write(in, &field, 1, &argument->number);
	}
	case ARGUMENT_COUNT: {
		const struct field field = {argument->name, FIELD_COUNT, 0};

		return argument->number < -1 ? -EINVAL : fields_write(in, &field, 1, &argument->number);
	}
	case ARGUMENT_FLAG: {
		const struct field field = {argument->name, FIELD_TRISTATE, 0};
		int flag = (int)argument->number;

		return fields_write(in, &field, 1, &flag);
	}
	case ARGUMENT_STRINGS: {
		const struct field field = {argument->name, FIELD_STRINGS, 0};

		return fields_write(in, &field, 1, &argument->pointer);
	}
	case ARGUMENT_PAIRS: return write_pairs(in, argument);
	case ARGUMENT_OPTIONS: return write_options(in, argument);
	case ARGUMENT_OBJECT:
	case ARGUMENT_NEEDED: return write_object(in, argument);
	case ARGUMENT_FILES: return write_files(in, argument);
	case ARGUMENT_ALL: *flags |= argument->number == CFIPC_ALL ? CFIPC_MORE : 0; return 0;
	case ARGUMENT_STREAM: *flags |= argument->number ? CFIPC_MORE : 0; return 0;
	}
	return -EINVAL;
}

struct typed *typed_free(struct typed *typed)
{
	if (!typed)
		return NULL;
	json_object_put(typed->result);
	transfer_free(typed->transfer);
	free(typed);
	return NULL;
}

int method_start(cfipc_client *client, cfipc_op **ret_op, const struct method *method,
		 const struct argument *arguments, cfipc_result_cb callback, void *userdata)
{
	struct typed *typed = calloc(1, sizeof(*typed));
	struct json_object *in = json_object_new_object();
	unsigned flags = method->flags;
	cfipc_op *op = NULL;
	int r = typed && in ? 0 : -ENOMEM;

	for (; r >= 0 && arguments->kind != ARGUMENTS_END; arguments++)
		r = write_argument(in, arguments, &flags);
	if (r >= 0)
		r = op_start(client, &op, method->name, in, flags, NULL, userdata);
	if (r < 0) {
		typed_free(typed);
		varlink_wipe(in);
		json_object_put(in);
		return r;
	}
	varlink_wipe(in);
	json_object_put(in);
	typed->method = method;
	typed->callback = callback;
	op->typed = typed;
	if (ret_op)
		*ret_op = op;
	else
		cfipc_op_unref(op);
	return 0;
}

int memory_fd(const void *data, size_t size)
{
	int fd = memfd_create("cfipc", MFD_CLOEXEC);
	const char *from = data;

	if (fd < 0)
		return -errno;
	while (size > 0) {
		ssize_t n = write(fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int r = -errno;

			close(fd);
			return r;
		}
		from += n;
		size -= (size_t)n;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

int method_start_fd(cfipc_client *client, cfipc_op **ret_op, const struct method *method,
		    const struct argument *arguments, struct passed passed, struct transfer *transfer,
		    cfipc_result_cb callback, void *userdata)
{
	cfipc_op *op = NULL;
	int pushed = -1, r = method_start(client, &op, method, arguments, callback, userdata);

	if (r < 0) {
		transfer_free(transfer);
	} else {
		op->typed->transfer = transfer;
		if (!passed.ours)
			pushed = passed.fd < 0 ? -EBADF : cfipc_op_push_dup_fd(op, passed.fd);
		else
			pushed = passed.fd < 0 ? passed.fd : cfipc_op_push_fd(op, passed.fd);
		if (pushed < 0)
			op_finish(op, NULL, 0,
				  error_local(CFIPC_ERROR_LOCAL, -pushed, "%s: %s", passed.name,
					      strerror(-pushed)),
				  NULL);
	}
	if (pushed < 0 && passed.ours && passed.fd >= 0)
		close(passed.fd);
	if (r >= 0 && ret_op)
		*ret_op = op;
	else
		cfipc_op_unref(op);
	return r;
}

static struct json_object *result_of(const struct method *method, struct json_object *reply)
{
	struct json_object *result = reply;

	if (method->member && !json_object_object_get_ex(reply, method->member, &result))
		return NULL;
	return json_object_get(result);
}

void typed_judge(cfipc_op *op, struct delivery *d)
{
	struct typed *typed = op->typed;
	bool final = !(d->flags & CFIPC_CONTINUES);
	struct json_object *reply = NULL;
	cfipc_error *error = NULL;

	json_object_put(typed->result);
	typed->result = NULL;
	if (!d->error && json_parse(d->json, d->len, &reply, NULL) < 0)
		typed->failed = true;
	if (typed->failed && !final) {
		cfipc_op_cancel(op);
		return;
	}
	if (typed->failed)
		error = error_local(CFIPC_ERROR_SYSTEM, ENOMEM, "out of memory");
	if (final && typed->transfer && !error)
		error = d->error ? transfer_fail(typed->transfer, d->error)
				 : transfer_finish(typed->transfer, reply);
	if (!d->error && !error) {
		/* A reply that only tells how far a transfer is, is no result and has none. */
		bool progress = typed->transfer && !final;

		typed->result = progress ? json_object_get(reply) : result_of(typed->method, reply);
		if (!typed->result && final)
			error = error_local(CFIPC_ERROR_PROTOCOL, EBADMSG, "%s answered without \"%s\"",
					    typed->method->name, typed->method->member);
	}
	json_object_put(reply);
	if (!error)
		return;
	if (d->error)
		cfipc_error_free(d->error);
	d->error = error;
	d->flags = final ? CFIPC_LOCAL : d->flags;
}

int typed_deliver(cfipc_op *op, const struct delivery *d)
{
	struct typed *typed = op->typed;
	int r = 0;

	if (typed->transfer && (d->flags & CFIPC_CONTINUES))
		r = transfer_progress(op, typed->transfer, typed->result);
	else if (typed->callback && (typed->result || d->error))
		r = typed->callback(op, d->error ? NULL : typed->result, d->error, d->flags, op->userdata);
	json_object_put(typed->result);
	typed->result = NULL;
	return r;
}

static int append(struct json_object *all, const char *name, struct json_object *item)
{
	struct json_object *array = NULL;

	if (!json_object_object_get_ex(all, name, &array)) {
		array = json_object_new_array();
		if (fields_add(all, name, array) < 0)
			return -ENOMEM;
	}
	if (json_object_array_add(array, json_object_get(item)) == 0)
		return 0;
	json_object_put(item);
	return -ENOMEM;
}

/* Adds what a piece of a longer answer holds to what the pieces before it held. */
static int gather(const struct method *method, struct json_object **all, struct json_object *piece)
{
	struct json_object *item = NULL;

	if (!*all)
		*all = json_object_new_object();
	if (!*all)
		return -ENOMEM;
	if (method->one && json_object_object_get_ex(piece, method->one, &item) && item &&
	    append(*all, method->many, item) < 0)
		return -ENOMEM;
	json_object_object_foreach(piece, key, value)
	{
		if (!json_object_is_type(value, json_type_array))
			continue;
		for (size_t i = 0, n = json_object_array_length(value); i < n; i++)
			if (append(*all, key, json_object_array_get_idx(value, i)) < 0)
				return -ENOMEM;
	}
	return 0;
}

static int gather_end(struct json_object *all, struct json_object *last)
{
	json_object_object_foreach(all, key, value)
	{
		if (fields_add(last, key, json_object_get(value)) < 0)
			return -ENOMEM;
	}
	return 0;
}

int method_keep(cfipc_op *op, void *result, const cfipc_error *error, unsigned flags, void *userdata)
{
	const struct method *method = op->typed->method;
	struct kept *kept = userdata;
	bool pieces = !method->member && ((flags & CFIPC_CONTINUES) || kept->gathered);

	if (error)
		return 0;
	if (pieces && gather(method, &kept->gathered, result) < 0)
		kept->failed = true;
	if (!(flags & CFIPC_CONTINUES)) {
		kept->result = cfipc_ref(result);
		if (kept->gathered && gather_end(kept->gathered, result) < 0)
			kept->failed = true;
	}
	return kept->failed ? -1 : 0;
}

int method_wait(cfipc_op *op, int r, const char *name, struct kept *kept, void **ret_result,
		cfipc_error **ret_error)
{
	if (r >= 0)
		r = cfipc_op_wait(op, -1);
	if (kept->failed)
		r = -ENOMEM;
	r = op_explain(op, r, name, ret_error);
	json_object_put(kept->gathered);
	if (ret_result)
		*ret_result = NULL;
	if (r < 0 || !ret_result)
		json_object_put(kept->result);
	else
		*ret_result = kept->result;
	return r;
}

int method_call(cfipc_client *client, const struct method *method, const struct argument *arguments,
		void **ret_result, cfipc_error **ret_error)
{
	struct kept kept = {0};
	cfipc_op *op = NULL;
	int r = method_start(client, &op, method, arguments, method_keep, &kept);

	return method_wait(op, r, method->name, &kept, ret_result, ret_error);
}
