/* Processes from start to end: what reaches which callback, how it is answered, what failures of a
 * callback lead to. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"

static const struct npr_term any;

static struct npr_term gen_call(struct world *world, struct npr_term tag, struct npr_term request)
{
    const struct npr_term from = WORLD_TUPLE(world, world_pid(world, &world->probe), tag);

    return WORLD_TUPLE(world, world_atom(world, "$gen_call"), from, request);
}

/* ---- A process that answers calls with {reply,Request}. */

static npr_status echo_call(struct npr_process *self,
                            void *state,
                            const struct npr_from *from,
                            struct npr_term request)
{
    struct npr_builder *builder = npr_scratch(self);
    struct npr_term reply;

    (void)state;
    if (npr_term_is_atom(request, "fail")) {
        return NPR_EIO;
    }
    if (npr_term_is_atom(request, "garbage")) {
        return (npr_status)77;
    }
    npr_build_tuple(builder, 2);
    npr_build_atom(builder, "reply");
    npr_build_term(builder, request);
    return npr_builder_finish(builder, &reply, NULL) == NPR_OK ? npr_reply(self, from, reply)
                                                               : NPR_ENOMEM;
}

static const struct npr_behaviour echo_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .call = echo_call,
};

static const struct npr_behaviour silent_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
};

static struct npr_pid start(struct world *world, const struct npr_behaviour *behaviour)
{
    const struct npri_spawn spawn = {.behaviour = behaviour};
    const struct npr_pid pid = world_puppet_with(world, &spawn);

    npri_signal_destroy(world_take(world, &world->started));
    return pid;
}

/* Would catch: replies that do not carry the tag as it came, or go where nobody waits. */
static void replies_go_where_the_tag_says(void **state)
{
    struct world world;
    struct npr_pid echo;
    struct npr_ref ref;
    struct npr_term ref_term;
    struct npr_term ok;
    struct npr_term reply;
    struct npr_term alias;
    struct npr_term tags[4];

    (void)state;
    world_open(&world, 2);
    echo = start(&world, &echo_behaviour);
    ref = npri_runtime_new_ref(world.runtime);
    ref_term = world_ref(&world, &ref);
    ok = world_atom(&world, "ok");
    reply = WORLD_TUPLE(&world, world_atom(&world, "reply"), ok);
    alias = world_cons(&world, world_atom(&world, "alias"), ref_term);

    tags[0] = ref_term;
    tags[1] = WORLD_TUPLE(&world, ref_term, world_atom(&world, "b@h"));
    tags[2] = world_atom(&world, "plain");
    tags[3] = world_cons(&world, world_atom(&world, "other"), ref_term);
    for (size_t i = 0; i < 4; i++) {
        world_send(&world, &echo, gen_call(&world, tags[i], ok));
        world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, world_pid(&world, &echo),
                     WORLD_TUPLE(&world, tags[i], reply));
    }
    world_send(&world, &echo, gen_call(&world, alias, ok));
    world_expect(&world, &world.aliased, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(&world, alias, reply));
    world_send(&world, &echo, gen_call(&world, world_cons(&world, alias, ok), ok));
    world_expect(&world, &world.aliased, NPRI_SIGNAL_MESSAGE, any, any);
    world_close(&world);
}

/* Would catch: missing callbacks that crash or leave a caller waiting. */
static void missing_callbacks_have_defaults(void **state)
{
    struct world world;
    struct npr_pid silent;
    struct npr_term tag;
    struct npr_term expected;

    (void)state;
    world_open(&world, 2);
    silent = start(&world, &silent_behaviour);
    tag = world_atom(&world, "t");
    world_send(&world, &silent, world_atom(&world, "m"));
    world_send(&world, &silent,
               WORLD_TUPLE(&world, world_atom(&world, "$gen_cast"), world_atom(&world, "m")));
    world_send(&world, &silent, gen_call(&world, tag, world_atom(&world, "m")));
    expected = WORLD_TUPLE(&world, world_atom(&world, "error"), world_atom(&world, "unknown"));
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(&world, tag, expected));
    world_close(&world);
}

/* Would catch: a call or cast by a look-alike; look-alikes must come as messages. */
static void malformed_calls_are_messages(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_term probe;
    struct npr_term x;
    struct npr_term forms[6];

    (void)state;
    world_open(&world, 2);
    puppet = world_puppet(&world);
    probe = world_pid(&world, &world.probe);
    x = world_atom(&world, "x");
    forms[0] = WORLD_TUPLE(&world, world_atom(&world, "$gen_call"), probe, x);
    forms[1] = WORLD_TUPLE(&world, world_atom(&world, "$gen_call"), WORLD_TUPLE(&world, x, x), x);
    forms[2] = WORLD_TUPLE(&world, world_atom(&world, "$gen_cast"), x, x);
    forms[3] = WORLD_TUPLE(&world, world_atom(&world, "io_request"), x, x, x);
    forms[4] = WORLD_TUPLE(&world, world_atom(&world, "system"), x, x);
    forms[5] = world_atom(&world, "$gen_cast");
    for (size_t i = 0; i < 6; i++) {
        world_send(&world, &puppet, forms[i]);
        world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any,
                     WORLD_TUPLE(&world, world_atom(&world, "info"), forms[i]));
    }
    world_close(&world);
}

/* Would catch: an Erlang process that waits for ever for a group leader's answer, or for sys. */
static void io_and_system_requests_are_answered(void **state)
{
    struct world world;
    struct npr_pid puppet;
    struct npr_term probe;
    struct npr_term x;
    struct npr_term enotsup;
    struct npr_term output;
    struct npr_term from;

    (void)state;
    world_open(&world, 2);
    puppet = world_puppet(&world);
    probe = world_pid(&world, &world.probe);
    x = world_atom(&world, "x");
    enotsup = WORLD_TUPLE(&world, world_atom(&world, "error"), world_atom(&world, "enotsup"));
    output = WORLD_TUPLE(&world, world_atom(&world, "put_chars"), x, x);

    world_send(&world, &puppet,
               WORLD_TUPLE(&world, world_atom(&world, "io_request"), probe, x, output));
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(&world, world_atom(&world, "io_reply"), x, world_atom(&world, "ok")));
    world_send(&world, &puppet, WORLD_TUPLE(&world, world_atom(&world, "io_request"), probe, x, x));
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(&world, world_atom(&world, "io_reply"), x, enotsup));
    from = WORLD_TUPLE(&world, probe, x);
    world_send(&world, &puppet, WORLD_TUPLE(&world, world_atom(&world, "system"), from, x));
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any, WORLD_TUPLE(&world, x, enotsup));
    world_close(&world);
}

/* Would catch: failures that end another process, give another reason, or are logged wrongly. */
static void failures_end_with_their_name(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_term tag;
    struct npr_term error;

    (void)state;
    world_open(&world, 2);
    tag = world_atom(&world, "t");
    error = world_atom(&world, "error");

    pid = start(&world, &echo_behaviour);
    (void)world_watch(&world, &pid);
    world_send(&world, &pid, gen_call(&world, tag, world_atom(&world, "fail")));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 WORLD_TUPLE(&world, error, world_atom(&world, "eio")));
    world_expect(&world, &world.crashes, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(&world, error, world_atom(&world, "eio")));

    pid = start(&world, &echo_behaviour);
    (void)world_watch(&world, &pid);
    world_send(&world, &pid, gen_call(&world, tag, world_atom(&world, "garbage")));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 WORLD_TUPLE(&world, error, world_atom(&world, "eunknown")));
    npri_signal_destroy(world_take(&world, &world.crashes));
    world_close(&world);
}

/* Would catch: log lines for ordinary ends; a second reason that wins; terminate twice. */
static void orderly_ends_are_not_logged(void **state)
{
    struct world world;
    struct npr_term reasons[3];

    (void)state;
    world_open(&world, 2);
    reasons[0] = world_atom(&world, "normal");
    reasons[1] = world_atom(&world, "shutdown");
    reasons[2] = WORLD_TUPLE(&world, reasons[1], reasons[0]);
    for (size_t i = 0; i < 3; i++) {
        const struct npr_pid pid = world_puppet(&world);

        (void)world_watch(&world, &pid);
        world_do_term(&world, &pid, WORLD_STOP, reasons[i]);
        world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any,
                     WORLD_TUPLE(&world, world_atom(&world, "terminate"), reasons[i]));
        world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, any, reasons[i]);
    }
    world_close(&world);
    assert_int_equal(world.probed.count, 0);
    assert_int_equal(world.crashes.count, 0);
}

/* ---- Starting. */

static npr_status failing_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)self;
    (void)state;
    (void)args;
    return NPR_EREFUSED;
}

static npr_status stopping_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    return npr_stop(self, args);
}

static atomic_uint terminated;

static void count_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)state;
    (void)reason;
    atomic_fetch_add(&terminated, 1);
}

/* Would catch: a failed start that leaves a process, is told too late, or not to its parent. */
static void failed_starts_tell_the_starter_first(void **state)
{
    static const struct npr_behaviour failing = {
        .struct_size = sizeof(struct npr_behaviour),
        .init = failing_init,
        .terminate = count_terminate,
    };
    static const struct npr_behaviour stopping = {
        .struct_size = sizeof(struct npr_behaviour),
        .init = stopping_init,
        .terminate = count_terminate,
    };
    struct world world;
    struct npr_ref ref;
    struct npri_spawn spawn = {.behaviour = &failing, .link = true, .monitor = true};
    struct npri_signal *started;
    struct npr_term reason;
    struct npr_pid pid;

    (void)state;
    atomic_store(&terminated, 0);
    world_open(&world, 2);
    ref = npri_runtime_new_ref(world.runtime);
    spawn.parent = world_pid(&world, &world.probe);
    spawn.monitor_ref = world_ref(&world, &ref);
    reason = WORLD_TUPLE(&world, world_atom(&world, "error"), world_atom(&world, "erefused"));
    pid = world_puppet_with(&world, &spawn);
    for (int i = 0; i < 2; i++) { /* EXIT_LINK and DOWN, in either order */
        struct npri_signal *signal = world_take(&world, &world.probed);

        assert_true(signal->kind == NPRI_SIGNAL_EXIT_LINK || signal->kind == NPRI_SIGNAL_DOWN);
        assert_true(npr_term_equal(signal->payload, reason));
        npri_signal_destroy(signal);
    }
    assert_int_equal(world_count(&world, &world.started), 1); /* before them */
    started = world_take(&world, &world.started);
    assert_int_equal(-(int)started->id, NPR_EREFUSED);
    assert_true(npr_term_equal(started->payload, reason));
    npri_signal_destroy(started);
    assert_false(npri_runtime_is_alive(world.runtime, &pid));

    spawn = (struct npri_spawn){.behaviour = &stopping};
    pid = world_puppet_with(&world, &spawn);
    started = world_take(&world, &world.started);
    assert_int_equal(-(int)started->id, NPR_EEXIT);
    assert_int_equal(npr_term_kind(started->payload), NPR_TERM_INTEGER); /* its arguments */
    assert_false(npri_runtime_is_alive(world.runtime, &pid));
    npri_signal_destroy(started);
    assert_int_equal(npri_runtime_process_count(world.runtime), 0);
    world_close(&world);
    assert_int_equal(atomic_load(&terminated), 0);
}

/* Would catch: behaviours and parents that would be misread. */
static void misuse_of_spawn_is_refused(void **state)
{
    struct world world;
    struct npr_behaviour other = silent_behaviour;
    struct npri_spawn spawn = {.behaviour = &other, .function = "f"};
    struct npr_pid pid = {.id = 5};

    (void)state;
    world_open(&world, 1);
    other.struct_size = offsetof(struct npr_behaviour, resume) - 1;
    assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, NULL), NPR_EINVAL);
    other.struct_size = SIZE_MAX;
    assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, NULL), NPR_EINVAL);
    other.struct_size = sizeof(other);
    spawn.link = true;
    assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, NULL), NPR_EINVAL);
    spawn.link = false;
    spawn.monitor = true;
    spawn.parent = world_pid(&world, &world.probe);
    assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, NULL), NPR_EINVAL);
    assert_int_equal(pid.id, 5);
    assert_int_equal(npri_runtime_process_count(world.runtime), 0);
    world_close(&world);
}

/* ---- Names. */

/* Would catch: names of the dead, names taken twice, names for strangers. */
static void names_end_with_their_process(void **state)
{
    struct world world;
    struct npr_pid first;
    struct npr_pid second;
    struct npr_pid found;
    const struct npr_bytes room = npr_bytes_of("room");

    (void)state;
    world_open(&world, 2);
    first = world_puppet(&world);
    second = world_puppet(&world);
    assert_int_equal(npri_runtime_register(world.runtime, room, &first), NPR_OK);
    assert_int_equal(npri_runtime_register(world.runtime, room, &second), NPR_EEXIST);
    assert_int_equal(npri_runtime_register(world.runtime, npr_bytes_of("probe"), &second),
                     NPR_EEXIST);
    assert_true(npri_runtime_whereis(world.runtime, room, &found));
    assert_true(npr_pid_equal(&found, &first));
    (void)world_watch(&world, &first);
    world_do_term(&world, &first, WORLD_STOP, world_atom(&world, "normal"));
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any, any);
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, any, any);
    assert_false(npri_runtime_whereis(world.runtime, room, &found));
    assert_int_equal(npri_runtime_register(world.runtime, room, &first), NPR_ENOPROC);
    assert_int_equal(npri_runtime_register(world.runtime, room, &second), NPR_OK);
    world_close(&world);
}

/* Would catch: messages to names of other nodes that stay here, and the other way round. */
static void names_of_other_nodes_are_routed(void **state)
{
    struct world world;
    struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE};

    (void)state;
    world_open(&world, 1);
    draft.to = world_atom(&world, "probe");
    draft.payload = world_atom(&world, "m");
    world_deliver(&world, &draft);
    draft.node = world_atom(&world, "a@h");
    world_deliver(&world, &draft);
    assert_int_equal(world_count(&world, &world.probed), 2);
    draft.node = world_atom(&world, "b@h");
    world_deliver(&world, &draft);
    assert_int_equal(world_count(&world, &world.probed), 2);
    world_expect(&world, &world.routed, NPRI_SIGNAL_MESSAGE, any, draft.payload);
    world_close(&world);
}

/* Would catch: services beyond the limit that overwrite others; names lost by a failed one. */
static void services_have_a_limit(void **state)
{
    struct world world;
    struct npr_pid pid = {0};
    unsigned count = 1; /* the probe */

    (void)state;
    world_open(&world, 1);
    assert_int_equal(npri_runtime_add_service(world.runtime, "probe", NULL, NULL, &pid),
                     NPR_EEXIST);
    while (npri_runtime_add_service(world.runtime, NULL, NULL, NULL, &pid) == NPR_OK) {
        count++;
        assert_true(npri_runtime_is_alive(world.runtime, &pid));
    }
    assert_int_equal(count, 64);
    assert_int_equal(npri_runtime_add_service(world.runtime, "late", NULL, NULL, &pid), NPR_EFULL);
    assert_false(npri_runtime_whereis(world.runtime, npr_bytes_of("late"), &pid));
    pid = npri_runtime_new_pid(world.runtime);
    assert_true(pid.id > count);
    world_close(&world);
}

/* ---- Order and fairness. */

/* Would catch: a mailbox that gives the newest first, loses, or doubles. */
static void messages_arrive_in_order(void **state)
{
    enum { MESSAGES = 5000 };
    struct world world;
    struct npr_pid puppet;
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term;

    (void)state;
    world_open(&world, 2);
    puppet = world_puppet(&world);
    for (int64_t i = 0; i < MESSAGES; i++) {
        npr_builder_reset(builder);
        npr_build_int(builder, i);
        assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
        world_send(&world, &puppet, term);
    }
    for (int64_t i = 0; i < MESSAGES; i++) {
        struct npri_signal *signal = world_take(&world, &world.probed);
        struct npr_term parts[2];
        int64_t value = -1;

        assert_true(npr_term_get_tuple(signal->payload, 2, parts));
        assert_true(npr_term_get_int64(parts[1], &value));
        assert_int_equal(value, i);
        npri_signal_destroy(signal);
    }
    npr_builder_destroy(builder);
    world_close(&world);
}

/* Sends itself a message for each one that it gets: always has something to do. */
static npr_status restless_info(struct npr_process *self, void *state, struct npr_term message)
{
    const struct npr_pid pid = npr_self(self);

    (void)state;
    return npr_send(self, &pid, message);
}

/* Would catch: one busy process that keeps the only worker for itself. */
static void busy_processes_do_not_starve_others(void **state)
{
    static const struct npr_behaviour restless = {
        .struct_size = sizeof(struct npr_behaviour),
        .info = restless_info,
    };
    struct world world;
    struct npr_pid busy;
    struct npr_pid puppet;

    (void)state;
    world_open(&world, 1);
    busy = start(&world, &restless);
    world_send(&world, &busy, world_atom(&world, "go"));
    puppet = world_puppet(&world);
    for (int i = 0; i < 10; i++) {
        world_settle(&world, &puppet);
    }
    world_close(&world);
}

/* ---- Stop. */

/* Would catch: processes that outlive the stop, end with another reason, or take part in it twice.
 */
static void stop_ends_everyone_with_shutdown(void **state)
{
    struct world world;
    struct npr_pid pid = {0};
    const struct npri_spawn late = {.behaviour = &silent_behaviour, .function = "f"};
    struct npr_pid b;

    (void)state;
    world_open(&world, 2);
    b = world_remote_pid("b@h", 1);
    for (int i = 0; i < 10; i++) {
        pid = world_puppet(&world);
        world_do_pid(&world, &pid, WORLD_TRAP, &b); /* no help against it */
        world_do_pid(&world, &pid, WORLD_LINK, &b);
        npri_signal_destroy(world_take(&world, &world.routed));
    }
    npri_runtime_stop(world.runtime);
    for (int i = 0; i < 10; i++) {
        world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any,
                     WORLD_TUPLE(&world, world_atom(&world, "terminate"), NPRI_WORD_SHUTDOWN));
        world_expect(&world, &world.routed, NPRI_SIGNAL_EXIT_LINK, any, NPRI_WORD_SHUTDOWN);
    }
    assert_int_equal(npri_runtime_process_count(world.runtime), 0);
    assert_int_equal(npri_runtime_spawn(world.runtime, &late, &pid, NULL), NPR_ECLOSED);
    world_send(&world, &pid, NPRI_WORD_OK);
    npri_runtime_destroy(world.runtime);
    world.runtime = NULL;
    world_close(&world);
    assert_int_equal(world.probed.count, 0);
    assert_int_equal(world.crashes.count, 0);
}

/* ---- Memory. */

/* Would catch: a start that leaks, or leaves a half-made process, when an allocation fails. */
static void spawn_without_memory_changes_nothing(void **state)
{
    struct world world;
    struct npr_ref ref;
    struct npri_spawn spawn = {.behaviour = &silent_behaviour, .function = "sweep:start"};
    npr_status status = NPR_ENOMEM;
    struct npr_pid pid = {.id = 5};
    uint64_t failed = 0;

    (void)state;
    world_open(&world, 1);
    ref = npri_runtime_new_ref(world.runtime);
    spawn.args = world_atom(&world, "args");
    spawn.leader = world_pid(&world, &world.probe);
    spawn.parent = spawn.leader;
    spawn.monitor_ref = world_ref(&world, &ref);
    spawn.link = true;
    spawn.monitor = true;
    while (status != NPR_OK) {
        npri_alloc_fail_after(failed + 1);
        status = npri_runtime_spawn(world.runtime, &spawn, &pid, NULL);
        npri_alloc_fail_after(0);
        if (status != NPR_OK) {
            assert_int_equal(status, NPR_ENOMEM);
            assert_int_equal(npri_runtime_process_count(world.runtime), 0);
            assert_int_equal(pid.id, 5);
            failed++;
        }
    }
    assert_true(failed >= 5);
    world_close(&world);
}

/* Would catch: links and monitors half made; signals lost for want of memory at their receiver. */
static void deeds_without_memory_change_nothing(void **state)
{
    static const enum world_deed_kind kinds[] = {WORLD_LINK,      WORLD_UNLINK, WORLD_MONITOR,
                                                 WORLD_DEMONITOR, WORLD_SEND,   WORLD_EXIT};
    struct world world;
    struct npr_pid puppet;
    struct world_deed deed = {.kind = WORLD_NOTHING};

    (void)state;
    world_open(&world, 1);
    puppet = world_puppet(&world);
    deed.pid = world_remote_pid("b@h", 1);
    deed.term = world_atom(&world, "m");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        npr_status status = NPR_ENOMEM;

        for (uint64_t failed = 0; status != NPR_OK; failed++) {
            assert_int_equal(world_count(&world, &world.routed), 0);
            deed.kind = kinds[i];
            deed.fail_after = failed + 1;
            status = world_do(&world, &puppet, &deed);
            assert_true(status == NPR_OK ? failed > 0 : status == NPR_ENOMEM);
        }
        npri_signal_destroy(world_take(&world, &world.routed));
    }
    world_close(&world);
}

static atomic_uint turns;

static npr_status count_turn(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    (void)atomic_fetch_add(&turns, 1);
    return NPR_OK;
}

/* Would catch: a DOWN or EXIT that is lost because there is no memory for it when a process dies; a
 * LINK or MONITOR that is, because there is none where it arrives. */
static void the_end_is_told_when_memory_comes_back(void **state)
{
    static const struct npr_behaviour counting = {
        .struct_size = sizeof(struct npr_behaviour),
        .info = count_turn,
    };
    struct world world;
    struct npr_pid silent;
    struct npr_pid counter;
    struct npr_pid b;
    struct npri_signal *signals[3];
    struct npri_signal draft = {.kind = NPRI_SIGNAL_LINK};

    (void)state;
    atomic_store(&turns, 0);
    world_open(&world, 1);
    b = world_remote_pid("b@h", 1);
    silent = start(&world, &silent_behaviour);
    counter = start(&world, &counting);
    draft.from = world_pid(&world, &b);
    draft.to = world_pid(&world, &silent);
    draft.payload = world_atom(&world, "boom");
    signals[0] = npri_signal_create(&draft);
    draft.kind = NPRI_SIGNAL_EXIT;
    signals[1] = npri_signal_create(&draft);
    draft.kind = NPRI_SIGNAL_MESSAGE;
    draft.to = world_pid(&world, &counter);
    signals[2] = npri_signal_create(&draft);
    assert_true(signals[0] != NULL && signals[1] != NULL && signals[2] != NULL);

    /* One worker, first come first served: when the counter has had its turn, so has the link. */
    npri_alloc_fail_after(1);
    npri_runtime_deliver(world.runtime, signals[0]);
    npri_runtime_deliver(world.runtime, signals[2]);
    while (atomic_load(&turns) == 0) {
        (void)sched_yield();
    }
    npri_alloc_fail_after(0);
    world_send(&world, &silent, gen_call(&world, draft.payload, draft.payload));
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any, any); /* the link is made */

    npri_alloc_fail_after(1);
    npri_runtime_deliver(world.runtime, signals[1]);
    while (npri_runtime_is_alive(world.runtime, &silent)) {
        (void)sched_yield();
    }
    assert_int_equal(world_count(&world, &world.routed), 0);
    npri_alloc_fail_after(0);
    world_expect(&world, &world.routed, NPRI_SIGNAL_EXIT_LINK, world_pid(&world, &silent),
                 draft.payload);
    world_close(&world);
}

static void drop_routed(void *user, struct npri_signal *signal)
{
    (void)user;
    npri_signal_destroy(signal);
}

/* Would catch: a runtime that leaks, or stops what it has not started, when it cannot be made. */
static void create_without_memory_leaves_nothing(void **state)
{
    struct npri_runtime_options options = {.workers = 2, .creation = 1};
    struct npri_runtime *runtime = NULL;
    npr_status status = NPR_ENOMEM;
    uint64_t failed = 0;

    (void)state;
    options.route = drop_routed;
    assert_int_equal(npr_node_name_parse(npr_bytes_of("a@h"), &options.node, NULL), NPR_OK);
    while (status != NPR_OK) {
        npri_alloc_fail_after(failed + 1);
        status = npri_runtime_create(&options, &runtime, NULL);
        npri_alloc_fail_after(0);
        failed += status != NPR_OK;
        assert_true(status == NPR_OK || (status == NPR_ENOMEM && runtime == NULL));
    }
    assert_true(failed > 2);
    npri_runtime_stop(runtime);
    npri_runtime_destroy(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_go_where_the_tag_says),
        cmocka_unit_test(missing_callbacks_have_defaults),
        cmocka_unit_test(malformed_calls_are_messages),
        cmocka_unit_test(io_and_system_requests_are_answered),
        cmocka_unit_test(failures_end_with_their_name),
        cmocka_unit_test(orderly_ends_are_not_logged),
        cmocka_unit_test(failed_starts_tell_the_starter_first),
        cmocka_unit_test(misuse_of_spawn_is_refused),
        cmocka_unit_test(names_end_with_their_process),
        cmocka_unit_test(names_of_other_nodes_are_routed),
        cmocka_unit_test(services_have_a_limit),
        cmocka_unit_test(messages_arrive_in_order),
        cmocka_unit_test(busy_processes_do_not_starve_others),
        cmocka_unit_test(stop_ends_everyone_with_shutdown),
        cmocka_unit_test(spawn_without_memory_changes_nothing),
        cmocka_unit_test(deeds_without_memory_change_nothing),
        cmocka_unit_test(the_end_is_told_when_memory_comes_back),
        cmocka_unit_test(create_without_memory_leaves_nothing),
    };

    return cmocka_run_group_tests_name("processes", tests, NULL, NULL);
}
