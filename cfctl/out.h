/* Output behind one table: a reply is shown as text by the command's renderer, or as the JSON it came as.
 * Tables, fields and the pager are here; so no command asks which of the two it is writing. */
#pragma once
#include "cfctl/ctl.h"

/* Shows one reply, on stdout. */
typedef void (*text_renderer)(struct ctl *ctl, struct json_object *reply, void *userdata);

/* text NULL: nothing to say in text (--json still prints the reply). */
int out_reply(struct ctl *ctl, const struct reply *reply, text_renderer text, void *userdata);
/* One line of JSON as the interface defines it: control characters that JSON allows raw are escaped. */
void out_json_line(struct ctl *ctl, const char *json);
/* A sentence about what was done: nothing with --quiet or --json. */
void out_done(struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What belongs below a listing and is no part of it: below it on a terminal, on stderr otherwise. */
void out_footer(struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sends what follows through $PAGER (less -FRX) when stdout is a terminal. Nothing may be asked afterwards.
 */
void out_page(struct ctl *ctl);

/* ---- Tables ---- */

enum column_flags {
	COLUMN_RIGHT = 1 << 0, /* numbers */
	COLUMN_FLEX = 1 << 1,  /* gives way when the terminal is too narrow, cut at its end */
	COLUMN_PATH = 1 << 2,  /* the same, cut in its middle */
	COLUMN_SPARE = 1 << 3, /* left out when the terminal is narrower still, the last one first */
};

struct column {
	const char *title;
	unsigned flags;
};

struct table;
struct table *table_new(const struct column *columns, size_t n);
struct table *table_free(struct table *table);
/* The next cell, row after row. Text from outside is made safe here. */
void table_cell(struct table *table, enum style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Prints the rows so far and forgets them; widths stay for those that follow. Empty columns are left out. */
int table_print(struct ctl *ctl, struct table *table);
static inline void table_freep(struct table **table)
{
	*table = table_free(*table);
}
#define _cleanup_table_ __attribute__((cleanup(table_freep)))

/* ---- Fields: "name  value" lines, names aligned ---- */

void out_field(struct ctl *ctl, enum style style, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Lines of text from outside, each made safe. */
void out_lines(struct ctl *ctl, const char *text);
/* A line of its own, made safe. */
void out_line(struct ctl *ctl, enum style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
