/* libcfipc: the client library for the socket of carbonfilesd. This header is its manual.
 *
 * CONNECTION. A cfipc_client stands for one daemon. cfipc_client_new does no I/O; the first call connects,
 * and a call made after the daemon went away connects again. Plain calls share one connection and are
 * answered in the order they were made; a call with CFIPC_MORE, with CFIPC_DEDICATED or with a pushed
 * descriptor has a connection of its own, so a long stream never holds up a short question.
 *
 * LOOPS. Nothing is sent or received except inside cfipc_client_process, cfipc_client_flush, cfipc_op_wait
 * and cfipc_call. With a loop of your own: watch cfipc_client_get_fd (it never changes) for
 * cfipc_client_get_events and call cfipc_client_process whenever it is ready; requests just made and
 * deadlines that passed make it ready too, so nothing else is needed. Without one:
 *
 *	while (!cfipc_op_is_done(op))
 *		if (cfipc_client_process(c) == 0)
 *			cfipc_client_wait(c, -1);
 *
 * or simply cfipc_op_wait(op, -1), or cfipc_call, which is the same engine with a loop inside. While one call
 * is waited for, replies to others are kept for the next cfipc_client_process; their callbacks never run
 * inside a blocking function. The library starts no thread, installs no signal handler, and raises no
 * SIGPIPE.
 *
 * THREADS. A client and its ops belong to one thread at a time; different clients are independent.
 * cfipc_op_ref, cfipc_op_unref and cfipc_op_cancel may be called from any thread. After fork(2) every
 * function returns -ECHILD in the child, where only the unref functions are useful.
 *
 * TIME is in microseconds; a negative time means "for ever".
 *
 * OWNERSHIP. Strings and objects given to you by a pointer-to-pointer are yours: free(3) for char *,
 * cfipc_error_free for errors, *_unref for clients and ops. What a callback is given is borrowed until it
 * returns; what a getter returns lives as long as the object. Strings you pass in are copied. Every free and
 * unref function takes NULL and returns NULL, so that p = cfipc_op_unref(p) clears the pointer.
 *
 * ERRORS. Functions return 0 or a positive value, or a negative errno value: -EINVAL for a wrong argument,
 * -EREMOTEIO when the daemon answered with an error, -ENOENT or -ECONNREFUSED when no daemon is there,
 * -ECONNRESET when it went away, -EBADMSG when it did not speak Varlink, -ETIMEDOUT, -ECANCELED, -ECHILD
 * after a fork, -ENOMEM. A cfipc_error says more: a code to switch on, the daemon's or the server's own
 * words, a hint.
 *
 * JSON. in_json is one JSON object, the `parameters` of the method as its interface defines them, or NULL for
 * none; out_json and a callback's json are the `parameters` of the reply, "{}" where it has none. Fields a
 * program does not know must be ignored: later daemons add some. The interfaces are installed as
 * org.carbonfiles.{daemon,sync,remote}.varlink and served by org.varlink.service.GetInterfaceDescription.
 *
 * EXAMPLE.
 *	cfipc_client *c = NULL;
 *	cfipc_error *error = NULL;
 *	char *json = NULL;
 *	int r = cfipc_client_new(&c, NULL);
 *
 *	if (r >= 0)
 *		r = cfipc_call(c, "org.carbonfiles.daemon.GetVersion", NULL, &json, &error);
 *	if (r >= 0)
 *		puts(json);
 *	else
 *		fprintf(stderr, "%s\n", error ? cfipc_error_message(error) : cfipc_strerror(r));
 *	int code = cfipc_exit_code(r, error);
 *	free(json);
 *	cfipc_error_free(error);
 *	cfipc_client_unref(c);
 *	return code;
 */
#ifndef CFIPC_H
#define CFIPC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CFIPC_EXPORT __attribute__((visibility("default")))
#else
#define CFIPC_EXPORT
#endif

/* ---- Library ----------------------------------------------------------------------------------------------
 */

/* Grows with every addition to this header. */
#define CFIPC_API_VERSION 2

/* "0.1.0"; static. */
CFIPC_EXPORT const char *cfipc_version(void);

/* Call with CFIPC_API_VERSION: 0 when the library at run time has all that this header declares, -ENOTSUP
 * when it is older. */
CFIPC_EXPORT int cfipc_check_version(unsigned api_version);

enum cfipc_log_level { CFIPC_LOG_ERROR, CFIPC_LOG_WARNING, CFIPC_LOG_INFO, CFIPC_LOG_DEBUG };
typedef void (*cfipc_log_handler)(enum cfipc_log_level level, const char *text, void *userdata);

/* What the library is doing, for debugging: method names and connections, never parameters. For the whole
 * process; set it before the first client is made. NULL (the default) is silence. */
CFIPC_EXPORT void cfipc_set_log_handler(cfipc_log_handler handler, void *userdata);

/* ---- Types ------------------------------------------------------------------------------------------------
 */

typedef struct cfipc_client cfipc_client; /* one daemon */
typedef struct cfipc_op cfipc_op;         /* one running call */
typedef struct cfipc_error cfipc_error;   /* why it failed */

/* ---- Client -----------------------------------------------------------------------------------------------
 */

/* Grows at its end only; `size` tells the library how much of it the caller knows. Always start from
 * cfipc_options_init(&options, sizeof(options)). */
typedef struct cfipc_options {
	size_t size;
	const char *address;  /* "unix:/path", "unix:@abstract" or "/path"; NULL: cfipc_default_address */
	int64_t timeout_usec; /* as cfipc_client_set_timeout; default -1 */
	int autostart;        /* as cfipc_client_set_autostart; default 0 */
} cfipc_options;

CFIPC_EXPORT void cfipc_options_init(cfipc_options *options, size_t size);

/* Where the daemon of this user listens: $CARBONFILESD_SOCKET (an address or a path); else the user's own,
 * $XDG_RUNTIME_DIR/carbonfilesd/org.carbonfiles (without that variable: /run/user/UID/...), if it is there;
 * else the system-wide one, /run/carbonfilesd/org.carbonfiles, if it is there; else the user's own again, so
 * that an error names it. Returns 0 or -ENOMEM. Yours to free. */
CFIPC_EXPORT int cfipc_default_address(char **ret_address);

/* options NULL: all defaults. -EINVAL or -EPROTONOSUPPORT for an address that cannot be used, -ENAMETOOLONG
 * for a path over the 107 bytes that a Unix socket allows. The client begins with one reference. */
CFIPC_EXPORT int cfipc_client_new(cfipc_client **ret_client, const cfipc_options *options);
CFIPC_EXPORT cfipc_client *cfipc_client_ref(cfipc_client *client);

/* The last one closes the connections, which cancels what runs in the daemon; every op that is not done gets
 * its final callback with CFIPC_ERROR_CANCELED from inside this function. */
CFIPC_EXPORT cfipc_client *cfipc_client_unref(cfipc_client *client);

/* The address in use, as "unix:...". */
CFIPC_EXPORT const char *cfipc_client_get_address(const cfipc_client *client);

/* 1 while the connection for plain calls stands, else 0. It is made by the first call. */
CFIPC_EXPORT int cfipc_client_is_connected(const cfipc_client *client);

/* How long each call begun from now on may take until its (next) reply; negative (the default): no limit,
 * since the daemon answers every call or goes away. A stream's limit starts anew with every reply. */
CFIPC_EXPORT int cfipc_client_set_timeout(cfipc_client *client, int64_t usec);

/* 1: when nothing listens at the user's own address, `systemctl --user start carbonfilesd.socket` is run once
 * and the connection tried again. 0 (the default): never. */
CFIPC_EXPORT int cfipc_client_set_autostart(cfipc_client *client, int on);

/* ---- Loops ------------------------------------------------------------------------------------------------
 */

/* One descriptor for everything, the same for the life of the client. Not yours: never read, write or close
 * it. */
CFIPC_EXPORT int cfipc_client_get_fd(const cfipc_client *client);

/* What to wait for, as in poll(2): always POLLIN. */
CFIPC_EXPORT int cfipc_client_get_events(const cfipc_client *client);

/* Microseconds from now until process must be called even without an event: 0 at once, -1 never. A loop that
 * watches the descriptor needs it not: deadlines make the descriptor ready. */
CFIPC_EXPORT int64_t cfipc_client_get_timeout(const cfipc_client *client);

/* Sends and receives what can be without waiting, then runs the callbacks that are due. Returns 1 when it did
 * anything, 0 when there was nothing to do, or an error of the client as a whole (-ECHILD, -EBUSY from inside
 * a callback, -ENOMEM); errors of calls go to their ops. */
CFIPC_EXPORT int cfipc_client_process(cfipc_client *client);

/* Waits until process has something to do: 1; 0 when usec have passed first. Runs no callback. */
CFIPC_EXPORT int cfipc_client_wait(cfipc_client *client, int64_t usec);

/* Waits until every request made so far was handed to the kernel (which a CFIPC_ONEWAY call needs before its
 * client is let go), for at most the client's timeout. Runs no callback. */
CFIPC_EXPORT int cfipc_client_flush(cfipc_client *client);

/* For toolkits that cannot watch a descriptor: wakeup is called, from whichever thread caused it, when a call
 * was made or cancelled and process should be called soon. It must not call into the library; it posts a
 * message to its own loop. Replies of the daemon show at the descriptor only: such a toolkit also calls
 * process from a timer, or polls the descriptor in a helper thread. NULL ends it; when this function has
 * returned, the old callback is not running and is not called again. */
typedef void (*cfipc_wakeup_cb)(void *userdata);
CFIPC_EXPORT int cfipc_client_set_wakeup(cfipc_client *client, cfipc_wakeup_cb wakeup, void *userdata);

/* ---- Calls ------------------------------------------------------------------------------------------------
 */

enum cfipc_call_flags {
	CFIPC_MORE = 1 << 0,     /* a stream of replies is wanted */
	CFIPC_ONEWAY = 1 << 1,   /* no reply at all, not even an error; done once it was sent */
	CFIPC_DEDICATED = 1 << 2 /* on a connection of its own: for calls that take long */
};

enum cfipc_reply_flags {
	CFIPC_CONTINUES = 1 << 0, /* more replies follow: not the final one */
	CFIPC_LOCAL = 1 << 1      /* the error was made here, not sent by the daemon */
};

/* One reply: json (the parameters) with error NULL, or json NULL with an error. Called from
 * cfipc_client_process, from cfipc_op_wait on this very op, or from the last cfipc_client_unref, never from
 * inside cfipc_call_async. Exactly one call per op is final, that is without CFIPC_CONTINUES, also after
 * cancel, timeout or disconnect; a CFIPC_ONEWAY op has it with "{}" when it was sent. A negative return value
 * from a reply that continues cancels the op. The callback may make calls, blocking ones too, and cancel or
 * unref anything. */
typedef int (*cfipc_reply_cb)(cfipc_op *op, const char *json, const cfipc_error *error, unsigned flags,
			      void *userdata);

/* Blocking: 0 and *ret_json, or an error and *ret_error. Both may be NULL when not wanted; on failure
 * *ret_json is NULL, on success *ret_error is. */
CFIPC_EXPORT int cfipc_call(cfipc_client *client, const char *method, const char *in_json, char **ret_json,
			    cfipc_error **ret_error);

/* Begins a call: method is the full name, "org.carbonfiles.sync.List". ret_op may be NULL; else *ret_op holds
 * a reference that is yours. callback may be NULL. Returns 0, -EINVAL (in_json is no JSON object, method no
 * name, flags that exclude each other), -E2BIG (over 1 MiB, more than the daemon takes), -ENOMEM, -ECHILD. */
CFIPC_EXPORT int cfipc_call_async(cfipc_client *client, cfipc_op **ret_op, const char *method,
				  const char *in_json, unsigned flags, cfipc_reply_cb callback,
				  void *userdata);

CFIPC_EXPORT cfipc_op *cfipc_op_ref(cfipc_op *op);
/* Giving up the reference does not end the call: cancel does. */
CFIPC_EXPORT cfipc_op *cfipc_op_unref(cfipc_op *op);

/* From any thread. The final callback follows from process with CFIPC_ERROR_CANCELED, unless the call was
 * done already. A call that was sent on a connection of its own is cancelled in the daemon as well; a plain
 * call runs on there and its reply is dropped. */
CFIPC_EXPORT void cfipc_op_cancel(cfipc_op *op);

/* Descriptors travel with the request: push them after cfipc_call_async and before the next process, wait or
 * flush. Returns the index to be named in the parameters (0 for the first), -EBUSY when the request was sent
 * already, -EMFILE beyond CFIPC_FDS_MAX. push_fd takes the descriptor on success, push_dup_fd leaves it
 * yours. O_NONBLOCK is never set on it. */
#define CFIPC_FDS_MAX 16
CFIPC_EXPORT int cfipc_op_push_fd(cfipc_op *op, int fd);
CFIPC_EXPORT int cfipc_op_push_dup_fd(cfipc_op *op, int fd);

/* The descriptor with this index that came with the last reply; yours from now on. -ENOENT when there is
 * none. Descriptors not taken before the next reply (or, for the last reply, before the last unref) are
 * closed. */
CFIPC_EXPORT int cfipc_op_take_fd(cfipc_op *op, unsigned index);

/* Runs the client until this op is done, its callbacks included: 0 when it succeeded, else as cfipc_call;
 * -ETIMEDOUT after usec, the op then goes on (a timeout of the op itself ends it with the same number:
 * is_done tells them apart); -EBUSY from inside a callback of the same op. */
CFIPC_EXPORT int cfipc_op_wait(cfipc_op *op, int64_t usec);
CFIPC_EXPORT int
cfipc_op_is_done(const cfipc_op *op); /* 1 once the final reply is in, and its callback ran */

/* What the callback gets from now on. */
CFIPC_EXPORT void cfipc_op_set_userdata(cfipc_op *op, void *userdata);
CFIPC_EXPORT void *cfipc_op_get_userdata(const cfipc_op *op);
/* As cfipc_client_set_timeout, for this op, counted from now. */
CFIPC_EXPORT int cfipc_op_set_timeout(cfipc_op *op, int64_t usec);
/* Of an op that is done: why it failed, NULL when it succeeded. Lives as long as the op. */
CFIPC_EXPORT const cfipc_error *cfipc_op_get_error(const cfipc_op *op);

/* ---- Errors -----------------------------------------------------------------------------------------------
 */

enum cfipc_error_code {
	/* Made by the library. */
	CFIPC_ERROR_SYSTEM = 1,       /* a call to the operating system failed: cfipc_error_errno */
	CFIPC_ERROR_NOT_RUNNING = 2,  /* no daemon reachable at the address */
	CFIPC_ERROR_DISCONNECTED = 3, /* it closed the connection before it answered */
	CFIPC_ERROR_PROTOCOL = 4,     /* it sent something that is not Varlink */
	CFIPC_ERROR_TIMEOUT = 5,
	CFIPC_ERROR_CANCELED = 6,
	CFIPC_ERROR_USAGE = 7, /* the caller's arguments cannot be sent */

	/* org.varlink.service */
	CFIPC_ERROR_INTERFACE_NOT_FOUND = 20,
	CFIPC_ERROR_METHOD_NOT_FOUND = 21,
	CFIPC_ERROR_METHOD_NOT_IMPLEMENTED = 22,
	CFIPC_ERROR_INVALID_PARAMETER = 23, /* cfipc_error_message names it */
	CFIPC_ERROR_PERMISSION_DENIED = 24,
	CFIPC_ERROR_EXPECTED_MORE = 25, /* the method needs CFIPC_MORE */

	/* org.carbonfiles.remote, and those of org.carbonfiles.sync with the same names. The first six are
	 * answers of the server and have a cfipc_error_status. */
	CFIPC_ERROR_REMOTE = 40,
	CFIPC_ERROR_BAD_REQUEST = 41,
	CFIPC_ERROR_ACCESS_DENIED = 42,
	CFIPC_ERROR_NOT_FOUND = 43,
	CFIPC_ERROR_TOO_LARGE = 44,
	CFIPC_ERROR_RANGE_NOT_SATISFIABLE = 45,
	CFIPC_ERROR_UNREACHABLE = 46,
	CFIPC_ERROR_NO_SUCH_PROFILE = 47,
	CFIPC_ERROR_NOT_LOGGED_IN = 48,
	CFIPC_ERROR_LOCAL = 49, /* a file or descriptor on this machine: cfipc_error_errno */
	CFIPC_ERROR_HASH_MISMATCH = 50,
	CFIPC_ERROR_NO_SUCH_TRANSFER = 51,
	CFIPC_ERROR_BUSY = 52,

	/* org.carbonfiles.sync */
	CFIPC_ERROR_NO_SUCH_PAIR = 60,
	CFIPC_ERROR_PAIR_EXISTS = 61,
	CFIPC_ERROR_NO_SUCH_CONFLICT = 62,
	CFIPC_ERROR_NOTHING_HELD = 63,
	CFIPC_ERROR_OVERLAP = 64,
	CFIPC_ERROR_PATH_UNUSABLE = 65, /* cfipc_error_errno */

	/* org.carbonfiles.daemon */
	CFIPC_ERROR_INVALID_SETTING = 80,
	CFIPC_ERROR_READ_ONLY_SETTING = 81,

	/* An error reply with a name this library does not know; treat a code you do not know like this one.
	 */
	CFIPC_ERROR_UNKNOWN = 99
};

/* All take NULL: then 0 or NULL. */
CFIPC_EXPORT int cfipc_error_code(const cfipc_error *error); /* enum cfipc_error_code */
/* Positive errno of the failed system call, here or (LocalError, PathUnusable) in the daemon; 0: none. */
CFIPC_EXPORT int cfipc_error_errno(const cfipc_error *error);
/* "org.carbonfiles.remote.NotFound"; for errors made by the library NULL. */
CFIPC_EXPORT const char *cfipc_error_name(const cfipc_error *error);
/* HTTP status of the server's answer, 0 when it is none. */
CFIPC_EXPORT int cfipc_error_status(const cfipc_error *error);
/* One line for a person: the server's or daemon's words, else ours. Never NULL for an error. May hold text
 * from outside: escape control characters before a terminal sees it. */
CFIPC_EXPORT const char *cfipc_error_message(const cfipc_error *error);
/* What to do about it, NULL where nobody said. */
CFIPC_EXPORT const char *cfipc_error_hint(const cfipc_error *error);
/* The parameters of the error reply, "{}" where it has none. */
CFIPC_EXPORT const char *cfipc_error_json(const cfipc_error *error);
/* NULL when out of memory. */
CFIPC_EXPORT cfipc_error *cfipc_error_copy(const cfipc_error *error);
CFIPC_EXPORT cfipc_error *cfipc_error_free(cfipc_error *error);

/* Words for a negative return value; static or thread-local. */
CFIPC_EXPORT const char *cfipc_strerror(int r);

/* The exit status that a command ends with: 0 done; 2 InvalidParameter; 3 daemon not reachable; 4
 * AccessDenied, NotLoggedIn, PermissionDenied; 5 NotFound and NoSuch...; 6 Unreachable; 7 NothingHeld or
 * timed out; 8 LocalError, PathUnusable; 130 cancelled; 1 everything else. r: what the function returned;
 * error may be NULL. */
CFIPC_EXPORT int cfipc_exit_code(int r, const cfipc_error *error);

/* ---- Chapters: the typed functions and what they give. Programs include this file only. ---- */
#include "cfipc-objects.h"
#include "cfipc-remote.h"
#include "cfipc-transfer.h"
#include "cfipc-events.h"
#include "cfipc-sync.h"

#ifdef __cplusplus
}
#endif
#endif
