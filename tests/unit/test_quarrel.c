/* Quarrels: five times within ten minutes, and what is older takes no memory. */
#include "base/util.h"
#include "sync/quarrel.h"
#include "tests/unit/tap.h"

static struct quarrels *q;

static void setup(void)
{
	q = quarrels_new();
	ck_assert_ptr_nonnull(q);
}

static void teardown(void)
{
	q = quarrels_free(q);
}

START_TEST(test_one_too_many)
{
	for (int i = 0; i < QUARREL_REPAIRS; i++) {
		ck_assert(!quarrels_count(q, "a", i * 1000));
		ck_assert(!quarrels_count(q, "b", i * 1000));
	}
	ck_assert(quarrels_count(q, "a", QUARREL_MS));
	ck_assert(quarrels_count(q, "a", QUARREL_MS));
	ck_assert(!quarrels_count(q, "a", QUARREL_MS + 1)); /* ten minutes after the first: counted anew */
	ck_assert_int_eq(quarrels_known(q), 1);
}
END_TEST

START_TEST(test_slow_is_no_quarrel)
{
	for (int i = 0; i < 1000; i++)
		ck_assert(!quarrels_count(q, "a", i * (QUARREL_MS / QUARREL_REPAIRS + 1)));
	ck_assert_int_eq(quarrels_known(q), 1);
}
END_TEST

static void put_back(int from, int to, int64_t now_ms)
{
	char path[32];

	for (int i = from; i < to; i++) {
		snprintf(path, sizeof(path), "dir/file%d", i);
		ck_assert(!quarrels_count(q, path, now_ms));
	}
}

START_TEST(test_what_is_over_is_forgotten)
{
	put_back(0, 5000, 0);
	ck_assert_int_eq(quarrels_known(q), 5000);
	quarrels_forget(q, QUARREL_MS, 1000); /* not over yet */
	ck_assert_int_eq(quarrels_known(q), 5000);
	quarrels_forget(q, QUARREL_MS + 1, 1000); /* no more than was asked for */
	ck_assert_int_eq(quarrels_known(q), 4000);
	/* Each that comes takes two that are over along. */
	put_back(5000, 9000, QUARREL_MS + 1);
	ck_assert_int_eq(quarrels_known(q), 4000);
	quarrels_forget(q, 3 * QUARREL_MS, 1000000);
	ck_assert_int_eq(quarrels_known(q), 0);
}
END_TEST

START_TEST(test_memory_has_a_limit)
{
	put_back(0, QUARREL_PATHS + 1000, 0);
	ck_assert_int_eq(quarrels_known(q), QUARREL_PATHS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("quarrel");
	TCase *c = tcase_create("quarrel");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, test_one_too_many);
	tcase_add_test(c, test_slow_is_no_quarrel);
	tcase_add_test(c, test_what_is_over_is_forgotten);
	tcase_add_test(c, test_memory_has_a_limit);
	suite_add_tcase(suite, c);
	return tap_run(suite);
}
