/*
 * The listings of a bucket: flat pages, the tree with its window, ls. None is cached; their flaws are the
 * original's.
 */
#include "api.h"
#include "buckets.h"
#include "files.h"
#include "http/reply.h"
#include "http/target.h"
#include "json_out.h"
#include "server.h"

#include <string.h>

#define FLAT_LIMIT 50
#define TREE_LIMIT 100
#define LS_LIMIT   200
#define LIMIT_MAX  1000

static const char *sort_column(struct span wanted, const char *fallback)
{
	static const char *const columns[] = {"name",      "path",       "size",
					      "mime_type", "created_at", "updated_at"};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (span_eq_ci(wanted, span_of(columns[i])))
			fallback = columns[i];
	/* There is no column for the name: it is what is behind the last slash, which rtrim finds by taking
	 * off everything that is no slash. */
	return strcmp(fallback, "name") == 0 ? "substr(path, length(rtrim(path, replace(path, '/', ''))) + 1)"
					     : fallback;
}

static void add_rows(struct buf *json, sqlite3_stmt *st)
{
	json_open(json, '[');
	while (st && sqlite3_step(st) == SQLITE_ROW) {
		struct file_view f = file_view_of(st);
		json_comma(json);
		file_add_json(json, &f);
	}
	json_close(json, ']');
}

static int64_t count_files(struct store *s, struct span bucket_id)
{
	sqlite3_stmt *st = store_prepare_text(s, "SELECT count(*) FROM files WHERE bucket_id = ?1");
	int64_t n = 0;

	if (!st)
		return 0;
	store_bind(st, 1, bucket_id);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static int clamp(int value, int low, int high)
{
	return value < low ? low : value > high ? high : value;
}

static void list_flat(struct store *s, struct request *r, int32_t limit, int32_t offset, struct buf *json)
{
	_cleanup_buf_ struct buf sort = {0}, order = {0}, text = {0};

	query_get(r->query, "sort", &sort);
	query_get(r->query, "order", &order);
	buf_addf(&text,
		 "SELECT " FILE_COLUMNS
		 " FROM files WHERE bucket_id = ?1 ORDER BY %s %s, seq LIMIT ?2 OFFSET ?3",
		 sort_column(buf_span(&sort), "created_at"),
		 span_eq_ci(buf_span(&order), SPAN("asc")) ? "ASC" : "DESC");
	sqlite3_stmt *st = text.failed ? NULL : store_prepare_text(s, text.p);
	if (st) {
		store_bind(st, 1, r->params[0]);
		store_bind_int(st, 2, limit);
		store_bind_int(st, 3, offset);
	}
	json_key(json, "items");
	add_rows(json, st);
	sqlite3_finalize(st);
	json_add_int(json, "total", count_files(s, r->params[0]));
	json_add_int(json, "limit", limit);
	json_add_int(json, "offset", offset);
}

struct directory {
	struct buf path;
	int64_t files, bytes;
};

struct tree {
	struct span prefix, delimiter;
	int32_t limit;
	int64_t n_rows, n_files;
	bool cut_too_far; /* a row is shorter than the prefix: the original fails there */
	struct buf files; /* JSON */
	struct directory *directories;
	size_t n_directories, cap_directories;
	struct buf last_file, last_row;
	bool failed;
};

static void tree_done(struct tree *t)
{
	for (size_t i = 0; i < t->n_directories; i++)
		buf_done(&t->directories[i].path);
	free(t->directories);
	buf_done(&t->files);
	buf_done(&t->last_file);
	buf_done(&t->last_row);
}

/* Rows come in path order, so a directory's rows come together but for the case-blind prefix: look from the
 * end. */
static struct directory *find_directory(struct tree *t, struct span head, struct span tail)
{
	for (size_t i = t->n_directories; i-- > 0;) {
		struct buf *path = &t->directories[i].path;
		if (path->n == head.n + tail.n && memcmp(path->p, head.p, head.n) == 0 &&
		    memcmp(path->p + head.n, tail.p, tail.n) == 0)
			return &t->directories[i];
	}
	if (t->n_directories == t->cap_directories) {
		size_t cap = t->cap_directories ? t->cap_directories * 2 : 16;
		struct directory *more = realloc(t->directories, cap * sizeof(*more));
		if (!more)
			return NULL;
		t->directories = more;
		t->cap_directories = cap;
	}
	struct directory *d = &t->directories[t->n_directories++];
	*d = (struct directory){0};
	buf_addspan(&d->path, head);
	buf_addspan(&d->path, tail);
	return d;
}

static void tree_add(struct tree *t, const struct file_view *f)
{
	/* LIKE ends its pattern at a NUL, so a prefix with one in it finds rows shorter than itself. */
	if (f->path.n < t->prefix.n) {
		t->cut_too_far = true;
		return;
	}
	struct span rest = {f->path.p + t->prefix.n, f->path.n - t->prefix.n};
	const char *at = t->delimiter.n ? memmem(rest.p, rest.n, t->delimiter.p, t->delimiter.n) : rest.p;

	t->n_rows++;
	t->last_row.n = 0;
	buf_addspan(&t->last_row, f->path);
	if (at) {
		/* In the caller's spelling of the prefix, whatever the row's is. */
		struct directory *d = find_directory(
			t, t->prefix, (struct span){rest.p, (size_t)(at - rest.p) + t->delimiter.n});
		t->failed |= !d;
		if (d) {
			d->files++;
			d->bytes += f->size;
		}
		return;
	}
	if (t->n_files++ >= t->limit)
		return;
	json_comma(&t->files);
	file_add_json(&t->files, f);
	t->last_file.n = 0;
	buf_addspan(&t->last_file, f->path);
}

/* Directories come sorted by their UTF-16 units, rows by code points: what is beyond the BMP (surrogates,
 * D800 to DFFF) goes before U+E000 to U+FFFF. */
static int by_utf16(const void *a, const void *b)
{
	const struct buf *x = &((const struct directory *)a)->path, *y = &((const struct directory *)b)->path;
	size_t n = x->n < y->n ? x->n : y->n, at = 0;

	while (at < n && x->p[at] == y->p[at])
		at++;
	if (at == n)
		return (x->n > y->n) - (x->n < y->n);
	unsigned char c = (unsigned char)x->p[at], d = (unsigned char)y->p[at];
	/* Lead bytes: EE and EF begin U+E000 to U+FFFF, F0 and above what needs surrogates. */
	if ((c >= 0xf0 && d >= 0xee && d < 0xf0) || (d >= 0xf0 && c >= 0xee && c < 0xf0))
		return d > c ? 1 : -1;
	return c > d ? 1 : -1;
}

/* LIKE with the escapes of another database: `[_]` matches nothing here. */
static void like_prefix(struct buf *pattern, struct span prefix)
{
	for (size_t i = 0; i < prefix.n; i++) {
		if (prefix.p[i] == '%' || prefix.p[i] == '_')
			buf_addf(pattern, "[%c]", prefix.p[i]);
		else
			buf_addc(pattern, prefix.p[i]);
	}
	buf_addc(pattern, '%');
}

static void tree_read(struct store *s, struct span bucket_id, struct span cursor, struct tree *t)
{
	_cleanup_buf_ struct buf pattern = {0};
	/* Without a prefix the condition is left out: LIKE '%' on every row costs more than the row. */
	const char *sql = t->prefix.n
				  ? "SELECT " FILE_COLUMNS " FROM files WHERE bucket_id = ?1 AND path > ?2"
				    " AND path LIKE ?4 ORDER BY path LIMIT ?3"
				  : "SELECT " FILE_COLUMNS " FROM files WHERE bucket_id = ?1 AND path > ?2"
				    " ORDER BY path LIMIT ?3";
	sqlite3_stmt *st = store_prepare_text(s, sql);

	json_open(&t->files, '[');
	if (!st)
		return;
	like_prefix(&pattern, t->prefix);
	store_bind(st, 1, bucket_id);
	store_bind(st, 2, cursor);
	store_bind_int(st, 3, (int64_t)t->limit * 10 + 100);
	if (t->prefix.n)
		store_bind(st, 4, buf_span(&pattern));
	while (sqlite3_step(st) == SQLITE_ROW) {
		struct file_view f = file_view_of(st);
		tree_add(t, &f);
	}
	sqlite3_finalize(st);
	json_close(&t->files, ']');
	if (t->n_directories)
		qsort(t->directories, t->n_directories, sizeof(*t->directories), by_utf16);
}

static void tree_write(const struct tree *t, struct buf *json)
{
	if (t->prefix.n)
		json_add_text(json, "prefix", t->prefix);
	json_add_text(json, "delimiter", t->delimiter);
	json_key(json, "directories");
	json_open(json, '[');
	for (size_t i = 0; i < t->n_directories; i++) {
		json_comma(json);
		json_open(json, '{');
		json_add_text(json, "path", buf_span(&t->directories[i].path));
		json_add_int(json, "file_count", t->directories[i].files);
		json_add_int(json, "total_size", t->directories[i].bytes);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_key(json, "files");
	buf_addspan(json, buf_span(&t->files));
	json_add_int(json, "total_files", t->n_files);
	json_add_int(json, "total_directories", (int64_t)t->n_directories);
	bool window_full = t->n_rows == (int64_t)t->limit * 10 + 100;
	if (t->n_files > t->limit || window_full)
		json_add_text(json, "cursor", buf_span(t->last_file.n ? &t->last_file : &t->last_row));
}

/* False: the original fails with 500. */
static bool list_tree(struct store *s, struct request *r, struct span delimiter, int32_t limit,
		      struct buf *json)
{
	__attribute__((cleanup(tree_done))) struct tree t = {.delimiter = delimiter, .limit = limit};
	_cleanup_buf_ struct buf prefix = {0}, cursor = {0};

	query_get(r->query, "prefix", &prefix);
	query_get(r->query, "cursor", &cursor);
	t.prefix = buf_span(&prefix);
	tree_read(s, r->params[0], buf_span(&cursor), &t);
	tree_write(&t, json);
	json->failed |= t.failed || t.files.failed;
	return !t.cut_too_far;
}

int api_file_list(struct server *s, struct request *r)
{
	_cleanup_buf_ struct buf json = {0}, delimiter = {0};
	bool tree = query_get(r->query, "delimiter", &delimiter);
	int32_t limit, offset;

	if (!query_int32(r->query, "limit", tree ? TREE_LIMIT : FLAT_LIMIT, &limit) ||
	    !query_int32(r->query, "offset", 0, &offset))
		return reply_empty(r, 400);
	limit = clamp(limit, 1, LIMIT_MAX);
	if (offset < 0)
		offset = 0;
	json_open(&json, '{');
	store_lock(s->store);
	bool found = bucket_is_live(s->store, r->params[0]), listed = true;
	if (found && tree)
		listed = list_tree(s->store, r, buf_span(&delimiter), limit, &json);
	else if (found)
		list_flat(s->store, r, limit, offset, &json);
	store_unlock(s->store);
	if (!found)
		return reply_errors(r, 404, "Bucket not found");
	if (!listed)
		return reply_empty(r, 500);
	json_close(&json, '}');
	return reply_json(r, 200, &json);
}

/* ?1 bucket, ?2 LIKE pattern, ?3 where the rest of a path begins, counted in UTF-16 units although substr
 * counts code points: that is the original's flaw with names beyond the BMP. */
#define LS_ROWS                                                                                              \
	" FROM (SELECT *, substr(path, ?3) AS rest FROM files WHERE bucket_id = ?1 AND (?2 IS NULL OR path " \
	"LIKE ?2))"
#define LS_FILES   LS_ROWS " WHERE instr(rest, '/') = 0"
#define LS_FOLDERS LS_ROWS " WHERE instr(rest, '/') > 0"

struct ls {
	struct store *store;
	struct span bucket_id;
	struct buf pattern;
	int64_t rest_at;
};

static sqlite3_stmt *ls_statement(const struct ls *l, const char *sql)
{
	sqlite3_stmt *st = store_prepare_text(l->store, sql);

	if (!st)
		return NULL;
	store_bind(st, 1, l->bucket_id);
	if (l->pattern.n)
		store_bind(st, 2, buf_span(&l->pattern));
	store_bind_int(st, 3, l->rest_at);
	return st;
}

static int64_t utf16_units(struct span s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_sequence(s.p + i, s.n - i);
		n += len == 4 ? 2 : 1;
		i += len ? len : 1;
	}
	return n;
}

static int64_t ls_folders(const struct ls *l, struct buf *json)
{
	sqlite3_stmt *st =
		ls_statement(l, "SELECT DISTINCT substr(rest, 1, instr(rest, '/') - 1) AS folder" LS_FOLDERS
				" ORDER BY folder");
	int64_t n = 0;

	json_key(json, "folders");
	json_open(json, '[');
	for (; st && sqlite3_step(st) == SQLITE_ROW; n++) {
		json_comma(json);
		json_string(json, store_column(st, 0), JSON_RELAXED);
	}
	sqlite3_finalize(st);
	json_close(json, ']');
	return n;
}

static int64_t ls_count(const struct ls *l)
{
	sqlite3_stmt *st = ls_statement(l, "SELECT count(*)" LS_FILES);
	int64_t n = st && sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;

	sqlite3_finalize(st);
	return n;
}

static void ls_write(const struct ls *l, struct request *r, int32_t limit, int32_t offset, struct buf *json)
{
	_cleanup_buf_ struct buf sort = {0}, order = {0}, text = {0};

	query_get(r->query, "sort", &sort);
	query_get(r->query, "order", &order);
	buf_addf(&text, "SELECT " FILE_COLUMNS LS_FILES " ORDER BY %s %s, seq LIMIT ?4 OFFSET ?5",
		 sort_column(buf_span(&sort), "name"),
		 span_eq_ci(buf_span(&order), SPAN("desc")) ? "DESC" : "ASC");
	sqlite3_stmt *st = text.failed ? NULL : ls_statement(l, text.p);
	if (st) {
		store_bind_int(st, 4, limit);
		store_bind_int(st, 5, offset);
	}
	json_key(json, "files");
	add_rows(json, st);
	sqlite3_finalize(st);
	int64_t folders = ls_folders(l, json);
	json_add_int(json, "total_files", ls_count(l));
	json_add_int(json, "total_folders", folders);
	json_add_int(json, "limit", limit);
	json_add_int(json, "offset", offset);
}

int api_file_ls(struct server *s, struct request *r)
{
	_cleanup_buf_ struct buf json = {0}, path = {0};
	struct ls l = {.store = s->store, .bucket_id = r->params[0], .rest_at = 1};
	int32_t limit, offset;

	if (!query_int32(r->query, "limit", LS_LIMIT, &limit) || !query_int32(r->query, "offset", 0, &offset))
		return reply_empty(r, 400);
	query_get(r->query, "path", &path);
	struct span prefix = buf_span(&path);
	while (prefix.n && prefix.p[0] == '/')
		prefix.p++, prefix.n--;
	while (prefix.n && prefix.p[prefix.n - 1] == '/')
		prefix.n--;
	if (prefix.n) {
		buf_addspan(&l.pattern, prefix);
		buf_adds(&l.pattern, "/%");
		l.rest_at = utf16_units(prefix) + 2;
	}
	json_open(&json, '{');
	store_lock(s->store);
	bool found = bucket_is_live(s->store, r->params[0]);
	if (found)
		ls_write(&l, r, limit, offset, &json);
	store_unlock(s->store);
	buf_done(&l.pattern);
	if (!found)
		return reply_errors(r, 404, "Bucket not found");
	json_close(&json, '}');
	return reply_json(r, 200, &json);
}
