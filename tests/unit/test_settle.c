/* Settling: each rule by hand, and everything together against a naive model that only keeps arrays. */
#include "base/util.h"
#include "sync/settle.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <string.h>

static const struct settle_params defaults = {
	.closed_ms = 50, .open_ms = 1000, .cap_ms = 5000, .delete_ms = 1000};
static struct settle *s;

static void setup(void)
{
	s = settle_new(&defaults);
	ck_assert_ptr_nonnull(s);
}

static void teardown(void)
{
	s = settle_free(s);
}

struct taken {
	char path[32];
	bool gone;
	size_t n;
};

static int on_taken(void *arg, const char *path, bool gone)
{
	struct taken *t = arg;

	snprintf(t->path, sizeof(t->path), "%s", path);
	t->gone = gone;
	t->n++;
	return 0;
}

/* Takes what is ready; "" if nothing is. */
static const char *take(int64_t now_ms, bool *ret_gone)
{
	static struct taken t;

	t = (struct taken){0};
	ck_assert_uint_eq(settle_take(s, now_ms, 1, on_taken, &t), t.n);
	if (ret_gone)
		*ret_gone = t.gone;
	return t.path;
}

#define hint(path, kind, now) ck_assert_int_eq(settle_hint(s, path, kind, now), 0)

/* Nothing a millisecond before, the path at that time. */
static void expect(const char *path, bool gone, int64_t at_ms)
{
	bool got_gone;

	ck_assert_int_eq(settle_next_ms(s), at_ms);
	ck_assert_str_eq(take(at_ms - 1, NULL), "");
	ck_assert_str_eq(take(at_ms, &got_gone), path);
	ck_assert_int_eq(got_gone, gone);
}

START_TEST(test_quiet)
{
	ck_assert_int_eq(settle_next_ms(s), INT64_MAX);
	hint("a", SETTLE_CLOSED, 1000);
	ck_assert(settle_has(s, "a"));
	expect("a", false, 1050);
	ck_assert(!settle_has(s, "a"));
	ck_assert_int_eq(settle_next_ms(s), INT64_MAX);

	hint("b", SETTLE_OPEN, 2000);
	expect("b", false, 3000);
	hint("c", SETTLE_GONE, 2000);
	expect("c", true, 3000);

	hint("d", SETTLE_CLOSED, 5000); /* each hint begins the quiet again */
	hint("d", SETTLE_CLOSED, 5040);
	expect("d", false, 5090);

	hint("e", SETTLE_OPEN, 6000); /* created, written, closed */
	hint("e", SETTLE_OPEN, 6010);
	hint("e", SETTLE_CLOSED, 6020);
	expect("e", false, 6070);

	hint("f", SETTLE_CLOSED, 7000); /* opened again and still written */
	hint("f", SETTLE_OPEN, 7010);
	expect("f", false, 8010);
	ck_assert_uint_eq(settle_count(s), 0);
}
END_TEST

START_TEST(test_cap)
{
	/* written without pause: taken at the cap, and again later */
	for (int64_t t = 0; t < 5000; t += 20) {
		hint("a", SETTLE_CLOSED, t);
		ck_assert_str_eq(take(t, NULL), "");
	}
	hint("a", SETTLE_CLOSED, 5000);
	ck_assert_str_eq(take(5000, NULL), "a");
	hint("a", SETTLE_OPEN, 5020);
	expect("a", false, 6020);

	/* the cap is never below the settle time */
	const struct settle_params slow = {
		.closed_ms = 50, .open_ms = 9000, .cap_ms = 5000, .delete_ms = 1000};
	settle_set_params(s, &slow);
	hint("b", SETTLE_OPEN, 20000);
	hint("b", SETTLE_OPEN, 21000);
	expect("b", false, 29000);
}
END_TEST

START_TEST(test_deletions)
{
	bool gone;

	/* gone and back: never deleted */
	hint("a", SETTLE_GONE, 0);
	hint("a", SETTLE_OPEN, 400);
	hint("a", SETTLE_CLOSED, 410);
	expect("a", false, 460);

	/* written and gone: a deletion, which no cap makes shorter */
	hint("b", SETTLE_CLOSED, 10000);
	hint("b", SETTLE_GONE, 10010);
	for (int64_t t = 10500; t < 18000; t += 500)
		hint("b", SETTLE_GONE, t);
	expect("b", true, 18500);

	/* the cap counts from when there was something to take: a long absence does not use it up */
	hint("c", SETTLE_GONE, 30000);
	for (int64_t t = 30900; t < 36000; t += 900)
		hint("c", SETTLE_GONE, t);
	hint("c", SETTLE_OPEN, 36100);
	expect("c", false, 37100);

	/* made and removed without end: taken at the cap all the same */
	int64_t t = 40000;
	while (strcmp(take(t, &gone), "") == 0) {
		hint("d", SETTLE_GONE, t);
		hint("d", SETTLE_CLOSED, t);
		t += 40;
		ck_assert_int_lt(t, 46000);
	}
	ck_assert(!gone);
	ck_assert_int_ge(t, 45000);
}
END_TEST

START_TEST(test_doubling)
{
	static const int64_t want[] = {50, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
	int64_t t = 0;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		ck_assert_int_eq(settle_time_ms(s, "a", t), want[i]);
		hint("a", SETTLE_CLOSED, t);
		ck_assert_int_eq(settle_time_ms(s, "a", t), want[i]);
		t += want[i];
		expect("a", false, t);
		t += 10;
		settle_uploaded(s, "a", t, 10);
		t += 1000;
	}
	t += -1000 + SETTLE_QUIET_MS; /* twice 5 s is not longer */
	ck_assert_int_eq(settle_time_ms(s, "a", t), 5000);
	ck_assert_int_eq(settle_time_ms(s, "a", t + 1), 50);
	hint("a", SETTLE_CLOSED, t + 1);
	expect("a", false, t + 51);
}
END_TEST

START_TEST(test_doubling_of_open)
{
	/* a log that is never closed, written 20 times a second: at the cap, whatever the settle time */
	int64_t t = 0;
	int uploads = 0;

	for (; t < 60000; t += 50) {
		hint("log", SETTLE_OPEN, t);
		if (strcmp(take(t, NULL), "log") == 0) {
			uploads++;
			settle_uploaded(s, "log", t + 5, 5);
		}
	}
	ck_assert_int_ge(uploads, 10);
	ck_assert_int_le(uploads, 12);
	/* and then once more, for the last line */
	ck_assert(settle_has(s, "log"));
	ck_assert_str_eq(take(t + 5000, NULL), "log");
}
END_TEST

START_TEST(test_doubling_of_slow_uploads)
{
	int64_t t = 0, settle_ms = 50;

	/* an upload of 30 s: ten times as long is the most */
	for (int i = 0; i < 14; i++) {
		hint("a", SETTLE_CLOSED, t);
		t += settle_ms;
		expect("a", false, t);
		t += 30000;
		settle_uploaded(s, "a", t, 30000);
		settle_ms = MIN(settle_ms * 2, 300000);
	}
	ck_assert_int_eq(settle_time_ms(s, "a", t), 300000);
	ck_assert_int_eq(settle_time_ms(s, "a", t + 600000), 300000); /* twice its settle time */
	ck_assert_int_eq(settle_time_ms(s, "a", t + 600001), 50);
	/* the cap follows the settle time, which ends at ten minutes */
	settle_uploaded(s, "a", t, 3600000);
	hint("a", SETTLE_CLOSED, t);
	for (int64_t k = 0; k < 590000; k += 10000)
		hint("a", SETTLE_CLOSED, t + k);
	expect("a", false, t + SETTLE_UPLOAD_MAX_MS);
	/* a quick one brings it down again */
	settle_uploaded(s, "a", t + 600000, 100);
	ck_assert_int_eq(settle_time_ms(s, "a", t + 600000), SETTLE_MAX_MS);
}
END_TEST

START_TEST(test_hints_during_an_upload)
{
	hint("a", SETTLE_CLOSED, 0);
	expect("a", false, 50);
	hint("a", SETTLE_CLOSED, 60); /* the upload still runs */
	ck_assert_int_eq(settle_next_ms(s), 110);
	settle_uploaded(s, "a", 80, 30);
	ck_assert_int_eq(settle_next_ms(s), 160);
	hint("a", SETTLE_CLOSED, 90); /* doubled once, not once more for each hint */
	expect("a", false, 190);
	/* a deletion does not settle longer */
	settle_uploaded(s, "a", 200, 10);
	hint("a", SETTLE_GONE, 210);
	settle_uploaded(s, "a", 220, 10);
	expect("a", true, 1210);
}
END_TEST

START_TEST(test_moved)
{
	/* it moved while it was read, and says nothing more */
	hint("a", SETTLE_CLOSED, 0);
	expect("a", false, 50);
	ck_assert_int_eq(settle_moved(s, "a", 60), 0);
	expect("a", false, 160);
	ck_assert_int_eq(settle_moved(s, "a", 170), 0);
	expect("a", false, 370);
	/* together with the end of an upload it doubles once */
	settle_uploaded(s, "a", 400, 30);
	ck_assert_int_eq(settle_moved(s, "a", 400), 0);
	expect("a", false, 800);
	/* a path never seen here */
	ck_assert_int_eq(settle_moved(s, "b", 1000), 0);
	expect("b", false, 1100);
	/* one that waits, longer than it would have */
	hint("c", SETTLE_OPEN, 2000);
	ck_assert_int_eq(settle_moved(s, "c", 2500), 0);
	expect("c", false, 3500);
	hint("d", SETTLE_GONE, 5000);
	ck_assert_int_eq(settle_moved(s, "d", 5100), 0);
	expect("d", true, 6100);
}
END_TEST

struct sequence {
	char text[64];
	int stop_after;
	bool again;
};

static int on_sequence(void *arg, const char *path, bool gone)
{
	struct sequence *q = arg;

	strncat(q->text, path, sizeof(q->text) - strlen(q->text) - 1);
	if (q->again) {
		ck_assert_int_eq(settle_hint(s, path, SETTLE_CLOSED, 1000000), 0);
		settle_uploaded(s, path, 1000000, 1);
		settle_drop(s, path);
	}
	return --q->stop_after == 0 ? -ECANCELED : 0;
}

static int collect(void *arg, const char *path)
{
	struct sequence *q = arg;

	return on_sequence(q, path, false);
}

START_TEST(test_order_and_stops)
{
	struct sequence q = {.stop_after = 2}, all = {0};

	hint("c", SETTLE_CLOSED, 0);
	hint("b", SETTLE_CLOSED, 10);
	hint("a", SETTLE_CLOSED, 10);
	hint("x", SETTLE_GONE, 0);
	ck_assert_int_eq(settle_each(s, collect, &all), 0);
	ck_assert_uint_eq(strlen(all.text), 4);
	ck_assert_uint_eq(settle_take(s, 5000, SIZE_MAX, on_sequence, &q), 2);
	ck_assert_str_eq(q.text, "ca");
	q.stop_after = 0;
	ck_assert_uint_eq(settle_take(s, 5000, 1, on_sequence, &q), 1);
	q.again = true; /* a callback may put the path in again, and take it out */
	ck_assert_uint_eq(settle_take(s, 5000, SIZE_MAX, on_sequence, &q), 1);
	ck_assert_str_eq(q.text, "cabx");
	ck_assert_uint_eq(settle_count(s), 0);
	settle_drop(s, "never seen");
	hint("a", SETTLE_CLOSED, 0);
	settle_drop(s, "a");
	ck_assert(!settle_has(s, "a"));
	ck_assert_int_eq(settle_each(s, collect, &all), 0);
	all.stop_after = 1;
	hint("a", SETTLE_CLOSED, 0);
	hint("b", SETTLE_CLOSED, 0);
	ck_assert_int_eq(settle_each(s, collect, &all), -ECANCELED);
}
END_TEST

START_TEST(test_limits)
{
	char path[32];

	for (int i = 0; i < SETTLE_MAX_PATHS; i++) {
		snprintf(path, sizeof(path), "p%d", i);
		hint(path, SETTLE_CLOSED, i);
	}
	ck_assert_int_eq(settle_hint(s, "one more", SETTLE_CLOSED, 0), -ENOSPC);
	ck_assert_int_eq(settle_moved(s, "one more", 0), -ENOSPC);
	ck_assert(!settle_has(s, "one more"));
	ck_assert_int_eq(settle_hint(s, "p7", SETTLE_CLOSED, 0), 0);
	ck_assert_int_eq(settle_moved(s, "p8", 0), 0);

	struct taken t = {0};
	ck_assert_uint_eq(settle_take(s, INT64_MAX, SIZE_MAX, on_taken, &t), SETTLE_MAX_PATHS);
	/* all uploaded at one time: the last ones are remembered, the others settle as if new */
	for (int i = 0; i < SETTLE_MAX_PATHS; i++) {
		snprintf(path, sizeof(path), "p%d", i);
		settle_uploaded(s, path, 1000000, 1);
	}
	ck_assert_int_eq(settle_time_ms(s, "p0", 1000001), 50);
	snprintf(path, sizeof(path), "p%d", SETTLE_MAX_PATHS - SETTLE_MAX_REMEMBERED - 1);
	ck_assert_int_eq(settle_time_ms(s, path, 1000001), 50);
	snprintf(path, sizeof(path), "p%d", SETTLE_MAX_PATHS - SETTLE_MAX_REMEMBERED);
	ck_assert_int_eq(settle_time_ms(s, path, 1000001), 100);
	ck_assert_int_eq(settle_time_ms(s, "p99999", 1000001), 100);
}
END_TEST

/* The model: the rules once more, without table, heap or list. */
#define N 24
static struct model {
	bool waits, gone, known, uploaded;
	bool open;
	int64_t first, last, floor; /* first -1: none */
	int64_t used, at, took, touched;
} model[N];

/* Forgotten after as much quiet; not while an upload may be running. */
static void model_touch(struct model *m, int64_t now)
{
	int64_t keep = 2 * m->used > 10000 ? 2 * m->used : 10000;

	if (!m->known || (m->touched == m->at && m->uploaded && now - m->touched > keep)) {
		m->used = defaults.closed_ms;
		m->took = 0;
		m->uploaded = false;
	}
	m->known = true;
	m->touched = now;
}

static int64_t model_twice(const struct model *m, int64_t now)
{
	int64_t window = 2 * m->used > 10000 ? 2 * m->used : 10000;
	int64_t most = 10 * m->took > 5000 ? 10 * m->took : 5000;

	if (!m->uploaded || now > m->at + window)
		return 0;
	most = most > 600000 ? 600000 : most;
	return 2 * m->used < most ? 2 * m->used : most;
}

static int64_t model_settle(const struct model *m)
{
	int64_t base = m->open ? defaults.open_ms : defaults.closed_ms;

	return m->floor > base ? m->floor : base;
}

static int64_t model_ready(const struct model *m)
{
	if (m->gone)
		return m->last + defaults.delete_ms;
	int64_t settle = model_settle(m), cap = settle > defaults.cap_ms ? settle : defaults.cap_ms;

	return m->last + settle < m->first + cap ? m->last + settle : m->first + cap;
}

static void model_hint(struct model *m, enum settle_kind kind, int64_t now)
{
	if (!m->waits) {
		m->waits = true;
		m->first = -1;
		m->floor = model_twice(m, now);
	}
	m->gone = kind == SETTLE_GONE;
	m->open = kind == SETTLE_OPEN;
	m->last = now;
	if (m->first < 0 && !m->gone)
		m->first = now;
}

static void model_uploaded(struct model *m, int64_t now, int64_t took)
{
	model_touch(m, now);
	m->uploaded = true;
	m->at = now;
	if (took >= 0)
		m->took = took;
	if (m->waits && model_twice(m, now) > m->floor)
		m->floor = model_twice(m, now);
}

static int on_model(void *arg, const char *path, bool gone)
{
	int64_t now = *(int64_t *)arg;
	struct model *m = &model[path[0] - 'a'];

	ck_assert(m->waits);
	ck_assert_int_eq(m->gone, gone);
	ck_assert_int_le(model_ready(m), now);
	for (int i = 0; i < N; i++) /* the earliest comes first */
		ck_assert(!model[i].waits || model_ready(&model[i]) >= model_ready(m));
	m->waits = false;
	if (!gone) {
		model_touch(m, now);
		m->used = model_settle(m);
	}
	return 0;
}

START_TEST(test_model)
{
	uint32_t seed = (uint32_t)_i + 1;
	int64_t now = 100;

	memset(model, 0, sizeof(model));
	for (int step = 0; step < 10000; step++) {
		seed = seed * 1664525 + 1013904223;
		int i = (int)((seed >> 8) % N), what = (int)((seed >> 16) % 16);
		struct model *m = &model[i];
		char path[2] = {(char)('a' + i), 0};

		if (what < 8) {
			enum settle_kind kind = what < 4   ? SETTLE_CLOSED
						: what < 7 ? SETTLE_OPEN
							   : SETTLE_GONE;

			model_hint(m, kind, now);
			hint(path, kind, now);
		} else if (what < 11) {
			int64_t took = (seed >> 20) % 4 == 0 ? (seed >> 22) * 50 : 10;

			model_uploaded(m, now, took);
			settle_uploaded(s, path, now, took);
		} else if (what == 11) {
			enum settle_kind kind = !m->waits ? SETTLE_CLOSED
						: m->gone ? SETTLE_GONE
						: m->open ? SETTLE_OPEN
							  : SETTLE_CLOSED;
			model_uploaded(m, now, -1);
			model_hint(m, kind, now);
			ck_assert_int_eq(settle_moved(s, path, now), 0);
		} else if (what == 12 && (seed >> 20) % 4 == 0) {
			m->waits = false;
			settle_drop(s, path);
		} else {
			now += (int64_t)((seed >> 20) % (what == 13 ? 3000 : what == 14 ? 60 : 5));
		}
		int64_t next = INT64_MAX;
		size_t waiting = 0;

		for (int k = 0; k < N; k++)
			if (model[k].waits) {
				waiting++;
				next = MIN(next, model_ready(&model[k]));
			}
		ck_assert_int_eq(settle_next_ms(s), next);
		ck_assert_uint_eq(settle_count(s), waiting);
		ck_assert_int_eq(settle_has(s, path), m->waits);
		if (what == 15)
			settle_take(s, now, 1 + (seed >> 20) % 4, on_model, &now);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("settle");
	TCase *tc = tcase_create("settle");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_quiet);
	tcase_add_test(tc, test_cap);
	tcase_add_test(tc, test_deletions);
	tcase_add_test(tc, test_doubling);
	tcase_add_test(tc, test_doubling_of_open);
	tcase_add_test(tc, test_doubling_of_slow_uploads);
	tcase_add_test(tc, test_hints_during_an_upload);
	tcase_add_test(tc, test_moved);
	tcase_add_test(tc, test_order_and_stops);
	tcase_add_test(tc, test_limits);
	tcase_add_loop_test(tc, test_model, 0, 6);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
