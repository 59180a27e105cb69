/* What a terminal may be sent. Lives here: how wide it is and whether it takes colour, the width of text in
 * columns, and the one gate that makes text from outside (names, messages) harmless. Not here: tables and
 * live views (out.c, live.c). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum style { STYLE_NONE, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_BUSY, STYLE_WARN, STYLE_BAD };

struct term {
	bool tty;    /* a terminal at all */
	bool cursor; /* it can move its cursor: not TERM=dumb */
	bool color;
	int columns, rows; /* of a terminal; 80 and 24 otherwise */
};

/* Once, before any of the functions below: text is UTF-8 whatever the locale says. */
void term_setup(void);
void term_init(struct term *term, int fd, bool no_color);
void term_measure(struct term *term, int fd); /* again, after SIGWINCH */

/* The escape sequences that begin and end a style; "" without colour. Static. */
const char *term_style(const struct term *term, enum style style);
const char *term_style_end(const struct term *term, enum style style);

/* Text from outside made safe to print: itself when it is printable UTF-8, else quoted as $'a\nb', which a
 * shell reads back as the same bytes. Yours to free; NULL when out of memory. */
char *term_safe(const char *text);
/* Columns that safe text takes. */
int term_width(const char *text);
/* As many bytes of safe text as fit into this many columns. */
size_t term_fit(const char *text, int columns, int *ret_used);
/* Safe text cut to columns with a "…" in place of its end, or of its middle (for paths: both ends tell files
 * apart). Yours to free. */
char *term_cut(const char *text, int columns, bool middle);
