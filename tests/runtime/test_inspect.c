/* What is told of processes from outside. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "runtime/internal.h"

enum {
    BUSY_MS = 80,
    MANY = 200,
};

static atomic_bool in_callback;
static atomic_bool gate;

static npr_status busy_info(struct npr_process *self, void *state, struct npr_term message)
{
    const uint64_t until_ns = npri_now_ns() + BUSY_MS * NPRI_NS_PER_MS;

    (void)self;
    (void)state;
    if (npr_term_is_atom(message, "hold")) {
        atomic_store(&in_callback, true);
        while (!atomic_load(&gate)) {
            (void)sched_yield();
        }
        return NPR_OK;
    }
    while (npri_now_ns() < until_ns) {
    }
    return NPR_OK;
}

static const struct npr_behaviour busy_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = 24,
    .info = busy_info,
};

static struct npri_process_info info_of(struct world *world, const struct npr_pid *pid)
{
    struct npri_process_info info = {.handled = 999};

    assert_true(npri_runtime_info(world->runtime, pid, &info));
    assert_true(npr_pid_equal(&info.pid, pid));
    return info;
}

/* Would catch: messages counted twice or not, waiting ones that count as handled, time that is not
 * measured. */
static void figures_tell_what_happened(void **state)
{
    const struct npri_spawn spawn = {.behaviour = &busy_behaviour};
    struct npri_process_info info;
    struct world world;
    struct npr_pid busy;
    struct npr_pid lazy;

    (void)state;
    world_open(&world, 2);
    lazy = world_puppet(&world);
    busy = world_puppet_with(&world, &spawn);
    npri_signal_destroy(world_take(&world, &world.started));
    world_do_pid(&world, &lazy, WORLD_LINK, &busy);
    world_do_pid(&world, &lazy, WORLD_MONITOR, &busy);
    world_send(&world, &busy, NPRI_WORD_OK);
    world_send(&world, &busy, world_atom(&world, "hold"));
    while (!atomic_load(&in_callback)) {
        (void)sched_yield();
    }
    for (int i = 0; i < 3; i++) {
        world_send(&world, &busy, world_atom(&world, "hold"));
    }
    info = info_of(&world, &busy);
    assert_int_equal(info.handled, 2);
    assert_int_equal(info.waiting, 3);
    assert_int_equal(info.state_bytes, 24);
    assert_string_equal(info.function, "puppet:start");
    atomic_store(&gate, true);
    do {
        (void)sched_yield();
        info = info_of(&world, &busy);
    } while (info.waiting != 0 || info.relations != 2 ||
             info.busy_ns < BUSY_MS / 2 * NPRI_NS_PER_MS);
    assert_int_equal(info.handled, 5);
    assert_int_equal(info.overflowed, 0);

    info = info_of(&world, &lazy);
    assert_int_equal(info.handled, 2);
    world_close(&world);
}

static void count_visit(void *user, const struct npri_process_info *info)
{
    unsigned *count = user;

    assert_string_equal(info->function, "puppet:start");
    ++*count;
}

/* Would catch: processes that are visited twice or not; dead or foreign ones that are told of; what
 * is lost when memory runs out. */
static void every_process_is_visited_once(void **state)
{
    struct world world;
    struct npr_pid pid = {.id = 0};
    struct npri_process_info info;
    unsigned count = 0;

    (void)state;
    world_open(&world, 2);
    for (unsigned i = 0; i < MANY; i++) {
        pid = world_puppet(&world);
    }
    assert_int_equal(npri_runtime_each(world.runtime, count_visit, &count), NPR_OK);
    assert_int_equal(count, MANY);
    npri_alloc_fail_after(1);
    assert_int_equal(npri_runtime_each(world.runtime, count_visit, &count), NPR_ENOMEM);
    npri_alloc_fail_after(0);

    pid.serial++;
    assert_false(npri_runtime_info(world.runtime, &pid, &info));
    pid.serial--;
    pid.creation++;
    assert_false(npri_runtime_info(world.runtime, &pid, &info));
    assert_false(npri_runtime_info(world.runtime, &world.probe, &info));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_tell_what_happened),
        cmocka_unit_test(every_process_is_visited_once),
    };

    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
