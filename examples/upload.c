/* upload BUCKET FILE [PATH]: stores a file in a bucket and shows how far it is.
 *
 *	cc upload.c $(pkg-config --cflags --libs cfipc) -o upload
 */
#include <cfipc.h>
#include <stdio.h>
#include <string.h>

static int on_progress(cfipc_op *op, int64_t done, int64_t total, int percent, void *userdata)
{
	(void)op;
	(void)userdata;
	if (percent >= 0)
		fprintf(stderr, "\r%3d %% of %lld bytes", percent, (long long)total);
	else
		fprintf(stderr, "\r%lld bytes", (long long)done);
	return 0; /* anything else would cancel the upload */
}

int main(int argc, char **argv)
{
	cfipc_transfer_options options;
	cfipc_client *client = NULL;
	cfipc_error *error = NULL;
	cfipc_file *file = NULL;
	const char *path, *slash;
	int r, status;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: upload BUCKET FILE [PATH]\n");
		return 2;
	}
	slash = strrchr(argv[2], '/');
	path = argc > 3 ? argv[3] : slash ? slash + 1 : argv[2];
	cfipc_transfer_options_init(&options, sizeof(options));
	options.progress = on_progress;
	r = cfipc_client_new(&client, NULL);
	if (r >= 0)
		r = cfipc_upload_path(client, NULL, argv[1], path, argv[2], &options, &file, &error);
	if (r >= 0)
		printf("\n%s, %lld bytes, %s\n", cfipc_file_path(file), (long long)cfipc_file_size(file),
		       cfipc_file_short_url(file) ? cfipc_file_short_url(file) : "no short URL");
	else
		fprintf(stderr, "\nupload: %s\n", error ? cfipc_error_message(error) : cfipc_strerror(r));
	if (cfipc_error_hint(error))
		fprintf(stderr, "upload: %s\n", cfipc_error_hint(error));
	status = cfipc_exit_code(r, error);
	cfipc_error_free(error);
	cfipc_unref(file);
	cfipc_client_unref(client);
	return status;
}
