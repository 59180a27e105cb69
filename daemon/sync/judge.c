/* Judging one path: brings row, local and remote state together, asks the plan, and carries out what needs no
 * request (rows, holds, skips). The only place of this room that writes rows, notes and holds. */
#include "base/clock.h"
#include "base/log.h"
#include "sync/names.h"
#include "sync/pair.h"
#include <errno.h>

int judge_load_row(struct item *it)
{
	struct pair *p = it->pair;
	int r = index_get(p->engine->p.index, p->ip.key, it->path, &it->row);

	it->has_row = r == 0;
	if (r == -ENOENT) {
		it->row = (struct index_row){0};
		r = 0;
	}
	return r;
}

static int put_row(struct item *it)
{
	it->row.path = it->path;

	int r = index_put(it->pair->engine->p.index, it->pair->ip.key, &it->row);

	if (r >= 0)
		it->has_row = true;
	return r;
}

static int drop_row(struct item *it)
{
	int r = index_drop(it->pair->engine->p.index, it->pair->ip.key, it->path);

	if (r >= 0) {
		it->row = (struct index_row){0};
		it->has_row = false;
	}
	return r;
}

static void set_row(struct item *it, const struct remote_version *v, bool sig_valid, unsigned keep_flags,
		    unsigned set_flags)
{
	it->row.synced = true;
	it->row.digest = v->digest;
	it->row.size = v->size;
	memcpy(it->row.updated_at, v->updated_at, sizeof it->row.updated_at);
	it->row.sig = sig_valid ? it->sig : (struct index_sig){0};
	it->row.flags = (it->row.flags & keep_flags) | set_flags | (it->found.linked ? INDEX_LINKED : 0);
	it->row.note = INDEX_NOTE_NONE;
}

int judge_put_row(struct item *it, const struct remote_version *v, bool sig_valid, unsigned keep_flags,
		  unsigned set_flags)
{
	set_row(it, v, sig_valid, keep_flags, set_flags);
	return put_row(it);
}

int judge_note(struct item *it, enum index_note kind, const struct digest *digest)
{
	it->row.note = kind;
	it->row.note_digest = digest ? *digest : (struct digest){0};
	it->row.note_ms = clock_wall_ms();
	return put_row(it);
}

int judge_unnote(struct item *it)
{
	if (it->row.note == INDEX_NOTE_NONE)
		return 0;
	it->row.note = INDEX_NOTE_NONE;
	return it->row.synced ? put_row(it) : drop_row(it);
}

enum own_write { OWN_NONE, OWN_VERSION, OWN_DELETION };

/* A remote version that is a write of ours in doubt or remembered becomes the row's version; an absence that
 * is a deletion of ours drops the row. Without this a kill between the server's commit and the index would
 * make our own file foreign. */
static enum own_write own_write(const struct item *it)
{
	const struct pair *p = it->pair;
	struct index *index = p->engine->p.index;
	int64_t now = clock_wall_ms();
	const struct remote_version *v = &it->r.version;

	if (it->r.presence == PLAN_FILE && v->has_digest) {
		bool noted =
			it->row.note == INDEX_NOTE_HASH && digest_equal(&it->row.note_digest, &v->digest);
		bool same = it->row.synced && digest_equal(&it->row.digest, &v->digest) &&
			    strcmp(it->row.updated_at, v->updated_at) == 0;

		if (!same &&
		    (noted || index_remembers(index, p->ip.key, it->path, INDEX_NOTE_HASH, &v->digest, now)))
			return OWN_VERSION;
	} else if (it->r.presence == PLAN_ABSENT && it->has_row) {
		if (it->row.note == INDEX_NOTE_DELETED ||
		    index_remembers(index, p->ip.key, it->path, INDEX_NOTE_DELETED, NULL, now))
			return OWN_DELETION;
	}
	return OWN_NONE;
}

/* Is this very version of the path held, and what did its user say? A hold of another version is over; one
 * that ends by itself is asked about again each time. */
static bool look_at_hold(struct item *it)
{
	struct pair *p = it->pair;
	struct index_hold hold;

	it->confirmed = it->no_rescue = it->held_renamed = false;
	if (index_hold_get(p->engine->p.index, p->ip.key, it->path, &hold) < 0)
		return false;

	bool same;

	if (hold.side_local)
		same = it->l.presence == PLAN_FILE && it->l.size == hold.size;
	else
		same = it->r.presence == PLAN_FILE &&
		       strcmp(hold.updated_at, it->r.version.updated_at) == 0 &&
		       hold.has_digest == it->r.version.has_digest &&
		       (!hold.has_digest || digest_equal(&hold.digest, &it->r.version.digest));
	if (it->r.presence == PLAN_UNKNOWN && !hold.side_local)
		return !hold.confirmed;
	it->confirmed = same && hold.confirmed;
	it->no_rescue = it->confirmed && hold.reason == INDEX_HOLD_TOO_LARGE;
	it->held_renamed = same && !hold.confirmed && hold.reason == INDEX_HOLD_RENAMED;
	return same && !hold.confirmed && hold.reason != INDEX_HOLD_TOO_LARGE && !it->held_renamed;
}

static void ask_plan(struct item *it)
{
	struct pair *p = it->pair;
	struct plan_row row = {
		.present = it->has_row && it->row.synced,
		.gone_here = it->row.flags & INDEX_GONE_HERE,
		.from_before = it->row.flags & INDEX_FROM_BEFORE,
		.version = {.size = it->row.size, .has_digest = true, .digest = it->row.digest},
	};
	struct plan_options options = {
		.mode = p->spec->mode,
		.foreign_remove = p->spec->foreign == PAIR_FOREIGN_REMOVE,
		.first_sync = p->ip.first_sync,
		.held = it->held = look_at_hold(it),
	};

	memcpy(row.version.updated_at, it->row.updated_at, sizeof row.version.updated_at);
	if (it->confirmed)
		options.foreign_remove = true,
		options.first_sync = false; /* its user said yes to this version */
	it->plan = plan_file(&it->l, &it->r, &row, &options);
}

int judge(struct item *it)
{
	enum own_write own = own_write(it);
	int r = own == OWN_VERSION    ? judge_put_row(it, &it->r.version, false, INDEX_LINKED, 0)
		: own == OWN_DELETION ? drop_row(it)
				      : 0;

	if (r >= 0)
		ask_plan(it);
	return r;
}

void judge_dry(struct item *it)
{
	enum own_write own = own_write(it);

	if (own == OWN_VERSION)
		set_row(it, &it->r.version, false, INDEX_LINKED, 0);
	else if (own == OWN_DELETION)
		it->row = (struct index_row){0};
	if (own != OWN_NONE)
		it->has_row = own == OWN_VERSION;
	ask_plan(it);
}

int judge_hold(struct item *it, enum index_hold_reason reason, bool side_local,
	       const struct remote_version *v, int64_t size)
{
	struct pair *p = it->pair;
	struct index_hold old,
		hold = {.path = it->path, .side_local = side_local, .reason = reason, .size = size};

	if (v) {
		hold.has_digest = v->has_digest;
		hold.digest = v->digest;
		memcpy(hold.updated_at, v->updated_at, sizeof hold.updated_at);
	}
	bool fresh = index_hold_get(p->engine->p.index, p->ip.key, it->path, &old) < 0 ||
		     strcmp(old.updated_at, hold.updated_at) != 0 || old.size != size || old.reason != reason;
	int r = fresh ? index_hold_put(p->engine->p.index, p->ip.key, &hold) : 0;

	if (r >= 0 && reason == INDEX_HOLD_TOO_LARGE)
		p->rescue_waits = true;
	if (r >= 0 && fresh) {
		report_history(p, "hold", it->path, size, v && v->has_digest ? &v->digest : NULL, "held",
			       engine_hold_reason_name(reason));
		p->counts_stale = true;
	}
	return r;
}

int judge_skip(struct item *it, const char *reason, const char *message, bool error, int64_t retry_ms)
{
	struct pair *p = it->pair;
	struct index_skip skip = {.path = it->path,
				  .reason = reason,
				  .message = message,
				  .error = error,
				  .scan = p->scan_count,
				  .retry_ms = retry_ms};

	p->counts_stale = true;
	return index_skip_put(p->engine->p.index, p->ip.key, &skip);
}

/* A path that is in order now is listed nowhere any more. */
static int clear_lists(struct item *it, bool hold_too)
{
	struct pair *p = it->pair;
	struct index *index = p->engine->p.index;
	struct index_hold hold;
	char reason[32];
	int64_t retry;
	int r = 0;

	/* A directory's own entry (empty, secret, unreadable) is the scan's. */
	if (!it->found.is_dir && index_skip_get(index, p->ip.key, it->path, reason, &retry) == 0) {
		r = index_skip_drop(index, p->ip.key, it->path);
		p->counts_stale = true;
	}
	if (r >= 0 && hold_too && index_hold_get(index, p->ip.key, it->path, &hold) == 0) {
		r = index_hold_drop(index, p->ip.key, it->path);
		p->counts_stale = true;
	}
	return r;
}

bool judge_parked(struct item *it)
{
	char reason[32];
	int64_t retry_ms;

	return index_skip_get(it->pair->engine->p.index, it->pair->ip.key, it->path, reason, &retry_ms) ==
		       0 &&
	       retry_ms > clock_wall_ms();
}

bool judge_rescued(const struct item *it)
{
	const struct remote_version *a = &it->rescued_version, *b = &it->r.version;

	if (it->no_rescue)
		return true;
	/* Where the server knows no hash its stamp alone tells versions apart. */
	return it->rescued && a->size == b->size && strcmp(a->updated_at, b->updated_at) == 0 &&
	       a->has_digest == b->has_digest && (!a->has_digest || digest_equal(&a->digest, &b->digest));
}

/* Once for each time it is put back, however many tries and steps that takes. */
bool judge_quarrel(struct item *it)
{
	struct pair *p = it->pair;
	/* Put back: the same bytes as before, because the server's side changed. */
	bool repair = it->row.synced && it->l.has_digest && digest_equal(&it->l.digest, &it->row.digest);

	if (!repair || it->counted)
		return false;
	it->counted = true;
	if (!quarrels_count(p->repairs, it->path, clock_monotonic_ms()))
		return false;
	report_set_error(p, "another writer keeps changing %s on the server", it->path);
	if (judge_skip(it, "quarrel", "another writer keeps changing it on the server", true,
		       clock_wall_ms() + PARK_MS) < 0)
		pair_index_failed(p, -EIO);
	return true;
}

static int hint_other_name(void *arg, const struct index_row *row)
{
	struct item *it = arg;
	struct pair *p = it->pair;

	if (strcmp(row->path, it->path) == 0)
		return 0;
	if (settle_hint(p->settle, row->path, SETTLE_CLOSED, clock_monotonic_ms()) >= 0) {
		wait_linked(p, it->path, row->path);
	} else {
		p->settle_overflow = true;
		wait_linked(p, it->path, NULL);
	}
	return 0;
}

#define LINKED_MAX 1000 /* names of one inode that are looked at again; the hourly scan finds the rest */

void judge_written(struct item *it, const struct remote_version *v, const char *action)
{
	struct pair *p = it->pair;
	bool was_new = !it->has_row || !it->row.synced, was_linked = it->row.flags & INDEX_LINKED;
	bool same_bytes = it->l.has_digest && digest_equal(&it->l.digest, &v->digest);
	int r = judge_put_row(it, v, same_bytes && !it->racy, INDEX_LINKED, 0);

	if (r >= 0)
		r = clear_lists(it, true);
	if (r < 0) {
		pair_index_failed(p, r);
		return;
	}
	/* inotify says nothing about the other names of an inode that was written through this one. Just
	 * linked: its other names are not known as such yet. A walk finds them by their ctime. */
	if (it->found.linked &&
	    (index_linked(p->engine->p.index, p->ip.key, it->sig.ino, LINKED_MAX, hint_other_name, it) < 0 ||
	     (!was_linked && !it->check_remote))) {
		p->overflowed = true;
		wait_linked(p, it->path, NULL);
	}
	if (was_new)
		guard_appeared(p->guard, it->path, &v->digest, clock_monotonic_ms());
	p->server->accepted_ms = clock_monotonic_ms();
	p->ip.last_sync_ms = clock_wall_ms();
	report_history(p, action, it->path, v->size, &v->digest, "done", it->plan.reason);
	report_file(p, it->path, action, true, v->size, v->size, NULL);
}

void judge_deleted(struct item *it, const char *message)
{
	struct pair *p = it->pair;
	int r = index_drop(p->engine->p.index, p->ip.key, it->path);

	if (r >= 0)
		r = clear_lists(it, true);
	guard_sent(p->guard, clock_monotonic_ms());
	if (r < 0) {
		pair_index_failed(p, r);
		return;
	}
	p->counts_stale = true;
	p->ip.last_sync_ms = clock_wall_ms();
	/* What somebody else put there has no row. */
	if (it->row.synced)
		report_history(p, "delete_remote", it->path, it->row.size, &it->row.digest, "done", message);
	else
		report_history(p, "delete_remote", it->path, it->r.version.size,
			       it->r.version.has_digest ? &it->r.version.digest : NULL, "done", message);
	report_file(p, it->path, "delete_remote", true, 0, 0, NULL);
}

static int write_equal_row(struct item *it)
{
	struct pair *p = it->pair;
	/* Recognised in a first sync: the version was there before it began. Otherwise what the row said
	 * stays. */
	unsigned from_before = p->ip.first_sync && !it->row.synced ? INDEX_FROM_BEFORE : 0;
	bool sig_valid = it->sig.size == it->r.version.size && !it->racy;

	if (!it->row.synced)
		guard_appeared(p->guard, it->path, &it->r.version.digest, clock_monotonic_ms());
	return judge_put_row(it, &it->r.version, sig_valid, INDEX_LINKED | INDEX_FROM_BEFORE, from_before);
}

static int list_local(struct item *it)
{
	const char *reason = it->found.skip_reason ? it->found.skip_reason : "unreadable";

	if (strcmp(reason, "ignored") == 0)
		return clear_lists(it, false);
	return judge_skip(it, reason, it->found.error ? strerror(-it->found.error) : NULL, false, 0);
}

bool judge_settle(struct item *it, int *ret_error)
{
	struct pair *p = it->pair;
	int r = 0;

	switch (it->plan.verdict) {
	case PLAN_NOTHING:
		if (it->l.presence == PLAN_UNREADABLE || it->l.presence == PLAN_UNCOVERED)
			r = list_local(it);
		else
			r = clear_lists(it, it->r.presence != PLAN_UNKNOWN);
		/* Bytes proven equal again (a touch): the row learns how the file looks now. */
		if (r >= 0 && it->l.presence == PLAN_FILE && it->row.synced && it->l.has_digest &&
		    !it->racy && it->sig.size == it->row.size &&
		    digest_equal(&it->l.digest, &it->row.digest) &&
		    !local_sig_equal(&it->sig, &it->row.sig)) {
			it->row.sig = it->sig;
			it->row.flags = (it->row.flags & ~(unsigned)INDEX_LINKED) |
					(it->found.linked ? INDEX_LINKED : 0);
			r = put_row(it);
		}
		break;
	case PLAN_SKIP: r = list_local(it); break;
	case PLAN_DROP_ROW:
		r = drop_row(it);
		if (r >= 0)
			r = clear_lists(it, true);
		break;
	case PLAN_WRITE_ROW:
		r = write_equal_row(it);
		if (r >= 0)
			r = clear_lists(it, true);
		break;
	case PLAN_HOLD_FOREIGN:
		if (it->plan.drop_row)
			r = drop_row(it);
		if (r >= 0)
			r = judge_hold(it, INDEX_HOLD_FOREIGN, false, &it->r.version, it->r.version.size);
		if (r >= 0)
			r = clear_lists(it, false);
		break;
	case PLAN_LEAVE: r = clear_lists(it, true); break;
	case PLAN_MARK_GONE:
		if (it->has_row && !(it->row.flags & INDEX_GONE_HERE)) {
			it->row.flags |= INDEX_GONE_HERE;
			it->row.sig = (struct index_sig){0};
			r = put_row(it);
		}
		if (r >= 0)
			r = clear_lists(it, true);
		break;
	default: *ret_error = 0; return false;
	}
	*ret_error = r;
	if (r < 0)
		pair_index_failed(p, r);
	return true;
}
