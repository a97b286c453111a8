#include "threads_world.h"

#include <sched.h>

const struct npr_term threads_any;
_Atomic(threads_script_fn) threads_script;
struct npr_pid threads_other;
atomic_int threads_failed_at;
atomic_bool threads_in_code;
atomic_uint threads_seen_count;

static struct npr_pid probe;
static atomic_bool gate;

npr_status threads_run(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    (void)args;
    return atomic_load(&threads_script)(self);
}

npr_status threads_tell(struct npr_process *self, struct npr_term term)
{
    return npr_send(self, &probe, term);
}

void threads_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    struct npr_received received;

    (void)state;
    if (npr_receive(self, 0, NULL, NULL, &received) != NPR_EEXIT) {
        atomic_store(&threads_failed_at, __LINE__);
    }
    (void)threads_tell(self, reason);
}

const struct npr_behaviour threads_scripted = {
    .struct_size = sizeof(struct npr_behaviour),
    .run = threads_run,
};

const struct npr_behaviour threads_scripted_to_the_end = {
    .struct_size = sizeof(struct npr_behaviour),
    .run = threads_run,
    .terminate = threads_terminate,
};

struct npr_pid threads_start_of(struct world *world,
                                const struct npr_behaviour *behaviour,
                                threads_script_fn run)
{
    const struct npr_ref ref = npri_runtime_new_ref(world->runtime);
    const struct npri_spawn spawn = {.behaviour = behaviour,
                                     .parent = world_pid(world, &world->probe),
                                     .monitor = true,
                                     .monitor_ref = world_ref(world, &ref)};
    struct npr_pid pid;

    atomic_store(&threads_script, run);
    probe = world->probe;
    atomic_store(&threads_failed_at, 0);
    threads_close_gate();
    atomic_store(&threads_in_code, false);
    atomic_store(&threads_seen_count, 0);
    pid = world_puppet_with(world, &spawn);
    npri_signal_destroy(world_take(world, &world->started));
    return pid;
}

struct npr_pid threads_start(struct world *world, threads_script_fn run)
{
    return threads_start_of(world, &threads_scripted, run);
}

void threads_expect_end(struct world *world, const struct npr_pid *pid, struct npr_term reason)
{
    struct npri_signal *down = world_take(world, &world->probed);

    assert_int_equal(atomic_load(&threads_failed_at), 0);
    assert_int_equal(down->kind, NPRI_SIGNAL_DOWN);
    assert_true(npr_term_equal(down->from, world_pid(world, pid)));
    assert_true(npr_term_equal(down->payload, reason));
    npri_signal_destroy(down);
}

void threads_expect_told(struct world *world, struct npr_term message)
{
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, threads_any, message);
}

void threads_send_exit(struct world *world, const struct npr_pid *pid, struct npr_term reason)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT,
                                      .from = world_pid(world, &world->probe),
                                      .to = world_pid(world, pid),
                                      .payload = reason};

    world_deliver(world, &draft);
}

void threads_send_int(struct world *world, const struct npr_pid *pid, int64_t value)
{
    struct npr_builder *builder = npr_builder_create();
    struct npr_term term = {0};

    assert_non_null(builder);
    npr_build_int(builder, value);
    assert_int_equal(npr_builder_finish(builder, &term, NULL), NPR_OK);
    world_send(world, pid, term);
    npr_builder_destroy(builder);
}

void threads_open_gate(void)
{
    atomic_store(&gate, true);
}

void threads_close_gate(void)
{
    atomic_store(&gate, false);
}

void threads_pass_gate(void)
{
    atomic_store(&threads_in_code, true);
    while (!atomic_load(&gate)) {
        (void)sched_yield();
    }
}

void threads_await(const atomic_bool *flag)
{
    while (!atomic_load(flag)) {
        (void)sched_yield();
    }
}

bool threads_is_int(const struct npr_received *received, int64_t expected)
{
    int64_t value;

    return received->kind == NPR_RECEIVED_MESSAGE && npr_term_get_int64(received->term, &value) &&
           value == expected;
}

bool threads_is_nothing(void *user, const struct npr_received *received)
{
    (void)user;
    (void)received;
    (void)atomic_fetch_add(&threads_seen_count, 1);
    return false;
}

npr_status threads_wait_quietly(struct npr_process *self)
{
    struct npr_received received;

    return npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_EEXIT ? NPR_OK : NPR_EIO;
}

npr_status threads_call(struct npr_process *self,
                        struct npr_term request,
                        uint32_t timeout_ms,
                        struct npr_builder *reply)
{
    const struct npr_address to = {.pid = threads_other};

    npr_builder_reset(reply);
    return npr_receive_call(self, &to, request, timeout_ms, reply, NULL);
}
