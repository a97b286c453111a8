/* runtime/batch.h: messages that leave together arrive as if they had not. */
#include "world.h"

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "runtime/internal.h"

#define BURST       500u
#define LARGE_BYTES 200u /* goes alone */

static const struct npr_term any;

/* ---- A sink: takes {I,Padding} in the order of I; 'ended' in place of it is its end.  Written by
 * its worker, read when it is dead or has settled. */

static uint64_t next_expected;
static atomic_uint taken;
static uint64_t fails_at; /* its callback fails there; UINT64_MAX: never */

static npr_status sink_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct npr_term parts[2];
    uint64_t index;

    (void)self;
    (void)state;
    if (!npr_term_get_tuple(message, 2, parts) || !npr_term_get_uint64(parts[0], &index) ||
        index != next_expected) {
        return NPR_EINVAL;
    }
    next_expected++;
    (void)atomic_fetch_add(&taken, 1);
    return index == fails_at ? NPR_EIO : NPR_OK;
}

static const struct npr_behaviour sink_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                    .info = sink_info};
static const struct npr_behaviour bounded_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                       .info = sink_info,
                                                       .mailbox_max = 10 * BURST,
                                                       .overflow = NPR_OVERFLOW_FAIL};

/* ---- A source: a pid makes it send BURST messages there, in one callback, some of them large,
 * some with something else sent in between, some when there is no memory. */

static bool without_memory;
static sem_t has_sent; /* until it is posted no other thread may allocate, which would be counted */
static uint64_t sent;
static struct npr_pid bystander;

static npr_status source_send(struct npr_process *self, const struct npr_pid *to, uint64_t index)
{
    static const uint8_t padding[LARGE_BYTES];
    struct npr_builder *built = npr_scratch(self);
    struct npr_term message;

    npr_build_tuple(built, 2);
    npr_build_uint(built, index);
    npr_build_binary(built, (struct npr_bytes){.data = padding,
                                               .size = index % 7 == 3 ? LARGE_BYTES : index % 40});
    return npr_builder_finish(built, &message, NULL) == NPR_OK ? npr_send(self, to, message)
                                                               : NPR_EINVAL;
}

static npr_status source_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct npr_pid to;

    (void)state;
    if (!npr_term_get_pid(message, &to)) {
        return NPR_EINVAL;
    }
    for (unsigned i = 0; i < BURST; i++) {
        npr_status status;

        npri_alloc_fail_after(without_memory && i % 3 == 0 ? 1 : 0);
        status = source_send(self, &to, sent);
        npri_alloc_fail_after(0);
        sent += status == NPR_OK ? 1 : 0;
        if (i % 90 == 89 && npr_send(self, &bystander, message) != NPR_OK) {
            return NPR_ENOMEM;
        }
    }
    (void)sem_post(&has_sent);
    return npr_exit(self, &bystander, NPRI_WORD_NORMAL); /* ignored; but it sends what waits */
}

static const struct npr_behaviour source_behaviour = {.struct_size = sizeof(struct npr_behaviour),
                                                      .info = source_info};

static const struct npr_behaviour silent_behaviour = {.struct_size = sizeof(struct npr_behaviour)};

static struct npr_pid start(struct world *world, const struct npr_behaviour *behaviour)
{
    const struct npri_spawn spawn = {.behaviour = behaviour};

    return world_puppet_with(world, &spawn);
}

static void open_world(struct world *world, struct npr_pid *out_source)
{
    world_open(world, 2);
    next_expected = 0;
    sent = 0;
    atomic_store(&taken, 0);
    fails_at = UINT64_MAX;
    without_memory = false;
    assert_int_equal(sem_init(&has_sent, 0, 0), 0);
    bystander = start(world, &silent_behaviour);
    *out_source = start(world, &source_behaviour);
}

static void await_taken(unsigned count)
{
    while (atomic_load(&taken) < count) {
        (void)sched_yield();
    }
}

/* Would catch: messages of a batch that are lost, twice, out of order among themselves or with
 * those that go alone; a count of what waits that is wrong. */
static void messages_that_leave_together_arrive_in_order(void **state)
{
    const struct npr_behaviour *behaviours[] = {&sink_behaviour, &bounded_behaviour};
    struct world world;
    struct npr_pid source;
    struct npr_pid sink;
    struct npri_process_info info;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_world(&world, &source);
        sink = start(&world, behaviours[i]);
        for (unsigned round = 0; round < 10; round++) {
            world_send(&world, &source, world_pid(&world, &sink));
        }
        await_taken(10 * BURST);
        do { /* it may not have come out of its last callback */
            assert_true(npri_runtime_info(world.runtime, &sink, &info));
        } while (info.waiting != 0);
        assert_int_equal(info.handled, 10 * BURST);
        world_close(&world);
    }
}

/* Would catch: messages behind the one that ends a process that are acted on, or leak. */
static void a_batch_may_end_its_receiver(void **state)
{
    struct world world;
    struct npr_pid source;
    struct npr_pid sink;

    (void)state;
    open_world(&world, &source);
    fails_at = BURST / 2;
    sink = start(&world, &sink_behaviour);
    (void)world_watch(&world, &sink);
    world_send(&world, &source, world_pid(&world, &sink));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, any, any);
    assert_int_equal(next_expected, BURST / 2 + 1);
    world_send(&world, &source, world_pid(&world, &sink)); /* it is dead */
    (void)world_await_end(&world, &sink);
    world_close(&world);
}

/* Would catch: a message that is reported as sent and is not, or the other way round. */
static void no_memory_fails_single_messages(void **state)
{
    struct world world;
    struct npr_pid source;
    struct npr_pid sink;

    (void)state;
    open_world(&world, &source);
    without_memory = true;
    sink = start(&world, &sink_behaviour);
    (void)world_watch(&world, &source);
    world_send(&world, &source, world_pid(&world, &sink));
    while (sem_wait(&has_sent) != 0) {
    }
    world_send(&world, &source, world_atom(&world, "ended"));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, any, any);
    assert_true(sent > BURST / 2 && sent < BURST);
    await_taken((unsigned)sent);
    assert_int_equal(next_expected, sent);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_that_leave_together_arrive_in_order),
        cmocka_unit_test(a_batch_may_end_its_receiver),
        cmocka_unit_test(no_memory_fails_single_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
