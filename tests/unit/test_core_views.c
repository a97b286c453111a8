/* core/views.h, beats.h, quorum.h, greeting.h: which views follow from what is seen and told, and
 * when a node is agreed. */
#include "core_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "core/beats.h"
#include "core/quorum.h"
#include "core/views.h"
#include "support/check.h"

#define HEARTBEAT (500 * MS)
#define TIMEOUT   (3000 * MS)

static bool agreed(const struct core_host *host)
{
    return npri_views_agreed(host->core);
}

static uint64_t epoch(const struct core_host *host)
{
    return npri_views_epoch(host->core);
}

/* Node a with heartbeats. */
static void host_init_beating(struct core_host *host, uint32_t quorum)
{
    struct npri_core_options options = host_options("a");

    options.heartbeat_ns = HEARTBEAT;
    options.node_timeout_ns = TIMEOUT;
    options.quorum = quorum;
    host_init_with(host, &options);
}

static void connect_native(struct core_host *host, const char *node)
{
    host_connected(host, node);
    host_greeted(host, node, NPR_OTP_26);
}

/* `node` sees what we see and acknowledges what was told last; its own epoch is `own`. */
static void agrees(struct core_host *host, const char *node, uint64_t own)
{
    struct npri_told_view view = host->view;

    view.ack = host->view.epoch;
    view.epoch = own;
    host_told_view(host, node, &view);
}

/* A beat of `node` that echoes our last one, and hears us. */
static void beats(struct core_host *host, const char *node, uint64_t echo_ns, unsigned deaf_ms)
{
    static unsigned number;
    char text[96];

    (void)snprintf(text, sizeof(text), "{beat,%u,%llu,%u}", ++number, (unsigned long long)echo_ns,
                   deaf_ms);
    host_told(host, node, text);
}

/* The number that a beat of the core has at this moment. */
static uint64_t now_number(const struct core_host *host)
{
    return host->now_ns - 1000 * MS + 1;
}

/* ---- Joining. */

/* Would catch: a view that takes a node in as soon as this one has met it: the others may not have,
 * and own its keys for themselves.  Or one that stops being agreed because somebody knocks. */
static void nobody_enters_before_all_have_met(void **state)
{
    struct core_host host;
    struct npri_told_view old;
    uint64_t before;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    assert_true(agreed(&host));
    before = epoch(&host);
    old = host.view;
    connect_native(&host, "c");
    CHECK_VIEW(&host, "a b");
    assert_true(agreed(&host));
    agrees(&host, "c", 1); /* c sees a, b and itself; b does not see c yet */
    old.ack = before;
    old.epoch = 7;
    host_told_view(&host, "b", &old);
    CHECK_VIEW(&host, "a b");
    assert_true(agreed(&host));
    assert_int_equal(epoch(&host), before);
    agrees(&host, "b", 7);
    CHECK_VIEW(&host, "a b c");
    assert_int_equal(epoch(&host), before + 1);
    assert_false(agreed(&host));
    agrees(&host, "b", 8);
    assert_false(agreed(&host));
    agrees(&host, "c", 2);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* Would catch: a node that has just begun and starts what others have, since it is agreed with
 * itself.  One that has long been alone is not held up by a newcomer. */
static void a_newcomer_waits_until_it_is_in(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    assert_true(agreed(&host));
    connect_native(&host, "b");
    assert_false(agreed(&host));
    host_agree(&host, "b");
    assert_true(agreed(&host));
    host_fini(&host);

    host_init(&host);
    host_pass(&host, TIMEOUT);
    connect_native(&host, "b");
    assert_true(agreed(&host));
    host_fini(&host);
}

/* Would catch: somebody else who agrees with us, and starts what is on a node that we are still
 * dialling. */
static void nothing_is_acknowledged_while_a_node_is_awaited(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_join(&host, "b");
    connect_native(&host, "c");
    host_polled(&host, 1, "c");
    agrees(&host, "c", 3);
    CHECK_VIEW(&host, "a c");
    agrees(&host, "c", 4);
    assert_int_equal(host.view.ack, 0);
    assert_false(agreed(&host));
    host_disconnected(&host, "b"); /* it is not there */
    assert_int_equal(host.view.ack, 4);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* Would catch: a node to join that counts as met when its connection is up, before it is in the
 * view: what is on it is started by another meanwhile. */
static void a_node_to_join_is_awaited_until_it_is_in(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_join(&host, "b");
    connect_native(&host, "c");
    host_polled(&host, 1, "c");
    agrees(&host, "c", 3);
    host_connected(&host, "b");
    host_poll_failed(&host, 2, NPR_EUNREACHABLE);
    agrees(&host, "c", 4);
    assert_false(agreed(&host));
    host_greeted(&host, "b", NPR_OTP_26);
    agrees(&host, "c", 4);
    assert_false(agreed(&host));
    host_agree(&host, "b c");
    CHECK_VIEW(&host, "a b c");
    assert_true(agreed(&host));
    host_fini(&host);
}

/* ---- Losses. */

/* Would catch: a lost node that stays in the view; others who are not told; a node that goes on as
 * agreed before the rest has acknowledged its new epoch. */
static void a_loss_is_a_new_view_at_once(void **state)
{
    struct core_host host;
    uint64_t before;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    before = epoch(&host);
    host.views = true;
    host_disconnected(&host, "c");
    CHECK_VIEW(&host, "a b");
    assert_non_null(strstr(host.trace, "TELL b {node_lost,c@h,1}"));
    assert_non_null(strstr(host.trace, "CONNECT c"));
    assert_int_equal(epoch(&host), before + 1);
    agrees(&host, "b", 8);
    assert_false(agreed(&host)); /* c may only have been cut off */
    host_disconnected(&host, "c");
    assert_true(agreed(&host));
    host_fini(&host);
}

/* A view that comes back is another epoch: who acknowledged the first one may have been elsewhere
 * in between.  Would catch: acknowledgements of a view, not of an epoch (A-B-A). */
static void an_old_acknowledgement_does_not_count(void **state)
{
    struct core_host host;
    struct npri_told_view first;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    first = host.view;
    host_disconnected(&host, "c");
    agrees(&host, "b", 8);
    connect_native(&host, "c");
    agrees(&host, "c", 9);
    agrees(&host, "b", 9);
    CHECK_VIEW(&host, "a b c");
    assert_int_equal(host.view.view_hash, first.view_hash);
    assert_true(host.view.epoch > first.epoch);
    assert_false(agreed(&host));
    agrees(&host, "c", 10);
    {
        struct npri_told_view late = host.view; /* the same view and base, and the epoch before */

        late.ack = first.epoch;
        late.epoch = 10;
        host_told_view(&host, "b", &late);
    }
    assert_false(agreed(&host));
    agrees(&host, "b", 11);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* Would catch: the same name with a new creation that is taken for the node that was there. */
static void another_incarnation_is_another_member(void **state)
{
    struct core_host host;
    struct npri_told_view first;
    struct npri_told_view late;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    first = host.view;
    assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_CONNECTED,
                                                               .node = host_node("b"),
                                                               .creation = 2}),
                     NPR_OK);
    CHECK_VIEW(&host, "a");
    host_greeted(&host, "b", NPR_OTP_26);
    late = host.view;
    late.ack = 0;
    assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_TOLD,
                                                               .node = host_node("b"),
                                                               .creation = 1,
                                                               .term = host_view(&late)}),
                     NPR_OK);
    CHECK_VIEW(&host, "a"); /* said by the one that is gone */
    assert_int_not_equal(host.view.sees_hash, first.sees_hash);
    host_fini(&host);
}

/* Would catch: a node that goes on alone when its connections break twice, faster than views are
 * told. */
static void a_node_that_is_cut_off_again_is_awaited_on(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    host_disconnected(&host, "b");
    CHECK_TRACE(&host, "CONNECT b\n");
    for (unsigned i = 0; i < 3; i++) {
        host_pass(&host, 300 * MS);
        host_connected(&host, "b");
        assert_false(agreed(&host));
        host_forget_trace(&host);
        host_disconnected(&host, "b");
        CHECK_TRACE(&host, "CONNECT b\n");
        assert_false(agreed(&host));
    }
    host_pass(&host, 3000 * MS); /* ... but not for ever */
    assert_true(agreed(&host));
    host_fini(&host);
}

/* Would catch: a node that was cut off, is back, and sees what others do not yet see: taken for
 * gone after a while, and its keys started here. */
static void a_node_that_is_back_is_awaited_until_it_is_in_or_parted(void **state)
{
    struct npri_told_view view;
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    host_disconnected(&host, "b");
    connect_native(&host, "b");
    view = host.view;
    view.ack = 0;
    view.sees_hash = 1; /* somebody whom we have not met */
    host_told_view(&host, "b", &view);
    host_pass(&host, 2500 * MS);
    CHECK_VIEW(&host, "a");
    assert_false(agreed(&host));
    host_pass(&host, 1000 * MS);
    CHECK_VIEW(&host, "a");
    assert_true(agreed(&host)); /* by decision */
    host_fini(&host);
}

/* ---- The fence. */

/* Would catch: anything of a new epoch that is told while threads may act on the old one. */
static void nothing_is_told_before_the_fence_has_passed(void **state)
{
    struct core_host host;
    struct npri_told_view before;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    before = host.view;
    host.fences = true;
    host_disconnected(&host, "c");
    host_disconnected(&host, "c");
    assert_int_equal(host.view.epoch, before.epoch);
    agrees(&host, "b", 8);
    assert_false(agreed(&host));
    assert_int_equal(
        host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_FENCED, .operation = 1}),
        NPR_OK); /* an older one */
    assert_int_equal(host.view.epoch, before.epoch);
    {
        const char *fence = strstr(host.trace, "FENCE ");
        unsigned long operation;

        assert_non_null(fence);
        operation = strtoul(fence + strlen("FENCE "), NULL, 10);
        assert_int_equal(host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_FENCED,
                                                                   .operation = operation}),
                         NPR_OK);
    }
    assert_int_equal(host.view.epoch, before.epoch + 1);
    agrees(&host, "b", 9);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* ---- Draining. */

/* A node that drains stays in the view, and owns nothing once all others know.  Would catch: one
 * that is taken for lost; owners that are chosen differently before. */
static void a_draining_node_owns_nothing_once_all_know(void **state)
{
    struct core_host host;
    struct npr_node_name owner;
    uint32_t index;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    {
        struct npri_told_view view = host.view;

        view.ack = view.epoch;
        view.epoch = 7;
        view.draining = true;
        host_told_view(&host, "b", &view);
    }
    CHECK_VIEW(&host, "a b c");
    npri_core_owner(host.core, host_atom("kb"), &owner, &index);
    assert_int_equal(owner.text[0], 'b');
    {
        struct npri_told_view view = host.view; /* all see it drain */

        view.ack = 0;
        view.epoch = 8;
        host_told_view(&host, "c", &view);
        view.draining = true;
        host_told_view(&host, "b", &view);
    }
    CHECK_VIEW(&host, "a b c");
    npri_core_owner(host.core, host_atom("kb"), &owner, &index);
    assert_int_equal(owner.text[0], 'c'); /* the second of two */
    host_fini(&host);
}

/* ---- Tokens. */

/* Would catch: tokens of a new view that may be below some of the last one; a node that is agreed
 * on another base. */
static void bases_grow_and_are_shared(void **state)
{
    struct core_host host;
    uint64_t first;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b");
    first = host.view.base;
    {
        struct npri_told_view higher = host.view;

        higher.ack = host.view.epoch;
        higher.epoch = 8;
        higher.base = first + 1000;
        host_told_view(&host, "b", &higher);
    }
    assert_int_equal(host.view.base, first + 1000);
    assert_false(agreed(&host));
    {
        struct npri_told_view lower = host.view;

        lower.ack = host.view.epoch;
        lower.epoch = 8;
        lower.base = first;
        host_told_view(&host, "b", &lower);
    }
    assert_false(agreed(&host));
    agrees(&host, "b", 9);
    assert_true(agreed(&host));
    connect_native(&host, "c");
    agrees(&host, "c", 3);
    agrees(&host, "b", 9); /* the view is left, in which b was acknowledged */
    assert_int_equal(host.view.base, first + 1000 + NPRI_TOKEN_RANGE);
    host_fini(&host);
}

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
    assert_false(npri_quorum_permits(host.core, &why));
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

/* ---- Greetings. */

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

/* ---- Trouble. */

/* Three nodes, two of which cannot reach each other: all three part alike, and the two that stay
 * together are agreed.  Would catch: views that overlap for ever; a middle that follows both. */
static void views_that_overlap_are_parted(void **state)
{
    struct npri_told_view view;
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    view = host.view;
    view.ack = 0;
    view.epoch = 20;
    view.view_hash = 1; /* b has lost c */
    view.sees_hash = 1;
    host_told_view(&host, "b", &view);
    view.view_hash = 2; /* and c b */
    view.sees_hash = 2;
    host_told_view(&host, "c", &view);
    assert_false(agreed(&host));
    host_pass(&host, 300 * MS);
    host_told(&host, "b", "{links,'b@h',1,1,[{'a@h',1}]}");
    host_told(&host, "c", "{links,'c@h',1,1,[{'a@h',1}]}");
    host_pass(&host, TIMEOUT - 200 * MS);
    CHECK_VIEW(&host, "a b c");
    host_pass(&host, 1000 * MS);
    CHECK_VIEW(&host, "a b");
    agrees(&host, "b", 21);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* A list goes on to those whom its origin does not reach, once.  Would catch: lists that go round
 * and round, or nowhere. */
static void lists_are_passed_on_once(void **state)
{
    struct core_host host;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    host.views = true;
    host_told(&host, "b", "{links,'d@h',1,5,[{'b@h',1}]}");
    CHECK_TRACE(&host, "TELL c {links,d@h,1,5,[{b@h,1}]}\n");
    host_told(&host, "c", "{links,'d@h',1,5,[{'b@h',1}]}");
    CHECK_TRACE(&host, "");
    host_told(&host, "c", "{links,'d@h',1,4,[]}"); /* an older one */
    CHECK_TRACE(&host, "");
    host_told(&host, "b", "{links,'d@h',1,6,[{'b@h',1},{'c@h',1},{'e@h',1}]}");
    CHECK_TRACE(&host, "CONNECT e\n"); /* c has it from d; and nobody had told us of e */
    host_fini(&host);
}

/* ---- Messages that are none. */

/* Would catch: a peer whose words are taken for what they are not. */
static void wrong_messages_end_the_connection(void **state)
{
    static const char *const wrong[] = {
        "{view,1,2,3,0,0}",       "{view,0,2,3,0,0,false}",    "{view,1,2,3,9999,0,false}",
        "{view,1,2,3,0,0,maybe}", "{view,a,2,3,0,0,false}",    "{view,1,2,3,0,-1,false}",
        "{node_lost,'b@h'}",      "{node_lost,7,1}",           "{node_lost,'b@h',x}",
        "{beat,0,0,0}",           "{beat,1,99999999999999,0}", "{beat,1,0}",
        "{links,'d@h',1,1,x}",    "{links,'d@h',1,1,[x]}",     "{links,'d@h',1,1,[{'b@h',1}|x]}",
        "{links,7,1,1,[]}",       "{links,'d@h',1,1,[{b,1}]}",
    };
    struct core_host host;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        host_init_beating(&host, 0);
        host_with_natives(&host, "b");
        host_told(&host, "b", wrong[i]);
        if (strstr(host.trace, "DISCONNECT b it told a ") == NULL) {
            fail_msg("%s: %s", wrong[i], host.trace);
        }
        CHECK_VIEW(&host, "a");
        host_fini(&host);
    }
    host_init(&host);
    host_with_natives(&host, "b");
    host_told(&host, "b", "{tomorrow,1}"); /* of a newer node */
    CHECK_TRACE(&host, "");
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_enters_before_all_have_met),
        cmocka_unit_test(a_newcomer_waits_until_it_is_in),
        cmocka_unit_test(nothing_is_acknowledged_while_a_node_is_awaited),
        cmocka_unit_test(a_node_to_join_is_awaited_until_it_is_in),
        cmocka_unit_test(a_loss_is_a_new_view_at_once),
        cmocka_unit_test(an_old_acknowledgement_does_not_count),
        cmocka_unit_test(another_incarnation_is_another_member),
        cmocka_unit_test(a_node_that_is_cut_off_again_is_awaited_on),
        cmocka_unit_test(a_node_that_is_back_is_awaited_until_it_is_in_or_parted),
        cmocka_unit_test(nothing_is_told_before_the_fence_has_passed),
        cmocka_unit_test(a_draining_node_owns_nothing_once_all_know),
        cmocka_unit_test(bases_grow_and_are_shared),
        cmocka_unit_test(silence_is_a_loss_and_bytes_are_not_silence),
        cmocka_unit_test(who_does_not_hear_us_is_lost),
        cmocka_unit_test(a_loss_elsewhere_makes_us_look),
        cmocka_unit_test(who_slept_is_not_agreed_before_it_has_asked),
        cmocka_unit_test(who_slept_says_nothing_before_all_is_decided),
        cmocka_unit_test(who_was_lost_while_it_slept_asks_first),
        cmocka_unit_test(a_lease_ends_before_others_take_over),
        cmocka_unit_test(who_does_not_fit_is_refused),
        cmocka_unit_test(versions_are_understood_or_refused),
        cmocka_unit_test(views_that_overlap_are_parted),
        cmocka_unit_test(lists_are_passed_on_once),
        cmocka_unit_test(wrong_messages_end_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
