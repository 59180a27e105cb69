/* How large the next multipart request is. Lives here: the climb. Not here: bytes (BATCH_MAX_BYTES is the
 * sender's to keep) and what is sent. */
#include "sync/batch.h"
#include "base/util.h"

static size_t clamp(const struct batch_size *b, size_t files)
{
	return files < 1 ? 1 : MIN(files, b->ceiling);
}

void batch_size_init(struct batch_size *b)
{
	*b = (struct batch_size){.files = BATCH_FIRST, .ceiling = BATCH_MAX_FILES, .step = BATCH_STEP_SHORT};
}

size_t batch_size_after(const struct batch_size *b)
{
	return b->direction > 0 || b->best_rate <= 0 ? clamp(b, b->files * b->step) : b->files;
}

static void settle(struct batch_size *b, size_t files)
{
	b->files = clamp(b, files);
	b->direction = 0;
	b->settled = 0;
}

/* Remembers what this size gave and tries the next one in the direction. */
static void move(struct batch_size *b, size_t n, double rate, int direction)
{
	size_t next = clamp(b, direction > 0 ? n * b->step : n / 2);

	b->best_rate = rate;
	if (next == n) {
		settle(b, n);
		return;
	}
	b->last_files = n;
	b->files = next;
	b->direction = direction;
}

static void grown(struct batch_size *b, size_t n, double rate, int64_t took_ms)
{
	bool late = took_ms > BATCH_TARGET_MS;
	double gain = rate / b->best_rate;

	/* the last step may be shorter than a doubling: then a third of it is asked in proportion */
	double worth =
		late ? 1 + (BATCH_WORTH_LATE - 1) * ((double)n / (double)b->last_files - 1) : BATCH_RISING;

	if (took_ms < BATCH_SHORT_MS)
		worth = BATCH_SHORT_LOSS;
	if (gain >= worth)
		move(b, n, rate, 1);
	else if (late || gain < 1 / BATCH_RISING)
		settle(b, b->last_files);
	else
		settle(b, n);
}

static void shrunk(struct batch_size *b, size_t n, double rate, bool late)
{
	if (rate / b->best_rate < BATCH_WORTH_LESS) {
		/* the time is not the files': larger requests are the cheaper ones */
		b->files = clamp(b, b->last_files);
		b->last_files = n;
		b->best_rate = rate;
		b->direction = 1;
	} else if (late) {
		move(b, n, rate, -1);
	} else {
		settle(b, n);
	}
}

static void probe(struct batch_size *b, size_t n, double rate, int64_t took_ms)
{
	if (++b->settled < BATCH_PROBE_AFTER)
		return;
	b->settled = 0;
	b->ceiling = MIN(b->ceiling * 2, (size_t)BATCH_MAX_FILES);
	if (took_ms > BATCH_TARGET_MS && n > 1)
		move(b, n, rate, -1);
	else if (took_ms > BATCH_TARGET_MS || took_ms < BATCH_TARGET_MS / 2)
		move(b, n, rate, 1);
}

void batch_size_ended(struct batch_size *b, size_t n, int64_t took_ms)
{
	bool late = took_ms > BATCH_TARGET_MS;

	if (n == 0)
		return;
	/* Cut by bytes or by want of files. */
	if (n < b->files - b->files / 4) {
		if (!late || n < BATCH_PARTIAL_MIN)
			return;
		b->direction = 0;
		b->best_rate = 0;
	}

	double rate = (double)n * 1000 / (double)MAX(took_ms, 1);

	b->step = took_ms < BATCH_SHORT_MS ? BATCH_STEP_SHORT : BATCH_STEP;

	if (b->best_rate <= 0)
		move(b, n, rate, late ? -1 : 1);
	else if (b->direction > 0)
		grown(b, n, rate, took_ms);
	else if (b->direction < 0)
		shrunk(b, n, rate, late);
	else
		probe(b, n, rate, took_ms);
}

void batch_size_too_large(struct batch_size *b)
{
	b->ceiling = MAX(b->files / 2, (size_t)1);
	settle(b, b->ceiling);
}
