/* stress.h - many processes doing random things, with an exact account at the end (stress.c). */
#ifndef NPRI_TESTS_STRESS_H
#define NPRI_TESTS_STRESS_H

#include <stdint.h>

struct stress_totals {
    uint32_t mortals; /* started, and ended */
    uint32_t fired;   /* monitors */
    uint32_t broken;  /* links */
};

/* Fails the case when anything is left over, lost or there twice.  `seed`: of what the processes
 * do. */
struct stress_totals stress_run(unsigned workers, uint32_t steps, uint32_t seed);

#endif /* NPRI_TESTS_STRESS_H */
