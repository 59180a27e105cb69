/* events, bucket watch: what happens on the server, live. */
#include "cfctl/events.h"
#include "cfctl/bucket.h"
#include "cfctl/human.h"
#include "cfctl/out.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum style style_of(const char *kind)
{
	static const struct {
		const char *kind;
		enum style style;
	} styles[] = {
		{"file_created", STYLE_GOOD},   {"bucket_created", STYLE_GOOD}, {"file_updated", STYLE_BUSY},
		{"bucket_updated", STYLE_BUSY}, {"file_deleted", STYLE_BAD},    {"bucket_deleted", STYLE_BAD},
		{"lost", STYLE_WARN},           {"disconnected", STYLE_WARN},
	};

	for (size_t i = 0; i < COUNT(styles); i++)
		if (strcmp(styles[i].kind, kind) == 0)
			return styles[i].style;
	return STYLE_DIM;
}

static void show_event(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct json_object *event = get_object(reply, "event"), *file = get_object(event, "file"),
			   *bucket = get_object(event, "bucket_info");
	const char *kind = get_text(event, "kind");
	_cleanup_free_ char *about = NULL;
	int n;

	if (file)
		n = asprintf(&about, "  %s  %s", get_text(event, "path"),
			     human_size(get_int(file, "size")).text);
	else if (has(event, "path"))
		n = asprintf(&about, "  %s", get_text(event, "path"));
	else if (bucket)
		n = asprintf(&about, "  %s", get_text(bucket, "name"));
	else if (has(event, "lost"))
		n = asprintf(&about, "  %s events were too many to tell: list again",
			     human_count(get_int(event, "lost")).text);
	else
		n = asprintf(&about, "%s", "");
	if (n < 0)
		about = NULL;
	out_line(ctl, style_of(kind), "%s  %-14s%s%s%s", human_time(get_text(event, "at")).text, kind,
		 has(event, "bucket") ? "  " : "", get_text(event, "bucket"), about ? about : "");
}

static int on_event(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	return out_reply(ctl, reply, show_event, NULL);
}

static int subscribe(struct ctl *ctl, struct params *params)
{
	struct call call = {
		.what = "listen",
		.method = REMOTE "Subscribe",
		.params = params,
		.flags = CFIPC_MORE,
		.on_reply = on_event,
	};

	params_string(params, "profile", ctl->profile);
	return ctl_run(ctl, &call, NULL);
}

static int add_item(struct json_object *array, struct json_object *item)
{
	if (item && json_object_array_add(array, item) == 0)
		return 0;
	json_object_put(item);
	return -1;
}

/* --bucket B, --file B PATH: names become ids here. */
static int add_subjects(struct ctl *ctl, const struct args *args, struct json_object *buckets,
			struct json_object *files)
{
	for (size_t i = 0; i < args->n_given; i++) {
		const struct given *given = &args->given[i];
		bool is_file = strcmp(given->option->name, "file") == 0;
		_cleanup_free_ char *id = NULL;
		int code, r;

		if (!is_file && strcmp(given->option->name, "bucket") != 0)
			continue;
		code = bucket_find(ctl, given->value, &id);
		if (code != EXIT_OK)
			return code;
		if (is_file) {
			_cleanup_params_ struct params file;

			params_init(&file);
			params_string(&file, "bucket", id);
			params_string(&file, "path", given->second);
			if (file.not_utf8)
				return ctl_usage(ctl, NULL, "a path of --file is not UTF-8");
			r = file.failed ? -1 : add_item(files, json_object_get(file.object));
		} else {
			r = add_item(buckets, json_object_new_string(id));
		}
		if (r < 0)
			return ctl_no_memory(ctl);
	}
	return EXIT_OK;
}

static int events(struct ctl *ctl, const struct args *args)
{
	struct json_object *buckets = json_object_new_array(), *files = json_object_new_array();
	bool all = args_has(args, "all");
	_cleanup_params_ struct params params;
	int code;

	params_init(&params);
	if (!buckets || !files)
		code = ctl_no_memory(ctl);
	else if (!all && !args_has(args, "bucket") && !args_has(args, "file"))
		code = ctl_usage(ctl, "Name some with --bucket and --file, or say --all.",
				 "events: of which buckets or files?");
	else
		code = add_subjects(ctl, args, buckets, files);
	if (code == EXIT_OK && json_object_array_length(buckets) > 0)
		params_object(&params, "buckets", json_object_get(buckets));
	if (code == EXIT_OK && json_object_array_length(files) > 0)
		params_object(&params, "files", json_object_get(files));
	params_true(&params, "all", all);
	if (code == EXIT_OK)
		code = subscribe(ctl, &params);
	json_object_put(buckets);
	json_object_put(files);
	return code;
}

int bucket_watch(struct ctl *ctl, const struct args *args)
{
	_cleanup_params_ struct params params;
	_cleanup_free_ char *id = NULL;
	const char *buckets[1];
	int code = bucket_find(ctl, args_word(args, 0), &id);

	params_init(&params);
	if (code != EXIT_OK)
		return code;
	buckets[0] = id;
	params_strings(&params, "buckets", buckets, COUNT(buckets));
	return subscribe(ctl, &params);
}

static const struct option events_options[] = {
	{"bucket", 0, "B", "what happens to this bucket and its files", true},
	{"file", 0, "B PATH", "what happens to this file of a bucket", true},
	{"all", 0, NULL, "everything on the server; for administrators"},
	{NULL},
};

const struct command events_commands[] = {
	{"events", NULL, NULL, "what happens on the server, live, until interrupted",
	 "A line per event. After lost or reconnected something may have happened unseen: list again.",
	 events_options, events},
	{NULL},
};
