/* Messages for later: when they come, when not, and that nothing is left of them. */
#include "world.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "runtime/internal.h"

#define MS UINT64_C(1000000)

static const struct npr_term any;

static size_t timers_armed(struct world *world)
{
    struct npri_alarms *timers = &world->runtime->alarms;
    size_t count;

    (void)pthread_mutex_lock(&timers->mutex);
    count = timers->heap.count;
    (void)pthread_mutex_unlock(&timers->mutex);
    return count;
}

/* ---- A process that runs one function of the case as its init, and another one for messages. */

struct actor_plan {
    npr_status (*begin)(struct npr_process *self);
    npr_status (*info)(struct npr_process *self, struct npr_term message);
};

static struct actor_plan plan;
static struct npr_pid probe;
static struct npr_ref tick_ref;
static uint64_t began_ns;
static atomic_uint ticks;
static atomic_bool flag;

static npr_status actor_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    (void)args;
    began_ns = npri_now_ns();
    return plan.begin(self);
}

static npr_status actor_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)state;
    return plan.info(self, message);
}

static const struct npr_behaviour actor_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = actor_init,
    .info = actor_info,
};

static struct npr_pid actor(struct world *world)
{
    const struct npri_spawn spawn = {.behaviour = &actor_behaviour};

    probe = world->probe;
    atomic_store(&ticks, 0);
    atomic_store(&flag, false);
    return world_puppet_with(world, &spawn);
}

static npr_status tell(struct npr_process *self, const char *text, uint64_t after_ms)
{
    struct npr_builder *builder = npr_scratch(self);
    struct npr_term atom;

    npr_build_atom(builder, text);
    if (npr_builder_finish(builder, &atom, NULL) != NPR_OK) {
        return NPR_ENOMEM;
    }
    return npr_send_after(self, &probe, atom, after_ms, NULL);
}

/* ---- Cases. */

static npr_status begin_in_disorder(struct npr_process *self)
{
    static const struct {
        const char *text;
        uint64_t after_ms;
    } timers[] = {{"e", 240}, {"c", 120}, {"d", 120}, {"a", 0}, {"b", 0}};
    npr_status status = NPR_OK;

    for (size_t i = 0; i < 5 && status == NPR_OK; i++) {
        status = tell(self, timers[i].text, timers[i].after_ms);
    }
    return status;
}

/* Would catch: timers that fire early, in the order of setting, or equal ones in no order. */
static void timers_fire_in_order_and_not_early(void **state)
{
    static const uint64_t due_ms[] = {0, 0, 120, 120, 240};
    struct world world;
    char text[2] = "a";

    (void)state;
    world_open(&world, 2);
    plan = (struct actor_plan){.begin = begin_in_disorder};
    (void)actor(&world);
    for (size_t i = 0; i < 5; i++) {
        world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any, world_atom(&world, text));
        assert_true(npri_now_ns() >= began_ns + due_ms[i] * MS);
        text[0]++;
    }
    assert_int_equal(timers_armed(&world), 0);
    world_close(&world);
}

/* `first` fires its timer for itself; then `second`, told after that, has its own fired, by which
 * time the first one is in the mailbox. */
static npr_status second_begin(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);

    return npr_send_after(self, &me, NPRI_WORD_OK, 0, NULL);
}

static npr_status second_info(struct npr_process *self, void *state, struct npr_term message)
{
    (void)self;
    (void)state;
    (void)message;
    atomic_store(&flag, true);
    return NPR_OK;
}

static npr_status second_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)state;
    (void)args;
    return second_begin(self);
}

static const struct npr_behaviour second_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .init = second_init,
    .info = second_info,
};

static struct npri_runtime *second_runtime;

static npr_status first_begin(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    const struct npri_spawn spawn = {
        .behaviour = &second_behaviour, .function = "second:start", .args = NPRI_WORD_OK};
    struct npr_pid second;
    struct npr_ref ref;
    struct npr_ref every;

    if (npr_send_after(self, &me, NPRI_WORD_OK, 0, &ref) != NPR_OK ||
        npr_send_every(self, &me, NPRI_WORD_OK, 1, &every) != NPR_OK) {
        return NPR_ENOMEM;
    }
    while (npri_now_ns() < began_ns + 2 * MS) {
        (void)sched_yield();
    }
    if (npri_runtime_spawn(second_runtime, &spawn, &second, NULL) != NPR_OK) {
        return NPR_ENOMEM;
    }
    while (!atomic_load(&flag)) {
        (void)sched_yield();
    }
    return npr_cancel_timer(self, &ref) && !npr_cancel_timer(self, &ref) &&
                   npr_cancel_timer(self, &every) && !npr_cancel_timer(self, &every)
               ? NPR_OK
               : NPR_EINVAL;
}

static npr_status count_info(struct npr_process *self, struct npr_term message)
{
    (void)self;
    (void)message;
    (void)atomic_fetch_add(&ticks, 1);
    return NPR_OK;
}

/* Would catch: a cancelled timer whose message is in the mailbox already, and comes all the same;
 * its memory freed twice or never. */
static void cancelled_timers_do_not_come_even_when_due(void **state)
{
    struct world world;
    struct npri_signal *started;
    struct npr_pid pid;
    unsigned stray = 0;

    (void)state;
    world_open(&world, 2);
    second_runtime = world.runtime;
    plan = (struct actor_plan){.begin = first_begin, .info = count_info};
    pid = actor(&world);
    started = world_take(&world, &world.started);
    assert_int_equal(started->id, 0);
    npri_signal_destroy(started);
    world_send(&world, &pid, NPRI_WORD_OK);
    while (atomic_load(&ticks) == 0) {
        (void)sched_yield();
    }
    stray = atomic_load(&ticks) - 1;
    assert_int_equal(stray, 0);
    world_close(&world);
}

static npr_status every_begin(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    const npr_status status = npr_send_every(self, &me, NPRI_WORD_OK, 20, &tick_ref);

    /* Busy for ten periods. */
    while (npri_now_ns() < began_ns + 200 * MS) {
        (void)sched_yield();
    }
    return status;
}

static npr_status every_info(struct npr_process *self, struct npr_term message)
{
    (void)message;
    if (atomic_fetch_add(&ticks, 1) + 1 < 4) {
        return NPR_OK;
    }
    return npr_cancel_timer(self, &tick_ref) && !npr_cancel_timer(self, &tick_ref)
               ? tell(self, "done", 45)
               : NPR_EINVAL;
}

/* Would catch: periods that were missed and come all at once; a timer that is cancelled in its own
 * callback and armed again after it. */
static void repeating_timers_skip_what_they_missed(void **state)
{
    struct world world;

    (void)state;
    world_open(&world, 2);
    plan = (struct actor_plan){.begin = every_begin, .info = every_info};
    (void)actor(&world);
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any, world_atom(&world, "done"));
    /* The 1st was due at 20; the 2nd can be due at 200, the 4th at 240, the end 45 later. */
    assert_true(npri_now_ns() >= began_ns + 285 * MS);
    assert_int_equal(atomic_load(&ticks), 4);
    assert_int_equal(timers_armed(&world), 0);
    world_close(&world);
}

static npr_status many_begin(struct npr_process *self)
{
    npr_status status = NPR_OK;

    for (unsigned i = 0; i < 100 && status == NPR_OK; i++) {
        status = i % 2 == 0 ? npr_send_after(self, &probe, NPRI_WORD_OK, 60000 + i, NULL)
                            : npr_send_every(self, &probe, NPRI_WORD_OK, 60000 + i, NULL);
    }
    return status;
}

static npr_status end_info(struct npr_process *self, struct npr_term message)
{
    return npr_stop(self, message);
}

/* Would catch: timers of the dead that fire, or stay. */
static void timers_end_with_their_owner(void **state)
{
    struct world world;
    struct npr_pid pid;

    (void)state;
    world_open(&world, 2);
    plan = (struct actor_plan){.begin = many_begin, .info = end_info};
    pid = actor(&world);
    npri_signal_destroy(world_take(&world, &world.started));
    assert_int_equal(timers_armed(&world), 100);
    (void)world_watch(&world, &pid);
    world_send(&world, &pid, world_atom(&world, "normal"));
    world_expect(&world, &world.probed, NPRI_SIGNAL_DOWN, any, world_atom(&world, "normal"));
    assert_int_equal(timers_armed(&world), 0);

    (void)actor(&world); /* and these with the runtime */
    npri_signal_destroy(world_take(&world, &world.started));
    world_close(&world);
}

static npr_status misuse_begin(struct npr_process *self)
{
    const struct npr_pid me = npr_self(self);
    const struct npr_pid nobody = {0};
    const struct npr_term ok = NPRI_WORD_OK;
    struct npr_ref ref = npri_runtime_new_ref(second_runtime);
    const bool refused = npr_send_after(NULL, &me, ok, 1, NULL) == NPR_EINVAL &&
                         npr_send_after(self, NULL, ok, 1, NULL) == NPR_EINVAL &&
                         npr_send_after(self, &nobody, ok, 1, NULL) == NPR_EINVAL &&
                         npr_send_after(self, &me, any, 1, NULL) == NPR_EINVAL &&
                         npr_send_after(self, &me, ok, NPR_TIMER_MS_MAX + 1, NULL) == NPR_EINVAL &&
                         npr_send_every(self, &me, ok, 0, NULL) == NPR_EINVAL &&
                         npr_send_every(self, &me, ok, NPR_TIMER_MS_MAX + 1, NULL) == NPR_EINVAL &&
                         !npr_cancel_timer(NULL, &ref) && !npr_cancel_timer(self, NULL) &&
                         !npr_cancel_timer(self, &ref);
    npr_status status = npr_send_every(self, &me, ok, NPR_TIMER_MS_MAX, &ref);

    /* One of another incarnation. */
    ref.creation++;
    return refused && status == NPR_OK && !npr_cancel_timer(self, &ref) ? NPR_OK : NPR_EINVAL;
}

/* Would catch: misuse that is not answered; times that overflow and fire at once. */
static void misuse_of_timers_is_refused(void **state)
{
    struct world world;
    struct npri_signal *started;

    (void)state;
    world_open(&world, 2);
    second_runtime = world.runtime;
    plan = (struct actor_plan){.begin = misuse_begin, .info = count_info};
    (void)actor(&world);
    started = world_take(&world, &world.started);
    assert_int_equal(started->id, 0);
    npri_signal_destroy(started);
    assert_int_equal(timers_armed(&world), 1);
    world_close(&world);
}

static atomic_uint sweep_rounds;

/* The n-th allocation fails, until none does. */
static npr_status sweep_begin(struct npr_process *self)
{
    npr_status status = NPR_ENOMEM;
    unsigned round = 0;

    while (status == NPR_ENOMEM) {
        npri_alloc_fail_after(++round);
        status = npr_send_after(self, &probe, NPRI_WORD_OK, 0, &tick_ref);
        npri_alloc_fail_after(0);
    }
    atomic_store(&sweep_rounds, round);
    return status;
}

/* Would catch: a timer that failed and fires, or is left behind. */
static void timers_without_memory_change_nothing(void **state)
{
    struct world world;

    (void)state;
    world_open(&world, 1);
    plan = (struct actor_plan){.begin = sweep_begin};
    (void)actor(&world);
    world_expect(&world, &world.probed, NPRI_SIGNAL_MESSAGE, any, any);
    assert_true(atomic_load(&sweep_rounds) > 2);
    assert_int_equal(timers_armed(&world), 0);
    assert_int_equal(world_count(&world, &world.probed), 0);
    world_close(&world);
}

/* ---- Many at once, with an account. */

enum {
    PLAYERS = 8,
    ROUNDS = 300,
    HELD = 16,
};

struct player {
    uint32_t random;
    uint32_t rounds_left;
    struct npr_ref held[HELD];
};

static atomic_uint accounts[3]; /* set, cancelled, arrived */
static atomic_uint players_done;

static uint32_t player_random(struct player *player, uint32_t below)
{
    player->random = player->random * UINT32_C(1664525) + UINT32_C(1013904223);
    return (player->random >> 8) % below;
}

/* The atom ok is a turn, {} has come from a timer. */
static npr_status player_info(struct npr_process *self, void *state, struct npr_term message)
{
    static const uint8_t unit[] = {104, 0};
    const struct npr_term arrival = {.data = unit, .size = sizeof(unit)};
    const struct npr_pid me = npr_self(self);
    struct player *player = state;
    npr_status status = NPR_OK;

    if (!npr_term_is_atom(message, "ok")) {
        (void)atomic_fetch_add(&accounts[2], 1);
        return NPR_OK;
    }
    for (unsigned i = 0; i < 4 && status == NPR_OK; i++) {
        struct npr_ref *slot = &player->held[player_random(player, HELD)];

        if (npr_cancel_timer(self, slot)) {
            (void)atomic_fetch_add(&accounts[1], 1);
        }
        status = npr_send_after(self, &me, arrival, player_random(player, 3), slot);
        (void)atomic_fetch_add(&accounts[0], 1);
    }
    if (--player->rounds_left == 0) {
        (void)atomic_fetch_add(&players_done, 1);
        return status;
    }
    return status == NPR_OK
               ? npr_send_after(self, &me, NPRI_WORD_OK, player_random(player, 2), NULL)
               : status;
}

static npr_status player_init(struct npr_process *self, void *state, struct npr_term args)
{
    const struct npr_pid me = npr_self(self);
    struct player *player = state;

    (void)args;
    *player = (struct player){.random = me.id, .rounds_left = ROUNDS};
    return npr_send(self, &me, NPRI_WORD_OK);
}

static const struct npr_behaviour player_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct player),
    .init = player_init,
    .info = player_info,
};

/* Would catch: a timer that comes twice, is lost, or comes although it was cancelled; under the
 * sanitizers, races between the timer thread and the owner. */
static void every_timer_comes_once_or_is_cancelled(void **state)
{
    const struct npri_spawn spawn = {.behaviour = &player_behaviour};
    struct world world;
    struct npr_pid pids[PLAYERS];

    (void)state;
    world_open(&world, 3);
    for (unsigned i = 0; i < PLAYERS; i++) {
        pids[i] = world_puppet_with(&world, &spawn);
    }
    while (atomic_load(&players_done) < PLAYERS || timers_armed(&world) != 0) {
        (void)sched_yield();
    }
    /* What has fired is in the mailboxes; an end after it is the last to be met. */
    for (unsigned i = 0; i < PLAYERS; i++) {
        const struct npri_signal draft = {.kind = NPRI_SIGNAL_EXIT,
                                          .from = world_pid(&world, &world.probe),
                                          .to = world_pid(&world, &pids[i]),
                                          .payload = NPRI_WORD_SHUTDOWN};

        world_deliver(&world, &draft);
        (void)world_await_end(&world, &pids[i]);
    }
    assert_int_equal(atomic_load(&accounts[0]), 4 * PLAYERS * ROUNDS);
    assert_int_equal(atomic_load(&accounts[1]) + atomic_load(&accounts[2]),
                     atomic_load(&accounts[0]));
    assert_true(atomic_load(&accounts[1]) > 0);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_and_not_early),
        cmocka_unit_test(cancelled_timers_do_not_come_even_when_due),
        cmocka_unit_test(repeating_timers_skip_what_they_missed),
        cmocka_unit_test(timers_end_with_their_owner),
        cmocka_unit_test(misuse_of_timers_is_refused),
        cmocka_unit_test(timers_without_memory_change_nothing),
        cmocka_unit_test(every_timer_comes_once_or_is_cancelled),
    };

    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
