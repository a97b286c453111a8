/* The cluster of a report has no faults, a fast network, and no heartbeats: these would be all that
 * one sees, and are easily told (each node, each 500 ms, one message to each other node).  All
 * nodes begin at the same moment, and each is to join all others; then keys are started everywhere;
 * then one more node joins, and is killed.  Measured is all but the starting. */
#include "report.h"

#include "clients.h"
#include "processes.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "core/state.h"

#define LOOK_NS        (1 * SIM_MS)
#define SETTLE_NS_MAX  (120 * SIM_SECOND)
#define STARTS_AT_ONCE 500u

/* What one change of the cluster took. */
struct cost {
    uint64_t messages;
    uint64_t bytes;
    uint64_t ns;
    uint32_t moved; /* keys whose owner is another now */
};

/* How long a message takes, in microseconds. */
struct delays {
    uint64_t least;
    uint64_t most;
};

static struct sim_options options_for(uint32_t nodes,
                                      uint32_t keys,
                                      bool rendezvous,
                                      struct delays delays)
{
    struct sim_options options;

    sim_options_draw(&options, 1, SIM_PROTOCOL_NATIVE, 0);
    options.natives = nodes;
    options.originals = 0;
    options.keys = keys;
    options.classes = rendezvous ? UINT32_C(1) << SIM_CLASS_RENDEZVOUS : 0;
    options.quorum = 0;
    options.joins = nodes - 2; /* those that begin: nobody tells of one that is in no view yet */
    options.delay_ns_min = delays.least * SIM_US;
    options.delay_ns_max = delays.most * SIM_US;
    options.slow_ns_max = 0;
    options.start_ns_max = 100 * SIM_US;
    options.fence_ns_max = 0;
    options.heartbeat_ns = 0;
    return options;
}

/* Whether the first node's view, and so everybody's, are these many, and all know all. */
static bool has_settled(const struct sim *sim, uint32_t nodes)
{
    for (uint32_t i = 0; i < sim->nodes_count; i++) {
        const struct npri_core *core = sim->nodes[i].core;

        if (core != NULL && (core->members.view_count != nodes || !npri_leads_settled(core))) {
            return false;
        }
    }
    return true;
}

static void settle(struct sim *sim, uint32_t nodes)
{
    const uint64_t end_ns = sim->now_ns + SETTLE_NS_MAX;

    while (!has_settled(sim, nodes)) {
        NPRI_ASSERT(sim->now_ns < end_ns);
        sim_pass(sim, sim->now_ns + LOOK_NS);
    }
}

static uint32_t owner_of(const struct sim *sim, uint32_t key)
{
    struct npr_node_name name;
    uint8_t room[SIM_KEY_BYTES];
    uint32_t index;

    npri_core_owner(sim->nodes[0].core, sim_key_term(key, room), &name, &index);
    return sim_node_of(&name);
}

static void start_keys(struct sim *sim, uint32_t nodes)
{
    uint32_t next = 0;

    while (next < sim->options.keys || sim->open_count > 0) {
        while (next < sim->options.keys && sim->open_count < STARTS_AT_ONCE) {
            sim_client_ask(sim, (uint32_t)sim_random_below(&sim->random, nodes), next++,
                           SIM_REQUEST_START, 60 * SIM_SECOND);
        }
        sim_pass(sim, sim->now_ns + LOOK_NS);
        NPRI_ASSERT(!sim->failed);
    }
}

static void note_owners(const struct sim *sim, uint32_t *owners)
{
    for (uint32_t key = 0; key < sim->options.keys; key++) {
        owners[key] = owner_of(sim, key);
    }
}

static uint32_t count_moved(const struct sim *sim, const uint32_t *owners)
{
    uint32_t count = 0;

    for (uint32_t key = 0; key < sim->options.keys; key++) {
        count += owners[key] != owner_of(sim, key) ? 1 : 0;
    }
    return count;
}

enum change { BEGIN, JOIN, KILL };

/* All of so many nodes begin; or one more joins them, or is killed.  Returns when all have put
 * themselves in order. */
static struct cost change(struct sim *sim, uint32_t nodes, enum change what)
{
    const struct sim_counts before = sim->counts;
    const uint64_t began_ns = sim->now_ns;
    struct cost cost = {0};

    for (uint32_t i = 0; what == BEGIN && i < nodes; i++) {
        sim_boot(sim, i);
    }
    if (what == JOIN) {
        sim_boot(sim, nodes);
    } else if (what == KILL) {
        sim_kill(sim, nodes, false);
    }
    settle(sim, nodes + (what == JOIN ? 1 : 0));
    cost.messages = sim->counts.messages - before.messages;
    cost.bytes = sim->counts.bytes - before.bytes;
    cost.ns = sim->now_ns - began_ns;
    return cost;
}

static void print_cost(const char *what, uint32_t nodes, const char *placement, struct cost cost)
{
    (void)printf("| %" PRIu32 " | %s | %s | %" PRIu64 " | %.2f | %" PRIu64 " | %" PRIu32 " |\n",
                 nodes, placement, what, cost.messages, (double)cost.bytes / 1e6, cost.ns / SIM_MS,
                 cost.moved);
    (void)fflush(stdout);
}

static void report_rows(uint32_t nodes, uint32_t keys, bool rendezvous, struct delays delays)
{
    const struct sim_options options = options_for(nodes + 1, keys, rendezvous, delays);
    const char *placement = rendezvous ? "rendezvous" : "original";
    uint32_t *owners = npri_alloc(keys * sizeof(*owners));
    struct sim *sim = sim_create(&options);
    struct cost cost;

    NPRI_ASSERT(owners != NULL && sim != NULL);
    print_cost("all begin together", nodes, placement, change(sim, nodes, BEGIN));
    start_keys(sim, nodes);
    note_owners(sim, owners);
    cost = change(sim, nodes, JOIN);
    cost.moved = count_moved(sim, owners);
    print_cost("one joins", nodes, placement, cost);
    note_owners(sim, owners);
    cost = change(sim, nodes, KILL);
    cost.moved = count_moved(sim, owners);
    print_cost("one is killed", nodes, placement, cost);
    npri_free(owners);
    sim_destroy(sim);
}

void sim_report(uint32_t nodes, uint32_t keys, bool uneven)
{
    static const uint32_t sizes[] = {10, 50, 200, 1000};
    const struct delays delays = uneven ? (struct delays){100, 2000} : (struct delays){200, 400};

    (void)printf(
        "%" PRIu32 " keys, network %.1f to %.1f ms, without heartbeats\n\n"
        "| nodes | placement | what | messages | MB | settled after, ms | keys with another "
        "owner |\n|--:|---|---|--:|--:|--:|--:|\n",
        keys, (double)delays.least / 1000, (double)delays.most / 1000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (nodes == 0 || i == 0) {
            report_rows(nodes == 0 ? sizes[i] : nodes, keys, false, delays);
            report_rows(nodes == 0 ? sizes[i] : nodes, keys, true, delays);
        }
    }
}
