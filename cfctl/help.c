/* Help, all of it made from the table of commands, and the guess at what a mistyped word meant. */
#include "cfctl/cmd.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_COLUMNS 32 /* where the explanations begin */
#define WORD_MAX     48 /* no name of ours is longer */
#define NEAR_EDITS   2  /* typing errors that a suggestion forgives */

/* Explanations wrap at the width of the terminal, indented. */
static void print_wrapped(const char *text, int column, int indent, int columns)
{
	while (*text) {
		size_t length = strcspn(text, " \n");

		if (column > indent && column + (int)length + 1 > columns) {
			(void)printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			(void)putchar(' ');
			column++;
		}
		(void)printf("%.*s", (int)length, text);
		column += (int)length;
		text += length;
		if (*text == '\n') {
			(void)printf("\n%*s", indent, "");
			column = indent;
		}
		text += *text != '\0';
	}
	(void)putchar('\n');
}

static void print_entry(struct ctl *ctl, const char *name, const char *doc)
{
	int width = (int)strlen(name) + 2;

	(void)printf("  %s", name);
	if (width + 2 > HELP_COLUMNS) {
		(void)printf("\n%*s", HELP_COLUMNS, "");
	} else {
		(void)printf("%*s", HELP_COLUMNS - width, "");
	}
	print_wrapped(doc, HELP_COLUMNS, HELP_COLUMNS, ctl->out.columns);
}

static void print_title(struct ctl *ctl, const char *title)
{
	(void)printf("%s%s%s\n", term_style(&ctl->out, STYLE_BOLD), title,
		     term_style_end(&ctl->out, STYLE_BOLD));
}

static void print_options(struct ctl *ctl, const char *title, const struct option *options)
{
	(void)putchar('\n');
	print_title(ctl, title);
	for (const struct option *o = options; o && o->name; o++) {
		char name[WORD_MAX + 32];
		int n = o->letter ? snprintf(name, sizeof(name), "-%c, --%s", o->letter, o->name)
				  : snprintf(name, sizeof(name), "--%s", o->name);

		if (o->arg)
			(void)snprintf(name + n, sizeof(name) - (size_t)n, " %s%s", o->arg,
				       o->repeat ? " ..." : "");
		print_entry(ctl, name, o->doc);
	}
}

static void print_summary(struct ctl *ctl, const struct command *c)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
		       c->args ? " " : "", c->args ? c->args : "");
	print_entry(ctl, name, c->summary);
}

void help_all(struct ctl *ctl)
{
	const struct command *c, *before = NULL;

	(void)printf("Usage: cfctl [OPTION]... COMMAND\n\n");
	print_wrapped("Asks and tells the sync daemon of CarbonFiles, carbonfilesd.", 0, 0, ctl->out.columns);
	(void)putchar('\n');
	print_title(ctl, "Commands");
	for (size_t i = 0; (c = command_at(i)); i++) {
		/* A blank line between the nouns that have more than one verb. */
		if (before && strcmp(before->noun, c->noun) != 0 && (before->verb || c->verb))
			(void)putchar('\n');
		print_summary(ctl, c);
		before = c;
	}
	print_options(ctl, "Options", global_options);
	(void)putchar('\n');
	print_wrapped("`cfctl COMMAND --help` says more about one. Exit status: 0 done, 1 failed, 2 usage, 3 "
		      "daemon not "
		      "reachable, 4 refused, 5 not found, 6 server not reachable, 7 not in sync, held or "
		      "timed out, 8 "
		      "local file error, 130 interrupted. The manual is cfctl(1).",
		      0, 0, ctl->out.columns);
}

void help_noun(struct ctl *ctl, const char *noun)
{
	const struct command *c;

	(void)printf("Usage: cfctl %s COMMAND\n\n", noun);
	print_title(ctl, "Commands");
	for (size_t i = 0; (c = command_at(i)); i++)
		if (strcmp(c->noun, noun) == 0)
			print_summary(ctl, c);
	(void)printf("\n`cfctl %s COMMAND --help` says more about one.\n", noun);
}

void help_command(struct ctl *ctl, const struct command *c)
{
	(void)printf("Usage: cfctl %s%s%s%s%s%s\n\n", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
		     c->args ? " " : "", c->args ? c->args : "", c->options ? " [OPTION]..." : "");
	print_wrapped(c->summary, 0, 0, ctl->out.columns);
	if (c->detail) {
		(void)putchar('\n');
		print_wrapped(c->detail, 0, 0, ctl->out.columns);
	}
	if (c->options)
		print_options(ctl, "Options", c->options);
	print_options(ctl, "Global options", global_options);
}

/* How many typing errors lie between two words: a letter too much, too few, another, or two swapped. */
static size_t edits(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), rows[3][WORD_MAX + 1];

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    above2[j - 2] + 1 < best)
				best = above2[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[n % 3][m];
}

const char *suggest(const char *word, const char *const *candidates, size_t n)
{
	size_t length = strlen(word), best = NEAR_EDITS + 1;
	const char *near = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t distance = edits(word, candidates[i]);

		/* The beginning of exactly what was meant counts as one error, however short. */
		if (length > 0 && strncmp(word, candidates[i], length) == 0 && distance > 1)
			distance = 1;
		/* Two errors in a word of three letters is another word. */
		if (distance < best && (distance < length || distance == 0)) {
			best = distance;
			near = candidates[i];
		}
	}
	return near;
}
