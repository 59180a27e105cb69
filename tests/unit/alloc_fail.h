/* Memory that runs out on purpose. The program that includes this replaces malloc for itself and for every
 * library it uses, so that the nth allocation can be made to fail, whoever asks for it. Included by one file
 * of a program; works under AddressSanitizer, whose allocator is then the one that is asked. */
#pragma once
#include "tests/unit/tap.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *p, size_t size);

static atomic_size_t alloc_left; /* until one fails; 0: none does */
static atomic_bool alloc_failed;

/* The sanitizer itself comes here before it has set up what its checks look at. */
#define UNCHECKED __attribute__((no_sanitize("address", "undefined")))

/* ALLOC_SPARED, defined before this is included: part of the name of a library that cannot go on without
 * memory. */
UNCHECKED static bool alloc_is_spared(const void *caller)
{
#ifdef ALLOC_SPARED
	Dl_info info;

	return dladdr(caller, &info) != 0 && info.dli_fname && strstr(info.dli_fname, ALLOC_SPARED);
#else
	return false;
#endif
}

/* Is it this one's turn? */
UNCHECKED static bool alloc_fails(const void *caller)
{
	size_t left = alloc_left;

	if (left == 0 || alloc_is_spared(caller))
		return false;
	while (!atomic_compare_exchange_weak(&alloc_left, &left, left - 1))
		if (left == 0)
			return false;
	if (left > 1)
		return false;
	alloc_failed = true;
	errno = ENOMEM;
	return true;
}

/* By the libraries, too. */
#define SEEN_BY_ALL __attribute__((visibility("default"))) UNCHECKED
#define CALLER      __builtin_return_address(0)

SEEN_BY_ALL void *malloc(size_t size)
{
	return alloc_fails(CALLER) ? NULL : REAL(malloc)(size);
}

SEEN_BY_ALL void *calloc(size_t n, size_t size)
{
	return alloc_fails(CALLER) ? NULL : REAL(calloc)(n, size);
}

SEEN_BY_ALL void *realloc(void *p, size_t size)
{
	return alloc_fails(CALLER) ? NULL : REAL(realloc)(p, size);
}

SEEN_BY_ALL void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return alloc_fails(CALLER) ? NULL : REAL(realloc)(p, bytes);
}

/* The sanitizer's versions of these two would not ask the functions above. */
SEEN_BY_ALL char *strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *copy = alloc_fails(CALLER) ? NULL : REAL(malloc)(len + 1);

	if (copy) {
		memcpy(copy, text, len);
		copy[len] = 0;
	}
	return copy;
}

SEEN_BY_ALL char *strdup(const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = alloc_fails(CALLER) ? NULL : REAL(malloc)(len);

	return copy ? memcpy(copy, text, len) : NULL;
}

/* 0, -ENOMEM, or what would be a fault. */
typedef int (*work_fn)(void);

#define FAILURES_MAX 20000 /* nothing here needs so many: what never gets to its end repeats itself */

/* The work with its first allocation failing, then its second, and so on until it needs no more. Each time it
 * must say -ENOMEM, or have got along without. What it leaves behind is LeakSanitizer's to find. */
static inline void torture(const char *what, work_fn work)
{
	bool failed = true;
	size_t n;

	ck_assert_msg(work() == 0, "%s: it does not even work with memory", what);
	for (n = 1; failed && n <= FAILURES_MAX; n++) {
		alloc_failed = false;
		alloc_left = n;
		int r = work();

		alloc_left = 0;
		failed = alloc_failed;
		ck_assert_msg(r == 0 || (failed && r == -ENOMEM), "%s: %d when allocation %zu fails", what, r,
			      n);
	}
	ck_assert_msg(!failed, "%s: no end after %zu allocations", what, n);
	ck_assert_msg(n > 2, "%s: nothing was made to fail", what);
}
