/* The SHA-256 of a local file, to compare with what the server says. */
#pragma once
#include <stdbool.h>

#define HASH_TEXT_SIZE 65 /* 64 hexadecimal digits and the NUL */

/* From the beginning to the end of the file, its offset untouched. 0 or -errno; -EINTR when interrupted. */
int hash_file(int fd, char text[HASH_TEXT_SIZE]);
