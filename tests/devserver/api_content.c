/*
 * The bytes of a file: conditional requests in the original's two stages, ranges, downloads.
 */
#include "api_content.h"

#include "buckets.h"
#include "conditions.h"
#include "http/reply.h"
#include "http/target.h"
#include "mime.h"
#include "range.h"

#include <errno.h>
#include <string.h>

struct content {
	struct file_row file;
	struct buf etag;
	int64_t modified; /* cut to whole seconds */
	struct content_file bytes;
	struct buf type;
};

static void content_done(struct content *c)
{
	file_row_done(&c->file);
	buf_done(&c->etag);
	buf_done(&c->type);
	content_file_close(&c->bytes);
}

/* The first stage looks at the first line byte for byte, and at the date with a second to spare, each for
 * itself. */
static bool unchanged_at_first_look(const struct request *r, const struct content *c)
{
	struct span match = request_header(r, "If-None-Match"),
		    since = request_header(r, "If-Modified-Since");
	int64_t date;

	if (match.p && span_eq(match, buf_span(&c->etag)))
		return true;
	/* The form of asctime, alone without a comma and not led by a digit, is not known here yet. */
	bool known = since.n && (memchr(since.p, ',', since.n) || (since.p[0] >= '0' && since.p[0] <= '9'));
	return known && time_parse_http(since, &date) && c->file.view.updated_at <= date + TICKS_PER_S;
}

/* RFC 5987: everything but its attr-char is percent-encoded. */
static void add_extended(struct buf *b, struct span name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (c && strchr("!#$&+-.^_`|~", c)))
			buf_addc(b, c);
		else
			buf_addf(b, "%%%02X", (unsigned char)c);
	}
}

static void add_disposition(struct request *r, struct span path)
{
	_cleanup_buf_ struct buf value = {0}, plain = {0};
	struct span name = path_name(path);
	bool quote = false;

	/* One `_` for each UTF-16 unit that is not ASCII. */
	for (size_t i = 0; i < name.n;) {
		size_t len = utf8_sequence(name.p + i, name.n - i);
		char c = name.p[i];
		if (len <= 1 && c >= 0x20 && c < 0x7f) {
			if (c == '"' || c == '\\')
				buf_addc(&plain, '\\');
			buf_addc(&plain, c);
			quote |= strchr(" \"(),/:;<=>?@[\\]{}", c) != NULL;
		} else {
			buf_adds(&plain, len == 4 ? "__" : "_");
		}
		i += len ? len : 1;
	}
	buf_adds(&value, quote ? "attachment; filename=\"" : "attachment; filename=");
	buf_addspan(&value, buf_span(&plain));
	buf_adds(&value, quote ? "\"; filename*=UTF-8''" : "; filename*=UTF-8''");
	add_extended(&value, name);
	reply_header(r, "Content-Disposition", buf_span(&value));
}

static void add_validators(struct request *r, const struct content *c)
{
	_cleanup_buf_ struct buf date = {0};

	time_format_http(&date, c->modified);
	reply_header(r, "Last-Modified", buf_span(&date));
	reply_header(r, "ETag", buf_span(&c->etag));
	reply_header(r, "Cache-Control", SPAN("public, no-cache"));
}

static int send_range(struct request *r, const struct content *c)
{
	_cleanup_buf_ struct buf download = {0};
	int64_t first = 0, last = c->bytes.size - 1;
	enum range range = RANGE_NONE;

	if (condition_if_range(r, buf_span(&c->etag), c->modified) && request_header_count(r, "Range") == 1)
		range = range_parse(request_header(r, "Range"), c->bytes.size, &first, &last);
	reply_header(r, "Accept-Ranges", SPAN("bytes"));
	if (query_get(r->query, "download", &download) && span_eq(buf_span(&download), SPAN("true")))
		add_disposition(r, c->file.view.path);
	if (range == RANGE_BAD) {
		reply_headerf(r, "Content-Range", "bytes */%lld", (long long)c->bytes.size);
		return reply_begin(r, 416, c->type.p, 0);
	}
	if (range == RANGE_PART)
		reply_headerf(r, "Content-Range", "bytes %lld-%lld/%lld", (long long)first, (long long)last,
			      (long long)c->bytes.size);
	int n = reply_begin(r, range == RANGE_PART ? 206 : 200, c->type.p, last - first + 1);
	return n < 0 ? n : reply_file(r, c->bytes.fd, c->bytes.base + first, last - first + 1);
}

static int touch(struct server *s, struct span bucket_id)
{
	store_lock(s->store);
	int n = bucket_touch(s->store, bucket_id);
	if (n == 0)
		n = store_commit(s->store);
	store_unlock(s->store);
	return n;
}

static int open_content(struct server *s, struct content *c)
{
	struct file_view *f = &c->file.view;

	if (f->sha256.p)
		buf_addf(&c->etag, "\"%.*s\"", (int)f->sha256.n, f->sha256.p);
	else
		buf_addf(&c->etag, "\"%lld-%lld\"", (long long)f->size, (long long)f->updated_at);
	c->modified = f->updated_at - f->updated_at % TICKS_PER_S;
	buf_addspan(&c->type, f->mime_type);
	if (mime_has_charset(f->mime_type))
		buf_adds(&c->type, "; charset=utf-8");
	if (c->etag.failed || c->type.failed)
		return -ENOMEM;
	return file_open_content(s->store, f->sha256, &c->bytes);
}

int content_reply(struct server *s, struct request *r, struct span path)
{
	__attribute__((cleanup(content_done))) struct content c = {.bytes.fd = -1};
	enum found found = file_find(s, r->params[0], path, &c.file);

	if (found != FOUND_FILE)
		return file_reply_not_found(r, found);
	int n = open_content(s, &c);
	if (n == -ENOENT)
		return file_reply_not_found(r, FOUND_NO_FILE);
	if (n < 0)
		return n;
	if (unchanged_at_first_look(r, &c))
		return reply_not_modified(r);
	n = touch(s, r->params[0]);
	if (n < 0)
		return n;
	add_validators(r, &c);
	int status = condition_status(r, buf_span(&c.etag), c.modified);
	if (status == 304)
		return reply_not_modified(r);
	return status ? reply_empty(r, status) : send_range(r, &c);
}
