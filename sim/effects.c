#include "effects.h"

#include "checks.h"
#include "clients.h"
#include "network.h"
#include "processes.h"
#include "touch.h"
#include "trace.h"

#include "base/assert.h"

/* ---- To other nodes. */

/* A question that cannot even be sent has an answer at once. */
static void unanswered(struct sim *sim,
                       uint32_t node,
                       uint32_t peer,
                       enum sim_message_kind answer,
                       uint64_t operation)
{
    struct sim_message *message = sim_message(sim, SIM_UNANSWERED, peer, node);

    message->key = (uint32_t)answer;
    message->operation = operation;
    message->status = NPR_EUNREACHABLE;
    sim_message_set_bytes(message, "not connected", 13);
    sim_later(sim, message, 0);
}

static void question(struct sim *sim,
                     const struct sim_node *node,
                     const struct npri_core_effect *effect,
                     enum sim_message_kind kind)
{
    const uint32_t peer = sim_node_of(&effect->node);
    struct sim_message *message = sim_message(sim, kind, node->index, peer);

    message->operation = effect->operation;
    message->deadline_ns = effect->deadline_ns;
    message->natively = npri_core_is_native(node->core, &effect->node);
    if (effect->key.data != NULL) {
        message->key = sim_key_of(effect->key);
        SIM_TRACE(sim, node->index, "%s %s about key %u", kind == SIM_ASK ? "asks" : "delegates to",
                  sim_trace_name(peer), message->key);
    }
    if (!sim_send(sim, message)) {
        unanswered(sim, node->index, peer, (enum sim_message_kind)(kind + 1), effect->operation);
    }
}

static void statement(struct sim *sim,
                      const struct sim_node *node,
                      const struct npri_core_effect *effect,
                      enum sim_message_kind kind)
{
    struct sim_message *message = sim_message(sim, kind, node->index, sim_node_of(&effect->node));

    message->version = node->creation;
    if (kind == SIM_GREETING) {
        sim_message_set_bytes(message, &effect->greeting, sizeof(effect->greeting));
    } else if (effect->term.data != NULL) {
        sim_message_set_bytes(message, effect->term.data, effect->term.size);
        SIM_TRACE(sim, node->index, "tells %s %s", sim_trace_name(message->to),
                  sim_trace_term(effect->term));
    }
    (void)sim_send(sim, message);
}

/* ---- Processes. */

static void start(struct sim *sim, struct sim_node *node, const struct npri_core_effect *effect)
{
    struct sim_message *message = sim_message(sim, SIM_STARTED, node->index, node->index);
    const bool is_slow = sim_random_chance(&sim->random, 20);
    const uint64_t most_ns = is_slow ? sim->options.start_ns_max : 5 * SIM_MS;

    message->key = sim_key_of(effect->key);
    message->operation = effect->operation;
    message->token = effect->token;
    message->deadline_ns = sim->now_ns; /* when it was decided */
    if (sim->faults && sim_has(&sim->options, SIM_CLASS_FAILED_STARTS) &&
        sim_random_chance(&sim->random, 20)) {
        message->status = NPR_EREFUSED;
    }
    SIM_TRACE(sim, node->index, "starts a process for key %u, token %llu", message->key,
              (unsigned long long)effect->token);
    sim_check_start(sim, node->index);
    sim_later(sim, message, sim_random_below(&sim->random, most_ns));
}

static void monitor(struct sim *sim, const struct sim_node *node, uint32_t process)
{
    struct sim_message *message;

    NPRI_ASSERT(process != SIM_NOBODY);
    if (sim->processes[process].died_ns != UINT64_MAX) {
        message = sim_message(sim, SIM_PROCESS_DOWN, node->index, node->index);
        message->process = process;
        sim_later(sim, message, 0);
    }
}

static void fence(struct sim *sim, const struct sim_node *node, uint64_t operation)
{
    struct sim_message *message = sim_message(sim, SIM_FENCED, node->index, node->index);

    message->operation = operation;
    sim_later(sim, message, sim_random_below(&sim->random, sim->options.fence_ns_max));
}

static void disconnect(struct sim *sim,
                       const struct sim_node *node,
                       const struct npri_core_effect *effect)
{
    const uint32_t peer = sim_node_of(&effect->node);

    SIM_TRACE(sim, node->index, "disconnects %s: %.*s", sim_trace_name(peer),
              (int)effect->text.size, (const char *)effect->text.data);
    sim_close(sim, node->index, peer);
    sim_touch_on_dropped(sim, node->index, peer);
}

/* The loser is registered no more, and ends soon. */
static void conflict(struct sim *sim,
                     const struct sim_node *node,
                     const struct npri_core_effect *effect)
{
    const uint32_t loser = sim_process_of(sim, effect->term);
    const uint32_t winner = sim_process_of(sim, effect->old);
    struct sim_message *message = sim_message(sim, SIM_CONFLICTED, node->index, node->index);

    NPRI_ASSERT(loser != SIM_NOBODY && winner != SIM_NOBODY);
    SIM_TRACE(sim, node->index, "gives up %s for %s", sim_trace_process(sim, loser),
              sim_trace_process(sim, winner));
    sim->counts.conflicts++;
    if (sim->processes[winner].token == 0) {
        sim->processes[winner].token = effect->token; /* It does not know of its consent yet. */
    }
    sim_check_conflict(sim, loser, winner);
    sim_process_on_unregistered(sim, loser);
    message->process = loser;
    sim_later(sim, message, sim_random_below(&sim->random, 20 * SIM_MS));
}

/* Its state is wanted: the process does nothing from now on. */
static void hand_over(struct sim *sim,
                      const struct sim_node *node,
                      const struct npri_core_effect *effect)
{
    const uint32_t process = sim_process_of(sim, effect->term);
    struct sim_message *message = sim_message(sim, SIM_HANDED, node->index, node->index);

    NPRI_ASSERT(process != SIM_NOBODY);
    SIM_TRACE(sim, node->index, "asks %s for its state", sim_trace_process(sim, process));
    sim->processes[process].handing = true;
    message->operation = effect->operation;
    message->process = process;
    message->key = sim_key_of(effect->key);
    sim_later(sim, message, sim_random_below(&sim->random, 30 * SIM_MS));
}

static void moved(struct sim *sim,
                  const struct sim_node *node,
                  const struct npri_core_effect *effect)
{
    const uint32_t process = sim_process_of(sim, effect->term);
    const uint32_t successor = sim_process_of(sim, effect->old);

    NPRI_ASSERT(process != SIM_NOBODY);
    SIM_TRACE(sim, node->index, "%s %s", sim_trace_process(sim, process),
              successor == SIM_NOBODY ? "goes on" : "has moved");
    sim->processes[process].handing = false;
    if (successor != SIM_NOBODY) {
        sim->counts.moved++;
        sim_process_on_unregistered(sim, process); /* It lives on, and passes on what comes. */
    }
}

static void log_line(const struct sim *sim,
                     const struct sim_node *node,
                     const struct npri_core_effect *effect)
{
    SIM_TRACE(sim, node->index, "logs: %.*s", (int)effect->text.size,
              (const char *)effect->text.data);
}

void sim_effect_carry_out(struct sim *sim,
                          struct sim_node *node,
                          const struct npri_core_effect *effect)
{
    sim_mix(sim, (uint64_t)effect->kind << 32 | effect->operation << 8 | node->index);
    switch ((int)effect->kind) {
    case NPRI_EFFECT_CONNECT:
        sim_dial(sim, node->index, sim_node_of(&effect->node));
        return;
    case NPRI_EFFECT_GREET:
        statement(sim, node, effect, SIM_GREETING);
        return;
    case NPRI_EFFECT_ANNOUNCE:
        statement(sim, node, effect, SIM_ANNOUNCE);
        return;
    case NPRI_EFFECT_TELL:
        statement(sim, node, effect, SIM_TOLD);
        return;
    case NPRI_EFFECT_POLL:
        question(sim, node, effect, SIM_POLL);
        return;
    case NPRI_EFFECT_ASK_RELEASE:
        question(sim, node, effect, SIM_RELEASE);
        return;
    case NPRI_EFFECT_ASK:
        question(sim, node, effect, SIM_ASK);
        return;
    case NPRI_EFFECT_DELEGATE:
        question(sim, node, effect, SIM_DELEGATE);
        return;
    case NPRI_EFFECT_START:
        start(sim, node, effect);
        return;
    case NPRI_EFFECT_DISCARD:
        sim_process_kill(sim, sim_process_of(sim, effect->term));
        return;
    case NPRI_EFFECT_MONITOR:
        monitor(sim, node, sim_process_of(sim, effect->term));
        return;
    case NPRI_EFFECT_ANSWER:
        sim_clients_on_answer(sim, node, effect);
        return;
    case NPRI_EFFECT_DISCONNECT:
        disconnect(sim, node, effect);
        return;
    case NPRI_EFFECT_FENCE:
        fence(sim, node, effect->operation);
        return;
    case NPRI_EFFECT_QUORUM:
        SIM_TRACE(sim, node->index, "has %s its quorum", effect->regained ? "again" : "lost");
        return;
    case NPRI_EFFECT_CONFLICT:
        conflict(sim, node, effect);
        return;
    case NPRI_EFFECT_HANDOVER:
        hand_over(sim, node, effect);
        return;
    case NPRI_EFFECT_MOVED:
        moved(sim, node, effect);
        return;
    case NPRI_EFFECT_LOG:
        log_line(sim, node, effect);
        return;
    default: /* DEMONITOR, NEWS */
        return;
    }
}
