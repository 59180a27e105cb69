/* The plan. Lives here: the table that says what is done with a path, line by line, and nothing else. Not
 * here: looking at disk and server, the guard, the rescue, the work itself. */
#include "sync/plan.h"
#include "base/util.h"
#include <string.h>

/* What a side holds, compared with the other side and the row. */
enum side {
	NONE = 1,
	SAME = 2,  /* the row's version */
	OTHER = 4, /* anything else */
	ANY = SAME | OTHER,
};

/* What the modes do with one line. */
struct cell {
	enum plan_verdict verdict;
	bool guard;
	bool drop_row;
	const char *reason;
};

struct line {
	unsigned local, remote; /* sets of enum side */
	bool row;
	struct cell cells[PAIR_TWO_WAY + 1];
};

/* Both sides absent, both sides equal, and what cannot be judged are decided before: see decide(). The order
 * of cells is that of enum pair_mode: mirror, backup, pull, two_way. The first line that fits decides. */
/* clang-format off */
#define DO(v, r)         {PLAN_##v, false, false, r}
#define DO_GUARDED(v, r) {PLAN_##v, true, false, r}
#define DO_DROP(v, r)    {PLAN_##v, false, true, r}
#define TRASH_DROP(r)    {PLAN_TRASH_DROP, true, true, r}

static const struct line lines[] = {
	{ANY, NONE, false, {
		DO(UPLOAD, "new"), DO(UPLOAD, "new"),
		DO(HOLD_LOCAL, "only here"), DO(UPLOAD, "new")}},
	{SAME, NONE, true, {
		DO(UPLOAD, "put back"), DO(UPLOAD, "put back"),
		TRASH_DROP("deleted there"), TRASH_DROP("deleted there")}},
	{OTHER, NONE, true, {
		DO(UPLOAD, "put back"), DO(UPLOAD, "put back"),
		DO(HOLD_LOCAL, "only here"), DO(UPLOAD, "changed here, deleted there")}},
	{NONE, ANY, false, {
		DO(HOLD_FOREIGN, "foreign"), DO(LEAVE, "foreign"),
		DO(DOWNLOAD, "new there"), DO(DOWNLOAD, "new there")}},
	{NONE, SAME, true, {
		DO_GUARDED(DELETE_REMOTE, "deleted here"), DO(MARK_GONE, "deleted here"),
		DO(DOWNLOAD, "fetched back"), DO_GUARDED(DELETE_REMOTE, "deleted here")}},
	{NONE, OTHER, true, {
		DO_DROP(HOLD_FOREIGN, "deleted here, changed there"), DO(MARK_GONE, "deleted here"),
		DO(DOWNLOAD, "changed there"), DO(DOWNLOAD, "deleted here, changed there")}},
	{ANY, ANY, false, {
		DO(RESCUE_UPLOAD, "foreign version there"), DO(RESCUE_UPLOAD, "foreign version there"),
		DO(TRASH_DOWNLOAD, "differs here"), DO(CONFLICT, "both new")}},
	{SAME, OTHER, true, {
		DO(RESCUE_UPLOAD, "put back"), DO(RESCUE_UPLOAD, "put back"),
		DO(DOWNLOAD, "changed there"), DO(TRASH_DOWNLOAD, "changed there")}},
	{OTHER, SAME, true, {
		DO(UPLOAD, "changed"), DO(UPLOAD, "changed"),
		DO(TRASH_DOWNLOAD, "changed here"), DO(UPLOAD, "changed")}},
	{OTHER, OTHER, true, {
		DO(RESCUE_UPLOAD, "both changed"), DO(RESCUE_UPLOAD, "both changed"),
		DO(TRASH_DOWNLOAD, "both changed"), DO(CONFLICT, "both changed")}},
};
/* clang-format on */

bool plan_same_version(const struct remote_version *a, const struct remote_version *b)
{
	return a->has_digest && b->has_digest && digest_equal(&a->digest, &b->digest) &&
	       strcmp(a->updated_at, b->updated_at) == 0;
}

static bool has_content(const struct remote_version *v, const struct digest *digest)
{
	return digest && v->has_digest && digest_equal(&v->digest, digest);
}

static struct plan_decision decision(enum plan_verdict verdict, const char *reason)
{
	return (struct plan_decision){.verdict = verdict, .reason = reason};
}

/* Local and remote hold the same bytes: nothing is sent, at most the row is written. */
static struct plan_decision both_equal(const struct plan_remote *remote, const struct plan_row *row)
{
	if (row->present && !row->gone_here && plan_same_version(&remote->version, &row->version))
		return decision(PLAN_NOTHING, "in order");
	return decision(PLAN_WRITE_ROW, "equal on both sides");
}

/* Where a cell alone does not say it all. */
static struct plan_decision refine(struct plan_decision d, const struct plan_row *row,
				   const struct plan_options *options)
{
	if (d.verdict == PLAN_HOLD_FOREIGN && !row->present && options->foreign_remove &&
	    !options->first_sync && !options->held)
		return (struct plan_decision){PLAN_RESCUE_DELETE, .guard = true, .reason = "foreign"};
	if (d.verdict == PLAN_MARK_GONE && row->gone_here)
		return decision(PLAN_NOTHING, "kept there");
	return d;
}

/* digest: the local content; NULL is content that neither the row nor the other side has. */
static struct plan_decision decide(const struct plan_local *local, const struct digest *digest,
				   const struct plan_remote *remote, const struct plan_row *row,
				   const struct plan_options *options)
{
	bool here = local->presence == PLAN_FILE, there = remote->presence == PLAN_FILE;

	if (!here && !there)
		return row->present ? (struct plan_decision){PLAN_DROP_ROW, .drop_row = true,
							     .reason = "gone on both sides"}
				    : decision(PLAN_NOTHING, "absent");
	if (here && there && has_content(&remote->version, digest))
		return both_equal(remote, row);

	bool here_same = row->present && has_content(&row->version, digest);
	bool there_same = row->present && plan_same_version(&remote->version, &row->version);
	unsigned l = !here ? NONE : here_same ? SAME : OTHER;
	unsigned r = !there ? NONE : there_same ? SAME : OTHER;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const struct line *line = &lines[i];
		const struct cell *c = &line->cells[options->mode];

		if ((line->local & l) && (line->remote & r) && line->row == row->present)
			return refine((struct plan_decision){c->verdict, c->guard, c->drop_row, c->reason},
				      row, options);
	}
	/* Every two sides are on a line; if one ever were not, this is the answer that loses nothing. */
	return decision(PLAN_NOTHING, "in order");
}

static bool same_deed(const struct plan_decision *a, const struct plan_decision *b)
{
	return a->verdict == b->verdict && a->guard == b->guard && a->drop_row == b->drop_row;
}

/* The content is not known yet: the answer, if it is the same whatever the content may be. */
static struct plan_decision decide_unhashed(const struct plan_local *local, const struct plan_remote *remote,
					    const struct plan_row *row, const struct plan_options *options)
{
	struct plan_decision d = decide(local, NULL, remote, row, options);
	const struct remote_version *versions[] = {
		remote->presence == PLAN_FILE ? &remote->version : NULL,
		row->present ? &row->version : NULL,
	};

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		const struct remote_version *v = versions[i];

		if (!v || !v->has_digest || v->size != local->size)
			continue;
		struct plan_decision other = decide(local, &v->digest, remote, row, options);

		if (!same_deed(&d, &other))
			return decision(PLAN_HASH, "content not known yet");
	}
	return d;
}

struct plan_decision plan_file(const struct plan_local *local, const struct plan_remote *remote,
			       const struct plan_row *row, const struct plan_options *options)
{
	if (local->presence == PLAN_SPECIAL)
		return decision(PLAN_SKIP, "not a regular file");
	if (local->presence != PLAN_FILE && local->presence != PLAN_ABSENT)
		return decision(PLAN_NOTHING,
				local->presence == PLAN_UNCOVERED ? "not covered" : "unreadable");
	if (remote->presence != PLAN_FILE && remote->presence != PLAN_ABSENT)
		return decision(PLAN_LOOK_UP, "not looked up");
	if (local->presence == PLAN_FILE && !local->has_digest)
		return decide_unhashed(local, remote, row, options);
	return decide(local, &local->digest, remote, row, options);
}

const char *plan_verdict_name(enum plan_verdict verdict)
{
	static const char *const names[] = {
		[PLAN_NOTHING] = "nothing",
		[PLAN_SKIP] = "skip",
		[PLAN_LOOK_UP] = "look_up",
		[PLAN_HASH] = "hash",
		[PLAN_DROP_ROW] = "drop_row",
		[PLAN_WRITE_ROW] = "write_row",
		[PLAN_UPLOAD] = "upload",
		[PLAN_RESCUE_UPLOAD] = "rescue_upload",
		[PLAN_DELETE_REMOTE] = "delete_remote",
		[PLAN_RESCUE_DELETE] = "rescue_delete",
		[PLAN_HOLD_FOREIGN] = "hold_foreign",
		[PLAN_LEAVE] = "leave",
		[PLAN_MARK_GONE] = "mark_gone",
		[PLAN_HOLD_LOCAL] = "hold_local",
		[PLAN_DOWNLOAD] = "download",
		[PLAN_TRASH_DOWNLOAD] = "trash_download",
		[PLAN_TRASH_DROP] = "trash_drop",
		[PLAN_CONFLICT] = "conflict",
	};

	return (size_t)verdict < ARRAY_SIZE(names) && names[verdict] ? names[verdict] : "unknown";
}
