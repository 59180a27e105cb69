/* Reading the server's answers: JSON text to the structs of api.h, HTTP outcome to struct api_error. Pure.
 * What is read borrows from the JSON tree and from the arrays allocated here. */
#pragma once
#include "api/api.h"
#include "libcfipc/varlink/json.h"

#define ANSWER_TIME_MAX 40 /* the server writes at most 28 characters */

/* Texts that are not in the answer as they are given out. */
struct answer_bucket {
	struct api_bucket bucket;
	char created_at[ANSWER_TIME_MAX], expires_at[ANSWER_TIME_MAX], last_used_at[ANSWER_TIME_MAX];
};
struct answer_file_texts {
	char created_at[ANSWER_TIME_MAX], updated_at[ANSWER_TIME_MAX], version[ANSWER_TIME_MAX];
	char *short_url;
};
struct answer_files {
	struct api_file *files;
	struct answer_file_texts *texts;
	size_t n;
};

/* A table of members says how an answer becomes a struct: what is in it, of which type, and where it goes. */
enum answer_type {
	ANSWER_STRING, /* const char *; NULL: absent */
	ANSWER_ID,     /* the same, never empty */
	ANSWER_COUNT,  /* int64_t, never negative; -1: absent */
	ANSWER_BOOL,   /* bool */
	ANSWER_TIME,   /* const char *, with its text of ANSWER_TIME_MAX in the same struct */
};
struct answer_field {
	const char *name;
	enum answer_type type;
	bool required;
	size_t offset, text; /* text: of a time */
};

/* All: 0, ERR_PROTOCOL or -ENOMEM. */
/* A version's time as the server spells it, but without the zone, which comes and goes: compared as text. */
int answer_version(const char *stamp, char out[ANSWER_TIME_MAX]);
int answer_read(struct json_object *object, const struct answer_field *fields, size_t n, void *to);
/* The array of that name, of a length that can be; borrowed. */
int answer_items(struct json_object *object, const char *member, struct json_object **ret_array,
		 size_t *ret_n);
int answer_bucket(struct json_object *object, struct answer_bucket *ret_bucket);
int answer_buckets(struct json_object *object, const char *member, struct answer_bucket **ret_buckets,
		   size_t *ret_n);
int answer_page_info(struct json_object *object, struct api_page_info *ret_page);
/* member: the name of the array. base: the server's URL, for short_url. */
int answer_files(struct json_object *object, const char *member, const char *base,
		 struct answer_files *ret_files);
/* object itself is the one file. */
int answer_file(struct json_object *object, const char *base, struct answer_files *ret_files);
void answer_files_done(struct answer_files *f);
/* A page of the keyset scan: every path above after and above the one before; *ret_cursor NULL at the end,
 * else above after. */
int answer_scan_page(struct json_object *object, const char *base, const char *after,
		     struct answer_files *ret_files, const char **ret_cursor);

/* What an exchange means. Texts are kept in *texts. write: an answer of a gateway leaves it in doubt. The
 * result's body is read for the server's words. error->url is left to the caller. */
struct answer_texts {
	struct buf message, hint;
};
void answer_error(const struct http_result *result, bool write, struct answer_texts *texts,
		  struct api_error *ret_error);
void answer_texts_done(struct answer_texts *texts);
