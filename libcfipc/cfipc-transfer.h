/* libcfipc, a chapter of cfipc.h: bytes up and down, from and to a descriptor, a path or memory.
 *
 * The bytes never pass through this process: the daemon gets a descriptor and reads or writes it. A path is
 * opened here, with the rights and the working directory of the program, so what it may not read it cannot
 * send. Memory travels as a memfd, which is filled before the call begins. Each transfer has a connection of
 * its own, and losing it ends the transfer: cfipc_op_cancel, a progress callback that says no, and the death
 * of the program.
 *
 * DESCRIPTORS that you pass stay yours; the daemon has a copy, which shares the file position. They may be
 * regular files, pipes or sockets, open for reading to send, for writing to receive. From a pipe the daemon
 * reads to the end.
 *
 * ERRORS beside those of every function with a profile: LOCAL (a file or descriptor here; cfipc_error_errno
 * says what), TOO_LARGE, HASH_MISMATCH (what came is not what the server has noted; nothing was kept), BUSY
 * (too many transfers). A path that cannot be opened is reported in the same way, by the callback, not by the
 * return value of the _async form.
 */
#ifndef CFIPC_H
#error "include cfipc.h"
#endif

/* How far a transfer is: bytes done, bytes in all (-1: not known), percent from 0 to 100 (-1: not known). At
 * most ten times a second, never after the final callback. Not zero cancels the transfer. */
typedef int (*cfipc_progress_cb)(cfipc_op *op, int64_t done, int64_t total, int percent, void *userdata);

typedef struct cfipc_transfer_options {
	size_t size;
	cfipc_progress_cb progress;
	void *progress_userdata;
	const char *upload_token; /* upload, append, patch: used instead of the profile's credential */
	int64_t data_size; /* upload from a descriptor: bytes that will come, when it cannot be asked; -1 */
	int overwrite;     /* download and zip to a path: 1: replace a file that is there; 0 (the default) */
	int64_t offset;    /* download: first byte wanted; -1 (the default): 0 */
	int64_t length;    /* download: bytes wanted; -1 (the default): to the end */
	const char
		*if_sha256; /* download: not if the file still has this hash (cfipc_downloaded_unchanged) */
} cfipc_transfer_options;
CFIPC_EXPORT void cfipc_transfer_options_init(cfipc_transfer_options *options, size_t size);

/* ---- Up ---- */

/* Stores a file, in the place of one that is there. */
CFIPC_EXPORT int cfipc_upload_fd(cfipc_client *client, const char *profile, const char *bucket,
				 const char *path, int fd, const cfipc_transfer_options *options,
				 cfipc_file **ret_file, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_upload_fd_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				       const char *bucket, const char *path, int fd,
				       const cfipc_transfer_options *options, cfipc_result_cb callback,
				       void *userdata);

CFIPC_EXPORT int cfipc_upload_path(cfipc_client *client, const char *profile, const char *bucket,
				   const char *path, const char *local_path,
				   const cfipc_transfer_options *options, cfipc_file **ret_file,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_upload_path_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					 const char *bucket, const char *path, const char *local_path,
					 const cfipc_transfer_options *options, cfipc_result_cb callback,
					 void *userdata);

/* data is copied before the function returns. */
CFIPC_EXPORT int cfipc_upload_data(cfipc_client *client, const char *profile, const char *bucket,
				   const char *path, const void *data, size_t data_size,
				   const cfipc_transfer_options *options, cfipc_file **ret_file,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_upload_data_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					 const char *bucket, const char *path, const void *data,
					 size_t data_size, const cfipc_transfer_options *options,
					 cfipc_result_cb callback, void *userdata);

/* Adds to the end of a file. */
CFIPC_EXPORT int cfipc_append_fd(cfipc_client *client, const char *profile, const char *bucket,
				 const char *path, int fd, const cfipc_transfer_options *options,
				 cfipc_file **ret_file, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_append_fd_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				       const char *bucket, const char *path, int fd,
				       const cfipc_transfer_options *options, cfipc_result_cb callback,
				       void *userdata);

CFIPC_EXPORT int cfipc_append_path(cfipc_client *client, const char *profile, const char *bucket,
				   const char *path, const char *local_path,
				   const cfipc_transfer_options *options, cfipc_file **ret_file,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_append_path_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					 const char *bucket, const char *path, const char *local_path,
					 const cfipc_transfer_options *options, cfipc_result_cb callback,
					 void *userdata);

CFIPC_EXPORT int cfipc_append_data(cfipc_client *client, const char *profile, const char *bucket,
				   const char *path, const void *data, size_t data_size,
				   const cfipc_transfer_options *options, cfipc_file **ret_file,
				   cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_append_data_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					 const char *bucket, const char *path, const void *data,
					 size_t data_size, const cfipc_transfer_options *options,
					 cfipc_result_cb callback, void *userdata);

/* Overwrites from offset on, which is at most the present size. May go past the end; never cuts off. */
CFIPC_EXPORT int cfipc_patch_fd(cfipc_client *client, const char *profile, const char *bucket,
				const char *path, int64_t offset, int fd,
				const cfipc_transfer_options *options, cfipc_file **ret_file,
				cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_patch_fd_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
				      const char *bucket, const char *path, int64_t offset, int fd,
				      const cfipc_transfer_options *options, cfipc_result_cb callback,
				      void *userdata);

CFIPC_EXPORT int cfipc_patch_path(cfipc_client *client, const char *profile, const char *bucket,
				  const char *path, int64_t offset, const char *local_path,
				  const cfipc_transfer_options *options, cfipc_file **ret_file,
				  cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_patch_path_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					const char *bucket, const char *path, int64_t offset,
					const char *local_path, const cfipc_transfer_options *options,
					cfipc_result_cb callback, void *userdata);

CFIPC_EXPORT int cfipc_patch_data(cfipc_client *client, const char *profile, const char *bucket,
				  const char *path, int64_t offset, const void *data, size_t data_size,
				  const cfipc_transfer_options *options, cfipc_file **ret_file,
				  cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_patch_data_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					const char *bucket, const char *path, int64_t offset,
					const void *data, size_t data_size,
					const cfipc_transfer_options *options, cfipc_result_cb callback,
					void *userdata);

/* ---- Down ---- */

/* Writes at the position of the descriptor. What was written before a failure stays. */
CFIPC_EXPORT int cfipc_download_fd(cfipc_client *client, const char *profile, const char *bucket,
				   const char *path, int fd, const cfipc_transfer_options *options,
				   cfipc_downloaded **ret_downloaded, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_download_fd_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					 const char *bucket, const char *path, int fd,
					 const cfipc_transfer_options *options, cfipc_result_cb callback,
					 void *userdata);

/* Writes a new file beside local_path (its name, a dot before it and ".XXXXXX.part" behind, XXXXXX any
 * letters), syncs it to the disk and renames it once everything is there and right: local_path is the old
 * file or the whole new one, whatever happens, and there is none if there was none. Without overwrite,
 * EEXIST (LOCAL) when there is something of that name. A replaced file gives its permissions to the new
 * one; a symbolic link is replaced itself. If the program is killed, the .part file may stay. */
CFIPC_EXPORT int cfipc_download_path(cfipc_client *client, const char *profile, const char *bucket,
				     const char *path, const char *local_path,
				     const cfipc_transfer_options *options, cfipc_downloaded **ret_downloaded,
				     cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_download_path_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					   const char *bucket, const char *path, const char *local_path,
					   const cfipc_transfer_options *options, cfipc_result_cb callback,
					   void *userdata);

/* Into memory: cfipc_downloaded_data. Fails with EFBIG (LOCAL) when there is more than max_size; no more
 * memory than that is ever used. */
CFIPC_EXPORT int cfipc_download_data(cfipc_client *client, const char *profile, const char *bucket,
				     const char *path, size_t max_size, const cfipc_transfer_options *options,
				     cfipc_downloaded **ret_downloaded, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_download_data_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					   const char *bucket, const char *path, size_t max_size,
					   const cfipc_transfer_options *options, cfipc_result_cb callback,
					   void *userdata);

/* A whole bucket as a zip file. The server makes it while it is sent, so its size is not known before. */
CFIPC_EXPORT int cfipc_bucket_zip_fd(cfipc_client *client, const char *profile, const char *bucket, int fd,
				     const cfipc_transfer_options *options, cfipc_downloaded **ret_downloaded,
				     cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_bucket_zip_fd_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					   const char *bucket, int fd, const cfipc_transfer_options *options,
					   cfipc_result_cb callback, void *userdata);

CFIPC_EXPORT int cfipc_bucket_zip_path(cfipc_client *client, const char *profile, const char *bucket,
				       const char *local_path, const cfipc_transfer_options *options,
				       cfipc_downloaded **ret_downloaded, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_bucket_zip_path_async(cfipc_client *client, cfipc_op **ret_op, const char *profile,
					     const char *bucket, const char *local_path,
					     const cfipc_transfer_options *options, cfipc_result_cb callback,
					     void *userdata);

/* ---- Those that run ---- */

/* Of cfipc_transfer: those of every program of this user. */
CFIPC_EXPORT int cfipc_transfer_list(cfipc_client *client, cfipc_list **ret_list, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_transfer_list_async(cfipc_client *client, cfipc_op **ret_op, cfipc_result_cb callback,
					   void *userdata);

/* By its id. NO_SUCH_TRANSFER when it is over. */
CFIPC_EXPORT int cfipc_transfer_cancel(cfipc_client *client, const char *transfer, cfipc_error **ret_error);
CFIPC_EXPORT int cfipc_transfer_cancel_async(cfipc_client *client, cfipc_op **ret_op, const char *transfer,
					     cfipc_result_cb callback, void *userdata);
