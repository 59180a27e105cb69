/*
 * The original's clean-up: expired buckets, then contents that nothing refers to. Starts 30 s after the
 * server, then runs once an hour.
 */
#pragma once

struct store;

int cleaner_start(struct store *s);
void cleaner_stop(struct store *s);
void cleaner_run(struct store *s); /* now; the lock is held */
