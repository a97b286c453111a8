/* core/views.h, core/agreement.h: which views follow from what is seen and told, and when a node is
 * agreed. */
#include "core_host_views.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "core/views.h"
#include "support/check.h"

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

/* Would catch: two nodes that have just begun, and make a view of their own while one of them is
 * connected already to the cluster that was there before. */
static void a_newcomer_joins_nobody_while_it_meets_others(void **state)
{
    struct npri_told_view view;
    struct core_host host;

    (void)state;
    host_init(&host);
    connect_native(&host, "b");
    view = host.view;
    view.epoch = 3;
    view.ack = 0;
    host_connected(&host, "c"); /* it has not greeted yet */
    host_told_view(&host, "b", &view);
    CHECK_VIEW(&host, "a");
    host_greeted(&host, "c", NPR_OTP_26);
    CHECK_VIEW(&host, "a");
    host_agree(&host, "b c");
    CHECK_VIEW(&host, "a b c");
    host_fini(&host);

    host_init(&host);
    connect_native(&host, "b");
    host_connected(&host, "c");
    host_told_view(&host, "b", &view);
    CHECK_VIEW(&host, "a");
    host_poll_failed(&host, 2, NPR_EUNREACHABLE); /* it is none of them */
    CHECK_VIEW(&host, "a b");
    host_fini(&host);
}

/* Would catch: two nodes that begin together, agree with each other, and start what is on a third
 * one: they see it, but it is not in their view yet, since what it sees is different: another one
 * that was lost without a word, say.  Who is in a view with others counts as new until it has been
 * agreed with them; who has been, is not held up by whom it meets. */
static void a_newcomer_is_not_agreed_without_one_that_it_has_met(void **state)
{
    struct core_host host;
    struct npri_told_view view;

    (void)state;
    host_init(&host);
    connect_native(&host, "b");
    agrees(&host, "b", 3);
    CHECK_VIEW(&host, "a b");
    view = host.view;
    view.ack = epoch(&host);
    view.epoch = 4;
    connect_native(&host, "c");
    host_told_view(&host, "b", &view);
    assert_int_equal(host.view.ack, 0);
    assert_false(agreed(&host));
    agrees(&host, "b", 4);
    CHECK_VIEW(&host, "a b");
    assert_false(agreed(&host));
    agrees(&host, "c", 1);
    CHECK_VIEW(&host, "a b c");
    host_agree(&host, "b c");
    assert_true(agreed(&host));
    connect_native(&host, "d");
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

/* ---- Many nodes. */

static unsigned count(const char *text, const char *what)
{
    unsigned found = 0;

    while ((text = strstr(text, what)) != NULL) {
        text++;
        found++;
    }
    return found;
}

/* Would catch: one that tells all others of each node that it meets, which is n * n messages of
 * each node when n begin together; a newcomer that is told what is not told to the others, and
 * takes a view before them; a change that is never told; or one of few nodes that waits. */
static void what_is_seen_of_many_is_told_now_and_then(void **state)
{
    struct core_host host;
    uint64_t sees;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c d e f g h i j k l m n o p q");
    host_pass(&host, 100 * MS);
    host.views = true;
    connect_native(&host, "s");
    assert_int_equal(count(host.trace, "TELL b {view"), 1);
    sees = host.view.sees_hash;
    host_forget_trace(&host);
    connect_native(&host, "t");
    connect_native(&host, "u");
    assert_int_equal(count(host.trace, "TELL b {view"), 0);
    assert_int_equal(count(host.trace, "TELL u {view"), 1);
    assert_int_equal(host.view.sees_hash, sees);
    host_pass(&host, 20 * NPRI_SEES_PAUSE_NS);
    assert_int_equal(count(host.trace, "TELL b {view"), 1);
    assert_int_equal(count(host.trace, "TELL u {view"), 2);
    assert_int_not_equal(host.view.sees_hash, sees);
    host_fini(&host);

    host_init(&host);
    host_with_natives(&host, "b c d e f g h i j k l");
    host.views = true;
    connect_native(&host, "m");
    connect_native(&host, "n");
    assert_int_equal(count(host.trace, "TELL b {view"), 2);
    host_fini(&host);
}

/* Would catch: a loss that waits for the next time that something is told. */
static void a_loss_among_many_is_told_at_once(void **state)
{
    struct core_host host;
    uint64_t sees;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c d e f g h i j k l m n o p q");
    CHECK_VIEW(&host, "a b c d e f g h i j k l m n o p q");
    host.views = true;
    connect_native(&host, "s");
    connect_native(&host, "t");
    sees = host.view.sees_hash;
    host_forget_trace(&host);
    host_disconnected(&host, "q");
    assert_int_equal(count(host.trace, "TELL b {view"), 1);
    assert_int_not_equal(host.view.sees_hash, sees);
    host_fini(&host);
}

/* Would catch: an answer that waits with what is seen: the other is not agreed meanwhile. */
static void an_acknowledgement_among_many_is_told_at_once(void **state)
{
    struct core_host host;
    uint64_t sees;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c d e f g h i j k l m n o p q");
    connect_native(&host, "s");
    host.views = true;
    sees = host.view.sees_hash;
    connect_native(&host, "t");
    agrees(&host, "b", 8);
    assert_int_equal(host.view.ack, 8);
    assert_int_equal(host.view.sees_hash, sees);
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

/* Would catch: a node that hears of the next view's base before it takes that view, adopts it, and
 * adds to it when it does: all others follow once more, a new epoch each, and nothing is won. */
static void the_base_of_another_view_comes_with_that_view(void **state)
{
    struct npri_told_view without_c;
    struct core_host host;
    uint64_t first_base;
    uint64_t first_epoch;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    first_base = host.view.base;
    first_epoch = epoch(&host);
    without_c = host.view;
    without_c.epoch = 8;
    without_c.ack = 0;
    without_c.view_hash -= 1; /* some other */
    without_c.base = first_base + NPRI_TOKEN_RANGE;
    host_told_view(&host, "b", &without_c);
    assert_int_equal(host.view.base, first_base);
    assert_int_equal(epoch(&host), first_epoch);
    host_disconnected(&host, "c");
    host_disconnected(&host, "c");
    assert_int_equal(host.view.base, first_base + NPRI_TOKEN_RANGE);
    agrees(&host, "b", 8);
    assert_int_equal(epoch(&host), first_epoch + 1);
    assert_true(agreed(&host));
    host_fini(&host);
}

/* ... and it does come.  Would catch: a base that is told while the views differ, and forgotten. */
static void a_higher_base_of_another_view_is_not_forgotten(void **state)
{
    struct npri_told_view without_c;
    struct core_host host;
    uint64_t first_base;

    (void)state;
    host_init(&host);
    host_with_natives(&host, "b c");
    first_base = host.view.base;
    without_c = host.view;
    without_c.epoch = 8;
    without_c.ack = 0;
    without_c.view_hash -= 1;
    without_c.base = first_base + 5 * NPRI_TOKEN_RANGE;
    host_told_view(&host, "b", &without_c);
    host_disconnected(&host, "c");
    assert_int_equal(host.view.base, first_base + 5 * NPRI_TOKEN_RANGE);
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_enters_before_all_have_met),
        cmocka_unit_test(a_newcomer_waits_until_it_is_in),
        cmocka_unit_test(a_newcomer_joins_nobody_while_it_meets_others),
        cmocka_unit_test(a_newcomer_is_not_agreed_without_one_that_it_has_met),
        cmocka_unit_test(nothing_is_acknowledged_while_a_node_is_awaited),
        cmocka_unit_test(a_node_to_join_is_awaited_until_it_is_in),
        cmocka_unit_test(what_is_seen_of_many_is_told_now_and_then),
        cmocka_unit_test(a_loss_among_many_is_told_at_once),
        cmocka_unit_test(an_acknowledgement_among_many_is_told_at_once),
        cmocka_unit_test(a_loss_is_a_new_view_at_once),
        cmocka_unit_test(an_old_acknowledgement_does_not_count),
        cmocka_unit_test(another_incarnation_is_another_member),
        cmocka_unit_test(a_node_that_is_cut_off_again_is_awaited_on),
        cmocka_unit_test(a_node_that_is_back_is_awaited_until_it_is_in_or_parted),
        cmocka_unit_test(nothing_is_told_before_the_fence_has_passed),
        cmocka_unit_test(a_draining_node_owns_nothing_once_all_know),
        cmocka_unit_test(bases_grow_and_are_shared),
        cmocka_unit_test(the_base_of_another_view_comes_with_that_view),
        cmocka_unit_test(a_higher_base_of_another_view_is_not_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
