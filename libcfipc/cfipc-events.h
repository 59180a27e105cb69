/* libcfipc, a chapter of cfipc.h: what happens on the server, as a stream or as handlers.
 *
 * A daemon that has no connection to the server's events answers CFIPC_ERROR_METHOD_NOT_IMPLEMENTED.
 */
#ifndef CFIPC_H
#error "include cfipc.h"
#endif

/* ---- As a stream ---- */

typedef struct cfipc_file_ref {
	const char *bucket, *path;
} cfipc_file_ref;

typedef struct cfipc_subscribe_options {
	size_t size;
	const char *const *buckets;  /* ids, NULL at the end */
	const cfipc_file_ref *files; /* n_files of them */
	size_t n_files;
	int all; /* 1: everything; needs an admin credential */
} cfipc_subscribe_options;
CFIPC_EXPORT void cfipc_subscribe_options_init(cfipc_subscribe_options *options, size_t size);

/* A stream of cfipc_event until it is cancelled, "ready" first, once the subscription stands. When events
 * came faster than they were taken, one of kind "lost" says how many are missing: list again. */
CFIPC_EXPORT int cfipc_subscribe(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				 const cfipc_subscribe_options *options, cfipc_result_cb callback,
				 void *userdata);

/* ---- As handlers ----
 * A cfipc_events is one such stream, which is opened anew when the set of its subscriptions changes. The old
 * stream is kept until the new one stands, so that nothing is missed; an event just then may come twice.
 */
typedef struct cfipc_events cfipc_events;
typedef struct cfipc_handler cfipc_handler;

/* event: borrowed until the handler returns. It may do anything, removing handlers and unref included. */
typedef void (*cfipc_event_cb)(cfipc_events *events, cfipc_event *event, void *userdata);
/* The stream ended for another reason than cfipc_events_disconnect: cfipc_events_connect opens it again, when
 * the program thinks it is time. */
typedef void (*cfipc_events_closed_cb)(cfipc_events *events, const cfipc_error *error, void *userdata);

/* profile NULL: the active one, as it is when the stream is opened. -ENOMEM. Keeps a reference to the client
 * and begins with one of its own. */
CFIPC_EXPORT int cfipc_events_new(cfipc_client *client, const char *profile, cfipc_events **ret_events);
CFIPC_EXPORT cfipc_events *cfipc_events_ref(cfipc_events *events);
/* The last one ends the stream and removes every handler. */
CFIPC_EXPORT cfipc_events *cfipc_events_unref(cfipc_events *events);

/* Opens the stream, as soon as there is something to subscribe to. 0, also when it is open; errors as
 * cfipc_call_async. */
CFIPC_EXPORT int cfipc_events_connect(cfipc_events *events);
/* Ends it. Subscriptions and handlers stay. */
CFIPC_EXPORT void cfipc_events_disconnect(cfipc_events *events);
/* 1 while the subscriptions stand, else 0. */
CFIPC_EXPORT int cfipc_events_is_connected(const cfipc_events *events);

/* What to be told of. Subscribing twice is once. 0, -EINVAL, or errors as cfipc_call_async; unsubscribing
 * from what is not subscribed is -ENOENT. */
CFIPC_EXPORT int cfipc_events_subscribe_bucket(cfipc_events *events, const char *bucket);
CFIPC_EXPORT int cfipc_events_unsubscribe_bucket(cfipc_events *events, const char *bucket);
CFIPC_EXPORT int cfipc_events_subscribe_file(cfipc_events *events, const char *bucket, const char *path);
CFIPC_EXPORT int cfipc_events_unsubscribe_file(cfipc_events *events, const char *bucket, const char *path);
CFIPC_EXPORT int cfipc_events_subscribe_all(cfipc_events *events);
CFIPC_EXPORT int cfipc_events_unsubscribe_all(cfipc_events *events);

/* Handlers, any number for a kind, called in the order they were added. ret_handler may be NULL; it lives
 * until it is removed or the events are gone. 0, -ENOMEM. */
CFIPC_EXPORT int cfipc_events_on_file_created(cfipc_events *events, cfipc_event_cb callback, void *userdata,
					      cfipc_handler **ret_handler);
CFIPC_EXPORT int cfipc_events_on_file_updated(cfipc_events *events, cfipc_event_cb callback, void *userdata,
					      cfipc_handler **ret_handler);
CFIPC_EXPORT int cfipc_events_on_file_deleted(cfipc_events *events, cfipc_event_cb callback, void *userdata,
					      cfipc_handler **ret_handler);
CFIPC_EXPORT int cfipc_events_on_bucket_created(cfipc_events *events, cfipc_event_cb callback, void *userdata,
						cfipc_handler **ret_handler);
CFIPC_EXPORT int cfipc_events_on_bucket_updated(cfipc_events *events, cfipc_event_cb callback, void *userdata,
						cfipc_handler **ret_handler);
CFIPC_EXPORT int cfipc_events_on_bucket_deleted(cfipc_events *events, cfipc_event_cb callback, void *userdata,
						cfipc_handler **ret_handler);
/* Events of any other kind: ready, disconnected, reconnected, lost, and those that are yet to be invented. */
CFIPC_EXPORT int cfipc_events_on_other(cfipc_events *events, cfipc_event_cb callback, void *userdata,
				       cfipc_handler **ret_handler);
CFIPC_EXPORT int cfipc_events_on_closed(cfipc_events *events, cfipc_events_closed_cb callback, void *userdata,
					cfipc_handler **ret_handler);
/* It is not called any more. NULL is allowed. */
CFIPC_EXPORT cfipc_handler *cfipc_handler_remove(cfipc_handler *handler);
