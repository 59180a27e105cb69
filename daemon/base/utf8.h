/* UTF-8 as the standard says it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_valid(const char *bytes, size_t len);
/* Length of the valid sequence at the start (1-4), 0 if there is none. */
size_t utf8_next(const char *bytes, size_t len, uint32_t *ret_code_point);

/* A text below `text` in byte order with (almost) nothing between: its last character lowered by one, then
 * the highest character there is. Without its last character where that cannot be lowered. Free it; NULL: out
 * of memory. */
char *utf8_just_below(const char *text);
