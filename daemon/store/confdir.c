/* Directories of NAME.conf files, as confdir.h says. */
#include "store/confdir.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define SUFFIX ".conf"
/* More are not ours: a directory that somebody fills must not fill our memory. */
#define FILES_MAX 10000

bool confdir_name_valid(const char *name)
{
	static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	if (!name || *name == '\0' || !strchr(alnum, *name) ||
	    strnlen(name, CONFDIR_NAME_MAX + 1) > CONFDIR_NAME_MAX)
		return false;
	for (const char *p = name; *p; p++)
		if (!strchr(alnum, *p) && !strchr("._-", *p))
			return false;
	return true;
}

char *confdir_path(const char *dir, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s" SUFFIX, dir, name) < 0 ? NULL : path;
}

static void add_line(char **warnings, const char *line)
{
	char *longer = NULL;

	if (!warnings)
		return;
	if (asprintf(&longer, "%s%s%s", *warnings ? *warnings : "", *warnings ? "\n" : "", line) < 0)
		return; /* out of memory: the file is left out all the same, with fewer words */
	free(*warnings);
	*warnings = longer;
}

void confdir_warn(char **warnings, const char *path, const struct conf_error *error, int code)
{
	_cleanup_free_ char *line = NULL, *shown = log_quote(path, strlen(path));
	char number[24] = "";
	const char *key = error->key ? error->key : "", *colon = error->key ? ": " : "";

	if (error->line > 0)
		snprintf(number, sizeof(number), ":%d", error->line);
	if (asprintf(&line, "%s%s: %s%s%s", shown ? shown : "", number, key, colon,
		     error->reason ? error->reason : err_text(code)) < 0)
		line = NULL;
	if (line)
		add_line(warnings, line);
}

void confdir_names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The NAME of NAME.conf: 1; another file: 0; -ENOMEM, which must not look like a file that is not there.
 * Hidden files (editors', our temporary ones) are nobody's. */
static int name_of(const char *dir, const char *file, char **ret_name, char **warnings)
{
	size_t len = strlen(file), suffix = strlen(SUFFIX);

	if (*file == '.' || len <= suffix || strcmp(file + len - suffix, SUFFIX) != 0)
		return 0;
	_cleanup_free_ char *name = strndup(file, len - suffix);
	if (!name)
		return -ENOMEM;
	if (confdir_name_valid(name)) {
		*ret_name = STEAL(name);
		return 1;
	}
	_cleanup_free_ char *path = fs_join(dir, file);
	struct conf_error error = {
		.reason = strdup("the name is not allowed: letters, digits, '.', '_' and '-', at most "
				 "64, beginning with a letter or digit; rename it")};
	if (path && error.reason)
		confdir_warn(warnings, path, &error, -EINVAL);
	conf_error_done(&error);
	return 0;
}

static int list_open(DIR *d, const char *dir, char ***names, size_t *n, char **warnings)
{
	struct dirent *entry;

	while (errno = 0, (entry = readdir(d))) {
		char *name = NULL;
		int r = name_of(dir, entry->d_name, &name, warnings);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		char **more = *n < FILES_MAX ? reallocarray(*names, *n + 1, sizeof(*more)) : NULL;
		if (!more) {
			free(name);
			return *n < FILES_MAX ? -ENOMEM : ERR_LIMIT;
		}
		*names = more;
		more[(*n)++] = name;
	}
	return -errno;
}

int confdir_list(const char *dir, char ***ret_names, size_t *ret_n, char **warnings)
{
	char **names = NULL;
	size_t n = 0;
	DIR *d = opendir(dir);

	if (!d && errno != ENOENT)
		return -errno;
	int r = d ? list_open(d, dir, &names, &n, warnings) : 0;
	if (d)
		closedir(d);
	if (r < 0) {
		confdir_names_free(names, n);
		return r;
	}
	if (n > 0)
		qsort(names, n, sizeof(*names), by_name);
	*ret_names = names;
	*ret_n = n;
	return 0;
}

static int check_file(int fd, const char *path, mode_t forbidden, struct stat *st, struct conf_error *error)
{
	if (fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return conf_refuse(error, -EINVAL, "not a regular file: remove it");
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return conf_refuse(error, -EPERM, "it belongs to uid %u: chown %u '%s'", (unsigned)st->st_uid,
				   (unsigned)geteuid(), path);
	if (st->st_mode & forbidden)
		return conf_refuse(error, -EPERM, "mode %04o lets others in: chmod 0600 '%s'",
				   (unsigned)st->st_mode & 07777U, path);
	if (st->st_size > CONF_FILE_MAX)
		return conf_refuse(error, -EFBIG, "larger than %d bytes", CONF_FILE_MAX);
	return 0;
}

int confdir_read(const char *path, mode_t forbidden, char **ret_text, size_t *ret_len,
		 struct conf_error *error)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == ELOOP)
		return conf_refuse(error, -ELOOP,
				   "a symbolic link is not followed here: replace it by the file");
	if (fd < 0)
		return -errno;
	int r = check_file(fd, path, forbidden, &st, error);
	if (r < 0)
		return r;
	char *text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	ssize_t n = fs_read_full(fd, text, (size_t)st.st_size);
	if (n < 0) {
		free(text);
		return (int)n;
	}
	text[n] = '\0';
	*ret_text = text;
	*ret_len = (size_t)n;
	return 0;
}

int confdir_sync(const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int confdir_unlink(const char *dir, const char *path)
{
	return unlink(path) < 0 ? -errno : confdir_sync(dir);
}
