#include "touch.h"

#include <string.h>

/* Unrest begins when a gap has lasted for that long. */
static uint64_t grace_ns(const struct sim *sim, const struct sim_pair *pair)
{
    const struct sim_options *options = &sim->options;

    if (pair->silent && !pair->brief) {
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

/* Whether it knows of no connection at all, for longer than others are waited for. */
static bool is_alone(const struct sim *sim, uint32_t node)
{
    const struct sim_node *at = &sim->nodes[node];

    return at->alive && at->alone_ns != 0 &&
           sim->now_ns - at->alone_ns > sim->options.suspect_ns - sim->options.suspect_ns / 10;
}

/* Out of touch for too long, so far. */
static bool is_unrest(const struct sim *sim, const struct sim_pair *pair)
{
    return !pair->in_touch && (pair->apart || sim->now_ns - pair->changed_ns > grace_ns(sim, pair));
}

static void mark_break(struct sim *sim, uint64_t at_ns)
{
    if (sim->break_ns < at_ns) {
        sim->break_ns = at_ns;
    }
}

/* It has been a cluster of its own: apart from all that live. */
static void mark_alone(struct sim *sim, uint32_t node)
{
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (peer != node && sim->nodes[peer].alive) {
            sim_pair(sim, node, peer)->unrest_ns = sim->now_ns;
        }
    }
    mark_break(sim, sim->now_ns);
}

static bool has_connection(const struct sim *sim, uint32_t node)
{
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (peer != node && sim_lane(sim, node, peer)->known != 0) {
            return true;
        }
    }
    return false;
}

/* Whether `node` is told to join `peer`: the first ones but itself. */
static bool is_target(const struct sim *sim, uint32_t node, uint32_t peer)
{
    return peer != node && (peer < node ? peer : peer - 1) < sim->options.joins;
}

/* Whether any of those that it is told to join is there. */
static bool has_target(const struct sim *sim, uint32_t node)
{
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (is_target(sim, node, peer) && sim->nodes[peer].alive) {
            return true;
        }
    }
    return false;
}

static void look_alone(struct sim *sim, uint32_t node)
{
    struct sim_node *at = &sim->nodes[node];
    const bool alone = at->alive && !has_connection(sim, node);

    if ((!alone && is_alone(sim, node)) || (alone && !has_target(sim, node))) {
        mark_alone(sim, node);
    }
    if (!alone) {
        at->alone_ns = 0;
    } else if (at->alone_ns == 0) {
        at->alone_ns = sim->now_ns;
    }
}

/* Whether `node` knows of `peer`, which lives: it is connected to it, or tries to be, or will. */
static bool leads_to(const struct sim *sim, uint32_t node, uint32_t peer)
{
    const struct sim_lane *lane = sim_lane(sim, node, peer);

    return sim->nodes[peer].alive &&
           (lane->known != 0 || lane->attempt != 0 || is_target(sim, node, peer));
}

/* Whom `node` can hear of: those that it knows of, those that these know of, and so on. */
static void find_known(const struct sim *sim, uint32_t node, bool *known)
{
    uint32_t found[SIM_SWARM_MAX] = {node};
    uint32_t count = 1;

    memset(known, 0, sim->nodes_count);
    known[node] = true;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
            if (!known[peer] && leads_to(sim, found[i], peer)) {
                known[peer] = true;
                found[count++] = peer;
            }
        }
    }
}

/* Whether it has been in touch with anybody since it came up. */
static bool has_met(const struct sim *sim, uint32_t node)
{
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (peer != node && (sim_pair(sim, node, peer)->in_touch ||
                             sim_pair(sim, node, peer)->touched_ns > sim->nodes[node].boot_ns)) {
            return true;
        }
    }
    return false;
}

/* Nodes that have met, and cannot hear of some that have been there before, are a cluster of their
 * own: apart from those.  One that has just come up and met nobody yet is no such cluster: it is
 * for it to wait. */
static void look_known(struct sim *sim, uint32_t node)
{
    bool known[SIM_SWARM_MAX];

    if (sim->nodes_count > SIM_SWARM_MAX) {
        return;
    }
    find_known(sim, node, known);
    for (uint32_t y = 0; y < sim->nodes_count; y++) {
        if (known[y] || !sim->nodes[y].alive || !has_met(sim, y)) {
            continue;
        }
        for (uint32_t x = 0; x < sim->nodes_count; x++) {
            if (known[x]) {
                sim_pair(sim, x, y)->unrest_ns = sim->now_ns;
            }
        }
        mark_break(sim, sim->now_ns);
    }
}

static void look_open(struct sim *sim, uint32_t from, uint32_t to)
{
    const struct sim_pair *pair = sim_pair(sim, from, to);
    struct sim_lane *lane = sim_lane(sim, from, to);
    const bool open = both_live(sim, from, to) && pair->up && lane->known == pair->number &&
                      sim_lane(sim, to, from)->known == pair->number && !lane->cut;

    if (lane->open && !open) {
        lane->open_ns = sim->now_ns;
    }
    lane->open = open;
}

/* A moment of touch that is shorter need not be enough for a beat to and fro. */
static uint64_t bridged_ns(const struct sim *sim)
{
    return 2 * sim->options.heartbeat_ns +
           2 * (sim->options.delay_ns_max + sim->options.slow_ns_max);
}

void sim_touch_on_change(struct sim *sim, uint32_t a, uint32_t b)
{
    struct sim_pair *pair = sim_pair(sim, a, b);
    bool silent = false;
    const bool in_touch = both_live(sim, a, b) && are_in_touch(sim, a, b, &silent);

    look_open(sim, a, b);
    look_open(sim, b, a);
    look_alone(sim, a);
    look_alone(sim, b);
    if (!both_live(sim, a, b)) {
        if (pair->in_touch) {
            pair->touched_ns = sim->now_ns;
        } else if (pair->changed_ns != UINT64_MAX && is_unrest(sim, pair)) {
            pair->unrest_ns = sim->now_ns;
            mark_break(sim, sim->now_ns);
        }
        pair->ended_ns = pair->unrest_ns;
        pair->in_touch = false;
        pair->gap_ns = 0;
        pair->changed_ns = UINT64_MAX; /* No gap while one of them is not there. */
        return;
    }
    if (pair->changed_ns == UINT64_MAX) { /* Now both are there. */
        pair->gap_ns = sim->now_ns;
        pair->changed_ns = sim->now_ns;
        pair->apart = false;
        pair->silent = false;
    }
    if (in_touch == pair->in_touch) {
        if (!in_touch && pair->silent && !silent) {
            pair->apart = is_unrest(sim, pair);
            pair->silent = false; /* What was silence becomes a lost connection: that is shorter */
            if (!pair->brief) {   /* borne, from now on. */
                pair->changed_ns = sim->now_ns;
            }
        }
        return;
    }
    if (in_touch) {
        if (is_unrest(sim, pair)) {
            pair->unrest_ns = sim->now_ns;
            mark_break(sim, sim->now_ns);
        }
    } else {
        pair->touched_ns = sim->now_ns;
        pair->apart = false;
        pair->silent = silent;
        pair->brief = sim->now_ns - pair->changed_ns < bridged_ns(sim);
        if (pair->gap_ns == 0 || sim->now_ns - pair->changed_ns > bridged_ns(sim)) {
            pair->gap_ns = sim->now_ns;
        }
    }
    pair->in_touch = in_touch;
    pair->changed_ns = in_touch ? sim->now_ns : pair->gap_ns;
    if (in_touch) {
        look_known(sim, a);
    }
}

void sim_touch_on_change_of(struct sim *sim, uint32_t node)
{
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (peer != node) {
            sim_touch_on_change(sim, node, peer);
        }
    }
}

void sim_touch_on_dropped(struct sim *sim, uint32_t node, uint32_t peer)
{
    const struct sim_options *options = &sim->options;
    struct sim_pair *pair = sim_pair(sim, node, peer);
    /* Its last beat came before the gap began, which is at most that much. */
    const uint64_t before_ns = options->heartbeat_ns + options->delay_ns_max + options->slow_ns_max;

    if (both_live(sim, node, peer) && !pair->in_touch &&
        sim->now_ns - pair->gap_ns + before_ns >= options->suspect_ns) {
        pair->apart = true;
    }
}

void sim_touch_on_refused(struct sim *sim, uint32_t node)
{
    if (!has_connection(sim, node)) {
        mark_alone(sim, node);
    }
}

/* Joined at some moment since then.  `now`: as those that they are now, if they live. */
static bool were_in_touch(const struct sim *sim,
                          uint32_t a,
                          uint32_t b,
                          uint64_t since_ns,
                          bool now)
{
    const struct sim_pair *pair = sim_pair(sim, a, b);

    if (pair->in_touch) {
        return true;
    }
    if (now && both_live(sim, a, b) &&
        (pair->touched_ns < sim->nodes[a].boot_ns || pair->touched_ns < sim->nodes[b].boot_ns)) {
        return false; /* That was in another life. */
    }
    return pair->touched_ns != 0 && pair->touched_ns >= since_ns;
}

/* Adds those that were in touch with one of the company; whether there was any. */
static bool widen(const struct sim *sim, uint32_t of, uint64_t since_ns, bool now, bool *company)
{
    bool grew = false;

    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (peer != of && !company[peer] && were_in_touch(sim, of, peer, since_ns, now)) {
            company[peer] = true;
            grew = true;
        }
    }
    return grew;
}

static void find_company(const struct sim *sim,
                         uint32_t of,
                         uint64_t since_ns,
                         bool now,
                         bool *company)
{
    bool grew = true;

    memset(company, 0, sim->nodes_count);
    company[of] = true;
    while (grew) {
        grew = false;
        for (uint32_t node = 0; node < sim->nodes_count; node++) {
            grew = (company[node] && widen(sim, node, since_ns, now, company)) || grew;
        }
    }
}

/* Whether two of them had unrest that ended with one of the two: it is another one now, if it is
 * there at all, and what came of it may be in order only later. */
static bool had_unrest(const struct sim *sim, const bool *company, uint64_t since_ns)
{
    for (uint32_t x = 0; x < sim->nodes_count; x++) {
        for (uint32_t y = x + 1; company[x] && y < sim->nodes_count; y++) {
            const uint64_t ended_ns = sim_pair(sim, x, y)->ended_ns;

            if (company[y] && ended_ns != 0 && ended_ns >= since_ns) {
                return true;
            }
        }
    }
    return false;
}

static bool has_unrest(const struct sim *sim, const bool *company, uint64_t since_ns)
{
    for (uint32_t x = 0; x < sim->nodes_count; x++) {
        for (uint32_t y = x + 1; company[x] && y < sim->nodes_count; y++) {
            const struct sim_pair *pair = sim_pair(sim, x, y);

            if (!company[y]) {
                continue;
            }
            if (pair->unrest_ns != 0 && pair->unrest_ns >= since_ns) {
                return true;
            }
            if (both_live(sim, x, y) &&
                (is_unrest(sim, pair) || is_alone(sim, x) || is_alone(sim, y))) {
                return true;
            }
        }
    }
    return false;
}

bool sim_touch_is_whole(const struct sim *sim, uint32_t a, uint32_t b, uint64_t since_ns)
{
    bool company[SIM_SWARM_MAX];

    if (sim->nodes_count > SIM_SWARM_MAX) {
        return true; /* The report's clusters have no faults. */
    }
    find_company(sim, a, since_ns, true, company);
    if (!company[b] || has_unrest(sim, company, since_ns)) {
        return false;
    }
    find_company(sim, a, since_ns, false, company);
    return !had_unrest(sim, company, since_ns);
}

bool sim_touch_is_torn(const struct sim *sim)
{
    for (uint32_t x = 0; sim->nodes_count <= SIM_SWARM_MAX && x < sim->nodes_count; x++) {
        for (uint32_t y = x + 1; y < sim->nodes_count; y++) {
            if (both_live(sim, x, y) &&
                (is_unrest(sim, sim_pair(sim, x, y)) || is_alone(sim, x) || is_alone(sim, y))) {
                return true;
            }
        }
    }
    return false;
}

uint32_t sim_touch_reach(const struct sim *sim, uint32_t node, uint64_t within_ns)
{
    uint32_t count = 1;

    for (uint32_t peer = 0; peer < sim->options.natives; peer++) {
        const struct sim_lane *lane = sim_lane(sim, node, peer);
        uint64_t since_ns = lane->open ? sim->now_ns : lane->open_ns;

        if (sim->nodes[peer].paused && sim->nodes[peer].paused_ns < since_ns) {
            since_ns = sim->nodes[peer].paused_ns; /* It reads what came later when it goes on. */
        }
        if (peer != node && since_ns != 0 && sim->now_ns - since_ns <= within_ns) {
            count++;
        }
    }
    return count;
}
