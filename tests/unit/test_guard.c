/* The mass-deletion guard: its limits to the file, its sliding minute, and what a move excuses. */
#include "base/util.h"
#include "sync/guard.h"
#include "tests/unit/tap.h"
#include <string.h>

static struct guard *g;

static void setup(void)
{
	g = guard_new();
	ck_assert_ptr_nonnull(g);
}

static void teardown(void)
{
	g = guard_free(g);
}

static struct digest content(unsigned n)
{
	struct digest d = {{0}};

	memcpy(d.b, &n, sizeof(n));
	d.b[31] = (uint8_t)n;
	return d;
}

static bool hold(int64_t now_ms, int64_t known, int64_t pending)
{
	return guard_must_hold(g, now_ms, known, pending, 100, 25);
}

START_TEST(test_limits)
{
	ck_assert(!hold(0, 100000, 100));
	ck_assert(hold(0, 100000, 101));
	ck_assert(!hold(0, 100, 25)); /* a quarter is not more than a quarter */
	ck_assert(hold(0, 100, 26));
	ck_assert(!hold(0, 20, 5));
	ck_assert(hold(0, 20, 6));
	ck_assert(!hold(0, 19, 19)); /* too few to speak of percent, or of emptying */
	ck_assert(!hold(0, 0, 0));
	ck_assert(!hold(0, 1000, 0));
	/* limits that let everything through do not let a root be emptied */
	ck_assert(!guard_must_hold(g, 0, 1000, 999, 1000000, 100));
	ck_assert(guard_must_hold(g, 0, 1000, 1000, 1000000, 100));
	ck_assert(!guard_must_hold(g, 0, 19, 19, 1000000, 100));
	ck_assert(guard_must_hold(g, 0, 1000, 1, 0, 100));
	ck_assert(guard_must_hold(g, 0, 1000, 1, 100, 0));
	ck_assert(guard_must_hold(g, 0, INT64_MAX / 4, INT64_MAX / 4, INT64_MAX, 100));
}
END_TEST

START_TEST(test_sent_count)
{
	for (int i = 0; i < 60; i++)
		guard_sent(g, 1000);
	ck_assert_int_eq(guard_sent_in_window(g, 1000), 60);
	ck_assert(!hold(2000, 100000, 40));
	ck_assert(hold(2000, 100000, 41));
	ck_assert(hold(60999, 100000, 41));
	ck_assert(!hold(62000, 100000, 41));

	/* percent of what was there before the first of them: 20 of 80 sent, 6 of the 60 left */
	teardown();
	setup();
	for (int i = 0; i < 20; i++)
		guard_sent(g, 5000);
	ck_assert(!hold(5000, 60, 0));
	ck_assert(hold(5000, 60, 6));
	/* dripped out one by one, a root of 20 is not emptied unnoticed */
	teardown();
	setup();
	int gone = 0;
	while (gone < 20 && !hold(gone * 100, 20 - gone, 1)) {
		guard_sent(g, gone * 100);
		gone++;
	}
	ck_assert_int_eq(gone, 5);
}
END_TEST

/* Against a list of times: never fewer than in a minute, never more than in a minute and a second. */
START_TEST(test_window_model)
{
	static int64_t times[5000];
	uint32_t seed = 7;
	int64_t now = 123456;

	for (size_t n = 0; n < ARRAY_SIZE(times); n++) {
		seed = seed * 1664525 + 1013904223;
		now += (seed >> 16) % (n % 500 == 0 ? 200000 : 400);
		times[n] = now;
		guard_sent(g, now);
		int64_t least = 0, most = 0;

		for (size_t i = 0; i <= n; i++) {
			least += times[i] > now - GUARD_WINDOW_MS;
			most += times[i] > now - GUARD_WINDOW_MS - 1000;
		}
		int64_t got = guard_sent_in_window(g, now);

		ck_assert_int_ge(got, least);
		ck_assert_int_le(got, most);
	}
}
END_TEST

START_TEST(test_excuse_once)
{
	struct digest a = content(1), b = content(2);

	ck_assert(!guard_excuse(g, &a, 0));
	guard_appeared(g, "new", &a, 0);
	ck_assert(!guard_excuse(g, &b, 0));
	ck_assert(guard_excuse(g, &a, 0));
	ck_assert(!guard_excuse(g, &a, 0));
	guard_appeared(g, "new", &a, 1); /* reported twice, one path all the same */
	guard_appeared(g, "new", &a, 2);
	ck_assert(guard_excuse(g, &a, 3));
	ck_assert(!guard_excuse(g, &a, 3));
	guard_appeared(g, "new", &a, 10);
	guard_appeared(g, "new", &b, 11); /* another content now: the first excuses nothing any more */
	ck_assert(!guard_excuse(g, &a, 12));
	ck_assert(guard_excuse(g, &b, 12));
}
END_TEST

START_TEST(test_twins_do_not_excuse_each_other)
{
	struct digest a = content(1);

	guard_appeared(g, "one", &a, 0);
	guard_appeared(g, "two", &a, 0);
	guard_appeared(g, "three", &a, 0);
	guard_vanished(g, "one");
	guard_vanished(g, "two");
	guard_vanished(g, "never seen");
	ck_assert(guard_excuse(g, &a, 1)); /* three is still there */
	ck_assert(!guard_excuse(g, &a, 1));
}
END_TEST

START_TEST(test_excuse_ends)
{
	struct digest a = content(1);

	guard_appeared(g, "new", &a, 1000);
	ck_assert(!guard_excuse(g, &a, 1000 + GUARD_MOVE_MS));
	guard_appeared(g, "new", &a, 1000);
	ck_assert(guard_excuse(g, &a, 999 + GUARD_MOVE_MS));
}
END_TEST

/* A moved tree: as many excuses as files, whatever the order, equal contents among them. */
START_TEST(test_many_moves)
{
	const unsigned n = 50000;
	char path[32];

	for (unsigned i = 0; i < n; i++) {
		struct digest d = content(i % 1000 ? i : 0);

		snprintf(path, sizeof(path), "new/%u", i);
		guard_appeared(g, path, &d, i / 100);
	}
	for (unsigned i = n; i-- > 0;) {
		struct digest d = content(i % 1000 ? i : 0);

		ck_assert(guard_excuse(g, &d, 1000));
	}
	for (unsigned i = 0; i < n; i++) {
		struct digest d = content(i);

		ck_assert(!guard_excuse(g, &d, 1000));
	}
}
END_TEST

/* Twice as many as are remembered: the newest count. One content throughout, the worst case for the chains.
 */
START_TEST(test_limit_of_moves)
{
	struct digest d = content(5);
	char path[32];
	int64_t n = 0;

	for (int64_t i = 0; i < 2 * GUARD_MAX_MOVES; i++) {
		snprintf(path, sizeof(path), "%lld", (long long)i);
		guard_appeared(g, path, &d, i / 1000);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "%d", 2 * GUARD_MAX_MOVES - 1 - 7 * i);
		guard_vanished(g, path);
	}
	while (guard_excuse(g, &d, 1000))
		n++;
	ck_assert_int_eq(n, GUARD_MAX_MOVES - 1000);
}
END_TEST

/* Against a naive list of paths. */
START_TEST(test_excuse_model)
{
	static struct {
		bool live;
		unsigned content;
		int64_t until;
	} paths[200];
	uint32_t seed = 3;
	int64_t now = 0;

	for (int step = 0; step < 100000; step++) {
		seed = seed * 1664525 + 1013904223;
		unsigned p = (seed >> 8) % ARRAY_SIZE(paths), c = (seed >> 16) % 20, what = (seed >> 24) % 8;
		char name[16];
		struct digest d = content(c);

		snprintf(name, sizeof(name), "p%u", p);
		now += what == 7 ? 5000 : 1;
		if (what < 4) {
			guard_appeared(g, name, &d, now);
			paths[p].live = true;
			paths[p].content = c;
			paths[p].until = now + GUARD_MOVE_MS;
		} else if (what < 5) {
			guard_vanished(g, name);
			paths[p].live = false;
		} else {
			/* the newest of the content is taken */
			size_t best = ARRAY_SIZE(paths);

			for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
				if (paths[i].live && paths[i].content == c && paths[i].until > now &&
				    (best == ARRAY_SIZE(paths) || paths[i].until > paths[best].until))
					best = i;
			ck_assert_int_eq(guard_excuse(g, &d, now), best != ARRAY_SIZE(paths));
			if (best != ARRAY_SIZE(paths))
				paths[best].live = false;
		}
	}
}
END_TEST

/* The rest of a mass deletion that trickles in is held with it, for a minute. */
START_TEST(test_held_count)
{
	for (int i = 0; i < 31; i++)
		guard_held(g, 1000);
	ck_assert(hold(2000, 120, 1));
	ck_assert(hold(61000, 120, 1));
	ck_assert(!hold(63000, 120, 1));
	ck_assert_int_eq(guard_sent_in_window(g, 2000), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guard");
	TCase *tc = tcase_create("guard");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_sent_count);
	tcase_add_test(tc, test_window_model);
	tcase_add_test(tc, test_excuse_once);
	tcase_add_test(tc, test_twins_do_not_excuse_each_other);
	tcase_add_test(tc, test_excuse_ends);
	tcase_add_test(tc, test_many_moves);
	tcase_add_test(tc, test_limit_of_moves);
	tcase_add_test(tc, test_excuse_model);
	tcase_add_test(tc, test_held_count);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
