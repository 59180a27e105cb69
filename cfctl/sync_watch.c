/* The live view of pairs: a picture on a terminal, a line per change elsewhere, the replies with --json. */
#include "cfctl/sync_watch.h"
#include "cfctl/human.h"
#include "cfctl/live.h"
#include "cfctl/out.h"
#include "cfctl/pairs.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_TRANSFERS 16 /* running files that are shown: more than the daemon sends at once */
#define MAX_RECENT    10 /* finished files that stay in view */
#define BAR_WIDTH     20
#define PATH_COLUMNS  24 /* a path keeps at least these */
#define AGE_FRAMES    10 /* pictures are drawn once a second, too, when only the ages change */

struct transfer {
	char *path, *action;
	int64_t done, total;            /* total -1: not known */
	int64_t started_ms, first_done; /* for the rate */
	char *failure;
};

struct watch {
	const char *name;
	struct params shown; /* {"statuses":[…]} as GetStatus has it, one per pair */
	struct reply pairs;  /* List, for the directories */
	struct transfer running[MAX_TRANSFERS], recent[MAX_RECENT];
	size_t n_running, n_recent;
	struct live live;
	bool dirty;
	int idle_frames;
};

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- What is known ---- */

static void transfer_done(struct transfer *t)
{
	free(t->path);
	free(t->action);
	free(t->failure);
	*t = (struct transfer){0};
}

static struct json_object *statuses(struct watch *watch)
{
	return json_object_object_get(watch->shown.object, "statuses");
}

/* Puts a status in the place of the one of that pair, or takes that one away (status NULL). */
static int keep_status(struct ctl *ctl, struct watch *watch, const char *name, struct json_object *status)
{
	struct json_object *array = statuses(watch);
	size_t n = json_object_array_length(array);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(get_text(json_object_array_get_idx(array, i), "name"), name) != 0)
			continue;
		if (status)
			return json_object_array_put_idx(array, i, json_object_get(status)) < 0
				       ? ctl_no_memory(ctl)
				       : EXIT_OK;
		(void)json_object_array_del_idx(array, i, 1);
		return EXIT_OK;
	}
	if (!status)
		return EXIT_OK;
	return json_object_array_add(array, json_object_get(status)) < 0 ? ctl_no_memory(ctl) : EXIT_OK;
}

static void keep_recent(struct watch *watch, struct transfer *t)
{
	if (watch->n_recent == MAX_RECENT) {
		transfer_done(&watch->recent[MAX_RECENT - 1]);
		watch->n_recent--;
	}
	memmove(watch->recent + 1, watch->recent, watch->n_recent * sizeof(*watch->recent));
	watch->recent[0] = *t;
	watch->n_recent++;
}

static size_t find_running(const struct watch *watch, const char *path)
{
	size_t i = 0;

	while (i < watch->n_running && strcmp(watch->running[i].path, path) != 0)
		i++;
	return i;
}

static void forget_running(struct watch *watch, size_t i)
{
	watch->n_running--;
	memmove(watch->running + i, watch->running + i + 1, (watch->n_running - i) * sizeof(*watch->running));
}

static int keep_file(struct ctl *ctl, struct watch *watch, struct json_object *file)
{
	const char *path = get_text(file, "path"), *failure = get_string(file, "failure");
	size_t i = find_running(watch, path);
	struct transfer fresh = {.started_ms = now_ms(), .first_done = get_int(file, "bytes_done")};
	struct transfer *t = i < watch->n_running ? &watch->running[i] : &fresh;
	bool known = t != &fresh;

	if (!known) {
		t->path = strdup(path);
		t->action = strdup(get_text(file, "action"));
	}
	t->done = get_int(file, "bytes_done");
	t->total = has(file, "bytes_total") ? get_int(file, "bytes_total") : -1;
	if (failure)
		t->failure = strdup(failure);
	if (!t->path || !t->action || (failure && !t->failure)) {
		if (!known)
			transfer_done(t);
		return ctl_no_memory(ctl);
	}
	if (get_bool(file, "done") || failure) {
		keep_recent(watch, t);
		if (known)
			forget_running(watch, i);
	} else if (!known && watch->n_running < MAX_TRANSFERS) {
		watch->running[watch->n_running++] = *t;
	} else if (!known) {
		transfer_done(t);
	}
	return EXIT_OK;
}

/* ---- The picture ---- */

static const char *arrow(const char *action)
{
	if (strcmp(action, "download") == 0)
		return "↓";
	if (strncmp(action, "delete", 6) == 0)
		return "✕";
	return "↑";
}

static void draw_running(struct ctl *ctl, const struct transfer *t)
{
	char bar[BAR_WIDTH + 16] = "", amount[160];
	int64_t elapsed = now_ms() - t->started_ms, moved = t->done - t->first_done;
	int64_t rate = elapsed > 0 ? moved * 1000 / elapsed : 0;
	_cleanup_free_ char *safe = term_safe(t->path), *path = NULL;
	int room;

	if (t->total > 0)
		live_bar(bar, sizeof(bar), BAR_WIDTH, t->done, t->total);
	if (t->total > 0 && rate > 0 && t->done < t->total)
		(void)snprintf(amount, sizeof(amount), "%s of %s, %s, %s left", human_size(t->done).text,
			       human_size(t->total).text, human_rate(rate).text,
			       human_duration((t->total - t->done) / rate + 1).text);
	else if (t->total > 0)
		(void)snprintf(amount, sizeof(amount), "%s of %s", human_size(t->done).text,
			       human_size(t->total).text);
	else
		(void)snprintf(amount, sizeof(amount), "%s", human_size(t->done).text);
	/* The path gives way first, then the amount, so that the bar stays. */
	room = ctl->out.columns - 5 - (int)strlen(bar) - (int)strlen(amount);
	if (room < PATH_COLUMNS) {
		amount[0] = '\0';
		room = ctl->out.columns - 5 - (int)strlen(bar);
	}
	path = safe ? term_cut(safe, room, true) : NULL;
	(void)fprintf(ctl->to, "%s%s%s %s  %s %s\n", term_style(&ctl->out, STYLE_BUSY), arrow(t->action),
		      term_style_end(&ctl->out, STYLE_BUSY), path ? path : "", bar, amount);
}

static void draw_recent(struct ctl *ctl, const struct transfer *t)
{
	_cleanup_free_ char *line = NULL, *safe = NULL, *cut = NULL;
	enum style style = t->failure ? STYLE_BAD : STYLE_DIM;

	if (asprintf(&line, "%s%s%s", t->path, t->failure ? ": " : "", t->failure ? t->failure : "") < 0)
		line = NULL;
	else
		safe = term_safe(line);
	cut = safe ? term_cut(safe, ctl->out.columns - 14, true) : NULL;
	(void)fprintf(ctl->to, "%s%s %s%s%s\n", term_style(&ctl->out, style),
		      t->failure ? "✗" : arrow(t->action), cut ? cut : "",
		      t->failure || t->total <= 0 ? "" : "  ",
		      t->failure || t->total <= 0 ? "" : human_size(t->total).text);
	(void)fputs(term_style_end(&ctl->out, style), ctl->to);
}

static int draw(struct ctl *ctl, struct watch *watch)
{
	int code = live_begin(ctl, &watch->live);

	if (code != EXIT_OK)
		return code;
	if (json_object_array_length(statuses(watch)) == 0)
		out_line(ctl, STYLE_DIM, "No pair yet: `cfctl sync add DIR BUCKET` makes one.");
	pairs_show(ctl, watch->shown.object, watch->pairs.object);
	(void)fputc('\n', ctl->to);
	for (size_t i = 0; i < watch->n_running; i++)
		draw_running(ctl, &watch->running[i]);
	for (size_t i = 0; i < watch->n_recent; i++)
		draw_recent(ctl, &watch->recent[i]);
	watch->dirty = false;
	watch->idle_frames = 0;
	return live_show(ctl, &watch->live);
}

static int on_frame(struct ctl *ctl, void *userdata)
{
	struct watch *watch = userdata;

	if (ctl_resized())
		term_measure(&ctl->out, STDOUT_FILENO);
	else if (!watch->dirty && ++watch->idle_frames < AGE_FRAMES)
		return EXIT_OK;
	return draw(ctl, watch);
}

static int on_picture_reply(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct watch *watch = userdata;
	struct json_object *status = get_object(reply->object, "status"),
			   *file = get_object(reply->object, "file");
	const char *removed = get_string(reply->object, "removed");
	int code = EXIT_OK;

	watch->dirty = true;
	if (status)
		code = keep_status(ctl, watch, get_text(status, "name"), status);
	if (code == EXIT_OK && removed)
		code = keep_status(ctl, watch, removed, NULL);
	if (code == EXIT_OK && file)
		code = keep_file(ctl, watch, file);
	return code;
}

/* ---- Lines ---- */

static void show_status_line(struct ctl *ctl, struct json_object *s)
{
	int64_t pending = get_int(s, "files_pending"), rate = get_int(s, "bytes_per_second");

	out_line(ctl, STYLE_NONE, "%s: %s, %s files, %s pending%s%s%s%s%s", get_text(s, "name"),
		 get_text(s, "state"), human_count(get_int(s, "files_total")).text, human_count(pending).text,
		 pending > 0 ? " (" : "", pending > 0 ? human_size(get_int(s, "bytes_pending")).text : "",
		 pending > 0 ? ")" : "", rate > 0 ? ", " : "", rate > 0 ? human_rate(rate).text : "");
}

static void show_file_line(struct ctl *ctl, struct json_object *f)
{
	const char *failure = get_string(f, "failure");

	if (failure)
		out_line(ctl, STYLE_BAD, "%s: %s %s: %s", get_text(f, "pair"), get_text(f, "action"),
			 get_text(f, "path"), failure);
	else if (has(f, "bytes_total"))
		out_line(ctl, STYLE_NONE, "%s: %s %s, %s of %s%s", get_text(f, "pair"), get_text(f, "action"),
			 get_text(f, "path"), human_size(get_int(f, "bytes_done")).text,
			 human_size(get_int(f, "bytes_total")).text, get_bool(f, "done") ? ", done" : "");
	else
		out_line(ctl, STYLE_NONE, "%s: %s %s, %s%s", get_text(f, "pair"), get_text(f, "action"),
			 get_text(f, "path"), human_size(get_int(f, "bytes_done")).text,
			 get_bool(f, "done") ? ", done" : "");
}

static void show_change(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct json_object *status = get_object(reply, "status"), *file = get_object(reply, "file");

	if (status)
		show_status_line(ctl, status);
	if (file)
		show_file_line(ctl, file);
	if (has(reply, "removed"))
		out_line(ctl, STYLE_NONE, "%s: removed", get_text(reply, "removed"));
	if (has(reply, "lost"))
		out_line(ctl, STYLE_WARN, "%s changes were too many to tell",
			 human_count(get_int(reply, "lost")).text);
}

static int on_line_reply(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	return out_reply(ctl, reply, show_change, NULL);
}

int sync_watch(struct ctl *ctl, const char *name, bool files)
{
	_cleanup_params_ struct params params;
	struct watch watch = {.name = name};
	bool picture = ctl->out.cursor && !ctl->json && !ctl->quiet;
	struct call call = {
		.what = "watch the pairs",
		.method = SYNC "Watch",
		.params = &params,
		.flags = CFIPC_MORE,
		.on_reply = picture ? on_picture_reply : on_line_reply,
		.userdata = &watch,
		.tick_ms = LIVE_FRAME_MS,
		.on_tick = picture ? on_frame : NULL,
	};
	int code = EXIT_OK;

	params_init(&params);
	params_init(&watch.shown);
	params_object(&watch.shown, "statuses", json_object_new_array());
	if (name)
		params_strings(&params, "names", &name, 1);
	params_true(&params, "files", files || picture);
	if (watch.shown.failed)
		code = ctl_no_memory(ctl);
	if (code == EXIT_OK && picture)
		code = pairs_list(ctl, &watch.pairs);
	if (code == EXIT_OK)
		code = ctl_run(ctl, &call, NULL);
	live_end(ctl, &watch.live);
	for (size_t i = 0; i < watch.n_running; i++)
		transfer_done(&watch.running[i]);
	for (size_t i = 0; i < watch.n_recent; i++)
		transfer_done(&watch.recent[i]);
	reply_done(&watch.pairs);
	params_done(&watch.shown);
	return code;
}
