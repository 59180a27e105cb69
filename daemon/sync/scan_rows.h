/* The rows of a pair in path order for a scan, read in chunks. Private to scan.c. */
#pragma once
#include "base/buf.h"
#include "store/index.h"
#include "sync/remote.h"

struct scan_row {
	size_t path; /* offset in the chunk's text */
	size_t len;
	struct index_sig sig;
	struct remote_version version; /* synced rows */
	int64_t written_ns;
	bool synced, noted, gone_here;
};

struct scan_rows {
	struct index_reader *reader; /* NULL: there are no rows */
	int64_t pair;
	char *prefix;
	struct scan_row *chunk;
	size_t at, n;
	struct buf text;
	struct buf after; /* where the next chunk begins */
	bool started, end;
	int error;
};

int scan_rows_open(struct scan_rows *rows, const char *index_path, int64_t pair, const char *prefix);
void scan_rows_close(struct scan_rows *rows);
/* The present row, *ret_row NULL at the end. -errno stays. Valid until the next call that moves. */
int scan_rows_peek(struct scan_rows *rows, const struct scan_row **ret_row, const char **ret_path);
void scan_rows_advance(struct scan_rows *rows);
/* Passes over all rows that begin with prefix ("a/"); the present one is the first that may. */
int scan_rows_pass(struct scan_rows *rows, const char *prefix);
