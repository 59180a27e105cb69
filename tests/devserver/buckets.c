/*
 * Buckets in the store: see buckets.h.
 */
#include "buckets.h"

#include "files.h"
#include "json_out.h"

#include <errno.h>

/* include=files shows no more than this. */
#define DETAIL_FILES_MAX 100

void bucket_done(struct bucket *b)
{
	buf_done(&b->id);
	buf_done(&b->name);
	buf_done(&b->owner);
	buf_done(&b->description);
}

static int64_t column_time(sqlite3_stmt *st, int column)
{
	return sqlite3_column_type(st, column) == SQLITE_NULL ? TIME_NONE : sqlite3_column_int64(st, column);
}

static void bind_time(sqlite3_stmt *st, int at, int64_t ticks)
{
	if (ticks != TIME_NONE)
		store_bind_int(st, at, ticks);
}

void bucket_from_row(struct bucket *b, sqlite3_stmt *st)
{
	*b = (struct bucket){.has_description = sqlite3_column_type(st, 3) != SQLITE_NULL};
	buf_addspan(&b->id, store_column(st, 0));
	buf_addspan(&b->name, store_column(st, 1));
	buf_addspan(&b->owner, store_column(st, 2));
	if (b->has_description)
		buf_addspan(&b->description, store_column(st, 3));
	b->created_at = sqlite3_column_int64(st, 4);
	b->expires_at = column_time(st, 5);
	b->last_used_at = column_time(st, 6);
	b->file_count = sqlite3_column_int64(st, 7);
	b->total_size = sqlite3_column_int64(st, 8);
}

bool bucket_load(struct store *s, struct span id, struct bucket *ret)
{
	sqlite3_stmt *st = store_prepare(s, ST_BUCKET_GET);

	*ret = (struct bucket){0};
	store_bind(st, 1, id);
	bool found = sqlite3_step(st) == SQLITE_ROW;
	if (found)
		bucket_from_row(ret, st);
	sqlite3_reset(st);
	return found;
}

bool bucket_expired(const struct bucket *b)
{
	return b->expires_at != TIME_NONE && b->expires_at <= ticks_now();
}

bool bucket_load_live(struct store *s, struct span id, struct bucket *ret)
{
	if (!bucket_load(s, id, ret))
		return false;
	if (!bucket_expired(ret))
		return true;
	bucket_done(ret);
	*ret = (struct bucket){0};
	return false;
}

bool bucket_is_live(struct store *s, struct span id)
{
	_cleanup_bucket_ struct bucket b;

	return bucket_load_live(s, id, &b);
}

bool bucket_is_live_cached(struct store *s, struct span id)
{
	_cleanup_bucket_ struct bucket b = {0};

	if (ttl_cache_get(&s->details, id))
		return true;
	if (!bucket_load_live(s, id, &b))
		return false;
	/* The text of the detail is made when somebody asks for it: until then nothing of it can change
	 * unseen but last_used_at, and that is kept. */
	struct ttl_entry *e = ttl_cache_put(&s->details, id);
	if (e)
		e->number = b.last_used_at;
	return true;
}

void bucket_add_members(struct buf *json, const struct bucket *b)
{
	json_add_text(json, "id", buf_span(&b->id));
	json_add_text(json, "name", buf_span(&b->name));
	json_add_text(json, "owner", buf_span(&b->owner));
	if (b->has_description)
		json_add_text(json, "description", buf_span(&b->description));
	json_add_time(json, "created_at", b->created_at, b->created_now);
	if (b->expires_at != TIME_NONE)
		json_add_time(json, "expires_at", b->expires_at, b->expires_with_zone);
	if (b->last_used_at != TIME_NONE)
		json_add_time(json, "last_used_at", b->last_used_at, false);
	json_add_int(json, "file_count", b->file_count);
	json_add_int(json, "total_size", b->total_size);
}

void bucket_add_json(struct buf *json, const struct bucket *b)
{
	json_open(json, '{');
	bucket_add_members(json, b);
	json_close(json, '}');
}

int bucket_insert(struct store *s, const struct bucket *b, struct span owner_prefix)
{
	sqlite3_stmt *st = store_prepare(s, ST_BUCKET_INSERT);

	store_bind(st, 1, buf_span(&b->id));
	store_bind(st, 2, buf_span(&b->name));
	store_bind(st, 3, buf_span(&b->owner));
	if (owner_prefix.n)
		store_bind(st, 4, owner_prefix);
	if (b->has_description)
		store_bind(st, 5, buf_span(&b->description));
	store_bind_int(st, 6, b->created_at);
	bind_time(st, 7, b->expires_at);
	store_bind_int(st, 8, s->next_seq++);
	s->stats_until_ms = 0;
	int r = store_begin(s);
	return r < 0 ? r : store_run(s, st);
}

int bucket_update(struct store *s, const struct bucket *b)
{
	sqlite3_stmt *st = store_prepare(s, ST_BUCKET_UPDATE);

	store_bind(st, 1, buf_span(&b->id));
	store_bind(st, 2, buf_span(&b->name));
	if (b->has_description)
		store_bind(st, 3, buf_span(&b->description));
	bind_time(st, 4, b->expires_at);
	bucket_changed(s, buf_span(&b->id));
	int r = store_begin(s);
	return r < 0 ? r : store_run(s, st);
}

/* The contents keep their reference counts: the original forgets them too, so they stay for ever. */
int bucket_delete(struct store *s, struct span id)
{
	static const enum statement steps[] = {ST_SHORTS_DELETE, ST_FILES_DELETE, ST_TOKENS_DELETE,
					       ST_BUCKET_DELETE};
	int r = store_begin(s);

	for (size_t i = 0; r == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
		sqlite3_stmt *st = store_prepare(s, steps[i]);
		store_bind(st, 1, id);
		r = store_run(s, st);
	}
	bucket_changed(s, id);
	return r;
}

int bucket_touch(struct store *s, struct span id)
{
	sqlite3_stmt *st = store_prepare(s, ST_BUCKET_TOUCH);

	store_bind(st, 1, id);
	store_bind_int(st, 2, ticks_now());
	int r = store_begin(s);
	return r < 0 ? r : store_run(s, st);
}

void bucket_changed(struct store *s, struct span id)
{
	ttl_cache_drop(&s->details, id);
	s->stats_until_ms = 0;
}

static void add_files(struct store *s, struct span id, struct buf *json)
{
	sqlite3_stmt *st = store_prepare(s, ST_FILES_BY_PATH);
	int n = 0;

	store_bind(st, 1, id);
	store_bind_int(st, 2, DETAIL_FILES_MAX + 1);
	json_key(json, "files");
	json_open(json, '[');
	while (sqlite3_step(st) == SQLITE_ROW && ++n <= DETAIL_FILES_MAX) {
		struct file_view f = file_view_of(st);
		json_comma(json);
		file_add_json(json, &f);
	}
	json_close(json, ']');
	sqlite3_reset(st);
	json_add_bool(json, "has_more_files", n > DETAIL_FILES_MAX);
}

static void make_detail(struct store *s, const struct bucket *b, bool with_files, struct buf *json)
{
	sqlite3_stmt *st = store_prepare(s, ST_BUCKET_UNIQUE);

	json_open(json, '{');
	bucket_add_members(json, b);
	store_bind(st, 1, buf_span(&b->id));
	if (sqlite3_step(st) == SQLITE_ROW) {
		json_add_int(json, "unique_content_count", sqlite3_column_int64(st, 0));
		json_add_int(json, "unique_content_size", sqlite3_column_int64(st, 1));
	}
	sqlite3_reset(st);
	if (with_files)
		add_files(s, buf_span(&b->id), json);
	json_close(json, '}');
}

bool bucket_detail_json(struct store *s, struct span id, bool with_files, struct buf *json)
{
	_cleanup_bucket_ struct bucket b = {0};
	struct ttl_entry *e = ttl_cache_get(&s->details, id);

	if (e && e->value.n) {
		buf_addspan(json, buf_span(&e->value));
		return true;
	}
	if (e) { /* filled by an upload: without files, whoever asks now */
		with_files = false;
		if (!bucket_load(s, id, &b))
			return false;
		b.last_used_at = e->number;
	} else {
		if (!bucket_load_live(s, id, &b))
			return false;
		e = ttl_cache_put(&s->details, id);
	}
	make_detail(s, &b, with_files, json);
	if (e)
		buf_addspan(&e->value, buf_span(json));
	return true;
}
