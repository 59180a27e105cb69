/* Lists of the server answered page by page: a reply is cut at its size, what is over goes into the next
 * one, and a client that reads slowly pauses the asking. */
#include "ipc/remote.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

#define PAGE_MAX 1000 /* items of one page, the server's own limit */

static bool known_sort(const char *sort, const char *const *sorts)
{
	while (*sorts && strcmp(*sorts, sort) != 0)
		sorts++;
	return *sorts;
}

bool pages_read(struct remote_op *op, struct json_object *parameters, const char *const *sorts)
{
	struct pages *p = &op->pages;
	struct json_object *page = NULL;
	const char *sort = NULL, *order = NULL;
	int64_t limit, offset;

	p->limit = -1;
	p->descending = -1;
	if (json_get_object(parameters, "page", &page) <= 0)
		return true;
	if (json_get_int64(page, "limit", &limit) > 0) {
		if (limit < 1 || limit > PAGE_MAX) {
			op_failed(op, -EINVAL, "limit");
			return false;
		}
		p->limit = limit;
	}
	if (json_get_int64(page, "offset", &offset) > 0) {
		if (offset < 0) {
			op_failed(op, -EINVAL, "offset");
			return false;
		}
		p->offset = offset;
	}
	if (json_get_string(page, "sort", &sort) > 0) {
		/* The server takes what it does not know for its default, and says nothing. */
		p->sort = known_sort(sort, sorts) ? strdup(sort) : NULL;
		if (!p->sort) {
			op_failed(op, known_sort(sort, sorts) ? -ENOMEM : -EINVAL, "sort");
			return false;
		}
	}
	if (json_get_string(page, "order", &order) > 0)
		p->descending = strcmp(order, "desc") == 0;
	return true;
}

struct api_page pages_wanted(const struct remote_op *op)
{
	const struct pages *p = &op->pages;

	return (struct api_page){.limit = p->limit,
				 .offset = p->offset > 0 ? p->offset : -1,
				 .sort = p->sort,
				 .descending = p->descending};
}

size_t json_size(struct json_object *object)
{
	size_t len = 0;

	json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &len);
	return len;
}

struct json_object *list_cut(struct json_object *list)
{
	size_t n = list ? json_object_array_length(list) : 0, bytes = 0;

	for (size_t i = 0; i < n; i++) {
		bytes += json_size(json_object_array_get_idx(list, i));
		if (i > 0 && bytes > IPC_PAGE_BYTES) {
			json_object_array_del_idx(list, i, n - i);
			break;
		}
	}
	return list;
}

/* One reply of items, as many as fit; the rest stays waiting. True while some are left. */
static bool cut_reply(struct pages *p, struct reply *r)
{
	struct json_object *list = json_object_new_array(), *rest = json_object_new_array();
	size_t n = json_object_array_length(p->waiting), i = 0, bytes = 0;

	for (; list && i < n; i++) {
		struct json_object *item = json_object_array_get_idx(p->waiting, i);
		size_t len = json_size(item);

		if (i > 0 && bytes + len > IPC_PAGE_BYTES)
			break;
		bytes += len;
		if (!reply_append(list, json_object_get(item)))
			r->failed = true;
	}
	for (size_t k = i; rest && k < n; k++)
		if (!reply_append(rest, json_object_get(json_object_array_get_idx(p->waiting, k))))
			r->failed = true;
	if (!rest)
		r->failed = true;
	json_object_put(p->waiting);
	p->waiting = rest;
	reply_add(r, p->key, list);
	struct reply page = reply_new();

	reply_int(&page, "total", p->total);
	reply_int(&page, "limit", i < n ? (int64_t)i : p->limit);
	reply_int(&page, "offset", p->offset);
	reply_add(r, "page", reply_take(&page));
	p->offset += (int64_t)i;
	return i < n && !r->failed;
}

static void next_page(struct remote_op *op)
{
	int r = op->pages.next(op);

	if (r < 0)
		op_failed(op, r, "page");
}

/* Sends what waits; then asks for the next page, or ends. A full queue pauses it: on_drain goes on. */
static void send_waiting(void *arg)
{
	struct remote_op *op = arg;
	struct pages *p = &op->pages;

	if (op->running || !p->waiting)
		return;
	for (;;) {
		struct reply r = reply_new();
		bool left = cut_reply(p, &r);

		if (!op->more || r.failed || (!left && p->last)) {
			op_reply(op, &r);
			return;
		}
		int sent = reply_continue(op->call, &r);

		if (sent < 0) {
			reply_nothing(op->call);
			op_free(op);
			return;
		}
		if (!left) {
			json_object_put(STEAL(p->waiting));
			next_page(op);
			return;
		}
		if (sent == 0)
			return;
	}
}

void pages_take(struct remote_op *op, struct json_object *items, bool last)
{
	op->pages.waiting = items;
	op->pages.last = last || (items && json_object_array_length(items) == 0);
	if (!items)
		op_failed(op, -ENOMEM, NULL);
	else if (op->more && !ipc_call_has_room(op->call))
		return; /* on_drain goes on */
	else
		send_waiting(op);
}

void pages_start(struct remote_op *op)
{
	if (op->more && op->pages.limit < 0)
		op->pages.limit = PAGE_MAX;
	ipc_call_on_drain(op->call, send_waiting, op);
	next_page(op);
}
