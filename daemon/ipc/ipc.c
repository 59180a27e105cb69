/* Puts the three interfaces on a server. */
#include "ipc/ipc.h"
#include "ipc/methods.h"
#include "ipc/transfers.h"
#include "libcfipc/varlink/interfaces.h"
#include <errno.h>

int ipc_new(const struct ipc_context *context, const struct ipc_server_options *options, struct ipc **ret_ipc)
{
	struct ipc *ipc = calloc(1, sizeof(*ipc));

	if (!ipc)
		return -ENOMEM;
	ipc->context = *context;
	struct ipc_server_options all = *options;

	all.version = context->version;
	/* For the test suite: a reply that its interface does not declare is a closed connection, not a
	 * surprise to some client later. */
	if (getenv("CARBONFILESD_CHECK_REPLIES"))
		all.check_replies = true;
	int r = ipc_server_new(context->loop, &all, &ipc->server);

	if (r >= 0)
		r = ipc_server_add(ipc->server, varlink_text_daemon, ipc_daemon_methods,
				   ipc_daemon_methods_count, ipc);
	if (r >= 0)
		r = ipc_server_add(ipc->server, varlink_text_sync, ipc_sync_methods, ipc_sync_methods_count,
				   ipc);
	if (r >= 0)
		r = ipc_server_add(ipc->server, varlink_text_remote, ipc_remote_methods,
				   ipc_remote_methods_count, ipc);
	if (r < 0) {
		ipc_free(ipc);
		return r;
	}
	*ret_ipc = ipc;
	return 0;
}

struct ipc *ipc_free(struct ipc *ipc)
{
	if (!ipc)
		return NULL;
	/* Tells every running call that its peer has gone. */
	ipc_server_free(ipc->server);
	transfers_forget(ipc);
	ipc_watchers_free(ipc);
	ipc_known_free(ipc);
	loop_timer_done(&ipc->log_timer);
	free(ipc);
	return NULL;
}

struct ipc_server *ipc_server(struct ipc *ipc)
{
	return ipc->server;
}
