/* What is told of processes from outside. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "runtime/internal.h"
#include "runtime/ranking.h"

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
    assert_int_equal(info.id, pid->id);
    assert_int_equal(info.serial, pid->serial);
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
    assert_int_equal(info.status, NPR_PROCESS_RUNNING);
    assert_int_equal(info.state_bytes, 24);
    assert_string_equal(info.function, "puppet:start");
    atomic_store(&gate, true);
    do {
        (void)sched_yield();
        info = info_of(&world, &busy);
    } while (info.waiting != 0 || info.relations != 2 || info.status != NPR_PROCESS_WAITING ||
             info.busy_ns < BUSY_MS / 2 * NPRI_NS_PER_MS);
    assert_int_equal(info.handled, 5);
    assert_int_equal(info.overflowed, 0);

    info = info_of(&world, &lazy);
    assert_int_equal(info.handled, 2);
    world_close(&world);
}

/* All parts, in order. */
static void rank_all(struct world *world, struct npri_ranking *ranking)
{
    uint32_t count = 0;

    for (unsigned part = 0; part < NPRI_RUNTIME_PARTS; part++) {
        count += npri_runtime_rank(world->runtime, part, ranking);
    }
    assert_int_equal(count, MANY);
    npri_ranking_sort(ranking);
}

/* Would catch: processes that are told of twice or not, or out of order; dead or foreign ones that
 * are told of; what is lost when memory runs out. */
static void every_process_is_told_of_once(void **state)
{
    struct npri_ranking ranking;
    struct npri_process_info info;
    struct npr_pid pids[MANY];
    struct npr_pid stranger;
    struct world world;

    (void)state;
    world_open(&world, 2);
    for (unsigned i = 0; i < MANY; i++) {
        pids[i] = world_puppet(&world);
    }
    npri_alloc_fail_after(1);
    assert_false(npri_ranking_init(&ranking, NPR_FIGURE_PID, 2 * MANY));
    npri_alloc_fail_after(0);
    assert_true(npri_ranking_init(&ranking, NPR_FIGURE_PID, 2 * MANY));
    rank_all(&world, &ranking);
    assert_int_equal(ranking.count, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        const struct npr_pid pid =
            npri_runtime_pid_of(world.runtime, ranking.infos[i].id, ranking.infos[i].serial);

        assert_true(npr_pid_equal(&pid, &pids[i]));
        assert_string_equal(ranking.infos[i].function, "puppet:start");
    }
    npri_ranking_fini(&ranking);

    stranger = pids[0];
    stranger.serial++;
    assert_false(npri_runtime_info(world.runtime, &stranger, &info));
    stranger.serial--;
    stranger.creation++;
    assert_false(npri_runtime_info(world.runtime, &stranger, &info));
    assert_false(npri_runtime_info(world.runtime, &world.probe, &info));
    world_close(&world);
}

/* Would catch: a heap that keeps the wrong end, or loses its order when something better comes. */
static void only_the_first_ones_are_kept(void **state)
{
    enum { KEPT = 7 };
    static const enum npr_figure figures[] = {NPR_FIGURE_MAILBOX, NPR_FIGURE_HANDLED,
                                              NPR_FIGURE_DROPPED, NPR_FIGURE_TIME,
                                              NPR_FIGURE_STATE,   NPR_FIGURE_LINKS};

    (void)state;
    for (unsigned f = 0; f < sizeof(figures) / sizeof(figures[0]); f++) {
        struct npri_ranking ranking;

        assert_true(npri_ranking_init(&ranking, figures[f], KEPT));
        for (uint32_t i = 0; i < MANY; i++) {
            uint64_t values[NPR_FIGURE_LINKS + 1] = {0};

            values[figures[f]] = (i * 37 + 5) % MANY / 2; /* every value twice, mixed */
            npri_ranking_offer(&ranking, &(struct npri_process_info){
                                             .id = i,
                                             .waiting = values[NPR_FIGURE_MAILBOX],
                                             .handled = values[NPR_FIGURE_HANDLED],
                                             .overflowed = values[NPR_FIGURE_DROPPED],
                                             .busy_ns = values[NPR_FIGURE_TIME],
                                             .state_bytes = values[NPR_FIGURE_STATE],
                                             .relations = values[NPR_FIGURE_LINKS],
                                         });
        }
        npri_ranking_sort(&ranking);
        assert_int_equal(ranking.count, KEPT);
        for (uint32_t i = 0; i < KEPT; i++) {
            const struct npri_process_info *info = &ranking.infos[i];

            assert_int_equal(info->waiting + info->handled + info->overflowed + info->busy_ns +
                                 info->state_bytes + info->relations,
                             MANY / 2 - 1 - i / 2);
            assert_true(i % 2 == 0 || info->id > info[-1].id); /* the older first */
        }
        npri_ranking_fini(&ranking);
    }
}

static void name_visit(void *user, struct npr_bytes name)
{
    unsigned *sum = user;

    assert_int_equal(name.size, 1);
    *sum += name.data[0];
}

/* Would catch: names of others, or none. */
static void names_are_told_of(void **state)
{
    struct npri_process_info info;
    struct npr_pid pids[2];
    struct world world;
    unsigned sum = 0;

    (void)state;
    world_open(&world, 1);
    for (unsigned i = 0; i < 2; i++) {
        pids[i] = world_puppet(&world);
    }
    assert_int_equal(npri_runtime_register(world.runtime, npr_bytes_of("a"), &pids[0]), NPR_OK);
    assert_int_equal(npri_runtime_register(world.runtime, npr_bytes_of("b"), &pids[1]), NPR_OK);
    assert_int_equal(npri_runtime_register(world.runtime, npr_bytes_of("c"), &pids[0]), NPR_OK);
    npri_runtime_names(world.runtime, &pids[0], name_visit, &sum);
    assert_int_equal(sum, 'a' + 'c');
    info = info_of(&world, &pids[0]);
    assert_true(info.named);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_tell_what_happened),
        cmocka_unit_test(every_process_is_told_of_once),
        cmocka_unit_test(only_the_first_ones_are_kept),
        cmocka_unit_test(names_are_told_of),
    };

    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
