/*
 * Normalisation of uploaded paths: see path_rules.h.
 */
#include "path_rules.h"

static bool component_is_bad(struct span c)
{
	return utf8_is_blank(c) || span_eq(c, SPAN(".")) || span_eq(c, SPAN(".."));
}

bool path_normalise(struct span raw, struct buf *ret_path)
{
	for (size_t i = 0; i < raw.n;) {
		size_t end = i;
		while (end < raw.n && raw.p[end] != '/' && raw.p[end] != '\\')
			end++;
		struct span component = {raw.p + i, end - i};
		if (component.n) {
			if (component_is_bad(component))
				return false;
			if (ret_path->n)
				buf_addc(ret_path, '/');
			buf_addspan(ret_path, component);
		}
		i = end + 1;
	}
	return ret_path->n > 0;
}

bool path_fits_header(struct span path)
{
	for (size_t i = 0; i < path.n; i++) {
		unsigned char c = (unsigned char)path.p[i];
		if ((c < 0x20 && c != '\t') || c >= 0x7f)
			return false;
	}
	return true;
}
