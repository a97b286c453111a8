/* sim/run.h - one seed from the beginning to the end. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "world.h"

enum sim_verdict {
    SIM_OK = 0,
    SIM_UNSAFE = 1, /* something happened that must not */
    SIM_STUCK = 2,  /* something did not happen that must */
    SIM_CRASHED = 3 /* an assertion, or a signal */
};

struct sim_result {
    enum sim_verdict verdict;
    uint64_t digest;
    uint64_t ended_ns;
    struct sim_counts counts;
    char checker[24];
    char finding[600];
};

/* Faults, with checks after every event; then none, and it must settle. */
void sim_run(const struct sim_options *options, struct sim_result *out);

#endif /* SIM_RUN_H */
