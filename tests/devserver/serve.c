/*
 * The life of a connection: one request after another, each read, routed, counted, possibly given a fault,
 * handled and answered. What handlers return as errors becomes the original's empty answers here.
 */
#include "server.h"

#include "control.h"
#include "counters.h"
#include "faults.h"
#include "http/reply.h"
#include "http/target.h"
#include "router.h"

#include <errno.h>

static int answer_failure(struct request *r, int error)
{
	if (r->status || error == -EPIPE || r->conn->broken) {
		r->conn->broken = true; /* half an answer cannot be repaired */
		return error;
	}
	buf_done(&r->out_headers);
	switch (error) {
	case -EFBIG: r->must_close = true; return reply_empty(r, 413);
	case -EBADMSG: r->must_close = true; return reply_empty(r, 400);
	case -ETIMEDOUT: r->must_close = true; return reply_empty(r, 408);
	default: return reply_empty(r, 500);
	}
}

static bool is_preflight(const struct request *r)
{
	return span_eq(r->method, SPAN("OPTIONS")) && request_header(r, "Origin").p &&
	       request_header(r, "Access-Control-Request-Method").p;
}

static int answer_preflight(struct request *r)
{
	r->is_preflight = true;
	reply_header(r, "Access-Control-Allow-Methods", request_header(r, "Access-Control-Request-Method"));
	reply_header(r, "Access-Control-Allow-Headers",
		     SPAN("Authorization,Content-Type,Content-Range,X-Append"));
	return reply_no_content(r);
}

static int handle(struct server *s, struct request *r)
{
	if (!target_split(r->target, &r->path, &r->query)) {
		r->must_close = true;
		return reply_empty(r, 400);
	}
	if (s->control && control_is_for(r))
		return control_handle(s, r);
	if (is_preflight(r))
		return answer_preflight(r);
	int status = router_find(r);
	if (status)
		return reply_empty(r, status);

	struct fault_plan plan;
	struct counted counted;
	counters_begin(r, &counted);
	int n = 0;
	if (fault_take(r, &plan)) {
		r->fault = &plan;
		n = fault_before_handler(s, r);
	}
	if (n == 0 && !r->status)
		n = r->route->handle(s, r);
	if (n < 0)
		n = answer_failure(r, n);
	if (r->fault)
		fault_plan_done(&plan);
	r->fault = NULL;
	counters_end(r);
	r->counted = NULL;
	return n;
}

/* True: the connection can take another request. */
static bool serve_request(struct server *s, struct conn *c)
{
	struct request r;
	int head = request_read_head(&r, c);

	if (head != 1) {
		if (head) {
			r.must_close = true;
			reply_empty(&r, head);
		}
		request_done(&r);
		return false;
	}
	r.body_limit = s->max_upload_bytes;
	handle(s, &r);
	bool usable = !c->broken && r.keep_alive && !r.must_close && !s->stopping && request_drain(&r);
	request_done(&r);
	return usable;
}

void serve_connection(struct server *s, struct conn *c)
{
	while (serve_request(s, c))
		;
}
