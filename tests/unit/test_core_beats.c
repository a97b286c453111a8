/* core/beats.h, core/quorum.h: who is lost, who has slept, and for how long a quorum lasts. */
#include "core_host_views.h"

#include <string.h>

#include "base/text.h"
#include "core/quorum.h"
#include "support/check.h"

/* ---- Heartbeats. */

/* Would catch: a silent node that stays; one that is dropped although parts of a message come. */
static void silence_is_a_loss_and_bytes_are_not_silence(void **state)
{
    struct core_host host;

    (void)state;
    host_init_beating(&host, 0);
    host_with_natives(&host, "b c");
    for (unsigned i = 0; i < 9; i++) {
        host_pass(&host, 400 * MS);
        (void)host_step(&host,
                        (struct npri_core_event){.kind = NPRI_EVENT_HEARD, .node = host_node("c")});
    }
    CHECK_VIEW(&host, "a c");
    assert_non_null(strstr(host.trace, "DISCONNECT b nothing was heard of it for node_timeout"));
    assert_null(strstr(host.trace, "DISCONNECT c"));
    host_fini(&host);
}

/* Would catch: a connection that is good for one way only, and lasts; one that is ended although
 * the other hears us, and only its echo is held up behind something long. */
static void who_does_not_hear_us_is_lost(void **state)
{
    struct core_host host;

    (void)state;
    host_init_beating(&host, 0);
    host_with_natives(&host, "b c");
    for (unsigned i = 1; i <= 9; i++) {
        host_pass(&host, 400 * MS);
        beats(&host, "b", 0, 400 * i);
        beats(&host, "c", 0, 0);
    }
    CHECK_VIEW(&host, "a c");
    assert_non_null(strstr(host.trace, "DISCONNECT b it hears nothing of this node"));
    host_fini(&host);
}

/* Would catch: a node whose loss is believed although it has just been heard; or kept by those who
 * do not hear it either. */
static void a_loss_elsewhere_makes_us_look(void **state)
{
    struct core_host host;

    (void)state;
    host_init_beating(&host, 0);
    host_with_natives(&host, "b c");
    host_told(&host, "b", "{node_lost,'c@h',1}");
    CHECK_VIEW(&host, "a b c");
    host_pass(&host, 900 * MS);
    beats(&host, "b", 0, 0);
    host_told(&host, "b", "{node_lost,'c@h',1}");
    CHECK_VIEW(&host, "a b c");
    host_pass(&host, 200 * MS);
    beats(&host, "b", 0, 0);
    host_told(&host, "b", "{node_lost,'c@h',2}"); /* another incarnation */
    CHECK_VIEW(&host, "a b c");
    host_told(&host, "b", "{node_lost,'c@h',1}");
    CHECK_VIEW(&host, "a b");
    host_fini(&host);
}

/* Would catch: a node that was stopped, answers as if nothing had been, and takes all others for
 * lost since it has not heard them. */
static void who_slept_is_not_agreed_before_it_has_asked(void **state)
{
    struct core_host host;
    uint64_t before;

    (void)state;
    host_init_beating(&host, 0);
    host_with_natives(&host, "b");
    before = epoch(&host);
    host.now_ns += TIMEOUT + HEARTBEAT;
    host_get(&host, 1, "ka", NULL); /* whatever comes first */
    assert_true(npri_views_stalled(host.core));
    assert_false(agreed(&host));
    assert_int_equal(epoch(&host), before + 1);
    CHECK_VIEW(&host, "a b");
    host_pass(&host, 200 * MS);
    assert_true(npri_views_stalled(host.core));
    agrees(&host, "b", 7); /* it never missed us */
    agrees(&host, "b", 7);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* ... and gives up what others have by now before it answers.  Would catch: an answer from its own
 * table while the owner of the key has not yet decided which of two processes stays. */
static void who_slept_says_nothing_before_all_is_decided(void **state)
{
    char probed[32];
    struct core_host host;

    (void)state;
    host_init_beating(&host, 0);
    host_register(&host, "ka", "a.1");
    host_with_natives(&host, "b");
    host_forget_trace(&host);
    host.now_ns += TIMEOUT + HEARTBEAT;
    host_get(&host, 1, "ka", NULL);
    agrees(&host, "b", 7);
    agrees(&host, "b", 7);
    host_mark(&host, "b");
    host.views = true;
    host_pass(&host, MS);
    assert_true(npri_views_stalled(host.core));
    (void)snprintf(probed, sizeof(probed), "TELL b {probe,%u}", (unsigned)epoch(&host));
    assert_non_null(strstr(host.trace, probed));
    assert_null(strstr(host.trace, "ANSWER"));
    (void)snprintf(probed, sizeof(probed), "{probed,%u}", (unsigned)epoch(&host) - 1);
    host_told(&host, "b", probed);
    assert_true(npri_views_stalled(host.core));
    (void)snprintf(probed, sizeof(probed), "{probed,%u}", (unsigned)epoch(&host));
    host_told(&host, "b", probed);
    assert_false(npri_views_stalled(host.core));
    assert_non_null(strstr(host.trace, "ANSWER 1 OK a.1"));
    host_told(&host, "b", "{probe,7}");
    assert_non_null(strstr(host.trace, "TELL b {probed,7}"));
    host_fini(&host);
}

/* ... and one that was taken for lost asks whom it lost, and is not agreed with itself before. */
static void who_was_lost_while_it_slept_asks_first(void **state)
{
    struct core_host host;

    (void)state;
    host_init_beating(&host, 0);
    host_with_natives(&host, "b");
    host.now_ns += TIMEOUT + HEARTBEAT;
    host_disconnected(&host, "b");
    CHECK_VIEW(&host, "a");
    assert_true(npri_views_stalled(host.core));
    assert_non_null(strstr(host.trace, "CONNECT b"));
    host_pass(&host, 1500 * MS);
    assert_true(npri_views_stalled(host.core));
    assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_DISCONNECTED,
                                                               .node = host_node("b"),
                                                               .was_up = true}),
                     NPR_OK); /* the connection of before, told late */
    assert_true(npri_views_stalled(host.core));
    host_disconnected(&host, "b"); /* gone for good */
    assert_false(npri_views_stalled(host.core));
    assert_true(agreed(&host));
    host_fini(&host);
}

/* ---- Quorum. */

/* Would catch: a minority that goes on starting until it has noticed that it is one. */
static void a_lease_ends_before_others_take_over(void **state)
{
    struct npri_text why = {0};
    struct core_host host;

    (void)state;
    host_init_beating(&host, 2);
    host.greeting.node_timeout_ns = TIMEOUT;
    assert_false(npri_quorum_permits(host.core, &why));
    host_with_natives(&host, "b");
    host_pass(&host, HEARTBEAT);
    beats(&host, "b", now_number(&host), 0);
    assert_true(npri_quorum_permits(host.core, &why));
    host_pass(&host, TIMEOUT - HEARTBEAT - MS);
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
    assert_true(npri_quorum_permits(host.core, &why));
    host_pass(&host, MS);
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
    assert_false(npri_quorum_permits(host.core, &why));
    assert_int_equal(why.size, strlen("quorum: this side has 1 of the 2 nodes that are needed; "
                                      "missing b@h"));
    host_pass(&host, HEARTBEAT);
    assert_non_null(strstr(host.trace, "QUORUM lost"));
    beats(&host, "b", now_number(&host), 0);
    assert_non_null(strstr(host.trace, "QUORUM regained"));
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_a_loss_and_bytes_are_not_silence),
        cmocka_unit_test(who_does_not_hear_us_is_lost),
        cmocka_unit_test(a_loss_elsewhere_makes_us_look),
        cmocka_unit_test(who_slept_is_not_agreed_before_it_has_asked),
        cmocka_unit_test(who_slept_says_nothing_before_all_is_decided),
        cmocka_unit_test(who_was_lost_while_it_slept_asks_first),
        cmocka_unit_test(a_lease_ends_before_others_take_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
