/* The plan against its table: the table is written out here once more, as text, and every state that can be
 * made of a few contents, stamps and flags is judged by both. */
#include "base/util.h"
#include "sync/plan.h"
#include "tests/unit/tap.h"
#include <string.h>

/* - absent, x the same bytes on both sides, b the row's version, a/r anything else, * any; row: - none.
 * Verdicts as plan_verdict_name says them; ! is "guard", a trailing ~ "and the row goes". */
static const struct {
	const char *local, *remote, *row;
	const char *cells[4];
} table[] = {
	{"?", "*", "*", {"nothing", "nothing", "nothing", "nothing"}},
	{"s", "*", "*", {"skip", "skip", "skip", "skip"}},
	{"*", "?", "*", {"look_up", "look_up", "look_up", "look_up"}},
	{"-", "-", "b", {"drop_row~", "drop_row~", "drop_row~", "drop_row~"}},
	{"-", "-", "-", {"nothing", "nothing", "nothing", "nothing"}},
	{"x", "x", "*", {"equal", "equal", "equal", "equal"}},
	{"a", "-", "-", {"upload", "upload", "hold_local", "upload"}},
	{"b", "-", "b", {"upload", "upload", "trash_drop!~", "trash_drop!~"}},
	{"a", "-", "b", {"upload", "upload", "hold_local", "upload"}},
	{"-", "r", "-", {"foreign", "leave", "download", "download"}},
	{"-", "b", "b", {"delete_remote!", "gone", "download", "delete_remote!"}},
	{"-", "r", "b", {"hold_foreign~", "gone", "download", "download"}},
	{"a", "r", "-", {"rescue_upload", "rescue_upload", "trash_download", "conflict"}},
	{"b", "r", "b", {"rescue_upload", "rescue_upload", "download", "trash_download"}},
	{"a", "b", "b", {"upload", "upload", "trash_download", "upload"}},
	{"a", "r", "b", {"rescue_upload", "rescue_upload", "trash_download", "conflict"}},
};

/* A state, as the test makes it: contents are small numbers, 0 absent, 9 a legacy version without a digest.
 */
enum { ABSENT = 0, LEGACY = 9 };
struct state {
	enum plan_presence local_presence, remote_presence;
	int local, remote, row; /* contents */
	int remote_stamp, row_stamp;
	bool gone_here, from_before;
	struct plan_options o;
};

static int64_t size_of(int content)
{
	return content == 3 || content == 8 ? 333 : 100; /* contents 1, 2, 7 and LEGACY have one size */
}

static struct remote_version version(int content, int stamp)
{
	struct remote_version v = {.size = size_of(content), .has_digest = content != LEGACY};

	memset(v.digest.b, content, DIGEST_SIZE);
	snprintf(v.updated_at, sizeof(v.updated_at), "2026-01-0%dT00:00:00", stamp);
	return v;
}

static bool fits(char want, bool absent, bool is_row, bool any_presence)
{
	switch (want) {
	case '*': return true;
	case '-': return absent && !any_presence;
	case 'b': return !absent && is_row && !any_presence;
	case 'a':
	case 'r': return !absent && !is_row && !any_presence;
	default: return false;
	}
}

static bool line_fits(size_t i, const struct state *s)
{
	bool odd_local = s->local_presence != PLAN_FILE && s->local_presence != PLAN_ABSENT;
	bool same = s->local_presence == PLAN_FILE && s->remote_presence == PLAN_FILE &&
		    s->local == s->remote && s->local != LEGACY;

	if (table[i].local[0] == '?')
		return odd_local && s->local_presence != PLAN_SPECIAL;
	if (table[i].local[0] == 's')
		return s->local_presence == PLAN_SPECIAL;
	if (table[i].remote[0] == '?')
		return s->remote_presence == PLAN_UNKNOWN;
	if (table[i].local[0] == 'x')
		return same;
	if (s->row ? table[i].row[0] == '-' : table[i].row[0] == 'b')
		return false;
	/* Without a row every content is "anything else". */
	bool local_is_row = s->row && s->local == s->row;
	bool remote_is_row =
		s->row && s->remote == s->row && s->remote_stamp == s->row_stamp && s->remote != LEGACY;

	return fits(table[i].local[0], s->local_presence == PLAN_ABSENT, local_is_row, odd_local) &&
	       fits(table[i].remote[0], s->remote_presence == PLAN_ABSENT, remote_is_row, false);
}

/* What the page says, with the words of its cells that depend on more than the line. */
static const char *expected(const struct state *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!line_fits(i, s))
			continue;
		const char *cell = table[i].cells[s->o.mode];

		if (strcmp(cell, "equal") == 0)
			return s->row == s->remote && s->row_stamp == s->remote_stamp && !s->gone_here
				       ? "nothing"
				       : "write_row";
		if (strcmp(cell, "foreign") == 0)
			return s->o.foreign_remove && !s->o.first_sync && !s->o.held ? "rescue_delete!"
										     : "hold_foreign";
		if (strcmp(cell, "gone") == 0)
			return s->gone_here ? "nothing" : "mark_gone";
		return cell;
	}
	ck_abort_msg("no line fits");
	return NULL;
}

static void in_words(const struct plan_decision *d, char buf[64])
{
	snprintf(buf, 64, "%s%s%s", plan_verdict_name(d->verdict), d->guard ? "!" : "",
		 d->drop_row ? "~" : "");
}

static struct plan_decision ask(const struct state *s, bool hashed)
{
	struct plan_local local = {.presence = s->local_presence, .size = size_of(s->local)};
	struct plan_remote remote = {.presence = s->remote_presence};
	struct plan_row row = {
		.present = s->row != 0, .gone_here = s->gone_here, .from_before = s->from_before};

	if (hashed && s->local_presence == PLAN_FILE) {
		local.has_digest = true;
		local.digest = version(s->local, 1).digest;
	}
	if (s->remote_presence == PLAN_FILE)
		remote.version = version(s->remote, s->remote_stamp);
	if (row.present)
		row.version = version(s->row, s->row_stamp);
	return plan_file(&local, &remote, &row, &s->o);
}

static unsigned counted;

static void check_hashed(const struct state *s)
{
	struct plan_decision d = ask(s, true);
	const char *want = expected(s);
	char got[64];

	in_words(&d, got);
	ck_assert_ptr_nonnull(d.reason);
	ck_assert_msg(
		strcmp(got, want) == 0,
		"local %d/%d remote %d/%d@%d row %d@%d gone %d mode %d remove %d first %d held %d: got %s, "
		"want %s",
		s->local_presence, s->local, s->remote_presence, s->remote, s->remote_stamp, s->row,
		s->row_stamp, s->gone_here, s->o.mode, s->o.foreign_remove, s->o.first_sync, s->o.held, got,
		want);
	counted++;
}

/* Unhashed: PLAN_HASH if, and only if, two contents of this size would get different answers. */
static void check_unhashed(const struct state *s)
{
	if (s->local_presence != PLAN_FILE)
		return;

	struct plan_decision d = ask(s, false);
	char got[64], first[64] = "";
	bool differs = false;

	in_words(&d, got);
	for (int content = 1; content <= 8; content++) { /* 4 to 8: known to nobody */
		struct state other = *s;

		other.local = content;
		if (size_of(other.local) != size_of(s->local))
			continue;
		const char *want = expected(&other);

		if (first[0] && strcmp(first, want) != 0)
			differs = true;
		snprintf(first, sizeof(first), "%s", want);
	}
	ck_assert_str_eq(got, differs ? "hash" : first);
}

static void each_option(struct state *s)
{
	for (int bits = 0; bits < 8; bits++)
		for (int mode = PAIR_MIRROR; mode <= PAIR_TWO_WAY; mode++) {
			s->o = (struct plan_options){.mode = mode,
						     .foreign_remove = bits & 1,
						     .first_sync = bits & 2,
						     .held = bits & 4};
			check_hashed(s);
			check_unhashed(s);
		}
}

static void each_row(struct state *s)
{
	for (s->row = 0; s->row <= 3; s->row++)
		for (s->row_stamp = 1; s->row_stamp <= (s->row ? 2 : 1); s->row_stamp++)
			for (int flags = 0; flags < (s->row ? 4 : 1); flags++) {
				s->gone_here = flags & 1;
				s->from_before = flags & 2;
				each_option(s);
			}
}

static void each_remote(struct state *s)
{
	static const struct {
		enum plan_presence presence;
		int content;
	} remotes[] = {{PLAN_ABSENT, 0}, {PLAN_UNKNOWN, 0}, {PLAN_FILE, 1},
		       {PLAN_FILE, 2},   {PLAN_FILE, 3},    {PLAN_FILE, LEGACY}};

	for (size_t i = 0; i < ARRAY_SIZE(remotes); i++) {
		s->remote_presence = remotes[i].presence;
		s->remote = remotes[i].content;
		s->remote_stamp = 1;
		each_row(s);
	}
}

START_TEST(test_whole_table)
{
	static const struct {
		enum plan_presence presence;
		int content;
	} locals[] = {{PLAN_ABSENT, 0},  {PLAN_SPECIAL, 0}, {PLAN_UNREADABLE, 0}, {PLAN_UNCOVERED, 0},
		      {PLAN_UNKNOWN, 0}, {PLAN_FILE, 1},    {PLAN_FILE, 2},       {PLAN_FILE, 3}};

	for (size_t i = 0; i < ARRAY_SIZE(locals); i++) {
		struct state s = {.local_presence = locals[i].presence, .local = locals[i].content};

		each_remote(&s);
	}
	ck_assert_uint_eq(counted, 8 * 6 * (1 + 3 * 2 * 4) * 8 * 4);
}
END_TEST

/* The few sentences about hashing, by hand. */
START_TEST(test_when_to_hash)
{
	struct state s = {
		.local_presence = PLAN_FILE, .remote_presence = PLAN_FILE, .remote_stamp = 1, .row_stamp = 1};
	char got[64];

	s.local = s.remote = 1; /* first sync, same size: equal or not? */
	struct plan_decision d = ask(&s, false);
	ck_assert_int_eq(d.verdict, PLAN_HASH);

	s.local = 3; /* another size: no need to read it */
	d = ask(&s, false);
	ck_assert_int_eq(d.verdict, PLAN_RESCUE_UPLOAD);

	s.remote = LEGACY; /* a version without a hash equals nothing */
	s.local = 1;
	d = ask(&s, false);
	ck_assert_int_eq(d.verdict, PLAN_RESCUE_UPLOAD);

	s.remote_presence = PLAN_ABSENT; /* put back or changed: goes up either way */
	s.row = 1;
	d = ask(&s, false);
	ck_assert_int_eq(d.verdict, PLAN_UPLOAD);

	s.o.mode = PAIR_PULL; /* unchanged goes to the Trash, changed is held */
	d = ask(&s, false);
	in_words(&d, got);
	ck_assert_str_eq(got, "hash");
}
END_TEST

START_TEST(test_same_version)
{
	struct remote_version a = version(1, 1), b = version(1, 1);

	ck_assert(plan_same_version(&a, &b));
	b = version(1, 2);
	ck_assert(!plan_same_version(&a, &b));
	b = version(2, 1);
	ck_assert(!plan_same_version(&a, &b));
	a = b = version(LEGACY, 1);
	ck_assert(!plan_same_version(&a, &b));
}
END_TEST

START_TEST(test_names)
{
	for (int v = PLAN_NOTHING; v <= PLAN_CONFLICT; v++)
		ck_assert_str_ne(plan_verdict_name(v), "unknown");
	ck_assert_str_eq(plan_verdict_name(PLAN_CONFLICT + 1), "unknown");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plan");
	TCase *tc = tcase_create("plan");

	tcase_add_test(tc, test_whole_table);
	tcase_add_test(tc, test_when_to_hash);
	tcase_add_test(tc, test_same_version);
	tcase_add_test(tc, test_names);
	suite_add_tcase(suite, tc);
	return tap_run(suite);
}
