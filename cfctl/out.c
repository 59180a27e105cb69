/* Output behind one table: text or JSON, tables, fields, the pager. */
#include "cfctl/out.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELD_COLUMNS 16 /* where values begin */
#define GAP_COLUMNS   2  /* between two columns */
#define FLEX_COLUMNS  12 /* a column that gives way keeps at least these */

/* ---- The two ways to show a reply ---- */

struct output {
	void (*reply)(struct ctl *ctl, const struct reply *reply, text_renderer text, void *userdata);
	void (*done)(struct ctl *ctl, const char *text);
};

static void text_reply(struct ctl *ctl, const struct reply *reply, text_renderer text, void *userdata)
{
	if (text)
		text(ctl, reply->object, userdata);
}

static void text_done(struct ctl *ctl, const char *text)
{
	if (!ctl->quiet)
		out_line(ctl, STYLE_NONE, "%s", text);
}

static void json_reply(struct ctl *ctl, const struct reply *reply, text_renderer text, void *userdata)
{
	out_json_line(ctl, reply->text);
}

static void json_done(struct ctl *ctl, const char *text)
{
	/* a program reads the reply, not sentences */
}

static const struct output *output_of(const struct ctl *ctl)
{
	static const struct output outputs[] = {{text_reply, text_done}, {json_reply, json_done}};

	return &outputs[ctl->json];
}

int out_reply(struct ctl *ctl, const struct reply *reply, text_renderer text, void *userdata)
{
	ctl_make_way(ctl);
	output_of(ctl)->reply(ctl, reply, text, userdata);
	(void)fflush(stdout); /* whoever reads a stream sees each reply as it comes */
	return ferror(stdout) ? ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot write the output: %s",
					  strerror(errno))
			      : EXIT_OK;
}

void out_json_line(struct ctl *ctl, const char *json)
{
	for (const unsigned char *at = (const unsigned char *)json; *at; at++) {
		if (*at < ' ')
			(void)fputc(' ', ctl->to); /* white space between tokens: a reply stays one line */
		else if (*at == 0x7f)
			(void)fputs("\\u007f", ctl->to);
		else if (*at == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
			(void)fprintf(ctl->to, "\\u%04x", *++at);
		else
			(void)fputc(*at, ctl->to);
	}
	(void)fputc('\n', ctl->to);
}

void out_done(struct ctl *ctl, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	else
		output_of(ctl)->done(ctl, text);
}

void out_footer(struct ctl *ctl, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	else if (!ctl->out.tty)
		ctl_note(ctl, STYLE_NONE, "", "%s", text);
	else if (!ctl->quiet)
		out_line(ctl, STYLE_DIM, "%s", text); /* stderr would be above what the pager still holds */
}

/* ---- Pager ---- */

void out_page(struct ctl *ctl)
{
	const char *pager = getenv("PAGER");
	int fds[2];
	pid_t pid;

	if (!ctl->out.cursor || ctl->json || ctl->pager > 0)
		return;
	if (!pager)
		pager = "less";
	if (*pager == '\0' || strcmp(pager, "cat") == 0 || pipe(fds) < 0)
		return;
	(void)fflush(stdout);
	pid = fork();
	if (pid < 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		return; /* unpaged, but there */
	}
	if (pid == 0) {
		(void)dup2(fds[0], STDIN_FILENO);
		(void)close(fds[0]);
		(void)close(fds[1]);
		/* Ends by itself when it fits (F), passes our colours (R), leaves the text on the screen (X).
		 */
		(void)setenv("LESS", "FRX", 0);
		(void)setenv("LESSCHARSET", "utf-8", 0);
		(void)execl("/bin/sh", "sh", "-c", pager, (char *)NULL);
		_exit(127);
	}
	(void)dup2(fds[1], STDOUT_FILENO);
	(void)close(fds[0]);
	(void)close(fds[1]);
	ctl->pager = pid;
}

/* ---- Tables ---- */

struct cell {
	char *text; /* safe */
	enum style style;
};

struct table {
	const struct column *columns;
	size_t n_columns;
	int *widths;
	struct cell *cells;
	size_t n_cells, allocated;
	bool failed, titled;
};

struct table *table_new(const struct column *columns, size_t n)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->n_columns = n;
	table->widths = calloc(n, sizeof(*table->widths));
	table->failed = !table->widths;
	return table;
}

static void forget_rows(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i].text);
	table->n_cells = 0;
}

struct table *table_free(struct table *table)
{
	if (!table)
		return NULL;
	forget_rows(table);
	free(table->cells);
	free(table->widths);
	free(table);
	return NULL;
}

void table_cell(struct table *table, enum style style, const char *format, ...)
{
	_cleanup_free_ char *raw = NULL;
	struct cell cell = {.style = style};
	va_list ap;
	int n, width;

	if (!table || table->failed)
		return;
	va_start(ap, format);
	n = vasprintf(&raw, format, ap);
	va_end(ap);
	if (n < 0)
		raw = NULL;
	else
		cell.text = term_safe(raw);
	if (cell.text && table->n_cells == table->allocated) {
		size_t more = table->allocated ? 2 * table->allocated : 16 * table->n_columns;
		struct cell *cells = reallocarray(table->cells, more, sizeof(*cells));

		if (cells) {
			table->cells = cells;
			table->allocated = more;
		}
	}
	if (!cell.text || table->n_cells == table->allocated) {
		free(cell.text);
		table->failed = true;
		return;
	}
	width = term_width(cell.text);
	if (width > table->widths[table->n_cells % table->n_columns])
		table->widths[table->n_cells % table->n_columns] = width;
	table->cells[table->n_cells++] = cell;
}

/* A column without anything in it, so far. */
static bool is_empty(const struct table *table, size_t column)
{
	return table->widths[column] == 0;
}

static int title_width(const struct table *table, size_t column)
{
	int width = term_width(table->columns[column].title);

	return width > table->widths[column] ? width : table->widths[column];
}

/* The widths to print with. On a terminal that is too narrow columns that flex give way, the widest first,
 * and then the spare ones go, the last first. */
static void layout(const struct ctl *ctl, const struct table *table, int *widths)
{
	int total = -GAP_COLUMNS;

	for (size_t i = 0; i < table->n_columns; i++) {
		widths[i] = is_empty(table, i) ? 0 : title_width(table, i);
		if (widths[i] > 0)
			total += widths[i] + GAP_COLUMNS;
	}
	/* A pager scrolls sideways and a file has no width. */
	if (!ctl->out.tty || ctl->pager > 0)
		return;
	while (total > ctl->out.columns) {
		size_t widest = table->n_columns, spare = table->n_columns;

		for (size_t i = 0; i < table->n_columns; i++) {
			unsigned flags = table->columns[i].flags;

			if (flags & (COLUMN_FLEX | COLUMN_PATH) && widths[i] > FLEX_COLUMNS &&
			    (widest == table->n_columns || widths[i] > widths[widest]))
				widest = i;
			if (flags & COLUMN_SPARE && widths[i] > 0)
				spare = i;
		}
		if (widest < table->n_columns) {
			widths[widest]--;
			total--;
		} else if (spare < table->n_columns) {
			total -= widths[spare] + GAP_COLUMNS;
			widths[spare] = 0;
		} else {
			return;
		}
	}
}

static int print_row(struct ctl *ctl, const struct table *table, const int *widths, const struct cell *cells)
{
	size_t last = table->n_columns;
	bool first = true;

	/* Nothing but spaces after the last cell with text. */
	while (last > 0 && (widths[last - 1] == 0 || *cells[last - 1].text == '\0'))
		last--;
	for (size_t i = 0; i < last; i++) {
		_cleanup_free_ char *text = NULL;
		int pad;

		if (widths[i] == 0)
			continue;
		text = term_cut(cells[i].text,
				table->columns[i].flags & (COLUMN_FLEX | COLUMN_PATH) ? widths[i] : INT32_MAX,
				table->columns[i].flags & COLUMN_PATH);
		if (!text)
			return -ENOMEM;
		pad = widths[i] - term_width(text);
		if (!first)
			(void)fprintf(ctl->to, "%*s", GAP_COLUMNS, "");
		first = false;
		if (table->columns[i].flags & COLUMN_RIGHT)
			(void)fprintf(ctl->to, "%*s", pad, "");
		(void)fprintf(ctl->to, "%s%s%s", term_style(&ctl->out, cells[i].style), text,
			      term_style_end(&ctl->out, cells[i].style));
		if (!(table->columns[i].flags & COLUMN_RIGHT) && i + 1 < last)
			(void)fprintf(ctl->to, "%*s", pad, "");
	}
	(void)fputc('\n', ctl->to);
	return 0;
}

static int print_titles(struct ctl *ctl, const struct table *table, const int *widths)
{
	_cleanup_free_ struct cell *titles = calloc(table->n_columns, sizeof(*titles));
	char empty[] = "";
	int r = titles ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < table->n_columns; i++) {
		titles[i].style = STYLE_BOLD;
		titles[i].text = widths[i] > 0 ? strdup(table->columns[i].title) : empty;
		if (!titles[i].text)
			r = -ENOMEM;
	}
	if (r >= 0)
		r = print_row(ctl, table, widths, titles);
	for (size_t i = 0; titles && i < table->n_columns; i++)
		if (titles[i].text != empty)
			free(titles[i].text);
	return r;
}

int table_print(struct ctl *ctl, struct table *table)
{
	_cleanup_free_ int *widths = NULL;
	int r = 0;

	if (!table || table->failed)
		return ctl_no_memory(ctl);
	if (table->n_cells == 0)
		return EXIT_OK;
	widths = calloc(table->n_columns, sizeof(*widths));
	if (!widths)
		return ctl_no_memory(ctl);
	layout(ctl, table, widths);
	if (!table->titled)
		r = print_titles(ctl, table, widths);
	table->titled = true;
	for (size_t i = 0; r >= 0 && i + table->n_columns <= table->n_cells; i += table->n_columns)
		r = print_row(ctl, table, widths, table->cells + i);
	forget_rows(table);
	return r < 0 ? ctl_no_memory(ctl) : EXIT_OK;
}

/* ---- Fields and lines ---- */

__attribute__((format(printf, 3, 0))) static void print_safe(struct ctl *ctl, enum style style,
							     const char *format, va_list ap)
{
	_cleanup_free_ char *raw = NULL, *text = NULL;

	if (vasprintf(&raw, format, ap) < 0)
		raw = NULL;
	else
		text = term_safe(raw);
	if (text && ctl->to != stdout) { /* a picture has lines, not paragraphs */
		char *cut = term_cut(text, ctl->out.columns, false);

		if (cut) {
			free(text);
			text = cut;
		}
	}
	(void)fprintf(ctl->to, "%s%s%s\n", term_style(&ctl->out, style), text ? text : "(out of memory)",
		      term_style_end(&ctl->out, style));
}

void out_field(struct ctl *ctl, enum style style, const char *name, const char *format, ...)
{
	va_list ap;

	(void)fprintf(ctl->to, "%s%-*s%s", term_style(&ctl->out, STYLE_BOLD), FIELD_COLUMNS, name,
		      term_style_end(&ctl->out, STYLE_BOLD));
	va_start(ap, format);
	print_safe(ctl, style, format, ap);
	va_end(ap);
}

void out_line(struct ctl *ctl, enum style style, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	print_safe(ctl, style, format, ap);
	va_end(ap);
}

void out_lines(struct ctl *ctl, const char *text)
{
	while (*text) {
		int length = (int)strcspn(text, "\n");

		out_line(ctl, STYLE_NONE, "%.*s", length, text);
		text += length;
		text += *text == '\n';
	}
}
