/* libdriver DIRECTORY: every typed function of libcfipc against a real daemon, in both forms. Prints a line
 * for each: "lib-blocking remote.GetFile ok", or "missing" where the daemon does not implement the method, or
 * "failed" and why. The daemon is that of $CARBONFILESD_SOCKET, its active profile an admin's; $CF_URL and
 * $CF_KEY are its server. */
#include "libcfipc/cfipc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static cfipc_client *c;
static bool waiting; /* which form */
static const char *directory;
/* Of the last call. */
static int result;
static cfipc_error *error;
static int failures;

static int keep(cfipc_op *op, void *object, const cfipc_error *failed, unsigned flags, void *userdata)
{
	void **kept = userdata;

	if (!object)
		return 0;
	cfipc_unref(*kept);
	*kept = cfipc_ref(object);
	return 0;
}

static int finish(cfipc_op *op, int r)
{
	if (r >= 0)
		r = cfipc_op_wait(op, -1);
	if (op)
		error = cfipc_error_copy(cfipc_op_get_error(op));
	cfipc_op_unref(op);
	return r;
}

#define UNPACK(...) __VA_ARGS__
#define CALL(function, arguments, object)                                                                    \
	do {                                                                                                 \
		error = cfipc_error_free(error);                                                             \
		object = cfipc_unref(object);                                                                \
		if (waiting) {                                                                               \
			result = function(c, UNPACK arguments & object, &error);                             \
		} else {                                                                                     \
			cfipc_op *op = NULL;                                                                 \
			void *kept = NULL;                                                                   \
                                                                                                             \
			result = function##_async(c, &op, UNPACK arguments keep, &kept);                     \
			result = finish(op, result);                                                         \
			object = kept;                                                                       \
		}                                                                                            \
	} while (0)
#define CALL_VOID(function, arguments)                                                                       \
	do {                                                                                                 \
		error = cfipc_error_free(error);                                                             \
		if (waiting) {                                                                               \
			result = function(c, UNPACK arguments & error);                                      \
		} else {                                                                                     \
			cfipc_op *op = NULL;                                                                 \
			void *kept = NULL;                                                                   \
                                                                                                             \
			result = function##_async(c, &op, UNPACK arguments keep, &kept);                     \
			result = finish(op, result);                                                         \
			cfipc_unref(kept);                                                                   \
		}                                                                                            \
	} while (0)

static void report(const char *operation, bool right, const char *condition)
{
	const char *form = waiting ? "lib-blocking" : "lib-async";

	if (cfipc_error_code(error) == CFIPC_ERROR_METHOD_NOT_IMPLEMENTED) {
		printf("%s %s missing\n", form, operation);
	} else if (right) {
		printf("%s %s ok\n", form, operation);
	} else {
		failures++;
		printf("%s %s failed: %d %s (%s)\n", form, operation, result,
		       error ? cfipc_error_message(error) : "", condition);
	}
	fflush(stdout);
}
/* What the last call must have given; a sentence about it in C. */
#define WANT(operation, condition)  report(operation, result == 0 && (condition), #condition)
#define WANT_ERROR(operation, code) report(operation, cfipc_error_code(error) == (code), #code)

static const char *text(const char *given)
{
	return given ? given : "";
}

static bool is(const char *given, const char *wanted)
{
	return strcmp(text(given), wanted) == 0;
}

static const char *in(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static int make(const char *name, const char *content)
{
	int fd = open(in(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, content, strlen(content)) < 0)
		perror(in(name));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static bool holds(const char *name, const char *wanted)
{
	char got[256] = "";
	int fd = open(in(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got) - 1);

	if (fd >= 0)
		close(fd);
	return n >= 0 && strcmp(got, wanted) == 0;
}

static void profiles(void)
{
	cfipc_profile *profile = NULL;
	cfipc_list *list = NULL;
	cfipc_profile_options change;
	cfipc_login_options login;
	cfipc_health_info *health = NULL;
	cfipc_server_stats *stats = NULL;

	cfipc_login_options_init(&login, sizeof(login));
	login.url = getenv("CF_URL");
	login.secret = getenv("CF_KEY");
	CALL(cfipc_login, ("extra", &login, ), profile);
	WANT("remote.Login", is(cfipc_profile_role(profile), "admin"));
	login.secret = "wrong";
	CALL(cfipc_login, ("extra", &login, ), profile);
	WANT_ERROR("remote.Login", CFIPC_ERROR_ACCESS_DENIED);
	cfipc_profile_options_init(&change, sizeof(change));
	change.new_name = "other";
	CALL(cfipc_profile_set, ("extra", &change, ), profile);
	WANT("remote.SetProfile",
	     is(cfipc_profile_name(profile), "other") && cfipc_profile_active(profile) == 0);
	change.new_name = "extra";
	CALL(cfipc_profile_set, ("other", &change, ), profile);
	WANT("remote.SetProfile", is(cfipc_profile_name(profile), "extra"));
	CALL(cfipc_profile_get, (NULL, ), profile);
	WANT("remote.GetProfile", cfipc_profile_active(profile) == 1);
	CALL(cfipc_profiles_list, (), list);
	WANT("remote.ListProfiles", cfipc_list_count(list) == 2);
	CALL(cfipc_health, ("extra", ), health);
	WANT("remote.GetHealth", is(cfipc_health_info_status(health), "healthy"));
	CALL(cfipc_stats, (NULL, ), stats);
	WANT("remote.GetStats", cfipc_server_stats_total_buckets(stats) >= 1);
	CALL_VOID(cfipc_logout, ("extra", ));
	WANT("remote.Logout", true);
	CALL_VOID(cfipc_profile_remove, ("extra", ));
	WANT("remote.RemoveProfile", true);
	CALL(cfipc_profile_get, ("extra", ), profile);
	WANT_ERROR("remote.GetProfile", CFIPC_ERROR_NO_SUCH_PROFILE);
	cfipc_unref(profile);
	cfipc_unref(list);
	cfipc_unref(health);
	cfipc_unref(stats);
}

static void uploads(const char *id)
{
	cfipc_file *file = NULL;
	int fd = make("source", "from a descriptor");

	CALL(cfipc_upload_fd, (NULL, id, "d/fd", fd, NULL, ), file);
	WANT("remote.Upload", cfipc_file_size(file) == 17);
	close(fd);
	CALL(cfipc_upload_path, (NULL, id, "d/\xc3\xbc b", in("source"), NULL, ), file);
	WANT("remote.Upload", is(cfipc_file_path(file), "d/\xc3\xbc b"));
	CALL(cfipc_upload_data, (NULL, id, "data", "12345", 5, NULL, ), file);
	WANT("remote.Upload", cfipc_file_size(file) == 5);
	CALL(cfipc_append_data, (NULL, id, "data", "678", 3, NULL, ), file);
	WANT("remote.AppendFile", cfipc_file_size(file) == 8);
	fd = make("more", "9");
	CALL(cfipc_append_fd, (NULL, id, "data", fd, NULL, ), file);
	WANT("remote.AppendFile", cfipc_file_size(file) == 9);
	CALL(cfipc_append_path, (NULL, id, "data", in("more"), NULL, ), file);
	WANT("remote.AppendFile", cfipc_file_size(file) == 10);
	CALL(cfipc_patch_data, (NULL, id, "data", 0, "ab", 2, NULL, ), file);
	WANT("remote.PatchFile", cfipc_file_size(file) == 10);
	lseek(fd, 0, SEEK_SET);
	CALL(cfipc_patch_fd, (NULL, id, "data", 2, fd, NULL, ), file);
	WANT("remote.PatchFile", cfipc_file_size(file) == 10);
	CALL(cfipc_patch_path, (NULL, id, "data", 10, in("more"), NULL, ), file);
	WANT("remote.PatchFile", cfipc_file_size(file) == 11);
	close(fd);
	cfipc_unref(file);
}

static const char patched[] = "ab945678999"; /* what uploads() leaves in "data" */

static void downloads(const char *id)
{
	cfipc_downloaded *down = NULL;
	cfipc_transfer_options options;
	int fd = make("sink", "");
	size_t size = 0;

	CALL(cfipc_download_fd, (NULL, id, "data", fd, NULL, ), down);
	WANT("remote.Download", cfipc_downloaded_bytes(down) == 11 && holds("sink", patched));
	close(fd);
	unlink(in("target"));
	CALL(cfipc_download_path, (NULL, id, "data", in("target"), NULL, ), down);
	WANT("remote.Download", holds("target", patched));
	CALL(cfipc_download_path, (NULL, id, "data", in("target"), NULL, ), down);
	WANT_ERROR("remote.Download", CFIPC_ERROR_LOCAL);
	CALL(cfipc_download_data, (NULL, id, "data", 100, NULL, ), down);
	const char *data = cfipc_downloaded_data(down, &size);

	WANT("remote.Download", size == 11 && memcmp(data, patched, 11) == 0);
	cfipc_transfer_options_init(&options, sizeof(options));
	options.if_sha256 = cfipc_file_sha256(cfipc_downloaded_file(down));
	options.overwrite = 1;
	cfipc_downloaded *again = NULL;

	CALL(cfipc_download_path, (NULL, id, "data", in("target"), &options, ), again);
	WANT("remote.Download", cfipc_downloaded_unchanged(again) == 1 && holds("target", patched));
	cfipc_transfer_options_init(&options, sizeof(options));
	options.offset = 2;
	options.length = 3;
	CALL(cfipc_download_data, (NULL, id, "data", 100, &options, ), again);
	data = cfipc_downloaded_data(again, &size);
	WANT("remote.Download", size == 3 && memcmp(data, "945", 3) == 0);
	CALL(cfipc_download_data, (NULL, id, "data", 10, NULL, ), again);
	report("remote.Download", result == -EFBIG, "-EFBIG");
	fd = make("zip", "");
	CALL(cfipc_bucket_zip_fd, (NULL, id, fd, NULL, ), again);
	WANT("remote.DownloadZip", cfipc_downloaded_bytes(again) > 100);
	close(fd);
	unlink(in("target"));
	CALL(cfipc_bucket_zip_path, (NULL, id, in("target"), NULL, ), again);
	WANT("remote.DownloadZip", cfipc_downloaded_bytes(again) > 100);
	unlink(in("target"));
	CALL(cfipc_download_data, (NULL, id, "none", 10, NULL, ), again);
	WANT_ERROR("remote.Download", CFIPC_ERROR_NOT_FOUND);
	cfipc_unref(again);
	cfipc_unref(down);
}

static void files(const char *id)
{
	cfipc_list *list = NULL;
	cfipc_tree *tree = NULL;
	cfipc_folder *folder = NULL;
	cfipc_file *file = NULL;
	cfipc_file_link *link = NULL;
	cfipc_verification *verified = NULL;
	cfipc_short_target *target = NULL;
	cfipc_list_options page;

	cfipc_list_options_init(&page, sizeof(page));
	page.limit = 1;
	CALL(cfipc_file_list, (NULL, id, NULL, ), list);
	if (waiting)
		WANT("remote.ListFiles", cfipc_list_count(list) == 3);
	CALL(cfipc_file_list, (NULL, id, &page, ), list);
	WANT("remote.ListFiles", cfipc_list_count(list) == 1 && cfipc_list_total(list) == 3);
	CALL(cfipc_file_tree, (NULL, id, NULL, ), tree);
	WANT("remote.ListTree", cfipc_list_count(cfipc_tree_directories(tree)) == 1);
	CALL(cfipc_file_dir, (NULL, id, "d", NULL, ), folder);
	WANT("remote.ListDirectory", cfipc_list_count(cfipc_folder_files(folder)) == 2);
	CALL(cfipc_file_get, (NULL, id, "d/\xc3\xbc b", ), file);
	WANT("remote.GetFile", cfipc_file_size(file) == 17);
	CALL(cfipc_file_get, (NULL, id, "none", ), file);
	WANT_ERROR("remote.GetFile", CFIPC_ERROR_NOT_FOUND);
	CALL(cfipc_file_url, (NULL, id, "data", ), link);
	WANT("remote.GetFileUrl", strncmp(text(cfipc_file_link_url(link)), "http://", 7) == 0);
	CALL(cfipc_file_verify, (NULL, id, "data", ), verified);
	WANT("remote.VerifyFile", cfipc_verification_valid(verified) == 1);
	CALL(cfipc_file_get, (NULL, id, "data", ), file);
	CALL(cfipc_short_resolve, (NULL, cfipc_file_short_code(file), ), target);
	WANT("remote.ResolveShortUrl", is(cfipc_short_target_path(target), "data"));
	CALL_VOID(cfipc_short_delete, (NULL, cfipc_file_short_code(file), ));
	WANT("remote.DeleteShortUrl", true);
	CALL(cfipc_transfer_list, (), list);
	WANT("remote.ListTransfers", cfipc_list_count(list) == 0);
	CALL_VOID(cfipc_transfer_cancel, ("t999", ));
	WANT_ERROR("remote.CancelTransfer", CFIPC_ERROR_NO_SUCH_TRANSFER);
	CALL_VOID(cfipc_file_delete, (NULL, id, "data", ));
	WANT("remote.DeleteFile", true);
	cfipc_unref(list);
	cfipc_unref(tree);
	cfipc_unref(folder);
	cfipc_unref(file);
	cfipc_unref(link);
	cfipc_unref(verified);
	cfipc_unref(target);
}

static void access_of(const char *id)
{
	cfipc_upload_token *token = NULL;
	cfipc_new_api_key *key = NULL;
	cfipc_key_usage *usage = NULL;
	cfipc_dashboard_token *dashboard = NULL, *about = NULL;
	cfipc_list *list = NULL;
	cfipc_transfer_options options;
	cfipc_file *file = NULL;

	CALL(cfipc_upload_token_create, (NULL, id, "1h", 2, ), token);
	WANT("remote.CreateUploadToken", cfipc_upload_token_max_uploads(token) == 2);
	cfipc_transfer_options_init(&options, sizeof(options));
	options.upload_token = cfipc_upload_token_token(token);
	CALL(cfipc_upload_data, (NULL, id, "by token", "x", 1, &options, ), file);
	WANT("remote.Upload", cfipc_file_size(file) == 1);
	CALL(cfipc_api_key_create, (NULL, "lib", ), key);
	WANT("remote.CreateApiKey", cfipc_new_api_key_key(key) != NULL);
	CALL(cfipc_api_key_list, (NULL, NULL, ), list);
	WANT("remote.ListApiKeys", cfipc_list_count(list) >= 1);
	CALL(cfipc_api_key_usage, (NULL, cfipc_new_api_key_prefix(key), ), usage);
	WANT("remote.GetApiKeyUsage", is(cfipc_api_key_name(cfipc_key_usage_key(usage)), "lib"));
	CALL_VOID(cfipc_api_key_delete, (NULL, cfipc_new_api_key_prefix(key), ));
	WANT("remote.DeleteApiKey", true);
	CALL(cfipc_dashboard_token_create, (NULL, "1h", ), dashboard);
	WANT("remote.CreateDashboardToken", cfipc_dashboard_token_token(dashboard) != NULL);
	CALL(cfipc_dashboard_token_get, (NULL, cfipc_dashboard_token_token(dashboard), ), about);
	WANT("remote.GetDashboardToken", is(cfipc_dashboard_token_scope(about), "admin"));
	cfipc_unref(token);
	cfipc_unref(key);
	cfipc_unref(usage);
	cfipc_unref(dashboard);
	cfipc_unref(about);
	cfipc_unref(list);
	cfipc_unref(file);
}

static void buckets(void)
{
	cfipc_bucket *bucket = NULL;
	cfipc_bucket_view *view = NULL;
	cfipc_bucket_options options;
	cfipc_list *list = NULL;
	cfipc_text *summary = NULL;
	char id[64];

	cfipc_bucket_options_init(&options, sizeof(options));
	options.description = "of the library";
	CALL(cfipc_bucket_create, (NULL, "lib", &options, ), bucket);
	WANT("remote.CreateBucket", is(cfipc_bucket_description(bucket), "of the library"));
	snprintf(id, sizeof(id), "%s", text(cfipc_bucket_id(bucket)));
	CALL(cfipc_bucket_list, (NULL, NULL, ), list);
	WANT("remote.ListBuckets", cfipc_list_count(list) >= 1);
	uploads(id);
	downloads(id);
	files(id);
	access_of(id);
	CALL(cfipc_bucket_get, (NULL, id, ), bucket);
	WANT("remote.GetBucket", is(cfipc_bucket_name(bucket), "lib"));
	CALL(cfipc_bucket_get_with_files, (NULL, id, ), view);
	WANT("remote.GetBucket", cfipc_list_count(cfipc_bucket_view_files(view)) == 3);
	options.name = "renamed";
	CALL(cfipc_bucket_update, (NULL, id, &options, ), bucket);
	WANT("remote.UpdateBucket", is(cfipc_bucket_name(bucket), "renamed"));
	CALL(cfipc_bucket_summary, (NULL, id, ), summary);
	WANT("remote.GetBucketSummary", strlen(text(cfipc_text_get(summary))) > 0);
	CALL_VOID(cfipc_bucket_delete, (NULL, id, ));
	WANT("remote.DeleteBucket", true);
	CALL(cfipc_bucket_get, (NULL, id, ), bucket);
	WANT_ERROR("remote.GetBucket", CFIPC_ERROR_NOT_FOUND);
	cfipc_unref(bucket);
	cfipc_unref(view);
	cfipc_unref(list);
	cfipc_unref(summary);
}

static int first_only(cfipc_op *op, void *object, const cfipc_error *failed, unsigned flags, void *userdata)
{
	*(int *)userdata += object != NULL;
	return -1;
}

/* A stream has one form; waiting for it is the other. */
static void watch_pairs(void)
{
	cfipc_op *op = NULL;
	int seen = 0;

	error = cfipc_error_free(error);
	result = cfipc_sync_watch(c, &op, NULL, 0, first_only, &seen);
	result = finish(op, result);
	report("sync.Watch", seen == 1 && result == -ECANCELED, "the status of a pair");
}

static void pairs(void)
{
	cfipc_changed_pair *changed = NULL;
	cfipc_sync_options options;
	cfipc_sync_spec spec;
	cfipc_pair *pair = NULL;
	cfipc_pair_status *status = NULL;
	cfipc_plan *plan = NULL;
	cfipc_list *list = NULL;
	char root[512], bucket[64];

	snprintf(root, sizeof(root), "%s", in(waiting ? "root1" : "root2"));
	mkdir(root, 0755);
	snprintf(bucket, sizeof(bucket), "lib-%d", waiting);
	close(make(waiting ? "root1/a" : "root2/a", "content"));
	cfipc_sync_spec_init(&spec, sizeof(spec));
	cfipc_sync_options_init(&options, sizeof(options));
	spec.name = "lib";
	spec.bucket = bucket;
	spec.local_path = root;
	spec.mode = "mirror";
	options.create_bucket = 1;
	CALL(cfipc_sync_add, (&spec, &options, ), changed);
	WANT("sync.Add", is(cfipc_pair_name(cfipc_changed_pair_pair(changed)), "lib"));
	CALL(cfipc_sync_wait, ("lib", 20, ), list);
	WANT("sync.Wait", cfipc_pair_status_in_sync(cfipc_list_at(list, 0)) == 1);
	CALL(cfipc_sync_list, (NULL, ), list);
	WANT("sync.List", cfipc_list_count(list) >= 1);
	CALL(cfipc_sync_get, ("lib", ), pair);
	WANT("sync.Get", is(cfipc_spec_local_path(cfipc_pair_spec(pair)), root));
	CALL(cfipc_sync_status, ("lib", ), list);
	WANT("sync.GetStatus", cfipc_pair_status_files_total(cfipc_list_at(list, 0)) == 1);
	CALL_VOID(cfipc_sync_pause, ("lib", -1, ));
	WANT("sync.Pause", true);
	CALL_VOID(cfipc_sync_resume, ("lib", ));
	WANT("sync.Resume", true);
	cfipc_sync_spec_init(&spec, sizeof(spec));
	spec.max_deletes = 5;
	CALL(cfipc_sync_update, ("lib", &spec, NULL, ), changed);
	WANT("sync.Update", cfipc_spec_max_deletes(cfipc_pair_spec(cfipc_changed_pair_pair(changed))) == 5);
	CALL(cfipc_sync_rescan, ("lib", NULL, 0, 0, ), status);
	WANT("sync.Rescan", is(cfipc_pair_status_name(status), "lib"));
	CALL(cfipc_sync_rescan, ("lib", NULL, 1, 1, ), status);
	WANT("sync.Rescan", is(cfipc_pair_status_name(status), "lib"));
	CALL(cfipc_sync_plan, ("lib", NULL, ), plan);
	WANT("sync.Plan", cfipc_plan_uploads(plan) == 0);
	CALL(cfipc_sync_held, ("lib", ), list);
	WANT("sync.ListHeld", cfipc_list_count(list) == 0);
	CALL(cfipc_sync_skipped, (NULL, ), list);
	WANT("sync.ListSkipped", cfipc_list_count(list) == 0);
	CALL(cfipc_sync_history, ("lib", NULL, 10, ), list);
	WANT("sync.ListHistory", cfipc_list_count(list) >= 1);
	cfipc_number *number = NULL;
	const char *const paths[] = {"a", NULL}, *const files_of[] = {in(waiting ? "root1/a" : "root2/a"),
								      NULL};

	CALL(cfipc_sync_path_states, (files_of, ), list);
	WANT("sync.GetPathStates", is(cfipc_path_state_state(cfipc_list_at(list, 0)), "synced"));
	CALL(cfipc_sync_test_ignore, ("lib", paths, ), list);
	WANT("sync.TestIgnore", cfipc_ignore_state_ignored(cfipc_list_at(list, 0)) == 0);
	CALL(cfipc_sync_confirm, ("lib", NULL, ), number);
	WANT_ERROR("sync.ConfirmDeletes", CFIPC_ERROR_NOTHING_HELD);
	CALL(cfipc_sync_restore, ("lib", NULL, ), number);
	WANT_ERROR("sync.ConfirmDeletes", CFIPC_ERROR_NOTHING_HELD);
	CALL(cfipc_sync_conflicts, ("lib", ), list);
	WANT("sync.ListConflicts", cfipc_list_count(list) == 0);
	CALL_VOID(cfipc_sync_resolve, ("none", "keep_both", ));
	WANT_ERROR("sync.ResolveConflict", CFIPC_ERROR_NO_SUCH_CONFLICT);
	watch_pairs();
	CALL_VOID(cfipc_sync_remove, ("lib", ));
	WANT("sync.Remove", true);
	CALL(cfipc_sync_get, ("lib", ), pair);
	WANT_ERROR("sync.Get", CFIPC_ERROR_NO_SUCH_PAIR);
	cfipc_unref(number);
	cfipc_unref(changed);
	cfipc_unref(pair);
	cfipc_unref(status);
	cfipc_unref(plan);
	cfipc_unref(list);
}

static void the_daemon(void)
{
	cfipc_daemon_info *info = NULL;
	cfipc_daemon_state *state = NULL;
	cfipc_reloaded *reloaded = NULL;
	cfipc_list *list = NULL;
	cfipc_text *word = NULL;
	const char *const keys[] = {"log_level", NULL}, *const values[] = {"log_level", "debug", NULL};
	const char *const wrong[] = {"log_level", "loud", NULL};

	CALL(cfipc_daemon_version, (), info);
	WANT("daemon.GetVersion", is(cfipc_daemon_info_version(info), cfipc_version()));
	CALL(cfipc_daemon_status, (), state);
	WANT("daemon.GetStatus", is(cfipc_daemon_state_mode(state), "user"));
	CALL(cfipc_daemon_reload, (), reloaded);
	WANT("daemon.Reload", cfipc_reloaded_changed(reloaded) != NULL);
	CALL(cfipc_config_get, (keys, ), list);
	WANT("daemon.GetConfig", is(cfipc_setting_key(cfipc_list_at(list, 0)), "log_level"));
	CALL(cfipc_config_set, (values, 0, ), reloaded);
	WANT("daemon.SetConfig", cfipc_reloaded_restart_needed(reloaded) != NULL);
	CALL(cfipc_config_set, (wrong, 0, ), reloaded);
	WANT_ERROR("daemon.SetConfig", CFIPC_ERROR_INVALID_SETTING);
	CALL_VOID(cfipc_log_level_set, ("info", -1, ));
	WANT("daemon.SetLogLevel", true);
	CALL(cfipc_log_level_get, (), word);
	WANT("daemon.GetLogLevel", is(cfipc_text_get(word), "info"));
	CALL(cfipc_daemon_diagnose, (), list);
	WANT("daemon.Diagnose", list != NULL);
	CALL(cfipc_daemon_metrics, (), word);
	WANT("daemon.GetMetrics", strstr(text(cfipc_text_get(word)), "# EOF") != NULL);
	cfipc_unref(info);
	cfipc_unref(state);
	cfipc_unref(reloaded);
	cfipc_unref(list);
	cfipc_unref(word);
}

static void streams(void)
{
	cfipc_subscribe_options options;
	cfipc_op *op = NULL;
	int seen;

	seen = 0;
	error = cfipc_error_free(error);
	result = cfipc_daemon_watch(c, &op, first_only, &seen);
	result = finish(op, result);
	report("daemon.Watch", seen == 1 && result == -ECANCELED, "first reply");
	seen = 0;
	error = cfipc_error_free(error);
	cfipc_subscribe_options_init(&options, sizeof(options));
	options.all = 1;
	result = cfipc_subscribe(c, &op, NULL, &options, first_only, &seen);
	result = finish(op, result);
	report("remote.Subscribe", seen == 1 && result == -ECANCELED, "first reply");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	directory = argv[1];
	if (cfipc_client_new(&c, NULL) < 0)
		return 3;
	for (int form = 1; form >= 0; form--) {
		waiting = form;
		profiles();
		buckets();
		pairs();
		the_daemon();
		streams();
	}
	cfipc_error_free(error);
	cfipc_client_unref(c);
	return failures > 0;
}
