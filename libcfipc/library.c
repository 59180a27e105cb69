/* Version, log handler and words for numbers. */
#include "libcfipc/internal.h"
#include "config.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOG_LINE_MAX 512 /* method names and paths */

static cfipc_log_handler log_handler;
static void *log_userdata;

const char *cfipc_version(void)
{
	return PACKAGE_VERSION;
}

int cfipc_check_version(unsigned api_version)
{
	return api_version <= CFIPC_API_VERSION ? 0 : -ENOTSUP;
}

void cfipc_set_log_handler(cfipc_log_handler handler, void *userdata)
{
	log_userdata = userdata;
	log_handler = handler;
}

void library_log(enum cfipc_log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;

	if (!log_handler)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_handler(level, text, log_userdata);
}

const char *cfipc_strerror(int r)
{
	static const struct {
		int number;
		const char *text;
	} own[] = {
		{-EREMOTEIO, "the daemon answered with an error"},
		{-ENOENT, "no daemon is there"},
		{-ECONNREFUSED, "no daemon is listening"},
		{-ECONNRESET, "the daemon closed the connection"},
		{-EBADMSG, "the daemon did not speak Varlink"},
		{-ECHILD, "the client belongs to the parent process"},
		{-ETIMEDOUT, "timed out"},
		{-ECANCELED, "cancelled"},
		{-EPROTONOSUPPORT, "only unix: addresses are supported"},
		{-EBUSY, "not possible from inside this callback, or the request was sent already"},
	};

	if (r >= 0)
		return "success";
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (own[i].number == r)
			return own[i].text;
	static _Thread_local char text[128];

	return strerror_r(-r, text, sizeof(text));
}
