/* The readers of answer.h. Strict about what the sync engine builds on (paths, sizes, hashes, times);
 * whatever else is missing or new is let through. */
#include "api/answer.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Pages of 1,000 and batches of 2,000; an unclamped bucket list may be longer. */
#define ANSWER_ITEMS_MAX 16384
/* An error's text is for a person to read. */
#define ANSWER_ERROR_MAX_BYTES 65536

/* A required or optional member; absent is NULL. */
static int read_string(struct json_object *object, const char *key, bool required, const char **ret_value)
{
	*ret_value = NULL;
	int r = json_get_string(object, key, ret_value);
	return r < 0 || (r == 0 && required) ? ERR_PROTOCOL : 0;
}

/* A count or size: never negative. Absent is -1. */
static int read_count(struct json_object *object, const char *key, bool required, int64_t *ret_value)
{
	int64_t value = -1;
	int r = json_get_int64(object, key, &value);

	if (r < 0 || (r > 0 && value < 0) || (r == 0 && required))
		return ERR_PROTOCOL;
	*ret_value = value;
	return 0;
}

/* The zone of a time: everything behind its last digit of the clock. */
static size_t length_without_zone(const char *text)
{
	const char *t = strpbrk(text, "Tt");
	const char *zone = t ? strpbrk(t, "Zz+-") : NULL;

	return zone ? (size_t)(zone - text) : strlen(text);
}

int answer_version(const char *stamp, char out[ANSWER_TIME_MAX])
{
	int64_t ms;
	size_t len = length_without_zone(stamp);

	if (len + 2 > ANSWER_TIME_MAX || clock_parse_rfc3339(stamp, &ms) < 0)
		return ERR_PROTOCOL;
	memcpy(out, stamp, len);
	out[len] = '\0';
	return 0;
}

/* RFC 3339 with Z, the server's digits kept; with another offset, moved to UTC. */
static int read_time(struct json_object *object, const char *key, bool required, char out[ANSWER_TIME_MAX],
		     const char **ret_value)
{
	const char *text;
	int64_t ms;
	int r = read_string(object, key, required, &text);

	*ret_value = NULL;
	if (r < 0 || !text)
		return r;
	size_t len = length_without_zone(text);
	if (clock_parse_rfc3339(text, &ms) < 0 || len + 2 > ANSWER_TIME_MAX)
		return ERR_PROTOCOL;
	if (text[len] == '\0' || text[len] == 'Z' || text[len] == 'z')
		snprintf(out, ANSWER_TIME_MAX, "%.*sZ", (int)len, text);
	else
		clock_format_rfc3339(ms, out);
	*ret_value = out;
	return 0;
}

static int read_field(struct json_object *object, const struct answer_field *f, char *to)
{
	const char **string = (const char **)(void *)(to + f->offset);
	int r;

	switch (f->type) {
	case ANSWER_STRING: return read_string(object, f->name, f->required, string);
	case ANSWER_ID:
		r = read_string(object, f->name, f->required, string);
		return r == 0 && *string && **string == '\0' ? ERR_PROTOCOL : r;
	case ANSWER_COUNT:
		return read_count(object, f->name, f->required, (int64_t *)(void *)(to + f->offset));
	case ANSWER_BOOL:
		r = json_get_bool(object, f->name, (bool *)(to + f->offset));
		return r < 0 || (r == 0 && f->required) ? ERR_PROTOCOL : 0;
	case ANSWER_TIME: return read_time(object, f->name, f->required, to + f->text, string);
	}
	return ERR_PROTOCOL;
}

int answer_read(struct json_object *object, const struct answer_field *fields, size_t n, void *to)
{
	for (size_t i = 0; i < n; i++) {
		int r = read_field(object, &fields[i], to);
		if (r < 0)
			return r;
	}
	return 0;
}

#define BUCKET(field)      offsetof(struct answer_bucket, bucket.field)
#define BUCKET_TIME(field) BUCKET(field), offsetof(struct answer_bucket, field)
static const struct answer_field bucket_fields[] = {
	{"id", ANSWER_ID, true, BUCKET(id), 0},
	{"name", ANSWER_STRING, true, BUCKET(name), 0},
	{"owner", ANSWER_STRING, false, BUCKET(owner), 0},
	{"description", ANSWER_STRING, false, BUCKET(description), 0},
	{"created_at", ANSWER_TIME, true, BUCKET_TIME(created_at)},
	{"expires_at", ANSWER_TIME, false, BUCKET_TIME(expires_at)},
	{"last_used_at", ANSWER_TIME, false, BUCKET_TIME(last_used_at)},
	{"file_count", ANSWER_COUNT, true, BUCKET(file_count), 0},
	{"total_size", ANSWER_COUNT, true, BUCKET(total_size), 0},
	{"unique_content_count", ANSWER_COUNT, false, BUCKET(unique_content_count), 0},
	{"unique_content_size", ANSWER_COUNT, false, BUCKET(unique_content_size), 0},
};

int answer_bucket(struct json_object *object, struct answer_bucket *ret_bucket)
{
	*ret_bucket = (struct answer_bucket){0};
	return answer_read(object, bucket_fields, ARRAY_SIZE(bucket_fields), ret_bucket);
}

/* limit and offset are repeated as they were asked for, -1 included. */
int answer_page_info(struct json_object *object, struct api_page_info *ret_page)
{
	struct api_page_info page = {0};

	if (read_count(object, "total", true, &page.total) < 0 ||
	    json_get_int64(object, "limit", &page.limit) <= 0 ||
	    json_get_int64(object, "offset", &page.offset) <= 0)
		return ERR_PROTOCOL;
	*ret_page = page;
	return 0;
}

int answer_items(struct json_object *object, const char *member, struct json_object **ret_array,
		 size_t *ret_n)
{
	struct json_object *array;

	if (json_get_array(object, member, &array) <= 0)
		return ERR_PROTOCOL;
	size_t n = json_object_array_length(array);
	if (n > ANSWER_ITEMS_MAX)
		return ERR_PROTOCOL;
	*ret_array = array;
	*ret_n = n;
	return 0;
}

int answer_buckets(struct json_object *object, const char *member, struct answer_bucket **ret_buckets,
		   size_t *ret_n)
{
	struct json_object *array;
	size_t n;
	int r = answer_items(object, member, &array, &n);

	if (r < 0)
		return r;
	_cleanup_free_ struct answer_bucket *buckets = calloc(n + 1, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		r = answer_bucket(json_object_array_get_idx(array, i), &buckets[i]);
		if (r < 0)
			return r;
	}
	/* Pointers into the array itself: it is given away whole, so they stay right. */
	*ret_buckets = STEAL(buckets);
	*ret_n = n;
	return 0;
}

static int read_short_url(struct json_object *object, const char *base, struct api_file *f,
			  struct answer_file_texts *t)
{
	const char *text;
	int r = read_string(object, "short_url", false, &text);

	if (r < 0 || !text)
		return r;
	if (asprintf(&t->short_url, "%s%s", text[0] == '/' ? base : "", text) < 0) {
		t->short_url = NULL;
		return -ENOMEM;
	}
	f->short_url = t->short_url;
	return 0;
}

static int read_file(struct json_object *object, const char *base, struct api_file *f,
		     struct answer_file_texts *t)
{
	struct digest digest;
	const char *stamp;
	bool deduplicated = false;

	int r = read_string(object, "path", true, &f->path);
	if (r == 0 && f->path[0] == '\0')
		r = ERR_PROTOCOL;
	if (r == 0)
		r = read_string(object, "name", false, &f->name);
	if (r == 0)
		r = read_count(object, "size", true, &f->size);
	if (r == 0)
		r = read_string(object, "mime_type", false, &f->mime_type);
	if (r == 0)
		r = read_string(object, "short_code", false, &f->short_code);
	if (r == 0)
		r = read_short_url(object, base, f, t);
	if (r == 0)
		r = read_string(object, "sha256", false, &f->sha256);
	if (r == 0 && f->sha256 && digest_from_hex(f->sha256, &digest) < 0)
		r = ERR_PROTOCOL;
	if (r == 0)
		r = read_time(object, "created_at", false, t->created_at, &f->created_at);
	if (r == 0)
		r = read_time(object, "updated_at", true, t->updated_at, &f->updated_at);
	if (r < 0)
		return r;

	r = read_string(object, "updated_at", true, &stamp);
	if (r == 0)
		r = answer_version(stamp, t->version);
	if (r < 0)
		return r;
	f->version = t->version;
	r = json_get_bool(object, "deduplicated", &deduplicated);
	f->deduplicated = r > 0 ? deduplicated : -1;
	return 0;
}

void answer_files_done(struct answer_files *f)
{
	for (size_t i = 0; f->texts && i < f->n; i++)
		free(f->texts[i].short_url);
	free(f->texts);
	free(f->files);
	*f = (struct answer_files){0};
}

int answer_files(struct json_object *object, const char *member, const char *base,
		 struct answer_files *ret_files)
{
	struct answer_files f = {0};
	struct json_object *array;
	int r = answer_items(object, member, &array, &f.n);

	if (r < 0)
		return r;
	f.files = calloc(f.n + 1, sizeof(*f.files));
	f.texts = calloc(f.n + 1, sizeof(*f.texts));
	if (!f.files || !f.texts)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < f.n; i++)
		r = read_file(json_object_array_get_idx(array, i), base, &f.files[i], &f.texts[i]);
	if (r < 0) {
		answer_files_done(&f);
		return r;
	}
	*ret_files = f;
	return 0;
}

int answer_file(struct json_object *object, const char *base, struct answer_files *ret_files)
{
	struct answer_files f = {.n = 1};
	int r = 0;

	f.files = calloc(1, sizeof(*f.files));
	f.texts = calloc(1, sizeof(*f.texts));
	if (!f.files || !f.texts)
		r = -ENOMEM;
	if (r == 0)
		r = read_file(object, base, &f.files[0], &f.texts[0]);
	if (r < 0) {
		answer_files_done(&f);
		return r;
	}
	*ret_files = f;
	return 0;
}

int answer_scan_page(struct json_object *object, const char *base, const char *after,
		     struct answer_files *ret_files, const char **ret_cursor)
{
	struct answer_files f;
	const char *cursor, *last = after ? after : "";

	int r = read_string(object, "cursor", false, &cursor);
	if (r == 0)
		r = answer_files(object, "files", base, &f);
	if (r < 0)
		return r;
	for (size_t i = 0; i < f.n; i++) {
		/* Absence is read off the order: one entry out of it and nothing of the page is evidence. */
		if (strcmp(f.files[i].path, last) <= 0)
			r = ERR_PROTOCOL;
		last = f.files[i].path;
	}
	/* It always advances; one that does not would be followed for ever. */
	if (cursor && (strcmp(cursor, last) < 0 || (f.n == 0 && strcmp(cursor, last) == 0)))
		r = ERR_PROTOCOL;
	if (r < 0) {
		answer_files_done(&f);
		return r;
	}
	*ret_files = f;
	*ret_cursor = cursor;
	return 0;
}

/* Errors */

static int code_of_status(int status, bool write)
{
	switch (status) {
	case 401:
	case 403: return ERR_AUTH;
	case 404: return ERR_NOT_FOUND;
	case 408: /* our body was too slow this time */
	case 429: return ERR_SERVER;
	case 413: return ERR_TOO_LARGE;
	case 416: return ERR_RANGE;
	case 502:
	case 504: return write ? ERR_DOUBT : ERR_OFFLINE; /* a gateway's word about a server it lost */
	default: break;
	}
	if (status >= 200 && status < 300)
		return 0;
	if (status >= 400 && status < 500)
		return ERR_REJECTED;
	return status >= 500 ? ERR_SERVER : ERR_PROTOCOL;
}

/* The server's own {"error", "hint"}; many errors have no body or one of a proxy. */
static void read_words(const struct http_result *result, struct answer_texts *texts)
{
	_cleanup_json_ struct json_object *object = NULL;
	const char *error = NULL, *hint = NULL;

	if (!result->body || result->body_len == 0 || result->body_len > ANSWER_ERROR_MAX_BYTES ||
	    json_parse(result->body, result->body_len, &object, NULL) < 0)
		return;
	if (json_get_string(object, "error", &error) > 0 && *error)
		(void)buf_append_str(&texts->message, error); /* without memory our own words do */
	if (json_get_string(object, "hint", &hint) > 0 && *hint)
		(void)buf_append_str(&texts->hint, hint);
}

static const char *words_for(const struct http_result *result, int code)
{
	static const struct {
		const char *reason, *words;
	} reasons[] = {
		{"dns", "The name of the server is not known"},
		{"connect", "The server does not accept connections"},
		{"tls", "No secure connection to the server"},
		{"timeout", "The server did not answer in time"},
		{"protocol", "The answer is not HTTP"},
		{"offline", "The connection to the server was lost"},
	};

	for (size_t i = 0; result->reason && code != ERR_DOUBT && i < ARRAY_SIZE(reasons); i++)
		if (strcmp(result->reason, reasons[i].reason) == 0)
			return reasons[i].words;
	if (result->status >= 300 && result->status < 400)
		return "The server redirects elsewhere: use the URL it redirects to";
	return err_text(code);
}

static int meaning_of(const struct http_result *result, bool write)
{
	int status = result->status;

	/* Of a refusal only the words may be lost: the status is enough. */
	if (!result->error || (status >= 300 && result->error != ERR_CANCELED))
		return code_of_status(status, write);
	/* A success that could not be read to its end has carried out the write all the same. */
	if (write && result->error != ERR_CANCELED && (status >= 200 || result->sent_all))
		return ERR_DOUBT;
	return result->error;
}

void answer_error(const struct http_result *result, bool write, struct answer_texts *texts,
		  struct api_error *ret_error)
{
	int code = meaning_of(result, write);

	*ret_error = (struct api_error){
		.code = code,
		.status = result->status,
		.reason = result->error && result->status == 0 ? result->reason : NULL,
		.retry_after_s = result->retry_after_s,
	};
	if (code == 0)
		return;

	struct buf *m = &texts->message;
	if (!result->error)
		read_words(result, texts);
	if (m->len == 0) {
		(void)buf_append_str(m, words_for(result, code));
		if (result->status)
			(void)buf_printf(m, " (HTTP %d)", result->status);
		else if (result->message && *result->message)
			(void)buf_printf(m, ": %s", result->message);
	}
	ret_error->message = buf_terminate(m) == 0 ? m->data : err_text(code);
	ret_error->hint = texts->hint.len && buf_terminate(&texts->hint) == 0 ? texts->hint.data : NULL;
}

void answer_texts_done(struct answer_texts *texts)
{
	buf_done(&texts->message);
	buf_done(&texts->hint);
}
