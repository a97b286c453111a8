/* Runs of the runtime in an order that a seed decides (serial.h).
 *
 *      systematic                   a handful of seeds
 *      systematic --seed N          that one, which is how a failure is replayed
 *      systematic --seed N --count C
 *
 * For each scenario and seed it prints a hash of the order: the same for the same seed, different
 * ones for different seeds, which it checks with the first ones.  A run that fails ends the program
 * in the middle of its line. */
#include "serial.h"
#include "stress.h"
#include "world.h"

#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "nprocreg/thread.h"

#include "runtime/internal.h"

#define SEEDS_DEFAULT 12u

/* ---- Scenario: stress. */

static void run_stress(uint64_t seed)
{
    (void)stress_run(1 + (unsigned)(seed % 4), 60, (uint32_t)seed);
}

/* ---- Scenario: threads.  Thread processes that look, wait for a while and wait for ever, while
 * others send to them; all that is sent is received, in its order; then they are killed. */

enum {
    RECEIVERS = 2,
    SENDERS = 3,
    EACH = 20,
};

static struct world *world_here;
static struct npr_pid receivers[RECEIVERS];
static atomic_uint received_count;
static atomic_uint errors_count;

static npr_status receiver_run(struct npr_process *self, void *state, struct npr_term args)
{
    uint64_t next[SENDERS] = {0};
    struct npr_received received;
    npr_status status = NPR_OK;

    (void)state;
    (void)args;
    for (uint32_t round = 0; status == NPR_OK || status == NPR_ETIMEDOUT; round++) {
        static const uint32_t waits_ms[] = {0, 1, NPR_FOREVER};
        uint64_t value;

        status = npr_receive(self, waits_ms[round % 3], NULL, NULL, &received);
        if (status == NPR_OK) {
            if (!npr_term_get_uint64(received.term, &value) || value / EACH >= SENDERS ||
                next[value / EACH]++ != value % EACH) {
                (void)atomic_fetch_add(&errors_count, 1);
            }
            (void)atomic_fetch_add(&received_count, 1);
        }
    }
    return status == NPR_EEXIT ? npr_send(self, &world_here->probe, NPRI_WORD_OK) : status;
}

static const struct npr_behaviour receiver_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .run = receiver_run,
};

/* Sends one number to each receiver a turn. */
static npr_status sender_info(struct npr_process *self, void *state, struct npr_term message)
{
    const struct npr_pid me = npr_self(self);
    struct npr_builder *scratch = npr_scratch(self);
    uint64_t *sent = state;
    uint64_t index = 0;
    struct npr_term term;
    npr_status status;

    (void)npr_term_get_uint64(message, &index);
    npr_build_uint(scratch, index * EACH + *sent);
    status = npr_builder_finish(scratch, &term, NULL);
    for (int i = 0; i < RECEIVERS && status == NPR_OK; i++) {
        status = npr_send(self, &receivers[i], term);
    }
    return ++*sent == EACH || status != NPR_OK ? status : npr_send(self, &me, message);
}

static const struct npr_behaviour sender_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(uint64_t),
    .info = sender_info,
};

static void kill_receiver(struct world *world, const struct npr_pid *pid)
{
    const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT,
                                      .from = world_pid(world, &world->probe),
                                      .to = world_pid(world, pid),
                                      .payload = world_atom(world, "kill")};

    world_deliver(world, &draft);
    world_expect(world, &world->probed, NPRI_SIGNAL_MESSAGE, (struct npr_term){0}, NPRI_WORD_OK);
}

static void run_threads(uint64_t seed)
{
    const struct npri_spawn receiver = {.behaviour = &receiver_behaviour};
    const struct npri_spawn sender = {.behaviour = &sender_behaviour};
    struct world world;

    world_here = &world;
    atomic_store(&received_count, 0);
    atomic_store(&errors_count, 0);
    world_open(&world, 1 + (unsigned)(seed % 3));
    for (int i = 0; i < RECEIVERS; i++) {
        receivers[i] = world_puppet_with(&world, &receiver);
    }
    for (int i = 0; i < SENDERS; i++) {
        const struct npr_pid pid = world_puppet_with(&world, &sender);

        world_send(&world, &pid, world_int(&world, i));
    }
    while (atomic_load(&received_count) != RECEIVERS * SENDERS * EACH) {
        (void)sched_yield();
    }
    for (int i = 0; i < RECEIVERS; i++) {
        kill_receiver(&world, &receivers[i]);
    }
    world_close(&world);
    assert_int_equal(atomic_load(&errors_count), 0);
}

/* ---- Scenario: calls.  This thread sends and waits for what comes back, so that the workers go to
 * sleep and are woken all the time. */

static void run_calls(uint64_t seed)
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

/* ---- Scenario: idle.  Messages about the time at which a process ends for lack of them: one that
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

static void run_idle(uint64_t seed)
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

/* ---- Scenario: timers.  Each is either cancelled or heard of, once, and not before its time. */

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

static void run_timers(uint64_t seed)
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

/* ---- Scenario: stop.  Others start processes, with threads and without, while the runtime stops:
 * whoever was told that one runs is told how that went. */

enum {
    STARTERS = 2,
    STARTS_MAX = 40,
};

static atomic_uint told_count;

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
        spawn.behaviour = i % 4 == 0 ? &receiver_behaviour : &idle_behaviour;
        status = npri_runtime_spawn(world->runtime, &spawn, &pid, NULL);
        accepted += status == NPR_OK;
        if (status != NPR_OK && status != NPR_ECLOSED && status != NPR_EFULL) {
            (void)atomic_fetch_add(&errors_count, 1);
        }
    }
    return (void *)accepted; /* NOLINT(performance-no-int-to-ptr): a number all the way */
}

static void run_stop(uint64_t seed)
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

/* ---- Running them. */

static const struct {
    const char *name;
    void (*run)(uint64_t seed);
} scenarios[] = {
    {"stress", run_stress}, {"threads", run_threads}, {"calls", run_calls},
    {"idle", run_idle},     {"timers", run_timers},   {"stop", run_stop},
};

#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static uint64_t run(size_t scenario, uint64_t seed)
{
    struct serial_account account;

    /* Before it runs: whatever becomes of it, this is how to see it again. */
    (void)printf("%-8s seed=%" PRIu64, scenarios[scenario].name, seed);
    (void)fflush(stdout);
    serial_begin(seed);
    scenarios[scenario].run(seed);
    account = serial_end();
    (void)printf(" points=%" PRIu64 " order=%016" PRIx64 "\n", account.points, account.order);
    return account.order;
}

/* The same seed twice, and another one. */
static bool seeds_decide(uint64_t seed)
{
    bool decide = true;

    for (size_t i = 0; i < SCENARIOS; i++) {
        const uint64_t order = run(i, seed);

        if (run(i, seed) != order || run(i, seed + 1) == order) {
            (void)fprintf(stderr, "systematic: %s: the seed does not decide the order\n",
                          scenarios[i].name);
            decide = false;
        }
    }
    return decide;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    uint64_t count = argc > 1 ? 1 : SEEDS_DEFAULT;

    for (int i = 1; i < argc; i += 2) {
        uint64_t *number = strcmp(argv[i], "--seed") == 0    ? &seed
                           : strcmp(argv[i], "--count") == 0 ? &count
                                                             : NULL;

        if (number == NULL || i + 1 == argc || !read_number(argv[i + 1], number)) {
            (void)fprintf(stderr, "usage: systematic [--seed N] [--count C]\n");
            return 2;
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        for (size_t scenario = 0; scenario < SCENARIOS; scenario++) {
            (void)run(scenario, seed + i);
        }
    }
    return argc > 1 || seeds_decide(seed) ? 0 : 1;
}
