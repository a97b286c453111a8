#include "original.h"

#include "clients.h"
#include "native.h"
#include "network.h"
#include "processes.h"
#include "trace.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "core/placement.h"
#include "term/write.h"

#define CHATTER_NS (5 * SIM_SECOND)
#define EXPIRY_NS  (10 * SIM_SECOND)
#define LOOKUP_NS  (1 * SIM_SECOND) /* of the rpc to one node */
#define START_NS   (5 * SIM_SECOND)

/* Its alarms: the chatter, or the time-out of a caller's question. */
#define ALARM_CHATTER UINT64_MAX

/* A caller, between two questions.  The answers are known by `question`. */
struct caller {
    struct npri_link link;
    uint32_t request;
    uint32_t question; /* the one that is out; each gets another number */
    uint32_t owner;
    uint32_t asked; /* how many of `nodes` */
    uint32_t nodes_count;
    bool starts;
    uint32_t nodes[SIM_SWARM_MAX]; /* in the order in which they are asked */
};

struct sim_original {
    struct npri_link callers;
    uint32_t questions_count;
    uint64_t heard_ns[SIM_SWARM_MAX]; /* 0: never */
    uint32_t *table;                  /* by key: the process, or SIM_NOBODY */
};

void sim_original_destroy(struct sim_original *original)
{
    struct npri_link *at;

    if (original == NULL) {
        return;
    }
    while ((at = npri_list_take(&original->callers)) != NULL) {
        npri_free(NPRI_CONTAINER_OF(at, struct caller, link));
    }
    npri_free(original->table);
    npri_free(original);
}

static void alarm_after(struct sim *sim, const struct sim_node *node, uint64_t what, uint64_t ns)
{
    struct sim_message *message = sim_message(sim, SIM_ALARM, node->index, node->index);

    message->operation = what;
    sim_later(sim, message, ns);
}

void sim_original_boot(struct sim *sim, struct sim_node *node)
{
    struct sim_original *original = npri_alloc_zeroed(1, sizeof(*original));

    NPRI_ASSERT(original != NULL && sim->nodes_count <= SIM_SWARM_MAX);
    original->table = npri_alloc(sim->options.keys * sizeof(*original->table));
    NPRI_ASSERT(original->table != NULL);
    npri_list_init(&original->callers);
    for (uint32_t key = 0; key < sim->options.keys; key++) {
        original->table[key] = SIM_NOBODY;
    }
    node->original = original;
    alarm_after(sim, node, ALARM_CHATTER, 0);
}

static void announce(struct sim *sim, const struct sim_node *node, uint32_t peer)
{
    if (!sim->nodes[peer].native) {
        (void)sim_send(sim, sim_message(sim, SIM_ANNOUNCE, node->index, peer));
    }
}

void sim_original_on_connection(struct sim *sim, uint32_t node, uint32_t peer, bool up)
{
    if (up) {
        announce(sim, &sim->nodes[node], peer);
    }
}

/* Somebody pings them all, so that they are connected. */
static void chatter(struct sim *sim, const struct sim_node *node)
{
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (peer != node->index && !sim->nodes[peer].native) {
            sim_dial(sim, node->index, peer);
            announce(sim, node, peer);
        }
    }
    alarm_after(sim, node, ALARM_CHATTER, CHATTER_NS);
}

static bool is_listed(const struct sim *sim, const struct sim_node *node, uint32_t peer)
{
    const uint64_t heard_ns = node->original->heard_ns[peer];

    return peer == node->index || (heard_ns != 0 && sim->now_ns - heard_ns <= EXPIRY_NS);
}

/* ---- The server. */

static void reply(struct sim *sim, const struct sim_message *question, struct sim_message *answer)
{
    answer->operation = question->operation;
    (void)sim_send(sim, answer);
}

static void on_poll(struct sim *sim, const struct sim_node *node, const struct sim_message *message)
{
    struct sim_message *answer = sim_message(sim, SIM_POLLED, message->to, message->from);
    struct npri_buffer nodes;
    uint32_t count = 0;

    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        count += is_listed(sim, node, peer) ? 1 : 0;
    }
    npri_buffer_init(&nodes, 0);
    npri_put_list(&nodes, count);
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (is_listed(sim, node, peer)) {
            npri_put_node(&nodes, &sim->nodes[peer].name);
        }
    }
    npri_put_nil(&nodes);
    sim_message_set_bytes(answer, nodes.data, nodes.size);
    npri_buffer_fini(&nodes);
    reply(sim, message, answer);
}

static void set_process(const struct sim *sim, struct sim_message *answer, uint32_t process)
{
    uint8_t room[SIM_PID_BYTES];
    struct npr_term pid;

    answer->process = process;
    if (process == SIM_NOBODY) {
        answer->status = NPR_ENOTFOUND;
        return;
    }
    pid = sim_process_pid(sim, process, room);
    sim_message_set_bytes(answer, pid.data, pid.size);
}

/* The old entry, if there is one, is overwritten; its process lives on. */
static uint32_t start_function(struct sim *sim, struct sim_node *node, uint32_t key)
{
    const uint32_t process = sim_process_create(sim, node->index, key);

    sim->processes[process].foreign = true;
    node->original->table[key] = process;
    sim_process_on_registered(sim, process);
    return process;
}

static void on_question(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct sim_message *answer =
        sim_message(sim, (enum sim_message_kind)(message->kind + 1), message->to, message->from);

    answer->key = message->key;
    if (message->kind == SIM_ASK) {
        set_process(sim, answer, node->original->table[message->key]);
    } else if (message->kind == SIM_DELEGATE) {
        answer->started = true;
        set_process(sim, answer, start_function(sim, node, message->key));
    }
    reply(sim, message, answer);
}

/* ---- Callers. */

static void finish(struct sim *sim, struct caller *caller, npr_status status, uint32_t process)
{
    const uint32_t request = caller->request;

    npri_list_remove(&caller->link);
    npri_free(caller);
    sim_clients_on_original_answer(sim, request, status, process);
}

static bool ask(struct sim *sim,
                struct sim_node *node,
                struct caller *caller,
                uint32_t peer,
                enum sim_message_kind kind)
{
    struct sim_message *message = sim_message(sim, kind, node->index, peer);

    caller->question = ++node->original->questions_count;
    message->operation = caller->question;
    message->key = sim->requests[caller->request].key;
    message->deadline_ns = sim->now_ns + START_NS;
    if (!sim_send(sim, message)) {
        return false;
    }
    alarm_after(sim, node, caller->question, kind == SIM_ASK ? LOOKUP_NS : START_NS);
    return true;
}

static void start(struct sim *sim, struct sim_node *node, struct caller *caller)
{
    const uint32_t key = sim->requests[caller->request].key;

    if (!caller->starts) {
        finish(sim, caller, NPR_ENOTFOUND, SIM_NOBODY);
    } else if (caller->owner == node->index) {
        finish(sim, caller, NPR_OK, start_function(sim, node, key));
    } else if (!ask(sim, node, caller, caller->owner, SIM_DELEGATE)) {
        finish(sim, caller, NPR_EUNREACHABLE, SIM_NOBODY); /* exit: nodedown */
    }
}

static void go_on(struct sim *sim, struct sim_node *node, struct caller *caller)
{
    const uint32_t key = sim->requests[caller->request].key;

    while (caller->asked < caller->nodes_count) {
        const uint32_t peer = caller->nodes[caller->asked++];

        if (peer == node->index) {
            if (node->original->table[key] != SIM_NOBODY) {
                finish(sim, caller, NPR_OK, node->original->table[key]);
                return;
            }
        } else if (ask(sim, node, caller, peer, SIM_ASK)) {
            return;
        }
    }
    start(sim, node, caller);
}

uint32_t sim_original_place(uint32_t key, uint32_t nodes_count)
{
    uint8_t room[SIM_KEY_BYTES];
    uint8_t digest[16];
    struct npri_buffer encoded;

    npri_buffer_init(&encoded, 0);
    npri_term_write(sim_key_term(key, room), NPR_OTP_26, &encoded);
    sim_native_digest(encoded.data, encoded.size, digest);
    npri_buffer_fini(&encoded);
    return npri_placement_index(digest, nodes_count);
}

void sim_original_get(struct sim *sim, struct sim_node *node, uint32_t request)
{
    struct caller *caller = npri_alloc_zeroed(1, sizeof(*caller));
    uint32_t at;

    NPRI_ASSERT(caller != NULL);
    caller->request = request;
    caller->starts = sim->requests[request].kind == SIM_REQUEST_START;
    for (uint32_t peer = 0; peer < sim->nodes_count; peer++) {
        if (is_listed(sim, node, peer) &&
            (peer == node->index || sim_lane(sim, node->index, peer)->known != 0)) {
            caller->nodes[caller->nodes_count++] = peer;
        }
    }
    at = sim_original_place(sim->requests[request].key, caller->nodes_count);
    caller->owner = caller->nodes[at];
    memmove(&caller->nodes[1], &caller->nodes[0], at * sizeof(caller->nodes[0]));
    caller->nodes[0] = caller->owner;
    npri_list_append(&node->original->callers, &caller->link);
    go_on(sim, node, caller);
}

static struct caller *find_caller(const struct sim_node *node, uint64_t question)
{
    NPRI_LIST_FOREACH (at, &node->original->callers) {
        struct caller *caller = NPRI_CONTAINER_OF(at, struct caller, link);

        if (caller->question == question) {
            return caller;
        }
    }
    return NULL;
}

/* {badrpc, _} counts as "not here". */
static void on_asked(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct caller *caller = find_caller(node, message->operation);

    if (caller == NULL) {
        return;
    }
    if (message->status == NPR_OK) {
        finish(sim, caller, NPR_OK, sim_process_of(sim, sim_message_term(message)));
    } else {
        go_on(sim, node, caller);
    }
}

static void on_delegated(struct sim *sim, struct sim_node *node, const struct sim_message *message)
{
    struct caller *caller = find_caller(node, message->operation);

    if (caller != NULL && message->status == NPR_OK) {
        finish(sim, caller, NPR_OK, sim_process_of(sim, sim_message_term(message)));
    } else if (caller != NULL) {
        finish(sim, caller, message->status, SIM_NOBODY);
    }
}

static void on_alarm(struct sim *sim, struct sim_node *node, uint64_t what)
{
    struct caller *caller;

    if (what == ALARM_CHATTER) {
        chatter(sim, node);
        return;
    }
    caller = find_caller(node, what);
    if (caller == NULL) {
        return;
    }
    if (caller->asked < caller->nodes_count || !caller->starts) {
        go_on(sim, node, caller);
    } else {
        /* The last look-up, or the start itself, has timed out. */
        finish(sim, caller, NPR_ETIMEDOUT, SIM_NOBODY);
    }
}

void sim_original_handle(struct sim *sim, struct sim_node *node, struct sim_message *message)
{
    switch ((int)message->kind) {
    case SIM_ANNOUNCE:
        node->original->heard_ns[message->from] = sim->now_ns;
        return;
    case SIM_POLL:
        on_poll(sim, node, message);
        return;
    case SIM_RELEASE:
    case SIM_ASK:
    case SIM_DELEGATE:
        on_question(sim, node, message);
        return;
    case SIM_ASKED:
        on_asked(sim, node, message);
        return;
    case SIM_DELEGATED:
        on_delegated(sim, node, message);
        return;
    case SIM_PROCESS_DOWN:
        /* By key, whoever has it by now. */
        node->original->table[sim->processes[message->process].key] = SIM_NOBODY;
        return;
    case SIM_ALARM:
        on_alarm(sim, node, message->operation);
        return;
    default:
        return; /* What it does not know it ignores. */
    }
}
