#include "options.h"

#include "random.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const class_names[SIM_CLASSES_COUNT] = {
    [SIM_CLASS_JOINS] = "joins",
    [SIM_CLASS_LEAVES] = "leaves",
    [SIM_CLASS_CRASHES] = "crashes",
    [SIM_CLASS_POWER] = "power",
    [SIM_CLASS_PAUSES] = "pauses",
    [SIM_CLASS_LONG_PAUSES] = "long_pauses",
    [SIM_CLASS_CLOCKS] = "clocks",
    [SIM_CLASS_SLOW_LINKS] = "slow_links",
    [SIM_CLASS_RESETS] = "resets",
    [SIM_CLASS_ONE_WAY] = "one_way",
    [SIM_CLASS_CUTS] = "cuts",
    [SIM_CLASS_PARTITIONS] = "partitions",
    [SIM_CLASS_DEATHS] = "deaths",
    [SIM_CLASS_RESTARTS] = "restarts",
    [SIM_CLASS_SLOW_STARTS] = "slow_starts",
    [SIM_CLASS_FAILED_STARTS] = "failed_starts",
    [SIM_CLASS_SLOW_FENCES] = "slow_fences",
    [SIM_CLASS_REGISTERS] = "registers",
    [SIM_CLASS_DRAINS] = "drains",
    [SIM_CLASS_QUORUM] = "quorum",
    [SIM_CLASS_RENDEZVOUS] = "rendezvous",
    [SIM_CLASS_ORIGINALS] = "originals",
};

/* In percent of the runs. */
static const unsigned class_chances[SIM_CLASSES_COUNT] = {
    [SIM_CLASS_JOINS] = 60,         [SIM_CLASS_LEAVES] = 25,      [SIM_CLASS_CRASHES] = 50,
    [SIM_CLASS_POWER] = 20,         [SIM_CLASS_PAUSES] = 25,      [SIM_CLASS_LONG_PAUSES] = 20,
    [SIM_CLASS_CLOCKS] = 30,        [SIM_CLASS_SLOW_LINKS] = 25,  [SIM_CLASS_RESETS] = 35,
    [SIM_CLASS_ONE_WAY] = 15,       [SIM_CLASS_CUTS] = 15,        [SIM_CLASS_PARTITIONS] = 20,
    [SIM_CLASS_DEATHS] = 60,        [SIM_CLASS_RESTARTS] = 25,    [SIM_CLASS_SLOW_STARTS] = 20,
    [SIM_CLASS_FAILED_STARTS] = 20, [SIM_CLASS_SLOW_FENCES] = 30, [SIM_CLASS_REGISTERS] = 35,
    [SIM_CLASS_DRAINS] = 20,        [SIM_CLASS_QUORUM] = 15,      [SIM_CLASS_RENDEZVOUS] = 25,
    [SIM_CLASS_ORIGINALS] = 15,
};

const char *sim_class_name(enum sim_class which)
{
    return class_names[which];
}

bool sim_options_separate(const struct sim_options *options)
{
    return sim_has(options, SIM_CLASS_LONG_PAUSES) || sim_has(options, SIM_CLASS_ONE_WAY) ||
           sim_has(options, SIM_CLASS_CUTS) || sim_has(options, SIM_CLASS_PARTITIONS);
}

static void draw_classes(struct sim_options *out, struct sim_random *random)
{
    const bool calm = sim_random_chance(random, 50);

    for (unsigned i = 0; i < SIM_CLASSES_COUNT; i++) {
        if (sim_random_chance(random, class_chances[i])) {
            out->classes |= UINT32_C(1) << i;
        }
    }
    if (calm) { /* What needs the strictest checks gets half of the runs. */
        out->classes &= ~(UINT32_C(1) << SIM_CLASS_LONG_PAUSES | UINT32_C(1) << SIM_CLASS_ONE_WAY |
                          UINT32_C(1) << SIM_CLASS_CUTS | UINT32_C(1) << SIM_CLASS_PARTITIONS);
    }
    if (out->protocol == SIM_PROTOCOL_ORIGINAL) { /* What the original has not. */
        out->classes &= ~(UINT32_C(1) << SIM_CLASS_RESTARTS | UINT32_C(1) << SIM_CLASS_DRAINS |
                          UINT32_C(1) << SIM_CLASS_QUORUM | UINT32_C(1) << SIM_CLASS_RENDEZVOUS |
                          UINT32_C(1) << SIM_CLASS_REGISTERS | UINT32_C(1) << SIM_CLASS_ORIGINALS |
                          UINT32_C(1) << SIM_CLASS_FAILED_STARTS);
    }
    if (sim_has(out, SIM_CLASS_RENDEZVOUS)) { /* Originals are no members then. */
        out->classes &= ~(UINT32_C(1) << SIM_CLASS_ORIGINALS);
    }
}

static void draw_nodes(struct sim_options *out, struct sim_random *random, unsigned wanted)
{
    const unsigned drawn =
        (unsigned)(sim_random_chance(random, 75) ? sim_random_between(random, 2, 4)
                                                 : sim_random_between(random, 5, SIM_DRAWN_MAX));
    const unsigned nodes = wanted == 0 ? drawn : wanted;

    out->natives = nodes;
    if (out->protocol == SIM_PROTOCOL_ORIGINAL) {
        out->natives = 0;
        out->originals = nodes;
    } else if (sim_has(out, SIM_CLASS_ORIGINALS) && nodes > 2) {
        out->originals = 1 + (unsigned)sim_random_below(random, nodes - 2);
        out->natives = nodes - out->originals;
    } else {
        out->classes &= ~(UINT32_C(1) << SIM_CLASS_ORIGINALS);
    }
    out->joins = sim_random_chance(random, 50) ? nodes - 1 : 1;
    if (out->originals > 0) {
        out->joins = nodes - 1; /* Nobody tells a native node of an original one. */
    }
    out->quorum = sim_has(out, SIM_CLASS_QUORUM) ? out->natives / 2 + 1 : 0;
    out->keys = (unsigned)sim_random_between(random, 2, 8);
}

static void draw_times(struct sim_options *out, struct sim_random *random)
{
    out->delay_ns_min = 100 * SIM_US;
    out->delay_ns_max = sim_random_chance(random, 50) ? 2 * SIM_MS : 60 * SIM_MS;
    out->slow_ns_max = sim_has(out, SIM_CLASS_SLOW_LINKS) ? 250 * SIM_MS : 0;
    out->start_ns_max = sim_has(out, SIM_CLASS_SLOW_STARTS) ? 4 * SIM_SECOND : 20 * SIM_MS;
    out->fence_ns_max = sim_has(out, SIM_CLASS_SLOW_FENCES) ? 100 * SIM_MS : 0;
    out->heartbeat_ns = 500 * SIM_MS;
    out->node_timeout_ns = 3 * SIM_SECOND;
    out->suspect_ns = 1 * SIM_SECOND;
    out->announce_ns = 5 * SIM_SECOND;
    out->expire_ns = 10 * SIM_SECOND;
    out->request_ns_max = sim_random_chance(random, 50) ? 100 * SIM_MS : 500 * SIM_MS;
    out->fault_ns_max = sim_random_chance(random, 50) ? 1 * SIM_SECOND : 4 * SIM_SECOND;
    out->faults_ns = sim_random_between(random, 4, 16) * SIM_SECOND;
    out->settle_ns = 60 * SIM_SECOND;
}

void sim_options_draw(struct sim_options *out,
                      uint64_t seed,
                      enum sim_protocol protocol,
                      unsigned nodes)
{
    struct sim_random random = {.state = seed ^ UINT64_C(0x73696d2d6f707473)};

    *out = (struct sim_options){.seed = seed, .protocol = protocol};
    draw_classes(out, &random);
    draw_nodes(out, &random, nodes);
    draw_times(out, &random);
}

const char *sim_options_print(const struct sim_options *options, char *line, size_t size)
{
    int used =
        snprintf(line, size,
                 "seed %" PRIu64 ": %u native, %u original, %u keys, join %u, delay <= %" PRIu64
                 " us, faults %" PRIu64 " s:",
                 options->seed, options->natives, options->originals, options->keys, options->joins,
                 options->delay_ns_max / SIM_US, options->faults_ns / SIM_SECOND);

    for (unsigned i = 0; i < SIM_CLASSES_COUNT && used >= 0 && (size_t)used < size; i++) {
        if (sim_has(options, (enum sim_class)i)) {
            used += snprintf(line + used, size - (size_t)used, " %s", class_names[i]);
        }
    }
    return line;
}
