/* Reading clocks; RFC 3339 both ways and the dates of HTTP, without the C library's time zones and locales.
 */
#include "base/clock.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MS_PER_DAY INT64_C(86400000)

static int64_t read_ns(clockid_t id)
{
	struct timespec ts = {0};

	/* Cannot fail for the three constant ids used here. */
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_monotonic_ms(void)
{
	return read_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_boottime_ms(void)
{
	return read_ns(CLOCK_BOOTTIME) / 1000000;
}

int64_t clock_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_wall_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

/* Days since 1970-01-01 of a Gregorian date; years counted from March, so that the leap day is last. */
static int64_t days_from_date(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t mp = (5 * day_of_year + 2) / 153;

	*ret_day = (int)(day_of_year - (153 * mp + 2) / 5 + 1);
	*ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

void clock_format_rfc3339(int64_t wall_ms, char buf[CLOCK_RFC3339_MAX])
{
	const int64_t first = -62167219200000, last = 253402300799999; /* years 0000 to 9999 */
	int year, month, day;

	wall_ms = wall_ms < first ? first : wall_ms > last ? last : wall_ms;
	int64_t days = wall_ms / MS_PER_DAY;
	if (wall_ms % MS_PER_DAY < 0)
		days--;
	int ms = (int)(wall_ms - days * MS_PER_DAY);
	date_from_days(days, &year, &month, &day);
	snprintf(buf, CLOCK_RFC3339_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000,
		 (unsigned)month % 100, (unsigned)day % 100, (unsigned)ms / 3600000 % 100,
		 (unsigned)ms / 60000 % 60, (unsigned)ms / 1000 % 60, (unsigned)ms % 1000);
}

/* Exactly n digits and then, if after is set, that character; moves *p behind them. */
static bool read_number(const char **p, int n, char after, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		value = value * 10 + (**p - '0');
	}
	if (after && *(*p)++ != after)
		return false;
	*ret_value = value;
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* The zone at the end of a time: minutes east of UTC. No zone is UTC. */
static bool read_zone(const char *p, int *ret_minutes)
{
	int hours, minutes;

	*ret_minutes = 0;
	if (*p == '\0')
		return true;
	if (*p == 'Z' || *p == 'z')
		return p[1] == '\0';
	if (*p != '+' && *p != '-')
		return false;
	int sign = *p++ == '-' ? -1 : 1;
	if (!read_number(&p, 2, ':', &hours) || !read_number(&p, 2, '\0', &minutes) || *p != '\0')
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

static bool is_time_of_day(int hour, int minute, int second)
{
	return hour <= 23 && minute <= 59 && second <= 60; /* 60: a leap second */
}

int clock_parse_http_date(const char *text, int64_t *ret_wall_ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int year, month = 0, day, hour, minute, second;
	const char *p = text;

	/* The name of the day tells nothing that the date does not. */
	for (; *p >= 'A' && *p <= 'z' && p < text + 3; p++)
		;
	if (p != text + 3 || strncmp(p, ", ", 2) != 0)
		return -EINVAL;
	p += 2;
	if (!read_number(&p, 2, ' ', &day))
		return -EINVAL;
	while (month < 12 && strncmp(p, months + (ptrdiff_t)month * 3, 3) != 0)
		month++;
	if (month++ == 12 || p[3] != ' ')
		return -EINVAL;
	p += 4;
	if (!read_number(&p, 4, ' ', &year) || !read_number(&p, 2, ':', &hour) ||
	    !read_number(&p, 2, ':', &minute) || !read_number(&p, 2, ' ', &second) || strcmp(p, "GMT") != 0 ||
	    day < 1 || day > days_in_month(year, month) || !is_time_of_day(hour, minute, second))
		return -EINVAL;
	*ret_wall_ms = days_from_date(year, month, day) * MS_PER_DAY +
		       (hour * INT64_C(3600) + minute * 60 + second) * 1000;
	return 0;
}

int clock_parse_rfc3339(const char *text, int64_t *ret_wall_ms)
{
	int year, month, day, hour, minute, second, zone;
	const char *p = text;

	if (!read_number(&p, 4, '-', &year) || !read_number(&p, 2, '-', &month) ||
	    !read_number(&p, 2, '\0', &day) || (*p != 'T' && *p != 't'))
		return -EINVAL;
	p++;
	if (!read_number(&p, 2, ':', &hour) || !read_number(&p, 2, ':', &minute) ||
	    !read_number(&p, 2, '\0', &second))
		return -EINVAL;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
	    !is_time_of_day(hour, minute, second))
		return -EINVAL;

	int ms = 0;
	if (*p == '.') {
		int digits = 0;
		for (p++; *p >= '0' && *p <= '9'; p++, digits++)
			if (digits < 3)
				ms = ms * 10 + (*p - '0');
		if (digits < 1 || digits > 9)
			return -EINVAL;
		for (; digits < 3; digits++)
			ms *= 10;
	}
	if (!read_zone(p, &zone))
		return -EINVAL;

	int64_t seconds = days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	*ret_wall_ms = (seconds - zone * 60) * 1000 + ms;
	return 0;
}
