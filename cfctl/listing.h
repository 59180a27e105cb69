/* Listings that come in pages: their options, the one page that was asked for or all of them, one table. */
#pragma once
#include "cfctl/cmd.h"
#include "cfctl/out.h"

#define LISTING_OPTIONS                                                                                      \
	{"limit", 0, "N", "items of a page, 1 to 1000"}, {"offset", 0, "N", "items to skip"},                \
		{"sort", 0, "FIELD", "what to sort by"}, {"order", 0, "asc|desc", "which way to sort"},      \
	{                                                                                                    \
		"all", 0, NULL, "every page, to the end"                                                     \
	}

struct listing {
	const char *array; /* the member of the reply that holds the items */
	const char *items; /* "files", for the line below the table */
	const char *sort;  /* upwards, where --sort does not say otherwise; NULL: as the server likes */
	const struct column *columns;
	size_t n_columns;
	void (*row)(struct table *table, struct json_object *item);
	const char *total; /* a member of the reply, instead of total in its page */
	void (*first)(struct table *table,
		      struct json_object *reply); /* rows before those of the first reply */
};

/* bucket: a word of the user to be found as id or name first, or NULL. params are completed with the page. */
int listing_run(struct ctl *ctl, const struct args *args, const struct listing *listing, struct call *call,
		const char *bucket);
