/* core/held.h: what is held is tried again when there is a reason, a few in one step, in order. */
#include "core_host_views.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "core/state.h"
#include "support/check.h"
#include "term/write.h"

/* Node a, beside b, which is agreed and has told all; `turns_max` go on in one step. */
static void open_with(struct core_host *host, uint32_t turns_max)
{
    struct npri_core_options options = host_options("a");

    options.turns_max = turns_max;
    host_init_with(host, &options);
    host_with_natives(host, "b");
    host_mark(host, "b");
    host_forget_trace(host);
}

/* b tells once more that it has our view, but not that it has heard ours. */
static void b_dissents(struct core_host *host)
{
    struct npri_told_view view = host->view;

    view.epoch = 7;
    view.ack = 0;
    host_told_view(host, "b", &view);
    assert_false(agreed(host));
}

static void b_agrees(struct core_host *host)
{
    agrees(host, "b", 7);
    assert_true(agreed(host));
}

/* How many were routed in the last step. */
static uint32_t turns_taken(const struct core_host *host)
{
    const uint32_t most =
        host->core->options.turns_max == 0 ? NPRI_TURNS_MAX : host->core->options.turns_max;

    return most - host->core->held.turns_left;
}

/* ---- Reasons. */

/* Would catch: what is held is routed at each step of a stalled node, and held again.  With a
 * hundred thousand of them its beats are late because of that, so it is stalled for ever. */
static void nothing_is_tried_while_the_node_is_stalled(void **state)
{
    char probed[32];
    struct core_host host;

    (void)state;
    host_init_beating(&host, 0);
    host_with_natives(&host, "b");
    host_mark(&host, "b");
    host.now_ns += TIMEOUT + HEARTBEAT;
    host_start(&host, 1, "ka", "f");
    host_get(&host, 2, "kb", NULL);
    assert_true(npri_views_stalled(host.core));
    host_forget_trace(&host);
    beats(&host, "b", 0, 0);
    assert_int_equal(turns_taken(&host), 0);
    host_pass(&host, MS);
    assert_int_equal(turns_taken(&host), 0);
    agrees(&host, "b", 8);
    assert_int_equal(turns_taken(&host), 0);
    agrees(&host, "b", 8);
    assert_true(agreed(&host) && npri_views_stalled(host.core));
    assert_int_equal(turns_taken(&host), 0);
    host_told(&host, "b", "{marker,8,64}");
    host_pass(&host, MS);
    assert_int_equal(turns_taken(&host), 0);
    assert_null(strstr(host.trace, "key="));
    (void)snprintf(probed, sizeof(probed), "{probed,%u}", (unsigned)epoch(&host));
    host_told(&host, "b", probed);
    assert_false(npri_views_stalled(host.core));
    assert_int_equal(turns_taken(&host), 2);
    assert_non_null(strstr(host.trace, "START"));
    host_fini(&host);
}

/* Would catch: each message of the n that a change of the view costs tries all that is held. */
static void what_changes_nothing_tries_nothing(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, 0);
    b_dissents(&host);
    host_start(&host, 1, "1a", "f");
    host_start(&host, 2, "2a", "f");
    for (unsigned i = 0; i < 3; i++) {
        b_dissents(&host);
        assert_int_equal(turns_taken(&host), 0);
        host_told(&host, "b", "{marker,7,64}");
        assert_int_equal(turns_taken(&host), 0);
    }
    CHECK_TRACE(&host, "");
    b_agrees(&host);
    assert_int_equal(turns_taken(&host), 2);
    CHECK_TRACE(&host, "START 2 key=1a function=f\nSTART 3 key=2a function=f\n");
    host_fini(&host);
}

/* Would catch: one that was called another's affair is asked for again by whatever happens, and not
 * in a moment; or not by another view, in which it has another owner. */
static void what_is_tried_in_a_moment_is_tried_by_another_view(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, 0);
    b_dissents(&host);
    host_start(&host, 1, "1a", "f");
    host_get(&host, 2, "1b", "f");
    CHECK_TRACE(&host, "DELEGATE 2 b key=1b function=f\n");
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_DELEGATED,
                                                    .operation = 2,
                                                    .status = NPR_EREFUSED,
                                                    .moved = true});
    host_told(&host, "b", "{marker,7,64}");
    b_agrees(&host);
    CHECK_TRACE(&host, "START 3 key=1a function=f\n");
    host_pass(&host, 19 * MS);
    CHECK_TRACE(&host, "");
    host_pass(&host, 2 * MS);
    CHECK_TRACE(&host, "DELEGATE 4 b key=1b function=f\n");
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_DELEGATED,
                                                    .operation = 4,
                                                    .status = NPR_EREFUSED,
                                                    .moved = true});
    host_told(&host, "b", "{node_lost,'b@h',1}"); /* goodbye */
    host_disconnected(&host, "b");
    host_disconnected(&host, "b"); /* nor can it be reached */
    assert_true(agreed(&host));
    assert_non_null(strstr(host.trace, "START 5 key=1b function=f\n"));
    host_fini(&host);
}

/* ---- Turns. */

/* Would catch: a hundred thousand that go on in one step, in which the node does nothing else. */
static void a_few_go_on_in_one_step_and_in_order(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, 2);
    b_dissents(&host);
    host_told(&host, "b", "{marker,7,64}");
    for (unsigned i = 0; i < 5; i++) {
        const char key[] = {(char)('1' + i), 'a', 0};

        host_start(&host, 1 + i, key, "f");
    }
    CHECK_TRACE(&host, "");
    b_agrees(&host);
    CHECK_TRACE(&host, "START 2 key=1a function=f\nSTART 3 key=2a function=f\n");
    host_start(&host, 6, "6a", "f"); /* nobody waits for that key */
    CHECK_TRACE(&host, "START 4 key=6a function=f\n");
    host_pass(&host, MS);
    CHECK_TRACE(&host, "START 5 key=3a function=f\nSTART 6 key=4a function=f\n");
    host_pass(&host, MS);
    CHECK_TRACE(&host, "START 7 key=5a function=f\n");
    assert_int_equal(host.core->held.keys.count, 0);
    host_fini(&host);
}

/* Would catch: a bound for those that were held only, and none for those that what they waited for
 * has been lost for. */
static void whoever_is_routed_counts(void **state)
{
    struct npri_core_options options = host_options("a");
    struct core_host host;

    (void)state;
    options.turns_max = 2;
    host_init_with(&host, &options);
    host_with_natives(&host, "b");
    host_start(&host, 1, "1a", "f");
    host_start(&host, 2, "2a", "f");
    host_register(&host, "3a", "a.1");
    host_get(&host, 4, "4a", NULL);
    CHECK_TRACE(&host, "ASK 2 b key=1a\nASK 3 b key=2a\nASK 4 b key=3a\nASK 5 b key=4a\n");
    agrees(&host, "b", 8); /* what it has not found in another epoch counts no more */
    host_asked(&host, 4, NULL);
    host_asked(&host, 5, NULL);
    CHECK_TRACE(&host, ""); /* Two have found that this node is not agreed, for a moment. */
    host_pass(&host, MS);
    CHECK_TRACE(&host, "ASK 6 b key=1a\nASK 7 b key=2a\n");
    host_pass(&host, MS);
    CHECK_TRACE(&host, "ASK 8 b key=3a\nASK 9 b key=4a\n");
    host_asked(&host, 8, NULL);
    CHECK_TRACE(&host, "MONITOR a.1\n");
    host_fini(&host);
}

/* Would catch: a node's loss that is one long step, since much was asked of it; an answer of the
 * node that is believed after its loss. */
static void what_was_asked_of_a_lost_node_ends_a_few_in_one_step(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, 2);
    for (unsigned i = 0; i < 5; i++) {
        const char key[] = {(char)('1' + i), 'b', 0};

        host_start(&host, 1 + i, key, "f");
    }
    host_get(&host, 6, "6b", NULL);
    host_forget_trace(&host);
    host_disconnected(&host, "b");
    assert_int_equal(host.core->delegations.count, 3);
    host_delegated(&host, 5, NPR_OK, "b.1");
    host_disconnected(&host, "b"); /* nor can it be reached */
    assert_null(strstr(host.trace, "ANSWER"));
    assert_int_equal(host.core->delegations.count, 3);
    host_pass(&host, 30 * MS);
    CHECK_TRACE(&host, "CONNECT b\nSTART 8 key=1b function=f\nSTART 9 key=2b function=f\n"
                       "START 10 key=3b function=f\nSTART 11 key=4b function=f\n"
                       "START 12 key=5b function=f\nANSWER 6 ENOTFOUND no node has the key\n");
    assert_true(npri_list_empty(&host.core->lost));
    host_fini(&host);
}

/* Would catch: a late request for a key that is carried out before an earlier one; one for another
 * key that waits, too. */
static void none_overtakes_another_one_of_its_key(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, 1);
    b_dissents(&host);
    host_told(&host, "b", "{marker,7,64}");
    host_start(&host, 1, "1a", "f");
    host_register(&host, "ka", "a.1");
    host_register(&host, "ka", "a.2");
    b_agrees(&host);
    host_unregister(&host, "ka");
    host_get(&host, 3, "ka", NULL);
    host_get(&host, 4, "2a", NULL);
    CHECK_TRACE(&host, "START 2 key=1a function=f\n"
                       "ANSWER 4 ENOTFOUND no node has the key\n");
    host_pass(&host, 2 * MS);
    CHECK_TRACE(&host, "MONITOR a.1\nDEMONITOR a.1\nMONITOR a.2\n");
    host_pass(&host, 2 * MS);
    CHECK_TRACE(&host, "DEMONITOR a.2\nANSWER 3 ENOTFOUND no node has the key\n");
    host_fini(&host);
}

/* Would catch: those that had a turn, and are held again, come behind others of their key. */
static void who_is_held_again_stays_before_those_who_wait(void **state)
{
    struct core_host host;

    (void)state;
    open_with(&host, 1);
    b_dissents(&host);
    host_told(&host, "b", "{marker,7,64}");
    host_start(&host, 1, "1a", "f");
    host_start(&host, 2, "ka", "f");
    host_start(&host, 3, "ka", "g");
    b_agrees(&host);
    b_dissents(&host);
    host_told(&host, "b", "{marker,7,64}");
    host_pass(&host, MS); /* 2 is held again, 3 is due */
    b_agrees(&host);
    host_pass(&host, 3 * MS);
    CHECK_TRACE(&host, "START 2 key=1a function=f\nSTART 3 key=ka function=f\n");
    host_started(&host, 3, NPR_OK, "a.1");
    CHECK_TRACE(&host, "MONITOR a.1\nANSWER 2 OK a.1 started\nANSWER 3 OK a.1\n");
    host_fini(&host);
}

/* Would catch: a request that waits for its turn beyond its deadline, or whose answer blames
 * others; one that has gone and is counted for its key for ever. */
static void a_deadline_ends_the_wait_for_a_turn(void **state)
{
    struct npri_core_event event = {
        .kind = NPRI_EVENT_START, .request = 2, .key = host_atom("2a"), .function = host_atom("f")};
    struct core_host host;

    (void)state;
    open_with(&host, 1);
    b_dissents(&host);
    host_told(&host, "b", "{marker,7,64}");
    host_start(&host, 1, "1a", "f");
    event.deadline_ns = host.now_ns + MS / 2;
    (void)host_step(&host, event);
    b_agrees(&host);
    host_pass(&host, MS / 2);
    CHECK_TRACE(&host, "START 2 key=1a function=f\n"
                       "ANSWER 2 ETIMEDOUT waited behind many others on this node\n");
    assert_int_equal(host.core->held.keys.count, 0);
    host_fini(&host);
}

/* Would catch: a node that has fallen asleep and answers what was due before, since it was due. */
static void nobody_has_a_turn_while_the_node_is_stalled(void **state)
{
    struct npri_core_options options = host_options("a");
    struct core_host host;

    (void)state;
    options.turns_max = 1;
    options.heartbeat_ns = HEARTBEAT;
    options.node_timeout_ns = TIMEOUT;
    host_init_with(&host, &options);
    host_with_natives(&host, "b");
    host_mark(&host, "b");
    b_dissents(&host);
    host_told(&host, "b", "{marker,7,64}");
    host_start(&host, 1, "1a", "f");
    host_start(&host, 2, "2a", "f");
    b_agrees(&host);
    host_forget_trace(&host);
    host.now_ns += TIMEOUT + HEARTBEAT;
    (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
    assert_true(npri_views_stalled(host.core));
    host_pass(&host, 10 * MS);
    assert_false(npri_list_empty(&host.core->held.due)); /* not held once more */
    assert_int_equal(host.core->held.keys.count, 1);
    assert_null(strstr(host.trace, "START"));
    host_start(&host, 3, "2a", "g");
    host_disconnected(&host, "b");
    host_disconnected(&host, "b");
    assert_false(npri_views_stalled(host.core));
    host_pass(&host, 10 * MS);
    assert_non_null(strstr(host.trace, "key=2a function=f\n"));
    assert_null(strstr(host.trace, "function=g"));
    host_fini(&host);
}

/* Would catch: no memory to wait, and the request is lost, or crashes. */
static void without_memory_to_wait_it_is_answered(void **state)
{
    const struct npri_core_event wanted = {.kind = NPRI_EVENT_START,
                                           .request = 1,
                                           .deadline_ns = UINT64_MAX,
                                           .key = host_atom("ka"),
                                           .function = host_atom("f")};
    struct npri_core_event event;
    struct core_host host;
    unsigned failed = 0;
    npr_status status;

    (void)state;
    for (unsigned n = 1; n < 20; n++) {
        open_with(&host, 0);
        b_dissents(&host);
        event = wanted;
        event.now_ns = host.now_ns;
        npri_alloc_fail_after(n);
        status = npri_core_step(host.core, &event);
        npri_alloc_fail_after(0);
        (void)host_step(&host, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
        failed += strstr(host.trace, "ANSWER 1 ENOMEM no memory to wait\n") != NULL ? 1 : 0;
        assert_true(status == NPR_OK || strstr(host.trace, "ANSWER") == NULL);
        host_fini(&host);
    }
    assert_int_equal(failed, 1);
}

/* ---- Times. */

#define MANY (NPRI_TIMERS_MAX + 100)

static unsigned answers_in_step(struct npri_core *core, const struct npri_core_event *event)
{
    struct npri_core_effect effect;
    unsigned count = 0;

    assert_int_equal(npri_core_step(core, event), NPR_OK);
    npri_core_check(core);
    while (npri_core_take(core, &effect)) {
        count += effect.kind == NPRI_EFFECT_ANSWER ? 1 : 0;
    }
    return count;
}

/* Would catch: very many deadlines that pass at the same moment, and are one long step; a beat that
 * waits behind them. */
static void many_deadlines_are_many_steps(void **state)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_START, .function = host_atom("f")};
    struct npri_buffer key = {0};
    struct core_host host;
    unsigned first;

    (void)state;
    host_init_beating(&host, 0);
    host_with_natives(&host, "b");
    b_dissents(&host);
    event.now_ns = host.now_ns;
    event.deadline_ns = host.now_ns + HEARTBEAT / 2;
    for (unsigned i = 0; i < MANY; i++) {
        npri_buffer_reset(&key);
        npri_put_uint(&key, UINT64_C(97) << 32 | i << 8 | 97); /* a's: the last byte decides */
        event.key = (struct npr_term){.data = key.data, .size = key.size};
        event.request = i + 1;
        assert_int_equal(answers_in_step(host.core, &event), 0);
    }
    npri_buffer_fini(&key);
    event = (struct npri_core_event){.kind = NPRI_EVENT_TIME, .now_ns = host.now_ns + HEARTBEAT};
    first = answers_in_step(host.core, &event);
    assert_true(first > NPRI_TIMERS_MAX - 10 && first <= NPRI_TIMERS_MAX);
    assert_true(host.core->beats.due_ns > event.now_ns);
    assert_true(npri_core_deadline_ns(host.core) <= event.now_ns);
    assert_int_equal(answers_in_step(host.core, &event), MANY - first);
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_tried_while_the_node_is_stalled),
        cmocka_unit_test(what_changes_nothing_tries_nothing),
        cmocka_unit_test(what_is_tried_in_a_moment_is_tried_by_another_view),
        cmocka_unit_test(a_few_go_on_in_one_step_and_in_order),
        cmocka_unit_test(whoever_is_routed_counts),
        cmocka_unit_test(what_was_asked_of_a_lost_node_ends_a_few_in_one_step),
        cmocka_unit_test(none_overtakes_another_one_of_its_key),
        cmocka_unit_test(who_is_held_again_stays_before_those_who_wait),
        cmocka_unit_test(a_deadline_ends_the_wait_for_a_turn),
        cmocka_unit_test(nobody_has_a_turn_while_the_node_is_stalled),
        cmocka_unit_test(without_memory_to_wait_it_is_answered),
        cmocka_unit_test(many_deadlines_are_many_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
