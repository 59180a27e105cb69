/* Packing of RFC 3339 times into one integer: ticks of 100 ns since 1970, then the number of digits written,
 * then the zone. */
#include "store/index_stamp.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TICKS_PER_SECOND 10000000LL
#define DIGITS_MAX       7
#define FORMS            16 /* 8 digit counts, with and without a zone */
/* The last year whose ticks times FORMS fit 63 bits is 3796. */
#define YEAR_MAX 3700

static bool read_digits(const char **p, int n, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		value = value * 10 + (**p - '0');
	}
	*ret_value = value;
	return true;
}

static bool skip_char(const char **p, char c)
{
	return **p == c && *(*p)++;
}

static bool read_calendar(const char **p, struct tm *tm)
{
	int year, month;

	if (!read_digits(p, 4, &year) || !skip_char(p, '-') || !read_digits(p, 2, &month) ||
	    !skip_char(p, '-') || !read_digits(p, 2, &tm->tm_mday) || !skip_char(p, 'T') ||
	    !read_digits(p, 2, &tm->tm_hour) || !skip_char(p, ':') || !read_digits(p, 2, &tm->tm_min) ||
	    !skip_char(p, ':') || !read_digits(p, 2, &tm->tm_sec))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return year >= 1970 && year <= YEAR_MAX;
}

bool stamp_pack(const char *text, int64_t *ret_packed)
{
	const char *p = text;
	struct tm tm = {0};
	int64_t fraction = 0;
	int digits = 0;

	if (!read_calendar(&p, &tm))
		return false;
	if (skip_char(&p, '.')) {
		for (; *p >= '0' && *p <= '9' && digits < DIGITS_MAX; p++, digits++)
			fraction = fraction * 10 + (*p - '0');
		if (digits == 0)
			return false;
		for (int i = digits; i < DIGITS_MAX; i++)
			fraction *= 10;
	}
	bool zone = skip_char(&p, 'Z');
	if (*p != '\0')
		return false;

	int64_t packed = ((int64_t)timegm(&tm) * TICKS_PER_SECOND + fraction) * FORMS + digits * 2 + zone;
	/* The 31st of February, or second 60, comes back as another text: the text is kept then. */
	char again[40];
	stamp_unpack(packed, again, sizeof(again));
	if (strcmp(text, again) != 0)
		return false;
	*ret_packed = packed;
	return true;
}

void stamp_unpack(int64_t packed, char *buf, size_t size)
{
	bool zone = packed & 1;
	int digits = (int)(packed % FORMS) / 2;
	int64_t ticks = packed / FORMS;
	time_t seconds = (time_t)(ticks / TICKS_PER_SECOND);
	int fraction = (int)(ticks % TICKS_PER_SECOND);
	struct tm tm;

	buf[0] = '\0';
	if (packed < 0 || !gmtime_r(&seconds, &tm))
		return;
	for (int i = digits; i < DIGITS_MAX; i++)
		fraction /= 10;
	int n = snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
			 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (digits > 0 && n > 0 && (size_t)n < size)
		n += snprintf(buf + n, size - (size_t)n, ".%0*d", digits, fraction);
	if (zone && n > 0 && (size_t)n + 1 < size) {
		buf[n] = 'Z';
		buf[n + 1] = '\0';
	}
}
