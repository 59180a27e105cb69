/* api/remote.c and the calls of api.h: against scripted answers where the server must misbehave, and against
 * the development server (when it is built) where it must behave. */
#include "tests/unit/remote_fixture.h"

#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define F(p)                                                                                                 \
	"{\"path\":\"" p "\",\"size\":5,\"sha256\":\"" HASH "\",\"updated_at\":\"2026-01-02T03:04:05.1Z\"}"

START_TEST(put_chooses_its_form)
{
	char text[1024];
	const struct step raw[] = {
		{STEP_HEAD},
		{STEP_BODY, NULL, 5},
		{STEP_SEND, answer(text, sizeof(text), "201 Created", "{\"uploaded\":[" F("d/a b+") "]}")},
		{STEP_LOOP}};

	serve(raw);
	put("d/a b+", "hello");
	ck_assert_int_eq(seen.code, 0);
	ck_assert_str_eq(seen.paths, "d/a b+");
	ck_assert_str_eq(seen.versions[0].updated_at, "2026-01-02T03:04:05.1");
	ck_assert(seen.versions[0].has_digest);
	ck_assert_uint_eq(seen.parts_sent, 1);
	ck_assert_ptr_nonnull(strstr(server.heads.data,
				     "PUT /api/buckets/b1/upload/stream?filename=d%2Fa%20b%2B HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(server.heads.data, "Authorization: Bearer cf4_12345678_x\r\n"));
	ck_assert_ptr_nonnull(strstr(server.heads.data, "Content-Length: 5\r\n"));
}
END_TEST

START_TEST(put_frames_names_beyond_ascii)
{
	char text[1024];
	/* boundary 35, "--" and CRLF; the head; 5; CRLF; "--B--" CRLF */
	const size_t head =
		2 + 35 + 2 +
		strlen("Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%C3%A9\r\n") +
		strlen("Content-Type: application/octet-stream\r\n\r\n");
	const struct step framed[] = {
		{STEP_HEAD},
		{STEP_BODY, NULL, head + 5 + 2 + 2 + 35 + 4},
		{STEP_SEND, answer(text, sizeof(text), "201 Created", "{\"uploaded\":[" F("\\u00e9") "]}")},
		{STEP_LOOP}};

	serve(framed);
	put("\xc3\xa9", "hello");
	ck_assert_int_eq(seen.code, 0);
	ck_assert_str_eq(seen.paths, "\xc3\xa9");
	ck_assert_ptr_nonnull(strstr(server.heads.data, "POST /api/buckets/b1/upload HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(server.heads.data, "Content-Type: multipart/form-data; boundary=cf-"));
	ck_assert_ptr_nonnull(strstr(server.body.data, "\r\n\r\nhello\r\n--cf-"));
}
END_TEST

START_TEST(upload_tokens_go_into_the_query)
{
	char text[1024];
	const struct step raw[] = {
		{STEP_HEAD},
		{STEP_BODY, NULL, 1},
		{STEP_SEND, answer(text, sizeof(text), "201 Created", "{\"uploaded\":[" F("a") "]}")},
		{STEP_LOOP}};

	serve(raw);
	connect_to(server.url, API_AUTH_UPLOAD_TOKEN, "cfu_1+2");
	put("a", "x");
	ck_assert_int_eq(seen.code, 0);
	ck_assert_ptr_nonnull(strstr(server.heads.data, "?filename=a&token=cfu_1%2B2 HTTP"));
	ck_assert_ptr_null(strstr(server.heads.data, "Authorization"));
}
END_TEST

/* Whatever a 201 says that is not the list of what was sent, the bytes may be there. */
START_TEST(strange_answers_leave_doubt)
{
	static const char *const bodies[] = {
		"",
		"{}",
		"not json",
		"{\"uploaded\":[]}",
		"{\"uploaded\":[" F("b") "]}",
		"{\"uploaded\":[" F("a") "," F("a") "]}",
		"{\"uploaded\":[{\"path\":\"a\"}]}",
		"[" F("a") "]",
	};
	static const struct {
		const char *status;
		int code;
	} statuses[] = {
		{"200 OK", ERR_DOUBT},      {"204 No Content", ERR_DOUBT}, {"400 Bad", ERR_REJECTED},
		{"403 No", ERR_AUTH},       {"404 No", ERR_NOT_FOUND},     {"413 Large", ERR_TOO_LARGE},
		{"500 Oops", ERR_SERVER},   {"502 Bad", ERR_DOUBT},        {"503 Busy", ERR_SERVER},
		{"504 Gateway", ERR_DOUBT}, {"302 Found", ERR_PROTOCOL},   {"507 Full", ERR_SERVER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bodies) + ARRAY_SIZE(statuses); i++) {
		char text[1024];
		bool by_body = i < ARRAY_SIZE(bodies);
		size_t s = i - ARRAY_SIZE(bodies);
		answer(text, sizeof(text), by_body ? "201 Created" : statuses[s].status,
		       by_body ? bodies[i] : "");
		const struct step script[] = {
			{STEP_HEAD}, {STEP_BODY, NULL, 5}, {STEP_SEND, text}, {STEP_END}};
		serve(script);
		put("a", "hello");
		ck_assert_msg(seen.code == (by_body ? ERR_DOUBT : statuses[s].code), "case %zu: %d", i,
			      seen.code);
		ck_assert_uint_eq(seen.n, 0);
		scripted_stop(&server);
	}
	server.on_accept = NULL;
}
END_TEST

START_TEST(put_cut_before_and_after_its_end)
{
	static const struct step before[] = {{STEP_HEAD}, {STEP_BODY, NULL, 4}, {STEP_RESET}};
	static const struct step after[] = {{STEP_HEAD}, {STEP_BODY, NULL, 5}, {STEP_RESET}};
	struct remote_call *call = NULL;

	serve(before);
	forget();
	ck_assert_int_eq(remote->ops->put(remote, "b1", "a", 5, &upload, NULL, &call), 0);
	ck_assert_int_eq(remote->ops->feed(call, strdup("hell"), 4, false), 0);
	run();
	ck_assert_int_eq(seen.code, ERR_OFFLINE);
	ck_assert_uint_eq(seen.parts_sent, 0);
	scripted_stop(&server);
	serve(after);
	put("a", "hello");
	ck_assert_int_eq(seen.code, ERR_DOUBT);
	ck_assert_uint_eq(seen.parts_sent, 1);
}
END_TEST

static struct remote_call *start_batch(const char *const *paths, size_t n, bool finish)
{
	struct remote_call *call = NULL;

	forget();
	ck_assert_int_eq(remote->ops->batch(remote, "b1", &upload, NULL, &call), 0);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(remote->ops->part(call, paths[i], strdup("hello"), 5), 0);
	if (finish)
		ck_assert_int_eq(remote->ops->finish(call), 0);
	return call;
}

START_TEST(batches_travel_in_order)
{
	static const char *const paths[] = {"a", "b/\"\xc3\xa9\"", "c"};
	char text[1024];
	const struct step script[] = {
		{STEP_HEAD},
		{STEP_CHUNKED},
		{STEP_SEND, answer(text, sizeof(text), "201 Created",
				   "{\"uploaded\":[" F("a") "," F("b/\\\"\\u00e9\\\"") "," F("c") "]}")},
		{STEP_LOOP}};

	serve(script);
	start_batch(paths, 3, true);
	run();
	ck_assert_int_eq(seen.code, 0);
	ck_assert_uint_eq(seen.n, 3);
	ck_assert_uint_eq(seen.parts_sent, 3);
	ck_assert_ptr_nonnull(strstr(server.heads.data, "Transfer-Encoding: chunked\r\n"));
	ck_assert_ptr_null(strstr(server.heads.data, "Expect"));
	ck_assert_ptr_nonnull(strstr(server.body.data, "filename*=UTF-8''b%2F%22%C3%A9%22\r\n"));
}
END_TEST

START_TEST(batches_count_the_parts_that_went)
{
	static const char *const paths[] = {"a", "b", "c"};
	static const struct step cut[] = {{STEP_HEAD}, {STEP_BODY, NULL, 100}, {STEP_RESET}};
	static const struct step lost[] = {{STEP_HEAD}, {STEP_CHUNKED}, {STEP_END}};

	/* Unfinished: all three parts may be stored, though the body has no end. */
	serve(cut);
	start_batch(paths, 3, false);
	run();
	ck_assert_int_eq(seen.code, ERR_OFFLINE);
	ck_assert_uint_eq(seen.parts_sent, 3);
	scripted_stop(&server);
	serve(lost);
	start_batch(paths, 3, true);
	run();
	ck_assert_int_eq(seen.code, ERR_DOUBT);
	ck_assert_uint_eq(seen.parts_sent, 3);
	scripted_stop(&server);
	/* Nobody there: nothing went. */
	start_batch(paths, 3, true);
	run();
	ck_assert_int_eq(seen.code, ERR_OFFLINE);
	ck_assert_uint_eq(seen.parts_sent, 0);
	server.on_accept = NULL;
}
END_TEST

START_TEST(paths_are_checked_before_any_url)
{
	static const struct step halts[] = {{STEP_HEAD}, {STEP_HALT}};
	struct remote_call *call = NULL;

	serve(halts);
	ck_assert_int_eq(remote->ops->remove(remote, "b1", "..", on_done, NULL, &call), -EINVAL);
	ck_assert_int_eq(remote->ops->remove(remote, "b1", "x/../y", on_done, NULL, &call), -EINVAL);
	ck_assert_int_eq(remote->ops->remove(remote, "b1", "", on_done, NULL, &call), -EINVAL);
	ck_assert_int_eq(remote->ops->remove(remote, "..", "x", on_done, NULL, &call), -EINVAL);
	ck_assert_int_eq(remote->ops->fetch(remote, "b1", "a/./b", on_data, on_done, NULL, &call), -EINVAL);
	ck_assert_int_eq(remote->ops->put(remote, "b1", "a\\b", 1, &upload, NULL, &call), -EINVAL);
	ck_assert_int_eq(remote->ops->put(remote, "b1", "a", -1, &upload, NULL, &call), -EINVAL);
	ck_assert_int_eq(remote->ops->list(remote, "b1", NULL, 0, on_list, NULL, &call), -EINVAL);
	ck_assert_int_eq(remote->ops->list(remote, "b1", NULL, 1001, on_list, NULL, &call), -EINVAL);
	ck_assert_int_eq(remote->ops->bucket(remote, "../x", on_bucket, NULL, &call), -EINVAL);
	ck_assert_ptr_null(call);
	forget();
	ck_assert_int_eq(remote->ops->batch(remote, "b1", &upload, NULL, &call), 0);
	ck_assert_int_eq(remote->ops->part(call, "../x", strdup("a"), 1), -EINVAL);
	ck_assert_int_eq(remote->ops->feed(call, strdup("a"), 1, true), -EINVAL);
	remote->ops->cancel(call);
	remote->ops->cancel(NULL);
	run();
	ck_assert_int_eq(seen.code, ERR_CANCELED);
	ck_assert_uint_eq(http_active(http), 0);
}
END_TEST

START_TEST(feeding_must_match_the_size)
{
	static const struct step halts[] = {{STEP_HEAD}, {STEP_HALT}};
	struct remote_call *call = NULL;

	serve(halts);
	ck_assert_int_eq(remote->ops->put(remote, "b1", "a", 5, &upload, NULL, &call), 0);
	ck_assert_int_eq(remote->ops->feed(call, strdup("toolong"), 7, true), -EINVAL);
	ck_assert_int_eq(remote->ops->feed(call, strdup("abc"), 3, true), -EINVAL);
	ck_assert_int_eq(remote->ops->feed(call, strdup("abc"), 3, false), 0);
	ck_assert_int_eq(remote->ops->part(call, "x", strdup("abc"), 3), -EINVAL);
	ck_assert_int_eq(remote->ops->finish(call), -EINVAL);
	ck_assert_uint_eq(remote->ops->sent(call), 0);
	remote->ops->cancel(call);
	run();
	ck_assert_int_eq(seen.code, ERR_CANCELED);
}
END_TEST

START_TEST(scan_follows_empty_pages)
{
	char one[512], two[1024];
	const struct step script[] = {
		{STEP_HEAD},
		{STEP_SEND, answer(one, sizeof(one), "200 OK", "{\"files\":[],\"cursor\":\"k/x y\"}")},
		{STEP_HEAD},
		{STEP_SEND, answer(two, sizeof(two), "200 OK", "{\"files\":[" F("z") "],\"cursor\":\"z\"}")},
		{STEP_LOOP}};

	serve(script);
	ck_assert_int_eq(remote->ops->list(remote, "b1", "", 2, on_list, NULL, NULL), 0);
	run();
	ck_assert_int_eq(seen.code, 0);
	ck_assert_str_eq(seen.paths, "z");
	ck_assert(seen.more);
	ck_assert_ptr_nonnull(strstr(server.heads.data, "/files?delimiter=%2F%2F&limit=2 HTTP"));
	ck_assert_ptr_nonnull(strstr(server.heads.data, "&limit=2&cursor=k/x%20y HTTP"));
}
END_TEST

START_TEST(scan_refuses_more_than_asked)
{
	char text[1024];
	const struct step script[] = {
		{STEP_HEAD},
		{STEP_SEND, answer(text, sizeof(text), "200 OK", "{\"files\":[" F("a") "," F("b") "]}")},
		{STEP_LOOP}};

	serve(script);
	ck_assert_int_eq(remote->ops->list(remote, "b1", NULL, 1, on_list, NULL, NULL), 0);
	run();
	ck_assert_int_eq(seen.code, ERR_PROTOCOL);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert(!seen.more);
}
END_TEST

START_TEST(fetch_takes_the_whole_file_only)
{
	static const struct {
		const char *status;
		int code;
		size_t len;
	} cases[] = {
		{"200 OK", 0, 5},
		{"206 Partial", ERR_PROTOCOL, 0},
		{"204 No Content", ERR_PROTOCOL, 0},
		{"304 Not Modified", ERR_PROTOCOL, 0},
		{"404 Not Found", ERR_NOT_FOUND, 0},
		{"502 Bad Gateway", ERR_OFFLINE, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];
		answer(text, sizeof(text), cases[i].status, "hello");
		const struct step script[] = {{STEP_HEAD}, {STEP_SEND, text}, {STEP_END}};
		serve(script);
		forget();
		ck_assert_int_eq(remote->ops->fetch(remote, "b1", "d/content", on_data, on_done, NULL, NULL),
				 0);
		run();
		ck_assert_int_eq(seen.code, cases[i].code);
		ck_assert_uint_eq(seen.data.len, cases[i].len);
		ck_assert_ptr_nonnull(
			strstr(server.heads.data, "GET /api/buckets/b1/files/d/content/content HTTP"));
		ck_assert_ptr_null(strstr(server.heads.data, "If-"));
		scripted_stop(&server);
	}
	char text[256];
	answer(text, sizeof(text), "200 OK", "hello");
	const struct step script[] = {{STEP_HEAD}, {STEP_SEND, text}, {STEP_END}};
	serve(script);
	forget();
	seen.data_return = -ENOSPC;
	ck_assert_int_eq(remote->ops->fetch(remote, "b1", "a", on_data, on_done, NULL, NULL), 0);
	run();
	ck_assert_int_eq(seen.code, -ENOSPC);
}
END_TEST

START_TEST(freeing_cancels)
{
	static const struct step halts[] = {{STEP_HEAD}, {STEP_HALT}};

	serve(halts);
	forget();
	ck_assert_int_eq(remote->ops->list(remote, "b1", NULL, 5, on_list, NULL, NULL), 0);
	remote = api_remote_free(remote);
	api = api_unref(api);
	run();
	ck_assert_int_eq(seen.code, ERR_CANCELED);
	ck_assert_ptr_null(api_remote_free(NULL));
}
END_TEST

static void on_role(void *arg, const struct api_error *e, const char *role)
{
	see_error(e->code, e->status, e->message);
	snprintf(seen.role, sizeof(seen.role), "%s", role);
	snprintf(seen.hint, sizeof(seen.hint), "%s", e->hint ? e->hint : "");
	ck_assert_str_eq(e->url, api_url(api));
}

static void probe(void)
{
	forget();
	ck_assert_int_eq(api_probe(api, on_role, NULL, NULL), 0);
	run();
}

START_TEST(probe_does_not_trust_every_server)
{
	static const struct step html[] = {
		{STEP_HEAD},
		{STEP_SEND, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\nwelcome"},
		{STEP_LOOP}};

	serve(html);
	probe();
	ck_assert_int_eq(seen.code, ERR_PROTOCOL);
	ck_assert_str_eq(seen.role, "unknown");
	connect_to(server.url, API_AUTH_NONE, NULL);
	probe();
	ck_assert_int_eq(seen.code, ERR_PROTOCOL);
	connect_to(server.url, API_AUTH_DASHBOARD_TOKEN, "x");
	probe();
	ck_assert_int_eq(seen.code, ERR_PROTOCOL);
}
END_TEST

/* With the development server */

static void start_devserver(void)
{
	const char *top = getenv("top_builddir");
	_cleanup_free_ char *path = fs_join(top ? top : ".", "tests/devserver/carbonfiles-devserver");
	char line[128] = "", url[100];
	int fds[2];

	ck_assert_msg(access(path, X_OK) == 0, "%s is not built", path);
	ck_assert_int_eq(pipe(fds), 0);
	devserver = fork();
	if (devserver == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl(path, path, "--listen", "127.0.0.1:0", "--admin-key", ADMIN_KEY, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	FILE *out = fdopen(fds[0], "r");
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), out));
	ck_assert_int_eq(sscanf(line, "listening on %99s", url), 1);
	fclose(out);
	connect_to(url, API_AUTH_ADMIN_KEY, ADMIN_KEY);
}

static char bucket[64];

static void make_bucket(void)
{
	forget();
	ck_assert_int_eq(remote->ops->create_bucket(remote, "caf\xc3\xa9 \"x\"", on_bucket, NULL, NULL), 0);
	run();
	ck_assert_int_eq(seen.code, 0);
	ck_assert_str_eq(seen.expires_at, "never");
	snprintf(bucket, sizeof(bucket), "%s", seen.bucket);
}

static void store(const char *path, const char *text)
{
	struct remote_call *call = NULL;

	forget();
	ck_assert_int_eq(remote->ops->put(remote, bucket, path, (int64_t)strlen(text), &upload, NULL, &call),
			 0);
	ck_assert_int_eq(remote->ops->feed(call, strdup(text), strlen(text), true), 0);
	run();
}

START_TEST(every_odd_name_makes_the_round_trip)
{
	static const char *const names[] = {
		"plain",
		"d/content",
		"d/Verify",
		"content",
		"a b+c&d=e?f#g%h",
		"%2F%41",
		"\"quoted\"; x='y'",
		" lead/ trail ",
		"caf\xc3\xa9",
		"e\xcc\x81",
		"\xf0\x9f\x8e\x89/\xe6\x97\xa5",
		"line\nbreak\ttab\x01",
		"...",
		"a..b",
		"~tilde-_.",
	};

	start_devserver();
	make_bucket();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct digest digest;
		char text[64];
		snprintf(text, sizeof(text), "content %zu", i);
		digest_of(text, strlen(text), &digest);
		store(names[i], text);
		ck_assert_msg(seen.code == 0, "%s: %d %s", names[i], seen.status, seen.message);
		ck_assert_str_eq(seen.paths, names[i]);
		ck_assert(digest_equal(&seen.versions[0].digest, &digest));
		struct remote_version stored = seen.versions[0];
		forget();
		ck_assert_int_eq(remote->ops->fetch(remote, bucket, names[i], on_data, on_done, NULL, NULL),
				 0);
		run();
		ck_assert_int_eq(seen.code, 0);
		ck_assert_str_eq(seen.data.data, text);
		/* The version in the listing is that of the answer, as text. */
		forget();
		ck_assert_int_eq(remote->ops->list(remote, bucket, NULL, 1000, on_list, NULL, NULL), 0);
		run();
		ck_assert_uint_eq(seen.n, i + 1);
		bool found = false;
		for (size_t k = 0; k < seen.n; k++)
			found |= strcmp(seen.versions[k].updated_at, stored.updated_at) == 0 &&
				 digest_equal(&seen.versions[k].digest, &stored.digest);
		ck_assert(found);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		forget();
		ck_assert_int_eq(remote->ops->remove(remote, bucket, names[i], on_done, NULL, NULL), 0);
		run();
		ck_assert_int_eq(seen.code, 0);
		ck_assert_int_eq(seen.status, 204);
		forget();
		ck_assert_int_eq(remote->ops->remove(remote, bucket, names[i], on_done, NULL, NULL), 0);
		run();
		ck_assert_int_eq(seen.code, ERR_NOT_FOUND);
		ck_assert_str_eq(seen.message, "File not found");
	}
}
END_TEST

START_TEST(batches_and_scans)
{
	struct remote_call *call = NULL;
	char path[32], after[32] = "";
	unsigned total = 0;

	start_devserver();
	make_bucket();
	forget();
	ck_assert_int_eq(remote->ops->batch(remote, bucket, &upload, NULL, &call), 0);
	for (int i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "d%02d/\xc3\xa9", i);
		ck_assert_int_eq(remote->ops->part(call, path, strdup(path), strlen(path)), 0);
	}
	ck_assert_int_eq(remote->ops->finish(call), 0);
	run();
	ck_assert_int_eq(seen.code, 0);
	ck_assert_uint_eq(seen.n, 60);
	do {
		forget();
		ck_assert_int_eq(remote->ops->list(remote, bucket, after, 7, on_list, NULL, NULL), 0);
		run();
		ck_assert_int_eq(seen.code, 0);
		total += (unsigned)seen.n;
		const char *last = strrchr(seen.paths, ' ');
		snprintf(after, sizeof(after), "%.31s", last ? last + 1 : seen.paths);
	} while (seen.more);
	ck_assert_uint_eq(total, 60);
	forget();
	ck_assert_int_eq(remote->ops->bucket(remote, bucket, on_bucket, NULL, NULL), 0);
	run();
	ck_assert_int_eq(seen.code, 0);
	forget();
	ck_assert_int_eq(remote->ops->bucket(remote, "nothere", on_bucket, NULL, NULL), 0);
	run();
	ck_assert_int_eq(seen.code, ERR_NOT_FOUND);
}
END_TEST

static void on_buckets(void *arg, const struct api_error *e, const struct api_bucket *buckets, size_t n,
		       const struct api_page_info *page)
{
	see_error(e->code, e->status, e->message);
	seen.n = n;
	if (n > 0) {
		ck_assert_int_eq(page->total, 1);
		snprintf(seen.bucket, sizeof(seen.bucket), "%s", buckets[0].name);
	}
}

static void on_files(void *arg, const struct api_error *e, const struct api_file *files, size_t n,
		     const struct api_page_info *page)
{
	see_error(e->code, e->status, e->message);
	seen.n = n;
	ck_assert_int_eq(page->limit, 10);
	ck_assert(n == 0 || strncmp(files[0].short_url, api_url(api), strlen(api_url(api))) == 0);
}

static void on_health(void *arg, const struct api_error *e, const struct api_health *health)
{
	see_error(e->code, e->status, e->message);
	snprintf(seen.health, sizeof(seen.health), "%s %s", health->status ? health->status : "-",
		 health->db ? health->db : "-");
	ck_assert_int_ge(health->latency_ms, 0);
	ck_assert(health->has_clock); /* the development server's clock is ours */
	ck_assert_int_le(llabs((long long)health->clock_ahead_ms), 1000 + health->latency_ms);
}

START_TEST(probes_and_lists)
{
	char url[128];
	const struct api_page page = {.limit = 10, .offset = 0, .sort = "path", .descending = 0};

	start_devserver();
	snprintf(url, sizeof(url), "%s", api_url(api));
	probe();
	ck_assert_int_eq(seen.code, 0);
	ck_assert_str_eq(seen.role, "admin");
	make_bucket();
	store("a", "b");
	forget();
	ck_assert_int_eq(api_bucket_list(api, &page, true, on_buckets, NULL, NULL), 0);
	run();
	ck_assert_int_eq(seen.code, 0);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_str_eq(seen.bucket, "caf\xc3\xa9 \"x\"");
	forget();
	ck_assert_int_eq(api_file_list(api, bucket, &page, on_files, NULL, NULL), 0);
	run();
	ck_assert_int_eq(seen.code, 0);
	ck_assert_uint_eq(seen.n, 1);
	forget();
	ck_assert_int_eq(api_health(api, on_health, NULL, NULL), 0);
	run();
	ck_assert_int_eq(seen.code, 0);
	ck_assert_str_eq(seen.health, "healthy ok");

	connect_to(url, API_AUTH_API_KEY, "cf4_00000000_00000000000000000000000000000000");
	probe();
	ck_assert_int_eq(seen.code, ERR_AUTH);
	ck_assert_int_eq(seen.status, 403);
	ck_assert_str_eq(seen.role, "anonymous");
	ck_assert_str_eq(seen.message, "Authentication required");
	ck_assert(seen.hint[0]);
	connect_to(url, API_AUTH_DASHBOARD_TOKEN, "junk");
	probe();
	ck_assert_int_eq(seen.code, ERR_AUTH);
	connect_to(url, API_AUTH_NONE, NULL);
	probe();
	ck_assert_int_eq(seen.code, 0);
	ck_assert_str_eq(seen.role, "anonymous");
	connect_to(url, API_AUTH_UPLOAD_TOKEN, "cfu_0");
	probe();
	ck_assert_str_eq(seen.role, "upload");
	/* A refused upload. */
	store("x", "y");
	ck_assert_int_eq(seen.code, ERR_AUTH);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_remote");
	TCase *tc = tcase_create("api_remote");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, put_chooses_its_form);
	tcase_add_test(tc, put_frames_names_beyond_ascii);
	tcase_add_test(tc, upload_tokens_go_into_the_query);
	tcase_add_test(tc, strange_answers_leave_doubt);
	tcase_add_test(tc, put_cut_before_and_after_its_end);
	tcase_add_test(tc, batches_travel_in_order);
	tcase_add_test(tc, batches_count_the_parts_that_went);
	tcase_add_test(tc, paths_are_checked_before_any_url);
	tcase_add_test(tc, feeding_must_match_the_size);
	tcase_add_test(tc, scan_follows_empty_pages);
	tcase_add_test(tc, scan_refuses_more_than_asked);
	tcase_add_test(tc, fetch_takes_the_whole_file_only);
	tcase_add_test(tc, freeing_cancels);
	tcase_add_test(tc, probe_does_not_trust_every_server);
	tcase_add_test(tc, every_odd_name_makes_the_round_trip);
	tcase_add_test(tc, batches_and_scans);
	tcase_add_test(tc, probes_and_lists);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
