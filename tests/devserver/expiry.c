/*
 * Parsing of `expires_in`: `never`, 90s/1m/2h/3d/1w, Unix seconds, or a date-time. See expiry.h.
 */
#include "expiry.h"

#include <stdio.h>
#include <string.h>

/* 9999-12-31T23:59:59 and 0001-01-01T00:00:00 in Unix seconds: the ends of the original's calendar. */
#define SECONDS_MAX INT64_C(253402300799)
#define SECONDS_MIN INT64_C(-62135596800)

static int64_t unit_seconds(char unit)
{
	switch (unit) {
	case 's': return 1;
	case 'm': return 60;
	case 'h': return 3600;
	case 'd': return 86400;
	case 'w': return 7 * 86400;
	default: return 0;
	}
}

static bool all_digits(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static bool parse_fraction(const char **p, int64_t *ret_ticks)
{
	int64_t ticks = 0, unit = TICKS_PER_S / 10;

	if (**p != '.')
		return true;
	const char *start = ++*p;
	for (; **p >= '0' && **p <= '9'; ++*p, unit /= 10)
		ticks += (**p - '0') * unit; /* digits beyond the seventh count nothing */
	*ret_ticks = ticks;
	return *p > start;
}

static bool parse_zone(const char *p, int *ret_minutes, bool *ret_with_zone)
{
	int hours, minutes = 0, end = 0;
	char sign;

	*ret_minutes = 0;
	*ret_with_zone = *p != 0;
	if (*p == 0 || strcmp(p, "Z") == 0 || strcmp(p, "z") == 0)
		return true;
	if ((sscanf(p, "%c%2d:%2d%n", &sign, &hours, &minutes, &end) != 3 || !end) &&
	    (sscanf(p, "%c%2d%2d%n", &sign, &hours, &minutes, &end) != 3 || !end)) {
		minutes = 0;
		if (sscanf(p, "%c%2d%n", &sign, &hours, &end) != 2)
			return false;
	}
	if (sign != '+' && sign != '-')
		return false;
	if (p[end] != 0 || hours > 14 || minutes > 59)
		return false;
	*ret_minutes = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
	return true;
}

/* yyyy-MM-ddTHH:mm, each number in full. */
static bool has_all_digits(const char *text)
{
	static const char shape[] = "0000-00-00T00:00";

	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return false;
	return true;
}

static bool parse_date_time(struct span s, struct expiry *e)
{
	_cleanup_free_ char *text = span_dup(span_trim(s));
	int year, month, day, hour, minute, second = 0, used = 0, zone;
	int64_t fraction = 0;

	if (!text || !has_all_digits(text) ||
	    sscanf(text, "%4d-%2d-%2dT%2d:%2d%n", &year, &month, &day, &hour, &minute, &used) != 5 || !used)
		return false;
	const char *p = text + used;
	if (*p == ':') {
		used = 0;
		if (sscanf(p, ":%2d%n", &second, &used) != 1)
			return false;
		p += used;
	}
	if (!parse_fraction(&p, &fraction) || !parse_zone(p, &zone, &e->with_zone))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
	    minute > 59 || second > 59)
		return false;
	int64_t seconds =
		days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone * 60;
	e->kind = EXPIRY_AT;
	e->at = seconds * TICKS_PER_S + fraction;
	return true;
}

static struct expiry bad(struct buf *error, const char *fmt, struct span text)
{
	buf_adds(error, fmt);
	buf_addspan(error, text);
	return (struct expiry){.kind = EXPIRY_BAD};
}

static struct expiry from_duration(int64_t value, int64_t unit, int64_t now, struct buf *error)
{
	int64_t seconds;

	if (__builtin_mul_overflow(value, unit, &seconds) || seconds > SECONDS_MAX - now / TICKS_PER_S)
		return bad(error, "Value to add was out of range. (Parameter 'value')", SPAN(""));
	return (struct expiry){.kind = EXPIRY_AT, .at = now + seconds * TICKS_PER_S, .with_zone = true};
}

struct expiry expiry_parse(struct span text, int64_t now, struct buf *error)
{
	struct expiry e = {.kind = EXPIRY_BAD};
	int64_t value;

	if (span_eq(text, SPAN("never")))
		return (struct expiry){.kind = EXPIRY_NEVER};
	int64_t unit = text.n > 1 ? unit_seconds(text.p[text.n - 1]) : 0;
	if (unit && all_digits((struct span){text.p, text.n - 1})) {
		if (!parse_int64((struct span){text.p, text.n - 1}, &value))
			return (struct expiry){.kind = EXPIRY_OVERFLOW};
		if (value > 0)
			return from_duration(value, unit, now, error);
	}
	if (parse_int64(text, &value)) {
		if (value >= SECONDS_MIN && value <= SECONDS_MAX)
			return (struct expiry){
				.kind = EXPIRY_AT, .at = value * TICKS_PER_S, .with_zone = true};
		buf_addf(error,
			 "Valid values are between %lld and %lld, inclusive. (Parameter 'seconds')\n"
			 "Actual value was %lld.",
			 (long long)SECONDS_MIN, (long long)SECONDS_MAX, (long long)value);
		return e;
	}
	if (memchr(text.p, 'T', text.n) && parse_date_time(text, &e))
		return e;
	return bad(error, "Invalid expiry format: ", text);
}
