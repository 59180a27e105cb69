/* The engine: the set of pairs, and the plain questions about them. Adding and changing pairs is in change.c,
 * barriers in wait.c, dry runs in dryrun.c, holds in holds.c. */
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/names.h"
#include "sync/pair.h"
#include <errno.h>
#include <malloc.h>
#include <sys/stat.h>

#define HISTORY_PRUNE_MS  (3600 * 1000LL) /* while there is something to prune */
#define HISTORY_PRUNE_MAX 5000            /* rows a turn: bounded work on the loop */

struct pair *engine_pair(struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->n_pairs; i++)
		if (engine_lists(e->pairs[i]) && strcmp(e->pairs[i]->spec->name, name) == 0)
			return e->pairs[i];
	return NULL;
}

/* A pair that is being started anew is there all the time. */
bool engine_lists(const struct pair *p)
{
	return !p->removed || p->successor;
}

void engine_own_dirs(struct engine *e, struct local_rules *rules)
{
	struct stat st;

	rules->own_count = 0;
	for (size_t i = 0;
	     e->p.own_dirs && e->p.own_dirs[i] && rules->own_count < (int)ARRAY_SIZE(rules->own_dev); i++)
		if (stat(e->p.own_dirs[i], &st) == 0) {
			rules->own_dev[rules->own_count] = st.st_dev;
			rules->own_ino[rules->own_count++] = st.st_ino;
		}
	if (rules->own_count < (int)ARRAY_SIZE(rules->own_dev) && stat(trash_dir(e->trash), &st) == 0) {
		rules->own_dev[rules->own_count] = st.st_dev;
		rules->own_ino[rules->own_count++] = st.st_ino;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct pair *const *)a)->spec->name, (*(struct pair *const *)b)->spec->name);
}

void engine_sort(struct engine *e)
{
	qsort(e->pairs, e->n_pairs, sizeof *e->pairs, by_name);
}

/* What the rows of a pair belong to. */
static void identity(const struct pair_spec *spec, const char *server, char out[256])
{
	struct digest d;
	char hex[DIGEST_HEX_SIZE];
	_cleanup_free_ char *text = NULL;

	/* Hashed, so that any length fits; the part before the slash says whether the rows still mean the
	 * same remote paths. */
	if (asprintf(&text, "%s\n%s\n%s", server ? server : "", spec->bucket, spec->remote_prefix) < 0 ||
	    digest_of(text, strlen(text), &d) < 0) {
		out[0] = '\0';
		return;
	}
	digest_to_hex(&d, hex);
	snprintf(out, 256, "%s/%s/", hex, pair_mode_name(spec->mode));
	free(STEAL(text));
	if (digest_of(spec->local_path, strlen(spec->local_path), &d) < 0)
		return;
	digest_to_hex(&d, hex);
	snprintf(out + strlen(out), 256 - strlen(out), "%s", hex);
}

/* Before any pair of the server writes, whether or not this one's root is there: what another pair sends may
 * have the bytes of a write in doubt here. */
static int load_notes(struct pair *p)
{
	int r = doubt_load(p);

	p->known = r >= 0; /* else all of it is done again */
	return MIN(r, 0);
}

/* Fills ip; begins a first sync where the index does not know the pair as it is now. */
int engine_load_index(struct pair *p)
{
	struct index *index = p->engine->p.index;
	char now[256];
	const char *name, *server = NULL;
	struct remote *remote;
	int r;

	if (p->engine->p.remote_of(p->engine->p.remote_arg, p->spec->profile, &remote, &name) >= 0)
		server = remote->server_key;
	r = index_pair_get(index, p->spec->id, &p->ip);
	if (r == -ENOENT) {
		p->ip = (struct index_pair){.first_sync = true};
		snprintf(p->ip.id, sizeof p->ip.id, "%s", p->spec->id);
		identity(p->spec, server, p->ip.identity);
		r = index_pair_put(index, &p->ip, true);
		if (r >= 0)
			p->known = true;
		return r;
	}
	if (r < 0)
		return r;
	p->known = true;
	if (!server)
		return load_notes(p); /* without its profile nobody knows which server it was; nothing is done
			     until there is one */
	identity(p->spec, server, now);
	if (strcmp(now, p->ip.identity) != 0 || p->begins_anew) {
		bool same_remote = strncmp(now, p->ip.identity, DIGEST_HEX_SIZE - 1) == 0;

		memcpy(p->ip.identity, now, sizeof now);
		if (!same_remote || p->begins_anew)
			p->ip.bucket_created_at[0] = '\0';
		/* The new identity is not believed while the rows of another one are there. */
		r = pair_begin_first_sync(p, "the pair is not what the index knows", !same_remote);
		p->known = r >= 0;
	}
	return r < 0 ? r : load_notes(p);
}

int engine_attach(struct engine *e, struct pair_spec *spec, bool first_again, bool take_root,
		  struct pair **ret_pair)
{
	struct pair **more = realloc(e->pairs, (e->n_pairs + 1) * sizeof *more);
	struct pair *p;
	int r;

	if (!more)
		return -ENOMEM;
	e->pairs = more;
	p = pair_new(e, spec);
	if (!p)
		return -ENOMEM;
	p->take_root = take_root;
	e->pairs[e->n_pairs++] = p;
	engine_sort(e);
	p->begins_anew = first_again;
	r = engine_load_index(p);
	if (r < 0)
		pair_index_failed(p, r);
	pair_start(p);
	if (ret_pair)
		*ret_pair = p;
	return 0;
}

#define REST_MS 5000 /* so long nothing large has ended: the next burst would only take the memory again */

static void rest(void *arg)
{
	struct engine *e = arg;

	for (size_t i = 0; i < e->n_pairs; i++)
		if (e->pairs[i]->walk || items_active(e->pairs[i]) > QUEUE_LOW) {
			engine_rest_later(e);
			return;
		}
	(void)malloc_trim(0); /* takes a few milliseconds after a large burst */
}

void engine_rest_later(struct engine *e)
{
	if (!e->stopping)
		loop_timer_set(e->p.loop, &e->rest_timer, REST_MS, rest, e);
}

static void prune(void *arg)
{
	struct engine *e = arg;
	int64_t wall = clock_wall_ms();
	int n = index_history_prune(e->p.index, wall - e->p.settings->history_days * DAY_MS,
				    e->p.settings->history_bytes, HISTORY_PRUNE_MAX);

	if (n < 0)
		log_warning("history could not be pruned: %s", err_text(n));
	if (index_remember_expire(e->p.index, wall) < 0)
		log_warning("remembered writes could not be pruned");
	loop_timer_set(e->p.loop, &e->day_timer, n > 0 ? 1000 : HISTORY_PRUNE_MS, prune, e);
}

int engine_new(const struct engine_params *params, struct engine **ret_engine)
{
	struct engine *e = calloc(1, sizeof *e);
	struct pair_spec **specs = NULL;
	size_t n = 0;
	char *warnings = NULL;
	int r;

	if (!e)
		return -ENOMEM;
	e->p = *params;
	r = watch_new(e->p.loop, &e->watch);
	if (r < 0) {
		log_error("inotify: %s; raise fs.inotify.max_user_instances", err_text(r));
		free(e);
		return r;
	}
	r = trash_new(NULL, &e->trash);
	if (r >= 0)
		r = pairfile_load_all(e->p.config_dir, &specs, &n, &warnings);
	log_warning_lines(warnings);
	free(warnings);
	for (size_t i = 0; i < n; i++) {
		if (r >= 0)
			r = engine_attach(e, specs[i], false, false, NULL);
		if (r < 0)
			pair_spec_free(specs[i]);
	}
	free(specs);
	if (r < 0) {
		engine_free(e);
		return r;
	}
	loop_timer_set(e->p.loop, &e->day_timer, 1000, prune, e);
	*ret_engine = e;
	return 0;
}

/* --- ending --- */

void engine_rescans_over(struct rescan_list *list, const struct engine_error *error)
{
	struct rescan_waiter *w;

	while ((w = LIST_FIRST(list))) {
		struct rescan_call *call = w->call;

		LIST_REMOVE(w, link);
		free(w);
		if (--call->left)
			continue;
		if (call->cb)
			call->cb(call->arg, error);
		free(call);
	}
}

static void move_rescans(struct rescan_list *from, struct rescan_list *to)
{
	struct rescan_waiter *w;

	while ((w = LIST_FIRST(from))) {
		LIST_REMOVE(w, link);
		LIST_INSERT_HEAD(to, w, link);
	}
}

/* Who waits for a pair that is started anew waits for the scan it starts with. */
static void pass_rescans_on(struct rescan_list *waiting, const char *name, struct pair *fresh)
{
	const struct engine_error gone = {.kind = ENGINE_NO_SUCH_PAIR, .subject = name};

	if (fresh)
		move_rescans(waiting, &fresh->rescan_waiters);
	else
		engine_rescans_over(waiting, &gone);
}

void engine_reap(struct engine *e)
{
	for (size_t i = 0; i < e->n_pairs; i++) {
		struct pair *p = e->pairs[i], *fresh = NULL;
		struct pair_spec *successor = p->successor;
		bool first_again = p->first_again, take = p->take_root, accept = p->accept_empty;
		struct rescan_list rescans = LIST_HEAD_INITIALIZER(rescans);
		void (*on_reaped)(void *, struct pair *) = p->on_reaped;
		void *arg = p->reaped_arg;

		if (!p->removed || pair_busy(p) || (successor && e->stopping))
			continue;
		if (p->forget) { /* first the marker, then the rows */
			p->forget = false;
			p->forgetting = true;
			root_release(p);
			if (p->root_job)
				continue;
		}
		if (p->forgetting) {
			int r = p->known ? index_pair_remove(e->p.index, p->ip.key) : 0;

			if (r < 0)
				log_warning("the index of a removed pair stays: %s", err_text(r));
		}
		memmove(e->pairs + i, e->pairs + i + 1, (e->n_pairs - i - 1) * sizeof *e->pairs);
		e->n_pairs--;
		if (p->server)
			server_forget_pair(p->server, p);
		waits_drop_pair(p, successor != NULL);
		move_rescans(&p->rescan_waiters, &rescans);
		_cleanup_free_ char *name = STEAL(p->spec->name);

		p->successor = NULL;
		pair_free(p);
		if (successor && engine_attach(e, successor, first_again, take, &fresh) < 0) {
			log_error("pair %s could not be started again: %s", successor->name,
				  err_text(-ENOMEM));
			pair_spec_free(successor);
		}
		if (fresh)
			fresh->accept_empty = accept;
		if (successor)
			waits_renew_pair(e, fresh);
		pass_rescans_on(&rescans, name, fresh);
		if (on_reaped)
			on_reaped(arg, fresh);
		i = (size_t)-1; /* the set changed */
	}
	engine_check_stopped(e);
}

void engine_check_stopped(struct engine *e)
{
	void (*stopped)(void *) = e->stopped;

	if (!e->stopping || !stopped)
		return;
	for (size_t i = 0; i < e->n_pairs; i++)
		if (pair_busy(e->pairs[i]) || e->pairs[i]->forget || e->pairs[i]->forgetting)
			return; /* nobody would ever ask for the rest of what a removed pair leaves */
	e->stopped = NULL;
	loop_timer_stop(&e->stop_timer);
	stopped(e->stopped_arg);
}

static void stop_now(void *arg)
{
	struct engine *e = arg;

	for (size_t i = 0; i < e->n_pairs; i++)
		pair_stop_work(e->pairs[i]);
	engine_check_stopped(e);
}

static void check_stopped(void *arg)
{
	engine_check_stopped(arg);
}

void engine_stop(struct engine *e, int64_t within_ms, void (*done)(void *arg), void *arg)
{
	e->stopping = true;
	e->stopped = done;
	e->stopped_arg = arg;
	for (size_t i = 0; i < e->n_pairs; i++) {
		walk_cancel(e->pairs[i]);
		doubt_cancel(e->pairs[i]);
		if (e->pairs[i]->server)
			server_cancel_probe(e->pairs[i]->server, e->pairs[i]);
	}
	/* What runs may finish for most of the time; then it is cut, and the cut needs a moment too. */
	loop_timer_set(e->p.loop, &e->stop_timer, within_ms * 3 / 4, stop_now, e);
	if (loop_defer(e->p.loop, check_stopped, e) < 0)
		engine_check_stopped(e);
}

struct engine *engine_free(struct engine *e)
{
	if (!e)
		return NULL;
	loop_undefer(e->p.loop, e);
	e->stopping = true;
	for (size_t i = 0; i < e->n_pairs; i++) {
		struct pair *p = e->pairs[i];

		pass_rescans_on(&p->rescan_waiters, p->spec->name, NULL);
		if (p->on_reaped)
			p->on_reaped(p->reaped_arg, NULL);
	}
	changes_cancel(e);
	for (size_t i = 0; i < e->n_pairs; i++)
		pair_free(e->pairs[i]);
	bequests_drop(e, INT64_MAX);
	free(e->pairs);
	loop_timer_done(&e->stop_timer);
	loop_timer_done(&e->day_timer);
	loop_timer_done(&e->rest_timer);
	watch_free(e->watch);
	trash_free(e->trash);
	free(e);
	return NULL;
}

/* --- what changes around it --- */

void engine_settings_changed(struct engine *e)
{
	for (size_t i = 0; i < e->n_pairs; i++) {
		pair_set_settings(e->pairs[i]);
		loop_timer_stop(&e->pairs[i]->rescan_timer);
		pair_arm_timers(e->pairs[i]);
		report_changed(e->pairs[i]);
	}
}

/* What will be there when a restart under way is over; NULL: the pair is being removed. */
static struct pair_spec *lasting(const struct pair *p)
{
	return p->removed ? p->successor : p->spec;
}

static bool uses(const struct pair *p, const char *profile)
{
	const struct pair_spec *spec = lasting(p);

	return spec && strcmp(spec->profile, profile) == 0;
}

void engine_profile_changed(struct engine *e, const char *profile)
{
	for (size_t i = 0; i < e->n_pairs; i++)
		if (uses(e->pairs[i], profile) && !e->pairs[i]->removed)
			engine_restart_pair(e, e->pairs[i], NULL, false, NULL, NULL);
}

bool engine_uses_remote(struct engine *e, const struct remote *remote)
{
	for (size_t i = 0; i < e->n_pairs; i++)
		if (e->pairs[i]->remote == remote)
			return true;
	return plans_use(e, remote) || changes_use(e, remote);
}

bool engine_uses_profile(struct engine *e, const char *profile, const char **ret_pair)
{
	for (size_t i = 0; i < e->n_pairs; i++)
		if (uses(e->pairs[i], profile)) {
			*ret_pair = lasting(e->pairs[i])->name;
			return true;
		}
	return false;
}

int engine_profile_renamed(struct engine *e, const char *old_name, const char *new_name)
{
	int r = changes_profile_renamed(e, old_name, new_name);

	for (size_t i = 0; i < e->n_pairs && r >= 0; i++) {
		struct pair_spec *spec = lasting(e->pairs[i]);
		char *name;

		if (!uses(e->pairs[i], old_name))
			continue;
		name = strdup(new_name);
		if (!name)
			return -ENOMEM;
		free(spec->profile);
		spec->profile = name;
		r = pairfile_save(e->p.config_dir, spec);
	}
	return r;
}

void engine_check_all(struct engine *e)
{
	struct server *s;

	LIST_FOREACH(s, &e->servers, link)
		server_wake(s); /* the next try may be ten minutes away */
	for (size_t i = 0; i < e->n_pairs; i++) {
		struct pair *p = e->pairs[i];

		if (p->started)
			walk_want(p, "", true, true, false);
		/* These wait for a time of day, on timers that stood still. */
		if (p->spec->paused && p->spec->paused_until_ms)
			pair_arm_pause(p);
		pair_warn_expiry(p);
	}
}

const char *engine_profile_state(struct engine *e, const char *profile, const char **ret_last_error)
{
	const char *state = NULL;

	for (size_t i = 0; i < e->n_pairs; i++) {
		struct pair *p = e->pairs[i];

		if (!uses(p, profile))
			continue;
		*ret_last_error = p->trouble & TROUBLE_LOGIN ? pair_last_error(p)
				  : p->server                ? p->server->last_error
							     : NULL;
		if (p->trouble & TROUBLE_LOGIN)
			return "login_required";
		if (p->server && p->server->down)
			return "offline";
		state = "ready";
	}
	return state;
}

unsigned engine_transfers(struct engine *e)
{
	unsigned n = 0;

	for (size_t i = 0; i < e->n_pairs; i++) {
		struct pair *p = e->pairs[i];

		n += p->small != NULL;
		n += p->deleting != NULL;
		n += singles_running(p);
	}
	return n;
}

/* --- questions --- */

static struct pair *nth(struct engine *e, size_t i)
{
	for (size_t k = 0; k < e->n_pairs; k++)
		if (engine_lists(e->pairs[k]) && i-- == 0)
			return e->pairs[k];
	return NULL;
}

size_t engine_count(struct engine *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_pairs; i++)
		n += engine_lists(e->pairs[i]);
	return n;
}

const struct pair_spec *engine_spec_at(struct engine *e, size_t i)
{
	struct pair *p = nth(e, i);

	return p ? p->spec : NULL;
}

const struct pair_spec *engine_spec(struct engine *e, const char *name)
{
	struct pair *p = engine_pair(e, name);

	return p ? p->spec : NULL;
}

int engine_status_of(struct engine *e, const char *name, struct engine_status *ret_status)
{
	struct pair *p = engine_pair(e, name);

	if (!p)
		return -ENOENT;
	report_status(p, ret_status);
	return 0;
}

static int for_each(struct engine *e, const char *name, int (*f)(struct pair *p, void *arg), void *arg)
{
	int r = name && !engine_pair(e, name) ? -ENOENT : 0;

	for (size_t i = 0; i < e->n_pairs && r >= 0; i++)
		if (!e->pairs[i]->removed && (!name || strcmp(e->pairs[i]->spec->name, name) == 0))
			r = f(e->pairs[i], arg);
	return r;
}

static int pause_one(struct pair *p, void *arg)
{
	int64_t seconds = *(int64_t *)arg;
	int r;

	p->spec->paused = true;
	p->spec->paused_until_ms = seconds > 0 ? clock_wall_ms() + seconds * 1000 : 0;
	r = pairfile_save(p->engine->p.config_dir, p->spec);
	pair_stop_work(p);
	if (seconds > 0)
		pair_arm_pause(p);
	else
		loop_timer_stop(&p->pause_timer);
	pair_arm_timers(p);
	wait_check(p);
	report_changed(p);
	return r;
}

int engine_pause(struct engine *e, const char *name, int64_t seconds)
{
	return for_each(e, name, pause_one, &seconds);
}

static int resume_one(struct pair *p, void *arg)
{
	const bool *asked = arg;
	int r = 0;

	if (p->spec->paused) {
		p->spec->paused = false;
		p->spec->paused_until_ms = 0;
		r = pairfile_save(p->engine->p.config_dir, p->spec);
	}
	pair_resume_from_pause(p, *asked);
	return r;
}

int engine_resume(struct engine *e, const char *name)
{
	return for_each(e, name, resume_one, &(bool){true});
}

int engine_pause_over(struct pair *p)
{
	return resume_one(p, &(bool){false});
}

struct rescan {
	const char *path;
	bool verify;
	struct rescan_call *call; /* NULL: nobody waits */
};

static int rescan_one(struct pair *p, void *arg)
{
	struct rescan *x = arg;
	_cleanup_free_ char *encoded = x->path && *x->path ? names_encode(x->path) : strdup("");
	_cleanup_free_ char *prefix = NULL;

	if (!encoded || asprintf(&prefix, "%s%s", encoded, *encoded ? "/" : "") < 0)
		return -ENOMEM;
	if (x->call) {
		struct rescan_waiter *w = calloc(1, sizeof *w);

		if (!w)
			return -ENOMEM;
		w->call = x->call;
		x->call->left++;
		LIST_INSERT_HEAD(&p->rescan_waiters, w, link);
	}
	if (*encoded) /* it may name a file */
		pair_hint(p, x->path, SETTLE_CLOSED);
	if (p->trouble & TROUBLE_REMOTE_GONE)
		pair_check_bucket(p); /* it may be back, or have been given more time */
	walk_want(p, prefix, true, true, x->verify);
	pair_arm_timers(p);
	return 0;
}

int engine_rescan(struct engine *e, const char *name, const char *path, bool verify_hashes,
		  engine_done_cb done, void *arg)
{
	struct rescan x = {
		.path = path, .verify = verify_hashes, .call = done ? calloc(1, sizeof *x.call) : NULL};
	int r = done && !x.call ? -ENOMEM : for_each(e, name, rescan_one, &x);

	if (x.call && r >= 0)
		*x.call = (struct rescan_call){.left = x.call->left, .cb = done, .arg = arg};
	if (x.call && !x.call->left) { /* no pair at all, or all of them in the middle of a change */
		free(x.call);
		r = r < 0 ? r : -ENOENT;
	}
	return r;
}

int engine_held(struct engine *e, const char *name, const char *after, int max, index_hold_cb cb, void *arg)
{
	struct pair *p = engine_pair(e, name);

	return p ? index_hold_range(e->p.index, p->ip.key, after, max, cb, arg) : -ENOENT;
}

int engine_skipped(struct engine *e, const char *name, const char *after, int max, index_skip_cb cb,
		   void *arg)
{
	struct pair *p = engine_pair(e, name);

	return p ? index_skip_range(e->p.index, p->ip.key, after, max, cb, arg) : -ENOENT;
}

int engine_history(struct engine *e, const char *name, const char *path, int64_t before_id, int max,
		   index_event_cb cb, void *arg)
{
	struct pair *p = name ? engine_pair(e, name) : NULL;

	if (name && !p)
		return -ENOENT;
	return index_history(e->p.index, p ? p->ip.key : 0, path, before_id, max, cb, arg);
}

/* --- one path --- */

/* The part of an absolute path below a pair's root; "" is the root, NULL: outside. */
static const char *below(const char *root, const char *path)
{
	size_t len = strlen(root);

	if (strncmp(root, path, len) != 0)
		return NULL;
	if (path[len] == '\0')
		return path + len;
	return path[len] == '/' ? path + len + 1 : NULL;
}

const char *engine_path_state(struct engine *e, const char *absolute_path, const char **ret_pair)
{
	*ret_pair = NULL;
	for (size_t i = 0; i < e->n_pairs; i++) {
		struct pair *p = e->pairs[i];
		const char *local = p->removed ? NULL : below(p->spec->local_path, absolute_path);
		_cleanup_free_ char *path = local && *local ? names_encode(local) : NULL;
		struct index_row row;
		struct index_hold hold;
		char reason[32];
		int64_t retry;

		if (!local)
			continue;
		*ret_pair = p->spec->name;
		if (!path)
			return report_in_sync(p) ? "synced" : "pending";
		if (ignore_path(&p->rules.ignore, local, false, NULL) == IGNORE_IGNORED)
			return "ignored";
		if (index_hold_get(e->p.index, p->ip.key, path, &hold) == 0)
			return "held";
		if (index_skip_get(e->p.index, p->ip.key, path, reason, &retry) == 0)
			return retry ? "error" : "skipped";
		if (item_find(p, path) || settle_has(p->settle, path))
			return "pending";
		return index_get(e->p.index, p->ip.key, path, &row) == 0 && row.synced ? "synced" : "none";
	}
	return "none";
}

int engine_test_ignore(struct engine *e, const char *name, const char *path, bool *ret_ignored,
		       const char **ret_rule)
{
	struct pair *p = engine_pair(e, name);
	const char *local = path;

	if (!p)
		return -ENOENT;
	if (path[0] == '/')
		local = below(p->spec->local_path, path);
	*ret_rule = NULL;
	*ret_ignored =
		local && *local && ignore_path(&p->rules.ignore, local, false, ret_rule) != IGNORE_COVERED;
	return 0;
}
