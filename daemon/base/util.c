/* The few functions behind util.h that cannot be inline. */
#include "base/util.h"
#include <errno.h>

void close_fd(int fd)
{
	int saved = errno;

	/* Never repeated on EINTR: Linux has closed the descriptor by then, and another thread may own the
	 * number. */
	if (fd >= 0)
		close(fd);
	errno = saved;
}
