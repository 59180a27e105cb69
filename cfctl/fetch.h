/* One file from the server to its place, as a job of a pool: looked at what is there, gone on with what an
 * earlier run has left, hashed, put into its place whole. */
#pragma once
#include "cfctl/pool.h"

/* What all files of one command have in common. */
struct fetch {
	const char *bucket; /* its id */
	bool force;
	bool one;          /* a single file: said by its name */
	int64_t unchanged; /* were there already */
	void *placed;      /* the files this run has put into their places, for tsearch(3) */
};
void fetch_done(struct fetch *fetch);

struct fetch_file {
	const char *path;   /* on the server */
	const char *sha256; /* NULL: the server does not know it */
	int64_t size;
	int directory;     /* where it goes, a descriptor that stays the caller's */
	const char *name;  /* in it */
	const char *shown; /* what the user is told */
};
/* An exit code, the error already said. */
int fetch_job(struct ctl *ctl, struct fetch *fetch, const struct fetch_file *file, struct job **ret_job);

/* "NAME: cannot be written: WHY", about a local file. EXIT_LOCAL. */
int fetch_error(struct ctl *ctl, const char *shown, int error);
