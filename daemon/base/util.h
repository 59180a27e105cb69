/* Small things every room uses: cleanup attributes, array size, min/max. No functions with a state of their
 * own. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _warn_unused_  __attribute__((warn_unused_result))

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* Takes any descriptor, negative ones included; errno survives. */
void close_fd(int fd);
static inline void closep(int *fd)
{
	close_fd(*fd);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_file_  _cleanup_(fclosep)

/* Moves a pointer or a descriptor out of a cleanup variable. */
#define STEAL(p)                                                                                             \
	({                                                                                                   \
		__typeof__(p) steal_ = (p);                                                                  \
		(p) = NULL;                                                                                  \
		steal_;                                                                                      \
	})
#define STEAL_FD(fd)                                                                                         \
	({                                                                                                   \
		int steal_ = (fd);                                                                           \
		(fd) = -1;                                                                                   \
		steal_;                                                                                      \
	})
