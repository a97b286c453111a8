/* Timers: each is either cancelled or heard of, once, and not before its time. */
#include "scenario.h"
#include "world.h"

#include <stdatomic.h>

#include "runtime/internal.h"

static struct world *world_here;
static atomic_uint errors_count;

enum {
    TIMERS = 12,
    KEEPERS = 3,
};

enum timer_fate {
    TIMER_PENDING,
    TIMER_CANCELLED,
    TIMER_FIRED,
};

struct keeper {
    struct npr_ref refs[TIMERS];
    uint64_t due_ns[TIMERS];
    enum timer_fate fates[TIMERS];
    uint32_t random;
    uint32_t settled;
};

static uint32_t keeper_random(struct keeper *keeper, uint32_t below)
{
    keeper->random = keeper->random * 1664525u + 1013904223u;
    return (keeper->random >> 16) % below;
}

static npr_status keeper_set(struct npr_process *self, struct keeper *keeper, uint32_t index)
{
    const struct npr_pid me = npr_self(self);
    const uint64_t after_ms = keeper_random(keeper, 4);
    struct npr_builder *scratch = npr_scratch(self);
    struct npr_term number;
    npr_status status;

    npr_build_uint(scratch, index);
    status = npr_builder_finish(scratch, &number, NULL);
    keeper->due_ns[index] = npri_now_ns() + after_ms * NPRI_NS_PER_MS;
    return status == NPR_OK ? npr_send_after(self, &me, number, after_ms, &keeper->refs[index])
                            : status;
}

static npr_status keeper_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct keeper *keeper = state;
    npr_status status = NPR_OK;

    (void)args;
    keeper->random = (uint32_t)npr_self(self).id * 2654435761u;
    for (uint32_t i = 0; i < TIMERS && status == NPR_OK; i++) {
        status = keeper_set(self, keeper, i);
    }
    return status;
}

/* What is settled twice, or the wrong way, is an error. */
static void keeper_settle(struct keeper *keeper, uint32_t index, enum timer_fate fate)
{
    if (keeper->fates[index] != TIMER_PENDING) {
        (void)atomic_fetch_add(&errors_count, 1);
    }
    keeper->fates[index] = fate;
    keeper->settled++;
}

/* With each timer that fires, one at random is cancelled. */
static npr_status keeper_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct keeper *keeper = state;
    const uint32_t victim = keeper_random(keeper, TIMERS);
    uint64_t index = 0;

    if (!npr_term_get_uint64(message, &index) || index >= TIMERS ||
        npri_now_ns() < keeper->due_ns[index]) {
        (void)atomic_fetch_add(&errors_count, 1);
        return NPR_OK;
    }
    keeper_settle(keeper, (uint32_t)index, TIMER_FIRED);
    if (npr_cancel_timer(self, &keeper->refs[victim])) {
        keeper_settle(keeper, victim, TIMER_CANCELLED);
    } else if (keeper->fates[victim] == TIMER_PENDING) {
        (void)atomic_fetch_add(&errors_count, 1);
    }
    return keeper->settled == TIMERS ? npr_send(self, &world_here->probe, NPRI_WORD_OK) : NPR_OK;
}

static const struct npr_behaviour keeper_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct keeper),
    .init = keeper_init,
    .info = keeper_info,
};

void scenario_timers(uint64_t seed)
{
    const struct npri_spawn spawn = {.behaviour = &keeper_behaviour};
    struct world world;

    world_here = &world;
    atomic_store(&errors_count, 0);
    world_open(&world, 1 + (unsigned)(seed % 3));
    for (int i = 0; i < KEEPERS; i++) {
        (void)world_puppet_with(&world, &spawn);
    }
    for (int i = 0; i < KEEPERS; i++) {
        npri_signal_destroy(world_take(&world, &world.probed));
    }
    world_close(&world);
    assert_int_equal(atomic_load(&errors_count), 0);
}
