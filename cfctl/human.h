/* Numbers and times as people read and write them. Pure but for the clock. Each returns a small struct by
 * value: human_size(n).text is good until the end of the statement. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct human {
	char text[32];
};

struct human human_size(int64_t bytes);       /* "1.5 GiB" */
struct human human_rate(int64_t bytes);       /* "1.5 GiB/s" */
struct human human_count(int64_t n);          /* "1,234,567" */
struct human human_duration(int64_t seconds); /* "3 d 4 h", "12 s" */
struct human human_age(const char *time);     /* RFC 3339: "3 min ago", "in 2 d"; NULL: "never" */
struct human human_date(const char *time);    /* RFC 3339 -> "2026-11-24 09:38", local time; NULL: "never" */
struct human human_time(const char *time);    /* RFC 3339 -> "09:38:12", local time */
bool human_is_past(const char *time);         /* RFC 3339; false for what is none */
int human_plural(int64_t n); /* 0 for one, 1 for any other number: index of {"file", "files"} */

/* RFC 3339 with or without a fraction and a zone (none: UTC) -> seconds since 1970; 0 or -EINVAL. */
int human_parse_time(const char *text, int64_t *ret_seconds);
/* "90", "90s", "15m", "2h", "3d", "1w" -> seconds; -EINVAL, -ERANGE. */
int human_parse_duration(const char *text, int64_t *ret_seconds);
/* "4096", "512K", "64M", "2G", "1T", also "1GiB" -> bytes; -EINVAL, -ERANGE. */
int human_parse_size(const char *text, int64_t *ret_bytes);
