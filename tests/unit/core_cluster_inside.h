/* core_cluster_inside.h - for the files of core_cluster.h, each of which calls those after it:
 *
 *     core_cluster.c          the loop; nodes come and go; what is seen from outside
 *     core_cluster_answers.c  what a node answers another: a native one by its core, or an original
 *     core_cluster_effects.c  what becomes of the effects of a core
 *     core_cluster_network.c  chance, names, messages, connections, and whose end is told over them
 */
#ifndef NPRI_TESTS_CORE_CLUSTER_INSIDE_H
#define NPRI_TESTS_CORE_CLUSTER_INSIDE_H

#include "core_cluster.h"

#include "base/heap.h"
#include "base/list.h"

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

/* ---- core_cluster_network.c */

void cluster_digest_add(struct cluster *cluster, uint64_t value);

/* A hash for placement, which spreads. */
void cluster_spread_md5(const void *data, size_t size, uint8_t out[16]);

struct npr_node_name cluster_name_of(unsigned node);
unsigned cluster_node_of(const struct npr_node_name *name);
unsigned cluster_nodes_count(const struct cluster *cluster);

/* `bytes` are TERM_BYTES. */
struct npr_term cluster_write_key(unsigned key, uint8_t *bytes);
struct npr_term cluster_write_pid(const struct cluster *cluster, int process, uint8_t *bytes);
unsigned cluster_read_key(struct npr_term term);
int cluster_read_pid(struct npr_term term); /* -1: none */

struct message *cluster_new_message(enum message_kind kind, unsigned from, unsigned to);
void cluster_set_term(struct message *message, struct npr_term term);
uint64_t cluster_delay(struct cluster *cluster);

/* Over the connection; dropped when there is none. */
void cluster_send(struct cluster *cluster, struct message *message);

/* To the receiver itself. */
void cluster_send_local(struct cluster *cluster, struct message *message, uint64_t after_ns);

void cluster_connect_pair(struct cluster *cluster, unsigned a, unsigned b);

/* A later connection is heard of after the end of this one. */
void cluster_disconnect_pair(struct cluster *cluster, unsigned dead, unsigned peer);

int cluster_new_process(struct cluster *cluster, unsigned node, unsigned key);

/* ---- core_cluster_effects.c */

/* Steps the core of the node, and does what it wants. */
void cluster_step(struct cluster *cluster, unsigned node, struct npri_core_event event);

/* ---- core_cluster_answers.c */

/* A REQUEST has come to its receiver. */
void cluster_answer(struct cluster *cluster, const struct message *message);

#endif /* NPRI_TESTS_CORE_CLUSTER_INSIDE_H */
