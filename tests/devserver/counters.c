/*
 * Counting requests and writes: see counters.h.
 */
#include "counters.h"

#include "json_out.h"
#include "router.h"

#include <pthread.h>
#include <string.h>

#define SLOTS_MAX 32 /* more than there are route names */
#define LOG_MAX   10000

struct slot {
	const char *name;
	int64_t requests, failures, bytes, in_flight, max_in_flight;
};

struct logged {
	char *line; /* method and target */
	const char *route;
	int status;
	int64_t begin_us, end_us, bytes;
};

struct write {
	char *path; /* bucket/path */
	char sha[65];
	int64_t begin_us, end_us;
};

static struct {
	pthread_mutex_t lock;
	bool enabled;
	struct slot slots[SLOTS_MAX];
	size_t n_slots;
	int64_t total, last_us, in_flight;
	struct logged log[LOG_MAX];
	size_t n_logged; /* ever; the ring holds the last LOG_MAX */
	struct write *writes;
	size_t n_writes, cap_writes;
} counters = {.lock = PTHREAD_MUTEX_INITIALIZER};

void counters_enable(void)
{
	counters.enabled = true;
}

static size_t slot_of(const char *name)
{
	for (size_t i = 0; i < counters.n_slots; i++)
		if (strcmp(counters.slots[i].name, name) == 0)
			return i;
	if (counters.n_slots == SLOTS_MAX)
		return SLOTS_MAX - 1;
	counters.slots[counters.n_slots].name = name;
	return counters.n_slots++;
}

void counters_begin(struct request *r, struct counted *ret)
{
	*ret = (struct counted){0};
	r->counted = ret;
	if (!counters.enabled)
		return;
	pthread_mutex_lock(&counters.lock);
	ret->slot = slot_of(r->route->name);
	struct slot *s = &counters.slots[ret->slot];
	s->requests++;
	s->in_flight++;
	if (s->in_flight > s->max_in_flight)
		s->max_in_flight = s->in_flight;
	counters.total++;
	counters.in_flight++;
	counters.last_us = r->began_us;
	pthread_mutex_unlock(&counters.lock);
}

static char *describe(const struct request *r)
{
	_cleanup_buf_ struct buf line = {0};

	buf_addspan(&line, r->method);
	buf_addc(&line, ' ');
	buf_addspan(&line, r->target);
	return line.failed ? NULL : span_dup(buf_span(&line));
}

void counters_end(struct request *r)
{
	struct counted *c = r->counted;

	if (!counters.enabled || !c || c->ended)
		return;
	c->ended = true;
	char *line = describe(r);
	pthread_mutex_lock(&counters.lock);
	struct slot *s = &counters.slots[c->slot];
	if (s->in_flight > 0)
		s->in_flight--;
	if (counters.in_flight > 0)
		counters.in_flight--;
	s->bytes += r->body_received;
	s->failures += r->status == 0 || r->status >= 400;
	struct logged *l = &counters.log[counters.n_logged++ % LOG_MAX];
	free(l->line);
	*l = (struct logged){
		.line = line,
		.route = r->route->name,
		.status = r->conn->broken ? 0 : r->status,
		.begin_us = r->began_us,
		.end_us = monotonic_us(),
		.bytes = r->body_received,
	};
	pthread_mutex_unlock(&counters.lock);
}

void counters_written(struct request *r, struct span bucket_id, struct span path, const char *sha)
{
	_cleanup_buf_ struct buf name = {0};

	if (!counters.enabled)
		return;
	buf_addspan(&name, bucket_id);
	buf_addc(&name, '/');
	buf_addspan(&name, path);
	pthread_mutex_lock(&counters.lock);
	if (counters.n_writes == counters.cap_writes) {
		size_t cap = counters.cap_writes ? counters.cap_writes * 2 : 256;
		struct write *more = realloc(counters.writes, cap * sizeof(*more));
		if (more) {
			counters.writes = more;
			counters.cap_writes = cap;
		}
	}
	if (counters.n_writes < counters.cap_writes && !name.failed) {
		struct write *w = &counters.writes[counters.n_writes++];
		*w = (struct write){
			.path = span_dup(buf_span(&name)), .begin_us = r->began_us, .end_us = monotonic_us()};
		memcpy(w->sha, sha, sizeof(w->sha));
	}
	pthread_mutex_unlock(&counters.lock);
}

static void forget(void)
{
	for (size_t i = 0; i < LOG_MAX; i++) {
		free(counters.log[i].line);
		counters.log[i] = (struct logged){0};
	}
	for (size_t i = 0; i < counters.n_writes; i++)
		free(counters.writes[i].path);
	free(counters.writes);
	counters.writes = NULL;
	counters.n_writes = counters.cap_writes = counters.n_logged = 0;
	counters.total = 0;
}

void counters_reset(void)
{
	pthread_mutex_lock(&counters.lock);
	forget();
	for (size_t i = 0; i < counters.n_slots; i++) {
		struct slot *s = &counters.slots[i];
		s->requests = s->failures = s->bytes = 0;
		s->max_in_flight = s->in_flight;
	}
	pthread_mutex_unlock(&counters.lock);
}

static const char *path_of(const struct write *w)
{
	return w->path ? w->path : "";
}

static int by_path(const void *a, const void *b)
{
	const struct write *x = a, *y = b;
	int order = strcmp(path_of(x), path_of(y));

	return order ? order : (x->begin_us > y->begin_us) - (x->begin_us < y->begin_us);
}

static int by_sha(const void *a, const void *b)
{
	const struct write *x = a, *y = b;
	int order = strcmp(x->sha, y->sha);

	return order ? order : (x->begin_us > y->begin_us) - (x->begin_us < y->begin_us);
}

static int by_number(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* How many of n writes of one key were under way at once, at most. They are sorted by begin; parts of one
 * request (equal begins) come one after another and count once. */
static int64_t most_of_one_key(const struct write *w, size_t n, int64_t *ends)
{
	int64_t most = 1;
	size_t requests = 0;

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || w[i].begin_us != w[i - 1].begin_us)
			ends[requests++] = w[i].end_us;
		else if (w[i].end_us > ends[requests - 1])
			ends[requests - 1] = w[i].end_us;
	}
	qsort(ends, requests, sizeof(*ends), by_number);
	size_t begun = 0, ended = 0;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && w[i].begin_us == w[i - 1].begin_us)
			continue;
		begun++;
		while (ended < requests && ends[ended] <= w[i].begin_us)
			ended++;
		if ((int64_t)(begun - ended) > most)
			most = (int64_t)(begun - ended);
	}
	return most;
}

static int64_t most_at_once(const struct write *w, size_t n, bool same_path, const struct write **ret_where)
{
	int64_t *ends = malloc((n ? n : 1) * sizeof(*ends)), most = n > 0;

	for (size_t i = 0; ends && i < n;) {
		size_t end = i + 1;
		while (end < n && strcmp(same_path ? path_of(&w[i]) : w[i].sha,
					 same_path ? path_of(&w[end]) : w[end].sha) == 0)
			end++;
		int64_t at_once = most_of_one_key(w + i, end - i, ends);
		if (at_once > most) {
			most = at_once;
			*ret_where = &w[i];
		}
		i = end;
	}
	free(ends);
	return most;
}

static void add_writes(struct buf *json)
{
	const struct write *where = NULL;

	json_key(json, "writes");
	json_open(json, '{');
	json_add_int(json, "count", (int64_t)counters.n_writes);
	if (counters.n_writes)
		qsort(counters.writes, counters.n_writes, sizeof(struct write), by_sha);
	json_add_int(json, "max_same_content",
		     most_at_once(counters.writes, counters.n_writes, false, &where));
	if (where)
		json_add_text(json, "same_content", span_of(where->sha));
	where = NULL;
	if (counters.n_writes)
		qsort(counters.writes, counters.n_writes, sizeof(struct write), by_path);
	json_add_int(json, "max_same_path", most_at_once(counters.writes, counters.n_writes, true, &where));
	if (where && where->path)
		json_add_text(json, "same_path", span_of(where->path));
	json_close(json, '}');
}

static void add_routes(struct buf *json)
{
	json_key(json, "routes");
	json_open(json, '{');
	for (size_t i = 0; i < counters.n_slots; i++) {
		const struct slot *s = &counters.slots[i];
		json_key(json, s->name);
		json_open(json, '{');
		json_add_int(json, "requests", s->requests);
		json_add_int(json, "failures", s->failures);
		json_add_int(json, "bytes", s->bytes);
		json_add_int(json, "in_flight", s->in_flight);
		json_add_int(json, "max_in_flight", s->max_in_flight);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void add_log(struct buf *json)
{
	size_t first = counters.n_logged > LOG_MAX ? counters.n_logged - LOG_MAX : 0;

	json_key(json, "log");
	json_open(json, '[');
	for (size_t i = first; i < counters.n_logged; i++) {
		const struct logged *l = &counters.log[i % LOG_MAX];
		json_comma(json);
		json_open(json, '{');
		json_add_text(json, "request", span_of(l->line ? l->line : ""));
		json_add_text(json, "route", span_of(l->route));
		json_add_int(json, "status", l->status);
		json_add_int(json, "bytes", l->bytes);
		json_add_int(json, "begin_us", l->begin_us);
		json_add_int(json, "end_us", l->end_us);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* By path and begin, as add_writes left them. */
static void add_written(struct buf *json)
{
	json_key(json, "written");
	json_open(json, '[');
	for (size_t i = 0; i < counters.n_writes; i++) {
		const struct write *w = &counters.writes[i];
		json_comma(json);
		json_open(json, '{');
		json_add_text(json, "path", span_of(path_of(w)));
		json_add_text(json, "sha256", span_of(w->sha));
		json_add_int(json, "begin_us", w->begin_us);
		json_add_int(json, "end_us", w->end_us);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void counters_json(struct buf *json, bool with_log)
{
	pthread_mutex_lock(&counters.lock);
	json_open(json, '{');
	json_add_int(json, "total", counters.total);
	json_add_int(json, "in_flight", counters.in_flight);
	json_add_int(json, "now_us", monotonic_us());
	json_add_int(json, "last_us", counters.last_us);
	add_routes(json);
	add_writes(json);
	if (with_log) {
		add_log(json);
		add_written(json);
	}
	json_close(json, '}');
	pthread_mutex_unlock(&counters.lock);
}
