/* What the tests of the server's calls share: a remote against a scripted server, and what its callbacks
 * said. */
#pragma once
#include "tests/unit/tap.h"
#include "tests/unit/scripted_server.h"
#include "api/remote.h"
#include "base/err.h"
#include "base/fs.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define DEADLINE_MS 20000
#define ADMIN_KEY   "test-admin-key"

static struct loop *loop;
static struct http *http;
static struct api *api;
static struct remote *remote;
static struct scripted_server server;
static struct loop_timer deadline;
static pid_t devserver;

/* What the last callback said. */
static struct {
	int calls, code, status;
	char message[256], hint[256];
	char role[16];
	size_t n, parts_sent;
	bool more;
	char paths[16384]; /* joined by blanks */
	struct remote_version versions[64];
	char bucket[64], expires_at[64];
	struct buf data;
	int data_return;
	char health[32];
} seen;

static void on_deadline(void *arg)
{
	ck_abort_msg("nothing happened for %d ms", DEADLINE_MS);
}

static void forget(void)
{
	buf_done(&seen.data);
	memset(&seen, 0, sizeof(seen));
}

static void run(void)
{
	ck_assert_int_eq(loop_timer_set(loop, &deadline, DEADLINE_MS, on_deadline, NULL), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	loop_timer_stop(&deadline);
	ck_assert_int_eq(seen.calls, 1);
}

static void see_error(int code, int status, const char *message)
{
	seen.calls++;
	seen.code = code;
	seen.status = status;
	snprintf(seen.message, sizeof(seen.message), "%s", message ? message : "");
	ck_assert(code == 0 || message);
	loop_stop(loop);
}

static void see_remote_files(const struct remote_file *files, size_t n)
{
	seen.n = n;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(seen.paths);
		snprintf(seen.paths + len, sizeof(seen.paths) - len, "%s%s", i ? " " : "", files[i].path);
		if (i < ARRAY_SIZE(seen.versions))
			seen.versions[i] = files[i].version;
	}
}

static void on_list(void *arg, const struct remote_error *e, const struct remote_file *files, size_t n,
		    bool more)
{
	see_error(e->code, e->status, e->message);
	see_remote_files(files, n);
	seen.more = more;
}

static void on_done(void *arg, const struct remote_error *e)
{
	see_error(e->code, e->status, e->message);
}

static void on_upload(void *arg, const struct remote_error *e, const struct remote_file *files, size_t n,
		      size_t parts_sent)
{
	see_error(e->code, e->status, e->message);
	see_remote_files(files, n);
	seen.parts_sent = parts_sent;
}

static void on_bucket(void *arg, const struct remote_error *e, const struct remote_bucket *b)
{
	see_error(e->code, e->status, e->message);
	ck_assert_int_eq(b != NULL, e->code == 0);
	if (b) {
		snprintf(seen.bucket, sizeof(seen.bucket), "%s", b->id);
		snprintf(seen.expires_at, sizeof(seen.expires_at), "%s",
			 b->expires_at ? b->expires_at : "never");
	}
}

static int on_data(void *arg, const void *data, size_t len)
{
	ck_assert_int_eq(buf_append(&seen.data, data, len), 0);
	ck_assert_int_eq(buf_terminate(&seen.data), 0);
	return seen.data_return;
}

static const struct remote_upload_callbacks upload = {.on_done = on_upload};

static void connect_to(const char *url, enum api_auth auth, const char *credential)
{
	struct secret *secret = NULL;

	remote = api_remote_free(remote);
	api = api_unref(api);
	if (credential)
		ck_assert_int_eq(secret_new(credential, strlen(credential), &secret), 0);
	ck_assert_int_eq(api_new(http, url, auth, secret, &api), 0);
	ck_assert_int_eq(api_remote_new(api, &remote), 0);
}

static void setup(void)
{
	const struct http_options options = {.user_agent = "test"};

	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(http_new(loop, &options, &http), 0);
}

static void serve(const struct step *script)
{
	scripted_start(&server, loop, script);
	connect_to(server.url, API_AUTH_API_KEY, "cf4_12345678_x");
}

static void teardown(void)
{
	forget();
	remote = api_remote_free(remote);
	api = api_unref(api);
	http_free(http);
	if (server.on_accept)
		scripted_stop(&server);
	server.on_accept = NULL;
	loop_timer_done(&deadline);
	loop_free(loop);
	if (devserver > 0) {
		kill(devserver, SIGTERM);
		waitpid(devserver, NULL, 0);
		devserver = 0;
	}
}

static void start_put(const char *path, const char *text)
{
	struct remote_call *call = NULL;

	forget();
	ck_assert_int_eq(remote->ops->put(remote, "b1", path, (int64_t)strlen(text), &upload, NULL, &call),
			 0);
	ck_assert_int_eq(remote->ops->feed(call, strdup(text), strlen(text), true), 0);
}

static void put(const char *path, const char *text)
{
	start_put(path, text);
	run();
}

/* An answer with its length. */
static const char *answer(char *out, size_t size, const char *status, const char *body)
{
	snprintf(out, size, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
	return out;
}
