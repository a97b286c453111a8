/* sim/jobs.h - many seeds, on several processors: one child process each, so that a seed that
 * crashes takes nothing along but is a finding like any other. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include "run.h"

struct sim_jobs {
    uint64_t first;
    uint64_t count;
    unsigned jobs;
    unsigned findings_max; /* stop after that many */
    enum sim_protocol protocol;
    unsigned nodes;     /* of each run; 0: as drawn */
    const char *only;   /* the one checker that counts; NULL: all */
    const char *replay; /* the beginning of the command that runs a seed again */
    bool quiet;         /* no progress, no findings */
};

struct sim_jobs_outcome {
    uint64_t done;
    uint64_t unsafe;
    uint64_t stuck;
    uint64_t crashed;
    uint64_t first_seed; /* the least one that failed; meaningful when there is one */
    char first_checker[24];
    struct sim_counts counts;
};

/* Returns the worst verdict. */
enum sim_verdict sim_jobs_run(const struct sim_jobs *jobs, struct sim_jobs_outcome *out);

/* A seed that takes that long hangs. */
#define SIM_SEED_SECONDS_MAX 120

#endif /* SIM_JOBS_H */
