/* Holds: what waits for a word of the user or for room in the Trash, and what becomes of it. apply lets the
 * deletion or overwrite go on without the guard; restore keeps the other side's version by bringing it here.
 */
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/names.h"
#include "sync/pair.h"
#include <errno.h>

#define RESTORE_PARALLEL 4 /* each holds two descriptors */

const char *engine_hold_reason_name(enum index_hold_reason reason)
{
	switch (reason) {
	case INDEX_HOLD_MASS: return "mass";
	case INDEX_HOLD_FIRST_SYNC: return "first_sync";
	case INDEX_HOLD_FOREIGN: return "foreign";
	case INDEX_HOLD_TOO_LARGE: return "too_large";
	case INDEX_HOLD_RENAMED: return "renamed";
	}
	return "unknown";
}

/* Looks at a held path again, both sides. */
static int revive(struct pair *p, const char *path)
{
	struct item *it = item_find(p, path);

	if (it) {
		if (it->state == ITEM_BUSY || it->state == ITEM_DOUBT)
			it->again_remote = true;
		else
			it->check_remote = true;
		if (it->state == ITEM_DELETE) /* judged before what is new was said */
			item_ready(it);
		return 0;
	}
	it = item_get(p, path);
	if (!it)
		return -ENOMEM;
	it->check_remote = true;
	item_ready(it);
	return 0;
}

static int review_one(void *arg, const struct index_hold *hold)
{
	return revive(arg, hold->path);
}

void holds_review(struct pair *p)
{
	int r = index_hold_range(p->engine->p.index, p->ip.key, NULL, INT32_MAX, review_one, p);

	if (r < 0)
		report_set_error(p, "held paths could not be reviewed: %s", err_text(r));
}

/* --- room for a rescue --- */

#define ROOM_AT_ONCE 1000 /* of so many it is asked at a time */

struct room_look {
	struct pair *pair;
	struct worker_job work;
	int64_t size, room;
	int error;
};

static int take_smallest(void *arg, const struct index_hold *hold)
{
	int64_t *size = arg;

	*size = MIN(*size, hold->size);
	return 0;
}

static int too_large(struct pair *p, int64_t max_size, int max, index_hold_cb cb, void *arg)
{
	return index_hold_fitting(p->engine->p.index, p->ip.key, INDEX_HOLD_TOO_LARGE, max_size, max, cb,
				  arg);
}

static void look_run(struct worker_job *work)
{
	struct room_look *x = (struct room_look *)((char *)work - offsetof(struct room_look, work));

	x->error = trash_room(x->pair->engine->trash, x->size, &x->room);
}

static void looked(struct worker_job *work)
{
	struct room_look *x = (struct room_look *)((char *)work - offsetof(struct room_look, work));
	struct pair *p = x->pair;
	int64_t fits = MIN(x->room, pair_rescue_room(p));
	int r = x->error;

	p->room_look = NULL;
	free(x);
	if (r >= 0 && pair_can_work(p))
		too_large(p, fits, ROOM_AT_ONCE, review_one, p);
	pair_pump_later(p);
}

/* Asks this machine only. The server is asked when the smallest of them fits, so that each round that costs
 * requests ends a hold. */
void holds_look_for_room(struct pair *p)
{
	int64_t smallest = INT64_MAX;
	struct room_look *x;

	if (too_large(p, INT64_MAX, 1, take_smallest, &smallest) == 0) {
		p->rescue_waits = false;
		return;
	}
	if (too_large(p, pair_rescue_room(p), ROOM_AT_ONCE, take_smallest, &smallest) <= 0 ||
	    !(x = calloc(1, sizeof *x)))
		return; /* asked again in a while */
	*x = (struct room_look){.pair = p, .size = smallest, .work = {.run = look_run, .done = looked}};
	p->room_look = x;
	worker_submit(p->engine->p.pool, WORKER_NORMAL, &x->work);
}

/* --- confirm, restore --- */

struct confirm {
	struct pair *pair;
	int64_t n;
	size_t restoring, next;
	int error;    /* the first */
	char *failed; /* … and the path it was about; NULL: none in particular */
	engine_confirm_cb cb;
	void *arg;
	char **paths;
	size_t n_paths, cap_paths;
};

/* What its user can do about it. */
static const char *advice(int error)
{
	switch (error) {
	case -ENOSPC:
	case -EDQUOT: return "make room, on its disk and for the Trash, and restore again";
	case -EISDIR:
	case -EINVAL:
	case -ELOOP:
	case -ENOTDIR: return "something else than a file is in its place: move that away, and restore again";
	case -EACCES:
	case -EPERM:
	case -EROFS: return "its directory must be writable: change that, and restore again";
	case -EEXIST: return "another program keeps writing it: restore again when that has ended";
	case -EAGAIN:
	case ERR_AUTH:
	case ERR_OFFLINE: return "the pair cannot work now: see its status, and restore again later";
	case ERR_CANCELED: return "the pair was being changed or stopped: restore again";
	case ERR_NOT_FOUND: return "the server has not got it any more: nothing can be restored";
	default: return "what was not restored is still held: restore again";
	}
}

static const char *what_failed(int error)
{
	return error == -EAGAIN ? "not now" : err_text(error);
}

static void confirm_free(struct confirm *c)
{
	for (size_t i = 0; i < c->n_paths; i++)
		free(c->paths[i]);
	free(c->paths);
	free(c->failed);
	free(c);
}

static void tell_failure(struct confirm *c)
{
	struct pair *p = c->pair;
	_cleanup_free_ char *local = NULL, *full = NULL, *text = NULL;

	if (c->failed && names_decode(c->failed, &local) >= 0)
		full = fs_join(p->spec->local_path, local);
	if (c->failed && asprintf(&text, "%s; %s", what_failed(c->error), advice(c->error)) < 0)
		text = NULL;
	/* Without a path it was the index that failed. */
	const struct engine_error error = {.kind = ENGINE_LOCAL,
					   .code = c->error,
					   .subject = full ? full : p->engine->p.index_path,
					   .message = text ? text : err_text(c->error)};

	c->cb(c->arg, &error, c->n);
}

static void confirm_end(struct confirm *c)
{
	struct pair *p = c->pair;
	const struct engine_error error = {.kind = c->n ? ENGINE_OK : ENGINE_NOTHING_HELD,
					   .subject = p->spec->name};

	if (c->error < 0)
		tell_failure(c);
	else
		c->cb(c->arg, &error, c->n);
	confirm_free(c);
	p->counts_stale = true;
	report_changed(p);
	pair_pump_later(p);
}

static void restore_next(struct confirm *c);

static void take_failure(struct confirm *c, const char *path, int error)
{
	if (error == -EALREADY || c->error < 0)
		return; /* not held any more, or not the first */
	c->error = error;
	c->failed = strdup(path);
}

static void restored(void *arg, const char *path, int error)
{
	struct confirm *c = arg;

	c->restoring--;
	if (error >= 0)
		c->n++;
	else
		take_failure(c, path, error);
	restore_next(c);
}

/* Keeps a few going; the rest goes on when one fails, the first error is reported at the end. */
static void restore_next(struct confirm *c)
{
	while (c->restoring < RESTORE_PARALLEL && c->next < c->n_paths) {
		const char *path = c->paths[c->next++];
		int r = restore_start(c->pair, path, restored, c);

		if (r >= 0)
			c->restoring++;
		else
			take_failure(c, path, r);
	}
	if (!c->restoring && c->next == c->n_paths)
		confirm_end(c);
}

static int collect(void *arg, const struct index_hold *hold)
{
	struct confirm *c = arg;

	if (c->n_paths == c->cap_paths) {
		size_t cap = c->cap_paths ? c->cap_paths * 2 : 64;
		char **more = realloc(c->paths, cap * sizeof *more);

		if (!more)
			return -ENOMEM;
		c->paths = more;
		c->cap_paths = cap;
	}
	c->paths[c->n_paths] = strdup(hold->path);
	return c->paths[c->n_paths++] ? 0 : -ENOMEM;
}

static int apply_one(struct pair *p, const char *path)
{
	struct index_hold hold;
	int r = index_hold_get(p->engine->p.index, p->ip.key, path, &hold);

	if (r < 0)
		return r;
	hold.path = path;
	hold.confirmed = true;
	r = index_hold_put(p->engine->p.index, p->ip.key, &hold);
	return r < 0 ? r : revive(p, path);
}

static void apply(struct confirm *c)
{
	struct index *index = c->pair->engine->p.index;
	int r = index_begin(index);

	for (size_t i = 0; r >= 0 && i < c->n_paths; i++) {
		r = apply_one(c->pair, c->paths[i]);
		if (r >= 0)
			c->n++;
		else if (r == -ENOENT)
			r = 0;
	}
	int k = index_commit(index);

	c->error = r < 0 ? r : k;
	confirm_end(c);
}

void engine_confirm(struct engine *e, const char *name, bool apply_held, const char *const *paths,
		    size_t n_paths, engine_confirm_cb cb, void *arg)
{
	struct pair *p = engine_pair(e, name);
	struct confirm *c = calloc(1, sizeof *c);
	int r = 0;

	if (!p || !c) {
		const struct engine_error error = {.kind = p ? ENGINE_LOCAL : ENGINE_NO_SUCH_PAIR,
						   .code = -ENOMEM,
						   .subject = name,
						   .message = err_text(-ENOMEM)};

		free(c);
		cb(arg, &error, 0);
		return;
	}
	*c = (struct confirm){.pair = p, .cb = cb, .arg = arg};
	if (!paths)
		r = index_hold_range(e->p.index, p->ip.key, NULL, INT32_MAX, collect, c);
	for (size_t i = 0; paths && r >= 0 && i < n_paths; i++)
		r = collect(c, &(const struct index_hold){.path = paths[i]});
	if (r < 0) {
		c->error = r;
		confirm_end(c);
	} else if (apply_held) {
		apply(c);
	} else {
		restore_next(c);
	}
}
