/* Walking: a stack of directories, each read whole, sorted, and stat'ed name by name as the walk comes by. A
 * directory is watched before it is read. What cannot be read completely is a hole, never an absence. */
#include "sync/scan_walk.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/names.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define READ_BYTES (256 * 1024)
/* Directories kept open at once; those above are opened again when the walk returns to them. */
#define OPEN_LEVELS 32
/* Names between two looks at the cancel flag while a huge directory is read. */
#define CANCEL_ENTRIES 4096

enum entry_type { ENTRY_FILE = 'f', ENTRY_DIR = 'd', ENTRY_OTHER = 'o', ENTRY_SKIPPED = 's' };

/* In the level's text: the encoded name, a directory's with its '/', and behind its NUL the local name where
 * that differs. key: the first bytes, most significant first: it settles most comparisons. */
struct name {
	uint64_t key;
	uint32_t text;
	uint8_t type;
	bool encoded;
};

struct scan_walk_level {
	int fd; /* -1: closed for the time being */
	uint64_t dev, ino;
	struct name *names;
	size_t at, n, room;
	struct buf text;
	size_t path_len, local_len; /* of walk->path and walk->local up to and with its '/' */
};

static uint64_t key_of(const char *name, size_t len)
{
	uint64_t key = 0;

	for (size_t i = 0; i < sizeof(key); i++)
		key = key << 8 | (i < len ? (uint8_t)name[i] : 0);
	return key;
}

static int compare_names(const void *a, const void *b, void *arg)
{
	const struct name *x = a, *y = b;
	const char *text = arg;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return strcmp(text + x->text, text + y->text);
}

/* Most names are their own encoding. */
static bool is_plain(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] <= 0x20 || name[i] >= 0x7E || name[i] == '\\')
			return false;
	return true;
}

static int level_add(struct scan_walk_level *l, const char *name, size_t len, enum entry_type type)
{
	_cleanup_free_ char *made = NULL;
	const char *encoded = name;
	size_t encoded_len = len;

	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 32;
		struct name *names = reallocarray(l->names, room, sizeof(*names));
		if (!names)
			return -ENOMEM;
		l->names = names;
		l->room = room;
	}
	if (!is_plain(name, len)) {
		encoded = made = names_encode_component(name, len);
		if (!made)
			return -ENOMEM;
		encoded_len = strlen(made);
	}
	bool differs = encoded_len != len || memcmp(encoded, name, len) != 0;
	if (l->text.len > UINT32_MAX - 8 * NAME_MAX)
		return -EFBIG;
	struct name *n = &l->names[l->n];
	*n = (struct name){.text = (uint32_t)l->text.len, .type = (uint8_t)type, .encoded = differs};
	int r = buf_append(&l->text, encoded, encoded_len);
	if (r == 0 && type == ENTRY_DIR)
		r = buf_append(&l->text, "/", 1);
	n->key = key_of(l->text.data + n->text, l->text.len - n->text);
	if (r == 0)
		r = buf_append(&l->text, "", 1);
	if (r == 0 && differs)
		r = buf_append(&l->text, name, len + 1);
	if (r == 0)
		l->n++;
	return r;
}

static const char *name_text(const struct scan_walk_level *l, const struct name *n)
{
	return l->text.data + n->text;
}

/* The local name; a directory's may carry its '/' (*ret_len does not count it). */
static const char *local_name(const struct scan_walk_level *l, const struct name *n, size_t *ret_len)
{
	const char *text = name_text(l, n);
	size_t len = strlen(text);

	if (n->encoded) {
		text += len + 1;
		*ret_len = strlen(text);
	} else {
		*ret_len = len - (n->type == ENTRY_DIR);
	}
	return text;
}

static struct scan_walk_level *top(struct scan_walk *w)
{
	return &w->levels[w->depth - 1];
}

static void level_done(struct scan_walk_level *l)
{
	close_fd(l->fd);
	free(l->names);
	buf_done(&l->text);
}

static int set_path(struct buf *b, size_t len, const char *name, size_t name_len)
{
	b->len = len;
	int r = buf_append(b, name, name_len);
	return r < 0 ? r : buf_terminate(b);
}

/* Reports walk->path, a directory's without its trailing '/'. */
static int skip_path(struct scan_walk *w, const char *reason, int error)
{
	size_t len = w->path.len;
	bool is_dir = len > 0 && w->path.data[len - 1] == '/';

	if (is_dir)
		w->path.data[len - 1] = '\0';
	int r = w->skip(w->arg, w->path.data, reason, error);
	if (is_dir)
		w->path.data[len - 1] = '/';
	return r;
}

static int skip_name(struct scan_walk *w, const struct scan_walk_level *l, const struct name *n,
		     const char *reason, int error)
{
	const char *text = name_text(l, n);
	int r = set_path(&w->path, l->path_len, text, strlen(text));

	return r < 0 ? r : skip_path(w, reason, error);
}

/* Reading a directory */

static enum entry_type type_of(unsigned char d_type, const char **ret_reason)
{
	switch (d_type) {
	case DT_REG: return ENTRY_FILE;
	case DT_DIR: return ENTRY_DIR;
	case DT_LNK: *ret_reason = "symlink"; break;
	case DT_FIFO: *ret_reason = "fifo"; break;
	case DT_SOCK: *ret_reason = "socket"; break;
	default: *ret_reason = "device"; break;
	}
	return ENTRY_OTHER;
}

/* Filesystems that do not tell types; also the name may be gone by now: *ret_gone. */
static enum entry_type ask_type(int dir_fd, const char *name, const char **ret_reason, bool *ret_gone)
{
	struct local_state state;

	local_inspect_at(dir_fd, name, &state);
	*ret_gone = state.presence == PLAN_ABSENT && !state.is_dir;
	if (state.is_dir)
		return ENTRY_DIR;
	if (state.presence != PLAN_SPECIAL)
		return ENTRY_FILE; /* its own stat says the rest */
	*ret_reason = state.skip_reason;
	return ENTRY_OTHER;
}

static int take_entry(struct scan_walk *w, struct scan_walk_level *l, const struct dirent64 *e)
{
	const char *name = e->d_name, *reason = NULL;
	bool gone = false;
	enum entry_type type =
		e->d_type == DT_UNKNOWN ? ask_type(l->fd, name, &reason, &gone) : type_of(e->d_type, &reason);

	if (gone)
		return 0;
	enum ignore_verdict verdict = ignore_component(&w->rules->ignore, name, type == ENTRY_DIR, NULL);
	/* Rows of what is ignored are found by the merge, which asks the rules about every absent file. */
	if (verdict == IGNORE_IGNORED)
		return 0;
	if (verdict == IGNORE_SECRET) {
		type = ENTRY_SKIPPED;
		reason = "secret";
	}
	int r = level_add(l, name, strlen(name), type);
	return r == 0 && reason ? skip_name(w, l, &l->names[l->n - 1], reason, 0) : r;
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Reads and sorts all names. *ret_empty: there were none at all. -errno: not completely read. */
static int read_names(struct scan_walk *w, struct scan_walk_level *l, bool *ret_empty)
{
	size_t seen = 0;

	for (;;) {
		ssize_t n = getdents64(l->fd, w->buffer, READ_BYTES);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(w->buffer + at);
			at += e->d_reclen;
			if (is_dot(e->d_name))
				continue;
			int r = take_entry(w, l, e);
			if (r < 0)
				return r;
			if (++seen % CANCEL_ENTRIES == 0 && *w->cancel)
				return -ECANCELED;
		}
	}
	if (l->n > 0) /* qsort_r does not take NULL */
		qsort_r(l->names, l->n, sizeof(*l->names), compare_names, l->text.data);
	*ret_empty = seen == 0;
	return 0;
}

/* Ends of the whole walk, as against what concerns one directory. */
static bool is_fatal(int error)
{
	return error == -ECANCELED || error == -ENOMEM;
}

static int watch_level(struct scan_walk *w, struct scan_walk_level *l)
{
	if (!w->watch)
		return 0;
	/* Without its trailing '/'. */
	size_t len = w->local.len;
	if (len > 0)
		w->local.data[len - 1] = '\0';
	int r = watch_dir(w->watch, l->fd, w->local.data);
	/* A root that is lost meanwhile is no place to read on; any other failure costs the hints only. */
	if (r < 0 && r != -ESTALE && !is_fatal(r))
		log_write(LOG_LEVEL_WARNING, LOG_FIELDS(LOG_PATH(w->local.data)),
			  "cannot watch a directory, changes in it show at the next scan only: %s",
			  strerror(-r));
	if (len > 0)
		w->local.data[len - 1] = '/';
	return r == -ESTALE || is_fatal(r) ? r : 0;
}

/* What is known of everything below walk->path: nothing. */
static int report_hole(struct scan_walk *w, const char *reason, int error)
{
	int r = skip_path(w, reason, error);

	w->incomplete |= error != 0;
	w->entry = (struct scan_walk_entry){.kind = WALK_HOLE, .path = w->path.data};
	w->has_entry = true;
	return r;
}

static int push_level(struct scan_walk *w, int fd, const struct stat *st)
{
	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 16;
		struct scan_walk_level *levels = reallocarray(w->levels, room, sizeof(*levels));
		if (!levels)
			return -ENOMEM;
		w->levels = levels;
		w->room = room;
	}
	w->levels[w->depth++] = (struct scan_walk_level){.fd = fd,
							 .dev = st->st_dev,
							 .ino = st->st_ino,
							 .path_len = w->path.len,
							 .local_len = w->local.len};
	if (w->depth > OPEN_LEVELS) {
		struct scan_walk_level *above = &w->levels[w->depth - 1 - OPEN_LEVELS];
		close_fd(above->fd);
		above->fd = -1;
	}
	return 0;
}

static void pop_level(struct scan_walk *w)
{
	level_done(top(w));
	w->depth--;
}

/* Enters the directory open at fd (taken), whose path is in walk->path and walk->local. Afterwards either it
 * is the top level, or there is an entry (a hole). */
static int enter(struct scan_walk *w, int fd)
{
	_cleanup_close_ int dir = fd;
	struct stat st;

	if (fstat(dir, &st) < 0)
		return report_hole(w, "unreadable", -errno);
	const char *reason = local_skip_directory(w->rules, &st);
	if (reason)
		return report_hole(w, reason, 0);
	int r = push_level(w, dir, &st);
	if (r < 0)
		return r;
	STEAL_FD(dir);
	r = watch_level(w, top(w));
	bool empty = false;
	if (r == 0)
		r = read_names(w, top(w), &empty);
	/* Names were reported meanwhile; it only gets shorter. */
	set_path(&w->path, top(w)->path_len, "", 0);
	if (r < 0) {
		pop_level(w);
		return is_fatal(r) ? r : report_hole(w, "unreadable", r);
	}
	w->directories++;
	if (empty && w->path.len > 0)
		return skip_path(w, "empty_directory", 0);
	return 0;
}

/* What a failed open of walk->path says: gone or no directory any more, so nothing is below it; or a hole. */
static int enter_failed(struct scan_walk *w, int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP: return 0;
	case -EXDEV: return report_hole(w, "other_filesystem", 0);
	case -ENAMETOOLONG: return report_hole(w, "name_too_long", 0);
	default: return is_fatal(error) ? error : report_hole(w, "unreadable", error);
	}
}

/* The descriptor of a level that was closed, by its path; it must be the same directory. */
static int level_fd(struct scan_walk *w, struct scan_walk_level *l)
{
	struct stat st;

	if (l->fd >= 0)
		return l->fd;
	w->local.len = l->local_len;
	if (buf_terminate(&w->local) < 0)
		return -ENOMEM;
	_cleanup_close_ int fd = fs_open_beneath(w->root_fd, w->local.data, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != l->dev || st.st_ino != l->ino)
		return -ENOENT; /* replaced: what was read is of the past */
	return l->fd = STEAL_FD(fd);
}

/* The top's directory cannot be reached again: nothing is known any more of what it held. */
static int abandon_name(struct scan_walk *w, struct scan_walk_level *l, int error)
{
	const struct name *n = &l->names[l->at++];
	const char *text = name_text(l, n);
	int r = set_path(&w->path, l->path_len, text, strlen(text));

	if (r < 0)
		return r;
	if (n->type == ENTRY_DIR)
		return report_hole(w, "unreadable", error);
	w->incomplete = true;
	w->entry = (struct scan_walk_entry){.kind = WALK_OTHER, .path = w->path.data};
	w->has_entry = true;
	return 0;
}

static int take_directory(struct scan_walk *w, struct scan_walk_level *l, const struct name *n, int fd)
{
	size_t len;
	const char *local = local_name(l, n, &len);
	int r = set_path(&w->local, l->local_len, local, len);

	if (r < 0)
		return r;
	_cleanup_close_ int dir =
		fs_open_beneath(fd, w->local.data + l->local_len, O_RDONLY | O_DIRECTORY, 0);
	r = buf_append(&w->local, "/", 1);
	if (r == 0)
		r = buf_terminate(&w->local);
	if (r < 0)
		return r;
	if (w->local.len >= PATH_MAX)
		return report_hole(w, "name_too_long", 0); /* nothing could open what is below */
	return dir < 0 ? enter_failed(w, dir) : enter(w, STEAL_FD(dir));
}

static int take_file(struct scan_walk *w, struct scan_walk_level *l, const struct name *n, int fd)
{
	struct local_state state;
	size_t len;
	const char *local = local_name(l, n, &len);

	local_inspect_at(fd, local, &state);
	switch (state.presence) {
	case PLAN_FILE:
		w->files++;
		w->entry =
			(struct scan_walk_entry){.kind = WALK_FILE, .sig = state.sig, .linked = state.linked};
		break;
	case PLAN_ABSENT: return 0; /* gone since it was read, or a directory now */
	default:
		w->entry = (struct scan_walk_entry){.kind = WALK_OTHER};
		w->incomplete |= state.presence == PLAN_UNREADABLE;
		int r = skip_path(w, state.skip_reason, state.error);
		if (r < 0)
			return r;
	}
	if (l->local_len + len >= PATH_MAX) {
		w->entry.kind = WALK_OTHER;
		int r = skip_path(w, "name_too_long", 0);
		if (r < 0)
			return r;
	}
	w->entry.path = w->path.data;
	w->has_entry = true;
	return 0;
}

/* One name of the top level. */
static int take_name(struct scan_walk *w)
{
	struct scan_walk_level *l = top(w);
	int fd = level_fd(w, l);

	if (is_fatal(fd))
		return fd;
	if (fd < 0)
		return abandon_name(w, l, fd);
	struct name *n = &l->names[l->at];
	const char *text = name_text(l, n);
	int r = set_path(&w->path, l->path_len, text, strlen(text));
	if (r < 0)
		return r;
	l->at++;
	switch (n->type) {
	case ENTRY_DIR: return take_directory(w, l, n, fd);
	case ENTRY_FILE: return take_file(w, l, n, fd);
	default:
		/* A secret directory's rows are below it, not at its name. */
		w->entry = (struct scan_walk_entry){.kind = WALK_OTHER, .path = w->path.data};
		w->has_entry = true;
		return 0;
	}
}

/* The prefix's directory, every step of the way judged by the rules. */
static int start(struct scan_walk *w)
{
	_cleanup_free_ char *local = NULL;
	size_t len = strlen(w->prefix);
	int r = set_path(&w->path, 0, w->prefix, len);

	if (r == 0)
		r = set_path(&w->local, 0, "", 0);
	if (r < 0)
		return r;
	if (len == 0) {
		int fd = fs_open_beneath(w->root_fd, "", O_RDONLY | O_DIRECTORY, 0);
		return fd < 0 ? fd : enter(w, fd);
	}
	w->path.data[len - 1] = '\0';
	r = names_decode(w->path.data, &local);
	w->path.data[len - 1] = '/';
	if (r < 0)
		return is_fatal(r) ? r : 0; /* no such name can be on a disk */
	const char *reason = local_verdict_reason(ignore_path(&w->rules->ignore, local, true, NULL));
	if (reason)
		return report_hole(w, reason, 0);

	_cleanup_close_ int dir = -1;
	for (char *name = local; name;) {
		char *slash = strchr(name, '/');
		if (slash)
			*slash = '\0';
		int next = fs_open_beneath(dir < 0 ? w->root_fd : dir, name,
					   (slash ? O_PATH : O_RDONLY) | O_DIRECTORY, 0);
		if (next < 0)
			return enter_failed(w, next);
		close_fd(dir);
		dir = next;
		struct stat st;
		if (slash && fstat(dir, &st) == 0 && (reason = local_skip_directory(w->rules, &st)))
			return report_hole(w, reason, 0);
		r = buf_append_str(&w->local, name);
		if (r == 0)
			r = buf_append_str(&w->local, "/");
		if (r == 0)
			r = buf_terminate(&w->local);
		if (r < 0)
			return r;
		name = slash ? slash + 1 : NULL;
	}
	return enter(w, STEAL_FD(dir));
}

int scan_walk_peek(struct scan_walk *w, const struct scan_walk_entry **ret_entry)
{
	while (!w->has_entry) {
		int r;
		if (!w->started) {
			w->started = true;
			r = start(w);
		} else if (w->depth == 0) {
			w->entry = (struct scan_walk_entry){.kind = WALK_END};
			break;
		} else if (top(w)->at == top(w)->n) {
			pop_level(w);
			continue;
		} else {
			r = take_name(w);
		}
		if (r < 0)
			return r;
		if (*w->cancel)
			return -ECANCELED;
	}
	*ret_entry = &w->entry;
	return 0;
}

void scan_walk_advance(struct scan_walk *w)
{
	w->has_entry = false;
}

int scan_walk_init(struct scan_walk *w, const char *prefix, const struct local_rules *rules,
		   struct watch_root *watch, const atomic_bool *cancel, scan_walk_skip_cb skip, void *arg)
{
	*w = (struct scan_walk){
		.rules = rules, .watch = watch, .skip = skip, .arg = arg, .cancel = cancel, .root_fd = -1};
	w->prefix = strdup(prefix);
	w->buffer = malloc(READ_BYTES);
	return w->prefix && w->buffer ? 0 : -ENOMEM;
}

void scan_walk_suspend(struct scan_walk *w)
{
	for (size_t i = 0; i < w->depth; i++) {
		close_fd(w->levels[i].fd);
		w->levels[i].fd = -1;
	}
	close_fd(w->root_fd);
	w->root_fd = -1;
}

void scan_walk_resume(struct scan_walk *w, int root_fd)
{
	w->root_fd = root_fd;
}

void scan_walk_done(struct scan_walk *w)
{
	while (w->depth)
		pop_level(w);
	close_fd(w->root_fd);
	free(w->levels);
	free(w->prefix);
	free(w->buffer);
	buf_done(&w->path);
	buf_done(&w->local);
}
