/* The log of log.h: one formatting path, two sinks (journal, stderr). Each line is one write, so lines of
 * several threads do not mix. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "base/log.h"
#include "base/buf.h"
#include "base/utf8.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

/* More fields than any line of ours has. */
#define LOG_FIELDS_MAX 12

static enum { SINK_STDERR, SINK_STDERR_PREFIXED, SINK_JOURNAL } sink;
static _Atomic int max_level = LOG_LEVEL_INFO;

static const struct {
	const char *name;
	int priority; /* syslog's */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", 3},
	[LOG_LEVEL_WARNING] = {"warning", 4},
	[LOG_LEVEL_INFO] = {"info", 6},
	[LOG_LEVEL_DEBUG] = {"debug", 7},
};

void log_init(void)
{
	const char *stream = getenv("JOURNAL_STREAM"), *pid = getenv("SYSTEMD_EXEC_PID");
	unsigned long long device, inode;
	struct stat st;

	/* Only if stderr really is that stream: a shell started below a service inherits the variable. */
	if (stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	    st.st_dev == device && st.st_ino == inode)
		sink = SINK_JOURNAL;
	else if (pid && strtol(pid, NULL, 10) == getpid() && !isatty(STDERR_FILENO))
		sink = SINK_STDERR_PREFIXED;
	else
		sink = SINK_STDERR;
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&max_level, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
	return levels[level].name;
}

int log_level_parse(const char *name, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(levels[i].name, name) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

/* What a terminal or a reader of the log could be fooled with: control characters of both ranges, line and
 * paragraph separators, and the marks that change the direction of text. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static int append_printable(struct buf *b, const char *bytes, size_t len, bool quote)
{
	while (len > 0) {
		uint32_t c = 0;
		size_t n = utf8_next(bytes, len, &c);
		bool escape = n == 0 || is_control(c) || (quote && (c == '"' || c == '\\'));
		int r = 0;

		n = n ? n : 1;
		if (!escape)
			r = buf_append(b, bytes, n);
		for (size_t i = 0; escape && r == 0 && i < n; i++)
			r = buf_printf(b, "\\x%02X", (unsigned char)bytes[i]);
		if (r < 0)
			return r;
		bytes += n;
		len -= n;
	}
	return 0;
}

char *log_quote(const char *bytes, size_t len)
{
	_cleanup_buf_ struct buf b = {0};

	if (buf_reserve(&b, len + 1) < 0 || append_printable(&b, bytes, len, true) < 0)
		return NULL;
	return buf_steal(&b);
}

static int write_journal(enum log_level level, const struct log_field *fields, const struct buf *message)
{
	_cleanup_buf_ struct buf text = {0};
	struct iovec parts[LOG_FIELDS_MAX + 2];
	size_t ends[LOG_FIELDS_MAX + 2];
	int n = 0;

	if (buf_printf(&text, "PRIORITY=%d", levels[level].priority) < 0)
		return -ENOMEM;
	ends[n++] = text.len;
	if (buf_append_str(&text, "MESSAGE=") < 0 || buf_append(&text, message->data, message->len) < 0)
		return -ENOMEM;
	ends[n++] = text.len;
	for (; fields && fields->name && n < LOG_FIELDS_MAX + 2; fields++) {
		if (!fields->value)
			continue;
		if (buf_append_str(&text, fields->name) < 0 || buf_append_str(&text, "=") < 0 ||
		    buf_append_str(&text, fields->value) < 0)
			return -ENOMEM;
		ends[n++] = text.len;
	}
	size_t start = 0;
	for (int i = 0; i < n; i++) {
		parts[i] = (struct iovec){text.data + start, ends[i] - start};
		start = ends[i];
	}
	return sd_journal_sendv(parts, n);
}

static int append_field(struct buf *b, const struct log_field *field)
{
	const char *name = field->name;

	if (strncmp(name, "CF_", 3) == 0) /* the prefix is the journal's name space, not for people */
		name += 3;
	int r = buf_append_str(b, " ");
	for (; r == 0 && *name; name++)
		r = buf_append(b, &(char){(char)tolower((unsigned char)*name)}, 1);
	if (r == 0)
		r = buf_append_str(b, "=\"");
	if (r == 0)
		r = append_printable(b, field->value, strlen(field->value), true);
	return r == 0 ? buf_append_str(b, "\"") : r;
}

static int format_line(struct buf *b, enum log_level level, const struct log_field *fields,
		       const struct buf *message, bool prefixed)
{
	int r = prefixed ? buf_printf(b, "<%d>", levels[level].priority)
			 : buf_printf(b, "%s: ", levels[level].name);

	if (r == 0)
		r = buf_append(b, message->data, message->len);
	for (; r == 0 && fields && fields->name; fields++)
		if (fields->value)
			r = append_field(b, fields);
	return r == 0 ? buf_append_str(b, "\n") : r;
}

/* A reader that has gone or a full disk must not stop the daemon: what cannot be written is lost. */
static void write_stderr(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

__attribute__((format(printf, 2, 0))) static int format_message(struct buf *b, const char *format,
								va_list args)
{
	_cleanup_free_ char *raw = NULL;

	int n = vasprintf(&raw, format, args);
	if (n < 0) {
		raw = NULL;
		return -ENOMEM;
	}
	return append_printable(b, raw, (size_t)n, false);
}

void log_write(enum log_level level, const struct log_field *fields, const char *format, ...)
{
	if (level > log_get_level())
		return;

	int saved = errno;
	_cleanup_buf_ struct buf message = {0}, line = {0};
	va_list args;
	va_start(args, format);
	int r = format_message(&message, format, args);
	va_end(args);

	if (r == 0 && sink == SINK_JOURNAL && write_journal(level, fields, &message) == 0) {
		errno = saved;
		return;
	}
	/* A journal that does not take the line still reads the stream, with the prefix. */
	if (r == 0)
		r = format_line(&line, level, fields, &message, sink != SINK_STDERR);
	if (r == 0)
		write_stderr(line.data, line.len);
	else
		write_stderr("error: out of memory\n", 21);
	errno = saved;
}

void log_warning_lines(const char *text)
{
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		log_warning("%.*s", (int)len, text);
		text += len + (text[len] == '\n');
	}
}
