/* The stress run on all workers, and starts from many threads while the runtime stops. */
#include "stress.h"
#include "world.h"

#include <stdatomic.h>

enum { STEPS = 4000 };

static void every_signal_is_accounted_for(void **state)
{
    const struct stress_totals totals = stress_run(4, STEPS, 0);

    (void)state;
    assert_true(totals.fired > STEPS / 100 && totals.broken > STEPS / 100);
    print_message("%u mortals, %u monitors fired, %u links broke\n", totals.mortals, totals.fired,
                  totals.broken);
}

static npr_status mortal_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)self;
    (void)state;
    (void)args;
    return NPR_OK;
}

static const struct npr_behaviour mortal_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = 16,
    .init = mortal_init,
};

struct starter {
    struct world *world;
    pthread_t thread;
    uint32_t accepted;
    npr_status last;
};

static atomic_uint started_calls;

static void count_started(void *user,
                          const struct npr_pid *pid,
                          npr_status status,
                          struct npr_term reason)
{
    (void)user;
    (void)pid;
    (void)status;
    (void)reason;
    (void)atomic_fetch_add(&started_calls, 1);
}

static void *starter_main(void *argument)
{
    struct starter *starter = argument;
    struct npri_spawn spawn = {
        .behaviour = &mortal_behaviour, .function = "mortal:start", .started = count_started};
    struct npr_pid pid;

    do {
        starter->last = npri_runtime_spawn(starter->world->runtime, &spawn, &pid, NULL);
        starter->accepted += starter->last == NPR_OK;
    } while (starter->last == NPR_OK);
    return NULL;
}

/* Would catch: a process that slips in behind the stop and is never ended, a start that its starter
 * never hears of, or twice. */
static void stop_races_with_starts(void **state)
{
    enum { STARTERS = 3, ROUNDS = 20 };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct starter starters[STARTERS] = {0};
        struct world world;
        uint32_t accepted = 0;

        atomic_store(&started_calls, 0);
        world_open(&world, 2);
        for (int i = 0; i < STARTERS; i++) {
            starters[i].world = &world;
            assert_int_equal(pthread_create(&starters[i].thread, NULL, starter_main, &starters[i]),
                             0);
        }
        (void)world_puppet(&world); /* some have started by then */
        npri_runtime_stop(world.runtime);
        for (int i = 0; i < STARTERS; i++) {
            assert_int_equal(pthread_join(starters[i].thread, NULL), 0);
            assert_int_equal(starters[i].last, NPR_ECLOSED);
            accepted += starters[i].accepted;
        }
        assert_int_equal(npri_runtime_process_count(world.runtime), 0);
        assert_int_equal(atomic_load(&started_calls), accepted);
        npri_runtime_destroy(world.runtime);
        world.runtime = NULL;
        world_close(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_signal_is_accounted_for),
        cmocka_unit_test(stop_races_with_starts),
    };

    return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
