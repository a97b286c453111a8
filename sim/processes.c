#include "processes.h"

#include "checks.h"
#include "trace.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "term/write.h"

/* ---- Terms. */

struct npr_term sim_process_pid(const struct sim *sim, uint32_t process, uint8_t *room)
{
    struct npri_buffer buffer = {.capacity = SIM_PID_BYTES, .size_max = SIM_PID_BYTES};
    const struct sim_process *at = &sim->processes[process];
    struct npr_pid pid = {.id = process + 1, .creation = at->creation};

    pid.node = sim_name_of(at->node);
    buffer.data = room;
    npri_put_pid(&buffer, &pid);
    NPRI_ASSERT(!buffer.failed);
    return (struct npr_term){.data = buffer.data, .size = buffer.size};
}

uint32_t sim_process_of(const struct sim *sim, struct npr_term term)
{
    struct npr_pid pid;

    if (!npr_term_get_pid(term, &pid) || pid.id == 0 || pid.id > sim->processes_count) {
        return SIM_NOBODY;
    }
    return pid.id - 1;
}

struct npr_term sim_key_term(uint32_t key, uint8_t *room)
{
    struct npri_buffer buffer = {.capacity = SIM_KEY_BYTES, .size_max = SIM_KEY_BYTES};

    buffer.data = room;
    npri_put_int(&buffer, key);
    return (struct npr_term){.data = buffer.data, .size = buffer.size};
}

uint32_t sim_key_of(struct npr_term term)
{
    int64_t key = -1;

    NPRI_ASSERT(npr_term_get_int64(term, &key));
    return (uint32_t)key;
}

/* ---- Lives. */

uint32_t sim_process_create(struct sim *sim, uint32_t node, uint32_t key)
{
    const uint32_t process = sim->processes_count++;

    if (process == sim->processes_capacity) {
        sim->processes_capacity = sim->processes_capacity == 0 ? 256 : 2 * sim->processes_capacity;
        sim->processes =
            npri_realloc(sim->processes, sim->processes_capacity * sizeof(*sim->processes));
        NPRI_ASSERT(sim->processes != NULL);
    }
    sim->processes[process] = (struct sim_process){.node = node,
                                                   .creation = sim->nodes[node].creation,
                                                   .key = key,
                                                   .begun_ns = sim->now_ns,
                                                   .born_ns = sim->now_ns,
                                                   .gone_ns = UINT64_MAX,
                                                   .died_ns = UINT64_MAX,
                                                   .told_ns = UINT64_MAX};
    return process;
}

/* So that there is room for another one of the key. */
static bool forget_one_of_original(struct sim *sim, struct sim_key *key)
{
    for (uint32_t i = 0; i < key->living_count; i++) {
        struct sim_process *at = &sim->processes[key->living[i]];

        if (!sim->nodes[at->node].native) {
            at->registered = false;
            key->living[i] = key->living[--key->living_count];
            return true;
        }
    }
    return false;
}

void sim_process_on_registered(struct sim *sim, uint32_t process)
{
    struct sim_process *at = &sim->processes[process];
    struct sim_key *key = &sim->keys[at->key];

    NPRI_ASSERT(!at->registered && at->died_ns == UINT64_MAX);
    at->registered = true;
    at->registered_ns = sim->now_ns;
    key->foreign = key->foreign || at->foreign;
    at->foreign = key->foreign;
    sim->counts.births++;
    sim_mix(sim, (uint64_t)process << 32 | at->key);
    SIM_TRACE(sim, at->node, "%s is %s", sim_trace_process(sim, process),
              at->by_hand ? "registered" : "started");
    sim_check_birth(sim, process);
    if (key->living_count == SIM_LIVING_MAX && !sim->nodes[at->node].native) {
        at->registered = false; /* Originals start one for every caller: this one is not counted. */
        return;
    }
    if (key->living_count == SIM_LIVING_MAX && !forget_one_of_original(sim, key)) {
        sim_fail(sim, "single", "key %u has more than %u living processes", at->key,
                 key->living_count);
        return;
    }
    key->living[key->living_count++] = process;
    if (key->living_count == 2) {
        key->doubled_ns = sim->now_ns;
    }
    if (key->changes_count > 0 || sim->now_ns < key->uncertain_ns) {
        sim_key_is_uncertain(sim, at->key);
    }
}

void sim_process_on_unregistered(struct sim *sim, uint32_t process)
{
    struct sim_process *at = &sim->processes[process];
    struct sim_key *key = &sim->keys[at->key];

    if (!at->registered) {
        return;
    }
    at->registered = false;
    at->gone_ns = sim->now_ns;
    for (uint32_t i = 0; i < key->living_count; i++) {
        if (key->living[i] == process) {
            key->living[i] = key->living[--key->living_count];
            break;
        }
    }
    if (key->living_count < 2) {
        key->doubled_ns = 0;
    }
}

static void end(struct sim *sim, uint32_t process)
{
    sim_process_on_unregistered(sim, process);
    sim->processes[process].died_ns = sim->now_ns;
}

void sim_process_kill(struct sim *sim, uint32_t process)
{
    const struct sim_process *at = &sim->processes[process];
    struct sim_message *message;

    if (at->died_ns != UINT64_MAX) {
        return;
    }
    SIM_TRACE(sim, at->node, "%s ends", sim_trace_process(sim, process));
    end(sim, process);
    message = sim_message(sim, SIM_PROCESS_DOWN, at->node, at->node);
    message->process = process;
    sim_later(sim, message, sim_random_below(&sim->random, 3 * SIM_MS));
}

void sim_processes_on_node_end(struct sim *sim, uint32_t node)
{
    for (uint32_t i = 0; i < sim->processes_count; i++) {
        if (sim->processes[i].node == node && sim->processes[i].died_ns == UINT64_MAX) {
            end(sim, i);
        }
    }
}

void sim_key_is_uncertain(struct sim *sim, uint32_t key)
{
    while (sim->keys[key].living_count > 0) {
        const uint32_t process = sim->keys[key].living[0];

        sim->processes[process].uncertain = true;
        sim_process_on_unregistered(sim, process);
    }
}

void sim_processes_end_uncertain(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->processes_count; i++) {
        if (sim->processes[i].uncertain && sim->processes[i].died_ns == UINT64_MAX &&
            sim->keys[sim->processes[i].key].changes_count == 0 &&
            sim->keys[sim->processes[i].key].uncertain_ns <= sim->now_ns) {
            sim_process_kill(sim, i);
        }
    }
}
