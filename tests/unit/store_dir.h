/* A private configuration directory for the tests of the store: made before each test, removed after it. */
#pragma once
#include "base/fs.h"
#include "base/util.h"
#include <check.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char store_dir[64];

static inline void store_dir_setup(void)
{
	snprintf(store_dir, sizeof(store_dir), "/tmp/store-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(store_dir));
}

static inline int store_dir_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void store_dir_teardown(void)
{
	nftw(store_dir, store_dir_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline char *store_path(const char *name)
{
	char *path = fs_join(store_dir, name);

	ck_assert_ptr_nonnull(path);
	return path;
}

/* Makes the directories on the way. */
static inline void store_write(const char *name, const char *text, mode_t mode)
{
	_cleanup_free_ char *path = store_path(name);
	_cleanup_free_ char *parent = strndup(path, (size_t)(strrchr(path, '/') - path));

	ck_assert_int_eq(fs_mkdir_p(parent, 0700), 0);
	ck_assert_int_eq(fs_write_file_atomic(path, text, strlen(text), mode), 0);
}

static inline char *store_read(const char *name)
{
	_cleanup_free_ char *path = store_path(name);
	char *text;
	size_t len;

	ck_assert_int_eq(fs_read_file(path, 1 << 20, &text, &len), 0);
	return text;
}
