/* core/quorum.h: when this node may count on others, and for how long others may count on it. */
#include "core_host_views.h"

#include "base/text.h"
#include "core/quorum.h"
#include "support/check.h"

/* Would catch: a node that is agreed, and refuses all starts until a beat has gone to and fro.  Or
 * a lease that begins when the acknowledgement comes, not when what it acknowledges was told. */
static void an_acknowledgement_is_as_good_as_an_echo(void **state)
{
    struct npri_told_view met;
    struct npri_text why = {0};
    struct core_host host;

    (void)state;
    host_init_beating(&host, 2);
    host.greeting.node_timeout_ns = TIMEOUT;
    connect_native(&host, "b");
    met = host.view;
    met.epoch = 3;
    host_told_view(&host, "b", &met);
    CHECK_VIEW(&host, "a b");
    assert_false(npri_quorum_permits(host.core, &why));
    host_pass(&host, 2 * HEARTBEAT);
    agrees(&host, "b", 4);
    assert_true(agreed(&host));
    assert_true(npri_quorum_permits(host.core, &why));
    host_pass(&host, TIMEOUT - 3 * HEARTBEAT - MS);
    assert_true(npri_quorum_permits(host.core, &why));
    host_pass(&host, MS);
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
    assert_false(npri_quorum_permits(host.core, &why));
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acknowledgement_is_as_good_as_an_echo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
