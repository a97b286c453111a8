/* Thread processes at their limits: misuse, too many of them, bounded mailboxes, no memory. */
#include "threads_world.h"

#include "base/alloc.h"

#define SWEEPS_MAX 60

/* ---- Misuse and limits. */

static struct npr_process *leaked_self;

static npr_status leak_self(struct npr_process *self)
{
    leaked_self = self;
    threads_pass_gate();
    return NPR_OK;
}

static bool receives_inside(void *user, const struct npr_received *received)
{
    struct npr_received again;

    (void)received;
    if (npr_receive(user, 0, NULL, NULL, &again) != NPR_EINVAL ||
        npr_receive_fd(user) != (int)NPR_EINVAL) {
        atomic_store(&threads_failed_at, __LINE__);
    }
    return true;
}

static npr_status misuse(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    const struct npr_address nowhere = {0};
    struct npr_address to = {.pid = me};
    struct npr_builder *reply = npr_builder_create();
    struct npr_received received;

    REQUIRE(reply != NULL);
    REQUIRE(npr_receive(self, 0, NULL, NULL, NULL) == NPR_EINVAL);
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, 0, receives_inside, self, &received) == NPR_OK);
    REQUIRE(npr_continue(self, NPRI_WORD_OK) == NPR_EINVAL);
    REQUIRE(npr_receive_call(self, &to, NPRI_WORD_OK, 0, reply, NULL) == NPR_EINVAL);
    REQUIRE(npr_receive_call(self, &nowhere, NPRI_WORD_OK, 0, reply, NULL) == NPR_EINVAL);
    to.pid = threads_other;
    REQUIRE(npr_receive_call(self, NULL, NPRI_WORD_OK, 0, reply, NULL) == NPR_EINVAL);
    REQUIRE(npr_receive_call(self, &to, threads_any, 0, reply, NULL) == NPR_EINVAL);
    REQUIRE(npr_receive_call(self, &to, NPRI_WORD_OK, 0, NULL, NULL) == NPR_EINVAL);
    npr_builder_destroy(reply);
    return NPR_OK;
}

static npr_status receive_in_callback(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_received received;

    (void)state;
    (void)args;
    return npr_receive(self, 0, NULL, NULL, &received) == NPR_EINVAL ? NPR_OK : NPR_EIO;
}

/* Would catch: a receive that is let in where it must not be, or a crash of it. */
static void misuse_is_answered(void **state)
{
    const struct npr_behaviour callbacks = {.struct_size = sizeof(callbacks),
                                            .init = receive_in_callback};
    const struct npri_spawn spawn = {.behaviour = &callbacks};
    struct world world;
    struct npr_pid pid;
    struct npr_received received;
    struct npri_signal *started;

    (void)state;
    world_open(&world, 1);
    (void)world_puppet_with(&world, &spawn);
    started = world_take(&world, &world.started);
    assert_int_equal(started->id, 0);
    npri_signal_destroy(started);

    pid = threads_start(&world, leak_self);
    threads_await(&threads_in_code);
    assert_int_equal(npr_receive(leaked_self, 0, NULL, NULL, &received), NPR_EINVAL);
    assert_int_equal(npr_receive(NULL, 0, NULL, NULL, &received), NPR_EINVAL);
    assert_int_equal(npr_receive_fd(leaked_self), NPR_EINVAL);
    threads_open_gate();
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    assert_int_equal(npr_receive(leaked_self, 0, NULL, NULL, &received), NPR_EINVAL);

    threads_other = world.probe;
    pid = threads_start(&world, misuse);
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static npr_status no_call(struct npr_process *self,
                          void *state,
                          const struct npr_from *from,
                          struct npr_term request)
{
    (void)self;
    (void)state;
    (void)from;
    (void)request;
    return NPR_OK;
}

/* Would catch: a behaviour whose callbacks would silently never run. */
static void run_and_callbacks_exclude_each_other(void **state)
{
    const struct npr_behaviour both = {
        .struct_size = sizeof(both), .run = threads_run, .call = no_call};
    const struct npri_spawn spawn = {.behaviour = &both, .function = "both:start"};
    struct world world;
    struct npr_error error = {0};
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, &error), NPR_EINVAL);
    assert_string_equal(error.text,
                        "both:start: a behaviour with both run and callbacks for messages");
    world_close(&world);
}

/* Would catch: threads without limit, a refusal without a reason, a place that is not free again
 * once its process is dead. */
static void too_many_are_refused(void **state)
{
    const struct npri_spawn spawn = {.behaviour = &threads_scripted, .function = "worker:start"};
    struct world world;
    struct npr_pid pids[WORLD_THREADS_MAX];
    struct npr_error error = {0};
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    for (int i = 0; i < WORLD_THREADS_MAX; i++) {
        pids[i] = threads_start(&world, threads_wait_quietly);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, &error), NPR_EFULL);
        assert_string_equal(error.text,
                            "no thread for worker:start: 16 thread processes run, which "
                            "is threads_max");
        threads_send_exit(&world, &pids[i], world_atom(&world, "kill"));
        threads_expect_end(&world, &pids[i], NPRI_WORD_KILLED);
        assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, NULL), NPR_OK);
    }
    world_close(&world);
}

/* ---- Bounded mailboxes. */

static npr_status leave_and_take(struct npr_process *self)
{
    struct npr_received received;

    threads_pass_gate();
    REQUIRE(npr_receive(self, 0, threads_is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    threads_close_gate();
    REQUIRE(threads_tell(self, NPRI_WORD_OK) == NPR_OK);
    threads_pass_gate();
    while (npr_receive(self, 0, NULL, NULL, &received) == NPR_OK) {
        REQUIRE(threads_tell(self, received.term) == NPR_OK);
    }
    return NPR_OK;
}

static const struct npr_behaviour drops_newest = {.struct_size = sizeof(struct npr_behaviour),
                                                  .run = threads_run,
                                                  .mailbox_max = 3,
                                                  .overflow = NPR_OVERFLOW_DROP_NEWEST};
static const struct npr_behaviour drops_oldest = {.struct_size = sizeof(struct npr_behaviour),
                                                  .run = threads_run,
                                                  .mailbox_max = 3,
                                                  .overflow = NPR_OVERFLOW_DROP_OLDEST};

static struct npr_pid fill(struct world *world, const struct npr_behaviour *behaviour)
{
    const struct npr_pid pid = threads_start_of(world, behaviour, leave_and_take);

    for (int i = 1; i <= 3; i++) {
        threads_send_int(world, &pid, i);
    }
    threads_open_gate();
    threads_expect_told(world, NPRI_WORD_OK);
    for (int i = 4; i <= 5; i++) {
        threads_send_int(world, &pid, i);
    }
    threads_open_gate();
    return pid;
}

/* Would catch: what a filter has left no longer counting for the limit; the policy dropping another
 * one than it says. */
static void what_is_left_counts_for_the_limit(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = fill(&world, &drops_newest);
    for (int i = 1; i <= 3; i++) {
        threads_expect_told(&world, world_int(&world, i));
    }
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    pid = fill(&world, &drops_oldest);
    for (int i = 3; i <= 5; i++) {
        threads_expect_told(&world, world_int(&world, i));
    }
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static bool is_six(void *user, const struct npr_received *received)
{
    (void)user;
    if (threads_is_int(received, 3)) {
        threads_pass_gate();
    }
    return threads_is_int(received, 6);
}

static npr_status take_six(struct npr_process *self)
{
    struct npr_received received;

    REQUIRE(npr_receive(self, LONG_MS, is_six, NULL, &received) == NPR_OK &&
            threads_is_int(&received, 6));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && threads_is_int(&received, 4));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && threads_is_int(&received, 5));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    return NPR_OK;
}

/* Would catch: a receive that goes on from a message which has given way meanwhile. */
static void what_has_been_looked_at_gives_way(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = threads_start_of(&world, &drops_oldest, take_six);
    for (int i = 1; i <= 3; i++) {
        threads_send_int(&world, &pid, i);
    }
    threads_await(&threads_in_code);
    for (int i = 4; i <= 6; i++) {
        threads_send_int(&world, &pid, i);
    }
    threads_open_gate();
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

/* ---- Without memory. */

/* With a dead process all that is needed is allocated on this thread: nobody else is disturbed. */
static npr_status lack_memory(struct npr_process *self)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_received received;
    struct npr_ref ref;
    npr_status status;
    uint64_t nth = 0;

    do {
        npri_alloc_fail_after(++nth);
        status = threads_call(self, NPRI_WORD_OK, LONG_MS, reply);
        npri_alloc_fail_after(0);
    } while (status == NPR_ENOMEM && nth < SWEEPS_MAX);
    REQUIRE(status == NPR_ENOPROC && nth > 4);
    npr_trap_exit(self, true);
    REQUIRE(npr_monitor(self, &threads_other, &ref) == NPR_OK);
    REQUIRE(npr_link(self, &threads_other) == NPR_OK);
    for (uint32_t arity = 5; arity >= 3; arity -= 2) { /* DOWN and EXIT, both made here */
        struct npr_term parts[5];

        nth = 0;
        do {
            npri_alloc_fail_after(++nth);
            status = npr_receive(self, LONG_MS, NULL, NULL, &received);
            npri_alloc_fail_after(0);
        } while (status == NPR_ENOMEM && nth < SWEEPS_MAX);
        REQUIRE(status == NPR_OK && nth > 1);
        REQUIRE(npr_term_get_tuple(received.term, arity, parts));
    }
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    npr_builder_destroy(reply);
    return NPR_OK;
}

/* Would catch: what is lost, leaked or told twice when memory ends. */
static void nothing_is_lost_without_memory(void **state)
{
    const struct npri_spawn spawn = {
        .behaviour = &threads_scripted, .function = "worker:start", .args = NPRI_WORD_OK};
    struct world world;
    struct npr_pid pid;
    npr_status status;
    uint64_t nth = 0;

    (void)state;
    world_open(&world, 1);
    threads_other = npri_runtime_new_pid(world.runtime);
    pid = threads_start(&world, lack_memory);
    threads_expect_end(&world, &pid, NPRI_WORD_NORMAL);

    atomic_store(&threads_script, threads_wait_quietly);
    do {
        npri_alloc_fail_after(++nth);
        status = npri_runtime_spawn(world.runtime, &spawn, &pid, NULL);
        npri_alloc_fail_after(0);
    } while (status == NPR_ENOMEM && nth < SWEEPS_MAX);
    assert_int_equal(status, NPR_OK);
    assert_true(nth > 4);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misuse_is_answered),
        cmocka_unit_test(run_and_callbacks_exclude_each_other),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(what_is_left_counts_for_the_limit),
        cmocka_unit_test(what_has_been_looked_at_gives_way),
        cmocka_unit_test(nothing_is_lost_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
