/* Settling: any sequence of hints, uploads and takings over a few paths. */
#include "tests/fuzz/fuzz.h"
#include "sync/settle.h"
#include <string.h>

#define PATHS 12

static const struct settle_params params = {
	.closed_ms = 50, .open_ms = 1000, .cap_ms = 5000, .delete_ms = 1000};
static struct settle *s;
static int64_t now_ms, last_hint_ms[PATHS];
static bool waits[PATHS];

static int on_taken(void *arg, const char *path, bool gone)
{
	int i = path[0] - 'a';

	must(i >= 0 && i < PATHS && waits[i]);
	/* Quiet for the shortest settle time, or its cap was reached. */
	must(now_ms - last_hint_ms[i] >= (gone ? params.delete_ms : 0));
	waits[i] = false;
	return *(unsigned *)arg & 1 ? -1 : 0;
}

static void step(struct fuzz_input *in)
{
	unsigned what = fuzz_byte(in), i = fuzz_byte(in) % PATHS, n = fuzz_byte(in);
	char path[2] = {(char)('a' + i), 0};

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		must(settle_hint(s, path, what % 8, now_ms) == 0);
		waits[i] = true;
		last_hint_ms[i] = now_ms;
		break;
	case 3: settle_uploaded(s, path, now_ms, (int64_t)n * n * 16); break;
	case 4:
		must(settle_moved(s, path, now_ms) == 0);
		waits[i] = true;
		last_hint_ms[i] = now_ms;
		break;
	case 5:
		settle_drop(s, path);
		waits[i] = false;
		break;
	case 6: now_ms += what & 8 ? n : (int64_t)n * n; break;
	default: (void)settle_take(s, now_ms, n % 4, on_taken, &n); break;
	}
}

static void check(void)
{
	size_t waiting = 0;

	for (int i = 0; i < PATHS; i++) {
		char path[2] = {(char)('a' + i), 0};
		int64_t settle_ms = settle_time_ms(s, path, now_ms);

		must(settle_has(s, path) == waits[i]);
		must(settle_ms >= params.closed_ms && settle_ms <= SETTLE_UPLOAD_MAX_MS);
		waiting += waits[i];
	}
	must(settle_count(s) == waiting);
	must((settle_next_ms(s) == INT64_MAX) == (waiting == 0));
	/* nothing waits for ever */
	must(waiting == 0 || settle_next_ms(s) <= now_ms + SETTLE_UPLOAD_MAX_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	unsigned go_on = 0;

	s = settle_new(&params);
	if (!s)
		return 0;
	now_ms = 1000;
	memset(waits, 0, sizeof(waits));
	while (in.size) {
		step(&in);
		check();
	}
	now_ms += SETTLE_UPLOAD_MAX_MS;
	(void)settle_take(s, now_ms, SIZE_MAX, on_taken, &go_on);
	check();
	must(settle_count(s) == 0);
	s = settle_free(s);
	return 0;
}
