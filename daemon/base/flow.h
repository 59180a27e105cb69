/* Bytes between an endpoint, which may block for ever, and the loop: each flow has a thread of its own that
 * does one thing after another in the order asked for, and hashes what goes by. The loop is told of each.
 * Whoever asks for more before the last was done decides how much memory that costs. */
#pragma once
#include "base/digest.h"
#include "base/endpoint.h"
#include "base/loop.h"

/* One turn of the thread, small enough to be hashed while it is in the core's cache. */
#define FLOW_BLOCK_BYTES (256 << 10)
/* Threads at once, those included that hang on a descriptor of somebody who has gone. */
#define FLOW_MAX_THREADS 64

struct flow;
/* All on the loop, in the order of what was asked for. error: negative errno; what was asked for behind it
 * then fails with the same, until a rewind. Each may call flow_free. */
struct flow_callbacks {
	void (*on_opened)(void *arg, int error);
	/* data (malloc) is the callee's, NULL with an error. last: nothing follows, and the hash of all is
	 * flow_digest; blocks asked for beyond it are not answered. */
	void (*on_read)(void *arg, int error, void *data, size_t len, bool last);
	void (*on_written)(void *arg, int error, size_t len);
	void (*on_rewound)(void *arg, int error);
	void (*on_hashed)(void *arg, int error); /* everything was written; flow_digest is its hash */
	void (*on_committed)(void *arg, int error);
};

/* Takes the endpoint, also on failure. -EBUSY: FLOW_MAX_THREADS; -ENOMEM, -EAGAIN. */
int flow_new(struct loop *loop, struct endpoint *endpoint, const struct flow_callbacks *callbacks, void *arg,
	     struct flow **ret_flow);
/* No callback comes any more. A thread that hangs is left behind with all it needs and goes when it can. */
struct flow *flow_free(struct flow *flow);

/* All but open: -ENOMEM. */
int flow_open(struct flow *flow);
int flow_read(struct flow *flow);                                /* one block more */
int flow_write(struct flow *flow, const void *data, size_t len); /* copied, and gathered */
int flow_rewind(struct flow *flow);
int flow_hash(struct flow *flow);
int flow_commit(struct flow *flow);

size_t
flow_queued(const struct flow *flow); /* bytes asked for (a whole block each) or given, and not done yet */
/* Once opened: */
int64_t flow_size(const struct flow *flow); /* -1: unknown */
bool flow_can_rewind(const struct flow *flow);
const char *flow_why(const struct flow *flow); /* of an error: for people; NULL: its errno says it */
const struct digest *flow_digest(const struct flow *flow);
const char *flow_path(const struct flow *flow); /* NULL: a descriptor */

unsigned flow_threads(void); /* that exist now */
