/* core_claims.h - a core that registers, or consents to what others register. */
#ifndef NPRI_TESTS_CORE_CLAIMS_H
#define NPRI_TESTS_CORE_CLAIMS_H

#include "core_host.h"

/* REGISTER, and UNREGISTER; the deadline is 5 s from now. */
void host_claim(struct core_host *host,
                uint64_t request,
                const char *key,
                const char *pid,
                bool keep);
void host_let_go(struct core_host *host, uint64_t request, const char *key);

/* The token with which `node` was told that it may have a key: the last one in the trace. */
unsigned long long host_consent(const struct core_host *host, const char *node);

/* `node` tells that it has made the entry that it was last told it may have; the trace begins with
 * what comes of that.  `pid` is written as a term. */
void host_confirm(struct core_host *host, const char *node, const char *key, const char *pid);

/* It does not want it any more. */
void host_decline(struct core_host *host,
                  const char *node,
                  const char *key,
                  unsigned long long token);

#endif /* NPRI_TESTS_CORE_CLAIMS_H */
