/* Events of the server: the stream, and handlers on it. */
#include "libcfipc/method.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

GET_INT(event, seq)
GET_STRING(event, kind)
GET_STRING(event, at)
GET_STRING(event, profile)
GET_STRING(event, bucket)
GET_STRING(event, path)
GET_OBJECT(event, file, cfipc_file)
GET_OBJECT(event, bucket_info, cfipc_bucket)
GET_OBJECT(event, changes, cfipc_bucket_changes)
GET_INT(event, lost)
GET_STRING(bucket_changes, name)
GET_STRING(bucket_changes, description)
GET_STRING(bucket_changes, expires_at)

/* files is an array of structs and no row of a table. */
static const cfipc_subscribe_options subscribe_options_defaults = {.size = sizeof(subscribe_options_defaults),
								   .all = -1};
OPTIONS_TYPE(subscribe_options, {"buckets", FIELD_STRINGS, offsetof(cfipc_subscribe_options, buckets)},
	     {"all", FIELD_TRISTATE, offsetof(cfipc_subscribe_options, all)})
static const struct method subscribe_row = {REMOTE "Subscribe", "event", CFIPC_MORE};

int cfipc_subscribe(cfipc_client *client, cfipc_op **ret_op, const char *profile,
		    const cfipc_subscribe_options *options, cfipc_result_cb callback, void *userdata)
{
	cfipc_subscribe_options all;
	int r = options_read(&subscribe_options_type, options, &all);

	if (r < 0)
		return r;
	return method_start(client, ret_op, &subscribe_row,
			    ARGUMENTS(STRING(profile), OPTIONS(options, subscribe_options_type),
				      {ARGUMENT_FILES, "files", (int64_t)all.n_files, all.files}),
			    callback, userdata);
}

/* ---- Handlers ---- */

#define KIND_OTHER  ""       /* none of those that have a function */
#define KIND_CLOSED "closed" /* no kind of the interface: the stream's own end */

struct cfipc_handler {
	cfipc_handler *next;
	cfipc_events *events;
	const char *kind; /* static */
	cfipc_event_cb callback;
	cfipc_events_closed_cb closed;
	void *userdata;
	bool removed;
};

/* path NULL: a bucket. */
struct wanted {
	struct wanted *next;
	char *bucket, *path;
};

struct cfipc_events {
	unsigned refs;
	unsigned depth; /* calls of handlers on the stack: what is removed meanwhile is freed later */
	cfipc_client *client;
	char *profile;
	struct wanted *wanted;
	bool all;
	bool connected;    /* the caller wants the stream */
	cfipc_op *current; /* stands */
	cfipc_op *next;    /* will replace it */
	cfipc_handler *handlers;
};

static void free_removed(cfipc_events *events)
{
	cfipc_handler **place = &events->handlers;

	while (*place) {
		cfipc_handler *handler = *place;

		if (handler->removed) {
			*place = handler->next;
			free(handler);
		} else
			place = &handler->next;
	}
}

/* A stream that is given up tells nobody. */
static cfipc_op *drop(cfipc_op *op)
{
	if (op) {
		cfipc_op_cancel(op);
		op_forget(op);
	}
	return cfipc_op_unref(op);
}

static bool is_named(const char *kind)
{
	static const char *const named[] = {"file_created",   "file_updated",   "file_deleted",
					    "bucket_created", "bucket_updated", "bucket_deleted"};

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (strcmp(kind, named[i]) == 0)
			return true;
	return false;
}

static void tell(cfipc_events *events, const char *kind, cfipc_event *event, const cfipc_error *error)
{
	events->depth++;
	for (cfipc_handler *handler = events->handlers; handler; handler = handler->next) {
		if (handler->removed || strcmp(handler->kind, kind) != 0)
			continue;
		if (handler->closed)
			handler->closed(events, error, handler->userdata);
		else
			handler->callback(events, event, handler->userdata);
	}
	if (--events->depth == 0)
		free_removed(events);
}

static int on_event(cfipc_op *op, void *result, const cfipc_error *error, unsigned flags, void *userdata)
{
	cfipc_events *events = cfipc_events_ref(userdata);
	const char *kind = cfipc_event_kind(result);

	/* The first word of the new stream: it stands, and the old one is not needed any more. */
	if (op == events->next && result) {
		drop(events->current);
		events->current = events->next;
		events->next = NULL;
	}
	if (result && kind)
		tell(events, is_named(kind) ? kind : KIND_OTHER, result, NULL);
	if (!(flags & CFIPC_CONTINUES) && (op == events->current || op == events->next)) {
		events->current = drop(events->current);
		events->next = drop(events->next);
		events->connected = false;
		tell(events, KIND_CLOSED, NULL, error);
	}
	cfipc_events_unref(events);
	return 0;
}

static int open_stream(cfipc_events *events)
{
	cfipc_subscribe_options options;
	size_t n = 0, n_buckets = 0;

	for (const struct wanted *w = events->wanted; w; w = w->next)
		n++;
	const char **buckets = calloc(n + 1, sizeof(*buckets));
	cfipc_file_ref *files = calloc(n + 1, sizeof(*files));
	int r = buckets && files ? 0 : -ENOMEM;

	cfipc_subscribe_options_init(&options, sizeof(options));
	for (const struct wanted *w = events->wanted; r >= 0 && w; w = w->next)
		if (w->path)
			files[options.n_files++] = (cfipc_file_ref){w->bucket, w->path};
		else
			buckets[n_buckets++] = w->bucket;
	options.files = files;
	options.buckets = n_buckets > 0 ? buckets : NULL;
	options.all = events->all ? 1 : -1;
	if (r >= 0)
		r = cfipc_subscribe(events->client, &events->next, events->profile, &options, on_event,
				    events);
	free(buckets);
	free(files);
	return r;
}

/* Makes the stream what is wanted now. Of several changes in a row only the last is sent. */
static int reopen(cfipc_events *events)
{
	events->next = drop(events->next);
	if (!events->connected || (!events->wanted && !events->all)) {
		events->current = drop(events->current);
		return 0;
	}
	return open_stream(events);
}

int cfipc_events_new(cfipc_client *client, const char *profile, cfipc_events **ret_events)
{
	cfipc_events *events = calloc(1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	events->profile = profile ? strdup(profile) : NULL;
	if (profile && !events->profile) {
		free(events);
		return -ENOMEM;
	}
	events->refs = 1;
	events->client = cfipc_client_ref(client);
	*ret_events = events;
	return 0;
}

cfipc_events *cfipc_events_ref(cfipc_events *events)
{
	if (events)
		events->refs++;
	return events;
}

static struct wanted *wanted_free(struct wanted *w)
{
	free(w->bucket);
	free(w->path);
	free(w);
	return NULL;
}

cfipc_events *cfipc_events_unref(cfipc_events *events)
{
	if (!events || --events->refs > 0)
		return NULL;
	drop(events->current);
	drop(events->next);
	while (events->wanted) {
		struct wanted *w = events->wanted;

		events->wanted = w->next;
		wanted_free(w);
	}
	for (cfipc_handler *handler = events->handlers; handler; handler = handler->next)
		handler->removed = true;
	free_removed(events);
	cfipc_client_unref(events->client);
	free(events->profile);
	free(events);
	return NULL;
}

int cfipc_events_connect(cfipc_events *events)
{
	if (events->connected)
		return 0;
	events->connected = true;
	int r = reopen(events);

	if (r < 0)
		events->connected = false;
	return r;
}

void cfipc_events_disconnect(cfipc_events *events)
{
	events->connected = false;
	reopen(events);
}

int cfipc_events_is_connected(const cfipc_events *events)
{
	return events->current && !events->next;
}

/* ---- What is wanted ---- */

static struct wanted **find_wanted(cfipc_events *events, const char *bucket, const char *path)
{
	struct wanted **place = &events->wanted;

	while (*place && (strcmp((*place)->bucket, bucket) != 0 || !(*place)->path != !path ||
			  (path && strcmp((*place)->path, path) != 0)))
		place = &(*place)->next;
	return place;
}

static int want(cfipc_events *events, const char *bucket, const char *path)
{
	struct wanted **place = find_wanted(events, bucket, path);

	if (*place)
		return 0;
	struct wanted *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->bucket = strdup(bucket);
	w->path = path ? strdup(path) : NULL;
	if (!w->bucket || (path && !w->path)) {
		wanted_free(w);
		return -ENOMEM;
	}
	*place = w;
	return reopen(events);
}

static int want_not(cfipc_events *events, const char *bucket, const char *path)
{
	struct wanted **place = find_wanted(events, bucket, path), *w = *place;

	if (!w)
		return -ENOENT;
	*place = w->next;
	wanted_free(w);
	return reopen(events);
}

int cfipc_events_subscribe_bucket(cfipc_events *events, const char *bucket)
{
	return bucket ? want(events, bucket, NULL) : -EINVAL;
}

int cfipc_events_unsubscribe_bucket(cfipc_events *events, const char *bucket)
{
	return bucket ? want_not(events, bucket, NULL) : -EINVAL;
}

int cfipc_events_subscribe_file(cfipc_events *events, const char *bucket, const char *path)
{
	return bucket && path ? want(events, bucket, path) : -EINVAL;
}

int cfipc_events_unsubscribe_file(cfipc_events *events, const char *bucket, const char *path)
{
	return bucket && path ? want_not(events, bucket, path) : -EINVAL;
}

static int set_all(cfipc_events *events, bool all)
{
	if (events->all == all)
		return all ? 0 : -ENOENT;
	events->all = all;
	return reopen(events);
}

int cfipc_events_subscribe_all(cfipc_events *events)
{
	return set_all(events, true);
}

int cfipc_events_unsubscribe_all(cfipc_events *events)
{
	return set_all(events, false);
}

/* ---- Who is told ---- */

static int add_handler(cfipc_events *events, const char *kind, cfipc_event_cb callback,
		       cfipc_events_closed_cb closed, void *userdata, cfipc_handler **ret_handler)
{
	cfipc_handler **place = &events->handlers, *handler = calloc(1, sizeof(*handler));

	if (!handler)
		return -ENOMEM;
	*handler = (cfipc_handler){
		.events = events, .kind = kind, .callback = callback, .closed = closed, .userdata = userdata};
	while (*place)
		place = &(*place)->next;
	*place = handler;
	if (ret_handler)
		*ret_handler = handler;
	return 0;
}

#define ON(name, kind)                                                                                       \
	int cfipc_events_on_##name(cfipc_events *events, cfipc_event_cb callback, void *userdata,            \
				   cfipc_handler **ret_handler)                                              \
	{                                                                                                    \
		return callback ? add_handler(events, kind, callback, NULL, userdata, ret_handler)           \
				: -EINVAL;                                                                   \
	}
ON(file_created, "file_created")
ON(file_updated, "file_updated")
ON(file_deleted, "file_deleted")
ON(bucket_created, "bucket_created")
ON(bucket_updated, "bucket_updated")
ON(bucket_deleted, "bucket_deleted")
ON(other, KIND_OTHER)

int cfipc_events_on_closed(cfipc_events *events, cfipc_events_closed_cb callback, void *userdata,
			   cfipc_handler **ret_handler)
{
	return callback ? add_handler(events, KIND_CLOSED, NULL, callback, userdata, ret_handler) : -EINVAL;
}

cfipc_handler *cfipc_handler_remove(cfipc_handler *handler)
{
	if (!handler)
		return NULL;
	handler->removed = true;
	if (handler->events->depth == 0)
		free_removed(handler->events);
	return NULL;
}
