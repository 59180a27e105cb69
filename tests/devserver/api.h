/*
 * The handlers of the API, one for each row of router.c. Each sends one answer and returns 0, or returns a
 * negative errno for serve.c to answer: -EFBIG 413, -EBADMSG 400, -ETIMEDOUT 408, -EPIPE nothing, everything
 * else 500.
 */
#pragma once

struct server;
struct request;

int api_health(struct server *s, struct request *r);
int api_stats(struct server *s, struct request *r);
int api_key_create(struct server *s, struct request *r);
int api_key_list(struct server *s, struct request *r);
int api_key_delete(struct server *s, struct request *r);
int api_key_usage(struct server *s, struct request *r);
int api_dashboard_create(struct server *s, struct request *r);
int api_dashboard_me(struct server *s, struct request *r);
int api_bucket_create(struct server *s, struct request *r);
int api_bucket_list(struct server *s, struct request *r);
int api_bucket_get(struct server *s, struct request *r);
int api_bucket_patch(struct server *s, struct request *r);
int api_bucket_delete(struct server *s, struct request *r);
int api_bucket_summary(struct server *s, struct request *r);
int api_bucket_zip(struct server *s, struct request *r);
int api_token_create(struct server *s, struct request *r);
int api_file_list(struct server *s, struct request *r);
int api_file_ls(struct server *s, struct request *r);
int api_upload_multipart(struct server *s, struct request *r);
int api_upload_stream(struct server *s, struct request *r);
int api_file_get(struct server *s, struct request *r);
int api_file_patch(struct server *s, struct request *r);
int api_file_delete(struct server *s, struct request *r);
int api_short_get(struct server *s, struct request *r);
int api_short_delete(struct server *s, struct request *r);
