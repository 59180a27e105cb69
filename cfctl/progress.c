/* Transfers on the way, shown on stderr. */
#include "cfctl/progress.h"
#include "cfctl/human.h"
#include "cfctl/live.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_MS       200  /* what is over sooner needs no picture */
#define LINE_MS        2000 /* between two lines where there is no terminal */
#define SAMPLE_MS      250
#define BAR_COLUMNS    20
#define NUMBER_COLUMNS 5  /* " 43 %" at the end of a bar */
#define NAME_COLUMNS   16 /* a name keeps at least these, and the rest gives way */
#define LINE_CLEAR     "\033[K"
#define LINE_UP        "\033[A"
#define BELOW_CLEAR    "\033[J"

static void take_away(void *userdata)
{
	struct progress *p = userdata;

	for (int i = 0; i < p->rows; i++)
		(void)fputs(LINE_UP, stderr);
	if (p->rows > 0)
		(void)fputs("\r" BELOW_CLEAR, stderr);
	p->rows = 0;
}

void progress_begin(struct ctl *ctl, bool asked, struct progress *progress)
{
	*progress = (struct progress){
		.ctl = ctl,
		.live = ctl->err.cursor && !ctl->quiet && !ctl->json,
		.files = -1,
		.bytes = -1,
		.started_ms = ctl_now_ms(),
	};
	progress->lines = asked && !progress->live && !ctl->json;
	progress->drawn_ms = progress->started_ms;
	progress->samples[progress->n_samples++] = (struct sample){progress->started_ms, 0};
	ctl->make_way = take_away;
	ctl->make_way_userdata = progress;
}

void progress_end(struct progress *progress)
{
	take_away(progress);
	(void)fflush(stderr);
	progress->ctl->make_way = NULL;
}

bool progress_is_due(const struct progress *progress, int64_t *ret_left_ms)
{
	int64_t now = ctl_now_ms(), next = progress->drawn_ms + (progress->live ? LIVE_FRAME_MS : LINE_MS);

	*ret_left_ms = -1;
	if (!progress->live && !progress->lines)
		return false;
	if (next < progress->started_ms + FIRST_MS)
		next = progress->started_ms + FIRST_MS;
	*ret_left_ms = next > now ? next - now : 0;
	return next <= now;
}

/* Over the last few seconds, so that it follows what happens and does not jump. */
int64_t progress_rate(const struct progress *progress, int64_t bytes_now)
{
	const struct sample *first = &progress->samples[0];
	int64_t took_ms = ctl_now_ms() - first->at_ms;

	return took_ms > 0 && bytes_now > first->bytes ? (bytes_now - first->bytes) * 1000 / took_ms : 0;
}

static void keep_sample(struct progress *p, int64_t bytes)
{
	int64_t now = ctl_now_ms();

	if (now - p->samples[p->n_samples - 1].at_ms < SAMPLE_MS)
		return;
	if (p->n_samples == PROGRESS_SAMPLES) {
		memmove(p->samples, p->samples + 1, (PROGRESS_SAMPLES - 1) * sizeof(*p->samples));
		p->n_samples--;
	}
	p->samples[p->n_samples++] = (struct sample){now, bytes};
}

/* "12.3 MiB of 40.0 MiB" */
static void amount_text(char *buffer, size_t size, int64_t done, int64_t total)
{
	if (total >= 0)
		(void)snprintf(buffer, size, "%s of %s", human_size(done).text, human_size(total).text);
	else
		(void)snprintf(buffer, size, "%s", human_size(done).text);
}

/* ", 12.3 MiB/s, 1 min left" */
static void rate_text(char *buffer, size_t size, int64_t rate, int64_t left)
{
	buffer[0] = '\0';
	if (rate > 0 && left >= 0)
		(void)snprintf(buffer, size, ", %s, %s left", human_rate(rate).text,
			       human_duration(left / rate + (left % rate > 0)).text);
	else if (rate > 0)
		(void)snprintf(buffer, size, ", %s", human_rate(rate).text);
}

static int room_beside(const struct ctl *ctl, const char *bar, const char *amount)
{
	return ctl->err.columns - 1 - (*bar ? (int)strlen(bar) + 2 : 0) -
	       (*amount ? (int)strlen(amount) + 2 : 0);
}

/* The name on the left, what is known on the right. On a narrow terminal first the bar goes but for its
 * number, then the amount, then all but the name. */
static void draw_line(struct ctl *ctl, FILE *to, enum style style, const char *name, const char *bar,
		      const char *amount)
{
	_cleanup_free_ char *safe = term_safe(name), *cut = NULL;
	const char *number = *bar ? bar + strlen(bar) - NUMBER_COLUMNS : "";
	int enough = safe && term_width(safe) < NAME_COLUMNS ? term_width(safe) : NAME_COLUMNS, room;

	if (room_beside(ctl, bar, amount) < enough)
		bar = number;
	if (room_beside(ctl, bar, amount) < enough)
		amount = "";
	if (room_beside(ctl, bar, amount) < enough)
		bar = "";
	room = room_beside(ctl, bar, amount);
	cut = safe ? term_cut(safe, room, true) : NULL;
	(void)fprintf(to, "%s%s%s%*s%s%s%s%s" LINE_CLEAR "\n", term_style(&ctl->err, style), cut ? cut : "",
		      term_style_end(&ctl->err, style),
		      *bar || *amount ? room - (cut ? term_width(cut) : 0) : 0, "", *bar ? "  " : "", bar,
		      *amount ? "  " : "", amount);
}

static void draw_live(struct progress *p, const struct running_file *running, size_t n, int64_t done,
		      int64_t rate)
{
	struct ctl *ctl = p->ctl;
	size_t shown = n, size = 0;
	char bar[64], amount[128], more[80], *text = NULL;
	FILE *to = open_memstream(&text, &size);
	bool alone = p->files == 1;

	if (!to)
		return; /* a picture less */
	term_measure(&ctl->err, STDERR_FILENO);
	if (shown > (size_t)ctl->err.rows - 2)
		shown = (size_t)ctl->err.rows - 2;
	for (size_t i = 0; i < shown; i++) {
		bar[0] = '\0';
		if (running[i].total >= 0)
			live_bar(bar, sizeof(bar), BAR_COLUMNS, running[i].done, running[i].total);
		amount_text(amount, sizeof(amount), running[i].done, running[i].total);
		rate_text(more, sizeof(more), alone ? rate : 0,
			  running[i].total >= 0 ? running[i].total - running[i].done : -1);
		(void)strncat(amount, more, sizeof(amount) - strlen(amount) - 1);
		draw_line(ctl, to, STYLE_NONE, running[i].name, bar, amount);
	}
	if (!alone) {
		char files[96];

		bar[0] = '\0';
		if (p->bytes >= 0)
			live_bar(bar, sizeof(bar), BAR_COLUMNS, done, p->bytes);
		if (p->files >= 0)
			(void)snprintf(files, sizeof(files), "%s of %s files",
				       human_count(p->files_done).text, human_count(p->files).text);
		else
			(void)snprintf(files, sizeof(files), "%s files", human_count(p->files_done).text);
		amount_text(amount, sizeof(amount), done, p->bytes);
		rate_text(more, sizeof(more), rate, p->bytes >= 0 ? p->bytes - done : -1);
		(void)strncat(amount, more, sizeof(amount) - strlen(amount) - 1);
		draw_line(ctl, to, STYLE_BOLD, files, bar, amount);
	}
	if (fclose(to) == 0 && text) {
		for (int i = 0; i < p->rows; i++)
			(void)fputs(LINE_UP, stderr);
		(void)fputs("\r", stderr);
		(void)fputs(text, stderr);
		(void)fputs(BELOW_CLEAR, stderr);
		(void)fflush(stderr);
		p->rows = (int)shown + !alone;
	}
	free(text);
}

static void draw_plain(struct progress *p, const struct running_file *running, size_t n, int64_t done,
		       int64_t rate)
{
	char amount[128], more[80];
	int64_t total = p->files == 1 && n == 1 ? running[0].total : p->bytes;

	amount_text(amount, sizeof(amount), done, total);
	rate_text(more, sizeof(more), rate, total >= 0 ? total - done : -1);
	if (p->files == 1)
		ctl_note(p->ctl, STYLE_NONE, "", "%s: %s%s", n > 0 ? running[0].name : "", amount, more);
	else if (p->files >= 0)
		ctl_note(p->ctl, STYLE_NONE, "", "%s of %s files, %s%s", human_count(p->files_done).text,
			 human_count(p->files).text, amount, more);
	else
		ctl_note(p->ctl, STYLE_NONE, "", "%s files, %s%s", human_count(p->files_done).text, amount,
			 more);
}

void progress_draw(struct progress *p, const struct running_file *running, size_t n)
{
	int64_t done = p->bytes_done, rate;

	for (size_t i = 0; i < n; i++)
		done += running[i].done;
	keep_sample(p, done - p->bytes_skipped);
	rate = progress_rate(p, done - p->bytes_skipped);
	p->drawn_ms = ctl_now_ms();
	if (p->live)
		draw_live(p, running, n, done, rate);
	else
		draw_plain(p, running, n, done, rate);
}
