/* core/greeting.h: which native nodes go together. */
#include "core_host.h"

#include <string.h>

#include "base/text.h"
#include "support/check.h"

static void greet_with(struct core_host *host, const char *node, struct npri_greeting greeting)
{
    (void)host_step(host, (struct npri_core_event){.kind = NPRI_EVENT_GREETED,
                                                   .node = host_node(node),
                                                   .greeting = greeting});
}

/* Would catch: two nodes with different owners for a key in one cluster; one that goes on alone
 * because the others refuse it; a node that dials on and on. */
static void who_does_not_fit_is_refused(void **state)
{
    struct npri_greeting greeting;
    struct npri_text why = {0};
    struct core_host host;

    (void)state;
    host_init(&host);
    host_join(&host, "b");
    host_connected(&host, "b");
    host_forget_trace(&host);
    greeting = host.greeting;
    greeting.placement = NPR_PLACEMENT_RENDEZVOUS;
    greet_with(&host, "b", greeting);
    CHECK_TRACE(&host, "DISCONNECT b b@h has placement rendezvous, this node original: start all "
                       "nodes of a cluster with the same --placement\n");
    assert_true(npri_views_refused(host.core, &why));
    host_pass(&host, 29000 * MS);
    host_announced(&host, "b"); /* whoever names it */
    CHECK_TRACE(&host, "");
    host_pass(&host, 2000 * MS);
    CHECK_TRACE(&host, "CONNECT b\n");
    host_connected(&host, "b");
    host_greeted(&host, "b", NPR_OTP_26);
    assert_false(npri_views_refused(host.core, &why));
    host_fini(&host);
}

static void versions_are_understood_or_refused(void **state)
{
    static const struct {
        uint32_t version;
        uint32_t oldest;
        bool fits;
    } cases[] = {{1, 1, false}, {2, 2, false}, {3, 3, true}, {4, 3, true}, {4, 4, false}};
    struct npri_greeting greeting;
    struct core_host host;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        host_init(&host);
        host_connected(&host, "b");
        greeting = host.greeting;
        greeting.version = cases[i].version;
        greeting.oldest = cases[i].oldest;
        greet_with(&host, "b", greeting);
        assert_int_equal(strstr(host.trace, "DISCONNECT b") == NULL, cases[i].fits);
        host_fini(&host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_fit_is_refused),
        cmocka_unit_test(versions_are_understood_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
