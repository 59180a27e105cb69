/* Chunks of index rows, kept small: only what the merge compares. */
#include "sync/scan_rows.h"
#include <errno.h>
#include <string.h>

/* A call costs about as much as ten rows, a row some 250 bytes here. */
#define CHUNK_ROWS 1000

int scan_rows_open(struct scan_rows *rows, const char *index_path, int64_t pair, const char *prefix)
{
	*rows = (struct scan_rows){.pair = pair};
	rows->prefix = strdup(prefix);
	rows->chunk = calloc(CHUNK_ROWS, sizeof(*rows->chunk));
	if (!rows->prefix || !rows->chunk)
		return -ENOMEM;
	return pair == 0 ? 0 : index_reader_open(index_path, &rows->reader);
}

void scan_rows_close(struct scan_rows *rows)
{
	index_reader_close(rows->reader);
	free(rows->prefix);
	free(rows->chunk);
	buf_done(&rows->text);
	buf_done(&rows->after);
}

static int take_row(void *arg, const struct index_row *row)
{
	struct scan_rows *rows = arg;
	struct scan_row *r = &rows->chunk[rows->n];

	*r = (struct scan_row){
		.path = rows->text.len,
		.len = strlen(row->path),
		.sig = row->sig,
		.written_ns = row->written_ns,
		.synced = row->synced,
		.noted = row->note != INDEX_NOTE_NONE,
		.gone_here = row->flags & INDEX_GONE_HERE,
		.version = {.size = row->size, .has_digest = true, .digest = row->digest},
	};
	memcpy(r->version.updated_at, row->updated_at, sizeof(r->version.updated_at));
	_Static_assert(INDEX_STAMP_MAX == REMOTE_STAMP_MAX, "stamps are copied whole");
	int e = buf_append(&rows->text, row->path, r->len + 1);
	if (e < 0)
		return e;
	rows->n++;
	return 0;
}

static int set_after(struct scan_rows *rows, const char *path, const char *suffix)
{
	rows->after.len = 0;
	int r = buf_append_str(&rows->after, path);
	if (r == 0)
		r = buf_append_str(&rows->after, suffix);
	return r < 0 ? r : buf_terminate(&rows->after);
}

static int fill(struct scan_rows *rows)
{
	rows->at = rows->n = rows->text.len = 0;
	int r = index_reader_range(rows->reader, rows->pair, rows->prefix,
				   rows->started ? rows->after.data : NULL, CHUNK_ROWS, take_row, rows);
	if (r < 0)
		return r;
	rows->started = true;
	rows->end = rows->n < CHUNK_ROWS;
	return rows->n ? set_after(rows, rows->text.data + rows->chunk[rows->n - 1].path, "") : 0;
}

int scan_rows_peek(struct scan_rows *rows, const struct scan_row **ret_row, const char **ret_path)
{
	if (rows->at == rows->n && rows->reader && !rows->end && rows->error == 0)
		rows->error = fill(rows);
	if (rows->error < 0)
		return rows->error;
	bool any = rows->at < rows->n;
	*ret_row = any ? &rows->chunk[rows->at] : NULL;
	*ret_path = any ? rows->text.data + rows->chunk[rows->at].path : NULL;
	return 0;
}

void scan_rows_advance(struct scan_rows *rows)
{
	rows->at++;
}

int scan_rows_pass(struct scan_rows *rows, const char *prefix)
{
	size_t len = strlen(prefix);

	while (rows->at < rows->n && strncmp(rows->text.data + rows->chunk[rows->at].path, prefix, len) == 0)
		rows->at++;
	if (rows->at < rows->n || rows->end)
		return 0;
	/* The rest of the subtree need not be read: 0xFF is in no encoded path, and behind them all. */
	if (rows->started && strncmp(rows->after.data, prefix, len) > 0)
		return 0;
	rows->started = true;
	return rows->error = set_after(rows, prefix, "\xff");
}
