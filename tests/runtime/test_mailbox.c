/* Mailboxes with a limit. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "runtime/internal.h"

enum {
    LIMIT = 4,
    SENDERS = 3,
    EACH = 2000,
};

static atomic_bool in_callback;
static atomic_bool gate;
static atomic_uint seen_count;
static uint64_t seen[64]; /* by the process; the test reads after its end */

/* The first message, an atom, keeps the process in its callback until the gate opens. */
static npr_status held_info(struct npr_process *self, void *state, struct npr_term message)
{
    uint64_t number;

    (void)self;
    (void)state;
    if (!npr_term_get_uint64(message, &number)) {
        atomic_store(&in_callback, true);
        while (!atomic_load(&gate)) {
            (void)sched_yield();
        }
        return NPR_OK;
    }
    seen[atomic_load(&seen_count)] = number;
    (void)atomic_fetch_add(&seen_count, 1);
    return NPR_OK;
}

static struct npr_behaviour bounded(enum npr_overflow overflow)
{
    return (struct npr_behaviour){
        .struct_size = sizeof(struct npr_behaviour),
        .info = held_info,
        .mailbox_max = LIMIT,
        .overflow = overflow,
    };
}

/* A process of it, in its callback. */
static struct npr_pid hold(struct world *world, const struct npr_behaviour *behaviour)
{
    const struct npri_spawn spawn = {.behaviour = behaviour};
    const struct npr_pid pid = world_puppet_with(world, &spawn);

    atomic_store(&in_callback, false);
    atomic_store(&gate, false);
    atomic_store(&seen_count, 0);
    npri_signal_destroy(world_take(world, &world->started));
    world_send(world, &pid, NPRI_WORD_OK);
    while (!atomic_load(&in_callback)) {
        (void)sched_yield();
    }
    return pid;
}

static uint32_t overflowed(struct world *world, const struct npr_pid *pid)
{
    struct npri_table_shard *shard =
        &world->runtime->table.shards[pid->id & (NPRI_TABLE_SHARDS - 1)];
    uint32_t count;

    (void)pthread_mutex_lock(&shard->mutex);
    count = (uint32_t)atomic_load(
        &shard->buckets[(pid->id / NPRI_TABLE_SHARDS) & shard->mask]->overflowed);
    (void)pthread_mutex_unlock(&shard->mutex);
    return count;
}

/* Lets the process go on with what waits; an exit is never dropped, and comes last. */
static void release_and_end(struct world *world, const struct npr_pid *pid)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT,
                                      .from = world_pid(world, &world->probe),
                                      .to = world_pid(world, pid),
                                      .payload = NPRI_WORD_SHUTDOWN};

    (void)world_watch(world, pid);
    world_deliver(world, &draft);
    atomic_store(&gate, true);
    world_expect(world, &world->probed, NPRI_SIGNAL_DOWN, world_pid(world, pid),
                 NPRI_WORD_SHUTDOWN);
}

static void check_seen(uint64_t first, unsigned count)
{
    assert_int_equal(atomic_load(&seen_count), count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(seen[i], first + i);
    }
}

/* Would catch: a limit that is one off, or does not hold; a call that waits for an answer that
 * never comes; monitors or exits that are dropped. */
static void full_mailboxes_fail_calls(void **state)
{
    const struct npr_behaviour behaviour = bounded(NPR_OVERFLOW_FAIL);
    struct world world;
    struct npr_pid pid;
    struct npr_term from;
    struct npr_term tag;

    (void)state;
    world_open(&world, 2);
    pid = hold(&world, &behaviour);
    for (int i = 1; i <= LIMIT + 2; i++) {
        world_send(&world, &pid, world_int(&world, i));
    }
    tag = world_atom(&world, "t");
    from = WORLD_TUPLE(&world, world_pid(&world, &world.probe), tag);
    world_send(&world, &pid, WORLD_TUPLE(&world, world_atom(&world, "$gen_call"), from, tag));
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, world_pid(&world, &pid),
                 WORLD_TUPLE(&world, tag,
                             WORLD_TUPLE(&world, world_atom(&world, "error"),
                                         world_atom(&world, "overload"))));
    assert_int_equal(overflowed(&world, &pid), 3);
    release_and_end(&world, &pid);
    check_seen(1, LIMIT);
    world_close(&world);
}

/* Would catch: the wrong end being dropped. */
static void full_mailboxes_drop_the_newest(void **state)
{
    const struct npr_behaviour behaviour = bounded(NPR_OVERFLOW_DROP_NEWEST);
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    pid = hold(&world, &behaviour);
    for (int i = 1; i <= 3 * LIMIT; i++) {
        world_send(&world, &pid, world_int(&world, i));
    }
    assert_int_equal(overflowed(&world, &pid), 2 * LIMIT);
    release_and_end(&world, &pid);
    check_seen(1, LIMIT);
    world_close(&world);
}

/* Would catch: the wrong end being dropped; no bound while the process is busy. */
static void full_mailboxes_drop_the_oldest(void **state)
{
    const struct npr_behaviour behaviour = bounded(NPR_OVERFLOW_DROP_OLDEST);
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    pid = hold(&world, &behaviour);
    for (int i = 1; i <= 2 * LIMIT; i++) {
        world_send(&world, &pid, world_int(&world, i));
    }
    assert_int_equal(overflowed(&world, &pid), 0);
    world_send(&world, &pid, world_int(&world, 99));
    assert_int_equal(overflowed(&world, &pid), 1);
    release_and_end(&world, &pid);
    check_seen(LIMIT + 1, LIMIT);
    world_close(&world);
}

/* Would catch: a limit without a policy, or a policy without a limit, that drops; a policy that is
 * none. */
static void no_limit_drops_nothing(void **state)
{
    struct npr_behaviour behaviour = bounded(NPR_OVERFLOW_UNBOUNDED);
    struct npri_spawn spawn = {.behaviour = &behaviour, .function = "f"};
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    for (unsigned round = 0; round < 2; round++) {
        pid = hold(&world, &behaviour);
        for (int i = 1; i <= 20; i++) {
            world_send(&world, &pid, world_int(&world, i));
        }
        release_and_end(&world, &pid);
        check_seen(1, 20);
        behaviour.overflow = NPR_OVERFLOW_FAIL;
        behaviour.mailbox_max = 0;
    }
    behaviour.overflow = NPR_OVERFLOW_DROP_OLDEST + 1;
    assert_int_equal(npri_runtime_spawn(world.runtime, &spawn, &pid, NULL), NPR_EINVAL);
    world_close(&world);
}

/* ---- Many senders. */

static npr_status flooded_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    (void)atomic_fetch_add(&seen_count, 1);
    return NPR_OK;
}

struct flood {
    struct world *world;
    struct npr_pid pid;
};

static void *flood(void *argument)
{
    const struct flood *flood = argument;
    uint8_t bytes[NPRI_IDENTITY_BYTES_MAX];
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_MESSAGE,
                                      .to = npri_pid_term(&flood->pid, bytes),
                                      .payload = NPRI_WORD_OK};

    for (unsigned i = 0; i < EACH; i++) {
        struct npri_signal *signal = npri_signal_create(&draft);

        if (signal != NULL) { /* else the account does not come out */
            npri_runtime_deliver(flood->world->runtime, signal);
        }
    }
    return NULL;
}

/* Would catch: a message that is neither acted on nor counted; under the sanitizers, races of the
 * counters. */
static void every_message_is_handled_or_counted(void **state)
{
    static const enum npr_overflow policies[] = {NPR_OVERFLOW_FAIL, NPR_OVERFLOW_DROP_NEWEST,
                                                 NPR_OVERFLOW_DROP_OLDEST};
    struct world world;

    (void)state;
    world_open(&world, 2);
    for (unsigned p = 0; p < 3; p++) {
        struct npr_behaviour behaviour = bounded(policies[p]);
        const struct npri_spawn spawn = {.behaviour = &behaviour};
        struct flood shared = {.world = &world};
        pthread_t threads[SENDERS];

        behaviour.info = flooded_info;
        atomic_store(&seen_count, 0);
        shared.pid = world_puppet_with(&world, &spawn);
        for (unsigned i = 0; i < SENDERS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, flood, &shared), 0);
        }
        for (unsigned i = 0; i < SENDERS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        while (atomic_load(&seen_count) + overflowed(&world, &shared.pid) < SENDERS * EACH) {
            (void)sched_yield();
        }
        release_and_end(&world, &shared.pid);
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_mailboxes_fail_calls),
        cmocka_unit_test(full_mailboxes_drop_the_newest),
        cmocka_unit_test(full_mailboxes_drop_the_oldest),
        cmocka_unit_test(no_limit_drops_nothing),
        cmocka_unit_test(every_message_is_handled_or_counted),
    };

    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
