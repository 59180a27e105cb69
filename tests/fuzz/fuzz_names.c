/* Names: any bytes as a local path, and as a remote one. */
#include "tests/fuzz/fuzz.h"
#include "base/utf8.h"
#include "base/util.h"
#include "sync/names.h"
#include <string.h>

static bool legal(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || len > 255 || (len <= 2 && strncmp(path, "..", len) == 0))
			return false;
		if (!path[len])
			return true;
		path += len + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *path = strndup((const char *)data, size);
	_cleanup_free_ char *remote = path ? names_encode(path) : NULL;
	_cleanup_free_ char *back = NULL, *local = NULL;

	if (!remote)
		return 0;
	must(utf8_valid(remote, strlen(remote)));
	must(!strchr(remote, '\\'));
	if (legal(path) && strlen(path) < 4096) {
		must(names_decode(remote, &back) == 0);
		must(strcmp(back, path) == 0);
	}
	if (names_decode(path, &local) == 0) {
		_cleanup_free_ char *again = names_encode(local);

		must(again && strcmp(again, path) == 0);
		must(legal(local));
		must(utf8_valid(path, strlen(path)));
	}
	if (names_fits_url("", remote))
		must(strlen(remote) <= NAMES_URL_MAX);
	if (names_plain(remote))
		must(names_fits_url("", remote) || strlen(remote) > NAMES_URL_MAX / 3);
	return 0;
}
