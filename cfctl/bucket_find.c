/* Finding the bucket that a user's word means: an id, or a name that only one bucket has. */
#include "cfctl/bucket.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_ID_LENGTH 10 /* of [A-Za-z0-9], as the server makes them */
#define SEARCH_PAGE      1000

static bool looks_like_id(const char *word)
{
	size_t n = 0;

	while (isalnum((unsigned char)word[n]))
		n++;
	return n == BUCKET_ID_LENGTH && word[n] == '\0';
}

struct search {
	const char *name;
	char *ids; /* of the buckets with that name, separated by ", " */
	size_t found;
};

static int on_search(struct ctl *ctl, const struct reply *reply, void *userdata)
{
	struct search *search = userdata;

	for (size_t i = 0; i < get_count(reply->object, "buckets"); i++) {
		struct json_object *bucket = get_item(reply->object, "buckets", i);
		char *ids;

		if (strcmp(get_text(bucket, "name"), search->name) != 0)
			continue;
		if (asprintf(&ids, "%s%s%s", search->ids ? search->ids : "", search->ids ? ", " : "",
			     get_text(bucket, "id")) < 0)
			return ctl_no_memory(ctl);
		free(search->ids);
		search->ids = ids;
		search->found++;
	}
	return EXIT_OK;
}

/* *ret_id is yours to free. */
static int find_by_name(struct ctl *ctl, const char *name, char **ret_id)
{
	_cleanup_params_ struct params params, page;
	struct search search = {.name = name};
	struct call call = {
		.what = "look the bucket up by its name",
		.method = REMOTE "ListBuckets",
		.params = &params,
		.flags = CFIPC_MORE,
		.on_reply = on_search,
		.userdata = &search,
	};
	int code;

	params_init(&params);
	params_init(&page);
	params_string(&params, "profile", ctl->profile);
	params_int(&page, "limit", SEARCH_PAGE);
	params_move(&params, "page", &page);
	code = ctl_run(ctl, &call, NULL);
	if (code == EXIT_OK && search.found == 1) {
		*ret_id = search.ids;
		return EXIT_OK;
	}
	if (code == EXIT_OK && search.found > 1)
		code = ctl_error(ctl, EXIT_USAGE, "AmbiguousBucket", "Use the id.",
				 "%zu buckets are named %s: %s", search.found, name, search.ids);
	else if (code == EXIT_OK)
		code = ctl_error(ctl, EXIT_NOT_FOUND, "NoSuchBucket",
				 "`cfctl bucket list` shows them, `cfctl bucket create NAME` makes one.",
				 "no bucket has the id or the name %s", name);
	free(search.ids);
	return code;
}

/* Whether the server says that it has no bucket of that id. */
static bool is_missing(struct ctl *ctl, const char *id)
{
	_cleanup_params_ struct params params;
	struct call call = {.method = REMOTE "GetBucket", .params = &params, .silent = true};
	cfipc_error *error = NULL;
	bool missing;

	params_init(&params);
	params_string(&params, "profile", ctl->profile);
	params_string(&params, "bucket", id);
	(void)ctl_try(ctl, &call, NULL, &error);
	missing = error != NULL;
	cfipc_error_free(error);
	return missing;
}

int bucket_run(struct ctl *ctl, const struct call *call, struct params *holder, const char *word,
	       struct reply *ret_reply)
{
	_cleanup_free_ char *id = NULL;
	cfipc_error *error = NULL;
	int code;

	/* The form of an id is also one a name may have: the server knows. */
	if (looks_like_id(word)) {
		params_string(holder, "bucket", word);
		code = ctl_try(ctl, call, ret_reply, &error);
		if (!error)
			return code;
		/* What was not found may be what is in the bucket. */
		if (strcmp(call->method, REMOTE "GetBucket") != 0 && !is_missing(ctl, word)) {
			code = ctl_fail(ctl, call->what, -EREMOTEIO, error);
			cfipc_error_free(error);
			return code;
		}
		cfipc_error_free(error);
	}
	code = find_by_name(ctl, word, &id);
	if (code != EXIT_OK)
		return code;
	params_string(holder, "bucket", id);
	return ctl_run(ctl, call, ret_reply);
}

int bucket_find(struct ctl *ctl, const char *word, char **ret_id)
{
	_cleanup_params_ struct params params;
	_cleanup_reply_ struct reply reply = {0};
	struct call call = {.what = "look the bucket up", .method = REMOTE "GetBucket", .params = &params};
	char *id;
	int code;

	params_init(&params);
	if (!looks_like_id(word))
		return find_by_name(ctl, word, ret_id);
	params_string(&params, "profile", ctl->profile);
	code = bucket_run(ctl, &call, &params, word, &reply);
	if (code != EXIT_OK)
		return code;
	id = strdup(get_text(get_object(reply.object, "bucket"), "id"));
	if (!id)
		return ctl_no_memory(ctl);
	*ret_id = id;
	return EXIT_OK;
}
