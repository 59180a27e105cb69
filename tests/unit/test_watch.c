/* watch.c against the kernel's inotify on real trees: every wait is for a hint, with a deadline. */
#include "tests/unit/watch_fixture.h"

START_TEST(files)
{
	struct side s;
	side_start(&s, "r");

	write_file(at(&s, "a"), "x");
	drain();
	ck_assert(has(&s, "OPEN a"));
	ck_assert(has(&s, "CLOSED a"));
	clear(&s);
	ck_assert_int_eq(truncate(at(&s, "a"), 0), 0); /* no close */
	drain();
	ck_assert_uint_eq(count(&s, "OPEN a"), s.n);
	ck_assert_uint_gt(s.n, 0);
	clear(&s);
	ck_assert_int_eq(link(at(&s, "a"), at(&s, "b")), 0);
	drain();
	ck_assert(has(&s, "OPEN b"));
	clear(&s);
	ck_assert_int_eq(chmod(at(&s, "a"), 0600), 0);
	drain();
	ck_assert(has(&s, "CLOSED a"));
	ck_assert_int_eq(unlink(at(&s, "a")), 0);
	drain();
	ck_assert(has(&s, "GONE a"));
	clear(&s);
	/* Reading is nobody's business. */
	close_fd(open(at(&s, "b"), O_RDONLY | O_CLOEXEC));
	drain();
	ck_assert_uint_eq(s.n, 0);
	side_stop(&s);
}
END_TEST

START_TEST(file_moves)
{
	struct side s;
	side_start(&s, "r");
	char *outside = fs_join(base, "outside");

	write_file(at(&s, "a"), "x");
	drain();
	clear(&s);
	move(at(&s, "a"), at(&s, "b"));
	await(&s, "RENAMED a b");
	ck_assert_uint_eq(s.n, 1);
	int64_t start_ms = clock_monotonic_ms();
	move(at(&s, "b"), outside);
	await(&s, "GONE b");
	ck_assert_int_ge(clock_monotonic_ms() - start_ms, WATCH_RENAME_MS - 10);
	clear(&s);
	move(outside, at(&s, "c"));
	await(&s, "CLOSED c");
	ck_assert_uint_eq(s.n, 1);
	free(outside);
	side_stop(&s);
}
END_TEST

/* Both halves of every move arrive although a read's end falls between them: one event of the same length
 * before the pairs sees to that. */
START_TEST(move_split_over_reads)
{
	const int n = 3000;
	struct side s;
	side_start(&s, "r");
	char from[32], to[32];

	for (int i = 0; i < n; i++) {
		snprintf(from, sizeof(from), "a%04d", i);
		write_file(at(&s, from), "");
		if (i % 500 == 0)
			drain();
	}
	drain();
	clear(&s);
	ck_assert_int_eq(mkfifo(at(&s, "fifo"), 0600), 0);
	for (int i = 0; i < n; i++) {
		snprintf(from, sizeof(from), "a%04d", i);
		snprintf(to, sizeof(to), "b%04d", i);
		move(at(&s, from), at(&s, to));
	}
	drain();
	ck_assert_uint_eq(count(&s, "RENAMED "), (size_t)n);
	ck_assert_uint_eq(count(&s, "GONE "), 0);
	side_stop(&s);
}
END_TEST

START_TEST(directories)
{
	struct side s;
	side_start(&s, "r");

	make_dir(at(&s, "d"));
	make_dir(at(&s, "d/e"));
	drain();
	ck_assert(has(&s, "DIR_NEW/ d"));
	ck_assert(!has(&s, "DIR_NEW/ d/e")); /* was not watched yet: the scan finds it */
	work_off(&s);
	clear(&s);
	write_file(at(&s, "d/e/f"), "x");
	drain();
	ck_assert(has(&s, "CLOSED d/e/f"));

	/* In constant time, with all that is below. */
	move(at(&s, "d"), at(&s, "x"));
	drain();
	ck_assert(has(&s, "RENAMED/ d x"));
	clear(&s);
	write_file(at(&s, "x/e/f"), "y");
	drain();
	ck_assert(has(&s, "CLOSED x/e/f"));
	await_watched(&s, 3);

	/* Deleted and made again under the same name. */
	unlink(at(&s, "x/e/f"));
	ck_assert_int_eq(rmdir(at(&s, "x/e")), 0);
	make_dir(at(&s, "x/e"));
	drain();
	work_off(&s);
	ck_assert(has(&s, "GONE/ x/e"));
	ck_assert(has(&s, "DIR_NEW/ x/e"));
	clear(&s);
	write_file(at(&s, "x/e/g"), "y");
	drain();
	ck_assert(has(&s, "CLOSED x/e/g"));
	await_watched(&s, 3);
	ck_assert_uint_eq(count(&s, "RESCAN"), 0);
	side_stop(&s);
}
END_TEST

START_TEST(directory_moves_out)
{
	struct side s;
	side_start(&s, "r");
	char *outside = fs_join(base, "outside"), *inner = fs_join(base, "outside/e/f");

	make_dir(at(&s, "d"));
	make_dir(at(&s, "d/e"));
	drain();
	work_off(&s);
	await_watched(&s, 3);
	move(at(&s, "d"), outside);
	await(&s, "GONE/ d");
	await_watched(&s, 1);
	/* The watches are given back, so nothing out there is heard of. */
	clear(&s);
	write_file(inner, "x");
	drain();
	ck_assert_uint_eq(s.n, 0);
	/* And back in. */
	move(outside, at(&s, "n"));
	drain();
	ck_assert(has(&s, "DIR_NEW/ n"));
	work_off(&s);
	write_file(at(&s, "n/e/f"), "x");
	drain();
	ck_assert(has(&s, "CLOSED n/e/f"));
	await_watched(&s, 3);
	free(outside);
	free(inner);
	side_stop(&s);
}
END_TEST

START_TEST(between_roots)
{
	struct side a, b;
	side_start(&a, "a");
	side_start(&b, "b");

	make_dir(at(&a, "d"));
	make_dir(at(&a, "d/e"));
	write_file(at(&a, "f"), "x");
	drain();
	work_off(&a);
	move(at(&a, "d"), at(&b, "n"));
	move(at(&a, "f"), at(&b, "f"));
	drain();
	ck_assert(has(&a, "GONE/ d"));
	ck_assert(has(&a, "GONE f"));
	ck_assert(has(&b, "DIR_NEW/ n"));
	ck_assert(has(&b, "CLOSED f"));
	ck_assert_uint_eq(count(&a, "RENAMED") + count(&b, "RENAMED"), 0);
	work_off(&b);
	await_watched(&a, 1);
	await_watched(&b, 3);
	write_file(at(&b, "n/e/f"), "x");
	drain();
	ck_assert(has(&b, "CLOSED n/e/f"));
	ck_assert(!has(&a, "CLOSED d/e/f"));
	side_stop(&a);
	side_stop(&b);
}
END_TEST

START_TEST(exchange)
{
	struct side s;
	side_start(&s, "r");

	make_dir(at(&s, "a"));
	make_dir(at(&s, "a/in_a"));
	make_dir(at(&s, "b"));
	make_dir(at(&s, "b/in_b"));
	drain();
	work_off(&s);
	ck_assert_int_eq(renameat2(s.fd, "a", s.fd, "b", RENAME_EXCHANGE), 0);
	drain();
	ck_assert(has(&s, "RENAMED/ a b"));
	ck_assert(has(&s, "RENAMED/ b a"));
	/* Right even before the scan that the hints ask for. */
	write_file(at(&s, "b/in_a/f"), "x");
	write_file(at(&s, "a/in_b/f"), "x");
	drain();
	ck_assert(has(&s, "CLOSED b/in_a/f"));
	ck_assert(has(&s, "CLOSED a/in_b/f"));
	await_watched(&s, 5);
	side_stop(&s);
}
END_TEST

/* A worker watched the new directory before the loop heard that the old one had moved. */
START_TEST(early_worker)
{
	struct side s;
	side_start(&s, "r");

	make_dir(at(&s, "d"));
	drain();
	work_off(&s);
	move(at(&s, "d"), at(&s, "x"));
	make_dir(at(&s, "d"));
	scan(&s, "d");
	drain();
	work_off(&s);
	clear(&s);
	write_file(at(&s, "d/new"), "x");
	write_file(at(&s, "x/old"), "x");
	drain();
	ck_assert(has(&s, "CLOSED d/new"));
	ck_assert(has(&s, "CLOSED x/old"));
	await_watched(&s, 3);
	side_stop(&s);
}
END_TEST

/* A name that is only on the way to a watched directory waits for its other half; meanwhile a worker takes
 * that directory away from below it. */
START_TEST(name_waits)
{
	struct side s;
	side_start(&s, "r");
	char *outside = fs_join(base, "outside");

	make_dir(at(&s, "d"));
	make_dir(at(&s, "d/e"));
	scan(&s, "d/e");
	drain();
	forget(&s.queue, &s.n_queue);
	move(at(&s, "d"), outside);
	event_base_loop(loop_base(loop), EVLOOP_NONBLOCK); /* the first half is read, and waits */
	move(outside, at(&s, "n"));
	scan(&s, "n");
	drain();
	ck_assert(has(&s, "GONE/ d"));
	work_off(&s);
	clear(&s);
	write_file(at(&s, "n/e/f"), "x");
	drain();
	ck_assert(has(&s, "CLOSED n/e/f"));
	await_watched(&s, 3);
	free(outside);
	side_stop(&s);
}
END_TEST

/* Random moves, exchanges, removals and new directories, with scans and reads at random moments: in the end
 * every directory on disk is watched under its own path, and no other. */
static int check_dir(struct side *s, const char *path)
{
	_cleanup_free_ char *file = fs_join(path, ".probe"), *hint = NULL;
	int n = 1;

	ck_assert_int_ge(asprintf(&hint, "CLOSED %s", file), 0);
	write_file(at(s, file), "x");
	unlink(at(s, file));
	drain();
	ck_assert_msg(has(s, hint), "no %s", hint);
	clear(s);
	DIR *dir = opendir(at(s, path));
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		_cleanup_free_ char *sub = fs_join(path, e->d_name);
		n += check_dir(s, sub);
	}
	closedir(dir);
	return n;
}

static void random_path(char path[64])
{
	size_t len = 0;

	for (int depth = 1 + rand() % 3; depth > 0; depth--)
		len += (size_t)snprintf(path + len, 64 - len, "%s%c", len ? "/" : "", 'a' + rand() % 3);
}

START_TEST(random_tree)
{
	struct side sides[2];
	char p[64], q[64];

	srand((unsigned)_i);
	side_start(&sides[0], "r0");
	side_start(&sides[1], "r1");
	char *outside = fs_join(base, "outside");
	make_dir(outside);
	for (int i = 0; i < 400; i++) {
		struct side *s = &sides[rand() % 2], *t = &sides[rand() % 8 == 0];
		random_path(p);
		random_path(q);
		switch (rand() % 10) {
		case 0:
		case 1:
		case 2: mkdir(at(s, p), 0755); break;
		case 3:
		case 4: rename(at(s, p), at(t, q)); break;
		case 5: renameat2(AT_FDCWD, at(s, p), AT_FDCWD, at(t, q), RENAME_EXCHANGE); break;
		case 6: rmdir(at(s, p)); break;
		case 7: {
			char away[512];
			snprintf(away, sizeof(away), "%s/%d", outside, rand() % 3);
			if (rename(at(s, p), away) < 0)
				rename(away, at(s, q));
			break;
		}
		case 8:
			if (rand() % 2)
				drain();
			else
				event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
			break;
		default: work_off(s);
		}
	}
	for (int i = 0; i < 2; i++) {
		do {
			drain();
			work_off(&sides[0]);
			work_off(&sides[1]);
			drain();
		} while (sides[0].n_queue || sides[1].n_queue);
	}
	for (int i = 0; i < 2; i++) {
		clear(&sides[i]);
		int n = check_dir(&sides[i], "");
		await_watched(&sides[i], n);
	}
	side_stop(&sides[0]);
	side_stop(&sides[1]);
	free(outside);
}
END_TEST

START_TEST(overflow)
{
	struct side a, b;
	side_start(&a, "a");
	side_start(&b, "b");
	char name[32];
	int limit = 0;
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	ck_assert(f && fscanf(f, "%d", &limit) == 1);
	fclose(f);

	for (int i = 0; i < limit / 2 + 10; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ck_assert_int_eq(mknodat(a.fd, name, S_IFIFO | 0600, 0), 0);
		ck_assert_int_eq(unlinkat(a.fd, name, 0), 0);
	}
	drain();
	ck_assert_uint_eq(count(&a, "OVERFLOW"), 1);
	ck_assert_uint_eq(count(&b, "OVERFLOW"), 1);
	/* The watches are still there. */
	clear(&a);
	write_file(at(&a, "f"), "x");
	drain();
	ck_assert(has(&a, "CLOSED f"));
	side_stop(&a);
	side_stop(&b);
}
END_TEST

START_TEST(root_lost)
{
	struct side s;
	side_start(&s, "r");
	char *aside = fs_join(base, "aside");

	make_dir(at(&s, "d"));
	drain();
	work_off(&s);
	move(s.path, aside);
	await(&s, "ROOT_LOST/ ");
	await_watched(&s, 0);
	clear(&s);
	_cleanup_free_ char *inner = fs_join(aside, "d/f");
	write_file(inner, "x");
	drain();
	ck_assert_uint_eq(s.n, 0);
	ck_assert_int_eq(watch_dir(s.root, s.fd, "d"), -ESTALE);

	/* Another directory takes the name. */
	make_dir(s.path);
	close_fd(s.fd);
	s.fd = local_root_open(s.path);
	make_dir(at(&s, "d"));
	scan(&s, "");
	write_file(at(&s, "d/f"), "x");
	drain();
	ck_assert(has(&s, "CLOSED d/f"));
	await_watched(&s, 2);
	clear(&s);
	remove_tree(s.path);
	close_fd(s.fd); /* the last hold on the inode */
	s.fd = -1;
	await(&s, "ROOT_LOST/ ");
	ck_assert_uint_eq(count(&s, "ROOT_LOST"), 1);
	await_watched(&s, 0);
	free(aside);
	side_stop(&s);
}
END_TEST

START_TEST(unmount)
{
	struct side s;
	side_start(&s, "r");

	if (mount("none", s.path, "tmpfs", 0, NULL) == 0) {
		watch_root_free(s.root);
		ck_assert_int_eq(watch_root_new(watch, on_hint, &s, &s.root), 0);
		close_fd(s.fd);
		s.fd = local_root_open(s.path);
		make_dir(at(&s, "d"));
		scan(&s, "");
		close_fd(s.fd);
		s.fd = -1;
		ck_assert_int_eq(umount(s.path), 0); /* a watch does not keep it busy */
		await(&s, "ROOT_LOST/ ");
		drain();
		ck_assert_uint_eq(s.n, 1);
		await_watched(&s, 0);
	}
	side_stop(&s);
}
END_TEST

static int collect(void *arg, const char *path)
{
	struct side *s = arg;

	remember(&s->queue, &s->n_queue, strdup(path));
	return 0;
}

/* The limit of a user namespace of our own, so that nobody else feels it. */
START_TEST(limit)
{
	if (unshare(CLONE_NEWUSER) == 0) {
		FILE *f = fopen("/proc/sys/user/max_inotify_watches", "we");
		if (f && fprintf(f, "3\n") > 0 && fclose(f) == 0) {
			teardown();
			setup();
			struct side s;
			int64_t watched, polled;
			side_start(&s, "r");
			for (char name[2] = "a"; name[0] < 'f'; name[0]++) {
				make_dir(at(&s, name));
				_cleanup_close_ int fd = open(at(&s, name), O_RDONLY | O_CLOEXEC);
				ck_assert_int_eq(watch_dir(s.root, fd, name), name[0] > 'b');
			}
			watch_counts(s.root, &watched, &polled);
			ck_assert_int_eq(watched, 3);
			ck_assert_int_eq(polled, 3);
			ck_assert_int_eq(watch_polled_each(s.root, collect, &s), 0);
			ck_assert_uint_eq(s.n_queue, 3);
			/* A watch that becomes free goes to the next who asks. */
			ck_assert_int_eq(rmdir(at(&s, "a")), 0);
			drain();
			work_off(&s);
			watch_counts(s.root, &watched, &polled);
			ck_assert_int_eq(watched, 3);
			ck_assert_int_eq(polled, 2);
			watch_forget_dir(s.root, "e");
			watch_forget_dir(s.root, "d");
			watch_forget_dir(s.root, "c");
			watch_counts(s.root, &watched, &polled);
			ck_assert_int_eq(polled, 0);
			await_watched(&s, 2);
			side_stop(&s);
		}
	}
}
END_TEST

/* Nothing is armed while nothing waits. */
START_TEST(idle)
{
	struct side s;
	side_start(&s, "r");
	char *outside = fs_join(base, "outside");
	int added = event_base_get_num_events(loop_base(loop), EVENT_BASE_COUNT_ADDED);

	write_file(at(&s, "a"), "x");
	move(at(&s, "a"), outside);
	await(&s, "GONE a");
	ck_assert_int_eq(event_base_get_num_events(loop_base(loop), EVENT_BASE_COUNT_ADDED), added);
	free(outside);
	side_stop(&s);
}
END_TEST

/* Workers watch while the tree is turned over and the loop reads: for the thread sanitizer, and nothing may
 * be missed in the end. */
struct thread_side {
	struct side *side;
	atomic_bool stop;
};

static void *scan_again_and_again(void *arg)
{
	struct thread_side *t = arg;

	while (!atomic_load(&t->stop))
		scan(t->side, "");
	return NULL;
}

START_TEST(threads)
{
	struct side s;
	side_start(&s, "r");
	struct thread_side t = {.side = &s};
	pthread_t thread;
	char p[64], q[64];

	srand(getenv("TEST_SEED") ? (unsigned)strtoul(getenv("TEST_SEED"), NULL, 10) : 7);
	ck_assert_int_eq(pthread_create(&thread, NULL, scan_again_and_again, &t), 0);
	for (int i = 0; i < 3000; i++) {
		random_path(p);
		random_path(q);
		if (rand() % 2)
			mkdir(at(&s, p), 0755);
		else
			rename(at(&s, p), at(&s, q));
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	}
	atomic_store(&t.stop, true);
	pthread_join(thread, NULL);
	do {
		drain();
		work_off(&s);
	} while (s.n_queue);
	clear(&s);
	int n = check_dir(&s, "");
	await_watched(&s, n);
	side_stop(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("watch");
	TCase *tests = tcase_create("all");

	tcase_set_timeout(tests, 2 * DEADLINE_MS / 1000);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, files);
	tcase_add_test(tests, file_moves);
	tcase_add_test(tests, move_split_over_reads);
	tcase_add_test(tests, directories);
	tcase_add_test(tests, directory_moves_out);
	tcase_add_test(tests, between_roots);
	tcase_add_test(tests, exchange);
	tcase_add_test(tests, early_worker);
	tcase_add_test(tests, name_waits);
	tcase_add_loop_test(tests, random_tree, 0, 40);
	tcase_add_test(tests, overflow);
	tcase_add_test(tests, root_lost);
	tcase_add_test(tests, unmount);
	tcase_add_test(tests, limit);
	tcase_add_test(tests, idle);
	suite_add_tcase(suite, tests);
	TCase *threaded = tcase_create("threads");
	tcase_set_timeout(threaded, 2 * DEADLINE_MS / 1000);
	tcase_add_checked_fixture(threaded, setup, teardown);
	tcase_add_test(threaded, threads);
	suite_add_tcase(suite, threaded);
	return tap_run(suite);
}
