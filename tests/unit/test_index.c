/* The index against a model in memory (random operations, transactions, restarts), then each promise of its
 * header alone: counters, walks, a pair that forgets at once. */
#include "tests/unit/index_fixture.h"

/* ---- the model ---- */

#define PATHS 60

struct model {
	bool there[PAIRS][PATHS];
	struct index_row rows[PAIRS][PATHS];
};
static char paths[PATHS][32];

static void make_paths(void)
{
	static const char *const parts[] = {"a", "a-b", "a0", "b", "\xc3\xa9", "\xff", "z z", "A"};

	for (size_t i = 0; i < PATHS; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%s%s%zu", parts[i % 8], parts[(i / 8) % 8],
			 i % 3 ? "/" : "", i);
	qsort(paths, PATHS, sizeof(paths[0]), (int (*)(const void *, const void *))strcmp);
}

static struct index_row random_row(const char *p)
{
	static const char *const stamps[] = {"",
					     "2026-11-24T08:58:56",
					     "2026-11-24T08:58:56.1Z",
					     "2026-11-24T08:58:56.1234567",
					     "2026-02-30T08:58:56Z",
					     "2026-11-24T08:58:56+00:00",
					     "garbage"};
	struct index_row row = {.path = p, .synced = random() % 5 > 0};

	if (row.synced) {
		row.digest = digest_for((uint32_t)random());
		row.size = random() % 3 ? random() : (int64_t)random() << 20;
		snprintf(row.updated_at, sizeof(row.updated_at), "%s",
			 stamps[(size_t)random() % ARRAY_SIZE(stamps)]);
	}
	if (random() % 3)
		row.sig = (struct index_sig){.size = random() % 2 ? row.size : random(),
					     .mtime_ns = random() % 9 ? random() * 1000000000LL : INT64_MIN,
					     .ctime_ns = random() % 9 ? random() * 1000000000LL : INT64_MAX,
					     .ino = random() % 5 ? (uint64_t)(random() % 4) : UINT64_MAX};
	row.flags = (unsigned)random() % 8;
	row.note = (enum index_note)(random() % 3);
	if (row.note == INDEX_NOTE_HASH)
		row.note_digest = digest_for((uint32_t)random());
	if (row.note != INDEX_NOTE_NONE)
		row.note_ms = random();
	return row;
}

static void assert_row(const struct index_row *expected, const struct index_row *row)
{
	ck_assert_str_eq(row->path, expected->path);
	ck_assert_int_eq(row->synced, expected->synced);
	ck_assert_mem_eq(&row->digest, &expected->digest, DIGEST_SIZE);
	ck_assert_int_eq(row->size, expected->size);
	ck_assert_str_eq(row->updated_at, expected->updated_at);
	ck_assert_int_eq(row->sig.size, expected->sig.size);
	ck_assert_int_eq(row->sig.mtime_ns, expected->sig.mtime_ns);
	ck_assert_int_eq(row->sig.ctime_ns, expected->sig.ctime_ns);
	ck_assert_uint_eq(row->sig.ino, expected->sig.ino);
	ck_assert_uint_eq(row->flags, expected->flags);
	ck_assert_int_eq(row->note, expected->note);
	ck_assert_mem_eq(&row->note_digest, &expected->note_digest, DIGEST_SIZE);
	ck_assert_int_eq(row->note_ms, expected->note_ms);
	ck_assert_int_gt(row->written_ns, 0);
}

struct expect {
	const struct model *m;
	int pair, next, left;
	bool (*wanted)(const struct index_row *row, const void *arg);
	const void *arg;
};

static int on_expected(void *arg, const struct index_row *row)
{
	struct expect *e = arg;

	while (e->next < PATHS &&
	       !(e->m->there[e->pair][e->next] && e->wanted(&e->m->rows[e->pair][e->next], e->arg)))
		e->next++;
	ck_assert_msg(e->next < PATHS, "%s is one too many", row->path);
	assert_row(&e->m->rows[e->pair][e->next++], row);
	e->left--;
	return 0;
}

static bool below(const struct index_row *row, const void *arg)
{
	const char *const *bounds = arg; /* prefix, after */

	return strncmp(row->path, bounds[0], strlen(bounds[0])) == 0 &&
	       (!bounds[1] || strcmp(row->path, bounds[1]) > 0);
}

static bool noted(const struct index_row *row, const void *arg)
{
	return row->note != INDEX_NOTE_NONE;
}

static bool linked(const struct index_row *row, const void *arg)
{
	const struct index_sig *sig = &row->sig;
	bool is_void = sig->size == 0 && sig->mtime_ns == 0 && sig->ctime_ns == 0 && sig->ino == 0;

	return row->flags & INDEX_LINKED && !is_void && sig->ino == *(const uint64_t *)arg;
}

static int wanted_of(struct expect e, int max)
{
	int n = 0;

	for (int i = 0; i < PATHS && n < max; i++)
		n += e.m->there[e.pair][i] && e.wanted(&e.m->rows[e.pair][i], e.arg);
	return n;
}

static void compare(const struct model *m, const int64_t *keys, struct index_reader *reader)
{
	for (int pair = 0; pair < PAIRS; pair++) {
		struct index_pair record;
		int64_t files = 0, bytes = 0;
		for (int i = 0; i < PATHS; i++) {
			const struct index_row *row = &m->rows[pair][i];
			bool counts = m->there[pair][i] && row->synced && !(row->flags & INDEX_GONE_HERE);
			files += counts;
			bytes += counts ? row->size : 0;
		}
		ck_assert_int_eq(index_pair_get(ix, ids[pair], &record), 0);
		ck_assert_int_eq(record.files, files);
		ck_assert_int_eq(record.bytes, bytes);

		const char *prefixes[] = {"", "a/", "a-b/", "b", "\xff", "none/"};
		const char *bounds[2] = {prefixes[(size_t)random() % ARRAY_SIZE(prefixes)],
					 random() % 2 ? paths[(size_t)random() % PATHS] : NULL};
		int max = random() % 2 ? 1000 : 1 + (int)(random() % 5);
		struct expect e = {.m = m, .pair = pair, .wanted = below, .arg = bounds};
		int n = wanted_of(e, max);
		ck_assert_int_eq(index_range(ix, keys[pair], bounds[0], bounds[1], max, on_expected, &e), n);
		if (reader) {
			e.next = 0;
			ck_assert_int_eq(index_reader_range(reader, keys[pair], bounds[0], bounds[1], max,
							    on_expected, &e),
					 n);
		}
		e = (struct expect){.m = m, .pair = pair, .wanted = noted};
		ck_assert_int_eq(index_noted(ix, keys[pair], max, on_expected, &e), wanted_of(e, max));
		uint64_t ino = (uint64_t)(random() % 4);
		e = (struct expect){.m = m, .pair = pair, .wanted = linked, .arg = &ino};
		ck_assert_int_eq(index_linked(ix, keys[pair], ino, max, on_expected, &e), wanted_of(e, max));

		int i = (int)(random() % PATHS);
		struct index_row row;
		int there = m->there[pair][i] ? 0 : -ENOENT;
		ck_assert_int_eq(index_get(ix, keys[pair], paths[i], &row), there);
		if (there == 0)
			assert_row(&m->rows[pair][i], &row);
		if (reader) {
			ck_assert_int_eq(index_reader_get(reader, keys[pair], paths[i], &row), there);
			if (there == 0)
				assert_row(&m->rows[pair][i], &row);
		}
	}
}

static void change(struct model *m, int64_t *keys)
{
	int pair = (int)(random() % PAIRS), i = (int)(random() % PATHS);
	unsigned set = random() % 2 ? INDEX_FROM_BEFORE : 0, clear = set ? 0 : INDEX_FROM_BEFORE;

	switch (random() % 40) {
	case 0:
		ck_assert_int_eq(index_pair_drop_rows(ix, keys[pair]), 0);
		memset(m->there[pair], 0, sizeof(m->there[pair]));
		break;
	case 1:
	case 2:
		ck_assert_int_eq(index_pair_flag_all(ix, keys[pair], set, clear), 0);
		for (int k = 0; k < PATHS; k++)
			m->rows[pair][k].flags = (m->rows[pair][k].flags & ~clear) | set;
		break;
	case 3:
		/* It may come to its turn anywhere between two calls. */
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
		ck_assert_int_eq(index_drop(ix, keys[pair], paths[i]), 0);
		m->there[pair][i] = false;
		break;
	default:
		m->rows[pair][i] = random_row(paths[i]);
		ck_assert_int_eq(index_put(ix, keys[pair], &m->rows[pair][i]), 0);
		m->there[pair][i] = true;
	}
}

START_TEST(against_a_model)
{
	static struct model now, before;
	int64_t keys[PAIRS];
	struct index_reader *reader = NULL;

	srandom(_i + 1);
	make_paths();
	memset(&now, 0, sizeof(now));
	for (int i = 0; i < PAIRS; i++)
		keys[i] = new_pair(ids[i]);
	for (int round = 0; round < 150; round++) {
		bool tx = random() % 3 > 0, nested = random() % 4 == 0;
		before = now;
		if (tx)
			ck_assert_int_eq(index_begin(ix), 0);
		for (int k = (int)(random() % 20); k >= 0; k--) {
			if (nested)
				ck_assert_int_eq(index_begin(ix), 0);
			change(&now, keys);
			if (nested)
				ck_assert_int_eq(index_commit(ix), 0);
		}
		if (tx && random() % 4 == 0) {
			index_rollback(ix);
			now = before;
		} else if (tx) {
			compare(&now, keys, NULL);
			ck_assert_int_eq(index_commit(ix), 0);
		}
		if (!reader)
			ck_assert_int_eq(index_reader_open(path, &reader), 0);
		compare(&now, keys, reader);
		if (random() % 10 == 0) {
			if (random() % 2)
				reader = index_reader_close(reader);
			reopen();
		}
		if (random() % 10 == 0) {
			settle();
			ck_assert_int_eq(count("SELECT count(*) FROM space"), PAIRS);
			compare(&now, keys, reader);
		}
	}
	index_reader_close(reader);
	settle();
	ck_assert_int_eq(count("SELECT count(*) FROM file WHERE space NOT IN (SELECT space FROM pair)"), 0);
}
END_TEST

/* ---- one promise each ---- */

START_TEST(stamps)
{
	static const char *const exact[] = {"1970-01-01T00:00:00",         "2026-11-24T08:58:56.1234567Z",
					    "2026-11-24T08:58:56.0000001", "2026-11-24T08:58:56.10",
					    "2024-02-29T23:59:59.999Z",    "3700-12-31T23:59:59.9999999Z"};
	static const char *const other[] = {"",
					    "2026-11-24",
					    "2026-11-24T08:58:56.12345678",
					    "2026-11-24T08:58:56.",
					    "2026-11-24T08:58:56z",
					    "2026-11-24T08:58:56ZZ",
					    "2026-11-24T08:58:60Z",
					    "2025-02-29T00:00:00Z",
					    "1969-12-31T23:59:59Z",
					    "9999-12-31T23:59:59Z",
					    "2026-11-24 08:58:56Z",
					    "2026-11-24T08:58:56+01:00"};
	char text[INDEX_STAMP_MAX];
	int64_t packed;

	for (size_t i = 0; i < ARRAY_SIZE(exact); i++) {
		ck_assert_msg(stamp_pack(exact[i], &packed), "%s", exact[i]);
		stamp_unpack(packed, text, sizeof(text));
		ck_assert_str_eq(text, exact[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		ck_assert_msg(!stamp_pack(other[i], &packed), "%s", other[i]);
	stamp_unpack(-5, text, sizeof(text));
	ck_assert_str_eq(text, "");
	stamp_unpack(INT64_MAX, text, sizeof(text));
}
END_TEST

START_TEST(pair_records)
{
	struct index_pair pair = {0}, got;

	ck_assert_int_eq(index_pair_get(ix, ids[0], &got), -ENOENT);
	memcpy(pair.id, ids[0], 33);
	memset(pair.identity, 'i', 255);
	memset(pair.generation, 'a', 32);
	memset(pair.generation_next, 'b', 32);
	pair.first_sync = true;
	snprintf(pair.bucket_created_at, sizeof(pair.bucket_created_at), "2026-01-01T00:00:00Z");
	pair.last_sync_ms = 1;
	pair.last_full_check_ms = 2;
	pair.rescue_day = 3;
	pair.rescue_used = 4;
	ck_assert_int_eq(index_pair_put(ix, &pair, true), 0);
	reopen();
	ck_assert_int_eq(index_pair_get(ix, ids[0], &got), 0);
	ck_assert_mem_eq(&got, &pair, sizeof(pair));
	got.first_sync = false;
	got.files = 77; /* not ours to say */
	ck_assert_int_eq(index_pair_put(ix, &got, false), 0);
	ck_assert_int_eq(index_pair_get(ix, ids[0], &got), 0);
	ck_assert(!got.first_sync && got.files == 0);
	struct index_pair twin = {0};
	memcpy(twin.id, ids[0], 33);
	ck_assert_int_eq(index_pair_put(ix, &twin, false), -EEXIST);
	ck_assert_int_eq(twin.key, 0);
	int64_t key = got.key;
	ck_assert_int_eq(index_pair_remove(ix, key), 0);
	ck_assert_int_eq(index_pair_get(ix, ids[0], &got), -ENOENT);
	ck_assert_int_eq(index_pair_remove(ix, key), -ENOENT);
	ck_assert_int_eq(index_pair_put(ix, &pair, false), -ENOENT);
	struct index_row row = simple_row("a", 1);
	ck_assert_int_eq(index_put(ix, key, &row), -ENOENT);
	ck_assert_int_gt(new_pair(ids[0]), key); /* keys are not used twice: history names them */
}
END_TEST

START_TEST(a_large_pair_forgets_at_once)
{
	int64_t a = new_pair(ids[0]), b = new_pair(ids[1]);
	struct index_pair pair;
	struct index_row row;

	put_many(a, 5000);
	put_many(b, 3000);
	ck_assert_int_eq(index_pair_drop_rows(ix, a), 0);
	ck_assert_int_eq(index_pair_get(ix, ids[0], &pair), 0);
	ck_assert_int_eq(pair.files, 0);
	ck_assert_int_eq(pair.key, a);
	ck_assert_int_eq(index_get(ix, a, "d/000001", &row), -ENOENT);
	put_many(a, 10);
	ck_assert_int_eq(index_pair_remove(ix, b), 0);
	/* Stopped after some slices, and taken up again. */
	for (int i = 0; i < 3; i++)
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
	ck_assert_int_gt(count("SELECT count(*) FROM file"), 10);
	reopen();
	settle();
	ck_assert_int_eq(count("SELECT count(*) FROM file"), 10);
	ck_assert_int_eq(count("SELECT count(*) FROM space"), 1);
	ck_assert_int_eq(index_get(ix, a, "d/000001", &row), 0);
}
END_TEST

START_TEST(flags_of_a_large_pair)
{
	int64_t a = new_pair(ids[0]);
	struct index_row row;
	struct index_reader *reader;

	put_many(a, 5000);
	ck_assert_int_eq(index_reader_open(path, &reader), 0);
	ck_assert_int_eq(index_pair_flag_all(ix, a, INDEX_GONE_HERE, 0), -EINVAL);
	ck_assert_int_eq(index_pair_flag_all(ix, a, INDEX_FROM_BEFORE, 0), 0);
	struct index_row after = simple_row("d/000002", 9);
	ck_assert_int_eq(index_put(ix, a, &after), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(index_reader_get(reader, a, "d/004999", &row), 0);
		ck_assert_uint_eq(row.flags, INDEX_FROM_BEFORE);
		ck_assert_int_eq(index_get(ix, a, "d/000002", &row), 0);
		ck_assert_uint_eq(row.flags, 0);
		if (i == 0)
			event_base_loop(loop_base(loop), EVLOOP_ONCE);
		if (i == 1)
			reopen();
		if (i == 2)
			settle();
	}
	ck_assert_int_eq(count("SELECT count(*) FROM file WHERE flags & 2"), 4999);
	/* Again before the first one is through. */
	ck_assert_int_eq(index_pair_flag_all(ix, a, 0, INDEX_FROM_BEFORE), 0);
	ck_assert_int_eq(index_pair_flag_all(ix, a, INDEX_FROM_BEFORE, 0), 0);
	ck_assert_int_eq(index_get(ix, a, "d/000002", &row), 0);
	ck_assert_uint_eq(row.flags, INDEX_FROM_BEFORE);
	settle();
	ck_assert_int_eq(count("SELECT count(*) FROM file WHERE flags & 2"), 5000);
	index_reader_close(reader);
}
END_TEST

START_TEST(bad_arguments)
{
	int64_t a = new_pair(ids[0]);
	struct index_row row = simple_row("", 1);
	_cleanup_free_ char *longest = malloc(INDEX_TEXT_MAX + 2);

	ck_assert_int_eq(index_put(ix, a, &row), -EINVAL);
	memset(longest, 'x', INDEX_TEXT_MAX + 1);
	longest[INDEX_TEXT_MAX + 1] = '\0';
	row.path = longest;
	ck_assert_int_eq(index_put(ix, a, &row), -EINVAL);
	longest[INDEX_TEXT_MAX] = '\0';
	ck_assert_int_eq(index_put(ix, a, &row), 0);
	row.size = -1;
	ck_assert_int_eq(index_put(ix, a, &row), -EINVAL);
	row.size = 1;
	row.flags = 8;
	ck_assert_int_eq(index_put(ix, a, &row), -EINVAL);
	ck_assert_int_eq(index_put(ix, 0, &row), -EINVAL);
	ck_assert_int_eq(index_commit(ix), -EINVAL);
	index_rollback(ix);
	ck_assert_int_eq(index_drop(ix, a, "not there"), 0);
	ck_assert_ptr_null(index_close(NULL));
	ck_assert_ptr_null(index_reader_close(NULL));
}
END_TEST

START_TEST(an_inner_rollback_spoils_all)
{
	int64_t a = new_pair(ids[0]);
	struct index_row row = simple_row("a", 1), got;

	ck_assert_int_eq(index_begin(ix), 0);
	ck_assert_int_eq(index_put(ix, a, &row), 0);
	ck_assert_int_eq(index_begin(ix), 0);
	index_rollback(ix);
	ck_assert_int_lt(index_put(ix, a, &row), 0);
	ck_assert_int_lt(index_commit(ix), 0);
	ck_assert_int_eq(index_get(ix, a, "a", &got), -ENOENT);
	ck_assert_int_eq(index_put(ix, a, &row), 0); /* and the next one is a new start */
	ck_assert_int_eq(index_get(ix, a, "a", &got), 0);
}
END_TEST

static int stop_at_third(void *arg, const struct index_row *row)
{
	return ++*(int *)arg == 3 ? -ECANCELED : 0;
}

static int64_t nested_pair;
static int nested_walk(void *arg, const struct index_row *row)
{
	int n = 0;
	struct index_row copy = *row;

	/* Walks and writes within a walk. */
	ck_assert_int_eq(index_range(ix, nested_pair, "", NULL, 10, stop_at_third, &n), -ECANCELED);
	copy.size = 5;
	ck_assert_int_eq(index_put(ix, nested_pair, &copy), 0);
	++*(int *)arg;
	return 0;
}

START_TEST(callbacks)
{
	int n = 0;
	struct index_pair pair;

	nested_pair = new_pair(ids[0]);
	put_many(nested_pair, 20);
	ck_assert_int_eq(index_range(ix, nested_pair, "", NULL, 100, stop_at_third, &n), -ECANCELED);
	ck_assert_int_eq(n, 3);
	n = 0;
	ck_assert_int_eq(index_range(ix, nested_pair, "d/", "d/000009", 100, nested_walk, &n), 10);
	ck_assert_int_eq(n, 10);
	ck_assert_int_eq(index_pair_get(ix, ids[0], &pair), 0);
	ck_assert_int_eq(pair.bytes, 60);
	struct index_reader *reader;
	ck_assert_int_eq(index_reader_open(path, &reader), 0);
	n = 0;
	ck_assert_int_eq(index_reader_range(reader, nested_pair, "", NULL, 100, stop_at_third, &n),
			 -ECANCELED);
	ck_assert_int_eq(index_reader_range(reader, 99, "", NULL, 100, stop_at_third, &n), -ENOENT);
	index_reader_close(reader);
}
END_TEST

START_TEST(remembered)
{
	int64_t a = new_pair(ids[0]), b = new_pair(ids[1]), t = 1795000000000;
	struct digest one = digest_for(1), two = digest_for(2);

	ck_assert_int_eq(index_remember(ix, a, "p", INDEX_NOTE_HASH, &one, t), 0);
	ck_assert_int_eq(index_remember(ix, a, "p", INDEX_NOTE_DELETED, NULL, t + 5), 0);
	ck_assert_int_eq(index_remember(ix, a, "p", INDEX_NOTE_NONE, NULL, t), -EINVAL);
	ck_assert_int_eq(index_remember(ix, a, "p", INDEX_NOTE_HASH, NULL, t), -EINVAL);
	ck_assert(index_remembers(ix, a, "p", INDEX_NOTE_HASH, &one, t));
	ck_assert(index_remembers(ix, a, "p", INDEX_NOTE_HASH, &one, t + INDEX_REMEMBER_MS - 1));
	ck_assert(!index_remembers(ix, a, "p", INDEX_NOTE_HASH, &one, t + INDEX_REMEMBER_MS));
	ck_assert(index_remembers(ix, a, "p", INDEX_NOTE_DELETED, NULL, t + INDEX_REMEMBER_MS));
	ck_assert(!index_remembers(ix, a, "p", INDEX_NOTE_HASH, &two, t));
	ck_assert(!index_remembers(ix, a, "q", INDEX_NOTE_HASH, &one, t));
	ck_assert(!index_remembers(ix, b, "p", INDEX_NOTE_HASH, &one, t));
	ck_assert(!index_remembers(ix, a, "p", INDEX_NOTE_NONE, NULL, t));
	ck_assert_int_eq(index_remember_expire(ix, t + INDEX_REMEMBER_MS), 0);
	ck_assert(!index_remembers(ix, a, "p", INDEX_NOTE_HASH, &one, t));
	ck_assert(index_remembers(ix, a, "p", INDEX_NOTE_DELETED, NULL, t));
	ck_assert_int_eq(index_forget(ix, a, "p"), 0);
	ck_assert(!index_remembers(ix, a, "p", INDEX_NOTE_DELETED, NULL, t));
	ck_assert_int_eq(index_begin(ix), 0);
	for (uint32_t i = 0; i < 1500; i++) {
		struct digest d = digest_for(i);
		ck_assert_int_eq(index_remember(ix, a, "p", INDEX_NOTE_HASH, &d, t), 0);
	}
	ck_assert_int_eq(index_commit(ix), 0);
	ck_assert_int_eq(index_remember_expire(ix, t + INDEX_REMEMBER_MS), 1);
	ck_assert_int_eq(index_remember_expire(ix, t + INDEX_REMEMBER_MS), 0);
	ck_assert_int_eq(count("SELECT count(*) FROM remembered"), 0);
}
END_TEST

static void assert_holds(int64_t pair, int64_t deletes, int64_t foreign, int64_t blocking)
{
	int64_t d, f, b;

	ck_assert_int_eq(index_hold_counts(ix, pair, &d, &f, &b), 0);
	ck_assert_int_eq(d, deletes);
	ck_assert_int_eq(f, foreign);
	ck_assert_int_eq(b, blocking);
}

static int hold_order(void *arg, const struct index_hold *hold)
{
	strncat(arg, hold->path, 1);
	return 0;
}

START_TEST(holds)
{
	int64_t a = new_pair(ids[0]);
	struct index_hold hold = {
		.path = "m", .reason = INDEX_HOLD_MASS, .size = 7, .has_digest = true, .side_local = true};
	struct index_hold got;
	char order[8] = "";

	hold.digest = digest_for(3);
	snprintf(hold.updated_at, sizeof(hold.updated_at), "2026-11-24T08:58:56.1Z");
	ck_assert_int_eq(index_hold_get(ix, a, "m", &got), -ENOENT);
	ck_assert_int_eq(index_hold_put(ix, a, &hold), 0);
	ck_assert_int_eq(index_hold_get(ix, a, "m", &got), 0);
	got.path = hold.path;
	ck_assert(got.side_local && got.has_digest && !got.confirmed && got.size == 7);
	ck_assert_mem_eq(&got.digest, &hold.digest, DIGEST_SIZE);
	ck_assert_str_eq(got.updated_at, hold.updated_at);
	assert_holds(a, 1, 0, 1);
	hold = (struct index_hold){.path = "f", .reason = INDEX_HOLD_FOREIGN};
	ck_assert_int_eq(index_hold_put(ix, a, &hold), 0);
	assert_holds(a, 1, 1, 1);
	hold.confirmed = true;
	ck_assert_int_eq(index_hold_put(ix, a, &hold), 0);
	assert_holds(a, 1, 0, 2);
	hold = (struct index_hold){.path = "t", .reason = INDEX_HOLD_TOO_LARGE};
	ck_assert_int_eq(index_hold_put(ix, a, &hold), 0);
	ck_assert_int_eq(index_hold_get(ix, a, "t", &got), 0);
	ck_assert(!got.has_digest && got.updated_at[0] == '\0' && got.reason == INDEX_HOLD_TOO_LARGE);
	assert_holds(a, 2, 0, 3);
	reopen();
	assert_holds(a, 2, 0, 3);
	ck_assert_int_eq(index_hold_range(ix, a, NULL, 10, hold_order, order), 3);
	ck_assert_str_eq(order, "fmt");
	order[0] = '\0';
	ck_assert_int_eq(index_hold_range(ix, a, "f", 1, hold_order, order), 1);
	ck_assert_str_eq(order, "m");
	hold = (struct index_hold){.path = "s", .reason = INDEX_HOLD_TOO_LARGE, .size = 9};
	ck_assert_int_eq(index_hold_put(ix, a, &hold), 0);
	hold = (struct index_hold){.path = "q", .reason = INDEX_HOLD_TOO_LARGE, .size = 1, .confirmed = true};
	ck_assert_int_eq(index_hold_put(ix, a, &hold), 0);
	order[0] = '\0';
	ck_assert_int_eq(index_hold_fitting(ix, a, INDEX_HOLD_TOO_LARGE, 9, 5, hold_order, order), 2);
	ck_assert_str_eq(order, "st");
	order[0] = '\0';
	ck_assert_int_eq(index_hold_fitting(ix, a, INDEX_HOLD_TOO_LARGE, 8, 5, hold_order, order), 1);
	ck_assert_str_eq(order, "t");
	ck_assert_int_eq(index_hold_drop(ix, a, "s"), 0);
	ck_assert_int_eq(index_hold_drop(ix, a, "q"), 0);
	ck_assert_int_eq(index_hold_drop(ix, a, "m"), 0);
	ck_assert_int_eq(index_hold_drop(ix, a, "m"), 0);
	assert_holds(a, 1, 0, 2);
	ck_assert_int_eq(index_pair_drop_rows(ix, a), 0);
	assert_holds(a, 0, 0, 0);
}
END_TEST

static void put_skip(int64_t pair, const char *p, bool error, int64_t scan, int64_t retry_ms)
{
	struct index_skip skip = {
		.path = p, .reason = error ? "refused" : "fifo", .error = error, .scan = scan};

	skip.retry_ms = retry_ms;
	ck_assert_int_eq(index_skip_put(ix, pair, &skip), 0);
}

static void assert_skips(int64_t pair, int64_t skipped, int64_t errors)
{
	int64_t s, e;

	ck_assert_int_eq(index_skip_counts(ix, pair, &s, &e), 0);
	ck_assert_int_eq(s, skipped);
	ck_assert_int_eq(e, errors);
}

#define ORDER_SIZE 16

static void append_order(char order[ORDER_SIZE], const char *name)
{
	size_t len = strlen(order);

	ck_assert_int_lt(snprintf(order + len, ORDER_SIZE - len, "%s", name), (int)(ORDER_SIZE - len));
}

static int skip_order(void *arg, const struct index_skip *skip)
{
	append_order(arg, strrchr(skip->path, '/') + 1);
	ck_assert_str_eq(skip->reason, skip->error ? "refused" : "fifo");
	return 0;
}

START_TEST(skips)
{
	int64_t a = new_pair(ids[0]), retry = -1, next = -1;
	char order[ORDER_SIZE] = "", reason[32];

	put_skip(a, "x/1", false, 1, 0);
	put_skip(a, "x/2", true, 1, 500);
	put_skip(a, "x/3", false, 2, 0);
	put_skip(a, "y/4", false, 1, 300);
	put_skip(a, "y/5", true, 1, 900);
	assert_skips(a, 5, 2);
	put_skip(a, "y/5", true, 1, 900);
	assert_skips(a, 5, 2);
	ck_assert_int_eq(index_skip_get(ix, a, "x/2", reason, &retry), 0);
	ck_assert_str_eq(reason, "refused");
	ck_assert_int_eq(retry, 500);
	ck_assert_int_eq(index_skip_get(ix, a, "x/9", reason, &retry), -ENOENT);
	ck_assert_int_eq(index_skip_due(ix, a, 600, 10, skip_order, order, &next), 2);
	ck_assert_str_eq(order, "42"); /* the longest due first */
	ck_assert_int_eq(next, 900);
	ck_assert_int_eq(index_skip_due(ix, a, 600, 1, skip_order, order, &next), 1);
	ck_assert_int_eq(next, 600);
	ck_assert_int_eq(index_skip_due(ix, a, 900, 10, skip_order, order, &next), 3);
	ck_assert_int_eq(next, 0);
	ck_assert_int_eq(index_skip_drop_older(ix, a, "x/", 2), 0);
	assert_skips(a, 4, 2);
	ck_assert_int_eq(index_skip_get(ix, a, "y/4", reason, &retry), 0);
	ck_assert_int_eq(index_skip_drop_older(ix, a, "", 3), 0);
	assert_skips(a, 2, 2);
	order[0] = '\0';
	ck_assert_int_eq(index_skip_range(ix, a, NULL, 10, skip_order, order), 2);
	ck_assert_str_eq(order, "25");
	ck_assert_int_eq(index_skip_drop(ix, a, "x/2"), 0);
	ck_assert_int_eq(index_skip_drop(ix, a, "x/2"), 0);
	assert_skips(a, 1, 1);
	reopen();
	assert_skips(a, 1, 1);
}
END_TEST

static int event_order(void *arg, const struct index_event *event)
{
	append_order(arg, event->path);
	ck_assert_str_eq(event->pair, "name");
	ck_assert(!event->message || strcmp(event->message, "why") == 0);
	return 0;
}

START_TEST(history)
{
	struct index_event event = {.pair = "name", .action = "upload", .size = 3, .result = "done"};
	const char *names[] = {"a", "b", "a", "c", ""};
	char order[ORDER_SIZE] = "";

	for (int i = 0; i < 5; i++) {
		event.path = names[i];
		event.at_ms = 1000 * (i + 1);
		event.message = i == 2 ? "why" : NULL;
		ck_assert_int_eq(index_history_add(ix, 1 + i % 2, &event), 0);
	}
	ck_assert_int_eq(index_history(ix, 0, NULL, 0, 10, event_order, order), 5);
	ck_assert_str_eq(order, "caba");
	order[0] = '\0';
	ck_assert_int_eq(index_history(ix, 2, NULL, 0, 10, event_order, order), 2);
	ck_assert_str_eq(order, "cb");
	order[0] = '\0';
	ck_assert_int_eq(index_history(ix, 0, "a", 0, 10, event_order, order), 2);
	ck_assert_int_eq(index_history(ix, 2, "a", 0, 10, event_order, order), 0);
	order[0] = '\0';
	ck_assert_int_eq(index_history(ix, 0, NULL, 4, 2, event_order, order), 2);
	ck_assert_str_eq(order, "ab");
	/* By age, one at a time; then by size. */
	ck_assert_int_eq(index_history_prune(ix, 3000, INT64_MAX, 1), 1);
	ck_assert_int_eq(index_history_prune(ix, 3000, INT64_MAX, 10), 0);
	ck_assert_int_eq(count("SELECT count(*) FROM event"), 3);
	reopen();
	ck_assert_int_eq(index_history_prune(ix, 0, 300, 10), 0);
	ck_assert_int_eq(count("SELECT count(*) FROM event"), 2);
	ck_assert_int_eq(index_history_prune(ix, 0, 0, 10), 0);
	ck_assert_int_eq(count("SELECT count(*) FROM event"), 0);
	ck_assert_int_eq(count("SELECT sum(n) FROM tally WHERE key = 0"), 0);
	event.action = NULL;
	ck_assert_int_eq(index_history_add(ix, 1, &event), -EINVAL);
}
END_TEST

static const char *index_wanted(int which)
{
	return which == SQL_ROW_NOTED ? "file_noted" : which == SQL_ROW_LINKED ? "file_linked" : "";
}

/* No statement walks a whole table, or all rows of a pair, to find a few of them. */
START_TEST(query_plans)
{
	static const enum index_sql may_scan[] = {SQL_SPACE_DROPPED, SQL_SWEEP_STALE, SQL_EVENT_OLDEST,
						  SQL_EVENT_ALL};

	for (int i = 0; i < SQL_MAX; i++) {
		char *sql = NULL;
		sqlite3_stmt *stmt = NULL;
		bool allowed = false;
		for (size_t k = 0; k < ARRAY_SIZE(may_scan); k++)
			allowed = allowed ||
				  may_scan[k] ==
					  (enum index_sql)i; /* as many rows as there are pairs, or limited */
		ck_assert_int_gt(asprintf(&sql, "EXPLAIN QUERY PLAN %s", index_sql_texts[i]), 0);
		ck_assert_int_eq(sqlite3_prepare_v2(ix->db, sql, -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			const char *detail = (const char *)sqlite3_column_text(stmt, 3);
			/* "SCAN (subquery-1)" is of the few rows that the subquery has found. */
			bool scan = strncmp(detail, "SCAN", 4) == 0 && !strstr(detail, "subquery");
			ck_assert_msg(allowed || (!scan && !strstr(detail, "TEMP B-TREE")), "%s: %s", sql,
				      detail);
			ck_assert_msg(scan || strstr(detail, index_wanted(i)), "%s: %s", sql, detail);
		}
		sqlite3_finalize(stmt);
		free(sql);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("index");
	TCase *tc = tcase_create("index");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, against_a_model, 0, 6);
	tcase_add_test(tc, stamps);
	tcase_add_test(tc, pair_records);
	tcase_add_test(tc, a_large_pair_forgets_at_once);
	tcase_add_test(tc, flags_of_a_large_pair);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, an_inner_rollback_spoils_all);
	tcase_add_test(tc, callbacks);
	tcase_add_test(tc, remembered);
	tcase_add_test(tc, holds);
	tcase_add_test(tc, skips);
	tcase_add_test(tc, history);
	tcase_add_test(tc, query_plans);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
