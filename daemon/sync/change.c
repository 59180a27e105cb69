/* Adding, changing and removing pairs: what is asked of disk and server before anything is stored, and the
 * errors a user can act on. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "sync/names.h"
#include "sync/pair.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <limits.h>
#include <stdlib.h>

#define WARNINGS_MAX 4

/* A change on its way: disk first (in a worker), then the bucket, then the file is written. */
struct change {
	struct engine *engine;
	struct pair_spec *spec; /* as it shall be */
	char *old_name;         /* NULL: add */
	bool create_bucket, restart, first_again, adopt, accept_bucket;
	struct worker_job work;
	char *real_path, *expires;
	int path_error;
	struct remote *remote;
	char *warnings[WARNINGS_MAX + 1];
	size_t n_warnings;
	engine_pair_cb cb;
	void *arg;
	LIST_ENTRY(change) link;
};

static void change_free(struct change *c)
{
	LIST_REMOVE(c, link);
	loop_undefer(c->engine->p.loop, c);
	pair_spec_free(c->spec);
	for (size_t i = 0; i < c->n_warnings; i++)
		free(c->warnings[i]);
	free(c->old_name);
	free(c->real_path);
	free(c->expires);
	free(c);
}

static void end(struct change *c, const struct engine_error *error)
{
	struct pair *p = error->kind == ENGINE_OK ? engine_pair(c->engine, c->spec->name) : NULL;

	c->cb(c->arg, error,
	      p                          ? p->spec
	      : error->kind == ENGINE_OK ? c->spec
					 : NULL,
	      (const char *const *)c->warnings);
	change_free(c);
}

static void refuse(struct change *c, enum engine_error_kind kind, int code, const char *subject,
		   const char *message)
{
	end(c,
	    &(const struct engine_error){.kind = kind, .code = code, .subject = subject, .message = message});
}

/* The daemon ends. What was stored already is carried out when it starts again. */
static void cancel(struct change *c)
{
	refuse(c, ENGINE_LOCAL, ERR_CANCELED, NULL, "the daemon is stopping");
}

void changes_cancel(struct engine *e)
{
	struct change *c;

	while ((c = LIST_FIRST(&e->changes)))
		cancel(c);
}

static void warn(struct change *c, const char *format, ...) _printf_(2, 3);
static void warn(struct change *c, const char *format, ...)
{
	va_list ap;

	if (c->n_warnings == WARNINGS_MAX)
		return;
	va_start(ap, format);
	if (vasprintf(&c->warnings[c->n_warnings], format, ap) >= 0)
		c->n_warnings++;
	else
		c->warnings[c->n_warnings] = NULL;
	va_end(ap);
}

/* --- stop and start again --- */

void engine_restart_pair(struct engine *e, struct pair *p, struct pair_spec *spec, bool first_again,
			 void (*on_reaped)(void *arg, struct pair *fresh), void *arg)
{
	struct pair_spec *successor = spec ? spec : pair_spec_copy(p->spec);

	if (!successor) {
		pair_trouble(p, TROUBLE_ERROR, "%s", err_text(-ENOMEM));
		return;
	}
	p->successor = successor;
	p->first_again = first_again;
	p->on_reaped = on_reaped;
	p->reaped_arg = arg;
	p->removed = true;
	pair_stop_work(p);
	pair_pump_later(p);
}

/* --- checks without I/O --- */

static bool contains(const char *outer, const char *inner)
{
	size_t len = strlen(outer);

	return strncmp(outer, inner, len) == 0 &&
	       (len == 0 || outer[len - 1] == '/' || inner[len] == '/' || inner[len] == '\0');
}

/* A directory, or what is kept of a bucket, and that of the pair in its way. */
struct overlap {
	const char *pair;
	char *wanted, *taken;
};

static void overlap_done(struct overlap *o)
{
	free(o->wanted);
	free(o->taken);
}

/* "BUCKET" or "BUCKET/PREFIX"; NULL: out of memory. */
static char *remote_place(const struct pair_spec *s)
{
	char *text;
	int len = (int)strlen(s->remote_prefix);

	/* The prefix ends in a slash. */
	return asprintf(&text, "%s%s%.*s", s->bucket, len ? "/" : "", len ? len - 1 : 0, s->remote_prefix) < 0
		       ? NULL
		       : text;
}

static bool find_overlap(struct change *c, struct overlap *ret_overlap)
{
	struct engine *e = c->engine;
	const struct pair_spec *s = c->spec;

	for (size_t i = 0; i < e->n_pairs; i++) {
		struct pair *p = e->pairs[i];
		const struct pair_spec *o = p->removed && p->successor ? p->successor : p->spec;

		if ((p->removed && !p->successor) || (c->old_name && strcmp(o->name, c->old_name) == 0))
			continue;
		if (contains(o->local_path, s->local_path) || contains(s->local_path, o->local_path)) {
			*ret_overlap =
				(struct overlap){o->name, strdup(s->local_path), strdup(o->local_path)};
			return true;
		}
		if (p->server && c->remote && strcmp(p->server->key, c->remote->server_key) == 0 &&
		    strcmp(o->bucket, s->bucket) == 0 &&
		    (contains(o->remote_prefix, s->remote_prefix) ||
		     contains(s->remote_prefix, o->remote_prefix))) {
			*ret_overlap = (struct overlap){o->name, remote_place(s), remote_place(o)};
			return true;
		}
	}
	return false;
}

/* True: it overlaps, and the change is over. */
static bool refuse_overlap(struct change *c)
{
	_cleanup_(overlap_done) struct overlap o = {0};

	if (!find_overlap(c, &o))
		return false;
	end(c, &(const struct engine_error){
		       .kind = ENGINE_OVERLAP, .subject = o.wanted, .other = o.pair, .other_path = o.taken});
	return true;
}

/* "a//b/" and "/a/b" mean "a/b/"; what the server would resolve or change is refused. */
static int normalise_prefix(const char *text, char **ret_prefix)
{
	_cleanup_free_ char *out = calloc(1, strlen(text) + 2);
	_cleanup_free_ char *local = NULL;
	size_t n = 0;

	if (!out)
		return -ENOMEM;
	for (const char *s = text; *s; s++)
		if (*s != '/' || (n > 0 && out[n - 1] != '/'))
			out[n++] = *s;
	while (n > 0 && out[n - 1] == '/')
		n--;
	out[n] = '\0';
	if (n > 0) {
		int r = names_decode(out, &local);

		if (r < 0 || strchr(out, '\\'))
			return r < 0 ? r : -EINVAL;
		out[n] = '/';
		out[n + 1] = '\0';
	}
	*ret_prefix = STEAL(out);
	return 0;
}

static int default_name(struct engine *e, struct pair_spec *spec)
{
	const char *base = strrchr(spec->local_path, '/');
	char clean[40];
	size_t n = 0;

	for (base = base ? base + 1 : spec->local_path; *base && n < sizeof clean - 1; base++) {
		bool plain = (*base >= 'a' && *base <= 'z') || (*base >= 'A' && *base <= 'Z') ||
			     (*base >= '0' && *base <= '9');

		if (plain || (n > 0 && (*base == '.' || *base == '_' || *base == '-')))
			clean[n++] = *base;
	}
	clean[n] = '\0';
	for (unsigned i = 1; i < 1000; i++) {
		char *name = NULL;

		if ((i == 1 ? asprintf(&name, "%s", n ? clean : "pair")
			    : asprintf(&name, "%s-%u", n ? clean : "pair", i)) < 0)
			return -ENOMEM;
		if (!engine_pair(e, name)) {
			spec->name = name;
			return 0;
		}
		free(name);
	}
	return -EEXIST;
}

/* The ranges are those of carbonfilesd.conf: with anything else the pair's file could not be read again. */
static const char *range_error(const struct pair_spec *s)
{
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{"settle_ms", s->settle_ms},       {"rescan_seconds", s->rescan_seconds},
		{"max_deletes", s->max_deletes},   {"max_delete_percent", s->max_delete_percent},
		{"rescue_bytes", s->rescue_bytes},
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct settings_key *key = settings_find(numbers[i].name);

		if (numbers[i].value != PAIR_DEFAULT &&
		    (numbers[i].value < key->min || numbers[i].value > key->max))
			return numbers[i].name;
	}
	return NULL;
}

const char *change_spec_error(struct pair_spec *s, const char **ret_why)
{
	const char *bad = range_error(s);
	char *prefix = NULL;

	*ret_why = "out of range";
	if (bad)
		return bad;
	if (s->mode != PAIR_MIRROR && s->mode != PAIR_BACKUP) {
		*ret_why = "only mirror and backup are carried out by this version";
		return "mode";
	}
	if (s->name && !pair_name_valid(s->name)) {
		*ret_why = "a name is letters, digits, '.', '_' and '-', at most 64";
		return "name";
	}
	if (!s->bucket || !s->bucket[0]) {
		*ret_why = "it is empty";
		return "bucket";
	}
	if (!s->local_path || s->local_path[0] != '/') {
		*ret_why = "it is not absolute";
		return "local_path";
	}
	if (normalise_prefix(s->remote_prefix ? s->remote_prefix : "", &prefix) < 0) {
		*ret_why = "it has a component the server cannot hold";
		return "remote_prefix";
	}
	free(s->remote_prefix);
	s->remote_prefix = prefix;
	return NULL;
}

/* --- carrying it out --- */

static void applied(void *arg, struct pair *fresh)
{
	struct change *c = arg;

	if (fresh)
		end(c, &(const struct engine_error){0});
	else if (c->engine->stopping)
		cancel(c);
	else
		refuse(c, ENGINE_LOCAL, -ENOMEM, NULL, err_text(-ENOMEM));
}

static void swap(char **a, char **b)
{
	char *x = *a;

	*a = *b;
	*b = x;
}

/* Other settings for a pair that goes on running. Its workers read the id and the path of the spec it has:
 * those two do not change here, and stay where they are. */
static void replace_spec(struct pair *p, struct pair_spec *fresh)
{
	struct pair_spec *spec = p->spec;

	swap(&spec->name, &fresh->name);
	swap(&spec->profile, &fresh->profile);
	swap(&spec->bucket, &fresh->bucket);
	swap(&spec->remote_prefix, &fresh->remote_prefix);
	spec->mode = fresh->mode;
	spec->foreign = fresh->foreign;
	spec->conflicts = fresh->conflicts;
	spec->secrets = fresh->secrets;
	spec->settle_ms = fresh->settle_ms;
	spec->rescan_seconds = fresh->rescan_seconds;
	spec->max_deletes = fresh->max_deletes;
	spec->max_delete_percent = fresh->max_delete_percent;
	spec->rescue_bytes = fresh->rescue_bytes;
	pair_spec_free(fresh);
}

static void store(struct change *c)
{
	struct engine *e = c->engine;
	struct pair *p = c->old_name ? engine_pair(e, c->old_name) : NULL;
	struct pair_spec *copy;
	int r;

	if (c->old_name && !p) {
		refuse(c, ENGINE_NO_SUCH_PAIR, 0, c->old_name, NULL);
		return;
	}
	if (p && p->removed) { /* another change came first and is starting it anew */
		refuse(c, ENGINE_BUSY, 1, c->old_name, NULL);
		return;
	}
	if ((!p || strcmp(p->spec->name, c->spec->name) != 0) && engine_pair(e, c->spec->name)) {
		refuse(c, ENGINE_PAIR_EXISTS, 0, c->spec->name, NULL);
		return;
	}
	if (p) { /* paused or resumed while disk and server were asked */
		c->spec->paused = p->spec->paused;
		c->spec->paused_until_ms = p->spec->paused_until_ms;
	}
	r = pairfile_save(e->p.config_dir, c->spec);
	if (r >= 0 && p && strcmp(p->spec->name, c->spec->name) != 0)
		r = pairfile_remove(e->p.config_dir, p->spec->name);
	copy = r < 0 ? NULL : pair_spec_copy(c->spec);
	if (!copy) {
		r = r < 0 ? r : -ENOMEM;
		refuse(c, ENGINE_LOCAL, r, e->p.config_dir, err_text(r));
		return;
	}
	if (!p) {
		r = engine_attach(e, copy, false, true, &p);
		if (r >= 0)
			p->bucket_expires = STEAL(c->expires);
		if (r < 0) {
			pair_spec_free(copy);
			refuse(c, ENGINE_LOCAL, r, NULL, err_text(r));
			return;
		}
		end(c, &(const struct engine_error){0});
	} else if (c->restart) {
		if (strcmp(p->spec->name, copy->name) != 0)
			report_removed(e, p->spec->name);
		p->take_root = c->adopt;
		p->accept_empty |= c->accept_bucket;
		engine_restart_pair(e, p, copy, c->first_again, applied, c);
	} else {
		if (strcmp(p->spec->name, copy->name) != 0)
			report_removed(e, p->spec->name);
		replace_spec(p, copy);
		engine_sort(e);
		pair_set_settings(p);
		loop_timer_stop(&p->rescan_timer);
		pair_arm_timers(p);
		report_changed(p);
		end(c, &(const struct engine_error){0});
	}
}

static void with_bucket(void *arg, const struct remote_error *error, const struct remote_bucket *b)
{
	struct change *c = arg;
	int64_t expires;

	if (error->code) {
		end(c, &(const struct engine_error){.kind = ENGINE_REMOTE,
						    .code = error->code,
						    .subject = c->spec->bucket,
						    .remote = error});
		return;
	}
	if (c->create_bucket) {
		free(c->spec->bucket);
		c->spec->bucket = strdup(b->id);
		if (!c->spec->bucket) {
			refuse(c, ENGINE_LOCAL, -ENOMEM, NULL, err_text(-ENOMEM));
			return;
		}
	}
	if (refuse_overlap(c))
		return;
	if (b->expires_at)
		c->expires = strdup(b->expires_at); /* shown at once; the pair asks again when it starts */
	if (b->expires_at && clock_parse_rfc3339(b->expires_at, &expires) >= 0) {
		if (expires <= clock_wall_ms()) {
			const struct remote_error gone = {.code = ERR_NOT_FOUND,
							  .status = 404,
							  .message = "the bucket has expired",
							  .url = c->remote->server_key};

			end(c, &(const struct engine_error){
				       .kind = ENGINE_REMOTE, .subject = c->spec->bucket, .remote = &gone});
			return;
		}
		warn(c, "bucket %s expires on %s: all that is in it is deleted then, without a word", b->id,
		     b->expires_at);
	}
	if (!c->old_name) {
		warn(c, "everything in bucket %s can be read by anyone who knows its id", b->id);
		if (!c->spec->secrets)
			warn(c, "private keys and the like (.ssh, .gnupg, .env, ...) are left out; secrets = "
				"true carries them");
	}
	store(c);
}

static void with_path(struct worker_job *work)
{
	struct change *c = (struct change *)((char *)work - offsetof(struct change, work));
	const struct remote_ops *ops;
	const char *name;
	int r;

	if (c->engine->stopping) { /* there may be no way to a server any more */
		cancel(c);
		return;
	}
	if (c->path_error < 0) {
		refuse(c, ENGINE_PATH_UNUSABLE, c->path_error, c->spec->local_path, err_text(c->path_error));
		return;
	}
	free(c->spec->local_path);
	c->spec->local_path = STEAL(c->real_path);
	r = c->engine->p.remote_of(c->engine->p.remote_arg, c->spec->profile, &c->remote, &name);
	if (r < 0) {
		refuse(c, r == -EACCES ? ENGINE_NOT_LOGGED_IN : ENGINE_NO_SUCH_PROFILE, r,
		       c->spec->profile ? c->spec->profile : "", NULL);
		return;
	}
	if (!c->spec->profile)
		c->spec->profile = strdup(name);
	if (!c->spec->profile || (!c->spec->name && default_name(c->engine, c->spec) < 0)) {
		refuse(c, ENGINE_LOCAL, -ENOMEM, NULL, err_text(-ENOMEM));
		return;
	}
	if (refuse_overlap(c)) /* before a bucket is made */
		return;
	ops = c->remote->ops;
	r = c->create_bucket ? ops->create_bucket(c->remote, c->spec->bucket, with_bucket, c, NULL)
			     : ops->bucket(c->remote, c->spec->bucket, with_bucket, c, NULL);
	if (r == -EINVAL)
		refuse(c, ENGINE_INVALID, r, "bucket", "a bucket id is letters and digits");
	else if (r < 0)
		refuse(c, ENGINE_LOCAL, r, NULL, err_text(r));
}

/* In a worker: a path on a dead network mount may hang. */
static void check_path(struct worker_job *work)
{
	struct change *c = (struct change *)((char *)work - offsetof(struct change, work));
	_cleanup_close_ int fd = -1;

	c->real_path = realpath(c->spec->local_path, NULL);
	if (!c->real_path) {
		c->path_error = -errno;
		return;
	}
	fd = local_root_open(c->real_path);
	if (fd < 0)
		c->path_error = fd;
	else if (faccessat(fd, ".", R_OK | X_OK, AT_EACCESS) < 0)
		c->path_error = -errno;
}

static void begin(struct change *c)
{
	struct pair_spec *s = c->spec;
	const char *why, *bad = change_spec_error(s, &why);

	if (bad) {
		refuse(c, ENGINE_INVALID, -EINVAL, bad, why);
	} else if (s->name && (!c->old_name || strcmp(c->old_name, s->name) != 0) &&
		   engine_pair(c->engine, s->name)) {
		refuse(c, ENGINE_PAIR_EXISTS, 0, s->name, NULL);
	} else if (c->old_name && !c->restart) {
		store(c);
	} else {
		c->work.run = check_path;
		c->work.done = with_path;
		worker_submit(c->engine->p.pool, WORKER_URGENT, &c->work);
	}
}

static void begin_later(void *arg)
{
	begin(arg);
}

bool changes_use(struct engine *e, const struct remote *remote)
{
	struct change *c;

	LIST_FOREACH(c, &e->changes, link)
		if (c->remote == remote)
			return true;
	return false;
}

int changes_profile_renamed(struct engine *e, const char *old_name, const char *new_name)
{
	struct change *c;

	LIST_FOREACH(c, &e->changes, link) {
		char *name;

		if (!c->spec->profile || strcmp(c->spec->profile, old_name) != 0)
			continue;
		name = strdup(new_name);
		if (!name)
			return -ENOMEM;
		free(c->spec->profile);
		c->spec->profile = name;
	}
	return 0;
}

static void start(struct change *c)
{
	if (loop_defer(c->engine->p.loop, begin_later, c) < 0)
		begin(c);
}

void engine_add(struct engine *e, struct pair_spec *spec, bool create_bucket, engine_pair_cb cb, void *arg)
{
	struct change *c = calloc(1, sizeof *c);

	if (!c) {
		pair_spec_free(spec);
		cb(arg,
		   &(const struct engine_error){
			   .kind = ENGINE_LOCAL, .code = -ENOMEM, .message = err_text(-ENOMEM)},
		   NULL, NULL);
		return;
	}
	*c = (struct change){.engine = e, .spec = spec, .create_bucket = create_bucket, .cb = cb, .arg = arg};
	LIST_INSERT_HEAD(&e->changes, c, link);
	spec->created_at_ms = clock_wall_ms();
	start(c);
}

static int replace(char **field, const char *value, bool *changed)
{
	char *copy;

	if (!value || (*field && strcmp(*field, value) == 0))
		return 0;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	*changed = true;
	return 0;
}

static void replace_number(int64_t *field, int64_t value)
{
	if (value != PAIR_KEEP)
		*field = value;
}

void engine_update(struct engine *e, const char *name, const struct pair_changes *x, engine_pair_cb cb,
		   void *arg)
{
	struct pair *p = engine_pair(e, name);
	struct change *c = p ? calloc(1, sizeof *c) : NULL;
	struct pair_spec *s = c ? pair_spec_copy(p->spec) : NULL;
	bool renamed = false, prefix_changed = false, bucket_changed = false;
	int r = 0;

	if (!p || p->removed) { /* none, or in the middle of another change */
		cb(arg,
		   &(const struct engine_error){
			   .kind = p ? ENGINE_BUSY : ENGINE_NO_SUCH_PAIR, .code = 1, .subject = name},
		   NULL, NULL);
		pair_spec_free(s);
		free(c);
		return;
	}
	if (s) {
		*c = (struct change){.engine = e,
				     .spec = s,
				     .old_name = strdup(name),
				     .cb = cb,
				     .arg = arg,
				     .adopt = x->adopt_root};
		LIST_INSERT_HEAD(&e->changes, c, link);
		r |= replace(&s->name, x->name, &renamed);
		r |= replace(&s->profile, x->profile, &c->restart);
		r |= replace(&s->bucket, x->bucket, &bucket_changed);
		r |= replace(&s->remote_prefix, x->remote_prefix, &prefix_changed);
		r |= replace(&s->local_path, x->local_path, &c->adopt);
	}
	if (!s || r < 0 || !c->old_name) {
		if (s)
			change_free(c);
		else
			free(c);
		cb(arg,
		   &(const struct engine_error){
			   .kind = ENGINE_LOCAL, .code = -ENOMEM, .message = err_text(-ENOMEM)},
		   NULL, NULL);
		return;
	}
	if (x->mode != PAIR_KEEP && (enum pair_mode)x->mode != s->mode) {
		s->mode = (enum pair_mode)x->mode;
		c->restart = true;
	}
	if (x->foreign != PAIR_KEEP)
		s->foreign = (enum pair_foreign)x->foreign;
	if (x->secrets != PAIR_KEEP && (bool)x->secrets != s->secrets) {
		s->secrets = x->secrets;
		c->restart = true; /* what is covered changes: everything is looked at again */
	}
	replace_number(&s->settle_ms, x->settle_ms);
	replace_number(&s->rescan_seconds, x->rescan_seconds);
	replace_number(&s->max_deletes, x->max_deletes);
	replace_number(&s->max_delete_percent, x->max_delete_percent);
	replace_number(&s->rescue_bytes, x->rescue_bytes);
	/* Saying the same bucket again is how its user accepts that it was made anew, and is empty. */
	c->accept_bucket = x->bucket && (p->trouble & TROUBLE_REMOTE_GONE);
	c->first_again = bucket_changed || prefix_changed || c->adopt || c->accept_bucket;
	c->restart = c->restart || c->first_again;
	start(c);
}

struct removal {
	struct engine *engine;
	char *name;
	engine_done_cb cb;
	void *arg;
};

static void removed(void *arg, struct pair *fresh)
{
	struct removal *x = arg;

	report_removed(x->engine, x->name);
	x->cb(x->arg, &(const struct engine_error){0});
	free(x->name);
	free(x);
}

void engine_remove(struct engine *e, const char *name, engine_done_cb cb, void *arg)
{
	struct pair *p = engine_pair(e, name);
	struct removal *x = p ? calloc(1, sizeof *x) : NULL;
	struct engine_error error = {.kind = p ? ENGINE_LOCAL : ENGINE_NO_SUCH_PAIR, .subject = name};

	/* One that is only started anew, for another credential, can go as well; a change has its own end. */
	if (p && p->removed && (!p->successor || p->on_reaped)) {
		free(x);
		cb(arg, &(const struct engine_error){.kind = ENGINE_BUSY, .code = 1, .subject = name});
		return;
	}
	if (x)
		*x = (struct removal){.engine = e, .name = strdup(name), .cb = cb, .arg = arg};
	error.code = !x || !x->name ? -ENOMEM : pairfile_remove(e->p.config_dir, name);
	if (!p || error.code < 0) {
		if (x)
			free(x->name);
		free(x);
		error.message = err_text(error.code);
		cb(arg, &error);
		return;
	}
	p->successor = pair_spec_free(p->successor);
	p->on_reaped = removed;
	p->reaped_arg = x;
	p->removed = p->forget = true;
	waits_drop_pair(p, false);
	pair_stop_work(p);
	pair_pump_later(p);
}
