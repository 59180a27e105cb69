/* The one main() of a Check unit: prints TAP for the driver of `make check`, ends non-zero on a failure. */
#pragma once
#include <check.h>
#include <stdlib.h>

static inline int tap_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
