/* What the server means where its answer says too little. It has one 403 for "I do not know you" and "not
 * you", and a 404 for things that are there but belong to somebody else: it is asked once more, about the
 * credential or about the thing, and the error becomes one that a person can act on. */
#include "api/internal.h"
#include "base/err.h"
#include <string.h>

#define EXPIRY_HINT                                                                                          \
	"An expiry is 'never', a number with s, m, h, d or w behind it (1m is one minute), Unix seconds, "   \
	"or "                                                                                                \
	"a date and time such as 2030-01-31T12:00:00Z"

/* Without asking: what a profile of this kind cannot do. */
static const char *hint_for_kind(enum api_auth auth)
{
	switch (auth) {
	case API_AUTH_NONE:
		return "The profile has no credential: log in with an API key, the admin key or a dashboard "
		       "token";
	case API_AUTH_UPLOAD_TOKEN:
		return "An upload token only uploads into its own bucket: for anything else use a profile "
		       "with "
		       "an API key or the admin key";
	default: return NULL;
	}
}

/* The texts move along; those that are static stay. */
static void keep(struct api_call *call, const struct api_error *error)
{
	call->unclear = *error;
	call->unclear_texts = call->texts;
	call->texts = (struct answer_texts){0};
}

bool call_explain(struct api_call *call, const struct api_error *error)
{
	bool refused = error->code == ERR_AUTH && error->status == 403 && api_bearer(call->api);
	bool hidden = error->code == ERR_NOT_FOUND && call->witness;

	if (call->no_explain || (!refused && !hidden))
		return false;
	keep(call, error);
	call->explaining = true;
	call->collect_max = 0;
	int r = refused ? call_send(call, "GET", HTTP_INTERACTIVE, "/api/buckets?limit=1", NULL)
			: call_send(call, call->witness_method, HTTP_INTERACTIVE, call->witness, NULL);
	if (r == 0)
		return true;
	/* Not to be asked: the answer stands as it came. */
	call->explaining = false;
	call->texts = call->unclear_texts;
	call->unclear_texts = (struct answer_texts){0};
	return false;
}

/* It is there, and the server said that it is not. */
static void not_yours(struct api_error *error)
{
	error->code = ERR_AUTH;
	error->forbidden = true;
	error->message = "It is there, but it belongs to somebody else: the server hides that behind \"not "
			 "found\"";
	error->hint = "Use the key of the bucket's owner (GetBucket names it), the admin key or a dashboard "
		      "token";
}

void call_explained(struct api_call *call, const struct http_result *result, struct api_error *error)
{
	bool there = result->error == 0 && result->status >= 200 && result->status < 400;
	bool dead = result->error == 0 && (result->status == 401 || result->status == 403);

	if (result->error == ERR_CANCELED)
		return;
	*error = call->unclear;
	error->url = call->api->url;
	if (error->code == ERR_NOT_FOUND) {
		if (there)
			not_yours(error);
	} else if (dead) {
		error->message = "The server does not accept the credential of this profile any more";
		error->hint = "It was revoked, has run out, or is of another server: log in again";
	} else if (there) {
		error->forbidden = true;
		if (!error->hint)
			error->hint =
				"The credential is good, but not for this: use the key of the owner, the "
				"admin key or a dashboard token";
	}
}

void call_hint(struct api_call *call, struct api_error *error)
{
	const char *hint = error->code == ERR_AUTH ? hint_for_kind(call->api->auth) : NULL;

	if (hint) {
		error->hint = hint;
		error->forbidden = true; /* there is nothing to log in again with */
	} else if (error->status == 400 && call->has_expiry && !error->hint)
		error->hint = EXPIRY_HINT;
}
