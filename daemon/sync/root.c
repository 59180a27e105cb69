/* Is the directory still the pair's? Its marker (an extended attribute with the pair's id and a generation)
 * says so; where the file system carries none, file system id and inode do. A root that is missing, another
 * one, or unmounted stops the pair before anything is read from it as a deletion. At every start the index
 * commits a new generation, then the marker is written, then the old one is dropped. */
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/marker.h"
#include "sync/pair.h"
#include <errno.h>
#include <sys/stat.h>

struct root_check {
	struct pair *pair;
	struct worker_job work;
	char *path;
	char id[MARKER_ID_MAX];
	char generation[MARKER_ID_MAX]; /* to be written; "" only look */
	bool write, release, take, marked;
	uint64_t fsid, ino;
	/* found */
	int error;
	struct marker marker;
	uint64_t dev;
	bool empty;
};

int root_open_checked(const struct pair *p, int *ret_fd)
{
	_cleanup_close_ int fd = local_root_open(p->spec->local_path);
	struct marker m;
	int r;

	if (fd < 0)
		return fd;
	r = marker_read(fd, &m);
	if (r < 0)
		return r;
	if (p->marked ? !m.present || strcmp(m.id, p->spec->id) != 0
		      : m.fsid != p->root_fsid || m.ino != p->root_ino)
		return -ESTALE;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

static void check_run(struct worker_job *work)
{
	struct root_check *c = (struct root_check *)((char *)work - offsetof(struct root_check, work));
	_cleanup_close_ int fd = local_root_open(c->path);
	struct stat st;

	c->error = fd < 0 ? fd : 0;
	if (!c->error && fstat(fd, &st) < 0)
		c->error = -errno;
	if (c->error)
		return;
	c->dev = st.st_dev;
	c->error = marker_read(fd, &c->marker);
	if (c->error == -EBADMSG && (c->take || c->release)) {
		c->error = 0;
		c->marker.present = false;
	}
	if (c->error)
		return;
	if (c->release) {
		if (c->marker.supported && c->marker.present)
			c->error = marker_remove(fd, c->id);
	} else if (c->write) {
		bool ours = c->marker.present && strcmp(c->marker.id, c->id) == 0;

		if (c->marker.supported && (ours || c->take))
			c->error = marker_write(fd, c->id, c->generation);
		else if (!c->marker.supported && !c->take &&
			 (c->marker.fsid != c->fsid || c->marker.ino != c->ino))
			c->error = -ESTALE;
		else if (c->marker.supported)
			c->error = -ESTALE;
	}
}

static void check_free(struct root_check *c)
{
	free(c->path);
	free(c);
}

static void again_later(void *arg)
{
	struct pair *p = arg;

	if (!p->spec->paused) /* looked at when it goes on */
		root_check(p);
}

static void missing(struct pair *p, const char *why)
{
	pair_trouble(p, TROUBLE_ROOT, "%s: %s", p->spec->local_path, why);
	pair_stop_work(p);
	p->watch_stale = p->watch != NULL;
	root_check_later(p);
}

void root_check_later(struct pair *p)
{
	loop_timer_set(p->engine->p.loop, &p->root_timer, ROOT_CHECK_MS, again_later, p);
}

static struct root_check *check_new(struct pair *p)
{
	struct root_check *c = calloc(1, sizeof *c);

	if (!c || !(c->path = strdup(p->spec->local_path))) {
		free(c);
		return NULL;
	}
	c->pair = p;
	snprintf(c->id, sizeof c->id, "%s", p->spec->id);
	return c;
}

static void submit(struct root_check *c, void (*done)(struct worker_job *))
{
	struct pair *p = c->pair;

	p->root_job = c;
	c->work.run = check_run;
	c->work.done = done;
	worker_submit(p->engine->p.pool, WORKER_URGENT, &c->work);
}

static void fs_generation(const struct marker *m, char out[33])
{
	snprintf(out, 33, "%016llx%016llx", (unsigned long long)m->fsid, (unsigned long long)m->ino);
}

/* The marker is written (or the file system has none): the old generation is forgotten, the pair goes on. */
static void marked(struct worker_job *work)
{
	struct root_check *c = (struct root_check *)((char *)work - offsetof(struct root_check, work));
	struct pair *p = c->pair;
	int error = c->error, r;

	p->root_job = NULL;
	if (error == 0) {
		p->marked = c->marker.supported;
		p->root_ino = c->marker.ino;
		p->root_fsid = c->marker.fsid;
		p->rules.root_dev = c->dev;
	}
	check_free(c);
	if (p->removed) {
		pair_pump_later(p);
		return;
	}
	if (error < 0) {
		missing(p, error == -ESTALE ? "another directory is there now; `cfctl sync adopt` takes it"
					    : err_text(error));
		return;
	}
	snprintf(p->ip.generation, sizeof p->ip.generation, "%s", p->ip.generation_next);
	p->ip.generation_next[0] = '\0';
	r = index_pair_put(p->engine->p.index, &p->ip, false);
	if (r < 0)
		pair_index_failed(p, r);
	pair_trouble_over(p, TROUBLE_ROOT);
	pair_root_ready(p);
}

static void write_marker(struct pair *p, const struct marker *found, bool take)
{
	struct root_check *c = check_new(p);
	int r = c ? marker_new_id(p->ip.generation_next) : -ENOMEM;

	if (r >= 0 && !found->supported)
		fs_generation(found, p->ip.generation_next);
	if (r >= 0)
		r = index_pair_put(p->engine->p.index, &p->ip, true);
	if (r < 0) {
		if (c)
			check_free(c);
		pair_index_failed(p, r);
		return;
	}
	snprintf(c->generation, sizeof c->generation, "%s", p->ip.generation_next);
	c->write = true;
	c->take = take;
	c->fsid = found->fsid;
	c->ino = found->ino;
	submit(c, marked);
}

static void looked(struct worker_job *work)
{
	struct root_check *c = (struct root_check *)((char *)work - offsetof(struct root_check, work));
	struct pair *p = c->pair;
	struct marker m = c->marker;
	int error = c->error;
	bool take = c->take, ours, known_generation;

	p->root_job = NULL;
	check_free(c);
	if (p->removed) {
		pair_pump_later(p);
		return;
	}
	if (error < 0) {
		missing(p, error == -ENOENT ? "the directory is missing" : err_text(error));
		return;
	}
	if (m.supported) {
		ours = m.present && strcmp(m.id, p->spec->id) == 0;
		known_generation = ours && m.generation[0] &&
				   (strcmp(m.generation, p->ip.generation) == 0 ||
				    strcmp(m.generation, p->ip.generation_next) == 0);
	} else {
		char here[33];

		fs_generation(&m, here);
		ours = strcmp(here, p->ip.generation) == 0 || strcmp(here, p->ip.generation_next) == 0;
		known_generation = ours;
		/* An index that was lost knows no identity: without a marker the directory at the path is
		 * taken as it is, as a first sync. */
		if (!p->ip.generation[0] && !p->ip.generation_next[0])
			ours = true;
	}
	if (!ours && !take) {
		missing(p, m.present ? "this directory belongs to another pair; `cfctl sync adopt` takes it"
				     : "this is not the directory that was added (unmounted, or replaced?); "
				       "`cfctl sync adopt` takes it");
		return;
	}
	if (!known_generation && !p->ip.first_sync &&
	    pair_begin_first_sync(p,
				  take ? "the directory was taken as the root"
				       : "the index does not belong to this directory",
				  false) < 0)
		return;
	write_marker(p, &m, take);
}

static void start(struct pair *p, bool take)
{
	if (p->root_job)
		return; /* its answer is on the way */
	struct root_check *c = check_new(p);

	if (!c) {
		loop_timer_set(p->engine->p.loop, &p->root_timer, ROOT_CHECK_MS, again_later, p);
		return;
	}
	c->take = take;
	submit(c, looked);
}

void root_check(struct pair *p)
{
	if (!p->removed)
		start(p, p->take_root);
}

void root_take(struct pair *p)
{
	p->take_root = true;
	start(p, true);
}

static void released(struct worker_job *work)
{
	struct root_check *c = (struct root_check *)((char *)work - offsetof(struct root_check, work));
	struct pair *p = c->pair;

	p->root_job = NULL;
	check_free(c);
	pair_pump_later(p);
}

void root_release(struct pair *p)
{
	struct root_check *c = p->root_job ? NULL : check_new(p);

	if (!c)
		return; /* a marker left behind is harmless: add and adopt write over any */
	c->release = true;
	submit(c, released);
}
