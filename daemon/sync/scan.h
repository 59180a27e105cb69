/* The walk: a tree in the order of the server's listing (encoded paths bytewise, a directory as NAME/),
 * merged with the index and, if asked, with the pages of a listing, in constant memory. Runs in a worker step
 * by step; the pair owns it and feeds it pages. Emits only what may need something done; never changes
 * anything itself but adding watches. */
#pragma once
#include "store/index.h"
#include "sync/local.h"
#include "sync/remote.h"
#include "sync/watch.h"

struct scan_params {
	const char *root_path;     /* opened by the scan itself, held while a step runs, checked against
				      root_dev/root_ino */
	int64_t pair;              /* key in the index; 0: no rows at all (a pair that is not added yet) */
	const char *index_path;    /* the scan opens its own reader */
	const char *prefix;        /* encoded subtree "" or "a/b/" (local form is derived) */
	const char *remote_prefix; /* the pair's own, for the length of URLs; NULL: none */
	struct local_rules rules;
	struct watch_root *watch; /* NULL: add no watches */
	bool walk;    /* false: only index and listing are merged (after a hub reconnection); local states are
			 then left unknown */
	bool listing; /* pages are fed */
	bool check_all; /* emit every file, equal signature or not (verify_hashes) */
};

/* Something a path may need. */
struct scan_item {
	char *path;               /* encoded, relative to the pair */
	enum plan_presence local; /* ABSENT proven absent, FILE; UNKNOWN when walk is false. What is special,
				     unreadable or not covered is a skip: whatever row or remote it has,
				     nothing is done about it */
	struct index_sig sig;     /* local FILE */
	bool linked;
	bool has_row;
	struct remote_version remote; /* when remote_known and remote_present */
	bool remote_known;            /* a page covered the path */
	bool remote_present;
};

struct scan_skip {
	char *path;         /* encoded where possible */
	const char *reason; /* static */
	int error;          /* negative errno, 0 none */
};

struct scan_result {
	struct scan_item *items;
	size_t n_items, cap_items;
	struct scan_skip *skips;
	size_t n_skips, cap_skips;
	bool done;       /* the walk is complete */
	bool want_page;  /* feed the next page (or the final, empty one) */
	bool incomplete; /* something could not be read: absence proves nothing there (that part was not
			    emitted); the walk as a whole still ends */
	/* Of this step; equal: files in order, nothing emitted for them. */
	int64_t files, directories, equal;
	int error; /* the walk as a whole failed: -errno (root gone, index unreadable, -ESTALE: another root
		      than asked for) */
};
void scan_result_done(struct scan_result *r);

/* A page of the listing in the pair's own paths (prefix cut off), all > the previous one; pages may be empty.
 */
struct scan_page {
	const struct remote_file *files;
	size_t n;
	bool final;           /* nothing follows: everything behind the last file is absent */
	int64_t requested_ns; /* wall clock when it was asked for: rows written later are not judged by it */
};

struct scan;
int scan_new(const struct scan_params *params, uint64_t root_ino, struct scan **ret_scan);
struct scan *scan_free(struct scan *s); /* never while a step runs */
/* In a worker: goes on until max_items were emitted (items and skips; a little more where a directory brings
 * many skips), the page is used up, the tree ends, or SCAN_STEP_MS passed: a worker is for others too. page:
 * the one to merge with until want_page; NULL without listing, or before the first. The same page is passed
 * again until want_page. Unless done or failed, call it again. */
#define SCAN_STEP_MS 500
void scan_step(struct scan *s, const struct scan_page *page, size_t max_items,
	       struct scan_result *ret_result);
/* Any thread: makes a running step, and every later one, return early with error -ECANCELED. */
void scan_cancel(struct scan *s);
/* How far it has come: the last path passed as of the last step (copy; free it; NULL: out of memory). */
char *scan_position(struct scan *s);
