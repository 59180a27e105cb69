/*
 * Files in the store: rows as views, their JSON, the commit of an upload with the original's races, deletion.
 * The store's lock is held by the caller except where said.
 */
#pragma once

#include "store.h"

#define FILE_COLUMNS   "path, size, mime_type, short_code, sha256, created_at, updated_at"
#define SHORT_CODE_LEN 6

/* A row; the spans live until the statement moves. */
struct file_view {
	struct span path, mime_type, short_code, sha256; /* p NULL: absent */
	int64_t size, created_at, updated_at;
};

/* An owned copy. */
struct file_row {
	struct file_view view;
	struct buf text; /* what the view's spans point into */
};

void file_row_done(struct file_row *f);
#define _cleanup_file_ _cleanup_(file_row_done)

struct file_view file_view_of(sqlite3_stmt *st); /* of FILE_COLUMNS */
void file_add_json(struct buf *json, const struct file_view *f);
/* False: no such file. */
bool file_load(struct store *s, struct span bucket_id, struct span path, struct file_row *ret);
/* Opens a stored content. -ENOENT: it is gone. Takes the lock itself. */
int file_open_content(struct store *s, struct span sha256, struct content_file *ret);
int file_delete(struct store *s, struct span bucket_id, const struct file_view *f);

/* One upload on its way into the store. */
struct file_commit {
	struct span bucket_id, path;
	struct stage *stage;
	bool is_patch; /* no new file, no last_used_at */

	/* What the look before it found; true when it is carried out, or the original's races happen. */
	bool existed, content_known;
	int64_t place; /* of a new content */
	struct file_commit *next_placing;
	char old_sha[SHA_HEX_LEN + 1];
	int64_t old_size, created_at, updated_at;
	char short_code[16];
};

struct request;

/* Look, place, write rows: takes and releases the lock itself, twice, with the races' window between. Commits
 * nothing: the caller calls store_commit before it answers. 0; -EEXIST or -EIO: the original's 500. */
int file_commit_run(struct store *s, struct request *r, struct file_commit *c);
/* The JSON of what was just uploaded. */
void file_commit_add_json(struct buf *json, const struct file_commit *c);
