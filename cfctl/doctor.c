/* doctor: what the daemon finds wrong, or worth knowing, and what to do about it. */
#include "cfctl/cmd.h"
#include "cfctl/out.h"
#include <string.h>

struct tally {
	size_t notes, warnings, problems;
};

static void show_findings(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	for (size_t i = 0; i < get_count(reply, "findings"); i++) {
		struct json_object *f = get_item(reply, "findings", i);
		const char *severity = get_text(f, "severity"), *subject = get_text(f, "subject");
		enum style style = strcmp(severity, "problem") == 0   ? STYLE_BAD
				   : strcmp(severity, "warning") == 0 ? STYLE_WARN
								      : STYLE_NONE;

		out_line(ctl, style, "%s: %s%s%s: %s", severity, get_text(f, "check"), *subject ? " " : "",
			 subject, get_text(f, "message"));
		if (has(f, "advice"))
			out_line(ctl, STYLE_DIM, "    %s", get_text(f, "advice"));
	}
}

static int on_findings(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct tally *tally = userdata;

	for (size_t i = 0; i < get_count(reply->object, "findings"); i++) {
		const char *severity = get_text(get_item(reply->object, "findings", i), "severity");

		if (strcmp(severity, "problem") == 0)
			tally->problems++;
		else if (strcmp(severity, "warning") == 0)
			tally->warnings++;
		else
			tally->notes++;
	}
	return out_reply(ctl, reply, show_findings, NULL);
}

static int doctor(struct ctl *ctl, const struct args *args)
{
	struct tally tally = {0};
	struct call call = {
		.what = "examine the daemon",
		.method = DAEMON "Diagnose",
		.flags = CFIPC_MORE,
		.on_reply = on_findings,
		.userdata = &tally,
	};
	int code = ctl_run(ctl, &call, NULL);

	if (code != EXIT_OK)
		return code;
	if (tally.problems + tally.warnings == 0)
		out_done(ctl, "Nothing wrong was found.");
	else
		out_done(ctl, "%zu %s, %zu %s.", tally.problems, tally.problems == 1 ? "problem" : "problems",
			 tally.warnings, tally.warnings == 1 ? "warning" : "warnings");
	return tally.problems > 0 ? EXIT_FAILED : EXIT_OK;
}

const struct command doctor_commands[] = {
	{"doctor", NULL, NULL, "looks for what is wrong or could go wrong",
	 "Socket, server, credential, clock, watches, limits, secrets in the trees, files that can be torn "
	 "while they are "
	 "read (databases, disk images). Each finding says what to do. Exit status 1 when one of them is a "
	 "problem.",
	 NULL, doctor},
	{NULL},
};
