/*
 * Conditional requests: see conditions.h. Each header gives a verdict of its own and the strongest wins, so
 * that a matching If-Match outweighs an If-None-Match that would have answered 304. What cannot be read does
 * not count.
 */
#include "conditions.h"

#include <string.h>

enum verdict { /* in the order of their strength */
	       VERDICT_NONE,
	       VERDICT_NOT_MODIFIED,
	       VERDICT_PROCESS,
	       VERDICT_FAILED,
};

struct tag {
	struct span text; /* with its quotes; `*` */
	bool weak;
};

static void skip(struct span *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

static void skip_blanks(struct span *s)
{
	while (s->n && (s->p[0] == ' ' || s->p[0] == '\t'))
		skip(s, 1);
}

/* Takes `*`, "…" or W/"…" with the blanks behind it off s. */
static bool take_tag(struct span *s, struct tag *ret)
{
	struct span rest = *s;

	*ret = (struct tag){0};
	if (rest.n && rest.p[0] == '*') {
		ret->text = (struct span){rest.p, 1};
		skip(&rest, 1);
	} else {
		if (rest.n > 2 && (rest.p[0] == 'W' || rest.p[0] == 'w') && rest.p[1] == '/') {
			ret->weak = true;
			skip(&rest, 2);
		}
		if (rest.n < 2 || rest.p[0] != '"')
			return false;
		size_t end = 1;
		while (end < rest.n && rest.p[end] != '"')
			end += rest.p[end] == '\\' ? 2 : 1;
		if (end >= rest.n)
			return false;
		ret->text = (struct span){rest.p, end + 1};
		skip(&rest, end + 1);
	}
	skip_blanks(&rest);
	*s = rest;
	return true;
}

/* Takes one tag of a list: it ends at a comma (or several) or at the end of the line. */
static bool take_listed(struct span *s, struct tag *ret)
{
	struct span rest = *s;

	if (!take_tag(&rest, ret) || (rest.n && rest.p[0] != ','))
		return false;
	*s = rest;
	return true;
}

/* Whether the header's lists hold our tag; a byte that begins no tag is passed over. *ret_any: they hold a
 * tag at all. */
static bool lists_hold(const struct request *r, const char *name, struct span etag, bool weak, bool *ret_any)
{
	bool found = false;

	*ret_any = false;
	for (size_t i = 0; i < r->n_headers; i++) {
		struct span line = r->headers[i].value;
		struct tag tag;
		if (!span_eq_ci(r->headers[i].name, span_of(name)))
			continue;
		while (line.n) {
			if (!take_listed(&line, &tag)) {
				skip(&line, 1);
				continue;
			}
			*ret_any = true;
			found |= span_eq(tag.text, SPAN("*")) ||
				 (span_eq(tag.text, etag) && (weak || !tag.weak));
		}
	}
	return found;
}

/* A date in the future does not count. */
static bool past_date(const struct request *r, const char *name, int64_t *ret)
{
	struct span value = request_header(r, name);

	return value.p && time_parse_http(value, ret) && *ret <= ticks_now();
}

static enum verdict stronger(enum verdict a, enum verdict b)
{
	return a > b ? a : b;
}

int condition_status(const struct request *r, struct span etag, int64_t modified)
{
	enum verdict v = VERDICT_NONE;
	bool any;
	int64_t date;

	bool found = lists_hold(r, "If-Match", etag, false, &any);
	if (any)
		v = stronger(v, found ? VERDICT_PROCESS : VERDICT_FAILED);
	found = lists_hold(r, "If-None-Match", etag, true, &any);
	if (any)
		v = stronger(v, found ? VERDICT_NOT_MODIFIED : VERDICT_PROCESS);
	if (past_date(r, "If-Modified-Since", &date))
		v = stronger(v, date < modified ? VERDICT_PROCESS : VERDICT_NOT_MODIFIED);
	if (past_date(r, "If-Unmodified-Since", &date))
		v = stronger(v, date >= modified ? VERDICT_PROCESS : VERDICT_FAILED);
	return v == VERDICT_FAILED ? 412 : v == VERDICT_NOT_MODIFIED ? 304 : 0;
}

bool condition_if_range(const struct request *r, struct span etag, int64_t modified)
{
	struct span value = request_header(r, "If-Range");
	struct tag tag;
	int64_t date;

	/* Two lines make one value that is neither a tag nor a date. */
	if (!value.p || request_header_count(r, "If-Range") > 1)
		return true;
	if (value.n && value.p[0] != '*' && take_tag(&value, &tag) && value.n == 0)
		return span_eq(tag.text, etag) && !tag.weak;
	return !time_parse_http(value, &date) || modified <= date;
}
