#include "clients.h"

#include "checks.h"
#include "native.h"
#include "network.h"
#include "original.h"
#include "processes.h"
#include "trace.h"

#include "base/alloc.h"
#include "base/assert.h"

/* What a client has given up may be carried out yet, as long as a message of it is on its way. */
#define LATE_NS (12 * SIM_SECOND)

/* The original's callers have no time-out for the whole: they wait for node after node. */
#define NO_DEADLINE_NS (600 * SIM_SECOND)

/* ---- Requests. */

static uint32_t new_request(struct sim *sim, const struct sim_request *request)
{
    const uint32_t index = sim->requests_count++;

    if (index == sim->requests_capacity) {
        sim->requests_capacity = sim->requests_capacity == 0 ? 512 : 2 * sim->requests_capacity;
        sim->requests =
            npri_realloc(sim->requests, sim->requests_capacity * sizeof(*sim->requests));
        NPRI_ASSERT(sim->requests != NULL);
    }
    sim->requests[index] = *request;
    sim->requests[index].process =
        request->kind == SIM_REQUEST_REGISTER || request->kind == SIM_REQUEST_REPLACE
            ? request->process
            : SIM_NOBODY;
    if (request->kind == SIM_REQUEST_REMOTE) {
        return index;
    }
    if (sim->open_count == sim->open_capacity) {
        sim->open_capacity = sim->open_capacity == 0 ? 64 : 2 * sim->open_capacity;
        sim->open = npri_realloc(sim->open, sim->open_capacity * sizeof(*sim->open));
        NPRI_ASSERT(sim->open != NULL);
    }
    sim->open[sim->open_count++] = index;
    return index;
}

static void close_request(struct sim *sim, uint32_t index)
{
    for (uint32_t i = 0; i < sim->open_count; i++) {
        if (sim->open[i] == index) {
            sim->open[i] = sim->open[--sim->open_count];
            return;
        }
    }
}

void sim_clients_on_node_end(struct sim *sim, uint32_t node)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < sim->open_count; i++) {
        struct sim_request *request = &sim->requests[sim->open[i]];

        request->void_ = request->node == node;
        if (request->void_ &&
            (request->kind == SIM_REQUEST_REPLACE || request->kind == SIM_REQUEST_UNREGISTER)) {
            sim->keys[request->key].changes_count--;
            sim->keys[request->key].uncertain_ns = sim->now_ns + LATE_NS;
        }
        if (!request->void_) {
            sim->open[kept++] = sim->open[i];
        }
    }
    sim->open_count = kept;
}

void sim_clients_on_resume(struct sim *sim, uint32_t node)
{
    const uint64_t paused_ns = sim->now_ns - sim->nodes[node].paused_ns;

    for (uint32_t i = 0; i < sim->open_count; i++) {
        if (sim->requests[sim->open[i]].node == node) {
            sim->requests[sim->open[i]].paused_ns += paused_ns;
        }
    }
}

void sim_client_ask(struct sim *sim,
                    uint32_t node,
                    uint32_t key,
                    enum sim_request_kind kind,
                    uint64_t timeout_ns)
{
    const bool native = sim->nodes[node].native;
    const struct sim_request request = {.kind = kind,
                                        .node = node,
                                        .creation = sim->nodes[node].creation,
                                        .key = key,
                                        .asked_ns = sim->now_ns,
                                        .deadline_ns = native ? sim->now_ns + timeout_ns
                                                              : sim->now_ns + NO_DEADLINE_NS};
    const uint32_t index = new_request(sim, &request);
    uint8_t room[SIM_KEY_BYTES];
    struct npri_core_event event = {.kind = NPRI_EVENT_GET, .deadline_ns = request.deadline_ns};

    SIM_TRACE(sim, node, "R%u: get key %u%s", index, key,
              kind == SIM_REQUEST_START ? " or start it" : "");
    if (!sim->nodes[node].native) {
        sim_original_get(sim, &sim->nodes[node], index);
        return;
    }
    event.request = index + 1;
    event.key = sim_key_term(key, room);
    if (kind == SIM_REQUEST_START) {
        event.function = event.key;
    }
    (void)sim_native_step(sim, &sim->nodes[node], &event);
}

/* A process of the node's own is to live under the key; or whatever does is to do so no more. */
static void change_by_hand(struct sim *sim,
                           uint32_t node,
                           uint32_t key,
                           enum sim_request_kind kind,
                           uint64_t timeout_ns)
{
    struct sim_request request = {.kind = kind,
                                  .node = node,
                                  .creation = sim->nodes[node].creation,
                                  .key = key,
                                  .process = SIM_NOBODY,
                                  .asked_ns = sim->now_ns,
                                  .deadline_ns = sim->now_ns + timeout_ns};
    struct npri_core_event event = {.kind = NPRI_EVENT_REGISTER,
                                    .keep = kind == SIM_REQUEST_REGISTER,
                                    .deadline_ns = request.deadline_ns};
    uint8_t room[SIM_KEY_BYTES];
    uint8_t pid[SIM_PID_BYTES];

    if (kind == SIM_REQUEST_UNREGISTER) {
        event.kind = NPRI_EVENT_UNREGISTER;
    } else {
        request.process = sim_process_create(sim, node, key);
        sim->processes[request.process].by_hand = true;
        sim->processes[request.process].replaces = kind == SIM_REQUEST_REPLACE;
        sim->processes[request.process].foreign = sim->options.originals > 0;
        event.term = sim_process_pid(sim, request.process, pid);
    }
    if (kind != SIM_REQUEST_REGISTER) {
        sim_key_is_uncertain(sim, key);
        sim->keys[key].changes_count++;
    }
    event.request = new_request(sim, &request) + 1;
    event.key = sim_key_term(key, room);
    SIM_TRACE(sim, node, "R%u: %s key %u%s%s", (unsigned)event.request - 1,
              kind == SIM_REQUEST_REGISTER  ? "register"
              : kind == SIM_REQUEST_REPLACE ? "replace"
                                            : "unregister",
              key, request.process == SIM_NOBODY ? "" : " for ",
              request.process == SIM_NOBODY ? "" : sim_trace_process(sim, request.process));
    (void)sim_native_step(sim, &sim->nodes[node], &event);
}

/* ---- Acts. */

static uint32_t any_node(struct sim *sim)
{
    uint32_t node = (uint32_t)sim_random_below(&sim->random, sim->nodes_count);

    for (uint32_t i = 0; i < sim->nodes_count; i++) {
        if (sim->nodes[node].alive && !sim->nodes[node].paused) {
            return node;
        }
        node = (node + 1) % sim->nodes_count;
    }
    return SIM_NOBODY;
}

static void end_a_process(struct sim *sim, uint32_t k)
{
    const struct sim_key *key = &sim->keys[k];

    if (key->living_count > 0) {
        const uint32_t process = key->living[sim_random_below(&sim->random, key->living_count)];

        if (!sim->nodes[sim->processes[process].node].paused) {
            sim_process_kill(sim, process);
        }
    }
}

void sim_clients_act(struct sim *sim)
{
    const uint32_t node = any_node(sim);
    const uint32_t key = (uint32_t)sim_random_below(&sim->random, sim->options.keys);
    const uint64_t roll = sim_random_below(&sim->random, 100);
    const uint64_t timeout_ns = sim_random_chance(&sim->random, 80)
                                    ? 5 * SIM_SECOND
                                    : sim_random_below(&sim->random, 500 * SIM_MS);

    if (node == SIM_NOBODY) {
        return;
    }
    if (roll < 10 && sim_has(&sim->options, SIM_CLASS_DEATHS)) {
        end_a_process(sim, key);
    } else if (roll < 30 && sim->nodes[node].native &&
               sim_has(&sim->options, SIM_CLASS_REGISTERS)) {
        change_by_hand(sim, node, key,
                       roll < 20   ? SIM_REQUEST_REGISTER
                       : roll < 25 ? SIM_REQUEST_REPLACE
                                   : SIM_REQUEST_UNREGISTER,
                       timeout_ns);
    } else if (roll < 45) {
        sim_client_ask(sim, node, key, SIM_REQUEST_GET, timeout_ns);
    } else {
        sim_client_ask(sim, node, key, SIM_REQUEST_START, timeout_ns);
    }
}

/* ---- Answers. */

static void trace_answer(const struct sim *sim, uint32_t index, struct npr_bytes text)
{
    const struct sim_request *request = &sim->requests[index];

    if (request->status == NPR_OK) {
        SIM_TRACE(sim, request->node, "R%u: %s%s", index, sim_trace_process(sim, request->process),
                  request->started ? ", started for it" : "");
    } else {
        SIM_TRACE(sim, request->node, "R%u: %s: %.*s", index, npr_status_name(request->status),
                  (int)text.size, (const char *)text.data);
    }
}

static void on_own_answer(struct sim *sim, uint32_t index, struct npr_bytes text, uint64_t token)
{
    struct sim_request *request = &sim->requests[index];

    sim->counts.answers++;
    trace_answer(sim, index, text);
    close_request(sim, index);
    sim_check_answer(sim, request, text, token);
    if (request->process != SIM_NOBODY && sim->processes[request->process].told_ns == UINT64_MAX) {
        sim->processes[request->process].told_ns = sim->now_ns;
    }
}

static void on_remote_answer(struct sim *sim,
                             const struct sim_node *node,
                             const struct sim_request *request,
                             const struct npri_core_effect *effect)
{
    struct sim_message *message = sim_message(sim, request->answer, node->index, request->from);

    if (sim_lane(sim, node->index, request->from)->known != request->connection) {
        sim_message_drop(sim, message); /* Who asked has gone. */
        return;
    }
    message->operation = request->operation;
    message->status = effect->status;
    message->started = effect->started;
    message->token = effect->token;
    message->final = effect->final;
    message->moved = effect->moved;
    message->key = request->key;
    if (effect->status == NPR_OK) {
        sim_message_set_bytes(message, effect->term.data, effect->term.size);
    } else {
        sim_message_set_bytes(message, effect->text.data, effect->text.size);
    }
    (void)sim_send(sim, message);
}

/* The process that was to be registered is, or is not needed any more. */
static void on_changed(struct sim *sim,
                       struct sim_request *request,
                       const struct npri_core_effect *effect)
{
    const uint32_t process = request->process;

    if (request->kind != SIM_REQUEST_REGISTER) {
        sim->keys[request->key].changes_count--;
        if (effect->status != NPR_OK || sim_options_separate(&sim->options) ||
            sim_has(&sim->options, SIM_CLASS_RESETS)) {
            sim->keys[request->key].uncertain_ns = sim->now_ns + LATE_NS;
        }
    }
    request->process = SIM_NOBODY;
    if (effect->status == NPR_EEXIST) {
        request->process = sim_process_of(sim, effect->term);
    }
    if (process == SIM_NOBODY || sim->processes[process].died_ns != UINT64_MAX) {
        return;
    }
    if (effect->status == NPR_OK) {
        sim->processes[process].token = effect->token;
        request->process = process;
        sim_process_on_registered(sim, process);
    } else {
        sim_process_kill(sim, process);
    }
}

void sim_clients_on_answer(struct sim *sim,
                           const struct sim_node *node,
                           const struct npri_core_effect *effect)
{
    const uint32_t index = (uint32_t)effect->request - 1;
    struct sim_request *request;

    NPRI_ASSERT(index < sim->requests_count);
    request = &sim->requests[index];
    request->answers_count++;
    request->status = effect->status;
    request->started = effect->started;
    request->answered_ns = sim->now_ns;
    if (request->kind >= SIM_REQUEST_REGISTER && request->kind <= SIM_REQUEST_UNREGISTER) {
        on_changed(sim, request, effect);
    } else if (effect->status == NPR_OK) {
        request->process = sim_process_of(sim, effect->term);
    }
    sim_mix(sim, effect->request << 8 | (uint64_t)(effect->status & 0xff));
    sim_mix(sim, request->process);
    sim_check_stall(sim, request);
    if (request->kind == SIM_REQUEST_REMOTE) {
        on_remote_answer(sim, node, request, effect);
    } else {
        on_own_answer(sim, index, effect->text, effect->token);
    }
}

void sim_clients_on_original_answer(struct sim *sim,
                                    uint32_t request,
                                    npr_status status,
                                    uint32_t process)
{
    struct sim_request *at = &sim->requests[request];

    at->answers_count++;
    at->status = status;
    at->answered_ns = sim->now_ns;
    at->process = process;
    sim_mix(sim, (uint64_t)request << 8 | (uint64_t)(status & 0xff));
    on_own_answer(sim, request, npr_bytes_of("by the original's rules"), 0);
}

void sim_clients_on_birth(struct sim *sim, uint32_t process)
{
    (void)sim;
    (void)process;
}

/* ---- Questions of other nodes. */

void sim_clients_on_remote(struct sim *sim,
                           struct sim_node *node,
                           const struct sim_message *message)
{
    const bool asks = message->kind == SIM_ASK;
    const struct sim_request request = {.kind = SIM_REQUEST_REMOTE,
                                        .node = node->index,
                                        .creation = node->creation,
                                        .key = message->key,
                                        .asked_ns = sim->now_ns,
                                        .deadline_ns = asks ? sim->now_ns + 30 * SIM_SECOND
                                                            : message->deadline_ns,
                                        .answer = asks ? SIM_ASKED : SIM_DELEGATED,
                                        .from = message->from,
                                        .connection = message->connection,
                                        .operation = message->operation};
    uint8_t room[SIM_KEY_BYTES];
    struct npri_core_event event = {.kind = asks ? NPRI_EVENT_GET : NPRI_EVENT_START,
                                    .own_only = asks,
                                    .deadline_ns = request.deadline_ns};

    event.request = new_request(sim, &request) + 1;
    event.key = sim_key_term(message->key, room);
    if (!asks) {
        event.function = event.key;
    }
    event.node = sim->nodes[message->from].name;
    SIM_TRACE(sim, node->index, "is %s %s about key %u", asks ? "asked by" : "to start for",
              sim_trace_name(message->from), message->key);
    (void)sim_native_step(sim, node, &event);
}
