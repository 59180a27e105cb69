/* Transfers on the way, shown on stderr: on a terminal a line per running file and one for all of them, drawn
 * again and again at the bottom; elsewhere a line now and then, if it was asked for. */
#pragma once
#include "cfctl/ctl.h"

#define PROGRESS_SAMPLES 16

struct progress {
	struct ctl *ctl;
	bool live, lines;               /* on a terminal; a line now and then */
	int64_t files, bytes;           /* in all; -1: not known */
	int64_t files_done, bytes_done; /* of those that have ended, whatever the end */
	int64_t bytes_skipped;          /* of them, what did not have to move: no part of the rate */
	int64_t started_ms, drawn_ms;
	struct sample {
		int64_t at_ms, bytes;
	} samples[PROGRESS_SAMPLES];
	size_t n_samples;
	int rows; /* on the screen now */
};

/* One that runs. */
struct running_file {
	const char *name;
	int64_t done, total; /* total -1: not known */
};

/* asked: --progress. Words that go to stderr until progress_end take the picture away first. */
void progress_begin(struct ctl *ctl, bool asked, struct progress *progress);
/* Whether it is time to draw, and how long until it is. */
bool progress_is_due(const struct progress *progress, int64_t *ret_left_ms);
void progress_draw(struct progress *progress, const struct running_file *running, size_t n);
void progress_end(struct progress *progress);
int64_t progress_rate(const struct progress *progress, int64_t bytes_now); /* a second; 0: not known */
