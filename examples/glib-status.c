/* glib-status [SECONDS]: libcfipc in the main loop of GLib, as in any GTK program. Prints the state of every
 *pair whenever it changes, and answers to the buckets at once, without ever blocking the loop.
 *
 *	cc glib-status.c $(pkg-config --cflags --libs cfipc glib-2.0) -o glib-status
 */
#include <cfipc.h>
#include <glib-unix.h>

struct app {
	GMainLoop *loop;
	cfipc_client *client;
	int status;
};

/* The client's descriptor is ready: let it work. Its callbacks run from here. */
static gboolean on_ready(gint fd, GIOCondition condition, gpointer userdata)
{
	struct app *app = userdata;

	(void)fd;
	(void)condition;
	while (cfipc_client_process(app->client) > 0)
		;
	return G_SOURCE_CONTINUE;
}

static void fail(struct app *app, const cfipc_error *error)
{
	g_printerr("glib-status: %s\n", cfipc_error_message(error));
	app->status = cfipc_exit_code(0, error);
	g_main_loop_quit(app->loop);
}

/* Each page of the list comes by itself. */
static int on_buckets(cfipc_op *op, void *result, const cfipc_error *error, unsigned flags, void *userdata)
{
	size_t position = 0;
	cfipc_bucket *bucket;

	(void)op;
	if (error) {
		fail(userdata, error);
		return 0;
	}
	while ((bucket = cfipc_list_next(result, &position)))
		g_print("bucket %s  %s\n", cfipc_bucket_id(bucket), cfipc_bucket_name(bucket));
	if (!(flags & CFIPC_CONTINUES))
		g_print("that is all\n");
	return 0;
}

static int on_change(cfipc_op *op, void *result, const cfipc_error *error, unsigned flags, void *userdata)
{
	cfipc_pair_status *status = cfipc_sync_event_status(result);

	(void)op;
	(void)flags;
	if (error)
		fail(userdata, error);
	else if (status)
		g_print("pair %s is %s\n", cfipc_pair_status_name(status), cfipc_pair_status_state(status));
	return 0;
}

static gboolean on_time(gpointer userdata)
{
	g_main_loop_quit(((struct app *)userdata)->loop);
	return G_SOURCE_REMOVE;
}

int main(int argc, char **argv)
{
	struct app app = {NULL, NULL, 0};
	cfipc_op *watch = NULL;
	int r = cfipc_client_new(&app.client, NULL);

	app.loop = g_main_loop_new(NULL, FALSE);
	if (r >= 0)
		r = cfipc_bucket_list_async(app.client, NULL, NULL, NULL, on_buckets, &app);
	if (r >= 0)
		r = cfipc_sync_watch(app.client, &watch, NULL, 0, on_change, &app);
	if (r < 0) {
		g_printerr("glib-status: %s\n", cfipc_strerror(r));
		return cfipc_exit_code(r, NULL);
	}
	g_unix_fd_add(cfipc_client_get_fd(app.client), G_IO_IN, on_ready, &app);
	if (argc > 1)
		g_timeout_add_seconds((guint)g_ascii_strtoull(argv[1], NULL, 10), on_time, &app);
	g_main_loop_run(app.loop);
	cfipc_op_unref(watch);
	cfipc_client_unref(app.client); /* tells on_change that it is over */
	g_main_loop_unref(app.loop);
	return app.status;
}
