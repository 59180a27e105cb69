/* The reader of uploaded.h. */
#include "api/uploaded.h"
#include "api/answer.h"
#include "base/digest.h"
#include "base/err.h"
#include "libcfipc/varlink/json_walk.h"
#include <string.h>

enum { SEEN_PATH = 1 << 0, SEEN_SIZE = 1 << 1, SEEN_TIME = 1 << 2, SEEN_ALL = (1 << 3) - 1 };

static bool is_null(struct json_walk *w)
{
	return json_walk_peek(w) == 'n';
}

/* One member, its name read; *seen tells which of those that must be there were. */
static int read_member(struct json_walk *w, const char *name, struct remote_file *f, unsigned *seen)
{
	const char *text;

	if (strcmp(name, "path") == 0) {
		*seen |= SEEN_PATH;
		text = json_walk_string(w);
		return text && strcmp(text, f->path) == 0 ? 0 : ERR_PROTOCOL;
	}
	if (strcmp(name, "size") == 0) {
		*seen |= SEEN_SIZE;
		return json_walk_int64(w, &f->version.size) && f->version.size >= 0 ? 0 : ERR_PROTOCOL;
	}
	if (strcmp(name, "updated_at") == 0) {
		*seen |= SEEN_TIME;
		text = json_walk_string(w);
		return text ? answer_version(text, f->version.updated_at) : ERR_PROTOCOL;
	}
	if (strcmp(name, "sha256") == 0 && !is_null(w)) {
		text = json_walk_string(w);
		f->version.has_digest = true;
		return text && digest_from_hex(text, &f->version.digest) == 0 ? 0 : ERR_PROTOCOL;
	}
	json_walk_skip(w);
	return 0;
}

static int read_one(struct json_walk *w, struct remote_file *f)
{
	unsigned seen = 0;

	f->version = (struct remote_version){0};
	if (!json_walk_enter(w, '{'))
		return ERR_PROTOCOL;
	while (json_walk_next(w)) {
		int r = read_member(w, json_walk_name(w), f, &seen);
		if (r < 0)
			return r;
	}
	return seen == SEEN_ALL ? 0 : ERR_PROTOCOL;
}

static int read_list(struct json_walk *w, struct remote_file *files, size_t n)
{
	size_t i = 0;

	if (!json_walk_enter(w, '['))
		return ERR_PROTOCOL;
	while (json_walk_next(w)) {
		int r = i < n ? read_one(w, &files[i++]) : ERR_PROTOCOL;
		if (r < 0)
			return r;
	}
	return i == n ? 0 : ERR_PROTOCOL;
}

static int read_answer(struct json_walk *w, struct remote_file *files, size_t n)
{
	bool found = false;

	if (!json_walk_enter(w, '{'))
		return ERR_PROTOCOL;
	while (json_walk_next(w)) {
		if (strcmp(json_walk_name(w), "uploaded") != 0) {
			json_walk_skip(w);
			continue;
		}
		int r = found ? ERR_PROTOCOL : read_list(w, files, n);
		if (r < 0)
			return r;
		found = true;
	}
	return found ? 0 : ERR_PROTOCOL;
}

int uploaded_read(const char *body, size_t len, struct remote_file *files, size_t n)
{
	struct json_walk w;
	int r = json_walk_begin(&w, body, len, NULL);

	r = r == 0 ? read_answer(&w, files, n) : r == -ENOMEM ? r : ERR_PROTOCOL;
	json_walk_done(&w);
	return r;
}
