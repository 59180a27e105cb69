/* What the end of an exchange means for the caller. Pure: facts in, error and reason out. */
#pragma once
#include <stdbool.h>

struct outcome_facts {
	int curl_code; /* CURLcode */
	int status;    /* of the final answer, 0: its headers did not come whole */
	bool safe;     /* GET or HEAD */
	bool sent_all; /* the request, body included, may be in the server's hands whole */
};

/* 0, ERR_OFFLINE, ERR_DOUBT, ERR_PROTOCOL or -ENOMEM. *ret_reason: NULL on 0. */
int outcome_judge(const struct outcome_facts *facts, const char **ret_reason);
