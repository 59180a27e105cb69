/* Listings that come in pages. */
#include "cfctl/listing.h"
#include "cfctl/bucket.h"
#include "cfctl/human.h"

#define PAGE_LIMIT_MAX 1000 /* the daemon takes no more */

struct shown {
	const struct listing *listing;
	struct table *table;
	size_t n;
	int64_t total;
	bool begun; /* the first reply is shown */
	int code;
};

static void show_page(struct ctl *ctl, struct json_object *reply, void *userdata)
{
	struct shown *shown = userdata;
	size_t n = get_count(reply, shown->listing->array);

	out_page(ctl);
	if (shown->listing->first && !shown->begun)
		shown->listing->first(shown->table, reply);
	shown->begun = true;
	for (size_t i = 0; i < n; i++)
		shown->listing->row(shown->table, get_item(reply, shown->listing->array, i));
	shown->n += n;
	shown->total = shown->listing->total ? get_int(reply, shown->listing->total)
					     : get_int(get_object(reply, "page"), "total");
	shown->code = table_print(ctl, shown->table);
}

static int on_page(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct shown *shown = userdata;
	int code = out_reply(ctl, reply, show_page, userdata);

	return code != EXIT_OK ? code : shown->code;
}

static int add_page(struct ctl *ctl, const struct args *args, const char *usual_sort, struct params *params)
{
	_cleanup_params_ struct params page;
	int64_t limit = args_has(args, "all") ? PAGE_LIMIT_MAX : -1, offset = -1;
	const char *order, *sort = args_value(args, "sort");
	char buffer[16];
	int code = args_int(ctl, args, "limit", 1, PAGE_LIMIT_MAX, &limit);

	params_init(&page);
	if (code == EXIT_OK)
		code = args_int(ctl, args, "offset", 0, INT64_MAX, &offset);
	if (code == EXIT_OK)
		code = args_choice(ctl, args, "order", "asc desc", buffer, sizeof(buffer), &order);
	if (code != EXIT_OK)
		return code;
	if (limit >= 0)
		params_int(&page, "limit", limit);
	if (offset >= 0)
		params_int(&page, "offset", offset);
	/* With --all the daemon does so by itself. */
	if (usual_sort && !sort && !args_has(args, "all")) {
		sort = usual_sort;
		order = order ? order : "asc";
	}
	params_string(&page, "sort", sort);
	params_string(&page, "order", order);
	if (page.object && json_object_object_length(page.object) > 0)
		params_move(params, "page", &page);
	return EXIT_OK;
}

int listing_run(struct ctl *ctl, const struct args *args, const struct listing *listing, struct call *call,
		const char *bucket)
{
	_cleanup_table_ struct table *table = table_new(listing->columns, listing->n_columns);
	struct shown shown = {.listing = listing, .table = table};
	int code = add_page(ctl, args, listing->sort, call->params);

	if (code != EXIT_OK)
		return code;
	if (!table)
		return ctl_no_memory(ctl);
	if (args_has(args, "all"))
		call->flags |= CFIPC_MORE;
	call->on_reply = on_page;
	call->userdata = &shown;
	code = bucket ? bucket_run(ctl, call, call->params, bucket, NULL) : ctl_run(ctl, call, NULL);
	if (code != EXIT_OK || ctl->json)
		return code;
	if (shown.n == 0)
		out_footer(ctl, "No %s.", listing->items);
	else if (!args_has(args, "all") && shown.total > (int64_t)shown.n)
		out_footer(ctl, "%s of %s %s; --all lists them all.", human_count((int64_t)shown.n).text,
			   human_count(shown.total).text, listing->items);
	return code;
}
