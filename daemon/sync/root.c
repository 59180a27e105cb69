/* Is the directory still the pair's? Its marker (an extended attribute with the pair's id and a generation)
 * says so; where none can be written, file system id and inode do, and stand for the generation in the index.
 * A root that is missing, another
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
	bool write, release, take;
	bool was_marked; /* when it was looked at; else fsid and ino are what it was */
	uint64_t fsid, ino;
	/* found */
	int error, write_error;
	struct marker marker; /* before anything was written */
	uint64_t dev;
	bool empty;
};

/* Without a marker an unmounted root may look like itself (some filesystems give every mount point the same
 * inode), but for what was in it. */
static int check_filled(struct pair *p, int fd)
{
	int empty = local_root_empty(fd);

	if (empty < 0)
		return empty;
	if (empty && p->root_filled)
		return -ESTALE;
	p->root_filled = !empty;
	return 0;
}

int root_open_checked(struct pair *p, int *ret_fd)
{
	_cleanup_close_ int fd = local_root_open(p->spec->local_path);
	struct marker m;
	int r;

	if (fd < 0)
		return fd;
	r = marker_read(fd, &m);
	if (r < 0 && r != -EBADMSG) /* of another form: none of ours */
		return r;
	if (p->marked ? !m.present || strcmp(m.id, p->spec->id) != 0
		      : m.fsid != p->root_fsid || m.ino != p->root_ino)
		return -ESTALE;
	r = p->marked ? 0 : check_filled(p, fd);
	if (r < 0)
		return r;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

static bool is_of(const struct marker *m, const char *id)
{
	return m->present && strcmp(m->id, id) == 0;
}

static bool means_unmarkable(int error)
{
	return error == -EOPNOTSUPP || error == -EROFS || error == -EACCES || error == -EPERM ||
	       error == -ENOSPC || error == -EDQUOT;
}

/* 0 also where no marker can be written: write_error says so. */
static int write_run(struct root_check *c, int fd)
{
	const struct marker *m = &c->marker;
	bool ours = is_of(m, c->id), same = m->fsid == c->fsid && m->ino == c->ino;

	/* Since it was looked at another directory may have come. */
	if (!c->take && !(c->was_marked ? ours : same))
		return -ESTALE;
	/* Another pair's is written over only for who takes the directory. */
	c->write_error = m->supported && (!m->present || ours || c->take)
				 ? marker_write(fd, c->id, c->generation)
				 : -EOPNOTSUPP;
	return means_unmarkable(c->write_error) ? 0 : c->write_error;
}

static void check_run(struct worker_job *work)
{
	struct root_check *c = (struct root_check *)((char *)work - offsetof(struct root_check, work));
	_cleanup_close_ int fd = local_root_open(c->path);
	struct stat st;
	int r;

	c->error = fd < 0 ? fd : 0;
	if (!c->error && fstat(fd, &st) < 0)
		c->error = -errno;
	if (c->error)
		return;
	c->dev = st.st_dev;
	c->error = marker_read(fd, &c->marker);
	if (c->error == -EBADMSG)
		c->error = 0;
	if (c->error)
		return;
	r = local_root_empty(fd);
	if (r < 0)
		c->error = r;
	c->empty = r > 0;
	if (c->error)
		return;
	if (c->release) {
		if (c->marker.supported && c->marker.present)
			c->error = marker_remove(fd, c->id);
	} else if (c->write) {
		c->error = write_run(c, fd);
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

static const char *why_not(int error)
{
	return error == -ENOENT
		       ? "the directory is missing; it is waited for (`cfctl sync adopt` takes another "
			 "that is put there)"
	       : error == -ESTALE ? "another directory is there now; `cfctl sync adopt` takes it"
				  : err_text(error);
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

#define GENERATION_SIZE sizeof(((struct index_pair *)NULL)->generation)

/* What the directory has: the marker's, or what stands for it. */
static void generation_of(const struct marker *m, bool ours, char out[GENERATION_SIZE])
{
	if (ours)
		snprintf(out, GENERATION_SIZE, "%.32s", m->generation);
	else
		snprintf(out, GENERATION_SIZE, "%016llx%016llx", (unsigned long long)m->fsid,
			 (unsigned long long)m->ino);
}

/* What the index knows the directory by from now on. */
static void take_generation(struct pair *p, const struct root_check *c)
{
	struct index_pair *ip = &p->ip;
	bool ours = is_of(&c->marker, c->id);

	p->marked = c->write_error == 0 || ours;
	if (c->write_error == 0) {
		memcpy(ip->generation, ip->generation_next, sizeof ip->generation);
		ip->generation_next[0] = '\0';
		return;
	}
	/* The next one stays known: who knows how far the writing came. */
	generation_of(&c->marker, ours, ip->generation);
	if (!ours)
		log_write(LOG_LEVEL_INFO, LOG_FIELDS(LOG_PAIR(p->spec->name)),
			  "%s cannot be marked (%s): known by its file system and inode", p->spec->local_path,
			  err_text(c->write_error));
}

/* The marker is written (or cannot be): the old generation is forgotten, the pair goes on. */
static void marked(struct worker_job *work)
{
	struct root_check *c = (struct root_check *)((char *)work - offsetof(struct root_check, work));
	struct pair *p = c->pair;
	int error = c->error, r;
	bool written = c->write_error == 0;

	p->root_job = NULL;
	if (error == 0) {
		take_generation(p, c);
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
		missing(p, why_not(error));
		return;
	}
	/* Without a marker the index alone knows which directory it is: that must outlive a power cut. */
	r = index_pair_put(p->engine->p.index, &p->ip, !written);
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
		generation_of(found, false, p->ip.generation_next);
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
	c->was_marked = is_of(found, p->spec->id);
	c->fsid = found->fsid;
	c->ino = found->ino;
	submit(c, marked);
}

/* Are there files that were in it, and whose deletion is not held? An adopted directory is empty by its
 * user's word, and every deletion that follows from that waits for another. */
static bool was_filled(struct pair *p)
{
	report_counts(p);
	return p->ip.files > p->deletes_held;
}

static void looked(struct worker_job *work)
{
	struct root_check *c = (struct root_check *)((char *)work - offsetof(struct root_check, work));
	struct pair *p = c->pair;
	struct marker m = c->marker;
	int error = c->error;
	bool take = c->take, ours = is_of(&m, c->id), empty = c->empty, marked_ours = ours, known_generation;
	char generation[GENERATION_SIZE] = "";

	p->root_job = NULL;
	check_free(c);
	if (p->removed) {
		pair_pump_later(p);
		return;
	}
	if (error < 0) {
		missing(p, why_not(error));
		return;
	}
	generation_of(&m, ours, generation);
	known_generation =
		strcmp(generation, p->ip.generation) == 0 || strcmp(generation, p->ip.generation_next) == 0;
	/* A directory that could not be marked is ours if it is the one the index knows. An index that was
	 * lost knows none: where no marker can be, the directory at the path is taken as it is, as a first
	 * sync. */
	if (!ours)
		ours = known_generation ||
		       (!m.supported && !p->ip.generation[0] && !p->ip.generation_next[0]);
	if (!ours && !take) {
		missing(p, m.present ? "this directory belongs to another pair; `cfctl sync adopt` takes it"
				     : "this is not the directory that was added (unmounted, or replaced?); "
				       "`cfctl sync adopt` takes it");
		return;
	}
	if (!marked_ours && empty && !take && was_filled(p)) {
		missing(p, "it is empty and was not (unmounted?); `cfctl sync adopt` takes it as it is");
		return;
	}
	p->root_filled = !empty;
	if (!known_generation && !p->ip.first_sync &&
	    pair_begin_first_sync(p,
				  take ? "the directory was taken as the root"
				       : "the index does not belong to this directory",
				  false) < 0)
		return;
	if (known_generation) /* stays known until the next one is there */
		memcpy(p->ip.generation, generation, sizeof generation);
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
