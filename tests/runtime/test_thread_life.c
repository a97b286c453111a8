/* Thread processes, from start to end: what ends them, with which reason, who waits for it. */
#include "threads_world.h"

#include <sched.h>

#define LIVES 400

static npr_status wait_for_the_end(struct npr_process *self)
{
    struct npr_received received;

    REQUIRE(threads_tell(self, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_EEXIT);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_EEXIT);
    return NPR_EREFUSED; /* what the end is has been decided */
}

/* Would catch: a receive that an exit signal does not end, another reason than the signal's, a
 * terminate that is not run. */
static void exits_end_a_receive(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = threads_start_of(&world, &threads_scripted_to_the_end, wait_for_the_end);
    threads_expect_told(&world, NPRI_WORD_OK);
    threads_send_exit(&world, &pid, world_atom(&world, "kill"));
    threads_expect_told(&world, NPRI_WORD_KILLED);
    threads_expect_end(&world, &pid, NPRI_WORD_KILLED);

    pid = threads_start_of(&world, &threads_scripted_to_the_end, wait_for_the_end);
    threads_expect_told(&world, NPRI_WORD_OK);
    threads_send_exit(&world, &pid, world_atom(&world, "reason"));
    threads_expect_told(&world, world_atom(&world, "reason"));
    threads_expect_end(&world, &pid, world_atom(&world, "reason"));
    assert_int_equal(world_count(&world, &world.crashes), 0);
    world_close(&world);
}

static npr_status work_then_look(struct npr_process *self)
{
    struct npr_received received;

    threads_pass_gate();
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_EEXIT);
    return NPR_OK;
}

/* Would catch: a process that is announced dead, or whose name is free, while its code runs. */
static void code_that_runs_is_alive(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_pid named;

    (void)state;
    world_open(&world, 1);
    pid = threads_start(&world, work_then_look);
    threads_await(&threads_in_code);
    assert_int_equal(npri_runtime_register(world.runtime, npr_bytes_of("worker"), &pid), NPR_OK);
    threads_send_exit(&world, &pid, world_atom(&world, "kill"));
    assert_true(npri_runtime_is_alive(world.runtime, &pid));
    assert_true(npri_runtime_whereis(world.runtime, npr_bytes_of("worker"), &named));
    assert_int_equal(world_count(&world, &world.probed), 0);
    threads_open_gate();
    threads_expect_end(&world, &pid, NPRI_WORD_KILLED);
    assert_false(npri_runtime_is_alive(world.runtime, &pid));
    assert_false(npri_runtime_whereis(world.runtime, npr_bytes_of("worker"), &named));
    world_close(&world);
}

static npr_status stop_with_a_reason(struct npr_process *self)
{
    struct npr_received received;

    REQUIRE(npr_stop(self, NPRI_WORD_SHUTDOWN) == NPR_OK);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT); /* still its own */
    return NPR_OK;
}

static npr_status fail_at_once(struct npr_process *self)
{
    (void)self;
    return NPR_EIO;
}

/* Would catch: a reason of npr_stop(), or a failure, that is not the reason of the end. */
static void code_ends_with_its_own_reason(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_term failure;

    (void)state;
    world_open(&world, 1);
    pid = threads_start_of(&world, &threads_scripted_to_the_end, stop_with_a_reason);
    threads_expect_told(&world, NPRI_WORD_SHUTDOWN);
    threads_expect_end(&world, &pid, NPRI_WORD_SHUTDOWN);
    pid = threads_start_of(&world, &threads_scripted_to_the_end, fail_at_once);
    failure = WORLD_TUPLE(&world, world_atom(&world, "error"), world_atom(&world, "eio"));
    threads_expect_told(&world, failure);
    threads_expect_end(&world, &pid, failure);
    world_expect(&world, &world.crashes, NPRI_SIGNAL_MESSAGE, threads_any, failure);
    world_close(&world);
}

static npr_status refuse_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_received received;

    (void)state;
    (void)args;
    return npr_receive(self, 0, NULL, NULL, &received) == NPR_EINVAL ? NPR_EREFUSED : NPR_EIO;
}

/* Would catch: a failed init that leaves a process, or run being called after it. */
static void a_failed_init_starts_nothing(void **state)
{
    const struct npr_behaviour behaviour = {.struct_size = sizeof(behaviour),
                                            .init = refuse_init,
                                            .run = threads_run,
                                            .terminate = threads_terminate};
    const struct npri_spawn spawn = {.behaviour = &behaviour};
    struct world world;
    struct npr_pid pid;
    struct npri_signal *started;

    (void)state;
    world_open(&world, 1);
    atomic_store(&threads_script, NULL);
    pid = world_puppet_with(&world, &spawn);
    started = world_take(&world, &world.started);
    assert_int_equal(started->id, -(int)NPR_EREFUSED);
    npri_signal_destroy(started);
    assert_false(npri_runtime_is_alive(world.runtime, &pid));
    world_close(&world);
}

static void *stop_runtime(void *user)
{
    npri_runtime_stop(user);
    return NULL;
}

static npr_status work_to_the_end(struct npr_process *self)
{
    struct npr_received received;

    if (!atomic_exchange(&threads_in_code, true)) {
        threads_pass_gate();
    }
    REQUIRE(npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_EEXIT);
    (void)atomic_fetch_add(&threads_seen_count, 1);
    return NPR_OK;
}

/* Would catch: a runtime that stops while code runs, does not wake who waits, or forgets a thread.
 */
static void the_end_of_the_runtime_waits_for_all(void **state)
{
    const struct npri_spawn spawn = {.behaviour = &threads_scripted};
    struct world world;
    pthread_t stopper;

    (void)state;
    world_open(&world, 2);
    (void)threads_start(&world, work_to_the_end);
    for (int i = 1; i < WORLD_THREADS_MAX; i++) {
        (void)world_puppet_with(&world, &spawn);
        npri_signal_destroy(world_take(&world, &world.started));
    }
    threads_await(&threads_in_code);
    assert_int_equal(pthread_create(&stopper, NULL, stop_runtime, world.runtime), 0);
    while (atomic_load(&threads_seen_count) != WORLD_THREADS_MAX - 1) {
        (void)sched_yield(); /* all but the one in its code */
    }
    threads_open_gate();
    assert_int_equal(pthread_join(stopper, NULL), 0);
    assert_int_equal(atomic_load(&threads_seen_count), WORLD_THREADS_MAX);
    assert_int_equal(atomic_load(&threads_failed_at), 0);
    npri_runtime_destroy(world.runtime);
    world.runtime = NULL;
    world_close(&world);
}

/* Would catch: what a thread that ends and a sender that is late do to each other; threads that are
 * not joined. */
static void lives_are_short(void **state)
{
    const struct npri_spawn spawn = {.behaviour = &threads_scripted};
    struct world world;
    struct npr_term kill;

    (void)state;
    world_open(&world, 2);
    kill = world_atom(&world, "kill");
    atomic_store(&threads_script, threads_wait_quietly);
    for (int i = 0; i < LIVES; i++) {
        const struct npr_pid pid = world_puppet_with(&world, &spawn);
        struct npr_builder *builder = npr_builder_create();
        struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT, .payload = kill};

        assert_non_null(builder);
        npr_build_pid(builder, &pid);
        assert_int_equal(npr_builder_finish(builder, &draft.to, NULL), NPR_OK);
        draft.from = draft.to;
        world_deliver(&world, &draft);
        npr_builder_destroy(builder);
        npri_signal_destroy(world_take(&world, &world.started));
        while (npri_runtime_process_count(world.runtime) > WORLD_THREADS_MAX - 2) {
            (void)sched_yield();
        }
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exits_end_a_receive),
        cmocka_unit_test(code_that_runs_is_alive),
        cmocka_unit_test(code_ends_with_its_own_reason),
        cmocka_unit_test(a_failed_init_starts_nothing),
        cmocka_unit_test(the_end_of_the_runtime_waits_for_all),
        cmocka_unit_test(lives_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
