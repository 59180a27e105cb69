/* Runs a fuzz target over stored inputs without libFuzzer, so that `make check` does; prints TAP. Arguments:
 * directories of seeds. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEED_MAX (1 << 20) /* seeds are small */

static int run_file(const char *path)
{
	static uint8_t data[SEED_MAX];
	FILE *f = fopen(path, "rb");

	if (!f)
		return -1;
	size_t n = fread(data, 1, sizeof(data), f);

	fclose(f);
	/* A copy of its exact size lets a sanitizer see a read behind the end. */
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		return -1;
	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	for (size_t cut = 0; cut < n; cut += n / 64 + 1)
		LLVMFuzzerTestOneInput(copy, cut);
	free(copy);
	return 0;
}

int main(int argc, char **argv)
{
	int n = 0, failed = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			char path[4096];

			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			int bad = run_file(path) < 0;

			failed |= bad;
			printf("%sok %d - %s\n", bad ? "not " : "", ++n, entry->d_name);
		}
		if (dir)
			closedir(dir);
	}
	if (n == 0) {
		printf("not ok 1 - no seeds found\n");
		n = failed = 1;
	}
	printf("1..%d\n", n);
	return failed;
}
