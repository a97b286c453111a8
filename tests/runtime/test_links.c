/* Links, monitors and exits, rule by rule as Erlang's distribution has them.  The other end is the
 * probe (a service of this node) or a pid of node b@h, whose signals come out at `routed`. */
#include "world.h"

static const struct npr_term any;

static void signal_from(struct world *world,
                        enum npri_signal_kind kind,
                        const struct npr_pid *from,
                        const struct npr_pid *to,
                        uint64_t id,
                        struct npr_term payload)
{
    const struct npri_signal draft = {
        .kind = kind,
        .from = world_pid(world, from),
        .to = world_pid(world, to),
        .id = id,
        .payload = payload,
    };

    world_deliver(world, &draft);
}

static void expect_info(struct world *world, struct npr_term message)
{
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(world, world_atom(world, "info"), message));
}

static void expect_terminate(struct world *world, struct npr_term reason)
{
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(world, world_atom(world, "terminate"), reason));
}

/* Would catch: dead pids that swallow what must be answered, or answer what must not be. */
static void dead_processes_answer_as_erlang_does(void **state)
{
    struct world world;
    struct npr_pid b;
    struct npr_pid dead;
    struct npr_term dead_term;
    struct npr_ref ref;
    struct npri_signal draft;
    struct npri_signal *down;

    (void)state;
    world_open(&world, 1);
    b = world_remote_pid("b@h", 5);
    dead = npri_runtime_new_pid(world.runtime);
    dead_term = world_pid(&world, &dead);
    ref = npri_runtime_new_ref(world.runtime);

    signal_from(&world, NPRI_SIGNAL_LINK, &b, &dead, 0, any);
    world_expect(&world, &world.routed, NPRI_SIGNAL_EXIT_LINK, dead_term, NPRI_WORD_NOPROC);

    signal_from(&world, NPRI_SIGNAL_UNLINK, &b, &dead, 77, any);
    down = world_take(&world, &world.routed);
    assert_int_equal(down->kind, NPRI_SIGNAL_UNLINK_ACK);
    assert_int_equal(down->id, 77);
    npri_signal_destroy(down);

    /* By name: DOWN comes from the name, just as the monitor had it. */
    draft = (struct npri_signal){.kind = NPRI_SIGNAL_MONITOR,
                                 .from = world_pid(&world, &b),
                                 .to = world_atom(&world, "nobody"),
                                 .ref = world_ref(&world, &ref)};
    world_deliver(&world, &draft);
    down = world_take(&world, &world.routed);
    assert_int_equal(down->kind, NPRI_SIGNAL_DOWN);
    assert_true(npr_term_is_atom(down->from, "nobody"));
    assert_true(npr_term_equal(down->ref, draft.ref));
    assert_true(npr_term_is_atom(down->payload, "noproc"));
    npri_signal_destroy(down);

    /* No answer to these. */
    signal_from(&world, NPRI_SIGNAL_EXIT, &b, &dead, 0, world_atom(&world, "kill"));
    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &dead, 0, world_atom(&world, "r"));
    signal_from(&world, NPRI_SIGNAL_MESSAGE, &b, &dead, 0, world_atom(&world, "m"));
    assert_int_equal(world_count(&world, &world.routed), 0);
    world_close(&world);
}

/* Would catch: a pid of the node before its restart taken for a process that lives now. */
static void old_incarnation_is_dead(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid old;
    struct npr_pid b;

    (void)state;
    world_open(&world, 1);
    b = world_remote_pid("b@h", 5);
    puppet = world_puppet(&world);
    old = puppet;
    old.creation = 6;
    signal_from(&world, NPRI_SIGNAL_LINK, &b, &old, 0, any);
    world_expect(&world, &world.routed, NPRI_SIGNAL_EXIT_LINK, world_pid(&world, &old),
                 NPRI_WORD_NOPROC);
    world_send(&world, &old, world_atom(&world, "m"));
    world_settle(&world, &puppet);
    assert_int_equal(world_count(&world, &world.probed), 0);
    assert_false(npri_runtime_is_alive(world.runtime, &old));
    assert_true(npri_runtime_is_alive(world.runtime, &puppet));
    world_close(&world);
}

/* Would catch: an exit that acts without a link, one that is not passed on, `normal` that kills. */
static void link_exit_acts_only_on_a_link(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid b;
    struct npr_pid c;

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    c = world_remote_pid("c@h", 5);
    puppet = world_puppet(&world);

    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &puppet, 0, world_atom(&world, "boom"));
    world_settle(&world, &puppet);

    signal_from(&world, NPRI_SIGNAL_LINK, &b, &puppet, 0, any);
    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &puppet, 0, world_atom(&world, "normal"));
    world_settle(&world, &puppet);

    /* The link is gone with that exit. */
    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &puppet, 0, world_atom(&world, "boom"));
    world_settle(&world, &puppet);

    signal_from(&world, NPRI_SIGNAL_LINK, &b, &puppet, 0, any);
    signal_from(&world, NPRI_SIGNAL_LINK, &c, &puppet, 0, any);
    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &puppet, 0, world_atom(&world, "kill"));
    expect_terminate(&world, world_atom(&world, "kill")); /* of a link: an ordinary reason */
    world_expect(&world, &world.routed, NPRI_SIGNAL_EXIT_LINK, world_pid(&world, &puppet),
                 world_atom(&world, "kill"));
    assert_int_equal(world_count(&world, &world.crashes), 0);
    world_close(&world);
    assert_int_equal(world.routed.count, 0); /* c was told once, b not at all */
}

/* Would catch: traps that miss an exit, lose the sender, or stop a kill. */
static void trapped_exits_are_messages(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid b;
    struct npr_term exit_atom;
    struct npr_term b_term;

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    puppet = world_puppet(&world);
    exit_atom = world_atom(&world, "EXIT");
    b_term = world_pid(&world, &b);
    world_do_pid(&world, &puppet, WORLD_TRAP, &b);

    signal_from(&world, NPRI_SIGNAL_LINK, &b, &puppet, 0, any);
    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &puppet, 0, world_atom(&world, "normal"));
    expect_info(&world, WORLD_TUPLE(&world, exit_atom, b_term, world_atom(&world, "normal")));

    signal_from(&world, NPRI_SIGNAL_EXIT, &b, &puppet, 0, world_atom(&world, "normal"));
    expect_info(&world, WORLD_TUPLE(&world, exit_atom, b_term, world_atom(&world, "normal")));

    signal_from(&world, NPRI_SIGNAL_LINK, &b, &puppet, 0, any);
    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &puppet, 0, world_atom(&world, "kill"));
    expect_info(&world, WORLD_TUPLE(&world, exit_atom, b_term, world_atom(&world, "kill")));

    signal_from(&world, NPRI_SIGNAL_EXIT, &b, &puppet, 0, world_atom(&world, "kill"));
    expect_terminate(&world, world_atom(&world, "killed"));
    assert_true(npr_term_is_atom(world_await_end(&world, &puppet), "noproc"));
    world_close(&world);
}

/* Would catch: exit(Pid, normal) that kills others, or spares the sender itself. */
static void exit_normal_ends_only_oneself(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid b;
    struct world_deed deed = {.kind = WORLD_EXIT};

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    puppet = world_puppet(&world);
    signal_from(&world, NPRI_SIGNAL_EXIT, &b, &puppet, 0, world_atom(&world, "normal"));
    world_settle(&world, &puppet);
    deed.pid = puppet;
    deed.term = world_atom(&world, "normal");
    assert_int_equal(world_do(&world, &puppet, &deed), NPR_OK);
    expect_terminate(&world, world_atom(&world, "normal"));
    world_close(&world);
}

/* Would catch: an unlink that forgets before the acknowledgement, or takes an old one for its own.
 */
static void unlinked_exits_are_ignored_until_acknowledged(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid b;
    struct npri_signal *signal;
    uint64_t first_id;

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    puppet = world_puppet(&world);

    world_do_pid(&world, &puppet, WORLD_LINK, &b);
    world_expect(&world, &world.routed, NPRI_SIGNAL_LINK, world_pid(&world, &puppet), any);
    world_do_pid(&world, &puppet, WORLD_LINK, &b); /* is up: nothing to say */
    world_do_pid(&world, &puppet, WORLD_UNLINK, &b);
    signal = world_take(&world, &world.routed);
    assert_int_equal(signal->kind, NPRI_SIGNAL_UNLINK);
    first_id = signal->id;
    assert_true(first_id != 0);
    npri_signal_destroy(signal);
    world_do_pid(&world, &puppet, WORLD_UNLINK, &b); /* on its way down: nothing to say */

    /* b died before it heard of the unlink; and its LINK crossed ours. */
    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &puppet, 0, world_atom(&world, "boom"));
    signal_from(&world, NPRI_SIGNAL_LINK, &b, &puppet, 0, any);
    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &puppet, 0, world_atom(&world, "boom"));
    world_settle(&world, &puppet);

    /* A new link: the old acknowledgement is not for it. */
    world_do_pid(&world, &puppet, WORLD_LINK, &b);
    world_expect(&world, &world.routed, NPRI_SIGNAL_LINK, world_pid(&world, &puppet), any);
    signal_from(&world, NPRI_SIGNAL_UNLINK_ACK, &b, &puppet, first_id, any);
    world_settle(&world, &puppet);
    assert_int_equal(world_count(&world, &world.routed), 0);
    signal_from(&world, NPRI_SIGNAL_EXIT_LINK, &b, &puppet, 0, world_atom(&world, "late"));
    expect_terminate(&world, world_atom(&world, "late"));
    world_close(&world);
}

/* Would catch: an acknowledgement that does not free the link, so that a new one says nothing. */
static void acknowledged_unlink_is_over(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid b;
    struct npri_signal *signal;

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    puppet = world_puppet(&world);
    world_do_pid(&world, &puppet, WORLD_LINK, &b);
    world_expect(&world, &world.routed, NPRI_SIGNAL_LINK, any, any);
    world_do_pid(&world, &puppet, WORLD_UNLINK, &b);
    signal = world_take(&world, &world.routed);
    signal_from(&world, NPRI_SIGNAL_UNLINK_ACK, &b, &puppet, signal->id, any);
    npri_signal_destroy(signal);
    /* b links, and now it counts. */
    signal_from(&world, NPRI_SIGNAL_LINK, &b, &puppet, 0, any);
    world_do_term(&world, &puppet, WORLD_STOP, world_atom(&world, "done"));
    expect_terminate(&world, world_atom(&world, "done"));
    world_expect(&world, &world.routed, NPRI_SIGNAL_EXIT_LINK, any, world_atom(&world, "done"));
    world_close(&world);
}

/* Would catch: an UNLINK that is not acknowledged when there is no link, or leaves the link. */
static void unlink_is_always_acknowledged(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid b;

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    puppet = world_puppet(&world);
    signal_from(&world, NPRI_SIGNAL_UNLINK, &b, &puppet, 1, any);
    world_expect(&world, &world.routed, NPRI_SIGNAL_UNLINK_ACK, world_pid(&world, &puppet), any);
    signal_from(&world, NPRI_SIGNAL_LINK, &b, &puppet, 0, any);
    signal_from(&world, NPRI_SIGNAL_UNLINK, &b, &puppet, 2, any);
    world_expect(&world, &world.routed, NPRI_SIGNAL_UNLINK_ACK, world_pid(&world, &puppet), any);
    world_do_term(&world, &puppet, WORLD_STOP, world_atom(&world, "done"));
    expect_terminate(&world, world_atom(&world, "done"));
    world_close(&world);
    assert_int_equal(world.routed.count, 0); /* no EXIT_LINK: there was no link */

    /* Also by a service, which does not keep links. */
    world_open(&world, 1);
    signal_from(&world, NPRI_SIGNAL_UNLINK, &b, &world.probe, 3, any);
    world_expect(&world, &world.routed, NPRI_SIGNAL_UNLINK_ACK, world_pid(&world, &world.probe),
                 any);
    assert_int_equal(world_count(&world, &world.probed), 0);
    world_close(&world);
}

/* Would catch: a monitor that fires twice, not at all, or after it was taken back; one that another
 * took back. */
static void monitors_fire_once(void **state)
{
    struct world world;
    struct npr_pid watcher;
    struct npr_pid watched;
    struct world_deed kept = {.kind = WORLD_MONITOR};
    struct world_deed dropped = {.kind = WORLD_MONITOR};
    struct npri_signal forged = {.kind = NPRI_SIGNAL_DEMONITOR};
    struct npr_pid b;

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    watcher = world_puppet(&world);
    watched = world_puppet(&world);
    kept.pid = dropped.pid = watched;
    assert_int_equal(world_do(&world, &watcher, &kept), NPR_OK);
    assert_int_equal(world_do(&world, &watcher, &dropped), NPR_OK);
    assert_false(npr_ref_equal(&kept.ref, &dropped.ref));
    dropped.kind = WORLD_DEMONITOR;
    assert_int_equal(world_do(&world, &watcher, &dropped), NPR_OK);
    forged.from = world_pid(&world, &b); /* knows the reference, but it is not its monitor */
    forged.to = world_pid(&world, &watched);
    forged.ref = world_ref(&world, &kept.ref);
    world_deliver(&world, &forged);

    world_do_term(&world, &watched, WORLD_STOP, world_atom(&world, "done"));
    expect_terminate(&world, world_atom(&world, "done"));
    expect_info(&world, WORLD_TUPLE(&world, world_atom(&world, "DOWN"),
                                    world_ref(&world, &kept.ref), world_atom(&world, "process"),
                                    world_pid(&world, &watched), world_atom(&world, "done")));
    world_settle(&world, &watcher);
    assert_int_equal(world_count(&world, &world.probed), 0);

    /* Of a dead one: at once. */
    assert_int_equal(world_do(&world, &watcher, &kept), NPR_OK);
    expect_info(&world, WORLD_TUPLE(&world, world_atom(&world, "DOWN"),
                                    world_ref(&world, &kept.ref), world_atom(&world, "process"),
                                    world_pid(&world, &watched), world_atom(&world, "noproc")));
    world_close(&world);
}

/* Would catch: a DOWN that overtakes what was taken back while it was under way. */
static void demonitor_beats_a_down_on_its_way(void **state)
{
    struct world world;
    struct npr_pid watcher;
    struct world_deed deed = {.kind = WORLD_MONITOR};
    struct npri_signal down = {.kind = NPRI_SIGNAL_DOWN};

    (void)state;
    world_open(&world, 2);
    watcher = world_puppet(&world);
    deed.pid = world_remote_pid("b@h", 5);
    assert_int_equal(world_do(&world, &watcher, &deed), NPR_OK);
    world_expect(&world, &world.routed, NPRI_SIGNAL_MONITOR, world_pid(&world, &watcher), any);
    deed.kind = WORLD_DEMONITOR;
    assert_int_equal(world_do(&world, &watcher, &deed), NPR_OK);
    world_expect(&world, &world.routed, NPRI_SIGNAL_DEMONITOR, world_pid(&world, &watcher), any);
    down.from = world_pid(&world, &deed.pid);
    down.to = world_pid(&world, &watcher);
    down.ref = world_ref(&world, &deed.ref);
    down.payload = world_atom(&world, "gone");
    world_deliver(&world, &down);
    world_settle(&world, &watcher);
    assert_int_equal(world_count(&world, &world.probed), 0);
    world_close(&world);
}

/* Would catch: DOWN from the pid for one who monitored the name. */
static void monitor_by_name_fires_from_the_name(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid b;
    struct npr_ref ref;
    struct npri_signal draft = {.kind = NPRI_SIGNAL_MONITOR};

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    puppet = world_puppet(&world);
    assert_int_equal(npri_runtime_register(world.runtime, npr_bytes_of("room"), &puppet), NPR_OK);
    ref = npri_runtime_new_ref(world.runtime);
    draft.from = world_pid(&world, &b);
    draft.to = world_atom(&world, "room");
    draft.ref = world_ref(&world, &ref);
    world_deliver(&world, &draft);
    world_settle(&world, &puppet);
    world_do_term(&world, &puppet, WORLD_STOP, world_atom(&world, "done"));
    world_expect(&world, &world.routed, NPRI_SIGNAL_DOWN, world_atom(&world, "room"),
                 world_atom(&world, "done"));
    world_close(&world);
}

/* Would catch: links and monitors of a lost node that stay, or of another that break. */
static void node_down_breaks_what_was_there(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid b;
    struct npr_pid c;
    struct npr_ref ref;
    struct world_deed watch = {.kind = WORLD_MONITOR};
    struct npri_signal monitor = {.kind = NPRI_SIGNAL_MONITOR};

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    c = world_remote_pid("c@h", 5);
    puppet = world_puppet(&world);
    world_do_pid(&world, &puppet, WORLD_TRAP, &b);
    world_do_pid(&world, &puppet, WORLD_LINK, &b);
    signal_from(&world, NPRI_SIGNAL_LINK, &c, &puppet, 0, any);
    watch.pid = b;
    assert_int_equal(world_do(&world, &puppet, &watch), NPR_OK);
    ref = npri_runtime_new_ref(world.runtime);
    monitor.from = world_pid(&world, &b);
    monitor.to = world_pid(&world, &puppet);
    monitor.ref = world_ref(&world, &ref);
    world_deliver(&world, &monitor);
    world_settle(&world, &puppet);
    npri_signal_destroy(world_take(&world, &world.routed)); /* LINK */
    npri_signal_destroy(world_take(&world, &world.routed)); /* MONITOR */

    assert_int_equal(npri_runtime_node_down(world.runtime, &b.node), NPR_OK);
    assert_int_equal(npri_runtime_node_down(world.runtime, &b.node), NPR_OK); /* no second time */
    world_settle(&world, &puppet);
    assert_int_equal(world_count(&world, &world.probed), 2);
    for (int i = 0; i < 2; i++) {
        struct npri_signal *signal = world_take(&world, &world.probed);
        const struct npr_term exit_message =
            WORLD_TUPLE(&world, world_atom(&world, "info"),
                        WORLD_TUPLE(&world, world_atom(&world, "EXIT"), world_pid(&world, &b),
                                    world_atom(&world, "noconnection")));
        const struct npr_term down_message =
            WORLD_TUPLE(&world, world_atom(&world, "info"),
                        WORLD_TUPLE(&world, world_atom(&world, "DOWN"),
                                    world_ref(&world, &watch.ref), world_atom(&world, "process"),
                                    world_pid(&world, &b), world_atom(&world, "noconnection")));

        assert_true(npr_term_equal(signal->payload, exit_message) ||
                    npr_term_equal(signal->payload, down_message));
        npri_signal_destroy(signal);
    }
    /* Only c's link is left to tell. */
    world_do_term(&world, &puppet, WORLD_STOP, world_atom(&world, "done"));
    world_expect(&world, &world.routed, NPRI_SIGNAL_EXIT_LINK, any, world_atom(&world, "done"));
    world_close(&world);
    assert_int_equal(world.routed.count, 0);
}

/* Would catch: a lost node of which only those hear that linked, or only those that were linked to.
 */
static void node_down_reaches_both_directions(void **state)
{
    struct world world;
    struct npr_pid linker;
    struct npr_pid linked;
    struct npr_pid b;

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    linker = world_puppet(&world);
    linked = world_puppet(&world);
    world_do_pid(&world, &linker, WORLD_LINK, &b);
    assert_int_equal(npri_runtime_node_down(world.runtime, &b.node), NPR_OK);
    expect_terminate(&world, NPRI_WORD_NOCONNECTION);

    /* Waiting in the mailbox still, or acted on already: either way it was there before. */
    signal_from(&world, NPRI_SIGNAL_LINK, &b, &linked, 0, any);
    assert_int_equal(npri_runtime_node_down(world.runtime, &b.node), NPR_OK);
    expect_terminate(&world, NPRI_WORD_NOCONNECTION);
    world_close(&world);
}

/* Would catch: an exit sent over a link that was taken back. */
static void unlinked_ends_are_not_told(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_pid b;

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 5);
    puppet = world_puppet(&world);
    world_do_pid(&world, &puppet, WORLD_LINK, &b);
    world_do_pid(&world, &puppet, WORLD_UNLINK, &b); /* not acknowledged */
    world_do_term(&world, &puppet, WORLD_STOP, world_atom(&world, "done"));
    expect_terminate(&world, world_atom(&world, "done"));
    world_close(&world);
    assert_int_equal(world.routed.count, 2); /* LINK and UNLINK */
}

/* Would catch: a link to oneself that kills at unlink, relations to many peers lost as they grow.
 */
static void many_links_are_all_told(void **state)
{
    enum { PEERS = 300 };
    struct world world;
    struct npr_pid puppet;
    uint64_t told = 0;

    (void)state;
    world_open(&world, 2);
    puppet = world_puppet(&world);
    world_do_pid(&world, &puppet, WORLD_LINK, &puppet);
    for (uint32_t i = 0; i < PEERS; i++) {
        const struct npr_pid peer = world_remote_pid("b@h", i + 1);

        world_do_pid(&world, &puppet, WORLD_LINK, &peer);
        npri_signal_destroy(world_take(&world, &world.routed));
    }
    world_do_term(&world, &puppet, WORLD_STOP, world_atom(&world, "done"));
    for (uint32_t i = 0; i < PEERS; i++) {
        struct npri_signal *signal = world_take(&world, &world.routed);
        struct npr_pid to;

        assert_int_equal(signal->kind, NPRI_SIGNAL_EXIT_LINK);
        assert_true(npr_term_get_pid(signal->to, &to));
        told += to.id;
        npri_signal_destroy(signal);
    }
    assert_int_equal(told, PEERS * (PEERS + 1) / 2);
    world_close(&world);
    assert_int_equal(world.routed.count, 0);
}

/* Would catch: exit reasons that change from process to process on this node. */
static void exits_pass_from_process_to_process(void **state)
{
    struct world world;
    struct npr_pid a;
    struct npr_pid b;
    struct npr_pid c;
    struct world_deed deed = {.kind = WORLD_EXIT};

    (void)state;
    world_open(&world, 2);
    a = world_puppet(&world);
    b = world_puppet(&world);
    c = world_puppet(&world);
    world_do_pid(&world, &a, WORLD_LINK, &b);
    world_do_pid(&world, &b, WORLD_LINK, &c);
    world_settle(&world, &c);
    world_do_pid(&world, &c, WORLD_TRAP, &c);
    deed.pid = a;
    deed.term = world_atom(&world, "kill");
    assert_int_equal(world_do(&world, &c, &deed), NPR_OK);
    expect_terminate(&world, world_atom(&world, "killed")); /* a */
    expect_terminate(&world, world_atom(&world, "killed")); /* b, by its link */
    expect_info(&world, WORLD_TUPLE(&world, world_atom(&world, "EXIT"), world_pid(&world, &b),
                                    world_atom(&world, "killed")));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_processes_answer_as_erlang_does),
        cmocka_unit_test(old_incarnation_is_dead),
        cmocka_unit_test(link_exit_acts_only_on_a_link),
        cmocka_unit_test(trapped_exits_are_messages),
        cmocka_unit_test(exit_normal_ends_only_oneself),
        cmocka_unit_test(unlinked_exits_are_ignored_until_acknowledged),
        cmocka_unit_test(acknowledged_unlink_is_over),
        cmocka_unit_test(unlink_is_always_acknowledged),
        cmocka_unit_test(monitors_fire_once),
        cmocka_unit_test(demonitor_beats_a_down_on_its_way),
        cmocka_unit_test(monitor_by_name_fires_from_the_name),
        cmocka_unit_test(node_down_breaks_what_was_there),
        cmocka_unit_test(node_down_reaches_both_directions),
        cmocka_unit_test(unlinked_ends_are_not_told),
        cmocka_unit_test(many_links_are_all_told),
        cmocka_unit_test(exits_pass_from_process_to_process),
    };

    return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
