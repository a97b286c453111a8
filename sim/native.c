#include "native.h"

#include "checks.h"
#include "clients.h"
#include "effects.h"
#include "network.h"
#include "processes.h"
#include "touch.h"
#include "trace.h"

#include <string.h>

#include "base/assert.h"
#include "term/write.h"

/* How often a core is told that bytes came from one node. */
#define HEARD_NS (100 * SIM_MS)

/* A hash in place of MD5: placement needs it to spread, not to be secret. */
void sim_native_digest(const void *data, size_t size, uint8_t out[16])
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 32;
    for (size_t i = 0; i < 16; i++) {
        out[i] = (uint8_t)(hash >> 8 * (i % 8));
    }
}

npr_status sim_native_step(struct sim *sim, struct sim_node *node, struct npri_core_event *event)
{
    struct npri_core_effect effect;
    npr_status status;

    NPRI_ASSERT(node->core != NULL && !node->stepped);
    node->stepped = true;
    event->now_ns = sim->now_ns;
    status = npri_core_step(node->core, event);
    while (npri_core_take(node->core, &effect)) {
        sim_effect_carry_out(sim, node, &effect);
    }
    node->stepped = false;
    if (sim->nodes_count <= SIM_SWARM_MAX) {
        npri_core_check(node->core);
        sim_check_agreement(sim, node);
    }
    sim_rearm(sim, node);
    return status;
}

static void step_kind(struct sim *sim, struct sim_node *node, enum npri_event_kind kind)
{
    (void)sim_native_step(sim, node, &(struct npri_core_event){.kind = kind});
}

void sim_native_on_time(struct sim *sim, struct sim_node *node)
{
    step_kind(sim, node, NPRI_EVENT_TIME);
}

/* ---- Coming up. */

/* Microseconds since 1970 by the machine's clock, which may be wrong by an hour. */
static uint64_t epoch_us(struct sim *sim)
{
    const uint64_t right_us = UINT64_C(1700000000000000) + sim->now_ns / SIM_US;
    const uint64_t hour_us = UINT64_C(3600) * 1000 * 1000;

    if (!sim_has(&sim->options, SIM_CLASS_CLOCKS)) {
        return right_us;
    }
    return right_us - hour_us + sim_random_below(&sim->random, 2 * hour_us);
}

/* Told to join those that its list names, whether or not they are there. */
static void join(struct sim *sim, struct sim_node *node)
{
    uint32_t joins = sim->options.joins;
    bool others = false;

    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        others = others || (peer != node->index && sim->nodes[peer].alive);
    }
    for (uint32_t peer = 0; peer < sim->nodes_count && joins > 0; peer++) {
        if (peer == node->index) {
            continue;
        }
        joins--;
        (void)sim_native_step(
            sim, node,
            &(struct npri_core_event){.kind = NPRI_EVENT_JOIN, .node = sim->nodes[peer].name});
    }
    if (!others) {
        sim->break_ns = sim->now_ns; /* Nobody knows what there was before. */
    }
}

/* In every fourth run they wait for each other, though they are few. */
static uint32_t turns_max(const struct sim *sim)
{
    const uint64_t seed = sim->options.seed;

    return seed % 4 == 0 ? 1 + (uint32_t)(seed / 4 % 3) : 0;
}

static enum npr_placement placement(const struct sim *sim)
{
    return sim_has(&sim->options, SIM_CLASS_RENDEZVOUS) ? NPR_PLACEMENT_RENDEZVOUS
                                                        : NPR_PLACEMENT_ORIGINAL;
}

void sim_native_boot(struct sim *sim, struct sim_node *node)
{
    const struct sim_options *options = &sim->options;

    node->core =
        npri_core_create(&(struct npri_core_options){.self = node->name,
                                                     .creation = node->creation,
                                                     .member = true,
                                                     .otp = NPR_OTP_26,
                                                     .md5 = sim_native_digest,
                                                     .announce_ns = options->announce_ns,
                                                     .expire_ns = options->expire_ns,
                                                     .suspect_ns = options->suspect_ns,
                                                     .now_ns = sim->now_ns,
                                                     .epoch_us = epoch_us(sim),
                                                     .heartbeat_ns = options->heartbeat_ns,
                                                     .node_timeout_ns = options->node_timeout_ns,
                                                     .quorum = options->quorum,
                                                     .placement = placement(sim),
                                                     .turns_max = turns_max(sim)});
    NPRI_ASSERT(node->core != NULL);
    sim_rearm(sim, node);
    join(sim, node);
}

void sim_native_on_connection(struct sim *sim,
                              uint32_t node,
                              uint32_t peer,
                              bool up,
                              const char *why)
{
    struct npri_core_event event = {.kind = up ? NPRI_EVENT_CONNECTED : NPRI_EVENT_DISCONNECTED,
                                    .node = sim->nodes[peer].name,
                                    .creation = sim->nodes[peer].creation,
                                    .text = npr_bytes_of(why)};

    (void)sim_native_step(sim, &sim->nodes[node], &event);
}

/* ---- What others want of it. */

static void reply(struct sim *sim, const struct sim_message *question, struct sim_message *answer)
{
    answer->operation = question->operation;
    answer->connection = question->connection;
    (void)sim_send(sim, answer);
}

static void on_poll(struct sim *sim, const struct sim_node *node, const struct sim_message *message)
{
    struct sim_message *answer = sim_message(sim, SIM_POLLED, message->to, message->from);
    struct npri_buffer nodes;

    npri_buffer_init(&nodes, 0);
    npri_core_put_nodes(node->core, &nodes);
    sim_message_set_bytes(answer, nodes.data, nodes.size);
    npri_buffer_fini(&nodes);
    reply(sim, message, answer);
}

/* A release is something that Erlang nodes have. */
static void on_release(struct sim *sim, const struct sim_message *message)
{
    struct sim_message *answer = sim_message(sim, SIM_RELEASED, message->to, message->from);

    answer->status = NPR_ENOTFOUND;
    reply(sim, message, answer);
}

/* ---- What has come of what it wanted. */

static void on_answer(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct npri_core_event event = {.operation = message->operation,
                                    .status = message->status,
                                    .started = message->started,
                                    .token = message->token,
                                    .final = message->final,
                                    .moved = message->moved,
                                    .otp = NPR_OTP_26};

    switch ((int)message->kind) {
    case SIM_POLLED:
        event.kind = NPRI_EVENT_POLLED;
        break;
    case SIM_RELEASED:
        event.kind = NPRI_EVENT_RELEASE_TOLD;
        break;
    case SIM_ASKED:
        event.kind = NPRI_EVENT_ASKED;
        break;
    default:
        event.kind = NPRI_EVENT_DELEGATED;
        break;
    }
    if (message->status == NPR_OK) {
        event.term = sim_message_term(message);
    } else {
        event.text = npri_bytes(message->bytes, message->size);
    }
    (void)sim_native_step(sim, node, &event);
}

static void on_unanswered(struct sim *sim, struct sim_node *node, struct sim_message *message)
{
    message->kind = (enum sim_message_kind)message->key;
    on_answer(sim, node, message);
}

/* An init ends: the process is there from now on, unless the core wants it no longer. */
static void on_started(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct npri_core_event event = {
        .kind = NPRI_EVENT_STARTED, .operation = message->operation, .status = message->status};
    uint8_t room[SIM_PID_BYTES];
    uint32_t process;
    bool changes;

    if (sim_has(&sim->options, SIM_CLASS_RESTARTS)) {
        event.rule = (struct npri_restart_rule){
            .kind = NPRI_RESTART_PERMANENT, .max = 100, .window_ns = SIM_SECOND};
    }
    if (message->status != NPR_OK) {
        event.text = npr_bytes_of("init failed");
        (void)sim_native_step(sim, node, &event);
        return;
    }
    changes = sim->keys[message->key].changes_count > 0;
    process = sim_process_create(sim, node->index, message->key);
    sim->processes[process].token = message->token;
    sim->processes[process].begun_ns = message->deadline_ns;
    event.term = sim_process_pid(sim, process, room);
    sim_clients_on_birth(sim, process);
    (void)sim_native_step(sim, node, &event);
    if (sim->processes[process].died_ns == UINT64_MAX) {
        sim_process_on_registered(sim, process);
        if (changes) { /* What was to replace it may have done so in this very step. */
            sim_key_is_uncertain(sim, message->key);
        }
    }
}

static void on_process_down(struct sim *sim,
                            struct sim_node *node,
                            const struct sim_message *message)
{
    uint8_t room[SIM_PID_BYTES];
    struct npri_core_event event = {.kind = NPRI_EVENT_PROCESS_DOWN,
                                    .term = sim_process_pid(sim, message->process, room)};

    (void)sim_native_step(sim, node, &event);
}

/* The state is given; or there is none, and the process ends; or it cannot give any. */
static void on_handed(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    const uint64_t roll = sim_random_below(&sim->random, 10);
    struct sim_process *process = &sim->processes[message->process];
    uint8_t room[SIM_KEY_BYTES];
    struct npri_core_event event = {.kind = NPRI_EVENT_HANDED, .operation = message->operation};

    if (process->died_ns != UINT64_MAX) {
        return;
    }
    if (roll < 6) {
        event.term = sim_key_term(message->key, room);
        event.function = event.term;
    } else if (roll < 9) {
        sim_process_on_unregistered(sim, message->process);
    } else {
        process->handing = false;
        event.status = NPR_EREFUSED;
        event.text = npr_bytes_of("it cannot say what it has");
    }
    (void)sim_native_step(sim, node, &event);
    if (roll >= 6 && roll < 9) {
        sim_process_kill(sim, message->process);
    }
}

static void on_told(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_TOLD,
                                    .node = sim->nodes[message->from].name,
                                    .creation = message->version,
                                    .term = sim_message_term(message)};

    SIM_TRACE(sim, node->index, "is told by %s %s", sim_trace_name(message->from),
              sim_trace_term(event.term));
    (void)sim_native_step(sim, node, &event);
}

static void on_greeting(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_GREETED,
                                    .node = sim->nodes[message->from].name,
                                    .creation = message->version};

    NPRI_ASSERT(message->size == sizeof(event.greeting));
    memcpy(&event.greeting, message->bytes, sizeof(event.greeting));
    (void)sim_native_step(sim, node, &event);
}

static void on_announce(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_ANNOUNCED,
                                    .node = sim->nodes[message->from].name};

    (void)sim_native_step(sim, node, &event);
}

static void on_fenced(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct npri_core_event event = {.kind = NPRI_EVENT_FENCED, .operation = message->operation};

    (void)sim_native_step(sim, node, &event);
}

/* Bytes came: the core is told now and then, but for what it hears itself. */
static void hear(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct sim_lane *lane = sim_lane(sim, message->from, message->to);

    if (message->kind >= SIM_DIAL_FAILED || message->kind == SIM_TOLD ||
        sim->now_ns - lane->heard_ns < HEARD_NS) {
        return;
    }
    lane->heard_ns = sim->now_ns;
    (void)sim_native_step(sim, node,
                          &(struct npri_core_event){.kind = NPRI_EVENT_HEARD,
                                                    .node = sim->nodes[message->from].name});
}

void sim_native_handle(struct sim *sim, struct sim_node *node, struct sim_message *message)
{
    hear(sim, node, message);
    switch ((int)message->kind) {
    case SIM_TOLD:
        on_told(sim, node, message);
        return;
    case SIM_GREETING:
        on_greeting(sim, node, message);
        return;
    case SIM_ANNOUNCE:
        on_announce(sim, node, message);
        return;
    case SIM_POLL:
        on_poll(sim, node, message);
        return;
    case SIM_RELEASE:
        on_release(sim, message);
        return;
    case SIM_ASK:
    case SIM_DELEGATE:
        sim_clients_on_remote(sim, node, message);
        return;
    case SIM_POLLED:
    case SIM_RELEASED:
    case SIM_ASKED:
    case SIM_DELEGATED:
        on_answer(sim, node, message);
        return;
    case SIM_UNANSWERED:
        on_unanswered(sim, node, message);
        return;
    case SIM_HANDED:
        on_handed(sim, node, message);
        return;
    case SIM_CONFLICTED:
        sim_process_kill(sim, message->process);
        return;
    case SIM_FENCED:
        on_fenced(sim, node, message);
        return;
    case SIM_STARTED:
        on_started(sim, node, message);
        return;
    case SIM_PROCESS_DOWN:
        on_process_down(sim, node, message);
        return;
    default:
        return;
    }
}
