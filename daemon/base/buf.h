/* A growable byte buffer with a ceiling. Zero-initialised is empty. */
#pragma once
#include "base/util.h"
#include <stdbool.h>

struct buf {
	char *data; /* not terminated unless buf_terminate was called */
	size_t len;
	size_t cap;
};

int buf_reserve(struct buf *b, size_t more);                 /* -ENOMEM */
int buf_append(struct buf *b, const void *data, size_t len); /* -ENOMEM */
int buf_append_str(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *format, ...) _printf_(2, 3);
int buf_terminate(struct buf *b);            /* writes a NUL behind the end, not counted */
void buf_consume(struct buf *b, size_t len); /* drops from the front */
char *buf_steal(struct buf *b); /* terminated; NULL when out of memory or empty and unallocated */
void buf_done(struct buf *b);   /* NULL-safe; b is empty afterwards */
#define _cleanup_buf_ _cleanup_(buf_done)
