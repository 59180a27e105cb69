/* A secret in memory: its own pages, kept out of core dumps (MADV_DONTDUMP), wiped before they are given
 * back. */
#pragma once
#include <stddef.h>

struct secret;
int secret_new(const char *bytes, size_t len, struct secret **ret_secret); /* copies; -ENOMEM */
struct secret *secret_free(struct secret *s);                              /* NULL-safe, wipes */
const char *secret_str(const struct secret *s);                            /* borrowed, NUL-terminated */
size_t secret_len(const struct secret *s);
void secret_wipe(void *p, size_t len); /* explicit_bzero */
