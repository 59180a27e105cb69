/* The key = value files of conf.h: a scanner for their tokens, which checks and edits, and libconfuse behind
 * it. */
#include "store/conf.h"
#include "base/buf.h"
#include "base/util.h"
#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

void conf_error_done(struct conf_error *error)
{
	free(error->key);
	free(error->reason);
	*error = (struct conf_error){0};
}

__attribute__((format(printf, 3, 0))) static int refuse_va(struct conf_error *error, int code,
							   const char *format, va_list args)
{
	if (!error->reason && vasprintf(&error->reason, format, args) < 0)
		error->reason = NULL;
	return error->reason ? code : -ENOMEM;
}

int conf_refuse(struct conf_error *error, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	code = refuse_va(error, code, format, args);
	va_end(args);
	return code;
}

/* ---- tokens ---- */

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_STRING,
	TOKEN_EQUALS,
	TOKEN_OTHER,
	TOKEN_OPEN /* not ended */
};

struct token {
	enum token_kind kind;
	const char *start, *end;
	int line; /* where it starts */
};

struct scanner {
	const char *p, *end;
	int line;
};

static bool at(const struct scanner *s, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(s->end - s->p) >= len && memcmp(s->p, text, len) == 0;
}

static void advance(struct scanner *s, size_t n)
{
	for (; n > 0 && s->p < s->end; n--)
		s->line += *s->p++ == '\n';
}

static void skip_line(struct scanner *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
}

/* Blanks and comments. false: a comment without an end, which began in *ret_line. */
static bool skip_space(struct scanner *s, int *ret_line)
{
	while (s->p < s->end) {
		if (strchr(" \t\r\n", *s->p) && *s->p) {
			advance(s, 1);
		} else if (*s->p == '#' || at(s, "//")) {
			skip_line(s);
		} else if (at(s, "/*")) {
			*ret_line = s->line;
			advance(s, 2);
			while (s->p < s->end && !at(s, "*/"))
				advance(s, 1);
			if (s->p == s->end)
				return false;
			advance(s, 2);
		} else {
			break;
		}
	}
	return true;
}

static bool word_char(const struct scanner *s)
{
	return s->p < s->end && *s->p && !strchr(" #\"'\t\n\r={}()+,*", *s->p) && !at(s, "/*");
}

static struct token next_token(struct scanner *s)
{
	int comment_line = 0;
	bool ended = skip_space(s, &comment_line);
	struct token t = {.start = s->p, .line = s->line};

	if (!ended) {
		t.kind = TOKEN_OPEN;
		t.line = comment_line;
	} else if (s->p == s->end) {
		t.kind = TOKEN_END;
	} else if (*s->p == '"' || *s->p == '\'') {
		char quote = *s->p;
		advance(s, 1);
		while (s->p < s->end && *s->p != quote)
			advance(s, *s->p == '\\' ? 2 : 1);
		t.kind = s->p < s->end ? TOKEN_STRING : TOKEN_OPEN;
		advance(s, 1);
	} else if (at(s, "${")) {
		while (s->p < s->end && *s->p != '}')
			advance(s, 1);
		t.kind = s->p < s->end ? TOKEN_STRING : TOKEN_OPEN;
		advance(s, 1);
	} else if (word_char(s)) {
		while (word_char(s) && !at(s, "${"))
			advance(s, 1);
		t.kind = TOKEN_WORD;
	} else {
		t.kind = *s->p == '=' ? TOKEN_EQUALS : TOKEN_OTHER;
		advance(s, 1);
	}
	t.end = s->p;
	return t;
}

static bool token_is(const struct token *t, const char *text)
{
	return t->kind == TOKEN_WORD && (size_t)(t->end - t->start) == strlen(text) &&
	       memcmp(t->start, text, strlen(text)) == 0;
}

static int describe(struct conf_error *error, const struct token *t)
{
	error->line = t->line;
	if (t->kind == TOKEN_OPEN)
		return conf_refuse(error, -EINVAL, "a string or comment that begins here has no end");
	if (t->kind == TOKEN_END)
		return conf_refuse(error, -EINVAL, "the file ends in the middle of a setting");
	return conf_refuse(error, -EINVAL,
			   "'%.*s' is not expected here: a line is KEY = VALUE, with VALUE in quotes unless "
			   "it is a plain word or number",
			   (int)MIN(t->end - t->start, 64), t->start);
}

/* The next key, '=' and value. 1: there they are; 0: the end. */
static int next_setting(struct scanner *s, struct token *ret_key, struct token *ret_value,
			struct conf_error *error)
{
	struct token key = next_token(s);

	if (key.kind == TOKEN_END)
		return 0;
	if (key.kind != TOKEN_WORD)
		return describe(error, &key);
	struct token equals = next_token(s);
	if (equals.kind != TOKEN_EQUALS) {
		error->line = key.line;
		return conf_refuse(error, -EINVAL, "there is no '=' after '%.*s': a line is KEY = VALUE",
				   (int)MIN(key.end - key.start, 64), key.start);
	}
	struct token value = next_token(s);
	if (value.kind != TOKEN_WORD && value.kind != TOKEN_STRING)
		return describe(error, &value);
	*ret_key = key;
	*ret_value = value;
	return 1;
}

/* ---- reading ---- */

/* All keys are known and there once. lines has a place for each of keys. */
static int check(const char *text, size_t len, const char *const *keys, const char *manual, int *lines,
		 struct conf_error *error)
{
	struct scanner s = {.p = text, .end = text + len, .line = 1};
	struct token key, value;
	int r;

	while ((r = next_setting(&s, &key, &value, error)) > 0) {
		size_t i = 0;
		while (keys[i] && !token_is(&key, keys[i]))
			i++;
		if (keys[i] && lines[i] == 0) {
			lines[i] = value.line;
			continue;
		}
		error->line = key.line;
		error->key = strndup(key.start, (size_t)(key.end - key.start));
		if (!error->key)
			return -ENOMEM;
		if (keys[i])
			return conf_refuse(error, -EINVAL, "set twice, in line %d and here: remove one",
					   lines[i]);
		return conf_refuse(error, -EINVAL, "unknown key; %s names those there are", manual);
	}
	return r;
}

/* libconfuse hands no argument through to its callbacks. */
static struct reading {
	conf_cb cb;
	void *arg;
	struct conf_error *error;
	const char *const *keys;
	const int *lines; /* of keys */
	int result;
} reading;

/* libconfuse counts the end of a comment's line twice: the line is the one that check() saw. */
static int line_of(const char *key)
{
	for (size_t i = 0; reading.keys[i]; i++)
		if (strcmp(reading.keys[i], key) == 0)
			return reading.lines[i];
	return 0;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (reading.result == 0)
		reading.result = reading.cb(reading.arg, opt->name, value, reading.error);
	if (reading.result < 0) {
		reading.error->line = line_of(opt->name);
		if (!reading.error->key)
			reading.error->key = strdup(opt->name);
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format, va_list args)
{
	if (reading.result < 0)
		return;
	reading.error->line = cfg->line;
	reading.result = refuse_va(reading.error, -EINVAL, format, args);
}

static int decode(const char *text, const char *const *keys, size_t n)
{
	cfg_opt_t *opts = calloc(n + 1, sizeof(*opts));
	if (!opts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		opts[i] = (cfg_opt_t)CFG_STR_CB(keys[i], NULL, CFGF_NODEFAULT, on_value);
	opts[n] = (cfg_opt_t)CFG_END();
	cfg_t *cfg = cfg_init(opts, CFGF_NONE);
	free(opts);
	if (!cfg)
		return -ENOMEM;
	cfg_set_error_function(cfg, on_error);
	int rc = cfg_parse_buf(cfg, text);
	cfg_free(cfg);
	/* Whatever it finds in the text it says to on_error; what it does not say is that memory was short.
	 */
	return reading.result < 0 ? reading.result : rc == CFG_SUCCESS ? 0 : -ENOMEM;
}

int conf_read(const char *text, size_t len, const char *const *keys, const char *manual, conf_cb cb,
	      void *arg, struct conf_error *error)
{
	size_t n = 0;

	if (memchr(text, '\0', len))
		return conf_refuse(error, -EINVAL, "there is a NUL byte in it: it is not a text file");
	while (keys[n])
		n++;
	_cleanup_free_ int *lines = calloc(n + 1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	int r = check(text, len, keys, manual, lines, error);
	if (r < 0)
		return r;
	reading = (struct reading){.cb = cb, .arg = arg, .error = error, .keys = keys, .lines = lines};
	r = decode(text, keys, n);
	reading = (struct reading){0};
	return r < 0 && r != -ENOMEM ? conf_refuse(error, r, "it cannot be read") : r;
}

/* In place: the value becomes a string at its token's start, whose closing quote or following byte becomes
 * its NUL. */
static const char *decode_token(char *text, const struct token *t, char *ret_next, struct conf_error *error)
{
	char *out = text, quote = *text;
	size_t len = (size_t)(t->end - t->start);

	*ret_next = text[len];
	if (t->kind == TOKEN_WORD) {
		text[len] = '\0';
		return text;
	}
	for (size_t i = 1; i + 1 < len; i++) {
		char c = text[i], next = text[i + 1];
		bool escape = c == '\\' && (next == '\\' || next == quote);
		if (c == '\\' && !escape && quote == '"') {
			(void)conf_refuse(error, -EINVAL,
					  "only \\\\ and \\\" may follow a backslash: use single quotes");
			return NULL;
		}
		*out++ = escape ? next : c;
		i += escape;
	}
	*out = '\0';
	return text;
}

int conf_read_private(char *text, size_t len, const char *const *keys, const char *manual, conf_cb cb,
		      void *arg, struct conf_error *error)
{
	struct scanner s = {.p = text, .end = text + len, .line = 1};
	struct token key, value;
	size_t n = 0;

	if (memchr(text, '\0', len))
		return conf_refuse(error, -EINVAL, "there is a NUL byte in it: it is not a text file");
	while (keys[n])
		n++;
	_cleanup_free_ int *lines = calloc(n + 1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	int r = check(text, len, keys, manual, lines, error);
	while (r >= 0 && (r = next_setting(&s, &key, &value, error)) > 0) {
		char after = 0, *start = text + (value.start - text);
		const char *name = NULL;
		for (size_t i = 0; keys[i]; i++)
			if (token_is(&key, keys[i]))
				name = keys[i];
		const char *decoded = *start == '$' ? start : decode_token(start, &value, &after, error);
		if (*start == '$')
			r = conf_refuse(error, -EINVAL,
					"nothing is expanded in this file: use single quotes");
		else
			r = decoded ? cb(arg, name, decoded, error) : -EINVAL;
		if (decoded && *start != '$')
			start[value.end - value.start] = after;
		if (r < 0) {
			error->line = value.line;
			if (!error->key)
				error->key = strdup(name);
		}
	}
	return r;
}

/* ---- editing ---- */

static const char *line_start(const char *text, const char *p)
{
	while (p > text && p[-1] != '\n')
		p--;
	return p;
}

static const char *line_end(const char *p, const char *end)
{
	while (p < end && *p != '\n')
		p++;
	return p < end ? p + 1 : p;
}

static bool only_blanks(const char *from, const char *to)
{
	return strspn(from, " \t\r\n") >= (size_t)(to - from);
}

/* The end of the first line that is "#key =" but for blanks; NULL: there is none. */
static const char *after_example(const char *text, const char *end, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p < end; p = line_end(p, end)) {
		const char *q = p + strspn(p, " \t");
		if (*q != '#')
			continue;
		q += strspn(q, "# \t");
		if (strncmp(q, key, len) == 0 && q[len + strspn(q + len, " \t")] == '=')
			return line_end(p, end);
	}
	return NULL;
}

/* text[0, from), middle, text[to, len). */
static int splice(const char *text, size_t len, const char *from, const char *to, const char *middle,
		  char **ret_text, size_t *ret_len)
{
	_cleanup_buf_ struct buf out = {0};
	int r = buf_append(&out, text, (size_t)(from - text));

	if (r == 0)
		r = buf_append_str(&out, middle);
	if (r == 0)
		r = buf_append(&out, to, (size_t)(text + len - to));
	if (r == 0)
		r = buf_terminate(&out);
	if (r < 0)
		return r;
	*ret_len = out.len;
	*ret_text = buf_steal(&out);
	return *ret_text ? 0 : -ENOMEM;
}

static int insert(const char *text, size_t len, const char *key, const char *value, char **ret_text,
		  size_t *ret_len)
{
	const char *end = text + len, *where = after_example(text, end, key);
	_cleanup_free_ char *line = NULL;

	if (!where)
		where = end;
	const char *newline = where > text && where[-1] != '\n' ? "\n" : "";
	if (asprintf(&line, "%s%s = %s\n", newline, key, value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	return splice(text, len, where, where, line, ret_text, ret_len);
}

int conf_edit(const char *text, size_t len, const char *key, const char *value, char **ret_text,
	      size_t *ret_len)
{
	struct scanner s = {.p = text, .end = text + len, .line = 1};
	struct conf_error error = {0};
	struct token k, v;
	int r;

	while ((r = next_setting(&s, &k, &v, &error)) > 0 && !token_is(&k, key))
		;
	conf_error_done(&error);
	if (r < 0)
		return r;
	if (r == 0)
		return value ? insert(text, len, key, value, ret_text, ret_len)
			     : splice(text, len, text, text, "", ret_text, ret_len);
	if (value)
		return splice(text, len, v.start, v.end, value, ret_text, ret_len);
	/* The whole line, if nothing else is in it. */
	const char *from = line_start(text, k.start), *to = line_end(v.end, text + len);
	if (!only_blanks(from, k.start) || !only_blanks(v.end, to)) {
		from = k.start;
		to = v.end;
	}
	return splice(text, len, from, to, "", ret_text, ret_len);
}

int conf_quote_to(struct buf *out, const char *value)
{
	int r = buf_append(out, "'", 1);

	for (const char *p = value; r == 0 && *p; p++) {
		if (*p == '\'' || *p == '\\')
			r = buf_append(out, "\\", 1);
		if (r == 0)
			r = buf_append(out, p, 1);
	}
	return r == 0 ? buf_append(out, "'", 1) : r;
}

char *conf_quote(const char *value)
{
	_cleanup_buf_ struct buf out = {0};

	return conf_quote_to(&out, value) == 0 ? buf_steal(&out) : NULL;
}
