/* The typed functions of libcfipc: what each sends, byte for byte, in both forms, and what it gives. The peer
 * holds requests and scripted replies to the interface texts, and the last test to the list of methods. */
#include "tests/unit/cfipc_peer.h"

#define DAEMON "org.carbonfiles.daemon."
#define SYNC   "org.carbonfiles.sync."
#define REMOTE "org.carbonfiles.remote."

#define FILE_JSON                                                                                            \
	"{\"path\":\"a/b\",\"name\":\"b\",\"size\":7,\"mime_type\":\"text/plain\",\"created_at\":\"t\","     \
	"\"updated_at\":\"u\"}"
#define BUCKET_JSON                                                                                          \
	"{\"id\":\"B1\",\"name\":\"n\",\"owner\":\"o\",\"created_at\":\"t\",\"file_count\":3,\"total_"       \
	"size\":9}"
#define PROFILE_JSON                                                                                         \
	"{\"name\":\"p\",\"url\":\"http://h\",\"auth\":\"api_key\",\"role\":\"owner\",\"active\":true,"      \
	"\"state\":\"ready\"}"
#define KEY_JSON                                                                                             \
	"{\"prefix\":\"cf4_x\",\"name\":\"k\",\"created_at\":\"t\",\"bucket_count\":1,\"file_count\":2,"     \
	"\"total_size\":3}"
#define PAGE_JSON "\"page\":{\"total\":2,\"limit\":1,\"offset\":1}"
#define STATUS_JSON                                                                                          \
	"{\"name\":\"docs\",\"state\":\"idle\",\"in_sync\":true,\"files_total\":1,\"files_pending\":0,"      \
	"\"files_skipped\":0,\"bytes_total\":2,\"bytes_pending\":0,\"bytes_per_second\":0,"                  \
	"\"deletes_held\":0,\"foreign_held\":0,\"conflicts\":0,\"errors\":0,\"watched_directories\":1,"      \
	"\"polled_directories\":0}"
#define SPEC_JSON "{\"bucket\":\"B1\",\"local_path\":\"/d\",\"mode\":\"mirror\"}"
#define PAIR_JSON "{\"name\":\"docs\",\"spec\":" SPEC_JSON ",\"paused\":false,\"created_at\":\"t\"}"

static cfipc_client *c;
static cfipc_error *error;
static char asked[256][64];
static unsigned n_asked;

static void set_up(void)
{
	peer_start();
	c = peer_client();
}

static void tear_down(void)
{
	cfipc_client_unref(c);
	peer_stop();
}

struct seen {
	unsigned results, finals;
	int code;
	char last[2048];
};

static int note(cfipc_op *op, void *result, const cfipc_error *failed, unsigned flags, void *userdata)
{
	struct seen *seen = userdata;

	ck_assert(!result != !failed);
	ck_assert_int_eq((int)seen->finals, 0);
	seen->results++;
	seen->finals += !(flags & CFIPC_CONTINUES);
	seen->code = cfipc_error_code(failed);
	snprintf(seen->last, sizeof(seen->last), "%s",
		 result ? cfipc_json(result) : cfipc_error_message(failed));
	return 0;
}

static void check_request(const char *method, bool more, const char *parameters)
{
	pthread_mutex_lock(&peer.lock);
	ck_assert_str_eq(peer.method, method);
	ck_assert_str_eq(peer.parameters, parameters);
	ck_assert_int_eq(peer.more, more);
	ck_assert_msg(!peer.problem[0], "%s", peer.problem);
	ck_assert_uint_lt(n_asked, 256);
	snprintf(asked[n_asked++], sizeof(asked[0]), "%s", method);
	pthread_mutex_unlock(&peer.lock);
}

static void check_async(const char *what, int r, cfipc_op *op, struct seen *seen)
{
	ck_assert_msg(r == 0, "%s_async: %d", what, r);
	ck_assert_msg(seen->results == 0, "%s_async calls back from inside", what);
	ck_assert_msg(cfipc_op_wait(op, -1) == 0, "%s_async: %s", what, seen->last);
	ck_assert_int_eq((int)seen->finals, 1);
	cfipc_op_unref(op);
}

#define EMPTY
#define UNPACK(...) __VA_ARGS__
/* Both forms of a function, with the same arguments (each with a comma behind it), send `method` with
 * `parameters`; replied `reply`, they give `result`, as JSON. */
#define BOTH(function, type, arguments, asked_for, more, parameters, reply, result)                          \
	do {                                                                                                 \
		type *given = NULL;                                                                          \
		struct seen seen = {0};                                                                      \
		cfipc_op *op = NULL;                                                                         \
                                                                                                             \
		PEER_SAYS(reply);                                                                            \
		int r = function(c, UNPACK arguments & given, &error);                                       \
                                                                                                             \
		ck_assert_msg(r == 0, #function ": %s", cfipc_error_message(error));                         \
		check_request(asked_for, more, parameters);                                                  \
		ck_assert_str_eq(cfipc_json(given), result);                                                 \
		cfipc_unref(given);                                                                          \
		ck_assert_int_eq(function(c, UNPACK arguments NULL, NULL), 0);                               \
		pthread_mutex_lock(&peer.lock);                                                              \
		peer.method[0] = 0;                                                                          \
		pthread_mutex_unlock(&peer.lock);                                                            \
		r = function##_async(c, &op, UNPACK arguments note, &seen);                                  \
		check_async(#function, r, op, &seen);                                                        \
		check_request(asked_for, more, parameters);                                                  \
		ck_assert_str_eq(seen.last, result);                                                         \
	} while (0)
/* The same for functions without a result. */
#define BOTH_VOID(function, arguments, asked_for, parameters)                                                \
	do {                                                                                                 \
		struct seen seen = {0};                                                                      \
		cfipc_op *op = NULL;                                                                         \
                                                                                                             \
		PEER_SAYS("{}");                                                                             \
		int r = function(c, UNPACK arguments & error);                                               \
                                                                                                             \
		ck_assert_msg(r == 0, #function ": %s", cfipc_error_message(error));                         \
		check_request(asked_for, false, parameters);                                                 \
		r = function##_async(c, &op, UNPACK arguments note, &seen);                                  \
		check_async(#function, r, op, &seen);                                                        \
		check_request(asked_for, false, parameters);                                                 \
	} while (0)

static void ask_profiles(void)
{
	cfipc_profile_options change;
	cfipc_login_options login;

	cfipc_profile_options_init(&change, sizeof(change));
	change.new_name = "q";
	change.active = 1;
	cfipc_login_options_init(&login, sizeof(login));
	login.url = "http://h";
	login.verify = 0;
	BOTH(cfipc_profiles_list, cfipc_list, (), REMOTE "ListProfiles", false, "{}",
	     "{\"profiles\":[" PROFILE_JSON "]}", "{\"profiles\":[" PROFILE_JSON "]}");
	BOTH(cfipc_profile_get, cfipc_profile, (NULL, ), REMOTE "GetProfile", false, "{}",
	     "{\"profile\":" PROFILE_JSON "}", PROFILE_JSON);
	BOTH(cfipc_profile_set, cfipc_profile, ("p", &change, ), REMOTE "SetProfile", false,
	     "{\"name\":\"p\",\"new_name\":\"q\",\"active\":true}", "{\"profile\":" PROFILE_JSON "}",
	     PROFILE_JSON);
	BOTH(cfipc_login, cfipc_profile, ("p", &login, ), REMOTE "Login", false,
	     "{\"profile\":\"p\",\"url\":\"http://h\",\"verify\":false}", "{\"profile\":" PROFILE_JSON "}",
	     PROFILE_JSON);
	login.secret = "hush";
	BOTH(cfipc_login, cfipc_profile, ("p", &login, ), REMOTE "Login", false,
	     "{\"profile\":\"p\",\"url\":\"http://h\",\"verify\":false,\"secret_fd\":0}",
	     "{\"profile\":" PROFILE_JSON "}", PROFILE_JSON);
	ck_assert_int_eq(peer.read_len, 4);
	ck_assert_mem_eq(peer.read, "hush", 4);
	BOTH_VOID(cfipc_profile_remove, ("p", ), REMOTE "RemoveProfile", "{\"name\":\"p\"}");
	BOTH_VOID(cfipc_logout, (NULL, ), REMOTE "Logout", "{}");
	BOTH(cfipc_health, cfipc_health_info, ("p", ), REMOTE "GetHealth", false, "{\"profile\":\"p\"}",
	     "{\"status\":\"healthy\",\"uptime_seconds\":5,\"db\":\"ok\"}",
	     "{\"status\":\"healthy\",\"uptime_seconds\":5,\"db\":\"ok\"}");
#define STATS                                                                                                \
	"{\"total_buckets\":1,\"total_files\":2,\"total_size\":3,\"total_keys\":4,\"total_downloads\":5,"    \
	"\"storage_by_owner\":[]}"
	BOTH(cfipc_stats, cfipc_server_stats, (NULL, ), REMOTE "GetStats", false, "{}", STATS, STATS);
}

static void ask_buckets(void)
{
	cfipc_bucket_options options;
	cfipc_list_options page;

	cfipc_bucket_options_init(&options, sizeof(options));
	options.description = "d\xc3\xa9";
	cfipc_list_options_init(&page, sizeof(page));
	page.limit = 10;
	page.offset = 20;
	page.sort = "name";
	page.order = "desc";
	page.include_expired = 1;
	BOTH(cfipc_bucket_create, cfipc_bucket, (NULL, "n", &options, ), REMOTE "CreateBucket", false,
	     "{\"description\":\"d\xc3\xa9\",\"name\":\"n\"}", "{\"bucket\":" BUCKET_JSON "}", BUCKET_JSON);
	BOTH(cfipc_bucket_list, cfipc_list, ("p", &page, ), REMOTE "ListBuckets", false,
	     "{\"profile\":\"p\",\"page\":{\"limit\":10,\"offset\":20,\"sort\":\"name\",\"order\":\"desc\"},"
	     "\"include_expired\":true}",
	     "{\"buckets\":[" BUCKET_JSON "]," PAGE_JSON "}",
	     "{\"buckets\":[" BUCKET_JSON "]," PAGE_JSON "}");
	BOTH(cfipc_bucket_list, cfipc_list, (NULL, NULL, ), REMOTE "ListBuckets", true, "{}",
	     "{\"buckets\":[]," PAGE_JSON "}", "{\"buckets\":[]," PAGE_JSON "}");
	BOTH(cfipc_bucket_get, cfipc_bucket, (NULL, "B1", ), REMOTE "GetBucket", false, "{\"bucket\":\"B1\"}",
	     "{\"bucket\":" BUCKET_JSON "}", BUCKET_JSON);
	BOTH(cfipc_bucket_get_with_files, cfipc_bucket_view, (NULL, "B1", ), REMOTE "GetBucket", false,
	     "{\"bucket\":\"B1\",\"include_files\":true}",
	     "{\"bucket\":" BUCKET_JSON ",\"files\":[" FILE_JSON "],\"has_more_files\":false}",
	     "{\"bucket\":" BUCKET_JSON ",\"files\":[" FILE_JSON "],\"has_more_files\":false}");
	options.expires_in = "7d";
	BOTH(cfipc_bucket_update, cfipc_bucket, (NULL, "B1", &options, ), REMOTE "UpdateBucket", false,
	     "{\"bucket\":\"B1\",\"description\":\"d\xc3\xa9\",\"expires_in\":\"7d\"}",
	     "{\"bucket\":" BUCKET_JSON "}", BUCKET_JSON);
	BOTH_VOID(cfipc_bucket_delete, (NULL, "B1", ), REMOTE "DeleteBucket", "{\"bucket\":\"B1\"}");
	BOTH(cfipc_bucket_summary, cfipc_text, (NULL, "B1", ), REMOTE "GetBucketSummary", false,
	     "{\"bucket\":\"B1\"}", "{\"summary\":\"s/t\"}", "\"s/t\"");
}

static void ask_files(void)
{
	cfipc_list_options page;
	cfipc_tree_options tree;

	cfipc_list_options_init(&page, sizeof(page));
	page.limit = 1;
	cfipc_tree_options_init(&tree, sizeof(tree));
	tree.prefix = "";
	tree.limit = 5;
	tree.cursor = "x";
	BOTH(cfipc_file_list, cfipc_list, (NULL, "B1", &page, ), REMOTE "ListFiles", false,
	     "{\"bucket\":\"B1\",\"page\":{\"limit\":1}}", "{\"files\":[" FILE_JSON "]," PAGE_JSON "}",
	     "{\"files\":[" FILE_JSON "]," PAGE_JSON "}");
#define TREE                                                                                                 \
	"{\"delimiter\":\"/\",\"directories\":[{\"path\":\"d\",\"file_count\":1,\"total_size\":2}],"         \
	"\"files\":[" FILE_JSON "],\"total_directories\":1,\"total_files\":1}"
	BOTH(cfipc_file_tree, cfipc_tree, (NULL, "B1", &tree, ), REMOTE "ListTree", false,
	     "{\"bucket\":\"B1\",\"prefix\":\"\",\"limit\":5,\"cursor\":\"x\"}", TREE, TREE);
#define FOLDER                                                                                               \
	"{\"folders\":[\"d\"],\"files\":[],\"total_folders\":1,\"total_files\":0,\"limit\":1,\"offset\":0}"
	BOTH(cfipc_file_dir, cfipc_folder, (NULL, "B1", "a b/\xc3\xbc", &page, ), REMOTE "ListDirectory",
	     false, "{\"bucket\":\"B1\",\"path\":\"a b/\xc3\xbc\",\"page\":{\"limit\":1}}", FOLDER, FOLDER);
	BOTH(cfipc_file_get, cfipc_file, (NULL, "B1", "a/b", ), REMOTE "GetFile", false,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\"}", "{\"file\":" FILE_JSON "}", FILE_JSON);
	BOTH(cfipc_file_url, cfipc_file_link, (NULL, "B1", "a/b", ), REMOTE "GetFileUrl", false,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\"}", "{\"url\":\"http://h/x\"}", "{\"url\":\"http://h/x\"}");
#define VERIFIED "{\"path\":\"a/b\",\"stored_hash\":\"1\",\"computed_hash\":\"2\",\"valid\":false}"
	BOTH(cfipc_file_verify, cfipc_verification, (NULL, "B1", "a/b", ), REMOTE "VerifyFile", false,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\"}", VERIFIED, VERIFIED);
	BOTH_VOID(cfipc_file_delete, (NULL, "B1", "a/b", ), REMOTE "DeleteFile",
		  "{\"bucket\":\"B1\",\"path\":\"a/b\"}");
}

static void ask_access(void)
{
#define TOKEN "{\"token\":\"cfu_x\",\"bucket\":\"B1\",\"expires_at\":\"t\",\"uploads_used\":0}"
	BOTH(cfipc_upload_token_create, cfipc_upload_token, (NULL, "B1", "1h", 3, ),
	     REMOTE "CreateUploadToken", false, "{\"bucket\":\"B1\",\"expires_in\":\"1h\",\"max_uploads\":3}",
	     TOKEN, TOKEN);
	BOTH(cfipc_upload_token_create, cfipc_upload_token, (NULL, "B1", NULL, -1, ),
	     REMOTE "CreateUploadToken", false, "{\"bucket\":\"B1\"}", TOKEN, TOKEN);
#define NEW_KEY "{\"key\":\"k\",\"prefix\":\"cf4_x\",\"name\":\"n\",\"created_at\":\"t\"}"
	BOTH(cfipc_api_key_create, cfipc_new_api_key, (NULL, "n", ), REMOTE "CreateApiKey", false,
	     "{\"name\":\"n\"}", NEW_KEY, NEW_KEY);
	BOTH(cfipc_api_key_list, cfipc_list, (NULL, NULL, ), REMOTE "ListApiKeys", true, "{}",
	     "{\"keys\":[" KEY_JSON "]," PAGE_JSON "}", "{\"keys\":[" KEY_JSON "]," PAGE_JSON "}");
#define USAGE "{\"key\":" KEY_JSON ",\"total_downloads\":4,\"buckets\":[]}"
	BOTH(cfipc_api_key_usage, cfipc_key_usage, (NULL, "cf4_x", ), REMOTE "GetApiKeyUsage", false,
	     "{\"prefix\":\"cf4_x\"}", USAGE, USAGE);
	BOTH_VOID(cfipc_api_key_delete, (NULL, "cf4_x", ), REMOTE "DeleteApiKey", "{\"prefix\":\"cf4_x\"}");
	BOTH(cfipc_dashboard_token_create, cfipc_dashboard_token, (NULL, "1h", ),
	     REMOTE "CreateDashboardToken", false, "{\"expires_in\":\"1h\"}",
	     "{\"token\":\"t\",\"expires_at\":\"e\"}", "{\"token\":\"t\",\"expires_at\":\"e\"}");
	BOTH(cfipc_dashboard_token_get, cfipc_dashboard_token, (NULL, NULL, ), REMOTE "GetDashboardToken",
	     false, "{}", "{\"scope\":\"admin\",\"expires_at\":\"e\"}",
	     "{\"scope\":\"admin\",\"expires_at\":\"e\"}");
#define TARGET "{\"bucket\":\"B1\",\"path\":\"a/b\",\"url\":\"http://h\"}"
	BOTH(cfipc_short_resolve, cfipc_short_target, (NULL, "abc", ), REMOTE "ResolveShortUrl", false,
	     "{\"code\":\"abc\"}", TARGET, TARGET);
	BOTH_VOID(cfipc_short_delete, (NULL, "abc", ), REMOTE "DeleteShortUrl", "{\"code\":\"abc\"}");
}

static void ask_transfers(void)
{
	cfipc_transfer_options options;
	FILE *file = tmpfile();
	int fd = fileno(file);
	char path[128];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	cfipc_transfer_options_init(&options, sizeof(options));
	options.upload_token = "cfu_x";
	options.data_size = 5;
	BOTH(cfipc_upload_fd, cfipc_file, (NULL, "B1", "a/b", fd, &options, ), REMOTE "Upload", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0,\"size\":5,\"upload_token\":\"cfu_x\"}",
	     "{\"file\":" FILE_JSON "}", FILE_JSON);
	BOTH(cfipc_upload_path, cfipc_file, (NULL, "B1", "a/b", path, NULL, ), REMOTE "Upload", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0}", "{\"file\":" FILE_JSON "}", FILE_JSON);
	BOTH(cfipc_upload_data, cfipc_file, (NULL, "B1", "a/b", "hello", 5, NULL, ), REMOTE "Upload", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0}", "{\"file\":" FILE_JSON "}", FILE_JSON);
	ck_assert_str_eq(peer.read, "hello");
	BOTH(cfipc_append_fd, cfipc_file, (NULL, "B1", "a/b", fd, &options, ), REMOTE "AppendFile", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0,\"upload_token\":\"cfu_x\"}",
	     "{\"file\":" FILE_JSON "}", FILE_JSON);
	BOTH(cfipc_append_path, cfipc_file, (NULL, "B1", "a/b", path, NULL, ), REMOTE "AppendFile", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0}", "{\"file\":" FILE_JSON "}", FILE_JSON);
	BOTH(cfipc_append_data, cfipc_file, (NULL, "B1", "a/b", "x", 1, NULL, ), REMOTE "AppendFile", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0}", "{\"file\":" FILE_JSON "}", FILE_JSON);
	BOTH(cfipc_patch_fd, cfipc_file, (NULL, "B1", "a/b", 4, fd, &options, ), REMOTE "PatchFile", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0,\"offset\":4,\"upload_token\":\"cfu_x\"}",
	     "{\"file\":" FILE_JSON "}", FILE_JSON);
	BOTH(cfipc_patch_path, cfipc_file, (NULL, "B1", "a/b", 0, path, NULL, ), REMOTE "PatchFile", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0,\"offset\":0}", "{\"file\":" FILE_JSON "}",
	     FILE_JSON);
	BOTH(cfipc_patch_data, cfipc_file, (NULL, "B1", "a/b", 1, "x", 1, NULL, ), REMOTE "PatchFile", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0,\"offset\":1}", "{\"file\":" FILE_JSON "}",
	     FILE_JSON);
	options.offset = 1;
	options.length = 2;
	options.if_sha256 = "00";
	BOTH(cfipc_download_fd, cfipc_downloaded, ("p", "B1", "a/b", fd, &options, ), REMOTE "Download", true,
	     "{\"profile\":\"p\",\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0,\"offset\":1,\"length\":2,"
	     "\"if_sha256\":\"00\"}",
	     "{\"unchanged\":true}", "{\"unchanged\":true}");
	BOTH(cfipc_download_data, cfipc_downloaded, (NULL, "B1", "a/b", 9, NULL, ), REMOTE "Download", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0}", "{\"file\":" FILE_JSON ",\"bytes\":0}",
	     "{\"file\":" FILE_JSON ",\"bytes\":0}");
	BOTH(cfipc_bucket_zip_fd, cfipc_downloaded, (NULL, "B1", fd, &options, ), REMOTE "DownloadZip", true,
	     "{\"bucket\":\"B1\",\"fd\":0}", "{\"bytes\":0}", "{\"bytes\":0}");
	char target[128];

	snprintf(target, sizeof(target), "%s/target", peer.directory);
	options.overwrite = 1;
	BOTH(cfipc_download_path, cfipc_downloaded, (NULL, "B1", "a/b", target, &options, ),
	     REMOTE "Download", true,
	     "{\"bucket\":\"B1\",\"path\":\"a/b\",\"fd\":0,\"offset\":1,\"length\":2,\"if_sha256\":\"00\"}",
	     "{\"bytes\":0}", "{\"bytes\":0}");
	BOTH(cfipc_bucket_zip_path, cfipc_downloaded, (NULL, "B1", target, &options, ), REMOTE "DownloadZip",
	     true, "{\"bucket\":\"B1\",\"fd\":0}", "{\"bytes\":0}", "{\"bytes\":0}");
	unlink(target);
	BOTH(cfipc_transfer_list, cfipc_list, (), REMOTE "ListTransfers", false, "{}", "{\"transfers\":[]}",
	     "{\"transfers\":[]}");
	BOTH_VOID(cfipc_transfer_cancel, ("t1", ), REMOTE "CancelTransfer", "{\"transfer\":\"t1\"}");
	fclose(file);
}

static void ask_pairs(void)
{
	const char *const some[] = {"*.o", NULL}, *const none[] = {NULL};
	cfipc_sync_options options;
	cfipc_sync_spec spec;

	cfipc_sync_options_init(&options, sizeof(options));
	cfipc_sync_spec_init(&spec, sizeof(spec));
	spec.bucket = "B1";
	spec.local_path = "/d";
	spec.mode = "mirror";
	spec.exclude = some;
	options.paused = 1;
	options.create_bucket = 0;
#define CHANGED "{\"pair\":" PAIR_JSON ",\"warnings\":[\"w\"]}"
	BOTH(cfipc_sync_add, cfipc_changed_pair, (&spec, &options, ), SYNC "Add", false,
	     "{\"spec\":{\"bucket\":\"B1\",\"local_path\":\"/d\",\"mode\":\"mirror\",\"exclude\":[\"*.o\"]},"
	     "\"create_bucket\":false,\"paused\":true}",
	     CHANGED, CHANGED);
	BOTH(cfipc_sync_plan, cfipc_plan, (NULL, &spec, ), SYNC "Plan", true,
	     "{\"spec\":{\"bucket\":\"B1\",\"local_path\":\"/d\",\"mode\":\"mirror\",\"exclude\":[\"*.o\"]}}",
	     "{\"uploads\":1}", "{\"uploads\":1}");
	cfipc_sync_spec_init(&spec, sizeof(spec));
	cfipc_sync_options_init(&options, sizeof(options));
	spec.include = none;
	spec.max_deletes = -1;
	spec.settle_ms = 0;
	spec.upload_limit = "";
	options.adopt_root = 1;
	BOTH(cfipc_sync_update, cfipc_changed_pair, ("docs", &spec, &options, ), SYNC "Update", false,
	     "{\"name\":\"docs\",\"changes\":{\"include\":[],\"max_deletes\":-1,\"upload_limit\":\"\","
	     "\"settle_ms\":0},\"adopt_root\":true}",
	     CHANGED, CHANGED);
	BOTH(cfipc_sync_update, cfipc_changed_pair, ("docs", NULL, NULL, ), SYNC "Update", false,
	     "{\"name\":\"docs\",\"changes\":{}}", CHANGED, CHANGED);
	BOTH_VOID(cfipc_sync_remove, ("docs", ), SYNC "Remove", "{\"name\":\"docs\"}");
	BOTH(cfipc_sync_list, cfipc_list, (NULL, ), SYNC "List", false, "{}", "{\"pairs\":[" PAIR_JSON "]}",
	     "{\"pairs\":[" PAIR_JSON "]}");
	BOTH(cfipc_sync_get, cfipc_pair, ("docs", ), SYNC "Get", false, "{\"name\":\"docs\"}",
	     "{\"pair\":" PAIR_JSON "}", PAIR_JSON);
	BOTH(cfipc_sync_status, cfipc_list, (NULL, ), SYNC "GetStatus", false, "{}",
	     "{\"statuses\":[" STATUS_JSON "]}", "{\"statuses\":[" STATUS_JSON "]}");
	BOTH_VOID(cfipc_sync_pause, (NULL, 60, ), SYNC "Pause", "{\"seconds\":60}");
	BOTH_VOID(cfipc_sync_pause, ("docs", -1, ), SYNC "Pause", "{\"name\":\"docs\"}");
	BOTH_VOID(cfipc_sync_resume, (NULL, ), SYNC "Resume", "{}");
	BOTH(cfipc_sync_rescan, cfipc_pair_status, ("docs", "a", 1, 0, ), SYNC "Rescan", false,
	     "{\"name\":\"docs\",\"path\":\"a\",\"verify_hashes\":true}", "{\"status\":" STATUS_JSON "}",
	     STATUS_JSON);
	BOTH(cfipc_sync_rescan, cfipc_pair_status, ("docs", NULL, 0, 1, ), SYNC "Rescan", true,
	     "{\"name\":\"docs\",\"verify_hashes\":false}", "{\"status\":" STATUS_JSON "}", STATUS_JSON);
	BOTH(cfipc_sync_wait, cfipc_list, ("docs", 5, ), SYNC "Wait", false,
	     "{\"name\":\"docs\",\"timeout_seconds\":5}", "{\"statuses\":[]}", "{\"statuses\":[]}");
}

static void ask_decisions(void)
{
	const char *const paths[] = {"a", "b c", NULL};

	BOTH(cfipc_sync_held, cfipc_list, ("docs", ), SYNC "ListHeld", true, "{\"name\":\"docs\"}",
	     "{\"held\":[]}", "{\"held\":[]}");
	BOTH(cfipc_sync_skipped, cfipc_list, (NULL, ), SYNC "ListSkipped", true, "{}", "{\"skipped\":[]}",
	     "{\"skipped\":[]}");
	BOTH(cfipc_sync_history, cfipc_list, (NULL, "a", 7, ), SYNC "ListHistory", true,
	     "{\"path\":\"a\",\"limit\":7}", "{\"entries\":[]}", "{\"entries\":[]}");
	BOTH(cfipc_sync_confirm, cfipc_number, ("docs", NULL, ), SYNC "ConfirmDeletes", false,
	     "{\"name\":\"docs\",\"choice\":\"apply\"}", "{\"deletes\":3}", "3");
	BOTH(cfipc_sync_restore, cfipc_number, ("docs", paths, ), SYNC "ConfirmDeletes", false,
	     "{\"name\":\"docs\",\"choice\":\"restore\",\"paths\":[\"a\",\"b c\"]}", "{\"deletes\":0}", "0");
	BOTH(cfipc_sync_conflicts, cfipc_list, (NULL, ), SYNC "ListConflicts", false, "{}",
	     "{\"conflicts\":[]}", "{\"conflicts\":[]}");
	BOTH_VOID(cfipc_sync_resolve, ("7", "keep_both", ), SYNC "ResolveConflict",
		  "{\"id\":\"7\",\"choice\":\"keep_both\"}");
	BOTH(cfipc_sync_test_ignore, cfipc_list, ("docs", paths, ), SYNC "TestIgnore", false,
	     "{\"name\":\"docs\",\"paths\":[\"a\",\"b c\"]}", "{\"states\":[]}", "{\"states\":[]}");
	BOTH(cfipc_sync_path_states, cfipc_list, (paths, ), SYNC "GetPathStates", false,
	     "{\"paths\":[\"a\",\"b c\"]}", "{\"states\":[]}", "{\"states\":[]}");
}

static void ask_daemon(void)
{
	const char *const values[] = {"log_level", "debug", "x", "", NULL};
	const char *const keys[] = {"log_level", NULL};

	BOTH(cfipc_daemon_version, cfipc_daemon_info, (), DAEMON "GetVersion", false, "{}",
	     "{\"version\":\"1\",\"features\":[\"fd\"]}", "{\"version\":\"1\",\"features\":[\"fd\"]}");
#define STATE                                                                                                \
	"{\"mode\":\"user\",\"uid\":1,\"pid\":2,\"started_at\":\"t\",\"state\":\"running\",\"connections\":" \
	"3,"                                                                                                 \
	"\"transfers\":4,\"subscribers\":5,\"max_message\":6,\"max_connections\":7}"
	BOTH(cfipc_daemon_status, cfipc_daemon_state, (), DAEMON "GetStatus", false, "{}", STATE, STATE);
	BOTH(cfipc_daemon_reload, cfipc_reloaded, (), DAEMON "Reload", false, "{}",
	     "{\"changed\":[\"a\"],\"restart_needed\":[]}", "{\"changed\":[\"a\"],\"restart_needed\":[]}");
	BOTH(cfipc_config_get, cfipc_list, (keys, ), DAEMON "GetConfig", false, "{\"keys\":[\"log_level\"]}",
	     "{\"settings\":[]}", "{\"settings\":[]}");
	BOTH(cfipc_config_set, cfipc_reloaded, (values, 1, ), DAEMON "SetConfig", false,
	     "{\"values\":{\"log_level\":\"debug\",\"x\":\"\"},\"persist\":true}",
	     "{\"restart_needed\":[\"x\"]}", "{\"restart_needed\":[\"x\"]}");
	BOTH(cfipc_log_level_get, cfipc_text, (), DAEMON "GetLogLevel", false, "{}", "{\"level\":\"info\"}",
	     "\"info\"");
	BOTH_VOID(cfipc_log_level_set, ("debug", 60, ), DAEMON "SetLogLevel",
		  "{\"level\":\"debug\",\"seconds\":60}");
	BOTH(cfipc_daemon_diagnose, cfipc_list, (), DAEMON "Diagnose", true, "{}", "{\"findings\":[]}",
	     "{\"findings\":[]}");
	BOTH(cfipc_daemon_metrics, cfipc_text, (), DAEMON "GetMetrics", false, "{}", "{\"text\":\"a 1\\n\"}",
	     "\"a 1\\n\"");
}

static void ask_streams(void)
{
	const char *const names[] = {"B1", NULL};
	const cfipc_file_ref files[] = {{"B2", "a/b"}};
	cfipc_subscribe_options options;
	struct seen seen = {0};
	cfipc_op *op = NULL;
	int r;

	cfipc_subscribe_options_init(&options, sizeof(options));
	options.buckets = names;
	options.files = files;
	options.n_files = 1;
	PEER_SAYS("{\"event\":{\"seq\":1,\"kind\":\"ready\",\"at\":\"t\",\"profile\":\"p\"}}");
	r = cfipc_subscribe(c, &op, "p", &options, note, &seen);
	check_async("subscribe", r, op, &seen);
	check_request(
		REMOTE "Subscribe", true,
		"{\"profile\":\"p\",\"buckets\":[\"B1\"],\"files\":[{\"bucket\":\"B2\",\"path\":\"a/b\"}]}");
	PEER_SAYS("{\"status\":" STATUS_JSON "}", "{\"removed\":\"docs\"}");
	memset(&seen, 0, sizeof(seen));
	r = cfipc_sync_watch(c, &op, names, 1, note, &seen);
	check_async("sync_watch", r, op, &seen);
	ck_assert_int_eq((int)seen.results, 2);
	check_request(SYNC "Watch", true, "{\"names\":[\"B1\"],\"files\":true}");
	PEER_SAYS("{\"kind\":\"state\",\"state\":\"running\"}");
	memset(&seen, 0, sizeof(seen));
	r = cfipc_daemon_watch(c, &op, note, &seen);
	check_async("daemon_watch", r, op, &seen);
	check_request(DAEMON "Watch", true, "{}");
}

/* Everything in one test, so that it can look back at the end. */
START_TEST(every_method)
{
	ask_profiles();
	ask_buckets();
	ask_files();
	ask_access();
	ask_transfers();
	ask_pairs();
	ask_decisions();
	ask_daemon();
	ask_streams();
	for (size_t i = 0; i < 3; i++) {
		for (size_t m = 0; m < idl_method_count(peer.interfaces[i]); m++) {
			char name[128];
			bool found = false;

			snprintf(name, sizeof(name), "%s.%s", idl_name(peer.interfaces[i]),
				 idl_method_name(idl_method_at(peer.interfaces[i], m)));
			for (unsigned k = 0; k < n_asked; k++)
				found |= strcmp(asked[k], name) == 0;
			ck_assert_msg(found, "no typed function calls %s", name);
		}
	}
}
END_TEST

START_TEST(all_pages_in_one_list)
{
	cfipc_list *list = NULL;
	cfipc_tree *tree = NULL;
	cfipc_plan *plan = NULL;
	size_t position = 0;
	cfipc_bucket *bucket;

	PEER_SAYS("{\"buckets\":[" BUCKET_JSON "," BUCKET_JSON
		  "],\"page\":{\"total\":3,\"limit\":2,\"offset\":0}}",
		  "{\"buckets\":[],\"page\":{\"total\":3,\"limit\":0,\"offset\":2}}",
		  "{\"buckets\":[" BUCKET_JSON "],\"page\":{\"total\":3,\"limit\":1,\"offset\":2}}");
	ck_assert_int_eq(cfipc_bucket_list(c, NULL, NULL, &list, NULL), 0);
	ck_assert_uint_eq(cfipc_list_count(list), 3);
	ck_assert_int_eq(cfipc_list_total(list), 3);
	ck_assert_int_eq(cfipc_list_offset(list), 2);
	for (; (bucket = cfipc_list_next(list, &position));)
		ck_assert_str_eq(cfipc_bucket_id(bucket), "B1");
	ck_assert_uint_eq(position, 3);
	ck_assert_ptr_null(cfipc_list_at(list, 3));
	bucket = cfipc_ref(cfipc_list_at(list, 2));
	cfipc_unref(list);
	ck_assert_int_eq(cfipc_bucket_total_size(bucket), 9); /* outlives its list */
	cfipc_unref(bucket);

	struct seen seen = {0};
	cfipc_op *op = NULL;
	int r;

	r = cfipc_bucket_list_async(c, &op, NULL, NULL, note, &seen);
	check_async("pages", r, op, &seen);
	ck_assert_int_eq((int)seen.results, 3);

	PEER_SAYS(TREE, TREE);
	ck_assert_int_eq(cfipc_file_tree(c, NULL, "B1", NULL, &tree, NULL), 0);
	ck_assert_uint_eq(cfipc_list_count(cfipc_tree_files(tree)), 2);
	ck_assert_uint_eq(cfipc_list_count(cfipc_tree_directories(tree)), 2);
	cfipc_unref(tree);

	PEER_SAYS("{\"action\":{\"action\":\"upload\",\"path\":\"a\",\"reason\":\"new\"}}",
		  "{\"action\":{\"action\":\"skip\",\"path\":\"b\",\"reason\":\"r\"}}",
		  "{\"uploads\":1,\"bytes\":5}");
	ck_assert_int_eq(cfipc_sync_plan(c, "docs", NULL, &plan, NULL), 0);
	ck_assert_uint_eq(cfipc_list_count(cfipc_plan_actions(plan)), 2);
	ck_assert_str_eq(cfipc_action_path(cfipc_list_at(cfipc_plan_actions(plan), 1)), "b");
	ck_assert_int_eq(cfipc_plan_uploads(plan), 1);
	ck_assert_int_eq(cfipc_plan_deletes(plan), -1);
	cfipc_unref(plan);
}
END_TEST

START_TEST(getters_of_what_is_not_there)
{
	cfipc_file *file = NULL;
	cfipc_folder *folder = NULL;

	ck_assert_ptr_null(cfipc_file_path(NULL));
	ck_assert_int_eq(cfipc_file_size(NULL), -1);
	ck_assert_int_eq(cfipc_file_deduplicated(NULL), -1);
	ck_assert_ptr_null(cfipc_event_file(NULL));
	ck_assert_uint_eq(cfipc_list_count(NULL), 0);
	ck_assert_ptr_null(cfipc_list_at(NULL, 0));
	ck_assert_ptr_null(cfipc_json(NULL));
	ck_assert_ptr_null(cfipc_unref(NULL));
	ck_assert_ptr_null(cfipc_text_get(NULL));
	ck_assert_int_eq(cfipc_number_get(NULL), -1);
	PEER_SAYS("{\"file\":{\"path\":\"a\",\"name\":\"a\",\"size\":0,\"mime_type\":\"x\",\"deduplicated\":"
		  "true,"
		  "\"sha256\":null,\"created_at\":\"t\",\"updated_at\":\"u\"}}");
	ck_assert_int_eq(cfipc_file_get(c, NULL, "B1", "a", &file, NULL), 0);
	ck_assert_int_eq(cfipc_file_size(file), 0);
	ck_assert_int_eq(cfipc_file_deduplicated(file), 1);
	ck_assert_ptr_null(cfipc_file_sha256(file));
	ck_assert_ptr_null(cfipc_file_short_url(file));
	cfipc_unref(file);
	PEER_SAYS(FOLDER);
	ck_assert_int_eq(cfipc_file_dir(c, NULL, "B1", NULL, NULL, &folder, NULL), 0);
	ck_assert_str_eq(cfipc_list_string(cfipc_folder_folders(folder), 0), "d");
	ck_assert_ptr_null(cfipc_list_string(cfipc_folder_folders(folder), 1));
	cfipc_unref(folder);
}
END_TEST

START_TEST(errors_in_both_forms)
{
	cfipc_bucket *bucket = NULL;
	struct seen seen = {0};
	cfipc_op *op = NULL;

	peer_script(
		(const char *const[]){"{\"status_code\":404,\"message\":\"gone\",\"hint\":\"look\"}", NULL},
		REMOTE "NotFound");
	ck_assert_int_eq(cfipc_bucket_get(c, NULL, "B1", &bucket, &error), -EREMOTEIO);
	ck_assert_ptr_null(bucket);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_NOT_FOUND);
	ck_assert_int_eq(cfipc_error_status(error), 404);
	ck_assert_str_eq(cfipc_error_message(error), "gone");
	ck_assert_str_eq(cfipc_error_hint(error), "look");
	cfipc_error_free(error);
	ck_assert_int_eq(cfipc_bucket_get_async(c, &op, NULL, "B1", note, &seen), 0);
	ck_assert_int_eq(cfipc_op_wait(op, -1), -EREMOTEIO);
	ck_assert_int_eq(seen.code, CFIPC_ERROR_NOT_FOUND);
	cfipc_op_unref(op);

	/* A reply without what it is for. */
	PEER_SAYS("{\"bucket\":" BUCKET_JSON "}");
	peer.replies[0] = "{}";
	ck_assert_int_eq(cfipc_bucket_get(c, NULL, "B1", &bucket, &error), -EBADMSG);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_PROTOCOL);
	cfipc_error_free(error);
	peer.problem[0] = 0; /* the script is wrong on purpose */

	/* Arguments that cannot be sent. */
	const char *const odd[] = {"key", NULL};
	cfipc_list_options page = {.size = 1};

	ck_assert_int_eq(cfipc_config_set(c, odd, -1, NULL, &error), -EINVAL);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_USAGE);
	cfipc_error_free(error);
	ck_assert_int_eq(cfipc_bucket_list(c, NULL, &page, NULL, NULL), -EINVAL);
	cfipc_list_options_init(&page, sizeof(page));
	page.offset = -2;
	ck_assert_int_eq(cfipc_bucket_list_async(c, NULL, NULL, &page, note, &seen), -EINVAL);
	ck_assert_int_eq(cfipc_sync_pause(c, NULL, -5, NULL), -EINVAL);
}
END_TEST

/* A program that was built with a newer or an older header. */
START_TEST(structs_of_another_size)
{
	struct {
		cfipc_bucket_options known;
		const char *later;
	} newer;
	cfipc_bucket_options older;
	cfipc_bucket *bucket = NULL;

	cfipc_bucket_options_init(&newer.known, sizeof(newer));
	ck_assert_uint_eq(newer.known.size, sizeof(newer));
	ck_assert_ptr_null(newer.later);
	PEER_SAYS("{\"bucket\":" BUCKET_JSON "}");
	newer.known.description = "d";
	ck_assert_int_eq(cfipc_bucket_update(c, NULL, "B1", &newer.known, &bucket, NULL), 0);
	cfipc_unref(bucket);
	check_request(REMOTE "UpdateBucket", false, "{\"bucket\":\"B1\",\"description\":\"d\"}");
	memset(&older, 0x55, sizeof(older));
	cfipc_bucket_options_init(&older, offsetof(cfipc_bucket_options, expires_in));
	ck_assert_int_eq(cfipc_bucket_update(c, NULL, "B1", &older, NULL, NULL), 0);
	check_request(REMOTE "UpdateBucket", false, "{\"bucket\":\"B1\"}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cfipc methods");
	TCase *t = tcase_create("methods");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, every_method);
	tcase_add_test(t, all_pages_in_one_list);
	tcase_add_test(t, getters_of_what_is_not_there);
	tcase_add_test(t, errors_in_both_forms);
	tcase_add_test(t, structs_of_another_size);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
