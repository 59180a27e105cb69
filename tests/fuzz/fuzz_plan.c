/* The plan: what must never be answered, whatever the state. */
#include "tests/fuzz/fuzz.h"
#include "sync/plan.h"
#include <string.h>

/* Few values, so that equal ones are common. */
static struct remote_version read_version(struct fuzz_input *in)
{
	unsigned bits = fuzz_byte(in);
	struct remote_version v = {.size = (bits >> 2) & 1, .has_digest = (bits & 0xe0) != 0};

	memset(v.digest.b, (int)(bits & 7), DIGEST_SIZE); /* bit 2 is the size: same digest, same size */
	snprintf(v.updated_at, sizeof(v.updated_at), "%u", (bits >> 3) & 3);
	return v;
}

static bool is_row(const struct plan_remote *remote, const struct plan_row *row)
{
	return row->present && plan_same_version(&remote->version, &row->version);
}

static bool equal_bytes(const struct digest *digest, const struct remote_version *v)
{
	return v->has_digest && digest_equal(digest, &v->digest);
}

static void check_mode(enum pair_mode mode, enum plan_verdict v)
{
	bool writes_here =
		v == PLAN_DOWNLOAD || v == PLAN_TRASH_DOWNLOAD || v == PLAN_TRASH_DROP || v == PLAN_CONFLICT;
	bool deletes_there = v == PLAN_DELETE_REMOTE || v == PLAN_RESCUE_DELETE;
	bool writes_there =
		deletes_there || v == PLAN_UPLOAD || v == PLAN_RESCUE_UPLOAD || v == PLAN_CONFLICT;

	must(!(mode == PAIR_BACKUP && deletes_there));
	must(!((mode == PAIR_MIRROR || mode == PAIR_BACKUP) && writes_here));
	must(!(mode == PAIR_PULL && writes_there));
	must(!(mode != PAIR_MIRROR && v == PLAN_RESCUE_DELETE));
}

/* Content is lost only where it is known to be somewhere else, or the row says it was this very version. */
static void check_losses(const struct plan_local *local, const struct plan_remote *remote,
			 const struct plan_row *row, const struct plan_options *o,
			 const struct plan_decision *d)
{
	bool here = local->presence == PLAN_FILE, there = remote->presence == PLAN_FILE;
	bool here_is_row = here && row->present && equal_bytes(&local->digest, &row->version);

	switch (d->verdict) {
	case PLAN_UPLOAD: must(here && (!there || is_row(remote, row))); break;
	case PLAN_RESCUE_UPLOAD: must(here && there && !is_row(remote, row)); break;
	case PLAN_DELETE_REMOTE:
		must(local->presence == PLAN_ABSENT && there && is_row(remote, row) && d->guard);
		break;
	case PLAN_RESCUE_DELETE:
		must(local->presence == PLAN_ABSENT && there && !row->present && d->guard);
		must(o->foreign_remove && !o->first_sync && !o->held);
		break;
	case PLAN_DOWNLOAD: must(there && (local->presence == PLAN_ABSENT || here_is_row)); break;
	case PLAN_TRASH_DROP:
		must(here_is_row && remote->presence == PLAN_ABSENT && d->guard && d->drop_row);
		break;
	case PLAN_DROP_ROW: must(!here && !there && row->present && d->drop_row); break;
	case PLAN_WRITE_ROW: must(here && there && equal_bytes(&local->digest, &remote->version)); break;
	case PLAN_CONFLICT: must(here && there && !equal_bytes(&local->digest, &remote->version)); break;
	default: break;
	}
	must(!d->drop_row || row->present);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	unsigned a = fuzz_byte(&in), b = fuzz_byte(&in), c = fuzz_byte(&in);
	struct remote_version mine = read_version(&in);
	struct plan_local local = {
		.presence = a % 6, .size = mine.size, .digest = mine.digest, .has_digest = true};
	struct plan_remote remote = {.presence = (a >> 4) % 6, .version = read_version(&in)};
	struct plan_row row = {
		.present = b & 1, .gone_here = b & 2, .from_before = b & 4, .version = read_version(&in)};
	struct plan_options o = {.mode = (enum pair_mode)(c & 3),
				 .foreign_remove = c & 4,
				 .first_sync = c & 8,
				 .held = c & 16};
	struct plan_decision d = plan_file(&local, &remote, &row, &o);

	must(d.reason && d.verdict != PLAN_HASH);
	if (local.presence != PLAN_FILE && local.presence != PLAN_ABSENT)
		must(d.verdict == (local.presence == PLAN_SPECIAL ? PLAN_SKIP : PLAN_NOTHING) && !d.drop_row);
	else if (remote.presence != PLAN_FILE && remote.presence != PLAN_ABSENT)
		must(d.verdict == PLAN_LOOK_UP && !d.drop_row);
	else
		check_losses(&local, &remote, &row, &o, &d);
	check_mode(o.mode, d.verdict);

	local.has_digest = false;
	struct plan_decision unhashed = plan_file(&local, &remote, &row, &o);

	must(unhashed.verdict == PLAN_HASH ||
	     (unhashed.verdict == d.verdict && unhashed.guard == d.guard && unhashed.drop_row == d.drop_row));
	return 0;
}
