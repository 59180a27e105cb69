/* Looking paths up: their present versions on the server, from the listing by cursor, with as few requests as
 * the gaps between them allow. A request starts just below the next wanted path and covers whatever its page
 * reaches; so neighbours share one, distant paths get one each. Metadata and HEAD may be minutes old and are
 * never asked. */
#include "base/err.h"
#include "base/log.h"
#include "base/utf8.h"
#include "sync/pair.h"
#include <errno.h>

struct lookup {
	struct pair *pair;
	struct item **items;
	size_t n, i;
	char *want; /* stored path of items[i] */
	char *after;
	struct remote_call *call;
	lookup_cb cb;
	void *arg;
};

static void lookup_end(struct lookup *l, const struct remote_error *error)
{
	lookup_cb cb = l->cb;
	void *arg = l->arg;

	free(l->want);
	free(l->after);
	free(l);
	cb(arg, error);
}

static int lookup_next(struct lookup *l);

static void set_absent(struct item *it)
{
	it->r = (struct plan_remote){.presence = PLAN_ABSENT};
}

/* Gives every wanted path up to the page's end its answer; true when all are answered. */
static bool take_page(struct lookup *l, const struct remote_file *files, size_t n, bool more)
{
	for (size_t f = 0; l->i < l->n;) {
		if (f == n) {
			if (more)
				return false; /* the page ended below the wanted path */
			set_absent(l->items[l->i]);
		} else {
			int order = strcmp(files[f].path, l->want);

			if (order < 0) {
				f++;
				continue;
			}
			if (order == 0)
				l->items[l->i]->r = (struct plan_remote){.presence = PLAN_FILE,
									 .version = files[f++].version};
			else
				set_absent(l->items[l->i]);
		}
		l->i++;
		free(l->want);
		l->want = l->i < l->n ? pair_full_path(l->pair, l->items[l->i]->path) : NULL;
		if (l->i < l->n && !l->want)
			return false;
	}
	return true;
}

static void on_page(void *arg, const struct remote_error *error, const struct remote_file *files, size_t n,
		    bool more)
{
	struct lookup *l = arg;
	const struct remote_error memory = {.code = -ENOMEM, .message = "out of memory"};

	l->call = NULL;
	if (error->code) {
		lookup_end(l, error);
		return;
	}
	size_t before = l->i;

	if (take_page(l, files, n, more)) {
		lookup_end(l, &(const struct remote_error){0});
		return;
	}
	if (l->want && l->i == before && n > 0) { /* something lay between: go on behind it */
		free(l->after);
		l->after = strdup(files[n - 1].path);
	} else {
		free(l->after);
		l->after = l->want ? utf8_just_below(l->want) : NULL;
	}
	if (!l->want || !l->after || lookup_next(l) < 0)
		lookup_end(l, &memory);
}

static int lookup_next(struct lookup *l)
{
	size_t left = l->n - l->i;
	int limit = left == 1 ? 1 : (int)MIN(left * 2, (size_t)LIST_PAGE);

	return l->pair->remote->ops->list(l->pair->remote, l->pair->spec->bucket, l->after, limit, on_page, l,
					  &l->call);
}

int lookup_start(struct pair *p, struct item **items, size_t n, lookup_cb cb, void *arg,
		 struct lookup **ret_lookup)
{
	struct lookup *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	*l = (struct lookup){.pair = p, .items = items, .n = n, .cb = cb, .arg = arg};
	l->want = pair_full_path(p, items[0]->path);
	l->after = l->want ? utf8_just_below(l->want) : NULL;

	int r = l->after ? lookup_next(l) : -ENOMEM;

	if (r < 0) {
		free(l->want);
		free(l->after);
		free(l);
		return r;
	}
	*ret_lookup = l;
	return 0;
}

void lookup_cancel(struct lookup *l)
{
	if (l)
		l->pair->remote->ops->cancel(l->call);
}
