#include "plan.h"

#include "clients.h"
#include "native.h"
#include "network.h"
#include "processes.h"
#include "trace.h"

/* Of a SIM_ACT: one of those that come beside the usual ones. */
#define RUSH    1
#define RUSH_NS (400 * SIM_MS)

/* What SIM_MEND ends: kind, a node or a set of them, another node, and the node's creation. */
enum mend {
    MEND_BOOT,
    MEND_RESUME,
    MEND_ONE_WAY,
    MEND_CUT,
    MEND_PARTITION,
    MEND_SLOW,
    MEND_DRAINED, /* the end of a node that was drained */
    MEND_STOP,    /* the end of a node that is closing */
};

static uint64_t pack(enum mend what, uint32_t a, uint32_t b, uint32_t creation)
{
    return (uint64_t)what | (uint64_t)a << 8 | (uint64_t)b << 24 | (uint64_t)creation << 32;
}

static void mend_later(struct sim *sim, uint64_t operation, uint64_t low_ns, uint64_t high_ns)
{
    sim_later_world(sim, SIM_MEND, operation, sim_random_between(&sim->random, low_ns, high_ns));
}

static uint32_t count_alive(const struct sim *sim)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sim->nodes_count; i++) {
        count += sim->nodes[i].alive ? 1 : 0;
    }
    return count;
}

/* One that lives and runs; SIM_NOBODY: none. */
static uint32_t pick(struct sim *sim, uint32_t but)
{
    uint32_t node = (uint32_t)sim_random_below(&sim->random, sim->nodes_count);

    for (uint32_t i = 0; i < sim->nodes_count; i++) {
        if (sim->nodes[node].alive && !sim->nodes[node].paused && !sim->nodes[node].leaving &&
            node != but) {
            return node;
        }
        node = (node + 1) % sim->nodes_count;
    }
    return SIM_NOBODY;
}

/* ---- Faults. */

static void end_node(struct sim *sim, uint32_t node, bool power)
{
    const bool soon = sim_random_chance(&sim->random, 40);

    sim_kill(sim, node, power);
    mend_later(sim, pack(MEND_BOOT, node, 0, 0), 5 * SIM_MS, soon ? 300 * SIM_MS : 8 * SIM_SECOND);
}

/* It stops in order: what it does then is its own, and it is gone a moment later. */
static void leave(struct sim *sim, uint32_t node)
{
    if (sim->nodes[node].native) {
        sim->nodes[node].leaving = true;
        (void)sim_native_step(sim, &sim->nodes[node],
                              &(struct npri_core_event){.kind = NPRI_EVENT_CLOSING});
        mend_later(sim, pack(MEND_STOP, node, 0, sim->nodes[node].creation), 0, 50 * SIM_MS);
    }
}

/* Its keys are to go elsewhere; then it leaves. */
static void drain(struct sim *sim, uint32_t node)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_DRAIN,
                                    .deadline_ns = sim->now_ns + 5 * SIM_SECOND};

    if (sim->nodes[node].native && !sim->nodes[node].drained) {
        SIM_TRACE(sim, node, "is drained");
        sim->nodes[node].drained = sim_native_step(sim, &sim->nodes[node], &event) == NPR_OK;
        mend_later(sim, pack(MEND_DRAINED, node, 0, sim->nodes[node].creation), SIM_SECOND,
                   8 * SIM_SECOND);
    }
}

static void pause_node(struct sim *sim, uint32_t node, bool is_long)
{
    const struct sim_options *options = &sim->options;

    sim_pause(sim, node);
    mend_later(sim, pack(MEND_RESUME, node, 0, sim->nodes[node].creation),
               is_long ? options->node_timeout_ns - options->heartbeat_ns : 20 * SIM_MS,
               is_long ? 3 * options->node_timeout_ns
                       : options->node_timeout_ns - 4 * options->heartbeat_ns);
}

static void cut_pair(struct sim *sim, uint32_t a, uint32_t b, bool both)
{
    SIM_TRACE(sim, a, both ? "and %s are cut off from each other" : "reaches %s no more",
              sim_trace_name(b));
    sim_cut(sim, a, b);
    if (both) {
        sim_cut(sim, b, a);
    }
    mend_later(sim, pack(both ? MEND_CUT : MEND_ONE_WAY, a, b, 0), 100 * SIM_MS, 9 * SIM_SECOND);
}

static bool in_set(uint32_t set, uint32_t node)
{
    return (set >> node & 1) != 0;
}

/* Between those in `set` and all others. */
static void cut_set(struct sim *sim, uint32_t set, bool cut)
{
    for (uint32_t a = 0; a < sim->nodes_count; a++) {
        for (uint32_t b = 0; b < sim->nodes_count; b++) {
            if (in_set(set, a) == in_set(set, b)) {
                continue;
            }
            if (cut) {
                sim_cut(sim, a, b);
            } else {
                sim_uncut(sim, a, b);
            }
        }
    }
}

static void part(struct sim *sim)
{
    const uint32_t all = (UINT32_C(1) << sim->nodes_count) - 1;
    const uint32_t set = 1 + (uint32_t)sim_random_below(&sim->random, all - 1);

    SIM_TRACE(sim, SIM_NOBODY, "the nodes are parted: set %x and the others", set);
    cut_set(sim, set, true);
    mend_later(sim, pack(MEND_PARTITION, set, 0, 0), 500 * SIM_MS, 10 * SIM_SECOND);
}

static void slow_down(struct sim *sim, uint32_t a, uint32_t b)
{
    sim_lane(sim, a, b)->slow_ns = sim_random_below(&sim->random, sim->options.slow_ns_max);
    sim_lane(sim, b, a)->slow_ns = sim_random_below(&sim->random, sim->options.slow_ns_max);
    SIM_TRACE(sim, a, "and %s are slow with each other", sim_trace_name(b));
    mend_later(sim, pack(MEND_SLOW, a, b, 0), SIM_SECOND, 8 * SIM_SECOND);
}

/* Of one node. */
static void hurt_node(struct sim *sim, enum sim_class which, uint32_t node)
{
    switch ((int)which) {
    case SIM_CLASS_LEAVES:
        leave(sim, node);
        return;
    case SIM_CLASS_CRASHES:
        end_node(sim, node, false);
        return;
    case SIM_CLASS_POWER:
        end_node(sim, node, true);
        return;
    case SIM_CLASS_DRAINS:
        drain(sim, node);
        return;
    case SIM_CLASS_PAUSES:
    case SIM_CLASS_LONG_PAUSES:
        pause_node(sim, node, which == SIM_CLASS_LONG_PAUSES);
        return;
    default:
        return;
    }
}

static void hurt_pair(struct sim *sim, enum sim_class which, uint32_t a, uint32_t b)
{
    switch ((int)which) {
    case SIM_CLASS_RESETS:
        SIM_TRACE(sim, a, "and %s lose their connection", sim_trace_name(b));
        sim_reset(sim, a, b, sim_random_chance(&sim->random, 70));
        return;
    case SIM_CLASS_ONE_WAY:
    case SIM_CLASS_CUTS:
        cut_pair(sim, a, b, which == SIM_CLASS_CUTS);
        return;
    case SIM_CLASS_SLOW_LINKS:
        slow_down(sim, a, b);
        return;
    default:
        return;
    }
}

static bool is_fault(enum sim_class which)
{
    return which == SIM_CLASS_DRAINS ||
           (which >= SIM_CLASS_LEAVES && which <= SIM_CLASS_PARTITIONS &&
            which != SIM_CLASS_CLOCKS);
}

static void hurt(struct sim *sim)
{
    enum sim_class classes[SIM_CLASSES_COUNT];
    unsigned count = 0;
    enum sim_class which;
    uint32_t a;
    uint32_t b;

    for (unsigned i = 0; i < SIM_CLASSES_COUNT; i++) {
        if (is_fault((enum sim_class)i) && sim_has(&sim->options, (enum sim_class)i)) {
            classes[count++] = (enum sim_class)i;
        }
    }
    if (count == 0 || sim->nodes_count < 2) {
        return;
    }
    which = classes[sim_random_below(&sim->random, count)];
    a = pick(sim, SIM_NOBODY);
    b = pick(sim, a);
    if (a == SIM_NOBODY || b == SIM_NOBODY) {
        return;
    }
    if (which == SIM_CLASS_PARTITIONS) {
        part(sim);
    } else if (which >= SIM_CLASS_SLOW_LINKS && which != SIM_CLASS_DRAINS) {
        hurt_pair(sim, which, a, b);
    } else if (count_alive(sim) > 1) {
        hurt_node(sim, which, a);
    }
}

/* ---- Mending. */

static bool is_same_life(const struct sim *sim, uint32_t node, uint64_t operation)
{
    return sim->nodes[node].alive && sim->nodes[node].creation == (uint32_t)(operation >> 32);
}

static void mend(struct sim *sim, uint64_t operation)
{
    const enum mend what = (enum mend)(operation & 0xff);
    const uint32_t a = (uint32_t)(operation >> 8 & 0xffff);
    const uint32_t b = (uint32_t)(operation >> 24 & 0xff);

    switch (what) {
    case MEND_BOOT:
        if (!sim->nodes[a].alive) {
            sim_boot(sim, a);
        }
        return;
    case MEND_RESUME:
        if (is_same_life(sim, a, operation) && sim->nodes[a].paused) {
            sim_resume(sim, a);
        }
        return;
    case MEND_DRAINED:
        if (is_same_life(sim, a, operation) && !sim->nodes[a].paused) {
            leave(sim, a);
        }
        return;
    case MEND_STOP:
        if (is_same_life(sim, a, operation)) {
            end_node(sim, a, false);
        }
        return;
    case MEND_CUT:
        sim_uncut(sim, b, a);
        sim_uncut(sim, a, b);
        return;
    case MEND_ONE_WAY:
        sim_uncut(sim, a, b);
        return;
    case MEND_PARTITION:
        SIM_TRACE(sim, SIM_NOBODY, "set %x and the others reach each other again", a);
        cut_set(sim, a, false);
        return;
    case MEND_SLOW:
        sim_lane(sim, a, b)->slow_ns = 0;
        sim_lane(sim, b, a)->slow_ns = 0;
        return;
    }
}

void sim_plan_mend_all(struct sim *sim)
{
    sim->faults = false;
    SIM_TRACE(sim, SIM_NOBODY, "all faults are mended");
    for (uint32_t a = 0; a < sim->nodes_count; a++) {
        for (uint32_t b = 0; b < sim->nodes_count; b++) {
            sim_lane(sim, a, b)->slow_ns = 0;
            if (sim_lane(sim, a, b)->cut) {
                sim_uncut(sim, a, b);
            }
        }
    }
    for (uint32_t node = 0; node < sim->nodes_count && !sim->failed; node++) {
        if (sim->nodes[node].alive && (sim->nodes[node].leaving || sim->nodes[node].drained)) {
            sim_kill(sim, node, false);
            sim->break_ns = sim->now_ns; /* Several at once: nobody may be left who knows. */
        }
        if (sim->nodes[node].alive && sim->nodes[node].paused) {
            sim_resume(sim, node);
        } else if (!sim->nodes[node].alive) {
            sim_boot(sim, node);
        }
    }
    sim->mended_ns = sim->now_ns;
}

/* ---- The course of a run. */

/* What a fault or its end has upset is asked for at once: mistakes are in the first moments. */
static void rush(struct sim *sim)
{
    const uint64_t count =
        sim_random_chance(&sim->random, 50) ? 0 : sim_random_between(&sim->random, 2, 12);

    for (uint64_t i = 0; i < count; i++) {
        sim_later_world(sim, SIM_ACT, RUSH, sim_random_below(&sim->random, RUSH_NS));
    }
}

void sim_plan_begin(struct sim *sim)
{
    const bool late = sim_has(&sim->options, SIM_CLASS_JOINS);

    sim->faults = true;
    for (uint32_t node = 0; node < sim->nodes_count; node++) {
        const bool comes_late = late && node > 0 && sim_random_chance(&sim->random, 50);

        mend_later(sim, pack(MEND_BOOT, node, 0, 0), 0,
                   comes_late ? sim->options.faults_ns : 20 * SIM_MS);
    }
    sim_later_world(sim, SIM_ACT, 0, 50 * SIM_MS);
    sim_later_world(sim, SIM_FAULT, 0, sim_random_below(&sim->random, 2 * SIM_SECOND));
}

void sim_plan_handle(struct sim *sim, enum sim_message_kind kind, uint64_t operation)
{
    if (kind == SIM_MEND && sim->faults) {
        mend(sim, operation);
        rush(sim);
    } else if (kind == SIM_ACT && sim->faults) {
        sim_clients_act(sim);
        if (operation == RUSH) {
            return;
        }
        sim_later_world(sim, SIM_ACT, 0,
                        sim_random_below(&sim->random, sim->options.request_ns_max));
    } else if (kind == SIM_FAULT && sim->faults) {
        hurt(sim);
        rush(sim);
        sim_later_world(sim, SIM_FAULT, 0,
                        sim_random_below(&sim->random, sim->options.fault_ns_max));
    }
}
