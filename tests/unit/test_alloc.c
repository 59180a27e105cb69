/* Out of memory at every place it can happen: each piece of work below is done with its first allocation
 * failing, then its second, and so on until it needs no more. Each time it must say -ENOMEM (or have got
 * along without), leave nothing behind (LeakSanitizer's part) and do the same work again when there is
 * memory.
 *
 * Not made to fail: what json-c allocates while it parses. Version 0.16 hands a member's name that it could
 * not copy on as NULL and dies of it, and cuts strings short without a word; nothing around it can mend that.
 * What it allocates to build and to write a tree is made to fail like everything else. */
/* Its scanner, made by flex, ends the process when it gets no memory. What it gives back otherwise is looked
 * at. */
#define ALLOC_SPARED "libconfuse"
#include "tests/unit/alloc_fail.h"
#include "api/answer.h"
#include "api/multipart.h"
#include "api/url.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/strmap.h"
#include "base/worker.h"
#include "libcfipc/varlink/fields.h"
#include "libcfipc/varlink/frame.h"
#include "libcfipc/varlink/idl.h"
#include "libcfipc/varlink/interfaces.h"
#include "libcfipc/varlink/message.h"
#include "store/index.h"
#include "store/pairfile.h"
#include "store/profile.h"
#include "store/settings.h"
#include "sync/guard.h"
#include "sync/names.h"
#include "sync/settle.h"
#include "sync/watch_tree.h"
#include "tests/unit/store_dir.h"
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Varlink ---- */

static const char call_text[] =
	"{\"method\":\"org.carbonfiles.sync.Add\",\"parameters\":{\"spec\":{\"local_path\":\"/a/rather/long/"
	"path/that"
	"/does/not/fit/into/what/was/"
	"there\",\"bucket\":\"Abcdefgh12\",\"mode\":\"mirror\",\"exclude\":[\"a\",\"b\"],"
	"\"settle_ms\":50}},\"more\":false}";

static int parse_call(void)
{
	struct varlink_call call;
	int r = varlink_call_parse(call_text, sizeof(call_text) - 1, &call, NULL);

	if (r < 0)
		return r;
	varlink_wipe(call.parameters);
	varlink_call_done(&call);
	return 0;
}

static int parse_reply(void)
{
	static const char text[] =
		"{\"parameters\":{\"deletes\":7,\"real\":1.5,\"none\":null},\"continues\":true}";
	struct varlink_reply reply;
	int64_t deletes = 0;
	int r = varlink_reply_parse(text, sizeof(text) - 1, &reply, NULL);

	if (r < 0)
		return r;
	if (json_get_int64(reply.parameters, "deletes", &deletes) != 1 || deletes != 7)
		r = -EBADMSG;
	varlink_reply_done(&reply);
	return r;
}

struct sample {
	const char *name, *text;
	int64_t size, absent;
	bool good;
	int known;
};
static const struct field sample_fields[] = {
	{"name", FIELD_STRING, offsetof(struct sample, name)},
	{"text", FIELD_TEXT, offsetof(struct sample, text)},
	{"size", FIELD_INT64, offsetof(struct sample, size)},
	{"absent", FIELD_COUNT, offsetof(struct sample, absent)},
	{"good", FIELD_BOOL, offsetof(struct sample, good)},
	{"known", FIELD_TRISTATE, offsetof(struct sample, known)},
};

/* Written whole or not at all. */
static int write_messages(void)
{
	static const char wanted[] =
		"{\"error\":\"org.carbonfiles.sync.Overlap\",\"parameters\":{\"name\":\"a name that is much "
		"longer than "
		"thirty-two bytes "
		"\\\"\\n\\u0001/\",\"text\":\"\",\"size\":-9007199254740993,\"good\":true,\"known\":false}}";
	const struct sample sample = {.name = "a name that is much longer than thirty-two bytes \"\n\001/",
				      .size = -9007199254740993,
				      .absent = -1,
				      .good = true};
	_cleanup_json_ struct json_object *object = json_object_new_object();
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (!object)
		return -ENOMEM;
	int r = fields_write(object, sample_fields, ARRAY_SIZE(sample_fields), &sample);

	if (r < 0)
		return r;
	text = varlink_reply_format(object, "org.carbonfiles.sync.Overlap", false, &len);
	if (!text)
		return -ENOMEM;
	return strcmp(text, wanted) == 0 && len == strlen(wanted) ? 0 : -EBADMSG;
}

static int frames_through(int a, int b, struct frame_out *out, struct frame_in *in)
{
	static const char *const texts[] = {"{\"method\":\"a.b.C\"}", "{}", call_text};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++) {
		int fd = i == 1 ? dup(a) : -1;

		r = frame_out_add(out, texts[i], strlen(texts[i]), &fd, fd >= 0);
		if (r < 0 && fd >= 0)
			close(fd);
	}
	if (r == 0)
		r = frame_send(out, a) == 1 ? 0 : -EIO;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts);) {
		struct frame_fds fds;
		char *text;
		size_t len;

		r = frame_in_next(in, &text, &len, &fds);
		if (r == 0) {
			ssize_t n = frame_recv(in, b);

			r = n < 0 ? (int)n : 0;
			continue;
		}
		if (r < 0)
			break;
		r = strcmp(text, texts[i]) == 0 && fds.n == (i == 1) && !fds.lost ? 0 : -EBADMSG;
		frame_fds_close(&fds);
		i++;
	}
	return r;
}

static int frames(void)
{
	struct frame_out out;
	struct frame_in in;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	frame_in_init(&in, 100000);
	frame_out_init(&out);
	int r = frames_through(pair[0], pair[1], &out, &in);

	frame_in_done(&in);
	frame_out_done(&out);
	close(pair[0]);
	close(pair[1]);
	return r;
}

static int interface(void)
{
	char field[IDL_FIELD_MAX];
	struct idl_interface *idl = NULL;
	int r = idl_parse(varlink_text_sync, &idl, NULL);

	if (r < 0)
		return r;
	const struct idl_method *method = idl_method_find(idl, "Remove");

	r = method && idl_check_input(method, NULL, field) == -EINVAL && strcmp(field, "name") == 0
		    ? 0
		    : -EBADMSG;
	idl_free(idl);
	return r;
}

START_TEST(varlink)
{
	torture("parsing a call", parse_call);
	torture("parsing a reply", parse_reply);
	torture("writing a message", write_messages);
	torture("frames", frames);
	torture("an interface text", interface);
}
END_TEST

/* ---- base ---- */

static int buffers(void)
{
	_cleanup_buf_ struct buf b = {0};
	int r = buf_append_str(&b, "a");

	for (int i = 0; r == 0 && i < 50; i++)
		r = buf_printf(&b, "%d %s,", i, "and some more text to make it grow beyond every step");
	if (r == 0)
		r = buf_terminate(&b);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = buf_steal(&b);

	return text ? 0 : -ENOMEM;
}

static int maps(void)
{
	char keys[200][16];
	struct strmap *m = strmap_new();
	int r = m ? 0 : -ENOMEM, n = 0;

	for (; r == 0 && n < 200; n++) {
		snprintf(keys[n], sizeof(keys[n]), "k%d", n);
		r = strmap_put(m, keys[n], keys[n]);
	}
	if (r < 0)
		n--;
	for (int i = 0; i < n; i++)
		if (strmap_get(m, keys[i]) != keys[i] || (i % 2 && strmap_remove(m, keys[i]) != keys[i]))
			r = -EBADMSG;
	strmap_free(m);
	return r;
}

static void nothing(void *arg)
{
}

static int loops(void)
{
	struct loop *loop = NULL;
	struct loop_timer timer = {0};
	int r = loop_new(&loop);

	if (r == 0)
		r = loop_defer(loop, nothing, NULL);
	if (r == 0)
		r = loop_timer_set(loop, &timer, 0, nothing, NULL);
	if (r == 0)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	loop_timer_done(&timer);
	loop_free(loop);
	return r;
}

START_TEST(base)
{
	torture("a buffer", buffers);
	torture("a map", maps);
	torture("a loop", loops);
}
END_TEST

/* ---- sync: what is pure there ---- */

static int count_path(void *arg, const char *path, bool gone)
{
	++*(int *)arg;
	return 0;
}

static int settling(void)
{
	static const struct settle_params params = {50, 1000, 5000, 1000};
	struct settle *s = settle_new(&params);
	int r = s ? 0 : -ENOMEM, hinted = 0, taken = 0;
	char path[16];

	for (int i = 0; r == 0 && i < 200; i++) {
		snprintf(path, sizeof(path), "d/f%d", i);
		r = settle_hint(s, path, i % 3 ? SETTLE_CLOSED : SETTLE_GONE, i);
		hinted += r == 0;
	}
	/* What was taken in is given out, whatever failed after it. */
	if (s) {
		settle_take(s, 100000, 1000, count_path, &taken);
		settle_uploaded(s, "d/f1", 100000, 5);
		if (settle_moved(s, "d/f2", 100000) == -ENOMEM)
			r = -ENOMEM;
	}
	settle_free(s);
	return taken == hinted ? r : -EBADMSG;
}

static int guarding(void)
{
	struct guard *g = guard_new();
	struct digest d = {{0}};
	char path[16];
	int excused = 0;

	if (!g)
		return -ENOMEM;
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "f%d", i);
		memcpy(d.b, &i, sizeof(i));
		guard_appeared(g, path, &d, i);
		guard_sent(g, i);
	}
	for (int i = 0; i < 300; i++) {
		memcpy(d.b, &i, sizeof(i));
		excused += guard_excuse(g, &d, 300);
	}
	guard_free(g);
	return excused <= 300 ? 0 : -EBADMSG; /* an excuse that was not kept holds back, never lets go */
}

static int names(void)
{
	static const char local[] = "caf\xe9/a~x41b/\\ and a component that is long enough to need some room";
	_cleanup_free_ char *encoded = names_encode(local), *back = NULL;
	int r = encoded ? names_decode(encoded, &back) : -ENOMEM;

	return r < 0 ? r : strcmp(back, local) == 0 ? 0 : -EBADMSG;
}

static int watches(void)
{
	struct watch_tree tree = {0};
	struct watch_top top = {0};
	struct watch_node *root = watch_tree_new_top(&top);
	struct buf path = {0};
	char name[32];
	int r = root ? 0 : -ENOMEM;

	for (int i = 0; r == 0 && i < 60; i++) {
		snprintf(name, sizeof(name), "a%d/b/c%d", i % 7, i);
		struct watch_node *node = watch_tree_make(&tree, root, name);

		r = node ? watch_tree_set_wd(&tree, node, i + 1) : -ENOMEM;
		if (r == 0)
			r = watch_tree_path(node, "file", &path);
	}
	if (r == 0) {
		struct watch_node *moved = watch_tree_find(&tree, root, "a1/b");

		r = watch_tree_move(&tree, moved, root, "moved");
		if (r == 0 && !watch_tree_find(&tree, root, "moved/c1"))
			r = -EBADMSG;
	}
	buf_done(&path);
	watch_tree_free_all(&tree, root);
	watch_tree_done(&tree);
	return r;
}

START_TEST(pure)
{
	torture("settling", settling);
	torture("the guard", guarding);
	torture("names", names);
	torture("the tree of watches", watches);
}
END_TEST

/* ---- api ---- */

static int urls(void)
{
	_cleanup_buf_ struct buf b = {0};
	int r = url_append_path(&b, "a b/c\xc3\xa9/d");

	if (r == 0)
		r = url_append_query(&b, "a/b&c and more text than fits into the first piece of the buffer");
	if (r == 0)
		r = multipart_append_head(&b, "boundary", "caf\xc3\xa9/x");
	if (r == 0)
		r = multipart_append_tail(&b);
	return r == 0 ? multipart_append_end(&b, "boundary") : r;
}

static int listing(void)
{
	static const char file[] =
		"{\"path\":\"%c\",\"name\":\"x\",\"size\":1,\"mime_type\":\"text/"
		"plain\",\"sha256\":\"%064d\",\"short_code\":\"abc\","
		"\"short_url\":\"/s/"
		"abc\",\"created_at\":\"2026-11-24T08:58:56Z\",\"updated_at\":\"2026-11-24T08:58:56Z\"}";
	char a[512], b[512], text[1200];
	_cleanup_json_ struct json_object *object = NULL;
	struct answer_files files = {0};
	const char *cursor = NULL;

	snprintf(a, sizeof(a), file, 'a', 1);
	snprintf(b, sizeof(b), file, 'b', 2);
	snprintf(text, sizeof(text), "{\"files\":[%s,%s],\"common_prefixes\":[],\"cursor\":null}", a, b);
	int r = json_parse(text, strlen(text), &object, NULL);

	if (r == 0)
		r = answer_scan_page(object, "http://x", NULL, &files, &cursor);
	if (r == 0 && files.n != 2)
		r = -EBADMSG;
	answer_files_done(&files);
	return r;
}

static int refusal(void)
{
	static const char body[] = "{\"error\":\"no\",\"hint\":\"Ask somebody else, and then do it again.\"}";
	const struct http_result result = {
		.status = 403, .body = body, .body_len = sizeof(body) - 1, .message = ""};
	struct answer_texts texts = {0};
	struct api_error error;

	answer_error(&result, false, &texts, &error);
	int r = error.code == ERR_AUTH && error.message ? 0 : -EBADMSG; /* with fewer words if need be */

	answer_texts_done(&texts);
	return r;
}

START_TEST(api)
{
	torture("URLs and parts", urls);
	torture("a page of a listing", listing);
	torture("a refusal", refusal);
}
END_TEST

/* ---- store ---- */

static int settings(void)
{
	_cleanup_free_ char *path = fs_join(store_dir, "carbonfilesd.conf");
	struct settings_error error = {0};
	struct settings s;
	int r = path ? settings_init(&s) : -ENOMEM;

	if (r < 0)
		return r;
	r = settings_load(path, &s, &error);
	if (r == 0) {
		_cleanup_free_ char *text = settings_get(&s, "proxy");

		r = !text ? -ENOMEM : s.settle_ms == 70 && strcmp(text, "http://p") == 0 ? 0 : -EBADMSG;
	}
	settings_error_done(&error);
	settings_done(&s);
	return r;
}

static int pair_files(void)
{
	_cleanup_free_ char *warnings = NULL;
	struct pair_spec **specs = NULL, *spec = pair_spec_new();
	size_t n = 0;
	int r = spec ? 0 : -ENOMEM;

	if (r == 0) {
		spec->name = strdup("docs");
		spec->bucket = strdup("Abcdefgh12");
		spec->local_path = strdup("/srv/it's \\ here");
		r = spec->name && spec->bucket && spec->local_path ? pairfile_save(store_dir, spec) : -ENOMEM;
	}
	if (r == 0)
		r = pairfile_load_all(store_dir, &specs, &n, &warnings);
	/* A file that could not be read for lack of memory is no file that was refused. */
	if (r == 0 && (n != 1 || warnings || strcmp(specs[0]->local_path, spec->local_path) != 0))
		r = -EBADMSG;
	for (size_t i = 0; i < n; i++)
		pair_spec_free(specs[i]);
	free(specs);
	pair_spec_free(spec);
	return r;
}

static int profile_files(void)
{
	_cleanup_free_ char *warnings = NULL;
	struct profiles *set = NULL;
	int r = profiles_load(store_dir, &set, &warnings);

	if (r == 0) {
		const struct profile *p = profiles_find(set, NULL);

		r = profiles_count(set) == 1 && !warnings && p && strcmp(p->url, "http://x") == 0 ? 0
												  : -EBADMSG;
	}
	profiles_free(set);
	return r;
}

static struct loop *loop;
static struct worker_pool *pool;

static int keep(void *arg, const struct index_row *row)
{
	++*(int *)arg;
	return 0;
}

static int index_work(struct index *index)
{
	struct index_pair pair = {.id = "00000000000000000000000000000001"};
	struct index_row row = {.path = "a/b",
				.synced = true,
				.size = 1,
				.updated_at = "2026-11-24T08:58:56"},
			 back;
	const struct index_hold hold = {.path = "a/b", .reason = INDEX_HOLD_MASS, .updated_at = "x"};
	int n = 0, r = index_pair_get(index, pair.id, &pair);

	if (r == -ENOENT)
		r = index_pair_put(index, &pair, false);
	if (r == 0)
		r = index_begin(index);
	if (r < 0)
		return r;
	r = index_put(index, pair.key, &row);
	if (r == 0)
		r = index_hold_put(index, pair.key, &hold);
	if (r == 0)
		r = index_get(index, pair.key, "a/b", &back);
	if (r >= 0)
		r = index_range(index, pair.key, "a/", NULL, 10, keep, &n);
	int c = index_commit(index);

	return r < 0 ? r : c < 0 ? c : n == 1 ? 0 : -EBADMSG;
}

static int index_file(void)
{
	_cleanup_free_ char *path = fs_join(store_dir, "index.db");
	struct index *index = NULL;
	bool fresh;
	int r = path ? index_open(path, loop, pool, &index, &fresh) : -ENOMEM;

	if (r == 0)
		r = index_work(index);
	index_close(index);
	return r;
}

START_TEST(store)
{
	store_dir_setup();
	store_write("carbonfilesd.conf", "# a comment\nsettle_ms = 70\nproxy = 'http://p'\n", 0600);
	store_write("profiles/default.conf",
		    "url = 'http://x'\nsecret = 'cf4_00112233_00112233445566778899aabbccddeeff'\n", 0600);
	store_write("profiles/active", "default\n", 0600);
	torture("carbonfilesd.conf", settings);
	torture("pair files", pair_files);
	torture("profile files", profile_files);
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(worker_pool_new(loop, 1, &pool), 0);
	torture("the index", index_file);
	/* Nothing of all that was taken for a broken index. */
	_cleanup_free_ char *broken = store_path("index.db.broken-1");

	ck_assert_int_ne(access(broken, F_OK), 0);
	worker_pool_free(pool);
	loop_free(loop);
	store_dir_teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("alloc");
	TCase *tcase = tcase_create("nth");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, varlink);
	tcase_add_test(tcase, base);
	tcase_add_test(tcase, pure);
	tcase_add_test(tcase, api);
	tcase_add_test(tcase, store);
	suite_add_tcase(suite, tcase);
	return tap_run(suite);
}
