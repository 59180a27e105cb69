/* A file into its place, the Trash or a name beside it for what lay there: copied, exchanged, and only
 * dropped when it is proven that the copy is all of it. */
#include "sync/place.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "sync/local.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define BLOCK_BYTES  (256 * 1024)
#define PLACE_TRIES  8 /* who makes and removes the name faster than that has won */
#define KEPT_TRIES   9 /* files displaced within one second */
#define HOST_MAX     64
#define DATE_MAX     32
#define NUMBER_MAX   16
#define KEPT_TAG_MAX (sizeof(" (conflict  )") + HOST_MAX + DATE_MAX + NUMBER_MAX)

static bool no_such_rename(int error)
{
	return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

/* --- what was displaced --- */

/* "NAME (conflict HOST YYYY-MM-DD HHMMSS).EXT", the stem cut to what fits. */
static int kept_name(const char *name, int attempt, char out[NAME_MAX + 1])
{
	char tag[KEPT_TAG_MAX], host[HOST_MAX + 1] = "", date[DATE_MAX], number[NUMBER_MAX] = "";
	const char *dot = strrchr(name, '.');
	time_t now = time(NULL);
	struct tm tm;

	if (gethostname(host, sizeof(host) - 1) < 0 || !localtime_r(&now, &tm) ||
	    strftime(date, sizeof(date), "%Y-%m-%d %H%M%S", &tm) == 0)
		return -EOVERFLOW;
	if (attempt > 1)
		snprintf(number, sizeof(number), " %d", attempt);
	snprintf(tag, sizeof(tag), " (conflict %s %s%s)", host, date, number);

	size_t tag_len = strlen(tag), stem = dot && dot != name ? (size_t)(dot - name) : strlen(name);
	size_t ext = strlen(name) - stem;

	if (tag_len + ext >= NAME_MAX) { /* no extension but a name with a dot in it */
		stem = strlen(name);
		ext = 0;
	}
	if (stem + tag_len + ext > NAME_MAX)
		stem = NAME_MAX - tag_len - ext;
	while (stem > 0 && ((unsigned char)name[stem] & 0xC0) == 0x80) /* not in the middle of a character */
		stem--;
	memcpy(out, name, stem);
	memcpy(out + stem, tag, tag_len);
	memcpy(out + stem + tag_len, name + strlen(name) - ext, ext + 1);
	return 0;
}

static int move_aside(const struct place *p, const char *from, char **ret_kept)
{
	_cleanup_free_ char *name = malloc(NAME_MAX + 1);
	int r = name ? -EEXIST : -ENOMEM;

	for (int i = 1; r == -EEXIST && i <= KEPT_TRIES; i++) {
		r = kept_name(p->name, i, name);
		if (r >= 0)
			r = fs_move_new(p->dir, from, name);
	}
	if (r >= 0)
		*ret_kept = STEAL(name);
	return r;
}

static int hash(int fd, struct digest *ret_digest)
{
	struct digest_stream *stream = digest_stream_new();
	_cleanup_free_ char *block = malloc(BLOCK_BYTES);
	int r = stream && block ? 0 : -ENOMEM;
	ssize_t n = 1;

	while (r >= 0 && n > 0) {
		n = fs_read_full(fd, block, BLOCK_BYTES);
		r = n < 0 ? (int)n : digest_stream_update(stream, block, (size_t)n);
	}
	if (r >= 0)
		r = digest_stream_final(stream, ret_digest);
	digest_stream_free(stream);
	return r;
}

/* Removes the file if the Trash has all of it, for good: under a lease nobody has it open for writing, and
 * who opens it (by another link) waits until we let go. Where there are no leases nobody can tell. */
static bool drop_copied(int dir, const char *name, const struct digest *in_trash)
{
	_cleanup_close_ int fd = fs_open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct index_sig sig;
	struct digest now;

	if (fd < 0 || local_sig_of(fd, &sig) < 0)
		return false;
	/* A lease that is broken is announced by a signal: SIGURG, which ends nobody. */
	if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return false;
	return hash(fd, &now) >= 0 && digest_equal(&now, in_trash) && unlinkat(dir, name, 0) == 0;
}

/* Exchanged: what lay at the name is at temp's now. */
static void judge_displaced(const struct place *p, const struct digest *in_trash, char **ret_kept)
{
	int r = drop_copied(p->dir, p->temp, in_trash) ? 0 : move_aside(p, p->temp, ret_kept);

	if (r < 0) {
		log_error("%s: what was written meanwhile stays beside it as %s: %s", p->original, p->temp,
			  err_text(r));
		*ret_kept = strdup(p->temp);
	}
}

/* --- replacing --- */

/* What lies at the name, into the Trash; no more than it had when it was opened. -ENOENT: nothing does any
 * more. */
static int copy_to_trash(const struct place *p, struct digest *ret_digest)
{
	_cleanup_close_ int fd = fs_open_beneath(p->dir, p->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct digest_stream *stream = NULL;
	_cleanup_free_ char *block = malloc(BLOCK_BYTES);
	_cleanup_free_ char *where = NULL;
	struct trash_file *f = NULL;
	struct index_sig sig = {0};
	ssize_t n = 1;
	int r = fd < 0 ? fd : local_sig_of(fd, &sig);

	if (r >= 0)
		r = block && (stream = digest_stream_new()) ? 0 : -ENOMEM;
	if (r >= 0)
		r = trash_begin(p->trash, p->original, sig.size, &f);
	for (int64_t left = sig.size; r >= 0 && n > 0 && left > 0; left -= n) {
		n = fs_read_full(fd, block, (size_t)MIN(left, (int64_t)BLOCK_BYTES));
		r = n < 0 ? (int)n : trash_write(f, block, (size_t)n);
		if (r >= 0)
			r = digest_stream_update(stream, block, (size_t)n);
	}
	if (r >= 0)
		r = digest_stream_final(stream, ret_digest);
	if (r >= 0)
		r = trash_commit(f, &where);
	trash_abort(f);
	digest_stream_free(stream);
	return r;
}

/* Where nothing can be exchanged: what is there is moved away, and back if its place cannot be taken. */
static int replace_in_two(const struct place *p, const struct digest *in_trash, char **ret_kept)
{
	_cleanup_free_ char *aside = NULL;
	int r = move_aside(p, p->name, &aside);

	if (r < 0)
		return r;
	r = fs_move_new(p->dir, p->temp, p->name);
	if (r < 0 && fs_move_new(p->dir, aside, p->name) == 0)
		return r;
	if (r >= 0 && drop_copied(p->dir, aside, in_trash))
		return 0;
	*ret_kept = STEAL(aside);
	return r;
}

static int replace(const struct place *p, char **ret_kept)
{
	struct digest in_trash;
	int r = copy_to_trash(p, &in_trash);

	if (r < 0)
		return r;
	if (renameat2(p->dir, p->temp, p->dir, p->name, RENAME_EXCHANGE) < 0)
		return no_such_rename(errno) ? replace_in_two(p, &in_trash, ret_kept) : -errno;
	judge_displaced(p, &in_trash, ret_kept);
	return 0;
}

int place_file(const struct place *p, char **ret_kept)
{
	int r = -EEXIST;

	*ret_kept = NULL;
	for (int i = 0; i < PLACE_TRIES; i++) {
		r = fs_move_new(p->dir, p->temp, p->name);
		if (r == -EEXIST)
			r = replace(p, ret_kept);
		if (r != -ENOENT || *ret_kept) /* -ENOENT: what was there has gone meanwhile */
			break;
	}
	return r;
}
