/* core/members.h: who is in the view, what nodes are told and asked, and when they are dialled. */
#include "core_host.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "support/check.h"

/* The first contact with an original: nothing unknown is sent to it but the greeting (which the
 * node layer sends where no original looks), and register_node only once it has shown that it runs
 * nprocreg.  Whom it lists is dialled. */
static void original_is_met(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_connected(&host, "b");
    CHECK_TRACE(&host, "GREET b\nPOLL 1 b\n");
    CHECK_VIEW(&host, "a");
    host_polled(&host, 1, "a b c");
    CHECK_TRACE(&host, "CONNECT c\nANNOUNCE b\nASK_RELEASE 2 b\n");
    CHECK_VIEW(&host, "a b");
    host_connected(&host, "b"); /* repeated */
    CHECK_TRACE(&host, "");
    host_connected(&host, "c");
    CHECK_TRACE(&host, "GREET c\nPOLL 3 c\n");
    host_polled(&host, 3, "c");
    CHECK_VIEW(&host, "a b c");
    host_fini(&host);
}

/* A connected node without a registry is polled on, and left alone otherwise. */
static void plain_node_is_left_alone(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_connected(&host, "b");
    host_forget_trace(&host);
    host_poll_failed(&host, 1, NPR_ENOPROC);
    host_pass(&host, 5000 * MS);
    CHECK_TRACE(&host, "POLL 2 b\n");
    CHECK_VIEW(&host, "a");
    host_polled(&host, 2, "b"); /* its registry has been started */
    CHECK_VIEW(&host, "a b");
    host_forget_trace(&host);
    host_pass(&host, 5000 * MS);
    CHECK_TRACE(&host, "ANNOUNCE b\nPOLL 4 b\n");
    host_poll_failed(&host, 4, NPR_ENOPROC); /* ... and stopped: gone at once, not in ten seconds */
    CHECK_VIEW(&host, "a");
    host_fini(&host);
}

/* A list of names is believed as far as it consists of names. */
static void strange_lists_do_no_harm(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_connected(&host, "b");
    host_forget_trace(&host);
    host_polled(&host, 1, "nonode@nohost @x x@ b c");
    CHECK_TRACE(&host, "CONNECT c\nANNOUNCE b\nASK_RELEASE 2 b\n");
    host_pass(&host, 5000 * MS);
    host_forget_trace(&host);
    assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_POLLED,
                                                               .operation = 3,
                                                               .term = host_atom("nodes")}),
                     NPR_OK);
    CHECK_VIEW(&host, "a"); /* what answers so is no registry */
    host_fini(&host);
}

/* Not heard of for more than ten seconds: out, at a tick, as with the original.  A suspect before
 * that is still in. */
static void silent_node_expires(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_originals(&host, "b");
    host_pass(&host, 10000 * MS);
    CHECK_VIEW(&host, "a b");
    host_pass(&host, 5000 * MS);
    CHECK_VIEW(&host, "a");
    host_announced(&host, "b");
    CHECK_VIEW(&host, "a b");
    host_fini(&host);
}

/* Native nodes hear each other by announcements; an answered poll does as well. */
static void heard_node_stays(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    for (unsigned i = 0; i < 5; i++) {
        host_pass(&host, 8000 * MS);
        host_announced(&host, "b");
        CHECK_VIEW(&host, "a b");
    }
    host_fini(&host);
}

/* Greeted: nothing that an original needs is told to it.  In the view once it sees what we see. */
static void native_is_met(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_connected(&host, "b");
    CHECK_TRACE(&host, "GREET b\nPOLL 1 b\n");
    host_greeted(&host, "b", NPR_OTP_26);
    CHECK_TRACE(&host, "");
    CHECK_VIEW(&host, "a");
    host_agree(&host, "b");
    CHECK_VIEW(&host, "a b");
    host_polled(&host, 1, "a b");
    CHECK_TRACE(&host, ""); /* its release is nobody's business */
    host_fini(&host);
}

/* A lost connection ends the membership at once, and what lived there.  It may have been reset: the
 * node is dialled at once. */
static void disconnected_node_is_gone(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host_put_entry(&host, host_atom("ka"), host_pid_term("b.7"));
    host_put_entry(&host, host_atom("kb"), host_pid_term("c.7"));
    host_forget_trace(&host);
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "DEMONITOR b.7\nCONNECT b\n");
    CHECK_VIEW(&host, "a c");
    assert_int_equal(npri_core_entries_count(host.core), 1);
    host_fini(&host);
}

/* The same name with another creation is another node: what lived on the old one is dead. */
static void new_incarnation_replaces_the_old(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    host_put_entry(&host, host_atom("ka"), host_pid_term("b.7"));
    host_forget_trace(&host);
    assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_CONNECTED,
                                                               .node = host_node("b"),
                                                               .creation = 2}),
                     NPR_OK);
    CHECK_TRACE(&host, "DEMONITOR b.7\nGREET b\nPOLL 2 b\n");
    CHECK_VIEW(&host, "a");
    host_fini(&host);
}

/* A node to join is dialled for ever: pauses of 1, 2, 4, then 5 seconds. */
static void join_never_gives_up(void **state)
{
    static const uint64_t pauses_ms[] = {1000, 2000, 4000, 5000, 5000, 5000};
    struct core_host host;

    (void)state;
    host_init(&host);
    host_join(&host, "b");
    host_join(&host, "a"); /* itself */
    for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
        CHECK_TRACE(&host, "CONNECT b\n");
        host_disconnected(&host, "b");
        host_pass(&host, (pauses_ms[i] - 1) * MS);
        CHECK_TRACE(&host, "");
        host_pass(&host, 1 * MS);
    }
    host_fini(&host);
}

/* A node that somebody named is dialled while somebody names it, and forgotten after that. */
static void named_node_is_forgotten(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_announced(&host, "b");
    host_announced(&host, "b"); /* it is being dialled */
    CHECK_TRACE(&host, "CONNECT b\n");
    host_disconnected(&host, "b");
    host_pass(&host, 1000 * MS);
    CHECK_TRACE(&host, "CONNECT b\n");
    host_disconnected(&host, "b");
    host_pass(&host, 60000 * MS);
    CHECK_TRACE(&host, "CONNECT b\n"); /* after 2 s; the 4 s after that are too late */
    host_disconnected(&host, "b");
    host_pass(&host, 60000 * MS);
    CHECK_TRACE(&host, "");
    host_announced(&host, "b");
    CHECK_TRACE(&host, "CONNECT b\n");
    host_fini(&host);
}

/* A name that is none is not dialled. */
static void bad_names_are_ignored(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_announced(&host, "a@b@c");
    host_announced(&host, "a"); /* itself */
    CHECK_TRACE(&host, "");
    host.quiet = false;
    host_join(&host, "x@");
    CHECK_TRACE(&host, "LOG node_ignored node=x@ reason=\"not a node name\"\n");
    host_fini(&host);
}

/* What is not found waits for a node that has just connected: it may have the key, or own it.
 * Catches the second process that every joining node starts with the original. */
static void newcomer_is_waited_for(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_connected(&host, "b");
    host_forget_trace(&host);
    host_get(&host, 1, "kb", "f");
    host_get(&host, 2, "xb", NULL);
    CHECK_TRACE(&host, "");
    host_polled(&host, 1, "a b c");
    CHECK_TRACE(&host, "CONNECT c\nANNOUNCE b\nASK_RELEASE 2 b\n"); /* ... and for its friends */
    host_disconnected(&host, "c");
    CHECK_TRACE(&host, "ASK 3 b key=kb\nASK 4 b key=xb\n");
    host_fini(&host);
}

/* ... but not longer than a second for each of dialling and polling. */
static void mute_newcomer_is_not_waited_for(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_join(&host, "b");
    host_get(&host, 1, "ka", "f");
    CHECK_TRACE(&host, "CONNECT b\n");
    host_pass(&host, 1000 * MS);
    CHECK_TRACE(&host, "START 1 key=ka function=f\n");
    host_connected(&host, "b");
    host_get(&host, 2, "xa", "f");
    CHECK_TRACE(&host, "GREET b\nPOLL 2 b\n");
    host_pass(&host, 1000 * MS);
    CHECK_TRACE(&host, "START 3 key=xa function=f\n");
    host_get(&host, 3, "ya", "f");
    CHECK_TRACE(&host, "START 4 key=ya function=f\n");
    host_fini(&host);
}

/* Whoever sends names of nodes without end makes neither memory nor dials grow without end, and
 * keeps nobody out who joins or connects.  (All names in one table of 4,096: the next good node was
 * ignored.) */
static void junk_names_leave_room(void **state)
{
    struct core_host host;
    char name[32];

    (void)state;
    host_init(&host);
    host.quiet = true;
    for (unsigned i = 0; i < 2 * NPRI_VIEW_NODES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "junk%u", i);
        host_announced(&host, name);
        host_forget_trace(&host);
        host_pass(&host, i % 8 == 0 ? MS : 0);
    }
    host_pass(&host, 1000 * MS); /* for so long a node that has just begun may wait for them */
    host_forget_trace(&host);
    host_join(&host, "b");
    CHECK_TRACE(&host, "CONNECT b\n");
    host_connected(&host, "c");
    CHECK_TRACE(&host, "GREET c\nPOLL 1 c\n");
    host_greeted(&host, "c", NPR_OTP_26);
    host_agree(&host, "c");
    CHECK_VIEW(&host, "a c");
    for (unsigned i = 0; i < NPRI_NAMED_NODES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "junk%u", i);
        host_disconnected(&host, name);
    }
    host_forget_trace(&host);
    host_pass(&host, 60000 * MS); /* forgotten: there is room for names again */
    host_forget_trace(&host);
    host_announced(&host, "d");
    CHECK_TRACE(&host, "CONNECT d\n");
    host_fini(&host);
}

/* New names that lead nowhere, one after the other, hold requests for a part of the time only; once
 * one has connected, the next is waited for again. */
static void junk_names_hold_nobody_for_long(void **state)
{
    struct core_host host;
    char name[32];

    (void)state;
    host_init(&host);
    host.quiet = true;
    for (unsigned i = 0; i < 25; i++) {
        (void)snprintf(name, sizeof(name), "junk%u", i);
        host_announced(&host, name);
        host_pass(&host, 100 * MS);
    }
    host_forget_trace(&host);
    host_get(&host, 1, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 1 ENOTFOUND no node has the key\n");
    host_connected(&host, "junk3");
    host_greeted(&host, "junk3", NPR_OTP_26);
    host_polled(&host, 1, "a junk3");
    host_announced(&host, "c");
    host_forget_trace(&host);
    host_get(&host, 2, "ka", NULL);
    CHECK_TRACE(&host, "");
    host_fini(&host);
}

/* However many newcomers follow each other, two seconds are the most that anybody is held. */
static void endless_newcomers_hold_nobody(void **state)
{
    struct core_host host;
    char name[] = "b0";

    (void)state;
    host_init(&host);
    for (unsigned i = 0; i < 4; i++) {
        name[1] = (char)('0' + i);
        host_announced(&host, name);
        if (i == 0) {
            host_get(&host, 1, "ka", "f");
        }
        host_forget_trace(&host);
        host_pass(&host, 500 * MS);
    }
    CHECK_TRACE(&host, "START 1 key=ka function=f\n");
    host_fini(&host);
}

/* A client polls, so that it knows whom to ask, and is otherwise not there. */
static void client_stays_outside(void **state)
{
    struct core_host host;
    struct npri_core_options options = host_options("a");

    (void)state;
    options.member = false;
    host_init_with(&host, &options);
    host_get(&host, 1, "ka", NULL);
    CHECK_TRACE(&host, "ANSWER 1 EUNREACHABLE connected to no member of the cluster\n");
    host_connected(&host, "b");
    CHECK_TRACE(&host, "POLL 1 b\n");
    host_get(&host, 2, "ka", "f");
    CHECK_TRACE(&host, "");
    host_polled(&host, 1, "b");
    CHECK_TRACE(&host, "ASK_RELEASE 2 b\nASK 3 b key=ka\n");
    CHECK_VIEW(&host, "b");
    host_asked(&host, 3, NULL);
    CHECK_TRACE(&host, "DELEGATE 4 b key=ka function=f\n");
    host_start(&host, 3, "ka", "f");
    CHECK_TRACE(&host, "ANSWER 3 EREFUSED this node is a client: it starts nothing\n");
    host_register(&host, "ka", "a.1");
    host_pass(&host, 5000 * MS);
    CHECK_TRACE(&host, "POLL 5 b\nANSWER 2 ETIMEDOUT waited for the start on b@h\n");
    assert_int_equal(npri_core_entries_count(host.core), 0);
    host_fini(&host);
}

/* A client answers get_nodes too, with the nodes that it sees.  It is not among them, and must not
 * own keys here either. */
static void node_that_does_not_list_itself_is_no_member(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_connected(&host, "z");
    host_forget_trace(&host);
    host_polled(&host, 1, "a b");
    CHECK_TRACE(&host, "CONNECT b\n");
    CHECK_VIEW(&host, "a");
    host_fini(&host);
}

/* Native nodes that have met different Erlang nodes first take 25, all of them: else they would
 * never agree on a view. */
static void natives_of_a_mixed_cluster_take_25(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_connected(&host, "b");
    host_polled(&host, 1, "b");
    host_release(&host, 2, NPR_OTP_26); /* an original */
    host_connected(&host, "c");
    host_greeted(&host, "c", NPR_OTP_25);
    assert_int_equal(host_status(&host, "otp"), 25);
    host_connected(&host, "d");
    host_polled(&host, 4, "d");
    host_release(&host, 5, NPR_OTP_26);
    assert_int_equal(host_status(&host, "otp"), 25);
    host_fini(&host);

    host_init(&host); /* the other way round */
    host_connected(&host, "c");
    host_greeted(&host, "c", NPR_OTP_25);
    host_connected(&host, "b");
    host_polled(&host, 2, "b");
    host_release(&host, 3, NPR_OTP_26);
    assert_int_equal(host_status(&host, "otp"), 25);
    host_fini(&host);
}

/* The first Erlang peer's release decides; another one that differs is a loud warning. */
static void manner_is_learnt_once(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host.quiet = false;
    host_connected(&host, "b");
    host_polled(&host, 1, "b");
    host_forget_trace(&host);
    host_release(&host, 2, NPR_OTP_25);
    CHECK_TRACE(&host, "LOG placement_changed otp=25 learnt_from=b@h\n");
    assert_int_equal(host_status(&host, "otp"), 25);
    host_connected(&host, "c");
    host_polled(&host, 3, "c");
    host_forget_trace(&host);
    host_release(&host, 4, NPR_OTP_26);
    CHECK_TRACE(&host, "LOG mixed_cluster node=c@h its_otp=26 our_otp=25 consequence=\"nodes "
                       "disagree about the owner of every key that contains an atom\"\n");
    assert_int_equal(host_status(&host, "otp"), 25);
    host_fini(&host);
}

/* From a native peer only 25 is believed, which nobody has by default; it hears of ours again when
 * ours changes, and is warned about only when it has had the time to follow. */
static void manner_spreads_between_natives(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host.quiet = false;
    host_connected(&host, "b");
    host_greeted(&host, "b", NPR_OTP_26);
    host_polled(&host, 1, "b");
    host_connected(&host, "c");
    host_forget_trace(&host);
    host_greeted(&host, "c", NPR_OTP_25);
    CHECK_TRACE(&host, "LOG placement_changed otp=25 learnt_from=c@h\nGREET b\n");
    host_pass(&host, 5000 * MS);
    assert_non_null(strstr(host.trace, "LOG mixed_cluster node=b@h its_otp=26 our_otp=25"));
    assert_null(strstr(host.trace, "LOG mixed_cluster node=c@h"));
    host_forget_trace(&host);
    host_pass(&host, 5000 * MS);
    assert_null(strstr(host.trace, "mixed_cluster")); /* once */
    host_fini(&host);
}

/* The operator's word stands. */
static void fixed_manner_stays(void **state)
{
    struct core_host host;
    struct npri_core_options options = host_options("a");

    (void)state;
    options.otp_fixed = true;
    host_init_with(&host, &options);
    host_connected(&host, "b");
    host_polled(&host, 1, "b");
    host_release(&host, 2, NPR_OTP_25);
    host_connected(&host, "c");
    host_greeted(&host, "c", NPR_OTP_25);
    assert_int_equal(host_status(&host, "otp"), 26);
    host_fini(&host);
}

/* Owners by place in the view, which is in Erlang's order. */
static void owner_is_by_place(void **state)
{
    struct core_host host;
    struct npr_node_name owner;
    uint32_t index;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "c B b");
    CHECK_VIEW(&host, "B a b c");
    npri_core_owner(host.core, host_atom("kc"), &owner, &index);
    assert_int_equal(index, 2);
    assert_memory_equal(owner.text, "b@h", 3);
    npri_core_owner(host.core, (struct npr_term){0}, &owner, &index);
    assert_int_equal(owner.size, 0);
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(original_is_met),
        cmocka_unit_test(plain_node_is_left_alone),
        cmocka_unit_test(strange_lists_do_no_harm),
        cmocka_unit_test(silent_node_expires),
        cmocka_unit_test(heard_node_stays),
        cmocka_unit_test(native_is_met),
        cmocka_unit_test(disconnected_node_is_gone),
        cmocka_unit_test(new_incarnation_replaces_the_old),
        cmocka_unit_test(join_never_gives_up),
        cmocka_unit_test(named_node_is_forgotten),
        cmocka_unit_test(bad_names_are_ignored),
        cmocka_unit_test(newcomer_is_waited_for),
        cmocka_unit_test(mute_newcomer_is_not_waited_for),
        cmocka_unit_test(junk_names_leave_room),
        cmocka_unit_test(junk_names_hold_nobody_for_long),
        cmocka_unit_test(endless_newcomers_hold_nobody),
        cmocka_unit_test(client_stays_outside),
        cmocka_unit_test(node_that_does_not_list_itself_is_no_member),
        cmocka_unit_test(natives_of_a_mixed_cluster_take_25),
        cmocka_unit_test(manner_is_learnt_once),
        cmocka_unit_test(manner_spreads_between_natives),
        cmocka_unit_test(fixed_manner_stays),
        cmocka_unit_test(owner_is_by_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
