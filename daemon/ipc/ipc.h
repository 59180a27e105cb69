/* The daemon's interfaces on its socket: org.carbonfiles.{daemon,sync,remote}. A handler per method and no
 * logic of their own: what they do is done by the rooms that are lent to them here. */
#pragma once
#include "api/api.h"
#include "base/loop.h"
#include "base/worker.h"
#include "ipc/server.h"
#include "store/profile.h"
#include "store/settings.h"
#include "store/state.h"
#include "sync/engine.h"

/* Everything is borrowed and must outlive the struct ipc. */
struct ipc_context {
	struct loop *loop;
	struct worker_pool *pool;
	struct engine *engine;
	struct profiles *profiles;
	struct settings *settings; /* in force; changed here by SetConfig, then settings_changed is called */
	const char *settings_path; /* carbonfilesd.conf */
	const struct state_dirs *dirs;
	const char *version;
	const char *build; /* NULL: nothing to say */
	int64_t started_at_ms;

	/* What only the daemon as a whole can do. */
	void *daemon;
	/* Everything read again from disk; *error (zeroed, to be freed by the caller) when the file is
	 * refused, and then nothing has changed. */
	int (*reload)(void *daemon, struct settings_error *error);
	/* *settings was changed: pass it on, and tell watchers ("config"). */
	void (*settings_changed)(void *daemon);
	/* "starting", "running", "stopping". */
	const char *(*state)(void *daemon);
	/* The client of a profile, borrowed until profile_changed; NULL: the active profile. -ENOENT: no such
	 * profile; -EACCES: it has no credential where one is needed. */
	int (*api_of)(void *daemon, const char *profile, struct api **ret_api, const char **ret_name);
	/* A client that belongs to no profile: to try a credential out. The secret is taken. */
	int (*api_make)(void *daemon, const char *url, enum api_auth auth, struct secret *secret,
			struct api **ret_api);
	/* URL or credential changed, or it is gone: clients made for it are dropped, pairs and watchers
	 * ("profile") are told. */
	void (*profile_changed)(void *daemon, const char *profile);
};

struct ipc;
/* options: of the server that is made; its version is the context's. */
int ipc_new(const struct ipc_context *context, const struct ipc_server_options *options,
	    struct ipc **ret_ipc);
/* After it nothing here calls into the context any more, but calls that run are not over: free it before the
 * engine and the API clients, and end those next. */
struct ipc *ipc_free(struct ipc *ipc);
struct ipc_server *ipc_server(struct ipc *ipc);

/* To everybody who watches the daemon; ipc NULL: nobody does yet. kind: "state", "profile", "config",
 * "login_required". profile and message may be NULL. */
void ipc_tell(struct ipc *ipc, const char *kind, const char *profile, const char *message);
