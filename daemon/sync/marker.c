/* The marker of a root. Lives here: the form of the attribute and the system calls. Not here: which id or
 * generation is the right one, and what follows if it is not. */
#include "sync/marker.h"
#include "base/util.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MARKER_NAME "user.carbonfiles.pair"
/* Two words and the space between them; anything longer is not ours. */
#define MARKER_VALUE_MAX (2 * MARKER_ID_MAX)
#define ID_BYTES         16

/* The length of the word at the start, 0 if it is none of ours. */
static size_t word_length(const char *s)
{
	size_t len = strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return len < MARKER_ID_MAX ? len : 0;
}

static bool is_word(const char *s)
{
	size_t len = word_length(s);

	return len > 0 && s[len] == '\0';
}

static int parse(const char *value, size_t len, struct marker *m)
{
	size_t id_len = word_length(value);

	if (strlen(value) != len || id_len == 0 || value[id_len] != ' ' || !is_word(value + id_len + 1))
		return -EBADMSG;
	memcpy(m->id, value, id_len);
	m->id[id_len] = '\0';
	strncpy(m->generation, value + id_len + 1, MARKER_ID_MAX - 1);
	m->present = true;
	return 0;
}

int marker_read(int root_fd, struct marker *ret_marker)
{
	struct marker m = {.supported = true};
	char value[MARKER_VALUE_MAX + 1];
	struct statfs fs;
	struct stat st;
	int r = 0;

	if (fstat(root_fd, &st) < 0 || fstatfs(root_fd, &fs) < 0)
		return -errno;
	m.ino = st.st_ino;
	_Static_assert(sizeof(fs.f_fsid) == sizeof(m.fsid), "the filesystem id is two words of 32 bits");
	memcpy(&m.fsid, &fs.f_fsid, sizeof(m.fsid));

	ssize_t n = fgetxattr(root_fd, MARKER_NAME, value, sizeof(value) - 1);
	if (n >= 0) {
		value[n] = '\0';
		r = parse(value, (size_t)n, &m);
	} else if (errno == ERANGE) {
		r = -EBADMSG;
	} else if (errno == EOPNOTSUPP) {
		m.supported = false;
	} else if (errno != ENODATA) {
		return -errno;
	} else {
		/* A read-only mount, or a directory of somebody else's. */
		m.supported = faccessat(root_fd, ".", W_OK, AT_EACCESS) == 0;
	}
	*ret_marker = m;
	return r;
}

int marker_write(int root_fd, const char *id, const char *generation)
{
	char value[MARKER_VALUE_MAX + 1];

	if (!is_word(id) || !is_word(generation))
		return -EINVAL;
	int len = snprintf(value, sizeof(value), "%s %s", id, generation);

	if (fsetxattr(root_fd, MARKER_NAME, value, (size_t)len, 0) < 0)
		return -errno;
	/* The index drops the old generation next. After a power cut it must not meet that one here. Some
	 * filesystems have nothing to sync in a directory and say EINVAL. */
	if (fsync(root_fd) < 0 && errno != EINVAL)
		return -errno;
	return 0;
}

int marker_remove(int root_fd, const char *id)
{
	struct marker m;
	int r = marker_read(root_fd, &m);

	if (r == -EBADMSG)
		return 0;
	if (r < 0)
		return r;
	if (!m.present || strcmp(m.id, id) != 0)
		return 0;
	return fremovexattr(root_fd, MARKER_NAME) < 0 && errno != ENODATA ? -errno : 0;
}

int marker_new_id(char id[33])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[ID_BYTES];
	ssize_t n = getrandom(bytes, sizeof(bytes), 0);

	if (n < 0)
		return -errno;
	if (n != sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		id[2 * i] = digits[bytes[i] >> 4];
		id[2 * i + 1] = digits[bytes[i] & 15];
	}
	id[2 * ID_BYTES] = '\0';
	return 0;
}
