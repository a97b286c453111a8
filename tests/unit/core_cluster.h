/* core_cluster.h - N cores joined by an in-memory network, driven by one seed: delays, order per
 * connection kept, connections that break, nodes that die, and a model of original nodes.
 *
 * The checks keep their own history: which processes live, which requests were answered, with what.
 * They never ask a core whether it is right. */
#ifndef NPRI_TESTS_CORE_CLUSTER_H
#define NPRI_TESTS_CORE_CLUSTER_H

#include "core/core.h"

#define CLUSTER_NODES_MAX     6
#define CLUSTER_KEYS_MAX      64
#define CLUSTER_PROCESSES_MAX 4096
#define CLUSTER_REQUESTS_MAX  8192

#define MS                    UINT64_C(1000000)

struct cluster;

struct cluster_options {
    uint64_t seed;
    unsigned natives;   /* nodes 0 .. natives-1 */
    unsigned originals; /* the nodes after them */
    uint64_t delay_ns_max;
    bool restarts; /* processes on native nodes are permanent, without a limit that matters */
};

struct cluster_process {
    unsigned node;
    unsigned key;
    uint32_t creation;
    bool alive;
    bool discarded; /* stopped at once, by the core's own decision */
};

struct cluster_request {
    unsigned node;
    unsigned key;
    bool starts;
    unsigned answers_count;
    npr_status status;
    int process; /* that it was answered with; -1: none, or one that we do not know */
    bool started;
    uint64_t asked_ns;
    uint64_t answered_ns;
};

struct cluster *cluster_create(const struct cluster_options *options);
void cluster_destroy(struct cluster *cluster);

/* The node comes up; a native one joins node `join` (none when it is itself). */
void cluster_boot(struct cluster *cluster, unsigned node, unsigned join);
void cluster_kill(struct cluster *cluster, unsigned node);

/* It neither reads nor acts until it is resumed; what is sent to it waits. */
void cluster_pause(struct cluster *cluster, unsigned node, bool paused);

/* A GET at `node`; returns its index.  Time-out 5 s. */
unsigned cluster_get(struct cluster *cluster, unsigned node, unsigned key, bool starts);

void cluster_kill_process(struct cluster *cluster, int index);

/* Everything that happens in the next `ns`. */
void cluster_pass(struct cluster *cluster, uint64_t ns);

/* Whether the views of all that live are the living nodes. */
bool cluster_settled(const struct cluster *cluster);

uint64_t cluster_random(struct cluster *cluster, uint64_t bound);
const struct cluster_request *cluster_request(const struct cluster *cluster, unsigned index);
unsigned cluster_requests_count(const struct cluster *cluster);
const struct cluster_process *cluster_process(const struct cluster *cluster,
                                              int index); /* or NULL */

/* Living processes of a key, over all nodes. */
unsigned cluster_living(const struct cluster *cluster, unsigned key);

/* Processes of a key that were ever started, without those that were discarded. */
unsigned cluster_started(const struct cluster *cluster, unsigned key);

/* A hash of everything that has happened. */
uint64_t cluster_digest(const struct cluster *cluster);

#endif /* NPRI_TESTS_CORE_CLUSTER_H */
