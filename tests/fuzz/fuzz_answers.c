/* Fuzz target: bytes of a server through the JSON gate and every reader of its answers, and outside text
 * through the checks in front of a URL. What is accepted must keep its promises. */
#include "api/answer.h"
#include "api/uploaded.h"
#include "api/url.h"
#include "http/internal.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
	if (!promise)
		abort();
}

/* What is read without a tree is what the tree says. */
static void check_uploaded(const char *text, size_t len, const struct answer_files *files)
{
	struct remote_file *sent = calloc(files->n + 1, sizeof(*sent));

	require(sent);
	for (size_t i = 0; i < files->n; i++)
		sent[i].path = files->files[i].path;
	/* A member said twice may be one thing to the tree (the last) and another to this reader. */
	int r = uploaded_read(text, len, sent, files->n);
	for (size_t i = 0; r == 0 && i < files->n; i++) {
		require(sent[i].version.size == files->files[i].size);
		require(strcmp(sent[i].version.updated_at, files->files[i].version) == 0);
		require(!files->files[i].sha256 || sent[i].version.has_digest);
	}
	free(sent);
}

static void check_json(const char *text, size_t len)
{
	struct json_object *object = NULL, *again = NULL;
	struct answer_bucket bucket, *buckets;
	struct answer_files files;
	const char *cursor, *why = NULL;
	size_t n;

	if (json_parse(text, len, &object, &why) < 0) {
		require(why);
		return;
	}
	/* What was accepted can be said again and is accepted again (json-c writes more digits). */
	const char *said = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	require(said && json_parse(said, strlen(said), &again, NULL) == 0);
	json_object_put(again);

	(void)answer_bucket(object, &bucket);
	if (answer_buckets(object, "items", &buckets, &n) == 0)
		free(buckets);
	if (answer_files(object, "uploaded", "http://h", &files) == 0) {
		check_uploaded(text, len, &files);
		answer_files_done(&files);
	}
	if (answer_scan_page(object, "http://h", "m", &files, &cursor) == 0) {
		for (size_t i = 0; i < files.n; i++) {
			require(strcmp(files.files[i].path, i ? files.files[i - 1].path : "m") > 0);
			require(files.files[i].size >= 0 && !strpbrk(files.files[i].version, "Zz+"));
		}
		require(!cursor || strcmp(cursor, "m") > 0);
		answer_files_done(&files);
	}
	json_object_put(object);
}

static void check_error(const char *text, size_t len)
{
	const struct http_result result = {.status = 404, .body = text, .body_len = len, .message = ""};
	struct answer_texts texts = {0};
	struct api_error error;

	answer_error(&result, true, &texts, &error);
	require(error.message && *error.message);
	answer_texts_done(&texts);
}

static void check_path(const char *text)
{
	struct buf b = {0};
	char *rest;

	if (url_path_check(text) == 0) {
		require(url_append_path(&b, text) == 0 && buf_terminate(&b) == 0);
		require(b.len > 0 && b.len <= URL_PATH_MAX && !strstr(b.data, "//"));
		for (char *p = strtok_r(b.data, "/", &rest); p; p = strtok_r(NULL, "/", &rest))
			require(strcmp(p, ".") != 0 && strcmp(p, "..") != 0);
	}
	buf_done(&b);
}

static void check_url(const char *text)
{
	char *once = NULL, *twice = NULL;

	if (api_url_check(text, &once) < 0)
		return;
	/* Normal already, and nothing in it could begin a header or a query. */
	require(api_url_check(once, &twice) == 0 && strcmp(once, twice) == 0);
	require(!strpbrk(once, " \t\r\n?#@\\") ||
		strchr(strchr(once + 8, '/') ? strchr(once + 8, '/') : "", '@'));
	free(once);
	free(twice);
}

static void check_redaction(const char *text, size_t len)
{
	struct buf once = {0}, twice = {0};

	require(redact_append(&once, text, len) == 0);
	require(redact_append(&twice, once.data ? once.data : "", once.len) == 0);
	require(once.len == twice.len && (once.len == 0 || memcmp(once.data, twice.data, once.len) == 0));
	buf_done(&once);
	buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_json(text, size);
	check_error(text, size);
	check_path(text);
	check_url(text);
	check_redaction(text, size);
	free(text);
	return 0;
}
