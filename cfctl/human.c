/* Numbers and times as people read and write them. */
#include "cfctl/human.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MINUTE_S INT64_C(60)
#define HOUR_S   (60 * MINUTE_S)
#define DAY_S    (24 * HOUR_S)
#define WEEK_S   (7 * DAY_S)

struct human human_size(int64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct human h;
	double value = (double)bytes;
	size_t unit = 0;

	/* 1023.95 would be printed as "1024.0". */
	while (value >= (unit ? 1023.95 : 1024) && unit + 1 < sizeof(units) / sizeof(*units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(h.text, sizeof(h.text), unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return h;
}

struct human human_rate(int64_t bytes)
{
	struct human h = human_size(bytes);

	(void)snprintf(h.text + strlen(h.text), sizeof(h.text) - strlen(h.text), "/s");
	return h;
}

struct human human_count(int64_t n)
{
	struct human h;
	char digits[24];
	size_t length, out = 0;

	(void)snprintf(digits, sizeof(digits), "%" PRId64, n);
	length = strlen(digits);
	for (size_t i = 0; i < length; i++) {
		if (i > 0 && digits[i - 1] != '-' && (length - i) % 3 == 0)
			h.text[out++] = ',';
		h.text[out++] = digits[i];
	}
	h.text[out] = '\0';
	return h;
}

struct human human_duration(int64_t seconds)
{
	struct human h;

	if (seconds < MINUTE_S)
		(void)snprintf(h.text, sizeof(h.text), "%" PRId64 " s", seconds);
	else if (seconds < HOUR_S)
		(void)snprintf(h.text, sizeof(h.text), "%" PRId64 " min", seconds / MINUTE_S);
	else if (seconds < DAY_S)
		(void)snprintf(h.text, sizeof(h.text), "%" PRId64 " h %" PRId64 " min", seconds / HOUR_S,
			       seconds % HOUR_S / MINUTE_S);
	else
		(void)snprintf(h.text, sizeof(h.text), "%" PRId64 " d %" PRId64 " h", seconds / DAY_S,
			       seconds % DAY_S / HOUR_S);
	return h;
}

/* One unit is enough to say how long ago. */
static struct human coarse(int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{365 * DAY_S, "y"}, {DAY_S, "d"}, {HOUR_S, "h"}, {MINUTE_S, "min"}, {1, "s"}};
	struct human h;
	size_t i = 0;

	while (i + 1 < sizeof(units) / sizeof(*units) && seconds < units[i].seconds)
		i++;
	(void)snprintf(h.text, sizeof(h.text), "%" PRId64 " %s", seconds / units[i].seconds, units[i].unit);
	return h;
}

struct human human_age(const char *text)
{
	struct human h = {""}, size;
	int64_t then, age;

	if (!text) {
		(void)snprintf(h.text, sizeof(h.text), "never");
		return h;
	}
	if (human_parse_time(text, &then) < 0) {
		(void)snprintf(h.text, sizeof(h.text), "?");
		return h;
	}
	age = (int64_t)time(NULL) - then;
	size = coarse(age < 0 ? -age : age);
	if (age >= -1 && age <= 1) /* the clocks of two machines are never equal */
		(void)snprintf(h.text, sizeof(h.text), "now");
	else
		(void)snprintf(h.text, sizeof(h.text), age < 0 ? "in %.24s" : "%.24s ago", size.text);
	return h;
}

bool human_is_past(const char *text)
{
	int64_t then;

	return human_parse_time(text, &then) == 0 && then <= (int64_t)time(NULL);
}

/* 0, or -EINVAL for what is no time. */
static int local_time(const char *text, struct tm *ret_tm)
{
	int64_t seconds;
	time_t when;

	if (human_parse_time(text, &seconds) < 0)
		return -EINVAL;
	when = (time_t)seconds;
	return localtime_r(&when, ret_tm) ? 0 : -EINVAL;
}

struct human human_date(const char *text)
{
	struct human h = {"never"};
	struct tm tm;

	if (text &&
	    (local_time(text, &tm) < 0 || strftime(h.text, sizeof(h.text), "%Y-%m-%d %H:%M", &tm) == 0))
		(void)snprintf(h.text, sizeof(h.text), "?");
	return h;
}

struct human human_time(const char *text)
{
	struct human h;
	struct tm tm;

	if (local_time(text, &tm) < 0 || strftime(h.text, sizeof(h.text), "%H:%M:%S", &tm) == 0)
		(void)snprintf(h.text, sizeof(h.text), "?");
	return h;
}

int human_plural(int64_t n)
{
	return n == 1 ? 0 : 1;
}

int human_parse_time(const char *text, int64_t *ret_seconds)
{
	struct tm tm = {0};
	const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t offset = 0;

	if (!at)
		return -EINVAL;
	if (*at == '.')
		at += 1 + strspn(at + 1, "0123456789");
	if (*at == '+' || *at == '-') {
		int hours, minutes, n = 0;

		if (sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 || at[1 + n] != '\0')
			return -EINVAL;
		offset = (*at == '-' ? -1 : 1) * (hours * HOUR_S + minutes * MINUTE_S);
	} else if (*at != '\0' && strcmp(at, "Z") != 0) {
		return -EINVAL;
	}
	*ret_seconds = (int64_t)timegm(&tm) - offset;
	return 0;
}

/* Digits, then what follows them. */
static int parse_number(const char *text, int64_t *ret_n, const char **ret_rest)
{
	char *end;
	long long n;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno == ERANGE)
		return -ERANGE;
	*ret_n = n;
	*ret_rest = end;
	return 0;
}

int human_parse_duration(const char *text, int64_t *ret_seconds)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = {{"", 1},       {"s", 1},     {"m", MINUTE_S}, {"min", MINUTE_S},
		     {"h", HOUR_S}, {"d", DAY_S}, {"w", WEEK_S}};
	const char *rest;
	int64_t n;
	int r = parse_number(text, &n, &rest);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(rest, units[i].unit) == 0)
			return __builtin_mul_overflow(n, units[i].seconds, ret_seconds) ? -ERANGE : 0;
	return -EINVAL;
}

int human_parse_size(const char *text, int64_t *ret_bytes)
{
	static const char letters[] = "KMGT";
	const char *rest, *letter;
	int64_t n;
	int r = parse_number(text, &n, &rest);

	if (r < 0)
		return r;
	if (*rest == '\0') {
		*ret_bytes = n;
		return 0;
	}
	letter = strchr(letters, toupper((unsigned char)*rest));
	if (!letter || (rest[1] != '\0' && strcmp(rest + 1, "iB") != 0))
		return -EINVAL;
	return __builtin_mul_overflow(n, INT64_C(1) << (10 * (letter - letters + 1)), ret_bytes) ? -ERANGE
												 : 0;
}
