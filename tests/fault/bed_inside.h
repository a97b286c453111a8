/* bed_inside.h - what the bed is made of; for bed.c, settle.c and sides.c only. */
#ifndef NPRI_TESTS_FAULT_BED_INSIDE_H
#define NPRI_TESTS_FAULT_BED_INSIDE_H

#include "bed.h"
#include "programs.h"
#include "referee.h"

#define NS_PER_MS    UINT64_C(1000000)
#define READY_MS_MAX 60000U
#define END_MS_MAX   60000U
#define POLL_MS      20U
#define SPARE_KEYS   16U /* beyond those that clients ask for */

struct bed_node {
    pid_t pid; /* 0: not running */
    uint32_t run;
    bool original;
    bool paused;
    uint64_t paused_ns;
    pid_t epmd; /* of an original node in a namespace; 0: none */
    char log[256];
    char output[256];
};

struct bed {
    struct bed_options options;
    unsigned nodes_count;
    uint64_t began_ns;
    struct network *network;
    struct referee *referee;
    struct bed_node nodes[BOOK_NODES_MAX];
    pid_t clients[BOOK_CLIENTS_MAX];
    bool delayed;
    bool closing;                    /* what is done from now on is not drawn */
    uint32_t wanted[BOOK_NODES_MAX]; /* the reach that the network is set to */
    uint32_t joins_to;               /* nodes that have run before: joined by the next */
    size_t faults_count;             /* the bed's own: not settled in time, a bad end */
    struct chart_mark marks[CHART_MARKS_MAX];
    size_t marks_count;
    FILE *reports;
    char socket[256];
    char cookie[256]; /* the file */
    char cookie_text[32];
    char quorum[16];
};

/* Says it, and counts it. */
void bed_fault(struct bed *bed, const char *what);

/* Runs a program where the node is, for 10 s at most.  Its exit status; -1: it took too long. */
int bed_run(struct bed *bed, unsigned node, const struct program *program);

/* Asks each of the nodes for each key.  With `look` nothing is started, and found must be what
 * lives on these nodes; else each key must have a process.  False: `why` has a sentence. */
bool bed_sweep(struct bed *bed, uint32_t nodes, bool look, char *why, size_t why_size);

/* The nodes that run, as a set. */
uint32_t bed_running(const struct bed *bed);

/* From now on the book makes no allowances for what was before. */
void bed_tell_settled(struct bed *bed);

#endif /* NPRI_TESTS_FAULT_BED_INSIDE_H */
