#include "core_claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

void host_claim(struct core_host *host,
                uint64_t request,
                const char *key,
                const char *pid,
                bool keep)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_REGISTER,
                                                   .request = request,
                                                   .key = host_atom(key),
                                                   .term = host_pid_term(pid),
                                                   .keep = keep,
                                                   .deadline_ns = host->now_ns + 5000 * MS});
}

void host_let_go(struct core_host *host, uint64_t request, const char *key)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_UNREGISTER,
                                                   .request = request,
                                                   .key = host_atom(key),
                                                   .deadline_ns = host->now_ns + 5000 * MS});
}

unsigned long long host_consent(const struct core_host *host, const char *node)
{
    unsigned long long token = 0;
    char word[32];

    (void)snprintf(word, sizeof(word), "TELL %s {claimed,", node);
    for (const char *at = strstr(host->trace, word); at != NULL; at = strstr(at + 1, word)) {
        const char *end = at + strcspn(at, "\n") - 1; /* the brace */

        while (end[-1] != ',') {
            end--;
        }
        token = strtoull(end, NULL, 10);
    }
    assert_int_not_equal(token, 0);
    return token;
}

void host_confirm(struct core_host *host, const char *node, const char *key, const char *pid)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "{push,7,900,[{%s,%s,%llu}]}", key, pid,
                   host_consent(host, node));
    host_forget_trace(host);
    host_told(host, node, text);
}

void host_decline(struct core_host *host,
                  const char *node,
                  const char *key,
                  unsigned long long token)
{
    char text[96];

    (void)snprintf(text, sizeof(text), "{declined,%s,%llu}", key, token);
    host_told(host, node, text);
}
