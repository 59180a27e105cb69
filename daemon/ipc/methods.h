/* What the methods_*.c share: the object they hang on, building replies, and errors by name. */
#pragma once
#include "ipc/ipc.h"
#include "libcfipc/varlink/fields.h"

#define DAEMON "org.carbonfiles.daemon."
#define SYNC   "org.carbonfiles.sync."
#define REMOTE "org.carbonfiles.remote."

/* A list reply is cut at this size; what is over goes into the next one. */
#define IPC_PAGE_BYTES (1024 * 1024)

/* What was last learned about a profile's server. */
struct ipc_known {
	struct ipc_known *next;
	char *profile;
	const char *state; /* static */
	char *role;
	char *last_error;
};

struct ipc_watcher;
struct ipc {
	struct ipc_context context;
	struct ipc_server *server;
	struct ipc_watcher *watchers; /* org.carbonfiles.daemon.Watch */
	struct loop_timer log_timer;  /* SetLogLevel with seconds */
	struct ipc_known *known;
	struct ipc_transfer *transfers; /* transfers.c */
	uint64_t last_transfer;
};

extern const struct ipc_method ipc_daemon_methods[], ipc_sync_methods[], ipc_remote_methods[];
extern const size_t ipc_daemon_methods_count, ipc_sync_methods_count, ipc_remote_methods_count;
void ipc_watchers_free(struct ipc *ipc);
void ipc_known_free(struct ipc *ipc);

/* An object under construction. Running out of memory is noted and dealt with once, by whoever sends it. */
struct reply {
	struct json_object *object;
	bool failed;
};
struct reply reply_new(void);
void reply_string(struct reply *r, const char *key, const char *value); /* NULL: left out */
void reply_int(struct reply *r, const char *key, int64_t value);
void reply_bool(struct reply *r, const char *key, bool value);
void reply_time(struct reply *r, const char *key, int64_t wall_ms);          /* 0: left out */
void reply_add(struct reply *r, const char *key, struct json_object *value); /* taken; NULL: out of memory */
void reply_fields(struct reply *r, const struct field *fields, size_t n, const void *from);
struct json_object *reply_take(struct reply *r); /* NULL: out of memory */
/* Each takes what was built. */
void reply_send(struct ipc_call *call, struct reply *r);
int reply_continue(struct ipc_call *call, struct reply *r); /* as ipc_call_reply_continues; -ENOMEM */
void reply_error(struct ipc_call *call, const char *error, struct reply *r);
void reply_nothing(struct ipc_call *call);
/* Adds to a list; the item is taken; false: out of memory. */
bool reply_append(struct json_object *list, struct json_object *item);

/* Errors that end the call. interface: SYNC or REMOTE. */
void error_named(struct ipc_call *call, const char *error, const char *key, const char *value);
void error_local(struct ipc_call *call, int errnum, const char *path, const char *message);
void error_api(struct ipc_call *call, const char *interface, const struct api_error *error);
void error_profile(struct ipc_call *call, const char *interface, int r, const char *profile);
void error_engine(struct ipc_call *call, const struct engine_error *error);

/* An absolute local path as JSON carries it (~xHH for bytes that are not UTF-8) and back; free them. */
char *path_to_text(const char *path);
char *path_from_text(const char *text);
