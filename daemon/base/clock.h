/* Time: monotonic for delays, wall clock for people and for the index. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <time.h>

int64_t clock_monotonic_ms(void);
int64_t
clock_boottime_ms(void);     /* runs on while suspended: its lead over the monotonic clock is time slept */
int64_t clock_wall_ms(void); /* since 1970, UTC */
int64_t clock_wall_ns(void);
/* How far apart two file times must be to tell them apart: a file hashed within this of its mtime or ctime
 * may have changed again without its times showing it (kernel tick of up to 10 ms; 2 s on FAT, which the
 * caller knows). */
#define CLOCK_FILE_GRANULARITY_NS 20000000LL

#define CLOCK_RFC3339_MAX 32
/* "2026-11-24T08:58:56.123Z" */
void clock_format_rfc3339(int64_t wall_ms, char buf[CLOCK_RFC3339_MAX]);
/* The one form a server may send since RFC 7231: "Sun, 06 Nov 1994 08:49:37 GMT". -EINVAL. */
int clock_parse_http_date(const char *text, int64_t *ret_wall_ms);
/* Accepts 0-9 fraction digits, 'Z', an offset, or no zone (taken as UTC). -EINVAL. */
int clock_parse_rfc3339(const char *text, int64_t *ret_wall_ms);
