/* JSON from outside: whatever is accepted is a document that says the same when written and read again, and
 * that json-c reads and writes in the same way. */
#include "tests/fuzz/fuzz.h"
#include "libcfipc/varlink/json.h"
#include "libcfipc/varlink/json_walk.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_object *o = NULL, *again = NULL;
	const char *why = NULL;
	int r = json_parse((const char *)data, size, &o, &why);

	if (r < 0) {
		must(!o && why);
		return 0;
	}
	char *text = json_write(o, NULL), *copy = strndup((const char *)data, size);

	must(text && copy);
	r = json_parse(text, strlen(text), &again, &why);
	must(r == 0);
	must(json_object_equal(o, again));
	struct json_object *theirs = json_tokener_parse(copy);

	must(json_object_equal(o, theirs));
	must(strcmp(text, json_object_to_json_string_ext(
				  theirs, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)) == 0);
	struct json_walk w;

	must(json_walk_begin(&w, (const char *)data, size, &why) == 0);
	json_walk_skip(&w);
	must(w.p == w.end);
	json_walk_done(&w);
	json_object_put(theirs);
	json_object_put(again);
	json_object_put(o);
	free(text);
	free(copy);
	return 0;
}
