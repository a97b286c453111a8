/* cases.h - what is done to the nodes, one thing after another. */
#ifndef NPRI_TESTS_FAULT_CASES_H
#define NPRI_TESTS_FAULT_CASES_H

#include "bed.h"

struct fault_case {
    const char *name;
    const char *what;
    bool proxies_only;
    unsigned nodes_first; /* how many run at first; 0: all */
    uint32_t
        end_permille; /* of the requests, after which a process is to end, unless told otherwise */
    unsigned quorum;  /* of the nodes, unless told otherwise; 0: none */
    unsigned clings_count; /* clients that stay with what they have found, unless told otherwise */
    const char *function;  /* of the witness; NULL: start */
    void (*run)(struct bed *bed);
};

extern const struct fault_case fault_cases[];
extern const size_t fault_cases_count;

/* Does this and that, drawn by the seed, for so long; the cluster settles after each. Ends at the
 * first fault. */
void cases_soak(struct bed *bed, uint64_t seed, unsigned seconds, bool proxies);

#endif /* NPRI_TESTS_FAULT_CASES_H */
