/* Restore: the one thing that writes below the root of a mirror, and only when asked. The held version is
 * fetched to a temporary name beside its place, checked by hash, and put there (place.c); a local file that
 * is in the way goes to the Trash. Then the version is ours: its row is written. */
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/pair.h"
#include "sync/place.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define RESTORE_MODE 0644 /* the server knows no modes; umask applies */

struct restore {
	struct pair *pair;
	struct item *item; /* NULL while it waits until a job or a write in doubt is done with the path */
	char *path;
	struct worker_job work;
	struct lookup *lookup;
	struct item *one[1];
	struct remote_call *call;
	int parent, fd;
	char *base, temp[64];
	char *kept; /* the name of what was in the way and is not all in the Trash */
	struct digest_stream *digest;
	int64_t fetched;
	int error;
	bool working, canceled;
	char *original;
	restore_cb done;
	void *arg;
	LIST_ENTRY(restore) link;
};

static struct restore *of_work(struct worker_job *work)
{
	return (struct restore *)((char *)work - offsetof(struct restore, work));
}

static void finish(struct restore *x, int error)
{
	struct pair *p = x->pair;
	struct item *it = x->item;

	LIST_REMOVE(x, link);
	if (x->parent >= 0 && x->temp[0] && error < 0)
		unlinkat(x->parent, x->temp, 0);
	if (error < 0 && it)
		report_history(p, "restore", it->path, it->r.version.size, NULL, "failed", err_text(error));
	close_fd(x->parent);
	close_fd(x->fd);
	digest_stream_free(x->digest);
	if (it) {
		it->check_remote = true;
		item_ready(it); /* whatever happened: both sides are looked at once more */
	}
	x->done(x->arg, x->path, error);
	free(x->base);
	free(x->kept);
	free(x->original);
	free(x->path);
	free(x);
	pair_pump_later(p);
}

static void submit(struct restore *x, void (*run)(struct worker_job *), void (*done)(struct worker_job *))
{
	x->working = true;
	x->work.run = run;
	x->work.done = done;
	worker_submit(x->pair->engine->p.pool, WORKER_NORMAL, &x->work);
}

static void place_run(struct worker_job *work)
{
	struct restore *x = of_work(work);
	const struct place place = {.dir = x->parent,
				    .temp = x->temp,
				    .name = x->base,
				    .original = x->original,
				    .trash = x->pair->engine->trash};
	int r = fsync(x->fd) < 0 ? -errno : 0;

	if (r >= 0)
		r = place_file(&place, &x->kept);
	if (r >= 0) {
		x->temp[0] = '\0'; /* not ours any more */
		r = fsync(x->parent) < 0 ? -errno : 0;
	}
	x->error = r;
}

/* Says where to find what was written at the very moment. */
static void report_kept(struct restore *x)
{
	if (x->kept)
		report_set_error(x->pair, "%s was written to while it was restored; that is kept as %s",
				 x->path, x->kept);
}

static void report_restored(struct restore *x)
{
	struct item *it = x->item;
	_cleanup_free_ char *text = NULL;

	if (x->kept && asprintf(&text, "what was written here meanwhile is kept as %s", x->kept) < 0)
		text = NULL;
	report_history(x->pair, "restore", it->path, it->r.version.size, &it->r.version.digest, "done", text);
}

static void placed(struct worker_job *work)
{
	struct restore *x = of_work(work);
	struct pair *p = x->pair;
	struct item *it = x->item;
	int r = x->error;

	x->working = false;
	report_kept(x);
	if (r >= 0) {
		it->found.linked = false;
		r = judge_put_row(it, &it->r.version, false, 0, 0);
	}
	if (r >= 0)
		r = index_hold_drop(p->engine->p.index, p->ip.key, it->path);
	if (r >= 0)
		report_restored(x);
	p->counts_stale = true;
	finish(x, r);
}

static int on_data(void *arg, const void *data, size_t len)
{
	struct restore *x = arg;
	int r = fs_write_full(x->fd, data, len);

	if (r >= 0)
		r = digest_stream_update(x->digest, data, len);
	x->fetched += (int64_t)len;
	return r;
}

static void fetched(void *arg, const struct remote_error *error)
{
	struct restore *x = arg;
	struct item *it = x->item;
	struct digest got;

	x->call = NULL;
	if (error->code) {
		finish(x, error->code);
		return;
	}
	if (digest_stream_final(x->digest, &got) < 0 || x->fetched != it->r.version.size ||
	    (it->r.version.has_digest && !digest_equal(&got, &it->r.version.digest))) {
		finish(x, ERR_HASH);
		return;
	}
	it->r.version.digest = got;
	it->r.version.has_digest = true;
	submit(x, place_run, placed);
}

/* Opens (makes) the directory the file belongs into, never through a symlink, and a temporary file in it. */
static void open_run(struct worker_job *work)
{
	struct restore *x = of_work(work);
	_cleanup_free_ char *path = strdup(x->item->local);
	char *slash, *rest = path;
	int dir = -1;

	x->error = path ? root_open_checked(x->pair, &dir) : -ENOMEM;
	while (x->error >= 0 && (slash = strchr(rest, '/'))) {
		*slash = '\0';
		if (mkdirat(dir, rest, 0777) < 0 && errno != EEXIST)
			x->error = -errno;
		int next = x->error < 0 ? -1 : fs_open_beneath(dir, rest, O_RDONLY | O_DIRECTORY, 0);

		close_fd(dir);
		dir = next;
		if (x->error >= 0 && next < 0)
			x->error = next;
		rest = slash + 1;
	}
	if (x->error < 0) {
		close_fd(dir);
		return;
	}
	x->parent = dir;
	x->base = strdup(rest);
	snprintf(x->temp, sizeof x->temp, ".carbonfilesd-%08x.part", backoff_random());
	x->fd = openat(dir, x->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, RESTORE_MODE);
	if (x->fd < 0) {
		x->error = -errno;
		x->temp[0] = '\0';
	} else if (!x->base) {
		x->error = -ENOMEM;
	}
}

static void opened(struct worker_job *work)
{
	struct restore *x = of_work(work);
	struct pair *p = x->pair;
	int r = x->error;

	x->working = false;
	if (r >= 0 && x->canceled)
		r = ERR_CANCELED;
	if (r >= 0) {
		_cleanup_free_ char *full = pair_full_path(p, x->item->path);

		x->digest = digest_stream_new();
		r = full && x->digest ? p->remote->ops->fetch(p->remote, p->spec->bucket, full, on_data,
							      fetched, x, &x->call)
				      : -ENOMEM;
	}
	if (r < 0)
		finish(x, r);
}

static void looked_up(void *arg, const struct remote_error *error)
{
	struct restore *x = arg;
	int r = error->code;

	x->lookup = NULL;
	if (!r)
		r = judge_load_row(x->item);
	if (!r && x->item->r.presence != PLAN_FILE)
		r = ERR_NOT_FOUND;
	if (r)
		finish(x, r);
	else
		submit(x, open_run, opened);
}

static bool restoring(const struct pair *p, const struct item *it)
{
	struct restore *x;

	LIST_FOREACH(x, &p->restores, link) {
		if (x->item == it)
			return true;
	}
	return false;
}

/* Takes the path's item and looks it up. -EALREADY: it is not held any more. -EBUSY: not now. */
static int begin(struct restore *x)
{
	struct pair *p = x->pair;
	struct index_hold hold;
	int r;

	if (x->canceled || p->removed || p->stopping || p->engine->stopping)
		return ERR_CANCELED;
	if (!p->remote || p->trouble)
		return -EAGAIN;
	r = index_hold_get(p->engine->p.index, p->ip.key, x->path, &hold);
	if (r < 0)
		return r == -ENOENT ? -EALREADY : r;

	struct item *it = item_find(p, x->path);

	if (it && (it->state == ITEM_DOUBT || it->state == ITEM_BUSY))
		return -EBUSY;
	it = it ? it : item_get(p, x->path);
	if (!it)
		return -ENOMEM;
	if (!x->original && !(x->original = fs_join(p->spec->local_path, it->local))) {
		item_ready(it);
		return -ENOMEM;
	}
	item_busy(it);
	x->item = x->one[0] = it;
	r = lookup_start(p, x->one, 1, looked_up, x, &x->lookup);
	if (r < 0) {
		x->item = NULL;
		item_ready(it);
	}
	return r;
}

int restore_start(struct pair *p, const char *path, restore_cb done, void *arg)
{
	struct item *it = item_find(p, path);
	struct restore *x = it && restoring(p, it) ? NULL : calloc(1, sizeof *x);

	if (!x)
		return it && restoring(p, it) ? -EALREADY : -ENOMEM;
	*x = (struct restore){
		.pair = p, .path = strdup(path), .parent = -1, .fd = -1, .done = done, .arg = arg};

	int r = x->path ? begin(x) : -ENOMEM;

	if (r < 0 && r != -EBUSY) {
		free(x->original);
		free(x->path);
		free(x);
		return r;
	}
	LIST_INSERT_HEAD(&p->restores, x, link);
	return 0;
}

void restores_pump(struct pair *p)
{
	struct restore *x, *next;

	for (x = LIST_FIRST(&p->restores); x; x = next) {
		next = LIST_NEXT(x, link);

		int r = x->item ? 0 : begin(x);

		if (r < 0 && r != -EBUSY)
			finish(x, r);
	}
}

void restores_cancel(struct pair *p)
{
	struct restore *x;

	LIST_FOREACH(x, &p->restores, link) {
		x->canceled = true;
		lookup_cancel(x->lookup);
		if (x->call)
			p->remote->ops->cancel(x->call);
		if (!x->item)
			pair_pump_later(p);
	}
}
