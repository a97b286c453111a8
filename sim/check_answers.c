/* checks.h: answer and absence. */
#include "checks.h"
#include "processes.h"
#include "touch.h"
#include "trace.h"

static uint64_t before(uint64_t at_ns, uint64_t by_ns)
{
    return at_ns > by_ns ? at_ns - by_ns : 0;
}

/* News of an end may be on its way for that long. */
static uint64_t news_ns(const struct sim *sim)
{
    const struct sim_options *options = &sim->options;
    const uint64_t way_ns = 3 * (options->delay_ns_max + options->slow_ns_max) + 10 * SIM_MS +
                            2 * options->fence_ns_max; /* one epoch, and another */

    if (sim_options_separate(options) || sim_has(options, SIM_CLASS_POWER) ||
        sim_has(options, SIM_CLASS_PAUSES)) {
        /* A node that wakes gives the others their time anew. */
        return way_ns + 2 * options->node_timeout_ns + 2 * options->heartbeat_ns;
    }
    return way_ns;
}

static void check_pid(struct sim *sim, const struct sim_request *request, uint64_t token)
{
    const struct sim_process *process;

    if (request->process == SIM_NOBODY) {
        sim_fail(sim, "answer", "%s is answered with a pid that nobody has",
                 sim_trace_name(request->node));
        return;
    }
    process = &sim->processes[request->process];
    if (process->key != request->key) {
        sim_fail(sim, "answer", "%s asks for key %u and is answered with %s",
                 sim_trace_name(request->node), request->key,
                 sim_trace_process(sim, request->process));
    } else if (process->died_ns != UINT64_MAX &&
               process->died_ns + request->paused_ns + news_ns(sim) < request->asked_ns) {
        sim_fail(sim, "answer", "%s is answered with %s, which had ended %u ms before it asked",
                 sim_trace_name(request->node), sim_trace_process(sim, request->process),
                 (unsigned)((request->asked_ns - process->died_ns) / SIM_MS));
    } else if (token != 0 && process->token != 0 && token != process->token &&
               !(process->by_hand && token < process->token)) {
        /* A registration that was asked for again has a newer one than it was first granted. */
        sim_fail(sim, "answer", "%s is told token %llu of %s", sim_trace_name(request->node),
                 (unsigned long long)token, sim_trace_process(sim, request->process));
    }
}

/* One that somebody had been told of before, that lived on, and that could be reached all along. */
static void check_absence(struct sim *sim, const struct sim_request *request)
{
    const struct sim_key *key = &sim->keys[request->key];

    if (!sim->nodes[request->node].native && sim->options.protocol == SIM_PROTOCOL_NATIVE) {
        return; /* By the original's rules, it may well not see it. */
    }
    for (uint32_t i = 0; i < key->living_count; i++) {
        const struct sim_process *process = &sim->processes[key->living[i]];

        if (process->foreign || process->handing || process->registered_ns >= request->asked_ns ||
            process->told_ns >= request->asked_ns) {
            continue;
        }
        if (sim_touch_is_whole(sim, request->node, process->node,
                               before(request->asked_ns, sim_touch_bound_ns(sim)))) {
            sim_fail(sim, "absence", "%s is told that key %u lives nowhere, and %s does",
                     sim_trace_name(request->node), request->key,
                     sim_trace_process(sim, key->living[i]));
        }
    }
}

/* What others have answered before it slept, and is read now, is their word. */
void sim_check_stall(struct sim *sim, const struct sim_request *request)
{
    const struct sim_node *node = &sim->nodes[request->node];

    if (node->stalled && request->asked_ns == node->woken_ns && sim->now_ns == node->woken_ns &&
        request->status == NPR_OK && request->process != SIM_NOBODY &&
        sim->processes[request->process].node == node->index) {
        sim_fail(sim, "stall",
                 "%s has slept, and answers with its %s before it has heard of anyone",
                 sim_trace_name(node->index), sim_trace_process(sim, request->process));
    }
}

void sim_check_answer(struct sim *sim,
                      const struct sim_request *request,
                      struct npr_bytes text,
                      uint64_t token)
{
    if (request->answers_count != 1) {
        sim_fail(sim, "answer", "a request of %s for key %u is answered a second time",
                 sim_trace_name(request->node), request->key);
    } else if (sim->now_ns > request->deadline_ns + request->paused_ns + SIM_MS) {
        sim_fail(sim, "answer", "a request of %s for key %u is answered %u ms after its deadline",
                 sim_trace_name(request->node), request->key,
                 (unsigned)((sim->now_ns - request->deadline_ns) / SIM_MS));
    } else if (request->status != NPR_OK && request->status != NPR_EEXIST && text.size == 0) {
        sim_fail(sim, "answer", "a request of %s for key %u fails with %s and does not say why",
                 sim_trace_name(request->node), request->key, npr_status_name(request->status));
    } else if ((request->status == NPR_OK && request->kind <= SIM_REQUEST_START) ||
               request->status == NPR_EEXIST) {
        check_pid(sim, request, token);
    } else if (request->status == NPR_ENOTFOUND && request->kind <= SIM_REQUEST_START) {
        check_absence(sim, request);
    }
}

void sim_check_open(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->open_count; i++) {
        const struct sim_request *request = &sim->requests[sim->open[i]];
        const struct sim_node *node = &sim->nodes[request->node];

        if (!node->paused &&
            sim->now_ns > request->deadline_ns + request->paused_ns + 10 * SIM_MS) {
            sim_fail(sim, "answer",
                     "a request of %s for key %u is not answered, %u ms after its "
                     "deadline",
                     sim_trace_name(request->node), request->key,
                     (unsigned)((sim->now_ns - request->deadline_ns) / SIM_MS));
        }
    }
}
