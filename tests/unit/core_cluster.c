#include "core_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/heap.h"
#include "base/list.h"
#include "support/check.h"
#include "term/write.h"

#define TERM_BYTES 1024

enum message_kind {
    MESSAGE_UP,      /* the connection is there */
    MESSAGE_DOWN,    /* ... or was lost, or could not be made */
    MESSAGE_DIAL,    /* an attempt ends */
    MESSAGE_EVENT,   /* for the receiver's core, or an original's server */
    MESSAGE_REQUEST, /* for the receiver, which sends `reply` back */
    MESSAGE_STARTED, /* a process has been started on this node */
    MESSAGE_PROCESS_DOWN,
    MESSAGE_FENCED,
};

struct message {
    struct npri_heap_node due;
    struct npri_link waiting; /* for a paused node to go on */
    enum message_kind kind;
    unsigned from;
    unsigned to;
    unsigned epoch; /* of the connection, or of the receiver for what is local */
    enum npri_effect_kind asked;
    struct npri_core_event event; /* terms point into `bytes` */
    int process;
    size_t term_size;
    uint8_t bytes[TERM_BYTES];
};

struct node {
    bool native;
    bool alive;
    bool paused;
    uint32_t creation;
    struct npri_core *core;
    struct npri_link waiting;             /* what came while it was paused */
    uint64_t heard_ns[CLUSTER_NODES_MAX]; /* an original's list of nodes */
    int table[CLUSTER_KEYS_MAX];          /* an original's entries; -1: none */
};

struct link {
    bool up;
    bool dialling;
    unsigned epoch;
    uint64_t last_ns; /* nothing overtakes on one connection */
};

/* A START, or a lookup that has to wait, that came from another node: where its answer goes. */
struct remote {
    enum npri_event_kind kind; /* DELEGATED or ASKED */
    unsigned from;
    unsigned epoch;
    uint64_t operation;
};

struct cluster {
    struct cluster_options options;
    uint64_t random;
    uint64_t now_ns;
    uint64_t digest;
    struct npri_heap messages;
    struct node nodes[CLUSTER_NODES_MAX];
    struct link links[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
    struct cluster_process processes[CLUSTER_PROCESSES_MAX];
    int processes_count;
    struct cluster_request requests[CLUSTER_REQUESTS_MAX];
    struct remote remotes[CLUSTER_REQUESTS_MAX]; /* by request; meaningful for those of nobody */
    unsigned requests_count;
};

#define NOBODY CLUSTER_NODES_MAX /* the `node` of a request that another node made */

/* ---- Chance, names, terms. */

uint64_t cluster_random(struct cluster *cluster, uint64_t bound)
{
    uint64_t word = cluster->random += UINT64_C(0x9e3779b97f4a7c15);

    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return (word ^ word >> 31) % bound;
}

static void digest_add(struct cluster *cluster, uint64_t value)
{
    cluster->digest = (cluster->digest ^ value) * UINT64_C(0x100000001b3);
    cluster->digest ^= cluster->digest >> 31;
}

static void spread_md5(const void *data, size_t size, uint8_t out[16])
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

static struct npr_node_name name_of(unsigned node)
{
    struct npr_node_name name = {.size = 3, .text = {'a', '@', 'h'}};

    name.text[0] = (char)('a' + node);
    return name;
}

static unsigned node_of(const struct npr_node_name *name)
{
    return (unsigned)(name->text[0] - 'a');
}

static unsigned nodes_count(const struct cluster *cluster)
{
    return cluster->options.natives + cluster->options.originals;
}

/* A buffer over TERM_BYTES of the caller's memory. */
static struct npri_buffer buffer_of(uint8_t *bytes)
{
    struct npri_buffer buffer = {.capacity = TERM_BYTES, .size_max = TERM_BYTES};

    buffer.data = bytes;
    return buffer;
}

static struct npr_term write_key(unsigned key, uint8_t *bytes)
{
    struct npri_buffer buffer = buffer_of(bytes);

    npri_put_int(&buffer, key);
    return (struct npr_term){.data = buffer.data, .size = buffer.size};
}

static unsigned read_key(struct npr_term term)
{
    int64_t key = -1;

    assert_true(npr_term_get_int64(term, &key));
    return (unsigned)key;
}

static struct npr_term write_pid(const struct cluster *cluster, int process, uint8_t *bytes)
{
    struct npri_buffer buffer = buffer_of(bytes);
    const struct npr_pid pid = {.node = name_of(cluster->processes[process].node),
                                .id = (uint32_t)process + 1,
                                .creation = cluster->processes[process].creation};

    npri_put_pid(&buffer, &pid);
    return (struct npr_term){.data = buffer.data, .size = buffer.size};
}

static int read_pid(struct npr_term term)
{
    struct npr_pid pid;

    return npr_term_get_pid(term, &pid) ? (int)pid.id - 1 : -1;
}

/* ---- Messages. */

static struct message *new_message(enum message_kind kind, unsigned from, unsigned to)
{
    struct message *message = calloc(1, sizeof(*message));

    assert_non_null(message);
    message->kind = kind;
    message->from = from;
    message->to = to;
    message->process = -1;
    return message;
}

static uint64_t delay(struct cluster *cluster)
{
    return 100000 + cluster_random(cluster, cluster->options.delay_ns_max);
}

static void send_local(struct cluster *cluster, struct message *message, uint64_t after_ns)
{
    message->epoch = cluster->nodes[message->to].creation;
    npri_heap_insert(&cluster->messages, &message->due, cluster->now_ns + after_ns);
}

/* Over the connection; dropped when there is none. */
static void send(struct cluster *cluster, struct message *message)
{
    struct link *link = &cluster->links[message->from][message->to];
    uint64_t due_ns = cluster->now_ns + delay(cluster);

    if (!link->up) {
        free(message);
        return;
    }
    due_ns = due_ns > link->last_ns ? due_ns : link->last_ns;
    link->last_ns = due_ns;
    message->epoch = link->epoch;
    npri_heap_insert(&cluster->messages, &message->due, due_ns);
}

static void set_term(struct message *message, struct npr_term term)
{
    assert_true(term.size <= TERM_BYTES);
    if (term.data != message->bytes && term.size > 0) {
        memcpy(message->bytes, term.data, term.size);
    }
    message->event.term = (struct npr_term){.data = message->bytes, .size = term.size};
}

/* ---- Processes. */

static void kill_process(struct cluster *cluster, int index)
{
    struct cluster_process *process = &cluster->processes[index];

    if (!process->alive) {
        return;
    }
    process->alive = false;
    for (unsigned node = 0; node < nodes_count(cluster); node++) {
        struct message *message;

        if (!cluster->nodes[node].alive) {
            continue;
        }
        message = new_message(MESSAGE_PROCESS_DOWN, process->node, node);
        message->process = index;
        send_local(cluster, message, delay(cluster));
    }
}

void cluster_kill_process(struct cluster *cluster, int process)
{
    kill_process(cluster, process);
}

static int new_process(struct cluster *cluster, unsigned node, unsigned key)
{
    const int index = cluster->processes_count++;

    assert_true(index < CLUSTER_PROCESSES_MAX);
    cluster->processes[index] = (struct cluster_process){
        .node = node, .key = key, .creation = cluster->nodes[node].creation, .alive = true};
    return index;
}

/* ---- Effects. */

static void step(struct cluster *cluster, unsigned node, struct npri_core_event event);
static void disconnect_pair(struct cluster *cluster, unsigned dead, unsigned peer);

static void on_answer(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    const unsigned index = (unsigned)effect->request - 1;
    struct cluster_request *request = &cluster->requests[index];
    struct message *message;

    assert_true(effect->request > 0 && index < cluster->requests_count);
    request->answers_count++;
    assert_int_equal(request->answers_count, 1);
    request->status = effect->status;
    request->process = effect->status == NPR_OK ? read_pid(effect->term) : -1;
    request->started = effect->started;
    request->answered_ns = cluster->now_ns;
    digest_add(cluster, effect->request << 8 | (uint64_t)(effect->status & 0xff));
    digest_add(cluster, (uint64_t)request->process);
    if (effect->status != NPR_OK) {
        assert_true(effect->text.size > 0); /* every failure says why */
    }
    if (request->node != NOBODY) {
        return;
    }
    message = new_message(MESSAGE_EVENT, node, cluster->remotes[index].from);
    message->event.kind = cluster->remotes[index].kind;
    message->event.operation = cluster->remotes[index].operation;
    message->event.status = effect->status;
    message->event.started = effect->started;
    message->event.final = effect->final;
    message->event.moved = effect->moved;
    message->event.token = effect->token;
    set_term(message, effect->term);
    send(cluster, message);
}

static void on_connect(struct cluster *cluster, unsigned node, unsigned peer)
{
    struct message *message;

    if (peer >= nodes_count(cluster)) {
        return;
    }
    cluster->links[node][peer].dialling = true;
    message = new_message(MESSAGE_DIAL, peer, node);
    send_local(cluster, message, 2 * delay(cluster));
}

static void on_start(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    struct message *message = new_message(MESSAGE_STARTED, node, node);

    message->event.kind = NPRI_EVENT_STARTED;
    message->event.operation = effect->operation;
    if (cluster->options.restarts) {
        message->event.rule =
            (struct npri_restart_rule){.kind = NPRI_RESTART_PERMANENT, .max = 1000, .window_ns = 1};
    }
    message->process = (int)read_key(effect->key); /* its key, until it is started */
    send_local(cluster, message, delay(cluster));
}

static void on_monitor(struct cluster *cluster, unsigned node, int process)
{
    struct message *message;

    assert_true(process >= 0);
    if (!cluster->processes[process].alive) {
        message = new_message(MESSAGE_PROCESS_DOWN, node, node);
        message->process = process;
        send_local(cluster, message, delay(cluster));
    }
}

/* What another node is asked or told. */
static void on_remote(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    const unsigned peer = node_of(&effect->node);
    struct message *message = new_message(MESSAGE_REQUEST, node, peer);

    message->asked = effect->kind;
    message->event.operation = effect->operation;
    message->event.deadline_ns = effect->deadline_ns;
    message->event.greeting = effect->greeting;
    set_term(message, effect->key);
    send(cluster, message);
}

static void on_tell(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    struct message *message = new_message(MESSAGE_EVENT, node, node_of(&effect->node));

    message->event.kind = NPRI_EVENT_TOLD;
    message->event.node = name_of(node);
    message->event.creation = cluster->nodes[node].creation;
    set_term(message, effect->term);
    send(cluster, message);
}

/* The threads of a program take a moment. */
static void on_fence(struct cluster *cluster, unsigned node, uint64_t operation)
{
    struct message *message = new_message(MESSAGE_FENCED, node, node);

    message->event.kind = NPRI_EVENT_FENCED;
    message->event.operation = operation;
    send_local(cluster, message, cluster_random(cluster, 1 * MS));
}

static void carry_out(struct cluster *cluster, unsigned node, const struct npri_core_effect *effect)
{
    digest_add(cluster, cluster->now_ns);
    digest_add(cluster, (uint64_t)effect->kind << 32 | effect->operation << 8 | node);
    switch (effect->kind) {
    case NPRI_EFFECT_CONNECT:
        on_connect(cluster, node, node_of(&effect->node));
        return;
    case NPRI_EFFECT_GREET:
    case NPRI_EFFECT_ANNOUNCE:
    case NPRI_EFFECT_POLL:
    case NPRI_EFFECT_ASK_RELEASE:
    case NPRI_EFFECT_ASK:
    case NPRI_EFFECT_DELEGATE:
        on_remote(cluster, node, effect);
        return;
    case NPRI_EFFECT_START:
        on_start(cluster, node, effect);
        return;
    case NPRI_EFFECT_DISCARD:
        cluster->processes[read_pid(effect->term)].discarded = true;
        kill_process(cluster, read_pid(effect->term));
        return;
    case NPRI_EFFECT_CONFLICT:
        kill_process(cluster, read_pid(effect->term));
        return;
    case NPRI_EFFECT_MONITOR:
        on_monitor(cluster, node, read_pid(effect->term));
        return;
    case NPRI_EFFECT_ANSWER:
        on_answer(cluster, node, effect);
        return;
    case NPRI_EFFECT_TELL:
        on_tell(cluster, node, effect);
        return;
    case NPRI_EFFECT_DISCONNECT:
        disconnect_pair(cluster, node, node_of(&effect->node));
        return;
    case NPRI_EFFECT_FENCE:
        on_fence(cluster, node, effect->operation);
        return;
    case NPRI_EFFECT_DEMONITOR:
    case NPRI_EFFECT_HANDOVER: /* nobody drains a node here: sim/ */
    case NPRI_EFFECT_MOVED:
    case NPRI_EFFECT_LOG:
    case NPRI_EFFECT_NEWS:
    case NPRI_EFFECT_QUORUM:
        return;
    }
}

static void step(struct cluster *cluster, unsigned node, struct npri_core_event event)
{
    struct npri_core *core = cluster->nodes[node].core;
    struct npri_core_effect effect;

    event.now_ns = cluster->now_ns;
    assert_int_equal(npri_core_step(core, &event), NPR_OK);
    npri_core_check(core);
    while (npri_core_take(core, &effect)) {
        carry_out(cluster, node, &effect);
    }
}

/* ---- Answering others. */

static void put_original_nodes(const struct cluster *cluster, unsigned node, struct message *reply)
{
    struct npri_buffer buffer = {
        .data = reply->bytes, .capacity = TERM_BYTES, .size_max = TERM_BYTES};
    uint32_t count = 0;

    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            npri_put_list(&buffer, count);
        }
        for (unsigned peer = 0; peer < nodes_count(cluster); peer++) {
            const struct npr_node_name name = name_of(peer);
            const struct node *there = &cluster->nodes[peer];
            const uint64_t heard_ns =
                there->native ? cluster->nodes[node].heard_ns[peer] : cluster->now_ns;

            /* Originals know each other: somebody has connected them. */
            if ((!there->native && !there->alive) || heard_ns == 0 ||
                cluster->now_ns - heard_ns > 10000 * MS) {
                continue;
            }
            count += pass == 0 ? 1 : 0;
            if (pass == 1) {
                npri_put_node(&buffer, &name);
            }
        }
    }
    npri_put_nil(&buffer);
    set_term(reply, (struct npr_term){.data = reply->bytes, .size = buffer.size});
}

static void put_nodes(const struct cluster *cluster, unsigned node, struct message *reply)
{
    struct npri_buffer buffer = {
        .data = reply->bytes, .capacity = TERM_BYTES, .size_max = TERM_BYTES};

    if (!cluster->nodes[node].native) {
        put_original_nodes(cluster, node, reply);
        return;
    }
    npri_core_put_nodes(cluster->nodes[node].core, &buffer);
    set_term(reply, (struct npr_term){.data = reply->bytes, .size = buffer.size});
}

static void put_entry(const struct cluster *cluster,
                      unsigned node,
                      struct npr_term key,
                      struct message *reply)
{
    const int process = cluster->nodes[node].table[read_key(key)];

    if (process >= 0) {
        set_term(reply, write_pid(cluster, process, reply->bytes));
    } else {
        reply->event.status = NPR_ENOTFOUND;
    }
}

/* What another node wants, as a request of the core: its answer goes back to it. */
static void want_for(struct cluster *cluster,
                     const struct message *message,
                     enum npri_event_kind answer,
                     struct npri_core_event event)
{
    const unsigned index = cluster->requests_count++;

    assert_true(index < CLUSTER_REQUESTS_MAX);
    cluster->requests[index] = (struct cluster_request){.node = NOBODY,
                                                        .key = read_key(message->event.term),
                                                        .process = -1,
                                                        .asked_ns = cluster->now_ns};
    cluster->remotes[index] = (struct remote){.kind = answer,
                                              .from = message->from,
                                              .epoch = message->epoch,
                                              .operation = message->event.operation};
    event.request = index + 1;
    event.key = message->event.term;
    step(cluster, message->to, event);
}

/* start_function: a native node looks again, an original one starts. */
static void start_for(struct cluster *cluster, const struct message *message, struct message *reply)
{
    struct node *here = &cluster->nodes[message->to];
    const unsigned key = read_key(message->event.term);

    if (!here->native) {
        here->table[key] = new_process(cluster, message->to, key);
        set_term(reply, write_pid(cluster, here->table[key], reply->bytes));
        reply->event.started = true;
        send(cluster, reply);
        return;
    }
    free(reply);
    want_for(cluster, message, NPRI_EVENT_DELEGATED,
             (struct npri_core_event){.kind = NPRI_EVENT_START,
                                      .node = name_of(message->from),
                                      .function = message->event.term,
                                      .deadline_ns = message->event.deadline_ns});
}

/* A lookup. */
static void look_for(struct cluster *cluster, const struct message *message, struct message *reply)
{
    const struct node *here = &cluster->nodes[message->to];

    if (here->native) {
        free(reply);
        want_for(cluster, message, NPRI_EVENT_ASKED,
                 (struct npri_core_event){.kind = NPRI_EVENT_GET,
                                          .own_only = true,
                                          .node = name_of(message->from),
                                          .deadline_ns = cluster->now_ns + 5000 * MS});
        return;
    }
    put_entry(cluster, message->to, message->event.term, reply);
    send(cluster, reply);
}

static void on_announced(struct cluster *cluster, unsigned node, unsigned from)
{
    if (cluster->nodes[node].native) {
        step(cluster, node,
             (struct npri_core_event){.kind = NPRI_EVENT_ANNOUNCED, .node = name_of(from)});
    } else {
        cluster->nodes[node].heard_ns[from] = cluster->now_ns;
    }
}

static void on_request(struct cluster *cluster, const struct message *message)
{
    struct message *reply = new_message(MESSAGE_EVENT, message->to, message->from);

    reply->event.operation = message->event.operation;
    switch ((int)message->asked) {
    case NPRI_EFFECT_ANNOUNCE:
        on_announced(cluster, message->to, message->from);
        break;
    case NPRI_EFFECT_GREET:
        if (cluster->nodes[message->to].native) {
            step(cluster, message->to,
                 (struct npri_core_event){.kind = NPRI_EVENT_GREETED,
                                          .node = name_of(message->from),
                                          .greeting = message->event.greeting});
        }
        break;
    case NPRI_EFFECT_POLL:
        reply->event.kind = NPRI_EVENT_POLLED;
        put_nodes(cluster, message->to, reply);
        send(cluster, reply);
        return;
    case NPRI_EFFECT_ASK_RELEASE:
        reply->event.kind = NPRI_EVENT_RELEASE_TOLD;
        reply->event.status = cluster->nodes[message->to].native ? NPR_ENOTFOUND : NPR_OK;
        send(cluster, reply);
        return;
    case NPRI_EFFECT_ASK:
        reply->event.kind = NPRI_EVENT_ASKED;
        look_for(cluster, message, reply);
        return;
    default:
        reply->event.kind = NPRI_EVENT_DELEGATED;
        start_for(cluster, message, reply);
        return;
    }
    free(reply);
}

/* ---- Connections. */

static void tell_link(struct cluster *cluster, unsigned node, unsigned peer, bool up)
{
    if (cluster->nodes[node].native) {
        step(cluster, node,
             (struct npri_core_event){.kind = up ? NPRI_EVENT_CONNECTED : NPRI_EVENT_DISCONNECTED,
                                      .node = name_of(peer),
                                      .creation = cluster->nodes[peer].creation,
                                      .text = npr_bytes_of("closed")});
    }
}

static void connect_pair(struct cluster *cluster, unsigned a, unsigned b)
{
    for (int side = 0; side < 2; side++) {
        struct link *link = side == 0 ? &cluster->links[a][b] : &cluster->links[b][a];

        link->up = true;
        link->epoch++;
        link->last_ns = link->last_ns > cluster->now_ns ? link->last_ns : cluster->now_ns;
    }
    send(cluster, new_message(MESSAGE_UP, a, b));
    send(cluster, new_message(MESSAGE_UP, b, a));
}

static void on_dialled(struct cluster *cluster, unsigned node, unsigned peer)
{
    cluster->links[node][peer].dialling = false;
    if (cluster->links[node][peer].up) {
        return;
    }
    if (cluster->nodes[peer].alive) {
        connect_pair(cluster, node, peer);
    } else {
        tell_link(cluster, node, peer, false);
    }
}

/* A later connection is heard of after the end of this one. */
static void disconnect_pair(struct cluster *cluster, unsigned dead, unsigned peer)
{
    struct link *link = &cluster->links[dead][peer];
    uint64_t due_ns = cluster->now_ns + delay(cluster);

    if (!link->up) {
        return;
    }
    link->up = false;
    cluster->links[peer][dead].up = false;
    due_ns = due_ns > link->last_ns ? due_ns : link->last_ns;
    link->last_ns = due_ns;
    if (cluster->nodes[peer].alive) {
        send_local(cluster, new_message(MESSAGE_DOWN, dead, peer), due_ns - cluster->now_ns);
    }
}

/* ---- The loop. */

static bool is_stale(const struct cluster *cluster, const struct message *message)
{
    const struct node *to = &cluster->nodes[message->to];

    if (!to->alive) {
        return true;
    }
    switch (message->kind) {
    case MESSAGE_UP:
    case MESSAGE_EVENT:
    case MESSAGE_REQUEST:
        return !cluster->links[message->from][message->to].up ||
               cluster->links[message->from][message->to].epoch != message->epoch;
    case MESSAGE_DOWN:
    case MESSAGE_DIAL:
    case MESSAGE_STARTED:
    case MESSAGE_PROCESS_DOWN:
    case MESSAGE_FENCED:
        return to->creation != message->epoch;
    }
    return false;
}

static void on_process_down(struct cluster *cluster, const struct message *message)
{
    struct node *here = &cluster->nodes[message->to];
    uint8_t bytes[TERM_BYTES];

    if (here->native) {
        step(cluster, message->to,
             (struct npri_core_event){.kind = NPRI_EVENT_PROCESS_DOWN,
                                      .term = write_pid(cluster, message->process, bytes)});
        return;
    }
    for (unsigned key = 0; key < CLUSTER_KEYS_MAX; key++) {
        if (here->table[key] == message->process) {
            here->table[key] = -1;
        }
    }
}

static void deliver(struct cluster *cluster, struct message *message)
{
    digest_add(cluster, (uint64_t)message->kind << 16 | message->from << 8 | message->to);
    switch (message->kind) {
    case MESSAGE_UP:
        tell_link(cluster, message->to, message->from, true);
        return;
    case MESSAGE_DOWN:
        tell_link(cluster, message->to, message->from, false);
        return;
    case MESSAGE_DIAL:
        on_dialled(cluster, message->to, message->from);
        return;
    case MESSAGE_EVENT:
    case MESSAGE_FENCED:
        if (cluster->nodes[message->to].native) {
            step(cluster, message->to, message->event);
        }
        return;
    case MESSAGE_REQUEST:
        on_request(cluster, message);
        return;
    case MESSAGE_STARTED:
        set_term(message,
                 write_pid(cluster, new_process(cluster, message->to, (unsigned)message->process),
                           message->bytes));
        step(cluster, message->to, message->event);
        return;
    case MESSAGE_PROCESS_DOWN:
        on_process_down(cluster, message);
        return;
    }
}

/* The native node whose core is due first, or NOBODY. */
static unsigned first_due(const struct cluster *cluster, uint64_t *out_due_ns)
{
    unsigned first = NOBODY;

    *out_due_ns = UINT64_MAX;
    for (unsigned node = 0; node < nodes_count(cluster); node++) {
        const struct node *at = &cluster->nodes[node];

        if (at->core != NULL && !at->paused && npri_core_deadline_ns(at->core) < *out_due_ns) {
            *out_due_ns = npri_core_deadline_ns(at->core);
            first = node;
        }
    }
    return first;
}

static void handle(struct cluster *cluster, struct message *message)
{
    if (cluster->nodes[message->to].paused) {
        npri_list_append(&cluster->nodes[message->to].waiting, &message->waiting);
        return;
    }
    if (!is_stale(cluster, message)) {
        deliver(cluster, message);
    }
    free(message);
}

void cluster_pass(struct cluster *cluster, uint64_t ns)
{
    const uint64_t end_ns = cluster->now_ns + ns;

    for (;;) {
        struct npri_heap_node *first = npri_heap_first(&cluster->messages);
        const uint64_t message_ns = first == NULL ? UINT64_MAX : first->key;
        uint64_t core_ns;
        const unsigned node = first_due(cluster, &core_ns);
        const uint64_t next_ns = core_ns < message_ns ? core_ns : message_ns;

        if (next_ns > end_ns) {
            break;
        }
        cluster->now_ns = next_ns > cluster->now_ns ? next_ns : cluster->now_ns;
        if (first == NULL || core_ns < message_ns) {
            step(cluster, node, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
        } else {
            npri_heap_remove(&cluster->messages, first);
            handle(cluster, NPRI_CONTAINER_OF(first, struct message, due));
        }
    }
    cluster->now_ns = end_ns;
}

struct cluster *cluster_create(const struct cluster_options *options)
{
    struct cluster *cluster = calloc(1, sizeof(*cluster));

    assert_non_null(cluster);
    cluster->options = *options;
    cluster->random = options->seed;
    cluster->now_ns = 1000 * MS;
    for (unsigned node = 0; node < nodes_count(cluster); node++) {
        cluster->nodes[node].native = node < options->natives;
        npri_list_init(&cluster->nodes[node].waiting);
    }
    return cluster;
}

void cluster_destroy(struct cluster *cluster)
{
    struct npri_heap_node *first;

    while ((first = npri_heap_first(&cluster->messages)) != NULL) {
        npri_heap_remove(&cluster->messages, first);
        free(NPRI_CONTAINER_OF(first, struct message, due));
    }
    for (unsigned node = 0; node < nodes_count(cluster); node++) {
        cluster->nodes[node].alive = false;
        npri_core_destroy(cluster->nodes[node].core);
        cluster_pause(cluster, node, false);
    }
    free(cluster);
}

void cluster_boot(struct cluster *cluster, unsigned node, unsigned join)
{
    struct node *at = &cluster->nodes[node];

    at->alive = true;
    at->paused = false;
    at->creation++;
    memset(at->heard_ns, 0, sizeof(at->heard_ns));
    for (unsigned key = 0; key < CLUSTER_KEYS_MAX; key++) {
        at->table[key] = -1;
    }
    if (!at->native) {
        return;
    }
    at->core = npri_core_create(&(struct npri_core_options){.self = name_of(node),
                                                            .creation = at->creation,
                                                            .member = true,
                                                            .otp = NPR_OTP_26,
                                                            .md5 = spread_md5,
                                                            .announce_ns = 5000 * MS,
                                                            .expire_ns = 10000 * MS,
                                                            .suspect_ns = 1000 * MS,
                                                            .heartbeat_ns = 500 * MS,
                                                            .node_timeout_ns = 3000 * MS,
                                                            .epoch_us = cluster->now_ns / 1000,
                                                            .now_ns = cluster->now_ns});
    assert_non_null(at->core);
    if (join != node) {
        step(cluster, node,
             (struct npri_core_event){.kind = NPRI_EVENT_JOIN, .node = name_of(join)});
    }
}

void cluster_kill(struct cluster *cluster, unsigned node)
{
    struct node *at = &cluster->nodes[node];

    at->alive = false;
    npri_core_destroy(at->core);
    at->core = NULL;
    cluster_pause(cluster, node, false); /* what waited for it is lost */
    for (unsigned peer = 0; peer < nodes_count(cluster); peer++) {
        if (peer != node) {
            disconnect_pair(cluster, node, peer);
        }
    }
    for (int i = 0; i < cluster->processes_count; i++) {
        if (cluster->processes[i].node == node) {
            kill_process(cluster, i);
        }
    }
}

void cluster_pause(struct cluster *cluster, unsigned node, bool paused)
{
    struct npri_link *at;

    cluster->nodes[node].paused = paused;
    while (!paused && (at = npri_list_take(&cluster->nodes[node].waiting)) != NULL) {
        handle(cluster, NPRI_CONTAINER_OF(at, struct message, waiting));
    }
}

unsigned cluster_get(struct cluster *cluster, unsigned node, unsigned key, bool starts)
{
    const unsigned index = cluster->requests_count++;
    uint8_t bytes[TERM_BYTES];
    const struct npr_term term = write_key(key, bytes);

    assert_true(index < CLUSTER_REQUESTS_MAX);
    assert_true(cluster->nodes[node].native && cluster->nodes[node].alive);
    cluster->requests[index] = (struct cluster_request){
        .node = node, .key = key, .starts = starts, .process = -1, .asked_ns = cluster->now_ns};
    step(cluster, node,
         (struct npri_core_event){.kind = NPRI_EVENT_GET,
                                  .request = index + 1,
                                  .key = term,
                                  .function = starts ? term : (struct npr_term){0},
                                  .deadline_ns = cluster->now_ns + 5000 * MS});
    return index;
}

/* ---- Looking at it from outside. */

bool cluster_settled(const struct cluster *cluster)
{
    for (unsigned node = 0; node < cluster->options.natives; node++) {
        struct npri_buffer buffer = {0};
        struct npr_term_walk walk;
        struct npr_term element;
        unsigned expected = 0;
        unsigned seen = 0;

        if (!cluster->nodes[node].alive) {
            continue;
        }
        npri_core_put_nodes(cluster->nodes[node].core, &buffer);
        assert_true(npr_term_list((struct npr_term){buffer.data, buffer.size}, &walk));
        while (npr_term_next(&walk, &element)) {
            seen++;
        }
        npri_buffer_fini(&buffer);
        for (unsigned peer = 0; peer < nodes_count(cluster); peer++) {
            expected += cluster->nodes[peer].alive ? 1 : 0;
        }
        if (seen != expected) {
            return false;
        }
    }
    return true;
}

const struct cluster_request *cluster_request(const struct cluster *cluster, unsigned index)
{
    return &cluster->requests[index];
}

unsigned cluster_requests_count(const struct cluster *cluster)
{
    return cluster->requests_count;
}

const struct cluster_process *cluster_process(const struct cluster *cluster, int index)
{
    return index >= 0 && index < cluster->processes_count ? &cluster->processes[index] : NULL;
}

static unsigned count_processes(const struct cluster *cluster, unsigned key, bool living)
{
    unsigned count = 0;

    for (int i = 0; i < cluster->processes_count; i++) {
        const struct cluster_process *process = &cluster->processes[i];

        if (process->key == key && !process->discarded && (process->alive || !living)) {
            count++;
        }
    }
    return count;
}

unsigned cluster_living(const struct cluster *cluster, unsigned key)
{
    return count_processes(cluster, key, true);
}

unsigned cluster_started(const struct cluster *cluster, unsigned key)
{
    return count_processes(cluster, key, false);
}

uint64_t cluster_digest(const struct cluster *cluster)
{
    return cluster->digest;
}
