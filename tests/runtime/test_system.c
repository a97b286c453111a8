/* What Erlang's sys asks of a process. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "runtime/internal.h"

static const struct npr_term any;
static atomic_uint handled;
static atomic_bool describe_fails;

static npr_status told_info(struct npr_process *self, void *state, struct npr_term message)
{
    int64_t *total = state;
    int64_t number;

    if (npr_term_is_atom(message, "after")) {
        const struct npr_pid me = npr_self(self);

        return npr_send_after(self, &me, NPRI_WORD_OK, 0, NULL);
    }
    if (npr_term_get_int64(message, &number)) {
        *total = *total * 10 + number;
    }
    (void)atomic_fetch_add(&handled, 1);
    return NPR_OK;
}

static npr_status told_describe(struct npr_process *self,
                                const void *state,
                                struct npr_builder *out)
{
    const int64_t *total = state;

    if (npr_stop(self, NPRI_WORD_OK) != NPR_OK || npr_continue(self, NPRI_WORD_OK) == NPR_OK ||
        atomic_load(&describe_fails)) {
        return NPR_EIO;
    }
    npr_build_int(out, *total);
    return NPR_OK;
}

static const struct npr_behaviour told_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(int64_t),
    .info = told_info,
    .describe = told_describe,
};

static struct npr_pid start(struct world *world, const struct npr_behaviour *behaviour)
{
    const struct npri_spawn spawn = {.behaviour = behaviour};
    const struct npr_pid pid = world_puppet_with(world, &spawn);

    atomic_store(&handled, 0);
    atomic_store(&describe_fails, false);
    npri_signal_destroy(world_take(world, &world->started));
    return pid;
}

static void ask(struct world *world, const struct npr_pid *pid, struct npr_term request)
{
    const struct npr_term from =
        WORLD_TUPLE(world, world_pid(world, &world->probe), world_atom(world, "t"));

    world_send(world, pid, WORLD_TUPLE(world, world_atom(world, "system"), from, request));
}

static void ask_and_expect(struct world *world,
                           const struct npr_pid *pid,
                           const char *request,
                           struct npr_term reply)
{
    ask(world, pid, world_atom(world, request));
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(world, world_atom(world, "t"), reply));
}

/* Would catch: a state that is not told, or told wrongly; a describe that ends the process. */
static void states_are_told_as_far_as_they_are_described(void **state)
{
    const struct npr_behaviour silent = {.struct_size = sizeof(struct npr_behaviour)};
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    pid = start(&world, &silent);
    ask_and_expect(&world, &pid, "get_state", world_atom(&world, "opaque"));
    pid = start(&world, &told_behaviour);
    world_send(&world, &pid, world_int(&world, 7));
    ask_and_expect(&world, &pid, "get_state", world_int(&world, 7));
    atomic_store(&describe_fails, true);
    ask_and_expect(&world, &pid, "get_state", world_atom(&world, "opaque"));
    atomic_store(&describe_fails, false);
    ask_and_expect(&world, &pid, "get_state", world_int(&world, 7));
    world_close(&world);
}

/* Would catch: a status that Erlang's tools cannot take apart, or that tells another process's. */
static void statuses_have_the_form_of_sys(void **state)
{
    struct world world;
    struct npri_signal *signal;
    struct npr_pid pid;
    struct npr_term reply[2];
    struct npr_term parts[4];
    struct npr_term module[2];
    struct npr_term items[5];
    struct npr_term_walk walk;

    (void)state;
    world_open(&world, 2);
    pid = start(&world, &told_behaviour);
    ask(&world, &pid, world_atom(&world, "get_status"));
    signal = world_take(&world, &world.probed);
    assert_true(npr_term_get_tuple(signal->payload, 2, reply));
    assert_true(npr_term_get_tuple(reply[1], 4, parts));
    assert_true(npr_term_is_atom(parts[0], "status"));
    assert_true(npr_term_equal(parts[1], world_pid(&world, &pid)));
    assert_true(npr_term_get_tuple(parts[2], 2, module));
    assert_true(npr_term_is_atom(module[0], "module") && npr_term_is_atom(module[1], "puppet"));
    assert_true(npr_term_list(parts[3], &walk));
    for (unsigned i = 0; i < 5; i++) {
        assert_true(npr_term_next(&walk, &items[i]));
    }
    assert_true(npr_term_is_atom(items[1], "running"));
    assert_int_equal(npr_term_kind(items[2]), NPR_TERM_PID);
    assert_int_equal(npr_term_kind(items[4]), NPR_TERM_LIST);
    npri_signal_destroy(signal);
    world_close(&world);
}

/* Would catch: a callback while suspended; messages, calls, timers or DOWNs that are lost, or in
 * another order; sys that is not answered meanwhile. */
static void suspended_processes_hold_everything_in_order(void **state)
{
    struct world world;
    struct npr_term ok;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    ok = world_atom(&world, "ok");
    pid = start(&world, &told_behaviour);
    world_send(&world, &pid, world_int(&world, 1));
    world_send(&world, &pid, world_atom(&world, "after"));
    ask_and_expect(&world, &pid, "suspend", ok);
    for (int i = 2; i <= 5; i++) {
        world_send(&world, &pid, world_int(&world, i));
    }
    ask_and_expect(&world, &pid, "suspend", ok);
    ask_and_expect(&world, &pid, "get_state", world_int(&world, 1));
    ask_and_expect(&world, &pid, "resume", ok);
    ask_and_expect(&world, &pid, "get_state", world_int(&world, 12345));
    while (atomic_load(&handled) != 6) { /* the timer's too */
        (void)sched_yield();
    }
    ask_and_expect(&world, &pid, "resume", ok);
    world_close(&world);
}

static void send_exit(struct world *world, const struct npr_pid *pid, struct npr_term reason)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT,
                                      .from = world_pid(world, &world->probe),
                                      .to = world_pid(world, pid),
                                      .payload = reason};

    world_deliver(world, &draft);
}

/* Would catch: a suspended process that cannot be killed; what it held being leaked; a trapped exit
 * that is not held. */
static void suspended_processes_can_be_killed(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    pid = world_puppet(&world);
    world_do_term(&world, &pid, WORLD_TRAP, any);
    (void)world_watch(&world, &pid);
    ask_and_expect(&world, &pid, "suspend", world_atom(&world, "ok"));
    world_send(&world, &pid, world_int(&world, 1));
    send_exit(&world, &pid, world_atom(&world, "trapped"));
    send_exit(&world, &pid, world_atom(&world, "kill"));
    world_expect(
        &world, &world.probed, NPRI_SIGNAL_MESSAGE, any,
        WORLD_TUPLE(&world, world_atom(&world, "terminate"), world_atom(&world, "killed")));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, any, world_atom(&world, "killed"));

    pid = start(&world, &told_behaviour);
    (void)world_watch(&world, &pid);
    ask(&world, &pid,
        WORLD_TUPLE(&world, world_atom(&world, "terminate"), world_atom(&world, "bye")));
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any,
                 WORLD_TUPLE(&world, world_atom(&world, "t"), world_atom(&world, "ok")));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, any, world_atom(&world, "bye"));

    /* One that the end of the runtime finds suspended, with a timer among what it holds. */
    pid = start(&world, &told_behaviour);
    world_send(&world, &pid, world_atom(&world, "after"));
    ask_and_expect(&world, &pid, "suspend", world_atom(&world, "ok"));
    world_send(&world, &pid, world_int(&world, 1));
    world_close(&world);
    assert_int_equal(world.crashes.count, 0);
}

/* Would catch: a suspended process that ends because it is idle, or one that never does after. */
static void suspended_processes_are_not_idle(void **state)
{
    struct npr_behaviour brief = told_behaviour;
    struct world world;
    struct npr_pid pid;
    uint64_t until_ns;

    (void)state;
    brief.idle_ms = 250;
    world_open(&world, 2);
    pid = start(&world, &brief);
    (void)world_watch(&world, &pid);
    ask_and_expect(&world, &pid, "suspend", world_atom(&world, "ok"));
    until_ns = npri_now_ns() + 350 * NPRI_NS_PER_MS;
    while (npri_now_ns() < until_ns) {
        (void)sched_yield();
    }
    assert_true(npri_runtime_is_alive(world.runtime, &pid));
    ask_and_expect(&world, &pid, "resume", world_atom(&world, "ok"));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, any, world_atom(&world, "normal"));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_told_as_far_as_they_are_described),
        cmocka_unit_test(statuses_have_the_form_of_sys),
        cmocka_unit_test(suspended_processes_hold_everything_in_order),
        cmocka_unit_test(suspended_processes_can_be_killed),
        cmocka_unit_test(suspended_processes_are_not_idle),
    };

    return cmocka_run_group_tests_name("system", tests, NULL, NULL);
}
