/*
 * The small things every room of the development server uses: a byte span, a growing buffer, times in the
 * server's unit, random names, UTF-8. No HTTP and no database here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(freep)

/* Bytes that somebody else owns. Paths may hold any byte, NUL included, so no length is ever taken by strlen.
 */
struct span {
	const char *p;
	size_t n;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})
struct span span_of(const char *text);
bool span_eq(struct span a, struct span b);
bool span_eq_ci(struct span a, struct span b); /* ASCII case ignored */
struct span span_trim(struct span s);          /* blanks and tabs off both ends */

/* A growing buffer. The first failed allocation sets `failed`; later calls do nothing; the user looks once at
 * the end. */
struct buf {
	char *p;
	size_t n, cap;
	bool failed;
};

void buf_done(struct buf *b);
bool buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *text);
void buf_addspan(struct buf *b, struct span s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct span buf_span(const struct buf *b);
#define _cleanup_buf_ _cleanup_(buf_done)

/* A copy with a NUL behind it (for show; the length counts). NULL: out of memory. */
char *span_dup(struct span s);

/* Times: 100 ns ticks since 1970, what the original counts in. */
#define TICKS_PER_S  INT64_C(10000000)
#define TICKS_PER_MS INT64_C(10000)
int64_t ticks_now(void);
int64_t monotonic_ms(void);
int64_t monotonic_us(void);
void sleep_us(int64_t us);
/* yyyy-MM-ddTHH:mm:ss[.fffffff] with trailing zeros of the fraction cut, `Z` if wanted. */
void time_format(struct buf *b, int64_t ticks, bool with_zone);
void time_format_day(struct buf *b, int64_t ticks);  /* yyyy-MM-dd */
void time_format_http(struct buf *b, int64_t ticks); /* Tue, 01 Jan 2030 00:00:00 GMT */
bool time_parse_http(struct span s, int64_t *ret_ticks);
/* Days of the proleptic Gregorian calendar, as the date-time parser needs them. */
int64_t days_from_civil(int year, int month, int day);
int days_in_month(int year, int month); /* month: 1 to 12 */

/* Fills text with n random characters of `alphabet` (of at most 256) and a NUL. */
void random_text(char *text, size_t n, const char *alphabet);
#define ALPHABET_ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define ALPHABET_HEX   "0123456789abcdef"
void hex_encode(char *text, const unsigned char *p, size_t n);
int hex_digit(char c); /* -1 if it is none */

/* Length of the well-formed UTF-8 sequence at p (1-4), 0 if there is none (overlong forms and surrogates
 * included). */
size_t utf8_sequence(const char *p, size_t n);
uint32_t utf8_decode(const char *p, size_t len);
bool utf8_is_space(uint32_t c); /* what .NET calls white space */
/* Appends s with every ill-formed byte sequence replaced by U+FFFD. */
void utf8_add_repaired(struct buf *b, struct span s);
/* True if all code points of s are white space (or s is empty). */
bool utf8_is_valid(struct span s);
bool utf8_is_blank(struct span s);

/* .NET's int.TryParse / long.TryParse with NumberStyles.Integer: blanks around, a sign, digits. */
bool parse_int64(struct span s, int64_t *ret);
bool parse_int32(struct span s, int32_t *ret);
