/*
 * Faults on order: what tests ask for over /_dev/faults, matched to requests and carried out at the right
 * moment of each. Nothing of this happens without --control.
 */
#pragma once

#include "http/request.h"
#include "server.h"

#include <json-c/json.h>

/* What one request has coming: all faults that matched it, merged. */
struct fault_plan {
	int status; /* 0: none */
	bool status_after_body;
	struct buf headers, body; /* of that status */
	int64_t delay_us, us_per_file, window_us;
	bool reset_before, reset_after_body, reset_after_commit;
	int64_t reset_within;   /* after so many bytes of the body; -1: not */
	int64_t late_commit_us; /* -1: not */
	int64_t drip_bytes, drip_us;
	bool corrupt, wrong_hash, stall, stall_reply;
	int64_t corrupt_at;
	unsigned generation; /* of the orders when they were taken: a stall ends when it has changed */
};

void fault_plan_done(struct fault_plan *p);

/* Registration. 0 and the new id, or -EINVAL with what is wrong in ret_error. */
int fault_add(json_object *order, int64_t *ret_id, struct buf *ret_error);
void fault_list_json(struct buf *json);
bool fault_remove(int64_t id);
void fault_remove_all(void); /* also lets stalled requests go */

/* Looks for faults of a routed request. False: none, ret is untouched. */
bool fault_take(struct request *r, struct fault_plan *ret);

/* The moments. All cope with r->fault == NULL. Negative: the request is over. */
int fault_before_handler(struct server *s, struct request *r);
int fault_in_body(struct request *r, size_t *piece_len);
bool fault_wants_late_commit(const struct request *r);
int fault_before_commit(struct request *r); /* the body is complete */
bool fault_has_window(const struct request *r);
void fault_in_window(struct request *r); /* between look and write of a commit, without the lock */
void fault_change_json(struct request *r, struct buf *body);
void fault_change_headers(struct request *r);
int fault_send_reply(struct request *r, struct iovec *iov, int n);
int fault_send_file(struct request *r, int file_fd, int64_t offset, int64_t length);
