#include "checks.h"

#include "original.h"
#include "touch.h"
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool sim_is_checker(const char *name)
{
    static const char names[] = " " SIM_CHECKERS " ";
    const char *found = strstr(names, name);
    const size_t size = strlen(name);

    return size > 0 && found != NULL && found[-1] == ' ' && found[size] == ' ' &&
           strchr(name, ' ') == NULL;
}

void sim_fail(struct sim *sim, const char *checker, const char *format, ...)
{
    va_list arguments;

    if (sim->failed || (sim->options.only != NULL && strcmp(sim->options.only, checker) != 0)) {
        return;
    }
    sim->failed = true;
    (void)snprintf(sim->checker, sizeof(sim->checker), "%s", checker);
    va_start(arguments, format);
    (void)vsnprintf(sim->finding, sizeof(sim->finding), format, arguments);
    va_end(arguments);
    SIM_TRACE(sim, SIM_NOBODY, "WRONG (%s): %s", sim->checker, sim->finding);
}

static uint64_t before(uint64_t at_ns, uint64_t by_ns)
{
    return at_ns > by_ns ? at_ns - by_ns : 0;
}

/* ---- single. */

/* Whether an original node owns the key, among all that live. */
static bool is_of_original(const struct sim *sim, uint32_t key)
{
    uint32_t alive[SIM_SWARM_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < sim->nodes_count && count < SIM_SWARM_MAX; i++) {
        if (sim->nodes[i].alive) {
            alive[count++] = i;
        }
    }
    return count > 0 && !sim->nodes[alive[sim_original_place(key, count)]].native;
}

/* What an original node has started, or owns, is under its rules. */
static bool is_excused(const struct sim *sim, const struct sim_process *process)
{
    return sim->options.protocol == SIM_PROTOCOL_NATIVE && sim->options.originals > 0 &&
           (process->foreign || is_of_original(sim, process->key));
}

static void check_single(struct sim *sim, uint32_t process)
{
    const struct sim_process *born = &sim->processes[process];
    const struct sim_key *key = &sim->keys[born->key];

    for (uint32_t i = 0; i < key->living_count; i++) {
        const struct sim_process *other = &sim->processes[key->living[i]];
        const uint64_t since_ns =
            before(born->begun_ns < other->registered_ns ? born->begun_ns : other->registered_ns,
                   sim_touch_bound_ns(sim));

        if (other->replaces && born->begun_ns < other->registered_ns) {
            continue; /* The start that it was put over ends; sim_check_doubles() sees that. */
        }
        if (other->handing || is_excused(sim, other) || is_excused(sim, born)) {
            continue;
        }
        if (born->node == other->node ||
            sim_touch_is_whole(sim, born->node, other->node, since_ns)) {
            sim_fail(sim, "single", "key %u: %s starts while %s lives", born->key,
                     sim_trace_process(sim, process), sim_trace_process(sim, key->living[i]));
        }
    }
}

void sim_check_doubles(struct sim *sim)
{
    const uint64_t bound_ns = sim_touch_bound_ns(sim);

    for (uint32_t k = 0; k < sim->options.keys; k++) {
        const struct sim_key *key = &sim->keys[k];

        if (key->living_count < 2 || sim->now_ns - key->doubled_ns < bound_ns) {
            continue;
        }
        for (uint32_t i = 1; i < key->living_count; i++) {
            const struct sim_process *a = &sim->processes[key->living[0]];
            const struct sim_process *b = &sim->processes[key->living[i]];

            if (!a->handing && !b->handing && !is_excused(sim, a) && !is_excused(sim, b) &&
                sim_touch_is_whole(sim, a->node, b->node, before(sim->now_ns, bound_ns))) {
                sim_fail(sim, "single", "key %u: both %s and %s have lived for %u s", k,
                         sim_trace_process(sim, key->living[0]),
                         sim_trace_process(sim, key->living[i]),
                         (unsigned)((sim->now_ns - key->doubled_ns) / SIM_SECOND));
            }
        }
    }
}

/* ---- token. */

static void check_token(struct sim *sim, uint32_t process)
{
    const struct sim_process *born = &sim->processes[process];
    struct sim_key *key = &sim->keys[born->key];

    if (is_excused(sim, born) || born->token == 0) {
        return;
    }
    if (sim_touch_is_torn(sim)) {
        sim->break_ns = sim->now_ns;
    }
    if (key->lineage_ns < sim->break_ns + sim_touch_bound_ns(sim)) {
        key->token_max = 0; /* Others may have gone on elsewhere: a new line. */
    }
    key->lineage_ns = born->begun_ns;
    if (born->token <= key->token_max) {
        sim_fail(sim, "token", "key %u: %s comes after an activation with token %llu", born->key,
                 sim_trace_process(sim, process), (unsigned long long)key->token_max);
    }
    key->token_max = born->token > key->token_max ? born->token : key->token_max;
}

void sim_check_birth(struct sim *sim, uint32_t process)
{
    check_single(sim, process);
    check_token(sim, process);
}

/* ---- quorum. */

void sim_check_start(struct sim *sim, uint32_t node)
{
    const struct sim_options *options = &sim->options;
    const uint64_t grace_ns = options->node_timeout_ns - options->heartbeat_ns;

    if (options->quorum != 0 && sim_touch_reach(sim, node, grace_ns) < options->quorum) {
        sim_fail(sim, "quorum", "%s starts a process, and can reach %u of the %u nodes it needs",
                 sim_trace_name(node), sim_touch_reach(sim, node, grace_ns), options->quorum);
    }
    sim_check_sides(sim, node);
}

/* ---- conflict. */

void sim_check_conflict(struct sim *sim, uint32_t loser, uint32_t winner)
{
    const struct sim_process *lost = &sim->processes[loser];
    const struct sim_process *won = &sim->processes[winner];

    if (lost->token > won->token || (lost->token == won->token && lost->node > won->node)) {
        sim_fail(sim, "conflict", "key %u: %s has to go for %s", lost->key,
                 sim_trace_process(sim, loser), sim_trace_process(sim, winner));
    }
}
