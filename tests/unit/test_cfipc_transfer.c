/* libcfipc's bulk functions and event handlers: what happens on this side of the socket. */
#include "tests/unit/cfipc_peer.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define UP_JSON                                                                                              \
	"{\"file\":{\"path\":\"a\",\"name\":\"a\",\"size\":5,\"mime_type\":\"x\",\"created_at\":\"t\","      \
	"\"updated_at\":\"u\"}}"
#define PROGRESS(done, total)                                                                                \
	"{\"progress\":{\"transfer\":\"1\",\"phase\":\"body\",\"bytes_done\":" #done                         \
	",\"bytes_total\":" #total "}}"
#define EVENT(kind)                                                                                          \
	"{\"event\":{\"seq\":1,\"kind\":\"" kind "\",\"at\":\"t\",\"profile\":\"p\",\"bucket\":\"B1\"}}"

static cfipc_client *c;
static cfipc_error *error;
static char target[128];

static void set_up(void)
{
	peer_start();
	c = peer_client();
	snprintf(target, sizeof(target), "%s/target", peer.directory);
}

static void tear_down(void)
{
	cfipc_client_unref(c);
	unlink(target);
	peer_stop();
}

static void peer_writes(const char *data, size_t len)
{
	pthread_mutex_lock(&peer.lock);
	peer.write = data;
	peer.write_len = len;
	pthread_mutex_unlock(&peer.lock);
}

static void make_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static const char *contents(const char *path)
{
	static char text[256];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return "(none)";
	text[n] = 0;
	return text;
}

/* Nothing but the socket and, if it should be there, the target. */
static void check_no_litter(bool with_target)
{
	DIR *d = opendir(peer.directory);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	ck_assert_int_eq(n, 2 + 1 + with_target);
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The peer lives in this process and lets go of its ends when it sees that ours are closed. */
static void wait_fds(int n)
{
	for (int i = 0; i < 10000 && open_fds() != n; i++)
		usleep(1000);
	ck_assert_int_eq(open_fds(), n);
}

struct progress {
	int calls, stop_at;
	int64_t done, total;
	int percent;
};

static int on_progress(cfipc_op *op, int64_t done, int64_t total, int percent, void *userdata)
{
	struct progress *p = userdata;

	p->calls++;
	p->done = done;
	p->total = total;
	p->percent = percent;
	return p->calls == p->stop_at;
}

START_TEST(progress_and_a_callback_that_says_no)
{
	struct progress p = {0};
	cfipc_transfer_options options;
	cfipc_file *file = NULL;

	cfipc_transfer_options_init(&options, sizeof(options));
	options.progress = on_progress;
	options.progress_userdata = &p;
	PEER_SAYS(PROGRESS(0, 0), PROGRESS(2, 8), UP_JSON);
	ck_assert_int_eq(cfipc_upload_data(c, NULL, "B1", "a", "hello", 5, &options, &file, &error), 0);
	ck_assert_str_eq(peer.read, "hello");
	ck_assert_int_eq(cfipc_file_size(file), 5);
	ck_assert_int_eq(p.calls, 2);
	ck_assert_int_eq(p.percent, 25);
	cfipc_unref(file);
	memset(&p, 0, sizeof(p));
	PEER_SAYS("{\"progress\":{\"transfer\":\"1\",\"phase\":\"body\",\"bytes_done\":3}}", UP_JSON);
	ck_assert_int_eq(cfipc_upload_data(c, NULL, "B1", "a", "", 0, &options, NULL, NULL), 0);
	ck_assert_int_eq(p.total, -1);
	ck_assert_int_eq(p.percent, -1);

	/* Not zero ends it, and the connection, which ends it in the daemon. */
	memset(&p, 0, sizeof(p));
	p.stop_at = 1;
	peer.open = true;
	PEER_SAYS(PROGRESS(1, 8), PROGRESS(2, 8));
	unsigned closed = peer.closed;

	ck_assert_int_eq(cfipc_upload_data(c, NULL, "B1", "a", "hello", 5, &options, &file, &error),
			 -ECANCELED);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_CANCELED);
	ck_assert_ptr_null(file);
	ck_assert_int_eq(p.calls, 1);
	cfipc_error_free(error);
	while (peer.closed == closed)
		usleep(1000);
}
END_TEST

START_TEST(what_cannot_be_sent)
{
	const char *const cases[] = {"/nonexistent/file", "/tmp", "/dev/null"};
	const int errors[] = {ENOENT, EISDIR, EINVAL};
	int fds = open_fds();

	PEER_SAYS(UP_JSON);
	for (size_t i = 0; i < 3; i++) {
		cfipc_op *op = NULL;

		ck_assert_int_eq(cfipc_upload_path(c, NULL, "B1", "a", cases[i], NULL, NULL, &error),
				 -errors[i]);
		ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_LOCAL);
		ck_assert_int_eq(cfipc_error_errno(error), errors[i]);
		ck_assert_int_eq(cfipc_exit_code(-errors[i], error), 8);
		ck_assert_ptr_nonnull(strstr(cfipc_error_message(error), cases[i]));
		cfipc_error_free(error);
		ck_assert_int_eq(cfipc_upload_path_async(c, &op, NULL, "B1", "a", cases[i], NULL, NULL, NULL),
				 0);
		ck_assert_int_eq(cfipc_op_wait(op, -1), -errors[i]);
		cfipc_op_unref(op);
	}
	ck_assert_int_eq(cfipc_upload_fd(c, NULL, "B1", "a", -1, NULL, NULL, &error), -EBADF);
	cfipc_error_free(error);
	ck_assert_uint_eq(peer.requests, 0);
	wait_fds(fds);
}
END_TEST

START_TEST(download_to_a_path)
{
	cfipc_transfer_options options;
	cfipc_downloaded *downloaded = NULL;
	struct stat st;

	cfipc_transfer_options_init(&options, sizeof(options));
	peer_writes("fresh", 5);
	PEER_SAYS("{\"bytes\":5}");
	umask(022);
	ck_assert_int_eq(cfipc_download_path(c, NULL, "B1", "a", target, NULL, &downloaded, &error), 0);
	ck_assert_str_eq(contents(target), "fresh");
	ck_assert_int_eq(cfipc_downloaded_bytes(downloaded), 5);
	ck_assert_int_eq(stat(target, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0644);
	cfipc_unref(downloaded);
	check_no_litter(true);

	/* Something is there: nothing is even asked. */
	unsigned requests = peer.requests;

	ck_assert_int_eq(cfipc_download_path(c, NULL, "B1", "a", target, NULL, NULL, &error), -EEXIST);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_LOCAL);
	cfipc_error_free(error);
	ck_assert_uint_eq(peer.requests, requests);

	/* Its permissions stay. */
	make_file(target, "old", 0600);
	options.overwrite = 1;
	ck_assert_int_eq(cfipc_download_path(c, NULL, "B1", "a", target, &options, NULL, NULL), 0);
	ck_assert_str_eq(contents(target), "fresh");
	ck_assert_int_eq(stat(target, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	check_no_litter(true);

	PEER_SAYS("{\"unchanged\":true}");
	make_file(target, "old", 0600);
	ck_assert_int_eq(cfipc_download_path(c, NULL, "B1", "a", target, &options, &downloaded, NULL), 0);
	ck_assert_int_eq(cfipc_downloaded_unchanged(downloaded), 1);
	cfipc_unref(downloaded);
	ck_assert_str_eq(contents(target), "old");
	check_no_litter(true);

	/* Relative to where the program was when it asked. */
	cfipc_op *op = NULL;

	ck_assert_int_eq(chdir(peer.directory), 0);
	PEER_SAYS("{\"bytes\":5}");
	ck_assert_int_eq(cfipc_download_path_async(c, &op, NULL, "B1", "a", "target", &options, NULL, NULL),
			 0);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(cfipc_op_wait(op, -1), 0);
	cfipc_op_unref(op);
	ck_assert_str_eq(contents(target), "fresh");
	check_no_litter(true);
}
END_TEST

START_TEST(a_download_that_fails_leaves_what_was_there)
{
	cfipc_transfer_options options;
	int fds = open_fds();
	cfipc_op *op = NULL;

	cfipc_transfer_options_init(&options, sizeof(options));
	options.overwrite = 1;
	make_file(target, "old", 0644);
	peer_writes("fres", 4);
	peer_script((const char *const[]){"{\"expected\":\"1\",\"actual\":\"2\"}", NULL},
		    "org.carbonfiles.remote.HashMismatch");
	ck_assert_int_eq(cfipc_download_path(c, NULL, "B1", "a", target, &options, NULL, &error), -EREMOTEIO);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_HASH_MISMATCH);
	cfipc_error_free(error);
	ck_assert_str_eq(contents(target), "old");
	check_no_litter(true);

	/* The daemon says more than there is. */
	PEER_SAYS("{\"bytes\":5}");
	ck_assert_int_eq(cfipc_download_path(c, NULL, "B1", "a", target, &options, NULL, &error), -EIO);
	cfipc_error_free(error);
	ck_assert_str_eq(contents(target), "old");
	check_no_litter(true);

	/* Somebody else made the file meanwhile. */
	unlink(target);
	PEER_SAYS("{\"bytes\":4}");
	ck_assert_int_eq(cfipc_download_path_async(c, &op, NULL, "B1", "a", target, NULL, NULL, NULL), 0);
	make_file(target, "theirs", 0644);
	ck_assert_int_eq(cfipc_op_wait(op, -1), -EEXIST);
	op = cfipc_op_unref(op);
	ck_assert_str_eq(contents(target), "theirs");
	check_no_litter(true);

	/* Cancelled. */
	peer.silent = true;
	ck_assert_int_eq(cfipc_download_path_async(c, &op, NULL, "B1", "a", target, &options, NULL, NULL), 0);
	ck_assert_int_eq(cfipc_op_wait(op, 20000), -ETIMEDOUT);
	cfipc_op_cancel(op);
	ck_assert_int_eq(cfipc_op_wait(op, -1), -ECANCELED);
	check_no_litter(true);
	cfipc_op_unref(op);
	ck_assert_int_eq(cfipc_download_path(c, NULL, "B1", "a", "/tmp", NULL, NULL, NULL), -EISDIR);
	ck_assert_int_eq(cfipc_download_path(c, NULL, "B1", "a", "/nonexistent/x", NULL, NULL, NULL),
			 -ENOENT);
	wait_fds(fds);
}
END_TEST

/* Whenever a program dies, its target is what it was; what is left is a .part file that says whose it is. */
START_TEST(a_killed_download)
{
	cfipc_transfer_options options;

	cfipc_transfer_options_init(&options, sizeof(options));
	options.overwrite = 1;
	make_file(target, "old", 0644);
	peer_writes("fres", 4);
	peer.silent = true;
	pid_t child = fork();

	if (child == 0) {
		cfipc_download_path(peer_client(), NULL, "B1", "a", target, &options, NULL, NULL);
		_exit(1);
	}
	for (int i = 0; i < 10000 && peer.requests == 0; i++)
		usleep(1000);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ck_assert_uint_eq(peer.requests, 1);
	ck_assert_str_eq(contents(target), "old");
	DIR *d = opendir(peer.directory);
	struct dirent *entry;
	int parts = 0;

	while ((entry = readdir(d))) {
		if (strncmp(entry->d_name, ".target.", 8) != 0)
			continue;
		ck_assert_str_eq(strrchr(entry->d_name, '.'), ".part");
		ck_assert_int_eq(unlinkat(dirfd(d), entry->d_name, 0), 0);
		parts++;
	}
	closedir(d);
	ck_assert_int_eq(parts, 1);
}
END_TEST

START_TEST(download_to_memory)
{
	cfipc_downloaded *downloaded = NULL;
	int fds = open_fds();
	size_t size = 0;

	peer_writes("a\0b", 3);
	PEER_SAYS("{\"bytes\":3}");
	ck_assert_int_eq(cfipc_download_data(c, NULL, "B1", "a", 3, NULL, &downloaded, &error), 0);
	const char *data = cfipc_downloaded_data(downloaded, &size);

	ck_assert_uint_eq(size, 3);
	ck_assert_mem_eq(data, "a\0b", 3);
	ck_assert_str_eq(cfipc_json(downloaded), "{\"bytes\":3}");
	cfipc_unref(downloaded);
	ck_assert_int_eq(cfipc_download_data(c, NULL, "B1", "a", SIZE_MAX, NULL, &downloaded, &error), 0);
	cfipc_unref(downloaded);

	/* Not one byte more than was allowed. */
	ck_assert_int_eq(cfipc_download_data(c, NULL, "B1", "a", 2, NULL, &downloaded, &error), -EFBIG);
	ck_assert_int_eq(cfipc_error_code(error), CFIPC_ERROR_LOCAL);
	ck_assert_ptr_null(downloaded);
	ck_assert_ptr_null(cfipc_downloaded_data(NULL, &size));
	cfipc_error_free(error);
	wait_fds(fds);
}
END_TEST

/* ---- Events ---- */

static char log_text[256];

static void on_event(cfipc_events *events, cfipc_event *event, void *userdata)
{
	size_t len = strlen(log_text);

	snprintf(log_text + len, sizeof(log_text) - len, "%s:%s ", (const char *)userdata,
		 cfipc_event_kind(event));
}

static void on_closed(cfipc_events *events, const cfipc_error *failed, void *userdata)
{
	size_t len = strlen(log_text);

	snprintf(log_text + len, sizeof(log_text) - len, "closed:%d ", cfipc_error_code(failed));
}

static void run_until(const char *text)
{
	for (int i = 0; i < 10000 && !strstr(log_text, text); i++)
		if (cfipc_client_process(c) == 0)
			cfipc_client_wait(c, 1000000);
	ck_assert_msg(strstr(log_text, text) != NULL, "no %s in %s", text, log_text);
}

START_TEST(event_handlers)
{
	cfipc_events *events = NULL;
	cfipc_handler *handler = NULL;

	ck_assert_int_eq(cfipc_events_new(c, "p", &events), 0);
	ck_assert_int_eq(cfipc_events_on_file_created(events, on_event, (void *)(uintptr_t) "a", NULL), 0);
	ck_assert_int_eq(cfipc_events_on_file_created(events, on_event, (void *)(uintptr_t) "b", &handler),
			 0);
	ck_assert_int_eq(cfipc_events_on_other(events, on_event, (void *)(uintptr_t) "o", NULL), 0);
	ck_assert_int_eq(cfipc_events_on_closed(events, on_closed, NULL, NULL), 0);
	peer.open = true;
	PEER_SAYS(EVENT("ready"), EVENT("file_created"), EVENT("bucket_deleted"), EVENT("lost"));
	/* Nothing to subscribe to yet: no stream. Three changes, one request. */
	ck_assert_int_eq(cfipc_events_connect(events), 0);
	ck_assert_int_eq(cfipc_client_process(c), 0);
	ck_assert_int_eq(cfipc_events_subscribe_bucket(events, "B1"), 0);
	ck_assert_int_eq(cfipc_events_subscribe_bucket(events, "B1"), 0);
	ck_assert_int_eq(cfipc_events_subscribe_file(events, "B2", "x"), 0);
	ck_assert_int_eq(cfipc_events_is_connected(events), 0);
	run_until("o:lost");
	ck_assert_str_eq(log_text, "o:ready a:file_created b:file_created o:lost ");
	ck_assert_int_eq(cfipc_events_is_connected(events), 1);
	ck_assert_uint_eq(peer.requests, 1);
	ck_assert_str_eq(
		peer.parameters,
		"{\"profile\":\"p\",\"buckets\":[\"B1\"],\"files\":[{\"bucket\":\"B2\",\"path\":\"x\"}]}");

	/* Another set: a new stream, then the old one goes. */
	log_text[0] = 0;
	ck_assert_ptr_null(cfipc_handler_remove(handler));
	ck_assert_int_eq(cfipc_events_unsubscribe_bucket(events, "B1"), 0);
	ck_assert_int_eq(cfipc_events_unsubscribe_bucket(events, "B1"), -ENOENT);
	ck_assert_int_eq(cfipc_events_subscribe_all(events), 0);
	run_until("o:lost");
	ck_assert_str_eq(log_text, "o:ready a:file_created o:lost ");
	ck_assert_str_eq(peer.parameters,
			 "{\"profile\":\"p\",\"all\":true,\"files\":[{\"bucket\":\"B2\",\"path\":\"x\"}]}");
	while (peer.closed < 1)
		cfipc_client_process(c);

	/* No subscription, no stream; and a failure is told once. */
	log_text[0] = 0;
	ck_assert_int_eq(cfipc_events_unsubscribe_all(events), 0);
	ck_assert_int_eq(cfipc_events_unsubscribe_file(events, "B2", "x"), 0);
	while (peer.closed < 2)
		cfipc_client_process(c);
	ck_assert_str_eq(log_text, "");
	peer_script((const char *const[]){"{\"method\":\"m\"}", NULL},
		    "org.varlink.service.MethodNotImplemented");
	ck_assert_int_eq(cfipc_events_subscribe_all(events), 0);
	run_until("closed");
	ck_assert_str_eq(log_text, "closed:22 ");
	ck_assert_int_eq(cfipc_events_is_connected(events), 0);
	ck_assert_int_eq(cfipc_events_subscribe_bucket(events, "B1"), 0); /* until connect is called again */
	ck_assert_int_eq(cfipc_client_process(c), 0);
	cfipc_events_disconnect(events);
	ck_assert_ptr_null(cfipc_events_unref(events));
}
END_TEST

static void on_event_unref(cfipc_events *events, cfipc_event *event, void *userdata)
{
	cfipc_handler **handler = userdata;

	cfipc_handler_remove(*handler);
	cfipc_events_unref(events);
	snprintf(log_text, sizeof(log_text), "done");
}

START_TEST(a_handler_that_ends_everything)
{
	cfipc_events *events = NULL;
	cfipc_handler *handler = NULL;

	ck_assert_int_eq(cfipc_events_new(c, NULL, &events), 0);
	ck_assert_int_eq(cfipc_events_on_other(events, on_event_unref, &handler, &handler), 0);
	ck_assert_int_eq(cfipc_events_on_other(events, on_event, (void *)(uintptr_t) "never", NULL), 0);
	peer.open = true;
	PEER_SAYS(EVENT("ready"), EVENT("ready"));
	ck_assert_int_eq(cfipc_events_subscribe_all(events), 0);
	ck_assert_int_eq(cfipc_events_connect(events), 0);
	run_until("done");
	while (peer.closed < 1)
		cfipc_client_process(c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cfipc transfer");
	TCase *t = tcase_create("transfer");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, progress_and_a_callback_that_says_no);
	tcase_add_test(t, what_cannot_be_sent);
	tcase_add_test(t, download_to_a_path);
	tcase_add_test(t, a_download_that_fails_leaves_what_was_there);
	tcase_add_test(t, a_killed_download);
	tcase_add_test(t, download_to_memory);
	tcase_add_test(t, event_handlers);
	tcase_add_test(t, a_handler_that_ends_everything);
	suite_add_tcase(suite, t);
	return tap_run(suite);
}
