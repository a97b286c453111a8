#include "core_cluster_inside.h"

#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "term/write.h"

/* ---- Chance, names, terms. */

uint64_t cluster_random(struct cluster *cluster, uint64_t bound)
{
    uint64_t word = cluster->random += UINT64_C(0x9e3779b97f4a7c15);

    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return (word ^ word >> 31) % bound;
}

void cluster_digest_add(struct cluster *cluster, uint64_t value)
{
    cluster->digest = (cluster->digest ^ value) * UINT64_C(0x100000001b3);
    cluster->digest ^= cluster->digest >> 31;
}

void cluster_spread_md5(const void *data, size_t size, uint8_t out[16])
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

struct npr_node_name cluster_name_of(unsigned node)
{
    struct npr_node_name name = {.size = 3, .text = {'a', '@', 'h'}};

    name.text[0] = (char)('a' + node);
    return name;
}

unsigned cluster_node_of(const struct npr_node_name *name)
{
    return (unsigned)(name->text[0] - 'a');
}

unsigned cluster_nodes_count(const struct cluster *cluster)
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

struct npr_term cluster_write_key(unsigned key, uint8_t *bytes)
{
    struct npri_buffer buffer = buffer_of(bytes);

    npri_put_int(&buffer, key);
    return (struct npr_term){.data = buffer.data, .size = buffer.size};
}

unsigned cluster_read_key(struct npr_term term)
{
    int64_t key = -1;

    assert_true(npr_term_get_int64(term, &key));
    return (unsigned)key;
}

struct npr_term cluster_write_pid(const struct cluster *cluster, int process, uint8_t *bytes)
{
    struct npri_buffer buffer = buffer_of(bytes);
    const struct npr_pid pid = {.node = cluster_name_of(cluster->processes[process].node),
                                .id = (uint32_t)process + 1,
                                .creation = cluster->processes[process].creation};

    npri_put_pid(&buffer, &pid);
    return (struct npr_term){.data = buffer.data, .size = buffer.size};
}

int cluster_read_pid(struct npr_term term)
{
    struct npr_pid pid;

    return npr_term_get_pid(term, &pid) ? (int)pid.id - 1 : -1;
}

/* ---- Messages. */

struct message *cluster_new_message(enum message_kind kind, unsigned from, unsigned to)
{
    struct message *message = calloc(1, sizeof(*message));

    assert_non_null(message);
    message->kind = kind;
    message->from = from;
    message->to = to;
    message->process = -1;
    return message;
}

uint64_t cluster_delay(struct cluster *cluster)
{
    return 100000 + cluster_random(cluster, cluster->options.delay_ns_max);
}

void cluster_send_local(struct cluster *cluster, struct message *message, uint64_t after_ns)
{
    message->epoch = cluster->nodes[message->to].creation;
    npri_heap_insert(&cluster->messages, &message->due, cluster->now_ns + after_ns);
}

void cluster_send(struct cluster *cluster, struct message *message)
{
    struct link *link = &cluster->links[message->from][message->to];
    uint64_t due_ns = cluster->now_ns + cluster_delay(cluster);

    if (!link->up) {
        free(message);
        return;
    }
    due_ns = due_ns > link->last_ns ? due_ns : link->last_ns;
    link->last_ns = due_ns;
    message->epoch = link->epoch;
    npri_heap_insert(&cluster->messages, &message->due, due_ns);
}

void cluster_set_term(struct message *message, struct npr_term term)
{
    assert_true(term.size <= TERM_BYTES);
    if (term.data != message->bytes && term.size > 0) {
        memcpy(message->bytes, term.data, term.size);
    }
    message->event.term = (struct npr_term){.data = message->bytes, .size = term.size};
}

/* ---- Connections. */

void cluster_connect_pair(struct cluster *cluster, unsigned a, unsigned b)
{
    for (int side = 0; side < 2; side++) {
        struct link *link = side == 0 ? &cluster->links[a][b] : &cluster->links[b][a];

        link->up = true;
        link->epoch++;
        link->last_ns = link->last_ns > cluster->now_ns ? link->last_ns : cluster->now_ns;
    }
    cluster_send(cluster, cluster_new_message(MESSAGE_UP, a, b));
    cluster_send(cluster, cluster_new_message(MESSAGE_UP, b, a));
}

void cluster_disconnect_pair(struct cluster *cluster, unsigned dead, unsigned peer)
{
    struct link *link = &cluster->links[dead][peer];
    uint64_t due_ns = cluster->now_ns + cluster_delay(cluster);

    if (!link->up) {
        return;
    }
    link->up = false;
    cluster->links[peer][dead].up = false;
    due_ns = due_ns > link->last_ns ? due_ns : link->last_ns;
    link->last_ns = due_ns;
    if (cluster->nodes[peer].alive) {
        cluster_send_local(cluster, cluster_new_message(MESSAGE_DOWN, dead, peer),
                           due_ns - cluster->now_ns);
    }
}

/* ---- Processes. */

void cluster_kill_process(struct cluster *cluster, int index)
{
    struct cluster_process *process = &cluster->processes[index];

    if (!process->alive) {
        return;
    }
    process->alive = false;
    for (unsigned node = 0; node < cluster_nodes_count(cluster); node++) {
        struct message *message;

        if (!cluster->nodes[node].alive) {
            continue;
        }
        message = cluster_new_message(MESSAGE_PROCESS_DOWN, process->node, node);
        message->process = index;
        cluster_send_local(cluster, message, cluster_delay(cluster));
    }
}

int cluster_new_process(struct cluster *cluster, unsigned node, unsigned key)
{
    const int index = cluster->processes_count++;

    assert_true(index < CLUSTER_PROCESSES_MAX);
    cluster->processes[index] = (struct cluster_process){
        .node = node, .key = key, .creation = cluster->nodes[node].creation, .alive = true};
    return index;
}
