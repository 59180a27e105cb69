/*
 * The two uploads: a raw body, and multipart with any number of files. Bodies are staged as they come and
 * committed file by file; a failure leaves what was committed before it.
 */
#include "api.h"
#include "auth.h"
#include "buckets.h"
#include "counters.h"
#include "disposition.h"
#include "faults.h"
#include "files.h"
#include "http/reply.h"
#include "http/target.h"
#include "json_out.h"
#include "multipart.h"
#include "path_rules.h"

#include <errno.h>
#include <string.h>

/* Returned by the callbacks of the parser when a refusal text is set. */
#define REFUSED 1

/* A file that is received but not yet committed (only when a fault wants the commits late). */
struct waiting {
	struct stage stage;
	struct buf path;
	struct waiting *next;
};

struct upload {
	struct server *server;
	struct request *request;
	struct span bucket_id;
	struct stage stage;
	struct buf path, json;
	int64_t n_files;
	bool skipping; /* a part without a file name */
	const char *refusal;
	struct waiting *first, **last;
};

static void upload_done(struct upload *u)
{
	stage_done(&u->stage);
	buf_done(&u->path);
	buf_done(&u->json);
	while (u->first) {
		struct waiting *w = u->first;
		u->first = w->next;
		stage_done(&w->stage);
		buf_done(&w->path);
		free(w);
	}
}
#define _cleanup_upload_ _cleanup_(upload_done)

static void upload_init(struct upload *u, struct server *s, struct request *r)
{
	*u = (struct upload){.server = s, .request = r, .bucket_id = r->params[0]};
	u->last = &u->first;
	stage_init(&u->stage, &s->store->contents);
	json_open(&u->json, '{');
	json_key(&u->json, "uploaded");
	json_open(&u->json, '[');
}

/* The bucket before the caller, as the original asks. 0: go on; 1: answered. */
static int admit(struct server *s, struct request *r, struct caller *caller)
{
	store_lock(s->store);
	bool live = bucket_is_live_cached(s->store, r->params[0]);
	store_unlock(s->store);
	if (!live) {
		reply_errors(r, 404, "Bucket not found");
		return 1;
	}
	return auth_for_upload(s, r, r->params[0], caller);
}

static int commit_one(struct upload *u, struct stage *stage, struct span path)
{
	struct file_commit c = {.bucket_id = u->bucket_id, .path = path, .stage = stage};
	int r = file_commit_run(u->server->store, u->request, &c);

	counters_written(u->request, u->bucket_id, path, stage->sha);
	if (r < 0)
		return r;
	json_comma(&u->json);
	file_commit_add_json(&u->json, &c);
	u->n_files++;
	return 0;
}

static int put_off(struct upload *u)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->stage = u->stage;
	w->path = u->path;
	*u->last = w;
	u->last = &w->next;
	stage_init(&u->stage, &u->server->store->contents);
	u->path = (struct buf){0};
	return 0;
}

static int file_received(struct upload *u)
{
	int r = stage_finish(&u->stage);

	if (r < 0)
		return r;
	return fault_wants_late_commit(u->request) ? put_off(u)
						   : commit_one(u, &u->stage, buf_span(&u->path));
}

/* After the last byte: the commits that were put off, and the transaction. */
static int finish(struct upload *u)
{
	int r = fault_before_commit(u->request);

	for (struct waiting *w = u->first; r == 0 && w; w = w->next)
		r = commit_one(u, &w->stage, buf_span(&w->path));
	store_lock(u->server->store);
	int committed = store_commit(u->server->store);
	store_unlock(u->server->store);
	return r < 0 ? r : committed;
}

static int answer(struct upload *u, const struct caller *caller, struct span location)
{
	auth_charge(u->server, caller, u->n_files);
	json_close(&u->json, ']');
	json_close(&u->json, '}');
	/* The original puts the path into a header as it is and fails at that, with everything stored. */
	if (!path_fits_header(location))
		return reply_empty(u->request, 500);
	reply_header(u->request, "Location", location);
	return reply_json(u->request, 201, &u->json);
}

static int receive_stream(struct upload *u)
{
	struct span piece;
	int n = stage_begin(&u->stage);

	while (n == 0 && (n = request_read_body(u->request, &piece)) > 0)
		n = stage_add(&u->stage, piece);
	return n < 0 ? n : file_received(u);
}

int api_upload_stream(struct server *s, struct request *r)
{
	_cleanup_upload_ struct upload u;
	_cleanup_caller_ struct caller caller = {0};
	_cleanup_buf_ struct buf name = {0}, location = {0};

	upload_init(&u, s, r);
	if (admit(s, r, &caller))
		return 0;
	if (!query_get_first(r->query, "filename", &name) || name.n == 0)
		return reply_errors(r, 400, "filename query parameter is required");
	if (!path_normalise(buf_span(&name), &u.path))
		return reply_errors(r, 400, "Invalid file path");
	buf_adds(&location, "/api/buckets/");
	buf_addspan(&location, u.bucket_id);
	buf_adds(&location, "/files/");
	buf_addspan(&location, buf_span(&u.path));
	if (u.path.failed || location.failed)
		return -ENOMEM;
	int n = receive_stream(&u);
	int finished = finish(&u);
	if (n < 0 || finished < 0)
		return n < 0 ? n : finished;
	return answer(&u, &caller, buf_span(&location));
}

static int refuse(struct upload *u, const char *text)
{
	u->refusal = text;
	return REFUSED;
}

static bool field_is_generic(struct span name)
{
	static const char *const names[] = {"file", "files", "upload", "uploads", "blob"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_eq_ci(name, span_of(names[i])))
			return true;
	return false;
}

static int on_part_begin(void *arg, struct span header)
{
	__attribute__((cleanup(disposition_done))) struct disposition d = {0};
	struct upload *u = arg;

	u->skipping = !header.p || !disposition_parse(header, &d) || !d.has_filename;
	if (u->skipping)
		return 0;
	struct span name = buf_span(&d.name);
	struct span path = field_is_generic(name) ? buf_span(&d.filename) : name;
	u->path.n = 0;
	if (utf8_is_blank(path) || utf8_is_blank(buf_span(&d.filename)))
		return refuse(u, "File path could not be determined");
	if (!path_normalise(path, &u->path))
		return refuse(u, "Invalid file path");
	return u->path.failed ? -ENOMEM : stage_begin(&u->stage);
}

static int on_part_data(void *arg, struct span bytes)
{
	struct upload *u = arg;

	return u->skipping ? 0 : stage_add(&u->stage, bytes);
}

static int on_part_end(void *arg)
{
	struct upload *u = arg;

	return u->skipping ? 0 : file_received(u);
}

static const struct multipart_ops part_ops = {on_part_begin, on_part_data, on_part_end};

static int receive_parts(struct upload *u, struct span boundary)
{
	__attribute__((cleanup(multipart_done))) struct multipart parser;
	struct span piece;
	int n = multipart_init(&parser, boundary, &part_ops, u);

	while (n == 0 && (n = request_read_body(u->request, &piece)) > 0)
		n = multipart_feed(&parser, piece);
	return n ? n : multipart_finish(&parser);
}

static bool is_form_data(struct span type)
{
	const char *semicolon = type.p ? memchr(type.p, ';', type.n) : NULL;

	if (semicolon)
		type.n = (size_t)(semicolon - type.p);
	return span_eq_ci(span_trim(type), SPAN("multipart/form-data"));
}

int api_upload_multipart(struct server *s, struct request *r)
{
	_cleanup_upload_ struct upload u;
	_cleanup_caller_ struct caller caller = {0};
	_cleanup_buf_ struct buf boundary = {0}, location = {0};
	struct span type = request_header(r, "Content-Type");

	upload_init(&u, s, r);
	if (admit(s, r, &caller))
		return 0;
	if (!is_form_data(type))
		return reply_errors(r, 400, "Expected multipart/form-data");
	if (!multipart_boundary(type, &boundary))
		return reply_errors(r, 400, "Missing multipart boundary");
	buf_adds(&location, "/api/buckets/");
	buf_addspan(&location, u.bucket_id);
	buf_adds(&location, "/files");
	int n = receive_parts(&u, buf_span(&boundary));
	int finished = finish(&u);
	if (n == REFUSED)
		return reply_errors(r, 400, u.refusal);
	if (n < 0 || finished < 0)
		return n < 0 ? n : finished;
	return answer(&u, &caller, buf_span(&location));
}
