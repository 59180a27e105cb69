/* The pure parts of daemon/api: URL encoders and checks, readers of answers, multipart text. */
#include "tests/unit/tap.h"
#include "api/answer.h"
#include "api/multipart.h"
#include "api/uploaded.h"
#include "api/url.h"
#include "base/err.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

static const char *encoded(int (*encoder)(struct buf *, const char *), const char *text)
{
	static struct buf b;

	b.len = 0;
	ck_assert_int_eq(encoder(&b, text), 0);
	ck_assert_int_eq(buf_terminate(&b), 0);
	return b.data;
}

START_TEST(encoders_by_position)
{
	static const struct {
		const char *text, *path, *query;
	} cases[] = {
		{"plain-._~09AZ", "plain-._~09AZ", "plain-._~09AZ"},
		{"dir/file", "dir/file", "dir%2Ffile"},
		{"a b+c", "a%20b%2Bc", "a%20b%2Bc"},
		{"100%", "100%25", "100%25"},
		{"a%2Fb", "a%252Fb", "a%252Fb"}, /* a file literally called so */
		{"%2E%2E", "%252E%252E", "%252E%252E"},
		{"x#y?z&w=v;u", "x%23y%3Fz%26w%3Dv%3Bu", "x%23y%3Fz%26w%3Dv%3Bu"},
		{"\"'<>`", "%22%27%3C%3E%60", "%22%27%3C%3E%60"},
		{"a\nb\tc\x01\x7f", "a%0Ab%09c%01%7F", "a%0Ab%09c%01%7F"},
		{"h\xc3\xa9/\xf0\x9f\x8e\x89", "h%C3%A9/%F0%9F%8E%89", "h%C3%A9%2F%F0%9F%8E%89"},
		{"e\xcc\x81", "e%CC%81", "e%CC%81"}, /* NFD stays NFD */
		{" lead and trail ", "%20lead%20and%20trail%20", "%20lead%20and%20trail%20"},
		{"a..b/...", "a..b/...", "a..b%2F..."},
		{"!$&'()*+,;=:@", "%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40",
		 "%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40"},
		{"", "", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char ext[256];
		ck_assert_str_eq(encoded(url_append_path, cases[i].text), cases[i].path);
		ck_assert_str_eq(encoded(url_append_query, cases[i].text), cases[i].query);
		snprintf(ext, sizeof(ext), "UTF-8''%s", cases[i].query);
		ck_assert_str_eq(encoded(url_append_ext_value, cases[i].text), ext);
	}
}
END_TEST

START_TEST(paths_that_must_not_become_urls)
{
	static const char *const bad[] = {
		"",
		"/",
		"/a",
		"a/",
		"a//b",
		".",
		"..",
		"a/..",
		"../a",
		"a/./b",
		"a/../b",
		"..\\a",
		"a\\b",
		" ",
		"a/ /b",
		"\t",
		"\n",
		"\xc2\xa0",
		"a/\xe3\x80\x80",
		"\xe2\x80\x83",
		"\xff",
		"a\xc0\xaf",
		"\xed\xa0\x80",
		"\xc2\x85",
		"\xe1\x9a\x80",
	};
	static const char *const good[] = {
		"a",       "a/b",       "...",
		"..a",     "a..",       ".a",
		"a. ",     " a ",       "%2E%2E",
		"~",       "a\nb",      "\x01",
		"content", "d/content", "\xe2\x80\x8b" /* zero width space is no white space */,
	};
	char path[URL_PATH_MAX + 10];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(url_path_check(bad[i]) == -EINVAL, "'%s' was taken", bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(url_path_check(good[i]) == 0, "'%s' was refused", good[i]);
	memset(path, 'a', sizeof(path));
	path[URL_PATH_MAX] = '\0';
	ck_assert_int_eq(url_path_check(path), 0);
	path[0] = '+'; /* three bytes encoded */
	ck_assert_int_eq(url_path_check(path), -ENAMETOOLONG);
	path[URL_PATH_MAX - 2] = '\0';
	ck_assert_int_eq(url_path_check(path), 0);
	ck_assert_uint_eq(strlen(encoded(url_append_path, path)), URL_PATH_MAX);
}
END_TEST

/* What is checked is what is sent: the counted length is the encoded one, for every byte. */
START_TEST(check_counts_what_the_encoder_writes)
{
	for (int c = 1; c < 128; c++) {
		char unit[4] = {'a', (char)c, 'a', '\0'};
		if (c == '\\')
			continue;
		size_t one = strlen(encoded(url_append_path, unit)), fit = (URL_PATH_MAX + 1) / (one + 1);
		_cleanup_buf_ struct buf b = {0};
		for (size_t i = 0; i < fit; i++)
			ck_assert_int_eq(buf_printf(&b, "%s%s", i ? "/" : "", unit), 0);
		ck_assert_int_eq(buf_terminate(&b), 0);
		ck_assert_int_eq(url_path_check(b.data), 0);
		ck_assert_int_eq(buf_append_str(&b, "/aaaaaaaa"), 0);
		ck_assert_int_eq(buf_terminate(&b), 0);
		ck_assert_int_eq(url_path_check(b.data), -ENAMETOOLONG);
	}
}
END_TEST

START_TEST(ids)
{
	char id[66];

	ck_assert(url_id_valid("Ab3"));
	ck_assert(!url_id_valid(""));
	ck_assert(!url_id_valid(".."));
	ck_assert(!url_id_valid("a/b"));
	ck_assert(!url_id_valid("a-b"));
	ck_assert(!url_id_valid("a b"));
	memset(id, 'a', 65);
	id[65] = '\0';
	ck_assert(!url_id_valid(id));
	id[64] = '\0';
	ck_assert(url_id_valid(id));
}
END_TEST

START_TEST(server_urls)
{
	static const char *const good[][2] = {
		{"http://localhost", "http://localhost"},
		{"HTTP://LocalHost:5000/", "http://localhost:5000"},
		{"http://a:80", "http://a"},
		{"https://a:443/x//", "https://a/x"},
		{"https://a:80", "https://a:80"},
		{"https://Files.Example.com/Base/Path/", "https://files.example.com/Base/Path"},
		{"http://[::1]:8080", "http://[::1]:8080"},
		{"http://[FE80::1]", "http://[fe80::1]"},
		{"http://10.0.0.1:5", "http://10.0.0.1:5"},
	};
	static const char *const bad[] = {
		"",
		"localhost",
		"ftp://a",
		"http://",
		"http:///x",
		"http://a:",
		"http://a:0",
		"http://a:65536",
		"http://a:x",
		"http://a:123456",
		"http://u@a",
		"http://u:p@a",
		"http://a?x",
		"http://a/?x=1",
		"http://a#f",
		"http://a/..",
		"http://a/./b",
		"http://a//b",
		"http://a b",
		"http://a/b c",
		"http://a\n",
		"http://[::1",
		"http://[]",
		"http://\xc3\xa4.de",
		"http://a/%2e",
		"http://-a",
		"http://.a",
		"https:/a",
		"http://a\\b",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *url = NULL;
		ck_assert_int_eq(api_url_check(good[i][0], &url), 0);
		ck_assert_str_eq(url, good[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *url = NULL;
		ck_assert_msg(api_url_check(bad[i], &url) == -EINVAL, "%s was taken", bad[i]);
		ck_assert_ptr_null(url);
	}
}
END_TEST

/* Readers */

static struct json_object *json(const char *text)
{
	struct json_object *object = NULL;

	ck_assert_int_eq(json_parse(text, strlen(text), &object, NULL), 0);
	return object;
}

#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FILE_JSON(path, stamp)                                                                               \
	"{\"path\":\"" path "\",\"size\":3,\"short_url\":\"/s/abc\",\"sha256\":\"" HASH                      \
	"\",\"updated_at\":\"" stamp "\"}"

START_TEST(bucket_times_get_their_zone)
{
	_cleanup_json_ struct json_object *object = json(
		"{\"id\":\"b1\",\"name\":\"n\",\"created_at\":\"2026-01-02T03:04:05.1234567\",\"expires_at\":"
		"\"2026-01-02T03:04:05Z\",\"last_used_at\":\"2026-01-02T05:04:05.5+02:00\",\"file_count\":2,"
		"\"total_size\":9007199254740993,\"new_field\":{}}");
	struct answer_bucket b;

	ck_assert_int_eq(answer_bucket(object, &b), 0);
	ck_assert_str_eq(b.bucket.created_at, "2026-01-02T03:04:05.1234567Z");
	ck_assert_str_eq(b.bucket.expires_at, "2026-01-02T03:04:05Z");
	ck_assert_str_eq(b.bucket.last_used_at, "2026-01-02T03:04:05.500Z");
	ck_assert_int_eq(b.bucket.total_size, INT64_C(9007199254740993));
	ck_assert_int_eq(b.bucket.unique_content_count, -1);
	ck_assert_ptr_null(b.bucket.description);
}
END_TEST

START_TEST(buckets_that_are_none)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"id\":1,\"name\":\"n\",\"created_at\":\"2026-01-02T03:04:05\",\"file_count\":0,\"total_"
		"size\":0}",
		"{\"id\":\"\",\"name\":\"n\",\"created_at\":\"2026-01-02T03:04:05\",\"file_count\":0,\"total_"
		"size\":0}",
		"{\"id\":\"b\",\"name\":\"n\",\"created_at\":\"yesterday\",\"file_count\":0,\"total_size\":"
		"0}",
		"{\"id\":\"b\",\"name\":\"n\",\"created_at\":\"2026-01-02T03:04:05\",\"file_count\":-1,"
		"\"total_size\":0}",
		"{\"id\":\"b\",\"name\":\"n\",\"created_at\":\"2026-01-02T03:04:05\",\"file_count\":0}",
		"{\"id\":\"b\",\"name\":\"n\",\"created_at\":\"2026-01-02T03:04:05\",\"file_count\":0,"
		"\"total_size\":1.5}",
	};
	struct answer_bucket b;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_json_ struct json_object *object = json(bad[i]);
		ck_assert_int_eq(answer_bucket(object, &b), ERR_PROTOCOL);
	}
}
END_TEST

START_TEST(files_keep_their_version)
{
	_cleanup_json_ struct json_object *object =
		json("{\"uploaded\":[" FILE_JSON("a", "2026-01-02T03:04:05.12Z") "," FILE_JSON(
			"\\u00e9",
			"2026-01-02T03:04:05.12") ",{\"path\":\"old\",\"size\":0,\"updated_at\":"
						  "\"2026-01-02T03:04:05+00:00\",\"deduplicated\":true,"
						  "\"short_url\":\"https://x/s/1\"}]}");
	struct answer_files f;

	ck_assert_int_eq(answer_files(object, "uploaded", "http://h/base", &f), 0);
	ck_assert_uint_eq(f.n, 3);
	ck_assert_str_eq(f.files[0].version, "2026-01-02T03:04:05.12");
	ck_assert_str_eq(f.files[0].version, f.files[1].version);
	ck_assert_str_eq(f.files[0].updated_at, "2026-01-02T03:04:05.12Z");
	ck_assert_str_eq(f.files[0].updated_at, f.files[1].updated_at);
	ck_assert_str_eq(f.files[0].short_url, "http://h/base/s/abc");
	ck_assert_int_eq(f.files[0].deduplicated, -1);
	ck_assert_str_eq(f.files[1].path, "\xc3\xa9");
	ck_assert_str_eq(f.files[2].version, "2026-01-02T03:04:05");
	ck_assert_str_eq(f.files[2].short_url, "https://x/s/1");
	ck_assert_ptr_null(f.files[2].sha256);
	ck_assert_int_eq(f.files[2].deduplicated, 1);
	answer_files_done(&f);
	answer_files_done(&f);
	ck_assert_int_eq(answer_files(object, "files", "", &f), ERR_PROTOCOL);
}
END_TEST

START_TEST(files_that_are_none)
{
	static const char *const bad[] = {
		"{\"size\":1,\"updated_at\":\"2026-01-02T03:04:05\"}",
		"{\"path\":\"\",\"size\":1,\"updated_at\":\"2026-01-02T03:04:05\"}",
		"{\"path\":\"a\",\"updated_at\":\"2026-01-02T03:04:05\"}",
		"{\"path\":\"a\",\"size\":-1,\"updated_at\":\"2026-01-02T03:04:05\"}",
		"{\"path\":\"a\",\"size\":\"1\",\"updated_at\":\"2026-01-02T03:04:05\"}",
		"{\"path\":\"a\",\"size\":1}",
		"{\"path\":\"a\",\"size\":1,\"updated_at\":\"2026-01-02\"}",
		"{\"path\":\"a\",\"size\":1,\"updated_at\":\"2026-01-02T03:04:05\",\"sha256\":\"abc\"}",
		"{\"path\":\"a\",\"size\":1,\"updated_at\":\"2026-01-02T03:04:05\",\"sha256\":5}",
		"null",
		"7",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[512];
		struct answer_files f = {0};
		snprintf(text, sizeof(text), "{\"items\":[%s]}", bad[i]);
		_cleanup_json_ struct json_object *object = json(text);
		ck_assert_int_eq(answer_files(object, "items", "", &f), ERR_PROTOCOL);
		ck_assert_ptr_null(f.files);
	}
}
END_TEST

START_TEST(uploads_are_named_one_by_one)
{
	static const char text[] =
		"{\"x\":[{}],\"uploaded\":[" FILE_JSON("a", "2026-01-02T03:04:05.12Z") "," FILE_JSON(
			"\\u00e9",
			"2026-01-02T03:04:05.12") ",{\"path\":\"old\",\"size\":0,\"updated_at\":"
						  "\"2026-01-02T03:04:05+00:00\",\"sha256\":null}]}";
	struct remote_file f[] = {{.path = "a"}, {.path = "\xc3\xa9"}, {.path = "old"}, {.path = "more"}};
	_cleanup_json_ struct json_object *object = json(text);
	struct answer_files tree;

	ck_assert_int_eq(uploaded_read(text, strlen(text), f, 3), 0);
	ck_assert_int_eq(answer_files(object, "uploaded", "", &tree), 0);
	for (size_t i = 0; i < 3; i++) {
		struct digest d;
		ck_assert_int_eq(f[i].version.size, tree.files[i].size);
		ck_assert_str_eq(f[i].version.updated_at, tree.files[i].version);
		ck_assert_int_eq(f[i].version.has_digest, tree.files[i].sha256 != NULL);
		if (tree.files[i].sha256) {
			ck_assert_int_eq(digest_from_hex(tree.files[i].sha256, &d), 0);
			ck_assert(digest_equal(&d, &f[i].version.digest));
		}
	}
	answer_files_done(&tree);

	/* Fewer, more, or others than were sent. */
	ck_assert_int_eq(uploaded_read(text, strlen(text), f, 4), ERR_PROTOCOL);
	ck_assert_int_eq(uploaded_read(text, strlen(text), f, 2), ERR_PROTOCOL);
	f[1].path = "e";
	ck_assert_int_eq(uploaded_read(text, strlen(text), f, 3), ERR_PROTOCOL);
}
END_TEST

#define UPLOADED(members) "{\"uploaded\":[{\"path\":\"a\"," members "}]}"

START_TEST(uploads_that_are_none)
{
	static const char *const bad[] = {
		UPLOADED("\"updated_at\":\"2026-01-02T03:04:05\""),
		UPLOADED("\"size\":1"),
		UPLOADED("\"size\":null,\"updated_at\":\"2026-01-02T03:04:05\""),
		UPLOADED("\"size\":-1,\"updated_at\":\"2026-01-02T03:04:05\""),
		UPLOADED("\"size\":1.5,\"updated_at\":\"2026-01-02T03:04:05\""),
		UPLOADED("\"size\":\"1\",\"updated_at\":\"2026-01-02T03:04:05\""),
		UPLOADED("\"size\":1,\"updated_at\":7"),
		UPLOADED("\"size\":1,\"updated_at\":\"2026-01-02\""),
		UPLOADED("\"size\":1,\"updated_at\":\"2026-01-02T03:04:05."
			 "0000000000000000000000000000000000\""),
		UPLOADED("\"size\":1,\"updated_at\":\"2026-01-02T03:04:05\",\"sha256\":\"abc\""),
		UPLOADED("\"size\":1,\"updated_at\":\"2026-01-02T03:04:05\",\"sha256\":5"),
		UPLOADED("\"size\":1,\"updated_at\":\"2026-01-02T03:04:05\",\"path\":\"b\""),
		"{\"uploaded\":[{\"size\":1,\"updated_at\":\"2026-01-02T03:04:05\"}]}",
		"{\"uploaded\":[null]}",
		"{\"uploaded\":{}}",
		"{\"uploaded\":[]}",
		"{\"uploaded\":null}",
		"{}",
		"[]",
		"7",
		"",
	};
	static const char good[] = UPLOADED("\"size\":1,\"updated_at\":\"2026-01-02T03:04:05\"");
	struct remote_file f = {.path = "a"};

	ck_assert_int_eq(uploaded_read(good, strlen(good), &f, 1), 0);
	ck_assert(!f.version.has_digest);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(uploaded_read(bad[i], strlen(bad[i]), &f, 1) == ERR_PROTOCOL, "%s", bad[i]);
}
END_TEST

#define T "2026-01-02T03:04:05"

START_TEST(scans_must_ascend)
{
	static const struct {
		const char *text, *after;
		int result;
		size_t n;
		const char *cursor;
	} cases[] = {
		{"{\"files\":[]}", NULL, 0, 0, NULL},
		{"{\"files\":[" FILE_JSON("a", T) "," FILE_JSON("b", T) "]}", NULL, 0, 2, NULL},
		{"{\"files\":[" FILE_JSON("a", T) "," FILE_JSON("b", T) "],\"cursor\":\"b\"}", "A", 0, 2,
		 "b"},
		{"{\"files\":[],\"cursor\":\"k\"}", "a", 0, 0, "k"},
		{"{\"files\":[" FILE_JSON("a", T) "],\"cursor\":\"c\"}", NULL, 0, 1, "c"},
		/* bytewise, on whole paths */
		{"{\"files\":[" FILE_JSON("a-b", T) "," FILE_JSON("a/b", T) "," FILE_JSON("a0", T) "]}", NULL,
		 0, 3, NULL},
		{"{\"files\":[" FILE_JSON("Z", T) "," FILE_JSON("a", T) "," FILE_JSON("\\u00e9", T) "]}",
		 NULL, 0, 3, NULL},
		{"{\"files\":[" FILE_JSON("b", T) "," FILE_JSON("a", T) "]}", NULL, ERR_PROTOCOL, 0, NULL},
		{"{\"files\":[" FILE_JSON("a", T) "," FILE_JSON("a", T) "]}", NULL, ERR_PROTOCOL, 0, NULL},
		{"{\"files\":[" FILE_JSON("a", T) "]}", "a", ERR_PROTOCOL, 0, NULL},
		{"{\"files\":[" FILE_JSON("a", T) "]}", "b", ERR_PROTOCOL, 0, NULL},
		{"{\"files\":[],\"cursor\":\"a\"}", "a", ERR_PROTOCOL, 0, NULL},
		{"{\"files\":[],\"cursor\":\"a\"}", "b", ERR_PROTOCOL, 0, NULL},
		{"{\"files\":[],\"cursor\":\"\"}", NULL, ERR_PROTOCOL, 0, NULL},
		{"{\"files\":[" FILE_JSON("b", T) "],\"cursor\":\"a\"}", NULL, ERR_PROTOCOL, 0, NULL},
		{"{\"files\":[],\"cursor\":7}", NULL, ERR_PROTOCOL, 0, NULL},
		{"{\"items\":[]}", NULL, ERR_PROTOCOL, 0, NULL},
		{"{\"files\":{}}", NULL, ERR_PROTOCOL, 0, NULL},
		{"[]", NULL, ERR_PROTOCOL, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json_object *object = json(cases[i].text);
		struct answer_files f = {0};
		const char *cursor = NULL;
		ck_assert_msg(answer_scan_page(object, "", cases[i].after, &f, &cursor) == cases[i].result,
			      "case %zu", i);
		ck_assert_uint_eq(f.n, cases[i].n);
		ck_assert_pstr_eq(cursor, cases[i].cursor);
		answer_files_done(&f);
	}
}
END_TEST

START_TEST(errors_by_status)
{
	static const struct {
		int status, read, write;
	} cases[] = {
		{200, 0, 0},
		{201, 0, 0},
		{204, 0, 0},
		{302, ERR_PROTOCOL, ERR_PROTOCOL},
		{304, ERR_PROTOCOL, ERR_PROTOCOL},
		{400, ERR_REJECTED, ERR_REJECTED},
		{401, ERR_AUTH, ERR_AUTH},
		{403, ERR_AUTH, ERR_AUTH},
		{404, ERR_NOT_FOUND, ERR_NOT_FOUND},
		{405, ERR_REJECTED, ERR_REJECTED},
		{408, ERR_SERVER, ERR_SERVER},
		{409, ERR_REJECTED, ERR_REJECTED},
		{413, ERR_TOO_LARGE, ERR_TOO_LARGE},
		{416, ERR_RANGE, ERR_RANGE},
		{429, ERR_SERVER, ERR_SERVER},
		{500, ERR_SERVER, ERR_SERVER},
		{502, ERR_OFFLINE, ERR_DOUBT},
		{503, ERR_SERVER, ERR_SERVER},
		{504, ERR_OFFLINE, ERR_DOUBT},
		{599, ERR_SERVER, ERR_SERVER},
		{600, ERR_SERVER, ERR_SERVER},
		{100, ERR_PROTOCOL, ERR_PROTOCOL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int write = 0; write < 2; write++) {
			const struct http_result result = {.status = cases[i].status, .message = ""};
			struct answer_texts texts = {0};
			struct api_error e;
			answer_error(&result, write, &texts, &e);
			ck_assert_int_eq(e.code, write ? cases[i].write : cases[i].read);
			ck_assert_int_eq(e.status, cases[i].status);
			ck_assert_int_eq(e.message != NULL, e.code != 0);
			ck_assert_ptr_null(e.hint);
			answer_texts_done(&texts);
		}
}
END_TEST

START_TEST(error_words)
{
	static const struct {
		const char *body, *message, *hint;
	} cases[] = {
		{"{\"error\":\"Bucket not found\",\"hint\":\"Look \\u0026 see\"}", "Bucket not found",
		 "Look & see"},
		{"{\"error\":\"caf\\u00e9\"}", "caf\xc3\xa9", NULL},
		{"", "Not found on the server, or not yours (HTTP 404)", NULL},
		{"<html>no</html>", "Not found on the server, or not yours (HTTP 404)", NULL},
		{"{\"error\":5}", "Not found on the server, or not yours (HTTP 404)", NULL},
		{"{\"error\":\"\"}", "Not found on the server, or not yours (HTTP 404)", NULL},
		{"[1]", "Not found on the server, or not yours (HTTP 404)", NULL},
		{"{\"error\":", "Not found on the server, or not yours (HTTP 404)", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct http_result result = {.status = 404,
						   .body = cases[i].body,
						   .body_len = strlen(cases[i].body),
						   .message = ""};
		struct answer_texts texts = {0};
		struct api_error e;
		answer_error(&result, false, &texts, &e);
		ck_assert_str_eq(e.message, cases[i].message);
		ck_assert_pstr_eq(e.hint, cases[i].hint);
		answer_texts_done(&texts);
	}
}
END_TEST

/* A write that may have been carried out is in doubt, whatever went wrong on our side afterwards. */
START_TEST(errors_without_an_answer)
{
	static const struct {
		struct http_result result;
		int read, write;
	} cases[] = {
		{{.error = ERR_OFFLINE, .reason = "connect"}, ERR_OFFLINE, ERR_OFFLINE},
		{{.error = ERR_DOUBT, .reason = "timeout", .sent_all = true}, ERR_DOUBT, ERR_DOUBT},
		{{.error = ERR_LIMIT, .status = 201, .sent_all = true}, ERR_LIMIT, ERR_DOUBT},
		{{.error = -ENOMEM, .status = 201, .sent_all = true}, -ENOMEM, ERR_DOUBT},
		{{.error = -ENOMEM, .sent_all = true}, -ENOMEM, ERR_DOUBT},
		{{.error = -ENOMEM}, -ENOMEM, -ENOMEM},
		{{.error = ERR_LIMIT, .status = 404, .sent_all = true}, ERR_NOT_FOUND, ERR_NOT_FOUND},
		{{.error = ERR_CANCELED, .status = 201, .sent_all = true}, ERR_CANCELED, ERR_CANCELED},
		{{.error = ERR_OFFLINE, .status = 200, .reason = "offline"}, ERR_OFFLINE, ERR_DOUBT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int write = 0; write < 2; write++) {
			struct http_result result = cases[i].result;
			struct answer_texts texts = {0};
			struct api_error e;
			result.message = "words";
			answer_error(&result, write, &texts, &e);
			ck_assert_msg(e.code == (write ? cases[i].write : cases[i].read), "case %zu: %d", i,
				      e.code);
			ck_assert_ptr_nonnull(e.message);
			ck_assert_pstr_eq(e.reason, result.status ? NULL : result.reason);
			answer_texts_done(&texts);
		}
}
END_TEST

START_TEST(multipart_text)
{
	char one[MULTIPART_BOUNDARY_SIZE], two[MULTIPART_BOUNDARY_SIZE];
	_cleanup_buf_ struct buf b = {0};

	multipart_boundary(one);
	multipart_boundary(two);
	ck_assert_str_ne(one, two);
	ck_assert_uint_eq(strlen(one), 35);
	ck_assert_int_eq(multipart_append_head(&b, "B", "d/\"q\"\xc3\xa9"), 0);
	ck_assert_int_eq(buf_append_str(&b, "data"), 0);
	ck_assert_int_eq(multipart_append_tail(&b), 0);
	ck_assert_int_eq(multipart_append_end(&b, "B"), 0);
	ck_assert_int_eq(buf_terminate(&b), 0);
	ck_assert_str_eq(b.data, "--B\r\nContent-Disposition: form-data; name=\"file\"; "
				 "filename*=UTF-8''d%2F%22q%22%C3%A9\r\n"
				 "Content-Type: application/octet-stream\r\n\r\ndata\r\n--B--\r\n");
}
END_TEST

/* Whatever the path is made of, its URL leads back to it, at any host. */
START_TEST(content_urls_lead_back)
{
	static const char *const paths[] = {
		"a",
		"d/content",
		"content/content",
		"x%2Fy",
		"%",
		"a b+c",
		"files/api/buckets/x",
		"#?&=",
		"\x01\n",
		"h\xc3\xa9/\xf0\x9f\x8e\x89",
	};
	static const char *const hosts[] = {"", "http://h", "https://h:8080/base", "//h"};
	static const char *const behind[] = {"", "?download=true", "#x"};

	for (size_t i = 0; i < ARRAY_SIZE(paths) * ARRAY_SIZE(hosts) * ARRAY_SIZE(behind); i++) {
		const char *path = paths[i % ARRAY_SIZE(paths)];
		_cleanup_free_ char *url = NULL, *bucket = NULL, *back = NULL;

		ck_assert_int_gt(asprintf(&url, "%s/api/buckets/Ab1/files/%s/content%s",
					  hosts[i / ARRAY_SIZE(paths) % ARRAY_SIZE(hosts)],
					  encoded(url_append_path, path),
					  behind[i / ARRAY_SIZE(paths) / ARRAY_SIZE(hosts)]),
				 0);
		ck_assert_msg(url_parse_content(url, &bucket, &back) == 0, "%s", url);
		ck_assert_str_eq(bucket, "Ab1");
		ck_assert_str_eq(back, path);
	}
}
END_TEST

START_TEST(urls_of_nothing)
{
	static const char *const bad[] = {
		"",
		"/",
		"/s/abc",
		"/api/buckets/",
		"/api/buckets/Ab1",
		"/api/buckets/Ab1/files",
		"/api/buckets/Ab1/files/",
		"/api/buckets/Ab1/files/content",
		"/api/buckets/Ab1/files//content",
		"/api/buckets/Ab1/files/a",
		"/api/buckets/Ab1/files/a/verify",
		"/api/buckets/Ab1/zip/a/content",
		"/api/buckets//files/a/content",
		"/api/buckets/../files/a/content",
		"/api/buckets/A-1/files/a/content",
		"/api/buckets/Ab1/files/%/content",
		"/api/buckets/Ab1/files/%4/content",
		"/api/buckets/Ab1/files/%4g/content",
		"/api/buckets/Ab1/files/a%00b/content",
		"/api/buckets/Ab1/files/%FF/content",
		"/api/buckets/Ab1/files?/a/content",
		"http://h/x?/api/buckets",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *bucket = NULL, *path = NULL;

		ck_assert_msg(url_parse_content(bad[i], &bucket, &path) == -EINVAL, "%s", bad[i]);
		ck_assert(!bucket && !path);
	}
}
END_TEST

struct sample {
	const char *text, *id, *at;
	int64_t count;
	bool flag;
	char at_text[ANSWER_TIME_MAX];
};

/* A member may be absent where the table says so, and never of another type. */
START_TEST(tables_of_members)
{
#define S(field) offsetof(struct sample, field)
	struct answer_field fields[] = {
		{"text", ANSWER_STRING, false, S(text), 0},    {"id", ANSWER_ID, false, S(id), 0},
		{"count", ANSWER_COUNT, false, S(count), 0},   {"flag", ANSWER_BOOL, false, S(flag), 0},
		{"at", ANSWER_TIME, false, S(at), S(at_text)},
	};
	static const char *const wrong[] = {
		"{\"text\":1}",      "{\"text\":[]}",     "{\"id\":\"\"}",   "{\"id\":{}}",
		"{\"count\":\"1\"}", "{\"count\":-1}",    "{\"count\":1.5}", "{\"flag\":\"true\"}",
		"{\"flag\":1}",      "{\"at\":\"soon\"}", "{\"at\":5}",
	};
	_cleanup_json_ struct json_object *all = NULL, *none = NULL;
	struct sample s = {0};

	ck_assert_int_eq(json_parse("{}", 2, &none, NULL), 0);
	ck_assert_int_eq(answer_read(none, fields, ARRAY_SIZE(fields), &s), 0);
	ck_assert(!s.text && !s.id && !s.at && s.count == -1);
	const char *text = "{\"text\":\"\",\"id\":\"i\",\"count\":9,\"flag\":true,\"at\":\"2026-01-02T03:04:"
			   "05.6\",\"x\":0}";
	ck_assert_int_eq(json_parse(text, strlen(text), &all, NULL), 0);
	ck_assert_int_eq(answer_read(all, fields, ARRAY_SIZE(fields), &s), 0);
	ck_assert_str_eq(s.text, "");
	ck_assert_str_eq(s.id, "i");
	ck_assert_str_eq(s.at, "2026-01-02T03:04:05.6Z");
	ck_assert(s.count == 9 && s.flag);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_json_ struct json_object *object = NULL;

		ck_assert_int_eq(json_parse(wrong[i], strlen(wrong[i]), &object, NULL), 0);
		ck_assert_msg(answer_read(object, fields, ARRAY_SIZE(fields), &s) == ERR_PROTOCOL, "%s",
			      wrong[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		fields[i].required = true;
		ck_assert_int_eq(answer_read(none, fields, ARRAY_SIZE(fields), &s), ERR_PROTOCOL);
		ck_assert_int_eq(answer_read(all, fields, ARRAY_SIZE(fields), &s), 0);
		fields[i].required = false;
	}
#undef S
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_pure");
	TCase *tc = tcase_create("api_pure");

	tcase_set_timeout(tc, 60); /* valgrind and sanitizers on a busy machine */

	tcase_add_test(tc, encoders_by_position);
	tcase_add_test(tc, paths_that_must_not_become_urls);
	tcase_add_test(tc, check_counts_what_the_encoder_writes);
	tcase_add_test(tc, ids);
	tcase_add_test(tc, server_urls);
	tcase_add_test(tc, bucket_times_get_their_zone);
	tcase_add_test(tc, buckets_that_are_none);
	tcase_add_test(tc, files_keep_their_version);
	tcase_add_test(tc, files_that_are_none);
	tcase_add_test(tc, uploads_are_named_one_by_one);
	tcase_add_test(tc, uploads_that_are_none);
	tcase_add_test(tc, scans_must_ascend);
	tcase_add_test(tc, errors_by_status);
	tcase_add_test(tc, error_words);
	tcase_add_test(tc, errors_without_an_answer);
	tcase_add_test(tc, multipart_text);
	tcase_add_test(tc, content_urls_lead_back);
	tcase_add_test(tc, urls_of_nothing);
	tcase_add_test(tc, tables_of_members);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
