/* Calls to processes that have given their key up, and the answers to them.  The caller is a
 * process of node c@h, the other process one of b@h: what both get comes out at `routed`. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "runtime/call.h"

static const struct npr_term any;

static struct npr_pid b;
static struct npr_pid c;
static struct npr_pid gate; /* of this world; none: not yet */

/* ---- What happens. */

static npr_status on_handover(struct npr_process *self, void *state, struct npr_builder *out)
{
    (void)self;
    (void)state;
    npr_build_atom(out, "state");
    return NPR_OK;
}

static void open_world(struct world *world, uint32_t redirect_ms)
{
    world_open_with(world, 1, redirect_ms);
    b = world_remote_pid("b@h", 5);
    c = world_remote_pid("c@h", 7);
    gate = (struct npr_pid){0};
}

/* Long enough not to be over before a test is; and short. */
#define LONG_REDIRECT_MS 60000u
#define REDIRECT_MS      50u

static void send_kind(struct world *world,
                      enum npri_signal_kind kind,
                      const struct npr_pid *to,
                      const struct npr_pid *from)
{
    world_deliver(world, &(struct npri_signal){.kind = kind,
                                               .to = world_pid(world, to),
                                               .from = from == NULL ? any : world_pid(world, from),
                                               .payload = world_atom(world, "key"),
                                               .id = 77});
}

/* The next signal to another node, which must be of that kind; the caller destroys it. */
static struct npri_signal *take_routed(struct world *world, enum npri_signal_kind kind)
{
    struct npri_signal *signal = world_take(world, &world->routed);

    assert_int_equal(signal->kind, kind);
    return signal;
}

/* A forwarder's monitor of b: its reference. */
static struct npr_ref expect_monitor_of_b(struct world *world)
{
    struct npri_signal *signal = take_routed(world, NPRI_SIGNAL_MONITOR);
    struct npr_ref ref;

    assert_true(npr_term_equal(signal->to, world_pid(world, &b)));
    assert_true(npr_term_get_ref(signal->ref, &ref));
    npri_signal_destroy(signal);
    return ref;
}

/* A process that has lost its key to b, and forwards. */
static struct npr_pid start_loser(struct world *world, struct npr_ref *out_monitor)
{
    const struct npr_pid pid = world_puppet(world);

    send_kind(world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    npri_signal_destroy(world_take(world, &world->probed)); /* it terminates */
    world_send(world, &pid, world_atom(world, "first"));
    *out_monitor = expect_monitor_of_b(world);
    npri_signal_destroy(take_routed(world, NPRI_SIGNAL_MESSAGE));
    return pid;
}

/* ---- A gate: while it is shut, the only worker does nothing else. */

static atomic_uint gate_shuts; /* how often it was shut; written by the test's thread only */
static atomic_uint gate_reaches;
static atomic_uint gate_opens; /* so many of the shuts are over */

static npr_status gate_info(struct npr_process *self, void *state, struct npr_term message)
{
    const unsigned number = atomic_fetch_add(&gate_reaches, 1) + 1;

    (void)self;
    (void)state;
    (void)message;
    while (atomic_load(&gate_opens) < number) { /* it may be shut again by now */
        (void)sched_yield();
    }
    return NPR_OK;
}

static const struct npr_behaviour gate_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                    .info = gate_info};

static void shut_gate(struct world *world)
{
    if (gate.id == 0) {
        gate = world_puppet_with(world, &(struct npri_spawn){.behaviour = &gate_behaviour});
    }
    (void)atomic_fetch_add(&gate_shuts, 1);
    world_send(world, &gate, world_atom(world, "wait"));
    while (atomic_load(&gate_reaches) < atomic_load(&gate_shuts)) {
        (void)sched_yield();
    }
}

static void open_gate(void)
{
    atomic_store(&gate_opens, atomic_load(&gate_shuts));
}

/* Opens it, and for as long as some turns take there is no memory after so many allocations. */
static void open_gate_without_memory(uint64_t allocations)
{
    npri_alloc_fail_after(allocations);
    open_gate();
    for (unsigned i = 0; i < 100; i++) {
        (void)sched_yield();
    }
    npri_alloc_fail_after(0);
}

/* ---- The caller. */

/* Its references, each another one. */
static struct npr_term new_ref(struct world *world)
{
    static uint32_t number;

    return world_ref(world, &(struct npr_ref){.node = c.node,
                                              .creation = c.creation,
                                              .words_count = 3,
                                              .words = {++number, 1, 1}});
}

static struct npr_term alias_tag(struct world *world, struct npr_term ref)
{
    return world_cons(world, world_atom(world, "alias"), ref);
}

static struct npr_term call_of(struct world *world, struct npr_term tag, const char *request)
{
    return WORLD_TUPLE(world, world_atom(world, "$gen_call"),
                       WORLD_TUPLE(world, world_pid(world, &c), tag), world_atom(world, request));
}

static void watch(struct world *world,
                  enum npri_signal_kind kind,
                  const struct npr_pid *to,
                  struct npr_term ref)
{
    world_deliver(world, &(struct npri_signal){.kind = kind,
                                               .from = world_pid(world, &c),
                                               .to = world_pid(world, to),
                                               .ref = ref});
}

/* A call that b gets, with that request: the tag in it, until world_close(). */
static struct npr_term expect_passed_on(struct world *world, const char *request)
{
    struct npri_signal *signal = take_routed(world, NPRI_SIGNAL_MESSAGE);
    struct npr_term parts[3];
    struct npr_term from[2];
    struct npr_term tag;

    assert_true(npr_term_equal(signal->to, world_pid(world, &b)));
    assert_true(npr_term_get_tuple(signal->payload, 3, parts));
    assert_true(npr_term_is_atom(parts[0], "$gen_call"));
    assert_true(npr_term_get_tuple(parts[1], 2, from));
    assert_true(npr_term_equal(from[0], world_pid(world, &c))); /* who asks stays known */
    assert_true(npr_term_is_atom(parts[2], request));
    tag = alias_tag(world, npri_call_tag_ref(from[1]));
    assert_true(npr_term_equal(tag, from[1]));
    npri_signal_destroy(signal);
    return tag;
}

/* b answers by that tag. */
static void answer(struct world *world, struct npr_term tag, const char *reply)
{
    world_deliver(
        world, &(struct npri_signal){.kind = NPRI_SIGNAL_MESSAGE,
                                     .from = world_pid(world, &b),
                                     .to = npri_call_tag_ref(tag),
                                     .payload = WORLD_TUPLE(world, tag, world_atom(world, reply))});
}

/* What the caller gets, at that address. */
static void expect_answered(struct world *world,
                            struct npr_term to,
                            struct npr_term tag,
                            const char *reply)
{
    struct npri_signal *signal = take_routed(world, NPRI_SIGNAL_MESSAGE);

    assert_true(npr_term_equal(signal->to, to));
    assert_true(npr_term_equal(signal->payload, WORLD_TUPLE(world, tag, world_atom(world, reply))));
    npri_signal_destroy(signal);
}

/* One call, with a monitor, that b gets: the tag that it is to answer by. */
static struct npr_term call(struct world *world, const struct npr_pid *to, struct npr_term ref)
{
    watch(world, NPRI_SIGNAL_MONITOR, to, ref);
    world_send(world, to, call_of(world, alias_tag(world, ref), "request"));
    return expect_passed_on(world, "request");
}

/* Nothing more has left when this has: the forwarder has acted on all that was sent before. */
static void expect_nothing_else(struct world *world, const struct npr_pid *forwarder)
{
    world_send(world, forwarder, world_atom(world, "last"));
    world_expect(world, &world->routed, NPRI_SIGNAL_MESSAGE, any, world_atom(world, "last"));
    assert_int_equal(world_count(world, &world->routed), 0);
}

/* The forwarder's end: it watches b no more.  No callers are left then that could be told. */
static void expect_end(struct world *world)
{
    npri_signal_destroy(take_routed(world, NPRI_SIGNAL_DEMONITOR));
    assert_int_equal(world_count(world, &world->routed), 0);
}

/* ---- Answers. */

/* Would catch: an answer that b would have to bring to the caller itself, to whom it may have no
 * way (the call has the caller's own tag); one that the caller does not know as its own, or that
 * comes twice. */
static void answers_come_back_the_same_way(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_ref monitor;
    struct npr_term ref;
    struct npr_term tag;
    struct npr_term ours;

    (void)state;
    open_world(&world, LONG_REDIRECT_MS);
    pid = start_loser(&world, &monitor);

    ref = new_ref(&world);
    ours = call(&world, &pid, ref);
    assert_int_equal(world_count(&world, &world.routed), 0);
    answer(&world, ours, "one");
    expect_answered(&world, ref, alias_tag(&world, ref), "one");
    answer(&world, ours, "again");

    /* As a client of ours calls, and Erlang did before there were aliases. */
    ref = new_ref(&world);
    watch(&world, NPRI_SIGNAL_MONITOR, &pid, ref);
    world_send(&world, &pid, call_of(&world, ref, "plain"));
    answer(&world, expect_passed_on(&world, "plain"), "two");
    expect_answered(&world, world_pid(&world, &c), ref, "two");

    /* As gen_server:send_request() may. */
    ref = new_ref(&world);
    tag = world_cons(&world, alias_tag(&world, ref), world_atom(&world, "label"));
    watch(&world, NPRI_SIGNAL_MONITOR, &pid, ref);
    world_send(&world, &pid, call_of(&world, tag, "labelled"));
    answer(&world, expect_passed_on(&world, "labelled"), "three");
    expect_answered(&world, ref, tag, "three");
    expect_nothing_else(&world, &pid);
    world_close(&world);
}

/* Would catch: a request that is done twice; a sender's messages in another order because calls are
 * among them; two calls whose answers are mixed up. */
static void calls_go_on_once_and_in_order(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_ref monitor;
    struct npr_term refs[2];
    struct npr_term ours[2];

    (void)state;
    open_world(&world, LONG_REDIRECT_MS);
    pid = start_loser(&world, &monitor);
    for (unsigned i = 0; i < 2; i++) {
        refs[i] = new_ref(&world);
        watch(&world, NPRI_SIGNAL_MONITOR, &pid, refs[i]);
    }
    world_send(&world, &pid, world_atom(&world, "one"));
    world_send(&world, &pid, call_of(&world, alias_tag(&world, refs[0]), "two"));
    world_send(&world, &pid, world_atom(&world, "three"));
    world_send(&world, &pid, call_of(&world, refs[1], "four"));
    world_expect(&world, &world.routed, NPRI_SIGNAL_MESSAGE, any, world_atom(&world, "one"));
    ours[0] = expect_passed_on(&world, "two");
    world_expect(&world, &world.routed, NPRI_SIGNAL_MESSAGE, any, world_atom(&world, "three"));
    ours[1] = expect_passed_on(&world, "four");
    answer(&world, ours[1], "second");
    expect_answered(&world, world_pid(&world, &c), refs[1], "second");
    answer(&world, ours[0], "first");
    expect_answered(&world, refs[0], alias_tag(&world, refs[0]), "first");
    expect_nothing_else(&world, &pid);
    world_close(&world);
}

static void expect_as_it_is(struct world *world, const struct npr_pid *to, struct npr_term message)
{
    world_send(world, to, message);
    world_expect(world, &world->routed, NPRI_SIGNAL_MESSAGE, any, message);
}

/* Would catch: something remembered for whoever does not hear of our end, so that any number of
 * that is kept for ever; or a call of a kind that we cannot answer, changed. */
static void what_nobody_monitors_stays_as_it_is(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_ref monitor;
    struct npr_term ref;
    struct npr_term large;
    static char text[NPRI_RELAYED_TAG_BYTES_MAX / 4];

    (void)state;
    open_world(&world, LONG_REDIRECT_MS);
    pid = start_loser(&world, &monitor);
    expect_as_it_is(&world, &pid, call_of(&world, alias_tag(&world, new_ref(&world)), "unwatched"));

    ref = new_ref(&world);
    watch(&world, NPRI_SIGNAL_MONITOR, &pid, ref);
    expect_as_it_is(&world, &pid, call_of(&world, world_atom(&world, "tag"), "of no reference"));
    memset(text, 'x', 200);
    large = world_atom(&world, text);
    for (unsigned i = 0; i < 6; i++) {
        large = WORLD_TUPLE(&world, world_atom(&world, text), large);
    }
    large = world_cons(&world, alias_tag(&world, ref), large);
    expect_as_it_is(&world, &pid, call_of(&world, large, "too large"));

    (void)call(&world, &pid, new_ref(&world));
    watch(&world, NPRI_SIGNAL_DEMONITOR, &pid, ref);
    expect_as_it_is(&world, &pid, call_of(&world, ref, "no more"));
    world_close(&world);
}

/* Would catch: an answer to a call of the process's own, from before it forwards, that is taken for
 * the answer to one that it has passed on. */
static void own_calls_are_no_others(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_ref monitor;
    struct npr_term ref;
    struct npr_term ours;
    struct npr_ref read;

    (void)state;
    open_world(&world, LONG_REDIRECT_MS);
    pid = start_loser(&world, &monitor);
    ref = new_ref(&world);
    ours = call(&world, &pid, ref);
    assert_true(npr_term_get_ref(npri_call_tag_ref(ours), &read));
    read.words[2] &= ~NPRI_CALL_RELAYED; /* the same number among its own calls */
    answer(&world, alias_tag(&world, world_ref(&world, &read)), "of another");
    answer(&world, ours, "one");
    expect_answered(&world, ref, alias_tag(&world, ref), "one");
    expect_nothing_else(&world, &pid);
    world_close(&world);
}

/* Would catch: the same for a moved process, whose time is not over before its node's. */
static void moved_processes_relay_too(void **state)
{
    struct npr_behaviour mover = world_puppet_behaviour;
    struct world world;
    struct npr_pid pid;
    struct npr_term ref;
    struct npr_term ours;

    (void)state;
    open_world(&world, 0);
    mover.handover = on_handover;
    pid = world_puppet_with(&world, &(struct npri_spawn){.behaviour = &mover});
    ref = new_ref(&world);
    watch(&world, NPRI_SIGNAL_MONITOR, &pid, ref);
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    npri_signal_destroy(world_take(&world, &world.handed));
    world_send(&world, &pid, call_of(&world, ref, "request")); /* waits */
    send_kind(&world, NPRI_SIGNAL_MOVED, &pid, &b);
    npri_signal_destroy(world_take(&world, &world.probed));
    (void)expect_monitor_of_b(&world);
    ours = expect_passed_on(&world, "request");
    answer(&world, ours, "one");
    expect_answered(&world, world_pid(&world, &c), ref, "one");
    expect_nothing_else(&world, &pid);
    world_close(&world);
}

/* ---- The end. */

static void expect_down(struct world *world, struct npr_term ref, struct npr_term reason)
{
    struct npri_signal *signal = take_routed(world, NPRI_SIGNAL_DOWN);

    assert_true(npr_term_equal(signal->to, world_pid(world, &c)));
    assert_true(npr_term_equal(signal->ref, ref));
    assert_true(npr_term_equal(signal->payload, reason));
    npri_signal_destroy(signal);
}

/* A process that loses its key, and a call that comes right behind that: its reference. */
static struct npr_pid lose_and_call(struct world *world, struct npr_term *out_ref)
{
    const struct npr_pid pid = world_puppet(world);

    *out_ref = new_ref(world);
    shut_gate(world);
    send_kind(world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    watch(world, NPRI_SIGNAL_MONITOR, &pid, *out_ref);
    world_send(world, &pid, call_of(world, alias_tag(world, *out_ref), "request"));
    return pid;
}

static void take_down(struct world *world, struct npr_term ref)
{
    struct npri_signal *signal = take_routed(world, NPRI_SIGNAL_DOWN);

    assert_true(npr_term_equal(signal->ref, ref));
    npri_signal_destroy(signal);
}

/* A loser whose time is over, with one call that b has not answered: its reference, b's tag. */
static struct npr_pid start_overdue(struct world *world,
                                    struct npr_ref *out_monitor,
                                    struct npr_term *out_ref,
                                    struct npr_term *out_ours)
{
    struct npr_term other;
    struct npr_pid pid;

    open_world(world, REDIRECT_MS);
    other = new_ref(world);
    pid = lose_and_call(world, out_ref);
    open_gate();
    *out_monitor = expect_monitor_of_b(world);
    *out_ours = expect_passed_on(world, "request");
    watch(world, NPRI_SIGNAL_MONITOR, &pid, other);
    take_down(world, other); /* not before it is over */
    return pid;
}

/* Would catch: a call that is cut off by the end of the time although its answer is about to come;
 * a forwarder that goes on passing on, or does not end with the last answer. */
static void the_last_answers_are_waited_for(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_ref monitor;
    struct npr_term ref;
    struct npr_term ours;
    struct npr_term late;

    (void)state;
    pid = start_overdue(&world, &monitor, &ref, &ours);
    late = new_ref(&world);
    watch(&world, NPRI_SIGNAL_MONITOR, &pid, late);
    expect_down(&world, late, world_atom(&world, "noproc"));
    world_send(&world, &pid, call_of(&world, alias_tag(&world, late), "late"));
    world_send(&world, &pid, world_atom(&world, "late"));
    answer(&world, ours, "one");
    expect_answered(&world, ref, alias_tag(&world, ref), "one");
    take_down(&world, ref); /* it has not taken that back yet */
    expect_end(&world);
    world_close(&world);
}

/* Would catch: a forwarder that stays for a caller who does not wait any more. */
static void who_gives_up_is_not_waited_for(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_ref monitor;
    struct npr_term ref;
    struct npr_term ours;

    (void)state;
    pid = start_overdue(&world, &monitor, &ref, &ours);
    watch(&world, NPRI_SIGNAL_DEMONITOR, &pid, ref);
    expect_end(&world);
    world_close(&world);

    (void)start_overdue(&world, &monitor, &ref, &ours);
    assert_int_equal(npri_runtime_node_down(world.runtime, &c.node), NPR_OK);
    expect_end(&world);
    world_close(&world);
}

/* Would catch: a caller that waits for an answer of somebody who is dead. */
static void callers_hear_of_the_end_of_who_was_to_answer(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_ref monitor;
    struct npr_term ref;
    struct npr_term ours;

    (void)state;
    pid = start_overdue(&world, &monitor, &ref, &ours);
    world_deliver(&world, &(struct npri_signal){.kind = NPRI_SIGNAL_DOWN,
                                                .from = world_pid(&world, &b),
                                                .to = world_pid(&world, &pid),
                                                .ref = world_ref(&world, &monitor),
                                                .payload = world_atom(&world, "gone")});
    expect_down(&world, ref, world_atom(&world, "gone"));
    world_close(&world);

    (void)start_overdue(&world, &monitor, &ref, &ours);
    assert_int_equal(npri_runtime_node_down(world.runtime, &b.node), NPR_OK);
    expect_down(&world, ref, world_atom(&world, "noconnection"));
    world_close(&world);
}

/* A loser's time: that is then most probably over, and waits. */
static void outlast_the_time(void)
{
    const uint64_t began_ns = npri_now_ns();

    while (npri_now_ns() < began_ns + (REDIRECT_MS + 10) * NPRI_NS_PER_MS) {
        (void)sched_yield();
    }
}

/* Would catch: a call, an answer, or the end of the time that is lost for want of memory, or that
 * is acted on twice. */
static void no_memory_is_waited_for(void **state)
{
    (void)state;
    for (uint64_t after = 1; after <= 12; after++) {
        struct world world;
        struct npr_pid pid;
        struct npr_term ref;
        struct npr_term other;
        struct npr_term ours;

        open_world(&world, REDIRECT_MS);
        other = new_ref(&world);
        pid = lose_and_call(&world, &ref);
        open_gate_without_memory(after);
        (void)expect_monitor_of_b(&world);
        ours = expect_passed_on(&world, "request");
        watch(&world, NPRI_SIGNAL_MONITOR, &pid, other);
        shut_gate(&world);
        outlast_the_time();
        open_gate_without_memory(after);
        take_down(&world, other);
        shut_gate(&world);
        answer(&world, ours, "one");
        open_gate_without_memory(after);
        expect_answered(&world, ref, alias_tag(&world, ref), "one");
        take_down(&world, ref);
        expect_end(&world);
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_back_the_same_way),
        cmocka_unit_test(calls_go_on_once_and_in_order),
        cmocka_unit_test(what_nobody_monitors_stays_as_it_is),
        cmocka_unit_test(own_calls_are_no_others),
        cmocka_unit_test(moved_processes_relay_too),
        cmocka_unit_test(the_last_answers_are_waited_for),
        cmocka_unit_test(who_gives_up_is_not_waited_for),
        cmocka_unit_test(callers_hear_of_the_end_of_who_was_to_answer),
        cmocka_unit_test(no_memory_is_waited_for),
    };

    return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
