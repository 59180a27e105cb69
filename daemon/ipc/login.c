/* Login: a credential is read, tried out with the server, and only then stored. Nothing here keeps it longer
 * than that: every buffer is wiped. */
#include "ipc/profiles.h"
#include "base/clock.h"
#include "base/util.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define SECRET_MAX     16384 /* a dashboard token is a few hundred bytes */
#define SECRET_READ_MS 30000 /* whoever passes a pipe also writes it */
#define SECRET_LOOK_MS 100   /* how soon a cancelled read ends */

struct login {
	struct ipc *ipc;
	struct ipc_call *call;
	char *name, *url;
	enum profile_auth auth;
	bool has_auth, verify;
	int active;
	struct secret *secret; /* NULL: none */
	struct api_call *running;
	/* The read of secret_fd. */
	struct worker_job job;
	int fd;
	char *data;
	size_t len;
	int error;
	_Atomic bool cancelled;
};

static void login_free(struct login *l)
{
	if (l->data)
		secret_wipe(l->data, SECRET_MAX);
	free(l->data);
	secret_free(l->secret);
	free(l->name);
	free(l->url);
	close_fd(l->fd);
	free(l);
}

#define KEY_PREFIX_LEN 12 /* "cf4_" and eight characters: what the server lists keys by */

static void store(struct login *l, const char *role)
{
	struct ipc *ipc = l->ipc;
	struct profile *p = profile_new(l->name);
	int r = -ENOMEM;

	if (p) {
		p->url = STEAL(l->url);
		p->auth = l->auth;
		if (l->auth == PROFILE_API_KEY && secret_len(l->secret) > KEY_PREFIX_LEN)
			p->key_prefix = strndup(secret_str(l->secret), KEY_PREFIX_LEN);
		p->secret = STEAL(l->secret);
		profile_forget(ipc, l->name);
		r = profile_store(ipc, p, l->active);
	}
	if (r < 0) {
		if (r == -ENOMEM)
			ipc_call_no_memory(l->call);
		else
			error_local(l->call, -r, ipc->context.dirs->config, NULL);
		login_free(l);
		return;
	}
	if (role) {
		struct api_error fine = {0};

		profile_learned(ipc, l->name, &fine, role);
	}
	struct reply reply = reply_new();

	reply_add(&reply, "profile", profile_object(ipc, profiles_find(ipc->context.profiles, l->name)));
	reply_send(l->call, &reply);
	login_free(l);
}

static void on_probe(void *arg, const struct api_error *error, const char *role)
{
	struct login *l = arg;

	l->running = NULL;
	if (ipc_call_gone(l->call)) {
		reply_nothing(l->call);
		login_free(l);
	} else if (error->code != 0) {
		error_api(l->call, REMOTE, error);
		login_free(l);
	} else
		store(l, role);
}

static enum api_auth api_kind(enum profile_auth auth)
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

/* The secret is there (or there is none): ask the server, or store at once. */
static void go_on(struct login *l)
{
	if (!l->has_auth)
		l->auth = l->secret ? profile_auth_detect(secret_str(l->secret)) : PROFILE_NONE;
	/* An upload token cannot be asked about. */
	if (!l->verify || l->auth == PROFILE_UPLOAD_TOKEN) {
		store(l, NULL);
		return;
	}
	struct secret *copy = l->secret ? secret_copy(l->secret) : NULL;
	struct api *api = NULL;
	int r = l->secret && !copy ? -ENOMEM
				   : l->ipc->context.api_make(l->ipc->context.daemon, l->url,
							      api_kind(l->auth), copy, &api);

	if (r >= 0)
		r = api_probe(api, on_probe, l, &l->running);
	api_unref(api);
	if (r >= 0)
		return;
	if (r == -EINVAL)
		ipc_call_invalid(l->call, "url");
	else
		ipc_call_no_memory(l->call);
	login_free(l);
}

/* It travels in a header: printable ASCII, and what an editor puts behind it is cut off. -EINVAL, -ENOMEM. */
static int take_secret(struct login *l, const char *text, size_t len)
{
	while (len > 0 && strchr("\r\n", text[len - 1]))
		len--;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return -EINVAL;
	return len == 0 ? -EINVAL : secret_new(text, len, &l->secret);
}

static void read_secret(struct worker_job *job)
{
	struct login *l = (struct login *)((char *)job - offsetof(struct login, job));
	int64_t end = clock_monotonic_ms() + SECRET_READ_MS;

	while (l->len < SECRET_MAX) {
		struct pollfd p = {.fd = l->fd, .events = POLLIN};
		int r = poll(&p, 1, SECRET_LOOK_MS);

		if (l->cancelled || clock_monotonic_ms() > end) {
			l->error = l->cancelled ? -ECANCELED : -ETIMEDOUT;
			return;
		}
		if (r == 0 || (r < 0 && errno == EINTR))
			continue;
		ssize_t n = read(l->fd, l->data + l->len, SECRET_MAX - l->len);

		if (n == 0)
			return;
		if (n > 0)
			l->len += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN) {
			l->error = -errno;
			return;
		}
	}
	l->error = -E2BIG;
}

static void on_secret_read(struct worker_job *job)
{
	struct login *l = (struct login *)((char *)job - offsetof(struct login, job));

	close_fd(STEAL_FD(l->fd));
	if (ipc_call_gone(l->call)) {
		reply_nothing(l->call);
		login_free(l);
		return;
	}
	int r = l->error;

	if (r < 0)
		error_local(l->call, -r, NULL, r == -E2BIG ? "the credential is too long" : NULL);
	else {
		r = take_secret(l, l->data, l->len);
		if (r == -EINVAL)
			ipc_call_invalid(l->call, "secret_fd");
		else if (r < 0)
			ipc_call_no_memory(l->call);
	}
	secret_wipe(l->data, SECRET_MAX);
	if (r < 0)
		login_free(l);
	else
		go_on(l);
}

static void on_gone(void *arg)
{
	struct login *l = arg;

	l->cancelled = true;
	api_call_cancel(l->running);
}

/* A file, a pipe or a socket that can be read; nothing else is touched. */
static bool readable(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) || fstat(fd, &st) < 0)
		return false;
	return S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
}

/* False: the call was ended. */
static bool read_target(struct login *l, struct json_object *parameters)
{
	const char *name = NULL, *url = NULL, *auth = NULL;
	bool active = false;

	json_get_string(parameters, "profile", &name);
	json_get_string(parameters, "url", &url);
	const struct profile *present = profiles_find(l->ipc->context.profiles, name);

	if (!profile_name_valid(name)) {
		ipc_call_invalid(l->call, "profile");
		return false;
	}
	if (present && present->secret_from_directory) {
		error_local(l->call, EROFS, NULL,
			    "the credential comes from the credentials directory of the service: replace it "
			    "there");
		return false;
	}
	if (!url && present)
		url = present->url;
	if (!url || api_url_check(url, &l->url) < 0) {
		ipc_call_invalid(l->call, "url");
		return false;
	}
	if (json_get_string(parameters, "auth", &auth) > 0) {
		l->has_auth = true;
		if (profile_auth_parse(auth, &l->auth) < 0) {
			ipc_call_invalid(l->call, "auth");
			return false;
		}
	}
	json_get_bool(parameters, "verify", &l->verify);
	if (json_get_bool(parameters, "active", &active) > 0)
		l->active = active;
	l->name = strdup(name);
	if (!l->name)
		ipc_call_no_memory(l->call);
	return l->name;
}

void login(struct ipc_call *call, struct json_object *parameters, void *context)
{
	struct login *l = calloc(1, sizeof(*l));
	const char *secret = NULL;

	if (!l) {
		ipc_call_no_memory(call);
		return;
	}
	*l = (struct login){.ipc = context, .call = call, .verify = true, .active = -1, .fd = -1};
	l->job = (struct worker_job){.run = read_secret, .done = on_secret_read};
	if (!read_target(l, parameters)) {
		login_free(l);
		return;
	}
	int given = ipc_call_take_fd(call, parameters, "secret_fd", &l->fd), r = 0;

	json_get_string(parameters, "secret", &secret);
	if (given < 0) {
		login_free(l);
		return;
	}
	if (given > 0 && (secret || !readable(l->fd)))
		r = -EBADF;
	else if (given > 0)
		r = (l->data = malloc(SECRET_MAX)) ? 0 : -ENOMEM;
	else if (secret)
		r = take_secret(l, secret, strlen(secret));
	else if (l->has_auth)
		r = -EINVAL; /* a kind of credential, and none given */
	if (r < 0) {
		if (r == -ENOMEM)
			ipc_call_no_memory(call);
		else
			ipc_call_invalid(call, r == -EBADF ? "secret_fd" : "secret");
		login_free(l);
		return;
	}
	ipc_call_on_gone(call, on_gone, l);
	if (given > 0)
		worker_submit(l->ipc->context.pool, WORKER_URGENT, &l->job);
	else
		go_on(l);
}
