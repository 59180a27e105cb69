/* Where the daemon listens: reading addresses and finding the default one. */
#include "libcfipc/internal.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_NAME   "carbonfilesd/org.carbonfiles"
#define SYSTEM_SOCKET "/run/" SOCKET_NAME

int address_parse(const char *address, struct sockaddr_un *ret_address, socklen_t *ret_len, char **ret_text)
{
	const char *path = address;

	if (strncmp(address, "unix:", 5) == 0)
		path += 5;
	else if (address[0] != '/')
		return strchr(address, ':') ? -EPROTONOSUPPORT : -EINVAL;
	size_t len = strcspn(path, ";"); /* what follows is for other programs */
	bool abstract = path[0] == '@';

	if (len < 2 || (!abstract && path[0] != '/'))
		return -EINVAL;
	if (len >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	if (asprintf(ret_text, "unix:%.*s", (int)len, path) < 0) {
		*ret_text = NULL;
		return -ENOMEM;
	}
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret_address->sun_path, path, len);
	if (abstract)
		ret_address->sun_path[0] = 0;
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !abstract);
	return 0;
}

/* The user's own, whether it is there or not. NULL: out of memory. */
char *address_user(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *address;
	int r = runtime && runtime[0] == '/'
			? asprintf(&address, "unix:%s/" SOCKET_NAME, runtime)
			: asprintf(&address, "unix:/run/user/%u/" SOCKET_NAME, (unsigned)geteuid());

	return r < 0 ? NULL : address;
}

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

int cfipc_default_address(char **ret_address)
{
	const char *given = getenv("CARBONFILESD_SOCKET");
	char *address = given && given[0] ? strdup(given) : address_user();

	if (!address)
		return -ENOMEM;
	if (!(given && given[0]) && !is_socket(address + strlen("unix:")) && is_socket(SYSTEM_SOCKET)) {
		free(address);
		address = strdup("unix:" SYSTEM_SOCKET);
		if (!address)
			return -ENOMEM;
	}
	*ret_address = address;
	return 0;
}
