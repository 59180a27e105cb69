/* One run of cfctl: where it is connected, how it talks to its user, and how a call of the daemon is made and
 * its failure said. Commands are written on this and on out.h; none of them touches the client itself. */
#pragma once
#include "libcfipc/cfipc.h"
#include "cfctl/term.h"
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* What a run ends with; the numbers are a promise (cfctl(1)). cfipc_exit_code gives the same ones. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_DAEMON = 3,
	EXIT_REFUSED = 4,
	EXIT_NOT_FOUND = 5,
	EXIT_NO_SERVER = 6,
	EXIT_NOT_IN_SYNC = 7,
	EXIT_LOCAL = 8,
	EXIT_INTERRUPTED = 130,
};

struct ctl {
	const char *socket;  /* --socket, NULL: where the daemon listens by default */
	const char *profile; /* --profile, NULL: the active one */
	bool json, quiet, no_color;
	struct term out, err;
	bool in_tty;          /* stdin: there is someone to ask */
	FILE *to;             /* where text goes: stdout, or the picture of a live view */
	cfipc_client *client; /* made by the first call */
	pid_t pager;          /* 0: none runs */
	/* What errors are about where a command has many things at hand: said as "subject" with --json. */
	const char *subject;
	/* Called before words go to stderr: takes a picture away that would be in their way. */
	void (*make_way)(void *userdata);
	void *make_way_userdata;
};
void ctl_make_way(struct ctl *ctl);

void ctl_init(struct ctl *ctl); /* after the global options are known */
/* Closes what is open, waits for the pager, and says what became of the output: the exit code, or EXIT_LOCAL
 * instead of EXIT_OK when it could not be written. */
int ctl_done(struct ctl *ctl, int code);

/* ---- Parameters of a call ---- */

/* An object under construction. A failure to allocate is remembered and reported by the call. */
struct params {
	struct json_object *object;
	bool failed;
	bool not_utf8; /* a word of the command line that no JSON can carry */
};
#define _cleanup_params_ __attribute__((cleanup(params_done)))
void params_init(struct params *p);
void params_done(struct params *p);
/* A NULL string or object is left out: null is "not said" in every interface. Objects are taken. */
void params_string(struct params *p, const char *key, const char *value);
void params_int(struct params *p, const char *key, int64_t value);
void params_true(struct params *p, const char *key, bool value); /* false is left out */
void params_object(struct params *p, const char *key, struct json_object *value);
void params_move(struct params *p, const char *key, struct params *inner); /* inner becomes a member */
void params_strings(struct params *p, const char *key, const char *const *values, size_t n);

/* ---- Calls ---- */

struct reply {
	char *text; /* as the daemon sent it */
	struct json_object *object;
};
#define _cleanup_reply_ __attribute__((cleanup(reply_done)))
void reply_done(struct reply *reply);

/* One reply of a stream. Anything but EXIT_OK ends the stream with that code. */
typedef int (*reply_handler)(struct ctl *ctl, const struct reply *reply, void *userdata);

struct call {
	const char *what;   /* what could not be done, for the error: "list buckets" */
	const char *method; /* "org.carbonfiles.remote.ListBuckets" */
	struct params *params;
	unsigned flags; /* CFIPC_MORE for a stream */
	int fd;         /* passed along as index 0 when with_fd; stays the caller's */
	bool with_fd;
	reply_handler on_reply; /* for streams; else the reply is returned */
	void *userdata;
	bool silent; /* a failure is a code and nothing is said: for questions whose answer is not needed */
	int64_t timeout_ms; /* 0: none */
	/* Called about every tick_ms while nothing arrives (0: never), for live views. */
	int tick_ms;
	int (*on_tick)(struct ctl *ctl, void *userdata);
};

/* Runs it to its end. EXIT_OK, or the code with which to leave, the error already on stderr. *ret_reply may
 * be NULL. The first SIGINT or SIGTERM cancels the call in the daemon: EXIT_INTERRUPTED. */
int ctl_run(struct ctl *ctl, const struct call *call, struct reply *ret_reply);
/* The same, but an answer of "not found" (a bucket, a path) is EXIT_NOT_FOUND and not yet on stderr:
 * *ret_error holds it for ctl_fail. */
int ctl_try(struct ctl *ctl, const struct call *call, struct reply *ret_reply, cfipc_error **ret_error);
/* The plain case: one call, one reply. params may be NULL. */
int ctl_call(struct ctl *ctl, const char *what, const char *method, struct params *params,
	     struct reply *ret_reply);

/* The client, for commands that run several calls at once. EXIT_OK, or a code with the error already said. */
int ctl_client(struct ctl *ctl, cfipc_client **ret_client);
int64_t ctl_now_ms(void);

/* Waits for the descriptor to be readable, the tick or an interrupt. 1 readable, 0 time is up, -EINTR. */
int ctl_wait_fd(int fd, int timeout_ms);
bool ctl_interrupted(void);
/* Whether the terminal changed its size since the last time this was asked. */
bool ctl_resized(void);

/* ---- Errors: one line on stderr, the hint on its own line; JSON with --json. Each returns the exit code.
 * ---- */

int ctl_fail(struct ctl *ctl, const char *what, int r, const cfipc_error *error);
/* An error made here. name: the last word of "org.carbonfiles.cfctl.NAME" for --json. hint may be NULL. */
int ctl_error(struct ctl *ctl, int code, const char *name, const char *hint, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
int ctl_usage(struct ctl *ctl, const char *hint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int ctl_no_memory(struct ctl *ctl);
/* What was left out, and why: a remark, with --json a line of the form of an error. Silent with --quiet. */
void ctl_skipped(struct ctl *ctl, const char *subject, const char *why);
/* A remark on stderr that is no error; silent with --quiet. */
void ctl_note(struct ctl *ctl, enum style style, const char *label, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- Asking ---- */

/* Yes or no at the terminal: EXIT_OK for yes, EXIT_FAILED for no. Only where there is one: in_tty and
 * err.tty. */
int ctl_confirm(struct ctl *ctl, const char *question);
/* Before anything else is done: EXIT_OK with --yes or at a terminal; else this run cannot end well. */
int ctl_may_ask(struct ctl *ctl, bool yes, const char *what);

/* ---- Reading replies: fields that are missing or of another type read as "", 0, false or NULL ---- */

const char *get_string(struct json_object *object, const char *key); /* NULL when absent */
const char *get_text(struct json_object *object, const char *key);   /* "" when absent */
int64_t get_int(struct json_object *object, const char *key);
bool get_bool(struct json_object *object, const char *key);
bool has(struct json_object *object, const char *key);
struct json_object *get_object(struct json_object *object, const char *key);
size_t get_count(struct json_object *object, const char *key); /* of an array */
struct json_object *get_item(struct json_object *object, const char *key, size_t i);

#define REMOTE "org.carbonfiles.remote."
#define SYNC   "org.carbonfiles.sync."
#define DAEMON "org.carbonfiles.daemon."

static inline void freep(void *p)
{
	__builtin_free(*(void **)p);
}
#define _cleanup_free_ __attribute__((cleanup(freep)))
#define COUNT(array)   (sizeof(array) / sizeof(*(array)))
