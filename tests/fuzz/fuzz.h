/* What the fuzz targets share. Each is one function that takes any bytes and aborts when something that must
 * always hold does not; libFuzzer calls it for as long as one likes (tests/fuzz/run), `make check` once for
 * each file of tests/fuzz/seeds. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			(void)fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition);     \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

/* Numbers out of the input, 0 behind its end. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

static inline unsigned fuzz_byte(struct fuzz_input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}
