/* UTF-8 as the standard says it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_valid(const char *bytes, size_t len);
/* Length of the valid sequence at the start (1-4), 0 if there is none. */
size_t utf8_next(const char *bytes, size_t len, uint32_t *ret_code_point);
