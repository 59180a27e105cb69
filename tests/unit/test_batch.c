/* The batch size against models of servers: what each costs per request and per file, and what the climb
 * makes of it. */
#include "base/util.h"
#include "sync/batch.h"
#include "tests/unit/tap.h"

struct server {
	double request_ms, file_ms;
	size_t max_files; /* 413 beyond */
};

static int64_t cost_ms(const struct server *s, size_t n)
{
	return (int64_t)(s->request_ms + s->file_ms * (double)n);
}

/* Sends so many files; returns the ms it takes. */
static int64_t send_all(struct batch_size *b, const struct server *s, size_t files)
{
	int64_t total = 0;

	while (files > 0) {
		size_t n = MIN(b->files, files);

		ck_assert_uint_ge(b->files, 1);
		ck_assert_uint_le(b->files, BATCH_MAX_FILES);
		if (s->max_files && n > s->max_files) {
			total += (int64_t)s->request_ms;
			batch_size_too_large(b);
			continue;
		}
		total += cost_ms(s, n);
		batch_size_ended(b, n, cost_ms(s, n));
		files -= n;
	}
	return total;
}

START_TEST(test_latency)
{
	/* 400 ms a request, a look-up before each, 6,000 files a second otherwise */
	struct server s = {.request_ms = 800, .file_ms = 0.17};
	struct batch_size b;

	batch_size_init(&b);
	ck_assert_uint_eq(b.files, 100);
	ck_assert_int_lt(send_all(&b, &s, 10000), 15000);
	batch_size_init(&b);
	ck_assert_int_lt(send_all(&b, &s, 1000), 4000);
}
END_TEST

START_TEST(test_no_latency)
{
	struct server s = {.request_ms = 1, .file_ms = 0.06};
	struct batch_size b;

	batch_size_init(&b);
	ck_assert_int_lt(send_all(&b, &s, 10000), 10000 * 0.06 * 1.1);
}
END_TEST

/* A fast server and a busy machine: what is measured in milliseconds is mostly noise. */
START_TEST(test_short_and_noisy)
{
	struct server s = {.request_ms = 1, .file_ms = 0.03};
	uint32_t seed = 3;

	for (int round = 0; round < 1000; round++) {
		struct batch_size b;
		size_t requests = 0;

		batch_size_init(&b);
		for (size_t left = 10000; left > 0; requests++) {
			size_t n = MIN(b.files, left);

			seed = seed * 1664525 + 1013904223;
			batch_size_ended(&b, n, cost_ms(&s, n) + (seed >> 16) % 4);
			left -= n;
		}
		ck_assert_uint_le(requests, 20);
	}
}
END_TEST

START_TEST(test_full_bucket)
{
	/* 100,000 files in it: a second a request */
	struct server s = {.request_ms = 1000, .file_ms = 0.7};
	struct batch_size b;

	batch_size_init(&b);
	ck_assert_int_lt(send_all(&b, &s, 10000), 25000);

	/* so many that the request alone passes the target: shrinking would not help, and it finds that out
	 */
	s.request_ms = 3000;
	batch_size_init(&b);
	ck_assert_int_lt(send_all(&b, &s, 20000), 75000);
}
END_TEST

START_TEST(test_slow_line)
{
	/* the time is the files': 40 ms each; about two seconds a request */
	struct server s = {.request_ms = 10, .file_ms = 40};
	struct batch_size b;

	batch_size_init(&b);
	send_all(&b, &s, 2000);
	ck_assert_int_le(cost_ms(&s, b.files), BATCH_TARGET_MS);
	ck_assert_int_ge(cost_ms(&s, b.files), BATCH_TARGET_MS / 4);

	/* three seconds a file: one at a time, and up again when the line is better */
	s.file_ms = 3000;
	send_all(&b, &s, 300);
	ck_assert_uint_eq(b.files, 1);
	s.file_ms = 0.1;
	send_all(&b, &s, 10000);
	ck_assert_uint_ge(b.files, 1000);
}
END_TEST

START_TEST(test_changing_costs)
{
	/* the bucket fills: each request gets dearer while it runs; the size follows */
	struct batch_size b;
	int64_t total = 0, sent = 0;

	batch_size_init(&b);
	while (sent < 100000) {
		struct server s = {.request_ms = (double)sent / 100, .file_ms = 0.65};
		size_t n = b.files;

		total += cost_ms(&s, n);
		batch_size_ended(&b, n, cost_ms(&s, n));
		sent += (int64_t)n;
	}
	ck_assert_int_lt(total, 150000);
	ck_assert_uint_ge(b.files, 800);
}
END_TEST

START_TEST(test_too_large)
{
	struct server s = {.request_ms = 5, .file_ms = 0.1, .max_files = 70};
	struct batch_size b;

	batch_size_init(&b);
	send_all(&b, &s, 5000);
	ck_assert_uint_le(b.files, 140);
	ck_assert_uint_ge(b.files, 25);
	for (int i = 0; i < 20; i++)
		batch_size_too_large(&b);
	ck_assert_uint_eq(b.files, 1);
	s.max_files = 0;
	send_all(&b, &s, 40000);
	ck_assert_uint_ge(b.files, 1000); /* a refusal is not for ever */
}
END_TEST

START_TEST(test_partial)
{
	struct batch_size b, before;

	batch_size_init(&b);
	before = b;
	batch_size_ended(&b, 0, 5000);
	batch_size_ended(&b, 1, 5);
	batch_size_ended(&b, 1, 5000); /* one file on a dear server: says nothing about batches */
	batch_size_ended(&b, 40, 5000);
	ck_assert_uint_eq(b.files, before.files);
	ck_assert(b.best_rate == before.best_rate);
	batch_size_ended(&b, 64, 60000); /* cut at 64 MiB on a slow line */
	ck_assert_uint_eq(b.files, 32);
	batch_size_ended(&b, 32, 0); /* a clock that stood still divides by nothing */
	ck_assert_uint_ge(b.files, 32);
}
END_TEST

/* Whatever times come back: within bounds, and it never gets stuck at one end. */
START_TEST(test_noise)
{
	struct batch_size b;
	uint32_t seed = 11;

	batch_size_init(&b);
	for (int i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed >> 24 == 0)
			batch_size_too_large(&b);
		else
			batch_size_ended(&b, 1 + (seed >> 8) % b.files, (seed >> 12) % 6000);
		ck_assert_uint_ge(b.files, 1);
		ck_assert_uint_le(b.files, BATCH_MAX_FILES);
	}
	struct server s = {.request_ms = 800, .file_ms = 0.17};

	send_all(&b, &s, 60000);
	ck_assert_uint_ge(b.files, 1000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch");
	TCase *tc = tcase_create("batch");

	tcase_add_test(tc, test_latency);
	tcase_add_test(tc, test_no_latency);
	tcase_add_test(tc, test_short_and_noisy);
	tcase_add_test(tc, test_full_bucket);
	tcase_add_test(tc, test_slow_line);
	tcase_add_test(tc, test_changing_costs);
	tcase_add_test(tc, test_too_large);
	tcase_add_test(tc, test_partial);
	tcase_add_test(tc, test_noise);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
