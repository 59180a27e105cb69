/* Fuzz target: bytes of a peer through framer, JSON gate, both message parsers and the check against an
 * interface. The first byte says how the rest is cut into reads; the same input must give the same messages
 * however it is cut. */
#include "libcfipc/varlink/frame.h"
#include "libcfipc/varlink/idl.h"
#include "libcfipc/varlink/interfaces.h"
#include "libcfipc/varlink/message.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct idl_interface *interface;

static void check_call(const char *text, size_t len)
{
	struct varlink_call call;
	struct varlink_reply reply;
	char field[IDL_FIELD_MAX];
	size_t out_len;

	if (varlink_reply_parse(text, len, &reply, NULL) == 0)
		varlink_reply_done(&reply);
	if (varlink_call_parse(text, len, &call, NULL) < 0)
		return;
	for (size_t i = 0; i < idl_method_count(interface); i++) {
		(void)idl_check_input(idl_method_at(interface, i), call.parameters, field);
		(void)idl_check_output(idl_method_at(interface, i), call.parameters, field);
	}
	/* What was accepted can be said again and is accepted again. */
	if (varlink_method_valid(call.method)) {
		char *again =
			varlink_call_format(call.method, call.parameters, call.oneway, call.more, &out_len);
		struct varlink_call second;

		if (!again || varlink_call_parse(again, out_len, &second, NULL) < 0)
			abort();
		varlink_call_done(&second);
		free(again);
	}
	varlink_wipe(call.root);
	varlink_call_done(&call);
}

/* The number of messages and a sum over them. */
static uint64_t run(const uint8_t *data, size_t size, size_t step, int check)
{
	struct frame_in in;
	uint64_t sum = 0;
	char *text, *place;
	size_t len, room;
	int r = 0;

	frame_in_init(&in, MAX_MESSAGE);
	while (size > 0 && r >= 0) {
		if (frame_in_space(&in, &place, &room) < 0)
			break;
		size_t n = room < step ? room : step;

		n = n < size ? n : size;
		memcpy(place, data, n);
		frame_in_commit(&in, n, NULL, 0, false);
		data += n;
		size -= n;
		while ((r = frame_in_next(&in, &text, &len, NULL)) > 0) {
			if (strlen(text) != len)
				abort();
			sum = sum * 31 + len + 1;
			if (check)
				check_call(text, len);
		}
	}
	frame_in_done(&in);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!interface && idl_parse(varlink_text_sync, &interface, NULL) < 0)
		abort();
	if (size < 1)
		return 0;
	size_t step = data[0] + 1;

	if (run(data + 1, size - 1, step, 1) != run(data + 1, size - 1, SIZE_MAX, 0))
		abort();
	return 0;
}
