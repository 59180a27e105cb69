/*
 * Files in the store: see files.h.
 */
#include "files.h"

#include "buckets.h"
#include "faults.h"
#include "json_out.h"
#include "mime.h"

#include <errno.h>
#include <string.h>

void file_row_done(struct file_row *f)
{
	buf_done(&f->text);
}

struct file_view file_view_of(sqlite3_stmt *st)
{
	return (struct file_view){
		.path = store_column(st, 0),
		.size = sqlite3_column_int64(st, 1),
		.mime_type = store_column(st, 2),
		.short_code = store_column(st, 3),
		.sha256 = store_column(st, 4),
		.created_at = sqlite3_column_int64(st, 5),
		.updated_at = sqlite3_column_int64(st, 6),
	};
}

static void add_members(struct buf *json, const struct file_view *f)
{
	json_add_text(json, "path", f->path);
	json_add_text(json, "name", path_name(f->path));
	json_add_int(json, "size", f->size);
	json_add_text(json, "mime_type", f->mime_type);
	if (f->short_code.p) {
		json_add_text(json, "short_code", f->short_code);
		json_key(json, "short_url");
		buf_adds(json, "\"/s/");
		buf_addspan(json, f->short_code);
		buf_addc(json, '"');
	}
	if (f->sha256.p)
		json_add_text(json, "sha256", f->sha256);
}

void file_add_json(struct buf *json, const struct file_view *f)
{
	json_open(json, '{');
	add_members(json, f);
	json_add_time(json, "created_at", f->created_at, false);
	json_add_time(json, "updated_at", f->updated_at, false);
	json_close(json, '}');
}

static void copy_view(struct file_row *row, const struct file_view *f)
{
	struct span *spans[] = {&row->view.path, &row->view.mime_type, &row->view.short_code,
				&row->view.sha256};

	row->view = *f;
	for (size_t i = 0; i < 4; i++)
		buf_addspan(&row->text, *spans[i]);
	size_t at = 0;
	for (size_t i = 0; i < 4; i++) {
		if (spans[i]->p)
			spans[i]->p = row->text.p + at;
		at += spans[i]->n;
	}
}

bool file_load(struct store *s, struct span bucket_id, struct span path, struct file_row *ret)
{
	sqlite3_stmt *st = store_prepare(s, ST_FILE_GET);

	*ret = (struct file_row){0};
	store_bind(st, 1, bucket_id);
	store_bind(st, 2, path);
	bool found = sqlite3_step(st) == SQLITE_ROW;
	if (found) {
		struct file_view f = file_view_of(st);
		copy_view(ret, &f);
	}
	sqlite3_reset(st);
	return found && !ret->text.failed;
}

static int change_refs(struct store *s, struct span sha, int64_t by)
{
	sqlite3_stmt *st = store_prepare(s, ST_CONTENT_REF);

	store_bind(st, 1, sha);
	store_bind_int(st, 2, by);
	return store_run(s, st);
}

/* used: TIME_NONE leaves last_used_at alone. */
static int count_in_bucket(struct store *s, struct span id, int64_t files, int64_t bytes, int64_t used)
{
	sqlite3_stmt *st = store_prepare(s, ST_BUCKET_COUNT_FILE);

	store_bind(st, 1, id);
	store_bind_int(st, 2, files);
	store_bind_int(st, 3, bytes);
	if (used != TIME_NONE)
		store_bind_int(st, 4, used);
	return store_run(s, st);
}

int file_delete(struct store *s, struct span bucket_id, const struct file_view *f)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sqlite3_stmt *st = store_prepare(s, ST_FILE_DELETE);
	store_bind(st, 1, bucket_id);
	store_bind(st, 2, f->path);
	r = store_run(s, st);
	if (r == 0 && f->sha256.p)
		r = change_refs(s, f->sha256, -1);
	if (r == 0 && f->short_code.p) {
		st = store_prepare(s, ST_SHORT_DELETE);
		store_bind(st, 1, f->short_code);
		r = store_run(s, st);
	}
	if (r == 0)
		r = count_in_bucket(s, bucket_id, -1, -f->size, TIME_NONE);
	bucket_changed(s, bucket_id);
	return r;
}

int file_open_content(struct store *s, struct span sha256, struct content_file *ret)
{
	char sha[SHA_HEX_LEN + 1];

	ret->fd = -1;
	if (sha256.n != SHA_HEX_LEN)
		return -ENOENT;
	memcpy(sha, sha256.p, SHA_HEX_LEN);
	sha[SHA_HEX_LEN] = 0;
	store_lock(s);
	sqlite3_stmt *st = store_prepare(s, ST_CONTENT_GET);
	store_bind(st, 1, sha256);
	bool found = sqlite3_step(st) == SQLITE_ROW;
	int64_t place = found ? sqlite3_column_int64(st, 0) : PLACE_LOST;
	int64_t size = found ? sqlite3_column_int64(st, 1) : 0;
	sqlite3_reset(st);
	store_unlock(s);
	return contents_read(&s->contents, sha, place, size, ret);
}

static void look(struct store *s, struct file_commit *c)
{
	sqlite3_stmt *st = store_prepare(s, ST_CONTENT_GET);

	store_bind(st, 1, span_of(c->stage->sha));
	c->content_known = sqlite3_step(st) == SQLITE_ROW;
	sqlite3_reset(st);
	st = store_prepare(s, ST_FILE_GET);
	store_bind(st, 1, c->bucket_id);
	store_bind(st, 2, c->path);
	c->existed = sqlite3_step(st) == SQLITE_ROW;
	c->old_sha[0] = c->short_code[0] = 0;
	if (c->existed) {
		struct file_view f = file_view_of(st);
		if (f.sha256.n == SHA_HEX_LEN)
			memcpy(c->old_sha, f.sha256.p, SHA_HEX_LEN + 1);
		if (f.short_code.n && f.short_code.n < sizeof(c->short_code))
			memcpy(c->short_code, f.short_code.p, f.short_code.n + 1);
		c->old_size = f.size;
		c->created_at = f.created_at;
	}
	sqlite3_reset(st);
}

static int write_content_row(struct store *s, struct file_commit *c)
{
	if (c->content_known)
		return change_refs(s, span_of(c->stage->sha), 1);
	sqlite3_stmt *st = store_prepare(s, ST_CONTENT_INSERT);
	store_bind(st, 1, span_of(c->stage->sha));
	store_bind_int(st, 2, c->stage->size);
	store_bind_int(st, 3, c->updated_at);
	store_bind_int(st, 4, c->place);
	return store_run(s, st);
}

static int insert_file(struct store *s, struct file_commit *c)
{
	c->created_at = c->updated_at;
	random_text(c->short_code, SHORT_CODE_LEN, ALPHABET_ALNUM);
	sqlite3_stmt *st = store_prepare(s, ST_FILE_INSERT);
	store_bind(st, 1, c->bucket_id);
	store_bind(st, 2, c->path);
	store_bind_int(st, 3, c->stage->size);
	store_bind(st, 4, span_of(mime_of_path(c->path)));
	store_bind(st, 5, span_of(c->short_code));
	store_bind(st, 6, span_of(c->stage->sha));
	store_bind_int(st, 7, c->updated_at);
	store_bind_int(st, 8, s->next_seq++);
	int r = store_run(s, st);
	if (r < 0)
		return r;
	st = store_prepare(s, ST_SHORT_INSERT);
	store_bind(st, 1, span_of(c->short_code));
	store_bind(st, 2, c->bucket_id);
	store_bind(st, 3, c->path);
	return store_run(s, st);
}

/* What was looked up before may be wrong by now; the original does not look again either, and counts twice.
 */
static int update_file(struct store *s, struct file_commit *c)
{
	sqlite3_stmt *st = store_prepare(s, ST_FILE_UPDATE);

	store_bind(st, 1, c->bucket_id);
	store_bind(st, 2, c->path);
	store_bind_int(st, 3, c->stage->size);
	store_bind(st, 4, span_of(mime_of_path(c->path)));
	store_bind(st, 5, span_of(c->stage->sha));
	store_bind_int(st, 6, c->updated_at);
	int r = store_run(s, st);
	if (r == 0 && c->old_sha[0] && strcmp(c->old_sha, c->stage->sha) != 0)
		r = change_refs(s, span_of(c->old_sha), -1);
	return r;
}

static int write_rows(struct store *s, struct file_commit *c)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	c->updated_at = ticks_now();
	r = c->existed ? update_file(s, c) : insert_file(s, c);
	if (r == 0)
		r = write_content_row(s, c);
	if (r == 0)
		r = count_in_bucket(s, c->bucket_id, c->existed ? 0 : 1,
				    c->stage->size - (c->existed ? c->old_size : 0),
				    c->is_patch ? TIME_NONE : c->updated_at);
	bucket_changed(s, c->bucket_id);
	return r;
}

/* Takes the place of a new content. In the original this is a move into the store that fails if the content
 * is there already: put there by an upload that is not done yet, by one that was faster, or left by one that
 * failed. */
static int reserve(struct store *s, struct file_commit *c)
{
	static const enum statement taken[] = {ST_CONTENT_GET, ST_POISON_GET};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		sqlite3_stmt *st = store_prepare(s, taken[i]);
		store_bind(st, 1, span_of(c->stage->sha));
		bool found = sqlite3_step(st) == SQLITE_ROW;
		sqlite3_reset(st);
		if (found)
			return -EEXIST;
	}
	for (struct file_commit *other = s->placing; other; other = other->next_placing)
		if (strcmp(other->stage->sha, c->stage->sha) == 0)
			return -EEXIST;
	c->place = PLACE_OWN_FILE;
	if (stage_is_small(c->stage)) {
		c->place = s->contents.pack_end;
		s->contents.pack_end += c->stage->size;
	}
	c->next_placing = s->placing;
	s->placing = c;
	return 0;
}

/* The end of what reserve began: the content has its row now, or is left without one and poisoned. */
static void settle(struct store *s, struct file_commit *c, bool poisoned)
{
	struct file_commit **at = &s->placing;

	while (*at != c)
		at = &(*at)->next_placing;
	*at = c->next_placing;
	if (!poisoned)
		return;
	sqlite3_stmt *st = store_prepare(s, ST_POISON_INSERT);
	store_bind(st, 1, span_of(c->stage->sha));
	if (store_begin(s) == 0)
		store_run(s, st);
}

int file_commit_run(struct store *s, struct request *r, struct file_commit *c)
{
	int n = 0;

	store_lock(s);
	look(s, c);
	if (fault_has_window(r)) {
		store_unlock(s);
		fault_in_window(r);
		store_lock(s);
	}
	if (!c->content_known)
		n = reserve(s, c);
	store_unlock(s);
	if (n < 0)
		return n;
	if (!c->content_known)
		n = contents_place(&s->contents, c->stage, c->place);
	fault_in_window(r);
	store_lock(s);
	bool placed = n == 0;
	if (placed)
		n = write_rows(s, c);
	if (!c->content_known)
		settle(s, c, placed && n < 0);
	store_unlock(s);
	return n;
}

void file_commit_add_json(struct buf *json, const struct file_commit *c)
{
	struct file_view f = {
		.path = c->path,
		.size = c->stage->size,
		.mime_type = span_of(mime_of_path(c->path)),
		.short_code = c->short_code[0] ? span_of(c->short_code) : (struct span){NULL, 0},
		.sha256 = span_of(c->stage->sha),
	};

	json_open(json, '{');
	add_members(json, &f);
	json_add_bool(json, "deduplicated", c->content_known);
	json_add_time(json, "created_at", c->created_at, !c->existed);
	json_add_time(json, "updated_at", c->updated_at, true);
	json_close(json, '}');
}
