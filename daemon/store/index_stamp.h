/* The server's times of a version, as the index stores them: eight bytes instead of 28 in each of a million
 * rows. Exact: what stamp_unpack writes is the text that stamp_pack read, or stamp_pack refuses it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "2026-11-24T08:58:56.1234567" with 0 to 7 digits, with or without 'Z'. Any other text: false; it is stored
 * as it is. */
bool stamp_pack(const char *text, int64_t *ret_packed);
/* buf holds INDEX_STAMP_MAX bytes. A number that stamp_pack cannot have made gives "". */
void stamp_unpack(int64_t packed, char *buf, size_t size);
