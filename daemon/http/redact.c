/* Removing credentials from what curl tells about itself. */
#include "http/internal.h"
#include <string.h>
#include <strings.h>

static const char *const secret_headers[] = {
	"authorization:", "proxy-authorization:", "cookie:", "set-cookie:"};
static const char *const secret_parameters[] = {"access_token=", "token="};

static const char *starts_with(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - p) >= len && strncasecmp(p, word, len) == 0 ? p + len : NULL;
}

int redact_append(struct buf *b, const char *line, size_t len)
{
	const char *p = line, *end = line + len;

	for (size_t i = 0; i < ARRAY_SIZE(secret_headers); i++) {
		const char *value = starts_with(p, end, secret_headers[i]);
		if (value) {
			int r = buf_append(b, line, (size_t)(value - line));
			return r < 0 ? r : buf_append_str(b, " ***");
		}
	}
	/* A parameter begins behind ? or &; its value ends at & or at a blank. */
	while (p < end) {
		const char *value = NULL;
		for (size_t i = 0; i < ARRAY_SIZE(secret_parameters) && !value; i++)
			if (p > line && (p[-1] == '?' || p[-1] == '&'))
				value = starts_with(p, end, secret_parameters[i]);
		if (!value) {
			p++;
			continue;
		}
		int r = buf_append(b, line, (size_t)(value - line));
		if (r == 0)
			r = buf_append_str(b, "***");
		if (r < 0)
			return r;
		for (p = value; p < end && *p != '&' && *p != ' ' && *p != '\r' && *p != '\n' && *p != '#';)
			p++;
		line = p;
		if (p < end)
			p++;
	}
	return buf_append(b, line, (size_t)(end - line));
}
