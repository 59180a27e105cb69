/* Pairs and statuses as org.carbonfiles.sync writes them, and specs as it reads them. */
#include "ipc/sync.h"
#include "base/util.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *foreign_name(enum pair_foreign foreign)
{
	return foreign == PAIR_FOREIGN_REMOVE ? "remove" : "hold";
}

/* Fields of the interface that belong to later versions: refused, never accepted and ignored. */
static const char *const later_fields[] = {"conflicts", "include", "exclude", "upload_limit",
					   "download_limit"};

static const struct field spec_numbers[] = {
	{"settle_ms", FIELD_COUNT, offsetof(struct pair_spec, settle_ms)},
	{"rescan_seconds", FIELD_COUNT, offsetof(struct pair_spec, rescan_seconds)},
	{"max_deletes", FIELD_COUNT, offsetof(struct pair_spec, max_deletes)},
	{"max_delete_percent", FIELD_COUNT, offsetof(struct pair_spec, max_delete_percent)},
	{"rescue_bytes", FIELD_COUNT, offsetof(struct pair_spec, rescue_bytes)},
};

static const struct field change_numbers[] = {
	{"settle_ms", FIELD_COUNT, offsetof(struct pair_changes, settle_ms)},
	{"rescan_seconds", FIELD_COUNT, offsetof(struct pair_changes, rescan_seconds)},
	{"max_deletes", FIELD_COUNT, offsetof(struct pair_changes, max_deletes)},
	{"max_delete_percent", FIELD_COUNT, offsetof(struct pair_changes, max_delete_percent)},
	{"rescue_bytes", FIELD_COUNT, offsetof(struct pair_changes, rescue_bytes)},
};

static struct json_object *spec_object(const struct pair_spec *spec)
{
	_cleanup_free_ char *local_path = path_to_text(spec->local_path);
	struct reply r = reply_new();

	if (!local_path)
		r.failed = true;
	reply_string(&r, "name", spec->name);
	reply_string(&r, "profile", spec->profile);
	reply_string(&r, "bucket", spec->bucket ? spec->bucket : "");
	reply_string(&r, "remote_prefix",
		     spec->remote_prefix && spec->remote_prefix[0] ? spec->remote_prefix : NULL);
	reply_string(&r, "local_path", local_path);
	reply_string(&r, "mode", pair_mode_name(spec->mode));
	reply_string(&r, "foreign", foreign_name(spec->foreign));
	reply_bool(&r, "secrets", spec->secrets);
	reply_fields(&r, spec_numbers, ARRAY_SIZE(spec_numbers), spec);
	return reply_take(&r);
}

struct json_object *pair_object(const struct pair_spec *spec)
{
	struct reply r = reply_new();

	reply_string(&r, "name", spec->name);
	reply_add(&r, "spec", spec_object(spec));
	reply_bool(&r, "paused", spec->paused);
	reply_time(&r, "created_at", spec->created_at_ms ? spec->created_at_ms : 1);
	return reply_take(&r);
}

#define STATUS(field) offsetof(struct engine_status, field)
static const struct field status_fields[] = {
	{"name", FIELD_TEXT, STATUS(name)},
	{"state", FIELD_TEXT, STATUS(state)},
	{"in_sync", FIELD_BOOL, STATUS(in_sync)},
	{"files_total", FIELD_INT64, STATUS(files_total)},
	{"files_pending", FIELD_INT64, STATUS(files_pending)},
	{"files_skipped", FIELD_INT64, STATUS(files_skipped)},
	{"bytes_total", FIELD_INT64, STATUS(bytes_total)},
	{"bytes_pending", FIELD_INT64, STATUS(bytes_pending)},
	{"bytes_per_second", FIELD_INT64, STATUS(bytes_per_second)},
	{"deletes_held", FIELD_INT64, STATUS(deletes_held)},
	{"foreign_held", FIELD_INT64, STATUS(foreign_held)},
	{"conflicts", FIELD_INT64, STATUS(conflicts)},
	{"errors", FIELD_INT64, STATUS(errors)},
	{"watched_directories", FIELD_INT64, STATUS(watched_directories)},
	{"polled_directories", FIELD_INT64, STATUS(polled_directories)},
	{"bucket_expires_at", FIELD_STRING, STATUS(bucket_expires_at)},
};

struct json_object *status_object(const struct engine_status *status)
{
	struct reply r = reply_new();

	reply_fields(&r, status_fields, ARRAY_SIZE(status_fields), status);
	reply_string(&r, "last_error", status->last_error); /* may name a file */
	reply_time(&r, "last_sync_at", status->last_sync_ms);
	reply_time(&r, "last_full_check_at", status->last_full_check_ms);
	reply_time(&r, "paused_until", status->paused_until_ms);
	return reply_take(&r);
}

static int refuse_later(struct json_object *object, const char **ret_bad)
{
	for (size_t i = 0; i < ARRAY_SIZE(later_fields); i++)
		if (json_object_object_get(object, later_fields[i])) {
			*ret_bad = later_fields[i];
			return -EINVAL;
		}
	return 0;
}

/* pull and two_way are read by pair_mode_parse and carried out by a later version. */
static int read_mode(const char *text, enum pair_mode *ret_mode, const char **ret_bad)
{
	if (pair_mode_parse(text, ret_mode) >= 0 && (*ret_mode == PAIR_MIRROR || *ret_mode == PAIR_BACKUP))
		return 0;
	*ret_bad = "mode";
	return -EINVAL;
}

/* -1 is the word for the default, and nothing below it means anything: PAIR_KEEP is "not given" only here. */
static int check_numbers(struct json_object *object, const struct field *fields, size_t n,
			 const char **ret_bad)
{
	for (size_t i = 0; i < n; i++) {
		int64_t value;

		if (json_get_int64(object, fields[i].name, &value) > 0 && value < PAIR_DEFAULT) {
			*ret_bad = fields[i].name;
			return -EINVAL;
		}
	}
	return 0;
}

static int copy_string(struct json_object *object, const char *key, char **place)
{
	const char *text = NULL;

	if (json_get_string(object, key, &text) <= 0)
		return 0;
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*place);
	*place = copy;
	return 0;
}

static int read_spec(struct json_object *object, struct pair_spec *spec, const char **ret_bad)
{
	const char *mode = NULL, *foreign = NULL, *local_path = NULL;
	int r = refuse_later(object, ret_bad);

	json_get_string(object, "mode", &mode);
	if (r >= 0)
		r = read_mode(mode, &spec->mode, ret_bad);
	if (r >= 0)
		r = copy_string(object, "name", &spec->name);
	if (r >= 0)
		r = copy_string(object, "profile", &spec->profile);
	if (r >= 0)
		r = copy_string(object, "bucket", &spec->bucket);
	if (r >= 0)
		r = copy_string(object, "remote_prefix", &spec->remote_prefix);
	if (r < 0)
		return r;
	json_get_string(object, "local_path", &local_path);
	free(spec->local_path);
	spec->local_path = path_from_text(local_path);
	if (!spec->local_path)
		return -ENOMEM;
	if (json_get_string(object, "foreign", &foreign) > 0)
		spec->foreign = strcmp(foreign, "remove") == 0 ? PAIR_FOREIGN_REMOVE : PAIR_FOREIGN_HOLD;
	json_get_bool(object, "secrets", &spec->secrets);
	fields_read(object, spec_numbers, ARRAY_SIZE(spec_numbers), spec);
	return check_numbers(object, spec_numbers, ARRAY_SIZE(spec_numbers), ret_bad);
}

int spec_from_json(struct json_object *object, struct pair_spec **ret_spec, const char **ret_bad)
{
	struct pair_spec *spec = pair_spec_new();
	int r = spec ? read_spec(object, spec, ret_bad) : -ENOMEM;

	if (r < 0) {
		pair_spec_free(spec);
		return r;
	}
	*ret_spec = spec;
	return 0;
}

int changes_from_json(struct json_object *object, struct pair_changes *ret_changes, char **ret_local_path,
		      const char **ret_bad)
{
	struct pair_changes c = {.mode = PAIR_KEEP,
				 .foreign = PAIR_KEEP,
				 .secrets = PAIR_KEEP,
				 .settle_ms = PAIR_KEEP,
				 .rescan_seconds = PAIR_KEEP,
				 .max_deletes = PAIR_KEEP,
				 .max_delete_percent = PAIR_KEEP,
				 .rescue_bytes = PAIR_KEEP};
	const char *mode = NULL, *foreign = NULL, *local_path = NULL;
	enum pair_mode parsed;
	bool secrets;
	int r = refuse_later(object, ret_bad);

	if (r >= 0 && json_get_string(object, "mode", &mode) > 0) {
		r = read_mode(mode, &parsed, ret_bad);
		if (r >= 0)
			c.mode = (int)parsed;
	}
	json_get_string(object, "name", &c.name);
	json_get_string(object, "profile", &c.profile);
	json_get_string(object, "bucket", &c.bucket);
	json_get_string(object, "remote_prefix", &c.remote_prefix);
	fields_read(object, change_numbers, ARRAY_SIZE(change_numbers), &c);
	if (r >= 0)
		r = check_numbers(object, change_numbers, ARRAY_SIZE(change_numbers), ret_bad);
	if (json_get_string(object, "foreign", &foreign) > 0)
		c.foreign = strcmp(foreign, "remove") == 0 ? PAIR_FOREIGN_REMOVE : PAIR_FOREIGN_HOLD;
	if (json_get_bool(object, "secrets", &secrets) > 0)
		c.secrets = secrets;
	if (r >= 0 && json_get_string(object, "local_path", &local_path) > 0) {
		*ret_local_path = path_from_text(local_path);
		c.local_path = *ret_local_path;
		r = c.local_path ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	*ret_changes = c;
	return 0;
}

void sync_simple(struct ipc_call *call, int r, const char *name)
{
	if (r >= 0)
		reply_nothing(call);
	else if (r == -ENOMEM)
		ipc_call_no_memory(call);
	else if (r == -ENOENT)
		error_named(call, SYNC "NoSuchPair", "name", name);
	else {
		const struct engine_error error = {.kind = ENGINE_LOCAL, .code = r};

		error_engine(call, &error);
	}
}
