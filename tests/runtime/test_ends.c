/* Registered processes: their end is told to one listener before anybody else hears of it. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>

enum {
    MANY = 1000,
    RACES = 300,
};

static const struct npr_term any;

static struct npr_pid registered_puppet(struct world *world)
{
    const struct npr_pid pid = world_puppet(world);

    assert_int_equal(npri_runtime_watch(world->runtime, &pid), NPRI_WATCH_ON);
    return pid;
}

static void stop(struct world *world, const struct npr_pid *pid, const char *reason)
{
    world_do_term(world, pid, WORLD_STOP, world_atom(world, reason));
}

/* Reads and finishes all that have ended.  Returns how many. */
static size_t finish_all(struct npri_runtime *runtime)
{
    struct npr_process *process = npri_runtime_take_ended(runtime);
    size_t count = 0;

    while (process != NULL) {
        struct npr_process *next = npri_ended_next(process);
        struct npr_term reason;
        struct npr_pid pid;

        npri_ended_read(process, &pid, &reason);
        npri_runtime_finish(process);
        count++;
        process = next;
        if (process == NULL) {
            process = npri_runtime_take_ended(runtime);
        }
    }
    return count;
}

/* Would catch: links or monitors that hear of an end while the registry still has its entry; also
 * by a monitor that comes in just that moment; a reason that gets lost. */
static void nobody_hears_of_an_end_before_the_listener(void **state)
{
    struct npr_process *process;
    struct npr_term reason;
    struct npr_pid pid;
    struct npr_pid other;
    struct npr_pid ended;
    struct world world;

    (void)state;
    world_open(&world, 2);
    pid = registered_puppet(&world);
    other = world_puppet(&world);
    world_do_term(&world, &other, WORLD_TRAP, any);
    world_do_pid(&world, &other, WORLD_LINK, &pid);
    (void)world_watch(&world, &pid);
    stop(&world, &pid, "enough");
    world_await_ended(&world, 1);
    assert_false(npri_runtime_is_alive(world.runtime, &pid));
    assert_int_equal(npri_runtime_process_count(world.runtime), 1);
    (void)world_watch(&world, &pid); /* too late: but not to be told so yet */
    world_send(&world, &pid, NPRI_WORD_OK);
    world_settle(&world, &other);
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any, any); /* terminate */
    assert_int_equal(world_count(&world, &world.probed), 0);

    process = npri_runtime_take_ended(world.runtime);
    assert_non_null(process);
    assert_null(npri_ended_next(process));
    npri_ended_read(process, &ended, &reason);
    assert_true(npr_pid_equal(&ended, &pid));
    assert_true(npr_term_is_atom(reason, "enough"));
    assert_int_equal(world_count(&world, &world.probed), 0);
    npri_runtime_finish(process);
    assert_null(npri_runtime_take_ended(world.runtime));
    for (int downs = 0, exits = 0; downs < 2 || exits < 1;) {
        struct npri_signal *signal = world_take(&world, &world.probed);

        downs += signal->kind == NPRI_SIGNAL_DOWN ? 1 : 0;
        exits += signal->kind == NPRI_SIGNAL_MESSAGE ? 1 : 0; /* {info,{'EXIT',...}} of `other` */
        npri_signal_destroy(signal);
    }
    world_close(&world);
}

/* Would catch: an end that is told of nobody, for ever or twice: by one who registers a process in
 * the moment of its end, or takes the registration back. */
static void registering_says_whether_the_end_will_be_told(void **state)
{
    struct npr_process *process;
    struct npr_term reason;
    struct npr_pid ended;
    struct npr_pid pid;
    struct npr_pid stranger = world_remote_pid("a@h", 70);
    struct world world;

    (void)state;
    world_open(&world, 2);
    assert_int_equal(npri_runtime_watch(world.runtime, &world.probe), NPRI_WATCH_ON);
    assert_int_equal(npri_runtime_watch(world.runtime, &stranger), NPRI_WATCH_DEAD);

    pid = registered_puppet(&world);
    stop(&world, &pid, "normal");
    world_await_ended(&world, 1);
    assert_int_equal(npri_runtime_watch(world.runtime, &pid), NPRI_WATCH_ENDING);
    npri_runtime_unwatch(world.runtime, &pid); /* too late */
    assert_int_equal(npri_runtime_watch(world.runtime, &pid), NPRI_WATCH_ENDING);
    process = npri_runtime_take_ended(world.runtime);
    npri_ended_read(process, &ended, &reason);
    assert_int_equal(npri_runtime_watch(world.runtime, &pid), NPRI_WATCH_DEAD);
    npri_runtime_finish(process);
    assert_null(npri_runtime_take_ended(world.runtime));

    pid = registered_puppet(&world);
    npri_runtime_unwatch(world.runtime, &pid);
    stop(&world, &pid, "normal");
    (void)world_await_end(&world, &pid);
    assert_int_equal(npri_runtime_watch(world.runtime, &pid), NPRI_WATCH_DEAD);
    world_await_ended(&world, 1);
    world_close(&world);
}

static npr_status stopping_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    (void)args;
    return npr_stop(self, NPRI_WORD_NORMAL);
}

static const struct npr_behaviour stopping_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = stopping_init,
};

static const struct npr_behaviour idle_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .idle_ms = 1,
};

/* Would catch: ways to the end that bypass the listener: a failed init, an idle time, a kill. */
static void every_way_to_the_end_is_told(void **state)
{
    struct npri_spawn spawn = {.registered = true};
    struct npr_pid pid;
    struct world world;

    (void)state;
    world_open(&world, 2);
    spawn.behaviour = &stopping_behaviour;
    (void)world_puppet_with(&world, &spawn);
    world_await_ended(&world, 1);
    assert_int_equal(finish_all(world.runtime), 1);
    spawn.behaviour = &idle_behaviour;
    (void)world_puppet_with(&world, &spawn);
    world_await_ended(&world, 2);
    assert_int_equal(finish_all(world.runtime), 1);
    spawn.behaviour = NULL;
    pid = world_puppet_with(&world, &spawn);
    world_deliver(&world, &(struct npri_signal){.kind = NPRI_SIGNAL_EXIT,
                                                .from = world_pid(&world, &world.probe),
                                                .to = world_pid(&world, &pid),
                                                .payload = world_atom(&world, "kill")});
    world_await_ended(&world, 3);
    assert_int_equal(finish_all(world.runtime), 1);
    world_close(&world);
}

/* Would catch: a wake-up of the loop for each of many ends, or one that is missing after a rest. */
static void many_ends_are_one_call(void **state)
{
    static struct npr_pid pids[MANY];
    struct world world;
    size_t count = 0;

    (void)state;
    world_open(&world, 2);
    for (size_t i = 0; i < MANY; i++) {
        pids[i] = registered_puppet(&world);
    }
    for (size_t i = 0; i < MANY; i++) {
        world_send(&world, &pids[i],
                   WORLD_TUPLE(&world, world_atom(&world, "$gen_cast"), NPRI_WORD_OK));
        npr_builder_destroy(world.terms[--world.terms_count]);
        npr_builder_destroy(world.terms[--world.terms_count]);
    }
    while (npri_runtime_process_count(world.runtime) > 0) {
        (void)sched_yield();
    }
    world_await_ended(&world, 1);
    while (count < MANY) { /* the last may be between the table and the listener */
        struct npr_process *process = npri_runtime_take_ended(world.runtime);

        while (process != NULL) {
            struct npr_process *next = npri_ended_next(process);
            struct npr_term reason;
            struct npr_pid pid;

            npri_ended_read(process, &pid, &reason);
            npri_runtime_finish(process);
            count++;
            process = next;
        }
    }
    (void)pthread_mutex_lock(&world.mutex);
    assert_true(world.ended <= 2);
    (void)pthread_mutex_unlock(&world.mutex);
    world_close(&world);
}

/* ---- A listener that is a thread, as the registry's is. */

struct listener {
    struct world *world;
    size_t read;
    atomic_bool quit;
};

static void *listen(void *user)
{
    struct listener *listener = user;

    while (!atomic_load(&listener->quit)) {
        listener->read += finish_all(listener->world->runtime);
        (void)sched_yield();
    }
    return NULL;
}

/* Would catch: a stop that hangs, or frees what the listener still has; under the thread sanitizer:
 * an end that is read without having been handed over. */
static void a_stop_waits_for_the_listener(void **state)
{
    struct listener listener = {0};
    struct world world;
    pthread_t thread;

    (void)state;
    world_open(&world, 2);
    listener.world = &world;
    assert_int_equal(pthread_create(&thread, NULL, listen, &listener), 0);
    for (size_t i = 0; i < RACES; i++) {
        const struct npr_pid pid = registered_puppet(&world);

        if (i % 2 == 0) {
            world_deliver(&world, &(struct npri_signal){.kind = NPRI_SIGNAL_EXIT,
                                                        .from = world_pid(&world, &world.probe),
                                                        .to = world_pid(&world, &pid),
                                                        .payload = NPRI_WORD_SHUTDOWN});
            npr_builder_destroy(world.terms[--world.terms_count]);
            npr_builder_destroy(world.terms[--world.terms_count]);
        }
    }
    npri_runtime_stop(world.runtime);
    atomic_store(&listener.quit, true);
    (void)pthread_join(thread, NULL);
    assert_int_equal(listener.read, RACES);
    npri_runtime_destroy(world.runtime);
    world.runtime = NULL;
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_hears_of_an_end_before_the_listener),
        cmocka_unit_test(registering_says_whether_the_end_will_be_told),
        cmocka_unit_test(every_way_to_the_end_is_told),
        cmocka_unit_test(many_ends_are_one_call),
        cmocka_unit_test(a_stop_waits_for_the_listener),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
