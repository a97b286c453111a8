/* Processes that give their key up: those that lose a conflict, and those that are moved.  The
 * other process is one of node b@h: what it gets comes out at `routed`. */
#include "threads_world.h"

#include <sched.h>

#include "base/alloc.h"

static const struct npr_term any;

/* Builds the atom `state`, and tells the probe {conflict,Key,Winner,Token}. */
static npr_status on_conflict(struct npr_process *self,
                              void *state,
                              const struct npr_conflict *conflict,
                              struct npr_builder *out)
{
    struct npr_builder *scratch = npr_scratch(self);

    npr_build_tuple(scratch, 4);
    npr_build_atom(scratch, "conflict");
    npr_build_term(scratch, conflict->key);
    npr_build_pid(scratch, &conflict->winner);
    npr_build_uint(scratch, conflict->token);
    (void)state;
    npr_build_atom(out, "state");
    return NPR_OK;
}

static _Atomic(npr_status) handover_status;
static atomic_bool handover_is_empty;

static npr_status on_handover(struct npr_process *self, void *state, struct npr_builder *out)
{
    (void)self;
    (void)state;
    if (!atomic_load(&handover_is_empty)) {
        npr_build_atom(out, "state");
    }
    return atomic_load(&handover_status);
}

static struct npr_behaviour loser; /* a puppet with these callbacks */
static struct npr_behaviour mover;

static struct npr_pid b;

static struct npr_pid start_with(struct world *world, const struct npri_spawn *spawn)
{
    const struct npr_pid pid = world_puppet_with(world, spawn);

    npri_signal_destroy(world_take(world, &world->started));
    return pid;
}

static struct npr_pid start_of(struct world *world, const struct npr_behaviour *behaviour)
{
    return start_with(world, &(struct npri_spawn){.behaviour = behaviour});
}

static void open_world(struct world *world, unsigned workers)
{
    loser = world_puppet_behaviour;
    loser.conflict = on_conflict;
    mover = world_puppet_behaviour;
    mover.handover = on_handover;
    atomic_store(&handover_status, NPR_OK);
    atomic_store(&handover_is_empty, false);
    world_open(world, workers);
    b = world_remote_pid("b@h", 5);
}

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

static void expect_told(struct world *world, const char *what, struct npr_term term)
{
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(world, world_atom(world, what), term));
}

static struct npr_term conflict_reason(struct world *world)
{
    return WORLD_TUPLE(world, world_atom(world, "nprocreg"), world_atom(world, "conflict"),
                       world_pid(world, &b));
}

static struct npr_term moved_reason(struct world *world)
{
    return WORLD_TUPLE(
        world, world_atom(world, "shutdown"),
        WORLD_TUPLE(world, world_atom(world, "nprocreg"), world_atom(world, "moved")));
}

/* The forwarder's monitor of b: its reference, until world_close(). */
static struct npr_ref expect_monitor(struct world *world)
{
    struct npri_signal *signal = world_take(world, &world->routed);
    struct npr_ref ref;

    assert_int_equal(signal->kind, NPRI_SIGNAL_MONITOR);
    assert_true(npr_term_equal(signal->to, world_pid(world, &b)));
    assert_true(npr_term_get_ref(signal->ref, &ref));
    npri_signal_destroy(signal);
    return ref;
}

static void expect_routed(struct world *world, struct npr_term message)
{
    struct npri_signal *signal = world_take(world, &world->routed);

    assert_int_equal(signal->kind, NPRI_SIGNAL_MESSAGE);
    assert_true(npr_term_equal(signal->to, world_pid(world, &b)));
    assert_true(npr_term_equal(signal->payload, message));
    npri_signal_destroy(signal);
}

static void expect_routed_atom(struct world *world, const char *text)
{
    expect_routed(world, world_atom(world, text));
}

static void send_atom(struct world *world, const struct npr_pid *to, const char *text)
{
    world_send(world, to, world_atom(world, text));
}

/* b has ended. */
static void send_down(struct world *world, const struct npr_pid *to, const struct npr_ref *ref)
{
    world_deliver(world, &(struct npri_signal){.kind = NPRI_SIGNAL_DOWN,
                                               .from = world_pid(world, &b),
                                               .to = world_pid(world, to),
                                               .ref = world_ref(world, ref),
                                               .payload = world_atom(world, "gone")});
}

static void suspend(struct world *world, const struct npr_pid *pid)
{
    const struct npr_term from =
        WORLD_TUPLE(world, world_pid(world, &world->probe), world_atom(world, "tag"));

    world_send(world, pid,
               WORLD_TUPLE(world, world_atom(world, "system"), from, world_atom(world, "suspend")));
    npri_signal_destroy(world_take(world, &world->probed));
}

/* ---- Conflicts. */

/* Would catch: a loser that lives on, whose end is told with another reason, that is still found,
 * or whose state and messages the winner does not get. */
static void losers_end_and_their_senders_reach_the_winner(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    open_world(&world, 2);
    pid = start_of(&world, &loser);
    (void)world_watch(&world, &pid);
    send_kind(&world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    expect_routed(&world, WORLD_TUPLE(&world, world_atom(&world, "nprocreg"),
                                      world_atom(&world, "handover"), world_atom(&world, "key"),
                                      world_pid(&world, &pid), world_atom(&world, "state")));
    expect_told(&world, "terminate", conflict_reason(&world));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 conflict_reason(&world));
    assert_false(npri_runtime_is_alive(world.runtime, &pid));
    assert_int_equal(npri_runtime_process_count(world.runtime), 0);
    send_atom(&world, &pid, "late");
    (void)expect_monitor(&world);
    expect_routed_atom(&world, "late");
    assert_int_equal(npri_runtime_watch(world.runtime, &pid), NPRI_WATCH_DEAD);
    assert_int_equal(world_count(&world, &world.crashes), 0);
    world_close(&world);
}

/* Would catch: what waits being lost, acted on by the loser, or overtaken. */
static void what_waits_comes_first(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    open_world(&world, 1);
    pid = start_of(&world, &world_puppet_behaviour);
    suspend(&world, &pid);
    send_atom(&world, &pid, "one");
    send_atom(&world, &pid, "two");
    send_kind(&world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    send_atom(&world, &pid, "three");
    expect_told(&world, "terminate", conflict_reason(&world));
    (void)expect_monitor(&world);
    expect_routed_atom(&world, "one");
    expect_routed_atom(&world, "two");
    expect_routed_atom(&world, "three");
    world_close(&world);
}

/* Would catch: a process that wanted to be told being ended, or not told. */
static void who_wants_to_be_told_lives_on(void **state)
{
    struct npr_behaviour notified = world_puppet_behaviour;
    struct world world;
    struct npr_pid pid;

    (void)state;
    open_world(&world, 1);
    notified.on_conflict = NPR_CONFLICT_NOTIFY;
    loser.on_conflict = NPR_CONFLICT_NOTIFY;
    pid = start_of(&world, &notified);
    send_kind(&world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    expect_told(&world, "info",
                WORLD_TUPLE(&world, world_atom(&world, "nprocreg"), world_atom(&world, "conflict"),
                            world_atom(&world, "key"), world_pid(&world, &b),
                            world_int(&world, 77)));
    send_atom(&world, &pid, "still here");
    expect_told(&world, "info", world_atom(&world, "still here"));

    pid = start_of(&world, &loser);
    send_kind(&world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    npri_signal_destroy(world_take(&world, &world.routed));
    send_atom(&world, &pid, "still here");
    expect_told(&world, "info", world_atom(&world, "still here"));
    send_kind(&world, NPRI_SIGNAL_CONFLICT, &pid, &pid); /* nobody loses to himself */
    world_settle(&world, &pid);
    world_close(&world);
}

/* Would catch: a forwarder that stays for ever, or ends without a word to who has monitored it. */
static void redirection_ends(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_pid other;

    (void)state;
    open_world(&world, 1);
    world_close(&world);
    world_open_with(&world, 1, 200);
    pid = start_of(&world, &world_puppet_behaviour);
    other = world_puppet(&world);
    send_kind(&world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    expect_told(&world, "terminate", conflict_reason(&world));
    (void)expect_monitor(&world);
    (void)world_watch(&world, &pid); /* while it forwards: no end yet */
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 conflict_reason(&world));
    npri_signal_destroy(world_take(&world, &world.routed)); /* it monitors b no more */
    send_atom(&world, &pid, "too late");
    world_settle(&world, &other);
    assert_int_equal(world_count(&world, &world.routed), 0);
    assert_true(npr_term_is_atom(world_await_end(&world, &pid), "noproc"));
    world_close(&world);
}

static struct npr_term gen_call(struct world *world, const struct npr_ref *ref)
{
    const struct npr_term tag =
        world_cons(world, world_atom(world, "alias"), world_ref(world, ref));

    return WORLD_TUPLE(world, world_atom(world, "$gen_call"),
                       WORLD_TUPLE(world, world_pid(world, &world->probe), tag),
                       world_atom(world, "request"));
}

/* Would catch: a caller that is told of the loser's end although the winner is about to answer it;
 * or that is not told when the winner ends, too. */
static void waiting_calls_hear_of_the_winner_only(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_ref call;
    struct npr_ref watch;

    (void)state;
    open_world(&world, 1);
    pid = start_of(&world, &world_puppet_behaviour);
    suspend(&world, &pid);
    call = npri_runtime_new_ref(world.runtime);
    world_deliver(&world, &(struct npri_signal){.kind = NPRI_SIGNAL_MONITOR,
                                                .from = world_pid(&world, &world.probe),
                                                .to = world_pid(&world, &pid),
                                                .ref = world_ref(&world, &call)});
    world_send(&world, &pid, gen_call(&world, &call));
    send_kind(&world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    expect_told(&world, "terminate", conflict_reason(&world));
    watch = expect_monitor(&world);
    npri_signal_destroy(world_take(&world, &world.routed)); /* the call (test_relay) */
    assert_int_equal(world_count(&world, &world.probed), 0);
    send_down(&world, &pid, &watch);
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 world_atom(&world, "gone"));
    world_close(&world);
}

/* Would catch: a registered loser whose links and monitors hear of its end before the registry, or
 * that loses what is sent in between. */
static void registry_hears_of_losers_first(void **state)
{
    struct world world;
    struct npr_process *ended;
    struct npr_pid pid;
    struct npr_pid read;
    struct npr_term reason;

    (void)state;
    open_world(&world, 1);
    pid = start_of(&world, &world_puppet_behaviour);
    (void)world_watch(&world, &pid);
    assert_int_equal(npri_runtime_watch(world.runtime, &pid), NPRI_WATCH_ON);
    send_kind(&world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    expect_told(&world, "terminate", conflict_reason(&world));
    world_await_ended(&world, 1);
    send_atom(&world, &pid, "between");
    assert_int_equal(world_count(&world, &world.probed), 0);
    ended = npri_runtime_take_ended(world.runtime);
    assert_non_null(ended);
    assert_null(npri_ended_next(ended));
    npri_ended_read(ended, &read, &reason);
    assert_true(npr_pid_equal(&read, &pid));
    assert_true(npr_term_equal(reason, conflict_reason(&world)));
    assert_null(npri_runtime_take_ended(world.runtime));
    npri_runtime_finish(ended);
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 conflict_reason(&world));
    (void)expect_monitor(&world);
    expect_routed_atom(&world, "between");
    world_close(&world);
}

/* ---- Moves. */

static void expect_handed(struct world *world,
                          const struct npr_pid *pid,
                          npr_status status,
                          const char *atom)
{
    struct npri_signal *signal = world_take(world, &world->handed);

    assert_true(npr_term_equal(signal->to, world_pid(world, pid)));
    assert_int_equal((int)signal->id, -(int)status);
    if (atom == NULL) {
        assert_null(signal->payload.data);
    } else {
        assert_true(npr_term_is_atom(signal->payload, atom));
    }
    npri_signal_destroy(signal);
}

/* Would catch: a process that acts on something after it has handed its state over; one whose
 * monitors are told of an end; messages that are lost, or in another order; exits that do not
 * follow; an end of the new process that who monitors the old one does not hear of. */
static void moved_processes_forward_and_nobody_notices(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_ref watch;
    struct npri_signal *exit;

    (void)state;
    open_world(&world, 2);
    pid = start_of(&world, &mover);
    (void)world_watch(&world, &pid);
    send_atom(&world, &pid, "before");
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    send_atom(&world, &pid, "one");
    expect_told(&world, "info", world_atom(&world, "before"));
    expect_handed(&world, &pid, NPR_OK, "state");
    send_atom(&world, &pid, "two");
    assert_int_equal(world_count(&world, &world.probed), 0);
    assert_true(npri_runtime_is_alive(world.runtime, &pid));
    send_kind(&world, NPRI_SIGNAL_MOVED, &pid, &b);
    send_atom(&world, &pid, "three");
    expect_told(&world, "terminate", moved_reason(&world));
    watch = expect_monitor(&world);
    expect_routed_atom(&world, "one");
    expect_routed_atom(&world, "two");
    expect_routed_atom(&world, "three");
    assert_int_equal(world_count(&world, &world.probed), 0);

    world_deliver(&world, &(struct npri_signal){.kind = NPRI_SIGNAL_EXIT,
                                                .from = world_pid(&world, &world.probe),
                                                .to = world_pid(&world, &pid),
                                                .payload = world_atom(&world, "stop")});
    exit = world_take(&world, &world.routed);
    assert_int_equal(exit->kind, NPRI_SIGNAL_EXIT);
    assert_true(npr_term_equal(exit->to, world_pid(&world, &b)));
    assert_true(npr_term_equal(exit->from, world_pid(&world, &pid))); /* who is of this node */
    assert_true(npr_term_is_atom(exit->payload, "stop"));
    npri_signal_destroy(exit);

    send_down(&world, &pid, &watch);
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 world_atom(&world, "gone"));
    world_close(&world);
}

/* Would catch: a process that stays stopped, or loses what has waited, when its move has failed; a
 * callback's failure that ends it. */
static void failed_moves_change_nothing(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    open_world(&world, 1);
    pid = start_of(&world, &mover);
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    expect_handed(&world, &pid, NPR_OK, "state");
    send_atom(&world, &pid, "one");
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL); /* waits, too */
    send_kind(&world, NPRI_SIGNAL_MOVED, &pid, NULL);
    expect_told(&world, "info",
                WORLD_TUPLE(&world, world_atom(&world, "nprocreg"), world_atom(&world, "handover"),
                            world_atom(&world, "failed")));
    expect_told(&world, "info", world_atom(&world, "one"));
    expect_handed(&world, &pid, NPR_OK, "state");
    send_kind(&world, NPRI_SIGNAL_MOVED, &pid, NULL);
    npri_signal_destroy(world_take(&world, &world.probed));

    atomic_store(&handover_status, NPR_EFULL);
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    expect_handed(&world, &pid, NPR_EREFUSED, NULL);
    send_kind(&world, NPRI_SIGNAL_MOVED, &pid, &b); /* of no move */
    send_atom(&world, &pid, "two");
    expect_told(&world, "info", world_atom(&world, "two"));
    world_close(&world);
}

/* Would catch: a process without a state that goes on; messages that are lost before somebody has
 * its key; asking twice; senders that wait for ever when there is nobody. */
static void processes_without_a_state_are_replaced_when_wanted(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    open_world(&world, 1);
    pid = start_of(&world, &world_puppet_behaviour);
    (void)world_watch(&world, &pid);
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    expect_told(&world, "terminate", moved_reason(&world));
    expect_handed(&world, &pid, NPR_OK, NULL);
    assert_false(npri_runtime_is_alive(world.runtime, &pid));
    assert_int_equal(world_count(&world, &world.wanted), 0);
    send_atom(&world, &pid, "one");
    send_atom(&world, &pid, "two");
    npri_signal_destroy(world_take(&world, &world.wanted));
    send_kind(&world, NPRI_SIGNAL_MOVED, &pid, &b);
    (void)expect_monitor(&world);
    expect_routed_atom(&world, "one");
    expect_routed_atom(&world, "two");
    assert_int_equal(world_count(&world, &world.wanted), 0);
    assert_int_equal(world_count(&world, &world.probed), 0);

    atomic_store(&handover_is_empty, true);
    pid = start_of(&world, &mover);
    (void)world_watch(&world, &pid);
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    expect_told(&world, "terminate", moved_reason(&world));
    expect_handed(&world, &pid, NPR_OK, NULL);
    send_atom(&world, &pid, "one");
    npri_signal_destroy(world_take(&world, &world.wanted));
    send_kind(&world, NPRI_SIGNAL_MOVED, &pid, NULL);
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 world_atom(&world, "noproc"));
    world_close(&world);
}

/* Would catch: a lost node whose process's monitors are not told. */
static void lost_nodes_end_their_forwarders(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    open_world(&world, 1);
    pid = start_of(&world, &mover);
    (void)world_watch(&world, &pid);
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    expect_handed(&world, &pid, NPR_OK, "state");
    send_kind(&world, NPRI_SIGNAL_MOVED, &pid, &b);
    expect_told(&world, "terminate", moved_reason(&world));
    (void)expect_monitor(&world);
    assert_int_equal(npri_runtime_node_down(world.runtime, &b.node), NPR_OK);
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 world_atom(&world, "noconnection"));
    world_close(&world);
}

static struct npr_term seen_state;
static npr_status init_with_state(struct npr_process *self, void *state, struct npr_term args)
{
    static uint8_t bytes[16];
    const struct npr_term handed = npr_start_state(self);

    (void)state;
    (void)args;
    seen_state = (struct npr_term){0};
    if (handed.data != NULL && handed.size <= sizeof(bytes)) {
        memcpy(bytes, handed.data, handed.size);
        seen_state = (struct npr_term){.data = bytes, .size = handed.size};
    }
    return NPR_OK;
}

/* Would catch: a state or arguments that do not arrive; arguments of a process that has none. */
static void state_and_arguments_travel(void **state)
{
    struct npr_behaviour taker = {.struct_size = sizeof(taker), .init = init_with_state};
    struct world world;
    struct npr_term args;
    struct npr_pid pid;
    struct npri_signal *handed;

    (void)state;
    open_world(&world, 1);
    args = world_cons(&world, world_int(&world, 300),
                      world_cons(&world, world_int(&world, 4), world_atom(&world, "end")));
    assert_int_equal(npri_runtime_spawn(world.runtime,
                                        &(struct npri_spawn){.behaviour = &taker,
                                                             .function = "taker:start/2",
                                                             .args = args,
                                                             .key = world_atom(&world, "key"),
                                                             .state = world_atom(&world, "handed")},
                                        &pid, NULL),
                     NPR_OK);
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    handed = world_take(&world, &world.handed);
    assert_true(npr_term_is_atom(seen_state, "handed"));
    assert_true(npr_term_equal(handed->from, args));
    npri_signal_destroy(handed);

    pid = start_of(&world, &mover); /* for no key */
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    handed = world_take(&world, &world.handed);
    assert_null(handed->from.data);
    npri_signal_destroy(handed);
    world_close(&world);
}

/* Would catch: news for those that nobody has registered, or none for those that somebody has. */
static void registered_processes_are_told(void **state)
{
    struct world world;
    struct npr_pid registered;
    struct npr_pid other;

    (void)state;
    open_world(&world, 1);
    registered = world_puppet(&world);
    other = world_puppet(&world);
    assert_int_equal(npri_runtime_watch(world.runtime, &registered), NPRI_WATCH_ON);
    for (unsigned part = 0; part < NPRI_RUNTIME_PARTS; part++) {
        assert_int_equal(
            npri_runtime_tell_registered(world.runtime, part, world_atom(&world, "news")), NPR_OK);
    }
    world_settle(&world, &other);
    world_settle(&world, &registered);
    expect_told(&world, "info", world_atom(&world, "news"));
    assert_int_equal(world_count(&world, &world.probed), 0);
    npri_runtime_unwatch(world.runtime, &registered);
    world_close(&world);
}

/* ---- Without memory. */

static atomic_uint allocations_to_succeed;
static atomic_bool memory_is_short;

/* The last callback before it forwards. */
static void terminate_without_memory(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)state;
    (void)reason;
    npri_alloc_fail_after(atomic_load(&allocations_to_succeed));
    atomic_store(&memory_is_short, true);
}

/* For as long as some turns take. */
static void outlast_the_shortage(void)
{
    threads_await(&memory_is_short);
    for (unsigned i = 0; i < 1000; i++) {
        (void)sched_yield();
    }
    npri_alloc_fail_after(0);
}

/* Would catch: a message or an end that is lost when there is no memory for it at the moment, or
 * that comes twice. */
static void no_memory_is_waited_for(void **state)
{
    struct npr_behaviour behaviour = world_puppet_behaviour;

    (void)state;
    behaviour.terminate = terminate_without_memory;
    behaviour.handover = on_handover;
    for (unsigned after = 1; after <= 12; after++) {
        for (int moves = 0; moves < 2; moves++) {
            struct world world;
            struct npr_pid pid;

            open_world(&world, 1);
            atomic_store(&allocations_to_succeed, after);
            atomic_store(&memory_is_short, false);
            pid = start_of(&world, &behaviour);
            (void)world_watch(&world, &pid);
            suspend(&world, &pid);
            send_atom(&world, &pid, "one");
            send_atom(&world, &pid, "two");
            if (moves == 1) {
                const struct npr_term from =
                    WORLD_TUPLE(&world, world_pid(&world, &world.probe), world_atom(&world, "tag"));

                world_send(&world, &pid,
                           WORLD_TUPLE(&world, world_atom(&world, "system"), from,
                                       world_atom(&world, "resume")));
                npri_signal_destroy(world_take(&world, &world.probed));
                expect_told(&world, "info", world_atom(&world, "one"));
                expect_told(&world, "info", world_atom(&world, "two"));
                send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
                expect_handed(&world, &pid, NPR_OK, "state");
                send_atom(&world, &pid, "one");
                send_atom(&world, &pid, "two");
            }
            send_kind(&world, moves == 1 ? NPRI_SIGNAL_MOVED : NPRI_SIGNAL_CONFLICT, &pid, &b);
            outlast_the_shortage();
            (void)expect_monitor(&world);
            expect_routed_atom(&world, "one");
            expect_routed_atom(&world, "two");
            if (moves == 0) {
                world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                             conflict_reason(&world));
            }
            assert_int_equal(world_count(&world, &world.probed), 0);
            assert_int_equal(world_count(&world, &world.routed), 0);
            world_close(&world);
        }
    }
}

/* ---- Thread processes. */

/* Receives until it is told to end; tells the probe what it gets. */
static npr_status receive_all(struct npr_process *self)
{
    struct npr_received received;
    npr_status status;

    while ((status = npr_receive(self, LONG_MS, NULL, NULL, &received)) == NPR_OK) {
        REQUIRE(threads_tell(self, received.term) == NPR_OK);
    }
    REQUIRE(status == NPR_EEXIT);
    return NPR_OK;
}

/* Would catch: a thread that is left waiting, or that takes what the other process is to get. */
static void threads_lose_and_move(void **state)
{
    struct npr_behaviour behaviour = threads_scripted_to_the_end;
    struct world world;
    struct npr_pid pid;

    (void)state;
    open_world(&world, 1);
    behaviour.handover = on_handover;
    pid = threads_start_of(&world, &behaviour, receive_all);
    send_atom(&world, &pid, "one");
    threads_expect_told(&world, world_atom(&world, "one"));
    send_kind(&world, NPRI_SIGNAL_HANDOVER, &pid, NULL);
    expect_handed(&world, &pid, NPR_OK, "state");
    send_atom(&world, &pid, "two");
    send_kind(&world, NPRI_SIGNAL_MOVED, &pid, &b);
    threads_expect_told(&world, moved_reason(&world));
    (void)expect_monitor(&world);
    expect_routed_atom(&world, "two");
    send_atom(&world, &pid, "three");
    expect_routed_atom(&world, "three");

    pid = threads_start_of(&world, &behaviour, receive_all);
    suspend(&world, &pid);
    send_atom(&world, &pid, "one");
    send_kind(&world, NPRI_SIGNAL_CONFLICT, &pid, &b);
    threads_expect_told(&world, conflict_reason(&world));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 conflict_reason(&world));
    (void)expect_monitor(&world);
    expect_routed_atom(&world, "one");
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losers_end_and_their_senders_reach_the_winner),
        cmocka_unit_test(what_waits_comes_first),
        cmocka_unit_test(who_wants_to_be_told_lives_on),
        cmocka_unit_test(redirection_ends),
        cmocka_unit_test(waiting_calls_hear_of_the_winner_only),
        cmocka_unit_test(registry_hears_of_losers_first),
        cmocka_unit_test(moved_processes_forward_and_nobody_notices),
        cmocka_unit_test(failed_moves_change_nothing),
        cmocka_unit_test(processes_without_a_state_are_replaced_when_wanted),
        cmocka_unit_test(lost_nodes_end_their_forwarders),
        cmocka_unit_test(state_and_arguments_travel),
        cmocka_unit_test(registered_processes_are_told),
        cmocka_unit_test(no_memory_is_waited_for),
        cmocka_unit_test(threads_lose_and_move),
    };

    return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
