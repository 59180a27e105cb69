/* Live views on a terminal: a picture drawn again and again on the alternate screen, left on the normal one
 * at the end; bars; and one status line for commands that wait. */
#pragma once
#include "cfctl/ctl.h"

/* Between two pictures: fast enough for the eye, and nothing for the machine. */
#define LIVE_FRAME_MS 100

/* Begins a picture: what is printed to ctl->to until live_show becomes it. EXIT_OK or an exit code. */
struct live {
	bool on;    /* the alternate screen is up */
	char *text; /* of the picture that is being made */
	size_t size;
	FILE *normal;
	char *last; /* the last whole one */
};
int live_begin(struct ctl *ctl, struct live *live);
int live_show(struct ctl *ctl, struct live *live);
/* Back to the normal screen, with the last picture on it. */
void live_end(struct ctl *ctl, struct live *live);

/* "[=====>    ]  43 %" into buffer. */
void live_bar(char *buffer, size_t size, int width, int64_t done, int64_t total);

/* A line on stderr that the next one replaces; "" takes it away. Nothing where stderr is no terminal. */
void live_line(struct ctl *ctl, const char *text);
