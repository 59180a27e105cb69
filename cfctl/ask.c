/* Questions: a yes or no, and credentials, which never stand in argv, in the environment or on the screen. */
#include "cfctl/ask.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

/* An answer longer than this is none. */
#define ANSWER_MAX_BYTES 64

/* One line from fd into buf, without its end. The length; -EINTR, -E2BIG, other -errno. */
static ssize_t read_line(int fd, char *buf, size_t size)
{
	size_t length = 0;

	for (;;) {
		int r = ctl_wait_fd(fd, -1);
		ssize_t n;

		if (r < 0)
			return r;
		if (r == 0)
			continue; /* the terminal changed its size */
		/* Byte by byte: what follows the line is not ours. */
		n = read(fd, buf + length, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || buf[length] == '\n')
			break;
		if (++length == size)
			return -E2BIG;
	}
	while (length > 0 && (buf[length - 1] == '\r' || buf[length - 1] == ' ' || buf[length - 1] == '\t'))
		length--;
	return (ssize_t)length;
}

static int secret_keep(struct ctl *ctl, const char *bytes, size_t length, struct secret *ret_secret)
{
	int fd;

	if (length == 0)
		return ctl_usage(ctl, NULL, "the credential is empty");
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)bytes[i] <= ' ' || (unsigned char)bytes[i] >= 0x7f)
			return ctl_usage(
				ctl, "A key or token is one word of printable ASCII.",
				"the credential holds a space, a control character or a byte outside ASCII");
	fd = memfd_create("credential", MFD_CLOEXEC);
	if (fd < 0 || pwrite(fd, bytes, length, 0) != (ssize_t)length) {
		int code = ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot hold the credential: %s",
				     strerror(errno));

		if (fd >= 0)
			(void)close(fd);
		return code;
	}
	ret_secret->fd = fd;
	return EXIT_OK;
}

void secret_done(struct secret *secret)
{
	static const char zeros[SECRET_MAX_BYTES];
	off_t size;

	if (secret->fd < 0)
		return;
	size = lseek(secret->fd, 0, SEEK_END);
	if (size > 0 && pwrite(secret->fd, zeros, (size_t)size, 0) < 0)
		(void)ftruncate(secret->fd, 0);
	(void)close(secret->fd);
	secret->fd = -1;
}

int secret_from_file(struct ctl *ctl, const char *file, struct secret *ret_secret)
{
	bool is_stdin = strcmp(file, "-") == 0;
	char buf[SECRET_MAX_BYTES];
	int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -errno : read_line(fd, buf, sizeof(buf));
	int code;

	if (fd >= 0 && !is_stdin)
		(void)close(fd);
	if (n == -EINTR)
		code = EXIT_INTERRUPTED;
	else if (n == -E2BIG)
		code = ctl_error(ctl, EXIT_LOCAL, "LocalError",
				 "The credential is the first line of the file.",
				 "%s: the first line is longer than any credential", file);
	else if (n < 0)
		code = ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL,
				 "cannot read the credential from %s: %s", is_stdin ? "stdin" : file,
				 strerror((int)-n));
	else
		code = secret_keep(ctl, buf, (size_t)n, ret_secret);
	explicit_bzero(buf, sizeof(buf));
	return code;
}

int secret_from_prompt(struct ctl *ctl, const char *what, struct secret *ret_secret)
{
	_cleanup_free_ char *safe = term_safe(what);
	char buf[SECRET_MAX_BYTES];
	struct termios saved, silent;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	int code;
	ssize_t n;

	if (!safe)
		return ctl_no_memory(ctl);
	if (fd < 0 || tcgetattr(fd, &saved) < 0) {
		if (fd >= 0)
			(void)close(fd);
		return ctl_usage(ctl, "Use --token-file FILE (- for stdin), or --anonymous.",
				 "there is no terminal to ask for the credential");
	}
	silent = saved;
	silent.c_lflag &= (tcflag_t) ~(ECHO | ECHOE | ECHOK);
	silent.c_lflag |= ICANON | ECHONL;
	/* In this order: what is typed as soon as the question shows must not show itself. */
	(void)tcsetattr(fd, TCSAFLUSH, &silent);
	(void)dprintf(fd, "%s: ", safe);
	n = read_line(fd, buf, sizeof(buf));
	(void)tcsetattr(fd, TCSAFLUSH, &saved);
	if (n < 0)
		(void)dprintf(fd, "\n");
	(void)close(fd);
	if (n == -EINTR)
		code = EXIT_INTERRUPTED;
	else if (n < 0)
		code = ctl_error(ctl, EXIT_LOCAL, "LocalError", NULL, "cannot read from the terminal: %s",
				 strerror((int)-n));
	else
		code = secret_keep(ctl, buf, (size_t)n, ret_secret);
	explicit_bzero(buf, sizeof(buf));
	return code;
}

int secret_to_params(struct ctl *ctl, const char *file, struct params *params, const char *key)
{
	_cleanup_secret_ struct secret secret = {.fd = -1};
	char text[SECRET_MAX_BYTES + 1];
	int code = secret_from_file(ctl, file, &secret);
	ssize_t n;

	if (code != EXIT_OK)
		return code;
	n = pread(secret.fd, text, sizeof(text) - 1, 0);
	if (n > 0) {
		text[n] = '\0';
		params_string(params, key, text);
	}
	explicit_bzero(text, sizeof(text));
	return EXIT_OK;
}

void secret_wipe_params(struct params *params, const char *key)
{
	struct json_object *text;

	if (params->object && json_object_object_get_ex(params->object, key, &text))
		explicit_bzero((char *)(uintptr_t)json_object_get_string(text),
			       (size_t)json_object_get_string_len(text));
}

int ctl_may_ask(struct ctl *ctl, bool yes, const char *what)
{
	if (yes || (ctl->in_tty && ctl->err.tty))
		return EXIT_OK;
	return ctl_usage(ctl, "Say --yes if you are sure.",
			 "%s deletes for good, and there is no terminal to ask at", what);
}

int ctl_confirm(struct ctl *ctl, const char *question)
{
	_cleanup_free_ char *safe = term_safe(question);
	char answer[ANSWER_MAX_BYTES];
	ssize_t n;

	if (!safe)
		return ctl_no_memory(ctl);
	(void)fprintf(stderr, "%s [y/N] ", safe);
	(void)fflush(stderr);
	n = read_line(STDIN_FILENO, answer, sizeof(answer) - 1);
	if (n == -EINTR) {
		(void)fprintf(stderr, "\n");
		return EXIT_INTERRUPTED;
	}
	if (n < 0)
		return EXIT_FAILED;
	answer[n] = '\0';
	if (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0)
		return EXIT_OK;
	ctl_note(ctl, STYLE_NONE, "", "Nothing was changed.");
	return EXIT_FAILED;
}
