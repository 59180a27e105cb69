/* A peer for tests of libcfipc that answers with what it is told: a thread that accepts connections, notes
 * every request, and sends the replies of the moment. Each test has its own process, so its state is global.
 */
#pragma once
#include "libcfipc/cfipc.h"
#include "libcfipc/varlink/idl.h"
#include "libcfipc/varlink/interfaces.h"
#include "libcfipc/varlink/message.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PEER_CONNECTIONS 16
#define PEER_REPLIES     8

static struct {
	char directory[64], path[96];
	int listener, wake[2];
	pthread_t thread;
	pthread_mutex_t lock;
	struct {
		int fd;
		char text[65536];
		size_t len;
		int got_fd; /* came with the bytes of this message */
	} connections[PEER_CONNECTIONS];
	/* What is said to the next request: parameters of each reply; NULL at the end. The last has no
	 * `continues`, unless `open` is set: then the stream stays. */
	const char *replies[PEER_REPLIES];
	const char *error; /* instead: a name, with replies[0] as its parameters */
	bool open, silent;
	/* Done with the descriptor of a request before it is answered: bytes written to or read from it. */
	const char *write;
	size_t write_len, write_done;
	int write_errno;
	char read[256];
	ssize_t read_len;
	/* The last request. */
	char method[128], parameters[4096];
	bool more;
	unsigned requests, closed;
	struct idl_interface *interfaces[3];
	char problem[512];
} peer;

static void peer_say(int fd, const char *parameters, const char *error, bool continues)
{
	struct json_object *object = NULL;
	size_t len;

	if (json_parse(parameters, strlen(parameters), &object, NULL) < 0)
		snprintf(peer.problem, sizeof(peer.problem), "the script is no JSON: %.200s", parameters);
	char *text = varlink_reply_format(object, error, continues, &len);

	if (send(fd, text, len + 1, MSG_NOSIGNAL) < 0)
		peer.closed++;
	free(text);
	json_object_put(object);
}

static struct idl_interface *peer_interface(const char *method)
{
	for (size_t i = 0; i < 3; i++) {
		size_t len = strlen(idl_name(peer.interfaces[i]));

		if (strncmp(method, idl_name(peer.interfaces[i]), len) == 0 && method[len] == '.')
			return peer.interfaces[i];
	}
	return NULL;
}

/* Requests and scripted replies are held to the interface texts. */
static void peer_judge(const struct varlink_call *call)
{
	struct idl_interface *interface = peer_interface(call->method);
	const struct idl_method *method =
		interface ? idl_method_find(interface, strrchr(call->method, '.') + 1) : NULL;
	char field[IDL_FIELD_MAX] = "";

	if (!method)
		snprintf(peer.problem, sizeof(peer.problem), "no such method: %s", call->method);
	else if (idl_check_input(method, call->parameters, field) < 0)
		snprintf(peer.problem, sizeof(peer.problem), "%s: parameter %s", call->method, field);
	for (int i = 0; method && !peer.error && peer.replies[i]; i++) {
		struct json_object *reply = NULL;

		if (json_parse(peer.replies[i], strlen(peer.replies[i]), &reply, NULL) < 0 ||
		    idl_check_output(method, reply, field) < 0)
			snprintf(peer.problem, sizeof(peer.problem), "%s: scripted field %s", call->method,
				 field);
		json_object_put(reply);
	}
}

static void peer_use_fd(int fd)
{
	peer.write_done = 0;
	peer.write_errno = 0;
	while (peer.write && peer.write_done < peer.write_len) {
		ssize_t n = write(fd, peer.write + peer.write_done, peer.write_len - peer.write_done);

		if (n < 0) {
			peer.write_errno = errno;
			break;
		}
		peer.write_done += (size_t)n;
	}
	if (!peer.write)
		peer.read_len = read(fd, peer.read, sizeof(peer.read) - 1);
	close(fd);
}

static void peer_answer(int fd, char *text, size_t len, int got_fd)
{
	struct varlink_call call;

	if (varlink_call_parse(text, len, &call, NULL) < 0) {
		snprintf(peer.problem, sizeof(peer.problem), "not a call: %.200s", text);
		return;
	}
	pthread_mutex_lock(&peer.lock);
	char *parameters = call.parameters ? json_write(call.parameters, NULL) : strdup("{}");

	peer_judge(&call);
	snprintf(peer.method, sizeof(peer.method), "%s", call.method);
	snprintf(peer.parameters, sizeof(peer.parameters), "%s", parameters);
	peer.more = call.more;
	peer.requests++;
	free(parameters);
	if (got_fd >= 0)
		peer_use_fd(got_fd);
	if (peer.write_errno) {
		char failed[128];

		snprintf(failed, sizeof(failed), "{\"errno\":%d,\"name\":\"E\",\"message\":\"m\"}",
			 peer.write_errno);
		peer_say(fd, failed, "org.carbonfiles.remote.LocalError", false);
	} else if (peer.error) {
		peer_say(fd, peer.replies[0] ? peer.replies[0] : "{}", peer.error, false);
	} else if (!peer.silent) {
		for (int i = 0; peer.replies[i]; i++)
			if (peer.open || call.more || !peer.replies[i + 1])
				peer_say(fd, peer.replies[i], NULL, peer.open || peer.replies[i + 1]);
	}
	pthread_mutex_unlock(&peer.lock);
	varlink_call_done(&call);
}

/* Bytes of one connection; false when it is over. */
static bool peer_read(int i)
{
	char *text = peer.connections[i].text, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {text + peer.connections[i].len,
			    sizeof(peer.connections[i].text) - peer.connections[i].len};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(peer.connections[i].fd, &message, 0);

	if (n <= 0)
		return false;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&peer.connections[i].got_fd, CMSG_DATA(cmsg), sizeof(int));
	peer.connections[i].len += (size_t)n;
	char *end;

	while ((end = memchr(text, 0, peer.connections[i].len))) {
		size_t len = (size_t)(end - text);

		peer_answer(peer.connections[i].fd, text, len, peer.connections[i].got_fd);
		peer.connections[i].got_fd = -1;
		peer.connections[i].len -= len + 1;
		memmove(text, end + 1, peer.connections[i].len);
	}
	return true;
}

static void *peer_run(void *arg)
{
	for (;;) {
		struct pollfd fds[PEER_CONNECTIONS + 2] = {{peer.listener, POLLIN, 0},
							   {peer.wake[0], POLLIN, 0}};

		for (int i = 0; i < PEER_CONNECTIONS; i++)
			fds[i + 2] = (struct pollfd){peer.connections[i].fd, POLLIN, 0};
		poll(fds, PEER_CONNECTIONS + 2, -1);
		if (fds[1].revents)
			return NULL;
		for (int i = 0; i < PEER_CONNECTIONS; i++) {
			if (peer.connections[i].fd >= 0 && fds[i + 2].revents && !peer_read(i)) {
				close(peer.connections[i].fd);
				peer.connections[i].fd = -1;
				pthread_mutex_lock(&peer.lock);
				peer.closed++;
				pthread_mutex_unlock(&peer.lock);
			}
		}
		for (int i = 0; fds[0].revents && i < PEER_CONNECTIONS; i++) {
			if (peer.connections[i].fd >= 0)
				continue;
			peer.connections[i].fd = accept(peer.listener, NULL, NULL);
			peer.connections[i].len = 0;
			peer.connections[i].got_fd = -1;
			break;
		}
	}
}

static void peer_start(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *const texts[] = {varlink_text_daemon, varlink_text_sync, varlink_text_remote};

	snprintf(peer.directory, sizeof(peer.directory), "/tmp/cfipc-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(peer.directory));
	snprintf(peer.path, sizeof(peer.path), "%s/socket", peer.directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", peer.path);
	for (int i = 0; i < PEER_CONNECTIONS; i++)
		peer.connections[i].fd = -1;
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(idl_parse(texts[i], &peer.interfaces[i], NULL), 0);
	pthread_mutex_init(&peer.lock, NULL);
	peer.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(peer.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(peer.listener, 16), 0);
	ck_assert_int_eq(pipe(peer.wake), 0);
	ck_assert_int_eq(pthread_create(&peer.thread, NULL, peer_run, NULL), 0);
}

static void peer_stop(void)
{
	ck_assert_int_eq(write(peer.wake[1], "", 1), 1);
	pthread_join(peer.thread, NULL);
	for (int i = 0; i < PEER_CONNECTIONS; i++)
		if (peer.connections[i].fd >= 0)
			close(peer.connections[i].fd);
	close(peer.listener);
	unlink(peer.path);
	rmdir(peer.directory);
	for (size_t i = 0; i < 3; i++)
		idl_free(peer.interfaces[i]);
	ck_assert_msg(!peer.problem[0], "%s", peer.problem);
}

/* What is said from now on. `replies` end with NULL; borrowed. */
static void peer_script(const char *const *replies, const char *error)
{
	pthread_mutex_lock(&peer.lock);
	memset(peer.replies, 0, sizeof(peer.replies));
	for (int i = 0; replies && replies[i]; i++)
		peer.replies[i] = replies[i];
	peer.error = error;
	pthread_mutex_unlock(&peer.lock);
}
#define PEER_SAYS(...) peer_script((const char *const[]){__VA_ARGS__, NULL}, NULL)

static cfipc_client *peer_client(void)
{
	cfipc_client *client = NULL;
	cfipc_options options;

	cfipc_options_init(&options, sizeof(options));
	options.address = peer.path;
	options.timeout_usec = 20 * 1000000LL;
	ck_assert_int_eq(cfipc_client_new(&client, &options), 0);
	return client;
}
