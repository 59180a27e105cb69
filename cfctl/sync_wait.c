/* sync status, wait. */
#include "cfctl/cmd.h"
#include "cfctl/human.h"
#include "cfctl/live.h"
#include "cfctl/out.h"
#include "cfctl/pairs.h"
#include "cfctl/sync_watch.h"
#include <stdio.h>
#include <string.h>

#define PROGRESS_MS 500 /* between two looks at what is still pending */

static void show_statuses(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct reply *pairs = userdata;

	pairs_show(ctl, reply, pairs->object);
}

static int sync_status(struct ctl *ctl, const struct args *args)
{
	_cleanup_reply_ struct reply reply = {0}, pairs = {0};
	int code;

	if (args_has(args, "watch"))
		return sync_watch(ctl, args_word(args, 0), args_has(args, "files"));
	if (args_has(args, "files"))
		return ctl_usage(ctl, NULL, "--files needs --watch");
	code = pairs_status(ctl, args_word(args, 0), &reply);
	if (code == EXIT_OK && !ctl->json)
		code = pairs_list(ctl, &pairs);
	if (code != EXIT_OK)
		return code;
	if (!ctl->json && get_count(reply.object, "statuses") == 0)
		out_footer(ctl, "No pair yet: `cfctl sync add DIR BUCKET` makes one.");
	code = out_reply(ctl, &reply, show_statuses, &pairs);
	return code != EXIT_OK ? code : pairs_exit_code(reply.object);
}

/* ---- wait ---- */

/* One line, while it waits, of what is still to do. */
static int on_progress(struct ctl *ctl, void *userdata)
{
	_cleanup_reply_ struct reply reply = {0};
	int64_t files = 0, bytes = 0, rate = 0;
	char line[256];
	int code = pairs_status(ctl, userdata, &reply);

	if (code != EXIT_OK)
		return code;
	for (size_t i = 0; i < get_count(reply.object, "statuses"); i++) {
		struct json_object *s = get_item(reply.object, "statuses", i);

		files += get_int(s, "files_pending");
		bytes += get_int(s, "bytes_pending");
		rate += get_int(s, "bytes_per_second");
	}
	if (files == 0)
		(void)snprintf(line, sizeof(line), "waiting ...");
	else if (rate > 0)
		(void)snprintf(line, sizeof(line), "%s %s to go, %s, %s, %s left", human_count(files).text,
			       files == 1 ? "file" : "files", human_size(bytes).text, human_rate(rate).text,
			       human_duration(bytes / rate + 1).text);
	else
		(void)snprintf(line, sizeof(line), "%s %s to go, %s", human_count(files).text,
			       files == 1 ? "file" : "files", human_size(bytes).text);
	live_line(ctl, line);
	return EXIT_OK;
}

static void show_waited(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	size_t late = 0;

	for (size_t i = 0; i < get_count(reply, "statuses"); i++) {
		struct json_object *s = get_item(reply, "statuses", i);
		const char *error = get_string(s, "last_error");

		if (get_bool(s, "in_sync"))
			continue;
		late++;
		ctl_note(ctl, STYLE_NONE, "cfctl: ", "%s is not in sync: %s, %s pending%s%s",
			 get_text(s, "name"), get_text(s, "state"),
			 human_count(get_int(s, "files_pending")).text, error ? ": " : "",
			 error ? error : "");
	}
	if (late == 0)
		out_done(ctl, "In sync.");
	else
		ctl_note(ctl, STYLE_DIM, "", "`cfctl sync status` says more.");
}

static int sync_wait(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	const char *name = args_word(args, 0);
	bool progress = ctl->err.cursor && !ctl->quiet && !ctl->json;
	struct call call = {
		.what = "wait for the pairs",
		.method = SYNC "Wait",
		.params = &params,
		.flags = CFIPC_DEDICATED,
		.userdata = (void *)(uintptr_t)name,
		.tick_ms = PROGRESS_MS,
		.on_tick = progress ? on_progress : NULL,
	};
	int64_t seconds = -1;
	int code = args_duration(ctl, args, "timeout", &seconds);

	params_init(&params);
	if (code != EXIT_OK)
		return code;
	params_string(&params, "name", name);
	if (seconds >= 0)
		params_int(&params, "timeout_seconds", seconds);
	code = ctl_run(ctl, &call, &reply);
	if (progress)
		live_line(ctl, "");
	if (code == EXIT_OK)
		code = out_reply(ctl, &reply, show_waited, NULL);
	return code != EXIT_OK ? code : pairs_exit_code(reply.object);
}

static const struct option status_options[] = {
	{"watch", 0, NULL, "go on showing it, until interrupted"},
	{"files", 0, NULL, "with --watch: each file, too, where the output is no terminal"},
	{NULL},
};
static const struct option wait_options[] = {
	{"timeout", 0, "TIME", "at most so long: 90, 90s, 15m"},
	{NULL},
};

const struct command sync_wait_commands[] = {
	{"sync", "status", "[NAME]", "how the pairs are doing",
	 "Exit status 7 when one is not in sync. With --watch a live view on a terminal, a line per change "
	 "elsewhere, one "
	 "JSON object per change with --json.",
	 status_options, sync_status},
	{"sync", "wait", "[NAME]", "returns when every change made before is on the server",
	 "Exit status 7 when that cannot be reached by itself (paused, held, offline, an error) or not in "
	 "time.",
	 wait_options, sync_wait},
	{NULL},
};
