/* Pairs as small readable files: pairs/NAME.conf. A pair's file holds what its user said and its identity;
 * what the daemon learned is in the index. Strings are single-quoted with \ and ' escaped, so any path is
 * carried byte for byte. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pair_mode { PAIR_MIRROR, PAIR_BACKUP, PAIR_PULL, PAIR_TWO_WAY };
enum pair_foreign { PAIR_FOREIGN_HOLD, PAIR_FOREIGN_REMOVE };
enum pair_conflicts { PAIR_KEEP_BOTH, PAIR_KEEP_LOCAL, PAIR_KEEP_REMOTE };
const char *pair_mode_name(enum pair_mode mode);
int pair_mode_parse(const char *name, enum pair_mode *ret_mode);

#define PAIR_ID_SIZE 33   /* 32 hex digits + NUL */
#define PAIR_DEFAULT (-1) /* a number that follows carbonfilesd.conf */

struct pair_spec {
	char *name;            /* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
	char id[PAIR_ID_SIZE]; /* identity written into the root's marker; never changes */
	char *profile;
	char *bucket;
	char *remote_prefix; /* "" or "a/b/" (always with a trailing slash) */
	char *local_path;    /* absolute, no trailing slash */
	enum pair_mode mode;
	enum pair_foreign foreign;
	enum pair_conflicts conflicts;
	bool secrets; /* also carry private keys and the like */
	bool paused;
	int64_t paused_until_ms; /* wall clock; 0: until resumed */
	int64_t created_at_ms;
	int64_t settle_ms, rescan_seconds, max_deletes, max_delete_percent,
		rescue_bytes; /* PAIR_DEFAULT or a value */
};

bool pair_name_valid(const char *name);
struct pair_spec *pair_spec_new(void); /* defaults, fresh random id */
struct pair_spec *pair_spec_free(struct pair_spec *spec);
struct pair_spec *pair_spec_copy(const struct pair_spec *spec);

/* All pairs of the directory, sorted by name; malformed ones are left out and named in *ret_warnings (file,
 * line, key, what is allowed). */
int pairfile_load_all(const char *config_dir, struct pair_spec ***ret_specs, size_t *ret_n,
		      char **ret_warnings);
int pairfile_save(const char *config_dir,
		  const struct pair_spec *spec); /* atomic, 0600; -EINVAL: what load_all would refuse */
int pairfile_remove(const char *config_dir, const char *name);
