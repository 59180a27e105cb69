/* Local paths on their way to the daemon. */
#include "cfctl/path.h"
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes of the UTF-8 character here; 0 when it is none (too long a form, a surrogate, beyond U+10FFFF). */
static size_t utf8_bytes(const unsigned char *s)
{
	uint32_t c;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	c = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

bool path_is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t n; *s; s += n) {
		n = utf8_bytes(s);
		if (n == 0)
			return false;
	}
	return true;
}

char *path_encode(const char *path)
{
	const unsigned char *s = (const unsigned char *)path;
	char *encoded = malloc(4 * strlen(path) + 1), *at = encoded;

	if (!encoded)
		return NULL;
	while (*s) {
		size_t n = utf8_bytes(s);
		bool escape = *s == '~' && s[1] == 'x' && isxdigit(s[2]) && isxdigit(s[3]);

		if (n == 0 || escape) {
			at += snprintf(at, 5, "~x%02X", *s++);
			continue;
		}
		memcpy(at, s, n);
		at += n;
		s += n;
	}
	*at = '\0';
	return encoded;
}

char *path_decode(const char *path)
{
	char *decoded = malloc(strlen(path) + 1), *at = decoded;
	_cleanup_free_ char *again = NULL;

	if (!decoded)
		return NULL;
	for (const char *s = path; *s;) {
		unsigned byte;

		if (s[0] == '~' && s[1] == 'x' && isxdigit((unsigned char)s[2]) &&
		    isxdigit((unsigned char)s[3]) && sscanf(s + 2, "%2x", &byte) == 1 && byte != 0) {
			*at++ = (char)byte;
			s += 4;
		} else {
			*at++ = *s++;
		}
	}
	*at = '\0';
	again = path_encode(decoded);
	if (again && strcmp(again, path) != 0)
		memcpy(decoded, path, strlen(path) + 1);
	if (again)
		return decoded;
	free(decoded);
	return NULL;
}

/* realpath of everything before the last component, and that component as it stands. */
static char *resolve_parent(const char *path)
{
	_cleanup_free_ char *copy = strdup(path), *parent = NULL;
	char *slash, *whole;

	if (!copy)
		return NULL;
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	slash = strrchr(copy, '/');
	if (slash && (strcmp(slash + 1, "..") == 0 || strcmp(slash + 1, ".") == 0 || slash[1] == '\0'))
		return realpath(path, NULL);
	if (!slash && (strcmp(copy, "..") == 0 || strcmp(copy, ".") == 0))
		return realpath(path, NULL);
	if (slash)
		*slash = '\0';
	parent = realpath(!slash ? "." : slash == copy ? "/" : copy, NULL);
	if (!parent ||
	    asprintf(&whole, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, slash ? slash + 1 : copy) < 0)
		return NULL;
	return whole;
}

char *path_absolute(const char *path, bool resolve_last)
{
	_cleanup_free_ char *whole = resolve_last ? realpath(path, NULL) : resolve_parent(path);

	if (!whole && *path == '/') {
		whole = strdup(path);
	} else if (!whole) {
		_cleanup_free_ char *here = getcwd(NULL, 0);

		if (asprintf(&whole, "%s/%s", here ? here : "", path) < 0)
			whole = NULL;
	}
	return whole ? path_encode(whole) : NULL;
}

int path_of_pair(struct ctl *ctl, const char *pair, const char *word, char **ret_path)
{
	_cleanup_free_ char *encoded = NULL;
	_cleanup_reply_ struct reply reply = {0};
	_cleanup_params_ struct params params = {0};
	const char *path = word, *root;
	size_t length;
	int code;

	if (*word != '/') {
		while (strncmp(path, "./", 2) == 0)
			path += 2 + strspn(path + 2, "/");
		encoded = path_encode(path);
	} else {
		encoded = path_absolute(word, false);
	}
	if (!encoded)
		return ctl_no_memory(ctl);
	for (size_t n = strlen(encoded); n > 1 && encoded[n - 1] == '/'; n--)
		encoded[n - 1] = '\0';
	if (*encoded == '/') {
		params_init(&params);
		params_string(&params, "name", pair);
		code = ctl_call(ctl, "look the pair up", SYNC "Get", &params, &reply);
		if (code != EXIT_OK)
			return code;
		root = get_text(get_object(get_object(reply.object, "pair"), "spec"), "local_path");
		length = strlen(root);
		if (length == 0 || strncmp(encoded, root, length) != 0 || encoded[length] != '/')
			return ctl_usage(ctl, NULL, "%s does not lie in the directory of %s, %s", word, pair,
					 root);
		memmove(encoded, encoded + length + 1, strlen(encoded + length + 1) + 1);
	}
	*ret_path = encoded;
	encoded = NULL;
	return EXIT_OK;
}
