/* The service as a whole: listening sockets, who may connect, how many, and the interfaces. */
#include "ipc/private.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#define LISTEN_BACKLOG     64    /* connections waiting while a callback runs */
#define ACCEPT_TURN        16    /* accepted before other events get their turn */
#define ACCEPT_PAUSE_MS    1000  /* out of descriptors: tried again then, or when a connection ends */
#define COMPLAINT_PAUSE_MS 60000 /* one line a minute about peers that misbehave */
#define SUN_PATH_BYTES     107   /* sun_path without its NUL */
#define OVERFLOW_UID       65534 /* somebody the kernel cannot name here */

const struct ipc_limits ipc_limits_default = {
	.connections = IPC_MAX_CONNECTIONS,
	.per_uid = IPC_MAX_PER_UID,
	.streams_per_uid = IPC_MAX_STREAMS_PER_UID,
	.request_bytes = IPC_MAX_REQUEST_BYTES,
	.reply_bytes = IPC_MAX_REPLY_BYTES,
	.output_bytes = IPC_MAX_OUTPUT_BYTES,
	.request_timeout_ms = IPC_REQUEST_TIMEOUT_MS,
};

static int open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int ipc_server_new(struct loop *loop, const struct ipc_server_options *options,
		   struct ipc_server **ret_server)
{
	struct ipc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->options = *options;
	server->reserve_fd = open_reserve();
	server->version = strdup(options->version);
	server->admin_group = options->admin_group ? strdup(options->admin_group) : NULL;
	server->options.version = server->version;
	server->options.admin_group = server->admin_group;
	int r = server->version && (server->admin_group || !options->admin_group) ? 0 : -ENOMEM;

	if (r >= 0 && server->reserve_fd < 0)
		r = -EMFILE;
	if (r >= 0)
		r = service_add(server);
	if (r < 0) {
		ipc_server_free(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

static void interface_free(struct ipc_interface *interface)
{
	idl_free(interface->idl);
	free(interface);
}

struct ipc_server *ipc_server_free(struct ipc_server *server)
{
	if (!server)
		return NULL;
	ipc_server_stop(server);
	while (server->conns)
		conn_free(server->conns);
	while (server->interfaces) {
		struct ipc_interface *interface = server->interfaces;

		server->interfaces = interface->next;
		interface_free(interface);
	}
	loop_timer_done(&server->accept_timer);
	close_fd(server->reserve_fd);
	free(server->version);
	free(server->admin_group);
	free(server);
	return NULL;
}

static bool in_interface(struct idl_interface *idl, const struct ipc_method *methods, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!idl_method_find(idl, methods[i].name)) {
			log_error("%s has no method %s", idl_name(idl), methods[i].name);
			return false;
		}
	return true;
}

int ipc_server_add(struct ipc_server *server, const char *text, const struct ipc_method *methods, size_t n,
		   void *context)
{
	struct ipc_interface *interface = calloc(1, sizeof(*interface));

	if (!interface)
		return -ENOMEM;
	int r = idl_parse(text, &interface->idl, NULL);

	if (r >= 0 && !in_interface(interface->idl, methods, n))
		r = -EINVAL;
	if (r < 0) {
		interface_free(interface);
		return r;
	}
	interface->methods = methods;
	interface->n_methods = n;
	interface->context = context;
	struct ipc_interface **place = &server->interfaces;

	while (*place && strcmp(idl_name((*place)->idl), idl_name(interface->idl)) < 0)
		place = &(*place)->next;
	interface->next = *place;
	*place = interface;
	return 0;
}

struct ipc_interface *server_interface(struct ipc_server *server, const char *name, size_t len)
{
	for (struct ipc_interface *i = server->interfaces; i; i = i->next)
		if (strlen(idl_name(i->idl)) == len && memcmp(idl_name(i->idl), name, len) == 0)
			return i;
	return NULL;
}

void server_complain(struct ipc_server *server, const struct ipc_peer *peer, const char *why)
{
	int64_t now = clock_monotonic_ms();

	if (server->complained_ms && now - server->complained_ms < COMPLAINT_PAUSE_MS) {
		server->complaints++;
		return;
	}
	log_warning("connection of uid %u, pid %d closed: %s (%u more such in the last minute)",
		    (unsigned)peer->uid, (int)peer->pid, why, server->complaints);
	server->complained_ms = now;
	server->complaints = 0;
}

struct ipc_uid *uid_get(struct ipc_server *server, uid_t uid)
{
	for (struct ipc_uid *u = server->uids; u; u = u->next)
		if (u->uid == uid)
			return u;
	struct ipc_uid *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->uid = uid;
	u->next = server->uids;
	server->uids = u;
	return u;
}

void uid_put(struct ipc_server *server, struct ipc_uid *uid)
{
	if (uid->connections || uid->streams)
		return;
	struct ipc_uid **place = &server->uids;

	while (*place != uid)
		place = &(*place)->next;
	*place = uid->next;
	free(uid);
}

/* Groups of whoever connected, as they were then. */
static bool peer_in_group(int fd, gid_t peer_gid, const char *name)
{
	struct group *group = name ? getgrnam(name) : NULL;
	gid_t gids[1024];
	socklen_t len = sizeof(gids);

	if (!group)
		return false;
	if (peer_gid == group->gr_gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(gids[0]); i++)
		if (gids[i] == group->gr_gid)
			return true;
	return false;
}

static int peer_of(struct ipc_server *server, int fd, struct ipc_peer *ret_peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*ret_peer = (struct ipc_peer){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid, .admin = true};
	if (cred.uid == 0)
		return 0;
	if (cred.uid == OVERFLOW_UID || cred.uid == (uid_t)-1)
		return -EPERM;
	if (!server->options.system)
		return cred.uid == geteuid() ? 0 : -EPERM;
	ret_peer->admin = cred.uid == geteuid() || peer_in_group(fd, cred.gid, server->options.admin_group);
	return 0;
}

int ipc_server_connect(struct ipc_server *server, int fd)
{
	struct ipc_peer peer = {.uid = OVERFLOW_UID};
	int r = peer_of(server, fd, &peer);

	if (r < 0) {
		server_complain(server, &peer, "not allowed to connect");
		close_fd(fd);
		return r;
	}
	struct ipc_uid *uid = uid_get(server, peer.uid);
	const char *why = NULL;

	if (!uid)
		why = "out of memory";
	else if (server->n_conns >= server->options.limits.connections)
		why = "too many connections";
	else if (uid->connections >= server->options.limits.per_uid)
		why = "too many connections of this user";
	if (why) {
		server_complain(server, &peer, why);
		if (uid)
			uid_put(server, uid);
		close_fd(fd);
		return -EMFILE;
	}
	return conn_new(server, fd, &peer, uid);
}

static void on_accept_timer(void *arg)
{
	server_resume_accept(arg);
}

void server_resume_accept(struct ipc_server *server)
{
	if (!loop_timer_armed(&server->accept_timer) && server->reserve_fd >= 0)
		return;
	loop_timer_stop(&server->accept_timer);
	if (server->reserve_fd < 0)
		server->reserve_fd = open_reserve();
	for (struct ipc_listener *l = server->listeners; l; l = l->next)
		event_add(l->event, NULL);
}

/* Out of descriptors: one caller is turned away at once, so that it need not hang, and then nobody is
 * accepted for a while, since a listening socket that cannot be served would wake us without end. */
static void pause_accept(struct ipc_server *server, int listener)
{
	if (server->reserve_fd >= 0) {
		close_fd(STEAL_FD(server->reserve_fd));
		close_fd(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
		server->reserve_fd = open_reserve();
	}
	log_warning("out of file descriptors: no connection is accepted for %d ms", ACCEPT_PAUSE_MS);
	for (struct ipc_listener *l = server->listeners; l; l = l->next)
		event_del(l->event);
	if (loop_timer_set(server->loop, &server->accept_timer, ACCEPT_PAUSE_MS, on_accept_timer, server) < 0)
		server_resume_accept(server);
}

static void on_listener(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_listener *listener = arg;

	for (int i = 0; i < ACCEPT_TURN; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (peer >= 0) {
			ipc_server_connect(listener->server, peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accept(listener->server, fd);
		else if (errno == EINTR || errno == ECONNABORTED)
			continue;
		else if (errno != EAGAIN)
			log_error("accept: %s", strerror(errno));
		return;
	}
}

static void listener_free(struct ipc_listener *listener)
{
	if (listener->event)
		event_free(listener->event);
	if (listener->path)
		unlink(listener->path);
	free(listener->path);
	close_fd(listener->fd);
	close_fd(listener->lock_fd);
	free(listener);
}

/* Takes fd, lock_fd and path, also on failure. */
static int add_listener(struct ipc_server *server, int fd, char *path, int lock_fd)
{
	struct ipc_listener *listener = calloc(1, sizeof(*listener));

	if (!listener) {
		close_fd(fd);
		close_fd(lock_fd);
		free(path);
		return -ENOMEM;
	}
	listener->server = server;
	listener->fd = fd;
	listener->path = path;
	listener->lock_fd = lock_fd;
	listener->event = event_new(loop_base(server->loop), fd, EV_READ | EV_PERSIST, on_listener, listener);
	if (!listener->event || event_add(listener->event, NULL) < 0) {
		listener_free(listener);
		return -ENOMEM;
	}
	listener->next = server->listeners;
	server->listeners = listener;
	return 0;
}

static int explain(char **ret_why, int r, const char *format, ...) _printf_(3, 4);
static int explain(char **ret_why, int r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(ret_why, format, args) < 0)
		*ret_why = NULL;
	va_end(args);
	return r;
}

/* Whoever may write the directory may put a socket of his own in our place. */
static int check_directory(const char *path, char **ret_why)
{
	_cleanup_free_ char *directory = strdup(path);
	struct stat st;

	if (!directory)
		return -ENOMEM;
	char *slash = strrchr(directory, '/');

	slash[slash == directory] = 0;
	if (stat(directory, &st) < 0)
		return explain(ret_why, -errno, "%s: %s", directory, strerror(errno));
	bool others = (st.st_mode & 022) && !(st.st_mode & S_ISVTX);

	if ((st.st_uid != geteuid() && st.st_uid != 0) || others)
		return explain(
			ret_why, -EPERM,
			"%s belongs to somebody else or may be written by others: chmod 700 it, or listen "
			"somewhere else",
			directory);
	return 0;
}

/* Held as long as we listen: only its holder may remove a socket that is there already. */
static int lock_path(const char *path, char **ret_why)
{
	_cleanup_free_ char *name = NULL;

	if (asprintf(&name, "%s.lock", path) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	_cleanup_close_ int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return explain(ret_why, -errno, "%s: %s", name, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? explain(ret_why, -EADDRINUSE, "another carbonfilesd listens at %s", path)
			       : explain(ret_why, -errno, "%s: %s", name, strerror(errno));
	return STEAL_FD(fd);
}

/* With the lock held. Only a socket is ever removed. */
static int remove_stale(const char *path, char **ret_why)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : explain(ret_why, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return explain(ret_why, -EEXIST,
			       "%s exists and is not a socket: remove it, or listen elsewhere", path);
	if (unlink(path) < 0)
		return explain(ret_why, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int bind_path(struct ipc_server *server, int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	bool shared = server->options.system;

	memcpy(address.sun_path, path, strlen(path) + 1);
	/* Around bind, not chmod after it: nobody connects in between. */
	mode_t mask = umask(shared ? 0117 : 0177);
	int r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;

	umask(mask);
	if (r < 0 || !shared || !server->admin_group)
		return r;
	struct group *group = getgrnam(server->admin_group);

	if (group && chown(path, (uid_t)-1, group->gr_gid) < 0)
		return -errno;
	return 0;
}

int ipc_server_listen(struct ipc_server *server, const char *path, char **ret_why)
{
	*ret_why = NULL;
	if (path[0] != '/')
		return explain(ret_why, -EINVAL, "%s: the path of the socket must be absolute", path);
	if (strlen(path) > SUN_PATH_BYTES)
		return explain(
			ret_why, -ENAMETOOLONG,
			"%s: longer than the %d bytes a socket's path may have: set listen to a shorter one",
			path, SUN_PATH_BYTES);
	int r = check_directory(path, ret_why);

	if (r < 0)
		return r;
	_cleanup_close_ int lock_fd = lock_path(path, ret_why);

	if (lock_fd < 0)
		return lock_fd;
	r = remove_stale(path, ret_why);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return explain(ret_why, -errno, "socket: %s", strerror(errno));
	r = bind_path(server, fd, path);
	if (r >= 0 && listen(fd, LISTEN_BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return explain(ret_why, r, "%s: %s", path, strerror(-r));
	char *copy = strdup(path);

	if (!copy) {
		unlink(path);
		return -ENOMEM;
	}
	return add_listener(server, STEAL_FD(fd), copy, STEAL_FD(lock_fd));
}

static int adopt_one(struct ipc_server *server, int fd, char **ret_why)
{
	int flags = fcntl(fd, F_GETFL);

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || flags < 0)
		return -errno;
	if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0) {
		if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
			return -errno;
		return add_listener(server, fd, NULL, -1);
	}
	if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 0) > 0)
		return ipc_server_connect(server, fd);
	close_fd(fd);
	return explain(ret_why, -EPROTOTYPE, "the passed descriptor %d is not a Unix stream socket", fd);
}

static void free_names(char ***names)
{
	for (char **name = *names; name && *name; name++)
		free(*name);
	free(*names);
}

int ipc_server_adopt(struct ipc_server *server, char **ret_why)
{
	_cleanup_(free_names) char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names), taken = 0;

	*ret_why = NULL;
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (!names || strcmp(names[i], "varlink") != 0) {
			log_warning("a passed socket is not named varlink and is closed: set "
				    "FileDescriptorName=varlink in the socket unit");
			close_fd(fd);
			continue;
		}
		int r = adopt_one(server, fd, ret_why);

		if (r < 0)
			return r;
		taken++;
	}
	return taken;
}

void ipc_server_stop(struct ipc_server *server)
{
	while (server->listeners) {
		struct ipc_listener *listener = server->listeners;

		server->listeners = listener->next;
		listener_free(listener);
	}
	loop_timer_stop(&server->accept_timer);
}

bool ipc_server_is_system(const struct ipc_server *server)
{
	return server->options.system;
}

unsigned ipc_server_connections(const struct ipc_server *server)
{
	return server->n_conns;
}

unsigned ipc_server_subscriptions(const struct ipc_server *server)
{
	return server->n_streams;
}

const struct ipc_limits *ipc_server_limits(const struct ipc_server *server)
{
	return &server->options.limits;
}
