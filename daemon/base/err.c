/* The one table of err.h. */
#include "base/err.h"
#include "base/util.h"
#include <errno.h>
#include <string.h>

static const struct err_info own[] = {
	{ERR_OFFLINE, "OFFLINE", ERR_SCOPE_SERVER, true, "The server cannot be reached"},
	{ERR_DOUBT, "DOUBT", ERR_SCOPE_ITEM, true,
	 "The connection was lost before the answer: it is not known yet whether the server did it"},
	{ERR_AUTH, "AUTH", ERR_SCOPE_SERVER, false,
	 "The server refuses this credential: log in again with a valid one"},
	{ERR_NOT_FOUND, "NOT_FOUND", ERR_SCOPE_ITEM, false, "Not found on the server, or not yours"},
	{ERR_TOO_LARGE, "TOO_LARGE", ERR_SCOPE_ITEM, false, "Larger than the server accepts"},
	{ERR_RANGE, "RANGE", ERR_SCOPE_ITEM, false, "The range asked for is not within the file"},
	{ERR_REJECTED, "REJECTED", ERR_SCOPE_ITEM, false, "The server refuses the request"},
	{ERR_SERVER, "SERVER", ERR_SCOPE_ITEM, true, "The server failed"},
	{ERR_PROTOCOL, "PROTOCOL", ERR_SCOPE_SERVER, true,
	 "The answer is not what a CarbonFiles server sends: check the URL and the proxy"},
	{ERR_HASH, "HASH", ERR_SCOPE_ITEM, true, "The bytes were changed on the way: the hashes differ"},
	{ERR_CANCELED, "CANCELED", ERR_SCOPE_ITEM, false, "Canceled"},
	{ERR_LIMIT, "LIMIT", ERR_SCOPE_ITEM, false, "Larger than a limit of this daemon"},
	{ERR_CORRUPT, "CORRUPT", ERR_SCOPE_LOCAL, false, "A file of the daemon's own cannot be read"},
};

/* errno values that reach further than one path, or that go away by themselves. */
static const struct {
	int number;
	enum err_scope scope;
	bool retry;
} known[] = {
	{ENOMEM, ERR_SCOPE_LOCAL, true},
	{ENOSPC, ERR_SCOPE_LOCAL, true},
	{EDQUOT, ERR_SCOPE_LOCAL, true},
	{EROFS, ERR_SCOPE_LOCAL, false},
	{EMFILE, ERR_SCOPE_LOCAL, true},
	{ENFILE, ERR_SCOPE_LOCAL, true},
	{EIO, ERR_SCOPE_ITEM, true},
	{EINTR, ERR_SCOPE_ITEM, true},
	{EAGAIN, ERR_SCOPE_ITEM, true},
	{EBUSY, ERR_SCOPE_ITEM, true},
	{ETXTBSY, ERR_SCOPE_ITEM, true},
	{ESTALE, ERR_SCOPE_PAIR, true},
	{ENODEV, ERR_SCOPE_PAIR, true},
	{ENOTCONN, ERR_SCOPE_PAIR, true},
	{ECONNREFUSED, ERR_SCOPE_SERVER, true},
	{ETIMEDOUT, ERR_SCOPE_SERVER, true},
};

static const struct err_info success = {0, "OK", ERR_SCOPE_ITEM, false, "Success"};
static const struct err_info unknown = {-EINVAL, "UNKNOWN", ERR_SCOPE_ITEM, false, "Unknown error"};

/* Linux' errno values end at 133; room for what a later kernel adds. */
#define ERRNO_MAX 160
static struct err_info errno_info[ERRNO_MAX];

/* Before main and its threads: afterwards the table is only read. */
__attribute__((constructor)) static void fill_errno_info(void)
{
	for (int e = 1; e < ERRNO_MAX; e++) {
		const char *name = strerrorname_np(e), *text = strerrordesc_np(e);
		errno_info[e] = (struct err_info){-e, name ? name : unknown.name, ERR_SCOPE_ITEM, false,
						  text ? text : unknown.text};
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		errno_info[known[i].number].scope = known[i].scope;
		errno_info[known[i].number].retry = known[i].retry;
	}
}

const struct err_info *err_info(int code)
{
	if (code == 0)
		return &success;
	if (code < 0 && code > -ERRNO_MAX)
		return &errno_info[-code];
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (own[i].code == code)
			return &own[i];
	return &unknown;
}

const char *err_text(int code)
{
	return err_info(code)->text;
}
