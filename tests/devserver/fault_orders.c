/*
 * Orders for faults: see fault_orders.h and, for what can be ordered, README.md.
 */
#include "fault_orders.h"

#include "faults.h"
#include "json_out.h"
#include "router.h"

#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <string.h>

struct order {
	int64_t id, times, skip, hits; /* times < 0: for ever */
	struct buf route, method, target;
	struct buf text; /* the order as it came, for the list */
	struct fault_plan plan;
	struct order *next;
};

static struct {
	pthread_mutex_t lock;
	struct order *first;
	int64_t last_id;
	_Atomic int n; /* looked at without the lock: most runs have no faults */
	_Atomic unsigned generation;
	_Atomic bool stopped;
} orders = {.lock = PTHREAD_MUTEX_INITIALIZER};

unsigned fault_orders_generation(void)
{
	return orders.generation;
}

void fault_orders_stop(void)
{
	orders.stopped = true;
}

bool fault_orders_stopped(void)
{
	return orders.stopped;
}

static void *order_free(struct order *o)
{
	if (!o)
		return NULL;
	buf_done(&o->route);
	buf_done(&o->method);
	buf_done(&o->target);
	buf_done(&o->text);
	fault_plan_done(&o->plan);
	free(o);
	return NULL;
}

static const char *text_of(json_object *o, const char *name, const char *fallback)
{
	json_object *value;

	return json_object_object_get_ex(o, name, &value) && value ? json_object_get_string(value) : fallback;
}

static int64_t number_of(json_object *o, const char *name, int64_t fallback)
{
	json_object *value;

	return json_object_object_get_ex(o, name, &value) ? json_object_get_int64(value) : fallback;
}

static bool parse_reset(json_object *o, struct fault_plan *p)
{
	const char *when = text_of(o, "when", "before");

	if (strcmp(when, "before") == 0)
		p->reset_before = true;
	else if (strcmp(when, "within") == 0)
		p->reset_within = number_of(o, "bytes", 0);
	else if (strcmp(when, "after_body") == 0)
		p->reset_after_body = true;
	else if (strcmp(when, "after_commit") == 0)
		p->reset_after_commit = true;
	else
		return false;
	return true;
}

static bool parse_status(json_object *o, struct fault_plan *p)
{
	json_object *headers;

	p->status = (int)number_of(o, "status", 500);
	p->status_after_body = strcmp(text_of(o, "when", "before"), "after_body") == 0;
	buf_adds(&p->body, text_of(o, "body", ""));
	if (json_object_object_get_ex(o, "headers", &headers)) {
		if (!json_object_is_type(headers, json_type_object))
			return false;
		json_object_object_foreach(headers, name, value)
		{
			buf_addf(&p->headers, "%s: %s\r\n", name, json_object_get_string(value));
		}
	}
	return p->status >= 200 && p->status <= 599;
}

/* Writes what the order wants into a plan. NULL, or what is wrong with it. */
static const char *parse_kind(json_object *o, struct fault_plan *p)
{
	const char *kind = text_of(o, "kind", "");

	if (strcmp(kind, "status") == 0)
		return parse_status(o, p) ? NULL : "status must be 200-599 and headers an object";
	if (strcmp(kind, "reset") == 0)
		return parse_reset(o, p) ? NULL : "when must be before, within, after_body or after_commit";
	if (strcmp(kind, "delay") == 0)
		p->delay_us = number_of(o, "ms", 0) * 1000;
	else if (strcmp(kind, "delay_per_file") == 0)
		p->us_per_file = number_of(o, "us", 0);
	else if (strcmp(kind, "late_commit") == 0)
		p->late_commit_us = number_of(o, "ms", 0) * 1000;
	else if (strcmp(kind, "race_window") == 0)
		p->window_us = number_of(o, "ms", 0) * 1000;
	else if (strcmp(kind, "drip") == 0) {
		p->drip_bytes = number_of(o, "bytes", 1);
		p->drip_us = number_of(o, "ms", 0) * 1000;
		return p->drip_bytes > 0 ? NULL : "bytes must be positive";
	} else if (strcmp(kind, "corrupt") == 0) {
		p->corrupt = true;
		p->corrupt_at = number_of(o, "offset", 0);
		return p->corrupt_at >= 0 ? NULL : "offset must not be negative";
	} else if (strcmp(kind, "wrong_hash") == 0)
		p->wrong_hash = true;
	else if (strcmp(kind, "stall") == 0)
		*(strcmp(text_of(o, "when", "before"), "after_commit") == 0 ? &p->stall_reply : &p->stall) =
			true;
	else
		return "kind must be status, reset, delay, delay_per_file, late_commit, race_window, drip, "
		       "corrupt, "
		       "wrong_hash or stall";
	return NULL;
}

int fault_add(json_object *object, int64_t *ret_id, struct buf *ret_error)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->plan.reset_within = o->plan.late_commit_us = -1;
	o->times = number_of(object, "times", -1);
	o->skip = number_of(object, "skip", 0);
	buf_adds(&o->route, text_of(object, "route", "*"));
	buf_adds(&o->method, text_of(object, "method", "*"));
	buf_adds(&o->target, text_of(object, "target", "*"));
	buf_adds(&o->text, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
									  JSON_C_TO_STRING_NOSLASHESCAPE));
	const char *wrong = parse_kind(object, &o->plan);
	if (!wrong && strcmp(o->route.p, "*") != 0 && !router_by_name(o->route.p))
		wrong = "there is no such route";
	if (wrong) {
		buf_adds(ret_error, wrong);
		order_free(o);
		return -EINVAL;
	}
	pthread_mutex_lock(&orders.lock);
	*ret_id = o->id = ++orders.last_id;
	struct order **end = &orders.first;
	while (*end)
		end = &(*end)->next;
	*end = o;
	orders.n++;
	pthread_mutex_unlock(&orders.lock);
	return 0;
}

void fault_list_json(struct buf *json)
{
	json_open(json, '[');
	pthread_mutex_lock(&orders.lock);
	for (struct order *o = orders.first; o; o = o->next) {
		json_comma(json);
		json_open(json, '{');
		json_add_int(json, "id", o->id);
		json_add_int(json, "hits", o->hits);
		json_add_int(json, "left", o->times);
		json_key(json, "order");
		buf_addspan(json, buf_span(&o->text));
		json_close(json, '}');
	}
	pthread_mutex_unlock(&orders.lock);
	json_close(json, ']');
}

bool fault_remove(int64_t id)
{
	bool found = false;

	pthread_mutex_lock(&orders.lock);
	for (struct order **o = &orders.first; *o; o = &(*o)->next) {
		if ((*o)->id != id)
			continue;
		struct order *gone = *o;
		*o = gone->next;
		order_free(gone);
		orders.n--;
		found = true;
		break;
	}
	pthread_mutex_unlock(&orders.lock);
	return found;
}

void fault_remove_all(void)
{
	pthread_mutex_lock(&orders.lock);
	while (orders.first) {
		struct order *gone = orders.first;
		orders.first = gone->next;
		order_free(gone);
	}
	orders.n = 0;
	orders.generation++;
	pthread_mutex_unlock(&orders.lock);
}

static bool matches(const struct order *o, const struct request *r)
{
	if (o->times == 0 || (strcmp(o->route.p, "*") != 0 && strcmp(o->route.p, r->route->name) != 0))
		return false;
	if (strcmp(o->method.p, "*") != 0 && !span_eq(buf_span(&o->method), r->method))
		return false;
	if (strcmp(o->target.p, "*") == 0)
		return true;
	_cleanup_free_ char *target = span_dup(r->target);
	return target && fnmatch(o->target.p, target, 0) == 0;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void merge(struct fault_plan *to, const struct fault_plan *from)
{
	if (from->status) {
		to->status = from->status;
		to->status_after_body = from->status_after_body;
		to->headers.n = to->body.n = 0;
		buf_addspan(&to->headers, buf_span(&from->headers));
		buf_addspan(&to->body, buf_span(&from->body));
	}
	to->delay_us += from->delay_us;
	to->us_per_file += from->us_per_file;
	to->window_us += from->window_us;
	to->reset_before |= from->reset_before;
	to->reset_after_body |= from->reset_after_body;
	to->reset_after_commit |= from->reset_after_commit;
	to->reset_within = larger(to->reset_within, from->reset_within);
	to->late_commit_us = larger(to->late_commit_us, from->late_commit_us);
	if (from->drip_bytes) {
		to->drip_bytes = from->drip_bytes;
		to->drip_us = from->drip_us;
	}
	to->corrupt |= from->corrupt;
	to->corrupt_at = larger(to->corrupt_at, from->corrupt_at);
	to->wrong_hash |= from->wrong_hash;
	to->stall |= from->stall;
	to->stall_reply |= from->stall_reply;
}

bool fault_take(struct request *r, struct fault_plan *ret)
{
	bool any = false;

	if (orders.n == 0)
		return false;
	pthread_mutex_lock(&orders.lock);
	for (struct order *o = orders.first; o; o = o->next) {
		if (!matches(o, r))
			continue;
		if (o->skip > 0) {
			o->skip--;
			continue;
		}
		if (!any)
			*ret = (struct fault_plan){
				.reset_within = -1, .late_commit_us = -1, .generation = orders.generation};
		any = true;
		o->hits++;
		if (o->times > 0)
			o->times--;
		merge(ret, &o->plan);
	}
	pthread_mutex_unlock(&orders.lock);
	return any;
}
