/* core/quorum.h: when this node may count on others, and for how long others may count on it. */
#include "core_host_views.h"

#include <string.h>

#include "base/text.h"
#include "core/quorum.h"
#include "core/state.h"
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

/* Node a with a quorum of two, agreed with b and c, which are heard at this moment. */
static void init_lending(struct core_host *host)
{
    host_init_beating(host, 2);
    host->greeting.node_timeout_ns = TIMEOUT;
    host_with_natives(host, "b c");
    beats(host, "b", now_number(host), 0);
    beats(host, "c", now_number(host), 0);
}

/* Would catch: a connection that only this side has seen closed, and a dial that something between
 * the two has refused: the other goes on, with this node in its view, and so does this side. */
static void who_is_refused_may_still_count_on_this_node(void **state)
{
    struct core_host host;

    (void)state;
    init_lending(&host);
    host_disconnected(&host, "c");
    host_disconnected(&host, "c"); /* the dial is refused */
    CHECK_VIEW(&host, "a b");
    agrees(&host, "b", 8);
    assert_false(agreed(&host));
    assert_int_equal(host.view.ack, 0); /* nor is b to go on */
    host_pass(&host, TIMEOUT - MS);
    beats(&host, "b", now_number(&host), 0);
    agrees(&host, "b", 8);
    assert_false(agreed(&host));
    host_pass(&host, MS);
    assert_int_equal(host.view.ack, 8);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* ... nor is it dropped on the word of another before its lease has run out. */
static void who_is_doubted_may_still_count_on_this_node(void **state)
{
    struct core_host host;
    uint64_t heard_ns;

    (void)state;
    init_lending(&host);
    heard_ns = host.now_ns;
    host_pass(&host, 2 * HEARTBEAT + MS);
    beats(&host, "b", now_number(&host), 0);
    host_told(&host, "b", "{node_lost,'c@h',1}");
    CHECK_VIEW(&host, "a b");
    agrees(&host, "b", 8);
    assert_false(agreed(&host));
    host_pass(&host, heard_ns + TIMEOUT - host.now_ns - MS);
    assert_false(agreed(&host));
    host_pass(&host, MS);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* Would catch: a cluster that stops for node_timeout whenever a node is stopped in order, or has
 * been started again. */
static void who_said_goodbye_or_is_new_counts_on_nobody(void **state)
{
    struct core_host host;

    (void)state;
    init_lending(&host);
    host_told(&host, "c", "{node_lost,'c@h',1}");
    CHECK_VIEW(&host, "a b c");
    host_disconnected(&host, "c");
    host_disconnected(&host, "c");
    agrees(&host, "b", 8);
    assert_true(agreed(&host));
    host_fini(&host);

    init_lending(&host);
    host_disconnected(&host, "c");
    assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_CONNECTED,
                                                               .node = host_node("c"),
                                                               .creation = 2}),
                     NPR_OK);
    host_greeted(&host, "c", NPR_OTP_26);
    host_agree(&host, "b c");
    CHECK_VIEW(&host, "a b c");
    assert_true(agreed(&host));
    host_fini(&host);
}

/* Would catch: a node that was cut off, and still counts on another one, which has been started
 * again meanwhile, and joins those on the other side. */
static void who_has_just_begun_joins_nobody_yet(void **state)
{
    struct npri_core_options options = host_options("a");
    struct core_host host;

    (void)state;
    options.heartbeat_ns = HEARTBEAT;
    options.node_timeout_ns = TIMEOUT;
    options.quorum = 2;
    host_init_with(&host, &options);
    connect_native(&host, "b");
    assert_int_equal(host.view.sees_hash, 0); /* so that b does not take it in either */
    host.view.sees_hash = host.core->views.sees_hash;
    host.view.ack = 0;
    host_told_view(&host, "b", &host.view);
    CHECK_VIEW(&host, "a");
    host_pass(&host, TIMEOUT - MS);
    beats(&host, "b", now_number(&host), 0);
    CHECK_VIEW(&host, "a");
    assert_false(agreed(&host));
    host_pass(&host, MS);
    CHECK_VIEW(&host, "a b");
    agrees(&host, "b", 8);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* Would catch: a node that says goodbye, and starts something after that. */
static void who_stops_says_goodbye_and_starts_nothing(void **state)
{
    struct npri_text why = {0};
    struct core_host host;

    (void)state;
    init_lending(&host);
    assert_true(npri_quorum_permits(host.core, &why));
    host.views = true;
    assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_CLOSING}),
                     NPR_OK);
    assert_non_null(strstr(host.trace, "TELL b {node_lost,a@h,1}"));
    assert_non_null(strstr(host.trace, "TELL c {node_lost,a@h,1}"));
    assert_false(npri_quorum_permits(host.core, &why));
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acknowledgement_is_as_good_as_an_echo),
        cmocka_unit_test(who_is_refused_may_still_count_on_this_node),
        cmocka_unit_test(who_is_doubted_may_still_count_on_this_node),
        cmocka_unit_test(who_said_goodbye_or_is_new_counts_on_nobody),
        cmocka_unit_test(who_has_just_begun_joins_nobody_yet),
        cmocka_unit_test(who_stops_says_goodbye_and_starts_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
