/* Which paths a pair covers: the built-in list, and secrets unless the pair carries them. Pure. The user's
 * own rules come with the issue that brings .carbonfilesignore; they go through the same function. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum ignore_verdict { IGNORE_COVERED, IGNORE_IGNORED, IGNORE_SECRET };

struct ignore_rules {
	bool secrets; /* carry private keys and the like */
};

/* Names that the daemon itself makes inside a root begin so; never carried. */
#define IGNORE_OWN_PREFIX ".carbonfilesd-"

/* path: local, relative. Only the last component is judged: whoever walks has judged the parents. *ret_rule
 * (optional): static text of the rule. */
enum ignore_verdict ignore_component(const struct ignore_rules *rules, const char *name, bool is_dir,
				     const char **ret_rule);
/* Every component of the path; the last is a directory if is_dir. */
enum ignore_verdict ignore_path(const struct ignore_rules *rules, const char *path, bool is_dir,
				const char **ret_rule);

/* A file of at most this size whose first line contains "PRIVATE KEY-----" is a secret. */
#define IGNORE_SECRET_FILE_MAX (64 * 1024)
bool ignore_content_is_secret(const void *head, size_t len);
