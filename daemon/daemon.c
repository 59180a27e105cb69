/* Owns every part, starts them in order and stops them in reverse: the only file that knows all of them. Here
 * too: the map from profiles to server clients, since the rooms on either side of it do not know each other.
 */
#include "daemon.h"
#include "api/api.h"
#include "api/remote.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "base/suspend.h"
#include "base/worker.h"
#include "build-id.h"
#include "config.h"
#include "http/http.h"
#include "ipc/ipc.h"
#include "store/index.h"
#include "store/profile.h"
#include "store/settings.h"
#include "store/state.h"
#include "sync/engine.h"
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/resource.h>

#define STOP_MS     5000 /* SIGTERM finishes or abandons transfers within this */
#define EXIT_CONFIG 78   /* sysexits.h EX_CONFIG: a restart does not help, the unit does not try */
#define DESCRIPTORS                                                                                          \
	4096 /* 256 connections of the socket, transfers, the index; asked for where the limit allows */
/* With --system: its members may do everything, and the socket is theirs. Without such a group, root alone.
 */
#define ADMIN_GROUP "carbonfilesd"
#define USER_AGENT  "carbonfilesd/" PACKAGE_VERSION

/* A profile's way to its server. */
struct client {
	char *profile;
	struct api *api;
	struct remote *remote;
	LIST_ENTRY(client) link;
};

struct daemon {
	const struct daemon_options *options;
	struct state_dirs dirs;
	char *settings_path, *index_path;
	const char *own_dirs[4]; /* NULL-terminated; the engine reads it for each new pair */
	struct settings settings;
	struct loop *loop;
	struct worker_pool *pool;
	struct index *index;
	struct http *http;
	struct profiles *profiles;
	LIST_HEAD(, client) clients, retired; /* retired: something of a pair still runs through it */
	struct loop_timer retired_timer;
	struct engine *engine;
	struct ipc *ipc;
	struct notify_watchdog *watchdog;
	struct suspend *suspend;
	struct event *on_term, *on_int, *on_hup;
	const char *state;
	int exit_status;
};

/* --- clients of profiles --- */

static enum api_auth auth_of(enum profile_auth auth)
{
	switch (auth) {
	case PROFILE_API_KEY: return API_AUTH_API_KEY;
	case PROFILE_ADMIN_KEY: return API_AUTH_ADMIN_KEY;
	case PROFILE_DASHBOARD_TOKEN: return API_AUTH_DASHBOARD_TOKEN;
	case PROFILE_UPLOAD_TOKEN: return API_AUTH_UPLOAD_TOKEN;
	case PROFILE_NONE: break;
	}
	return API_AUTH_NONE;
}

static void client_free(struct client *c)
{
	LIST_REMOVE(c, link);
	api_remote_free(c->remote);
	api_unref(c->api);
	free(c->profile);
	free(c);
}

static int client_of(struct daemon *d, const char *profile, struct client **ret_client)
{
	struct profile *p = profiles_find(d->profiles, profile);
	struct secret *secret = NULL;
	struct client *c;
	int r = 0;

	if (!p)
		return -ENOENT;
	LIST_FOREACH(c, &d->clients, link)
		if (strcmp(c->profile, p->name) == 0) {
			*ret_client = c;
			return 0;
		}
	c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	LIST_INSERT_HEAD(&d->clients, c, link);
	c->profile = strdup(p->name);
	if (p->secret)
		r = secret_new(secret_str(p->secret), secret_len(p->secret), &secret);
	if (r >= 0 && !c->profile)
		r = -ENOMEM;
	if (r >= 0)
		r = api_new(d->http, p->url, auth_of(p->auth), secret, &c->api);
	if (r >= 0)
		r = api_remote_new(c->api, &c->remote);
	if (r < 0) {
		client_free(c);
		return r;
	}
	*ret_client = c;
	return 0;
}

static int api_of(void *daemon, const char *profile, struct api **ret_api, const char **ret_name)
{
	struct client *c;
	int r = client_of(daemon, profile, &c);

	if (r < 0)
		return r;
	*ret_api = c->api;
	*ret_name = c->profile;
	return 0;
}

/* A client that belongs to no profile: Login tries a credential out with it. */
static int api_make(void *daemon, const char *url, enum api_auth auth, struct secret *secret,
		    struct api **ret_api)
{
	struct daemon *d = daemon;

	return api_new(d->http, url, auth, secret, ret_api);
}

static int remote_of(void *daemon, const char *profile, struct remote **ret_remote, const char **ret_name)
{
	struct daemon *d = daemon;
	struct profile *p = profiles_find(d->profiles, profile);
	struct client *c;
	int r;

	if (!p)
		return -ENOENT;
	if (p->auth == PROFILE_NONE || !p->secret)
		return -EACCES; /* nobody may write without one */
	r = client_of(d, p->name, &c);
	if (r < 0)
		return r;
	*ret_remote = c->remote;
	*ret_name = c->profile;
	return 0;
}

#define RETIRED_MS 200 /* cancelled calls have called back by then */

static void free_retired(void *arg)
{
	struct daemon *d = arg;
	struct client *c = LIST_FIRST(&d->retired);

	while (c) {
		struct client *next = LIST_NEXT(c, link);

		if (!engine_uses_remote(d->engine, c->remote))
			client_free(c);
		c = next;
	}
	if (!LIST_EMPTY(&d->retired))
		loop_timer_set(d->loop, &d->retired_timer, RETIRED_MS, free_retired, d);
}

/* The next that asks gets a new one; this one goes when the pairs have let go of it. */
static void retire_client(struct daemon *d, const char *profile)
{
	struct client *c;

	LIST_FOREACH(c, &d->clients, link)
		if (strcmp(c->profile, profile) == 0) {
			LIST_REMOVE(c, link);
			LIST_INSERT_HEAD(&d->retired, c, link);
			loop_timer_set(d->loop, &d->retired_timer, 0, free_retired, d);
			return;
		}
}

static void profile_changed(void *daemon, const char *profile)
{
	struct daemon *d = daemon;

	retire_client(d, profile);
	engine_profile_changed(d->engine, profile);
	ipc_tell(d->ipc, "profile", profile, NULL);
}

/* --- configuration --- */

static void use_log_level(struct daemon *d)
{
	log_set_level(
		(enum log_level)(d->options->log_level >= 0 ? d->options->log_level : d->settings.log_level));
}

static int configure_http(struct daemon *d)
{
	struct http_options options = {
		.ca_file = d->settings.ca_file, .proxy = d->settings.proxy, .user_agent = USER_AGENT};

	return d->http ? http_configure(d->http, &options) : http_new(d->loop, &options, &d->http);
}

static void settings_changed(void *daemon)
{
	struct daemon *d = daemon;

	use_log_level(d);
	if (configure_http(d) < 0)
		log_error("ca_file and proxy could not be applied; restart to use them");
	engine_settings_changed(d->engine);
	ipc_tell(d->ipc, "config", NULL, NULL);
}

/* Profiles whose files changed, appeared or went get new clients. */
static void reload_profiles(struct daemon *d)
{
	char *warnings = NULL;
	int r = profiles_reload(d->profiles, &warnings, profile_changed, d);

	log_warning_lines(warnings);
	free(warnings);
	if (r < 0)
		log_error("profiles could not be read again: %s", err_text(r));
}

static int reload(void *daemon, struct settings_error *error)
{
	struct daemon *d = daemon;
	int r;

	notify_reloading();
	r = settings_load(d->settings_path, &d->settings, error);
	if (r >= 0) {
		settings_changed(d);
		reload_profiles(d);
	}
	notify_ready();
	return r;
}

static void log_settings_error(const struct settings_error *error)
{
	char line[16] = "";

	if (error->line > 0)
		snprintf(line, sizeof line, ":%d", error->line);
	log_error("%s%s: %s%s%s", error->file ? error->file : "carbonfilesd.conf", line,
		  error->key ? error->key : "", error->key ? ": " : "",
		  error->reason ? error->reason : "refused");
}

/* --- signals and the end --- */

static void on_hup(evutil_socket_t sig, short what, void *arg)
{
	struct settings_error error = {0};

	log_info("SIGHUP: reading the configuration again");
	if (reload(arg, &error) < 0)
		log_settings_error(&error);
	settings_error_done(&error);
}

static void stopped(void *arg)
{
	struct daemon *d = arg;

	loop_stop(d->loop);
}

static void on_term(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	if (strcmp(d->state, "stopping") == 0)
		return;
	log_info("stopping");
	d->state = "stopping";
	notify_stopping();
	ipc_tell(d->ipc, "state", NULL, d->state);
	ipc_server_stop(ipc_server(d->ipc));
	engine_stop(d->engine, STOP_MS, stopped, d);
}

static void resumed(void *arg)
{
	struct daemon *d = arg;

	log_info("back from suspend: looking at everything again");
	engine_check_all(d->engine);
}

static const char *daemon_state(void *daemon)
{
	return ((struct daemon *)daemon)->state;
}

static int watch_signals(struct daemon *d)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (sigaction(SIGPIPE, &ignore, NULL) < 0)
		return -errno;
	d->on_term = evsignal_new(loop_base(d->loop), SIGTERM, on_term, d);
	d->on_int = evsignal_new(loop_base(d->loop), SIGINT, on_term, d);
	d->on_hup = evsignal_new(loop_base(d->loop), SIGHUP, on_hup, d);
	if (!d->on_term || !d->on_int || !d->on_hup || event_add(d->on_term, NULL) < 0 ||
	    event_add(d->on_int, NULL) < 0 || event_add(d->on_hup, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static void signal_free(struct event *e)
{
	if (e)
		event_free(e);
}

/* --- start --- */

/* Batches come and go as megabytes of small pieces. By default glibc returns them to the kernel after each
 * one and takes them again, page by page; measured, that was a tenth of the daemon's time in a first sync.
 * One arena: what workers read the loop frees, and an arena of their own would grow by a system call a page
 * and keep what it got. (Setting one of these stops glibc from adapting the others.) */
#define MALLOC_KEEP_BYTES (8 << 20)
#define MALLOC_MMAP_BYTES (8 << 20)
#define MALLOC_STEP_BYTES (1 << 20)

/* No credential in a core dump; enough descriptors where the hard limit allows. */
static void prepare_process(void)
{
	struct rlimit no_core = {0}, files;

	(void)mallopt(M_TRIM_THRESHOLD, MALLOC_KEEP_BYTES);
	(void)mallopt(M_MMAP_THRESHOLD, MALLOC_MMAP_BYTES);
	(void)mallopt(M_TOP_PAD, MALLOC_STEP_BYTES);
	(void)mallopt(M_ARENA_MAX, 1);

	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		log_warning("core dumps could not be switched off: %s", strerror(errno));
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < DESCRIPTORS) {
		files.rlim_cur = files.rlim_max < DESCRIPTORS ? files.rlim_max : DESCRIPTORS;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			log_warning("the limit of open files stays low: %s", strerror(errno));
	}
}

static int start_disk(struct daemon *d)
{
	_cleanup_free_ char *why = NULL;
	struct settings_error error = {0};
	int r = state_dirs_init(&d->dirs, d->options->system, &why);

	if (r >= 0)
		r = state_lock(&d->dirs, &why);
	if (r < 0) {
		log_error("%s", why ? why : err_text(r));
		return r;
	}
	d->settings_path = d->options->config ? strdup(d->options->config)
					      : fs_join(d->dirs.config, "carbonfilesd.conf");
	d->index_path = fs_join(d->dirs.state, "index.db");
	if (!d->settings_path || !d->index_path || settings_init(&d->settings) < 0)
		return -ENOMEM;
	if (d->options->config &&
	    access(d->options->config, F_OK) < 0) { /* only the usual one may be missing */
		log_error("%s: %s", d->options->config, strerror(errno));
		d->exit_status = EXIT_CONFIG;
		return -ENOENT;
	}
	r = settings_load(d->settings_path, &d->settings, &error);
	if (r < 0) {
		log_settings_error(&error);
		d->exit_status = EXIT_CONFIG;
	}
	settings_error_done(&error);
	use_log_level(d);
	return r;
}

static int start_store(struct daemon *d, bool *ret_fresh)
{
	char *warnings = NULL;
	int r = index_open(d->index_path, d->loop, d->pool, &d->index, ret_fresh);

	if (r < 0) {
		log_error("%s: %s", d->index_path, err_text(r));
		return r;
	}
	if (*ret_fresh)
		log_info("%s: a new index; what is equal on both sides is recognised, not sent again",
			 d->index_path);
	r = profiles_load(d->dirs.config, &d->profiles, &warnings);
	log_warning_lines(warnings);
	free(warnings);
	if (r < 0)
		log_error("profiles: %s", err_text(r));
	return r;
}

static int start_ipc(struct daemon *d)
{
	_cleanup_free_ char *why = NULL;
	struct ipc_context context = {
		.loop = d->loop,
		.pool = d->pool,
		.engine = d->engine,
		.profiles = d->profiles,
		.settings = &d->settings,
		.settings_path = d->settings_path,
		.dirs = &d->dirs,
		.version = PACKAGE_VERSION,
		.build = CF_BUILD,
		.started_at_ms = clock_wall_ms(),
		.daemon = d,
		.reload = reload,
		.settings_changed = settings_changed,
		.state = daemon_state,
		.api_of = api_of,
		.api_make = api_make,
		.profile_changed = profile_changed,
	};
	struct ipc_server_options options = {.version = PACKAGE_VERSION,
					     .system = d->options->system,
					     .admin_group = d->options->system ? ADMIN_GROUP : NULL,
					     .limits = ipc_limits_default};
	const char *path = d->settings.listen ? d->settings.listen : d->dirs.socket;
	int r = ipc_new(&context, &options, &d->ipc);

	if (r >= 0)
		r = ipc_server_adopt(ipc_server(d->ipc), &why);
	if (r == 0) {
		r = ipc_server_listen(ipc_server(d->ipc), path, &why);
		if (r >= 0)
			log_info("listening on %s", path);
	}
	if (r < 0)
		log_error("%s", why ? why : err_text(r));
	return r;
}

static int start(struct daemon *d)
{
	bool fresh = false;
	int r = start_disk(d);

	if (r < 0)
		return r;
	r = loop_new(&d->loop);
	if (r >= 0)
		r = watch_signals(d);
	if (r >= 0)
		r = worker_pool_new(d->loop, WORKER_THREADS, &d->pool);
	if (r >= 0)
		r = configure_http(d);
	if (r >= 0)
		r = start_store(d, &fresh);
	if (r < 0)
		return r;

	d->own_dirs[0] = d->dirs.config;
	d->own_dirs[1] = d->dirs.state;
	d->own_dirs[2] = d->dirs.runtime;
	struct engine_params params = {
		.loop = d->loop,
		.pool = d->pool,
		.index = d->index,
		.index_path = d->index_path,
		.index_fresh = fresh,
		.config_dir = d->dirs.config,
		.own_dirs = d->own_dirs,
		.settings = &d->settings,
		.remote_of = remote_of,
		.remote_arg = d,
	};

	r = engine_new(&params, &d->engine);
	if (r >= 0)
		r = start_ipc(d);
	if (r >= 0)
		r = notify_watchdog_new(d->loop, d->pool, &d->watchdog);
	if (r >= 0 && suspend_new(d->loop, resumed, d, &d->suspend) < 0)
		log_warning("a resume from suspend will not be noticed; the hourly scan remains");
	return r;
}

static void finish(struct daemon *d)
{
	struct client *c;

	suspend_free(d->suspend);
	notify_watchdog_free(d->watchdog);
	ipc_free(d->ipc);
	while ((c = LIST_FIRST(&d->clients)) || (c = LIST_FIRST(&d->retired)))
		client_free(c);
	loop_timer_done(&d->retired_timer);
	http_free(d->http); /* what still ran has called back by now */
	worker_pool_free(d->pool);
	engine_free(d->engine);
	profiles_free(d->profiles);
	index_close(d->index);
	signal_free(d->on_term);
	signal_free(d->on_int);
	signal_free(d->on_hup);
	loop_free(d->loop);
	settings_done(&d->settings);
	state_dirs_done(&d->dirs);
	free(d->settings_path);
	free(d->index_path);
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon d = {.options = options,
			   .state = "starting",
			   .exit_status = EXIT_FAILURE,
			   .dirs = {.lock_fd = -1}};
	int r;

	log_init();
	prepare_process();
	r = start(&d);
	if (r >= 0) {
		d.state = "running";
		ipc_tell(d.ipc, "state", NULL, d.state);
		notify_ready();
		log_info("carbonfilesd %s is ready", PACKAGE_VERSION);
		r = loop_run(d.loop);
		d.exit_status = r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	finish(&d);
	return d.exit_status;
}
