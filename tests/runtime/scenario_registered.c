/* Registered processes that end in every way, while one thread listens and another registers them
 * again or takes that back: each end is told exactly once, and before its monitor fires. */
#include "scenario.h"
#include "world.h"

enum { PUPPETS = 6 };

struct hearing {
    struct world *world;
    struct npr_pid pids[PUPPETS];
    /* Under the world's mutex. */
    unsigned told[PUPPETS];
    bool quit;
};

static unsigned number_of(const struct hearing *hearing, const struct npr_pid *pid)
{
    for (unsigned i = 0; i < PUPPETS; i++) {
        if (npr_pid_equal(&hearing->pids[i], pid)) {
            return i;
        }
    }
    fail_msg("the end of nobody");
    return 0;
}

static void hear(struct hearing *hearing, struct npr_process *process)
{
    struct npr_term reason;
    struct npr_pid pid;

    npri_ended_read(process, &pid, &reason);
    assert_int_equal(npri_runtime_watch(hearing->world->runtime, &pid), NPRI_WATCH_DEAD);
    (void)pthread_mutex_lock(&hearing->world->mutex);
    hearing->told[number_of(hearing, &pid)]++;
    (void)pthread_mutex_unlock(&hearing->world->mutex);
    npri_runtime_finish(process);
}

/* As the loop thread does it: when it is woken, until there are none. */
static void *listen(void *user)
{
    struct hearing *hearing = user;
    struct world *world = hearing->world;
    size_t seen = 0;
    bool quit = false;

    while (!quit) {
        struct npr_process *process;

        (void)pthread_mutex_lock(&world->mutex);
        while (world->ended == seen && !hearing->quit) {
            (void)pthread_cond_wait(&world->cond, &world->mutex);
        }
        quit = world->ended == seen;
        seen = world->ended;
        (void)pthread_mutex_unlock(&world->mutex);
        while (!quit && (process = npri_runtime_take_ended(world->runtime)) != NULL) {
            while (process != NULL) {
                struct npr_process *next = npri_ended_next(process);

                hear(hearing, process);
                process = next;
            }
        }
    }
    return NULL;
}

static void end_puppet(struct world *world, const struct npr_pid *pid, uint64_t how)
{
    struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT,
                                .from = world_pid(world, &world->probe),
                                .to = world_pid(world, pid)};

    if (how == 0) {
        world_do_term(world, pid, WORLD_STOP, NPRI_WORD_NORMAL);
        return;
    }
    draft.payload = how == 1 ? NPRI_WORD_SHUTDOWN : world_atom(world, "kill");
    world_deliver(world, &draft);
    if (how == 2) { /* once more, at whatever moment that is */
        (void)npri_runtime_watch(world->runtime, pid);
    }
}

/* So many monitors fire: was each end told of before? */
static void expect_downs(struct hearing *hearing, const bool *registered, unsigned count)
{
    struct world *world = hearing->world;

    for (unsigned downs = 0; downs < count;) {
        struct npri_signal *signal = world_take(world, &world->probed);
        struct npr_pid pid;

        if (signal->kind == NPRI_SIGNAL_DOWN) {
            unsigned number;

            assert_true(npr_term_get_pid(signal->from, &pid));
            number = number_of(hearing, &pid);
            (void)pthread_mutex_lock(&world->mutex);
            assert_int_equal(hearing->told[number], registered[number] ? 1 : 0);
            (void)pthread_mutex_unlock(&world->mutex);
            downs++;
        }
        npri_signal_destroy(signal);
    }
}

void scenario_registered(uint64_t seed)
{
    bool registered[PUPPETS];
    struct hearing hearing = {0};
    struct world world;
    pthread_t thread;
    unsigned ending = 0;

    world_open(&world, 1 + (unsigned)(seed % 3));
    hearing.world = &world;
    for (unsigned i = 0; i < PUPPETS; i++) {
        hearing.pids[i] = world_puppet(&world);
        registered[i] = (seed >> i) % 3 != 0;
        assert_int_equal(npri_runtime_watch(world.runtime, &hearing.pids[i]), NPRI_WATCH_ON);
        (void)world_watch(&world, &hearing.pids[i]);
    }
    assert_int_equal(pthread_create(&thread, NULL, listen, &hearing), 0);
    for (unsigned i = 0; i < PUPPETS; i++) {
        if (!registered[i]) {
            npri_runtime_unwatch(world.runtime, &hearing.pids[i]);
        }
        end_puppet(&world, &hearing.pids[i], registered[i] ? (seed + i) % 3 : (seed + i) % 2);
        ending++;
        if ((seed / 2 + i) % 2 == 0) {
            expect_downs(&hearing, registered, ending);
            ending = 0;
        }
    }
    expect_downs(&hearing, registered, ending);
    (void)pthread_mutex_lock(&world.mutex);
    hearing.quit = true;
    (void)pthread_cond_broadcast(&world.cond);
    (void)pthread_mutex_unlock(&world.mutex);
    assert_int_equal(pthread_join(thread, NULL), 0);
    world_close(&world);
}
