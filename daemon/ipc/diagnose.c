/* Diagnose: the checks that cost nothing first, then one profile after another is asked, then a worker looks
 * through the trees of the pairs for a bounded time. Findings go out as they come. */
#include "ipc/diagnose.h"
#include "ipc/methods.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/util.h"
#include "sync/ignore.h"
#include "sync/names.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define FILES_WANTED         4096  /* descriptors: connections, transfers and watches at once, with room */
#define WALK_ENTRIES         50000 /* of one tree: the look is a sample, a tree of a million is not walked */
#define WALK_MS              2000  /* of one tree */
#define WALK_DEPTH           24    /* descriptors held at once */
#define WATCHES_NEAR_PERCENT 90    /* of the limit, before it is a warning */
#define CLOCK_OLDEST_MS      1767225600000LL /* 2026-01-01: no build of this program is older */
/* Clocks that are set over the network are milliseconds apart, Date and the way here blur a second or two. A
 * minute is when dates of expiry and history begin to mislead, and tokens that live for minutes are refused.
 */
#define CLOCK_OFF_MS 60000

struct tree {
	char *pair, *root, *root_text;
	bool carries_secrets;
	int64_t secrets, torn;
	char *secret_example, *torn_example;
	int error; /* the root cannot be read */
	bool cut;
};

struct diagnosis {
	struct ipc *ipc;
	struct ipc_call *call;
	struct json_object
		*pending;         /* the last finding: it goes out when it is known whether another follows */
	struct json_object *list; /* all of them, without 'more' */
	bool failed;
	char **profiles; /* still to be asked, NULL-terminated */
	size_t next_profile;
	struct api_call *running;
	bool probing;
	struct tree *trees;
	size_t n_trees;
	struct worker_job job;
	_Atomic bool cancelled;
	bool walking;
};

static void diagnosis_free(struct diagnosis *d)
{
	json_object_put(d->pending);
	json_object_put(d->list);
	for (size_t i = 0; d->profiles && d->profiles[i]; i++)
		free(d->profiles[i]);
	free(d->profiles);
	for (size_t i = 0; i < d->n_trees; i++) {
		free(d->trees[i].pair);
		free(d->trees[i].root);
		free(d->trees[i].root_text);
		free(d->trees[i].secret_example);
		free(d->trees[i].torn_example);
	}
	free(d->trees);
	free(d);
}

/* Without 'more' one reply holds all findings, with it each has its own and the last is held back to be last.
 */
static void send_pending(struct diagnosis *d, bool last)
{
	struct reply r = reply_new();
	struct json_object *list = d->list;

	if (ipc_call_more(d->call)) {
		list = json_object_new_array();
		if (d->pending && list && !reply_append(list, STEAL(d->pending)))
			r.failed = true;
	} else
		d->list = NULL;
	reply_add(&r, "findings", list);
	if (!last)
		(void)reply_continue(d->call, &r);
	else if (d->failed) {
		json_object_put(reply_take(&r));
		ipc_call_no_memory(d->call);
	} else
		reply_send(d->call, &r);
}

static void found(struct diagnosis *d, const char *check, const char *severity, const char *subject,
		  const char *message, const char *advice)
{
	struct reply r = reply_new();

	reply_string(&r, "check", check);
	reply_string(&r, "severity", severity);
	reply_string(&r, "subject", subject);
	reply_string(&r, "message", message);
	reply_string(&r, "advice", advice);
	struct json_object *finding = reply_take(&r);

	if (!finding)
		d->failed = true;
	else if (!ipc_call_more(d->call)) {
		if (!reply_append(d->list, finding))
			d->failed = true;
	} else {
		if (d->pending)
			send_pending(d, false);
		d->pending = finding;
	}
}

static void _printf_(6, 7) found_f(struct diagnosis *d, const char *check, const char *severity,
				   const char *subject, const char *advice, const char *format, ...)
{
	_cleanup_free_ char *message = NULL;
	va_list args;

	va_start(args, format);
	int n = vasprintf(&message, format, args);

	va_end(args);
	if (n < 0) {
		message = NULL;
		d->failed = true;
		return;
	}
	found(d, check, severity, subject, message, advice);
}

static void check_socket(struct diagnosis *d)
{
	const char *path = d->ipc->context.settings->listen ? d->ipc->context.settings->listen
							    : d->ipc->context.dirs->socket;
	struct stat st;

	if (lstat(path, &st) < 0)
		found_f(d, "socket", "problem", path,
			"programs that connect from now on cannot reach the daemon: restart it",
			"the socket is not there any more: %s", strerror(errno));
	else if (!S_ISSOCK(st.st_mode))
		found(d, "socket", "problem", path, "something else is at the socket's path",
		      "remove it and restart the daemon");
	else if (!ipc_server_is_system(d->ipc->server) && (st.st_mode & 077))
		found_f(d, "socket", "warning", path, "chmod 600 it; others are refused all the same",
			"mode %04o lets others connect", (unsigned)st.st_mode & 07777);
	else
		found(d, "socket", "note", path, "the daemon answers here", NULL);
}

static void check_descriptors(struct diagnosis *d)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur < FILES_WANTED)
		found_f(d, "limits", "warning", "descriptors",
			"raise LimitNOFILE= of the service, or ulimit -n",
			"%" PRIu64 " open files are allowed, %d are good to have", (uint64_t)limit.rlim_cur,
			FILES_WANTED);
	else
		found_f(d, "limits", "note", "descriptors", NULL, "%" PRIu64 " open files are allowed",
			(uint64_t)limit.rlim_cur);
}

static int64_t read_number(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	return fs_read_file(path, 64, &text, &len) < 0 ? -1 : strtoll(text, NULL, 10);
}

static void check_watches(struct diagnosis *d)
{
	int64_t limit = read_number("/proc/sys/fs/inotify/max_user_watches"), used = 0, polled = 0;
	struct engine *engine = d->ipc->context.engine;

	for (size_t i = 0; i < engine_count(engine); i++) {
		struct engine_status status;

		if (engine_status_of(engine, engine_spec_at(engine, i)->name, &status) < 0)
			continue;
		used += status.watched_directories;
		polled += status.polled_directories;
	}
	const char *advice = "sysctl fs.inotify.max_user_watches=524288 (and the same line in /etc/sysctl.d)";

	if (polled > 0)
		found_f(d, "watches", "problem", "inotify", advice,
			"%" PRId64 " directories have no watch and are read on a timer; %" PRId64
			" have one, the limit is %" PRId64,
			polled, used, limit);
	else if (limit >= 0 && used * 100 > limit * WATCHES_NEAR_PERCENT)
		found_f(d, "watches", "warning", "inotify", advice,
			"%" PRId64 " of %" PRId64 " watches are used", used, limit);
	else if (limit >= 0)
		found_f(d, "watches", "note", "inotify", NULL, "%" PRId64 " of %" PRId64 " watches are used",
			used, limit);
}

static void check_clock(struct diagnosis *d)
{
	if (clock_wall_ms() < CLOCK_OLDEST_MS)
		found(d, "clock", "problem", "local", "the clock of this machine is years behind",
		      "set it: timedatectl set-ntp true");
}

static void ask_next(struct diagnosis *d);

static void on_probe(void *arg, const struct api_error *error, const char *role)
{
	struct diagnosis *d = arg;
	const char *profile = d->profiles[d->next_profile];

	d->running = NULL;
	if (!ipc_call_gone(d->call)) {
		if (error->code == 0)
			found_f(d, "credential", "note", profile, NULL, "the server accepts it, role %s",
				role);
		else if (error->code == ERR_AUTH)
			found_f(d, "credential", "problem", profile, "log in again: cfctl login",
				"the server refuses the credential: %s", error->message);
		else
			found_f(d, "credential", "warning", profile, error->hint,
				"it could not be checked: %s", error->message);
	}
	d->next_profile++;
	ask_next(d);
}

/* Whose clock is wrong nobody can say; but this one can be set. */
static void compare_clocks(struct diagnosis *d, const char *profile, const struct api_health *health)
{
	int64_t ahead = health->clock_ahead_ms, off = ahead < 0 ? -ahead : ahead;
	char theirs[CLOCK_RFC3339_MAX];

	if (!health->has_clock)
		return;
	clock_format_rfc3339(health->clock_ms, theirs);
	if (off > CLOCK_OFF_MS)
		found_f(d, "clock", "warning", profile,
			"set it: timedatectl set-ntp true; or have the server's set, if that is the wrong "
			"one",
			"the clock of this machine is %" PRId64 " s %s the server's, which says %s",
			off / 1000, ahead > 0 ? "behind" : "ahead of", theirs);
	else
		found_f(d, "clock", "note", profile, NULL, "it agrees with the server's to %" PRId64 " s",
			off / 1000 + 1);
}

static void on_health(void *arg, const struct api_error *error, const struct api_health *health)
{
	struct diagnosis *d = arg;
	const char *profile = d->profiles[d->next_profile];
	struct api *api = NULL;
	const char *name;

	d->running = NULL;
	if (!ipc_call_gone(d->call)) {
		if (error->code != 0)
			found_f(d, "server", "problem", profile,
				"check the address (cfctl profile show), the network and the proxy setting",
				"%s does not answer: %s", error->url ? error->url : "the server",
				error->message);
		else if (strcmp(health->status, "healthy") != 0)
			found_f(d, "server", "warning", profile, NULL, "it says of itself: %s, database %s",
				health->status, health->db);
		else
			found_f(d, "server", "note", profile, NULL, "healthy, answered in %" PRId64 " ms",
				health->latency_ms);
		compare_clocks(d, profile, health);
		if (error->code == 0 &&
		    d->ipc->context.api_of(d->ipc->context.daemon, profile, &api, &name) >= 0 &&
		    api_probe(api, on_probe, d, &d->running) >= 0)
			return;
	}
	d->next_profile++;
	ask_next(d);
}

/* Databases and disk images change while they are read: what is stored may be half of one state and half of
 * another. */
static bool may_be_torn(const char *name)
{
	static const char *const suffixes[] = {".db",  ".sqlite", ".sqlite3", ".db3", ".mdb", ".accdb",
					       ".ibd", ".qcow2",  ".vmdk",    ".vdi", ".vhd", ".vhdx",
					       ".pst", "-wal",    ".ldb",     ".frm", ".myd", ".fdb"};
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && strcasecmp(name + len - n, suffixes[i]) == 0)
			return true;
	}
	return strcmp(name, "ibdata1") == 0;
}

struct walk {
	struct diagnosis *d;
	struct tree *tree;
	int64_t left, end_ms;
};

/* As the interface writes paths; out of memory leaves the example out. */
static void note_example(char **example, const char *path)
{
	if (!*example)
		*example = names_encode(path);
}

static const char *or_some(const char *example)
{
	return example ? example : "a file";
}

static void look_at(struct walk *w, const char *path, const char *name, bool directory)
{
	static const struct ignore_rules strict = {.secrets = false};

	if (ignore_component(&strict, name, directory, NULL) == IGNORE_SECRET) {
		w->tree->secrets++;
		note_example(&w->tree->secret_example, path);
	} else if (!directory && may_be_torn(name)) {
		w->tree->torn++;
		note_example(&w->tree->torn_example, path);
	}
}

static void walk_directory(struct walk *w, int parent, const char *name, const char *path, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (depth == 0)
			w->tree->error = errno;
		close_fd(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (--w->left < 0 || clock_monotonic_ms() > w->end_ms || w->d->cancelled) {
			w->tree->cut = true;
			break;
		}
		_cleanup_free_ char *below = path[0] ? fs_join(path, entry->d_name) : strdup(entry->d_name);
		bool directory = entry->d_type == DT_DIR;

		if (!below)
			break;
		if (directory || entry->d_type == DT_REG)
			look_at(w, below, entry->d_name, directory);
		if (directory && depth < WALK_DEPTH)
			walk_directory(w, dirfd(dir), entry->d_name, below, depth + 1);
	}
	closedir(dir);
}

static void walk_trees(struct worker_job *job)
{
	struct diagnosis *d = (struct diagnosis *)((char *)job - offsetof(struct diagnosis, job));

	for (size_t i = 0; i < d->n_trees && !d->cancelled; i++) {
		struct walk w = {d, &d->trees[i], WALK_ENTRIES, clock_monotonic_ms() + WALK_MS};

		walk_directory(&w, AT_FDCWD, d->trees[i].root, "", 0);
	}
}

/* What stops a pair; that of a server or a credential was found at its profile. */
static void report_pair(struct diagnosis *d, const char *pair)
{
	static const char *const stopped[] = {"remote_gone", "root_missing", "error"};
	struct engine_status status;

	if (engine_status_of(d->ipc->context.engine, pair, &status) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(stopped); i++)
		if (strcmp(status.state, stopped[i]) == 0)
			found_f(d, "pair", "problem", pair, NULL, "%s: %s", status.state,
				status.last_error ? status.last_error : "it stands still");
}

static void report_tree(struct diagnosis *d, const struct tree *tree)
{
	const char *sample = tree->cut ? " (only a part of the tree was looked at)" : "";

	if (tree->error)
		found_f(d, "root", "problem", tree->pair,
			"mount it, mend its permissions, or cfctl sync adopt", "%s cannot be read: %s",
			tree->root_text, strerror(tree->error));
	else
		report_pair(d, tree->pair);
	if (tree->secrets > 0 && tree->carries_secrets)
		found_f(d, "secrets", "warning", tree->pair,
			"anyone who knows the bucket's id can read them: cfctl sync set NAME secrets=false",
			"%" PRId64 " secrets are carried to the bucket, %s for one%s", tree->secrets,
			or_some(tree->secret_example), sample);
	else if (tree->secrets > 0)
		found_f(d, "secrets", "note", tree->pair, NULL,
			"%" PRId64 " secrets are left out, %s for one%s", tree->secrets,
			or_some(tree->secret_example), sample);
	if (tree->torn > 0)
		found_f(d, "torn_files", "warning", tree->pair,
			"such files change while they are read: sync a dump or an export of them",
			"%" PRId64 " databases or disk images are in the tree, %s for one%s", tree->torn,
			or_some(tree->torn_example), sample);
}

static void on_walked(struct worker_job *job)
{
	struct diagnosis *d = (struct diagnosis *)((char *)job - offsetof(struct diagnosis, job));

	d->walking = false;
	for (size_t i = 0; i < d->n_trees && !ipc_call_gone(d->call); i++)
		report_tree(d, &d->trees[i]);
	send_pending(d, true);
	diagnosis_free(d);
}

static void ask_next(struct diagnosis *d)
{
	const struct ipc_context *context = &d->ipc->context;

	while (!ipc_call_gone(d->call) && d->profiles[d->next_profile]) {
		const char *profile = d->profiles[d->next_profile], *name;
		struct api *api = NULL;
		int r = context->api_of(context->daemon, profile, &api, &name);

		if (r == -EACCES)
			found(d, "credential", "problem", profile, "it has no credential",
			      "log in: cfctl login");
		else if (r >= 0 && api_health(api, on_health, d, &d->running) >= 0)
			return;
		d->next_profile++;
	}
	if (ipc_call_gone(d->call)) {
		send_pending(d, true);
		diagnosis_free(d);
		return;
	}
	d->walking = true;
	worker_submit(context->pool, WORKER_NORMAL, &d->job);
}

static void on_gone(void *arg)
{
	struct diagnosis *d = arg;

	d->cancelled = true;
	api_call_cancel(d->running);
}

static bool copy_work(struct diagnosis *d)
{
	struct engine *engine = d->ipc->context.engine;
	size_t n = profiles_count(d->ipc->context.profiles);

	d->profiles = calloc(n + 1, sizeof(char *));
	d->trees = calloc(engine_count(engine) + 1, sizeof(*d->trees));
	d->list = json_object_new_array();
	if (!d->profiles || !d->trees || !d->list)
		return false;
	for (size_t i = 0; i < n; i++) {
		d->profiles[i] = strdup(profiles_at(d->ipc->context.profiles, i)->name);
		if (!d->profiles[i])
			return false;
	}
	for (; d->n_trees < engine_count(engine); d->n_trees++) {
		const struct pair_spec *spec = engine_spec_at(engine, d->n_trees);
		struct tree *tree = &d->trees[d->n_trees];

		tree->pair = strdup(spec->name);
		tree->root = strdup(spec->local_path);
		tree->carries_secrets = spec->secrets;
		tree->root_text = path_to_text(spec->local_path);
		if (!tree->pair || !tree->root || !tree->root_text)
			return d->n_trees++, false;
	}
	return true;
}

void diagnose(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct diagnosis *d = calloc(1, sizeof(*d));

	if (!d) {
		ipc_call_no_memory(call);
		return;
	}
	d->ipc = context;
	d->call = call;
	d->job = (struct worker_job){.run = walk_trees, .done = on_walked};
	if (!copy_work(d)) {
		diagnosis_free(d);
		ipc_call_no_memory(call);
		return;
	}
	ipc_call_on_gone(call, on_gone, d);
	check_socket(d);
	check_descriptors(d);
	check_watches(d);
	check_clock(d);
	if (!d->profiles[0])
		found(d, "server", "note", "", "no server is set up yet", "cfctl login URL");
	ask_next(d);
}
