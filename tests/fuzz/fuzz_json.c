/* JSON from outside: whatever is accepted is a document that says the same when written and read again. */
#include "tests/fuzz/fuzz.h"
#include "libcfipc/varlink/json.h"
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
	const char *text =
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	r = json_parse(text, strlen(text), &again, &why);
	must(r == 0);
	must(json_object_equal(o, again));
	json_object_put(again);
	json_object_put(o);
	return 0;
}
