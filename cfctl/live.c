/* Live views on a terminal. */
#include "cfctl/live.h"
#include "cfctl/human.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCREEN_BEGIN "\033[?1049h\033[?25l" /* alternate screen, no cursor */
#define SCREEN_END   "\033[?25h\033[?1049l"
#define SCREEN_HOME  "\033[H"
#define LINE_CLEAR   "\033[K"
#define BELOW_CLEAR  "\033[J"

int live_begin(struct ctl *ctl, struct live *live)
{
	FILE *picture = open_memstream(&live->text, &live->size);

	if (!picture)
		return ctl_no_memory(ctl);
	live->normal = ctl->to;
	ctl->to = picture;
	return EXIT_OK;
}

/* As many lines as the screen has, each ended by clearing what was behind it before. */
static void draw(struct ctl *ctl, const char *text)
{
	int row = 0;

	(void)fputs(SCREEN_HOME, stdout);
	while (*text && row < ctl->out.rows - 1) {
		size_t length = strcspn(text, "\n");

		(void)fwrite(text, 1, length, stdout);
		(void)fputs(LINE_CLEAR "\r\n", stdout);
		text += length + (text[length] == '\n');
		row++;
	}
	(void)fputs(BELOW_CLEAR, stdout);
	(void)fflush(stdout);
}

int live_show(struct ctl *ctl, struct live *live)
{
	bool broken = fclose(ctl->to) != 0 || !live->text;

	ctl->to = live->normal;
	if (broken) {
		free(live->text);
		live->text = NULL;
		return ctl_no_memory(ctl);
	}
	free(live->last);
	live->last = live->text;
	live->text = NULL;
	if (!live->on)
		(void)fputs(SCREEN_BEGIN, stdout);
	live->on = true;
	draw(ctl, live->last);
	return EXIT_OK;
}

void live_end(struct ctl *ctl, struct live *live)
{
	if (live->on)
		(void)fputs(SCREEN_END, stdout);
	if (live->last)
		(void)fputs(live->last, stdout);
	(void)fflush(stdout);
	free(live->last);
	free(live->text);
	*live = (struct live){0};
}

void live_bar(char *buffer, size_t size, int width, int64_t done, int64_t total)
{
	int percent = total > 0 ? (int)((double)done * 100 / (double)total) : 100, full;

	if (percent > 100)
		percent = 100;
	full = width * percent / 100;
	(void)snprintf(buffer, size, "[%.*s%s%*s] %3d %%", full > 0 && percent < 100 ? full - 1 : full,
		       "========================================", full > 0 && percent < 100 ? ">" : "",
		       width - full, "", percent);
}

void live_line(struct ctl *ctl, const char *text)
{
	_cleanup_free_ char *safe = NULL, *cut = NULL;

	if (!ctl->err.cursor || ctl->quiet || ctl->json)
		return;
	term_measure(&ctl->err, STDERR_FILENO);
	safe = term_safe(text);
	cut = safe ? term_cut(safe, ctl->err.columns - 1, false) : NULL;
	(void)fprintf(stderr, "\r%s" LINE_CLEAR, cut ? cut : "");
	(void)fflush(stderr);
}
