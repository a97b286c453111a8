/* Threads one at a time, in an order that a seed decides: same seed, same run.
 *
 * The program is linked so that its calls of pthread_create(), of mutexes, conditions, clocks,
 * sched_yield() and nanosleep() come here (CMakeLists.txt), and the runtime is built with
 * NPROCREG_SYSTEMATIC, so that it comes here too where it changes an atomic that others look at.
 * Between serial_begin() and serial_end() the calling thread, and all that come of it, run in turn:
 * at each of these points the generator says who goes on.
 *
 * Time is a count: it grows a little with each point, and when all wait, jumps to the first
 * deadline. When all wait and there is none, a wake-up has been lost: the program says so and
 * aborts.  A condition sometimes wakes without a cause, as it may.
 *
 * All other waiting, above all for input, would stop everything: there must be none. */
#ifndef NPRI_TESTS_SERIAL_H
#define NPRI_TESTS_SERIAL_H

#include <stdint.h>

struct serial_account {
    uint64_t points; /* where another could have gone on */
    uint64_t order;  /* a hash of who did */
};

void serial_begin(uint64_t seed);

/* Only the calling thread may be left. */
struct serial_account serial_end(void);

#endif /* NPRI_TESTS_SERIAL_H */
