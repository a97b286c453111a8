/* Workers that sleep and wake, processes that end for lack of messages, a runtime that stops. */
#include "scenario.h"
#include "world.h"

#include <stdatomic.h>
#include <time.h>

#include "nprocreg/thread.h"

static struct world *world_here;

/* This thread sends and waits for what comes back, so that the workers go to sleep and are woken
 * all the time. */

void scenario_wake(uint64_t seed)
{
    enum { PUPPETS = 3, ROUNDS = 30 };
    struct npr_pid puppets[PUPPETS];
    struct world world;

    world_open(&world, 1 + (unsigned)(seed % 3));
    for (int i = 0; i < PUPPETS; i++) {
        puppets[i] = world_puppet(&world);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        const unsigned count = 1 + round % PUPPETS;

        for (unsigned i = 0; i < count; i++) {
            world_send(&world, &puppets[i], NPRI_WORD_OK);
        }
        for (unsigned i = 0; i < count; i++) {
            npri_signal_destroy(world_take(&world, &world.probed));
        }
    }
    world_close(&world);
}

/* ---- Messages about the time at which a process ends for lack of them: one that
 * was accepted is acted on. */

#define IDLE_US 1000

static npr_status idle_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)state;
    return npr_send(self, &world_here->probe, message);
}

static const struct npr_behaviour idle_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .info = idle_info,
    .idle_ms = IDLE_US / 1000,
};

static void pause_us(uint64_t us)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

void scenario_idle(uint64_t seed)
{
    enum { ROUNDS = 30 };
    const struct npri_spawn spawn = {.behaviour = &idle_behaviour};
    struct world world;
    struct npr_pid pid;
    bool is_new = true;

    world_here = &world;
    world_open(&world, 1 + (unsigned)(seed % 3));
    for (uint64_t round = 0; round < ROUNDS; round++) {
        if (is_new) {
            pid = world_puppet_with(&world, &spawn);
            npri_signal_destroy(world_take(&world, &world.started));
        }
        pause_us(IDLE_US - 20 + (seed + round * 7) % 60);
        world_send(&world, &pid, NPRI_WORD_OK);
        is_new = !npri_runtime_is_alive(world.runtime, &pid);
        if (!is_new) { /* then it was when the message came */
            npri_signal_destroy(world_take(&world, &world.probed));
        }
    }
    world_close(&world);
}

/* ---- Others start processes, with threads and without, while the runtime stops:
 * whoever was told that one runs is told how that went. */

enum {
    STARTERS = 2,
    STARTS_MAX = 40,
};

static atomic_uint told_count;
static atomic_uint errors_count;

static npr_status waiting_run(struct npr_process *self, void *state, struct npr_term args)
{
    struct npr_received received;

    (void)state;
    (void)args;
    return npr_receive(self, NPR_FOREVER, NULL, NULL, &received) == NPR_EEXIT ? NPR_OK : NPR_EIO;
}

static const struct npr_behaviour waiting_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .run = waiting_run,
};

static void on_start(void *user,
                     const struct npr_pid *pid,
                     npr_status status,
                     struct npr_term reason)
{
    (void)user;
    (void)pid;
    (void)status;
    (void)reason;
    (void)atomic_fetch_add(&told_count, 1);
}

/* As a number: how many were accepted. */
static void *start_all(void *user)
{
    struct world *world = user;
    struct npri_spawn spawn = {.function = "started", .started = on_start};
    npr_status status = NPR_OK;
    uintptr_t accepted = 0;
    struct npr_pid pid;

    for (int i = 0; i < STARTS_MAX && status != NPR_ECLOSED; i++) {
        spawn.behaviour = i % 4 == 0 ? &waiting_behaviour : &idle_behaviour;
        status = npri_runtime_spawn(world->runtime, &spawn, &pid, NULL);
        accepted += status == NPR_OK;
        if (status != NPR_OK && status != NPR_ECLOSED && status != NPR_EFULL) {
            (void)atomic_fetch_add(&errors_count, 1);
        }
    }
    return (void *)accepted; /* NOLINT(performance-no-int-to-ptr): a number all the way */
}

void scenario_stop(uint64_t seed)
{
    pthread_t threads[STARTERS];
    struct world world;
    uintptr_t accepted = 0;

    world_here = &world;
    atomic_store(&told_count, 0);
    atomic_store(&errors_count, 0);
    world_open(&world, 1 + (unsigned)(seed % 3));
    for (int i = 0; i < STARTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, start_all, &world), 0);
    }
    pause_us(seed % 200);
    npri_runtime_stop(world.runtime);
    for (int i = 0; i < STARTERS; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        accepted += (uintptr_t)result;
    }
    assert_int_equal(npri_runtime_process_count(world.runtime), 0);
    assert_int_equal(atomic_load(&told_count), accepted);
    assert_int_equal(atomic_load(&errors_count), 0);
    npri_runtime_destroy(world.runtime);
    world.runtime = NULL;
    world_close(&world);
}
