/* base/strmap against a plain array: random puts, removals and look-ups over few keys, so that chains form
 * and break. */
#include "base/strmap.h"
#include "tap.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KEYS 400

START_TEST(random_operations_agree_with_an_array)
{
	static char keys[KEYS][16];
	bool in[KEYS] = {false};
	size_t count = 0;
	struct strmap *m = strmap_new();

	srand(7);
	for (int i = 0; i < KEYS; i++)
		snprintf(keys[i], sizeof keys[i], "k%d", i);
	for (int step = 0; step < 200000; step++) {
		int k = rand() % ((step / 20000) % 2 ? KEYS : 20); /* phases of growth and of shrinking */

		switch (rand() % 3) {
		case 0:
			ck_assert_int_eq(strmap_put(m, keys[k], keys[k]), in[k] ? -EEXIST : 0);
			count += !in[k];
			in[k] = true;
			break;
		case 1:
			ck_assert_ptr_eq(strmap_remove(m, keys[k]), in[k] ? keys[k] : NULL);
			count -= in[k];
			in[k] = false;
			break;
		default: ck_assert_ptr_eq(strmap_get(m, keys[k]), in[k] ? keys[k] : NULL);
		}
		ck_assert_uint_eq(strmap_count(m), count);
	}
	size_t seen = 0;

	for (size_t cursor = 0; strmap_next(m, &cursor);)
		seen++;
	ck_assert_uint_eq(seen, count);
	strmap_free(m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("strmap");
	TCase *t = tcase_create("strmap");

	tcase_add_test(t, random_operations_agree_with_an_array);
	suite_add_tcase(s, t);
	return tap_run(s);
}
