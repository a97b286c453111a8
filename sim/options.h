/* sim/options.h - what a seed stands for: sizes, times, and which classes of fault are on. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_US        UINT64_C(1000)
#define SIM_MS        (1000 * SIM_US)
#define SIM_SECOND    (1000 * SIM_MS)

#define SIM_DRAWN_MAX 9  /* nodes of a run that is drawn from a seed, */
#define SIM_SWARM_MAX 24 /* or that it is told to have */

enum sim_protocol {
    SIM_PROTOCOL_NATIVE,   /* src/core, with or without original nodes beside it */
    SIM_PROTOCOL_ORIGINAL, /* a model of the original's rules, on every node */
};

/* Each is on or off in a run, independently: bugs hide behind faults that always come together. */
enum sim_class {
    SIM_CLASS_JOINS,         /* nodes come late */
    SIM_CLASS_LEAVES,        /* nodes stop in order, and may come back */
    SIM_CLASS_CRASHES,       /* kill -9: every connection closes */
    SIM_CLASS_POWER,         /* the machine goes: no connection closes */
    SIM_CLASS_PAUSES,        /* a node neither reads nor acts, for less than node_timeout */
    SIM_CLASS_LONG_PAUSES,   /* ... for longer */
    SIM_CLASS_CLOCKS,        /* the wall clock is wrong at boot, ahead or behind */
    SIM_CLASS_SLOW_LINKS,    /* some connections are much slower than others */
    SIM_CLASS_RESETS,        /* a connection closes, what was in flight is lost */
    SIM_CLASS_ONE_WAY,       /* nothing arrives in one direction */
    SIM_CLASS_CUTS,          /* two nodes cannot reach each other; others reach both */
    SIM_CLASS_PARTITIONS,    /* the nodes fall into two groups */
    SIM_CLASS_DEATHS,        /* processes end */
    SIM_CLASS_RESTARTS,      /* processes are restarted in their place */
    SIM_CLASS_SLOW_STARTS,   /* inits that take seconds */
    SIM_CLASS_FAILED_STARTS, /* inits that fail */
    SIM_CLASS_SLOW_FENCES,   /* threads are late to leave an old snapshot */
    SIM_CLASS_REGISTERS,     /* processes are registered and unregistered by hand */
    SIM_CLASS_DRAINS,        /* nodes are drained */
    SIM_CLASS_QUORUM,        /* more than half of the nodes are needed to start */
    SIM_CLASS_RENDEZVOUS,    /* placement by rendezvous instead of modulo */
    SIM_CLASS_ORIGINALS,     /* original nodes beside the native ones */
    SIM_CLASSES_COUNT,
};

struct sim_options {
    uint64_t seed;
    enum sim_protocol protocol;
    bool trace;
    const char *only;   /* the one checker that counts; NULL: all */
    unsigned natives;   /* nodes 0 .. natives - 1 */
    unsigned originals; /* the nodes after them */
    unsigned keys;
    uint32_t classes; /* bits of enum sim_class */
    unsigned joins;   /* how many nodes each node is told to join; nodes - 1: all */
    unsigned quorum;  /* 0: none */
    uint64_t delay_ns_min;
    uint64_t delay_ns_max;
    uint64_t slow_ns_max;  /* added on slow links */
    uint64_t start_ns_max; /* how long an init takes */
    uint64_t fence_ns_max;
    uint64_t heartbeat_ns;
    uint64_t node_timeout_ns;
    uint64_t suspect_ns;
    uint64_t announce_ns;
    uint64_t expire_ns;
    uint64_t request_ns_max; /* between two of the clients' acts */
    uint64_t fault_ns_max;   /* between two faults */
    uint64_t faults_ns;      /* how long the phase of faults is */
    uint64_t settle_ns;      /* how long it may take to settle after them */
};

static inline bool sim_has(const struct sim_options *options, enum sim_class which)
{
    return (options->classes >> which & 1) != 0;
}

/* Whether nodes may be out of touch with each other for longer than is bridged. */
bool sim_options_separate(const struct sim_options *options);

/* Everything that `seed` stands for; with so many `nodes`, of both kinds, unless that is 0. */
void sim_options_draw(struct sim_options *out,
                      uint64_t seed,
                      enum sim_protocol protocol,
                      unsigned nodes);

/* On one line, without an end of line; returns `line`. */
const char *sim_options_print(const struct sim_options *options, char *line, size_t size);

const char *sim_class_name(enum sim_class which);

#endif /* SIM_OPTIONS_H */
