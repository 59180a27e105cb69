/* What a pair leaves out. Lives here: the built-in names and the look of a private key. Not here: walking,
 * opening files, and what is done with a path that is not covered. */
#include "sync/ignore.h"
#include "base/util.h"
#include <fnmatch.h>
#include <string.h>

#define NAME_LEN_MAX 255 /* longer names do not exist on a disk; such a one matches no rule */

struct rule {
	const char *pattern; /* as in gitignore: a trailing slash means directories only */
	enum ignore_verdict verdict;
};

static const struct rule rules_builtin[] = {
	/* what editors, desktops and browsers leave behind or have not finished */
	{"*~", IGNORE_IGNORED},
	{".*.sw?", IGNORE_IGNORED},
	{".#*", IGNORE_IGNORED},
	{".~lock.*#", IGNORE_IGNORED},
	{".goutputstream-*", IGNORE_IGNORED},
	{"*.part", IGNORE_IGNORED},
	{"*.crdownload", IGNORE_IGNORED},
	{IGNORE_OWN_PREFIX "*", IGNORE_IGNORED},
	/* what opens other doors: a bucket is readable by anyone who knows its id */
	{".ssh/", IGNORE_SECRET},
	{".gnupg/", IGNORE_SECRET},
	{".env", IGNORE_SECRET},
	{".netrc", IGNORE_SECRET},
	{".pgpass", IGNORE_SECRET},
	{"id_rsa", IGNORE_SECRET},
	{"id_ecdsa", IGNORE_SECRET},
	{"id_ed25519", IGNORE_SECRET},
};

/* Every name of every tree passes here: its first and last byte rule out nearly all patterns. */
static bool may_match(const char *pattern, size_t pattern_len, const char *name, size_t len)
{
	char first = pattern[0], last = pattern[pattern_len - 1];

	return len > 0 && (first == '*' || first == name[0]) &&
	       (last == '*' || last == '?' || last == name[len - 1]);
}

static bool matches(const char *pattern, const char *name, size_t name_len, bool is_dir)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '/')
		return is_dir && name_len == len - 1 && memcmp(pattern, name, len - 1) == 0;
	return may_match(pattern, len, name, name_len) && fnmatch(pattern, name, FNM_NOESCAPE) == 0;
}

enum ignore_verdict ignore_component(const struct ignore_rules *rules, const char *name, bool is_dir,
				     const char **ret_rule)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(rules_builtin); i++) {
		const struct rule *rule = &rules_builtin[i];

		if (rule->verdict == IGNORE_SECRET && rules->secrets)
			continue;
		if (!matches(rule->pattern, name, len, is_dir))
			continue;
		if (ret_rule)
			*ret_rule = rule->pattern;
		return rule->verdict;
	}
	return IGNORE_COVERED;
}

enum ignore_verdict ignore_path(const struct ignore_rules *rules, const char *path, bool is_dir,
				const char **ret_rule)
{
	while (*path) {
		size_t len = strcspn(path, "/");
		bool last = !path[len];
		char name[NAME_LEN_MAX + 1];

		if (len <= NAME_LEN_MAX) {
			memcpy(name, path, len);
			name[len] = '\0';
			enum ignore_verdict v = ignore_component(rules, name, !last || is_dir, ret_rule);

			if (v != IGNORE_COVERED)
				return v;
		}
		path += len + !last;
	}
	return IGNORE_COVERED;
}

bool ignore_content_is_secret(const void *head, size_t len)
{
	static const char mark[] = "PRIVATE KEY-----";
	const char *end = memchr(head, '\n', len);
	size_t line = end ? (size_t)(end - (const char *)head) : len;

	return memmem(head, line, mark, sizeof(mark) - 1) != NULL;
}
