#include "touch.h"

#include <string.h>

/* Unrest begins when a gap has lasted for that long. */
static uint64_t grace_ns(const struct sim *sim, const struct sim_pair *pair)
{
    const struct sim_options *options = &sim->options;

    if (pair->since_boot || pair->silent) {
        return options->node_timeout_ns - 3 * options->heartbeat_ns;
    }
    return options->suspect_ns - options->suspect_ns / 10;
}

uint64_t sim_touch_bound_ns(const struct sim *sim)
{
    return 3 * sim->options.node_timeout_ns + 4 * sim->options.heartbeat_ns;
}

static bool both_live(const struct sim *sim, uint32_t a, uint32_t b)
{
    return sim->nodes[a].alive && sim->nodes[b].alive;
}

static bool are_in_touch(const struct sim *sim, uint32_t a, uint32_t b, bool *out_silent)
{
    const struct sim_pair *pair = sim_pair(sim, a, b);
    const bool connected = pair->up && sim_lane(sim, a, b)->known == pair->number &&
                           sim_lane(sim, b, a)->known == pair->number;

    *out_silent = connected;
    return connected && !sim->nodes[a].paused && !sim->nodes[b].paused &&
           !sim_lane(sim, a, b)->cut && !sim_lane(sim, b, a)->cut;
}

/* Out of touch for too long, so far. */
static bool is_unrest(const struct sim *sim, const struct sim_pair *pair)
{
    return !pair->in_touch && sim->now_ns - pair->changed_ns > grace_ns(sim, pair);
}

static void mark_break(struct sim *sim, uint64_t at_ns)
{
    if (sim->break_ns < at_ns) {
        sim->break_ns = at_ns;
    }
}

void sim_touch_on_change(struct sim *sim, uint32_t a, uint32_t b)
{
    struct sim_pair *pair = sim_pair(sim, a, b);
    bool silent;
    const bool in_touch = both_live(sim, a, b) && are_in_touch(sim, a, b, &silent);

    if (!both_live(sim, a, b)) {
        if (pair->in_touch) {
            pair->touched_ns = sim->now_ns;
        } else if (pair->changed_ns != UINT64_MAX && is_unrest(sim, pair)) {
            pair->unrest_ns = sim->now_ns;
            mark_break(sim, sim->now_ns);
        }
        pair->in_touch = false;
        pair->changed_ns = UINT64_MAX; /* No gap while one of them is not there. */
        return;
    }
    if (pair->changed_ns == UINT64_MAX) { /* Now both are there. */
        pair->changed_ns = sim->now_ns;
        pair->since_boot = true;
        pair->silent = false;
    }
    if (in_touch == pair->in_touch) {
        /* A cut that becomes a lost connection is the same gap. */
        return;
    }
    if (in_touch) {
        if (is_unrest(sim, pair)) {
            pair->unrest_ns = sim->now_ns;
            mark_break(sim, sim->now_ns);
        }
    } else {
        pair->touched_ns = sim->now_ns;
        pair->since_boot = false;
        pair->silent = silent;
    }
    pair->in_touch = in_touch;
    pair->changed_ns = sim->now_ns;
}

void sim_touch_on_change_of(struct sim *sim, uint32_t node)
{
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (peer != node) {
            sim_touch_on_change(sim, node, peer);
        }
    }
}

void sim_touch_on_refused(struct sim *sim, uint32_t node)
{
    bool alone = true;

    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        alone = alone && (peer == node || sim_lane(sim, node, peer)->known == 0);
    }
    for (uint32_t peer = 0; alone && peer < sim->nodes_count; peer++) {
        if (peer != node && sim->nodes[peer].alive) {
            sim_pair(sim, node, peer)->unrest_ns = sim->now_ns;
        }
    }
    if (alone) {
        mark_break(sim, sim->now_ns);
    }
}

/* Joined at some moment since then. */
static bool were_in_touch(const struct sim *sim, uint32_t a, uint32_t b, uint64_t since_ns)
{
    const struct sim_pair *pair = sim_pair(sim, a, b);

    return pair->in_touch || (pair->touched_ns != 0 && pair->touched_ns >= since_ns);
}

/* Adds those that were in touch with one of the company; whether there was any. */
static bool widen(const struct sim *sim, uint32_t of, uint64_t since_ns, bool *company)
{
    bool grew = false;

    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (peer != of && !company[peer] && were_in_touch(sim, of, peer, since_ns)) {
            company[peer] = true;
            grew = true;
        }
    }
    return grew;
}

static void find_company(const struct sim *sim, uint32_t of, uint64_t since_ns, bool *company)
{
    bool grew = true;

    memset(company, 0, sim->nodes_count);
    company[of] = true;
    while (grew) {
        grew = false;
        for (uint32_t node = 0; node < sim->nodes_count; node++) {
            grew = (company[node] && widen(sim, node, since_ns, company)) || grew;
        }
    }
}

bool sim_touch_is_whole(const struct sim *sim, uint32_t a, uint32_t b, uint64_t since_ns)
{
    bool company[SIM_SWARM_MAX];

    if (sim->nodes_count > SIM_SWARM_MAX) {
        return true; /* The report's clusters have no faults. */
    }
    find_company(sim, a, since_ns, company);
    if (!company[b]) {
        return false;
    }
    for (uint32_t x = 0; x < sim->nodes_count; x++) {
        for (uint32_t y = x + 1; company[x] && y < sim->nodes_count; y++) {
            const struct sim_pair *pair = sim_pair(sim, x, y);

            if (!company[y]) {
                continue;
            }
            if (pair->unrest_ns != 0 && pair->unrest_ns >= since_ns) {
                return false;
            }
            if (both_live(sim, x, y) && is_unrest(sim, pair)) {
                return false;
            }
        }
    }
    return true;
}

uint32_t sim_touch_reach(const struct sim *sim, uint32_t node, uint64_t grace_ns_)
{
    uint32_t count = 1;

    for (uint32_t peer = 0; peer < sim->options.natives; peer++) {
        const struct sim_pair *pair;

        if (peer == node) {
            continue;
        }
        pair = sim_pair(sim, node, peer);
        if (pair->in_touch ||
            (pair->touched_ns != 0 && sim->now_ns - pair->touched_ns <= grace_ns_)) {
            count++;
        }
    }
    return count;
}
