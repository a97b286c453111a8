#include "core_cluster_inside.h"

#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "term/write.h"

/* ---- Connections. */

static void tell_link(struct cluster *cluster, unsigned node, unsigned peer, bool up)
{
    if (cluster->nodes[node].native) {
        cluster_step(
            cluster, node,
            (struct npri_core_event){.kind = up ? NPRI_EVENT_CONNECTED : NPRI_EVENT_DISCONNECTED,
                                     .node = cluster_name_of(peer),
                                     .creation = cluster->nodes[peer].creation,
                                     .text = npr_bytes_of("closed")});
    }
}

static void on_dialled(struct cluster *cluster, unsigned node, unsigned peer)
{
    cluster->links[node][peer].dialling = false;
    if (cluster->links[node][peer].up) {
        return;
    }
    if (cluster->nodes[peer].alive) {
        cluster_connect_pair(cluster, node, peer);
    } else {
        tell_link(cluster, node, peer, false);
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
        cluster_step(
            cluster, message->to,
            (struct npri_core_event){.kind = NPRI_EVENT_PROCESS_DOWN,
                                     .term = cluster_write_pid(cluster, message->process, bytes)});
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
    cluster_digest_add(cluster, (uint64_t)message->kind << 16 | message->from << 8 | message->to);
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
            cluster_step(cluster, message->to, message->event);
        }
        return;
    case MESSAGE_REQUEST:
        cluster_answer(cluster, message);
        return;
    case MESSAGE_STARTED:
        cluster_set_term(message, cluster_write_pid(cluster,
                                                    cluster_new_process(cluster, message->to,
                                                                        (unsigned)message->process),
                                                    message->bytes));
        cluster_step(cluster, message->to, message->event);
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
    for (unsigned node = 0; node < cluster_nodes_count(cluster); node++) {
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
            cluster_step(cluster, node, (struct npri_core_event){.kind = NPRI_EVENT_TIME});
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
    for (unsigned node = 0; node < cluster_nodes_count(cluster); node++) {
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
    for (unsigned node = 0; node < cluster_nodes_count(cluster); node++) {
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
    at->core = npri_core_create(&(struct npri_core_options){.self = cluster_name_of(node),
                                                            .creation = at->creation,
                                                            .member = true,
                                                            .otp = NPR_OTP_26,
                                                            .md5 = cluster_spread_md5,
                                                            .announce_ns = 5000 * MS,
                                                            .expire_ns = 10000 * MS,
                                                            .suspect_ns = 1000 * MS,
                                                            .heartbeat_ns = 500 * MS,
                                                            .node_timeout_ns = 3000 * MS,
                                                            .epoch_us = cluster->now_ns / 1000,
                                                            .now_ns = cluster->now_ns});
    assert_non_null(at->core);
    if (join != node) {
        cluster_step(
            cluster, node,
            (struct npri_core_event){.kind = NPRI_EVENT_JOIN, .node = cluster_name_of(join)});
    }
}

void cluster_kill(struct cluster *cluster, unsigned node)
{
    struct node *at = &cluster->nodes[node];

    at->alive = false;
    npri_core_destroy(at->core);
    at->core = NULL;
    cluster_pause(cluster, node, false); /* what waited for it is lost */
    for (unsigned peer = 0; peer < cluster_nodes_count(cluster); peer++) {
        if (peer != node) {
            cluster_disconnect_pair(cluster, node, peer);
        }
    }
    for (int i = 0; i < cluster->processes_count; i++) {
        if (cluster->processes[i].node == node) {
            cluster_kill_process(cluster, i);
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
    const struct npr_term term = cluster_write_key(key, bytes);

    assert_true(index < CLUSTER_REQUESTS_MAX);
    assert_true(cluster->nodes[node].native && cluster->nodes[node].alive);
    cluster->requests[index] = (struct cluster_request){
        .node = node, .key = key, .starts = starts, .process = -1, .asked_ns = cluster->now_ns};
    cluster_step(cluster, node,
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
        for (unsigned peer = 0; peer < cluster_nodes_count(cluster); peer++) {
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
