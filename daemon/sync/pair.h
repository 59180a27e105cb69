/* Private to the sync room: what a pair is in memory and the calls its parts make to each other. One pair is
 * one state machine driven by hints; every part below is a few functions over this struct.
 *
 *   engine.c   the set of pairs; what ipc asks      root.c     is the directory still ours; generations
 *   pair.c     states, timers, the pump             walk.c     scans: pages, steps, what they found
 *   items.c    active paths and their life          lookup.c   present remote versions of some paths
 *   judge.c    row + local + remote -> plan         job.c      small files: which, what is there, the lane
 *   send.c     small files: note, send, record
 *   single.c   one path: looked at, decided         deletes.c  deletions: guard, hold, carry out
 *   stream.c   … a large file sent                  rescue.c   … a remote version into the Trash
 *   doubt.c    writes whose reply was lost          server.c   what pairs of one server share
 *   bucket.c   is it there, the same, expiring
 *   holds.c    confirm and restore                  wait.c     barriers
 *   dryrun.c   Plan                                 report.c   status, watchers, history
 */
#pragma once
#include "base/backoff.h"
#include "base/loop.h"
#include "base/strmap.h"
#include "base/worker.h"
#include "store/index.h"
#include "store/pairfile.h"
#include "sync/batch.h"
#include "sync/engine.h"
#include "sync/guard.h"
#include "sync/local.h"
#include "sync/plan.h"
#include "sync/quarrel.h"
#include "sync/remote.h"
#include "sync/scan.h"
#include "sync/settle.h"
#include "sync/trash.h"
#include "sync/watch.h"
#include <sys/queue.h>

#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, next)                                                           \
	for ((var) = TAILQ_FIRST(head); (var) && ((next) = TAILQ_NEXT((var), field), 1); (var) = (next))
#define LIST_FOREACH_SAFE(var, head, field, next)                                                            \
	for ((var) = LIST_FIRST(head); (var) && ((next) = LIST_NEXT((var), field), 1); (var) = (next))
#endif

#define RUN_BYTES                                                                                            \
	(1 << 20) /* parts are read, hashed and noted in runs of this much: one index transaction each */
#define RUN_AHEAD_BYTES                                                                                      \
	(2 << 20) /* so much may wait to be sent: the next run is read while this one travels */
/* Active paths at which a scan pauses and goes on: constant memory on any tree, and more than three batches:
 * one is recorded, one travels, one is prepared. */
#define QUEUE_HIGH      8000
#define QUEUE_LOW       6000
#define SCAN_STEP_ITEMS 1000 /* differences one scan step hands over at once */
#define LIST_PAGE       1000 /* the server's maximum */
#define DELETE_RUN                                                                                           \
	16 /* deletions per look-up: few enough that the look-up is fresh even at 400 ms a request */
#define DELETE_GATHER                                                                                        \
	10 /* times delete_settle_ms: so long deletions wait for others that settle, where together they are \
	      a mass deletion; then churn that never ends would hold them up for ever */
#define DELETE_MAX                                                                                           \
	100000 /* deletions remembered while they wait; the scan that finds the rest comes later             \
		*/
#define ROOT_CHECK_MS   5000  /* a missing root is looked at this often */
#define FULL_DISK_MS    10000 /* a full state directory likewise */
#define DAY_MS          (24 * 3600 * 1000LL)
#define PARK_MS         (3600 * 1000LL) /* quarrels, wrong hashes, files of another owner: tried again hourly */
#define REFUSED_MS      DAY_MS          /* contents the server refuses: once a day */
#define REFUSED_TRIES   3               /* 400 or 500 so often, alone, spaced: this content is refused */
#define REFUSED_SPACING 2               /* doubt_seconds divided by this lie between two such tries: 30 s */
#define HASH_TRIES      3 /* another hash than ours in the answer so often: something on the way changes bytes */
#define EQUAL_LOOK_MS   1000 /* doubts that something awaits may end by time alone */
#define RESCAN_JITTER   10   /* percent */

/* Of the six connections that bulk may use to one server; at least one is left for look-ups and small files.
 */
#define LARGE_SLOTS_MAX 3
#define RESCUE_SLOTS    2

enum item_state {
	ITEM_READY,  /* waits for a job */
	ITEM_BUSY,   /* in a job */
	ITEM_DELETE, /* judged a deletion; waits for uploads before it and for the guard */
	ITEM_DOUBT,  /* a write whose reply was lost: looked up until it shows or its time is over */
	ITEM_RETRY,  /* failed; tried again at next_ms */
};

/* Whom a ready item waits for. */
enum item_lane {
	LANE_SMALL,  /* job.c, with others */
	LANE_LARGE,  /* single.c: streamed */
	LANE_RESCUE, /* single.c: what the server has is fetched into the Trash; then back to one of the
			others */
};

/* An active path. Exists from the moment it is ready until nothing is to be done about it. */
struct item {
	struct pair *pair;
	char *path;  /* relative to the pair, encoded */
	char *local; /* the same as bytes on disk */
	enum item_state state;
	uint64_t seq;      /* order of becoming active: barriers and deletions compare it */
	bool check_remote; /* the hint was about the server's side: looked up even if the local side is
			      unchanged */
	bool again;        /* hinted while it was busy */
	bool again_gone;
	bool again_remote; /* … by a listing or an event: compared when it is settled */
	enum item_lane lane;
	bool gone_settled; /* seen absent for as long as deletions settle */
	bool retry_parked; /* its time to be tried again has come */
	bool scanned_file; /* a scan saw it as a regular file */
	bool verify;       /* its bytes are read again whatever their signature says */
	bool suspect;      /* may be what made a batch fail: sent alone */
	bool excused;      /* a deletion that another path with this content, or a rename, excuses */
	size_t slot;       /* in its job's array */
	bool held;         /* this very version of it, and not confirmed */
	bool held_renamed; /* … because its new name could not be carried */
	bool awaits_equal; /* what is on its way may have its bytes (l): not two at once */
	bool confirmed;    /* its hold was confirmed: no guard */
	bool no_rescue;    /* … and no rescue either */
	struct local_state found;
	struct plan_local l;
	struct plan_remote r;
	struct index_row row; /* row.path is not used */
	bool has_row;
	struct index_sig sig; /* of the bytes that were read */
	bool racy;
	struct plan_decision plan;
	bool counted; /* … as a put-back: once */
	bool rescued;
	struct remote_version rescued_version;
	bool was_read; /* for a batch: read_error, or these bytes and their digest in l */
	void *data;
	size_t len;
	int read_error;
	unsigned refused, bad_hash;
	int refused_status; /* what the server answered the last time it refused */
	int64_t refused_since_ms;
	struct backoff backoff;
	int64_t next_ms;                        /* monotonic: RETRY and DOUBT */
	unsigned looked;                        /* DOUBT: look-ups so far */
	bool answered;                          /* DOUBT: nothing of the write can come later */
	int64_t doubt_began_ms, doubt_until_ms; /* monotonic */
	TAILQ_ENTRY(item) link;                 /* the list of its state; none while busy */
};
TAILQ_HEAD(item_list, item);

/* What pairs of one server share: lanes, batch size, whether it answers. */
struct server {
	char *key;
	struct engine *engine;
	unsigned refs;
	bool small_busy;     /* one connection writes small files and deletes */
	unsigned large_busy; /* streams under way */
	unsigned large_slots;
	unsigned rescues_busy;
	double large_rate; /* bytes a second reached with large_slots - 1 */
	struct batch_size batch;
	bool offline;        /* nothing is sent but the probe */
	int64_t accepted_ms; /* monotonic: it stored something */
	bool down; /* … and the probe failed too, or was asked to wait: what status calls offline */
	struct backoff backoff;
	struct loop_timer timer;
	struct remote_call *probe;
	struct pair *probe_pair;
	char *last_error;
	struct pair *last_served; /* round robin */
	LIST_ENTRY(server) link;
};
LIST_HEAD(server_list, server);

/* A scan that is wanted. */
struct scan_want {
	char *prefix; /* encoded, "" or "a/b/" */
	bool walk, listing, check_all;
	TAILQ_ENTRY(scan_want) link;
};
TAILQ_HEAD(scan_want_list, scan_want);

struct job;
struct walk;

enum pair_trouble { /* why nothing is done at all; ordered as status names them */
		    TROUBLE_NONE = 0,
		    TROUBLE_LOGIN = 1,       /* 401/403, or no credential */
		    TROUBLE_REMOTE_GONE = 2, /* bucket missing, expired, re-created, (nearly) emptied */
		    TROUBLE_ROOT = 4,        /* the root is missing or another one */
		    TROUBLE_DISK = 8,        /* the state directory is full or fails */
		    TROUBLE_ERROR = 16,      /* no watch instance, unknown profile */
};
#define TROUBLE_COUNT 5

/* Somebody waits for rescans; of several pairs it hears once, when the last one is over. */
struct rescan_call {
	size_t left;
	engine_done_cb cb;
	void *arg;
};

struct rescan_waiter {
	struct rescan_call *call;
	LIST_ENTRY(rescan_waiter) link;
};
LIST_HEAD(rescan_list, rescan_waiter);

struct pair {
	struct engine *engine;
	struct pair_spec *spec;
	struct server *server;
	struct remote *remote;
	struct index_pair ip;
	bool known;       /* ip is filled */
	bool begins_anew; /* as a first sync, whatever the index says */
	struct local_rules rules;
	uint64_t root_ino;
	bool watch_stale; /* the root was lost: another watch when it is back */
	bool marked;      /* the root carries our marker; else file system id and inode are compared */
	uint64_t root_fsid;
	_Atomic bool root_filled; /* not marked: there was something in it when it was looked at last */
	struct watch_root *watch;
	struct settle *settle;
	struct guard *guard;
	struct strmap *items;
	struct item_list ready, large, rescues, deletes, doubts, retries;
	size_t n_ready, n_busy, n_deletes;
	int64_t batch_file_bytes; /* up to this a file travels with others */
	uint64_t seq;
	struct job *small;     /* has the server's lane */
	struct job *ahead;     /* is prepared while the lane is taken */
	struct job *recording; /* was answered; its rows are being written */
	struct job *deleting;
	struct lookup *doubt_lookup;
	struct item **doubt_items;
	size_t n_doubt_items;
	LIST_HEAD(, single) running;
	LIST_HEAD(, restore) restores;

	unsigned trouble; /* enum pair_trouble bits */
	bool removed, stopping, pump_due;
	bool forget, forgetting;                          /* removed for good: marker and index go too */
	struct pair_spec *successor;                      /* removed to be started anew with this */
	bool first_again;                                 /* … as a first sync */
	void (*on_reaped)(void *arg, struct pair *fresh); /* fresh: the successor, NULL if none */
	void *reaped_arg;
	bool take_root; /* add, adopt: the directory at the path becomes the root whatever its marker says */
	bool root_checking, bucket_checking, bucket_known, started;
	bool emptied;      /* known files are gone from the bucket, many or all */
	bool accept_empty; /* its user said: send them again */
	struct root_check *root_job;
	struct remote_call *bucket_call;
	char *bucket_expires;
	char *last_error;                   /* of what stops nothing */
	char *trouble_words[TROUBLE_COUNT]; /* of each trouble there is, by its bit */
	struct backoff bucket_backoff;

	struct scan_want_list wants;
	struct walk *walk;
	struct backoff walk_backoff;
	int64_t walk_not_before_ms; /* monotonic: the last one failed */
	int64_t gather_until_ms;    /* monotonic: deletions wait so long for others that settle; 0: none do */
	bool deletes_overflow;      /* some were not remembered: scan again when these are done */
	bool settle_overflow;
	bool full_check_after;   /* look at the holds when the present full scan is done */
	int64_t scan_count;      /* numbers skips */
	uint64_t first_sync_seq; /* a complete scan ended: first sync is over when nothing older is active */
	bool first_sync_scanned;
	int64_t walk_took_ms, walk_ended_ms; /* of the last whole one: overflows do not walk more often than
						ten times its length */
	bool overflowed, degraded;
	struct rescan_list rescan_waiters;

	bool awaits_equal;       /* the last pump left something that awaits what is on its way */
	int64_t rescue_reserved; /* by rescues under way, of the day's budget */
	bool rescue_waits;       /* something is held because it could not be rescued */
	struct room_look *room_look;

	struct loop_timer settle_timer, item_timer, rescan_timer, root_timer, poll_timer, pause_timer,
		bucket_timer, expire_timer, disk_timer, room_timer, rate_timer, equal_timer;
	struct strmap *renames; /* old encoded path -> struct renamed */
	struct quarrels *repairs;

	/* status */
	bool counts_stale;
	int64_t deletes_held, foreign_held, blocking_held, skipped, skip_errors, quarrels;
	int64_t sent_bytes_window, window_start_ms, rate;
	struct loop_timer report_timer;
	bool report_due;
};

struct renamed {
	char *old_path;
	char *new_path;
	int64_t at_ns; /* wall clock, as rows have it */
	bool held;     /* the new name could not be carried, the old one is held for it */
};

struct engine {
	struct engine_params p;
	struct watch *watch;
	struct trash *trash;
	struct pair **pairs; /* by name */
	size_t n_pairs;
	struct server_list servers;
	LIST_HEAD(, engine_watch) watchers;
	LIST_HEAD(, engine_wait) waits;
	LIST_HEAD(, engine_plan) plans;
	LIST_HEAD(, change) changes;
	LIST_HEAD(, bequest) bequests; /* doubt.c */
	bool stopping;
	struct loop_timer stop_timer;
	void (*stopped)(void *arg);
	void *stopped_arg;
	struct loop_timer day_timer, rest_timer;
};

/* --- pair.c --- */
struct pair *pair_new(struct engine *e,
		      struct pair_spec *spec); /* spec is taken on success; NULL: out of memory */
struct pair *pair_free(struct pair *p);
void pair_start(struct pair *p);
void pair_root_ready(struct pair *p);     /* root.c: it is there and ours */
bool pair_can_work(const struct pair *p); /* not paused, no trouble, known */
void pair_pump(struct pair *p);           /* starts whatever can start now; cheap when nothing can */
void pair_pump_later(struct pair *p);
void pair_trouble(struct pair *p, enum pair_trouble what, const char *format, ...) _printf_(3, 4);
/* What goes with the state: of several troubles the one that names it. NULL: nothing. */
const char *pair_last_error(const struct pair *p);
void pair_trouble_over(struct pair *p, enum pair_trouble what);
void pair_stop_work(struct pair *p);  /* cancels what runs through the remote; items go back to ready */
bool pair_busy(const struct pair *p); /* jobs, scans or checks under way */
void pair_arm_timers(struct pair *p);
int pair_begin_first_sync(struct pair *p, const char *why, bool drop_rows);
void pair_check_first_sync(struct pair *p); /* is it over? */
void pair_set_settings(struct pair *p);
int64_t pair_setting(const struct pair *p, int64_t own, int64_t global);
int64_t pair_rescue_room(struct pair *p); /* bytes that may still be rescued today */
char *pair_full_path(const struct pair *p,
		     const char *path); /* the stored path: prefix + path; NULL out of memory */
void pair_hint(struct pair *p, const char *local, enum settle_kind kind);
void pair_index_failed(struct pair *p, int error); /* a write to the index failed: stop until there is room */
/* asked: by its user, who accepts with it that files are gone from the bucket. */
void pair_resume_from_pause(struct pair *p, bool asked);
void pair_arm_pause(struct pair *p);

/* --- bucket.c --- */
/* At start, after a 404 and, when asked, while it is gone: the call is expensive. */
void pair_check_bucket(struct pair *p);
void pair_warn_expiry(struct pair *p);

/* --- engine.c --- */
struct pair *engine_pair(struct engine *e, const char *name); /* NULL: none */
bool engine_lists(const struct pair *p);
void engine_own_dirs(struct engine *e, struct local_rules *rules);
void engine_reap(struct engine *e); /* frees removed pairs whose work has ended */
void engine_check_stopped(struct engine *e);
void engine_sort(struct engine *e);
void engine_rest_later(
	struct engine *e);             /* after a batch or a scan: when all is quiet its memory goes back */
int engine_load_index(struct pair *p); /* once, when the pair starts; again after it failed */
int engine_pause_over(struct pair *p); /* its time is over: resumed, but not by its user */
void engine_rescans_over(struct rescan_list *list, const struct engine_error *error);
/* A pair from its spec (taken on success), into the set and started. */
int engine_attach(struct engine *e, struct pair_spec *spec, bool first_again, bool take_root,
		  struct pair **ret_pair);

/* --- change.c, dryrun.c --- */
bool changes_use(struct engine *e, const struct remote *remote);
void changes_cancel(struct engine *e); /* at the end, when nothing runs any more */
int changes_profile_renamed(struct engine *e, const char *old_name, const char *new_name);
/* The name of the field of a spec that cannot be as it is, and why; NULL: none, and remote_prefix now ends
 * with the slash that everything below counts on. */
const char *change_spec_error(struct pair_spec *spec, const char **ret_why);
bool plans_use(struct engine *e, const struct remote *remote);
/* Stops the pair and starts it anew with spec (taken; NULL: as it is) when nothing of it runs any more. */
void engine_restart_pair(struct engine *e, struct pair *p, struct pair_spec *spec, bool first_again,
			 void (*on_reaped)(void *arg, struct pair *fresh), void *arg);

/* --- items.c --- */
/* The active item of a path, made if there is none. NULL: out of memory, or a path no disk can hold. */
struct item *item_get(struct pair *p, const char *path);
struct item *item_find(struct pair *p, const char *path);
void item_ready(struct item *it); /* from any state: waits for a job */
void item_busy(struct item *it);
void item_retry(struct item *it, int64_t delay_ms);
void item_again(struct item *it); /* failed, not stored: at once the first time, then later and later */
void item_delete(struct item *it);
void item_doubt(struct item *it);
void item_lane(struct item *it, enum item_lane lane); /* ready there */
void item_done(struct item *it); /* nothing more to do: freed, or hinted again if something came meanwhile */
void item_forget(struct item *it); /* freed without a word */
void items_retry_due(struct pair *p, int64_t now_ms, int64_t *ret_next_ms);
void items_sort(struct item **items, size_t n); /* by path */
size_t items_active(const struct pair *p);
bool items_older_than(const struct pair *p, uint64_t seq, bool deletes_too);

/* --- judge.c --- */
int judge_load_row(struct item *it); /* fills row; 0 also when there is none */
/* Asks the plan with what is known now. Notes and remembered writes become the row's version first. */
int judge(struct item *it);
void judge_dry(struct item *it); /* the same without writing anything */
/* What the inspection said (found), as the plan wants it. */
void job_take_local(struct item *it);
/* Carries out what needs no request: rows, holds, skips. True: the item is done with (the caller calls
 * item_done). */
bool judge_settle(struct item *it, int *ret_error);
int judge_put_row(struct item *it, const struct remote_version *v, bool sig_valid, unsigned keep_flags,
		  unsigned set_flags);
int judge_note(struct item *it, enum index_note kind, const struct digest *digest);
int judge_unnote(struct item *it);
int judge_hold(struct item *it, enum index_hold_reason reason, bool side_local,
	       const struct remote_version *v, int64_t size);
int judge_skip(struct item *it, const char *reason, const char *message, bool error, int64_t retry_ms);
bool judge_parked(struct item *it);        /* refused, quarrelled over, too large …: not its time yet */
bool judge_rescued(const struct item *it); /* the version looked up is in the Trash, or may be lost */
bool judge_quarrel(struct item *it);       /* counts a put-back; true: it was one too many and is parked */
/* The write of this item was answered (or found): the row says so. v: what the server has. */
void judge_written(struct item *it, const struct remote_version *v, const char *action);
/* The deletion of this item was answered (or found done): row and hold go, and it counts for the guard. */
void judge_deleted(struct item *it, const char *message);

/* --- lookup.c --- */
typedef void (*lookup_cb)(void *arg, const struct remote_error *error);
/* Fills r of each item (sorted by path) from the listing. The array must live until cb. */
int lookup_start(struct pair *p, struct item **items, size_t n, lookup_cb cb, void *arg,
		 struct lookup **ret_lookup);
void lookup_cancel(struct lookup *l); /* cb still comes */

/* --- job.c, send.c, deletes.c, single.c, doubt.c --- */
bool job_start(struct pair *p); /* a small job, if there is something for it */
bool job_sends(const struct job *j, int64_t size, const struct digest *digest); /* as server_sends */
void job_cancel(struct job *j);
void job_cancel_ahead(struct pair *p);
/* What a failed request means for the pair and its server, beside what becomes of the items. */
void pair_remote_failed(struct pair *p, const struct remote_error *error, bool write);
void item_wrong_hash(struct item *it,
		     const struct remote_version *v); /* the server has other bytes than we sent */
/* An answer that may be about the content or the name and not about the server. */
bool refuses_content(const struct remote_error *error);
/* It was sent, or fetched, alone. True: often enough to be parked. */
bool item_count_refusal(struct item *it, int status);
int64_t item_refusal_pause_ms(const struct pair *p); /* between two such tries */
/* Refused, and proven not to be carried out: tried again in a while, parked when that was often enough. */
void item_refused(struct item *it);

bool deletes_start(struct pair *p);

struct single;
bool single_start(struct pair *p); /* a stream or a rescue, if there is one and a slot for it */
void single_cancel_all(struct pair *p);
bool singles_send(const struct pair *p, int64_t size, const struct digest *digest); /* as server_sends */
int64_t singles_bytes_sent(struct pair *p);
unsigned singles_running(const struct pair *p);

void doubt_begin(struct item *it, bool answered); /* answered: the server said something, so nothing can come
						     later: one look-up decides */
void doubt_pump(struct pair *p, int64_t now_ms, int64_t *ret_next_ms);
int doubt_load(struct pair *p);                                                    /* notes found at start */
bool doubts_send(const struct pair *p, int64_t size, const struct digest *digest); /* as server_sends */
void doubt_cancel(struct pair *p);
void doubts_bequeath(struct pair *p); /* before it is freed */
void doubts_inherit(
	struct pair *p); /* what a removed pair left in doubt of its paths; before anything is sent */
void bequests_drop(struct engine *e, int64_t older_than_ms); /* monotonic */

/* --- server.c --- */
struct server *server_get(struct engine *e, const char *key);
struct server *server_put(struct server *s);
void server_offline(struct server *s, struct pair *p, const struct remote_error *error);
void server_online(struct server *s);
void server_wake(struct server *s); /* something may be different now: if it is offline it is asked at once */
void server_pump(struct server *s); /* every pair of it, fairly */
/* Two first uploads of one content at once fail on the server. Is anything on its way there, or perhaps so,
 * that may have these bytes: the same size (-1: unknown) and not both hashes known (NULL: not) and different?
 * but: a job whose own parts do not count, they come one after another. */
bool server_sends(const struct server *s, const struct job *but, int64_t size, const struct digest *digest);
bool server_may_equal(int64_t size, const struct digest *digest, int64_t other_size,
		      const struct digest *other_digest);
void server_large_done(struct server *s, int64_t bytes, int64_t took_ms);
void server_forget_pair(struct server *s, struct pair *p);
void server_cancel_probe(struct server *s, struct pair *p); /* if it runs through this pair */

/* --- root.c --- */
struct root_check;
/* In a worker: opens the root and checks that it is the pair's. 0 and a descriptor, or -errno (-ESTALE:
 * another directory, or one without a marker that is empty now and was not). */
int root_open_checked(struct pair *p, int *ret_fd);
void root_check(struct pair *p); /* asks a worker; then starts, or says what is missing */
void root_check_later(struct pair *p);
void root_take(struct pair *p);    /* add, adopt: writes our marker over any */
void root_release(struct pair *p); /* remove: takes the marker away */

/* --- walk.c --- */
void walk_want(struct pair *p, const char *prefix, bool walk, bool listing, bool check_all);
void walk_pump(struct pair *p);
void walk_cancel(struct pair *p);
bool walk_pending(const struct pair *p);
/* So many known files gone from the server: the bucket is not what it was. */
#define VANISHED_MAX 20
bool walk_vanished(const struct pair *p, const struct scan_item *found); /* one of them */
void walk_want_polled(struct pair *p); /* every directory that could not be watched */
void renamed_free(struct renamed *x);  /* NULL-safe */
void walk_on_hint(void *arg, enum watch_hint hint, const char *path, const char *new_path, bool is_dir);

/* --- holds.c --- */
void holds_review(struct pair *p); /* after a full scan: every held path is looked at again */
/* Is there room by now for what is held because it could not be rescued? That is looked at again. */
void holds_look_for_room(struct pair *p);

/* --- restore.c --- */
/* Brings the held remote version here. The path's item is busy until it is done; while it is busy otherwise
 * (or a write in doubt) the restore waits. -EALREADY, here or in done: nothing is held there any more. */
typedef void (*restore_cb)(void *arg, const char *path, int error);
int restore_start(struct pair *p, const char *path, restore_cb done, void *arg);
void restores_pump(struct pair *p); /* begins what waited */
void restores_cancel(struct pair *p);

/* --- wait.c --- */
void wait_item_done(struct pair *p, const char *path, uint64_t seq, bool again);
/* The upload of path, not yet done, shows that another name of its inode (NULL: one that a walk of the whole
 * tree will find) is different too. */
void wait_linked(struct pair *p, const char *path, const char *other);
void wait_walk_begins(struct pair *p); /* of the whole tree */
void wait_scan_ended(struct pair *p);
void wait_check(struct pair *p);
void waits_drop_pair(struct pair *p,
		     bool renewed); /* before it is freed; renewed: waits_renew_pair follows */
void waits_renew_pair(struct engine *e, struct pair *fresh); /* NULL: it could not be started */

/* --- report.c --- */
void report_changed(struct pair *p);
void report_file(struct pair *p, const char *path, const char *action, bool done, int64_t bytes_done,
		 int64_t bytes_total, const char *failure);
void report_removed(struct engine *e, const char *name);
void report_bytes(struct pair *p, int64_t bytes);
void report_rate_stop(struct pair *p); /* nothing is sent any more */
void report_history(struct pair *p, const char *action, const char *path, int64_t size,
		    const struct digest *digest, const char *result, const char *message);
void report_status(struct pair *p, struct engine_status *ret_status);
void report_counts(struct pair *p);
void report_totals(struct pair *p); /* files and bytes of ip, which the index keeps */
bool report_in_sync(struct pair *p);
void report_set_error(struct pair *p, const char *format, ...) _printf_(2, 3);
