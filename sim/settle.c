#include "settle.h"

#include "checks.h"
#include "clients.h"
#include "processes.h"
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "core/views.h"

#define STEP_NS (250 * SIM_MS)

static char text[400];

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return text;
}

static const char *pending_request(const struct sim *sim)
{
    const struct sim_request *request;

    if (sim->open_count == 0) {
        return NULL;
    }
    request = &sim->requests[sim->open[0]];
    return say("%u requests are not answered, the first at %s for key %u", sim->open_count,
               sim_trace_name(request->node), request->key);
}

/* The nodes that live, in the order of their names, as every view should be. */
static const char *pending_view(const struct sim *sim, const struct sim_node *node)
{
    struct npri_buffer nodes;
    struct npr_term_walk walk;
    struct npr_term element;
    struct npr_bytes name;
    uint64_t seen = 0;
    const char *wrong =
        npri_views_agreed(node->core) ? NULL : say("%s is not agreed", sim_trace_name(node->index));

    npri_buffer_init(&nodes, 0);
    npri_core_put_nodes(node->core, &nodes);
    if (npr_term_list((struct npr_term){nodes.data, nodes.size}, &walk)) {
        while (npr_term_next(&walk, &element)) {
            if (npr_term_get_atom(element, &name)) {
                seen |= UINT64_C(1) << (name.data[0] - 'a');
            }
        }
    }
    npri_buffer_fini(&nodes);
    for (uint32_t i = 0; i < sim->nodes_count && wrong == NULL; i++) {
        if (((seen >> i & 1) != 0) != sim->nodes[i].alive) {
            wrong = say("%s %s %s in its view", sim_trace_name(node->index),
                        sim->nodes[i].alive ? "has not" : "still has", sim_trace_name(i));
        }
    }
    return wrong;
}

/* checks.h: settle.  Its entries are its living processes, and all of them. */
static const char *pending_entries(const struct sim *sim, const struct sim_node *node)
{
    struct npri_buffer entries;
    struct npr_term_walk walk;
    struct npr_term element;
    struct npr_term entry[2];
    uint32_t living = 0;
    uint32_t count = 0;
    const char *wrong = NULL;

    npri_buffer_init(&entries, 0);
    npri_core_put_entries(node->core, 0, &entries);
    if (npr_term_list((struct npr_term){entries.data, entries.size}, &walk)) {
        while (wrong == NULL && npr_term_next(&walk, &element)) {
            uint32_t process = SIM_NOBODY;

            if (npr_term_get_tuple(element, 2, entry)) {
                process = sim_process_of(sim, entry[1]);
            }
            count++;
            if (process == SIM_NOBODY || !sim->processes[process].registered) {
                wrong = say("%s has an entry of %s, which is not registered",
                            sim_trace_name(node->index), sim_trace_process(sim, process));
            }
        }
    }
    npri_buffer_fini(&entries);
    for (uint32_t key = 0; key < sim->options.keys; key++) {
        for (uint32_t i = 0; i < sim->keys[key].living_count; i++) {
            living += sim->processes[sim->keys[key].living[i]].node == node->index ? 1 : 0;
        }
    }
    if (wrong == NULL && living != count) {
        wrong = say("%s has %u entries, and %u processes live there", sim_trace_name(node->index),
                    count, living);
    }
    return wrong;
}

static const char *pending_doubles(const struct sim *sim)
{
    for (uint32_t key = 0; key < sim->options.keys; key++) {
        const struct sim_key *at = &sim->keys[key];

        if (at->living_count > 1 && sim->options.originals == 0) {
            return say("key %u has %u living processes: %s, %s", key, at->living_count,
                       sim_trace_process(sim, at->living[0]),
                       sim_trace_process(sim, at->living[1]));
        }
    }
    return NULL;
}

/* What somebody has asked to be unregistered, perhaps in vain. */
static const char *pending_change(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->processes_count; i++) {
        if (sim->processes[i].uncertain && sim->processes[i].died_ns == UINT64_MAX) {
            return say("%s may be unregistered yet", sim_trace_process(sim, i));
        }
    }
    return NULL;
}

const char *sim_pending(const struct sim *sim)
{
    const char *what = pending_request(sim);

    for (uint32_t i = 0; i < sim->options.natives && what == NULL; i++) {
        const struct sim_node *node = &sim->nodes[i];

        if (!node->alive) {
            what = say("%s is not back", sim_trace_name(i));
        } else {
            what = pending_view(sim, node);
        }
        if (what == NULL) {
            what = pending_entries(sim, node);
        }
    }
    if (what == NULL) {
        what = pending_change(sim);
    }
    return what == NULL ? pending_doubles(sim) : what;
}

static void wait(struct sim *sim, const char *for_what)
{
    const uint64_t end_ns = sim->now_ns + sim->options.settle_ns;
    const char *what;

    sim_processes_end_uncertain(sim);
    what = sim_pending(sim);
    while (what != NULL && sim->now_ns < end_ns && !sim->failed) {
        sim_processes_end_uncertain(sim);
        sim_pass(sim, sim->now_ns + STEP_NS);
        sim_check_open(sim);
        what = sim_pending(sim);
    }
    if (what != NULL && !sim->failed) {
        sim_fail(sim, "settle", "%u s after %s: %s",
                 (unsigned)(sim->options.settle_ns / SIM_SECOND), for_what, what);
        sim->failed_liveness = true;
    }
}

/* What all requests since `first` were answered with. */
static void compare_answers(struct sim *sim, uint32_t first)
{
    uint32_t answers[64];

    for (uint32_t key = 0; key < sim->options.keys && key < 64; key++) {
        answers[key] = SIM_NOBODY;
    }
    for (uint32_t i = first; i < sim->requests_count && !sim->failed; i++) {
        const struct sim_request *request = &sim->requests[i];

        if (request->kind != SIM_REQUEST_START) {
            continue;
        }
        if (request->status != NPR_OK) {
            sim_fail(sim, "settle", "all is mended, and %s gets no process for key %u: %s",
                     sim_trace_name(request->node), request->key, npr_status_name(request->status));
            sim->failed_liveness = true;
        } else if (answers[request->key] == SIM_NOBODY) {
            answers[request->key] = request->process;
        } else if (answers[request->key] != request->process) {
            sim_fail(sim, "settle", "key %u is %s for some, and %s for %s", request->key,
                     sim_trace_process(sim, answers[request->key]),
                     sim_trace_process(sim, request->process), sim_trace_name(request->node));
        }
    }
}

static void ask_everywhere(struct sim *sim)
{
    const uint32_t first = sim->requests_count;

    SIM_TRACE(sim, SIM_NOBODY, "every node is asked for every key");
    for (uint32_t node = 0; node < sim->options.natives && !sim->failed; node++) {
        for (uint32_t key = 0; key < sim->options.keys && !sim->failed; key++) {
            sim_client_ask(sim, node, key, SIM_REQUEST_START, 10 * SIM_SECOND);
        }
    }
    wait(sim, "every node was asked for every key");
    if (!sim->failed && sim->options.originals == 0) {
        compare_answers(sim, first);
    }
}

void sim_settle(struct sim *sim)
{
    wait(sim, "the end of all faults");
    /* Inits that last, and a beat to and fro, which a quorum needs. */
    sim_pass(sim, sim->now_ns + sim->options.start_ns_max + 4 * sim->options.heartbeat_ns);
    wait(sim, "the end of all faults");
    if (!sim->failed) {
        ask_everywhere(sim);
    }
}
