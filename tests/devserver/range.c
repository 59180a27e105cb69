/*
 * Parsing of Range: see range.h.
 */
#include "range.h"

#include <string.h>

/* Of one number, leading zeros included. */
#define DIGITS_MAX 19

static bool all_digits(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

/* Any token will do for a unit. */
static bool unit_is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
			return false;
	return s.n > 0;
}

enum range range_parse(struct span header, int64_t size, int64_t *ret_first, int64_t *ret_last)
{
	const char *equals = header.p ? memchr(header.p, '=', header.n) : NULL;
	int64_t first = 0, last = size - 1;

	if (!equals)
		return RANGE_NONE;
	struct span spec = span_trim((struct span){equals + 1, header.n - (size_t)(equals + 1 - header.p)});
	if (!unit_is_token(span_trim((struct span){header.p, (size_t)(equals - header.p)})))
		return RANGE_NONE;
	const char *dash = memchr(spec.p, '-', spec.n);
	if (!dash)
		return RANGE_NONE;
	struct span from = span_trim((struct span){spec.p, (size_t)(dash - spec.p)});
	struct span to = span_trim((struct span){dash + 1, spec.n - (size_t)(dash + 1 - spec.p)});
	if ((from.n == 0 && to.n == 0) || !all_digits(from) || !all_digits(to))
		return RANGE_NONE;
	if (from.n > DIGITS_MAX || to.n > DIGITS_MAX)
		return RANGE_NONE;
	if ((from.n && !parse_int64(from, &first)) || (to.n && !parse_int64(to, &last)))
		return RANGE_NONE;
	if (from.n && to.n && last < first)
		return RANGE_NONE;
	if (from.n == 0) { /* the last so many bytes */
		if (last == 0 || size == 0)
			return RANGE_BAD;
		first = last < size ? size - last : 0;
		last = size - 1;
	}
	if (first >= size)
		return RANGE_BAD;
	*ret_first = first;
	*ret_last = last < size - 1 ? last : size - 1;
	return RANGE_PART;
}
