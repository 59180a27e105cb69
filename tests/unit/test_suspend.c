/* Back from suspend: the clocks and the kernel's timer are played here, the loop is real. */
#include "base/suspend.h"
#include "base/util.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

static int64_t slept_ns; /* what the boottime clock is ahead */
static int timer = -1, armed;
static bool refuses;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id == CLOCK_BOOTTIME ? CLOCK_MONOTONIC : id, ts);

	if (r == 0 && id == CLOCK_BOOTTIME) {
		ts->tv_sec += slept_ns / 1000000000;
		ts->tv_nsec += slept_ns % 1000000000;
		ts->tv_sec += ts->tv_nsec / 1000000000;
		ts->tv_nsec %= 1000000000;
	}
	return r;
}

int timerfd_create(int id, int flags)
{
	ck_assert_int_eq(id, CLOCK_REALTIME);
	return timer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	ck_assert_int_eq(fd, timer);
	ck_assert_int_eq(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	ck_assert_int_gt(value->it_value.tv_sec, time(NULL) + 100 * 365 * 86400L);
	if (refuses) {
		errno = EINVAL;
		return -1;
	}
	armed++;
	return 0;
}

static struct loop *loop;
static struct suspend *s;
static int resumes;

static void on_resume(void *arg)
{
	ck_assert_ptr_eq(arg, &resumes);
	resumes++;
}

static void setup(void)
{
	slept_ns = 3600LL * 1000000000; /* before we were started: not our business */
	armed = resumes = 0;
	refuses = false;
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(suspend_new(loop, on_resume, &resumes, &s), 0);
	ck_assert_int_eq(armed, 1);
}

static void teardown(void)
{
	s = suspend_free(s);
	loop = loop_free(loop);
}

/* The kernel says that the wall clock was set; the loop has its turn. */
static void cancel(void)
{
	ck_assert_int_eq(eventfd_write(timer, 1), 0);
	event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

START_TEST(test_a_resume_is_told)
{
	for (int i = 1; i <= 3; i++) {
		slept_ns += 2 * 1000000000LL;
		cancel();
		ck_assert_int_eq(resumes, i);
		ck_assert_int_eq(armed, 1 + i);
	}
	event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	ck_assert_int_eq(resumes, 3);
}
END_TEST

START_TEST(test_a_corrected_clock_is_no_resume)
{
	cancel();
	slept_ns += SUSPEND_MIN_MS * 1000000LL / 2;
	cancel();
	ck_assert_int_eq(resumes, 0);
	ck_assert_int_eq(armed, 3);
	slept_ns += 86400LL * 1000000000;
	cancel();
	ck_assert_int_eq(resumes, 1);
}
END_TEST

START_TEST(test_a_timer_that_is_refused)
{
	struct suspend *other = NULL;

	/* Later: told once more, and then no loop that spins. */
	refuses = true;
	slept_ns += 2 * 1000000000LL;
	cancel();
	ck_assert_int_eq(resumes, 1);
	ck_assert_int_eq(eventfd_write(timer, 1), 0);
	event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	ck_assert_int_eq(resumes, 1);
	/* At once: an error. */
	ck_assert_int_eq(suspend_new(loop, on_resume, &resumes, &other), -EINVAL);
	ck_assert_ptr_null(other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("suspend");
	TCase *c = tcase_create("suspend");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, test_a_resume_is_told);
	tcase_add_test(c, test_a_corrected_clock_is_no_resume);
	tcase_add_test(c, test_a_timer_that_is_refused);
	suite_add_tcase(suite, c);
	return tap_run(suite);
}
