/*
 * What the handlers of single files share.
 */
#pragma once

#include "files.h"
#include "http/request.h"
#include "server.h"

enum found {
	FOUND_FILE,
	FOUND_NO_BUCKET,
	FOUND_NO_FILE,
};

/* Takes the lock itself. */
enum found file_find(struct server *s, struct span bucket_id, struct span path, struct file_row *ret);
int file_reply_not_found(struct request *r, enum found found);
/* Cuts a suffix in any case; false: it is not there. */
bool file_cut_suffix(struct span *path, struct span suffix);
/* GET and HEAD of the bytes of a file. */
int content_reply(struct server *s, struct request *r, struct span path);
