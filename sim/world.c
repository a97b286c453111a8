#include "world.h"

#include "checks.h"
#include "clients.h"
#include "native.h"
#include "network.h"
#include "original.h"
#include "plan.h"
#include "processes.h"
#include "touch.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* ---- Names. */

struct npr_node_name sim_name_of(uint32_t node)
{
    struct npr_node_name name;

    if (node < 26) {
        name.size = 3;
        memcpy(name.text, "a@h", 3);
        name.text[0] = (char)('a' + node);
    } else { /* Behind z, and in order. */
        name.size = (uint8_t)snprintf(name.text, sizeof(name.text), "zz%05u@h", node);
    }
    return name;
}

uint32_t sim_node_of(const struct npr_node_name *name)
{
    uint32_t node = 0;

    if (name->size == 3) {
        return (uint32_t)(name->text[0] - 'a');
    }
    for (unsigned i = 2; i < 7; i++) {
        node = node * 10 + (uint32_t)(name->text[i] - '0');
    }
    return node;
}

/* ---- Making. */

static bool allocate(struct sim *sim)
{
    const size_t nodes = sim->nodes_count;

    sim->nodes = npri_alloc_zeroed(nodes, sizeof(*sim->nodes));
    sim->lanes = npri_alloc_zeroed(nodes * nodes, sizeof(*sim->lanes));
    sim->pairs = npri_alloc_zeroed(nodes * nodes, sizeof(*sim->pairs));
    sim->keys = npri_alloc_zeroed(sim->options.keys, sizeof(*sim->keys));
    return sim->nodes != NULL && sim->lanes != NULL && sim->pairs != NULL && sim->keys != NULL;
}

struct sim *sim_create(const struct sim_options *options)
{
    struct sim *sim = npri_alloc_zeroed(1, sizeof(*sim));

    if (sim == NULL) {
        return NULL;
    }
    sim->options = *options;
    sim->random.state = options->seed;
    sim->now_ns = SIM_SECOND;
    sim->nodes_count = options->natives + options->originals;
    npri_list_init(&sim->spare);
    if (!allocate(sim)) {
        sim_destroy(sim);
        return NULL;
    }
    for (uint32_t i = 0; i < sim->nodes_count; i++) {
        sim->nodes[i].index = i;
        sim->nodes[i].name = sim_name_of(i);
        sim->nodes[i].native = i < options->natives;
        npri_list_init(&sim->nodes[i].waiting);
        for (uint32_t j = 0; j < sim->nodes_count; j++) {
            npri_list_init(&sim_lane(sim, i, j)->stalled);
            sim->pairs[(size_t)i * sim->nodes_count + j].changed_ns = UINT64_MAX;
        }
    }
    return sim;
}

static void free_message(struct sim_message *message)
{
    if (message->bytes != message->room) {
        npri_free(message->bytes);
    }
    npri_free(message);
}

static void free_list(struct npri_link *list)
{
    struct npri_link *at;

    while (list->next != NULL && (at = npri_list_take(list)) != NULL) {
        free_message(NPRI_CONTAINER_OF(at, struct sim_message, link));
    }
}

void sim_destroy(struct sim *sim)
{
    struct npri_heap_node *first;

    if (sim == NULL) {
        return;
    }
    while ((first = npri_heap_first(&sim->messages)) != NULL) {
        npri_heap_remove(&sim->messages, first);
        free_message(NPRI_CONTAINER_OF(first, struct sim_message, due));
    }
    for (uint32_t i = 0; sim->nodes != NULL && i < sim->nodes_count; i++) {
        npri_core_destroy(sim->nodes[i].core);
        sim_original_destroy(sim->nodes[i].original);
        free_list(&sim->nodes[i].waiting);
    }
    for (size_t i = 0; sim->lanes != NULL && i < (size_t)sim->nodes_count * sim->nodes_count; i++) {
        free_list(&sim->lanes[i].stalled);
    }
    free_list(&sim->spare);
    npri_free(sim->nodes);
    npri_free(sim->lanes);
    npri_free(sim->pairs);
    npri_free(sim->keys);
    npri_free(sim->processes);
    npri_free(sim->requests);
    npri_free(sim->open);
    npri_free(sim);
}

/* ---- Messages. */

struct sim_message *sim_message(struct sim *sim,
                                enum sim_message_kind kind,
                                uint32_t from,
                                uint32_t to)
{
    struct npri_link *at = npri_list_take(&sim->spare);
    struct sim_message *message =
        at == NULL ? npri_alloc(sizeof(*message)) : NPRI_CONTAINER_OF(at, struct sim_message, link);

    NPRI_ASSERT(message != NULL);
    memset(message, 0, offsetof(struct sim_message, room));
    message->kind = kind;
    message->from = from;
    message->to = to;
    message->key = SIM_NOBODY;
    message->process = SIM_NOBODY;
    message->bytes = message->room;
    return message;
}

void sim_message_set_bytes(struct sim_message *message, const void *bytes, size_t size)
{
    if (size > sizeof(message->room)) {
        message->bytes = npri_alloc(size);
        NPRI_ASSERT(message->bytes != NULL);
    }
    if (size > 0) {
        memcpy(message->bytes, bytes, size);
    }
    message->size = size;
}

void sim_message_drop(struct sim *sim, struct sim_message *message)
{
    if (message->bytes != message->room) {
        npri_free(message->bytes);
        message->bytes = message->room;
    }
    npri_list_append(&sim->spare, &message->link);
}

void sim_later(struct sim *sim, struct sim_message *message, uint64_t after_ns)
{
    message->connection = sim->nodes[message->to].creation;
    npri_heap_insert(&sim->messages, &message->due, sim->now_ns + after_ns);
}

void sim_later_world(struct sim *sim,
                     enum sim_message_kind kind,
                     uint64_t operation,
                     uint64_t after_ns)
{
    struct sim_message *message = sim_message(sim, kind, 0, 0);

    message->operation = operation;
    npri_heap_insert(&sim->messages, &message->due, sim->now_ns + after_ns);
}

/* ---- Nodes. */

void sim_rearm(struct sim *sim, struct sim_node *node)
{
    const uint64_t deadline_ns =
        node->core == NULL || node->paused ? UINT64_MAX : npri_core_deadline_ns(node->core);

    if (npri_heap_has(&node->timer)) {
        if (node->timer.key == deadline_ns) {
            return;
        }
        npri_heap_remove(&sim->timers, &node->timer);
    }
    if (deadline_ns != UINT64_MAX) {
        npri_heap_insert(&sim->timers, &node->timer, deadline_ns);
    }
}

void sim_boot(struct sim *sim, uint32_t index)
{
    struct sim_node *node = &sim->nodes[index];

    NPRI_ASSERT(!node->alive);
    node->alive = true;
    node->booted = true;
    node->paused = false;
    node->leaving = false;
    node->drained = false;
    node->agreed = false;
    node->stalled = false;
    node->alone_ns = 0;
    node->epoch = 0;
    node->creation++;
    node->boot_ns = sim->now_ns;
    SIM_TRACE(sim, index, "boots, creation %u", node->creation);
    sim_touch_on_change_of(sim, index);
    if (node->native) {
        sim_native_boot(sim, node);
    } else {
        sim_original_boot(sim, node);
    }
}

/* Whether anybody else has been in a view with it, and knows its tokens. */
static bool is_survived(const struct sim *sim, uint32_t index)
{
    for (uint32_t peer = 0; peer < sim->options.natives; peer++) {
        const struct sim_node *node = &sim->nodes[peer];

        if (peer != index && node->alive && node->epoch != 0 && (node->view >> index & 1) != 0) {
            return true;
        }
    }
    return false;
}

void sim_kill(struct sim *sim, uint32_t index, bool power)
{
    struct sim_node *node = &sim->nodes[index];

    NPRI_ASSERT(node->alive && !node->stepped);
    SIM_TRACE(sim, index, "%s", power ? "loses its power" : "is killed");
    if (node->native && sim->nodes_count <= SIM_SWARM_MAX && !is_survived(sim, index)) {
        sim->break_ns = sim->now_ns;
    }
    sim_network_on_end(sim, index, power);
    node->alive = false;
    node->paused = false;
    node->died_ns = sim->now_ns;
    npri_core_destroy(node->core);
    node->core = NULL;
    sim_original_destroy(node->original);
    node->original = NULL;
    sim_rearm(sim, node);
    free_list(&node->waiting);
    npri_list_init(&node->waiting);
    sim_touch_on_change_of(sim, index);
    sim_processes_on_node_end(sim, index);
    sim_clients_on_node_end(sim, index);
}

void sim_pause(struct sim *sim, uint32_t index)
{
    struct sim_node *node = &sim->nodes[index];

    node->paused = true;
    node->counted_on = node->native && node->agreed &&
                       (node->view & ((UINT32_C(1) << sim->options.natives) - 1)) != UINT32_C(1)
                                                                                         << index;
    node->paused_ns = sim->now_ns;
    SIM_TRACE(sim, index, "is paused");
    sim_rearm(sim, node);
    sim_touch_on_change_of(sim, index);
}

static void handle(struct sim *sim, struct sim_message *message);

/* Others may have taken it for lost: checks.h, stall. */
static void note_stall(struct sim *sim, struct sim_node *node)
{
    node->woken_ns = sim->now_ns;
    node->stalled =
        node->counted_on &&
        sim->now_ns - node->paused_ns >= sim->options.node_timeout_ns + sim->options.heartbeat_ns;
}

/* Timers first, or what has come first: both happen. */
void sim_resume(struct sim *sim, uint32_t index)
{
    struct sim_node *node = &sim->nodes[index];
    const bool reads_first = sim_random_chance(&sim->random, 50);
    const uint32_t creation = node->creation;
    struct npri_link came;
    struct npri_link *at;

    node->paused = false;
    note_stall(sim, node);
    SIM_TRACE(sim, index, "goes on after %u ms",
              (unsigned)((sim->now_ns - node->paused_ns) / SIM_MS));
    sim_clients_on_resume(sim, index);
    sim_touch_on_change_of(sim, index);
    if (!reads_first && node->native) {
        sim_native_on_time(sim, node);
    }
    npri_list_init(&came);
    npri_list_splice(&came, &node->waiting);
    while ((at = npri_list_take(&came)) != NULL) {
        struct sim_message *message = NPRI_CONTAINER_OF(at, struct sim_message, link);

        if (node->alive && node->creation == creation && !sim->failed) {
            handle(sim, message);
        } else {
            sim_message_drop(sim, message);
        }
    }
    sim_rearm(sim, node);
}

/* ---- The loop. */

static bool is_of_network(enum sim_message_kind kind)
{
    return kind < SIM_DIAL_FAILED;
}

static void handle_admitted(struct sim *sim, struct sim_message *message)
{
    struct sim_node *node = &sim->nodes[message->to];

    if (message->kind == SIM_DIAL || message->kind == SIM_UP || message->kind == SIM_DOWN ||
        message->kind == SIM_DIAL_FAILED) {
        sim_network_handle(sim, message);
    } else if (node->native) {
        sim_native_handle(sim, node, message);
    } else {
        sim_original_handle(sim, node, message);
    }
}

/* Of a node that is not paused. */
static void handle(struct sim *sim, struct sim_message *message)
{
    const struct sim_node *node = &sim->nodes[message->to];
    const bool admitted = is_of_network(message->kind)
                              ? sim_network_admits(sim, message)
                              : node->alive && node->creation == message->connection;

    if (admitted) {
        sim_mix(sim, (uint64_t)message->kind << 40 | (uint64_t)message->from << 20 | message->to);
        sim_mix(sim, sim->now_ns);
        handle_admitted(sim, message);
    }
    sim_message_drop(sim, message);
}

static void on_message(struct sim *sim, struct sim_message *message)
{
    struct sim_node *node = &sim->nodes[message->to];

    if (message->kind >= SIM_ACT) {
        sim_mix(sim, (uint64_t)message->kind << 40 | message->operation);
        sim_plan_handle(sim, message->kind, message->operation);
        sim_message_drop(sim, message);
    } else if (is_of_network(message->kind) && sim_lane(sim, message->from, message->to)->cut) {
        npri_list_append(&sim_lane(sim, message->from, message->to)->stalled, &message->link);
    } else if (node->alive && node->paused) {
        npri_list_append(&node->waiting, &message->link);
    } else {
        handle(sim, message);
    }
}

void sim_pass(struct sim *sim, uint64_t end_ns)
{
    while (!sim->failed) {
        struct npri_heap_node *message = npri_heap_first(&sim->messages);
        struct npri_heap_node *timer = npri_heap_first(&sim->timers);
        const uint64_t message_ns = message == NULL ? UINT64_MAX : message->key;
        const uint64_t timer_ns = timer == NULL ? UINT64_MAX : timer->key;
        const uint64_t next_ns = message_ns < timer_ns ? message_ns : timer_ns;

        if (next_ns > end_ns) {
            break;
        }
        sim->now_ns = next_ns > sim->now_ns ? next_ns : sim->now_ns;
        sim->counts.events++;
        if (message == NULL || timer_ns < message_ns) {
            sim_native_on_time(sim, NPRI_CONTAINER_OF(timer, struct sim_node, timer));
        } else {
            npri_heap_remove(&sim->messages, message);
            on_message(sim, NPRI_CONTAINER_OF(message, struct sim_message, due));
        }
    }
    if (!sim->failed && end_ns > sim->now_ns) {
        sim->now_ns = end_ns;
    }
}
