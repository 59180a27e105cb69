/*
 * Buffers, times, random names, UTF-8: see util.h.
 */
#include "util.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct span span_of(const char *text)
{
	return (struct span){text, text ? strlen(text) : 0};
}

bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool span_eq_ci(struct span a, struct span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

struct span span_trim(struct span s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s.p++, s.n--;
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

char *span_dup(struct span s)
{
	char *copy = malloc(s.n + 1);

	if (!copy)
		return NULL;
	if (s.n)
		memcpy(copy, s.p, s.n);
	copy[s.n] = 0;
	return copy;
}

void buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

bool buf_reserve(struct buf *b, size_t more)
{
	if (b->failed)
		return false;
	if (b->cap - b->n > more) /* one byte stays free for the NUL */
		return true;
	size_t cap = b->cap ? b->cap * 2 : 256;
	while (cap - b->n <= more)
		cap *= 2;
	char *p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	if (!buf_reserve(b, n))
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = 0;
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_addspan(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.n);
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_reserve(b, (size_t)n)) {
		b->failed = true;
	} else {
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

struct span buf_span(const struct buf *b)
{
	return (struct span){b->p ? b->p : "", b->n};
}

int64_t ticks_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * TICKS_PER_S + ts.tv_nsec / 100;
}

int64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

int64_t monotonic_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

void sleep_us(int64_t us)
{
	struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	while (us > 0 && nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

int64_t days_from_civil(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

int days_in_month(int year, int month)
{
	static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static void civil_from_ticks(int64_t ticks, struct tm *tm, int64_t *ret_fraction)
{
	int64_t s = ticks / TICKS_PER_S, fraction = ticks % TICKS_PER_S;

	if (fraction < 0) {
		fraction += TICKS_PER_S;
		s--;
	}
	time_t t = (time_t)s;
	gmtime_r(&t, tm);
	*ret_fraction = fraction;
}

void time_format(struct buf *b, int64_t ticks, bool with_zone)
{
	struct tm tm;
	int64_t fraction;
	char digits[16];

	civil_from_ticks(ticks, &tm, &fraction);
	buf_addf(b, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		 tm.tm_min, tm.tm_sec);
	if (fraction) {
		int n = snprintf(digits, sizeof(digits), ".%07d", (int)fraction);
		while (digits[n - 1] == '0')
			n--;
		buf_add(b, digits, (size_t)n);
	}
	if (with_zone)
		buf_addc(b, 'Z');
}

void time_format_day(struct buf *b, int64_t ticks)
{
	struct tm tm;
	int64_t fraction;

	civil_from_ticks(ticks, &tm, &fraction);
	buf_addf(b, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

void time_format_http(struct buf *b, int64_t ticks)
{
	struct tm tm;
	int64_t fraction;

	civil_from_ticks(ticks, &tm, &fraction);
	buf_addf(b, "%s, %02d %s %04d %02d:%02d:%02d GMT", day_names[tm.tm_wday], tm.tm_mday,
		 month_names[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* A year of two digits is one of 1950 to 2049. */
static int whole_year(int year)
{
	return year >= 100 ? year : year < 50 ? 2000 + year : 1900 + year;
}

/* The end of a date: nothing, GMT, or an offset. */
static bool parse_http_zone(const char *p, int *ret_minutes)
{
	int hours, minutes, end = 0;
	char sign;

	*ret_minutes = 0;
	if (*p == 0 || strcmp(p, " GMT") == 0)
		return true;
	if ((sscanf(p, " %c%2d%2d%n", &sign, &hours, &minutes, &end) != 3 || !end) &&
	    (sscanf(p, " %c%2d:%2d%n", &sign, &hours, &minutes, &end) != 3 || !end))
		return false;
	*ret_minutes = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
	return p[end] == 0 && (sign == '+' || sign == '-') && hours <= 14 && minutes <= 59;
}

bool time_parse_http(struct span s, int64_t *ret_ticks)
{
	char text[48], weekday[10] = "", month[4], dash[2] = "";
	int day, year, hour, minute, second, zone = 0, end = 0, used = 0;

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (sscanf(text, "%3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", weekday, month, &day, &hour, &minute,
		   &second, &year, &end) != 7 ||
	    (size_t)end != s.n) { /* not as asctime writes it */
		weekday[0] = 0;
		if (sscanf(text, "%9[A-Za-z], %n", weekday, &used) != 1)
			used = 0;
		else if (used == 0)
			return false;
		end = 0;
		if (sscanf(text + used, "%2d%1[- ]%3[A-Za-z]%*1[- ]%4d %2d:%2d:%2d%n", &day, dash, month,
			   &year, &hour, &minute, &second, &end) != 7 ||
		    !end || !parse_http_zone(text + used + end, &zone))
			return false;
		year = whole_year(year);
	}
	for (int m = 0; m < 12; m++) {
		if (strcasecmp(month, month_names[m]) != 0 || year < 1 || day < 1 ||
		    day > days_in_month(year, m + 1) || hour > 23 || minute > 59 || second > 59)
			continue;
		int64_t days = days_from_civil(year, m + 1, day);
		/* 1970-01-01 was a Thursday. */
		if (weekday[0] && strncasecmp(weekday, day_names[((days + 4) % 7 + 7) % 7], 3) != 0)
			return false;
		*ret_ticks = (days * 86400 + hour * 3600 + (minute - zone) * 60 + second) * TICKS_PER_S;
		return true;
	}
	return false;
}

void random_text(char *text, size_t n, const char *alphabet)
{
	size_t letters = strlen(alphabet);
	size_t fair = 256 - 256 % letters; /* bytes from here on would favour the first letters */
	unsigned char pool[64];
	size_t left = 0;

	for (size_t i = 0; i < n;) {
		if (left == 0) {
			if (RAND_bytes(pool, sizeof(pool)) != 1)
				abort(); /* without randomness no name is safe to give out */
			left = sizeof(pool);
		}
		unsigned char byte = pool[--left];
		if (byte < fair)
			text[i++] = alphabet[byte % letters];
	}
	text[n] = 0;
}

void hex_encode(char *text, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = ALPHABET_HEX[p[i] >> 4];
		text[2 * i + 1] = ALPHABET_HEX[p[i] & 15];
	}
	text[2 * n] = 0;
}

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t utf8_sequence(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (n >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf && (p[1] & 0xc0) == 0x80)
		return 2;
	if (n >= 3 && (p[0] & 0xf0) == 0xe0 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80) {
		bool overlong = p[0] == 0xe0 && p[1] < 0xa0;
		bool surrogate = p[0] == 0xed && p[1] >= 0xa0;
		return overlong || surrogate ? 0 : 3;
	}
	if (n >= 4 && p[0] >= 0xf0 && p[0] <= 0xf4 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 &&
	    (p[3] & 0xc0) == 0x80) {
		bool overlong = p[0] == 0xf0 && p[1] < 0x90;
		bool beyond = p[0] == 0xf4 && p[1] >= 0x90;
		return overlong || beyond ? 0 : 4;
	}
	return 0;
}

uint32_t utf8_decode(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	switch (len) {
	case 2: return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
	case 3: return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
	case 4:
		return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
		       (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
	default: return p[0];
	}
}

bool utf8_is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
	       c == 0x3000;
}

void utf8_add_repaired(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_sequence(s.p + i, s.n - i);
		if (len == 0) {
			buf_adds(b, "\xef\xbf\xbd");
			i++;
			continue;
		}
		buf_add(b, s.p + i, len);
		i += len;
	}
}

bool utf8_is_valid(struct span s)
{
	for (size_t i = 0, len; i < s.n; i += len)
		if ((len = utf8_sequence(s.p + i, s.n - i)) == 0)
			return false;
	return true;
}

bool utf8_is_blank(struct span s)
{
	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_sequence(s.p + i, s.n - i);
		if (len == 0 || !utf8_is_space(utf8_decode(s.p + i, len)))
			return false;
		i += len;
	}
	return true;
}

bool parse_int64(struct span s, int64_t *ret)
{
	while (s.n && (s.p[0] == ' ' || (s.p[0] >= 9 && s.p[0] <= 13)))
		s.p++, s.n--;
	while (s.n && (s.p[s.n - 1] == ' ' || (s.p[s.n - 1] >= 9 && s.p[s.n - 1] <= 13)))
		s.n--;
	bool negative = s.n && s.p[0] == '-';
	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s.p++, s.n--;
	if (s.n == 0)
		return false;
	int64_t value = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		/* Counted downwards, so that the smallest number fits too. */
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, s.p[i] - '0', &value))
			return false;
	}
	if (!negative && value == INT64_MIN)
		return false;
	*ret = negative ? value : -value;
	return true;
}

bool parse_int32(struct span s, int32_t *ret)
{
	int64_t value;

	if (!parse_int64(s, &value) || value < INT32_MIN || value > INT32_MAX)
		return false;
	*ret = (int32_t)value;
	return true;
}
