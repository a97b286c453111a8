/* Processes with a thread of their own. */
#include "world.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>

#include "nprocreg/thread.h"

#include "base/alloc.h"
#include "runtime/internal.h"

#define MS         UINT64_C(1000000)
#define LONG_MS    30000 /* a wait that does not end by itself */
#define SWEEPS_MAX 60

static const struct npr_term any;

/* ---- A thread process that runs a function of the case. */

typedef npr_status (*script_fn)(struct npr_process *self);

static _Atomic(script_fn) script;
static struct npr_pid probe;
static struct npr_pid other; /* whom the script deals with */
static atomic_int failed_at; /* the line of what the script found wrong */
static atomic_bool gate;
static atomic_bool in_code;
static atomic_uint seen_count;

/* cmocka's own asserts are for the thread of the case. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            atomic_store(&failed_at, __LINE__);                                                    \
            return NPR_EIO;                                                                        \
        }                                                                                          \
    } while (0)

static npr_status script_run(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    (void)args;
    return atomic_load(&script)(self);
}

static npr_status tell(struct npr_process *self, struct npr_term term)
{
    return npr_send(self, &probe, term);
}

static void script_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    struct npr_received received;

    (void)state;
    if (npr_receive(self, 0, NULL, NULL, &received) != NPR_EEXIT) {
        atomic_store(&failed_at, __LINE__);
    }
    (void)tell(self, reason);
}

static const struct npr_behaviour scripted = {
    .struct_size = sizeof(struct npr_behaviour),
    .run = script_run,
};

static const struct npr_behaviour scripted_to_the_end = {
    .struct_size = sizeof(struct npr_behaviour),
    .run = script_run,
    .terminate = script_terminate,
};

static struct npr_pid start_of(struct world *world,
                               const struct npr_behaviour *behaviour,
                               script_fn run)
{
    const struct npr_ref ref = npri_runtime_new_ref(world->runtime);
    const struct npri_spawn spawn = {.behaviour = behaviour,
                                     .parent = world_pid(world, &world->probe),
                                     .monitor = true,
                                     .monitor_ref = world_ref(world, &ref)};
    struct npr_pid pid;

    atomic_store(&script, run);
    probe = world->probe;
    atomic_store(&failed_at, 0);
    atomic_store(&gate, false);
    atomic_store(&in_code, false);
    atomic_store(&seen_count, 0);
    pid = world_puppet_with(world, &spawn);
    npri_signal_destroy(world_take(world, &world->started));
    return pid;
}

static struct npr_pid start(struct world *world, script_fn run)
{
    return start_of(world, &scripted, run);
}

/* The probe monitors each of them. */
static void expect_end(struct world *world, const struct npr_pid *pid, struct npr_term reason)
{
    struct npri_signal *down = world_take(world, &world->probed);

    assert_int_equal(atomic_load(&failed_at), 0);
    assert_int_equal(down->kind, NPRI_SIGNAL_DOWN);
    assert_true(npr_term_equal(down->from, world_pid(world, pid)));
    assert_true(npr_term_equal(down->payload, reason));
    npri_signal_destroy(down);
}

static void expect_told(struct world *world, struct npr_term message)
{
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, any, message);
}

static void send_exit(struct world *world, const struct npr_pid *pid, struct npr_term reason)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT,
                                      .from = world_pid(world, &world->probe),
                                      .to = world_pid(world, pid),
                                      .payload = reason};

    world_deliver(world, &draft);
}

static void send_int(struct world *world, const struct npr_pid *pid, int64_t value)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term = {0};

    assert_non_null(builder);
    npr_build_int(builder, value);
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    world_send(world, pid, term);
    npr_builder_destroy(builder);
}

static void open_gate(void)
{
    atomic_store(&gate, true);
}

static void pass_gate(void)
{
    atomic_store(&in_code, true);
    while (!atomic_load(&gate)) {
        (void)sched_yield();
    }
}

static void await(const atomic_bool *flag)
{
    while (!atomic_load(flag)) {
        (void)sched_yield();
    }
}

static bool is_int(const struct npr_received *received, int64_t expected)
{
    int64_t value;

    return received->kind == NPR_RECEIVED_MESSAGE && npr_term_get_int64(received->term, &value) &&
           value == expected;
}

/* ---- Receiving. */

static npr_status take_each_kind(struct npr_process *self)
{
    struct npr_received received;

    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK && is_int(&received, 1));
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK);
    REQUIRE(received.kind == NPR_RECEIVED_CALL && npr_term_is_atom(received.term, "question"));
    REQUIRE(npr_reply(self, &received.from, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK);
    REQUIRE(received.kind == NPR_RECEIVED_CAST && npr_term_is_atom(received.term, "news"));
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK && is_int(&received, 2));
    return NPR_OK;
}

/* Would catch: another order than that of sending, a call or cast that is told as something else, a
 * reply that goes astray, another end than normal. */
static void what_is_sent_is_received_in_order(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npr_term tag;

    (void)state;
    world_open(&world, 1);
    pid = start(&world, take_each_kind);
    tag = world_atom(&world, "tag");
    send_int(&world, &pid, 1);
    world_send(&world, &pid,
               WORLD_TUPLE(&world, world_atom(&world, "$gen_call"),
                           WORLD_TUPLE(&world, world_pid(&world, &world.probe), tag),
                           world_atom(&world, "question")));
    world_send(&world, &pid,
               WORLD_TUPLE(&world, world_atom(&world, "$gen_cast"), world_atom(&world, "news")));
    send_int(&world, &pid, 2);
    expect_told(&world, WORLD_TUPLE(&world, tag, NPRI_WORD_OK));
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static bool is_even(void *user, const struct npr_received *received)
{
    int64_t value;

    (void)user;
    (void)atomic_fetch_add(&seen_count, 1);
    return npr_term_get_int64(received->term, &value) && value % 2 == 0;
}

static npr_status take_even_ones(struct npr_process *self)
{
    struct npr_received received;

    pass_gate();
    REQUIRE(npr_receive(self, 0, is_even, NULL, &received) == NPR_OK && is_int(&received, 4));
    REQUIRE(atomic_load(&seen_count) == 3);
    REQUIRE(npr_receive(self, 0, is_even, NULL, &received) == NPR_OK && is_int(&received, 6));
    REQUIRE(atomic_load(&seen_count) == 7);
    REQUIRE(npr_receive(self, 0, is_even, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npri_process_waiting(self) == 3);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && is_int(&received, 1));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && is_int(&received, 3));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && is_int(&received, 5));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npri_process_waiting(self) == 0);
    return NPR_OK;
}

/* Would catch: messages that a filter leaves being lost, reordered, or no longer counted as
 * waiting; one being looked at twice by the same receive. */
static void filters_leave_the_rest_in_order(void **state)
{
    static const int64_t values[] = {1, 3, 4, 5, 6};
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = start(&world, take_even_ones);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        send_int(&world, &pid, values[i]);
    }
    open_gate();
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static npr_status wait_for_times(struct npr_process *self)
{
    struct npr_received received;
    const struct npr_pid me = npr_self(self);
    uint64_t began_ns;

    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    began_ns = npri_now_ns();
    REQUIRE(npr_receive(self, 30, NULL, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npri_now_ns() >= began_ns + 30 * MS);

    /* What came before the time was over is there, however late it is asked for. */
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);

    began_ns = npri_now_ns();
    REQUIRE(npr_send_after(self, &me, NPRI_WORD_OK, 30, NULL) == NPR_OK);
    REQUIRE(npr_receive(self, 10, NULL, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_OK);
    REQUIRE(npri_now_ns() >= began_ns + 30 * MS);
    return NPR_OK;
}

/* Would catch: a time that is over too early or never, a wait that misses what comes. */
static void times_are_kept(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = start(&world, wait_for_times);
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static bool is_nothing(void *user, const struct npr_received *received)
{
    (void)user;
    (void)received;
    (void)atomic_fetch_add(&seen_count, 1);
    return false;
}

/* There is always one more. */
static bool is_nothing_but_sends(void *user, const struct npr_received *received)
{
    struct npr_process *self = user;
    const struct npr_pid me = npr_self(self);

    (void)npr_send(self, &me, received->term);
    return false;
}

static npr_status wait_in_a_stream(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    struct npr_received received;

    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, 0, is_nothing_but_sends, self, &received) == NPR_ETIMEDOUT);
    REQUIRE(npr_receive(self, 20, is_nothing_but_sends, self, &received) == NPR_ETIMEDOUT);
    return NPR_OK;
}

/* Would catch: a deadline that is only looked at when the mailbox is empty. */
static void a_stream_of_what_is_not_wanted_does_not_hold_the_time(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = start(&world, wait_in_a_stream);
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

/* ---- Ending. */

static npr_status wait_for_the_end(struct npr_process *self)
{
    struct npr_received received;

    REQUIRE(tell(self, NPRI_WORD_OK) == NPR_OK);
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
    pid = start_of(&world, &scripted_to_the_end, wait_for_the_end);
    expect_told(&world, NPRI_WORD_OK);
    send_exit(&world, &pid, world_atom(&world, "kill"));
    expect_told(&world, NPRI_WORD_KILLED);
    expect_end(&world, &pid, NPRI_WORD_KILLED);

    pid = start_of(&world, &scripted_to_the_end, wait_for_the_end);
    expect_told(&world, NPRI_WORD_OK);
    send_exit(&world, &pid, world_atom(&world, "reason"));
    expect_told(&world, world_atom(&world, "reason"));
    expect_end(&world, &pid, world_atom(&world, "reason"));
    assert_int_equal(world_count(&world, &world.crashes), 0);
    world_close(&world);
}

static npr_status work_then_look(struct npr_process *self)
{
    struct npr_received received;

    pass_gate();
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
    pid = start(&world, work_then_look);
    await(&in_code);
    assert_int_equal(npri_runtime_register(world.runtime, npr_bytes_of("worker"), &pid), NPR_OK);
    send_exit(&world, &pid, world_atom(&world, "kill"));
    assert_true(npri_runtime_is_alive(world.runtime, &pid));
    assert_true(npri_runtime_whereis(world.runtime, npr_bytes_of("worker"), &named));
    assert_int_equal(world_count(&world, &world.probed), 0);
    open_gate();
    expect_end(&world, &pid, NPRI_WORD_KILLED);
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
    pid = start_of(&world, &scripted_to_the_end, stop_with_a_reason);
    expect_told(&world, NPRI_WORD_SHUTDOWN);
    expect_end(&world, &pid, NPRI_WORD_SHUTDOWN);
    pid = start_of(&world, &scripted_to_the_end, fail_at_once);
    failure = WORLD_TUPLE(&world, world_atom(&world, "error"), world_atom(&world, "eio"));
    expect_told(&world, failure);
    expect_end(&world, &pid, failure);
    world_expect(&world, &world.crashes, NPRI_SIGNAL_MESSAGE, any, failure);
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
                                            .run = script_run,
                                            .terminate = script_terminate};
    const struct npri_spawn spawn = {.behaviour = &behaviour};
    struct world world;
    struct npr_pid pid;
    struct npri_signal *started;

    (void)state;
    world_open(&world, 1);
    atomic_store(&script, NULL);
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

    if (!atomic_exchange(&in_code, true)) {
        pass_gate();
    }
    REQUIRE(npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_EEXIT);
    (void)atomic_fetch_add(&seen_count, 1);
    return NPR_OK;
}

/* Would catch: a runtime that stops while code runs, does not wake who waits, or forgets a thread.
 */
static void the_end_of_the_runtime_waits_for_all(void **state)
{
    const struct npri_spawn spawn = {.behaviour = &scripted};
    struct world world;
    pthread_t stopper;

    (void)state;
    world_open(&world, 2);
    (void)start(&world, work_to_the_end);
    for (int i = 1; i < WORLD_THREADS_MAX; i++) {
        (void)world_puppet_with(&world, &spawn);
        npri_signal_destroy(world_take(&world, &world.started));
    }
    await(&in_code);
    assert_int_equal(pthread_create(&stopper, NULL, stop_runtime, world.runtime), 0);
    while (atomic_load(&seen_count) != WORLD_THREADS_MAX - 1) {
        (void)sched_yield(); /* all but the one in its code */
    }
    open_gate();
    assert_int_equal(pthread_join(stopper, NULL), 0);
    assert_int_equal(atomic_load(&seen_count), WORLD_THREADS_MAX);
    assert_int_equal(atomic_load(&failed_at), 0);
    npri_runtime_destroy(world.runtime);
    world.runtime = NULL;
    world_close(&world);
}

/* ---- Misuse and limits. */

static struct npr_process *leaked_self;

static npr_status leak_self(struct npr_process *self)
{
    leaked_self = self;
    pass_gate();
    return NPR_OK;
}

static bool receives_inside(void *user, const struct npr_received *received)
{
    struct npr_received again;

    (void)received;
    if (npr_receive(user, 0, NULL, NULL, &again) != NPR_EINVAL ||
        npr_receive_fd(user) != (int)NPR_EINVAL) {
        atomic_store(&failed_at, __LINE__);
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
    to.pid = other;
    REQUIRE(npr_receive_call(self, NULL, NPRI_WORD_OK, 0, reply, NULL) == NPR_EINVAL);
    REQUIRE(npr_receive_call(self, &to, any, 0, reply, NULL) == NPR_EINVAL);
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

    pid = start(&world, leak_self);
    await(&in_code);
    assert_int_equal(npr_receive(leaked_self, 0, NULL, NULL, &received), NPR_EINVAL);
    assert_int_equal(npr_receive(NULL, 0, NULL, NULL, &received), NPR_EINVAL);
    assert_int_equal(npr_receive_fd(leaked_self), NPR_EINVAL);
    open_gate();
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    assert_int_equal(npr_receive(leaked_self, 0, NULL, NULL, &received), NPR_EINVAL);

    other = world.probe;
    pid = start(&world, misuse);
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
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
        .struct_size = sizeof(both), .run = script_run, .call = no_call};
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

static npr_status wait_quietly(struct npr_process *self)
{
    struct npr_received received;

    return npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_EEXIT ? NPR_OK : NPR_EIO;
}

/* Would catch: threads without limit, a refusal without a reason, a place that is not free again
 * once its process is dead. */
static void too_many_are_refused(void **state)
{
    const struct npri_spawn spawn = {.behaviour = &scripted, .function = "worker:start"};
    struct world world;
    struct npr_pid pids[WORLD_THREADS_MAX];
    struct npr_error error = {0};
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    for (int i = 0; i < WORLD_THREADS_MAX; i++) {
        pids[i] = start(&world, wait_quietly);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, &error), NPR_EFULL);
        assert_string_equal(error.text,
                            "no thread for worker:start: 16 thread processes run, which "
                            "is threads_max");
        send_exit(&world, &pids[i], world_atom(&world, "kill"));
        expect_end(&world, &pids[i], NPRI_WORD_KILLED);
        assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, NULL), NPR_OK);
    }
    world_close(&world);
}

/* ---- Bounded mailboxes. */

static npr_status leave_and_take(struct npr_process *self)
{
    struct npr_received received;

    pass_gate();
    REQUIRE(npr_receive(self, 0, is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    atomic_store(&gate, false);
    REQUIRE(tell(self, NPRI_WORD_OK) == NPR_OK);
    pass_gate();
    while (npr_receive(self, 0, NULL, NULL, &received) == NPR_OK) {
        REQUIRE(tell(self, received.term) == NPR_OK);
    }
    return NPR_OK;
}

static const struct npr_behaviour drops_newest = {.struct_size = sizeof(struct npr_behaviour),
                                                  .run = script_run,
                                                  .mailbox_max = 3,
                                                  .overflow = NPR_OVERFLOW_DROP_NEWEST};
static const struct npr_behaviour drops_oldest = {.struct_size = sizeof(struct npr_behaviour),
                                                  .run = script_run,
                                                  .mailbox_max = 3,
                                                  .overflow = NPR_OVERFLOW_DROP_OLDEST};

static struct npr_pid fill(struct world *world, const struct npr_behaviour *behaviour)
{
    const struct npr_pid pid = start_of(world, behaviour, leave_and_take);

    for (int i = 1; i <= 3; i++) {
        send_int(world, &pid, i);
    }
    open_gate();
    expect_told(world, NPRI_WORD_OK);
    for (int i = 4; i <= 5; i++) {
        send_int(world, &pid, i);
    }
    open_gate();
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
        expect_told(&world, world_int(&world, i));
    }
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    pid = fill(&world, &drops_oldest);
    for (int i = 3; i <= 5; i++) {
        expect_told(&world, world_int(&world, i));
    }
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static bool is_six(void *user, const struct npr_received *received)
{
    (void)user;
    if (is_int(received, 3)) {
        pass_gate();
    }
    return is_int(received, 6);
}

static npr_status take_six(struct npr_process *self)
{
    struct npr_received received;

    REQUIRE(npr_receive(self, LONG_MS, is_six, NULL, &received) == NPR_OK && is_int(&received, 6));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && is_int(&received, 4));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && is_int(&received, 5));
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
    pid = start_of(&world, &drops_oldest, take_six);
    for (int i = 1; i <= 3; i++) {
        send_int(&world, &pid, i);
    }
    await(&in_code);
    for (int i = 4; i <= 6; i++) {
        send_int(&world, &pid, i);
    }
    open_gate();
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

/* ---- Links, monitors, timers, idle times, sys. */

static npr_status watch_others(struct npr_process *self)
{
    struct npr_received received;
    struct npr_term parts[5];
    struct npr_ref ref;

    npr_trap_exit(self, true);
    REQUIRE(npr_link(self, &other) == NPR_OK);
    REQUIRE(npr_monitor(self, &other, &ref) == NPR_OK);
    REQUIRE(tell(self, NPRI_WORD_OK) == NPR_OK);
    for (int i = 0; i < 2; i++) {
        REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK);
        REQUIRE(received.kind == NPR_RECEIVED_MESSAGE);
        REQUIRE((npr_term_get_tuple(received.term, 3, parts) &&
                 npr_term_is_atom(parts[0], "EXIT") && npr_term_is_atom(parts[2], "why")) ||
                (npr_term_get_tuple(received.term, 5, parts) &&
                 npr_term_is_atom(parts[0], "DOWN") && npr_term_is_atom(parts[4], "why")));
    }
    npr_trap_exit(self, false);
    REQUIRE(npr_link(self, &other) == NPR_OK); /* dead: noproc */
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_EEXIT);
    return NPR_OK;
}

/* Would catch: links and monitors of thread processes that do not tell. */
static void links_and_monitors_are_told(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    other = world_puppet(&world);
    pid = start_of(&world, &scripted_to_the_end, watch_others);
    expect_told(&world, NPRI_WORD_OK);
    world_do_term(&world, &other, WORLD_STOP, world_atom(&world, "why"));
    expect_told(&world,
                WORLD_TUPLE(&world, world_atom(&world, "terminate"), world_atom(&world, "why")));
    expect_told(&world, NPRI_WORD_NOPROC);
    expect_end(&world, &pid, NPRI_WORD_NOPROC); /* the reason that a dead link gives */
    world_close(&world);
}

static npr_status set_timers(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    struct npr_received received;
    struct npr_ref ref;

    REQUIRE(npr_send_every(self, &me, NPRI_WORD_OK, 1, &ref) == NPR_OK);
    REQUIRE(npr_receive(self, 20, is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(atomic_load(&seen_count) == 1); /* one on its way, however often it was due */
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK);
    REQUIRE(npr_receive(self, 20, is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(npr_cancel_timer(self, &ref));
    REQUIRE(npr_receive(self, 5, NULL, NULL, &received) == NPR_ETIMEDOUT);
    return NPR_OK;
}

/* Would catch: messages of a timer that pile up behind a filter, or arrive after it was cancelled.
 */
static void timers_are_received(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = start(&world, set_timers);
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static npr_status be_idle(struct npr_process *self)
{
    struct npr_received received;

    REQUIRE(npr_receive(self, 50, is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(atomic_load(&seen_count) == 1); /* it waits: so this is not idle */
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_EEXIT);
    return NPR_OK;
}

/* Would catch: an idle time that does not end a receive, or ends a process that has something. */
static void idle_times_end_a_receive(void **state)
{
    const struct npr_behaviour behaviour = {.struct_size = sizeof(behaviour),
                                            .run = script_run,
                                            .terminate = script_terminate,
                                            .idle_ms = 15};
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = start_of(&world, &behaviour, be_idle);
    send_int(&world, &pid, 1);
    expect_told(&world, NPRI_WORD_NORMAL);
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static npr_status take_two(struct npr_process *self)
{
    struct npr_received received;

    for (int i = 1; i <= 2; i++) {
        REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK &&
                is_int(&received, i));
        REQUIRE(tell(self, received.term) == NPR_OK);
    }
    return NPR_OK;
}

static void ask_system(struct world *world, const struct npr_pid *pid, const char *request)
{
    const struct npr_term tag = world_atom(world, "t");

    world_send(world, pid,
               WORLD_TUPLE(world, world_atom(world, "system"),
                           WORLD_TUPLE(world, world_pid(world, &world->probe), tag),
                           world_atom(world, request)));
    expect_told(world,
                WORLD_TUPLE(world, tag,
                            strcmp(request, "get_state") == 0 ? NPRI_WORD_OPAQUE : NPRI_WORD_OK));
}

/* Would catch: requests of sys that reach the code or are not answered; a suspended process that
 * receives. */
static void sys_is_answered_in_a_receive(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = start(&world, take_two);
    ask_system(&world, &pid, "get_state");
    send_int(&world, &pid, 1);
    expect_told(&world, world_int(&world, 1));
    ask_system(&world, &pid, "suspend");
    send_int(&world, &pid, 2);
    ask_system(&world, &pid, "resume"); /* its answer comes first */
    expect_told(&world, world_int(&world, 2));
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

/* ---- The descriptor. */

static bool is_readable(int fd, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, wait_ms) == 1;
}

static npr_status poll_and_receive(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    struct npr_received received;
    int fd;

    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    fd = npr_receive_fd(self);
    REQUIRE(fd >= 0 && npr_receive_fd(self) == fd);
    REQUIRE(!is_readable(fd, 0));
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(is_readable(fd, 0));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(is_readable(fd, 0)); /* one is left */
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(!is_readable(fd, 0));
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, 0, is_nothing, NULL, &received) == NPR_ETIMEDOUT);
    REQUIRE(!is_readable(fd, 0)); /* nothing new */
    REQUIRE(npr_send(self, &me, NPRI_WORD_OK) == NPR_OK);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);
    REQUIRE(is_readable(fd, 0));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK);

    REQUIRE(tell(self, NPRI_WORD_OK) == NPR_OK); /* now from elsewhere */
    REQUIRE(is_readable(fd, LONG_MS));
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK && is_int(&received, 1));
    REQUIRE(tell(self, NPRI_WORD_OK) == NPR_OK);
    while (npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT) {
        REQUIRE(is_readable(fd, LONG_MS));
    }
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_EEXIT);
    REQUIRE(is_readable(fd, 0));
    return NPR_OK;
}

/* Would catch: a poll that sleeps while something waits, or spins while nothing is new. */
static void the_descriptor_tells_what_is_new(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    pid = start(&world, poll_and_receive);
    expect_told(&world, NPRI_WORD_OK);
    send_int(&world, &pid, 1);
    expect_told(&world, NPRI_WORD_OK);
    send_exit(&world, &pid, world_atom(&world, "kill"));
    expect_end(&world, &pid, NPRI_WORD_KILLED);
    world_close(&world);
}

/* ---- Calls. */

/* Answers {answer,N} with N; keeps the one who asks `later` until told so; ends on `end`. */
struct answerer {
    uint8_t pid[512];
    uint8_t tag[512];
    struct npr_from from;
};

static npr_status answerer_call(struct npr_process *self,
                                void *state,
                                const struct npr_from *from,
                                struct npr_term request)
{
    struct answerer *answerer = state;

    if (npr_term_is_atom(request, "later")) {
        memcpy(answerer->pid, from->pid.data, from->pid.size);
        memcpy(answerer->tag, from->tag.data, from->tag.size);
        answerer->from = (struct npr_from){.pid = {answerer->pid, from->pid.size},
                                           .tag = {answerer->tag, from->tag.size}};
        return NPR_OK;
    }
    if (npr_term_is_atom(request, "end")) {
        return npr_stop(self, NPRI_WORD_SHUTDOWN);
    }
    return npr_reply(self, from, request);
}

static npr_status answerer_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct answerer *answerer = state;

    (void)message;
    return npr_reply(self, &answerer->from, NPRI_WORD_OPAQUE);
}

static const struct npr_behaviour answerer_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct answerer),
    .call = answerer_call,
    .info = answerer_info,
};

static struct npr_pid answerer(struct world *world)
{
    const struct npri_spawn spawn = {.behaviour = &answerer_behaviour};
    const struct npr_pid pid = world_puppet_with(world, &spawn);

    npri_signal_destroy(world_take(world, &world->started));
    return pid;
}

static npr_status call_word(struct npr_process *self,
                            struct npr_term request,
                            uint32_t timeout_ms,
                            struct npr_builder *reply)
{
    const struct npr_address to = {.pid = other};

    npr_builder_reset(reply);
    return npr_receive_call(self, &to, request, timeout_ms, reply, NULL);
}

static bool reply_is(struct npr_builder *reply, const char *atom)
{
    struct npr_term term;

    return npr_builder_finish(reply, &term, NULL) == NPR_OK && npr_term_is_atom(term, atom);
}

static npr_status call_another(struct npr_process *self)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_received received;
    const struct npr_address by_name = {.name = "answerer", .node = npr_self(self).node};
    const struct npr_address nobody = {.name = "nobody", .node = npr_self(self).node};

    REQUIRE(reply != NULL);
    REQUIRE(npr_receive(self, LONG_MS, NULL, NULL, &received) == NPR_OK && is_int(&received, 1));
    REQUIRE(call_word(self, received.term, LONG_MS, reply) == NPR_OK);
    REQUIRE(is_int(&received, 1)); /* still there */
    REQUIRE(npr_receive_call(self, &nobody, NPRI_WORD_OK, LONG_MS, reply, NULL) == NPR_ENOPROC);
    npr_builder_reset(reply);
    REQUIRE(npr_receive_call(self, &by_name, NPRI_WORD_OK, LONG_MS, reply, NULL) == NPR_OK);
    REQUIRE(reply_is(reply, "ok"));

    /* An answer that comes too late. */
    REQUIRE(call_word(self, (struct npr_term){.data = (const uint8_t *)"w\005later", .size = 7}, 1,
                      reply) == NPR_ETIMEDOUT);
    REQUIRE(npr_send(self, &other, NPRI_WORD_OK) == NPR_OK); /* now it answers */
    REQUIRE(call_word(self, NPRI_WORD_OK, LONG_MS, reply) == NPR_OK && reply_is(reply, "ok"));
    REQUIRE(npri_process_waiting(self) == 1); /* the 2, and nothing late */

    REQUIRE(call_word(self, (struct npr_term){.data = (const uint8_t *)"w\003end", .size = 5},
                      LONG_MS, reply) == NPR_EEXIT);
    REQUIRE(reply_is(reply, "shutdown"));
    REQUIRE(call_word(self, NPRI_WORD_OK, LONG_MS, reply) == NPR_ENOPROC);
    REQUIRE(self->relations.count == 1); /* the probe's monitor */
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_OK && is_int(&received, 2));
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    npr_builder_destroy(reply);
    return NPR_OK;
}

/* Would catch: a reply that is taken for a message or the other way round, messages lost meanwhile,
 * a late reply that stays, a monitor that is left over, an end that is not told. */
static void calls_wait_for_their_answer(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    other = answerer(&world);
    assert_int_equal(npri_runtime_register(world.runtime, npr_bytes_of("answerer"), &other),
                     NPR_OK);
    pid = start(&world, call_another);
    send_int(&world, &pid, 1);
    send_int(&world, &pid, 2);
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
    world_close(&world);
}

static npr_status call_until_ended(struct npr_process *self)
{
    struct npr_builder *reply = npr_builder_create();
    const npr_status status =
        call_word(self, (struct npr_term){.data = (const uint8_t *)"w\005later", .size = 7},
                  NPR_FOREVER, reply);

    REQUIRE(status == NPR_ECLOSED);
    REQUIRE(call_word(self, NPRI_WORD_OK, LONG_MS, reply) == NPR_ECLOSED);
    npr_builder_destroy(reply);
    return NPR_OK;
}

/* Would catch: a caller that cannot be killed while it waits. */
static void callers_are_ended_while_they_wait(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 1);
    other = answerer(&world);
    pid = start(&world, call_until_ended);
    send_exit(&world, &pid, world_atom(&world, "kill"));
    expect_end(&world, &pid, NPRI_WORD_KILLED); /* before its call, or in it */
    world_close(&world);
}

static npr_status call_away(struct npr_process *self)
{
    struct npr_builder *reply = npr_builder_create();
    struct npr_received received;
    const struct npr_address name = {.name = "server", .node = other.node};

    REQUIRE(call_word(self, NPRI_WORD_OK, LONG_MS, reply) == NPR_OK && reply_is(reply, "opaque"));
    npr_builder_reset(reply);
    REQUIRE(npr_receive_call(self, &name, NPRI_WORD_OK, LONG_MS, reply, NULL) == NPR_EUNREACHABLE);
    REQUIRE(npr_receive(self, 0, NULL, NULL, &received) == NPR_ETIMEDOUT);
    npr_builder_destroy(reply);
    return NPR_OK;
}

/* Would catch: calls to other nodes that are not written as Erlang's, or do not end with the
 * connection. */
static void calls_leave_the_node(void **state)
{
    struct world world;
    struct npr_pid pid;
    struct npri_signal *signal;
    struct npr_term self;
    struct npr_term ref;
    struct npr_term server;

    (void)state;
    world_open(&world, 1);
    other = world_remote_pid("b@h", 9);
    pid = start(&world, call_away);
    self = world_pid(&world, &pid);
    signal = world_take(&world, &world.routed);
    assert_int_equal(signal->kind, NPRI_SIGNAL_MONITOR);
    ref = WORLD_TUPLE(&world, signal->ref); /* a copy */
    npri_signal_destroy(signal);
    assert_true(npr_term_get_tuple(ref, 1, &ref));
    world_expect(&world, &world.routed, NPRI_SIGNAL_MESSAGE, self,
                 WORLD_TUPLE(&world, world_atom(&world, "$gen_call"),
                             WORLD_TUPLE(&world, self, ref), NPRI_WORD_OK));
    world_send(&world, &pid, WORLD_TUPLE(&world, ref, NPRI_WORD_OPAQUE));
    world_expect(&world, &world.routed, NPRI_SIGNAL_DEMONITOR, self, any);

    server = world_atom(&world, "server");
    for (int i = 0; i < 2; i++) {
        signal = world_take(&world, &world.routed);
        assert_int_equal(signal->kind, i == 0 ? NPRI_SIGNAL_MONITOR : NPRI_SIGNAL_MESSAGE);
        assert_true(npr_term_equal(signal->to, server));
        assert_true(npr_term_is_atom(signal->node, "b@h"));
        npri_signal_destroy(signal);
    }
    assert_int_equal(npri_runtime_node_down(world.runtime, &other.node), NPR_OK);
    expect_end(&world, &pid, NPRI_WORD_NORMAL);
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
        status = call_word(self, NPRI_WORD_OK, LONG_MS, reply);
        npri_alloc_fail_after(0);
    } while (status == NPR_ENOMEM && nth < SWEEPS_MAX);
    REQUIRE(status == NPR_ENOPROC && nth > 4);
    npr_trap_exit(self, true);
    REQUIRE(npr_monitor(self, &other, &ref) == NPR_OK);
    REQUIRE(npr_link(self, &other) == NPR_OK);
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
        .behaviour = &scripted, .function = "worker:start", .args = NPRI_WORD_OK};
    struct world world;
    struct npr_pid pid;
    npr_status status;
    uint64_t nth = 0;

    (void)state;
    world_open(&world, 1);
    other = npri_runtime_new_pid(world.runtime);
    pid = start(&world, lack_memory);
    expect_end(&world, &pid, NPRI_WORD_NORMAL);

    atomic_store(&script, wait_quietly);
    do {
        npri_alloc_fail_after(++nth);
        status = npri_runtime_spawn(world.runtime, &spawn, &pid, NULL);
        npri_alloc_fail_after(0);
    } while (status == NPR_ENOMEM && nth < SWEEPS_MAX);
    assert_int_equal(status, NPR_OK);
    assert_true(nth > 4);
    world_close(&world);
}

/* ---- All at once. */

enum {
    SENDERS = 3,
    EACH = 3000,
    LIVES = 400,
};

static npr_status count_all(struct npr_process *self)
{
    struct npr_received received;
    uint32_t wait_ms = 0;
    const int fd = npr_receive_fd(self);

    REQUIRE(fd >= 0);
    while (atomic_load(&seen_count) < SENDERS * EACH) {
        const npr_status status = npr_receive(self, wait_ms, NULL, NULL, &received);

        REQUIRE(status == NPR_OK || status == NPR_ETIMEDOUT);
        if (status == NPR_OK) {
            (void)atomic_fetch_add(&seen_count, 1);
        } else if (wait_ms == 0) {
            REQUIRE(is_readable(fd, LONG_MS));
        }
        wait_ms = (wait_ms + 1) % 3; /* look, or wait for a little */
    }
    return NPR_OK;
}

static void *flood(void *user)
{
    struct world *world = user;

    for (int i = 0; i < EACH; i++) {
        send_int(world, &other, i);
        if (i % 64 == 0) {
            (void)sched_yield();
        }
    }
    return NULL;
}

/* Would catch: a wake-up that is lost between a look and the sleep after it. */
static void no_wake_up_is_lost(void **state)
{
    struct world world;
    pthread_t senders[SENDERS];

    (void)state;
    world_open(&world, 2);
    other = start(&world, count_all);
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_create(&senders[i], NULL, flood, &world), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(senders[i], NULL), 0);
    }
    expect_end(&world, &other, NPRI_WORD_NORMAL);
    assert_int_equal(atomic_load(&seen_count), SENDERS * EACH);
    world_close(&world);
}

/* Would catch: what a thread that ends and a sender that is late do to each other; threads that are
 * not joined. */
static void lives_are_short(void **state)
{
    const struct npri_spawn spawn = {.behaviour = &scripted};
    struct world world;
    struct npr_term kill;

    (void)state;
    world_open(&world, 2);
    kill = world_atom(&world, "kill");
    atomic_store(&script, wait_quietly);
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
        cmocka_unit_test(what_is_sent_is_received_in_order),
        cmocka_unit_test(filters_leave_the_rest_in_order),
        cmocka_unit_test(times_are_kept),
        cmocka_unit_test(a_stream_of_what_is_not_wanted_does_not_hold_the_time),
        cmocka_unit_test(exits_end_a_receive),
        cmocka_unit_test(code_that_runs_is_alive),
        cmocka_unit_test(code_ends_with_its_own_reason),
        cmocka_unit_test(a_failed_init_starts_nothing),
        cmocka_unit_test(the_end_of_the_runtime_waits_for_all),
        cmocka_unit_test(misuse_is_answered),
        cmocka_unit_test(run_and_callbacks_exclude_each_other),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(what_is_left_counts_for_the_limit),
        cmocka_unit_test(what_has_been_looked_at_gives_way),
        cmocka_unit_test(links_and_monitors_are_told),
        cmocka_unit_test(timers_are_received),
        cmocka_unit_test(idle_times_end_a_receive),
        cmocka_unit_test(sys_is_answered_in_a_receive),
        cmocka_unit_test(the_descriptor_tells_what_is_new),
        cmocka_unit_test(calls_wait_for_their_answer),
        cmocka_unit_test(callers_are_ended_while_they_wait),
        cmocka_unit_test(calls_leave_the_node),
        cmocka_unit_test(nothing_is_lost_without_memory),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(lives_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
