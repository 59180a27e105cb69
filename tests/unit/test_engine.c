/* The engine against a server that the test plays: what it does where a call to the server cannot even begin,
 * or ends at a moment of the test's choice. What needs a real server is in tests/integration. */
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/worker.h"
#include "store/index.h"
#include "sync/engine.h"
#include "tests/unit/store_dir.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <limits.h>

#define DEADLINE_MS 20000
#define STORED_MAX  16
#define PARTS_MAX   8

struct remote_call {
	struct loop_timer timer; /* its answer, as soon as the caller has returned */
	remote_list_cb list;
	remote_bucket_cb bucket;
	struct remote_upload_callbacks upload;
	void *arg;
	struct remote_file parts[PARTS_MAX];
	size_t n_parts;
	uint64_t bytes;
	char after[256];
	int limit, error;
};

static struct loop *loop;
static struct worker_pool *pool;
static struct index *ix;
static struct settings settings;
static struct engine *engine;
static char *index_path, *config, *root;
static struct remote_file stored[STORED_MAX]; /* by path */
static size_t n_stored;
static int fail_begin, fail_part; /* so many calls fail before they begin */
static int requests;              /* uploads that began */
static const char *refused;       /* uploads whose first path begins so are answered 500 */
static int (*wanted)(void);

/* --- the server --- */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct remote_file *)a)->path, ((const struct remote_file *)b)->path);
}

static void store(const char *path, const struct remote_version *version)
{
	size_t i = 0;

	while (i < n_stored && strcmp(stored[i].path, path) != 0)
		i++;
	if (i == n_stored) {
		ck_assert_uint_lt(n_stored, STORED_MAX);
		stored[n_stored++].path = strdup(path);
	}
	stored[i].version = *version;
	qsort(stored, n_stored, sizeof *stored, by_path);
}

static void call_done(struct remote_call *c)
{
	loop_timer_done(&c->timer);
	for (size_t i = 0; i < c->n_parts; i++)
		free((char *)c->parts[i].path);
	free(c);
}

static int answer_later(struct remote_call *c, loop_fn fn, struct remote_call **ret_call)
{
	if (ret_call)
		*ret_call = c;
	return loop_timer_set(loop, &c->timer, 0, fn, c);
}

static struct remote_call *call_new(void *arg)
{
	struct remote_call *c = calloc(1, sizeof *c);

	ck_assert_ptr_nonnull(c);
	c->arg = arg;
	return c;
}

static struct remote_error error_of(struct remote_call *c)
{
	return (struct remote_error){.code = c->error,
				     .status = c->error == ERR_SERVER ? 500 : 0,
				     .message = c->error ? err_text(c->error) : NULL};
}

static void answer_list(void *arg)
{
	struct remote_call *c = arg;
	struct remote_error e = error_of(c);
	size_t first = 0, n;

	while (first < n_stored && strcmp(stored[first].path, c->after) <= 0)
		first++;
	n = MIN(n_stored - first, (size_t)c->limit);
	c->list(c->arg, &e, stored + first, c->error ? 0 : n, first + n < n_stored);
	call_done(c);
}

static int op_list(struct remote *r, const char *bucket, const char *after, int limit, remote_list_cb cb,
		   void *arg, struct remote_call **ret_call)
{
	struct remote_call *c = call_new(arg);

	c->list = cb;
	c->limit = limit;
	snprintf(c->after, sizeof c->after, "%s", after ? after : "");
	return answer_later(c, answer_list, ret_call);
}

static void answer_bucket(void *arg)
{
	struct remote_call *c = arg;
	struct remote_error e = error_of(c);
	const struct remote_bucket b = {.id = "b", .name = "b", .created_at = "2026-01-01T00:00:00Z"};

	c->bucket(c->arg, &e, &b);
	call_done(c);
}

static int op_bucket(struct remote *r, const char *bucket, remote_bucket_cb cb, void *arg,
		     struct remote_call **ret_call)
{
	struct remote_call *c = call_new(arg);

	c->bucket = cb;
	return answer_later(c, answer_bucket, ret_call);
}

static void op_collect(struct remote_call *c)
{
	struct remote_error e = error_of(c);

	c->upload.on_done(c->arg, &e, c->parts, c->error ? 0 : c->n_parts, c->error ? 0 : c->n_parts);
	call_done(c);
}

static void answer_upload(void *arg)
{
	struct remote_call *c = arg;

	if (refused && strncmp(c->parts[0].path, refused, strlen(refused)) == 0)
		c->error = ERR_SERVER;
	for (size_t i = 0; i < c->n_parts && !c->error; i++)
		store(c->parts[i].path, &c->parts[i].version);
	if (c->error || !c->upload.on_answered || !c->upload.on_answered(c->arg))
		op_collect(c);
}

static int begin_upload(const struct remote_upload_callbacks *cb, void *arg, struct remote_call **ret_call)
{
	if (fail_begin > 0) {
		fail_begin--;
		return -ENOMEM;
	}
	requests++;
	*ret_call = call_new(arg);
	(*ret_call)->upload = *cb;
	return 0;
}

static void add_part(struct remote_call *c, const char *path)
{
	ck_assert_uint_lt(c->n_parts, PARTS_MAX);
	c->parts[c->n_parts++].path = strdup(path);
}

static void fill_part(struct remote_call *c, void *data, size_t len)
{
	static int stamp;
	struct remote_version *v = &c->parts[c->n_parts - 1].version;

	v->size = (int64_t)len;
	v->has_digest = true;
	ck_assert_int_eq(digest_of(data, len, &v->digest), 0);
	snprintf(v->updated_at, sizeof v->updated_at, "2026-01-02T00:00:00.%06d", ++stamp);
	c->bytes += len;
	free(data);
}

static int op_put(struct remote *r, const char *bucket, const char *path, int64_t size,
		  const struct remote_upload_callbacks *cb, void *arg, struct remote_call **ret_call)
{
	int e = begin_upload(cb, arg, ret_call);

	if (e >= 0)
		add_part(*ret_call, path);
	return e;
}

static int op_batch(struct remote *r, const char *bucket, const struct remote_upload_callbacks *cb, void *arg,
		    struct remote_call **ret_call)
{
	return begin_upload(cb, arg, ret_call);
}

static int op_feed(struct remote_call *c, void *data, size_t len, bool last)
{
	ck_assert(last);
	fill_part(c, data, len);
	return loop_timer_set(loop, &c->timer, 0, answer_upload, c);
}

/* The first part is taken, so that there is something to take back. */
static int op_part(struct remote_call *c, const char *path, void *data, size_t len)
{
	if (c->n_parts > 0 && fail_part > 0) {
		fail_part--;
		fail_begin = INT_MAX; /* nothing follows before it was looked at */
		free(data);
		return -ENOMEM;
	}
	add_part(c, path);
	fill_part(c, data, len);
	return 0;
}

static int op_finish(struct remote_call *c)
{
	return loop_timer_set(loop, &c->timer, 0, answer_upload, c);
}

static uint64_t op_sent(struct remote_call *c)
{
	return c->bytes;
}

static int op_remove(struct remote *r, const char *bucket, const char *path, remote_done_cb cb, void *arg,
		     struct remote_call **ret_call)
{
	return -ENOSYS;
}

static int op_fetch(struct remote *r, const char *bucket, const char *path,
		    int (*on_data)(void *arg, const void *data, size_t len), remote_done_cb cb, void *arg,
		    struct remote_call **ret_call)
{
	return -ENOSYS;
}

static void op_cancel(struct remote_call *c)
{
	if (!c)
		return;
	c->error = ERR_CANCELED;
	if (c->upload.on_done)
		loop_timer_set(loop, &c->timer, 0, answer_upload, c);
}

static const struct remote_ops ops = {
	.list = op_list,
	.bucket = op_bucket,
	.put = op_put,
	.batch = op_batch,
	.feed = op_feed,
	.part = op_part,
	.finish = op_finish,
	.collect = op_collect,
	.sent = op_sent,
	.remove = op_remove,
	.fetch = op_fetch,
	.cancel = op_cancel,
};
static struct remote remote = {.ops = &ops, .server_key = "http://test"};

static int remote_of(void *arg, const char *profile, struct remote **ret_remote, const char **ret_name)
{
	*ret_remote = &remote;
	*ret_name = "default";
	return 0;
}

/* --- running it --- */

static struct loop_timer look_timer, deadline;

static void on_deadline(void *arg)
{
	ck_abort_msg("nothing happened for %d ms", DEADLINE_MS);
}

static void look(void *arg)
{
	if (wanted())
		loop_stop(loop);
	else
		loop_timer_set(loop, &look_timer, 5, look, NULL);
}

static void run_until(int (*condition)(void))
{
	wanted = condition;
	loop_timer_set(loop, &look_timer, 0, look, NULL);
	loop_timer_set(loop, &deadline, DEADLINE_MS, on_deadline, NULL);
	ck_assert_int_eq(loop_run(loop), 0);
	loop_timer_stop(&look_timer);
	loop_timer_stop(&deadline);
}

static int in_sync(void)
{
	struct engine_status s;

	return engine_status_of(engine, "docs", &s) == 0 && s.in_sync;
}

static int count_row(void *arg, const struct index_row *row)
{
	return 0;
}

static int notes(void)
{
	struct index_pair ip;

	ck_assert_int_eq(index_pair_get(ix, engine_spec(engine, "docs")->id, &ip), 0);
	return index_noted(ix, ip.key, 100, count_row, NULL);
}

static void on_added(void *arg, const struct engine_error *error, const struct pair_spec *spec,
		     const char *const *warnings)
{
	ck_assert_int_eq(error->kind, ENGINE_OK);
	*(bool *)arg = true;
}

static bool added, stopped;

static int is_added(void)
{
	return added;
}

static int is_stopped(void)
{
	return stopped;
}

static void on_stopped(void *arg)
{
	stopped = true;
}

static void setup(void)
{
	bool fresh;

	store_dir_setup();
	config = store_path("config");
	root = store_path("root");
	index_path = store_path("index.db");
	ck_assert_int_eq(fs_mkdir_p(config, 0700), 0);
	ck_assert_int_eq(fs_mkdir_p(root, 0700), 0);
	setenv("XDG_DATA_HOME", store_dir, 1);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(worker_pool_new(loop, 2, &pool), 0);
	ck_assert_int_eq(index_open(index_path, loop, pool, &ix, &fresh), 0);
	ck_assert_int_eq(settings_init(&settings), 0);
	settings.settle_ms = 0;
	settings.doubt_seconds = 1;

	struct engine_params params = {.loop = loop,
				       .pool = pool,
				       .index = ix,
				       .index_path = index_path,
				       .index_fresh = fresh,
				       .config_dir = config,
				       .settings = &settings,
				       .remote_of = remote_of};
	struct pair_spec *spec = pair_spec_new();

	ck_assert_int_eq(engine_new(&params, &engine), 0);
	ck_assert_ptr_nonnull(spec);
	free(spec->name);
	free(spec->profile);
	free(spec->bucket);
	free(spec->local_path);
	spec->name = strdup("docs");
	spec->profile = strdup("default");
	spec->bucket = strdup("b");
	spec->local_path = strdup(root);
	if (!spec->remote_prefix)
		spec->remote_prefix = strdup("");
	engine_add(engine, spec, false, on_added, &added);
	run_until(is_added);
	run_until(in_sync);
	fail_begin = fail_part = requests = 0;
	refused = NULL;
}

static void teardown(void)
{
	engine_stop(engine, 1000, on_stopped, NULL);
	run_until(is_stopped);
	engine = engine_free(engine);
	ix = index_close(ix);
	pool = worker_pool_free(pool);
	loop_timer_done(&look_timer);
	loop_timer_done(&deadline);
	loop = loop_free(loop);
	settings_done(&settings);
	for (size_t i = 0; i < n_stored; i++)
		free((char *)stored[i].path);
	n_stored = 0;
	free(config);
	free(root);
	free(index_path);
	store_dir_teardown();
}

static void write_file(const char *name, const char *text)
{
	_cleanup_free_ char *path = fs_join(root, name);

	ck_assert_int_eq(fs_write_file_atomic(path, text, strlen(text), 0600), 0);
}

/* --- tests --- */

static int begin_failed(void)
{
	return fail_begin == 0;
}

static int part_failed(void)
{
	return fail_part == 0;
}

START_TEST(test_request_that_cannot_begin)
{
	fail_begin = 1;
	write_file("a", "1");
	run_until(begin_failed);
	ck_assert_int_eq(notes(), 0);
	ck_assert_int_eq(requests, 0);
	run_until(in_sync);
	ck_assert_uint_eq(n_stored, 1);
	ck_assert_int_eq(requests, 1);
}
END_TEST

static int no_notes(void)
{
	return notes() == 0;
}

START_TEST(test_part_that_cannot_be_handed_over)
{
	ck_assert_int_eq(engine_pause(engine, "docs", 0), 0);
	write_file("a", "1");
	write_file("b", "2");
	write_file("c", "3");
	fail_part = 1;
	ck_assert_int_eq(engine_resume(engine, "docs"), 0);
	run_until(part_failed);
	run_until(no_notes);
	ck_assert_uint_eq(n_stored, 0);
	fail_begin = 0;
	run_until(in_sync);
	ck_assert_uint_eq(n_stored, 3);
}
END_TEST

static int64_t parked_until_ms(const char *path)
{
	struct index_pair ip;
	char reason[32];
	int64_t retry_ms;

	ck_assert_int_eq(index_pair_get(ix, engine_spec(engine, "docs")->id, &ip), 0);
	if (index_skip_get(ix, ip.key, path, reason, &retry_ms) < 0)
		return 0;
	ck_assert_str_eq(reason, "refused");
	return retry_ms;
}

static int is_parked(void)
{
	return parked_until_ms("bad") > 0;
}

static int asked_once(void)
{
	return requests > 0;
}

#define HOUR_MS (3600 * 1000LL)

START_TEST(test_server_that_refuses_whatever_it_gets)
{
	refused = "";
	write_file("bad", "1");
	run_until(is_parked);
	ck_assert_int_eq(requests, 3);
	ck_assert_int_le(parked_until_ms("bad"), clock_wall_ms() + HOUR_MS);
}
END_TEST

START_TEST(test_content_that_alone_is_refused)
{
	refused = "bad";
	write_file("bad", "1");
	run_until(asked_once);
	write_file("good", "2");
	run_until(is_parked);
	ck_assert_uint_eq(n_stored, 1);
	ck_assert_int_gt(parked_until_ms("bad"), clock_wall_ms() + 20 * HOUR_MS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *tc = tcase_create("engine");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_request_that_cannot_begin);
	tcase_add_test(tc, test_part_that_cannot_be_handed_over);
	tcase_add_test(tc, test_server_that_refuses_whatever_it_gets);
	tcase_add_test(tc, test_content_that_alone_is_refused);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
