/* Processes whose work is done outside of the runtime: late starts, pauses, late ends.  The test is
 * the outside. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "runtime/internal.h"
#include "runtime/outside.h"

static const struct npr_term any;

/* What the next nudge is to do, and what the process has been told. */
enum order {
    NOTHING,
    STARTED,
    PAUSE,
    GO_ON,
    SLEEP,
    STOP,
    LET_GO,
};
static struct npri_nudge nudge;
static _Atomic(enum order) order;
static atomic_uint nudges;  /* that have run */
static atomic_uint failing; /* runs that say NPR_ENOMEM first */
static atomic_uint kills;
static atomic_bool init_stops;
static atomic_uint seen;
static atomic_bool knows_user;

static npr_status outside_nudged(struct npr_process *self, void *state)
{
    npr_status status = NPR_OK;

    (void)state;
    if (atomic_load(&failing) > 0) {
        (void)atomic_fetch_sub(&failing, 1);
        return NPR_ENOMEM;
    }
    switch (atomic_load(&order)) {
    case NOTHING:
        break;
    case STARTED:
        npri_process_keep_awake(self, true);
        npri_process_started(self);
        break;
    case SLEEP:
        npri_process_keep_awake(self, false);
        break;
    case PAUSE:
        npri_process_pause(self, true);
        break;
    case GO_ON:
        npri_process_pause(self, false);
        break;
    case STOP:
        status = npr_stop(self, NPRI_WORD_OK);
        break;
    case LET_GO:
        npri_process_let_go(self);
        break;
    }
    (void)atomic_fetch_add(&nudges, 1);
    return status;
}

static npr_status outside_init(struct npr_process *self, void *state, struct npr_term args);
static npr_status outside_info(struct npr_process *self, void *state, struct npr_term message);
static void outside_terminate(struct npr_process *self, void *state, struct npr_term reason);

static const char user[] = "user";
static struct npr_behaviour behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = outside_init,
    .info = outside_info,
    .terminate = outside_terminate,
    .user = user,
};

static npr_status outside_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    (void)args;
    atomic_store(&knows_user, npr_user(self) == behaviour.user);
    npri_nudge_init(&nudge, self, outside_nudged);
    npri_process_defer_start(self);
    return atomic_load(&init_stops) ? npr_stop(self, NPRI_WORD_OK) : NPR_OK;
}

static npr_status outside_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    (void)atomic_fetch_add(&seen, 1);
    return NPR_OK;
}

static void outside_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)state;
    if (npr_term_is_atom(reason, "killed")) {
        (void)atomic_fetch_add(&kills, 1);
    }
    npri_process_linger(self);
}

static struct npr_pid start(struct world *world)
{
    const struct npri_spawn spawn = {.behaviour = &behaviour};

    atomic_store(&nudges, 0);
    atomic_store(&failing, 0);
    atomic_store(&kills, 0);
    atomic_store(&seen, 0);
    atomic_store(&init_stops, false);
    return world_puppet_with(world, &spawn);
}

/* Until a message has been taken up to which all is acted on: sys is answered also while paused. */
static void settle(struct world *world, const struct npr_pid *pid)
{
    const struct npr_term from =
        WORLD_TUPLE(world, world_pid(world, &world->probe), world_atom(world, "t"));

    world_send(
        world, pid,
        WORLD_TUPLE(world, world_atom(world, "system"), from, world_atom(world, "get_state")));
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, any, any);
}

static void command(enum order what)
{
    const unsigned before = atomic_load(&nudges);

    atomic_store(&order, what);
    npri_nudge(&nudge);
    while (atomic_load(&nudges) == before) {
        (void)sched_yield();
    }
}

/* The last one: the process may be gone before it could be looked at. */
static void let_go(void)
{
    atomic_store(&order, LET_GO);
    npri_nudge(&nudge);
}

static void send_exit(struct world *world, const struct npr_pid *pid, struct npr_term reason)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT,
                                      .from = world_pid(world, &world->probe),
                                      .to = world_pid(world, pid),
                                      .payload = reason};

    world_deliver(world, &draft);
}

/* Would catch: a starter who is told before the outside is up; messages that reach it before. */
static void starts_when_the_outside_says_so(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    pid = start(&world);
    world_send(&world, &pid, NPRI_WORD_OK);
    settle(&world, &pid);
    assert_int_equal(world_count(&world, &world.started), 0);
    assert_int_equal(atomic_load(&seen), 0);
    assert_true(atomic_load(&knows_user));

    atomic_store(&failing, 3); /* it is run again until there is memory */
    command(STARTED);
    world_expect(&world, &world.started, NPRI_SIGNAL_MESSAGE, any, any);
    settle(&world, &pid);
    assert_int_equal(atomic_load(&seen), 1);

    send_exit(&world, &pid, NPRI_WORD_SHUTDOWN);
    command(NOTHING);
    let_go();
    world_close(&world);
}

/* Would catch: a start that has failed but whose starter is told so while the outside lives; or
 * told that it has not. */
static void a_start_that_fails_is_told_when_the_outside_is_gone(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npri_signal *told;

    (void)state;
    world_open(&world, 2);
    pid = start(&world);
    settle(&world, &pid);
    command(STOP);
    command(NOTHING);
    assert_int_equal(world_count(&world, &world.started), 0);
    assert_true(npri_runtime_is_alive(world.runtime, &pid));
    let_go();
    told = world_take(&world, &world.started);
    assert_int_equal(told->id, -NPR_EEXIT);
    assert_true(npr_term_is_atom(told->payload, "ok"));
    npri_signal_destroy(told);
    assert_false(npri_runtime_is_alive(world.runtime, &pid));
    world_close(&world);
}

/* Would catch: a pause that lets messages through, that loses them, changes their order with what
 * sys holds, or stops exit signals. */
static void pauses_hold_messages(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    pid = start(&world);
    settle(&world, &pid);
    command(STARTED);
    npri_signal_destroy(world_take(&world, &world.started));
    command(PAUSE);
    for (unsigned i = 0; i < 10; i++) {
        world_send(&world, &pid, NPRI_WORD_OK);
    }
    settle(&world, &pid);
    assert_int_equal(atomic_load(&seen), 0);
    command(GO_ON);
    settle(&world, &pid);
    assert_int_equal(atomic_load(&seen), 10);

    command(PAUSE);
    world_send(&world, &pid, NPRI_WORD_OK);
    (void)world_watch(&world, &pid);
    send_exit(&world, &pid, NPRI_WORD_SHUTDOWN);
    command(NOTHING); /* comes after the exit, and is run while it lingers */
    let_go();
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 NPRI_WORD_SHUTDOWN);
    assert_int_equal(atomic_load(&seen), 10);
    world_close(&world);
}

/* Would catch: an end that is told while the outside lives; monitors that come meanwhile and are
 * told noproc; a kill that does not reach terminate. */
static void ends_when_the_outside_is_gone(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    pid = start(&world);
    settle(&world, &pid);
    command(STARTED);
    npri_signal_destroy(world_take(&world, &world.started));
    (void)world_watch(&world, &pid);
    send_exit(&world, &pid, NPRI_WORD_SHUTDOWN);
    command(NOTHING);
    (void)world_watch(&world, &pid);
    world_send(&world, &pid, NPRI_WORD_OK);
    send_exit(&world, &pid, world_atom(&world, "other"));
    assert_int_equal(atomic_load(&kills), 0);
    send_exit(&world, &pid, world_atom(&world, "kill"));
    command(NOTHING);
    assert_int_equal(atomic_load(&kills), 1);
    assert_true(npri_runtime_is_alive(world.runtime, &pid));
    assert_int_equal(world_count(&world, &world.probed), 0);
    let_go();
    for (unsigned i = 0; i < 2; i++) {
        world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                     NPRI_WORD_SHUTDOWN);
    }
    assert_int_equal(atomic_load(&seen), 0);
    world_close(&world);
}

static void *stop_runtime(void *user_pointer)
{
    npri_runtime_stop(user_pointer);
    return NULL;
}

/* Would catch: the end of a runtime that does not wait for the outside, or waits for ever; also for
 * one whose start is not complete. */
static void the_end_of_the_runtime_waits(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npri_signal *told;
    pthread_t thread;

    (void)state;
    world_open(&world, 2);
    pid = start(&world);
    settle(&world, &pid);
    (void)world_watch(&world, &pid);
    assert_int_equal(pthread_create(&thread, NULL, stop_runtime, world.runtime), 0);
    command(NOTHING); /* before the stop or after */
    assert_int_equal(world_count(&world, &world.started), 0);
    while (!atomic_load(&world.runtime->stopping)) {
        (void)sched_yield();
    }
    command(NOTHING);
    let_go();
    told = world_take(&world, &world.started);
    assert_int_equal(told->id, -NPR_ECLOSED);
    npri_signal_destroy(told);
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, world_pid(&world, &pid),
                 NPRI_WORD_SHUTDOWN);
    assert_int_equal(pthread_join(thread, NULL), 0);
    npri_runtime_destroy(world.runtime);
    world.runtime = NULL;
    world_close(&world);
}

/* Would catch: an idle time that ends a process which is kept awake; one that lingers for ever,
 * since it has left the table. */
static void idle_ends_linger_too(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    behaviour.idle_ms = 1;
    world_open(&world, 2);
    pid = start(&world);
    settle(&world, &pid); /* not idle while it starts */
    command(STARTED);
    npri_signal_destroy(world_take(&world, &world.started));
    (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* long enough to be idle */
    settle(&world, &pid);                                           /* but it is kept awake */
    command(SLEEP);
    while (npri_runtime_is_alive(world.runtime, &pid)) {
        (void)sched_yield();
    }
    command(NOTHING);
    let_go();
    world_close(&world); /* waits for it */
    behaviour.idle_ms = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_when_the_outside_says_so),
        cmocka_unit_test(a_start_that_fails_is_told_when_the_outside_is_gone),
        cmocka_unit_test(pauses_hold_messages),
        cmocka_unit_test(ends_when_the_outside_is_gone),
        cmocka_unit_test(the_end_of_the_runtime_waits),
        cmocka_unit_test(idle_ends_linger_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
