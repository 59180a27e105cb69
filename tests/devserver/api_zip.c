/*
 * The whole bucket as a ZIP, streamed: directory entries first, then the files, each deflated fast with its
 * sizes behind it.
 */
#include "api.h"
#include "buckets.h"
#include "files.h"
#include "http/reply.h"
#include "path_rules.h"
#include "server.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define PIECE_BYTES     (64 * 1024)
#define FLAG_DESCRIPTOR 0x0008
#define FLAG_UTF8       0x0800
#define VERSION_ZIP64   45
/* From this size on a file's entry carries 64-bit sizes. Well below 4 GiB, because deflate may add a little.
 */
#define ZIP64_FROM 0xf0000000u

struct entry {
	struct buf name;
	char sha[SHA_HEX_LEN + 1]; /* empty: a directory, or a legacy file */
	bool is_directory, zip64;
	uint32_t crc;
	uint64_t size, packed, offset;
};

struct zip {
	struct server *server;
	struct request *request;
	struct entry *entries;
	size_t n, cap;
	uint64_t written;
	uint32_t dos_time;
};

static void zip_done(struct zip *z)
{
	for (size_t i = 0; i < z->n; i++)
		buf_done(&z->entries[i].name);
	free(z->entries);
}

static struct entry *add_entry(struct zip *z, struct span name, bool is_directory)
{
	if (z->n == z->cap) {
		size_t cap = z->cap ? z->cap * 2 : 64;
		struct entry *more = realloc(z->entries, cap * sizeof(*more));
		if (!more)
			return NULL;
		z->entries = more;
		z->cap = cap;
	}
	struct entry *e = &z->entries[z->n++];
	*e = (struct entry){.is_directory = is_directory};
	buf_addspan(&e->name, name);
	return e->name.failed ? NULL : e;
}

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int order = memcmp(x->name.p, y->name.p, n);

	return order ? order : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

/* All directories above the files, each once. Called with files only, sorted by path. */
static int add_directories(struct zip *z)
{
	size_t n_files = z->n;

	if (n_files == 0)
		return 0;
	for (size_t i = 0; i < n_files; i++) {
		struct span path = buf_span(&z->entries[i].name);
		for (size_t at = 0; at < path.n; at++) {
			if (path.p[at] != '/')
				continue;
			struct span directory = {path.p, at + 1};
			/* The names above are on the heap, apart from the array that grows here. */
			if (!add_entry(z, directory, true))
				return -ENOMEM;
		}
	}
	qsort(z->entries + n_files, z->n - n_files, sizeof(struct entry), by_name);
	size_t kept = n_files;
	for (size_t i = n_files; i < z->n; i++) {
		if (kept > n_files && by_name(&z->entries[kept - 1], &z->entries[i]) == 0)
			buf_done(&z->entries[i].name);
		else
			z->entries[kept++] = z->entries[i];
	}
	z->n = kept;
	/* Directories come first. */
	size_t n_directories = z->n - n_files;
	struct entry *sorted = malloc(z->n * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, z->entries + n_files, n_directories * sizeof(*sorted));
	memcpy(sorted + n_directories, z->entries, n_files * sizeof(*sorted));
	free(z->entries);
	z->entries = sorted;
	z->cap = z->n;
	return 0;
}

static int collect(struct zip *z, struct span bucket_id)
{
	sqlite3_stmt *st = store_prepare(z->server->store, ST_FILES_BY_PATH);
	int r = 0;

	store_bind(st, 1, bucket_id);
	store_bind_int(st, 2, -1);
	while (r == 0 && sqlite3_step(st) == SQLITE_ROW) {
		struct file_view f = file_view_of(st);
		struct entry *e = add_entry(z, f.path, false);
		if (!e) {
			r = -ENOMEM;
			break;
		}
		if (f.sha256.n == SHA_HEX_LEN)
			memcpy(e->sha, f.sha256.p, SHA_HEX_LEN + 1);
		e->zip64 = f.size >= (int64_t)ZIP64_FROM;
	}
	sqlite3_reset(st);
	return r;
}

static int send(struct zip *z, const void *p, size_t n)
{
	z->written += n;
	return reply_chunk(z->request, p, n);
}

static void add_u16(struct buf *b, uint32_t v)
{
	buf_add(b, (unsigned char[]){(unsigned char)v, (unsigned char)(v >> 8)}, 2);
}

static void add_u32(struct buf *b, uint32_t v)
{
	add_u16(b, v & 0xffff);
	add_u16(b, v >> 16);
}

static void add_u64(struct buf *b, uint64_t v)
{
	add_u32(b, (uint32_t)v);
	add_u32(b, (uint32_t)(v >> 32));
}

static uint32_t dos_time_now(void)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	return (uint32_t)(tm.tm_year - 80) << 25 | (uint32_t)(tm.tm_mon + 1) << 21 |
	       (uint32_t)tm.tm_mday << 16 | (uint32_t)tm.tm_hour << 11 | (uint32_t)tm.tm_min << 5 |
	       (uint32_t)tm.tm_sec / 2;
}

/* What the local header and the central directory have in common. */
static void add_common(const struct zip *z, struct buf *b, const struct entry *e)
{
	add_u16(b, e->zip64 ? VERSION_ZIP64 : 20);
	add_u16(b, FLAG_UTF8 | (e->is_directory ? 0 : FLAG_DESCRIPTOR));
	add_u16(b, e->is_directory ? 0 : 8); /* stored or deflated */
	add_u32(b, z->dos_time);
}

static int send_local_header(struct zip *z, struct entry *e)
{
	_cleanup_buf_ struct buf b = {0};

	e->offset = z->written;
	add_u32(&b, 0x04034b50);
	add_common(z, &b, e);
	add_u32(&b, 0); /* crc and sizes follow the data */
	add_u32(&b, e->zip64 ? 0xffffffff : 0);
	add_u32(&b, e->zip64 ? 0xffffffff : 0);
	add_u16(&b, (uint32_t)e->name.n);
	add_u16(&b, e->zip64 ? 20 : 0);
	buf_addspan(&b, buf_span(&e->name));
	if (e->zip64) {
		add_u16(&b, 1);
		add_u16(&b, 16);
		add_u64(&b, 0);
		add_u64(&b, 0);
	}
	return b.failed ? -ENOMEM : send(z, b.p, b.n);
}

static int send_descriptor(struct zip *z, const struct entry *e)
{
	_cleanup_buf_ struct buf b = {0};

	add_u32(&b, 0x08074b50);
	add_u32(&b, e->crc);
	if (e->zip64) {
		add_u64(&b, e->packed);
		add_u64(&b, e->size);
	} else {
		add_u32(&b, (uint32_t)e->packed);
		add_u32(&b, (uint32_t)e->size);
	}
	return b.failed ? -ENOMEM : send(z, b.p, b.n);
}

/* Runs what is in `in` through deflate and sends what comes out. */
static int pump(struct zip *z, struct entry *e, z_stream *stream, int flush, unsigned char *out)
{
	int r = 0;

	do {
		stream->next_out = out;
		stream->avail_out = PIECE_BYTES;
		if (deflate(stream, flush) == Z_STREAM_ERROR)
			return -EIO;
		size_t n = PIECE_BYTES - stream->avail_out;
		e->packed += n;
		r = n ? send(z, out, n) : 0;
	} while (r == 0 && stream->avail_out == 0);
	return r;
}

static int send_data(struct zip *z, struct entry *e, const struct content_file *f)
{
	_cleanup_free_ unsigned char *in = malloc(PIECE_BYTES), *out = malloc(PIECE_BYTES);
	z_stream stream = {0};
	ssize_t n;
	int r = 0;

	if (!in || !out ||
	    deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	e->crc = (uint32_t)crc32(0, NULL, 0);
	/* A content that is missing becomes an empty entry. */
	while (r == 0 && e->size < (uint64_t)f->size) {
		uint64_t left = (uint64_t)f->size - e->size;
		n = pread(f->fd, in, left < PIECE_BYTES ? left : PIECE_BYTES, f->base + (int64_t)e->size);
		if (n <= 0) {
			r = -EIO;
			break;
		}
		e->crc = (uint32_t)crc32(e->crc, in, (uInt)n);
		e->size += (uint64_t)n;
		stream.next_in = in;
		stream.avail_in = (uInt)n;
		r = pump(z, e, &stream, Z_NO_FLUSH, out);
	}
	if (r == 0)
		r = pump(z, e, &stream, Z_FINISH, out);
	deflateEnd(&stream);
	return r;
}

static int send_entry(struct zip *z, struct entry *e)
{
	_cleanup_content_ struct content_file bytes = {.fd = -1};
	int r = send_local_header(z, e);

	if (r < 0 || e->is_directory)
		return r;
	file_open_content(z->server->store, span_of(e->sha), &bytes);
	r = send_data(z, e, &bytes);
	return r < 0 ? r : send_descriptor(z, e);
}

static void add_central(const struct zip *z, struct buf *b, const struct entry *e)
{
	bool big = e->zip64 || e->offset >= 0xffffffff;

	add_u32(b, 0x02014b50);
	add_u16(b, big ? VERSION_ZIP64 : 20);
	add_common(z, b, e);
	add_u32(b, e->crc);
	add_u32(b, big ? 0xffffffff : (uint32_t)e->packed);
	add_u32(b, big ? 0xffffffff : (uint32_t)e->size);
	add_u16(b, (uint32_t)e->name.n);
	add_u16(b, big ? 28 : 0);
	add_u16(b, 0); /* comment */
	add_u16(b, 0); /* disk */
	add_u16(b, 0); /* internal attributes */
	add_u32(b, 0); /* external attributes */
	add_u32(b, big ? 0xffffffff : (uint32_t)e->offset);
	buf_addspan(b, buf_span(&e->name));
	if (big) {
		add_u16(b, 1);
		add_u16(b, 24);
		add_u64(b, e->size);
		add_u64(b, e->packed);
		add_u64(b, e->offset);
	}
}

static int send_end(struct zip *z)
{
	_cleanup_buf_ struct buf b = {0};
	uint64_t start = z->written;

	for (size_t i = 0; i < z->n; i++)
		add_central(z, &b, &z->entries[i]);
	uint64_t len = b.n;
	bool big = z->n >= 0xffff || start + len >= 0xffffffff;
	if (big) {
		add_u32(&b, 0x06064b50); /* ZIP64 end of central directory, then its locator */
		add_u64(&b, 44);
		add_u16(&b, VERSION_ZIP64);
		add_u16(&b, VERSION_ZIP64);
		add_u32(&b, 0);
		add_u32(&b, 0);
		add_u64(&b, z->n);
		add_u64(&b, z->n);
		add_u64(&b, len);
		add_u64(&b, start);
		add_u32(&b, 0x07064b50);
		add_u32(&b, 0);
		add_u64(&b, start + len);
		add_u32(&b, 1);
	}
	add_u32(&b, 0x06054b50);
	add_u32(&b, 0);
	add_u16(&b, big ? 0xffff : (uint32_t)z->n);
	add_u16(&b, big ? 0xffff : (uint32_t)z->n);
	add_u32(&b, big ? 0xffffffff : (uint32_t)len);
	add_u32(&b, big ? 0xffffffff : (uint32_t)start);
	add_u16(&b, 0);
	return b.failed ? -ENOMEM : send(z, b.p, b.n);
}

static int send_all(struct zip *z)
{
	int r = 0;

	z->dos_time = dos_time_now();
	for (size_t i = 0; r == 0 && i < z->n; i++)
		r = send_entry(z, &z->entries[i]);
	if (r == 0)
		r = send_end(z);
	return r < 0 ? r : reply_end(z->request);
}

int api_bucket_zip(struct server *s, struct request *r)
{
	__attribute__((cleanup(zip_done))) struct zip z = {.server = s, .request = r};
	_cleanup_bucket_ struct bucket b = {0};
	_cleanup_buf_ struct buf disposition = {0};
	int n = 0;

	store_lock(s->store);
	bool found = bucket_load_live(s->store, r->params[0], &b);
	if (found)
		n = collect(&z, r->params[0]);
	store_unlock(s->store);
	if (!found)
		return reply_errors(r, 404, "Bucket not found");
	if (n == 0)
		n = add_directories(&z);
	if (n < 0)
		return n;
	buf_adds(&disposition, "attachment; filename=\"");
	for (size_t i = 0; i < b.name.n; i++) {
		if (b.name.p[i] == '\r' || b.name.p[i] == '\n')
			continue;
		buf_addc(&disposition, b.name.p[i] == '"' ? '\'' : b.name.p[i]);
	}
	buf_adds(&disposition, ".zip\"");
	if (!path_fits_header(
		    buf_span(&disposition))) /* the original puts the name there as it is, and fails */
		return reply_empty(r, 500);
	reply_header(r, "Content-Disposition", buf_span(&disposition));
	n = reply_begin(r, 200, "application/zip", -1);
	return n < 0 || r->is_head ? n : send_all(&z);
}
