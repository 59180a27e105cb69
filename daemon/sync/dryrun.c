/* Plan: a scan that only says what a run would do now. The same walk, the same pure plan, the same guard with
 * all it knows of the last minutes, the same limits; nothing is written, watched or sent but the listing.
 * Works for a pair and for a spec that is not added yet. */
#include "base/err.h"
#include "base/clock.h"
#include "sync/names.h"
#include "sync/pair.h"
#include <errno.h>
#include <sys/stat.h>

/* What is told last: deletions, since only then the guard knows how many there are; and files that are gone
 * from the server, since many of them stop a pair. */
struct planned {
	char *path;
	int64_t size;
	const char *reason;
	bool has_digest, confirmed, excused;
	struct digest digest;
};

struct engine_plan {
	struct engine *engine;
	struct pair_spec *spec;
	struct pair shadow; /* what judging and paths need of a pair, never started */
	struct remote *remote;
	struct scan *scan;
	struct scan_result result;
	size_t next; /* item of the result */
	struct item item;
	struct scan_page page;
	struct remote_file *page_files;
	bool have_page, canceled, working;
	char *after;
	struct remote_call *call;
	struct worker_job work;
	int error;
	struct engine_totals totals;
	struct guard *guard;
	struct planned *deletes;
	size_t n_deletes, cap_deletes;
	struct planned vanished[VANISHED_MAX];
	size_t n_vanished;
	bool has_root; /* the pair's root is known: only that one is looked at */
	bool item_vanished;
	struct engine_error refusal; /* why it does not begin: told from the loop, as every answer */
	engine_plan_cb cb;
	void *arg;
	LIST_ENTRY(engine_plan) link;
};

static void step(struct engine_plan *d);

static void drop_page(struct engine_plan *d)
{
	for (size_t i = 0; i < d->page.n; i++)
		free((char *)d->page_files[i].path);
	free(d->page_files);
	d->page_files = NULL;
	d->page = (struct scan_page){0};
	d->have_page = false;
}

static void plan_free(struct engine_plan *d)
{
	LIST_REMOVE(d, link);
	loop_undefer(d->engine->p.loop, d);
	drop_page(d);
	scan_result_done(&d->result);
	scan_free(d->scan);
	guard_free(d->guard);
	for (size_t i = 0; i < d->n_deletes; i++)
		free(d->deletes[i].path);
	free(d->deletes);
	for (size_t i = 0; i < d->n_vanished; i++)
		free(d->vanished[i].path);
	free(d->item.local);
	free(d->after);
	pair_spec_free(d->spec);
	free(d);
}

static void fail(struct engine_plan *d, const struct engine_error *error)
{
	if (!d->canceled)
		d->cb(d->arg, error, NULL, NULL);
	plan_free(d);
}

static void fail_local(struct engine_plan *d, int code)
{
	fail(d, &(const struct engine_error){
			.kind = ENGINE_PATH_UNUSABLE,
			.code = code,
			.subject = d->spec->local_path,
			.message = code == -ESTALE ? "this is not the directory that was added; `cfctl sync "
						     "adopt` takes it"
						   : err_text(code)});
}

static int emit(struct engine_plan *d, const char *action, const char *path, int64_t size, const char *reason)
{
	const struct engine_action a = {.action = action, .path = path, .size = size, .reason = reason};

	return d->cb(d->arg, &(const struct engine_error){0}, &a, NULL);
}

static const char held_vanished[] =
	"many files are gone from the bucket: nothing is done before `cfctl sync resume`";

static int tell_vanished(struct engine_plan *d)
{
	bool held = d->n_vanished == VANISHED_MAX;
	int r = 0;

	for (size_t i = 0; i < d->n_vanished && r >= 0; i++) {
		const struct planned *x = &d->vanished[i];

		d->totals.uploads += !held;
		d->totals.bytes += held ? 0 : x->size;
		r = emit(d, held ? "hold" : "upload", x->path, x->size, held ? held_vanished : x->reason);
	}
	return r;
}

static void excuse_moved(struct engine_plan *d)
{
	int64_t now = clock_monotonic_ms();

	for (size_t i = 0; i < d->n_deletes; i++)
		guard_vanished(d->guard, d->deletes[i].path);
	for (size_t i = 0; i < d->n_deletes; i++) {
		struct planned *x = &d->deletes[i];

		x->excused = x->confirmed || (x->has_digest && guard_excuse(d->guard, &x->digest, now));
	}
}

static int tell_deletes(struct engine_plan *d)
{
	const struct settings *s = d->engine->p.settings;
	struct pair *p = &d->shadow;
	int64_t pending = 0;
	bool mass;
	int r = 0;

	excuse_moved(d);
	for (size_t i = 0; i < d->n_deletes; i++)
		pending += !d->deletes[i].excused;
	mass = guard_must_hold(d->guard, clock_monotonic_ms(), p->ip.files, pending,
			       pair_setting(p, d->spec->max_deletes, s->max_deletes),
			       pair_setting(p, d->spec->max_delete_percent, s->max_delete_percent));
	for (size_t i = 0; i < d->n_deletes && r >= 0; i++) {
		bool held = mass && !d->deletes[i].excused;

		d->totals.deletes += !held;
		r = emit(d, held ? "hold" : "delete_remote", d->deletes[i].path, d->deletes[i].size,
			 held ? "more deletions than the pair allows" : d->deletes[i].reason);
	}
	return r;
}

static void finish(struct engine_plan *d)
{
	int r = d->n_vanished < VANISHED_MAX ? tell_vanished(d) : 0;

	if (r >= 0)
		r = tell_deletes(d);
	if (r >= 0 && !d->canceled)
		d->cb(d->arg, &(const struct engine_error){0}, NULL, &d->totals);
	plan_free(d);
}

static int remember_delete(struct engine_plan *d, struct item *it)
{
	if (d->n_deletes == d->cap_deletes) {
		size_t cap = d->cap_deletes ? d->cap_deletes * 2 : 64;
		struct planned *more = realloc(d->deletes, cap * sizeof *more);

		if (!more)
			return -ENOMEM;
		d->deletes = more;
		d->cap_deletes = cap;
	}
	d->deletes[d->n_deletes] = (struct planned){
		.path = strdup(it->path),
		.size = it->r.version.size,
		.reason = it->plan.reason,
		.confirmed = it->confirmed,
		.has_digest = it->row.synced,
		.digest = it->row.digest,
	};
	return d->deletes[d->n_deletes++].path ? 0 : -ENOMEM;
}

static int remember_vanished(struct engine_plan *d, const struct item *it, int64_t size)
{
	if (d->n_vanished == VANISHED_MAX)
		return emit(d, "hold", it->path, size, held_vanished);
	d->vanished[d->n_vanished] =
		(struct planned){.path = strdup(it->path), .size = size, .reason = it->plan.reason};
	if (!d->vanished[d->n_vanished++].path)
		return -ENOMEM;
	return d->n_vanished == VANISHED_MAX ? tell_vanished(d) : 0;
}

/* Is there room for what must be rescued first? */
static bool can_rescue(struct engine_plan *d, const struct item *it)
{
	int64_t size = it->r.version.size;

	if (it->no_rescue)
		return true;
	if (size > pair_rescue_room(&d->shadow))
		return false;
	d->shadow.ip.rescue_used += size;
	return true;
}

static int tell_upload(struct engine_plan *d, struct item *it, int64_t size)
{
	if (judge_parked(it))
		return emit(d, "skip", it->path, size, "failed before; it is tried again in its time");
	if (d->item_vanished)
		return remember_vanished(d, it, size);
	d->totals.uploads++;
	d->totals.bytes += size;
	if (!it->row.synced && it->l.has_digest)
		guard_appeared(d->guard, it->path, &it->l.digest, clock_monotonic_ms());
	return emit(d, "upload", it->path, size, it->plan.reason);
}

static int tell_delete(struct engine_plan *d, struct item *it)
{
	if (it->held || it->held_renamed)
		return emit(d, "hold", it->path, it->r.version.size,
			    "held until it is confirmed or restored");
	if (d->shadow.ip.first_sync && (it->row.flags & INDEX_FROM_BEFORE) && !it->confirmed)
		return emit(d, "hold", it->path, it->r.version.size,
			    "a first sync deletes nothing that was there before");
	return remember_delete(d, it);
}

static int tell(struct engine_plan *d, struct item *it)
{
	int64_t size = it->l.presence == PLAN_FILE ? it->l.size : it->r.version.size;

	switch (it->plan.verdict) {
	case PLAN_RESCUE_UPLOAD:
	case PLAN_RESCUE_DELETE:
		if (!can_rescue(d, it))
			return emit(d, "hold", it->path, it->r.version.size,
				    "what is there is too large to be rescued today");
		return it->plan.verdict == PLAN_RESCUE_UPLOAD ? tell_upload(d, it, size) : tell_delete(d, it);
	case PLAN_UPLOAD: return tell_upload(d, it, size);
	case PLAN_DELETE_REMOTE: return tell_delete(d, it);
	case PLAN_WRITE_ROW: /* nothing to be told, but it may be what another path was moved to */
		if (!it->row.synced)
			guard_appeared(d->guard, it->path, &it->r.version.digest, clock_monotonic_ms());
		return 0;
	case PLAN_HOLD_FOREIGN:
	case PLAN_HOLD_LOCAL: return emit(d, "hold", it->path, size, it->plan.reason);
	default: return 0;
	}
}

/* --- one item after another --- */

static void next_item(struct engine_plan *d);

static void hash_run(struct worker_job *work)
{
	struct engine_plan *d = (struct engine_plan *)((char *)work - offsetof(struct engine_plan, work));
	_cleanup_close_ int root = local_root_open(d->spec->local_path);

	d->item.read_error = root < 0 ? root
				      : local_hash(root, d->item.local, &d->shadow.rules, &d->canceled,
						   &d->item.l.digest, &d->item.sig, &d->item.racy);
	d->item.l.has_digest = d->item.read_error == 0;
}

static void judge_item(struct engine_plan *d);

static void hashed(struct worker_job *work)
{
	struct engine_plan *d = (struct engine_plan *)((char *)work - offsetof(struct engine_plan, work));

	d->working = false;
	if (d->canceled) {
		plan_free(d);
		return;
	}
	if (d->item.read_error < 0) {
		d->next++; /* it moved or cannot be read: nothing certain to say */
		next_item(d);
		return;
	}
	judge_item(d);
}

static void judge_item(struct engine_plan *d)
{
	struct item *it = &d->item;
	bool renamed_apart;

	judge_dry(it);
	renamed_apart = it->l.presence == PLAN_FILE && !it->row.synced && !it->l.has_digest &&
			it->plan.verdict == PLAN_UPLOAD && d->shadow.ip.files > 0;
	/* A new file may be a moved one: its digest excuses the deletion of the old name. */
	if (it->plan.verdict == PLAN_HASH || renamed_apart) {
		d->working = true;
		d->work.run = hash_run;
		d->work.done = hashed;
		worker_submit(d->engine->p.pool, WORKER_NORMAL, &d->work);
		return;
	}
	if (tell(d, it) < 0) {
		plan_free(d);
		return;
	}
	d->next++;
	next_item(d);
}

static void next_item(struct engine_plan *d)
{
	while (d->next < d->result.n_items) {
		struct scan_item *found = &d->result.items[d->next];
		struct item *it = &d->item;

		d->item_vanished = walk_vanished(&d->shadow, found);
		free(it->local);
		*it = (struct item){.pair = &d->shadow, .path = found->path};
		if (names_decode(found->path, &it->local) < 0 || judge_load_row(it) < 0) {
			d->next++;
			continue;
		}
		it->found = (struct local_state){
			.presence = found->local, .sig = found->sig, .linked = found->linked};
		job_take_local(it);
		it->r = (struct plan_remote){.presence = !found->remote_known    ? PLAN_UNKNOWN
							 : found->remote_present ? PLAN_FILE
										 : PLAN_ABSENT,
					     .version = found->remote};
		judge_item(d);
		return;
	}
	if (d->result.done) {
		finish(d);
		return;
	}
	if (d->result.want_page)
		drop_page(d);
	step(d);
}

/* --- the scan --- */

static void scan_run(struct worker_job *work)
{
	struct engine_plan *d = (struct engine_plan *)((char *)work - offsetof(struct engine_plan, work));

	scan_step(d->scan, d->have_page ? &d->page : NULL, SCAN_STEP_ITEMS, &d->result);
}

static void scanned(struct worker_job *work)
{
	struct engine_plan *d = (struct engine_plan *)((char *)work - offsetof(struct engine_plan, work));

	d->working = false;
	if (d->canceled) {
		plan_free(d);
		return;
	}
	if (d->result.error < 0) {
		fail_local(d, d->result.error);
		return;
	}
	for (size_t i = 0; i < d->result.n_skips; i++)
		if (strcmp(d->result.skips[i].reason, "ignored") != 0 &&
		    emit(d, "skip", d->result.skips[i].path, -1, d->result.skips[i].reason) < 0) {
			plan_free(d);
			return;
		}
	d->next = 0;
	next_item(d);
}

static void on_page(void *arg, const struct remote_error *error, const struct remote_file *files, size_t n,
		    bool more)
{
	struct engine_plan *d = arg;
	size_t cut = strlen(d->spec->remote_prefix);
	bool final = !more;
	char *after;

	d->call = NULL;
	if (error->code || d->canceled) {
		fail(d, &(const struct engine_error){.kind = ENGINE_REMOTE,
						     .code = error->code,
						     .subject = d->spec->bucket,
						     .remote = error});
		return;
	}
	after = n ? strdup(files[n - 1].path) : NULL;
	d->page_files = calloc(n ? n : 1, sizeof *d->page_files);
	for (size_t i = 0; i < n && d->page_files; i++) {
		if (strncmp(files[i].path, d->spec->remote_prefix, cut) != 0) {
			final = true;
			break;
		}
		d->page_files[i] = files[i];
		d->page_files[i].path = strdup(files[i].path + cut);
		if (!d->page_files[i].path) {
			free(STEAL(after)); /* said below: a page cut short is no page */
			break;
		}
		d->page.n++;
	}
	if (!d->page_files || (n && !after)) {
		free(after);
		fail_local(d, -ENOMEM);
		return;
	}
	if (after) {
		free(d->after);
		d->after = after;
	}
	d->page.files = d->page_files;
	d->page.final = final;
	d->have_page = true;
	step(d);
}

static void step(struct engine_plan *d)
{
	if (!d->have_page) {
		d->page.requested_ns = clock_wall_ns();
		int r = d->remote->ops->list(d->remote, d->spec->bucket, d->after, LIST_PAGE, on_page, d,
					     &d->call);

		if (r == -EINVAL)
			fail(d, &(const struct engine_error){
					.kind = ENGINE_INVALID, .code = r, .subject = "bucket"});
		else if (r < 0)
			fail_local(d, r);
		return;
	}
	scan_result_done(&d->result);
	d->working = true;
	d->work.run = scan_run;
	d->work.done = scanned;
	worker_submit(d->engine->p.pool, WORKER_NORMAL, &d->work);
}

/* --- beginning and ending --- */

static void begin_run(struct worker_job *work)
{
	struct engine_plan *d = (struct engine_plan *)((char *)work - offsetof(struct engine_plan, work));
	_cleanup_close_ int root = -1;
	struct stat st;

	if (d->has_root) {
		d->error = root_open_checked(&d->shadow, &root);
	} else {
		root = local_root_open(d->spec->local_path);
		d->error = MIN(root, 0);
	}
	if (d->error < 0 || fstat(root, &st) < 0) {
		d->error = d->error < 0 ? d->error : -errno;
		return;
	}
	d->shadow.rules.root_dev = st.st_dev;
	d->shadow.root_ino = st.st_ino;
}

static void begun(struct worker_job *work)
{
	struct engine_plan *d = (struct engine_plan *)((char *)work - offsetof(struct engine_plan, work));
	struct scan_params params = {.root_path = d->spec->local_path,
				     .pair = d->shadow.ip.key,
				     .index_path = d->engine->p.index_path,
				     .prefix = "",
				     .remote_prefix = d->spec->remote_prefix,
				     .walk = true,
				     .listing = true};

	d->working = false;
	params.rules = d->shadow.rules;
	if (d->canceled) {
		plan_free(d);
		return;
	}
	if (d->error >= 0)
		d->error = scan_new(&params, d->shadow.root_ino, &d->scan);
	if (d->error < 0)
		fail_local(d, d->error);
	else
		step(d);
}

bool plans_use(struct engine *e, const struct remote *remote)
{
	struct engine_plan *d;

	LIST_FOREACH(d, &e->plans, link)
		if (d->remote == remote)
			return true;
	return false;
}

/* What a run would know. The pair may be gone before the plan is made. */
static void take_state(struct engine_plan *d, struct pair *p)
{
	report_totals(p);
	d->shadow.ip = p->ip;
	d->shadow.accept_empty = p->accept_empty;
	d->has_root = p->started;
	d->shadow.marked = p->marked;
	d->shadow.root_fsid = p->root_fsid;
	d->shadow.root_ino = p->root_ino;
}

static void refused(void *arg)
{
	struct engine_plan *d = arg;

	fail(d, &d->refusal);
}

/* A spec is held to what Add holds it to, or the plan would be one of a pair that cannot be. 1: refused. */
static int check(struct engine_plan *d, bool is_new)
{
	const char *why = NULL, *bad = is_new ? change_spec_error(d->spec, &why) : NULL, *profile;
	int r;

	if (bad) {
		d->refusal = (struct engine_error){
			.kind = ENGINE_INVALID, .code = -EINVAL, .subject = bad, .message = why};
		return 1;
	}
	r = d->engine->p.remote_of(d->engine->p.remote_arg, d->spec->profile, &d->remote, &profile);
	if (r == -ENOENT || r == -EACCES) {
		d->refusal = (struct engine_error){.kind = r == -EACCES ? ENGINE_NOT_LOGGED_IN
									: ENGINE_NO_SUCH_PROFILE,
						   .code = r,
						   .subject = d->spec->profile ? d->spec->profile : ""};
		return 1;
	}
	return r;
}

int engine_plan_start(struct engine *e, const char *name, const struct pair_spec *spec, engine_plan_cb cb,
		      void *arg, struct engine_plan **ret_plan)
{
	struct pair *p = name ? engine_pair(e, name) : NULL;
	struct engine_plan *d;
	int r;

	if (name && !p)
		return -ENOENT;
	d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	d->engine = e;
	d->cb = cb;
	d->arg = arg;
	LIST_INSERT_HEAD(&e->plans, d, link);
	d->spec = pair_spec_copy(p ? p->spec : spec);
	d->guard = p ? guard_copy(p->guard) : guard_new();
	d->shadow.engine = e;
	d->shadow.spec = d->spec;
	d->shadow.ip.key = 0; /* no rows: scan.h */
	d->shadow.ip.first_sync = true;
	if (p)
		take_state(d, p);
	engine_own_dirs(e, &d->shadow.rules);
	if (d->spec && !d->spec->remote_prefix)
		d->spec->remote_prefix = strdup("");
	r = d->spec && d->guard && d->spec->remote_prefix ? 0 : -ENOMEM;
	if (r >= 0)
		r = check(d, !p);
	if (r > 0)
		r = loop_defer(e->p.loop, refused, d);
	else if (r == 0) {
		d->shadow.rules.ignore.secrets = d->spec->secrets;
		d->after = strdup(d->spec->remote_prefix);
		r = d->after ? 0 : -ENOMEM;
	}
	if (r < 0) {
		plan_free(d);
		return r;
	}
	*ret_plan = d;
	if (d->refusal.kind != ENGINE_OK)
		return 0;
	d->working = true;
	d->work.run = begin_run;
	d->work.done = begun;
	worker_submit(e->p.pool, WORKER_URGENT, &d->work);
	return 0;
}

void engine_plan_cancel(struct engine_plan *d)
{
	if (!d)
		return;
	d->canceled = true;
	if (d->call)
		d->remote->ops->cancel(d->call);
	if (d->scan)
		scan_cancel(d->scan);
}
