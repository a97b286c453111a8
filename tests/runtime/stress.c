/* Many processes on several workers, doing random things, with an exact account at the end.
 *
 * A few survivors trap exits and live to the end; each starts, watches, links, unlinks and kills
 * mortals, and sends numbered messages to other survivors.  When all steps are done and all mortals
 * are told to die, each survivor must in the end have nothing left open: every monitor has fired
 * once or was taken back, every link has broken once or was taken back.  A signal that is lost
 * keeps a survivor waiting (the case fails at its deadline); one too many is counted as an error.
 */
#include "stress.h"

#include "world.h"

#include <stdatomic.h>

enum {
    SURVIVORS = 6,
    OPEN_MAX = 48, /* monitors or links of one survivor at a time */
    RECENT = 16,   /* mortals that a survivor still has to do with */
};

struct open_ref {
    uint32_t words[3];
};

/* Only its own process writes to it; the test reads when all is quiet. */
struct survivor {
    struct world *world;
    struct npr_pid pid;
    uint32_t index;
    uint32_t random;
    uint32_t steps_left;
    bool finished;
    bool reported;
    struct npr_pid recent[RECENT];
    uint32_t started; /* mortals */
    struct npr_ref monitors[OPEN_MAX];
    uint32_t monitors_count;
    uint32_t links[OPEN_MAX]; /* ids */
    uint32_t links_count;
    uint32_t errors;
    uint32_t fired;
    uint32_t broken;
    uint64_t sent[SURVIVORS];
    uint64_t received[SURVIVORS];
};

static struct survivor survivors[SURVIVORS];
static atomic_uint survivors_count;
static atomic_uint mortals_started;
static atomic_uint mortals_ended;

static uint32_t next_random(uint32_t *state, uint32_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

/* ---- Mortals. */

/* A pid: a link to it, and a monitor.  Anything else, a DOWN too: the end. */
static npr_status mortal_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct npr_pid pid;
    struct npr_ref ref;

    (void)state;
    if (npr_term_get_pid(message, &pid)) {
        return npr_monitor(self, &pid, &ref) == NPR_OK ? npr_link(self, &pid) : NPR_ENOMEM;
    }
    return npr_stop(self, message);
}

/* Counted here: the end of the runtime may come first, and then there is no terminate either. */
static npr_status mortal_init(struct npr_process *self, void *state, struct npr_term args)
{
    (void)self;
    (void)state;
    (void)args;
    (void)atomic_fetch_add(&mortals_started, 1);
    return NPR_OK;
}

static void mortal_terminate(struct npr_process *self, void *state, struct npr_term reason)
{
    (void)self;
    (void)state;
    (void)reason;
    (void)atomic_fetch_add(&mortals_ended, 1);
}

static const struct npr_behaviour mortal_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = 16,
    .init = mortal_init,
    .info = mortal_info,
    .terminate = mortal_terminate,
};

/* ---- Survivors. */

static struct npr_pid *recent_mortal(struct survivor *me)
{
    const uint32_t count = me->started < RECENT ? me->started : RECENT;

    return count == 0 ? NULL : &me->recent[next_random(&me->random, count)];
}

static void survivor_start(struct survivor *me, struct npr_process *self)
{
    struct npr_builder *builder = npr_scratch(self);
    struct npri_spawn spawn = {.behaviour = &mortal_behaviour, .function = "mortal:start"};
    struct npr_pid *slot = &me->recent[me->started % RECENT];

    npr_build_nil(builder);
    /* Whoever is forgotten dies: at the end nobody is left. */
    if (me->started >= RECENT &&
        npr_exit(self, slot, next_random(&me->random, 2) == 0 ? NPRI_WORD_KILLED : NPRI_WORD_OK) !=
            NPR_OK) {
        me->errors++;
    }
    if (npr_builder_finish(builder, &spawn.args, NULL) != NPR_OK ||
        npri_runtime_spawn(me->world->runtime, &spawn, slot, NULL) != NPR_OK) {
        me->errors++;
        return;
    }
    me->started++;
}

static void survivor_monitor(struct survivor *me, struct npr_process *self, struct npr_pid *mortal)
{
    if (me->monitors_count < OPEN_MAX) {
        me->errors += npr_monitor(self, mortal, &me->monitors[me->monitors_count]) != NPR_OK;
        me->monitors_count++;
    }
}

static void survivor_demonitor(struct survivor *me, struct npr_process *self)
{
    if (me->monitors_count != 0) {
        const uint32_t i = next_random(&me->random, me->monitors_count);

        me->errors += npr_demonitor(self, &me->monitors[i]) != NPR_OK;
        me->monitors[i] = me->monitors[--me->monitors_count];
    }
}

static uint32_t link_index(const struct survivor *me, uint32_t id)
{
    uint32_t i = 0;

    while (i < me->links_count && me->links[i] != id) {
        i++;
    }
    return i;
}

static void survivor_link(struct survivor *me, struct npr_process *self, struct npr_pid *mortal)
{
    if (me->links_count < OPEN_MAX) {
        me->errors += npr_link(self, mortal) != NPR_OK;
        if (link_index(me, mortal->id) == me->links_count) {
            me->links[me->links_count++] = mortal->id;
        }
    }
}

static void survivor_unlink(struct survivor *me, struct npr_process *self, struct npr_pid *mortal)
{
    const uint32_t i = link_index(me, mortal->id);

    me->errors += npr_unlink(self, mortal) != NPR_OK;
    if (i < me->links_count) {
        me->links[i] = me->links[--me->links_count];
    }
}

/* {Sender,Number}. */
static void survivor_send(struct survivor *me, struct npr_process *self)
{
    struct survivor *to = &survivors[next_random(&me->random, SURVIVORS)];
    struct npr_builder *builder = npr_scratch(self);
    struct npr_term message;

    npr_build_tuple(builder, 2);
    npr_build_int(builder, me->index);
    npr_build_uint(builder, me->sent[to->index]);
    if (npr_builder_finish(builder, &message, NULL) != NPR_OK ||
        npr_send(self, &to->pid, message) != NPR_OK) {
        me->errors++;
    }
    me->sent[to->index]++;
}

static void survivor_mix(struct survivor *me, struct npr_process *self, struct npr_pid *mortal)
{
    struct npr_pid *other = recent_mortal(me);
    struct npr_builder *builder = npr_scratch(self);
    struct npr_term message;

    npr_build_pid(builder, other);
    if (npr_builder_finish(builder, &message, NULL) != NPR_OK ||
        npr_send(self, mortal, message) != NPR_OK) {
        me->errors++;
    }
}

static void survivor_step(struct survivor *me, struct npr_process *self)
{
    struct npr_pid *mortal = recent_mortal(me);
    const uint32_t what = mortal == NULL ? 0 : next_random(&me->random, 12);

    if (what <= 1) {
        survivor_start(me, self);
    } else if (what <= 3) {
        survivor_monitor(me, self, mortal);
    } else if (what == 4) {
        survivor_demonitor(me, self);
    } else if (what <= 6) {
        survivor_link(me, self, mortal);
    } else if (what == 7) {
        survivor_unlink(me, self, mortal);
    } else if (what == 8) {
        survivor_mix(me, self, mortal);
    } else if (what == 9) {
        me->errors += npr_send(self, mortal, NPRI_WORD_SHUTDOWN) != NPR_OK;
    } else {
        survivor_send(me, self);
    }
}

static void survivor_finish(struct survivor *me, struct npr_process *self)
{
    for (uint32_t i = 0; i < RECENT && i < me->started; i++) {
        me->errors += npr_send(self, &me->recent[i], NPRI_WORD_SHUTDOWN) != NPR_OK;
    }
    me->finished = true;
}

static void survivor_on_down(struct survivor *me, struct npr_term ref_term)
{
    struct npr_ref ref;

    me->fired++;
    if (npr_term_get_ref(ref_term, &ref)) {
        for (uint32_t i = 0; i < me->monitors_count; i++) {
            if (npr_ref_equal(&me->monitors[i], &ref)) {
                me->monitors[i] = me->monitors[--me->monitors_count];
                return;
            }
        }
    }
    me->errors++; /* fired twice, or after it was taken back */
}

static void survivor_on_exit(struct survivor *me, struct npr_term pid_term)
{
    struct npr_pid pid = {0};
    uint32_t i;

    me->broken++;
    (void)npr_term_get_pid(pid_term, &pid);
    i = link_index(me, pid.id);
    if (i == me->links_count) {
        me->errors++; /* twice, or after it was taken back */
        return;
    }
    me->links[i] = me->links[--me->links_count];
}

static void survivor_on_number(struct survivor *me, struct npr_term from, struct npr_term number)
{
    uint64_t sender = SURVIVORS;
    uint64_t value = 0;

    if (!npr_term_get_uint64(from, &sender) || sender >= SURVIVORS ||
        !npr_term_get_uint64(number, &value) || value != me->received[sender]) {
        me->errors++; /* lost, doubled, or out of order */
        return;
    }
    me->received[sender]++;
}

static npr_status survivor_info(struct npr_process *self, void *state, struct npr_term message)
{
    struct survivor *me = *(struct survivor **)state;
    const struct npr_pid pid = me->pid;
    struct npr_term parts[5];

    if (npr_term_get_tuple(message, 5, parts)) {
        survivor_on_down(me, parts[1]);
    } else if (npr_term_get_tuple(message, 3, parts)) {
        survivor_on_exit(me, parts[1]);
    } else if (npr_term_get_tuple(message, 2, parts)) {
        survivor_on_number(me, parts[0], parts[1]);
    } else if (me->steps_left != 0) {
        me->steps_left--;
        survivor_step(me, self);
        if (me->steps_left == 0) {
            survivor_finish(me, self);
        }
        return npr_send(self, &pid, message);
    }
    if (me->finished && !me->reported && me->monitors_count == 0 && me->links_count == 0) {
        me->reported = true;
        return npr_send(self, &me->world->probe, NPRI_WORD_OK);
    }
    return NPR_OK;
}

static npr_status survivor_call(struct npr_process *self,
                                void *state,
                                const struct npr_from *from,
                                struct npr_term request)
{
    (void)state;
    return npr_reply(self, from, request);
}

static npr_status survivor_init(struct npr_process *self, void *state, struct npr_term args)
{
    struct survivor **me = state;

    (void)args;
    *me = &survivors[atomic_fetch_add(&survivors_count, 1)];
    (*me)->pid = npr_self(self);
    npr_trap_exit(self, true);
    return NPR_OK;
}

static const struct npr_behaviour survivor_behaviour = {
    .struct_size = sizeof(struct npr_behaviour),
    .state_bytes = sizeof(struct survivor *),
    .init = survivor_init,
    .call = survivor_call,
    .info = survivor_info,
};

static void start_survivors(struct world *world, uint32_t steps, uint32_t seed)
{
    const struct npri_spawn spawn = {.behaviour = &survivor_behaviour};

    for (uint32_t i = 0; i < SURVIVORS; i++) {
        survivors[i] = (struct survivor){
            .world = world,
            .index = i,
            .random = (2463534242u ^ seed) + 7919u * i,
            .steps_left = steps,
        };
        (void)world_puppet_with(world, &spawn);
        npri_signal_destroy(world_take(world, &world->started));
    }
}

/* One turn of each after all else: what it wrote is then to be read here. */
static void settle_survivors(struct world *world)
{
    const struct npr_term x = world_atom(world, "x");
    const struct npr_term from = WORLD_TUPLE(world, world_pid(world, &world->probe), x);
    const struct npr_term call = WORLD_TUPLE(world, world_atom(world, "$gen_call"), from, x);

    for (uint32_t i = 0; i < SURVIVORS; i++) {
        world_send(world, &survivors[i].pid, call);
        npri_signal_destroy(world_take(world, &world->probed));
    }
}

struct stress_totals stress_run(unsigned workers, uint32_t steps, uint32_t seed)
{
    struct world world;
    struct stress_totals totals = {0};

    atomic_store(&survivors_count, 0);
    atomic_store(&mortals_started, 0);
    atomic_store(&mortals_ended, 0);
    world_open(&world, workers);
    start_survivors(&world, steps, seed);
    for (uint32_t i = 0; i < SURVIVORS; i++) {
        world_send(&world, &survivors[i].pid, NPRI_WORD_OK);
    }
    for (uint32_t i = 0; i < SURVIVORS; i++) {
        npri_signal_destroy(world_take(&world, &world.probed));
    }
    settle_survivors(&world);
    for (uint32_t i = 0; i < SURVIVORS; i++) {
        assert_int_equal(survivors[i].errors, 0);
        assert_int_equal(survivors[i].monitors_count + survivors[i].links_count, 0);
        for (uint32_t j = 0; j < SURVIVORS; j++) {
            assert_int_equal(survivors[i].sent[j], survivors[j].received[i]);
        }
        totals.fired += survivors[i].fired;
        totals.broken += survivors[i].broken;
    }
    world_close(&world);
    totals.mortals = atomic_load(&mortals_started);
    assert_int_equal(totals.mortals, atomic_load(&mortals_ended));
    return totals;
}
