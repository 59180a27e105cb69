/* The meaning of curl's codes, in one place. */
#include "http/outcome.h"
#include "base/err.h"
#include <curl/curl.h>
#include <errno.h>
#include <stddef.h>

static const char *reason_of(int curl_code)
{
	switch (curl_code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY: return "dns";
	case CURLE_COULDNT_CONNECT:
	case CURLE_INTERFACE_FAILED:
	case CURLE_PROXY: return "connect";
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_ENGINE_INITFAILED:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT: return "tls";
	case CURLE_OPERATION_TIMEDOUT: return "timeout";
	case CURLE_UNSUPPORTED_PROTOCOL: /* an answer that is not HTTP */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP_RETURNED_ERROR:
	case CURLE_WRITE_ERROR: /* headers beyond curl's limits */
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM: return "protocol";
	default: return "offline";
	}
}

int outcome_judge(const struct outcome_facts *facts, const char **ret_reason)
{
	*ret_reason = NULL;
	if (facts->curl_code == CURLE_OK)
		return 0;
	/* A refusal that came before the whole body was sent, or whose own body was cut: the status says all.
	 */
	if (facts->status >= 300)
		return 0;

	*ret_reason = reason_of(facts->curl_code);
	if (!facts->safe && facts->sent_all)
		return ERR_DOUBT;
	if (facts->curl_code == CURLE_OUT_OF_MEMORY)
		return -ENOMEM;
	return **ret_reason == 'p' ? ERR_PROTOCOL : ERR_OFFLINE;
}
