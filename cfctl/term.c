/* What a terminal may be sent: widths, colour, and text from outside made harmless. */
#include "cfctl/term.h"
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define TERM_COLUMNS_DEFAULT 80
#define TERM_ROWS_DEFAULT    24
#define TERM_COLUMNS_MIN     20 /* narrower than this nothing can be laid out: lines wrap */

void term_setup(void)
{
	/* Names on the socket are UTF-8. In another locale they would be measured wrongly, and a terminal
	 * that is not UTF-8 is rarer than one started without LANG. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		(void)setlocale(LC_CTYPE, "");
}

void term_measure(struct term *term, int fd)
{
	struct winsize size;

	term->columns = TERM_COLUMNS_DEFAULT;
	term->rows = TERM_ROWS_DEFAULT;
	if (!term->tty || ioctl(fd, TIOCGWINSZ, &size) < 0)
		return;
	if (size.ws_col >= TERM_COLUMNS_MIN)
		term->columns = size.ws_col;
	if (size.ws_row > 1)
		term->rows = size.ws_row;
}

void term_init(struct term *term, int fd, bool no_color)
{
	const char *name = getenv("TERM");
	const char *no = getenv("NO_COLOR");

	*term = (struct term){.tty = isatty(fd) == 1};
	term->cursor = term->tty && name && *name && strcmp(name, "dumb") != 0;
	term->color = term->cursor && !no_color && !(no && *no);
	term_measure(term, fd);
}

const char *term_style(const struct term *term, enum style style)
{
	static const char *const begin[] = {
		[STYLE_NONE] = "",         [STYLE_BOLD] = "\033[1m",  [STYLE_DIM] = "\033[2m",
		[STYLE_GOOD] = "\033[32m", [STYLE_BUSY] = "\033[36m", [STYLE_WARN] = "\033[33m",
		[STYLE_BAD] = "\033[31m",
	};
	return term->color ? begin[style] : "";
}

const char *term_style_end(const struct term *term, enum style style)
{
	return term->color && style != STYLE_NONE ? "\033[0m" : "";
}

/* One character: its bytes (at least 1), its columns, or -1 when it must not reach a terminal. */
static int next_char(const char *text, size_t *ret_bytes)
{
	mbstate_t state = {0};
	wchar_t c;
	size_t n = mbrtowc(&c, text, strlen(text), &state);
	int columns;

	if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
		*ret_bytes = 1;
		return -1;
	}
	*ret_bytes = n;
	columns = wcwidth(c); /* -1 for C0, DEL, C1 and what is no character */
	/* Line separators and the marks that reorder what follows: a name must not rewrite its own line. */
	if (c == 0x2028 || c == 0x2029 || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069))
		return -1;
	return columns;
}

static bool is_safe(const char *text)
{
	for (size_t n; *text; text += n)
		if (next_char(text, &n) < 0)
			return false;
	return true;
}

char *term_safe(const char *text)
{
	char *safe, *at;

	if (is_safe(text))
		return strdup(text);
	/* Each byte becomes at most 4, plus $'' and the NUL. */
	safe = at = malloc(4 * strlen(text) + 4);
	if (!safe)
		return NULL;
	*at++ = '$';
	*at++ = '\'';
	while (*text) {
		size_t n;

		if (next_char(text, &n) >= 0 && *text != '\'' && *text != '\\') {
			memcpy(at, text, n);
			at += n;
			text += n;
			continue;
		}
		for (; n > 0; n--, text++) {
			static const char hex[] = "0123456789abcdef";
			uint8_t byte = (uint8_t)*text;

			*at++ = '\\';
			if (byte == '\'' || byte == '\\') {
				*at++ = (char)byte;
			} else if (byte == '\n' || byte == '\t' || byte == '\r') {
				*at++ = byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r';
			} else {
				*at++ = 'x';
				*at++ = hex[byte >> 4];
				*at++ = hex[byte & 15];
			}
		}
	}
	*at++ = '\'';
	*at = '\0';
	return safe;
}

int term_width(const char *text)
{
	int width = 0;

	(void)term_fit(text, INT32_MAX, &width);
	return width;
}

size_t term_fit(const char *text, int columns, int *ret_used)
{
	size_t length = 0;
	int used = 0;

	for (size_t n; text[length]; length += n) {
		int width = next_char(text + length, &n);

		if (width < 0)
			width = 1;
		if (used + width > columns)
			break;
		used += width;
	}
	if (ret_used)
		*ret_used = used;
	return length;
}

char *term_cut(const char *text, int columns, bool middle)
{
	int width = term_width(text), head, skip;
	const char *tail;
	char *cut;

	if (width <= columns)
		return strdup(text);
	if (columns < 1)
		return strdup("");
	/* Columns before the "…", and how many to leave out of the text so that the rest fits behind it. */
	head = middle ? (columns - 1) / 2 : columns - 1;
	skip = width - (columns - 1 - head);
	tail = text;
	if (middle) {
		int used = 0;

		tail += term_fit(text, skip, &used);
		if (used < skip) { /* half of a wide character stood on the edge */
			size_t n;

			(void)next_char(tail, &n);
			tail += n;
		}
	} else {
		tail += strlen(text);
	}
	if (asprintf(&cut, "%.*s…%s", (int)term_fit(text, head, NULL), text, tail) < 0)
		return NULL;
	return cut;
}
